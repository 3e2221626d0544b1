/* join.h - which requests a flow through the proxy was made of.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_JOIN_H
#define CUL_EVIDENCE_JOIN_H

#include "daemon/evidence/join_flow.h"
#include "daemon/evidence/request.h"

/* So many octets of this flow were for that request. */
struct join_part {
	uint32_t flow, request; /* indexes of what was given */
	double bytes;
	double weight; /* the same, but of a way whose octets nobody logged (the ACKs of a
			  download) the download's: to tell who had most of it */
};

struct join {
	struct join_part *parts;
	size_t n, cap;
};

struct veil;

/* Both lists are borrowed; flows are filled. veil: of the requests' clients, so that flows
 * are found by pseudonym too; NULL: they have none. Octets of a request outside of
 * [from_ms, to_ms) are nobody's. Free the answer with join_free. */
void join_run(struct join_flow *flows, size_t n_flows, struct request *const *requests,
	      size_t n_requests, const struct addr *proxies, size_t n_proxies,
	      int64_t from_ms, int64_t to_ms, const struct veil *veil, struct join *out);
void join_free(struct join *j);

#endif
