/* times.h - when a flow was, by our clock.
 * SPDX-License-Identifier: ISC
 *
 * The order is DESIGN D1's and nowhere else: what a record says becomes Unix
 * time by the exporter's clock (times_uptime), the clock's error is taken off
 * (times_skew), the end is clamped to [received - 31 d, received + 60 s] and the
 * start to at most 31 days before it, and only what is impossible falls back to
 * the receive time, counted (times_settle).
 */
#ifndef CUL_COLLECT_TIMES_H
#define CUL_COLLECT_TIMES_H

#include "daemon/collect/exporter.h"

#define TIMES_PAST_MS (INT64_C(31) * 86400 * 1000) /* an end may be so long ago */
enum {
	TIMES_FUTURE_MS = 60 * 1000, /* and so far ahead */
	TIMES_SKEW_MS = 2000,        /* a smaller error of a clock is left alone */
};

/* Unix ms of the uptime t when the uptime is `uptime` at now_ms; modulo 2^32 ms (49.7
 * days). The last 32 days are the past, so that a flow of a month is one. What is older
 * is the past too when the uptime has not wrapped since; else, and within an hour, it is
 * ahead of `uptime`, as some exporters' times are. */
static inline int64_t times_uptime(int64_t now_ms, uint32_t uptime, uint32_t t)
{
	uint32_t ago = uptime - t, ahead = t - uptime;

	if (__builtin_expect(ago > UINT32_C(32) * 86400 * 1000, 0) &&
	    (t > uptime || ahead < UINT32_C(3600) * 1000))
		return now_ms + ahead;
	return now_ms - ago;
}

/* Unix ms of an NTP time (RFC 5905): 32 bits of seconds since 1900, 32 of fraction. */
int64_t times_ntp(uint64_t ntp);

/* Takes the header's uptime together with d->export_ms and makes export_ms as good as
 * it can be: whole seconds get their milliseconds back from the smoothed boot time
 * of d->dom. True when the uptime says that the exporter restarted. d->dom may be
 * NULL. */
bool times_header(struct dgram *d, uint32_t uptime);

/* Takes d->export_ms against d->received_ms and sets d->shift_ms. */
void times_skew(struct dgram *d);

/* IPFIX uptimes (IE 21, 22) with nothing said of the boot time (IE 160): estimates it
 * from the newest end in this set. Returns the Unix ms when uptime was 0. */
int64_t times_guess_boot(struct dgram *d, uint32_t newest_end);
/* IE 160; false when it cannot be true. */
bool times_sysinit_ok(const struct dgram *d, int64_t sysinit_ms);

/* Shifts, clamps and falls back in rows [from, to) of b. */
void times_settle(struct dgram *d, struct block *b, uint32_t from, uint32_t to);

#endif
