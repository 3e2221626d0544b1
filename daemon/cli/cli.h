/* cli.h - what all verbs of the culprit tool share.
 * SPDX-License-Identifier: ISC
 *
 * A verb is a function of its row in culprit.c. It reads its options with cli_args,
 * prints with cli_print and returns the exit code. The configuration, the calendar
 * and names are loaded when a verb first asks, so that `culprit replay` works where
 * there is no configuration at all.
 */
#ifndef CUL_CLI_CLI_H
#define CUL_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/cli/args.h"
#include "daemon/cli/table.h"
#include "daemon/config.h"
#include "daemon/model/calendar.h"
#include "daemon/model/names.h"

struct cli;

struct verb {
	const char *name;
	int (*run)(struct cli *c, int argc, char **argv); /* argv[0] is the verb */
	const char *usage; /* behind the name: "[--at TIME] [FILTER…]" */
	const char *help;  /* one line */
};

struct filter;
struct geo;
struct owners;

struct cli {
	/* global options */
	const char *config_file, *state_dir, *url, *token_file;
	bool json, csv, no_color, help, version;

	const char *config_more; /* a file read after the configuration, or NULL */
	const char *program; /* argv[0] */
	const struct verb *verb;
	char *question;      /* all words, as they were said */
	bool persons;        /* the answer tells of persons or URLs */
	int64_t now_ms;
	struct screen out; /* of standard output */

	struct config *config;
	struct calendar *calendar;
	struct names *names;
	struct owners *owners;
	struct geo *country;
	bool tried; /* config was asked for, whatever came of it */
};

/* The global options, which stand before or behind a verb. */
enum { CLI_OPTIONS = 10 };
void cli_options(struct cli *c, struct arg table[static CLI_OPTIONS]);
/* -1: go on with argv[1..*argc); else leave with that exit code (help was asked for, or
 * the options are wrong, which has been said). mine may be NULL. */
int cli_args(struct cli *c, int *argc, char **argv, const struct arg *mine);
int cli_usage(const struct cli *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* says it; returns EX_USAGE */
/* "culprit: sentence" on standard error; returns code. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same without an end. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The configuration: of -c, else CONFIG_FILE, with the state directory of --state;
 * without either, ./state where the machine has no CONFIG_STATE_DIR (said). NULL: its
 * mistakes have been said, leave with EX_CONFIG. Owned by c, as are the two below. */
const struct config *cli_config(struct cli *c);
/* In the configuration's time zone, which becomes that of texts too. NULL: as above. */
const struct calendar *cli_calendar(struct cli *c);
/* Exporters, interfaces and networks that the configuration names. NULL: as above. */
struct names *cli_names(struct cli *c);
/* What addresses are called, by the files that the configuration names; with `dns` the
 * DNS too, if it may be asked. NULL: as above, or it has been said. */
struct owners *cli_owners(struct cli *c, bool dns);
/* Lets f ask for countries, if a file is configured; says so when it asks and none is. */
void cli_geo(struct cli *c, struct filter *f);
/* What knows countries; NULL: nothing does, which has been said. Owned by c. */
struct geo *cli_country(struct cli *c);
void cli_fini(struct cli *c);

/* Prints t as asked (and for people first `head`, which is inert and may be NULL). JSON
 * is the array of rows, or, when `wrap` is given, that object with the array under
 * `key`; takes wrap. Returns EX_OK, or 1 when it could not be written. */
int cli_print(const struct cli *c, const struct table *t, const char *head, json_t *wrap,
	      const char *key);
int cli_print_json(json_t *j); /* takes */
int cli_print_text(const struct strb *s);

#endif
