/* nf5.c - NetFlow versions 1, 5, 6 and 7: records that never change.
 * SPDX-License-Identifier: ISC
 *
 *    0       2       4               8              12              16              20
 *   +-------+-------+---------------+---------------+---------------+---------------+
 *   |version| count | uptime, ms    | Unix seconds  | nanoseconds   | sequence      |
 *   +-------+-------+---------------+---------------+---------------+---------------+
 *   | engine| sampl.|  (v1 ends after the nanoseconds; v6 as v5; v7: reserved)
 *   +-------+-------+
 *
 * Their records are plans written by hand for the engine that v9 and IPFIX use. The
 * count says how many records there are, the octets how many there can be: the
 * smaller one is taken. A v1 datagram has nothing else in it that could tell it from
 * garbage, so its length must be exact; the records of some senders lack the last four
 * octets of padding. The sequence number counts flows.
 */
#include "daemon/collect/nf5.h"

#include "daemon/base/mem.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/record.h"
#include "daemon/collect/times.h"

enum { MAX_GAP = 1 << 20 };

decode_f nf1_decode, nf5_decode, nf6_decode, nf7_decode;

#define HEAD \
	STEP(OP_IP4, F_src, 4, 0), STEP(OP_IP4, F_dst, 4, 4), \
	STEP(OP_HOP4, F_next_hop, 4, 8), \
	STEP(OP_2_4, F_in_if, 2, 12), STEP(OP_2_4, F_out_if, 2, 14), \
	STEP(OP_4_8, F_packets, 4, 16), STEP(OP_4_8, F_bytes, 4, 20), \
	STEP(OP_4_8, S_START_UP, 4, 24), STEP(OP_4_8, S_END_UP, 4, 28), \
	STEP(OP_2_2, F_src_port, 2, 32), STEP(OP_2_2, F_dst_port, 2, 34)

#define TAIL \
	STEP(OP_1_2, F_tcp_flags, 1, 37), STEP(OP_1_1, F_proto, 1, 38), \
	STEP(OP_1_1, F_tos, 1, 39), \
	STEP(OP_2_4, F_src_as, 2, 40), STEP(OP_2_4, F_dst_as, 2, 42), \
	STEP(OP_1_1, F_src_mask, 1, 44), STEP(OP_1_1, F_dst_mask, 1, 45)

/* clang-format off */
static const struct step steps1[] = {
	HEAD,
	STEP(OP_1_1, F_proto, 1, 38), STEP(OP_1_1, F_tos, 1, 39),
	STEP(OP_1_2, F_tcp_flags, 1, 40),
};
static const struct step steps5[] = { HEAD, TAIL };
static const struct step steps6[] = { HEAD, TAIL, STEP(OP_HOP4, F_bgp_next_hop, 4, 48) };
/* clang-format on */

#define PLAN(octets, s) \
	{ .size = octets, .fixed = true, .n_steps = ARRAY_LEN(s), .steps = s, \
	  .told = { TOLD_PORTS(0), TOLD_PORTS(1) } }

static const struct layout v1 = { 16, false, false, false, true, PLAN(52, steps1) };
static const struct layout v1_short = { 16, false, false, false, true, PLAN(48, steps1) };
static const struct layout v5 = { 24, true, true, true, false, PLAN(48, steps5) };
static const struct layout v6 = { 24, true, true, true, false, PLAN(52, steps6) };
static const struct layout v7 = { 24, true, false, false, false, PLAN(52, steps5) };

static void clock(struct dgram *d, struct rd *r)
{
	uint32_t uptime = rd_u32(r), seconds = rd_u32(r), nanos = rd_u32(r);

	d->export_ms = (int64_t)seconds * 1000;
	if (nanos < 1000000000)
		d->export_ms += nanos / 1000000;
	if (times_header(d, uptime) && d->dom) {
		seq_forget(&d->dom->seq);
		ledger_add(&d->x->exporter->ledger.restarts, 1);
	}
	times_skew(d);
}

static void records(struct dgram *d, const struct plan *p, const uint8_t *at, uint32_t n)
{
	while (n) {
		uint32_t some = n < CHUNK ? n : CHUNK;
		struct run run = { d, NULL, d->c->scratch, at, 0 };

		out_room(d, some);
		run.b = d->out->block;
		run.row = run.b->n;
		run.b->n += some;
		d->rows += some;
		plan_run(p, &run, at, some);
		record_settle(p, &run, some);
		at += (size_t)some * p->size;
		n -= some;
	}
}

static void sequence(struct dgram *d, uint32_t number, uint32_t n)
{
	enum seq_verdict v;

	d->dom->lost_unit = LOST_FLOWS;
	v = seq_take(&d->dom->seq, number, n, MAX_GAP, d->received_ms,
		     &d->x->exporter->ledger, LOST_FLOWS);
	if (v >= SEQ_OTHER || d->port != d->dom->port)
		domain_rivals(d, d->dom, v, number, n);
}

int nf5_layout(struct dgram *d, struct rd r, const struct layout *l)
{
	struct rd head = rd_sub(&r, l->header), rest;
	uint32_t n, number = 0;
	uint16_t count;

	if (!rd_ok(&r))
		return BAD_TOO_SHORT;
	(void)rd_u16(&head);
	count = rd_u16(&head);
	n = (uint32_t)(rd_left(&r) / l->plan.size);
	if (n > count)
		n = count;
	if (!n)
		return BAD_COUNT;
	if (n > DGRAM_ROWS_MAX)
		n = DGRAM_ROWS_MAX;
	if (l->exact && rd_left(&r) != (size_t)count * l->plan.size)
		return BAD_LENGTH;
	rest = head;
	(void)rd_sub(&rest, 12);
	if (l->sequence)
		number = rd_u32(&rest);
	if (l->engine)
		d->domain_id = rd_u16(&rest);
	if (l->sampling) {
		d->rate = rd_u16(&rest) & 0x3fff;
		d->rate_source = SAMPLING_HEADER;
	}
	d->dom = domain_get(d, d->domain_id, 0);
	clock(d, &head);
	records(d, &l->plan, r.p, n);
	if (d->dom && l->sequence)
		sequence(d, number, n);
	return DGRAM_OK;
}

int nf1_decode(struct dgram *d, struct rd r)
{
	struct rd head = r;
	size_t count;

	(void)rd_u16(&head);
	count = rd_u16(&head);
	return nf5_layout(d, r, rd_left(&r) == 16 + count * 48 ? &v1_short : &v1);
}

int nf5_decode(struct dgram *d, struct rd r)
{
	return nf5_layout(d, r, &v5);
}

int nf6_decode(struct dgram *d, struct rd r)
{
	return nf5_layout(d, r, &v6);
}

int nf7_decode(struct dgram *d, struct rd r)
{
	return nf5_layout(d, r, &v7);
}
