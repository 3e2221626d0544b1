/* closed.h - the closed files of an archive, and which of them go.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_CLOSED_H
#define CUL_ARCHIVE_CLOSED_H

#include "daemon/base/err.h"
#include "storage/archive/dir.h"

#include <time.h>

/* The archive thread's own. */
struct closed {
	const char *directory; /* borrowed */
	struct dir_list files;
	uint64_t octets;         /* of all, summaries and what lies beside them included */
	struct timespec looked;  /* when imported files were last looked for */
	int64_t seen_ms, hold_ms; /* a clock that jumps deletes nothing for a while */
};

/* Limits of what is kept; 0: none, for min_free 256 MB (archive.h). */
struct closed_limits {
	int64_t keep_ms;
	uint64_t max_octets, min_free;
};

bool closed_open(struct closed *c, const char *directory); /* false: errno tells */
void closed_fini(struct closed *c);
struct dir_entry *closed_find(const struct closed *c, int64_t file_s);
void closed_note(struct closed *c, int64_t file_s, uint64_t octets);
/* No longer one of them: it goes on. */
void closed_reopen(struct closed *c, size_t i);
/* A summary of so many octets was made. */
void closed_summed(struct closed *c, int64_t file_s, uint64_t octets);
void closed_clock(struct closed *c, int64_t now_ms); /* each second */
/* Removes what is too old, or too much beside `open` octets of the open file. */
void closed_expire(struct closed *c, const struct closed_limits *l, uint64_t open,
		   int64_t now_ms);

#endif
