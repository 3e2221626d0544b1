/* fuzz_table.c - any octets as a table of flows.
 * SPDX-License-Identifier: ISC */
#include "tests/fuzz/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rows_fuzz(&source_csv, data, size);
	return 0;
}
