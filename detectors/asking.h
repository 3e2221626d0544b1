/* asking.h - which of 64 rows may ask for something unanswered.
 * SPDX-License-Identifier: ISC
 *
 * Of ordinary traffic most rows are TCP with ACK set: somebody answered. Detectors of
 * patterns look at the others, so these are found first, 64 at a time, in loops of fixed
 * length without a branch, which the compiler makes into a few wide instructions.
 */
#ifndef CUL_DETECTORS_ASKING_H
#define CUL_DETECTORS_ASKING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "daemon/model/block.h"
#include "detectors/packet.h"

/* Octets of 0 and 1 as bits, eight at a time. */
static inline uint64_t asking_packed(const uint8_t yes[64])
{
	uint64_t out = 0, eight;

	for (unsigned i = 0; i < 8; i++) {
		memcpy(&eight, yes + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		eight = __builtin_bswap64(eight);
#endif
		out |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
	}
	return out;
}

/* Of rows at .. at + 63 that are in `bits` those of TCP without ACK, UDP and ICMP; `scan`:
 * and of TCP with ACK and nothing else, but not UDP that a server answers with, which is most
 * of it. Columns have room for BLOCK_ROWS, so what is behind the last row may be read; it is
 * not in `bits`. */
static inline uint64_t asking_some(const struct block *b, uint32_t at, uint64_t bits,
				   const bool scan)
{
	enum { ALL = 63, SERVERS = 1024 };
	const uint8_t *proto = b->proto + at;
	const uint16_t *flags = b->tcp_flags + at;
	const uint16_t *from = b->src_port + at, *to = b->dst_port + at;
	uint8_t yes[64], said[64], served[64] = { 0 };

	for (unsigned i = 0; i < 64; i++)
		said[i] = (uint8_t)(flags[i] & (scan ? ALL : ACK));
	if (scan) {
		for (unsigned i = 0; i < 64; i++) /* ACK alone is as none */
			said[i] = said[i] == ACK ? 0 : said[i] & ACK;
		for (unsigned i = 0; i < 64; i++)
			served[i] = (uint8_t)((from[i] < SERVERS) & (to[i] >= SERVERS));
	}
	for (unsigned i = 0; i < 64; i++)
		yes[i] = (uint8_t)(((proto[i] == TCP) & (said[i] == 0)) |
				   ((proto[i] == UDP) & (served[i] == 0)) |
				   (proto[i] == ICMP) | (proto[i] == ICMP6));
	return asking_packed(yes) & bits;
}

static inline uint64_t asking_rows(const struct block *b, uint32_t at, uint64_t bits)
{
	return asking_some(b, at, bits, false);
}

static inline uint64_t asking_scan(const struct block *b, uint32_t at, uint64_t bits)
{
	return asking_some(b, at, bits, true);
}

#endif
