/* bin.h - one series in one stretch of time, as history keeps it.
 * SPDX-License-Identifier: ISC
 *
 * The stretch is a bin of five minutes, or a roll-up of an hour or a local day.
 * Missing is never zero (D3): a stored bin says in which of its 30 slices we
 * were there to see; a bin that was not stored is a gap.
 */
#ifndef CUL_MODEL_BIN_H
#define CUL_MODEL_BIN_H

#include <stdbool.h>
#include <stdint.h>

enum { STEP_BIN = 300, STEP_HOUR = 3600, STEP_DAY = 86400 }; /* seconds */

struct bin {
	int64_t start_s;   /* Unix time; multiple of step (a day: local midnight) */
	uint32_t step;     /* STEP_* */
	uint32_t covered;  /* bin: bit i set when slice i was seen; roll-up: slices seen */
	uint64_t bytes, packets, flows;
	double peak;       /* largest sliding value of a window of the step, bytes (D6); or 0 */
	double gauge;      /* peers, ports, entropy: the value; else 0 */
};

#endif
