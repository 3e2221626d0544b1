/* table.h - one table, three forms: for people, JSON, CSV.
 * SPDX-License-Identifier: ISC
 *
 * A cell holds what a person reads ("18.7 MB") and what a program reads (18700000).
 * Both are given as they come from outside; the table makes them inert, once, for
 * the form that is printed (D11).
 */
#ifndef CUL_CLI_TABLE_H
#define CUL_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/base/strb.h"
#include "daemon/model/json.h"

/* What a stream can show. */
struct screen {
	bool terminal, colour, utf8;
	unsigned width; /* columns; UINT_MAX when nobody looks */
};
/* From isatty, TERM, NO_COLOR, the locale and the window's size. */
void screen_of(FILE *f, bool no_color, struct screen *out);

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_YELLOW, PAINT_GREEN };
/* Adds s, already inert, in that colour where there are colours. */
void screen_paint(const struct screen *sc, struct strb *out, enum paint p, const char *s);

/* Columns of a terminal that inert UTF-8 text takes. */
unsigned text_width(const char *s);
/* Adds what fits of inert s into `width` columns; the last one is "…" when cut. */
void text_fit(struct strb *out, const char *s, unsigned width, bool utf8);

enum column_kind {
	COL_TEXT,  /* to the left; gives way when the terminal is narrow */
	COL_LONG,  /* likewise, but never cut: sentences, as the last column */
	COL_VALUE, /* numbers: to the right */
	COL_SPARE, /* likewise, but go before a text is cut; the last of them first */
	COL_BAR,   /* a share of 1 as a bar; goes first when the terminal is narrow */
	COL_DATA,  /* only for programs: not shown to people */
};
struct column {
	const char *key;   /* name for programs; NULL: only for people */
	const char *title; /* for people; NULL only with COL_DATA */
	enum column_kind kind;
};

struct table;

/* cols is borrowed until table_free. */
struct table *table_new(const struct column *cols, unsigned n);
void table_free(struct table **t);
void table_row(struct table *t); /* a new row; cells are set from the left */
/* The next cell. shown NULL: as a program reads it. */
void table_text(struct table *t, const char *s);
void table_count(struct table *t, uint64_t v, const char *shown);
void table_real(struct table *t, double v, const char *shown); /* not finite: null, "-" */
void table_time(struct table *t, int64_t ms, const char *shown); /* 0: null, "-" */
void table_none(struct table *t); /* not known: "-", null, empty */
void table_paint(struct table *t, enum paint p); /* the cell set last */
size_t table_rows(const struct table *t);

void table_show(const struct table *t, const struct screen *sc, struct strb *out);
void table_csv(const struct table *t, struct strb *out); /* RFC 4180, with a header */
json_t *table_json(const struct table *t);               /* array of objects; gives */

#endif
