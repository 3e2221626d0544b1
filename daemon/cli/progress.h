/* progress.h - how far, and how long still.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_PROGRESS_H
#define CUL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;  /* "reading trace.pcap"; borrowed */
	bool on;           /* standard error is a terminal that can move its cursor */
	bool shown;
	int64_t began_ms, last_ms;
	unsigned round;      /* what needs more memory than it may is read again and again */
	int64_t round_ms;    /* when this one began */
	uint64_t round_done;
};

void progress_begin(struct progress *p, const char *what);
/* done of all (0: nobody knows). Draws at most ten times a second, and nothing in the
 * first second: what is quick needs no bar. When done falls back, all begins again: the
 * bar then numbers the rounds, and what is left is of this one. */
void progress_at(struct progress *p, uint64_t done, uint64_t all);
/* The same as archive_query wants it; arg is a struct progress. */
void progress_tell(void *arg, uint64_t done, uint64_t all);
void progress_end(struct progress *p); /* wipes the line */

#endif
