/* format.h - the numbers of the archive's files, and octets in their order.
 * SPDX-License-Identifier: ISC
 *
 * contrib/archive-format.md says the same byte by byte. All integers are little-endian; a
 * varint is LEB128 of at most ten octets. The reader never passes its end: the first
 * short read marks it bad and every later read gives zero (as base/rd.h, which
 * reads the network's big-endian).
 */
#ifndef CUL_ARCHIVE_FORMAT_H
#define CUL_ARCHIVE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/base/mem.h"

enum {
	FRAME_MAGIC = 0x464c5543, /* "CULF" */
	FRAME_VERSION = 1,
	FRAME_HEADER = 32,
	FRAME_HEAD_MAX = 1 << 20, /* octets of a directory; names may need many */
	FRAME_BODY_MAX = 64 << 20,
	END_HEAD = 64,            /* an END frame's directory has this size always */
	PART_ROWS = 65536,        /* rows of a FLOWS frame at most */
	SECTIONS_MAX = 66,        /* columns, addresses, texts */
	NO_NAMES = -1,            /* as an ordinal: no NAMES frame */
	TEXTS_MAX = 4 << 20,      /* octets of texts in a FLOWS frame at most */
	BIN_S = 300,
};

enum frame_type { FRAME_HEAD = 1, FRAME_NAMES = 2, FRAME_FLOWS = 3, FRAME_END = 4,
		  FRAME_SUMMARY = 5 };

enum section_id { SECTION_ADDRS = 128, SECTION_TEXTS = 129 };

/* How a column stands in its section; the value of row i is ... A list of numbers is
 * one list of ints, or two (low and high halves) when the column's range needs it. */
enum column_form {
	FORM_CONST = 0, /* min, or in an address column the least address */
	FORM_INTS = 1,  /* min + numbers[i] */
	FORM_DELTA = 2, /* the one before (first: base) + step + ints[i] */
	FORM_MINUS = 3, /* that of another column - (step + ints[i]) */
	FORM_FUNC = 4,  /* min + numbers[number of the address in the parent column] */
	FORM_DICT = 5,  /* addrs[ints[i]] */
	FORM_DFUNC = 6, /* addrs[ints[number of the address in the parent column]] */
	FORM_PLANES = 7 /* an address, as sixteen planes of octets */
};

/* How a list of unsigned 32-bit integers stands. */
enum ints_form { INTS_ZERO = 0, INTS_PACK = 1, INTS_BYTES = 2, INTS_FREQ = 3,
		 INTS_FEW = 4 };

enum plane_form { PLANE_SAME = 0, PLANE_RAW = 1, PLANE_ZSTD = 2 };

/* For loops over columns: gcc turns them into vector instructions only when asked, and
 * where the C library chooses between two makes of a function when a program starts, into
 * those of newer machines too: 64-bit minima are four times as fast. */
#if !defined(__GNUC__) || defined(__clang__)
#define FAST_LOOPS
#elif defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#define FAST_LOOPS __attribute__((optimize("O3"), target_clones("avx2", "default")))
#else
#define FAST_LOOPS __attribute__((optimize("O3")))
#endif

/* ---- writing ---- */
struct out {
	uint8_t *p;
	size_t len, cap;
};

static inline uint8_t *out_room(struct out *o, size_t more)
{
	if (o->len + more > o->cap) {
		o->cap = (o->len + more) * 2;
		o->p = xrealloc(o->p, o->cap, 1);
	}
	return o->p + o->len;
}

static inline void out_bytes(struct out *o, const void *p, size_t len)
{
	if (len)
		memcpy(out_room(o, len), p, len);
	o->len += len;
}

static inline void put_le(uint8_t *p, uint64_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline void out_le(struct out *o, uint64_t v, unsigned octets)
{
	put_le(out_room(o, octets), v, octets);
	o->len += octets;
}

static inline void out_u8(struct out *o, uint8_t v) { out_le(o, v, 1); }
static inline void out_u16(struct out *o, uint16_t v) { out_le(o, v, 2); }
static inline void out_u32(struct out *o, uint32_t v) { out_le(o, v, 4); }
static inline void out_u64(struct out *o, uint64_t v) { out_le(o, v, 8); }

static inline void out_varint(struct out *o, uint64_t v)
{
	uint8_t *p = out_room(o, 10);

	for (; v >= 128; v >>= 7, o->len++)
		*p++ = (uint8_t)(v | 128);
	*p = (uint8_t)v;
	o->len++;
}

static inline void out_text(struct out *o, const char *s)
{
	size_t len = strlen(s);

	out_varint(o, len);
	out_bytes(o, s, len);
}

/* ---- reading ---- */
struct in {
	const uint8_t *p, *end; /* borrowed */
	bool bad;
};

static inline struct in in_over(const void *p, size_t len)
{
	return (struct in){ .p = p, .end = (const uint8_t *)p + len };
}

static inline size_t in_left(const struct in *r) { return (size_t)(r->end - r->p); }

/* The next len octets, or NULL (and bad). */
static inline const uint8_t *in_bytes(struct in *r, size_t len)
{
	if (r->bad || in_left(r) < len) {
		r->bad = true;
		return NULL;
	}
	r->p += len;
	return r->p - len;
}

static inline uint64_t get_le(const uint8_t *p, unsigned octets)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < octets; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static inline uint64_t in_le(struct in *r, unsigned octets)
{
	const uint8_t *p = in_bytes(r, octets);

	return p ? get_le(p, octets) : 0;
}

static inline uint8_t in_u8(struct in *r) { return (uint8_t)in_le(r, 1); }
static inline uint16_t in_u16(struct in *r) { return (uint16_t)in_le(r, 2); }
static inline uint32_t in_u32(struct in *r) { return (uint32_t)in_le(r, 4); }
static inline uint64_t in_u64(struct in *r) { return in_le(r, 8); }

static inline uint64_t in_varint(struct in *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = in_u8(r);

		v |= (uint64_t)(b & 127) << (shift < 64 ? shift : 0);
		if (!(b & 128))
			return v;
	}
	r->bad = true;
	return 0;
}

/* A text into buf, cut to its size, always terminated. */
static inline void in_text(struct in *r, char *buf, size_t size)
{
	uint64_t len = in_varint(r);
	const uint8_t *p = len <= in_left(r) ? in_bytes(r, (size_t)len) : NULL;
	size_t n = p ? strnlen((const char *)p, len < size ? (size_t)len : size - 1) : 0;

	r->bad |= !p;
	if (n)
		memcpy(buf, p, n);
	buf[n] = '\0';
}

static inline unsigned bits_of(uint32_t v) { return v ? 32 - (unsigned)__builtin_clz(v) : 0; }

#endif
