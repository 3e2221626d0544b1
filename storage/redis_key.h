/* redis_key.h - what is called what in a Redis, and what a record looks like.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_STORAGE_REDIS_KEY_H
#define CUL_STORAGE_REDIS_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/strb.h"
#include "daemon/model/bin.h"

enum { RECORD = 48 };

/* "culprit:{TAG}:REST"; text from outside is made inert (D11: Redis). Returns out->s,
 * which is valid until out changes. kind: "" for a series, "blobs/" for a space. */
const char *redis_key(struct strb *out, const char *kind, const char *tag, const char *rest);

/* The stretch of time that one key holds: a day of bins, a month of hours, a year of days. */
struct span {
	uint32_t step;
	int64_t first_s;  /* of slot 0 */
	int64_t next_s;   /* the first second after it */
	char name[24];    /* "5m:2026-11-23", "1h:2026-11", "1d:2026" */
};

/* The span and slot of a bin. A local day is filed under its date. */
struct span span_of(uint32_t step, int64_t start_s, uint32_t *slot);
struct span span_after(const struct span *s);

void record_write(uint8_t to[static RECORD], const struct span *s, uint32_t slot,
		  const struct bin *b);
/* False: nothing is there. */
bool record_read(const uint8_t from[static RECORD], const struct span *s, uint32_t slot,
		 struct bin *b);

#endif
