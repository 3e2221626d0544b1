/* ie.h - from a template's element to a column.
 * SPDX-License-Identifier: ISC
 *
 * A target is a column of the block, or (from FIELD_COUNT on) one of the columns
 * that live only while a set is decoded: what is said in two elements, counted in
 * another way, or belongs to the reverse half of a biflow. Those are 64 bits wide.
 */
#ifndef CUL_COLLECT_IE_H
#define CUL_COLLECT_IE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/block.h"

enum target {
	S_FIRST = FIELD_COUNT,
	S_START_UP = S_FIRST, S_END_UP, /* uptimes, ms */
	S_DURATION_MS,
	S_SYSINIT,       /* IE 160 */
	S_SAMPLER,       /* sampler or selector id */
	S_PLAIN, S_INTERVAL, S_SPACE, S_SIZE, S_POPULATION, S_PROBABILITY,
	S_TOTAL_BYTES, S_TOTAL_PACKETS, S_FLOW_ID, S_END_REASON,
	S_ICMP_TYPE, S_ICMP_CODE,
	S_FLAGS_REST,    /* of all packets but the first */
	S_SECTION_L2, S_SECTION_IP, /* a packet section: octets << 32 | its place */
	S_FRAME_SIZE,    /* octets of the whole frame */
	S_FRAME_TYPE, S_SECTION_OFF, S_SECTION_LEN, /* of a packet section */
	S_REV_BYTES, S_REV_PACKETS, S_REV_TOTAL_BYTES, S_REV_TOTAL_PACKETS,
	S_REV_FLAGS, S_REV_FLAGS_REST, S_REV_TOS, S_REV_IN_IF, S_REV_OUT_IF,
	S_REV_VLAN, S_REV_OUT_VLAN,
	S_REV_START, S_REV_END, S_REV_START_UP, S_REV_END_UP,
	TARGETS
};
#define SCRATCH_COLUMNS (TARGETS - S_FIRST)
_Static_assert(TARGETS <= 128, "a plan keeps its targets in two 64-bit sets");

/* How the octets of an element become a cell. */
enum ie_how {
	IE_UINT,     /* big-endian, also shorter than its type (RFC 7011 sec. 6.2) */
	IE_FLOAT,    /* to the bits of a double; four octets or eight (RFC 7011 sec. 6.2) */
	IE_IP4, IE_IP6,
	IE_HOP4,     /* an IPv4 address where 0.0.0.0 means none */
	IE_TEXT,
	IE_SECS, IE_NTP, IE_DELTA_US, /* to ms */
	IE_MS_OF_US, /* a duration in microseconds */
	IE_MPLS,     /* label, experimental bits, bottom of stack (RFC 3032) */
	IE_APP,      /* one octet of engine, then the selector (RFC 6759) */
	IE_DIR,      /* flowDirection + 1 */
	IE_DSCP,     /* to the ToS octet */
	IE_SECTION,  /* where it is, in plan_run()'s octets */
};

struct ie {
	uint32_t pen;      /* enterprise number, 0 for IANA */
	uint16_t id;
	uint16_t min, max; /* octets that are legal (R6) */
	uint8_t how;
	uint8_t target;
	uint8_t rank;      /* of several for a target: the lowest that is not 0 */
};

enum { PEN_REVERSE = 29305, IE_VARLEN = 65535 };

/* NULL when we do not keep this element. */
const struct ie *ie_find(uint32_t pen, uint16_t id);
static inline bool ie_len_ok(const struct ie *e, size_t len)
{
	return len >= e->min && len <= e->max;
}
/* Octets of a cell of that target. */
unsigned target_width(enum target t);

#endif
