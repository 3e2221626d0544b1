/* absence.c - something that should be there is not.
 * SPDX-License-Identifier: ISC
 *
 * A drop, a nightly job that did not run, a line that stays flat to the bit: what
 * a rule for "went quiet" asks. A gap is none of these: nobody was there to see (D3).
 */
#include "detectors/views.h"

static const float share[VIEWS] = {
	[VIEW_QUIET] = 0.5f,
	[VIEW_DROP] = 0.5f,
	[VIEW_FLAT] = 0.5f,
	[VIEW_LESS] = 0.1f,
	[VIEW_FALL] = 0.01f,
};

VIEWS_STEPS
VIEWS_DETECTOR(absence, "a drop, a flat line, a job that did not run");
