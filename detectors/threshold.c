/* threshold.c - a limit set by hand.
 * SPDX-License-Identifier: ISC
 *
 * Raised when the value is above `above` (or below `below`) and has been for
 * `for`; cleared when it is back under `clear`, which defaults to the limit
 * itself. Between the two nothing changes, so a value that dances on the limit
 * makes one alert (hysteresis). `for` counts event time, from the start of the
 * first bin over the limit to the end of the newest.
 *
 * A gap changes nothing: not knowing is neither over the limit nor under it.
 * But it breaks `for`, or an exporter that is seldom heard would turn two
 * single bins hours apart into one long excess.
 */
#include "detectors/detector.h"

#include <math.h>

struct conf {
	double above, below, clear, hold_s;
};

struct state {
	int64_t since_s; /* start of the first bin over the limit */
	uint8_t over;    /* enum side: which limit is exceeded now */
	uint8_t raised;  /* enum side: which alert stands */
};

static const struct opt opts[] = {
	{ "above", OPT_QUANTITY, NAN, 0, 1e18, offsetof(struct conf, above),
	  "raise above this, in the measure's unit" },
	{ "below", OPT_QUANTITY, NAN, 0, 1e18, offsetof(struct conf, below),
	  "raise below this, in the measure's unit" },
	{ "clear", OPT_QUANTITY, NAN, 0, 1e18, offsetof(struct conf, clear),
	  "end the alert only past this; the limit itself when not set" },
	{ "for", OPT_DURATION, 0, 0, 7 * 86400, offsetof(struct conf, hold_s),
	  "the value must be past the limit this long" },
	{ .name = NULL },
};

static enum side past(const struct conf *c, double v)
{
	if (v > c->above) /* false when the limit is not set */
		return SIDE_UP;
	return v < c->below ? SIDE_DOWN : SIDE_NONE;
}

static bool cleared(const struct conf *c, enum side raised, double v)
{
	double up = isnan(c->clear) ? c->above : c->clear;
	double down = isnan(c->clear) || !isnan(c->above) ? c->below : c->clear;

	return raised == SIDE_UP ? v <= up : v >= down;
}

static void fill(const struct conf *c, enum side side, bool fresh, const struct point *p,
		 struct verdict *out)
{
	*out = (struct verdict){ .side = side, .fresh = fresh, .low = c->below,
				 .median = NAN, .high = c->above, .view = "" };
	if (p->gap)
		return;
	if (p->value > c->above)
		out->score = c->above > 0 ? p->value / c->above : 1;
	else if (p->value < c->below)
		out->score = p->value > 0 ? c->below / p->value : c->below;
	else if (!isnan(c->above) && c->above > 0)
		out->score = p->value / c->above;
	out->news = fresh ? out->score : 0;
	if (side == SIDE_UP)
		out->view = "above its limit";
	else if (side == SIDE_DOWN)
		out->view = "below its limit";
}

static void step(const void *conf, void *state, const struct point *p,
		 struct verdict *out)
{
	const struct conf *c = conf;
	struct state *s = state;
	enum side was = s->raised, now = p->gap ? SIDE_NONE : past(c, p->value);

	if (now != s->over) {
		s->over = now;
		s->since_s = p->at_s;
	}
	if (!p->gap) {
		if (was != SIDE_NONE && cleared(c, was, p->value))
			s->raised = SIDE_NONE;
		if (now != SIDE_NONE &&
		    (double)(p->at_s + p->step_s - s->since_s) >= c->hold_s)
			s->raised = now;
	}
	fill(c, s->raised, s->raised != SIDE_NONE && s->raised != was, p, out);
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	const struct conf *c = conf;
	const struct state *s = state;
	enum side side = s->raised;

	if (side == SIDE_NONE && !p->gap && past(c, p->value) == SIDE_UP) {
		int64_t since = s->over == SIDE_UP ? s->since_s : p->at_s;

		if ((double)(p->at_s + p->step_s - since) >= c->hold_s)
			side = SIDE_UP;
	}
	fill(c, side, side != SIDE_NONE && s->raised == SIDE_NONE, p, out);
}

const struct detector detector_threshold = {
	.name = "threshold",
	.doc = "a limit set by hand, with hysteresis",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.state_size = sizeof(struct state),
	.version = 1,
	.step = step,
	.judge = judge,
};
