/* rd.h - a bounded reader over received bytes.
 * SPDX-License-Identifier: ISC
 *
 * Reads big-endian integers from a datagram without ever looking past its
 * end. The first short read marks the reader bad and every later read gives
 * zero, so a decoder reads a whole header and then asks once: rd_ok().
 */
#ifndef CUL_BASE_RD_H
#define CUL_BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
	const uint8_t *p, *end; /* borrowed; p <= end always */
	bool bad;               /* set by the first short read, never cleared */
};

static inline struct rd rd_over(const void *buf, size_t len)
{
	return (struct rd){ .p = buf, .end = (const uint8_t *)buf + len };
}

static inline size_t rd_left(const struct rd *r) { return (size_t)(r->end - r->p); }
static inline bool rd_ok(const struct rd *r) { return !r->bad; }

/* Carves the next len octets into a reader of their own and skips them. */
static inline struct rd rd_sub(struct rd *r, size_t len)
{
	if (r->bad || rd_left(r) < len) {
		r->bad = true;
		return (struct rd){ .p = r->p, .end = r->p, .bad = true };
	}
	r->p += len;
	return rd_over(r->p - len, len);
}

/* An unsigned integer of 1 to 8 octets (RFC 7011 sec. 6.1.1, 6.2). */
static inline uint64_t rd_uint(struct rd *r, size_t len)
{
	struct rd f = rd_sub(r, len);
	uint64_t v = 0;

	while (f.p < f.end)
		v = v << 8 | *f.p++;
	return v;
}

static inline uint16_t rd_u16(struct rd *r) { return (uint16_t)rd_uint(r, 2); }
static inline uint32_t rd_u32(struct rd *r) { return (uint32_t)rd_uint(r, 4); }

#endif
