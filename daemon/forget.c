/* forget.c - takes URLs and clients out of alerts when their time is over.
 * SPDX-License-Identifier: ISC
 *
 * Requests beside the archive go with their files; alerts name some of them, and are kept for
 * years in the store. So they are read again, and those over their time are put once more,
 * without (alert_forget.c): an ordinary put, so every store can do it, and the writer keeps
 * the order and bears a store that is away. The first turn reads all alerts, later ones only
 * those that may have come of age since; looked at are those whose text has a sign of a URL.
 * The turns are a tenth of the retention apart, an hour at most, so something may be
 * kept so much longer in the store; the API leaves it out at once.
 */
#include "daemon/forget.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/model/alert.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURN_MIN_MS = 1000, TURN_MAX_MS = 3600000 };
static const int64_t longest_ms = INT64_C(32) * 86400000; /* that an alert may last */

struct forget {
	struct forget_opts opts;
	char *url, *password_file;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	bool stop;
};

struct run {
	const struct forget_opts *opts;
	int64_t before_ms;
	int n;
};

static bool look(void *arg, const char *key, const void *data, size_t len)
{
	struct run *r = arg;
	json_t *j = alert_text_may_forget(data, len) ? json_loadb(data, len, 0, NULL) : NULL;
	const char *state = json_string_value(json_object_get(j, "status"));
	const char *started = json_string_value(json_object_get(j, "started_at"));
	char *text;

	if (state && started && alert_json_forget(j, r->before_ms)) {
		text = json_dumps(j, JSON_COMPACT);
		writer_put(r->opts->writer,
			   &(struct put){ .kind = PUT_ALERT, .key = key, .data = text,
					  .len = strlen(text), .at_ms = alert_time(started),
					  .state = state });
		free(text);
		r->n++;
	}
	json_decref(j);
	return true;
}

int forget_run(const struct forget_opts *o, int64_t from_ms, int64_t now_ms, struct err *err)
{
	struct run r = { .opts = o, .before_ms = now_ms - o->keep_ms };
	struct store_opts so = o->store;
	struct store *s;
	bool ok;

	so.read_only = true;
	s = store_open(o->url, &so, err);
	ok = s && (r.before_ms <= from_ms ||
		   store_each_alert(s, from_ms, r.before_ms, SIZE_MAX, look, &r, err));
	if (s)
		store_close(&s);
	return ok ? r.n : -1;
}

/* Under the lock; true: it is time to stop. */
static bool wait_turn(struct forget *f, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	while (!f->stop && !pthread_cond_timedwait(&f->turn, &f->lock, &until))
		continue;
	return f->stop;
}

static void *run(void *arg)
{
	struct forget *f = arg;
	int64_t every_ms = f->opts.keep_ms / 10, from_ms = 0;

	every_ms = every_ms < TURN_MIN_MS ? TURN_MIN_MS
		 : every_ms > TURN_MAX_MS ? TURN_MAX_MS : every_ms;
	pthread_mutex_lock(&f->lock);
	while (!wait_turn(f, every_ms)) {
		int64_t now_ms = clock_wall_ms();
		struct err err = { "" };
		int n;

		pthread_mutex_unlock(&f->lock);
		n = forget_run(&f->opts, from_ms, now_ms, &err);
		if (n > 0)
			log_info("history: took URLs and clients out of %d alerts, as privacy "
				 "{ keep } says", n);
		if (n < 0)
			log_seldom("forget", 3600, "history: URLs of old alerts could not be "
				   "taken out: %s; it is tried again", err.msg);
		else if (now_ms - f->opts.keep_ms > longest_ms)
			from_ms = now_ms - f->opts.keep_ms - longest_ms;
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct forget *forget_start(const struct forget_opts *o)
{
	struct forget *f;
	pthread_condattr_t attr;

	if (o->keep_ms <= 0)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->opts = *o;
	f->opts.url = f->url = xstrdup(o->url);
	f->password_file = xstrdup(o->store.password_file ? o->store.password_file : "");
	f->opts.store.password_file = f->password_file;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->turn, &attr);
	pthread_condattr_destroy(&attr);
	if (!pthread_create(&f->thread, NULL, run, f)) {
		pthread_setname_np(f->thread, "forget");
		return f;
	}
	log_err("history: no thread can be made; URLs of old alerts stay in it");
	free(f->url);
	free(f->password_file);
	free(f);
	return NULL;
}

void forget_stop(struct forget **fp)
{
	struct forget *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->turn);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->turn);
	pthread_mutex_destroy(&f->lock);
	free(f->url);
	free(f->password_file);
	free(f);
}
