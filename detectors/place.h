/* place.h - whose address is it: the network that a pattern counts it for.
 * SPDX-License-Identifier: ISC
 *
 * The networks of the configuration. Where it has none, private addresses are one network:
 * whoever runs a collector there knows who they are, and of other addresses nobody said
 * that they are anybody's.
 */
#ifndef CUL_DETECTORS_PLACE_H
#define CUL_DETECTORS_PLACE_H

#include "daemon/model/names.h"

static inline bool place_private(const struct addr *a)
{
	const uint8_t *b = a->b;

	if (!addr_is4(a))
		return (b[0] & 0xfe) == 0xfc;
	b += 12;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
	       (b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64);
}

/* Number of the network, -1 for none. */
static inline int place_of(const struct names *n, const struct addr *a)
{
	if (*names_network_name(n, 0))
		return names_network_of(n, a);
	return place_private(a) ? 0 : -1;
}

static inline const char *place_name(const struct names *n, int number)
{
	const char *name = names_network_name(n, number);

	return *name ? name : "the private addresses";
}

/* The same over restarts and reloads, when numbers are others: FNV-1a of the name. */
static inline uint32_t place_id(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

#endif
