/* map.h - a hash table of fixed-size keys and values, keyed per process.
 * SPDX-License-Identifier: ISC
 *
 * Open addressing, entries inline at one stride: key octets, then the value
 * (aligned to 8). Grows by doubling up to `max` entries; then map_put says no
 * and the caller decides (evict, sketch, count). The hash is XXH3 with a secret
 * seed, so nobody outside can choose colliding keys (F17). Pointers to values
 * are valid until the next map_put, map_del or map_clear.
 */
#ifndef CUL_BASE_MAP_H
#define CUL_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	uint8_t *tab;           /* cap entries of `stride` octets; NULL when empty */
	uint8_t *used;          /* one octet each: 0 free, else a hash fragment */
	uint32_t cap;           /* power of two, or 0 */
	uint32_t n, max;        /* entries now, at most */
	uint16_t key, value, stride;
	uint8_t shift;          /* 64 - log2(cap) */
	uint64_t mul;           /* odd, secret: this map's own order of entries */
};

void map_init(struct map *m, size_t key_size, size_t value_size, uint32_t max);
void map_fini(struct map *m);  /* frees; ready for map_init */
/* Forgets the entries. A big table less than an eighth full is given back; one
 * that was used stays for the next round. */
void map_clear(struct map *m);

uint64_t map_hash(const void *key, size_t len); /* what all maps of this process use */

void *map_get(const struct map *m, const void *key); /* its value, or NULL */
/* Its value, zeroed when new (*fresh, may be NULL); NULL when full. */
void *map_put(struct map *m, const void *key, bool *fresh);
/* The same with the hash at hand (map_hash of the key). */
void *map_put_hashed(struct map *m, const void *key, uint64_t hash, bool *fresh);
void *map_get_hashed(const struct map *m, const void *key, uint64_t hash);
/* Will be asked for soon: who looks one key up in many maps says so of all of them first,
 * and waits for memory once instead of each time. */
void map_prefetch(const struct map *m, uint64_t hash);
bool map_del(struct map *m, const void *key);

/* Iteration in table order: start with *at = 0; false at the end. */
bool map_next(const struct map *m, uint32_t *at, const void **key, void **value);
size_t map_octets(const struct map *m); /* memory it holds */

#endif
