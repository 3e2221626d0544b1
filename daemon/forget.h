/* forget.h - the thread that takes URLs out of old alerts.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_FORGET_H
#define CUL_FORGET_H

#include "storage/writer.h"

struct forget;

struct forget_opts {
	const char *url;           /* of the history */
	struct store_opts store;
	struct writer *writer;     /* borrowed until the stop */
	int64_t keep_ms;           /* of what was asked of proxies */
};

/* NULL: there is nothing to forget (keep_ms 0), or no thread. Copies url and the password
 * file's name. */
struct forget *forget_start(const struct forget_opts *o);
void forget_stop(struct forget **f);

/* One turn: alerts that started in [from_ms, ...) and were over keep_ms ago are put again
 * without. How many; -1 + err. Any thread. */
int forget_run(const struct forget_opts *o, int64_t from_ms, int64_t now_ms, struct err *err);

#endif
