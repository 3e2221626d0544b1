/* config.c - from a file name to a configuration, whole or not at all.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/config_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"

const char *const listen_word[LISTEN_KINDS] = { "netflow", "ipfix", "sflow" };

static void default_text(char **field, char *text)
{
	if (**field) {
		free(text);
		return;
	}
	free(*field);
	*field = text;
}

/* What depends on the state directory. */
static void fill_places(struct config *c)
{
	default_text(&c->history.url, xasprintf("sqlite:%s/history.db", c->state_dir));
	default_text(&c->archive.directory, xasprintf("%s/flows", c->state_dir));
}

/* more: another file, text: of nobody's file; both behind the first, NULL: none. */
static struct config *load(const char *file, const char *more, const char *text,
			   const char *state_dir, struct config_errors *errs)
{
	struct config_scan scan = { .errs = errs };
	struct config_reader r = { .c = xcalloc(1, sizeof(*r.c)), .errs = errs };
	struct node *root;
	struct err err;

	*errs = (struct config_errors){ 0 };
	if (!file && access(CONFIG_FILE, F_OK) == 0)
		file = CONFIG_FILE;
	if (file && config_scan_file(&scan, file, &err)) {
		r.c->file = xstrdup(file);
		config_scan_include(&scan, file, 0, "conf.d/*.conf");
	} else if (file) {
		config_errors_add(errs, false, NULL, 0, "%s", err.msg);
	}
	if (more && !config_scan_file(&scan, more, &err))
		config_errors_add(errs, false, NULL, 0, "%s", err.msg);
	if (text)
		config_scan_text(&scan, "built in", text, strlen(text));
	r.c->state_dir = xstrdup(state_dir ? state_dir : CONFIG_STATE_DIR);
	r.root = root = config_parse(&scan, errs);
	config_read(&r);
	fill_places(r.c);
	config_check(&r);
	config_errors_sort(errs);
	config_node_free(&root);
	config_scan_free(&scan);
	if (errs->n_errors)
		config_free(&r.c);
	return r.c;
}

struct config *config_load(const char *file, const char *state_dir,
			   struct config_errors *errs)
{
	return load(file, NULL, NULL, state_dir, errs);
}

struct config *config_load_more(const char *file, const char *more, const char *state_dir,
				struct config_errors *errs)
{
	return load(file, more, NULL, state_dir, errs);
}

struct config *config_load_text(const char *file, const char *text, const char *state_dir,
				struct config_errors *errs)
{
	return load(file, NULL, text, state_dir, errs);
}

/* Every SET_TEXT, SET_PATH … field of a section's struct. */
static void free_fields(const struct section *s, void *of)
{
	for (const struct setting *set = s->settings; set->name; set++) {
		char **field = (char **)((char *)of + set->off);

		if (set->kind == SET_TEXT || set->kind == SET_PATH ||
		    set->kind == SET_SECRET || set->kind == SET_ADDRESS)
			free(*field);
	}
}

static void free_texts(const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)list[i]);
	free((void *)list);
}

static void free_sources(struct config *c)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		free(c->listeners[i].address);
	for (size_t i = 0; i < c->n_squids; i++) {
		free_fields(&config_squid, &c->squids[i]);
		free(c->squids[i].addresses);
		free(c->squids[i].allow);
	}
	for (size_t i = 0; i < c->n_exporters; i++) {
		struct exporter_conf *e = &c->exporters[i];

		for (size_t j = 0; j < e->n_interfaces; j++)
			free_fields(&config_interface, &e->interfaces[j]);
		free_fields(&config_exporter, e);
		free(e->interfaces);
		free(e->name);
	}
	for (size_t i = 0; i < c->n_networks; i++) {
		free(c->networks[i].name);
		free(c->networks[i].prefixes);
	}
	free(c->listeners);
	free(c->squids);
	free(c->exporters);
	free(c->networks);
	free(c->forwards);
}

static void free_rules(struct config *c)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		struct rule_conf *rule = &c->rules[i];

		free_fields(&config_rule, rule);
		free_texts((const char *const *)rule->notify, rule->n_notify);
		free(rule->detector_conf);
		free(rule->name);
		free(rule->file);
	}
	for (size_t i = 0; i < c->n_channels; i++) {
		struct channel_conf *ch = &c->channels[i];

		free_fields(&config_notify, ch);
		free_texts(ch->to, ch->n_to);
		free_texts(ch->argv, ch->n_argv);
		free((char *)ch->name);
	}
	free(c->rules);
	free(c->channels);
}

void config_free(struct config **cp)
{
	struct config *c = *cp;

	if (!c)
		return;
	free_sources(c);
	free_rules(c);
	config_free_noise(c);
	free_fields(&config_root, c);
	free_fields(&config_http, &c->http);
	free_fields(&config_history, &c->history);
	free_fields(&config_archive, &c->archive);
	free_fields(&config_names, &c->names);
	free_fields(&config_privacy, &c->privacy);
	free_texts((const char *const *)c->names.leases, c->names.n_leases);
	free_fields(&config_act, &c->act);
	free(c->act.never);
	free(c->file);
	free(c->state_dir);
	free(c);
	*cp = NULL;
}

static bool same_listeners(const struct config *a, const struct config *b)
{
	if (a->n_listeners != b->n_listeners)
		return false;
	for (size_t i = 0; i < a->n_listeners; i++)
		if (a->listeners[i].kind != b->listeners[i].kind ||
		    a->listeners[i].port != b->listeners[i].port ||
		    strcmp(a->listeners[i].address, b->listeners[i].address))
			return false;
	return true;
}

static bool same_http(const struct http_conf *a, const struct http_conf *b)
{
	return a->enabled == b->enabled && a->port == b->port &&
	       !strcmp(a->address, b->address);
}

static bool same_history(const struct history_conf *a, const struct history_conf *b)
{
	return !strcmp(a->url, b->url) && !strcmp(a->password_file, b->password_file) &&
	       a->keep_ms == b->keep_ms && a->rollups_ms == b->rollups_ms &&
	       a->spool == b->spool;
}

static bool same_archive(const struct archive_conf *a, const struct archive_conf *b)
{
	return a->enabled == b->enabled && !strcmp(a->directory, b->directory) &&
	       a->keep_ms == b->keep_ms && a->size == b->size && a->free == b->free;
}

static bool same_squids(const struct config *a, const struct config *b)
{
	if (a->n_squids != b->n_squids)
		return false;
	for (size_t i = 0; i < a->n_squids; i++) {
		const struct squid_conf *x = &a->squids[i], *y = &b->squids[i];

		if (strcmp(x->log, y->log) || strcmp(x->manager, y->manager) ||
		    x->keep_urls != y->keep_urls ||
		    x->n_addresses != y->n_addresses ||
		    memcmp(x->addresses, y->addresses,
			   x->n_addresses * sizeof(*x->addresses)) ||
		    x->n_allow != y->n_allow ||
		    memcmp(x->allow, y->allow, x->n_allow * sizeof(*x->allow)))
			return false;
	}
	return true;
}

static bool same_names(const struct names_conf *a, const struct names_conf *b)
{
	if (a->dns != b->dns || strcmp(a->nameserver, b->nameserver) ||
	    strcmp(a->hosts, b->hosts) || strcmp(a->country, b->country) ||
	    strcmp(a->as, b->as) || a->n_leases != b->n_leases)
		return false;
	for (size_t i = 0; i < a->n_leases; i++)
		if (strcmp(a->leases[i], b->leases[i]))
			return false;
	return true;
}

int64_t privacy_keep_ms(const struct config *c)
{
	if (c->privacy.keep_ms)
		return c->privacy.keep_ms;
	return c->archive.enabled ? c->archive.keep_ms : 0;
}

char *privacy_key(const struct config *c)
{
	if (*c->privacy.key_file)
		return xstrdup(c->privacy.key_file);
	return xasprintf("%s/pseudonyms.key", c->state_dir);
}

const char *config_needs_restart(const struct config *a, const struct config *b,
				 char *buf, size_t size)
{
	const struct {
		const char *name;
		bool same;
	} parts[] = {
		{ "listen", same_listeners(a, b) },
		{ "http", same_http(&a->http, &b->http) },
		{ "history", same_history(&a->history, &b->history) },
		{ "archive", same_archive(&a->archive, &b->archive) },
		{ "squid", same_squids(a, b) },
		{ "privacy", a->privacy.keep_ms == b->privacy.keep_ms &&
				     a->privacy.pseudonyms == b->privacy.pseudonyms &&
				     !strcmp(a->privacy.key_file, b->privacy.key_file) &&
				     !strcmp(a->privacy.looked, b->privacy.looked) },
		{ "names", same_names(&a->names, &b->names) },
		{ "act", a->act.enabled == b->act.enabled &&
				 !strcmp(a->act.socket, b->act.socket) },
		{ "memory", a->memory == b->memory },
		{ "workers", a->workers == b->workers },
		{ "max_exporters", a->max_exporters == b->max_exporters },
		{ "receive_buffer", a->receive_buffer == b->receive_buffer },
		{ "user", !strcmp(a->user, b->user) && !strcmp(a->group, b->group) },
	};
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!parts[i].same && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s",
						len ? ", " : "", parts[i].name);
	return buf;
}
