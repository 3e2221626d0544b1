/* change.c - a new level, or a slow drift to one.
 * SPDX-License-Identifier: ISC
 *
 * Two hours' mean against today's level, and the distance from other days: what is
 * too small for any one bin and too long for chance. Spikes are left to others.
 */
#include "detectors/views.h"

static const float share[VIEWS] = {
	[VIEW_SLOW_UP] = 0.7f,
	[VIEW_SLOW_DOWN] = 0.7f,
	[VIEW_MORE] = 0.1f,
	[VIEW_LESS] = 0.1f,
};

VIEWS_STEPS
VIEWS_DETECTOR(change, "a level shift or a slow drift");
