/* totals.h - running totals of a flow to what came since the last record.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_TOTALS_H
#define CUL_COLLECT_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

struct totals;

struct total {
	uint64_t bytes, packets, rev_bytes, rev_packets;
};

/* The flow with that key said `now` (IE 85, 86) at end_ms, having begun at start_ms by
 * the exporter's clock. Replaces *now by what is new since its last record; if there
 * was one, *since_ms is its end, else 0. `last`: the flow is over. *t is made when
 * NULL and grows to 4 MiB, no more. */
void totals_since(struct totals **t, uint64_t key, struct total *now, int64_t start_ms,
		  int64_t end_ms, bool last, int64_t *since_ms);
void totals_free(struct totals **t);

#endif
