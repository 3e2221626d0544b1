/* learn.h - baselines of series that have none yet, from the bins of history.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_LEARN_H
#define CUL_LEARN_H

#include "daemon/config.h"
#include "daemon/model/calendar.h"

struct learn_opts {
	const struct config *config;
	const struct calendar *calendar;
	const char *rule; /* NULL: all that have a detector */
	int64_t from_ms, now_ms;
	/* Takes a baseline as history keeps it: "rule|series" and its bytes. */
	void (*take)(void *arg, const char *key, const void *data, size_t len);
	void (*progress)(void *arg, uint64_t done, uint64_t all); /* may be NULL */
	const _Atomic bool *stop; /* NULL, or: break it off when this is set */
	void *arg;
};

/* Series of history whose baseline is armed already are left as they are, so doing it again
 * changes nothing. *series: how many were learnt, of `all` that detectors watch. False +
 * err: history could not be read, or there is no such rule. */
bool learn_run(const struct learn_opts *o, unsigned *series, unsigned *all, struct err *err);

#endif
