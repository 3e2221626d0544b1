/* calendar.h - local wall-clock time, and where in the week it lies.
 * SPDX-License-Identifier: ISC
 *
 * The zone is data of its own, not the process's TZ: a test, a backtest and a
 * daemon with a `timezone` setting each have theirs. Immutable once made, so
 * any thread may ask. Adding holidays comes before sharing.
 */
#ifndef CUL_MODEL_CALENDAR_H
#define CUL_MODEL_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"

struct calendar;

struct local_time {
	int year;        /* 2026 */
	int month, day;  /* 1..12, 1..31 */
	int weekday;     /* 0 is Monday */
	int hour, minute, second;
	int slot;        /* of five minutes in the local week, 0..2015 */
	bool holiday;    /* on the list */
	bool rest;       /* Saturday, Sunday or holiday */
	int32_t utc_off_s; /* local minus UTC */
};

/* zone: "Europe/Amsterdam", "UTC", "local" (what $TZ or /etc/localtime says), or a
 * POSIX rule "CET-1CEST,M3.5.0,M10.5.0/3". NULL: e says why. Gives. */
struct calendar *calendar_new(const char *zone, struct err *e);
void calendar_free(struct calendar **c);

/* One ISO date a line, blank lines and # comments allowed. False: e names the line. */
bool calendar_load_holidays(struct calendar *c, const char *path, struct err *e);
/* "2026-12-25"; the same day twice is harmless. */
bool calendar_add_holiday(struct calendar *c, const char *date, struct err *e);

void calendar_at(const struct calendar *c, int64_t unix_s, struct local_time *out);

/* Unix time of a wall-clock time. One that the clock skips in spring counts on from
 * before the change; one that comes twice in autumn is the first. */
int64_t calendar_unix(const struct calendar *c, int year, int month, int day, int hour,
		      int minute, int second);
/* Start of the local day that unix_s lies in. */
int64_t calendar_midnight(const struct calendar *c, int64_t unix_s);

#endif
