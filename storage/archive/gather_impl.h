/* gather_impl.h - between the files of gather: what is gathered.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_GATHER_IMPL_H
#define CUL_ARCHIVE_GATHER_IMPL_H

#include "daemon/base/map.h"
#include "storage/archive/addrs.h"
#include "storage/archive/gather.h"

struct gather {
	uint32_t n;
	uint64_t used;
	uint8_t *col[FIELD_COUNT]; /* PART_ROWS each, from first use */
	char *text;                /* all texts, NUL after each; text[0] is NUL */
	size_t text_len, text_cap;
	uint32_t *text_at, texts;  /* offset of each text; 0 is the empty one */
	uint32_t text_at_cap;
	struct map text_by_hash;   /* uint64_t hash -> uint32_t number */
	struct packer *packer;
	struct addrs *addrs;
	uint32_t *codes[FIELD_COUNT]; /* of address columns in the dictionary */
	uint64_t coded;               /* bits: columns that have codes */
	uint32_t *row_of[FIELD_COUNT]; /* of such a column: a row for each code */
	uint64_t has_rows;             /* bits: columns for which that is made */
	uint8_t form[FIELD_COUNT];     /* of time columns, as last tried */
	unsigned form_age;             /* frames since */
	uint64_t form_used;            /* the columns there were */
	uint64_t *wide2;               /* PART_ROWS each */
	uint32_t *narrow, *map;
};

#endif
