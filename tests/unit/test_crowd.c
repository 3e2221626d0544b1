/* test_crowd.c - who of many hosts has a baseline: the heavy, not the first.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <string.h>

#include "daemon/base/mem.h"
#include "rules/crowd.h"

enum { SEATS = 4 };

static struct key host(uint32_t n)
{
	struct key k = { .b = { 0 } };

	memcpy(k.b, &n, sizeof(n));
	return k;
}

static bool nobody(void *arg, const struct key *k)
{
	(void)arg;
	(void)k;
	return false;
}

static bool the_second(void *arg, const struct key *k)
{
	struct key second = host(2);

	(void)arg;
	return !memcmp(k, &second, sizeof(second));
}

/* Hosts 1 .. n send that much in a slice; then a bin is over. How many seats changed. */
static unsigned bin(struct crowd *c, unsigned n, const double *sent,
		    bool (*stays)(void *, const struct key *), int64_t slice)
{
	struct key out;
	unsigned swaps = 0;

	for (unsigned i = 0; i < n; i++) {
		struct key k = host(i + 1);

		if (crowd_due(c, &k, slice))
			crowd_add(c, &k, slice, sent[i]);
		assert_false(crowd_due(c, &k, slice));
	}
	crowd_turn(c);
	while (crowd_swap(c, stays, NULL, &out)) {
		assert_false(crowd_seated(c, &out));
		swaps++;
	}
	return swaps;
}

static void the_heavy_take_the_seats_of_the_light(void **unused)
{
	static const struct {
		const char *what;
		double sent[6];
		bool (*stays)(void *, const struct key *);
		unsigned swaps;
		const char *seated; /* hosts 1 .. 6 */
	} rows[] = {
		{ "room for all", { 1, 1, 1, 1 }, nobody, 0, "yyyy--" },
		{ "one is heavier", { 5, 5, 1, 5, 9 }, nobody, 1, "yy-yy-" },
		{ "two are heavier", { 1, 5, 2, 5, 9, 9 }, nobody, 2, "-y-yyy" },
		{ "heavier, but not twice", { 5, 5, 5, 5, 9, 9 }, nobody, 0, "yyyy--" },
		{ "one has an alert", { 9, 1, 9, 9, 8, 0 }, the_second, 0, "yyyy--" },
		{ "the next light one goes", { 3, 1, 9, 9, 8, 0 }, the_second, 1, "-yyyy-" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crowd *c = crowd_new(BY_HOST, SEATS);

		assert_int_equal(bin(c, 6, rows[i].sent, rows[i].stays, 1), rows[i].swaps);
		for (uint32_t k = 1; k <= 6; k++) {
			struct key key = host(k);

			if (crowd_seated(c, &key) != (rows[i].seated[k - 1] == 'y'))
				fail_msg("%s: host %u", rows[i].what, k);
		}
		/* The same again changes nothing. */
		assert_int_equal(bin(c, 6, rows[i].sent, rows[i].stays, 2), 0);
		crowd_free(&c);
	}
}

static void who_comes_back_is_safe_for_a_day(void **unused)
{
	static const double sent[] = { 0, 5, 5, 5, 50, 50 };
	struct crowd *c = crowd_new(BY_HOST, SEATS);
	struct key first = host(1), late = host(77), heavy;
	int bins = 1;

	(void)unused;
	for (uint32_t k = 1; k <= SEATS; k++) {
		struct key key = host(k);

		assert_true(crowd_seat(c, &key));
	}
	assert_false(crowd_seat(c, &late));
	for (; crowd_seated(c, &first) && bins < 400; bins++)
		bin(c, 6, sent, nobody, bins);
	assert_in_range(bins, 287, 290);
	heavy = host(5);
	assert_true(crowd_seated(c, &heavy));
	crowd_leave(c, &heavy);
	assert_true(crowd_seat(c, &late));
	crowd_free(&c);
}

/* Fifty heavy hosts, some of whom come late, in a flood of sources seen once. */
static void a_flood_of_sources_moves_nobody(void **unused)
{
	enum { MANY = 64, HEAVY = 50, FLOOD = 5000 };
	struct crowd *c = crowd_new(BY_HOST, MANY);
	uint32_t stranger = 1000;

	(void)unused;
	for (int slice = 1; slice <= 30; slice++) {
		struct key k, out;

		for (uint32_t i = 0; i < FLOOD; i++) {
			k = host(stranger++);
			crowd_add(c, &k, slice, 60);
			if (i % 100)
				continue;
			k = host(1 + i / 100);
			if (crowd_due(c, &k, slice) && (i / 100 < 40 || slice > 10))
				crowd_add(c, &k, slice, 300000);
		}
		if (slice % 5)
			continue;
		crowd_turn(c);
		while (crowd_swap(c, nobody, NULL, &out))
			;
	}
	for (uint32_t i = 1; i <= HEAVY; i++) {
		struct key k = host(i);

		assert_true(crowd_seated(c, &k));
	}
	crowd_free(&c);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(the_heavy_take_the_seats_of_the_light),
		cmocka_unit_test(who_comes_back_is_safe_for_a_day),
		cmocka_unit_test(a_flood_of_sources_moves_nobody),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
