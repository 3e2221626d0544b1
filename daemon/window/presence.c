/* presence.c - a ring of bits for each exporter.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/window/presence.h"

#include "daemon/base/mem.h"

#include <stdlib.h>

enum { PATIENCE_MIN_MS = 120000, PATIENCE_NEW_MS = 300000, PATIENCE_MAX_MS = 1800000,
       HOUR_MS = 3600000, TIMES = 4 };

struct one {
	int64_t first_ms, last_ms;
	int64_t gap_ms;     /* longest usual gap; fades by 1/4096 at each datagram */
	int64_t newest;     /* last slice whose bit was settled */
	uint64_t bits[PRESENCE_SLICES / 64];
};

struct presence {
	const struct names *names;
	struct one *of; /* by exporter id */
	uint32_t n;
};

struct presence *presence_new(const struct names *names)
{
	struct presence *p = xcalloc(1, sizeof(*p));

	p->names = names;
	return p;
}

void presence_free(struct presence **p)
{
	if (*p)
		free((*p)->of);
	free(*p);
	*p = NULL;
}

static struct one *one(struct presence *p, uint32_t exporter)
{
	if (exporter >= p->n) {
		uint32_t n = exporter + exporter / 2 + 16;

		p->of = xrealloc(p->of, n, sizeof(*p->of));
		memset(p->of + p->n, 0, (n - p->n) * sizeof(*p->of));
		p->n = n;
	}
	return &p->of[exporter];
}

static int64_t patience(const struct one *o)
{
	int64_t ms = TIMES * o->gap_ms;
	int64_t least = o->last_ms - o->first_ms < HOUR_MS ? PATIENCE_NEW_MS : PATIENCE_MIN_MS;

	return ms < least ? least : ms > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : ms;
}

static void set(struct one *o, int64_t slice, bool on)
{
	uint64_t i = (uint64_t)slice % PRESENCE_SLICES, bit = UINT64_C(1) << (i % 64);

	if (on)
		o->bits[i / 64] |= bit;
	else
		o->bits[i / 64] &= ~bit;
}

void presence_heard(struct presence *p, uint32_t exporter, int64_t at_ms)
{
	struct one *o = one(p, exporter);
	int64_t s = slice_of(at_ms), gap = at_ms - o->last_ms, from;
	bool through = o->last_ms && gap <= patience(o);

	if (at_ms <= o->last_ms)
		return;
	if (!o->first_ms)
		o->first_ms = at_ms;
	if (s > o->newest) {
		from = s - PRESENCE_SLICES + 1;
		if (o->newest >= from)
			from = o->newest + 1;
		for (int64_t i = from; i < s; i++)
			set(o, i, through);
		set(o, s, true);
		o->newest = s;
	}
	o->gap_ms -= o->gap_ms / 4096;
	if (through && gap > o->gap_ms)
		o->gap_ms = gap;
	else if (o->last_ms && !through && gap / TIMES > o->gap_ms)
		o->gap_ms = gap / TIMES + 1;
	o->last_ms = at_ms;
}

static bool covered(const struct one *o, int64_t slice)
{
	uint64_t i = (uint64_t)slice % PRESENCE_SLICES;

	/* Only what came later proves that all of it was there to be seen, and only what
	 * came earlier: of the slice it was first heard in, or we started in, a part is
	 * missing, and an open alert must not end because of that. */
	return slice < o->newest && slice > o->newest - PRESENCE_SLICES &&
	       slice > slice_of(o->first_ms) && o->bits[i / 64] >> (i % 64) & 1;
}

bool presence_covered(const struct presence *p, uint32_t exporter, int64_t slice)
{
	return exporter < p->n && p->of[exporter].first_ms && covered(&p->of[exporter], slice);
}

bool presence_covered_all(const struct presence *p, int64_t slice)
{
	bool any = false;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct one *o = &p->of[i];

		if (!o->first_ms || slice <= slice_of(o->first_ms) ||
		    o->last_ms < slice * SLICE_MS - HOUR_MS)
			continue;
		if (!covered(o, slice))
			return false;
		any = true;
	}
	return any;
}

int64_t presence_last_ms(const struct presence *p, uint32_t exporter)
{
	return exporter < p->n ? p->of[exporter].last_ms : 0;
}

int64_t presence_patience_ms(const struct presence *p, uint32_t exporter)
{
	return exporter < p->n ? patience(&p->of[exporter]) : PATIENCE_MIN_MS;
}
