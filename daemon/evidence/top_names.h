/* top_names.h - what the addresses of a top list are called.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_TOP_NAMES_H
#define CUL_EVIDENCE_TOP_NAMES_H

#include "daemon/evidence/owners.h"
#include "daemon/evidence/top.h"

/* Fills the names of the rows' addresses, as they were at at_ms; waits at most wait_ms. */
void top_names(struct top_result *r, const struct top_key *keys, unsigned n_keys,
	       struct owners *o, int64_t at_ms, int wait_ms);
bool top_key_is_addr(const struct top_key *k); /* one address, which may have a name */

#endif
