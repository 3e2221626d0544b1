/* test_cap.c - how many alerts of a rule are told.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <math.h>

#include "daemon/base/mem.h"
#include "rules/cap.h"

enum { HOUR_MS = 3600 * 1000, TRIES = 8 };

static void past_the_count_only_what_is_far_more_unusual_is_told(void **unused)
{
	static const struct {
		const char *what;
		double total; /* a week */
		struct {
			int hour;
			double score;
			bool told;
		} tries[TRIES];
	} rows[] = {
		{ "no cap", 0, { { 1, 1.1, true }, { 1, 1.1, true }, { 1, 1.1, true } } },
		{ "two a day", 14,
		  { { 1, 1.5, true }, { 2, 1.2, true }, { 3, 1.4, false }, { 4, 1.5, false } } },
		{ "the large one of the evening", 14,
		  { { 8, 1.1, true }, { 9, 1.2, true }, { 10, 1.15, false }, { 20, 9, true },
		    { 21, 8, false } } },
		{ "each must be larger still", 14,
		  { { 1, 1.1, true }, { 1, 1.2, true }, { 1, 1.7, false }, { 1, 1.9, true },
		    { 1, 2.8, false }, { 1, 2.9, true } } },
		{ "a day later there is room again", 14,
		  { { 1, 5, true }, { 2, 5, true }, { 24, 2, false }, { 25, 2, true },
		    { 26, 2, true }, { 27, 2, false } } },
		{ "one a week", 1,
		  { { 0, 1.5, true }, { 100, 1.4, false }, { 101, 2.3, true }, { 168, 1.1, false },
		    { 270, 1.1, true } } },
		{ "ten a week are one in seventeen hours", 10,
		  { { 0, 2, true }, { 16, 1.1, false }, { 17, 1.1, true } } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cap c = { .n = 0 };

		for (int k = 0; k < TRIES && rows[i].tries[k].score > 0; k++) {
			int64_t now_ms = (int64_t)rows[i].tries[k].hour * HOUR_MS;
			double score = rows[i].tries[k].score;
			bool told = cap_allows(&c, rows[i].total, score, now_ms);

			if (told != rows[i].tries[k].told)
				fail_msg("%s: number %d", rows[i].what, k);
			if (told)
				cap_tell(&c, rows[i].total, score, now_ms);
			else
				c.held++;
			assert_true(!told || !c.held);
		}
	}
}

static void a_flood_of_records_is_bounded(void **unused)
{
	struct cap c = { .n = 0 };

	(void)unused;
	for (int i = 0; i < 10 * CAP_TOLD; i++)
		if (cap_allows(&c, 14, pow(2, i / 10.0), i))
			cap_tell(&c, 14, pow(2, i / 10.0), i);
	assert_true(c.n == CAP_TOLD);
	assert_false(cap_allows(&c, 14, 2, 10 * CAP_TOLD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(past_the_count_only_what_is_far_more_unusual_is_told),
		cmocka_unit_test(a_flood_of_records_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
