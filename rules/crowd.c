/* crowd.c - which of many hosts have a baseline of their own.
 * SPDX-License-Identifier: ISC
 *
 * Those without a seat stand in a heap, the lightest on top: who comes when it is full
 * takes that place, with its weight as the most that it may be overrated by. Weights fade
 * together, so the order stays.
 */
#include "rules/crowd.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/model/slice.h"

#include <math.h>
#include <stdlib.h>

enum { SEATED = -1, DAY_BINS = 288 };

static const double surely = 2; /* so many times heavier takes a seat */

struct one {
	struct key key;
	double weight, error; /* of which at most so much is not its own */
	int64_t slice;        /* the newest that was told */
	int32_t heap;         /* place in the heap, or SEATED */
	int32_t safe_bins;    /* nobody takes its seat for so long */
};

struct crowd {
	struct map map; /* struct key -> uint32_t, index of one */
	struct one *one;
	uint32_t *heap;
	unsigned n, n_heap, seats, seated;
};

struct crowd *crowd_new(enum by by, unsigned seats)
{
	struct crowd *c = xcalloc(1, sizeof(*c));

	c->seats = seats;
	c->one = xcalloc(2 * (size_t)seats, sizeof(*c->one));
	c->heap = xcalloc(2 * (size_t)seats, sizeof(*c->heap));
	map_init(&c->map, by_octets(by), sizeof(uint32_t), 2 * seats + 1);
	return c;
}

void crowd_free(struct crowd **cp)
{
	struct crowd *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	map_fini(&c->map);
	free(c->one);
	free(c->heap);
	free(c);
}

static struct one *find(const struct crowd *c, const struct key *k)
{
	const uint32_t *at = map_get(&c->map, k);

	return at ? &c->one[*at] : NULL;
}

/* --- the heap --- */

static bool lighter(const struct crowd *c, unsigned a, unsigned b)
{
	return c->one[c->heap[a]].weight < c->one[c->heap[b]].weight;
}

static void put(struct crowd *c, unsigned at, uint32_t who)
{
	c->heap[at] = who;
	c->one[who].heap = (int32_t)at;
}

static void swap(struct crowd *c, unsigned a, unsigned b)
{
	uint32_t was = c->heap[a];

	put(c, a, c->heap[b]);
	put(c, b, was);
}

static void sink(struct crowd *c, unsigned at)
{
	for (;;) {
		unsigned least = at;

		for (unsigned k = 2 * at + 1; k <= 2 * at + 2 && k < c->n_heap; k++)
			if (lighter(c, k, least))
				least = k;
		if (least == at)
			return;
		swap(c, at, least);
		at = least;
	}
}

static void rise(struct crowd *c, unsigned at)
{
	for (; at && lighter(c, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(c, at, (at - 1) / 2);
}

static void stand(struct crowd *c, uint32_t who)
{
	put(c, c->n_heap++, who);
	rise(c, c->n_heap - 1);
}

static void leave_heap(struct crowd *c, struct one *o)
{
	unsigned at = (unsigned)o->heap;

	o->heap = SEATED;
	if (at == --c->n_heap)
		return;
	put(c, at, c->heap[c->n_heap]);
	sink(c, at);
	rise(c, at);
}

/* --- who is known --- */

/* One that was not known before, standing or seated. */
static struct one *meet(struct crowd *c, const struct key *k)
{
	bool sits = c->seated < c->seats, full = c->n == 2 * c->seats;
	uint32_t who = full ? c->heap[0] : c->n++;
	struct one *o = &c->one[who];

	if (full) {
		map_del(&c->map, &o->key);
		*o = (struct one){ .key = *k, .weight = sits ? 0 : o->weight,
				   .error = sits ? 0 : o->weight, .slice = INT64_MIN,
				   .heap = o->heap };
		if (sits)
			leave_heap(c, o);
	} else {
		*o = (struct one){ .key = *k, .slice = INT64_MIN, .heap = SEATED };
		if (!sits)
			stand(c, who);
	}
	c->seated += sits;
	*(uint32_t *)map_put(&c->map, k, NULL) = who;
	return o;
}

bool crowd_due(const struct crowd *c, const struct key *k, int64_t slice)
{
	const struct one *o = find(c, k);

	return !o || o->slice < slice;
}

void crowd_add(struct crowd *c, const struct key *k, int64_t slice, double amount)
{
	struct one *o = find(c, k);

	if (!o)
		o = meet(c, k);
	o->slice = slice;
	o->weight += amount;
	if (o->heap != SEATED)
		sink(c, (unsigned)o->heap);
}

bool crowd_seated(const struct crowd *c, const struct key *k)
{
	const struct one *o = find(c, k);

	return o && o->heap == SEATED;
}

bool crowd_seat(struct crowd *c, const struct key *k)
{
	struct one *o = find(c, k);

	if ((!o || o->heap != SEATED) && c->seated >= c->seats)
		return false;
	if (!o)
		o = meet(c, k);
	if (o->heap != SEATED) {
		leave_heap(c, o);
		c->seated++;
	}
	o->safe_bins = DAY_BINS;
	return true;
}

void crowd_leave(struct crowd *c, const struct key *k)
{
	struct one *o = find(c, k);

	if (!o || o->heap != SEATED)
		return;
	c->seated--;
	stand(c, (uint32_t)(o - c->one));
}

/* --- once a bin --- */

void crowd_turn(struct crowd *c)
{
	double kept = exp2(-1.0 / DAY_BINS);

	for (unsigned i = 0; i < c->n; i++) {
		c->one[i].weight *= kept;
		c->one[i].error *= kept;
		c->one[i].safe_bins -= c->one[i].safe_bins > 0;
	}
}

bool crowd_swap(struct crowd *c, bool (*stays)(void *arg, const struct key *k), void *arg,
		struct key *out)
{
	struct one *in = NULL, *light = NULL;

	for (unsigned i = 0; i < c->n; i++) {
		struct one *o = &c->one[i];

		if (o->heap != SEATED) {
			if (!in || o->weight - o->error > in->weight - in->error)
				in = o;
		} else if (!o->safe_bins && (!light || o->weight < light->weight) &&
			   !stays(arg, &o->key)) {
			light = o;
		}
	}
	if (!in || !light || !(in->weight - in->error > surely * light->weight))
		return false;
	*out = light->key;
	leave_heap(c, in);
	stand(c, (uint32_t)(light - c->one));
	return true;
}
