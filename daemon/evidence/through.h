/* through.h - what went through the proxies: by client, URL or site.
 * SPDX-License-Identifier: ISC
 *
 * `culprit top --by client|url|site`, `culprit flows --urls` and the API: flows and
 * requests from the archive, so it works long after the proxy's log was rotated away.
 */
#ifndef CUL_EVIDENCE_THROUGH_H
#define CUL_EVIDENCE_THROUGH_H

#include "daemon/evidence/urls.h"
#include "daemon/model/series.h"
#include "storage/archive/archive.h"

struct join_flow; /* join.h */
struct strb;
struct veil;

enum through_key { THROUGH_CLIENT, THROUGH_URL, THROUGH_SITE };
enum { THROUGH_KEYS = 3 };
extern const char *const through_word[THROUGH_KEYS]; /* "client" "url" "site" */

/* One proxy: its addresses on all its legs. Borrowed. */
struct through_proxy {
	const struct addr *addresses;
	size_t n_addresses;
	const char *manager;         /* to be asked what is running; NULL or "": nobody */
	enum request_urls urls;      /* how much of that may be told */
};

/* Words with commas between: "client", "url", "site,client". How many; 0: these are none
 * of ours (the caller tries others). -1 + err: ours, but wrong. */
int through_keys_parse(const char *words, enum through_key keys[static THROUGH_KEYS],
		       struct err *err);

struct through_query {
	const char *directory;
	int64_t from_ms, to_ms;
	const struct filter *filter; /* borrowed */
	const struct names *names;
	const struct key *only;      /* NULL, or: flows of this series alone */
	enum by only_by;
	struct archive_position as_of; /* of flows */
	int64_t until_ms;            /* requests that were over by then; 0: all, and what is
					running now */
	const struct through_proxy *proxies;
	size_t n_proxies;
	enum through_key keys[THROUGH_KEYS];
	unsigned n_keys;
	unsigned n;                  /* rows wanted */
	const struct veil *veil;     /* of the clients; NULL: they have no pseudonyms, or the
					key is not ours to read */
	int64_t now_ms;              /* for what is running: when it is */
	size_t max;                  /* flows, and requests, in memory at a time; 0: half a
					million. Beyond it the time is taken in halves */
};

struct through_row {
	char *value[THROUGH_KEYS];
	uint64_t bytes, requests;    /* of the requests, both ways, in the time asked about */
};

struct through_result {
	struct through_row *rows;    /* most bytes first; equal ones in a fixed order */
	unsigned n;
	uint64_t distinct;
	uint64_t requests;           /* that explain something */
	uint64_t bytes;              /* of the flows: for each proxy one leg as one exporter
					saw it, where most is explained */
	uint64_t explained;          /* of those; the rest no request explains */
	struct archive_result read;
	uint64_t damaged;            /* blocks of requests that were left out */
	int64_t oldest_ms;           /* start of the oldest file of requests; 0: none */
};

/* False + err: nothing could be read. Free *out with through_free in any case. */
bool through_run(const struct through_query *q, struct through_result *out,
		 struct err *err);
void through_free(struct through_result *r);

/* The URLs of one flow. */
struct through_url {
	char *url, *client;          /* texts */
	uint64_t bytes;
	int64_t from_ms, to_ms;
};

/* Which requests the flows (as archived, whole) were made of: a list for each, most bytes
 * first, freed with through_urls_free. All flows of the proxies in their time take part
 * in the join, so what belongs to others is not charged to these. */
struct through_urls {
	struct through_url *list;
	size_t n;
	double explained;            /* octets of the flow */
	struct addr withheld;        /* its end that has a pseudonym; none: neither */
};
struct through_urls *through_flows(const struct through_query *q,
				   const struct join_flow *flows, size_t n, struct err *err);
/* Puts the URLs into the JSON object that out ends with. */
void through_urls_json(const struct through_urls *u, struct strb *out);
/* Wherever the address stands by itself in the text, its pseudonym. */
void through_withhold(char **text, const struct addr *a, const struct veil *veil);
void through_urls_free(struct through_urls **u, size_t n);

/* Host (and port, if it is told) of a kept URL, into buf. */
void through_site(const char *url, char *buf, size_t size);

#endif
