/* clock.c - the only reader of time.
 * SPDX-License-Identifier: ISC
 *
 * A clock that was set is counted from the monotonic clock, so a replay does
 * not notice when the machine's wall clock steps.
 */
#include "daemon/base/clock.h"

#include <stdbool.h>
#include <time.h>

/* Written once before threads, read by all after. */
static struct {
	bool set;
	int64_t start_ms;
	uint64_t from_ns;
	double speed;
} own;

uint64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t clock_mono_ms(void)
{
	return (int64_t)(clock_mono_ns() / 1000000u);
}

int64_t clock_wall_ms(void)
{
	struct timespec t;

	if (own.set)
		return own.start_ms +
		       (int64_t)((double)(clock_mono_ns() - own.from_ns) / 1e6 * own.speed);
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_set(int64_t start_ms, double speed)
{
	own.set = true;
	own.start_ms = start_ms;
	own.from_ns = clock_mono_ns();
	own.speed = speed;
}
