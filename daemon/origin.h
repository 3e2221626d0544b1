/* origin.h - AS numbers for flows whose exporter told none.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ORIGIN_H
#define CUL_ORIGIN_H

#include <stdbool.h>

struct block;
struct geo;
struct origin;

/* For one worker: its blocks go on to sink(arg, block) with what geo knows filled in. */
struct origin *origin_new(struct geo *geo, bool (*sink)(void *arg, struct block *b), void *arg);
void origin_free(struct origin **o);
bool origin_sink(void *origin, struct block *b);

#endif
