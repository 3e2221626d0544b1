/* cli.c - what all verbs of the culprit tool share.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cli.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/clock.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/looked.h"
#include "daemon/evidence/owners.h"
#include "rules/filter/filter.h"

static void say(const char *fmt, va_list ap)
{
	struct strb s = { 0 };
	char *msg;

	if (vasprintf(&msg, fmt, ap) < 0)
		abort();
	strb_tty(&s, msg); /* what is said often repeats what came from outside */
	fprintf(stderr, "culprit: %s\n", s.s);
	strb_free(&s);
	free(msg);
}

void cli_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return code;
}

int cli_usage(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	if (c->verb)
		fprintf(stderr,
			"usage: culprit %s %s\n"
			"`culprit %s --help` says more.\n",
			c->verb->name, c->verb->usage, c->verb->name);
	return EX_USAGE;
}

void cli_options(struct cli *c, struct arg table[static CLI_OPTIONS])
{
	const struct arg rows[CLI_OPTIONS] = {
		{ "config", 'c', ARG_TEXT, "FILE", "read this instead of " CONFIG_FILE,
		  &c->config_file },
		{ "state", 0, ARG_TEXT, "DIR",
		  "the daemon's state, instead of " CONFIG_STATE_DIR, &c->state_dir },
		{ "url", 0, ARG_TEXT, "URL", "ask the daemon there: http://host:port",
		  &c->url },
		{ "token-file", 0, ARG_TEXT, "FILE", "the token it wants",
		  &c->token_file },
		{ "json", 0, ARG_FLAG, NULL, "for programs", &c->json },
		{ "csv", 0, ARG_FLAG, NULL, "for spreadsheets", &c->csv },
		{ "no-color", 0, ARG_FLAG, NULL, "no colours (so does NO_COLOR=1)",
		  &c->no_color },
		{ "version", 'V', ARG_FLAG, NULL, "say which version this is, and end",
		  &c->version },
		{ "help", 'h', ARG_FLAG, NULL, "say how it is used, and end", &c->help },
		{ 0 },
	};

	memcpy(table, rows, sizeof(rows));
}

/* Of a daemon elsewhere that one keeps the book. -1: go on; else the exit code. */
static int note_looked(struct cli *c)
{
	const char *ssh = getenv("SSH_CONNECTION"), *sudo = getenv("SUDO_USER");
	const struct config *conf = c->persons && !c->url ? cli_config(c) : NULL;
	const struct passwd *pw = getpwuid(getuid());
	struct err err = { "" };
	char *user, *from;
	bool ok;

	if (!conf || !*conf->privacy.looked)
		return -1;
	user = xasprintf("%s%s%s", pw ? pw->pw_name : "-", sudo ? " for " : "",
			 sudo ? sudo : "");
	from = ssh ? xasprintf("%.*s", (int)strcspn(ssh, " "), ssh) : xstrdup("local");
	ok = looked_note(conf->privacy.looked, &(struct looked){
		c->now_ms, "culprit", from, user, c->question }, &err);
	free(user);
	free(from);
	return ok ? -1 : cli_fail(EX_UNAVAILABLE, "%s", err.msg);
}

int cli_args(struct cli *c, int *argc, char **argv, const struct arg *mine)
{
	struct arg common[CLI_OPTIONS];
	struct err err = { "" };

	cli_options(c, common);
	if (!args_parse(argc, argv, mine, common, false, NULL, &err))
		return cli_usage(c, "%s", err.msg);
	if (c->help) {
		printf("usage: culprit %s%s%s\n\n%s.\n", c->verb->name,
		       *c->verb->usage ? " " : "", c->verb->usage, c->verb->help);
		if (mine && mine->name)
			putchar('\n');
		args_help(mine, stdout);
		return EX_OK;
	}
	if (c->json && c->csv)
		return cli_usage(c, "--json and --csv cannot both be");
	screen_of(stdout, c->no_color, &c->out);
	return note_looked(c);
}

/* ---- what is loaded when asked for ---- */

static const char *state_dir(const struct cli *c)
{
	if (c->state_dir || c->config_file || !access(CONFIG_STATE_DIR, F_OK) ||
	    access("state", F_OK))
		return c->state_dir;
	cli_say("%s is not there; using ./state", CONFIG_STATE_DIR);
	return "state";
}

/* Texts of times are in the zone of the process (units.h), so that is made the one of
 * the configuration. */
static void set_zone(const char *zone)
{
	if (!strcmp(zone, "local"))
		return;
	setenv("TZ", zone, 1);
	tzset();
}

const struct config *cli_config(struct cli *c)
{
	struct config_errors errs = { 0 };

	if (c->tried)
		return c->config;
	c->tried = true;
	c->config = config_load_more(c->config_file, c->config_more, state_dir(c), &errs);
	if (!c->config)
		config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	if (c->config)
		set_zone(c->config->timezone);
	return c->config;
}

const struct calendar *cli_calendar(struct cli *c)
{
	const struct config *conf = cli_config(c);
	struct err err = { "" };

	if (!conf || c->calendar)
		return c->calendar;
	c->calendar = calendar_new(conf->timezone, &err);
	if (!c->calendar)
		cli_say("%s", err.msg);
	return c->calendar;
}

struct names *cli_names(struct cli *c)
{
	const struct config *conf = cli_config(c);

	if (!conf || c->names)
		return c->names;
	c->names = names_new(EXPORTERS_MAX);
	for (size_t i = 0; i < conf->n_exporters; i++) {
		const struct exporter_conf *e = &conf->exporters[i];
		const struct exporter *x =
		    names_exporter_known(c->names, &e->addr, e->port, e->name);

		for (size_t j = 0; x && j < e->n_interfaces; j++)
			if (e->interfaces[j].index >= 0)
				names_interface_set(c->names, x->id,
						    (uint32_t)e->interfaces[j].index,
						    e->interfaces[j].name,
						    e->interfaces[j].speed_bps, TOLD_CONFIG);
	}
	for (size_t i = 0; i < conf->n_networks; i++)
		for (size_t j = 0; j < conf->networks[i].n_prefixes; j++)
			names_network_add(c->names, conf->networks[i].name,
					  &conf->networks[i].prefixes[j]);
	names_networks_done(c->names);
	return c->names;
}

struct owners *cli_owners(struct cli *c, bool dns)
{
	const struct config *conf = cli_config(c);
	struct err err = { "" };

	if (!conf || c->owners)
		return c->owners;
	c->owners = owners_start(&(struct owners_opts){
		conf->names.hosts, (const char *const *)conf->names.leases,
		conf->names.n_leases, dns && conf->names.dns, conf->names.nameserver,
		false }, &err);
	if (!c->owners)
		cli_say("%s", err.msg);
	return c->owners;
}

struct geo *cli_country(struct cli *c)
{
	const struct config *conf = cli_config(c);

	if (conf && !c->country && *conf->names.country) {
		c->country = geo_open(conf->names.country);
		geo_look(c->country, clock_mono_ms());
	}
	if (conf && !c->country)
		cli_say("nobody knows the countries of addresses: name an MMDB file in "
			"names { country = \"…\" }");
	return c->country;
}

void cli_geo(struct cli *c, struct filter *f)
{
	if (f && strstr(filter_text(f), "country") && cli_country(c))
		filter_geo(f, geo_filter, c->country);
}

void cli_fini(struct cli *c)
{
	free(c->question);
	geo_close(&c->country);
	owners_stop(&c->owners);
	names_free(&c->names);
	calendar_free(&c->calendar);
	config_free(&c->config);
}

/* ---- printing ---- */

/* A reader that went away (head, less) is no failure of ours: SIGPIPE ends us first. */
static int flushed(void)
{
	if (fflush(stdout) || ferror(stdout))
		return cli_fail(EXIT_FAILURE, "standard output: %m");
	return EX_OK;
}

int cli_print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(j);
	return flushed();
}

int cli_print_text(const struct strb *s)
{
	if (s->len)
		fwrite(s->s, 1, s->len, stdout);
	return flushed();
}

int cli_print(const struct cli *c, const struct table *t, const char *head, json_t *wrap,
	      const char *key)
{
	struct strb s = { 0 };
	int rc;

	if (c->json) {
		json_t *rows = table_json(t);

		if (!wrap)
			return cli_print_json(rows);
		json_object_set_new(wrap, key, rows);
		return cli_print_json(wrap);
	}
	json_decref(wrap);
	if (c->csv) {
		table_csv(t, &s);
	} else {
		if (head)
			strb_add(&s, head);
		if (table_rows(t))
			table_show(t, &c->out, &s);
	}
	rc = cli_print_text(&s);
	strb_free(&s);
	return rc;
}
