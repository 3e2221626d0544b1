/* act.h - what the verbs that change something have in common.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_ACT_H
#define CUL_CLI_ACT_H

#include <jansson.h>

#include "daemon/cli/cli.h"

/* Who does it, when nobody says: the person behind sudo, else the account. */
const char *act_author(void);
/* argv[from..argc) with blanks between; the caller frees. */
char *act_words(int argc, char **argv, int from);
/* POSTs (takes `asked`); EX_OK with *answer given, else the exit code, said. */
int act_post(struct cli *c, const char *path, json_t *asked, json_t **answer);

#endif
