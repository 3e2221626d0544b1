/* notify_ask.c - trying a channel out, its figures, and the letters nobody took.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/notify/notify_impl.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/notify/hook.h"
#include "daemon/notify/sample.h"
#include "daemon/notify/webhook.h"

static bool test_webhook(const struct channel *c, const struct message *m,
			 struct strb *transcript, struct outcome *out)
{
	for (unsigned i = 0; i < channel_lanes(c); i++) {
		struct hook *h = hook_new(c, i, m, 1, transcript, out);

		if (!h)
			return false;
		hook_outcome(h, (int)curl_easy_perform(hook_curl(h)), out);
		hook_free(&h);
		if (out->result != RESULT_SENT)
			return false;
	}
	return true;
}

static bool test_channel(const struct channel *c, struct strb *transcript,
			 struct err *err)
{
	int64_t now = clock_wall_ms();
	struct alert *a = sample_alert(now, ALERT_FIRING);
	char *key = xasprintf("%s.test", a->id);
	struct message m = {
		.alert = a, .key = key, .thread = key, .first = true, .test = true,
		.now_ms = now
	};
	struct outcome out = { .result = RESULT_FINAL };
	struct strb where = { 0 };

	if (c->kind == CHANNEL_WEBHOOK)
		test_webhook(c, &m, transcript, &out);
	else
		notify_send(c, &m, -1, transcript, &out);
	channel_where(c, 0, &where);
	if (out.result != RESULT_SENT)
		err_set(err, "notify %s: %s: %s", c->name, where.s, out.note);
	strb_free(&where);
	free(key);
	alert_unref(&a);
	return out.result == RESULT_SENT;
}

static bool no_channel(struct notify *n, const char *channel, struct err *err)
{
	struct strb b = { 0 };

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n_entries; i++)
		strb_fmt(&b, "%s%s", i ? ", " : "there are ", n->entries[i].channel->name);
	pthread_mutex_unlock(&n->lock);
	err_set(err, "there is no channel %.80s; %.400s", channel,
		b.len ? b.s : "no notify section makes one");
	strb_free(&b);
	return false;
}

bool notify_test(struct notify *n, const char *channel, struct strb *transcript,
		 struct err *err)
{
	struct channel *c = NULL;
	struct entry *e;
	bool ok;

	pthread_mutex_lock(&n->lock);
	e = notify_find(n, channel);
	if (e)
		c = channel_ref(e->channel);
	pthread_mutex_unlock(&n->lock);
	if (!c)
		return no_channel(n, channel, err);
	ok = test_channel(c, transcript, err);
	channel_unref(&c);
	return ok;
}

bool notify_test_once(const struct channel_conf *conf, const char *base_url,
		      struct strb *transcript, struct err *err)
{
	struct channel *c = channel_new(conf, base_url, err);
	bool ok;

	if (!c)
		return false;
	notify_prepare();
	ok = test_channel(c, transcript, err);
	channel_unref(&c);
	return ok;
}

void notify_stats(struct notify *n, notify_stat_f *fn, void *arg)
{
	struct entry *e;
	size_t n_entries;

	pthread_mutex_lock(&n->lock);
	n_entries = n->n_entries;
	e = xcalloc(n_entries, sizeof(*e));
	for (size_t i = 0; i < n_entries; i++) {
		e[i].channel = channel_ref(n->entries[i].channel);
		e[i].count = counters_ref(n->entries[i].count);
	}
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < n_entries; i++) {
		const struct channel *c = e[i].channel;
		struct counters *k = e[i].count;
		char queue[LANE_QUEUE], error[OUTBOX_NOTE];
		struct notify_stat s = {
			.channel = c->name, .sent = k->sent, .failed = k->failed,
			.retried = k->retried, .dead = k->dead, .digested = k->digested,
			.last_sent_ms = k->last_sent_ms, .last_error = error,
		};

		for (unsigned l = 0; l < channel_lanes(c); l++) {
			struct outbox_count count;

			lane_queue(c, l, queue);
			count = outbox_count(n->outbox, queue);
			s.queued += count.open;
			s.dead_now += count.dead;
		}
		pthread_mutex_lock(&k->lock);
		memcpy(error, k->last_error, sizeof(error));
		pthread_mutex_unlock(&k->lock);
		fn(&s, arg);
	}
	notify_free_entries(e, n_entries);
}

uint64_t notify_unknown(struct notify *n)
{
	return n->unknown;
}

struct letters {
	void (*fn)(void *arg, const struct notify_letter *l);
	void *arg;
};

static void letter(void *arg, const struct outbox_letter *l)
{
	struct letters *to = arg;
	/* A replica of a webhook has a queue of its own, "name#2". */
	char *channel = xasprintf("%.*s", (int)strcspn(l->queue, "#"), l->queue);
	struct notify_letter n = { channel, l->alert, l->headline, l->note, l->made_ms,
				   l->given_up_ms, l->attempts };

	to->fn(to->arg, &n);
	free(channel);
}

void notify_dead(struct notify *n, unsigned max,
		 void (*fn)(void *arg, const struct notify_letter *l), void *arg)
{
	struct letters to = { fn, arg };

	outbox_dead(n->outbox, max, letter, &to);
}

bool notify_has(struct notify *n, const char *channel)
{
	bool has;

	pthread_mutex_lock(&n->lock);
	has = notify_find(n, channel) != NULL;
	pthread_mutex_unlock(&n->lock);
	return has;
}

uint64_t notify_retry(struct notify *n, const char *channel)
{
	struct channel *c = NULL;
	char queue[LANE_QUEUE];
	uint64_t retried = 0;
	struct entry *e;

	if (!channel)
		return outbox_retry(n->outbox, NULL);
	pthread_mutex_lock(&n->lock);
	e = notify_find(n, channel);
	if (e)
		c = channel_ref(e->channel);
	pthread_mutex_unlock(&n->lock);
	for (unsigned i = 0; c && i < channel_lanes(c); i++) {
		lane_queue(c, i, queue);
		retried += outbox_retry(n->outbox, queue);
	}
	channel_unref(&c);
	return retried;
}
