/* culprit.c - the command-line tool: a table of verbs and a loop.
 * SPDX-License-Identifier: ISC
 */
#include <curl/curl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/near.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/cmd.h"

#ifndef CUL_VERSION
#define CUL_VERSION "0"
#endif

#define RANGE "[--at TIME[/LEN]] [--from TIME] [--to TIME]"

static int score(struct cli *c, int argc, char **argv)
{
	(void)c;
	return cmd_score(argc, argv);
}

static const struct verb verbs[] = {
	{ "status", cmd_status, "[--json]",
	  "Exporters, what they sent and what got lost, sockets, channels, disk" },
	{ "top", cmd_top, RANGE " [--by KEYS] [-n ROWS] [FILTER...]",
	  "Who moved most, in the last five minutes or at any time" },
	{ "changed", cmd_changed, RANGE " [--measure MEASURE] [FILTER...]",
	  "What is other than at this hour of other weeks" },
	{ "flows", cmd_flows, RANGE " [-n ROWS] [FILTER...]",
	  "Flows that pass a filter" },
	{ "alerts", cmd_alerts, RANGE " [--rule NAME] [--state firing|resolved] [--all]",
	  "Alerts, those that stand first" },
	{ "show", cmd_show, "ALERT", "Everything that is known of one alert" },
	{ "ack", cmd_ack, "ALERT [COMMENT...]",
	  "Say that you know of an alert: no more reminders, no escalation" },
	{ "silence", cmd_silence,
	  "[add] ALERT|FILTER... [LEN] [--until TIME] | list | end SILENCE",
	  "What nobody need be told of for a while" },
	{ "notify", cmd_notify, "[retry [CHANNEL]]",
	  "Channels, what waits for them, what was given up" },
	{ "history", cmd_history, "list [TEXT] | SERIES [--from TIME] [--to TIME]",
	  "A series through time" },
	{ "baseline", cmd_baseline, "[SERIES]",
	  "The week that was learnt of a series, and what is normal now" },
	{ "learn", cmd_learn, "[--from TIME] [RULE]",
	  "What is normal, from the past that there is" },
	{ "slow", cmd_slow, "ADDRESS [--for TIME] | --list | --end ADDRESS",
	  "Slow a client down, or refuse it, until a time" },
	{ "who", cmd_who, RANGE " PSEUDONYM",
	  "Whose pseudonym it is, for who may read the key" },
	{ "backtest", cmd_backtest,
	  "[RULE|FILE] [--from TIME] [--to TIME] [--suggest] [--budget RATE]",
	  "When rules would have fired, and how often at other limits" },
	{ "test-notify", cmd_test_notify, "[-v] CHANNEL",
	  "Send a sample; on failure the conversation and what to change" },
	{ "export", cmd_export, RANGE " [--format FORMAT] [--send HOST:PORT] [FILTER...]",
	  "Flows for other programs, as text or as datagrams" },
	{ "import", cmd_import, "[--exporter WHO] FILE...",
	  "Take over what nfdump, flow-tools, CSV or pcap files hold" },
	{ "verify", cmd_verify, "[-v] [DIRECTORY]", "Whether an archive is whole" },
	{ "replay", cmd_replay, "[--fast] FILE",
	  "Decode what a capture holds and print its flows" },
	{ "score", score, "--detector NAME FILE.csv",
	  "Run a detector over a series in a file" },
	{ "demo", cmd_demo, "[--json]",
	  "The daemon with traffic of its own, and a culprit in it" },
};

/* Who asks these is written down, where the configuration says so. */
static bool about_persons(const struct verb *v)
{
	static const char *const names[] = { "top", "changed", "flows", "alerts", "show",
					     "export", "history", "who" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(v->name, names[i]))
			return true;
	return false;
}

static const struct verb *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, word))
			return &verbs[i];
	return NULL;
}

static int help(const struct arg *options, FILE *to, int code)
{
	fputs("usage: culprit [OPTION...] VERB [...]\n"
	      "Asks what happened on the network, and who did it.\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	fputs(
	    "\nOptions, before or behind the verb (`culprit VERB --help` has those of a "
	    "verb):\n",
	    to);
	args_help(options, to);
	return code;
}

/* The verb that is near the word, or shares most with it from the beginning. */
static const char *meant(const char *word)
{
	struct near near = near_to(word);
	const char *best = NULL;
	size_t most = 1;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		near_try(&near, verbs[i].name);
	if (near.best)
		return near.best;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		size_t n = 0;

		while (word[n] && word[n] == verbs[i].name[n])
			n++;
		if (n > most) {
			most = n;
			best = verbs[i].name;
		}
	}
	return best;
}

static char *all_words(int n, char **words)
{
	struct strb s = { 0 };

	for (int i = 0; i < n; i++) {
		strb_add(&s, i ? " " : "");
		strb_add(&s, words[i]);
	}
	return strb_take(&s);
}

static int run(struct cli *c, int argc, char **argv)
{
	struct arg options[CLI_OPTIONS];
	struct err err = { "" };
	const char *near;
	int used;

	cli_options(c, options);
	if (!args_parse(&argc, argv, options, NULL, true, &used, &err)) {
		cli_say("%s", err.msg);
		return help(options, stderr, EX_USAGE);
	}
	if (c->version) {
		printf("culprit %s\n", CUL_VERSION);
		return EX_OK;
	}
	if (c->help || (used < argc && !strcmp(argv[used], "help")))
		return help(options, stdout, EX_OK);
	if (used >= argc)
		return help(options, stderr, EX_USAGE);
	c->verb = find(argv[used]);
	c->question = all_words(argc - used, argv + used);
	c->persons = c->verb && about_persons(c->verb);
	if (c->verb)
		return c->verb->run(c, argc - used, argv + used);
	near = meant(argv[used]);
	return cli_fail(EX_USAGE,
			"there is no verb \"%s\"; %s%s%s`culprit --help` lists them",
			argv[used], near ? "did you mean \"" : "", near ? near : "",
			near ? "\"? " : "");
}

int main(int argc, char **argv)
{
	struct cli c = { .program = argv[0], .now_ms = clock_wall_ms() };
	int code;

	setlocale(LC_CTYPE, "");
	log_init(LOG_LEVEL_WARN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	code = run(&c, argc, argv);
	cli_fini(&c);
	curl_global_cleanup();
	return code;
}
