/* api_now.c - /api/v1/series and /api/v1/rules: what is on the board.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_DEFAULT = 1000, SERIES_MAX = 10000 };

static json_t *series_json(const struct board_series *b)
{
	json_t *o = json_object();
	char word[32];
	bool wrong = b->state != ALERT_RESOLVED;

	j_put(o, "rule", j_text(b->rule));
	j_put(o, "series", j_text(b->series));
	j_put(o, "id", j_text(b->series_id));
	j_put(o, "history", j_text(b->history));
	j_put(o, "by", json_string(by_word(b->by)));
	j_put(o, "measure", json_string(measure_word(&b->measure, word)));
	j_put(o, "unit", json_string(measure_unit(&b->measure)));
	j_put(o, "value", j_real(b->value));
	j_put(o, "threshold", j_real(b->threshold));
	j_put(o, "low", j_real(b->low));
	j_put(o, "median", j_real(b->median));
	j_put(o, "high", j_real(b->high));
	j_put(o, "state", json_string(wrong ? alert_state_word[b->state] : "ok"));
	j_put(o, "since", wrong ? j_time(b->since_ms) : json_null());
	j_put(o, "armed_in_s", json_integer(b->armed_in_s));
	return o;
}

/* What is wrong first, then the largest: those a person looks for when not all fit. */
static int by_interest(const void *x, const void *y)
{
	const struct board_series *a = *(const struct board_series *const *)x;
	const struct board_series *b = *(const struct board_series *const *)y;
	bool wa = a->state != ALERT_RESOLVED, wb = b->state != ALERT_RESOLVED;
	double va = isnan(a->value) ? -1 : a->value, vb = isnan(b->value) ? -1 : b->value;
	int c;

	if (wa != wb)
		return wa ? -1 : 1;
	if (by_is_small(a->by) != by_is_small(b->by))
		return by_is_small(a->by) ? -1 : 1;
	c = strcmp(a->rule, b->rule);
	return c ? c : (va < vb) - (va > vb);
}

static json_t *choose(const struct sheet *s, const char *rule, int by, uint64_t limit,
		      size_t *matched)
{
	const struct board_series **at = calloc(s->n_series + 1, sizeof(const void *));
	json_t *list = json_array();

	*matched = 0;
	for (size_t i = 0; at && i < s->n_series; i++)
		if ((!rule || !strcmp(rule, s->series[i].rule)) &&
		    (by < 0 || s->series[i].by == (enum by)by))
			at[(*matched)++] = &s->series[i];
	if (at)
		qsort(at, *matched, sizeof(const void *), by_interest);
	for (size_t i = 0; i < *matched && i < limit; i++)
		json_array_append_new(list, series_json(at[i]));
	free(at);
	return list;
}

void api_series(struct http *h, const struct request *rq, struct answer *out)
{
	const char *by = target_get(&rq->target, "by");
	uint64_t limit = SERIES_DEFAULT;
	const struct sheet *s;
	struct err err;
	json_t *o;
	size_t n;

	if (!target_number(&rq->target, "limit", 1, SERIES_MAX, &limit, &err)) {
		answer_error(out, 400, "%s", err.msg);
		return;
	}
	if (by && by_find(by) < 0) {
		answer_error(out, 400, "by: '%.40s' is nothing that rules group by", by);
		return;
	}
	o = json_object();
	s = board_take(h->src.board);
	j_put(o, "at", s ? j_time(s->at_ms) : json_null());
	if (s) {
		j_put(o, "series", choose(s, target_get(&rq->target, "rule"),
					  by ? by_find(by) : -1, limit, &n));
		j_put(o, "total", j_count(n));
	} else {
		j_put(o, "series", json_array());
		j_put(o, "total", json_integer(0));
	}
	board_give(h->src.board, &s);
	answer_json(out, o);
}

/* ---- rules ---- */

struct tally {
	const char *rule;
	json_int_t firing, total, series;
};

static void add_fired(void *arg, const char *rule, enum severity s, uint64_t total,
		      uint64_t firing)
{
	struct tally *t = arg;

	(void)s;
	if (strcmp(rule, t->rule))
		return;
	t->firing += (json_int_t)firing;
	t->total += (json_int_t)total;
}

/* Alarms a week and series that were asked for, and that came. */
static json_t *budget_json(const struct board_rule *r)
{
	json_t *o;

	if (!(r->budget > 0))
		return json_null();
	o = json_object();
	j_put(o, "stated_per_week", j_real(r->budget));
	j_put(o, "total_per_week", r->budget_total > 0 ? j_real(r->budget_total) : json_null());
	j_put(o, "each_per_week", j_real(r->budget_each));
	j_put(o, "realised_per_week", r->series_weeks > 0
					      ? j_real(r->alerts / r->series_weeks)
					      : json_null());
	j_put(o, "series_weeks", j_real(r->series_weeks));
	j_put(o, "held", json_integer(r->held));
	return o;
}

static json_t *rule_json(struct http *h, const struct sheet *s, const struct board_rule *r)
{
	struct tally t = { .rule = r->name };
	json_t *o = json_object();
	char word[32];

	board_fired(h->src.board, add_fired, &t);
	for (size_t i = 0; i < s->n_series; i++)
		t.series += !strcmp(s->series[i].rule, r->name);
	j_put(o, "name", j_text(r->name));
	j_put(o, "filter", j_text(r->filter));
	j_put(o, "measure", json_string(measure_word(&r->measure, word)));
	j_put(o, "unit", json_string(measure_unit(&r->measure)));
	j_put(o, "by", json_string(by_word(r->by)));
	j_put(o, "window", j_text(r->window));
	j_put(o, "above", j_real(r->above));
	j_put(o, "below", j_real(r->below));
	j_put(o, "clear", j_real(r->clear));
	j_put(o, "for_s", j_real((double)r->for_ms / 1000));
	j_put(o, "detector", j_text(r->detector));
	j_put(o, "budget", budget_json(r));
	j_put(o, "severity", json_string(severity_word[r->severity]));
	j_put(o, "quiet", json_boolean(r->quiet));
	j_put(o, "armed_in_s", r->learns_ms < 0 ? json_null()
						: json_integer((r->learns_ms + 999) / 1000));
	j_put(o, "series", json_integer(t.series));
	j_put(o, "firing", json_integer(t.firing));
	j_put(o, "alerts", json_integer(t.total));
	return o;
}

void api_rules(struct http *h, const struct request *rq, struct answer *out)
{
	const struct sheet *s = board_take(h->src.board);
	json_t *o = json_object(), *list = json_array();

	(void)rq;
	for (size_t i = 0; s && i < s->n_rules; i++)
		json_array_append_new(list, rule_json(h, s, &s->rules[i]));
	j_put(o, "rules", list);
	board_give(h->src.board, &s);
	answer_json(out, o);
}
