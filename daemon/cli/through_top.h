/* through_top.h - `culprit top --by client|url|site`, `culprit flows --urls`.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_THROUGH_TOP_H
#define CUL_CLI_THROUGH_TOP_H

#include "daemon/cli/query.h"
#include "daemon/evidence/through.h"

/* How many of these keys are of a proxy; 0: none; -1 + err: mixed with others. */
int through_top_keys(const char *by, struct err *err);
/* Asks and prints; returns the exit code. */
int through_top(struct cli *c, const struct query *q, const char *by, unsigned n);

/* What the configuration tells for a question. */
struct through_conf {
	struct veil *veil;
	struct through_proxy *proxies;
};

/* All that a question needs but its keys; free conf with through_conf_free. False: no
 * squid section, which has been said. */
bool through_query_of(struct cli *c, const struct query *q, struct through_query *out,
		      struct through_conf *conf);
void through_conf_free(struct through_conf *conf);

/* Below a flow's line, a line for each URL; inert. bytes: of the flow. */
void through_urls_text(const struct through_urls *u, uint64_t bytes, struct strb *out);

#endif
