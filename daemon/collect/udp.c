/* udp.c - the sockets that datagrams (and connections) arrive on.
 * SPDX-License-Identifier: ISC
 *
 * Each address is opened once for every worker with SO_REUSEPORT, and a small program
 * in the kernel chooses the socket by a hash of the source ADDRESS alone (the
 * kernel's own choice hashes the port too, and an exporter that restarts, or uses a
 * port for each line card, would change its worker). So all state of an exporter belongs
 * to one thread, whatever port of ours it sends to, and needs no lock.
 *
 * SO_REUSEPORT also lets a second daemon of the same user join in and silently take
 * half of the datagrams. Therefore every address is first bound once without it: that
 * fails when anybody is there.
 *
 * systemd passes one socket for a port, owned by another user, and nothing of ours can
 * join it; then a single worker reads everything, which is enough for a million flows
 * a second.
 *
 * A batch has a slot of 64 KiB for each datagram, so that none is ever cut; pages of it
 * that no datagram touched cost nothing. Slots begin at odd distances, or the same
 * few sets of the processor's cache would have to hold the heads of all of them.
 *
 * The kernel counts drops for each socket in 32 bits and says so with the next datagram
 * (SO_RXQ_OVFL). After a burst there may be no next one, so the count is also asked
 * for now and then (SO_MEMINFO); both go through udp_count_drops().
 */
#include "daemon/collect/udp.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64, SLOT = 65536, STRIDE = SLOT + 25 * 64, FIRST_PASSED_FD = 3 };

struct udp {
	struct udp_socket **socket;
	size_t n;
	unsigned workers;
};

struct udp_batch {
	uint8_t *slots;
	struct mmsghdr msg[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage from[UDP_BATCH];
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(uint32_t))];
	} control; /* of the first datagram */
	unsigned used; /* slots to make ready again */
};

/* --- which worker --- */

/* The program below does the same in the kernel. */
unsigned udp_worker_of(const struct addr *a, unsigned workers)
{
	uint32_t h = 0, word[4];

	if (workers < 2)
		return 0;
	memcpy(word, a->b, sizeof(word));
	for (int i = addr_is4(a) ? 3 : 0; i < 4; i++)
		h ^= ntohl(word[i]);
	h ^= h >> 16;
	h *= 0x9e3779b1u;
	return (h >> 16) % workers;
}

/* Loads are relative to the network header: a socket's own view begins at the payload. */
static bool steer(int fd, unsigned workers)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 12),
		BPF_STMT(BPF_JMP | BPF_JA, 10),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 8),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 12),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 16),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 20),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1u),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	return !setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

/* --- opening --- */

static void where(const struct udp_listen *l, char text[ADDR_TEXT + 10])
{
	char a[ADDR_TEXT];

	if (addr_is_none(&l->addr))
		strcpy(a, "::");
	else
		addr_text(&l->addr, a);
	snprintf(text, ADDR_TEXT + 10, addr_is4(&l->addr) ? "%s:%u" : "[%s]:%u", a,
		 l->port);
}

static socklen_t to_sockaddr(const struct udp_listen *l, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (addr_is4(&l->addr)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(l->port);
		memcpy(&in->sin_addr, l->addr.b + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(l->port);
	memcpy(&in6->sin6_addr, l->addr.b, 16);
	return sizeof(*in6);
}

static bool say_why(const struct udp_listen *l, int why, struct err *err)
{
	char at[ADDR_TEXT + 10];

	where(l, at);
	switch (why) {
	case EADDRINUSE:
		return err_set(
		    err,
		    "cannot listen on %s (%s): another program has that port; "
		    "`ss -l%cnp sport = :%u` names it, or choose another port in "
		    "`listen %s`",
		    at, l->purpose, l->stream ? 't' : 'u', l->port, l->purpose);
	case EACCES:
		return err_set(err,
			       "cannot listen on %s (%s): ports below 1024 need root or "
			       "CAP_NET_BIND_SERVICE; choose a port from 1024 on in "
			       "`listen %s`",
			       at, l->purpose, l->purpose);
	case EADDRNOTAVAIL:
		return err_set(err, "cannot listen on %s (%s): this machine has no such "
			       "address; `ip addr` lists those it has, 0.0.0.0 means all",
			       at, l->purpose);
	case EAFNOSUPPORT:
		return err_set(err,
			       "cannot listen on %s (%s): IPv6 is switched off on this "
			       "machine; use an IPv4 address such as 0.0.0.0",
			       at, l->purpose);
	case EMFILE:
		return err_set(err,
			       "cannot listen on %s (%s): too many open files; raise "
			       "LimitNOFILE or `ulimit -n`",
			       at, l->purpose);
	}
	return err_set(err, "cannot listen on %s (%s): %s", at, l->purpose,
		       strerror(why));
}

static int one(const struct udp_listen *l, bool v6only, bool share, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(l, &ss);
	int on = 1, only = v6only, again = l->stream;
	int type = l->stream ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		say_why(l, errno, err);
		return -1;
	}
	if ((ss.ss_family != AF_INET6 ||
	     !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only))) &&
	    (!share || !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) &&
	    !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again)) &&
	    !bind(fd, (struct sockaddr *)&ss, len) && (!l->stream || !listen(fd, BACKLOG)))
		return fd;
	say_why(l, errno, err);
	close(fd);
	return -1;
}

static struct udp_socket *add(struct udp *u, int fd, const struct udp_listen *l)
{
	struct udp_socket *s = xcalloc(1, sizeof(*s));
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int on = 1;

	s->fd = fd;
	s->listen = *l;
	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		addr_of_sockaddr(&ss, &s->listen.port);
	if (!l->stream)
		setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	u->socket = xrealloc(u->socket, u->n + 1, sizeof(struct udp_socket *));
	u->socket[u->n++] = s;
	return s;
}

static void buffer(struct udp_socket *s, uint32_t asked)
{
	int want = (int)asked, got = 0;
	socklen_t len = sizeof(got);

	/* systemd's ReceiveBuffer= may have given more than we are allowed to ask. */
	getsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	if ((uint32_t)got / 2 < asked &&
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)))
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	getsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	s->rcvbuf = (uint32_t)got / 2;
}

static void say_buffer(const struct udp *u, uint32_t asked)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < u->n; i++)
		if (!u->socket[i]->listen.stream && u->socket[i]->rcvbuf < least)
			least = u->socket[i]->rcvbuf;
	if (least < asked)
		log_warn(
		    "the kernel gives a socket %u KiB to wait in, %u KiB were asked for: "
		    "bursts may be dropped (they are counted); "
		    "`sysctl -w net.core.rmem_max=%u` allows it",
		    least / 1024, asked / 1024, asked);
}

static bool open_listen(struct udp *u, const struct udp_listen *list, size_t n, size_t i,
			struct err *err)
{
	struct udp_listen l = list[i];
	bool v6only = !addr_is_none(&l.addr);
	int fd;

	for (size_t k = 0; k < n; k++)
		v6only |= k != i && list[k].port == l.port && addr_is4(&list[k].addr) &&
			  list[k].stream == l.stream;
	fd = one(&l, v6only, false, err); /* is anybody there? */
	if (fd < 0)
		return false;
	if (u->workers == 1) {
		add(u, fd, &l);
		return true;
	}
	if (!l.port) { /* the first has chosen for all */
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);

		if (!getsockname(fd, (struct sockaddr *)&ss, &len))
			addr_of_sockaddr(&ss, &l.port);
	}
	close(fd);
	for (unsigned w = 0; w < u->workers; w++) {
		fd = one(&l, v6only, true, err);
		if (fd < 0)
			return false;
		add(u, fd, &l)->worker = w;
	}
	if (!steer(fd, u->workers)) /* holds for the whole group */
		return err_set(err,
			       "the kernel refuses to spread datagrams by their source "
			       "address (%s); set one worker",
			       strerror(errno));
	return true;
}

/* --- from systemd (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) --- */

static const char *purpose_of(uint16_t port)
{
	return port == 6343 ? "sflow" : port == 4739 ? "ipfix" : "netflow";
}

static bool adopt_one(struct udp *u, int fd, struct err *err)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int type = 0;
	socklen_t type_len = sizeof(type);
	struct udp_listen l = { 0 };

	if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) ||
	    (type != SOCK_DGRAM && type != SOCK_STREAM) ||
	    (ss.ss_family != AF_INET && ss.ss_family != AF_INET6))
		return err_set(err,
			       "systemd passed a socket (descriptor %d) that is neither "
			       "UDP nor TCP; the socket unit may have ListenDatagram= "
			       "and ListenStream= with a port only",
			       fd);
	l.addr = addr_of_sockaddr(&ss, &l.port);
	l.stream = type == SOCK_STREAM;
	snprintf(l.purpose, sizeof(l.purpose), "%s", purpose_of(l.port));
	add(u, fd, &l)->activated = true;
	return true;
}

static bool adopt(struct udp *u, struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	long n = pid && count && atol(pid) == (long)getpid() ? atol(count) : 0;
	bool ok = true;

	for (long i = 0; i < n && i < 64 && ok; i++)
		ok = adopt_one(u, FIRST_PASSED_FD + (int)i, err);
	unsetenv("LISTEN_PID"); /* not for our children */
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ok;
}

static bool passed(const struct udp *u, const struct udp_listen *l)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->socket[i]->activated && u->socket[i]->listen.port == l->port &&
		    u->socket[i]->listen.stream == l->stream)
			return true;
	return false;
}

struct udp *udp_open(const struct udp_listen *list, size_t n, unsigned workers,
		     uint32_t rcvbuf, struct err *err)
{
	struct udp *u = xcalloc(1, sizeof(*u));
	uint32_t asked = rcvbuf ? rcvbuf : UDP_RCVBUF;

	if (!adopt(u, err))
		goto fail;
	u->workers = u->n || !workers ? 1 : workers;
	for (size_t i = 0; i < n; i++)
		if (!passed(u, &list[i]) && !open_listen(u, list, n, i, err)) {
			if (!list[i].stream)
				goto fail;
			log_warn("no IPFIX over TCP: %s", err->msg);
		}
	for (size_t i = 0; i < u->n; i++)
		if (!u->socket[i]->listen.stream)
			buffer(u->socket[i], asked);
	say_buffer(u, asked);
	return u;
fail:
	udp_close(&u);
	return NULL;
}

void udp_close(struct udp **up)
{
	struct udp *u = *up;

	*up = NULL;
	if (!u)
		return;
	for (size_t i = 0; i < u->n; i++) {
		close(u->socket[i]->fd);
		free(u->socket[i]);
	}
	free(u->socket);
	free(u);
}

unsigned udp_workers(const struct udp *u)
{
	return u->workers;
}

size_t udp_sockets(const struct udp *u)
{
	return u->n;
}

struct udp_socket *udp_socket(struct udp *u, size_t i)
{
	return u->socket[i];
}

/* --- receiving --- */

static void make_ready(struct udp_batch *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	b->msg[0].msg_hdr.msg_controllen = sizeof(b->control);
}

struct udp_batch *udp_batch_new(void)
{
	struct udp_batch *b = xcalloc(1, sizeof(*b));

	b->slots = xcalloc_warm(UDP_BATCH, STRIDE);
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		b->iov[i] = (struct iovec){ b->slots + (size_t)i * STRIDE, SLOT };
		b->msg[i].msg_hdr = (struct msghdr){ .msg_name = &b->from[i],
						     .msg_iov = &b->iov[i],
						     .msg_iovlen = 1 };
	}
	b->msg[0].msg_hdr.msg_control = &b->control;
	b->used = UDP_BATCH;
	return b;
}

void udp_batch_free(struct udp_batch **bp)
{
	struct udp_batch *b = *bp;

	*bp = NULL;
	if (!b)
		return;
	free(b->slots);
	free(b);
}

static void add_to(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, *n + more, __ATOMIC_RELAXED);
}

void udp_count_drops(struct udp_socket *s, uint32_t kernel)
{
	add_to(&s->drops, (uint32_t)(kernel - s->drops_seen));
	s->drops_seen = kernel;
}

void udp_poll_drops(struct udp_socket *s)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (!getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) &&
	    len > SK_MEMINFO_DROPS * sizeof(info[0]))
		udp_count_drops(s, info[SK_MEMINFO_DROPS]);
}

/* A datagram carries the count as it was when it came in. Only the first of a batch is
 * asked for it, since each answer costs; the next batch, or udp_poll_drops(), says more. */
static void read_drops(struct udp_socket *s, struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	uint32_t kernel;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
		return;
	memcpy(&kernel, CMSG_DATA(c), sizeof(kernel));
	if ((int32_t)(kernel - s->drops_seen) > 0) /* not older than what was asked */
		udp_count_drops(s, kernel);
}

unsigned udp_receive(struct udp_socket *s, struct udp_batch *b)
{
	uint64_t octets = 0;
	int n;

	make_ready(b, b->used);
	b->used = 0;
	n = recvmmsg(s->fd, b->msg, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	b->used = (unsigned)n;
	for (int i = 0; i < n; i++)
		octets += b->msg[i].msg_len;
	read_drops(s, &b->msg[0].msg_hdr);
	add_to(&s->datagrams, (unsigned)n);
	add_to(&s->octets, octets);
	return (unsigned)n;
}

const uint8_t *udp_datagram(const struct udp_batch *b, unsigned i, size_t *len,
			    const struct sockaddr_storage **from)
{
	*len = b->msg[i].msg_len;
	*from = &b->from[i];
	return b->iov[i].iov_base;
}
