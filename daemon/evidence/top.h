/* top.h - who had most: the top N of anything over archived flows.
 * SPDX-License-Identifier: ISC
 *
 * Behind an alert's evidence, `culprit top` and the page. The answer is exact,
 * whatever the memory, and the same to the byte for the same position.
 */
#ifndef CUL_EVIDENCE_TOP_H
#define CUL_EVIDENCE_TOP_H

#include "daemon/base/map.h"
#include "daemon/evidence/geo.h"
#include "daemon/model/series.h"
#include "storage/archive/archive.h"

enum { TOP_KEYS = 6, TOP_MAX = 100000 };

enum top_order { TOP_BYTES, TOP_PACKETS, TOP_FLOWS };
enum { TOP_ORDERS = 3 };
extern const char *const top_order_word[TOP_ORDERS]; /* "bytes" "packets" "flows" */

/* What part is of all, by what is ordered by: 0 to 1. */
double top_share(enum top_order o, const struct sums *part, const struct sums *all);

/* Countries are no column: they are looked up while flows are counted. */
enum top_country { TOP_NO_COUNTRY, TOP_SRC_COUNTRY, TOP_DST_COUNTRY, TOP_COUNTRY };

struct top_key {
	bool is_field;    /* else what rules group by, with the same meaning */
	enum by by;       /* BY_COUNT: a country */
	enum field field;
	enum top_country country;
};

const char *top_key_word(const struct top_key *k); /* as it is said to top_keys_parse */

/* "src", "host", "port", "src,dst" ... as in rules, or the name of any column ("tos",
 * "out_vlan"; "-" is as good as "_"), or "country", "src-country", "dst-country", or
 * "flow": source, destination, both ports, protocol.
 * Several with commas. Returns how many, 0 + err. At most one of them may be of those
 * that a flow gives two of (host, as, network, interface). */
unsigned top_keys_parse(const char *words, struct top_key keys[static TOP_KEYS],
			struct err *err);

/* Takes every key that was counted, octets as they lie in top_shape, and its sums; a NULL
 * key first, and again when counting had to begin anew. */
typedef void top_each_f(void *arg, const uint8_t *key, const struct sums *s);

struct top_query {
	const char *directory;
	int64_t from_ms, to_ms;          /* [from, to), event time */
	const struct filter *filter;     /* NULL: every flow; borrowed during the call */
	const struct names *names;       /* the asker's; may be NULL */
	struct geo *geo;                 /* for countries; NULL: none is known */
	const struct key *only;          /* NULL, or: flows of this series alone, counted as */
	enum by only_by;                 /* windows count them; ids are of `names` */
	struct top_key keys[TOP_KEYS];
	unsigned n_keys;                 /* 0: totals alone */
	enum top_order order;
	unsigned n;                      /* rows wanted, at most TOP_MAX */
	bool whole;                      /* flows count wholly, else by their share (D1) */
	bool both_ways;                  /* a conversation's two directions are one row: keys
					    must have both of its ends. With ports the
					    larger one comes first, as clients do */
	/* NULL, or: count only where the octets of the first key, which is only_by's, are in
	 * this map, and hand what was counted to `each`. No rows then. */
	const struct map *among;
	top_each_f *each;
	void *each_arg;
	struct archive_position as_of;   /* file_s 0: now */
	bool no_summaries;               /* read the flows in any case */
	unsigned threads;                /* 0: one for each processor */
	uint64_t memory;                 /* octets; 0: 64 MB. Beyond it the archive is read
					    several times */
	void (*progress)(void *arg, uint64_t done, uint64_t all); /* as in archive_query; */
	void *progress_arg;              /* begins anew with each reading */
};

struct top_value {
	uint64_t number;  /* of a column; of an interface its index, of a network its number */
	struct addr addr; /* of an address column, "host" or the first of "src,dst" */
	char *text;       /* for a person */
	char *name;       /* of an address, by top_names(); NULL: not known */
};

struct top_row {
	struct sums sums;
	struct top_value value[TOP_KEYS];
	struct key key[TOP_KEYS]; /* of keys that are not columns; exporters as in `names` */
};

struct top_result {
	struct top_row *rows;     /* largest first; equal ones in a fixed order */
	unsigned n;
	struct sums total;        /* of all flows that count, not only of rows */
	uint64_t distinct;        /* different keys; 0: not known, since summaries told */
	uint32_t sampling;        /* largest rate of flows that count; 1: none */
	unsigned passes;          /* how often the archive was read */
	struct archive_result read;
};

/* False + err: nothing could be read. *out is to be cleared with top_free in any case. */
bool top_run(const struct top_query *q, struct top_result *out, struct err *err);
void top_free(struct top_result *r);

#endif
