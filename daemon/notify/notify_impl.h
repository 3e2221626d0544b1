/* notify_impl.h - shared by notify.c and notify_ask.c.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_NOTIFY_NOTIFY_IMPL_H
#define CUL_NOTIFY_NOTIFY_IMPL_H

#include <pthread.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/message.h"
#include "daemon/notify/notify.h"
#include "daemon/notify/outbox.h"

struct counters;
struct outcome;
struct runner;
struct webhooks;

struct entry {
	struct channel *channel;
	struct counters *count;
};

struct notify {
	struct outbox *outbox;
	struct webhooks *webhooks;
	pthread_mutex_t lock; /* of the set and its runners */
	struct entry *entries; /* n_entries */
	size_t n_entries;
	struct runner *runners, *retired;
	_Atomic uint64_t unknown;
	pthread_mutex_t wake_lock;
	pthread_cond_t wake; /* something was committed, or it is time to stop */
	uint64_t commits;
	int cancel[2]; /* a pipe; closing its second end cuts attempts under way */
};

/* Mail or a program, at once; cancel: a descriptor whose end cuts it, or -1. */
void notify_send(const struct channel *c, const struct message *m, int cancel,
		 struct strb *transcript, struct outcome *out);
/* Under the lock; NULL: there is none of that name. */
struct entry *notify_find(struct notify *n, const char *name);
void notify_free_entries(struct entry *e, size_t n); /* and lets their channels go */
void notify_prepare(void); /* libcurl, and signals that would end us */

#endif
