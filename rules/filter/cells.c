/* cells.c - one test over 64 rows of one column.
 * SPDX-License-Identifier: ISC
 *
 * Each row gives an octet of 0 or 1 in a loop of fixed length, which compilers
 * turn into vector compares; eight octets at a time are then packed into bits
 * by one multiplication. There is no branch on data. Columns always have
 * BLOCK_ROWS cells, so the last rows of a block need no care here: the caller
 * masks them.
 */
#include <endian.h>
#include <string.h>

#include "rules/filter/node.h"

enum { ROWS = 64 };

/* Eight octets of 0 or 1 to eight bits, the first to the lowest: octet k is
 * moved from bit 8k to bit 56 + k, and no two products meet. */
static uint64_t packed(const uint8_t m[static ROWS])
{
	uint64_t bits = 0, x;

	for (unsigned i = 0; i < ROWS / 8; i++) {
		memcpy(&x, m + 8 * i, sizeof(x));
		x = le64toh(x) * UINT64_C(0x0102040810204080);
		bits |= (x >> 56) << (8 * i);
	}
	return bits;
}

/* For a column of T: OR-s into m whether a cell lies in [lo, hi]. The cells of
 * a used column and the bounds fit T, so the differences do too. */
#define CELLS_OF(T)                                                                      \
	static void in_##T(const T *c, T lo, T span, uint8_t m[static ROWS])             \
	{                                                                                \
		for (unsigned i = 0; i < ROWS; i++)                                      \
			m[i] |= (uint8_t)((T)(c[i] - lo) <= span);                       \
	}
CELLS_OF(uint8_t)
CELLS_OF(uint16_t)
CELLS_OF(uint32_t)
CELLS_OF(uint64_t)

uint64_t cells_in(const void *col, unsigned width, const struct range *r, unsigned n)
{
	uint8_t m[ROWS] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		uint64_t lo = r[i].lo, span = r[i].hi - r[i].lo;

		switch (width) {
		case 1: in_uint8_t(col, (uint8_t)lo, (uint8_t)span, m); break;
		case 2: in_uint16_t(col, (uint16_t)lo, (uint16_t)span, m); break;
		case 4: in_uint32_t(col, (uint32_t)lo, (uint32_t)span, m); break;
		default: in_uint64_t(col, lo, span, m);
		}
	}
	return packed(m);
}

uint64_t cells_mapped(const void *col, unsigned width, const uint64_t *map)
{
	const uint8_t *c8 = col;
	const uint16_t *c16 = col;
	uint64_t bits = 0;

	for (unsigned i = 0; i < ROWS; i++) {
		unsigned v = width == 1 ? c8[i] : c16[i];

		bits |= (map[v / 64] >> v % 64 & 1) << i;
	}
	return bits;
}

uint64_t cells_with_bits(const uint16_t *col, uint16_t bits)
{
	uint8_t m[ROWS];

	for (unsigned i = 0; i < ROWS; i++)
		m[i] = (uint8_t)((col[i] & bits) == bits);
	return packed(m);
}

uint64_t cells_masked(const struct addr *col, const struct masked *set, unsigned n)
{
	uint8_t m[ROWS] = { 0 };

	for (unsigned k = 0; k < n; k++) {
		const struct masked s = set[k];

		for (unsigned i = 0; i < ROWS; i++) {
			uint64_t a[2];

			memcpy(a, col[i].b, sizeof(a));
			m[i] |= (uint8_t)((((a[0] ^ s.v[0]) & s.mask[0]) |
					   ((a[1] ^ s.v[1]) & s.mask[1])) == 0);
		}
	}
	return packed(m);
}

uint64_t cells_inet(const struct addr *col)
{
	uint8_t m[ROWS];

	for (unsigned i = 0; i < ROWS; i++)
		m[i] = addr_is4(&col[i]);
	return packed(m);
}

uint64_t cells_inet6(const struct addr *col)
{
	uint8_t m[ROWS];

	for (unsigned i = 0; i < ROWS; i++)
		m[i] = !addr_is4(&col[i]) && !addr_is_none(&col[i]);
	return packed(m);
}

/* Without a division, which would be the dearest part: v = over / under, rounded
 * down, is at least lo when over >= lo * under, and at most hi when
 * over < (hi + 1) * under. Something over nothing is no rate and taken as 0. */
uint64_t cells_ratio(const double *over, const double *under, const struct range *r,
		     unsigned n)
{
	uint8_t m[ROWS] = { 0 };

	for (unsigned k = 0; k < n; k++) {
		double lo = (double)r[k].lo, end = (double)r[k].hi + 1;
		uint8_t zero = r[k].lo == 0, open = r[k].hi == UINT64_MAX;

		for (unsigned i = 0; i < ROWS; i++) {
			uint8_t some = under[i] > 0, none = under[i] <= 0;
			uint8_t in = (over[i] >= lo * under[i]) &
				     (open | (over[i] < end * under[i]));

			m[i] |= (uint8_t)((some & in) | (none & zero));
		}
	}
	return packed(m);
}

/* In all three the last range that begins at or before v is kept in r[0..n). */
bool range_has(const struct range *r, unsigned n, uint64_t v)
{
	while (n > 1) {
		unsigned half = n / 2;

		r += r[half].lo <= v ? half : 0;
		n -= half;
	}
	return n && r->lo <= v && v <= r->hi;
}

static bool has4(const struct range4 *r, unsigned n, uint32_t v)
{
	while (n > 1) {
		unsigned half = n / 2;

		r += r[half].lo <= v ? half : 0;
		n -= half;
	}
	return n && r->lo <= v && v <= r->hi;
}

static bool at_most(const struct wide *a, const struct wide *b)
{
	return a->hi < b->hi || (a->hi == b->hi && a->lo <= b->lo);
}

static bool has6(const struct range6 *r, unsigned n, const struct wide *v)
{
	while (n > 1) {
		unsigned half = n / 2;

		r += at_most(&r[half].lo, v) ? half : 0;
		n -= half;
	}
	return n && at_most(&r->lo, v) && at_most(v, &r->hi);
}

bool addr_set_has(const struct node *t, const struct addr *a)
{
	uint64_t w[2];
	struct wide v;

	memcpy(w, a->b, sizeof(w));
	v = (struct wide){ be64toh(w[0]), be64toh(w[1]) };
	if (!v.hi && v.lo >> 32 == 0xffff) {
		unsigned top = (unsigned)(v.lo >> 16 & 0xffff);

		if (t->tops && !(t->tops[top / 64] >> top % 64 & 1))
			return false;
		return has4(t->four, t->n_four, (uint32_t)v.lo);
	}
	return has6(t->six, t->n_six, &v);
}
