/* fuzz_ipfix.c - sequences of IPFIX, as datagrams and over connections.
 * SPDX-License-Identifier: ISC */
#include "sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void version(uint8_t *p, size_t len, unsigned how)
{
	(void)how;
	if (len < 4)
		return;
	p[0] = 0;
	p[1] = 10;
	p[2] = (uint8_t)(len >> 8); /* the right length: what is wrong is found by fuzz_flows */
	p[3] = (uint8_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_sequence(data, size, version, true);
}
