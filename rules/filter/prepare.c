/* prepare.c - what running needs, made of the sets as they are meant.
 * SPDX-License-Identifier: ISC
 *
 * A part of a cell (DSCP in the type of service octet) becomes the set of
 * cells that have it, so running knows whole cells only. Few ranges are
 * compared one after the other, many become a bitmap (8 and 16 bit columns, at
 * most 8 KiB) or sorted ranges that are searched.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "rules/filter/node.h"

static void add_cells(struct node *t, uint64_t lo, uint64_t hi)
{
	struct range *last = t->n_cells ? &t->cells[t->n_cells - 1] : NULL;

	if (last && last->hi + 1 == lo) {
		last->hi = hi;
		return;
	}
	t->cells[t->n_cells++] = (struct range){ lo, hi };
}

static void prepare_cells(struct node *t)
{
	const struct word *w = t->word;
	unsigned width = field_info[w->field[0]].width;
	uint64_t octets = width == 1 ? 256 / 8 : 65536 / 8;

	if (!w->mask) {
		t->cells = xcalloc(t->n_ranges, sizeof(*t->cells));
		for (unsigned i = 0; i < t->n_ranges; i++)
			add_cells(t, t->ranges[i].lo, t->ranges[i].hi);
	} else {
		t->cells = xcalloc(width == 1 ? 256 : 65536, sizeof(*t->cells));
		for (uint64_t v = 0; v >> 8 * width == 0; v++)
			if (range_has(t->ranges, t->n_ranges, v >> w->shift & w->mask))
				add_cells(t, v, v);
		t->cells = xrealloc(t->cells, t->n_cells + 1, sizeof(*t->cells));
	}
	if (width > 2 || t->n_cells <= FEW)
		return;
	t->map = xcalloc(1, octets);
	for (unsigned i = 0; i < t->n_cells; i++)
		for (uint64_t v = t->cells[i].lo; v <= t->cells[i].hi; v++)
			t->map[v / 64] |= UINT64_C(1) << v % 64;
}

static struct wide wide_of(const struct addr *a)
{
	uint64_t w[2];

	memcpy(w, a->b, sizeof(w));
	return (struct wide){ be64toh(w[0]), be64toh(w[1]) };
}

static struct wide host_bits(unsigned bits)
{
	return (struct wide){
		bits >= 64 ? 0 : UINT64_MAX >> bits,
		bits >= 128  ? 0
		: bits <= 64 ? UINT64_MAX
			     : UINT64_MAX >> (bits - 64),
	};
}

static void add6(struct node *t, struct wide lo, struct wide hi)
{
	t->six[t->n_six++] = (struct range6){ lo, hi };
}

static bool around4(const struct prefix *p)
{
	static const struct addr mapped = { .b = { [10] = 0xff, [11] = 0xff } };

	return p->bits < 96 && prefix_has(p, &mapped);
}

/* "Not told" and the IPv4 addresses are cut out of an IPv6 prefix around them. */
static void prepare6(struct node *t, const struct prefix *p)
{
	struct wide lo = wide_of(&p->addr), hi = host_bits(p->bits);

	hi.hi |= lo.hi;
	hi.lo |= lo.lo;
	if (p->bits < 128 && !lo.hi && !lo.lo)
		lo.lo = 1;
	if (around4(p)) {
		add6(t, lo, (struct wide){ 0, UINT64_C(0x0000fffeffffffff) });
		lo = (struct wide){ 0, UINT64_C(0x0001000000000000) };
	}
	add6(t, lo, hi);
}

static void prepare_few(struct node *t)
{
	t->few = xcalloc(t->n_prefixes, sizeof(*t->few));
	for (unsigned i = 0; i < t->n_prefixes; i++) {
		const struct prefix *p = &t->prefixes[i];
		struct wide host = host_bits(p->bits);
		struct masked *m = &t->few[t->n_few++];

		m->mask[0] = htobe64(~host.hi);
		m->mask[1] = htobe64(~host.lo);
		memcpy(m->v, p->addr.b, sizeof(m->v));
	}
}

/* Most addresses are in no block list, and one bit says so for most of them. */
static void prepare_tops(struct node *t)
{
	if (t->n_four <= 16)
		return;
	t->tops = xcalloc(65536 / 64, sizeof(*t->tops));
	for (unsigned i = 0; i < t->n_four; i++)
		for (uint32_t v = t->four[i].lo >> 16; v <= t->four[i].hi >> 16; v++)
			t->tops[v / 64] |= UINT64_C(1) << v % 64;
}

static void prepare_addrs(struct node *t)
{
	bool few = t->n_prefixes <= FEW;

	for (unsigned i = 0; i < t->n_prefixes; i++) {
		const struct prefix *p = &t->prefixes[i];

		few &= !around4(p) && (!addr_is_none(&p->addr) || p->bits == 128);
	}
	if (few && t->n_prefixes)
		prepare_few(t);
	t->four = xcalloc(t->n_prefixes + 1, sizeof(*t->four));
	t->six = xcalloc(2 * (size_t)t->n_prefixes + 1, sizeof(*t->six));
	for (unsigned i = 0; i < t->n_prefixes; i++) {
		const struct prefix *p = &t->prefixes[i];
		uint32_t lo = (uint32_t)wide_of(&p->addr).lo;

		if (addr_is4(&p->addr) && p->bits >= 96)
			t->four[t->n_four++] =
			    (struct range4){ lo, lo | (uint32_t)host_bits(p->bits).lo };
		else
			prepare6(t, p);
	}
	prepare_tops(t);
}

void filter_prepare(struct node *n)
{
	for (unsigned i = 0; i < n->n_kids; i++)
		filter_prepare(n->kids[i]);
	if (n->kind != NODE_TEST || n->cells || n->four)
		return;
	prepare_cells(n);
	prepare_addrs(n);
}
