/* bins.c - thirty slices make a bin of history.
 * SPDX-License-Identifier: ISC
 *
 * A bin is written again and again while it grows, each time as the whole truth,
 * so a crash loses ten seconds and a repeated write is harmless. It is settled
 * when `late` has passed since its end. What history already held of it when
 * the daemon started is carried: added to what the slices say.
 *
 * Small views (none, exporter, interface, network) write all their keys, also
 * those without traffic: zero is not missing. Of the others a closed bin keeps
 * its LARGEST keys.
 */
#include "daemon/window/view.h"

#include "daemon/base/mem.h"
#include "daemon/window/gauge.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 200, REST_SLICES = 6, FORGET_SLICES = 8640 };

static bool touched(const struct window *w, const struct view *v, int64_t bin)
{
	for (int64_t s = bin; s < bin + BIN_SLICES; s++) {
		uint64_t at = (uint64_t)s % w->n_ring;

		if (v->touched[at / 64] >> (at % 64) & 1)
			return true;
	}
	return false;
}

/* The largest value of a window of thirty slices that ends in the bin. */
static double peak(const struct view *v, const struct sums *slice)
{
	uint64_t run = 0, most = 0;

	for (int i = 0; i < 2 * BIN_SLICES - 1; i++) {
		run += view_weight(v, &slice[i]);
		if (i >= BIN_SLICES)
			run -= view_weight(v, &slice[i - BIN_SLICES]);
		if (i >= BIN_SLICES - 1 && run > most)
			most = run;
	}
	return (double)most;
}

static struct bin make_bin(struct window *w, unsigned view, const struct key *k, int64_t at)
{
	struct view *v = &w->views[view];
	struct sums slice[2 * BIN_SLICES - 1], sum = { 0 };
	struct bin bin = { .start_s = at * SLICE_MS / 1000, .step = STEP_BIN };
	struct binkey bk = { *k, at };
	const struct carried *c = map_get(&v->carried, &bk);

	view_sums(v, k, at - BIN_SLICES + 1, 2 * BIN_SLICES - 1, slice);
	for (int i = 0; i < BIN_SLICES; i++) {
		sums_add(&sum, &slice[BIN_SLICES - 1 + i]);
		if (window_covered(w, v->spec.by, k, at + i))
			bin.covered |= UINT32_C(1) << i;
	}
	if (c) {
		sums_add(&sum, &c->sums);
		bin.covered |= c->covered;
	}
	bin.bytes = sum.bytes;
	bin.packets = sum.packets;
	bin.flows = sum.flows;
	bin.peak = peak(v, slice);
	if (v->table.gauge)
		bin.gauge = w->slices.gauge(w, view, k, at, BIN_SLICES);
	return bin;
}

static struct binkey hour_of(const struct key *k, int64_t slice)
{
	return (struct binkey){ *k, slice / HOUR_SLICES * HOUR_SLICES };
}

static void emit_hour(unsigned view, const struct binkey *hour, const struct carried *c,
		      window_bin_f *fn, void *arg)
{
	struct bin bin = { .start_s = hour->slice * SLICE_MS / 1000, .step = STEP_HOUR,
			   .covered = c->covered, .bytes = c->sums.bytes,
			   .packets = c->sums.packets, .flows = c->sums.flows };

	fn(arg, view, &hour->key, &bin, false, false);
}

/* A settled bin belongs to its hour for good. */
static struct carried *to_hour(struct view *v, const struct binkey *hour, const struct bin *bin)
{
	struct sums sum = { bin->bytes, bin->packets, bin->flows };
	struct carried *c = map_put(&v->hours, hour, NULL);

	if (!c)
		return NULL;
	sums_add(&c->sums, &sum);
	c->covered += (uint32_t)__builtin_popcount(bin->covered);
	return c;
}

static void settle(struct view *v, unsigned view, const struct key *k, int64_t at,
		   const struct bin *bin, window_bin_f *fn, void *arg)
{
	struct binkey hour = hour_of(k, at);
	const struct carried *c = v->table.gauge ? NULL : to_hour(v, &hour, bin);

	if (c)
		emit_hour(view, &hour, c, fn, arg);
}

static void small_bin(struct window *w, unsigned view, int64_t at, bool settled,
		      window_bin_f *fn, void *arg)
{
	struct view *v = &w->views[view];
	struct key key = { 0 };
	const void *k;
	void *newest;
	uint32_t i = 0;

	while (map_next(&v->known, &i, &k, &newest)) {
		struct bin bin;

		if (*(int64_t *)newest < at - FORGET_SLICES)
			continue;
		memcpy(key.b, k, v->known.key);
		bin = make_bin(w, view, &key, at);
		/* A long flow may reach into a time when nobody listened here. */
		if (!bin.covered && !bin.flows && !bin.bytes && !bin.packets)
			continue;
		fn(arg, view, &key, &bin, false, settled);
		if (settled)
			settle(v, view, &key, at, &bin, fn, arg);
	}
}

struct ranked {
	uint64_t weight;
	const void *key;
};

static int by_weight(const void *a, const void *b)
{
	uint64_t x = ((const struct ranked *)a)->weight, y = ((const struct ranked *)b)->weight;

	return (x < y) - (x > y);
}

static void merge(const struct view *v, int64_t at, struct map *to)
{
	for (int64_t s = at; s < at + BIN_SLICES; s++) {
		const struct slice_table *st = table_slice(&v->table, s);
		const void *k;
		void *c;
		uint32_t i = 0;

		while (st && map_next(&st->map, &i, &k, &c)) {
			struct sums *sum = map_put(to, k, NULL);

			if (sum && v->table.gauge)
				sum->bytes += gauge_count(&((struct cell *)c)->gauge);
			else if (sum)
				sums_add(sum, &((struct cell *)c)->sums);
		}
	}
}

static void large_bin(struct window *w, unsigned view, int64_t at, bool settled,
		      window_bin_f *fn, void *arg)
{
	struct view *v = &w->views[view];
	struct ranked *r;
	struct map all;
	struct key key = { 0 };
	const void *k;
	void *s;
	uint32_t i = 0, n = 0;

	map_init(&all, v->table.key, sizeof(struct sums), 1u << 28);
	merge(v, at, &all);
	r = xcalloc(all.n ? all.n : 1, sizeof(*r));
	while (map_next(&all, &i, &k, &s))
		r[n++] = (struct ranked){ view_weight(v, s), k };
	qsort(r, n, sizeof(*r), by_weight);
	for (i = 0; i < n && i < LARGEST; i++) {
		struct bin bin;

		memcpy(key.b, r[i].key, v->table.key);
		bin = make_bin(w, view, &key, at);
		fn(arg, view, &key, &bin, false, settled);
	}
	free(r);
	map_fini(&all);
}

static struct bin amendment(const struct binkey *bk, const struct sums *sum, uint32_t step)
{
	return (struct bin){ .start_s = bk->slice * SLICE_MS / 1000, .step = step,
			     .bytes = sum->bytes, .packets = sum->packets,
			     .flows = sum->flows };
}

static void amendments(struct window *w, unsigned view, window_bin_f *fn, void *arg)
{
	struct view *v = &w->views[view];
	const void *k;
	void *s;
	uint32_t i = 0;

	while (map_next(&v->amended, &i, &k, &s)) {
		const struct binkey *bk = k;
		struct bin bin = amendment(bk, s, STEP_BIN);

		fn(arg, view, &bk->key, &bin, true, true);
	}
	map_clear(&v->amended);
	i = 0;
	while (map_next(&v->amended_hours, &i, &k, &s)) {
		const struct binkey *hour = k;
		struct bin bin = amendment(hour, s, STEP_HOUR);

		/* The hour that is still being filled takes it. */
		if (map_get(&v->hours, hour))
			emit_hour(view, hour, to_hour(v, hour, &bin), fn, arg);
		else
			fn(arg, view, &hour->key, &bin, true, true);
	}
	map_clear(&v->amended_hours);
}

static void forget(struct map *m, int64_t before)
{
	const void *k;
	void *c;
	uint32_t i = 0;
	struct map still;

	if (!m->n)
		return;
	map_init(&still, sizeof(struct binkey), sizeof(struct carried), m->max);
	while (map_next(m, &i, &k, &c))
		if (((const struct binkey *)k)->slice >= before)
			*(struct carried *)map_put(&still, k, NULL) = *(struct carried *)c;
	map_fini(m);
	*m = still;
}

void window_bins(struct window *w, int64_t now_ms, window_bin_f *fn, void *arg)
{
	int64_t late = w->opts.late_ms / SLICE_MS, now = slice_of(now_ms);
	int64_t oldest = window_oldest(w) / BIN_SLICES * BIN_SLICES;
	int64_t settled_to = (now - late) / BIN_SLICES * BIN_SLICES;

	for (unsigned i = 0; i < w->n_views; i++) {
		struct view *v = &w->views[i];
		bool small = by_is_small(v->spec.by);

		if (!v->spec.history)
			continue;
		amendments(w, i, fn, arg);
		/* The clock jumped, or nobody called for long: what has gone is gone. */
		if (v->bins_settled < oldest)
			v->bins_settled = oldest;
		for (int64_t at = v->bins_settled; at <= now; at += BIN_SLICES) {
			bool settled = at + BIN_SLICES + late <= now;
			bool closed = at + BIN_SLICES + REST_SLICES <= now;

			if (small && (settled || touched(w, v, at) || !closed))
				small_bin(w, i, at, settled, fn, arg);
			else if (!small && (settled || (closed && at >= v->bins_from)))
				large_bin(w, i, at, settled, fn, arg);
			if (closed && at >= v->bins_from)
				v->bins_from = at + BIN_SLICES;
			if (settled)
				v->bins_settled = at + BIN_SLICES;
		}
		if (v->bins_settled < settled_to)
			settled_to = v->bins_settled;
		memset(v->touched, 0, (w->n_ring + 63) / 64 * sizeof(*v->touched));
		forget(&v->carried, v->bins_settled);
		if (v->bins_settled % HOUR_SLICES == 0)
			forget(&v->hours, v->bins_settled - HOUR_SLICES);
	}
	w->settled = settled_to;
}

void window_carry(struct window *w, unsigned view, const struct key *k,
		  const struct bin *bin)
{
	struct view *v = &w->views[view];
	struct binkey bk = { *k, bin->start_s * 1000 / SLICE_MS };
	struct binkey hour = hour_of(k, bk.slice);
	int64_t *newest = map_put(&v->known, k, NULL);
	struct carried *c;

	if (bk.slice + BIN_SLICES + w->opts.late_ms / SLICE_MS <= w->now_slice) {
		to_hour(v, &hour, bin);
		return;
	}
	c = map_put(&v->carried, &bk, NULL);
	if (c)
		*c = (struct carried){ { bin->bytes, bin->packets, bin->flows }, bin->covered };
	if (newest && bk.slice > *newest)
		*newest = bk.slice;
	if (bk.slice < v->bins_settled && bk.slice >= window_oldest(w))
		v->bins_settled = bk.slice;
}
