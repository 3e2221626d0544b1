/* grain.h - below what size is a series only noise of counting?
 * SPDX-License-Identifier: ISC
 *
 * A quiet line carries a transfer in one bin and none in the next. In logarithms that is
 * an abyss, and nothing that happens by day is as far from normal as such a night. The
 * noise of a count grows with its root (Poisson), so the variance from bin to bin, divided
 * by the mean, is the size of one transfer: its grain. It is looked for where it shows,
 * in bins that have less than the mean of all, and as a running median, so that neither
 * jobs nor floods are taken for it. Where traffic is thick the same figure is a small
 * share of the value, and does no harm.
 */
#ifndef CUL_DETECTORS_GRAIN_H
#define CUL_DETECTORS_GRAIN_H

#include <stdint.h>

struct grain {
	float size;     /* in the value's unit; 0: none seen */
	float mean;     /* of all values, of late */
	uint16_t n, bins; /* pairs in size, values in mean */
};

/* A value and that of the bin before. */
void grain_put(struct grain *g, float v, float before);

#endif
