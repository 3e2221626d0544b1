/* cmd_baseline.c - culprit baseline: the week that was learnt, as a picture.
 * SPDX-License-Identifier: ISC
 *
 *	culprit baseline WAN            the series whose name has that part
 *	culprit baseline                which there are
 *
 * A row for each day, a bar for each half hour, all to one scale; what is not known yet is
 * blank. The figures are the detector's own: it is asked for each of the 2016 slots what it
 * takes for normal, from its bytes in history, which are at most a quarter of an hour
 * old. So it needs no daemon, and with --csv or --json all slots come out.
 */
#include "daemon/cli/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/backtest.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/query.h"
#include "daemon/cli/spark.h"
#include "detectors/views.h"
#include "rules/rule.h"
#include "storage/store.h"

enum { CELL = 6, CELLS = SLOTS_DAY / CELL, BIN_S = 300, FOUND_MAX = 10000 };

static const char *const weekdays[] = { "Monday", "Tuesday", "Wednesday", "Thursday",
					"Friday", "Saturday", "Sunday" };

struct picture {
	struct cli *c;
	const char *part;        /* of the name that is looked for */
	char **found;            /* keys: "rule|series" */
	size_t n;
	void *data;              /* of the last one */
	size_t len;
	struct rules *rules;
	const struct rule *rule; /* of the one */
	const char *series;      /* its id, in the key */
	struct baseline_head head;
	struct views_state *s;
	uint32_t armed_in_s;
};

struct slot {
	double low, median, high; /* NAN: not known */
	unsigned days;            /* learnt of this kind of day */
};

/* ---- finding it ---- */

static bool add(void *arg, const char *key, const void *data, size_t len)
{
	struct picture *p = arg;

	if (strchr(key, '*') || !strstr(key, p->part))
		return true;
	p->found = xrealloc(p->found, p->n + 1, sizeof(*p->found));
	p->found[p->n++] = xstrdup(key);
	free(p->data);
	p->data = xmemdup(data, len);
	p->len = len;
	return p->n < FOUND_MAX;
}

static const struct rule *rule_of(const struct picture *p, const char *key)
{
	size_t n = strcspn(key, "|");

	for (unsigned i = 0; p->rules && i < p->rules->n; i++) {
		const struct rule *r = &p->rules->at[i];
		const char *name = r->learns ? r->learns : r->name;

		if ((strlen(name) == n && !strncmp(name, key, n)) ||
		    (strlen(r->name) == n && !strncmp(r->name, key, n)))
			return r;
	}
	return NULL;
}

/* -1: found and understood; else the exit code, said. */
static int open_state(struct picture *p, const char *key)
{
	struct point gap = { .at_s = p->c->now_ms / 1000, .step_s = BIN_S, .gap = true };
	struct verdict v;
	void *copy;

	p->series = strchr(key, '|') + 1;
	p->rule = rule_of(p, key);
	if (!p->rule || !p->rule->detector)
		return cli_fail(EXIT_FAILURE, "no rule that is on watches %s with a detector any "
				"more", key);
	if (p->len >= sizeof(p->head))
		memcpy(&p->head, p->data, sizeof(p->head));
	if (p->rule->detector->opts != views_opts)
		return cli_fail(EXIT_FAILURE, "the detector %s of rule %s keeps no week; seasonal, "
				"change and absence do", p->rule->detector->name, p->rule->name);
	if (p->head.version != p->rule->detector->version ||
	    p->head.size != sizeof(*p->s) || p->len != sizeof(p->head) + p->head.size)
		return cli_fail(EXIT_FAILURE, "this baseline was kept by another version; the "
				"daemon learns it anew from history when it starts");
	p->s = xmemdup((char *)p->data + sizeof(p->head), sizeof(*p->s));
	copy = xmemdup(p->s, sizeof(*p->s));
	p->rule->detector->step(p->rule->conf, copy, &gap, &v);
	p->armed_in_s = v.armed_in_s;
	free(copy);
	return -1;
}

/* ---- what is normal ---- */

static double value_of(const struct picture *p, float x)
{
	const struct views_conf *c = p->rule->conf;
	double v = profile_unlog(x) * c->floor;

	return v > 0 ? v : 0;
}

static struct slot ask_slot(const struct picture *p, unsigned slot, bool rest, float level)
{
	const struct profile *f = &p->s->profile;
	struct point at = { .slot = (uint16_t)slot, .step_s = BIN_S, .rest = rest };
	struct normal n;
	float spread;

	profile_expect(f, &at, 0, &n);
	if (!n.known)
		return (struct slot){ NAN, NAN, NAN, 0 };
	spread = profile_spread(f, &n);
	level = (level - f->level) * n.weight;
	return (struct slot){ value_of(p, n.down + level - 2 * spread),
			      value_of(p, n.mid + level),
			      value_of(p, n.up + level + 2 * spread),
			      f->seen[n.class][n.slot] };
}

static struct slot week_slot(const struct picture *p, unsigned slot)
{
	return ask_slot(p, slot, slot / SLOTS_DAY >= 5, p->s->profile.usual_level);
}

/* ---- showing it ---- */

static double cell(const struct picture *p, unsigned day, unsigned i)
{
	double sum = 0;
	unsigned n = 0;

	for (unsigned k = 0; k < CELL; k++) {
		struct slot s = week_slot(p, day * SLOTS_DAY + i * CELL + k);

		if (isnan(s.median))
			continue;
		sum += s.median;
		n++;
	}
	return n ? sum / n : NAN;
}

static const char *text(const struct picture *p, double v, char *buf)
{
	return isnan(v) ? "?" : measure_text(&p->rule->measure, v, buf);
}

static void week(const struct picture *p, const struct local_time *now, struct strb *out)
{
	double v[7][CELLS], top = 0;
	char a[UNIT_TEXT], b[UNIT_TEXT];

	for (unsigned d = 0; d < 7; d++)
		for (unsigned i = 0; i < CELLS; i++) {
			v[d][i] = cell(p, d, i);
			top = v[d][i] > top ? v[d][i] : top;
		}
	strb_add(out, "     0     3     6     9     12    15    18    21\n");
	for (unsigned d = 0; d < 7; d++) {
		double least = NAN, most = NAN;
		struct strb row = { 0 };

		for (unsigned i = 0; i < CELLS; i++) {
			strb_add(&row, spark_bar(v[d][i], top, p->c->out.utf8));
			least = fmin(least, v[d][i]);
			most = fmax(most, v[d][i]);
		}
		strb_fmt(out, "%.3s  ", weekdays[d]);
		screen_paint(&p->c->out, out,
			     d == (unsigned)now->weekday ? PAINT_BOLD : PAINT_NONE, row.s);
		if (isnan(most))
			strb_add(out, "  not known yet");
		else
			strb_fmt(out, "  %s to %s", text(p, least, a), text(p, most, b));
		strb_add(out, "\n");
		strb_free(&row);
	}
}

static void sentences(const struct picture *p, const struct local_time *now,
		      struct strb *out)
{
	const struct profile *f = &p->s->profile;
	struct slot s = ask_slot(p, (unsigned)now->slot, now->rest, f->level);
	char a[UNIT_TEXT], b[UNIT_TEXT], m[UNIT_TEXT], t[UNIT_TEXT];
	unsigned work = 0, rest = 0;

	for (int i = 0; i < SLOTS_DAY; i++) {
		work = f->seen[0][i] > work ? f->seen[0][i] : work;
		rest = f->seen[1][i] > rest ? f->seen[1][i] : rest;
	}
	if (isnan(s.median))
		strb_fmt(out, "Now (%s %02d:%02d): nothing is known of this hour of a %s.\n",
			 weekdays[now->weekday], now->hour, now->minute,
			 now->rest ? "day of rest" : "working day");
	else
		strb_fmt(out, "Now (%s %02d:%02d): normally %s, ordinary from %s to %s.\n",
			 weekdays[now->weekday], now->hour, now->minute,
			 text(p, s.median, m), text(p, s.low, a), text(p, s.high, b));
	if (p->s->last_s)
		strb_fmt(out, "Newest value, of %s: %s.\n",
			 text_time(p->s->last_s * 1000, t),
			 text(p, value_of(p, p->s->x[0]), a));
	strb_fmt(out, "Learnt from %u working days and %u days of rest, since %s; %s%s.\n", work,
		 rest, p->s->first_s ? text_time(p->s->first_s * 1000, t) : "never",
		 p->armed_in_s ? "armed in " : "armed",
		 p->armed_in_s ? text_duration((int64_t)p->armed_in_s * 1000, a) : "");
}

static json_t *whole(const struct picture *p)
{
	json_t *o = json_object();

	json_object_set_new(o, "rule", j_text(p->rule->name));
	json_object_set_new(o, "series", j_text(p->series));
	json_object_set_new(o, "detector", json_string(p->rule->detector->name));
	json_object_set_new(o, "unit", json_string(measure_unit(&p->rule->measure)));
	json_object_set_new(o, "armed_in_s", json_integer(p->armed_in_s));
	json_object_set_new(o, "learnt_from", p->s->first_s ? j_time(p->s->first_s * 1000)
							    : json_null());
	json_object_set_new(o, "learnt_to", p->s->last_s ? j_time(p->s->last_s * 1000)
							 : json_null());
	json_object_set_new(o, "value", p->s->last_s ? json_real(value_of(p, p->s->x[0]))
						     : json_null());
	return o;
}

static void real(struct table *t, const struct picture *p, double v)
{
	char buf[UNIT_TEXT];

	if (isnan(v))
		table_none(t);
	else
		table_real(t, v, text(p, v, buf));
}

static int slots(const struct picture *p)
{
	static const struct column cols[] = {
		{ "weekday", "weekday", COL_TEXT }, { "time", "time", COL_TEXT },
		{ "low", "low", COL_VALUE },	    { "median", "median", COL_VALUE },
		{ "high", "high", COL_VALUE },	    { "days", "days", COL_VALUE },
	};
	struct table *t = table_new(cols, (unsigned)ARRAY_LEN(cols));
	char buf[UNIT_TEXT];
	int code;

	for (unsigned i = 0; i < SLOTS_WEEK; i++) {
		struct slot s = week_slot(p, i);

		table_row(t);
		table_text(t, weekdays[i / SLOTS_DAY]);
		snprintf(buf, sizeof(buf), "%02u:%02u", i % SLOTS_DAY / 12, i % 12 * 5);
		table_text(t, buf);
		real(t, p, s.low);
		real(t, p, s.median);
		real(t, p, s.high);
		table_count(t, s.days, NULL);
	}
	code = cli_print(p->c, t, NULL, p->c->json ? whole(p) : NULL, "week");
	table_free(&t);
	return code;
}

static int show(const struct picture *p)
{
	struct strb out = { 0 };
	struct local_time now;
	char word[32];
	int code;

	if (p->c->json || p->c->csv)
		return slots(p);
	calendar_at(cli_calendar(p->c), p->c->now_ms / 1000, &now);
	strb_add(&out, "");
	strb_tty(&out, p->series);
	strb_fmt(&out, ", %s, rule ", measure_word(&p->rule->measure, word));
	strb_tty(&out, p->rule->name);
	strb_fmt(&out, " (%s)\n\n", p->rule->detector->name);
	week(p, &now, &out);
	strb_add(&out, "\n");
	sentences(p, &now, &out);
	code = cli_print_text(&out);
	strb_free(&out);
	return code;
}

static int names(const struct picture *p)
{
	static const struct column cols[] = { { "baseline", "baseline", COL_TEXT } };
	struct table *t = table_new(cols, 1);
	int code;

	for (size_t i = 0; i < p->n; i++) {
		table_row(t);
		table_text(t, p->found[i]);
	}
	code = cli_print(p->c, t,
			 p->n ? NULL : "No baseline is kept yet; `culprit learn` makes them "
				       "from history.\n", NULL, NULL);
	table_free(&t);
	return code;
}

static int run(struct picture *p, const char *word)
{
	const struct config *conf = cli_config(p->c);
	struct err err = { "" };
	struct store *s;
	bool ok;
	int code;

	if (!conf || !cli_calendar(p->c))
		return EX_CONFIG;
	p->part = word ? word : "";
	s = cli_store(p->c, &err);
	ok = s && store_each_blob(s, "baseline", "", add, p, &err);
	if (s)
		store_close(&s);
	if (!ok)
		return cli_fail(EX_UNAVAILABLE, "history: %s", err.msg);
	if (!word)
		return names(p);
	if (!p->n)
		return cli_fail(EXIT_FAILURE, "no baseline has \"%s\" in its name; `culprit "
				"baseline` shows all, `culprit learn` makes them from history",
				word);
	if (p->n > 1)
		return cli_usage(p->c, "%zu baselines have \"%s\" in their name; `culprit "
				 "baseline` shows all", p->n, word);
	p->rules = backtest_rules(conf, NULL, NULL);
	code = open_state(p, p->found[0]);
	return code >= 0 ? code : show(p);
}

int cmd_baseline(struct cli *c, int argc, char **argv)
{
	struct picture p = { .c = c };
	int code = cli_args(c, &argc, argv, NULL);

	if (code >= 0)
		return code;
	if (argc > 2)
		return cli_usage(c, "one series, any part of its name that no other has");
	if (c->url)
		return cli_usage(c, "baselines are read from the store itself, so --url has no "
				 "place here; name its state with --state or -c");
	code = run(&p, argc > 1 ? argv[1] : NULL);
	for (size_t i = 0; i < p.n; i++)
		free(p.found[i]);
	free(p.found);
	free(p.data);
	free(p.s);
	backtest_rules_free(&p.rules);
	return code;
}
