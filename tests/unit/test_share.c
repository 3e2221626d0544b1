/* test_share.c - shares against the same cut with 128 bits.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/model/block.h"
#include "daemon/window/share.h"

enum { FIRST = 179546700, LAST = FIRST + 420 };

static uint64_t state = 88172645463325252;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Any number of bits is as likely as any other. */
static uint64_t any(unsigned bits)
{
	return rnd() >> (64 - 1 - rnd() % bits);
}

static int64_t bin_of(int64_t slice)
{
	return slice / BIN_SLICES * BIN_SLICES;
}

/* Every share is the difference of what share_upto() says at its two ends. */
static void check_row(const struct shares *s, const struct block *b, uint32_t r)
{
	int64_t start = b->start_ms[r], end = b->end_ms[r], at = start;
	uint64_t bytes = 0, packets = 0;
	uint32_t flows = 0;

	assert_true(s->from[r] < s->from[r + 1]);
	for (uint32_t i = s->from[r]; i < s->from[r + 1]; i++) {
		const struct share *sh = &s->at[i];
		int64_t next = (sh->old ? sh->slice + BIN_SLICES : sh->slice + 1) *
			       (int64_t)SLICE_MS;

		assert_int_equal(sh->old, slice_of(at) < FIRST);
		assert_int_equal(sh->slice, sh->old ? bin_of(slice_of(at)) : slice_of(at));
		if (sh->old && next > FIRST * (int64_t)SLICE_MS)
			next = FIRST * (int64_t)SLICE_MS;
		if (next > end || sh->slice == LAST)
			next = end;
		assert_int_equal(sh->bytes, share_upto(b->bytes[r], start, end, next) - bytes);
		assert_int_equal(sh->packets,
				 share_upto(b->packets[r], start, end, next) - packets);
		bytes += sh->bytes;
		packets += sh->packets;
		flows += sh->flows;
		at = next;
	}
	assert_int_equal(at, end);
	assert_int_equal(bytes, b->bytes[r]);
	assert_int_equal(packets, b->packets[r]);
	assert_int_equal(flows, b->flows[r] ? b->flows[r] : 1);
}

static void shares_are_those_of_exact_arithmetic(void **unused)
{
	static const unsigned bits[] = { 13, 16, 24, 32, 33, 50, 63 };
	struct block *b = block_new(NULL);
	struct shares s;

	(void)unused;
	shares_init(&s);
	for (int round = 0; round < 100; round++) {
		b->n = 1024;
		for (uint32_t r = 0; r < b->n; r++) {
			b->end_ms[r] = (FIRST - 300 + (int64_t)(rnd() % 720)) * SLICE_MS +
				       (rnd() % 4 ? (int64_t)(rnd() % SLICE_MS) : 0);
			b->start_ms[r] = b->end_ms[r] - (int64_t)any(r % 16 ? 22 : 31);
			b->bytes[r] = any(bits[rnd() % ARRAY_LEN(bits)]);
			b->packets[r] = any(bits[rnd() % ARRAY_LEN(bits)]);
			b->flows[r] = (uint32_t)any(3);
		}
		shares_of(&s, b, FIRST, LAST, true);
		assert_int_equal(s.cut, 0);
		for (uint32_t r = 0; r < b->n; r++)
			check_row(&s, b, r);
	}
	shares_fini(&s);
	block_unref(&b);
}

/* Quotients that are just below a whole number are where a rounded one would show. */
static void what_is_one_short_of_a_whole_number_is_cut_off(void **unused)
{
	static const struct { uint64_t bytes; int64_t lasted; } rows[] = {
		{ 3, 30000 }, { 4294967295, 10001 }, { 4294967291, 20011 }, { 1, 10001 },
		{ 4294967295, 3599999 }, { 429496729, 1048583 }, { 9007199254740991, 19997 },
		{ UINT64_MAX, 19997 }, { UINT64_MAX / 2, 3599999 }, { 2999999, 29999 },
		{ 4294967295, 29999 }, { 4294967295, 30000 }, { 4294967291, 29998 },
	};
	struct block *b = block_new(NULL);
	struct shares s;

	(void)unused;
	shares_init(&s);
	for (uint32_t r = 0; r < ARRAY_LEN(rows); r++, b->n++) {
		b->start_ms[r] = FIRST * (int64_t)SLICE_MS + r % 3;
		b->end_ms[r] = b->start_ms[r] + rows[r].lasted;
		b->bytes[r] = b->packets[r] = rows[r].bytes;
	}
	shares_of(&s, b, FIRST, LAST, true);
	for (uint32_t r = 0; r < b->n; r++)
		check_row(&s, b, r);
	shares_fini(&s);
	block_unref(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_those_of_exact_arithmetic),
		cmocka_unit_test(what_is_one_short_of_a_whole_number_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
