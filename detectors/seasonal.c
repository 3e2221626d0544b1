/* seasonal.c - unusual for this hour of this kind of day.
 * SPDX-License-Identifier: ISC
 *
 * All the views but the flat line, which ordinary idle series draw too. Nearly the
 * whole budget goes to those that know the hour and need more than one bin: lone
 * bursts are no incident. The shares add up to 2.7: views see the same events, and
 * the rate realised is about four tenths of their sum. The step gets next to nothing: it
 * is one bin, in bare logarithms, where the tail of lone bursts is longest. As news it is
 * told all the same.
 */
#include "detectors/views.h"

static const float share[VIEWS] = {
	[VIEW_ONE] = 0.0025f,
	[VIEW_TWO] = 0.45f,
	[VIEW_BURSTS] = 0.45f,
	[VIEW_SLOW_UP] = 0.45f,
	[VIEW_SLOW_DOWN] = 0.45f,
	[VIEW_QUIET] = 0.45f,
	[VIEW_DROP] = 0.45f,
	[VIEW_RISE] = 0.0025f,
	[VIEW_FALL] = 0.0025f,
	[VIEW_MORE] = 0.0025f,
	[VIEW_LESS] = 0.0025f,
	[VIEW_STEP] = 0.00001f,
	[VIEW_RECORD] = 0.0025f,
};

VIEWS_STEPS
VIEWS_DETECTOR(seasonal, "unusual for this hour of this kind of day, by several views");
