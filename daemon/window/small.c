/* small.c - many rows, few keys: sums gathered for a block, then written once.
 * SPDX-License-Identifier: ISC
 *
 * Views by exporter, interface or none see only four things of a flow: who sent
 * it, its two interfaces and what it counts for. A block of four thousand flows
 * has a handful of such classes, so a row adds its shares once to the sums of its
 * class (a place for each of the newest 64 slices), whatever the number of views
 * with this filter, and at the end of the block each class is written to the
 * keys that it has in each of these views.
 */
#include "daemon/window/view.h"

#include "daemon/base/mem.h"
#include "daemon/window/share.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 64, SLICES = 64, SLOTS = 256 };

struct class {
	uint32_t exporter, in_if, out_if;
	uint8_t counts;
	struct sums sum[SLICES];
};

struct small {
	struct class class[CLASSES];
	struct class *slot[SLOTS]; /* by a hash of what a class is */
	unsigned n;
	int64_t base; /* slice of sum[0] */
	uint32_t low, high; /* sums that may be more than nothing; low > high: none */
	uint8_t class_of[BLOCK_ROWS];
};

struct small *small_new(void)
{
	return xcalloc(1, sizeof(struct small));
}

void small_free(struct small **s)
{
	free(*s);
	*s = NULL;
}

bool small_takes(const struct view *v)
{
	return (v->spec.by == BY_NONE || v->spec.by == BY_EXPORTER ||
		v->spec.by == BY_INTERFACE) &&
	       !v->table.gauge && v->spec.period == PERIOD_NONE;
}

static struct key key_of(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t word[3] = { a, b, c };
	struct key k = { 0 };

	memcpy(k.b, word, sizeof(word));
	return k;
}

/* The keys that class c has in view v; the same answer as row_keys() and rows_counted(). */
static unsigned class_keys(const struct view *v, const struct class *c, bool names_ifs,
			   struct key out[2])
{
	uint8_t counts = c->counts ? c->counts : COUNT_IN | COUNT_OUT | COUNT_TOTAL;
	unsigned n = 0;

	if (v->spec.by == BY_INTERFACE) {
		if (counts & COUNT_IN)
			out[n++] = key_of(c->exporter, c->in_if, 0);
		if (counts & COUNT_OUT)
			out[n++] = key_of(c->exporter, c->out_if, 1);
		return n;
	}
	if (!(counts & COUNT_TOTAL) && !names_ifs)
		return 0;
	out[0] = key_of(v->spec.by == BY_EXPORTER ? c->exporter : 0, 0, 0);
	return 1;
}

static bool filters_interface(const struct view *v)
{
	uint64_t ifs = UINT64_C(1) << F_in_if | UINT64_C(1) << F_out_if;

	return v->spec.filter && filter_columns(v->spec.filter) & ifs;
}

/* What one class did in one slice, or one share of it, goes to its keys in all views. */
static void write_sum(struct window *w, unsigned leader, const struct class *c, int64_t slice,
		      const struct sums *sum, bool old)
{
	bool ifs = filters_interface(&w->views[leader]);
	struct key keys[2];

	for (unsigned i = leader; i < w->n_views; i++) {
		struct view *v = &w->views[i];
		unsigned n;

		if (v->leader != leader)
			continue;
		n = class_keys(v, c, ifs, keys);
		for (unsigned k = 0; k < n; k++) {
			if (old)
				view_add_old(w, v, &keys[k], slice, sum);
			else
				view_add(w, v, &keys[k], slice, sum);
		}
	}
}

static void flush(struct window *w, unsigned leader, struct small *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct class *c = &s->class[i];

		for (uint32_t at = s->low; at <= s->high; at++) {
			struct sums *sum = &c->sum[at];

			if (!(sum->bytes | sum->packets | sum->flows))
				continue;
			write_sum(w, leader, c, s->base + at, sum, false);
			*sum = (struct sums){ 0 };
		}
	}
	memset(s->slot, 0, sizeof(s->slot));
	s->n = 0;
	s->low = SLICES;
	s->high = 0;
}

/* Two classes of one slot take turns: the one that was pushed out and comes again is
 * another class with the same keys, and both are written to the same cells. */
static inline struct class *class_of(struct window *w, unsigned leader, struct small *s,
				     const struct block *b, uint32_t r)
{
	uint32_t e = b->exporter[r], in = b->in_if[r], out = b->out_if[r];
	uint8_t counts = b->counts[r];
	uint64_t h = ((uint64_t)e * 0x9e3779b1u + in) * 0x85ebca77u + out * 0xc2b2ae3du + counts;
	unsigned slot = (unsigned)(h * UINT64_C(0x9e3779b97f4a7c15) >> 56);
	struct class *c = s->slot[slot];

	if (c && c->exporter == e && c->in_if == in && c->out_if == out && c->counts == counts)
		return c;
	if (s->n == CLASSES)
		flush(w, leader, s);
	c = s->slot[slot] = &s->class[s->n++];
	c->exporter = e;
	c->in_if = in;
	c->out_if = out;
	c->counts = counts;
	return c;
}

/* Shares from .. to, of rows whose classes are known. Which sums are touched is kept here: a
 * member of the class that each share changes would make it wait for the one before. */
static void add_shares(struct window *w, unsigned leader, struct small *s, uint32_t from,
		       uint32_t to)
{
	const struct shares *sh = w->shares;
	const int64_t base = s->base;
	uint32_t low = s->low, high = s->high;

	for (uint32_t i = from; i < to; i++) {
		const struct share *x = &sh->at[i];
		struct class *c = &s->class[s->class_of[sh->row[i]]];
		uint64_t at = (uint64_t)(x->slice - base);

		if (__builtin_expect(x->old || at >= SLICES, 0)) {
			struct sums sum = { x->bytes, x->packets, x->flows };

			write_sum(w, leader, c, x->slice, &sum, x->old);
			continue;
		}
		low = at < low ? (uint32_t)at : low;
		high = at > high ? (uint32_t)at : high;
		c->sum[at].bytes += x->bytes;
		c->sum[at].packets += x->packets;
		c->sum[at].flows += x->flows;
	}
	s->low = low;
	s->high = high;
}

/* All rows: how many shares a row has cannot be foretold, and a processor that guesses
 * wrong once a row loses more time than the sums take; so first the class of each row,
 * then all shares as they lie. */
static void add_all(struct window *w, unsigned leader, struct small *s,
		    const struct block *b)
{
	const uint32_t *from = w->shares->from;
	uint32_t r = 0;

	while (r < b->n) {
		uint32_t first = r;

		for (; r < b->n && s->n < CLASSES; r++)
			s->class_of[r] = (uint8_t)(class_of(w, leader, s, b, r) - s->class);
		add_shares(w, leader, s, from[first], from[r]);
		flush(w, leader, s);
	}
}

static void add_row(struct window *w, unsigned leader, struct small *s,
		    const struct block *b, uint32_t r)
{
	const uint32_t *from = w->shares->from;

	s->class_of[r] = (uint8_t)(class_of(w, leader, s, b, r) - s->class);
	add_shares(w, leader, s, from[r], from[r + 1]);
}

static bool all_set(const uint64_t *bits, uint32_t n)
{
	uint32_t i = 0;

	while (i < n / 64 && !~bits[i])
		i++;
	return i == n / 64 && (!(n % 64) || !(~bits[i] << (64 - n % 64)));
}

void small_block(struct window *w, unsigned leader, const struct block *b,
		 const uint64_t *bits)
{
	struct small *s = w->small;

	s->base = w->now_slice + WINDOW_FUTURE - SLICES + 1;
	s->low = SLICES;
	s->high = 0;
	if (all_set(bits, b->n)) {
		add_all(w, leader, s, b);
		return;
	}
	for (uint32_t i = 0; i * 64 < b->n; i++) {
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);

			add_row(w, leader, s, b, r);
		}
	}
	flush(w, leader, s);
}
