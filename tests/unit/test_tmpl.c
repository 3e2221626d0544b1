/* test_tmpl.c - quotas, eviction, expiry and saving of templates.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/base/err.h"
#include "daemon/base/strb.h"

static const struct el base[] = { { 8, 4, 0 }, { 1, 4, 0 } };

static void data(struct rig *r, uint32_t source, uint16_t id)
{
	struct dg g;
	size_t at;

	head9(&g, 0, source);
	at = set_begin(&g, id);
	put_ip(&g, "192.0.2.1");
	p32(&g, 100);
	set_end(&g, at);
	send9(r, &g);
}

/* n templates from id on, in datagrams of 50. */
static void define(struct rig *r, uint32_t source, uint16_t id, unsigned n)
{
	struct dg g;

	for (unsigned i = 0; i < n; i++) {
		if (i % 50 == 0)
			head9(&g, 0, source);
		TEMPLATE9(&g, (uint16_t)(id + i), base);
		if (i % 50 == 49 || i == n - 1)
			send9(r, &g);
	}
}

static uint32_t rows(struct rig *r)
{
	uint32_t n = r->out.block->n;

	block_reset(r->out.block);
	return n;
}

static void a_domain_keeps_its_thousand_last_used(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	define(&r, 7, 256, 10);
	r.now_ms += 2000;
	for (uint16_t id = 256; id < 261; id++)
		data(&r, 7, id); /* five are in use */
	assert_int_equal(rows(&r), 5);
	define(&r, 7, 1000, 1500);
	collector_tick(r.c, r.now_ms);
	assert_int_equal(rig_ledger(&r)->templates, 1000);
	data(&r, 7, 2499);
	assert_int_equal(rows(&r), 1);
	data(&r, 7, 1000); /* went, as one of the oldest */
	assert_int_equal(rows(&r), 0);
	rig_fini(&r);
}

static void a_flood_does_not_evict_what_others_use(void **state)
{
	const struct collect_conf conf = { .templates_max = 500 };
	struct rig r;

	(void)state;
	rig_conf(&r, &conf);
	r.from = "192.0.2.1";
	define(&r, 7, 256, 20);
	for (uint16_t id = 256; id < 276; id++)
		data(&r, 7, id);
	assert_int_equal(rows(&r), 20);
	r.from = "192.0.2.66";
	for (uint32_t source = 0; source < 20; source++)
		define(&r, source, 256, 200);
	r.from = "192.0.2.1";
	for (uint16_t id = 256; id < 276; id++)
		data(&r, 7, id);
	assert_int_equal(rows(&r), 20);
	collector_tick(r.c, r.now_ms);
	assert_true(names_exporter_at(r.names, 1)->ledger.templates <= 480);
	rig_fini(&r);
}

static void what_nobody_used_for_half_an_hour_makes_room(void **state)
{
	const struct collect_conf conf = { .templates_max = 100 };
	struct rig r;

	(void)state;
	rig_conf(&r, &conf);
	define(&r, 7, 256, 100);
	for (uint16_t id = 256; id < 356; id++)
		data(&r, 7, id);
	assert_int_equal(rows(&r), 100);
	r.from = "192.0.2.2";
	define(&r, 7, 256, 1);
	data(&r, 7, 256);
	assert_int_equal(rows(&r), 0); /* refused: all are in use */
	r.now_ms += 31 * 60 * 1000;
	define(&r, 7, 256, 1);
	data(&r, 7, 256);
	assert_int_equal(rows(&r), 2); /* and the set that waited */
	rig_fini(&r);
}

static void one_datagram_defines_no_more_than_its_share(void **state)
{
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	at = set_begin(&g, 0);
	for (uint16_t id = 256; id < 256 + 4000; id++) {
		p16(&g, id);
		p16(&g, 2);
		put_els(&g, base, 2);
	}
	set_end(&g, at);
	send9(&r, &g);
	collector_tick(r.c, r.now_ms);
	assert_in_range(rig_ledger(&r)->templates, 50, 400);
	rig_fini(&r);
}

static void templates_are_forgotten_a_day_after_their_last_use(void **state)
{
	const int64_t hour = 3600 * 1000;
	struct rig r;

	(void)state;
	rig_init(&r);
	define(&r, 7, 256, 2);
	r.now_ms += 20 * hour;
	data(&r, 7, 256);
	r.now_ms += 20 * hour;
	collector_tick(r.c, r.now_ms);
	assert_int_equal(rig_ledger(&r)->templates, 1);
	data(&r, 7, 256);
	assert_int_equal(rows(&r), 2);
	r.now_ms += 25 * hour;
	collector_tick(r.c, r.now_ms);
	assert_int_equal(rig_ledger(&r)->templates, 0);
	rig_fini(&r);
}

/* A collector that knows templates, options and rates, saved. */
static void make_saved(struct strb *s)
{
	static const struct el sampler[] = { { 48, 2, 0 }, { 50, 4, 0 } };
	static const struct el system[] = { { 1, 4, 0 } };
	static const struct el pens[] = { { 8, 4, 0 }, { 96, 65535, 0 }, { 118, 2, 35632 } };
	struct rig r;
	struct dg g;
	size_t at;

	rig_init(&r);
	define(&r, 7, 256, 3);
	head9(&g, 0, 7);
	at = set_begin(&g, 1);
	p16(&g, 300);
	p16(&g, 4);
	p16(&g, 8);
	put_els(&g, system, 1);
	put_els(&g, sampler, 2);
	set_end(&g, at);
	at = set_begin(&g, 300);
	p32(&g, 0);
	p16(&g, 3);
	p32(&g, 500);
	set_end(&g, at);
	send9(&r, &g);
	r.from = "192.0.2.2";
	head10(&g, 0, 9);
	TEMPLATE10(&g, 400, pens);
	send10(&r, &g);
	collect_save(r.c, s);
	rig_fini(&r);
}

static bool not_the_second(void *arg, const struct addr *a)
{
	char text[ADDR_TEXT];

	(void)arg;
	return strcmp(addr_text(a, text), "192.0.2.2");
}

static void what_was_saved_is_known_after_a_restart(void **state)
{
	struct strb s = { 0 }, again = { 0 };
	struct err err = { "" };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	make_saved(&s);
	rig_init(&r);
	assert_true(collect_load(r.c, s.s, s.len, r.now_ms, NULL, NULL, &err));
	collect_save(r.c, &again);
	assert_string_equal(again.s, s.s);
	data(&r, 7, 258);
	assert_int_equal(rows(&r), 1);
	r.from = "192.0.2.2";
	head10(&g, 0, 9);
	at = set_begin(&g, 400);
	put_ip(&g, "192.0.2.7");
	p8(&g, 3);
	put(&g, "dns", 3);
	p16(&g, 5);
	set_end(&g, at);
	send10(&r, &g);
	assert_string_equal(block_text_at(r.out.block, r.out.block->app_name[0]), "dns");
	rig_fini(&r);
	rig_init(&r);
	assert_true(collect_load(r.c, s.s, s.len, r.now_ms, not_the_second, NULL, &err));
	assert_int_equal(names_exporters(r.names), 1);
	rig_fini(&r);
	strb_free(&s);
	strb_free(&again);
}

static void a_damaged_file_adds_nothing(void **state)
{
	struct strb s = { 0 };
	struct rig r;

	(void)state;
	make_saved(&s);
	rig_init(&r);
	for (size_t i = 0; i < s.len; i += 3) {
		struct err err = { "" };
		char *copy = xmemdup(s.s, s.len);

		copy[i] ^= 1;
		assert_false(collect_load(r.c, copy, s.len, r.now_ms, NULL, NULL, &err));
		assert_true(*err.msg);
		assert_false(collect_load(r.c, s.s, i, r.now_ms, NULL, NULL, &err));
		free(copy);
	}
	assert_int_equal(names_exporters(r.names), 0);
	rig_fini(&r);
	strb_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_keeps_its_thousand_last_used),
		cmocka_unit_test(a_flood_does_not_evict_what_others_use),
		cmocka_unit_test(what_nobody_used_for_half_an_hour_makes_room),
		cmocka_unit_test(one_datagram_defines_no_more_than_its_share),
		cmocka_unit_test(templates_are_forgotten_a_day_after_their_last_use),
		cmocka_unit_test(what_was_saved_is_known_after_a_restart),
		cmocka_unit_test(a_damaged_file_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
