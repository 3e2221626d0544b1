/* cap.h - how many alerts of a rule are told within a while, and which.
 * SPDX-License-Identifier: ISC
 *
 * A rule over thousands of series may be given so many alerts a day. A count that is full
 * after two small ones in the morning would hide the large one of the evening; so past
 * the count the bar rises instead: what is half as unusual again as all that were told
 * within the while is told as well. These are few, since each raises the bar for the
 * next, and what is held back is never far above what was told. (Whatever is above it by
 * anything at all was tried: of eight that lasted seven came through within hours, each
 * when chance had lifted it over the others.)
 */
#ifndef CUL_RULES_CAP_H
#define CUL_RULES_CAP_H

#include <stdbool.h>
#include <stdint.h>

enum { CAP_TOLD = 256 }; /* remembered; a larger count is as good as none */

struct cap { /* zeroed: nothing was told yet */
	struct cap_told {
		int64_t at_ms; /* event time */
		double score;  /* how unusual; 1 is at the limit */
	} told[CAP_TOLD];
	unsigned n;
	unsigned held; /* since one was told */
};

/* May one more be told? total: alerts a week. The while is a day, or what one alert takes
 * where there are fewer than one a day. */
bool cap_allows(const struct cap *c, double total, double score, int64_t now_ms);
/* It was. */
void cap_tell(struct cap *c, double total, double score, int64_t now_ms);

#endif
