/* cmd_notify.c - culprit notify: channels, what waits for them, what was given up.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cmd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/act.h"
#include "daemon/cli/ask.h"
#include "daemon/model/alert.h"

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void count(struct table *t, const json_t *j, const char *key, enum paint p)
{
	json_int_t v = json_integer_value(json_object_get(j, key));
	char text[32];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, v);
	table_count(t, (uint64_t)(v > 0 ? v : 0), text);
	if (v && p != PAINT_NONE)
		table_paint(t, p);
}

static void add_channel(struct table *t, const json_t *j)
{
	int64_t sent = alert_time(str(j, "last_sent"));
	char text[UNIT_TEXT];

	table_row(t);
	table_text(t, str(j, "name"));
	count(t, j, "queued", PAINT_YELLOW);
	count(t, j, "dead", PAINT_RED);
	count(t, j, "sent", PAINT_NONE);
	count(t, j, "failed", PAINT_NONE);
	if (sent)
		table_time(t, sent, text_time(sent, text));
	else
		table_none(t);
	table_text(t, str(j, "last_error"));
}

static void add_letter(struct table *t, const json_t *j)
{
	int64_t at = alert_time(str(j, "given_up_at"));
	char text[UNIT_TEXT];

	table_row(t);
	table_text(t, str(j, "channel"));
	table_time(t, at, text_time(at, text));
	count(t, j, "attempts", PAINT_NONE);
	table_text(t, *str(j, "alert") ? str(j, "alert") : "a digest");
	table_text(t, str(j, "headline"));
	table_text(t, str(j, "why"));
}

static int show(struct cli *c)
{
	static const struct column cols[] = {
		{ "name", "channel", COL_TEXT },     { "queued", "waiting", COL_VALUE },
		{ "dead", "given up", COL_VALUE },   { "sent", "sent", COL_VALUE },
		{ "failed", "failed", COL_VALUE },   { "last_sent", "last", COL_VALUE },
		{ "last_error", "last error", COL_LONG },
	}, dead[] = {
		{ "channel", "given up", COL_TEXT }, { "given_up_at", "when", COL_VALUE },
		{ "attempts", "tries", COL_VALUE },  { "alert", "alert", COL_LONG },
		{ "headline", "what", COL_TEXT },    { "why", "why", COL_LONG },
	};
	struct err err = { "" };
	json_t *answer, *j;
	enum ask_outcome rc = ask(c, "/api/v1/notify", NULL, &answer, &err);
	struct table *t, *d;
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
	d = table_new(dead, ARRAY_LEN(dead));
	json_array_foreach(json_object_get(answer, "channels"), i, j)
		add_channel(t, j);
	json_array_foreach(json_object_get(answer, "dead"), i, j)
		add_letter(d, j);
	code = cli_print(c, t, table_rows(t) ? NULL : "No notify section: nobody is told.\n", NULL,
			 NULL);
	if (!code && table_rows(d) && !c->csv) {
		code = cli_print(c, d, "\n", NULL, NULL);
		puts("\nOnce it is mended: culprit notify retry");
	}
	table_free(&t);
	table_free(&d);
	json_decref(answer);
	return code;
}

static int retry(struct cli *c, const char *channel)
{
	json_t *asked = json_object(), *answer;
	json_int_t n;
	int code;

	json_object_set_new(asked, "channel", channel ? j_text(channel) : json_null());
	code = act_post(c, "/api/v1/notify/retry", asked, &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(answer);
	n = json_integer_value(json_object_get(answer, "retried"));
	if (n)
		printf("%" JSON_INTEGER_FORMAT " message%s tried again.\n", n,
		       n == 1 ? " is" : "s are");
	else
		puts("Nothing was given up.");
	json_decref(answer);
	return EX_OK;
}

int cmd_notify(struct cli *c, int argc, char **argv)
{
	int code = cli_args(c, &argc, argv, NULL);

	if (code >= 0)
		return code;
	if (argc == 1 || (argc == 2 && !strcmp(argv[1], "list")))
		return show(c);
	if (!strcmp(argv[1], "retry") && argc <= 3)
		return retry(c, argc == 3 ? argv[2] : NULL);
	return cli_usage(c, "\"%s\" is not understood; `culprit notify retry [CHANNEL]` sends "
			    "again what was given up", argv[1]);
}
