/* ifnames.h - names of interfaces, from the SNMP agents of exporters.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_IFNAMES_H
#define CUL_EVIDENCE_IFNAMES_H

#include "daemon/evidence/snmp.h"

struct ifnames;

struct ifnames_target {
	uint32_t exporter; /* id in names */
	struct snmp_agent agent;
	int64_t every_ms;
};

typedef int ifnames_ask_f(const struct snmp_agent *a, struct interface *list, struct err *err);

/* Begins a thread of its own, which asks no one until it is configured. names is borrowed
 * until the stop; ask is snmp_interfaces, except in tests. */
struct ifnames *ifnames_start(struct names *n, ifnames_ask_f *ask);
void ifnames_stop(struct ifnames **i);
/* Whom to ask from now on; copies. Who was asked before and is not now is forgotten with all
 * that it told. Any thread; does not wait for questions under way. */
void ifnames_configure(struct ifnames *i, const struct ifnames_target *t, size_t n);

struct ifnames_state {
	bool asked;     /* at least once, since it was configured */
	size_t known;   /* interfaces that it told last */
	uint64_t moved; /* times that an index went to another interface */
	struct err err; /* "": it answers */
};
/* False: that exporter is not asked. Any thread. */
bool ifnames_state(struct ifnames *i, uint32_t exporter, struct ifnames_state *out);

#endif
