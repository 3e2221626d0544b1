/* config_errors.c - the list of what is wrong, and what was probably meant.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/config_impl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/near.h"

/* A file of nothing but mistakes is told once, not for ever. */
enum { ERRORS_MAX = 1000 };

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

const char *config_hint(const char *word, const char *const *candidates, char *buf,
			size_t size)
{
	struct near near = near_to(word);

	for (; *candidates; candidates++)
		near_try(&near, *candidates);
	return near_hint(&near, buf, size);
}
