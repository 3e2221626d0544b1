/* flaps.h - how often the same series fired lately.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_RULES_FLAPS_H
#define CUL_RULES_FLAPS_H

#include "daemon/base/map.h"

enum { FLAPS_SERIES = 16384, FLAPS_TIMES = 20 };

/* At most FLAPS_SERIES * 192 octets. */
struct flaps {
	struct map map; /* fingerprint, 16 octets -> struct flap */
};
struct flap {
	int64_t at_ms[FLAPS_TIMES]; /* the newest, oldest first */
	unsigned n;
};

void flaps_init(struct flaps *f);
void flaps_fini(struct flaps *f);

/* It fires now: how often it has, this time included, within window_ms. 0: too many other
 * series are remembered, so nothing is known. */
unsigned flaps_fired(struct flaps *f, const char *fingerprint, int64_t now_ms,
		     int64_t window_ms);
/* The times, for keeping and bringing back. NULL: none. */
const struct flap *flaps_get(const struct flaps *f, const char *fingerprint);
void flaps_set(struct flaps *f, const char *fingerprint, const int64_t *at_ms, unsigned n);
/* Forgets series that did not fire within window_ms; gone is told each. */
void flaps_sweep(struct flaps *f, int64_t now_ms, int64_t window_ms,
		 void (*gone)(void *arg, const char *fingerprint), void *arg);

#endif
