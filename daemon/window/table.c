/* table.c - slices of keys in bounded memory.
 * SPDX-License-Identifier: ISC
 *
 * When a view's tables outgrow their share of memory, the fullest slice is
 * thinned in the manner of Misra and Gries (1982) with the batched decrement of
 * Anderson et al. (IMC 2017): the median of the ordering measure is taken from
 * every key, and those left with nothing go. What remains of a key is a lower
 * bound, and `error` says how much it can be short: at most the sum of the
 * medians taken, which is under 2 * slice total / keys kept. So a flood of
 * random sources costs heavy hitters a few packets' worth, a limit fires on
 * what was surely seen, and the work is constant for each insertion.
 *
 * Chosen over Space-Saving with a heap: a plain count is all that a key needs,
 * one error belongs to the whole slice, and two summaries merge by adding.
 * The other two sums of a key that was thinned are lower bounds too.
 */
#include "daemon/window/table.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 1023, THIN_AT_LEAST = 64 };

static void empty_place(struct table *t, struct slice_table *st)
{
	map_init(&st->map, t->key, sizeof(struct cell), 1u << 28);
	st->slice = INT64_MIN;
}

void table_init(struct table *t, size_t key_octets, unsigned n_ring,
		const struct measure *order, size_t octets_max)
{
	*t = (struct table){ .n_ring = n_ring, .key = key_octets, .order = order->kind,
			     .octets_max = octets_max, .epoch = 1 };
	t->gauge = gauge_is(order);
	t->ring = xcalloc(n_ring, sizeof(*t->ring));
	t->recent = xcalloc(RECENT, sizeof(*t->recent));
	for (unsigned i = 0; i < n_ring; i++)
		empty_place(t, &t->ring[i]);
}

void table_resize(struct table *t, unsigned n_ring)
{
	struct slice_table *old = t->ring;
	unsigned n_old = t->n_ring;

	t->n_ring = n_ring;
	t->ring = xcalloc(n_ring, sizeof(*t->ring));
	for (unsigned i = 0; i < n_ring; i++)
		empty_place(t, &t->ring[i]);
	for (unsigned i = 0; i < n_old; i++)
		if (old[i].slice != INT64_MIN)
			t->ring[(uint64_t)old[i].slice % n_ring] = old[i];
	free(old);
	t->epoch++;
}

/* Gauges own memory of their own. */
static size_t forget_gauges(struct table *t, struct slice_table *st)
{
	const void *k;
	void *v;
	uint32_t at = 0;
	size_t freed = 0;

	if (t->gauge)
		while (map_next(&st->map, &at, &k, &v))
			freed += gauge_fini(&((struct cell *)v)->gauge);
	return freed;
}

void table_fini(struct table *t)
{
	for (unsigned i = 0; i < t->n_ring; i++) {
		forget_gauges(t, &t->ring[i]);
		map_fini(&t->ring[i].map);
	}
	free(t->ring);
	free(t->recent);
	*t = (struct table){ 0 };
}

static struct slice_table *place(const struct table *t, int64_t s)
{
	return &t->ring[(uint64_t)s % t->n_ring];
}

struct slice_table *table_slice(const struct table *t, int64_t s)
{
	struct slice_table *st = place(t, s);

	return st->slice == s ? st : NULL;
}

void table_open(struct table *t, int64_t s)
{
	struct slice_table *st = place(t, s);

	if (st->slice == s)
		return;
	t->octets -= forget_gauges(t, st);
	t->octets -= map_octets(&st->map);
	map_clear(&st->map);
	t->octets += map_octets(&st->map);
	st->slice = s;
	st->error = (struct sums){ 0 };
	st->thinned = 0;
	t->epoch++;
}

static uint64_t weight(const struct table *t, const struct cell *c)
{
	if (t->gauge)
		return gauge_count(&c->gauge);
	switch (t->order) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return c->sums.packets;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS: return c->sums.flows;
	default: return c->sums.bytes;
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Median weight of a sample spread evenly over the table. */
static uint64_t median(const struct table *t, const struct slice_table *st)
{
	uint64_t w[SAMPLE];
	uint32_t at = 0, step = st->map.n / SAMPLE + 1, i = 0, n = 0;
	const void *k;
	void *v;

	while (n < SAMPLE && map_next(&st->map, &at, &k, &v))
		if (i++ % step == 0)
			w[n++] = weight(t, v);
	qsort(w, n, sizeof(*w), by_size);
	return n ? w[n / 2] : 0;
}

static uint64_t less(uint64_t *v, uint64_t by)
{
	uint64_t had = *v;

	*v = had > by ? had - by : 0;
	return had - *v;
}

/* Takes `m` from the ordering sum of c; false when nothing is left of it. */
static bool lighten(const struct table *t, struct cell *c, uint64_t m, struct sums *most)
{
	uint64_t *v = &c->sums.bytes, *e = &most->bytes, took;

	if (t->gauge)
		return gauge_count(&c->gauge) > m; /* a set cannot be lightened */
	if (t->order == MEASURE_PACKETS || t->order == MEASURE_PACKETS_S) {
		v = &c->sums.packets;
		e = &most->packets;
	} else if (t->order == MEASURE_FLOWS || t->order == MEASURE_FLOWS_S) {
		v = &c->sums.flows;
		e = &most->flows;
	}
	took = less(v, m);
	if (took > *e)
		*e = took;
	return *v > 0;
}

static void thin(struct table *t, struct slice_table *st)
{
	uint64_t m = median(t, st);
	struct sums most = { 0 };
	struct map kept;
	const void *k;
	void *v;
	uint32_t at = 0;

	m += !m; /* something has to go */
	map_init(&kept, t->key, sizeof(struct cell), 1u << 28);
	while (map_next(&st->map, &at, &k, &v)) {
		struct cell *c = v;

		if (lighten(t, c, m, &most)) {
			memcpy(map_put(&kept, k, NULL), c, sizeof(*c));
			continue;
		}
		if (t->gauge)
			t->octets -= gauge_fini(&c->gauge);
		st->thinned++;
	}
	t->octets -= map_octets(&st->map);
	map_fini(&st->map);
	st->map = kept;
	t->octets += map_octets(&st->map);
	st->error.bytes += most.bytes;
	st->error.packets += most.packets;
	st->error.flows += most.flows;
	t->epoch++;
}

/* Thins the fullest slice, the oldest of those equally full. */
static void make_room(struct table *t)
{
	struct slice_table *full = &t->ring[0];

	for (unsigned i = 1; i < t->n_ring; i++)
		if (t->ring[i].map.n > full->map.n ||
		    (t->ring[i].map.n == full->map.n && t->ring[i].slice < full->slice))
			full = &t->ring[i];
	if (full->map.n >= THIN_AT_LEAST)
		thin(t, full);
}

struct cell *table_find(const struct table *t, int64_t s, const struct key *k, uint64_t hash)
{
	struct slice_table *st = table_slice(t, s);

	return st ? map_get_hashed(&st->map, k, hash) : NULL;
}

static struct cell *add(struct table *t, struct slice_table *st, const struct key *k,
			uint64_t hash, bool *fresh)
{
	size_t had = map_octets(&st->map);
	struct cell *c;

	/* Growing doubles a table: look before, so that the bound holds. */
	if (st->map.n >= st->map.cap / 4 * 3 && t->octets + had > t->octets_max) {
		make_room(t);
		had = map_octets(&st->map);
	}
	c = map_put_hashed(&st->map, k, hash, fresh);
	if (map_octets(&st->map) != had) {
		t->octets += map_octets(&st->map) - had;
		t->epoch++;
	}
	return c;
}

struct cell *table_cell(struct table *t, int64_t s, const struct key *k, uint64_t hash,
			bool *fresh)
{
	struct recent *r = &t->recent[(hash ^ (uint64_t)s) % RECENT];
	struct slice_table *st;
	size_t pad = (t->key + 7) & ~(size_t)7;

	if (r->hash == hash && r->slice == s && r->epoch == t->epoch &&
	    !memcmp((const char *)r->cell - pad, k, t->key)) {
		*fresh = false;
		return r->cell;
	}
	st = place(t, s);
	r->cell = add(t, st, k, hash, fresh);
	if (*fresh && t->gauge)
		gauge_init(&r->cell->gauge);
	r->hash = hash;
	r->slice = s;
	r->epoch = t->epoch;
	return r->cell;
}
