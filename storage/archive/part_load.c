/* part_load.c - whole columns of a part.
 * SPDX-License-Identifier: ISC
 *
 * One function for each form of a column (format.h). All differences and sums
 * are modulo 2^64, as the writer's.
 */
#include "storage/archive/part_impl.h"

#include <stdlib.h>

int part_parent(const struct part *p, uint8_t id)
{
	int f = id < p->columns->n ? p->columns->field[id] : -1;

	return f >= 0 && field_info[f].kind == KIND_ADDR && p->col[f].here ? f : -1;
}

/* The codes of a column's parent, which are read last: they come through the buffer that
 * the column itself was read from. */
static const uint32_t *parent_codes(struct part *p, struct in *r, int parent, int child)
{
	if (r->bad || in_left(r))
		return NULL;
	p->parent[child] = (int8_t)parent;
	if (!part_load_codes(p, parent))
		return NULL;
	*r = in_over(p->raw, 0);
	return p->codes[parent];
}

/* ---- columns of numbers ---- */

void part_store(uint8_t *to, unsigned width, uint32_t i, uint64_t v)
{
	switch (width) {
	case 1: to[i] = (uint8_t)v; break;
	case 2: ((uint16_t *)to)[i] = (uint16_t)v; break;
	case 4: ((uint32_t *)to)[i] = (uint32_t)v; break;
	default: ((uint64_t *)to)[i] = v;
	}
}

/* Widens ints (and ints2, the high halves, when not NULL) to the column. */
static void put_numbers(uint8_t *to, unsigned width, uint32_t n, uint64_t min,
			const uint32_t *lo, const uint32_t *hi)
{
	switch (hi ? 0 : width) {
	case 1:
		for (uint32_t i = 0; i < n; i++)
			to[i] = (uint8_t)(min + lo[i]);
		break;
	case 2:
		for (uint32_t i = 0; i < n; i++)
			((uint16_t *)to)[i] = (uint16_t)(min + lo[i]);
		break;
	case 4:
		for (uint32_t i = 0; i < n; i++)
			((uint32_t *)to)[i] = (uint32_t)(min + lo[i]);
		break;
	case 8:
		for (uint32_t i = 0; i < n; i++)
			((uint64_t *)to)[i] = min + lo[i];
		break;
	default:
		for (uint32_t i = 0; i < n; i++)
			part_store(to, width, i, min + (lo[i] | (uint64_t)hi[i] << 32));
	}
}

bool part_numbers(struct part *p, struct in *r, const struct section *s, uint32_t n,
		  const uint32_t **hi)
{
	*hi = NULL;
	if (!ints_read(p->unpacker, r, p->ints, n))
		return false;
	if (s->max - s->min <= UINT32_MAX)
		return true;
	*hi = p->ints2;
	return ints_read(p->unpacker, r, p->ints2, n);
}

static bool load_func(struct part *p, struct in *r, int f)
{
	const struct section *s = &p->col[f];
	int parent = part_parent(p, in_u8(r));
	const uint32_t *codes, *hi;
	unsigned width = field_info[f].width;

	if (parent < 0 || !part_numbers(p, r, s, p->n_addrs, &hi) ||
	    !(codes = parent_codes(p, r, parent, f)))
		return false;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t c = codes[i];

		part_store(p->data[f], width, i,
			   s->min + (p->ints[c] | (hi ? (uint64_t)hi[c] << 32 : 0)));
	}
	return true;
}

static bool load_delta(struct part *p, struct in *r, int f)
{
	uint64_t v = in_u64(r), step = in_u64(r);

	if (!ints_read(p->unpacker, r, p->ints, p->n))
		return false;
	for (uint32_t i = 0; i < p->n; i++)
		((uint64_t *)p->data[f])[i] = v += step + p->ints[i];
	return true;
}

/* Columns only refer to later ones, so this ends. */
static bool load_minus(struct part *p, struct in *r, int f)
{
	uint8_t id = in_u8(r);
	uint64_t step = in_u64(r);
	int other = id < p->columns->n ? p->columns->field[id] : -1;
	const uint64_t *w;

	if (other <= f || field_info[other].kind != KIND_TIME || !p->col[other].here ||
	    !ints_read(p->unpacker, r, p->ints2, p->n) || in_left(r))
		return false;
	/* The other one may use p->ints2 itself. */
	for (uint32_t i = 0; i < p->n; i++)
		((uint64_t *)p->data[f])[i] = p->ints2[i];
	if (!part_load_column(p, other))
		return false;
	*r = in_over(p->raw, 0);
	w = (const uint64_t *)p->data[other];
	for (uint32_t i = 0; i < p->n; i++)
		((uint64_t *)p->data[f])[i] = w[i] - (step + ((uint64_t *)p->data[f])[i]);
	return true;
}

static bool load_text_column(struct part *p, int f, const uint32_t *number)
{
	uint32_t *to = (uint32_t *)p->data[f];

	for (uint32_t i = 0; i < p->n; i++) {
		uint64_t v = p->col[f].min + number[i];

		if (v >= p->texts.min)
			return false;
		to[i] = p->text_at[v];
	}
	return true;
}

static bool load_numbers(struct part *p, struct in *r, int f)
{
	const struct section *s = &p->col[f];
	const uint32_t *hi = NULL;

	if (s->form == FORM_CONST)
		memset(p->ints, 0, p->n * sizeof(*p->ints));
	else if (!part_numbers(p, r, s, p->n, &hi))
		return false;
	if (field_info[f].kind == KIND_TEXT)
		return !hi && load_text_column(p, f, p->ints);
	put_numbers(p->data[f], field_info[f].width, p->n, s->min, p->ints, hi);
	return true;
}

bool part_exporters(const struct part *p, uint8_t *column, uint32_t n)
{
	uint32_t *id = (uint32_t *)column;

	for (uint32_t i = 0; i < n; i++) {
		if (id[i] >= p->ids->n)
			return false;
		id[i] = p->ids->ids[id[i]];
	}
	return true;
}

/* ---- address columns ---- */

static bool gather_addrs(struct part *p, int f, const uint32_t *codes)
{
	struct addr *to = (struct addr *)p->data[f];

	for (uint32_t i = 0; i < p->n; i++) {
		if (codes[i] >= p->n_addrs)
			return false;
		to[i] = p->list[codes[i]];
	}
	return true;
}

static bool load_dfunc(struct part *p, struct in *r, int f)
{
	int parent = part_parent(p, in_u8(r));
	const uint32_t *codes;

	if (parent < 0 || !ints_read(p->unpacker, r, p->ints, p->n_addrs) ||
	    !(codes = parent_codes(p, r, parent, f)))
		return false;
	for (uint32_t i = 0; i < p->n; i++)
		p->ints2[i] = p->ints[codes[i]];
	return gather_addrs(p, f, p->ints2);
}

static bool load_addr_column(struct part *p, int f)
{
	const struct section *s = &p->col[f];
	struct addr *to = (struct addr *)p->data[f];
	struct in r;

	switch (s->form) {
	case FORM_CONST:
		for (uint32_t i = 0; i < p->n; i++)
			to[i] = s->least;
		return true;
	case FORM_DICT:
		return part_load_addrs(p) && part_load_codes(p, f) &&
		       gather_addrs(p, f, p->codes[f]);
	case FORM_DFUNC:
		return part_load_addrs(p) && part_fetch(p, s, &r) &&
		       load_dfunc(p, &r, f) && !in_left(&r);
	case FORM_PLANES:
		return part_fetch(p, s, &r) && addrs_read(p->unpacker, &r, to, p->n) &&
		       !in_left(&r);
	default: return false;
	}
}

static bool load_number_column(struct part *p, int f)
{
	const struct section *s = &p->col[f];
	bool time = field_info[f].kind == KIND_TIME,
	     text = field_info[f].kind == KIND_TEXT;
	struct in r = { 0 };
	bool ok = false;

	if (text && !part_load_texts(p))
		return false;
	if (s->form != FORM_CONST && !part_fetch(p, s, &r))
		return false;
	switch (s->form) {
	case FORM_CONST:
	case FORM_INTS: ok = load_numbers(p, &r, f); break;
	case FORM_DELTA: ok = time && load_delta(p, &r, f); break;
	case FORM_MINUS: ok = time && load_minus(p, &r, f); break;
	case FORM_FUNC: ok = !text && load_func(p, &r, f); break;
	default: break;
	}
	if (!ok || r.bad || in_left(&r))
		return false;
	return f != F_exporter || part_exporters(p, p->data[f], p->n);
}

bool part_load_column(struct part *p, int f)
{
	bool ok;

	if (p->loaded >> f & 1)
		return true;
	if (!p->data[f])
		p->data[f] = xcalloc(PART_ROWS, field_info[f].width);
	ok = field_info[f].kind == KIND_ADDR ? load_addr_column(p, f)
					     : load_number_column(p, f);
	if (ok)
		p->loaded |= UINT64_C(1) << f;
	return ok;
}

bool part_load(struct part *p, uint64_t columns)
{
	for (columns &= p->here & ~p->loaded; columns; columns &= columns - 1)
		if (!part_load_column(p, __builtin_ctzll(columns)))
			return false;
	return true;
}
