/* top_impl.h - between the files of top: keys in octets.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_TOP_IMPL_H
#define CUL_EVIDENCE_TOP_IMPL_H

#include "daemon/base/map.h"
#include "daemon/evidence/top.h"

#include <pthread.h>

enum { TOP_KEY_OCTETS = 128, TOP_TEXTS_MAX = 1 << 20 };

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
};

void top_shape_init(struct top_shape *s, const struct top_key *keys, unsigned n,
		    struct top_texts *texts);
uint64_t top_by_columns(enum by by);
/* The keys of a row, at most ROW_KEYS of shape->size octets; returns how many. */
unsigned top_keys_of(const struct top_shape *s, const struct block *b, uint32_t row,
		     uint8_t out[][TOP_KEY_OCTETS]);
/* Fills value[] and key[] of r. */
void top_row_fill(const struct top_shape *s, const uint8_t *key, const struct names *names,
		  struct top_row *r);

#endif
