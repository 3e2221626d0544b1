/* batch.h - the top flows of many alerts from one reading of the archive.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_BATCH_H
#define CUL_EVIDENCE_BATCH_H

#include "daemon/evidence/evidence.h"
#include "daemon/evidence/top.h"

/* Takes one alert's flows, as top_run() would have told them, without texts; borrowed. */
typedef void batch_f(void *arg, struct alert *a, const struct top_result *flows);

/* Looks for alerts that ask the same as list[0] but for their host, and answers them
 * together: sets done[] of each and calls fn for it. Returns how many; 0: they are too few
 * or cannot be asked together, and each is to be asked alone. done[i] that are set already
 * are passed over. */
size_t batch_ask(const struct evidence_opts *o, struct alert *const *list, size_t n,
		 bool *done, batch_f *fn, void *arg);

#endif
