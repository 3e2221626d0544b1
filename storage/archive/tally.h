/* tally.h - sums by key while a file is digested.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_TALLY_H
#define CUL_ARCHIVE_TALLY_H

#include "daemon/base/map.h"
#include "storage/archive/summary.h"

/* ---- few keys: ports, protocols, AS numbers, interfaces ---- */
struct tally_slot {
	uint64_t key; /* + 1; 0: free */
	struct sums sums;
};
struct tally {
	struct tally_slot *slot;
	uint32_t slots, n; /* a power of two */
	bool full;         /* too many keys: of no use */
};

void tally_init(struct tally *t);
void tally_fini(struct tally *t);
struct sums *tally_grow(struct tally *t, uint64_t key); /* for tally_at */

static inline uint32_t tally_home(const struct tally *t, uint64_t key)
{
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->slots - 1);
}

/* The sums of a key, which may be any number below 2^64 - 1; never NULL. */
static inline struct sums *tally_at(struct tally *t, uint64_t key)
{
	uint32_t i = tally_home(t, key);

	while (t->slot[i].key && t->slot[i].key != key + 1)
		i = (i + 1) & (t->slots - 1);
	if (t->slot[i].key)
		return &t->slot[i].sums;
	return tally_grow(t, key);
}

/* ---- many keys: conversations ---- */

/* A first reading adds every key to one of many cells, by its hash; keys that have
 * much must lie in cells that have much. A second reading counts the keys of those
 * cells exactly. What is not counted has no more than the largest cell left out. */
struct cell {
	uint64_t bytes;
	uint32_t packets, flows; /* stop at 2^32 - 1, which is heavy in any case */
};
struct cells {
	struct cell *at;
	uint32_t n;        /* a power of two */
	uint8_t *heavy;    /* a bit for each, after cells_choose */
	struct sums bound; /* of what lies in the others */
	struct map exact;  /* key -> struct sums */
	bool full;         /* too many keys in heavy cells: of no use */
};

void cells_init(struct cells *c, size_t key_octets, uint64_t rows);
void cells_fini(struct cells *c);
void cells_choose(struct cells *c, uint32_t n); /* the n heaviest by each measure */

static inline void cell_add(struct cell *c, const struct sums *s)
{
	uint64_t packets = c->packets + s->packets, flows = c->flows + s->flows;

	c->bytes += s->bytes;
	c->packets = packets < UINT32_MAX && packets >= s->packets ? (uint32_t)packets
								   : UINT32_MAX;
	c->flows = flows < UINT32_MAX ? (uint32_t)flows : UINT32_MAX;
}

static inline bool cells_heavy(const struct cells *c, uint32_t cell)
{
	return c->heavy[cell / 8] >> (cell % 8) & 1;
}

/* ---- choosing ---- */
struct entry {
	const uint8_t *key;
	struct sums sums;
	bool first;
};

/* Marks as first the n that have most by each measure, or all if they are few. *bound: of
 * those that are not marked. */
void entries_choose(struct entry *e, size_t count, uint32_t n, struct sums *bound);
/* The marked ones (or the others) in order of their keys, at most LIST_MAX; gives l's
 * arrays. */
void entries_list(const struct entry *e, size_t count, bool first, size_t octets,
		  struct list *l);

#endif
