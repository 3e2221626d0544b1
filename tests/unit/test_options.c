/* test_options.c - what options data say, and what two elements say together.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/base/err.h"
#include "daemon/base/strb.h"

/* An IPFIX options template 300 of n elements (one of scope) and one record of it. */
static void options(struct dg *g, const struct el *e, const uint64_t *v, unsigned n)
{
	size_t at = set_begin(g, 3);

	p16(g, 300);
	p16(g, n);
	p16(g, 1);
	put_els(g, e, n);
	set_end(g, at);
	at = set_begin(g, 300);
	for (unsigned i = 0; i < n; i++)
		put_uint(g, v[i], e[i].len);
	set_end(g, at);
}

static void rates_reach_the_flows_they_are_for(void **state)
{
	static const struct {
		struct el e[4];
		unsigned n;
		uint64_t v[4];
		uint64_t bytes[2]; /* of the flow in by interface 1, and by 2 */
	} t[] = {
		{ { { 149, 4, 0 }, { 34, 4, 0 } }, 2, { 7, 10 }, { 1000, 1000 } },
		{ { { 10, 4, 0 }, { 34, 4, 0 } }, 2, { 2, 10 }, { 100, 1000 } },
		{ { { 149, 4, 0 }, { 305, 4, 0 }, { 306, 4, 0 } }, 3, { 7, 1, 499 },
		  { 50000, 50000 } },
		{ { { 149, 4, 0 }, { 309, 4, 0 }, { 310, 4, 0 } }, 3, { 7, 2, 60 },
		  { 3000, 3000 } },
		{ { { 302, 8, 0 }, { 305, 4, 0 }, { 306, 4, 0 } }, 3, { 7, 1, 499 },
		  { 50000, 50000 } }, /* of the only selector, where no flow names one */
		{ { { 149, 4, 0 }, { 305, 4, 0 } }, 2, { 7, 100 }, { 10000, 10000 } },
	};
	static const struct el flow[] = { { 10, 4, 0 }, { 1, 4, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		options(&g, t[i].e, t[i].v, t[i].n);
		TEMPLATE10(&g, 256, flow);
		at = set_begin(&g, 256);
		for (uint32_t in = 1; in <= 2; in++) {
			p32(&g, in);
			p32(&g, 100);
		}
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->bytes[0], t[i].bytes[0]);
		assert_int_equal(r.out.block->bytes[1], t[i].bytes[1]);
		rig_books(&r);
		rig_fini(&r);
	}
}

static void a_rate_that_changed_marks_the_flows_for_a_while(void **state)
{
	static const struct el e[] = { { 149, 4, 0 }, { 34, 4, 0 } };
	static const struct el flow[] = { { 10, 4, 0 }, { 1, 4, 0 } };
	static const struct { uint64_t rate; bool marked; } t[] = {
		{ 10, false }, { 10, false }, { 20, true }, { 20, false },
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		r.now_ms += 90000;
		block_reset(r.out.block);
		head10(&g, 2 * (uint32_t)i, 7);
		options(&g, e, (const uint64_t[]){ 7, t[i].rate }, 2);
		TEMPLATE10(&g, 256, flow);
		at = set_begin(&g, 256);
		p32(&g, 1);
		p32(&g, 100);
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->bytes[0], 100 * t[i].rate);
		assert_int_equal(block_uses(r.out.block, F_notes) &&
				 r.out.block->notes[0] & NOTE_SAMPLING_GUESSED, t[i].marked);
	}
	rig_fini(&r);
}

static void vrfs_have_names_and_icmp_has_halves(void **state)
{
	static const struct el vrf[] = { { 234, 4, 0 }, { 236, 8, 0 } };
	static const struct el flow[] = { { 234, 4, 0 }, { 4, 1, 0 }, { 176, 1, 0 },
		{ 177, 1, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	options(&g, vrf, (const uint64_t[]){ 5, 0x6775657374202020 }, 2); /* "guest   " */
	TEMPLATE10(&g, 256, flow);
	at = set_begin(&g, 256);
	p32(&g, 5);
	p8(&g, 1);
	p8(&g, 8);
	p8(&g, 3);
	set_end(&g, at);
	send10(&r, &g);
	assert_string_equal(block_text_at(r.out.block, r.out.block->vrf_name[0]), "guest");
	assert_int_equal(r.out.block->icmp[0], 0x0803);
	rig_fini(&r);
}

static void names_by_id_survive_a_restart(void **state)
{
	static const struct el vrf[] = { { 234, 4, 0 }, { 236, 8, 0 } };
	static const struct el app[] = { { 95, 4, 0 }, { 96, 8, 0 } };
	static const struct el flow[] = { { 234, 4, 0 }, { 95, 4, 0 }, { 1, 4, 0 } };
	struct strb s = { 0 };
	struct err err = { "" };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	options(&g, vrf, (const uint64_t[]){ 5, 0x677565737420f09f }, 2); /* not ASCII */
	options(&g, app, (const uint64_t[]){ 13 << 24 | 431, 0x6d73207465616d73 }, 2);
	TEMPLATE10(&g, 256, flow);
	send10(&r, &g);
	collect_save(r.c, &s);
	rig_fini(&r);

	rig_init(&r);
	assert_true(collect_load(r.c, s.s, s.len, r.now_ms, NULL, NULL, &err));
	head10(&g, 2, 7);
	at = set_begin(&g, 256);
	p32(&g, 5);
	p32(&g, 13 << 24 | 431);
	p32(&g, 100);
	set_end(&g, at);
	send10(&r, &g);
	assert_int_equal(r.out.block->n, 1);
	assert_string_equal(block_text_at(r.out.block, r.out.block->vrf_name[0]),
			    "guest \xf0\x9f");
	assert_string_equal(block_text_at(r.out.block, r.out.block->app_name[0]), "ms teams");
	rig_fini(&r);
	strb_free(&s);
}

/* 4,096 names; the exporter that told them learns no more, another one does. */
static void one_exporter_does_not_fill_the_table_of_names(void **state)
{
	static const struct el vrf[] = { { 234, 4, 0 }, { 236, 8, 0 } };
	static const struct el flow[] = { { 234, 4, 0 }, { 1, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (uint32_t id = 1; id <= 5000; id++) {
		head10(&g, id - 1, 7);
		options(&g, vrf, (const uint64_t[]){ id, 0x6775657374202020 }, 2);
		send10(&r, &g);
	}
	r.from = "192.0.2.77";
	head10(&g, 0, 7);
	options(&g, vrf, (const uint64_t[]){ 9000, 0x6775657374202020 }, 2);
	send10(&r, &g);
	for (int i = 0; i < 2; i++) {
		r.from = i ? "192.0.2.77" : "192.0.2.1";
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, flow);
		at = set_begin(&g, 256);
		p32(&g, i ? 9000 : 5000);
		p32(&g, 100);
		p32(&g, i ? 9000 : 4096);
		p32(&g, 100);
		set_end(&g, at);
		send10(&r, &g);
	}
	assert_int_equal(r.out.block->n, 4);
	assert_int_equal(r.out.block->vrf_name[0], 0);
	for (int i = 1; i < 4; i++)
		assert_string_equal(block_text_at(r.out.block, r.out.block->vrf_name[i]),
				    "guest");
	rig_fini(&r);
}

static void records_of_nothing_we_keep_are_counted_and_passed_over(void **state)
{
	static const struct el none[] = { { 500, 4, 0 }, { 501, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (uint32_t seq = 0; seq < 6; seq += 2) {
		head10(&g, seq, 7);
		TEMPLATE10(&g, 256, none);
		at = set_begin(&g, 256);
		zeros(&g, 16);
		set_end(&g, at);
		send10(&r, &g);
	}
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(r.out.block->n, 0);
	assert_int_equal(rig_ledger(&r)->lost[LOST_RECORDS], 0);
	assert_int_equal(rig_ledger(&r)->sets[SET_DECODED], 6);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_reach_the_flows_they_are_for),
		cmocka_unit_test(a_rate_that_changed_marks_the_flows_for_a_while),
		cmocka_unit_test(vrfs_have_names_and_icmp_has_halves),
		cmocka_unit_test(names_by_id_survive_a_restart),
		cmocka_unit_test(one_exporter_does_not_fill_the_table_of_names),
		cmocka_unit_test(records_of_nothing_we_keep_are_counted_and_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
