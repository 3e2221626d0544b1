/* tcp.c - IPFIX over connections (RFC 7011 sec. 10.4).
 * SPDX-License-Identifier: ISC
 *
 * A connection is a stream of messages, each of which says its length at octet 2, and a
 * session (sec. 8.1): its templates are its own and end with it. What is no IPFIX ends
 * it at once, since where the next message would begin cannot be known.
 *
 * Places are few and anybody can connect. So a connection has to bring a whole message
 * within PROVE_MS, one address gets TCP_CONNS_OF_ONE places, and when all are taken a new
 * one gets the place of the one that has been silent longest, if that is over YIELD_MS.
 * A router may be silent for hours; whether it is still there is asked by keepalive.
 */
#include "daemon/collect/tcp.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/collect/decoder.h"
#include "daemon/collect/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	VERSION = 10,
	HEADER = 16,
	MESSAGE_MAX = 65535,
	ROUNDS = 4,           /* reads of one connection before the next */
	PROVE_MS = 30000,
	YIELD_MS = 60000,
	KEEP_IDLE_S = 60, KEEP_EVERY_S = 15, KEEP_TIMES = 4,
};

struct conn {
	int fd;
	uint32_t session;
	struct sockaddr_storage from;
	struct addr addr;
	int64_t heard_ms; /* its last message; at first, when it came */
	bool proved;
	uint32_t have;    /* octets in buf, less than a message */
	uint8_t buf[MESSAGE_MAX];
};

struct tcp {
	struct collector *c;
	int epoll;
	uint32_t sessions; /* numbers given so far */
	unsigned n;
	struct conn *conn[TCP_CONNS];
};

struct tcp *tcp_new(struct collector *c, int epoll)
{
	struct tcp *t = xcalloc(1, sizeof(*t));

	t->c = c;
	t->epoll = epoll;
	return t;
}

static void end(struct tcp *t, unsigned i)
{
	struct conn *k = t->conn[i];

	collect_session_end(t->c, &k->from, k->session);
	close(k->fd); /* and epoll forgets it */
	free(k);
	t->conn[i] = t->conn[--t->n];
}

void tcp_free(struct tcp **tp)
{
	struct tcp *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	while (t->n)
		end(t, 0);
	free(t);
}

/* A place for a connection from a. */
static bool room(struct tcp *t, const struct addr *a, int64_t now_ms)
{
	unsigned oldest = 0, same = 0;

	for (unsigned i = 0; i < t->n; i++) {
		same += addr_eq(&t->conn[i]->addr, a);
		if (t->conn[i]->heard_ms < t->conn[oldest]->heard_ms)
			oldest = i;
	}
	if (same >= TCP_CONNS_OF_ONE)
		return false;
	if (t->n < TCP_CONNS)
		return true;
	if (now_ms - t->conn[oldest]->heard_ms < YIELD_MS)
		return false;
	end(t, oldest);
	return true;
}

static void keep_alive(int fd)
{
	int on = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, times = KEEP_TIMES;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

static void add(struct tcp *t, int fd, const struct sockaddr_storage *from,
		const struct addr *a, int64_t now_ms)
{
	struct conn *k = xcalloc(1, sizeof(*k));
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	keep_alive(fd);
	k->fd = fd;
	k->from = *from;
	k->addr = *a;
	k->heard_ms = now_ms;
	if (!++t->sessions)
		t->sessions = 1;
	k->session = t->sessions;
	t->conn[t->n++] = k;
	epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e);
}

void tcp_accept(struct tcp *t, struct udp_socket *s, int64_t now_ms)
{
	for (int i = 0; i < TCP_CONNS; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		char text[ADDR_TEXT];
		struct addr a;
		uint16_t port;
		int fd = accept4(s->fd, (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		a = addr_of_sockaddr(&from, &port);
		if (!room(t, &a, now_ms)) {
			close(fd);
			log_seldom("ipfix connections", 3600,
				   "a connection from %s was refused: a worker keeps %d, "
				   "and %d of one address", addr_text(&a, text),
				   TCP_CONNS, TCP_CONNS_OF_ONE);
			continue;
		}
		__atomic_store_n(&s->datagrams, s->datagrams + 1, __ATOMIC_RELAXED);
		add(t, fd, &from, &a, now_ms);
	}
}

/* Gives the messages in the buffer to the collector, keeps the rest. False: close. */
static bool messages(struct tcp *t, struct conn *k, int64_t now_ms,
		     struct collect_out *out)
{
	uint32_t at = 0;

	while (k->have - at >= 4) {
		const uint8_t *p = k->buf + at;
		uint32_t version = (uint32_t)p[0] << 8 | p[1];
		uint32_t len = (uint32_t)p[2] << 8 | p[3];

		if (version != VERSION || len < HEADER) {
			/* Counted as what it is, once. */
			collect_message(t->c, &k->from, k->session, p,
					version == VERSION ? HEADER : 2, now_ms, out);
			return false;
		}
		if (len > k->have - at)
			break;
		if (!collect_message(t->c, &k->from, k->session, p, len, now_ms, out))
			return false;
		k->heard_ms = now_ms;
		k->proved = true;
		at += len;
	}
	k->have -= at;
	memmove(k->buf, k->buf + at, k->have);
	return true;
}

/* False: the connection is over. */
static bool hear(struct tcp *t, struct conn *k, int64_t now_ms, struct collect_out *out,
		 bool *any)
{
	for (int i = 0; i < ROUNDS; i++) {
		size_t want = sizeof(k->buf) - k->have;
		ssize_t n = recv(k->fd, k->buf + k->have, want, 0);

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		if (!n)
			return false;
		*any = true;
		k->have += (uint32_t)n;
		if (!messages(t, k, now_ms, out))
			return false;
		if ((size_t)n < want)
			break;
	}
	return true;
}

bool tcp_look(struct tcp *t, int64_t now_ms, struct collect_out *out)
{
	bool any = false;

	for (unsigned i = 0; i < t->n;) {
		if (hear(t, t->conn[i], now_ms, out, &any))
			i++;
		else
			end(t, i);
	}
	return any;
}

void tcp_tick(struct tcp *t, int64_t now_ms)
{
	for (unsigned i = 0; i < t->n;) {
		if (!t->conn[i]->proved && now_ms - t->conn[i]->heard_ms > PROVE_MS)
			end(t, i);
		else
			i++;
	}
}
