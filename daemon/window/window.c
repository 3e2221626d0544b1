/* window.c - blocks in, sums of slices out.
 * SPDX-License-Identifier: ISC
 *
 * For each block the shares of its flows are worked out once (share.c); then
 * each view runs its filter over the columns, takes the key of each row that
 * is left and adds the row's shares to the cells of that key.
 *
 * Who is looked at again: partial sums only grow, so a limit can be crossed only
 * where something changed, and only by a key that reached `quota` (limit *
 * slice / window) in some slice: were every slice below it, so would be every
 * window. Such keys are hot; changes of hot keys are noted, all others cost
 * nothing. A view with quota 0 (lower limits, baselines) notes every change.
 */
#include "daemon/window/window.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "daemon/window/count.h"
#include "daemon/window/gauge.h"
#include "daemon/window/presence.h"
#include "daemon/window/share.h"
#include "daemon/window/view.h"

#include <stdlib.h>
#include <string.h>

enum { FUTURE = WINDOW_FUTURE, SPARE = 2, KEYS_MAX = 1 << 20, KNOWN_MAX = 1 << 16,
       ROWS_EARNED = 8, ROWS_MAX = 1 << 14 };

static unsigned ring_of(const struct window_opts *o, unsigned longest)
{
	return longest + (unsigned)(o->late_ms / SLICE_MS) + FUTURE + SPARE;
}

struct window *window_new(const struct window_opts *o, int64_t now_ms)
{
	struct window *w = xcalloc(1, sizeof(*w));

	w->opts = *o;
	w->n_ring = ring_of(o, BIN_SLICES);
	w->now_slice = slice_of(now_ms);
	w->count = count_once_new();
	w->presence = presence_new(o->names);
	w->shares = xcalloc(1, sizeof(*w->shares));
	shares_init(w->shares);
	w->gauges = gauge_union_new();
	w->small = small_new();
	map_init(&w->interfaces, by_octets(BY_INTERFACE), sizeof(uint64_t), KEYS_MAX);
	w->round = 1;
	w->rows_left = ROWS_MAX;
	w->slices = window_look(w);
	return w;
}

static void view_fini(struct view *v)
{
	table_fini(&v->table);
	map_fini(&v->hot);
	map_fini(&v->changed);
	map_fini(&v->known);
	map_fini(&v->carried);
	map_fini(&v->hours);
	map_fini(&v->amended);
	map_fini(&v->amended_hours);
	period_fini(&v->totals);
	free(v->touched);
	free(v->filter_text);
}

void window_free(struct window **wp)
{
	struct window *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	for (unsigned i = 0; i < w->n_views; i++)
		view_fini(&w->views[i]);
	free(w->views);
	count_once_free(&w->count);
	presence_free(&w->presence);
	shares_fini(w->shares);
	free(w->shares);
	gauge_union_free(&w->gauges);
	small_free(&w->small);
	map_fini(&w->interfaces);
	free(w);
}

int64_t window_newest(const struct window *w) { return w->now_slice; }

int64_t window_oldest(const struct window *w)
{
	return w->now_slice + FUTURE - (int64_t)w->n_ring + 1 + SPARE;
}

const struct slices *window_slices(struct window *w) { return &w->slices; }
struct presence *window_presence(struct window *w) { return w->presence; }

static void view_init(struct window *w, struct view *v, const struct view_spec *spec,
		      int64_t now_ms)
{
	size_t key = by_octets(spec->by);

	*v = (struct view){ .spec = *spec };
	v->filter_text = xstrdup(spec->filter ? filter_text(spec->filter) : "");
	table_init(&v->table, key, w->n_ring, &spec->measure, w->opts.memory);
	map_init(&v->hot, key, sizeof(int64_t), KEYS_MAX);
	map_init(&v->changed, key, sizeof(int64_t), KEYS_MAX);
	map_init(&v->known, key, sizeof(int64_t), KNOWN_MAX);
	map_init(&v->carried, sizeof(struct binkey), sizeof(struct carried), KEYS_MAX);
	map_init(&v->hours, sizeof(struct binkey), sizeof(struct carried), KEYS_MAX);
	map_init(&v->amended, sizeof(struct binkey), sizeof(struct sums), KEYS_MAX);
	map_init(&v->amended_hours, sizeof(struct binkey), sizeof(struct sums), KEYS_MAX);
	period_init(&v->totals, w->opts.calendar, spec->period, key, now_ms);
	v->touched = xcalloc((w->n_ring + 63) / 64, sizeof(*v->touched));
	v->bins_from = w->now_slice / BIN_SLICES * BIN_SLICES;
	v->bins_settled = v->bins_from;
	for (int64_t s = window_oldest(w); s <= w->now_slice + FUTURE; s++)
		table_open(&v->table, s);
}

static bool same_view(const struct view *v, const struct view_spec *s)
{
	return v->spec.by == s->by && v->spec.period == s->period &&
	       v->spec.measure.kind == s->measure.kind && v->spec.measure.of == s->measure.of &&
	       !strcmp(v->filter_text, s->filter ? filter_text(s->filter) : "");
}

/* The ring only grows: slices that are open stay open. */
static void lengthen(struct window *w, unsigned longest)
{
	unsigned n = ring_of(&w->opts, longest);

	if (n <= w->n_ring)
		return;
	w->n_ring = n;
	for (unsigned i = 0; i < w->n_views; i++) {
		struct view *v = &w->views[i];

		table_resize(&v->table, n);
		for (int64_t s = window_oldest(w); s <= w->now_slice + FUTURE; s++)
			table_open(&v->table, s);
		free(v->touched);
		v->touched = xcalloc((n + 63) / 64, sizeof(*v->touched));
		memset(v->touched, 0xff, (n + 63) / 64 * sizeof(*v->touched));
	}
}

static unsigned leader_of(const struct window *w, unsigned view)
{
	const struct view *v = &w->views[view];

	for (unsigned i = 0; i < view && small_takes(v); i++)
		if (small_takes(&w->views[i]) &&
		    !strcmp(w->views[i].filter_text, v->filter_text))
			return i;
	return view;
}

void window_views(struct window *w, const struct view_spec *specs, unsigned n,
		  unsigned longest)
{
	struct view *views = xcalloc(n ? n : 1, sizeof(*views));
	unsigned large = 0;

	lengthen(w, longest);
	for (unsigned i = 0; i < n; i++) {
		unsigned j = 0;

		while (j < w->n_views && (!w->views[j].filter_text ||
					  !same_view(&w->views[j], &specs[i])))
			j++;
		if (j < w->n_views) {
			views[i] = w->views[j];
			views[i].spec = specs[i];
			w->views[j].filter_text = NULL; /* moved */
		} else {
			view_init(w, &views[i], &specs[i], w->now_slice * SLICE_MS);
		}
		large += !by_is_small(specs[i].by);
	}
	for (unsigned j = 0; j < w->n_views; j++)
		if (w->views[j].filter_text)
			view_fini(&w->views[j]);
	free(w->views);
	w->views = views;
	w->n_views = n;
	w->large = false;
	for (unsigned i = 0; i < n; i++) {
		w->large |= !small_takes(&views[i]);
		views[i].leader = leader_of(w, i);
		views[i].all_interfaces = specs[i].by == BY_INTERFACE &&
					  filter_is_all(specs[i].filter) &&
					  small_takes(&views[i]);
	}
	/* Small views need little: what there is belongs to the large ones. */
	for (unsigned i = 0; i < n; i++)
		views[i].table.octets_max = w->opts.memory / (large ? large : 1);
}

uint64_t view_weight(const struct view *v, const struct sums *s)
{
	switch (v->spec.measure.kind) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return s->packets;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS: return s->flows;
	default: return s->bytes;
	}
}

/* A key has reached the quota for the first time: its other cells are hot as well. */
static void heat(struct window *w, struct view *v, const struct key *k, uint64_t hash,
		 int64_t s)
{
	int64_t *newest = map_put_hashed(&v->hot, k, hash, NULL);

	if (newest && s > *newest)
		*newest = s;
	for (int64_t i = window_oldest(w); i <= w->now_slice + FUTURE; i++) {
		struct cell *c = table_find(&v->table, i, k, hash);

		if (c)
			c->hot = 1;
	}
}

static void note(struct window *w, struct view *v, struct cell *c, bool fresh,
		 const struct key *k, uint64_t hash, int64_t s)
{
	int64_t *oldest;
	bool is_new;

	if (!c->hot) {
		if (v->spec.quota <= 0 ||
		    (fresh && v->hot.n && map_get_hashed(&v->hot, k, hash)))
			c->hot = 1;
		else if (!v->table.gauge &&
			 (double)view_weight(v, &c->sums) >= v->spec.quota)
			heat(w, v, k, hash, s);
		else
			return;
	}
	if (c->dirty == w->round)
		return;
	c->dirty = w->round;
	oldest = map_put_hashed(&v->changed, k, hash, &is_new);
	if (oldest && (is_new || s < *oldest))
		*oldest = s;
}

/* Is a key's other end where the flow goes to? Where it is neither end: no, so that who
 * comes is counted. */
static bool faces_dst(enum by by, const struct key *k, unsigned which)
{
	uint32_t out;

	switch (by) {
	case BY_SRC:
	case BY_SRC_AS:
	case BY_SRC_PORT: return true;
	case BY_HOST: /* row_keys() tells the source first */
	case BY_AS: return !which;
	case BY_NETWORK: memcpy(&out, k->b + sizeof(out), sizeof(out)); return out;
	default: return false;
	}
}

/* The thing that is counted once: the other end, or the port that was reached. */
static uint64_t gauge_hash(const struct view *v, const struct block *b, uint32_t r,
			   const struct key *k, unsigned which)
{
	const struct measure *m = &v->spec.measure;

	if (m->kind == MEASURE_ENTROPY)
		return map_hash(block_cell(b, m->of, r), field_info[m->of].width);
	if (m->kind == MEASURE_PORTS)
		return map_hash(&b->dst_port[r], sizeof(b->dst_port[r]));
	if (faces_dst(v->spec.by, k, which))
		return map_hash(&b->dst[r], sizeof(b->dst[r]));
	return map_hash(&b->src[r], sizeof(b->src[r]));
}

static void add_interface(struct window *w, const struct view *v, const struct key *k,
			  uint64_t octets)
{
	uint64_t *sum = v->all_interfaces ? map_put(&w->interfaces, k, NULL) : NULL;

	if (sum)
		*sum += octets;
}

/* A bin of the past that nobody amended in this slice is a row on disk, some 150 octets, and
 * has to be earned: each record brings ROWS_EARNED, so that what it costs stays below 64 times
 * its own octets (P3). Flows of the same past over the same interfaces share theirs. */
static void add_to(struct window *w, struct map *m, const struct key *k, int64_t slice,
		   const struct sums *sum)
{
	struct binkey bk = { *k, slice };
	struct sums *to = map_get(m, &bk);

	if (!to && w->rows_left) {
		w->rows_left--;
		to = map_put(m, &bk, NULL);
	}
	if (to)
		sums_add(to, sum);
	else
		w->stats.cut_shares++;
}

static void amend(struct window *w, struct view *v, const struct key *k, int64_t s,
		  enum share_kind kind, const struct sums *sum)
{
	if (!v->spec.history || !by_is_small(v->spec.by) || v->table.gauge)
		return;
	if (kind != SHARE_OLD_HOUR)
		add_to(w, &v->amended, k, s / BIN_SLICES * BIN_SLICES, sum);
	add_to(w, &v->amended_hours, k, s / HOUR_SLICES * HOUR_SLICES, sum);
}

void view_add_old(struct window *w, struct view *v, const struct key *k, int64_t slice,
		  enum share_kind kind, const struct sums *sum)
{
	add_interface(w, v, k, sum->bytes);
	amend(w, v, k, slice, kind, sum);
}

static void touch(struct window *w, struct view *v, int64_t s)
{
	uint64_t at = (uint64_t)s % w->n_ring;

	v->touched[at / 64] |= UINT64_C(1) << (at % 64);
}

static void add_known(struct view *v, const struct key *k, int64_t s)
{
	int64_t *newest = map_put(&v->known, k, NULL);

	if (newest && s > *newest)
		*newest = s;
}

void view_add(struct window *w, struct view *v, const struct key *k, int64_t s,
	      const struct sums *sum)
{
	uint64_t hash = map_hash(k, v->table.key);
	bool fresh;
	struct cell *c = table_cell(&v->table, s, k, hash, &fresh);

	c->sums.bytes += sum->bytes;
	c->sums.packets += sum->packets;
	c->sums.flows += sum->flows;
	note(w, v, c, fresh, k, hash, s);
	add_interface(w, v, k, sum->bytes);
	touch(w, v, s);
	/* Bins that had ended when this began are not written whole: nobody saw them. */
	if (s < v->bins_settled)
		amend(w, v, k, s, SHARE_OLD_BIN, sum);
	if (fresh)
		add_known(v, k, s);
}

/* What is too old for any slice counts for the day, week or month all the same. */
static void add_total(struct window *w, struct view *v, const struct key *k,
		      const struct share *s, uint32_t n)
{
	struct sums sum = { 0 };
	int64_t *oldest;
	bool fresh;

	for (uint32_t i = 0; i < n; i++) {
		if ((int64_t)s[i].slice * SLICE_MS < v->totals.start_ms)
			continue;
		sum.bytes += s[i].bytes;
		sum.packets += s[i].packets;
		sum.flows += s[i].flows;
	}
	period_add(&v->totals, k, &sum);
	oldest = map_put(&v->changed, k, &fresh);
	if (oldest && fresh)
		*oldest = w->now_slice;
}

static void add_row(struct window *w, struct view *v, const struct block *b, uint32_t r,
		    const struct key *k, unsigned which)
{
	const struct share *s = w->shares->at + w->shares->from[r];
	uint32_t n = w->shares->from[r + 1] - w->shares->from[r];
	uint64_t hash = map_hash(k, v->table.key), gauged = 0;

	if (v->table.gauge)
		gauged = gauge_hash(v, b, r, k, which);
	for (uint32_t i = 0; i < n; i++) {
		struct sums sum = { s[i].bytes, s[i].packets, s[i].flows };
		struct cell *c;
		bool fresh;

		if (s[i].kind != SHARE_OPEN) {
			view_add_old(w, v, k, s[i].slice, s[i].kind, &sum);
			continue;
		}
		c = table_cell(&v->table, s[i].slice, k, hash, &fresh);
		if (v->table.gauge) {
			v->table.octets += gauge_add(&c->gauge, &v->spec.measure, gauged,
						     s[i].packets);
		} else {
			c->sums.bytes += sum.bytes;
			c->sums.packets += sum.packets;
			c->sums.flows += sum.flows;
		}
		note(w, v, c, fresh, k, hash, s[i].slice);
		touch(w, v, s[i].slice);
	}
	if (v->totals.period != PERIOD_NONE)
		add_total(w, v, k, s, n);
}

static void add_block(struct window *w, unsigned view, const struct block *b)
{
	struct view *v = &w->views[view];
	uint64_t bits[FILTER_WORDS];
	struct key keys[ROW_KEYS], last = { .b = { 0xff } };
	bool small = by_is_small(v->spec.by);

	if (v->leader < view || !filter_run(v->spec.filter, b, bits))
		return;
	if (small_takes(v)) {
		small_block(w, view, b, bits);
		return;
	}
	rows_counted(v->spec.by, v->spec.filter ? filter_columns(v->spec.filter) : 0, b, bits);
	for (uint32_t i = 0; i * 64 < b->n; i++) {
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			unsigned n = row_keys(v->spec.by, b, r, keys);

			for (unsigned k = 0; k < n; k++) {
				add_row(w, v, b, r, &keys[k], k);
				if (small && memcmp(&last, &keys[k], sizeof(last))) {
					last = keys[k];
					add_known(v, &last, w->now_slice);
				}
			}
		}
	}
}

static void hear(struct window *w, const struct block *b)
{
	uint32_t last = UINT32_MAX;
	int64_t at = 0;

	for (uint32_t r = 0; r < b->n; r++) {
		if (b->exporter[r] == last && b->received_ms[r] == at)
			continue;
		last = b->exporter[r];
		at = b->received_ms[r];
		presence_heard(w->presence, last, at);
	}
}

/* Shares before this slice are old: their bins have been settled (D1). */
static int64_t first_open(const struct window *w)
{
	int64_t oldest = window_oldest(w);

	return w->settled > oldest ? w->settled : oldest;
}

void window_block(struct window *w, struct block *b, int64_t now_ms)
{
	int64_t first;

	window_tick(w, now_ms);
	first = first_open(w);
	count_once(w->count, b);
	hear(w, b);
	shares_of(w->shares, b, first, w->now_slice + FUTURE, w->large);
	w->stats.late_flows += w->shares->late;
	w->stats.flows += b->n;
	w->rows_left += b->n * ROWS_EARNED;
	if (w->rows_left > ROWS_MAX)
		w->rows_left = ROWS_MAX;
	for (unsigned i = 0; i < w->n_views; i++)
		add_block(w, i, b);
	shares_done(w->shares);
}

/* Hot keys whose slices have all gone are cold again. */
static void cool(struct window *w, struct view *v)
{
	const void *k;
	void *s;
	uint32_t at = 0;
	struct map still;

	if (!v->hot.n)
		return;
	map_init(&still, v->hot.key, sizeof(int64_t), KEYS_MAX);
	while (map_next(&v->hot, &at, &k, &s))
		if (*(int64_t *)s >= window_oldest(w))
			*(int64_t *)map_put(&still, k, NULL) = *(int64_t *)s;
	map_fini(&v->hot);
	v->hot = still;
}

bool window_tick(struct window *w, int64_t now_ms)
{
	int64_t s = slice_of(now_ms), had = w->now_slice;

	for (unsigned i = 0; i < w->n_views; i++)
		period_tick(&w->views[i].totals, now_ms);
	/* A clock stepped back: the slices of the future stay open, time catches up. */
	if (s <= had)
		return false;
	w->now_slice = s;
	if (s - had > (int64_t)w->n_ring)
		had = s - (int64_t)w->n_ring;
	for (unsigned i = 0; i < w->n_views; i++) {
		for (int64_t o = had + FUTURE + 1; o <= s + FUTURE; o++)
			table_open(&w->views[i].table, o);
		if (s / BIN_SLICES != had / BIN_SLICES)
			cool(w, &w->views[i]);
	}
	return true;
}

void window_changed(struct window *w, window_key_f *fn, void *arg)
{
	w->round++;
	for (unsigned i = 0; i < w->n_views; i++) {
		struct map changed = w->views[i].changed;
		struct key key = { 0 };
		const void *k;
		void *oldest;
		uint32_t at = 0;

		/* fn may ask for anything, so the map that is walked is ours alone. */
		map_init(&w->views[i].changed, changed.key, sizeof(int64_t), KEYS_MAX);
		while (map_next(&changed, &at, &k, &oldest)) {
			memcpy(key.b, k, changed.key);
			fn(arg, i, &key, *(int64_t *)oldest);
		}
		map_fini(&changed);
	}
}

void window_known(struct window *w, unsigned view, window_key_f *fn, void *arg)
{
	const struct map *known = &w->views[view].known;
	struct key key = { 0 };
	const void *k;
	void *newest;
	uint32_t at = 0;

	while (map_next(known, &at, &k, &newest)) {
		memcpy(key.b, k, known->key);
		fn(arg, view, &key, *(int64_t *)newest);
	}
}

void window_interfaces(struct window *w,
		       void (*fn)(void *arg, const struct key *k, uint64_t octets), void *arg)
{
	struct key key = { 0 };
	const void *k;
	void *octets;
	uint32_t at = 0;

	while (map_next(&w->interfaces, &at, &k, &octets)) {
		memcpy(key.b, k, w->interfaces.key);
		fn(arg, &key, *(uint64_t *)octets);
	}
}

void window_stats(const struct window *w, struct window_stats *out)
{
	*out = w->stats;
	out->cut_shares += w->shares->cut;
	for (unsigned i = 0; i < w->n_views; i++) {
		const struct table *t = &w->views[i].table;

		out->octets += t->octets;
		for (unsigned s = 0; s < t->n_ring; s++)
			out->thinned_keys += t->ring[s].thinned;
	}
}
