/* outbox_db.h - the outbox's file: its tables, statements and repair.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_OUTBOX_DB_H
#define CUL_NOTIFY_OUTBOX_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"

enum outbox_sql {
	SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK,
	SQL_MESSAGE, SQL_THREAD, SQL_ROW,
	SQL_SENT, SQL_LATER, SQL_DEAD, SQL_REMOTE, SQL_UNCLAIM,
	SQL_NEXT, SQL_CLAIM, SQL_SOONEST, SQL_OPEN, SQL_LAST_SENT,
	SQL_DIGEST_SUM, SQL_DIGEST_LINES, SQL_DIGEST_TAKE,
	SQL_ACTIVE, SQL_COUNT, SQL_RETRY, SQL_RETRY_ALL, SQL_LETTERS,
	SQL_NOTE, SQL_NOTE_GONE, SQL_NOTES,
	SQL_OLD_ROWS, SQL_OLD_OPEN,
	SQL_SERVED, SQL_OLD_MESSAGES, SQL_OLD_THREADS,
	SQL_COUNT_OF_STATEMENTS
};

struct outbox_db {
	char *path, *reserve;
	sqlite3 *db;
	sqlite3_stmt *st[SQL_COUNT_OF_STATEMENTS];
};

bool outbox_db_open(struct outbox_db *d, const char *path, struct err *err);
void outbox_db_close(struct outbox_db *d);

/* Binds by letters (i int64_t, t text, T text that may be NULL) and runs to the end;
 * false when it fails. */
bool outbox_run(struct outbox_db *d, enum outbox_sql which, const char *types, ...);
/* The statement, bound, before its first step; the caller steps and resets it. */
sqlite3_stmt *outbox_bound(struct outbox_db *d, enum outbox_sql which, const char *types,
			   ...);

/* The disk is full: gives the reserve up, so that alerts still get through; false when
 * it is gone already. outbox_db_reserve() takes it again when there is room. */
bool outbox_db_release(struct outbox_db *d);
void outbox_db_reserve(struct outbox_db *d);

#endif
