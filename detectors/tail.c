/* tail.c - how often does a figure get this large?
 * SPDX-License-Identifier: ISC */
#include "detectors/tail.h"

#include <math.h>

/* A block counts for one in 25 at least: a month is remembered. */
static const float memory = 1 / 25.0f;
/* One block may move the mean by no more than this many distances: a day with
 * an attack in it is one large day, not a new idea of what days are. */
static const float clip = 4;
/* Before there are maxima to compare, their distance from the mean is taken to
 * be a wide 0.4 of it; four blocks weigh as much as this guess. */
static const float guess = 0.4f, guess_blocks = 4;
/* No series is so regular that its maxima differ by less than this share. */
static const float least_share = 0.08f;

void tail_put(struct tail *t, float v)
{
	if (!t->bins || v > t->top)
		t->top = v;
	if (t->bins < UINT16_MAX)
		t->bins++;
}

void tail_close(struct tail *t, unsigned least)
{
	unsigned bins = t->bins;
	float v = t->top;

	t->bins = 0;
	if (!bins || bins < least)
		return;
	if (!t->blocks) {
		t->mean = v;
		t->dev = guess * fabsf(v);
	} else {
		float gain = fmaxf(1.0f / (float)(t->blocks + 1), memory);

		if (t->blocks >= 2)
			v = fminf(v, t->mean + clip * t->dev);
		t->dev += gain * (fabsf(v - t->mean) - t->dev);
		t->mean += gain * (v - t->mean);
	}
	if (t->blocks < UINT16_MAX)
		t->blocks++;
}

float tail_nats(const struct tail *t, float v, float narrow)
{
	/* Of Gumbel's law with scale b: mean distance from the mean is 0.95 b and the
	 * mean lies Euler's 0.577 b above the mode. */
	float trust = t->blocks / (t->blocks + guess_blocks);
	float dev = trust * t->dev + (1 - trust) * guess * fabsf(t->mean);
	float b = fmaxf(fmaxf(dev / 0.95f, least_share * fabsf(t->mean)), narrow);

	return (v - t->mean) / b + 0.577f;
}
