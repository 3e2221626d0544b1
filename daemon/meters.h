/* meters.h - what interfaces counted themselves, five minutes at a time.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_METERS_H
#define CUL_METERS_H

#include "daemon/collect/decoder.h"
#include "daemon/model/bin.h"
#include "daemon/model/series.h"

struct meters;

struct meters *meters_new(void);
void meters_free(struct meters **c);

/* One counter sample. Any thread; a struct meters as arg, for struct worker_conf. */
void meters_take(void *arg, const struct if_counters *now);

/* Gives what was counted in bins that are over, or in all when it is the last time, and
 * forgets it. k is by BY_INTERFACE. */
typedef void meters_bin_f(void *arg, const struct key *k, const struct bin *b);
void meters_bins(struct meters *c, int64_t now_ms, bool last, meters_bin_f *fn,
		   void *arg);

#endif
