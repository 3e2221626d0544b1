/* may.c - can any flow of a block that was not read pass?
 * SPDX-License-Identifier: ISC
 *
 * Each part of the filter is judged "may be true of some row" and "may be
 * false of some row" apart: so `not` is a swap, and the answer is never a
 * wrong no. What nothing is known of may be both.
 */
#include "rules/filter/node.h"

struct may {
	bool be_true, be_false;
};

struct known {
	filter_range_f *range;
	filter_addr_f *addr;
	void *arg;
};

static const struct may both = { true, true };

static struct may may_cells(const struct known *k, const struct node *t, enum field f)
{
	struct may m = { false, true };
	uint64_t lo, hi;

	if (!k->range || !k->range(k->arg, f, &lo, &hi))
		return both;
	for (unsigned i = 0; i < t->n_cells; i++) {
		if (t->cells[i].lo <= hi && lo <= t->cells[i].hi)
			m.be_true = true;
		if (t->cells[i].lo <= lo && hi <= t->cells[i].hi)
			m.be_false = false;
	}
	return m;
}

static struct may may_flags(const struct known *k, const struct node *t, enum field f)
{
	uint64_t lo, hi;

	if (!t->all_bits)
		return may_cells(k, t, f);
	if (!k->range || !k->range(k->arg, f, &lo, &hi))
		return both;
	if (lo == hi)
		return (struct may){ (lo & t->bits) == t->bits,
				     (lo & t->bits) != t->bits };
	return (struct may){ hi >= t->bits, true };
}

static struct may may_addr(const struct known *k, const struct node *t, enum field f)
{
	static const struct prefix four = { { { [10] = 0xff, [11] = 0xff } }, 96 };
	struct may m = { false, true };

	if (!k->addr || t->word->how == HOW_INET6)
		return both;
	if (t->word->how == HOW_INET)
		m.be_true = k->addr(k->arg, f, &four);
	for (unsigned i = 0; i < t->n_prefixes && !m.be_true; i++)
		m.be_true = k->addr(k->arg, f, &t->prefixes[i]);
	return m;
}

/* Shortest and longest duration; false when not known. */
static bool durations(const struct known *k, int64_t *shortest, int64_t *longest)
{
	uint64_t start[2], end[2];

	if (!k->range || !k->range(k->arg, F_start_ms, &start[0], &start[1]) ||
	    !k->range(k->arg, F_end_ms, &end[0], &end[1]))
		return false;
	/* Times before 1970 are large here: then the order tells nothing. */
	if (start[1] > INT64_MAX || end[1] > INT64_MAX)
		return false;
	*shortest = (int64_t)end[0] - (int64_t)start[1];
	*longest = (int64_t)end[1] - (int64_t)start[0];
	*shortest = *shortest < 0 ? 0 : *shortest;
	*longest = *longest < 0 ? 0 : *longest;
	return true;
}

static struct may may_duration(const struct known *k, const struct node *t)
{
	struct may m = { false, true };
	int64_t lo, hi;

	if (!durations(k, &lo, &hi))
		return both;
	for (unsigned i = 0; i < t->n_cells; i++) {
		m.be_true |=
		    t->cells[i].lo <= (uint64_t)hi && (uint64_t)lo <= t->cells[i].hi;
		m.be_false &=
		    !(t->cells[i].lo <= (uint64_t)lo && (uint64_t)hi <= t->cells[i].hi);
	}
	return m;
}

/* A rate has an upper bound: all its bytes in the shortest time. */
static struct may may_rate(const struct known *k, const struct node *t)
{
	uint64_t lo, hi, per = t->word->how == HOW_BPS ? 8000 : 1000;
	int64_t shortest, longest;

	if (t->word->how == HOW_BPP || !durations(k, &shortest, &longest) ||
	    !k->range(k->arg, t->word->field[0], &lo, &hi))
		return both;
	/* One more for the rounding of doubles. */
	return (struct may){ (double)hi * (double)per /
					 (double)(shortest ? shortest : 1) * 1.000001 +
				     1 >=
				 (double)t->ranges[0].lo,
			     true };
}

static struct may may_column(const struct known *k, const struct node *t, enum field f)
{
	struct may m;

	switch (t->word->how) {
	case HOW_CELL: return may_cells(k, t, f);
	case HOW_FLAGS: return may_flags(k, t, f);
	case HOW_ADDR:
	case HOW_INET:
	case HOW_INET6: return may_addr(k, t, f);
	case HOW_DURATION: return may_duration(k, t);
	case HOW_BPS:
	case HOW_PPS:
	case HOW_BPP: return may_rate(k, t);
	case HOW_IF: return t->n_names ? both : may_cells(k, t, f);
	case HOW_APP:
		if (f == F_app)
			return may_cells(k, t, f);
		m = (struct may){ t->n_names, true };
		return m;
	case HOW_EXPORTER:
	case HOW_NETWORK:
	case HOW_COUNTRY:
	case HOW_TEXT: break;
	}
	return both;
}

/* One of the columns, or all of them. */
static struct may may_test(const struct known *k, const struct node *t)
{
	struct may m = { t->both, !t->both };

	for (unsigned i = 0; i < t->word->n; i++) {
		struct may c;

		if (!(t->sides >> i & 1))
			continue;
		c = may_column(k, t, t->word->field[i]);
		if (t->both) {
			m.be_true &= c.be_true;
			m.be_false |= c.be_false;
		} else {
			m.be_true |= c.be_true;
			m.be_false &= c.be_false;
		}
	}
	return m;
}

static struct may may(const struct known *k, const struct node *n)
{
	struct may m, kid;

	switch (n->kind) {
	case NODE_ANY: return (struct may){ true, false };
	case NODE_TEST: return may_test(k, n);
	case NODE_NOT:
		m = may(k, n->kids[0]);
		return (struct may){ m.be_false, m.be_true };
	case NODE_AND:
		m = (struct may){ true, false };
		for (unsigned i = 0; i < n->n_kids; i++) {
			kid = may(k, n->kids[i]);
			m.be_true &= kid.be_true;
			m.be_false |= kid.be_false;
		}
		return m;
	case NODE_OR:
		m = (struct may){ false, true };
		for (unsigned i = 0; i < n->n_kids; i++) {
			kid = may(k, n->kids[i]);
			m.be_true |= kid.be_true;
			m.be_false &= kid.be_false;
		}
		return m;
	}
	return both;
}

bool filter_may_match(const struct filter *f, filter_range_f *range, filter_addr_f *addr,
		      void *arg)
{
	struct known k = { range, addr, arg };

	return filter_is_all(f) || may(&k, f->root).be_true;
}
