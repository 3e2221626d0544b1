/* history.c - what survives a restart: bins, totals, baselines, open alerts.
 * SPDX-License-Identifier: ISC
 *
 * Series of bins are named by what they measure, not by the rule that asked:
 * "filter|interface=192.0.2.1/WAN/in", so a renamed rule keeps its past. All of
 * it is written as whole truths (puts that may be repeated) by the history
 * writer's own thread; here it is only handed over.
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/meters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_NAME = 1024, BASELINES_EVERY_MS = 900000, RECALL_ALERTS = 10000 };

static const char baselines[] = "baseline", totals[] = "total", exporters[] = "exporter",
		  patterns[] = "pattern";

void history_names(struct analysis *a)
{
	unsigned n;
	struct rule_view *v = rules_views(a->rules, &n);

	history_stop(a);
	a->series = xcalloc(n + 1, sizeof(*a->series));
	for (unsigned i = 0; i < n; i++)
		a->series[i] = rule_view_series(&v[i]);
	free(v);
}

void history_stop(struct analysis *a)
{
	for (char **s = a->series; s && *s; s++)
		free(*s);
	free(a->series);
	a->series = NULL;
}

static const char *series_name(const struct analysis *a, unsigned view, enum by by,
			       const struct key *k, char out[static SERIES_NAME])
{
	char id[SERIES_TEXT];

	snprintf(out, SERIES_NAME, "%s%s", a->series[view], key_id(by, k, a->opts.names, id));
	return out;
}

static enum by by_of(const struct analysis *a, unsigned view)
{
	for (unsigned i = 0; i < a->rules->n; i++)
		if (a->rules->at[i].view == view)
			return a->rules->at[i].by;
	return BY_NONE;
}

static void put_bin(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		    bool amend, bool settled)
{
	struct analysis *a = arg;
	char name[SERIES_NAME];
	struct put p = { .kind = amend ? PUT_AMEND : PUT_BIN, .bin = *bin };

	(void)settled;
	p.series = series_name(a, view, by_of(a, view), k, name);
	writer_put(a->opts.writer, &p);
}

/* A running total, as history keeps it. */
struct total_blob {
	int64_t start_s;
	struct sums sums;
};

static void put_total(void *arg, unsigned view, const struct key *k, int64_t start_s,
		      const struct sums *total)
{
	struct analysis *a = arg;
	struct total_blob t = { start_s, *total };
	char name[SERIES_NAME];
	struct put p = { .kind = PUT_BLOB, .space = totals, .data = &t, .len = sizeof(t) };

	p.key = series_name(a, view, by_of(a, view), k, name);
	writer_put(a->opts.writer, &p);
}

static void put_baseline(void *arg, const char *key, const void *data, size_t len)
{
	struct analysis *a = arg;
	struct put p = { .kind = PUT_BLOB, .space = baselines, .key = key, .data = data,
			 .len = len };

	writer_put(a->opts.writer, &p);
}

static void put_exporters(struct analysis *a)
{
	for (; a->n_kept < names_exporters(a->opts.names); a->n_kept++) {
		char key[EXPORTER_KEY];
		struct put p = { .kind = PUT_BLOB, .space = exporters, .data = "", .len = 1 };

		p.key = exporter_key(names_exporter_at(a->opts.names, a->n_kept), key);
		writer_put(a->opts.writer, &p);
	}
}

static void put_counted(void *arg, const struct key *k, const struct bin *b)
{
	const struct analysis *a = arg;
	char series[SERIES_TEXT + 16], text[SERIES_TEXT];
	struct put p = { .kind = PUT_AMEND, .series = series, .bin = *b };

	snprintf(series, sizeof(series), "counters|%s",
		 key_id(BY_INTERFACE, k, a->opts.names, text));
	writer_put(a->opts.writer, &p);
	p.bin.step = STEP_HOUR;
	p.bin.start_s = b->start_s / STEP_HOUR * STEP_HOUR;
	p.bin.covered = (uint32_t)__builtin_popcount(b->covered);
	writer_put(a->opts.writer, &p);
}

void history_meters(struct analysis *a, int64_t now_ms, bool last)
{
	if (a->opts.meters && a->opts.writer)
		meters_bins(a->opts.meters, now_ms, last, put_counted, a);
}

void history_slice(struct analysis *a, int64_t now_ms)
{
	if (!a->opts.writer)
		return;
	put_exporters(a);
	window_bins(a->window, now_ms, put_bin, a);
	window_totals(a->window, put_total, a);
	books_slice(a, now_ms, false);
	history_meters(a, now_ms, false);
	if (now_ms - a->baselines_ms >= BASELINES_EVERY_MS || now_ms < a->baselines_ms) {
		history_baselines(a, false);
		a->baselines_ms = now_ms;
	}
}

static void put_pattern(void *arg, const char *rule, const void *data, size_t len)
{
	struct analysis *a = arg;
	struct put p = { .kind = PUT_BLOB, .space = patterns, .key = rule, .data = data,
			 .len = len };

	writer_put(a->opts.writer, &p);
}

void history_baselines(struct analysis *a, bool all)
{
	if (!a->opts.writer)
		return;
	eval_save(a->eval, all, put_baseline, a);
	pattern_save(a, put_pattern, a);
}

/* --- back again --- */

struct recall {
	struct analysis *a;
	unsigned view;
	struct key key;
	struct store *store;
	int64_t from_s, to_s;
	struct err *err;
};

static bool carry(void *arg, const struct bin *bin)
{
	struct recall *r = arg;

	window_carry(r->a->window, r->view, &r->key, bin);
	return true;
}

static bool recall_series(void *arg, const char *text)
{
	struct recall *r = arg;
	enum by by;

	if (!key_parse(text + strlen(r->a->series[r->view]), r->a->opts.names, &by, &r->key) ||
	    by != by_of(r->a, r->view))
		return true;
	return store_each_bin(r->store, text, STEP_BIN, r->from_s, r->to_s, carry, r, r->err);
}

static bool recall_total(void *arg, const char *key, const void *data, size_t len)
{
	struct recall *r = arg;
	struct analysis *a = r->a;
	struct total_blob t;
	enum by by;
	struct key k;

	if (len != sizeof(t))
		return true;
	memcpy(&t, data, sizeof(t));
	for (unsigned v = 0; a->series[v]; v++) {
		size_t n = strlen(a->series[v]);

		if (strncmp(key, a->series[v], n) ||
		    !key_parse(key + n, a->opts.names, &by, &k) || by != by_of(a, v))
			continue;
		window_total_set(a->window, v, &k, t.start_s, &t.sums);
	}
	return true;
}

static bool recall_exporter(void *arg, const char *key, const void *data, size_t len)
{
	struct recall *r = arg;

	(void)data;
	(void)len;
	names_exporter_recall(r->a->opts.names, key);
	return true;
}

static bool recall_baseline(void *arg, const char *key, const void *data, size_t len)
{
	struct recall *r = arg;

	eval_load(r->a->eval, key, data, len);
	return true;
}

static bool recall_pattern(void *arg, const char *key, const void *data, size_t len)
{
	struct recall *r = arg;

	pattern_load(r->a, key, data, len);
	return true;
}

/* Its rule went while the daemon was down (or was built in and begins anew): somebody may
 * still wait for the end of it. */
static void end_orphan(struct analysis *a, struct alert *firing)
{
	struct alert *al = alert_copy(firing);

	al->state = ALERT_RESOLVED;
	al->ended_ms = al->judged_ms = a->now_ms;
	al->was = !firing->why || !*firing->why; /* killed before anybody was told */
	free(al->why);
	al->why = xstrdup("It was firing when culpritd was stopped, and nothing watches for it "
			  "any more.");
	alert_unref(&firing);
	analysis_emit(a, al);
}

static bool recall_alert(void *arg, const char *key, const void *data, size_t len)
{
	struct recall *r = arg;
	json_t *j = json_loadb(data, len, 0, NULL);
	struct alert *al = j ? alert_from_json(j, NULL) : NULL;

	(void)key;
	json_decref(j);
	if (!al)
		return true;
	al->judged_ms = 0; /* an old one: counts in no figure of this run */
	if (r->a->opts.board)
		board_pin(r->a->opts.board, al);
	if (al->state != ALERT_FIRING)
		alert_unref(&al);
	else if (!eval_restore(r->a->eval, al) && !pattern_restore(r->a, al))
		end_orphan(r->a, al);
	else if (r->a->opts.restored)
		r->a->opts.restored(r->a->opts.arg, al);
	return true;
}

bool analysis_recall(struct analysis *a, struct store *s, int64_t now_ms, struct err *err)
{
	struct recall r = { .a = a, .store = s, .err = err };

	r.from_s = (now_ms / 1000 - a->opts.late_ms / 1000) / STEP_HOUR * STEP_HOUR;
	r.to_s = now_ms / 1000 + 1;
	if (!store_each_blob(s, exporters, "", recall_exporter, &r, err))
		return false;
	for (r.view = 0; a->series[r.view]; r.view++)
		if (by_is_small(by_of(a, r.view)) &&
		    !store_each_series(s, a->series[r.view], recall_series, &r, err))
			return false;
	if (!store_each_blob(s, totals, "", recall_total, &r, err) ||
	    !store_each_blob(s, patterns, "", recall_pattern, &r, err) ||
	    !store_each_blob(s, baselines, "", recall_baseline, &r, err))
		return false;
	if (eval_old_baselines(a->eval))
		log_warn("%u baselines were kept by another version of their detector and are "
			 "not used; they are learnt anew from history, as far as it reaches",
			 eval_old_baselines(a->eval));
	return store_each_alert(s, 0, now_ms + 1, RECALL_ALERTS, recall_alert, &r, err);
}
