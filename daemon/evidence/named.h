/* named.h - names put beside what is shown: flows, and alerts that went out without.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_NAMED_H
#define CUL_EVIDENCE_NAMED_H

#include "daemon/evidence/owners.h"
#include "daemon/model/alert.h"

struct join_flow; /* daemon/evidence/join_flow.h */
struct strb;

struct flow_names {
	char src[OWNER_NAME], dst[OWNER_NAME]; /* "": not known. Text from outside */
};

/* What the ends of n flows were called when they ended; names that must be asked for are
 * waited for at most wait_ms in all. Gives n of them. o may be NULL. */
struct flow_names *flow_names_find(struct owners *o, const struct join_flow *f, size_t n,
				   int wait_ms);
/* An end whose address is not to be told has no name either. */
void flow_names_withhold(struct flow_names *names, const struct join_flow *f,
			 const struct addr *withheld);
/* Puts "src_name" and "dst_name" (null: not known) into the JSON object that out ends with. */
void flow_names_json(const struct flow_names *names, struct strb *out);
/* " from reception-pc to cdn-7.example.net", inert for a terminal. */
void flow_names_text(const struct flow_names *names, struct strb *out);

/* Fills the names that an alert went out without, as far as they are known by now; what it
 * has stays. Never waits, but an address that nobody knows is asked for. o may be NULL. */
void alert_name_late(struct alert *a, struct owners *o);
void alert_json_name_late(json_t *alert, struct owners *o); /* alert_json's */

#endif
