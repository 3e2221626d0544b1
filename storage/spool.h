/* spool.h - batches on disk, in the order of their numbers, until they are put.
 * SPDX-License-Identifier: ISC
 *
 * Used by the writer's thread only.
 */
#ifndef CUL_STORAGE_SPOOL_H
#define CUL_STORAGE_SPOOL_H

#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "storage/codec.h"

struct spool;

struct spool_stats {
	uint64_t waiting[CLASSES]; /* puts after the last batch done */
	uint64_t waiting_octets;   /* of files with such batches */
	uint64_t octets;           /* of all files */
	uint64_t dropped[CLASSES]; /* past the bound, or damaged on disk */
};

/* Opens (or makes) the spool in dir. `max`: octets of all files; `keep`: of batches that
 * are done. A torn tail is cut off. NULL + err when dir cannot be used. */
struct spool *spool_open(const char *dir, uint64_t max, uint64_t keep, struct err *err);
void spool_close(struct spool **s); /* what is waiting stays */
const char *spool_id(const struct spool *s); /* 16 hex digits, for ever the same */
/* The next free number; above every one that this spool ever gave, also if the files
 * with them are gone, and above `at_least`. */
uint64_t spool_number(struct spool *s, uint64_t at_least);

/* Appends a batch whose number is above the last one's. Drops the oldest when the bound
 * is reached: bins first, then blobs, alerts last. False + err: it is not on disk. */
bool spool_append(struct spool *s, uint64_t batch, const void *data, size_t len,
		  const struct put_count *count, struct err *err);
/* The first batch above the last one done: its number and puts (data is cleared first).
 * False: nothing waits. Damaged ones are skipped, counted and said. */
bool spool_next(struct spool *s, uint64_t *batch, struct strb *data,
		struct put_count *count);
/* Everything up to batch is in the store. A number below the last one done takes it
 * back: what is kept after it waits again. */
void spool_done(struct spool *s, uint64_t batch);
uint64_t spool_last_done(const struct spool *s);
void spool_stats(const struct spool *s, struct spool_stats *out);

#endif
