/* csv_columns.h - what the columns of flow tables are called.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_CSV_COLUMNS_H
#define CUL_IMPORT_CSV_COLUMNS_H

#include <stdint.h>

#include "daemon/model/block.h"

/* What a cell is, beyond a column of the flow (enum field). */
enum csv_what {
	CSV_PASS = FIELD_COUNT, /* not of interest */
	CSV_DURATION,           /* s, for the end */
	CSV_ICMP_TYPE, CSV_ICMP_CODE,
	CSV_ENGINE,             /* "type/id" */
};

/* By name, whatever its case and signs between the letters: "sIP", "src_port", "ibyt". */
int csv_column(const char *name, size_t len);

/* The cell's text into the row; false: it does not fit the column. */
struct rows;
struct csv_row { /* what is to be put together when the line has ended */
	int64_t duration_ms; /* -1: not told */
	int icmp_type, icmp_code; /* -1 */
	bool end_told;
};
bool csv_cell(struct rows *r, uint32_t row, int what, const char *text, struct csv_row *more);

#endif
