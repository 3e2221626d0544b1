/* sqlite_file.c - the file under sqlite.c: whose it is, its tables, its damage.
 * SPDX-License-Identifier: ISC
 *
 * A file that is broken (no database, damaged pages, our name on it but other
 * tables in it) is moved aside, never deleted, and a new one begun. A database
 * of somebody else, or of a newer culprit, is refused and left alone. A file
 * that was moved or deleted while it was open is noticed before the next call,
 * or we would go on writing into a file that nobody can find.
 */
#include "storage/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

enum { APPLICATION = 0x43756c70 }; /* "Culp", in the file's header */

/* user_version is how many of these a file has seen. Never edit one: add. */
static const char *const migrations[] = {
	"CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE bin(series INTEGER NOT NULL, step INTEGER NOT NULL,"
	" start INTEGER NOT NULL, covered INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" packets INTEGER NOT NULL, flows INTEGER NOT NULL, peak REAL NOT NULL,"
	" gauge REAL NOT NULL, PRIMARY KEY(series, step, start)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE alert(id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL,"
	" state TEXT NOT NULL, body BLOB NOT NULL) STRICT;"
	"CREATE INDEX alert_at ON alert(at, id);"
	"CREATE TABLE blob(space TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL,"
	" PRIMARY KEY(space, key)) STRICT;"
	"CREATE TABLE batch(writer TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;",
};

enum { VERSION = (int)ARRAY_LEN(migrations) };

bool sqlite_file_fail(struct sqlite_file *f, struct err *err)
{
	int code = sqlite3_errcode(f->db) & 0xff;

	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return err_set(err, "%s is locked by another process (a backup, an sqlite3 "
			       "shell?) for more than %d ms", f->path, f->timeout_ms);
	if (code == SQLITE_FULL)
		return err_set(err, "%s: the disk is full", f->path);
	return err_set(err, "%s: %s", f->path, sqlite3_errmsg(f->db));
}

void sqlite_file_close(struct sqlite_file *f, const struct sqlite_owner *o)
{
	o->release(o->arg);
	sqlite3_close(f->db); /* needed even when the open itself failed */
	f->db = NULL;
}

/* Moves the broken file away, its log with it, and says so. */
static void set_aside(struct sqlite_file *f, const char *why)
{
	static const char *const part[] = { "", "-wal", "-shm" };
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char stamp[32], *to;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	to = xasprintf("%s.corrupt-%s", f->path, stamp);
	for (int i = 2; !access(to, F_OK) && i < 1000; i++) {
		free(to);
		to = xasprintf("%s.corrupt-%s-%d", f->path, stamp, i);
	}
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		char *a = xasprintf("%s%s", f->path, part[i]);
		char *b = xasprintf("%s%s", to, part[i]);

		if (rename(a, b) && errno != ENOENT)
			log_err("history: %s cannot be moved aside: %s", a, strerror(errno));
		free(a);
		free(b);
	}
	log_err("history: %s is damaged (%s). It was moved to %s and a new one is begun; "
		"`sqlite3 %s .recover` may save what it held", f->path, why, to, to);
	free(to);
}

static bool is_damage(int code)
{
	code &= 0xff;
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

bool sqlite_file_mend(struct sqlite_file *f, const struct sqlite_owner *o, struct err *err)
{
	int code = sqlite3_errcode(f->db);
	struct err why;

	sqlite_file_fail(f, &why);
	if (is_damage(code)) {
		sqlite_file_close(f, o);
		if (!f->read_only)
			set_aside(f, why.msg);
	}
	return err_set(err, "%s", why.msg);
}

bool sqlite_file_exec(struct sqlite_file *f, const char *text, struct err *err)
{
	return sqlite3_exec(f->db, text, NULL, NULL, NULL) == SQLITE_OK ||
	       sqlite_file_fail(f, err);
}

static bool ask_int(struct sqlite_file *f, const char *text, int64_t *out, struct err *err)
{
	sqlite3_stmt *st;
	bool ok = false;

	if (sqlite3_prepare_v2(f->db, text, -1, &st, NULL) != SQLITE_OK)
		return sqlite_file_fail(f, err);
	if (sqlite3_step(st) == SQLITE_ROW) {
		*out = sqlite3_column_int64(st, 0);
		ok = true;
	}
	sqlite3_finalize(st);
	return ok || sqlite_file_fail(f, err);
}

/* Whose file it is, and how old. True with *version 0 for an empty one. */
static bool identify(struct sqlite_file *f, int64_t *version, struct err *err)
{
	int64_t application, tables;

	if (!ask_int(f, "PRAGMA application_id", &application, err) ||
	    !ask_int(f, "PRAGMA user_version", version, err) ||
	    !ask_int(f, "SELECT count(*) FROM sqlite_master", &tables, err))
		return false;
	if (application != APPLICATION && (application || tables))
		return err_set(err, "%s is a database of another program; give history "
			       "a url with a file of its own", f->path);
	if (*version > VERSION)
		return err_set(err, "%s was written by a newer culprit (version %lld, "
			       "this one knows %d)", f->path, (long long)*version, VERSION);
	if (*version < VERSION && f->read_only)
		return err_set(err, "%s is %s; start culpritd once", f->path,
			       *version ? "of an older culprit" : "still empty");
	return true;
}

static bool migrate(struct sqlite_file *f, struct err *err)
{
	char text[96];
	int64_t v;

	if (!sqlite_file_exec(f, "BEGIN IMMEDIATE", err))
		return false;
	if (!identify(f, &v, err)) /* again: somebody may have been faster */
		goto undo;
	for (; v < VERSION; v++)
		if (!sqlite_file_exec(f, migrations[v], err))
			goto undo;
	snprintf(text, sizeof(text), "PRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT",
		 (int)APPLICATION, (int)VERSION);
	return sqlite_file_exec(f, text, err);
undo:
	sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

/* A new file is readable by the group at most. Only when there is none: closing a
 * descriptor would give up the locks that other connections of this process hold. */
static void make_file(const char *path)
{
	int fd;

	if (!access(path, F_OK))
		return;
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd);
}

static const char pragmas[] =
	"PRAGMA auto_vacuum=INCREMENTAL;PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
	"PRAGMA journal_size_limit=67108864;PRAGMA analysis_limit=400";

/* One try. *broken: the file is ours and damaged. */
static bool try_open(struct sqlite_file *f, const struct sqlite_owner *o, bool *broken,
		     struct err *err)
{
	int how = f->read_only ? SQLITE_OPEN_READONLY :
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int64_t version;
	struct stat st;

	*broken = false;
	if (!f->read_only)
		make_file(f->path);
	if (stat(f->path, &st))
		return err_set(err, "%s: %s", f->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, "%s is not a file", f->path);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	if (sqlite3_open_v2(f->path, &f->db, how | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sqlite_file_fail(f, err);
	sqlite3_extended_result_codes(f->db, 1);
	sqlite3_busy_timeout(f->db, f->timeout_ms);
	if (!identify(f, &version, err))
		goto judge;
	if (!f->read_only &&
	    (!sqlite_file_exec(f, pragmas, err) ||
	     (version < VERSION && !migrate(f, err))))
		goto judge;
	if (o->prepare(o->arg, err))
		return true;
	/* A table or column that should be there is not. */
	*broken = (sqlite3_errcode(f->db) & 0xff) == SQLITE_ERROR;
judge:
	*broken |= is_damage(sqlite3_errcode(f->db));
	return false;
}

static bool open_file(struct sqlite_file *f, const struct sqlite_owner *o, struct err *err)
{
	struct err why;
	bool broken;

	for (int tries = 0; tries < 2; tries++) {
		if (try_open(f, o, &broken, &why))
			return true;
		sqlite_file_close(f, o);
		if (!broken || f->read_only)
			break;
		set_aside(f, why.msg);
	}
	return err_set(err, "%s", why.msg);
}

bool sqlite_file_ready(struct sqlite_file *f, const struct sqlite_owner *o, struct err *err)
{
	struct stat st;

	if (f->db && !stat(f->path, &st) && st.st_dev == f->dev && st.st_ino == f->ino)
		return true;
	sqlite_file_close(f, o);
	return open_file(f, o, err);
}
