/* grain.c - below what size is a series only noise of counting?
 * SPDX-License-Identifier: ISC */
#include "detectors/grain.h"

#include <math.h>

/* A running median moves by this share of itself: a day of pairs halves it. */
static const float gain_least = 0.005f;
static const float mean_gain = 1 / 2016.0f;

void grain_put(struct grain *g, float v, float before)
{
	float mid = (v + before) / 2, gain = 2.0f / (float)(g->n + 4), size;

	g->mean += fmaxf(1.0f / (float)(g->bins + 1), mean_gain) * (v - g->mean);
	if (g->bins < UINT16_MAX)
		g->bins++;
	if (!(mid > 0) || mid > g->mean)
		return;
	size = (v - before) * (v - before) / (2 * mid);
	if (gain < gain_least)
		gain = gain_least;
	if (!(g->size > 0))
		g->size = size;
	else
		g->size *= size > g->size ? 1 + gain : 1 / (1 + gain);
	if (g->n < UINT16_MAX)
		g->n++;
}
