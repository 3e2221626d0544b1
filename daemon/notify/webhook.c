/* webhook.c - the one thread that serves all webhooks.
 * SPDX-License-Identifier: ISC
 *
 * curl's multi interface carries one transfer a lane, so a target that hangs
 * holds its own lane for ten seconds and nobody else. The thread sleeps in
 * curl_multi_poll until a transfer moves, a commit wakes it, or the nearest
 * retry is due.
 */
#include "daemon/notify/webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/notify/hook.h"
#include "daemon/notify/message.h"

enum { POLL_MAX_MS = 60000, DUE_POLL_MS = 250 };

struct served {
	struct lane *lane;
	struct hook *hook; /* the transfer under way, or NULL */
	struct item items[LANE_BATCH];
	unsigned n_items;
	bool retired;      /* a reload took it away: ends with its transfer */
	bool again;        /* the transfer tells a forgetful target what it knew */
	int64_t again_ms, again_after; /* when next, and behind which row */
};

struct webhooks {
	CURLM *multi;
	pthread_t thread;
	struct served **served; /* n_served; the thread's alone */
	size_t n_served;
	pthread_mutex_t lock;   /* of what follows */
	struct lane **next;     /* lanes to serve from now on */
	size_t n_next;
	bool changed, stop;
	int64_t stop_by_ms;     /* monotonic */
};

static void free_served(struct served **sp)
{
	struct served *s = *sp;

	for (unsigned i = 0; i < s->n_items; i++)
		item_fini(&s->items[i]);
	hook_free(&s->hook);
	lane_free(&s->lane);
	free(s);
	*sp = NULL;
}

static void settle(struct served *s, const struct outcome *out)
{
	if (s->again) { /* told before: nothing to note but that the target is away */
		if (out->result != RESULT_SENT)
			s->again_after = 0;
		for (unsigned i = 0; i < s->n_items; i++)
			item_fini(&s->items[i]);
		s->n_items = 0;
		s->again = false;
		return;
	}
	lane_settle(s->lane, s->items, s->n_items, out, clock_wall_ms());
	for (unsigned i = 0; i < s->n_items; i++)
		item_fini(&s->items[i]);
	s->n_items = 0;
}

static bool start(struct webhooks *w, struct served *s, int64_t now)
{
	struct letter letters[LANE_BATCH];
	struct message m[LANE_BATCH];
	struct outcome out = { .result = RESULT_FINAL };
	unsigned n = 0;
	struct err err = { "" };
	bool ok = true;

	for (; ok && n < s->n_items; n++) {
		ok = letter_open(&letters[n], &s->items[n], now, &err);
		m[n] = letters[n].m;
	}
	if (ok)
		s->hook = hook_new(s->lane->channel, s->lane->index, m, n, NULL, &out);
	else
		snprintf(out.note, sizeof(out.note), "%.500s", err.msg);
	while (n)
		letter_fini(&letters[--n]);
	if (!s->hook || curl_multi_add_handle(w->multi, hook_curl(s->hook))) {
		hook_free(&s->hook);
		settle(s, &out);
		return false;
	}
	return true;
}

static void finish(struct webhooks *w)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(w->multi, &left))) {
		CURLcode code = msg->data.result;
		struct outcome out;

		if (msg->msg != CURLMSG_DONE)
			continue;
		for (size_t i = 0; i < w->n_served; i++) {
			struct served *s = w->served[i];

			if (!s->hook || hook_curl(s->hook) != msg->easy_handle)
				continue;
			hook_outcome(s->hook, code, &out);
			curl_multi_remove_handle(w->multi, hook_curl(s->hook));
			hook_free(&s->hook);
			settle(s, &out);
			break; /* msg is gone with its handle */
		}
	}
}

/* Lanes that a reload brought; those it took away stay until they are idle. */
static void exchange(struct webhooks *w)
{
	size_t kept = 0;

	pthread_mutex_lock(&w->lock);
	if (w->changed) {
		for (size_t i = 0; i < w->n_served; i++)
			w->served[i]->retired = true;
		w->served =
		    xrealloc(w->served, w->n_served + w->n_next, sizeof(*w->served));
		for (size_t i = 0; i < w->n_next; i++) {
			struct served *s = xcalloc(1, sizeof(*s));

			s->lane = w->next[i];
			w->served[w->n_served++] = s;
		}
		free(w->next);
		w->next = NULL;
		w->n_next = 0;
		w->changed = false;
	}
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->n_served; i++) {
		struct served *s = w->served[i];

		if (s->retired && !s->hook && atomic_load(&s->lane->settled))
			free_served(&s);
		else
			w->served[kept++] = s;
	}
	w->n_served = kept;
}

/* Items of the next request that tells a forgetful target again; 0: none is due. */
static unsigned tell_again(struct served *s, int64_t now, int64_t *wake)
{
	int64_t every = s->lane->channel->format->resend_ms;
	unsigned n;

	if (!every)
		return 0;
	if (now < s->again_ms && s->again_ms <= now + every) {
		*wake = *wake < s->again_ms ? *wake : s->again_ms;
		return 0;
	}
	n = outbox_active(s->lane->outbox, s->lane->queue, now - RESEND_RESOLVED_MS,
			  s->again_after, s->items, LANE_BATCH);
	s->again = n;
	s->again_after = n == LANE_BATCH ? s->items[n - 1].id : 0;
	if (n < LANE_BATCH) {
		s->again_ms = now + every;
		*wake = *wake < s->again_ms ? *wake : s->again_ms;
	}
	return n;
}

static bool superseded(struct webhooks *w)
{
	bool changed;

	pthread_mutex_lock(&w->lock);
	changed = w->changed;
	pthread_mutex_unlock(&w->lock);
	return changed;
}

/* Starts what is due; returns how long nothing else will be. What is picked may have come
 * after a reload that came after exchange(): that goes out by the new lanes alone. */
static int64_t begin(struct webhooks *w)
{
	int64_t now = clock_wall_ms(), wait = POLL_MAX_MS;

	for (size_t i = 0; i < w->n_served; i++) {
		struct served *s = w->served[i];
		int64_t wake;

		if (s->hook || s->retired)
			continue;
		s->n_items = lane_pick(s->lane, now, s->items, LANE_BATCH, &wake);
		if (!s->n_items)
			s->n_items = tell_again(s, now, &wake);
		if (s->n_items && superseded(w))
			return 0;
		if (s->n_items)
			start(w, s, now);
		else if (wake !=
			 INT64_MAX) /* the clock may run faster than ours sleeps */
			wait = wake - now < wait ? wake - now : wait;
	}
	return wait < 0					  ? 0
	       : wait > DUE_POLL_MS && wait < POLL_MAX_MS ? DUE_POLL_MS
							  : wait;
}

static bool stopping(struct webhooks *w, bool *now)
{
	bool stop;

	pthread_mutex_lock(&w->lock);
	stop = w->stop;
	*now = stop && clock_mono_ms() >= w->stop_by_ms;
	pthread_mutex_unlock(&w->lock);
	return stop;
}

static void *serve(void *arg)
{
	struct webhooks *w = arg;
	int running = 0;
	bool now;

	for (;;) {
		bool stop = stopping(w, &now);
		int64_t wait;

		exchange(w);
		wait = stop ? DUE_POLL_MS : begin(w);
		curl_multi_perform(w->multi, &running);
		finish(w);
		if (stop && (!running || now))
			break;
		curl_multi_poll(w->multi, NULL, 0, (int)wait, NULL);
	}
	return NULL;
}

struct webhooks *webhooks_start(struct err *err)
{
	struct webhooks *w = xcalloc(1, sizeof(*w));

	w->multi = curl_multi_init();
	pthread_mutex_init(&w->lock, NULL);
	if (!w->multi || pthread_create(&w->thread, NULL, serve, w)) {
		err_set(err, "no thread for the webhooks could be started");
		if (w->multi)
			curl_multi_cleanup(w->multi);
		free(w);
		return NULL;
	}
	return w;
}

void webhooks_set(struct webhooks *w, struct lane **lanes, size_t n)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n_next; i++) /* from a reload nobody saw yet */
		lane_free(&w->next[i]);
	free(w->next);
	w->next = lanes;
	w->n_next = n;
	w->changed = true;
	pthread_mutex_unlock(&w->lock);
	webhooks_wake(w);
}

void webhooks_wake(struct webhooks *w)
{
	curl_multi_wakeup(w->multi);
}

void webhooks_stop(struct webhooks *w, int timeout_ms)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	w->stop_by_ms = clock_mono_ms() + timeout_ms;
	pthread_mutex_unlock(&w->lock);
	webhooks_wake(w);
	pthread_join(w->thread, NULL);
}

void webhooks_free(struct webhooks **wp)
{
	struct webhooks *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	for (size_t i = 0; i < w->n_served; i++) {
		if (w->served[i]->hook)
			curl_multi_remove_handle(w->multi, hook_curl(w->served[i]->hook));
		free_served(&w->served[i]);
	}
	for (size_t i = 0; i < w->n_next; i++)
		lane_free(&w->next[i]);
	free(w->served);
	free(w->next);
	curl_multi_cleanup(w->multi);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
