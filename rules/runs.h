/* runs.h - where a sliding window was over its limit, and for how long.
 * SPDX-License-Identifier: ISC
 *
 * Pure: an array of window values in, stretches of time out. One value for each
 * window, numbered by the slice it ends with.
 */
#ifndef CUL_RULES_RUNS_H
#define CUL_RULES_RUNS_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
	bool below;          /* fires under `at`, else over it */
	double at, clear;    /* resolved on the other side of clear */
	unsigned hold;       /* slices that it must last before it fires */
};

struct values {
	const double *v;     /* of windows ending with slice first, first + 1 … */
	const bool *known;   /* the window was covered: no gap in it */
	int64_t first;
	unsigned n;
	int64_t settled;     /* windows up to this slice have all their flows */
};

enum run_state { RUN_NONE, RUN_PENDING, RUN_OPEN, RUN_OVER };

struct run {
	enum run_state state;
	int64_t from;  /* first window past the limit */
	int64_t fired; /* the window that made it fire: from + hold */
	int64_t last;  /* newest window past the limit */
	int64_t to;    /* RUN_OVER: the window that cleared it */
	double value;  /* of `last` */
	double peak;   /* the most extreme one */
};

/* The first run that fires after slice `after`, else a pending one that reaches the end
 * of the values, else RUN_NONE. A partial sum can only grow, so "over" is believed at
 * once and anything else only of settled, known windows (D2, D3). */
struct run run_find(const struct limit *l, const struct values *v, int64_t after);

/* Goes on with a run that fired earlier: *r keeps from and fired. */
void run_follow(const struct limit *l, const struct values *v, struct run *r);

#endif
