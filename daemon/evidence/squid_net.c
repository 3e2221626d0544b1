/* squid_net.c - log lines that Squid sends over the network.
 * SPDX-License-Identifier: ISC
 *
 * Squid's udp module puts one line, or several with newlines between, into a datagram; its
 * tcp module writes lines into a connection that it keeps. Neither says who it is, so
 * who may send is a list of addresses, loopback and the proxy's own by default, and of
 * others nothing is read: whoever can send a line can put words into an alert. (Over UDP a
 * source address can be forged; across a network that one does not own, use TCP.)
 *
 * Of a line longer than 64 KiB the rest is passed over, as in files. A connection that is
 * silent stays open, for Squid opens it once; at most sixteen are, and a new one takes
 * the place of the one that has been silent longest.
 */
#include "daemon/evidence/squid_net.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 64 << 10, CONNS = 16, DATAGRAMS = 2000, READS = 64,
       BUFFER = 8 << 20, RETRY_MS = 10000 };

struct conn {
	int fd;
	int64_t heard_ms;
	char *part;     /* of a line whose end has not come; LINE_MAX_OCTETS */
	size_t len;
	bool skip;      /* to the next newline */
};

struct squid_net {
	struct squid_net_opts opts;
	char *url;
	struct prefix *allow;
	bool stream;
	struct addr addr;
	uint16_t port;
	int fd;         /* -1: not listening yet */
	int64_t retry_ms;
	struct conn conns[CONNS];
	unsigned n;
	char *buf;      /* LINE_MAX_OCTETS + 1 */
	struct squid_net_stats stats;
};

bool squid_net_is(const char *log)
{
	return strstr(log, "://") != NULL;
}

bool squid_net_parse(const char *url, bool *stream, struct addr *addr, uint16_t *port,
		     struct err *err)
{
	const char *at = url + 6, *colon = strrchr(url, ':');
	char host[ADDR_TEXT + 2];
	uint64_t number;
	size_t len;

	*stream = !strncmp(url, "tcp://", 6);
	if (!*stream && strncmp(url, "udp://", 6))
		return err_set(err, "\"%s\": the log is a file, udp://ADDRESS:PORT or "
			       "tcp://ADDRESS:PORT", url);
	len = colon && colon > at ? (size_t)(colon - at) : 0;
	if (!len || len >= sizeof(host) || !parse_u64(colon + 1, 65535, &number))
		return err_set(err, "\"%s\": write address and port, like udp://127.0.0.1:5140",
			       url);
	if (*at == '[' && at[len - 1] == ']') {
		at++;
		len -= 2;
	}
	memcpy(host, at, len);
	host[len] = '\0';
	*port = (uint16_t)number;
	return addr_parse(host, addr) ||
	       err_set(err, "\"%s\": \"%s\" is not an address; write one of this machine", url,
		       host);
}

/* --- listening --- */

static bool bind_to(struct squid_net *n)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(n->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(n->port) };
	bool is4 = addr_is4(&n->addr);
	int one = 1, size = BUFFER;

	memcpy(&v6.sin6_addr, n->addr.b, 16);
	memcpy(&v4.sin_addr, n->addr.b + 12, 4);
	n->fd = socket(is4 ? AF_INET : AF_INET6,
		       (n->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		return false;
	if (n->stream)
		setsockopt(n->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(n->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!bind(n->fd, is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		  is4 ? sizeof(v4) : sizeof(v6)) &&
	    (!n->stream || !listen(n->fd, CONNS)))
		return true;
	close(n->fd);
	n->fd = -1;
	return false;
}

static void open_again(struct squid_net *n, int64_t now_ms)
{
	if (n->fd >= 0 || (n->retry_ms && now_ms < n->retry_ms))
		return;
	n->retry_ms = now_ms + RETRY_MS;
	if (bind_to(n))
		log_info("squid log: listening on %s", n->url);
	else
		log_seldom(n->url, 600, "squid log: %s: %s; trying again, URLs stay unknown "
			   "meanwhile", n->url, strerror(errno));
}

static bool allowed(struct squid_net *n, const struct sockaddr_storage *from)
{
	uint16_t port;
	struct addr a = addr_of_sockaddr(from, &port);
	char text[ADDR_TEXT];

	for (size_t i = 0; i < n->opts.n_allow; i++)
		if (prefix_has(&n->allow[i], &a))
			return true;
	n->stats.refused++;
	log_seldom("squid-refused", 600, "squid log: %s sends lines to %s and is not allowed "
		   "to; if it is a proxy, name it in squid { allow }", addr_text(&a, text),
		   n->url);
	return false;
}

/* --- lines --- */

static void give(struct squid_net *n, const char *line, size_t len)
{
	if (len > LINE_MAX_OCTETS) {
		n->stats.too_long++;
		return;
	}
	if (!len)
		return;
	n->stats.lines++;
	n->opts.line(n->opts.arg, line, len, false);
}

static bool read_datagrams(struct squid_net *n)
{
	for (int i = 0; i < DATAGRAMS; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(n->fd, n->buf, LINE_MAX_OCTETS, 0,
				       (struct sockaddr *)&from, &len);
		const char *at = n->buf, *end, *nl;

		if (got < 0)
			return false;
		if (!allowed(n, &from))
			continue;
		for (end = at + got; at < end; at = nl + 1) {
			nl = memchr(at, '\n', (size_t)(end - at));
			nl = nl ? nl : end;
			give(n, at, (size_t)(nl - at));
		}
	}
	return true;
}

/* What follows the last newline waits for the rest of its line. */
static void cut(struct squid_net *n, struct conn *c, const char *at, size_t len)
{
	const char *end = at + len, *nl;

	for (; at < end; at = nl + 1) {
		size_t here;

		nl = memchr(at, '\n', (size_t)(end - at));
		here = (size_t)((nl ? nl : end) - at);
		if (c->skip || c->len + here > LINE_MAX_OCTETS) {
			n->stats.too_long += !c->skip;
			c->skip = !nl;
			c->len = 0;
		} else if (nl && !c->len) {
			give(n, at, here);
		} else {
			memcpy(c->part + c->len, at, here);
			c->len += here;
			if (nl) {
				give(n, c->part, c->len);
				c->len = 0;
			}
		}
		if (!nl)
			return;
	}
}

static void drop(struct squid_net *n, unsigned i)
{
	close(n->conns[i].fd);
	free(n->conns[i].part);
	n->conns[i] = n->conns[--n->n];
}

static void take(struct squid_net *n, int64_t now_ms)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd = accept4(n->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	unsigned oldest = 0;

	if (fd < 0)
		return;
	if (!allowed(n, &from)) {
		close(fd);
		return;
	}
	for (unsigned i = 1; i < n->n; i++)
		if (n->conns[i].heard_ms < n->conns[oldest].heard_ms)
			oldest = i;
	if (n->n == CONNS)
		drop(n, oldest);
	n->conns[n->n++] = (struct conn){ .fd = fd, .heard_ms = now_ms,
					  .part = xcalloc(1, LINE_MAX_OCTETS) };
}

static bool read_conns(struct squid_net *n, int64_t now_ms)
{
	bool more = false;

	take(n, now_ms);
	for (unsigned i = n->n; i-- > 0;) {
		struct conn *c = &n->conns[i];

		for (int k = 0; k < READS; k++) {
			ssize_t got = recv(c->fd, n->buf, LINE_MAX_OCTETS, 0);

			if (got > 0) {
				c->heard_ms = now_ms;
				cut(n, c, n->buf, (size_t)got);
				more |= k == READS - 1;
				continue;
			}
			if (!got || (errno != EAGAIN && errno != EINTR))
				drop(n, i);
			break;
		}
	}
	return more;
}

/* --- outside --- */

struct squid_net *squid_net_open(const struct squid_net_opts *o)
{
	struct squid_net *n = xcalloc(1, sizeof(*n));

	n->opts = *o;
	n->fd = -1;
	n->url = xstrdup(o->url);
	n->allow = xcalloc(o->n_allow + 1, sizeof(*n->allow));
	if (o->n_allow)
		memcpy(n->allow, o->allow, o->n_allow * sizeof(*n->allow));
	n->buf = xcalloc(1, LINE_MAX_OCTETS + 1);
	squid_net_parse(o->url, &n->stream, &n->addr, &n->port, NULL);
	return n;
}

unsigned squid_net_polls(const struct squid_net *n, struct pollfd out[static SQUID_NET_POLLS])
{
	unsigned count = 0;

	if (n->fd >= 0)
		out[count++] = (struct pollfd){ .fd = n->fd, .events = POLLIN };
	for (unsigned i = 0; i < n->n; i++)
		out[count++] = (struct pollfd){ .fd = n->conns[i].fd, .events = POLLIN };
	return count;
}

bool squid_net_step(struct squid_net *n, int64_t now_ms)
{
	open_again(n, now_ms);
	if (n->fd < 0)
		return false;
	return n->stream ? read_conns(n, now_ms) : read_datagrams(n);
}

void squid_net_stats(const struct squid_net *n, struct squid_net_stats *out)
{
	*out = n->stats;
}

uint16_t squid_net_port(const struct squid_net *n)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	uint16_t port = 0;

	if (n->fd >= 0 && !getsockname(n->fd, (struct sockaddr *)&ss, &len))
		addr_of_sockaddr(&ss, &port);
	return port;
}

void squid_net_close(struct squid_net **np)
{
	struct squid_net *n = *np;

	*np = NULL;
	if (!n)
		return;
	while (n->n)
		drop(n, 0);
	if (n->fd >= 0)
		close(n->fd);
	free(n->url);
	free(n->allow);
	free(n->buf);
	free(n);
}
