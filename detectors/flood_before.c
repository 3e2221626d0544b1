/* flood_before.c - what came to a victim before it had a name.
 * SPDX-License-Identifier: ISC
 *
 * Counters of flood_track.c hold what came to whom in a slice of reception. What they held is
 * kept on average over FLOOD_BEFORE slices, so that a new name knows what came to it
 * before: less than what gives a name, but it was there. In maintenance nothing is added.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <string.h>

float flood_before(const struct flood *f, uint64_t hash)
{
	float v = fminf(f->before[0][hash >> 51], f->before[1][hash >> 36 & (FLOOD_SKETCH - 1)]);

	return v < 4 * f->before_sum / FLOOD_SKETCH ? 0 : v; /* others', perhaps */
}

/* The counters of a slice that is over become part of what was usual before. */
static void remember(struct flood *f)
{
	float a;

	if (f->holds)
		return;
	f->periods += f->periods < FLOOD_BEFORE;
	a = 1 / (float)f->periods;
	f->before_sum += a * (f->sketch_sum - f->before_sum);
	for (unsigned row = 0; row < 2; row++) {
		for (unsigned i = 0; i < FLOOD_SKETCH; i++) {
			float v = f->before[row][i] + a * (f->sketch[row][i] - f->before[row][i]);

			f->before[row][i] = v > 1e-6F ? v : 0; /* tiny ones take very long */
		}
	}
}

void flood_before_period(struct flood *f, int64_t gap)
{
	for (; gap > 0; gap--) {
		remember(f);
		if (gap > FLOOD_BEFORE * 4)
			gap = FLOOD_BEFORE * 4;
		memset(f->sketch, 0, sizeof(f->sketch));
		f->sketch_sum = 0;
	}
	memset(f->sketch, 0, sizeof(f->sketch));
	f->sketch_sum = 0;
}
