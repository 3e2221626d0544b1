/* top_impl.h - between the files of top: keys in octets, workers' tables.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_TOP_IMPL_H
#define CUL_EVIDENCE_TOP_IMPL_H

#include "daemon/base/map.h"
#include "daemon/evidence/top.h"
#include "daemon/model/rows.h"
#include "storage/archive/scan.h"

#include <pthread.h>

enum { TOP_KEY_OCTETS = 128, TOP_TEXTS_MAX = 1 << 20, TOP_NUMBERS = 1 << 16 };

/* Texts get one number for a whole query. Behind a lock. */
struct top_texts {
	pthread_mutex_t lock;
	struct map by_hash; /* uint64_t -> uint32_t number */
	char **text;
	uint32_t n, cap;
};

void top_texts_init(struct top_texts *t);
void top_texts_fini(struct top_texts *t);

/* How keys of a query stand in octets, one after another. */
struct top_shape {
	unsigned n;
	struct top_key key[TOP_KEYS];
	uint8_t at[TOP_KEYS], octets[TOP_KEYS];
	unsigned size;     /* of all; at least 1 */
	uint64_t columns;  /* that are needed */
	struct top_texts *texts;
	struct geo *geo;
	bool both_ways, ports; /* turn rows so that one end comes first; ports tell which */
};

void top_shape_init(struct top_shape *s, const struct top_key *keys, unsigned n,
		    struct top_texts *texts);
/* From now on both directions of a conversation give the same keys; false: an end of it
 * is not among them. */
bool top_shape_both_ways(struct top_shape *s, struct err *err);
uint64_t top_by_columns(enum by by);
/* The keys of a row, at most ROW_KEYS of shape->size octets; returns how many. */
unsigned top_keys_of(const struct top_shape *s, const struct block *b, uint32_t row,
		     uint8_t out[][TOP_KEY_OCTETS]);
/* Fills value[] and key[] of r. */
void top_row_fill(const struct top_shape *s, const uint8_t *key, const struct names *names,
		  struct top_row *r);

/* One of a part's addresses. */
struct top_cell {
	struct sums sums;
	uint64_t rows; /* none: not seen. Also makes it 32 octets */
};

/* The dictionary of the part before, and where its addresses are in the table. */
struct top_lately {
	struct addr *list, *next_list; /* PART_ROWS each */
	struct sums **at, **next_at;   /* NULL: not known */
	uint32_t n;
	const void *tab; /* of the table when `at` was noted: places move when it grows */
};

enum { TOP_BATCH = 64 };

struct top_batch { /* rows that are counted together (top_batch.c) */
	uint32_t n, row[TOP_BATCH];
	struct sums sums[TOP_BATCH]; /* of rows */
	uint32_t n_keys;
	uint8_t of[ROW_KEYS * TOP_BATCH]; /* the key's row, by place in row[] */
	uint64_t hash[ROW_KEYS * TOP_BATCH];
	uint8_t keys[ROW_KEYS * TOP_BATCH * TOP_KEY_OCTETS]; /* shape->size apart */
};

struct top_worker {
	struct map map;   /* key -> struct sums */
	struct sums total;
	struct top_cell *acc; /* by number in a part's dictionary; PART_ROWS */
	struct top_cell *numbers; /* by a key of 16 bits, TOP_NUMBERS; NULL: not counted so */
	struct top_lately lately;
	uint64_t *cells;  /* NULL: its table has room (top_cells.c) */
	struct top_batch batch;
	bool full;
	uint32_t sampling;
};

struct summed;

struct top {
	const struct top_query *q;
	struct archive_query aq;
	struct top_shape shape;
	struct top_texts texts;
	uint32_t lots, lot;
	struct top_worker *workers;
	unsigned n_workers;
	struct top_result *out;
	uint64_t filter_columns; /* and those of the keys: for rows_counted() */
	uint64_t select_columns; /* needed to tell which rows count */
	enum by counted_by;
	bool full;
	bool may_spill;          /* full tables go on as cells (top_cells.c) */
	bool spilled;            /* and have: `heavy` is to be counted, in one more reading */
	uint32_t n_cells;        /* of each worker; a power of two */
	uint64_t bound;          /* no key that is not in a heavy cell has more */
	uint8_t *heavy;          /* a bit for each cell; NULL: not in that reading */
	struct summed *summed;   /* top_summary.c's */
	bool known_only;         /* keys that are not in the table do not count */
	uint8_t *best;           /* keys of the rows that lead, and their sums */
	struct sums *best_sums;
	size_t n_best;
};

/* What is left when all lots, or summaries, are counted: largest first, with names. */
void top_offer(struct top *t, const uint8_t *key, const struct sums *s);
void top_rank(struct top *t, const struct names *names);
void top_done(void *arg, const struct names *names); /* a lot has been read */
void top_begin(struct top *t);          /* empty tables */
void top_settle(struct top *t);         /* all that was counted is in tables, or in cells */
uint32_t top_entries_for(uint64_t octets, size_t key, size_t value);

/* Answers from summaries where they can tell exactly, reading flows for the rest. *done:
 * t->out holds the answer; else the flows must be read. */
bool top_by_summaries(struct top *t, bool *done, struct err *err);

static inline uint64_t top_measure(const struct sums *s, enum top_order order)
{
	return order == TOP_BYTES ? s->bytes : order == TOP_PACKETS ? s->packets : s->flows;
}

/* What a row counts. */
static inline struct sums top_row_sums(const struct top *t, const struct block *b, uint32_t r,
				       bool inside)
{
	return inside ? row_sums(b, r) : row_share(b, r, t->q->from_ms, t->q->to_ms);
}

/* top_batch.c: rows of bits into w's total and table. */
void top_count_rows(struct top *t, struct top_worker *w, const struct block *b,
		    const uint64_t *bits, bool inside);
/* Adds s to a key, where it counts. Gives where its sums are, until the next put; NULL: nowhere
 * yet. w->full: there was no room. */
struct sums *top_put(struct top *t, struct top_worker *w, const void *key, uint64_t hash,
		     const struct sums *s);

/* top_cells.c */
void top_cells_size(struct top *t, uint64_t octets); /* for each worker */
void top_cells_spill(const struct top *t, struct top_worker *w); /* its table into cells */
void top_cells_choose(struct top *t); /* heavy ones and the bound; frees them */
void top_cells_free(struct top *t);

static inline uint32_t top_cell_of(const struct top *t, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & (t->n_cells - 1);
}

/* What bounds something may not wrap. */
static inline void top_cell_more(uint64_t *cell, uint64_t v)
{
	if (__builtin_add_overflow(*cell, v, cell))
		*cell = UINT64_MAX;
}

static inline void top_cells_add(const struct top *t, struct top_worker *w, uint64_t hash,
				 const struct sums *s)
{
	top_cell_more(&w->cells[top_cell_of(t, hash)], top_measure(s, t->q->order));
}

static inline bool top_cells_heavy(const struct top *t, uint64_t hash)
{
	uint32_t c = top_cell_of(t, hash);

	return t->heavy[c / 8] >> c % 8 & 1;
}

/* A scan_part_f; arg is struct top. */
bool top_count_part(void *arg, unsigned worker, struct part *p, bool inside, bool *damaged);

#endif
