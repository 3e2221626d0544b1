/* few.h - most flows: a few open slices, cut without a guess.
 * SPDX-License-Identifier: ISC
 *
 * Nearly every flow lies in open slices and lasts no longer than three of them, so that
 * it is in four at most. How many it is in cannot be foretold, and a processor that
 * guesses wrong loses more time than the sums take: so always FEW shares are worked out,
 * and those past the last are zero.
 *
 * Octets and packets are the two lanes of a vector. floor(total * part / whole) takes one
 * division a flow, that of the rate, and no conversion: what is added to FEW_BIG, 1.5 *
 * 2^52, is rounded to the nearest whole number and stands in the low bits of the sum; so
 * FEW_OFF, nearly a half below zero, is added before. The true quotient is a whole number
 * or at least 1 / FEW_MS > 2^-15 below one; FEW_OFF leaves 2^-17 on either side, and the
 * roundings, of numbers below 2^32, are less than 2^-18 together. test_share.c compares
 * with 128 bits.
 */
#ifndef CUL_WINDOW_FEW_H
#define CUL_WINDOW_FEW_H

#include <string.h>

#include "daemon/model/slice.h"

enum { FEW = 4, FEW_MS = (FEW - 1) * SLICE_MS };
#define FEW_OFF (-0.5 + 1.0 / (1 << 17))
#define FEW_BIG 6755399441055744.0

typedef double few_real __attribute__((vector_size(16)));
typedef int64_t few_whole __attribute__((vector_size(16)));

struct few {
	uint32_t at;  /* slices after the base */
	uint32_t n;   /* of them it is in */
	few_whole share[FEW]; /* octets and packets */
};

/* Is row r one? base_ms: where the first open slice begins, open: ms that are open. */
static inline bool few_is(const struct block *b, uint32_t r, int64_t base_ms,
			  uint64_t open)
{
	uint64_t start = (uint64_t)(b->start_ms[r] - base_ms);
	uint64_t end = (uint64_t)(b->end_ms[r] - base_ms);

	return !((end - start > FEW_MS) | (start >= open) | (end > open) |
		 ((b->bytes[r] | b->packets[r]) >> 32 != 0));
}

/* Octets and packets up to `left` ms (below zero) before the end, or, when it is not
 * below zero, all of them; which it is cannot be foretold either. */
static inline few_whole few_up_to(few_real rate, few_real left, few_real all)
{
	few_real before = (few_real)((few_whole)left & (left < (few_real){ 0, 0 }));

	return (few_whole)(rate * before + all + (few_real){ FEW_BIG, FEW_BIG });
}

static inline struct few few_of(const struct block *b, uint32_t r, int64_t base_ms)
{
	const few_real step = { SLICE_MS, SLICE_MS }, none = { 0, 0 };
	uint32_t start = (uint32_t)(b->start_ms[r] - base_ms);
	uint32_t end = (uint32_t)(b->end_ms[r] - base_ms);
	uint32_t at = start / SLICE_MS, n = (end - (end > start)) / SLICE_MS - at + 1;
	double ms = (int32_t)(end - start + (end == start));
	double more = (int32_t)((at + 1) * SLICE_MS - start) - ms;
	few_real all = { (double)(int64_t)b->bytes[r], (double)(int64_t)b->packets[r] };
	few_real rate = all / (few_real){ ms, ms }, left = { more, more };
	few_whole zero, one, two, three, four;

	all += (few_real){ FEW_OFF, FEW_OFF };
	zero = few_up_to(none, none, (few_real){ FEW_OFF, FEW_OFF });
	one = few_up_to(rate, left, all);
	two = few_up_to(rate, left + step, all);
	three = few_up_to(rate, left + step + step, all);
	four = few_up_to(none, none, all);
	return (struct few){ at, n, { one - zero, two - one, three - two, four - three } };
}

#endif
