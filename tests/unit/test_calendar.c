/* test_calendar.c - wall-clock time, both changes of the clock, holidays.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/model/calendar.h"

enum { MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY };

/* Asked with the zone's file and again with a POSIX rule of the same zone. */
static const struct {
	const char *zone;
	int64_t at_s;
	int year, month, day, weekday, hour, minute;
	int32_t off_s;
} rows[] = {
	{ "UTC", 0, 1970, 1, 1, THURSDAY, 0, 0, 0 },
	{ "UTC", -1, 1969, 12, 31, WEDNESDAY, 23, 59, 0 },
	{ "UTC", 1709164800, 2024, 2, 29, THURSDAY, 0, 0, 0 },
	/* 2026-03-29 01:00 UTC: Amsterdam goes from 02:00 to 03:00 */
	{ "Europe/Amsterdam", 1774745999, 2026, 3, 29, SUNDAY, 1, 59, 3600 },
	{ "Europe/Amsterdam", 1774746000, 2026, 3, 29, SUNDAY, 3, 0, 7200 },
	/* 2026-10-25 01:00 UTC: from 03:00 back to 02:00 */
	{ "Europe/Amsterdam", 1792889999, 2026, 10, 25, SUNDAY, 2, 59, 7200 },
	{ "Europe/Amsterdam", 1792890000, 2026, 10, 25, SUNDAY, 2, 0, 3600 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, 2026, 3, 29, SUNDAY, 1, 59, 3600 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 2026, 3, 29, SUNDAY, 3, 0, 7200 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 2026, 10, 25, SUNDAY, 2, 0, 3600 },
	/* 2026-03-08 07:00 UTC and 2026-11-01 06:00 UTC in New York */
	{ "America/New_York", 1772953199, 2026, 3, 8, SUNDAY, 1, 59, -18000 },
	{ "America/New_York", 1772953200, 2026, 3, 8, SUNDAY, 3, 0, -14400 },
	{ "America/New_York", 1793512799, 2026, 11, 1, SUNDAY, 1, 59, -14400 },
	{ "America/New_York", 1793512800, 2026, 11, 1, SUNDAY, 1, 0, -18000 },
	{ "EST5EDT,M3.2.0,M11.1.0", 1772953200, 2026, 3, 8, SUNDAY, 3, 0, -14400 },
	{ "EST5EDT,M3.2.0,M11.1.0", 1793512800, 2026, 11, 1, SUNDAY, 1, 0, -18000 },
	/* past the file's list of changes the rule at its end counts */
	{ "Europe/Amsterdam", 4118083200, 2100, 7, 1, THURSDAY, 2, 0, 7200 },
	{ "Asia/Kathmandu", 1774746000, 2026, 3, 29, SUNDAY, 6, 45, 20700 },
	/* south of the equator summer time spans the new year */
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1767225600, 2026, 1, 1, THURSDAY, 11, 0,
	  39600 },
	{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1782864000, 2026, 7, 1, WEDNESDAY, 10, 0,
	  36000 },
	{ "<+0330>-3:30", 0, 1970, 1, 1, THURSDAY, 3, 30, 12600 },
	{ "XXX0YYY,J60/0,J300/0", 1772323200, 2026, 3, 1, SUNDAY, 1, 0, 3600 },
};

static void a_unix_time_is_the_right_wall_clock_time(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;
		struct calendar *c = calendar_new(rows[i].zone, &e);
		struct local_time t;

		assert_non_null(c);
		calendar_at(c, rows[i].at_s, &t);
		assert_int_equal(t.year, rows[i].year);
		assert_int_equal(t.month, rows[i].month);
		assert_int_equal(t.day, rows[i].day);
		assert_int_equal(t.weekday, rows[i].weekday);
		assert_int_equal(t.hour, rows[i].hour);
		assert_int_equal(t.minute, rows[i].minute);
		assert_int_equal(t.utc_off_s, rows[i].off_s);
		assert_int_equal(t.slot, t.weekday * 288 + t.hour * 12 + t.minute / 5);
		calendar_free(&c);
	}
}

static void a_day_of_a_clock_change_has_23_or_25_hours_of_slots(void **unused)
{
	static const struct {
		const char *zone;
		int64_t midnight_s;
		int hours;
	} day[] = {
		{ "Europe/Amsterdam", 1774738800, 23 },
		{ "Europe/Amsterdam", 1792879200, 25 },
		{ "America/New_York", 1772946000, 23 },
		{ "America/New_York", 1793505600, 25 },
		{ "Europe/Amsterdam", 1774652400, 24 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(day); i++) {
		struct calendar *c = calendar_new(day[i].zone, NULL);
		struct local_time t;
		int bins = 0;

		assert_non_null(c);
		assert_int_equal(calendar_midnight(c, day[i].midnight_s + 40000),
				 day[i].midnight_s);
		calendar_at(c, day[i].midnight_s, &t);
		for (int weekday = t.weekday; t.weekday == weekday; bins++)
			calendar_at(c, day[i].midnight_s + 300 * (bins + 1), &t);
		assert_int_equal(bins, day[i].hours * 12);
		assert_int_equal(t.hour, 0);
		calendar_free(&c);
	}
}

static void a_wall_clock_time_is_the_right_unix_time(void **unused)
{
	static const struct {
		int month, day, hour, minute;
		int64_t at_s;
	} row[] = {
		{ 11, 23, 10, 35, 1795426500 }, /* winter */
		{ 7, 1, 12, 0, 1782900000 },    /* summer */
		{ 3, 29, 2, 30, 1774747800 },   /* skipped: 03:30 summer time */
		{ 10, 25, 2, 30, 1792888200 },  /* twice: the first */
		{ 10, 25, 3, 0, 1792893600 },
	};
	struct calendar *c = calendar_new("Europe/Amsterdam", NULL);

	(void)unused;
	assert_non_null(c);
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		assert_int_equal(calendar_unix(c, 2026, row[i].month, row[i].day,
					       row[i].hour, row[i].minute, 0),
				 row[i].at_s);
	calendar_free(&c);
}

static void a_holiday_is_a_day_of_rest_from_local_midnight_to_midnight(void **unused)
{
	struct calendar *c = calendar_new("Europe/Amsterdam", NULL);
	struct local_time t;
	struct err e;

	(void)unused;
	assert_non_null(c);
	assert_true(calendar_add_holiday(c, "2026-12-25", &e)); /* a Friday */
	assert_true(calendar_add_holiday(c, "2026-04-27", &e));
	assert_true(calendar_add_holiday(c, "2026-12-25", &e));
	calendar_at(c, 1798153199, &t); /* Thursday 23:59:59 */
	assert_false(t.rest);
	calendar_at(c, 1798153200, &t);
	assert_true(t.rest && t.holiday);
	assert_int_equal(t.weekday, FRIDAY);
	calendar_at(c, 1798239599, &t);
	assert_true(t.rest && t.holiday);
	calendar_at(c, 1798239600, &t); /* Saturday */
	assert_true(t.rest && !t.holiday);
	calendar_free(&c);
}

static void a_list_of_holidays_is_read_and_its_errors_name_the_line(void **unused)
{
	char path[] = "/tmp/test_calendar_XXXXXX";
	struct calendar *c = calendar_new("UTC", NULL);
	struct local_time t;
	struct err e;
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "# ours\n\n2026-11-23\n  2026-11-24 # two\r\n") > 0);
	assert_true(calendar_load_holidays(c, path, &e));
	calendar_at(c, 1795392000, &t);
	assert_true(t.holiday);
	calendar_at(c, 1795392000 + 86400, &t);
	assert_true(t.holiday);
	calendar_at(c, 1795392000 + 2 * 86400, &t);
	assert_false(t.holiday);
	assert_true(dprintf(fd, "2026-06-31\n") > 0);
	assert_false(calendar_load_holidays(c, path, &e));
	assert_non_null(strstr(e.msg, ":5: \"2026-06-31\" is not a date"));
	assert_false(calendar_load_holidays(c, "/nonexistent/list", &e));
	assert_non_null(strstr(e.msg, "/nonexistent/list"));
	close(fd);
	unlink(path);
	calendar_free(&c);
}

static void a_zone_that_is_not_known_is_refused_with_a_sentence(void **unused)
{
	static const char *const bad[] = { "", "Europe/Nowhere", "../../etc/passwd",
					   "/etc/passwd", "CET", "CET-1CEST,M3.5",
					   "CET-1CEST,M13.1.0,M10.5.0", "X-1", "CET-999",
					   "CET-1CEST,M3.5.0,M10.5.0/3 " };
	struct err e;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct calendar *c;

		e.msg[0] = '\0';
		c = calendar_new(bad[i], &e);
		if (!strcmp(bad[i], "CET")) { /* a file of that name may be there */
			calendar_free(&c);
			continue;
		}
		assert_null(c);
		assert_true(*e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(a_unix_time_is_the_right_wall_clock_time),
		cmocka_unit_test(a_day_of_a_clock_change_has_23_or_25_hours_of_slots),
		cmocka_unit_test(a_wall_clock_time_is_the_right_unix_time),
		cmocka_unit_test(
		    a_holiday_is_a_day_of_rest_from_local_midnight_to_midnight),
		cmocka_unit_test(a_list_of_holidays_is_read_and_its_errors_name_the_line),
		cmocka_unit_test(a_zone_that_is_not_known_is_refused_with_a_sentence),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
