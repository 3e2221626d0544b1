/* explain.c - an alert's flows through the proxy: whose they were, and which URLs.
 * SPDX-License-Identifier: ISC
 *
 * The client named in the sentence is the one with most octets on one leg as one exporter
 * saw it, the one where most is explained; where a rule sees more, the octets of the other
 * leg and of other exporters are taken out of the total too, for they are the same traffic
 * again.
 */
#include "daemon/evidence/explain.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/proxy_flows.h"
#include "daemon/evidence/squid.h"
#include "daemon/evidence/veil.h"

#include <stdlib.h>
#include <string.h>

static const double octets_worth_telling = 1;

struct load {
	const struct addr *proxies;
	size_t n_proxies;
	struct join_flow *flows;
	size_t n;
};

static bool load_flows(const struct evidence_opts *o, const struct alert *a,
		       const struct filter *f, const struct alert_sight *at, struct load *l)
{
	struct proxy_flows_query q = {
		.directory = o->archive_dir, .from_ms = at->from_ms, .to_ms = at->to_ms,
		.filter = f, .names = o->names, .only = &a->key, .only_by = a->by,
		.as_of = at->position, .proxies = l->proxies, .n_proxies = l->n_proxies,
	};
	struct archive_result read;
	struct err err = { "" };
	bool cut;

	l->flows = proxy_flows(&q, &l->n, &cut, &read, &err);
	return l->flows && l->n;
}

/* --- adding up by client and URL --- */

struct tally {
	const struct request *first; /* whose client and URL these are */
	double bytes, weight;
	int64_t from_ms, to_ms;
	bool running;
};

static int by_client_url(const void *x, const void *y)
{
	const struct tally *a = x, *b = y;
	int c = memcmp(a->first->client.b, b->first->client.b, sizeof(struct addr));

	return c ? c : strcmp(a->first->url, b->first->url);
}

static int by_weight(const void *x, const void *y)
{
	const struct tally *a = x, *b = y;

	if (a->weight != b->weight)
		return a->weight < b->weight ? 1 : -1;
	return by_client_url(x, y);
}

static int by_client_weight(const void *x, const void *y)
{
	const struct tally *a = x, *b = y;
	int c = memcmp(a->first->client.b, b->first->client.b, sizeof(struct addr));

	return c ? c : by_weight(x, y);
}

/* One row for each client and URL of the parts whose flow's mark is `mark`. */
static struct tally *add_up(const struct join *j, struct request *const *requests,
			    const int *marks, int mark, size_t *n_out)
{
	struct tally *t = xcalloc(j->n ? j->n : 1, sizeof(*t));
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct join_part *p = &j->parts[i];
		const struct request *r = requests[p->request];

		if (marks[p->flow] == mark)
			t[n++] = (struct tally){ r, p->bytes, p->weight, r->start_ms,
						 r->end_ms, r->running };
	}
	qsort(t, n, sizeof(*t), by_client_url);
	for (size_t i = 0; i < n; i++) {
		struct tally *last = kept ? &t[kept - 1] : NULL;

		if (!last || by_client_url(last, &t[i])) {
			t[kept++] = t[i];
			continue;
		}
		last->bytes += t[i].bytes;
		last->weight += t[i].weight;
		last->running |= t[i].running;
		if (t[i].from_ms < last->from_ms)
			last->from_ms = t[i].from_ms;
		if (t[i].to_ms > last->to_ms)
			last->to_ms = t[i].to_ms;
	}
	*n_out = kept;
	return t;
}

/* The client with most, its rows first, largest first; t is turned over for that.
 * Returns how many rows are its, *sum its octets. */
static size_t leader(struct tally *t, size_t n, double *sum)
{
	size_t best = 0, best_n = 0;
	double most = -1;

	*sum = 0;
	qsort(t, n, sizeof(*t), by_client_weight);
	for (size_t i = 0, k; i < n; i = k) {
		double weight = 0, bytes = 0;

		for (k = i; k < n && addr_eq(&t[k].first->client, &t[i].first->client); k++) {
			weight += t[k].weight;
			bytes += t[k].bytes;
		}
		if (weight > most) {
			most = weight;
			*sum = bytes;
			best = i;
			best_n = k - i;
		}
	}
	if (best) {
		struct tally *rows = xmemdup(t + best, best_n * sizeof(*t));

		memmove(t + best_n, t, best * sizeof(*t));
		memcpy(t, rows, best_n * sizeof(*t));
		free(rows);
	}
	return best_n;
}

static void fill_flow(struct top_flow *f, struct tally *t, size_t n)
{
	char text[ADDR_TEXT];
	double sum;

	if (!n)
		return;
	leader(t, n, &sum);
	f->client = xstrdup(addr_text(&t[0].first->client, text));
	qsort(t, n, sizeof(*t), by_weight);
	f->urls = xcalloc(ALERT_URLS, sizeof(*f->urls));
	for (size_t i = 0; i < n && f->n_urls < ALERT_URLS; i++) {
		if (t[i].bytes < octets_worth_telling || !strcmp(t[i].first->url, "-"))
			continue;
		f->urls[f->n_urls++] = (struct alert_url){
			xstrdup(t[i].first->url),
			xstrdup(addr_text(&t[i].first->client, text)),
			(uint64_t)(t[i].bytes + 0.5), t[i].from_ms, t[i].to_ms,
		};
	}
}

static bool same_flow(const struct top_flow *t, const struct join_flow *f)
{
	return t->src_port == f->src_port && t->dst_port == f->dst_port &&
	       addr_eq(&t->src, &f->src) && addr_eq(&t->dst, &f->dst);
}

/* A leg of the proxy as one exporter saw it. */
struct view {
	uint32_t exporter;
	enum join_leg leg;
	double octets, known;
};

struct views {
	struct view *list;
	size_t n;
	double untold; /* octets of the proxy's flows that belong to no leg */
};

static void add_to_view(struct views *v, const struct join_flow *f)
{
	size_t i = 0;

	if (f->leg != JOIN_CLIENT && f->leg != JOIN_ORIGIN) {
		v->untold += (double)f->bytes;
		return;
	}
	while (i < v->n && (v->list[i].exporter != f->exporter || v->list[i].leg != f->leg))
		i++;
	if (i == v->n) {
		v->list = xrealloc(v->list, ++v->n, sizeof(*v->list));
		v->list[i] = (struct view){ f->exporter, f->leg, 0, 0 };
	}
	v->list[i].octets += (double)f->bytes;
	v->list[i].known += f->explained;
}

static const struct view *best_view(const struct views *v)
{
	const struct view *best = NULL;

	for (size_t i = 0; i < v->n; i++)
		if (!best || v->list[i].known > best->known)
			best = &v->list[i];
	return best;
}

/* Each of the top flows as the exporter saw it that more is explained of. */
static void fill_top(struct alert *a, const struct load *l, const struct join *j,
		     struct request *const *requests, int *marks)
{
	for (unsigned k = 0; k < a->n_top; k++) {
		struct views v = { 0 };
		const struct view *best;
		struct tally *t;
		size_t n;

		for (size_t i = 0; i < l->n; i++)
			if (same_flow(&a->top[k], &l->flows[i]))
				add_to_view(&v, &l->flows[i]);
		best = best_view(&v);
		for (size_t i = 0; best && i < l->n; i++)
			marks[i] = l->flows[i].exporter == best->exporter &&
				   same_flow(&a->top[k], &l->flows[i]);
		if (best) {
			t = add_up(j, requests, marks, true, &n);
			fill_flow(&a->top[k], t, n);
			free(t);
		}
		free(v.list);
	}
}

static void fill_leader(const struct alert *a, const struct load *l, const struct join *j,
			struct request *const *requests, int *marks, struct explained *out)
{
	struct views v = { 0 };
	const struct view *best;
	double sum, total = (double)a->total_bytes;
	struct tally *t;
	size_t n, mine;

	for (size_t i = 0; i < l->n; i++)
		add_to_view(&v, &l->flows[i]);
	best = best_view(&v);
	for (size_t i = 0; best && i < l->n; i++)
		marks[i] = l->flows[i].exporter == best->exporter &&
			   l->flows[i].leg == best->leg;
	for (size_t i = 0; i < v.n; i++)
		total -= &v.list[i] == best ? 0 : v.list[i].octets;
	t = add_up(j, requests, marks, true, &n);
	mine = best ? leader(t, n, &sum) : 0;
	if (mine && sum > 0 && total > 0) {
		out->host = t[0].first->client;
		out->person = t[0].first->person;
		addr_text(&out->host, out->client);
		out->share = sum / total < 1 ? sum / total : 1;
		out->url = xstrdup(t[0].first->url);
		out->running = t[0].running;
		for (size_t i = 1; i < mine; i++)
			out->more_urls += t[i].bytes >= octets_worth_telling;
		out->unexplained = 1 - best->known / (best->octets + v.untold);
	}
	free(t);
	free(v.list);
}

static int by_addr(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct addr));
}

/* Everybody who takes part in the join: by the requests, and on the clients' leg. */
static void find_withheld(const struct load *l, const struct join *j,
			  struct request *const *requests, struct explained *out)
{
	size_t n = 0;

	out->withheld = xcalloc(j->n + l->n + 1, sizeof(*out->withheld));
	for (size_t i = 0; i < j->n; i++)
		out->withheld[n++] = requests[j->parts[i].request]->person;
	for (size_t i = 0; i < l->n; i++) {
		const struct join_flow *f = &l->flows[i];

		if (f->leg == JOIN_CLIENT)
			out->withheld[n++] = is_one_of(&f->src, l->proxies, l->n_proxies)
						     ? f->dst : f->src;
	}
	qsort(out->withheld, n, sizeof(*out->withheld), by_addr);
	for (size_t i = 0; i < n; i++)
		if (!i || !addr_eq(&out->withheld[i], &out->withheld[out->n_withheld - 1]))
			out->withheld[out->n_withheld++] = out->withheld[i];
}

struct addr explained_shown(const struct explained *e, const struct veil *veil,
			    const struct addr *a)
{
	if (!e->n_withheld || !bsearch(a, e->withheld, e->n_withheld, sizeof(*a), by_addr))
		return *a;
	return veil_addr(veil, a);
}

static void withhold(struct alert *a, const struct veil *veil, const struct explained *e)
{
	for (unsigned i = 0; i < a->n_top; i++) {
		a->top[i].src = explained_shown(e, veil, &a->top[i].src);
		a->top[i].dst = explained_shown(e, veil, &a->top[i].dst);
	}
}

static bool touches_proxy(const struct alert *a, const struct load *l)
{
	for (unsigned i = 0; i < a->n_top; i++)
		if (is_one_of(&a->top[i].src, l->proxies, l->n_proxies) ||
		    is_one_of(&a->top[i].dst, l->proxies, l->n_proxies))
			return true;
	return false;
}

bool explain_alert(const struct evidence_opts *o, struct alert *a, const struct filter *f,
		   struct alert_sight at, struct explained *out)
{
	struct load l = { .n = 0 };
	struct request **requests;
	struct join j;
	size_t n;
	int *marks;

	*out = (struct explained){ .share = 0 };
	if (!o->squid)
		return false;
	l.proxies = squid_addresses(o->squid, &l.n_proxies);
	if (!touches_proxy(a, &l) || !load_flows(o, a, f, &at, &l)) {
		free(l.flows);
		return false;
	}
	requests = squid_requests(o->squid, at.from_ms, at.to_ms, a->state == ALERT_FIRING,
				  &n);
	join_run(l.flows, l.n, requests, n, l.proxies, l.n_proxies, at.from_ms, at.to_ms,
		 squid_veil(o->squid), &j);
	marks = xcalloc(l.n, sizeof(*marks));
	fill_top(a, &l, &j, requests, marks);
	fill_leader(a, &l, &j, requests, marks, out);
	if (squid_veil(o->squid)) {
		find_withheld(&l, &j, requests, out);
		withhold(a, squid_veil(o->squid), out);
	}
	free(marks);
	join_free(&j);
	squid_give_back(requests, n);
	free(l.flows);
	return *out->client != '\0';
}

void explained_fini(struct explained *e)
{
	free(e->url);
	free(e->withheld);
	*e = (struct explained){ .share = 0 };
}
