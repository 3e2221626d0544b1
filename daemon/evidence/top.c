/* top.c - who had most: the top N of anything over archived flows.
 * SPDX-License-Identifier: ISC
 *
 * Each worker counts into a table of its own; tables are poured together at
 * the end. Lists by source, destination or host are counted over the numbers of
 * a part's address dictionary, in an array, and reach the table once for each
 * address of a part instead of once for each flow.
 *
 * Exact in bounded memory: a full table goes on as sums by hash, which tell where the
 * first of the list can be, and a second reading counts those (top_cells.c). Where that
 * cannot tell, keys are dealt into lots by their hash, one lot for each
 * reading of the archive. Flooded keys cost time, not truth.
 *
 * A flow that is only partly in the time asked for counts by its share up to
 * the end less its share up to the start, as in the windows (D1); its
 * number of flows counts where its last packet is.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { LOTS_STEP = 2, LOTS_MAX = 1 << 18 };

static const uint64_t memory_default = 64 << 20;

/* Negative: a comes first. */
static int before(const struct top *t, const struct sums *x, const uint8_t *kx,
		  const struct sums *y, const uint8_t *ky)
{
	uint64_t a = top_measure(x, t->q->order), b = top_measure(y, t->q->order);

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

void top_offer(struct top *t, const uint8_t *key, const struct sums *s)
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

void top_rank(struct top *t, const struct names *names)
{
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

/* ---- when all has been read ---- */

/* Adds keys of one share (of `shares`, by hash) of a worker's table to another. */
static bool pour(struct map *to, const struct map *from, uint32_t share, uint32_t shares)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	while (map_next(from, &at, &key, &v)) {
		uint64_t hash = map_hash(key, from->key);
		struct sums *sums;

		if (shares > 1 && (hash >> 40) % shares != share)
			continue;
		sums = map_put_hashed(to, key, hash, NULL);
		if (!sums)
			return false;
		sums_add(sums, v);
	}
	return true;
}

static void offer_all(struct top *t, const struct map *map)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	t->out->distinct += map->n;
	while (map_next(map, &at, &key, &v)) {
		if (t->q->each)
			t->q->each(t->q->each_arg, key, v);
		else
			top_offer(t, key, v);
	}
}

/* Where one table has no room for all of them, they are put together by shares. */
static bool gather(struct top *t)
{
	struct map *first = &t->workers[0].map, all;
	uint64_t n = 0;
	uint32_t shares;
	bool ok = true;

	for (unsigned i = 0; i < t->n_workers; i++)
		n += t->workers[i].map.n;
	if (n <= first->max) {
		for (unsigned i = 1; i < t->n_workers; i++)
			pour(first, &t->workers[i].map, 0, 1);
		offer_all(t, first);
		return true;
	}
	shares = (uint32_t)(n / (first->max / 5 * 4)) + 1;
	map_init(&all, t->shape.size, sizeof(struct sums), first->max);
	for (uint32_t share = 0; ok && share < shares; share++) {
		map_clear(&all);
		for (unsigned i = 0; ok && i < t->n_workers; i++)
			ok = pour(&all, &t->workers[i].map, share, shares);
		if (ok)
			offer_all(t, &all);
	}
	map_fini(&all);
	return ok;
}

/* Whether nobody outside of the heavy cells can be among the first. */
static bool proven(const struct top *t)
{
	return !t->bound || (t->n_best == t->q->n &&
			     top_measure(&t->best_sums[0], t->q->order) > t->bound);
}

void top_done(void *arg, const struct names *names)
{
	struct top *t = arg;

	top_settle(t);
	for (unsigned i = 0; i < t->n_workers; i++) {
		t->full |= t->workers[i].full;
		t->spilled |= t->workers[i].cells != NULL;
	}
	if (t->full)
		return;
	if (t->spilled && !t->heavy) {
		top_cells_choose(t);
		return;
	}
	t->full = !gather(t) || (t->heavy && !proven(t));
	if (!t->full && t->lot + 1 >= t->lots)
		top_rank(t, names);
}

/* ---- the whole ---- */

/* So many entries that a table, growing by doubling, stays within octets. */
uint32_t top_entries_for(uint64_t octets, size_t key, size_t value)
{
	uint64_t entry = ((key + 7) & ~(size_t)7) + value + 1, cap = 1024;

	while (cap < (uint64_t)1 << 30 && cap * 2 * entry <= octets)
		cap *= 2;
	return (uint32_t)(cap * 3 / 4);
}

void top_begin(struct top *t)
{
	uint64_t memory = t->q->memory ? t->q->memory : memory_default;
	uint64_t each = memory / (t->n_workers + 1);

	top_cells_free(t);
	top_cells_size(t, each);
	for (unsigned i = 0; i < t->n_workers; i++) {
		struct top_worker *w = &t->workers[i];

		map_fini(&w->map);
		map_init(&w->map, t->shape.size, sizeof(struct sums),
			 top_entries_for(each, t->shape.size, sizeof(struct sums)));
		if (w->numbers)
			memset(w->numbers, 0, TOP_NUMBERS * sizeof(*w->numbers));
		w->full = false;
		w->total = (struct sums){ 0 };
		memset(w->acc, 0, PART_ROWS * sizeof(*w->acc));
		w->lately.n = 0;
	}
}

static bool read_once(struct top *t, struct err *err)
{
	top_begin(t);
	t->out->passes++;
	return scan_parts(&t->aq, NULL, top_count_part, top_done, t, &t->out->read, err);
}

static void begin_anew(struct top *t)
{
	t->n_best = 0;
	t->out->distinct = 0;
	t->full = false;
	if (t->q->each)
		t->q->each(t->q->each_arg, NULL, NULL);
}

static bool read_lots(struct top *t, struct err *err)
{
	begin_anew(t);
	for (t->lot = 0; t->lot < t->lots && !t->full; t->lot++)
		if (!read_once(t, err))
			return false;
	return true;
}

/* In one reading where tables have room; else the heavy cells in a second one, and if those
 * do not tell, in as many as it takes. */
static bool read_flows(struct top *t, struct err *err)
{
	bool ok = true;

	t->may_spill = !t->q->each;
	if (!t->spilled)
		ok = read_lots(t, err);
	t->may_spill = false;
	if (ok && t->spilled) {
		begin_anew(t);
		t->lots = 1;
		t->lot = 0;
		ok = read_once(t, err);
		free(t->heavy);
		t->heavy = NULL;
		t->spilled = false;
		t->out->distinct = 0;
	}
	while (ok && t->full && t->lots < LOTS_MAX) {
		t->lots *= LOTS_STEP;
		ok = read_lots(t, err);
	}
	if (ok && t->full)
		ok = err_set(err, "not enough memory for these keys");
	return ok;
}

/* False + err: such keys cannot be; to be torn down all the same. */
static bool set_up(struct top *t, struct err *err)
{
	const struct top_query *q = t->q;
	uint64_t need =
	    UINT64_C(1) << F_bytes | UINT64_C(1) << F_packets | UINT64_C(1) << F_flows;
	bool coded = false, ok = true;

	top_texts_init(&t->texts);
	top_shape_init(&t->shape, q->keys, q->n_keys, &t->texts);
	t->shape.geo = q->geo;
	if (q->both_ways)
		ok = top_shape_both_ways(&t->shape, err);
	t->counted_by = q->only || q->among ? q->only_by : BY_NONE;
	for (unsigned i = 0; i < q->n_keys; i++)
		if (!q->keys[i].is_field && q->keys[i].by == BY_INTERFACE)
			t->counted_by = BY_INTERFACE;
	t->filter_columns =
	    (q->filter ? filter_columns(q->filter) : 0) | t->shape.columns;
	/* Addresses that are counted by number need not be told. */
	if (q->n_keys == 1)
		coded = q->keys[0].is_field
			    ? q->keys[0].field == F_src || q->keys[0].field == F_dst
			    : q->keys[0].by == BY_SRC || q->keys[0].by == BY_DST ||
				  q->keys[0].by == BY_HOST;
	if (!coded)
		need |= t->shape.columns;
	t->select_columns =
	    UINT64_C(1) << F_counts | (q->only || q->among ? top_by_columns(q->only_by) : 0);
	t->aq = (struct archive_query){
		.directory = q->directory,
		.from_ms = q->from_ms,
		.to_ms = q->to_ms,
		.filter = q->filter,
		.columns = need,
		.names = q->names,
		.as_of = q->as_of,
		.threads = q->threads,
		.progress = q->progress,
		.progress_arg = q->progress_arg,
	};
	t->n_workers = scan_threads(&t->aq);
	t->workers = xcalloc(t->n_workers, sizeof(*t->workers));
	for (unsigned i = 0; i < t->n_workers; i++) {
		struct top_worker *w = &t->workers[i];

		w->acc = xcalloc(PART_ROWS, sizeof(*w->acc));
		w->lately.list = xcalloc(PART_ROWS, sizeof(struct addr));
		w->lately.next_list = xcalloc(PART_ROWS, sizeof(struct addr));
		w->lately.at = xcalloc(PART_ROWS, sizeof(struct sums *));
		w->lately.next_at = xcalloc(PART_ROWS, sizeof(struct sums *));
	}
	t->best = xcalloc((size_t)q->n + 1, t->shape.size);
	t->best_sums = xcalloc((size_t)q->n + 1, sizeof(*t->best_sums));
	return ok;
}

static void tear_down(struct top *t)
{
	top_cells_free(t);
	for (unsigned i = 0; i < t->n_workers; i++) {
		struct top_lately *l = &t->workers[i].lately;

		map_fini(&t->workers[i].map);
		free(t->workers[i].acc);
		free(t->workers[i].numbers);
		free(l->list);
		free(l->next_list);
		free(l->at);
		free(l->next_at);
	}
	free(t->heavy);
	free(t->workers);
	free(t->best);
	free(t->best_sums);
	top_texts_fini(&t->texts);
}

bool top_run(const struct top_query *q, struct top_result *out, struct err *err)
{
	struct top t = { .q = q, .out = out, .lots = 1 };
	bool ok, summed = false;

	*out = (struct top_result){ .sampling = 1 };
	if (q->n > TOP_MAX || q->n_keys > TOP_KEYS)
		return err_set(err, "at most %d rows and %d keys", TOP_MAX, TOP_KEYS);
	ok = set_up(&t, err) && top_by_summaries(&t, &summed, err);
	if (ok && !summed)
		ok = read_flows(&t, err);
	/* More than fit into one table are told or not as workers happened to share them;
	 * what an alert saw is told the same every time. */
	if (q->as_of.file_s && out->distinct > t.workers[0].map.max)
		out->distinct = 0;
	for (unsigned i = 0; i < t.n_workers; i++) {
		sums_add(&out->total, &t.workers[i].total);
		if (t.workers[i].sampling > out->sampling)
			out->sampling = t.workers[i].sampling;
	}
	tear_down(&t);
	return ok;
}

void top_free(struct top_result *r)
{
	for (unsigned i = 0; i < r->n; i++)
		for (unsigned k = 0; k < TOP_KEYS; k++) {
			free(r->rows[i].value[k].text);
			free(r->rows[i].value[k].name);
		}
	free(r->rows);
	*r = (struct top_result){ 0 };
}
