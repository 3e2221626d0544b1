/* top_count.c - a top list's counting, part by part.
 * SPDX-License-Identifier: ISC
 *
 * Four ways, from slow to fast: row by row into the worker's table (top_batch.c); what
 * has few values by its own number into an array; over the numbers of the part's
 * address dictionary into another; and over those with bytes and packets as they lie in
 * the file, their minima added at the end.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/mem.h"

#include <string.h>

/* ---- counting by number ---- */

struct coded {
	const uint32_t *src, *dst; /* either may be NULL */
	const struct addr *list;
	uint32_t n;
	/* Every flow counts wholly and as one: then bytes and packets are counted as they
	 * lie in the file (part_ints), and the minima added at the end. */
	bool plain;
	const uint32_t *bytes, *packets;
	uint64_t bytes_min, packets_min;
};

/* Whether the part's dictionary can be counted over. */
static bool get_codes(const struct top *t, struct part *p, struct coded *c, bool *damaged)
{
	const struct top_key *k = &t->shape.key[0];
	bool src, dst, bad[2] = { false, false };

	*damaged = false;
	if (t->shape.n != 1)
		return false;
	src = k->is_field ? k->field == F_src : k->by == BY_SRC || k->by == BY_HOST;
	dst = k->is_field ? k->field == F_dst : k->by == BY_DST || k->by == BY_HOST;
	*c = (struct coded){ 0 };
	if (src)
		c->src = part_codes(p, F_src, &c->list, &c->n, &bad[0]);
	if (dst)
		c->dst = part_codes(p, F_dst, &c->list, &c->n, &bad[1]);
	*damaged = bad[0] || bad[1];
	return (src || dst) && (!src || c->src) && (!dst || c->dst);
}

static inline void count_code(struct top_cell *cell, const struct sums *s)
{
	cell->sums.bytes += s->bytes;
	cell->sums.packets += s->packets;
	cell->sums.flows += s->flows;
	cell->rows++;
}

static inline void count_codes(struct top_worker *w, const struct coded *c, uint32_t row,
			       const struct sums *s)
{
	if (c->src)
		count_code(&w->acc[c->src[row]], s);
	if (c->dst && (!c->src || c->src[row] != c->dst[row]))
		count_code(&w->acc[c->dst[row]], s);
}

static inline void count_plain_row(struct top_worker *w, const struct coded *c,
				   uint32_t row)
{
	struct sums s = { c->bytes ? c->bytes[row] : 0, c->packets ? c->packets[row] : 0,
			  0 };

	w->total.bytes += s.bytes;
	w->total.packets += s.packets;
	count_codes(w, c, row, &s);
}

static void count_plain(struct top_worker *w, const struct coded *c, uint32_t at,
			uint32_t n, const uint64_t *bits)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i * 64 < n; i++) {
		rows += (uint64_t)__builtin_popcountll(bits[i]);
		if (bits[i] == UINT64_MAX) {
			for (uint32_t r = at + i * 64; r < at + i * 64 + 64; r++)
				count_plain_row(w, c, r);
			continue;
		}
		for (uint64_t left = bits[i]; left; left &= left - 1)
			count_plain_row(w, c,
					at + i * 64 + (uint32_t)__builtin_ctzll(left));
	}
	w->total.bytes += rows * c->bytes_min;
	w->total.packets += rows * c->packets_min;
	w->total.flows += rows;
}

/* What count_plain() has left out. */
static void add_minima(struct top_worker *w, const struct coded *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct top_cell *cell = &w->acc[i];

		cell->sums.bytes += cell->rows * c->bytes_min;
		cell->sums.packets += cell->rows * c->packets_min;
		cell->sums.flows += cell->rows;
	}
}

static void count_coded(struct top *t, struct top_worker *w, const struct coded *c,
			uint32_t at, const struct block *b, const uint64_t *bits,
			bool inside)
{
	for (uint32_t i = 0; i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			struct sums s = top_row_sums(t, b, r, inside);

			sums_add(&w->total, &s);
			count_codes(w, c, at + r, &s);
		}
}

/* The place of an address in the table. Both lists are sorted and mostly the same, so
 * a finger in the last one saves most look-ups. */
static struct sums *place(struct top_worker *w, const struct addr *a, uint32_t *finger)
{
	struct top_lately *l = &w->lately;

	if (l->tab != w->map.tab)
		return NULL;
	while (*finger < l->n && memcmp(&l->list[*finger], a, sizeof(*a)) < 0)
		++*finger;
	return *finger < l->n && addr_eq(&l->list[*finger], a) ? l->at[*finger] : NULL;
}

static void pour_codes(struct top *t, struct top_worker *w, const struct coded *c)
{
	struct top_lately *l = &w->lately;
	struct addr *list = l->next_list;
	struct sums **at = l->next_at;
	const void *tab = w->map.tab;
	uint32_t finger = 0;

	if (c->plain)
		add_minima(w, c);
	for (uint32_t i = 0; i < c->n; i++) {
		struct top_cell *cell = &w->acc[i];

		at[i] = NULL;
		if (!cell->rows)
			continue;
		at[i] = place(w, &c->list[i], &finger);
		if (at[i])
			sums_add(at[i], &cell->sums);
		else
			at[i] = top_put(t, w, &c->list[i],
					map_hash(&c->list[i], sizeof(*c->list)), &cell->sums);
		*cell = (struct top_cell){ 0 };
	}
	memcpy(list, c->list, c->n * sizeof(*list));
	l->next_list = l->list;
	l->next_at = l->at;
	l->list = list;
	l->at = at;
	l->n = tab == w->map.tab ? c->n : 0;
	l->tab = w->map.tab;
}

/* ---- small numbers: ports, protocols ---- */

/* The column of a key that has 65,536 values at most; -1: it has more. */
static int small_column(const struct top *t)
{
	const struct top_key *k = &t->shape.key[0];

	if (t->shape.n != 1 || k->country || t->q->among)
		return -1;
	if (k->is_field)
		return field_info[k->field].width <= 2 ? (int)k->field : -1;
	return k->by == BY_SRC_PORT	? F_src_port
	       : k->by == BY_DST_PORT ? F_dst_port
	       : k->by == BY_PROTO    ? F_proto
	       : k->by == BY_VLAN     ? F_vlan
				      : -1;
}

static void count_numbers(struct top *t, struct top_worker *w, int f, const struct block *b,
			  const uint64_t *bits, bool inside)
{
	const uint8_t *small = block_cell(b, (enum field)f, 0);
	const uint16_t *wide = block_cell(b, (enum field)f, 0);
	bool octet = field_info[f].width == 1;

	for (uint32_t i = 0; i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			struct sums s = top_row_sums(t, b, r, inside);

			sums_add(&w->total, &s);
			count_code(&w->numbers[octet ? small[r] : wide[r]], &s);
		}
}

/* Whole flows, and all columns as they lie in the file. */
struct raw {
	const uint32_t *key, *bytes, *packets; /* NULL: the least in all rows */
	uint64_t key_min, bytes_min, packets_min, mask;
};

static bool get_raw(struct part *p, int f, bool wholly, struct raw *c)
{
	uint64_t lo, flows;

	c->mask = (UINT64_C(1) << 8 * field_info[f].width) - 1;
	return wholly && part_range(p, F_flows, &lo, &flows) && flows <= 1 &&
	       part_ints(p, (enum field)f, &c->key, &c->key_min) &&
	       part_ints(p, F_bytes, &c->bytes, &c->bytes_min) &&
	       part_ints(p, F_packets, &c->packets, &c->packets_min);
}

static void count_raw(struct top_worker *w, const struct raw *c, uint32_t at, uint32_t n,
		      const uint64_t *bits)
{
	struct sums total = { 0 }; /* not w's: each addition would wait for the one before */

	for (uint32_t i = 0; i * 64 < n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = at + i * 64 + (uint32_t)__builtin_ctzll(left);
			uint64_t key = c->key_min + (c->key ? c->key[r] : 0);
			struct sums s = { c->bytes_min + (c->bytes ? c->bytes[r] : 0),
					  c->packets_min + (c->packets ? c->packets[r] : 0),
					  1 };

			sums_add(&total, &s);
			count_code(&w->numbers[key & c->mask], &s); /* as a cell has it */
		}
	sums_add(&w->total, &total);
}

static void pour_numbers(struct top *t, struct top_worker *w)
{
	size_t octets = t->shape.size;

	for (uint32_t i = 0; i < TOP_NUMBERS; i++) {
		struct top_cell *cell = &w->numbers[i];
		uint8_t key[4] = { 0 };

		if (!cell->rows)
			continue;
		if (octets == 1)
			memcpy(key, &(uint8_t){ (uint8_t)i }, 1);
		else if (octets == 2)
			memcpy(key, &(uint16_t){ (uint16_t)i }, 2);
		else
			memcpy(key, &i, 4);
		top_put(t, w, key, map_hash(key, octets), &cell->sums);
		*cell = (struct top_cell){ 0 };
	}
}

void top_settle(struct top *t)
{
	for (unsigned i = 0; i < t->n_workers; i++)
		if (t->workers[i].numbers)
			pour_numbers(t, &t->workers[i]);
}

/* ---- parts ---- */

/* Takes out what is not of the series, and what would count a packet twice. */
static void narrow(const struct top *t, const struct block *b, uint64_t *bits)
{
	if (t->q->only)
		key_select(t->q->only_by, t->q->only, b, bits);
	rows_counted(t->counted_by, t->filter_columns, b, bits);
}

/* The largest rate of rows that count: others in the same part may be sampled, these
 * not. */
static void see_sampling(struct top_worker *w, const struct block *b, const uint64_t *bits)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (bits[i / 64] >> i % 64 & 1 && b->sampling[i] > w->sampling)
			w->sampling = b->sampling[i];
}

/* Few rows: picked out and counted one by one. False: damaged. */
static bool count_few(struct top *t, struct top_worker *w, struct part *p, bool inside,
		      const uint32_t *rows, uint32_t n, uint64_t more)
{
	uint64_t times = UINT64_C(1) << F_start_ms | UINT64_C(1) << F_end_ms;
	uint64_t bits[FILTER_WORDS] = { 0 };
	const struct block *b = part_pick(p,
					  t->aq.columns | t->select_columns |
					      t->shape.columns | more |
					      (inside ? 0 : times),
					  rows, n);

	for (uint32_t i = 0; b && i < n; i++)
		bits[i / 64] |= UINT64_C(1) << i % 64;
	if (b) {
		narrow(t, b, bits);
		if (more)
			see_sampling(w, b, bits);
		top_count_rows(t, w, b, bits, inside);
	}
	return b != NULL;
}

enum way { WAY_ROWS, WAY_NUMBERS, WAY_RAW, WAY_CODED };

/* Gets ready to count a part that has something in it; false: damaged. */
static bool prepare(struct top *t, struct part *p, bool inside, int number, struct coded *c,
		    struct raw *raw, enum way *way)
{
	uint64_t need = t->aq.columns, flows, lo;
	bool damaged, coded = get_codes(t, p, c, &damaged);

	*way = coded ? WAY_CODED : number < 0 ? WAY_ROWS : WAY_NUMBERS;
	if (damaged)
		return false;
	if (number >= 0 && get_raw(p, number, inside, raw)) {
		*way = WAY_RAW;
		return true;
	}
	if (!coded)
		return part_load(p, need | t->shape.columns);
	c->plain = inside && part_range(p, F_flows, &lo, &flows) && flows <= 1 &&
		   part_ints(p, F_bytes, &c->bytes, &c->bytes_min) &&
		   part_ints(p, F_packets, &c->packets, &c->packets_min);
	return c->plain || part_load(p, need);
}

static void count_block(struct top *t, struct top_worker *w, const struct coded *c,
			const struct raw *raw, int number, enum way way, uint32_t at,
			const struct block *b, const uint64_t *bits, bool inside)
{
	switch (way) {
	case WAY_ROWS: top_count_rows(t, w, b, bits, inside); break;
	case WAY_NUMBERS: count_numbers(t, w, number, b, bits, inside); break;
	case WAY_RAW: count_raw(w, raw, at, b->n, bits); break;
	case WAY_CODED:
		if (c->plain)
			count_plain(w, c, at, b->n, bits);
		else
			count_coded(t, w, c, at, b, bits, inside);
	}
}

bool top_count_part(void *arg, unsigned worker, struct part *p, bool inside,
		    bool *damaged)
{
	struct top *t = arg;
	struct top_worker *w = &t->workers[worker];
	uint64_t lo, hi, more = 0;
	int number = small_column(t);
	bool wholly = inside || t->q->whole;
	uint32_t few[SCAN_FEW];
	struct scan_rows s;
	struct coded c;
	struct raw raw;
	enum way way;

	if (part_range(p, F_sampling, &lo, &hi) && hi > 1 && hi > w->sampling)
		more = UINT64_C(1) << F_sampling;
	*damaged = !scan_select(&t->aq, p, inside, &s);
	if (*damaged || !s.count)
		return true;
	if (scan_few(&s, few)) {
		*damaged = !count_few(t, w, p, wholly, few, s.count, more);
		return !w->full;
	}
	*damaged = !part_load(p, t->select_columns | more) ||
		   !prepare(t, p, wholly, number, &c, &raw, &way);
	if (*damaged)
		return true;
	if (number >= 0 && !w->numbers)
		w->numbers = xcalloc(TOP_NUMBERS, sizeof(*w->numbers));
	for (uint32_t at = 0, i = 0; at < part_rows(p) && !w->full;
	     at += BLOCK_ROWS, i++) {
		uint32_t n =
		    part_rows(p) - at < BLOCK_ROWS ? part_rows(p) - at : BLOCK_ROWS;
		const struct block *b = part_block(p, at, n);

		narrow(t, b, s.bits[i]);
		if (more)
			see_sampling(w, b, s.bits[i]);
		count_block(t, w, &c, &raw, number, way, at, b, s.bits[i], wholly);
	}
	if (way == WAY_CODED)
		pour_codes(t, w, &c);
	return !w->full;
}
