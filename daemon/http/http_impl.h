/* http_impl.h - what the files of daemon/http share.
 * SPDX-License-Identifier: ISC
 *
 * A route is a row in routes.c: a path, a method and a function that fills an answer.
 * Functions marked slow run on the threads of jobs.h, all others on the one thread that
 * serves connections, and must not wait for anything.
 */
#ifndef CUL_HTTP_IMPL_H
#define CUL_HTTP_IMPL_H

#include <jansson.h>

#include "daemon/http/conns.h"
#include "daemon/http/guard.h"
#include "daemon/http/http.h"
#include "daemon/http/jobs.h"
#include "daemon/http/rates.h"
#include "daemon/http/target.h"
#include "daemon/model/json.h"
#include "rules/filter/filter.h"

enum { BODY_MAX = 1 << 20 };

struct answer {
	unsigned status;      /* 0 becomes 200 */
	const char *type;     /* of the body; a string that stays */
	struct strb body;
	const void *fixed;    /* instead of body: octets that stay */
	size_t fixed_len;
	const char *allow;    /* of a 405 */
	char etag[32];        /* "" none */
	bool cache;           /* may be kept and asked again with its etag */
	bool challenge;       /* 401: asks for the token */
	bool form;            /* a page with a form for ourselves */
};

struct route;

struct request {
	struct http *http;
	struct conn *conn;
	struct target target;
	const struct route *route;
	char *asker, *question;    /* for `looked`; only of routes about persons */
	bool with_token;
	const char *if_none_match; /* only on the first thread; may be NULL */
	struct strb body;
	bool bad_target, begun, answered;
	struct err err;            /* of bad_target */
	struct answer answer;
	void *mhd;                 /* its MHD_Connection */
};

typedef void answer_f(struct http *h, const struct request *rq, struct answer *out);

struct route {
	const char *path;
	const char *method;         /* GET (also answers HEAD) or POST */
	answer_f *answer;
	const char *const *params;  /* that it knows; NULL ends */
	bool slow;                  /* may wait for disk or network */
	bool persons;               /* tells of persons or URLs: who asks is written down */
	bool open;                  /* needs no token */
	bool act;                   /* POST of a form to a signed address, which is its token */
};

struct http {
	struct http_sources src;
	char *archive_dir, *history_url, *base_url, *looked;
	struct guard guard;
	struct conns conns;
	struct jobs *jobs;
	struct rates now, lately; /* over some 10 s, some 5 minutes */
	void *mhd;                /* struct MHD_Daemon */
	uint16_t port;
	uint64_t requests, refused; /* atomics */
	pthread_t watch;
	bool watching, stop;
	pthread_mutex_t watch_lock;
	pthread_cond_t watch_cond;
	pthread_mutex_t store_lock;
	struct store *store;      /* opened at the first question */
	struct store_opts store_opts;
};

/* routes.c */
/* The route, or NULL: then the answer says 404 or 405. */
const struct route *route_find(const char *path, const char *method, struct answer *out);

/* answer.c */
void answer_json(struct answer *out, json_t *body); /* takes body */
/* {"error": sentence}; the sentence is cut to what is sane. */
void answer_error(struct answer *out, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void answer_free(struct answer *out);

/* metrics.c, api_*.c, page.c */
extern answer_f page_html, page_css, page_js, page_icon, page_healthz, page_readyz, metrics_answer;
extern answer_f api_status, api_exporters, api_alerts, api_series, api_rules, api_history,
	api_top, api_proxy, api_flows, api_test_notify, api_silences, api_silence,
	api_unsilence, api_learn, api_ack, api_notify, api_notify_retry, act_page;

json_t *exporter_json(struct http *h, const struct exporter *e, int64_t now_ms); /* exporters.c */
json_t *exporters_json(struct http *h, int64_t now_ms);
/* hints.c: what is wrong with an exporter and what to do, as [{"level","text"}, …];
 * *state is one word for it. */
json_t *hints_json(struct http *h, const struct exporter *e, int64_t now_ms,
		   const char **state);

/* asks.c: what /top and /flows have in common. */
struct ask {
	int64_t from_ms, to_ms;
	struct filter *filter;
	struct alert *alert; /* of as_of; or NULL */
	struct archive_position as_of; /* its */
	int64_t seen_ms; /* when the alert was looked at */
	uint64_t n;
};
/* Fills from the parameters; false: out says why. ask_fini in any case. */
bool ask_parse(struct http *h, const struct request *rq, struct ask *a, uint64_t n_max,
	       struct answer *out);
void ask_fini(struct ask *a);
/* The alert, from the board or from history; gives, or NULL + err. Slow. */
struct alert *alert_find(struct http *h, const char *id, struct err *err);
/* Calls fn with the store, opened; false + err. Slow. */
bool with_store(struct http *h, bool (*fn)(struct store *s, void *arg, struct err *err),
		void *arg, struct err *err);

#endif
