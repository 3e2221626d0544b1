/* nf5.h - what the NetFlow versions with fixed records share.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_NF5_H
#define CUL_COLLECT_NF5_H

#include "daemon/collect/plan.h"

/* A header and the records after it, of one size. */
struct layout {
	uint8_t header;      /* octets */
	bool sequence;       /* counts flows, at octet 16 */
	bool engine;         /* type and id at octets 20 and 21 */
	bool sampling;       /* 2 bits of mode and 14 of interval at octet 22 */
	bool exact;          /* refuse octets behind the last record */
	struct plan plan;
};

int nf5_layout(struct dgram *d, struct rd r, const struct layout *l);

/* For plan.told: the bit of target t when it is in word w. */
#define TOLD(w, t) ((unsigned)(t) >> 6 == (w) ? UINT64_C(1) << ((t) & 63) : 0)
/* What record_settle() looks for in a plan of records with uptimes. */
#define TOLD_TIMES(w) (TOLD(w, S_START_UP) | TOLD(w, S_END_UP))
#define TOLD_PORTS(w) (TOLD_TIMES(w) | TOLD(w, F_proto) | TOLD(w, F_dst_port))

#endif
