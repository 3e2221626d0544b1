/* store_impl.h - what a store must do: for the files of storage/ that are one.
 * SPDX-License-Identifier: ISC
 *
 * registry.c has checked every argument before a store sees it (names within
 * their limits, bins aligned and sane, from < to), and has filled in defaults.
 */
#ifndef CUL_STORAGE_STORE_IMPL_H
#define CUL_STORAGE_STORE_IMPL_H

#include "storage/store.h"

/* No bin starts at 2100-01-01 or later: what asks "up to for ever" asks up to here. */
#define STORE_END_S INT64_C(4102444800)

struct store_ops {
	const char *name;           /* "redis" */
	const char *schemes[3];     /* "redis:", "redis+unix:"; NULL ends */
	bool keeps;                 /* what was put is there after close and open */
	bool (*check)(const char *url, const struct store_opts *o, struct err *err);
	/* The strings of o are borrowed until open returns. */
	struct store *(*open)(const char *url, const struct store_opts *o, struct err *err);
	void (*close)(struct store *s);
	bool (*put)(struct store *s, uint64_t batch, const struct put *puts, size_t n,
		    struct err *err);
	bool (*applied)(struct store *s, uint64_t *batch, struct err *err);
	bool (*each_bin)(struct store *s, const char *series, uint32_t step,
			 int64_t from_s, int64_t to_s, store_bin_f *fn, void *arg,
			 struct err *err);
	bool (*each_series)(struct store *s, const char *prefix, store_text_f *fn,
			    void *arg, struct err *err);
	bool (*each_alert)(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
			   store_blob_f *fn, void *arg, struct err *err);
	bool (*each_blob)(struct store *s, const char *space, const char *prefix,
			  store_blob_f *fn, void *arg, struct err *err);
	bool (*expire)(struct store *s, int64_t now_ms, struct err *err);
};

/* The first member of every store's own struct. */
struct store {
	const struct store_ops *ops;
	int64_t keep_bins_s, keep_rollups_s;
	int timeout_ms;
	bool read_only;
	char writer[STORE_SPACE + 1];
	uint64_t known; /* the last batch that this store said it has; 0: not asked yet */
};

/* Every store there is, in the order of stores.def; NULL ends. */
extern const struct store_ops *const store_kinds[];

/* The common settings, copied; what open does first. */
void store_init(struct store *s, const struct store_opts *o);
/* Whether batch must be put: `applied` is what the store holds now. Sets *skip when it
 * was put before. False + err when the store has less than it had (store.h). */
bool store_judge(struct store *s, uint64_t applied, uint64_t batch, bool *skip,
		 struct err *err);
/* The bin as it is kept: saturated sums, finite figures. */
struct bin store_sane(const struct bin *b);
bool store_has_prefix(const char *s, const char *prefix);

#endif
