/* presence.h - which exporters were there in which slice (D3: missing is never zero).
 * SPDX-License-Identifier: ISC
 *
 * A slice is covered by an exporter when a datagram came before and after it, with no
 * silence in between: only that proves that nothing was missed.
 * Silence is a gap longer than four times the longest usual one, at least two
 * minutes (five in an exporter's first hour) and at most half an hour. The usual
 * gap is learnt and fades slowly, because an exporter with no flows sends nothing
 * and is not silent; a silence that ended by itself is usual the next time.
 */
#ifndef CUL_WINDOW_PRESENCE_H
#define CUL_WINDOW_PRESENCE_H

#include "daemon/model/slice.h"

enum { PRESENCE_SLICES = 512 };

struct presence;

struct presence *presence_new(const struct names *names);
void presence_free(struct presence **p);

/* Something came from this exporter at at_ms (receive time). */
void presence_heard(struct presence *p, uint32_t exporter, int64_t at_ms);
bool presence_covered(const struct presence *p, uint32_t exporter, int64_t slice);
/* Every exporter that was heard in the hour before covered it, and there was one. */
bool presence_covered_all(const struct presence *p, int64_t slice);

int64_t presence_last_ms(const struct presence *p, uint32_t exporter); /* 0: never */
/* Longer than this without a datagram is silence. */
int64_t presence_patience_ms(const struct presence *p, uint32_t exporter);

#endif
