/* change_count.c - a stretch of the archive, counted by everything that could explain it.
 * SPDX-License-Identifier: ISC
 *
 * One reading counts all dimensions. What is counted is bounded, so that a busy hour
 * delays no alert: a part with more rows than its due is sampled by threshold (Duffield,
 * Lund, Thorup 2005): a flow as large as the threshold or larger counts as it is, of the
 * smaller ones those that a hash of their place picks count as the threshold. So no large
 * flow is ever missed, and for the bulk of the rows only their sizes are read. The same
 * archive gives the same picks, whichever thread came first, so the answer for a
 * position stays what it was. Up to ROWS_COUNTED flows in a stretch all count and the
 * figures are exact; beyond, the share of a key with a tenth of the traffic is told to
 * within a few thousandths. Past ROWS_READ (a calendar window of days) one of n parts is
 * read.
 *
 * For things of which a flow has two (hosts, networks) pairs are counted as well: only
 * they tell what two keys explain together, since their sum counts the flows between
 * them twice.
 */
#include "daemon/evidence/change_impl.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/top_impl.h"
#include "daemon/model/rows.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROWS_READ = 1 << 25, /* of the parts that are opened */
	ROWS_COUNTED = 1 << 17,
	ROWS_LEAST = 512, /* of a part, when rows are left out */
	KEYS_LEAST = 4096,
	ENTRY_OCTETS = 1024, /* of all tables, for a row that is new in all of them */
};
static const uint64_t memory_default = 32 << 20;
/* A flow that is told later than this after the stretch is not looked for. */
static const int64_t slack_ms = 2 * 3600 * 1000;

static const enum by dims[CHANGE_DIMS] = { BY_HOST,	 BY_PORT,     BY_AS,   BY_NETWORK,
					   BY_INTERFACE, BY_EXPORTER, BY_PROTO };

static uint32_t keys_max(const struct change_query *q)
{
	uint64_t n = (q->memory ? q->memory : memory_default) / ENTRY_OCTETS * 4;

	return n < KEYS_LEAST	      ? KEYS_LEAST
	       : n > 2 * ROWS_COUNTED ? 2 * ROWS_COUNTED
				      : (uint32_t)n;
}

void change_count_init(struct change_count *c, const struct change_query *q)
{
	*c = (struct change_count){ .q = q, .span_ms = q->to_ms - q->from_ms };
	for (unsigned i = 0; i < CHANGE_DIMS; i++) {
		size_t key = by_octets(dims[i]);

		c->dim[i].by = dims[i];
		map_init(&c->dim[i].keys, key, sizeof(struct tally), keys_max(q));
		map_init(&c->dim[i].edges, 2 * key, sizeof(struct tally), keys_max(q));
	}
}

void change_count_fini(struct change_count *c)
{
	for (unsigned i = 0; i < CHANGE_DIMS; i++) {
		map_fini(&c->dim[i].keys);
		map_fini(&c->dim[i].edges);
	}
}

struct picks { /* of one worker: rows of the part at hand, and what each counts */
	uint32_t row[PART_ROWS];
	uint64_t value[PART_ROWS];
	uint32_t n, rows;
	uint64_t sum; /* of all rows */
};

struct span {
	struct change_count *c;
	struct archive_query aq;
	uint64_t filter_columns,
	    light;	      /* columns for the size of a row and whether it counts */
	uint64_t rows, parts; /* of all */
	uint64_t every;	      /* part is read */
	uint32_t most;	      /* rows of a part */
	struct picks *picks;  /* by worker */
	pthread_mutex_t lock; /* of c and heard */
	bool before, heard;
};

/* ---- one row ---- */

static uint64_t weight(const struct span *s, const struct block *b, uint32_t r)
{
	struct sums sum = row_share(b, r, s->aq.from_ms, s->aq.to_ms);

	switch (measure_compared(&s->c->q->measure).kind) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return sum.packets;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS: return sum.flows;
	default: return sum.bytes;
	}
}

static void add(const struct span *s, struct tally *t, uint64_t v)
{
	*(s->before ? &t->before : &t->now) += v;
}

/* Ids of exporters hold in all stretches only where the asker knows them; AS 0 is none.
 */
static bool counts(const struct change_query *q, enum by by, const struct key *k)
{
	uint32_t id;

	memcpy(&id, k->b, sizeof(id));
	if (by == BY_AS)
		return id != 0;
	return (by != BY_EXPORTER && by != BY_INTERFACE) ||
	       (q->names && id < names_exporters(q->names));
}

static void count_keys(const struct span *s, struct change_dim *d, const struct key *keys,
		       unsigned n, uint64_t v)
{
	size_t octets = by_octets(d->by);
	uint8_t both[2 * sizeof(struct key)];
	bool turn = n > 1 && memcmp(keys[0].b, keys[1].b, octets) > 0;
	struct tally *t;

	for (unsigned i = 0; i < n; i++)
		if (counts(s->c->q, d->by, &keys[i]) &&
		    (t = map_put(&d->keys, keys[i].b, NULL)))
			add(s, t, v);
	if (n < 2)
		return;
	memcpy(both, keys[turn].b, octets);
	memcpy(both + octets, keys[!turn].b, octets);
	t = map_put(&d->edges, both, NULL);
	if (t)
		add(s, t, v);
}

static void count_row(const struct span *s, const struct block *b, uint32_t r, uint64_t v)
{
	struct change_count *c = s->c;
	struct key keys[ROW_KEYS];

	for (unsigned i = 0; v && i < CHANGE_DIMS; i++)
		count_keys(s, &c->dim[i], keys, row_keys(c->dim[i].by, b, r, keys), v);
}

/* ---- one part ---- */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number of the part's own, the same in every reading. */
static uint64_t seed_of(const struct part *p)
{
	const struct totals *t = part_totals(p);

	return mix((uint64_t)t->received_ms[0] + mix(t->bytes + mix(t->rows)));
}

static void narrow(const struct span *s, const struct block *b, uint64_t *bits)
{
	const struct change_query *q = s->c->q;

	rows_counted(q->only ? q->by : BY_NONE, s->filter_columns, b, bits);
	if (q->only)
		key_select(q->by, q->only, b, bits);
}

/* Whether the exporter that the series belongs to has sent anything at all: its silence
 * is no zero (D3). */
static bool hears(const struct span *s, struct part *p)
{
	const struct change_query *q = s->c->q;
	uint32_t id;

	if (!q->only || (q->by != BY_EXPORTER && q->by != BY_INTERFACE))
		return true;
	if (!part_load(p, UINT64_C(1) << F_exporter))
		return false;
	memcpy(&id, q->only->b, sizeof(id));
	for (uint32_t at = 0; at < part_rows(p); at += BLOCK_ROWS) {
		uint32_t left = part_rows(p) - at;
		uint32_t n = left < BLOCK_ROWS ? left : BLOCK_ROWS;
		const struct block *b = part_block(p, at, n);

		for (uint32_t r = 0; r < n; r++)
			if (b->exporter[r] == id)
				return true;
	}
	return false;
}

/* All rows that count, with their sizes. */
static void list_rows(const struct span *s, struct part *p, struct scan_rows *rows,
		      struct picks *k)
{
	k->n = 0;
	k->sum = 0;
	for (uint32_t from = 0, i = 0; from < part_rows(p); from += BLOCK_ROWS, i++) {
		uint32_t left = part_rows(p) - from;
		const struct block *b =
		    part_block(p, from, left < BLOCK_ROWS ? left : BLOCK_ROWS);

		narrow(s, b, rows->bits[i]);
		for (uint32_t w = 0; w * 64 < b->n; w++)
			for (uint64_t on = rows->bits[i][w]; on; on &= on - 1) {
				uint32_t r = w * 64 + (uint32_t)__builtin_ctzll(on);

				k->row[k->n] = from + r;
				k->value[k->n] = weight(s, b, r);
				k->sum += k->value[k->n++];
			}
	}
	k->rows = k->n;
}

/* Leaves about as many rows as are due. */
static void thin(const struct span *s, uint64_t seed, struct picks *k)
{
	uint64_t limit = k->sum / s->most + 1;
	uint32_t n = 0;

	if (k->n <= s->most)
		return;
	for (uint32_t i = 0; i < k->n; i++) {
		uint64_t v = k->value[i];

		if (v < limit && mix(seed + k->row[i]) % limit >= v)
			continue;
		k->row[n] = k->row[i];
		k->value[n++] = v < limit ? limit : v;
	}
	k->n = n;
}

/* Counts what was picked, with all the columns of those rows. False: damaged. */
static bool count_picks(struct span *s, struct part *p, const struct picks *k)
{
	const struct block *b = NULL;
	uint32_t from = UINT32_MAX;
	bool few = k->n <= SCAN_FEW, ok;

	if (few)
		b = part_pick(p, s->aq.columns, k->row, k->n);
	ok = few ? b || !k->n : part_load(p, s->aq.columns);
	pthread_mutex_lock(&s->lock);
	if (ok) {
		add(s, &s->c->total, k->sum * s->every);
		s->c->counted += k->n;
		s->c->seen += k->rows * s->every;
	}
	for (uint32_t i = 0; ok && i < k->n; i++) {
		uint32_t r = few ? i : k->row[i] % BLOCK_ROWS;
		uint32_t at = k->row[i] - k->row[i] % BLOCK_ROWS;

		if (!few && at != from) {
			uint32_t left = part_rows(p) - at;

			b = part_block(p, at, left < BLOCK_ROWS ? left : BLOCK_ROWS);
			from = at;
		}
		count_row(s, b, r, k->value[i] * s->every);
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static bool count_part(void *arg, unsigned worker, struct part *p, bool inside,
		       bool *damaged)
{
	struct span *s = arg;
	struct picks *k = &s->picks[worker];
	uint64_t seed = seed_of(p);
	struct scan_rows rows;
	bool heard;

	if (s->every > 1 && seed % s->every)
		return true;
	pthread_mutex_lock(&s->lock);
	heard = s->heard;
	pthread_mutex_unlock(&s->lock);
	if (!heard && hears(s, p)) {
		pthread_mutex_lock(&s->lock);
		s->heard = true;
		pthread_mutex_unlock(&s->lock);
	}
	*damaged = !scan_select(&s->aq, p, inside, &rows);
	if (*damaged || !rows.count)
		return true;
	*damaged = !part_load(p, s->light);
	if (*damaged)
		return true;
	list_rows(s, p, &rows, k);
	thin(s, seed, k);
	*damaged = !count_picks(s, p, k);
	return true;
}

/* ---- the whole ---- */

static bool measure_part(void *arg, unsigned worker, struct part *p, bool inside,
			 bool *damaged)
{
	struct span *s = arg;

	(void)worker;
	(void)inside;
	(void)damaged;
	s->rows += part_rows(p);
	s->parts++;
	return true;
}

static uint64_t columns_of(const enum field *f, size_t n)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++)
		bits |= UINT64_C(1) << f[i];
	return bits;
}

/* What it takes to know how large a row is, and whether it counts. */
static uint64_t light_columns(const struct change_query *q)
{
	static const enum field sizes[] = { F_start_ms, F_end_ms, F_bytes,
					    F_packets,	F_flows,  F_counts };

	return columns_of(sizes, ARRAY_LEN(sizes)) | (q->only ? top_by_columns(q->by) : 0) |
	       (q->filter ? filter_columns(q->filter) : 0);
}

static uint64_t all_columns(const struct change_query *q)
{
	uint64_t bits = light_columns(q);

	for (unsigned i = 0; i < CHANGE_DIMS; i++)
		bits |= top_by_columns(dims[i]);
	return bits;
}

/* How much of it is read and counted. */
static void set_due(struct span *s)
{
	uint64_t read_parts;

	s->every = s->rows / ROWS_READ + 1;
	read_parts = s->parts / s->every + 1;
	s->most = s->rows <= ROWS_COUNTED ? ROWS_COUNTED
					  : (uint32_t)(ROWS_COUNTED / read_parts);
	if (s->most < ROWS_LEAST)
		s->most = ROWS_LEAST;
}

static bool read_span(struct span *s, int64_t *oldest_ms, struct err *err)
{
	struct archive_result read;
	bool ok;

	s->aq.threads = 1;
	ok = scan_parts(&s->aq, NULL, measure_part, NULL, s, &read, err);
	*oldest_ms = read.oldest_ms;
	if (!ok || !s->rows || (s->before && read.oldest_ms > s->aq.from_ms))
		return ok;
	set_due(s);
	s->aq.threads = 0;
	s->picks = xcalloc(scan_threads(&s->aq), sizeof(*s->picks));
	ok = scan_parts(&s->aq, NULL, count_part, NULL, s, &read, err);
	free(s->picks);
	return ok;
}

bool change_count_span(struct change_count *c, int64_t from_ms, int64_t to_ms,
		       bool before, bool *there, struct err *err)
{
	const struct change_query *q = c->q;
	struct span s = { .c = c, .before = before, .light = light_columns(q) };
	bool ok;

	s.aq = (struct archive_query){ .directory = q->directory,
				       .from_ms = from_ms,
				       .to_ms = to_ms,
				       .filter = q->filter,
				       .columns = all_columns(q),
				       .names = q->names,
				       .as_of = q->as_of,
				       .slack_ms = slack_ms };
	s.filter_columns = q->filter ? filter_columns(q->filter) : 0;
	pthread_mutex_init(&s.lock, NULL);
	ok = read_span(&s, &c->oldest_ms, err);
	pthread_mutex_destroy(&s.lock);
	if (there)
		*there = s.heard;
	if (before && s.heard)
		c->before_ms += to_ms - from_ms;
	return ok;
}

static bool first_part(void *arg, unsigned worker, struct part *p, bool inside, bool *damaged)
{
	uint64_t *first = arg, low, high;

	(void)worker;
	(void)inside;
	(void)damaged;
	if (part_range(p, F_received_ms, &low, &high) && low < *first)
		*first = low;
	return true;
}

int64_t change_count_begun(const struct change_count *c, int64_t from_ms, int64_t to_ms)
{
	struct archive_query aq = { .directory = c->q->directory, .from_ms = from_ms,
				    .to_ms = to_ms, .columns = UINT64_C(1) << F_received_ms,
				    .as_of = c->q->as_of, .threads = 1 };
	uint64_t first = UINT64_MAX;
	struct archive_result read;
	struct err err;

	if (!scan_parts(&aq, NULL, first_part, NULL, &first, &read, &err) ||
	    first > (uint64_t)INT64_MAX || (int64_t)first < from_ms)
		return from_ms;
	return (int64_t)first;
}
