/* through_top.c - `culprit top --by client|url|site`: who asked the proxy for what.
 * SPDX-License-Identifier: ISC
 *
 * A row's bytes are those of the requests, as the proxy counted them; what is left of
 * the flows (headers, ACKs, and what no request explains) stands in a row of its own.
 */
#include "daemon/cli/through_top.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/progress.h"
#include "daemon/evidence/answer_json.h"
#include "daemon/evidence/veil.h"

static const char unexplained[] = "(not explained)";

int through_top_keys(const char *by, struct err *err)
{
	enum through_key keys[THROUGH_KEYS];

	return through_keys_parse(by, keys, err);
}

bool through_query_of(struct cli *c, const struct query *q, struct through_query *out,
		      struct through_conf *of)
{
	const struct config *conf = cli_config(c);

	*of = (struct through_conf){ NULL, NULL };
	if (!conf->n_squids) {
		cli_say("the configuration names no proxy: write squid { address = … }, "
			"see culprit.conf(5)");
		return false;
	}
	of->proxies = xcalloc(conf->n_squids, sizeof(*of->proxies));
	for (size_t i = 0; i < conf->n_squids; i++)
		of->proxies[i] = (struct through_proxy){
			conf->squids[i].addresses, conf->squids[i].n_addresses,
			conf->squids[i].manager, conf->squids[i].keep_urls };
	if (conf->privacy.pseudonyms) {
		struct err err = { "" };
		char *key = privacy_key(conf);

		of->veil = veil_open(key, false, &err);
		free(key);
		if (!of->veil)
			cli_say("%s; without it only what lies between proxy and servers is "
				"explained", err.msg);
	}
	*out = (struct through_query){
		.veil = of->veil,
		.directory = q->directory, .from_ms = q->from_ms, .to_ms = q->to_ms,
		.filter = q->filter, .names = q->names, .only = q->only ? &q->key : NULL,
		.only_by = q->only ? q->alert->by : BY_NONE, .as_of = q->position,
		.until_ms = q->seen_ms, .proxies = of->proxies, .n_proxies = conf->n_squids,
		.now_ms = c->now_ms,
	};
	return true;
}

void through_conf_free(struct through_conf *conf)
{
	free(conf->proxies);
	veil_free(&conf->veil);
}

/* --- for people, and CSV --- */

static void figures(struct table *t, const struct through_query *q,
		    const struct through_result *r, uint64_t bytes, uint64_t requests)
{
	double share = r->bytes ? (double)bytes / (double)r->bytes : 0;
	double rate = (double)bytes * 8000 / (double)(q->to_ms - q->from_ms);
	char buf[UNIT_TEXT];

	table_count(t, bytes, text_bytes((double)bytes, buf));
	table_count(t, requests, text_count((double)requests, buf));
	table_real(t, rate, text_rate(rate, buf));
	snprintf(buf, sizeof(buf), "%.1f %%", 100 * share);
	table_real(t, share, buf);
	table_real(t, share, NULL);
}

static struct table *make_table(const struct through_query *q,
				const struct through_result *r,
				struct column cols[static THROUGH_KEYS + 5])
{
	static const struct column rest[] = {
		{ "bytes", "bytes", COL_VALUE }, { "requests", "requests", COL_VALUE },
		{ "bits_per_s", "mean rate", COL_VALUE }, { "share", "share", COL_VALUE },
		{ NULL, "", COL_BAR },
	};
	struct table *t;

	for (unsigned k = 0; k < q->n_keys; k++)
		cols[k] = (struct column){ through_word[q->keys[k]],
					   through_word[q->keys[k]], COL_TEXT };
	memcpy(cols + q->n_keys, rest, sizeof(rest));
	t = table_new(cols, q->n_keys + (unsigned)ARRAY_LEN(rest));
	for (unsigned i = 0; i < r->n; i++) {
		table_row(t);
		for (unsigned k = 0; k < q->n_keys; k++)
			table_text(t, r->rows[i].value[k]);
		figures(t, q, r, r->rows[i].bytes, r->rows[i].requests);
	}
	if (r->bytes > r->explained) {
		table_row(t);
		table_text(t, unexplained);
		for (unsigned k = 1; k < q->n_keys; k++)
			table_text(t, "");
		figures(t, q, r, r->bytes - r->explained, 0);
	}
	return t;
}

static void head_line(const struct through_result *r, struct strb *out)
{
	char b[UNIT_TEXT], n[UNIT_TEXT], d[UNIT_TEXT];

	strb_fmt(out, "%s went through the proxy, %.0f %% of it explained by %s requests",
		 text_bytes((double)r->bytes, b),
		 r->bytes ? 100 * (double)r->explained / (double)r->bytes : 0,
		 text_count((double)r->requests, n));
	if (r->distinct > r->n)
		strb_fmt(out, "; the first %u of %s", r->n,
			 text_count((double)r->distinct, d));
	strb_add(out, r->n || r->bytes ? "\n\n" : "\n");
}

/* --- for programs --- */

/* Its JSON is that of /api/v1/proxy, with each key under its own name beside. */
static json_t *result_json(const struct through_query *q, const struct through_result *r)
{
	json_t *o = through_json(q, r), *row;
	size_t i;

	json_array_foreach(json_object_get(o, "rows"), i, row)
		for (unsigned k = 0; k < q->n_keys; k++)
			j_put(row, through_word[q->keys[k]], j_text(r->rows[i].value[k]));
	return o;
}

static void caveats(const struct query *q, const struct through_result *r)
{
	char t[UNIT_TEXT];

	query_caveats(q, &r->read, !r->bytes);
	if (q->as_of)
		cli_say("these are the requests that were over when the alert was looked at; "
			"`culprit show` names what was running too");
	if (r->damaged)
		cli_say("%llu blocks of requests are damaged and were left out",
			(unsigned long long)r->damaged);
	if (r->bytes && !r->oldest_ms)
		cli_say("no request is kept there: does culpritd follow the proxy's log? "
			"see squid { } in culprit.conf(5)");
	else if (r->oldest_ms > q->from_ms)
		cli_say("requests are kept only since %s", text_time(r->oldest_ms, t));
}

int through_top(struct cli *c, const struct query *q, const char *by, unsigned n)
{
	struct column cols[THROUGH_KEYS + 5];
	struct through_conf conf;
	struct through_query tq;
	struct through_result r;
	struct progress bar;
	struct strb head = { 0 };
	struct err err = { "" };
	struct table *t;
	int code;
	bool ok;

	if (!through_query_of(c, q, &tq, &conf))
		return EX_CONFIG;
	tq.n = n;
	tq.n_keys = (unsigned)through_keys_parse(by, tq.keys, &err);
	progress_begin(&bar, "reading the archive");
	ok = through_run(&tq, &r, &err);
	progress_end(&bar);
	through_conf_free(&conf);
	if (!ok) {
		through_free(&r);
		return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	}
	if (c->json) {
		code = cli_print_json(result_json(&tq, &r));
	} else {
		head_line(&r, &head);
		t = make_table(&tq, &r, cols);
		code = cli_print(c, t, head.s, NULL, NULL);
		table_free(&t);
	}
	strb_free(&head);
	caveats(q, &r);
	through_free(&r);
	return code;
}

/* --- below single flows --- */

void through_urls_text(const struct through_urls *u, uint64_t bytes, struct strb *out)
{
	char b[UNIT_TEXT];
	double rest = (double)bytes - u->explained;

	for (size_t i = 0; i < u->n; i++) {
		strb_fmt(out, "    %8s  %s  ", text_bytes((double)u->list[i].bytes, b),
			 u->list[i].client);
		strb_tty(out, u->list[i].url);
		strb_add(out, "\n");
	}
	if (u->n && rest >= 1)
		strb_fmt(out, "    %8s  %s\n", text_bytes(rest, b), unexplained);
}
