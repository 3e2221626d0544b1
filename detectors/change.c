/* change.c - a new level, or a slow drift to one.
 * SPDX-License-Identifier: ISC
 *
 * Two hours' mean against today's level, and the distance from other days: what is
 * too small for any one bin and too long for chance. Spikes are left to others.
 */
#include "detectors/detector.h"
#include "detectors/views.h"

static const float share[VIEWS] = {
	[VIEW_SLOW_UP] = 0.7f,
	[VIEW_SLOW_DOWN] = 0.7f,
	[VIEW_MORE] = 0.1f,
	[VIEW_LESS] = 0.1f,
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

const struct detector detector_change = {
	.name = "change",
	.doc = "a level shift or a slow drift",
	.opts = views_opts,
	.conf_size = sizeof(struct views_conf),
	.state_size = sizeof(struct views_state),
	.version = VIEWS_VERSION,
	.step = step,
	.judge = judge,
};
