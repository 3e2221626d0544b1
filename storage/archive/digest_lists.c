/* digest_lists.c - the lists of a summary, from what was summed.
 * SPDX-License-Identifier: ISC
 *
 * Of each kind the entries that have most, and a bound on all others (tally.h chooses).
 * What follows from other sums is made here, once a file instead of once a row:
 * protocols from services, exporters and interfaces from routes, AS from both ends.
 */
#include "storage/archive/digest_impl.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

static void make_lists(struct digest *d, enum list_kind kind, struct entry *e, size_t n)
{
	struct list_info *info = &d->s.list[kind];
	size_t octets = list_octets(kind);
	uint64_t first = d->s.totals.rows / ROWS_A_FIRST;

	first = first < FIRST_LEAST ? FIRST_LEAST
				    : first > FIRST_MOST ? FIRST_MOST : first;
	entries_choose(e, n, (uint32_t)first, &info->bound);
	entries_list(e, n, true, octets, &d->lists[kind].first);
	if (kind == LIST_HOST && n - d->lists[kind].first.n <= LIST_MAX)
		entries_list(e, n, false, octets, &d->lists[kind].rest);
	info->here = true;
}

static void host_lists(struct digest *d)
{
	struct entry *e = xcalloc(d->hosts.n + 1, sizeof(*e));

	for (enum list_kind kind = LIST_HOST; kind <= LIST_DST; kind++) {
		const void *key;
		void *v;
		uint32_t at = 0;
		size_t n = 0;

		while (map_next(&d->hosts, &at, &key, &v)) {
			const struct host *h = v;
			struct sums s = kind == LIST_DST ? h->dst : h->src;

			if (kind == LIST_HOST)
				s = (struct sums){
					s.bytes + h->dst.bytes - h->self.bytes,
					s.packets + h->dst.packets - h->self.packets,
					s.flows + h->dst.flows - h->self.flows
				};
			if (s.flows)
				e[n++] = (struct entry){ key, s, false };
		}
		make_lists(d, kind, e, n);
	}
	free(e);
}

static void cell_lists(struct digest *d, enum list_kind kind, const struct cells *c)
{
	struct entry *e = xcalloc(c->exact.n + 1, sizeof(*e));
	struct list_info *info = &d->s.list[kind];
	const void *key;
	void *v;
	uint32_t at = 0;
	size_t n = 0;

	while (map_next(&c->exact, &at, &key, &v))
		e[n++] = (struct entry){ key, *(struct sums *)v, false };
	make_lists(d, kind, e, n);
	if (c->bound.bytes > info->bound.bytes)
		info->bound.bytes = c->bound.bytes;
	if (c->bound.packets > info->bound.packets)
		info->bound.packets = c->bound.packets;
	if (c->bound.flows > info->bound.flows)
		info->bound.flows = c->bound.flows;
	free(e);
}

/* Keys of a tally, which are one number there, as list_parts has them. */
static void tally_key(enum list_kind kind, uint64_t key, uint8_t out[static 12])
{
	uint32_t v[3] = { (uint32_t)key, 0, 0 };

	if (kind == LIST_INTERFACE) {
		v[0] = (uint32_t)(key >> 33);
		v[1] = (uint32_t)(key >> 1);
		v[2] = key & 1;
	}
	memcpy(out, v, sizeof(v));
}

static void tally_lists(struct digest *d, enum list_kind kind)
{
	const struct tally *t = &d->tally[kind];
	struct entry *e = xcalloc(t->n + 1, sizeof(*e));
	uint8_t(*keys)[12] = xcalloc(t->n + 1, sizeof(*keys));
	size_t n = 0;

	for (uint32_t i = 0; i < t->slots; i++) {
		if (!t->slot[i].key)
			continue;
		tally_key(kind, t->slot[i].key - 1, keys[n]);
		e[n] = (struct entry){ keys[n], t->slot[i].sums, false };
		n++;
	}
	make_lists(d, kind, e, n);
	free(e);
	free(keys);
}

static void pour(struct tally *to, const struct tally *from)
{
	for (uint32_t i = 0; i < from->slots; i++)
		if (from->slot[i].key)
			sums_add(tally_at(to, from->slot[i].key - 1),
				 &from->slot[i].sums);
	to->full |= from->full;
}

static void derive_interfaces(struct digest *d)
{
	const struct tally *routes = &d->routes;

	for (uint32_t i = 0; i < routes->slots; i++) {
		const struct tally_slot *s = &routes->slot[i];
		uint64_t key = s->key - 1;

		if (!s->key)
			continue;
		sums_add(tally_at(&d->tally[LIST_EXPORTER], key >> 48), &s->sums);
		digest_interface(d, key >> 48, key >> 24 & (ROUTE_IF - 1), 0, &s->sums);
		digest_interface(d, key >> 48, key & (ROUTE_IF - 1), 1, &s->sums);
	}
	d->tally[LIST_EXPORTER].full |= routes->full;
	d->tally[LIST_INTERFACE].full |= routes->full;
}

/* What follows from other tallies: protocols from services, AS from both ends. */
static void derive(struct digest *d)
{
	const struct tally *ports = &d->tally[LIST_PORT];
	struct tally *as = &d->tally[LIST_AS];

	for (uint32_t i = 0; i < ports->slots; i++)
		if (ports->slot[i].key)
			sums_add(tally_at(&d->tally[LIST_PROTO],
					  (ports->slot[i].key - 1) >> 16),
				 &ports->slot[i].sums);
	d->tally[LIST_PROTO].full |= ports->full;
	derive_interfaces(d);
	pour(as, &d->tally[LIST_SRC_AS]);
	pour(as, &d->tally[LIST_DST_AS]);
	as->full |= d->same_as.full;
	for (uint32_t i = 0; !as->full && i < d->same_as.slots; i++) {
		const struct tally_slot *s = &d->same_as.slot[i];
		struct sums *to = s->key ? tally_at(as, s->key - 1) : NULL;

		if (!to)
			continue;
		to->bytes -= s->sums.bytes;
		to->packets -= s->sums.packets;
		to->flows -= s->sums.flows;
	}
}

void digest_lists(struct digest *d)
{
	derive(d);
	if (!d->hosts_full)
		host_lists(d);
	if (!d->pairs.full)
		cell_lists(d, LIST_PAIR, &d->pairs);
	if (!d->flows.full)
		cell_lists(d, LIST_FLOW, &d->flows);
	for (int k = LIST_PORT; k < LIST_KINDS; k++)
		if (!d->tally[k].full)
			tally_lists(d, (enum list_kind)k);
}
