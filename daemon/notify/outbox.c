/* outbox.c - what must be told, on disk before it is told.
 * SPDX-License-Identifier: ISC
 *
 * One thread writes. It takes everything that was handed over since its last
 * commit and commits that together, so a storm costs one fsync for many alerts
 * and a single alert waits for nobody. Outcomes of attempts go the same way;
 * a queue is not served again before its last outcome is on disk, which is why
 * kill -9 gives at most one duplicate a queue, with the same key.
 *
 * The idempotency key is made of the alert's id, its state and the time of its
 * verdict: the same message handed over twice is one row, a reminder is another.
 *
 * When the disk does not take a commit, what was handed over stays in memory
 * and is tried again each second; the reserve (outbox_db.c) is given up first.
 *
 * What queues and people ask of it is in outbox_ask.c.
 *
 * Locks: `lock` for the list of what was handed over, `db` for the database;
 * never both at once.
 */
#include "daemon/notify/outbox_impl.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

enum { HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS, COMMIT_MAX = 1024 };

struct op {
	struct op *next;
	struct alert *alert; /* a message; NULL, and no notes: an outcome */
	char **queues;
	size_t n;
	struct kept_note {
		char *key, *text;
	} *notes;
	size_t n_notes;
	int64_t id;
	struct settling s;
};

void item_fini(struct item *it)
{
	free(it->subject);
	free(it->body);
	*it = (struct item){ 0 };
}

static void free_op(struct op *op)
{
	for (size_t i = 0; i < op->n; i++)
		free(op->queues[i]);
	for (size_t i = 0; i < op->n_notes; i++) {
		free(op->notes[i].key);
		free(op->notes[i].text);
	}
	free(op->notes);
	free(op->queues);
	alert_unref(&op->alert);
	free(op);
}

/* --- the writer ---------------------------------------------------------- */

static void make_key(const struct alert *a, char key[static OUTBOX_KEY])
{
	const char *word = a->was			? "was"
			   : a->state == ALERT_RESOLVED ? "resolved"
							: "firing";

	snprintf(key, OUTBOX_KEY, "%s.%s.%" PRIx64, a->id, word, (uint64_t)a->judged_ms);
}

static bool write_alert(struct outbox_db *d, const struct op *op, int64_t now)
{
	json_t *j = alert_json(op->alert, NULL);
	char *body = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(15));
	const struct alert *a = op->alert;
	char headline[160], key[OUTBOX_KEY];
	int64_t message;
	bool ok;

	json_decref(j);
	if (!body)
		return true; /* cannot be: alert_json gives only what can be written */
	alert_headline(a, headline);
	make_key(a, key);
	ok = outbox_run(d, SQL_MESSAGE, "iitiitt", now, (int64_t)ITEM_ALERT, a->id,
			(int64_t)a->state, (int64_t)a->severity, headline, body);
	message = sqlite3_last_insert_rowid(d->db);
	for (size_t i = 0; ok && i < op->n; i++) {
		int64_t fresh;

		ok = outbox_run(d, SQL_THREAD, "tttti", op->queues[i], a->id, key,
				headline, now);
		fresh = sqlite3_changes(d->db);
		ok = ok && outbox_run(d, SQL_ROW, "itttii", message, op->queues[i], a->id,
				      key, fresh, now);
	}
	free(body);
	return ok;
}

static bool write_notes(struct outbox_db *d, const struct op *op)
{
	bool ok = true;

	for (size_t i = 0; ok && i < op->n_notes; i++)
		ok = op->notes[i].text
			 ? outbox_run(d, SQL_NOTE, "tt", op->notes[i].key, op->notes[i].text)
			 : outbox_run(d, SQL_NOTE_GONE, "t", op->notes[i].key);
	return ok;
}

static bool write_outcome(struct outbox_db *d, const struct op *op)
{
	bool ok = false;

	switch (op->s.how) {
	case SETTLE_SENT:
		ok = outbox_run(d, SQL_SENT, "ii", op->id, op->s.now_ms);
		break;
	case SETTLE_LATER:
		ok = outbox_run(d, SQL_LATER, "iit", op->id, op->s.next_ms, op->s.note);
		break;
	case SETTLE_DEAD:
		ok = outbox_run(d, SQL_DEAD, "iit", op->id, op->s.now_ms, op->s.note);
		break;
	}
	if (ok && *op->s.remote)
		ok = outbox_run(d, SQL_REMOTE, "it", op->id, op->s.remote);
	return ok && outbox_run(d, SQL_UNCLAIM, "i", op->id);
}

/* What nobody needs any more; once an hour. */
static bool sweep(struct outbox *o, int64_t now)
{
	struct outbox_db *d = &o->db;

	if (now - o->swept_ms < HOUR_MS && now >= o->swept_ms)
		return true;
	o->swept_ms = now;
	return outbox_run(d, SQL_OLD_ROWS, "ii", now - 7ll * DAY_MS,
			  now - 30ll * DAY_MS) &&
	       outbox_run(d, SQL_OLD_OPEN, "iii", now, now - 26ll * HOUR_MS,
			  now - HOUR_MS) &&
	       outbox_run(d, SQL_OLD_MESSAGES, "") &&
	       outbox_run(d, SQL_OLD_THREADS, "i", now - 400ll * DAY_MS);
}

static bool commit_once(struct outbox *o, const struct op *ops)
{
	struct outbox_db *d = &o->db;
	int64_t now = clock_wall_ms();
	bool ok = outbox_run(d, SQL_BEGIN, "");

	for (const struct op *op = ops; ok && op; op = op->next)
		ok = op->alert || op->n_notes ? (!op->alert || write_alert(d, op, now)) &&
						    write_notes(d, op)
					      : write_outcome(d, op);
	ok = ok && sweep(o, now) && outbox_run(d, SQL_COMMIT, "");
	if (!ok) {
		log_seldom("outbox", 60,
			   "the outbox cannot be written (%s): %s; alerts wait in "
			   "memory until it can",
			   d->path, sqlite3_errmsg(d->db));
		if (!sqlite3_get_autocommit(d->db))
			outbox_run(d, SQL_ROLLBACK, "");
	}
	return ok;
}

static bool commit(struct outbox *o, const struct op *ops)
{
	bool ok;

	pthread_mutex_lock(&o->db_lock);
	ok = commit_once(o, ops) || (outbox_db_release(&o->db) && commit_once(o, ops));
	pthread_mutex_unlock(&o->db_lock);
	return ok;
}

static void committed(struct outbox *o, struct op *ops)
{
	size_t n = 0;

	for (struct op *next; ops; ops = next, n++) {
		next = ops->next;
		if (ops->s.done)
			atomic_store(ops->s.done, true);
		free_op(ops);
	}
	pthread_mutex_lock(&o->lock);
	o->waiting -= n;
	pthread_cond_broadcast(&o->room);
	pthread_mutex_unlock(&o->lock);
	if (o->wake)
		o->wake(o->arg);
}

/* Waits until something was handed over or it is time to stop; takes up to
 * COMMIT_MAX of it. NULL: stop. */
static struct op *take(struct outbox *o)
{
	struct op *ops, *last;
	size_t n = 1;

	pthread_mutex_lock(&o->lock);
	while (!o->first && !o->stop)
		pthread_cond_wait(&o->more, &o->lock);
	ops = last = o->first;
	for (; last && last->next && n < COMMIT_MAX; n++)
		last = last->next;
	o->first = last ? last->next : NULL;
	if (last)
		last->next = NULL;
	if (!o->first)
		o->last = &o->first;
	pthread_mutex_unlock(&o->lock);
	return ops;
}

/* A second until the next try; false when the outbox is being closed. */
static bool pause_a_second(struct outbox *o)
{
	struct timespec t;
	bool go_on;

	clock_gettime(CLOCK_REALTIME, &t); /* what pthread_cond_timedwait counts by */
	t.tv_sec++;
	pthread_mutex_lock(&o->lock);
	if (!o->stop)
		pthread_cond_timedwait(&o->more, &o->lock, &t);
	go_on = !o->stop;
	pthread_mutex_unlock(&o->lock);
	return go_on;
}

static void *writer(void *arg)
{
	struct outbox *o = arg;
	struct op *ops;

	while ((ops = take(o))) {
		bool ok, late = false;

		while (!(ok = commit(o, ops)) && pause_a_second(o))
			late = true;
		if (ok && late) {
			log_info("the outbox can be written again");
			outbox_db_reserve(&o->db);
		}
		o->failed = o->failed || !ok;
		committed(o, ops);
	}
	return NULL;
}

static void hand_over(struct outbox *o, struct op *op)
{
	pthread_mutex_lock(&o->lock);
	while ((op->alert || op->n_notes) && o->waiting >= OUTBOX_WAITING && !o->stop)
		pthread_cond_wait(&o->room, &o->lock);
	*o->last = op;
	o->last = &op->next;
	o->waiting++;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
}

/* --- public -------------------------------------------------------------- */

struct outbox *outbox_open(const char *path, void (*wake)(void *arg), void *arg,
			   struct err *err)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	if (!outbox_db_open(&o->db, path, err)) {
		free(o);
		return NULL;
	}
	o->last = &o->first;
	o->swept_ms = clock_wall_ms(); /* not before channels had time to ask for theirs */
	o->wake = wake;
	o->arg = arg;
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->db_lock, NULL);
	pthread_cond_init(&o->more, NULL);
	pthread_cond_init(&o->room, NULL);
	if (pthread_create(&o->thread, NULL, writer, o)) {
		err_set(err, "no thread for the outbox could be started");
		outbox_db_close(&o->db);
		free(o);
		return NULL;
	}
	return o;
}

bool outbox_close(struct outbox **op)
{
	struct outbox *o = *op;
	bool ok;

	*op = NULL;
	if (!o)
		return true;
	pthread_mutex_lock(&o->lock);
	o->stop = true;
	pthread_cond_broadcast(&o->more);
	pthread_cond_broadcast(&o->room);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	ok = !o->failed;
	outbox_db_close(&o->db);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->db_lock);
	pthread_cond_destroy(&o->more);
	pthread_cond_destroy(&o->room);
	free(o);
	return ok;
}

bool outbox_flush(struct outbox *o)
{
	struct timespec t;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 5;
	pthread_mutex_lock(&o->lock);
	while (o->waiting && !rc)
		rc = pthread_cond_timedwait(&o->room, &o->lock, &t);
	pthread_mutex_unlock(&o->lock);
	return !rc;
}

void outbox_put_noted(struct outbox *o, struct alert *a, const char *const *queues, size_t n,
		      const struct outbox_note *notes, size_t n_notes)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->alert = a;
	op->queues = xcalloc(n, sizeof(*op->queues));
	for (; op->n < n; op->n++)
		op->queues[op->n] = xstrdup(queues[op->n]);
	op->notes = xcalloc(n_notes, sizeof(*op->notes));
	for (; op->n_notes < n_notes; op->n_notes++) {
		const struct outbox_note *x = &notes[op->n_notes];

		op->notes[op->n_notes].key = xstrdup(x->key);
		op->notes[op->n_notes].text = x->text ? xstrdup(x->text) : NULL;
	}
	hand_over(o, op);
}

void outbox_put(struct outbox *o, struct alert *a, const char *const *queues, size_t n)
{
	outbox_put_noted(o, a, queues, n, NULL, 0);
}

void outbox_settle(struct outbox *o, const struct item *it, const struct settling *s)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->id = it->id;
	op->s = *s;
	hand_over(o, op);
}
