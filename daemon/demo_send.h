/* demo_send.h - flows as an exporter would send them.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_DEMO_SEND_H
#define CUL_DEMO_SEND_H

#include <stdint.h>

enum demo_protocol { DEMO_V5, DEMO_V9, DEMO_IPFIX, DEMO_SFLOW };

struct demo_flow {
	uint32_t src, dst; /* IPv4, host order */
	uint16_t src_port, dst_port;
	uint8_t proto;
	uint16_t in_if, out_if;
	uint32_t bytes, packets;
	int64_t start_ms, end_ms; /* Unix time */
};

/* Sends n flows (at most 18) to the connected socket in one datagram. v9 and IPFIX carry
 * their template each time. sequence in the protocol's own unit. sFlow: one sample a flow, its packets as sampling rate. */
void demo_send(int fd, enum demo_protocol p, const struct demo_flow *f, unsigned n,
	       int64_t now_ms, uint32_t sequence);

#endif
