/* api_top.c - /api/v1/top: who had most, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * One thread and 16 MB for each question, two questions at a time: an impatient
 * person at the page must not cost flows. The answer is exact all the same; a
 * question over very many keys only reads the archive more than once.
 */
#include "daemon/http/http_impl.h"

#include "daemon/evidence/top.h"
#include "daemon/evidence/top_names.h"

#include <string.h>

enum { N_DEFAULT = 10, N_MAX = 10000, MEMORY = 16 << 20, NAMES_MS = 300 };

static const char *const order_word[] = { "bytes", "packets", "flows" };

static uint64_t ordered(enum top_order o, const struct sums *s)
{
	return o == TOP_BYTES ? s->bytes : o == TOP_PACKETS ? s->packets : s->flows;
}

static void put_sums(json_t *o, const struct sums *s)
{
	j_put(o, "bytes", j_count(s->bytes));
	j_put(o, "packets", j_count(s->packets));
	j_put(o, "flows", j_count(s->flows));
}

static json_t *row_json(const struct top_query *q, const struct top_result *r,
			const struct top_row *row)
{
	json_t *o = json_object(), *values = json_array(), *names = json_array();
	uint64_t all = ordered(q->order, &r->total);

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(values, j_text(row->value[k].text ? row->value[k].text
									 : ""));
	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(names, row->value[k].name ? j_text(row->value[k].name)
								 : json_null());
	j_put(o, "values", values);
	j_put(o, "names", names);
	put_sums(o, &row->sums);
	j_put(o, "bits_per_s", j_real((double)row->sums.bytes * 8000 /
				      (double)(q->to_ms - q->from_ms)));
	j_put(o, "share", j_real(all ? (double)ordered(q->order, &row->sums) / (double)all : 0));
	return o;
}

static json_t *read_json(const struct archive_result *r)
{
	json_t *o = json_object();

	j_put(o, "files", j_count(r->files));
	j_put(o, "summaries", j_count(r->summaries));
	j_put(o, "blocks", j_count(r->blocks));
	j_put(o, "blocks_skipped", j_count(r->blocks_skipped));
	j_put(o, "blocks_damaged", j_count(r->blocks_damaged));
	j_put(o, "oldest", j_time(r->oldest_ms));
	return o;
}

static json_t *result_json(const struct top_query *q, const struct top_result *r)
{
	json_t *o = json_object(), *by = json_array(), *rows = json_array();
	json_t *total = json_object();

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(by, json_string(top_key_word(&q->keys[k])));
	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(rows, row_json(q, r, &r->rows[i]));
	put_sums(total, &r->total);
	j_put(o, "from", j_time(q->from_ms));
	j_put(o, "to", j_time(q->to_ms));
	j_put(o, "by", by);
	j_put(o, "order", json_string(order_word[q->order]));
	j_put(o, "filter", j_text(filter_text(q->filter)));
	j_put(o, "whole", json_boolean(q->whole));
	j_put(o, "total", total);
	j_put(o, "distinct", r->distinct || !r->n ? j_count(r->distinct) : json_null());
	j_put(o, "sampling", json_integer(r->sampling));
	j_put(o, "rows", rows);
	j_put(o, "read", read_json(&r->read));
	return o;
}

static bool parse_order(const struct target *t, struct top_query *q, struct err *err)
{
	const char *w = target_get(t, "order");

	for (int i = 0; w && i < 3; i++)
		if (!strcmp(w, order_word[i])) {
			q->order = (enum top_order)i;
			return true;
		}
	return !w || err_set(err, "order must be bytes, packets or flows, not '%.40s'", w);
}

static bool ask(struct http *h, const struct request *rq, const struct ask *a,
		struct top_query *q, struct err *err)
{
	const char *by = target_get(&rq->target, "by");

	*q = (struct top_query){ .directory = h->archive_dir, .from_ms = a->from_ms,
				 .to_ms = a->to_ms, .filter = a->filter, .names = h->src.names,
				 .geo = h->src.country, .n = (unsigned)a->n, .as_of = a->as_of, .threads = 1,
				 .memory = MEMORY };
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
		answer_json(out, result_json(&q, &r));
	}
end:
	top_free(&r);
	ask_fini(&a);
}
