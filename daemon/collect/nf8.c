/* nf8.c - NetFlow version 8: fourteen aggregations made by the router.
 * SPDX-License-Identifier: ISC
 *
 * The header is v5's with the aggregation at octet 22 and four octets reserved at
 * the end (28 in all). Each aggregation has records of its own; a member that the
 * router aggregated away is not there, and stays "not told". Most count the flows
 * that went into a record. Source: Cisco, "NetFlow Export Datagram Format", tables
 * B-5 to B-19; the three Catalyst ones (6, 7, 8) have no flow count.
 */
#include "daemon/base/mem.h"
#include "daemon/collect/nf5.h"

enum { HEADER = 28 };

decode_f nf8_decode;

#define COUNTS \
	STEP(OP_4_4, F_flows, 4, 0), STEP(OP_4_8, F_packets, 4, 4), \
	STEP(OP_4_8, F_bytes, 4, 8), \
	STEP(OP_4_8, S_START_UP, 4, 12), STEP(OP_4_8, S_END_UP, 4, 16)
#define SRC_NET STEP(OP_IP4, F_src, 4, 20), STEP(OP_1_1, F_src_mask, 1, 24)
#define DST_NET STEP(OP_IP4, F_dst, 4, 20), STEP(OP_1_1, F_dst_mask, 1, 24)
#define NETS \
	STEP(OP_IP4, F_src, 4, 20), STEP(OP_IP4, F_dst, 4, 24), \
	STEP(OP_1_1, F_dst_mask, 1, 28), STEP(OP_1_1, F_src_mask, 1, 29)
#define AS_IFS(at) \
	STEP(OP_2_4, F_src_as, 2, at), STEP(OP_2_4, F_dst_as, 2, (at) + 2), \
	STEP(OP_2_4, F_in_if, 2, (at) + 4), STEP(OP_2_4, F_out_if, 2, (at) + 6)
#define PORTS(at) STEP(OP_2_2, F_src_port, 2, at), STEP(OP_2_2, F_dst_port, 2, (at) + 2)
#define IFS(at) STEP(OP_2_4, F_in_if, 2, at), STEP(OP_2_4, F_out_if, 2, (at) + 2)
#define TOS(at) STEP(OP_1_1, F_tos, 1, at)
#define PROTO(at) STEP(OP_1_1, F_proto, 1, at)

/* clang-format off */
static const struct step as[] = { COUNTS, AS_IFS(20) };
static const struct step proto_port[] = { COUNTS, PROTO(20), PORTS(24) };
static const struct step src_prefix[] = { COUNTS, SRC_NET, STEP(OP_2_4, F_src_as, 2, 26),
	STEP(OP_2_4, F_in_if, 2, 28) };
static const struct step dst_prefix[] = { COUNTS, DST_NET, STEP(OP_2_4, F_dst_as, 2, 26),
	STEP(OP_2_4, F_out_if, 2, 28) };
static const struct step prefix[] = { COUNTS, NETS, AS_IFS(32) };
static const struct step dest[] = { STEP(OP_IP4, F_dst, 4, 0),
	STEP(OP_4_8, F_packets, 4, 4), STEP(OP_4_8, F_bytes, 4, 8),
	STEP(OP_4_8, S_START_UP, 4, 12), STEP(OP_4_8, S_END_UP, 4, 16),
	STEP(OP_2_4, F_out_if, 2, 20), TOS(22) };
static const struct step src_dst[] = { STEP(OP_IP4, F_dst, 4, 0),
	STEP(OP_IP4, F_src, 4, 4),
	STEP(OP_4_8, F_packets, 4, 8), STEP(OP_4_8, F_bytes, 4, 12),
	STEP(OP_4_8, S_START_UP, 4, 16), STEP(OP_4_8, S_END_UP, 4, 20),
	STEP(OP_2_4, F_out_if, 2, 24), STEP(OP_2_4, F_in_if, 2, 26), TOS(28) };
static const struct step full[] = { STEP(OP_IP4, F_dst, 4, 0), STEP(OP_IP4, F_src, 4, 4),
	STEP(OP_2_2, F_dst_port, 2, 8), STEP(OP_2_2, F_src_port, 2, 10),
	STEP(OP_4_8, F_packets, 4, 12), STEP(OP_4_8, F_bytes, 4, 16),
	STEP(OP_4_8, S_START_UP, 4, 20), STEP(OP_4_8, S_END_UP, 4, 24),
	STEP(OP_2_4, F_out_if, 2, 28), STEP(OP_2_4, F_in_if, 2, 30), TOS(32), PROTO(33) };
static const struct step as_tos[] = { COUNTS, AS_IFS(20), TOS(28) };
static const struct step proto_port_tos[] = { COUNTS, PROTO(20), TOS(21), PORTS(24),
	IFS(28) };
static const struct step src_prefix_tos[] = { COUNTS, SRC_NET, TOS(25),
	STEP(OP_2_4, F_src_as, 2, 26), STEP(OP_2_4, F_in_if, 2, 28) };
static const struct step dst_prefix_tos[] = { COUNTS, DST_NET, TOS(25),
	STEP(OP_2_4, F_dst_as, 2, 26), STEP(OP_2_4, F_out_if, 2, 28) };
static const struct step prefix_tos[] = { COUNTS, NETS, TOS(30), AS_IFS(32) };
static const struct step prefix_port_tos[] = { COUNTS, NETS, TOS(30), PROTO(31),
	PORTS(32), IFS(36) };

#define LAYOUT(octets, s, told_of) \
	{ HEADER, true, true, false, false, \
	  { .size = octets, .fixed = true, .n_steps = ARRAY_LEN(s), .steps = s, \
	    .told = { told_of(0), told_of(1) } } }
static const struct layout layouts[] = {
	[1] = LAYOUT(28, as, TOLD_TIMES),
	[2] = LAYOUT(28, proto_port, TOLD_PORTS),
	[3] = LAYOUT(32, src_prefix, TOLD_TIMES),
	[4] = LAYOUT(32, dst_prefix, TOLD_TIMES),
	[5] = LAYOUT(40, prefix, TOLD_TIMES),
	[6] = LAYOUT(32, dest, TOLD_TIMES),
	[7] = LAYOUT(40, src_dst, TOLD_TIMES),
	[8] = LAYOUT(44, full, TOLD_PORTS),
	[9] = LAYOUT(32, as_tos, TOLD_TIMES),
	[10] = LAYOUT(32, proto_port_tos, TOLD_PORTS),
	[11] = LAYOUT(32, src_prefix_tos, TOLD_TIMES),
	[12] = LAYOUT(32, dst_prefix_tos, TOLD_TIMES),
	[13] = LAYOUT(40, prefix_tos, TOLD_TIMES),
	[14] = LAYOUT(40, prefix_port_tos, TOLD_PORTS),
};
/* clang-format on */

int nf8_decode(struct dgram *d, struct rd r)
{
	uint8_t aggregation;

	if (rd_left(&r) < HEADER)
		return BAD_TOO_SHORT;
	aggregation = r.p[22];
	if (!aggregation || aggregation >= ARRAY_LEN(layouts))
		return BAD_VERSION;
	return nf5_layout(d, r, &layouts[aggregation]);
}
