/* past.h - answers from the archive what quotas ask for.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_PAST_H
#define CUL_PAST_H

#include "daemon/analysis.h"
#include "daemon/evidence/geo.h"

struct pasts;

/* A thread for questions, one after the other. All borrowed until past_stop(). */
struct pasts *pasts_start(const char *archive_dir, const struct names *names, struct geo *geo);
/* Takes it, and gives it to analysis_past() with its answer. Any thread. */
void pasts_ask(struct pasts *p, struct past *question);
void pasts_stop(struct pasts **p); /* what was not answered yet is forgotten */

#endif
