/* api_flows.c - /api/v1/flows: single flows, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * Oldest file first; `more` says that there were more than `limit`. With `urls` each has
 * what was asked of the proxy in it, as `culprit flows --urls` tells it; the requests that
 * are running now are not asked for.
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/evidence/join_flow.h"
#include "daemon/evidence/named.h"
#include "daemon/evidence/through.h"
#include "daemon/model/flow_text.h"
#include "storage/archive/archive.h"

#include <stdlib.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, AT_A_TIME = 100000, NAMES_MS = 500 };

struct listing {
	char **text;
	struct join_flow *flows; /* the same flows */
	struct flow_names *names;
	uint64_t n, limit;
	bool more;
};

static bool rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bitmap)
{
	struct listing *l = arg;

	(void)worker;
	for (uint32_t r = 0; r < b->n; r++) {
		struct strb s = { 0 };

		if (!(bitmap[r / 64] >> r % 64 & 1))
			continue;
		if (l->n == l->limit) {
			l->more = true;
			return false;
		}
		flow_text_json(&s, b, r);
		l->flows[l->n] = (struct join_flow){
			.src = b->src[r], .dst = b->dst[r], .src_port = b->src_port[r],
			.dst_port = b->dst_port[r], .from_ms = b->start_ms[r],
			.to_ms = b->end_ms[r], .bytes = b->bytes[r],
		};
		l->text[l->n++] = strb_take(&s);
	}
	return true;
}

/* What an alert saw is told the same for ever; a name may be another tomorrow. */
static struct flow_names *find_names(struct http *h, const struct ask *a,
				     const struct listing *l)
{
	return flow_names_find(a->alert ? NULL : h->src.owners, l->flows, l->n, NAMES_MS);
}

/* Of the listed flows, in their order; NULL + err. */
static struct through_urls *find_urls(struct http *h, const struct listing *l, struct err *err)
{
	const struct through_query q = {
		.directory = h->archive_dir, .names = h->src.names, .proxies = h->src.proxies,
		.n_proxies = h->src.n_proxies, .veil = h->src.veil, .max = AT_A_TIME,
	};
	struct through_urls *urls;

	if (!h->src.n_proxies) {
		err_set(err, "no proxy is configured: see squid { }");
		return NULL;
	}
	urls = through_flows(&q, l->flows, l->n, err);
	for (uint64_t i = 0; urls && i < l->n; i++)
		if (!addr_is_none(&urls[i].withheld)) {
			through_withhold(&l->text[i], &urls[i].withheld, h->src.veil);
			flow_names_withhold(&l->names[i], &l->flows[i], &urls[i].withheld);
		}
	return urls;
}

static void write_all(const struct ask *a, const struct listing *l,
		      const struct through_urls *urls, struct strb *out)
{
	char from[UNIT_TEXT], to[UNIT_TEXT];

	strb_fmt(out, "{\"from\":\"%s\",\"to\":\"%s\",\"filter\":",
		 text_rfc3339(a->from_ms, from), text_rfc3339(a->to_ms, to));
	strb_json(out, filter_text(a->filter));
	strb_add(out, ",\"flows\":[");
	for (uint64_t i = 0; i < l->n; i++) {
		strb_add(out, i ? ",\n" : "\n");
		strb_add(out, l->text[i]);
		flow_names_json(&l->names[i], out);
		if (urls)
			through_urls_json(&urls[i], out);
	}
	strb_fmt(out, "],\"more\":%s}\n", l->more ? "true" : "false");
}

void api_flows(struct http *h, const struct request *rq, struct answer *out)
{
	struct ask a = { .n = LIMIT_DEFAULT };
	struct listing l = { .n = 0 };
	struct archive_result res = { 0 };
	struct through_urls *urls = NULL;
	struct err err = { "" };
	bool with_urls = false;

	if (!ask_parse(h, rq, &a, LIMIT_MAX, out)) {
		ask_fini(&a);
		return;
	}
	struct archive_query q = { .directory = h->archive_dir, .from_ms = a.from_ms,
				   .to_ms = a.to_ms, .filter = a.filter, .columns = UINT64_MAX,
				   .names = h->src.names, .as_of = a.as_of, .threads = 1 };

	l.limit = a.n;
	l.text = xcalloc(a.n + 1, sizeof(*l.text));
	l.flows = xcalloc(a.n + 1, sizeof(*l.flows));
	if (!target_flag(&rq->target, "urls", &with_urls, &err)) {
		answer_error(out, 400, "%s", err.msg);
	} else if (!archive_read(&q, rows, &l, &res, &err) ||
		   !(l.names = find_names(h, &a, &l)) ||
		   (with_urls && !(urls = find_urls(h, &l, &err)))) {
		answer_error(out, 503, "%s", err.msg);
	} else {
		write_all(&a, &l, urls, &out->body);
		out->type = "application/json";
	}
	through_urls_free(&urls, l.n);
	for (uint64_t i = 0; i < l.n; i++)
		free(l.text[i]);
	free(l.text);
	free(l.names);
	free(l.flows);
	ask_fini(&a);
}
