/* test_map.c - against a model that is too simple to be wrong.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <string.h>

#include "daemon/base/map.h"
#include "daemon/base/mem.h"

enum { KEY_MAX = 48 };

/* splitmix64: the same numbers in every run. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The number of a key is in its last octets, so the whole key is compared. */
static const void *key_of(uint8_t key[KEY_MAX], size_t size, uint32_t n)
{
	memset(key, 7, KEY_MAX);
	for (size_t i = 0; i < size && i < 4; i++)
		key[size - 1 - i] = (uint8_t)(n >> 8 * i);
	return key;
}

static void an_empty_map_answers(void **unused)
{
	struct map m;
	const void *k;
	void *v;
	uint32_t at = 0;

	(void)unused;
	map_init(&m, 8, 8, 10);
	assert_null(map_get(&m, "12345678"));
	assert_false(map_del(&m, "12345678"));
	assert_false(map_next(&m, &at, &k, &v));
	assert_int_equal(map_octets(&m), 0);
	map_clear(&m);
	map_fini(&m);
}

static void new_values_are_zero_and_aligned(void **unused)
{
	struct map m;
	uint8_t key[KEY_MAX];
	bool fresh;

	(void)unused;
	map_init(&m, 13, 20, 1000);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 200; i++) {
			uint8_t *v = map_put(&m, key_of(key, 13, i), &fresh);

			assert_true(fresh);
			assert_int_equal((uintptr_t)v % 8, 0);
			for (int j = 0; j < 20; j++)
				assert_int_equal(v[j], 0);
			memset(v, 0xee, 20);
		}
		map_clear(&m); /* the second round meets used memory */
		assert_int_equal(m.n, 0);
		assert_null(map_get(&m, key_of(key, 13, 5)));
	}
	map_fini(&m);
}

static void it_grows_to_max_and_then_says_no(void **unused)
{
	static const uint32_t sizes[] = { 1, 11, 12, 13, 100, 3000, 49152, 49153 };
	uint8_t key[KEY_MAX];
	bool fresh;

	(void)unused;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct map m;

		map_init(&m, 16, 8, sizes[s]);
		for (uint32_t i = 0; i < sizes[s]; i++) {
			uint64_t *v = map_put(&m, key_of(key, 16, i), &fresh);

			assert_non_null(v);
			*v = i;
		}
		assert_null(map_put(&m, key_of(key, 16, sizes[s]), &fresh));
		assert_false(fresh);
		assert_int_equal(m.n, sizes[s]);
		for (uint32_t i = 0; i < sizes[s]; i++)
			assert_int_equal(*(uint64_t *)map_get(&m, key_of(key, 16, i)), i);
		/* what is there can still be put, and room made */
		assert_non_null(map_put(&m, key_of(key, 16, 0), &fresh));
		assert_false(fresh);
		assert_true(map_del(&m, key_of(key, 16, 0)));
		assert_non_null(map_put(&m, key_of(key, 16, sizes[s]), &fresh));
		assert_true(fresh);
		map_fini(&m);
	}
}

/* A million random puts, gets and deletions for each kind of key. */
static void a_million_operations_agree_with_the_model(void **unused)
{
	static const size_t sizes[] = { 4, 8, 13, 16, 24, 40 };
	enum { KEYS = 5000, MAX = 4000 };
	static struct {
		bool there;
		uint64_t value;
	} model[KEYS];
	uint64_t state = 1;

	(void)unused;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct map m;
		uint32_t n = 0;

		memset(model, 0, sizeof(model));
		map_init(&m, sizes[s], 16, MAX);
		for (uint32_t i = 0; i < 1000000; i++) {
			uint64_t r = next(&state), *v;
			uint32_t k = (uint32_t)(r >> 32) % KEYS;
			/* waves of growth and decay */
			bool growing = i / 50000 % 2 == 0;
			unsigned what = (unsigned)(r % 8);
			uint8_t key[KEY_MAX];
			bool fresh;

			key_of(key, sizes[s], k);
			if (what < (growing ? 5 : 2)) {
				v = map_put_hashed(&m, key, map_hash(key, sizes[s]), &fresh);
				assert_int_equal(v != NULL, model[k].there || n < MAX);
				assert_int_equal(fresh, v && !model[k].there);
				if (!v)
					continue;
				assert_int_equal(v[0], model[k].value);
				n += fresh;
				model[k].there = true;
				v[0] = model[k].value = r;
			} else if (what < 7) {
				assert_int_equal(map_del(&m, key), model[k].there);
				n -= model[k].there;
				model[k].there = false;
				model[k].value = 0;
			} else {
				v = map_get(&m, key);
				assert_int_equal(v != NULL, model[k].there);
				if (v)
					assert_int_equal(v[0], model[k].value);
			}
			assert_int_equal(m.n, n);
		}
		map_fini(&m);
	}
}

static void every_entry_is_visited_once(void **unused)
{
	enum { N = 10000 };
	static uint8_t seen[N];
	struct map m;
	uint32_t at = 0, n = 0;
	const void *key;
	void *value;

	(void)unused;
	map_init(&m, 4, 4, N);
	for (uint32_t i = 0; i < N; i++)
		*(uint32_t *)map_put(&m, &i, NULL) = i;
	while (map_next(&m, &at, &key, &value)) {
		uint32_t k;

		memcpy(&k, key, 4);
		assert_int_equal(k, *(uint32_t *)value);
		assert_false(seen[k]);
		seen[k] = 1;
		n++;
	}
	assert_int_equal(n, N);
	assert_false(map_next(&m, &at, &key, &value));
	map_fini(&m);
}

static uint32_t longest_run(const struct map *m)
{
	uint32_t longest = 0, run = 0;

	for (uint32_t i = 0; i < m->cap; i++) {
		run = m->used[i] ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* Merging in table order must not pile entries up at the target's front. */
static void pouring_one_map_into_another_makes_no_long_runs(void **unused)
{
	enum { N = 90000 };
	struct map from, to;
	uint32_t at = 0, worst = 0;
	const void *key;
	void *value;

	(void)unused;
	map_init(&from, 8, 8, 1 << 20);
	map_init(&to, 8, 8, 1 << 20);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t other = i + N;

		map_put(&from, &i, NULL);
		map_put(&to, &other, NULL);
	}
	while (map_next(&from, &at, &key, &value)) {
		map_put(&to, key, NULL);
		if (to.n % 1000 == 0 && longest_run(&to) > worst)
			worst = longest_run(&to);
	}
	assert_int_equal(to.n, 2 * N);
	assert_true(worst < 1000); /* about 150 by chance, 5000 without the multiplier */
	map_fini(&from);
	map_fini(&to);
}

static void a_big_table_hardly_used_is_given_back(void **unused)
{
	struct map m;
	size_t big;

	(void)unused;
	map_init(&m, 8, 56, 1 << 20);
	for (uint64_t i = 0; i < 100000; i++)
		map_put(&m, &i, NULL);
	big = map_octets(&m);
	assert_true(big >= 100000 * 65);
	map_clear(&m); /* it was used: ready for as much again */
	assert_int_equal(map_octets(&m), big);
	for (uint64_t i = 0; i < 10; i++)
		map_put(&m, &i, NULL);
	map_clear(&m);
	assert_int_equal(map_octets(&m), 0);
	assert_non_null(map_put(&m, "12345678", NULL));
	map_fini(&m);
}

static void hashes_are_equal_for_equal_keys_only(void **unused)
{
	char one[] = "abcdefgh", two[] = "abcdefgh";

	(void)unused;
	assert_true(map_hash(one, 8) == map_hash(two, 8));
	assert_true(map_hash(one, 8) != map_hash(two, 7));
	assert_true(map_hash(one, 8) != map_hash("abcdefgi", 8));
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(an_empty_map_answers),
		cmocka_unit_test(new_values_are_zero_and_aligned),
		cmocka_unit_test(it_grows_to_max_and_then_says_no),
		cmocka_unit_test(a_million_operations_agree_with_the_model),
		cmocka_unit_test(every_entry_is_visited_once),
		cmocka_unit_test(pouring_one_map_into_another_makes_no_long_runs),
		cmocka_unit_test(a_big_table_hardly_used_is_given_back),
		cmocka_unit_test(hashes_are_equal_for_equal_keys_only),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
