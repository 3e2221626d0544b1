/* fuzz_flowtools.c - any octets as a file of flowtools.
 * SPDX-License-Identifier: ISC */
#include "tests/fuzz/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rows_fuzz(&source_flowtools, data, size);
	return 0;
}
