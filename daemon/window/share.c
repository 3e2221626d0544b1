/* share.c - integer shares that always add up.
 * SPDX-License-Identifier: ISC
 *
 * The share up to time t is floor(total * elapsed / duration) and a slice gets
 * the difference between its two ends, so the shares of a flow sum to its
 * total to the unit, whatever its length.
 *
 * Parts before the oldest open slice are cut at five-minute bins, because
 * history keeps no finer, and what is older than a day at hours: a flow may last 31
 * days (times.c clamps), and in bins that were 8,928 old shares for 48 octets.
 * Hours are a twelfth of it, and they have to be earned: each record brings
 * OLD_EARNED old shares, which are kept for the next long flow up to OLD_MAX. Of a
 * flow that nothing is left for, the oldest parts are left out and counted, so that
 * a hostile exporter cannot buy milliseconds with it (P3); the archive has the flow
 * whole. What its shares cost on disk is bounded where they are gathered (window.c).
 */
#include "daemon/window/share.h"

#include "daemon/base/mem.h"
#include "daemon/window/few.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	OLD_EARNED = 6,    /* half an hour, what many routers wait with long flows */
	OLD_MAX = 1 << 18, /* a thousand flows of 22 hours told at once, as when a probe ends */
	KEPT = 1 << 15,    /* shares; what a block of short flows takes, and some more */
	HOUR_MS = HOUR_SLICES * SLICE_MS,
	DAY_MS = DAY_SLICES * SLICE_MS,
};

void shares_init(struct shares *s)
{
	*s = (struct shares){ 0 };
	s->from = xcalloc(BLOCK_ROWS + 1, sizeof(*s->from));
	s->old_left = OLD_MAX;
}

void shares_fini(struct shares *s)
{
	free(s->at);
	free(s->from);
	*s = (struct shares){ 0 };
}

void shares_done(struct shares *s)
{
	if (s->cap <= KEPT)
		return;
	free(s->at);
	s->at = NULL;
	s->cap = 0;
}

static void room(struct shares *s, size_t n)
{
	if (n <= s->cap)
		return;
	s->cap = n + n / 2 + 2 * BLOCK_ROWS;
	s->at = xrealloc(s->at, s->cap, sizeof(*s->at));
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
		       int64_t slice, enum share_kind kind)
{
	uint64_t b = p->bytes, k = p->packets;

	if (t < p->end) {
		uint64_t part = (uint64_t)(t - p->start), whole = (uint64_t)(p->end - p->start);

		b = portion(p->bytes, part, whole);
		k = portion(p->packets, part, whole);
	}
	*to = (struct share){ b - p->bytes_done, k - p->packets_done, flows,
			      (uint32_t)slice & SLICE_MASK, kind };
	p->bytes_done = b;
	p->packets_done = k;
}

/* Old shares have numbers: hours since 1970 up to `fine`, five-minute bins from there. */
static int64_t old_number(int64_t t, int64_t fine)
{
	return t < fine ? t / HOUR_MS : fine / HOUR_MS + (t - fine) / BIN_MS;
}

static int64_t old_start(int64_t number, int64_t fine)
{
	int64_t bins = number - fine / HOUR_MS;

	return bins < 0 ? number * HOUR_MS : fine + bins * BIN_MS;
}

/* Cuts what lies before the first open slice; returns the new length. */
static size_t cut_old(struct shares *s, size_t n, struct span *p, int64_t open_ms)
{
	int64_t fine = (open_ms - DAY_MS) / HOUR_MS * HOUR_MS;
	int64_t end = p->end < open_ms ? p->end : open_ms;
	int64_t from = old_number(p->start, fine);
	int64_t to = old_number(end - (end > p->start), fine);
	uint64_t want = (uint64_t)(to - from) + 1;
	uint64_t skip = want > s->old_left ? want - s->old_left : 0;
	struct share skipped;

	s->old_left -= (uint32_t)(want - skip);
	s->cut += skip;
	from += (int64_t)skip;
	if (skip)
		cut(p, from > to ? end : old_start(from, fine), &skipped, 0, 0, SHARE_OPEN);
	room(s, n + want);
	for (; from <= to; from++) {
		int64_t start = old_start(from, fine);

		cut(p, from < to ? old_start(from + 1, fine) : end, &s->at[n++], 0,
		    slice_of(start), start < fine ? SHARE_OLD_HOUR : SHARE_OLD_BIN);
	}
	return n;
}

static size_t cut_row(struct shares *s, size_t n, struct span *p, uint32_t flows,
		      int64_t first, int64_t last)
{
	size_t had = n;
	int64_t t = p->start, from, to;

	if (slice_of(t) < first) {
		n = cut_old(s, n, p, first * SLICE_MS);
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
			cut(p, i == to ? p->end : (i + 1) * SLICE_MS, &s->at[n++], 0, i,
			    SHARE_OPEN);
	}
	if (n > had)
		s->at[n - 1].flows = flows;
	return n;
}

/* Most of them are (partly) before the first open slice, or last long. */
static size_t cut_odd(struct shares *s, const struct block *b, uint32_t r, size_t n,
		      int64_t first, int64_t last)
{
	struct span p = { b->start_ms[r], b->end_ms[r], b->bytes[r], b->packets[r], 0, 0 };

	s->late += slice_of(p.start) < first;
	return cut_row(s, n, &p, b->flows[r] ? b->flows[r] : 1, first, last);
}

/* FEW are written whatever their number; what is too much is written over by the next. */
static inline size_t cut_few(struct shares *s, const struct block *b, uint32_t r,
			     size_t n, int64_t first)
{
	struct few f = few_of(b, r, first * SLICE_MS);
	uint32_t flows = b->flows[r] + !b->flows[r], slice = (uint32_t)first + f.at;

	room(s, n + FEW);
	for (uint32_t i = 0; i < FEW; i++)
		s->at[n + i] = (struct share){
			(uint64_t)f.share[i][0], (uint64_t)f.share[i][1],
			i + 1 == f.n ? flows : 0, (slice + i) & SLICE_MASK, SHARE_OPEN,
		};
	return n + f.n;
}

static uint64_t odd_rows(const struct block *b, uint32_t from, uint32_t n,
			 int64_t base_ms, uint64_t open)
{
	uint64_t odd = 0;

	for (uint32_t i = 0; i < n; i++)
		odd |= (uint64_t)!few_is(b, from + i, base_ms, open) << i;
	return odd;
}

void shares_of(struct shares *s, const struct block *b, int64_t first, int64_t last,
	       bool all)
{
	const uint64_t open = (uint64_t)(last + 1 - first) * SLICE_MS;
	size_t n = 0;

	s->late = 0;
	s->old_left += b->n * OLD_EARNED;
	if (s->old_left > OLD_MAX)
		s->old_left = OLD_MAX;
	s->first = first;
	for (uint32_t at = 0; at < b->n; at += 64) {
		uint32_t rows = b->n - at < 64 ? b->n - at : 64;
		uint64_t odd = odd_rows(b, at, rows, first * SLICE_MS, open), left = odd;

		s->odd[at / 64] = odd;
		if (all)
			left = UINT64_MAX >> (64 - rows);
		for (; left; left &= left - 1) {
			uint32_t i = (uint32_t)__builtin_ctzll(left), r = at + i;

			s->from[r] = (uint32_t)n;
			n = odd >> i & 1 ? cut_odd(s, b, r, n, first, last)
					 : cut_few(s, b, r, n, first);
			s->from[r + 1] = (uint32_t)n;
		}
	}
}
