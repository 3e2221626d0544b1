/* alerts.h - alerts, from the daemon or from its history.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_ALERTS_H
#define CUL_CLI_ALERTS_H

#include "daemon/cli/cli.h"
#include "daemon/model/alert.h"
#include "storage/store.h"

struct alert_list {
	struct alert **at; /* newest first */
	json_t **json;     /* the same as they were told */
	size_t n;
	bool more;         /* there were more than asked for */
};

/* Which; all zero is every one. Times in Unix ms: those that fired in any of [from, to). */
struct alert_query {
	int64_t from_ms, to_ms; /* to 0: no range */
	const char *state, *rule;
};

/* At most `limit` alerts, the newest. Asks the daemon, or its history where it does not
 * answer. EX_OK, or the exit code (said). alerts_free in any case. */
int alerts_read(struct cli *c, const struct alert_query *q, size_t limit,
		struct alert_list *out);
void alerts_free(struct alert_list *l);

/* The alert with that id, or whose id alone begins so. Gives; NULL: *code, said. */
struct alert *alerts_find(struct cli *c, const char *id, int *code);

/* The history of the configuration, read only. NULL + err. */
struct store *cli_store(struct cli *c, struct err *err);

#endif
