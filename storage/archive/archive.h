/* archive.h - every flow on disk, in five-minute files of columns.
 * SPDX-License-Identifier: ISC
 *
 * The writer is one thread fed by a bounded queue of blocks and marks in the
 * order of analysis. A mark (an alert) makes it write out what it holds, note
 * the position in the alert and pass the alert on: so evidence, and `culprit
 * top --as-of` for ever after, reads exactly the flows that had been judged
 * (D4). A full queue drops blocks, never marks, counted. Files are named by
 * receive time in UTC: flows/2026/11/23/1035.cul. The format stands byte by
 * byte in contrib/archive-format.md.
 */
#ifndef CUL_STORAGE_ARCHIVE_H
#define CUL_STORAGE_ARCHIVE_H

#include "daemon/base/err.h"
#include "daemon/model/alert.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"
#include "rules/filter/filter.h"

struct archive;

struct archive_opts {
	const char *directory;
	int64_t keep_ms;       /* 0: for ever */
	uint64_t max_octets;   /* 0: no bound */
	uint64_t min_free;     /* octets to leave on the file system; 0: 256 MB, and never
				  more than a twentieth of it */
	bool no_summaries;     /* closed files get none from this process */
	unsigned queue_blocks; /* blocks that may wait; 0: 96 */
	const struct names *names;
	/* Takes the alert, whose position is filled; called on the writer's thread. */
	void (*mark_done)(void *arg, struct alert *a);
	void *arg;
};

struct archive_stats {
	uint64_t octets, files;       /* on disk now */
	uint64_t flows_written, flows_dropped;
	uint64_t queued_blocks;
	bool paused;                  /* no room, or a write error */
	char why[256];
};

/* Opens or continues the directory and starts the thread; NULL + err. */
struct archive *archive_start(const struct archive_opts *o, struct err *err);
/* Takes one reference to b. Any thread, in order of analysis. */
void archive_block(struct archive *a, struct block *b, int64_t now_ms);
void archive_mark(struct archive *a, struct alert *alert);              /* takes */
/* Calls fn on the writer's thread when all blocks that came before are written out, or
 * cannot be: the position is behind the last one that is. file_s 0: there are none. */
typedef void archive_note_f(void *arg, const struct archive_position *at);
void archive_note(struct archive *a, archive_note_f *fn, void *arg);
/* Time goes on: closes the file when its five minutes are over; writes out what is older
 * than 10 s, so that a crash loses no more. Cheap; called about once a second. */
void archive_tick(struct archive *a, int64_t now_ms);
void archive_stats(struct archive *a, struct archive_stats *out);
void archive_stop(struct archive **a); /* writes out everything */

/* ---- reading: any process, any time ---- */
struct archive_query {
	const char *directory;
	int64_t from_ms, to_ms;            /* event time [from, to) */
	const struct filter *filter;       /* NULL: every flow */
	uint64_t columns;                  /* bits (1 << F_x) that the callback reads */
	const struct names *names;         /* of the one who asks, may be NULL: its ids and
					      networks hold in the blocks as well */
	struct archive_position as_of;     /* file_s != 0: nothing after this counts */
	int64_t slack_ms;                  /* how much later than its end a flow may have been
					      received: files up to to_ms + slack are read;
					      default 31 days is trimmed by file summaries */
	unsigned threads;                  /* 0: one for each processor */
	/* NULL, or: how much of what is to be read has been handed out; from any of the
	 * threads, one at a time, so it must be quick. */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *progress_arg;
	/* NULL, or: this worker's rows are of the archive's number'th part from now on, until
	 * it is called again with `ends`; each number once, from 0. For those who want an order. */
	void (*part)(void *arg, unsigned worker, uint64_t number, bool ends);
	void *part_arg;
};
/* Rows of b that overlap [from, to) and pass the filter, as a bitmap of BLOCK_ROWS bits.
 * With threads > 1 called from several threads at once, `worker` tells which (0..threads-1).
 * b and bitmap are valid during the call. false stops the query. */
typedef bool archive_rows_f(void *arg, unsigned worker, const struct block *b,
			    const uint64_t *bitmap);
struct archive_result {
	uint64_t files, summaries; /* files that their summary stood for */
	uint64_t blocks, blocks_skipped, blocks_damaged;
	int64_t oldest_ms; /* start of the oldest file there is; 0: none */
};
/* false + err: nothing could be read at all. A damaged block is skipped and counted. */
bool archive_read(const struct archive_query *q, archive_rows_f *fn, void *arg,
		  struct archive_result *out, struct err *err);

/* Walks every block of every file. `tell` (may be NULL) is called for each: what is
 * NULL when it is whole, else one sentence. False: something is damaged (or err). */
typedef void archive_verify_f(void *arg, const char *path, uint64_t offset, uint64_t flows,
			      const char *what);
bool archive_verify(const char *directory, archive_verify_f *tell, void *arg,
		    struct archive_result *out, struct err *err);

#endif
