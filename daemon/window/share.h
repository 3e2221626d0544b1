/* share.h - a block's flows, spread over the slices they lasted (D1).
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_WINDOW_SHARE_H
#define CUL_WINDOW_SHARE_H

#include "daemon/model/slice.h"

enum share_kind {
	SHARE_OPEN,     /* of a slice that is open */
	SHARE_OLD_BIN,  /* before `first`: of a five-minute bin, */
	SHARE_OLD_HOUR, /* or of an hour, which is more than a day before `first` */
};
enum { SLICE_BITS = 30, SLICE_MASK = (1 << SLICE_BITS) - 1 };

struct share {
	uint64_t bytes, packets;
	uint32_t flows;     /* of a record, in the slice of its last packet; else 0 */
	uint32_t slice : SLICE_BITS; /* its number; old shares: of the bin's or hour's first */
	uint32_t kind : 32 - SLICE_BITS; /* enum share_kind */
};

struct shares {
	struct share *at; /* row by row */
	uint32_t *from;   /* row r has at[from[r]] .. at[from[r + 1] - 1] */
	size_t cap;
	int64_t first;    /* as given */
	uint64_t odd[BLOCK_ROWS / 64]; /* a bit for each row that few.h does not cut */
	uint64_t late; /* rows of this block that begin before `first` */
	uint32_t old_left; /* old shares that have been earned (see share.c) */
	uint64_t cut; /* of what nothing had been earned for: left out */
};

void shares_init(struct shares *s);
void shares_fini(struct shares *s);

/* Fills s from b, with the odd rows alone unless all are wanted. Slices before `first`
 * are no longer open: what falls there comes as old shares. Nothing is later than slice
 * `last` (times after it are put into it). */
void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last,
	       bool all);
/* Nobody looks at them any more: much memory, as long flows take, is given back. */
void shares_done(struct shares *s);

#endif
