/* registry.c - from the version in a datagram to its decoder.
 * SPDX-License-Identifier: ISC
 *
 * NetFlow and IPFIX begin with 16 bits of version, sFlow with 32, so a datagram
 * that begins 00 05 is NetFlow v5 and one that begins 00 00 00 05 sFlow v5; there
 * is no NetFlow v0.
 */
#include "daemon/base/mem.h"
#include "daemon/collect/decoder.h"

#define DECODER(fn, via, version, wide) decode_f fn;
#include "daemon/collect/decoders.def"
#undef DECODER

static const struct decoder table[] = {
#define DECODER(fn, via, version, wide) { via, version, wide, fn },
#include "daemon/collect/decoders.def"
#undef DECODER
};

const struct decoder *decoder_find(const uint8_t *data, size_t len)
{
	struct rd r = rd_over(data, len);
	uint32_t version = rd_u16(&r);
	bool wide = !version;

	if (wide)
		version = rd_u16(&r);
	if (!rd_ok(&r))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].version == version && table[i].wide == wide)
			return &table[i];
	return NULL;
}
