/* views.c - several ways to look at one series, and the alert they make.
 * SPDX-License-Identifier: ISC
 *
 * What is normal comes from profile.c: the day, the habits of the week, today's
 * level. Several cheap views look at how far a bin is from that, each for another
 * kind of trouble, and each is calibrated by its own daily maxima (tail.c), so
 * that all speak one language: how seldom is this? An alert stands when that is
 * seldomer than the view's share of the budget allows.
 *
 * Two kinds of view:
 * - seasonal ones, in spreads of the hour. They are sharp, but need days to know
 *   themselves: they are armed after a week, and get nearly all of the budget.
 * - plain ones, in bare logarithms, that need next to no learning: a sudden
 *   change, a distance from other days, a step, a record. They watch from the
 *   second day on and say how newsworthy a bin is (verdict.news). Of the budget
 *   they get a hundredth: traffic has lone bursts that are no incident.
 *
 * A view that sees one bin only (a jump, a step) has little budget for the same
 * reason; two bins in a row, or several within an hour or two, have much.
 * Falls need four bins, since a quarter of an hour's delay of a nightly job is
 * no fall.
 *
 * These are bins of five minutes. Shorter ones are gathered until five minutes are whole
 * (the profile knows none that are shorter), and of longer ones as many are asked for as
 * span the same time: an hour's bin needs no second to be more than a burst.
 *
 * An alert is told once, and again only when it has grown. It ends when its views
 * have been calm for three quarters of an hour: clear late (D2). While it stands
 * nothing of it is learnt as normal, except in the first three weeks, when
 * the profile itself is still the likelier culprit. A level that lasts (`adopt`)
 * becomes the new normal at once and on purpose.
 */
#include "detectors/views.h"

#include <math.h>
#include <string.h>

enum {
	DAY_S = 86400,
	BIN_S = GATHER_S,         /* a slot of the profile */
	ARMED_DAYS = 7,           /* whole days before the seasonal views speak */
	KIND_DAYS = 4,            /* of a kind: one weekend does not tell what the next is */
	LEARN_S = 21 * DAY_S,     /* until then an alert does not stop the learning */
	RELEARN_S = 7 * DAY_S,    /* the same after a new level was adopted */
	AGAIN_S = DAY_S,          /* what comes back so soon never went */
	HABIT_S = DAY_S,          /* what lasts longer than this is no habit */
	TWO_S = 3600,            /* a bin so long needs no second: it holds several */
	STALE_S = 3600,           /* after a longer gap the bins before say nothing */
	RECENT = VIEWS_RECENT,    /* bins in which bursts are counted */
	LOW_BINS = VIEWS_LOW_BINS, /* that must all be low */
	CALM_BINS = 9,            /* before an alert ends */
	STEP_PARTS = 3,           /* blocks a day of the step view */
	FLOOR_FAR = 6,            /* nats above the floor, where it adds nothing */
};

enum { EARLY = 1 }; /* may speak before the bin has settled: it sees this bin's rise */

static const struct {
	const char *words;
	uint8_t side, flags;
	float narrow; /* least believable scale of its figure */
} views[VIEWS] = {
	[VIEW_ONE]       = { "a jump", SIDE_UP, EARLY, 0.4f },
	[VIEW_TWO]       = { "high twice in a row", SIDE_UP, EARLY, 0.4f },
	[VIEW_BURSTS]    = { "repeated bursts", SIDE_UP, EARLY, 0.4f },
	[VIEW_SLOW_UP]   = { "a slow rise over hours", SIDE_UP, 0, 0.2f },
	[VIEW_SLOW_DOWN] = { "a slow fall over hours", SIDE_DOWN, 0, 0.2f },
	[VIEW_QUIET]     = { "what usually runs now is missing", SIDE_DOWN, 0, 0.4f },
	[VIEW_DROP]      = { "a drop that lasts", SIDE_DOWN, 0, 0.4f },
	[VIEW_RISE]      = { "a sudden rise", SIDE_UP, EARLY, 0.001f },
	[VIEW_FALL]      = { "a sudden fall", SIDE_DOWN, 0, 0.001f },
	[VIEW_MORE]      = { "more than on other days", SIDE_UP, EARLY, 0.001f },
	[VIEW_LESS]      = { "less than on other days", SIDE_DOWN, 0, 0.001f },
	[VIEW_FLAT]      = { "a flat line", SIDE_DOWN, 0, 0.25f },
	[VIEW_STEP]      = { "an unusual step", SIDE_NONE, 0, 0.001f },
	[VIEW_RECORD]    = { "a new record", SIDE_NONE, EARLY, 0 },
};

/* Gains of moving averages; all but the slow one's are of bins of any length. */
static const float fast_gain = 0.2f;  /* what lingers from the bins just before */
static const float slow_gain = 0.04f; /* two hours: a slow rise */
static const float ewma_gain = 0.1f;  /* what a sudden change is sudden against */
static const float other_gain = 0.3f; /* three bins: distance from other days */
static const float clip = 4;          /* spreads */

/* A record is worth this, what comes once in two months, and more when it is far past
 * the range so far; under a hundredth of the range it is none. */
static const float record_nats = 4, record_least = 0.01f;

/* news is 1 at what a plain view says once in three years (ln 1000 days), and no more
 * than 2.5: past that nothing is more certain, and one huge event must not hide the
 * next week's. It is told again when half as large again as what was told; half of
 * that is forgotten after 19 h. */
static const float news_nats = 6.9f, news_most = 2.5f, grown = 1.5f, told_kept = 0.997f;

/* The floor is so many grains, and no less than this share of what the series carries in
 * the mean: nights that are dead have no noise to measure, and whatever comes then would
 * be without end above nothing. It moves when it is wrong by this factor, and only when it
 * is more than this share of the quietest hour. */
static const float grains = 1, idle_share = 0.01f, floor_moves = 2, floor_deep = 1;

static const float calm = 0.7f; /* of the limit: hysteresis */

/* Scales are kept a little too wide on purpose (tail.c), so rates fall off faster than
 * the law says: stated ten times as often, alarms came thirteen times as often on
 * invented weeks of links. What is asked of the law is therefore 0.82 b^0.75 for a budget
 * of b alarms a week, and 0.7 to 1.2 of what was stated is what comes, from 0.1 to 1
 * (make bench-detect). */
static const float law_rate = 0.82f, law_power = 0.75f;

const struct opt views_opts[] = {
	{ "budget", OPT_BUDGET, 0.1, 0.001, 1000, offsetof(struct views_conf, budget),
	  "false alarms a week and series" },
	{ "adopt", OPT_DURATION, 10 * DAY_S, DAY_S, 366 * DAY_S,
	  offsetof(struct views_conf, adopt_s),
	  "a level that lasts this long becomes normal" },
	{ "floor", OPT_QUANTITY, 1, 1e-9, 1e15, offsetof(struct views_conf, floor),
	  "what is near this or below is next to nothing, in the measure's unit" },
	{ .name = NULL },
};

/* How many bins span what n bins of five minutes do, and at least `least`. */
static int span(const struct point *p, int n, int least)
{
	int k = n;

	if (p->step_s > BIN_S)
		k = (int)(((unsigned)n * BIN_S + p->step_s - 1) / p->step_s);
	return k > least ? k : least;
}

/* Of a moving average that goes on for as long with longer bins. */
static float gain_of(const struct point *p, float gain)
{
	return p->step_s > BIN_S ? 1 - powf(1 - gain, (float)p->step_s / BIN_S) : gain;
}

static float clampf(float v, float lo, float hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* A point held against normal. */
struct look {
	struct normal n;
	float x, most; /* value, and the largest of it and the three before */
	float spread;
	float over, under; /* signed distances from the edges of normal */
	float low;         /* the same of most from its lower edge */
	float v[VIEWS];
};

/* Mean of the third and fourth largest of z and the n bins before: one burst is none,
 * and two within the hour come by chance. */
static float bursts(const float *before, int n, float z)
{
	float top[4] = { z, -INFINITY, -INFINITY, -INFINITY };

	for (int i = 0; i < n; i++) {
		float v = before[i];

		for (int k = 0; k < 4 && v > top[3]; k++) {
			if (v > top[k]) {
				float w = top[k];

				top[k] = v;
				v = w;
			}
		}
	}
	return (top[2] + top[3]) / 2;
}

static float largest(const float *v, int n, float m)
{
	for (int i = 0; i < n; i++)
		m = fmaxf(m, v[i]);
	return m;
}

static void look_seasonal(const struct views_state *s, const struct point *p, int overlap,
			  struct look *l)
{
	const struct profile *f = &s->profile;
	float fine = l->spread * clampf(s->fickle, 0.3f, 1);
	/* An uncertain level makes all bins of the small hours wrong together. */
	float wide = sqrtf(l->n.scale * l->n.scale + 3 * l->n.weight * l->n.weight * f->level_var);
	float off = clampf(profile_off(&l->n, l->x) / wide, -clip, clip);

	l->over = (l->x - l->n.up) / l->spread;
	l->under = (l->x - l->n.down) / l->spread;
	l->low = (l->most - l->n.least_most) / l->spread;
	l->v[VIEW_ONE] = (l->x - l->n.up - s->fast) / fine;
	/* Against what lingered before both bins, else the first would excuse the second.
	 */
	l->v[VIEW_TWO] =
	    fminf((l->x - l->n.up - s->fast_before) / fine,
		  p->step_s < TWO_S ? s->over[overlap] : INFINITY);
	l->v[VIEW_BURSTS] = bursts(s->over + overlap, span(p, RECENT, 4) - 1 - overlap, l->over);
	l->v[VIEW_SLOW_UP] = s->slow + gain_of(p, slow_gain) * (off - s->slow);
	l->v[VIEW_SLOW_DOWN] = -l->v[VIEW_SLOW_UP];
	l->v[VIEW_QUIET] = -largest(s->low, span(p, LOW_BINS, 1) - 1, l->low);
	l->v[VIEW_DROP] = -largest(s->under, span(p, LOW_BINS, 1) - 1, l->under);
}

static void look_plain(const struct views_state *s, bool stale, struct look *l)
{
	/* What the profile expects is no change. */
	float above = l->x - l->n.up;
	float below = l->n.down - l->x;
	float range = s->max - s->min, out = 0;
	float day = l->n.known ? l->x - l->n.day : l->x - s->ewma;

	l->v[VIEW_RISE] = fminf(l->x - s->ewma, above);
	l->v[VIEW_FALL] = fminf(s->ewma - l->x, below);
	l->v[VIEW_MORE] = s->other + other_gain * (day - s->other);
	l->v[VIEW_LESS] = -l->v[VIEW_MORE];
	l->v[VIEW_STEP] = fminf(fabsf(l->x - s->x[0]), fmaxf(0, fmaxf(above, below)));
	if (stale)
		l->v[VIEW_STEP] = 0;
	if (l->x > s->max)
		out = l->x - s->max;
	else if (l->x < s->min)
		out = s->min - l->x;
	l->v[VIEW_FLAT] = l->x == s->x[0] ? logf(2 + s->same) : 0;
	l->v[VIEW_RECORD] = 0;
	if (out > record_least * range)
		l->v[VIEW_RECORD] = record_nats * (1 + out / fmaxf(range, 1e-6f));
}

/* Beside the spread that grows with the value there is one that does not, as large as the
 * floor: where next to nothing is usual, a transfer of a few floors is within it. In
 * logarithms it is a share of what is there. */
static float with_floor(float scale, float x)
{
	float share = x < FLOOR_FAR ? expf(-fmaxf(0, x)) : 0;

	return share > 0 ? sqrtf(scale * scale + share * share) : scale;
}

/* overlap: how many of the bins before are partly in this window too, since it slides.
 * They are no bins before it: a burst of one bin would be its own second. */
static void look_at(const struct views_state *s,
		    const struct point *p, double value, int overlap, struct look *l)
{
	l->x = profile_log(value / s->floor);
	l->most = largest(s->x, span(p, LOW_BINS, 1) - 1, l->x);
	profile_expect(&s->profile, p, s->x[0], &l->n);
	if (s->laid)
		l->n.scale = with_floor(l->n.scale, l->n.mid);
	l->spread = profile_spread(&s->profile, &l->n);
	look_seasonal(s, p, overlap, l);
	look_plain(s, p->at_s - s->last_s > STALE_S, l);
}

static bool is_armed(const struct views_state *s, const struct look *l, enum view i)
{
	if (i == VIEW_RECORD)
		return true;
	if (i >= VIEW_SEASONAL)
		return s->tail[i].blocks >= 1;
	return s->tail[i].blocks >= ARMED_DAYS &&
	       s->profile.seen[l->n.class][l->n.slot] >= KIND_DAYS;
}

static float nats_of(const struct views_state *s, const struct look *l, enum view i)
{
	float n;

	if (i == VIEW_RECORD)
		return l->v[i];
	n = tail_nats(&s->tail[i], l->v[i], views[i].narrow);
	return i == VIEW_STEP ? n - 1.0986f : n; /* its blocks are thirds of a day */
}

static enum side side_of(const struct views_state *s, const struct look *l, enum view i)
{
	if (views[i].side != SIDE_NONE)
		return views[i].side;
	return l->x > s->x[0] ? SIDE_UP : SIDE_DOWN;
}

/* What all the views say together. */
struct sum {
	float best[3]; /* largest score on each side; 1 is the limit */
	uint8_t view[3];
	float news;
	uint8_t news_view;
	bool lasting;  /* more than one bin is over its limit */
	bool plain[3]; /* the last bins alone say so, one after another */
};

static void sum_up(const float *share, double budget, const struct views_state *s,
		   const struct look *l, unsigned flags, struct sum *m)
{
	float weeks = 1 / (law_rate * powf((float)budget, law_power));

	*m = (struct sum){ .best = { 0 } };
	for (enum view i = 0; i < VIEWS; i++) {
		enum side side = side_of(s, l, i);
		float nats, score;

		if (share[i] <= 0 || !is_armed(s, l, i) || (flags & ~views[i].flags))
			continue;
		nats = nats_of(s, l, i);
		score = nats / logf(7 * weeks / share[i]);
		if (score > m->best[side]) {
			m->best[side] = score;
			m->view[side] = (uint8_t)i;
		}
		if (score >= 1 && (i == VIEW_TWO || i == VIEW_BURSTS))
			m->lasting = true;
		if (score >= 1 && (i == VIEW_TWO || i == VIEW_QUIET || i == VIEW_DROP))
			m->plain[side] = true;
		/* A seasonal view is news only well past its limit: they are many. */
		if (i >= VIEW_SEASONAL || score < grown)
			score = i >= VIEW_SEASONAL ? nats / news_nats : 0;
		if (score > m->news) {
			m->news = score;
			m->news_view = (uint8_t)i;
		}
	}
}

static void begin(const struct views_conf *c, struct views_state *s,
		  const struct point *p)
{
	float x;

	s->floor = (float)c->floor;
	s->value = (float)p->value;
	x = profile_log(p->value / s->floor);
	s->first_s = p->at_s;
	s->young_until_s = p->at_s + LEARN_S;
	s->last_slot = p->slot;
	s->fickle = 1;
	s->ewma = s->max = s->min = x;
	for (int i = 0; i < LOW_BINS - 1; i++)
		s->x[i] = x;
}

static bool turned(const struct views_state *s, const struct point *p, int block_s)
{
	return (p->at_s - s->first_s) / block_s != (s->last_s - s->first_s) / block_s;
}

static float moved(float x, float was, float is)
{
	return profile_log(profile_unlog(x) * (double)was / (double)is);
}

/* The floor was too low or too high for what the series is made of: what is known is told
 * again in the new measure. */
static void lay_floor(const struct views_conf *c, struct views_state *s)
{
	float noise = fmaxf(grains * s->grain.size, idle_share * s->grain.mean);
	float is = fmaxf((float)c->floor, noise), was = s->floor;
	float least = profile_least(&s->profile, was), high = fmaxf(is, was);

	if (is < floor_moves * was && was < floor_moves * is)
		return;
	if (high < floor_deep * least) /* neither is near anything that is usual */
		return;
	s->floor = is;
	s->laid = is > (float)c->floor;
	profile_rebase(&s->profile, was, is);
	for (int i = 0; i < LOW_BINS - 1; i++)
		s->x[i] = moved(s->x[i], was, is);
	s->ewma = moved(s->ewma, was, is);
	s->max = moved(s->max, was, is);
	s->min = moved(s->min, was, is);
	s->fast = s->fast_before = s->other = 0;
}

/* The seasonal views' blocks are local days; the plain ones, which know no calendar,
 * count from the first bin. */
static void turn_day(const struct views_conf *c, struct views_state *s,
		     const struct point *p)
{
	unsigned bins = DAY_S / (p->step_s ? p->step_s : 300);

	if (turned(s, p, DAY_S / STEP_PARTS))
		tail_close(&s->tail[VIEW_STEP], bins / STEP_PARTS / 4);
	for (int i = VIEW_SEASONAL; turned(s, p, DAY_S) && i < VIEW_STEP; i++)
		tail_close(&s->tail[i], bins / 4);
	if (p->slot / SLOTS_DAY != s->last_slot / SLOTS_DAY) {
		for (int i = 0; i < VIEW_SEASONAL; i++)
			tail_close(&s->tail[i], bins / 4);
		profile_new_day(&s->profile);
		if (s->side == SIDE_NONE)
			lay_floor(c, s);
	}
	s->last_slot = p->slot;
	if (p->at_s - s->last_s > STALE_S) {
		memset(s->over, 0, sizeof(s->over));
		memset(s->under, 0, sizeof(s->under));
		memset(s->low, 0, sizeof(s->low));
	}
}

static void end_alert(struct views_state *s, const struct point *p)
{
	s->ended = s->side;
	s->ended_s = p->at_s;
	s->side = SIDE_NONE;
}

static void begin_alert(struct views_state *s, const struct sum *m, const struct point *p,
			enum side side)
{
	s->side = side;
	s->view = m->view[side];
	s->calm_left = (uint8_t)span(p, CALM_BINS, 2);
	s->alert_s = p->at_s;
	if (s->side != s->ended || p->at_s - s->ended_s > AGAIN_S) {
		s->lasts_s = p->at_s;
		profile_forget_new(&s->profile);
	}
}

/* The alert that stands after this bin. True when one begins. What remembers hours speaks
 * long after a spike is over, and an outage must not wait for that: it ends what stood. */
static bool move_alert(struct views_state *s, const struct sum *m,
		       const struct point *p)
{
	enum side other = s->side == SIDE_UP ? SIDE_DOWN : SIDE_UP;
	enum side worse = m->best[SIDE_UP] >= m->best[SIDE_DOWN] ? SIDE_UP : SIDE_DOWN;

	if (s->side != SIDE_NONE) {
		if (m->plain[other] && !m->plain[s->side]) {
			end_alert(s, p);
			begin_alert(s, m, p, other);
			return true;
		}
		if (m->best[s->side] >= 1)
			s->calm_left = (uint8_t)span(p, CALM_BINS, 2);
		else if (m->best[s->side] < calm && !--s->calm_left)
			end_alert(s, p);
		if (s->side != SIDE_NONE || m->best[other] < 1)
			return false;
	}
	if (m->best[worse] < 1)
		return false;
	begin_alert(s, m, p, worse);
	return true;
}

static void push(float *v, int n, float newest)
{
	memmove(v + 1, v, (size_t)(n - 1) * sizeof(*v));
	v[0] = newest;
}

/* What the next bins are held against; nothing of it outlives the day. */
static void follow(struct views_state *s, const struct look *l)
{
	float limit = clip * l->spread, off = profile_off(&l->n, l->x);
	float inner = fminf(fabsf(off - s->fast), limit) * 1.25f / l->n.scale;

	s->fickle += 0.003f * (inner - s->fickle);
	s->fast_before = s->fast;
	s->fast += fast_gain * (clampf(off, -limit / 2, limit / 2) - s->fast);
	s->slow = l->v[VIEW_SLOW_UP];
	s->ewma += ewma_gain * (l->x - s->ewma);
	s->other = l->v[VIEW_MORE];
	s->max = fmaxf(s->max, l->x);
	s->min = fminf(s->min, l->x);
	s->same = l->x == s->x[0] ? s->same + 1 : 0;
	push(s->x, LOW_BINS - 1, l->x);
	push(s->over, RECENT - 1, l->over);
	push(s->under, LOW_BINS - 1, l->under);
	push(s->low, LOW_BINS - 1, l->low);
}

/* The maxima of the day. `peak` is the same bin at its largest sliding value: what is
 * judged while it slides is calibrated on what sliding finds (D6). */
static void calibrate(struct views_state *s, const struct look *l,
		      const struct look *peak, bool calm_now, bool lasting)
{
	for (enum view i = 0; i < VIEW_CALIBRATED; i++) {
		float v = views[i].flags & EARLY ? fmaxf(l->v[i], peak->v[i]) : l->v[i];

		/* A lone jump is no incident: it is learnt even when it alerted. */
		if (i >= VIEW_SEASONAL ||
		    (l->n.known && (calm_now || (i == VIEW_ONE && !lasting))))
			tail_put(&s->tail[i], v);
	}
}

/* Days that count are those of a kind that was seen before, so the first working day
 * and the first day of rest do not. */
static uint32_t armed_in(const struct views_state *s, const struct point *p)
{
	unsigned days = s->tail[VIEW_ONE].blocks, slot = p->slot % SLOTS_DAY;
	unsigned weekday = p->slot / SLOTS_DAY;

	if (days >= ARMED_DAYS)
		return 0;
	days = ARMED_DAYS - days;
	if (s->profile.seen[p->rest][slot] < 2)
		days++;
	if (!s->profile.seen[!p->rest][slot] && (p->rest || weekday + days > 5))
		days++;
	return days * DAY_S - slot * 300;
}

static void fill(const struct views_state *s,
		 const struct look *l, const struct sum *m, struct verdict *out)
{
	enum view i = s->side == SIDE_NONE ? m->news_view : s->view;

	out->side = s->side;
	out->low = profile_unlog(l->n.down - 2 * l->spread) * s->floor;
	out->median = profile_unlog(l->n.mid) * s->floor;
	out->high = profile_unlog(l->n.up + 2 * l->spread) * s->floor;
	out->score = fmaxf(m->best[SIDE_UP], m->best[SIDE_DOWN]);
	out->view = s->side != SIDE_NONE || m->news > 0 ? views[i].words : "";
}

static void say_nothing(const struct views_state *s, const struct point *p,
			struct verdict *out)
{
	*out = (struct verdict){ .side = s->side, .low = NAN, .median = NAN, .high = NAN,
				 .view = s->side == SIDE_NONE ? "" : views[s->view].words,
				 .armed_in_s = armed_in(s, p) };
}

static void step_bin(const float *share, const struct views_conf *c,
		     struct views_state *s, const struct point *p, struct verdict *out)
{
	struct look l, peak;
	struct sum m = { .best = { 0 } };
	bool stood, calm_now;

	say_nothing(s, p, out);
	if (p->gap)
		return;
	if (!s->first_s)
		begin(c, s, p);
	else
		turn_day(c, s, p);
	look_at(s, p, p->value, 0, &l);
	peak = l;
	if (p->peak > p->value)
		look_at(s, p, p->peak, 1, &peak);
	stood = s->side != SIDE_NONE;
	if (p->at_s - s->first_s >= DAY_S)
		sum_up(share, c->budget, s, &l, 0, &m);
	out->fresh = move_alert(s, &m, p) ||
		     (s->side != SIDE_NONE && m.best[s->side] > grown * s->alert_told);
	if (out->fresh)
		s->alert_told = m.best[s->side];
	fill(s, &l, &m, out);
	m.news = fminf(m.news, news_most);
	if (m.news > s->told * grown)
		out->news = s->told = m.news;
	s->told *= told_kept;
	if (!p->train) { /* a silence is no time in which a level proves itself */
		s->alert_s += p->step_s;
		s->lasts_s += p->step_s;
	}
	if (s->side != SIDE_NONE && (double)(p->at_s - s->lasts_s) > c->adopt_s) {
		profile_adopt(&s->profile);
		s->young_until_s = p->at_s + RELEARN_S;
		s->slow = s->fast = s->fast_before = 0;
		s->ended_s = 0;
		s->side = out->side = SIDE_NONE;
		out->adopted = true;
	}
	calm_now = (s->side == SIDE_NONE && !stood) || p->at_s < s->young_until_s;
	if (p->train) {
		calibrate(s, &l, &peak, calm_now, m.lasting);
		if (s->side == SIDE_NONE || p->at_s - s->alert_s < HABIT_S)
			profile_note(&s->profile, &l.n, p, l.x);
	}
	if (p->train && (s->side != SIDE_NONE || p->at_s - s->ended_s < AGAIN_S))
		profile_new(&s->profile, &l.n, l.x);
	follow(s, &l);
	if (p->train && calm_now)
		grain_put(&s->grain, (float)p->value, s->value);
	s->value = (float)p->value;
	if (p->train && calm_now)
		profile_learn(&s->profile, &l.n, l.x, l.most);
	s->last_s = p->at_s;
	out->armed_in_s = armed_in(s, p);
}

void views_step(const float share[static VIEWS], const struct views_conf *c,
		struct views_state *s, const struct point *p, struct verdict *out)
{
	struct point whole;

	if (p->step_s >= BIN_S)
		step_bin(share, c, s, p, out);
	else if (gather_put(&s->gather, p, &whole))
		step_bin(share, c, s, &whole, out);
	else
		say_nothing(s, p, out);
}

void views_judge(const float share[static VIEWS], const struct views_conf *c,
		 const struct views_state *s, const struct point *p, struct verdict *out)
{
	struct look l;
	struct sum m;

	say_nothing(s, p, out);
	if (p->gap || !s->first_s || p->at_s - s->first_s < DAY_S)
		return;
	look_at(s, p, p->value, p->at_s - s->last_s <= p->step_s, &l);
	sum_up(share, c->budget, s, &l, EARLY, &m);
	fill(s, &l, &m, out);
	out->score = m.best[SIDE_UP];
	if (s->side == SIDE_NONE && m.best[SIDE_UP] >= 1) {
		out->side = SIDE_UP;
		out->fresh = true;
		out->view = views[m.view[SIDE_UP]].words;
	}
	if (m.news > s->told * grown)
		out->news = m.news;
}

