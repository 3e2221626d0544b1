/* gauge.h - how many different ones, and how evenly spread.
 * SPDX-License-Identifier: ISC
 *
 * For the measures that are not sums: peers and ports (distinct values) and
 * entropy. A gauge is small while it has seen few values (exact), and a
 * sketch from there on. Gauges of several slices are merged, never subtracted.
 */
#ifndef CUL_WINDOW_GAUGE_H
#define CUL_WINDOW_GAUGE_H

#include "daemon/model/series.h"

enum gauge_form { GAUGE_EMPTY, GAUGE_FEW, GAUGE_HLL, GAUGE_COUNTS };

struct gauge {
	uint16_t form; /* enum gauge_form */
	uint16_t n;    /* GAUGE_FEW: values so far */
	uint32_t cap;  /* GAUGE_FEW: room */
	void *p;       /* few values, registers or counts; NULL when empty */
};

bool gauge_is(const struct measure *m);
void gauge_init(struct gauge *g);
size_t gauge_fini(struct gauge *g); /* returns the octets it gave back */

/* Adds the value with that hash; `weight` packets count for entropy only. Returns octets
 * that it newly holds. */
size_t gauge_add(struct gauge *g, const struct measure *m, uint64_t hash, uint64_t weight);
uint64_t gauge_count(const struct gauge *g);

/* Merging: start with a zeroed union, add gauges, ask. */
struct gauge_union;
struct gauge_union *gauge_union_new(void);
void gauge_union_free(struct gauge_union **u);
void gauge_union_clear(struct gauge_union *u);
void gauge_union_add(struct gauge_union *u, const struct gauge *g);
double gauge_union_value(const struct gauge_union *u, const struct measure *m);

#endif
