/* sqlite_file.h - the file under sqlite.c: whose it is, its tables, its damage.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_STORAGE_SQLITE_FILE_H
#define CUL_STORAGE_SQLITE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/base/err.h"

struct sqlite3;

struct sqlite_file {
	char *path;         /* given by the owner */
	int timeout_ms;     /* how long a lock of somebody else is waited for */
	bool read_only;
	struct sqlite3 *db; /* NULL: not open */
	dev_t dev;
	ino_t ino;
};

/* Prepares the owner's statements; false + err. SQLITE_ERROR means that a table is
 * not what it should be. */
typedef bool sqlite_prepare_f(void *arg, struct err *err);
/* Finalizes them; called before the file is closed, also when there are none. */
typedef void sqlite_release_f(void *arg);

struct sqlite_owner {
	sqlite_prepare_f *prepare;
	sqlite_release_f *release;
	void *arg;
};

/* Opens the file unless it is open and still the one at its path. */
bool sqlite_file_ready(struct sqlite_file *f, const struct sqlite_owner *o, struct err *err);
void sqlite_file_close(struct sqlite_file *f, const struct sqlite_owner *o);
/* Fills err from the last call's failure and returns false. */
bool sqlite_file_fail(struct sqlite_file *f, struct err *err);
/* The same; a damaged file is closed (db is NULL then) and moved aside. */
bool sqlite_file_mend(struct sqlite_file *f, const struct sqlite_owner *o, struct err *err);
bool sqlite_file_exec(struct sqlite_file *f, const char *text, struct err *err);

#endif
