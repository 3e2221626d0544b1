/* unpack.c - the compressions that nfdump's blocks come in.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/import/unpack.h"

#include <bzlib.h>
#include <limits.h>
#include <lz4.h>
#include <lzo/lzo1x.h>
#include <zstd.h>

const char *const packing_name[PACK_KINDS] = { "none", "lzo", "bz2", "lz4", "zstd" };

size_t unpack(enum packing how, const uint8_t *p, size_t len, uint8_t *to, size_t room)
{
	unsigned bz_room = (unsigned)room;
	lzo_uint lzo_room = room;
	size_t n;
	int got;

	if (len > INT_MAX || room > INT_MAX)
		return 0;
	switch (how) {
	case PACK_LZO:
		if (lzo1x_decompress_safe(p, len, to, &lzo_room, NULL) != LZO_E_OK)
			return 0;
		return lzo_room;
	case PACK_BZ2:
		if (BZ2_bzBuffToBuffDecompress((char *)to, &bz_room, (char *)p,
					       (unsigned)len, 0, 0) != BZ_OK)
			return 0;
		return bz_room;
	case PACK_LZ4:
		got = LZ4_decompress_safe((const char *)p, (char *)to, (int)len, (int)room);
		return got > 0 ? (size_t)got : 0;
	case PACK_ZSTD:
		n = ZSTD_decompress(to, room, p, len);
		return ZSTD_isError(n) ? 0 : n;
	case PACK_NONE:
	case PACK_KINDS: break;
	}
	return 0;
}
