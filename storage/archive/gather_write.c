/* gather_write.c - gathered rows become a FLOWS frame.
 * SPDX-License-Identifier: ISC
 *
 * What most columns are is known beforehand, but not relied upon. A column
 * that never changes costs a few octets. AS numbers, masks, next hops and
 * often interfaces depend on the address beside them (FUNC): then one number for
 * each address of the dictionary is enough. Times lie close to each other:
 * start = end - duration, end = received - delay, or a step from the row
 * before, whichever a sample of every eighth frame finds smallest: exporters seldom
 * change their habits. All differences are taken modulo 2^64, so absurd values survive
 * as well.
 */
#include "storage/archive/gather_impl.h"

#include <assert.h>

enum { TRIAL = 2048, STRIDE = 1024, FORM_FRAMES = 8 };
static const uint32_t NO_ROW = UINT32_MAX;

/* The address column that a column usually follows. */
static const struct {
	enum field column, parent;
} follows[] = {
	{ F_src_as, F_src },   { F_src_mask, F_src },	  { F_in_if, F_src },
	{ F_src_mac, F_src },  { F_nat_src, F_src },	  { F_vlan, F_src },
	{ F_dst_as, F_dst },   { F_dst_mask, F_dst },	  { F_out_if, F_dst },
	{ F_dst_mac, F_dst },  { F_nat_dst, F_dst },	  { F_out_vlan, F_dst },
	{ F_next_hop, F_dst }, { F_bgp_next_hop, F_dst }, { F_in_if, F_dst },
	{ F_out_if, F_src },
};

/* What queries read together lies together. */
static const enum field first[] = { F_src,	   F_dst,      F_bytes,	   F_packets,
				    F_flows,	   F_counts,   F_start_ms, F_end_ms,
				    F_received_ms, F_src_port, F_dst_port, F_proto };

struct section {
	struct out *head, *body;
	size_t began;
};

static struct section section_begin(struct out *head, struct out *body, unsigned id,
				    enum column_form form)
{
	out_u8(head, (uint8_t)id);
	out_u8(head, (uint8_t)form);
	return (struct section){ head, body, body->len };
}

static void section_end(const struct section *s)
{
	size_t len = s->body->len - s->began;

	out_u32(s->head, (uint32_t)len);
	out_u32(s->head, body_sum(s->body->p + s->began, len));
}

/* Least and greatest of n > 0 numbers. */
#define RANGE_OF(type)                                                                   \
	FAST_LOOPS static void range_of_##type(const type *v, size_t n, uint64_t *min,   \
					       uint64_t *max)                            \
	{                                                                                \
		type lo = v[0], hi = v[0];                                               \
                                                                                         \
		for (size_t i = 0; i < n; i++) {                                         \
			lo = v[i] < lo ? v[i] : lo;                                      \
			hi = v[i] > hi ? v[i] : hi;                                      \
		}                                                                        \
		*min = (uint64_t)lo;                                                     \
		*max = (uint64_t)hi;                                                     \
	}
RANGE_OF(uint8_t)
RANGE_OF(uint16_t)
RANGE_OF(uint32_t)
RANGE_OF(uint64_t)
RANGE_OF(int64_t)

static void range_of(const uint8_t *col, unsigned width, size_t n, uint64_t *min,
		     uint64_t *max)
{
	switch (width) {
	case 1: range_of_uint8_t(col, n, min, max); break;
	case 2: range_of_uint16_t((const uint16_t *)col, n, min, max); break;
	case 4: range_of_uint32_t((const uint32_t *)col, n, min, max); break;
	default: range_of_uint64_t((const uint64_t *)col, n, min, max);
	}
}

/* The same for differences, which have a sign; *most: the greatest less the least. */
static bool step_of(const uint64_t *v, size_t n, int64_t *step, uint64_t *most)
{
	uint64_t lo, hi;

	range_of_int64_t((const int64_t *)v, n, &lo, &hi);
	*step = (int64_t)lo;
	*most = hi - lo;
	return *most <= UINT32_MAX;
}

/* The low halves of a column's numbers less min. */
FAST_LOOPS static void less(const uint8_t *col, unsigned width, size_t n, uint64_t min,
			    uint32_t *out)
{
	uint32_t least = (uint32_t)min;

	switch (width) {
	case 1:
		for (size_t i = 0; i < n; i++)
			out[i] = col[i] - least;
		break;
	case 2:
		for (size_t i = 0; i < n; i++)
			out[i] = ((const uint16_t *)col)[i] - least;
		break;
	case 4:
		for (size_t i = 0; i < n; i++)
			out[i] = ((const uint32_t *)col)[i] - least;
		break;
	default:
		for (size_t i = 0; i < n; i++)
			out[i] = (uint32_t)((const uint64_t *)col)[i] - least;
	}
}

static void less64(const uint64_t *v, size_t n, uint64_t min, uint32_t *out)
{
	less((const uint8_t *)v, sizeof(*v), n, min, out);
}

static void write_numbers(struct gather *g, struct out *o, const uint8_t *col,
			  unsigned width, size_t n, uint64_t min, uint64_t max)
{
	bool wide = max - min > UINT32_MAX;
	const uint64_t *v = (const uint64_t *)col;

	less(col, width, n, min, g->narrow);
	ints_write_upto(g->packer, o, g->narrow, n,
			wide ? UINT32_MAX : (uint32_t)(max - min));
	if (!wide)
		return;
	for (size_t i = 0; i < n; i++)
		g->narrow[i] = (uint32_t)((v[i] - min) >> 32);
	ints_write_upto(g->packer, o, g->narrow, n, (uint32_t)((max - min) >> 32));
}

/* A row for each address of the dictionary that column p has, NO_ROW for the others. */
static const uint32_t *rows_of(struct gather *g, int p)
{
	const uint32_t *codes = g->codes[p];

	if (!g->row_of[p])
		g->row_of[p] = xcalloc(PART_ROWS, sizeof(**g->row_of));
	if (!(g->has_rows >> p & 1)) {
		memset(g->row_of[p], 0xff, addrs_count(g->addrs) * sizeof(**g->row_of));
		for (uint32_t r = 0; r < g->n; r++)
			g->row_of[p][codes[r]] = r;
	}
	g->has_rows |= UINT64_C(1) << p;
	return g->row_of[p];
}

/* One value for each address of the dictionary, when v follows the codes: that of its
 * row, or min where there is none. That all rows have it is looked at without branches.
 */
#define FOLLOW(type)                                                                     \
	static bool follow_##type(const type *v, const uint32_t *codes, uint32_t n,      \
				  const uint32_t *row_of, size_t n_addrs, type min,      \
				  type *out)                                             \
	{                                                                                \
		for (size_t i = 0; i < n_addrs; i++)                                     \
			out[i] = row_of[i] == NO_ROW ? min : v[row_of[i]];               \
		for (uint32_t r = 0; r < n;) {                                           \
			uint32_t end = n - r < STRIDE ? n : r + STRIDE;                  \
			type differ = 0;                                                 \
                                                                                         \
			for (; r < end; r++)                                             \
				differ |= (type)(out[codes[r]] ^ v[r]);                  \
			if (differ)                                                      \
				return false;                                            \
		}                                                                        \
		return true;                                                             \
	}
FOLLOW(uint8_t)
FOLLOW(uint16_t)
FOLLOW(uint32_t)
FOLLOW(uint64_t)

/* Whether the column follows parent p; then its values are in g->wide2, as wide as it. */
static bool follow(struct gather *g, int p, const uint8_t *col, unsigned width,
		   uint64_t min)
{
	const uint32_t *codes = g->codes[p], *row_of = rows_of(g, p);
	size_t n = addrs_count(g->addrs);
	void *out = g->wide2;

	switch (width) {
	case 1: return follow_uint8_t(col, codes, g->n, row_of, n, (uint8_t)min, out);
	case 2:
		return follow_uint16_t((const uint16_t *)col, codes, g->n, row_of, n,
				       (uint16_t)min, out);
	case 4:
		return follow_uint32_t((const uint32_t *)col, codes, g->n, row_of, n,
				       (uint32_t)min, out);
	default:
		return follow_uint64_t((const uint64_t *)col, codes, g->n, row_of, n, min,
				       out);
	}
}

/* The column's parent by which it can be told, its values then in g->wide2; or -1. */
static int find_parent(struct gather *g, int f, const uint8_t *col, unsigned width,
		       uint64_t min)
{
	for (size_t i = 0; i < ARRAY_LEN(follows); i++) {
		int p = (int)follows[i].parent;

		if ((int)follows[i].column == f && g->coded >> p & 1 &&
		    addrs_count(g->addrs) < g->n && follow(g, p, col, width, min))
			return p;
	}
	return -1;
}

static void write_range(struct out *head, uint64_t min, uint64_t max)
{
	out_varint(head, min);
	out_varint(head, max - min);
}

static const enum field other_of[] = {
	[F_start_ms] = F_end_ms, [F_end_ms] = F_received_ms
};

/* What forms DELTA and MINUS keep of rows from .. from + n of a time column, into out. */
static void differences(const struct gather *g, int f, enum column_form form,
			uint32_t from, uint32_t n, uint64_t *out)
{
	const uint64_t *v = (const uint64_t *)g->col[f] + from, *w;

	if (form == FORM_MINUS) {
		w = (const uint64_t *)g->col[other_of[f]] + from;
		for (uint32_t i = 0; i < n; i++)
			out[i] = w[i] - v[i];
		return;
	}
	for (uint32_t i = 1; i < n; i++)
		out[i] = v[i] - v[i - 1];
	out[0] =
	    n > 1 ? out[1] : 0; /* the first row's step is made up: base allows for it */
}

/* The form that is smallest for some rows in the middle. */
static enum column_form time_form(struct gather *g, int f, uint64_t min, uint64_t max)
{
	uint32_t n = g->n < TRIAL ? g->n : TRIAL, from = (g->n - n) / 2;
	bool has_other = f != F_received_ms && g->used >> other_of[f] & 1;
	enum column_form best = FORM_INTS;
	double least = 8.0 * n, cost;
	uint64_t most;
	int64_t step;

	if (max - min <= UINT32_MAX) {
		less64((const uint64_t *)g->col[f] + from, n, min, g->narrow);
		least = ints_estimate(g->packer, g->narrow, n);
	}
	for (int form = FORM_DELTA; form <= (has_other ? FORM_MINUS : FORM_DELTA);
	     form++) {
		differences(g, f, (enum column_form)form, from, n, g->wide2);
		if (!step_of(g->wide2, n, &step, &most))
			continue;
		less64(g->wide2, n, (uint64_t)step, g->narrow);
		cost = ints_estimate(g->packer, g->narrow, n);
		if (cost < least * 0.98) {
			least = cost;
			best = (enum column_form)form;
		}
	}
	return best;
}

static void write_time(struct gather *g, int f, struct out *head, struct out *body,
		       uint64_t min, uint64_t max)
{
	const uint64_t *v = (const uint64_t *)g->col[f];
	enum column_form form;
	struct section s;
	uint64_t most = 0;
	int64_t step = 0;

	if (!g->form_age || !g->form[f])
		g->form[f] = (uint8_t)time_form(g, f, min, max);
	form = (enum column_form)g->form[f];
	if (form != FORM_INTS) {
		differences(g, f, form, 0, g->n, g->wide2);
		if (!step_of(g->wide2, g->n, &step, &most))
			form = FORM_INTS;
	}
	s = section_begin(head, body, (unsigned)f, form);
	write_range(head, min, max);
	if (form == FORM_DELTA)
		out_u64(body, v[0] - g->wide2[0]);
	if (form == FORM_MINUS)
		out_u8(body, (uint8_t)other_of[f]);
	if (form == FORM_INTS) {
		write_numbers(g, body, g->col[f], sizeof(*v), g->n, min, max);
	} else {
		out_u64(body, (uint64_t)step);
		less64(g->wide2, g->n, (uint64_t)step, g->narrow);
		ints_write_upto(g->packer, body, g->narrow, g->n, (uint32_t)most);
	}
	section_end(&s);
}

static bool is_const(const struct gather *g, int f)
{
	size_t width = field_info[f].width;

	return !memcmp(g->col[f], g->col[f] + width, (g->n - 1) * width);
}

static void write_number_column(struct gather *g, int f, struct out *head,
				struct out *body)
{
	unsigned width = field_info[f].width;
	uint64_t min, max;
	struct section s;
	int parent;

	range_of(g->col[f], width, g->n, &min, &max);
	if (min == max) {
		section_begin(head, body, (unsigned)f, FORM_CONST);
		write_range(head, min, min);
		return;
	}
	if (field_info[f].kind == KIND_TIME) {
		write_time(g, f, head, body, min, max);
		return;
	}
	parent = find_parent(g, f, g->col[f], width, min);
	s = section_begin(head, body, (unsigned)f, parent < 0 ? FORM_INTS : FORM_FUNC);
	write_range(head, min, max);
	if (parent >= 0)
		out_u8(body, (uint8_t)parent);
	if (parent < 0)
		write_numbers(g, body, g->col[f], width, g->n, min, max);
	else
		write_numbers(g, body, (const uint8_t *)g->wide2, width,
			      addrs_count(g->addrs), min, max);
	section_end(&s);
}

static void write_addr_range(struct gather *g, int f, struct out *head)
{
	const struct addr *v = (const struct addr *)g->col[f], *lo = v, *hi = v;
	const struct addr *list = addrs_list(g->addrs);
	const uint32_t *codes = g->codes[f];

	if (g->coded >> f & 1) { /* the list is sorted */
		uint64_t least, most;

		range_of_uint32_t(codes, g->n, &least, &most);
		lo = &list[least];
		hi = &list[most];
	} else {
		for (uint32_t i = 1; i < g->n; i++) {
			lo = memcmp(&v[i], lo, sizeof(*v)) < 0 ? &v[i] : lo;
			hi = memcmp(&v[i], hi, sizeof(*v)) > 0 ? &v[i] : hi;
		}
	}
	out_bytes(head, lo, sizeof(*lo));
	out_bytes(head, hi, sizeof(*hi));
}

static void write_addr_column(struct gather *g, int f, struct out *head, struct out *body)
{
	bool coded = g->coded >> f & 1;
	struct section s;
	int parent = -1;

	if (is_const(g, f)) {
		section_begin(head, body, (unsigned)f, FORM_CONST);
		out_bytes(head, g->col[f], sizeof(struct addr));
		out_bytes(head, g->col[f], sizeof(struct addr));
		return;
	}
	if (coded && f != F_src && f != F_dst) {
		parent = find_parent(g, f, (const uint8_t *)g->codes[f],
				     sizeof(**g->codes), 0);
	}
	s = section_begin(head, body, (unsigned)f,
			  parent >= 0 ? FORM_DFUNC
			  : coded     ? FORM_DICT
				      : FORM_PLANES);
	write_addr_range(g, f, head);
	if (parent >= 0) {
		out_u8(body, (uint8_t)parent);
		write_numbers(g, body, (const uint8_t *)g->wide2, sizeof(**g->codes),
			      addrs_count(g->addrs), 0, addrs_count(g->addrs));
	} else if (coded) {
		ints_write_fast(g->packer, body, g->codes[f], g->n);
	} else {
		addrs_write(g->packer, body, (const struct addr *)g->col[f], g->n);
	}
	section_end(&s);
}

/* Gives every address column its codes, where a dictionary pays. */
static void make_codes(struct gather *g)
{
	addrs_clear(g->addrs);
	g->has_rows = 0;
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (field_info[f].kind != KIND_ADDR || !(g->used >> f & 1) ||
		    is_const(g, f))
			continue;
		if (!g->codes[f])
			g->codes[f] = xcalloc(PART_ROWS, sizeof(**g->codes));
		if (addrs_add(g->addrs, (const struct addr *)g->col[f], g->n,
			      g->codes[f]))
			g->coded |= UINT64_C(1) << f;
	}
	addrs_sort(g->addrs, g->map);
	for (int f = 0; f < FIELD_COUNT; f++)
		if (g->coded >> f & 1)
			for (uint32_t i = 0; i < g->n; i++)
				g->codes[f][i] = g->map[g->codes[f][i]];
}

static void write_addrs(struct gather *g, struct out *head, struct out *body)
{
	struct section s = section_begin(head, body, SECTION_ADDRS, FORM_PLANES);

	out_varint(head, addrs_count(g->addrs));
	addrs_write(g->packer, body, addrs_list(g->addrs), addrs_count(g->addrs));
	section_end(&s);
}

static void write_texts(struct gather *g, struct out *head, struct out *body)
{
	struct section s = section_begin(head, body, SECTION_TEXTS, FORM_PLANES);

	out_varint(head, g->texts);
	out_varint(head, g->text_len);
	text_write(g->packer, body, g->text, g->text_len);
	section_end(&s);
}

static void least_and_most(const struct gather *g, enum field f, int64_t out[2])
{
	uint64_t lo = 0, hi = 0;

	if (g->used >> f & 1)
		range_of_int64_t((const int64_t *)g->col[f], g->n, &lo, &hi);
	out[0] = (int64_t)lo;
	out[1] = (int64_t)hi;
}

FAST_LOOPS static uint64_t sum_u64(const uint64_t *v, size_t n, uint64_t *all)
{
	uint64_t sum = 0, bits = 0;

	for (size_t i = 0; i < n; i++) {
		sum += v[i];
		bits |= v[i];
	}
	*all = bits;
	return sum;
}

/* Of a column; UINT64_MAX when it is more. */
static uint64_t sum_of(const struct gather *g, enum field f)
{
	const uint64_t *v = (const uint64_t *)g->col[f];
	uint64_t sum, all;

	if (!(g->used >> f & 1))
		return 0;
	sum = sum_u64(v, g->n, &all);
	if (all < UINT64_MAX / PART_ROWS)
		return sum;
	sum = 0;
	for (uint32_t i = 0; i < g->n; i++)
		if (__builtin_add_overflow(sum, v[i], &sum))
			return UINT64_MAX;
	return sum;
}

static void sum_up(const struct gather *g, struct totals *t)
{
	const uint32_t *flows = (const uint32_t *)g->col[F_flows];
	int64_t start[2], end[2];

	least_and_most(g, F_start_ms, start);
	least_and_most(g, F_end_ms, end);
	least_and_most(g, F_received_ms, t->received_ms);
	t->start_ms = start[0];
	t->end_ms = end[1];
	t->rows = t->flows = g->n;
	t->bytes = sum_of(g, F_bytes);
	t->packets = sum_of(g, F_packets);
	for (uint32_t i = 0; g->used >> F_flows & 1 && i < g->n; i++)
		t->flows += flows[i] ? flows[i] - 1 : 0;
}

static void write_column(struct gather *g, int f, struct out *head, struct out *body)
{
	if (field_info[f].kind == KIND_ADDR)
		write_addr_column(g, f, head, body);
	else
		write_number_column(g, f, head, body);
}

void gather_write(struct gather *g, int64_t names_ordinal, struct out *head,
		  struct out *body, struct totals *totals)
{
	uint64_t left = g->used;
	unsigned sections = (unsigned)__builtin_popcountll(left);

	assert(g->n);
	if (++g->form_age >= FORM_FRAMES || g->used != g->form_used)
		g->form_age = 0;
	g->form_used = g->used;
	sum_up(g, totals);
	totals_write(head, totals);
	out_u32(head, (uint32_t)names_ordinal);
	make_codes(g);
	sections += (addrs_count(g->addrs) != 0) + (g->texts != 0);
	out_u8(head, (uint8_t)sections);
	if (addrs_count(g->addrs))
		write_addrs(g, head, body);
	if (g->texts)
		write_texts(g, head, body);
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		if (left >> first[i] & 1)
			write_column(g, (int)first[i], head, body);
		left &= ~(UINT64_C(1) << first[i]);
	}
	for (int f = 0; f < FIELD_COUNT; f++)
		if (left >> f & 1)
			write_column(g, f, head, body);
}

void columns_write(struct out *o)
{
	out_u8(o, FIELD_COUNT);
	for (int f = 0; f < FIELD_COUNT; f++) {
		out_u8(o, (uint8_t)field_info[f].kind);
		out_text(o, field_info[f].name);
	}
}
