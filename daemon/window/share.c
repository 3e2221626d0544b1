/* share.c - integer shares that always add up.
 * SPDX-License-Identifier: ISC
 *
 * The share up to time t is floor(total * elapsed / duration) and a slice gets
 * the difference between its two ends, so the shares of a flow sum to its
 * total to the unit, whatever its length. Most flows end within one or two
 * slices; the division is 64 bits wide unless the product would not fit.
 *
 * Parts before the oldest open slice are cut at five-minute bins, because
 * history keeps no finer. A flow can last 31 days at most (times.c clamps), so
 * one record makes at most 8,928 old shares; a block makes at most OLD_MAX, the
 * rest is left out and counted: a hostile exporter could otherwise buy
 * milliseconds with 48 octets (P3).
 */
#include "daemon/window/share.h"

#include "daemon/base/mem.h"

#include <stdlib.h>

enum { OLD_MAX = 65536 };

void shares_init(struct shares *s)
{
	*s = (struct shares){ 0 };
	s->from = xcalloc(BLOCK_ROWS + 1, sizeof(*s->from));
}

void shares_fini(struct shares *s)
{
	free(s->at);
	free(s->from);
	*s = (struct shares){ 0 };
}

static void room(struct shares *s, size_t n)
{
	if (n <= s->cap)
		return;
	s->cap = n + n / 2 + 2 * BLOCK_ROWS;
	s->at = xrealloc(s->at, s->cap, sizeof(*s->at));
}

/* floor(total * part / whole) with part <= whole. Below 2^53 a product is exact as a
 * double and its quotient by the reciprocal is off by one at most, which is put right:
 * a third of the time of a division. */
static inline uint64_t portion(uint64_t total, uint64_t part, uint64_t whole, double inverse)
{
	uint64_t product, q;

	if (total > UINT32_MAX || part > (1u << 21))
		return (uint64_t)((unsigned __int128)total * part / whole);
	product = total * part;
	q = (uint64_t)((double)product * inverse);
	q -= q * whole > product;
	return q + ((q + 1) * whole <= product);
}

struct span { /* one row while it is cut up */
	int64_t start, end;
	uint64_t bytes, packets;           /* in all */
	uint64_t bytes_done, packets_done; /* given out so far */
	double inverse;                    /* of its duration */
};

/* The share from where the last one ended up to t. */
static inline struct share cut(struct span *p, int64_t t)
{
	struct share s = { 0 };
	uint64_t b = p->bytes, k = p->packets;

	if (t < p->end) {
		uint64_t part = (uint64_t)(t - p->start), whole = (uint64_t)(p->end - p->start);

		b = portion(p->bytes, part, whole, p->inverse);
		k = portion(p->packets, part, whole, p->inverse);
	}
	s.bytes = b - p->bytes_done;
	s.packets = k - p->packets_done;
	p->bytes_done = b;
	p->packets_done = k;
	return s;
}

/* Cuts what lies before the first open slice into bins; returns the new length. */
static size_t cut_old(struct shares *s, size_t n, struct span *p, int64_t open_ms,
		      size_t *olds)
{
	int64_t t = p->start;

	while (t < p->end && t < open_ms) {
		int64_t bin = slice_of(t) / BIN_SLICES * BIN_SLICES;
		int64_t next = (bin + BIN_SLICES) * SLICE_MS;
		struct share sh;

		if (next > open_ms)
			next = open_ms;
		sh = cut(p, next);
		t = next;
		if (++*olds > OLD_MAX) {
			s->cut++;
			continue;
		}
		room(s, n + 2);
		sh.slice = (uint32_t)bin;
		sh.old = 1;
		s->at[n++] = sh;
	}
	return n;
}

static size_t cut_row(struct shares *s, size_t n, struct span *p, uint32_t flows,
		      int64_t first, int64_t last, size_t *olds)
{
	size_t had = n;
	int64_t t = p->start, from, to;

	if (slice_of(t) < first && p->end == t) {
		room(s, n + 1);
		s->at[n] = cut(p, t);
		s->at[n].slice = (uint32_t)(slice_of(t) / BIN_SLICES * BIN_SLICES);
		s->at[n].flows = flows;
		s->at[n++].old = 1;
		return n;
	}
	if (slice_of(t) < first) {
		n = cut_old(s, n, p, first * SLICE_MS, olds);
		t = first * SLICE_MS;
	}
	from = slice_of(t);
	to = slice_of(p->end > p->start ? p->end - 1 : p->end);
	if (from > last)
		from = last;
	if (to > last)
		to = last;
	if (to >= from) {
		room(s, n + (size_t)(to - from) + 1);
		for (int64_t i = from; i <= to; i++) {
			s->at[n] = cut(p, i == to ? p->end : (i + 1) * SLICE_MS);
			s->at[n++].slice = (uint32_t)i;
		}
	}
	if (n > had)
		s->at[n - 1].flows = flows;
	return n;
}

void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last)
{
	size_t n = 0, olds = 0;

	s->late = 0;
	for (uint32_t r = 0; r < b->n; r++) {
		uint32_t flows = b->flows[r] ? b->flows[r] : 1;
		int64_t from = slice_of(b->start_ms[r]);
		struct span p = { b->start_ms[r], b->end_ms[r], b->bytes[r],
				  b->packets[r], 0, 0, 0 };

		s->from[r] = (uint32_t)n;
		if (from >= first && from <= last && p.end <= (from + 1) * SLICE_MS) {
			room(s, n + 1);
			s->at[n++] = (struct share){ p.bytes, p.packets, flows, (uint32_t)from,
						      0 };
			continue;
		}
		s->late += from < first;
		if (p.end > p.start)
			p.inverse = 1.0 / (double)(p.end - p.start);
		n = cut_row(s, n, &p, flows, first, last, &olds);
	}
	s->from[b->n] = (uint32_t)n;
}
