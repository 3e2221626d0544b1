/* test_meters.c - differences of interface counters, and their bins.
 * SPDX-License-Identifier: ISC
 */
#include "tests/unit/test.h"

#include "daemon/base/mem.h"
#include "daemon/meters.h"

#include <string.h>

#define T0 INT64_C(1700000100000) /* a bin begins */

struct got {
	uint64_t octets[2][2], packets[2][2]; /* by direction, by bin: T0's, the next */
	uint32_t covered[2][2];
	unsigned n;
};

static void add(void *arg, const struct key *k, const struct bin *b)
{
	struct got *s = arg;
	unsigned bin = b->start_s > T0 / 1000, out = k->b[8];

	s->octets[out][bin] += b->bytes;
	s->packets[out][bin] += b->packets;
	s->covered[out][bin] |= b->covered;
	s->n++;
}

static void take(struct meters *m, uint32_t index, int64_t at_ms, uint64_t in,
		 uint64_t out)
{
	const struct if_counters c = { .exporter = 3, .index = index, .at_ms = at_ms,
				       .speed_bps = 1000000000, .in_octets = in,
				       .out_octets = out, .in_packets = in / 100,
				       .out_packets = UINT64_MAX };

	meters_take(m, &c);
}

static void a_difference_is_spread_over_the_time_between_two_samples(void **state)
{
	struct meters *m = meters_new();
	struct got s = { 0 };

	(void)state;
	take(m, 7, T0 + 270000, 1000000, 5);
	take(m, 7, T0 + 330000, 1600001, 5); /* half of a minute in each bin */
	meters_bins(m, T0 + 290000, false, add, &s);
	assert_int_equal(s.n, 0); /* nothing is over yet */
	meters_bins(m, T0 + 330000, false, add, &s);
	assert_int_equal(s.octets[0][0], 300000);
	assert_int_equal(s.octets[0][1], 300001); /* to the octet */
	assert_int_equal(s.packets[0][0] + s.packets[0][1], 6000);
	assert_int_equal(s.covered[0][0], 7u << 27);
	assert_int_equal(s.covered[0][1], 7);
	assert_int_equal(s.octets[1][0] + s.octets[1][1], 0);
	meters_bins(m, T0 + 900000, true, add, &s);
	assert_int_equal(s.n, 2); /* given once */
	meters_free(&m);
}

/* What a sample adds after one of 1,000,000 octets twenty seconds before. */
static void totals_that_cannot_be_are_a_new_beginning(void **state)
{
	static const struct { const char *name; uint64_t in; int64_t ms; uint64_t adds; } t[] = {
		{ "as usual", 1500000, 20000, 500000 },
		{ "it fell: a restart, not 2^64", 400, 20000, 0 },
		{ "more than the line carries", 1000000 + UINT64_C(5000000000), 20000, 0 },
		{ "all that it carries", 1000000 + UINT64_C(2500000000), 20000, 2500000000 },
		{ "not told", UINT64_MAX, 20000, 0 },
		{ "after two hours", 1500000, 7200000, 0 },
		{ "read at the same moment", 1500000, 0, 500000 },
		{ "older than the one before", 1500000, -20000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct meters *m = meters_new();
		struct got s = { 0 };

		take(m, 7, T0, 1000000, 0);
		take(m, 7, T0 + t[i].ms, t[i].in, 0);
		meters_bins(m, T0 + 60000, true, add, &s);
		if (s.octets[0][0] != t[i].adds)
			fail_msg("%s: %llu", t[i].name, (unsigned long long)s.octets[0][0]);
		s = (struct got){ 0 };
		if (t[i].ms == 20000 && t[i].in != UINT64_MAX) { /* and it goes on from there */
			take(m, 7, T0 + 40000, t[i].in + 77, 0);
			meters_bins(m, T0 + 60000, true, add, &s);
			assert_int_equal(s.octets[0][0], 77);
		}
		meters_free(&m);
	}
}

static void an_exporter_has_so_many_interfaces_and_no_more(void **state)
{
	struct meters *m = meters_new();
	struct got s = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 1; i <= 5000; i++)
			take(m, i, T0 + round * 20000, 1000 * (uint64_t)round, 0);
	meters_bins(m, T0 + 400000, true, add, &s);
	assert_int_equal(s.n, 1024);
	/* An hour after they fell silent others have their places. */
	meters_bins(m, T0 + 4000000, true, add, &s);
	for (int round = 0; round < 2; round++)
		take(m, 6000, T0 + 200000 + round * 20000, 1000 * (uint64_t)round, 0);
	meters_bins(m, T0 + 4000000, true, add, &s);
	assert_int_equal(s.n, 1025);
	meters_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_difference_is_spread_over_the_time_between_two_samples),
		cmocka_unit_test(totals_that_cannot_be_are_a_new_beginning),
		cmocka_unit_test(an_exporter_has_so_many_interfaces_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
