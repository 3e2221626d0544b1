/* gauge.c - exact while few, then HyperLogLog; counts in buckets for entropy.
 * SPDX-License-Identifier: ISC
 *
 * Distinct values: up to FEW_MAX 32-bit hashes are kept and counted exactly
 * (two different values fall together once in four billion pairs); from there
 * on 1,024 registers of HyperLogLog (Flajolet et al. 2007, linear counting for
 * small counts as there): standard error 1.04 / sqrt(1024) = 3.3 %.
 *
 * Entropy: packets are counted in 256 buckets by hash and Shannon's formula is
 * run over the buckets. So it tops out at 8 bits, and what counts is its
 * change: a scan spreads it, a flood on one victim concentrates it (Lakhina et
 * al., SIGCOMM 2005). Buckets add, so slices merge.
 */
#include "daemon/window/gauge.h"

#include "daemon/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_MIN = 4, FEW_MAX = 128, HLL_BITS = 10, REGISTERS = 1 << HLL_BITS, BUCKETS = 256 };

bool gauge_is(const struct measure *m)
{
	return m->kind == MEASURE_PEERS || m->kind == MEASURE_PORTS ||
	       m->kind == MEASURE_ENTROPY;
}

void gauge_init(struct gauge *g)
{
	*g = (struct gauge){ 0 };
}

static size_t octets(const struct gauge *g)
{
	switch (g->form) {
	case GAUGE_FEW: return g->cap * sizeof(uint32_t);
	case GAUGE_HLL: return REGISTERS;
	case GAUGE_COUNTS: return BUCKETS * sizeof(uint64_t);
	default: return 0;
	}
}

size_t gauge_fini(struct gauge *g)
{
	size_t had = octets(g);

	free(g->p);
	gauge_init(g);
	return had;
}

/* One register; spread the 32 bits again so that few values and sketch agree. */
static void hll_put(uint8_t *reg, uint32_t v)
{
	uint64_t h = v * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t rest;
	uint8_t rank;

	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 29;
	rest = h << HLL_BITS | UINT64_C(1) << (HLL_BITS - 1);
	rank = (uint8_t)(__builtin_clzll(rest) + 1);
	if (reg[h >> (64 - HLL_BITS)] < rank)
		reg[h >> (64 - HLL_BITS)] = rank;
}

static double hll_count(const uint8_t *reg)
{
	double sum = 0, m = REGISTERS, e;
	unsigned zero = 0;

	for (unsigned i = 0; i < REGISTERS; i++) {
		sum += ldexp(1, -reg[i]);
		zero += !reg[i];
	}
	e = 0.7213 / (1 + 1.079 / m) * m * m / sum;
	return e <= 2.5 * m && zero ? m * log(m / zero) : e;
}

static void to_hll(struct gauge *g)
{
	uint8_t *reg = xcalloc(REGISTERS, 1);
	const uint32_t *few = g->p;

	for (unsigned i = 0; i < g->n; i++)
		hll_put(reg, few[i]);
	free(g->p);
	g->p = reg;
	g->form = GAUGE_HLL;
}

static void few_add(struct gauge *g, uint32_t v)
{
	uint32_t *few = g->p;

	for (unsigned i = 0; i < g->n; i++)
		if (few[i] == v)
			return;
	if (g->n == FEW_MAX) {
		to_hll(g);
		hll_put(g->p, v);
		return;
	}
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : FEW_MIN;
		g->p = few = xrealloc(few, g->cap, sizeof(*few));
		g->form = GAUGE_FEW;
	}
	few[g->n++] = v;
}

static void put(struct gauge *g, uint32_t v)
{
	if (g->form == GAUGE_HLL)
		hll_put(g->p, v);
	else
		few_add(g, v);
}

size_t gauge_add(struct gauge *g, const struct measure *m, uint64_t hash, uint64_t weight)
{
	size_t had = octets(g);

	if (m->kind == MEASURE_ENTROPY) {
		if (!g->p) {
			g->p = xcalloc(BUCKETS, sizeof(uint64_t));
			g->form = GAUGE_COUNTS;
		}
		((uint64_t *)g->p)[hash % BUCKETS] += weight;
	} else {
		put(g, (uint32_t)(hash >> 32));
	}
	return octets(g) - had;
}

static double entropy(const uint64_t *count)
{
	double total = 0, e = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		total += (double)count[i];
	for (unsigned i = 0; i < BUCKETS; i++)
		if (count[i])
			e -= (double)count[i] / total * log2((double)count[i] / total);
	return e;
}

uint64_t gauge_count(const struct gauge *g)
{
	const uint64_t *count = g->p;
	uint64_t total = 0;

	if (g->form == GAUGE_HLL)
		return (uint64_t)hll_count(g->p);
	if (g->form == GAUGE_FEW)
		return g->n;
	for (unsigned i = 0; g->form == GAUGE_COUNTS && i < BUCKETS; i++)
		total += count[i];
	return total;
}

struct gauge_union {
	struct gauge g; /* few values or registers */
	uint64_t count[BUCKETS];
};

struct gauge_union *gauge_union_new(void)
{
	return xcalloc(1, sizeof(struct gauge_union));
}

void gauge_union_free(struct gauge_union **u)
{
	if (*u)
		gauge_fini(&(*u)->g);
	free(*u);
	*u = NULL;
}

void gauge_union_clear(struct gauge_union *u)
{
	gauge_fini(&u->g);
	memset(u, 0, sizeof(*u));
}

static void union_hll(struct gauge *to, const uint8_t *reg)
{
	uint8_t *mine;

	if (to->form != GAUGE_HLL)
		to_hll(to);
	mine = to->p;
	for (unsigned i = 0; i < REGISTERS; i++)
		if (reg[i] > mine[i])
			mine[i] = reg[i];
}

void gauge_union_add(struct gauge_union *u, const struct gauge *g)
{
	const uint32_t *few = g->p;
	const uint64_t *count = g->p;

	switch (g->form) {
	case GAUGE_FEW:
		for (unsigned i = 0; i < g->n; i++)
			put(&u->g, few[i]);
		break;
	case GAUGE_HLL: union_hll(&u->g, g->p); break;
	case GAUGE_COUNTS:
		for (unsigned i = 0; i < BUCKETS; i++)
			u->count[i] += count[i];
		break;
	default: break;
	}
}

double gauge_union_value(const struct gauge_union *u, const struct measure *m)
{
	if (m->kind == MEASURE_ENTROPY)
		return entropy(u->count);
	return u->g.form == GAUGE_HLL ? hll_count(u->g.p) : u->g.n;
}
