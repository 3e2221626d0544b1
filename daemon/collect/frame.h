/* frame.h - from the first octets of a packet to the members of a flow.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_FRAME_H
#define CUL_COLLECT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/block.h"

/* header_protocol of sFlow v5 (sflow_version_5.txt, "enum header_protocol"); other
 * numbers of that list are not taken apart. */
enum frame_proto {
	FRAME_ETHERNET = 1,
	FRAME_PPP = 7,
	FRAME_AAL5_IP = 10,
	FRAME_IPV4 = 11,
	FRAME_IPV6 = 12,
	FRAME_MPLS = 13,
	FRAME_POS = 14,
	FRAME_80211 = 15,
};

/* What a frame told, apart from the columns. */
struct frame_info {
	uint32_t ip_len; /* octets from the outermost IP header on, by that header; 0: the
			    header does not tell (segmentation offload, jumbogram) */
	uint32_t ip_off; /* of that header in the frame; 0 too when there is none */
};

/* Reads the first `captured` octets of a frame and writes what they tell into the row
 * `row` of b: addresses, ports, proto, tcp_flags, tos and icmp of the innermost IP
 * header, MAC addresses, vlan and mpls1..3 of the outermost layer. A column that
 * holds a value already is overwritten only when the frame tells it. False when there
 * is no IP header (MAC addresses, vlan and labels are written nevertheless). *info is
 * always filled. Never looks past `captured`. */
bool frame_read(const uint8_t *p, size_t captured, unsigned header_proto, struct block *b,
		uint32_t row, struct frame_info *info);

/* The same; *ip_len gets info.ip_len. */
bool frame_parse(const uint8_t *p, size_t captured, unsigned header_proto,
		 struct block *b, uint32_t row, uint32_t *ip_len);

#endif
