/* gather.h - blocks put together and turned into a FLOWS frame.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_GATHER_H
#define CUL_ARCHIVE_GATHER_H

#include "daemon/model/block.h"
#include "storage/archive/frame.h"
#include "storage/archive/naming.h"

struct gather; /* one thread's; at most about 20 MB, as columns are used */

struct gather *gather_new(void);
void gather_free(struct gather **g);

uint32_t gather_rows(const struct gather *g);
/* Copies b's rows; false: no room, write out first (an empty gather takes any block). */
bool gather_add(struct gather *g, const struct block *b, struct naming *names);
/* The frame's directory and body, and its totals; names_ordinal is that of the last NAMES
 * frame. Rows stay until gather_clear. */
void gather_write(struct gather *g, int64_t names_ordinal, struct out *head,
		  struct out *body, struct totals *totals);
void gather_clear(struct gather *g);

/* The list of columns that a HEAD frame holds. */
void columns_write(struct out *o);

#endif
