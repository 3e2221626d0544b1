/* post.c - writes the sheet for the board.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_SHOWN = 10000, INTERFACES_SHOWN = 2000 };

struct posting {
	const struct analysis *a;
	struct sheet *s;
	size_t n;
};

static void count(void *arg, const struct series_value *v)
{
	struct posting *p = arg;

	(void)v;
	p->n++;
}

static void write_one(void *arg, const struct series_value *v)
{
	struct posting *p = arg;
	struct board_series *b;
	char text[SERIES_TEXT];

	if (p->s->n_series == p->n)
		return;
	b = &p->s->series[p->s->n_series++];
	*b = (struct board_series){
		.by = v->rule->by, .measure = v->rule->measure, .value = v->value,
		.threshold = v->threshold, .low = v->low, .median = v->median, .high = v->high,
		.state = v->state, .since_ms = v->since_ms, .armed_in_s = v->armed_in_s,
	};
	snprintf(b->rule, sizeof(b->rule), "%s", v->rule->name);
	b->series = xstrdup(key_text(v->rule->by, v->key, p->a->opts.names, text));
	b->series_id = xstrdup(key_id(v->rule->by, v->key, p->a->opts.names, text));
	b->history = xasprintf("%s%s", p->a->series[v->rule->view], b->series_id);
}

static char *window_text(const struct rule *r)
{
	static const char *const period[] = { "", "day", "week", "month" };
	char t[UNIT_TEXT];

	if (r->period)
		return xstrdup(period[r->period]);
	return xstrdup(text_duration((int64_t)r->window * SLICE_MS, t));
}

static void write_budget(struct board_rule *b, const struct eval *e, unsigned rule)
{
	struct budget_value v = eval_budget(e, rule);

	b->budget = v.stated;
	b->budget_total = v.total;
	b->budget_each = v.each;
	b->alerts = v.alerts;
	b->series_weeks = v.weeks;
	b->held = v.held;
}

static void write_rules(struct sheet *s, const struct analysis *a)
{
	const struct rules *rules = a->rules;

	s->rules = xcalloc(rules->n ? rules->n : 1, sizeof(*s->rules));
	for (; s->n_rules < rules->n; s->n_rules++) {
		const struct rule *r = &rules->at[s->n_rules];
		struct board_rule *b = &s->rules[s->n_rules];

		*b = (struct board_rule){
			.filter = xstrdup(filter_text(r->filter)), .window = window_text(r),
			.detector = r->detector  ? xstrdup(r->detector->name)
				    : r->pattern ? xstrdup(r->pattern->name)
						 : NULL,
			.by = r->by, .measure = r->measure, .above = r->above,
			.below = r->below, .clear = r->clear, .for_ms = r->for_ms,
			.severity = r->severity, .quiet = r->quiet,
			.learns_ms = pattern_learns_ms(a, r),
		};
		snprintf(b->name, sizeof(b->name), "%s", r->name);
		write_budget(b, a->eval, (unsigned)s->n_rules);
	}
}

static void write_interface(void *arg, const struct key *k, uint64_t octets)
{
	struct posting *p = arg;
	struct sheet *s = p->s;
	struct board_interface *b;
	const struct exporter *e;
	struct interface i;
	uint32_t word[3];

	memcpy(word, k->b, sizeof(word));
	e = names_exporter_at(p->a->opts.names, word[0]);
	if (!e || s->n_interfaces == INTERFACES_SHOWN)
		return;
	names_interface(p->a->opts.names, word[0], word[1], &i);
	b = &s->interfaces[s->n_interfaces++];
	*b = (struct board_interface){ .out = word[2], .bytes = octets };
	memcpy(b->exporter, e->name, sizeof(b->exporter));
	if (*i.name)
		memcpy(b->name, i.name, sizeof(b->name));
	else
		snprintf(b->name, sizeof(b->name), "#%u", word[1]);
}

void post_sheet(struct analysis *a, int64_t now_ms)
{
	struct posting p = { .a = a };
	struct window_stats ws;
	struct sheet *s;

	eval_values(a->eval, count, &p);
	if (p.n > SERIES_SHOWN)
		p.n = SERIES_SHOWN;
	p.s = s = sheet_new(p.n);
	eval_values(a->eval, write_one, &p);
	write_rules(s, a);
	s->interfaces = xcalloc(INTERFACES_SHOWN, sizeof(*s->interfaces));
	window_interfaces(a->window, write_interface, &p);
	window_stats(a->window, &ws);
	s->tables[s->n_tables++] = (struct board_table){ "patterns", pattern_octets(a) };
	s->at_ms = now_ms;
	s->started_ms = a->started_ms;
	s->flows = ws.flows;
	s->late_flows = ws.late_flows;
	s->cut_shares = ws.cut_shares;
	s->thinned_keys = ws.thinned_keys;
	s->tables[s->n_tables++] = (struct board_table){ "windows", ws.octets };
	if (a->opts.archive) {
		struct archive_stats as;

		archive_stats(a->opts.archive, &as);
		s->archive_on = true;
		s->archive_paused = as.paused;
		s->archive_octets = as.octets;
		s->archive_files = as.files;
		s->archive_dropped = as.flows_dropped;
		s->archive_flows = as.flows_written;
		snprintf(s->archive_why, sizeof(s->archive_why), "%s", as.why);
	}
	if (a->opts.writer) {
		struct writer_stats st;

		writer_stats(a->opts.writer, &st);
		s->history_up = st.up;
		s->spool_bins = st.spooled_bins;
		s->spool_dropped = st.dropped_bins;
		snprintf(s->history_why, sizeof(s->history_why), "%s", st.why);
	}
	board_hang(a->opts.board, s);
}
