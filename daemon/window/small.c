/* small.c - many rows, few keys: sums gathered for a block, then written once.
 * SPDX-License-Identifier: ISC
 *
 * Views by exporter, interface or none see only four things of a flow: who sent
 * it, its two interfaces and what it counts for. A block of four thousand flows
 * has a handful of such classes, so a row adds its shares once to the sums of its
 * class (a place for each of the newest 64 slices), whatever the number of views
 * with this filter, and at the end of the block each class is written to the
 * keys that it has in each of these views. Shares of most rows (few.h) are never
 * written down: they are cut and added in registers.
 */
#include "daemon/window/view.h"

#include "daemon/base/mem.h"
#include "daemon/window/few.h"
#include "daemon/window/share.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 64, SLICES = 64, SLOTS = 256 };

struct class {
	uint64_t from, to; /* exporter and in_if; out_if and counts */
	struct sums sum[SLICES + FEW - 1]; /* the last are written with nothing only */
};

struct small {
	struct class class[CLASSES];
	struct class *slot[SLOTS]; /* by a hash of what a class is */
	unsigned n;
	int64_t base; /* slice of sum[0] */
	int64_t open, open_ms; /* first open slice: after the base, and its begin */
	uint64_t touched; /* a bit for each slice in which some class has sums */
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
	uint32_t exporter = (uint32_t)(c->from >> 32);
	unsigned counts = c->to & 255, n = 0;

	if (!counts)
		counts = COUNT_IN | COUNT_OUT | COUNT_TOTAL;
	if (v->spec.by == BY_INTERFACE) {
		if (counts & COUNT_IN)
			out[n++] = key_of(exporter, (uint32_t)c->from, 0);
		if (counts & COUNT_OUT)
			out[n++] = key_of(exporter, (uint32_t)(c->to >> 8), 1);
		return n;
	}
	if (!(counts & COUNT_TOTAL) && !names_ifs)
		return 0;
	out[0] = key_of(v->spec.by == BY_EXPORTER ? exporter : 0, 0, 0);
	return 1;
}

static bool filters_interface(const struct view *v)
{
	uint64_t ifs = UINT64_C(1) << F_in_if | UINT64_C(1) << F_out_if;

	return v->spec.filter && filter_columns(v->spec.filter) & ifs;
}

/* What one class did in one slice, or one share of it, goes to its keys in all views. */
static void write_sum(struct window *w, unsigned leader, const struct class *c, int64_t slice,
		      const struct sums *sum, enum share_kind kind)
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
			if (kind != SHARE_OPEN)
				view_add_old(w, v, &keys[k], slice, kind, sum);
			else
				view_add(w, v, &keys[k], slice, sum);
		}
	}
}

static void flush(struct window *w, unsigned leader, struct small *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct class *c = &s->class[i];

		for (uint64_t left = s->touched; left; left &= left - 1) {
			int at = __builtin_ctzll(left);
			struct sums *sum = &c->sum[at];

			if (!(sum->bytes | sum->packets | sum->flows))
				continue;
			write_sum(w, leader, c, s->base + at, sum, SHARE_OPEN);
			*sum = (struct sums){ 0 };
		}
	}
	memset(s->slot, 0, sizeof(s->slot));
	s->n = 0;
	s->touched = 0;
}

/* Two classes of one slot take turns: the one that was pushed out and comes again is
 * another class with the same keys, and both are written to the same cells. */
static inline struct class *class_of(struct window *w, unsigned leader, struct small *s,
				     const struct block *b, uint32_t r)
{
	uint64_t from = (uint64_t)b->exporter[r] << 32 | b->in_if[r];
	uint64_t to = (uint64_t)b->out_if[r] << 8 | b->counts[r];
	uint64_t h = from * UINT64_C(0xd6e8feb86659fd93) + to;
	unsigned slot = (unsigned)(h * UINT64_C(0x9e3779b97f4a7c15) >> 56);
	struct class *c = s->slot[slot];

	if (c && c->from == from && c->to == to)
		return c;
	if (s->n == CLASSES)
		flush(w, leader, s);
	c = s->slot[slot] = &s->class[s->n++];
	c->from = from;
	c->to = to;
	return c;
}

static void add_share(struct window *w, unsigned leader, struct small *s, struct class *c,
		      int64_t slice, const struct sums *sum, enum share_kind kind)
{
	uint64_t at = (uint64_t)(slice - s->base);

	if (__builtin_expect(kind != SHARE_OPEN || at >= SLICES, 0)) {
		write_sum(w, leader, c, slice, sum, kind);
		return;
	}
	s->touched |= UINT64_C(1) << at;
	sums_add(&c->sum[at], sum);
}

/* A row that few.h cuts, but in slices that a class has no sums for. */
static void add_far(struct window *w, unsigned leader, struct small *s, struct class *c,
		    const struct block *b, uint32_t r)
{
	struct few f = few_of(b, r, s->open_ms);

	for (uint32_t i = 0; i < f.n; i++) {
		struct sums sum = { (uint64_t)f.share[i][0], (uint64_t)f.share[i][1], 0 };

		if (i + 1 == f.n)
			sum.flows = b->flows[r] + !b->flows[r];
		add_share(w, leader, s, c, w->shares->first + f.at + i, &sum,
			  SHARE_OPEN);
	}
}

static inline void add_two(struct sums *to, few_whole more)
{
	few_whole sum;

	memcpy(&sum, to, sizeof(sum));
	sum += more;
	memcpy(to, &sum, sizeof(sum));
}

static inline void add_few(struct window *w, unsigned leader, struct small *s,
			   struct class *c, const struct block *b, uint32_t r)
{
	struct few f = few_of(b, r, s->open_ms);
	uint64_t at = f.at + s->open;

	if (__builtin_expect(at >= SLICES, 0)) {
		add_far(w, leader, s, c, b, r);
		return;
	}
	add_two(&c->sum[at], f.share[0]);
	add_two(&c->sum[at + 1], f.share[1]);
	add_two(&c->sum[at + 2], f.share[2]);
	add_two(&c->sum[at + 3], f.share[3]);
	c->sum[at + f.n - 1].flows += b->flows[r] + !b->flows[r];
	s->touched |= UINT64_C(15) << at;
}

static void add_odd(struct window *w, unsigned leader, struct small *s, struct class *c,
		    uint32_t r)
{
	const struct shares *sh = w->shares;

	for (uint32_t i = sh->from[r]; i < sh->from[r + 1]; i++) {
		struct sums sum = { sh->at[i].bytes, sh->at[i].packets, sh->at[i].flows };

		add_share(w, leader, s, c, sh->at[i].slice, &sum, sh->at[i].kind);
	}
}

void small_block(struct window *w, unsigned leader, const struct block *b,
		 const uint64_t *bits)
{
	const struct shares *sh = w->shares;
	struct small *s = w->small;

	s->base = w->now_slice + WINDOW_FUTURE - SLICES + 1;
	s->open = sh->first - s->base;
	s->open_ms = sh->first * SLICE_MS;
	for (uint32_t i = 0; i * 64 < b->n; i++) {
		for (uint64_t left = bits[i] & ~sh->odd[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);

			add_few(w, leader, s, class_of(w, leader, s, b, r), b, r);
		}
		for (uint64_t left = bits[i] & sh->odd[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);

			add_odd(w, leader, s, class_of(w, leader, s, b, r), r);
		}
	}
	flush(w, leader, s);
}
