/* config_errors.c - the list of what is wrong, and what was probably meant.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/config_impl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

/* A file of nothing but mistakes is told once, not for ever. */
enum { ERRORS_MAX = 1000, NEAR_LEN = 64 };

static void add(struct config_errors *errs, bool warning, const char *file, int line,
		char *msg)
{
	struct config_error *e;

	if (errs->n >= ERRORS_MAX) {
		errs->n_errors += !warning;
		free(msg);
		return;
	}
	errs->list = xrealloc(errs->list, errs->n + 1, sizeof(*errs->list));
	e = &errs->list[errs->n++];
	*e = (struct config_error){ .file = file ? xstrdup(file) : NULL,
				    .line = line,
				    .msg = msg,
				    .warning = warning };
	errs->n_errors += !warning;
}

/* Adds text, the URLs in it only up to their host: the rest is often a secret (a chat's
 * hook), and errors end up in logs. */
static void add_safely(struct strb *b, const char *text)
{
	const char *url;

	while ((url = strstr(text, "http")) && (url = strstr(url, "://"))) {
		const char *host = url + 3, *end = host + strcspn(host, " \t\n\"',;");
		const char *path = host + strcspn(host, "/?#"), *user;

		if (path > end)
			path = end;
		user = memrchr(host, '@', (size_t)(path - host));
		strb_addn(b, text, (size_t)(host - text));
		if (user)
			host = user + 1;
		strb_addn(b, host, (size_t)(path - host));
		if (path < end)
			strb_add(b, "/…");
		text = end;
	}
	strb_add(b, text);
}

/* What was read may be in the sentence, so the sentence is made inert here: -t writes
 * to terminals and logs. */
static void vadd(struct config_errors *errs, bool warning, const char *file, int line,
		 const char *fmt, va_list ap)
{
	struct strb inert = { 0 }, safe = { 0 };
	char *msg;

	if (vasprintf(&msg, fmt, ap) < 0)
		abort();
	add_safely(&safe, msg);
	strb_tty(&inert, safe.s);
	strb_free(&safe);
	free(msg);
	add(errs, warning, file, line, strb_take(&inert));
}

void config_errors_add(struct config_errors *errs, bool warning, const char *file,
		       int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(errs, warning, file, line, fmt, ap);
	va_end(ap);
}

void config_bad(struct config_reader *r, const struct value *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(r->errs, false, v->file, v->line, fmt, ap);
	va_end(ap);
}

void config_bad_node(struct config_reader *r, const struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(r->errs, false, n->file, n->line, fmt, ap);
	va_end(ap);
}

void config_warn(struct config_reader *r, const struct value *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(r->errs, true, v->file, v->line, fmt, ap);
	va_end(ap);
}

void config_warn_node(struct config_reader *r, const struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(r->errs, true, n->file, n->line, fmt, ap);
	va_end(ap);
}

/* Files in the order in which they were first complained about, then lines, else as
 * found; the list is short. */
void config_errors_sort(struct config_errors *errs)
{
	size_t *rank = xcalloc(errs->n, sizeof(*rank));

	for (size_t i = 0; i < errs->n; i++)
		while (strcmp(errs->list[rank[i]].file ? errs->list[rank[i]].file : "",
			      errs->list[i].file ? errs->list[i].file : ""))
			rank[i]++;
	for (size_t i = 1; i < errs->n; i++) {
		struct config_error e = errs->list[i];
		size_t r = rank[i], j = i;

		for (; j && (rank[j - 1] > r ||
			     (rank[j - 1] == r && errs->list[j - 1].line > e.line));
		     j--) {
			errs->list[j] = errs->list[j - 1];
			rank[j] = rank[j - 1];
		}
		errs->list[j] = e;
		rank[j] = r;
	}
	free(rank);
}

void config_errors_print(const struct config_errors *errs, FILE *to)
{
	for (size_t i = 0; i < errs->n; i++) {
		const struct config_error *e = &errs->list[i];

		if (e->file && e->line)
			fprintf(to, "%s:%d: ", e->file, e->line);
		else if (e->file)
			fprintf(to, "%s: ", e->file);
		fprintf(to, "%s%s\n", e->warning ? "warning: " : "", e->msg);
	}
	if (errs->n >= ERRORS_MAX)
		fprintf(to, "... and more; %zu errors in all\n", errs->n_errors);
}

void config_errors_free(struct config_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++) {
		free(errs->list[i].file);
		free(errs->list[i].msg);
	}
	free(errs->list);
	*errs = (struct config_errors){ 0 };
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters that must be changed, put in, taken out or swapped with their neighbour
 * (optimal string alignment), capitals not counted. */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][NEAR_LEN + 1], la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		int ca = tolower((unsigned char)a[i - 1]);

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			int cb = tolower((unsigned char)b[j - 1]);

			now[j] =
			    least(up[j - 1] + (ca != cb), least(up[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && ca != cb &&
			    ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]))
				now[j] = least(now[j], up2[j - 2] + 1);
		}
	}
	return row[la % 3][lb];
}

const char *config_near(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	size_t len = strlen(word), limit = len < 4 ? 1 : len < 8 ? 2 : 3;

	if (!len || len > NEAR_LEN)
		return NULL;
	for (; *candidates; candidates++) {
		size_t d;

		if (strlen(*candidates) > NEAR_LEN)
			continue;
		d = distance(word, *candidates);
		/* A word of which nothing is left was not meant. */
		if (d > limit || d >= strlen(*candidates) || d >= len)
			continue;
		if (best && d == limit)
			continue;
		best = *candidates;
		limit = d;
	}
	return best;
}

const char *config_hint(const char *word, const char *const *candidates, char *buf,
			size_t size)
{
	const char *near = config_near(word, candidates);

	*buf = '\0';
	if (near)
		snprintf(buf, size, "; did you mean \"%s\"?", near);
	return buf;
}
