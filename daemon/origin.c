/* origin.c - AS numbers for flows whose exporter told none.
 * SPDX-License-Identifier: ISC
 *
 * Filled in once for each block, on the worker that made it and before anybody counts, so
 * that rules, windows, the archive and `src as 64500` all see the same number, and what is
 * kept is what was true that day. What a router says stays: it knows its routes. The
 * price is a look at the file for each address that is not among the 8,192 last ones
 * (by hash), and two columns more in the archive; without an AS file, nothing.
 */
#include "daemon/origin.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/geo.h"
#include "daemon/model/block.h"

#include <stdlib.h>
#include <string.h>

enum { REMEMBERED = 8192 };

struct known {
	struct addr addr;
	uint32_t as;
	uint32_t reading; /* of the file; 0: nothing is known yet */
};

struct origin {
	struct geo *geo;
	bool (*sink)(void *arg, struct block *b);
	void *arg;
	struct known known[REMEMBERED];
};

struct origin *origin_new(struct geo *geo, bool (*sink)(void *arg, struct block *b), void *arg)
{
	struct origin *o = xcalloc(1, sizeof(*o));

	o->geo = geo;
	o->sink = sink;
	o->arg = arg;
	return o;
}

void origin_free(struct origin **op)
{
	free(*op);
	*op = NULL;
}

static uint32_t as_of(struct origin *o, const struct addr *a, uint32_t reading)
{
	struct known *k = &o->known[map_hash(a, sizeof(*a)) % REMEMBERED];

	if (k->reading != reading || !addr_eq(&k->addr, a))
		*k = (struct known){ *a, geo_as(o->geo, a), reading };
	return k->as;
}

static void fill(struct origin *o, struct block *b, enum field addr, enum field as,
		 uint32_t reading)
{
	const struct addr *from = block_col(b, addr);
	uint32_t *to = block_col(b, as);
	bool told = block_uses(b, as);

	if (!block_uses(b, addr))
		return;
	for (uint32_t i = 0; i < b->n; i++)
		if (!told || !to[i])
			to[i] = as_of(o, &from[i], reading);
	block_use(b, as);
}

bool origin_sink(void *origin, struct block *b)
{
	struct origin *o = origin;
	uint32_t reading = geo_reading(o->geo);

	if (reading) {
		fill(o, b, F_src, F_src_as, reading);
		fill(o, b, F_dst, F_dst_as, reading);
	}
	return o->sink(o->arg, b);
}
