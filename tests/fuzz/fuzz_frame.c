/* fuzz_frame.c - any octets as the head of a packet.
 * SPDX-License-Identifier: ISC
 *
 * The first octet is the header protocol. What comes out must make sense together. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/collect/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct block *b;
	struct frame_info info;
	bool ip;

	if (!size)
		return 0;
	if (!b)
		b = block_new(NULL);
	block_reset(b);
	b->n = 2;
	ip = frame_read(data + 1, size - 1, data[0] % 20, b, 1, &info);
	assert(ip || (!info.ip_len && addr_is_none(&b->src[1])));
	assert(info.ip_off < size && b->vlan[1] < 4096);
	assert((b->mpls1[1] | b->mpls2[1] | b->mpls3[1]) < 1 << 20);
	assert(addr_is_none(&b->src[0]) && !b->proto[0]); /* the other row */
	return 0;
}
