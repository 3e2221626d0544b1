/* capture.c - flows out of capture files.
 * SPDX-License-Identifier: ISC
 *
 * A capture either holds the datagrams of exporters, which go through the same collector
 * as on the wire, with the time at which they were captured; or it holds traffic, and
 * flows are made of it (packets.c). Which of the two is found by looking at its first
 * packets: more than half of the UDP datagrams begin like a flow protocol, or not. Whoever
 * captured both says which is meant.
 */
#include "daemon/import/capture.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/mem.h"
#include "daemon/base/rd.h"
#include "daemon/collect/decoder.h"
#include "daemon/collect/pcap.h"

enum { LOOK = 2000, TICK_MS = 1000, SHORTEST = 16 };

struct capture {
	struct rows *rows;
	struct collector *collector;
	struct collect_out out;
	int64_t tick_ms, last_ms;
	bool failed;
	struct err *err;
};

bool capture_is(const uint8_t *p, size_t n)
{
	static const uint8_t magic[][4] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 },
		{ 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 },
		{ 0x0a, 0x0d, 0x0d, 0x0a },
	};

	for (size_t i = 0; n >= 16 && i < ARRAY_LEN(magic); i++)
		if (!memcmp(p, magic[i], 4))
			return true;
	return n >= 16 && p[0] == 0 && p[1] == 10 && (p[2] || p[3] >= 16);
}

static bool flow_protocol(const struct pcap_datagram *d)
{
	const struct decoder *x = decoder_find(d->data, d->len);

	return x && d->len >= SHORTEST;
}

static enum capture_kind guess(const char *path)
{
	struct pcap *p = pcap_open(path, NULL);
	unsigned flows = 0, all = 0, n = 0;
	struct pcap_packet k;
	struct pcap_datagram d;
	struct err err;

	while (p && n++ < LOOK && pcap_next(p, &k, &err)) {
		if (k.link < 0) { /* a file of datagrams */
			flows++;
			all++;
		} else if (pcap_udp(p, &k, &d)) {
			all++;
			flows += flow_protocol(&d);
		}
	}
	pcap_close(&p);
	return flows * 2 > all ? CAPTURE_DATAGRAMS : CAPTURE_PACKETS;
}

/* ---- datagrams ---- */

static bool hand_over(struct capture *c, struct block *b)
{
	struct rows *r = c->rows;

	if (!b->n)
		return true;
	if (r->fixed)
		for (uint32_t i = 0; i < b->n; i++)
			b->exporter[i] = r->exporter;
	block_use(b, F_received_ms);
	r->n += b->n;
	return r->full(r->arg, b, c->err);
}

static struct block *full(void *arg, struct block *b)
{
	struct capture *c = arg;

	c->failed |= !c->failed && !hand_over(c, b);
	block_reset(b);
	return b;
}

static void sender(const struct pcap_datagram *d, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (addr_is4(&d->src)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(d->src_port);
		memcpy(&in->sin_addr, d->src.b + 12, 4);
		return;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(d->src_port);
	memcpy(&in6->sin6_addr, d->src.b, 16);
}

/* When the file does not say, the header of NetFlow and IPFIX does. */
static int64_t time_of(const struct capture *c, const struct pcap_datagram *d)
{
	struct rd r = rd_over(d->data, d->len);
	uint16_t version = rd_u16(&r);
	int64_t s;

	if (d->at_ms)
		return d->at_ms;
	rd_sub(&r, version == 10 ? 2 : 6);
	s = rd_u32(&r);
	if (rd_ok(&r) && version && version <= 10 && s)
		return s * 1000;
	return c->last_ms ? c->last_ms : c->rows->file_ms;
}

static void take(struct capture *c, const struct pcap_datagram *d)
{
	int64_t at = time_of(c, d);
	struct sockaddr_storage ss;

	sender(d, &ss);
	collect_datagram(c->collector, &ss, d->data, d->len, at, &c->out);
	if (at > c->last_ms)
		c->last_ms = at;
	if (at - c->tick_ms >= TICK_MS) {
		collector_tick(c->collector, at);
		c->tick_ms = at;
	}
}

static bool datagrams(struct pcap *p, const struct capture_opts *o, struct rows *r,
		      struct err *err)
{
	struct collect_conf conf = { 0 };
	struct capture c = { .rows = r, .err = err };
	struct pcap_packet k;
	struct pcap_datagram d;

	c.collector = collector_new(r->names, &conf);
	c.out = (struct collect_out){ .block = r->block, .full = full, .arg = &c };
	while (!c.failed && pcap_next(p, &k, err)) {
		if (pcap_udp(p, &k, &d))
			take(&c, &d);
		else
			r->skipped++;
		if (o->progress)
			o->progress(o->arg, pcap_at(p));
	}
	collector_tick(c.collector, c.last_ms + 2 * TICK_MS);
	if (!c.failed && !err->msg[0])
		c.failed |= !hand_over(&c, c.out.block);
	block_reset(c.out.block);
	collector_free(&c.collector);
	return !c.failed && !err->msg[0];
}

/* ---- packets ---- */

static bool packets(struct pcap *p, const struct capture_opts *o, struct rows *r,
		    struct err *err)
{
	struct packets *t = packets_new(o, r);
	struct pcap_packet k;
	bool ok = true;

	while (ok && pcap_next(p, &k, err)) {
		ok = packets_add(t, &k, err);
		if (o->progress)
			o->progress(o->arg, pcap_at(p));
	}
	ok = ok && !err->msg[0] && packets_end(t, err);
	packets_free(&t);
	return ok;
}

bool capture_read(const char *path, const struct capture_opts *o, struct rows *r,
		  enum capture_kind *kind, struct err *err)
{
	struct pcap *p = pcap_open(path, err);
	bool ok;

	if (!p)
		return false;
	err->msg[0] = '\0';
	*kind = o->kind == CAPTURE_GUESS ? guess(path) : o->kind;
	ok = (*kind == CAPTURE_DATAGRAMS ? datagrams : packets)(p, o, r, err);
	pcap_close(&p);
	return ok;
}
