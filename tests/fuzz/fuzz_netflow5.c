/* fuzz_netflow5.c - sequences of NetFlow v1, v5, v6, v7 and v8 (all aggregations).
 * SPDX-License-Identifier: ISC */
#include "sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void version(uint8_t *p, size_t len, unsigned how)
{
	static const uint8_t of[] = { 1, 5, 6, 7, 8, 8, 8, 8 };

	if (len < 2)
		return;
	p[0] = 0;
	p[1] = of[how >> 5];
	if (len > 22 && p[1] == 8)
		p[22] = p[22] & 15; /* the aggregation; 15 is none */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_sequence(data, size, version, false);
}
