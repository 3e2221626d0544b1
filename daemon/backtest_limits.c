/* backtest_limits.c - how often a rule would fire at other limits, and which to take.
 * SPDX-License-Identifier: ISC
 *
 * Limits are tried several at a time: copies of the rule share one view, so the flows
 * or bins are counted once for all that one thread tries. A suggestion is searched from
 * the rule's own limit outwards until the budget lies between two limits, then between
 * those, in numbers of two digits: nobody wants above = 17382911.
 */
#include "daemon/backtest_impl.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/cpus.h"
#include "daemon/base/mem.h"

enum { THREADS = 8, TRIES = 9, ROUNDS = 6, OUTWARDS = 2 };
static const double usual_clear = 0.8; /* of a limit, where the rule says nothing */
static const double week_ms = 7 * 86400 * 1000.0;

/* To two digits, away from alerts or towards them does not matter. */
static double two_digits(double v)
{
	double scale = pow(10, floor(log10(fabs(v))) - 1);

	return v > 0 ? round(v / scale) * scale : v;
}

static bool gauge_of_one(const struct measure *m)
{
	return m->kind == MEASURE_UTILISATION || m->kind == MEASURE_ENTROPY;
}

const struct opt *backtest_option(const struct rule *r)
{
	if (r->pattern)
		return r->pattern->limit ? opt_find(r->pattern->opts, r->pattern->limit) : NULL;
	return r->detector ? opt_find(r->detector->opts, "budget") : NULL;
}

/* Does a larger limit mean fewer alerts? */
static bool upwards_of(const struct rule *r)
{
	return r->pattern || (!r->detector && !isnan(r->above));
}

static void set_limit(struct rule *r, double limit)
{
	double clear = r->clear, was = isnan(r->above) ? r->below : r->above;
	const struct opt *o = backtest_option(r);

	if (r->detector || r->pattern) {
		if (o)
			*(double *)((char *)r->conf + o->off) = limit;
		return;
	}
	if (isnan(r->above))
		r->below = limit;
	else
		r->above = limit;
	if (!isnan(clear) && was > 0)
		r->clear = limit * clear / was;
}

double backtest_limit(const struct rule *r)
{
	const struct opt *o = backtest_option(r);

	if (r->detector || r->pattern)
		return o ? *(const double *)((const char *)r->conf + o->off) : NAN;
	return isnan(r->above) ? r->below : r->above;
}

struct
try { /* a rule at another limit */
	const struct rule *rule;
	struct backtest_limit *at;
};

static void count(const struct backtest_opts *o, const struct backtest_alert *a,
		  struct backtest_limit *l)
{
	int64_t to = a->ended_ms ? a->ended_ms : o->to_ms;

	if (a->warning)
		return;
	l->alerts++;
	if (to > a->started_ms)
		l->lasted_ms += to - a->started_ms;
}

/* When all its alerts are counted. */
static void reckon(const struct backtest_rule *r, struct backtest_limit *l)
{
	double weeks = backtest_weeks(r);

	l->a_week = weeks > 0 ? l->alerts / weeks : 0;
	l->series = r->series;
}

static void tell(const struct backtest_opts *o, const struct backtest *b,
		 const struct try *tries, unsigned n)
{
	for (size_t i = 0; i < b->n; i++)
		count(o, &b->at[i], tries[b->at[i].rule].at);
	for (unsigned i = 0; i < n; i++)
		reckon(&b->rule[i], tries[i].at);
}

/* All of them in one run: flows and bins are read and counted once. */
static bool try_some(const struct backtest_opts *o, const struct try *tries, unsigned n,
		    struct err *err)
{
	struct backtest_opts many = *o;
	struct rules *rules = xcalloc(1, sizeof(*rules));
	struct backtest b = { .rule = NULL };
	bool ok;

	many.copies = TRIES;
	rules->at = xcalloc(n + 1, sizeof(*rules->at));
	for (unsigned i = 0; i < n; i++) {
		struct rules one = { (struct rule *)tries[i].rule, 1 };
		struct rules *copy = backtest_copies(&one, 1);
		struct rule *r = &rules->at[rules->n++];

		*r = copy->at[0];
		free(copy->at);
		free(copy);
		free(r->name);
		r->name = xasprintf("%s#%u", tries[i].rule->name, i);
		set_limit(r, tries[i].at->limit);
	}
	ok = backtest_run(&many, rules, &b, err);
	if (ok)
		tell(o, &b, tries, n);
	backtest_fini(&b);
	backtest_rules_free(&rules);
	return ok;
}

/* A share of the tries, in a thread of its own. */
struct share {
	pthread_t thread;
	struct backtest_opts o;
	const struct try *tries;
	unsigned n;
	struct err err;
	bool started, ok;
};

static void *try_share(void *arg)
{
	struct share *s = arg;

	s->ok = try_some(&s->o, s->tries, s->n, &s->err);
	return NULL;
}

/* A run knows nothing of another, so each processor takes some of the tries, and reads the
 * past for itself: that is a small part of the work. Only the first tells how far it is. */
static bool try_all(const struct backtest_opts *o, const struct try *tries, unsigned n,
		    struct err *err)
{
	struct share share[THREADS];
	unsigned shares = cpus(n < THREADS ? n : THREADS), at = 0;
	bool ok = true;

	for (unsigned i = 0; i < shares; i++) {
		unsigned to = n * (i + 1) / shares;

		share[i] = (struct share){ .o = *o, .tries = tries + at, .n = to - at };
		at = to;
		if (i)
			share[i].o.progress = NULL;
		share[i].started = i && !pthread_create(&share[i].thread, NULL, try_share,
							&share[i]);
	}
	for (unsigned i = 0; i < shares; i++)
		if (!share[i].started)
			try_share(&share[i]);
	for (unsigned i = 0; i < shares; i++) {
		if (share[i].started)
			pthread_join(share[i].thread, NULL);
		if (!share[i].ok && ok)
			*err = share[i].err;
		ok = ok && share[i].ok;
	}
	return ok;
}

static bool try_limits(const struct backtest_opts *o, const struct rule *r,
		       struct backtest_limit *at, unsigned n, struct err *err)
{
	struct try tries[TRIES];

	for (unsigned i = 0; i < n; i++)
		tries[i] = (struct try){ r, &at[i] };
	return try_all(o, tries, n, err);
}

double backtest_weeks(const struct backtest_rule *r)
{
	return r->first_ms ? (double)(r->last_ms - r->first_ms) / week_ms : 0;
}

static int by_limit(const void *a, const void *b)
{
	double x = ((const struct backtest_limit *)a)->limit;
	double y = ((const struct backtest_limit *)b)->limit;

	return (x > y) - (x < y);
}

static bool has(const struct backtest_limits *l, double limit)
{
	for (unsigned k = 0; k < l->n; k++)
		if (fabs(l->at[k].limit - limit) < 1e-9 * limit)
			return true;
	return false;
}

/* Adds the limits that are not there yet. */
static bool extend(const struct backtest_opts *o, const struct rule *r,
		   struct backtest_limits *l, const double *limits, unsigned n,
		   struct err *err)
{
	struct backtest_limit fresh[TRIES];
	unsigned n_fresh = 0;

	for (unsigned i = 0; i < n && l->n + n_fresh < BACKTEST_LIMITS; i++) {
		double v = limits[i];
		bool had = !(v > 0) || has(l, v);

		for (unsigned k = 0; k < n_fresh; k++)
			had |= fabs(fresh[k].limit - v) < 1e-9 * v;
		if (!had)
			fresh[n_fresh++] = (struct backtest_limit){ .limit = v };
	}
	if (!n_fresh)
		return true;
	if (!try_limits(o, r, fresh, n_fresh, err))
		return false;
	if (n_fresh)
		memcpy(l->at + l->n, fresh, n_fresh * sizeof(*fresh));
	l->n += n_fresh;
	if (l->n)
		qsort(l->at, l->n, sizeof(*l->at), by_limit);
	return true;
}

/* The rule's own limit, and others around it. */
static void first_limits(const struct rule *r, struct backtest_limits *l)
{
	static const double budgets[] = { 0.03, 0.1, 0.3, 1, 3 };
	static const double factors[] = { 0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4 };
	double own = backtest_limit(r);
	const struct opt *o = backtest_option(r);

	*l = (struct backtest_limits){ .detector = r->detector != NULL };
	if (isnan(own))
		return;
	l->at[l->n++].limit = own;
	for (size_t i = 0; i < (r->detector ? ARRAY_LEN(budgets) : ARRAY_LEN(factors));
	     i++) {
		double v = r->detector ? budgets[i] : two_digits(own * factors[i]);

		if (gauge_of_one(&r->measure) && !r->detector && v > 1)
			v = 1;
		if (o)
			v = fmin(fmax(v, o->min), o->max);
		if (v > 0 && !has(l, v))
			l->at[l->n++].limit = v;
	}
	if (l->n)
		qsort(l->at, l->n, sizeof(*l->at), by_limit);
}

/* What the rule's own limit gave is known already. */
static void tell_own(const struct backtest_opts *o, const struct backtest *own, unsigned rule,
		     struct backtest_limit *l)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->at[i].rule == rule)
			count(o, &own->at[i], l);
	reckon(&own->rule[rule], l);
}

bool backtest_limits(const struct backtest_opts *o, const struct rule *rules, unsigned n,
		     const struct backtest *own, struct backtest_limits *out, struct err *err)
{
	struct try *tries = xcalloc(n * (TRIES + 1) + 1, sizeof(*tries));
	unsigned n_tries = 0;
	bool ok;

	for (unsigned i = 0; i < n; i++) {
		first_limits(&rules[i], &out[i]);
		for (unsigned k = 0; k < out[i].n; k++)
			if (own && out[i].at[k].limit == backtest_limit(&rules[i]))
				tell_own(o, own, i, &out[i].at[k]);
			else
				tries[n_tries++] = (struct try){ &rules[i], &out[i].at[k] };
	}
	ok = !n_tries || try_all(o, tries, n_tries, err);
	free(tries);
	return ok;
}

/* ---- a suggestion ---- */

/* Alerts of a small group are told for each of its series; a large group (hosts) is
 * one thing, for nobody knows how many of it there will be. */
static double rate(const struct rule *r, const struct backtest_limit *l)
{
	return by_is_small(r->by) && l->series ? l->a_week / l->series : l->a_week;
}

/* The limits on both sides of the budget: at[*ok] keeps it, its neighbour at[*over] does
 * not; -1: none. Alerts need not fall evenly, so the outermost pair is taken: every limit
 * beyond at[*ok] keeps the budget too. */
static void bracket(const struct rule *r, const struct backtest_limits *l, double budget,
		    int *ok, int *over)
{
	bool upwards = upwards_of(r);

	*ok = *over = -1;
	for (unsigned k = 0; k < l->n; k++) {
		int i = upwards ? (int)(l->n - 1 - k) : (int)k;

		if (rate(r, &l->at[i]) > budget) {
			*over = i;
			return;
		}
		*ok = i;
	}
}

static unsigned between(double a, double b, double out[TRIES])
{
	unsigned n = 0;

	for (unsigned i = 1; i < TRIES - 1; i++)
		out[n++] = two_digits(a * pow(b / a, (double)i / (TRIES - 1)));
	return n;
}

static bool search(const struct backtest_opts *o, const struct rule *r, double budget,
		   struct backtest_limits *l, int *ok, int *over, struct err *err)
{
	double next[TRIES], step = 16;
	bool upwards = upwards_of(r);
	int outwards = 0;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned had = l->n, n;

		bracket(r, l, budget, ok, over);
		if (r->detector || r->pattern || ((*ok < 0 || *over < 0) && outwards++ == OUTWARDS))
			return true;
		if (*ok >= 0 && *over >= 0)
			n = between(l->at[*ok].limit, l->at[*over].limit, next);
		else if ((*ok < 0) == upwards)
			n = between(l->at[l->n - 1].limit, l->at[l->n - 1].limit * step,
				    next);
		else
			n = between(l->at[0].limit / step, l->at[0].limit, next);
		if (!extend(o, r, l, next, n, err))
			return false;
		if (l->n == had)
			break;
	}
	bracket(r, l, budget, ok, over);
	return true;
}

bool backtest_suggest(const struct backtest_opts *o, const struct rule *r, double budget,
		      struct backtest_limits *l, struct backtest_suggestion *out,
		      struct err *err)
{
	int ok, over;

	*out = (struct backtest_suggestion){ .limit = NAN,
					     .clear = NAN,
					     .for_ms = r->for_ms };
	if (!l->n)
		return true;
	if (!search(o, r, budget, l, &ok, &over, err))
		return false;
	out->bounded = over >= 0;
	if (ok < 0)
		return true;
	out->limit = l->at[ok].limit;
	out->expected = l->at[ok];
	out->rate = rate(r, &l->at[ok]);
	if (!r->detector && !r->pattern && r->period == PERIOD_NONE)
		out->clear = two_digits(isnan(r->above) ? out->limit / usual_clear
							: out->limit * usual_clear);
	return true;
}
