/* ranges.h - from an address to the longest prefix that holds it, fast.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_MODEL_RANGES_H
#define CUL_MODEL_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/addr.h"

/* A prefix and what it stands for; host bits are zero. */
struct ranged {
	struct addr addr;
	uint8_t bits;
	int value; /* not negative */
};

/* Never changes once made, so any thread may look. */
struct ranges;

/* Of no two prefixes that are the same. 24 octets for each and twice as many at most. */
struct ranges *ranges_new(const struct ranged *p, size_t n);
void ranges_free(struct ranges **r);
/* The value of the longest prefix that a is in, else -1. */
int ranges_find(const struct ranges *r, const struct addr *a);
/* Do both say the same of every address? */
bool ranges_same(const struct ranges *a, const struct ranges *b);

#endif
