/* views.h - several ways to look at one series, and the alert they make.
 * SPDX-License-Identifier: ISC
 *
 * What seasonal, change and absence have in common: they differ in how they
 * share the budget among the views, and in nothing else.
 */
#ifndef CUL_DETECTORS_VIEWS_H
#define CUL_DETECTORS_VIEWS_H

#include <stdint.h>

#include "detectors/detector.h"
#include "detectors/gather.h"
#include "detectors/grain.h"
#include "detectors/profile.h"
#include "detectors/tail.h"

enum view {
	/* Seasonal: distances from the hour's normal, in its spreads. */
	VIEW_ONE,
	VIEW_TWO,
	VIEW_BURSTS,
	VIEW_SLOW_UP,
	VIEW_SLOW_DOWN,
	VIEW_QUIET,
	VIEW_DROP,
	/* Plain: bare logarithms. */
	VIEW_RISE,
	VIEW_FALL,
	VIEW_MORE,
	VIEW_LESS,
	VIEW_FLAT,
	VIEW_STEP,
	VIEW_RECORD,
	VIEWS,
	VIEW_SEASONAL = VIEW_RISE,
	VIEW_CALIBRATED = VIEW_RECORD,
};

enum { VIEWS_VERSION = 3, VIEWS_LOW_BINS = 4, VIEWS_RECENT = 16 };

struct views_conf {
	double budget, adopt_s, floor;
};

struct views_state {
	struct profile profile;
	struct tail tail[VIEW_CALIBRATED];
	struct grain grain;
	float floor;             /* what is near it or below is next to nothing */
	float value;             /* of the newest bin */
	int64_t first_s, last_s; /* first and newest bin seen; 0: none */
	int64_t young_until_s;   /* until then it learns from all that it sees */
	int64_t lasts_s, ended_s; /* since when alerts follow each other, and the last end */
	int64_t alert_s;         /* when the alert that stands began */
	/* Newest first: values, their distances from the upper and the lower edge of
	 * normal, and of the largest of four from its lower edge. */
	float x[VIEWS_LOW_BINS - 1], over[VIEWS_RECENT - 1];
	float under[VIEWS_LOW_BINS - 1], low[VIEWS_LOW_BINS - 1];
	float fast, fast_before; /* what lingers, now and one bin ago */
	float fickle;            /* spread from bin to bin against spread of the hour */
	float slow, ewma, other;
	float max, min;
	float same;              /* bins in a row that were the same to the bit */
	float told;              /* news */
	float alert_told;        /* score */
	struct gather gather;    /* of bins that are too short */
	uint16_t last_slot;
	uint8_t side, ended, calm_left, view;
	bool laid;               /* floor is what was found to be the noise of the series */
};

/* Settings of a detector that is made of views. */
extern const struct opt views_opts[];

/* As detector_step_f and detector_judge_f. share: of the budget, for each view; 0 is
 * not looked at. The shares may add up to more than 1, since views see the same
 * events. */
void views_step(const float share[static VIEWS], const struct views_conf *c,
		struct views_state *s, const struct point *p, struct verdict *out);
void views_judge(const float share[static VIEWS], const struct views_conf *c,
		 const struct views_state *s, const struct point *p, struct verdict *out);

/* A detector made of views. Before it stands `share`, or step() and judge() of its own. */
#define VIEWS_STEPS                                                                       \
	static void step(const void *conf, void *state, const struct point *p,            \
			 struct verdict *out)                                             \
	{                                                                                 \
		views_step(share, conf, state, p, out);                                   \
	}                                                                                 \
	static void judge(const void *conf, const void *state, const struct point *p,     \
			  struct verdict *out)                                            \
	{                                                                                 \
		views_judge(share, conf, state, p, out);                                  \
	}

#define VIEWS_DETECTOR(id, words)                                                         \
	const struct detector detector_##id = {                                           \
		.name = #id,                                                              \
		.doc = words,                                                             \
		.opts = views_opts,                                                       \
		.conf_size = sizeof(struct views_conf),                                   \
		.state_size = sizeof(struct views_state),                                 \
		.version = VIEWS_VERSION,                                                 \
		.step = step,                                                             \
		.judge = judge,                                                           \
	}

#endif
