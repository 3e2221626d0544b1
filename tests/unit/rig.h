/* rig.h - a detector, an office link that is invented, and hands to feed the one the other.
 * SPDX-License-Identifier: ISC
 *
 * An office link with two humps by day, quiet nights and days of rest, a nightly job at
 * 02:00 of half an hour, lone bursts, 10 % noise from a generator of our own, so that
 * every run sees the same.
 */
#ifndef CUL_TESTS_RIG_H
#define CUL_TESTS_RIG_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "detectors/detector.h"

enum {
	BIN = 300,
	DAY = 288,
	WEEK = 2016,
	MONDAY_S = 1767571200 /* 2026-01-05 00:00 UTC */
};

struct rig {
	const struct detector *d;
	double conf[16];
	void *state;
	uint64_t seed;
	int bin; /* next one */
};

static inline void rig_open(struct rig *r, const char *name)
{
	*r = (struct rig){ .d = detector_find(name), .seed = 10 };
	assert_non_null(r->d);
	assert_true(r->d->conf_size <= sizeof(r->conf));
	opt_defaults(r->d->opts, r->conf);
	r->state = xcalloc(1, r->d->state_size);
}

static inline void rig_set(struct rig *r, const char *name, double v)
{
	const struct opt *o = opt_find(r->d->opts, name);

	assert_non_null(o);
	*(double *)((char *)r->conf + o->off) = v;
}

static inline void rig_close(struct rig *r)
{
	free(r->state);
}

static inline double noise(struct rig *r) /* -1 .. 1, peaked in the middle */
{
	double sum = 0;

	for (int i = 0; i < 3; i++) {
		r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
		sum += (double)(r->seed >> 33) / 2147483648.0 - 0.5;
	}
	return sum / 1.5;
}

static inline double hump(double hour, double at, double width)
{
	return exp(-0.5 * (hour - at) * (hour - at) / (width * width));
}

/* What the office does in this bin; job: the nightly one runs, `late` bins late. */
static inline double office(struct rig *r, int bin, bool rest, bool job, int late)
{
	double hour = bin % DAY / 12.0, v = 0.08;

	v += rest ? 0.05 * hump(hour, 13, 4)
		  : 0.9 * hump(hour, 10.5, 1.8) + 0.85 * hump(hour, 15, 2);
	v *= exp(0.3 * noise(r));
	if (job && bin % DAY >= 24 + late && bin % DAY < 30 + late)
		v += 1.2;
	if (noise(r) > 0.83) /* an ordinary large transfer, four or five a week */
		v += 0.6 + 0.8 * fabs(noise(r));
	return v * 2e7;
}

static inline struct point point_of(int bin, double value)
{
	int slot = bin % WEEK;

	return (struct point){ .at_s = MONDAY_S + (int64_t)bin * BIN, .step_s = BIN,
			       .slot = (uint16_t)slot, .rest = slot >= 5 * DAY,
			       .train = true, .value = value };
}

/* An ordinary bin with a factor and something on top. */
static inline struct verdict feed(struct rig *r, double times, double plus)
{
	struct point p = point_of(r->bin, 0);
	struct verdict v;

	p.value = office(r, r->bin++, p.rest, true, 0) * times + plus * 2e7;
	r->d->step(r->conf, r->state, &p, &v);
	return v;
}

static inline void feed_quietly(struct rig *r, int bins)
{
	while (bins-- > 0) {
		struct verdict v = feed(r, 1, 0);

		assert_int_equal(v.side, SIDE_NONE);
		assert_false(isnan(v.score));
	}
}

static inline void learn(struct rig *r, int bins)
{
	while (bins-- > 0)
		feed(r, 1, 0);
}

/* Feeds bins until an alert stands; how many it took, or -1. */
static inline int until_alert(struct rig *r, int bins, double times, double plus, enum side side)
{
	for (int i = 0; i < bins; i++) {
		struct verdict v = feed(r, times, plus);

		if (v.side != SIDE_NONE) {
			assert_int_equal(v.side, side);
			assert_true(v.fresh);
			assert_true(*v.view);
			assert_true(v.score >= 1);
			return i;
		}
	}
	return -1;
}

#endif
