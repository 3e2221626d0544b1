/* totals.c - running totals of a flow to what came since the last record.
 * SPDX-License-Identifier: ISC
 *
 * A flow that is reported ten times with octetTotalCount has ten records that each
 * hold all before. The table remembers the last totals of 65,536 flows, four to a set,
 * the one longest silent going first; a flow that was forgotten counts whole again,
 * which is the error this can make (it needs that many flows between two of its
 * records). Totals that fell, or a start after the last end, are another flow.
 *
 * It begins with SETS_FIRST sets and doubles when half of its places are taken, so that
 * one datagram with totals does not cost 4 MiB for ever (P3).
 */
#include "daemon/collect/totals.h"

#include "daemon/base/mem.h"

#include <stdlib.h>

enum { WAYS = 4, SETS_FIRST = 64, SETS_MAX = 16384 };

struct entry {
	uint64_t key; /* 0: free */
	struct total total;
	int64_t end_ms;
	uint64_t used;
};

struct totals {
	struct entry (*e)[WAYS];
	uint32_t sets; /* a power of two */
	uint32_t taken;
	uint64_t clock;
};
_Static_assert(sizeof(struct entry) * WAYS * SETS_MAX < 5 << 20, "said to be 4 MiB");

static struct entry *find(struct totals *t, uint64_t key)
{
	struct entry *set = t->e[key & (t->sets - 1)], *oldest = set;

	for (struct entry *e = set; e < set + WAYS; e++) {
		if (e->key == key)
			return e;
		if (e->used < oldest->used)
			oldest = e;
	}
	t->taken += !oldest->key;
	*oldest = (struct entry){ .key = key };
	return oldest;
}

static void grow(struct totals *t)
{
	struct entry (*old)[WAYS] = t->e;
	uint32_t n = t->sets;

	t->sets = n ? n * 2 : SETS_FIRST;
	t->taken = 0;
	t->e = xcalloc(t->sets, sizeof(*t->e));
	for (uint32_t i = 0; i < n; i++)
		for (int k = 0; k < WAYS; k++)
			if (old[i][k].key)
				*find(t, old[i][k].key) = old[i][k];
	free(old);
}

void totals_since(struct totals **tp, uint64_t key, struct total *now, int64_t start_ms,
		  int64_t end_ms, bool last, int64_t *since_ms)
{
	struct total all = *now, *was;
	struct totals *t;
	struct entry *e;

	if (!*tp)
		*tp = xcalloc(1, sizeof(**tp));
	t = *tp;
	if (t->taken >= t->sets * (WAYS / 2) && t->sets < SETS_MAX)
		grow(t);
	e = find(t, key ? key : 1);
	was = &e->total;
	*since_ms = 0;
	if (e->used && now->bytes >= was->bytes && now->packets >= was->packets &&
	    now->rev_bytes >= was->rev_bytes && now->rev_packets >= was->rev_packets &&
	    (!start_ms || start_ms <= e->end_ms)) {
		now->bytes -= was->bytes;
		now->packets -= was->packets;
		now->rev_bytes -= was->rev_bytes;
		now->rev_packets -= was->rev_packets;
		*since_ms = e->end_ms;
	}
	e->total = all;
	e->end_ms = end_ms;
	e->used = ++t->clock;
	if (last) {
		*e = (struct entry){ .key = 0 };
		t->taken--;
	}
}

void totals_free(struct totals **t)
{
	if (*t)
		free((*t)->e);
	free(*t);
	*t = NULL;
}
