/* tmpl.c - templates of NetFlow v9 and IPFIX.
 * SPDX-License-Identifier: ISC
 *
 * A template is one piece of memory: itself, its fields as defined (to see whether a
 * repetition says the same, and to save it), its plan. Two lists in order of last
 * use, one for the domain and one for all, tell which to give up. Use moves a
 * template to their heads at most once a second, so a set costs no list work.
 */
#include "daemon/collect/tmpl.h"

#include "daemon/base/mem.h"
#include "daemon/collect/collector.h"

#include <stdlib.h>
#include <string.h>

enum { MOVE_MS = 1000, NEVER_USED_MS = 60000, LOOK_AT = 64, CONFLICTS = 4,
       CONFLICT_MS = 10 * 60 * 1000, RECORD_MAX = 65535, LAST_RESORT = 3,
       OVERHEAD = 64 /* of the allocation and of the map */,
       IE_PROTOCOL = 4, IE_SRC4 = 8, IE_MASK4 = 9, IE_SRC6 = 27 };

struct tmpl_key {
	uint32_t serial, id;
};

/* A step for an element while a plan is made, and what orders it. */
struct draft {
	struct step step;
	uint8_t rank;
};

void tmpl_init(struct collector *c)
{
	map_init(&c->templates, sizeof(struct tmpl_key), sizeof(struct tmpl *),
		 c->conf.templates_max);
}

static void unlink_both(struct collector *c, struct tmpl *t)
{
	struct domain *dom = t->dom;

	struct tmpl *newer = t->newer_of_all, *older = t->older_of_all;

	*(t->newer ? &t->newer->older : &dom->newest) = t->older;
	*(t->older ? &t->older->newer : &dom->oldest) = t->newer;
	*(newer ? &newer->older_of_all : &c->newest) = older;
	*(older ? &older->newer_of_all : &c->oldest) = newer;
}

static void link_both(struct collector *c, struct tmpl *t, int64_t now_ms)
{
	struct domain *dom = t->dom;

	t->newer = t->newer_of_all = NULL;
	t->older = dom->newest;
	t->older_of_all = c->newest;
	*(t->older ? &t->older->newer : &dom->oldest) = t;
	*(t->older_of_all ? &t->older_of_all->newer_of_all : &c->oldest) = t;
	dom->newest = c->newest = t;
	t->moved_ms = now_ms;
}

static void drop(struct collector *c, struct tmpl *t)
{
	struct tmpl_key k = { t->dom->serial, t->id };

	unlink_both(c, t);
	map_del(&c->templates, &k);
	if (t->dom->recent[t->id & 3] == t)
		t->dom->recent[t->id & 3] = NULL;
	t->dom->n_templates--;
	c->n_templates--;
	c->template_octets -= t->octets;
	free(t);
}

void tmpl_forget(struct collector *c, struct domain *dom)
{
	while (dom->newest)
		drop(c, dom->newest);
}

/* IPFIX wants templates repeated (RFC 7011 sec. 8.4), v9 exporters do it between every
 * minute and every half hour; a day of neither repetition nor use is the end. */
void tmpl_expire(struct collector *c, struct domain *dom, int64_t now_ms)
{
	while (dom->oldest) {
		struct tmpl *t = dom->oldest;
		int64_t last = t->used_ms > t->defined_ms ? t->used_ms : t->defined_ms;

		if (now_ms - last <= TEMPLATE_LIFE_MS)
			break;
		drop(c, t);
	}
}

static struct tmpl *find(struct collector *c, struct domain *dom, uint16_t id)
{
	struct tmpl *t = dom->recent[id & 3];
	struct tmpl_key k = { dom->serial, id };
	struct tmpl **found;

	if (t && t->id == id)
		return t;
	found = map_get(&c->templates, &k);
	if (!found)
		return NULL;
	return dom->recent[id & 3] = *found;
}

struct tmpl *tmpl_find(struct dgram *d, uint16_t id)
{
	struct tmpl *t = d->dom ? find(d->c, d->dom, id) : NULL;

	if (!t)
		return NULL;
	t->used_ms = d->received_ms;
	if (t->moved_ms + MOVE_MS < d->received_ms) {
		unlink_both(d->c, t);
		link_both(d->c, t, d->received_ms);
	}
	return t;
}

void tmpl_withdraw(struct dgram *d, uint16_t id, bool options)
{
	for (struct tmpl *t = d->dom->newest, *older; t; t = older) {
		older = t->older;
		if (t->options == options && (!id || t->id == id))
			drop(d->c, t);
	}
	d->dom->withdrew = true;
	tmpl_forget_held_of(d->c, d->dom);
}

/* May a new template of x take this one's place? */
static bool may_go(const struct tmpl *t, const struct exporter_state *x, int64_t now_ms)
{
	if (t->dom->x == x)
		return true;
	if (!t->used_ms)
		return now_ms - t->defined_ms > NEVER_USED_MS;
	return now_ms - t->used_ms > IDLE_MS;
}

/* Makes room for one more of `octets`. */
static bool room(struct dgram *d, size_t octets)
{
	struct collector *c = d->c;
	struct tmpl *t;

	if (d->dom->n_templates >= TEMPLATES_PER_DOMAIN)
		drop(c, d->dom->oldest);
	while (c->n_templates >= c->conf.templates_max ||
	       c->template_octets + octets > TEMPLATE_OCTETS_MAX) {
		int looked = 0;

		for (t = c->oldest; t && looked < LOOK_AT; t = t->newer_of_all, looked++)
			if (may_go(t, d->x, d->received_ms))
				break;
		if (!t || looked == LOOK_AT)
			t = d->dom->oldest;
		if (!t)
			return false;
		drop(c, t);
	}
	return true;
}

/* `later`: of equals b goes before a. */
static bool after(const struct draft *a, const struct draft *b, bool later)
{
	if (a->step.to != b->step.to)
		return a->step.to > b->step.to;
	return a->rank > b->rank || (later && a->rank == b->rank);
}

static bool has(const struct field_spec *f, unsigned n, uint16_t id)
{
	for (unsigned k = 0; k < n; k++)
		if (!f[k].pen && f[k].id == id)
			return true;
	return false;
}

/* A protocol told twice beside addresses of both families is a packet within a packet
 * (SRv6 of Cisco and Huawei): each header in its turn, the outer one first (RFC 7011
 * sec. 8). As in frame.c the inner one is told, and the outer one where there is none. */
static bool nested(const struct field_spec *f, unsigned n)
{
	unsigned protocols = 0;

	for (unsigned k = 0; k < n; k++)
		protocols += !f[k].pen && f[k].id == IE_PROTOCOL;
	return protocols > 1 && has(f, n, IE_SRC4) && has(f, n, IE_SRC6);
}

/* What each of two headers says anew. */
static bool of_header(const struct ie *e)
{
	static const uint8_t ids[] = { IE_PROTOCOL, 5, 6, 7, IE_SRC4, IE_MASK4, 11,
				       12, 13, IE_SRC6, 28, 29, 30 };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (!e->pen && e->id == ids[i])
			return true;
	return false;
}

/* Of several steps for a target the first one writes and the others fill gaps; those of
 * a last resort go when there is a better one. */
static unsigned settle_ranks(struct draft *draft, unsigned n_steps)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n_steps; i++) {
		bool more = kept && draft[kept - 1].step.to == draft[i].step.to;

		if (more && draft[i].rank >= LAST_RESORT &&
		    draft[kept - 1].rank < LAST_RESORT)
			continue;
		draft[kept] = draft[i];
		draft[kept++].step.merge = more;
	}
	return kept;
}

/* Collects the steps of known elements in the order of their target and rank; of
 * equals the first in the template stays first. `off` is the number of the field. */
static unsigned draft_steps(const struct field_spec *f, unsigned n, struct draft *draft)
{
	unsigned n_steps = 0, i;
	bool inner = nested(f, n), later;

	for (unsigned k = 0; k < n && n_steps < STEPS_MAX; k++) {
		const struct ie *e = ie_find(f[k].pen, f[k].id);
		bool var = f[k].len == IE_VARLEN;
		struct draft new;

		if (!e || (!var && (!f[k].len || !ie_len_ok(e, f[k].len))))
			continue;
		later = inner && of_header(e);
		new.rank = later ? 1 : e->rank;
		new.step = (struct step){
			.op = var ? 0 : (uint8_t)plan_op(e->how, f[k].len, e->target),
			.to = e->target, .len = f[k].len, .off = (uint16_t)k,
			.how = e->how, .min = e->min, .max = e->max,
		};
		for (i = n_steps++; i && after(&draft[i - 1], &new, later); i--)
			draft[i] = draft[i - 1];
		draft[i] = new;
	}
	return settle_ranks(draft, n_steps);
}

/* The octets of a record: all of them, or the least when some fields say their length
 * themselves. 0: a record would hold nothing, or more than fits a datagram. */
static uint32_t record_size(const struct field_spec *f, unsigned n, bool *fixed)
{
	uint32_t size = 0;

	*fixed = true;
	for (unsigned k = 0; k < n; k++) {
		bool var = f[k].len == IE_VARLEN;

		size += var ? 1 : f[k].len;
		*fixed &= !var;
		if (size > RECORD_MAX)
			return 0;
	}
	return size;
}

static struct tmpl *compile(const struct field_spec *f, uint16_t n, bool options)
{
	struct draft draft[STEPS_MAX];
	unsigned n_steps = options ? 0 : draft_steps(f, n, draft);
	bool fixed;
	uint32_t size = record_size(f, n, &fixed);
	size_t octets = sizeof(struct tmpl) + n * sizeof(*f) +
			n_steps * sizeof(struct step);
	struct field_spec *fields;
	struct step *steps;
	struct walk *walk;
	struct tmpl *t;
	uint32_t off = 0;

	if (!fixed && !options)
		octets += n * sizeof(*walk);
	t = xcalloc(1, octets);
	fields = (struct field_spec *)(t + 1);
	steps = (struct step *)(fields + n);
	walk = (struct walk *)(steps + n_steps);
	memcpy(fields, f, n * sizeof(*f));
	t->octets = (uint32_t)octets;
	t->fields = fields;
	t->n_fields = n;
	t->options = options;
	t->plan = (struct plan){ .size = size, .fixed = fixed, .steps = steps,
				 .n_steps = (uint8_t)n_steps,
				 .outer_masks = nested(f, n) && !has(f, n, IE_MASK4) };
	for (unsigned i = 0; i < n_steps; i++) {
		steps[i] = draft[i].step;
		t->plan.told[steps[i].to >> 6] |= UINT64_C(1) << (steps[i].to & 63);
	}
	if (options)
		return t;
	if (!fixed) {
		for (unsigned k = 0; k < n; k++)
			walk[k] = (struct walk){ f[k].len, STEPS_MAX };
		for (unsigned i = 0; i < n_steps; i++)
			walk[steps[i].off].step = (uint8_t)i;
		t->plan.walk = walk;
		t->plan.n_walk = n;
		return t;
	}
	for (unsigned k = 0; k < n; off += f[k++].len)
		for (unsigned i = 0; i < n_steps; i++)
			if (draft[i].step.off == k)
				steps[i].off = (uint16_t)off;
	return t;
}

/* A template that changes whenever the source port does comes from two exporters. */
static void conflict(struct dgram *d, const struct tmpl *old)
{
	struct domain *dom = d->dom;

	if (old->port == d->port || d->received_ms - old->defined_ms > CONFLICT_MS)
		return;
	if (d->received_ms - dom->conflict_ms > CONFLICT_MS)
		dom->conflicts = 0;
	dom->conflict_ms = d->received_ms;
	if (++dom->conflicts >= CONFLICTS)
		domain_split(d, dom, old->port);
}

enum tmpl_verdict tmpl_define(struct dgram *d, uint16_t id,
			      const struct field_spec *fields, uint16_t n_fields,
			      uint16_t n_scopes, bool options)
{
	struct tmpl *old = find(d->c, d->dom, id), *t, **slot;
	struct tmpl_key k = { d->dom->serial, id };
	bool fixed, changed = false;

	if (old && old->options == options && old->n_scopes == n_scopes &&
	    old->n_fields == n_fields &&
	    !memcmp(old->fields, fields, n_fields * sizeof(*fields))) {
		old->defined_ms = d->received_ms;
		old->port = d->port;
		return TMPL_SAME;
	}
	if (!record_size(fields, n_fields, &fixed))
		return TMPL_BAD;
	t = compile(fields, n_fields, options);
	if (old) {
		changed = true;
		conflict(d, old);
		drop(d->c, old);
	}
	d->new_octets += t->octets + OVERHEAD;
	if (d->new_octets > TEMPLATE_OCTETS_DGRAM || !room(d, t->octets) ||
	    !(slot = map_put(&d->c->templates, &k, NULL))) {
		free(t);
		return TMPL_REFUSED;
	}
	*slot = t;
	t->id = id;
	t->n_scopes = n_scopes;
	t->dom = d->dom;
	t->port = d->port;
	t->defined_ms = d->received_ms;
	link_both(d->c, t, d->received_ms);
	d->dom->recent[id & 3] = t;
	d->dom->n_templates++;
	d->c->n_templates++;
	d->c->template_octets += t->octets;
	return changed ? TMPL_CHANGED : TMPL_NEW;
}
