/* gather.c - short bins made into bins of five minutes.
 * SPDX-License-Identifier: ISC */
#include "detectors/gather.h"

bool gather_put(struct gather *g, const struct point *p, struct point *whole)
{
	int64_t at_s = p->at_s - p->at_s % GATHER_S;

	if (g->at_s != at_s)
		*g = (struct gather){ .at_s = at_s };
	if (!p->gap) {
		g->sum += p->value;
		g->n++;
	}
	g->idle |= !p->train;
	if (p->at_s + p->step_s < at_s + GATHER_S)
		return false;
	*whole = *p;
	whole->at_s = at_s;
	whole->step_s = GATHER_S;
	whole->gap = !g->n;
	whole->train = !g->idle;
	whole->value = g->n ? g->sum / g->n : 0;
	whole->peak = 0;
	return true;
}
