/* runs.c - stretches over a limit.
 * SPDX-License-Identifier: ISC
 */
#include "rules/runs.h"

static bool settled(const struct values *v, unsigned i)
{
	return v->first + i <= v->settled && v->known[i];
}

static bool past(const struct limit *l, const struct values *v, unsigned i)
{
	return l->below ? settled(v, i) && v->v[i] < l->at : v->v[i] > l->at;
}

static bool cleared(const struct limit *l, const struct values *v, unsigned i)
{
	return settled(v, i) && (l->below ? v->v[i] > l->clear : v->v[i] < l->clear);
}

static void extend(const struct limit *l, const struct values *v, unsigned i, struct run *r)
{
	if (!past(l, v, i))
		return;
	r->last = v->first + i;
	r->value = v->v[i];
	if (l->below ? r->value < r->peak : r->value > r->peak)
		r->peak = r->value;
}

void run_follow(const struct limit *l, const struct values *v, struct run *r)
{
	r->state = RUN_OPEN;
	for (unsigned i = 0; i < v->n; i++) {
		int64_t s = v->first + i;

		if (s < r->fired)
			continue;
		extend(l, v, i, r);
		/* What clears must come after what fired, and after anything over since. */
		if (s > r->last && cleared(l, v, i)) {
			r->state = RUN_OVER;
			r->to = s;
			return;
		}
	}
}

struct run run_find(const struct limit *l, const struct values *v, int64_t after)
{
	struct run r = { .state = RUN_NONE };

	for (unsigned i = 0; i < v->n; i++) {
		int64_t s = v->first + i;

		if (s <= after)
			continue;
		if (!past(l, v, i)) {
			r.state = RUN_NONE;
			continue;
		}
		if (r.state == RUN_NONE) {
			r = (struct run){ .state = RUN_PENDING, .from = s, .last = s,
					  .value = v->v[i], .peak = v->v[i] };
		}
		extend(l, v, i, &r);
		if (s - r.from >= (int64_t)l->hold) {
			r.fired = s;
			run_follow(l, v, &r);
			return r;
		}
	}
	return r;
}
