/* fuzz_nfdump.c - any octets as a file of nfdump.
 * SPDX-License-Identifier: ISC */
#include "tests/fuzz/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rows_fuzz(&source_nfdump, data, size);
	return 0;
}
