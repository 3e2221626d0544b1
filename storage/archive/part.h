/* part.h - one FLOWS frame, read column by column.
 * SPDX-License-Identifier: ISC
 *
 * For queries that want more than rows: sums by an address are made over the
 * numbers in the part's dictionary. One thread's; reused for part after part.
 */
#ifndef CUL_ARCHIVE_PART_H
#define CUL_ARCHIVE_PART_H

#include "daemon/model/block.h"
#include "rules/filter/filter.h"
#include "storage/archive/frame.h"
#include "storage/archive/naming.h"

/* The columns of a file by this program's numbers. */
struct columns {
	uint8_t n;
	int8_t field[256]; /* the file's number -> enum field, -1: not known here */
	bool is_addr[256]; /* by the file's kind */
};

bool columns_read(struct in *r, struct columns *c);

struct part; /* at most about 30 MB, as columns are used */

struct part *part_new(void);
void part_free(struct part **p);

/* Makes p the part at `at` of fd with that directory (which is copied; eight octets of
 * slack). fd, names and ids are borrowed until the next part_open. False: damaged. */
bool part_open(struct part *p, int fd, uint64_t at, const struct frame *f,
	       const uint8_t *head, const struct columns *c, const struct file_names *ids,
	       const struct names *names);

uint32_t part_rows(const struct part *p);
const struct totals *part_totals(const struct part *p);
/* Least and greatest value of a column as filters compare them; false: not known. */
bool part_range(const struct part *p, enum field f, uint64_t *min, uint64_t *max);
/* Whether an address column may hold one with that prefix; true when not known. */
bool part_may_have(struct part *p, enum field f, const struct prefix *x);

/* Reads and checks columns (bits 1 << F_x); false: damaged, nothing may be used. */
bool part_load(struct part *p, uint64_t columns);
/* Rows at .. at + n as a block (n <= BLOCK_ROWS) with the columns that are loaded; all
 * others are zero. Valid until the next part_open. */
const struct block *part_block(struct part *p, uint32_t at, uint32_t n);
/* k <= BLOCK_ROWS rows, rows[0] < rows[1] ..., with those columns, as a block of k rows: much
 * less work than part_load() when they are few. NULL: damaged. Valid until the next call. */
const struct block *part_pick(struct part *p, uint64_t columns, const uint32_t *rows,
			      uint32_t k);
/* A loaded column; NULL when no row of the part tells it. */
const void *part_column(const struct part *p, enum field f);

/* A column of numbers as they lie in the file: that of row i is *min + (*v)[i], or *min in
 * all rows when *v is NULL. False: not possible with this column, or damaged: part_load()
 * tells. */
bool part_ints(struct part *p, enum field f, const uint32_t **v, uint64_t *min);

/* Whether a loaded column has one value for each address of an address column. */
bool part_follows(const struct part *p, enum field f, enum field parent);

/* Numbers of an address column in the dictionary, and the dictionary; NULL when the
 * column has none. Loads what it needs; sets *damaged. */
const uint32_t *part_codes(struct part *p, enum field f, const struct addr **list,
			   uint32_t *n, bool *damaged);

/* Of a filter that reads the address column f alone: one octet for each address of the
 * dictionary, 1 when rows with it pass. NULL: the column has no dictionary. The same filter
 * until the next part_open. */
const uint8_t *part_pass(struct part *p, enum field f, const struct filter *filter);

#endif
