/* cmd_silence.c - culprit silence: what nobody need be told of for a while.
 * SPDX-License-Identifier: ISC
 *
 *	culprit silence 01JDC… 2h                     the series of that alert
 *	culprit silence rule=wan-busy 90m             a filter of alerts
 *	culprit silence host 10.20.0.0/24 --until "18:00" --comment "new switch"
 *	culprit silence list
 *	culprit silence end 01JDE…
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/act.h"
#include "daemon/cli/ask.h"
#include "daemon/cli/when.h"
#include "daemon/model/alert.h"

static const int64_t day_ms = 86400000;

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* --- list --- */

static void add_silence(struct table *t, const json_t *j)
{
	char from[UNIT_TEXT], until[UNIT_TEXT];
	bool active = !strcmp(str(j, "state"), "active");

	table_row(t);
	table_text(t, str(j, "id"));
	table_text(t, str(j, "state"));
	table_paint(t, active ? PAINT_YELLOW : PAINT_DIM);
	table_time(t, alert_time(str(j, "from")), text_time(alert_time(str(j, "from")), from));
	table_time(t, alert_time(str(j, "until")), text_time(alert_time(str(j, "until")), until));
	table_text(t, str(j, "author"));
	table_text(t, str(j, "match"));
	table_text(t, str(j, "comment"));
}

static void add_window(struct table *t, const json_t *j)
{
	bool active = json_is_true(json_object_get(j, "active"));
	int64_t until = alert_time(str(j, "until"));
	char text[UNIT_TEXT];

	table_row(t);
	table_text(t, str(j, "name"));
	table_text(t, active ? "maintenance" : "closed");
	table_paint(t, active ? PAINT_YELLOW : PAINT_DIM);
	table_none(t);
	if (until)
		table_time(t, until, text_time(until, text));
	else
		table_none(t);
	table_text(t, str(j, "when"));
	table_text(t, *str(j, "match") ? str(j, "match") : "any");
	table_text(t, "");
}

static int list(struct cli *c, bool all)
{
	static const struct column cols[] = {
		{ "id", "silence", COL_LONG },	     { "state", "state", COL_LONG },
		{ "from", "from", COL_VALUE },	     { "until", "until", COL_VALUE },
		{ "author", "by", COL_TEXT },	     { "match", "alerts", COL_TEXT },
		{ "comment", "comment", COL_LONG },
	};
	struct err err = { "" };
	json_t *answer, *j;
	enum ask_outcome rc = ask(c, "/api/v1/silences", NULL, &answer, &err);
	struct table *t;
	size_t i;
	int code;

	if (rc != ASK_OK) {
		json_decref(answer);
		return ask_failed(rc, &err);
	}
	if (c->json)
		return cli_print_json(answer);
	cli_config(c); /* for its time zone */
	t = table_new(cols, ARRAY_LEN(cols));
	json_array_foreach(json_object_get(answer, "silences"), i, j)
		if (all || strcmp(str(j, "state"), "over"))
			add_silence(t, j);
	json_array_foreach(json_object_get(answer, "maintenance"), i, j)
		if (all || json_is_true(json_object_get(j, "active")))
			add_window(t, j);
	code = cli_print(c, t, table_rows(t) ? NULL : "Nothing is silenced.\n", NULL, NULL);
	table_free(&t);
	json_decref(answer);
	return code;
}

/* --- add and end --- */

static int told(struct cli *c, json_t *s, bool made)
{
	struct strb b = { 0 };
	char t[UNIT_TEXT];
	int code;

	if (c->json)
		return cli_print_json(s);
	cli_config(c);
	strb_fmt(&b, made ? "Silence %s until %s: " : "Silence %s has ended at %s: ",
		 str(s, "id"), text_time(alert_time(str(s, "until")), t));
	strb_tty(&b, *str(s, "match") ? str(s, "match") : "every alert");
	strb_add(&b, "\n");
	code = cli_print_text(&b);
	strb_free(&b);
	json_decref(s);
	return code;
}

static int end(struct cli *c, int argc, char **argv)
{
	json_t *asked, *answer;
	int code;

	if (argc != 3)
		return cli_usage(c, "which silence? `culprit silence list` shows them");
	asked = json_object();
	json_object_set_new(asked, "id", j_text(argv[2]));
	code = act_post(c, "/api/v1/silences/end", asked, &answer);
	return code ? code : told(c, answer, false);
}

/* 26 letters and digits, or the beginning of them that is no word of the language. */
static bool is_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 8 && n < ALERT_ID &&
	       s[strspn(s, "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz")] == '\0' &&
	       *s == '0';
}

/* A time of day that has been is meant tomorrow. False: said. */
static bool until_of(struct cli *c, const char *text, int64_t *ms, int *code)
{
	const struct calendar *cal = cli_calendar(c);
	struct err err = { "" };
	struct when w;

	*code = EX_CONFIG;
	if (!cal)
		return false;
	if (!when_parse(text, cal, c->now_ms, &w, &err)) {
		*code = cli_usage(c, "%s", err.msg);
		return false;
	}
	*ms = w.ms + (w.clock_only && w.ms <= c->now_ms ? day_ms : 0);
	return true;
}

/* "2y", "90min": meant as a length, and no word of a filter. */
static bool is_bad_length(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits && s[digits] &&
	       !s[digits + strspn(s + digits, "abcdefghijklmnopqrstuvwxyz")];
}

static int add(struct cli *c, int argc, char **argv, const char *author, const char *comment,
	       const char *until)
{
	int64_t ms = 2 * 3600000, at = 0;
	json_t *asked, *answer;
	char *match, t[UNIT_TEXT];
	int code;

	if (argc > 1 && !until && parse_duration(argv[argc - 1], &ms))
		argc--;
	else if (argc > 1 && is_bad_length(argv[argc - 1]))
		return cli_usage(c, "\"%s\" is no length of time; write 90m, 2h, 3d or 2w",
				 argv[argc - 1]);
	if (argc < 2)
		return cli_usage(c, "which alerts? write an alert's id or a filter, like "
				    "rule=wan-busy or host 10.20.0.0/24");
	if (until && !until_of(c, until, &at, &code))
		return code;
	asked = json_object();
	match = act_words(argc, argv, 1);
	if (argc == 2 && is_id(match))
		json_object_set_new(asked, "alert", j_text(match));
	else
		json_object_set_new(asked, "match", j_text(match));
	free(match);
	if (until)
		json_object_set_new(asked, "until", json_string(text_rfc3339(at, t)));
	else
		json_object_set_new(asked, "for_s", json_real((double)ms / 1000));
	json_object_set_new(asked, "author", j_text(author));
	json_object_set_new(asked, "comment", j_text(comment));
	code = act_post(c, "/api/v1/silences", asked, &answer);
	return code ? code : told(c, answer, true);
}

int cmd_silence(struct cli *c, int argc, char **argv)
{
	const char *author = act_author(), *comment = "", *until = NULL;
	bool all = false;
	const struct arg args[] = {
		{ "until", 0, ARG_TEXT, "TIME",
		  "when it ends, instead of LEN (2h): \"18:00\", \"2026-11-30 08:00\"", &until },
		{ "comment", 'm', ARG_TEXT, "TEXT", "why", &comment },
		{ "author", 0, ARG_TEXT, "NAME", "in whose name, if not yours", &author },
		{ "all", 'a', ARG_FLAG, NULL, "list: also what is over", &all },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code >= 0)
		return code;
	if (argc < 2 || !strcmp(argv[1], "list"))
		return argc > 2 ? cli_usage(c, "\"%s\" is not understood", argv[2])
				: list(c, all);
	if (!strcmp(argv[1], "end"))
		return end(c, argc, argv);
	if (!strcmp(argv[1], "add"))
		return add(c, argc - 1, argv + 1, author, comment, until);
	return add(c, argc, argv, author, comment, until);
}
