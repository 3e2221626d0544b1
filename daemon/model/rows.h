/* rows.h - which rows of a block belong to which series.
 * SPDX-License-Identifier: ISC
 *
 * Windows (while flows pass) and evidence (from the archive, later) must agree
 * to the byte on what belongs to a series; both ask here.
 */
#ifndef CUL_MODEL_ROWS_H
#define CUL_MODEL_ROWS_H

#include "daemon/model/series.h"

enum { ROW_KEYS = 2, ROW_WORDS = BLOCK_ROWS / 64 };

/* Takes rows out of bits (ROW_WORDS words) that would count a packet twice: what is not
 * grouped by interface, and whose filter does not name one (filter_columns without
 * F_in_if and F_out_if), counts rows with COUNT_TOTAL only. */
void rows_counted(enum by by, uint64_t filter_columns, const struct block *b, uint64_t *bits);

/* The keys that one row gives, at most ROW_KEYS; returns how many. A flow inside one host
 * or network gives each key once. */
unsigned row_keys(enum by by, const struct block *b, uint32_t row, struct key out[ROW_KEYS]);

/* Takes rows out of bits that do not give key k. */
void key_select(enum by by, const struct key *k, const struct block *b, uint64_t *bits);

#endif
