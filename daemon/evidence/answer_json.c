/* answer_json.c - answers from the archive as JSON.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/evidence/answer_json.h"

static void put_sums(json_t *o, const struct sums *s)
{
	j_put(o, "bytes", j_count(s->bytes));
	j_put(o, "packets", j_count(s->packets));
	j_put(o, "flows", j_count(s->flows));
}

static json_t *top_row_json(const struct top_query *q, const struct top_result *r,
			    const struct top_row *row)
{
	json_t *o = json_object(), *values = json_array(), *names = json_array();
	double rate = (double)row->sums.bytes * 8000 / (double)(q->to_ms - q->from_ms);

	for (unsigned k = 0; k < q->n_keys; k++) {
		const struct top_value *v = &row->value[k];

		json_array_append_new(values, j_text(v->text ? v->text : ""));
		json_array_append_new(names, j_text(v->name));
	}
	j_put(o, "values", values);
	j_put(o, "names", names);
	put_sums(o, &row->sums);
	j_put(o, "bits_per_s", j_real(rate));
	j_put(o, "share", j_real(top_share(q->order, &row->sums, &r->total)));
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

json_t *top_json(const struct top_query *q, const struct top_result *r)
{
	json_t *o = json_object(), *by = json_array(), *rows = json_array();
	json_t *total = json_object();
	bool told = r->distinct || !r->n; /* not by summaries */

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(by, json_string(top_key_word(&q->keys[k])));
	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(rows, top_row_json(q, r, &r->rows[i]));
	put_sums(total, &r->total);
	j_put(o, "from", j_time(q->from_ms));
	j_put(o, "to", j_time(q->to_ms));
	j_put(o, "by", by);
	j_put(o, "order", json_string(top_order_word[q->order]));
	j_put(o, "filter", j_text(filter_text(q->filter)));
	j_put(o, "whole", json_boolean(q->whole));
	j_put(o, "total", total);
	j_put(o, "distinct", told ? j_count(r->distinct) : json_null());
	j_put(o, "sampling", j_count(r->sampling));
	j_put(o, "rows", rows);
	j_put(o, "read", read_json(&r->read));
	return o;
}

static json_t *through_row_json(const struct through_query *q,
				const struct through_result *r,
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

json_t *through_json(const struct through_query *q, const struct through_result *r)
{
	json_t *o = json_object(), *by = json_array(), *rows = json_array();

	for (unsigned k = 0; k < q->n_keys; k++)
		json_array_append_new(by, json_string(through_word[q->keys[k]]));
	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(rows, through_row_json(q, r, &r->rows[i]));
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
