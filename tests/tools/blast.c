/* blast.c - sends flows and says exactly what it sent.
 * SPDX-License-Identifier: ISC
 *
 *   blast -p v5|v9|ipfix|sflow [-d 127.0.0.1:2055] -n FLOWS [-r FLOWS_A_SECOND]
 *         [-e EXPORTERS] [-c BITS_A_SECOND] [-w SECONDS] [-s SEED]
 *
 * For end-to-end tests and `make bench`. Exporters are 127.0.0.1, .2, …; hosts
 * 10.0.0.0/16 fetch from 198.18.0.0/15 (RFC 2544) through interface 2, sizes and
 * peers are skewed as real ones are. -c adds a culprit: 10.66.66.66 fetches from
 * 203.0.113.99 at so many bits a second, in one flow each 100 ms, from -w seconds
 * after the start. The last line is JSON: what was sent, the octets of the culprit,
 * and when its first datagram left (Unix milliseconds).
 * Only loopback is accepted as destination.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum protocol { V5, V9, IPFIX, SFLOW, PROTOCOLS };
enum { POOL = 2048, EXPORTERS_MAX = 200, TEMPLATE_EVERY = 200, TEMPLATE = 256, SIZE = 1472,
       UPTIME_MS = 360000000, BATCH = 16 };

struct flow {
	uint32_t src, dst, bytes, packets, lasted_ms;
	uint16_t src_port, dst_port, in_if, out_if;
	uint8_t proto, flags;
};

struct datagram {
	uint8_t b[SIZE];
	unsigned len, flows;
	uint64_t bytes, packets;
};

static const struct {
	const char *name;
	unsigned flows;    /* in a datagram */
	unsigned sequence; /* where the number is */
	unsigned time;     /* where the seconds are; 0: nowhere */
	bool counts_flows;
} kinds[PROTOCOLS] = {
	{ "v5", 30, 16, 8, true },
	{ "v9", 22, 12, 8, false },
	{ "ipfix", 22, 8, 4, true },
	{ "sflow", 14, 16, 0, false },
};

static uint64_t seed = 1;

static uint32_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32);
}

static double unit(void) { return (draw() + 0.5) / 4294967296.0; }

static struct flow any_flow(void)
{
	static const uint16_t services[] = { 443, 443, 443, 80, 53, 993, 22, 123 };
	uint32_t host = 0x0a000000u + (uint32_t)(pow(unit(), 3) * 5000) + 1;
	uint32_t peer = 0xc6120000u + (uint32_t)(pow(unit(), 3) * 60000) + 1;
	uint16_t service = services[draw() % 8], port = (uint16_t)(1024 + draw() % 60000);
	bool down = draw() % 4;
	struct flow f = { .bytes = 60 + (uint32_t)(80 / pow(unit(), 0.8)), .in_if = down ? 2 : 1,
			  .out_if = down ? 1 : 2, .lasted_ms = draw() % 25000 };

	f.bytes = f.bytes > 20000000 ? 20000000 : f.bytes;
	f.packets = f.bytes / 1000 + 1;
	f.proto = service == 53 || service == 123 ? 17 : 6;
	f.flags = f.proto == 6 ? 0x1b : 0;
	f.src = down ? peer : host;
	f.dst = down ? host : peer;
	f.src_port = down ? service : port;
	f.dst_port = down ? port : service;
	return f;
}

static void put(struct datagram *d, uint64_t v, unsigned octets)
{
	while (octets--)
		d->b[d->len++] = octets < sizeof(v) ? (uint8_t)(v >> (8 * octets)) : 0;
}

static void patch(struct datagram *d, unsigned at, uint64_t v, unsigned octets)
{
	while (octets--)
		d->b[at++] = (uint8_t)(v >> (8 * octets));
}

static void header(struct datagram *d, enum protocol p, unsigned n)
{
	put(d, p == V5 ? 5 : p == V9 ? 9 : p == IPFIX ? 10 : 0, 2);
	if (p == SFLOW) {
		put(d, 5, 2);
		put(d, 1, 4);
		put(d, 0x7f000001, 4);
		put(d, 0, 8);
		put(d, UPTIME_MS, 4);
		put(d, n, 4);
		return;
	}
	put(d, n, 2);
	if (p != IPFIX)
		put(d, UPTIME_MS, 4);
	put(d, 0, 4);
	put(d, 0, p == V5 ? 12 : 8);
}

static const uint16_t fields[][2] = {
	{ 8, 4 }, { 12, 4 }, { 7, 2 }, { 11, 2 }, { 4, 1 }, { 6, 1 }, { 10, 4 },
	{ 14, 4 }, { 1, 4 }, { 2, 4 }, { 22, 4 }, { 21, 4 }, { 16, 4 }, { 17, 4 },
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static void template(struct datagram *d, enum protocol p)
{
	put(d, p == V9 ? 0 : 2, 2);
	put(d, 8 + 4 * FIELDS, 2);
	put(d, TEMPLATE, 2);
	put(d, FIELDS, 2);
	for (unsigned i = 0; i < FIELDS; i++) {
		put(d, fields[i][0], 2);
		put(d, fields[i][1], 2);
	}
}

static void record5(struct datagram *d, const struct flow *f)
{
	put(d, f->src, 4);
	put(d, f->dst, 4);
	put(d, 0, 4);
	put(d, f->in_if, 2);
	put(d, f->out_if, 2);
	put(d, f->packets, 4);
	put(d, f->bytes, 4);
	put(d, UPTIME_MS - 500 - f->lasted_ms, 4);
	put(d, UPTIME_MS - 500, 4);
	put(d, f->src_port, 2);
	put(d, f->dst_port, 2);
	put(d, f->flags, 2);
	put(d, f->proto, 1);
	put(d, 0, 1);
	put(d, 64500, 2);
	put(d, 64501, 2);
	put(d, 0x1810, 2);
	put(d, 0, 2);
}

static void record9(struct datagram *d, const struct flow *f)
{
	put(d, f->src, 4);
	put(d, f->dst, 4);
	put(d, f->src_port, 2);
	put(d, f->dst_port, 2);
	put(d, f->proto, 1);
	put(d, f->flags, 1);
	put(d, f->in_if, 4);
	put(d, f->out_if, 4);
	put(d, f->bytes, 4);
	put(d, f->packets, 4);
	put(d, UPTIME_MS - 500 - f->lasted_ms, 4);
	put(d, UPTIME_MS - 500, 4);
	put(d, 64500, 4);
	put(d, 64501, 4);
}

/* One sample at rate 1 of one packet: sampled IPv4, its length is what counts. */
static void sample(struct datagram *d, struct flow *f, unsigned number)
{
	f->bytes = 60 + f->bytes % 1400;
	f->packets = 1;
	put(d, 1, 4);
	put(d, 32 + 8 + 32, 4);
	put(d, number, 4);
	put(d, f->in_if, 4);
	put(d, 1, 4);
	put(d, number, 4);
	put(d, 0, 4);
	put(d, f->in_if, 4);
	put(d, f->out_if, 4);
	put(d, 1, 4);
	put(d, 3, 4);
	put(d, 32, 4);
	put(d, f->bytes, 4);
	put(d, f->proto, 4);
	put(d, f->src, 4);
	put(d, f->dst, 4);
	put(d, f->src_port, 4);
	put(d, f->dst_port, 4);
	put(d, f->flags, 4);
	put(d, 0, 4);
}

static void build(struct datagram *d, enum protocol p, const struct flow *given, unsigned n,
		  bool with_template)
{
	unsigned set;

	memset(d, 0, sizeof(*d));
	header(d, p, n);
	if (with_template)
		template(d, p);
	set = d->len;
	if (p == V9 || p == IPFIX) {
		put(d, TEMPLATE, 2);
		put(d, 0, 2);
	}
	for (unsigned i = 0; i < n; i++) {
		struct flow f = given ? given[i] : any_flow();

		if (p == V5)
			record5(d, &f);
		else if (p == SFLOW)
			sample(d, &f, i);
		else
			record9(d, &f);
		d->flows++;
		d->bytes += f.bytes;
		d->packets += f.packets;
	}
	if (p == V5 || p == SFLOW)
		return;
	while ((d->len - set) % 4)
		put(d, 0, 1);
	patch(d, set + 2, d->len - set, 2);
	patch(d, 2, p == IPFIX ? d->len : n + with_template, 2);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct sender {
	enum protocol p;
	int fd;
	uint32_t sequence;
	uint64_t sent; /* datagrams */
};

static struct {
	uint64_t datagrams, flows, bytes, packets, culprit_bytes, refused;
	double culprit_s;
} total;

static void send_one(struct sender *s, const struct datagram *from)
{
	struct datagram d = *from;

	patch(&d, kinds[s->p].sequence, s->sequence, 4);
	if (kinds[s->p].time)
		patch(&d, kinds[s->p].time, (uint64_t)now_s(), 4);
	s->sequence += kinds[s->p].counts_flows ? d.flows : 1;
	s->sent++;
	while (send(s->fd, d.b, d.len, 0) < 0) {
		if (errno == ECONNREFUSED) {
			total.refused++;
			break;
		}
		if (errno != EINTR && errno != ENOBUFS && errno != EAGAIN) {
			perror("blast: send");
			exit(1);
		}
	}
	total.datagrams++;
	total.flows += d.flows;
	total.bytes += d.bytes;
	total.packets += d.packets;
}

static void culprit(struct sender *s, double bits_s)
{
	struct flow f = { 0xcb007163, 0x0a424242, (uint32_t)(bits_s / 8 / 10), 1, 100, 443, 50000,
			  2, 1, 6, 0x18 };
	struct datagram d;

	f.packets = f.bytes / 1400 + 1;
	build(&d, s->p, &f, 1, false);
	if (!total.culprit_bytes)
		total.culprit_s = now_s();
	total.culprit_bytes += d.bytes;
	send_one(s, &d);
}

static int connect_from(unsigned e, const char *to)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000001u + e) };
	struct sockaddr_in there = { .sin_family = AF_INET };
	char host[64];
	int port = 2055, fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;

	if (sscanf(to, "%63[^:]:%d", host, &port) < 1 ||
	    inet_pton(AF_INET, host, &there.sin_addr) != 1 ||
	    ntohl(there.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "blast: the destination must be in 127.0.0.0/8\n");
		exit(2);
	}
	there.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&there, sizeof(there))) {
		perror("blast: connect");
		exit(1);
	}
	return fd;
}

static void pace(double start, double rate)
{
	double lag = start + (double)total.flows / rate - now_s();
	struct timespec t = { (time_t)lag, (long)((lag - floor(lag)) * 1e9) };

	if (rate > 0 && lag > 0)
		nanosleep(&t, NULL);
}

static void run(struct sender *s, unsigned exporters, uint64_t want, double rate, double bits_s,
		double wait_s)
{
	struct datagram *pool = calloc(POOL, sizeof(*pool)), *first = calloc(1, sizeof(*first));
	double start, guilty;
	bool templated = s->p == V9 || s->p == IPFIX;

	for (unsigned i = 0; i < POOL; i++)
		build(&pool[i], s->p, NULL, kinds[s->p].flows, false);
	build(first, s->p, NULL, kinds[s->p].flows - 4, templated);
	start = now_s();
	guilty = start + wait_s - 0.1;
	for (unsigned e = 0; total.flows < want; e = (e + 1) % exporters) {
		for (unsigned i = 0; i < BATCH && total.flows < want; i++)
			send_one(&s[e], templated && s[e].sent % TEMPLATE_EVERY == 0
						? first : &pool[draw() % POOL]);
		if (bits_s > 0 && now_s() - guilty >= 0.1) {
			culprit(&s[0], bits_s);
			guilty = now_s();
		}
		pace(start, rate);
	}
	printf("{\"protocol\":\"%s\",\"exporters\":%u,\"datagrams\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"flows\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"packets\":%" PRIu64 ",\"culprit_bytes\":%" PRIu64
	       ",\"culprit_ms\":%.0f,\"seconds\":%.3f}\n",
	       kinds[s->p].name, exporters, total.datagrams, total.refused, total.flows,
	       total.bytes, total.packets, total.culprit_bytes, total.culprit_s * 1000,
	       now_s() - start);
	free(pool);
	free(first);
}

int main(int argc, char **argv)
{
	static struct sender s[EXPORTERS_MAX];
	const char *to = "127.0.0.1:2055";
	unsigned exporters = 1, p = 0;
	uint64_t want = 0;
	double rate = 0, bits_s = 0, wait_s = 0;
	int c;

	while ((c = getopt(argc, argv, "p:d:n:r:e:c:w:s:")) != -1) {
		switch (c) {
		case 'p':
			for (p = 0; p < PROTOCOLS && strcmp(kinds[p].name, optarg); p++)
				;
			break;
		case 'd': to = optarg; break;
		case 'n': want = strtoull(optarg, NULL, 10); break;
		case 'r': rate = atof(optarg); break;
		case 'e': exporters = (unsigned)atoi(optarg); break;
		case 'c': bits_s = atof(optarg); break;
		case 'w': wait_s = atof(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 10) * 2 + 1; break;
		default: p = PROTOCOLS;
		}
	}
	if (p == PROTOCOLS || !want || !exporters || exporters > EXPORTERS_MAX) {
		fprintf(stderr, "usage: see the head of tests/tools/blast.c\n");
		return 2;
	}
	for (unsigned e = 0; e < exporters; e++)
		s[e] = (struct sender){ .p = (enum protocol)p, .fd = connect_from(e, to) };
	run(s, exporters, want, rate, bits_s, wait_s);
	return 0;
}
