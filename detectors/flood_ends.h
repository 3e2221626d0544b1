/* flood_ends.h - is one direction told only?
 * SPDX-License-Identifier: ISC
 *
 * Who speaks TCP is seen as source and as destination, unless the exporter tells one
 * direction only. Some hundred ends of connections, picked by their hash, are looked at for
 * a few slices each, and how many were seen in both ways is kept (flood_blind, flood_unsure).
 * That holds where packets are sampled, too, when both of a conversation hardly ever are.
 * Inline, since every answered row may be one of them.
 */
#ifndef CUL_DETECTORS_FLOOD_ENDS_H
#define CUL_DETECTORS_FLOOD_ENDS_H

#include "detectors/flood_impl.h"

enum { FLOOD_FEW_ROWS = 10000 }; /* in a slice: then all of them are noted */

static inline void flood_end_note(struct flood *f, uint64_t hash, uint8_t way)
{
	struct flood_end *e = &f->end[hash >> 16 & (FLOOD_ENDS - 1)];

	if (!e->rows) {
		e->tag = (uint32_t)(hash >> 24);
		e->slice = f->period;
	}
	if (e->tag != (uint32_t)(hash >> 24))
		return;
	e->rows += e->rows < UINT8_MAX;
	e->ways |= way;
}

/* Where there are many rows, one in 32 is enough to know. */
static inline bool flood_ends_noted(const struct flood *f, uint64_t dst, uint32_t r)
{
	return f->last_rows < FLOOD_FEW_ROWS || ((dst ^ r) & 31) == 0;
}

static inline void flood_ends_note(struct flood *f, uint64_t src, uint64_t dst)
{
	flood_end_note(f, src, 1);
	flood_end_note(f, dst, 2);
}

/* A slice of reception is over: what was seen long enough is counted. */
void flood_ends_period(struct flood *f);

#endif
