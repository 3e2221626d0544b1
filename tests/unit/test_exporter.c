/* test_exporter.c - who sent it: sequence numbers, domains, rivals, lateness, the door.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "daemon/collect/exporter.h"

static const struct el base[] = { { 8, 4, 0 }, { 12, 4, 0 } };
static const struct el other[] = { { 12, 4, 0 }, { 1, 4, 0 }, { 8, 4, 0 } };

static void flow(struct rig *r, uint32_t seq, uint32_t domain, bool with_template)
{
	struct dg g;
	size_t at;

	head9(&g, seq, domain);
	if (with_template)
		TEMPLATE9(&g, 256, base);
	at = set_begin(&g, 256);
	put_ip(&g, "192.0.2.1");
	put_ip(&g, "192.0.2.2");
	set_end(&g, at);
	send9(r, &g);
}

static void gaps_settle_after_a_second_and_are_filled_before(void **state)
{
	struct ledger l = { 0 };
	struct seq s = { 0 };

	(void)state;
	assert_int_equal(seq_take(&s, 5, 1, 100, 0, &l, LOST_FLOWS), SEQ_FIRST);
	assert_int_equal(seq_take(&s, 6, 1, 100, 0, &l, LOST_FLOWS), SEQ_NEXT);
	assert_int_equal(seq_take(&s, 17, 1, 100, 0, &l, LOST_FLOWS), SEQ_GAP);
	assert_int_equal(seq_take(&s, 10, 2, 100, 500, &l, LOST_FLOWS), SEQ_LATE);
	assert_int_equal(l.lost[LOST_FLOWS], 0);
	seq_settle(&s, 1000, &l, LOST_FLOWS);
	assert_int_equal(l.lost[LOST_FLOWS], 8);
	assert_int_equal(seq_take(&s, 7, 1, 100, 1500, &l, LOST_FLOWS), SEQ_OTHER);
	assert_int_equal(seq_take(&s, 18, 1, 100, 1500, &l, LOST_FLOWS), SEQ_NEXT);
	/* More gaps than are kept open: the oldest is counted at once. */
	for (uint32_t k = 0; k < SEQ_GAPS + 1; k++)
		seq_take(&s, 20 + 2 * k, 1, 100, 2000, &l, LOST_FLOWS);
	assert_int_equal(l.lost[LOST_FLOWS], 9);
	seq_settle(&s, 9000, &l, LOST_FLOWS);
	assert_int_equal(l.lost[LOST_FLOWS], 8 + SEQ_GAPS + 1);
}

static void only_known_exporters_pass_when_asked_for(void **state)
{
	const struct collect_conf conf = { .only_known = true };
	struct addr a = ip("192.0.2.1");
	struct rig r;

	(void)state;
	rig_conf(&r, &conf);
	flow(&r, 0, 1, true);
	assert_int_equal(r.out.block->n, 0);
	assert_int_equal(names_exporters(r.names), 0);
	assert_int_equal(collector_strays(r.c)->shed[SHED_ONLY_KNOWN], 1);
	assert_int_equal(collector_strays(r.c)->datagrams[VIA_NETFLOW9], 1);
	names_exporter_known(r.names, &a, 0, "edge");
	flow(&r, 1, 1, true);
	assert_int_equal(r.out.block->n, 1);
	rig_fini(&r);
}

static void a_full_table_of_exporters_sheds_the_newcomers(void **state)
{
	static const char *const from[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };
	const struct collect_conf conf = { 0 };
	struct rig r;

	(void)state;
	rig_conf(&r, &conf);
	collector_free(&r.c);
	names_free(&r.names);
	r.names = names_new(2);
	r.c = collector_new(r.names, &conf);
	for (unsigned i = 0; i < 6; i++) {
		r.from = from[i % 3];
		flow(&r, i / 3, 1, true);
	}
	assert_int_equal(r.out.block->n, 4);
	assert_int_equal(collector_strays(r.c)->shed[SHED_EXPORTERS], 2);
	rig_fini(&r);
}

static void a_port_with_a_section_is_an_exporter_of_its_own(void **state)
{
	struct addr a = ip("192.0.2.1");
	struct rig r;

	(void)state;
	rig_init(&r);
	flow(&r, 0, 1, true);
	names_exporter_known(r.names, &a, PORT + 1, "second");
	r.port = PORT + 1;
	flow(&r, 0, 1, false);
	assert_int_equal(r.out.block->n, 1); /* knows nothing of the first one's template */
	assert_int_equal(names_exporter_at(r.names, 1)->ledger.datagrams[VIA_NETFLOW9], 1);
	rig_fini(&r);
}

static void two_sequences_on_two_ports_are_told_apart(void **state)
{
	struct rig r;
	struct ledger *l;

	(void)state;
	rig_init(&r);
	for (uint32_t k = 0; k < 40; k++) {
		r.now_ms += 100;
		r.port = k % 2 ? PORT : PORT + 1;
		flow(&r, k % 2 ? k / 2 : 5000000 + k / 2, 1, true);
	}
	l = rig_ledger(&r);
	for (uint32_t k = 40; k < 60; k++) { /* now each loses three */
		r.port = k % 2 ? PORT : PORT + 1;
		flow(&r, (k % 2 ? k / 2 : 5000000 + k / 2) + 3, 1, true);
	}
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(l->lost[LOST_DATAGRAMS], 6);
	assert_int_equal(r.out.block->n, 60);
	rig_fini(&r);
}

/* Data by turns from two ports, each with its template before it until `taught`. */
static void flap(struct rig *r, uint32_t from, uint32_t to, uint32_t taught)
{
	for (uint32_t k = from; k < to; k++) {
		struct dg g;
		size_t at;

		r->now_ms += 1000;
		r->port = k % 2 ? PORT : PORT + 1;
		head9(&g, 0, 1);
		if (k < taught) {
			if (k % 2)
				TEMPLATE9(&g, 256, base);
			else
				TEMPLATE9(&g, 256, other);
		}
		at = set_begin(&g, 256);
		put_ip(&g, k % 2 ? "192.0.2.1" : "192.0.2.2");
		if (k % 2)
			put_ip(&g, "192.0.2.2");
		else
			p32(&g, 77), put_ip(&g, "192.0.2.1");
		set_end(&g, at);
		send9(r, &g);
	}
}

static void both_are_right(const struct block *b, uint32_t from, uint32_t to)
{
	for (uint32_t k = from; k < to; k++) {
		assert_addr(&b->src[k], "192.0.2.1");
		assert_int_equal(b->bytes[k], k % 2 ? 0 : 77);
	}
}

static void templates_that_flap_with_the_port_are_told_apart(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	flap(&r, 0, 20, 12);
	assert_int_equal(r.out.block->n, 20);
	both_are_right(r.out.block, 12, 20); /* no templates any more */
	rig_fini(&r);
}

static void who_is_told_apart_stays_so_over_a_restart(void **state)
{
	struct strb saved = { 0 };
	struct err err = { "" };
	struct rig r;

	(void)state;
	rig_init(&r);
	flap(&r, 0, 12, 12);
	collect_save(r.c, &saved);
	rig_fini(&r);
	rig_init(&r);
	assert_true(collect_load(r.c, saved.s, saved.len, r.now_ms, NULL, NULL, &err));
	flap(&r, 0, 8, 0);
	assert_int_equal(r.out.block->n, 8);
	both_are_right(r.out.block, 0, 8);
	rig_fini(&r);
	strb_free(&saved);
}

static void a_new_port_after_a_restart_is_no_rival(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (uint32_t k = 0; k < 20; k++)
		flow(&r, 1000 + k, 1, !k);
	r.port = PORT + 9;
	for (uint32_t k = 0; k < 20; k++)
		flow(&r, k, 1, false);
	assert_int_equal(r.out.block->n, 40);
	assert_int_equal(rig_ledger(&r)->restarts, 1);
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(rig_ledger(&r)->lost[LOST_DATAGRAMS], 0);
	rig_fini(&r);
}

static void a_flood_of_domains_stops_at_the_bound(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	flow(&r, 0, 0, true);
	for (uint32_t k = 1; k < DOMAINS_PER_EXPORTER + 100; k++) {
		block_reset(r.out.block);
		flow(&r, 0, k * 7919, true);
	}
	assert_int_equal(rig_ledger(&r)->shed[SHED_QUOTA], 100);
	flow(&r, 1, 0, false); /* the first one goes on */
	assert_int_equal(r.out.block->n, 1);
	collector_tick(r.c, r.now_ms + 25 * 3600 * 1000);
	flow(&r, 0, 99, true); /* a day later there is room again */
	assert_int_equal(rig_ledger(&r)->shed[SHED_QUOTA], 100);
	rig_fini(&r);
}

static void lateness_is_the_last_of_a_thousand(void **state)
{
	struct exporter_state x = { 0 };

	(void)state;
	assert_int_equal(lateness_of(&x), 0);
	for (int i = 0; i < 9995; i++)
		lateness_add(&x, 1000);
	for (int i = 0; i < 5; i++)
		lateness_add(&x, 3600000);
	assert_in_range(lateness_of(&x), 1000, 1300);
	for (int i = 0; i < 15; i++)
		lateness_add(&x, 65000);
	assert_in_range(lateness_of(&x), 65000, 82000);
	for (int i = 0; i < 200000; i++) /* counters do not overflow */
		lateness_add(&x, -5);
	lateness_add(&x, INT64_MAX);
	assert_in_range(lateness_of(&x), 1, 1300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_settle_after_a_second_and_are_filled_before),
		cmocka_unit_test(only_known_exporters_pass_when_asked_for),
		cmocka_unit_test(a_full_table_of_exporters_sheds_the_newcomers),
		cmocka_unit_test(a_port_with_a_section_is_an_exporter_of_its_own),
		cmocka_unit_test(two_sequences_on_two_ports_are_told_apart),
		cmocka_unit_test(templates_that_flap_with_the_port_are_told_apart),
		cmocka_unit_test(who_is_told_apart_stays_so_over_a_restart),
		cmocka_unit_test(a_new_port_after_a_restart_is_no_rival),
		cmocka_unit_test(a_flood_of_domains_stops_at_the_bound),
		cmocka_unit_test(lateness_is_the_last_of_a_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
