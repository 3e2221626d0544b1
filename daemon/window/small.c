/* small.c - many rows, few keys: sums gathered for a block, then written once.
 * SPDX-License-Identifier: ISC
 *
 * The built-in views group by interface and exporter, and a block of four
 * thousand flows has a handful of those. So a row only adds to a plain array
 * (a place for each key of the block and each of the newest 64 slices), and the
 * tables are met once for each place that was used. This took the cost of a flow
 * in those views from some 60 ns to some 15 (make bench).
 */
#include "daemon/window/view.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "daemon/window/share.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS = 64, SLICES = 64, SLOTS = 256, FUTURE = 6 };

struct group {
	struct key key;
	uint64_t used;              /* a bit for each slice with something in it */
	struct sums sum[SLICES];
};

struct slot { /* remembers which group a key is */
	uint64_t tag; /* the key in one word, + 1; 0: free */
	struct group *group;
};

struct small {
	struct group group[GROUPS];
	struct slot slot[SLOTS];
	unsigned n;
	int64_t base; /* slice of sum[0] */
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

static void flush(struct window *w, struct view *v, struct small *s)
{
	for (unsigned g = 0; g < s->n; g++) {
		struct group *gr = &s->group[g];

		for (uint64_t left = gr->used; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctzll(left);

			view_add(w, v, &gr->key, s->base + i, &gr->sum[i]);
			gr->sum[i] = (struct sums){ 0 };
		}
		gr->used = 0;
	}
	memset(s->slot, 0, sizeof(s->slot));
	s->n = 0;
}

static struct group *group_of(struct window *w, struct view *v, struct small *s,
			      uint64_t tag, const struct key *k)
{
	struct slot *at = &s->slot[tag * UINT64_C(0x9e3779b97f4a7c15) >> 56];

	if (at->tag == tag + 1)
		return at->group;
	/* Two keys of one slot take turns; a group that is met again later is another
	 * group, and both are written to the same cells. */
	if (s->n == GROUPS)
		flush(w, v, s);
	at = &s->slot[tag * UINT64_C(0x9e3779b97f4a7c15) >> 56];
	at->tag = tag + 1;
	at->group = &s->group[s->n++];
	at->group->key = *k;
	return at->group;
}

static void put32(struct key *k, unsigned at, uint32_t v)
{
	memcpy(k->b + at * 4, &v, sizeof(v));
}

static struct group *interface_group(struct window *w, struct view *v, struct small *s,
				     uint32_t exporter, uint32_t index, uint32_t way)
{
	uint64_t tag = (uint64_t)exporter << 33 | (uint64_t)index << 1 | way;
	struct slot *at = &s->slot[tag * UINT64_C(0x9e3779b97f4a7c15) >> 56];
	struct key k = { 0 };

	if (at->tag == tag + 1)
		return at->group;
	put32(&k, 0, exporter);
	put32(&k, 1, index);
	put32(&k, 2, way);
	return group_of(w, v, s, tag, &k);
}

/* The groups of a row; the same answer as row_keys(), without building keys. */
static unsigned groups_of(struct window *w, struct view *v, struct small *s,
			  const struct block *b, uint32_t r, struct group *out[ROW_KEYS])
{
	struct key keys[ROW_KEYS];
	uint32_t word[2];
	unsigned n = 0;

	/* A flush in the middle would leave the first group behind. */
	if (s->n + ROW_KEYS > GROUPS)
		flush(w, v, s);
	if (v->spec.by == BY_INTERFACE) {
		if (!b->counts[r] || b->counts[r] & COUNT_IN)
			out[n++] = interface_group(w, v, s, b->exporter[r], b->in_if[r], 0);
		if (!b->counts[r] || b->counts[r] & COUNT_OUT)
			out[n++] = interface_group(w, v, s, b->exporter[r], b->out_if[r], 1);
		return n;
	}
	if (v->spec.by == BY_EXPORTER || v->spec.by == BY_NONE) {
		struct key k = { 0 };
		uint32_t id = v->spec.by == BY_EXPORTER ? b->exporter[r] : 0;

		put32(&k, 0, id);
		out[0] = group_of(w, v, s, id, &k);
		return 1;
	}
	n = row_keys(v->spec.by, b, r, keys);
	for (unsigned i = 0; i < n; i++) {
		memcpy(word, keys[i].b, sizeof(word));
		out[i] = group_of(w, v, s, (uint64_t)word[0] << 1 | word[1], &keys[i]);
	}
	return n;
}

static void add_row(struct window *w, struct view *v, struct small *s,
		    struct group *const *groups, unsigned n, uint32_t r)
{
	const struct share *sh = w->shares->at + w->shares->from[r];
	const struct share *end = w->shares->at + w->shares->from[r + 1];

	for (; sh < end; sh++) {
		uint64_t i = (uint64_t)(sh->slice - s->base);

		for (unsigned g = 0; g < n; g++) {
			struct sums *sum = &groups[g]->sum[i % SLICES];

			if (sh->old || i >= SLICES) {
				view_add_share(w, v, &groups[g]->key, sh);
				continue;
			}
			groups[g]->used |= UINT64_C(1) << i;
			sum->bytes += sh->bytes;
			sum->packets += sh->packets;
			sum->flows += sh->flows;
		}
	}
}

void small_block(struct window *w, struct view *v, const struct block *b,
		 const uint64_t *bits)
{
	struct small *s = w->small;

	s->base = w->now_slice + FUTURE - SLICES + 1;
	for (uint32_t i = 0; i * 64 < b->n; i++) {
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			struct group *groups[ROW_KEYS];
			unsigned n = groups_of(w, v, s, b, r, groups);

			add_row(w, v, s, groups, n, r);
		}
	}
	flush(w, v, s);
}
