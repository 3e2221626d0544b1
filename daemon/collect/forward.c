/* forward.c - passes received datagrams on to other collectors.
 * SPDX-License-Identifier: ISC
 *
 * The other collector knows its exporters by their addresses, so a datagram should
 * arrive there as if the exporter had sent it: with CAP_NET_RAW we write the IP and UDP
 * headers ourselves. Without it, or when the exporter speaks IPv4 and the target IPv6,
 * it comes from our own address. (A firewall or reverse path filter on the way may
 * dislike foreign sources; nothing comes back that could tell us.)
 *
 * What does not fit the path's MTU is cut into fragments here, since the kernel does
 * not fragment what comes with a header of its own. Sending never waits: what the
 * kernel does not take at once is dropped and counted, because receiving matters
 * more.
 */
#include "daemon/collect/forward.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/collect/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 48 + 8, IP4_HEAD = 20, IP6_HEAD = 40, UDP_HEAD = 8, FRAGMENT_HEAD = 8,
       HOPS = 64, SNDBUF = 4 << 20 };

struct target {
	struct forward_target to;
	struct sockaddr_storage ss; /* port 0 for the raw socket of IPv6 */
	socklen_t ss_len;
	int fd;     /* connected UDP: from our address, and to learn the MTU */
	int raw;    /* -1: may not */
	uint32_t mtu, id;
	uint64_t sent, dropped;
};

struct noted {
	struct addr src;
	uint16_t port;
	const uint8_t *data;
	size_t len;
};

struct forward {
	struct target *target;
	size_t n;
	struct noted noted[UDP_BATCH];
	unsigned waiting;
	/* one batch on its way */
	struct mmsghdr msg[UDP_BATCH];
	struct iovec iov[UDP_BATCH][2];
	uint8_t head[UDP_BATCH][HEAD_MAX];
};

bool forward_parse(const char *text, struct forward_target *out, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT + 2];
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	uint64_t port;

	if (brackets) {
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(host))
		goto bad;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!addr_parse(host, &out->addr) || addr_is4(&out->addr) == brackets ||
	    !parse_u64(colon + 1, 65535, &port) || !port)
		goto bad;
	out->port = (uint16_t)port;
	return true;
bad:
	return err_set(err, "forward wants an address and a port, such as "
		       "\"192.0.2.99:2055\" or \"[2001:db8::1]:2055\", not \"%.80s\"",
		       brackets ? text - 1 : text);
}

/* --- headers --- */

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* RFC 1071, in the byte order of the octets. */
static uint32_t sum(uint32_t acc, const uint8_t *p, size_t n)
{
	uint64_t s = acc;

	for (; n >= 2; p += 2, n -= 2)
		s += (uint32_t)p[0] << 8 | p[1];
	if (n)
		s += (uint32_t)p[0] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

/* The UDP header, with its check sum over the pseudo header and all data. */
static void udp_head(uint8_t h[UDP_HEAD], const struct target *t, const struct noted *d)
{
	size_t from = addr_is4(&t->to.addr) ? 12 : 0;
	uint32_t s;

	put16(h, d->port);
	put16(h + 2, t->to.port);
	put16(h + 4, (uint32_t)(UDP_HEAD + d->len));
	put16(h + 6, 0);
	s = sum(17, d->src.b + from, 16 - from);
	s = sum(s, t->to.addr.b + from, 16 - from);
	s = sum(s + UDP_HEAD + (uint32_t)d->len, h, UDP_HEAD);
	s = sum(s, d->data, d->len);
	put16(h + 6, s == 0xffff ? 0xffff : ~s & 0xffff);
}

/* An IP header before `len` octets of UDP beginning at `offset`; id 0: one piece. Returns
 * its length. */
static size_t ip_head(uint8_t *h, const struct target *t, const struct noted *d,
		      size_t len, size_t offset, bool more, uint32_t id)
{
	if (addr_is4(&t->to.addr)) {
		memset(h, 0, IP4_HEAD); /* the kernel fills in check sum and a zero id */
		h[0] = 0x45;
		put16(h + 2, (uint32_t)(IP4_HEAD + len));
		put16(h + 4, id);
		put16(h + 6, (uint32_t)(offset / 8) | (more ? 0x2000 : 0));
		h[8] = HOPS;
		h[9] = IPPROTO_UDP;
		memcpy(h + 12, d->src.b + 12, 4);
		memcpy(h + 16, t->to.addr.b + 12, 4);
		return IP4_HEAD;
	}
	put32(h, 0x60000000);
	put16(h + 4, (uint32_t)(len + (id ? FRAGMENT_HEAD : 0)));
	h[6] = id ? IPPROTO_FRAGMENT : IPPROTO_UDP;
	h[7] = HOPS;
	memcpy(h + 8, d->src.b, 16);
	memcpy(h + 24, t->to.addr.b, 16);
	if (!id)
		return IP6_HEAD;
	h[40] = IPPROTO_UDP;
	h[41] = 0;
	put16(h + 42, (uint32_t)offset | more);
	put32(h + 44, id);
	return IP6_HEAD + FRAGMENT_HEAD;
}

/* --- sending --- */

static void add_to(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, *n + more, __ATOMIC_RELAXED);
}

static void send_all(struct forward *f, struct target *t, int fd, unsigned n)
{
	unsigned at = 0;
	bool again = true;

	while (at < n) {
		int k = sendmmsg(fd, f->msg + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k > 0) {
			at += (unsigned)k;
			add_to(&t->sent, (unsigned)k);
			again = true;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS) {
			add_to(&t->dropped, n - at);
			return;
		}
		/* ECONNREFUSED tells of an earlier datagram; this one was not tried. */
		if (errno == ECONNREFUSED && again) {
			again = false;
			continue;
		}
		add_to(&t->dropped, 1);
		at++;
		again = true;
	}
}

static bool send_piece(struct target *t, uint8_t *head, size_t head_len,
		       const uint8_t *data, size_t len)
{
	struct iovec iov[2] = { { head, head_len }, { (uint8_t *)data, len } };
	struct msghdr m = { .msg_name = &t->ss, .msg_namelen = t->ss_len, .msg_iov = iov,
			    .msg_iovlen = 2 };

	return sendmsg(t->raw, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void send_fragments(struct target *t, const struct noted *d)
{
	size_t all = UDP_HEAD + d->len;
	size_t ip = addr_is4(&t->to.addr) ? IP4_HEAD : IP6_HEAD + FRAGMENT_HEAD;
	size_t piece = (t->mtu - ip) & ~(size_t)7;
	uint8_t head[HEAD_MAX];
	bool ok = true;

	if (!(++t->id & 0xffff))
		t->id++;
	for (size_t at = 0; at < all && ok; at += piece) {
		size_t len = all - at < piece ? all - at : piece;
		size_t n = ip_head(head, t, d, len, at, at + len < all, t->id);

		if (!at) {
			udp_head(head + n, t, d);
			ok = send_piece(t, head, n + UDP_HEAD, d->data, len - UDP_HEAD);
		} else {
			ok = send_piece(t, head, n, d->data + at - UDP_HEAD, len);
		}
	}
	add_to(ok ? &t->sent : &t->dropped, 1);
}

static void learn_mtu(struct target *t)
{
	bool v4 = addr_is4(&t->to.addr);
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (getsockopt(t->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU,
		       &mtu, &len) ||
	    mtu < 576)
		mtu = 1280;
	t->mtu = (uint32_t)mtu;
}

static bool keeps(const struct target *t, const struct noted *d)
{
	return t->raw >= 0 && addr_is4(&d->src) == addr_is4(&t->to.addr);
}

static void flush_raw(struct forward *f, struct target *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->waiting; i++) {
		const struct noted *d = &f->noted[i];
		size_t ip;

		if (!keeps(t, d))
			continue;
		if (d->len + UDP_HEAD + IP6_HEAD > t->mtu) {
			send_fragments(t, d);
			continue;
		}
		ip = ip_head(f->head[n], t, d, UDP_HEAD + d->len, 0, false, 0);
		udp_head(f->head[n] + ip, t, d);
		f->iov[n][0] = (struct iovec){ f->head[n], ip + UDP_HEAD };
		f->iov[n][1] = (struct iovec){ (uint8_t *)d->data, d->len };
		f->msg[n].msg_hdr = (struct msghdr){ .msg_name = &t->ss,
						     .msg_namelen = t->ss_len,
						     .msg_iov = f->iov[n],
						     .msg_iovlen = 2 };
		n++;
	}
	send_all(f, t, t->raw, n);
}

static void flush_own(struct forward *f, struct target *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->waiting; i++) {
		const struct noted *d = &f->noted[i];

		if (keeps(t, d))
			continue;
		f->iov[n][0] = (struct iovec){ (uint8_t *)d->data, d->len };
		f->msg[n].msg_hdr = (struct msghdr){ .msg_iov = f->iov[n],
						     .msg_iovlen = 1 };
		n++;
	}
	send_all(f, t, t->fd, n);
}

void forward_add(struct forward *f, const struct sockaddr_storage *from,
		 const uint8_t *data, size_t len)
{
	struct noted *d;

	if (f->waiting == UDP_BATCH)
		forward_flush(f);
	d = &f->noted[f->waiting++];
	d->src = addr_of_sockaddr(from, &d->port);
	d->data = data;
	d->len = len;
}

void forward_flush(struct forward *f)
{
	for (size_t i = 0; i < f->n && f->waiting; i++) {
		if (f->target[i].raw >= 0)
			flush_raw(f, &f->target[i]);
		flush_own(f, &f->target[i]);
	}
	f->waiting = 0;
}

/* --- opening --- */

static bool open_target(struct target *t, struct err *err)
{
	bool v4 = addr_is4(&t->to.addr);
	struct sockaddr_in *in = (void *)&t->ss;
	struct sockaddr_in6 *in6 = (void *)&t->ss;
	int family = v4 ? AF_INET : AF_INET6, size = SNDBUF;
	char text[ADDR_TEXT];

	t->ss.ss_family = (sa_family_t)family;
	if (v4) {
		in->sin_port = htons(t->to.port);
		memcpy(&in->sin_addr, t->to.addr.b + 12, 4);
	} else {
		in6->sin6_port = htons(t->to.port);
		memcpy(&in6->sin6_addr, t->to.addr.b, 16);
	}
	t->ss_len = v4 ? sizeof(*in) : sizeof(*in6);
	t->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0 || connect(t->fd, (struct sockaddr *)&t->ss, t->ss_len))
		return err_set(err,
			       "cannot forward to %s port %u: %s; check the address and "
			       "the route to it",
			       addr_text(&t->to.addr, text), t->to.port, strerror(errno));
	setsockopt(t->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	learn_mtu(t);
	t->raw = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (t->raw >= 0)
		setsockopt(t->raw, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	else
		log_seldom("forward", 3600,
			   "datagrams forwarded to %s port %u come from our own "
			   "address: keeping the exporter's needs CAP_NET_RAW",
			   addr_text(&t->to.addr, text), t->to.port);
	if (!v4)
		in6->sin6_port = 0; /* a raw socket refuses others */
	return true;
}

struct forward *forward_new(const struct forward_target *targets, size_t n,
			    struct err *err)
{
	struct forward *f = xcalloc(1, sizeof(*f));

	f->target = xcalloc(n ? n : 1, sizeof(*f->target));
	for (; f->n < n; f->n++) {
		struct target *t = &f->target[f->n];

		t->to = targets[f->n];
		t->raw = t->fd = -1;
		if (!open_target(t, err)) {
			f->n++;
			forward_free(&f);
			return NULL;
		}
	}
	return f;
}

void forward_free(struct forward **fp)
{
	struct forward *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (f->target[i].fd >= 0)
			close(f->target[i].fd);
		if (f->target[i].raw >= 0)
			close(f->target[i].raw);
	}
	free(f->target);
	free(f);
}

size_t forward_targets(const struct forward *f)
{
	return f ? f->n : 0;
}

void forward_stats(const struct forward *f, size_t i, struct forward_stats *out)
{
	const struct target *t = &f->target[i];

	out->to = t->to;
	out->sent = __atomic_load_n(&t->sent, __ATOMIC_RELAXED);
	out->dropped = __atomic_load_n(&t->dropped, __ATOMIC_RELAXED);
	out->keeps_source = t->raw >= 0;
}
