/* tally.c - sums by key while a file is digested.
 * SPDX-License-Identifier: ISC
 */
#include "storage/archive/tally.h"

#include "daemon/base/largest.h"
#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 1024,
	TALLY_MAX = 1 << 15, /* keys; 2 MB */
	CELLS_MIN = 4096,
	CELLS_MAX = 1 << 18, /* of 16 octets: 4 MB */
	ROWS_A_CELL = 6,     /* fewer would not stay in the processor's cache */
	EXACT_MAX = 1 << 17, /* keys of 44 octets and their sums: 18 MB */
	FEW = 3,             /* lists this much longer are told whole */
};

/* ---- few keys ---- */

void tally_init(struct tally *t)
{
	*t = (struct tally){ .slots = SLOTS };
	t->slot = xcalloc(t->slots, sizeof(*t->slot));
}

void tally_fini(struct tally *t)
{
	free(t->slot);
	*t = (struct tally){ 0 };
}

static struct tally_slot *free_slot(struct tally *t, uint64_t key)
{
	uint32_t i = tally_home(t, key);

	while (t->slot[i].key)
		i = (i + 1) & (t->slots - 1);
	return &t->slot[i];
}

static void twice(struct tally *t)
{
	struct tally_slot *old = t->slot;
	uint32_t n = t->slots;

	t->slots *= 2;
	t->slot = xcalloc(t->slots, sizeof(*t->slot));
	for (uint32_t i = 0; i < n; i++)
		if (old[i].key)
			*free_slot(t, old[i].key - 1) = old[i];
	free(old);
}

struct sums *tally_grow(struct tally *t, uint64_t key)
{
	struct tally_slot *s;

	if (t->n >= TALLY_MAX) { /* all is lost; begin anew, to stay small */
		t->full = true;
		memset(t->slot, 0, t->slots * sizeof(*t->slot));
		t->n = 0;
	}
	if (t->n >= t->slots / 2)
		twice(t);
	s = free_slot(t, key);
	s->key = key + 1;
	t->n++;
	return &s->sums;
}

/* ---- many keys ---- */

void cells_init(struct cells *c, size_t key_octets, uint64_t rows)
{
	*c = (struct cells){ .n = CELLS_MIN };
	while (c->n < rows / ROWS_A_CELL && c->n < CELLS_MAX)
		c->n *= 2;
	c->at = xcalloc(c->n, sizeof(*c->at));
	c->heavy = xcalloc(c->n / 8, 1);
	map_init(&c->exact, key_octets, sizeof(struct sums), EXACT_MAX);
}

void cells_fini(struct cells *c)
{
	free(c->at);
	free(c->heavy);
	map_fini(&c->exact);
	*c = (struct cells){ 0 };
}

/* ---- the n-th largest ---- */

static const size_t measures[] = { offsetof(struct sums, bytes),
				   offsetof(struct sums, packets),
				   offsetof(struct sums, flows) };

static uint64_t value(const void *sums, size_t measure)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)sums + measure, sizeof(v));
	return v;
}

/* The n-th largest of a measure of entries, 0 when there are fewer. */
static uint64_t nth(const struct entry *e, size_t count, size_t measure, uint32_t n)
{
	uint64_t *heap = xcalloc(n + 1, sizeof(*heap)), v;

	for (size_t i = 0; i < count; i++)
		largest_offer(heap, n, value(&e[i].sums, measure));
	v = heap[0];
	free(heap);
	return v;
}

/* The same of cells, of all measures at once. */
static struct sums nth_cell(const struct cells *c, uint32_t n)
{
	uint64_t *heap = xcalloc(3 * (size_t)n, sizeof(*heap));
	uint64_t *packets = heap + n, *flows = heap + 2 * (size_t)n;
	struct sums least;

	for (uint32_t i = 0; i < c->n; i++) {
		largest_offer(heap, n, c->at[i].bytes);
		largest_offer(packets, n, c->at[i].packets);
		largest_offer(flows, n, c->at[i].flows);
	}
	least = (struct sums){ heap[0], packets[0], flows[0] };
	free(heap);
	return least;
}

static uint64_t *member(struct sums *s, unsigned m)
{
	return (uint64_t *[]){ &s->bytes, &s->packets, &s->flows }[m];
}

void cells_choose(struct cells *c, uint32_t n)
{
	struct sums least = nth_cell(c, n), *most = &c->bound;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct cell *x = &c->at[i];

		if (x->flows && (x->bytes >= least.bytes || x->packets >= least.packets ||
				 x->flows >= least.flows)) {
			c->heavy[i / 8] |= (uint8_t)(1 << i % 8);
			continue;
		}
		most->bytes = x->bytes > most->bytes ? x->bytes : most->bytes;
		most->packets = x->packets > most->packets ? x->packets : most->packets;
		most->flows = x->flows > most->flows ? x->flows : most->flows;
	}
}

/* ---- choosing ---- */

void entries_choose(struct entry *e, size_t count, uint32_t n, struct sums *bound)
{
	*bound = (struct sums){ 0 };
	for (unsigned m = 0; m < ARRAY_LEN(measures); m++) {
		uint32_t room = n;
		uint64_t least = 0;

		if (count > FEW * (size_t)n && count)
			least = nth(e, count, measures[m], n);
		else
			room = UINT32_MAX;
		for (int ties = 0; ties < 2; ties++) /* no more than n, ties or not */
			for (size_t i = 0; i < count && room; i++) {
				uint64_t v = value(&e[i].sums, measures[m]);

				if (ties ? v == least : v > least) {
					e[i].first = true;
					room--;
				}
			}
	}
	for (size_t i = 0; i < count; i++)
		for (unsigned m = 0; m < ARRAY_LEN(measures) && !e[i].first; m++) {
			uint64_t v = value(&e[i].sums, measures[m]);

			if (v > *member(bound, m))
				*member(bound, m) = v;
		}
}

/* Radix sort from the last octet; one that all keys share costs one look. */
static void sort(const struct entry *e, uint32_t *order, uint32_t *other, size_t n,
		 size_t octets)
{
	uint32_t *from = order, *to = other;

	for (size_t k = octets; k-- > 0;) {
		uint32_t start[257] = { 0 }, *swap = from;

		for (size_t i = 0; i < n; i++)
			start[e[from[i]].key[k] + 1]++;
		if (n && start[e[from[0]].key[k] + 1] == n)
			continue;
		for (unsigned b = 0; b < 256; b++)
			start[b + 1] += start[b];
		for (size_t i = 0; i < n; i++)
			to[start[e[from[i]].key[k]]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != order)
		memcpy(order, from, n * sizeof(*order));
}

void entries_list(const struct entry *e, size_t count, bool first, size_t octets,
		  struct list *l)
{
	uint32_t *order = xcalloc(count + 1, sizeof(*order));
	uint32_t *other = xcalloc(count + 1, sizeof(*other)), n = 0;

	for (size_t i = 0; i < count; i++)
		if (e[i].first == first)
			order[n++] = (uint32_t)i;
	sort(e, order, other, n, octets);
	l->n = n < LIST_MAX ? n : LIST_MAX;
	l->keys = xcalloc(l->n + 1, octets);
	l->sums = xcalloc(l->n + 1, sizeof(*l->sums));
	for (uint32_t i = 0; i < l->n; i++) {
		memcpy(l->keys + i * octets, e[order[i]].key, octets);
		l->sums[i] = e[order[i]].sums;
	}
	free(order);
	free(other);
}
