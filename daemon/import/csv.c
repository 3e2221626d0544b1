/* csv.c - tables of flows whose first line names the columns.
 * SPDX-License-Identifier: ISC
 *
 * Cells are separated by commas, semicolons, tabs or bars (SiLK), whichever the first line
 * has, and may be quoted (RFC 4180). A table must tell a time, both addresses, or bytes;
 * a line that does not fit is an error that names it, since half a table is worse than
 * none. nfdump's sums behind its table ("Summary") end it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/import/csv_columns.h"
#include "daemon/import/source.h"
#include "daemon/model/calendar.h"

enum { LINE_LEN = 1 << 20, COLUMNS = 128, ICMP = 1, ICMP6 = 58 };

struct csv {
	struct feed *feed;
	struct rows *rows;
	uint64_t line;
	char separator;
	int n;
	int what[COLUMNS];
	char *text;             /* of a line, cells terminated */
	char *cell[COLUMNS + 1];
	char titles[COLUMNS][24];
};


/* Text without control characters in its first line, which names at least two known
 * columns. */
static bool is(const uint8_t *head, size_t n)
{
	const uint8_t *nl = memchr(head, '\n', n);
	size_t len = nl ? (size_t)(nl - head) : n, from = 0;
	int known = 0;

	if (n > 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		from = 3;
	for (size_t i = from; i < len; i++)
		if (head[i] < ' ' && head[i] != '\t' && head[i] != '\r')
			return false;
	for (size_t i = from; i <= len; i++) {
		if (i < len && !strchr(",;|\t", head[i]))
			continue;
		if (i > from)
			known += csv_column((const char *)head + from, i - from) >= 0;
		from = i + 1;
	}
	return known >= 2;
}

/* Cells of a line, unquoted, without blanks around them. Returns how many; -1: a quote is
 * not closed. */
static int cells(struct csv *c, const uint8_t *p, size_t len)
{
	char *to = c->text;
	size_t i = 0;
	int n = 0;

	while (n < COLUMNS) {
		char *start = to;

		while (i < len && (p[i] == ' ' || (p[i] == '\t' && c->separator != '\t')))
			i++;
		if (i < len && p[i] == '"') {
			for (i++; i < len && (p[i] != '"' || (i + 1 < len && p[i + 1] == '"'));
			     i++) {
				i += p[i] == '"';
				*to++ = (char)p[i];
			}
			if (i++ >= len)
				return -1;
			while (i < len && p[i] != (uint8_t)c->separator)
				i++;
		} else {
			while (i < len && p[i] != (uint8_t)c->separator)
				*to++ = (char)p[i++];
			while (to > start && to[-1] == ' ')
				to--;
		}
		*to++ = '\0';
		/* What `culprit export` put before = + - @ so that no table calculates. */
		if (start[0] == '\'' && start[1] && strchr("=+-@", start[1]))
			start++;
		c->cell[n++] = start;
		if (i++ >= len)
			break;
	}
	return n;
}

static char separator(const uint8_t *p, size_t len)
{
	static const char all[] = ",|;\t";

	for (size_t i = 0; i < 4; i++)
		if (memchr(p, all[i], len))
			return all[i];
	return ',';
}

static const uint8_t *line(struct csv *c, size_t *len, struct err *err)
{
	bool too_long;
	const uint8_t *p = feed_line(c->feed, LINE_LEN, len, &too_long);

	c->line++;
	if (too_long)
		err_set(err, "line %llu is longer than a megabyte", (unsigned long long)c->line);
	return p;
}

static bool head(struct csv *c, struct err *err)
{
	bool have[FIELD_COUNT] = { false };
	size_t len;
	const uint8_t *p = line(c, &len, err);

	if (!p)
		return err_set(err, "it has no first line");
	if (len > 3 && !memcmp(p, "\xef\xbb\xbf", 3)) {
		p += 3;
		len -= 3;
	}
	c->separator = separator(p, len);
	c->n = cells(c, p, len);
	if (c->n < 0)
		return err_set(err, "line 1: a quote is not closed");
	for (int i = 0; i < c->n; i++) {
		int what = csv_column(c->cell[i], strlen(c->cell[i]));

		snprintf(c->titles[i], sizeof(c->titles[i]), "%s", c->cell[i]);
		/* A name that comes twice: the first one counts. */
		c->what[i] = what < 0 || (what < FIELD_COUNT && have[what]) ? CSV_PASS : what;
		if (what >= 0 && what < FIELD_COUNT)
			have[what] = true;
	}
	if (!have[F_start_ms] && !have[F_end_ms] && !have[F_received_ms])
		return err_set(err, "no column of it is a time; name one \"start\" or "
				    "\"end\" (or as nfdump or SiLK do)");
	if (!have[F_bytes] && !have[F_packets])
		return err_set(err, "no column of it counts bytes or packets; name one "
				    "\"bytes\" (or as nfdump or SiLK do)");
	return true;
}

static void put_together(struct block *b, uint32_t row, const struct csv_row *m)
{
	bool icmp = b->proto[row] == ICMP || b->proto[row] == ICMP6;

	if (m->duration_ms >= 0 && !m->end_told && b->start_ms[row])
		ROW(b, row, end_ms, b->start_ms[row] + m->duration_ms);
	if (m->icmp_type >= 0)
		ROW(b, row, icmp,
		    (uint16_t)(m->icmp_type << 8 | (m->icmp_code > 0 ? m->icmp_code : 0)));
	else if (icmp && b->dst_port[row] && !b->icmp[row])
		ROW(b, row, icmp, b->dst_port[row]);
	if (icmp)
		b->dst_port[row] = 0;
}

static bool flow(struct csv *c, const uint8_t *p, size_t len, struct err *err)
{
	struct csv_row more = { -1, -1, -1, false };
	int n = cells(c, p, len);
	uint32_t row;

	if (n < 0)
		return err_set(err, "line %llu: a quote is not closed",
			       (unsigned long long)c->line);
	if (!rows_new(c->rows, &row, err))
		return false;
	for (int i = 0; i < n && i < c->n; i++)
		if (!csv_cell(c->rows, row, c->what[i], c->cell[i], &more))
			return err_set(err, "line %llu: \"%.40s\" does not fit column %s",
				       (unsigned long long)c->line, c->cell[i], c->titles[i]);
	if (n < c->n - 1) /* SiLK ends its lines with a bar, or not */
		return err_set(err, "line %llu has %d cells, the first line names %d",
			       (unsigned long long)c->line, n, c->n);
	put_together(c->rows->block, row, &more);
	return true;
}

static bool read_all(struct csv *c, struct err *err)
{
	const uint8_t *p;
	size_t len;

	if (!head(c, err))
		return false;
	while ((p = line(c, &len, err))) {
		if (!len || p[0] == '#')
			continue;
		if ((len == 7 && !memcmp(p, "Summary", 7)) ||
		    (len == 16 && !memcmp(p, "No matching flow", 16)))
			break;
		if (!flow(c, p, len, err))
			return false;
	}
	if (!p && !c->feed->ended)
		return false; /* too long, said */
	if (c->feed->error)
		return err_set(err, "%s", strerror(c->feed->error));
	return rows_flush(c->rows, err);
}

static bool read_file(struct feed *f, struct rows *r, struct err *err)
{
	struct csv *c = xcalloc(1, sizeof(*c));
	bool ok;

	c->feed = f;
	c->rows = r;
	c->text = xcalloc(1, LINE_LEN + COLUMNS + 1);
	ok = read_all(c, err);
	free(c->text);
	free(c);
	return ok;
}

const struct source source_csv = { "table", is, read_file };
