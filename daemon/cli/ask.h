/* ask.h - a question to the running daemon.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_ASK_H
#define CUL_CLI_ASK_H

#include <jansson.h>

#include "daemon/cli/cli.h"

enum ask_outcome {
	ASK_OK,
	ASK_AWAY,    /* nobody answered: the state directory may know */
	ASK_REFUSED, /* it answered that it would not or could not; err has its words */
	ASK_CONFIG,  /* our configuration is wrong, which has been said */
};

/* GET path ("/api/v1/status"), or POST with body when that is not NULL. *out is given on
 * ASK_OK, and on ASK_REFUSED where the refusal is JSON; else NULL. err is one sentence.
 * The address is that of --url, else of the configuration's http section. */
enum ask_outcome ask(struct cli *c, const char *path, const char *body, json_t **out,
		     struct err *err);

/* What a verb that cannot go on without an answer ends with, after anything but ASK_OK:
 * says err's sentence (ASK_CONFIG has been said) and returns the exit code. */
int ask_failed(enum ask_outcome rc, const struct err *err);

/* Adds "name=value" to a path, after ? or &, escaped. */
void ask_param(struct strb *path, const char *name, const char *value);

#endif
