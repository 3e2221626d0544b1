/* change_count.c - a stretch of the archive, counted by everything that could explain it.
 * SPDX-License-Identifier: ISC
 *
 * One reading counts all dimensions. What may be read is bounded, so that a busy hour
 * delays no alert: first the rows of all parts are added up from their heads, then one
 * of n parts is read, and of a part with many rows that pass one of m, each with the
 * weight of those it stands for. Which ones depends on the archive alone, so the
 * answer for a position stays what it was. Up to ROWS_READ flows in a stretch, of
 * which ROWS_COUNTED pass, nothing is left out and the figures are exact; beyond, a
 * key with a tenth of the traffic is told to within a few thousandths of it.
 *
 * For things of which a flow has two (hosts, networks) pairs are counted as well: only
 * they tell what two keys explain together, since their sum counts the flows between
 * them twice.
 */
#include "daemon/evidence/change_impl.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "storage/archive/scan.h"

#include <string.h>

enum {
	ROWS_READ = 1 << 20, /* of the parts that are opened */
	ROWS_COUNTED = 1 << 17,
	ROWS_LEAST = 1024, /* of a part, when rows are left out */
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

struct span {
	struct change_count *c;
	struct archive_query aq;
	uint64_t filter_columns;
	uint64_t rows, part; /* of all parts; number of the one that comes */
	uint64_t every;	     /* part is read */
	uint32_t most;	     /* rows of a part */
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

static void count_row(const struct span *s, const struct block *b, uint32_t r,
		      uint64_t times)
{
	struct change_count *c = s->c;
	uint64_t v = weight(s, b, r) * times;
	struct key keys[ROW_KEYS];

	c->counted++;
	add(s, &c->total, v);
	for (unsigned i = 0; v && i < CHANGE_DIMS; i++)
		count_keys(s, &c->dim[i], keys, row_keys(c->dim[i].by, b, r, keys), v);
}

/* ---- one part ---- */

static void narrow(const struct span *s, const struct block *b, uint64_t *bits)
{
	const struct change_query *q = s->c->q;

	rows_counted(q->only ? q->by : BY_NONE, s->filter_columns, b, bits);
	if (q->only)
		key_select(q->by, q->only, b, bits);
}

/* One of each `every` in a row, not always at the same place: what alternates (a flow,
 * its answer, a flow ...) must not be seen from one side only. */
static bool chosen(uint64_t at, uint64_t every)
{
	uint64_t z = (at / every + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return every == 1 || at % every == (z ^ (z >> 31)) % every;
}

/* Counts one of so many rows; *at goes on from block to block. */
static void count_block(const struct span *s, const struct block *b, uint64_t *bits,
			uint64_t every, uint64_t *at)
{
	narrow(s, b, bits);
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1, ++*at) {
			s->c->seen += s->every;
			if (chosen(*at, every))
				count_row(s, b, w * 64 + (uint32_t)__builtin_ctzll(left),
					  every * s->every);
		}
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
		uint32_t n =
		    part_rows(p) - at < BLOCK_ROWS ? part_rows(p) - at : BLOCK_ROWS;
		const struct block *b = part_block(p, at, n);

		for (uint32_t r = 0; r < n; r++)
			if (b->exporter[r] == id)
				return true;
	}
	return false;
}

static bool count_picked(struct span *s, struct part *p, const uint32_t *rows, uint32_t n)
{
	uint64_t bits[FILTER_WORDS] = { 0 }, at = 0;
	const struct block *b = part_pick(p, s->aq.columns, rows, n);

	for (uint32_t i = 0; i < n; i++)
		bits[i / 64] |= UINT64_C(1) << i % 64;
	if (b)
		count_block(s, b, bits, 1, &at);
	return b != NULL;
}

static bool count_part(void *arg, unsigned worker, struct part *p, bool inside,
		       bool *damaged)
{
	struct span *s = arg;
	uint64_t every, at = 0;
	uint32_t few[SCAN_FEW];
	struct scan_rows rows;

	(void)worker;
	if (!chosen(s->part++, s->every))
		return true;
	if (!s->heard)
		s->heard = hears(s, p);
	*damaged = !scan_select(&s->aq, p, inside, &rows);
	if (*damaged || !rows.count)
		return true;
	if (scan_few(&rows, few)) {
		*damaged = !count_picked(s, p, few, rows.count);
		return true;
	}
	*damaged = !part_load(p, s->aq.columns);
	every = (rows.count + s->most - 1) / s->most;
	for (uint32_t i = 0; !*damaged && i * BLOCK_ROWS < part_rows(p); i++) {
		uint32_t from = i * BLOCK_ROWS, left = part_rows(p) - from;

		count_block(s, part_block(p, from, left < BLOCK_ROWS ? left : BLOCK_ROWS),
			    rows.bits[i], every, &at);
	}
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
	s->part++;
	return true;
}

static uint64_t columns(const struct filter *f)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_bytes,    F_packets,
					   F_flows,    F_counts, F_exporter, F_in_if,
					   F_out_if,   F_src,	 F_dst,	     F_src_port,
					   F_dst_port, F_proto,	 F_src_as,   F_dst_as,
					   F_vlan,     F_app };
	uint64_t bits = f ? filter_columns(f) : 0;

	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		bits |= UINT64_C(1) << used[i];
	return bits;
}

bool change_count_span(struct change_count *c, int64_t from_ms, int64_t to_ms,
		       bool before, bool *there, struct err *err)
{
	const struct change_query *q = c->q;
	struct archive_result read;
	struct span s = { .c = c, .before = before };
	uint64_t read_parts;

	s.aq = (struct archive_query){ .directory = q->directory,
				       .from_ms = from_ms,
				       .to_ms = to_ms,
				       .filter = q->filter,
				       .columns = columns(q->filter),
				       .names = q->names,
				       .as_of = q->as_of,
				       .slack_ms = slack_ms,
				       .threads = 1 };
	s.filter_columns = q->filter ? filter_columns(q->filter) : 0;
	if (!scan_parts(&s.aq, NULL, measure_part, NULL, &s, &read, err))
		return false;
	c->oldest_ms = read.oldest_ms;
	if (there)
		*there = false;
	if (!s.rows || (before && read.oldest_ms > from_ms))
		return true;
	s.every = s.rows / ROWS_READ + 1;
	read_parts = s.part / s.every + 1;
	s.most = ROWS_COUNTED / read_parts > ROWS_LEAST
		     ? (uint32_t)(ROWS_COUNTED / read_parts)
		     : ROWS_LEAST;
	if (read_parts == 1 || s.rows <= ROWS_COUNTED)
		s.most = ROWS_COUNTED;
	s.part = 0;
	if (!scan_parts(&s.aq, NULL, count_part, NULL, &s, &read, err))
		return false;
	if (there)
		*there = s.heard;
	if (before && s.heard)
		c->before_ms += to_ms - from_ms;
	return true;
}
