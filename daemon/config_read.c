/* config_read.c - values to fields, section by section.
 * SPDX-License-Identifier: ISC
 *
 * Each value is judged by itself here, where its place is known; what only makes sense
 * together is looked at by config_check.c. A value that is wrong is told and its
 * field keeps the default, so that the rest is checked as if it were right.
 */
#include "daemon/config_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/evidence/snmp.h"
#include "daemon/evidence/squid_net.h"

enum { HINT = 128, PER_LIST_MAX = 4096 };

/* Where systemd puts LoadCredential=; only there while the unit runs. */
#define CREDENTIALS "/run/credentials/"

static void set_text(char **field, char *text)
{
	free(*field);
	*field = text;
}

/* Relative names count from the file they are written in. */
static char *path_of(const struct value *v)
{
	const char *slash = v->file ? strrchr(v->file, '/') : NULL;

	if (!*v->text || *v->text == '/' || !slash)
		return xstrdup(v->text);
	return xasprintf("%.*s/%s", (int)(slash - v->file), v->file, v->text);
}

/* A file of a secret must be there, and nobody but its owner and group may read it. */
static void check_secret(struct config_reader *r, const struct value *v, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (!strncmp(path, CREDENTIALS, strlen(CREDENTIALS)))
			return;
		config_bad(r, v, "%s: %s: %s; create it and chmod 640 it", v->name, path,
			   strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		config_bad(r, v, "%s: %s is not a file", v->name, path);
	} else if (st.st_mode & (07777 & ~0640)) {
		config_bad(r, v,
			   "%s: %s has mode %04o, so others can read or change it; "
			   "chmod 640 %s",
			   v->name, path, (unsigned)st.st_mode & 07777, path);
	} else if (access(path, R_OK) < 0) {
		config_bad(r, v,
			   "%s: %s cannot be read by this user; chown it to the user "
			   "that culpritd runs as",
			   v->name, path);
	} else if (!st.st_size) {
		config_bad(r, v, "%s: %s is empty; write the secret into it", v->name,
			   path);
	}
}

static void read_bool(struct config_reader *r, const struct value *v, bool *out)
{
	static const char *const words[] = { "yes", "no", "true", "false", "on",
					     "off", "1",  "0",	  NULL };
	char hint[HINT];

	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(v->text, words[i])) {
			*out = !(i % 2);
			return;
		}
	}
	config_bad(r, v, "%s: \"%s\" is neither yes nor no%s", v->name, v->text,
		   config_hint(v->text, words, hint, sizeof(hint)));
}

static bool in_bounds(struct config_reader *r, const struct value *v, double x,
		      const char *low, const char *high)
{
	const struct setting *s = v->what;

	if (s->min == s->max || (x >= s->min && x <= s->max))
		return true;
	config_bad(r, v, "%s: %s is not within %s to %s", v->name, v->text, low, high);
	return false;
}

static void read_size(struct config_reader *r, const struct value *v, uint64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	uint64_t x;

	if (!parse_size(v->text, &x))
		config_bad(r, v,
			   "%s: \"%s\" is not a size; write it like 256M, 20G or 1.5Gi",
			   v->name, v->text);
	else if (in_bounds(r, v, (double)x, config_size_text((uint64_t)v->what->min, low),
			   config_size_text((uint64_t)v->what->max, high)))
		*out = x;
}

static void read_count(struct config_reader *r, const struct value *v, uint32_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	uint64_t x;

	if (!parse_size(v->text, &x) || x > UINT32_MAX)
		config_bad(r, v, "%s: \"%s\" is not a whole number", v->name, v->text);
	else if (in_bounds(r, v, (double)x, config_number_text(v->what->min, low),
			   config_number_text(v->what->max, high)))
		*out = (uint32_t)x;
}

static void read_rate(struct config_reader *r, const struct value *v, uint64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	double x;

	if (!parse_rate(v->text, &x))
		config_bad(r, v,
			   "%s: \"%s\" is not a rate; write bits a second, like 20M or "
			   "1.5G",
			   v->name, v->text);
	else if (in_bounds(r, v, x, config_number_text(v->what->min, low),
			   config_number_text(v->what->max, high)))
		*out = (uint64_t)llround(x);
}

static void read_duration(struct config_reader *r, const struct value *v, int64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	int64_t x;

	if (!parse_duration(v->text, &x))
		config_bad(
		    r, v, "%s: \"%s\" is not a time; write it like 30s, 5m, 1h30m or 35d",
		    v->name, v->text);
	else if (in_bounds(r, v, (double)x,
			   config_duration_text((int64_t)v->what->min, low),
			   config_duration_text((int64_t)v->what->max, high)))
		*out = x;
}

static bool read_port(struct config_reader *r, const struct value *v, uint16_t *out)
{
	uint64_t x;

	if (!parse_u64(v->text, 65535, &x)) {
		config_bad(r, v, "%s: \"%s\" is not a port; write a number up to 65535",
			   v->name, v->text);
		return false;
	}
	*out = (uint16_t)x;
	return true;
}

static bool is_address(const char *text)
{
	unsigned char b[16];

	return inet_pton(AF_INET, text, b) == 1 || inet_pton(AF_INET6, text, b) == 1;
}

static void read_address(struct config_reader *r, const struct value *v, char **out)
{
	if (is_address(v->text))
		set_text(out, xstrdup(v->text));
	else
		config_bad(r, v,
			   "%s: \"%s\" is not an address; write it in numbers, like "
			   "192.0.2.1, 2001:db8::1 or ::",
			   v->name, v->text);
}

static void read_value(struct config_reader *r, const struct value *v, void *into)
{
	void *field = (char *)into + v->what->off;

	switch (v->what->kind) {
	case SET_TEXT: set_text(field, xstrdup(v->text)); break;
	case SET_SECRET:
	case SET_PATH:
		set_text(field, path_of(v));
		if (v->what->kind == SET_SECRET && *v->text)
			check_secret(r, v, *(char **)field);
		break;
	case SET_BOOL: read_bool(r, v, field); break;
	case SET_SIZE: read_size(r, v, field); break;
	case SET_COUNT: read_count(r, v, field); break;
	case SET_PORT: read_port(r, v, field); break;
	case SET_RATE: read_rate(r, v, field); break;
	case SET_DURATION: read_duration(r, v, field); break;
	case SET_ADDRESS: read_address(r, v, field); break;
	case SET_OWN: break;
	}
}

void config_fill(struct config_reader *r, const struct section *s, const struct node *n,
		 void *into)
{
	for (const struct setting *set = s->settings; set->name; set++) {
		struct value def = { .what = set, .name = set->name };
		const struct value *v = config_value(n, set->name);

		if (set->def && set->kind != SET_OWN) {
			def.text = (char *)set->def;
			read_value(r, &def, into);
		}
		if (v)
			read_value(r, v, into);
	}
}

bool config_name_ok(struct config_reader *r, const struct node *n)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-_.";
	size_t len = strlen(n->title);

	if (len && len < NAME_LEN && strspn(n->title, ok) == len)
		return true;
	config_bad_node(r, n,
			"%s \"%s\": a name has 1 to %d letters, digits, - _ and dots",
			n->what->name, n->title, NAME_LEN - 1);
	return false;
}

/* ---- sections with a word of their own to say ---- */
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

		if (n_ports && !read_port(r, ports[i], &port))
			continue;
		if (!port)
			config_bad(r, ports[i],
				   "port: 0 would be a port that no exporter can "
				   "know; write %u",
				   usual_port[kind]);
		for (size_t j = 0; j == 0 || j < n_addresses; j++) {
			const char *a = n_addresses ? addresses[j]->text : "::";

			if (is_address(a) || !strcmp(a, "*"))
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

/* "192.0.2.99:2055", "[2001:db8::9]:2055". */
static bool parse_endpoint(const char *text, struct addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT + 2];
	size_t len;
	uint64_t p;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && colon[-1] == ']') {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
	} else {
		memcpy(host, text, len);
		host[len] = '\0';
		if (strchr(host, ':'))
			return false;
	}
	if (!addr_parse(host, addr) || !parse_u64(colon + 1, 65535, &p) || !p)
		return false;
	*port = (uint16_t)p;
	return true;
}

static void read_forward(struct config_reader *r)
{
	struct config *c = r->c;
	size_t n;
	const struct value **list = config_list(r->root, "forward", &n);

	c->forwards = xcalloc(n, sizeof(*c->forwards));
	for (size_t i = 0; i < n; i++) {
		struct forward_conf f;

		if (parse_endpoint(list[i]->text, &f.addr, &f.port))
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
		set_text(&f->name, xstrdup(n->title));
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
	    !parse_endpoint(s->address, &s->addr, &s->port))
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
	size_t count;
	const struct value **list = config_list(n, "prefixes", &count);

	c->networks = xrealloc(c->networks, c->n_networks + 1, sizeof(*c->networks));
	net = &c->networks[c->n_networks++];
	*net =
	    (struct network_conf){ .name = xstrdup(n->title),
				   .prefixes = xcalloc(count, sizeof(*net->prefixes)) };
	config_name_ok(r, n);
	if (!count && !n->lost)
		config_bad_node(r, n,
				"network %s has no prefixes; write prefixes = "
				"{\"10.20.0.0/24\"}",
				n->title);
	for (size_t i = 0; i < count; i++) {
		if (prefix_parse(list[i]->text, &net->prefixes[net->n_prefixes]))
			net->n_prefixes++;
		else
			config_bad(r, list[i],
				   "prefixes: \"%s\" is not a prefix; write it like "
				   "10.20.0.0/24 or 2001:db8::/32",
				   list[i]->text);
	}
	free(list);
}

static void read_allow(struct config_reader *r, const struct node *n, struct squid_conf *s)
{
	size_t count;
	const struct value **list = config_list(n, "allow", &count);

	s->allow = xcalloc(count + 1, sizeof(*s->allow));
	for (size_t i = 0; i < count; i++) {
		if (prefix_parse(list[i]->text, &s->allow[s->n_allow]))
			s->n_allow++;
		else
			config_bad(r, list[i],
				   "allow: \"%s\" is neither an address nor a prefix; write "
				   "it like 10.20.0.1 or 10.20.0.0/24", list[i]->text);
	}
	free(list);
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
	set_text(&s->log, xstrdup(v->text));
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
	read_allow(r, n, s);
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
	size_t count = 0;
	const struct value **list = n ? config_list(n, "never", &count) : NULL;

	config_fill(r, &config_act, n, a);
	a->never = xcalloc(count + 1, sizeof(*a->never));
	for (size_t i = 0; i < count; i++) {
		if (prefix_parse(list[i]->text, &a->never[a->n_never]))
			a->n_never++;
		else
			config_bad(r, list[i],
				   "never: \"%s\" is neither an address nor a prefix; write "
				   "it like 10.20.0.5 or 10.20.0.0/28", list[i]->text);
	}
	free(list);
	if (n && a->for_ms > a->max_ms)
		config_bad_node(r, n, "act: for is longer than max, so no rule could act; "
				"write for at most as long as max");
}

/* The values called name as an array of text that the configuration owns. */
static const char *const *texts(const struct node *n, const char *name, size_t *count)
{
	const struct value **list = config_list(n, name, count);
	char **out = xcalloc(*count, sizeof(*out));

	for (size_t i = 0; i < *count; i++)
		out[i] = xstrdup(list[i]->text);
	free(list);
	return (const char *const *)out;
}

static void read_names(struct config_reader *r, const struct node *n)
{
	struct names_conf *o = &r->c->names;
	struct addr addr;
	uint16_t port;

	config_fill(r, &config_names, n, o);
	o->leases = n ? (char **)texts(n, "leases", &o->n_leases) : NULL;
	if (*o->nameserver && !addr_parse(o->nameserver, &addr) &&
	    !parse_endpoint(o->nameserver, &addr, &port))
		config_bad(r, config_value(n, "nameserver"),
			   "nameserver: \"%s\" is not an address; write 192.0.2.53, "
			   "192.0.2.53:5353 or [2001:db8::53]:53", o->nameserver);
}

static void read_channel(struct config_reader *r, const struct node *n)
{
	struct config *c = r->c;
	const struct value *resolved = config_value(n, "resolved");
	size_t errors = r->errs->n_errors;
	struct channel_conf *ch;
	struct err err;
	int kinds;
	bool yes = true;

	c->channels = xrealloc(c->channels, c->n_channels + 1, sizeof(*c->channels));
	ch = &c->channels[c->n_channels++];
	*ch = (struct channel_conf){ .name = xstrdup(n->title) };
	config_name_ok(r, n);
	config_fill(r, &config_notify, n, ch);
	ch->to = texts(n, "email", &ch->n_to);
	ch->argv = texts(n, "exec", &ch->n_argv);
	if (resolved)
		read_bool(r, resolved, &yes);
	ch->no_resolved = !yes;
	kinds = !!ch->n_to + (*ch->url || *ch->url_file) + !!ch->n_argv;
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
	if (errors == r->errs->n_errors && !n->lost && !notify_check(ch, &err))
		config_bad_node(r, n, "%s", err.msg);
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
