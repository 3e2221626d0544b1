/* profile.h - what is normal at this hour: the learnt week of one series.
 * SPDX-License-Identifier: ISC
 *
 * Everything is in logarithms (see profile_log), so a factor is a distance and
 * one set of figures serves a modem line and a backbone. Plain bytes, part of
 * a detector's state; zeroed is a profile that knows nothing.
 */
#ifndef CUL_DETECTORS_PROFILE_H
#define CUL_DETECTORS_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/point.h"

enum { PROFILE_CLASSES = 2, PROFILE_HOURS = 24 }; /* working days, days of rest */
enum { PROFILE_WEEKS = 3 }; /* of which the middle one is believed */

struct profile {
	int16_t day[PROFILE_CLASSES][SLOTS_DAY];  /* the usual value */
	int16_t most[PROFILE_CLASSES][SLOTS_DAY]; /* the usual largest of 4 bins */
	uint8_t seen[PROFILE_CLASSES][SLOTS_DAY]; /* days learnt, up to 255 */
	int8_t odd[2][SLOTS_WEEK];                /* last week's deviation, and before */
	/* How far the hours of each weekday were from the day, newest week first. */
	int8_t apart[7 * PROFILE_HOURS][PROFILE_WEEKS];
	float scale[PROFILE_CLASSES][PROFILE_HOURS], scale_all;
	uint16_t scaled[PROFILE_CLASSES][PROFILE_HOURS], scaled_all; /* values in them */
	float level, level_var;     /* of today against the usual, and its uncertainty */
	float usual_level, day_var; /* of the days before, and their spread */
	float hour_sum, hour_squares; /* of the hour so far, of distances from the day */
	uint16_t hour_bins, hour_at; /* in it, and which of the week it is */
	/* Of what may become normal: sums of distances from the day, by the hour. */
	float fresh[PROFILE_CLASSES][PROFILE_HOURS];
	uint16_t freshened[PROFILE_CLASSES][PROFILE_HOURS];
	uint16_t days;              /* whole days in usual_level */
};

/* What the profile says of one point. */
struct normal {
	float day;        /* the day's usual value; what follows has today's level in it */
	float mid, mid_low; /* with what happened at this hour both of the last two weeks;
			     * they differ on a holiday, which may be like other days, and
			     * in a job, which may be as the day is or as ever */
	float up, down;   /* largest and smallest mid within a quarter of an hour */
	float most, least_most; /* usual largest of 4 bins, and its lower edge */
	float lean;       /* part of all of them that is of the weekday */
	float weight;     /* how much of the level is in mid: less where a job runs */
	float scale;      /* robust spread around mid, one standard deviation */
	bool vague;       /* a holiday */
	bool known;       /* this kind of day has been seen at this hour */
	uint8_t class, hour;
	uint16_t slot;    /* of the day */
};

float profile_log(double v);
double profile_unlog(float x);

/* x_before: the value of the bin before, for hours that nothing is known of. */
void profile_expect(const struct profile *f, const struct point *p, float x_before,
		    struct normal *n);

/* Signed distance of a value from what is normal now. */
float profile_off(const struct normal *n, float x);

/* A bin that may be learnt from: x its value, most the largest of it and the three
 * before it. */
void profile_learn(struct profile *f, const struct normal *n, float x, float most);

/* Notes how far x was from the usual, as next week's and the week after's excuse. */
void profile_note(struct profile *f, const struct normal *n, const struct point *p,
		  float x);

/* The local day is over. */
void profile_new_day(struct profile *f);

/* A bin of what may turn out to be a new normal; what was noted of an earlier one goes. */
void profile_new(struct profile *f, const struct normal *n, float x);
void profile_forget_new(struct profile *f);

/* What was noted since is the new normal, on purpose and at once. */
void profile_adopt(struct profile *f);

/* The least that is usual at any time of a day, in the value's unit, where values were
 * divided by `floor` before their logarithms were taken. */
float profile_least(const struct profile *f, float floor);

/* All that is known was learnt of values divided by `was`, and is from now on of values
 * divided by `is`. */
void profile_rebase(struct profile *f, float was, float is);

/* Spread of a single value around mid + level now. */
float profile_spread(const struct profile *f, const struct normal *n);

#endif
