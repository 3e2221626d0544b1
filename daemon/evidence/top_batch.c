/* top_batch.c - rows counted by any keys, some dozens at a time.
 * SPDX-License-Identifier: ISC
 *
 * A row's place in a large table is not in the processor's cache. So keys of a batch are
 * made first, column by column, then hashed and their places asked for, and only then
 * added to: memory is waited for once instead of each time.
 *
 * Keys of several choices (a host is source or destination, a country is looked up) are
 * made row by row by top_keys_of(), which also says what all the others mean.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/model/rows.h"

#include <string.h>

/* ---- a key from columns ---- */

struct piece { /* of a key: a cell, zeros behind it up to `octets` */
	enum field field;
	uint8_t at;
};

enum { PIECES = 2 * TOP_KEYS };

/* The column that a grouping is made of, as row_keys() does; -1: not of one alone. */
static int column_of(enum by by)
{
	switch (by) {
	case BY_EXPORTER: return F_exporter;
	case BY_SRC: return F_src;
	case BY_DST: return F_dst;
	case BY_SRC_AS: return F_src_as;
	case BY_DST_AS: return F_dst_as;
	case BY_SRC_PORT: return F_src_port;
	case BY_DST_PORT: return F_dst_port;
	case BY_PROTO: return F_proto;
	case BY_VLAN: return F_vlan;
	case BY_APP: return F_app;
	default: return -1;
	}
}

/* Groupings make numbers of 32 bits, in the machine's order, of smaller cells. */
static unsigned skip(const struct top_key *k, int f)
{
	bool last = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	return last && !k->is_field && field_info[f].width < 4 ? 4u - field_info[f].width : 0;
}

/* How many pieces; 0: such keys are made row by row. */
static unsigned pieces_of(const struct top_shape *s, struct piece out[static PIECES])
{
	unsigned n = 0;

	if (s->both_ways)
		return 0;
	for (unsigned i = 0; i < s->n; i++) {
		const struct top_key *k = &s->key[i];
		int f = k->is_field ? (int)k->field : k->country ? -1 : column_of(k->by);

		if (!k->country && !k->is_field && k->by == BY_PAIR) {
			out[n++] = (struct piece){ F_src, s->at[i] };
			out[n++] = (struct piece){ F_dst, (uint8_t)(s->at[i] + 16) };
			continue;
		}
		if (f < 0 || field_info[f].kind == KIND_TEXT)
			return 0;
		out[n++] = (struct piece){ (enum field)f, (uint8_t)(s->at[i] + skip(k, f)) };
	}
	return n;
}

static inline __attribute__((always_inline)) void
copy(struct top_batch *k, size_t stride, const uint8_t *col, size_t at, size_t width)
{
	uint8_t *to = k->keys + at;

	for (uint32_t i = 0; i < k->n; i++, to += stride)
		memcpy(to, col + k->row[i] * width, width);
}

static void copy_column(struct top_batch *k, size_t stride, const uint8_t *col, size_t at,
			size_t width)
{
	switch (width) {
	case 1: copy(k, stride, col, at, 1); break;
	case 2: copy(k, stride, col, at, 2); break;
	case 4: copy(k, stride, col, at, 4); break;
	case 8: copy(k, stride, col, at, 8); break;
	default: copy(k, stride, col, at, 16);
	}
}

static void by_columns(const struct top_shape *s, const struct block *b,
		       struct top_batch *k, const struct piece *piece, unsigned n)
{
	memset(k->keys, 0, (size_t)k->n * s->size);
	for (unsigned i = 0; i < n; i++)
		copy_column(k, s->size, block_cell(b, piece[i].field, 0), piece[i].at,
			    field_info[piece[i].field].width);
	for (uint32_t i = 0; i < k->n; i++)
		k->of[i] = (uint8_t)i;
	k->n_keys = k->n;
}

static void by_rows(const struct top *t, const struct block *b, struct top_batch *k)
{
	uint8_t keys[ROW_KEYS][TOP_KEY_OCTETS];
	size_t size = t->shape.size;

	k->n_keys = 0;
	for (uint32_t i = 0; i < k->n; i++) {
		unsigned n = top_keys_of(&t->shape, b, k->row[i], keys);

		for (unsigned j = 0; j < n; j++) {
			if (t->q->among && !map_get(t->q->among, keys[j]))
				continue;
			memcpy(k->keys + k->n_keys * size, keys[j], size);
			k->of[k->n_keys++] = (uint8_t)i;
		}
	}
}

/* ---- into the table ---- */

static bool mine(const struct top *t, uint64_t hash)
{
	return t->lots == 1 || (hash >> 20) % t->lots == t->lot;
}

struct sums *top_put(struct top *t, struct top_worker *w, const void *key, uint64_t hash,
		     const struct sums *s)
{
	struct sums *to = NULL;

	if (t->known_only)
		to = map_get_hashed(&w->map, key, hash);
	else if (t->heavy ? top_cells_heavy(t, hash) : mine(t, hash)) {
		to = w->cells ? NULL : map_put_hashed(&w->map, key, hash, NULL);
		if (!to && !w->cells && t->may_spill)
			top_cells_spill(t, w);
		if (w->cells)
			top_cells_add(t, w, hash, s);
		w->full |= !to && !w->cells;
	}
	if (to)
		sums_add(to, s);
	return to;
}

static void put_all(struct top *t, struct top_worker *w)
{
	struct top_batch *k = &w->batch;
	size_t size = t->shape.size;

	for (uint32_t i = 0; i < k->n_keys; i++) {
		k->hash[i] = map_hash(k->keys + i * size, size);
		if (w->cells)
			__builtin_prefetch(&w->cells[top_cell_of(t, k->hash[i])], 1);
		else if (!t->heavy || top_cells_heavy(t, k->hash[i]))
			map_prefetch(&w->map, k->hash[i]);
	}
	for (uint32_t i = 0; i < k->n_keys; i++)
		top_put(t, w, k->keys + i * size, k->hash[i], &k->sums[k->of[i]]);
}

static void flush(struct top *t, struct top_worker *w, const struct block *b, bool inside,
		  const struct piece *piece, unsigned n)
{
	struct top_batch *k = &w->batch;

	for (uint32_t i = 0; i < k->n; i++) {
		k->sums[i] = top_row_sums(t, b, k->row[i], inside);
		sums_add(&w->total, &k->sums[i]);
	}
	if (n)
		by_columns(&t->shape, b, k, piece, n);
	else if (t->shape.n)
		by_rows(t, b, k);
	if (t->shape.n)
		put_all(t, w);
	k->n = 0;
}

void top_count_rows(struct top *t, struct top_worker *w, const struct block *b,
		    const uint64_t *bits, bool inside)
{
	struct top_batch *k = &w->batch;
	struct piece piece[PIECES];
	unsigned n = t->q->among ? 0 : pieces_of(&t->shape, piece);

	k->n = 0;
	for (uint32_t i = 0; i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			k->row[k->n++] = i * 64 + (uint32_t)__builtin_ctzll(left);
			if (k->n == TOP_BATCH)
				flush(t, w, b, inside, piece, n);
		}
	flush(t, w, b, inside, piece, n);
}
