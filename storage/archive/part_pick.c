/* part_pick.c - a few rows of a part.
 * SPDX-License-Identifier: ISC
 *
 * Most questions about one host find a handful of rows in 65,536. Packed
 * integers are read where they lie, planes are unpacked but not put together
 * for all; forms that only make sense as a whole are loaded and copied from.
 */
#include "storage/archive/part_impl.h"

#include <assert.h>
#include <string.h>

static bool pick_codes(struct part *p, int f, const uint32_t *rows, uint32_t k,
		       uint32_t *out)
{
	struct in r;

	if (p->have_codes >> f & 1) {
		for (uint32_t i = 0; i < k; i++)
			out[i] = p->codes[f][rows[i]];
		return true;
	}
	return p->col[f].here && p->col[f].form == FORM_DICT &&
	       part_fetch(p, &p->col[f], &r) &&
	       ints_pick(p->unpacker, &r, p->n, rows, k, out) && !in_left(&r) &&
	       part_all_below(out, k, p->n_addrs);
}

static bool pick_addrs(struct part *p, int f, const uint32_t *rows, uint32_t k)
{
	struct addr *to = (struct addr *)p->picked[f];

	if (!part_load_addrs(p) || !pick_codes(p, f, rows, k, p->ints))
		return false;
	for (uint32_t i = 0; i < k; i++)
		to[i] = p->list[p->ints[i]];
	return true;
}

static bool pick_ints(struct part *p, int f, const uint32_t *rows, uint32_t k)
{
	const struct section *s = &p->col[f];
	bool wide = s->max - s->min > UINT32_MAX, text = field_info[f].kind == KIND_TEXT;
	struct in r;

	if ((text && !part_load_texts(p)) || !part_fetch(p, s, &r) ||
	    !ints_pick(p->unpacker, &r, p->n, rows, k, p->ints) ||
	    (wide && !ints_pick(p->unpacker, &r, p->n, rows, k, p->ints2)) || in_left(&r))
		return false;
	for (uint32_t i = 0; i < k; i++) {
		uint64_t v =
		    s->min + (p->ints[i] | (wide ? (uint64_t)p->ints2[i] << 32 : 0));

		if (text && v >= p->texts.min)
			return false;
		part_store(p->picked[f], field_info[f].width, i,
			   text ? p->text_at[v] : v);
	}
	return f != F_exporter || part_exporters(p, p->picked[f], k);
}

static bool pick_const(struct part *p, int f, uint32_t k)
{
	const struct section *s = &p->col[f];

	for (uint32_t i = 0; i < k; i++)
		if (field_info[f].kind == KIND_ADDR)
			((struct addr *)p->picked[f])[i] = s->least;
		else
			part_store(p->picked[f], field_info[f].width, i, s->min);
	return f != F_exporter || part_exporters(p, p->picked[f], k);
}

/* What every address of the parent's has, and which of them the rows have. */
static bool pick_func(struct part *p, int f, const uint32_t *rows, uint32_t k)
{
	const struct section *s = &p->col[f];
	uint32_t *codes = p->picked_codes;
	const uint32_t *hi;
	int parent;
	struct in r;

	if (!part_fetch(p, s, &r))
		return false;
	parent = part_parent(p, in_u8(&r));
	if (parent < 0 || !part_numbers(p, &r, s, p->n_addrs, &hi) || in_left(&r) ||
	    !pick_codes(p, parent, rows, k, codes))
		return false;
	for (uint32_t i = 0; i < k; i++) {
		uint32_t c = codes[i];

		part_store(p->picked[f], field_info[f].width, i,
			   s->min + (p->ints[c] | (hi ? (uint64_t)hi[c] << 32 : 0)));
	}
	return f != F_exporter || part_exporters(p, p->picked[f], k);
}

static bool pick_column(struct part *p, int f, const uint32_t *rows, uint32_t k)
{
	enum column_form form = p->col[f].form;
	size_t width = field_info[f].width;

	if (!p->picked[f])
		p->picked[f] = xcalloc(BLOCK_ROWS, width);
	if (!(p->loaded >> f & 1)) {
		if (form == FORM_DICT && field_info[f].kind == KIND_ADDR)
			return pick_addrs(p, f, rows, k);
		if (form == FORM_INTS && field_info[f].kind != KIND_ADDR)
			return pick_ints(p, f, rows, k);
		if (form == FORM_FUNC && field_info[f].kind != KIND_ADDR &&
		    field_info[f].kind != KIND_TEXT)
			return pick_func(p, f, rows, k);
		if (form == FORM_CONST && field_info[f].kind != KIND_TEXT)
			return pick_const(p, f, k);
	}
	if (!part_load_column(p, f))
		return false;
	for (uint32_t i = 0; i < k; i++)
		memcpy(p->picked[f] + i * width, p->data[f] + rows[i] * width, width);
	return true;
}

const struct block *part_pick(struct part *p, uint64_t columns, const uint32_t *rows,
			      uint32_t k)
{
	struct block *b = &p->few;

	assert(k <= BLOCK_ROWS);
	columns &= p->here;
	for (uint64_t left = columns; left; left &= left - 1)
		if (!pick_column(p, __builtin_ctzll(left), rows, k))
			return NULL;
	*b = (struct block){ .n = k,
			     .used = columns,
			     .names = p->block.names,
			     .text = p->text,
			     .text_len = p->have_texts ? p->text_len : 0 };
	for (int f = 0; f < FIELD_COUNT; f++)
		*(void **)((char *)b + field_info[f].offset) =
		    columns >> f & 1 ? p->picked[f] : p->zeros;
	return b;
}
