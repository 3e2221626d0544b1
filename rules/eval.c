/* eval.c - limits, quotas, and the life of an alert.
 * SPDX-License-Identifier: ISC
 *
 * A key is judged when it changes (upper limits: fire early) and once a slice
 * while anything is known of it (lower limits, clearing, detectors: late). Each
 * judgement looks at every window that holds a changed slice, because a late
 * flow changes windows that have slid by (D2). What was told once is not told
 * again: `handled` is the slice up to which runs are history.
 */
#include "rules/eval.h"

#include "daemon/base/mem.h"
#include "rules/runs.h"
#include "rules/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DETECTOR_MEMORY = 64 << 20 };

struct eval *eval_new(const struct eval_opts *o)
{
	struct eval *e = xcalloc(1, sizeof(*e));

	e->opts = *o;
	if (!e->opts.detector_memory)
		e->opts.detector_memory = DETECTOR_MEMORY;
	return e;
}

static void state_free(struct eval *e, const struct rule *r, struct state *s)
{
	if (s->detector) {
		e->detector_octets -= r->detector->state_size;
		e->of[r - e->rules->at].watched--;
	}
	alert_unref(&s->alert);
	free(s->detector);
	free(s->recent);
	free(s);
}

void rule_state_fini(struct eval *e, struct rule_state *rs)
{
	const void *k;
	void *s;
	uint32_t at = 0;

	while (map_next(&rs->map, &at, &k, &s))
		state_free(e, rs->rule, *(struct state **)s);
	map_fini(&rs->map);
	crowd_free(&rs->crowd);
	budget_fini(rs);
}

void eval_free(struct eval **ep)
{
	struct eval *e = *ep;

	*ep = NULL;
	if (!e)
		return;
	for (unsigned i = 0; i < e->n; i++)
		rule_state_fini(e, &e->of[i]);
	free(e->of);
	free(e);
}

struct state *state_get(struct rule_state *rs, const struct key *k)
{
	struct state **at = map_get(&rs->map, k), *s;

	if (at)
		return *at;
	at = map_put(&rs->map, k, NULL);
	if (!at)
		return NULL;
	*at = s = xcalloc(1, sizeof(*s));
	s->key = *k;
	s->state = ALERT_RESOLVED;
	s->handled = s->handled_below = INT64_MIN;
	s->bin = INT64_MIN;
	s->value = s->threshold = s->low = s->median = s->high = NAN;
	return s;
}

void state_drop(struct eval *e, struct rule_state *rs, const struct key *k)
{
	struct state **s = map_get(&rs->map, k);

	if (!s)
		return;
	state_free(e, rs->rule, *s);
	map_del(&rs->map, k);
}

/* --- looking at the windows --- */

double eval_speed(const struct eval *e, const struct rule *r, const struct key *k)
{
	struct interface i;
	uint32_t id[2];

	if (r->measure.kind != MEASURE_UTILISATION || r->by != BY_INTERFACE)
		return 0;
	memcpy(id, k->b, sizeof(id));
	names_interface(e->opts.names, id[0], id[1], &i);
	return (double)i.speed_bps;
}

bool eval_gauged(const struct rule *r)
{
	return r->measure.kind == MEASURE_PEERS || r->measure.kind == MEASURE_PORTS ||
	       r->measure.kind == MEASURE_ENTROPY;
}

static void add(struct sums *to, const struct sums *s, bool minus)
{
	uint64_t sign = minus ? (uint64_t)-1 : 1;

	to->bytes += sign * s->bytes;
	to->packets += sign * s->packets;
	to->flows += sign * s->flows;
}

double eval_peak(const struct eval *e, const struct rule *r, const struct key *k, int64_t s,
		 double speed)
{
	const struct slices *w = e->opts.slices;
	bool bytes = r->measure.kind == MEASURE_BITS_S || r->measure.kind == MEASURE_BYTES ||
		     r->measure.kind == MEASURE_UTILISATION;
	struct sums most = { 0 };

	if (!w->peak || !bytes || s % BIN_SLICES != BIN_SLICES - 1)
		return 0;
	most.bytes = (uint64_t)w->peak(w->arg, r->view, k, s);
	return rule_value(&r->measure, &most, BIN_MS / 1000.0, speed);
}

static void look_missing(const struct slices *w, enum by by, const struct key *k,
			 int64_t first, unsigned n, bool *out)
{
	if (w->missing) {
		w->missing(w->arg, by, k, first, n, out);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = !w->covered(w->arg, by, k, first + i);
}

double eval_windows(struct eval *e, const struct rule *r, const struct key *k, unsigned n,
		    int64_t first, int64_t last)
{
	const struct slices *w = e->opts.slices;
	unsigned count = (unsigned)(last - first + 1), all = count + n - 1, gap = 0;
	double seconds = n * (SLICE_MS / 1000.0), speed = eval_speed(e, r, k);
	struct sums run = { 0 }, error = { 0 };
	bool missing[RING_MAX];

	if (!eval_gauged(r))
		error = w->sums(w->arg, r->view, k, first - n + 1, all, e->sums);
	look_missing(w, r->by, k, first - n + 1, all, missing);
	for (unsigned i = 0; i < all; i++) {
		gap += missing[i];
		add(&run, &e->sums[i], false);
		if (i + 1 < n)
			continue;
		e->v[i + 1 - n] = eval_gauged(r)
			? w->gauge(w->arg, r->view, k, first - n + 1 + (i + 1 - n), n)
			: rule_value(&r->measure, &run, seconds, speed);
		e->known[i + 1 - n] = !gap;
		gap -= missing[i + 1 - n];
		add(&run, &e->sums[i + 1 - n], true);
	}
	for (int64_t s = first; n == BIN_SLICES && w->peak && !eval_gauged(r) && s <= last; s++)
		e->v[s - first] = fmax(e->v[s - first], eval_peak(e, r, k, s, speed));
	return rule_value(&r->measure, &error, seconds, speed) * n / all;
}

int64_t eval_settled(const struct eval *e, const struct rule *r, const struct key *k)
{
	int64_t late = e->opts.slices->lateness(e->opts.slices->arg, r->by, k);

	return slice_of(e->now_ms - late) - 1;
}

/* --- alerts --- */

struct alert *eval_alert(struct eval *e, const struct rule *r, struct state *s)
{
	struct alert *a = alert_new();
	char text[SERIES_TEXT];

	alert_new_id(a->id, e->now_ms);
	a->rule = xstrdup(r->name);
	a->filter = xstrdup(filter_text(r->filter));
	a->by = r->by;
	a->key = s->key;
	/* "all traffic" says it only of a rule that looks at all. */
	a->series = xstrdup(r->by == BY_NONE && !filter_is_all(r->filter)
				? r->name
				: key_text(r->by, &s->key, e->opts.names, text));
	a->series_id = xstrdup(key_id(r->by, &s->key, e->opts.names, text));
	series_fingerprint(r->name, a->series_id, a->fingerprint);
	a->measure = r->measure;
	a->severity = r->severity;
	a->threshold = isnan(r->above) ? r->below : r->above;
	a->clear = isnan(r->clear) ? a->threshold : r->clear;
	a->judged_ms = e->now_ms;
	a->sampling = 1;
	if (r->detector)
		a->detector = xstrdup(r->detector->name);
	for (unsigned i = 0; i < ALERT_NOTIFY && r->notify[i]; i++)
		a->notify[i] = xstrdup(r->notify[i]);
	return a;
}

void eval_fire(struct eval *e, struct state *s, struct alert *a)
{
	a->state = a->was ? ALERT_RESOLVED : ALERT_FIRING;
	if (!a->was) {
		alert_unref(&s->alert);
		s->alert = alert_copy(a); /* a itself goes on to other threads */
		s->state = ALERT_FIRING;
	}
	e->opts.emit(e->opts.arg, a);
}

void eval_resolve(struct eval *e, struct state *s, int64_t ended_ms)
{
	eval_resolve_why(e, s, ended_ms, NULL);
}

void eval_resolve_why(struct eval *e, struct state *s, int64_t ended_ms, char *why)
{
	struct alert *a;

	if (!s->alert) {
		free(why);
		return;
	}
	a = alert_copy(s->alert);
	a->state = ALERT_RESOLVED;
	a->ended_ms = ended_ms;
	a->judged_ms = e->now_ms;
	a->value = s->value;
	if (a->below ? s->peak < a->peak : s->peak > a->peak)
		a->peak = s->peak;
	free(a->why); /* evidence looks again, at all the time that it lasted */
	a->why = why;
	alert_unref(&s->alert);
	s->state = ALERT_RESOLVED;
	e->opts.emit(e->opts.arg, a);
}

/* --- limits over sliding windows --- */

/* The last values, oldest first, for the sparkline. */
static void sparkline(const struct values *v, int64_t upto, struct alert *a)
{
	int64_t n = upto - v->first + 1, from;

	if (n < 1)
		return;
	from = n > ALERT_SPARK ? n - ALERT_SPARK : 0;
	for (int64_t i = from; i < n; i++)
		a->spark[a->n_spark++] = v->known[i] || v->v[i] > 0 ? v->v[i] : NAN;
	a->spark_step_ms = SLICE_MS;
}

static void fire_run(struct eval *e, const struct rule *r, struct state *s,
		     const struct limit *l, const struct values *v, const struct run *run,
		     double error)
{
	struct alert *a = eval_alert(e, r, s);
	int64_t shown = run->last;

	a->below = l->below;
	a->value = run->value;
	a->peak = run->peak;
	a->error = error;
	a->threshold = l->at;
	a->clear = l->clear;
	a->was = run->state == RUN_OVER;
	a->pending_ms = run->from * SLICE_MS;
	a->started_ms = run->fired * SLICE_MS;
	if (a->was)
		a->ended_ms = (run->to + 1) * SLICE_MS;
	a->window_start_ms = (shown - r->window + 1) * SLICE_MS;
	a->window_end_ms = (shown + 1) * SLICE_MS;
	sparkline(v, shown, a);
	eval_fire(e, s, a);
}

/* Lower limits are judged later, so what has been told of the two sides differs. */
static int64_t *handled(struct state *s, const struct limit *l)
{
	return l->below ? &s->handled_below : &s->handled;
}

static void follow(struct eval *e, struct state *s, const struct limit *l,
		   const struct values *v)
{
	struct run run = { .from = s->from, .fired = s->fired, .last = s->last,
			   .value = s->value, .peak = s->peak };

	run_follow(l, v, &run);
	s->last = run.last;
	s->peak = run.peak;
	if (run.state == RUN_OVER) {
		*handled(s, l) = run.to;
		s->value = v->v[run.to - v->first];
		eval_resolve(e, s, (run.to + 1) * SLICE_MS);
	}
}

/* Fires what is new, from the oldest on; leaves the state pending, firing or idle. */
static void search(struct eval *e, const struct rule *r, struct state *s,
		   const struct limit *l, const struct values *v, double error)
{
	struct run run;

	while ((run = run_find(l, v, *handled(s, l))).state >= RUN_OPEN) {
		s->from = run.from;
		s->fired = run.fired;
		s->last = run.last;
		s->peak = run.peak;
		fire_run(e, r, s, l, v, &run, error);
		if (run.state == RUN_OPEN)
			return;
		*handled(s, l) = run.to;
	}
	s->state = run.state == RUN_PENDING ? ALERT_PENDING : ALERT_RESOLVED;
	s->from = run.from;
}

/* The oldest window that can still change, or that a run which fires now began with. */
static int64_t first_window(const struct eval *e, const struct rule *r, unsigned hold)
{
	int64_t whole = e->open.oldest + (int64_t)r->window - 1;
	int64_t first = e->open.newest - e->opts.late - hold - 1;

	return first > whole ? first : whole;
}

/* No window can have reached the limit, so there is nothing to look at one by one. */
static bool far_below(const struct eval *e, const struct rule *r, const struct key *k,
		      int64_t first, double at)
{
	const struct slices *w = e->opts.slices;
	struct sums most;

	if (!w->bound || eval_gauged(r))
		return false;
	most = w->bound(w->arg, r->view, k, first - r->window + 1,
			(unsigned)(e->open.newest - first) + r->window);
	most = (struct sums){ most.bytes * r->window, most.packets * r->window,
			      most.flows * r->window };
	return rule_value(&r->measure, &most, r->window * (SLICE_MS / 1000.0),
			  eval_speed(e, r, k)) <= at;
}

static void judge_limit(struct eval *e, const struct rule *r, struct state *s, double at,
			bool below)
{
	struct limit l = { .below = below, .at = at, .clear = isnan(r->clear) ? at : r->clear,
			   .hold = (unsigned)((r->for_ms + SLICE_MS - 1) / SLICE_MS) };
	int64_t first = first_window(e, r, l.hold);
	struct values v = { e->v, e->known, first, (unsigned)(e->open.newest - first + 1), 0 };
	double error;

	if (!below && s->state == ALERT_RESOLVED && far_below(e, r, &s->key, first, at))
		return;
	v.settled = eval_settled(e, r, &s->key);
	error = eval_windows(e, r, &s->key, r->window, first, e->open.newest);

	s->value = e->v[v.n - 1];
	s->threshold = at;
	if (e->opts.held && e->opts.held(e->opts.arg, r->by, &s->key) && below)
		return;
	if (s->state == ALERT_FIRING)
		follow(e, s, &l, &v);
	if (s->state != ALERT_FIRING)
		search(e, r, s, &l, &v, error);
}

/* --- calendar windows --- */

static void judge_period(struct eval *e, const struct rule *r, struct state *s)
{
	int64_t start, end;
	struct sums total = e->opts.slices->total(e->opts.slices->arg, r->view, &s->key,
						  &start, &end);
	double seconds = (double)(e->now_ms - start) / 1000;
	double v = rule_value(&r->measure, &total, seconds > 1 ? seconds : 1, 0);
	double warn = isnan(r->warn) ? r->above : r->above * r->warn;
	bool whole = v > r->above, early = !whole && v > warn;
	struct alert *a;

	s->value = v;
	s->peak = v;
	s->threshold = r->above;
	if (s->state == ALERT_FIRING && s->alert->window_start_ms != start) {
		eval_resolve(e, s, start); /* a new period: nothing used yet */
		s->state = ALERT_RESOLVED;
	}
	if (!whole && !early)
		return;
	if (s->state == ALERT_FIRING && (!s->alert->warning_share || early))
		return;
	a = eval_alert(e, r, s);
	a->pending_ms = a->started_ms = e->now_ms;
	if (s->state == ALERT_FIRING) { /* the warning has come true: the same alert, worse */
		memcpy(a->id, s->alert->id, sizeof(a->id));
		a->pending_ms = s->alert->pending_ms;
		a->started_ms = s->alert->started_ms;
	}
	a->value = a->peak = v;
	a->warning_share = early;
	a->threshold = r->above; /* also of a warning: a share of this is what is told */
	if (early && a->severity > SEVERITY_WARNING)
		a->severity = SEVERITY_WARNING;
	a->window_start_ms = start;
	a->window_end_ms = e->now_ms;
	eval_fire(e, s, a);
}

/* --- which series when --- */

/* States of large groups are kept only for keys that reach the limit in some window that
 * holds the change, or a flood of sources would fill the table. */
static bool worth(struct eval *e, const struct rule *r, const struct key *k, int64_t changed)
{
	int64_t first = first_window(e, r, 0), start, end;

	if (r->detector || by_is_small(r->by) || isnan(r->above) || !isnan(r->below))
		return true;
	if (r->period != PERIOD_NONE) {
		struct sums t = e->opts.slices->total(e->opts.slices->arg, r->view, k, &start,
						      &end);
		double warn = isnan(r->warn) ? 1 : r->warn;

		return rule_value(&r->measure, &t, 1, 0) > r->above * warn;
	}
	if (changed > first)
		first = changed;
	eval_windows(e, r, k, r->window, first, e->open.newest);
	for (int64_t s = first; s <= e->open.newest; s++)
		if (e->v[s - first] > r->above)
			return true;
	return false;
}

static bool under(const struct state *s)
{
	return s->state == ALERT_FIRING && s->alert->below;
}

/* A limit on either side: one alert at a time, and while it fires its own side is all that
 * is looked at. */
static void judge_both(struct eval *e, const struct rule *r, struct state *s)
{
	int64_t from;
	bool pending;

	if (!under(s))
		judge_limit(e, r, s, r->above, false);
	if (s->state == ALERT_FIRING && !under(s))
		return;
	pending = s->state == ALERT_PENDING;
	from = s->from;
	judge_limit(e, r, s, r->below, true);
	if (under(s))
		return;
	s->threshold = r->above;
	if (pending && s->state == ALERT_RESOLVED) {
		s->state = ALERT_PENDING;
		s->from = from;
	}
}

static void judge(struct eval *e, const struct rule *r, struct state *s)
{
	if (r->period != PERIOD_NONE)
		judge_period(e, r, s);
	else if (!isnan(r->above) && !isnan(r->below))
		judge_both(e, r, s);
	else if (!isnan(r->above))
		judge_limit(e, r, s, r->above, false);
	else if (!isnan(r->below))
		judge_limit(e, r, s, r->below, true);
}

/* What changed can be over a limit at once, and under one only when it has settled. */
static void judge_soon(struct eval *e, const struct rule *r, struct state *s)
{
	if (isnan(r->below))
		judge(e, r, s);
	else if (!isnan(r->above) && !under(s))
		judge_limit(e, r, s, r->above, false);
}

void eval_key(struct eval *e, unsigned view, const struct key *k, int64_t changed,
	      struct span open, int64_t now_ms)
{
	e->open = open;
	e->now_ms = now_ms;
	for (unsigned i = 0; i < e->n; i++) {
		struct rule_state *rs = &e->of[i];
		const struct rule *r = rs->rule;
		struct state **had, *s;

		if (r->view != view || rs->follows)
			continue;
		if (rs->crowd && !baseline_seated(e, rs, k))
			continue;
		had = map_get(&rs->map, k);
		if (!had && !worth(e, r, k, changed))
			continue;
		s = had ? *had : state_get(rs, k);
		if (!s)
			continue;
		judge_soon(e, r, s);
		if (r->detector)
			baseline_soon(e, r, s, changed);
	}
}

struct tick { /* one rule meets the series that the windows know */
	struct eval *e;
	struct rule_state *rs;
};

static void adopt(void *arg, unsigned view, const struct key *k, int64_t newest)
{
	struct tick *t = arg;

	(void)view;
	(void)newest;
	state_get(t->rs, k);
}

/* Nothing is wrong and nothing is learnt: forget it. */
static bool idle(const struct rule *r, const struct state *s, const struct eval *e)
{
	return s->state == ALERT_RESOLVED && !s->detector && !by_is_small(r->by) &&
	       s->handled < e->open.oldest && isnan(r->below);
}

static void tick_rule(struct eval *e, struct rule_state *rs)
{
	const struct rule *r = rs->rule;
	struct tick t = { e, rs };
	struct key *gone = NULL;
	const void *k;
	void *v;
	uint32_t at = 0, n_gone = 0;

	if (r->pattern || rs->follows)
		return;
	budget_share(rs, e->now_ms);
	if (by_is_small(r->by))
		e->opts.known(e->opts.arg, r->view, adopt, &t);
	while (map_next(&rs->map, &at, &k, &v)) {
		struct state *s = *(struct state **)v;

		judge(e, r, s);
		if (r->detector)
			baseline_tick(e, r, s);
		if (!idle(r, s, e))
			continue;
		if (!gone)
			gone = xcalloc(rs->map.n, sizeof(*gone));
		gone[n_gone++] = s->key;
	}
	for (uint32_t i = 0; i < n_gone; i++)
		state_drop(e, rs, &gone[i]);
	free(gone);
	if (rs->crowd)
		baseline_seats(e, rs);
}

/* All of a bin's in two thirds of the next one, however many there are. */
static unsigned learn_max(const struct eval *e)
{
	unsigned series = 0;

	for (unsigned i = 0; i < e->n; i++)
		series += e->of[i].watched;
	series /= BIN_SLICES * 2 / 3;
	return e->opts.learn_max && e->opts.learn_max < series ? series : e->opts.learn_max;
}

void eval_tick(struct eval *e, struct span open, int64_t now_ms, bool fresh)
{
	e->open = open;
	e->now_ms = now_ms;
	e->learnt = 0;
	baseline_now(e);
	if (!fresh)
		return;
	e->learn_max = learn_max(e);
	for (unsigned i = 0; i < e->n; i++)
		tick_rule(e, &e->of[i]);
}
