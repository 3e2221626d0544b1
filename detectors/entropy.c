/* entropy.c - the mix of addresses or ports is not that of this hour.
 * SPDX-License-Identifier: ISC
 *
 * For a rule with measure = "entropy(dst_port)" and its like (Lakhina et al. 2005): a
 * flood makes one address or port out of many, a scan many out of few, at volumes that no
 * limit sees. What is learnt is not bits but the effective number of values, two to the
 * entropy: the views work in logarithms of that, where a bit more and a bit less are as far
 * away wherever the mix is, and what is shown is bits again. Both sides have the same part
 * of the budget, and a lone bin has little, as for seasonal.
 */
#include <math.h>

#include "detectors/views.h"

static const double bits_most = 64; /* no mix has more */

static const float share[VIEWS] = {
	[VIEW_ONE] = 0.0075f,
	[VIEW_TWO] = 0.45f,
	[VIEW_BURSTS] = 0.3f,
	[VIEW_SLOW_UP] = 0.45f,
	[VIEW_SLOW_DOWN] = 0.45f,
	[VIEW_QUIET] = 0.45f,
	[VIEW_DROP] = 0.45f,
	[VIEW_RISE] = 0.0025f,
	[VIEW_FALL] = 0.0025f,
	[VIEW_MORE] = 0.0025f,
	[VIEW_LESS] = 0.0025f,
};

static double values_of(double bits)
{
	return exp2(fmin(fmax(bits, 0), bits_most));
}

static double bits_of(double values)
{
	return isnan(values) ? values : log2(fmax(values, 1));
}

static struct point in_values(const struct point *p)
{
	struct point q = *p;

	q.value = values_of(p->value);
	q.peak = p->peak > 0 ? values_of(p->peak) : 0;
	return q;
}

/* The views speak of traffic; a mix is wider or narrower. */
static const char *words(enum side side, const char *view)
{
	if (!*view)
		return view;
	return side == SIDE_UP	   ? "a wider mix than usual"
	       : side == SIDE_DOWN ? "a narrower mix than usual"
				   : view;
}

static void in_bits(struct verdict *v)
{
	v->low = bits_of(v->low);
	v->median = bits_of(v->median);
	v->high = bits_of(v->high);
	v->view = words(v->side, v->view);
}

static void step(const void *conf, void *state, const struct point *p, struct verdict *out)
{
	struct point q = in_values(p);

	views_step(share, conf, state, &q, out);
	in_bits(out);
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	struct point q = in_values(p);

	views_judge(share, conf, state, &q, out);
	/* A part of a bin has fewer values, and what comes later can make the mix narrower as
	 * well as wider: nothing is sure before the bin has settled. */
	if (out->fresh)
		out->side = SIDE_NONE;
	out->fresh = false;
	in_bits(out);
}

VIEWS_DETECTOR(entropy, "a mix of addresses or ports that is unusual for this hour");
