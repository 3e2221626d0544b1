/* addrs.c - the dictionary of a part's addresses.
 * SPDX-License-Identifier: ISC
 *
 * All address columns of a part share one sorted list of the addresses in it,
 * and hold numbers into that list. So sums by address are made in an array
 * indexed by number, with one look-up by address for each entry of the list and
 * not for each flow; and the sorted list says at once whether an address or a
 * network occurs at all. A column with nearly as many addresses as rows (a
 * flood of random sources) stays out of the list and stands as it is.
 *
 * Most addresses are IPv4: a slot then holds all 32 bits beside the code, so that a
 * look-up touches one line of memory and not two, and the slots of a few rows are asked
 * for before the first of them is needed. The hash is keyed per process (F17). What is
 * not IPv4 costs a comparison more, and sixteen planes of octets, of which the constant
 * ones take two octets each.
 */
#include "storage/archive/addrs.h"

#include "daemon/base/map.h"

#include <stdlib.h>

enum {
	ADDRS_MAX = 65536,
	SLOTS_MIN = 4096,
	AHEAD = 32,	 /* rows whose slots are fetched together */
	DIGIT_BITS = 12, /* sorted by at once */
	KEY_BITS = 32,
};

/* A slot is 0 when free, else tag << 32 | SLOT_V4 or 0 | code + 1; the tag of an IPv4
 * address is the address, of others it is a part of the hash. */
static const uint64_t SLOT_V4 = UINT64_C(1) << 31;

struct addrs {
	uint64_t mul[3]; /* odd, secret */
	uint64_t *slot;
	uint32_t slots;		 /* a power of two */
	struct addr *list, *tmp; /* ADDRS_MAX each */
	uint32_t *taken;	 /* slot of each code, to take it out again */
	uint64_t *order, *order2;
	size_t n;
};

struct addrs *addrs_new(void)
{
	struct addrs *a = xcalloc(1, sizeof(*a));

	for (uint64_t i = 0; i < 3; i++)
		a->mul[i] = map_hash(&i, sizeof(i)) | 1;
	a->slots = SLOTS_MIN;
	a->slot = xcalloc(a->slots, sizeof(*a->slot));
	a->list = xcalloc(ADDRS_MAX, sizeof(*a->list));
	a->tmp = xcalloc(ADDRS_MAX, sizeof(*a->tmp));
	a->taken = xcalloc(ADDRS_MAX, sizeof(*a->taken));
	a->order = xcalloc(ADDRS_MAX, sizeof(*a->order));
	a->order2 = xcalloc(ADDRS_MAX, sizeof(*a->order2));
	return a;
}

void addrs_free(struct addrs **ap)
{
	struct addrs *a = *ap;

	if (!a)
		return;
	free(a->slot);
	free(a->list);
	free(a->tmp);
	free(a->taken);
	free(a->order);
	free(a->order2);
	free(a);
	*ap = NULL;
}

void addrs_clear(struct addrs *a)
{
	memset(a->slot, 0, a->slots * sizeof(*a->slot));
	a->n = 0;
}

size_t addrs_count(const struct addrs *a)
{
	return a->n;
}

const struct addr *addrs_list(const struct addrs *a)
{
	return a->list;
}

/* Where an address belongs, and what its slot holds beside the code. */
struct place {
	uint64_t mark;
	uint32_t hash; /* of which the low bits are the slot */
};

static inline struct place place_of(const struct addrs *a, const struct addr *v)
{
	unsigned __int128 m;
	uint64_t w[2], h;

	if (addr_is4(v)) {
		uint32_t v4;

		memcpy(&v4, v->b + 12, sizeof(v4));
		h = (v4 ^ (a->mul[0] >> 32)) * a->mul[1];
		h = (h ^ h >> 32) * a->mul[2];
		return (struct place){ (uint64_t)v4 << 32 | SLOT_V4,
				       (uint32_t)(h >> 32) };
	}
	memcpy(w, v->b, 16);
	m = (unsigned __int128)(w[0] ^ a->mul[0]) * (w[1] ^ a->mul[1]);
	h = ((uint64_t)m ^ (uint64_t)(m >> 64)) * a->mul[2];
	return (struct place){ h << 32, (uint32_t)(h >> 32) };
}

static void grow(struct addrs *a)
{
	free(a->slot);
	a->slots *= 2;
	a->slot = xcalloc(a->slots, sizeof(*a->slot));
	for (uint32_t c = 0; c < a->n; c++) {
		struct place at = place_of(a, &a->list[c]);
		uint32_t i = at.hash & (a->slots - 1);

		while (a->slot[i])
			i = (i + 1) & (a->slots - 1);
		a->slot[i] = at.mark | (c + 1);
		a->taken[c] = i;
	}
}

/* Entries were put in one after another, so taking them out in the opposite order
 * leaves every probe sequence as it was. */
static void take_back(struct addrs *a, size_t n)
{
	while (a->n > n)
		a->slot[a->taken[--a->n]] = 0;
}

/* The slot of v, or the free one where it belongs. */
static inline uint32_t find(const struct addrs *a, const struct addr *v, struct place at)
{
	uint32_t i = at.hash & (a->slots - 1);

	for (;; i = (i + 1) & (a->slots - 1)) {
		uint64_t s = a->slot[i], code = s & (SLOT_V4 - 1);

		if (!s || (s - code == at.mark &&
			   (at.mark & SLOT_V4 || addr_eq(&a->list[code - 1], v))))
			return i;
	}
}

bool addrs_add(struct addrs *a, const struct addr *v, size_t n, uint32_t *codes)
{
	size_t before = a->n, most = before + n / 2 + 16;
	struct place at[AHEAD];

	for (size_t r = 0; r < n; r++) {
		uint64_t *slot;
		uint32_t i;

		if (r % AHEAD == 0)
			for (size_t k = 0; k < AHEAD && r + k < n; k++) {
				at[k] = place_of(a, &v[r + k]);
				__builtin_prefetch(&a->slot[at[k].hash & (a->slots - 1)],
						   1);
			}
		i = find(a, &v[r], at[r % AHEAD]);
		slot = &a->slot[i];
		if (*slot) {
			codes[r] = (uint32_t)(*slot & (SLOT_V4 - 1)) - 1;
			continue;
		}
		if (a->n >= most || a->n >= ADDRS_MAX) {
			take_back(a, before);
			return false;
		}
		*slot = at[r % AHEAD].mark | (a->n + 1);
		a->taken[a->n] = i;
		a->list[a->n] = v[r];
		codes[r] = (uint32_t)a->n++;
		if (a->n * 2 > a->slots)
			grow(a);
	}
	return true;
}

/* ---- sorting ---- */

/* What an octet of all addresses adds to the key they are sorted by: the bits in which
 * they differ, since bits that are the same all over change no order. */
struct varying {
	unsigned octet, bits;
	uint8_t squeezed[256];
};

static void squeeze(struct varying *v, unsigned octet, uint8_t differ)
{
	*v = (struct varying){ .octet = octet };
	for (unsigned b = 0; b < 8; b++) {
		if (!(differ >> b & 1))
			continue;
		for (unsigned i = 0; i < 256; i++)
			v->squeezed[i] |= (uint8_t)((i >> b & 1) << v->bits);
		v->bits++;
	}
}

/* Returns how many octets vary. */
static unsigned find_varying(const struct addrs *a, struct varying v[static 16])
{
	uint8_t differ[16] = { 0 };
	unsigned n = 0;

	for (size_t i = 1; i < a->n; i++)
		for (unsigned k = 0; k < 16; k++)
			differ[k] |= a->list[i].b[k] ^ a->list[0].b[k];
	for (unsigned k = 0; k < 16; k++)
		if (differ[k])
			squeeze(&v[n++], k, differ[k]);
	return n;
}

/* Sorts a->order, numbers with keys above them, by bits from .. from + DIGIT_BITS. */
static void sort_by(struct addrs *a, unsigned from)
{
	enum { MASK = (1 << DIGIT_BITS) - 1 };
	uint32_t start[MASK + 2] = { 0 };
	uint64_t *swap = a->order;

	for (size_t i = 0; i < a->n; i++)
		start[(a->order[i] >> from & MASK) + 1]++;
	for (unsigned d = 0; d < MASK; d++)
		start[d + 1] += start[d];
	for (size_t i = 0; i < a->n; i++)
		a->order2[start[a->order[i] >> from & MASK]++] = a->order[i];
	a->order = a->order2;
	a->order2 = swap;
}

/* Radix sort from the last octet that varies to the first, as many of them at a time as a
 * key holds: in IPv4 all. */
void addrs_sort(struct addrs *a, uint32_t *map)
{
	struct varying v[16];
	unsigned left = find_varying(a, v);

	for (size_t i = 0; i < a->n; i++)
		a->order[i] = i;
	while (left) {
		unsigned from = left, have = 0;

		while (from && have + v[from - 1].bits <= KEY_BITS)
			have += v[--from].bits;
		for (size_t i = 0; i < a->n; i++) {
			uint32_t code = (uint32_t)a->order[i], key = 0;

			for (unsigned k = from; k < left; k++)
				key = key << v[k].bits |
				      v[k].squeezed[a->list[code].b[v[k].octet]];
			a->order[i] = (uint64_t)key << 32 | code;
		}
		for (unsigned b = 0; b < have; b += DIGIT_BITS)
			sort_by(a, 32 + b);
		left = from;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		map[(uint32_t)a->order[i]] = i;
		a->tmp[i] = a->list[(uint32_t)a->order[i]];
	}
	memcpy(a->list, a->tmp, a->n * sizeof(*a->list));
}

void addrs_write(struct packer *p, struct out *o, const struct addr *v, size_t n)
{
	uint8_t plane[PART_ROWS];

	for (unsigned k = 0; k < 16; k++) {
		for (size_t i = 0; i < n; i++)
			plane[i] = v[i].b[k];
		plane_write(p, o, plane, n);
	}
}

/* IPv4: four planes put together, an address at a time. */
FAST_LOOPS static void join4(const uint8_t (*plane)[PART_ROWS], struct addr pattern,
			     struct addr *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t b[4] = { plane[0][i], plane[1][i], plane[2][i],
				       plane[3][i] };

		out[i] = pattern;
		memcpy(out[i].b + 12, b, sizeof(b));
	}
}

/* Most planes are the same octet all over, in IPv4 twelve at least: those go into a
 * pattern that all addresses begin with. */
bool addrs_read(struct unpacker *u, struct in *r, struct addr *out, size_t n)
{
	struct addr pattern = { 0 };
	uint8_t(*plane)[PART_ROWS] = unpacker_planes(u);
	bool filled = false;

	if (n > PART_ROWS)
		return false;
	for (unsigned k = 0; k < 16; k++) {
		bool same = in_left(r) >= 2 && r->p[0] == PLANE_SAME;

		if (k >= 12 && !filled) { /* what comes is the end of each */
			if (!plane_read(u, r, plane[k - 12], n))
				return false;
			continue;
		}
		if (same) {
			in_u8(r);
			pattern.b[k] = in_u8(r);
			for (size_t i = 0; filled && i < n; i++)
				out[i].b[k] = pattern.b[k];
			continue;
		}
		if (!plane_read(u, r, plane[0], n))
			return false;
		for (size_t i = 0; !filled && i < n; i++)
			out[i] = pattern;
		filled = true;
		for (size_t i = 0; i < n; i++)
			out[i].b[k] = plane[0][i];
	}
	if (!filled)
		join4((const uint8_t(*)[PART_ROWS])plane, pattern, out, n);
	return true;
}
