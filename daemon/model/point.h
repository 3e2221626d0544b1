/* point.h - what a detector is given, and what it answers.
 * SPDX-License-Identifier: ISC
 *
 * A point carries everything a detector may know of time: detectors keep no
 * clock and no calendar (same points in, same verdicts out).
 */
#ifndef CUL_MODEL_POINT_H
#define CUL_MODEL_POINT_H

#include <stdbool.h>
#include <stdint.h>

enum { SLOTS_DAY = 288, SLOTS_WEEK = 2016 }; /* five minutes each, local wall clock */

struct point {
	int64_t at_s;    /* start of the bin, Unix time; grows from point to point */
	uint32_t step_s; /* length of the bin, 300 in the daemon */
	uint16_t slot;   /* local slot of the week of at_s: 0 is Monday 00:00 */
	bool rest;       /* Saturday, Sunday or holiday, local */
	bool holiday;    /* on the holiday list */
	bool gap;        /* nothing was seen: value means nothing, never zero (D3) */
	bool train;      /* false: inside an open alert, a silence, maintenance */
	double value;    /* in the measure's own unit, >= 0 for traffic */
	double peak;     /* largest value of a window of the bin's length that slid over
			  * this bin (D6); 0, or less than value, when it is not known */
};

enum side { SIDE_NONE, SIDE_UP, SIDE_DOWN };

struct verdict {
	enum side side;       /* an alert stands on this side after this point */
	bool fresh;           /* it began here, or grew so much that it is worth telling
			       * again */
	bool adopted;         /* a lasting level was taken as the new normal here */
	double low, median,
	    high;	      /* normal now, in the value's unit; NAN when not known */
	double score;         /* how unusual: 1 is exactly at the limit of the budget */
	double news;          /* how newsworthy: 0 while no more than what was told before */
	const char *view;     /* which view spoke loudest: static words for a "why"
			       * sentence ("a jump", "quiet too long"); "" for none */
	uint32_t armed_in_s;  /* 0: armed; else how long until its own week is known */
};

#endif
