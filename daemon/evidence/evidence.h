/* evidence.h - the thread that finds out who did it.
 * SPDX-License-Identifier: ISC
 *
 * Alerts come out of the archive's queue with their position, so the flows read
 * here are exactly those that had been judged. What cannot be found in time
 * stays bare: an alert is never held up for its evidence.
 */
#ifndef CUL_EVIDENCE_EVIDENCE_H
#define CUL_EVIDENCE_EVIDENCE_H

#include "daemon/base/err.h"
#include "daemon/model/alert.h"
#include "daemon/model/calendar.h"

enum { EVIDENCE_FLOWS = 10 }; /* that an alert names */

struct evidence;
struct geo;
struct owners;
struct squid;

struct evidence_opts {
	const char *archive_dir; /* "": no flows are kept */
	const struct names *names;
	size_t memory;           /* octets that one search may use */
	struct squid *squid;     /* what was asked of the proxy; NULL: there is none */
	/* Takes the alert with everything that is known of it. */
	void (*done)(void *arg, struct alert *a);
	void *arg;
	const struct calendar *calendar; /* of earlier days and weeks; NULL: those of UTC */
	struct owners *owners;   /* what addresses are called; NULL: nothing knows */
	struct geo *country;     /* for filters; NULL: none is configured */
	int wait_ms;             /* for names that must be asked for */
};

struct evidence *evidence_start(const struct evidence_opts *o);
void evidence_alert(struct evidence *e, struct alert *a); /* takes; any thread, waits never */
void evidence_stop(struct evidence **e);                  /* what is queued goes on, bare */

/* The same without a thread: fills a. */
void evidence_fill(const struct evidence_opts *o, struct alert *a);

#endif
