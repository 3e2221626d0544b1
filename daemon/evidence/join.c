/* join.c - which requests a flow through the proxy was made of.
 * SPDX-License-Identifier: ISC
 *
 * Two legs: client - proxy and proxy - origin. A request belongs to flows of the client's
 * leg by its client's address, of the origin's leg by the origin's, and where ports
 * were logged by them as well. Many to one both ways: a connection carries requests one
 * after another, and one request may lie in several records of its connection or, where
 * no ports tell, on any of the connections to its origin.
 *
 * A request's octets are thought of as spread evenly over its time. What of that time
 * no flow covers belongs to flows that have not arrived; the rest is dealt out to the
 * flows that were there, in proportion to their own octets in that time. A
 * second and a half of slack covers clocks and what the proxy held in its buffers; what
 * a flow had in that margin alone weighs a twentieth, so that short requests one after
 * another go to their own connections and not to their neighbours'. A flow
 * that would be explained more than wholly is explained wholly: its parts shrink
 * in proportion, and what they lose goes to other flows of their request's time that have
 * room, for it was somewhere. Times of NetFlow 9 are off by up to a second, so a short
 * download's octets are otherwise dealt to its neighbour, do not fit there, and are lost.
 * What is left of a flow is headers (3 to 8 %) or unexplained.
 *
 * The legs stay apart: a part belongs to one flow, and a flow to one leg, so whoever
 * adds must add one leg only. A cached answer has no origin's leg. What two exporters
 * saw stays apart as well: each one's flows are explained as if there were no other.
 *
 * Cost: flows sorted by exporter, other end, direction and time; for a request one search
 * in each exporter's, then the flows of its time, of which the 256 latest are looked at.
 */
#include "daemon/evidence/join.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/veil.h"

#include <stdlib.h>
#include <string.h>

enum { SLACK_MS = 1500, CANDIDATES = 256, ROUNDS = 8 };
static const double margin = 0.05;

struct sorted {
	struct addr other;   /* the end that is not the proxy */
	uint16_t other_port, proxy_port;
	uint8_t down;        /* towards the client */
	uint32_t exporter, flow;
	int64_t from_ms, to_ms;
	int64_t latest_ms;   /* largest to_ms of this and those before with the same end */
};

struct work {
	struct join_flow *flows;
	struct sorted *sorted;
	size_t n;
	uint32_t *exporters; /* each once */
	size_t n_exporters;
	int64_t from_ms, to_ms;
	struct join *out;
	size_t *deals; /* index of each deal's first part: one request, exporter, leg, way */
	size_t n_deals, cap_deals;
};

static bool among(const struct addr *a, const struct addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(a, &list[i]))
			return true;
	return false;
}

static int cmp(const void *x, const void *y)
{
	const struct sorted *a = x, *b = y;
	int c = (a->exporter > b->exporter) - (a->exporter < b->exporter);

	if (!c)
		c = memcmp(a->other.b, b->other.b, sizeof(a->other.b));
	if (!c)
		c = (a->down > b->down) - (a->down < b->down);
	if (!c)
		c = (a->from_ms > b->from_ms) - (a->from_ms < b->from_ms);
	return c ? c : (a->flow > b->flow) - (a->flow < b->flow);
}

static bool same_side(const struct sorted *a, const struct sorted *b)
{
	return a->exporter == b->exporter && a->down == b->down &&
	       addr_eq(&a->other, &b->other);
}

/* The proxy's flows, by exporter, other end and time. `down` is by the proxy's side here: 1 is
 * towards the proxy, which is the download of the origin's leg. */
static void sort_flows(struct work *w, size_t n, const struct addr *proxies, size_t n_proxies,
		       const struct veil *veil)
{
	w->sorted = xcalloc((veil ? 2 : 1) * n + 1, sizeof(*w->sorted));
	for (size_t i = 0; i < n; i++) {
		struct join_flow *f = &w->flows[i];
		bool src = among(&f->src, proxies, n_proxies);
		bool dst = among(&f->dst, proxies, n_proxies);

		f->leg = src || dst ? JOIN_UNKNOWN : JOIN_NONE;
		f->explained = 0;
		if (src == dst) /* direct, or the proxy with itself */
			continue;
		w->sorted[w->n++] = (struct sorted){
			.other = src ? f->dst : f->src, .flow = (uint32_t)i,
			.other_port = src ? f->dst_port : f->src_port,
			.proxy_port = src ? f->src_port : f->dst_port,
			.down = dst, .from_ms = f->from_ms, .to_ms = f->to_ms,
			.exporter = f->exporter,
		};
		if (!veil) /* else found by the other end's pseudonym as well */
			continue;
		w->sorted[w->n] = w->sorted[w->n - 1];
		w->sorted[w->n].other = veil_addr(veil, &w->sorted[w->n].other);
		w->n++;
	}
	qsort(w->sorted, w->n, sizeof(*w->sorted), cmp);
	for (size_t i = 0; i < w->n; i++) {
		struct sorted *s = &w->sorted[i];
		const struct sorted *before = i ? s - 1 : NULL;

		s->latest_ms = s->to_ms;
		if (before && same_side(before, s) && before->latest_ms > s->latest_ms)
			s->latest_ms = before->latest_ms;
		if (!before || before->exporter != s->exporter) {
			w->exporters = xrealloc(w->exporters, w->n_exporters + 1,
						sizeof(*w->exporters));
			w->exporters[w->n_exporters++] = s->exporter;
		}
	}
}

/* One behind the last flow of that side that begins at most at side->from_ms. */
static size_t behind(const struct work *w, const struct sorted *side)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp(&w->sorted[mid], side) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Octets that the flow had in the request's time and `slack_ms` around it. */
static double in_time(const struct join_flow *f, const struct request *r, int64_t slack_ms)
{
	int64_t from = later(f->from_ms, r->start_ms - slack_ms);
	int64_t to = earlier(f->to_ms, r->end_ms + slack_ms);

	if (from > to)
		return 0;
	if (f->to_ms <= f->from_ms)
		return (double)f->bytes;
	/* One millisecond at least, or a flow that only touches would count nothing. */
	return (double)f->bytes * (double)later(to - from, 1) /
	       (double)(f->to_ms - f->from_ms);
}

static double weight(const struct join_flow *f, const struct request *r)
{
	return in_time(f, r, 0) + margin * in_time(f, r, SLACK_MS);
}

struct span {
	int64_t from_ms, to_ms;
};

/* How much of the request's time the flows cover, 0 to 1. They come latest first. */
static double covered(const struct work *w, const struct request *r, const uint32_t *at,
		      size_t n)
{
	int64_t whole = r->end_ms - r->start_ms, sum = 0, open = 0, shut = INT64_MIN;

	if (whole <= 0)
		return 1;
	for (size_t i = n; i-- > 0;) {
		const struct sorted *s = &w->sorted[at[i]];
		struct span f = { later(s->from_ms - SLACK_MS, w->from_ms),
				  earlier(s->to_ms + SLACK_MS, w->to_ms) };

		f.from_ms = later(f.from_ms, r->start_ms);
		f.to_ms = earlier(f.to_ms, r->end_ms);
		if (f.from_ms >= f.to_ms)
			continue;
		if (shut == INT64_MIN || f.from_ms > shut) {
			sum += shut == INT64_MIN ? 0 : shut - open;
			open = f.from_ms;
			shut = f.to_ms;
		} else {
			shut = later(shut, f.to_ms);
		}
	}
	sum += shut == INT64_MIN ? 0 : shut - open;
	return (double)sum / (double)whole;
}

static void add(struct join *j, uint32_t flow, uint32_t request, double bytes, double weight)
{
	if (j->n == j->cap) {
		j->cap = j->cap ? 2 * j->cap : 256;
		j->parts = xrealloc(j->parts, j->cap, sizeof(*j->parts));
	}
	j->parts[j->n++] = (struct join_part){ flow, request, bytes, weight };
}

static void begin_deal(struct work *w)
{
	if (w->n_deals == w->cap_deals) {
		w->cap_deals = w->cap_deals ? 2 * w->cap_deals : 256;
		w->deals = xrealloc(w->deals, w->cap_deals, sizeof(*w->deals));
	}
	w->deals[w->n_deals++] = w->out->n;
}

static bool fits(const struct sorted *s, const struct request *r, enum join_leg leg)
{
	if (s->to_ms + SLACK_MS < r->start_ms)
		return false;
	if (leg == JOIN_CLIENT)
		return !r->client_port || r->client_port == s->other_port;
	return (!r->origin_port || r->origin_port == s->other_port) &&
	       (!r->proxy_port || r->proxy_port == s->proxy_port);
}

/* One request, what one exporter saw of one leg, one direction. */
static void deal(struct work *w, const struct request *r, uint32_t number, uint32_t exporter,
		 enum join_leg leg, bool download)
{
	const struct sorted side = {
		.exporter = exporter, .other = leg == JOIN_CLIENT ? r->client : r->origin,
		.down = download == (leg == JOIN_ORIGIN), .from_ms = r->end_ms + SLACK_MS,
		.flow = UINT32_MAX,
	};
	size_t i = behind(w, &side), n = 0;
	uint32_t at[CANDIDATES];
	double octets[CANDIDATES], sum = 0, bytes, share;

	for (; i-- > 0 && n < CANDIDATES;) {
		const struct sorted *s = &w->sorted[i];

		if (!same_side(s, &side) || s->latest_ms + SLACK_MS < r->start_ms)
			break;
		if (!fits(s, r, leg))
			continue;
		octets[n] = weight(&w->flows[s->flow], r);
		sum += octets[n];
		at[n++] = (uint32_t)i;
	}
	if (!n || sum <= 0)
		return;
	share = covered(w, r, at, n);
	bytes = (double)(download ? r->received : r->sent) * share;
	begin_deal(w);
	for (i = 0; i < n; i++) {
		struct join_flow *f = &w->flows[w->sorted[at[i]].flow];
		double part = octets[i] / sum;

		f->leg = leg;
		f->explained += bytes * part;
		add(w->out, w->sorted[at[i]].flow, number, bytes * part,
		    (download || r->sent ? bytes : (double)r->received * share) * part);
	}
}

/* --- no flow is explained more than wholly --- */

static double room(const struct join_flow *f)
{
	double left = (double)f->bytes - f->explained;

	return left > 0 ? left : 0;
}

/* The parts of one deal shrink with their flows; what they lose goes to those of its flows
 * that have room, as they had octets in the request's time. */
static void spill(struct join_part *parts, size_t n, const struct join_flow *flows,
		  double *gained)
{
	double lost = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		const struct join_flow *f = &flows[parts[i].flow];

		if (f->explained > (double)f->bytes) {
			double fits = parts[i].bytes * (double)f->bytes / f->explained;

			lost += parts[i].bytes - fits;
			parts[i].bytes = fits;
		} else if (room(f) >= 1) {
			sum += parts[i].bytes;
		}
	}
	if (lost <= 0 || sum <= 0)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct join_flow *f = &flows[parts[i].flow];
		double more;

		if (room(f) < 1)
			continue;
		more = lost * parts[i].bytes / sum;
		parts[i].bytes += more;
		gained[parts[i].flow] += more;
	}
}

static bool overfull(const struct join_flow *flows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (flows[i].explained > (double)flows[i].bytes + 1)
			return true;
	return false;
}

/* What a flow gained may be too much again; each round halves that or better where there
 * is room at all. */
static void settle(struct work *w, size_t n_flows)
{
	double *gained = xcalloc(n_flows ? n_flows : 1, sizeof(*gained));

	for (int round = 0; round < ROUNDS && overfull(w->flows, n_flows); round++) {
		memset(gained, 0, n_flows * sizeof(*gained));
		for (size_t i = 0; i < w->n_deals; i++) {
			size_t from = w->deals[i];
			size_t to = i + 1 < w->n_deals ? w->deals[i + 1] : w->out->n;

			spill(w->out->parts + from, to - from, w->flows, gained);
		}
		for (size_t i = 0; i < n_flows; i++) {
			struct join_flow *f = &w->flows[i];

			if (f->explained > (double)f->bytes)
				f->explained = (double)f->bytes;
			f->explained += gained[i];
		}
	}
	for (size_t i = 0; i < w->out->n; i++) {
		const struct join_flow *f = &w->flows[w->out->parts[i].flow];

		if (f->explained > (double)f->bytes)
			w->out->parts[i].bytes *= (double)f->bytes / f->explained;
	}
	for (size_t i = 0; i < n_flows; i++)
		if (w->flows[i].explained > (double)w->flows[i].bytes)
			w->flows[i].explained = (double)w->flows[i].bytes;
	free(gained);
}

void join_run(struct join_flow *flows, size_t n_flows, struct request *const *requests,
	      size_t n_requests, const struct addr *proxies, size_t n_proxies,
	      int64_t from_ms, int64_t to_ms, const struct veil *veil, struct join *out)
{
	struct work w = { .flows = flows, .from_ms = from_ms, .to_ms = to_ms, .out = out };

	*out = (struct join){ 0 };
	sort_flows(&w, n_flows, proxies, n_proxies, veil);
	for (size_t i = 0; w.n && i < n_requests; i++) {
		const struct request *r = requests[i];
		bool client = !addr_is_none(&r->client);
		bool origin = !addr_is_none(&r->origin) && !r->cached;

		for (size_t k = 0; k < 2 * w.n_exporters; k++) {
			uint32_t who = w.exporters[k / 2];

			if (client)
				deal(&w, r, (uint32_t)i, who, JOIN_CLIENT, k % 2);
			if (origin)
				deal(&w, r, (uint32_t)i, who, JOIN_ORIGIN, k % 2);
		}
	}
	settle(&w, n_flows);
	free(w.deals);
	free(w.sorted);
	free(w.exporters);
}

void join_free(struct join *j)
{
	free(j->parts);
	*j = (struct join){ 0 };
}
