/* http.h - the page, the API and /metrics.
 * SPDX-License-Identifier: ISC
 *
 * Everything that is shown comes from `sources`: the board (what is now), the
 * names with their ledgers, the archive and the history (what was), and a few
 * counters that only the engine can reach. Handlers never touch the datagram
 * path and never wait for it.
 */
#ifndef CUL_HTTP_HTTP_H
#define CUL_HTTP_HTTP_H

#include <jansson.h>

#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "daemon/model/board.h"
#include "daemon/model/names.h"
#include "storage/store.h"

struct through_proxy; /* daemon/evidence/through.h */

struct http_channel { /* one notify section */
	const char *name;
	uint64_t sent, failed, dead; /* since start */
	uint64_t queued, dead_now;
	const char *last_error;      /* "" */
};

struct http_socket { /* one listening socket */
	char name[64];               /* "netflow 0.0.0.0:2055 worker 0" */
	uint64_t datagrams, dropped;
	uint32_t rcvbuf;
};

struct http_forward { /* one collector that the datagrams go on to */
	char target[64];             /* "192.0.2.99:2055" */
	uint64_t sent, dropped;
	bool keeps_source;
};

struct geo;
struct owners;
struct veil;

struct http_sources {
	struct board *board;
	const struct names *names;
	const char *archive_dir;     /* "": no archive */
	const char *looked;          /* file that tells who looked; NULL or "": none */
	const struct through_proxy *proxies; /* whose requests are kept beside it */
	size_t n_proxies;
	const struct veil *veil;     /* of their clients; NULL: they have none */
	struct geo *country;         /* for filters; NULL: none is configured */
	struct owners *owners;       /* what addresses are called; NULL: nothing knows */
	const char *history_url;     /* store_open of their own, read only */
	const struct store_opts *history;
	const char *version;
	/* Each calls fn for every one there is. */
	void (*channels)(void *arg, void (*fn)(void *fn_arg, const struct http_channel *c),
			 void *fn_arg);
	void (*sockets)(void *arg, void (*fn)(void *fn_arg, const struct http_socket *s),
			void *fn_arg);
	/* May be NULL. */
	void (*forwards)(void *arg, void (*fn)(void *fn_arg, const struct http_forward *f),
			 void *fn_arg);
	/* Books of datagrams whose sender got no place in names. */
	void (*strays)(void *arg, void (*fn)(void *fn_arg, const struct ledger *l),
		       void *fn_arg);
	/* Is the daemon able to do its work? Else one sentence in why. (/readyz) */
	bool (*ready)(void *arg, struct err *why);
	/* Does the SNMP agent of that exporter answer, or is none asked? Else one sentence. May
	 * be NULL. */
	bool (*snmp)(void *arg, uint32_t exporter, struct err *why);
	/* Sends a test message; adds the conversation to out. (POST, token) */
	bool (*test_notify)(void *arg, const char *channel, struct strb *out, struct err *err);
	/* Silences, acknowledgements, dead letters: JSON as contrib/openapi.yaml has it, NULL
	 * + one sentence. All may be NULL. */
	json_t *(*silences)(void *arg);
	json_t *(*silence)(void *arg, const json_t *asked, struct err *err);
	json_t *(*unsilence)(void *arg, const json_t *asked, struct err *err);
	/* { "rule", "from_s" } -> { "learnt", "series" } */
	json_t *(*learn)(void *arg, const json_t *asked, struct err *err);
	json_t *(*ack)(void *arg, const json_t *asked, struct err *err);
	json_t *(*letters)(void *arg);
	json_t *(*retry)(void *arg, const json_t *asked, struct err *err);
	/* What a signed address would do; with go it is done. */
	json_t *(*act)(void *arg, const char *path, const json_t *go, struct err *err);
	int64_t forget_ms;           /* alerts over so long tell no URLs; 0: they do */
	void *arg;
};

struct http_opts {
	const char *address;
	uint16_t port;          /* 0: any free one, see http_port */
	const char *token_file; /* "": reading is free for who can connect, writing refused */
	/* Else writing wants the token in this file, which only who may read our state has:
	 * the tool on this machine. NULL or "": then nothing can be changed. */
	const char *write_token_file;
	const char *url;        /* how people reach the page: its host is answered too, and
				   links begin with it. NULL or "": the address */
};

struct http;

/* Binds and serves; NULL + one sentence that says what to do. Sources are borrowed. */
struct http *http_start(const struct http_opts *o, const struct http_sources *s,
			struct err *err);
uint16_t http_port(const struct http *h);
void http_stop(struct http **h);

#endif
