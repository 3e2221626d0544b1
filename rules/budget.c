/* budget.c - how often a rule's detector may alarm, and how often it did.
 * SPDX-License-Identifier: ISC
 *
 * `budget` is of each series, so a rule over hosts alarms more often with every host that
 * is found. `budget_total` bounds the rule: alarms that come by chance add up over
 * series, alike or not, so n series that may have total / n each have `total` together,
 * in the mean: what is least unusual is left out first, whenever it comes. On a day on
 * which much is wrong more would come all the same, so the rule is also capped (cap.h):
 * what is one too many is kept in history with the reason, counted, and told by number
 * with the next one that is told.
 *
 * Beside what was stated stands what came: alerts over weeks of series that were armed,
 * both fading with FADE_MS, so it is the rate of the last month or so. Which of them were
 * false nobody knows but who looked, so all are counted: the rate of false ones is at
 * most this.
 */
#include "daemon/base/mem.h"
#include "rules/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t FADE_MS = INT64_C(28) * 86400 * 1000;
static const double week_s = 7 * 86400;
static const char of_rule[] = "|*"; /* behind its name: no series is called so */

struct kept { /* then what was told of late, oldest first, as many as there are */
	double alarms, armed_s;
	int64_t faded_ms;
};

static const struct opt *option(const struct rule *r)
{
	return r->detector ? opt_find(r->detector->opts, "budget") : NULL;
}

static double *value(void *conf, const struct opt *o)
{
	return (double *)((char *)conf + o->off);
}

static void fade(struct rule_state *rs, int64_t now_ms)
{
	int64_t gone = now_ms - rs->faded_ms;

	if (rs->faded_ms && gone > 0) {
		rs->alarms *= exp(-(double)gone / (double)FADE_MS);
		rs->armed_s *= exp(-(double)gone / (double)FADE_MS);
	}
	rs->faded_ms = now_ms;
}

void budget_share(struct rule_state *rs, int64_t now_ms)
{
	const struct rule *r = rs->rule;
	const struct opt *o = option(r);
	double own, each;

	if (!o)
		return;
	fade(rs, now_ms);
	own = each = *value(r->conf, o);
	if (r->budget_total > 0 && rs->watched)
		each = fmax(o->min, fmin(own, r->budget_total / rs->watched));
	rs->each = each;
	if (each >= own) {
		free(rs->conf);
		rs->conf = NULL;
		return;
	}
	if (!rs->conf)
		rs->conf = xmemdup(r->conf, r->detector->conf_size);
	*value(rs->conf, o) = each;
}

void budget_fini(struct rule_state *rs)
{
	free(rs->conf);
	rs->conf = NULL;
}

struct budget_value eval_budget(const struct eval *e, unsigned i)
{
	const struct rule_state *rs = &e->of[i];
	const struct opt *o = option(rs->rule);

	if (!o || rs->follows) /* the first of two sides counts for both */
		return (struct budget_value){ 0 };
	return (struct budget_value){
		.stated = *value(rs->rule->conf, o),
		.total = rs->rule->budget_total > 0 ? rs->rule->budget_total : 0,
		.each = rs->each, .alerts = rs->alarms, .weeks = rs->armed_s / week_s,
		.series = rs->watched, .held = rs->cap.held,
	};
}

void budget_save(const struct rule_state *rs, eval_blob_f *fn, void *arg)
{
	struct {
		struct kept k;
		struct cap_told told[CAP_TOLD];
	} all = { .k = { rs->alarms, rs->armed_s, rs->faded_ms } };
	size_t octets = rs->cap.n * sizeof(*rs->cap.told);
	char *key;

	if (!option(rs->rule) || !(rs->armed_s > 0 || octets))
		return;
	memcpy(all.told, rs->cap.told, octets);
	key = xasprintf("%s%s", rs->rule->name, of_rule);
	fn(arg, key, &all, sizeof(all) - sizeof(all.told) + octets);
	free(key);
}

bool budget_load(struct eval *e, const char *key, const void *data, size_t len)
{
	size_t n = strlen(key), tail = sizeof(of_rule) - 1;
	struct kept k;

	if (n < tail || strcmp(key + n - tail, of_rule))
		return false;
	if (len < sizeof(k) || (len - sizeof(k)) % sizeof(struct cap_told) ||
	    (len - sizeof(k)) / sizeof(struct cap_told) > CAP_TOLD)
		return true;
	for (unsigned i = 0; i < e->n; i++) {
		struct rule_state *rs = &e->of[i];

		if (strlen(rs->rule->name) != n - tail ||
		    strncmp(rs->rule->name, key, n - tail))
			continue;
		memcpy(&k, data, sizeof(k));
		if (!isfinite(k.alarms) || !isfinite(k.armed_s) || k.alarms < 0 ||
		    k.armed_s < 0)
			continue;
		rs->alarms = k.alarms;
		rs->armed_s = k.armed_s;
		rs->faded_ms = k.faded_ms;
		rs->cap.n = (unsigned)((len - sizeof(k)) / sizeof(struct cap_told));
		memcpy(rs->cap.told, (const char *)data + sizeof(k), len - sizeof(k));
	}
	return true;
}
