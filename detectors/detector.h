/* detector.h - what every detector is.
 * SPDX-License-Identifier: ISC
 *
 * A detector watches one number of one series, one point for each settled bin.
 * It keeps no clock, does no I/O and allocates nothing: same points in, same
 * verdicts out. The engine owns conf and state. State is plain bytes without
 * pointers, zeroed before the first point, so it can be saved and read back on
 * the same machine type; a detector that changes its layout raises `version`,
 * and saved bytes of another version are not used. Threads: any, one at a time
 * for each state.
 */
#ifndef CUL_DETECTORS_DETECTOR_H
#define CUL_DETECTORS_DETECTOR_H

#include <stddef.h>

#include "daemon/model/opt.h"
#include "daemon/model/point.h"

/* Judges a settled bin and then learns from it, unless the point says that it
 * is not to be trained on. Fills all of *out. Points come in the order of time;
 * bins left out are the same as bins given with .gap set. */
typedef void detector_step_f(const void *conf, void *state, const struct point *p,
			     struct verdict *out);

/* Judges a window of the bin's length that has not settled, between two steps,
 * and changes nothing. Its point has the newest bin's at_s and slot, `value` is
 * the window's value so far. Only SIDE_UP can begin here: a partial sum can
 * only grow, so a rise is known early and a fall is not (D2). An alert that
 * stands since the last step is repeated in the answer. Where a value begins nothing,
 * no smaller one does until the next step or bin: the caller need not ask. */
typedef void detector_judge_f(const void *conf, const void *state, const struct point *p,
			      struct verdict *out);

struct detector {
	const char *name;       /* config keyword */
	const char *doc;        /* one line, shown by `culprit score --list` */
	const struct opt *opts; /* settings, doubles in conf; a NULL name ends */
	size_t conf_size, state_size;
	unsigned version;       /* of the state's layout */
	detector_step_f *step;
	detector_judge_f *judge;
};

/* NULL when no detector has that name. */
const struct detector *detector_find(const char *name);

/* The i-th of all detectors, NULL past the last. */
const struct detector *detector_at(size_t i);

#endif
