/* explain.c - an alert's flows through the proxy: whose they were, and which URLs.
 * SPDX-License-Identifier: ISC
 *
 * The top flows are sums over records; the join needs the records with their own times,
 * so those that have the proxy at one end are read from the archive once more, at the
 * alert's position and with its series' key: the same flows that the sums are made of.
 *
 * The client named in the sentence is the one with most octets on one leg, the one
 * where more is explained; where a rule sees both legs, the other leg's octets are taken
 * out of the total too, for they are the same traffic again.
 */
#include "daemon/evidence/explain.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/join.h"
#include "daemon/evidence/squid.h"
#include "daemon/model/rows.h"
#include "storage/archive/archive.h"

#include <stdlib.h>
#include <string.h>

enum { FLOWS_MAX = 200000 };
static const double octets_worth_telling = 1;

struct load {
	const struct alert *a;
	const struct addr *proxies;
	size_t n_proxies;
	uint64_t filter_columns;
	int64_t from_ms, to_ms;
	struct archive_position position;
	struct join_flow *flows;
	size_t n, cap;
};

static bool is_proxy(const struct load *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n_proxies; i++)
		if (addr_eq(a, &l->proxies[i]))
			return true;
	return false;
}

/* The part of the row that lies in the window; octets by overlap, as everywhere (D1). */
static void take_row(struct load *l, const struct block *b, uint32_t row)
{
	int64_t from = b->start_ms[row], to = b->end_ms[row], whole = to - from;
	uint64_t bytes = b->bytes[row];

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->flows = xrealloc(l->flows, l->cap, sizeof(*l->flows));
	}
	if (from < l->from_ms)
		from = l->from_ms;
	if (to > l->to_ms)
		to = l->to_ms;
	if (whole > 0)
		bytes = (uint64_t)((double)bytes * (double)(to - from) / (double)whole);
	l->flows[l->n++] = (struct join_flow){
		.src = b->src[row], .dst = b->dst[row], .src_port = b->src_port[row],
		.dst_port = b->dst_port[row], .from_ms = from, .to_ms = to, .bytes = bytes,
	};
}

static bool take_rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct load *l = arg;
	uint64_t mine[ROW_WORDS];

	(void)worker;
	memcpy(mine, bits, sizeof(mine));
	rows_counted(l->a->by, l->filter_columns, b, mine);
	key_select(l->a->by, &l->a->key, b, mine);
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = mine[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);

			if (l->n < FLOWS_MAX && b->end_ms[row] >= l->from_ms &&
			    b->start_ms[row] < l->to_ms &&
			    (is_proxy(l, &b->src[row]) || is_proxy(l, &b->dst[row])))
				take_row(l, b, row);
		}
	return l->n < FLOWS_MAX;
}

static bool load_flows(const struct evidence_opts *o, const struct filter *f, struct load *l)
{
	struct archive_query q = {
		.directory = o->archive_dir, .from_ms = l->from_ms, .to_ms = l->to_ms,
		.filter = f, .columns = UINT64_MAX, .names = o->names,
		.as_of = l->position, .threads = 1,
	};
	struct archive_result read;
	struct err err = { "" };

	l->filter_columns = filter_columns(f);
	return archive_read(&q, take_rows, l, &read, &err) && l->n;
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
		if (t[i].bytes < octets_worth_telling)
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

static void fill_top(struct alert *a, const struct load *l, const struct join *j,
		     struct request *const *requests, int *marks)
{
	for (size_t i = 0; i < l->n; i++) {
		marks[i] = -1;
		for (unsigned k = 0; k < a->n_top && marks[i] < 0; k++)
			if (same_flow(&a->top[k], &l->flows[i]))
				marks[i] = (int)k;
	}
	for (unsigned k = 0; k < a->n_top; k++) {
		size_t n;
		struct tally *t = add_up(j, requests, marks, (int)k, &n);

		fill_flow(&a->top[k], t, n);
		free(t);
	}
}

static void fill_leader(const struct alert *a, const struct load *l, const struct join *j,
			struct request *const *requests, int *marks, struct explained *out)
{
	double octets[JOIN_UNKNOWN + 1] = { 0 }, known[JOIN_UNKNOWN + 1] = { 0 }, sum, total;
	enum join_leg leg, other;
	struct tally *t;
	size_t n, mine;

	for (size_t i = 0; i < l->n; i++) {
		marks[i] = l->flows[i].leg;
		octets[marks[i]] += (double)l->flows[i].bytes;
		known[marks[i]] += l->flows[i].explained;
	}
	leg = known[JOIN_CLIENT] > known[JOIN_ORIGIN] ? JOIN_CLIENT : JOIN_ORIGIN;
	other = leg == JOIN_CLIENT ? JOIN_ORIGIN : JOIN_CLIENT;
	total = (double)a->total_bytes - octets[other];
	t = add_up(j, requests, marks, (int)leg, &n);
	mine = leader(t, n, &sum);
	if (mine && sum > 0 && total > 0) {
		out->host = t[0].first->client;
		addr_text(&out->host, out->client);
		out->share = sum / total < 1 ? sum / total : 1;
		out->url = xstrdup(t[0].first->url);
		out->running = t[0].running;
		for (size_t i = 1; i < mine; i++)
			out->more_urls += t[i].bytes >= octets_worth_telling;
		out->unexplained = 1 - known[leg] / (octets[leg] + octets[JOIN_UNKNOWN]);
	}
	free(t);
}

static bool touches_proxy(const struct alert *a, const struct load *l)
{
	for (unsigned i = 0; i < a->n_top; i++)
		if (is_proxy(l, &a->top[i].src) || is_proxy(l, &a->top[i].dst))
			return true;
	return false;
}

bool explain_alert(const struct evidence_opts *o, struct alert *a, const struct filter *f,
		   struct alert_sight at, struct explained *out)
{
	struct load l = { .a = a, .from_ms = at.from_ms, .to_ms = at.to_ms,
			  .position = at.position };
	struct request **requests;
	struct join j;
	size_t n;
	int *marks;

	*out = (struct explained){ .share = 0 };
	if (!o->squid)
		return false;
	l.proxies = squid_addresses(o->squid, &l.n_proxies);
	if (!touches_proxy(a, &l) || !load_flows(o, f, &l)) {
		free(l.flows);
		return false;
	}
	requests = squid_requests(o->squid, at.from_ms, at.to_ms, a->state == ALERT_FIRING,
				  &n);
	join_run(l.flows, l.n, requests, n, l.proxies, l.n_proxies, at.from_ms, at.to_ms, &j);
	marks = xcalloc(l.n, sizeof(*marks));
	fill_top(a, &l, &j, requests, marks);
	fill_leader(a, &l, &j, requests, marks, out);
	free(marks);
	join_free(&j);
	squid_give_back(requests, n);
	free(l.flows);
	return *out->client != '\0';
}

void explained_fini(struct explained *e)
{
	free(e->url);
	*e = (struct explained){ .share = 0 };
}
