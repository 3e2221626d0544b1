/* ints_read.c - lists of integers in few octets: reading.
 * SPDX-License-Identifier: ISC
 *
 * ints.c says what the forms are. Everything is held against the octets that are
 * there and the lists that it points into; zstd may not give more than was asked.
 */
#include "storage/archive/ints.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

struct unpacker {
	ZSTD_DCtx *zstd;
	uint8_t plane[PART_ROWS], plane2[PART_ROWS];
	uint32_t rest[PART_ROWS];
	uint8_t lent[UNPACKER_PLANES][PART_ROWS];
};

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));

	u->zstd = ZSTD_createDCtx();
	assert(u->zstd);
	return u;
}

uint8_t (*unpacker_planes(struct unpacker *u))[PART_ROWS]
{
	return u->lent;
}

void unpacker_free(struct unpacker **up)
{
	if (!*up)
		return;
	ZSTD_freeDCtx((*up)->zstd);
	free(*up);
	*up = NULL;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Eight values lie in `width` octets; with width known to the compiler, each costs a
 * load, a shift and a mask, none of which waits for the one before. */
static inline __attribute__((always_inline)) size_t
unpack_eights(const uint8_t *p, uint32_t *out, size_t n, unsigned width)
{
	const uint64_t mask = (UINT64_C(1) << width) - 1;
	size_t i = 0;

	for (; i + 8 <= n; i += 8, p += width)
		for (unsigned k = 0; k < 8; k++)
			out[i + k] =
			    (uint32_t)(load64(p + (k * width >> 3)) >> (k * width & 7) &
				       mask);
	return i;
}

/* The widths that columns mostly have; returns how many values are done. */
static size_t unpack_usual(const uint8_t *p, uint32_t *out, size_t n, unsigned width)
{
	switch (width) {
	case 1: return unpack_eights(p, out, n, 1);
	case 2: return unpack_eights(p, out, n, 2);
	case 4: return unpack_eights(p, out, n, 4);
	case 8: return unpack_eights(p, out, n, 8);
	case 9: return unpack_eights(p, out, n, 9);
	case 10: return unpack_eights(p, out, n, 10);
	case 11: return unpack_eights(p, out, n, 11);
	case 12: return unpack_eights(p, out, n, 12);
	case 13: return unpack_eights(p, out, n, 13);
	case 14: return unpack_eights(p, out, n, 14);
	case 15: return unpack_eights(p, out, n, 15);
	case 16: return unpack_eights(p, out, n, 16);
	default: return 0;
	}
}

static bool unpack(struct in *r, uint32_t *out, size_t n)
{
	unsigned width = in_u8(r);
	const uint8_t *p;
	uint64_t mask, at;
	size_t i;

	if (width > 32 || !(p = in_bytes(r, (n * width + 7) / 8)))
		return false;
	mask = (UINT64_C(1) << width) - 1;
	i = unpack_usual(p, out, n, width);
	for (at = i * width; i < n; i++, at += width)
		out[i] = (uint32_t)(load64(p + (at >> 3)) >> (at & 7) & mask);
	return true;
}

bool plane_read(struct unpacker *u, struct in *r, uint8_t *out, size_t n)
{
	uint8_t form = in_u8(r);
	const uint8_t *p;
	uint32_t len;

	switch (form) {
	case PLANE_SAME: memset(out, in_u8(r), n); return !r->bad;
	case PLANE_RAW:
		p = in_bytes(r, n);
		if (p)
			memcpy(out, p, n);
		return p != NULL;
	case PLANE_ZSTD:
		len = in_u32(r);
		p = in_bytes(r, len);
		return p && ZSTD_decompressDCtx(u->zstd, out, n, p, len) == n;
	default: return false;
	}
}

/* The next plane; *zero: it is zero all over and was not written to out. */
static bool next_plane(struct unpacker *u, struct in *r, uint8_t *out, size_t n,
		       bool *zero)
{
	*zero = in_left(r) >= 2 && r->p[0] == PLANE_SAME && r->p[1] == 0;
	if (*zero)
		return in_bytes(r, 2) != NULL;
	return plane_read(u, r, out, n);
}

static bool read_bytes(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	unsigned planes = in_u8(r);
	const uint8_t *low = u->plane, *high = u->plane2;
	bool zero[2] = { true, true };

	if (planes < 1 || planes > 4 || !plane_read(u, r, u->plane, n) ||
	    (planes > 1 && !next_plane(u, r, u->plane2, n, &zero[0])))
		return false;
	if (zero[0])
		for (size_t i = 0; i < n; i++)
			out[i] = low[i];
	else
		for (size_t i = 0; i < n; i++)
			out[i] = low[i] | (uint32_t)high[i] << 8;
	for (unsigned k = 2; k < planes; k++) {
		if (!next_plane(u, r, u->plane, n, &zero[1]))
			return false;
		for (size_t i = 0; !zero[1] && i < n; i++)
			if (low[i]) /* mostly none */
				out[i] |= (uint32_t)low[i] << 8 * k;
	}
	return true;
}

static bool read_freq(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	uint32_t value[256] = { 0 };
	unsigned n_freq = in_u8(r);
	size_t rest = 0, at = 0;

	if (n_freq > ESCAPE)
		return false;
	for (unsigned i = 0; i < n_freq; i++)
		value[i] = in_u16(r);
	if (!plane_read(u, r, u->plane, n))
		return false;
	for (size_t i = 0; i < n; i++)
		rest += u->plane[i] == ESCAPE;
	if (!unpack(r, u->rest, rest))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool esc = u->plane[i] == ESCAPE;

		if (!esc && u->plane[i] >= n_freq)
			return false;
		out[i] = esc ? u->rest[at] : value[u->plane[i]];
		at += esc;
	}
	return true;
}

static bool read_few(struct in *r, uint32_t *out, size_t n)
{
	uint32_t value[256] = { 0 }, most = 0;
	unsigned n_few = in_u8(r);

	for (unsigned i = 0; i < n_few; i++)
		value[i] = in_u16(r);
	if (!unpack(r, out, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		most = out[i] > most ? out[i] : most;
		out[i] = value[out[i] & 255];
	}
	return !n || most < n_few;
}

bool ints_read(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	if (n > PART_ROWS)
		return false;
	switch (in_u8(r)) {
	case INTS_ZERO: memset(out, 0, n * sizeof(*out)); return !r->bad;
	case INTS_PACK: return unpack(r, out, n);
	case INTS_BYTES: return read_bytes(u, r, out, n);
	case INTS_FREQ: return read_freq(u, r, out, n);
	case INTS_FEW: return read_few(r, out, n);
	default: return false;
	}
}

/* ---- a few of many ---- */

static bool pick_packed(struct in *r, size_t n, const uint32_t *rows, size_t k,
			uint32_t *out)
{
	unsigned width = in_u8(r);
	uint64_t mask = (UINT64_C(1) << (width & 63)) - 1;
	const uint8_t *p;

	if (width > 32 || !(p = in_bytes(r, (n * width + 7) / 8)))
		return false;
	for (size_t i = 0; i < k; i++) {
		uint64_t at = (uint64_t)rows[i] * width;

		out[i] = (uint32_t)(load64(p + (at >> 3)) >> (at & 7) & mask);
	}
	return true;
}

/* A plane to look into: unpacked only when it must be. */
static const uint8_t *look_into(struct unpacker *u, struct in *r, size_t n)
{
	if (in_left(r) && r->p[0] == PLANE_RAW) {
		in_u8(r);
		return in_bytes(r, n);
	}
	return plane_read(u, r, u->plane, n) ? u->plane : NULL;
}

static bool pick_bytes(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows,
		       size_t k, uint32_t *out)
{
	unsigned planes = in_u8(r);

	if (planes < 1 || planes > 4)
		return false;
	memset(out, 0, k * sizeof(*out));
	for (unsigned j = 0; j < planes; j++) {
		const uint8_t *p = look_into(u, r, n);

		if (!p)
			return false;
		for (size_t i = 0; i < k; i++)
			out[i] |= (uint32_t)p[rows[i]] << 8 * j;
	}
	return true;
}

/* How many escapes there are in p[from..to). Eight octets at a time: an octet of ~x is
 * zero where there is one. */
static size_t escapes(const uint8_t *p, size_t from, size_t to)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	size_t n = 0;

	for (; from + 8 <= to; from += 8) {
		uint64_t x = ~load64(p + from);

		n += (size_t)__builtin_popcountll(~(((x & low) + low) | x | low));
	}
	for (; from < to; from++)
		n += p[from] == ESCAPE;
	return n;
}

static bool pick_freq(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows,
		      size_t k, uint32_t *out)
{
	uint32_t value[256] = { 0 }, *number = u->rest; /* of the escaped ones */
	unsigned n_freq = in_u8(r);
	size_t before = 0, from = 0, rest = 0;
	const uint8_t *p;

	for (unsigned i = 0; i < n_freq; i++)
		value[i] = in_u16(r);
	if (!(p = look_into(u, r, n)))
		return false;
	for (size_t i = 0; i < k; i++) {
		before += escapes(p, from, rows[i]);
		from = rows[i];
		if (p[from] == ESCAPE)
			number[rest++] = (uint32_t)before;
		else if (p[from] >= n_freq)
			return false;
	}
	before += escapes(p, from, n);
	if (!pick_packed(r, before, number, rest, number))
		return false;
	for (size_t i = 0, at = 0; i < k; i++)
		out[i] = p[rows[i]] == ESCAPE ? number[at++] : value[p[rows[i]]];
	return true;
}

static bool pick_few(struct in *r, size_t n, const uint32_t *rows, size_t k,
		     uint32_t *out)
{
	uint32_t value[256] = { 0 };
	unsigned n_few = in_u8(r);

	for (unsigned i = 0; i < n_few; i++)
		value[i] = in_u16(r);
	if (!pick_packed(r, n, rows, k, out))
		return false;
	for (size_t i = 0; i < k; i++) {
		if (out[i] >= n_few)
			return false;
		out[i] = value[out[i]];
	}
	return true;
}

bool ints_pick(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows, size_t k,
	       uint32_t *out)
{
	if (n > PART_ROWS || k > n)
		return false;
	switch (in_u8(r)) {
	case INTS_ZERO: memset(out, 0, k * sizeof(*out)); return !r->bad;
	case INTS_PACK: return pick_packed(r, n, rows, k, out);
	case INTS_BYTES: return pick_bytes(u, r, n, rows, k, out);
	case INTS_FREQ: return pick_freq(u, r, n, rows, k, out);
	case INTS_FEW: return pick_few(r, n, rows, k, out);
	default: return false;
	}
}
