/* times.c - when a flow was, by our clock.
 * SPDX-License-Identifier: ISC
 *
 * Boot time. NetFlow v9 says its clock in whole seconds and its uptime in
 * milliseconds, so boot = clock - uptime wanders over a second from datagram to
 * datagram. A clock that is cut to seconds is never ahead of the true one,
 * hence the highest of the recent values is the best: a higher one is taken at
 * once, a lower one pulls slowly (a crystal runs apart from NTP by some
 * milliseconds an hour). One that is more than a second and a half off is no noise but a
 * restart, a wrap of the uptime (49.7 days) or a step of the clock, and taken
 * at once.
 *
 * Skew. Export time against receive time, smoothed over sixteen datagrams. A
 * datagram that disagrees by more than two seconds is corrected by its own
 * error, so one with a mad header (they are in every corpus) moves nothing but
 * itself; three in a row that agree with each other are a clock that was set.
 *
 * IPFIX uptimes without IE 160 are relative to nothing (RFC 7011 leaves that to
 * the exporter's goodwill, and many send them). No flow ends after its export,
 * so export - end is never below the boot time, and flows that end with a FIN
 * are exported at once, so the lowest of the last seconds is close. Two
 * buckets of at least a second and eight datagrams slide along, because an
 * estimate that could only fall would be wrong for ever after a restart.
 */
#include "daemon/collect/times.h"

#include <stdlib.h>

enum { BOOT_NOISE_MS = 1500, BUCKET_MS = 1000, BUCKET_DATAGRAMS = 8, REORDER_MS = 60000 };

#define NTP_TO_UNIX_S INT64_C(2208988800)
#define UNIX_FROM_S UINT64_C(1000000000) /* 2001 */
#define UNIX_TO_S UINT64_C(2145916800)   /* 2038 */

int64_t times_ntp(uint64_t ntp)
{
	int64_t s = (int64_t)(ntp >> 32) - NTP_TO_UNIX_S;
	uint64_t us = ((ntp & UINT32_MAX) * 1000000 + (UINT64_C(1) << 31)) >> 32;

	if (!ntp)
		return 0;
	/* Some send the Unix clock all the same (NTP's era 1 says 2036 and 2043 there). */
	if (ntp >= UNIX_FROM_S * 1000000 && ntp < UNIX_TO_S * 1000000)
		return (int64_t)(ntp / 1000);
	if (ntp >= UNIX_FROM_S * 1000000000 && ntp < UNIX_TO_S * 1000000000)
		return (int64_t)(ntp / 1000000);
	/* Era 1 begins in 2036; before 1968 nobody exported flows (RFC 4330 sec. 3). */
	if (!(ntp >> 63))
		s += INT64_C(1) << 32;
	/* A fraction that was cut when it was made of decimals is a little too low. */
	return s * 1000 + (int64_t)(us / 1000);
}

/* The uptime fell by more than datagrams overtake each other, and did not wrap. */
static bool restarted(struct domain *dom, uint32_t uptime)
{
	uint32_t back = dom->uptime - uptime;

	if (!dom->uptime_known || uptime >= dom->uptime)
		return false;
	return back > REORDER_MS && back < UINT32_MAX / 2;
}

bool times_header(struct dgram *d, uint32_t uptime)
{
	struct domain *dom = d->dom;
	int64_t boot = d->export_ms - uptime, off;
	bool fresh;

	d->uptime_known = true;
	d->uptime = uptime;
	if (!dom)
		return false;
	fresh = restarted(dom, uptime);
	off = boot - dom->boot_ms;
	if (!dom->uptime_known || llabs(off) > BOOT_NOISE_MS || !d->whole_seconds)
		dom->boot_ms = boot;
	else if (off > 0)
		dom->boot_ms = boot;
	else if (off < -1000)
		dom->boot_ms += (off + 1000) / 2;
	dom->uptime_known = true;
	dom->uptime = uptime;
	if (d->whole_seconds) {
		d->export_ms = dom->boot_ms + uptime;
		d->whole_seconds = false;
	}
	return fresh;
}

void times_skew(struct dgram *d)
{
	struct exporter_state *x = d->x;
	int64_t sample = d->export_ms - d->received_ms + (d->whole_seconds ? 500 : 0);
	int64_t skew;

	if (!d->export_ms)
		return;
	if (!x->skew_known) {
		x->skew_known = true;
		x->skew16 = sample * 16;
	}
	if (llabs(sample - x->skew16 / 16) <= TIMES_SKEW_MS) {
		x->skew16 += sample - x->skew16 / 16;
		x->skew_odd = 0;
		skew = x->skew16 / 16;
	} else {
		if (!x->skew_odd || llabs(sample - x->skew_odd_ms) > TIMES_SKEW_MS)
			x->skew_odd = 0;
		x->skew_odd_ms = sample;
		if (++x->skew_odd >= 3) {
			x->skew16 = sample * 16;
			x->skew_odd = 0;
		}
		skew = sample;
	}
	d->shift_ms = llabs(skew) > TIMES_SKEW_MS ? skew : 0;
	__atomic_store_n(&x->exporter->ledger.skew_ms, x->skew16 / 16, __ATOMIC_RELAXED);
}

int64_t times_guess_boot(struct dgram *d, uint32_t newest_end)
{
	struct domain *dom = d->dom;
	int64_t now = d->export_ms + (d->whole_seconds ? 999 : 0);
	int64_t boot = now - newest_end;

	if (!dom)
		return boot;
	if (!dom->boot_seen || (d->received_ms - dom->boot_since_ms >= BUCKET_MS &&
				dom->boot_seen >= BUCKET_DATAGRAMS)) {
		dom->boot_low[1] = dom->boot_seen ? dom->boot_low[0] : boot;
		dom->boot_low[0] = boot;
		dom->boot_since_ms = d->received_ms;
		dom->boot_seen = 0;
	}
	dom->boot_seen++;
	/* An uptime that wrapped, or another machine: nothing here is comparable. */
	if (boot < dom->boot_low[0] - TIMES_PAST_MS)
		dom->boot_low[0] = dom->boot_low[1] = boot;
	if (boot < dom->boot_low[0])
		dom->boot_low[0] = boot;
	dom->boot_ms = dom->boot_low[0] < dom->boot_low[1] ? dom->boot_low[0]
							   : dom->boot_low[1];
	return dom->boot_ms;
}

bool times_sysinit_ok(const struct dgram *d, int64_t sysinit_ms)
{
	return sysinit_ms > 0 && sysinit_ms <= d->export_ms + 86400 * 1000 &&
	       sysinit_ms > d->export_ms - INT64_C(20) * 365 * 86400 * 1000;
}

static bool possible(int64_t t)
{
	return t > 0 && t < INT64_C(1) << 43; /* to the year 2248 */
}

/* What is left of a pair of times of which the fast way below could make nothing. */
static void settle_odd(struct dgram *d, struct block *b, uint32_t row, int64_t start,
		       int64_t end)
{
	int64_t low = d->received_ms - TIMES_PAST_MS;
	int64_t high = d->received_ms + TIMES_FUTURE_MS;
	int64_t only = start ? start : end;
	bool told = start || end, once = (!start || !end) && only >= low && only <= high;
	uint8_t note = NOTE_TIME_CLAMPED;

	/* A header whose clock is wrong over records whose times are right: what the
	 * correction made impossible was better without it. */
	if (d->shift_ms && (end < low || end > high) && possible(end) &&
	    end + d->shift_ms >= low && end + d->shift_ms <= high) {
		end += d->shift_ms;
		start += possible(start) ? d->shift_ms : 0;
	}
	if (!possible(end))
		end = possible(start) ? start : 0;
	if (!possible(start) || start > end)
		start = end;
	if (!end) {
		start = end = d->received_ms;
		note = told ? NOTE_TIME_CLAMPED | NOTE_TIME_RECEIVED : NOTE_TIME_RECEIVED;
	} else if (end < low || end > high) {
		int64_t to = end < low ? low : high;

		start = to - (end - start); /* it lasted as long as it lasted */
		end = to;
	}
	if (start < end - TIMES_PAST_MS)
		start = end - TIMES_PAST_MS;
	b->start_ms[row] = start;
	b->end_ms[row] = end;
	if (once) /* a moment: one time is all there is to tell */
		return;
	if (told)
		ledger_add(&d->x->exporter->ledger.times_clamped, 1);
	block_use(b, F_notes);
	b->notes[row] |= note;
}

void times_settle(struct dgram *d, struct block *b, uint32_t from, uint32_t to)
{
	int64_t low = d->received_ms - TIMES_PAST_MS, shift = d->shift_ms;
	const uint64_t span = TIMES_PAST_MS + TIMES_FUTURE_MS;

	block_use(b, F_start_ms);
	block_use(b, F_end_ms);
	for (uint32_t i = from; i < to; i++) {
		int64_t start = b->start_ms[i], end = b->end_ms[i];

		if (shift) {
			start -= possible(start) ? shift : 0;
			end -= possible(end) ? shift : 0;
		}
		bool odd = (uint64_t)end - (uint64_t)low > span ||
			   (uint64_t)end - (uint64_t)start > TIMES_PAST_MS;

		if (__builtin_expect(odd, 0)) {
			settle_odd(d, b, i, start, end);
			continue;
		}
		b->start_ms[i] = start;
		b->end_ms[i] = end;
	}
}
