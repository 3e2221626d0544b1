/* conns.c - every open connection, and which of them may be closed.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/conns.h"

#include <string.h>
#include <sys/socket.h>

void conns_init(struct conns *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
}

void conns_fini(struct conns *c)
{
	pthread_mutex_destroy(&c->lock);
}

static void let_go(struct conn *conn)
{
	shutdown(conn->fd, SHUT_RDWR);
	conn->state = CONN_GOES;
}

static struct conn *oldest(struct conns *c, enum conn_state s)
{
	struct conn *o = NULL;

	for (unsigned i = 0; i < CONN_SLOTS; i++) {
		struct conn *k = &c->at[i];

		if (k->state == s && (!o || k->since_ms < o->since_ms))
			o = k;
	}
	return o;
}

static void make_room(struct conns *c)
{
	struct conn *o = oldest(c, CONN_WAITS);

	if (!o)
		o = oldest(c, CONN_ANSWERS);
	if (!o)
		return;
	let_go(o);
	c->pushed_out++;
}

struct conn *conns_opened(struct conns *c, int fd, int64_t now_ms)
{
	struct conn *slot;

	pthread_mutex_lock(&c->lock);
	if (c->n >= HTTP_CONNECTIONS)
		make_room(c);
	slot = oldest(c, CONN_FREE);
	if (slot) {
		*slot = (struct conn){ fd, CONN_WAITS, now_ms };
		c->n++;
	}
	pthread_mutex_unlock(&c->lock);
	return slot;
}

void conns_closed(struct conns *c, struct conn *conn)
{
	pthread_mutex_lock(&c->lock);
	*conn = (struct conn){ .fd = -1 };
	c->n--;
	pthread_mutex_unlock(&c->lock);
}

void conns_state(struct conns *c, struct conn *conn, enum conn_state s, int64_t now_ms)
{
	if (!conn)
		return;
	pthread_mutex_lock(&c->lock);
	if (conn->state != CONN_GOES) {
		conn->state = s;
		conn->since_ms = now_ms;
	}
	pthread_mutex_unlock(&c->lock);
}

void conns_sweep(struct conns *c, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CONN_SLOTS; i++) {
		struct conn *k = &c->at[i];
		int64_t age = now_ms - k->since_ms;

		if ((k->state == CONN_WAITS && age > CONN_REQUEST_MS) ||
		    (k->state == CONN_ANSWERS && age > CONN_ANSWER_MS))
			let_go(k);
	}
	pthread_mutex_unlock(&c->lock);
}
