/* part.c - one FLOWS frame, read column by column.
 * SPDX-License-Identifier: ISC
 *
 * Nothing in a file is believed: lengths are held against what is there, each
 * section against its checksum before it is unpacked, numbers against the lists
 * they point into. Whatever does not fit makes the whole part damaged, because
 * rows with one wrong column are wrong rows.
 *
 * Columns unpack into arrays for the whole part, which blocks of BLOCK_ROWS
 * then point into. Columns that are not loaded point to one array of zeros.
 */
#include "storage/archive/part.h"

#include "storage/archive/addrs.h"

#include <assert.h>
#include <stdlib.h>

enum { SLACK = 8, FIELDS = 64 };

struct section {
	bool here;
	uint8_t form;
	uint64_t min, max;       /* numbers; SECTION_TEXTS: texts, octets */
	struct addr least, most; /* address columns */
	uint32_t at, len, sum;   /* in the body */
};

struct part {
	int fd;
	uint64_t body_at; /* in the file */
	uint32_t n, body_len;
	struct totals totals;
	const struct columns *columns;
	const struct file_names *ids;
	struct section col[FIELDS], addrs, texts;
	uint32_t n_addrs;
	uint64_t here, loaded;  /* columns */
	uint64_t have_codes, have_small;
	bool have_addrs, have_texts, have_pass;
	uint8_t *pass; /* by code */
	struct unpacker *unpacker;
	uint8_t *raw;           /* a section */
	size_t raw_cap;
	uint8_t *data[FIELDS];  /* PART_ROWS each, from first use */
	uint32_t *codes[FIELDS];
	uint32_t *small[FIELDS]; /* what part_ints() lends */
	struct addr *list;      /* the dictionary */
	char *text;
	uint32_t text_len, *text_at;
	uint32_t *ints, *ints2; /* PART_ROWS each */
	uint8_t *zeros;
	struct block block;
	uint8_t *picked[FIELDS]; /* BLOCK_ROWS each */
	struct block few;
};

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
	if (r.bad || !f->rows || f->rows != p->totals.rows || (uint32_t)ids->ordinal != ordinal)
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

static bool fetch(struct part *p, const struct section *s, struct in *r)
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

static bool load_addrs(struct part *p)
{
	struct in r;

	if (p->have_addrs)
		return true;
	p->have_addrs = p->addrs.here && fetch(p, &p->addrs, &r) &&
			addrs_read(p->unpacker, &r, p->list, p->n_addrs) && !in_left(&r);
	return p->have_addrs;
}

static bool load_texts(struct part *p)
{
	uint32_t n = (uint32_t)p->texts.min, len = (uint32_t)p->texts.max, at = 0;
	struct in r;

	if (p->have_texts)
		return true;
	if (!p->texts.here || !n || !fetch(p, &p->texts, &r))
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
static bool all_below(const uint32_t *codes, uint32_t rows, uint32_t n)
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
static bool load_codes(struct part *p, int f)
{
	struct in r;

	if (p->have_codes >> f & 1)
		return true;
	if (p->col[f].form != FORM_DICT || !p->col[f].here)
		return false;
	if (!p->codes[f])
		p->codes[f] = xcalloc(PART_ROWS, sizeof(**p->codes));
	if (!fetch(p, &p->col[f], &r) || !ints_read(p->unpacker, &r, p->codes[f], p->n) ||
	    in_left(&r) || !all_below(p->codes[f], p->n, p->n_addrs))
		return false;
	p->have_codes |= UINT64_C(1) << f;
	return true;
}

/* The parent's codes that a FUNC column names in its first octet. */
static const uint32_t *parent_codes(struct part *p, struct in *r)
{
	uint8_t id = in_u8(r);
	int f = id < p->columns->n ? p->columns->field[id] : -1;
	struct in keep = *r;
	uint8_t *mine;
	size_t cap = p->raw_cap;

	if (f < 0 || field_info[f].kind != KIND_ADDR || !p->col[f].here)
		return NULL;
	if (p->have_codes >> f & 1)
		return p->codes[f];
	/* The buffer of sections is in use: lend load_codes() another one. */
	mine = p->raw;
	p->raw = NULL;
	p->raw_cap = 0;
	if (!load_codes(p, f))
		f = -1;
	free(p->raw);
	p->raw = mine;
	p->raw_cap = cap;
	*r = keep;
	return f < 0 ? NULL : p->codes[f];
}

/* ---- columns of numbers ---- */

static void store(uint8_t *to, unsigned width, uint32_t i, uint64_t v)
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
			store(to, width, i, min + (lo[i] | (uint64_t)hi[i] << 32));
	}
}

/* One list of ints or two. */
static bool read_numbers(struct part *p, struct in *r, const struct section *s, uint32_t n,
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
	const uint32_t *codes = parent_codes(p, r), *hi;
	unsigned width = field_info[f].width;

	if (!codes || !read_numbers(p, r, s, p->n_addrs, &hi))
		return false;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t c = codes[i];

		store(p->data[f], width, i,
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

static bool load_column(struct part *p, int f);

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
	if (!load_column(p, other))
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
	else if (!read_numbers(p, r, s, p->n, &hi))
		return false;
	if (field_info[f].kind == KIND_TEXT)
		return !hi && load_text_column(p, f, p->ints);
	put_numbers(p->data[f], field_info[f].width, p->n, s->min, p->ints, hi);
	return true;
}

static bool load_exporters(struct part *p)
{
	uint32_t *id = (uint32_t *)p->data[F_exporter];

	for (uint32_t i = 0; i < p->n; i++) {
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
	const uint32_t *codes = parent_codes(p, r);

	if (!codes || !ints_read(p->unpacker, r, p->ints, p->n_addrs))
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
		return load_addrs(p) && load_codes(p, f) && gather_addrs(p, f, p->codes[f]);
	case FORM_DFUNC:
		return load_addrs(p) && fetch(p, s, &r) && load_dfunc(p, &r, f) &&
		       !in_left(&r);
	case FORM_PLANES:
		return fetch(p, s, &r) && addrs_read(p->unpacker, &r, to, p->n) &&
		       !in_left(&r);
	default: return false;
	}
}

static bool load_number_column(struct part *p, int f)
{
	const struct section *s = &p->col[f];
	bool time = field_info[f].kind == KIND_TIME, text = field_info[f].kind == KIND_TEXT;
	struct in r = { 0 };
	bool ok = false;

	if (text && !load_texts(p))
		return false;
	if (s->form != FORM_CONST && !fetch(p, s, &r))
		return false;
	switch (s->form) {
	case FORM_CONST:
	case FORM_INTS: ok = load_numbers(p, &r, f); break;
	case FORM_DELTA: ok = time && load_delta(p, &r, f); break;
	case FORM_MINUS: ok = time && load_minus(p, &r, f); break;
	case FORM_FUNC: ok = !text && load_func(p, &r, f); break;
	default: break;
	}
	return ok && !r.bad && !in_left(&r) && (f != F_exporter || load_exporters(p));
}

static bool load_column(struct part *p, int f)
{
	bool ok;

	if (p->loaded >> f & 1)
		return true;
	if (!p->data[f])
		p->data[f] = xcalloc(PART_ROWS, field_info[f].width);
	ok = field_info[f].kind == KIND_ADDR ? load_addr_column(p, f) :
					       load_number_column(p, f);
	if (ok)
		p->loaded |= UINT64_C(1) << f;
	return ok;
}

bool part_load(struct part *p, uint64_t columns)
{
	for (columns &= p->here & ~p->loaded; columns; columns &= columns - 1)
		if (!load_column(p, __builtin_ctzll(columns)))
			return false;
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
	    (!fetch(p, s, &r) || !ints_read(p->unpacker, &r, p->small[f], p->n) ||
	     in_left(&r)))
		return false;
	p->have_small |= UINT64_C(1) << f;
	*v = p->small[f];
	return true;
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
	if (!load_addrs(p) || !load_codes(p, (int)f)) {
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
		struct block b = *part_block(p, 0, n - at < BLOCK_ROWS ? n - at : BLOCK_ROWS);

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

/* ---- a few rows ---- */

static bool pick_codes(struct part *p, int f, const uint32_t *rows, uint32_t k, uint32_t *out)
{
	struct in r;

	if (p->have_codes >> f & 1) {
		for (uint32_t i = 0; i < k; i++)
			out[i] = p->codes[f][rows[i]];
		return true;
	}
	return p->col[f].here && p->col[f].form == FORM_DICT && fetch(p, &p->col[f], &r) &&
	       ints_pick(p->unpacker, &r, p->n, rows, k, out) && !in_left(&r) &&
	       all_below(out, k, p->n_addrs);
}

static bool pick_addrs(struct part *p, int f, const uint32_t *rows, uint32_t k)
{
	struct addr *to = (struct addr *)p->picked[f];

	if (!load_addrs(p) || !pick_codes(p, f, rows, k, p->ints))
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

	if ((text && !load_texts(p)) || !fetch(p, s, &r) ||
	    !ints_pick(p->unpacker, &r, p->n, rows, k, p->ints) ||
	    (wide && !ints_pick(p->unpacker, &r, p->n, rows, k, p->ints2)) || in_left(&r))
		return false;
	for (uint32_t i = 0; i < k; i++) {
		uint64_t v = s->min + (p->ints[i] | (wide ? (uint64_t)p->ints2[i] << 32 : 0));

		if (text && v >= p->texts.min)
			return false;
		store(p->picked[f], field_info[f].width, i, text ? p->text_at[v] : v);
	}
	if (f != F_exporter)
		return true;
	for (uint32_t i = 0; i < k; i++) {
		uint32_t *id = (uint32_t *)p->picked[f] + i;

		if (*id >= p->ids->n)
			return false;
		*id = p->ids->ids[*id];
	}
	return true;
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
	}
	if (!load_column(p, f))
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
	*b = (struct block){ .n = k, .used = columns, .names = p->block.names,
			     .text = p->text,
			     .text_len = p->have_texts ? p->text_len : 0 };
	for (int f = 0; f < FIELD_COUNT; f++)
		*(void **)((char *)b + field_info[f].offset) =
			columns >> f & 1 ? p->picked[f] : p->zeros;
	return b;
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
	if (s->form != FORM_DICT || !load_addrs(p))
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
