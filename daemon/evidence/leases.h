/* leases.h - who had which address when: files of DHCP servers, and hosts files.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_LEASES_H
#define CUL_EVIDENCE_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"

enum { LEASE_NAME = 256, LEASES_MAX = 1 << 17 };

/* One address and one name for a while. Not told is 0 for the beginning and INT64_MAX for
 * the end. An empty name: from then on nobody has it. */
struct lease {
	struct addr addr;
	int64_t from_ms, until_ms; /* Unix time */
	char name[LEASE_NAME];     /* text from outside */
};

typedef void lease_f(void *arg, const struct lease *l);

/* Calls fn for every lease of a file's text, in its order. The format shows by itself: that of
 * dnsmasq (dnsmasq.leases), ISC's dhcpd (dhcpd.leases), Kea's memfile (kea-leases4.csv,
 * kea-leases6.csv) or a hosts file. Lines that are none of these are skipped. now_ms: when it
 * was written, for what is told without a time. */
void leases_parse(const char *text, size_t len, int64_t now_ms, lease_f *fn, void *arg);

/* Follows one file: read whole when it has changed, what earlier readings knew and this
 * one does not is kept as the past. One thread looks, any may find. */
struct leases;
struct leases *leases_open(const char *path);
void leases_close(struct leases **l);
/* Looks for changes; at most every two seconds (of mono_ms), cheap otherwise. */
void leases_look(struct leases *l, int64_t mono_ms);
/* Whose it was at at_ms; false: not known. */
bool leases_find(const struct leases *l, const struct addr *a, int64_t at_ms,
		 char name[static LEASE_NAME]);
size_t leases_count(const struct leases *l);

#endif
