/* config_check.c - what only makes sense together.
 * SPDX-License-Identifier: ISC
 *
 * By now every value is right by itself. Here names are looked for where they should
 * be defined, filters are compiled, and parts are asked that judge their own settings.
 */
#include "daemon/config_impl.h"

#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <math.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/snmp.h"
#include "daemon/model/calendar.h"
#include "rules/filter/filter.h"
#include "storage/store.h"

enum { HINT = 128 };

/* Names of one kind in the configuration, NULL at the end; free the array only. */
static const char **channel_names(const struct config *c)
{
	const char **names = xcalloc(c->n_channels + 1, sizeof(*names));

	for (size_t i = 0; i < c->n_channels; i++)
		names[i] = c->channels[i].name;
	return names;
}

static const char **network_names(const struct config *c)
{
	const char **names = xcalloc(c->n_networks + 1, sizeof(*names));

	for (size_t i = 0; i < c->n_networks; i++)
		names[i] = c->networks[i].name;
	return names;
}

static const char **exporter_names(const struct config *c)
{
	const char **names = xcalloc(c->n_exporters + 1, sizeof(*names));

	for (size_t i = 0; i < c->n_exporters; i++)
		names[i] = c->exporters[i].name;
	return names;
}

static const char **interface_names(const struct config *c)
{
	const char **names;
	size_t n = 0;

	for (size_t i = 0; i < c->n_exporters; i++)
		n += c->exporters[i].n_interfaces;
	names = xcalloc(n + 1, sizeof(*names));
	n = 0;
	for (size_t i = 0; i < c->n_exporters; i++)
		for (size_t j = 0; j < c->exporters[i].n_interfaces; j++)
			if (*c->exporters[i].interfaces[j].name)
				names[n++] = c->exporters[i].interfaces[j].name;
	return names;
}

static bool among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

struct filter_place {
	struct config_reader *r;
	const struct value *v;
};

/* A name in a filter. An interface may be named by its exporter later on, so that
 * one unknown now is only worth a word. */
static void check_name(void *arg, const char *kind, const char *name)
{
	const struct filter_place *p = arg;
	const struct config *c = p->r->c;
	bool interface = !strcmp(kind, "interface");
	const char **names = interface			 ? interface_names(c)
			     : !strcmp(kind, "exporter") ? exporter_names(c)
							 : network_names(c);
	struct addr addr;
	char hint[HINT];

	config_hint(name, names, hint, sizeof(hint));
	if (among(name, names) || (!strcmp(kind, "exporter") && addr_parse(name, &addr)))
		; /* known */
	else if (interface)
		config_warn(p->r, p->v,
			    "filter: no section names an interface \"%s\", so the "
			    "filter matches only once an exporter tells that name%s",
			    name, hint);
	else
		config_bad(p->r, p->v, "filter: there is no %s \"%s\"%s", kind, name,
			   *hint ? hint : "; add a section for it, or write its address");
	free(names);
}

static void check_filter(struct config_reader *r, const struct node *n,
			 const struct rule_conf *rule)
{
	const struct value *v = config_value(n, "filter");
	struct err err = { "" };
	struct filter *f;

	if (!v)
		return;
	f = filter_compile(rule->filter, &err);
	if (!f)
		config_bad(r, v, "filter: %s", err.msg);
	else
		filter_each_name(f, check_name, &(struct filter_place){ r, v });
	if (f && strstr(filter_text(f), "country ") && !*r->c->names.country)
		config_warn(r, v, "filter: no flow passes, since nobody knows the countries of "
			    "addresses; name an MMDB file in names { country = \"…\" }");
	filter_free(&f);
}

static void check_notify(struct config_reader *r, const struct node *n)
{
	size_t count;
	const struct value **list = config_list(n, "notify", &count);
	const char **names = channel_names(r->c);
	char hint[HINT];

	for (size_t i = 0; i < count; i++) {
		if (!among(list[i]->text, names))
			config_bad(r, list[i], "notify: there is no channel \"%s\"%s",
				   list[i]->text,
				   *config_hint(list[i]->text, names, hint, sizeof(hint))
				       ? hint
				       : "; add a section notify NAME { }");
		for (size_t j = 0; j < i; j++)
			if (!strcmp(list[j]->text, list[i]->text))
				config_bad(r, list[i], "notify: \"%s\" is listed twice",
					   list[i]->text);
	}
	if (count >= ALERT_NOTIFY)
		config_bad(r, list[count - 1], "notify: %zu channels; %d are the most",
			   count, ALERT_NOTIFY - 1);
	free(names);
	free(list);
}

static bool any_speed(const struct config *c)
{
	for (size_t i = 0; i < c->n_exporters; i++) {
		if (*c->exporters[i].snmp.version)
			return true;
		for (size_t j = 0; j < c->exporters[i].n_interfaces; j++)
			if (c->exporters[i].interfaces[j].speed_bps)
				return true;
	}
	return false;
}

static void check_act(struct config_reader *r, const struct node *n,
		      const struct rule_conf *rule)
{
	const struct value *v = config_value(n, "act");

	if (rule->act == ACT_NONE)
		return;
	if (!r->c->act.enabled)
		config_warn(r, v, "act: rule %s acts on nobody until act { enabled = yes }",
			    n->title);
	else if (!r->c->n_networks)
		config_bad(r, v, "act: rules act only on addresses of a network section, so "
				 "that no server of others is slowed; add one, like network "
				 "lan { prefixes = {\"10.20.0.0/24\"} }");
}

static void check_rule(struct config_reader *r, const struct node *n,
		       const struct rule_conf *rule)
{
	check_act(r, n, rule);
	check_filter(r, n, rule);
	check_notify(r, n);
	if (rule->measure.kind != MEASURE_UTILISATION)
		return;
	if (rule->by != BY_INTERFACE)
		config_bad(r, config_value(n, "measure"),
			   "measure: utilisation is a share of an "
			   "interface's speed; write by = \"interface\"");
	else if (!any_speed(r->c))
		config_warn_node(
		    r, n,
		    "rule %s measures utilisation, but no interface section has "
		    "a speed; only interfaces whose exporter tells it are judged",
		    n->title);
}

static void check_word(struct config_reader *r, const struct node *n, const char *name,
		       const char *word, const char *const *words)
{
	const struct value *v = config_value(n, name);
	char hint[HINT], list[HINT] = "";
	size_t len = 0;

	if (among(word, (const char **)words))
		return;
	for (size_t i = 0; words[i] && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					words[i]);
	if (*config_hint(word, words, hint, sizeof(hint)))
		config_bad(r, v, "%s: there is no \"%s\"%s", name, word, hint);
	else
		config_bad(r, v, "%s: there is no \"%s\"; it is one of %s", name, word, list);
}

/* Secrets go by files alone, and a half written v3 would ask in the clear. */
static void check_snmp(struct config_reader *r, const struct node *n,
		       const struct exporter_conf *e)
{
	const struct snmp_conf *s = &e->snmp;
	const struct value *v = config_value(n, "snmp");
	bool v3 = !strcmp(s->version, "v3");

	check_word(r, n, "snmp_auth", s->auth, snmp_auth_words);
	check_word(r, n, "snmp_priv", s->priv, snmp_priv_words);
	if (!v || !*s->version)
		return;
	if (!v3 && strcmp(s->version, "v2c"))
		config_bad(r, v, "snmp: \"%s\" is neither v2c nor v3; an address goes into "
				 "snmp_address", s->version);
	else if (!snmp_built())
		config_warn(r, v, "snmp: this culpritd was built without SNMP and will not ask; "
				  "install net-snmp's development files (libsnmp-dev) and build "
				  "again");
	else if (!v3 && !*s->community_file)
		config_bad(r, v, "snmp = \"v2c\" needs snmp_community_file, a file with the "
				 "community that only culpritd may read");
	else if (v3 && !*s->user)
		config_bad(r, v, "snmp = \"v3\" needs snmp_user");
	else if (v3 && *s->priv_file && !*s->auth_file)
		config_bad(r, v, "snmp_priv_file needs snmp_auth_file too: SNMPv3 encrypts "
				 "only what it signs");
}

static void check_exporters(struct config_reader *r, const struct node *n, size_t i)
{
	const struct exporter_conf *e = &r->c->exporters[i];

	for (size_t j = 0; j < i; j++) {
		const struct exporter_conf *o = &r->c->exporters[j];

		if (addr_eq(&o->addr, &e->addr) && o->port == e->port &&
		    !addr_is_none(&e->addr))
			config_bad_node(
			    r, n,
			    "exporter %s has the address of exporter %s; give "
			    "both their source port, or remove one",
			    e->name, o->name);
	}
	check_snmp(r, n, e);
}

static void check_network(struct config_reader *r, const struct node *n, size_t i)
{
	const struct network_conf *net = &r->c->networks[i];
	char text[ADDR_TEXT + 4];

	for (size_t a = 0; a < net->n_prefixes; a++) {
		for (size_t j = 0; j < i; j++) {
			const struct network_conf *o = &r->c->networks[j];

			for (size_t b = 0; b < o->n_prefixes; b++)
				if (addr_eq(&o->prefixes[b].addr,
					    &net->prefixes[a].addr) &&
				    o->prefixes[b].bits == net->prefixes[a].bits)
					config_bad_node(
					    r, n,
					    "network %s has %s, which network %s "
					    "has too; remove it from one",
					    net->name,
					    prefix_text(&net->prefixes[a], text),
					    o->name);
		}
	}
}

static void check_timezone(struct config_reader *r)
{
	const struct value *zone = config_value(r->root, "timezone"),
			   *holidays = config_value(r->root, "holidays");
	struct err err = { "" };
	struct calendar *cal = calendar_new(r->c->timezone, &err);

	if (!cal && zone) {
		config_bad(r, zone, "timezone: %s", err.msg);
		cal = calendar_new("UTC", NULL);
	} else if (!cal) {
		config_errors_add(r->errs, false, NULL, 0, "timezone: %s", err.msg);
		return;
	}
	if (holidays && *holidays->text &&
	    !calendar_load_holidays(cal, r->c->holidays, &err))
		config_bad(r, holidays, "holidays: %s", err.msg);
	calendar_free(&cal);
}

static void check_accounts(struct config_reader *r)
{
	const struct value *user = config_value(r->root, "user"),
			   *group = config_value(r->root, "group");

	if (user && *user->text && !getpwnam(user->text))
		config_bad(
		    r, user,
		    "user: there is no account \"%s\"; create it or remove the line",
		    user->text);
	if (group && *group->text && !getgrnam(group->text))
		config_bad(
		    r, group,
		    "group: there is no group \"%s\"; create it or remove the line",
		    group->text);
}

static void check_history(struct config_reader *r, const struct node *n)
{
	const struct value *url = config_value(n, "url");
	const struct history_conf *h = &r->c->history;
	struct store_opts opts = { .password_file = h->password_file,
				   .keep_bins_s = h->keep_ms / 1000,
				   .keep_rollups_s = h->rollups_ms / 1000 };
	struct err err;

	if (url && *url->text && !store_check(h->url, &opts, &err))
		config_bad(r, url, "%s", err.msg);
	if (h->rollups_ms < h->keep_ms)
		config_bad_node(
		    r, n,
		    "history: rollups are kept for less time than the bins they "
		    "are made of; write rollups at least as long as keep");
}

static void check_http(struct config_reader *r, const struct node *n)
{
	const struct http_conf *h = &r->c->http;
	const struct value *url = config_value(n, "url");
	bool local = !strncmp(h->address, "127.", 4) || !strcmp(h->address, "::1");

	if (h->enabled && !local && !*h->token_file)
		config_warn_node(
		    r, n,
		    "http listens on %s and asks for no token: whoever reaches "
		    "it sees who talks to whom; write token_file, or put a proxy with a "
		    "login in front",
		    h->address);
	if (url && *url->text && strncmp(h->url, "http://", 7) &&
	    strncmp(h->url, "https://", 8))
		config_bad(
		    r, url,
		    "url: write the whole of it, beginning with http:// or https://");
}

/* The daemon does without; a misspelt path should be seen all the same. */
static void check_readable(struct config_reader *r, const struct node *n, const char *name,
			   const char *path)
{
	if (*path && access(path, R_OK))
		config_warn(r, config_value(n, name), "%s: %s: %s; correct it, or what it "
			    "would tell stays unknown", name, path, strerror(errno));
}

static void check_names(struct config_reader *r, const struct node *n)
{
	const struct names_conf *c = &r->c->names;

	if (config_value(n, "hosts"))
		check_readable(r, n, "hosts", c->hosts);
	check_readable(r, n, "country", c->country);
	check_readable(r, n, "as", c->as);
}

/* Is that an address of this machine? */
static bool is_ours(const struct addr *a)
{
	struct ifaddrs *all = NULL;
	bool ours = a->b[12] == 127 && addr_is4(a);

	if (!ours && !getifaddrs(&all))
		for (struct ifaddrs *i = all; i && !ours; i = i->ifa_next) {
			struct sockaddr_storage ss = { 0 };
			bool v6 = i->ifa_addr && i->ifa_addr->sa_family == AF_INET6;
			struct addr have;
			uint16_t port;

			if (!v6 && (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET))
				continue;
			memcpy(&ss, i->ifa_addr, v6 ? sizeof(struct sockaddr_in6)
						    : sizeof(struct sockaddr_in));
			have = addr_of_sockaddr(&ss, &port);
			ours = addr_eq(&have, a);
		}
	if (all)
		freeifaddrs(all);
	return ours;
}

/* What is forwarded to ourselves comes back, is forwarded again, and so on for ever. */
static void check_forward(struct config_reader *r)
{
	const struct addr any = { { 0 } }, any4 = addr_of4("\0\0\0\0");
	const struct config *c = r->c;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < c->n_forwards; i++) {
		const struct forward_conf *f = &c->forwards[i];

		for (size_t k = 0; k < c->n_listeners; k++) {
			struct addr at;

			if (c->listeners[k].port != f->port ||
			    !addr_parse(c->listeners[k].address, &at) || !is_ours(&f->addr))
				continue;
			if (!addr_eq(&at, addr_is4(&at) ? &any4 : &any) &&
			    !addr_eq(&at, &f->addr))
				continue;
			config_bad(r, config_value(r->root, "forward"),
				   "forward: %s port %u is where this daemon listens "
				   "(%s), so every datagram would go round for ever; "
				   "write the address of another collector",
				   addr_text(&f->addr, text), f->port,
				   listen_word[c->listeners[k].kind]);
			break;
		}
	}
}

void config_check(struct config_reader *r)
{
	size_t rules = 0, exporters = 0, networks = 0;

	for (size_t i = 0; i < r->root->n_kids; i++) {
		const struct node *n = &r->root->kids[i];

		if (n->what == &config_rule)
			check_rule(r, n, &r->c->rules[rules++]);
		else if (n->what == &config_exporter)
			check_exporters(r, n, exporters++);
		else if (n->what == &config_network)
			check_network(r, n, networks++);
		else if (n->what == &config_history)
			check_history(r, n);
		else if (n->what == &config_http)
			check_http(r, n);
		else if (n->what == &config_names)
			check_names(r, n);
	}
	check_forward(r);
	config_check_noise(r);
	check_timezone(r);
	check_accounts(r);
}
