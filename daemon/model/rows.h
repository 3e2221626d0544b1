/* rows.h - which rows of a block belong to which series.
 * SPDX-License-Identifier: ISC
 *
 * Windows (while flows pass) and evidence (from the archive, later) must agree
 * to the byte on what belongs to a series; both ask here.
 */
#ifndef CUL_MODEL_ROWS_H
#define CUL_MODEL_ROWS_H

#include "daemon/model/slice.h"

enum { ROW_KEYS = 2, ROW_WORDS = BLOCK_ROWS / 64 };

/* Takes rows out of bits (ROW_WORDS words) that would count a packet twice: what is not
 * grouped by interface, and whose filter does not name one (filter_columns without
 * F_in_if and F_out_if), counts rows with COUNT_TOTAL only. */
void rows_counted(enum by by, uint64_t filter_columns, const struct block *b, uint64_t *bits);

/* The keys that one row gives, at most ROW_KEYS; returns how many. A flow inside one host
 * or network gives each key once. */
unsigned row_keys(enum by by, const struct block *b, uint32_t row, struct key out[ROW_KEYS]);

/* What a row counts as a whole. */
static inline struct sums row_sums(const struct block *b, uint32_t row)
{
	return (struct sums){ b->bytes[row], b->packets[row], b->flows[row] ? b->flows[row] : 1 };
}

/* What a row counts in [from_ms, to_ms), which it overlaps (D1). Its flows count where its
 * last packet is. */
static inline struct sums row_share(const struct block *b, uint32_t row, int64_t from_ms,
				    int64_t to_ms)
{
	struct sums all = row_sums(b, row);
	int64_t start = b->start_ms[row], end = b->end_ms[row];
	int64_t last = end > start ? end - 1 : start;

	if (end <= start) /* one moment, and it is in, or the row would not be here */
		return all;
	return (struct sums){
		share_upto(all.bytes, start, end, to_ms) -
		    share_upto(all.bytes, start, end, from_ms),
		share_upto(all.packets, start, end, to_ms) -
		    share_upto(all.packets, start, end, from_ms),
		last >= from_ms && last < to_ms ? all.flows : 0,
	};
}

/* Takes rows out of bits that do not give key k. */
void key_select(enum by by, const struct key *k, const struct block *b, uint64_t *bits);

#endif
