/* store.h - history: bins, alerts and states, behind one interface.
 * SPDX-License-Identifier: ISC
 *
 * The daemon writes through storage/writer.h, whose one thread logs batches on
 * disk and puts them in order, also after a store was down. Stores themselves
 * are simple and blocking: one batch is one transaction, putting the same batch
 * twice is harmless. Readers (http, cli) open a store of their own with
 * read_only. One store is used by one thread at a time.
 *
 * A store reconnects (or reopens a file that was moved away) by itself at the
 * next call. Callbacks must not call the store they are called from.
 */
#ifndef CUL_STORAGE_STORE_H
#define CUL_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/bin.h"

struct store;

enum {
	STORE_NAME = 480,       /* octets of a series, key or alert id, at most */
	STORE_SPACE = 64,       /* octets of a space or writer, at most */
	STORE_DATA = 16 << 20,  /* octets of a blob or an alert, at most */
};

struct store_opts {
	const char *password_file; /* or NULL / "" */
	int64_t keep_bins_s;       /* five-minute bins live so long; 0: 35 days */
	int64_t keep_rollups_s;    /* hours, days, alerts; 0: two years */
	int timeout_ms;            /* of one call; 0: 2000 */
	bool read_only;            /* never makes, moves or changes anything */
	const char *writer;        /* whose batch numbers; NULL: "". Several daemons may
				      share a Redis, each with a name of its own */
};

enum put_kind {
	PUT_BIN,   /* bin is the whole truth for (series, step, start) */
	PUT_AMEND, /* bin is added to what is there, see bin_amend */
	PUT_ALERT, /* data is the alert's JSON; key its id */
	PUT_BLOB,  /* data under (space, key); NULL data deletes */
};

/* Sums saturate at INT64_MAX; a peak or gauge that is no finite number counts as 0. */
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

/* Whether p is within the limits above, its bin aligned to its step (a day: to a
 * minute), and names what it must; else err. */
bool put_ok(const struct put *p, struct err *err);
/* What PUT_AMEND does to a bin that is there: sums are added, peak and gauge become
 * the larger, covered is or-ed (STEP_BIN) or added (roll-ups: slices newly seen). */
void bin_amend(struct bin *there, const struct bin *more);

/* "sqlite:/path/history.db", "redis://user@host:6379/0", "redis+unix:///path?db=0",
 * "memory:" (nothing outlives it). NULL + err when it cannot be reached or is not ours. */
struct store *store_open(const char *url, const struct store_opts *opts, struct err *err);
void store_close(struct store **s);
/* Whether the URL can be understood and the password file is fit, without touching
 * the store: what `culpritd -t` asks. err names no password, ever. */
bool store_check(const char *url, const struct store_opts *opts, struct err *err);
const char *store_name(const struct store *s); /* "sqlite", "redis" …; no password, ever */

/* One transaction. `batch` numbers the writer's batches from 1 upwards for ever, with
 * gaps where it likes; a batch not above what was applied (store_applied) is skipped and
 * true is returned. False + err also when the store turns out to have forgotten batches
 * that this one put (flushed, restored): ask store_applied again. Borrows everything. */
bool store_put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
	       struct err *err);
bool store_applied(struct store *s, uint64_t *batch, struct err *err); /* 0: none yet */

typedef bool store_bin_f(void *arg, const struct bin *bin); /* false stops */
/* Bins of one series with from_s <= start < to_s in order; missing ones are not called. */
bool store_each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		    int64_t to_s, store_bin_f *fn, void *arg, struct err *err);
typedef bool store_text_f(void *arg, const char *text);
/* Names of the series that begin with prefix, sorted by octets. */
bool store_each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
		       struct err *err);
/* data is followed by a NUL that len does not count. */
typedef bool store_blob_f(void *arg, const char *key, const void *data, size_t len);
/* Alerts that started in [from_ms, to_ms), newest first (ties by id, largest first),
 * at most limit; key is the id. */
bool store_each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		      store_blob_f *fn, void *arg, struct err *err);
/* Blobs of a space whose key begins with prefix, sorted by octets of the key. */
bool store_each_blob(struct store *s, const char *space, const char *prefix,
		     store_blob_f *fn, void *arg, struct err *err);
/* One blob: *data is given (NULL when there is none), with a NUL after it. */
bool store_get_blob(struct store *s, const char *space, const char *key, void **data,
		    size_t *len, struct err *err);
/* Forgets what is older than the opts say (Redis: by its TTLs). */
bool store_expire(struct store *s, int64_t now_ms, struct err *err);

#endif
