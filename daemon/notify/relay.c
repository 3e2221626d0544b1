/* relay.c - a connection with a deadline, for a library that has none.
 * SPDX-License-Identifier: ISC
 *
 * libesmtp connects without a time-out (two minutes of kernel patience for each
 * address), counts its time-outs anew with each octet, so that a server which
 * sends one octet a second holds it for ever, and reads whatever it is sent.
 * It takes no socket of ours and tells none of its own. So it gets a port on
 * 127.0.0.1 where exactly one connection is taken, and a thread carries octets
 * between that and a connection that we made: with a time to connect, one to
 * end, and a limit on what the server may say. TLS passes through unseen; the
 * certificate is checked against the real host's name (smtp.c).
 *
 * Another program of this host could connect to that port first. It would talk
 * to the mail server, as it can anyway, and our attempt would fail and be tried
 * again.
 */
#include "daemon/notify/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/clock.h"

enum { CHUNK = 16384, MAX_IN = 65536 };

static int left_ms(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();

	return left < 0 ? 0 : (int)left;
}

/* A connected, non-blocking socket, or -1 with err. */
static int dial(const struct addrinfo *ai, int64_t deadline_ms, int cancel,
		struct err *err)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p[2] = { { .fd = fd, .events = POLLOUT },
			       { .fd = cancel, .events = POLLIN } };
	socklen_t len = sizeof(int);
	int why = 0;

	if (fd < 0) {
		err_set(err, "%s", strerror(errno));
		return -1;
	}
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		why = errno;
	else if (poll(p, 2, left_ms(deadline_ms)) <= 0 || !p[0].revents)
		why = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (!why)
		return fd;
	err_set(err, "%s", strerror(why));
	close(fd);
	return -1;
}

static int reach(const char *host, const char *port, int64_t deadline_ms, int cancel,
		 struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *ai;
	int rc = getaddrinfo(host, port, &hints, &all), fd = -1;

	if (rc) {
		err_set(err, "%s: %s; check the name and this host's DNS", host,
			gai_strerror(rc));
		return -1;
	}
	for (ai = all; ai && fd < 0; ai = ai->ai_next)
		fd = dial(ai, deadline_ms, cancel, err);
	freeaddrinfo(all);
	if (fd < 0 && err) {
		struct err why = *err;

		err_set(err,
			"cannot connect to %s port %s: %.300s; check the port and the "
			"firewall between",
			host, port, why.msg);
	}
	return fd;
}

static bool open_listener(struct relay *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->listener < 0 || bind(r->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(r->listener, 1) < 0 ||
	    getsockname(r->listener, (struct sockaddr *)&a, &len) < 0)
		return false;
	r->port = ntohs(a.sin_port);
	return true;
}

/* Octets on their way from one socket to the other. */
struct way {
	int from, to;
	char buf[CHUNK];
	size_t at, len;
	uint64_t total;
	bool over; /* the sender is done */
};

/* False: the connection broke. */
static bool carry(struct way *w, short in, short out)
{
	static const int yes = 1;
	ssize_t n;

	if (w->at == w->len && !w->over && (in & (POLLIN | POLLHUP | POLLERR))) {
		n = recv(w->from, w->buf, sizeof(w->buf), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n == 0) {
			w->over = true;
			shutdown(w->to, SHUT_WR);
		}
		/* libesmtp does not set TCP_NODELAY: answer its pieces at once (40 ms
		 * each) */
		setsockopt(w->from, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
		w->at = 0;
		w->len = n > 0 ? (size_t)n : 0;
		w->total += w->len;
	}
	if (w->at < w->len && (out & POLLOUT || in)) {
		n = send(w->to, w->buf + w->at, w->len - w->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		w->at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static short wanted(const struct way *in, const struct way *out)
{
	return (short)((in->at == in->len && !in->over ? POLLIN : 0) |
		       (out->at < out->len ? POLLOUT : 0));
}

static const char *pump(struct relay *r, int client)
{
	static const int yes = 1; /* or each small step waits for a delayed ACK */
	struct way down = { .from = r->server, .to = client };
	struct way up = { .from = client, .to = r->server };

	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(r->server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	while (!(down.over && up.over)) {
		struct pollfd p[4] = {
			{ .fd = r->server, .events = wanted(&down, &up) },
			{ .fd = client, .events = wanted(&up, &down) },
			{ .fd = r->end[0], .events = POLLIN },
			{ .fd = r->cancel, .events = POLLIN },
		};
		int n;

		if (!p[0].events) /* or a hang-up would wake us for nothing */
			p[0].fd = -1;
		if (!p[1].events)
			p[1].fd = -1;
		n = poll(p, 4, left_ms(r->deadline_ms));
		if (n == 0)
			return "the server was too slow";
		if (n < 0 && errno != EINTR)
			return "poll failed";
		if (p[2].revents)
			return NULL;
		if (p[3].revents)
			return "we were told to stop";
		if (!carry(&down, p[0].revents, p[1].revents) ||
		    !carry(&up, p[1].revents, p[0].revents))
			return NULL;
		if (down.total > MAX_IN)
			return "the server said more than 64 KiB";
	}
	return NULL;
}

static void *run(void *arg)
{
	struct relay *r = arg;
	struct pollfd p[2] = { { .fd = r->listener, .events = POLLIN },
			       { .fd = r->end[0], .events = POLLIN } };
	int client;

	if (poll(p, 2, left_ms(r->deadline_ms)) <= 0 || !p[0].revents)
		return NULL;
	client = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return NULL;
	r->why = pump(r, client);
	shutdown(client, SHUT_RDWR);
	close(client);
	shutdown(r->server, SHUT_RDWR);
	return NULL;
}

static void close_all(struct relay *r)
{
	int fds[] = { r->server, r->listener, r->end[0], r->end[1] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

bool relay_open(struct relay *r, const char *host, const char *port, int connect_ms,
		int total_ms, int cancel, struct err *err)
{
	int64_t now = clock_mono_ms();

	*r = (struct relay){ .server = -1, .listener = -1, .end = { -1, -1 },
			     .cancel = cancel, .deadline_ms = now + total_ms };
	r->server = reach(host, port, now + connect_ms, cancel, err);
	if (r->server < 0)
		return false;
	if (!open_listener(r) || pipe2(r->end, O_CLOEXEC) < 0 ||
	    pthread_create(&r->thread, NULL, run, r)) {
		err_set(err, "no port on 127.0.0.1 could be opened: %s", strerror(errno));
		close_all(r);
		return false;
	}
	return true;
}

void relay_close(struct relay *r)
{
	close(r->end[1]);
	r->end[1] = -1;
	pthread_join(r->thread, NULL);
	close_all(r);
}
