/* backtest.c - when rules would have fired, had they been there.
 * SPDX-License-Identifier: ISC
 *
 * History holds a series only when a rule asked for it while it was made, and nothing
 * shorter than a bin. So each rule is given to the source that can tell, and both
 * runs put their alerts into one list.
 */
#include "daemon/backtest_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/ruleset.h"

/* ---- rules ---- */

static void copy_rule(struct rule *to, const struct rule *r)
{
	*to = *r;
	to->name = xstrdup(r->name);
	to->filter = filter_compile(filter_text(r->filter), NULL);
	filter_geo_of(to->filter, r->filter);
	to->conf = r->detector	? xmemdup(r->conf, r->detector->conf_size)
		   : r->pattern ? xmemdup(r->conf, r->pattern->conf_size)
				: NULL;
	memset(to->notify, 0, sizeof(to->notify));
}

struct rules *backtest_copies(const struct rules *rules, unsigned n)
{
	struct rules *out = xcalloc(1, sizeof(*out));

	out->at = xcalloc((size_t)rules->n * n + 1, sizeof(*out->at));
	for (unsigned i = 0; i < n; i++)
		for (unsigned r = 0; r < rules->n; r++)
			copy_rule(&out->at[out->n++], &rules->at[r]);
	return out;
}

void backtest_rules_drop(struct rules *r, unsigned number)
{
	struct rules one = { xmemdup(&r->at[number], sizeof(*r->at)), 1 };

	rules_fini(&one);
	memmove(&r->at[number], &r->at[number + 1], (--r->n - number) * sizeof(*r->at));
}

void backtest_rules_free(struct rules **r)
{
	if (*r)
		rules_fini(*r);
	free(*r);
	*r = NULL;
}

static bool in_file(const struct config *c, const char *rule, const char *file)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!strcmp(c->rules[i].name, rule))
			return c->rules[i].file && !strcmp(c->rules[i].file, file);
	return false;
}

struct rules *backtest_rules(const struct config *c, const char *file, const char *name)
{
	struct rules *all = ruleset_new(c), *out = xcalloc(1, sizeof(*out));

	out->at = xcalloc(all->n + 1, sizeof(*out->at));
	for (unsigned i = 0; i < all->n; i++) {
		const struct rule *r = &all->at[i];

		if (r->quiet || (r->pattern && !r->pattern->feed) || (name && strcmp(name, r->name)) ||
		    (file && !in_file(c, r->name, file)))
			continue;
		copy_rule(&out->at[out->n++], r);
	}
	backtest_rules_free(&all);
	if (!out->n)
		backtest_rules_free(&out);
	return out;
}

/* ---- alerts ---- */

static int number_of(const struct backtest_part *p, const char *name)
{
	for (unsigned i = 0; i < p->rules.n; i++)
		if (!strcmp(p->rules.at[i].name, name))
			return (int)p->number[i];
	return -1;
}

static void begin(struct backtest_part *p, const struct alert *a, int rule)
{
	struct backtest *b = p->out;
	size_t *at;
	struct backtest_alert *n;

	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->at = xrealloc(b->at, b->cap, sizeof(*b->at));
	}
	n = &b->at[b->n++];
	*n = (struct backtest_alert){
		.rule = (unsigned)rule,
		.series = xstrdup(a->series),
		.measure = a->measure,
		.value = a->value,
		.peak = a->peak,
		.threshold = a->threshold,
		.below = a->below,
		.was = a->was,
		.warning = a->warning_share,
		.started_ms = a->started_ms,
		.ended_ms = a->ended_ms,
	};
	memcpy(n->id, a->id, sizeof(n->id));
	if (a->view || a->kind)
		snprintf(n->view, sizeof(n->view), "%s", a->kind ? a->kind : a->view);
	if (!a->ended_ms) {
		at = map_put(&p->open, a->id, NULL);
		assert(at); /* as many as memory holds */
		*at = b->n - 1;
	}
}

void backtest_take(void *arg, struct alert *a)
{
	struct backtest_part *p = arg;
	int rule = number_of(p, a->rule);
	const size_t *at;

	if (rule < 0) { /* exporter-silent: nobody asked about it */
		alert_unref(&a);
		return;
	}
	if (a->over_budget) { /* budget_total: nobody would have been told */
		alert_unref(&a);
		return;
	}
	at = map_get(&p->open, a->id);
	if (!at) {
		begin(p, a, rule);
	} else if (a->state == ALERT_RESOLVED) {
		p->out->at[*at].ended_ms = a->ended_ms;
		p->out->at[*at].peak = a->peak;
		map_del(&p->open, a->id);
	}
	alert_unref(&a);
}

/* ---- which source ---- */

static bool gauged(const struct rule *r)
{
	return r->measure.kind == MEASURE_PEERS || r->measure.kind == MEASURE_PORTS ||
	       r->measure.kind == MEASURE_ENTROPY;
}

const char *backtest_why_flows(const struct rule *r)
{
	if (r->pattern)
		return "its detector looks at flows";
	if (gauged(r) && (r->window != BIN_SLICES || r->period != PERIOD_NONE))
		return "distinct values of bins cannot be put together";
	if (r->period == PERIOD_NONE && r->window < BIN_SLICES)
		return "its window is shorter than the five minutes of a bin";
	return NULL;
}

static bool wants(const struct backtest_opts *o, const struct rule *r,
		  enum backtest_source source, struct backtest_rule *out)
{
	if (o->source != BACKTEST_AUTO && !r->pattern) {
		out->source = o->source;
		return o->source == source;
	}
	if (out->source == BACKTEST_AUTO) {
		out->why_flows = backtest_why_flows(r);
		out->source = out->why_flows ? BACKTEST_FLOWS : BACKTEST_BINS;
	}
	return out->source == source;
}

static bool run_part(const struct backtest_opts *o, struct rules *rules,
		     enum backtest_source source, struct backtest *out, struct err *err)
{
	struct backtest_part p = { .o = o, .out = out };
	bool ok = true;

	p.rules.at = xcalloc(rules->n + 1, sizeof(*p.rules.at));
	p.number = xcalloc(rules->n + 1, sizeof(*p.number));
	map_init(&p.open, ALERT_ID, sizeof(size_t), 1 << 30);
	for (unsigned i = 0; i < rules->n; i++) {
		if (!wants(o, &rules->at[i], source, &out->rule[i]))
			continue;
		p.number[p.rules.n] = i;
		p.rules.at[p.rules.n++] = rules->at[i];
	}
	if (p.rules.n)
		ok = source == BACKTEST_BINS ? backtest_bins(&p, err)
					     : backtest_flows(&p, err);
	for (unsigned i = 0; i < p.rules.n; i++)
		rules->at[p.number[i]].view = p.rules.at[i].view;
	map_fini(&p.open);
	free(p.rules.at);
	free(p.number);
	return ok;
}

/* History has nothing of them: nobody asked for such a series while it was written. */
static void to_flows(const struct backtest_opts *o, const struct rules *rules,
		     struct backtest *out)
{
	for (unsigned i = 0; i < rules->n; i++) {
		struct backtest_rule *r = &out->rule[i];

		if (o->source != BACKTEST_AUTO || r->source != BACKTEST_BINS || r->series)
			continue;
		r->source = BACKTEST_FLOWS;
		r->why_flows = "history holds no series of its filter and group";
	}
}

static int by_time(const void *a, const void *b)
{
	const struct backtest_alert *x = a, *y = b;

	if (x->started_ms != y->started_ms)
		return x->started_ms < y->started_ms ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return strcmp(x->series, y->series);
}

bool backtest_run(const struct backtest_opts *o, struct rules *rules,
		  struct backtest *out, struct err *err)
{
	*out = (struct backtest){ .rule = xcalloc(rules->n + 1, sizeof(*out->rule)) };
	if (!run_part(o, rules, BACKTEST_BINS, out, err))
		return false;
	to_flows(o, rules, out);
	if (!run_part(o, rules, BACKTEST_FLOWS, out, err))
		return false;
	/* Which of two series was asked first is chance (map.h). */
	if (out->n)
		qsort(out->at, out->n, sizeof(*out->at), by_time);
	return true;
}

void backtest_fini(struct backtest *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->at[i].series);
	free(b->at);
	free(b->rule);
	*b = (struct backtest){ .rule = NULL };
}
