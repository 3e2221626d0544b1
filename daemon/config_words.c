/* config_words.c - every section and setting there is, with its default.
 * SPDX-License-Identifier: ISC
 *
 * One table for each section. Reading, defaults, printing, suggestions for misspelt
 * words and the test that holds contrib/culprit.conf and the manual against the
 * program all come from here, so a new setting is one line, and the field it fills.
 */
#include "daemon/config_impl.h"

#include <assert.h>
#include <string.h>

/* Bounds are for what cannot work at all; taste is left to the operator. */
#define KB 1e3
#define MB 1e6
#define TB 1e12
#define SECOND 1e3
#define DAY (86400 * SECOND)
#define YEAR (365 * DAY)

#define END { .name = NULL }
#define AT(type, field) offsetof(struct type, field)

static const struct setting listen_settings[] = {
	{ "address", SET_OWN, 0, "::", 0, 0, true,
	  "where to listen, one or a list; \"::\" is every address, IPv4 and IPv6" },
	{ "port", SET_OWN, 0, NULL, 0, 0, true,
	  "UDP port, one or a list; netflow 2055, ipfix 4739, sflow 6343" },
	END
};
const struct section config_listen = {
	"listen", "netflow, ipfix or sflow", true, listen_settings, NULL,
	"where datagrams arrive; without any, all three kinds at their usual ports"
};

static const struct setting http_settings[] = {
	{ "enabled", SET_BOOL, AT(http_conf, enabled), "yes", 0, 0, false,
	  "page, API and metrics" },
	{ "address", SET_ADDRESS, AT(http_conf, address), "127.0.0.1", 0, 0, false,
	  "where to listen" },
	{ "port", SET_PORT, AT(http_conf, port), "8055", 0, 0, false, "TCP port" },
	{ "token_file", SET_SECRET, AT(http_conf, token_file), "", 0, 0, false,
	  "file with the token that visitors must send; empty: none is asked" },
	{ "url", SET_TEXT, AT(http_conf, url), "", 0, 0, false,
	  "how people reach the page, for links in messages; empty: no links" },
	END
};
const struct section config_http = {
	"http", NULL, false, http_settings, NULL, "web page, API and metrics"
};

static const struct setting history_settings[] = {
	{ "url", SET_TEXT, AT(history_conf, url), "", 0, 0, false,
	  "sqlite:/file, redis://user@host:6379/0 or redis+unix:///socket; empty: "
	  "history.db in the state directory" },
	{ "password_file", SET_SECRET, AT(history_conf, password_file), "", 0, 0, false,
	  "file with the store's password" },
	{ "keep", SET_DURATION, AT(history_conf, keep_ms), "35d", DAY, 20 * YEAR, false,
	  "five-minute bins are kept so long" },
	{ "rollups", SET_DURATION, AT(history_conf, rollups_ms), "730d", DAY, 100 * YEAR,
	  false, "hours, days and alerts are kept so long" },
	{ "spool", SET_SIZE, AT(history_conf, spool), "1G", MB, 1000 * TB, false,
	  "disk space for what waits while the store is away" },
	END
};
const struct section config_history = {
	"history", NULL, false, history_settings, NULL, "bins, baselines and alerts"
};

static const struct setting archive_settings[] = {
	{ "enabled", SET_BOOL, AT(archive_conf, enabled), "yes", 0, 0, false,
	  "keep every flow" },
	{ "directory", SET_PATH, AT(archive_conf, directory), "", 0, 0, false,
	  "where; empty: flows in the state directory" },
	{ "keep", SET_DURATION, AT(archive_conf, keep_ms), "30d", 300 * SECOND,
	  100 * YEAR, false, "how long" },
	{ "size", SET_SIZE, AT(archive_conf, size), "20G", 0, 0, false,
	  "how much at most, the oldest go first; 0: no bound" },
	{ "free", SET_SIZE, AT(archive_conf, free), "256M", 0, 0, false,
	  "disk space that is left to others" },
	END
};
const struct section config_archive = {
	"archive", NULL, false, archive_settings, NULL, "every flow, in five-minute files"
};

static const struct setting squid_settings[] = {
	{ "log", SET_PATH, AT(squid_conf, log), "", 0, 0, false, "access log to follow, or udp://127.0.0.1:5140, tcp://…, to have it sent there" },
	{ "address", SET_OWN, 0, NULL, 0, 0, true,
	  "the proxy's own addresses, inside and outside" },
	{ "allow", SET_OWN, 0, NULL, 0, 0, true,
	  "who may send a log, beside loopback and the proxy's own addresses" },
	{ "manager", SET_TEXT, AT(squid_conf, manager), "", 0, 0, false,
	  "cache manager, http://10.20.0.1:3128, for requests in progress" },
	{ "urls", SET_TEXT, AT(squid_conf, urls), "full", 0, 0, false,
	  "how much of URLs is kept: full, host, or off" },
	{ "queries", SET_BOOL, AT(squid_conf, queries), "no", 0, 0, false,
	  "keep what follows the question mark of a URL" },
	END
};
const struct section config_squid = {
	"squid", NULL, true, squid_settings, NULL,
	"a Squid proxy, whose log names who asked for what"
};

static const struct setting privacy_settings[] = {
	{ "keep", SET_DURATION, AT(privacy_conf, keep_ms), "0", 0, 100 * YEAR, false,
	  "how long what was asked of proxies is kept; 0: as long as flows" },
	{ "pseudonyms", SET_BOOL, AT(privacy_conf, pseudonyms), "no", 0, 0, false,
	  "clients of proxies are told by pseudonym; `culprit who` turns it back" },
	{ "key_file", SET_PATH, AT(privacy_conf, key_file), "", 0, 0, false,
	  "key of the pseudonyms; empty: pseudonyms.key in the state directory" },
	{ "looked", SET_PATH, AT(privacy_conf, looked), "", 0, 0, false,
	  "file that tells who looked at persons and URLs; empty: none" },
	END
};
const struct section config_privacy = {
	"privacy", NULL, false, privacy_settings, NULL, "what is known of persons, and who looked"
};

static const struct setting names_settings[] = {
	{ "dns", SET_BOOL, AT(names_conf, dns), "yes", 0, 0, false,
	  "ask the DNS what addresses of alerts are called; 20 questions a second at most" },
	{ "nameserver", SET_TEXT, AT(names_conf, nameserver), "", 0, 0, false,
	  "whom to ask, 192.0.2.53 or 192.0.2.53:5353; empty: as the system does" },
	{ "hosts", SET_PATH, AT(names_conf, hosts), "/etc/hosts", 0, 0, false,
	  "file of addresses and names; empty: none" },
	{ "country", SET_PATH, AT(names_conf, country), "", 0, 0, false,
	  "MMDB file of countries, for `country NL` in filters; empty: none" },
	{ "as", SET_PATH, AT(names_conf, as), "", 0, 0, false,
	  "MMDB file of AS numbers, for flows whose exporter tells none; empty: none" },
	{ "leases", SET_OWN, 0, NULL, 0, 0, true,
	  "lease files of DHCP servers: dnsmasq, ISC dhcpd, Kea (memfile)" },
	END
};
const struct section config_names = {
	"names", NULL, false, names_settings, NULL, "what addresses are called"
};

static const struct setting act_settings[] = {
	{ "enabled", SET_BOOL, AT(act_conf, enabled), "no", 0, 0, false,
	  "yes: rules and `culprit slow` may slow and refuse clients" },
	{ "dry_run", SET_BOOL, AT(act_conf, dry_run), "no", 0, 0, false,
	  "yes: only say in the log what would be done" },
	{ "for", SET_DURATION, AT(act_conf, for_ms), "15m", SECOND, 7 * DAY, false,
	  "how long a rule's act lasts" },
	{ "max", SET_DURATION, AT(act_conf, max_ms), "24h", SECOND, 7 * DAY, false,
	  "nothing lasts longer, whoever asks" },
	{ "never", SET_OWN, 0, NULL, 0, 0, true,
	  "addresses and prefixes that are never acted on" },
	{ "socket", SET_PATH, AT(act_conf, socket), "", 0, 0, false,
	  "where helpers ask; empty: /run/culprit/act.sock, or act.sock in another state "
	  "directory" },
	END
};
const struct section config_act = {
	"act", NULL, false, act_settings, NULL, "slowing and refusing whom an alert names"
};

static const struct setting interface_settings[] = {
	{ "name", SET_TEXT, AT(interface_conf, name), "", 0, 0, false,
	  "what people call it" },
	{ "speed", SET_RATE, AT(interface_conf, speed_bps), "0", 0, 1e15, false,
	  "bits a second, for utilisation; 0: what the exporter tells" },
	{ "sampling", SET_COUNT, AT(interface_conf, sampling), "0", 0, 1e9, false,
	  "1 packet in N is seen; 0: as the exporter's" },
	END
};
const struct section config_interface = {
	"interface", "index or name", true, interface_settings, NULL,
	"an interface of an exporter, by ifIndex or by the name it tells"
};

static const struct setting exporter_settings[] = {
	{ "address", SET_OWN, 0, NULL, 0, 0, false, "who sends; needed" },
	{ "port", SET_PORT, AT(exporter_conf, port), "0", 0, 0, false,
	  "its source port, where two share an address; 0: any" },
	{ "sampling", SET_COUNT, AT(exporter_conf, sampling), "0", 0, 1e9, false,
	  "1 packet in N is seen, whatever it says; 0: what it says" },
	{ "snmp", SET_TEXT, AT(exporter_conf, snmp.version), "", 0, 0, false,
	  "v2c or v3: ask its SNMP agent what its interfaces are called; empty: do not" },
	{ "snmp_address", SET_TEXT, AT(exporter_conf, snmp.address), "", 0, 0, false,
	  "of the agent, 192.0.2.1 or 192.0.2.1:1161; empty: the exporter's address" },
	{ "snmp_community_file", SET_SECRET, AT(exporter_conf, snmp.community_file), "", 0, 0,
	  false, "v2c: file with the community" },
	{ "snmp_user", SET_TEXT, AT(exporter_conf, snmp.user), "", 0, 0, false,
	  "v3: who asks" },
	{ "snmp_auth", SET_TEXT, AT(exporter_conf, snmp.auth), "sha", 0, 0, false,
	  "v3: md5 sha sha224 sha256 sha384 sha512" },
	{ "snmp_auth_file", SET_SECRET, AT(exporter_conf, snmp.auth_file), "", 0, 0, false,
	  "v3: file with the pass phrase that signs; empty: unsigned" },
	{ "snmp_priv", SET_TEXT, AT(exporter_conf, snmp.priv), "aes", 0, 0, false,
	  "v3: aes des" },
	{ "snmp_priv_file", SET_SECRET, AT(exporter_conf, snmp.priv_file), "", 0, 0, false,
	  "v3: file with the pass phrase that encrypts; empty: in the clear" },
	{ "snmp_every", SET_DURATION, AT(exporter_conf, snmp.every_ms), "15m", SECOND,
	  7 * DAY, false, "how often it is asked, beside after a restart" },
	END
};
static const struct section *const exporter_kids[] = { &config_interface, NULL };
const struct section config_exporter = {
	"exporter", "name", true, exporter_settings, exporter_kids,
	"a router, switch or probe that sends flows"
};

static const struct setting network_settings[] = {
	{ "prefixes", SET_OWN, 0, NULL, 0, 0, true, "its prefixes; the longest wins" },
	END
};
const struct section config_network = {
	"network", "name", true, network_settings, NULL, "addresses that belong together"
};

static const struct setting rule_settings[] = {
	{ "enabled", SET_BOOL, AT(rule_conf, enabled), "yes", 0, 0, false,
	  "no: the rule rests" },
	{ "filter", SET_TEXT, AT(rule_conf, filter), "", 0, 0, false,
	  "which flows; empty: every flow" },
	{ "measure", SET_OWN, 0, "bits/s", 0, 0, false,
	  "bits/s bytes packets/s packets flows/s flows peers ports entropy(src) "
	  "utilisation" },
	{ "by", SET_OWN, 0, "none", 0, 0, false, "one series for each of these" },
	{ "window", SET_OWN, 0, "1m", 0, 0, false,
	  "10s to 1h in steps of 10s, or day, week, month (5m with a detector)" },
	{ "above", SET_OWN, 0, NULL, 0, 0, false, "alert above this" },
	{ "below", SET_OWN, 0, NULL, 0, 0, false, "alert below this" },
	{ "clear", SET_OWN, 0, NULL, 0, 0, false,
	  "the alert ends only past this; the limit itself when not set" },
	{ "for", SET_DURATION, AT(rule_conf, for_ms), "0s", 0, DAY, false,
	  "the limit must be crossed so long" },
	{ "warn", SET_OWN, 0, "80%", 0, 0, false,
	  "day, week, month: a warning at this share of the limit; 0: none" },
	{ "detector", SET_OWN, 0, NULL, 0, 0, false,
	  "instead of a limit: seasonal …, with options of its own" },
	{ "side", SET_OWN, 0, "both", 0, 0, false,
	  "with a detector: tell of both, or only of what is up or down" },
	{ "budget_total", SET_OWN, 0, NULL, 0, 0, false,
	  "with a detector: alarms over all series, as 2/day" },
	{ "severity", SET_OWN, 0, "warning", 0, 0, false, "info, warning or critical" },
	{ "act", SET_OWN, 0, "none", 0, 0, false,
	  "slow or refuse whom the alert names; see act { }" },
	{ "notify", SET_OWN, 0, NULL, 0, 0, true, "channels that are told" },
	END
};
const struct section config_rule = {
	"rule", "name", true, rule_settings, NULL, "what to alert on, and whom to tell"
};

static const struct setting notify_settings[] = {
	{ "email", SET_OWN, 0, NULL, 0, 0, true, "mail to these addresses" },
	{ "from", SET_TEXT, AT(channel_conf, from), "", 0, 0, false,
	  "sender of the mail" },
	{ "smtp", SET_TEXT, AT(channel_conf, smtp), "", 0, 0, false,
	  "smtp://host:587 (STARTTLS) or smtps://host:465" },
	{ "user", SET_TEXT, AT(channel_conf, user), "", 0, 0, false, "SMTP user" },
	{ "password_file", SET_SECRET, AT(channel_conf, password_file), "", 0, 0, false,
	  "file with the SMTP password" },
	{ "starttls", SET_BOOL, AT(channel_conf, starttls), "no", 0, 0, false,
	  "refuse to send without STARTTLS, also when there is no password" },
	{ "hostname", SET_TEXT, AT(channel_conf, hostname), "", 0, 0, false,
	  "how to greet the mail server; empty: this host's name" },
	{ "webhook", SET_TEXT, AT(channel_conf, url), "", 0, 0, false,
	  "POST to this URL; several, blank between, are replicas" },
	{ "webhook_file", SET_SECRET, AT(channel_conf, url_file), "", 0, 0, false,
	  "file with that URL, which is often a secret" },
	{ "format", SET_TEXT, AT(channel_conf, format), "json", 0, 0, false,
	  "shape of the body: json, slack …" },
	{ "secret_file", SET_SECRET, AT(channel_conf, secret_file), "", 0, 0, false,
	  "file with the key that signs the body (Standard Webhooks)" },
	{ "token_file", SET_SECRET, AT(channel_conf, token_file), "", 0, 0, false,
	  "file with a bearer token, PagerDuty's routing key, or mail's XOAUTH2 token" },
	{ "target", SET_TEXT, AT(channel_conf, target), "", 0, 0, false,
	  "telegram: chat id; ntfy: topic" },
	{ "template_file", SET_PATH, AT(channel_conf, template_file), "", 0, 0, false,
	  "body for format = \"template\"" },
	{ "proxy", SET_TEXT, AT(channel_conf, proxy), "", 0, 0, false,
	  "http://host:port to go through; the environment is never asked" },
	{ "exec", SET_OWN, 0, NULL, 0, 0, true,
	  "run this program, no shell, the alert as JSON on its standard input" },
	{ "ca_file", SET_PATH, AT(channel_conf, ca_file), "", 0, 0, false,
	  "authorities (PEM) to trust instead of the system's" },
	{ "insecure", SET_BOOL, AT(channel_conf, insecure), "no", 0, 0, false,
	  "yes: certificates are not checked; said aloud at every start" },
	{ "resolved", SET_OWN, 0, "yes", 0, 0, false,
	  "also tell when an alert is over" },
	END
};
const struct section config_notify = {
	"notify", "name", true, notify_settings, NULL, "a channel to people or machines"
};

static const struct setting alerts_settings[] = {
	{ "group", SET_BOOL, AT(alerts_conf, group), "yes", 0, 0, false,
	  "many alerts of one rule and place are one message to people" },
	{ "gather", SET_DURATION, AT(alerts_conf, gather_ms), "400ms", 0, 60 * SECOND, false,
	  "people are told so long after the newest of them" },
	{ "update", SET_DURATION, AT(alerts_conf, update_ms), "5m", 0, DAY, false,
	  "later ones are told at least so often, or when they have doubled" },
	{ "repeat", SET_DURATION, AT(alerts_conf, repeat_ms), "12h", 0, 365 * DAY, false,
	  "people are reminded of what still fires; 0: never" },
	{ "flaps", SET_COUNT, AT(alerts_conf, flaps), "5", 0, 20, false,
	  "so many firings of a series within flap_window are flapping; 0: never" },
	{ "flap_window", SET_DURATION, AT(alerts_conf, flap_window_ms), "1h", 60 * SECOND,
	  30 * DAY, false, "where they are counted" },
	{ "flap_hold", SET_DURATION, AT(alerts_conf, flap_hold_ms), "10m", 0, DAY, false,
	  "what flaps is told as over once it has been quiet so long" },
	{ "name_hosts", SET_BOOL, AT(alerts_conf, name_hosts), "yes", 0, 0, false,
	  "the alert of a link names those of the hosts that carry it, instead of both" },
	{ "link", SET_DURATION, AT(alerts_conf, link_ms), "1d", 0, 365 * DAY, false,
	  "addresses in messages that acknowledge or silence are good so long; 0: none" },
	END
};
const struct section config_alerts = {
	"alerts", NULL, false, alerts_settings, NULL, "less noise"
};

static const struct setting route_settings[] = {
	{ "filter", SET_TEXT, AT(route_conf, filter), "", 0, 0, false,
	  "which alerts; empty: all" },
	{ "severity", SET_OWN, 0, NULL, 0, 0, true, "only those, one or a list" },
	{ "hours", SET_TEXT, AT(route_conf, hours), "", 0, 0, false,
	  "when, as mon-fri 08:00-18:00; empty: always" },
	{ "timezone", SET_TEXT, AT(route_conf, timezone), "", 0, 0, false,
	  "whose hours; empty: as everywhere" },
	{ "after", SET_DURATION, AT(route_conf, after_ms), "0s", 0, 30 * DAY, false,
	  "only when nobody has acknowledged for so long" },
	{ "notify", SET_OWN, 0, NULL, 0, 0, true, "channels that are told, too" },
	END
};
const struct section config_route = {
	"route", NULL, true, route_settings, NULL, "which alerts go to which channels when"
};

static const struct setting maintenance_settings[] = {
	{ "when", SET_TEXT, AT(maintenance_conf, when), "", 0, 0, false,
	  "sat,sun 22:00-02:00, 2nd-tue 20:00-24:00, 2026-12-24 .. 2027-01-02" },
	{ "filter", SET_TEXT, AT(maintenance_conf, filter), "", 0, 0, false,
	  "which alerts; empty: all" },
	{ "timezone", SET_TEXT, AT(maintenance_conf, timezone), "", 0, 0, false,
	  "whose clock; empty: as everywhere" },
	END
};
const struct section config_maintenance = {
	"maintenance", "name", true, maintenance_settings, NULL,
	"when nobody is to be told, and nothing is learnt"
};

static const struct setting inhibit_settings[] = {
	{ "source", SET_TEXT, AT(inhibit_conf, source), "", 0, 0, false,
	  "while such an alert fires" },
	{ "target", SET_TEXT, AT(inhibit_conf, target), "", 0, 0, false,
	  "nobody is told of such ones" },
	{ "equal", SET_OWN, 0, NULL, 0, 0, true,
	  "that have the same exporter, interface, network, host, rule, series" },
	END
};
const struct section config_inhibit = {
	"inhibit", "name", true, inhibit_settings, NULL, "one alert that says another already"
};

static const struct setting deadman_settings[] = {
	{ "every", SET_DURATION, AT(deadman_conf, every_ms), "0s", 0, 365 * DAY, false,
	  "tell so often that culpritd is alive; 0: never" },
	{ "notify", SET_OWN, 0, NULL, 0, 0, true, "channels that are told" },
	END
};
const struct section config_deadman = {
	"deadman", NULL, false, deadman_settings, NULL,
	"a message whose absence says that nobody watches"
};

static const struct setting root_settings[] = {
	{ "memory", SET_SIZE, AT(config, memory), "256M", 16 * MB, 1000 * TB, false,
	  "bound of all tables together" },
	{ "workers", SET_COUNT, AT(config, workers), "0", 0, 64, false,
	  "threads that receive; 0: as many as suit the machine" },
	{ "timezone", SET_TEXT, AT(config, timezone), "local", 0, 0, false,
	  "whose hours count: local, Europe/Amsterdam, UTC …" },
	{ "holidays", SET_PATH, AT(config, holidays), "", 0, 0, false,
	  "file with one date a line, 2026-12-25; days like Sundays" },
	{ "late", SET_DURATION, AT(config, late_ms), "10m", 10 * SECOND, 3600 * SECOND,
	  false, "how late a flow may arrive and still count for the present" },
	{ "only_known", SET_BOOL, AT(config, only_known), "no", 0, 0, false,
	  "refuse exporters that have no section" },
	{ "max_exporters", SET_COUNT, AT(config, max_exporters), "1024", 1, 65536, false,
	  "more are counted and refused" },
	{ "receive_buffer", SET_SIZE, AT(config, receive_buffer), "16M", 4 * KB, 2147e6,
	  false, "asked of the kernel for each socket" },
	{ "forward", SET_OWN, 0, NULL, 0, 0, true,
	  "pass datagrams on to these, address:port" },
	{ "user", SET_TEXT, AT(config, user), "", 0, 0, false,
	  "whom to become when started as root; empty: culprit, where there is one" },
	{ "group", SET_TEXT, AT(config, group), "", 0, 0, false,
	  "the same; empty: the user's own" },
	END
};
static const struct section *const root_kids[] = {
	&config_listen, &config_http, &config_history, &config_archive, &config_squid,
	&config_privacy, &config_names, &config_act, &config_exporter, &config_network, &config_rule,
	&config_notify,
	&config_alerts, &config_route, &config_maintenance, &config_inhibit, &config_deadman, NULL
};
const struct section config_root = { "", NULL, false, root_settings, root_kids, "" };

const struct setting config_option = { "", SET_OWN, 0, NULL, 0, 0, false, "" };

static bool is_option(const char *name)
{
	const struct detector *d;

	for (size_t i = 0; (d = detector_at(i)); i++)
		if (opt_find(d->opts, name))
			return true;
	for (size_t i = 0; pattern_at(i); i++)
		if (opt_find(pattern_at(i)->opts, name))
			return true;
	return false;
}

const struct setting *config_setting(const struct section *s, const char *name)
{
	for (const struct setting *t = s->settings; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return s == &config_rule && is_option(name) ? &config_option : NULL;
}

const struct section *config_kid(const struct section *s, const char *name)
{
	for (size_t i = 0; s->kids && s->kids[i]; i++)
		if (!strcmp(s->kids[i]->name, name))
			return s->kids[i];
	return NULL;
}

static size_t add_word(const char **words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], word))
			return n;
	assert(n + 1 < CONFIG_WORDS);
	words[n] = word;
	words[n + 1] = NULL;
	return n + 1;
}

size_t config_words(const struct section *s, const char *words[static CONFIG_WORDS])
{
	const struct detector *d;
	size_t n = 0;

	words[0] = NULL;
	for (const struct setting *t = s->settings; t->name; t++)
		n = add_word(words, n, t->name);
	for (size_t i = 0; s == &config_rule && (d = detector_at(i)); i++)
		for (const struct opt *o = d->opts; o->name; o++)
			n = add_word(words, n, o->name);
	for (size_t i = 0; s == &config_rule && pattern_at(i); i++)
		for (const struct opt *o = pattern_at(i)->opts; o->name; o++)
			n = add_word(words, n, o->name);
	for (size_t i = 0; s->kids && s->kids[i]; i++)
		n = add_word(words, n, s->kids[i]->name);
	return n;
}
