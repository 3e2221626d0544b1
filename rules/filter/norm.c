/* norm.c - the same question in its normal form.
 * SPDX-License-Identifier: ISC
 *
 * Nested and/or become flat, tests of one word join into one set (`port 80 or
 * port 443`; for a single column also `bytes > 1M and bytes < 2M`), what is
 * always or never true falls away, and the rest is put in order: cheap before
 * dear, then by text. The order makes `a and b` the text of `b and a`, and a
 * dear test only sees the rows that the cheap ones left.
 */
#include "rules/filter/node.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

static bool is_none(const struct node *n)
{
	return n->kind == NODE_NOT && n->kids[0]->kind == NODE_ANY;
}

static struct node *as_any(struct node *n)
{
	n->kind = NODE_ANY;
	n->n_kids = 0;
	return n;
}

static struct node *none(struct filter *f)
{
	struct node *n = node_new(f, NODE_NOT), *any = node_new(f, NODE_ANY);

	any->text = node_text(any);
	node_add_kid(n, any);
	return n;
}

/* Every column that the word means has the value of one flow in it. */
static bool only_ranges(const struct node *t)
{
	return t->kind == NODE_TEST && !t->n_prefixes && !t->n_names && !t->all_bits &&
	       t->word->value != VALUE_NONE;
}

static struct node *simple_test(struct filter *f, struct node *t)
{
	value_settle(t);
	if (!only_ranges(t) || t->word->how == HOW_COUNTRY)
		return t;
	if (!t->n_ranges)
		return none(f);
	if (t->ranges[0].lo == 0 && t->ranges[0].hi == t->word->max)
		return as_any(t);
	return t;
}

static bool alike(const struct node *a, const struct node *b)
{
	return a->kind == NODE_TEST && b->kind == NODE_TEST && a->word == b->word &&
	       a->sides == b->sides && a->both == b->both && a->all_bits == b->all_bits &&
	       a->word->value != VALUE_NONE;
}

static bool changed(struct node *a)
{
	free(a->text);
	a->text = NULL;
	return true;
}

/* a or b of one word is one set, wherever "one of them" is asked. */
static bool join_or(struct node *a, struct node *b)
{
	if (!alike(a, b) || a->both || a->all_bits)
		return false;
	for (unsigned i = 0; i < b->n_ranges; i++)
		value_add_range(a, b->ranges[i].lo, b->ranges[i].hi);
	for (unsigned i = 0; i < b->n_prefixes; i++)
		value_add_prefix(a, &b->prefixes[i]);
	for (unsigned i = 0; i < b->n_names; i++)
		value_add_name(a, b->names[i]);
	return changed(a);
}

/* a and b of one number is one set; of two columns it is not. */
static bool join_and(struct node *a, struct node *b)
{
	struct range *was = a->ranges;
	unsigned n = a->n_ranges;

	if (!alike(a, b))
		return false;
	if (a->all_bits) {
		a->bits |= b->bits;
		return changed(a);
	}
	if (!only_ranges(a) || !only_ranges(b) || a->word->how == HOW_COUNTRY ||
	    a->word->how == HOW_APP || (a->word->sides && (a->sides & (a->sides - 1))) ||
	    a->word == &words[W_MPLS])
		return false;
	a->ranges = NULL;
	a->n_ranges = 0;
	for (unsigned i = 0, k = 0; i < n && k < b->n_ranges;) {
		uint64_t lo = was[i].lo > b->ranges[k].lo ? was[i].lo : b->ranges[k].lo;
		uint64_t hi = was[i].hi < b->ranges[k].hi ? was[i].hi : b->ranges[k].hi;

		if (lo <= hi)
			value_add_range(a, lo, hi);
		if (was[i].hi < b->ranges[k].hi)
			i++;
		else
			k++;
	}
	free(was);
	return changed(a);
}

static unsigned columns_asked(const struct node *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->word->n; i++)
		n += t->sides >> i & 1;
	return n;
}

static unsigned cost_of(const struct node *n)
{
	unsigned cost = 0;

	for (unsigned i = 0; i < n->n_kids; i++)
		cost += n->kids[i]->cost + 1;
	if (n->kind != NODE_TEST)
		return cost;
	switch (n->word->how) {
	case HOW_CELL: cost = n->n_ranges > FEW ? 20 : 3 * n->n_ranges; break;
	case HOW_FLAGS: cost = 3 + 3 * n->n_ranges; break;
	case HOW_INET:
	case HOW_INET6: cost = 5; break;
	case HOW_ADDR: cost = n->n_prefixes > FEW ? 80 : 6 * n->n_prefixes; break;
	case HOW_EXPORTER: cost = 15; break;
	case HOW_IF: cost = n->n_names ? 20 * n->n_names : 4; break;
	case HOW_DURATION:
	case HOW_BPP:
	case HOW_PPS:
	case HOW_BPS: return 20;
	case HOW_APP: cost = n->n_names ? 50 : 4; break;
	case HOW_TEXT: cost = 50; break;
	case HOW_NETWORK:
	case HOW_COUNTRY: cost = 200; break;
	}
	return cost * columns_asked(n);
}

static struct node *finish(struct node *n)
{
	n->cost = cost_of(n);
	n->text = node_text(n);
	return n;
}

static int by_cost(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return strcmp(x->text, y->text);
}

/* Two flags or sets of one kid each may meet only after both are settled, so
 * kids are joined before they get their text. */
static void join_kids(struct filter *f, struct node *n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n->n_kids; i++) {
		struct node *kid = n->kids[i];
		unsigned k = 0;

		while (k < kept && !(n->kind == NODE_AND ? join_and(n->kids[k], kid)
							 : join_or(n->kids[k], kid)))
			k++;
		if (k == kept)
			n->kids[kept++] = kid;
	}
	n->n_kids = kept;
	for (unsigned i = 0; i < kept; i++) {
		struct node *kid = n->kids[i];

		if (kid->kind == NODE_TEST)
			kid = n->kids[i] = simple_test(f, kid);
		if (!kid->text)
			finish(kid);
	}
}

/* Drops what changes nothing; returns what decides alone, or NULL. */
static struct node *fold(struct node *n)
{
	bool all = n->kind == NODE_AND;
	unsigned kept = 0;

	for (unsigned i = 0; i < n->n_kids; i++) {
		struct node *kid = n->kids[i];

		if (all ? is_none(kid) : kid->kind == NODE_ANY)
			return kid;
		if (all ? kid->kind == NODE_ANY : is_none(kid))
			continue;
		n->kids[kept++] = kid;
	}
	if (!kept)
		return n->kids[0]; /* all of them the neutral one */
	n->n_kids = kept;
	return kept == 1 ? n->kids[0] : NULL;
}

static struct node *simple(struct filter *f, struct node *n);

/* Lifts the kids of a kid of the same kind, so that a chain is one node. */
static void flatten(struct filter *f, struct node *n)
{
	struct node **kids = n->kids;
	unsigned n_kids = n->n_kids;

	n->kids = NULL;
	n->n_kids = 0;
	for (unsigned i = 0; i < n_kids; i++) {
		struct node *kid = simple(f, kids[i]);

		if (kid->kind != n->kind) {
			node_add_kid(n, kid);
			continue;
		}
		for (unsigned k = 0; k < kid->n_kids; k++)
			node_add_kid(n, kid->kids[k]);
	}
	free(kids);
}

static struct node *chain(struct filter *f, struct node *n)
{
	struct node *alone;
	unsigned kept = 1;

	flatten(f, n);
	join_kids(f, n);
	alone = fold(n);
	if (alone)
		return alone;
	qsort(n->kids, n->n_kids, sizeof(*n->kids), by_cost);
	for (unsigned i = 1; i < n->n_kids; i++)
		if (strcmp(n->kids[i]->text, n->kids[kept - 1]->text))
			n->kids[kept++] = n->kids[i];
	n->n_kids = kept;
	return kept == 1 ? n->kids[0] : n;
}

/* A test stays without its text: the chain above it may still join it. */
static struct node *simple(struct filter *f, struct node *n)
{
	switch (n->kind) {
	case NODE_ANY: return n;
	case NODE_TEST: return simple_test(f, n);
	case NODE_NOT:
		n->kids[0] = simple(f, n->kids[0]);
		if (n->kids[0]->kind == NODE_NOT)
			return n->kids[0]->kids[0];
		if (!n->kids[0]->text)
			finish(n->kids[0]);
		return n;
	case NODE_AND:
	case NODE_OR: n = chain(f, n); break;
	}
	return n;
}

struct node *filter_normalise(struct filter *f, struct node *n)
{
	n = simple(f, n);
	if (!n->text)
		finish(n);
	return n;
}

uint64_t node_columns(const struct node *n)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < n->n_kids; i++)
		bits |= node_columns(n->kids[i]);
	if (n->kind != NODE_TEST)
		return bits;
	for (unsigned i = 0; i < n->word->n; i++)
		if (n->sides >> i & 1)
			bits |= UINT64_C(1) << n->word->field[i];
	if (n->word->how == HOW_IF)
		bits |= UINT64_C(1) << F_counts;
	if (n->word->how == HOW_IF && n->n_names)
		bits |= UINT64_C(1) << F_exporter;
	return bits;
}
