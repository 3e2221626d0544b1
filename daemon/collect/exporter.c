/* exporter.c - what must be remembered of an exporter to decode it.
 * SPDX-License-Identifier: ISC
 *
 * Finding the state of a sender happens for each datagram, so a small cache by
 * address and port stands before names.h and its lock; it is emptied whenever a
 * name changed, since a reload may have given a port an exporter of its own.
 *
 * Two exporters behind one address (NAT, or two processes on one host) that use
 * the same observation domain mix their templates and sequence numbers. What
 * betrays them is a second source port that goes on with numbers of its own, or
 * templates that change whenever the port does. A new port alone proves nothing:
 * exporters restart, and some use several ports for one sequence. Once betrayed,
 * the domain is kept apart by port, and it is said, because the administrator can
 * give each of them a name (`port = N` in its section).
 */
#include "daemon/collect/exporter.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/collect/collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RIVAL_HITS = 4, RIVAL_MS = 10 * 60 * 1000 };

struct domain_key {
	uint32_t exporter, id, sub;
	uint16_t port; /* 0: not split */
	uint16_t via;
};

struct exporter_state *exporter_state_of(struct collector *c, struct exporter *e)
{
	struct exporter_state *x;

	if (e->id >= c->n_states) {
		uint32_t want = c->n_states ? c->n_states : 64;

		while (want <= e->id)
			want *= 2;
		c->states = xrealloc(c->states, want, sizeof(*c->states));
		for (; c->n_states < want; c->n_states++)
			c->states[c->n_states] = NULL;
	}
	x = c->states[e->id];
	if (!x) {
		x = c->states[e->id] = xcalloc(1, sizeof(*x));
		x->exporter = e;
		x->held_end = &x->held;
	}
	return x;
}

static struct exporter_state *look_up(struct collector *c, const struct addr *a,
				      uint16_t port, enum shed_reason *why)
{
	struct exporter *e;

	*why = SHED_EXPORTERS;
	if (c->conf.only_known) {
		e = names_exporter_find(c->names, a, port);
		*why = SHED_ONLY_KNOWN;
		if (!e || !e->known)
			return NULL;
	} else {
		e = names_exporter(c->names, a, port);
	}
	return e ? exporter_state_of(c, e) : NULL;
}

struct exporter_state *exporter_get(struct collector *c,
				    const struct sockaddr_storage *from, uint16_t *port,
				    enum shed_reason *why)
{
	struct addr a = addr_of_sockaddr(from, port);
	uint64_t version = names_version(c->names), h;
	struct sender *s;

	if (version != c->names_version) {
		for (unsigned i = 0; i < SENDERS; i++)
			c->senders[i].used = false;
		c->names_version = version;
	}
	memcpy(&h, a.b + 8, sizeof(h));
	h = (h ^ *port ^ (uint64_t)a.b[7] << 16) * UINT64_C(0x9e3779b97f4a7c15);
	s = &c->senders[h >> 56 & (SENDERS - 1)];
	if (!s->used || s->port != *port || !addr_eq(&s->addr, &a)) {
		struct exporter_state *x = look_up(c, &a, *port, why);

		if (!x)
			return NULL;
		*s = (struct sender){ a, *port, true, x };
	}
	return s->x;
}

static struct domain *make(struct dgram *d, const struct domain_key *k)
{
	struct collector *c = d->c;
	struct domain *dom, **slot;

	if (c->n_domains >= DOMAINS_MAX || d->x->n_domains >= DOMAINS_PER_EXPORTER ||
	    !(slot = map_put(&c->domains, k, NULL)))
		return NULL;
	dom = *slot = xcalloc(1, sizeof(*dom));
	*dom = (struct domain){ .id = k->id, .sub = k->sub, .via = k->via,
				.port = d->port, .serial = ++c->serial, .x = d->x,
				.key_port = k->port, .next = d->x->domains };
	d->x->domains = dom;
	d->x->n_domains++;
	c->n_domains++;
	return dom;
}

struct domain *domain_get(struct dgram *d, uint32_t id, uint32_t sub)
{
	struct domain_key k = { d->x->exporter->id, id, sub, 0, d->via };
	struct domain *dom = d->x->last, **found;

	if (!dom || dom->id != id || dom->sub != sub || dom->via != d->via ||
	    dom->split || dom->key_port) {
		found = map_get(&d->c->domains, &k);
		dom = found ? *found : make(d, &k);
		if (dom && dom->split) {
			k.port = d->port;
			found = map_get(&d->c->domains, &k);
			dom = found ? *found : make(d, &k);
		}
		d->x->last = dom;
	}
	if (dom)
		dom->seen_ms = d->received_ms;
	return dom;
}

void domain_free(struct collector *c, struct domain *dom)
{
	struct domain_key k = { dom->x->exporter->id, dom->id, dom->sub, dom->key_port,
				dom->via };
	struct domain **at = &dom->x->domains;

	while (*at != dom)
		at = &(*at)->next;
	*at = dom->next;
	if (dom->x->last == dom)
		dom->x->last = NULL;
	dom->x->n_domains--;
	c->n_domains--;
	map_del(&c->domains, &k);
	free(dom);
}

void domain_split(struct dgram *d, struct domain *dom, uint16_t other)
{
	char key[96];

	if (dom->split || dom->key_port)
		return;
	dom->split = true;
	d->x->last = NULL;
	snprintf(key, sizeof(key), "split %u %u", d->x->exporter->id, dom->id);
	log_seldom(key, 3600,
		   "exporter %s: two exporters send as one %s domain %u from this "
		   "address (source ports %u and %u); they are told apart by port. Give "
		   "each a domain of its own, or a section with `port`.",
		   d->x->exporter->name,
		   via_title[dom->via], dom->id, other, d->port);
}

static struct rival *rival_of(struct domain *dom, uint16_t port, int64_t now_ms)
{
	struct rival *r = dom->rival, *oldest = r;

	for (; r < dom->rival + 3; r++) {
		if (r->port == port && r->hits && now_ms - r->since_ms < RIVAL_MS)
			return r;
		if (!r->hits || r->since_ms < oldest->since_ms)
			oldest = r;
	}
	*oldest = (struct rival){ .port = port, .since_ms = now_ms };
	return oldest;
}

struct domain *domain_rivals(struct dgram *d, struct domain *dom, enum seq_verdict v,
			     uint32_t number, uint32_t units)
{
	struct rival *r;

	if (dom->key_port || d->port == dom->port)
		return dom;
	if (v != SEQ_OTHER && v != SEQ_RESTART) {
		dom->port = d->port;
		return dom;
	}
	r = rival_of(dom, d->port, d->received_ms);
	if (!r->hits || r->next == number || v == SEQ_RESTART)
		r->hits++;
	r->next = number + units;
	if (r->hits > RIVAL_HITS) {
		domain_split(d, dom, dom->port);
		return domain_get(d, dom->id, dom->sub);
	}
	if (v == SEQ_RESTART)
		dom->port = d->port;
	return dom;
}

/* Four buckets for each doubling, from 64 ms on. */
static unsigned bucket_of(int64_t ms)
{
	int64_t units = ms >> 6;
	uint32_t v = units <= 0 ? 0 : units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
	unsigned e, b;

	if (v < 4)
		return v;
	e = 31 - (unsigned)__builtin_clz(v);
	b = (e - 1) * 4 + (v >> (e - 2) & 3);
	return b < LATENESS_BUCKETS ? b : LATENESS_BUCKETS - 1;
}

static int64_t bucket_end(unsigned b)
{
	unsigned e = b / 4 + 1;

	return b < 4 ? (int64_t)(b + 1) << 6 : (int64_t)(4 + b % 4 + 1) << (e - 2) << 6;
}

void lateness_add(struct exporter_state *x, int64_t ms)
{
	unsigned b = bucket_of(ms);

	if (x->lateness[b] == UINT16_MAX)
		for (unsigned i = 0; i < LATENESS_BUCKETS; i++)
			x->lateness[i] /= 2;
	x->lateness[b]++;
}

int64_t lateness_of(const struct exporter_state *x)
{
	uint64_t n = 0, above = 0;
	unsigned b;

	for (b = 0; b < LATENESS_BUCKETS; b++)
		n += x->lateness[b];
	for (b = LATENESS_BUCKETS; n && b > 0; b--) {
		above += x->lateness[b - 1];
		if (above * 1000 > n)
			return bucket_end(b - 1);
	}
	return 0;
}
