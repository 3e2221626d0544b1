/* test_ranges.c - longest prefixes, against looking at all of them.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/model/names.h"
#include "daemon/model/ranges.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void mask(struct addr *a, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		a->b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
}

static bool within(const struct addr *a, const struct ranged *p)
{
	struct addr m = *a;

	mask(&m, p->bits);
	return addr_eq(&m, &p->addr);
}

/* An address of few different octets, so that prefixes meet. */
static struct addr any(void)
{
	static const uint8_t octets[] = { 0, 1, 127, 128, 254, 255 };
	struct addr a = { { 0 } };

	for (int i = draw(2) ? 12 : 0; i < 16; i++)
		a.b[i] = octets[draw(sizeof(octets))];
	if (a.b[0] == 0)
		memset(a.b + 10, 0xff, 2);
	return a;
}

static size_t some(struct ranged *p, size_t n)
{
	size_t made = 0;

	for (size_t i = 0; i < n; i++) {
		struct ranged r = { any(), (uint8_t)draw(129), (int)draw(7) };
		size_t k = 0;

		mask(&r.addr, r.bits);
		while (k < made && !(addr_eq(&p[k].addr, &r.addr) && p[k].bits == r.bits))
			k++;
		if (k == made)
			p[made++] = r;
	}
	return made;
}

static int slowly(const struct ranged *p, size_t n, const struct addr *a)
{
	int best = -1, value = -1;

	for (size_t i = 0; i < n; i++) {
		if (within(a, &p[i]) && p[i].bits > best) {
			best = p[i].bits;
			value = p[i].value;
		}
	}
	return value;
}

static void they_say_what_the_slow_way_says(void **state)
{
	struct ranged p[60];

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t n = some(p, draw(60));
		struct ranges *r = ranges_new(p, n);

		for (int i = 0; i < 100; i++) {
			struct addr a = any();

			assert_int_equal(ranges_find(r, &a), slowly(p, n, &a));
		}
		for (size_t i = 0; i < n; i++)
			assert_int_equal(ranges_find(r, &p[i].addr), slowly(p, n, &p[i].addr));
		ranges_free(&r);
	}
}

static void the_ends_of_the_world(void **state)
{
	struct addr zero = { { 0 } }, last;
	const struct ranged all = { { { 0 } }, 0, 3 };
	struct ranged one;
	struct ranges *r = ranges_new(NULL, 0);

	(void)state;
	memset(&last, 0xff, sizeof(last));
	one = (struct ranged){ last, 128, 4 };
	assert_int_equal(ranges_find(r, &zero), -1);
	assert_int_equal(ranges_find(r, &last), -1);
	ranges_free(&r);
	r = ranges_new(&all, 1);
	assert_int_equal(ranges_find(r, &zero), 3);
	assert_int_equal(ranges_find(r, &last), 3);
	ranges_free(&r);
	r = ranges_new(&one, 1);
	assert_int_equal(ranges_find(r, &zero), -1);
	assert_int_equal(ranges_find(r, &last), 4);
	ranges_free(&r);
}

static void add(struct names *n, const char *name, const char *prefix)
{
	struct prefix p;

	assert_true(prefix_parse(prefix, &p));
	assert_true(names_network_add(n, name, &p));
}

static int of(struct names *n, const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return names_network_of(n, &a);
}

static void names_answer_alike_with_and_without(void **state)
{
	struct names *n = names_new(10);

	(void)state;
	add(n, "lan", "10.0.0.0/8");
	add(n, "clinic", "10.20.0.0/16");
	for (int done = 0; done < 2; done++) {
		assert_int_equal(of(n, "10.20.3.4"), names_network_find(n, "clinic"));
		assert_int_equal(of(n, "10.21.0.0"), names_network_find(n, "lan"));
		assert_int_equal(of(n, "11.0.0.0"), -1);
		assert_int_equal(of(n, "2001:db8::1"), -1);
		names_networks_done(n);
	}
	names_networks_clear(n);
	assert_int_equal(of(n, "10.20.3.4"), -1);
	names_networks_done(n);
	assert_int_equal(of(n, "10.20.3.4"), -1);
	names_free(&n);
}

struct reader {
	struct names *n;
	bool stop;
	uint64_t looked, wrong;
};

static void *read_all_the_time(void *arg)
{
	struct reader *r = arg;
	struct addr a;

	addr_parse("10.20.3.4", &a);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		int v = names_network_of(r->n, &a);

		r->wrong += v < -1 || v > 1;
		r->looked++;
	}
	return NULL;
}

static void reloads_do_not_disturb_who_looks(void **state)
{
	struct reader r = { .n = names_new(10) };
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, read_all_the_time, &r), 0);
	for (int i = 0; i < 300; i++) {
		names_networks_clear(r.n);
		add(r.n, "lan", "10.0.0.0/8");
		if (i % 2)
			add(r.n, "clinic", "10.20.0.0/16");
		names_networks_done(r.n);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	assert_int_equal(r.wrong, 0);
	names_free(&r.n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_say_what_the_slow_way_says),
		cmocka_unit_test(the_ends_of_the_world),
		cmocka_unit_test(names_answer_alike_with_and_without),
		cmocka_unit_test(reloads_do_not_disturb_who_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
