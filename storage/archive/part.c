/* part.c - one FLOWS frame, read column by column.
 * SPDX-License-Identifier: ISC
 *
 * Nothing in a file is believed: lengths are held against what is there, each
 * section against its checksum before it is unpacked, numbers against the lists
 * they point into. Whatever does not fit makes the whole part damaged, because
 * rows with one wrong column are wrong rows.
 *
 * This file opens parts and their sections; part_load.c unpacks whole columns into
 * arrays, which blocks of BLOCK_ROWS then point into (what is not loaded points to one
 * array of zeros); part_pick.c gets a few rows out with less work.
 */
#include "storage/archive/part_impl.h"

#include <stdlib.h>

bool columns_read(struct in *r, struct columns *c)
{
	c->n = in_u8(r);
	memset(c->field, -1, sizeof(c->field));
	for (unsigned i = 0; i < c->n; i++) {
		uint8_t kind = in_u8(r);
		char name[64];
		int f;

		in_text(r, name, sizeof(name));
		f = field_find(name);
		c->is_addr[i] = kind == KIND_ADDR;
		if (f >= 0 && field_info[f].kind == kind)
			c->field[i] = (int8_t)f;
	}
	return !r->bad && c->n <= FIELDS;
}

struct part *part_new(void)
{
	struct part *p = xcalloc(1, sizeof(*p));

	p->unpacker = unpacker_new();
	p->list = xcalloc(PART_ROWS, sizeof(*p->list));
	p->ints = xcalloc(PART_ROWS, sizeof(*p->ints));
	p->ints2 = xcalloc(PART_ROWS, sizeof(*p->ints2));
	p->zeros = xcalloc(BLOCK_ROWS, sizeof(struct addr));
	return p;
}

void part_free(struct part **pp)
{
	struct part *p = *pp;

	if (!p)
		return;
	for (int f = 0; f < FIELDS; f++) {
		free(p->data[f]);
		free(p->codes[f]);
		free(p->small[f]);
		free(p->picked[f]);
	}
	unpacker_free(&p->unpacker);
	free(p->raw);
	free(p->list);
	free(p->text);
	free(p->text_at);
	free(p->ints);
	free(p->ints2);
	free(p->zeros);
	free(p->pass);
	free(p);
	*pp = NULL;
}

/* ---- the directory ---- */

static bool read_section(struct part *p, struct in *r, uint32_t *at)
{
	uint8_t id = in_u8(r), form = in_u8(r);
	int f = id < FIELDS ? p->columns->field[id] : -1;
	struct section s = { .here = true, .form = form }, *to = NULL;

	if (id < FIELDS && id >= p->columns->n)
		return false;
	if (id == SECTION_ADDRS) {
		s.min = in_varint(r);
		to = &p->addrs;
	} else if (id == SECTION_TEXTS) {
		s.min = in_varint(r);
		s.max = in_varint(r);
		to = &p->texts;
	} else if (id >= FIELDS) {
		return false;
	} else if (p->columns->is_addr[id]) {
		const uint8_t *a = in_bytes(r, sizeof(s.least) + sizeof(s.most));

		if (a) {
			memcpy(&s.least, a, sizeof(s.least));
			memcpy(&s.most, a + sizeof(s.least), sizeof(s.most));
		}
	} else {
		s.min = in_varint(r);
		s.max = s.min + in_varint(r);
	}
	if (form != FORM_CONST) {
		s.at = *at;
		s.len = in_u32(r);
		s.sum = in_u32(r);
		if (s.len > p->body_len - *at)
			return false;
		*at += s.len;
	}
	if (id < FIELDS && f >= 0)
		to = &p->col[f];
	if (to && to->here)
		return false;
	if (to)
		*to = s;
	if (f >= 0 && id < FIELDS)
		p->here |= UINT64_C(1) << f;
	return !r->bad;
}

bool part_open(struct part *p, int fd, uint64_t at, const struct frame *f,
	       const uint8_t *head, const struct columns *c, const struct file_names *ids,
	       const struct names *names)
{
	struct in r = in_over(head, f->head_len);
	uint32_t used = 0;
	unsigned sections;
	uint32_t ordinal;

	p->fd = fd;
	p->body_at = at + FRAME_HEADER + f->head_len;
	p->body_len = f->body_len;
	p->n = f->rows;
	p->columns = c;
	p->ids = ids;
	p->here = p->loaded = p->have_codes = p->have_small = 0;
	p->have_addrs = p->have_texts = p->have_pass = false;
	p->text_len = 0;
	memset(p->col, 0, sizeof(p->col));
	memset(&p->addrs, 0, sizeof(p->addrs));
	memset(&p->texts, 0, sizeof(p->texts));
	p->block = (struct block){ .names = names };
	totals_read(&r, &p->totals);
	ordinal = in_u32(&r);
	sections = in_u8(&r);
	if (r.bad || !f->rows || f->rows != p->totals.rows ||
	    (uint32_t)ids->ordinal != ordinal)
		return false;
	while (sections--)
		if (!read_section(p, &r, &used))
			return false;
	p->n_addrs = (uint32_t)p->addrs.min;
	return !in_left(&r) && used == f->body_len && p->addrs.min <= PART_ROWS &&
	       p->texts.min <= p->texts.max && p->texts.max <= 2 * TEXTS_MAX;
}

uint32_t part_rows(const struct part *p)
{
	return p->n;
}

const struct totals *part_totals(const struct part *p)
{
	return &p->totals;
}

bool part_range(const struct part *p, enum field f, uint64_t *min, uint64_t *max)
{
	enum field_kind kind = field_info[f].kind;

	/* Exporters and texts are numbers of the file's own there. */
	if (kind == KIND_ADDR || kind == KIND_TEXT || f == F_exporter)
		return false;
	*min = p->col[f].min;
	*max = p->col[f].max;
	return true;
}

/* ---- sections ---- */

bool part_fetch(struct part *p, const struct section *s, struct in *r)
{
	if (s->len + SLACK > p->raw_cap) {
		p->raw_cap = s->len + s->len / 4 + SLACK;
		free(p->raw);
		p->raw = xcalloc(1, p->raw_cap);
	}
	*r = in_over(p->raw, s->len);
	return read_at(p->fd, p->raw, s->len, p->body_at + s->at) &&
	       body_sum(p->raw, s->len) == s->sum;
}

bool part_load_addrs(struct part *p)
{
	struct in r;

	if (p->have_addrs)
		return true;
	p->have_addrs = p->addrs.here && part_fetch(p, &p->addrs, &r) &&
			addrs_read(p->unpacker, &r, p->list, p->n_addrs) && !in_left(&r);
	return p->have_addrs;
}

bool part_load_texts(struct part *p)
{
	uint32_t n = (uint32_t)p->texts.min, len = (uint32_t)p->texts.max, at = 0;
	struct in r;

	if (p->have_texts)
		return true;
	if (!p->texts.here || !n || !part_fetch(p, &p->texts, &r))
		return false;
	free(p->text);
	free(p->text_at);
	p->text = xcalloc(1, (size_t)len + 1);
	p->text_at = xcalloc(n, sizeof(*p->text_at));
	if (!plane_read(p->unpacker, &r, (uint8_t *)p->text, len) || in_left(&r))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (at >= len)
			return false;
		p->text_at[i] = at;
		at += (uint32_t)strlen(p->text + at) + 1;
	}
	p->text_len = len;
	p->have_texts = at == len && !p->text[0];
	return p->have_texts;
}

/* Whether all codes are less than n; four at a time, since each waits for no other. */
bool part_all_below(const uint32_t *codes, uint32_t rows, uint32_t n)
{
	bool bad[4] = { false, false, false, false };
	uint32_t i = 0;

	for (; i + 4 <= rows; i += 4)
		for (unsigned k = 0; k < 4; k++)
			bad[k] |= codes[i + k] >= n;
	for (; i < rows; i++)
		bad[0] |= codes[i] >= n;
	return !(bad[0] | bad[1] | bad[2] | bad[3]);
}

/* Codes of an address column in form DICT. */
bool part_load_codes(struct part *p, int f)
{
	struct in r;

	if (p->have_codes >> f & 1)
		return true;
	if (p->col[f].form != FORM_DICT || !p->col[f].here)
		return false;
	if (!p->codes[f])
		p->codes[f] = xcalloc(PART_ROWS, sizeof(**p->codes));
	if (!part_fetch(p, &p->col[f], &r) ||
	    !ints_read(p->unpacker, &r, p->codes[f], p->n) || in_left(&r) ||
	    !part_all_below(p->codes[f], p->n, p->n_addrs))
		return false;
	p->have_codes |= UINT64_C(1) << f;
	return true;
}

const void *part_column(const struct part *p, enum field f)
{
	return p->loaded >> f & 1 ? p->data[f] : NULL;
}

bool part_ints(struct part *p, enum field f, const uint32_t **v, uint64_t *min)
{
	const struct section *s = &p->col[f];
	struct in r;

	*v = NULL;
	*min = s->min;
	if (!s->here || s->form == FORM_CONST)
		return true;
	if (s->form != FORM_INTS || s->max - s->min > UINT32_MAX)
		return false;
	if (!p->small[f])
		p->small[f] = xcalloc(PART_ROWS, sizeof(**p->small));
	if (!(p->have_small >> f & 1) &&
	    (!part_fetch(p, s, &r) || !ints_read(p->unpacker, &r, p->small[f], p->n) ||
	     in_left(&r)))
		return false;
	p->have_small |= UINT64_C(1) << f;
	*v = p->small[f];
	return true;
}

bool part_follows(const struct part *p, enum field f, enum field parent)
{
	const struct section *s = &p->col[f];

	return !s->here || s->form == FORM_CONST ||
	       (s->form == FORM_FUNC && p->loaded >> f & 1 && p->parent[f] == (int)parent);
}

const struct block *part_block(struct part *p, uint32_t at, uint32_t n)
{
	struct block *b = &p->block;

	b->n = n;
	b->used = p->loaded;
	b->text = p->text;
	b->text_len = p->have_texts ? p->text_len : 0;
	for (int f = 0; f < FIELD_COUNT; f++) {
		uint8_t *col = p->zeros;

		if (p->loaded >> f & 1)
			col = p->data[f] + (size_t)at * field_info[f].width;
		*(void **)((char *)b + field_info[f].offset) = col;
	}
	return b;
}

const uint32_t *part_codes(struct part *p, enum field f, const struct addr **list,
			   uint32_t *n, bool *damaged)
{
	*damaged = false;
	if (!p->col[f].here || p->col[f].form != FORM_DICT)
		return NULL;
	if (!part_load_addrs(p) || !part_load_codes(p, (int)f)) {
		*damaged = true;
		return NULL;
	}
	*list = p->list;
	*n = p->n_addrs;
	return p->codes[f];
}

const uint8_t *part_pass(struct part *p, enum field f, const struct filter *filter)
{
	uint64_t bits[FILTER_WORDS];
	const struct addr *list;
	uint32_t n;
	bool damaged;

	if (!part_codes(p, f, &list, &n, &damaged))
		return NULL;
	if (p->have_pass)
		return p->pass;
	if (!p->pass)
		p->pass = xcalloc(PART_ROWS, 1);
	for (uint32_t at = 0; at < n; at += BLOCK_ROWS) {
		struct block b =
		    *part_block(p, 0, n - at < BLOCK_ROWS ? n - at : BLOCK_ROWS);

		for (int c = 0; c < FIELD_COUNT; c++)
			*(void **)((char *)&b + field_info[c].offset) = p->zeros;
		*(void **)((char *)&b + field_info[f].offset) = p->list + at;
		b.used = UINT64_C(1) << f;
		filter_run(filter, &b, bits);
		for (uint32_t i = 0; i < b.n; i++)
			p->pass[at + i] = bits[i / 64] >> (i % 64) & 1;
	}
	p->have_pass = true;
	return p->pass;
}

/* ---- what cannot be in it ---- */

static int cmp_prefix(const struct addr *a, const struct prefix *x)
{
	unsigned whole = x->bits / 8, rest = x->bits % 8;
	int c = memcmp(a->b, x->addr.b, whole);
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (c || !rest)
		return c;
	return (a->b[whole] & mask) - (x->addr.b[whole] & mask);
}

bool part_may_have(struct part *p, enum field f, const struct prefix *x)
{
	const struct section *s = &p->col[f];
	uint32_t lo = 0, hi = p->n_addrs;

	if (!s->here) {
		static const struct addr none;
		return cmp_prefix(&none, x) == 0;
	}
	if (cmp_prefix(&s->most, x) < 0 || cmp_prefix(&s->least, x) > 0)
		return false;
	if (s->form != FORM_DICT || !part_load_addrs(p))
		return true;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (cmp_prefix(&p->list[mid], x) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n_addrs && cmp_prefix(&p->list[lo], x) == 0;
}
