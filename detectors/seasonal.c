/* seasonal.c - unusual for this hour of this kind of day. (first version) */
#include "detectors/detector.h"

#include <math.h>
#include <string.h>

#ifndef TUNE
#define TUNE(name, v) static const double name = v;
#endif
TUNE(A_FAST, 0.08)
TUNE(A_SLOW, 0.006)
TUNE(A_SLOWVIEW, 0.05)
TUNE(G_DAY, 0.08)
TUNE(G_SCALE, 0.01)
TUNE(CLIP, 4)
TUNE(HOLD, 9)
TUNE(N0, 6)
TUNE(PRIOR_Z, 4.5)
TUNE(PRIOR_DEV, 0.25)
TUNE(MIN_SCALE, 0.05)

enum { CLASSES = 2, RING = 12, NEAR = 3, CODE = 1024, UNKNOWN = INT16_MIN };
enum view { V_ONE, V_TWO, V_PULSES, V_SLOW_UP, V_LOW, V_SLOW_DOWN, VIEWS };

static const char *const view_words[VIEWS] = {
	"a jump",      "higher than usual", "repeated pulses",
	"a slow rise", "too quiet",	    "a slow fall",
};

struct conf {
	double budget, adopt_s;
};

struct tail {
	float mean, dev; /* of the largest of a day, and its mean distance from that */
	float top;	 /* largest of this day so far */
	uint16_t days, bins;
};

struct state {
	int16_t day[CLASSES][SLOTS_DAY];
	uint8_t seen[CLASSES][SLOTS_DAY];
	int8_t odd[2][SLOTS_WEEK]; /* last week's and the week before's */
	float scale[CLASSES][24];
	uint16_t scaled[CLASSES][24];
	struct tail tail[VIEWS];
	float ring[RING]; /* z of the newest bins, newest first */
	float fast, slow, rise, scale_all;
	uint32_t bins;
	int64_t last_s, alert_since_s, first_s;
	int32_t block;
	uint8_t side, hold, view;
	float told;
};

static const struct opt opts[] = {
	{ "budget", OPT_BUDGET, 0.1, 0.001, 1000, offsetof(struct conf, budget),
	  "false alarms a week and series" },
	{ "adopt", OPT_DURATION, 10 * 86400, 86400, 366 * 86400.0,
	  offsetof(struct conf, adopt_s), "a level that lasts this long becomes normal" },
	{ .name = NULL },
};

static float to_log(double v)
{
	return v < 0 ? -log1pf(-v) : log1pf(v);
}
static double from_log(float x)
{
	return x < 0 ? -expm1(-x) : expm1(x);
}

struct seen { /* a point looked at */
	float x, mid, up, down, scale, r, z, zu, zd, slow_r;
	bool own;
	int c, s, h;
};

static float odd_at(const struct state *s, int slot)
{
	int a = s->odd[0][slot], b = s->odd[1][slot];

	if (a > 0 && b > 0)
		return (a < b ? a : b) / 16.0f;
	if (a < 0 && b < 0)
		return (a > b ? a : b) / 16.0f;
	return 0;
}

static void look(const struct state *s, const struct point *p, double value,
		 struct seen *o)
{
	int d = p->slot % SLOTS_DAY, c = p->rest;

	o->c = c;
	o->s = d;
	o->h = d / 12;
	o->x = to_log(value);
	o->own = s->seen[c][d] > 0;
	int pc = o->own ? c : s->seen[!c][d] ? !c : -1;
	float up = -1e9f, down = 1e9f;
	if (pc < 0) {
		o->mid = up = down = s->bins ? s->fast + 0 : o->x;
	} else {
		o->mid = s->day[pc][d] / (float)CODE + odd_at(s, p->slot) * !p->holiday;
		for (int k = -NEAR; k <= NEAR; k++) {
			int n = (d + k + SLOTS_DAY) % SLOTS_DAY,
			    w = (p->slot + k + SLOTS_WEEK) % SLOTS_WEEK;
			if (!s->seen[pc][n])
				continue;
			float b = s->day[pc][n] / (float)CODE, e = odd_at(s, w);
			float bu = b + (p->holiday && e < 0 ? 0 : e),
			      bd = b + (p->holiday && e > 0 ? 0 : e);
			if (bu > up)
				up = bu;
			if (bd < down)
				down = bd;
		}
	}
	o->up = up;
	o->down = down;
	float sc = s->scaled[c][o->h] > 6    ? s->scale[c][o->h]
		   : s->scaled[!c][o->h] > 6 ? s->scale[!c][o->h]
					     : s->scale_all;
	if (!(sc > MIN_SCALE))
		sc = MIN_SCALE;
	if (!o->own)
		sc *= 2;
	o->scale = sc;
	o->r = o->x - o->mid;
	float base = s->fast;
	o->z = (o->r - base) / sc;
	o->zu = fmaxf(0, (o->x - o->up - base) / sc);
	o->zd = fmaxf(0, (o->down + base - o->x) / sc);
	o->slow_r = o->r - s->slow;
}

static float third(const float *z, int n, float now)
{
	float a = now, b = -1e9f, c = -1e9f;
	for (int i = 0; i < n - 1; i++) {
		float v = z[i];
		if (v > a) {
			c = b;
			b = a;
			a = v;
		} else if (v > b) {
			c = b;
			b = v;
		} else if (v > c)
			c = v;
	}
	return c;
}

static void views(const struct state *s, const struct seen *o, float *v)
{
	float zu = o->x > o->up + s->fast ? o->zu : -o->zd;
	if (o->zu == 0 && o->zd == 0)
		zu = 0;
	v[V_ONE] = zu;
	v[V_TWO] = fminf(zu, s->ring[0]);
	v[V_PULSES] = third(s->ring, RING, zu);
	v[V_LOW] = -fmaxf(fmaxf(zu, s->ring[0]), fmaxf(s->ring[1], s->ring[2]));
	float lim = CLIP * o->scale;
	float in = fminf(fmaxf(o->slow_r, -lim), lim);
	float rise = s->rise + A_SLOWVIEW * (in - s->rise);
	v[V_SLOW_UP] = rise / s->scale_all;
	v[V_SLOW_DOWN] = -rise / s->scale_all;
}

static float nats(const struct tail *t, float v)
{
	float n = t->days, w = n / (n + N0);
	float mean = n ? t->mean * n / (n + 1) + PRIOR_Z / (n + 1) : PRIOR_Z;
	float dev = w * t->dev + (1 - w) * PRIOR_DEV * mean;
	float b = dev / 0.95f;
	if (b < 0.08f * mean)
		b = 0.08f * mean;
	if (b < 0.1f)
		b = 0.1f;
	return (v - mean) / b + 0.577f;
}

static void close_day(struct state *s)
{
	for (int i = 0; i < VIEWS; i++) {
		struct tail *t = &s->tail[i];
		if (t->bins >= 12 && t->bins * 2 > 1) {
			float g = 1.0f / (t->days + 1), v = t->top;
			if (g < 1 / 30.0f)
				g = 1 / 30.0f;
			if (t->days >= 3) {
				float lim = t->mean + 6 * t->dev + 0.5f;
				if (v > lim)
					v = lim;
			}
			float d = fabsf(v - t->mean);
			if (!t->days) {
				t->mean = v;
			} else {
				t->dev += (t->days == 1 ? 1 : g) * (d - t->dev);
				t->mean += g * (v - t->mean);
			}
			if (t->days < 1000)
				t->days++;
		}
		t->top = -1e9f;
		t->bins = 0;
	}
}

static void step(const void *conf, void *state, const struct point *p,
		 struct verdict *out)
{
	const struct conf *c = conf;
	struct state *s = state;
	struct seen o;
	float v[VIEWS];

	*out = (struct verdict){
		.side = s->side, .low = NAN, .median = NAN, .high = NAN, .view = ""
	};
	if (!s->first_s) {
		s->first_s = p->at_s;
		s->scale_all = 0.3f;
		s->block = -1;
		for (int i = 0; i < VIEWS; i++)
			s->tail[i].top = -1e9f;
	}
	if (p->gap)
		return;
	look(s, p, p->value, &o);
	views(s, &o, v);
	int block = (p->at_s - s->first_s) / 86400;
	if (block != s->block) {
		close_day(s);
		s->block = block;
	}
	float limit = logf(7 * VIEWS / c->budget), best = -1e9f, raw = -1e9f;
	int which = 0;
	for (int i = 0; i < VIEWS; i++) {
		float a = nats(&s->tail[i], v[i]) / limit;
		if (a > best)
			best = a, which = i;
	}
	raw = best;
	if (s->bins < 288)
		best = 0;
	out->score = best > 0 ? best : 0;
	bool was = s->side != SIDE_NONE;
	if (best >= 1) {
		s->side = which >= V_LOW ? SIDE_DOWN : SIDE_UP;
		s->hold = HOLD;
		if (!was) {
			s->alert_since_s = p->at_s;
			out->fresh = true;
		}
	} else if (was && best < 0.7f) {
		if (!s->hold || !--s->hold)
			s->side = SIDE_NONE;
	}
	out->side = s->side;
	out->view = view_words[which];
	if (out->score > s->told * 1.05f && out->score > 0.3f) {
		out->news = out->score;
		s->told = out->score;
	}
	s->told *= 0.998f;
	if (s->side && p->at_s - s->alert_since_s > c->adopt_s) {
		s->slow = s->fast;
		s->rise = 0;
		s->side = SIDE_NONE;
		out->adopted = true;
		out->side = SIDE_NONE;
	}
	/* learn */
	bool train = p->train && !s->side && !was;
	float lim = CLIP * o.scale;
	float fr = fminf(fmaxf(o.r - s->fast, -lim / 2), lim / 2);
	float sr = fminf(fmaxf(o.slow_r, -lim), lim);
	s->rise += A_SLOWVIEW * (sr - s->rise);
	if (o.own || !s->bins)
		s->fast += A_FAST * fr;
	memmove(s->ring + 1, s->ring, sizeof(s->ring) - sizeof(s->ring[0]));
	s->ring[0] = v[V_ONE];
	float dev = (o.r - s->slow);
	int q = fabsf(dev) > 3 * o.scale
		    ? (int)lrintf(fminf(fmaxf(dev, -7.9f), 7.9f) * 16)
		    : 0;
	if (o.own && !p->holiday) {
		s->odd[1][p->slot] = s->odd[0][p->slot];
		s->odd[0][p->slot] = q;
	}
	if (train) {
		if (s->bins > 288)
			for (int i = 0; i < VIEWS; i++) {
				s->tail[i].bins++;
				if (v[i] > s->tail[i].top)
					s->tail[i].top = v[i];
			}
		uint8_t *n = &s->seen[o.c][o.s];
		int16_t *d = &s->day[o.c][o.s];
		if (!*n) {
			*d = (int16_t)lrintf((o.x - s->slow) * CODE);
		} else {
			float g = fmaxf(1.0f / (*n + 1), G_DAY),
			      l = *n < 3 ? 3 * lim : lim;
			float in = fminf(fmaxf(o.r - s->slow, -l), l);
			*d += (int16_t)lrintf(g * in * CODE);
			s->slow += A_SLOW * sr;
			uint16_t *m = &s->scaled[o.c][o.h];
			float e = fminf(fabsf(o.r - s->fast), lim) * 1.25f;
			float gs = fmaxf(1.0f / (*m + 1), G_SCALE);
			s->scale[o.c][o.h] += gs * (e - s->scale[o.c][o.h]);
			if (*m < 60000)
				++*m;
			s->scale_all += 0.003f * (e - s->scale_all);
		}
		if (*n < 255)
			++*n;
	}
	s->bins++;
	s->last_s = p->at_s;
	(void)raw;
	out->low = from_log(o.down + s->fast - 4 * o.scale);
	out->median = from_log(o.mid + s->fast);
	out->high = from_log(o.up + s->fast + 4 * o.scale);
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	const struct conf *c = conf;
	const struct state *s = state;
	float v[VIEWS], limit = logf(7 * VIEWS / c->budget), best = 0;
	struct seen o;

	*out = (struct verdict){
		.side = s->side, .low = NAN, .median = NAN, .high = NAN, .view = ""
	};
	if (p->gap || s->bins < 288)
		return;
	look(s, p, p->value, &o);
	views(s, &o, v);
	for (int i = 0; i < V_LOW; i++) {
		float a = nats(&s->tail[i], v[i]) / limit;
		if (a > best) {
			best = a;
			out->view = view_words[i];
		}
	}
	out->score = best;
	out->fresh = s->side == SIDE_NONE && best >= 1;
	if (best >= 1)
		out->side = SIDE_UP;
	out->low = from_log(o.down + s->fast - 4 * o.scale);
	out->median = from_log(o.mid + s->fast);
	out->high = from_log(o.up + s->fast + 4 * o.scale);
}

const struct detector detector_seasonal = {
	.name = "seasonal",
	.doc = "unusual for this hour of this kind of day",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.state_size = sizeof(struct state),
	.version = 1,
	.step = step,
	.judge = judge,
};
