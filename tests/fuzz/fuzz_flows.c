/* fuzz_flows.c - sequences of datagrams of every protocol.
 * SPDX-License-Identifier: ISC */
#include "sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_sequence(data, size, NULL, false);
}
