/* cmd_changed.c - culprit changed: what is other than at this hour of other weeks.
 * SPDX-License-Identifier: ISC
 *
 * The question that an alert asks by itself, for any time and filter. Whether it rose or
 * fell is found first; then who is new, or who is missing.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/query.h"
#include "daemon/evidence/change.h"

struct ask {
	struct cli *c;
	struct query q;
	const char *measure_word;
	struct change_query cq;
	struct change change;
};

static void row(struct table *t, const struct ask *a, const struct change_row *r)
{
	struct measure m = measure_compared(&a->cq.measure);
	char buf[UNIT_TEXT];

	table_row(t);
	table_text(t, r->text);
	table_real(t, r->value, measure_text(&m, r->value, buf));
	table_real(t, r->before, measure_text(&m, r->before, buf));
	snprintf(buf, sizeof(buf), "%.0f %%", 100 * r->share);
	table_real(t, r->share, buf);
	table_real(t, r->share, NULL);
}

static void sum_up(const struct ask *a, struct strb *s)
{
	struct measure m = measure_compared(&a->cq.measure);
	const struct change *c = &a->change;
	char v[UNIT_TEXT], b[UNIT_TEXT], when[CHANGE_WORDS], n[UNIT_TEXT], all[UNIT_TEXT];

	if (c->against == CHANGE_NOTHING) {
		strb_fmt(
		    s,
		    "%s; the archive holds nothing to compare with: no week, no day of "
		    "the same kind and no hour before it\n",
		    measure_text(&m, c->value, v));
		return;
	}
	strb_fmt(s, "%s, and %s %s", measure_text(&m, c->value, v),
		 measure_text(&m, c->before, b), change_when(c, when));
	if (c->counted < c->seen)
		strb_fmt(s, "; by a sample of %s of %s flows",
			 text_count((double)c->counted, n),
			 text_count((double)c->seen, all));
	strb_add(s, c->n ? "\n" : ": nothing stands out\n");
}

static json_t *whole(const struct ask *a)
{
	struct measure m = measure_compared(&a->cq.measure);
	const struct change *c = &a->change;
	char when[CHANGE_WORDS], word[32];

	return json_pack(
	    "{s:o, s:o, s:o, s:s, s:s, s:s, s:f, s:f, s:b, s:I, s:I}", "from",
	    j_time(a->cq.from_ms), "to", j_time(a->cq.to_ms), "filter",
	    j_text(filter_text(a->q.filter)), "measure", measure_word(&m, word),
	    "unit", measure_unit(&m), "compared_with", change_when(c, when), "value",
	    c->value, "before", c->before, "drop", a->cq.drop, "flows_counted",
	    (json_int_t)c->counted, "flows", (json_int_t)c->seen);
}

static int show(const struct ask *a)
{
	static const struct column cols[] = {
		{ "key", "what changed", COL_TEXT },
		{ "value", "now", COL_VALUE },
		{ "before", "before", COL_VALUE },
		{ "share_of_change", "of the change", COL_VALUE },
		{ NULL, "", COL_BAR },
	};
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	struct strb head = { 0 };
	int code;

	query_head(&a->q, &head);
	sum_up(a, &head);
	strb_add(&head, a->change.n ? "\n" : "");
	for (unsigned i = 0; i < a->change.n; i++)
		row(t, a, &a->change.row[i]);
	code = cli_print(a->c, t, head.s, a->c->json ? whole(a) : NULL, "changed");
	table_free(&t);
	strb_free(&head);
	return code;
}

/* Whether it fell is not known before it was looked at. */
static bool find(struct ask *a, struct err *err)
{
	struct change *c = &a->change;

	if (!change_find(&a->cq, c, err))
		return false;
	if (a->q.alert || c->against == CHANGE_NOTHING || c->before <= c->value)
		return true;
	change_fini(c);
	a->cq.drop = true;
	return change_find(&a->cq, c, err);
}

static int run(struct ask *a)
{
	struct err err = { "" };
	int code;

	a->cq = (struct change_query){
		.directory = a->q.directory,
		.from_ms = a->q.from_ms,
		.to_ms = a->q.to_ms,
		.filter = a->q.filter,
		.names = a->q.names,
		.calendar = cli_calendar(a->c),
		.only = a->q.only ? &a->q.key : NULL,
		.by = a->q.only ? a->q.alert->by : BY_NONE,
		.measure = { .kind = MEASURE_BITS_S },
		.as_of = a->q.position,
	};
	if (a->q.alert) {
		a->cq.measure = a->q.alert->measure;
		a->cq.drop = a->q.alert->below;
		a->cq.begun_ms = a->q.alert->pending_ms;
	}
	if (a->measure_word && !measure_parse(a->measure_word, &a->cq.measure))
		return cli_usage(a->c,
				 "--measure \"%s\" is none; bits/s, packets/s or flows/s",
				 a->measure_word);
	if (!find(a, &err))
		return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	code = show(a);
	change_fini(&a->change);
	return code;
}

int cmd_changed(struct cli *c, int argc, char **argv)
{
	struct ask a = { .c = c };
	const struct arg args[] = {
		QUERY_ARGS(&a.q),
		{ "measure", 0, ARG_TEXT, "MEASURE", "bits/s, packets/s, flows/s ...",
		  &a.measure_word },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code < 0)
		code = query_read(c, &a.q, argc, argv);
	if (code < 0)
		code = run(&a);
	query_fini(&a.q);
	return code;
}
