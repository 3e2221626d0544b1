/* pcap_udp.c - the UDP datagram inside a captured packet.
 * SPDX-License-Identifier: ISC
 *
 * Export datagrams travel plainly: a link layer, perhaps VLAN tags, IP, UDP. (What is
 * inside sampled packets is frame.c's.) Exporters with long datagrams have them cut
 * into IP fragments on the way; SLOTS of them are put together at a time and the one
 * that has waited longest makes room. Memory: SLOTS x 66 KiB, from the first
 * fragment on. Overlapping fragments overwrite each other: this is a tool for captures,
 * not a firewall.
 */
#include "daemon/collect/pcap.h"

#include "daemon/base/mem.h"
#include "daemon/base/rd.h"
#include "daemon/collect/frame.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16, DATAGRAM_MAX = 65536, TAGS_MAX = 8, EXTENSIONS_MAX = 8, P_UDP = 17 };

struct slot {
	struct addr src, dst;
	uint32_t id, used; /* used: number of the last fragment; 0 is free */
	uint32_t total;    /* octets in all, 0 until the last fragment came */
	uint32_t have;     /* octets so far, each counted once */
	uint32_t pieces;   /* fragments so far */
	uint8_t unit[DATAGRAM_MAX / 8 / 8]; /* a bit for every eight octets */
	uint8_t data[DATAGRAM_MAX];
};

struct fragments {
	struct slot slot[SLOTS];
	uint32_t number;
};

/* What an IP header says of the octets behind it. */
struct piece {
	struct addr src, dst;
	uint32_t id, offset;
	uint8_t proto;
	bool more;
	struct rd data;
};

void fragments_free(struct fragments **f)
{
	free(*f);
	*f = NULL;
}

/* --- down to IP --- */

/* What follows the first *skip octets, of which Linux's have an Ethertype at *type_at. */
static bool known_link(int link, unsigned *header_proto, size_t *skip, size_t *type_at)
{
	*skip = *type_at = 0;
	*header_proto = FRAME_IPV4;
	switch (link) {
	case 1: *header_proto = FRAME_ETHERNET; return true;
	case 9:
	case 50: *header_proto = FRAME_PPP; return true;
	case 105: *header_proto = FRAME_80211; return true;
	case 219: *header_proto = FRAME_MPLS; return true;
	case 12: /* raw IP, by its numbers on several systems */
	case 14:
	case 101:
	case 228:
	case 229: return true;
	case 0: /* BSD loopback: the address family, which the IP version tells as well */
	case 108: *skip = 4; return true;
	case 113: *skip = 16; *type_at = 14; return true; /* Linux cooked */
	case 276: *skip = 20; return true;
	}
	return false;
}

bool pcap_frame(const struct pcap_packet *k, unsigned *header_proto, const uint8_t **data,
		size_t *len)
{
	size_t skip, type_at;
	unsigned type;

	if (!known_link(k->link, header_proto, &skip, &type_at) || k->len < skip)
		return false;
	if (skip >= 16) {
		type = (unsigned)k->data[type_at] << 8 | k->data[type_at + 1];
		if (type == 0x8100 && k->len >= skip + 4) { /* a tag that was left in */
			type = (unsigned)k->data[skip + 2] << 8 | k->data[skip + 3];
			skip += 4;
		}
		if (type != 0x0800 && type != 0x86dd)
			return false;
	}
	*data = k->data + skip;
	*len = k->len - skip;
	return true;
}

static bool to_ip(const struct pcap_packet *k, struct rd *r)
{
	const uint8_t *p;
	unsigned proto, type;
	size_t len;

	if (!pcap_frame(k, &proto, &p, &len))
		return false;
	*r = rd_over(p, len);
	if (proto == FRAME_PPP) {
		type = rd_u16(r);
		if (type == 0xff03)
			type = rd_u16(r);
		return rd_ok(r) && (type == 0x0021 || type == 0x0057);
	}
	if (proto != FRAME_ETHERNET)
		return proto == FRAME_IPV4;
	rd_sub(r, 12);
	type = rd_u16(r);
	for (int i = 0;
	     i < TAGS_MAX && (type == 0x8100 || type == 0x88a8 || type == 0x9100); i++) {
		rd_u16(r);
		type = rd_u16(r);
	}
	return rd_ok(r) && (type == 0x0800 || type == 0x86dd);
}

/* --- IP --- */

static bool ipv4(struct rd *r, struct piece *p)
{
	const uint8_t *h = r->p;
	size_t octets, total;

	if (rd_left(r) < 20 || h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return false;
	octets = (size_t)(h[0] & 15) * 4;
	total = (size_t)h[2] << 8 | h[3];
	if (total >= octets && total < rd_left(r)) /* behind it: padding of the frame */
		*r = rd_over(h, total);
	p->src = addr_of4(h + 12);
	p->dst = addr_of4(h + 16);
	p->id = (uint32_t)h[4] << 8 | h[5];
	p->offset = ((uint32_t)(h[6] & 0x1f) << 8 | h[7]) * 8;
	p->more = h[6] & 0x20;
	p->proto = h[9];
	rd_sub(r, octets);
	p->data = *r;
	return rd_ok(r);
}

static bool ipv6(struct rd *r, struct piece *p)
{
	const uint8_t *h = r->p;
	size_t payload;

	if (rd_left(r) < 40 || h[0] >> 4 != 6)
		return false;
	payload = (size_t)h[4] << 8 | h[5];
	if (payload && payload + 40 < rd_left(r))
		*r = rd_over(h, payload + 40);
	memcpy(p->src.b, h + 8, 16);
	memcpy(p->dst.b, h + 24, 16);
	p->proto = h[6];
	rd_sub(r, 40);
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		h = r->p;
		if (p->proto != 0 && p->proto != 43 && p->proto != 44 && p->proto != 60)
			break;
		if (rd_left(r) < 8)
			return false;
		if (p->proto == 44) {
			p->offset = ((uint32_t)h[2] << 8 | h[3]) & ~7u;
			p->more = h[3] & 1;
			p->id = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 |
				(uint32_t)h[6] << 8 | h[7];
			p->proto = h[0];
			rd_sub(r, 8);
			break;
		}
		p->proto = h[0];
		rd_sub(r, ((size_t)h[1] + 1) * 8);
	}
	p->data = *r;
	return rd_ok(r);
}

/* --- fragments --- */

static struct slot *slot_of(struct fragments *f, const struct piece *p)
{
	struct slot *s = NULL;

	for (int i = 0; i < SLOTS; i++) {
		struct slot *c = &f->slot[i];

		if (c->used && c->id == p->id && addr_eq(&c->src, &p->src) &&
		    addr_eq(&c->dst, &p->dst))
			return c;
		if (!s || c->used < s->used)
			s = c;
	}
	s->src = p->src;
	s->dst = p->dst;
	s->id = p->id;
	s->total = s->have = s->pieces = 0;
	memset(s->unit, 0, sizeof(s->unit));
	return s;
}

/* Takes a fragment; true when p->data is the whole datagram now. */
static bool together(struct pcap_kept *kept, struct piece *p)
{
	struct fragments **fp = &kept->fragments;
	size_t len = rd_left(&p->data);
	struct slot *s;

	kept->rest.pieces++;
	if (!len || p->offset + len > DATAGRAM_MAX || (p->more && len % 8))
		return false;
	if (!*fp)
		*fp = xcalloc(1, sizeof(**fp));
	s = slot_of(*fp, p);
	s->used = ++(*fp)->number;
	s->pieces++;
	memcpy(s->data + p->offset, p->data.p, len);
	for (size_t at = p->offset; at < p->offset + len; at += 8) {
		size_t left = p->offset + len - at;
		uint8_t bit = (uint8_t)(1 << at / 8 % 8);

		if (!(s->unit[at / 64] & bit))
			s->have += (uint32_t)(left < 8 ? left : 8);
		s->unit[at / 64] |= bit;
	}
	if (!p->more)
		s->total = p->offset + (uint32_t)len;
	if (!s->total || s->have < s->total)
		return false;
	p->data = rd_over(s->data, s->total);
	s->used = 0;
	kept->rest.pieces -= s->pieces;
	return true;
}

/* Export datagrams are not looked for in radio frames and bare label stacks. */
static bool unread(int link)
{
	unsigned proto;
	size_t skip, type_at;

	return !known_link(link, &proto, &skip, &type_at) || proto == FRAME_80211 ||
	       proto == FRAME_MPLS;
}

/* Down to the octets behind the IP header of UDP; counts what is none. */
static bool to_udp(struct pcap_rest *rest, const struct pcap_packet *k, struct piece *p)
{
	struct rd r;

	if (unread(k->link)) {
		rest->unread++;
		rest->link = k->link;
		return false;
	}
	if (!to_ip(k, &r)) {
		rest->no_udp++;
		return false;
	}
	if (!rd_left(&r) || !(*r.p >> 4 == 6 ? ipv6(&r, p) : ipv4(&r, p))) {
		*(k->len < k->wire_len ? &rest->cut : &rest->no_udp) += 1;
		return false;
	}
	rest->no_udp += p->proto != P_UDP;
	return p->proto == P_UDP;
}

bool pcap_udp(struct pcap *pc, const struct pcap_packet *k, struct pcap_datagram *out)
{
	struct pcap_kept *kept = pcap_kept(pc);
	struct piece p = { 0 };
	size_t len;

	*out = (struct pcap_datagram){ .at_ms = k->at_ms, .data = k->data,
				       .len = k->len };
	if (k->link < 0) {
		out->src = out->dst = addr_of4("\x7f\0\0\1");
		return true;
	}
	if (!to_udp(&kept->rest, k, &p))
		return false;
	if ((p.offset || p.more) && !together(kept, &p))
		return false;
	out->src = p.src;
	out->dst = p.dst;
	out->src_port = rd_u16(&p.data);
	out->dst_port = rd_u16(&p.data);
	len = rd_u16(&p.data);
	rd_u16(&p.data);
	if (!rd_ok(&p.data) || (len && len < 8)) {
		*(k->len < k->wire_len ? &kept->rest.cut : &kept->rest.no_udp) += 1;
		return false;
	}
	out->data = p.data.p;
	out->len = rd_left(&p.data);
	if (len && len - 8 < out->len)
		out->len = len - 8;
	kept->rest.cut += len && len - 8 > out->len;
	return true;
}
