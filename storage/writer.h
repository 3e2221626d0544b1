/* writer.h - the thread that brings history to its store, and its spool.
 * SPDX-License-Identifier: ISC
 *
 * Puts are copied into a batch; every `flush_ms` or at flush the batch is
 * numbered, and put. While the store is down (or slow) batches go to a spool
 * file in the state directory, bounded by `spool_max` (oldest bins dropped,
 * counted, said; alerts last), and are put in order when it answers again.
 * Nothing here ever waits on behalf of the caller (P12).
 */
#ifndef CUL_STORAGE_WRITER_H
#define CUL_STORAGE_WRITER_H

#include "storage/store.h"

struct writer;

struct writer_opts {
	const char *url;
	struct store_opts store;
	const char *state_dir; /* spool lives in state_dir/spool/ */
	uint64_t spool_max;    /* octets; default 1G */
	int flush_ms;          /* default 1000 */
};

struct writer_stats {
	uint64_t batches, bins, alerts; /* put */
	uint64_t spooled_bins, spooled_octets; /* waiting on disk or in memory now */
	uint64_t dropped_bins;          /* gone for ever past the bound */
	uint64_t failures;
	bool up;
	char why[256];                  /* while down: the store's last error */
};

/* Starts the thread. A store that cannot be reached is not an error (it is spooled for),
 * a URL that nobody understands is. */
struct writer *writer_start(const struct writer_opts *o, struct err *err);
/* Copies p. Any thread; never blocks on the store. */
void writer_put(struct writer *w, const struct put *p);
void writer_flush(struct writer *w); /* hand over what is there at once */
void writer_stats(struct writer *w, struct writer_stats *out);
/* Puts or spools what is left, at most timeout_ms, and frees. */
void writer_stop(struct writer **w, int timeout_ms);

#endif
