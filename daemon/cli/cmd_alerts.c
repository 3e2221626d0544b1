/* cmd_alerts.c - culprit alerts: what stands, and what did.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/when.h"

enum { RECENT = 50, ALL = 9999 };

static enum paint paint_of(const struct alert *a)
{
	if (a->state == ALERT_RESOLVED)
		return PAINT_DIM;
	return a->severity == SEVERITY_CRITICAL	 ? PAINT_RED
	       : a->severity == SEVERITY_WARNING ? PAINT_YELLOW
						 : PAINT_NONE;
}

/* "21:03:30" of today, "2026-11-22 21:03" of other days. */
static const char *short_time(int64_t ms, int64_t now_ms, char buf[static UNIT_TEXT])
{
	char today[UNIT_TEXT];

	text_time(ms, buf);
	text_time(now_ms, today);
	if (strncmp(buf, today, 10) != 0 || strlen(buf) < 19) {
		buf[16] = '\0';
		return buf;
	}
	memmove(buf, buf + 11, 8);
	buf[8] = '\0';
	return buf;
}

/* Why nobody was told is a sentence; a table has room for how it begins to differ. */
static const char *quiet_word(const char *quiet)
{
	static const struct {
		const char *begins, *word;
	} words[] = {
		{ "Told together", "with others" },   { "Alert ", "with another" },
		{ "Another alert", "with another" },  { "Silenced", "quiet: silenced" },
		{ "Maintenance", "quiet: maintenance" }, { "It flaps", "quiet: flaps" },
		{ "Rule ", "quiet: budget used" },    { "No channel", "no channel" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(quiet, words[i].begins, strlen(words[i].begins)))
			return words[i].word;
	return "quiet";
}

/* What became of telling it, in a word or two. */
static void add_told(struct table *t, const struct alert *a)
{
	char *ack = a->ack_ms ? xasprintf("ack by %s", *a->ack_by ? a->ack_by : "somebody") : NULL;

	table_text(t, ack ? ack : a->quiet ? quiet_word(a->quiet) : "passed on");
	table_paint(t, PAINT_DIM);
	free(ack);
}

static void add(struct table *t, const struct alert *a, int64_t now_ms)
{
	char headline[160], since[UNIT_TEXT];

	alert_headline(a, headline);
	table_row(t);
	table_text(t, a->id);
	table_text(t, alert_state_word[a->state]);
	table_paint(t, paint_of(a));
	table_text(t, severity_word[a->severity]);
	table_time(t, a->started_ms, short_time(a->started_ms, now_ms, since));
	table_time(t, a->ended_ms, NULL);
	table_text(t, a->rule);
	table_text(t, a->series);
	table_text(t, a->ack_ms ? a->ack_by : "");
	table_text(t, a->quiet ? a->quiet : "");
	add_told(t, a);
	table_text(t, headline);
}

/* --at, --from, --to as everywhere; -1: go on. */
static int range(struct cli *c, const char *at, const char *from, const char *to,
		 struct alert_query *q)
{
	const struct calendar *cal;
	struct err err = { "" };
	bool ok;

	if (!at && !from && !to)
		return -1;
	cal = cli_calendar(c);
	if (!cal)
		return EX_CONFIG;
	if (at && (from || to))
		return cli_usage(c, "--at goes without --from and --to");
	ok = at ? when_at(at, cal, c->now_ms, &q->from_ms, &q->to_ms, &err)
		: when_between(from, to, cal, c->now_ms, &q->from_ms, &q->to_ms, &err);
	return ok ? -1 : cli_usage(c, "%s", err.msg);
}

int cmd_alerts(struct cli *c, int argc, char **argv)
{
	static const struct column cols[] = {
		{ "id", "alert", COL_LONG },
		{ "status", "status", COL_LONG },
		{ "severity", "severity", COL_LONG },
		{ "started_at", "since", COL_VALUE },
		{ "ended_at", NULL, COL_DATA },
		{ "rule", NULL, COL_DATA },
		{ "series", NULL, COL_DATA },
		{ "ack_by", NULL, COL_DATA },
		{ "quiet", NULL, COL_DATA },
		{ NULL, "told", COL_LONG },
		{ "headline", "what", COL_LONG },
	};
	struct alert_list l = { 0 };
	struct alert_query q = { 0 };
	const char *at = NULL, *from = NULL, *to = NULL;
	bool all = false;
	const struct arg args[] = {
		{ "at", 0, ARG_TEXT, "TIME[/LEN]",
		  "that fired then: \"yesterday 10:35\", \"-2h/10m\", \"monday\"", &at },
		{ "from", 0, ARG_TEXT, "TIME", "that fired from then on", &from },
		{ "to", 0, ARG_TEXT, "TIME", "until then", &to },
		{ "rule", 'r', ARG_TEXT, "NAME", "of that rule", &q.rule },
		{ "state", 's', ARG_TEXT, "firing|resolved", "only those", &q.state },
		{ "all", 'a', ARG_FLAG, NULL,
		  "not only the newest 50: all that history keeps", &all },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);
	struct table *t;

	if (code >= 0)
		return code;
	if (argc > 1)
		return cli_usage(c, "\"%s\" is not understood", argv[1]);
	if (q.state && strcmp(q.state, "firing") && strcmp(q.state, "resolved"))
		return cli_usage(c,
				 "behind alerts --state is firing or resolved, not \"%s\"; "
				 "a daemon's state goes before: culprit --state DIR alerts",
				 q.state);
	code = range(c, at, from, to, &q);
	if (code >= 0)
		return code;
	code = alerts_read(c, &q, all ? ALL : RECENT, &l);
	t = table_new(cols, ARRAY_LEN(cols));
	for (int standing = 1; standing >= 0; standing--)
		for (size_t i = 0; i < l.n; i++)
			if ((l.at[i]->state != ALERT_RESOLVED) == standing)
				add(t, l.at[i], c->now_ms);
	if (!code && c->json) {
		json_t *list = json_array(), *o = json_object();

		for (size_t i = 0; i < l.n; i++)
			json_array_append(list, l.json[i]);
		json_object_set_new(o, "alerts", list);
		code = cli_print_json(o);
	} else if (!code) {
		code = cli_print(c, t, l.n ? NULL : "No alerts.\n", NULL, NULL);
	}
	if (!code && l.more)
		cli_say("there are more%s", all ? "" : ": --all");
	table_free(&t);
	alerts_free(&l);
	return code;
}
