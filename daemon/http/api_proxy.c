/* api_proxy.c - /api/v1/proxy: who asked the proxies for what, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * Of flows and requests at most a hundred thousand are in memory at a time; a longer
 * question is answered in parts.
 */
#include "daemon/http/http_impl.h"

#include "daemon/evidence/through.h"

#include <string.h>

enum { N_DEFAULT = 10, N_MAX = 10000, AT_A_TIME = 100000 };

static json_t *row_json(const struct through_query *q, const struct through_result *r,
			const struct through_row *row)
{
	json_t *o = json_object(), *values = json_array();
	double all = (double)r->bytes;

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(values, j_text(row->value[k]));
	j_put(o, "values", values);
	j_put(o, "bytes", j_count(row->bytes));
	j_put(o, "requests", j_count(row->requests));
	j_put(o, "share", j_real(all > 0 ? (double)row->bytes / all : 0));
	return o;
}

static json_t *result_json(const struct through_query *q, const struct through_result *r)
{
	json_t *o = json_object(), *by = json_array(), *rows = json_array();

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(by, json_string(through_word[q->keys[k]]));
	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(rows, row_json(q, r, &r->rows[i]));
	j_put(o, "from", j_time(q->from_ms));
	j_put(o, "to", j_time(q->to_ms));
	j_put(o, "by", by);
	j_put(o, "filter", j_text(filter_text(q->filter)));
	j_put(o, "bytes", j_count(r->bytes));
	j_put(o, "explained", j_count(r->explained));
	j_put(o, "requests", j_count(r->requests));
	j_put(o, "distinct", j_count(r->distinct));
	j_put(o, "oldest", j_time(r->oldest_ms));
	j_put(o, "rows", rows);
	return o;
}

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
		answer_json(out, result_json(&q, &r));
end:
	through_free(&r);
	ask_fini(&a);
}
