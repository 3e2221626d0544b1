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
 * The hash is keyed per process (F17). What is not IPv4 or has few addresses
 * costs no more for that: sixteen planes of octets, of which the constant ones
 * take two octets each.
 */
#include "storage/archive/addrs.h"

#include "daemon/base/map.h"

#include <stdlib.h>

enum { ADDRS_MAX = 65536, SLOTS_MIN = 4096 };

struct addrs {
	uint64_t mul[3];	 /* odd, secret */
	uint32_t *slot, slots;	 /* code + 1, 0 free; slots is a power of two */
	struct addr *list, *tmp; /* ADDRS_MAX each */
	uint32_t *taken;	 /* slot of each code, to take it out again */
	uint32_t *order, *order2;
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

static inline uint32_t home(const struct addrs *a, const struct addr *v)
{
	uint64_t w[2];
	unsigned __int128 m;

	memcpy(w, v->b, 16);
	m = (unsigned __int128)(w[0] ^ a->mul[0]) * (w[1] ^ a->mul[1]);
	return (uint32_t)((((uint64_t)m ^ (uint64_t)(m >> 64)) * a->mul[2]) >> 32) &
	       (a->slots - 1);
}

static void grow(struct addrs *a)
{
	free(a->slot);
	a->slots *= 2;
	a->slot = xcalloc(a->slots, sizeof(*a->slot));
	for (uint32_t c = 0; c < a->n; c++) {
		uint32_t i = home(a, &a->list[c]);

		while (a->slot[i])
			i = (i + 1) & (a->slots - 1);
		a->slot[i] = c + 1;
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

bool addrs_add(struct addrs *a, const struct addr *v, size_t n, uint32_t *codes)
{
	size_t before = a->n, most = before + n / 2 + 16;

	for (size_t r = 0; r < n; r++) {
		uint32_t i = home(a, &v[r]), c;

		while ((c = a->slot[i]) != 0 && !addr_eq(&a->list[c - 1], &v[r]))
			i = (i + 1) & (a->slots - 1);
		if (c) {
			codes[r] = c - 1;
			continue;
		}
		if (a->n >= most || a->n >= ADDRS_MAX) {
			take_back(a, before);
			return false;
		}
		a->slot[i] = (uint32_t)a->n + 1;
		a->taken[a->n] = i;
		a->list[a->n] = v[r];
		codes[r] = (uint32_t)a->n++;
		if (a->n * 2 > a->slots)
			grow(a);
	}
	return true;
}

/* Radix sort from the last octet; an octet that all addresses share costs one look. */
void addrs_sort(struct addrs *a, uint32_t *map)
{
	uint32_t *from = a->order, *to = a->order2;

	for (uint32_t i = 0; i < a->n; i++)
		from[i] = i;
	for (int k = 15; k >= 0; k--) {
		uint32_t start[257] = { 0 }, *swap = from;

		for (size_t i = 0; i < a->n; i++)
			start[a->list[i].b[k] + 1]++;
		if (a->n && start[a->list[0].b[k] + 1] == a->n)
			continue;
		for (unsigned b = 0; b < 256; b++)
			start[b + 1] += start[b];
		for (size_t i = 0; i < a->n; i++)
			to[start[a->list[from[i]].b[k]]++] = from[i];
		from = to;
		to = swap;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		map[from[i]] = i;
		a->tmp[i] = a->list[from[i]];
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

/* Most planes are the same octet all over, in IPv4 twelve at least: those go into a
 * pattern that all addresses begin with. */
bool addrs_read(struct unpacker *u, struct in *r, struct addr *out, size_t n)
{
	struct addr pattern = { 0 };
	uint8_t plane[PART_ROWS];
	bool filled = false;

	if (n > PART_ROWS)
		return false;
	for (unsigned k = 0; k < 16; k++) {
		if (in_left(r) >= 2 && r->p[0] == PLANE_SAME) {
			in_u8(r);
			pattern.b[k] = in_u8(r);
			for (size_t i = 0; filled && i < n; i++)
				out[i].b[k] = pattern.b[k];
			continue;
		}
		if (!plane_read(u, r, plane, n))
			return false;
		for (size_t i = 0; !filled && i < n; i++)
			out[i] = pattern;
		filled = true;
		for (size_t i = 0; i < n; i++)
			out[i].b[k] = plane[i];
	}
	for (size_t i = 0; !filled && i < n; i++)
		out[i] = pattern;
	return true;
}
