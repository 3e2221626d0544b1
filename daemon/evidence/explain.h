/* explain.h - an alert's flows through the proxy: whose they were, and which URLs.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_EXPLAIN_H
#define CUL_EVIDENCE_EXPLAIN_H

#include "daemon/evidence/evidence.h"
#include "rules/filter/filter.h"

struct veil;

/* Who had most of what went through the proxy. */
struct explained {
	char client[ADDR_TEXT];  /* "": nothing is known */
	double share;            /* of the window's octets, one leg of the proxy only */
	char *url;               /* of the client's, the one with most octets; or NULL */
	unsigned more_urls;      /* beside it */
	bool running;            /* that URL's request was not over */
	double unexplained;      /* share of the octets of that leg that no request explains */
	struct addr host;        /* the client as address, or its pseudonym */
	struct addr person;      /* its own address; never told where it has a pseudonym */
	struct addr *withheld;   /* addresses of all clients that have pseudonyms, sorted */
	size_t n_withheld;
};

/* After the top flows are in a: fills client and urls of those through the proxy. False:
 * none of it goes through a proxy, or nothing is known. f is the rule's filter, `at` what
 * the top flows were read from. Free with explained_fini in any case. */
bool explain_alert(const struct evidence_opts *o, struct alert *a, const struct filter *f,
		   struct alert_sight at, struct explained *out);
/* The address, or its pseudonym if it is one of the withheld. */
struct addr explained_shown(const struct explained *e, const struct veil *veil,
			    const struct addr *a);
void explained_fini(struct explained *e);

#endif
