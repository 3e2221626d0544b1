/* geo.h - in which country an address is, and in which AS.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_GEO_H
#define CUL_EVIDENCE_GEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

/* One MMDB file (GeoLite2, IPinfo, iptoasn and their like), followed. */
struct geo;

/* Opens nothing yet; geo_look does. */
struct geo *geo_open(const char *path);
void geo_close(struct geo **g);
/* Reads the file when it is another than before; at most every two seconds (of mono_ms), never
 * mapped, so that nobody else can change or cut what is in use. A file that is broken is
 * said and refused, and the one before goes on. Any thread. */
void geo_look(struct geo *g, int64_t mono_ms);
uint32_t geo_reading(struct geo *g); /* how many files have been in use; 0: none yet */

/* Two letters packed ((c0 << 8) | c1) as filters want them; 0: not known. Any thread. */
uint16_t geo_country(struct geo *g, const struct addr *a);
uint16_t geo_filter(void *geo, const struct addr *a); /* the same, for filter_geo() */
/* The number of the AS; 0: not known. Any thread. */
uint32_t geo_as(struct geo *g, const struct addr *a);

#endif
