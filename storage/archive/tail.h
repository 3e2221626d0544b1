/* tail.h - the file that is being written.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_TAIL_H
#define CUL_ARCHIVE_TAIL_H

#include "daemon/base/err.h"
#include "storage/archive/frame.h"

struct tail {
	int fd;                /* -1: none */
	int64_t file_s;
	uint64_t size;         /* octets that are whole */
	uint32_t ordinal;      /* of the next frame */
	struct totals totals;
	bool dirty;            /* something is not synced */
	bool suspect;          /* what lies behind size is not known: do not go on */
	int error;             /* errno of the last failure */
};

enum tail_got {
	TAIL_OPEN,  /* ready */
	TAIL_TAKEN, /* closed, or written by somebody else: take another one */
	TAIL_FAILED /* err tells */
};

/* Opens the file of file_s to go on behind its last whole frame (a torn end is cut
 * off), or makes it when `make`. */
enum tail_got tail_open(struct tail *t, const char *directory, int64_t file_s, bool make,
			struct err *err);
/* Appends a frame, or nothing. */
bool tail_append(struct tail *t, enum frame_type type, uint32_t rows, const struct out *head,
		 const struct out *body, struct err *err);
bool tail_sync(struct tail *t, struct err *err);
/* Writes the END frame, syncs and closes. On failure the file stays as it was, open. */
bool tail_close(struct tail *t, struct err *err);
void tail_drop(struct tail *t); /* closes without END */

#endif
