/* writer.h - the thread that brings history to its store, and its spool.
 * SPDX-License-Identifier: ISC
 *
 * Puts are copied into a batch; every `flush_ms` or at flush the batch is
 * numbered, appended to a spool in the state directory, and put. While the
 * store is down, slow, full or read-only the batches wait there, bounded by
 * `spool_max` (oldest bins dropped first, counted, said; alerts last), and are
 * put in order when it answers again. Batches already put stay in the spool up
 * to `spool_keep`, so that a store that comes back empty (a Redis without
 * persistence, a corrupt file moved aside) gets the recent past again.
 * Nothing here ever waits on behalf of the caller (P12).
 */
#ifndef CUL_STORAGE_WRITER_H
#define CUL_STORAGE_WRITER_H

#include "storage/store.h"

struct writer;

struct writer_opts {
	const char *url;
	struct store_opts store; /* .writer is ignored: the spool names it */
	const char *state_dir;   /* spool lives in state_dir/spool/; made when missing */
	uint64_t spool_max;      /* octets on disk; 0: 1G */
	uint64_t spool_keep;     /* octets of batches already put; 0: spool_max / 16 */
	uint64_t memory_max;     /* octets that wait in memory; 0: 32M */
	int flush_ms;            /* 0: 1000 */
	int retry_ms, retry_max_ms; /* back-off with jitter; 0: 500, 30000 */
};

struct writer_stats {
	uint64_t batches, bins, alerts, blobs; /* put */
	uint64_t spooled_bins, spooled_octets; /* waiting on disk or in memory now */
	uint64_t dropped_bins;          /* gone for ever past the bound */
	uint64_t dropped_alerts, dropped_blobs; /* the same, when no bins were left to drop */
	uint64_t refused;               /* puts that put_ok did not like */
	uint64_t failures;              /* tries of the store that failed */
	bool up;
	char why[256];                  /* while down: the store's last error */
};

/* Starts the thread. A store that cannot be reached is not an error (it is spooled for),
 * a URL that nobody understands or a password file open to all is. */
struct writer *writer_start(const struct writer_opts *o, struct err *err);
/* Copies p. Any thread; never blocks on the store. */
void writer_put(struct writer *w, const struct put *p);
void writer_flush(struct writer *w); /* hand over what is there at once */
/* Flushes and waits until everything put before is in the store; false after timeout_ms. */
bool writer_sync(struct writer *w, int timeout_ms);
void writer_stats(struct writer *w, struct writer_stats *out);
/* Puts or spools what is left, at most timeout_ms (and one call of the store), and frees. */
void writer_stop(struct writer **w, int timeout_ms);

#endif
