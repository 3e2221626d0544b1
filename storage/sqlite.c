/* sqlite.c - history in one file beside the daemon, the default.
 * SPDX-License-Identifier: ISC
 *
 * WAL, so that readers never wait for the writer nor it for them, and
 * synchronous=NORMAL: a power cut may cost the last transactions but never the
 * file; the writer's spool puts them again, since the batch number is kept in
 * the same transaction as its bins.
 *
 * A series is a small number (table `series`) and its bins lie together, in
 * order of time: a graph is one walk through the tree. The price is that five
 * minutes of a thousand series touch a thousand pages; that is 14 kB/s.
 *
 * Which file it is, what its tables are and what happens when it is damaged is
 * in sqlite_file.c.
 */
#include "storage/store_impl.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "storage/sqlite_file.h"

enum {
	EXPIRE_SERIES = 200,      /* of one transaction, so that the writer gets its turn */
	VACUUM_PAGES = 2000,      /* given back to the disk at each expiry */
};

enum stmt {
	BEGIN, COMMIT, ROLLBACK, APPLIED, APPLY, SERIES_ID, SERIES_NEW, BIN_GET, BIN_PUT,
	ALERT_PUT, BLOB_PUT, BLOB_DEL, BINS, SERIES, ALERTS, BLOBS, SERIES_NEXT,
	EXPIRE_BINS, EXPIRE_ROLLUPS, EXPIRE_NAME, EXPIRE_ALERTS, STMTS
};

#define BIN_COLUMNS "start, covered, bytes, packets, flows, peak, gauge"
static const char *const sql[STMTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[APPLIED] = "SELECT number FROM batch WHERE writer = ?1",
	[APPLY] = "INSERT INTO batch VALUES(?1, ?2)"
		  " ON CONFLICT DO UPDATE SET number = excluded.number",
	[SERIES_ID] = "SELECT id FROM series WHERE name = ?1",
	[SERIES_NEW] = "INSERT INTO series(name) VALUES(?1)",
	[BIN_GET] = "SELECT " BIN_COLUMNS " FROM bin"
		    " WHERE series = ?1 AND step = ?2 AND start = ?3",
	[BIN_PUT] = "INSERT OR REPLACE INTO bin(series, step, " BIN_COLUMNS ")"
		    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[ALERT_PUT] = "INSERT INTO alert VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
		      " SET at = excluded.at, state = excluded.state, body = excluded.body",
	[BLOB_PUT] = "INSERT INTO blob VALUES(?1, ?2, ?3)"
		     " ON CONFLICT DO UPDATE SET data = excluded.data",
	[BLOB_DEL] = "DELETE FROM blob WHERE space = ?1 AND key = ?2",
	[BINS] = "SELECT " BIN_COLUMNS " FROM bin WHERE series ="
		 " (SELECT id FROM series WHERE name = ?1)"
		 " AND step = ?2 AND start >= ?3 AND start < ?4 ORDER BY start",
	[SERIES] = "SELECT name FROM series WHERE name >= ?1 ORDER BY name",
	[ALERTS] = "SELECT id, body FROM alert WHERE at >= ?1 AND at < ?2"
		   " ORDER BY at DESC, id DESC LIMIT ?3",
	[BLOBS] = "SELECT key, data FROM blob WHERE space = ?1 AND key >= ?2 ORDER BY key",
	[SERIES_NEXT] = "SELECT id FROM series WHERE id > ?1 ORDER BY id LIMIT 1",
	[EXPIRE_BINS] = "DELETE FROM bin WHERE series = ?1 AND step = 300 AND start < ?2",
	[EXPIRE_ROLLUPS] = "DELETE FROM bin WHERE series = ?1 AND step IN (3600, 86400)"
			   " AND start < ?2",
	[EXPIRE_NAME] = "DELETE FROM series WHERE id = ?1"
			" AND NOT EXISTS (SELECT 1 FROM bin WHERE series = ?1)",
	[EXPIRE_ALERTS] = "DELETE FROM alert WHERE at < ?1",
};

struct sqlite {
	struct store base;
	struct sqlite_file file;
	struct sqlite_owner owner; /* this store */
	sqlite3_stmt *stmt[STMTS];
};

static bool prepare(void *arg, struct err *err)
{
	struct sqlite *q = arg;

	for (int i = 0; i < STMTS; i++)
		if (sqlite3_prepare_v3(q->file.db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &q->stmt[i], NULL) != SQLITE_OK)
			return sqlite_file_fail(&q->file, err);
	return true;
}

static void release(void *arg)
{
	struct sqlite *q = arg;

	for (int i = 0; i < STMTS; i++) {
		sqlite3_finalize(q->stmt[i]);
		q->stmt[i] = NULL;
	}
}

static bool ready(struct sqlite *q, struct err *err)
{
	return sqlite_file_ready(&q->file, &q->owner, err);
}

static bool fail(struct sqlite *q, struct err *err)
{
	return sqlite_file_mend(&q->file, &q->owner, err);
}

static void text(struct sqlite *q, enum stmt i, int at, const char *s)
{
	sqlite3_bind_text(q->stmt[i], at, s, -1, SQLITE_STATIC);
}

static void number(struct sqlite *q, enum stmt i, int at, int64_t v)
{
	sqlite3_bind_int64(q->stmt[i], at, v);
}

/* Runs a statement that gives no rows. Its bindings are forgotten. */
static bool run(struct sqlite *q, enum stmt i)
{
	int code = sqlite3_step(q->stmt[i]);

	sqlite3_reset(q->stmt[i]);
	sqlite3_clear_bindings(q->stmt[i]);
	return code == SQLITE_DONE;
}

static bool finish(struct sqlite *q, enum stmt i, int code, struct err *err)
{
	bool ok = code == SQLITE_DONE || code == SQLITE_ROW; /* a row: the caller stopped */

	sqlite3_reset(q->stmt[i]);
	sqlite3_clear_bindings(q->stmt[i]);
	return ok || fail(q, err);
}

static struct bin bin_of(sqlite3_stmt *st, uint32_t step)
{
	return (struct bin){
		.step = step,
		.start_s = sqlite3_column_int64(st, 0),
		.covered = (uint32_t)sqlite3_column_int64(st, 1),
		.bytes = (uint64_t)sqlite3_column_int64(st, 2),
		.packets = (uint64_t)sqlite3_column_int64(st, 3),
		.flows = (uint64_t)sqlite3_column_int64(st, 4),
		.peak = sqlite3_column_double(st, 5),
		.gauge = sqlite3_column_double(st, 6),
	};
}

/* -1: the database failed. */
static int64_t series_id(struct sqlite *q, const char *name)
{
	sqlite3_stmt *st = q->stmt[SERIES_ID];
	int64_t id = -1;
	int code;

	text(q, SERIES_ID, 1, name);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		id = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (code != SQLITE_DONE)
		return id;
	text(q, SERIES_NEW, 1, name);
	return run(q, SERIES_NEW) ? sqlite3_last_insert_rowid(q->file.db) : -1;
}

static bool put_bin(struct sqlite *q, int64_t series, const struct put *p)
{
	sqlite3_stmt *st = q->stmt[BIN_GET];
	struct bin b = store_sane(&p->bin);
	int code;

	if (p->kind == PUT_AMEND) {
		number(q, BIN_GET, 1, series);
		number(q, BIN_GET, 2, b.step);
		number(q, BIN_GET, 3, b.start_s);
		code = sqlite3_step(st);
		if (code == SQLITE_ROW) {
			struct bin there = bin_of(st, b.step);

			bin_amend(&there, &b);
			b = there;
		}
		sqlite3_reset(st);
		if (code != SQLITE_ROW && code != SQLITE_DONE)
			return false;
	}
	number(q, BIN_PUT, 1, series);
	number(q, BIN_PUT, 2, b.step);
	number(q, BIN_PUT, 3, b.start_s);
	number(q, BIN_PUT, 4, b.covered);
	number(q, BIN_PUT, 5, (int64_t)b.bytes);
	number(q, BIN_PUT, 6, (int64_t)b.packets);
	number(q, BIN_PUT, 7, (int64_t)b.flows);
	sqlite3_bind_double(q->stmt[BIN_PUT], 8, b.peak);
	sqlite3_bind_double(q->stmt[BIN_PUT], 9, b.gauge);
	return run(q, BIN_PUT);
}

static void data(struct sqlite *q, enum stmt i, int at, const struct put *p)
{
	sqlite3_bind_blob64(q->stmt[i], at, p->data, p->len, SQLITE_STATIC);
}

static bool put_other(struct sqlite *q, const struct put *p)
{
	enum stmt i = p->kind == PUT_ALERT ? ALERT_PUT : p->data ? BLOB_PUT : BLOB_DEL;

	if (i == ALERT_PUT) {
		text(q, i, 1, p->key);
		number(q, i, 2, p->at_ms);
		text(q, i, 3, p->state);
		data(q, i, 4, p);
	} else {
		text(q, i, 1, p->space);
		text(q, i, 2, p->key);
		if (p->data)
			data(q, i, 3, p);
	}
	return run(q, i);
}

static bool put_all(struct sqlite *q, const struct put *puts, size_t n)
{
	const char *last = NULL; /* bins of a series tend to come together */
	int64_t id = -1;

	for (size_t i = 0; i < n; i++) {
		if (puts[i].kind != PUT_BIN && puts[i].kind != PUT_AMEND) {
			if (!put_other(q, &puts[i]))
				return false;
			continue;
		}
		if (!last || strcmp(last, puts[i].series))
			id = series_id(q, puts[i].series);
		last = puts[i].series;
		if (id < 0 || !put_bin(q, id, &puts[i]))
			return false;
	}
	return true;
}

static bool read_applied(struct sqlite *q, uint64_t *batch)
{
	int code;

	*batch = 0;
	text(q, APPLIED, 1, q->base.writer);
	code = sqlite3_step(q->stmt[APPLIED]);
	if (code == SQLITE_ROW)
		*batch = (uint64_t)sqlite3_column_int64(q->stmt[APPLIED], 0);
	sqlite3_reset(q->stmt[APPLIED]);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

static bool applied(struct store *s, uint64_t *batch, struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;

	return ready(q, err) && (read_applied(q, batch) || fail(q, err));
}

static bool put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
		struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	bool skip, forgot = false;
	uint64_t have;

	if (!ready(q, err))
		return false;
	if (!run(q, BEGIN))
		return fail(q, err);
	if (!read_applied(q, &have))
		goto undo;
	if (!store_judge(s, have, batch, &skip, err)) {
		forgot = true;
		goto undo;
	}
	if (!skip) {
		text(q, APPLY, 1, s->writer);
		number(q, APPLY, 2, (int64_t)batch);
		if (!put_all(q, puts, n) || !run(q, APPLY))
			goto undo;
	}
	if (!run(q, COMMIT))
		goto undo;
	if (!skip)
		s->known = batch;
	return true;
undo:
	if (!forgot)
		fail(q, err);
	if (q->file.db)
		run(q, ROLLBACK);
	return false;
}

static bool each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		     int64_t to_s, store_bin_f *fn, void *arg, struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	struct bin b;
	int code;

	if (!ready(q, err))
		return false;
	text(q, BINS, 1, series);
	number(q, BINS, 2, step);
	number(q, BINS, 3, from_s);
	number(q, BINS, 4, to_s);
	while ((code = sqlite3_step(q->stmt[BINS])) == SQLITE_ROW) {
		b = bin_of(q->stmt[BINS], step);
		if (!fn(arg, &b))
			break;
	}
	return finish(q, BINS, code, err);
}

static bool each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
			struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	int code;

	if (!ready(q, err))
		return false;
	text(q, SERIES, 1, prefix);
	while ((code = sqlite3_step(q->stmt[SERIES])) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(q->stmt[SERIES], 0);

		if (!store_has_prefix(name, prefix) || !fn(arg, name))
			break;
	}
	return finish(q, SERIES, code, err);
}

/* Calls fn with the row's first two columns. */
static bool give(sqlite3_stmt *st, const char *key, store_blob_f *fn, void *arg)
{
	/* As text, because that ends in a NUL; the octets are the same. */
	const char *body = (const char *)sqlite3_column_text(st, 1);

	return fn(arg, key, body ? body : "", (size_t)sqlite3_column_bytes(st, 1));
}

static bool each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		       store_blob_f *fn, void *arg, struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	sqlite3_stmt *st;
	int code;

	if (!ready(q, err))
		return false;
	st = q->stmt[ALERTS];
	number(q, ALERTS, 1, from_ms);
	number(q, ALERTS, 2, to_ms);
	number(q, ALERTS, 3, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
	while ((code = sqlite3_step(st)) == SQLITE_ROW)
		if (!give(st, (const char *)sqlite3_column_text(st, 0), fn, arg))
			break;
	return finish(q, ALERTS, code, err);
}

static bool each_blob(struct store *s, const char *space, const char *prefix,
		      store_blob_f *fn, void *arg, struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	sqlite3_stmt *st;
	int code;

	if (!ready(q, err))
		return false;
	st = q->stmt[BLOBS];
	text(q, BLOBS, 1, space);
	text(q, BLOBS, 2, prefix);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 0);

		if (!store_has_prefix(key, prefix) || !give(st, key, fn, arg))
			break;
	}
	return finish(q, BLOBS, code, err);
}

static bool expire_series(struct sqlite *q, int64_t id, int64_t bins_s, int64_t rest_s)
{
	number(q, EXPIRE_BINS, 1, id);
	number(q, EXPIRE_BINS, 2, bins_s);
	number(q, EXPIRE_ROLLUPS, 1, id);
	number(q, EXPIRE_ROLLUPS, 2, rest_s);
	number(q, EXPIRE_NAME, 1, id);
	return run(q, EXPIRE_BINS) && run(q, EXPIRE_ROLLUPS) && run(q, EXPIRE_NAME);
}

/* The first series after `after`; 0: there is none. -1: the database failed. */
static int64_t next_series(struct sqlite *q, int64_t after)
{
	int64_t id = 0;
	int code;

	number(q, SERIES_NEXT, 1, after);
	code = sqlite3_step(q->stmt[SERIES_NEXT]);
	if (code == SQLITE_ROW)
		id = sqlite3_column_int64(q->stmt[SERIES_NEXT], 0);
	sqlite3_reset(q->stmt[SERIES_NEXT]);
	return code == SQLITE_ROW || code == SQLITE_DONE ? id : -1;
}

/* One transaction's share of the series after *at; *at is 0 when all are done. */
static bool expire_some(struct sqlite *q, int64_t *at, int64_t bins_s, int64_t rest_s,
			struct err *err)
{
	if (!run(q, BEGIN))
		return fail(q, err);
	for (int i = 0; i < EXPIRE_SERIES; i++) {
		*at = next_series(q, *at);
		if (*at < 0 || (*at && !expire_series(q, *at, bins_s, rest_s)))
			goto undo;
		if (!*at)
			break;
	}
	if (run(q, COMMIT))
		return true;
undo:
	fail(q, err);
	if (q->file.db)
		run(q, ROLLBACK);
	return false;
}

static bool expire(struct store *s, int64_t now_ms, struct err *err)
{
	struct sqlite *q = (struct sqlite *)s;
	int64_t bins_s = now_ms / 1000 - s->keep_bins_s;
	int64_t rest_s = now_ms / 1000 - s->keep_rollups_s;
	int64_t at = 0;
	char vacuum[64];

	if (!ready(q, err))
		return false;
	number(q, EXPIRE_ALERTS, 1, rest_s * 1000);
	if (!run(q, EXPIRE_ALERTS))
		return fail(q, err);
	do
		if (!expire_some(q, &at, bins_s, rest_s, err))
			return false;
	while (at);
	snprintf(vacuum, sizeof(vacuum), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	return sqlite_file_exec(&q->file, vacuum, err);
}

static const char *path_of(const char *url, struct err *err)
{
	const char *path = url + strlen("sqlite:");

	if (!*path)
		err_set(err, "history url \"sqlite:\" needs a path: "
			"\"sqlite:/var/lib/culprit/history.db\"");
	return *path ? path : NULL;
}

static bool check(const char *url, const struct store_opts *o, struct err *err)
{
	(void)o;
	return path_of(url, err) != NULL;
}

static void close_sqlite(struct store *s)
{
	struct sqlite *q = (struct sqlite *)s;

	if (q->file.db && !s->read_only)
		sqlite3_exec(q->file.db, "PRAGMA optimize", NULL, NULL, NULL);
	sqlite_file_close(&q->file, &q->owner);
	free(q->file.path);
	free(q);
}

static struct store *open_sqlite(const char *url, const struct store_opts *o,
				 struct err *err)
{
	const char *path = path_of(url, err);
	struct sqlite *q;

	if (!path)
		return NULL;
	q = xcalloc(1, sizeof(*q));
	store_init(&q->base, o);
	q->file = (struct sqlite_file){
		.path = xstrdup(path), .timeout_ms = o->timeout_ms, .read_only = o->read_only,
	};
	q->owner = (struct sqlite_owner){ prepare, release, q };
	if (ready(q, err))
		return &q->base;
	close_sqlite(&q->base);
	return NULL;
}

const struct store_ops store_ops_sqlite = {
	.name = "sqlite",
	.schemes = { "sqlite:" },
	.keeps = true,
	.check = check,
	.open = open_sqlite,
	.close = close_sqlite,
	.put = put,
	.applied = applied,
	.each_bin = each_bin,
	.each_series = each_series,
	.each_alert = each_alert,
	.each_blob = each_blob,
	.expire = expire,
};
