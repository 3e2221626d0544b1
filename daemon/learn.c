/* learn.c - baselines of series that have none yet, from the bins of history.
 * SPDX-License-Identifier: ISC
 *
 * A daemon that is set up on an archive of months, or whose detector changed, need not wait
 * a week: the bins go through the rules as in a backtest, by the very code that learns
 * from datagrams, and what the detectors know in the end is kept. An import writes bins of
 * what it brought (refill.c), so the archive is learnt from too.
 *
 * What is armed is never replaced: it has seen silences and maintenance, which bins do not
 * tell of. Memory is bounded by learning some hundreds of series at a time; the price is
 * that days of bins are read in as many passes.
 */
#include "daemon/learn.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/backtest.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/ruleset.h"
#include "rules/eval.h"
#include "storage/store.h"

enum { PART = 400, SERIES_MAX = 1 << 17 };

struct learn {
	const struct learn_opts *o;
	struct rules *rules;
	struct rule_view *views;
	unsigned n_views, view; /* that is looked at */
	struct store *store;
	struct map needy;       /* hash of a series' name -> nothing */
	unsigned all, parts, part, learnt;
	struct err *err;
};

/* Two rules, of a rise and of a fall, learn under one name: the second is no other. */
static bool is_second(const struct learn *l, const struct rule *r)
{
	for (const struct rule *q = l->rules->at; r->learns && q < r; q++)
		if (q->learns && !strcmp(q->learns, r->learns))
			return true;
	return false;
}

static bool has_ripe(struct learn *l, const struct rule *r, const char *id, bool *ok)
{
	char *key = xasprintf("%s|%s", r->learns ? r->learns : r->name, id);
	void *data = NULL;
	size_t len;
	bool ripe;

	*ok = store_get_blob(l->store, "baseline", key, &data, &len, l->err);
	ripe = *ok && data && baseline_ripe(r, data, len, l->o->now_ms / 1000);
	free(data);
	free(key);
	return ripe;
}

static bool look(void *arg, const char *series)
{
	struct learn *l = arg;
	char *prefix = rule_view_series(&l->views[l->view]);
	const char *id = series + strlen(prefix);
	uint64_t hash = map_hash(series, strlen(series));
	bool ok = true;

	for (unsigned i = 0; i < l->rules->n && ok; i++) {
		const struct rule *r = &l->rules->at[i];
		size_t by = strlen(by_word(r->by));

		if (r->view != l->view || is_second(l, r) || strncmp(id, by_word(r->by), by))
			continue;
		l->all++;
		if (!has_ripe(l, r, id, &ok) && ok)
			map_put(&l->needy, &hash, NULL);
	}
	free(prefix);
	return ok;
}

static bool find_needy(struct learn *l)
{
	const struct history_conf *h = &l->o->config->history;
	struct store_opts so = { .read_only = true, .password_file = h->password_file,
				 .timeout_ms = 30000 };
	bool ok;

	l->store = store_open(h->url, &so, l->err);
	ok = l->store != NULL;
	for (l->view = 0; ok && l->view < l->n_views; l->view++) {
		char *prefix = rule_view_series(&l->views[l->view]);

		ok = store_each_series(l->store, prefix, look, l, l->err) && !*l->err->msg;
		free(prefix);
	}
	if (l->store)
		store_close(&l->store);
	return ok;
}

static bool wanted(void *arg, const char *series)
{
	const struct learn *l = arg;
	uint64_t hash = map_hash(series, strlen(series));

	return hash % l->parts == l->part && map_get(&l->needy, &hash);
}

static void take(void *arg, const char *key, const void *data, size_t len)
{
	struct learn *l = arg;

	if (strchr(key, '*')) /* rates, which are the daemon's own */
		return;
	l->learnt++;
	l->o->take(l->o->arg, key, data, len);
}

static void progress(void *arg, uint64_t done, uint64_t all)
{
	struct learn *l = arg;

	if (l->o->progress)
		l->o->progress(l->o->arg, l->part * all + done, l->parts * all);
}

static bool learn_part(struct learn *l)
{
	const struct config *c = l->o->config;
	struct backtest_opts o = { .config = c, .calendar = l->o->calendar,
				   .names = names_new(c->max_exporters),
				   .from_ms = l->o->from_ms / BIN_MS * BIN_MS,
				   .to_ms = (l->o->now_ms - c->late_ms) / BIN_MS * BIN_MS,
				   .source = BACKTEST_BINS, .wanted = wanted,
				   .baseline = take, .progress = progress, .stop = l->o->stop, .arg = l };
	struct backtest b;
	bool ok;

	ruleset_names(c, o.names);
	ok = backtest_run(&o, l->rules, &b, l->err);
	backtest_fini(&b);
	names_free(&o.names);
	return ok;
}

static bool choose_rules(struct learn *l)
{
	l->rules = backtest_rules(l->o->config, NULL, l->o->rule);
	if (!l->rules)
		return l->o->rule ? err_set(l->err, "there is no rule \"%s\" that is on",
					    l->o->rule)
				  : err_set(l->err, "no rule is on");
	for (unsigned i = l->rules->n; i-- > 0;)
		if (!l->rules->at[i].detector)
			backtest_rules_drop(l->rules, i);
	if (!l->rules->n && l->o->rule)
		return err_set(l->err, "rule %s has no detector, so there is nothing to learn",
			       l->o->rule);
	return true;
}

bool learn_run(const struct learn_opts *o, unsigned *series, unsigned *all, struct err *err)
{
	struct learn l = { .o = o, .err = err };
	bool ok;

	*err->msg = '\0';
	*series = *all = 0;
	map_init(&l.needy, sizeof(uint64_t), 1, SERIES_MAX);
	ok = choose_rules(&l);
	if (ok) {
		l.views = rules_views(l.rules, &l.n_views);
		ok = find_needy(&l);
	}
	l.parts = (l.needy.n + PART - 1) / PART;
	for (; ok && l.part < l.parts; l.part++)
		ok = learn_part(&l);
	*series = l.learnt;
	*all = l.all;
	free(l.views);
	backtest_rules_free(&l.rules);
	map_fini(&l.needy);
	return ok;
}
