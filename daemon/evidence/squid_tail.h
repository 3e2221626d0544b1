/* squid_tail.h - follows a log through its rotations.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_SQUID_TAIL_H
#define CUL_EVIDENCE_SQUID_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct squid_tail;

struct squid_tail_opts {
	const char *path;       /* of the log */
	const char *state;      /* file that keeps the position over restarts; NULL: none */
	uint64_t back;          /* octets of what is there already that are read at the start */
	/* One whole line without its newline; borrowed. `again`: it was given before the
	 * restart, and counts for memory but not for figures. */
	void (*line)(void *arg, const char *line, size_t len, bool again);
	/* Before the position is kept: are all lines given so far where a crash does not
	 * take them? False: it is not kept yet. NULL: they are. */
	bool (*safe)(void *arg);
	void *arg;
};

struct squid_tail_stats {
	uint64_t lines, too_long; /* whole ones given; skipped for their length */
	uint64_t rotations, truncations;
	bool there;               /* the log could be opened */
	char why[256];            /* if not: one sentence */
};

/* Reads nothing yet; the log need not be there. One thread for a tail. */
struct squid_tail *squid_tail_open(const struct squid_tail_opts *o);
/* Reads what has come, at most some megabytes: true when there is more. now_ms is
 * monotonic. Never waits for anything but the disk. */
bool squid_tail_step(struct squid_tail *t, int64_t now_ms);
void squid_tail_stats(const struct squid_tail *t, struct squid_tail_stats *out);
void squid_tail_close(struct squid_tail **t); /* keeps the position */

#endif
