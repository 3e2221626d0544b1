/* config_read.c - values to fields, section by section.
 * SPDX-License-Identifier: ISC
 *
 * Each section is judged by itself here, where its place is known; what only makes sense
 * together is looked at by config_check.c, and single values by config_value.c.
 */
#include "daemon/config_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/evidence/snmp.h"
#include "daemon/evidence/squid_net.h"

enum { HINT = 128 };

static void add_listener(struct config *c, enum listen_kind kind, const char *address,
			 uint16_t port)
{
	struct listener_conf *l;

	for (size_t i = 0; i < c->n_listeners; i++)
		if (c->listeners[i].port == port &&
		    !strcmp(c->listeners[i].address, address))
			return; /* any version is understood on any port: once is enough
				 */
	c->listeners = xrealloc(c->listeners, c->n_listeners + 1, sizeof(*c->listeners));
	l = &c->listeners[c->n_listeners++];
	*l = (struct listener_conf){ kind, xstrdup(address), port };
}

static const uint16_t usual_port[LISTEN_KINDS] = { 2055, 4739, 6343 };

static void read_listen(struct config_reader *r, const struct node *n)
{
	size_t n_addresses, n_ports;
	const struct value **addresses = config_list(n, "address", &n_addresses);
	const struct value **ports = config_list(n, "port", &n_ports);
	const char *words[LISTEN_KINDS + 1] = { 0 };
	enum listen_kind kind = 0;
	char hint[HINT];

	for (size_t i = 0; i < LISTEN_KINDS; i++)
		words[i] = listen_word[i];
	while (kind < LISTEN_KINDS && strcmp(n->title, words[kind]))
		kind++;
	if (kind == LISTEN_KINDS) {
		config_bad_node(r, n, "listen \"%s\": write netflow, ipfix or sflow%s",
				n->title,
				config_hint(n->title, words, hint, sizeof(hint)));
		kind = LISTEN_NETFLOW;
	}
	for (size_t i = 0; i == 0 || i < n_ports; i++) {
		uint16_t port = usual_port[kind];

		if (n_ports && !config_read_port(r, ports[i], &port))
			continue;
		if (!port)
			config_bad(r, ports[i],
				   "port: 0 would be a port that no exporter can "
				   "know; write %u",
				   usual_port[kind]);
		for (size_t j = 0; j == 0 || j < n_addresses; j++) {
			const char *a = n_addresses ? addresses[j]->text : "::";

			if (config_is_address(a) || !strcmp(a, "*"))
				add_listener(r->c, kind, strcmp(a, "*") ? a : "::", port);
			else if (!i)
				config_bad(r, addresses[j],
					   "address: \"%s\" is not an address; "
					   "write it in numbers, or \"::\" for all",
					   a);
		}
	}
	free(addresses);
	free(ports);
}

static void read_forward(struct config_reader *r)
{
	struct config *c = r->c;
	size_t n;
	const struct value **list = config_list(r->root, "forward", &n);

	c->forwards = xcalloc(n, sizeof(*c->forwards));
	for (size_t i = 0; i < n; i++) {
		struct forward_conf f;

		if (config_endpoint(list[i]->text, &f.addr, &f.port))
			c->forwards[c->n_forwards++] = f;
		else
			config_bad(r, list[i],
				   "forward: \"%s\" is not address and port; write "
				   "192.0.2.99:2055 or [2001:db8::9]:2055",
				   list[i]->text);
	}
	free(list);
}

static void read_interface(struct config_reader *r, const struct node *n,
			   struct exporter_conf *e)
{
	struct interface_conf *f;
	uint64_t index;
	bool number = n->title[strspn(n->title, "0123456789")] == '\0' && *n->title;

	e->interfaces =
	    xrealloc(e->interfaces, e->n_interfaces + 1, sizeof(*e->interfaces));
	f = &e->interfaces[e->n_interfaces++];
	*f = (struct interface_conf){ .index = -1 };
	config_fill(r, &config_interface, n, f);
	if (number && parse_u64(n->title, UINT32_MAX, &index)) {
		f->index = (int64_t)index;
	} else if (number) {
		config_bad_node(r, n, "interface %s: an ifIndex is at most %u", n->title,
				UINT32_MAX);
	} else if (*f->name) {
		config_bad_node(r, n,
				"interface \"%s\" has a name already; write its ifIndex "
				"before the {, or leave name = out",
				n->title);
	} else {
		config_set_text(&f->name, xstrdup(n->title));
	}
	if (strlen(f->name) >= NAME_LEN)
		config_bad_node(r, n, "interface \"%s\": a name has at most %d octets",
				f->name, NAME_LEN - 1);
	for (size_t i = 0; i + 1 < e->n_interfaces; i++) {
		if (f->index >= 0 && e->interfaces[i].index == f->index)
			config_bad_node(r, n,
					"interface %s of exporter %s is there twice; "
					"keep one",
					n->title, e->name);
		else if (*f->name && !strcmp(e->interfaces[i].name, f->name))
			config_bad_node(
			    r, n,
			    "two interfaces of exporter %s are called \"%s\"; "
			    "filters could not tell them apart",
			    e->name, f->name);
	}
}

static void read_snmp(struct config_reader *r, const struct node *n, struct exporter_conf *e)
{
	const struct value *v = config_value(n, "snmp_address");
	struct snmp_conf *s = &e->snmp;

	s->addr = e->addr;
	s->port = SNMP_PORT;
	if (v && *s->address && !addr_parse(s->address, &s->addr) &&
	    !config_endpoint(s->address, &s->addr, &s->port))
		config_bad(r, v,
			   "snmp_address: \"%s\" is not an address; write 192.0.2.1, "
			   "192.0.2.1:1161 or [2001:db8::1]:1161",
			   s->address);
}

static void read_exporter(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	const struct value *v = config_value(n, "address");
	struct exporter_conf *e;

	c->exporters = xrealloc(c->exporters, c->n_exporters + 1, sizeof(*c->exporters));
	e = &c->exporters[c->n_exporters++];
	*e = (struct exporter_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_fill(r, &config_exporter, n, e);
	if (!v && !n->lost)
		config_bad_node(
		    r, n, "exporter %s has no address; write address = \"192.0.2.1\"",
		    n->title);
	else if (v && (!addr_parse(v->text, &e->addr) || addr_is_none(&e->addr)))
		config_bad(r, v, "address: \"%s\" is not the address of an exporter",
			   v->text);
	read_snmp(r, n, e);
	for (size_t i = 0; i < n->n_kids; i++)
		read_interface(r, &n->kids[i], e);
}

static void read_network(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	struct network_conf *net;

	c->networks = xrealloc(c->networks, c->n_networks + 1, sizeof(*c->networks));
	net = &c->networks[c->n_networks++];
	*net = (struct network_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	if (!config_prefixes(r, n, "prefixes",
			     "not a prefix; write it like 10.20.0.0/24 or 2001:db8::/32",
			     &net->prefixes, &net->n_prefixes) &&
	    !n->lost)
		config_bad_node(r, n,
				"network %s has no prefixes; write prefixes = "
				"{\"10.20.0.0/24\"}",
				n->title);
}

/* A URL is no path, whatever folder it is written in. */
static void read_squid_log(struct config_reader *r, const struct node *n,
			   struct squid_conf *s)
{
	const struct value *v = config_value(n, "log");
	struct err err = { "" };
	struct addr addr;
	uint16_t port;
	bool stream;

	if (!v || !squid_net_is(v->text))
		return;
	config_set_text(&s->log, xstrdup(v->text));
	if (!squid_net_parse(v->text, &stream, &addr, &port, &err))
		config_bad(r, v, "log: %s", err.msg);
}

static void read_squid(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	struct squid_conf *s;
	size_t count;
	const struct value **list = config_list(n, "address", &count);

	c->squids = xrealloc(c->squids, c->n_squids + 1, sizeof(*c->squids));
	s = &c->squids[c->n_squids++];
	*s = (struct squid_conf){ .addresses = xcalloc(count, sizeof(*s->addresses)) };
	config_fill(r, &config_squid, n, s);
	read_squid_log(r, n, s);
	config_prefixes(r, n, "allow",
			"neither an address nor a prefix; write it like 10.20.0.1 or "
			"10.20.0.0/24",
			&s->allow, &s->n_allow);
	for (size_t i = 0; i < count; i++) {
		if (addr_parse(list[i]->text, &s->addresses[s->n_addresses]))
			s->n_addresses++;
		else
			config_bad(r, list[i], "address: \"%s\" is not an address",
				   list[i]->text);
	}
	free(list);
	if (!count && !n->lost)
		config_bad_node(
		    r, n,
		    "squid has no address; list the proxy's own addresses, "
		    "inside and outside: address = {\"10.20.0.1\", \"192.0.2.2\"}");
	if (!*s->log && !*s->manager && !n->lost)
		config_bad_node(
		    r, n,
		    "squid has neither log nor manager, so there is nothing "
		    "to learn URLs from; write log = \"/var/log/squid/access.log\"");
	if (!request_urls_parse(s->urls, s->queries, &s->keep_urls))
		config_bad(r, config_value(n, "urls"),
			   "urls: \"%s\" is neither full, host nor off", s->urls);
	if (*s->manager && strncmp(s->manager, "http://", 7))
		config_bad(r, config_value(n, "manager"),
			   "manager: \"%s\" is not a URL like "
			   "http://10.20.0.1:3128",
			   s->manager);
}

static void read_act(struct config_reader *r, const struct node *n)
{
	struct act_conf *a = &r->c->act;

	config_fill(r, &config_act, n, a);
	config_prefixes(r, n, "never",
			"neither an address nor a prefix; write it like 10.20.0.5 or "
			"10.20.0.0/28",
			&a->never, &a->n_never);
	if (n && a->for_ms > a->max_ms)
		config_bad_node(r, n, "act: for is longer than max, so no rule could act; "
				"write for at most as long as max");
}

static void read_names(struct config_reader *r, const struct node *n)
{
	struct names_conf *o = &r->c->names;
	struct addr addr;
	uint16_t port;

	config_fill(r, &config_names, n, o);
	o->leases = n ? (char **)config_texts(n, "leases", &o->n_leases) : NULL;
	if (*o->nameserver && !addr_parse(o->nameserver, &addr) &&
	    !config_endpoint(o->nameserver, &addr, &port))
		config_bad(r, config_value(n, "nameserver"),
			   "nameserver: \"%s\" is not an address; write 192.0.2.53, "
			   "192.0.2.53:5353 or [2001:db8::53]:53", o->nameserver);
}

struct fault_place {
	struct config_reader *r;
	const struct node *n;
};

static bool is_told(const struct config_errors *errs, const struct value *v)
{
	size_t len = strlen(v->name);

	for (size_t i = 0; i < errs->n; i++) {
		const struct config_error *e = &errs->list[i];

		if (e->line == v->line && e->file && !strcmp(e->file, v->file) &&
		    !strncmp(e->msg, v->name, len) && e->msg[len] == ':')
			return true;
	}
	return false;
}

/* A secret file that others can read has been told about when it was named. */
static void tell_fault(void *arg, const char *word, const char *sentence)
{
	const struct fault_place *p = arg;
	const struct value *v = config_value(p->n, word);

	if (!v)
		config_bad_node(p->r, p->n, "%s", sentence);
	else if (!is_told(p->r->errs, v))
		config_bad(p->r, v, "%s", sentence);
}

static void read_channel(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	const struct value *resolved = config_value(n, "resolved");
	struct channel_conf *ch;
	int kinds;
	bool yes = true;

	c->channels = xrealloc(c->channels, c->n_channels + 1, sizeof(*c->channels));
	ch = &c->channels[c->n_channels++];
	*ch = (struct channel_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_fill(r, &config_notify, n, ch);
	ch->to = config_texts(n, "email", &ch->n_to);
	ch->argv = config_texts(n, "exec", &ch->n_argv);
	if (resolved)
		config_read_bool(r, resolved, &yes);
	ch->no_resolved = !yes;
	kinds = !!ch->n_to + (*ch->url || *ch->url_file) + !!ch->n_argv;
	kinds += !kinds && notify_has_target(ch);
	if (kinds > 1 || (!kinds && !n->lost))
		config_bad_node(r, n,
				kinds
				    ? "notify %s is more than one of email, webhook and "
				      "exec; make a section for each"
				    : "notify %s tells nobody; write "
				      "email = \"noc@example.org\", webhook = "
				      "\"https://…\" or exec = "
				      "{\"/path/program\"}",
				n->title);
	ch->kind = ch->n_to ? CHANNEL_EMAIL : ch->n_argv ? CHANNEL_EXEC : CHANNEL_WEBHOOK;
	if (kinds == 1 && !n->lost)
		notify_check(ch, tell_fault, &(struct fault_place){ r, n });
	if (ch->insecure)
		config_warn_node(r, n,
				 "notify %s does not check certificates: whoever is in "
				 "between can read and change its messages",
				 ch->name);
}

static void read_rule(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;

	c->rules = xrealloc(c->rules, c->n_rules + 1, sizeof(*c->rules));
	c->rules[c->n_rules] = (struct rule_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_read_rule(r, n, &c->rules[c->n_rules++]);
}

void config_read(struct config_reader *r)
{
	static const struct {
		const struct section *what;
		void (*read)(struct config_reader *r, const struct node *n);
	} many[] = {
		{ &config_listen, read_listen },     { &config_squid, read_squid },
		{ &config_exporter, read_exporter }, { &config_network, read_network },
		{ &config_notify, read_channel },    { &config_rule, read_rule },
	};
	const struct node *root = r->root, *http = NULL, *history = NULL, *archive = NULL,
			  *act = NULL, *names = NULL, *privacy = NULL;

	for (size_t i = 0; i < root->n_kids; i++) {
		const struct node *n = &root->kids[i];

		if (n->what == &config_http)
			http = n;
		else if (n->what == &config_history)
			history = n;
		else if (n->what == &config_archive)
			archive = n;
		else if (n->what == &config_act)
			act = n;
		else if (n->what == &config_names)
			names = n;
		else if (n->what == &config_privacy)
			privacy = n;
		for (size_t j = 0; j < ARRAY_LEN(many); j++)
			if (many[j].what == n->what)
				many[j].read(r, n);
	}
	config_fill(r, &config_root, root, r->c);
	config_fill(r, &config_http, http, &r->c->http);
	config_fill(r, &config_history, history, &r->c->history);
	config_fill(r, &config_archive, archive, &r->c->archive);
	config_fill(r, &config_privacy, privacy, &r->c->privacy);
	read_names(r, names);
	read_act(r, act);
	read_forward(r);
	config_read_noise(r);
	if (r->c->n_listeners)
		return;
	for (enum listen_kind k = 0; k < LISTEN_KINDS; k++)
		add_listener(r->c, k, "::", usual_port[k]);
}
