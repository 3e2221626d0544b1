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

#include <stdlib.h>

enum {
	OLD_MAX = 65536,
	GROUP = 512, /* rows at a time, so that they are still in the cache */
	FOUR = 4,
};

void shares_init(struct shares *s)
{
	*s = (struct shares){ 0 };
	s->from = xcalloc(BLOCK_ROWS + 1, sizeof(*s->from));
	s->slice0 = xcalloc(BLOCK_ROWS, sizeof(*s->slice0));
}

void shares_fini(struct shares *s)
{
	free(s->at);
	free(s->row);
	free(s->from);
	free(s->slice0);
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

/* Finds out which slices rows from r on lie in, as long as all of them are open; fills
 * from, row and slice0 and returns the first row that it leaves. */
static uint32_t lay_out(struct shares *s, const struct block *b, uint32_t r,
			int64_t first, uint64_t open, size_t *np)
{
	const int64_t base = first * SLICE_MS;
	uint32_t until = b->n - r < GROUP ? b->n : r + GROUP;
	size_t n = *np;

	for (; r < until; r++) {
		uint64_t start = (uint64_t)(b->start_ms[r] - base);
		uint64_t end = (uint64_t)(b->end_ms[r] - base);
		uint32_t from, to;

		if (__builtin_expect(start >= open || end > open || end < start, 0))
			break;
		from = (uint32_t)start / SLICE_MS;
		to = (uint32_t)(end - (end > start)) / SLICE_MS;
		room(s, n + to - from + FOUR);
		s->from[r] = (uint32_t)n;
		s->slice0[r] = (uint32_t)(first + from) - (uint32_t)n;
		/* Four at once: nearly no flow lasts longer, so nothing is to be guessed. */
		for (unsigned i = 0; i < FOUR; i++)
			s->row[n + i] = (uint16_t)r;
		for (size_t i = n + FOUR; i <= n + to - from; i++)
			s->row[i] = (uint16_t)r;
		n += to - from + 1;
	}
	s->from[r] = (uint32_t)n;
	*np = n;
	return r;
}

/* Cuts what was laid out, share after share over the bounds of rows, with no branch that
 * depends on where they are: how many shares a row has cannot be foretold, and guessing
 * wrong once a row costs more than a division for the last of them. */
static void cut_laid(struct shares *s, const struct block *b, size_t from, size_t n)
{
	uint64_t bytes = 0, packets = 0; /* of the row up to where the last share ended */

	for (size_t i = from; i < n; i++) {
		uint32_t r = s->row[i], slice = s->slice0[r] + (uint32_t)i;
		int64_t start = b->start_ms[r], t = ((int64_t)slice + 1) * SLICE_MS;
		uint64_t whole = (uint64_t)(b->end_ms[r] - start);
		uint64_t part = (uint64_t)(t - start) < whole ? (uint64_t)(t - start) : whole;
		uint64_t all = b->bytes[r], pk = b->packets[r], q, k;
		uint32_t flows = b->flows[r] + !b->flows[r];
		uint64_t later = (uint64_t)(i == s->from[r]) - 1; /* all ones, but for the first */

		flows &= (uint32_t)(part < whole) - 1;
		part += !whole; /* no duration: one of one */
		whole += !whole;
		if (__builtin_expect((all | pk) >> 32 || part >> 20, 0)) {
			q = portion(all, part, whole);
			k = portion(pk, part, whole);
		} else {
			q = quotient(all * part, whole);
			k = quotient(pk * part, whole);
		}
		s->at[i] = (struct share){ q - (bytes & later), k - (packets & later), flows,
					   slice & INT32_MAX, 0 };
		bytes = q;
		packets = k;
	}
}

/* What was laid out has one share a row. */
static void copy_laid(struct shares *s, const struct block *b, uint32_t r, uint32_t n)
{
	for (struct share *to = s->at + s->from[r]; r < n; r++, to++)
		*to = (struct share){ b->bytes[r], b->packets[r], b->flows[r] + !b->flows[r],
				      (s->slice0[r] + s->from[r]) & INT32_MAX, 0 };
}

/* Another row: (partly) before the first open slice, or after the last. */
static size_t cut_odd(struct shares *s, const struct block *b, uint32_t r, size_t n,
		      int64_t first, int64_t last, size_t *olds)
{
	struct span p = { b->start_ms[r], b->end_ms[r], b->bytes[r], b->packets[r], 0, 0 };

	s->late += slice_of(p.start) < first;
	n = cut_row(s, n, &p, b->flows[r] ? b->flows[r] : 1, first, last, olds);
	for (size_t i = s->from[r]; i < n; i++)
		s->row[i] = (uint16_t)r;
	s->from[r + 1] = (uint32_t)n;
	return n;
}

void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last)
{
	const uint64_t open = (uint64_t)(last + 1 - first) * SLICE_MS;
	size_t n = 0, olds = 0;

	s->late = 0;
	s->from[0] = 0;
	for (uint32_t r = 0; r < b->n;) {
		uint32_t had = r;

		r = lay_out(s, b, r, first, open, &n);
		if (r == had) {
			n = cut_odd(s, b, r, n, first, last, &olds);
			r++;
			continue;
		}
		if (n - s->from[had] == r - had)
			copy_laid(s, b, had, r);
		else
			cut_laid(s, b, s->from[had], n);
	}
}
