/* when.h - times as a person says them.
 * SPDX-License-Identifier: ISC
 *
 *	now   -2h   2 hours ago   10:35   10:35:20   9am   noon   midnight
 *	yesterday 10:35   today   monday 9:00   last friday   23 nov 10:35
 *	2026-11-23   2026-11-23 10:35   2026-11-23T10:35:00Z   …+01:00
 *	1795430100 (Unix seconds; thirteen digits are milliseconds)
 *
 * and any of them with a length: "yesterday 10:35/15m". A time of day alone is the
 * last one there was, a weekday the last one that has begun. Local times are those of
 * the calendar; one that the clock skipped or showed twice is refused with a sentence
 * that says how to mean one. Nothing here reads a clock.
 */
#ifndef CUL_CLI_WHEN_H
#define CUL_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/calendar.h"

struct when {
	int64_t ms;      /* Unix time */
	int64_t span_ms; /* of the words: a whole day for "yesterday", 0 for an instant */
	int64_t len_ms;  /* what stood behind "/"; 0: nothing did */
	bool clock_only; /* a time of day without its day */
};

/* One time. False + err, one sentence. */
bool when_parse(const char *text, const struct calendar *cal, int64_t now_ms,
		struct when *out, struct err *err);

/* What --at means: the five-minute bin that holds the time, the whole day for a day, or
 * the length that is told, from the time on. [*from_ms, *to_ms) */
bool when_at(const char *text, const struct calendar *cal, int64_t now_ms,
	     int64_t *from_ms, int64_t *to_ms, struct err *err);

/* What --from and --to mean; either may be NULL (to: now; from: five minutes before
 * `to`). A time of day in `to` is the first one after `from`; a day in `to` is meant
 * with all of it. */
bool when_between(const char *from, const char *to, const struct calendar *cal,
		  int64_t now_ms, int64_t *from_ms, int64_t *to_ms, struct err *err);

#endif
