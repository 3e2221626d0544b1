/* asks.c - what questions about the past have in common.
 * SPDX-License-Identifier: ISC
 *
 * A question names its time and filter itself, or an alert (`as_of`): then time, filter
 * and series are the alert's unless given, and only flows that were in the archive when
 * it was raised count, so the answer is the same for ever (D4).
 */
#include "daemon/http/http_impl.h"

#include "daemon/evidence/geo.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#include <string.h>

enum { ALERTS_SEARCHED = 100000 };

static const int64_t ask_default_ms = 300000, ask_longest_ms = INT64_C(31) * 86400000;

bool with_store(struct http *h, bool (*fn)(struct store *s, void *arg, struct err *err),
		void *arg, struct err *err)
{
	bool ok = false;

	if (!*h->history_url)
		return err_set(err, "no history is kept");
	pthread_mutex_lock(&h->store_lock);
	if (!h->store)
		h->store = store_open(h->history_url, &h->store_opts, err);
	if (h->store) {
		ok = fn(h->store, arg, err);
		if (!ok)
			store_close(&h->store); /* a fresh start for the next one */
	}
	pthread_mutex_unlock(&h->store_lock);
	return ok;
}

struct search {
	const char *id;
	size_t len;
	json_t *found;
	bool several;
};

static bool match(void *arg, const char *key, const void *data, size_t len)
{
	struct search *s = arg;

	if (strncmp(key, s->id, s->len))
		return true;
	s->several = s->found != NULL;
	if (!s->found)
		s->found = json_loadb(data, len, 0, NULL);
	return !s->several;
}

static bool search(struct store *st, void *arg, struct err *err)
{
	return store_each_alert(st, 0, INT64_MAX, ALERTS_SEARCHED, match, arg, err);
}

struct alert *alert_find(struct http *h, const char *id, struct err *err)
{
	struct alert *a = board_alert(h->src.board, id);
	struct search s = { .id = id, .len = strlen(id) };
	enum by by;

	if (a || !*h->history_url || !s.len) {
		if (!a)
			err_set(err, "there is no alert %.40s", id);
		return a;
	}
	if (!with_store(h, search, &s, err)) {
		json_decref(s.found);
		return NULL;
	}
	if (s.found && !s.several)
		a = alert_from_json(s.found, err);
	else
		err_set(err, s.several ? "several alerts begin with %.40s" : "there is no alert %.40s",
			id);
	json_decref(s.found);
	if (a && a->series_id)
		key_parse(a->series_id, h->src.names, &by, &a->key);
	return a;
}

static bool take_alert(struct http *h, const char *id, struct ask *a, struct answer *out)
{
	char found[ALERT_ID];
	bool at_end = alert_id_at_end(id, found);
	struct err err = { "" };
	struct alert_sight s;

	a->alert = alert_find(h, found, &err);
	if (!a->alert) {
		answer_error(out, 404, "%s", err.msg);
		return false;
	}
	if (at_end && a->alert->state != ALERT_RESOLVED) {
		answer_error(out, 404, "alert %s is not over yet: ask without /end", found);
		return false;
	}
	s = alert_sight(a->alert, at_end);
	a->from_ms = s.from_ms;
	a->to_ms = s.to_ms;
	a->as_of = s.position;
	a->seen_ms = s.at_ms;
	return true;
}

bool ask_parse(struct http *h, const struct request *rq, struct ask *a, uint64_t n_max,
	       struct answer *out)
{
	const struct target *t = &rq->target;
	const char *filter = target_get(t, "filter"), *id = target_get(t, "as_of");
	int64_t now = clock_wall_ms();
	struct err err = { "" };

	if (!*h->archive_dir) {
		answer_error(out, 503, "no flows are kept: archive { } is off");
		return false;
	}
	a->to_ms = now;
	if (target_get(t, "to") && !target_time(t, "to", now, &a->to_ms, &err))
		goto bad;
	a->from_ms = a->to_ms > ask_default_ms ? a->to_ms - ask_default_ms : 0;
	if (id && !take_alert(h, id, a, out))
		return false;
	if (!target_time(t, "from", now, &a->from_ms, &err) ||
	    !target_time(t, "to", now, &a->to_ms, &err) ||
	    !target_number(t, target_get(t, "n") ? "n" : "limit", 1, n_max,
			   &a->n, &err))
		goto bad;
	if (a->from_ms >= a->to_ms) {
		err_set(&err, "from must be before to");
		goto bad;
	}
	if (a->to_ms - a->from_ms > ask_longest_ms) {
		err_set(&err, "at most 31 days at a time");
		goto bad;
	}
	if (!filter && a->alert)
		filter = a->alert->filter;
	a->filter = filter_compile(filter ? filter : "", &err);
	if (a->filter && h->src.country)
		filter_geo(a->filter, geo_filter, h->src.country);
	if (a->filter)
		return true;
bad:
	answer_error(out, 400, "%s", err.msg);
	return false;
}

void ask_fini(struct ask *a)
{
	filter_free(&a->filter);
	alert_unref(&a->alert);
}
