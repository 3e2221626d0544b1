/* api_top.c - /api/v1/top: who had most, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * One thread and 16 MB for each question, two questions at a time: an impatient
 * person at the page must not cost flows. The answer is exact all the same; a
 * question over very many keys only reads the archive more than once.
 */
#include "daemon/http/http_impl.h"

#include "daemon/evidence/answer_json.h"
#include "daemon/evidence/top_names.h"

#include <string.h>

enum { N_DEFAULT = 10, N_MAX = 10000, MEMORY = 16 << 20, NAMES_MS = 300 };

static bool parse_order(const struct target *t, struct top_query *q, struct err *err)
{
	const char *w = target_get(t, "order");

	for (int i = 0; w && i < TOP_ORDERS; i++)
		if (!strcmp(w, top_order_word[i])) {
			q->order = (enum top_order)i;
			return true;
		}
	return !w || err_set(err, "order must be bytes, packets or flows, not '%.40s'", w);
}

static bool ask(struct http *h, const struct request *rq, const struct ask *a,
		struct top_query *q, struct err *err)
{
	const char *by = target_get(&rq->target, "by");

	*q = (struct top_query){
		.directory = h->archive_dir, .from_ms = a->from_ms, .to_ms = a->to_ms,
		.filter = a->filter, .names = h->src.names, .geo = h->src.country,
		.n = (unsigned)a->n, .as_of = a->as_of, .threads = 1, .memory = MEMORY,
	};
	if (a->alert && !target_get(&rq->target, "filter")) {
		q->only = &a->alert->key;
		q->only_by = a->alert->by;
	}
	q->n_keys = top_keys_parse(by ? by : a->alert ? "flow" : "host", q->keys, err);
	return q->n_keys && parse_order(&rq->target, q, err) &&
	       target_flag(&rq->target, "whole", &q->whole, err);
}

void api_top(struct http *h, const struct request *rq, struct answer *out)
{
	struct ask a = { .n = N_DEFAULT };
	struct top_result r = { 0 };
	struct top_query q;
	struct err err = { "" };

	if (!ask_parse(h, rq, &a, N_MAX, out))
		goto end;
	if (!ask(h, rq, &a, &q, &err))
		answer_error(out, 400, "%s", err.msg);
	else if (!top_run(&q, &r, &err))
		answer_error(out, 503, "%s", err.msg);
	else {
		/* What an alert saw is told the same for ever. */
		if (h->src.owners && !a.alert)
			top_names(&r, q.keys, q.n_keys, h->src.owners, q.to_ms, NAMES_MS);
		answer_json(out, top_json(&q, &r));
	}
end:
	top_free(&r);
	ask_fini(&a);
}
