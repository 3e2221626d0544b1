/* reload.c - what outlives a change of rules or a restart, and what others may see.
 * SPDX-License-Identifier: ISC
 *
 * A rule that asks the same as before keeps its series, their alerts and baselines,
 * whatever its limits are now. Two rules with the same detector over the same series, one
 * for each side, share one normal: the first of them keeps it (`other`, `follows`). An
 * alert that no rule would tell any more is resolved, since nobody would ever end it.
 */
#include "rules/state.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

const char *eval_learns(const struct rule *r)
{
	return r->learns ? r->learns : r->name;
}

const struct rule *eval_speaker(const struct eval *e, const struct rule *r, enum side side)
{
	const struct rule *other = e->of[r - e->rules->at].other;

	if (side == SIDE_NONE)
		return NULL;
	if (r->side == SIDE_NONE || r->side == side)
		return r;
	return other && other->side == side ? other : NULL;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return !strcmp(eval_learns(a), eval_learns(b)) && a->by == b->by &&
	       a->window == b->window &&
	       a->period == b->period && a->measure.kind == b->measure.kind &&
	       a->measure.of == b->measure.of && a->detector == b->detector &&
	       a->pattern == b->pattern &&
	       !strcmp(filter_text(a->filter), filter_text(b->filter));
}

/* Two that ask the same of the same baseline, each of its own side. */
static bool other_side(const struct rule *a, const struct rule *b)
{
	return a->detector && a->detector == b->detector && a->learns && b->learns &&
	       a->side != SIDE_NONE && b->side != SIDE_NONE && a->side != b->side &&
	       same_rule(a, b) && a->budget_total == b->budget_total &&
	       !memcmp(a->conf, b->conf, a->detector->conf_size);
}

static void pair(struct rule_state *of, unsigned i)
{
	for (unsigned j = 0; j < i; j++) {
		if (of[j].other || !other_side(of[j].rule, of[i].rule))
			continue;
		of[j].other = of[i].rule;
		of[i].other = of[j].rule;
		of[i].follows = true;
		return;
	}
}

static void resolve_all(struct eval *e, struct rule_state *rs)
{
	const void *k;
	void *s;
	uint32_t at = 0;

	while (map_next(&rs->map, &at, &k, &s))
		eval_resolve(e, *(struct state **)s, e->now_ms);
}

static bool speaks(const struct rule_state *rs, const char *name)
{
	return !strcmp(rs->rule->name, name) || (rs->other && !strcmp(rs->other->name, name));
}

/* One of two rules went; what both know stays, but nobody tells its alerts any more. */
static void resolve_orphans(struct eval *e, struct rule_state *rs)
{
	const void *k;
	void *v;
	uint32_t at = 0;

	while (map_next(&rs->map, &at, &k, &v)) {
		struct state *s = *(struct state **)v;

		if (s->alert && !speaks(rs, s->alert->rule))
			eval_resolve(e, s, e->now_ms);
	}
}

static void inherit(struct eval *e, struct rule_state *rs)
{
	for (unsigned j = 0; j < e->n && !rs->map.max; j++) {
		struct rule_state *was = &e->of[j];

		if (!was->rule || was->follows || !same_rule(was->rule, rs->rule))
			continue;
		was->rule = rs->rule;
		was->other = rs->other;
		*rs = *was;
		budget_fini(rs); /* it may be another now */
		was->rule = NULL; /* moved */
		resolve_orphans(e, rs);
	}
}

void eval_rules(struct eval *e, const struct rules *r, int64_t now_ms)
{
	struct rule_state *of = xcalloc(r->n ? r->n : 1, sizeof(*of));

	e->now_ms = now_ms;
	for (unsigned i = 0; i < r->n; i++) {
		of[i].rule = &r->at[i];
		pair(of, i);
	}
	for (unsigned i = 0; i < r->n; i++) {
		if (!of[i].follows)
			inherit(e, &of[i]);
		if (!of[i].map.max)
			map_init(&of[i].map, by_octets(r->at[i].by), sizeof(struct state *),
				 SERIES_MAX);
	}
	for (unsigned i = 0; i < r->n; i++)
		baseline_crowd(e, &of[i]);
	for (unsigned j = 0; j < e->n; j++) {
		if (!e->of[j].rule)
			continue;
		resolve_all(e, &e->of[j]);
		rule_state_fini(e, &e->of[j]);
	}
	free(e->of);
	e->of = of;
	e->n = r->n;
	e->rules = r;
}

bool eval_restore(struct eval *e, struct alert *a)
{
	for (unsigned i = 0; i < e->n; i++) {
		struct rule_state *rs = &e->of[i];
		struct state *s;
		enum by by;
		struct key k;

		if (rs->rule->pattern || rs->follows || !speaks(rs, a->rule) ||
		    !key_parse(a->series_id, e->opts.names, &by, &k) || by != rs->rule->by)
			continue;
		if (rs->crowd && !crowd_seat(rs->crowd, &k))
			continue;
		s = state_get(rs, &k);
		if (!s || s->alert)
			continue;
		s->state = ALERT_FIRING;
		s->from = slice_of(a->pending_ms);
		s->fired = s->last = slice_of(a->started_ms);
		s->peak = a->peak;
		a->by = by;
		a->key = k; /* ids of this process, which its JSON does not have */
		s->alert = a;
		return true;
	}
	return false;
}

static const struct rule *shown(const struct rule_state *rs, const struct state *s)
{
	return s->alert && rs->other && !strcmp(s->alert->rule, rs->other->name) ? rs->other
										  : rs->rule;
}

void eval_values(struct eval *e, eval_value_f *fn, void *arg)
{
	for (unsigned i = 0; i < e->n; i++) {
		const void *k;
		void *v;
		uint32_t at = 0;

		while (map_next(&e->of[i].map, &at, &k, &v)) {
			const struct state *s = *(struct state **)v;
			struct series_value out = {
				.rule = shown(&e->of[i], s), .key = &s->key, .value = s->value,
				.threshold = s->threshold, .low = s->low,
				.median = s->median, .high = s->high, .state = s->state,
				.since_ms = s->from * SLICE_MS, .armed_in_s = s->armed_in_s,
			};

			fn(arg, &out);
		}
	}
}
