/* tip.h - the file that is being written.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_TIP_H
#define CUL_ARCHIVE_TIP_H

#include "daemon/base/err.h"
#include "storage/archive/frame.h"

struct tip {
	int fd;                /* -1: none */
	int64_t file_s;
	uint64_t size;         /* octets that are whole */
	uint32_t ordinal;      /* of the next frame */
	struct totals totals;
	bool dirty;            /* something is not synced */
	bool suspect;          /* what lies behind size is not known: do not go on */
	int error;             /* errno of the last failure */
};

enum tip_got {
	TIP_OPEN,  /* ready */
	TIP_TAKEN, /* closed, or written by somebody else: take another one */
	TIP_FAILED /* err tells */
};

/* Opens the file of file_s to go on behind its last whole frame (a torn end is cut
 * off), or makes it when `make`. */
enum tip_got tip_open(struct tip *t, const char *directory, int64_t file_s, bool make,
			struct err *err);
/* Appends a frame, or nothing. */
bool tip_append(struct tip *t, enum frame_type type, uint32_t rows, const struct out *head,
		 const struct out *body, struct err *err);
bool tip_sync(struct tip *t, struct err *err);
/* Writes the END frame, syncs and closes. On failure the file stays as it was, open. */
bool tip_close(struct tip *t, struct err *err);
void tip_drop(struct tip *t); /* closes without END */

#endif
