/* cmd_slow.c - culprit slow: slows a client, or refuses it, until a time.
 * SPDX-License-Identifier: ISC
 *
 * Says so to culpritd over its local socket, which is for root and culpritd's own user;
 * the helpers of Squid and nftables learn it there within seconds.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/act/client.h"
#include "daemon/act/socket.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"

enum { WAIT_MS = 3000 };

struct slow {
	struct cli *c;
	const char *lasts, *end, *why;
	bool list, refuse, dry_run;
};

static int connect_to(struct cli *c, int *fd)
{
	const struct config *conf = cli_config(c);
	struct err err = { "" };
	char *path;

	if (!conf)
		return EX_CONFIG;
	if (!conf->act.enabled)
		return cli_fail(EX_UNAVAILABLE, "acting is switched off: write act { enabled = "
				"yes } into the configuration, see culprit.conf(5)");
	path = act_socket_path(conf->act.socket, conf->state_dir);
	*fd = act_connect(path, WAIT_MS, &err);
	free(path);
	return *fd < 0 ? cli_fail(EX_UNAVAILABLE, "%s: is culpritd running, with this "
				  "configuration?", err.msg)
		       : -1;
}

/* Prints what the daemon said to one question, without its first word. */
static int say(int fd, const char *question, const char *before)
{
	char answer[ACT_LINE];
	struct strb s = { 0 };
	int code;

	if (!act_ask(fd, question, answer))
		return cli_fail(EX_UNAVAILABLE, "culpritd did not answer");
	if (strncmp(answer, "ok ", 3))
		return cli_fail(EXIT_FAILURE, "%s",
				strncmp(answer, "no ", 3) ? answer : answer + 3);
	strb_add(&s, before);
	strb_tty(&s, answer + 3);
	strb_add(&s, "\n");
	code = cli_print_text(&s);
	strb_free(&s);
	return code;
}

/* --- --list --- */

/* "ADDRESS ACT LEFT_S DRY SINCE_MS BY<TAB>WHY" */
static void row(struct table *t, char *line)
{
	char addr[64], act[16], left[UNIT_TEXT], at_text[UNIT_TEXT];
	char *tab = strchr(line, '\t');
	long long seconds, since;
	int dry, at = 0;

	if (!tab || sscanf(line, "%63s %15s %lld %d %lld %n", addr, act, &seconds, &dry,
			   &since, &at) != 5 || !at)
		return;
	*tab = '\0';
	table_row(t);
	table_text(t, addr);
	table_text(t, act);
	table_count(t, (uint64_t)seconds, text_duration(seconds * 1000, left));
	table_time(t, since, text_time(since, at_text));
	table_text(t, dry ? "yes" : "no");
	table_text(t, line + at);
	table_text(t, tab + 1);
}

static int list(const struct slow *s, int fd)
{
	static const struct column cols[] = {
		{ "address", "address", COL_TEXT }, { "act", "act", COL_TEXT },
		{ "left_s", "ends in", COL_VALUE }, { "since", "since", COL_TEXT },
		{ "dry_run", "dry run", COL_TEXT }, { "by", "wanted by", COL_TEXT },
		{ "why", "why", COL_TEXT },
	};
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	char line[ACT_LINE];
	bool ok = act_ask(fd, "list", line);
	int code;

	if (ok && !strncmp(line, "no ", 3)) {
		table_free(&t);
		return cli_fail(EX_NOPERM, "%s", line + 3);
	}
	for (; ok && strcmp(line, "."); ok = act_more(fd, line))
		row(t, line);
	code = !ok ? cli_fail(EX_UNAVAILABLE, "culpritd did not answer")
		   : cli_print(s->c, t,
			       table_rows(t) ? NULL : "nobody is slowed or refused\n", NULL,
			       NULL);
	table_free(&t);
	return code;
}

/* --- the rest --- */

static int begin(const struct slow *s, int fd, const char *address)
{
	const char *kind = s->refuse ? "refuse" : "slow";
	char *question, *before;
	int64_t for_ms = 3600000;
	int code;

	if (s->lasts && (!parse_duration(s->lasts, &for_ms) || for_ms < 1000))
		return cli_usage(s->c, "--for \"%s\": write it like 30m, 1h or 1h30m", s->lasts);
	question = xasprintf("%s %s %s %lld 0 %.200s", s->dry_run ? "try" : "begin", address,
			     kind, (long long)for_ms / 1000, s->why ? s->why : "");
	for (char *p = question; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	before = xasprintf("%s%s %s, ", s->dry_run ? "would do (nothing was done): " : "", kind,
			   address);
	code = say(fd, question, before);
	free(question);
	free(before);
	return code;
}

static int run(const struct slow *s, int argc, char **argv)
{
	const char *address = s->end ? s->end : argc > 1 ? argv[1] : NULL;
	struct addr a;
	char text[ADDR_TEXT], *question;
	int fd = -1, code;

	if (argc > 2 || (s->list && (address || s->lasts)) || (s->end && argc > 1))
		return cli_usage(s->c, "one address, or --list, or --end and an address");
	if (!s->list && !address)
		return cli_usage(s->c, "whom? write an address, or --list");
	if (address && !addr_parse(address, &a))
		return cli_usage(s->c, "\"%s\" is not an address", address);
	code = connect_to(s->c, &fd);
	if (code >= 0)
		return code;
	if (s->list) {
		code = list(s, fd);
	} else if (s->end) {
		question = xasprintf("end %s", addr_text(&a, text));
		code = say(fd, question, "");
		free(question);
	} else {
		code = begin(s, fd, addr_text(&a, text));
	}
	close(fd);
	return code;
}

int cmd_slow(struct cli *c, int argc, char **argv)
{
	struct slow s = { .c = c };
	const struct arg args[] = {
		{ "for", 0, ARG_TEXT, "TIME", "how long (1h)", &s.lasts },
		{ "refuse", 0, ARG_FLAG, NULL, "refuse instead of slowing", &s.refuse },
		{ "why", 0, ARG_TEXT, "TEXT", "for the log and the list", &s.why },
		{ "dry-run", 0, ARG_FLAG, NULL, "say what would be done, and do nothing",
		  &s.dry_run },
		{ "list", 0, ARG_FLAG, NULL, "who is slowed or refused, until when, why",
		  &s.list },
		{ "end", 0, ARG_TEXT, "ADDRESS", "end it now", &s.end },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	return code < 0 ? run(&s, argc, argv) : code;
}
