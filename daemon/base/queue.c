/* queue.c - a bounded queue of pointers between two threads.
 * SPDX-License-Identifier: ISC
 *
 * A ring behind one lock. Blocks of thousands of flows pass here, not single
 * flows, so the lock is taken a few hundred times a second and costs nothing.
 */
#include "daemon/base/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/base/mem.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained;
	bool closed;
	size_t first, n, cap;
	size_t enough; /* items that the taker waits for */
	void *item[];
};

struct queue *queue_new(size_t capacity)
{
	struct queue *q;
	pthread_condattr_t mono;

	assert(capacity > 0 && capacity < (size_t)1 << 30);
	q = xcalloc(1, sizeof(*q) + capacity * sizeof(q->item[0]));
	q->cap = capacity;
	q->enough = 1;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&q->filled, &mono);
	pthread_cond_init(&q->drained, &mono);
	pthread_condattr_destroy(&mono);
	return q;
}

void queue_free(struct queue **q)
{
	if (!*q)
		return;
	assert(!(*q)->n);
	pthread_cond_destroy(&(*q)->filled);
	pthread_cond_destroy(&(*q)->drained);
	pthread_mutex_destroy(&(*q)->lock);
	free(*q);
	*q = NULL;
}

static void append(struct queue *q, void *item)
{
	size_t at = q->first + q->n;

	q->item[at < q->cap ? at : at - q->cap] = item;
	q->n++;
	if (q->n >= q->enough)
		pthread_cond_signal(&q->filled);
}

bool queue_try_put(struct queue *q, void *item)
{
	bool room;

	assert(item);
	pthread_mutex_lock(&q->lock);
	room = !q->closed && q->n < q->cap;
	if (room)
		append(q, item);
	pthread_mutex_unlock(&q->lock);
	return room;
}

bool queue_put(struct queue *q, void *item)
{
	bool open;

	assert(item);
	pthread_mutex_lock(&q->lock);
	while (!q->closed && q->n == q->cap)
		pthread_cond_wait(&q->drained, &q->lock);
	open = !q->closed;
	if (open)
		append(q, item);
	pthread_mutex_unlock(&q->lock);
	return open;
}

static struct timespec deadline(int timeout_ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void *queue_get(struct queue *q, int timeout_ms)
{
	struct timespec until = deadline(timeout_ms > 0 ? timeout_ms : 0);
	void *item = NULL;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->n && !q->closed && timeout_ms && rc != ETIMEDOUT)
		rc = timeout_ms < 0
			     ? pthread_cond_wait(&q->filled, &q->lock)
			     : pthread_cond_timedwait(&q->filled, &q->lock, &until);
	if (q->n) {
		item = q->item[q->first];
		q->first = q->first + 1 < q->cap ? q->first + 1 : 0;
		q->n--;
		pthread_cond_signal(&q->drained);
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void queue_wait(struct queue *q, size_t enough, int timeout_ms)
{
	struct timespec until = deadline(timeout_ms);
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	q->enough = enough < q->cap ? enough : q->cap;
	while (q->n < q->enough && !q->closed && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&q->filled, &q->lock, &until);
	q->enough = 1;
	pthread_mutex_unlock(&q->lock);
}

size_t queue_len(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->filled);
	pthread_cond_broadcast(&q->drained);
	pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
	bool closed;

	pthread_mutex_lock(&q->lock);
	closed = q->closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}
