/* test_when.c - times as a person says them, in tables.
 * SPDX-License-Identifier: ISC
 *
 * Now is Monday 23 November 2026, 14:07:30 in Amsterdam (winter, UTC+1), unless a row
 * says otherwise. In that zone the clock went forward on 29 March 2026 at 02:00 and
 * back on 25 October 2026 at 03:00.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/when.h"

static const char now_text[] = "2026-11-23T13:07:30.000Z";

static int64_t utc(const char *s)
{
	struct tm tm = { 0 };
	int ms = 0;

	assert_true(sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) >= 6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static struct calendar *amsterdam(void)
{
	struct err err = { "" };
	struct calendar *c = calendar_new("CET-1CEST,M3.5.0,M10.5.0/3", &err);

	assert_string_equal(err.msg, "");
	return c;
}

static void a_time_in_words_is_an_instant(void **state)
{
	static const struct {
		const char *said, *utc;
	} rows[] = {
		{ "now", "2026-11-23T13:07:30.000Z" },
		{ "NOW", "2026-11-23T13:07:30.000Z" },
		{ " now ", "2026-11-23T13:07:30.000Z" },
		{ "-2h", "2026-11-23T11:07:30.000Z" },
		{ "-1h30m", "2026-11-23T11:37:30.000Z" },
		{ "-7d", "2026-11-16T13:07:30.000Z" },
		{ "2h ago", "2026-11-23T11:07:30.000Z" },
		{ "2 hours ago", "2026-11-23T11:07:30.000Z" },
		{ "1 hour ago", "2026-11-23T12:07:30.000Z" },
		{ "10 min ago", "2026-11-23T12:57:30.000Z" },
		{ "90 Minutes ago", "2026-11-23T11:37:30.000Z" },
		{ "2 weeks ago", "2026-11-09T13:07:30.000Z" },
		{ "30s ago", "2026-11-23T13:07:00.000Z" },
		/* a time of day is the last one there was */
		{ "10:35", "2026-11-23T09:35:00.000Z" },
		{ "10:35:20", "2026-11-23T09:35:20.000Z" },
		{ "10:35:20.250", "2026-11-23T09:35:20.250Z" },
		{ "14:07", "2026-11-23T13:07:00.000Z" },
		{ "14:08", "2026-11-22T13:08:00.000Z" },
		{ "23:59", "2026-11-22T22:59:00.000Z" },
		{ "0:00", "2026-11-22T23:00:00.000Z" },
		{ "9am", "2026-11-23T08:00:00.000Z" },
		{ "9 am", "2026-11-23T08:00:00.000Z" },
		{ "9:30PM", "2026-11-22T20:30:00.000Z" },
		{ "12am", "2026-11-22T23:00:00.000Z" },
		{ "12pm", "2026-11-23T11:00:00.000Z" },
		{ "noon", "2026-11-23T11:00:00.000Z" },
		{ "midnight", "2026-11-22T23:00:00.000Z" },
		/* days */
		{ "today", "2026-11-22T23:00:00.000Z" },
		{ "today 10:35", "2026-11-23T09:35:00.000Z" },
		{ "yesterday", "2026-11-21T23:00:00.000Z" },
		{ "yesterday 10:35", "2026-11-22T09:35:00.000Z" },
		{ "Yesterday at 10:35", "2026-11-22T09:35:00.000Z" },
		{ "10:35 yesterday", "2026-11-22T09:35:00.000Z" },
		{ "yesterday noon", "2026-11-22T11:00:00.000Z" },
		{ "yesterday, 10:35", "2026-11-22T09:35:00.000Z" },
		/* a weekday is the last one that has begun */
		{ "monday", "2026-11-22T23:00:00.000Z" },
		{ "monday 9:00", "2026-11-23T08:00:00.000Z" },
		{ "monday 15:00", "2026-11-16T14:00:00.000Z" },
		{ "last monday", "2026-11-15T23:00:00.000Z" },
		{ "last monday 15:00", "2026-11-16T14:00:00.000Z" },
		{ "sunday", "2026-11-21T23:00:00.000Z" },
		{ "tue 10:35", "2026-11-17T09:35:00.000Z" },
		{ "Fri. 18:00", "2026-11-20T17:00:00.000Z" },
		{ "wednesday", "2026-11-17T23:00:00.000Z" },
		/* dates */
		{ "2026-11-20", "2026-11-19T23:00:00.000Z" },
		{ "2026-11-20 10:35", "2026-11-20T09:35:00.000Z" },
		{ "2026-11-20T10:35", "2026-11-20T09:35:00.000Z" },
		{ "2026-11-20_10:35", "2026-11-20T09:35:00.000Z" },
		{ "2026-07-01 10:35", "2026-07-01T08:35:00.000Z" },
		{ "2024-02-29", "2024-02-28T23:00:00.000Z" },
		{ "23 nov", "2026-11-22T23:00:00.000Z" },
		{ "23 nov 10:35", "2026-11-23T09:35:00.000Z" },
		{ "nov 20 10:35", "2026-11-20T09:35:00.000Z" },
		{ "24 december", "2025-12-23T23:00:00.000Z" },
		{ "1 March 2026 8:00", "2026-03-01T07:00:00.000Z" },
		/* zones */
		{ "2026-11-23T10:35:00Z", "2026-11-23T10:35:00.000Z" },
		{ "2026-11-23T10:35:00.123Z", "2026-11-23T10:35:00.123Z" },
		{ "2026-11-23T10:35:00+01:00", "2026-11-23T09:35:00.000Z" },
		{ "2026-11-23T10:35:00-0530", "2026-11-23T16:05:00.000Z" },
		{ "2026-11-23 10:35+02", "2026-11-23T08:35:00.000Z" },
		{ "2026-11-23 10:35 +02:00", "2026-11-23T08:35:00.000Z" },
		{ "2026-11-23 10:35 UTC", "2026-11-23T10:35:00.000Z" },
		{ "10:35Z", "2026-11-23T10:35:00.000Z" },
		{ "13:08Z", "2026-11-22T13:08:00.000Z" },
		/* Unix */
		{ "1795430100", "2026-11-23T10:35:00.000Z" },
		{ "@1795430100", "2026-11-23T10:35:00.000Z" },
		{ "1795430100250", "2026-11-23T10:35:00.250Z" },
		/* days on which the clock was put back or forward */
		{ "2026-03-29", "2026-03-28T23:00:00.000Z" },
		{ "2026-03-29 01:59", "2026-03-29T00:59:00.000Z" },
		{ "2026-03-29 03:00", "2026-03-29T01:00:00.000Z" },
		{ "2026-10-25 01:59", "2026-10-24T23:59:00.000Z" },
		{ "2026-10-25 03:00", "2026-10-25T02:00:00.000Z" },
		{ "2026-10-25 02:30 +02:00", "2026-10-25T00:30:00.000Z" },
		{ "2026-10-25 02:30 +01:00", "2026-10-25T01:30:00.000Z" },
	};
	struct calendar *cal = amsterdam();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct when w;
		char got[UNIT_TEXT];

		if (!when_parse(rows[i].said, cal, utc(now_text), &w, &err))
			fail_msg("\"%s\" was refused: %s", rows[i].said, err.msg);
		text_rfc3339(w.ms, got);
		if (strcmp(got, rows[i].utc) != 0)
			fail_msg("\"%s\" is %s, not %s", rows[i].said, rows[i].utc, got);
	}
	calendar_free(&cal);
}

static void what_is_no_time_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *said, *part; /* of the sentence */
	} rows[] = {
		{ "", "is not a time" },
		{ "soon", "is not a time" },
		{ "10", "hour or a day" },
		{ "10 yesterday", "hour or a day" },
		{ "25:00", "no time of day" },
		{ "10:60", "no time of day" },
		{ "10:5", "is not a time" },
		{ "10:355", "is not a time" },
		{ "13pm", "there is no 13 pm" },
		{ "2026-02-29", "there is no day 2026-02-29" },
		{ "2026-13-01", "there is no day" },
		{ "31 june", "there is no day" },
		{ "2026-11-2", "is not a time" },
		{ "20261123", "is not a time" },
		{ "11/12/2026", "behind / stands a length" },
		{ "10:35/5", "behind / stands a length" },
		{ "10:35/0s", "behind / stands a length" },
		{ "10:35/", "behind / stands a length" },
		{ "yesterday today", "is not a time" },
		{ "10:35 11:35", "is not a time" },
		{ "-2", "is not a time" },
		{ "2 moons ago", "could be an hour" },
		{ "+1h", "is not a time" },
		{ "2026-03-29 02:30", "put forward over 2:30" },
		{ "2026-10-25 02:30", "came twice" },
		{ "2026-10-25 02:30", "+02:00 for the first or +01:00 for the second" },
		{ "2026-11-23T10:35:00+99:00", "is not a time" },
		{ "mo", "is not a time" },
		{ "a b c d e f g h", "is not a time" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789"
		  "012345"
		  "67890",
		  "is not a time" },
	};
	struct calendar *cal = amsterdam();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct when w;

		if (when_parse(rows[i].said, cal, utc(now_text), &w, &err))
			fail_msg("\"%s\" was taken", rows[i].said);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("\"%s\": %s", rows[i].said, err.msg);
		assert_null(strchr(err.msg, '\n'));
	}
	calendar_free(&cal);
}

static void at_is_a_bin_a_day_or_the_length_told(void **state)
{
	static const struct {
		const char *said, *from, *to;
	} rows[] = {
		{ "10:35", "2026-11-23T09:35:00.000Z", "2026-11-23T09:40:00.000Z" },
		{ "10:37", "2026-11-23T09:35:00.000Z", "2026-11-23T09:40:00.000Z" },
		{ "10:39:59", "2026-11-23T09:35:00.000Z", "2026-11-23T09:40:00.000Z" },
		{ "yesterday 10:35", "2026-11-22T09:35:00.000Z",
		  "2026-11-22T09:40:00.000Z" },
		{ "now", "2026-11-23T13:05:00.000Z", "2026-11-23T13:10:00.000Z" },
		{ "-2h", "2026-11-23T11:05:00.000Z", "2026-11-23T11:10:00.000Z" },
		{ "10:37/5m", "2026-11-23T09:37:00.000Z", "2026-11-23T09:42:00.000Z" },
		{ "10:37/ 1h", NULL, NULL },
		{ "yesterday 10:35/1h30m", "2026-11-22T09:35:00.000Z",
		  "2026-11-22T11:05:00.000Z" },
		{ "-2h/10m", "2026-11-23T11:07:30.000Z", "2026-11-23T11:17:30.000Z" },
		{ "yesterday", "2026-11-21T23:00:00.000Z", "2026-11-22T23:00:00.000Z" },
		{ "today", "2026-11-22T23:00:00.000Z", "2026-11-23T23:00:00.000Z" },
		{ "2026-03-29", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z" },
		{ "2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z" },
		{ "2026-10-25/1h", "2026-10-24T22:00:00.000Z",
		  "2026-10-24T23:00:00.000Z" },
		{ "today 15:00", NULL, NULL },
		{ "2027-01-01", NULL, NULL },
	};
	struct calendar *cal = amsterdam();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		int64_t from, to;
		bool ok = when_at(rows[i].said, cal, utc(now_text), &from, &to, &err);

		if (ok != (rows[i].from != NULL))
			fail_msg("\"%s\": %s", rows[i].said, err.msg);
		if (ok && (from != utc(rows[i].from) || to != utc(rows[i].to)))
			fail_msg("\"%s\" is %lld to %lld", rows[i].said, (long long)from,
				 (long long)to);
	}
	calendar_free(&cal);
}

static void from_and_to_are_one_range(void **state)
{
	static const struct {
		const char *from, *to, *begins, *ends;
	} rows[] = {
		{ NULL, NULL, "2026-11-23T13:02:30.000Z", "2026-11-23T13:07:30.000Z" },
		{ "-1h", NULL, "2026-11-23T12:07:30.000Z", "2026-11-23T13:07:30.000Z" },
		{ "10:00", "11:00", "2026-11-23T09:00:00.000Z",
		  "2026-11-23T10:00:00.000Z" },
		{ "10:00", "15:00", "2026-11-23T09:00:00.000Z",
		  "2026-11-23T14:00:00.000Z" },
		{ "22:00", "6:00", "2026-11-22T21:00:00.000Z",
		  "2026-11-23T05:00:00.000Z" },
		{ "yesterday 10:00", "11:00", "2026-11-22T09:00:00.000Z",
		  "2026-11-22T10:00:00.000Z" },
		{ "yesterday 22:00", "6:00", "2026-11-22T21:00:00.000Z",
		  "2026-11-23T05:00:00.000Z" },
		{ "yesterday", "yesterday", "2026-11-21T23:00:00.000Z",
		  "2026-11-22T23:00:00.000Z" },
		{ "friday", "sunday", "2026-11-19T23:00:00.000Z",
		  "2026-11-22T23:00:00.000Z" },
		{ "2026-10-24 22:00", "6:00", "2026-10-24T20:00:00.000Z",
		  "2026-10-25T05:00:00.000Z" },
		{ "10:00/30m", NULL, "2026-11-23T09:00:00.000Z",
		  "2026-11-23T09:30:00.000Z" },
		{ NULL, "10:00", "2026-11-23T08:55:00.000Z", "2026-11-23T09:00:00.000Z" },
		{ "now", "-1h", NULL, NULL },
		{ "2027-01-01", NULL, NULL, NULL },
		{ "10:00/30m", "11:00", NULL, NULL },
		{ "10:00", "soon", NULL, NULL },
		{ "soon", NULL, NULL, NULL },
	};
	struct calendar *cal = amsterdam();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *f = rows[i].from ? rows[i].from : "-",
			   *t = rows[i].to ? rows[i].to : "-";
		struct err err = { "" };
		int64_t from, to;
		bool ok = when_between(rows[i].from, rows[i].to, cal, utc(now_text),
				       &from, &to, &err);

		if (ok != (rows[i].begins != NULL))
			fail_msg("%s .. %s: %s", f, t, err.msg);
		if (ok && (from != utc(rows[i].begins) || to != utc(rows[i].ends)))
			fail_msg("%s .. %s is %lld to %lld", f, t, (long long)from,
				 (long long)to);
	}
	calendar_free(&cal);
}

/* "yesterday" said in the night after the clock changed is the whole day before. */
static void yesterday_is_yesterday_on_every_day_of_a_year(void **state)
{
	struct calendar *cal = amsterdam();

	(void)state;
	for (int64_t at = utc("2026-01-01T00:17:00.000Z");
	     at < utc("2027-01-01T00:00:00.000Z"); at += INT64_C(3600000) * 7) {
		struct local_time t, y;
		struct err err = { "" };
		int64_t from, to;

		assert_true(when_at("yesterday", cal, at, &from, &to, &err));
		assert_int_equal(to, calendar_midnight(cal, at / 1000) * 1000);
		calendar_at(cal, from / 1000, &y);
		calendar_at(cal, at / 1000, &t);
		assert_int_equal(y.hour * 60 + y.minute, 0);
		assert_int_equal((y.weekday + 1) % 7, t.weekday);
	}
	calendar_free(&cal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_in_words_is_an_instant),
		cmocka_unit_test(what_is_no_time_is_refused_with_a_sentence),
		cmocka_unit_test(at_is_a_bin_a_day_or_the_length_told),
		cmocka_unit_test(from_and_to_are_one_range),
		cmocka_unit_test(yesterday_is_yesterday_on_every_day_of_a_year),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
