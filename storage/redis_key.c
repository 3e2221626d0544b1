/* redis_key.c - what is called what in a Redis, and what a record looks like.
 * SPDX-License-Identifier: ISC
 *
 * Every key has a time to live. S is a series' name, W a writer's.
 *
 *   culprit:{S}:5m:2026-11-23     string, a UTC day of 288 records
 *   culprit:{S}:1h:2026-11        string, a UTC month of up to 744 records
 *   culprit:{S}:1d:2026           string, a year of up to 366 records, by local date
 *   culprit:{S}:amended:W         string, the last batch that amended S
 *   culprit:{series}:names        sorted set, all scores 0: in the order of names
 *   culprit:{series}:seen         sorted set by the start of the newest bin
 *   culprit:{alerts}:id:ID        hash: body (JSON), at (ms), state
 *   culprit:{alerts}:by-time      sorted set of ids by started at (ms)
 *   culprit:{alerts}:changes      stream: id, state, at; about the last 10 000
 *   culprit:{alerts}:amended:W    string, the last batch with alerts
 *   culprit:{blobs/SPACE}:key:K   string
 *   culprit:{blobs/SPACE}:keys    sorted set, all scores 0
 *   culprit:batch:W               string, the last batch that is wholly here
 *
 * What stands in braces decides the slot of a cluster, so a MULTI never spans
 * slots. A record, 48 octets, little-endian; a record of zeros is a gap:
 *
 *    0        1               4         8       16        24      32     40     48
 *   +--------+---------------+---------+-------+---------+-------+------+------+
 *   | there=1| shift, signed | covered | bytes | packets | flows | peak | gauge|
 *   +--------+---------------+---------+-------+---------+-------+------+------+
 *
 * shift: seconds from the slot's own start to the bin's (local midnight is not
 * UTC midnight; zero for bins and hours). peak and gauge are IEEE doubles.
 *
 * Example: `GETRANGE "culprit:{wan|interface=192.0.2.1/WAN/in}:5m:2026-11-23"
 * 6048 6095` is the bin of 10:30 UTC: slot 126, times 48.
 */
#include "storage/redis_key.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	DAY = 86400,
	/* A local midnight plus so much lies in its date's UTC day, for every zone east
	 * of 10:06 behind Greenwich; for the few behind that, always one day later. No
	 * zone changes its clock across this line, so no two midnights share a slot. */
	MIDNIGHT_SHIFT = 13 * 3600 + 54 * 60,
};

static void inert(struct strb *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		/* Braces would move the tag, the others are patterns to KEYS and SCAN. */
		if (c < 0x20 || c == 0x7f || strchr("{}%*?[]\\\"", c))
			strb_fmt(out, "%%%02X", c);
		else
			strb_addc(out, (char)c);
	}
}

const char *redis_key(struct strb *out, const char *kind, const char *tag, const char *rest)
{
	out->len = 0;
	strb_add(out, "culprit:{");
	strb_add(out, kind);
	inert(out, tag);
	strb_add(out, "}:");
	inert(out, rest);
	return out->s;
}

struct span span_of(uint32_t step, int64_t start_s, uint32_t *slot)
{
	struct span s = { .step = step };
	time_t at = (time_t)(step == STEP_DAY ? start_s + MIDNIGHT_SHIFT : start_s);
	struct tm tm = { 0 }, end;
	int64_t date_s;

	gmtime_r(&at, &tm);
	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	end = tm;
	date_s = timegm(&end); /* of the day, before it is made the span's first */
	if (step == STEP_BIN) {
		strftime(s.name, sizeof(s.name), "5m:%Y-%m-%d", &tm);
		tm.tm_mday++;
	} else if (step == STEP_HOUR) {
		strftime(s.name, sizeof(s.name), "1h:%Y-%m", &tm);
		end.tm_mday = tm.tm_mday = 1;
		tm.tm_mon++;
	} else {
		strftime(s.name, sizeof(s.name), "1d:%Y", &tm);
		end.tm_mday = tm.tm_mday = 1;
		end.tm_mon = tm.tm_mon = 0;
		tm.tm_year++;
	}
	s.first_s = timegm(&end);
	s.next_s = timegm(&tm);
	*slot = (uint32_t)(((step == STEP_DAY ? date_s : start_s) - s.first_s) / step);
	return s;
}

struct span span_after(const struct span *s)
{
	int64_t at = s->next_s;
	uint32_t slot;

	if (s->step == STEP_DAY)
		at += DAY / 2 - MIDNIGHT_SHIFT; /* somewhere in its first date */
	return span_of(s->step, at, &slot);
}

static void write_le(uint8_t *to, uint64_t v, int octets)
{
	for (int i = 0; i < octets; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t read_le(const uint8_t *from, int octets)
{
	uint64_t v = 0;

	for (int i = octets; i--;)
		v = v << 8 | from[i];
	return v;
}

static uint64_t bits_of(double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	return u;
}

static double double_of(uint64_t u)
{
	double v;

	memcpy(&v, &u, sizeof(v));
	return v;
}

void record_write(uint8_t to[static RECORD], const struct span *s, uint32_t slot,
		  const struct bin *b)
{
	int64_t shift = b->start_s - (s->first_s + (int64_t)slot * s->step);

	to[0] = 1;
	write_le(to + 1, (uint64_t)shift, 3);
	write_le(to + 4, b->covered, 4);
	write_le(to + 8, b->bytes, 8);
	write_le(to + 16, b->packets, 8);
	write_le(to + 24, b->flows, 8);
	write_le(to + 32, bits_of(b->peak), 8);
	write_le(to + 40, bits_of(b->gauge), 8);
}

bool record_read(const uint8_t from[static RECORD], const struct span *s, uint32_t slot,
		 struct bin *b)
{
	int64_t shift = (int64_t)read_le(from + 1, 3);

	if (from[0] != 1)
		return false;
	if (shift & 0x800000)
		shift -= 0x1000000;
	*b = (struct bin){
		.step = s->step,
		.start_s = s->first_s + (int64_t)slot * s->step + shift,
		.covered = (uint32_t)read_le(from + 4, 4),
		.bytes = read_le(from + 8, 8),
		.packets = read_le(from + 16, 8),
		.flows = read_le(from + 24, 8),
		.peak = double_of(read_le(from + 32, 8)),
		.gauge = double_of(read_le(from + 40, 8)),
	};
	return true;
}
