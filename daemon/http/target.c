/* target.c - what a request asks for: path and parameters.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/target.h"

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

#include <stdlib.h>
#include <string.h>

enum { QUOTED = 80 }; /* octets of a wrong value that an answer repeats */

static const int64_t ms_max = INT64_C(253402300800000); /* year 10000 */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes [from, to) to *at, which goes on behind the NUL. */
static bool decode(const char *from, const char *to, bool plus, char **at, struct err *err)
{
	char *out = *at;

	while (from < to) {
		unsigned char c = (unsigned char)*from++;

		if (c == '+' && plus) {
			c = ' ';
		} else if (c == '%') {
			if (to - from < 2 || hex(from[0]) < 0 || hex(from[1]) < 0)
				return err_set(err, "a %% in the address must be followed by "
						    "two hexadecimal digits");
			c = (unsigned char)(hex(from[0]) << 4 | hex(from[1]));
			from += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return err_set(err, "the address has a control character in it");
		*out++ = (char)c;
	}
	*out++ = '\0';
	*at = out;
	return true;
}

static bool add_param(struct target *t, const char *from, const char *to, char **at,
		      struct err *err)
{
	const char *eq = memchr(from, '=', (size_t)(to - from));
	struct param *p = &t->param[t->n];

	if (from == to)
		return true;
	if (t->n == TARGET_PARAMS)
		return err_set(err, "more than %d parameters", TARGET_PARAMS);
	p->key = *at;
	if (!decode(from, eq ? eq : to, true, at, err))
		return false;
	p->value = *at;
	if (!decode(eq ? eq + 1 : to, to, true, at, err))
		return false;
	if (target_get(t, p->key))
		return err_set(err, "parameter '%.*s' is given twice", QUOTED, p->key);
	t->n++;
	return true;
}

bool target_parse(const char *raw, struct target *out, struct err *err)
{
	size_t len = strlen(raw), path = strcspn(raw, "?#");
	const char *q = raw + path, *end = raw + strcspn(raw, "#");
	char *at;

	memset(out, 0, sizeof(*out));
	if (*raw != '/')
		return err_set(err, "the address must begin with /");
	if (len > TARGET_MAX)
		return err_set(err, "the address is longer than %d octets", TARGET_MAX);
	/* Every piece loses its separator and gains a NUL; a key without "=" gains one more. */
	at = out->text = xcalloc(1, len + TARGET_PARAMS + 4);
	out->path = at;
	if (!decode(raw, q, false, &at, err))
		return false;
	while (q < end) {
		const char *from = q + 1, *to = from;

		while (to < end && *to != '&')
			to++;
		if (!add_param(out, from, to, &at, err))
			return false;
		q = to;
	}
	return true;
}

void target_fini(struct target *t)
{
	free(t->text);
	memset(t, 0, sizeof(*t));
}

const char *target_get(const struct target *t, const char *key)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!strcmp(t->param[i].key, key))
			return t->param[i].value;
	return NULL;
}

bool target_known(const struct target *t, const char *const *known, struct err *err)
{
	char list[256] = "";

	for (unsigned i = 0; i < t->n; i++) {
		const char *const *k = known;

		while (*k && strcmp(*k, t->param[i].key))
			k++;
		if (*k)
			continue;
		for (k = known; *k; k++) {
			strncat(list, k == known ? "" : ", ", sizeof(list) - strlen(list) - 1);
			strncat(list, *k, sizeof(list) - strlen(list) - 1);
		}
		return err_set(err, "there is no parameter '%.*s' here; %s%s", QUOTED,
			       t->param[i].key, *list ? "there are: " : "there are none", list);
	}
	return true;
}

bool target_number(const struct target *t, const char *key, uint64_t min, uint64_t max,
		   uint64_t *out, struct err *err)
{
	const char *v = target_get(t, key);
	uint64_t n;

	if (!v)
		return true;
	if (!parse_u64(v, max, &n) || n < min)
		return err_set(err, "%s must be a number from %llu to %llu, not '%.*s'", key,
			       (unsigned long long)min, (unsigned long long)max, QUOTED, v);
	*out = n;
	return true;
}

bool target_flag(const struct target *t, const char *key, bool *out, struct err *err)
{
	const char *v = target_get(t, key);

	if (!v)
		return true;
	if (!strcmp(v, "1") || !strcmp(v, "true") || !*v)
		*out = true;
	else if (!strcmp(v, "0") || !strcmp(v, "false"))
		*out = false;
	else
		return err_set(err, "%s must be 1 or 0, not '%.*s'", key, QUOTED, v);
	return true;
}

/* n digits at *s, which goes on behind them; -1 when there are not so many. */
static int digits(const char **s, int n)
{
	int v = 0;

	while (n--) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + *(*s)++ - '0';
	}
	return v;
}

static bool sign(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	++*s;
	return true;
}

/* Days since 1970 of a date in the proleptic Gregorian calendar: years are taken to
 * begin in March, so that the leap day is the last one. */
static int64_t days(int y, int m, int d)
{
	int64_t year = m <= 2 ? y - 1 : y, era = year / 400, in_era = year - era * 400;
	int64_t day = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day - 719468;
}

static int month_days(int y, int m)
{
	static const int of[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = y % 4 == 0 && (y % 100 || y % 400 == 0);

	return m == 2 && leap ? 29 : of[m - 1];
}

/* "Z" or "+01:00"; the seconds that local time is ahead. */
static bool offset(const char **s, int64_t *out)
{
	bool minus = **s == '-';
	int h, m;

	*out = 0;
	if (sign(s, "Zz"))
		return true;
	if (!sign(s, "+- "))
		return false;
	h = digits(s, 2);
	if (h < 0 || h > 23 || !sign(s, ":"))
		return false;
	m = digits(s, 2);
	if (m < 0 || m > 59)
		return false;
	*out = (h * 3600 + m * 60) * (minus ? -1 : 1);
	return true;
}

bool time_parse_rfc3339(const char *s, int64_t *out_ms)
{
	int y, mo, d, h, mi, sec, ms = 0;
	int64_t ahead;

	if ((y = digits(&s, 4)) < 1970 || !sign(&s, "-") || (mo = digits(&s, 2)) < 1 ||
	    mo > 12 || !sign(&s, "-") || (d = digits(&s, 2)) < 1 || d > month_days(y, mo) ||
	    !sign(&s, "Tt ") || (h = digits(&s, 2)) < 0 || h > 23 || !sign(&s, ":") ||
	    (mi = digits(&s, 2)) < 0 || mi > 59 || !sign(&s, ":") ||
	    (sec = digits(&s, 2)) < 0 || sec > 60)
		return false;
	if (sign(&s, ".")) {
		int unit = 100, n = 0;

		for (; *s >= '0' && *s <= '9'; s++, n++, unit /= 10)
			ms += (*s - '0') * unit;
		if (!n)
			return false;
	}
	if (!offset(&s, &ahead) || *s)
		return false;
	*out_ms = (days(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - ahead) * 1000 + ms;
	return *out_ms >= 0;
}

bool target_time(const struct target *t, const char *key, int64_t now_ms, int64_t *out,
		 struct err *err)
{
	const char *v = target_get(t, key);
	uint64_t n;
	int64_t back;

	if (!v)
		return true;
	if (!strcmp(v, "now"))
		*out = now_ms;
	else if (parse_u64(v, (uint64_t)ms_max, &n))
		*out = (int64_t)n;
	else if (*v == '-' && parse_duration(v + 1, &back) && back <= now_ms)
		*out = now_ms - back;
	else if (!time_parse_rfc3339(v, out))
		return err_set(err, "%s must be a time, as 2026-11-23T10:35:00Z, Unix "
				    "milliseconds or -2h, not '%.*s'", key, QUOTED, v);
	return true;
}
