/* config_noise.c - sections about less noise: alerts, route, maintenance, inhibit, deadman.
 * SPDX-License-Identifier: ISC
 *
 * Read, checked and printed in one place, since each is a few lines and all of them share
 * the little languages of rules/match.h and rules/hours.h.
 */
#include "daemon/config_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/model/calendar.h"
#include "rules/hours.h"
#include "rules/inhibit.h"
#include "rules/match.h"
#include "rules/noise.h"

enum { HINT = 128 };

static char **texts(const struct node *n, const char *name, size_t *count)
{
	const struct value **list = config_list(n, name, count);
	char **out = xcalloc(*count, sizeof(*out));

	for (size_t i = 0; i < *count; i++)
		out[i] = xstrdup(list[i]->text);
	free(list);
	return out;
}

/* --- names in a matcher --- */

struct place {
	struct config_reader *r;
	const struct value *v;
};

static bool known(const struct config *c, const char *kind, const char *name)
{
	struct addr a;

	if (!strcmp(kind, "rule")) {
		for (size_t i = 0; i < c->n_rules; i++)
			if (!strcmp(c->rules[i].name, name))
				return true;
		return builtin_find(name);
	}
	if (!strcmp(kind, "exporter")) {
		for (size_t i = 0; i < c->n_exporters; i++)
			if (!strcmp(c->exporters[i].name, name))
				return true;
		return addr_parse(name, &a);
	}
	for (size_t i = 0; i < c->n_networks; i++)
		if (!strcmp(c->networks[i].name, name))
			return true;
	return false;
}

static void check_name(void *arg, const char *kind, const char *name)
{
	const struct place *p = arg;

	if (!known(p->r->c, kind, name))
		config_warn(p->r, p->v, "%s: there is no %s \"%s\" in this file, so nothing may "
			    "ever match", p->v->name, kind, name);
}

static void check_match(struct config_reader *r, const struct node *n, const char *name)
{
	const struct value *v = config_value(n, name);
	struct err err = { "" };
	struct match *m;

	if (!v)
		return;
	m = match_compile(v->text, &err);
	if (!m)
		config_bad(r, v, "%s: %s", name, err.msg);
	match_each_name(m, check_name, &(struct place){ r, v });
	match_free(&m);
}

static void check_hours(struct config_reader *r, const struct node *n, const char *name)
{
	const struct value *v = config_value(n, name), *zone = config_value(n, "timezone");
	struct err err = { "" };
	struct hours *h = v && *v->text ? hours_parse(v->text, &err) : NULL;
	struct calendar *cal;

	if (v && *v->text && !h)
		config_bad(r, v, "%s: %s", name, err.msg);
	hours_free(&h);
	if (!zone || !*zone->text)
		return;
	cal = calendar_new(zone->text, &err);
	if (!cal)
		config_bad(r, zone, "timezone: %s", err.msg);
	calendar_free(&cal);
}

static void check_channels(struct config_reader *r, const struct node *n)
{
	size_t count;
	const struct value **list = config_list(n, "notify", &count);
	const char **names = xcalloc(r->c->n_channels + 1, sizeof(*names));
	char hint[HINT];

	for (size_t i = 0; i < r->c->n_channels; i++)
		names[i] = r->c->channels[i].name;
	for (size_t i = 0; i < count; i++) {
		bool found = false;

		for (size_t k = 0; names[k]; k++)
			found |= !strcmp(names[k], list[i]->text);
		if (!found)
			config_bad(r, list[i], "notify: there is no channel \"%s\"%s",
				   list[i]->text,
				   *config_hint(list[i]->text, names, hint, sizeof(hint))
				       ? hint : "; add a section notify NAME { }");
	}
	if (!count && !n->lost)
		config_bad_node(r, n, "%s tells nobody; write notify = {\"noc\"}", n->what->name);
	free(names);
	free(list);
}

/* --- reading --- */

static void read_route(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	struct route_conf *t;
	size_t count;
	const struct value **list = config_list(n, "severity", &count);

	c->routes = xrealloc(c->routes, c->n_routes + 1, sizeof(*c->routes));
	t = &c->routes[c->n_routes++];
	*t = (struct route_conf){ 0 };
	t->notify = texts(n, "notify", &t->n_notify);
	config_fill(r, &config_route, n, t);
	for (size_t i = 0; i < count; i++) {
		int s = severity_find(list[i]->text);

		if (s < 0)
			config_bad(r, list[i], "severity: \"%s\" is none of info, warning, "
				   "critical", list[i]->text);
		else
			t->severity |= 1u << s;
	}
	free(list);
}

static void read_maintenance(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	struct maintenance_conf *m;

	c->maintenances = xrealloc(c->maintenances, c->n_maintenances + 1,
				   sizeof(*c->maintenances));
	m = &c->maintenances[c->n_maintenances++];
	*m = (struct maintenance_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_fill(r, &config_maintenance, n, m);
	if (!*m->when && !n->lost)
		config_bad_node(r, n, "maintenance %s has no time; write when = \"sat,sun "
				"22:00-02:00\"", n->title);
}

static void read_inhibit(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	struct inhibit_conf *x;
	size_t count;
	const struct value **list = config_list(n, "equal", &count);
	char hint[HINT];

	c->inhibits = xrealloc(c->inhibits, c->n_inhibits + 1, sizeof(*c->inhibits));
	x = &c->inhibits[c->n_inhibits++];
	*x = (struct inhibit_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_fill(r, &config_inhibit, n, x);
	for (size_t i = 0; i < count; i++) {
		unsigned w = 0;

		while (equal_word[w] && strcmp(equal_word[w], list[i]->text))
			w++;
		if (equal_word[w])
			x->equal |= 1u << w;
		else
			config_bad(r, list[i], "equal: \"%s\" is none of exporter, interface, "
				   "network, host, rule, series%s", list[i]->text,
				   config_hint(list[i]->text, equal_word, hint, sizeof(hint)));
	}
	free(list);
	if ((!*x->source || !*x->target) && !n->lost)
		config_bad_node(r, n, "inhibit %s needs source and target, as in source = "
				"\"rule = core-down\" and target = \"rule = edge-*\"", n->title);
}

void config_read_noise(struct config_reader *r)
{
	const struct node *root = r->root, *alerts = NULL, *deadman = NULL;
	struct config *c = r->c;

	for (size_t i = 0; i < root->n_kids; i++) {
		const struct node *n = &root->kids[i];

		if (n->what == &config_alerts)
			alerts = n;
		else if (n->what == &config_deadman)
			deadman = n;
		else if (n->what == &config_route)
			read_route(r, n);
		else if (n->what == &config_maintenance)
			read_maintenance(r, n);
		else if (n->what == &config_inhibit)
			read_inhibit(r, n);
	}
	config_fill(r, &config_alerts, alerts, &c->alerts);
	config_fill(r, &config_deadman, deadman, &c->deadman);
	if (deadman)
		c->deadman.notify = texts(deadman, "notify", &c->deadman.n_notify);
}

void config_check_noise(struct config_reader *r)
{
	const struct config *c = r->c;
	const struct node *last[3] = { NULL };

	for (size_t i = 0; i < r->root->n_kids; i++) {
		const struct node *n = &r->root->kids[i];

		if (n->what == &config_route) {
			check_match(r, n, "filter");
			check_hours(r, n, "hours");
			check_channels(r, n);
			last[0] = n;
		} else if (n->what == &config_maintenance) {
			check_match(r, n, "filter");
			check_hours(r, n, "when");
			last[1] = n;
		} else if (n->what == &config_inhibit) {
			check_match(r, n, "source");
			check_match(r, n, "target");
			last[2] = n;
		} else if (n->what == &config_deadman && c->deadman.every_ms) {
			check_channels(r, n);
		}
	}
	if (c->n_routes > NOISE_ROUTES)
		config_bad_node(r, last[0], "more than %d routes", NOISE_ROUTES);
	if (c->n_maintenances > NOISE_WINDOWS)
		config_bad_node(r, last[1], "more than %d windows of maintenance", NOISE_WINDOWS);
	if (c->n_inhibits > INHIBITS_MAX - 1) /* one is built in */
		config_bad_node(r, last[2], "more than %d inhibitions", INHIBITS_MAX - 1);
}

/* --- printing, freeing --- */

static void list(FILE *to, const char *name, const char *const *words, size_t n)
{
	fprintf(to, "\t%s = {", name);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s\"%s\"", i ? ", " : "", words[i]);
	fputs("}\n", to);
}

void config_print_noise(const struct config *c, FILE *to)
{
	fputs("alerts {\n", to);
	config_print_fields(to, 1, &config_alerts, &c->alerts);
	fputs("}\n", to);
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct route_conf *t = &c->routes[i];
		const char *words[3];
		size_t n = 0;

		fputs("route {\n", to);
		config_print_fields(to, 1, &config_route, t);
		for (int s = 0; s < 3; s++)
			if (t->severity >> s & 1)
				words[n++] = severity_word[s];
		if (n)
			list(to, "severity", words, n);
		list(to, "notify", (const char *const *)t->notify, t->n_notify);
		fputs("}\n", to);
	}
	for (size_t i = 0; i < c->n_maintenances; i++) {
		fprintf(to, "maintenance \"%s\" {\n", c->maintenances[i].name);
		config_print_fields(to, 1, &config_maintenance, &c->maintenances[i]);
		fputs("}\n", to);
	}
	for (size_t i = 0; i < c->n_inhibits; i++) {
		const char *words[EQUAL_WORDS];
		size_t n = 0;

		fprintf(to, "inhibit \"%s\" {\n", c->inhibits[i].name);
		config_print_fields(to, 1, &config_inhibit, &c->inhibits[i]);
		for (int w = 0; w < EQUAL_WORDS; w++)
			if (c->inhibits[i].equal >> w & 1)
				words[n++] = equal_word[w];
		if (n)
			list(to, "equal", words, n);
		fputs("}\n", to);
	}
	fputs("deadman {\n", to);
	config_print_fields(to, 1, &config_deadman, &c->deadman);
	if (c->deadman.n_notify)
		list(to, "notify", (const char *const *)c->deadman.notify, c->deadman.n_notify);
	fputs("}\n", to);
}

static void free_texts(char **s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

void config_free_noise(struct config *c)
{
	for (size_t i = 0; i < c->n_routes; i++) {
		struct route_conf *t = &c->routes[i];

		free(t->filter);
		free(t->hours);
		free(t->timezone);
		free_texts(t->notify, t->n_notify);
	}
	for (size_t i = 0; i < c->n_maintenances; i++) {
		struct maintenance_conf *m = &c->maintenances[i];

		free(m->name);
		free(m->when);
		free(m->filter);
		free(m->timezone);
	}
	for (size_t i = 0; i < c->n_inhibits; i++) {
		free(c->inhibits[i].name);
		free(c->inhibits[i].source);
		free(c->inhibits[i].target);
	}
	free_texts(c->deadman.notify, c->deadman.n_notify);
	free(c->routes);
	free(c->maintenances);
	free(c->inhibits);
}
