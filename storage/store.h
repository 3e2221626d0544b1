/* store.h - history: bins, alerts and states, behind one interface.
 * SPDX-License-Identifier: ISC
 *
 * The daemon writes through storage/writer.h, whose one thread spools batches on
 * disk while a store is down and puts them in order when it is back. Stores
 * themselves are simple and blocking: one batch is one transaction, putting the
 * same batch twice is harmless. Readers (http, cli) open a store of their own.
 */
#ifndef CUL_STORAGE_STORE_H
#define CUL_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/bin.h"

struct store;

struct store_opts {
	const char *password_file; /* or NULL / "" */
	int64_t keep_bins_s;       /* five-minute bins live so long: default 35 days */
	int64_t keep_rollups_s;    /* hours and days: default two years */
	int timeout_ms;            /* of one call; default 2000 */
	bool read_only;
};

enum put_kind {
	PUT_BIN,   /* bin is the whole truth for (series, step, start) */
	PUT_AMEND, /* bin's sums are added to what is there; covered is or-ed */
	PUT_ALERT, /* text is the alert's JSON; key its id */
	PUT_BLOB,  /* data under (space, key); NULL data deletes */
};

struct put {
	enum put_kind kind;
	const char *series; /* PUT_BIN, PUT_AMEND: "rule|interface=…" */
	struct bin bin;
	const char *space, *key;  /* PUT_BLOB; PUT_ALERT: key is the alert's id */
	const void *data;         /* PUT_BLOB, PUT_ALERT */
	size_t len;
	int64_t at_ms;            /* PUT_ALERT: started at */
	const char *state;        /* PUT_ALERT: alert_state_word */
};

/* "sqlite:/path/history.db", "redis://user@host:6379/0", "redis+unix:///path", "memory:".
 * NULL + err when it cannot be reached or is not ours. */
struct store *store_open(const char *url, const struct store_opts *opts, struct err *err);
void store_close(struct store **s);
const char *store_name(const struct store *s); /* "sqlite", "redis" …; no password, ever */

/* One transaction. `batch` numbers batches from 1 upwards for ever; a batch that was
 * applied already (store_applied) is skipped and true is returned. Borrows everything. */
bool store_put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
	       struct err *err);
bool store_applied(struct store *s, uint64_t *batch, struct err *err);

typedef bool store_bin_f(void *arg, const struct bin *bin); /* false stops */
/* Bins of one series with from_s <= start < to_s in order; missing ones are not called. */
bool store_each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		    int64_t to_s, store_bin_f *fn, void *arg, struct err *err);
typedef bool store_text_f(void *arg, const char *text);
/* Names of the series that begin with prefix, sorted. */
bool store_each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
		       struct err *err);
typedef bool store_blob_f(void *arg, const char *key, const void *data, size_t len);
/* Alerts that started in [from_ms, to_ms), newest first, at most limit; key is the id. */
bool store_each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		      store_blob_f *fn, void *arg, struct err *err);
bool store_each_blob(struct store *s, const char *space, const char *prefix,
		     store_blob_f *fn, void *arg, struct err *err);
/* Forgets what is older than the opts say (Redis: by its TTLs). */
bool store_expire(struct store *s, int64_t now_ms, struct err *err);

#endif
