/* watch.h - what the daemon watches about its own data: silence and loss.
 * SPDX-License-Identifier: ISC
 *
 * They stand in the list of patterns, so their settings are read, printed and documented
 * as any other's; but what they look at is no flow, so they have no `feed`. The daemon
 * does the looking (silence.c, lossy.c), each for one built-in rule.
 */
#ifndef CUL_DETECTORS_WATCH_H
#define CUL_DETECTORS_WATCH_H

#include "detectors/pattern.h"

struct silence_conf {
	double patience_s; /* NAN: learnt for each exporter */
};

struct loss_conf {
	double share; /* of what was sent */
	double over_s;
};

enum { LOSS_PARTS = 5, LOSS_BAD_PARTS = 3 };

struct loss_part { /* a fifth of the time that is looked at */
	uint64_t lost, seen; /* flows */
};

/* Is it lossy? stands: it was, a while ago. *share: lost of all. Pure. */
bool loss_judge(const struct loss_conf *c, const struct loss_part part[static LOSS_PARTS],
		bool stands, double *share);

extern const struct pattern pattern_silence, pattern_loss;

#endif
