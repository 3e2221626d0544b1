/* intake.h - flows of another collector on their way into the archive.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_INTAKE_H
#define CUL_ARCHIVE_INTAKE_H

#include "daemon/base/err.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"

enum { INTAKE_ID = 33 }; /* 32 hex digits and NUL */

struct intake; /* one process's, one thread's */
struct intake_source;

struct intake_done {
	uint64_t rows, bytes, packets, flows;
	int64_t start_ms, end_ms; /* least start, greatest end */
	uint32_t files;
};

/* Takes the directory (made when it is not there) for imports; what an interrupted import
 * left is taken away. NULL + err, also when another import is at work. */
struct intake *intake_open(const char *directory, struct err *err);
void intake_close(struct intake **in);

/* Whether a source of that id (a hash of its content) is in the archive, and then what it
 * was: *done may be NULL. */
bool intake_has(struct intake *in, const char *id, struct intake_done *done);

/* Begins one. names is borrowed until it ends. */
struct intake_source *intake_begin(struct intake *in, const char *id,
				   const struct names *names, struct err *err);
/* Every row is filed under the five minutes of its received_ms. */
bool intake_block(struct intake_source *s, const struct block *b, struct err *err);
/* All of it is in the archive, or (false + err) nothing. Ends s. `what` is noted for
 * people: the source's name. */
bool intake_commit(struct intake_source **s, const char *what, struct intake_done *done,
		   struct err *err);
void intake_abort(struct intake_source **s);

/* What history has not yet been told of: times of the flows of sources that were committed,
 * by this import or one before. False: nothing. */
bool intake_owed(struct intake *in, int64_t *from_ms, int64_t *to_ms);
void intake_paid(struct intake *in); /* now it has */

/* Makes the summaries of what was committed since intake_open; false: `stop` said so.
 * Not having them costs time only. */
void intake_summaries(struct intake *in, void (*tell)(void *arg, uint64_t done, uint64_t all),
		      void *arg);

#endif
