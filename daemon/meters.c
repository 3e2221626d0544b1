/* meters.c - what interfaces counted themselves, five minutes at a time.
 * SPDX-License-Identifier: ISC
 *
 * An sFlow agent samples flows, and tells beside them, every twenty seconds or so, what
 * each interface counted since its start: every octet, nothing estimated. The
 * differences go to history as the series "counters|interface=192.0.2.1/WAN/in", so that
 * the estimate can be held against them.
 *
 * A difference belongs to the time between two samples and is spread over the bins
 * there. Counters are what anybody may send (R8): a total that fell is a restart, and one
 * that grew by more than the line carries (or 10 Tbit/s, where no speed is told) is
 * believed as little; both only set a new beginning, and so does an hour of silence.
 * An exporter has at most INTERFACES_EACH interfaces here, all together
 * INTERFACES_MAX; more are left out. A bin that nothing was counted in is not told.
 */
#include "daemon/meters.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { INTERFACES_MAX = 16384, INTERFACES_EACH = 1024, BINS_MAX = 65536,
       GAP_MS = 3600000 };

#define SPEED_MOST UINT64_C(10000000000000)

struct place {
	uint32_t exporter, index;
};

struct before {
	int64_t at_ms;
	uint64_t octets[2], packets[2]; /* in, out */
};

struct open_key {
	uint32_t exporter, index, out;
	uint32_t bin; /* its number since 1970 */
};

struct open {
	uint64_t octets, packets;
	uint32_t covered;
};

struct meters {
	pthread_mutex_t lock;
	struct map before; /* struct place -> struct before */
	struct map each;   /* exporter -> how many of them */
	struct map open;   /* struct open_key -> struct open */
};

struct meters *meters_new(void)
{
	struct meters *c = xcalloc(1, sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	map_init(&c->before, sizeof(struct place), sizeof(struct before), INTERFACES_MAX);
	map_init(&c->each, sizeof(uint32_t), sizeof(uint32_t), INTERFACES_MAX);
	map_init(&c->open, sizeof(struct open_key), sizeof(struct open), BINS_MAX);
	return c;
}

void meters_free(struct meters **cp)
{
	struct meters *c = *cp;

	if (!c)
		return;
	map_fini(&c->before);
	map_fini(&c->each);
	map_fini(&c->open);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*cp = NULL;
}

/* floor(v * part / whole), which adds up; part <= whole <= GAP_MS. */
static uint64_t share(uint64_t v, uint64_t part, uint64_t whole)
{
	return v / whole * part + v % whole * part / whole;
}

/* The slices of a bin that [from, to) touches. */
static uint32_t slices(int64_t from_ms, int64_t to_ms, int64_t bin_ms)
{
	uint32_t bits = 0;

	for (int i = 0; i < STEP_BIN * 1000 / SLICE_MS; i++)
		if (from_ms < bin_ms + (i + 1) * SLICE_MS && to_ms > bin_ms + i * SLICE_MS)
			bits |= 1u << i;
	return bits;
}

static void spread(struct meters *c, const struct place *p, unsigned out, uint64_t octets,
		   uint64_t packets, int64_t from_ms, int64_t to_ms)
{
	uint64_t whole = (uint64_t)(to_ms - from_ms);
	int64_t at = from_ms;

	while (at < to_ms) {
		struct open_key k = { p->exporter, p->index, out,
				      (uint32_t)(at / (STEP_BIN * 1000)) };
		int64_t bin_ms = (int64_t)k.bin * STEP_BIN * 1000;
		int64_t end = bin_ms + STEP_BIN * 1000 < to_ms ? bin_ms + STEP_BIN * 1000
							       : to_ms;
		uint64_t a = (uint64_t)(at - from_ms), b = (uint64_t)(end - from_ms);
		struct open *o = map_put(&c->open, &k, NULL);

		if (!o)
			return;
		o->octets += share(octets, b, whole) - share(octets, a, whole);
		o->packets += share(packets, b, whole) - share(packets, a, whole);
		o->covered |= slices(at, end, bin_ms);
		at = end;
	}
}

/* The octets that fit through in that time and a second more, since agents count when
 * they like and datagrams that are read together have one time. */
static uint64_t most(uint64_t speed_bps, int64_t ms)
{
	bool told = speed_bps && speed_bps < SPEED_MOST &&
		    speed_bps != UINT32_MAX; /* "faster than this can say" */

	return (told ? speed_bps : SPEED_MOST) / 8000 * (uint64_t)(ms + 1000);
}

/* v: the total now; false: it is not told, fell, or grew beyond belief. */
static bool grew(uint64_t v, uint64_t was, uint64_t limit, uint64_t *by)
{
	if (v == UINT64_MAX || was == UINT64_MAX || v < was || v - was > limit)
		return false;
	*by = v - was;
	return true;
}

static struct before *find(struct meters *c, const struct place *p, bool *fresh)
{
	struct before *b = map_get(&c->before, p);
	uint32_t *n;

	*fresh = !b;
	if (b)
		return b;
	n = map_put(&c->each, &p->exporter, NULL);
	if (!n || *n >= INTERFACES_EACH || !(b = map_put(&c->before, p, NULL)))
		return NULL;
	++*n;
	return b;
}

void meters_take(void *arg, const struct if_counters *now)
{
	struct meters *c = arg;
	struct place p = { now->exporter, now->index };
	const uint64_t octets[2] = { now->in_octets, now->out_octets };
	const uint64_t packets[2] = { now->in_packets, now->out_packets };
	struct before *was;
	bool fresh;

	pthread_mutex_lock(&c->lock);
	was = find(c, &p, &fresh);
	if (was && (fresh || now->at_ms >= was->at_ms)) {
		int64_t ms = now->at_ms - was->at_ms;

		for (unsigned out = 0; out < 2 && !fresh && ms <= GAP_MS; out++) {
			uint64_t limit = most(now->speed_bps, ms), by, n = 0;
			/* packets_of() keeps their sum modulo 2^32 */
			uint32_t more = (uint32_t)(packets[out] - was->packets[out]);

			if (!grew(octets[out], was->octets[out], limit, &by))
				continue;
			if (packets[out] != UINT64_MAX && more <= by)
				n = more;
			if (by)
				spread(c, &p, out, by, n, was->at_ms - !ms, now->at_ms);
		}
		*was = (struct before){ now->at_ms, { octets[0], octets[1] },
					{ packets[0], packets[1] } };
	}
	pthread_mutex_unlock(&c->lock);
}

/* Interfaces that have been silent for an hour make room. */
static void renew(struct meters *c, int64_t now_ms)
{
	struct map old = c->before;
	const void *key;
	void *value;
	uint32_t at = 0;
	bool fresh;

	map_init(&c->before, sizeof(struct place), sizeof(struct before), INTERFACES_MAX);
	map_clear(&c->each);
	while (map_next(&old, &at, &key, &value)) {
		const struct before *was = value;
		struct before *to = now_ms - was->at_ms > GAP_MS ? NULL : find(c, key, &fresh);

		if (to)
			*to = *was;
	}
	map_fini(&old);
}

void meters_bins(struct meters *c, int64_t now_ms, bool last, meters_bin_f *fn,
		   void *arg)
{
	uint32_t now = (uint32_t)(now_ms / (STEP_BIN * 1000)), at = 0;
	struct map done;
	const void *key;
	void *value;
	bool over = last;

	pthread_mutex_lock(&c->lock);
	while (!over && map_next(&c->open, &at, &key, &value))
		over = ((const struct open_key *)key)->bin < now;
	done = c->open;
	if (over) {
		map_init(&c->open, sizeof(struct open_key), sizeof(struct open), BINS_MAX);
		renew(c, now_ms);
	}
	pthread_mutex_unlock(&c->lock);
	for (at = 0; over && map_next(&done, &at, &key, &value);) {
		const struct open_key *k = key;
		const struct open *o = value;
		struct key of = { { 0 } };
		struct bin b = { .start_s = (int64_t)k->bin * STEP_BIN, .step = STEP_BIN,
				 .covered = o->covered, .bytes = o->octets,
				 .packets = o->packets };

		memcpy(of.b, k, 3 * sizeof(uint32_t));
		fn(arg, &of, &b);
	}
	if (over)
		map_fini(&done);
}
