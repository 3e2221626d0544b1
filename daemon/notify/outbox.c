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
 * Locks: `lock` for the list of what was handed over, `db` for the database;
 * never both at once.
 */
#include "daemon/notify/outbox.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/notify/format.h"
#include "daemon/notify/outbox_db.h"

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

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	struct op *first, **last;
	size_t waiting; /* ops in the list and in the commit under way */
	bool stop, failed;
	pthread_t thread;
	pthread_mutex_t db_lock;
	struct outbox_db db;
	int64_t swept_ms;
	void (*wake)(void *arg);
	void *arg;
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

bool outbox_notes(struct outbox *o, const char *prefix,
		  void (*fn)(void *arg, const char *key, const char *text), void *arg)
{
	sqlite3_stmt *st;
	int rc;

	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_NOTES, "t", prefix);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		fn(arg, (const char *)sqlite3_column_text(st, 0),
		   (const char *)sqlite3_column_text(st, 1));
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
	return rc == SQLITE_DONE;
}

void outbox_dead(struct outbox *o, unsigned max,
		 void (*fn)(void *arg, const struct outbox_letter *l), void *arg)
{
	sqlite3_stmt *st;

	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_LETTERS, "i", (int64_t)max);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct outbox_letter l = {
			.queue = (const char *)sqlite3_column_text(st, 0),
			.alert = (const char *)sqlite3_column_text(st, 1),
			.headline = (const char *)sqlite3_column_text(st, 2),
			.note = (const char *)sqlite3_column_text(st, 3),
			.made_ms = sqlite3_column_int64(st, 4),
			.given_up_ms = sqlite3_column_int64(st, 5),
			.attempts = (unsigned)sqlite3_column_int(st, 6),
		};

		fn(arg, &l);
	}
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
}

void outbox_settle(struct outbox *o, const struct item *it, const struct settling *s)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->id = it->id;
	op->s = *s;
	hand_over(o, op);
}

static void column(sqlite3_stmt *st, int i, char *out, size_t room)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	snprintf(out, room, "%s", s ? s : "");
}

static void read_item(sqlite3_stmt *st, struct item *it)
{
	const char *subject = (const char *)sqlite3_column_text(st, 10);

	*it = (struct item){
		.id = sqlite3_column_int64(st, 0),
		.made_ms = sqlite3_column_int64(st, 1),
		.kind = (enum item_kind)sqlite3_column_int(st, 2),
		.attempts = (unsigned)sqlite3_column_int(st, 3),
		.first = sqlite3_column_int(st, 6),
		.body = xstrdup((const char *)sqlite3_column_text(st, 7)),
		.subject = subject ? xstrdup(subject) : NULL,
	};
	column(st, 4, it->key, sizeof(it->key));
	column(st, 5, it->alert, sizeof(it->alert));
	column(st, 8, it->thread, sizeof(it->thread));
	column(st, 9, it->remote, sizeof(it->remote));
}

unsigned outbox_next(struct outbox *o, const char *queue, int64_t now_ms,
		     struct item *items, unsigned max, int64_t *next_ms)
{
	sqlite3_stmt *st;
	unsigned n = 0;

	*next_ms = INT64_MAX;
	pthread_mutex_lock(&o->db_lock);
	outbox_run(&o->db, SQL_SERVED, "ti", queue, now_ms);
	st = outbox_bound(&o->db, SQL_NEXT, "tii", queue, now_ms, (int64_t)max);
	while (n < max && sqlite3_step(st) == SQLITE_ROW)
		read_item(st, &items[n++]);
	sqlite3_reset(st);
	for (unsigned i = 0; i < n; i++)
		outbox_run(&o->db, SQL_CLAIM, "i", items[i].id);
	st = outbox_bound(&o->db, SQL_SOONEST, "t", queue);
	if (!n && sqlite3_step(st) == SQLITE_ROW &&
	    sqlite3_column_type(st, 0) != SQLITE_NULL)
		*next_ms = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
	return n;
}

uint64_t outbox_open_rows(struct outbox *o, const char *queue, int64_t *oldest_ms)
{
	sqlite3_stmt *st;
	uint64_t n = 0;

	*oldest_ms = 0;
	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_OPEN, "t", queue);
	if (sqlite3_step(st) == SQLITE_ROW) {
		n = (uint64_t)sqlite3_column_int64(st, 0);
		*oldest_ms = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
	return n;
}

void outbox_last_sent(struct outbox *o, const char *queue, int64_t *at_ms, unsigned n)
{
	sqlite3_stmt *st;

	memset(at_ms, 0, n * sizeof(*at_ms));
	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_LAST_SENT, "ti", queue, (int64_t)n);
	for (unsigned i = 0; i < n && sqlite3_step(st) == SQLITE_ROW; i++)
		at_ms[i] = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
}

static json_t *digest_json(struct outbox_db *d, const char *queue, uint64_t *n)
{
	sqlite3_stmt *st = outbox_bound(d, SQL_DIGEST_SUM, "t", queue);
	json_t *j = json_object(), *lines = json_array();

	*n = 0;
	if (sqlite3_step(st) == SQLITE_ROW) {
		*n =
		    (uint64_t)(sqlite3_column_int64(st, 0) + sqlite3_column_int64(st, 1));
		json_object_set_new(j, "firing",
				    json_integer(sqlite3_column_int64(st, 0)));
		json_object_set_new(j, "resolved",
				    json_integer(sqlite3_column_int64(st, 1)));
		json_object_set_new(j, "from_ms",
				    json_integer(sqlite3_column_int64(st, 2)));
		json_object_set_new(j, "to_ms",
				    json_integer(sqlite3_column_int64(st, 3)));
	}
	sqlite3_reset(st);
	st = outbox_bound(d, SQL_DIGEST_LINES, "ti", queue, (int64_t)DIGEST_TOP);
	while (sqlite3_step(st) == SQLITE_ROW)
		json_array_append_new(lines, json_pack("{s:s, s:i, s:i}", "headline",
			sqlite3_column_text(st, 0), "state", sqlite3_column_int(st, 1),
			"severity", sqlite3_column_int(st, 2)));
	sqlite3_reset(st);
	json_object_set_new(j, "lines", lines);
	return j;
}

uint64_t outbox_digest(struct outbox *o, const char *queue, int64_t now_ms)
{
	struct outbox_db *d = &o->db;
	char id[ALERT_ID], key[OUTBOX_KEY], *body;
	int64_t message;
	uint64_t n = 0;
	json_t *j;
	bool ok;

	alert_new_id(id, now_ms);
	snprintf(key, sizeof(key), "%s.digest", id);
	pthread_mutex_lock(&o->db_lock);
	ok = outbox_run(d, SQL_BEGIN, "");
	j = digest_json(d, queue, &n);
	body = json_dumps(j, JSON_COMPACT);
	ok = ok && n && body &&
	     outbox_run(d, SQL_MESSAGE, "iitiitt", now_ms, (int64_t)ITEM_DIGEST, "",
			(int64_t)0, (int64_t)0, "", body);
	message = sqlite3_last_insert_rowid(d->db);
	ok = ok && outbox_run(d, SQL_DIGEST_TAKE, "tii", queue, now_ms, message) &&
	     outbox_run(d, SQL_ROW, "itttii", message, queue, "", key, (int64_t)1,
			now_ms) &&
	     outbox_run(d, SQL_COMMIT, "");
	if (!ok && !sqlite3_get_autocommit(d->db))
		outbox_run(d, SQL_ROLLBACK, "");
	pthread_mutex_unlock(&o->db_lock);
	free(body);
	json_decref(j);
	return ok ? n : 0;
}

unsigned outbox_active(struct outbox *o, const char *queue, int64_t resolved_ms,
		       int64_t after_id, struct item *items, unsigned max)
{
	sqlite3_stmt *st;
	unsigned n = 0;

	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_ACTIVE, "tiii", queue, resolved_ms, after_id,
			  (int64_t)max);
	while (n < max && sqlite3_step(st) == SQLITE_ROW) {
		items[n] = (struct item){
			.id = sqlite3_column_int64(st, 0),
			.body = xstrdup((const char *)sqlite3_column_text(st, 1)),
		};
		n++;
	}
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
	return n;
}

struct outbox_count outbox_count(struct outbox *o, const char *queue)
{
	struct outbox_count c = { 0 };
	sqlite3_stmt *st;

	pthread_mutex_lock(&o->db_lock);
	st = outbox_bound(&o->db, SQL_COUNT, "t", queue);
	if (sqlite3_step(st) == SQLITE_ROW) {
		c.open = (uint64_t)sqlite3_column_int64(st, 0);
		c.dead = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	pthread_mutex_unlock(&o->db_lock);
	return c;
}

uint64_t outbox_retry(struct outbox *o, const char *queue)
{
	int64_t now = clock_wall_ms();
	uint64_t n = 0;

	pthread_mutex_lock(&o->db_lock);
	if (queue ? outbox_run(&o->db, SQL_RETRY, "ti", queue, now)
		  : outbox_run(&o->db, SQL_RETRY_ALL, "i", now))
		n = (uint64_t)sqlite3_changes(o->db.db);
	pthread_mutex_unlock(&o->db_lock);
	if (n && o->wake)
		o->wake(o->arg);
	return n;
}
