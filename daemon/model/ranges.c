/* ranges.c - from an address to the longest prefix that holds it, fast.
 * SPDX-License-Identifier: ISC
 *
 * Prefixes contain each other or have nothing in common, so they cut the addresses into at
 * most 2 n + 1 ranges, each with one answer:
 *
 *   10.0.0.0/8 = lan, 10.20.0.0/16 = clinic
 *   ├── -1 ──┼── lan ──┼── clinic ──┼── lan ──┼── -1 ──┤
 *            10.0.0.0  10.20.0.0    10.21.0.0 11.0.0.0
 *
 * A lookup is a binary search among their beginnings: 20 ns among a hundred prefixes,
 * where a lock and a hash for each prefix length took 150.
 */
#include "daemon/model/ranges.h"

#include "daemon/base/mem.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint64_t high, low; /* of its first address */
	int value;
};

struct ranges {
	size_t n;
	struct range at[];
};

static struct range key(const struct addr *a, int value)
{
	uint64_t half[2];

	memcpy(half, a->b, sizeof(half));
	return (struct range){ be64toh(half[0]), be64toh(half[1]), value };
}

static int by_place(const void *a, const void *b)
{
	const struct ranged *x = a, *y = b;
	int c = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	return c ? c : (x->bits > y->bits) - (x->bits < y->bits);
}

/* The first address behind a prefix; false when there is none. */
static bool behind(const struct ranged *p, struct addr *out)
{
	*out = p->addr;
	if (!p->bits)
		return false;
	for (int i = (p->bits - 1) / 8, add = 0x80 >> (p->bits - 1) % 8; i >= 0; i--) {
		add += out->b[i];
		out->b[i] = (uint8_t)add;
		add >>= 8;
		if (!add)
			return true;
	}
	return false;
}

static void begin(struct ranges *r, const struct addr *a, int value)
{
	struct range k = key(a, value);

	if (r->n && r->at[r->n - 1].high == k.high && r->at[r->n - 1].low == k.low)
		r->n--;
	if (!r->n || r->at[r->n - 1].value != value)
		r->at[r->n++] = k;
}

/* Ends those of the n open prefixes that do not hold a (NULL: all); returns how many are
 * left. */
static unsigned close_before(struct ranges *r, const struct ranged **open, unsigned n,
			     const struct addr *a)
{
	struct addr end;

	for (; n; n--) {
		bool ends = behind(open[n - 1], &end);

		if (a && (!ends || memcmp(end.b, a->b, sizeof(end.b)) > 0))
			break;
		if (ends)
			begin(r, &end, n > 1 ? open[n - 2]->value : -1);
	}
	return n;
}

struct ranges *ranges_new(const struct ranged *p, size_t n)
{
	struct ranges *r = xcalloc(1, sizeof(*r) + (2 * n + 1) * sizeof(r->at[0]));
	struct ranged *sorted = xcalloc(n + 1, sizeof(*sorted));
	const struct ranged *open[130]; /* within each other: one for each length */
	struct addr first = { { 0 } };
	unsigned depth = 0;

	if (n)
		memcpy(sorted, p, n * sizeof(*p));
	qsort(sorted, n, sizeof(*sorted), by_place);
	begin(r, &first, -1);
	for (size_t i = 0; i < n; i++) {
		depth = close_before(r, open, depth, &sorted[i].addr);
		begin(r, &sorted[i].addr, sorted[i].value);
		open[depth++] = &sorted[i];
	}
	close_before(r, open, depth, NULL);
	free(sorted);
	return r;
}

void ranges_free(struct ranges **r)
{
	free(*r);
	*r = NULL;
}

int ranges_find(const struct ranges *r, const struct addr *a)
{
	const struct range k = key(a, 0), *at = r->at;

	/* The last range that does not begin after a. */
	for (size_t n = r->n; n > 1;) {
		size_t half = n / 2;
		const struct range *m = at + half;
		bool right = (m->high < k.high) | ((m->high == k.high) & (m->low <= k.low));

		at = right ? m : at;
		n -= half;
	}
	return at->value;
}

bool ranges_same(const struct ranges *a, const struct ranges *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].high != b->at[i].high || a->at[i].low != b->at[i].low ||
		    a->at[i].value != b->at[i].value)
			return false;
	return true;
}
