/* hll.h - how many different things, in 256 octets.
 * SPDX-License-Identifier: ISC
 *
 * HyperLogLog (Flajolet et al. 2007) with 256 registers: standard error 6.5 %, and
 * linear counting up to some 600, where it is nearer (4 %). Hashes are map_hash() or as
 * good. Two of them together count what either saw, so a window slides by halves.
 */
#ifndef CUL_BASE_HLL_H
#define CUL_BASE_HLL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HLL_REGISTERS = 256 };

struct hll {
	uint8_t r[HLL_REGISTERS];
};

/* True when that was surely new. */
static inline bool hll_add(struct hll *h, uint64_t hash)
{
	uint8_t *r = &h->r[hash >> 56];
	uint8_t rank = (uint8_t)(1 + __builtin_ctzll(hash | UINT64_C(1) << 55));

	if (rank <= *r)
		return false;
	*r = rank;
	return true;
}

/* What a or b saw; b may be NULL. */
static inline double hll_count(const struct hll *a, const struct hll *b)
{
	const double m = HLL_REGISTERS, alpha = 0.7213 / (1 + 1.079 / m);
	double sum = 0, e;
	unsigned zeros = 0;

	for (unsigned i = 0; i < HLL_REGISTERS; i++) {
		uint8_t r = b && b->r[i] > a->r[i] ? b->r[i] : a->r[i];

		sum += 1 / (double)(UINT64_C(1) << r); /* at most 56 */
		zeros += !r;
	}
	e = alpha * m * m / sum;
	return e <= 2.5 * m && zeros ? m * log(m / zeros) : e;
}

#endif
