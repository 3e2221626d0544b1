/* fuzz_requests.c - blocks of a request file, damaged in any way.
 * SPDX-License-Identifier: ISC
 *
 * The checksums would keep almost everything out, so the body is given with one that
 * fits: unpacked octets too, which are packed here. What comes out has a URL of bounded
 * length.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/request_block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool seen(void *arg, const struct request *r)
{
	(void)arg;
	assert(*r->url && strlen(r->url) < REQUEST_URL);
	return true;
}

static void body(uint32_t rows, uint32_t unpacked, const uint8_t *p, size_t len)
{
	struct request_header h = { .type = REQUEST_BLOCK, .rows = rows,
				    .packed = (uint32_t)len, .unpacked = unpacked,
				    .body_check = XXH3_64bits(p, len) };
	uint8_t *own = xmemdup(p, len ? len : 1);

	request_body_read(&h, own, seen, NULL);
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_header h;
	uint32_t rows;
	uint8_t *packed;
	size_t len;

	if (size < 2 || size > 1 << 20)
		return 0;
	if (size >= REQUEST_HEADER && request_header_read(data, &h) &&
	    size - REQUEST_HEADER >= h.packed)
		request_body_read(&h, data + REQUEST_HEADER, seen, NULL);
	rows = 1u + data[0] + 16u * data[1];
	body(rows, 4096, data + 2, size - 2);
	packed = xcalloc(1, ZSTD_compressBound(size));
	len = ZSTD_compress(packed, ZSTD_compressBound(size), data + 2, size - 2, 1);
	body(rows, (uint32_t)(size - 2), packed, len);
	free(packed);
	return 0;
}
