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

/* floor(total * part / whole) with part <= whole. The quotient of two doubles that hold
 * integers exactly is rounded up to an integer only when dividend and divisor add
 * up to 2^53 or more; below that the fraction is cut off right, in a third of the time of
 * a division of integers. */
static inline uint64_t portion(uint64_t total, uint64_t part, uint64_t whole)
{
	uint64_t product;

	if (__builtin_expect(total > UINT32_MAX || part > UINT32_MAX, 0))
		return (uint64_t)((unsigned __int128)total * part / whole);
	product = total * part;
	if (__builtin_expect((product | whole) >> 52, 0))
		return product / whole;
	return (uint64_t)(int64_t)((double)(int64_t)product / (double)(int64_t)whole);
}

struct span { /* one row while it is cut up */
	int64_t start, end;
	uint64_t bytes, packets;           /* in all */
	uint64_t bytes_done, packets_done; /* given out so far */
};

/* The share from where the last one ended up to t goes to `slice`. Written in one go: a
 * member that is put right afterwards waits for the whole to arrive in memory. */
static inline void cut(struct span *p, int64_t t, struct share *to, uint32_t flows,
		       int64_t slice, bool old)
{
	uint64_t b = p->bytes, k = p->packets;

	if (t < p->end) {
		uint64_t part = (uint64_t)(t - p->start), whole = (uint64_t)(p->end - p->start);

		b = portion(p->bytes, part, whole);
		k = portion(p->packets, part, whole);
	}
	*to = (struct share){ b - p->bytes_done, k - p->packets_done, flows,
			      (uint32_t)slice & INT32_MAX, old };
	p->bytes_done = b;
	p->packets_done = k;
}

/* Cuts what lies before the first open slice into bins; returns the new length. */
static size_t cut_old(struct shares *s, size_t n, struct span *p, int64_t open_ms,
		      size_t *olds)
{
	int64_t t = p->start;

	while (t < p->end && t < open_ms) {
		int64_t bin = slice_of(t) / BIN_SLICES * BIN_SLICES;
		int64_t next = (bin + BIN_SLICES) * SLICE_MS;
		struct share skipped;

		if (next > open_ms)
			next = open_ms;
		t = next;
		if (++*olds > OLD_MAX) {
			cut(p, next, &skipped, 0, bin, true);
			s->cut++;
			continue;
		}
		room(s, n + 2);
		cut(p, next, &s->at[n++], 0, bin, true);
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
		cut(p, t, &s->at[n++], flows, slice_of(t) / BIN_SLICES * BIN_SLICES, true);
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
		for (int64_t i = from; i <= to; i++)
			cut(p, i == to ? p->end : (i + 1) * SLICE_MS, &s->at[n++], 0, i, false);
	}
	if (n > had)
		s->at[n - 1].flows = flows;
	return n;
}

/* A row whose slices are all open, the common case: where it ends is told in slices from
 * `first`, and shares are whole before they are written. */
static inline size_t cut_open(struct share *to, struct span *p, uint32_t flows,
			      int64_t first, uint32_t from, uint32_t last)
{
	int64_t t = (first + from + 1) * SLICE_MS;
	size_t n = 0;

	for (uint32_t i = from; i < last; i++, t += SLICE_MS)
		cut(p, t, &to[n++], 0, first + i, false);
	to[n++] = (struct share){ p->bytes - p->bytes_done, p->packets - p->packets_done,
				  flows, (uint32_t)(first + last), 0 };
	return n;
}

void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last)
{
	const int64_t base = first * SLICE_MS;
	const uint64_t open = (uint64_t)(last + 1 - first) * SLICE_MS;
	size_t n = 0, olds = 0;

	s->late = 0;
	for (uint32_t r = 0; r < b->n; r++) {
		uint32_t flows = b->flows[r] ? b->flows[r] : 1;
		struct span p = { b->start_ms[r], b->end_ms[r], b->bytes[r],
				  b->packets[r], 0, 0 };
		uint64_t start = (uint64_t)(p.start - base), end = (uint64_t)(p.end - base);

		s->from[r] = (uint32_t)n;
		if (__builtin_expect(start < open && end <= open && end >= start, 1)) {
			uint32_t from = (uint32_t)start / SLICE_MS;
			uint32_t to = (uint32_t)(end - (end > start)) / SLICE_MS;

			room(s, n + to - from + 1);
			n += cut_open(s->at + n, &p, flows, first, from, to);
			continue;
		}
		s->late += p.start < base;
		n = cut_row(s, n, &p, flows, first, last, &olds);
	}
	s->from[b->n] = (uint32_t)n;
}
