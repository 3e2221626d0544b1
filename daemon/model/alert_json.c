/* alert_json.c - an alert as "culprit.alert/1", and back.
 * SPDX-License-Identifier: ISC
 *
 * One shape for webhooks, the API, history and the outbox. The names of DESIGN
 * section 4 come first; what is beside them (filter, evidence, spark …) lets a
 * message be written from the stored text alone, after a restart too.
 * contrib/alert.schema.json describes it and a test holds every body against it.
 */
#include "daemon/model/alert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "daemon/model/json.h"

static const char schema[] = "culprit.alert/1";

static json_t *address(const struct addr *a)
{
	char buf[ADDR_TEXT];

	return addr_is_none(a) ? json_null() : json_string(addr_text(a, buf));
}

static json_t *url_json(const struct alert_url *u)
{
	json_t *o = json_object();

	j_put(o, "url", j_text(u->url ? u->url : ""));
	j_put(o, "bytes", j_count(u->bytes));
	j_put(o, "from", j_time(u->from_ms));
	j_put(o, "to", j_time(u->to_ms));
	j_put(o, "client", j_text(u->client));
	return o;
}

static json_t *flow_json(const struct top_flow *f)
{
	json_t *o = json_object(), *urls = json_array();

	j_put(o, "src", address(&f->src));
	j_put(o, "src_port", json_integer(f->src_port));
	j_put(o, "dst", address(&f->dst));
	j_put(o, "dst_port", json_integer(f->dst_port));
	j_put(o, "proto", json_integer(f->proto));
	j_put(o, "bytes", j_count(f->bytes));
	j_put(o, "packets", j_count(f->packets));
	j_put(o, "flows", j_count(f->flows));
	j_put(o, "share", j_real(f->share));
	j_put(o, "src_name", j_text(f->src_name));
	j_put(o, "dst_name", j_text(f->dst_name));
	j_put(o, "client", j_text(f->client));
	for (unsigned i = 0; i < f->n_urls; i++)
		json_array_append_new(urls, url_json(&f->urls[i]));
	j_put(o, "urls", urls);
	return o;
}

static json_t *lists(const struct alert *a, json_t *o)
{
	json_t *top = json_array(), *changed = json_array(), *spark = json_array();
	json_t *names = json_array(), *sparks = json_object();
	struct measure compared = measure_compared(&a->measure);

	for (unsigned i = 0; i < a->n_top; i++)
		json_array_append_new(top, flow_json(&a->top[i]));
	for (unsigned i = 0; i < a->n_changed; i++) {
		const struct changed *c = &a->changed[i];
		json_t *row = json_object();

		j_put(row, "key", j_text(c->key ? c->key : ""));
		j_put(row, "value", j_real(c->value));
		j_put(row, "before", j_real(c->before));
		j_put(row, "share_of_change", j_real(c->share_of_change));
		json_array_append_new(changed, row);
	}
	for (unsigned i = 0; i < a->n_spark; i++)
		json_array_append_new(spark, j_real(a->spark[i]));
	for (unsigned i = 0; i < ALERT_NOTIFY && a->notify[i]; i++)
		json_array_append_new(names, j_text(a->notify[i]));
	j_put(sparks, "step_ms", json_integer(a->spark_step_ms));
	j_put(sparks, "values", spark);
	j_put(o, "top_flows", top);
	j_put(o, "changed", changed);
	j_put(o, "compared_with", j_text(a->compared));
	j_put(o, "changed_unit", j_text(measure_unit(&compared)));
	j_put(o, "spark", sparks);
	j_put(o, "notify", names);
	return o;
}

static json_t *position(const struct archive_position *p)
{
	json_t *at = json_object();

	j_put(at, "file", json_integer(p->file_s));
	j_put(at, "offset", j_count(p->offset));
	return at;
}

static json_t *evidence(const struct alert *a)
{
	json_t *o = json_object(), *at = position(&a->position);

	j_put(at, "block", j_count(a->block_seq));
	j_put(o, "short", json_boolean(a->evidence_short));
	j_put(o, "from", j_time(a->evidence_from_ms));
	j_put(o, "bytes", j_count(a->total_bytes));
	j_put(o, "packets", j_count(a->total_packets));
	j_put(o, "flows", j_count(a->total_flows));
	j_put(o, "archive", at);
	if (a->end_position.file_s)
		j_put(o, "archive_end", position(&a->end_position));
	return o;
}

static json_t *links(const struct alert *a, const char *base_url)
{
	json_t *o = json_object();
	size_t len = base_url ? strlen(base_url) : 0;
	char *s;

	while (len && base_url[len - 1] == '/')
		len--;
	if (!len)
		return o;
	s = xasprintf("%.*s/alert/%s", (int)len, base_url, a->id);
	j_put(o, "alert", j_text(s));
	free(s);
	s = xasprintf("%.*s/?at=%lld", (int)len, base_url,
		      (long long)(a->window_start_ms / BIN_MS * (BIN_MS / 1000)));
	j_put(o, "bin", j_text(s));
	free(s);
	if (a->act_ack) {
		s = xasprintf("%.*s/%s", (int)len, base_url, a->act_ack);
		j_put(o, "acknowledge", j_text(s));
		free(s);
	}
	if (a->act_silence) {
		s = xasprintf("%.*s/%s", (int)len, base_url, a->act_silence);
		j_put(o, "silence", j_text(s));
		free(s);
	}
	return o;
}

/* What became of telling it (rules/noise.h). The signed addresses are in messages only. */
static void told(const struct alert *a, json_t *o)
{
	json_t *ack = a->ack_ms ? json_object() : json_null(), *acts;

	if (a->ack_ms) {
		j_put(ack, "by", j_text(a->ack_by ? a->ack_by : ""));
		j_put(ack, "at", j_time(a->ack_ms));
		j_put(ack, "comment", j_text(a->ack_comment ? a->ack_comment : ""));
	}
	j_put(o, "quiet", j_text(a->quiet));
	j_put(o, "ack", ack);
	if (a->group)
		j_put(o, "group", json_integer(a->group));
	if (a->notice)
		j_put(o, "notice", json_true());
	if (!a->act_ack && !a->act_silence)
		return;
	acts = json_object();
	j_put(acts, "ack", j_text(a->act_ack));
	j_put(acts, "silence", j_text(a->act_silence));
	j_put(o, "acts", acts);
}

json_t *alert_json(const struct alert *a, const char *base_url)
{
	json_t *o = json_object(), *series = json_object(), *window = json_object();
	json_t *band = a->has_baseline ? json_object() : json_null();
	json_t *quality = json_object();
	char word[32];

	j_put(o, "schema", json_string(schema));
	j_put(o, "id", j_text(a->id));
	j_put(o, "fingerprint", j_text(a->fingerprint));
	j_put(o, "status", json_string(alert_state_word[a->state]));
	j_put(o, "severity", json_string(severity_word[a->severity]));
	j_put(o, "rule", j_text(a->rule ? a->rule : ""));
	j_put(series, "by", json_string(by_word(a->by)));
	j_put(series, "id", j_text(a->series_id ? a->series_id : ""));
	j_put(series, "name", j_text(a->series ? a->series : ""));
	j_put(o, "series", series);
	j_put(o, "measure", j_text(measure_word(&a->measure, word)));
	j_put(o, "unit", j_text(measure_unit(&a->measure)));
	j_put(o, "value", j_real(a->value));
	j_put(o, "threshold", j_real(a->threshold));
	if (a->has_baseline) {
		j_put(band, "low", j_real(a->low));
		j_put(band, "median", j_real(a->median));
		j_put(band, "high", j_real(a->high));
	}
	j_put(o, "baseline", band);
	j_put(window, "start", j_time(a->window_start_ms));
	j_put(window, "end", j_time(a->window_end_ms));
	j_put(o, "window", window);
	j_put(o, "started_at", j_time(a->started_ms));
	j_put(o, "ended_at", j_time(a->ended_ms));
	j_put(o, "why", j_text(a->why));
	j_put(quality, "lost_flows", j_count(a->lost_flows));
	j_put(quality, "dropped_datagrams", j_count(a->dropped_datagrams));
	j_put(quality, "sampling", json_integer(a->sampling ? a->sampling : 1));
	j_put(o, "quality", quality);
	lists(a, o);
	j_put(o, "links", links(a, base_url));
	j_put(o, "filter", j_text(a->filter ? a->filter : ""));
	j_put(o, "error", j_real(a->error));
	j_put(o, "peak", j_real(a->peak));
	j_put(o, "clear", j_real(a->clear));
	j_put(o, "below", json_boolean(a->below));
	j_put(o, "was", json_boolean(a->was));
	j_put(o, "warning_share", json_boolean(a->warning_share));
	j_put(o, "over_budget", json_boolean(a->over_budget));
	j_put(o, "held_before", json_integer(a->held_before));
	j_put(o, "detector", j_text(a->detector));
	j_put(o, "kind", j_text(a->kind));
	j_put(o, "pending_at", j_time(a->pending_ms));
	j_put(o, "judged_at", j_time(a->judged_ms));
	j_put(o, "crossed_at", j_time(a->crossed_ms));
	j_put(o, "evidence", evidence(a));
	told(a, o);
	return o;
}

/* --- and back ------------------------------------------------------------ */

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static char *maybe(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? xstrdup(s) : NULL;
}

static double num(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

static uint64_t u64(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static bool yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

int64_t alert_time(const char *rfc3339)
{
	struct tm tm = { 0 };
	int ms = 0;

	if (sscanf(rfc3339, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) < 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static int64_t at(const json_t *o, const char *key)
{
	return alert_time(str(o, key));
}

static void read_flow(struct top_flow *f, const json_t *o)
{
	const json_t *urls = json_object_get(o, "urls");
	size_t n = json_array_size(urls);

	if (!addr_parse(str(o, "src"), &f->src))
		f->src = (struct addr){ { 0 } };
	if (!addr_parse(str(o, "dst"), &f->dst))
		f->dst = (struct addr){ { 0 } };
	f->src_port = (uint16_t)u64(o, "src_port");
	f->dst_port = (uint16_t)u64(o, "dst_port");
	f->proto = (uint8_t)u64(o, "proto");
	f->bytes = u64(o, "bytes");
	f->packets = u64(o, "packets");
	f->flows = u64(o, "flows");
	f->share = num(o, "share");
	f->src_name = maybe(o, "src_name");
	f->dst_name = maybe(o, "dst_name");
	f->client = maybe(o, "client");
	if (n > ALERT_URLS)
		n = ALERT_URLS;
	f->urls = n ? xcalloc(n, sizeof(*f->urls)) : NULL;
	for (; f->n_urls < n; f->n_urls++) {
		struct alert_url *u = &f->urls[f->n_urls];
		const json_t *row = json_array_get(urls, f->n_urls);

		u->url = xstrdup(str(row, "url"));
		u->client = maybe(row, "client");
		u->bytes = u64(row, "bytes");
		u->from_ms = at(row, "from");
		u->to_ms = at(row, "to");
	}
}

static void read_lists(struct alert *a, const json_t *j)
{
	const json_t *top = json_object_get(j, "top_flows"),
		     *spark = json_object_get(j, "spark");
	const json_t *changed = json_object_get(j, "changed");
	const json_t *v = json_object_get(spark, "values");
	const json_t *names = json_object_get(j, "notify");
	size_t n = json_array_size(top);

	if (n > ALERT_TOP)
		n = ALERT_TOP;
	a->top = n ? xcalloc(n, sizeof(*a->top)) : NULL;
	for (; a->n_top < n; a->n_top++)
		read_flow(&a->top[a->n_top], json_array_get(top, a->n_top));
	n = json_array_size(changed);
	if (n > ALERT_CHANGED)
		n = ALERT_CHANGED;
	a->changed = n ? xcalloc(n, sizeof(*a->changed)) : NULL;
	for (; a->n_changed < n; a->n_changed++) {
		struct changed *c = &a->changed[a->n_changed];
		const json_t *row = json_array_get(changed, a->n_changed);

		c->key = xstrdup(str(row, "key"));
		c->value = num(row, "value");
		c->before = num(row, "before");
		c->share_of_change = num(row, "share_of_change");
	}
	a->compared = maybe(j, "compared_with");
	for (n = json_array_size(v); a->n_spark < n && a->n_spark < ALERT_SPARK;
	     a->n_spark++) {
		const json_t *x = json_array_get(v, a->n_spark);

		a->spark[a->n_spark] = json_is_number(x) ? json_number_value(x) : NAN;
	}
	a->spark_step_ms = (int64_t)u64(spark, "step_ms");
	for (size_t i = 0; i < json_array_size(names) && i < ALERT_NOTIFY; i++) {
		const char *s = json_string_value(json_array_get(names, i));

		a->notify[i] = xstrdup(s ? s : "");
	}
}

static struct archive_position read_position(const json_t *p)
{
	return (struct archive_position){ (int64_t)u64(p, "file"), u64(p, "offset") };
}

static void read_evidence(struct alert *a, const json_t *e)
{
	const json_t *p = json_object_get(e, "archive");

	a->evidence_short = yes(e, "short");
	a->evidence_from_ms = at(e, "from");
	a->total_bytes = u64(e, "bytes");
	a->total_packets = u64(e, "packets");
	a->total_flows = u64(e, "flows");
	a->position = read_position(p);
	a->end_position = read_position(json_object_get(e, "archive_end"));
	a->block_seq = u64(p, "block");
}

static void read_told(struct alert *a, const json_t *j)
{
	const json_t *ack = json_object_get(j, "ack"), *acts = json_object_get(j, "acts");

	a->quiet = maybe(j, "quiet");
	a->ack_ms = at(ack, "at");
	a->ack_by = maybe(ack, "by");
	a->ack_comment = maybe(ack, "comment");
	a->group = (unsigned)u64(j, "group");
	a->notice = yes(j, "notice");
	a->act_ack = maybe(acts, "ack");
	a->act_silence = maybe(acts, "silence");
}

static int state_find(const char *word)
{
	for (size_t i = 0; i <= ALERT_RESOLVED; i++)
		if (!strcmp(word, alert_state_word[i]))
			return (int)i;
	return -1;
}

struct alert *alert_from_json(const json_t *j, struct err *err)
{
	const json_t *series = json_object_get(j, "series"),
		     *w = json_object_get(j, "window");
	const json_t *band = json_object_get(j, "baseline"),
		     *q = json_object_get(j, "quality");
	int state = state_find(str(j, "status")),
	    severity = severity_find(str(j, "severity"));
	int by = by_find(str(series, "by"));
	struct alert *a;

	if (strcmp(str(j, "schema"), schema) || state < 0 || severity < 0) {
		err_set(err, "this is not an alert in the form \"%s\"", schema);
		return NULL;
	}
	a = alert_new();
	snprintf(a->id, sizeof(a->id), "%s", str(j, "id"));
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%s", str(j, "fingerprint"));
	a->state = (enum alert_state)state;
	a->severity = (enum severity)severity;
	a->by = by < 0 ? BY_NONE : (enum by)by;
	a->rule = xstrdup(str(j, "rule"));
	a->filter = xstrdup(str(j, "filter"));
	a->series = xstrdup(str(series, "name"));
	a->series_id = xstrdup(str(series, "id"));
	if (!measure_parse(str(j, "measure"), &a->measure)) {
		err_set(err, "alert %s has the unknown measure \"%.40s\"", a->id,
			str(j, "measure"));
		alert_unref(&a);
		return NULL;
	}
	a->value = num(j, "value");
	a->error = num(j, "error");
	a->peak = num(j, "peak");
	a->threshold = num(j, "threshold");
	a->clear = num(j, "clear");
	a->below = yes(j, "below");
	a->was = yes(j, "was");
	a->warning_share = yes(j, "warning_share");
	a->over_budget = yes(j, "over_budget");
	a->held_before = (unsigned)json_integer_value(json_object_get(j, "held_before"));
	a->detector = maybe(j, "detector");
	a->kind = maybe(j, "kind");
	a->has_baseline = json_is_object(band);
	a->low = num(band, "low");
	a->median = num(band, "median");
	a->high = num(band, "high");
	a->window_start_ms = at(w, "start");
	a->window_end_ms = at(w, "end");
	a->pending_ms = at(j, "pending_at");
	a->started_ms = at(j, "started_at");
	a->ended_ms = at(j, "ended_at");
	a->judged_ms = at(j, "judged_at");
	a->crossed_ms = at(j, "crossed_at");
	a->why = maybe(j, "why");
	a->lost_flows = u64(q, "lost_flows");
	a->dropped_datagrams = u64(q, "dropped_datagrams");
	a->sampling = (uint32_t)u64(q, "sampling");
	read_evidence(a, json_object_get(j, "evidence"));
	read_lists(a, j);
	read_told(a, j);
	return a;
}
