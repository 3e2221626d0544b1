/* hours.h - calendar expressions: when in the week, the month, the year.
 * SPDX-License-Identifier: ISC
 *
 *	mon-fri 08:00-18:00          sat,sun 22:00-02:00       daily 03:00-04:30
 *	2nd-tue 20:00-24:00          last-sun                  1st 00:00-06:00
 *	2026-12-24 .. 2027-01-02     holidays                  weekdays 9:00-17:00 except holidays
 *
 * Days, then the times of day that count on them (none: the whole day); commas and
 * semicolons mean nothing more than a blank. A time that ends before it begins ends on
 * the next day. Times are wall-clock times: a window from 01:00 to 04:00 lasts two hours
 * in the night in which the clock skips one, and four in the night that has one twice.
 */
#ifndef CUL_RULES_HOURS_H
#define CUL_RULES_HOURS_H

#include "daemon/base/err.h"
#include "daemon/model/calendar.h"

struct hours;

struct hours *hours_parse(const char *text, struct err *err); /* NULL + one sentence */
void hours_free(struct hours **h);
const char *hours_text(const struct hours *h); /* as it was written */

/* Is it within? Then *until_s (may be NULL) is when that ends: looked for a month ahead at
 * most. h NULL: always, without an end (INT64_MAX). */
bool hours_at(const struct hours *h, const struct calendar *c, int64_t unix_s,
	      int64_t *until_s);

#endif
