/* record.h - what several elements of a record say together.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_RECORD_H
#define CUL_COLLECT_RECORD_H

#include "daemon/collect/plan.h"

/* Whether a record of that plan can make a second row, its way back. */
bool record_both_ways(const struct plan *p);
/* After plan_run(): makes times, sampling, ICMP, counters, sections and names of the
 * n rows from r->row out of what the plan put aside, and adds the rows of the way
 * back behind the last row of the block (there is room for them). */
void record_settle(const struct plan *p, const struct run *r, uint32_t n);

#endif
