/* holtwinters.c - outside the band of a smoothed day, several times in a row.
 * SPDX-License-Identifier: ISC
 *
 * Triple exponential smoothing with a season of one local day (Holt 1957, Winters
 * 1960) and a band of smoothed deviations, as Brutlag (LISA 2000) made it known for
 * network traffic: raised when `misses` of the last `window` bins were more than
 * `delta` deviations from what was predicted. Two things differ. It works on
 * logarithms, so a band is a factor and quiet nights do not go below zero. And a
 * bin outside the band pulls as if it lay on its edge, or a flood would teach
 * the model within minutes that floods are normal.
 *
 * It is here for those who know it from RRDtool, and as a yardstick: on the
 * same series `seasonal` finds more at a fraction of the false alarms.
 */
#include "detectors/detector.h"

#include <math.h>

struct conf {
	double alpha, beta, gamma, delta, misses, window;
};

struct state {
	float season[SLOTS_DAY], spread[SLOTS_DAY];
	float level, trend;
	uint32_t missed;            /* newest bin in bit 0 */
	uint8_t days[SLOTS_DAY];    /* that a slot has learnt from */
	uint8_t side, began, above; /* above: of the newest bin that missed */
};

static const struct opt opts[] = {
	{ "alpha", OPT_NUMBER, 0.02, 1e-6, 1, offsetof(struct conf, alpha),
	  "share of the level that one bin renews" },
	{ "beta", OPT_NUMBER, 0.0005, 0, 1, offsetof(struct conf, beta),
	  "share of the trend that one bin renews" },
	{ "gamma", OPT_NUMBER, 0.2, 1e-6, 1, offsetof(struct conf, gamma),
	  "share of the season that one day renews" },
	{ "delta", OPT_NUMBER, 3, 0.1, 100, offsetof(struct conf, delta),
	  "half width of the band, in deviations" },
	{ "misses", OPT_NUMBER, 7, 1, 32, offsetof(struct conf, misses),
	  "raise when so many bins were outside" },
	{ "window", OPT_NUMBER, 9, 1, 32, offsetof(struct conf, window),
	  "of so many" },
	{ .name = NULL },
};

enum { DAYS_ARMED = 3 };
static const float least_spread = 0.02f;

static float to_log(double v)
{
	return v < 0 ? -log1pf((float)-v) : log1pf((float)v);
}

static double from_log(float x)
{
	return x < 0 ? -expm1(-x) : expm1(x);
}

static unsigned misses(const struct conf *c, uint32_t missed)
{
	unsigned n = (unsigned)c->window;

	return (unsigned)__builtin_popcount(n >= 32 ? missed : missed & ((1u << n) - 1));
}

/* Distance from what was predicted; fills out. *limit: half width of the band. */
static float look(const struct conf *c, const struct state *s, const struct point *p,
		  float *limit, struct verdict *out)
{
	unsigned slot = p->slot % SLOTS_DAY;
	float expected = s->level + s->trend + s->season[slot];
	float off = to_log(p->value) - expected;

	*limit = (float)c->delta * fmaxf(s->spread[slot], least_spread);
	*out = (struct verdict){ .side = s->side, .low = NAN, .median = NAN, .high = NAN,
				 .view = s->side == SIDE_NONE ? "" : "outside its band" };
	if (s->days[slot] < DAYS_ARMED)
		out->armed_in_s = (uint32_t)(DAYS_ARMED - s->days[slot]) * 86400;
	if (p->gap || s->days[slot] < DAYS_ARMED)
		return off;
	out->low = from_log(expected - *limit);
	out->median = from_log(expected);
	out->high = from_log(expected + *limit);
	return off;
}

static void learn(const struct conf *c, struct state *s, const struct point *p, float off,
		  float limit)
{
	unsigned slot = p->slot % SLOTS_DAY;
	float pull = off, x = to_log(p->value), level;

	if (!s->began) {
		s->began = true;
		s->level = x;
		off = pull = 0;
	}
	if (!s->days[slot]) { /* the first day is taken as it is */
		s->season[slot] = x - s->level;
		s->days[slot] = 1;
		return;
	}
	if (s->days[slot] >= DAYS_ARMED)
		pull = fminf(fmaxf(off, -limit), limit);
	level = s->level + s->trend + (float)c->alpha * pull;
	s->trend += (float)c->beta * (level - s->level - s->trend);
	s->level = level;
	s->season[slot] += (float)c->gamma * (1 - (float)c->alpha) * pull;
	s->spread[slot] += (s->days[slot] == 1 ? 1 : (float)c->gamma) *
			   (fabsf(pull) - s->spread[slot]);
	if (s->days[slot] < UINT8_MAX)
		s->days[slot]++;
}

static void step(const void *conf, void *state, const struct point *p,
		 struct verdict *out)
{
	const struct conf *c = conf;
	struct state *s = state;
	float limit, off = look(c, s, p, &limit, out);
	bool out_of_band = !p->gap && !out->armed_in_s && fabsf(off) > limit;
	enum side was = s->side;

	s->missed = s->missed << 1 | out_of_band; /* a gap is no miss */
	if (out_of_band)
		s->above = off > 0;
	s->side = SIDE_NONE;
	if (misses(c, s->missed) >= c->misses)
		s->side = s->above ? SIDE_UP : SIDE_DOWN;
	out->side = s->side;
	out->fresh = s->side != SIDE_NONE && s->side != was;
	out->score = misses(c, s->missed) / c->misses;
	out->news = out->fresh ? out->score : 0;
	out->view = s->side == SIDE_NONE ? "" : "outside its band";
	if (!p->gap && p->train)
		learn(c, s, p, off, limit);
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	const struct conf *c = conf;
	const struct state *s = state;
	float limit, off = look(c, s, p, &limit, out);
	bool above = !p->gap && !out->armed_in_s && off > limit;
	unsigned n = misses(c, s->missed << 1 | above);

	out->score = n / c->misses;
	if (s->side == SIDE_NONE && above && n >= c->misses) {
		out->side = SIDE_UP;
		out->fresh = true;
		out->view = "outside its band";
		out->news = out->score;
	}
}

const struct detector detector_holtwinters = {
	.name = "holtwinters",
	.doc = "outside the band of a smoothed day, several times in a row",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.state_size = sizeof(struct state),
	.version = 1,
	.step = step,
	.judge = judge,
};
