/* run.c - a filter over a block of flows.
 * SPDX-License-Identifier: ISC
 *
 * Every test gets the rows that still matter and gives back those that pass:
 * `and` hands the left side's rows to the right, `or` only what the left did
 * not take, and 64 rows at a time are skipped when none of them matters. What
 * needs the registry (exporters, interface names, networks, countries) asks it
 * once for each value that it meets; a small table on the stack remembers.
 */
#include <fnmatch.h>
#include <string.h>

#include "rules/filter/node.h"

struct run {
	const struct filter *f;
	const struct block *b;
	unsigned words; /* of bits, that have rows */
};

/* ---- remembered answers ---- */

enum { MEMO = 256 };

struct memo { /* 6.5 KiB */
	struct addr key[MEMO];
	uint16_t answer[MEMO];
	bool known[MEMO];
};

/* Place of an address; true when what lies there is its answer. */
static bool recall(struct memo *m, const struct addr *a, unsigned *at)
{
	uint64_t w[2];

	memcpy(w, a->b, sizeof(w));
	*at = (unsigned)((w[0] * 3 + w[1]) * UINT64_C(0x9e3779b97f4a7c15) >> 56) % MEMO;
	if (m->known[*at] && addr_eq(&m->key[*at], a))
		return true;
	m->known[*at] = true;
	m->key[*at] = *a;
	return false;
}

/* ---- tests by row, for the rows asked ---- */

typedef bool row_f(const struct run *r, const struct node *t, void *state, enum field f,
		   uint32_t row);

static void each_row(const struct run *r, const struct node *t, row_f *fn, void *state,
		     enum field f, const uint64_t *in, uint64_t *out)
{
	for (unsigned w = 0; w < r->words; w++) {
		uint64_t left = in[w], bits = 0;

		for (; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctzll(left);

			bits |= (uint64_t)fn(r, t, state, f, w * 64 + i) << i;
		}
		out[w] = bits;
	}
}

static bool row_search(const struct run *r, const struct node *t, void *state,
		       enum field f, uint32_t row)
{
	(void)state;
	return range_has(t->cells, t->n_cells, block_u64(r->b, f, row));
}

static bool row_addr(const struct run *r, const struct node *t, void *state, enum field f,
		     uint32_t row)
{
	(void)state;
	return addr_set_has(t, (const struct addr *)block_col(r->b, f) + row);
}

struct networks {
	struct memo memo;
	int number[64]; /* of the names; more of them are looked up each time */
	unsigned n;
};

static bool in_networks(const struct networks *s, const struct run *r,
			const struct node *t, int number)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->number[i] == number)
			return true;
	for (unsigned i = s->n; i < t->n_names; i++)
		if (names_network_find(r->b->names, t->names[i]) == number)
			return true;
	return false;
}

static bool row_network(const struct run *r, const struct node *t, void *state,
			enum field f, uint32_t row)
{
	const struct addr *a = (const struct addr *)block_col(r->b, f) + row;
	struct networks *s = state;
	unsigned at;
	int number;

	if (addr_is_none(a))
		return false;
	if (!recall(&s->memo, a, &at)) {
		number = names_network_of(r->b->names, a);
		s->memo.answer[at] = number >= 0 && in_networks(s, r, t, number);
	}
	return s->memo.answer[at];
}

static bool row_country(const struct run *r, const struct node *t, void *state,
			enum field f, uint32_t row)
{
	const struct addr *a = (const struct addr *)block_col(r->b, f) + row;
	struct memo *m = state;
	unsigned at;

	if (addr_is_none(a))
		return false;
	if (!recall(m, a, &at))
		m->answer[at] = range_has(t->ranges, t->n_ranges,
					  r->f->country(r->f->country_arg, a));
	return m->answer[at];
}

struct last_text {
	uint32_t at;
	bool known, passes;
};

/* Whole and without case; * and ? stand for anything, a url is found inside too. */
static bool text_passes(const struct node *t, const char *s)
{
	for (unsigned i = 0; i < t->n_names; i++) {
		if (t->word == &words[W_URL] && strcasestr(s, t->names[i]))
			return true;
		if (!fnmatch(t->names[i], s, FNM_CASEFOLD | FNM_NOESCAPE))
			return true;
	}
	return false;
}

static bool row_text(const struct run *r, const struct node *t, void *state, enum field f,
		     uint32_t row)
{
	uint32_t at = ((const uint32_t *)block_col(r->b, f))[row];
	struct last_text *last = state;

	if (!at)
		return false;
	if (!last->known || last->at != at)
		*last = (struct last_text){ at, true,
					    text_passes(t, block_text_at(r->b, at)) };
	return last->passes;
}

/* ---- exporters and interface names ---- */

enum { SEEN = 64 };

struct seen { /* exporters met in this block */
	uint32_t id[SEEN];
	bool known[SEEN];
	int64_t answer[SEEN];
};

static bool met(struct seen *s, uint32_t id, unsigned *at)
{
	*at = id % SEEN;
	if (s->known[*at] && s->id[*at] == id)
		return true;
	s->known[*at] = true;
	s->id[*at] = id;
	return false;
}

static bool exporter_passes(const struct run *r, const struct node *t, uint32_t id)
{
	const struct exporter *e = names_exporter_at(r->b->names, id);

	if (!e)
		return false;
	for (unsigned i = 0; i < t->n_names; i++)
		if (!strcmp(t->names[i], e->name))
			return true;
	return t->n_prefixes && addr_set_has(t, &e->addr);
}

static bool row_exporter(const struct run *r, const struct node *t, void *state,
			 enum field f, uint32_t row)
{
	uint32_t id = ((const uint32_t *)block_col(r->b, f))[row];
	struct seen *s = state;
	unsigned at;

	if (!met(s, id, &at))
		s->answer[at] = exporter_passes(r, t, id);
	return s->answer[at];
}

struct named_if {
	struct seen seen;
	const char *name;
};

static bool row_interface(const struct run *r, const struct node *t, void *state,
			  enum field f, uint32_t row)
{
	uint32_t id = ((const uint32_t *)block_col(r->b, F_exporter))[row];
	struct named_if *s = state;
	unsigned at;

	(void)t;
	if (!met(&s->seen, id, &at))
		s->seen.answer[at] = names_interface_find(r->b->names, id, s->name);
	return s->seen.answer[at] == ((const uint32_t *)block_col(r->b, f))[row];
}

/* ---- numbers of two or three columns ---- */

static void durations(const struct run *r, const struct node *t, const uint64_t *in,
		      uint64_t *out)
{
	for (unsigned w = 0; w < r->words; w++) {
		const int64_t *start = r->b->start_ms + 64 * w,
			      *end = r->b->end_ms + 64 * w;
		uint64_t ms[64];

		for (unsigned i = 0; i < 64; i++)
			ms[i] =
			    end[i] > start[i] ? (uint64_t)end[i] - (uint64_t)start[i] : 0;
		out[w] =
		    in[w] ? in[w] & cells_in(ms, sizeof(*ms), t->cells, t->n_cells) : 0;
	}
}

/* bits and packets in a second, bytes in a packet */
static void ratios(const struct run *r, const struct node *t, const uint64_t *in,
		   uint64_t *out)
{
	const struct block *b = r->b;
	enum how how = t->word->how;
	double per = how == HOW_BPS ? 8000 : how == HOW_PPS ? 1000 : 1;

	for (unsigned w = 0; w < r->words; w++) {
		const uint64_t *top = (how == HOW_PPS ? b->packets : b->bytes) + 64 * w;
		const int64_t *start = b->start_ms + 64 * w, *end = b->end_ms + 64 * w;
		double over[64], under[64];

		out[w] = 0;
		if (!in[w])
			continue;
		for (unsigned i = 0; i < 64; i++)
			over[i] = (double)top[i] * per;
		for (unsigned i = 0; how == HOW_BPP && i < 64; i++)
			under[i] = (double)b->packets[64 * w + i];
		for (unsigned i = 0; how != HOW_BPP && i < 64; i++)
			under[i] = (double)end[i] - (double)start[i];
		out[w] = in[w] & cells_ratio(over, under, t->ranges, t->n_ranges);
	}
}

/* ---- one column of one test ---- */

static bool is_zero(const uint64_t *bits, unsigned words)
{
	uint64_t any = 0;

	for (unsigned w = 0; w < words; w++)
		any |= bits[w];
	return !any;
}

static void constant(const struct run *r, bool pass, const uint64_t *in, uint64_t *out)
{
	for (unsigned w = 0; w < r->words; w++)
		out[w] = pass ? in[w] : 0;
}

static void cells(const struct run *r, const struct node *t, enum field f,
		  const uint64_t *in, uint64_t *out)
{
	const char *col = block_col(r->b, f);
	unsigned width = field_info[f].width;

	if (!block_uses(r->b, f)) {
		constant(r, range_has(t->cells, t->n_cells, 0), in, out);
		return;
	}
	if (!t->map && t->n_cells > FEW) {
		each_row(r, t, row_search, NULL, f, in, out);
		return;
	}
	for (unsigned w = 0; w < r->words; w++, col += 64 * width) {
		if (!in[w])
			out[w] = 0;
		else if (t->map)
			out[w] = in[w] & cells_mapped(col, width, t->map);
		else
			out[w] = in[w] & cells_in(col, width, t->cells, t->n_cells);
	}
}

static void flags(const struct run *r, const struct node *t, enum field f,
		  const uint64_t *in, uint64_t *out)
{
	const uint16_t *col = block_col(r->b, f);

	if (!t->all_bits)
		cells(r, t, f, in, out);
	else if (!block_uses(r->b, f))
		constant(r, !t->bits, in, out);
	else
		for (unsigned w = 0; w < r->words; w++)
			out[w] =
			    in[w] ? in[w] & cells_with_bits(col + 64 * w, t->bits) : 0;
}

static void addresses(const struct run *r, const struct node *t, enum field f,
		      const uint64_t *in, uint64_t *out)
{
	static const struct addr none;
	const struct addr *col = block_col(r->b, f);
	enum how how = t->word->how;

	if (!block_uses(r->b, f)) {
		constant(r, how == HOW_ADDR && addr_set_has(t, &none), in, out);
		return;
	}
	if (how == HOW_ADDR && !t->few) {
		each_row(r, t, row_addr, NULL, f, in, out);
		return;
	}
	for (unsigned w = 0; w < r->words; w++, col += 64) {
		if (!in[w])
			out[w] = 0;
		else if (how == HOW_INET)
			out[w] = in[w] & cells_inet(col);
		else if (how == HOW_INET6)
			out[w] = in[w] & cells_inet6(col);
		else
			out[w] = in[w] & cells_masked(col, t->few, t->n_few);
	}
}

static void networks(const struct run *r, const struct node *t, enum field f,
		     const uint64_t *in, uint64_t *out)
{
	struct networks s = { .n = 0 };
	bool any = t->n_names > sizeof(s.number) / sizeof(*s.number);

	if (!block_uses(r->b, f) || !r->b->names) {
		constant(r, false, in, out);
		return;
	}
	for (; s.n < t->n_names && s.n < sizeof(s.number) / sizeof(*s.number); s.n++) {
		s.number[s.n] = names_network_find(r->b->names, t->names[s.n]);
		any |= s.number[s.n] >= 0;
	}
	if (any)
		each_row(r, t, row_network, &s, f, in, out);
	else
		constant(r, false, in, out);
}

static void countries(const struct run *r, const struct node *t, enum field f,
		      const uint64_t *in, uint64_t *out)
{
	struct memo memo;

	if (!block_uses(r->b, f) || !r->f->country) {
		constant(r, false, in, out);
		return;
	}
	memset(memo.known, 0, sizeof(memo.known));
	each_row(r, t, row_country, &memo, f, in, out);
}

static void exporters(const struct run *r, const struct node *t, enum field f,
		      const uint64_t *in, uint64_t *out)
{
	struct seen seen = { .known = { false } };

	if (r->b->names)
		each_row(r, t, row_exporter, &seen, f, in, out);
	else
		constant(r, false, in, out);
}

/* D13: a flow is in of an interface only where it counts for that. A probe on a link says
 * one interface twice and its flow counts on one side; rows that were never settled
 * (decoded just now, imported) count on both. */
static void one_side(const struct run *r, enum field f, uint64_t *out)
{
	uint8_t bit = f == F_in_if ? COUNT_IN : COUNT_OUT;

	for (unsigned w = 0; w < r->words && block_uses(r->b, F_counts); w++) {
		const uint8_t *c = r->b->counts + (size_t)w * 64;
		uint64_t keep = 0;

		for (unsigned i = 0; i < 64; i++)
			keep |= (uint64_t)(!c[i] | ((c[i] & bit) != 0)) << i;
		out[w] &= keep;
	}
}

/* Numbers for all exporters, names for each of its own. */
static void interfaces(const struct run *r, const struct node *t, enum field f,
		       const uint64_t *in, uint64_t *out)
{
	uint64_t rest[FILTER_WORDS], part[FILTER_WORDS];

	cells(r, t, f, in, out);
	for (unsigned i = 0; block_uses(r->b, f) && r->b->names && i < t->n_names; i++) {
		struct named_if s = { .name = t->names[i] };

		for (unsigned w = 0; w < r->words; w++)
			rest[w] = in[w] & ~out[w];
		each_row(r, t, row_interface, &s, f, rest, part);
		for (unsigned w = 0; w < r->words; w++)
			out[w] |= part[w];
	}
	one_side(r, f, out);
}

static void texts(const struct run *r, const struct node *t, enum field f,
		  const uint64_t *in, uint64_t *out)
{
	struct last_text last = { 0 };

	if (block_uses(r->b, f))
		each_row(r, t, row_text, &last, f, in, out);
	else
		constant(r, false, in, out);
}

static void column(const struct run *r, const struct node *t, enum field f,
		   const uint64_t *in, uint64_t *out)
{
	switch (t->word->how) {
	case HOW_CELL: cells(r, t, f, in, out); break;
	case HOW_FLAGS: flags(r, t, f, in, out); break;
	case HOW_ADDR:
	case HOW_INET:
	case HOW_INET6: addresses(r, t, f, in, out); break;
	case HOW_EXPORTER: exporters(r, t, f, in, out); break;
	case HOW_IF: interfaces(r, t, f, in, out); break;
	case HOW_NETWORK: networks(r, t, f, in, out); break;
	case HOW_COUNTRY: countries(r, t, f, in, out); break;
	case HOW_TEXT: texts(r, t, f, in, out); break;
	case HOW_APP:
		if (f == F_app)
			cells(r, t, f, in, out);
		else
			texts(r, t, f, in, out);
		break;
	case HOW_DURATION: durations(r, t, in, out); break;
	case HOW_BPS:
	case HOW_PPS:
	case HOW_BPP: ratios(r, t, in, out); break;
	}
}

/* ---- the tree ---- */

static bool is_one_number(enum how h)
{
	return h == HOW_DURATION || h == HOW_BPS || h == HOW_PPS || h == HOW_BPP;
}

static void test(const struct run *r, const struct node *t, const uint64_t *in,
		 uint64_t *out)
{
	uint64_t rest[FILTER_WORDS], part[FILTER_WORDS];
	bool first = true;

	for (unsigned i = 0; i < t->word->n; i++) {
		if (!(t->sides >> i & 1))
			continue;
		if (first) {
			column(r, t, t->word->field[i], in, out);
			first = false;
			if (is_one_number(t->word->how))
				return;
			continue;
		}
		for (unsigned w = 0; w < r->words; w++)
			rest[w] = t->both ? out[w] : in[w] & ~out[w];
		if (is_zero(rest, r->words))
			return;
		column(r, t, t->word->field[i], rest, part);
		for (unsigned w = 0; w < r->words; w++)
			out[w] = t->both ? part[w] : out[w] | part[w];
	}
}

/* Rows of in that pass; in and out are different. At most 2 * FILTER_DEPTH deep. */
static void eval(const struct run *r, const struct node *n, const uint64_t *in,
		 uint64_t *out)
{
	uint64_t rest[FILTER_WORDS], part[FILTER_WORDS];

	switch (n->kind) {
	case NODE_ANY: constant(r, true, in, out); break;
	case NODE_TEST: test(r, n, in, out); break;
	case NODE_NOT:
		eval(r, n->kids[0], in, out);
		for (unsigned w = 0; w < r->words; w++)
			out[w] = in[w] & ~out[w];
		break;
	case NODE_AND:
		constant(r, true, in, rest);
		for (unsigned i = 0; i < n->n_kids; i++) {
			eval(r, n->kids[i], rest, out);
			if (is_zero(out, r->words))
				return;
			memcpy(rest, out, r->words * sizeof(*rest));
		}
		break;
	case NODE_OR:
		constant(r, false, in, out);
		constant(r, true, in, rest);
		for (unsigned i = 0; i < n->n_kids && !is_zero(rest, r->words); i++) {
			eval(r, n->kids[i], rest, part);
			for (unsigned w = 0; w < r->words; w++) {
				out[w] |= part[w];
				rest[w] &= ~part[w];
			}
		}
		break;
	}
}

uint32_t filter_run(const struct filter *f, const struct block *b,
		    uint64_t bits[static FILTER_WORDS])
{
	struct run r = { f, b, (b->n + 63) / 64 };
	uint64_t in[FILTER_WORDS];
	uint32_t count = 0;

	memset(bits, 0, FILTER_WORDS * sizeof(*bits));
	for (unsigned w = 0; w < r.words; w++)
		in[w] = UINT64_MAX;
	if (b->n % 64)
		in[r.words - 1] >>= 64 - b->n % 64;
	if (filter_is_all(f))
		memcpy(bits, in, r.words * sizeof(*bits));
	else
		eval(&r, f->root, in, bits);
	for (unsigned w = 0; w < r.words; w++)
		count += (uint32_t)__builtin_popcountll(bits[w]);
	return count;
}
