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

/* Slices that share `slice` of a time before FIRST: more than a day back it is an hour. */
static int64_t old_slices(int64_t slice)
{
	int64_t fine = (FIRST - DAY_SLICES) / HOUR_SLICES * HOUR_SLICES;

	return slice < fine ? HOUR_SLICES : BIN_SLICES;
}

/* Every share is the difference of what share_upto() says at its two ends; a row of which
 * the oldest were left out begins where its first one does. */
static void check_row(const struct shares *s, const struct block *b, uint32_t r, bool whole)
{
	int64_t start = b->start_ms[r], end = b->end_ms[r], at = start;
	uint64_t bytes = 0, packets = 0;
	uint32_t flows = 0;

	assert_true(s->from[r] < s->from[r + 1]);
	if (!whole && start < s->at[s->from[r]].slice * (int64_t)SLICE_MS) {
		at = s->at[s->from[r]].slice * (int64_t)SLICE_MS;
		bytes = share_upto(b->bytes[r], start, end, at);
		packets = share_upto(b->packets[r], start, end, at);
	}
	for (uint32_t i = s->from[r]; i < s->from[r + 1]; i++) {
		const struct share *sh = &s->at[i];
		bool old = sh->kind != SHARE_OPEN;
		int64_t n = old ? old_slices(slice_of(at)) : 1;
		int64_t next = (sh->slice + n) * (int64_t)SLICE_MS;

		assert_int_equal(old, slice_of(at) < FIRST);
		assert_int_equal(sh->kind == SHARE_OLD_HOUR, n == HOUR_SLICES);
		assert_int_equal(sh->slice, slice_of(at) / n * n);
		if (old && next > FIRST * (int64_t)SLICE_MS)
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
	for (int round = 0; round < 1600; round++) {
		s.old_left = 1 << 18; /* what is left out has a test of its own */
		b->n = 64;
		for (uint32_t r = 0; r < b->n; r++) {
			b->end_ms[r] = (FIRST - 300 + (int64_t)(rnd() % 720)) * SLICE_MS +
				       (rnd() % 4 ? (int64_t)(rnd() % SLICE_MS) : 0);
			b->start_ms[r] = b->end_ms[r] - (int64_t)any(r ? 22 : 31);
			b->bytes[r] = any(bits[rnd() % ARRAY_LEN(bits)]);
			b->packets[r] = any(bits[rnd() % ARRAY_LEN(bits)]);
			b->flows[r] = (uint32_t)any(3);
		}
		shares_of(&s, b, FIRST, LAST, true);
		assert_int_equal(s.cut, 0);
		for (uint32_t r = 0; r < b->n; r++)
			check_row(&s, b, r, true);
	}
	shares_fini(&s);
	block_unref(&b);
}

static const int64_t DAYS31 = 31ll * DAY_SLICES * SLICE_MS;

static void a_flow_of_31_days_is_kept_by_hours_and_its_last_day_by_bins(void **unused)
{
	struct block *b = block_new(NULL);
	struct shares s;
	unsigned hours = 0, bins = 0;

	(void)unused;
	shares_init(&s);
	b->n = 1;
	b->end_ms[0] = (LAST - 7) * (int64_t)SLICE_MS + 1234;
	b->start_ms[0] = b->end_ms[0] - DAYS31;
	b->bytes[0] = UINT64_C(123456789012345);
	b->packets[0] = 77777777;
	shares_of(&s, b, FIRST, LAST, true);
	assert_int_equal(s.cut, 0);
	check_row(&s, b, 0, true);
	for (uint32_t i = s.from[0]; i < s.from[1]; i++) {
		hours += s.at[i].kind == SHARE_OLD_HOUR;
		bins += s.at[i].kind == SHARE_OLD_BIN;
	}
	assert_in_range(hours, 30 * 24 - 2, 30 * 24);
	assert_in_range(bins, 24 * 12, 25 * 12);
	shares_fini(&s);
	block_unref(&b);
}

/* A thousand such records in one datagram's time: rows on disk are earned, the newest parts
 * first, and what is within some bins of now is everybody's. */
static void old_shares_are_earned_and_the_oldest_left_out(void **unused)
{
	struct block *b = block_new(NULL);
	struct shares s;
	uint64_t old = 0;

	(void)unused;
	shares_init(&s);
	for (int round = 0; round < 10; round++) {
		b->n = 1000;
		for (uint32_t r = 0; r < b->n; r++) {
			b->end_ms[r] = FIRST * (int64_t)SLICE_MS + 5000;
			b->start_ms[r] = b->end_ms[r] - DAYS31 + r * 7919;
			b->bytes[r] = b->packets[r] = 1u << 31;
		}
		shares_of(&s, b, FIRST, LAST, true);
		for (uint32_t r = 0; r < b->n; r++)
			check_row(&s, b, r, false);
		for (uint32_t i = 0; i < s.from[b->n]; i++)
			old += s.at[i].kind != SHARE_OPEN;
	}
	assert_in_range(old, 10000, (1 << 18) + 10 * 1000 * 6);
	assert_in_range(s.cut, UINT64_C(10000000) - old - 200000, UINT64_C(10300000) - old);
	/* Of flows that are some minutes late nothing is lost, whoever else sends. */
	for (uint32_t r = 0; r < b->n; r++)
		b->start_ms[r] = b->end_ms[r] - 2 * BIN_MS - 5000;
	s.cut = s.old_left = 0;
	shares_of(&s, b, FIRST, LAST, true);
	assert_int_equal(s.cut, 0);
	for (uint32_t r = 0; r < b->n; r++)
		check_row(&s, b, r, true);
	shares_fini(&s);
	block_unref(&b);
}

/* Softflowd tells all it has when it ends, and routers tell long flows each half hour. */
static void honest_exporters_lose_nothing(void **unused)
{
	struct block *b = block_new(NULL);
	struct shares s;

	(void)unused;
	shares_init(&s);
	b->n = 960;
	for (uint32_t r = 0; r < b->n; r++) {
		b->end_ms[r] = (LAST - 7) * (int64_t)SLICE_MS + r;
		b->start_ms[r] = b->end_ms[r] - 22 * 3600000;
		b->bytes[r] = b->packets[r] = 4000000000;
	}
	shares_of(&s, b, FIRST, LAST, true);
	assert_int_equal(s.cut, 0);
	for (uint32_t r = 0; r < b->n; r++)
		b->start_ms[r] = b->end_ms[r] - 1800000;
	s.old_left = 0;
	for (int round = 0; round < 100; round++)
		shares_of(&s, b, FIRST, LAST, true);
	assert_int_equal(s.cut, 0);
	assert_true(s.cap > 100000);
	shares_done(&s); /* and begins anew */
	assert_int_equal(s.cap, 0);
	shares_of(&s, b, FIRST, LAST, true);
	for (uint32_t r = 0; r < b->n; r++)
		check_row(&s, b, r, true);
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
		check_row(&s, b, r, true);
	shares_fini(&s);
	block_unref(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_those_of_exact_arithmetic),
		cmocka_unit_test(a_flow_of_31_days_is_kept_by_hours_and_its_last_day_by_bins),
		cmocka_unit_test(old_shares_are_earned_and_the_oldest_left_out),
		cmocka_unit_test(honest_exporters_lose_nothing),
		cmocka_unit_test(what_is_one_short_of_a_whole_number_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
