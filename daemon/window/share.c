/* share.c - integer shares that always add up.
 * SPDX-License-Identifier: ISC
 *
 * The share up to time t is floor(total * elapsed / duration) and a slice gets
 * the difference between its two ends, so the shares of a flow sum to its
 * total to the unit, whatever its length.
 *
 * Parts before the oldest open slice are cut at five-minute bins, because
 * history keeps no finer. A flow can last 31 days at most (times.c clamps), so
 * one record makes at most 8,928 old shares; a block makes at most OLD_MAX, the
 * rest is left out and counted: a hostile exporter could otherwise buy
 * milliseconds with 48 octets (P3).
 */
#include "daemon/window/share.h"

#include "daemon/base/mem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	OLD_MAX = 65536,
	FOUR = 4, /* shares of most rows: nearly no flow lasts longer */
};

void shares_init(struct shares *s)
{
	*s = (struct shares){ 0 };
	s->from = xcalloc(BLOCK_ROWS + 1, sizeof(*s->from));
}

void shares_fini(struct shares *s)
{
	free(s->at);
	free(s->row);
	free(s->from);
	*s = (struct shares){ 0 };
}

static void room(struct shares *s, size_t n)
{
	if (n <= s->cap)
		return;
	s->cap = n + n / 2 + 2 * BLOCK_ROWS;
	s->at = xrealloc(s->at, s->cap, sizeof(*s->at));
	s->row = xrealloc(s->row, s->cap, sizeof(*s->row));
}

/* floor(product / whole). The quotient of two doubles that hold integers exactly is
 * rounded up to an integer only when the two add up to 2^53 or more; below that the
 * fraction is cut off right, in a third of the time of a division of integers. */
static inline uint64_t quotient(uint64_t product, uint64_t whole)
{
	return (uint64_t)(int64_t)((double)(int64_t)product / (double)(int64_t)whole);
}

/* floor(total * part / whole) with part <= whole. */
static inline uint64_t portion(uint64_t total, uint64_t part, uint64_t whole)
{
	uint64_t product;

	if (__builtin_expect(total > UINT32_MAX || part > UINT32_MAX, 0))
		return (uint64_t)((unsigned __int128)total * part / whole);
	product = total * part;
	if (__builtin_expect((product | whole) >> 52, 0))
		return product / whole;
	return quotient(product, whole);
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

typedef double two __attribute__((vector_size(16))); /* of octets and packets */

struct few { /* a row of few shares while it is cut up */
	two all, span;
	uint32_t part, whole; /* of its time, up to where the next share ends */
	uint64_t bytes, packets; /* given out so far */
	uint32_t slice, n, flows;
};

/* Share number i, which may be past the last: then it is zero and counts for nothing. */
static inline void cut_one(struct few *f, struct share *to, uint32_t i)
{
	uint32_t over = (uint32_t)-(int32_t)(f->part > f->whole); /* all ones, or none */
	double part = (double)(int32_t)(f->part + ((f->whole - f->part) & over));
	two up_to = f->all * (two){ part, part } / f->span;
	uint64_t b = (uint64_t)(int64_t)up_to[0], k = (uint64_t)(int64_t)up_to[1];
	uint32_t flows = f->flows & (uint32_t)-(int32_t)(i + 1 == f->n);

	to[i] = (struct share){ b - f->bytes, k - f->packets, flows,
				(f->slice + i) & INT32_MAX, 0 };
	f->bytes = b;
	f->packets = k;
	f->part += SLICE_MS;
}

/* Most rows: all of it in open slices, in FOUR of them at most, with values whose shares are
 * exact in doubles (see quotient()). How many slices it is cannot be foretold, and guessing
 * wrong once a row costs more than some divisions too many: always FOUR shares are written,
 * and what is too much is written over by the next row. False: another row. */
static inline bool cut_few(struct shares *s, const struct block *b, uint32_t r, int64_t first,
			   uint64_t open, size_t *np)
{
	const int64_t base = first * SLICE_MS;
	uint64_t start = (uint64_t)(b->start_ms[r] - base), end = (uint64_t)(b->end_ms[r] - base);
	uint64_t bytes = b->bytes[r], packets = b->packets[r];
	uint32_t from, n, whole;
	struct few f;

	if (__builtin_expect(start >= open || end > open || end < start, 0))
		return false;
	from = (uint32_t)start / SLICE_MS;
	n = (uint32_t)(end - (end > start)) / SLICE_MS - from + 1;
	if (__builtin_expect((bytes | packets) >> 32 || n > FOUR, 0))
		return false;
	whole = (uint32_t)(end - start) + (end == start); /* no duration: one of one */
	f = (struct few){
		.all = { (double)(int64_t)bytes, (double)(int64_t)packets },
		.span = { (double)(int32_t)whole, (double)(int32_t)whole },
		.part = (from + 1) * SLICE_MS - (uint32_t)start,
		.whole = whole,
		.slice = (uint32_t)first + from,
		.n = n,
		.flows = b->flows[r] + !b->flows[r],
	};
	for (unsigned i = 0; i < FOUR; i++)
		s->row[*np + i] = (uint16_t)r;
	cut_one(&f, s->at + *np, 0);
	cut_one(&f, s->at + *np, 1);
	cut_one(&f, s->at + *np, 2);
	cut_one(&f, s->at + *np, 3);
	*np += n;
	return true;
}

/* Any other row; most of them are (partly) before the first open slice, or after the last. */
static size_t cut_odd(struct shares *s, const struct block *b, uint32_t r, size_t n,
		      int64_t first, int64_t last, size_t *olds)
{
	struct span p = { b->start_ms[r], b->end_ms[r], b->bytes[r], b->packets[r], 0, 0 };
	size_t from = n;

	s->late += slice_of(p.start) < first;
	n = cut_row(s, n, &p, b->flows[r] ? b->flows[r] : 1, first, last, olds);
	for (size_t i = from; i < n; i++)
		s->row[i] = (uint16_t)r;
	return n;
}

void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last)
{
	const uint64_t open = (uint64_t)(last + 1 - first) * SLICE_MS;
	size_t n = 0, olds = 0;

	s->late = 0;
	for (uint32_t r = 0; r < b->n; r++) {
		s->from[r] = (uint32_t)n;
		room(s, n + FOUR);
		if (!cut_few(s, b, r, first, open, &n))
			n = cut_odd(s, b, r, n, first, last, &olds);
	}
	s->from[b->n] = (uint32_t)n;
}
