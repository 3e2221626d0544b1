/* alerts.c - alerts, from the daemon or from its history.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/alerts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/ask.h"

enum { TOMORROW_MS = 86400000, ID_MIN = 4, FIND_LIMIT = 10000 };

/* How long an alert that began before a range may have lasted into it. */
static const int64_t longest_ms = INT64_C(31) * 86400000;
static const struct alert_query every;

static bool wanted(const struct alert_query *q, const struct alert *a)
{
	if ((q->state && strcmp(q->state, alert_state_word[a->state])) ||
	    (q->rule && strcmp(q->rule, a->rule)))
		return false;
	return !q->to_ms || (a->started_ms < q->to_ms &&
			     (a->state == ALERT_FIRING || a->ended_ms > q->from_ms ||
			      a->started_ms >= q->from_ms));
}

struct store *cli_store(struct cli *c, struct err *err)
{
	const struct config *conf = cli_config(c);
	struct store_opts o = { .read_only = true };

	if (!conf) {
		err_set(err, "the configuration has mistakes");
		return NULL;
	}
	o.password_file = conf->history.password_file;
	return store_open(conf->history.url, &o, err);
}

static void add(struct alert_list *l, const struct alert_query *q, json_t *j)
{
	struct alert *a = alert_from_json(j, NULL);

	if (!a) /* of a newer daemon: what cannot be read is not shown */
		return;
	if (!wanted(q, a)) {
		alert_unref(&a);
		return;
	}
	l->at = xrealloc(l->at, l->n + 1, sizeof(*l->at));
	l->json = xrealloc(l->json, l->n + 1, sizeof(*l->json));
	l->at[l->n] = a;
	l->json[l->n++] = json_incref(j);
}

struct reading {
	int64_t forget_ms; /* 0: nothing is forgotten */
	struct alert_list *list;
	const struct alert_query *query;
	size_t limit;
};

static bool from_store(void *arg, const char *key, const void *data, size_t len)
{
	json_t *j = json_loadb(data, len, 0, NULL);
	struct reading *r = arg;

	(void)key;
	if (j && r->forget_ms)
		alert_json_forget(j, r->forget_ms);
	if (j)
		add(r->list, r->query, j);
	json_decref(j);
	return r->list->n < r->limit;
}

static bool read_store(struct cli *c, const struct alert_query *q, size_t limit,
		       struct alert_list *l, struct err *err)
{
	struct store *s = cli_store(c, err);
	int64_t keep_ms = s ? privacy_keep_ms(cli_config(c)) : 0;
	struct reading r = { keep_ms ? c->now_ms - keep_ms : 0, l, q, limit };
	int64_t from = q->to_ms ? q->from_ms - longest_ms : 0;
	int64_t to = q->to_ms ? q->to_ms : c->now_ms + TOMORROW_MS;
	bool ok = s && store_each_alert(s, from > 0 ? from : 0, to, SIZE_MAX, from_store, &r,
					err);

	if (s)
		store_close(&s);
	return ok;
}

static bool there(const struct alert_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->at[i]->id, id))
			return true;
	return false;
}

/* Those that are not there yet, limit in all. */
static void take(struct alert_list *l, const struct alert_query *q, json_t *answer,
		 size_t limit)
{
	json_t *list = json_object_get(answer, "alerts"), *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		const char *id = json_string_value(json_object_get(j, "id"));

		if (l->n < limit && id && !there(l, id))
			add(l, q, j);
	}
	json_decref(answer);
}

static enum ask_outcome ask_once(struct cli *c, const struct alert_query *q, bool history,
				 size_t limit, struct alert_list *l, struct err *err)
{
	struct strb path = { 0 };
	enum ask_outcome rc;
	char n[24], t[UNIT_TEXT];
	int64_t from = q->to_ms > longest_ms ? q->from_ms - longest_ms : 1000;
	json_t *answer;

	strb_add(&path, "/api/v1/alerts");
	/* With a range some that are told may be out of it. */
	snprintf(n, sizeof(n), "%zu", q->to_ms || limit > FIND_LIMIT ? FIND_LIMIT : limit);
	ask_param(&path, "limit", n);
	if (q->state)
		ask_param(&path, "state", q->state);
	if (q->rule)
		ask_param(&path, "rule", q->rule);
	if (history)
		ask_param(&path, "from", text_rfc3339(from > 0 ? from : 1000, t));
	if (history && q->to_ms)
		ask_param(&path, "to", text_rfc3339(q->to_ms, t));
	rc = ask(c, path.s, NULL, &answer, err);
	strb_free(&path);
	if (rc == ASK_OK)
		take(l, q, answer, limit);
	else
		json_decref(answer);
	return rc;
}

/* The daemon has at hand what changed since it started, to the second; its history has
 * what was before, and lags a moment behind. */
static enum ask_outcome ask_list(struct cli *c, const struct alert_query *q, size_t limit,
				 struct alert_list *l, struct err *err)
{
	enum ask_outcome rc = ask_once(c, q, false, limit, l, err);
	struct err unread = { "" };

	if (rc == ASK_OK && l->n < limit &&
	    ask_once(c, q, true, limit, l, &unread) != ASK_OK)
		cli_say("only what the daemon has at hand, as %s", unread.msg);
	return rc;
}

int alerts_read(struct cli *c, const struct alert_query *q, size_t limit,
		struct alert_list *out)
{
	struct err err = { "" }, why = { "" };

	*out = (struct alert_list){ 0 };
	switch (ask_list(c, q, limit + 1, out, &err)) {
	case ASK_OK: break;
	case ASK_CONFIG: return EX_CONFIG;
	case ASK_REFUSED: return cli_fail(EXIT_FAILURE, "%s", err.msg);
	case ASK_AWAY:
		if (c->url)
			return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
		if (!read_store(c, q, limit + 1, out, &why))
			return cli_fail(EX_UNAVAILABLE, "%s; its history: %s", err.msg,
					why.msg);
		cli_say("%s; this is what its history holds", err.msg);
	}
	out->more = out->n > limit;
	while (out->n > limit) {
		alert_unref(&out->at[--out->n]);
		json_decref(out->json[out->n]);
	}
	return EX_OK;
}

void alerts_free(struct alert_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		alert_unref(&l->at[i]);
		json_decref(l->json[i]);
	}
	free(l->at);
	free(l->json);
	*l = (struct alert_list){ 0 };
}

/* An alert that was told by the daemon, or one of history. */
static struct alert *pick(struct alert_list *l, const char *id, struct err *err)
{
	struct alert *found = NULL;
	size_t n = 0, len = strlen(id);

	for (size_t i = 0; i < l->n; i++) {
		if (strncasecmp(l->at[i]->id, id, len))
			continue;
		found = l->at[i];
		if (!strcasecmp(found->id, id))
			return alert_ref(found);
		n++;
	}
	if (n == 1)
		return alert_ref(found);
	err_set(err,
		n ? "%zu alerts begin with \"%s\"; say more of it"
		  : "%zu alerts have the id \"%s\"; `culprit alerts --all` lists them",
		n, id);
	return NULL;
}

struct alert *alerts_find(struct cli *c, const char *id, int *code)
{
	struct alert_list l = { 0 };
	struct err err = { "" }, why = { "" };
	struct strb path = { 0 };
	struct alert *a = NULL;
	enum ask_outcome rc;
	json_t *answer;

	*code = EX_USAGE;
	if (strlen(id) < ID_MIN) {
		cli_usage(c, "\"%s\" is too little of an id", id);
		return NULL;
	}
	strb_add(&path, "/api/v1/alerts");
	ask_param(&path, "id", id);
	rc = ask(c, path.s, NULL, &answer, &err);
	strb_free(&path);
	*code = rc == ASK_CONFIG ? EX_CONFIG : EXIT_FAILURE;
	if (rc != ASK_OK)
		json_decref(answer);
	if (rc == ASK_OK)
		take(&l, &every, answer, FIND_LIMIT);
	else if (rc == ASK_AWAY && c->url)
		*code = EX_UNAVAILABLE;
	else if (rc == ASK_AWAY && !read_store(c, &every, FIND_LIMIT, &l, &why))
		*code = EX_UNAVAILABLE;
	if (l.n || (rc == ASK_AWAY && *code == EXIT_FAILURE))
		a = pick(&l, id, &err);
	if (!a && *code != EX_CONFIG)
		cli_say("%s%s%s", err.msg, *why.msg ? "; its history: " : "", why.msg);
	alerts_free(&l);
	return a;
}
