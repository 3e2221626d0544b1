/* fuzz_netflow9.c - sequences of NetFlow v9: templates, then data.
 * SPDX-License-Identifier: ISC */
#include "sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void version(uint8_t *p, size_t len, unsigned how)
{
	(void)how;
	if (len < 2)
		return;
	p[0] = 0;
	p[1] = 9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_sequence(data, size, version, false);
}
