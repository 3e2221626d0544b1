/* outbox_db.c - the outbox's file: its tables, statements and repair.
 * SPDX-License-Identifier: ISC
 *
 * message: what is to be told, once. delivery: one row for each queue that tells
 * it; state 0 open, 1 sent, 2 dead letter, 3 went out in a digest. thread: the
 * first message of a queue about an alert, which later ones answer. claim lives
 * in memory: rows that an attempt is made for right now; after kill -9 nothing
 * is claimed, and every open row is due at once. note: what decides about messages (who
 * was told what, silences) and so must never be older or newer than they are.
 *
 * synchronous=FULL in WAL mode is one fsync a commit. A file that SQLite cannot
 * read is moved aside, never deleted: it may hold what nobody was told. Beside
 * it lie 4 MiB of reserve, so that a disk that other programs filled does not
 * stop alerts.
 */
#include "daemon/notify/outbox_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

enum { VERSION = 1, RESERVE = 4 << 20 };

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS message(id INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, alert TEXT NOT NULL, state INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, headline TEXT NOT NULL, body TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS delivery(id INTEGER PRIMARY KEY, message INTEGER NOT "
    "NULL,"
    " queue TEXT NOT NULL, alert TEXT NOT NULL, key TEXT NOT NULL, first INTEGER NOT "
    "NULL,"
    " state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,"
    " made_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL DEFAULT 0,"
    " done_ms INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '',"
    " UNIQUE(queue, key)) STRICT;"
    "CREATE INDEX IF NOT EXISTS delivery_open ON delivery(queue, id) WHERE state = 0;"
    "CREATE INDEX IF NOT EXISTS delivery_dead ON delivery(queue) WHERE state = 2;"
    "CREATE INDEX IF NOT EXISTS delivery_sent ON delivery(queue, done_ms) WHERE state = "
    "1;"
    "CREATE INDEX IF NOT EXISTS delivery_alert ON delivery(queue, alert, id)"
    " WHERE state = 0;"
    "CREATE INDEX IF NOT EXISTS delivery_message ON delivery(message);"
    "CREATE INDEX IF NOT EXISTS message_alert ON message(alert, state);"
    "CREATE TABLE IF NOT EXISTS thread(queue TEXT NOT NULL, alert TEXT NOT NULL,"
    " key TEXT NOT NULL, subject TEXT NOT NULL, remote TEXT NOT NULL DEFAULT '',"
    " at_ms INTEGER NOT NULL, PRIMARY KEY(queue, alert)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS note(key TEXT PRIMARY KEY, text TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TEMP TABLE claim(id INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE served(queue TEXT PRIMARY KEY, at_ms INTEGER) WITHOUT ROWID;"
    "UPDATE delivery SET next_ms = 0 WHERE state = 0;"
    "PRAGMA user_version = 1;"
    "COMMIT";

#define UNCLAIMED " AND d.id NOT IN (SELECT id FROM claim)"
/* Nothing about an alert goes out before what is older about it. */
#define IN_TURN " AND (d.alert = '' OR NOT EXISTS (SELECT 1 FROM delivery e WHERE" \
		" e.queue = ?1 AND e.alert = d.alert AND e.id < d.id AND e.state = 0))"

static const char *const sql[SQL_COUNT_OF_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	/* made, kind, alert, state, severity, headline, body */
	[SQL_MESSAGE] =
	    "INSERT INTO message(made_ms, kind, alert, state, severity, headline,"
	    " body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	/* queue, alert, key, subject, now */
	[SQL_THREAD] = "INSERT OR IGNORE INTO thread(queue, alert, key, subject, at_ms)"
		       " VALUES(?1, ?2, ?3, ?4, ?5)",
	/* message, queue, alert, key, first, made */
	[SQL_ROW] =
	    "INSERT OR IGNORE INTO delivery(message, queue, alert, key, first, made_ms)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_SENT] =
	    "UPDATE delivery SET state = 1, attempts = attempts + 1, done_ms = ?2,"
	    " note = '' WHERE id = ?1",
	[SQL_LATER] =
	    "UPDATE delivery SET attempts = attempts + 1, next_ms = ?2, note = ?3"
	    " WHERE id = ?1",
	[SQL_DEAD] =
	    "UPDATE delivery SET state = 2, attempts = attempts + 1, done_ms = ?2,"
	    " note = ?3 WHERE id = ?1",
	[SQL_REMOTE] =
	    "UPDATE thread SET remote = ?2 WHERE remote = '' AND (queue, alert) ="
	    " (SELECT queue, alert FROM delivery WHERE id = ?1)",
	[SQL_UNCLAIM] = "DELETE FROM claim WHERE id = ?1",
	/* queue, now, limit. A due time hours ahead means that the clock was set back. */
	[SQL_NEXT] =
	    "SELECT d.id, d.made_ms, m.kind, d.attempts, d.key, d.alert, d.first,"
	    " m.body, t.key, t.remote, t.subject FROM delivery d"
	    " JOIN message m ON m.id = d.message"
	    " LEFT JOIN thread t ON t.queue = d.queue AND t.alert = d.alert"
	    " WHERE d.queue = ?1 AND d.state = 0" UNCLAIMED
	    " AND (d.next_ms <= ?2 OR d.next_ms > ?2 + 7200000)" IN_TURN
	    " ORDER BY d.id LIMIT ?3",
	[SQL_CLAIM] = "INSERT INTO claim VALUES(?1)",
	[SQL_SOONEST] =
	    "SELECT min(next_ms) FROM delivery d WHERE queue = ?1 AND state = 0" UNCLAIMED
		IN_TURN,
	[SQL_OPEN] = "SELECT count(*), min(d.made_ms) FROM delivery d WHERE queue = ?1"
		     " AND state = 0 AND alert <> ''" UNCLAIMED,
	[SQL_LAST_SENT] = "SELECT done_ms FROM delivery WHERE queue = ?1 AND state = 1"
			  " ORDER BY done_ms DESC LIMIT ?2",
	[SQL_DIGEST_SUM] =
	    "SELECT coalesce(sum(m.state = 1), 0), coalesce(sum(m.state = 2), 0),"
	    " min(d.made_ms), max(d.made_ms) FROM delivery d"
	    " JOIN message m ON m.id = d.message"
	    " WHERE d.queue = ?1 AND d.state = 0 AND d.alert <> ''" UNCLAIMED,
	/* One line an alert, told as it is last: max() chooses the row. */
	[SQL_DIGEST_LINES] =
	    "SELECT m.headline, m.state, m.severity, max(d.id)"
	    " FROM delivery d JOIN message m ON m.id = d.message"
	    " WHERE d.queue = ?1 AND d.state = 0 AND d.alert <> ''" UNCLAIMED
	    " GROUP BY d.alert ORDER BY m.severity DESC, m.state, 4 LIMIT ?2",
	/* queue, now, id of the digest's message */
	[SQL_DIGEST_TAKE] = "UPDATE delivery AS d SET state = 3, done_ms = ?2,"
			    " note = 'in digest ' || ?3 WHERE queue = ?1 AND state = 0"
			    " AND alert <> ''" UNCLAIMED,
	/* queue, now - 5 minutes, after which row, limit: the last word about each alert,
	 * when it is "firing" or newer than that */
	[SQL_ACTIVE] =
	    "SELECT id, body FROM (SELECT max(d.id) AS id, m.body, m.state, d.done_ms"
	    " FROM delivery d JOIN message m ON m.id = d.message WHERE d.queue = ?1"
	    " AND d.state = 1 AND d.alert <> '' GROUP BY d.alert)"
	    " WHERE (state = 1 OR done_ms >= ?2) AND id > ?3 ORDER BY id LIMIT ?4",
	[SQL_COUNT] =
	    "SELECT (SELECT count(*) FROM delivery WHERE queue = ?1 AND state = 0),"
	    " (SELECT count(*) FROM delivery WHERE queue = ?1 AND state = 2)",
	[SQL_RETRY] = "UPDATE delivery SET state = 0, next_ms = 0, made_ms = ?2"
		      " WHERE state = 2 AND queue = ?1",
	[SQL_RETRY_ALL] = "UPDATE delivery SET state = 0, next_ms = 0, made_ms = ?1"
			  " WHERE state = 2",
	[SQL_LETTERS] = "SELECT d.queue, d.alert, m.headline, d.note, d.made_ms, d.done_ms,"
			" d.attempts FROM delivery d JOIN message m ON m.id = d.message"
			" WHERE d.state = 2 ORDER BY d.done_ms DESC, d.id DESC LIMIT ?1",
	[SQL_NOTE] = "INSERT INTO note(key, text) VALUES(?1, ?2)"
		     " ON CONFLICT(key) DO UPDATE SET text = excluded.text",
	[SQL_NOTE_GONE] = "DELETE FROM note WHERE key = ?1",
	/* keys that begin so: no key has an octet above U+10FFFF's first */
	[SQL_NOTES] = "SELECT key, text FROM note WHERE key >= ?1 AND key < ?1 || char(1114111)"
		      " ORDER BY key",
	/* now - 7 days, now - 30 days. What still fires is kept for SQL_ACTIVE. */
	[SQL_OLD_ROWS] =
	    "DELETE FROM delivery AS d WHERE (state IN (1, 3) AND done_ms < ?1 AND"
	    " NOT (done_ms >= ?2 AND EXISTS (SELECT 1 FROM message m WHERE"
	    " m.id = d.message AND m.state = 1 AND NOT EXISTS (SELECT 1 FROM message r"
	    " WHERE r.alert = m.alert AND r.state = 2))))"
	    " OR (state = 2 AND done_ms < ?2)",
	/* A queue whose channel is gone, for nobody asked for its rows in the last hour: they
	 * will never be tried. now, now - 26 hours, now - 1 hour */
	[SQL_OLD_OPEN] =
	    "UPDATE delivery AS d SET state = 2, done_ms = ?1, note = 'no channel of"
	    " that name is left' WHERE state = 0 AND made_ms < ?2 AND queue NOT IN"
	    " (SELECT queue FROM served WHERE at_ms >= ?3)" UNCLAIMED,
	[SQL_SERVED] = "REPLACE INTO served(queue, at_ms) VALUES(?1, ?2)",
	[SQL_OLD_MESSAGES] =
	    "DELETE FROM message WHERE id NOT IN (SELECT message FROM delivery)",
	[SQL_OLD_THREADS] = "DELETE FROM thread WHERE at_ms < ?1",
};

static sqlite3_stmt *bind(struct outbox_db *d, enum outbox_sql which, const char *types,
			  va_list ap)
{
	sqlite3_stmt *st = d->st[which];

	sqlite3_reset(st);
	for (int i = 0; types[i]; i++) {
		if (types[i] == 'i')
			sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t));
		else
			sqlite3_bind_text(st, i + 1, va_arg(ap, const char *), -1,
					  SQLITE_TRANSIENT);
	}
	return st;
}

sqlite3_stmt *outbox_bound(struct outbox_db *d, enum outbox_sql which, const char *types,
			   ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, types);
	st = bind(d, which, types, ap);
	va_end(ap);
	return st;
}

bool outbox_run(struct outbox_db *d, enum outbox_sql which, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, types);
	st = bind(d, which, types, ap);
	va_end(ap);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		;
	sqlite3_reset(st);
	return rc == SQLITE_DONE;
}

bool outbox_db_release(struct outbox_db *d)
{
	return unlink(d->reserve) == 0;
}

void outbox_db_reserve(struct outbox_db *d)
{
	int fd = open(d->reserve, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return; /* it is there, or the disk is full: asked again later */
	if (posix_fallocate(fd, 0, RESERVE))
		unlink(d->reserve);
	close(fd);
}

static int64_t version(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static bool sound(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	bool ok =
	    sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW &&
	    !strcmp((const char *)sqlite3_column_text(st, 0), "ok");

	sqlite3_finalize(st);
	return ok;
}

/* SQLITE_OK, or what is wrong with err filled. */
static int try_open(struct outbox_db *d, struct err *err)
{
	int fd =
	    open(d->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* not for everybody */
	int rc;

	if (fd < 0) {
		err_set(err, "%s: %s; notifications need to write there", d->path,
			strerror(errno));
		return SQLITE_CANTOPEN;
	}
	close(fd);
	rc = sqlite3_open_v2(d->path, &d->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(d->db,
				  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
				  "PRAGMA busy_timeout=5000; PRAGMA temp_store=MEMORY",
				  NULL, NULL, NULL);
	if (rc == SQLITE_OK && version(d->db) > VERSION) {
		err_set(
		    err,
		    "%s was written by a newer culpritd; run that one, or move the file "
		    "away to begin with an empty outbox",
		    d->path);
		return SQLITE_MISMATCH;
	}
	if (rc == SQLITE_OK && !sound(d->db))
		rc = SQLITE_CORRUPT;
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(d->db, schema, NULL, NULL, NULL);
	for (int i = 0; rc == SQLITE_OK && i < SQL_COUNT_OF_STATEMENTS; i++)
		rc = sqlite3_prepare_v3(d->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					&d->st[i], NULL);
	if (rc != SQLITE_OK)
		err_set(err, "%s: %s", d->path, sqlite3_errmsg(d->db));
	return rc;
}

static void close_db(struct outbox_db *d)
{
	for (int i = 0; i < SQL_COUNT_OF_STATEMENTS; i++) {
		sqlite3_finalize(d->st[i]);
		d->st[i] = NULL;
	}
	sqlite3_close(d->db); /* needed even when the open itself failed */
	d->db = NULL;
}

static void move_aside(const char *path, int64_t at_s)
{
	static const char *const tail[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < ARRAY_LEN(tail); i++) {
		char *from = xasprintf("%s%s", path, tail[i]);
		char *to = xasprintf("%s.damaged-%lld%s", path, (long long)at_s, tail[i]);

		if (rename(from, to) < 0 && errno != ENOENT)
			log_err("%s: cannot be moved aside: %s", from, strerror(errno));
		free(from);
		free(to);
	}
}

bool outbox_db_open(struct outbox_db *d, const char *path, struct err *err)
{
	int rc;

	*d = (struct outbox_db){ .path = xstrdup(path),
				 .reserve = xasprintf("%s.reserve", path) };
	rc = try_open(d, err);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB) {
		int64_t now_s = clock_wall_ms() / 1000;

		log_err("the outbox is damaged (%s); it was moved to %s.damaged-%lld and "
			"a new "
			"one begun: alerts in it may not have been told",
			sqlite3_errmsg(d->db), path, (long long)now_s);
		close_db(d);
		move_aside(path, now_s);
		rc = try_open(d, err);
	}
	if (rc != SQLITE_OK) {
		outbox_db_close(d);
		return false;
	}
	outbox_db_reserve(d);
	return true;
}

void outbox_db_close(struct outbox_db *d)
{
	close_db(d);
	free(d->path);
	free(d->reserve);
	d->path = d->reserve = NULL;
}
