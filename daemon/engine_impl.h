/* engine_impl.h - shared by engine.c, sources.c and templates.c.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_ENGINE_IMPL_H
#define CUL_ENGINE_IMPL_H

#include "daemon/analysis.h"
#include "daemon/collect/worker.h"
#include "daemon/engine.h"
#include "daemon/evidence/evidence.h"
#include "daemon/evidence/through.h"
#include "daemon/http/http.h"
#include "daemon/meters.h"
#include "daemon/tell.h"

#include <pthread.h>

enum { WORKERS_MAX = 32 };

struct pasts;

struct engine {
	struct engine_opts opts;
	struct config *config;
	char *base_url, *archive_dir, *history_url;
	char *looked; /* who looked is written there; "": nowhere */
	int lock; /* descriptor that holds the state directory; -1: none */
	struct names *names;
	struct calendar *calendar;
	struct board *board;
	struct udp *udp;
	struct forward *forward[WORKERS_MAX];
	struct collector *collector[WORKERS_MAX];
	struct worker *worker[WORKERS_MAX];
	struct collect_conf collect;
	struct sampling_override *overrides;
	uint64_t names_version; /* for which interfaces were looked up by name */
	struct analysis *analysis;
	struct meters *meters;
	pthread_t learner;
	pthread_mutex_t learn_lock; /* one learns at a time */
	bool learning;              /* there is a thread to wait for */
	_Atomic bool learn_stop;
	struct archive *archive;
	struct evidence *evidence;
	struct pasts *pasts;      /* NULL: no archive */
	struct owners *owners;
	struct forget *forget;    /* NULL: alerts keep what they have */
	struct ifnames *ifnames;  /* NULL: no exporter's agent is asked */
	struct files *files;      /* looks at the files of both */
	struct geo *country, *as; /* NULL: none is configured */
	struct origin *origin[WORKERS_MAX];
	struct veil *veil; /* of clients; NULL: they have no pseudonyms */
	struct squid *squid;
	struct through_proxy *proxies; /* point into squid's addresses */
	size_t n_proxies;
	struct acts *acts;             /* NULL: acting is off */
	struct act_socket *act_socket;
	pthread_mutex_t act_lock;      /* of what follows */
	struct act_rule *act_rules;
	size_t n_act_rules;
	int64_t act_for_ms;
	struct notify *notify;
	struct tell *tell;
	struct writer *writer;
	struct store_opts history;
	struct http_sources sources;
	struct http *http;
	int64_t saved_ms;
	uint64_t saved_templates; /* how many there were then */
};

/* templates.c: what collectors know, kept in the state directory over a restart. */
void templates_save(struct engine *e);
void templates_load(struct engine *e);
uint64_t templates_known(const struct engine *e); /* how many there are now */
/* Settings of the collectors, from the configuration in force. */
void engine_collect_conf(struct engine *e);
/* Looks again for interfaces that the configuration knows by name alone; true when there
 * are any and names have changed since. */
bool engine_interfaces_named(struct engine *e);

/* acting.c: rules that slow or refuse whom their alert names. */
bool acting_start(struct engine *e, struct err *err);
void acting_configure(struct engine *e, const struct config *c);
void acting_alert(struct engine *e, const struct alert *a); /* the evidence thread */
void acting_stop(struct engine *e);

/* learning.c: baselines from history. pause: none is under way and none begins until it goes
 * on, while the configuration changes. */
void learning_start(struct engine *e);
void learning_pause(struct engine *e);
void learning_go_on(struct engine *e);

/* sources.c: what http asks of the engine. */
void sources_channels(void *arg, void (*fn)(void *fn_arg, const struct http_channel *c),
		      void *fn_arg);
void sources_sockets(void *arg, void (*fn)(void *fn_arg, const struct http_socket *s),
		     void *fn_arg);
void sources_forwards(void *arg, void (*fn)(void *fn_arg, const struct http_forward *f),
		      void *fn_arg);
void sources_strays(void *arg, void (*fn)(void *fn_arg, const struct ledger *l),
		    void *fn_arg);
bool sources_snmp(void *arg, uint32_t exporter, struct err *why);
bool sources_ready(void *arg, struct err *why);
json_t *sources_silences(void *arg);
json_t *sources_silence(void *arg, const json_t *asked, struct err *err);
json_t *sources_unsilence(void *arg, const json_t *asked, struct err *err);
json_t *sources_ack(void *arg, const json_t *asked, struct err *err);
json_t *sources_letters(void *arg);
json_t *sources_learn(void *arg, const json_t *asked, struct err *err);
json_t *sources_retry(void *arg, const json_t *asked, struct err *err);
json_t *sources_act(void *arg, const char *path, const json_t *go, struct err *err);
bool sources_test(void *arg, const char *channel, struct strb *out, struct err *err);

#endif
