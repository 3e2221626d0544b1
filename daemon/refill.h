/* refill.h - bins of history made anew from the archive.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_REFILL_H
#define CUL_REFILL_H

#include "daemon/config.h"
#include "daemon/model/calendar.h"
#include "daemon/model/names.h"

struct refill_opts {
	const struct config *config;
	const struct calendar *calendar;
	struct names *names; /* of the configuration; exporters are added */
	int64_t from_ms, to_ms; /* bins that overlap it, and the hours they are in */
	void (*progress)(void *arg, uint64_t done, uint64_t all); /* may be NULL */
	void *arg;
};

/* Writes the bins of all views that have history, as whole truths: repeating it changes
 * nothing. A bin that history has with more flows than the archive stays. *bins: how many
 * were written. */
bool refill_history(const struct refill_opts *o, uint64_t *bins, struct err *err);

#endif
