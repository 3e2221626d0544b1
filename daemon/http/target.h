/* target.h - what a request asks for: path and parameters.
 * SPDX-License-Identifier: ISC
 *
 * The raw request target is taken apart here and nowhere else, strictly: bad
 * escapes, NUL and control characters, unknown and repeated parameters are
 * errors with a sentence, never guessed at.
 */
#ifndef CUL_HTTP_TARGET_H
#define CUL_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

enum { TARGET_PARAMS = 16, TARGET_MAX = 8192 };

struct param {
	const char *key, *value;
};

struct target {
	char *text; /* decoded; path and params point into it */
	const char *path;
	struct param param[TARGET_PARAMS];
	unsigned n;
};

/* From "/api/v1/top?by=host&n=5" as it came over the wire. False + err: nobody could have
 * meant that. *out is to be cleared with target_fini in any case. */
bool target_parse(const char *raw, struct target *out, struct err *err);
void target_fini(struct target *t);

/* Are all parameters among `known` (NULL ends)? Else a sentence that lists them. */
bool target_known(const struct target *t, const char *const *known, struct err *err);
/* The value, or NULL when it was not given. */
const char *target_get(const struct target *t, const char *key);

/* Each leaves *out as it is when the parameter was not given; false + err when it makes
 * no sense. */
bool target_number(const struct target *t, const char *key, uint64_t min, uint64_t max,
		   uint64_t *out, struct err *err);
bool target_flag(const struct target *t, const char *key, bool *out, struct err *err);
/* Unix milliseconds, RFC 3339 ("2026-11-23T10:35:00+01:00"; a "+" may have come as the
 * space that it means in a query), "now", or back from now: "-2h". */
bool target_time(const struct target *t, const char *key, int64_t now_ms, int64_t *out,
		 struct err *err);

/* RFC 3339 to Unix milliseconds, years 1970 to 9999. */
bool time_parse_rfc3339(const char *s, int64_t *out_ms);

#endif
