/* through.c - what went through the proxies: by client, URL or site.
 * SPDX-License-Identifier: ISC
 *
 * Both legs carry the same octets, and several exporters may see each. So for each proxy
 * one view, a leg as one exporter saw it, is counted: the one of whose flows most is
 * explained. What no request explains of that view is told as a number of its own.
 *
 * A long time is taken in halves while it has more flows or requests than fit into
 * memory: both are cut at the border in proportion, as a join does at the ends of any
 * time, so the parts add up but for what lies within a second of a border.
 */
#include "daemon/evidence/through.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/proxy_flows.h"
#include "daemon/evidence/request_log.h"
#include "daemon/evidence/squid_live.h"
#include "daemon/evidence/veil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MAX = 500000, ROWS_MAX = 1 << 22, SHORTEST_MS = 10000, NOW_MS = 30000, SAME_MS = 20 };

const char *const through_word[THROUGH_KEYS] = { "client", "url", "site" };

int through_keys_parse(const char *words, enum through_key keys[static THROUGH_KEYS],
		       struct err *err)
{
	int n = 0, k;

	for (const char *at = words; ; at++) {
		size_t len = strcspn(at, ",");

		for (k = 0; k < THROUGH_KEYS; k++)
			if (strlen(through_word[k]) == len && !memcmp(at, through_word[k], len))
				break;
		if (k == THROUGH_KEYS || n == THROUGH_KEYS) {
			if (!n)
				return 0;
			err_set(err, "\"%.40s\": client, url and site go together with each "
				"other only, each once", words);
			return -1;
		}
		for (int i = 0; i < n; i++)
			if (keys[i] == (enum through_key)k) {
				err_set(err, "\"%s\" is there twice", through_word[k]);
				return -1;
			}
		keys[n++] = (enum through_key)k;
		at += len;
		if (!*at)
			return n;
	}
}

void through_site(const char *url, char *buf, size_t size)
{
	const char *host = strstr(url, "://");
	size_t len;

	host = host && (size_t)(host - url) == strcspn(url, ":/") ? host + 3 : url;
	len = strcspn(host, "/");
	snprintf(buf, size, "%.*s", (int)len, host);
}

/* --- what is in memory at a time --- */

struct load {
	const struct through_query *q;
	int64_t from_ms, to_ms;
	struct addr *proxies; /* all of them; owner[i] is which proxy's */
	size_t *owner, n_proxies;
	struct join_flow *flows;
	size_t n_flows;
	struct request **live; /* running now, of no log yet */
	size_t n_live;
	struct request **requests;
	size_t n_requests, cap_requests, max;
	bool cut;
	struct archive_result read;
	struct request_read asked;
};

static void list_proxies(struct load *l)
{
	const struct through_query *q = l->q;
	size_t n = 0;

	for (size_t i = 0; i < q->n_proxies; i++)
		n += q->proxies[i].n_addresses;
	l->proxies = xcalloc(n + 1, sizeof(*l->proxies));
	l->owner = xcalloc(n + 1, sizeof(*l->owner));
	for (size_t i = 0; i < q->n_proxies; i++)
		for (size_t k = 0; k < q->proxies[i].n_addresses; k++) {
			l->owner[l->n_proxies] = i;
			l->proxies[l->n_proxies++] = q->proxies[i].addresses[k];
		}
}

static bool take_request(void *arg, const struct request *r)
{
	struct load *l = arg;

	if (l->q->until_ms && r->end_ms > l->q->until_ms)
		return true; /* had no line in the log yet */
	if (l->n_requests == l->max) {
		l->cut = true;
		return false;
	}
	if (l->n_requests == l->cap_requests) {
		l->cap_requests = l->cap_requests ? 2 * l->cap_requests : 1024;
		l->requests = xrealloc(l->requests, l->cap_requests, sizeof(*l->requests));
	}
	l->requests[l->n_requests++] = request_new(r);
	return true;
}

static void take_live(void *arg, const struct request *r)
{
	struct load *l = arg;

	l->live = xrealloc(l->live, l->n_live + 1, sizeof(*l->live));
	l->live[l->n_live] = request_new(r);
	l->live[l->n_live]->client = veil_addr(l->q->veil, &r->client);
	l->n_live++;
}

/* Managers that do not answer are passed over: what is kept is answer enough. */
static void ask_managers(struct load *l)
{
	const struct through_query *q = l->q;

	if (q->until_ms)
		return;
	for (size_t i = 0; i < q->n_proxies && q->to_ms > q->now_ms - NOW_MS; i++)
		if (q->proxies[i].manager && *q->proxies[i].manager)
			squid_live(q->proxies[i].manager, q->proxies[i].urls, q->now_ms,
				   take_live, l, NULL);
}

static bool is_over(const struct load *l, const struct request *running)
{
	for (size_t i = l->n_requests; i-- > 0;) {
		int64_t apart = l->requests[i]->start_ms - running->start_ms;

		if (apart >= -SAME_MS && apart <= SAME_MS &&
		    addr_eq(&l->requests[i]->client, &running->client) &&
		    !strcmp(l->requests[i]->url, running->url))
			return true;
	}
	return false;
}

static void add_live(struct load *l)
{
	for (size_t i = 0; i < l->n_live; i++)
		if (l->live[i]->start_ms < l->to_ms && l->live[i]->end_ms >= l->from_ms &&
		    !is_over(l, l->live[i]))
			take_request(l, l->live[i]);
}

static void drop(struct load *l)
{
	for (size_t i = 0; i < l->n_requests; i++)
		request_unref(&l->requests[i]);
	free(l->flows);
	l->flows = NULL;
	l->n_requests = l->n_flows = 0;
}

static bool load_span(struct load *l, int64_t from_ms, int64_t to_ms,
		      const struct filter *filter, struct err *err)
{
	const struct through_query *q = l->q;
	struct proxy_flows_query pq = {
		.directory = q->directory, .from_ms = from_ms, .to_ms = to_ms,
		.filter = filter, .names = q->names, .only = q->only, .only_by = q->only_by,
		.as_of = q->as_of, .proxies = l->proxies, .n_proxies = l->n_proxies,
		.max = l->max,
	};

	l->from_ms = from_ms;
	l->to_ms = to_ms;
	l->flows = proxy_flows(&pq, &l->n_flows, &l->cut, &l->read, err);
	if (!l->flows)
		return false;
	if (!l->cut && !request_log_read(q->directory, from_ms, to_ms, take_request, l,
					 &l->asked, err))
		return false;
	if (!l->cut)
		add_live(l);
	return true;
}

static void load_fini(struct load *l)
{
	drop(l);
	for (size_t i = 0; i < l->n_live; i++)
		request_unref(&l->live[i]);
	free(l->live);
	free(l->requests);
	free(l->proxies);
	free(l->owner);
}

/* --- the view of each proxy that counts --- */

struct view {
	size_t proxy;
	uint32_t exporter;
	enum join_leg leg;
	double bytes, explained;
};

struct views {
	struct view *list;
	size_t n;
	uint32_t *of; /* flow -> view; UINT32_MAX: none */
};

static size_t proxy_of(const struct load *l, const struct join_flow *f)
{
	for (size_t i = 0; i < l->n_proxies; i++)
		if (addr_eq(&f->src, &l->proxies[i]) || addr_eq(&f->dst, &l->proxies[i]))
			return l->owner[i];
	return 0;
}

static void make_views(struct views *v, const struct load *l)
{
	*v = (struct views){ .of = xcalloc(l->n_flows + 1, sizeof(*v->of)) };
	for (size_t i = 0; i < l->n_flows; i++) {
		const struct join_flow *f = &l->flows[i];
		size_t proxy = proxy_of(l, f), k = 0;

		v->of[i] = UINT32_MAX;
		if (f->leg != JOIN_CLIENT && f->leg != JOIN_ORIGIN && f->leg != JOIN_UNKNOWN)
			continue;
		while (k < v->n && (v->list[k].proxy != proxy || v->list[k].leg != f->leg ||
				    v->list[k].exporter != f->exporter))
			k++;
		if (k == v->n) {
			v->list = xrealloc(v->list, ++v->n, sizeof(*v->list));
			v->list[k] = (struct view){ proxy, f->exporter, f->leg, 0, 0 };
		}
		v->list[k].bytes += (double)f->bytes;
		v->list[k].explained += f->explained;
		v->of[i] = (uint32_t)k;
	}
}

/* The best of its proxy; of equal ones the first. */
static bool counts(const struct views *v, size_t k)
{
	for (size_t i = 0; i < v->n; i++)
		if (i != k && v->list[i].proxy == v->list[k].proxy &&
		    (v->list[i].explained > v->list[k].explained ||
		     (v->list[i].explained >= v->list[k].explained && i < k)))
			return false;
	return true;
}

/* Flows that belong to no leg, seen by who saw the leg that counts: either's. */
static bool counts_too(const struct views *v, size_t k)
{
	for (size_t i = 0; v->list[k].leg == JOIN_UNKNOWN && i < v->n; i++)
		if (v->list[i].proxy == v->list[k].proxy && counts(v, i))
			return i != k && v->list[i].exporter == v->list[k].exporter;
	return false;
}

/* --- adding up --- */

struct sum {
	char *value[THROUGH_KEYS];
	double bytes;
	uint64_t requests;
};

struct tally {
	const struct through_query *q;
	struct map by; /* XXH128_hash_t of the values -> uint32_t, place in sums */
	struct sum *sums;
	size_t n, cap;
	double bytes, explained;
	uint64_t requests;
};

static void values_of(const struct through_query *q, const struct request *r,
		      char out[static THROUGH_KEYS][REQUEST_URL])
{
	for (unsigned k = 0; k < q->n_keys; k++)
		switch (q->keys[k]) {
		case THROUGH_CLIENT: addr_text(&r->client, out[k]); break;
		case THROUGH_URL: snprintf(out[k], REQUEST_URL, "%s", r->url); break;
		case THROUGH_SITE: through_site(r->url, out[k], REQUEST_URL); break;
		}
}

static struct sum *sum_of(struct tally *t, const struct request *r)
{
	char value[THROUGH_KEYS][REQUEST_URL];
	XXH128_hash_t key = { 0, 0 };
	uint32_t *at;
	bool fresh;

	values_of(t->q, r, value);
	for (unsigned k = 0; k < t->q->n_keys; k++)
		key = XXH3_128bits_withSeed(value[k], strlen(value[k]), key.low64 + 1);
	at = map_put(&t->by, &key, &fresh);
	if (!at)
		return NULL;
	if (fresh) {
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 256;
			t->sums = xrealloc(t->sums, t->cap, sizeof(*t->sums));
		}
		*at = (uint32_t)t->n;
		t->sums[t->n] = (struct sum){ .bytes = 0 };
		for (unsigned k = 0; k < t->q->n_keys; k++)
			t->sums[t->n].value[k] = xstrdup(value[k]);
		t->n++;
	}
	return &t->sums[*at];
}

/* A request that goes over a border counts where it ends. */
static bool ends_here(const struct load *l, const struct request *r)
{
	return r->end_ms < l->to_ms || l->to_ms == l->q->to_ms;
}

static void add_parts(struct tally *t, const struct load *l, const struct join *j,
		      const struct views *v)
{
	uint32_t last = UINT32_MAX;
	bool *good = xcalloc(v->n + 1, sizeof(*good));

	for (size_t k = 0; k < v->n; k++) {
		good[k] = counts(v, k);
		if (good[k] || counts_too(v, k))
			t->bytes += v->list[k].bytes;
		t->explained += good[k] ? v->list[k].explained : 0;
	}
	for (size_t i = 0; i < j->n; i++) {
		const struct join_part *p = &j->parts[i];
		const struct request *r = l->requests[p->request];
		uint32_t view = v->of[p->flow];
		struct sum *s = view != UINT32_MAX && good[view] ? sum_of(t, r) : NULL;

		if (!s)
			continue;
		s->bytes += p->bytes;
		if (p->request != last && ends_here(l, r)) {
			s->requests++;
			t->requests++;
		}
		last = p->request;
	}
	free(good);
}

static bool add_span(struct tally *t, struct load *l, int64_t from_ms, int64_t to_ms,
		     struct through_result *out, struct err *err)
{
	struct views v;
	struct join j;

	if (!load_span(l, from_ms, to_ms, l->q->filter, err))
		return false;
	if (l->cut && to_ms - from_ms > SHORTEST_MS) {
		int64_t middle = from_ms + (to_ms - from_ms) / 2;

		drop(l);
		l->cut = false;
		return add_span(t, l, from_ms, middle, out, err) &&
		       add_span(t, l, middle, to_ms, out, err);
	}
	join_run(l->flows, l->n_flows, l->requests, l->n_requests, l->proxies, l->n_proxies,
		 from_ms, to_ms, l->q->veil, &j);
	make_views(&v, l);
	add_parts(t, l, &j, &v);
	out->read = l->read;
	out->damaged += l->asked.damaged;
	out->oldest_ms = l->asked.oldest_ms;
	free(v.list);
	free(v.of);
	join_free(&j);
	drop(l);
	l->cut = false;
	return true;
}

/* --- the answer --- */

static int by_bytes(const void *x, const void *y)
{
	const struct sum *a = x, *b = y;
	int c = 0;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	for (int k = 0; k < THROUGH_KEYS && a->value[k] && !c; k++)
		c = strcmp(a->value[k], b->value[k]);
	return c;
}

static void take_rows(struct tally *t, unsigned n, struct through_result *out)
{
	if (t->n)
		if (t->n)
		qsort(t->sums, t->n, sizeof(*t->sums), by_bytes);
	out->distinct = t->n;
	out->rows = xcalloc(t->n < n ? t->n + 1 : n, sizeof(*out->rows));
	for (size_t i = 0; i < t->n; i++) {
		struct sum *s = &t->sums[i];

		if (out->n < n) {
			struct through_row *row = &out->rows[out->n++];

			memcpy(row->value, s->value, sizeof(row->value));
			row->bytes = (uint64_t)(s->bytes + 0.5);
			row->requests = s->requests;
			continue;
		}
		for (int k = 0; k < THROUGH_KEYS; k++)
			free(s->value[k]);
	}
	out->bytes = (uint64_t)(t->bytes + 0.5);
	out->explained = (uint64_t)(t->explained + 0.5);
	if (out->explained > out->bytes)
		out->explained = out->bytes;
	out->requests = t->requests;
}

bool through_run(const struct through_query *q, struct through_result *out, struct err *err)
{
	struct load l = { .q = q, .max = q->max ? q->max : MAX };
	struct tally t = { .q = q };
	bool ok;

	*out = (struct through_result){ .n = 0 };
	map_init(&t.by, sizeof(XXH128_hash_t), sizeof(uint32_t), ROWS_MAX);
	list_proxies(&l);
	ask_managers(&l);
	ok = add_span(&t, &l, q->from_ms, q->to_ms, out, err);
	take_rows(&t, q->n ? q->n : 1, out);
	load_fini(&l);
	map_fini(&t.by);
	free(t.sums);
	return ok;
}

void through_free(struct through_result *r)
{
	for (unsigned i = 0; i < r->n; i++)
		for (int k = 0; k < THROUGH_KEYS; k++)
			free(r->rows[i].value[k]);
	free(r->rows);
	*r = (struct through_result){ .n = 0 };
}

/* --- single flows --- */

static bool same(const struct join_flow *a, const struct join_flow *b)
{
	return a->from_ms == b->from_ms && a->to_ms == b->to_ms && a->bytes == b->bytes &&
	       a->src_port == b->src_port && a->dst_port == b->dst_port &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst);
}

static int most_first(const void *x, const void *y)
{
	const struct through_url *a = x, *b = y;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->url, b->url);
}

/* The same URL of the same client is one. */
static void add_url(struct through_urls *u, const struct request *r, double bytes)
{
	char client[ADDR_TEXT];

	addr_text(&r->client, client);
	for (size_t i = 0; i < u->n; i++) {
		struct through_url *have = &u->list[i];

		if (strcmp(have->url, r->url) || strcmp(have->client, client))
			continue;
		have->bytes += (uint64_t)(bytes + 0.5);
		have->from_ms = r->start_ms < have->from_ms ? r->start_ms : have->from_ms;
		have->to_ms = r->end_ms > have->to_ms ? r->end_ms : have->to_ms;
		return;
	}
	u->list = xrealloc(u->list, u->n + 1, sizeof(*u->list));
	u->list[u->n++] = (struct through_url){ xstrdup(r->url), xstrdup(client),
						(uint64_t)(bytes + 0.5), r->start_ms,
						r->end_ms };
}

static void take_urls(struct through_urls *u, const struct join_flow *f,
		      const struct load *l, const struct join *j)
{
	size_t at = 0;

	while (at < l->n_flows && !same(f, &l->flows[at]))
		at++;
	if (at == l->n_flows)
		return;
	u->explained = l->flows[at].explained;
	if (l->q->veil && l->flows[at].leg == JOIN_CLIENT)
		u->withheld = is_one_of(&f->src, l->proxies, l->n_proxies) ? f->dst : f->src;
	for (size_t i = 0; i < j->n; i++)
		if (j->parts[i].flow == at && j->parts[i].bytes >= 1)
			add_url(u, l->requests[j->parts[i].request], j->parts[i].bytes);
	if (u->n)
		if (u->n)
		qsort(u->list, u->n, sizeof(*u->list), most_first);
}

struct through_urls *through_flows(const struct through_query *q,
				   const struct join_flow *flows, size_t n, struct err *err)
{
	struct load l = { .q = q, .max = q->max ? q->max : MAX };
	struct through_urls *u = xcalloc(n + 1, sizeof(*u));
	int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;
	struct join j;

	list_proxies(&l);
	ask_managers(&l);
	for (size_t i = 0; i < n; i++) {
		if (!is_one_of(&flows[i].src, l.proxies, l.n_proxies) &&
		    !is_one_of(&flows[i].dst, l.proxies, l.n_proxies))
			continue;
		from_ms = flows[i].from_ms < from_ms ? flows[i].from_ms : from_ms;
		to_ms = flows[i].to_ms > to_ms ? flows[i].to_ms : to_ms;
	}
	if (from_ms > to_ms) {
		; /* all are direct */
	} else if (!load_span(&l, from_ms, to_ms + 1, NULL, err)) {
		through_urls_free(&u, n);
	} else {
		join_run(l.flows, l.n_flows, l.requests, l.n_requests, l.proxies,
			 l.n_proxies, from_ms, to_ms + 1, q->veil, &j);
		for (size_t i = 0; i < n; i++)
			take_urls(&u[i], &flows[i], &l, &j);
		join_free(&j);
	}
	load_fini(&l);
	return u;
}

void through_urls_free(struct through_urls **up, size_t n)
{
	struct through_urls *u = *up;

	*up = NULL;
	for (size_t i = 0; u && i < n; i++) {
		for (size_t k = 0; k < u[i].n; k++) {
			free(u[i].list[k].url);
			free(u[i].list[k].client);
		}
		free(u[i].list);
	}
	free(u);
}
