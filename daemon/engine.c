/* engine.c - the daemon put together.
 * SPDX-License-Identifier: ISC
 *
 *  workers ──blocks──▶ analysis ──blocks, alerts──▶ archive ──alerts──▶ evidence
 *                         │                                                │
 *                         └──bins──▶ history writer ◀──alerts───────────── tell
 *                         └──sheet──▶ board ◀──────────alerts──────────────┤
 *                                        └──▶ http          notify ◀───────┘
 *
 * This is the only file that knows what comes after what. Parts are started
 * from the right to the left, so that whoever sends finds somebody who takes,
 * and stopped from the left to the right, so that what was received is counted,
 * kept and told.
 */
#include "daemon/engine.h"

#include "daemon/analysis.h"
#include "daemon/base/clock.h"
#include "daemon/base/cpus.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/collect/worker.h"
#include "daemon/engine_impl.h"
#include "daemon/evidence/evidence.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/ifnames.h"
#include "daemon/evidence/owners.h"
#include "daemon/evidence/looked.h"
#include "daemon/evidence/squid.h"
#include "daemon/evidence/veil.h"
#include "daemon/files.h"
#include "daemon/forget.h"
#include "daemon/http/http.h"
#include "daemon/link.h"
#include "daemon/origin.h"
#include "daemon/past.h"
#include "daemon/priv.h"
#include "daemon/ruleset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STOP_MS = 5000, SAVE_EVERY_MS = 60000, STUCK_MS = 20000, PAGE_URL = 256 };

#ifndef CUL_VERSION
#define CUL_VERSION "0"
#endif

/* --- where alerts go when their evidence is there --- */

static void keep_alert(void *arg, const struct alert *a)
{
	struct engine *e = arg;
	json_t *j = alert_json(a, e->base_url);
	char *text = json_dumps(j, JSON_COMPACT);
	struct put p = { .kind = PUT_ALERT, .key = a->id, .data = text, .len = strlen(text),
			 .at_ms = a->started_ms, .state = alert_state_word[a->state] };

	writer_put(e->writer, &p);
	writer_flush(e->writer);
	free(text);
	json_decref(j);
}

/* What is over keeps the position at which it was raised, which the rules never knew: it
 * was found out behind them, in the archive's thread. */
static void recall_position(struct engine *e, struct alert *a)
{
	struct alert *was;

	if (a->state != ALERT_RESOLVED || a->position.file_s)
		return;
	was = board_alert(e->board, a->id);
	a->position = was ? was->position : a->end_position;
	alert_unref(&was);
}

static void alert_done(void *arg, struct alert *a)
{
	struct engine *e = arg;
	char line[160];

	recall_position(e, a);
	alert_headline(a, line);
	log_warn("%s %s", a->was ? "was" : alert_state_word[a->state], line);
	if (e->opts.on_alert)
		e->opts.on_alert(e->opts.arg, a);
	acting_alert(e, a);
	tell_alert(e->tell, a); /* keeps it, and tells whoever is to know */
}

static void restored(void *arg, const struct alert *a)
{
	struct engine *e = arg;

	tell_restored(e->tell, a);
}

static bool untrained(void *arg, const struct rule *r, const struct key *k, int64_t from_ms,
		      int64_t to_ms)
{
	struct engine *e = arg;

	return tell_untrained(e->tell, r, k, from_ms, to_ms);
}

/* Evidence may take seconds, and a kill -9 meanwhile must lose no alert: history has it
 * bare before. What it keeps as firing and nobody was told of is looked into again at the
 * next start; so one that was over when it was found is kept as firing too. */
static void keep_bare(struct engine *e, const struct alert *a)
{
	struct alert *bare;

	if (a->state == ALERT_RESOLVED && !a->was)
		return; /* its firing is what history has, and it will be judged again */
	bare = alert_copy(a);
	bare->state = ALERT_FIRING;
	bare->was = false;
	bare->ended_ms = 0;
	keep_alert(e, bare);
	alert_unref(&bare);
}

static void to_evidence(void *arg, struct alert *a)
{
	struct engine *e = arg;

	keep_bare(e, a);
	evidence_alert(e->evidence, a);
}

static void untold(void *arg, struct alert *a)
{
	struct engine *e = arg;

	evidence_alert(e->evidence, a);
}

static uint64_t kernel_dropped(void *arg)
{
	struct engine *e = arg;
	uint64_t n = 0;

	for (size_t i = 0; i < udp_sockets(e->udp); i++)
		n += udp_get(&udp_socket(e->udp, i)->drops);
	return n;
}

/* --- starting, right to left --- */

static bool open_calendar(struct engine *e, struct err *err)
{
	const struct config *c = e->config;

	/* Times in messages and log lines are told in it too. Before the first thread. */
	if (strcmp(c->timezone, "local")) {
		setenv("TZ", c->timezone, 1);
		tzset();
	}
	e->calendar = calendar_new(c->timezone, err);
	return e->calendar &&
	       (!*c->holidays || calendar_load_holidays(e->calendar, c->holidays, err));
}

static unsigned workers_for(const struct config *c)
{
	unsigned half = cpus(16) / 2; /* the rest is for analysis, archive and the machine */

	if (c->workers)
		return c->workers < WORKERS_MAX ? c->workers : WORKERS_MAX;
	return half ? half : 1;
}

static bool open_sockets(struct engine *e, struct err *err)
{
	const struct config *c = e->config;
	struct udp_listen *l = xcalloc(2 * c->n_listeners + 1, sizeof(*l));
	size_t n = c->n_listeners;
	bool ok = true;

	for (size_t i = 0; ok && i < c->n_listeners; i++) {
		if (!addr_parse(c->listeners[i].address, &l[i].addr))
			ok = err_set(err, "listen address \"%s\" is not an address",
				     c->listeners[i].address);
		l[i].port = c->listeners[i].port;
		snprintf(l[i].purpose, sizeof(l[i].purpose), "%s",
			 listen_word[c->listeners[i].kind]);
		if (c->listeners[i].kind == LISTEN_IPFIX) { /* and over TCP */
			l[n] = l[i];
			l[n++].stream = true;
		}
	}
	if (ok)
		e->udp = udp_open(l, n, workers_for(c),
				  (uint32_t)c->receive_buffer, err);
	free(l);
	return e->udp != NULL;
}

/* Raw sockets need a privilege that goes in a moment; one set for each worker. */
static bool open_forwards(struct engine *e, struct err *err)
{
	const struct config *c = e->config;
	struct forward_target *t;

	if (!c->n_forwards)
		return true;
	t = xcalloc(c->n_forwards, sizeof(*t));
	for (size_t i = 0; i < c->n_forwards; i++)
		t[i] = (struct forward_target){ c->forwards[i].addr, c->forwards[i].port };
	for (unsigned i = 0; i < udp_workers(e->udp); i++)
		if (!(e->forward[i] = forward_new(t, c->n_forwards, err)))
			break;
	free(t);
	return e->forward[udp_workers(e->udp) - 1] != NULL;
}

static struct store_opts store_opts(const struct config *c)
{
	return (struct store_opts){
		.password_file = c->history.password_file,
		.keep_bins_s = c->history.keep_ms / 1000,
		.keep_rollups_s = c->history.rollups_ms / 1000,
	};
}

static bool open_veil(struct engine *e, struct err *err)
{
	char *path = privacy_key(e->config);

	if (e->config->privacy.pseudonyms)
		e->veil = veil_open(path, true, err);
	free(path);
	return e->veil || !e->config->privacy.pseudonyms;
}

/* The proxies' logs; NULL where none is configured. */
static struct squid *follow_proxies(const struct config *c, const struct veil *veil)
{
	struct squid_opts *o = xcalloc(c->n_squids + 1, sizeof(*o));
	struct squid_place place = { c->state_dir,
				     c->archive.enabled ? c->archive.directory : NULL,
				     privacy_keep_ms(c),
				     veil };
	struct squid *s;

	for (size_t i = 0; i < c->n_squids; i++)
		o[i] = (struct squid_opts){ c->squids[i].log, c->squids[i].manager,
					    c->squids[i].addresses,
					    c->squids[i].n_addresses, c->squids[i].allow,
					    c->squids[i].n_allow,
					    c->squids[i].keep_urls };
	s = squid_start(o, c->n_squids, &place);
	free(o);
	return s;
}

/* For questions about the past; copied, since a reload frees the configuration. */
static void list_proxies(struct engine *e)
{
	const struct config *c = e->config;
	const struct addr *at;
	size_t n;

	if (!e->squid)
		return;
	at = squid_addresses(e->squid, &n);
	e->n_proxies = c->n_squids;
	e->proxies = xcalloc(c->n_squids, sizeof(*e->proxies));
	for (size_t i = 0; i < c->n_squids; at += c->squids[i++].n_addresses)
		e->proxies[i] = (struct through_proxy){ at, c->squids[i].n_addresses,
							NULL, URLS_FULL };
}

static struct owners *engine_owners(const struct config *c, struct err *err)
{
	struct owners_opts o = { c->names.hosts, (const char *const *)c->names.leases,
				 c->names.n_leases, c->names.dns, c->names.nameserver, true };

	return owners_start(&o, err);
}

static struct geo *engine_geo(const char *path)
{
	return *path ? geo_open(path) : NULL;
}

/* Whose agents are asked for the names of interfaces. */
static void ask_agents(struct engine *e, const struct config *c)
{
	struct ifnames_target *t = xcalloc(c->n_exporters + 1, sizeof(*t));
	size_t n = 0;

	for (size_t i = 0; i < c->n_exporters; i++) {
		const struct exporter_conf *ec = &c->exporters[i];
		const struct snmp_conf *s = &ec->snmp;
		const struct exporter *x = names_exporter_find(e->names, &ec->addr, ec->port);
		const char *version = s->version ? s->version : ""; /* NULL in --demo */
		bool v2 = !strcmp(version, "v2c");

		if (x && *version && snmp_built())
			t[n++] = (struct ifnames_target){
				x->id, { s->addr, s->port, v2 ? s->community_file : "", s->user,
					 s->auth, s->auth_file, s->priv, s->priv_file },
				s->every_ms };
	}
	if (n && !e->ifnames)
		e->ifnames = ifnames_start(e->names, snmp_interfaces);
	if (e->ifnames)
		ifnames_configure(e->ifnames, t, n);
	free(t);
}

static bool start_keepers(struct engine *e, struct err *err)
{
	const struct config *c = e->config;
	struct writer_opts wo = { .url = c->history.url, .store = store_opts(c),
				  .state_dir = c->state_dir, .spool_max = c->history.spool };
	struct notify_opts no = { c->state_dir, c->channels, c->n_channels, e->base_url };
	struct evidence_opts eo = { c->archive.enabled ? c->archive.directory : "", e->names,
				    c->memory / 4, NULL, alert_done, e, e->calendar, NULL, NULL, 0 };
	struct archive_opts ao = { .directory = c->archive.directory,
				   .keep_ms = c->archive.keep_ms,
				   .max_octets = c->archive.size,
				   .min_free = c->archive.free, .names = e->names,
				   .mark_done = to_evidence, .arg = e };

	struct tell_opts to = { .config = c, .names = e->names, .calendar = e->calendar,
				.board = e->board, .base_url = e->base_url,
				.keep = keep_alert, .untold = untold, .arg = e };

	e->writer = writer_start(&wo, err);
	e->notify = e->writer ? notify_start(&no, err) : NULL;
	if (!e->notify)
		return false;
	to.notify = e->notify;
	if (!acting_start(e, err) || !(e->tell = tell_start(&to, err)))
		return false;
	if (!(e->owners = engine_owners(c, err)))
		return false;
	eo.owners = e->owners;
	e->country = engine_geo(c->names.country);
	e->as = engine_geo(c->names.as);
	e->files = files_start(e->owners, e->country, e->as);
	eo.country = e->country;
	if (!open_veil(e, err))
		return false;
	eo.squid = e->squid = follow_proxies(c, e->veil);
	list_proxies(e);
	e->evidence = evidence_start(&eo);
	if (c->archive.enabled && !(e->archive = archive_start(&ao, err)))
		return false;
	return true;
}

/* History that cannot be read now is no reason not to watch. */
static void recall(struct engine *e, int64_t now_ms)
{
	struct store_opts so = store_opts(e->config);
	struct err err = { "" };
	struct store *s = store_open(e->config->history.url, &so, &err);

	if (!s || !analysis_recall(e->analysis, s, now_ms, &err))
		log_warn("history: %s; starting without what was learnt until it answers",
			 err.msg);
	if (s)
		store_close(&s);
}

static void ask_past(void *arg, struct past *p)
{
	struct engine *e = arg;

	pasts_ask(e->pasts, p);
}

static void start_analysis(struct engine *e)
{
	int64_t now_ms = clock_wall_ms();
	struct analysis_opts o = { .names = e->names, .calendar = e->calendar,
				   .archive = e->archive, .writer = e->writer,
				   .board = e->board, .alert = to_evidence,
				   .dropped = kernel_dropped, .restored = restored,
				   .meters = e->meters,
				   .untrained = untrained, .arg = e,
				   .past = e->archive ? ask_past : NULL,
				   .late_ms = e->config->late_ms,
				   .memory = e->config->memory / 2 };

	if (e->archive && !(e->pasts = pasts_start(e->archive_dir, e->names, e->country)))
		o.past = NULL;
	e->analysis = analysis_new(&o, ruleset_geo(ruleset_new(e->config), e->country), now_ms);
	recall(e, now_ms);
	tell_begin(e->tell);
	analysis_start(e->analysis);
	learning_start(e);
}

static bool start_workers(struct engine *e, struct err *err)
{
	engine_collect_conf(e);
	for (unsigned i = 0; i < udp_workers(e->udp); i++)
		e->collector[i] = collector_new(e->names, &e->collect);
	templates_load(e);
	for (unsigned i = 0; i < udp_workers(e->udp); i++) {
		struct worker_conf wc = { .number = i, .udp = e->udp,
					  .collector = e->collector[i], .names = e->names,
					  .forward = e->forward[i], .sink = analysis_sink,
					  .arg = e->analysis,
					  .counters = meters_take,
					  .counters_arg = e->meters };

		if (e->as) {
			e->origin[i] = origin_new(e->as, analysis_sink, e->analysis);
			wc.sink = origin_sink;
			wc.arg = e->origin[i];
		}
		e->worker[i] = worker_start(&wc, err);
		if (!e->worker[i])
			return false;
	}
	return true;
}

static bool start_http(struct engine *e, struct err *err)
{
	const struct config *c = e->config;
	char *token = xasprintf("%s/write.token", c->state_dir), *made;
	struct http_opts o = { c->http.address, c->http.port, c->http.token_file, token,
			       c->http.url };

	if (!c->http.enabled) {
		free(token);
		return true;
	}
	made = link_secret(token, err); /* for the tool, where no token_file is set */
	if (!made)
		log_warn("%s; culprit cannot change anything", err->msg);
	if (!made)
		o.write_token_file = "";
	free(made);
	if (!looked_ready(c->privacy.looked, err)) {
		free(token);
		return false;
	}
	e->history = store_opts(c);
	e->history.read_only = true;
	e->sources = (struct http_sources){
		.board = e->board, .names = e->names, .owners = e->owners, .country = e->country,
		.archive_dir = e->archive_dir, .looked = e->looked,
		.veil = e->veil, .proxies = e->proxies, .n_proxies = e->n_proxies,
		.history_url = e->history_url, .history = &e->history,
		.version = CUL_VERSION, .channels = sources_channels,
		.sockets = sources_sockets, .forwards = sources_forwards,
		.strays = sources_strays, .ready = sources_ready,
		.test_notify = sources_test, .silences = sources_silences,
		.silence = sources_silence, .unsilence = sources_unsilence,
		.learn = sources_learn,
		.ack = sources_ack, .letters = sources_letters, .retry = sources_retry,
		.act = sources_act, .snmp = sources_snmp,
		.forget_ms = privacy_keep_ms(c), .arg = e,
	};
	e->http = http_start(&o, &e->sources, err);
	free(token);
	return e->http != NULL;
}

/* Links in messages need an address that works for who reads them. */
static char *page_url(const struct config *c)
{
	bool v6 = strchr(c->http.address, ':') != NULL;

	if (*c->http.url)
		return xstrdup(c->http.url);
	if (!c->http.enabled)
		return NULL;
	return xasprintf(v6 ? "http://[%s]:%u" : "http://%s:%u", c->http.address,
			 c->http.port);
}

struct engine *engine_start(const struct engine_opts *o, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof(*e));
	struct config *c = o->config;

	e->opts = *o;
	e->config = c;
	e->base_url = page_url(c);
	e->looked = xstrdup(c->privacy.looked);
	e->archive_dir = xstrdup(c->archive.enabled ? c->archive.directory : "");
	e->history_url = xstrdup(c->history.url);
	e->board = board_new();
	e->meters = meters_new();
	e->names = names_new(c->max_exporters);
	e->lock = -1;
	ruleset_names(c, e->names);
	if (!open_calendar(e, err))
		goto fail;
	e->lock = priv_state(c->state_dir, c->user, c->group, err);
	if (e->lock < 0 || !open_sockets(e, err) || !open_forwards(e, err) ||
	    !priv_drop(c->user, c->group, err) || !start_keepers(e, err))
		goto fail;
	start_analysis(e);
	if (!start_workers(e, err) || !start_http(e, err))
		goto fail;
	ask_agents(e, c);
	e->forget = forget_start(&(struct forget_opts){ c->history.url, store_opts(c), e->writer,
							privacy_keep_ms(c) });
	e->saved_ms = clock_mono_ms();
	return e;
fail:
	engine_stop(&e);
	return NULL;
}

/* --- stopping, left to right --- */

void engine_stop(struct engine **ep)
{
	struct engine *e = *ep;

	*ep = NULL;
	if (!e)
		return;
	http_stop(&e->http);
	if (e->analysis)
		learning_pause(e);
	ifnames_stop(&e->ifnames);
	forget_stop(&e->forget);
	templates_save(e);
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		worker_stop(&e->worker[i]);
	if (e->analysis)
		analysis_stop(e->analysis);
	archive_stop(&e->archive);
	pasts_stop(&e->pasts);
	evidence_stop(&e->evidence);
	acting_stop(e);
	files_stop(&e->files, &e->owners, &e->country, &e->as);
	owners_stop(&e->owners);
	squid_stop(&e->squid);
	free(e->proxies);
	analysis_free(&e->analysis);
	meters_free(&e->meters);
	tell_stop(&e->tell);
	notify_stop(&e->notify, STOP_MS);
	writer_stop(&e->writer, STOP_MS);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		collector_free(&e->collector[i]);
		forward_free(&e->forward[i]);
		origin_free(&e->origin[i]);
	}
	udp_close(&e->udp);
	board_free(&e->board);
	names_free(&e->names);
	geo_close(&e->country);
	geo_close(&e->as);
	calendar_free(&e->calendar);
	config_free(&e->config);
	free(e->overrides);
	free(e->base_url);
	veil_free(&e->veil);
	free(e->looked);
	free(e->archive_dir);
	free(e->history_url);
	if (e->lock >= 0)
		close(e->lock);
	free(e);
}

/* --- going on --- */

static void configure(void *arg, struct collector *c)
{
	collector_configure(c, arg);
}

static void reconfigure(struct engine *e)
{
	engine_collect_conf(e);
	for (unsigned i = 0; i < udp_workers(e->udp); i++)
		worker_call(e->worker[i], configure, &e->collect);
}

bool engine_reload(struct engine *e, struct config *c, struct err *err)
{
	struct notify_opts no = { e->config->state_dir, c->channels, c->n_channels,
				  e->base_url };
	char names[512];

	if (!notify_reload(e->notify, &no, err)) {
		config_free(&c);
		return false;
	}
	if (*config_needs_restart(e->config, c, names, sizeof(names)))
		log_warn("reload: these settings wait for a restart: %s", names);
	ruleset_names(c, e->names);
	ask_agents(e, c);
	acting_configure(e, c);
	tell_reload(e->tell, c);
	analysis_rules(e->analysis, ruleset_geo(ruleset_new(c), e->country));
	learning_pause(e);
	config_free(&e->config);
	e->config = c;
	learning_go_on(e);
	reconfigure(e);
	return true;
}

bool engine_tick(struct engine *e)
{
	const struct sheet *s = board_take(e->board);
	int64_t age = s ? clock_wall_ms() - s->at_ms : 0;

	board_give(e->board, &s);
	/* At once when a template is new: after a crash it would be missed for minutes. */
	if (clock_mono_ms() - e->saved_ms >= SAVE_EVERY_MS ||
	    e->saved_templates != templates_known(e)) {
		e->saved_templates = templates_known(e);
		templates_save(e);
		e->saved_ms = clock_mono_ms();
	}
	if (engine_interfaces_named(e))
		reconfigure(e);
	return age < STUCK_MS;
}
