/* filter.c - one question language for rules, the tool and the page.
 * SPDX-License-Identifier: ISC
 *
 * The way of a text: lex.c gives words, parse.c a tree of sets, norm.c its
 * normal form with text.c's writing, prepare.c what is needed for speed; run.c
 * runs it over blocks and may.c over what is known of blocks not read yet.
 */
#include "rules/filter/node.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

struct node *node_new(struct filter *f, enum node_kind kind)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->next = f->nodes;
	f->nodes = n;
	f->n_nodes++;
	return n;
}

void node_add_kid(struct node *n, struct node *kid)
{
	unsigned k = n->n_kids++;

	if (!(k & (k - 1))) /* grows at 0, 1, 2, 4, 8 ... */
		n->kids = xrealloc(n->kids, k ? 2 * (size_t)k : 1, sizeof(struct node *));
	n->kids[k] = kid;
}

static void node_free(struct node *n)
{
	for (unsigned i = 0; i < n->n_names; i++)
		free(n->names[i]);
	free(n->names);
	free(n->kids);
	free(n->ranges);
	free(n->prefixes);
	free(n->cells);
	free(n->map);
	free(n->few);
	free(n->four);
	free(n->six);
	free(n->tops);
	free(n->text);
	free(n);
}

void filter_free(struct filter **fp)
{
	struct filter *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	while (f->nodes) {
		struct node *n = f->nodes;

		f->nodes = n->next;
		node_free(n);
	}
	free(f);
}

struct filter *filter_compile(const char *text, struct err *err)
{
	struct filter *f = xcalloc(1, sizeof(*f));
	struct node *n = filter_parse(f, text, err);

	if (!n) {
		filter_free(&f);
		return NULL;
	}
	f->root = filter_normalise(f, n);
	f->columns = node_columns(f->root);
	filter_prepare(f->root);
	return f;
}

bool filter_is_all(const struct filter *f)
{
	return !f || f->root->kind == NODE_ANY;
}

uint64_t filter_columns(const struct filter *f)
{
	return f ? f->columns : 0;
}

const char *filter_text(const struct filter *f)
{
	return f ? f->root->text : "any";
}

static void each_name(const struct node *n,
		      void (*fn)(void *arg, const char *kind, const char *name),
		      void *arg)
{
	const char *kind;

	for (unsigned i = 0; i < n->n_kids; i++)
		each_name(n->kids[i], fn, arg);
	if (n->kind != NODE_TEST)
		return;
	kind = n->word->how == HOW_EXPORTER  ? "exporter"
	       : n->word->how == HOW_NETWORK ? "network"
	       : n->word->how == HOW_IF	     ? "interface"
					     : NULL;
	for (unsigned i = 0; kind && i < n->n_names; i++)
		fn(arg, kind, n->names[i]);
}

void filter_each_name(const struct filter *f,
		      void (*fn)(void *arg, const char *kind, const char *name),
		      void *arg)
{
	if (f)
		each_name(f->root, fn, arg);
}

void filter_geo_of(struct filter *f, const struct filter *like)
{
	filter_geo(f, like->country, like->country_arg);
}

void filter_geo(struct filter *f, filter_country_f *fn, void *arg)
{
	f->country = fn;
	f->country_arg = arg;
}
