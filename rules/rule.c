/* rule.c - rules, their views and their values.
 * SPDX-License-Identifier: ISC
 */
#include "rules/rule.h"

#include "daemon/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rules_fini(struct rules *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		free(r->at[i].name);
		filter_free(&r->at[i].filter);
		free(r->at[i].conf);
		for (unsigned j = 0; j < ALERT_NOTIFY; j++)
			free(r->at[i].notify[j]);
	}
	free(r->at);
	*r = (struct rules){ 0 };
}

/* What the tables order by is the same for a rate and its volume. */
static struct measure ordering(const struct measure *m)
{
	struct measure o = *m;

	if (m->kind == MEASURE_BITS_S || m->kind == MEASURE_UTILISATION)
		o.kind = MEASURE_BYTES;
	if (m->kind == MEASURE_PACKETS_S)
		o.kind = MEASURE_PACKETS;
	if (m->kind == MEASURE_FLOWS_S)
		o.kind = MEASURE_FLOWS;
	return o;
}

static bool is_gauge(const struct measure *m)
{
	return m->kind == MEASURE_PEERS || m->kind == MEASURE_PORTS ||
	       m->kind == MEASURE_ENTROPY;
}

bool rule_is_gauge(const struct rule *r)
{
	return is_gauge(&r->measure);
}

double rule_quota(const struct rule *r)
{
	double slice_s = SLICE_MS / 1000.0;

	if (r->detector || !isnan(r->below) || isnan(r->above) || r->period != PERIOD_NONE ||
	    is_gauge(&r->measure) || r->measure.kind == MEASURE_UTILISATION)
		return 0;
	switch (r->measure.kind) {
	case MEASURE_BITS_S: return r->above / 8 * slice_s;
	case MEASURE_PACKETS_S:
	case MEASURE_FLOWS_S: return r->above * slice_s;
	default: return r->above / r->window;
	}
}

/* Small groups cost little and every rule of theirs makes history, so any order of theirs
 * will do: they share one view whatever they measure, gauges excepted. */
static bool fits(const struct rule_view *v, const struct rule *r)
{
	struct measure o = ordering(&r->measure);
	bool same = v->measure.kind == o.kind && v->measure.of == o.of;

	return v->by == r->by && v->period == r->period &&
	       (same || (by_is_small(r->by) && !is_gauge(&v->measure) && !is_gauge(&o))) &&
	       !strcmp(filter_text(v->filter), filter_text(r->filter));
}

struct rule_view *rules_views(struct rules *rs, unsigned *n)
{
	struct rule_view *views = xcalloc(rs->n ? rs->n : 1, sizeof(*views));

	*n = 0;
	for (unsigned i = 0; i < rs->n; i++) {
		struct rule *r = &rs->at[i];
		double quota = rule_quota(r);
		unsigned v = 0;

		if (r->pattern) {
			r->view = RULE_NO_VIEW;
			continue;
		}
		while (v < *n && !fits(&views[v], r))
			v++;
		r->view = v;
		if (v == *n) {
			views[(*n)++] = (struct rule_view){
				r->filter, r->by, ordering(&r->measure), r->period,
				by_is_small(r->by) ? 0 : quota, true,
			};
		} else if (quota < views[v].quota) {
			views[v].quota = quota;
		}
	}
	return views;
}

char *rule_view_series(const struct rule_view *v)
{
	char m[32] = "";

	if (is_gauge(&v->measure))
		measure_word(&v->measure, m);
	return xasprintf("%s|%s%s", filter_text(v->filter), m, *m ? "|" : "");
}

unsigned rules_longest(const struct rules *r)
{
	unsigned longest = BIN_SLICES;

	for (unsigned i = 0; i < r->n; i++)
		if (r->at[i].window > longest)
			longest = r->at[i].window;
	return longest;
}

uint64_t rule_sum(const struct measure *m, const struct sums *s)
{
	switch (m->kind) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return s->packets;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS: return s->flows;
	default: return s->bytes;
	}
}

double rule_value(const struct measure *m, const struct sums *s, double seconds,
		  double speed_bps)
{
	switch (m->kind) {
	case MEASURE_BITS_S: return (double)s->bytes * 8 / seconds;
	case MEASURE_BYTES: return (double)s->bytes;
	case MEASURE_PACKETS_S: return (double)s->packets / seconds;
	case MEASURE_PACKETS: return (double)s->packets;
	case MEASURE_FLOWS_S: return (double)s->flows / seconds;
	case MEASURE_FLOWS: return (double)s->flows;
	case MEASURE_UTILISATION:
		return speed_bps > 0 ? (double)s->bytes * 8 / seconds / speed_bps : 0;
	default: return 0;
	}
}
