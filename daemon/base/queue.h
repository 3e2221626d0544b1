/* queue.h - a bounded queue of pointers between two threads.
 * SPDX-License-Identifier: ISC
 *
 * What is put is taken: the queue owns an item from put to get.
 */
#ifndef CUL_BASE_QUEUE_H
#define CUL_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_new(size_t capacity);
void queue_free(struct queue **q); /* must be empty, or the items leak */

bool queue_try_put(struct queue *q, void *item); /* false when full or closed */
bool queue_put(struct queue *q, void *item);     /* waits for room; false when closed */

/* The oldest item, or NULL after timeout_ms (0: at once, -1: for ever) or when
 * the queue is closed and empty. */
void *queue_get(struct queue *q, int timeout_ms);
/* Until there are `enough` items (all that fit are always enough), timeout_ms have passed or
 * the queue is closed: for the one that takes, who would else be woken for each. */
void queue_wait(struct queue *q, size_t enough, int timeout_ms);
size_t queue_len(struct queue *q);
void queue_close(struct queue *q); /* wakes everybody; what is inside can still be taken */
bool queue_closed(struct queue *q);

#endif
