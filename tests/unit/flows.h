/* flows.h - blocks of flows for tests of what comes after the decoders.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_TESTS_FLOWS_H
#define CUL_TESTS_FLOWS_H

#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/model/block.h"

struct flow_row {
	int64_t start_ms, end_ms, received_ms;
	uint64_t bytes, packets;
	const char *src, *dst;
	uint32_t exporter, in_if, out_if;
	uint16_t src_port, dst_port;
	uint8_t proto, direction;
};

static inline uint32_t flow_add(struct block *b, const struct flow_row *f)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_src, F_dst, F_src_port,
					   F_dst_port, F_proto, F_in_if, F_out_if, F_direction };
	uint32_t r = b->n++;

	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		block_use(b, used[i]);
	b->start_ms[r] = f->start_ms;
	b->end_ms[r] = f->end_ms;
	b->received_ms[r] = f->received_ms ? f->received_ms : f->end_ms;
	b->bytes[r] = f->bytes;
	b->packets[r] = f->packets ? f->packets : 1;
	b->exporter[r] = f->exporter;
	b->in_if[r] = f->in_if;
	b->out_if[r] = f->out_if;
	b->src_port[r] = f->src_port;
	b->dst_port[r] = f->dst_port;
	b->proto[r] = f->proto;
	b->direction[r] = f->direction;
	addr_parse(f->src ? f->src : "10.0.0.1", &b->src[r]);
	addr_parse(f->dst ? f->dst : "192.0.2.1", &b->dst[r]);
	return r;
}

#endif
