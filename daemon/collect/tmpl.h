/* tmpl.h - templates of NetFlow v9 and IPFIX, and sets that wait for theirs.
 * SPDX-License-Identifier: ISC
 *
 * Memory: at most conf.templates_max (16,384) templates and TEMPLATE_OCTETS_MAX (12
 * MiB) of them in a collector, TEMPLATES_PER_DOMAIN (1,000) in a domain; held sets:
 * HELD_SETS (256) and HELD_OCTETS (64 KiB) an exporter, HELD_OCTETS_ALL (8 MiB) in
 * all. A flood by one exporter takes the place of its own templates, then of
 * those that nobody used for half an hour, never of anybody else's (P6).
 */
#ifndef CUL_COLLECT_TMPL_H
#define CUL_COLLECT_TMPL_H

#include "daemon/collect/plan.h"

enum { FIELDS_MAX = 1024 };

struct field_spec {
	uint32_t pen;
	uint16_t id, len;
};

struct tmpl {
	uint16_t id;
	bool options;
	uint16_t n_scopes;   /* options: so many fields are its scope */
	uint16_t n_fields;
	uint16_t port;       /* it came from */
	uint32_t octets;     /* memory it takes */
	struct domain *dom;
	struct tmpl *newer, *older;             /* in the domain */
	struct tmpl *newer_of_all, *older_of_all;
	int64_t defined_ms, used_ms;            /* used: by data; 0 never */
	int64_t moved_ms;                       /* to the head of both lists */
	const struct field_spec *fields;
	struct plan plan;    /* not for options */
};

void tmpl_init(struct collector *c);

/* What came of a definition. */
enum tmpl_verdict { TMPL_NEW, TMPL_SAME, TMPL_CHANGED, TMPL_BAD, TMPL_REFUSED };

/* Defines template `id` of d->dom. TMPL_BAD: a record of it would hold nothing, or be
 * longer than a datagram (R3, R4). TMPL_REFUSED: no room (then data of it counts as
 * without template). */
enum tmpl_verdict tmpl_define(struct dgram *d, uint16_t id,
			      const struct field_spec *fields, uint16_t n_fields,
			      uint16_t n_scopes, bool options);
/* The template of d->dom with that id, marked used; NULL. */
struct tmpl *tmpl_find(struct dgram *d, uint16_t id);
/* IPFIX withdrawal (RFC 7011 sec. 8.1) of one template of d->dom, or of all of the kind
 * when id is 0. */
void tmpl_withdraw(struct dgram *d, uint16_t id, bool options);
void tmpl_expire(struct collector *c, struct domain *dom, int64_t now_ms);
void tmpl_forget(struct collector *c, struct domain *dom); /* all of it */

/* A data set whose template is not there: waits for it (SET_HELD), or is counted
 * SET_NO_TEMPLATE when there is no room. */
void tmpl_hold(struct dgram *d, uint16_t id, const struct rd *set);
/* Gives every held set of d->dom whose template is there now to fn, oldest first, in
 * the circumstances of its own datagram, and forgets it; fn returns its outcome. */
void tmpl_release(struct dgram *d,
		  enum set_outcome (*fn)(struct dgram *d, struct tmpl *t, struct rd set));
void tmpl_expire_held(struct collector *c, struct exporter_state *x, int64_t now_ms);
void tmpl_forget_held_of(struct collector *c, struct domain *dom);
void tmpl_forget_held(struct collector *c, struct exporter_state *x);

#endif
