/* ruleset.c - rules as they are run.
 * SPDX-License-Identifier: ISC
 *
 * Built-in rules (daemon/model/builtin.def) make an empty configuration useful (D7). They tell
 * all channels there are, or those of the routes where there are any. A rule section with
 * the name of one changes what it names, and `enabled = no` in it switches it off.
 * Interfaces are counted all the same, quietly: their history and
 * culprit_interface_bytes_total hang on it.
 */
#include "daemon/ruleset.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/geo.h"
#include "daemon/model/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void copy_rule(struct rule *r, const struct rule_conf *c)
{
	static const enum period period[] = {
		[WINDOW_SLICES] = PERIOD_NONE, [WINDOW_DAY] = PERIOD_DAY,
		[WINDOW_WEEK] = PERIOD_WEEK, [WINDOW_MONTH] = PERIOD_MONTH,
	};

	*r = (struct rule){
		.name = xstrdup(c->name), .filter = filter_compile(c->filter, NULL),
		.measure = c->measure, .by = c->by, .window = c->slices,
		.period = period[c->window], .above = c->above, .below = c->below,
		.clear = c->clear, .warn = c->warn > 0 ? c->warn : NAN, .for_ms = c->for_ms,
		.detector = c->detector, .pattern = c->pattern, .severity = c->severity,
		.budget_total = c->detector && c->budget_total > 0 ? c->budget_total : 0,
		.side = c->side,
		.learns = c->builtin && c->detector ? c->builtin->learns : NULL,
	};
	if (c->detector || c->pattern)
		r->conf = xmemdup(c->detector_conf, c->detector ? c->detector->conf_size
							    : c->pattern->conf_size);
	for (size_t i = 0; i < c->n_notify && i < ALERT_NOTIFY - 1; i++)
		r->notify[i] = xstrdup(c->notify[i]);
}

/* Where there are routes, they say who hears of what no rule section names. */
static void tell_all(struct rule *r, const struct config *c)
{
	for (size_t i = 0; !c->n_routes && i < c->n_channels && i < ALERT_NOTIFY - 1; i++)
		r->notify[i] = xstrdup(c->channels[i].name);
}

static void add_builtin(struct rule *r, const struct builtin *b, const struct config *c)
{
	*r = (struct rule){
		.name = xstrdup(b->name), .filter = filter_compile("", NULL), .by = b->by,
		.measure = { .kind = b->measure }, .window = BIN_SLICES, .above = NAN,
		.below = NAN, .clear = NAN, .warn = NAN, .severity = b->severity,
		.detector = detector_find(b->detector), .pattern = pattern_find(b->detector),
		.side = b->side, .learns = b->learns,
	};
	if (r->detector) {
		r->conf = xcalloc(1, r->detector->conf_size);
		opt_defaults(r->detector->opts, r->conf);
	} else {
		r->conf = xcalloc(1, r->pattern->conf_size);
		opt_defaults(r->pattern->opts, r->conf);
	}
	tell_all(r, c);
}

static bool named(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!strcmp(c->rules[i].name, name))
			return true;
	return false;
}

/* A section of its name takes its place, or one of the name that two of them had. */
static bool replaced(const struct config *c, const struct builtin *b)
{
	return named(c, b->name) ||
	       (b->learns && !strcmp(b->learns, BUILTIN_BOTH) && named(c, BUILTIN_BOTH));
}

/* Interfaces are counted whether or not a rule asks. */
static bool counts_interfaces(const struct rules *rs)
{
	for (unsigned i = 0; i < rs->n; i++) {
		const struct rule *r = &rs->at[i];

		if (!r->pattern && r->by == BY_INTERFACE && filter_is_all(r->filter) &&
		    r->period == PERIOD_NONE && !rule_is_gauge(r))
			return true;
	}
	return false;
}

static void add_counters(struct rule *r)
{
	*r = (struct rule){
		.name = xstrdup("interface-counters"), .filter = filter_compile("", NULL),
		.by = BY_INTERFACE, .measure = { .kind = MEASURE_BITS_S },
		.window = BIN_SLICES, .above = NAN, .below = NAN, .clear = NAN, .warn = NAN,
		.quiet = true,
	};
}

struct rules *ruleset_new(const struct config *c)
{
	struct rules *rs = xcalloc(1, sizeof(*rs));
	size_t n = 0;

	while (builtin_at(n))
		n++;
	rs->at = xcalloc(c->n_rules + n + 1, sizeof(*rs->at));
	for (size_t i = 0; i < c->n_rules; i++) {
		if (!c->rules[i].enabled)
			continue;
		copy_rule(&rs->at[rs->n], &c->rules[i]);
		if (c->rules[i].tell_all)
			tell_all(&rs->at[rs->n], c);
		rs->n++;
	}
	for (size_t i = 0; i < n; i++)
		if (!replaced(c, builtin_at(i)))
			add_builtin(&rs->at[rs->n++], builtin_at(i), c);
	if (!counts_interfaces(rs))
		add_counters(&rs->at[rs->n++]);
	return rs;
}

struct rules *ruleset_geo(struct rules *rs, struct geo *country)
{
	for (unsigned i = 0; country && i < rs->n; i++) {
		filter_geo(rs->at[i].filter, geo_filter, country);
		rs->at[i].country = geo_filter;
		rs->at[i].country_arg = country;
	}
	return rs;
}

static void name_exporter(const struct exporter_conf *ec, struct names *n)
{
	struct exporter *e = names_exporter_known(n, &ec->addr, ec->port, ec->name);

	if (!e) {
		log_warn("exporter %s: the table of exporters is full; raise max_exporters",
			 ec->name);
		return;
	}
	for (size_t i = 0; i < ec->n_interfaces; i++)
		if (ec->interfaces[i].index >= 0)
			names_interface_set(n, e->id, (uint32_t)ec->interfaces[i].index,
					    ec->interfaces[i].name,
					    ec->interfaces[i].speed_bps, TOLD_CONFIG);
}

void ruleset_names(const struct config *c, struct names *n)
{
	for (size_t i = 0; i < c->n_exporters; i++)
		name_exporter(&c->exporters[i], n);
	names_networks_clear(n);
	for (size_t i = 0; i < c->n_networks; i++)
		for (size_t j = 0; j < c->networks[i].n_prefixes; j++)
			names_network_add(n, c->networks[i].name, &c->networks[i].prefixes[j]);
	names_networks_done(n);
}
