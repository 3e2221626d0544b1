/* test_hours.c - when a maintenance window is open, also when the clock is changed.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "rules/hours.h"

#include <stdio.h>
#include <string.h>

/* CET: clocks go from 02:00 to 03:00 on 2026-03-29, from 03:00 to 02:00 on 2026-10-25. */
static struct calendar *cet(void)
{
	struct err err = { "" };
	struct calendar *c = calendar_new("CET-1CEST,M3.5.0,M10.5.0/3", &err);

	assert_non_null(c);
	assert_true(calendar_add_holiday(c, "2026-12-25", &err));
	return c;
}

/* "2026-11-23 10:35" in that zone; the first of two. */
static int64_t at(const struct calendar *c, const char *text)
{
	int y, mo, d, h, mi;

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &y, &mo, &d, &h, &mi), 5);
	return calendar_unix(c, y, mo, d, h, mi, 0);
}

static void windows_open_and_close_by_the_wall_clock(void **state)
{
	static const struct {
		const char *hours, *when, *until; /* until NULL: closed */
	} rows[] = {
		{ "mon-fri 08:00-18:00", "2026-11-23 07:59", NULL },
		{ "mon-fri 08:00-18:00", "2026-11-23 08:00", "2026-11-23 18:00" },
		{ "mon-fri 08:00-18:00", "2026-11-23 18:00", NULL },
		{ "mon-fri 08:00-18:00", "2026-11-28 12:00", NULL },
		{ "Monday-Friday 8:00-18:00", "2026-11-24 12:00", "2026-11-24 18:00" },
		{ "weekdays 08:00-18:00", "2026-11-23 12:00", "2026-11-23 18:00" },
		{ "fri-mon 10:00-11:00", "2026-11-29 10:30", "2026-11-29 11:00" },
		{ "fri-mon 10:00-11:00", "2026-11-26 10:30", NULL },
		{ "sat,sun 22:00-02:00", "2026-11-28 23:00", "2026-11-29 02:00" },
		{ "sat,sun 22:00-02:00", "2026-11-30 01:59", "2026-11-30 02:00" },
		{ "sat,sun 22:00-02:00", "2026-11-30 02:00", NULL },
		{ "sat,sun 22:00-02:00", "2026-11-28 01:00", NULL },
		{ "22:00-02:00", "2026-11-24 01:00", "2026-11-24 02:00" },
		{ "daily 03:00-04:30", "2026-11-24 04:29", "2026-11-24 04:30" },
		{ "mon 08:00-12:00 13:00-17:00, tue 09:00-10:00", "2026-11-23 13:30",
		  "2026-11-23 17:00" },
		{ "mon 08:00-12:00 13:00-17:00, tue 09:00-10:00", "2026-11-23 12:30", NULL },
		{ "mon 08:00-12:00 13:00-17:00, tue 09:00-10:00", "2026-11-24 09:30",
		  "2026-11-24 10:00" },
		{ "sat, sun", "2026-11-28 00:00", "2026-11-30 00:00" }, /* one after the other */
		{ "weekend", "2026-11-27 23:59", NULL },
		{ "mon 20:00-24:00, tue 00:00-06:00", "2026-11-23 21:00", "2026-11-24 06:00" },
		{ "2nd-tue 20:00-23:00", "2026-11-10 21:00", "2026-11-10 23:00" },
		{ "2nd-tue 20:00-23:00", "2026-11-17 21:00", NULL },
		{ "last-sun 01:00-02:00", "2026-11-29 01:30", "2026-11-29 02:00" },
		{ "last-sun 01:00-02:00", "2026-11-22 01:30", NULL },
		{ "1st 00:00-06:00", "2026-12-01 05:00", "2026-12-01 06:00" },
		{ "last 12:00-13:00", "2028-02-29 12:10", "2028-02-29 13:00" },
		{ "last 12:00-13:00", "2028-02-28 12:10", NULL },
		{ "2026-12-24 .. 2027-01-02", "2026-12-31 12:00", "2027-01-03 00:00" },
		{ "2026-12-24 .. 2027-01-02", "2027-01-03 00:00", NULL },
		{ "2026-12-24 18:00-23:00", "2026-12-24 19:00", "2026-12-24 23:00" },
		{ "holidays", "2026-12-25 10:00", "2026-12-26 00:00" },
		{ "holidays", "2026-12-24 10:00", NULL },
		{ "weekdays 9:00-17:00 except holidays", "2026-12-25 10:00", NULL },
		{ "weekdays 9:00-17:00 except holidays", "2026-12-24 10:00", "2026-12-24 17:00" },
		/* The night in which 02:00 to 03:00 is skipped, and the one that has it twice. */
		{ "sun 01:00-04:00", "2026-03-29 01:30", "2026-03-29 04:00" },
		{ "sun 02:30-03:30", "2026-03-29 03:15", NULL }, /* 02:30 was at 03:30 */
		{ "sun 01:00-04:00", "2026-10-25 02:30", "2026-10-25 04:00" },
		{ "sat 22:00-02:30", "2026-10-25 02:15", "2026-10-25 02:30" },
	};
	struct calendar *c = cet();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct hours *h = hours_parse(rows[i].hours, &err);
		int64_t until = 0;
		bool open;

		if (!h)
			fail_msg("%s: %s", rows[i].hours, err.msg);
		open = hours_at(h, c, at(c, rows[i].when), &until);
		if (open != !!rows[i].until || (open && until != at(c, rows[i].until)))
			fail_msg("%s at %s: %s, until %lld", rows[i].hours, rows[i].when,
				 open ? "open" : "closed", (long long)until);
		hours_free(&h);
	}
	calendar_free(&c);
}

static void a_window_is_as_long_as_the_night_makes_it(void **state)
{
	static const struct {
		const char *day;
		int hours;
	} rows[] = { { "2026-03-29", 2 }, { "2026-10-25", 4 }, { "2026-11-01", 3 } };
	struct calendar *c = cet();
	struct hours *h = hours_parse("sun 01:00-04:00", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char from[32];
		int64_t start;
		int minutes = 0;

		snprintf(from, sizeof(from), "%s 00:00", rows[i].day);
		start = at(c, from);
		for (int m = 0; m < 8 * 60; m++)
			minutes += hours_at(h, c, start + m * 60, NULL);
		assert_int_equal(minutes, rows[i].hours * 60);
	}
	hours_free(&h);
	calendar_free(&c);
}

static void what_is_no_time_is_told(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ "", "it is empty" },
		{ "sometimes", "\"sometimes\" is neither days nor times" },
		{ "mon-fry 08:00-18:00", "\"mon-fry\" is neither" },
		{ "mon 08:00-25:00", "\"08:00-25:00\" is neither" },
		{ "mon 08:00-16666666666666666668:00", "is neither" },
		{ "mon 08:00-08:00", "\"08:00-08:00\" is neither" },
		{ "mon 8-18", "\"8-18\" is neither" },
		{ "6th-mon", "\"6th-mon\" is neither" },
		{ "2026-02-30", "\"2026-02-30\" is neither" },
		{ "2026-12-24 .. mon", "\"..\" stands between two dates" },
		{ "2026-12-24 .. 2026-12-01", "\"..\" stands between two dates" },
		{ ".. 2026-12-01", "\"..\" stands between two dates" },
		{ "except holidays", "except holidays stands behind" },
		{ "mon except tue", "except is followed by holidays" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct hours *h = hours_parse(rows[i].text, &err);

		if (h || !strstr(err.msg, rows[i].expect))
			fail_msg("%s: %s", rows[i].text, h ? "is taken" : err.msg);
	}
}

static void nothing_means_always(void **state)
{
	struct calendar *c = cet();
	int64_t until;

	(void)state;
	assert_true(hours_at(NULL, c, 1795430100, &until));
	assert_true(until == INT64_MAX);
	calendar_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_open_and_close_by_the_wall_clock),
		cmocka_unit_test(a_window_is_as_long_as_the_night_makes_it),
		cmocka_unit_test(what_is_no_time_is_told),
		cmocka_unit_test(nothing_means_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
