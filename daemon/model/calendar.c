/* calendar.c - local wall-clock time, and where in the week it lies.
 * SPDX-License-Identifier: ISC
 *
 * Reads compiled zone files (TZif, RFC 9636) itself, since the C library knows
 * only the process's own zone. Current files list the changes of the past and
 * end with a POSIX TZ rule for the future (RFC 9636 sec. 3.3), so both forms are
 * understood. Files are the operator's own, yet their counts are checked: a
 * broken file is an error that names it, not a crash.
 *
 * Dates are the proleptic Gregorian calendar, counted in days from 1970-01-01
 * with years that begin in March, so that the leap day comes last.
 */
#include "daemon/model/calendar.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/rd.h"

enum {
	DAY_S = 86400,
	ZONE_FILE_MAX = 256 << 10,
	CHANGES_MAX = 4096,
	HOLIDAYS_MAX = 4096
};

static const char zone_dir[] = "/usr/share/zoneinfo";

/* When a change of a yearly rule happens. */
struct rule {
	char kind; /* 'M' month.week.day, 'J' 1..365 without 29 Feb, 'N' 0..365 */
	int month, week, day;
	int32_t time_s;     /* local time of day, may be negative or over a day */
};

struct posix {
	bool valid, has_dst;
	int32_t std_off_s, dst_off_s;
	struct rule start, end; /* of summer time */
};

struct change {
	int64_t at_s;
	int32_t off_s; /* from at_s on */
};

struct calendar {
	struct change *change; /* by time */
	size_t changes;
	int32_t first_off_s;   /* before the first change */
	struct posix after;    /* from the last change on */
	int64_t *holiday;      /* day numbers, sorted */
	size_t holidays;
};

static int64_t days_from_date(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_from_days(int64_t z, int *year, int *month, int *day)
{
	z += 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int weekday_of(int64_t days) /* 0 is Monday; 1970-01-01 was a Thursday */
{
	return (int)(days + 3 - 7 * floor_div(days + 3, 7));
}

/* "CET", "<+0330>" */
static bool skip_name(const char **s)
{
	const char *p = *s;

	if (*p == '<') {
		p += strcspn(p, ">");
		if (*p != '>')
			return false;
		*s = p + 1;
		return true;
	}
	while (isalpha((unsigned char)*p))
		p++;
	bool ok = p - *s >= 3;
	*s = p;
	return ok;
}

static bool take_int(const char **s, int max, int *out)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	long v = strtol(*s, &end, 10);
	if (v > max)
		return false;
	*out = (int)v;
	*s = end;
	return true;
}

/* [+-]h[h[h]][:mm[:ss]], seconds */
static bool take_time(const char **s, int32_t *out)
{
	int sign = 1, h, m = 0, sec = 0;

	if (**s == '+' || **s == '-')
		sign = *(*s)++ == '-' ? -1 : 1;
	if (!take_int(s, 167, &h))
		return false;
	if (**s == ':' && (++*s, !take_int(s, 59, &m)))
		return false;
	if (**s == ':' && (++*s, !take_int(s, 59, &sec)))
		return false;
	*out = sign * (h * 3600 + m * 60 + sec);
	return true;
}

static bool take_rule(const char **s, struct rule *r)
{
	*r = (struct rule){ .kind = 'N', .time_s = 7200 };
	if (*(*s)++ != ',')
		return false;
	if (**s == 'M') {
		r->kind = *(*s)++;
		if (!take_int(s, 12, &r->month) || *(*s)++ != '.' ||
		    !take_int(s, 5, &r->week) || *(*s)++ != '.' ||
		    !take_int(s, 6, &r->day) || !r->month || !r->week)
			return false;
	} else {
		if (**s == 'J')
			r->kind = *(*s)++;
		if (!take_int(s, 365, &r->day) || (r->kind == 'J' && !r->day))
			return false;
	}
	return **s != '/' || (++*s, take_time(s, &r->time_s));
}

/* "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX.1, TZ); offsets there count west. */
static bool posix_parse(const char *s, struct posix *z)
{
	int32_t west;

	*z = (struct posix){ 0 };
	if (!skip_name(&s) || !take_time(&s, &west))
		return false;
	z->std_off_s = -west;
	if (*s) {
		z->has_dst = true;
		z->dst_off_s = z->std_off_s + 3600;
		if (!skip_name(&s))
			return false;
		if (*s != ',') {
			if (!take_time(&s, &west))
				return false;
			z->dst_off_s = -west;
		}
		if (!take_rule(&s, &z->start) || !take_rule(&s, &z->end) || *s)
			return false;
	}
	z->valid = true;
	return true;
}

/* Local seconds since the epoch at which r happens in that year. */
static int64_t rule_at(const struct rule *r, int year)
{
	int64_t jan1 = days_from_date(year, 1, 1), day;

	if (r->kind == 'N') {
		day = jan1 + r->day;
	} else if (r->kind == 'J') {
		bool leap = days_from_date(year, 3, 1) - jan1 == 60;

		day = jan1 + r->day - 1 + (leap && r->day >= 60);
	} else {
		int64_t first = days_from_date(year, r->month, 1);
		int64_t next = r->month == 12 ? days_from_date(year + 1, 1, 1)
					      : days_from_date(year, r->month + 1, 1);
		int wanted = (r->day + 6) % 7; /* theirs counts from Sunday */

		day = first + (wanted - weekday_of(first) + 7) % 7 + 7 * (r->week - 1);
		while (day >= next) /* the fifth week means the last */
			day -= 7;
	}
	return day * DAY_S + r->time_s;
}

static int32_t posix_offset(const struct posix *z, int64_t unix_s)
{
	int year, month, day;

	if (!z->has_dst)
		return z->std_off_s;
	date_from_days(floor_div(unix_s + z->std_off_s, DAY_S), &year, &month, &day);
	int64_t on = rule_at(&z->start, year) - z->std_off_s;
	int64_t off = rule_at(&z->end, year) - z->dst_off_s;
	bool dst = on < off ? unix_s >= on && unix_s < off : unix_s >= on || unix_s < off;

	return dst ? z->dst_off_s : z->std_off_s;
}

static int32_t offset_at(const struct calendar *c, int64_t unix_s)
{
	size_t lo = 0, hi = c->changes; /* changes[0..lo) are at or before unix_s */

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->change[mid].at_s <= unix_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == c->changes && c->after.valid)
		return posix_offset(&c->after, unix_s);
	return lo ? c->change[lo - 1].off_s : c->first_off_s;
}

struct tzif {
	uint32_t isut, isstd, leap, times, types, chars;
};

static bool tzif_header(struct rd *r, int *version, struct tzif *h)
{
	if (rd_u32(r) != 0x545a6966) /* "TZif" */
		return false;
	*version = (int)rd_uint(r, 1);
	rd_sub(r, 15);
	h->isut = rd_u32(r);
	h->isstd = rd_u32(r);
	h->leap = rd_u32(r);
	h->times = rd_u32(r);
	h->types = rd_u32(r);
	h->chars = rd_u32(r);
	return rd_ok(r) && h->times <= CHANGES_MAX && h->types >= 1 && h->types <= 256 &&
	       h->leap <= CHANGES_MAX && h->chars <= 4096 && h->isut <= 256 &&
	       h->isstd <= 256;
}

/* Octets of a data block whose times have `width` octets. */
static size_t tzif_size(const struct tzif *h, size_t width)
{
	return h->times * (width + 1) + h->types * 6 + h->chars + h->leap * (width + 4) +
	       h->isstd + h->isut;
}

static bool tzif_block(struct rd *r, const struct tzif *h, struct calendar *c)
{
	int32_t off[256];

	c->changes = h->times;
	c->change = xcalloc(h->times ? h->times : 1, sizeof(*c->change));
	for (uint32_t i = 0; i < h->times; i++)
		c->change[i].at_s = (int64_t)rd_uint(r, 8);
	struct rd types = rd_sub(r, h->times);
	for (uint32_t i = 0; i < h->types; i++) {
		off[i] = (int32_t)rd_u32(r);
		rd_sub(r, 2);
	}
	for (uint32_t i = 0; i < h->times; i++) {
		uint8_t type = (uint8_t)rd_uint(&types, 1);

		if (type >= h->types || (i && c->change[i].at_s <= c->change[i - 1].at_s))
			return false;
		c->change[i].off_s = off[type];
	}
	c->first_off_s = off[0];
	rd_sub(r, h->chars + h->leap * 12 + h->isstd + h->isut);
	return rd_ok(r);
}

static bool tzif_parse(const uint8_t *data, size_t len, struct calendar *c)
{
	struct rd r = rd_over(data, len);
	char rule[256];
	struct tzif h;
	int version;
	size_t n;

	if (!tzif_header(&r, &version, &h) || version < '2')
		return false; /* version 1 ends in 2038; nobody writes it alone now */
	rd_sub(&r, tzif_size(&h, 4));
	if (!tzif_header(&r, &version, &h) || !tzif_block(&r, &h, c))
		return false;
	n = rd_left(&r);
	if (n < 2 || n > sizeof(rule) || r.p[0] != '\n' || r.p[n - 1] != '\n')
		return false;
	memcpy(rule, r.p + 1, n - 2);
	rule[n - 2] = '\0';
	return !*rule || posix_parse(rule, &c->after); /* empty: the last change holds */
}

static bool zone_load(struct calendar *c, const char *path, struct err *e)
{
	uint8_t *data = xcalloc(1, ZONE_FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, ZONE_FILE_MAX);
	bool ok = n > 0 && tzif_parse(data, (size_t)n, c);

	if (n < 0)
		err_set(e, "%s: %s", path, strerror(errno));
	else if (!ok)
		err_set(e, "%s is not a time zone file", path);
	if (fd >= 0)
		close(fd);
	free(data);
	return ok;
}

/* Area/City, as the zone files are named; nothing that leaves their directory. */
static bool is_zone_name(const char *s)
{
	return *s && *s != '/' && !strstr(s, "..") &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789_+-/")] == '\0';
}

static bool zone_named(struct calendar *c, const char *zone, struct err *e)
{
	char path[256];

	if (!strcmp(zone, "UTC") && posix_parse("UTC0", &c->after))
		return true;
	if (is_zone_name(zone) &&
	    snprintf(path, sizeof(path), "%s/%s", zone_dir, zone) < (int)sizeof(path) &&
	    !access(path, R_OK))
		return zone_load(c, path, e);
	if (posix_parse(zone, &c->after))
		return true;
	return err_set(e,
		       "time zone \"%s\" is not known: expected a name like "
		       "Europe/Amsterdam, for which %s must have a file",
		       zone, zone_dir);
}

static bool zone_local(struct calendar *c, struct err *e)
{
	const char *tz = getenv("TZ");

	if (tz && *tz == ':')
		tz++;
	if (tz && *tz == '/')
		return zone_load(c, tz, e);
	if (tz && *tz)
		return zone_named(c, tz, e);
	if (access("/etc/localtime", R_OK)) /* a bare container: its clock is UTC */
		return zone_named(c, "UTC", e);
	return zone_load(c, "/etc/localtime", e);
}

struct calendar *calendar_new(const char *zone, struct err *e)
{
	struct calendar *c = xcalloc(1, sizeof(*c));

	if (strcmp(zone, "local") ? zone_named(c, zone, e) : zone_local(c, e))
		return c;
	calendar_free(&c);
	return NULL;
}

void calendar_free(struct calendar **c)
{
	if (!*c)
		return;
	free((*c)->change);
	free((*c)->holiday);
	free(*c);
	*c = NULL;
}

static bool date_parse(const char *s, int64_t *days)
{
	int y, m, d, y2, m2, d2;
	char end;

	if (strlen(s) != 10 || sscanf(s, "%4d-%2d-%2d%c", &y, &m, &d, &end) != 3 ||
	    m < 1 || m > 12 || d < 1)
		return false;
	*days = days_from_date(y, m, d);
	date_from_days(*days, &y2, &m2, &d2);
	return y == y2 && m == m2 && d == d2; /* not the 31st of June */
}

bool calendar_add_holiday(struct calendar *c, const char *date, struct err *e)
{
	int64_t days;
	size_t i = 0;

	if (!date_parse(date, &days))
		return err_set(e, "\"%s\" is not a date like 2026-12-25", date);
	while (i < c->holidays && c->holiday[i] < days)
		i++;
	if (i < c->holidays && c->holiday[i] == days)
		return true;
	if (c->holidays == HOLIDAYS_MAX)
		return err_set(e, "more than %d holidays", HOLIDAYS_MAX);
	c->holiday = xrealloc(c->holiday, c->holidays + 1, sizeof(*c->holiday));
	memmove(c->holiday + i + 1, c->holiday + i,
		(c->holidays - i) * sizeof(*c->holiday));
	c->holiday[i] = days;
	c->holidays++;
	return true;
}

bool calendar_load_holidays(struct calendar *c, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	struct err why;
	char line[256];
	bool ok = true;

	if (!f)
		return err_set(e, "%s: %s", path, strerror(errno));
	for (int n = 1; ok && fgets(line, sizeof(line), f); n++) {
		char *p = line + strspn(line, " \t");

		p[strcspn(p, "# \t\r\n")] = '\0';
		if (*p && !calendar_add_holiday(c, p, &why))
			ok = err_set(e, "%s:%d: %s", path, n, why.msg);
	}
	if (ok && ferror(f))
		ok = err_set(e, "%s: %s", path, strerror(errno));
	fclose(f);
	return ok;
}

static bool is_holiday(const struct calendar *c, int64_t days)
{
	size_t lo = 0, hi = c->holidays;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->holiday[mid] < days)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->holidays && c->holiday[lo] == days;
}

void calendar_at(const struct calendar *c, int64_t unix_s, struct local_time *out)
{
	int32_t off = offset_at(c, unix_s);
	int64_t days = floor_div(unix_s + off, DAY_S);
	int sec = (int)(unix_s + off - days * DAY_S);

	date_from_days(days, &out->year, &out->month, &out->day);
	out->weekday = weekday_of(days);
	out->hour = sec / 3600;
	out->minute = sec / 60 % 60;
	out->second = sec % 60;
	out->slot = out->weekday * 288 + sec / 300;
	out->holiday = is_holiday(c, days);
	out->rest = out->weekday >= 5 || out->holiday;
	out->utc_off_s = off;
}

int64_t calendar_unix(const struct calendar *c, int year, int month, int day, int hour,
		      int minute, int second)
{
	int64_t local =
	    days_from_date(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
	int32_t before = offset_at(c, local - DAY_S), after = offset_at(c, local + DAY_S);

	/* Around a change two offsets come into question. The earlier one wins when
	 * it is consistent, which is the first of the two in autumn; when neither is
	 * (skipped in spring), the offset of before counts on. */
	if (offset_at(c, local - before) == before)
		return local - before;
	if (offset_at(c, local - after) == after)
		return local - after;
	return local - before;
}

int64_t calendar_midnight(const struct calendar *c, int64_t unix_s)
{
	struct local_time t;

	calendar_at(c, unix_s, &t);
	return calendar_unix(c, t.year, t.month, t.day, 0, 0, 0);
}
