/* api_proxy.c - /api/v1/proxy: who asked the proxies for what, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * Of flows and requests at most a hundred thousand are in memory at a time; a longer
 * question is answered in parts.
 */
#include "daemon/http/http_impl.h"

#include "daemon/evidence/answer_json.h"

#include <string.h>

enum { N_DEFAULT = 10, N_MAX = 10000, AT_A_TIME = 100000 };

static bool ask(struct http *h, const struct request *rq, const struct ask *a,
		struct through_query *q, struct err *err)
{
	const char *by = target_get(&rq->target, "by");
	int n;

	*q = (struct through_query){
		.directory = h->archive_dir, .from_ms = a->from_ms, .to_ms = a->to_ms,
		.filter = a->filter, .names = h->src.names, .proxies = h->src.proxies,
		.n_proxies = h->src.n_proxies, .n = (unsigned)a->n, .max = AT_A_TIME,
		.veil = h->src.veil,
	};
	if (a->alert) {
		q->as_of = a->as_of;
		q->until_ms = a->seen_ms;
		if (!target_get(&rq->target, "filter")) {
			q->only = &a->alert->key;
			q->only_by = a->alert->by;
		}
	}
	n = through_keys_parse(by ? by : through_word[THROUGH_CLIENT], q->keys, err);
	if (!n)
		return err_set(err, "by must be client, url or site, or several of them with "
			       "commas, not '%.40s'", by);
	q->n_keys = (unsigned)n;
	return n > 0;
}

void api_proxy(struct http *h, const struct request *rq, struct answer *out)
{
	struct ask a = { .n = N_DEFAULT };
	struct through_result r = { .n = 0 };
	struct through_query q;
	struct err err = { "" };

	if (!ask_parse(h, rq, &a, N_MAX, out))
		goto end;
	if (!h->src.n_proxies)
		answer_error(out, 503, "no proxy is configured: see squid { }");
	else if (!ask(h, rq, &a, &q, &err))
		answer_error(out, 400, "%s", err.msg);
	else if (!through_run(&q, &r, &err))
		answer_error(out, 503, "%s", err.msg);
	else
		answer_json(out, through_json(&q, &r));
end:
	through_free(&r);
	ask_fini(&a);
}
