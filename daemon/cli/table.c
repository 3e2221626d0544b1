/* table.c - one table, three forms: for people, JSON, CSV.
 * SPDX-License-Identifier: ISC
 *
 * A table that is too wide for the terminal gives up its bar first; then the widest
 * column of text is cut, again and again, down to CUT_MIN. Numbers are never cut: half
 * a number is a wrong number.
 */
#include "daemon/cli/table.h"

#include <inttypes.h>
#include <langinfo.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum { BAR_WIDTH = 16, CUT_MIN = 8, GAP = 2 };

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_COUNT, CELL_REAL, CELL_TIME };

struct cell {
	enum cell_kind kind;
	enum paint paint;
	uint64_t count;
	double real;
	int64_t ms;
	char *text;  /* CELL_TEXT: as it came; else what people read, NULL: the value */
	char *inert; /* what stands on the terminal */
};

struct table {
	const struct column *cols;
	unsigned n_cols;
	struct cell *cells; /* row after row */
	size_t n, cap;	    /* cells */
};

/* ---- screens ---- */

void screen_of(FILE *f, bool no_color, struct screen *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR"),
		   *cols = getenv("COLUMNS");
	struct winsize ws = { 0 };
	uint64_t n;

	*out = (struct screen){ .terminal = isatty(fileno(f)), .width = UINT_MAX };
	out->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	out->colour = out->terminal && !no_color && !(no && *no) && term && *term &&
		      strcmp(term, "dumb") != 0;
	if (!out->terminal)
		return;
	out->width = 80;
	if (!ioctl(fileno(f), TIOCGWINSZ, &ws) && ws.ws_col)
		out->width = ws.ws_col;
	else if (cols && parse_u64(cols, 10000, &n) && n > 0)
		out->width = (unsigned)n;
}

void screen_paint(const struct screen *sc, struct strb *out, enum paint p, const char *s)
{
	static const char *const on[] = {
		[PAINT_BOLD] = "\x1b[1m",   [PAINT_DIM] = "\x1b[2m",
		[PAINT_RED] = "\x1b[31m",   [PAINT_YELLOW] = "\x1b[33m",
		[PAINT_GREEN] = "\x1b[32m",
	};
	bool painted = sc->colour && p != PAINT_NONE && *s;

	strb_add(out, painted ? on[p] : "");
	strb_add(out, s);
	strb_add(out, painted ? "\x1b[0m" : "");
}

/* ---- widths ---- */

/* Marks that stand on the letter before, and joiners. */
static bool is_mark(uint32_t c)
{
	static const uint32_t range[][2] = {
		{ 0x300, 0x36f },   { 0x483, 0x489 },	  { 0x591, 0x5bd },
		{ 0x610, 0x61a },   { 0x64b, 0x65f },	  { 0x6d6, 0x6dc },
		{ 0x900, 0x902 },   { 0x93c, 0x93c },	  { 0x941, 0x948 },
		{ 0xe31, 0xe31 },   { 0xe34, 0xe3a },	  { 0xe47, 0xe4e },
		{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },	  { 0x200b, 0x200f },
		{ 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f },	  { 0xfe20, 0xfe2f },
		{ 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
	};

	for (size_t i = 0; i < ARRAY_LEN(range); i++)
		if (c >= range[i][0] && c <= range[i][1])
			return true;
	return false;
}

/* East Asian wide and emoji. */
static bool is_wide(uint32_t c)
{
	return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0x303e) ||
	       (c >= 0x3041 && c <= 0xa4cf) || (c >= 0xa960 && c <= 0xa97c) ||
	       (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff01 && c <= 0xff60) ||
	       (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
	       (c >= 0x20000 && c <= 0x3fffd);
}

/* The character at s, which is good UTF-8 (strb_tty made it), and its width. */
static size_t next(const char *s, unsigned *width)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? u[0] : u[0] & (0xff >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80) { /* not good after all: an octet, a column */
			*width = 1;
			return 1;
		}
		c = c << 6 | (u[i] & 0x3f);
	}
	*width = is_mark(c) ? 0 : is_wide(c) ? 2 : 1;
	return len;
}

unsigned text_width(const char *s)
{
	unsigned sum = 0, w;

	while (*s) {
		s += next(s, &w);
		sum += w;
	}
	return sum;
}

void text_fit(struct strb *out, const char *s, unsigned width, bool utf8)
{
	unsigned used = 0, w;

	if (text_width(s) <= width) {
		strb_add(out, s);
		return;
	}
	strb_add(out, "");
	if (!width)
		return;
	while (*s) {
		size_t len = next(s, &w);

		if (used + w > width - 1)
			break;
		strb_addn(out, s, len);
		used += w;
		s += len;
	}
	for (; used + 1 < width; used++)
		strb_addc(out, ' ');
	strb_add(out, utf8 ? "…" : "~");
}

/* ---- cells ---- */

struct table *table_new(const struct column *cols, unsigned n)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->cols = cols;
	t->n_cols = n;
	return t;
}

void table_free(struct table **tp)
{
	struct table *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->cells[i].text);
		free(t->cells[i].inert);
	}
	free(t->cells);
	free(t);
}

static struct cell *add(struct table *t, enum cell_kind kind, const char *text)
{
	struct cell *c;

	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = xrealloc(t->cells, t->cap, sizeof(*t->cells));
	}
	c = &t->cells[t->n++];
	*c = (struct cell){ .kind = kind, .text = text ? xstrdup(text) : NULL };
	return c;
}

void table_row(struct table *t)
{
	while (t->n % t->n_cols)
		add(t, CELL_NONE, NULL);
}

static void make_inert(struct cell *c, const char *fallback)
{
	struct strb s = { 0 };

	strb_tty(&s, c->text ? c->text : fallback);
	c->inert = strb_take(&s);
}

void table_text(struct table *t, const char *s)
{
	make_inert(add(t, CELL_TEXT, s), "");
}

void table_count(struct table *t, uint64_t v, const char *shown)
{
	struct cell *c = add(t, CELL_COUNT, shown);
	char buf[24];

	c->count = v;
	snprintf(buf, sizeof(buf), "%" PRIu64, v);
	make_inert(c, buf);
}

void table_real(struct table *t, double v, const char *shown)
{
	struct cell *c;
	char buf[32];

	if (!isfinite(v)) {
		table_none(t);
		return;
	}
	c = add(t, CELL_REAL, shown);
	c->real = v;
	snprintf(buf, sizeof(buf), "%.6g", v);
	make_inert(c, buf);
}

void table_time(struct table *t, int64_t ms, const char *shown)
{
	struct cell *c;
	char buf[UNIT_TEXT];

	if (!ms) {
		table_none(t);
		return;
	}
	c = add(t, CELL_TIME, shown);
	c->ms = ms;
	make_inert(c, text_time(ms, buf));
}

void table_none(struct table *t)
{
	make_inert(add(t, CELL_NONE, "-"), "-");
}

void table_paint(struct table *t, enum paint p)
{
	t->cells[t->n - 1].paint = p;
}

size_t table_rows(const struct table *t)
{
	return (t->n + t->n_cols - 1) / t->n_cols;
}

/* A row that was left short ends in cells of nothing. */
static const struct cell *cell_at(const struct table *t, size_t row, unsigned col)
{
	static const struct cell none = { .inert = "" };
	size_t i = row * t->n_cols + col;

	return i < t->n && t->cells[i].inert ? &t->cells[i] : &none;
}

/* ---- for people ---- */

static unsigned natural(const struct table *t, unsigned col)
{
	unsigned most, w;

	if (t->cols[col].kind == COL_DATA)
		return 0;
	if (t->cols[col].kind == COL_BAR)
		return BAR_WIDTH;
	most = text_width(t->cols[col].title);
	for (size_t r = 0; r < table_rows(t); r++) {
		w = text_width(cell_at(t, r, col)->inert);
		if (w > most)
			most = w;
	}
	return most;
}

static unsigned all_of(const struct table *t, const unsigned *width)
{
	unsigned sum = 0, shown = 0;

	for (unsigned i = 0; i < t->n_cols; i++) {
		sum += width[i];
		shown += width[i] > 0;
	}
	return sum + (shown ? (shown - 1) * GAP : 0);
}

static void narrow(const struct table *t, unsigned *width, unsigned room)
{
	for (unsigned i = 0; i < t->n_cols; i++)
		if (t->cols[i].kind == COL_BAR && all_of(t, width) > room)
			width[i] = 0;
	for (unsigned i = t->n_cols; i--;)
		if (t->cols[i].kind == COL_SPARE && all_of(t, width) > room)
			width[i] = 0;
	while (all_of(t, width) > room) {
		unsigned widest = t->n_cols;

		for (unsigned i = 0; i < t->n_cols; i++)
			if (t->cols[i].kind == COL_TEXT && width[i] > CUT_MIN &&
			    (widest == t->n_cols || width[i] > width[widest]))
				widest = i;
		if (widest == t->n_cols)
			return;
		width[widest]--;
	}
}

static void spaces(struct strb *out, unsigned n)
{
	while (n--)
		strb_addc(out, ' ');
}

static void bar(struct strb *out, double share, bool utf8)
{
	static const char *const part[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths =
	    share > 0 ? (unsigned)((share > 1 ? 1 : share) * BAR_WIDTH * 8 + 0.5) : 0;

	strb_add(out, "");
	for (unsigned i = 0; i < eighths / 8; i++)
		strb_add(out, utf8 ? "█" : "#");
	if (utf8)
		strb_add(out, part[eighths % 8]);
	else if (eighths % 8 >= 4)
		strb_addc(out, '#');
}

static void show_cell(const struct table *t, const struct screen *sc, struct strb *out,
		      const struct cell *c, unsigned col, unsigned width)
{
	enum column_kind kind = t->cols[col].kind;
	bool right = kind == COL_VALUE || kind == COL_SPARE;
	struct strb fit = { 0 };
	unsigned pad;

	if (kind == COL_BAR)
		bar(&fit, c->real, sc->utf8);
	else
		text_fit(&fit, c->inert, kind == COL_TEXT ? width : UINT_MAX, sc->utf8);
	pad = text_width(fit.s);
	pad = width > pad ? width - pad : 0;
	spaces(out, right ? pad : 0);
	screen_paint(sc, out, kind == COL_BAR ? PAINT_GREEN : c->paint, fit.s);
	spaces(out, right ? 0 : pad);
	strb_free(&fit);
}

void table_show(const struct table *t, const struct screen *sc, struct strb *out)
{
	unsigned *width = xcalloc(t->n_cols, sizeof(*width));

	for (unsigned i = 0; i < t->n_cols; i++)
		width[i] = natural(t, i);
	narrow(t, width, sc->width);
	for (size_t r = 0; r <= table_rows(t); r++) {
		bool first = true;

		for (unsigned i = 0; i < t->n_cols; i++) {
			struct cell head = { .paint = PAINT_BOLD,
					     .inert = (char *)t->cols[i].title };

			if (!width[i])
				continue;
			spaces(out, first ? 0 : GAP);
			first = false;
			show_cell(t, sc, out, r ? cell_at(t, r - 1, i) : &head, i,
				  width[i]);
		}
		while (out->len && out->s[out->len - 1] == ' ') /* nothing at line ends */
			out->s[--out->len] = '\0';
		strb_addc(out, '\n');
	}
	free(width);
}

/* ---- for programs ---- */

static void csv_cell(const struct cell *c, struct strb *out)
{
	char buf[UNIT_TEXT];

	switch (c->kind) {
	case CELL_NONE: break;
	case CELL_TEXT: strb_csv(out, c->text ? c->text : ""); break;
	case CELL_COUNT: strb_fmt(out, "%" PRIu64, c->count); break;
	case CELL_REAL: strb_fmt(out, "%.15g", c->real); break;
	case CELL_TIME: strb_add(out, text_rfc3339(c->ms, buf)); break;
	}
}

void table_csv(const struct table *t, struct strb *out)
{
	for (size_t r = 0; r <= table_rows(t); r++) {
		bool first = true;

		for (unsigned i = 0; i < t->n_cols; i++) {
			if (!t->cols[i].key)
				continue;
			strb_add(out, first ? "" : ",");
			first = false;
			if (!r)
				strb_csv(out, t->cols[i].key);
			else
				csv_cell(cell_at(t, r - 1, i), out);
		}
		strb_add(out, "\r\n");
	}
}

static json_t *json_cell(const struct cell *c)
{
	switch (c->kind) {
	case CELL_NONE: break;
	case CELL_TEXT: return j_text(c->text ? c->text : "");
	case CELL_COUNT:
		return json_integer(c->count > INT64_MAX ? INT64_MAX
							 : (json_int_t)c->count);
	case CELL_REAL: return json_real(c->real);
	case CELL_TIME: return j_time(c->ms);
	}
	return json_null();
}

json_t *table_json(const struct table *t)
{
	json_t *all = json_array();

	for (size_t r = 0; r < table_rows(t); r++) {
		json_t *o = json_object();

		for (unsigned i = 0; i < t->n_cols; i++)
			if (t->cols[i].key)
				json_object_set_new(o, t->cols[i].key,
						    json_cell(cell_at(t, r, i)));
		json_array_append_new(all, o);
	}
	return all;
}
