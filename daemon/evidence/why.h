/* why.h - the sentences that say what an alert is about.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_WHY_H
#define CUL_EVIDENCE_WHY_H

#include "daemon/evidence/change.h"
#include "daemon/evidence/evidence.h"
#include "daemon/evidence/explain.h"
#include "daemon/evidence/owners.h"
#include "daemon/evidence/top.h"

/* What evidence has found; each part may be NULL. */
struct found {
	const struct owner *owners;      /* n_owners of them */
	size_t n_owners;
	const struct top_result *hosts;  /* of the span, by the rule's measure */
	const struct explained *client;  /* for whom the proxy did it */
	const struct change *change;
	const struct veil *veil;         /* of the proxy's clients; NULL: they have none */
};

/* Gives. a has its top flows. */
char *why_text(const struct evidence_opts *o, const struct alert *a, const struct found *f);

/* Whom that names: the proxy's client, or the host that has most; none: nobody in particular. */
struct addr why_who(const struct evidence_opts *o, const struct alert *a,
		    const struct found *f);

/* The order of top lists that goes with a measure, and a part's share in that order. */
enum top_order why_order(const struct measure *m);
double why_share(enum top_order o, const struct sums *s, const struct sums *total);

#endif
