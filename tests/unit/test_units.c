/* test_units.c - numbers as people write them, and junk refused.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

static void digits_are_decimal_whatever_leads_them(void **unused)
{
	static const struct {
		const char *s;
		uint64_t max, v;
		bool ok;
	} rows[] = {
		{ "0", 9, 0, true },
		{ "010", 100, 10, true },
		{ "65535", 65535, 65535, true },
		{ "65536", 65535, 0, false },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "99999999999999999999", UINT64_MAX, 0, false },
		{ "00000000000000000000000007", 9, 7, true },
		{ "", 9, 0, false },
		{ "-1", 9, 0, false },
		{ "+1", 9, 0, false },
		{ " 1", 9, 0, false },
		{ "1 ", 9, 0, false },
		{ "0x1", 9, 0, false },
		{ "1.0", 9, 0, false },
		{ "1k", 9999, 0, false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;

		if (parse_u64(rows[i].s, rows[i].max, &v) != rows[i].ok)
			fail_msg("row %zu: \"%s\"", i, rows[i].s);
		assert_true(v == rows[i].v);
	}
}

static void sizes_are_exact(void **unused)
{
	static const struct {
		const char *s;
		uint64_t v;
		bool ok;
	} rows[] = {
		{ "700", 700, true },
		{ "010", 10, true },
		{ "10M", 10000000, true },
		{ "10MB", 10000000, true },
		{ "700B", 700, true },
		{ "256Mi", 268435456, true },
		{ "1.5Gi", 1610612736, true },
		{ "0.1G", 100000000, true },
		{ "20G", 20000000000u, true },
		{ "1.999999999T", 1999999999000u, true },
		{ "1K", 1000, true },
		{ "2Ki", 2048, true },
		{ "3TiB", 3298534883328u, true },
		{ "18446744073709551615", UINT64_MAX, true },
		{ "18446744T", 18446744000000000000u, true },
		{ "18446745T", 0, false },
		{ "16777216Ti", 0, false },
		{ "16777215.9Ti", 18446743963758388838u, true },
		{ "1.5", 0, false },
		{ "1.", 0, false },
		{ ".5k", 0, false },
		{ "1..5k", 0, false },
		{ "1.0000000001k", 0, false },
		{ "10m", 0, false },
		{ "10MM", 0, false },
		{ "10 M", 0, false },
		{ "10Mbit", 0, false },
		{ "1e6", 0, false },
		{ "inf", 0, false },
		{ "nan", 0, false },
		{ "0x10", 0, false },
		{ "-1k", 0, false },
		{ "1,5k", 0, false },
		{ "i", 0, false },
		{ "", 0, false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;

		if (parse_size(rows[i].s, &v) != rows[i].ok)
			fail_msg("row %zu: \"%s\"", i, rows[i].s);
		if (v != rows[i].v)
			fail_msg("\"%s\" is %llu", rows[i].s, (unsigned long long)v);
	}
}

/* v < 0: refused. */
struct real_row {
	const char *s;
	double v;
};

static void check_reals(bool (*parse)(const char *, double *), const struct real_row *rows,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double v = -1;
		bool ok = parse(rows[i].s, &v);

		if (ok != (rows[i].v >= 0))
			fail_msg("\"%s\" was %s", rows[i].s, ok ? "taken" : "refused");
		if (ok && fabs(v - rows[i].v) > rows[i].v * 1e-12)
			fail_msg("\"%s\" is %g", rows[i].s, v);
	}
}

static void rates_are_bits_a_second(void **unused)
{
	static const struct real_row rows[] = {
		{ "20M", 20e6 }, { "1.5Gbit", 1.5e9 }, { "300k", 300e3 },
		{ "20Mbit/s", 20e6 }, { "20Mbps", 20e6 }, { "64", 64 }, { "0", 0 },
		{ "010k", 10e3 }, { "1Mi", 1048576 }, { "0.5", 0.5 },
		{ "100Mb/s", 100e6 }, { "20MB/s", -1 }, { "20MB", -1 }, { "20 M", -1 },
		{ "-20M", -1 }, { "20Mbit/h", -1 }, { "M", -1 }, { "", -1 }, { "1e9", -1 },
	};

	(void)unused;
	check_reals(parse_rate, rows, ARRAY_LEN(rows));
}

static void percent_and_budget(void **unused)
{
	static const struct real_row percents[] = {
		{ "80%", 0.8 }, { "0.8", 0.8 }, { "150%", 1.5 }, { "0", 0 }, { "1", 1 },
		{ "1.0", 1 }, { "0.5%", 0.005 }, { "80", -1 }, { "1.01", -1 }, { "80%%", -1 },
		{ "80 %", -1 }, { "-5%", -1 }, { "%", -1 }, { "", -1 },
	};
	static const struct real_row budgets[] = {
		{ "0.1/week", 0.1 }, { "2/day", 14 }, { "1/month", 84 / 365.2425 },
		{ "1/hour", 168 }, { "1/year", 7 / 365.2425 }, { "0/week", -1 },
		{ "1", -1 }, { "1/fortnight", -1 }, { "1/weeks", -1 }, { "-1/day", -1 },
		{ "/day", -1 }, { "", -1 },
	};

	(void)unused;
	check_reals(parse_percent, percents, ARRAY_LEN(percents));
	check_reals(parse_budget, budgets, ARRAY_LEN(budgets));
}

static void durations_have_units_in_falling_order(void **unused)
{
	static const struct {
		const char *s;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "0", 0 }, { "0s", 0 }, { "30s", 30000 }, { "5m", 300000 },
		{ "1h30m", 5400000 }, { "7d", 604800000 }, { "2w", 1209600000 },
		{ "500ms", 500 }, { "1s500ms", 1500 }, { "1.5h", 5400000 },
		{ "010s", 10000 }, { "1w2d3h4m5s6ms", 788645006 },
		{ "30", -1 }, { "1", -1 }, { "00", -1 }, { "30 s", -1 }, { "-30s", -1 },
		{ "5min", -1 }, { "30m1h", -1 }, { "1m1m", -1 }, { "1h30", -1 }, { "1x", -1 },
		{ "s", -1 }, { "", -1 }, { "0.5ms", -1 }, { "1h 30m", -1 },
		{ "15250284453w", -1 }, { "99999999999999999999s", -1 },
		{ "15250284452w", 9223372036569600000 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;

		parse_duration(rows[i].s, &ms);
		if (ms != rows[i].ms)
			fail_msg("\"%s\" is %lld", rows[i].s, (long long)ms);
	}
}

static void three_digits_are_said(void **unused)
{
	static const struct {
		double v;
		const char *rate, *bytes, *count;
	} rows[] = {
		{ 0, "0 bit/s", "0 B", "0" },
		{ 3, "3 bit/s", "3 B", "3" },
		{ 0.25, "0.25 bit/s", "0.25 B", "0.25" },
		{ 999, "999 bit/s", "999 B", "999" },
		{ 999.4, "999 bit/s", "999 B", "999" },
		{ 999.9, "1.00 kbit/s", "1.00 kB", "1.00 k" },
		{ 1000, "1.00 kbit/s", "1.00 kB", "1.00 k" },
		{ 9994, "9.99 kbit/s", "9.99 kB", "9.99 k" },
		{ 9996, "10.0 kbit/s", "10.0 kB", "10.0 k" },
		{ 99960, "100 kbit/s", "100 kB", "100 k" },
		{ 317e3, "317 kbit/s", "317 kB", "317 k" },
		{ 999600, "1.00 Mbit/s", "1.00 MB", "1.00 M" },
		{ 18.7e6, "18.7 Mbit/s", "18.7 MB", "18.7 M" },
		{ 4.21e9, "4.21 Gbit/s", "4.21 GB", "4.21 G" },
		{ 1.8446744e19, "18.4 Ebit/s", "18.4 EB", "18.4 E" },
		{ -2.5e6, "-2.50 Mbit/s", "-2.50 MB", "-2.50 M" },
		{ NAN, "unknown", "unknown", "unknown" },
		{ INFINITY, "unknown", "unknown", "unknown" },
	};
	char buf[UNIT_TEXT];

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(text_rate(rows[i].v, buf), rows[i].rate);
		assert_string_equal(text_bytes(rows[i].v, buf), rows[i].bytes);
		assert_string_equal(text_count(rows[i].v, buf), rows[i].count);
	}
	text_rate(1e300, buf); /* nonsense, but within its buffer */
}

static void durations_are_said_in_one_unit_or_two(void **unused)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "0 seconds" }, { 1, "1 ms" }, { 999, "999 ms" }, { 1000, "1 second" },
		{ 1500, "1.5 s" }, { 30000, "30 seconds" }, { 59400, "59 seconds" },
		{ 59900, "1 minute" }, { 60000, "1 minute" }, { 90000, "1 min 30 s" },
		{ 120000, "2 minutes" }, { 3599900, "1 hour" }, { 3600000, "1 hour" },
		{ 5400000, "1 h 30 min" }, { 7200000, "2 hours" }, { 86399000, "1 day" },
		{ 97200000, "1 d 3 h" }, { 604800000, "7 days" }, { -120000, "-2 minutes" },
	};
	char buf[UNIT_TEXT];

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(text_duration(rows[i].ms, buf), rows[i].text);
	text_duration(INT64_MIN, buf);
	text_duration(INT64_MAX, buf);
}

static void times_are_local_with_zone_or_utc(void **unused)
{
	char buf[UNIT_TEXT];

	(void)unused;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_string_equal(text_time(1795426500000, buf), "2026-11-23 10:35:00 CET");
	assert_string_equal(text_time_short(1795426500999, buf), "10:35");
	assert_string_equal(text_time(1783067700000, buf), "2026-07-03 10:35:00 CEST");
	assert_string_equal(text_rfc3339(1795426500000, buf), "2026-11-23T09:35:00.000Z");
	assert_string_equal(text_rfc3339(1795426500042, buf), "2026-11-23T09:35:00.042Z");
	assert_string_equal(text_rfc3339(-1, buf), "1969-12-31T23:59:59.999Z");
	text_time(INT64_MAX, buf);
	text_rfc3339(INT64_MIN, buf);
}

static void days_are_those_of_the_calendar(void **unused)
{
	char buf[UNIT_TEXT], want[UNIT_TEXT + 8];

	(void)unused;
	for (int64_t ms = 0; ms < INT64_C(16725225600000); ms += INT64_C(86399123) * 5) {
		time_t t = (time_t)(ms / 1000);
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		sprintf(want + strlen(want), ".%03dZ", (int)(ms % 1000));
		assert_string_equal(text_rfc3339(ms, buf), want);
	}
	assert_string_equal(text_rfc3339(INT64_C(253402300799999), buf),
			    "9999-12-31T23:59:59.999Z");
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(digits_are_decimal_whatever_leads_them),
		cmocka_unit_test(sizes_are_exact),
		cmocka_unit_test(rates_are_bits_a_second),
		cmocka_unit_test(percent_and_budget),
		cmocka_unit_test(durations_have_units_in_falling_order),
		cmocka_unit_test(three_digits_are_said),
		cmocka_unit_test(durations_are_said_in_one_unit_or_two),
		cmocka_unit_test(times_are_local_with_zone_or_utc),
		cmocka_unit_test(days_are_those_of_the_calendar),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
