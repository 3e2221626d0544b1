/* export_udp.c - flows as NetFlow v9 or IPFIX to another collector.
 * SPDX-License-Identifier: ISC
 *
 * Headers tell the time of sending and flows their own in milliseconds (152, 153), also
 * in version 9: an old header would look like a clock that is wrong, and a collector that
 * corrects clocks, as ours does, would move the past to the present. Each exporter of the
 * archive is an observation domain, with a sequence of its own, so that interfaces of
 * two stay apart. Counts are as the archive has them: sampling is applied already.
 * Templates go first, and again before every TEMPLATE_EVERY-th datagram, and the pace is kept
 * by datagrams: a receiver's buffer holds some hundreds of them, no more.
 */
#include "daemon/cli/export_udp.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

enum { DATAGRAM = 1400, TEMPLATE_EVERY = 200, HEAD_9 = 20, HEAD_10 = 16, SET_HEAD = 4,
       TRIES = 200 };

static const struct element {
	uint16_t id4, id6; /* in the template for IPv4, for IPv6 */
	uint8_t octets4, octets6;
	enum field field;
} elements[] = {
	{ 152, 152, 8, 8, F_start_ms }, { 153, 153, 8, 8, F_end_ms },
	{ 1, 1, 8, 8, F_bytes }, { 2, 2, 8, 8, F_packets }, { 8, 27, 4, 16, F_src },
	{ 12, 28, 4, 16, F_dst }, { 15, 62, 4, 16, F_next_hop }, { 7, 7, 2, 2, F_src_port },
	{ 11, 11, 2, 2, F_dst_port }, { 4, 4, 1, 1, F_proto }, { 6, 6, 1, 1, F_tcp_flags },
	{ 5, 5, 1, 1, F_tos }, { 32, 139, 2, 2, F_icmp }, { 10, 10, 4, 4, F_in_if },
	{ 14, 14, 4, 4, F_out_if }, { 16, 16, 4, 4, F_src_as }, { 17, 17, 4, 4, F_dst_as },
	{ 9, 29, 1, 1, F_src_mask }, { 13, 30, 1, 1, F_dst_mask }, { 58, 58, 2, 2, F_vlan },
	{ 61, 61, 1, 1, F_direction },
};

struct domain {
	uint32_t exporter;
	uint32_t sequence; /* v9: datagrams, IPFIX: records */
};

struct export_udp {
	int version, fd;
	char to[256];
	uint64_t rate, sent; /* flows */
	int64_t began_ms; /* the first datagram */
	struct domain *domains;
	size_t n_domains;
	uint64_t datagrams;
	/* the one that is being filled */
	uint8_t buf[DATAGRAM];
	size_t len, set_at;
	int set; /* its template: 4, 6; 0: none */
	uint32_t exporter, rows, records;
};

static bool is4(const struct block *b, uint32_t row)
{
	return addr_is4(&b->src[row]) || addr_is_none(&b->src[row]);
}

static void put(struct export_udp *x, uint64_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		x->buf[x->len + i] = (uint8_t)(v >> 8 * (octets - 1 - i));
	x->len += octets;
}

static struct domain *domain(struct export_udp *x, uint32_t exporter)
{
	for (size_t i = 0; i < x->n_domains; i++)
		if (x->domains[i].exporter == exporter)
			return &x->domains[i];
	x->domains = xrealloc(x->domains, x->n_domains + 1, sizeof(*x->domains));
	x->domains[x->n_domains] = (struct domain){ exporter, 0 };
	return &x->domains[x->n_domains++];
}

static void end_set(struct export_udp *x)
{
	size_t len;

	if (!x->set_at)
		return;
	while ((x->len - x->set_at) % 4) /* padding */
		x->buf[x->len++] = 0;
	len = x->len - x->set_at;
	x->buf[x->set_at + 2] = (uint8_t)(len >> 8);
	x->buf[x->set_at + 3] = (uint8_t)len;
	x->set_at = 0;
	x->set = 0;
}

static void begin_set(struct export_udp *x, unsigned id)
{
	end_set(x);
	x->set_at = x->len;
	put(x, id, 2);
	put(x, 0, 2);
}

static void templates(struct export_udp *x)
{
	begin_set(x, x->version == 9 ? 0 : 2);
	for (int six = 0; six < 2; six++) {
		put(x, six ? 261 : 260, 2);
		put(x, ARRAY_LEN(elements), 2);
		for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
			put(x, six ? elements[i].id6 : elements[i].id4, 2);
			put(x, six ? elements[i].octets6 : elements[i].octets4, 2);
		}
		x->records++;
	}
	end_set(x);
}

static void begin(struct export_udp *x, uint32_t exporter)
{
	x->len = x->version == 9 ? HEAD_9 : HEAD_10;
	x->exporter = exporter;
	x->rows = x->records = 0;
	x->set = 0;
	x->set_at = 0;
}

static void header(struct export_udp *x)
{
	struct domain *d = domain(x, x->exporter);
	size_t len = x->len;
	int64_t now = clock_wall_ms();

	x->len = 0;
	put(x, (uint64_t)x->version, 2);
	if (x->version == 9) {
		put(x, x->records, 2);
		put(x, (uint64_t)now, 4); /* an uptime: no flow's time hangs on it */
	} else {
		put(x, len, 2);
	}
	put(x, (uint64_t)now / 1000, 4);
	put(x, d->sequence, 4);
	put(x, x->exporter + 1, 4);
	x->len = len;
	d->sequence += x->version == 9 ? 1 : x->rows;
}

/* As many flows as the rate allows until now; then a pause. */
static void pace(struct export_udp *x)
{
	int64_t due, wait;
	struct timespec ts;

	if (!x->rate)
		return;
	if (!x->began_ms)
		x->began_ms = clock_mono_ms();
	due = x->began_ms + (int64_t)(x->sent * 1000 / x->rate);
	wait = due - clock_mono_ms();
	if (wait <= 0)
		return;
	ts = (struct timespec){ wait / 1000, wait % 1000 * 1000000 };
	nanosleep(&ts, NULL);
}

static bool transmit(struct export_udp *x, struct err *err)
{
	struct timespec moment = { 0, 5000000 };

	end_set(x);
	header(x);
	for (int i = 0; i < TRIES; i++) {
		if (send(x->fd, x->buf, x->len, 0) == (ssize_t)x->len)
			break;
		/* A refusal of the datagram before is told once; this one was not sent. */
		if (errno == ECONNREFUSED && !x->datagrams)
			continue;
		if (errno == ECONNREFUSED)
			return err_set(err, "nobody listens at %s", x->to);
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			return err_set(err, "%s: %s", x->to, strerror(errno));
		nanosleep(&moment, NULL);
	}
	x->datagrams++;
	x->sent += x->rows;
	pace(x);
	x->len = 0;
	return true;
}

static void value(struct export_udp *x, const struct element *e, bool four,
		  const struct block *b, uint32_t row)
{
	static const uint8_t none[16];
	unsigned octets = four ? e->octets4 : e->octets6;
	uint64_t v;

	if (field_info[e->field].kind == KIND_ADDR) {
		const struct addr *a = block_cell(b, e->field, row);
		const uint8_t *p = four ? a->b + 12 : a->b;

		/* A next hop of the other kind has no place in this template. */
		if (e->field == F_next_hop && addr_is4(a) != four)
			p = none;
		memcpy(x->buf + x->len, p, octets);
		x->len += octets;
		return;
	}
	v = block_u64(b, e->field, row);
	if (e->field == F_direction)
		v = v == DIR_EGRESS;
	if (octets < 8 && v >> 8 * octets)
		v &= (UINT64_C(1) << 8 * octets) - 1; /* TCP flags above the octet */
	put(x, v, octets);
}

static size_t record_octets(bool four)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		n += four ? elements[i].octets4 : elements[i].octets6;
	return n;
}

bool export_udp_flow(struct export_udp *x, const struct block *b, uint32_t row,
		     struct err *err)
{
	bool four = is4(b, row);
	size_t need = record_octets(four) + SET_HEAD + 8;

	if (x->len && (x->exporter != b->exporter[row] || x->len + need > DATAGRAM) &&
	    !transmit(x, err))
		return false;
	if (!x->len) {
		size_t known = x->n_domains;

		begin(x, b->exporter[row]);
		domain(x, b->exporter[row]);
		if (x->n_domains > known || x->datagrams % TEMPLATE_EVERY == 0)
			templates(x);
	}
	if (x->set != (four ? 4 : 6)) {
		begin_set(x, four ? 260 : 261);
		x->set = four ? 4 : 6;
	}
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		value(x, &elements[i], four, b, row);
	x->rows++;
	x->records++;
	return true;
}

bool export_udp_end(struct export_udp *x, struct err *err)
{
	return !x->len || transmit(x, err);
}

static bool dial(struct export_udp *x, const char *host, const char *port, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list, *a;
	int rc = getaddrinfo(host, port, &hints, &list);

	if (rc)
		return err_set(err, "%s: %s", x->to, gai_strerror(rc));
	for (a = list; a && x->fd < 0; a = a->ai_next) {
		x->fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (x->fd >= 0 && connect(x->fd, a->ai_addr, a->ai_addrlen)) {
			close(x->fd);
			x->fd = -1;
		}
	}
	freeaddrinfo(list);
	return x->fd >= 0 || err_set(err, "%s: %s", x->to, strerror(errno));
}

struct export_udp *export_udp_new(int version, const char *to, uint64_t rate, struct err *err)
{
	struct export_udp *x = xcalloc(1, sizeof(*x));
	char host[256];
	const char *colon = strrchr(to, ':');

	x->version = version;
	x->fd = -1;
	x->rate = rate;
	snprintf(x->to, sizeof(x->to), "%s", to);
	if (!colon || colon == to || !colon[1]) {
		err_set(err, "\"%s\" is no address to send to; write HOST:PORT", to);
		goto fail;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - to), to);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (dial(x, host, colon + 1, err))
		return x;
fail:
	export_udp_free(&x);
	return NULL;
}

void export_udp_free(struct export_udp **xp)
{
	struct export_udp *x = *xp;

	if (!x)
		return;
	if (x->fd >= 0)
		close(x->fd);
	free(x->domains);
	free(x);
	*xp = NULL;
}
