/* inhibit.c - which alert says it already, so that another need not.
 * SPDX-License-Identifier: ISC
 *
 * A place in the table counts its sources and knows the newest. When just that one
 * goes, the others still count, but have no name until the next comes: a list of them
 * would make a storm of equal sources quadratic, and the name is only for a sentence.
 */
#include "rules/inhibit.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { THIRD = 3 };

const char *const equal_word[EQUAL_WORDS + 1] = { "exporter", "interface", "network", "host",
						  "rule", "series", NULL };

struct place {
	uint32_t n;
	int32_t newest;
};
struct source_key {
	uint64_t rule, hash;
};

void inhibit_init(struct inhibit *i, const struct inhibit_rule *rules, unsigned n,
		  uint32_t max_alerts)
{
	*i = (struct inhibit){ .rule = rules, .n_rule = n };
	map_init(&i->sources, sizeof(struct source_key), sizeof(struct place), max_alerts);
	map_init(&i->named, sizeof(struct addr), sizeof(struct place), max_alerts);
}

void inhibit_fini(struct inhibit *i)
{
	map_fini(&i->sources);
	map_fini(&i->named);
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	return (h ^ map_hash(p, n)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t mix_text(uint64_t h, const char *s)
{
	return mix(h, s ? s : "", s ? strlen(s) : 0);
}

/* False: it lacks a label that must be equal. */
static bool equal_hash(const struct labels *l, unsigned equal, uint64_t *hash)
{
	uint64_t h = equal;

	if ((equal & (EQUAL_EXPORTER | EQUAL_INTERFACE) && !l->exporter) ||
	    (equal & EQUAL_INTERFACE && !*l->interface) ||
	    (equal & EQUAL_NETWORK && !l->network[0]) || (equal & EQUAL_HOST && !l->n_host))
		return false;
	if (equal & (EQUAL_EXPORTER | EQUAL_INTERFACE))
		h = mix(h, &l->exporter->id, sizeof(l->exporter->id));
	if (equal & EQUAL_INTERFACE)
		h = mix_text(h, l->interface);
	if (equal & EQUAL_NETWORK)
		h = mix_text(h, l->network[0]);
	if (equal & EQUAL_HOST)
		h = mix(h, l->host, sizeof(l->host[0]));
	if (equal & EQUAL_RULE)
		h = mix_text(h, l->rule);
	if (equal & EQUAL_SERIES)
		h = mix_text(h, l->series_id);
	*hash = h;
	return true;
}

static void count(struct map *m, const void *key, int handle, bool on)
{
	struct place *p = on ? map_put(m, key, NULL) : map_get(m, key);

	if (!p)
		return;
	if (on) {
		p->n++;
		p->newest = handle;
		return;
	}
	if (p->newest == handle)
		p->newest = INHIBIT_NONE;
	if (!--p->n)
		map_del(m, key);
}

bool inhibit_put(struct inhibit *i, const struct labels *l, int handle, bool on)
{
	bool any = false;

	for (unsigned r = 0; r < i->n_rule; r++) {
		struct source_key k = { .rule = r };

		if (!match_alert(i->rule[r].source, l) ||
		    !equal_hash(l, i->rule[r].equal, &k.hash))
			continue;
		count(&i->sources, &k, handle, on);
		any = true;
	}
	return any;
}

int inhibit_find(const struct inhibit *i, const struct labels *l,
		 const struct inhibit_rule **by)
{
	*by = NULL;
	for (unsigned r = 0; r < i->n_rule; r++) {
		struct source_key k = { .rule = r };
		const struct place *p;

		/* One that is both speaks for itself. */
		if (!match_alert(i->rule[r].target, l) || match_alert(i->rule[r].source, l) ||
		    !equal_hash(l, i->rule[r].equal, &k.hash))
			continue;
		p = map_get(&i->sources, &k);
		if (!p)
			continue;
		*by = &i->rule[r];
		return p->newest;
	}
	return INHIBIT_NONE;
}

static void add_host(struct addr *host, double *share, unsigned *n, const struct addr *a,
		     double more)
{
	unsigned at = 0;

	if (addr_is_none(a))
		return;
	while (at < *n && !addr_eq(&host[at], a))
		at++;
	if (at == 2 * ALERT_TOP)
		return;
	if (at == *n) {
		host[(*n)++] = *a;
		share[at] = 0;
	}
	share[at] += more;
}

unsigned inhibit_hosts(const struct alert *link, struct addr out[INHIBIT_HOSTS])
{
	struct addr host[2 * ALERT_TOP], client;
	double share[2 * ALERT_TOP];
	unsigned n = 0, found = 0;

	if (!by_is_small(link->by) || link->below)
		return 0;
	for (unsigned f = 0; f < link->n_top; f++) {
		const struct top_flow *t = &link->top[f];

		add_host(host, share, &n, &t->src, t->share);
		add_host(host, share, &n, &t->dst, t->share);
		if (t->client && addr_parse(t->client, &client))
			add_host(host, share, &n, &client, t->share);
	}
	for (unsigned h = 0; h < n && found < INHIBIT_HOSTS; h++)
		if (share[h] * THIRD >= 1)
			out[found++] = host[h];
	return found;
}

void inhibit_name(struct inhibit *i, const struct addr *hosts, unsigned n, int handle, bool on)
{
	for (unsigned h = 0; h < n; h++)
		count(&i->named, &hosts[h], handle, on);
}

int inhibit_link(const struct inhibit *i, const struct labels *l)
{
	for (unsigned h = 0; h < l->n_host; h++) {
		const struct place *p = map_get(&i->named, &l->host[h]);

		if (p && p->newest != INHIBIT_NONE)
			return p->newest;
	}
	return INHIBIT_NONE;
}
