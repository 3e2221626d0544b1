/* cmd_backtest.c - culprit backtest: when rules would have fired.
 * SPDX-License-Identifier: ISC
 *
 * A rule is tried before it wakes anybody. A file with rules is read after the
 * configuration, so its rules may speak of the exporters, networks and channels there,
 * and its mistakes are told as `culpritd -t` tells them.
 */
#include "daemon/cli/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/backtest.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/when.h"
#include "rules/rule.h"

enum { ALERTS_SHOWN = 40 };

struct ask {
	struct cli *c;
	const char *from, *to, *budget_text, *source;
	bool suggest;
	double budget; /* a week */
	struct backtest_opts o;
	struct rules *rules;
	struct backtest b;
	struct backtest_limits *limits; /* by rule */
	struct progress bar;
};

/* ---- what a rule says ---- */

static const char *limit_text(const struct rule *r, double v, char *buf)
{
	if (!isfinite(v))
		snprintf(buf, UNIT_TEXT, "-");
	else if (r->detector)
		snprintf(buf, UNIT_TEXT, "%.3g/week", v);
	else if (r->pattern)
		snprintf(buf, UNIT_TEXT, "%.3g", v);
	else
		measure_text(&r->measure, v, buf);
	return buf;
}

/* "over 16.0 Mbit/s within 1 minute for 30 seconds", "unusual (seasonal, 0.1/week)" */
static void condition(const struct rule *r, struct strb *s)
{
	static const char *const period[] = { "", "day", "week", "month" };
	char v[UNIT_TEXT], w[UNIT_TEXT];

	limit_text(r, backtest_limit(r), v);
	if (r->pattern) {
		strb_add(s, r->pattern->doc);
		if (r->pattern->limit)
			strb_fmt(s, ", %s %s", r->pattern->limit, v);
		return;
	}
	if (r->detector) {
		strb_fmt(s, "%s, budget %s", r->detector->name, v);
		return;
	}
	strb_fmt(s, "%s %s within %s%s", isnan(r->above) ? "under" : "over", v,
		 r->period ? "a " : "",
		 r->period ? period[r->period]
			   : text_duration((int64_t)r->window * SLICE_MS, w));
	if (r->for_ms)
		strb_fmt(s, " for %s", text_duration(r->for_ms, w));
}

static const char *const source_word[] = {
	[BACKTEST_AUTO] = "",
	[BACKTEST_BINS] = "history",
	[BACKTEST_FLOWS] = "archive",
};

/* ---- for people ---- */

static unsigned fired(const struct ask *a, unsigned rule)
{
	unsigned n = 0;

	for (size_t i = 0; i < a->b.n; i++)
		n += a->b.at[i].rule == rule && !a->b.at[i].warning;
	return n;
}

/* "0.23", "2.3", "2800" */
static const char *rate_text(double a_week, char buf[static UNIT_TEXT])
{
	snprintf(buf, UNIT_TEXT, a_week < 100 ? "%.2g" : "%.0f", a_week);
	return buf;
}

static void rule_head(const struct ask *a, unsigned i, struct strb *s)
{
	const struct rule *r = &a->rules->at[i];
	const struct backtest_rule *b = &a->b.rule[i];
	double weeks = backtest_weeks(b);
	unsigned n = fired(a, i);
	char t[UNIT_TEXT], u[UNIT_TEXT];

	strb_add(s, i ? "\n" : "");
	strb_tty(s, r->name);
	strb_add(s, ": ");
	condition(r, s);
	if (!filter_is_all(r->filter)) {
		strb_add(s, ", of ");
		strb_tty(s, filter_text(r->filter));
	}
	strb_add(s, "\n");
	if (!b->first_ms) {
		strb_fmt(s, "  nothing of it is kept in the %s of that time\n",
			 source_word[b->source]);
		return;
	}
	if (r->pattern)
		strb_add(s, "  all flows");
	else
		strb_fmt(s, "  %u series", b->series);
	strb_fmt(s, " from %s to %s, by the %s", text_time(b->first_ms, t),
		 text_time(b->last_ms, u),
		 b->source == BACKTEST_BINS ? "bins of history" : "flows of the archive");
	if (b->why_flows)
		strb_fmt(s, " (%s)", b->why_flows);
	strb_fmt(s, "\n  would have fired %u time%s", n, n == 1 ? "" : "s");
	if (weeks >= 1 / 7.0) /* of hours nobody knows what a week brings */
		strb_fmt(s, ", %s a week", rate_text(n / weeks, t));
	strb_add(s, "\n");
}

static void alert_row(struct table *t, const struct ask *a,
		      const struct backtest_alert *x, bool program)
{
	int64_t to = x->ended_ms ? x->ended_ms : a->o.to_ms;
	double most = x->below ? fmin(x->value, x->peak) : fmax(x->value, x->peak);
	char buf[UNIT_TEXT];

	table_row(t);
	if (program)
		table_text(t, a->rules->at[x->rule].name);
	table_time(t, x->started_ms, text_time(x->started_ms, buf));
	if (program)
		table_time(t, x->ended_ms, NULL);
	snprintf(buf, sizeof(buf), "still");
	table_count(t, (uint64_t)(to - x->started_ms) / 1000,
		    x->ended_ms ? text_duration(to - x->started_ms, buf) : buf);
	table_text(t, x->series);
	table_real(t, most, measure_text(&x->measure, most, buf));
	table_real(t, x->threshold, measure_text(&x->measure, x->threshold, buf));
	table_text(t, *x->view	   ? x->view
		      : x->warning ? "a warning"
		      : x->below   ? "under"
				   : "over");
}

static const struct column alert_columns[] = {
	{ "rule", "rule", COL_TEXT },	  { "started", "since", COL_TEXT },
	{ "ended", "until", COL_TEXT },	  { "seconds", "lasted", COL_VALUE },
	{ "series", "series", COL_TEXT }, { "value", "most", COL_VALUE },
	{ "limit", "limit", COL_VALUE },  { "noticed", "", COL_TEXT },
};
static const struct column shown_columns[] = {
	{ "started", "since", COL_TEXT }, { "seconds", "lasted", COL_VALUE },
	{ "series", "series", COL_TEXT }, { "value", "most", COL_VALUE },
	{ "limit", "limit", COL_VALUE },  { "noticed", "", COL_TEXT },
};

static void rule_alerts(const struct ask *a, unsigned rule, struct strb *s)
{
	struct table *t = table_new(shown_columns, ARRAY_LEN(shown_columns));
	size_t n = 0;

	for (size_t i = 0; i < a->b.n; i++)
		if (a->b.at[i].rule == rule && n++ < ALERTS_SHOWN)
			alert_row(t, a, &a->b.at[i], false);
	if (n) {
		strb_add(s, "\n");
		table_show(t, &a->c->out, s);
	}
	if (n > ALERTS_SHOWN)
		strb_fmt(s, "and %zu more; --csv has them all\n", n - ALERTS_SHOWN);
	table_free(&t);
}

static struct table *limit_table(const struct rule *r, const struct backtest_limits *l)
{
	static const struct column cols[] = {
		{ "limit", "limit", COL_VALUE },
		{ "alerts", "alerts", COL_VALUE },
		{ "alerts_a_week", "a week", COL_VALUE },
		{ "seconds", "lasting in all", COL_VALUE },
		{ NULL, "", COL_TEXT },
	};
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	double own = backtest_limit(r);
	char buf[UNIT_TEXT];

	for (unsigned i = 0; i < l->n; i++) {
		const struct backtest_limit *x = &l->at[i];

		table_row(t);
		table_real(t, x->limit, limit_text(r, x->limit, buf));
		table_count(t, x->alerts, NULL);
		table_real(t, x->a_week, rate_text(x->a_week, buf));
		table_count(t, (uint64_t)x->lasted_ms / 1000,
			    text_duration(x->lasted_ms, buf));
		table_text(t, x->limit == own ? "as it is now" : "");
	}
	return t;
}

/* The numbers as a configuration has them: "23M". */
static const char *setting(const struct rule *r, double v, char buf[static UNIT_TEXT])
{
	static const struct {
		double of;
		const char *letter;
	} steps[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } };

	if (r->detector) {
		snprintf(buf, UNIT_TEXT, "%.3g/week", v);
		return buf;
	}
	if (r->pattern) {
		snprintf(buf, UNIT_TEXT, "%.4g", v);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (v >= steps[i].of) {
			snprintf(buf, UNIT_TEXT, "%.4g%s", v / steps[i].of,
				 steps[i].letter);
			return buf;
		}
	snprintf(buf, UNIT_TEXT, "%.4g", v);
	return buf;
}

static void suggestion(const struct ask *a, const struct rule *r,
		       const struct backtest_suggestion *g, struct strb *s)
{
	const char *each = by_is_small(r->by) && !r->pattern ? " and series" : "";
	char v[UNIT_TEXT];

	if (!isfinite(g->limit)) {
		strb_fmt(s, "\nNo limit that was tried keeps %s alerts a week%s.\n",
			 rate_text(a->budget, v), each);
		return;
	}
	if (!g->bounded && !r->detector) {
		strb_fmt(s,
			 "\nThere was nothing to set a limit by: %s would not have fired "
			 "either.\n",
			 limit_text(r, g->limit, v));
		return;
	}
	strb_fmt(s, "\nFor at most %s alerts a week%s, write\n\n\trule %s { ... ",
		 rate_text(a->budget, v), each, r->name);
	strb_fmt(s, "%s = ",
		 r->detector	   ? "budget"
		 : r->pattern	   ? r->pattern->limit
		 : isnan(r->above) ? "below"
				   : "above");
	strb_add(s, setting(r, g->limit, v));
	if (isfinite(g->clear))
		strb_fmt(s, "  clear = %s", setting(r, g->clear, v));
	if (g->for_ms)
		strb_fmt(s, "  for = %llds", (long long)g->for_ms / 1000);
	strb_fmt(s, " }\n\nwhich would have fired %u time%s: %s a week%s.\n",
		 g->expected.alerts, g->expected.alerts == 1 ? "" : "s",
		 rate_text(g->rate, v), each);
}

/* The same for rules that wait longer before they fire: short bursts let a limit be low.
 */
static bool patient(const struct ask *a, const struct rule *r,
		    const struct backtest_suggestion *g, struct strb *s, json_t *o,
		    struct err *err)
{
	static const int64_t waits_ms[] = { 60000, 300000 };
	json_t *list = json_array();
	bool ok = true;

	for (size_t i = 0; ok && i < ARRAY_LEN(waits_ms); i++) {
		struct backtest_suggestion other;
		struct backtest_limits l;
		struct rule waits = *r;
		char v[UNIT_TEXT], c[UNIT_TEXT], d[UNIT_TEXT];

		waits.for_ms = waits_ms[i];
		if (r->detector || r->pattern || r->period || r->for_ms >= waits_ms[i] || !g->bounded)
			continue;
		ok = backtest_limits(&a->o, &waits, 1, NULL, &l, err) &&
		     backtest_suggest(&a->o, &waits, a->budget, &l, &other, err);
		if (!ok || !other.bounded || !isfinite(other.limit) ||
		    other.limit == g->limit)
			continue;
		json_array_append_new(list,
				      json_pack("{s:f, s:f, s:I}", "limit", other.limit,
						"clear", other.clear, "for_s",
						(json_int_t)other.for_ms / 1000));
		strb_fmt(s,
			 "With for = %llds it could be %s = %s  clear = %s (after %s).\n",
			 (long long)waits_ms[i] / 1000,
			 isnan(r->above) ? "below" : "above", setting(r, other.limit, v),
			 setting(r, other.clear, c), text_duration(waits_ms[i], d));
	}
	if (o)
		json_object_set(o, "patient", list);
	json_decref(list);
	return ok;
}

/* ---- for programs ---- */

static json_t *rule_json(const struct ask *a, unsigned i)
{
	const struct rule *r = &a->rules->at[i];
	const struct backtest_rule *b = &a->b.rule[i];
	struct table *t = table_new(alert_columns, ARRAY_LEN(alert_columns));
	json_t *o = json_object();
	char word[32];

	for (size_t k = 0; k < a->b.n; k++)
		if (a->b.at[k].rule == i)
			alert_row(t, a, &a->b.at[k], true);
	json_object_set_new(o, "rule", j_text(r->name));
	json_object_set_new(o, "measure", j_text(measure_word(&r->measure, word)));
	json_object_set_new(o, "unit", j_text(measure_unit(&r->measure)));
	json_object_set_new(o, "source", j_text(source_word[b->source]));
	json_object_set_new(o, "series", json_integer(b->series));
	json_object_set_new(o, "from", j_time(b->first_ms));
	json_object_set_new(o, "to", j_time(b->first_ms ? b->last_ms : 0));
	json_object_set_new(o, "weeks", json_real(backtest_weeks(b)));
	json_object_set_new(o, "alerts", table_json(t));
	table_free(&t);
	return o;
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static void add_suggestion(json_t *o, const struct ask *a,
			   const struct backtest_suggestion *g)
{
	json_object_set_new(o, "suggestion",
			    json_pack("{s:f, s:o, s:o, s:I, s:I, s:o}", "budget",
				      a->budget, "limit", number(g->limit), "clear",
				      number(g->clear), "for_s",
				      (json_int_t)g->for_ms / 1000, "alerts",
				      (json_int_t)g->expected.alerts, "rate",
				      number(isfinite(g->limit) ? g->rate : NAN)));
}

/* ---- the whole ---- */

/* A suggestion needs data, and something to set. NULL: there are both; gives. */
static char *why_none(const struct ask *a, unsigned i)
{
	const struct backtest_rule *b = &a->b.rule[i];
	const struct rule *r = &a->rules->at[i];

	if (isnan(backtest_limit(r)))
		return xasprintf("%s has no limit and no budget to set",
				 r->detector ? r->detector->name : "it");
	if (b->first_ms)
		return NULL;
	if (b->source == BACKTEST_FLOWS)
		return xasprintf("%s, and the archive has no flows of that time; another --from "
				 "and --to may, and `culprit import` brings older ones",
				 b->why_flows ? b->why_flows : "it was asked of the archive");
	return xstrdup("history has no such series of that time; another --from and --to may, "
		       "and --source archive looks at flows");
}

static void tell_none(const struct ask *a, unsigned i, struct strb *s, json_t *o)
{
	char *why = a->suggest ? why_none(a, i) : NULL;

	if (why && o)
		json_object_set_new(o, "no_suggestion", j_text(why));
	else if (why)
		strb_fmt(s, "\nNo limit can be suggested: %s.\n", why);
	free(why);
}

static bool limits(struct ask *a, unsigned i, struct strb *s, json_t *o, struct err *err)
{
	struct backtest_limits *l = &a->limits[i];
	const struct rule *r = &a->rules->at[i];
	struct backtest_suggestion g;
	struct table *t;

	tell_none(a, i, s, o);
	if (!a->b.rule[i].first_ms || (a->suggest && isnan(backtest_limit(r))))
		return true;
	if (a->suggest && !backtest_suggest(&a->o, r, a->budget, l, &g, err))
		return false;
	t = limit_table(r, l);
	if (o)
		json_object_set_new(o, "limits", table_json(t));
	else if (l->n) {
		strb_fmt(s, "\nHow often at other %s\n",
			 r->detector  ? "budgets"
			 : r->pattern ? r->pattern->limit
				      : "limits");
		table_show(t, &a->c->out, s);
	}
	table_free(&t);
	if (a->suggest && o)
		add_suggestion(o, a, &g);
	else if (a->suggest)
		suggestion(a, r, &g, s);
	return !a->suggest || patient(a, r, &g, s, o, err);
}

static int show_csv(const struct ask *a)
{
	struct table *t = table_new(alert_columns, ARRAY_LEN(alert_columns));
	int code;

	for (size_t i = 0; i < a->b.n; i++)
		alert_row(t, a, &a->b.at[i], true);
	code = cli_print(a->c, t, NULL, NULL, NULL);
	table_free(&t);
	return code;
}

static int show(struct ask *a, struct err *err)
{
	json_t *list = a->c->json ? json_array() : NULL;
	struct strb s = { 0 };
	bool ok;
	int code;

	a->limits = xcalloc(a->rules->n, sizeof(*a->limits));
	ok = backtest_limits(&a->o, a->rules->at, a->rules->n, &a->b, a->limits, err);
	for (unsigned i = 0; ok && i < a->rules->n; i++) {
		json_t *o = list ? rule_json(a, i) : NULL;

		if (!o) {
			rule_head(a, i, &s);
			rule_alerts(a, i, &s);
		}
		ok = limits(a, i, &s, o, err);
		if (o)
			json_array_append_new(list, o);
	}
	progress_end(&a->bar);
	if (!ok)
		code = cli_fail(EX_UNAVAILABLE, "%s", err->msg);
	else if (list)
		code = cli_print_json(json_pack("{s:o, s:o, s:O}", "from",
						j_time(a->o.from_ms), "to",
						j_time(a->o.to_ms), "rules", list));
	else
		code = cli_print_text(&s);
	json_decref(list);
	strb_free(&s);
	return code;
}

static int run(struct ask *a)
{
	struct err err = { "" };
	int code;

	progress_begin(&a->bar, "going through the past");
	a->o.progress = progress_tell;
	a->o.arg = &a->bar;
	if (!backtest_run(&a->o, a->rules, &a->b, &err)) {
		progress_end(&a->bar);
		code = cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	} else if (a->c->csv) {
		progress_end(&a->bar);
		code = show_csv(a);
	} else {
		code = show(a, &err);
	}
	backtest_fini(&a->b);
	free(a->limits);
	return code;
}

static int read_rules(struct ask *a, const char *what)
{
	const struct config *conf = cli_config(a->c);
	const char *file = a->c->config_more;
	struct strb names = { 0 };

	if (!conf)
		return EX_CONFIG;
	a->rules = backtest_rules(conf, file, file ? NULL : what);
	for (unsigned i = 0; a->rules && i < a->rules->n; i++)
		cli_geo(a->c, a->rules->at[i].filter);
	if (a->rules)
		return -1;
	for (size_t i = 0; i < conf->n_rules; i++)
		strb_fmt(&names, "%s %s", i ? "," : "", conf->rules[i].name);
	if (file)
		cli_say("%s has no rule that is on", file);
	else
		cli_say("there is no rule \"%s\" that is on, and no such file; the "
			"configuration has%s",
			what, names.len ? names.s : " none");
	strb_free(&names);
	return EX_USAGE;
}

static int read_options(struct ask *a)
{
	static const char *const words[] = { "auto", "history", "archive" };
	const struct calendar *cal = cli_calendar(a->c);
	struct err err = { "" };
	int source = -1;

	if (!cal)
		return EX_CONFIG;
	for (int i = 0; i < (int)ARRAY_LEN(words); i++)
		if (!strcmp(words[i], a->source))
			source = i;
	if (source < 0)
		return cli_usage(a->c, "--source is auto, history or archive");
	if (!parse_budget(a->budget_text, &a->budget))
		return cli_usage(a->c,
				 "--budget \"%s\" is no rate; write 0.1/week or 2/day",
				 a->budget_text);
	if (!when_between(a->from, a->to, cal, a->c->now_ms, &a->o.from_ms, &a->o.to_ms,
			  &err))
		return cli_usage(a->c, "%s", err.msg);
	a->o.from_ms = a->o.from_ms / BIN_MS * BIN_MS;
	a->o.config = cli_config(a->c);
	a->o.calendar = cal;
	a->o.names = cli_names(a->c);
	a->o.source = (enum backtest_source)source;
	return -1;
}

int cmd_backtest(struct cli *c, int argc, char **argv)
{
	struct ask a = {
		.c = c, .from = "-30d", .budget_text = "0.1/week", .source = "auto"
	};
	const struct arg args[] = {
		{ "from", 0, ARG_TEXT, "TIME", "from then on (30 days ago)", &a.from },
		{ "to", 0, ARG_TEXT, "TIME", "until then (now)", &a.to },
		{ "suggest", 0, ARG_FLAG, NULL, "search a limit that keeps the budget",
		  &a.suggest },
		{ "budget", 0, ARG_TEXT, "RATE",
		  "alerts to bear, 0.1/week for each series", &a.budget_text },
		{ "source", 0, ARG_TEXT, "WORD",
		  "history (bins), archive (flows), or auto: what each rule needs",
		  &a.source },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);
	const char *what;

	if (code >= 0)
		return code;
	if (argc > 2)
		return cli_usage(c,
				 "one rule, or one file with rules, or nothing for all");
	if (c->url)
		return cli_usage(
		    c, "the past is read where it lies, so --url has no place here; "
		       "name its state with --state or -c");
	what = argc > 1 ? argv[1] : NULL;
	if (what && !access(what, R_OK))
		c->config_more = what;
	code = read_rules(&a, what);
	if (code < 0)
		code = read_options(&a);
	if (code < 0)
		code = run(&a);
	backtest_rules_free(&a.rules);
	return code;
}
