/* look.c - how rules look at the windows: the functions of struct slices.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/window/view.h"

#include "daemon/window/gauge.h"
#include "daemon/window/presence.h"

#include <string.h>

enum { LATENESS_UNKNOWN_MS = 60000, AHEAD = 8 };

static void prefetch(const struct view *v, int64_t slice, uint64_t hash)
{
	const struct slice_table *st = table_slice(&v->table, slice);

	if (st)
		map_prefetch(&st->map, hash);
}

struct sums view_sums(const struct view *v, const struct key *k, int64_t first, unsigned n,
		      struct sums *out)
{
	uint64_t hash = map_hash(k, v->table.key);
	struct sums error = { 0 };

	memset(out, 0, n * sizeof(*out));
	for (unsigned i = 0; i < AHEAD && i < n; i++)
		prefetch(v, first + i, hash);
	for (unsigned i = 0; i < n; i++) {
		const struct slice_table *st = table_slice(&v->table, first + i);
		const struct cell *c;

		if (i + AHEAD < n)
			prefetch(v, first + i + AHEAD, hash);
		c = st ? map_get_hashed(&st->map, k, hash) : NULL;

		if (c && !v->table.gauge)
			out[i] = c->sums;
		if (st) {
			error.bytes += st->error.bytes;
			error.packets += st->error.packets;
			error.flows += st->error.flows;
		}
	}
	return error;
}

static struct sums sums_of(void *arg, unsigned view, const struct key *k, int64_t first,
			   unsigned n, struct sums *out)
{
	struct window *w = arg;

	return view_sums(&w->views[view], k, first, n, out);
}

static double gauge_of(void *arg, unsigned view, const struct key *k, int64_t first,
		       unsigned n)
{
	struct window *w = arg;
	struct view *v = &w->views[view];
	uint64_t hash = map_hash(k, v->table.key);

	if (!v->table.gauge)
		return 0;
	gauge_union_clear(w->gauges);
	for (unsigned i = 0; i < n; i++) {
		const struct cell *c = table_find(&v->table, first + i, k, hash);

		if (c)
			gauge_union_add(w->gauges, &c->gauge);
	}
	return gauge_union_value(w->gauges, &v->spec.measure);
}

static struct sums total_of(void *arg, unsigned view, const struct key *k,
			    int64_t *start_ms, int64_t *end_ms)
{
	struct window *w = arg;

	return period_of(&w->views[view].totals, k, start_ms, end_ms);
}

static uint32_t exporter_of(const struct key *k)
{
	uint32_t id;

	memcpy(&id, k->b, sizeof(id));
	return id;
}

bool window_covered(const struct window *w, enum by by, const struct key *k, int64_t s)
{
	if (by == BY_EXPORTER || by == BY_INTERFACE)
		return presence_covered(w->presence, exporter_of(k), s);
	return presence_covered_all(w->presence, s);
}

static bool covered_of(void *arg, enum by by, const struct key *k, int64_t s)
{
	return window_covered(arg, by, k, s);
}

static int64_t exporter_lateness(const struct window *w, uint32_t id)
{
	const struct exporter *e = names_exporter_at(w->opts.names, id);
	int64_t ms = e ? __atomic_load_n(&e->ledger.lateness_ms, __ATOMIC_RELAXED) : 0;

	if (ms <= 0)
		ms = LATENESS_UNKNOWN_MS;
	return ms < w->opts.late_ms ? ms : w->opts.late_ms;
}

static int64_t lateness_of(void *arg, enum by by, const struct key *k)
{
	const struct window *w = arg;
	int64_t most = 0;

	if (by == BY_EXPORTER || by == BY_INTERFACE)
		return exporter_lateness(w, exporter_of(k));
	for (uint32_t i = 0; i < names_exporters(w->opts.names); i++) {
		int64_t ms = exporter_lateness(w, i);

		if (presence_last_ms(w->presence, i) && ms > most)
			most = ms;
	}
	return most ? most : LATENESS_UNKNOWN_MS;
}

struct slices window_look(struct window *w)
{
	return (struct slices){ .arg = w, .sums = sums_of, .gauge = gauge_of, .total = total_of,
				.covered = covered_of, .lateness = lateness_of };
}
