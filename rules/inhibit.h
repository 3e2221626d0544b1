/* inhibit.h - which alert says it already, so that another need not.
 * SPDX-License-Identifier: ISC
 *
 * Sources are put in while they fire; a target asks whether one of them speaks for it.
 * All is constant in the number of alerts: sources are found by a hash of what must be
 * equal, hosts by their address among the flows that sources name.
 */
#ifndef CUL_RULES_INHIBIT_H
#define CUL_RULES_INHIBIT_H

#include "daemon/base/map.h"
#include "rules/match.h"

enum { INHIBITS_MAX = 16, INHIBIT_NONE = -1 };
/* What must be equal between the two; bits. */
enum { EQUAL_EXPORTER = 1, EQUAL_INTERFACE = 2, EQUAL_NETWORK = 4, EQUAL_HOST = 8,
       EQUAL_RULE = 16, EQUAL_SERIES = 32, EQUAL_WORDS = 6 };
extern const char *const equal_word[EQUAL_WORDS + 1]; /* "exporter" …, NULL ends */

struct inhibit_rule {
	const char *name;
	struct match *source, *target;
	unsigned equal;
};

struct inhibit {
	const struct inhibit_rule *rule; /* n_rule; borrowed */
	unsigned n_rule;
	struct map sources; /* rule and what is equal -> how many, and the newest */
	struct map named;   /* address -> the same, of links that name it */
};

void inhibit_init(struct inhibit *i, const struct inhibit_rule *rules, unsigned n,
		  uint32_t max_alerts);
void inhibit_fini(struct inhibit *i);

/* An alert begins or ceases to be a source; handle is the caller's name for it. Returns
 * whether it is a source of anything, so whether targets should ask again. */
bool inhibit_put(struct inhibit *i, const struct labels *l, int handle, bool on);

/* Hosts that carry much of a link's alert: up to INHIBIT_HOSTS addresses that have, each,
 * a third of its flows' bytes or more. */
enum { INHIBIT_HOSTS = 6 };
unsigned inhibit_hosts(const struct alert *link, struct addr out[INHIBIT_HOSTS]);
void inhibit_name(struct inhibit *i, const struct addr *hosts, unsigned n, int handle,
		  bool on);

/* The newest source of a configured rule that speaks for such an alert: its handle, or
 * INHIBIT_NONE with *by NULL; INHIBIT_NONE with *by set: one that is not known by handle
 * any more. */
int inhibit_find(const struct inhibit *i, const struct labels *l,
		 const struct inhibit_rule **by);
/* The newest link whose alert names the host of this one, or INHIBIT_NONE. */
int inhibit_link(const struct inhibit *i, const struct labels *l);

#endif
