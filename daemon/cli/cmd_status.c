/* cmd_status.c - culprit status: is everything all right, and if not, what to do.
 * SPDX-License-Identifier: ISC
 *
 * What the daemon says of itself, one line an exporter with the hint that the API
 * gives. Without a daemon, what its state directory can tell: that it is not running
 * is the first line then, and the exit code.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/builtin.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/ask.h"
#include "daemon/evidence/top.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static uint64_t count_of(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static bool yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

/* ---- exporters ---- */

static enum paint state_paint(const char *state)
{
	if (!strcmp(state, "ok"))
		return PAINT_GREEN;
	return !strcmp(state, "lossy") || !strcmp(state, "silent") ? PAINT_RED
								   : PAINT_YELLOW;
}

/* "lost 12 records, 3 malformed" of the whole life; "" when nothing. */
static void losses(const json_t *e, struct strb *out)
{
	const json_t *d = json_object_get(e, "datagrams"), *v;
	const json_t *lost = json_object_get(e, "lost"),
		     *sets = json_object_get(e, "sets");
	const struct {
		const json_t *from;
		const char *key, *one, *word;
	} parts[] = {
		{ d, "malformed", "", "malformed" },
		{ d, "shed", "", "refused" },
		{ sets, "no_template", "set", "without template" },
		{ sets, "malformed", "set", "malformed" },
	};
	const char *unit;

	strb_add(out, "");
	json_object_foreach((json_t *)lost, unit, v) if (json_integer_value(v) > 0)
	{
		bool one = json_integer_value(v) == 1; /* units are told as plurals */

		strb_fmt(out, "%s%lld %.*s lost", out->len ? ", " : "",
			 (long long)json_integer_value(v), (int)(strlen(unit) - one), unit);
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		unsigned long long n = count_of(parts[i].from, parts[i].key);
		const char *thing = parts[i].one;

		if (n)
			strb_fmt(out, "%s%llu %s%s%s", out->len ? ", " : "", n, thing,
				 !*thing ? "" : n == 1 ? " " : "s ", parts[i].word);
	}
}

static void protocols(const json_t *e, struct strb *out)
{
	const json_t *list = json_object_get(e, "protocols"), *p;
	size_t i;

	strb_add(out, "");
	json_array_foreach(list, i, p)
	    strb_fmt(out, "%s%s", i ? ", " : "", text_of(p, "title"));
}

static void exporter_row(struct table *t, const json_t *e)
{
	struct strb s = { 0 };
	const json_t *rate = json_object_get(e, "bits_per_s");
	char buf[UNIT_TEXT];

	table_row(t);
	table_text(t, text_of(e, "name"));
	table_text(t, text_of(e, "state"));
	table_paint(t, state_paint(text_of(e, "state")));
	protocols(e, &s);
	table_text(t, s.s);
	strb_free(&s);
	table_count(t, count_of(e, "flows"),
		    text_count((double)count_of(e, "flows"), buf));
	if (json_is_number(rate)) {
		table_real(t, number_of(e, "flows_per_s"),
			   text_count(number_of(e, "flows_per_s"), buf));
		table_real(t, json_number_value(rate),
			   text_rate(json_number_value(rate), buf));
	} else {
		table_none(t);
		table_none(t);
	}
	snprintf(buf, sizeof(buf), "1 in %llu",
		 (unsigned long long)count_of(e, "sampling"));
	table_count(t, count_of(e, "sampling"), count_of(e, "sampling") > 1 ? buf : "-");
	losses(e, &s);
	table_text(t, s.s);
	strb_free(&s);
}

static void hints(const struct screen *sc, const json_t *list, struct strb *out)
{
	const json_t *e, *h;
	size_t i, j;

	json_array_foreach(list, i, e)
	    json_array_foreach(json_object_get(e, "hints"), j, h)
	{
		bool problem = !strcmp(text_of(h, "level"), "problem");
		struct strb s = { 0 };

		strb_tty(&s, text_of(e, "name"));
		strb_add(&s, ": ");
		strb_tty(&s, text_of(h, "text"));
		strb_add(out, "  ");
		screen_paint(sc, out, problem ? PAINT_RED : PAINT_YELLOW, s.s);
		strb_add(out, "\n");
		strb_free(&s);
	}
}

static const struct column exporter_cols[] = {
	{ "exporter", "exporter", COL_TEXT },	 { "state", "state", COL_TEXT },
	{ "protocols", "protocol", COL_TEXT },	 { "flows", "flows", COL_VALUE },
	{ "flows_per_s", "flows/s", COL_VALUE }, { "bits_per_s", "rate", COL_VALUE },
	{ "sampling", "sampling", COL_VALUE },	 { "lost", "lost", COL_TEXT },
};

static struct table *exporters(const json_t *list)
{
	struct table *t = table_new(exporter_cols, (unsigned)ARRAY_LEN(exporter_cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e) exporter_row(t, e);
	return t;
}

/* ---- the rest ---- */

static void line(struct strb *out, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void line(struct strb *out, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	strb_fmt(out, "%-10s ", name);
	strb_tty(out, s);
	strb_add(out, "\n");
	free(s);
}

static void sockets(const json_t *o, struct strb *out)
{
	const json_t *s;
	char n[UNIT_TEXT], b[UNIT_TEXT];
	size_t i;

	json_array_foreach(json_object_get(o, "sockets"), i, s)
	{
		bool stream = !count_of(s, "receive_buffer"); /* TCP: nothing is dropped */

		line(out, i ? "" : "listens", "%s, %s %s%s%s%s", text_of(s, "name"),
		     text_count(number_of(s, "datagrams"), n),
		     stream ? "messages" : "datagrams", stream ? "" : ", buffer ",
		     stream ? "" : text_bytes(number_of(s, "receive_buffer"), b),
		     count_of(s, "dropped") ? ", DROPPED:" : "");
		if (*text_of(s, "hint"))
			line(out, "", "  %s", text_of(s, "hint"));
	}
}

static void forwards(const json_t *o, struct strb *out)
{
	const json_t *f;
	char n[UNIT_TEXT];
	size_t i;

	json_array_foreach(json_object_get(o, "forwards"), i, f)
	{
		line(out, i ? "" : "forwards", "%s, %s datagrams, from %s", text_of(f, "target"),
		     text_count(number_of(f, "sent"), n),
		     yes(f, "keeps_source") ? "their exporters' own addresses"
					    : "this machine's address");
		if (count_of(f, "dropped"))
			line(out, "", "  %llu did not go on: the kernel would not take them; is "
			     "there a way to that address, and is it fast enough?",
			     (unsigned long long)count_of(f, "dropped"));
	}
}

static void archive_line(const json_t *a, struct strb *out)
{
	char b[UNIT_TEXT], f[UNIT_TEXT];

	if (!yes(a, "on")) {
		line(out, "archive", "switched off: alerts come without their flows");
		return;
	}
	line(out, "archive", "%s in %llu file%s, %s flows written since start%s%s",
	     text_bytes(number_of(a, "bytes"), b),
	     (unsigned long long)count_of(a, "files"),
	     count_of(a, "files") == 1 ? "" : "s", text_count(number_of(a, "flows"), f),
	     yes(a, "paused") ? "; PAUSED: " : "",
	     yes(a, "paused") ? text_of(a, "why") : "");
	if (count_of(a, "dropped_flows"))
		line(out, "",
		     "  %llu flows were not written: the disk was full or too slow, the log says "
		     "when",
		     (unsigned long long)count_of(a, "dropped_flows"));
}

static void history_line(const json_t *h, struct strb *out)
{
	if (yes(h, "up"))
		line(out, "history", "up%s",
		     count_of(h, "spool_bins") ? ", catching up" : "");
	else
		line(out, "history",
		     "DOWN: %s; %llu bins wait on disk and go in when it answers",
		     text_of(h, "why"), (unsigned long long)count_of(h, "spool_bins"));
	if (count_of(h, "dropped_bins"))
		line(out, "", "  %llu bins are lost for ever: the spool was full",
		     (unsigned long long)count_of(h, "dropped_bins"));
}

static void channels(const json_t *o, struct strb *out)
{
	const json_t *list = json_object_get(o, "channels"), *ch;
	size_t i;

	json_array_foreach(list, i, ch)
	{
		line(out, i ? "" : "channels", "%s: %llu sent, %llu waiting%s",
		     text_of(ch, "name"), (unsigned long long)count_of(ch, "sent"),
		     (unsigned long long)count_of(ch, "queued"),
		     count_of(ch, "dead") ? ", some given up" : "");
		if (*text_of(ch, "last_error"))
			line(out, "", "  last error: %s", text_of(ch, "last_error"));
	}
	if (!json_array_size(list))
		line(out, "channels",
		     "none: alerts are on the page and in `culprit alerts` only; "
		     "add a notify section");
}

/* "0.1" of what was stated, "0.07" that came: alerts a series and week. */
static void budget_line(const json_t *rule, bool first, struct strb *out)
{
	const json_t *b = json_object_get(rule, "budget");
	double each = number_of(b, "each_per_week"), weeks = number_of(b, "series_weeks");
	char came[64], held[64] = "";
	unsigned long long n = (unsigned long long)count_of(b, "held");

	/* What is to come once in ten weeks has not failed to come after two. */
	if (weeks * each < 1)
		snprintf(came, sizeof(came), "too early to tell, after %.1f weeks", weeks);
	else
		snprintf(came, sizeof(came), "%.2g came, over %.0f weeks",
			 number_of(b, "realised_per_week"), weeks);
	if (n)
		snprintf(held, sizeof(held), "; %llu more held by budget_total since", n);
	line(out, first ? "alarms" : "", "%s: %.2g a series and week stated%s, %s%s",
	     text_of(rule, "name"), each,
	     each < number_of(b, "stated_per_week") ? " (lowered by budget_total)" : "",
	     came, held);
}

static void budgets(const json_t *rules, struct strb *out)
{
	const json_t *r;
	bool first = true;
	size_t i;

	json_array_foreach(rules, i, r)
	{
		if (!json_is_object(json_object_get(r, "budget")))
			continue;
		budget_line(r, first, out);
		first = false;
	}
}

/* Rules that look at flows have no series: each by itself. */
static void patterns(const json_t *rules, struct strb *out)
{
	const json_t *r;
	bool first = true;
	char t[UNIT_TEXT];
	size_t i;

	json_array_foreach(rules, i, r)
	{
		const json_t *in = json_object_get(r, "armed_in_s");
		long long firing = (long long)count_of(r, "firing"), all = (long long)count_of(r, "alerts");

		if (!json_is_integer(in))
			continue;
		line(out, first ? "patterns" : "", "%s: %s%s, %lld firing, %lld alert%s since the start",
		     text_of(r, "name"), json_integer_value(in) ? "still learns, armed in " : "armed",
		     json_integer_value(in) ? text_duration(json_integer_value(in) * 1000, t) : "",
		     firing, all, all == 1 ? "" : "s");
		first = false;
	}
}

static bool runs(const json_t *rules, const char *name)
{
	const json_t *r;
	size_t i;

	json_array_foreach(rules, i, r)
		if (!strcmp(text_of(r, "name"), name))
			return true;
	return false;
}

/* Names of the built-in rules that are on, and of those that are not. */
static void built_in(const json_t *rules, struct strb *on, struct strb *off)
{
	const struct builtin *b;

	for (size_t i = 0; (b = builtin_at(i)); i++) {
		bool both = b->learns && !strcmp(b->learns, BUILTIN_BOTH) &&
			    runs(rules, BUILTIN_BOTH);
		struct strb *to = both || runs(rules, b->name) ? on : off;

		strb_fmt(to, "%s%s", to->len ? ", " : "", b->name);
	}
}

/* How many series are armed, and when the next one will be. */
static void rules(struct cli *c, struct strb *out)
{
	uint64_t armed = 0, waiting = 0, next = 0, n_rules;
	struct strb on = { 0 }, off = { 0 };
	json_t *answer = NULL, *s;
	struct strb rates = { 0 };
	struct err err = { "" };
	char t[UNIT_TEXT];
	size_t i;

	if (ask(c, "/api/v1/rules", NULL, &answer, &err) != ASK_OK) {
		json_decref(answer);
		return;
	}
	n_rules = json_array_size(json_object_get(answer, "rules"));
	budgets(json_object_get(answer, "rules"), &rates);
	patterns(json_object_get(answer, "rules"), &rates);
	built_in(json_object_get(answer, "rules"), &on, &off);
	json_decref(answer);
	if (ask(c, "/api/v1/series?limit=10000", NULL, &answer, &err) != ASK_OK) {
		json_decref(answer);
		strb_free(&rates);
		strb_free(&on);
		strb_free(&off);
		return;
	}
	json_array_foreach(json_object_get(answer, "series"), i, s)
	{
		uint64_t in = count_of(s, "armed_in_s");

		armed += !in;
		waiting += in > 0;
		next = in && (!next || in < next) ? in : next;
	}
	json_decref(answer);
	line(out, "rules", "%llu, over %llu series: %llu armed, %llu still learning%s%s",
	     (unsigned long long)n_rules, (unsigned long long)(armed + waiting),
	     (unsigned long long)armed, (unsigned long long)waiting,
	     next ? ", the next is armed in " : "",
	     next ? text_duration((int64_t)next * 1000, t) : "");
	line(out, "", "  built in: %s%s%s", on.len ? on.s : "none", off.len ? "; off: " : "",
	     off.len ? off.s : "");
	if (rates.len)
		strb_add(out, rates.s);
	strb_free(&rates);
	strb_free(&on);
	strb_free(&off);
}

static void head_line(const struct screen *sc, const json_t *o, struct strb *out)
{
	uint64_t firing = count_of(o, "alerts_firing");
	struct strb s = { 0 };
	char up[UNIT_TEXT];

	strb_fmt(&s, "culpritd ");
	strb_tty(&s, text_of(o, "version"));
	if (yes(o, "ready"))
		strb_fmt(&s, " has been watching for %s",
			 text_duration((int64_t)number_of(o, "uptime_s") * 1000, up));
	else {
		strb_add(&s, " is NOT ready: ");
		strb_tty(&s, text_of(o, "why"));
	}
	screen_paint(sc, out, yes(o, "ready") ? PAINT_BOLD : PAINT_RED, s.s);
	strb_add(out, "\n");
	strb_free(&s);
	strb_fmt(&s,
		 !firing       ? "no alert is firing"
		 : firing == 1 ? "%llu alert firing: `culprit alerts`"
			       : "%llu alerts firing: `culprit alerts`",
		 (unsigned long long)firing);
	screen_paint(sc, out, firing ? PAINT_RED : PAINT_GREEN, s.s);
	strb_add(out, "\n\n");
	strb_free(&s);
}

static int show(struct cli *c, const json_t *o)
{
	const json_t *list = json_object_get(o, "exporters");
	struct table *t = exporters(list);
	struct strb s = { 0 };
	int code;

	if (c->csv) {
		table_csv(t, &s);
	} else {
		head_line(&c->out, o, &s);
		if (table_rows(t))
			table_show(t, &c->out, &s);
		else
			strb_add(&s, "No exporter has sent anything yet. Point one at a "
				     "port below, "
				     "or try `softflowd -i eth0 -n 127.0.0.1:2055`.\n");
		hints(&c->out, list, &s);
		strb_add(&s, "\n");
		rules(c, &s);
		sockets(o, &s);
		forwards(o, &s);
		archive_line(json_object_get(o, "archive"), &s);
		history_line(json_object_get(o, "history"), &s);
		channels(o, &s);
	}
	code = cli_print_text(&s);
	strb_free(&s);
	table_free(&t);
	return code;
}

/* ---- without the daemon ---- */

static int from_state(struct cli *c, const char *why)
{
	const struct config *conf = cli_config(c);
	struct top_query q = { .directory = conf->archive.directory, .to_ms = 1 };
	struct top_result r = { 0 };
	struct strb s = { 0 };
	struct err err = { "" };
	struct store *store;
	char t[UNIT_TEXT];

	strb_add(&s, "culpritd is not running here: ");
	strb_tty(&s, why);
	strb_fmt(&s, "\n\n");
	line(&s, "state", "%s", conf->state_dir);
	if (!conf->archive.enabled)
		line(&s, "archive", "switched off");
	else if (!top_run(&q, &r, &err))
		line(&s, "archive", "%s", err.msg);
	else if (!r.read.oldest_ms)
		line(&s, "archive", "%s, no flows yet", conf->archive.directory);
	else
		line(&s, "archive", "%s, from %s on", conf->archive.directory,
		     text_time(r.read.oldest_ms, t));
	store = cli_store(c, &err);
	if (store) {
		line(&s, "history", "%s, readable", store_name(store));
		store_close(&store);
	} else {
		line(&s, "history", "%s", err.msg);
	}
	for (size_t i = 0; i < conf->n_channels; i++)
		line(&s, i ? "" : "channels", "%s", conf->channels[i].name);
	cli_print_text(&s);
	strb_free(&s);
	top_free(&r);
	return EX_UNAVAILABLE;
}

int cmd_status(struct cli *c, int argc, char **argv)
{
	int code = cli_args(c, &argc, argv, NULL);
	struct err err = { "" };
	json_t *o = NULL;

	if (code >= 0)
		return code;
	if (argc > 1)
		return cli_usage(c, "\"%s\" is not understood", argv[1]);
	switch (ask(c, "/api/v1/status", NULL, &o, &err)) {
	case ASK_OK: break;
	case ASK_CONFIG: return EX_CONFIG;
	case ASK_REFUSED: json_decref(o); return cli_fail(EXIT_FAILURE, "%s", err.msg);
	case ASK_AWAY:
		if (c->url || c->json || c->csv)
			return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
		return from_state(c, err.msg);
	}
	if (c->json)
		return cli_print_json(o);
	code = show(c, o);
	json_decref(o);
	return code;
}
