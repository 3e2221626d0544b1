/* baseline.c - rules with a detector: settled bins are learnt, sliding windows judged.
 * SPDX-License-Identifier: ISC
 *
 * A detector sees each bin once, when all its flows are in (D6), and between two
 * bins is asked about the window of a bin's length that ends now, so a rise is
 * told within seconds and a fall when it is sure. A value that was calm in this bin need
 * not be asked about again when it is no larger: most of a day's questions are that. A bin with fewer than
 * COVERED_MIN of its slices seen is a gap. What a detector remembers is plain
 * bytes; they are kept in history under "rule|series" and brought back at start.
 *
 * A rule over hosts has baselines for the heaviest of them (crowd.h). All others together
 * are what a rule over the network or the link sees: one more series "the rest" would
 * jump whenever a seat changes hands.
 */
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "rules/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double CALM_ROOM = 1.25;

enum { COVERED_MIN = 24, SEATS = 2048, SEATS_LEAST = 16, SWAPS = 16, BIN_S = BIN_MS / 1000 };

/* Takes the detector's state. */
static void give(struct eval *e, const struct rule *r, struct state *s, void *detector)
{
	s->detector = detector;
	s->recent = xcalloc(1, sizeof(*s->recent));
	s->recent->stale = INT64_MIN;
	s->calm_bin = INT64_MIN;
	e->detector_octets += r->detector->state_size;
	e->of[r - e->rules->at].watched++;
}

/* Memory is a setting (D5): past it further series go without a baseline, and it is said. */
static bool equip(struct state *s, const struct rule *r, struct eval *e)
{
	struct crowd *crowd = e->of[r - e->rules->at].crowd;

	if (s->detector)
		return true;
	if (crowd && !crowd_seated(crowd, &s->key))
		return false;
	if (e->detector_octets + r->detector->state_size > e->opts.detector_memory) {
		log_seldom("baselines", 3600, "rule %s: no memory for the baseline of another "
			   "series; raise `memory`", r->name);
		return false;
	}
	give(e, r, s, xcalloc(1, r->detector->state_size));
	if (s->bin == INT64_MIN)
		s->bin = (e->open.newest / BIN_SLICES + 1) * BIN_SLICES;
	return true;
}

static const void *conf_of(const struct eval *e, const struct rule *r)
{
	const struct rule_state *rs = &e->of[r - e->rules->at];

	return rs->conf ? rs->conf : r->conf;
}

static struct point point_at(const struct eval *e, int64_t at_s)
{
	struct local_time l;

	calendar_at(e->opts.calendar, at_s, &l);
	return (struct point){ .at_s = at_s, .step_s = BIN_S, .slot = (uint16_t)l.slot,
			       .rest = l.rest, .holiday = l.holiday };
}

/* What is counted is never less than nothing; of a small number a band may be. */
static double low_of(const struct verdict *v)
{
	return v->low < 0 ? 0 : v->low;
}

static void take(struct state *s, const struct verdict *v)
{
	s->low = low_of(v);
	s->median = v->median;
	s->high = v->high;
	s->threshold = v->high;
	s->armed_in_s = v->armed_in_s;
}

/* One more alert of `who`: is it told, or one too many? */
static void ration(struct eval *e, const struct rule *who, struct alert *a, double score)
{
	struct cap *c = &e->of[who - e->rules->at].cap;

	a->over_budget = !cap_allows(c, who->budget_total, score, a->started_ms);
	if (a->over_budget) {
		c->held++;
		return;
	}
	a->held_before = c->held;
	cap_tell(c, who->budget_total, score, a->started_ms);
}

/* It was held back and lasts: told once there is room again, or when it has grown past
 * what was told. The same alert, with what is known now. */
static void let_go(struct eval *e, const struct rule *who, struct state *s,
		   const struct verdict *v, int64_t slice)
{
	struct cap *c = &e->of[who - e->rules->at].cap;
	struct alert *a;

	if (!cap_allows(c, who->budget_total, v->score, slice * SLICE_MS))
		return;
	a = alert_copy(s->alert);
	a->over_budget = false;
	a->held_before = c->held ? c->held - 1 : 0;
	a->value = s->value;
	if (a->below ? s->value < a->peak : s->value > a->peak)
		a->peak = s->value;
	a->judged_ms = e->now_ms;
	free(a->why);
	a->why = NULL;
	cap_tell(c, who->budget_total, v->score, slice * SLICE_MS);
	eval_fire(e, s, a);
}

/* r learns, who tells. */
static void fire(struct eval *e, const struct rule *r, const struct rule *who,
		 struct state *s, const struct verdict *v, double value, int64_t from,
		 int64_t to)
{
	struct alert *a = eval_alert(e, who, s);

	a->value = a->peak = value;
	a->below = v->side == SIDE_DOWN;
	a->threshold = a->clear = a->below ? low_of(v) : v->high;
	a->has_baseline = !isnan(v->median);
	a->low = low_of(v);
	a->median = v->median;
	a->high = v->high;
	a->view = xstrdup(v->view);
	a->pending_ms = a->started_ms = (to + 1) * SLICE_MS;
	a->window_start_ms = from * SLICE_MS;
	a->window_end_ms = (to + 1) * SLICE_MS;
	ration(e, who, a, v->score);
	s->from = from;
	s->fired = s->last = to;
	s->peak = value;
	if (!s->armed_in_s) /* what a first week raises tells nothing of the rate */
		e->of[r - e->rules->at].alarms++;
	eval_fire(e, s, a);
}

/* The value of the window that ends in slice last, and the largest of those from first on.
 * Of sums the largest is looked for before it is put into a unit. */
static void slide(struct eval *e, const struct rule *r, const struct key *k, int64_t first,
		  int64_t last, struct point *p)
{
	const struct slices *w = e->opts.slices;
	unsigned n = (unsigned)(last - first) + BIN_SLICES;
	double speed = eval_speed(e, r, k);
	uint64_t run = 0, most = 0;

	if (eval_gauged(r)) {
		eval_windows(e, r, k, BIN_SLICES, first, last);
		p->value = e->v[last - first];
		for (int64_t i = 0; i <= last - first; i++)
			p->peak = fmax(p->peak, e->v[i]);
		return;
	}
	w->sums(w->arg, r->view, k, first - BIN_SLICES + 1, n, e->sums);
	for (unsigned i = 0; i < n; i++) {
		run += rule_sum(&r->measure, &e->sums[i]);
		if (i >= BIN_SLICES)
			run -= rule_sum(&r->measure, &e->sums[i - BIN_SLICES]);
		if (i >= BIN_SLICES - 1 && run > most)
			most = run;
	}
	p->value = rule_value(&r->measure, &(struct sums){ run, run, run }, BIN_S, speed);
	p->peak = rule_value(&r->measure, &(struct sums){ most, most, most }, BIN_S, speed);
	p->value = fmax(p->value, eval_peak(e, r, k, last, speed));
	for (int64_t s = first; s <= last; s++)
		p->peak = fmax(p->peak, eval_peak(e, r, k, s, speed));
}

/* Value of the bin from slice `at` on; false: a gap. */
static bool bin_value(struct eval *e, const struct rule *r, const struct state *s,
		      int64_t at, struct point *p)
{
	const struct slices *w = e->opts.slices;
	int64_t last = at + BIN_SLICES - 1, first = at;
	unsigned covered = 0;

	for (int64_t i = at; i <= last; i++)
		covered += w->covered(w->arg, r->by, &s->key, i);
	if (at < e->open.oldest || covered < COVERED_MIN)
		return false;
	if (first - BIN_SLICES + 1 < e->open.oldest)
		first = last; /* no room to slide: the bin itself */
	slide(e, r, &s->key, first, last, p);
	return true;
}

/* Does somebody keep this bin from being learnt (a silence, maintenance)? */
static bool untrained(const struct eval *e, const struct rule *r, const struct state *s,
		      int64_t at)
{
	return r && e->opts.untrained &&
	       e->opts.untrained(e->opts.arg, r, &s->key, at * SLICE_MS,
				 (at + BIN_SLICES) * SLICE_MS);
}

/* The end of an alert that nothing ended: told, since from here on it would be missed. */
static void adopt(struct eval *e, const struct rule *r, struct state *s, int64_t slice)
{
	char usual[UNIT_TEXT], now[UNIT_TEXT], lasted[UNIT_TEXT];
	const struct alert *a = s->alert;
	char *why;

	if (!a)
		return;
	why = xasprintf("It has lasted for %s and is taken as the new normal from now on: %s, "
			"where %s was usual at the beginning. Nothing ended it; look whether "
			"it is wanted, for it will not be told again.",
			text_duration(slice * SLICE_MS - a->started_ms, lasted),
			measure_text(&r->measure, s->value, now),
			a->has_baseline ? measure_text(&r->measure, a->median, usual)
					: "something else");
	s->handled = e->open.newest;
	eval_resolve_why(e, s, slice * SLICE_MS, why);
}

static void learn(struct eval *e, const struct rule *r, struct state *s, int64_t at)
{
	struct point p = point_at(e, at * SLICE_MS / 1000);
	const struct rule *who;
	struct verdict v;
	bool turned;

	p.gap = !bin_value(e, r, s, at, &p);
	/* Its own alerts a detector knows of, and what to do about them. */
	p.train = !untrained(e, r, s, at) && !untrained(e, e->of[r - e->rules->at].other, s, at);
	r->detector->step(conf_of(e, r), s->detector, &p, &v);
	s->calm_bin = INT64_MIN;
	s->unsaved = true;
	take(s, &v);
	if (p.gap)
		return;
	if (!v.armed_in_s)
		e->of[r - e->rules->at].armed_s += BIN_S;
	s->value = p.value;
	if (v.adopted && s->state == ALERT_FIRING)
		adopt(e, r, s, at + BIN_SLICES);
	who = eval_speaker(e, r, v.side);
	/* What one side tells is over when the other begins. */
	turned = s->state == ALERT_FIRING && who &&
		 s->alert->below != (v.side == SIDE_DOWN) && r->side != SIDE_NONE;
	/* What rose in a bin that is still open is not over because the one before, which
	 * settles meanwhile, was ordinary. */
	if ((!who || turned) && s->state == ALERT_FIRING && at + BIN_SLICES > s->fired) {
		s->handled = e->open.newest;
		eval_resolve(e, s, (at + BIN_SLICES) * SLICE_MS);
	}
	if (who && (v.fresh || turned) && s->state != ALERT_FIRING)
		fire(e, r, who, s, &v, p.value, at, at + BIN_SLICES - 1);
	else if (who && s->state == ALERT_FIRING && s->alert->over_budget)
		let_go(e, who, s, &v, at + BIN_SLICES);
}

void baseline_tick(struct eval *e, const struct rule *r, struct state *s)
{
	int64_t settled;

	if (!equip(s, r, e))
		return;
	if (s->bin + BIN_SLICES - 1 >= e->open.newest) { /* it is not even over */
		baseline_judge(e, r, s);
		return;
	}
	settled = eval_settled(e, r, &s->key);
	if (s->bin < e->open.oldest - BIN_SLICES)
		s->bin = (e->open.oldest / BIN_SLICES) * BIN_SLICES;
	while (s->bin + BIN_SLICES - 1 <= settled &&
	       (!e->learn_max || e->learnt < e->learn_max)) {
		learn(e, r, s, s->bin);
		s->bin += BIN_SLICES;
		e->learnt++;
	}
	baseline_judge(e, r, s);
}

static bool covered_all(const struct eval *e, const struct rule *r, const struct key *k,
			int64_t first, int64_t last)
{
	const struct slices *w = e->opts.slices;

	while (first <= last && w->covered(w->arg, r->by, k, first))
		first++;
	return first > last;
}

/* Value of the window that ends now. A look-up of a slice waits for memory, and there are
 * thirty in a window of each of thousands of series: so sums are remembered, and only
 * slices that changed are looked up. False: nothing is known of it. */
static bool window_value(struct eval *e, const struct rule *r, struct state *s, double *value)
{
	const struct slices *w = e->opts.slices;
	int64_t last = e->open.newest, from = last - BIN_SLICES + 1;
	struct recent *c = s->recent;
	uint64_t sum = 0;

	if (eval_gauged(r) || w->peak) { /* peaks of bins are not in their sums */
		eval_windows(e, r, &s->key, BIN_SLICES, last, last);
		*value = e->v[0];
		return e->known[0] || e->v[0] > 0;
	}
	if (from < c->stale)
		from = c->stale;
	if (from <= last)
		w->sums(w->arg, r->view, &s->key, from, (unsigned)(last - from + 1), e->sums);
	for (int64_t i = from; i <= last; i++)
		c->sum[(uint64_t)i % BIN_SLICES] =
			rule_sum(&r->measure, &e->sums[i - from]);
	c->stale = last + 1;
	for (int i = 0; i < BIN_SLICES; i++)
		sum += c->sum[i];
	*value = rule_value(&r->measure, &(struct sums){ sum, sum, sum }, BIN_S,
			    eval_speed(e, r, &s->key));
	return sum || covered_all(e, r, &s->key, last - BIN_SLICES + 1, last);
}

void baseline_judge(struct eval *e, const struct rule *r, struct state *s)
{
	int64_t last = e->open.newest;
	struct verdict v;
	struct point p;
	double value;

	const struct rule *who = eval_speaker(e, r, SIDE_UP);

	if (!r->detector->judge || !equip(s, r, e) || s->state == ALERT_FIRING ||
	    last - BIN_SLICES < s->handled)
		return;
	/* It changed just now, and then time went on: once is enough. */
	if (s->judged_ms == e->now_ms)
		return;
	s->judged_ms = e->now_ms;
	if (!window_value(e, r, s, &value))
		return;
	s->value = value;
	if (s->calm_bin == last / BIN_SLICES && value <= s->calm)
		return;
	p = point_at(e, last / BIN_SLICES * BIN_S);
	/* With some room, or each window that is a little larger would be asked about. */
	for (double room = CALM_ROOM;; room = 1) {
		p.value = value * room;
		r->detector->judge(conf_of(e, r), s->detector, &p, &v);
		if (v.side != SIDE_UP || !v.fresh) {
			s->calm_bin = last / BIN_SLICES;
			s->calm = p.value;
			break;
		}
		if (room == 1)
			break;
	}
	take(s, &v);
	if (v.side == SIDE_UP && v.fresh && who)
		fire(e, r, who, s, &v, p.value, last - BIN_SLICES + 1, last);
}

/* --- rules over many hosts --- */

void baseline_crowd(const struct eval *e, struct rule_state *rs)
{
	const struct rule *r = rs->rule;
	size_t room;

	if (rs->crowd || rs->follows || !r->detector || by_is_small(r->by))
		return;
	/* At most half of the memory: links come first. */
	room = e->opts.detector_memory / 2 / r->detector->state_size;
	rs->crowd = crowd_new(r->by, room > SEATS ? SEATS : room > SEATS_LEAST ? (unsigned)room
									       : SEATS_LEAST);
}

bool baseline_seated(struct eval *e, struct rule_state *rs, const struct key *k)
{
	const struct slices *w = e->opts.slices;
	int64_t slice = e->open.newest - 1; /* the newest one that is over */
	struct sums had;

	if (crowd_due(rs->crowd, k, slice)) {
		w->sums(w->arg, rs->rule->view, k, slice, 1, &had);
		crowd_add(rs->crowd, k, slice,
			  eval_gauged(rs->rule)
				  ? w->gauge(w->arg, rs->rule->view, k, slice, 1)
				  : (double)rule_sum(&rs->rule->measure, &had));
	}
	return crowd_seated(rs->crowd, k);
}

static bool stays(void *arg, const struct key *k)
{
	const struct rule_state *rs = arg;
	struct state **s = map_get(&rs->map, k);

	return s && (*s)->state != ALERT_RESOLVED;
}

void baseline_seats(struct eval *e, struct rule_state *rs)
{
	int64_t bin = e->open.newest / BIN_SLICES;
	struct key out;

	if (bin == rs->crowd_bin)
		return;
	rs->crowd_bin = bin;
	crowd_turn(rs->crowd);
	for (int i = 0; i < SWAPS && crowd_swap(rs->crowd, stays, rs, &out); i++)
		state_drop(e, rs, &out);
}

/* The oldest of the ring. */
static void judge_next(struct eval *e)
{
	struct ahead *a = &e->ahead[(e->next - e->n_ahead) % AHEAD];

	e->n_ahead--;
	if (a->s->recent && a->changed < a->s->recent->stale)
		a->s->recent->stale = a->changed;
	baseline_judge(e, a->rule, a->s);
}

/* Of thousands of series each lies in memory of its own, and waiting for it takes longer
 * than judging: so it is asked for when a series is named, what that points to some series
 * later, and it is judged when all of it is there. */
void baseline_soon(struct eval *e, const struct rule *r, struct state *s, int64_t changed)
{
	if (e->n_ahead == AHEAD)
		judge_next(e);
	for (size_t at = 0; at < sizeof(*s); at += 64)
		__builtin_prefetch((const char *)s + at);
	e->ahead[e->next % AHEAD] = (struct ahead){ r, s, changed };
	e->next++;
	e->n_ahead++;
	if (e->n_ahead > AHEAD / 2) {
		const struct recent *c = e->ahead[(e->next - 1 - AHEAD / 2) % AHEAD].s->recent;

		for (size_t at = 0; c && at < sizeof(*c); at += 64)
			__builtin_prefetch((const char *)c + at);
	}
}

void baseline_now(struct eval *e)
{
	while (e->n_ahead)
		judge_next(e);
}

/* Two rules that learn the same with settings of their own are kept apart: the first has
 * the common name. */
static const char *kept_under(const struct eval *e, const struct rule *r)
{
	for (const struct rule *q = e->rules->at; r->learns && q < r; q++)
		if (!q->pattern && q->learns && !strcmp(q->learns, r->learns))
			return r->name;
	return eval_learns(r);
}

static bool is_called(const char *name, const char *key, const char *bar)
{
	return strlen(name) == (size_t)(bar - key) && !strncmp(name, key, (size_t)(bar - key));
}

static void blob_key(const struct eval *e, const struct rule *r, const struct state *s,
		     char *out, size_t len)
{
	char id[SERIES_TEXT];

	snprintf(out, len, "%s|%s", kept_under(e, r), key_id(r->by, &s->key, e->opts.names, id));
}

static void save_one(const struct eval *e, const struct rule *r, struct state *s,
		     eval_blob_f *fn, void *arg)
{
	size_t size = r->detector->state_size;
	char key[SERIES_TEXT + 128];
	struct baseline_head *b = xcalloc(1, sizeof(*b) + size);

	b->version = r->detector->version;
	b->size = (uint32_t)size;
	b->bin = s->bin;
	snprintf(b->detector, sizeof(b->detector), "%s", r->detector->name);
	memcpy(b + 1, s->detector, size);
	blob_key(e, r, s, key, sizeof(key));
	fn(arg, key, b, sizeof(*b) + size);
	s->unsaved = false;
	free(b);
}

void eval_save(struct eval *e, bool all, eval_blob_f *fn, void *arg)
{
	for (unsigned i = 0; i < e->n; i++) {
		const struct rule *r = e->of[i].rule;
		const void *k;
		void *v;
		uint32_t at = 0;

		if (!r->detector)
			continue;
		budget_save(&e->of[i], fn, arg);
		while (map_next(&e->of[i].map, &at, &k, &v)) {
			struct state *s = *(struct state **)v;

			if (s->detector && (all || s->unsaved))
				save_one(e, r, s, fn, arg);
		}
	}
}

/* Whether the blob's head is of this detector as it is now. */
static bool fits(const struct rule *r, const struct baseline_head *b, size_t len)
{
	return !strncmp(r->detector->name, b->detector, sizeof(b->detector)) &&
	       b->version == r->detector->version && b->size == r->detector->state_size &&
	       len == sizeof(*b) + b->size;
}

/* A gap teaches nothing and is answered all the same. */
static bool armed(const struct rule *r, const void *state, int64_t at_s)
{
	struct point gap = { .at_s = at_s, .step_s = BIN_S, .gap = true };
	void *copy = xmemdup(state, r->detector->state_size);
	struct verdict v;

	r->detector->step(r->conf, copy, &gap, &v);
	free(copy);
	return !v.armed_in_s;
}

bool baseline_ripe(const struct rule *r, const void *data, size_t len, int64_t now_s)
{
	struct baseline_head b;
	void *state;
	bool ripe;

	if (len < sizeof(b))
		return false;
	memcpy(&b, data, sizeof(b));
	if (!fits(r, &b, len))
		return false;
	state = xmemdup((const char *)data + sizeof(b), b.size);
	ripe = armed(r, state, now_s);
	free(state);
	return ripe;
}

/* Calls fn for each series that the blob is for: of the rule it is named after, or of those
 * that learn under that name. False: there was none that took it. */
typedef bool series_f(struct eval *e, const struct rule *r, struct state *s, bool own,
		      const struct baseline_head *b, const void *state);
static bool each_series(struct eval *e, const char *key, const void *data, size_t len,
			series_f *fn)
{
	const char *bar = strchr(key, '|');
	bool found = false, own;
	struct baseline_head b;

	if (!bar || len < sizeof(b))
		return false;
	memcpy(&b, data, sizeof(b));
	for (unsigned i = 0; i < e->n; i++) {
		const struct rule *r = e->of[i].rule;
		struct state *s;
		struct key k;
		enum by by;

		own = is_called(r->name, key, bar);
		if ((!own && !is_called(eval_learns(r), key, bar)) || !r->detector ||
		    e->of[i].follows)
			continue;
		e->old_baselines += !fits(r, &b, len);
		if (!fits(r, &b, len) || !key_parse(bar + 1, e->opts.names, &by, &k) ||
		    by != r->by)
			continue;
		s = state_get(&e->of[i], &k);
		found |= s && fn(e, r, s, own, &b, (const char *)data + sizeof(b));
	}
	return found;
}

static bool load(struct eval *e, const struct rule *r, struct state *s, bool own,
		 const struct baseline_head *b, const void *state)
{
	struct crowd *crowd = e->of[r - e->rules->at].crowd;

	if ((s->detector && !own) || (crowd && !crowd_seat(crowd, &s->key)))
		return false;
	if (s->detector) /* what two had in common gives way to its own */
		memcpy(s->detector, state, b->size), s->calm_bin = INT64_MIN;
	else
		give(e, r, s, xmemdup(state, b->size));
	s->bin = b->bin;
	return true;
}

bool eval_load(struct eval *e, const char *key, const void *data, size_t len)
{
	return budget_load(e, key, data, len) || each_series(e, key, data, len, load);
}

static bool take_learnt(struct eval *e, const struct rule *r, struct state *s, bool own,
			const struct baseline_head *b, const void *state)
{
	(void)own;
	struct crowd *crowd = e->of[r - e->rules->at].crowd;

	if (s->state == ALERT_FIRING || (crowd && !crowd_seat(crowd, &s->key)) ||
	    !equip(s, r, e) || armed(r, s->detector, e->now_ms / 1000))
		return false;
	memcpy(s->detector, state, b->size);
	s->calm_bin = INT64_MIN;
	if (s->bin < b->bin)
		s->bin = b->bin;
	s->unsaved = true;
	return true;
}

bool eval_learnt(struct eval *e, const char *key, const void *data, size_t len)
{
	return each_series(e, key, data, len, take_learnt);
}

unsigned eval_old_baselines(const struct eval *e)
{
	return e->old_baselines;
}
