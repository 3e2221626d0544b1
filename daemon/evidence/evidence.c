/* evidence.c - top flows, and one sentence that names who did it.
 * SPDX-License-Identifier: ISC
 *
 * Two questions to the archive, both with the rule's filter, the series' key and
 * the alert's position: the largest flows, and the largest hosts. A host of one of
 * our own networks is named before a server somewhere: the person who reads can
 * walk up to it. Before both, the client for whom the proxy did it (explain.c), unless
 * one of our hosts had more without the proxy.
 */
#include "daemon/evidence/evidence.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/queue.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "daemon/evidence/explain.h"
#include "daemon/evidence/squid.h"
#include "daemon/evidence/top.h"
#include "rules/filter/filter.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_ALERTS = 4096, FLOWS = 10, HOSTS = 8 };
static const double share_worth_naming = 0.15;
/* Headers and ACKs are 3 to 8 % that no log knows of. */
static const double unexplained_worth_telling = 0.12;

struct evidence {
	struct evidence_opts opts;
	char *archive_dir;
	struct queue *queue;
	pthread_t thread;
};

static enum top_order order_of(const struct measure *m)
{
	switch (m->kind) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return TOP_PACKETS;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS:
	case MEASURE_PEERS:
	case MEASURE_PORTS:
	case MEASURE_ENTROPY: return TOP_FLOWS;
	default: return TOP_BYTES;
	}
}

static double share(enum top_order o, const struct sums *s, const struct sums *total)
{
	uint64_t part = o == TOP_BYTES ? s->bytes : o == TOP_PACKETS ? s->packets : s->flows;
	uint64_t all = o == TOP_BYTES ? total->bytes
		     : o == TOP_PACKETS ? total->packets : total->flows;

	return all ? (double)part / (double)all : 0;
}

/* What has lasted longer than its window is looked at wholly when it is over. */
static struct alert_sight sight_of(const struct alert *a)
{
	return alert_sight(a, a->state == ALERT_RESOLVED);
}

static bool ask(const struct evidence_opts *o, const struct alert *a,
		const struct filter *f, const char *by, unsigned n, struct top_result *out)
{
	struct alert_sight at = sight_of(a);
	struct top_query q = { .directory = o->archive_dir, .from_ms = at.from_ms,
			       .to_ms = at.to_ms, .filter = f, .names = o->names,
			       .only = &a->key, .only_by = a->by, .n = n,
			       .order = order_of(&a->measure), .as_of = at.position,
			       .memory = o->memory };
	struct err err = { "" };

	q.n_keys = top_keys_parse(by, q.keys, &err);
	if (q.n_keys && top_run(&q, out, &err))
		return true;
	log_seldom("evidence", 600, "the flows of %s could not be read: %s", a->series,
		   err.msg);
	return false;
}

static void take_flows(struct alert *a, const struct top_result *r)
{
	a->total_bytes = r->total.bytes;
	a->total_packets = r->total.packets;
	a->total_flows = r->total.flows;
	if (r->sampling > a->sampling)
		a->sampling = r->sampling;
	if (!r->read.oldest_ms || r->read.oldest_ms > a->window_start_ms ||
	    r->read.blocks_damaged) {
		a->evidence_short = true;
		a->evidence_from_ms = r->read.oldest_ms;
	}
	a->top = xcalloc(r->n ? r->n : 1, sizeof(*a->top));
	for (a->n_top = 0; a->n_top < r->n; a->n_top++) {
		const struct top_row *row = &r->rows[a->n_top];

		a->top[a->n_top] = (struct top_flow){
			.src = row->value[0].addr, .dst = row->value[1].addr,
			.src_port = (uint16_t)row->value[2].number,
			.dst_port = (uint16_t)row->value[3].number,
			.proto = (uint8_t)row->value[4].number,
			.bytes = row->sums.bytes, .packets = row->sums.packets,
			.flows = row->sums.flows,
			.share = share(order_of(&a->measure), &row->sums, &r->total),
		};
	}
}

/* The largest host that is ours, if it has a share worth naming; else the largest. */
static const struct top_row *culprit(const struct evidence_opts *o, const struct alert *a,
				     const struct top_result *hosts)
{
	enum top_order order = order_of(&a->measure);

	for (unsigned i = 0; i < hosts->n; i++) {
		const struct top_row *row = &hosts->rows[i];

		if (share(order, &row->sums, &hosts->total) < share_worth_naming)
			break;
		if (names_network_of(o->names, &row->value[0].addr) >= 0)
			return row;
	}
	return hosts->n ? &hosts->rows[0] : NULL;
}

static void limits_text(const struct alert *a, struct strb *out)
{
	char v[UNIT_TEXT], low[UNIT_TEXT], high[UNIT_TEXT];

	if (a->has_baseline) {
		strb_fmt(out, ", normally %s to %s at this hour",
			 measure_text(&a->measure, a->low, low),
			 measure_text(&a->measure, a->high, high));
		if (a->view && *a->view)
			strb_fmt(out, " (noticed: %s)", a->view);
	} else {
		strb_fmt(out, ", %s the limit of %s", a->below ? "under" : "over",
			 measure_text(&a->measure, a->threshold, v));
	}
}

/* The other end of the largest flow that has this host. */
static void other_end(const struct alert *a, const struct addr *host, const char *before,
		      const char *after, struct strb *out)
{
	char text[ADDR_TEXT];
	struct key k = { 0 };
	char service[SERIES_TEXT];
	uint32_t port;

	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *f = &a->top[i];
		bool from = addr_eq(&f->src, host);

		if (!from && !addr_eq(&f->dst, host))
			continue;
		port = f->src_port && (f->src_port < f->dst_port || !f->dst_port) ? f->src_port
										  : f->dst_port;
		port |= (uint32_t)f->proto << 16;
		memcpy(k.b, &port, sizeof(port));
		strb_fmt(out, "%s %s %s (%s)%s", before, from ? "to" : "from",
			 addr_text(from ? &f->dst : &f->src, text),
			 key_text(BY_PORT, &k, NULL, service), after);
		return;
	}
}

static bool is_proxy(const struct evidence_opts *o, const struct addr *a)
{
	const struct addr *list = NULL;
	size_t n = 0;

	if (o->squid)
		list = squid_addresses(o->squid, &n);
	for (size_t i = 0; i < n; i++)
		if (addr_eq(a, &list[i]))
			return true;
	return false;
}

/* Is the proxy's client the one to name, rather than the host `who`? */
static bool client_first(const struct evidence_opts *o, const struct alert *a,
			 const struct top_row *who, const struct top_result *hosts,
			 const struct explained *e)
{
	if (!e || !*e->client || e->share < share_worth_naming)
		return false;
	return !who || is_proxy(o, &who->value[0].addr) ||
	       addr_eq(&who->value[0].addr, &e->host) ||
	       names_network_of(o->names, &who->value[0].addr) < 0 ||
	       share(order_of(&a->measure), &who->sums, &hosts->total) < e->share;
}

/* " 71 % of it is 10.20.0.66 fetching cdn-7.example.net/a.mp3 and 11 more through ..." */
static void client_text(const struct alert *a, const struct explained *e, struct strb *s)
{
	strb_fmt(s, " %.0f %% of %s is %s %s ", 100 * e->share,
		 order_of(&a->measure) == TOP_BYTES ? "it" : "its bytes", e->client,
		 e->running ? "still fetching" : "fetching");
	strb_add(s, e->url);
	if (e->more_urls)
		strb_fmt(s, " and %u more", e->more_urls);
	strb_add(s, " through the proxy.");
	if (e->unexplained >= unexplained_worth_telling)
		strb_fmt(s, " %.0f %% of what went through the proxy is explained by no "
			 "request that is known.", 100 * e->unexplained);
}

static char *sentence(const struct evidence_opts *o, const struct alert *a,
		      const struct top_result *hosts, const struct explained *e)
{
	const struct top_row *who = hosts ? culprit(o, a, hosts) : NULL;
	char v[UNIT_TEXT], d[UNIT_TEXT], text[ADDR_TEXT];
	struct strb s = { 0 };

	strb_fmt(&s, "%s: %s over %s", a->series, measure_text(&a->measure, a->value, v),
		 text_duration(a->window_end_ms - a->window_start_ms, d));
	limits_text(a, &s);
	strb_add(&s, ".");
	if (client_first(o, a, who, hosts, e)) {
		client_text(a, e, &s);
	} else if (who && !(a->by == BY_HOST || a->by == BY_SRC || a->by == BY_DST)) {
		strb_fmt(&s, " %.0f %% of it is %s",
			 100 * share(order_of(&a->measure), &who->sums, &hosts->total),
			 addr_text(&who->value[0].addr, text));
		other_end(a, &who->value[0].addr, ", most of that", "", &s);
		strb_add(&s, ".");
	} else if (a->n_top && (a->by == BY_HOST || a->by == BY_SRC || a->by == BY_DST)) {
		struct addr host;

		memcpy(host.b, a->key.b, sizeof(host.b));
		other_end(a, &host, " Its largest flow is", ".", &s);
	}
	return strb_take(&s);
}

void evidence_fill(const struct evidence_opts *o, struct alert *a)
{
	struct top_result flows = { 0 }, hosts = { 0 };
	struct filter *f = filter_compile(a->filter, NULL);
	bool told = a->why != NULL, found = false;
	struct explained e = { .share = 0 };

	if (*o->archive_dir && f && !told && a->window_end_ms > a->window_start_ms &&
	    ask(o, a, f, "flow", FLOWS, &flows)) {
		take_flows(a, &flows);
		explain_alert(o, a, f, sight_of(a), &e);
		found = ask(o, a, f, "host", HOSTS, &hosts);
	} else if (!told) {
		a->evidence_short = true;
	}
	if (!told)
		a->why = sentence(o, a, found ? &hosts : NULL, &e);
	explained_fini(&e);
	top_free(&flows);
	top_free(&hosts);
	filter_free(&f);
}

static void *run(void *arg)
{
	struct evidence *e = arg;
	struct alert *a;

	while ((a = queue_get(e->queue, -1))) {
		evidence_fill(&e->opts, a);
		e->opts.done(e->opts.arg, a);
	}
	return NULL;
}

struct evidence *evidence_start(const struct evidence_opts *o)
{
	struct evidence *e = xcalloc(1, sizeof(*e));

	e->opts = *o;
	e->opts.archive_dir = e->archive_dir = xstrdup(o->archive_dir);
	e->queue = queue_new(QUEUE_ALERTS);
	if (!pthread_create(&e->thread, NULL, run, e))
		pthread_setname_np(e->thread, "evidence");
	return e;
}

void evidence_alert(struct evidence *e, struct alert *a)
{
	if (queue_try_put(e->queue, a))
		return;
	a->evidence_short = true; /* a storm: told without looking */
	if (!a->why)
		a->why = sentence(&e->opts, a, NULL, NULL);
	e->opts.done(e->opts.arg, a);
}

void evidence_stop(struct evidence **ep)
{
	struct evidence *e = *ep;

	*ep = NULL;
	if (!e)
		return;
	queue_close(e->queue);
	pthread_join(e->thread, NULL);
	queue_free(&e->queue);
	free(e->archive_dir);
	free(e);
}
