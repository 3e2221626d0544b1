/* refill.c - bins of history made anew from the archive.
 * SPDX-License-Identifier: ISC
 *
 * What an import brought has never passed the windows. Here the archive's flows of that time
 * do, the daemon's own beside the imported ones, with the clock of their receipt, and
 * leave bins under the very names the daemon uses; so history shows them and baselines
 * learn from them. Bins are whole truths made of what the archive holds: to do it again
 * after a crash is harmless. What history knows better, because the archive lost or has
 * expired some of it, is left as it is.
 *
 * Files are in the order of time and rows in them nearly; what comes more than LATE_MS
 * behind amends its bin.
 */
#include "daemon/refill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/ruleset.h"
#include "daemon/window/window.h"
#include "storage/archive/archive.h"
#include "storage/store.h"

enum { LATE_MS = 1200000, HOUR_MS = 3600000, PUTS = 1000, NAME = 1024, STEP_MS = 1000 };
static const char exporters[] = "exporter";

struct refill {
	const struct refill_opts *o;
	int64_t from_ms, to_ms; /* whole hours */
	struct rules *rules;
	struct rule_view *views;
	unsigned n_views;
	char **series; /* of each view */
	struct window *window;
	struct block *b;
	int64_t now_ms, binned_ms;
	uint32_t *ours, n_ours; /* reader's exporter -> ours */
	struct store *store;
	struct put puts[PUTS];
	unsigned n_puts;
	uint64_t batch, bins;
	bool failed;
	struct err *err;
};

/* ---- bins on their way to the store ---- */

static void free_put(struct put *p)
{
	free((char *)p->series);
	free((char *)p->key);
}

static void flush(struct refill *r)
{
	if (r->n_puts && !r->failed)
		r->failed = !store_put(r->store, ++r->batch, r->puts, r->n_puts, r->err);
	for (unsigned i = 0; i < r->n_puts; i++)
		free_put(&r->puts[i]);
	r->n_puts = 0;
}

static void put(struct refill *r, struct put p)
{
	if (r->n_puts == PUTS)
		flush(r);
	r->puts[r->n_puts++] = p;
}

static bool look(void *arg, const struct bin *b)
{
	*(struct bin *)arg = *b;
	return false;
}

/* Whether the store's bin is the better one; its coverage is kept in any case. */
static bool better(struct refill *r, const char *series, struct bin *b)
{
	struct bin there = { 0 };

	if (!store_each_bin(r->store, series, b->step, b->start_s, b->start_s + b->step, look,
			    &there, r->err)) {
		r->failed = true;
		return true;
	}
	if (there.flows > b->flows)
		return true;
	if (b->step == STEP_BIN)
		b->covered |= there.covered;
	else if (there.covered > b->covered)
		b->covered = there.covered;
	return false;
}

static void take_bin(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		     bool amend, bool settled)
{
	struct refill *r = arg;
	int64_t end_ms = (bin->start_s + bin->step) * 1000;
	struct bin b = *bin;
	char name[NAME], id[SERIES_TEXT];

	if (r->failed || (!settled && !amend && b.step == STEP_BIN) || !b.flows)
		return;
	if (b.step == STEP_BIN ? end_ms <= r->o->from_ms || b.start_s * 1000 > r->o->to_ms
			       : end_ms <= r->from_ms || b.start_s * 1000 >= r->to_ms)
		return;
	snprintf(name, sizeof(name), "%s%s", r->series[view],
		 key_id(r->views[view].by, k, r->o->names, id));
	if (strlen(name) >= STORE_NAME)
		return;
	if (amend)
		flush(r); /* the bin it amends may still wait here */
	else if (better(r, name, &b))
		return;
	put(r, (struct put){ .kind = amend ? PUT_AMEND : PUT_BIN, .series = xstrdup(name),
			     .bin = b });
	r->bins += b.step == STEP_BIN;
}

static void put_exporters(struct refill *r)
{
	for (uint32_t i = 0; i < names_exporters(r->o->names); i++) {
		char key[EXPORTER_KEY];

		exporter_key(names_exporter_at(r->o->names, i), key);
		put(r, (struct put){ .kind = PUT_BLOB, .space = exporters, .data = "", .len = 1,
				     .key = xstrdup(key) });
	}
}

/* ---- time and flows ---- */

static void count(struct refill *r)
{
	if (r->b->n)
		window_block(r->window, r->b, r->now_ms);
	block_reset(r->b);
}

static void go_on(struct refill *r, int64_t to_ms)
{
	count(r);
	while (r->now_ms < to_ms && !r->failed) {
		int64_t next = (r->now_ms / SLICE_MS + 1) * SLICE_MS;

		r->now_ms = next < to_ms ? next : to_ms;
		window_tick(r->window, r->now_ms);
		if (r->now_ms - r->binned_ms >= BIN_MS) {
			window_bins(r->window, r->now_ms, take_bin, r);
			r->binned_ms = r->now_ms;
		}
	}
	if (r->o->progress && r->to_ms > r->from_ms)
		r->o->progress(r->o->arg, (uint64_t)(r->now_ms - r->from_ms),
			       (uint64_t)(r->to_ms - r->from_ms + 2 * LATE_MS));
}

static uint32_t our_exporter(struct refill *r, const struct names *theirs, uint32_t id)
{
	const struct exporter *e;

	if (id >= r->n_ours) {
		r->ours = xrealloc(r->ours, id + 1, sizeof(*r->ours));
		memset(r->ours + r->n_ours, 0xff, (id + 1 - r->n_ours) * sizeof(*r->ours));
		r->n_ours = id + 1;
	}
	if (r->ours[id] == UINT32_MAX) {
		e = theirs ? names_exporter_at(theirs, id) : NULL;
		e = e ? names_exporter(r->o->names, &e->addr, e->port) : NULL;
		r->ours[id] = e ? e->id : 0;
	}
	return r->ours[id];
}

static void add_row(struct refill *r, const struct block *b, uint32_t row)
{
	uint64_t used = b->used & ~(UINT64_C(1) << F_counts | UINT64_C(1) << F_exporter);
	uint32_t at = r->b->n++;

	for (; used; used &= used - 1) {
		enum field f = (enum field)__builtin_ctzll(used);
		const char *s;

		block_use(r->b, f);
		if (field_info[f].kind != KIND_TEXT) {
			memcpy(block_cell(r->b, f, at), block_cell(b, f, row),
			       field_info[f].width);
			continue;
		}
		s = block_text_at(b, (uint32_t)block_u64(b, f, row));
		*(uint32_t *)block_cell(r->b, f, at) = block_text(r->b, s, strlen(s));
	}
	block_use(r->b, F_exporter);
	r->b->exporter[at] = our_exporter(r, b->names, b->exporter[row]);
}

static bool rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct refill *r = arg;

	(void)worker;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);

			if (b->received_ms[row] > r->now_ms + STEP_MS)
				go_on(r, b->received_ms[row]);
			add_row(r, b, row);
			if (r->b->n == BLOCK_ROWS)
				count(r);
		}
	return !r->failed;
}

/* ---- the whole ---- */

static void make_windows(struct refill *r)
{
	struct window_opts wo = { r->o->names, r->o->calendar, LATE_MS,
				  r->o->config->memory / 2 };
	struct view_spec *specs;

	r->rules = ruleset_new(r->o->config);
	r->views = rules_views(r->rules, &r->n_views);
	specs = xcalloc(r->n_views + 1, sizeof(*specs));
	r->series = xcalloc(r->n_views + 1, sizeof(*r->series));
	for (unsigned i = 0; i < r->n_views; i++) {
		const struct rule_view *v = &r->views[i];

		specs[i] = (struct view_spec){ .filter = v->filter, .by = v->by,
					       .measure = v->measure, .quota = v->quota,
					       .history = v->history };
		r->series[i] = rule_view_series(v);
	}
	r->now_ms = r->binned_ms = r->from_ms;
	r->window = window_new(&wo, r->now_ms);
	window_views(r->window, specs, r->n_views, BIN_SLICES);
	free(specs);
}

static void take_down(struct refill *r)
{
	flush(r);
	window_free(&r->window);
	for (unsigned i = 0; i < r->n_views; i++)
		free(r->series[i]);
	free(r->series);
	free(r->views);
	rules_fini(r->rules);
	free(r->rules);
	block_unref(&r->b);
	store_close(&r->store);
	free(r->ours);
}

static bool read_archive(struct refill *r)
{
	struct archive_query q = { .directory = r->o->config->archive.directory,
				   .from_ms = r->from_ms, .to_ms = r->to_ms,
				   .columns = ~UINT64_C(0), .names = r->o->names,
				   .threads = 1 };
	struct archive_result res;

	if (!archive_read(&q, rows, r, &res, r->err))
		return false;
	go_on(r, r->to_ms + LATE_MS + 2 * HOUR_MS); /* all of it settles */
	put_exporters(r);
	flush(r);
	return !r->failed;
}

bool refill_history(const struct refill_opts *o, uint64_t *bins, struct err *err)
{
	struct refill *r = xcalloc(1, sizeof(*r));
	const struct history_conf *h = &o->config->history;
	struct store_opts so = { .password_file = h->password_file,
				 .keep_bins_s = h->keep_ms / 1000,
				 .keep_rollups_s = h->rollups_ms / 1000, .writer = "import",
				 .timeout_ms = 30000 };
	bool ok;

	r->o = o;
	r->err = err;
	r->from_ms = o->from_ms / HOUR_MS * HOUR_MS;
	r->to_ms = (o->to_ms / HOUR_MS + 1) * HOUR_MS;
	r->store = store_open(h->url, &so, err);
	ok = r->store && store_applied(r->store, &r->batch, err);
	if (!ok) {
		store_close(&r->store);
		free(r);
		return false;
	}
	r->b = block_new(o->names);
	make_windows(r);
	ok = read_archive(r);
	*bins = r->bins;
	take_down(r);
	free(r);
	return ok;
}
