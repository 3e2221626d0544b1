/* frame.c - from the first octets of a packet to the members of a flow.
 * SPDX-License-Identifier: ISC
 *
 * sFlow, and IPFIX in its elements 104 and 315, send the head of a packet and
 * leave the rest to us. It is walked layer by layer: each layer reads its header
 * from a bounded reader, notes what it tells in a struct of its own, and names
 * the layer inside it. Only at the end are columns written, so a packet that is cut
 * anywhere leaves no half-written row.
 *
 *   Ethernet, 802.11, PPP ─▶ VLAN tags, PBB, PPPoE, SNAP ─▶ MPLS ─▶ IPv4, IPv6 ─▶ TCP ...
 *        ▲                                                   ▲          │
 *        └── VXLAN, Geneve, GTP-U, L2TP, GRE, EtherIP, IP-in-IP ─┴──────┘
 *
 * A packet with several IP headers is told by its INNERMOST one that was captured:
 * whoever asks "who fills the link?" wants the subscriber and not the two ends of
 * the tunnel, which are the same in every row. For SRv6 without an inner packet the
 * last segment stands for the destination. Octets are those of the OUTERMOST header,
 * because that is what the link carried; MAC addresses, VLAN and labels are the
 * outermost as well, since they say where on this network the packet was seen.
 *
 * Bounds: at most TUNNELS_MAX packets inside each other, TAGS_MAX tags before one
 * IP header, EXTENSIONS_MAX IPv6 extension headers; and each layer consumes octets,
 * so the work is bounded by what was captured in any case.
 *
 * Sources: IEEE 802.1Q, 802.1ah, 802.1BR, 802.11; RFC 791, 8200, 8754 (SRH), 3032 (MPLS),
 * 4385 and 4448 (pseudowires), 8300 (NSH), 2516 (PPPoE), 2784, 2890 and 2637 (GRE), 7348
 * (VXLAN), 8926 (Geneve), 2661 (L2TP), 3378 (EtherIP), 4302 (AH); 3GPP TS 29.281 (GTP-U).
 */
#include "daemon/collect/frame.h"

#include "daemon/base/rd.h"

enum { TUNNELS_MAX = 8, TAGS_MAX = 8, EXTENSIONS_MAX = 8, LABELS_KEPT = 3 };

enum layer { END, ETHERNET, WLAN, PPP, ETHERTYPE, MPLS, IP, IPV4, IPV6, TRANSPORT };

/* IP protocol numbers (IANA) */
enum {
	P_HOPOPT = 0, P_ICMP = 1, P_IPIP = 4, P_TCP = 6, P_UDP = 17, P_DCCP = 33,
	P_IPV6 = 41, P_ROUTING = 43, P_FRAGMENT = 44, P_GRE = 47, P_AH = 51,
	P_ICMP6 = 58, P_NONE = 59, P_DSTOPTS = 60, P_ETHERIP = 97, P_SCTP = 132,
	P_MOBILITY = 135, P_UDPLITE = 136, P_MPLS = 137, P_HIP = 139, P_SHIM6 = 140,
	P_ETHERNET = 143,
};

/* What one IP header and the header after it tell. */
struct inside {
	struct addr src, dst;
	uint16_t src_port, dst_port, flags, icmp;
	uint8_t proto, tos;
};

struct walk {
	struct rd r;
	const uint8_t *start;
	struct inside in;
	struct frame_info info;
	uint64_t src_mac, dst_mac;
	uint32_t label[LABELS_KEPT];
	uint16_t vlan;
	uint16_t type;     /* Ethertype of what is next */
	uint8_t labels, tags, tunnels;
	bool ip, macs, later; /* later: not the first fragment, no ports */
};

static bool skip(struct walk *w, size_t n)
{
	struct rd s = rd_sub(&w->r, n);

	return rd_ok(&s);
}

/* --- below IP --- */

static enum layer ethernet(struct walk *w)
{
	uint64_t dst = rd_uint(&w->r, 6), src = rd_uint(&w->r, 6);
	uint16_t type = rd_u16(&w->r);

	if (!rd_ok(&w->r))
		return END;
	if (!w->ip && !w->macs) {
		w->macs = true;
		w->dst_mac = dst;
		w->src_mac = src;
	}
	w->type = type;
	return ETHERTYPE;
}

/* IEEE 802.11 data frame: 24 octets, a fourth address between two access points, QoS
 * control, then LLC. Encrypted payload ends the walk. */
static enum layer wlan(struct walk *w)
{
	uint16_t control = rd_u16(&w->r);
	bool to_ds = control & 0x0001, from_ds = control & 0x0002, qos = control & 0x8000;
	uint64_t a1, a2, a3, a4 = 0;

	rd_u16(&w->r); /* duration */
	a1 = rd_uint(&w->r, 6);
	a2 = rd_uint(&w->r, 6);
	a3 = rd_uint(&w->r, 6);
	rd_u16(&w->r); /* sequence control */
	if (to_ds && from_ds)
		a4 = rd_uint(&w->r, 6);
	if (!rd_ok(&w->r) || (control >> 10 & 3) != 2)
		return END;
	w->macs = true;
	w->dst_mac = to_ds ? a3 : a1;
	w->src_mac = to_ds && from_ds ? a4 : from_ds ? a3 : a2;
	if ((qos && !skip(w, control & 0x0080 ? 6 : 2)) || control & 0x0040)
		return END;
	w->type = 0; /* a length: LLC follows */
	return ETHERTYPE;
}

/* A protocol number ends with its first odd octet, so a leading zero may be left out
 * (RFC 1661 sec. 6.5). */
static uint16_t ppp_protocol(struct walk *w)
{
	if (rd_left(&w->r) && *w->r.p & 1)
		return (uint16_t)rd_uint(&w->r, 1);
	return rd_u16(&w->r);
}

static enum layer ppp(struct walk *w)
{
	struct rd head = w->r;
	uint16_t type = rd_u16(&head);

	switch (type) {
	case 0xff03: /* HDLC address and control, when not compressed away */
		skip(w, 2);
		break;
	case 0x0f00: /* Cisco's HDLC, unicast and broadcast: an Ethertype follows */
	case 0x8f00:
		skip(w, 2);
		w->type = rd_u16(&w->r);
		return w->type > 1500 ? ETHERTYPE : END;
	}
	switch (ppp_protocol(w)) {
	case 0x0021: return IPV4;
	case 0x0057: return IPV6;
	case 0x0281:
	case 0x0283: return MPLS;
	}
	return END;
}

/* IEEE 802.2: SNAP with an Ethertype, or the old code point of IP. */
static enum layer llc(struct walk *w)
{
	uint32_t head = (uint32_t)rd_uint(&w->r, 3);

	if (head == 0x060603)
		return IPV4;
	if (head != 0xaaaa03 || !skip(w, 3))
		return END;
	w->type = rd_u16(&w->r);
	return w->type > 1500 ? ETHERTYPE : END;
}

static enum layer vlan_tag(struct walk *w)
{
	uint16_t tci = rd_u16(&w->r);

	w->type = rd_u16(&w->r);
	if (!rd_ok(&w->r) || ++w->tags > TAGS_MAX)
		return END;
	if (!w->ip && !w->vlan)
		w->vlan = tci & 0xfff;
	return ETHERTYPE;
}

/* Tags that tell us nothing: skip n octets, then an Ethertype. */
static enum layer other_tag(struct walk *w, size_t n)
{
	if (!skip(w, n) || ++w->tags > TAGS_MAX)
		return END;
	w->type = rd_u16(&w->r);
	return ETHERTYPE;
}

/* RFC 8300: base and service path header, then metadata. */
static enum layer nsh(struct walk *w)
{
	const uint8_t *h = w->r.p;
	size_t octets;

	if (rd_left(&w->r) < 8 || h[0] >> 6 || ++w->tags > TAGS_MAX)
		return END;
	octets = (size_t)(h[1] & 0x3f) * 4;
	if (octets < 8 || !skip(w, octets))
		return END;
	switch (h[3]) {
	case 1: return IPV4;
	case 2: return IPV6;
	case 3: return ETHERNET;
	case 5: return MPLS;
	}
	return END;
}

static enum layer ethertype(struct walk *w)
{
	if (!rd_ok(&w->r))
		return END;
	if (w->type <= 1500)
		return llc(w);
	switch (w->type) {
	case 0x0800: return IPV4;
	case 0x86dd: return IPV6;
	case 0x8100:
	case 0x88a8:
	case 0x9100:
	case 0x9200: return vlan_tag(w);
	case 0x8847:
	case 0x8848: return MPLS;
	case 0x8864: return skip(w, 6) ? PPP : END; /* PPPoE session */
	case 0x6558: return ETHERNET;  /* transparent Ethernet bridging */
	case 0x88e7: /* I-TAG of 802.1ah */
		return skip(w, 4) && ++w->tags <= TAGS_MAX ? ETHERNET : END;
	case 0x894f: return nsh(w);
	case 0x893f: return other_tag(w, 6); /* E-TAG of 802.1BR */
	case 0x8926: return other_tag(w, 4); /* VN-Tag */
	case 0x892f: return other_tag(w, 4); /* HSR (IEC 62439-3) */
	case 0x8909: return other_tag(w, 6); /* Cisco metadata: security group */
	case 0x880b: return PPP;             /* in GRE (PPTP) */
	}
	return END;
}

/* Whether an Ethernet header of IP, a tag or ARP would stand that far ahead. */
static bool looks_ethernet(const struct walk *w, size_t ahead)
{
	const uint8_t *h = w->r.p;

	if (rd_left(&w->r) < ahead + 14)
		return false;
	switch (h[ahead + 12] << 8 | h[ahead + 13]) {
	case 0x0800:
	case 0x0806:
	case 0x86dd:
	case 0x8100:
	case 0x88a8:
	case 0x8847:
	case 0x8864: return true;
	}
	return false;
}

/* The stack says what is inside only by its first four bits: 4 and 6 are IP, 0 is the
 * control word of a pseudowire, which is Ethernet nearly always. A pseudowire without
 * one (RFC 4448 sec. 4.6) shows only by the Ethertype in its frame. */
static enum layer mpls(struct walk *w)
{
	uint32_t entry;

	do {
		entry = rd_u32(&w->r);
		if (!rd_ok(&w->r))
			return END;
		if (!w->ip && w->labels < LABELS_KEPT)
			w->label[w->labels++] = entry >> 12;
	} while (!(entry & 0x100));
	if (!rd_left(&w->r))
		return END;
	switch (*w->r.p >> 4) {
	case 4: return IPV4;
	case 6: return IPV6;
	case 0:
		if (looks_ethernet(w, 0) && !looks_ethernet(w, 4))
			return ETHERNET;
		return skip(w, 4) ? ETHERNET : END;
	}
	return looks_ethernet(w, 0) ? ETHERNET : END;
}

/* --- IP --- */

/* A new innermost header. */
static void enter_ip(struct walk *w, const uint8_t *at, uint32_t len)
{
	if (!w->ip) {
		w->info.ip_len = len;
		w->info.ip_off = (uint32_t)(at - w->start);
	}
	w->ip = true;
	w->later = false;
	w->in = (struct inside){ 0 };
}

static enum layer ipv4(struct walk *w)
{
	const uint8_t *h = w->r.p;
	size_t octets;

	if (rd_left(&w->r) < 20 || h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return END;
	octets = (size_t)(h[0] & 15) * 4;
	enter_ip(w, h, (uint32_t)h[2] << 8 | h[3]);
	w->in.tos = h[1];
	w->in.proto = h[9];
	w->in.src = addr_of4(h + 12);
	w->in.dst = addr_of4(h + 16);
	w->later = (h[6] & 0x1f) || h[7];
	return skip(w, octets) ? TRANSPORT : END;
}

/* Segment routing header (RFC 8754): while segments are left, the destination of the
 * header is only the next waypoint; the list is stored last segment first. */
static void last_segment(struct walk *w, const uint8_t *h, size_t octets)
{
	if (h[2] == 4 && h[3] && octets >= 24)
		memcpy(w->in.dst.b, h + 8, 16);
}

/* Steps over extension headers; w->in.proto is what comes after them. */
static enum layer extensions(struct walk *w)
{
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		const uint8_t *h = w->r.p;
		size_t octets;

		switch (w->in.proto) {
		case P_HOPOPT:
		case P_ROUTING:
		case P_DSTOPTS:
		case P_MOBILITY:
		case P_HIP:
		case P_SHIM6:
		case P_FRAGMENT:
		case P_AH:
			break;
		default:
			return w->in.proto == P_NONE ? END : TRANSPORT;
		}
		if (rd_left(&w->r) < 8)
			return END;
		octets = w->in.proto == P_FRAGMENT ? 8 :
			 w->in.proto == P_AH ? ((size_t)h[1] + 2) * 4 :
					       ((size_t)h[1] + 1) * 8;
		if (w->in.proto == P_FRAGMENT)
			w->later |= h[2] || h[3] & 0xf8;
		if (w->in.proto == P_ROUTING && rd_left(&w->r) >= octets)
			last_segment(w, h, octets);
		w->in.proto = h[0];
		if (!skip(w, octets))
			return END;
		if (w->later)
			return END;
	}
	return END;
}

static enum layer ipv6(struct walk *w)
{
	const uint8_t *h = w->r.p;
	uint32_t payload;

	if (rd_left(&w->r) < 40 || h[0] >> 4 != 6)
		return END;
	payload = (uint32_t)h[4] << 8 | h[5];
	/* RFC 2675: a jumbogram tells its length in an option. */
	enter_ip(w, h, !payload && h[6] == P_HOPOPT ? 0 : 40 + payload);
	w->in.tos = (uint8_t)(h[0] << 4 | h[1] >> 4);
	w->in.proto = h[6];
	memcpy(w->in.src.b, h + 8, 16);
	memcpy(w->in.dst.b, h + 24, 16);
	skip(w, 40);
	return extensions(w);
}

/* --- above IP --- */

/* RFC 2784, 2890; version 1 is PPTP's (RFC 2637). */
static enum layer gre(struct walk *w)
{
	uint16_t flags = rd_u16(&w->r);
	size_t options = 0;

	w->type = rd_u16(&w->r);
	if (!rd_ok(&w->r) || (flags & 7) > 1 || flags & 0x4000) /* RFC 1701 routing */
		return END;
	options += flags & 0x8000 ? 4 : 0; /* checksum and reserved */
	options += flags & 0x2000 ? 4 : 0; /* key */
	options += flags & 0x1000 ? 4 : 0; /* sequence number */
	if ((flags & 7) == 1)
		options += flags & 0x0080 ? 4 : 0; /* acknowledgement */
	if (!skip(w, options))
		return END;
	switch (w->type) {
	case 0x88be: /* ERSPAN: type I has no header and no sequence number */
		return !(flags & 0x1000) || skip(w, 8) ? ETHERNET : END;
	case 0x22eb: /* ERSPAN III, with a sub-header when its last bit says so */
		if (rd_left(&w->r) < 12)
			return END;
		return skip(w, w->r.p[11] & 1 ? 20 : 12) ? ETHERNET : END;
	case 0x883e: /* to a Squid: WCCP 2 has four octets before the packet, WCCP 1 none */
		if (rd_left(&w->r) && *w->r.p >> 4 != 4)
			skip(w, 4);
		return IPV4;
	}
	return w->type > 1500 ? ETHERTYPE : END;
}

static enum layer vxlan(struct walk *w, bool gpe)
{
	const uint8_t *h = w->r.p;

	if (rd_left(&w->r) < 8 || !(h[0] & 0x08))
		return END;
	skip(w, 8);
	if (!gpe || !(h[0] & 0x04))
		return ETHERNET;
	switch (h[3]) {
	case 1: return IPV4;
	case 2: return IPV6;
	case 3: return ETHERNET;
	case 4: return nsh(w);
	case 5: return MPLS;
	}
	return END;
}

static enum layer geneve(struct walk *w)
{
	const uint8_t *h = w->r.p;

	if (rd_left(&w->r) < 8 || h[0] >> 6)
		return END;
	w->type = (uint16_t)(h[2] << 8 | h[3]);
	return skip(w, 8 + (size_t)(h[0] & 0x3f) * 4) && w->type > 1500 ? ETHERTYPE : END;
}

/* 3GPP TS 29.281 sec. 5: G-PDU (255) carries the subscriber's packet. */
static enum layer gtpu(struct walk *w)
{
	const uint8_t *h = w->r.p;
	uint8_t next;

	if (rd_left(&w->r) < 8 || h[0] >> 4 != 3 || h[1] != 255)
		return END;
	skip(w, 8);
	if (!(h[0] & 7))
		return IP;
	skip(w, 3); /* sequence number, N-PDU number */
	next = (uint8_t)rd_uint(&w->r, 1);
	if (!(h[0] & 4))
		return IP;
	while (next && rd_ok(&w->r)) {
		size_t units = (size_t)rd_uint(&w->r, 1);

		if (!units || !skip(w, units * 4 - 2))
			return END;
		next = (uint8_t)rd_uint(&w->r, 1);
	}
	return IP;
}

/* RFC 2661 sec. 3.1: a data message carries PPP. */
static enum layer l2tp(struct walk *w)
{
	uint16_t flags = rd_u16(&w->r), offset = 0;

	if (!rd_ok(&w->r) || flags & 0x8000 || (flags & 15) != 2)
		return END;
	/* length, tunnel, session, sequence numbers, octets to pass over */
	if (!skip(w, (flags & 0x4000 ? 2 : 0) + 4 + (flags & 0x0800 ? 4 : 0)))
		return END;
	if (flags & 0x0200)
		offset = rd_u16(&w->r);
	return skip(w, offset) ? PPP : END;
}

/* Only the destination port tells a tunnel: the source port is a hash of the inside. */
static enum layer udp_payload(struct walk *w)
{
	if (!skip(w, 4))
		return END;
	switch (w->in.dst_port) {
	case 1701: return l2tp(w);
	case 2152: return gtpu(w);
	case 4789:
	case 8472: return vxlan(w, false);
	case 4790: return vxlan(w, true);
	case 6081: return geneve(w);
	case 6635: return MPLS;
	}
	return END;
}

static void ports(struct walk *w)
{
	if (rd_left(&w->r) < 4)
		return;
	w->in.src_port = rd_u16(&w->r);
	w->in.dst_port = rd_u16(&w->r);
}

static enum layer transport(struct walk *w)
{
	if (w->later)
		return END;
	switch (w->in.proto) {
	case P_TCP:
		ports(w);
		if (rd_left(&w->r) >= 10)
			w->in.flags = (uint16_t)((w->r.p[8] & 1) << 8 | w->r.p[9]);
		return END;
	case P_UDP:
		ports(w);
		return udp_payload(w);
	case P_UDPLITE:
	case P_SCTP:
	case P_DCCP:
		ports(w);
		return END;
	case P_ICMP:
	case P_ICMP6:
		if (rd_left(&w->r) >= 2)
			w->in.icmp = rd_u16(&w->r);
		return END;
	case P_IPIP: return IPV4;
	case P_IPV6: return IPV6;
	case P_GRE: return gre(w);
	case P_MPLS: return MPLS;
	case P_ETHERNET: return ETHERNET;
	case P_ETHERIP: return skip(w, 2) ? ETHERNET : END;
	case P_AH: return extensions(w);
	}
	return END;
}

/* --- the walk --- */

static enum layer first_layer(unsigned header_proto)
{
	switch (header_proto) {
	case FRAME_ETHERNET: return ETHERNET;
	case FRAME_PPP:
	case FRAME_POS: return PPP;
	case FRAME_AAL5_IP:
	case FRAME_IPV4:
	case FRAME_IPV6: return IP;
	case FRAME_MPLS: return MPLS;
	case FRAME_80211: return WLAN;
	}
	return END;
}

static enum layer step(struct walk *w, enum layer l)
{
	switch (l) {
	case ETHERNET: return ethernet(w);
	case WLAN: return wlan(w);
	case PPP: return ppp(w);
	case ETHERTYPE: return ethertype(w);
	case MPLS: return mpls(w);
	case IP:
		if (!rd_left(&w->r))
			return END;
		return *w->r.p >> 4 == 6 ? ipv6(w) : ipv4(w);
	case IPV4: return ipv4(w);
	case IPV6: return ipv6(w);
	case TRANSPORT:
		/* Whatever comes out of here but END is a packet inside. */
		l = transport(w);
		if (l == END || ++w->tunnels > TUNNELS_MAX)
			return END;
		w->tags = 0;
		return l;
	case END: break;
	}
	return END;
}

#define PUT(b, row, col, v)                                                           \
	do {                                                                          \
		if (v) {                                                              \
			block_use(b, F_##col);                                        \
			(b)->col[row] = (v);                                          \
		}                                                                     \
	} while (0)

static void write_row(const struct walk *w, struct block *b, uint32_t row)
{
	PUT(b, row, src_mac, w->src_mac);
	PUT(b, row, dst_mac, w->dst_mac);
	PUT(b, row, vlan, w->vlan);
	PUT(b, row, mpls1, w->label[0]);
	PUT(b, row, mpls2, w->label[1]);
	PUT(b, row, mpls3, w->label[2]);
	if (!w->ip)
		return;
	block_use(b, F_src);
	block_use(b, F_dst);
	b->src[row] = w->in.src;
	b->dst[row] = w->in.dst;
	PUT(b, row, proto, w->in.proto);
	PUT(b, row, tos, w->in.tos);
	PUT(b, row, src_port, w->in.src_port);
	PUT(b, row, dst_port, w->in.dst_port);
	PUT(b, row, tcp_flags, w->in.flags);
	PUT(b, row, icmp, w->in.icmp);
}

bool frame_read(const uint8_t *p, size_t captured, unsigned header_proto, struct block *b,
		uint32_t row, struct frame_info *info)
{
	struct walk w = { .r = rd_over(p, captured), .start = p };
	enum layer l = first_layer(header_proto);

	while (l != END)
		l = step(&w, l);
	write_row(&w, b, row);
	*info = w.info;
	return w.ip;
}

bool frame_parse(const uint8_t *p, size_t captured, unsigned header_proto,
		 struct block *b, uint32_t row, uint32_t *ip_len)
{
	struct frame_info info;
	bool ip = frame_read(p, captured, header_proto, b, row, &info);

	*ip_len = info.ip_len;
	return ip;
}
