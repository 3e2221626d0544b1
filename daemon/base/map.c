/* map.c - a hash table of fixed-size keys and values, keyed per process.
 * SPDX-License-Identifier: ISC
 *
 * The hot path of the whole program: every flow meets several maps. Linear
 * probing over `used`, one octet an entry, so that sixty-four candidates share
 * a cache line and an entry is touched only when its eight-bit fragment fits.
 * At most three quarters full. Deletion shifts the entries behind it back,
 * instead of leaving tombstones that would slow a table with much coming and
 * going.
 *
 * All maps share one hash of a key, yet each orders its entries by a secret
 * multiplier of its own. Otherwise pouring one map into another in table order
 * (merging the workers' slices) would fill the target's front first and make
 * ever longer runs there: quadratic time for harmless input.
 *
 * A grown table is paid for at once, by the put that found it full: about
 * 10 ns an entry, so 10 ms for a million.
 */
#include "daemon/base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "daemon/base/mem.h"

enum {
	CAP_MIN = 16,
	KEEP_OCTETS = 64 * 1024, /* map_clear() never gives back less */
};

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed;      /* secret, set once, never 0 */
static uint64_t maps_made; /* makes each map's multiplier another one */

static void make_seed(void)
{
	uint64_t s = 0;

	/* Without randomness there is no protection to speak of: stop. */
	if (getrandom(&s, sizeof(s), 0) != sizeof(s))
		abort();
	__atomic_store_n(&seed, s | 1, __ATOMIC_RELEASE);
}

static inline uint64_t the_seed(void)
{
	uint64_t s = __atomic_load_n(&seed, __ATOMIC_RELAXED);

	if (__builtin_expect(s != 0, 1))
		return s;
	pthread_once(&seed_once, make_seed);
	return __atomic_load_n(&seed, __ATOMIC_ACQUIRE);
}

uint64_t map_hash(const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, the_seed());
}

static inline uint8_t fragment(uint64_t hash)
{
	uint8_t f = (uint8_t)hash;

	return (uint8_t)(f + !f); /* 0 means free */
}

static inline uint32_t home(const struct map *m, uint64_t hash)
{
	return (uint32_t)((hash * m->mul) >> m->shift);
}

static inline uint8_t *entry(const struct map *m, uint32_t i)
{
	return m->tab + (size_t)i * m->stride;
}

static inline void *value_of(const struct map *m, uint8_t *e)
{
	return e + ((m->key + 7u) & ~7u);
}

/* Most keys are one or two words; a call of memcmp() costs more than the rest
 * of the look-up. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t x[2], y[2];

	if (len == 16) {
		memcpy(x, a, 16);
		memcpy(y, b, 16);
		return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
	}
	if (len == 8) {
		memcpy(x, a, 8);
		memcpy(y, b, 8);
		return x[0] == y[0];
	}
	while (len >= 8) {
		memcpy(x, a, 8);
		memcpy(y, b, 8);
		if (x[0] != y[0])
			return false;
		a += 8;
		b += 8;
		len -= 8;
	}
	while (len--)
		if (*a++ != *b++)
			return false;
	return true;
}

/* The entry's index, or that of the free place where it belongs. */
static inline uint32_t find(const struct map *m, const void *key, uint64_t hash)
{
	uint32_t mask = m->cap - 1, i = home(m, hash);
	uint8_t f = fragment(hash), u;

	for (; (u = m->used[i]) != 0; i = (i + 1) & mask)
		if (u == f && same(entry(m, i), key, m->key))
			break;
	return i;
}

void map_init(struct map *m, size_t key_size, size_t value_size, uint32_t max)
{
	uint64_t made = __atomic_add_fetch(&maps_made, 1, __ATOMIC_RELAXED);
	size_t stride = ((key_size + 7) & ~(size_t)7) + ((value_size + 7) & ~(size_t)7);

	assert(key_size && stride <= UINT16_MAX && max && max <= (uint32_t)3 << 29);
	*m = (struct map){
		.max = max,
		.key = (uint16_t)key_size,
		.value = (uint16_t)value_size,
		.stride = (uint16_t)stride,
		.mul = map_hash(&made, sizeof(made)) | 1,
	};
}

static void drop_table(struct map *m)
{
	free(m->tab);
	free(m->used);
	m->tab = m->used = NULL;
	m->cap = m->n = 0;
}

void map_fini(struct map *m)
{
	drop_table(m);
}

void map_clear(struct map *m)
{
	if (map_octets(m) > KEEP_OCTETS && m->n < m->cap / 8) {
		drop_table(m);
		return;
	}
	if (m->n)
		memset(m->used, 0, m->cap);
	m->n = 0;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? old.cap * 2 : CAP_MIN;
	m->shift = (uint8_t)(64 - __builtin_ctz(m->cap));
	m->used = xcalloc(m->cap, 1);
	m->tab = xrealloc(NULL, m->cap, m->stride);
	for (uint32_t i = 0; i < old.cap; i++) {
		uint32_t to, mask = m->cap - 1;

		if (!old.used[i])
			continue;
		to = home(m, map_hash(entry(&old, i), m->key));
		while (m->used[to])
			to = (to + 1) & mask;
		m->used[to] = old.used[i];
		memcpy(entry(m, to), entry(&old, i), m->stride);
	}
	free(old.tab);
	free(old.used);
}

void map_prefetch(const struct map *m, uint64_t hash)
{
	uint32_t i;

	if (!m->cap)
		return;
	i = home(m, hash);
	__builtin_prefetch(&m->used[i]);
	__builtin_prefetch(entry(m, i));
}

void *map_get_hashed(const struct map *m, const void *key, uint64_t hash)
{
	uint32_t i;

	if (!m->n)
		return NULL;
	i = find(m, key, hash);
	return m->used[i] ? value_of(m, entry(m, i)) : NULL;
}

void *map_get(const struct map *m, const void *key)
{
	return m->n ? map_get_hashed(m, key, map_hash(key, m->key)) : NULL;
}

static void *insert(struct map *m, const void *key, uint64_t hash, uint32_t at)
{
	uint8_t *e;

	if (m->n >= m->max)
		return NULL;
	if (m->n >= m->cap / 4 * 3) {
		grow(m);
		at = find(m, key, hash);
	}
	e = entry(m, at);
	m->used[at] = fragment(hash);
	m->n++;
	memset(e, 0, m->stride);
	memcpy(e, key, m->key);
	return value_of(m, e);
}

void *map_put_hashed(struct map *m, const void *key, uint64_t hash, bool *fresh)
{
	uint32_t i = 0;
	void *v;

	if (__builtin_expect(m->cap != 0, 1)) {
		i = find(m, key, hash);
		if (m->used[i]) {
			if (fresh)
				*fresh = false;
			return value_of(m, entry(m, i));
		}
	}
	v = insert(m, key, hash, i);
	if (fresh)
		*fresh = v != NULL;
	return v;
}

void *map_put(struct map *m, const void *key, bool *fresh)
{
	return map_put_hashed(m, key, map_hash(key, m->key), fresh);
}

bool map_del(struct map *m, const void *key)
{
	uint32_t mask = m->cap - 1, hole, i;

	if (!m->n)
		return false;
	hole = find(m, key, map_hash(key, m->key));
	if (!m->used[hole])
		return false;
	for (i = (hole + 1) & mask; m->used[i]; i = (i + 1) & mask) {
		uint32_t h = home(m, map_hash(entry(m, i), m->key));

		/* It may move back only if its home is not behind the hole. */
		if (((i - h) & mask) < ((i - hole) & mask))
			continue;
		m->used[hole] = m->used[i];
		memcpy(entry(m, hole), entry(m, i), m->stride);
		hole = i;
	}
	m->used[hole] = 0;
	m->n--;
	return true;
}

bool map_next(const struct map *m, uint32_t *at, const void **key, void **value)
{
	for (uint32_t i = *at; i < m->cap; i++) {
		if (!m->used[i])
			continue;
		*key = entry(m, i);
		*value = value_of(m, entry(m, i));
		*at = i + 1;
		return true;
	}
	*at = m->cap;
	return false;
}

size_t map_octets(const struct map *m)
{
	return (size_t)m->cap * (m->stride + 1u);
}
