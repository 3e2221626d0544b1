/* sflow.c - sFlow version 5: sampled packets, counters, discarded packets.
 * SPDX-License-Identifier: ISC
 *
 *   datagram  version, agent address, sub-agent, sequence, uptime, n │ sample ...
 *   sample    enterprise << 12 | format, length                      │ record ...
 *   record    enterprise << 12 | format, length                      │ octets
 *
 * A flow sample is one packet that stands for `rate` packets; its records tell that
 * packet's head (frame.c takes it apart) and what the switch knew about it
 * (sflow_rec.c). Samples are of now, so rows carry no time of their own and get the
 * receive time. The exporter is who sent the datagram; the agent address inside is
 * anybody's text and only keeps two agents behind one address apart.
 *
 * Lengths and counts are hints (R1): a sample longer than the datagram is read as far as
 * it goes, a packet head longer than its record likewise, and so many records are
 * read as there are octets for. What contradicts its own length makes the sample
 * malformed; a packet that was told in full before that still makes its row. A
 * format that we do not know is skipped and counts as decoded.
 *
 * A datagram makes at most one row for 40 octets, which is fewer than DGRAM_ROWS_MAX.
 *
 * Sources: sFlow.org "sFlow Version 5" (July 2004) sec. 5.3, "sFlow Dropped Packet
 * Notification Structures" (2020).
 */
#include "daemon/collect/sflow.h"

/* The records of a flow sample or discarded packet. */
static bool records(struct sflow_sample *s, struct rd *r)
{
	while (rd_left(r) >= 8) {
		uint32_t format = rd_u32(r), len = rd_u32(r);
		struct rd one = sflow_opaque(r, len);

		if (!rd_ok(&one) || (!format && len))
			return false;
		if (!format) /* zeros to fill up */
			return true;
		if (!sflow_record(s, format, &one))
			return false;
	}
	return true;
}

/* The row of a sample whose head is read. */
static bool row(struct dgram *d, struct sflow_sample *s, struct rd *r)
{
	bool whole;

	sflow_begin(d, s);
	whole = records(s, r);
	if (s->packet != PACKET_NONE || s->discarded)
		sflow_end(d, s);
	else
		out_unrow(d); /* a transaction of a server (host sFlow) is no packet */
	return whole;
}

static bool flow_sample(struct dgram *d, struct rd *r)
{
	struct sflow_sample s = { 0 };

	rd_u32(r); /* sequence number of the data source */
	s.source = sflow_source(rd_u32(r));
	s.rate = sflow_rate(d, rd_u32(r));
	rd_uint(r, 8); /* pool, samples dropped */
	sflow_interface_word(&s, rd_u32(r), false);
	sflow_interface_word(&s, rd_u32(r), true);
	rd_u32(r); /* number of records: octets decide */
	return rd_ok(r) && row(d, &s, r);
}

static bool expanded_flow_sample(struct dgram *d, struct rd *r)
{
	struct sflow_sample s = { 0 };
	uint32_t class, index, format;

	rd_u32(r);
	class = rd_u32(r);
	index = rd_u32(r);
	s.source = class ? 0 : index;
	s.rate = sflow_rate(d, rd_u32(r));
	rd_uint(r, 8);
	format = rd_u32(r);
	sflow_interface(&s, format, rd_u32(r), false);
	format = rd_u32(r);
	sflow_interface(&s, format, rd_u32(r), true);
	rd_u32(r);
	return rd_ok(r) && row(d, &s, r);
}

static bool discarded(struct dgram *d, struct rd *r)
{
	struct sflow_sample s = { .discarded = true };

	rd_sub(r, 16); /* sequence number, data source, discards that were not told */
	sflow_interface(&s, 0, rd_u32(r), false);
	sflow_interface(&s, 0, rd_u32(r), true);
	s.reason = sflow_reason(rd_u32(r));
	rd_u32(r);
	return rd_ok(r) && row(d, &s, r);
}

static bool counters(struct dgram *d, struct rd *r, bool expanded)
{
	uint32_t index;

	rd_u32(r);
	if (expanded) {
		uint32_t class = rd_u32(r);

		index = rd_u32(r);
		index = class ? 0 : index;
	} else {
		index = sflow_source(rd_u32(r));
	}
	rd_u32(r); /* number of records */
	if (!rd_ok(r))
		return false;
	while (rd_left(r) >= 8) {
		uint32_t format = rd_u32(r), len = rd_u32(r);
		struct rd one = sflow_opaque(r, len);

		if (!rd_ok(&one) || (!format && len))
			return false;
		if (format == 1 && !sflow_if_counters(d, &one))
			return false;
		if (format == 1005 && !sflow_port_name(d, index, &one))
			return false;
	}
	return true;
}

static bool sample(struct dgram *d, uint32_t format, struct rd *r)
{
	switch (format) {
	case 0: return false; /* no such format */
	case 1: return flow_sample(d, r);
	case 2: return counters(d, r, false);
	case 3: return expanded_flow_sample(d, r);
	case 4: return counters(d, r, true);
	case 5: return discarded(d, r);
	}
	return true;
}

int sflow5_decode(struct dgram *d, struct rd r)
{
	struct addr agent;
	uint32_t sub_agent, number, uptime, n, type;

	rd_u32(&r); /* version */
	type = rd_u32(&r);
	if (rd_ok(&r) && type != 1 && type != 2)
		return BAD_AGENT;
	r = rd_over(r.p - 4, rd_left(&r) + 4);
	if (!sflow_address(&r, &agent))
		return BAD_TOO_SHORT;
	sub_agent = rd_u32(&r);
	number = rd_u32(&r);
	uptime = rd_u32(&r);
	n = rd_u32(&r);
	if (!rd_ok(&r))
		return BAD_TOO_SHORT;
	if (n && rd_left(&r) < 8)
		return BAD_COUNT;
	sflow_sequence(d, sub_agent, &agent, number, uptime);
	for (uint32_t i = 0; rd_left(&r) >= 8; i++) {
		uint32_t format = rd_u32(&r), len = rd_u32(&r);
		bool lies = len > rd_left(&r);
		struct rd one;

		/* Behind the last sample only another one is worth a look. */
		if (i >= n && (lies || !len || !format || format > 5))
			break;
		one = rd_sub(&r, lies ? rd_left(&r) : len);
		dgram_set(d,
			  sample(d, format, &one) && !lies ? SET_DECODED : SET_MALFORMED);
	}
	return DGRAM_OK;
}
