/* redis_impl.h - what the files that make up the Redis store share.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_STORAGE_REDIS_IMPL_H
#define CUL_STORAGE_REDIS_IMPL_H

#include <stdio.h>

#include "daemon/base/map.h"
#include "daemon/base/strb.h"
#include "storage/redis_link.h"
#include "storage/store_impl.h"

enum { SERIES_KNOWN = 1 << 17, HOUR = 3600 };

struct redis {
	struct store base;
	struct redis_link *link;
	struct strb key, key2; /* of the command that is being made */
	struct map known;      /* hash of a series -> uint32_t hour of its newest bin, + 1 */
};

static inline const char *redis_number(char buf[static 24], int64_t v)
{
	snprintf(buf, 24, "%lld", (long long)v);
	return buf;
}

/* redis_put.c: store_ops.put and .applied */
bool redis_put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
	       struct err *err);
bool redis_applied(struct store *s, uint64_t *batch, struct err *err);

#endif
