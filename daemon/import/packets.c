/* packets.c - flows made of packets, as a router's cache makes them.
 * SPDX-License-Identifier: ISC
 *
 * One flow for each direction, by addresses, ports, protocol, type of ICMP and VLAN. It is
 * told when nothing has come for `inactive`, when it has lasted `active` (and goes on as a
 * new one), or when the capture ends. Octets are those of layer 3. The cache has MOST flows;
 * when it is full the quiet ones go first, whatever their time, so memory is bounded (MOST *
 * 136 octets, 71 MB) and no packet is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/collect/frame.h"
#include "daemon/collect/pcap.h"
#include "daemon/import/capture.h"

enum { MOST = 1 << 19, SWEEP_MS = 1000, ACTIVE_MS = 60000, INACTIVE_MS = 15000 };

struct key {
	struct addr src, dst;
	uint16_t src_port, dst_port, icmp, vlan;
	uint8_t proto, pad[7];
};

struct flow {
	int64_t start_ms, end_ms;
	uint64_t bytes, packets;
	uint64_t src_mac, dst_mac;
	uint16_t flags;
	uint8_t tos;
};

struct packets {
	struct rows *rows;
	int64_t active_ms, inactive_ms;
	struct map flows; /* struct key -> struct flow */
	struct block *scratch; /* one row */
	int64_t swept_ms;
};

struct packets *packets_new(const struct capture_opts *o, struct rows *r)
{
	struct packets *p = xcalloc(1, sizeof(*p));

	p->rows = r;
	p->active_ms = o->active_ms ? o->active_ms : ACTIVE_MS;
	p->inactive_ms = o->inactive_ms ? o->inactive_ms : INACTIVE_MS;
	map_init(&p->flows, sizeof(struct key), sizeof(struct flow), MOST);
	p->scratch = block_new(NULL);
	return p;
}

void packets_free(struct packets **pp)
{
	struct packets *p = *pp;

	if (!p)
		return;
	map_fini(&p->flows);
	block_unref(&p->scratch);
	free(p);
	*pp = NULL;
}

static bool tell(struct packets *p, const struct key *k, const struct flow *f,
		 struct err *err)
{
	struct block *b;
	uint32_t row;

	if (!rows_new(p->rows, &row, err))
		return false;
	b = p->rows->block;
	ROW(b, row, start_ms, f->start_ms);
	ROW(b, row, end_ms, f->end_ms);
	ROW(b, row, received_ms, f->end_ms);
	ROW(b, row, bytes, f->bytes);
	ROW(b, row, packets, f->packets);
	ROW(b, row, src, k->src);
	ROW(b, row, dst, k->dst);
	ROW(b, row, src_port, k->src_port);
	ROW(b, row, dst_port, k->dst_port);
	ROW(b, row, proto, k->proto);
	ROW(b, row, icmp, k->icmp);
	ROW(b, row, vlan, k->vlan);
	ROW(b, row, tcp_flags, f->flags);
	ROW(b, row, tos, f->tos);
	ROW(b, row, src_mac, f->src_mac);
	ROW(b, row, dst_mac, f->dst_mac);
	return true;
}

/* Tells and forgets flows that ended before; the rest moves to a new table, since a
 * deletion during a walk would make it miss some. */
static bool sweep(struct packets *p, int64_t before_ms, struct err *err)
{
	struct map rest;
	const void *k;
	void *v;
	uint32_t at = 0;
	bool ok = true;

	map_init(&rest, sizeof(struct key), sizeof(struct flow), MOST);
	while (map_next(&p->flows, &at, &k, &v)) {
		const struct flow *f = v;

		if (f->end_ms >= before_ms)
			*(struct flow *)map_put(&rest, k, NULL) = *f;
		else
			ok = ok && tell(p, k, f, err);
	}
	map_fini(&p->flows);
	p->flows = rest;
	return ok;
}

static bool key_of(struct packets *p, const struct pcap_packet *k, struct key *key,
		   uint64_t *octets)
{
	struct block *b = p->scratch;
	struct frame_info info;
	const uint8_t *data;
	unsigned proto;
	size_t len;

	if (!pcap_frame(k, &proto, &data, &len))
		return false;
	b->n = 1;
	block_reset(b);
	b->n = 1;
	if (!frame_read(data, len, proto, b, 0, &info))
		return false;
	*key = (struct key){ b->src[0], b->dst[0], b->src_port[0], b->dst_port[0],
			     b->icmp[0], b->vlan[0], b->proto[0], { 0 } };
	*octets = info.ip_len ? info.ip_len
			      : k->wire_len - (k->wire_len > info.ip_off ? info.ip_off : 0);
	return true;
}

static struct flow *find(struct packets *p, const struct key *key, int64_t at_ms,
			 struct err *err)
{
	struct flow *f = map_put(&p->flows, key, NULL);

	for (int64_t idle = p->inactive_ms / 2; !f; idle /= 2) {
		if (!sweep(p, idle > 10 ? at_ms - idle : INT64_MAX, err))
			return NULL;
		f = map_put(&p->flows, key, NULL);
	}
	return f;
}

bool packets_add(struct packets *p, const struct pcap_packet *k, struct err *err)
{
	const struct block *b = p->scratch;
	int64_t at = k->at_ms;
	uint64_t octets;
	struct key key;
	struct flow *f;

	if (!key_of(p, k, &key, &octets)) {
		p->rows->skipped++;
		return true;
	}
	if (at - p->swept_ms >= SWEEP_MS * (1 + p->flows.n / 65536) || at < p->swept_ms) {
		if (!sweep(p, at - p->inactive_ms, err))
			return false;
		p->swept_ms = at;
	}
	f = find(p, &key, at, err);
	if (!f)
		return false;
	if (f->packets && (at - f->start_ms >= p->active_ms ||
			   at - f->end_ms > p->inactive_ms)) {
		if (!tell(p, &key, f, err))
			return false;
		*f = (struct flow){ 0 };
	}
	if (!f->packets || at < f->start_ms)
		f->start_ms = at;
	if (!f->packets++ || at > f->end_ms)
		f->end_ms = at;
	f->bytes += octets;
	f->flags |= b->tcp_flags[0];
	f->tos = f->packets == 1 ? b->tos[0] : f->tos;
	f->src_mac = b->src_mac[0];
	f->dst_mac = b->dst_mac[0];
	return true;
}

bool packets_end(struct packets *p, struct err *err)
{
	return sweep(p, INT64_MAX, err) && rows_flush(p->rows, err);
}
