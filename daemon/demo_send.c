/* demo_send.c - four ways to say the same flows.
 * SPDX-License-Identifier: ISC
 *
 * Sources: Cisco's NetFlow v5 record, RFC 3954 (v9), RFC 7011 (IPFIX), sflow.org
 * (sFlow v5, sampled IPv4). v9 and IPFIX share one record and one template; v9
 * tells times as uptime, IPFIX here as milliseconds of Unix time.
 */
#include "daemon/demo_send.h"

#include <string.h>
#include <sys/socket.h>

enum { UPTIME_MS = 86400000, TEMPLATE = 300 };

struct out {
	uint8_t b[1472];
	unsigned n;
};

static void put(struct out *o, uint64_t v, unsigned octets)
{
	while (octets-- && o->n < sizeof(o->b))
		o->b[o->n++] = octets < sizeof(v) ? (uint8_t)(v >> (8 * octets)) : 0;
}

static void patch16(struct out *o, unsigned at, unsigned v)
{
	o->b[at] = (uint8_t)(v >> 8);
	o->b[at + 1] = (uint8_t)v;
}

static uint32_t uptime(int64_t ms, int64_t now_ms)
{
	return (uint32_t)(UPTIME_MS - (now_ms - ms));
}

static void v5(struct out *o, const struct demo_flow *f, unsigned n, int64_t now_ms)
{
	put(o, 5, 2);
	put(o, n, 2);
	put(o, UPTIME_MS, 4);
	put(o, (uint64_t)now_ms / 1000, 4);
	put(o, (uint64_t)(now_ms % 1000) * 1000000, 4);
	put(o, 0, 8); /* sequence is set by the caller; engine and sampling */
	for (unsigned i = 0; i < n; i++, f++) {
		put(o, f->src, 4);
		put(o, f->dst, 4);
		put(o, 0, 4);
		put(o, f->in_if, 2);
		put(o, f->out_if, 2);
		put(o, f->packets, 4);
		put(o, f->bytes, 4);
		put(o, uptime(f->start_ms, now_ms), 4);
		put(o, uptime(f->end_ms, now_ms), 4);
		put(o, f->src_port, 2);
		put(o, f->dst_port, 2);
		put(o, 0x1b, 2);
		put(o, f->proto, 1);
		put(o, 0, 9);
	}
}

/* Element and length, in the order of record(). 152/153 are IPFIX's absolute times. */
static void template(struct out *o, enum demo_protocol p)
{
	static const uint16_t fields[][2] = {
		{ 8, 4 }, { 12, 4 }, { 7, 2 }, { 11, 2 }, { 4, 1 }, { 6, 1 },
		{ 10, 4 }, { 14, 4 }, { 1, 4 }, { 2, 4 },
	};
	unsigned n = sizeof(fields) / sizeof(fields[0]);

	put(o, p == DEMO_V9 ? 0 : 2, 2);
	put(o, 8 + 4 * (n + 2), 2);
	put(o, TEMPLATE, 2);
	put(o, n + 2, 2);
	for (unsigned i = 0; i < n; i++) {
		put(o, fields[i][0], 2);
		put(o, fields[i][1], 2);
	}
	put(o, p == DEMO_V9 ? 22 : 152, 2);
	put(o, p == DEMO_V9 ? 4 : 8, 2);
	put(o, p == DEMO_V9 ? 21 : 153, 2);
	put(o, p == DEMO_V9 ? 4 : 8, 2);
}

static void record(struct out *o, enum demo_protocol p, const struct demo_flow *f,
		   int64_t now_ms)
{
	put(o, f->src, 4);
	put(o, f->dst, 4);
	put(o, f->src_port, 2);
	put(o, f->dst_port, 2);
	put(o, f->proto, 1);
	put(o, 0x1b, 1);
	put(o, f->in_if, 4);
	put(o, f->out_if, 4);
	put(o, f->bytes, 4);
	put(o, f->packets, 4);
	if (p == DEMO_V9) {
		put(o, uptime(f->start_ms, now_ms), 4);
		put(o, uptime(f->end_ms, now_ms), 4);
	} else {
		put(o, (uint64_t)f->start_ms, 8);
		put(o, (uint64_t)f->end_ms, 8);
	}
}

static void templated(struct out *o, enum demo_protocol p, const struct demo_flow *f,
		      unsigned n, int64_t now_ms)
{
	unsigned set;

	put(o, p == DEMO_V9 ? 9 : 10, 2);
	put(o, n + 1, 2); /* v9: records; IPFIX: length, below */
	if (p == DEMO_V9)
		put(o, UPTIME_MS, 4);
	put(o, (uint64_t)now_ms / 1000, 4);
	put(o, 0, 4); /* sequence is set by the caller */
	put(o, 1, 4);
	template(o, p);
	set = o->n;
	put(o, TEMPLATE, 2);
	put(o, 0, 2);
	for (unsigned i = 0; i < n; i++)
		record(o, p, &f[i], now_ms);
	while ((o->n - set) % 4)
		put(o, 0, 1);
	patch16(o, set + 2, o->n - set);
	if (p == DEMO_IPFIX)
		patch16(o, 2, o->n);
}

static void sflow(struct out *o, const struct demo_flow *f, unsigned n)
{
	put(o, 5, 4);
	put(o, 1, 4);
	put(o, 0x7f000004, 4);
	put(o, 0, 4);
	put(o, 0, 4); /* sequence is set by the caller */
	put(o, UPTIME_MS, 4);
	put(o, n, 4);
	for (unsigned i = 0; i < n; i++, f++) {
		put(o, 1, 4);
		put(o, 32 + 8 + 32, 4);
		put(o, i, 4);
		put(o, f->in_if, 4);
		put(o, f->packets, 4);
		put(o, (uint64_t)f->packets * (i + 1), 4);
		put(o, 0, 4);
		put(o, f->in_if, 4);
		put(o, f->out_if, 4);
		put(o, 1, 4);
		put(o, 3, 4);
		put(o, 32, 4);
		put(o, f->bytes / f->packets, 4);
		put(o, f->proto, 4);
		put(o, f->src, 4);
		put(o, f->dst, 4);
		put(o, f->src_port, 4);
		put(o, f->dst_port, 4);
		put(o, 0x1b, 4);
		put(o, 0, 4);
	}
}

void demo_send(int fd, enum demo_protocol p, const struct demo_flow *f, unsigned n,
	       int64_t now_ms, uint32_t sequence)
{
	static const unsigned at[] = { 16, 12, 8, 16 };
	struct out o = { .n = 0 };

	if (p == DEMO_V5)
		v5(&o, f, n, now_ms);
	else if (p == DEMO_SFLOW)
		sflow(&o, f, n);
	else
		templated(&o, p, f, n, now_ms);
	patch16(&o, at[p], sequence >> 16);
	patch16(&o, at[p] + 2, sequence & 0xffff);
	/* Nobody listening yet, or any more: the next second tries again. */
	if (send(fd, o.b, o.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}
