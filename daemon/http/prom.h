/* prom.h - Prometheus text format 0.0.4, one family after another.
 * SPDX-License-Identifier: ISC
 *
 * A row whose labels were already written in its family is left out: two names that
 * happen to be the same would otherwise make Prometheus refuse the whole page.
 */
#ifndef CUL_HTTP_PROM_H
#define CUL_HTTP_PROM_H

#include "daemon/base/map.h"
#include "daemon/base/strb.h"

enum { PROM_ROWS = 100000 }; /* of one family */

struct prom {
	struct strb *out;
	const char *name, *suffix;
	struct map seen; /* hash of the labels -> nothing */
};

void prom_init(struct prom *p, struct strb *out);
void prom_fini(struct prom *p);
/* Begins a family: "counter", "gauge" or "histogram". name and suffix stay borrowed. */
void prom_family(struct prom *p, const char *name, const char *type, const char *help);
/* Rows from now on are name + suffix ("_bucket"). */
void prom_suffix(struct prom *p, const char *suffix);
/* labels: pairs "name", "value" and a NULL. A value that is no number is written NaN. */
void prom_row(struct prom *p, double v, const char *const *labels);
void prom_count(struct prom *p, uint64_t v, const char *const *labels);

#define LABELS(...) (const char *const[]){ __VA_ARGS__, NULL }
#define NO_LABELS (const char *const[]){ NULL }

#endif
