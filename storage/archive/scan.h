/* scan.h - all parts of an archive, one after another, to several threads.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_SCAN_H
#define CUL_ARCHIVE_SCAN_H

#include "storage/archive/archive.h"
#include "storage/archive/part.h"
#include "storage/archive/summary.h"

/* Called for each part that may have something between from_ms and to_ms, from several
 * threads at once. false stops the query. A part that turns out damaged is told by
 * *damaged; then what was made of it must not count. `inside`: all its flows lie wholly
 * in [from, to). */
typedef bool scan_part_f(void *arg, unsigned worker, struct part *p, bool inside,
			 bool *damaged);

/* Asked about closed files whose flows all count wholly and that have a summary, in their
 * order, one at a time. True: the summary stands for the file, whose parts are not read. */
struct scan_summaries {
	bool whole; /* a flow counts wholly where it overlaps [from, to) at all */
	bool (*stands)(void *arg, const struct summary *s, struct summary_reader *r,
		       struct name_sink *sink);
	void *arg;
};

unsigned scan_threads(const struct archive_query *q); /* how many workers there will be */
/* sums may be NULL: parts alone. Uses directory, times, names, as_of, slack and threads of q; the filter for skipping
 * only. done (may be NULL) is called on the caller's thread after all workers have ended
 * and while names are still there. */
bool scan_parts(const struct archive_query *q, const struct scan_summaries *sums,
		scan_part_f *fn, void (*done)(void *arg, const struct names *names),
		void *arg, struct archive_result *out, struct err *err);

/* The rows of a part that count, block by block. */
struct scan_rows {
	uint64_t bits[PART_ROWS / BLOCK_ROWS][FILTER_WORDS];
	uint32_t count; /* of all set bits */
	uint32_t of;    /* rows that the part has */
};

/* Fills s with the rows of p that overlap [from, to) (unless inside) and pass the filter; loads
 * what that needs. False: damaged. */
bool scan_select(const struct archive_query *q, struct part *p, bool inside,
		 struct scan_rows *s);
/* So few of many that they are better picked than loaded; then they are in rows[], in order. */
enum { SCAN_FEW = BLOCK_ROWS };
bool scan_few(const struct scan_rows *s, uint32_t rows[static SCAN_FEW]);

#endif
