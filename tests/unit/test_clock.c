/* test_clock.c - the machine's time, then one of our own.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <time.h>

#include "daemon/base/clock.h"

static void it_is_the_machines_time_at_first(void **unused)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = clock_wall_ms();

	(void)unused;
	assert_true(now >= before && now < before + 60000);
	assert_true(clock_mono_ms() <= (int64_t)(clock_mono_ns() / 1000000u));
}

static void a_set_clock_starts_there_and_runs_faster(void **unused)
{
	uint64_t began = clock_mono_ns(), ended;
	int64_t at;

	(void)unused;
	clock_set(1000000, 1000);
	assert_true(clock_wall_ms() >= 1000000);
	while (clock_mono_ns() - began < 3000000)
		;
	at = clock_wall_ms();
	ended = clock_mono_ns();
	assert_true(at > 1000000 + 2000);
	assert_true(at <= 1000000 + (int64_t)((ended - began) / 1000) + 1);
	clock_set(5, 0); /* a clock that stands still */
	assert_int_equal(clock_wall_ms(), 5);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(it_is_the_machines_time_at_first),
		cmocka_unit_test(a_set_clock_starts_there_and_runs_faster),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
