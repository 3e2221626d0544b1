/* clock.h - the only reader of time.
 * SPDX-License-Identifier: ISC
 *
 * Everything else gets time as a parameter. Tests, replay and the accelerated
 * daemon set a clock of their own; then wall time is
 * start + (real elapsed) * speed.
 */
#ifndef CUL_BASE_CLOCK_H
#define CUL_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* Unix time, milliseconds */
int64_t clock_mono_ms(void); /* never steps back; for time-outs only */
uint64_t clock_mono_ns(void);

/* From now on clock_wall_ms() starts at start_ms and runs `speed` times as
 * fast. Called once, before threads. */
void clock_set(int64_t start_ms, double speed);

#endif
