/* config_parse.c - libconfuse reads the clean text, and a tree comes out.
 * SPDX-License-Identifier: ISC
 *
 * libconfuse's tables are made from ours. Every value, numbers too, goes through one
 * callback as text, because CFG_INT takes 010 for eight and 10M for an error; the
 * callback also notes the place. libconfuse passes no pointer of ours to callbacks and
 * its scanner is one for the process, so there is one `now` under one lock: the only
 * variable outside of main, and it is empty between two calls.
 */
#include "daemon/config_impl.h"

#include <confuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

static struct {
	pthread_mutex_t lock;
	const char *file; /* of the text being parsed */
	struct config_errors *errs;
} now = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct place { /* what the callback makes of a value */
	char *text;
	const char *file;
	int line;
};

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct place *p = xcalloc(1, sizeof(*p));

	(void)opt;
	*p = (struct place){ xstrdup(value), now.file, cfg->line };
	*(struct place **)result = p;
	return 0;
}

static void free_place(void *place)
{
	struct place *p = place;

	free(p->text);
	free(p);
}

/* Not expected: config_scan.c has seen the text. Should the two ever differ about
 * what is right, this is how the operator learns of it. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char *msg;

	if (vasprintf(&msg, fmt, ap) < 0)
		abort();
	config_errors_add(now.errs, false, now.file, cfg->line, "%s", msg);
	free(msg);
}

static cfg_opt_t *options_of(const struct section *s);

/* `_at`, `_lost`, every setting, every section inside, and the end. */
static cfg_opt_t *options_of(const struct section *s)
{
	const char *words[CONFIG_WORDS];
	size_t n = config_words(s, words);
	cfg_opt_t *opts = xcalloc(n + 3, sizeof(*opts));
	cfg_opt_t at = CFG_PTR_CB("_at", NULL, CFGF_NONE, on_value, free_place);
	cfg_opt_t lost = CFG_PTR_CB("_lost", NULL, CFGF_NONE, on_value, free_place);

	opts[0] = at;
	opts[1] = lost;
	for (size_t i = 0; i < n; i++) {
		const struct setting *set = config_setting(s, words[i]);
		const struct section *kid = set ? NULL : config_kid(s, words[i]);
		cfg_opt_t one =
		    CFG_PTR_CB(words[i], NULL, CFGF_NONE, on_value, free_place);
		cfg_opt_t list =
		    CFG_PTR_LIST_CB(words[i], NULL, CFGF_NONE, on_value, free_place);

		if (kid) {
			cfg_opt_t sec =
			    CFG_SEC(words[i], options_of(kid),
				    (kid->many ? CFGF_MULTI : CFGF_NODEFAULT) |
					(kid->title ? CFGF_TITLE : 0));
			opts[i + 2] = sec;
		} else {
			opts[i + 2] = set->list ? list : one;
		}
	}
	opts[n + 2] = (cfg_opt_t)CFG_END();
	return opts;
}

static void free_options(cfg_opt_t *opts)
{
	for (size_t i = 0; opts[i].name; i++)
		if (opts[i].type == CFGT_SEC)
			free_options(opts[i].subopts);
	free(opts);
}

static void node_fini(struct node *n)
{
	for (size_t i = 0; i < n->n_values; i++)
		free(n->values[i].text);
	for (size_t i = 0; i < n->n_kids; i++)
		node_fini(&n->kids[i]);
	free(n->values);
	free(n->kids);
	free(n->title);
}

static void add_values(struct node *n, cfg_opt_t *opt)
{
	unsigned count = cfg_opt_size(opt);

	n->values = xrealloc(n->values, n->n_values + count, sizeof(*n->values));
	for (unsigned i = 0; i < count; i++) {
		const struct place *p = cfg_opt_getnptr(opt, i);
		const struct setting *set = config_setting(n->what, opt->name);
		const char *words[CONFIG_WORDS], **w = words;

		if (!p || !set)
			continue;
		/* opt->name goes with libconfuse's tree; ours stays. */
		for (config_words(n->what, words); strcmp(*w, opt->name); w++)
			;
		n->values[n->n_values++] =
		    (struct value){ set, *w, xstrdup(p->text), p->file, p->line };
	}
}

static void take_tree(struct node *n, const struct section *what, cfg_t *cfg)
{
	const struct place *at = cfg_getptr(cfg, "_at");

	n->what = what;
	n->title = cfg_title(cfg) ? xstrdup(cfg_title(cfg)) : NULL;
	n->file = at ? at->file : NULL;
	n->line = at ? at->line : 0;
	n->lost = cfg_getptr(cfg, "_lost");
	for (cfg_opt_t *opt = cfg->opts; opt->name; opt++) {
		const struct section *kid = config_kid(what, opt->name);

		if (opt->type != CFGT_SEC) {
			add_values(n, opt);
			continue;
		}
		for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
			cfg_t *sec = cfg_opt_getnsec(opt, i);

			if (!sec || !kid)
				continue;
			n->kids = xrealloc(n->kids, n->n_kids + 1, sizeof(*n->kids));
			n->kids[n->n_kids] = (struct node){ 0 };
			take_tree(&n->kids[n->n_kids++], kid, sec);
		}
	}
}

static void parse_text(cfg_t *cfg, const struct config_text *t)
{
	FILE *f = fmemopen(t->text, strlen(t->text), "r");

	if (!f)
		abort(); /* memory of our own that is not empty */
	now.file = t->file;
	free(cfg->filename);
	cfg->filename = xstrdup(t->file);
	cfg_parse_fp(cfg, f);
	fclose(f);
}

struct node *config_parse(const struct config_scan *s, struct config_errors *errs)
{
	struct node *n = xcalloc(1, sizeof(*n));
	cfg_opt_t *opts = options_of(&config_root);
	cfg_t *cfg;

	pthread_mutex_lock(&now.lock);
	now.errs = errs;
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		abort(); /* out of memory */
	cfg_set_error_function(cfg, on_error);
	for (size_t i = 0; i < s->n_texts; i++)
		parse_text(cfg, &s->texts[i]);
	take_tree(n, &config_root, cfg);
	cfg_free(cfg);
	now.errs = NULL;
	now.file = NULL;
	pthread_mutex_unlock(&now.lock);
	free_options(opts);
	return n;
}

void config_node_free(struct node **n)
{
	if (*n)
		node_fini(*n);
	free(*n);
	*n = NULL;
}

const struct value *config_value(const struct node *n, const char *name)
{
	for (size_t i = n ? n->n_values : 0; i-- > 0;)
		if (!strcmp(n->values[i].name, name))
			return &n->values[i];
	return NULL;
}

const struct value **config_list(const struct node *n, const char *name, size_t *count)
{
	const struct value **list = xcalloc(n->n_values, sizeof(*list));

	*count = 0;
	for (size_t i = 0; i < n->n_values; i++)
		if (!strcmp(n->values[i].name, name))
			list[(*count)++] = &n->values[i];
	return list;
}
