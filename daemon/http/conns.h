/* conns.h - every open connection, and which of them may be closed.
 * SPDX-License-Identifier: ISC
 *
 * Slots are few (HTTP_CONNECTIONS), clients may be many and slow on purpose. So that
 * /metrics always gets one, nobody holds a slot by waiting: when all are taken, a
 * new connection makes the oldest one that has not sent its request yet go (else the
 * oldest that does not fetch its answer). Who sends a request at once, as every real client
 * does, is the newest and is served. A limit for each address would not do: behind a proxy
 * on this machine all have the same. Beside that, a request must come within
 * CONN_REQUEST_MS and its answer be fetched within CONN_ANSWER_MS, however many octets
 * trickle.
 *
 * Closing is shutdown(2) alone; libmicrohttpd sees the end and tidies up. It tells
 * conns_closed before it closes the descriptor, and all is behind one lock, so no
 * descriptor of somebody else's is ever hit.
 */
#ifndef CUL_HTTP_CONNS_H
#define CUL_HTTP_CONNS_H

#include <pthread.h>
#include <stdint.h>

enum { HTTP_CONNECTIONS = 64, CONN_SLOTS = HTTP_CONNECTIONS + 16 };
enum { CONN_REQUEST_MS = 10000, CONN_ANSWER_MS = 30000 };

enum conn_state { CONN_FREE, CONN_WAITS, CONN_WORKS, CONN_ANSWERS, CONN_GOES };

struct conn {
	int fd;
	enum conn_state state;
	int64_t since_ms; /* monotonic */
};

struct conns {
	pthread_mutex_t lock;
	struct conn at[CONN_SLOTS];
	unsigned n;
	uint64_t pushed_out; /* closed to make room, since start */
};

void conns_init(struct conns *c);
void conns_fini(struct conns *c);
/* A new one; makes room if need be. NULL when there is no slot at all. */
struct conn *conns_opened(struct conns *c, int fd, int64_t now_ms);
void conns_closed(struct conns *c, struct conn *conn);
void conns_state(struct conns *c, struct conn *conn, enum conn_state s, int64_t now_ms);
void conns_sweep(struct conns *c, int64_t now_ms); /* closes what takes too long */

#endif
