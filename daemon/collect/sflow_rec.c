/* sflow_rec.c - the records of sFlow samples, as columns of a row.
 * SPDX-License-Identifier: ISC
 *
 * Octets. A flow counts layer 3 octets, a frame length is layer 2; the IP header in the
 * sample tells the first. But an IP header is written by the monitored host and a
 * frame length by the switch: where the frame is shorter than the IP length says, or
 * longer than padding and tags explain (SLACK), the switch is believed and the frame
 * counts whole, as it does where there is no IP header. So nobody hides traffic behind
 * a header that says 20. The IPv4 and IPv6 records tell layer 3 octets.
 *
 * Direction (D13). A switch may sample a packet when it comes in and again when it goes
 * out. The data source says which: it is the sample's input or its output interface. An
 * output sample is a second look only when its input interface is sampled too; then
 * it is DIR_EGRESS. Otherwise it is the only look at that packet and stays untold,
 * so that it counts everywhere. (A probe that watches one port in both directions
 * is the usual case of that.)
 *
 * Discarded packets (sample format 5) are events and no estimate: the packet was in the
 * flow samples' totals already. Such a row has its addresses, one flow, a
 * reason, and no octets or packets of its own.
 *
 * Sources: sFlow.org "sFlow Version 5" (July 2004) sec. 5.3, "sFlow Port NAT
 * Structures", "sFlow OpenFlow Structures" (port name), "sFlow Dropped Packet
 * Notification Structures"; RFC 3176 sec. 4; RFC 4506 (XDR).
 */
#include "daemon/collect/sflow.h"

#include "daemon/base/map.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/exporter.h"
#include "daemon/collect/frame.h"

#include <string.h>

enum {
	SLACK = 40,          /* padding to 64 octets, check sum, tags taken off */
	FRAME_MAX = 1 << 20, /* no frame is longer, not even an unsegmented one */
	PATH_TEXT = 512,
	MAX_GAP = 100000,   /* datagrams; a longer jump is a reset */
	RESTART_MS = 10000, /* uptime that goes back further is a restart */
	PORT_INTERNAL = 0x3fffffff,
};

/* A cell of the sample's row, when v is told. */
#define PUT(s, col, v)                                                                \
	do {                                                                          \
		uint64_t put_ = (v);                                                  \
		if (put_) {                                                           \
			block_use((s)->b, F_##col);                                   \
			(s)->b->col[(s)->row] = put_;                                 \
		}                                                                     \
	} while (0)

/* --- XDR --- */

/* Opaque octets with their padding; the last ones of a record may lack it. */
struct rd sflow_opaque(struct rd *r, size_t len)
{
	struct rd o = rd_sub(r, len);
	size_t pad = -len & 3;

	if (rd_ok(&o))
		rd_sub(r, pad < rd_left(r) ? pad : rd_left(r));
	return o;
}

struct rd sflow_string(struct rd *r)
{
	return sflow_opaque(r, rd_u32(r));
}

bool sflow_address(struct rd *r, struct addr *a)
{
	uint32_t type = rd_u32(r);
	struct rd o;

	*a = (struct addr){ 0 };
	if (type == 0) /* UNKNOWN: nothing follows */
		return rd_ok(r);
	o = rd_sub(r, type == 1 ? 4 : 16);
	if (!rd_ok(&o) || type > 2)
		return false;
	if (type == 1)
		*a = addr_of4(o.p);
	else
		memcpy(a->b, o.p, 16);
	return true;
}

/* --- the packet --- */

void sflow_begin(struct dgram *d, struct sflow_sample *s)
{
	s->row = out_row(d);
	s->b = d->out->block;
	block_use(s->b, F_start_ms);
	block_use(s->b, F_end_ms);
	s->b->start_ms[s->row] = s->b->end_ms[s->row] = d->received_ms;
}

static void clamp_note(struct sflow_sample *s)
{
	block_use(s->b, F_notes);
	s->b->notes[s->row] |= NOTE_VALUE_CLAMPED;
}

static uint32_t octets_of(struct sflow_sample *s, uint32_t frame_len,
			  const struct frame_info *i)
{
	if (frame_len > FRAME_MAX) {
		clamp_note(s);
		return i->ip_len;
	}
	if (!i->ip_len || !frame_len)
		return frame_len ? frame_len : i->ip_len;
	if (i->ip_len <= frame_len && frame_len - i->ip_len <= i->ip_off + SLACK)
		return i->ip_len;
	return frame_len;
}

void sflow_header(struct sflow_sample *s, uint32_t proto, uint32_t frame_len,
		  struct rd head)
{
	struct frame_info info;
	bool ip = frame_read(head.p, rd_left(&head), proto, s->b, s->row, &info);

	if (!ip && s->packet == PACKET_IP)
		return;
	s->octets = octets_of(s, frame_len, &info);
	s->packet = ip ? PACKET_IP : PACKET_OTHER;
	s->raw = ip;
}

static bool raw_header(struct sflow_sample *s, struct rd *r)
{
	uint32_t proto = rd_u32(r), frame_len = rd_u32(r);
	uint32_t len;

	rd_u32(r); /* octets stripped from the frame before sampling */
	len = rd_u32(r);
	if (!rd_ok(r))
		return false;
	if (len > rd_left(r))
		len = (uint32_t)rd_left(r);
	sflow_header(s, proto, frame_len, rd_sub(r, len));
	return true;
}

static bool ethernet(struct sflow_sample *s, struct rd *r)
{
	uint32_t len = rd_u32(r);
	struct rd src = sflow_opaque(r, 6), dst = sflow_opaque(r, 6);

	if (!rd_ok(r))
		return false;
	PUT(s, src_mac, rd_uint(&src, 6));
	PUT(s, dst_mac, rd_uint(&dst, 6));
	if (s->packet == PACKET_NONE) {
		s->packet = PACKET_OTHER;
		s->octets = len;
	}
	return true;
}

bool sflow_ip(struct sflow_sample *s, struct rd *r, size_t width)
{
	uint32_t len = rd_u32(r), proto = rd_u32(r);
	struct rd src = rd_sub(r, width), dst = rd_sub(r, width);
	uint32_t src_port = rd_u32(r), dst_port = rd_u32(r), flags = rd_u32(r);
	uint32_t tos = rd_u32(r);

	if (!rd_ok(r))
		return false;
	if (s->raw) /* has told the same, and more */
		return true;
	block_use(s->b, F_src);
	block_use(s->b, F_dst);
	if (width == 4) {
		s->b->src[s->row] = addr_of4(src.p);
		s->b->dst[s->row] = addr_of4(dst.p);
	} else {
		memcpy(s->b->src[s->row].b, src.p, 16);
		memcpy(s->b->dst[s->row].b, dst.p, 16);
	}
	PUT(s, proto, (uint8_t)proto);
	if (proto == 1 || proto == 58) {
		PUT(s, icmp, (uint16_t)(src_port << 8 | (dst_port & 0xff)));
	} else {
		PUT(s, src_port, (uint16_t)src_port);
		PUT(s, dst_port, (uint16_t)dst_port);
	}
	PUT(s, tcp_flags, (uint16_t)(flags & 0x1ff));
	PUT(s, tos, (uint8_t)tos);
	s->packet = PACKET_IP;
	s->octets = len;
	return true;
}

/* --- what the switch knew --- */

bool sflow_switch(struct sflow_sample *s, struct rd *r)
{
	uint32_t in = rd_u32(r), out;

	rd_u32(r);
	out = rd_u32(r);
	rd_u32(r);
	if (!rd_ok(r))
		return false;
	/* 4095 and above is "no VLAN" of some agents */
	s->vlan = in < 4095 ? (uint16_t)in : 0;
	s->out_vlan = out < 4095 ? (uint16_t)out : 0;
	return true;
}

/* An agent without a next hop says so with an address of zeros. */
static bool no_hop(const struct addr *a)
{
	const struct addr zero4 = addr_of4((const uint8_t[4]){ 0 });

	return addr_is_none(a) || !memcmp(a, &zero4, sizeof(zero4));
}

static void put_next_hop(struct sflow_sample *s, const struct addr *a)
{
	if (!no_hop(a)) {
		block_use(s->b, F_next_hop);
		s->b->next_hop[s->row] = *a;
	}
}

bool sflow_router(struct sflow_sample *s, struct rd *r)
{
	struct addr hop;
	bool ok = sflow_address(r, &hop);
	uint32_t src = rd_u32(r), dst = rd_u32(r);

	if (!ok || !rd_ok(r))
		return false;
	put_next_hop(s, &hop);
	PUT(s, src_mask, (uint8_t)(src <= 128 ? src : 0));
	PUT(s, dst_mask, (uint8_t)(dst <= 128 ? dst : 0));
	return true;
}

struct path {
	char text[PATH_TEXT];
	size_t len;
	uint32_t last; /* AS number */
};

static void path_put(struct path *p, const char *before, uint32_t as, const char *after)
{
	char digits[11];
	size_t n = sizeof(digits), b = strlen(before), a = strlen(after);

	p->last = as;
	do
		digits[--n] = (char)('0' + as % 10);
	while (as /= 10);
	if (p->len + b + (sizeof(digits) - n) + a > PATH_TEXT)
		return; /* a longer path keeps its beginning */
	memcpy(p->text + p->len, before, b);
	memcpy(p->text + p->len + b, digits + n, sizeof(digits) - n);
	p->len += b + sizeof(digits) - n;
	memcpy(p->text + p->len, after, a);
	p->len += a;
}

/* One segment: a sequence is written 1 2 3, a set {1 2 3}. */
static bool path_segment(struct path *p, struct rd *r, bool set)
{
	uint32_t n = rd_u32(r);

	if (!rd_ok(r) || n > rd_left(r) / 4)
		return false;
	for (uint32_t i = 0; i < n; i++)
		path_put(p, set && !i ? p->len ? " {" : "{" : p->len ? " " : "",
			 rd_u32(r), set && i + 1 == n ? "}" : "");
	return true;
}

bool sflow_gateway(struct sflow_sample *s, struct rd *r, unsigned version)
{
	struct addr hop = { 0 };
	struct path path;
	uint32_t as, src_as, segments, n;

	path.len = path.last = 0;
	if (version == 5 && !sflow_address(r, &hop))
		return false;
	as = rd_u32(r);
	src_as = rd_u32(r);
	rd_u32(r); /* peer AS of the source */
	if (version == 2) {
		if (!path_segment(&path, r, false))
			return false;
	} else {
		segments = rd_u32(r);
		for (uint32_t i = 0; i < segments && rd_ok(r); i++)
			if (!path_segment(&path, r, rd_u32(r) == 1))
				return false;
		n = rd_u32(r); /* communities */
		if (!rd_ok(r) || n > rd_left(r) / 4)
			return false;
		rd_sub(r, (size_t)n * 4 + 4); /* and the local preference */
	}
	if (!rd_ok(r))
		return false;
	if (!no_hop(&hop)) {
		block_use(s->b, F_bgp_next_hop);
		s->b->bgp_next_hop[s->row] = hop;
	}
	/* The router's own AS is written as none. */
	PUT(s, src_as, src_as ? src_as : as);
	PUT(s, dst_as, path.last ? path.last : as);
	PUT(s, as_path, block_text(s->b, path.text, path.len));
	return true;
}

bool sflow_user(struct sflow_sample *s, struct rd *r, unsigned version)
{
	struct rd src, dst;

	if (version == 5)
		rd_u32(r); /* character set */
	src = sflow_string(r);
	if (version == 5)
		rd_u32(r);
	dst = sflow_string(r);
	if (!rd_ok(r))
		return false;
	if (!rd_left(&src))
		src = dst;
	PUT(s, user, block_text(s->b, src.p, rd_left(&src)));
	return true;
}

bool sflow_url(struct sflow_sample *s, struct rd *r, unsigned version)
{
	char text[1024];
	struct rd url, host;
	size_t n = 0, m;

	rd_u32(r); /* direction */
	url = sflow_string(r);
	host = version == 5 ? sflow_string(r) : rd_over(url.p, 0);
	if (!rd_ok(r))
		return false;
	if (rd_left(&url) && *url.p == '/') { /* a path alone: the host comes before it */
		n = rd_left(&host) < 255 ? rd_left(&host) : 255;
		memcpy(text, host.p, n);
	} else if (!rd_left(&url)) {
		url = host;
	}
	m = rd_left(&url) < sizeof(text) - n ? rd_left(&url) : sizeof(text) - n;
	memcpy(text + n, url.p, m);
	PUT(s, url, block_text(s->b, text, n + m));
	return true;
}

static bool mpls(struct sflow_sample *s, struct rd *r)
{
	struct addr hop;
	bool ok = sflow_address(r, &hop);
	uint32_t label[3] = { 0 }, n = rd_u32(r);

	if (!ok || !rd_ok(r) || n > rd_left(r) / 4)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t entry = rd_u32(r);

		if (i < 3)
			label[i] = entry >> 12;
	}
	n = rd_u32(r); /* the stack it leaves with */
	if (!rd_ok(r) || n > rd_left(r) / 4)
		return false;
	if (addr_is_none(&s->b->next_hop[s->row]))
		put_next_hop(s, &hop);
	PUT(s, mpls1, label[0]);
	PUT(s, mpls2, label[1]);
	PUT(s, mpls3, label[2]);
	return true;
}

static bool nat(struct sflow_sample *s, struct rd *r)
{
	struct addr src, dst;

	if (!sflow_address(r, &src) || !sflow_address(r, &dst))
		return false;
	block_use(s->b, F_nat_src);
	block_use(s->b, F_nat_dst);
	s->b->nat_src[s->row] = src;
	s->b->nat_dst[s->row] = dst;
	return true;
}

static bool nat_port(struct sflow_sample *s, struct rd *r)
{
	uint32_t src = rd_u32(r), dst = rd_u32(r);

	if (!rd_ok(r))
		return false;
	PUT(s, nat_src_port, (uint16_t)src);
	PUT(s, nat_dst_port, (uint16_t)dst);
	return true;
}

/* Tags that the switch took off before it sampled: tag protocol and control, outermost
 * first. */
static bool vlan_tunnel(struct sflow_sample *s, struct rd *r)
{
	uint32_t n = rd_u32(r), tag;

	if (!rd_ok(r) || n > rd_left(r) / 4)
		return false;
	tag = n ? rd_u32(r) : 0;
	if (tag & 0xfff && !s->tunnel_vlan)
		s->tunnel_vlan = tag & 0xfff;
	return true;
}

bool sflow_record(struct sflow_sample *s, uint32_t format, struct rd *r)
{
	switch (format) {
	case 1: return raw_header(s, r);
	case 2: return ethernet(s, r);
	case 3: return sflow_ip(s, r, 4);
	case 4: return sflow_ip(s, r, 16);
	case 1001: return sflow_switch(s, r);
	case 1002: return sflow_router(s, r);
	case 1003: return sflow_gateway(s, r, 5);
	case 1004: return sflow_user(s, r, 5);
	case 1005: return sflow_url(s, r, 5);
	case 1006: return mpls(s, r);
	case 1007: return nat(s, r);
	case 1012: return vlan_tunnel(s, r);
	case 1020: return nat_port(s, r);
	case 1023: /* The outer header of a tunnel: all that is known of a packet that */
	case 1024: /* no other record tells. */
		return s->packet == PACKET_IP || sflow_ip(s, r, 4);
	case 1025:
	case 1026: return s->packet == PACKET_IP || sflow_ip(s, r, 16);
	}
	return true; /* what we do not know is no fault of the sender */
}

/* --- the sample --- */

uint16_t sflow_reason(uint32_t reason)
{
	return (uint16_t)(reason < UINT16_MAX ? reason + 1 : UINT16_MAX);
}

void sflow_interface(struct sflow_sample *s, uint32_t format, uint32_t value, bool out)
{
	bool index = format == 0 && value != PORT_INTERNAL && value != UINT32_MAX;

	if (!out)
		s->in_if = index ? value : 0;
	else
		s->out_if = index ? value : 0;
	if (out && format == 1)
		s->reason = sflow_reason(value);
}

void sflow_interface_word(struct sflow_sample *s, uint32_t word, bool out)
{
	sflow_interface(s, word >> 30, word & PORT_INTERNAL, out);
}

uint32_t sflow_rate(struct dgram *d, uint32_t rate)
{
	if (rate <= d->c->conf.max_sampling)
		return rate;
	ledger_add(&d->x->exporter->ledger.values_clamped, 1);
	return 0;
}

uint32_t sflow_source(uint32_t word)
{
	return word >> 24 ? 0 : word;
}

/* Places in domain->sampled_in: exact while interface numbers are dense. */
static unsigned place(uint32_t index)
{
	return (index ^ index >> 10 ^ index >> 20) % SAMPLED_IN_BITS;
}

static enum direction direction(struct domain *dom, const struct sflow_sample *s)
{
	if (!dom || !s->source)
		return DIR_UNTOLD;
	if (s->source == s->in_if) {
		unsigned p = place(s->source);

		dom->sampled_in[p / 64] |= UINT64_C(1) << p % 64;
		return DIR_INGRESS;
	}
	if (s->source == s->out_if) {
		unsigned p = place(s->in_if);

		if (dom->sampled_in[p / 64] >> p % 64 & 1)
			return DIR_EGRESS;
	}
	return DIR_UNTOLD;
}

void sflow_end(struct dgram *d, struct sflow_sample *s)
{
	enum direction dir = direction(d->dom, s);

	PUT(s, in_if, s->in_if);
	PUT(s, out_if, s->out_if);
	PUT(s, reason, s->reason);
	PUT(s, vlan, s->vlan ? s->vlan : s->tunnel_vlan);
	PUT(s, out_vlan, s->out_vlan);
	if (s->discarded) {
		block_use(s->b, F_sampling);
		s->b->sampling[s->row] = 1;
		return;
	}
	block_use(s->b, F_bytes);
	block_use(s->b, F_packets);
	s->b->bytes[s->row] = s->octets;
	s->b->packets[s->row] = 1;
	PUT(s, direction, (uint8_t)dir);
	PUT(s, sampling, s->rate);
}

/* --- the datagram --- */

void sflow_sequence(struct dgram *d, uint32_t sub_agent, const struct addr *agent,
		    uint32_t number, uint32_t uptime)
{
	struct domain *dom;
	enum seq_verdict v;

	d->domain_id = sub_agent;
	dom = domain_get(d, sub_agent, (uint32_t)map_hash(agent, sizeof(*agent)));
	if (!dom) {
		d->dom = NULL;
		return;
	}
	if (dom->uptime_known && (int32_t)(uptime - dom->uptime) < -RESTART_MS)
		seq_forget(&dom->seq);
	dom->uptime = uptime;
	dom->uptime_known = true;
	dom->lost_unit = LOST_DATAGRAMS;
	v = seq_take(&dom->seq, number, 1, MAX_GAP, d->received_ms,
		     &d->x->exporter->ledger, LOST_DATAGRAMS);
	d->dom = domain_rivals(d, dom, v, number, 1);
}
