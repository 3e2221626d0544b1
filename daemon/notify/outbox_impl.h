/* outbox_impl.h - shared by outbox.c, which writes, and outbox_ask.c, which is asked.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_NOTIFY_OUTBOX_IMPL_H
#define CUL_NOTIFY_OUTBOX_IMPL_H

#include <pthread.h>

#include "daemon/notify/outbox.h"
#include "daemon/notify/outbox_db.h"

struct op; /* something that was handed over */

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	struct op *first, **last;
	size_t waiting; /* ops in the list and in the commit under way */
	bool stop, failed;
	pthread_t thread;
	pthread_mutex_t db_lock;
	struct outbox_db db;
	int64_t swept_ms;
	void (*wake)(void *arg);
	void *arg;
};

#endif
