/* tail.h - how often does a figure get this large?
 * SPDX-License-Identifier: ISC
 *
 * Each view of a series is calibrated by its own past: the largest value of
 * each day ("block maximum") is kept as a running mean and mean distance from
 * it. Maxima of blocks follow Gumbel's law when the tail falls off as fast as
 * an exponential (Fisher and Tippett 1928), and most figures here are
 * logarithms or robust z-scores, for which that is a fair picture. So a value
 * can be told as a rate: e to the minus tail_nats() times a block, which is
 * what an operator's budget is stated in. No shape parameter (as in SPOT,
 * Siffer et al. 2017): three weeks give 21 maxima, too few for a third figure.
 */
#ifndef CUL_DETECTORS_TAIL_H
#define CUL_DETECTORS_TAIL_H

#include <stdint.h>

struct tail {
	float mean, dev; /* of block maxima, and their mean distance from it */
	float top;       /* largest of the block so far */
	uint16_t blocks; /* that were learnt */
	uint16_t bins;   /* of the block so far; 0: top means nothing */
};

void tail_put(struct tail *t, float v);

/* The block is over. One with fewer than `least` bins is left out: its maximum
 * is not that of a day. */
void tail_close(struct tail *t, unsigned least);

/* -ln of the times a block that v is exceeded, for large v; below the usual maximum
 * it is negative. `narrow` is the least believable scale of v. Needs one block. */
float tail_nats(const struct tail *t, float v, float narrow);

#endif
