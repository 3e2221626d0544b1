/* scan_rows.h - is a flow an attempt, and did one get through?
 * SPDX-License-Identifier: ISC
 *
 * What each is stands in scan.c. Inline, since it is asked of every flow that asks.
 */
#ifndef CUL_DETECTORS_SCAN_ROWS_H
#define CUL_DETECTORS_SCAN_ROWS_H

#include "detectors/scan_impl.h"

enum {
	ECHO = 8 << 8,
	ECHO6 = 128 << 8,
	TRIES = 6,		/* packets of a connection that is never answered */
	LONE = 2,		/* packets of an ACK out of the blue */
	SMALL = 3,		/* packets of an attempt without flags */
	EMPTY = 84,		/* octets of a packet without data, at most: SYN in IPv6 */
	DENIED = 3,		/* firewallEvent */
	EPHEMERAL = 32768,	/* from here on are the ports of those who ask */
	TRACE_FROM = 33434,	/* traceroute's ports */
	TRACE_TO = 33690,
};

static inline bool group_addr(const struct addr *a)
{
	if (addr_is4(a))
		return a->b[12] >= 224;
	return a->b[0] == 0xff;
}

/* One packet in so many is looked at. */
static inline uint32_t rate_of(const struct block *b, uint32_t r)
{
	return block_uses(b, F_sampling) && b->sampling[r] > 1 ? b->sampling[r] : 1;
}

/* Packets that the exporter saw; a firewall that told of a refusal need not have counted. */
static inline uint64_t packets_of(const struct block *b, uint32_t r)
{
	uint32_t rate = rate_of(b, r);

	return rate > 1 ? (b->packets[r] + rate - 1) / rate : b->packets[r];
}

static inline bool denied(const struct block *b, uint32_t r)
{
	return block_uses(b, F_fw_event) && b->fw_event[r] == DENIED;
}

/* A refusal of what belonged to no connection is RST alone, and comes from the port that was
 * tried (RFC 9293 sec. 3.10.7.1; who refuses SYN, FIN or nothing at all acknowledges it). */
static inline bool refusal(const struct block *b, uint32_t r)
{
	return (b->tcp_flags[r] & (FIN | SYN | RST | ACK)) == RST &&
	       b->src_port[r] <= b->dst_port[r] && b->src_port[r] < EPHEMERAL;
}

/* An ACK or two without anything: of no connection, or of one that is idle. Most of these are
 * to two ports, which tell nothing about how many ports there are. */
static inline bool lone_ack(const struct block *b, uint32_t r)
{
	uint16_t port = b->dst_port[r];

	return port != 443 && port != 80 && port <= b->src_port[r] && port < EPHEMERAL &&
	       (b->tcp_flags[r] & (FIN | SYN | RST | PSH | ACK)) == ACK && rate_of(b, r) == 1 &&
	       b->packets[r] <= LONE && b->bytes[r] <= EMPTY * b->packets[r];
}

/* Is row r an attempt, and of which protocol? What most rows fail by comes first. P_STRAY is
 * told by the refusal, of which the destination is who tried, or by the ACK. */
static inline bool attempt(const struct block *b, uint32_t r, enum proto *p, uint16_t *port)
{
	uint16_t fl, from = b->src_port[r];
	uint64_t n;

	*port = b->dst_port[r];
	switch (b->proto[r]) {
	case TCP:
		*p = P_TCP;
		fl = b->tcp_flags[r];
		if (fl & ACK) {
			*p = P_STRAY;
			return lone_ack(b, r);
		}
		n = packets_of(b, r);
		if (denied(b, r))
			return true;
		if (!fl) /* else it is the refusal that a scanner gets, at a port of its own */
			return n && n <= SMALL && *port <= from && *port < EPHEMERAL &&
			       b->bytes[r] <= EMPTY * b->packets[r];
		if (fl & RST && n && n <= SMALL && refusal(b, r)) {
			*p = P_STRAY;
			*port = from;
			return true;
		}
		return n && ((fl & SYN && n <= TRIES) || (fl & (FIN | SYN | RST)) == FIN);
	case UDP:
		*p = P_UDP;
		/* An answer of a server, also of one above 1024: SSDP, mDNS, games. */
		if ((from < 1024 && *port >= 1024) || (from < EPHEMERAL && *port >= EPHEMERAL) ||
		    (*port >= TRACE_FROM && *port < TRACE_TO))
			return false;
		n = packets_of(b, r);
		return (n && n <= SMALL) || denied(b, r);
	case ICMP:
	case ICMP6:
		*p = P_ICMP;
		*port = 0;
		return b->icmp[r] == (b->proto[r] == ICMP ? ECHO : ECHO6);
	default: return false;
	}
}

static inline bool is_refusal(const struct block *b, uint32_t r, enum proto p)
{
	return p == P_STRAY && b->tcp_flags[r] & RST;
}

static inline const struct addr *source_of(const struct block *b, uint32_t r, enum proto p)
{
	return is_refusal(b, r, p) ? &b->dst[r] : &b->src[r];
}

static inline const struct addr *target_of(const struct block *b, uint32_t r, enum proto p)
{
	return is_refusal(b, r, p) ? &b->src[r] : &b->dst[r];
}

/* Did the source of this row get through with what it asked for? */
static inline bool succeeded(const struct block *b, uint32_t r)
{
	bool small = packets_of(b, r) <= SMALL;
	uint16_t fl = b->tcp_flags[r], port;
	enum proto p;

	if (b->proto[r] == UDP)
		return !small;
	if (b->proto[r] != TCP || b->dst_port[r] > b->src_port[r])
		return false;
	/* The beginning of a connection, or a part of one where packets are sampled; not the
	 * rest of a long one, which would speak for its host each minute anew. */
	if (fl & ACK)
		return fl & SYN || (small && !(fl & RST));
	if (!fl)
		return !small || b->bytes[r] > EMPTY * b->packets[r];
	return !(fl & (FIN | RST)) && !attempt(b, r, &p, &port);
}

/* Is it of a connection, of which RSTs may be the rest? */
static inline bool connected(const struct block *b, uint32_t r)
{
	return b->proto[r] == TCP && b->tcp_flags[r] & ACK &&
	       (b->tcp_flags[r] & SYN || packets_of(b, r) > SMALL);
}

#endif
