/* gather.h - short bins made into bins of five minutes.
 * SPDX-License-Identifier: ISC
 *
 * A profile has a slot for five minutes. A series in minutes would fill each five times a
 * day, and what is meant by two bins in a row would be two minutes.
 */
#ifndef CUL_DETECTORS_GATHER_H
#define CUL_DETECTORS_GATHER_H

#include "daemon/model/point.h"

enum { GATHER_S = 300 };

struct gather { /* zeroed: nothing yet */
	int64_t at_s; /* start of the five minutes */
	double sum;
	uint32_t n;   /* values in sum */
	bool idle;    /* one of them was not to be learnt from */
};

/* p, of less than GATHER_S, joins the others of its five minutes. True when these are
 * whole: *whole is their mean, or a gap. What a hole cut short is left out. */
bool gather_put(struct gather *g, const struct point *p, struct point *whole);

#endif
