/* cmd_top.c - culprit top: who moved most.
 * SPDX-License-Identifier: ISC
 *
 * Without --by a person gets two lists, hosts and flows: first who, then with whom.
 * A program gets one, of hosts unless it says otherwise.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/query.h"
#include "daemon/cli/through_top.h"
#include "daemon/evidence/answer_json.h"
#include "daemon/evidence/why.h"
#include "daemon/evidence/top_names.h"

enum { ROWS = 10, ROWS_MAX = 10000, NAMES_MS = 500, COLUMNS = 2 * TOP_KEYS + 6 };

struct top {
	struct cli *c;
	struct query q;
	const char *by, *sort;
	uint64_t n;
	bool both_ways, names;
	enum top_order order;
};

/* ---- for people ---- */

/* Ports stand under their title or key: "443" says all, "port 443" says it twice. */
static bool is_port(const struct top_key *k)
{
	return !k->is_field && (k->by == BY_SRC_PORT || k->by == BY_DST_PORT);
}

static const char *title_of(const char *word)
{
	static const char *const titles[][2] = {
		{ "src", "source" },
		{ "dst", "destination" },
		{ "proto", "protocol" },
		{ "src-port", "from port" },
		{ "dst-port", "to port" },
		{ "port", "service" },
		{ "src,dst", "source and destination" },
		{ "none", "all" },
	};

	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (!strcmp(titles[i][0], word))
			return titles[i][1];
	return word;
}

enum how { PEOPLE = 0, CSV = 1, CSV_NAMES = 2 }; /* CSV_NAMES: with columns for names */

static const char *name_word(const struct top_key *k)
{
	bool src = k->is_field ? k->field == F_src : k->by == BY_SRC;

	return !k->is_field && k->by == BY_HOST ? "host_name" : src ? "src_name" : "dst_name";
}

/* "10.20.0.66 (reception-pc)" */
static void put_value(struct table *t, const struct top_value *v, enum how how)
{
	char *both;

	if (how || !v->name) {
		table_text(t, v->text);
		return;
	}
	both = xasprintf("%s (%s)", v->text, v->name);
	table_text(t, both);
	free(both);
}

static void fill_table(struct table *t, const struct top_query *q,
		       const struct top_result *r, enum how how)
{
	double seconds = (double)(q->to_ms - q->from_ms) / 1000;
	char buf[UNIT_TEXT];

	for (unsigned i = 0; i < r->n; i++) {
		const struct top_row *row = &r->rows[i];
		double share = top_share(q->order, &row->sums, &r->total);
		double rate = (double)row->sums.bytes * 8 / seconds;

		table_row(t);
		for (unsigned k = 0; k < q->n_keys; k++) {
			if (is_port(&q->keys[k]))
				table_count(t, row->value[k].number, NULL);
			else
				put_value(t, &row->value[k], how);
		}
		table_count(t, row->sums.bytes, text_bytes((double)row->sums.bytes, buf));
		table_count(t, row->sums.packets,
			    text_count((double)row->sums.packets, buf));
		table_count(t, row->sums.flows, text_count((double)row->sums.flows, buf));
		table_real(t, rate, text_rate(rate, buf));
		snprintf(buf, sizeof(buf), "%.1f %%", 100 * share);
		table_real(t, share, buf);
		table_real(t, share, NULL);
		for (unsigned k = 0; how & CSV_NAMES && k < q->n_keys; k++)
			if (top_key_is_addr(&q->keys[k]))
				table_text(t, row->value[k].name ? row->value[k].name : "");
	}
}

static struct table *make_table(const struct top_query *q, const struct top_result *r,
				enum how how, struct column cols[static COLUMNS])
{
	static const struct column figures[] = {
		{ "bytes", "bytes", COL_SPARE }, { "packets", "packets", COL_SPARE },
		{ "flows", "flows", COL_SPARE }, { "bits_per_s", "mean rate", COL_SPARE },
		{ "share", "share", COL_VALUE }, { NULL, "", COL_BAR },
	};
	struct table *t;
	unsigned n = (unsigned)ARRAY_LEN(figures);

	for (unsigned k = 0; k < q->n_keys; k++)
		cols[k] = (struct column){ top_key_word(&q->keys[k]),
					   title_of(top_key_word(&q->keys[k])),
					   is_port(&q->keys[k]) ? COL_VALUE : COL_TEXT };
	memcpy(cols + q->n_keys, figures, sizeof(figures));
	cols[q->n_keys + q->order].kind = COL_VALUE; /* that of the order stays */
	n += q->n_keys;
	for (unsigned k = 0; how & CSV_NAMES && k < q->n_keys; k++)
		if (top_key_is_addr(&q->keys[k]))
			cols[n++] = (struct column){ name_word(&q->keys[k]), "", COL_TEXT };
	t = table_new(cols, n);
	fill_table(t, q, r, how);
	return t;
}

static void totals_line(const struct top_query *q, const struct top_result *r,
			struct strb *out)
{
	char b[UNIT_TEXT], p[UNIT_TEXT], f[UNIT_TEXT], v[UNIT_TEXT], d[UNIT_TEXT];

	strb_fmt(out, "%s in %s packets and %s flows, %s on average",
		 text_bytes((double)r->total.bytes, b),
		 text_count((double)r->total.packets, p),
		 text_count((double)r->total.flows, f),
		 text_rate(
		     (double)r->total.bytes * 8000 / (double)(q->to_ms - q->from_ms), v));
	if (r->sampling > 1)
		strb_fmt(out, "; sampled up to 1 in %u, scaled up", r->sampling);
	if (q->whole)
		strb_add(out, "; long flows counted whole");
	if (r->n && r->distinct > r->n)
		strb_fmt(out, "; the first %u of %s", r->n,
			 text_count((double)r->distinct, d));
	strb_add(out, "\n");
}

/* ---- for programs ---- */

/* That of /api/v1/top, with each key under its own name beside. */
static json_t *result_json(const struct top_query *q, const struct top_result *r)
{
	json_t *o = top_json(q, r), *row;
	size_t i;

	json_array_foreach(json_object_get(o, "rows"), i, row)
		for (unsigned k = 0; k < q->n_keys; k++)
			j_put(row, top_key_word(&q->keys[k]),
			      is_port(&q->keys[k])
				  ? json_integer((json_int_t)r->rows[i].value[k].number)
				  : j_text(r->rows[i].value[k].text));
	return o;
}

/* ---- one list ---- */

static int print(const struct top *t, const struct top_query *q,
		 const struct top_result *r, bool totals)
{
	struct column cols[COLUMNS];
	struct table *table;
	struct strb head = { 0 };
	int code;

	if (t->c->json)
		return cli_print_json(result_json(q, r));
	table = make_table(q, r, !t->c->csv ? PEOPLE : t->names ? CSV_NAMES : CSV, cols);
	if (totals)
		totals_line(q, r, &head);
	if (r->n)
		strb_add(&head, "\n");
	code = cli_print(t->c, table, head.s, NULL, NULL);
	strb_free(&head);
	table_free(&table);
	return code;
}

static int list(struct top *t, const char *by, bool first)
{
	const struct query *q = &t->q;
	struct top_query tq = { .directory = q->directory,
				.from_ms = q->from_ms,
				.to_ms = q->to_ms,
				.filter = q->filter,
				.names = q->names,
				.geo = strstr(by, "country") ? cli_country(t->c) : NULL,
				.only = q->only ? &q->key : NULL,
				.only_by = q->only ? q->alert->by : BY_NONE,
				.order = t->order,
				.n = (unsigned)t->n,
				.whole = q->whole,
				.both_ways = t->both_ways,
				.as_of = q->position,
				.memory = cli_config(t->c)->memory,
				.progress = progress_tell };
	struct progress bar;
	struct top_result r = { 0 };
	struct err err = { "" };
	int code;
	bool ok;

	tq.n_keys = top_keys_parse(by, tq.keys, &err);
	if (!tq.n_keys)
		return cli_usage(t->c, "--by: %s", err.msg);
	tq.progress_arg = &bar;
	progress_begin(&bar, "reading the archive");
	ok = top_run(&tq, &r, &err);
	progress_end(&bar);
	if (!ok) {
		code =
		    r.passes ? EX_UNAVAILABLE : EX_USAGE; /* before anything was read */
		top_free(&r);
		return cli_fail(code, "%s", err.msg);
	}
	/* What an alert saw is told the same for ever; a name may be another tomorrow. */
	if (!q->as_of && (t->names || !t->c->csv) && cli_owners(t->c, t->names))
		top_names(&r, tq.keys, tq.n_keys, cli_owners(t->c, t->names), q->to_ms,
			  NAMES_MS);
	code = print(t, &tq, &r, first);
	if (first)
		query_caveats(q, &r.read, !r.total.flows && !r.total.bytes);
	top_free(&r);
	return code;
}

static bool parse_sort(struct top *t)
{
	if (!t->sort &&
	    t->q.alert) /* as the alert was measured, so as its mail was sorted */
		t->order = why_order(&t->q.alert->measure);
	if (!t->sort || !strcmp(t->sort, "rate")) /* over one range they order alike */
		return true;
	for (size_t i = 0; i < TOP_ORDERS; i++)
		if (!strcmp(top_order_word[i], t->sort)) {
			t->order = (enum top_order)i;
			return true;
		}
	return false;
}

static int run(struct top *t)
{
	bool people = !t->c->json && !t->c->csv;
	struct top_key none[TOP_KEYS]; /* for the mistakes in them, before anything is shown */
	struct strb head = { 0 };
	struct err err = { "" };
	int code;
	int keys = t->by ? through_top_keys(t->by, &err) : 0;

	if (keys < 0 || (!keys && t->by && !top_keys_parse(t->by, none, &err)))
		return cli_usage(t->c, "--by: %s", err.msg);
	if (people) {
		query_head(&t->q, &head);
		code = cli_print_text(&head);
		strb_free(&head);
		if (code)
			return code;
	}
	if (keys)
		return through_top(t->c, &t->q, t->by, (unsigned)t->n);
	if (t->by || t->q.as_of || t->both_ways)
		return list(t, t->by ? t->by : "flow", true);
	code = list(t, "host", true);
	return code || !people ? code : list(t, "flow", false);
}

int cmd_top(struct cli *c, int argc, char **argv)
{
	struct top t = { .c = c, .n = ROWS };
	const struct arg args[] = {
		QUERY_ARGS(&t.q),
		{ "by", 0, ARG_TEXT, "KEYS",
		  "host, src, dst, flow, port, as, country, \"src,dst-port\" or any column; of a "
		  "proxy: client, url, site",
		  &t.by },
		{ "rows", 'n', ARG_COUNT, "ROWS", "how many (10)", &t.n },
		{ "bidirectional", 0, ARG_FLAG, NULL,
		  "both directions of a conversation as one row", &t.both_ways },
		{ "names", 0, ARG_FLAG, NULL,
		  "ask the DNS too what addresses are called", &t.names },
		{ "sort", 0, ARG_TEXT, "MEASURE",
		  "bytes (as it is), packets, flows or rate", &t.sort },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code < 0 && (!t.n || t.n > ROWS_MAX))
		code = cli_usage(c, "-n goes from 1 to %d", ROWS_MAX);
	if (code < 0)
		code = query_read(c, &t.q, argc, argv);
	if (code < 0 && !parse_sort(&t))
		code = cli_usage(c, "--sort is bytes, packets, flows or rate, not \"%s\"",
				 t.sort);
	if (code < 0)
		code = run(&t);
	query_fini(&t.q);
	return code;
}
