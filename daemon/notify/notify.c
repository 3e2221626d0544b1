/* notify.c - alerts to people and machines, each at least once.
 * SPDX-License-Identifier: ISC
 *
 * Puts the parts together: the outbox writes, lanes decide when, webhooks and
 * runners send. A set of channels is built completely before the old one is
 * let go, so a reload with a mistake in it changes nothing. What an old runner
 * has under way stays claimed in the outbox until it is settled, so the new
 * one of the same name cannot send it twice.
 */
#include "daemon/notify/notify.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/notify/channel.h"
#include "daemon/notify/exec.h"
#include "daemon/notify/hook.h"
#include "daemon/notify/mail.h"
#include "daemon/notify/message.h"
#include "daemon/notify/notify_impl.h"
#include "daemon/notify/outbox.h"
#include "daemon/notify/sample.h"
#include "daemon/notify/smtp.h"
#include "daemon/notify/webhook.h"

enum {
	CUT_MS = 3000,
	SLEEP_MAX_MS = 60000,
	DUE_POLL_MS = 250,
	QUEUES_MAX = ALERT_NOTIFY * CHANNEL_URLS
};

/* The thread of one mail or exec channel. */
struct runner {
	struct runner *next;
	struct notify *notify;
	struct lane *lane;
	pthread_t thread;
	_Atomic bool stop, ended;
	bool joined;
};

/* --- sending ------------------------------------------------------------- */

static void mail_send(const struct channel *c, const struct message *m, int cancel,
		      struct strb *transcript, struct outcome *out)
{
	struct strb text = { 0 };

	mail_compose(c, m, &text);
	if (c->tls_first || c->token)
		smtps_send(c, text.s, cancel, transcript, out);
	else
		smtp_send(c, text.s, m->attempts, cancel, transcript, out);
	strb_free(&text);
}

void notify_send(const struct channel *c, const struct message *m, int cancel,
		 struct strb *transcript, struct outcome *out)
{
	if (c->kind == CHANNEL_EXEC)
		exec_send(c, m, cancel, transcript, out);
	else
		mail_send(c, m, cancel, transcript, out);
}

static void send_item(struct lane *l, struct item *it, int cancel)
{
	struct outcome out = { .result = RESULT_FINAL };
	struct err err = { "" };
	struct letter letter;

	if (letter_open(&letter, it, clock_wall_ms(), &err))
		notify_send(l->channel, &letter.m, cancel, NULL, &out);
	else
		snprintf(out.note, sizeof(out.note), "%.500s", err.msg);
	letter_fini(&letter);
	lane_settle(l, it, 1, &out, clock_wall_ms());
	item_fini(it);
}

/* --- runners ------------------------------------------------------------- */

static void on_commit(void *arg)
{
	struct notify *n = arg;

	pthread_mutex_lock(&n->wake_lock);
	n->commits++;
	pthread_cond_broadcast(&n->wake);
	pthread_mutex_unlock(&n->wake_lock);
	if (n->webhooks)
		webhooks_wake(n->webhooks);
}

static uint64_t commits(struct notify *n)
{
	uint64_t v;

	pthread_mutex_lock(&n->wake_lock);
	v = n->commits;
	pthread_mutex_unlock(&n->wake_lock);
	return v;
}

/* Until something was committed after `seen`, or for wait_ms. */
static void sleep_until(struct runner *r, uint64_t seen, int64_t wait_ms)
{
	struct notify *n = r->notify;
	struct timespec t;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &t); /* what the condition counts by */
	t.tv_sec += wait_ms / 1000;
	t.tv_nsec += wait_ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&n->wake_lock);
	while (n->commits == seen && !r->stop && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&n->wake, &n->wake_lock, &t);
	pthread_mutex_unlock(&n->wake_lock);
}

static void *run(void *arg)
{
	struct runner *r = arg;

	while (!r->stop) {
		uint64_t seen = commits(r->notify);
		int64_t now = clock_wall_ms(), wake, wait;
		struct item item;

		if (lane_pick(r->lane, now, &item, 1, &wake)) {
			send_item(r->lane, &item, r->notify->cancel[0]);
			continue;
		}
		/* The clock may run faster than we sleep: look often while one is due. */
		wait = wake == INT64_MAX ? SLEEP_MAX_MS : wake - now;
		sleep_until(r, seen,
			    wait < 0				      ? 0
			    : wake != INT64_MAX && wait > DUE_POLL_MS ? DUE_POLL_MS
								      : wait);
	}
	r->ended = true;
	return NULL;
}

static void stop_runners(struct notify *n, struct runner *list)
{
	for (struct runner *r = list; r; r = r->next)
		r->stop = true;
	pthread_mutex_lock(&n->wake_lock);
	pthread_cond_broadcast(&n->wake);
	pthread_mutex_unlock(&n->wake_lock);
}

/* Frees retired runners whose last outcome is on disk. Under the lock. */
static void reap(struct notify *n)
{
	for (struct runner **at = &n->retired; *at;) {
		struct runner *r = *at;

		if (!r->ended || !atomic_load(&r->lane->settled)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		pthread_join(r->thread, NULL);
		lane_free(&r->lane);
		free(r);
	}
}

/* False: a thread is still in an attempt. */
static bool join_runners(struct runner *list, int64_t until_mono_ms)
{
	bool all = true;

	for (struct runner *r = list; r; r = r->next) {
		int64_t left = until_mono_ms - clock_mono_ms();
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		if (left > 0) {
			t.tv_sec += left / 1000;
			t.tv_nsec += left % 1000 * 1000000;
			t.tv_sec += t.tv_nsec / 1000000000;
			t.tv_nsec %= 1000000000;
		}
		if (!r->joined &&
		    pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, &t))
			all = false;
		else
			r->joined = true;
	}
	return all;
}

static bool join_all(struct notify *n, int64_t until_mono_ms)
{
	bool serving = join_runners(n->runners, until_mono_ms);

	return join_runners(n->retired, until_mono_ms) && serving;
}

static void free_runners(struct runner **list)
{
	while (*list) {
		struct runner *r = *list;

		*list = r->next;
		lane_free(&r->lane);
		free(r);
	}
}

/* --- a set of channels ---------------------------------------------------- */

void notify_free_entries(struct entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		channel_unref(&e[i].channel);
		counters_unref(&e[i].count);
	}
	free(e);
}

struct entry *notify_find(struct notify *n, const char *name)
{
	for (size_t i = 0; i < n->n_entries; i++)
		if (!strcmp(n->entries[i].channel->name, name))
			return &n->entries[i];
	return NULL;
}

/* All channels of opts, or NULL + err. */
static struct entry *build(struct notify *n, const struct notify_opts *opts,
			   struct err *err)
{
	struct entry *e = xcalloc(opts->n_channels, sizeof(*e));

	for (size_t i = 0; i < opts->n_channels; i++) {
		struct entry *old;

		e[i].channel = channel_new(&opts->channels[i], opts->base_url, err);
		for (size_t k = 0; e[i].channel && k < i; k++) {
			if (strcmp(e[k].channel->name, e[i].channel->name))
				continue;
			err_set(err, "notify %s: there are two of that name",
				e[i].channel->name);
			channel_unref(&e[i].channel);
		}
		if (!e[i].channel) {
			notify_free_entries(e, i);
			return NULL;
		}
		old = notify_find(n, e[i].channel->name);
		e[i].count = old ? counters_ref(old->count) : counters_new();
	}
	return e;
}

static struct runner *start_runner(struct notify *n, const struct entry *e)
{
	struct runner *r = xcalloc(1, sizeof(*r));

	r->notify = n;
	r->lane = lane_new(n->outbox, channel_ref(e->channel), 0, counters_ref(e->count));
	if (!pthread_create(&r->thread, NULL, run, r))
		return r;
	log_err("notify %s: no thread could be started; its messages wait",
		e->channel->name);
	lane_free(&r->lane);
	free(r);
	return NULL;
}

static void warn_insecure(const struct channel *c)
{
	if (c->insecure)
		log_warn(
		    "notify %s: insecure is set: the certificate is not checked, anybody "
		    "between can read and change what is sent",
		    c->name);
}

/* Serves the new set; the old one ends with what it has under way. Under the lock. */
static void serve(struct notify *n, struct entry *e, size_t n_entries)
{
	struct lane **lanes = NULL;
	struct runner *fresh = NULL, **last = &n->retired;
	size_t n_lanes = 0;

	stop_runners(n, n->runners);
	while (*last)
		last = &(*last)->next;
	*last = n->runners;
	for (size_t i = 0; i < n_entries; i++) {
		struct channel *c = e[i].channel;

		warn_insecure(c);
		if (c->kind != CHANNEL_WEBHOOK) {
			struct runner *r = start_runner(n, &e[i]);

			if (r) {
				r->next = fresh;
				fresh = r;
			}
			continue;
		}
		lanes =
		    xrealloc(lanes, n_lanes + channel_lanes(c), sizeof(struct lane *));
		for (unsigned k = 0; k < channel_lanes(c); k++)
			lanes[n_lanes++] = lane_new(n->outbox, channel_ref(c), k,
						    counters_ref(e[i].count));
	}
	n->runners = fresh;
	webhooks_set(n->webhooks, lanes, n_lanes);
	notify_free_entries(n->entries, n->n_entries);
	n->entries = e;
	n->n_entries = n_entries;
	reap(n);
}

/* --- public --------------------------------------------------------------- */

void notify_prepare(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	signal(SIGPIPE, SIG_IGN); /* libesmtp writes to sockets that may be gone */
}

static struct notify *fresh(void)
{
	struct notify *n = xcalloc(1, sizeof(*n));
	pthread_condattr_t attr;

	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->wake_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pipe2(n->cancel, O_CLOEXEC) < 0)
		n->cancel[0] = n->cancel[1] =
		    -1; /* then attempts end by their own time */
	return n;
}

static void free_notify(struct notify *n)
{
	notify_free_entries(n->entries, n->n_entries);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->wake_lock);
	pthread_cond_destroy(&n->wake);
	for (int i = 0; i < 2; i++)
		if (n->cancel[i] >= 0)
			close(n->cancel[i]);
	free(n);
}

struct notify *notify_start(const struct notify_opts *opts, struct err *err)
{
	struct notify *n = fresh();
	struct entry *e = build(n, opts, err);
	char *path = xasprintf("%s/outbox.db", opts->state_dir);

	notify_prepare();
	if (e)
		n->webhooks = webhooks_start(err);
	if (n->webhooks)
		n->outbox = outbox_open(path, on_commit, n, err);
	free(path);
	if (n->outbox) {
		pthread_mutex_lock(&n->lock);
		serve(n, e, opts->n_channels);
		pthread_mutex_unlock(&n->lock);
		return n;
	}
	if (n->webhooks)
		webhooks_stop(n->webhooks, 0);
	webhooks_free(&n->webhooks);
	if (e)
		notify_free_entries(e, opts->n_channels);
	free_notify(n);
	return NULL;
}

bool notify_reload(struct notify *n, const struct notify_opts *opts, struct err *err)
{
	struct entry *e;

	pthread_mutex_lock(&n->lock);
	e = build(n, opts, err);
	if (e)
		serve(n, e, opts->n_channels);
	pthread_mutex_unlock(&n->lock);
	return e;
}

void notify_stop(struct notify **np, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	struct notify *n = *np;
	bool joined;

	*np = NULL;
	if (!n)
		return;
	stop_runners(n, n->runners);
	webhooks_stop(n->webhooks, timeout_ms);
	joined = join_all(n, until);
	close(n->cancel[1]);
	n->cancel[1] = -1;
	until = clock_mono_ms() + CUT_MS;
	if (!joined)
		joined = join_all(n, until);
	if (!joined) {
		/* The resolver hangs, which nothing can cut. Its thread still uses all
		 * this; the process ends soon, and the outbox needs no orderly end. */
		outbox_flush(n->outbox);
		return;
	}
	if (!outbox_close(&n->outbox))
		log_err("the outbox could not be written at the end; alerts may be lost");
	webhooks_free(&n->webhooks);
	free_runners(&n->runners);
	free_runners(&n->retired);
	free_notify(n);
}

/* The queues of all channels that it names; how many. */
static size_t queues_of(struct notify *n, const struct alert *a,
			char names[QUEUES_MAX][LANE_QUEUE])
{
	size_t n_queues = 0;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < ALERT_NOTIFY && a->notify[i]; i++) {
		const struct entry *e = notify_find(n, a->notify[i]);

		if (!e) {
			n->unknown++;
			log_seldom(a->notify[i], 3600,
				   "an alert of rule %s is for channel %s, "
				   "which no notify section describes",
				   a->rule ? a->rule : "", a->notify[i]);
			continue;
		}
		if (e->channel->no_resolved && a->state == ALERT_RESOLVED && !a->was)
			continue;
		for (unsigned k = 0; k < channel_lanes(e->channel); k++)
			lane_queue(e->channel, k, names[n_queues++]);
	}
	pthread_mutex_unlock(&n->lock);
	return n_queues;
}

void notify_tell(struct notify *n, struct alert *a, const struct notify_note *notes,
		 size_t n_notes)
{
	char names[QUEUES_MAX][LANE_QUEUE];
	const char *queues[QUEUES_MAX];
	size_t n_queues = a ? queues_of(n, a, names) : 0;
	struct outbox_note *kept = xcalloc(n_notes, sizeof(*kept));

	for (size_t i = 0; i < n_queues; i++)
		queues[i] = names[i];
	for (size_t i = 0; i < n_notes; i++)
		kept[i] = (struct outbox_note){ notes[i].key, notes[i].text };
	if (!n_queues)
		alert_unref(&a);
	if (a || n_notes)
		outbox_put_noted(n->outbox, a, queues, n_queues, kept, n_notes);
	free(kept);
}

void notify_alert(struct notify *n, struct alert *a)
{
	notify_tell(n, a, NULL, 0);
}

bool notify_notes(struct notify *n, const char *prefix,
		  void (*fn)(void *arg, const char *key, const char *text), void *arg)
{
	return outbox_notes(n->outbox, prefix, fn, arg);
}

static const struct format *format_of(const struct channel_conf *c)
{
	return format_find(c->format && *c->format ? c->format : "json");
}

bool notify_acks(const struct channel_conf *c)
{
	const struct format *f = format_of(c);

	return c->kind == CHANNEL_WEBHOOK && f && f->acks;
}

bool notify_people(const struct channel_conf *c)
{
	const struct format *f = format_of(c);

	return c->kind == CHANNEL_EMAIL || (c->kind == CHANNEL_WEBHOOK && f && !f->machine);
}

bool notify_has_target(const struct channel_conf *c)
{
	const struct format *f = c->format ? format_find(c->format) : NULL;

	return f && f->default_url;
}

bool notify_sync(struct notify *n)
{
	return outbox_flush(n->outbox);
}
