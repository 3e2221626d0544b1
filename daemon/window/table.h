/* table.h - what each key of one view did in each open slice.
 * SPDX-License-Identifier: ISC
 *
 * A ring of hash tables, one for each slice, exact while they fit the view's
 * share of memory. Past it the fullest slice is thinned: see table.c.
 */
#ifndef CUL_WINDOW_TABLE_H
#define CUL_WINDOW_TABLE_H

#include "daemon/base/map.h"
#include "daemon/model/slice.h"
#include "daemon/window/gauge.h"

struct cell {
	uint32_t dirty; /* the judge round in which it was last noted */
	uint32_t hot;   /* its key may cross a limit: every change is noted */
	union {
		struct sums sums;
		struct gauge gauge; /* views that count distinct things */
	};
};

struct slice_table {
	struct map map;     /* key -> struct cell */
	int64_t slice;      /* which one it holds */
	struct sums error;  /* what thinning took from any one key, at most */
	uint64_t thinned;   /* keys that went */
};

struct recent { /* remembers where a cell is */
	uint64_t hash;
	int64_t slice;
	struct cell *cell;
	uint32_t epoch;
};

enum { RECENT = 2048 };

struct table {
	struct slice_table *ring;
	unsigned n_ring;
	size_t key;           /* octets */
	bool gauge;           /* cells are gauges */
	enum measure_kind order; /* BITS_S, BYTES: bytes; PACKETS…; FLOWS…: what thinning keeps */
	size_t octets_max, octets; /* memory: at most, now */
	uint32_t epoch;       /* cells may have moved */
	struct recent *recent;
};

void table_init(struct table *t, size_t key_octets, unsigned n_ring,
		const struct measure *order, size_t octets_max);
void table_fini(struct table *t);

/* A ring of n_ring (more than now) slices; what is open stays open. */
void table_resize(struct table *t, unsigned n_ring);

/* Makes room for slice s where the oldest one was. */
void table_open(struct table *t, int64_t s);
struct slice_table *table_slice(const struct table *t, int64_t s); /* NULL: not open */

/* The cell of key in open slice s, made when new (*fresh). Valid until the next call that
 * makes one. Never NULL. */
struct cell *table_cell(struct table *t, int64_t s, const struct key *k, uint64_t hash,
			bool *fresh);
struct cell *table_find(const struct table *t, int64_t s, const struct key *k, uint64_t hash);

#endif
