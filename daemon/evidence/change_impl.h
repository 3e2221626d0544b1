/* change_impl.h - between the files of change: what was counted.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_CHANGE_IMPL_H
#define CUL_EVIDENCE_CHANGE_IMPL_H

#include "daemon/base/map.h"
#include "daemon/evidence/change.h"

enum { CHANGE_DIMS = 7, EDGE_OCTETS = 32 };

struct tally { /* in the unit of what is ordered by: octets, packets or flows */
	uint64_t now, before;
};

/* The ends of one thing that flows have: hosts, services, networks ... */
struct change_dim {
	enum by by;
	struct map keys;  /* key -> struct tally */
	struct map edges; /* both keys of a flow that has two, the smaller first */
};

struct change_count {
	const struct change_query *q;
	struct change_dim dim[CHANGE_DIMS]; /* the first: BY_HOST */
	struct tally total;
	int64_t span_ms, before_ms; /* length of both, all stretches together */
	uint64_t counted, seen;	    /* rows */
	int64_t oldest_ms;	    /* start of the archive; 0: nothing in it */
};

void change_count_init(struct change_count *c, const struct change_query *q);
void change_count_fini(struct change_count *c);
/* Adds the flows of [from, to). *there (may be NULL): somebody was there to see it; else
 * nothing was added. False + err: the archive could not be read. */
bool change_count_span(struct change_count *c, int64_t from_ms, int64_t to_ms,
		       bool before, bool *there, struct err *err);
/* When the first flow came in that an archive read up to to_ms has, given that from_ms is where
 * its first file begins: a file is begun at a full five minutes, whoever began to listen in
 * the midst of them. from_ms where nothing can be read. */
int64_t change_count_begun(const struct change_count *c, int64_t from_ms, int64_t to_ms);

/* Chooses the rows of out, whose totals are set. */
void change_pick(const struct change_count *c, struct change *out);

#endif
