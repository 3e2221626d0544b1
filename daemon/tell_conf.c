/* tell_conf.c - the configuration as rules/noise.h wants it.
 * SPDX-License-Identifier: ISC
 *
 * All texts have been checked by config_noise.c, so compiling them cannot fail; one
 * inhibition is built in, that of a silent exporter.
 */
#include "daemon/base/mem.h"
#include "daemon/tell_impl.h"

#include <stdlib.h>
#include <string.h>

static struct calendar *zone(const char *name, const struct config *c)
{
	struct calendar *cal = *name ? calendar_new(name, NULL) : NULL;

	if (cal && *c->holidays)
		calendar_load_holidays(cal, c->holidays, NULL);
	return cal;
}

/* severity = {"warning", "critical"} beside a filter. */
static struct match *route_match(const struct route_conf *t)
{
	struct strb b = { 0 };
	struct match *m;

	strb_fmt(&b, "(%s)", *t->filter ? t->filter : "any");
	for (int s = 0, n = 0; t->severity && s < 3; s++)
		if (t->severity >> s & 1)
			strb_fmt(&b, "%s severity = %s", n++ ? " or" : " and (", severity_word[s]);
	strb_add(&b, t->severity ? ")" : "");
	m = match_compile(b.s, NULL);
	strb_free(&b);
	return m;
}

static void routes(struct noise_conf *n, const struct config *c)
{
	n->routes = xcalloc(c->n_routes + 1, sizeof(*n->routes));
	for (; n->n_routes < c->n_routes; n->n_routes++) {
		const struct route_conf *t = &c->routes[n->n_routes];
		struct noise_route *r = &n->routes[n->n_routes];

		*r = (struct noise_route){
			.name = xasprintf("route %zu", n->n_routes + 1), .match = route_match(t),
			.hours = *t->hours ? hours_parse(t->hours, NULL) : NULL,
			.calendar = zone(t->timezone, c), .after_ms = t->after_ms,
			.notify = xcalloc(t->n_notify, sizeof(*r->notify)) };
		for (; r->n_notify < t->n_notify; r->n_notify++)
			r->notify[r->n_notify] = xstrdup(t->notify[r->n_notify]);
	}
}

static void add_inhibit(struct noise_conf *n, const char *name, const char *source,
			const char *target, unsigned equal)
{
	n->inhibits[n->n_inhibits++] = (struct inhibit_rule){
		xstrdup(name), match_compile(source, NULL), match_compile(target, NULL), equal };
}

struct noise_conf *tell_conf(const struct config *c)
{
	struct noise_conf *n = xcalloc(1, sizeof(*n));
	const struct alerts_conf *a = &c->alerts;

	*n = (struct noise_conf){ .group = a->group, .name_hosts = a->name_hosts,
				  .gather_ms = a->gather_ms, .update_ms = a->update_ms,
				  .repeat_ms = a->repeat_ms, .flaps = a->flaps,
				  .flap_window_ms = a->flap_window_ms,
				  .flap_hold_ms = a->flap_hold_ms };
	n->channels = xcalloc(c->n_channels + 1, sizeof(*n->channels));
	for (; n->n_channels < c->n_channels; n->n_channels++)
		n->channels[n->n_channels] = (struct noise_channel){
			xstrdup(c->channels[n->n_channels].name),
			notify_people(&c->channels[n->n_channels]),
			notify_acks(&c->channels[n->n_channels]) };
	routes(n, c);
	n->windows = xcalloc(c->n_maintenances + 1, sizeof(*n->windows));
	for (; n->n_windows < c->n_maintenances; n->n_windows++) {
		const struct maintenance_conf *m = &c->maintenances[n->n_windows];

		n->windows[n->n_windows] = (struct noise_window){
			xstrdup(m->name), match_compile(m->filter, NULL),
			hours_parse(m->when, NULL), zone(m->timezone, c) };
	}
	n->inhibits = xcalloc(c->n_inhibits + 1, sizeof(*n->inhibits));
	add_inhibit(n, "of a silent exporter", "rule = exporter-silent", "any", EQUAL_EXPORTER);
	for (size_t i = 0; i < c->n_inhibits; i++)
		add_inhibit(n, c->inhibits[i].name, c->inhibits[i].source, c->inhibits[i].target,
			    c->inhibits[i].equal);
	return n;
}
