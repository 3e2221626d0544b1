/* owners.h - what addresses are called, by whatever knows it best.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_OWNERS_H
#define CUL_EVIDENCE_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

enum { OWNER_NAME = 256 };

struct owners;

struct owners_opts {
	const char *hosts;         /* "": none */
	const char *const *leases; /* files of DHCP servers */
	size_t n_leases;
	bool dns;
	const char *nameserver;    /* "": the system's */
	bool watched;              /* a thread of the caller's looks now and then; else whoever
				      finds looks, and may hang with a file system */
};

struct owner {
	struct addr addr;
	char name[OWNER_NAME]; /* "": not known. Text from outside */
};

/* Copies what it needs. NULL + err. */
struct owners *owners_start(const struct owners_opts *o, struct err *err);
void owners_stop(struct owners **o);

/* Fills the names that the n addresses of list had at at_ms; waits at most wait_ms for
 * those that must be asked for. Any thread. */
void owners_find(struct owners *o, struct owner *list, size_t n, int64_t at_ms, int wait_ms);
/* Now and then: reads files that have changed, so that their past is known. Any thread;
 * while one is looking another returns at once. */
void owners_look(struct owners *o);

#endif
