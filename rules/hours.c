/* hours.c - calendar expressions: when in the week, the month, the year.
 * SPDX-License-Identifier: ISC
 *
 * A window belongs to the local day that it begins on, so a moment is inside when a
 * window of today, or one of yesterday that passes midnight, holds it. Both ends are
 * made by the calendar from wall-clock times, which is all there is to summer time.
 */
#include "rules/hours.h"

#include "daemon/base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENTRIES = 64, CHAIN = 64, DAY_S = 86400 };

enum day_kind { DAY_WEEK, DAY_NTH, DAY_OF_MONTH, DAY_DATES, DAY_HOLIDAY };

struct entry {
	enum day_kind kind;
	unsigned week;          /* bit 0 is Monday */
	int nth;                /* 1..5, -1 the last; with DAY_OF_MONTH 1..31, -1 */
	int from_date, to_date; /* yyyymmdd */
	int start, end;         /* minutes of the day; end may be up to 2 * 1440 */
	bool no_holidays;
};

struct hours {
	char *text;
	struct entry e[ENTRIES];
	unsigned n;
};

static const char *const day_word[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "mon", "monday"; -1: no day. *len: octets it took. */
static int day_of(const char *s, size_t *len)
{
	static const char *const rest[] = { "day", "sday", "nesday", "rsday", "day", "urday",
					    "day" };

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(s, day_word[i], 3))
			continue;
		*len = 3;
		if (!strncasecmp(s + 3, rest[i], strlen(rest[i])))
			*len += strlen(rest[i]);
		return isalpha((unsigned char)s[*len]) ? -1 : i;
	}
	return -1;
}

/* "mon", "mon-fri", "fri-mon" as bits. */
static bool take_week(const char *s, unsigned *bits)
{
	size_t n;
	int from = day_of(s, &n), to = from;

	if (from < 0)
		return false;
	s += n;
	if (*s == '-') {
		to = day_of(++s, &n);
		s += to < 0 ? 0 : n;
	}
	if (*s || to < 0)
		return false;
	for (*bits |= 1u << to; from != to; from = (from + 1) % 7)
		*bits |= 1u << from;
	return true;
}

/* "1st" "22nd" "last", with *rest behind it; 0: none. */
static int ordinal(const char *s, const char **rest)
{
	static const char *const tail[] = { "st", "nd", "rd", "th" };
	char *end;
	long n;

	if (!strncasecmp(s, "last", 4)) {
		*rest = s + 4;
		return -1;
	}
	n = strtol(s, &end, 10);
	for (size_t i = 0; end > s && i < ARRAY_LEN(tail); i++)
		if (!strncasecmp(end, tail[i], 2) && n >= 1 && n <= 31) {
			*rest = end + 2;
			return (int)n;
		}
	return 0;
}

/* "08:00" "8" "24:00" in minutes; false: none. */
static bool clock_of(const char **s, int *minutes)
{
	char *end;
	long h, m = 0;

	if (!isdigit((unsigned char)**s))
		return false;
	h = strtol(*s, &end, 10);
	if (*end == ':') {
		if (!isdigit((unsigned char)end[1]) || !isdigit((unsigned char)end[2]))
			return false;
		m = (end[1] - '0') * 10 + end[2] - '0';
		end += 3;
	}
	if (h > 24 || m > 59)
		return false;
	*s = end;
	*minutes = (int)(h * 60 + m);
	return *minutes <= 1440;
}

static bool take_times(const char *s, int *start, int *end)
{
	return strchr(s, ':') && clock_of(&s, start) && *s++ == '-' && clock_of(&s, end) && !*s &&
	       *start < 1440 && *start != *end;
}

static bool take_date(const char *s, int *date)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d, n = 0;

	if (sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || s[n] || y < 1970 || m < 1 ||
	    m > 12 || d < 1 || d > days[m - 1])
		return false;
	*date = y * 10000 + m * 100 + d;
	return true;
}

/* What has been read of one "days times" and is not yet an entry. */
struct scan {
	struct hours *h;
	struct entry day[ENTRIES];
	unsigned n_day, done; /* done: entries from there on are of these days */
	bool timed;           /* a time was given for these days */
	struct err *err;
};

static bool put(struct scan *p, int start, int end)
{
	unsigned n = p->n_day ? p->n_day : 1;

	for (unsigned i = 0; i < n; i++) {
		struct entry e = { .kind = DAY_WEEK, .week = 0x7f };

		if (p->n_day)
			e = p->day[i];
		e.start = start;
		e.end = end <= start ? end + 1440 : end;
		if (p->h->n == ENTRIES)
			return err_set(p->err, "that is more than %d windows", ENTRIES);
		p->h->e[p->h->n++] = e;
	}
	p->timed = true;
	return true;
}

/* Days without a time are whole days. */
static bool close_days(struct scan *p)
{
	if (p->n_day && !p->timed && !put(p, 0, 1440))
		return false;
	p->n_day = 0;
	p->timed = false;
	p->done = p->h->n;
	return true;
}

static bool take_day(struct scan *p, const char *w, bool *is_day)
{
	struct entry e = { .kind = DAY_WEEK };
	const char *rest = "";
	size_t n;

	*is_day = true;
	if (!strcasecmp(w, "daily") || !strcasecmp(w, "always"))
		e.week = 0x7f;
	else if (!strcasecmp(w, "weekdays"))
		e.week = 0x1f;
	else if (!strcasecmp(w, "weekend") || !strcasecmp(w, "weekends"))
		e.week = 0x60;
	else if (!strcasecmp(w, "holidays") || !strcasecmp(w, "holiday"))
		e.kind = DAY_HOLIDAY;
	else if (take_week(w, &e.week))
		;
	else if (take_date(w, &e.from_date)) {
		e.kind = DAY_DATES;
		e.to_date = e.from_date;
	} else if ((e.nth = ordinal(w, &rest)) != 0 && !*rest) {
		e.kind = DAY_OF_MONTH;
	} else if (e.nth && e.nth <= 5 && *rest == '-' && day_of(rest + 1, &n) >= 0 &&
		   !rest[1 + n]) {
		e.kind = DAY_NTH;
		e.week = 1u << day_of(rest + 1, &n);
	} else {
		*is_day = false;
		return true;
	}
	if (p->timed && !close_days(p))
		return false;
	if (p->n_day == ENTRIES)
		return err_set(p->err, "that is more than %d days", ENTRIES);
	p->day[p->n_day++] = e;
	return true;
}

/* The next word of *s into w; "": none. */
static void word(const char **s, char w[static 64])
{
	size_t n;

	*s += strspn(*s, " \t\r\n,;");
	n = strcspn(*s, " \t\r\n,;");
	snprintf(w, 64, "%.*s", n < 63 ? (int)n : 63, *s);
	*s += n;
}

/* ".. 2027-01-02": the last day was the first of several. */
static bool take_range(struct scan *p, const char **s)
{
	struct entry *e = p->n_day ? &p->day[p->n_day - 1] : NULL;
	char w[64];

	word(s, w);
	if (!e || e->kind != DAY_DATES || p->timed || !take_date(w, &e->to_date) ||
	    e->to_date < e->from_date)
		return err_set(p->err, "\"..\" stands between two dates, the earlier first, as in "
			       "2026-12-24 .. 2027-01-02");
	return true;
}

/* "except holidays" goes with the days before it. */
static bool take_except(struct scan *p, const char **s)
{
	char w[64];

	word(s, w);
	if (strcasecmp(w, "holidays") && strcasecmp(w, "holiday"))
		return err_set(p->err, "except is followed by holidays");
	if (p->n_day && !p->timed && !put(p, 0, 1440))
		return false;
	if (p->done == p->h->n)
		return err_set(p->err, "except holidays stands behind days or times");
	for (unsigned i = p->done; i < p->h->n; i++)
		p->h->e[i].no_holidays = true;
	return true;
}

static bool parse(struct scan *p, const char *s)
{
	char w[64];

	for (word(&s, w); *w; word(&s, w)) {
		int start, end;
		bool is_day;

		if (!strcmp(w, "..")) {
			if (!take_range(p, &s))
				return false;
		} else if (!strcasecmp(w, "except")) {
			if (!take_except(p, &s))
				return false;
		} else if (take_times(w, &start, &end)) {
			if (!put(p, start, end))
				return false;
		} else if (!take_day(p, w, &is_day)) {
			return false;
		} else if (!is_day) {
			return err_set(p->err, "\"%s\" is neither days nor times; write it like "
				       "mon-fri 08:00-18:00, sat,sun 22:00-02:00, last-sun, "
				       "2026-12-24 or holidays", w);
		}
	}
	if (!close_days(p))
		return false;
	return p->h->n || err_set(p->err, "it is empty; write it like mon-fri 08:00-18:00");
}

struct hours *hours_parse(const char *text, struct err *err)
{
	struct err unread;
	struct scan p = { .h = xcalloc(1, sizeof(*p.h)), .err = err ? err : &unread };

	p.h->text = xstrdup(text);
	if (!parse(&p, text))
		hours_free(&p.h);
	return p.h;
}

void hours_free(struct hours **h)
{
	if (*h)
		free((*h)->text);
	free(*h);
	*h = NULL;
}

const char *hours_text(const struct hours *h)
{
	return h ? h->text : "";
}

static int days_in(const struct local_time *d)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (d->year % 4 == 0 && d->year % 100) || d->year % 400 == 0;

	return days[d->month - 1] + (d->month == 2 && leap);
}

static bool on_day(const struct entry *e, const struct local_time *d)
{
	int date = d->year * 10000 + d->month * 100 + d->day;

	if (e->no_holidays && d->holiday)
		return false;
	switch (e->kind) {
	case DAY_WEEK: return e->week >> d->weekday & 1;
	case DAY_HOLIDAY: return d->holiday;
	case DAY_DATES: return date >= e->from_date && date <= e->to_date;
	case DAY_OF_MONTH: return d->day == (e->nth < 0 ? days_in(d) : e->nth);
	case DAY_NTH:
		return e->week >> d->weekday & 1 &&
		       (e->nth < 0 ? d->day + 7 > days_in(d) : (d->day + 6) / 7 == e->nth);
	}
	return false;
}

static int64_t wall(const struct calendar *c, const struct local_time *d, int minutes)
{
	return calendar_unix(c, d->year, d->month, d->day, minutes / 60, minutes % 60, 0);
}

/* When the windows that hold unix_s end; 0: none does. */
static int64_t ends(const struct hours *h, const struct calendar *c, int64_t unix_s)
{
	struct local_time day;
	int64_t end = 0;

	calendar_at(c, unix_s, &day);
	for (int back = 0; back < 2; back++) {
		for (unsigned i = 0; i < h->n; i++) {
			const struct entry *e = &h->e[i];

			if (on_day(e, &day) && wall(c, &day, e->start) <= unix_s &&
			    unix_s < wall(c, &day, e->end) && wall(c, &day, e->end) > end)
				end = wall(c, &day, e->end);
		}
		calendar_at(c, calendar_midnight(c, unix_s) - DAY_S / 2, &day);
	}
	return end;
}

bool hours_at(const struct hours *h, const struct calendar *c, int64_t unix_s, int64_t *until_s)
{
	int64_t end = h ? ends(h, c, unix_s) : INT64_MAX;
	bool inside = end != 0;

	/* One window may begin where another ends. */
	for (int i = 0; h && until_s && inside && i < CHAIN && end < unix_s + 31 * DAY_S; i++) {
		int64_t more = ends(h, c, end);

		if (!more)
			break;
		end = more;
	}
	if (until_s)
		*until_s = end;
	return inside;
}
