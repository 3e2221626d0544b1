/* count.h - every packet counts once (D13).
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_WINDOW_COUNT_H
#define CUL_WINDOW_COUNT_H

#include "daemon/model/block.h"

struct count_once;

struct count_once *count_once_new(void);
void count_once_free(struct count_once **c);

/* Fills the `counts` column of b; called once for a block, in order of arrival, before
 * anybody else sees it. Learns which interfaces send egress records. */
void count_once(struct count_once *c, struct block *b);

#endif
