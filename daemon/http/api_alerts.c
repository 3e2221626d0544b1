/* api_alerts.c - /api/v1/alerts, and what may be changed.
 * SPDX-License-Identifier: ISC
 *
 * The board has the newest thousand; with `from` or `to` the history is asked, which
 * keeps them for two years.
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"
#include "daemon/evidence/named.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, NAME_MAX_LEN = 200 };

struct listing {
	struct http *h;
	json_t *list;
	const char *state, *rule; /* NULL: any */
	uint64_t limit;
	int64_t from_ms, to_ms;
	struct alert *at[BOARD_ALERTS];
	unsigned n;
};

static bool wanted(const struct listing *l, const char *state, const char *rule)
{
	return (!l->state || !strcmp(l->state, state)) && (!l->rule || !strcmp(l->rule, rule));
}

static bool take(void *arg, const struct alert *a)
{
	struct listing *l = arg;

	if (wanted(l, alert_state_word[a->state], a->rule ? a->rule : ""))
		l->at[l->n++] = alert_ref(a);
	return l->n < BOARD_ALERTS;
}

static int newest(const void *x, const void *y)
{
	const struct alert *a = *(struct alert *const *)x, *b = *(struct alert *const *)y;

	return (a->started_ms < b->started_ms) - (a->started_ms > b->started_ms);
}

/* With the names that have become known since it went out, without what is not kept. */
static void as_of_now(const struct http *h, json_t *alert)
{
	alert_json_name_late(alert, h->src.owners);
	if (h->src.forget_ms)
		alert_json_forget(alert, clock_wall_ms() - h->src.forget_ms);
}

static json_t *told_now(const struct http *h, const struct alert *a)
{
	json_t *o = alert_json(a, h->base_url);

	as_of_now(h, o);
	return o;
}

/* The board has them in the order in which they were pinned. */
static void from_board(struct listing *l)
{
	board_alerts(l->h->src.board, take, l);
	qsort(l->at, l->n, sizeof(l->at[0]), newest);
	for (unsigned i = 0; i < l->n; i++) {
		if (i < l->limit)
			json_array_append_new(l->list, told_now(l->h, l->at[i]));
		alert_unref(&l->at[i]);
	}
}

static bool from_store(void *arg, const char *key, const void *data, size_t len)
{
	struct listing *l = arg;
	json_t *j = json_loadb(data, len, 0, NULL);
	const char *state = json_string_value(json_object_get(j, "status"));
	const char *rule = json_string_value(json_object_get(j, "rule"));

	(void)key;
	if (state && rule && wanted(l, state, rule)) {
		as_of_now(l->h, j);
		json_array_append(l->list, j);
	}
	json_decref(j);
	return json_array_size(l->list) < l->limit;
}

static bool ask_store(struct store *s, void *arg, struct err *err)
{
	struct listing *l = arg;

	return store_each_alert(s, l->from_ms, l->to_ms, SIZE_MAX, from_store, l, err);
}

static bool parse(const struct target *t, struct listing *l, struct err *err)
{
	int64_t now = clock_wall_ms();

	l->state = target_get(t, "state");
	l->rule = target_get(t, "rule");
	l->limit = LIMIT_DEFAULT;
	l->to_ms = now + 86400000;
	if (l->state && strcmp(l->state, "firing") && strcmp(l->state, "resolved"))
		return err_set(err, "state must be firing or resolved, not '%.40s'", l->state);
	return target_number(t, "limit", 1, LIMIT_MAX, &l->limit, err) &&
	       target_time(t, "from", now, &l->from_ms, err) &&
	       target_time(t, "to", now, &l->to_ms, err);
}

static void answer_one(struct http *h, const char *id, struct answer *out)
{
	struct err err = { "" };
	struct alert *a = alert_find(h, id, &err);
	json_t *o, *list;

	if (!a) {
		answer_error(out, 404, "%s", err.msg);
		return;
	}
	o = json_object();
	list = json_array();
	json_array_append_new(list, told_now(h, a));
	j_put(o, "alerts", list);
	alert_unref(&a);
	answer_json(out, o);
}

void api_alerts(struct http *h, const struct request *rq, struct answer *out)
{
	const struct target *t = &rq->target;
	struct listing l = { .h = h };
	struct err err = { "" };
	json_t *o;

	if (!parse(t, &l, &err)) {
		answer_error(out, 400, "%s", err.msg);
		return;
	}
	if (target_get(t, "id")) {
		answer_one(h, target_get(t, "id"), out);
		return;
	}
	l.list = json_array();
	if (!target_get(t, "from") && !target_get(t, "to")) {
		from_board(&l);
	} else if (!with_store(h, ask_store, &l, &err)) {
		json_decref(l.list);
		answer_error(out, 503, "%s", err.msg);
		return;
	}
	o = json_object();
	j_put(o, "alerts", l.list);
	answer_json(out, o);
}

void api_test_notify(struct http *h, const struct request *rq, struct answer *out)
{
	json_t *j = json_loadb(rq->body.s ? rq->body.s : "", rq->body.len, 0, NULL), *o;
	const char *channel = json_string_value(json_object_get(j, "channel"));
	struct strb said = { 0 };
	struct err err = { "" };
	bool ok;

	if (!channel || strlen(channel) > NAME_MAX_LEN) {
		answer_error(out, 400, "{\"channel\": \"name of a notify section\"} is expected");
	} else if (!h->src.test_notify) {
		answer_error(out, 503, "nothing can be sent");
	} else {
		ok = h->src.test_notify(h->src.arg, channel, &said, &err);
		o = json_object();
		j_put(o, "channel", j_text(channel));
		j_put(o, "ok", json_boolean(ok));
		j_put(o, "error", ok ? json_null() : j_text(err.msg));
		j_put(o, "conversation", j_text(said.s ? said.s : ""));
		answer_json(out, o);
		out->status = ok ? 200 : 502;
	}
	strb_free(&said);
	json_decref(j);
}
