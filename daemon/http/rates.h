/* rates.h - what every exporter's ledger was a while ago.
 * SPDX-License-Identifier: ISC
 *
 * Ledgers count since start; a person wants flows per second now, and to be told
 * of losses while they happen, not of those of last week. So copies are kept: two
 * that are taken in turn every `every_ms`, the older of which says how things were
 * between one and two of those ago.
 */
#ifndef CUL_HTTP_RATES_H
#define CUL_HTTP_RATES_H

#include <pthread.h>

#include "daemon/model/names.h"

struct rate { /* of one exporter */
	int64_t at_ms; /* monotonic; 0: there is no copy */
	uint64_t datagrams, flows, bytes, malformed, no_template, decoded, bad_sets;
	uint64_t lost[LOST_UNITS], shed[SHED_REASONS];
};

struct rates {
	pthread_mutex_t lock;
	int64_t every_ms, taken_ms;
	struct rate *copy[2]; /* [1] is the older */
	int64_t at_ms[2];
	uint32_t n[2];
};

void rates_init(struct rates *r, int64_t every_ms);
void rates_fini(struct rates *r);
/* Takes a copy when it is time. One thread. */
void rates_turn(struct rates *r, const struct names *names, int64_t now_ms);
/* The figures of a ledger now. */
struct rate rate_of(const struct ledger *l, int64_t now_ms);
/* How much was added to `now` since the older copy; its at_ms is over how many
 * milliseconds, 0 when nothing is known yet. An exporter that a copy does not have came
 * after it, with all it has counted. Any thread. */
struct rate rates_since(struct rates *r, uint32_t exporter, const struct rate *now);

#endif
