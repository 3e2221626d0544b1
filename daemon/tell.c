/* tell.c - between evidence and the channels: one thread that keeps and tells.
 * SPDX-License-Identifier: ISC
 *
 * Decisions are made under one lock by whoever brings the news (the evidence thread, a
 * request, time itself) and are only written down as jobs; this thread does them, in
 * the order in which they were made. So no lock is held while the outbox may wait, an
 * end never overtakes its beginning, and history sees an alert before anybody is told.
 *
 * The time between two looks is short enough for gathering (alerts { gather }) and does
 * not depend on the clock's pace, which tests hasten. While nothing fires it is longer,
 * since ten looks a second are a cost that is seen beside that of the flows.
 */
#include "daemon/tell_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/notify/notify.h"

enum { LOOK_MS = 100, IDLE_MS = 1000, JOBS_MAX = 1024 };

static const char alive_key[] = "deadman/alive";

/* --- jobs: written under the lock, done without --- */

static struct job *add_job(struct tell *t, enum job_kind kind, struct alert *a)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->kind = kind;
	j->a = a;
	*t->last = j;
	t->last = &j->next;
	t->jobs++;
	return j;
}

static void on_send(void *arg, struct alert *a, const struct noise_note *notes, unsigned n)
{
	struct job *j = add_job(arg, JOB_SEND, a);

	j->notes = xcalloc(n, sizeof(*j->notes));
	for (; j->n_notes < n; j->n_notes++)
		j->notes[j->n_notes] = (struct noise_note){
			xstrdup(notes[j->n_notes].key),
			notes[j->n_notes].text ? xstrdup(notes[j->n_notes].text) : NULL };
}

static void on_changed(void *arg, struct alert *a)
{
	add_job(arg, JOB_CHANGED, a);
}

static struct alert *on_recall(void *arg, const char *id)
{
	struct tell *t = arg;

	return board_alert(t->opts.board, id);
}

static void keep(struct tell *t, const struct alert *a)
{
	board_pin(t->opts.board, a);
	t->opts.keep(t->opts.arg, a);
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* What is on the board gets the new marks. Beyond the thousand that are there, history has
 * what was known at the beginning. */
static void change(struct tell *t, const struct alert *marks)
{
	struct alert *had = board_alert(t->opts.board, marks->id), *a;

	if (!had || had->state != ALERT_FIRING) {
		alert_unref(&had);
		return;
	}
	a = alert_clone(had);
	alert_unref(&had);
	free(a->quiet);
	free(a->ack_by);
	free(a->ack_comment);
	a->quiet = copy(marks->quiet);
	a->ack_by = copy(marks->ack_by);
	a->ack_comment = copy(marks->ack_comment);
	a->ack_ms = marks->ack_ms;
	keep(t, a);
	alert_unref(&a);
}

static void sign(const struct tell *t, struct alert *a)
{
	int64_t from_ms = a->judged_ms ? a->judged_ms : clock_wall_ms();
	int64_t until_s = (from_ms + t->link_ms) / 1000;
	char path[LINK_PATH];

	if (!t->secret || !t->link_ms || !t->opts.base_url || a->state != ALERT_FIRING)
		return;
	if (!a->ack_ms)
		a->act_ack = xstrdup(link_path(t->secret, LINK_ACK, a->id, until_s, path));
	a->act_silence = xstrdup(link_path(t->secret, LINK_SILENCE, a->id, until_s, path));
}

static void do_job(struct tell *t, struct job *j)
{
	struct notify_note *notes = xcalloc(j->n_notes, sizeof(*notes));

	for (unsigned i = 0; i < j->n_notes; i++)
		notes[i] = (struct notify_note){ j->notes[i].key, j->notes[i].text };
	switch (j->kind) {
	case JOB_KEEP: keep(t, j->a); break;
	case JOB_CHANGED: change(t, j->a); break;
	case JOB_SEND:
		if (j->a)
			sign(t, j->a);
		notify_tell(t->opts.notify, j->a, notes, j->n_notes);
		j->a = NULL;
		break;
	}
	for (unsigned i = 0; i < j->n_notes; i++) {
		free(j->notes[i].key);
		free(j->notes[i].text);
	}
	free(j->notes);
	free(notes);
	alert_unref(&j->a);
	free(j);
}

/* --- that it is alive --- */

/* Under the lock. */
static void say_alive(struct tell *t, int64_t now)
{
	struct alert *a = alert_new();
	char host[64] = "", every[UNIT_TEXT], text[24], id[ALERT_ID];
	struct noise_note note = { (char *)alive_key, text };

	gethostname(host, sizeof(host) - 1);
	alert_new_id(id, now);
	memcpy(a->id, id, sizeof(id));
	a->rule = xstrdup("deadman");
	a->filter = xstrdup("");
	a->series = xasprintf("culpritd on %s", host);
	a->series_id = xstrdup("none");
	series_fingerprint("deadman", host, a->fingerprint);
	a->state = ALERT_RESOLVED;
	a->was = a->notice = true;
	a->measure.kind = MEASURE_FLOWS_S;
	a->severity = SEVERITY_INFO;
	a->sampling = 1;
	a->window_start_ms = now - t->deadman_ms;
	a->pending_ms = a->started_ms = a->ended_ms = a->judged_ms = a->window_end_ms = now;
	a->why = xasprintf("culpritd on %s is alive and watches %u exporters; %u alerts fire. "
			   "This comes every %s: when it does not, look whether it still runs and "
			   "can send.", host, names_exporters(t->opts.names),
			   board_firing(t->opts.board), text_duration(t->deadman_ms, every));
	for (size_t i = 0; i < t->n_deadman && i < ALERT_NOTIFY - 1; i++)
		a->notify[i] = xstrdup(t->deadman[i]);
	snprintf(text, sizeof(text), "%" PRId64, now);
	on_send(t, a, &note, 1);
	t->alive_ms = now;
}

/* --- the thread --- */

static void look(struct tell *t)
{
	int64_t now = clock_wall_ms();

	if (!t->begun)
		return;
	noise_tick(t->noise, now);
	if (t->deadman_ms && (now - t->alive_ms >= t->deadman_ms || now < t->alive_ms))
		say_alive(t, now);
}

/* Sleeps until there is a job, or it is time for a look. */
static void doze(struct tell *t)
{
	int64_t ms = noise_idle(t->noise) ? IDLE_MS : LOOK_MS;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&t->more, &t->lock, &until);
}

static void *run(void *arg)
{
	struct tell *t = arg;
	int64_t looked = 0;

	pthread_mutex_lock(&t->lock);
	while (t->first || !t->stop) {
		struct job *j = t->first;
		int64_t mono = clock_mono_ms();

		if (mono - looked >= LOOK_MS && !t->stop) {
			look(t);
			looked = mono;
			continue;
		}
		if (!j) {
			doze(t);
			continue;
		}
		t->first = j->next;
		if (!t->first)
			t->last = &t->first;
		pthread_mutex_unlock(&t->lock);
		do_job(t, j);
		pthread_mutex_lock(&t->lock);
		t->jobs--;
		pthread_cond_broadcast(&t->room);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --- starting and ending --- */

static void on_note(void *arg, const char *key, const char *text)
{
	struct tell *t = arg;

	if (!strcmp(key, alive_key))
		t->alive_ms = strtoll(text, NULL, 10);
	else
		noise_load(t->noise, key, text);
}

static void configure(struct tell *t, const struct config *c)
{
	for (size_t i = 0; i < t->n_deadman; i++)
		free(t->deadman[i]);
	free(t->deadman);
	t->link_ms = c->alerts.link_ms;
	t->deadman_ms = c->deadman.every_ms;
	t->deadman = xcalloc(c->deadman.n_notify, sizeof(*t->deadman));
	for (t->n_deadman = 0; t->n_deadman < c->deadman.n_notify; t->n_deadman++)
		t->deadman[t->n_deadman] = xstrdup(c->deadman.notify[t->n_deadman]);
}

static bool recall(struct tell *t)
{
	/* Groups first: alerts say which they are in. */
	static const char *const kinds[] = { "group/", "silence/", "flap/", "alert/", "deadman/" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!notify_notes(t->opts.notify, kinds[i], on_note, t))
			return false;
	return true;
}

struct tell *tell_start(const struct tell_opts *o, struct err *err)
{
	struct tell *t = xcalloc(1, sizeof(*t));
	struct noise_out out = { on_send, on_changed, on_recall, t };
	char *path = xasprintf("%s/link.key", o->config->state_dir);
	pthread_condattr_t attr;
	struct err why = { "" };

	t->opts = *o;
	t->opts.config = NULL;
	t->last = &t->first;
	t->alive_ms = INT64_MIN / 2;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->more, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&t->room, NULL);
	configure(t, o->config);
	t->secret = link_secret(path, &why);
	free(path);
	if (!t->secret)
		log_warn("%s; messages go without addresses that acknowledge", why.msg);
	t->noise = noise_new(tell_conf(o->config), o->names, o->calendar, &out);
	if (!recall(t))
		log_err("the outbox could not be read; silences and who was told may be forgotten");
	t->running = !pthread_create(&t->thread, NULL, run, t);
	if (!t->running) {
		err_set(err, "no more threads can be started");
		tell_stop(&t);
		return NULL;
	}
	pthread_setname_np(t->thread, "tell");
	return t;
}

void tell_stop(struct tell **tp)
{
	struct tell *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->more);
	pthread_mutex_unlock(&t->lock);
	if (t->running)
		pthread_join(t->thread, NULL);
	noise_free(&t->noise);
	for (size_t i = 0; i < t->n_restored; i++)
		alert_unref(&t->restored[i]);
	for (size_t i = 0; i < t->n_deadman; i++)
		free(t->deadman[i]);
	free(t->deadman);
	free(t->restored);
	free(t->secret);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->more);
	pthread_cond_destroy(&t->room);
	free(t);
}

void tell_reload(struct tell *t, const struct config *c)
{
	pthread_mutex_lock(&t->lock);
	configure(t, c);
	noise_reload(t->noise, tell_conf(c), clock_wall_ms());
	pthread_mutex_unlock(&t->lock);
}

void tell_restored(struct tell *t, const struct alert *a)
{
	pthread_mutex_lock(&t->lock);
	t->restored = xrealloc(t->restored, t->n_restored + 1, sizeof(*t->restored));
	t->restored[t->n_restored++] = alert_copy(a);
	pthread_mutex_unlock(&t->lock);
}

static int by_id(const void *x, const void *y)
{
	return strcmp((*(struct alert *const *)x)->id, (*(struct alert *const *)y)->id);
}

static bool goes_on(void *arg, const char *id)
{
	const struct tell *t = arg;
	struct alert key = { .state = ALERT_FIRING };
	const struct alert *k = &key;

	snprintf(key.id, sizeof(key.id), "%s", id);
	return t->n_restored &&
	       bsearch(&k, t->restored, t->n_restored, sizeof(k), by_id) != NULL;
}

/* What was kept as firing by history, but by nobody here, was on its way when we were
 * killed: it is told now, or looked into first where that had not been done. */
void tell_begin(struct tell *t)
{
	int64_t now = clock_wall_ms();
	struct alert **bare = xcalloc(t->n_restored + 1, sizeof(*bare));
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	if (t->n_restored)
		qsort(t->restored, t->n_restored, sizeof(*t->restored), by_id);
	noise_begin(t->noise, goes_on, t, now);
	for (size_t i = 0; i < t->n_restored; i++) {
		struct alert *a = t->restored[i];

		if (!noise_knows(t->noise, a->id)) {
			struct alert *full = board_alert(t->opts.board, a->id);
			struct alert *own = alert_clone(full ? full : a);

			alert_unref(&full);
			if (!own->why || !*own->why) {
				bare[n++] = own;
			} else {
				add_job(t, JOB_KEEP, own);
				noise_alert(t->noise, own, now);
			}
		}
		alert_unref(&a);
	}
	free(t->restored);
	t->restored = NULL;
	t->n_restored = 0;
	t->begun = true;
	pthread_cond_broadcast(&t->more);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < n; i++)
		t->opts.untold(t->opts.arg, bare[i]);
	free(bare);
}

void tell_alert(struct tell *t, struct alert *a)
{
	pthread_mutex_lock(&t->lock);
	while (t->jobs > JOBS_MAX && !t->stop)
		pthread_cond_wait(&t->room, &t->lock);
	add_job(t, JOB_KEEP, a); /* before its messages; marked by what follows */
	noise_alert(t->noise, a, clock_wall_ms());
	pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&t->lock);
}

void tell_sync(struct tell *t)
{
	pthread_mutex_lock(&t->lock);
	pthread_cond_signal(&t->more);
	while (t->jobs && !t->stop)
		pthread_cond_wait(&t->room, &t->lock);
	pthread_mutex_unlock(&t->lock);
	notify_sync(t->opts.notify);
}

bool tell_untrained(struct tell *t, const struct rule *r, const struct key *k,
		    int64_t from_ms, int64_t to_ms)
{
	char id[SERIES_TEXT], text[SERIES_TEXT];
	struct labels l;
	bool no;

	labels_of_series(r->name, r->severity, r->by, k, t->opts.names, id, text, &l);
	pthread_mutex_lock(&t->lock);
	no = noise_untrained(t->noise, &l, from_ms, to_ms);
	pthread_mutex_unlock(&t->lock);
	return no;
}
