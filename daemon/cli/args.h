/* args.h - options as a table, so that help cannot forget one.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_ARGS_H
#define CUL_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/base/err.h"

enum arg_kind {
	ARG_FLAG,  /* bool *: becomes true */
	ARG_TEXT,  /* const char **: borrowed from argv */
	ARG_COUNT, /* uint64_t *: decimal digits */
};

struct arg {
	const char *name;  /* "at" of --at; NULL ends a table */
	char letter;       /* 'n' of -n; 0: none */
	enum arg_kind kind;
	const char *value; /* what help calls the value; NULL for flags */
	const char *help;  /* one line */
	void *to;          /* what it sets */
};

/* Takes the options of argv[1..*argc) that stand in one of two tables (either may be
 * NULL). What is no option moves to the front and *argc tells how many are left, verb
 * included. "--" ends options; a long name may be shortened while it stays the only
 * one. With `stop` the first word that is no option ends them too and *argc is left
 * alone: *used says how many words of argv were read (may be NULL otherwise). False +
 * err: one sentence. */
bool args_parse(int *argc, char **argv, const struct arg *mine, const struct arg *common,
		bool stop, int *used, struct err *err);

/* "  -n, --rows N     that many" lines. */
void args_help(const struct arg *table, FILE *to);

#endif
