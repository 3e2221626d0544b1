/* top.c - who had most: the top N of anything over archived flows.
 * SPDX-License-Identifier: ISC
 *
 * Each worker counts into a table of its own; tables are poured together at
 * the end. Lists by source, destination or host are counted over the numbers of
 * a part's address dictionary, in an array, and reach the table once for each
 * address of a part instead of once for each flow.
 *
 * Exact in bounded memory: when a table is full, everything is forgotten and
 * begun again with keys dealt into twice as many lots by their hash, one
 * lot for each reading of the archive. Flooded keys cost time, not truth.
 *
 * A flow that is only partly in the time asked for counts by its share up to
 * the end less its share up to the start, as in the windows (D1); its
 * number of flows counts where its last packet is.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "daemon/model/slice.h"
#include "storage/archive/scan.h"

#include <stdlib.h>
#include <string.h>

enum { LOTS_STEP = 2, LOTS_MAX = 1 << 18 };

static const uint64_t memory_default = 64 << 20;

struct cell {
	struct sums sums;
	uint64_t rows; /* none: not seen. Also makes it 32 octets */
};

/* The dictionary of the part before, and where its addresses are in the table. */
struct lately {
	struct addr *list, *next_list; /* PART_ROWS each */
	struct sums **at, **next_at;   /* NULL: not known */
	uint32_t n;
	const void *tab; /* of the table when `at` was noted: places move when it grows */
};

struct worker {
	struct map map;   /* key -> struct sums */
	struct sums total;
	struct cell *acc; /* by number in a part's dictionary; PART_ROWS */
	struct lately lately;
	bool full;
	uint32_t sampling;
};

struct top {
	const struct top_query *q;
	struct archive_query aq;
	struct top_shape shape;
	struct top_texts texts;
	uint32_t lots, lot;
	struct worker *workers;
	unsigned n_workers;
	struct top_result *out;
	uint64_t filter_columns; /* and those of the keys: for rows_counted() */
	uint64_t select_columns; /* needed to tell which rows count */
	enum by counted_by;
	bool full;
	uint8_t *best;           /* keys of the rows that lead, and their sums */
	struct sums *best_sums;
	size_t n_best;
};

static void add(struct sums *s, const struct sums *more)
{
	s->bytes += more->bytes;
	s->packets += more->packets;
	s->flows += more->flows;
}

static uint64_t measure_of(const struct sums *s, enum top_order order)
{
	return order == TOP_BYTES ? s->bytes : order == TOP_PACKETS ? s->packets : s->flows;
}

/* Negative: a comes first. */
static int before(const struct top *t, const struct sums *x, const uint8_t *kx,
		  const struct sums *y, const uint8_t *ky)
{
	uint64_t a = measure_of(x, t->q->order), b = measure_of(y, t->q->order);

	if (a == b) {
		a = x->bytes;
		b = y->bytes;
	}
	if (a == b) {
		a = x->packets;
		b = y->packets;
	}
	if (a != b)
		return a > b ? -1 : 1;
	return memcmp(kx, ky, t->shape.size);
}

/* ---- counting rows ---- */

static bool mine(const struct top *t, uint64_t hash)
{
	return t->lots == 1 || (hash >> 20) % t->lots == t->lot;
}

static void count_key(struct top *t, struct worker *w, const void *key, uint64_t hash,
		      const struct sums *s)
{
	struct sums *to;

	if (!mine(t, hash))
		return;
	to = map_put_hashed(&w->map, key, hash, NULL);
	if (to)
		add(to, s);
	else
		w->full = true;
}

/* What a row counts in [from, to). */
static struct sums sums_of(const struct top *t, const struct block *b, uint32_t r, bool inside)
{
	uint64_t flows = b->flows[r] ? b->flows[r] : 1;
	int64_t from = t->q->from_ms, to = t->q->to_ms, start, end, last;

	if (inside)
		return (struct sums){ b->bytes[r], b->packets[r], flows };
	start = b->start_ms[r];
	end = b->end_ms[r];
	last = end > start ? end - 1 : start;
	if (end <= start) /* one moment, and it is in, or the row would not be here */
		return (struct sums){ b->bytes[r], b->packets[r], flows };
	return (struct sums){
		share_upto(b->bytes[r], start, end, to) -
			share_upto(b->bytes[r], start, end, from),
		share_upto(b->packets[r], start, end, to) -
			share_upto(b->packets[r], start, end, from),
		last >= from && last < to ? flows : 0,
	};
}

static void count_rows(struct top *t, struct worker *w, const struct block *b,
		       const uint64_t *bits, bool inside)
{
	uint8_t keys[ROW_KEYS][TOP_KEY_OCTETS];

	for (uint32_t i = 0; i * 64 < b->n; i++) {
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			struct sums s = sums_of(t, b, r, inside);
			unsigned n;

			add(&w->total, &s);
			if (!t->shape.n)
				continue;
			n = top_keys_of(&t->shape, b, r, keys);
			for (unsigned k = 0; k < n; k++)
				count_key(t, w, keys[k], map_hash(keys[k], t->shape.size),
					  &s);
		}
	}
}

/* ---- counting by number ---- */

struct coded {
	const uint32_t *src, *dst; /* either may be NULL */
	const struct addr *list;
	uint32_t n;
	/* Every flow counts wholly and as one: then bytes and packets are counted as they lie
	 * in the file (part_ints), and the minima added at the end. */
	bool plain;
	const uint32_t *bytes, *packets;
	uint64_t bytes_min, packets_min;
};

/* Whether the part's dictionary can be counted over. */
static bool get_codes(const struct top *t, struct part *p, struct coded *c, bool *damaged)
{
	const struct top_key *k = &t->shape.key[0];
	bool src, dst, bad[2] = { false, false };

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

static inline void count_code(struct cell *cell, const struct sums *s)
{
	cell->sums.bytes += s->bytes;
	cell->sums.packets += s->packets;
	cell->sums.flows += s->flows;
	cell->rows++;
}

static inline void count_codes(struct worker *w, const struct coded *c, uint32_t row,
			       const struct sums *s)
{
	if (c->src)
		count_code(&w->acc[c->src[row]], s);
	if (c->dst && (!c->src || c->src[row] != c->dst[row]))
		count_code(&w->acc[c->dst[row]], s);
}

static inline void count_plain_row(struct worker *w, const struct coded *c, uint32_t row)
{
	struct sums s = { c->bytes ? c->bytes[row] : 0, c->packets ? c->packets[row] : 0, 0 };

	w->total.bytes += s.bytes;
	w->total.packets += s.packets;
	count_codes(w, c, row, &s);
}

static void count_plain(struct worker *w, const struct coded *c, uint32_t at, uint32_t n,
			const uint64_t *bits)
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
static void add_minima(struct worker *w, const struct coded *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct cell *cell = &w->acc[i];

		cell->sums.bytes += cell->rows * c->bytes_min;
		cell->sums.packets += cell->rows * c->packets_min;
		cell->sums.flows += cell->rows;
	}
}

static void count_coded(struct top *t, struct worker *w, const struct coded *c, uint32_t at,
			const struct block *b, const uint64_t *bits, bool inside)
{
	for (uint32_t i = 0; i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(left);
			struct sums s = sums_of(t, b, r, inside);

			add(&w->total, &s);
			count_codes(w, c, at + r, &s);
		}
}

/* The place of an address in the table. Both lists are sorted and mostly the same, so
 * a finger in the last one saves most look-ups. */
static struct sums *place(struct worker *w, const struct addr *a, uint32_t *finger)
{
	struct lately *l = &w->lately;

	if (l->tab != w->map.tab)
		return NULL;
	while (*finger < l->n && memcmp(&l->list[*finger], a, sizeof(*a)) < 0)
		++*finger;
	return *finger < l->n && addr_eq(&l->list[*finger], a) ? l->at[*finger] : NULL;
}

static void pour_codes(struct top *t, struct worker *w, const struct coded *c)
{
	struct lately *l = &w->lately;
	struct addr *list = l->next_list;
	struct sums **at = l->next_at;
	const void *tab = w->map.tab;
	uint32_t finger = 0;

	if (c->plain)
		add_minima(w, c);
	for (uint32_t i = 0; i < c->n; i++) {
		struct cell *cell = &w->acc[i];

		at[i] = NULL;
		if (!cell->rows)
			continue;
		at[i] = place(w, &c->list[i], &finger);
		if (!at[i]) {
			uint64_t hash = map_hash(&c->list[i], sizeof(*c->list));

			if (mine(t, hash)) {
				at[i] = map_put_hashed(&w->map, &c->list[i], hash, NULL);
				w->full |= !at[i];
			}
		}
		if (at[i])
			add(at[i], &cell->sums);
		*cell = (struct cell){ 0 };
	}
	memcpy(list, c->list, c->n * sizeof(*list));
	l->next_list = l->list;
	l->next_at = l->at;
	l->list = list;
	l->at = at;
	l->n = tab == w->map.tab ? c->n : 0;
	l->tab = w->map.tab;
}

/* ---- parts ---- */

/* Takes out what is not of the series, and what would count a packet twice. */
static void narrow(const struct top *t, const struct block *b, uint64_t *bits)
{
	if (t->q->only)
		key_select(t->q->only_by, t->q->only, b, bits);
	rows_counted(t->counted_by, t->filter_columns, b, bits);
}

/* Few rows: picked out and counted one by one. False: damaged. */
static bool count_few(struct top *t, struct worker *w, struct part *p, bool inside,
		      const uint32_t *rows, uint32_t n)
{
	uint64_t times = UINT64_C(1) << F_start_ms | UINT64_C(1) << F_end_ms;
	uint64_t bits[FILTER_WORDS] = { 0 };
	const struct block *b = part_pick(p, t->aq.columns | t->select_columns |
						     t->shape.columns | (inside ? 0 : times),
					  rows, n);

	for (uint32_t i = 0; b && i < n; i++)
		bits[i / 64] |= UINT64_C(1) << i % 64;
	if (b) {
		narrow(t, b, bits);
		count_rows(t, w, b, bits, inside);
	}
	return b != NULL;
}

/* Gets ready to count a part that has something in it; false: damaged. */
static bool prepare(struct top *t, struct part *p, bool inside, struct coded *c, bool *coded)
{
	uint64_t need = t->aq.columns, flows, lo;
	bool damaged;

	*coded = get_codes(t, p, c, &damaged);
	if (damaged)
		return false;
	if (!*coded)
		return part_load(p, need | t->shape.columns);
	c->plain = inside && part_range(p, F_flows, &lo, &flows) && flows <= 1 &&
		   part_ints(p, F_bytes, &c->bytes, &c->bytes_min) &&
		   part_ints(p, F_packets, &c->packets, &c->packets_min);
	return c->plain || part_load(p, need);
}

static bool count_part(void *arg, unsigned worker, struct part *p, bool inside, bool *damaged)
{
	struct top *t = arg;
	struct worker *w = &t->workers[worker];
	uint64_t lo, hi;
	bool coded = false, wholly = inside || t->q->whole;
	uint32_t few[SCAN_FEW];
	struct scan_rows s;
	struct coded c;

	if (part_range(p, F_sampling, &lo, &hi) && hi > w->sampling)
		w->sampling = (uint32_t)hi;
	*damaged = !scan_select(&t->aq, p, inside, &s);
	if (*damaged || !s.count)
		return true;
	if (scan_few(&s, few)) {
		*damaged = !count_few(t, w, p, wholly, few, s.count);
		return !w->full;
	}
	*damaged = !part_load(p, t->select_columns) || !prepare(t, p, wholly, &c, &coded);
	if (*damaged)
		return true;
	for (uint32_t at = 0, i = 0; at < part_rows(p) && !w->full; at += BLOCK_ROWS, i++) {
		uint32_t n = part_rows(p) - at < BLOCK_ROWS ? part_rows(p) - at : BLOCK_ROWS;
		const struct block *b = part_block(p, at, n);

		narrow(t, b, s.bits[i]);
		if (coded && c.plain)
			count_plain(w, &c, at, n, s.bits[i]);
		else if (coded)
			count_coded(t, w, &c, at, b, s.bits[i], wholly);
		else
			count_rows(t, w, b, s.bits[i], wholly);
	}
	if (coded)
		pour_codes(t, w, &c);
	return !w->full;
}

/* ---- the best ---- */

/* A heap of the n best so far, the worst of them first. */
static void sift(struct top *t, size_t at)
{
	size_t size = t->shape.size, n = t->n_best;
	uint8_t tmp[TOP_KEY_OCTETS];

	for (;;) {
		size_t worst = at;
		struct sums s;

		for (size_t kid = 2 * at + 1; kid <= 2 * at + 2 && kid < n; kid++)
			if (before(t, &t->best_sums[worst], t->best + worst * size,
				   &t->best_sums[kid], t->best + kid * size) < 0)
				worst = kid;
		if (worst == at)
			return;
		s = t->best_sums[at];
		t->best_sums[at] = t->best_sums[worst];
		t->best_sums[worst] = s;
		memcpy(tmp, t->best + at * size, size);
		memcpy(t->best + at * size, t->best + worst * size, size);
		memcpy(t->best + worst * size, tmp, size);
		at = worst;
	}
}

static void offer(struct top *t, const uint8_t *key, const struct sums *s)
{
	size_t size = t->shape.size;

	if (t->n_best < t->q->n) {
		memcpy(t->best + t->n_best * size, key, size);
		t->best_sums[t->n_best++] = *s;
		if (t->n_best == t->q->n)
			for (size_t i = t->n_best / 2 + 1; i-- > 0;)
				sift(t, i);
		return;
	}
	if (!t->n_best || before(t, s, key, &t->best_sums[0], t->best) >= 0)
		return;
	memcpy(t->best, key, size);
	t->best_sums[0] = *s;
	sift(t, 0);
}

/* Everything into the first worker's table. */
static bool pour_together(struct top *t)
{
	struct map *all = &t->workers[0].map;

	for (unsigned i = 1; i < t->n_workers; i++) {
		const void *key;
		void *v;
		uint32_t at = 0;

		while (map_next(&t->workers[i].map, &at, &key, &v)) {
			struct sums *to = map_put(all, key, NULL);

			if (!to)
				return false;
			add(to, v);
		}
		map_clear(&t->workers[i].map);
	}
	return true;
}

/* After one lot has been read. */
static void done(void *arg, const struct names *names)
{
	struct top *t = arg;
	const void *key;
	void *v;
	uint32_t at = 0;

	for (unsigned i = 0; i < t->n_workers; i++)
		t->full |= t->workers[i].full;
	t->full = t->full || !pour_together(t);
	if (t->full)
		return;
	t->out->distinct += t->workers[0].map.n;
	while (map_next(&t->workers[0].map, &at, &key, &v))
		offer(t, key, v);
	map_clear(&t->workers[0].map);
	if (t->lot + 1 < t->lots)
		return;
	/* The last lot: largest first, with their names while those are there. */
	t->out->n = (unsigned)t->n_best;
	t->out->rows = xcalloc(t->n_best + 1, sizeof(*t->out->rows));
	if (t->n_best < t->q->n)
		for (size_t i = t->n_best / 2 + 1; i-- > 0;)
			sift(t, i);
	while (t->n_best) {
		struct top_row *r = &t->out->rows[--t->n_best];
		size_t size = t->shape.size;

		r->sums = t->best_sums[0];
		top_row_fill(&t->shape, t->best, names, r);
		t->best_sums[0] = t->best_sums[t->n_best];
		memmove(t->best, t->best + t->n_best * size, size);
		sift(t, 0);
	}
}

/* ---- the whole ---- */

/* So many entries that a table, growing by doubling, stays within octets. */
static uint32_t entries_for(uint64_t octets, size_t key)
{
	uint64_t entry = ((key + 7) & ~(size_t)7) + sizeof(struct sums) + 1, cap = 1024;

	while (cap < (uint64_t)1 << 30 && cap * 2 * entry <= octets)
		cap *= 2;
	return (uint32_t)(cap * 3 / 4);
}

static void begin(struct top *t)
{
	uint64_t memory = t->q->memory ? t->q->memory : memory_default;

	for (unsigned i = 0; i < t->n_workers; i++) {
		struct worker *w = &t->workers[i];

		map_fini(&w->map);
		map_init(&w->map, t->shape.size, sizeof(struct sums),
			 entries_for(memory / (t->n_workers + 1), t->shape.size));
		w->full = false;
		w->total = (struct sums){ 0 };
		memset(w->acc, 0, PART_ROWS * sizeof(*w->acc));
		w->lately.n = 0;
	}
}

static bool read_lots(struct top *t, struct err *err)
{
	t->n_best = 0;
	t->out->distinct = 0;
	t->full = false;
	for (t->lot = 0; t->lot < t->lots && !t->full; t->lot++) {
		begin(t);
		t->out->passes++;
		if (!scan_parts(&t->aq, count_part, done, t, &t->out->read, err))
			return false;
	}
	return true;
}

static void set_up(struct top *t)
{
	const struct top_query *q = t->q;
	uint64_t need = UINT64_C(1) << F_bytes | UINT64_C(1) << F_packets |
			UINT64_C(1) << F_flows;
	bool coded = false;

	top_texts_init(&t->texts);
	top_shape_init(&t->shape, q->keys, q->n_keys, &t->texts);
	t->counted_by = q->only ? q->only_by : BY_NONE;
	for (unsigned i = 0; i < q->n_keys; i++)
		if (!q->keys[i].is_field && q->keys[i].by == BY_INTERFACE)
			t->counted_by = BY_INTERFACE;
	t->filter_columns = (q->filter ? filter_columns(q->filter) : 0) | t->shape.columns;
	/* Addresses that are counted by number need not be told. */
	if (q->n_keys == 1)
		coded = q->keys[0].is_field ?
				q->keys[0].field == F_src || q->keys[0].field == F_dst :
				q->keys[0].by == BY_SRC || q->keys[0].by == BY_DST ||
					q->keys[0].by == BY_HOST;
	if (!coded)
		need |= t->shape.columns;
	t->select_columns = UINT64_C(1) << F_counts |
			    (q->only ? top_by_columns(q->only_by) : 0);
	t->aq = (struct archive_query){
		.directory = q->directory, .from_ms = q->from_ms, .to_ms = q->to_ms,
		.filter = q->filter, .columns = need, .names = q->names,
		.as_of = q->as_of, .threads = q->threads,
	};
	t->n_workers = scan_threads(&t->aq);
	t->workers = xcalloc(t->n_workers, sizeof(*t->workers));
	for (unsigned i = 0; i < t->n_workers; i++) {
		struct worker *w = &t->workers[i];

		w->acc = xcalloc(PART_ROWS, sizeof(*w->acc));
		w->lately.list = xcalloc(PART_ROWS, sizeof(struct addr));
		w->lately.next_list = xcalloc(PART_ROWS, sizeof(struct addr));
		w->lately.at = xcalloc(PART_ROWS, sizeof(struct sums *));
		w->lately.next_at = xcalloc(PART_ROWS, sizeof(struct sums *));
	}
	t->best = xcalloc((size_t)q->n + 1, t->shape.size);
	t->best_sums = xcalloc((size_t)q->n + 1, sizeof(*t->best_sums));
}

static void tear_down(struct top *t)
{
	for (unsigned i = 0; i < t->n_workers; i++) {
		struct lately *l = &t->workers[i].lately;

		map_fini(&t->workers[i].map);
		free(t->workers[i].acc);
		free(l->list);
		free(l->next_list);
		free(l->at);
		free(l->next_at);
	}
	free(t->workers);
	free(t->best);
	free(t->best_sums);
	top_texts_fini(&t->texts);
}

bool top_run(const struct top_query *q, struct top_result *out, struct err *err)
{
	struct top t = { .q = q, .out = out, .lots = 1 };
	bool ok;

	*out = (struct top_result){ .sampling = 1 };
	if (q->n > TOP_MAX || q->n_keys > TOP_KEYS)
		return err_set(err, "at most %d rows and %d keys", TOP_MAX, TOP_KEYS);
	set_up(&t);
	while ((ok = read_lots(&t, err)) && t.full && t.lots < LOTS_MAX)
		t.lots *= LOTS_STEP;
	if (ok && t.full)
		ok = err_set(err, "not enough memory for these keys");
	for (unsigned i = 0; i < t.n_workers; i++) {
		add(&out->total, &t.workers[i].total);
		if (t.workers[i].sampling > out->sampling)
			out->sampling = t.workers[i].sampling;
	}
	tear_down(&t);
	return ok;
}

void top_free(struct top_result *r)
{
	for (unsigned i = 0; i < r->n; i++)
		for (unsigned k = 0; k < TOP_KEYS; k++)
			free(r->rows[i].value[k].text);
	free(r->rows);
	*r = (struct top_result){ 0 };
}
