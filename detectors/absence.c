/* absence.c - something that should be there is not.
 * SPDX-License-Identifier: ISC
 *
 * A drop, a nightly job that did not run, a line that stays flat to the bit: what
 * a rule for "went quiet" asks. A gap is none of these: nobody was there to see (D3).
 */
#include "detectors/detector.h"
#include "detectors/views.h"

static const float share[VIEWS] = {
	[VIEW_QUIET] = 0.5f,
	[VIEW_DROP] = 0.5f,
	[VIEW_FLAT] = 0.5f,
	[VIEW_LESS] = 0.1f,
	[VIEW_FALL] = 0.01f,
};

static void step(const void *conf, void *state, const struct point *p,
		 struct verdict *out)
{
	views_step(share, conf, state, p, out);
}

static void judge(const void *conf, const void *state, const struct point *p,
		  struct verdict *out)
{
	views_judge(share, conf, state, p, out);
}

const struct detector detector_absence = {
	.name = "absence",
	.doc = "a drop, a flat line, a job that did not run",
	.opts = views_opts,
	.conf_size = sizeof(struct views_conf),
	.state_size = sizeof(struct views_state),
	.version = VIEWS_VERSION,
	.step = step,
	.judge = judge,
};
