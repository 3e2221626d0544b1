/* plan.c - from records to columns, field by field.
 * SPDX-License-Identifier: ISC
 *
 * The loops below have the widths as constants, so each becomes a handful of
 * instructions for a cell. A cell that two elements may tell is first written
 * from the better one; the other goes to a column of its own and fills what is
 * still zero. An IPv4 address of 0.0.0.0 counts as zero there, since exporters
 * fill the address family that a flow is not of with zeros.
 */
#include "daemon/collect/plan.h"

#include "daemon/base/mem.h"
#include "daemon/collect/sampling.h"
#include "daemon/collect/times.h"

#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t load(const uint8_t *p, unsigned len)
{
	uint16_t v2;
	uint32_t v4;
	uint64_t v8 = 0;

	switch (len) {
	case 1: return *p;
	case 2: memcpy(&v2, p, 2); return __builtin_bswap16(v2);
	case 4: memcpy(&v4, p, 4); return __builtin_bswap32(v4);
	case 8: memcpy(&v8, p, 8); return __builtin_bswap64(v8);
	}
	while (len--)
		v8 = v8 << 8 | *p++;
	return v8;
}

INLINE void store(void *to, uint32_t i, unsigned width, uint64_t v)
{
	switch (width) {
	case 1: ((uint8_t *)to)[i] = (uint8_t)v; break;
	case 2: ((uint16_t *)to)[i] = (uint16_t)v; break;
	case 4: ((uint32_t *)to)[i] = (uint32_t)v; break;
	case 8: ((uint64_t *)to)[i] = v; break;
	}
}

INLINE void ints(const uint8_t *p, size_t stride, uint32_t n, void *to, unsigned len,
		 unsigned width)
{
	for (uint32_t i = 0; i < n; i++, p += stride)
		store(to, i, width, load(p, len));
}

static void ints_any(const uint8_t *p, size_t stride, uint32_t n, void *to, unsigned len,
		     unsigned width)
{
	uint64_t most = width == 8 ? UINT64_MAX : (UINT64_C(1) << width * 8) - 1;

	for (uint32_t i = 0; i < n; i++, p += stride) {
		uint64_t v = load(p, len);

		store(to, i, width, v < most ? v : most);
	}
}

INLINE void ip4s(const uint8_t *p, size_t stride, uint32_t n, struct addr *to, bool hop)
{
	for (uint32_t i = 0; i < n; i++, p += stride) {
		uint64_t half;
		uint32_t v;

		memcpy(&v, p, 4);
		half = __builtin_bswap64(UINT64_C(0xffff) << 32 | __builtin_bswap32(v));
		if (hop && !v)
			half = 0;
		memset(to[i].b, 0, 8);
		memcpy(to[i].b + 8, &half, 8);
	}
}

/* Engine in the top octet, the selector's last seven below it. */
static uint64_t app_of(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = len > 8 ? len - 7 : 1; i < len; i++)
		v = v << 8 | p[i];
	return (uint64_t)*p << 56 | (v & ((UINT64_C(1) << 56) - 1));
}

static uint64_t odd_int(const struct run *r, enum op op, const uint8_t *p, size_t len)
{
	uint64_t v;

	switch (op) {
	case OP_APP: return app_of(p, len);
	case OP_SECTION:
		return (uint64_t)len << 32 | (uint64_t)(p - r->set);
	default: break;
	}
	v = load(p, (unsigned)len);
	switch (op) {
	case OP_SECS: return v * 1000;
	case OP_NTP: return (uint64_t)times_ntp(v);
	case OP_DELTA_US: return (uint64_t)(r->d->export_ms - (int64_t)(v / 1000));
	case OP_MS_OF_US: return v / 1000;
	case OP_MPLS: return v >> 4;
	case OP_DIR: return v < 2 ? v + 1 : 0;
	case OP_DSCP: return (v & 63) << 2;
	case OP_FLOAT: return sampling_float(v, len);
	default: return v;
	}
}

static void odd(const struct run *r, const struct step *s, size_t len, enum op op,
		const uint8_t *p, size_t stride, uint32_t n, void *to)
{
	unsigned width = target_width(s->to);

	for (uint32_t i = 0; i < n; i++, p += stride) {
		if (op == OP_TEXT)
			((uint32_t *)to)[i] = block_text(r->b, p, len);
		else
			store(to, i, width, odd_int(r, op, p, len));
	}
}

INLINE void decode(const struct run *r, const struct step *s, size_t len, enum op op,
		   const uint8_t *p, size_t stride, uint32_t n, void *to)
{
	switch (op) {
	case OP_1_1: ints(p, stride, n, to, 1, 1); break;
	case OP_1_2: ints(p, stride, n, to, 1, 2); break;
	case OP_1_8: ints(p, stride, n, to, 1, 8); break;
	case OP_2_2: ints(p, stride, n, to, 2, 2); break;
	case OP_2_4: ints(p, stride, n, to, 2, 4); break;
	case OP_2_8: ints(p, stride, n, to, 2, 8); break;
	case OP_4_4: ints(p, stride, n, to, 4, 4); break;
	case OP_4_8: ints(p, stride, n, to, 4, 8); break;
	case OP_8_8: ints(p, stride, n, to, 8, 8); break;
	case OP_UINT:
		ints_any(p, stride, n, to, (unsigned)len, target_width(s->to));
		break;
	case OP_IP4: ip4s(p, stride, n, to, false); break;
	case OP_HOP4: ip4s(p, stride, n, to, true); break;
	case OP_IP6:
		for (uint32_t i = 0; i < n; i++, p += stride)
			memcpy((struct addr *)to + i, p, 16);
		break;
	default: odd(r, s, len, op, p, stride, n, to); break;
	}
}

static bool is_zero(const void *cell, unsigned width)
{
	static const uint8_t zero[8];

	if (width == 16) {
		const struct addr *a = cell;

		return !memcmp(a->b + 12, zero, 4) && (addr_is4(a) || addr_is_none(a));
	}
	return !memcmp(cell, zero, width);
}

static void merge(void *to, const void *from, uint32_t n, unsigned width)
{
	for (uint32_t i = 0; i < n; i++) {
		char *cell = (char *)to + (size_t)i * width;
		const char *other = (const char *)from + (size_t)i * width;

		if (is_zero(cell, width) && !is_zero(other, width))
			memcpy(cell, other, width);
	}
}

static void *cells(const struct run *r, enum target t)
{
	if ((unsigned)t >= FIELD_COUNT)
		return scratch_col(r->s, t);
	block_use(r->b, (enum field)t);
	return block_cell(r->b, (enum field)t, r->row);
}

/* Many a probe sends the next hop's octets and has none: sixteen zeros a row that need
 * not be written, since they are there. */
INLINE bool no_hop(const uint8_t *p, size_t stride, uint32_t n)
{
	uint32_t v, any = 0;

	for (uint32_t i = 0; i < n && !any; i++, p += stride) {
		memcpy(&v, p, 4);
		any = v;
	}
	return !any;
}

INLINE void step(const struct run *r, const struct step *s, size_t len, enum op op,
		 const uint8_t *p, size_t stride, uint32_t n)
{
	void *to;

	if (op == OP_HOP4 && !(r->b->stale >> s->to & 1) && no_hop(p, stride, n))
		return;
	to = cells(r, s->to);
	if (!s->merge) {
		decode(r, s, len, op, p, stride, n, to);
		return;
	}
	decode(r, s, len, op, p, stride, n, r->s->merge);
	merge(to, r->s->merge, n, target_width(s->to));
}

static void step_one(const struct run *r, const struct step *s, size_t len, enum op op,
		     const uint8_t *p)
{
	step(r, s, len, op, p, 0, 1);
}

/* Columns that every row gets: by the plan, or by dgram_finish(). */
static uint64_t written(const struct plan *p)
{
	uint64_t w = UINT64_C(1) << F_received_ms | UINT64_C(1) << F_exporter |
		     UINT64_C(1) << F_via;

	for (const struct step *s = p->steps; s < p->steps + p->n_steps; s++)
		if (!s->merge && s->to < FIELD_COUNT)
			w |= UINT64_C(1) << s->to;
	return w;
}

void plan_run(const struct plan *p, const struct run *r, const uint8_t *at, uint32_t n)
{
	if (r->b->stale)
		block_ready(r->b, r->row + n, written(p));
	for (const struct step *s = p->steps; s < p->steps + p->n_steps; s++)
		step(r, s, s->len, s->op, at + s->off, p->size, n);
}

bool plan_run_one(const struct plan *p, const struct run *r, struct rd *rec)
{
	struct rd field[STEPS_MAX + 1];

	for (const struct walk *w = p->walk; w < p->walk + p->n_walk; w++) {
		size_t len = w->len;

		if (len == IE_VARLEN) {
			len = rd_uint(rec, 1);
			if (len == 255)
				len = rd_u16(rec);
		}
		field[w->step] = rd_sub(rec, len);
	}
	if (!rd_ok(rec))
		return false;
	block_ready(r->b, r->row + 1, 0);
	for (unsigned i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];
		size_t len = rd_left(&field[i]);

		if (s->len != IE_VARLEN) {
			step_one(r, s, len, s->op, field[i].p);
		} else if (len && len >= s->min && len <= s->max) {
			step_one(r, s, len, plan_op(s->how, len, s->to), field[i].p);
		} else if (!s->merge) {
			/* Not legal for the element, or empty: not told. */
			memset(cells(r, s->to), 0, target_width(s->to));
		}
	}
	return true;
}

enum op plan_op(uint8_t how, size_t len, enum target to)
{
	static const uint8_t odd_ops[] = {
		[IE_IP4] = OP_IP4, [IE_HOP4] = OP_HOP4, [IE_IP6] = OP_IP6,
		[IE_TEXT] = OP_TEXT, [IE_SECS] = OP_SECS, [IE_NTP] = OP_NTP,
		[IE_DELTA_US] = OP_DELTA_US, [IE_MS_OF_US] = OP_MS_OF_US,
		[IE_MPLS] = OP_MPLS, [IE_APP] = OP_APP, [IE_DIR] = OP_DIR,
		[IE_DSCP] = OP_DSCP, [IE_SECTION] = OP_SECTION, [IE_FLOAT] = OP_FLOAT,
	};
	static const struct { uint8_t len, width, op; } known[] = {
		{ 1, 1, OP_1_1 }, { 1, 2, OP_1_2 }, { 1, 8, OP_1_8 },
		{ 2, 2, OP_2_2 }, { 2, 4, OP_2_4 }, { 2, 8, OP_2_8 },
		{ 4, 4, OP_4_4 }, { 4, 8, OP_4_8 }, { 8, 8, OP_8_8 },
	};

	if (how != IE_UINT)
		return odd_ops[how];
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].len == len && known[i].width == target_width(to))
			return known[i].op;
	return OP_UINT;
}

struct scratch *plan_scratch_new(void)
{
	return xcalloc(1, sizeof(struct scratch));
}

void plan_scratch_free(struct scratch **s)
{
	free(*s);
	*s = NULL;
}
