/* lane.h - when a queue may try, and what an attempt's outcome means for it.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_LANE_H
#define CUL_NOTIFY_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/outbox.h"

enum { LANE_BATCH = 64, LANE_QUEUE = 72, RATE_MESSAGES = 10, RATE_MS = 60000,
       GATHER_MS = 10000, RETRY_MIN_MS = 1000, RETRY_MAX_MS = 300000,
       RETRY_AFTER_MAX_MS = 3600000, GIVE_UP_MS = 24 * 3600000 };

/* Figures of a channel; shared by its lanes, kept across reloads. */
struct counters {
	_Atomic uint64_t sent, failed, retried, dead, digested;
	_Atomic int64_t last_sent_ms;
	_Atomic uint32_t refs;
	pthread_mutex_t lock; /* of last_error alone */
	char last_error[OUTBOX_NOTE];
};

enum result { RESULT_SENT, RESULT_LATER, RESULT_FINAL };
struct outcome {
	enum result result;
	int64_t retry_ms;           /* the target asked for; 0: our own back-off */
	char note[OUTBOX_NOTE];     /* one sentence; without secrets, inert */
	char remote[OUTBOX_REMOTE];
};

/* One target: a channel, or one of its replicas. Used by one thread. */
struct lane {
	struct channel *channel; /* counted */
	struct counters *count;  /* counted */
	struct outbox *outbox;
	unsigned index;
	char queue[LANE_QUEUE];  /* the channel's name, "name#2" for the second replica */
	unsigned fails;          /* in a row */
	int64_t hold_until_ms;
	_Atomic bool settled;    /* the last outcome is on disk */
	int64_t sent_ms[RATE_MESSAGES]; /* newest first */
};

/* Takes the references. */
struct lane *lane_new(struct outbox *o, struct channel *c, unsigned index,
		      struct counters *count);
void lane_free(struct lane **l);
void lane_queue(const struct channel *c, unsigned index, char out[static LANE_QUEUE]);

/* What to send now: up to max (LANE_BATCH) items, claimed. 0: nothing before *wake_ms
 * (INT64_MAX: until something changes). */
unsigned lane_pick(struct lane *l, int64_t now_ms, struct item *items, unsigned max,
		   int64_t *wake_ms);
/* Tells the outbox what became of them. */
void lane_settle(struct lane *l, const struct item *items, unsigned n,
		 const struct outcome *out, int64_t now_ms);

/* Full jitter: between a second and 2^n seconds, five minutes at most. */
int64_t lane_backoff_ms(unsigned n, uint32_t random);

struct counters *counters_new(void);
struct counters *counters_ref(struct counters *c);
void counters_unref(struct counters **c);

#endif
