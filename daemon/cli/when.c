/* when.c - times as a person says them.
 * SPDX-License-Identifier: ISC
 *
 * The text is cut into words; a day and a time of day may come in either order,
 * each once. Which of several 10:35 is meant is decided the same way always: the
 * last one that has been. Where that would be a guess between two right answers
 * (an hour that came twice) it is refused.
 */
#include "daemon/cli/when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/series.h"

enum { TEXT_MAX = 80, WORDS_MAX = 6, DAY_S = 86400 };

static const char examples[] = "\"10:35\", \"yesterday 10:35\", \"-2h\", \"monday 9:00\" "
			       "or \"2026-11-23 10:35\"";

struct words {
	const char *text; /* as it was said, for messages */
	const struct calendar *cal;
	int64_t now_s;
	struct local_time today;
	bool has_day, has_clock;
	bool weekday; /* the day was said by its name: the last one that has begun */
	bool past;    /* "last": not today */
	int year, month, day;
	int hour, minute, second;
	int ms;
	bool has_offset;
	int32_t offset_s;
	struct err *err;
};

static bool lost(const struct words *w)
{
	return err_set(w->err, "\"%s\" is not a time; say %s", w->text, examples);
}

static bool number(const char **s, int min_digits, int max_digits, int *out)
{
	int n = 0;

	*out = 0;
	while (n < max_digits && isdigit((unsigned char)**s)) {
		*out = *out * 10 + *(*s)++ - '0';
		n++;
	}
	return n >= min_digits && !isdigit((unsigned char)**s);
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool set_day(struct words *w, int year, int month, int day)
{
	if (w->has_day)
		return lost(w);
	if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 ||
	    day > days_in(year, month))
		return err_set(w->err, "\"%s\": there is no day %04d-%02d-%02d", w->text,
			       year, month, day);
	w->has_day = true;
	w->year = year;
	w->month = month;
	w->day = day;
	return true;
}

/* The local date `days` before today. */
static bool set_day_before(struct words *w, int days)
{
	struct local_time t;
	/* Noon: no change of the clock moves it to another date. */
	int64_t noon =
	    calendar_unix(w->cal, w->today.year, w->today.month, w->today.day, 12, 0, 0);

	calendar_at(w->cal, noon - (int64_t)days * DAY_S, &t);
	return set_day(w, t.year, t.month, t.day);
}

/* Index of the row that word is, or begins with at least three letters; -1. */
static int name_find(const char *const *names, int n, const char *word)
{
	size_t len = strlen(word);

	if (len > 3 && word[len - 1] == '.')
		len--;
	for (int i = 0; i < n; i++)
		if (len >= 3 && !strncasecmp(names[i], word, len) &&
		    len <= strlen(names[i]))
			return i;
	return -1;
}

static int weekday_find(const char *word)
{
	static const char *const names[] = { "monday",	 "tuesday", "wednesday",
					     "thursday", "friday",  "saturday",
					     "sunday" };

	return name_find(names, 7, word);
}

static int month_find(const char *word)
{
	static const char *const names[] = { "january", "february", "march",
					     "april",	"may",	    "june",
					     "july",	"august",   "september",
					     "october", "november", "december" };

	return name_find(names, 12, word);
}

static bool set_weekday(struct words *w, int weekday)
{
	int back = (w->today.weekday - weekday + 7) % 7;

	w->weekday = true;
	return set_day_before(w, !back && w->past ? 7 : back);
}

/* "+01:00", "+0100", "+01", "Z"; the whole rest of a word. */
static bool take_offset(struct words *w, const char *s)
{
	int sign = *s == '-' ? -1 : 1, h, m = 0;

	w->has_offset = true;
	if (!strcasecmp(s, "z"))
		return true;
	if (*s != '+' && *s != '-')
		return lost(w);
	s++;
	if (strlen(s) == 4 && strspn(s, "0123456789") == 4) {
		h = (s[0] - '0') * 10 + s[1] - '0';
		m = (s[2] - '0') * 10 + s[3] - '0';
	} else if (!number(&s, 2, 2, &h) ||
		   (*s && (*s++ != ':' || !number(&s, 2, 2, &m) || *s))) {
		return lost(w);
	}
	if (h > 15 || m > 59)
		return lost(w);
	w->offset_s = sign * (h * 3600 + m * 60);
	return true;
}

static bool set_clock(struct words *w, int h, int m, int s)
{
	if (w->has_clock)
		return lost(w);
	if (h > 23 || m > 59 || s > 59)
		return err_set(w->err, "\"%s\": there is no time of day %d:%02d%s",
			       w->text, h, m, s > 59 ? " with so many seconds" : "");
	w->has_clock = true;
	w->hour = h;
	w->minute = m;
	w->second = s;
	return true;
}

static void fraction(struct words *w, const char **s)
{
	int scale = 100;

	for ((*s)++; isdigit((unsigned char)**s); (*s)++, scale /= 10)
		w->ms += (**s - '0') * scale;
}

/* "10:35", "10:35:20", "10:35:20.5", "9am", "10:35pm", each with an offset. */
static bool take_clock(struct words *w, const char *s)
{
	int h, m = 0, sec = 0;
	bool colon = false, half;

	if (!number(&s, 1, 2, &h))
		return lost(w);
	if (*s == ':') {
		colon = true;
		s++;
		if (!number(&s, 2, 2, &m))
			return lost(w);
		if (*s == ':' && (s++, !number(&s, 2, 2, &sec)))
			return lost(w);
		if (*s == '.' && isdigit((unsigned char)s[1]))
			fraction(w, &s);
	}
	half = !strcasecmp(s, "am") || !strcasecmp(s, "pm");
	if (half) {
		if (h < 1 || h > 12)
			return err_set(w->err, "\"%s\": there is no %d %s", w->text, h,
				       s);
		h = h % 12 + (tolower((unsigned char)*s) == 'p' ? 12 : 0);
		s += 2;
	}
	if (!colon && !half)
		return err_set(w->err, "\"%s\" could be an hour or a day; say %s",
			       w->text, examples);
	return (!*s || take_offset(w, s)) && set_clock(w, h, m, sec);
}

/* "2026-11-23", "2026-11-23T10:35:00Z" */
static bool take_date(struct words *w, const char *s)
{
	int y, m, d;

	if (!number(&s, 4, 4, &y) || *s++ != '-' || !number(&s, 2, 2, &m) ||
	    *s++ != '-' || !number(&s, 2, 2, &d))
		return lost(w);
	if (!set_day(w, y, m, d))
		return false;
	if (!*s)
		return true;
	return (*s == 'T' || *s == 't' || *s == '_') ? take_clock(w, s + 1) : lost(w);
}

/* "23 nov", "nov 23", "23 nov 2026": the words from i on; how many were taken, 0: none.
 */
static int take_month(struct words *w, char **word, int n)
{
	const char *a = word[0], *b = n > 1 ? word[1] : "", *y = n > 2 ? word[2] : "";
	int month = month_find(a) >= 0 ? month_find(a) : month_find(b), day, year;
	const char *d = month_find(a) >= 0 ? b : a;

	if (month < 0 || !isdigit((unsigned char)*d) || !number(&d, 1, 2, &day) || *d)
		return 0;
	if (strlen(y) == 4 && strspn(y, "0123456789") == 4) {
		number(&y, 4, 4, &year);
		return set_day(w, year, month + 1, day) ? 3 : -1;
	}
	year = w->today.year;
	if (month + 1 > w->today.month ||
	    (month + 1 == w->today.month && day > w->today.day))
		year--; /* the last one there was */
	return set_day(w, year, month + 1, day) ? 2 : -1;
}

static bool take_word(struct words *w, const char *s)
{
	if (!strcasecmp(s, "today"))
		return set_day_before(w, 0);
	if (!strcasecmp(s, "yesterday"))
		return set_day_before(w, 1);
	if (!strcasecmp(s, "noon"))
		return set_clock(w, 12, 0, 0);
	if (!strcasecmp(s, "midnight"))
		return set_clock(w, 0, 0, 0);
	if (!strcasecmp(s, "last")) {
		w->past = true;
		return true;
	}
	if (!strcasecmp(s, "at") || !strcasecmp(s, "on"))
		return true;
	if (weekday_find(s) >= 0)
		return set_weekday(w, weekday_find(s));
	if (strlen(s) >= 10 && s[4] == '-')
		return take_date(w, s);
	if (isdigit((unsigned char)*s))
		return take_clock(w, s);
	if ((*s == '+' || *s == '-' || !strcasecmp(s, "z")) && w->has_clock &&
	    !w->has_offset)
		return take_offset(w, s);
	if (!strcasecmp(s, "utc") || !strcasecmp(s, "gmt"))
		return w->has_clock && !w->has_offset ? take_offset(w, "z") : lost(w);
	return lost(w);
}

static bool same_clock(const struct words *w, int64_t unix_s)
{
	struct local_time t;

	calendar_at(w->cal, unix_s, &t);
	return t.year == w->year && t.month == w->month && t.day == w->day &&
	       t.hour == w->hour && t.minute == w->minute && t.second == w->second;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int y, int m, int d)
{
	int64_t year = y - (m <= 2), era = year / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void offset_text(int32_t s, char buf[static 16])
{
	int m = (int)(s < 0 ? -s : s) / 60;

	snprintf(buf, 16, "%c%02d:%02d", s < 0 ? '-' : '+', m / 60 % 100, m % 60);
}

static bool to_unix(const struct words *w, int64_t *out)
{
	struct local_time before, after;
	int64_t t, other;

	if (w->has_offset) {
		*out = days_of(w->year, w->month, w->day) * DAY_S + w->hour * 3600 +
		       w->minute * 60 + w->second - w->offset_s;
		return true;
	}
	t = calendar_unix(w->cal, w->year, w->month, w->day, w->hour, w->minute,
			  w->second);
	*out = t;
	if (!w->has_clock) /* a day begins when it begins, also without a midnight */
		return true;
	if (!same_clock(w, t))
		return err_set(w->err,
			       "\"%s\": on %04d-%02d-%02d the clock was put forward over "
			       "%d:%02d, so that time never was",
			       w->text, w->year, w->month, w->day, w->hour, w->minute);
	calendar_at(w->cal, t - DAY_S, &before);
	calendar_at(w->cal, t + DAY_S, &after);
	other = t + before.utc_off_s - after.utc_off_s;
	if (other > t && same_clock(w, other)) {
		char first[16], second[16];

		offset_text(before.utc_off_s, first);
		offset_text(after.utc_off_s, second);
		return err_set(w->err,
			       "\"%s\": %d:%02d came twice on %04d-%02d-%02d; add %s "
			       "for the first or %s for the second",
			       w->text, w->hour, w->minute, w->year, w->month, w->day,
			       first, second);
	}
	return true;
}

/* The last one that has been: today's, or that of a day (a week) before. */
static bool go_back(struct words *w, int days, int64_t *out)
{
	if (!to_unix(w, out))
		return false;
	if (*out <= w->now_s)
		return true;
	w->has_day = false;
	return set_day_before(w, days) && to_unix(w, out);
}

static bool resolve(struct words *w, struct when *out)
{
	int64_t s, end;

	if (!w->has_day && !w->has_clock)
		return lost(w);
	out->clock_only = !w->has_day;
	if (!w->has_day) {
		/* With an offset of its own, its date is the one there. */
		struct local_time t = w->today;

		if (w->has_offset) {
			int64_t days = (w->now_s + w->offset_s) / DAY_S;

			s = days * DAY_S - w->offset_s + w->hour * 3600 + w->minute * 60 +
			    w->second;
			out->ms = (s > w->now_s ? s - DAY_S : s) * 1000 + w->ms;
			return true;
		}
		w->year = t.year;
		w->month = t.month;
		w->day = t.day;
		if (!go_back(w, 1, &s))
			return false;
	} else if (w->weekday) {
		int back = 7;

		if (!go_back(w, back, &s))
			return false;
	} else if (!to_unix(w, &s)) {
		return false;
	}
	out->ms = s * 1000 + w->ms;
	if (!w->has_clock) {
		struct local_time t;

		/* 36 h later is always the day after. */
		calendar_at(w->cal, s + 36 * 3600, &t);
		end = calendar_unix(w->cal, t.year, t.month, t.day, 0, 0, 0);
		out->span_ms = (end - s) * 1000;
	}
	return true;
}

/* "2h", "2 hours", "1 week" */
static bool length(const char *text, int64_t *ms)
{
	static const char *const units[] = { "second", "minute", "hour", "day", "week" };
	size_t digits = strspn(text, "0123456789"), len;
	const char *word = text + digits + strspn(text + digits, " ");
	char small[24];

	if (parse_duration(text, ms))
		return true;
	len = strlen(word);
	len -= len > 3 && word[len - 1] == 's';
	for (size_t i = 0; digits && digits < 12 && i < ARRAY_LEN(units); i++) {
		if (len < 3 || len > strlen(units[i]) || strncasecmp(word, units[i], len))
			continue;
		snprintf(small, sizeof(small), "%.*s%c", (int)digits, text, *units[i]);
		return parse_duration(small, ms);
	}
	return false;
}

/* "now", "-2h", "2h ago", "1795430100", "@1795430100": those that need no calendar. */
static bool simple(const char *text, int64_t now_ms, struct when *out)
{
	char copy[TEXT_MAX];
	uint64_t n;
	int64_t d;
	size_t len;

	if (!strcasecmp(text, "now")) {
		out->ms = now_ms;
		return true;
	}
	if (*text == '-' && parse_duration(text + 1, &d)) {
		out->ms = now_ms - d;
		return true;
	}
	snprintf(copy, sizeof(copy), "%s", text);
	len = strlen(copy);
	if (len > 4 && !strcasecmp(copy + len - 4, " ago")) {
		copy[len - 4] = '\0';
		if (!length(copy, &d))
			return false;
		out->ms = now_ms - d;
		return true;
	}
	text += *text == '@';
	if (strlen(text) < 9 || !parse_u64(text, INT64_C(99999999999999), &n))
		return false;
	out->ms = strlen(text) >= 12 ? (int64_t)n : (int64_t)n * 1000;
	return true;
}

static bool parse_words(char *copy, struct words *w, struct when *out)
{
	char *word[WORDS_MAX], *save = NULL;
	int n = 0, took;

	for (char *p = strtok_r(copy, " \t,", &save); p;
	     p = strtok_r(NULL, " \t,", &save)) {
		if (n == WORDS_MAX)
			return lost(w);
		word[n++] = p;
	}
	for (int i = 0; i < n; i += took) {
		bool next_half = i + 1 < n && (!strcasecmp(word[i + 1], "am") ||
					       !strcasecmp(word[i + 1], "pm"));

		took = take_month(w, word + i, n - i);
		if (took < 0)
			return false;
		if (took)
			continue;
		took = 1;
		if (next_half && isdigit((unsigned char)*word[i])) { /* "9 am" */
			char both[TEXT_MAX + 4];

			snprintf(both, sizeof(both), "%s%s", word[i], word[i + 1]);
			if (!take_clock(w, both))
				return false;
			took = 2;
		} else if (!take_word(w, word[i])) {
			return false;
		}
	}
	return resolve(w, out);
}

bool when_parse(const char *text, const struct calendar *cal, int64_t now_ms,
		struct when *out, struct err *err)
{
	struct words w = { .text = text,
			   .cal = cal,
			   .err = err,
			   .now_s = now_ms / 1000 - (now_ms % 1000 < 0) };
	char copy[TEXT_MAX], *slash, *end;

	*out = (struct when){ 0 };
	text += strspn(text, " \t");
	if (!*text || strlen(text) >= sizeof(copy))
		return lost(&w);
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash) {
		*slash = '\0';
		if (!parse_duration(slash + 1, &out->len_ms) || out->len_ms <= 0)
			return err_set(err,
				       "\"%s\": behind / stands a length, as in "
				       "\"10:35/15m\"",
				       w.text);
	}
	for (end = copy + strlen(copy); end > copy && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	if (simple(copy, now_ms, out))
		return true;
	calendar_at(cal, w.now_s, &w.today);
	return parse_words(copy, &w, out);
}

static int64_t bin_of(int64_t ms)
{
	int64_t over = ms % BIN_MS;

	return ms - over - (over < 0 ? BIN_MS : 0);
}

bool when_at(const char *text, const struct calendar *cal, int64_t now_ms,
	     int64_t *from_ms, int64_t *to_ms, struct err *err)
{
	struct when w;

	if (!when_parse(text, cal, now_ms, &w, err))
		return false;
	if (w.ms > now_ms)
		return err_set(err, "\"%s\" is still to come", text);
	*from_ms = w.len_ms || w.span_ms ? w.ms : bin_of(w.ms);
	*to_ms = *from_ms + (w.len_ms ? w.len_ms : w.span_ms ? w.span_ms : BIN_MS);
	return true;
}

/* The same time of day on the day after. */
static int64_t day_after(const struct calendar *cal, int64_t ms)
{
	struct local_time t, next;
	int64_t s = ms / 1000;

	calendar_at(cal, s, &t);
	calendar_at(cal, calendar_unix(cal, t.year, t.month, t.day, 12, 0, 0) + DAY_S,
		    &next);
	return calendar_unix(cal, next.year, next.month, next.day, t.hour, t.minute,
			     t.second) *
		   1000 +
	       ms % 1000;
}

/* The first one after `from` of a time of day that is at ms on some day before now. */
static int64_t first_after(const struct calendar *cal, int64_t ms, int64_t from_ms)
{
	int64_t days = (from_ms - ms) / (DAY_S * INT64_C(1000));
	struct local_time t, there;

	if (ms > from_ms) { /* back to the day of from */
		calendar_at(cal, ms / 1000, &t);
		calendar_at(cal, from_ms / 1000, &there);
		ms = calendar_unix(cal, there.year, there.month, there.day, t.hour,
				   t.minute, t.second) *
			 1000 +
		     ms % 1000;
	} else if (days > 1) {
		ms += (days - 1) * DAY_S * 1000;
	}
	while (ms <= from_ms)
		ms = day_after(cal, ms);
	return ms;
}

bool when_between(const char *from, const char *to, const struct calendar *cal,
		  int64_t now_ms, int64_t *from_ms, int64_t *to_ms, struct err *err)
{
	struct when a = { 0 }, b = { .ms = now_ms };

	if (from && !when_parse(from, cal, now_ms, &a, err))
		return false;
	if (from && a.ms > now_ms)
		return err_set(err, "\"%s\" is still to come", from);
	if (from && a.len_ms && to)
		return err_set(err, "\"%s\" tells a length already, so --to has no place",
			       from);
	if (to && !when_parse(to, cal, now_ms, &b, err))
		return false;
	if (from && a.len_ms)
		b.ms = a.ms + a.len_ms;
	else if (to && from && b.clock_only)
		b.ms = first_after(cal, b.ms, a.ms);
	*to_ms = b.ms + (to ? b.span_ms : 0);
	*from_ms = from ? a.ms : *to_ms - BIN_MS;
	if (*to_ms <= *from_ms)
		return err_set(err, "the range ends (%s) before it begins (%s)",
			       to ? to : "now", from ? from : "five minutes before");
	return true;
}
