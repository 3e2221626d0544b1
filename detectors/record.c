/* record.c - more, or less, than ever before.
 * SPDX-License-Identifier: ISC
 *
 * Keeps the largest and the smallest value since the series began and raises when
 * one is passed by `margin`, a share of the range between them in logarithms. The
 * first `after` teaches only. Records get seldomer by themselves: among n values
 * that are alike the newest is the largest with a chance of 1/n, so no budget is
 * needed and none is asked for.
 *
 * A record is passed only once: the alert ends with the bin that is within the range
 * again, and the next must be larger still. That is also its weakness: after
 * one huge flood it says nothing of smaller ones, which is why it is a view of
 * `seasonal` and seldom a rule of its own.
 */
#include "detectors/detector.h"

#include <math.h>

struct conf {
	double margin, after_s;
};

struct state {
	double max, min; /* in logarithms, of what was within range or ended an alert */
	int64_t first_s; /* 0: nothing seen */
	uint8_t side;
};

static const struct opt opts[] = {
	{ "margin", OPT_QUANTITY, 0.05, 0, 10, offsetof(struct conf, margin),
	  "how far past the range so far, as a share of it" },
	{ "after", OPT_DURATION, 7 * 86400, 0, 366 * 86400.0,
	  offsetof(struct conf, after_s), "learn this long first" },
	{ .name = NULL },
};

static double to_log(double v)
{
	return v < 0 ? -log1p(-v) : log1p(v);
}

static double from_log(double x)
{
	return x < 0 ? -expm1(-x) : expm1(x);
}

/* Fills out but for .fresh; gives the side that p passes. */
static enum side look(const struct conf *c, const struct state *s, const struct point *p,
		      struct verdict *out)
{
	double x = to_log(p->value), range = fmax(s->max - s->min, 1e-6), past = 0;
	double age_s = s->first_s ? (double)(p->at_s - s->first_s) : 0;

	*out = (struct verdict){ .side = s->side, .low = NAN, .median = NAN, .high = NAN,
				 .view = s->side == SIDE_NONE ? "" : "a new record" };
	if (age_s < c->after_s)
		out->armed_in_s = (uint32_t)(c->after_s - age_s);
	if (p->gap || !s->first_s)
		return s->side;
	out->low = from_log(s->min);
	out->high = from_log(s->max);
	if (x > s->max)
		past = (x - s->max) / range;
	else if (x < s->min)
		past = (s->min - x) / range;
	out->score = c->margin > 0 ? past / c->margin : past > 0;
	if (out->armed_in_s || out->score < 1)
		return SIDE_NONE;
	out->view = "a new record";
	return x > s->max ? SIDE_UP : SIDE_DOWN;
}

static void step(const void *conf, void *state, const struct point *p,
		 struct verdict *out)
{
	struct state *s = state;
	enum side side = look(conf, s, p, out);
	double x = to_log(p->value);

	if (p->gap)
		return;
	out->fresh = side != SIDE_NONE && side != s->side;
	out->news = side != SIDE_NONE ? out->score : 0;
	out->side = side;
	if (!s->first_s) {
		s->first_s = p->at_s;
		s->max = s->min = x;
	} else if (p->train) {
		s->max = fmax(s->max, x);
		s->min = fmin(s->min, x);
	}
	s->side = (uint8_t)side;
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	const struct state *s = state;
	enum side side = look(conf, s, p, out);

	out->fresh = side == SIDE_UP && s->side == SIDE_NONE;
	out->side = side == SIDE_UP ? SIDE_UP : s->side;
	out->news = out->fresh ? out->score : 0;
}

const struct detector detector_record = {
	.name = "record",
	.doc = "more or less than ever before",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.state_size = sizeof(struct state),
	.version = 1,
	.step = step,
	.judge = judge,
};
