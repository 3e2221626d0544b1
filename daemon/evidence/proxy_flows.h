/* proxy_flows.h - the archived flows that have a proxy at one end.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_PROXY_FLOWS_H
#define CUL_EVIDENCE_PROXY_FLOWS_H

#include "daemon/evidence/join.h"
#include "daemon/model/series.h"
#include "storage/archive/archive.h"

struct proxy_flows_query {
	const char *directory;
	int64_t from_ms, to_ms;      /* [from, to), event time */
	const struct filter *filter; /* borrowed */
	const struct names *names;   /* may be NULL */
	const struct key *only;      /* NULL, or: of this series alone */
	enum by only_by;
	struct archive_position as_of;
	const struct addr *proxies;
	size_t n_proxies;
	size_t max;                  /* flows at most; 0: 200,000 */
};

/* The part of each flow that lies in [from, to); octets by overlap, as everywhere (D1).
 * Gives *n of them, to be freed; *cut: there were more than max. NULL + err: nothing
 * could be read. */
struct join_flow *proxy_flows(const struct proxy_flows_query *q, size_t *n, bool *cut,
			      struct archive_result *read, struct err *err);

bool is_one_of(const struct addr *a, const struct addr *list, size_t n);

#endif
