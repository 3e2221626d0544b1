/* sflow4.c - sFlow versions 4 and 2 (RFC 3176): sampled packets and counters.
 * SPDX-License-Identifier: ISC
 *
 *   datagram  version, agent address, sequence, uptime, n │ sample ...
 *   flow      1, sequence, source, rate, pool, drops, in, out │ packet │ n, extended ...
 *   counters  2, sequence, source, interval, kind             │ counters of that kind
 *
 * Neither samples nor records tell their length, so the first that we do not
 * understand ends the datagram: where the next one begins cannot be known. A row is
 * kept only when its whole sample made sense, and when the first one does not, the
 * datagram is refused as no sFlow at all. Version 2 differs in the AS path alone.
 */
#include "daemon/collect/sflow.h"

/* header, IPv4, IPv6 */
static bool packet(struct sflow_sample *s, struct rd *r)
{
	uint32_t proto, frame_len, len;
	struct rd head;

	switch (rd_u32(r)) {
	case 1:
		proto = rd_u32(r);
		frame_len = rd_u32(r);
		len = rd_u32(r);
		head = sflow_opaque(r, len);
		if (!rd_ok(r))
			return false;
		sflow_header(s, proto, frame_len, head);
		return true;
	case 2: return sflow_ip(s, r, 4);
	case 3: return sflow_ip(s, r, 16);
	}
	return false;
}

static bool extended(struct sflow_sample *s, struct rd *r, unsigned version)
{
	uint32_t n = rd_u32(r);

	for (uint32_t i = 0; i < n; i++) {
		bool ok = false;

		switch (rd_u32(r)) {
		case 1: ok = sflow_switch(s, r); break;
		case 2: ok = sflow_router(s, r); break;
		case 3: ok = sflow_gateway(s, r, version); break;
		case 4: ok = sflow_user(s, r, version); break;
		case 5: ok = sflow_url(s, r, version); break;
		}
		if (!ok)
			return false;
	}
	return rd_ok(r);
}

static bool flow_sample(struct dgram *d, struct rd *r, unsigned version)
{
	struct sflow_sample s = { 0 };

	rd_u32(r);
	s.source = sflow_source(rd_u32(r));
	s.rate = sflow_rate(d, rd_u32(r));
	rd_uint(r, 8);
	sflow_interface_word(&s, rd_u32(r), false);
	sflow_interface_word(&s, rd_u32(r), true);
	if (!rd_ok(r))
		return false;
	sflow_begin(d, &s);
	if (!packet(&s, r) || !extended(&s, r, version)) {
		out_unrow(d);
		return false;
	}
	sflow_end(d, &s);
	return true;
}

static bool counters(struct dgram *d, struct rd *r)
{
	/* octets after the generic interface counters, by kind: generic, Ethernet, token
	 * ring, FDDI, 100BaseVG, WAN */
	static const uint8_t more[] = { 0, 52, 72, 0, 80, 0 };
	uint32_t kind;

	rd_sub(r, 12);
	kind = rd_u32(r);
	if (kind == 7) { /* VLAN: no interface */
		rd_sub(r, 28);
		return rd_ok(r);
	}
	if (!rd_ok(r) || !kind || kind > sizeof(more) ||
	    rd_left(r) < 88u + more[kind - 1])
		return false;
	sflow_if_counters(d, r);
	rd_sub(r, more[kind - 1]);
	return true;
}

int sflow4_decode(struct dgram *d, struct rd r)
{
	unsigned version = rd_u32(&r);
	struct rd peek = r;
	struct addr agent;
	uint32_t type = rd_u32(&peek), number, uptime, n;

	if (rd_ok(&peek) && type != 1 && type != 2)
		return BAD_AGENT;
	if (!sflow_address(&r, &agent))
		return BAD_TOO_SHORT;
	number = rd_u32(&r);
	uptime = rd_u32(&r);
	n = rd_u32(&r);
	if (!rd_ok(&r))
		return BAD_TOO_SHORT;
	if (n && rd_left(&r) < 4)
		return BAD_COUNT;
	sflow_sequence(d, 0, &agent, number, uptime);
	for (uint32_t i = 0; i < n && rd_left(&r) >= 4; i++) {
		bool ok;

		type = rd_u32(&r);
		ok = type == 1 ? flow_sample(d, &r, version) :
		     type == 2 ? counters(d, &r) : false;

		if (!ok && !i)
			return BAD_LENGTH;
		dgram_set(d, ok ? SET_DECODED : SET_MALFORMED);
		if (!ok)
			break;
	}
	return DGRAM_OK;
}
