/* units.c - numbers as people write them, strictly parsed and shortly said.
 * SPDX-License-Identifier: ISC
 *
 * strtod() and strtoull() are not used: they take hexadecimal, infinities,
 * signs, blanks and the locale's comma. A number here is digits with at most
 * one point, kept exactly as whole and billionths, so "0.1G" is 100000000 and
 * nothing near it.
 */
#include "daemon/base/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/digits.h"
#include "daemon/base/mem.h"

enum { FRACTION_DIGITS = 9, BILLION = 1000000000 };

struct number {
	uint64_t whole;
	uint32_t billionths;
	bool point; /* a fraction was written */
};

/* Digits to *v, none or too many is an error; leaves *s behind them. */
static bool digits(const char **s, uint64_t *v)
{
	const char *p = *s;

	for (*v = 0; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*v, 10u, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(*p - '0'), v))
			return false;
	if (p == *s)
		return false;
	*s = p;
	return true;
}

static bool number(const char **s, struct number *n)
{
	*n = (struct number){ 0 };
	if (!digits(s, &n->whole))
		return false;
	if (**s != '.')
		return true;
	n->point = true;
	for (int i = 0; i < FRACTION_DIGITS; i++) {
		char c = (*s)[i + 1];

		if (c < '0' || c > '9') {
			if (!i)
				return false;
			for (*s += i + 1; i < FRACTION_DIGITS; i++)
				n->billionths *= 10;
			return true;
		}
		n->billionths = n->billionths * 10 + (uint32_t)(c - '0');
	}
	*s += FRACTION_DIGITS + 1;
	return true; /* a tenth digit is then left over, and refused */
}

static double as_double(const struct number *n)
{
	return (double)n->whole + n->billionths / 1e9;
}

/* n * by, rounded down; false when it does not fit. by < 2^45. */
static bool times(const struct number *n, uint64_t by, uint64_t *out)
{
	uint64_t part = by / BILLION * n->billionths + by % BILLION * n->billionths / BILLION;

	return !__builtin_mul_overflow(n->whole, by, out) &&
	       !__builtin_add_overflow(*out, part, out);
}

/* A decimal or binary multiple, 1 when none is written. */
static uint64_t multiple(const char **s)
{
	static const char letters[] = "kMGT";
	const char *at = **s ? strchr(letters, **s == 'K' ? 'k' : **s) : NULL;
	uint64_t v = 1, base = 1000;

	if (!at)
		return 1;
	++*s;
	if (**s == 'i') {
		base = 1024;
		++*s;
	}
	for (long i = 0; i <= at - letters; i++)
		v *= base;
	return v;
}

bool parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (!digits(&s, &v) || *s || v > max)
		return false;
	*out = v;
	return true;
}

bool parse_size(const char *s, uint64_t *out)
{
	struct number n;
	uint64_t by, v;

	if (!number(&s, &n))
		return false;
	by = multiple(&s);
	if (*s == 'B')
		s++;
	if (*s || (by == 1 && n.point) || !times(&n, by, &v))
		return false;
	*out = v;
	return true;
}

bool parse_rate(const char *s, double *out)
{
	static const char *const units[] = { "", "bit", "bit/s", "bits/s", "bps", "b/s" };
	struct number n;
	uint64_t by;

	if (!number(&s, &n))
		return false;
	by = multiple(&s);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!strcmp(s, units[i])) {
			*out = as_double(&n) * (double)by;
			return true;
		}
	}
	return false;
}

bool parse_duration(const char *s, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { /* longest first, and each at most once */
		{ "w", 7 * 86400000u }, { "d", 86400000u }, { "h", 3600000u },
		{ "m", 60000u }, { "s", 1000u }, { "ms", 1u },
	};
	uint64_t sum = 0;
	size_t from = 0;

	if (!strcmp(s, "0")) {
		*out_ms = 0;
		return true;
	}
	do {
		struct number n;
		uint64_t ms;
		size_t len, i;

		if (!number(&s, &n))
			return false;
		len = strspn(s, "abcdefghijklmnopqrstuvwxyz");
		for (i = from; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].unit) == len && !strncmp(s, units[i].unit, len))
				break;
		if (i == ARRAY_LEN(units) || (n.point && units[i].ms == 1) ||
		    !times(&n, units[i].ms, &ms) || __builtin_add_overflow(sum, ms, &sum))
			return false;
		from = i + 1;
		s += len;
	} while (*s);
	if (sum > INT64_MAX)
		return false;
	*out_ms = (int64_t)sum;
	return true;
}

bool parse_percent(const char *s, double *out)
{
	struct number n;

	if (!number(&s, &n))
		return false;
	if (!strcmp(s, "%")) {
		*out = as_double(&n) / 100;
		return true;
	}
	/* "80" without its sign could be meant either way. */
	if (*s || n.whole > 1 || (n.whole == 1 && n.billionths))
		return false;
	*out = as_double(&n);
	return true;
}

bool parse_budget(const char *s, double *per_week)
{
	static const struct {
		const char *unit;
		double per_week;
	} units[] = {
		{ "/hour", 168 }, { "/day", 7 }, { "/week", 1 },
		{ "/month", 7 * 12 / 365.2425 }, { "/year", 7 / 365.2425 },
	};
	struct number n;

	if (!number(&s, &n) || as_double(&n) <= 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!strcmp(s, units[i].unit)) {
			*per_week = as_double(&n) * units[i].per_week;
			return true;
		}
	}
	return false;
}

/* Three significant digits, a decimal prefix, and the unit behind it. Small
 * whole numbers stay whole: "512 B", "3". */
static const char *scaled(double v, const char *unit, char buf[static UNIT_TEXT])
{
	static const char *const prefix[] = { "", "k", "M", "G", "T", "P", "E" };
	double a = fabs(v);
	size_t p = 0;
	const char *gap;
	int places;

	if (!isfinite(v)) {
		strcpy(buf, "unknown");
		return buf;
	}
	while (a >= (p ? 999.5 : 1000) && p + 1 < ARRAY_LEN(prefix)) {
		a /= 1000;
		p++;
	}
	if (!p && a >= 999.5 && a != floor(a)) {
		a /= 1000; /* 999.9 would be said as 1000 */
		p++;
	}
	gap = *prefix[p] || *unit ? " " : "";
	places = a < 9.995 ? 2 : a < 99.95 ? 1 : 0;
	if (!p) /* %g: no needless zeros, and nothing like 0.00 for a small rate */
		snprintf(buf, UNIT_TEXT, "%s%.3g%s%s", v < 0 ? "-" : "", a, gap, unit);
	else
		snprintf(buf, UNIT_TEXT, "%s%.*f%s%s%s", v < 0 ? "-" : "", places, a, gap,
			 prefix[p], unit);
	return buf;
}

const char *text_rate(double bits_per_s, char buf[static UNIT_TEXT])
{
	return scaled(bits_per_s, "bit/s", buf);
}

const char *text_bytes(double octets, char buf[static UNIT_TEXT])
{
	return scaled(octets, "B", buf);
}

const char *text_count(double n, char buf[static UNIT_TEXT])
{
	return scaled(n, "", buf);
}

/* One unit in words, two in letters; the smaller one rounded. */
const char *text_duration(int64_t ms, char buf[static UNIT_TEXT])
{
	static const struct {
		const char *word, *letters;
		uint64_t s;
	} units[] = {
		{ "day", "d", 86400 }, { "hour", "h", 3600 }, { "minute", "min", 60 },
		{ "second", "s", 1 },
	};
	const char *sign = ms < 0 ? "-" : "";
	uint64_t a = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms, s, step, big, small;
	size_t i = 0;

	if (a && a < 1000) {
		snprintf(buf, UNIT_TEXT, "%s%u ms", sign, (unsigned)a);
		return buf;
	}
	if (a % 1000 && a < 10000) {
		snprintf(buf, UNIT_TEXT, "%s%.1f s", sign, (double)a / 1000);
		return buf;
	}
	s = a / 1000 + (a % 1000 >= 500);
	/* Rounding may carry into the next larger unit: 3599.9 s is an hour. */
	step = s >= 86400 - 30 ? 3600 : s >= 3600 ? 60 : 1;
	s = (s + step / 2) / step * step;
	while (i + 1 < ARRAY_LEN(units) && s < units[i].s)
		i++;
	big = s / units[i].s;
	small = s % units[i].s / (i + 1 < ARRAY_LEN(units) ? units[i + 1].s : 1);
	if (small)
		snprintf(buf, UNIT_TEXT, "%s%llu %s %llu %s", sign, (unsigned long long)big,
			 units[i].letters, (unsigned long long)small, units[i + 1].letters);
	else
		snprintf(buf, UNIT_TEXT, "%s%llu %s%s", sign, (unsigned long long)big,
			 units[i].word, big == 1 ? "" : "s");
	return buf;
}

/* Whole seconds, rounded down also before 1970. */
static time_t seconds(int64_t unix_ms)
{
	return (time_t)(unix_ms / 1000 - (unix_ms % 1000 < 0));
}

static const char *local(int64_t unix_ms, const char *fmt, char *buf)
{
	time_t t = seconds(unix_ms);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, UNIT_TEXT, fmt, &tm))
		strcpy(buf, "unknown");
	return buf;
}

const char *text_time(int64_t unix_ms, char buf[static UNIT_TEXT])
{
	return local(unix_ms, "%Y-%m-%d %H:%M:%S %Z", buf);
}

const char *text_time_short(int64_t unix_ms, char buf[static UNIT_TEXT])
{
	return local(unix_ms, "%H:%M", buf);
}

static const char *far(int64_t unix_ms, char buf[static UNIT_TEXT])
{
	time_t t = seconds(unix_ms);
	char head[UNIT_TEXT];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm))
		strcpy(buf, "unknown");
	else
		snprintf(buf, UNIT_TEXT, "%.40s.%03dZ", head,
			 (int)((unix_ms % 1000 + 1000) % 1000));
	return buf;
}

/* Year, month, day of a day since 1970 (the days_from_civil of every calendar library,
 * backwards: an era is 400 years of 146,097 days, a year begins in March). */
static void civil(int64_t day, uint32_t ymd[static 3])
{
	int64_t z = day + 719468, era = z / 146097;
	uint32_t doe = (uint32_t)(z - era * 146097);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	ymd[2] = doy - (153 * mp + 2) / 5 + 1;
	ymd[1] = mp < 10 ? mp + 3 : mp - 9;
	ymd[0] = yoe + (uint32_t)era * 400 + (ymd[1] <= 2);
}

/* By hand: an archive that is exported has three of them in each flow. */
const char *text_rfc3339(int64_t unix_ms, char buf[static UNIT_TEXT])
{
	const int64_t day_ms = 86400000, most = INT64_C(253402300800000); /* year 10000 */
	uint32_t ymd[3], s;
	char *to = buf;

	if (unix_ms < 0 || unix_ms >= most)
		return far(unix_ms, buf);
	civil(unix_ms / day_ms, ymd);
	s = (uint32_t)(unix_ms % day_ms / 1000);
	to = digits_pad(to, ymd[0], 4);
	*to++ = '-';
	to = digits_pad(to, ymd[1], 2);
	*to++ = '-';
	to = digits_pad(to, ymd[2], 2);
	*to++ = 'T';
	to = digits_pad(to, s / 3600, 2);
	*to++ = ':';
	to = digits_pad(to, s / 60 % 60, 2);
	*to++ = ':';
	to = digits_pad(to, s % 60, 2);
	*to++ = '.';
	to = digits_pad(to, (uint32_t)(unix_ms % 1000), 3);
	strcpy(to, "Z");
	return buf;
}
