/* count.c - what a record counts for, settled when it arrives.
 * SPDX-License-Identifier: ISC
 *
 * The same packet may be metered where it enters a router and again where it
 * leaves. An ingress record counts as in of its input interface and as out of
 * its output interface, until that interface sends egress records of its own
 * (flowDirection 1): then its out comes from those alone. Totals come from
 * ingress records, or from egress records of an exporter that sends only those.
 *
 * A probe on a link (softflowd, a mirror port) says the same interface twice,
 * or none. Then direction is told by our networks (towards one of them is in),
 * else by flowDirection, else it is in; and the record counts for that one side.
 *
 * The answer is stored with the flow, not worked out again: a question to the
 * archive next month must not depend on what had been learnt by then.
 */
#include "daemon/window/count.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/model/names.h"

#include <stdlib.h>
#include <string.h>

enum { INTERFACES = 1 << 20 };

struct count_once {
	struct map egress;  /* exporter, ifIndex: sends egress records */
	struct map ingress; /* exporter: has sent ingress (or untold) records */
};

struct where {
	uint32_t exporter, index;
};

struct count_once *count_once_new(void)
{
	struct count_once *c = xcalloc(1, sizeof(*c));

	map_init(&c->egress, sizeof(struct where), 1, INTERFACES);
	map_init(&c->ingress, sizeof(uint32_t), 1, EXPORTERS_MAX);
	return c;
}

void count_once_free(struct count_once **c)
{
	if (*c) {
		map_fini(&(*c)->egress);
		map_fini(&(*c)->ingress);
	}
	free(*c);
	*c = NULL;
}

static uint8_t of_probe(const struct block *b, uint32_t r)
{
	int from = names_network_of(b->names, &b->src[r]);
	int to = names_network_of(b->names, &b->dst[r]);

	if ((from < 0) != (to < 0))
		return COUNT_TOTAL | (to >= 0 ? COUNT_IN : COUNT_OUT);
	return COUNT_TOTAL | (b->direction[r] == DIR_EGRESS ? COUNT_OUT : COUNT_IN);
}

static uint8_t of_egress(struct count_once *c, const struct block *b, uint32_t r)
{
	struct where w = { b->exporter[r], b->out_if[r] };

	if (!map_get(&c->egress, &w))
		map_put(&c->egress, &w, NULL);
	if (map_get(&c->ingress, &w.exporter))
		return COUNT_OUT;
	return COUNT_TOTAL | COUNT_IN | COUNT_OUT;
}

static uint8_t of_ingress(struct count_once *c, const struct block *b, uint32_t r)
{
	struct where w = { b->exporter[r], b->out_if[r] };

	if (c->egress.n) {
		if (!map_get(&c->ingress, &w.exporter))
			map_put(&c->ingress, &w.exporter, NULL);
		if (map_get(&c->egress, &w))
			return COUNT_TOTAL | COUNT_IN;
	}
	return COUNT_TOTAL | COUNT_IN | COUNT_OUT;
}

/* Of the next 64 rows none is of a probe or an egress record. A loop of fixed length without
 * a branch, which the compiler makes into a few wide instructions. */
static inline bool plain(const struct block *b, uint32_t at)
{
	const uint32_t *in = b->in_if + at, *out = b->out_if + at;
	const uint8_t *direction = b->direction + at;
	uint8_t odd = 0;

	for (unsigned i = 0; i < 64; i++)
		odd |= (uint8_t)((in[i] == out[i]) | (direction[i] == DIR_EGRESS));
	return !odd;
}

/* While nobody has sent an egress record, who sends ingress ones need not be known; this
 * keeps the common case free of look-ups, and an exporter that sends both is found out
 * with its next ingress record. */
void count_once(struct count_once *c, struct block *b)
{
	block_use(b, F_counts);
	for (uint32_t r = 0; r < b->n; r++) {
		if (r % 64 == 0 && b->n - r >= 64 && !c->egress.n && plain(b, r)) {
			memset(b->counts + r, COUNT_TOTAL | COUNT_IN | COUNT_OUT, 64);
			r += 63;
			continue;
		}
		if (b->in_if[r] == b->out_if[r])
			b->counts[r] = of_probe(b, r);
		else if (b->direction[r] == DIR_EGRESS)
			b->counts[r] = of_egress(c, b, r);
		else
			b->counts[r] = of_ingress(c, b, r);
	}
}
