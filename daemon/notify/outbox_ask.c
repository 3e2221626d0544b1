/* outbox_ask.c - what waits in the outbox, what is due, what was given up.
 * SPDX-License-Identifier: ISC
 *
 * Channels ask for their next items, people for counts and dead letters, a start for what
 * was noted. Each question holds the database's lock and nothing else. Two of them write,
 * in a transaction of their own, since whoever asks goes on with the answer: a digest
 * takes the place of what waits, and `notify retry` makes dead letters due again.
 */
#include "daemon/notify/outbox_impl.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/notify/format.h"

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
