/* sflow_if.c - what counter samples tell of interfaces.
 * SPDX-License-Identifier: ISC
 *
 * Kept are speed and name (names.h) and the totals of generic interface counters; the
 * counters of media, processors, optics and applications are passed over.
 *
 * Sources: sFlow.org "sFlow Version 5" sec. 5.3 (generic interface counters, the same
 * in RFC 3176), "sFlow OpenFlow Structures" (port name).
 */
#include "daemon/collect/sflow.h"

#include "daemon/collect/collector.h"

#include <string.h>

static uint64_t told32(uint32_t v)
{
	return v == UINT32_MAX ? UINT64_MAX : v;
}

/* Unicast, multicast and broadcast; an agent without the latter two says 2^32 - 1. The
 * parts wrap at 2^32, so the sum is kept modulo 2^32 and differences stay right. */
static uint64_t packets_of(struct rd *r)
{
	uint32_t uni = rd_u32(r), multi = rd_u32(r), broad = rd_u32(r);

	if (uni == UINT32_MAX)
		return UINT64_MAX;
	return (uint32_t)(uni + (multi == UINT32_MAX ? 0 : multi) +
			  (broad == UINT32_MAX ? 0 : broad));
}

bool sflow_if_counters(struct dgram *d, struct rd *r)
{
	struct if_counters c = { .exporter = d->x->exporter->id,
				 .at_ms = d->received_ms };

	c.index = rd_u32(r);
	rd_u32(r); /* ifType */
	c.speed_bps = rd_uint(r, 8);
	rd_uint(r, 8); /* direction, status */
	c.in_octets = rd_uint(r, 8);
	c.in_packets = packets_of(r);
	c.in_discards = told32(rd_u32(r));
	c.in_errors = told32(rd_u32(r));
	rd_u32(r); /* unknown protocols */
	c.out_octets = rd_uint(r, 8);
	c.out_packets = packets_of(r);
	c.out_discards = told32(rd_u32(r));
	c.out_errors = told32(rd_u32(r));
	rd_u32(r); /* promiscuous */
	if (!rd_ok(r))
		return false;
	if (c.speed_bps == UINT64_MAX)
		c.speed_bps = 0;
	if (c.speed_bps)
		names_interface_set(d->c->names, c.exporter, c.index, NULL,
				    c.speed_bps, TOLD_EXPORTER);
	if (d->out->counters)
		d->out->counters(d->out->arg, &c);
	return true;
}

bool sflow_port_name(struct dgram *d, uint32_t index, struct rd *r)
{
	struct rd text = sflow_string(r);
	char name[NAME_LEN];
	size_t n = rd_left(&text) < sizeof(name) - 1 ? rd_left(&text) : sizeof(name) - 1;

	if (!rd_ok(r))
		return false;
	memcpy(name, text.p, n);
	name[n] = '\0';
	if (index && n)
		names_interface_set(d->c->names, d->x->exporter->id, index, name, 0,
				    TOLD_EXPORTER);
	return true;
}
