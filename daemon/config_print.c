/* config_print.c - the configuration in force, in its own language.
 * SPDX-License-Identifier: ISC
 *
 * Everything is said, defaults too, and what is printed can be loaded again. Addresses
 * of webhooks are secrets: they end behind the host. Passwords never come here, only
 * the names of their files.
 */
#include "daemon/config_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

const char *config_size_text(uint64_t v, char *buf)
{
	static const struct {
		uint64_t by;
		const char *unit;
	} units[] = {
		{ UINT64_C(1) << 40, "Ti" }, { UINT64_C(1000000000000), "T" },
		{ 1 << 30, "Gi" },	     { 1000000000, "G" },
		{ 1 << 20, "Mi" },	     { 1000000, "M" },
		{ 1 << 10, "Ki" },	     { 1000, "k" },
	};

	for (size_t i = 0; v && i < ARRAY_LEN(units); i++) {
		if (v % units[i].by == 0) {
			snprintf(buf, UNIT_TEXT, "%" PRIu64 "%s", v / units[i].by,
				 units[i].unit);
			return buf;
		}
	}
	snprintf(buf, UNIT_TEXT, "%" PRIu64, v);
	return buf;
}

const char *config_duration_text(int64_t ms, char *buf)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = {
		{ 86400000, "d" }, { 3600000, "h" }, { 60000, "m" },
		{ 1000, "s" },	   { 1, "ms" },
	};
	int len = 0;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (ms >= units[i].ms)
			len += snprintf(buf + len, (size_t)(UNIT_TEXT - len),
					"%" PRId64 "%s", ms / units[i].ms, units[i].unit);
		ms %= units[i].ms;
	}
	if (!len)
		strcpy(buf, "0s");
	return buf;
}

/* Whole numbers with their multiple, others with the nine places that can be read. */
const char *config_number_text(double v, char *buf)
{
	char *end;

	if (v >= 0 && v < 0x1p63 && v == floor(v))
		return config_size_text((uint64_t)v, buf);
	snprintf(buf, UNIT_TEXT, "%.9f", v);
	for (end = buf + strlen(buf); end[-1] == '0'; end--)
		end[-1] = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
	return buf;
}

/* Inside of double quotes, as libconfuse reads it back. */
static void quoted(FILE *to, const char *s)
{
	putc('"', to);
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c == 0x7f)
			fprintf(to, "\\%03o", c);
		else if (c == '"' || c == '\\' || (c == '$' && s[1] == '{'))
			fprintf(to, "\\%c", c);
		else
			putc(c, to);
	}
	putc('"', to);
}

static void line(FILE *to, int depth, const char *name, const char *value)
{
	for (; depth; depth--)
		putc('\t', to);
	fprintf(to, "%s = ", name);
	quoted(to, value);
	putc('\n', to);
}

/* Numbers and words of ours need no quotes. */
static void bare(FILE *to, int depth, const char *name, const char *value)
{
	for (; depth; depth--)
		putc('\t', to);
	fprintf(to, "%s = %s\n", name, value);
}

/* "https://host/…" for each of the URLs in s, without user and password. */
static char *host_only(const char *s)
{
	struct strb b = { 0 };

	while (*s) {
		size_t blank = strspn(s, " \t"), len;
		const char *host, *user;

		s += blank;
		if (blank && b.len && *s)
			strb_addc(&b, ' ');
		len = strcspn(s, " \t");
		host = strstr(s, "://");
		if (host && host < s + len) {
			size_t n, scheme = (size_t)(host + 3 - s);

			host += 3;
			n = strcspn(host, "/?# \t");
			user = memrchr(host, '@', n);
			strb_addn(&b, s, scheme);
			if (user) {
				n -= (size_t)(user + 1 - host);
				host = user + 1;
			}
			strb_addn(&b, host, n);
			strb_add(&b, "/…");
		} else if (len) {
			strb_add(&b, "…");
		}
		s += len;
	}
	return strb_take(&b);
}

/* A password inside of user:password@host goes, all else stays. */
static char *no_password(const char *url)
{
	const char *host = strstr(url, "://"), *at, *colon;
	size_t n;

	if (!host)
		return xstrdup(url);
	host += 3;
	n = strcspn(host, "/?#");
	at = memrchr(host, '@', n);
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (!colon)
		return xstrdup(url);
	return xasprintf("%.*s%s", (int)(colon - url), url, at);
}

static void text_line(FILE *to, int depth, const char *name, const char *value)
{
	char *safe = strcmp(name, "webhook") ? no_password(value) : host_only(value);

	line(to, depth, name, safe);
	free(safe);
}

static void field(FILE *to, int depth, const struct setting *set, const void *of)
{
	const void *at = (const char *)of + set->off;
	char buf[UNIT_TEXT];

	switch (set->kind) {
	case SET_TEXT:
	case SET_PATH:
	case SET_SECRET:
	case SET_ADDRESS: text_line(to, depth, set->name, *(char *const *)at); break;
	case SET_BOOL:
		bare(to, depth, set->name, *(const bool *)at ? "yes" : "no");
		break;
	case SET_SIZE:
	case SET_RATE:
		bare(to, depth, set->name, config_size_text(*(const uint64_t *)at, buf));
		break;
	case SET_COUNT:
		snprintf(buf, sizeof(buf), "%" PRIu32, *(const uint32_t *)at);
		bare(to, depth, set->name, buf);
		break;
	case SET_PORT:
		snprintf(buf, sizeof(buf), "%u", *(const uint16_t *)at);
		bare(to, depth, set->name, buf);
		break;
	case SET_DURATION:
		bare(to, depth, set->name,
		     config_duration_text(*(const int64_t *)at, buf));
		break;
	case SET_OWN: break;
	}
}

static void fields(FILE *to, int depth, const struct section *s, const void *of)
{
	for (const struct setting *set = s->settings; set->name; set++)
		field(to, depth, set, of);
}

void config_print_fields(FILE *to, int depth, const struct section *s, const void *of)
{
	fields(to, depth, s, of);
}

static void open_section(FILE *to, int depth, const char *name, const char *title)
{
	for (int i = 0; i < depth; i++)
		putc('\t', to);
	fputs(name, to);
	putc(' ', to);
	if (title) {
		quoted(to, title);
		putc(' ', to);
	}
	fputs("{\n", to);
}

struct list {
	FILE *to;
	size_t n;
};

static struct list list_open(FILE *to, int depth, const char *name)
{
	for (; depth; depth--)
		putc('\t', to);
	fprintf(to, "%s = {", name);
	return (struct list){ to, 0 };
}

static void list_add(struct list *l, const char *value)
{
	if (l->n++)
		fputs(", ", l->to);
	quoted(l->to, value);
}

static void list_close(struct list *l)
{
	fputs("}\n", l->to);
}

static void texts(FILE *to, int depth, const char *name, const char *const *values,
		  size_t n)
{
	struct list l = list_open(to, depth, name);

	for (size_t i = 0; i < n; i++)
		list_add(&l, values[i]);
	list_close(&l);
}

/* Listeners are addresses times ports, so the two lists give them back. */
static void print_listen(FILE *to, const struct config *c, enum listen_kind kind)
{
	const struct listener_conf *ls = c->listeners;
	struct list l;
	size_t any = 0, i, j;
	char port[8];

	for (i = 0; i < c->n_listeners; i++)
		any += ls[i].kind == kind;
	if (!any)
		return;
	open_section(to, 0, "listen", listen_word[kind]);
	l = list_open(to, 1, "address");
	for (i = 0; i < c->n_listeners; i++) {
		for (j = 0; j < i; j++)
			if (ls[j].kind == kind && !strcmp(ls[j].address, ls[i].address))
				break;
		if (ls[i].kind == kind && j == i)
			list_add(&l, ls[i].address);
	}
	list_close(&l);
	l = list_open(to, 1, "port");
	for (i = 0; i < c->n_listeners; i++) {
		for (j = 0; j < i; j++)
			if (ls[j].kind == kind && ls[j].port == ls[i].port)
				break;
		snprintf(port, sizeof(port), "%u", ls[i].port);
		if (ls[i].kind == kind && j == i)
			list_add(&l, port);
	}
	list_close(&l);
	fputs("}\n", to);
}

static void print_exporter(FILE *to, const struct exporter_conf *e)
{
	char text[ADDR_TEXT], index[16];

	open_section(to, 0, "exporter", e->name);
	line(to, 1, "address", addr_text(&e->addr, text));
	fields(to, 1, &config_exporter, e);
	for (size_t i = 0; i < e->n_interfaces; i++) {
		const struct interface_conf *f = &e->interfaces[i];

		snprintf(index, sizeof(index), "%" PRId64, f->index);
		open_section(to, 1, "interface", f->index < 0 ? f->name : index);
		for (const struct setting *set = config_interface.settings; set->name;
		     set++)
			if (f->index >= 0 || strcmp(set->name, "name"))
				field(to, 2, set, f);
		fputs("\t}\n", to);
	}
	fputs("}\n", to);
}

static void print_limit(FILE *to, const struct rule_conf *rule, const char *name,
			double v)
{
	char buf[UNIT_TEXT], percent[UNIT_TEXT + 2];

	if (isnan(v))
		return;
	if (rule->measure.kind == MEASURE_UTILISATION) {
		snprintf(percent, sizeof(percent), "%s%%",
			 config_number_text(v * 100, buf));
		bare(to, 1, name, percent);
	} else {
		bare(to, 1, name, config_number_text(v, buf));
	}
}

static void print_option(FILE *to, const struct opt *o, const void *conf)
{
	double v = *(const double *)((const char *)conf + o->off);
	char buf[UNIT_TEXT], text[UNIT_TEXT + 8];

	if (isnan(v))
		return;
	if (o->kind == OPT_DURATION)
		config_duration_text((int64_t)llround(v * 1000), text);
	else
		snprintf(text, sizeof(text), "%s%s", config_number_text(v, buf),
			 o->kind == OPT_BUDGET ? "/week" : "");
	bare(to, 1, o->name, text);
}

static void print_window(FILE *to, const struct rule_conf *rule)
{
	static const char *const words[] = { "", "day", "week", "month" };
	char buf[UNIT_TEXT];

	bare(to, 1, "window",
	     rule->window == WINDOW_SLICES
		 ? config_duration_text((int64_t)rule->slices * SLICE_MS, buf)
		 : words[rule->window]);
}

static void print_rule(FILE *to, const struct rule_conf *rule)
{
	char buf[UNIT_TEXT], text[UNIT_TEXT + 8];

	open_section(to, 0, "rule", rule->name);
	fields(to, 1, &config_rule, rule);
	if (!rule->pattern) {
		line(to, 1, "measure", measure_word(&rule->measure, buf));
		line(to, 1, "by", by_word(rule->by));
		print_window(to, rule);
	}
	print_limit(to, rule, "above", rule->above);
	print_limit(to, rule, "below", rule->below);
	print_limit(to, rule, "clear", rule->clear);
	if (rule->window != WINDOW_SLICES) {
		snprintf(text, sizeof(text), "%s%%",
			 config_number_text(rule->warn * 100, buf));
		bare(to, 1, "warn", text);
	}
	if (rule->detector || rule->pattern) {
		bare(to, 1, "detector",
		     rule->detector ? rule->detector->name : rule->pattern->name);
		for (const struct opt *o = rule->detector ? rule->detector->opts
							  : rule->pattern->opts;
		     o->name; o++)
			print_option(to, o, rule->detector_conf);
	}
	if (rule->detector)
		bare(to, 1, "side", rule->side == SIDE_UP     ? "up"
				    : rule->side == SIDE_DOWN ? "down"
							      : "both");
	if (!isnan(rule->budget_total)) {
		snprintf(text, sizeof(text), "%s/week",
			 config_number_text(rule->budget_total, buf));
		bare(to, 1, "budget_total", text);
	}
	bare(to, 1, "severity", severity_word[rule->severity]);
	bare(to, 1, "act", act_word[rule->act]);
	texts(to, 1, "notify", (const char *const *)rule->notify, rule->n_notify);
	fputs("}\n", to);
}

static void print_channel(FILE *to, const struct channel_conf *ch)
{
	open_section(to, 0, "notify", ch->name);
	if (ch->n_to)
		texts(to, 1, "email", ch->to, ch->n_to);
	if (ch->n_argv)
		texts(to, 1, "exec", ch->argv, ch->n_argv);
	fields(to, 1, &config_notify, ch);
	bare(to, 1, "resolved", ch->no_resolved ? "no" : "yes");
	fputs("}\n", to);
}

static void print_act(FILE *to, const struct act_conf *a)
{
	char text[ADDR_TEXT + 4];
	struct list l;

	open_section(to, 0, "act", NULL);
	fields(to, 1, &config_act, a);
	l = list_open(to, 1, "never");
	for (size_t i = 0; i < a->n_never; i++)
		list_add(&l, prefix_text(&a->never[i], text));
	list_close(&l);
	fputs("}\n", to);
}

static void print_root(const struct config *c, FILE *to)
{
	struct list l;

	fields(to, 0, &config_root, c);
	l = list_open(to, 0, "forward");
	for (size_t i = 0; i < c->n_forwards; i++) {
		const struct forward_conf *f = &c->forwards[i];
		char a[ADDR_TEXT], text[ADDR_TEXT + 16];

		snprintf(text, sizeof(text), addr_is4(&f->addr) ? "%s:%u" : "[%s]:%u",
			 addr_text(&f->addr, a), f->port);
		list_add(&l, text);
	}
	list_close(&l);
}

void config_print(const struct config *c, FILE *to)
{
	char text[ADDR_TEXT + 4];

	fprintf(to, "# %s, state in %s\n", c->file ? c->file : "no file: defaults",
		c->state_dir);
	print_root(c, to);
	for (enum listen_kind k = 0; k < LISTEN_KINDS; k++)
		print_listen(to, c, k);
	open_section(to, 0, "http", NULL);
	fields(to, 1, &config_http, &c->http);
	fputs("}\n", to);
	open_section(to, 0, "history", NULL);
	fields(to, 1, &config_history, &c->history);
	fputs("}\n", to);
	open_section(to, 0, "archive", NULL);
	fields(to, 1, &config_archive, &c->archive);
	fputs("}\n", to);
	for (size_t i = 0; i < c->n_squids; i++) {
		struct list l;

		open_section(to, 0, "squid", NULL);
		fields(to, 1, &config_squid, &c->squids[i]);
		l = list_open(to, 1, "address");
		for (size_t j = 0; j < c->squids[i].n_addresses; j++)
			list_add(&l, addr_text(&c->squids[i].addresses[j], text));
		list_close(&l);
		l = list_open(to, 1, "allow");
		for (size_t j = 0; j < c->squids[i].n_allow; j++)
			list_add(&l, prefix_text(&c->squids[i].allow[j], text));
		list_close(&l);
		fputs("}\n", to);
	}
	open_section(to, 0, "privacy", NULL);
	fields(to, 1, &config_privacy, &c->privacy);
	fputs("}\n", to);
	open_section(to, 0, "names", NULL);
	fields(to, 1, &config_names, &c->names);
	texts(to, 1, "leases", (const char *const *)c->names.leases, c->names.n_leases);
	fputs("}\n", to);
	print_act(to, &c->act);
	for (size_t i = 0; i < c->n_exporters; i++)
		print_exporter(to, &c->exporters[i]);
	for (size_t i = 0; i < c->n_networks; i++) {
		struct list l;

		open_section(to, 0, "network", c->networks[i].name);
		l = list_open(to, 1, "prefixes");
		for (size_t j = 0; j < c->networks[i].n_prefixes; j++)
			list_add(&l, prefix_text(&c->networks[i].prefixes[j], text));
		list_close(&l);
		fputs("}\n", to);
	}
	for (size_t i = 0; i < c->n_rules; i++)
		print_rule(to, &c->rules[i]);
	for (size_t i = 0; i < c->n_channels; i++)
		print_channel(to, &c->channels[i]);
	config_print_noise(c, to);
}
