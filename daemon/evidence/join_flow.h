/* join_flow.h - a flow through the proxy, as a join sees it.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_JOIN_FLOW_H
#define CUL_EVIDENCE_JOIN_FLOW_H

#include <stdint.h>

#include "daemon/base/addr.h"

enum join_leg {
	JOIN_NONE,   /* direct traffic: neither end is the proxy */
	JOIN_CLIENT, /* between client and proxy */
	JOIN_ORIGIN, /* between proxy and origin */
	JOIN_UNKNOWN /* the proxy's, but no request has the other end */
};

/* A flow, or the part of one that lies in the window asked about. */
struct join_flow {
	struct addr src, dst;
	uint16_t src_port, dst_port;
	uint32_t exporter; /* who saw it: what one saw is explained apart from what others
			      saw, for it may be the same traffic */
	int64_t from_ms, to_ms;
	uint64_t bytes;
	enum join_leg leg; /* filled */
	double explained;  /* filled: octets of it that requests explain, at most bytes */
};

#endif
