/* test_talker.c - new heavy talkers are told, and nothing else is, over weeks of a network. */
#include "test.h"

#include <math.h>

#include "site.h"

#define T0 (INT64_C(1780000000000) / BIN_MS * BIN_MS)
enum { DAY_BINS = 288, WEEK_BINS = 2016, LAN = 0x0a140000, FAR = 0xc6336400 };

struct lan {
	struct site s;
	unsigned bin;
};

static void set_up(struct lan *l, bool network)
{
	struct prefix p;

	*l = (struct lan){ 0 };
	site_open(&l->s, "talker", 1, T0);
	if (network) {
		assert_true(prefix_parse("10.20.0.0/24", &p));
		names_network_add(l->s.names, "lan", &p);
		names_networks_done(l->s.names);
	}
}

/* bits/s of one host to somewhere, in this bin. */
static void host(struct lan *l, uint32_t a, double rate)
{
	double bytes = rate / 8 * 300;

	for (int i = 0; bytes >= 1 && i < 10; i++)
		site_row(&l->s, (struct site_row){ .src = FAR + site_below(&l->s, 200), .dst = a,
						   .src_port = 443, .dst_port = 50000, .proto = TCP,
						   .flags = F_ALL, .packets = 10,
						   .bytes = (uint32_t)(bytes / 10) });
}

/* An office: thirty hosts by day, backup of .9 by night, whoever downloads for a bin. */
static void office(struct lan *l)
{
	double hour = l->bin % DAY_BINS / 12.0;
	double busy = hour > 7 && hour < 19 ? 1 : 0.05;

	for (uint32_t i = 0; i < 30; i++)
		host(l, LAN + 10 + i, busy * 2e6 * (double)(site_below(&l->s, 100)) / 100);
	if (hour < 2)
		host(l, LAN + 9, 25e6);
	if (site_chance(&l->s, 0.02)) /* one download of five minutes */
		host(l, LAN + 10 + site_below(&l->s, 30), 30e6);
}

/* The bin is over. */
static void pass(struct lan *l)
{
	site_flush(&l->s);
	l->s.now_ms += BIN_MS - SLICE_MS;
	site_slice(&l->s);
	l->bin++;
}

static void run(struct lan *l, unsigned bins, uint32_t a, double rate)
{
	for (unsigned i = 0; i < bins; i++) {
		office(l);
		if (a)
			host(l, a, rate);
		pass(l);
	}
}

static const struct row {
	const char *what;
	unsigned learn;	       /* bins before */
	uint32_t who;
	double rate;
	unsigned bins;	       /* that it lasts */
	unsigned found;
} rows[] = {
	{ "textbook: half of a busy day's traffic, for an hour", WEEK_BINS, LAN + 66, 40e6, 12, 1 },
	{ "near miss: a tenth of it", WEEK_BINS, LAN + 66, 3e6, 12, 0 },
	{ "near miss: one bin", WEEK_BINS, LAN + 66, 40e6, 1, 0 },
	{ "it was always heavy at night", WEEK_BINS, LAN + 9, 40e6, 12, 0 },
	{ "an address of nobody's", WEEK_BINS, FAR + 250, 40e6, 12, 0 },
	{ "the first week", DAY_BINS * 3, LAN + 66, 40e6, 12, 0 },
	{ "a week of attack is told once and stands", WEEK_BINS, LAN + 66, 40e6, WEEK_BINS, 1 },
	{ "an ordinary fortnight", WEEK_BINS, 0, 0, 2 * WEEK_BINS, 0 },
};

static void who_is_new_and_heavy_is_told(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct lan l;

		set_up(&l, true);
		run(&l, r->learn + DAY_BINS / 2, 0, 0);
		run(&l, r->bins, r->who, r->rate);
		if (l.s.n_found != r->found)
			fail_msg("%s: %u told, %s", r->what, l.s.n_found, l.s.found[0].why);
		if (r->found) {
			assert_false(l.s.found[0].ended);
			assert_true(fabs(l.s.found[0].value / r->rate - 1) < 0.15);
			run(&l, 6, 0, 0);
			assert_true(l.s.found[0].ended);
		}
		site_close(&l.s);
	}
}

static void gaps_end_nothing_and_teach_nothing(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, false); /* no network section: private addresses */
	run(&l, WEEK_BINS + DAY_BINS / 2, 0, 0);
	run(&l, 4, LAN + 66, 40e6);
	assert_int_equal(l.s.n_found, 1);
	for (int i = 0; i < 24; i++) /* two hours without a flow */
		pass(&l);
	assert_false(l.s.found[0].ended);
	run(&l, 4, LAN + 66, 40e6);
	assert_int_equal(l.s.n_found, 1);
	assert_false(l.s.found[0].ended);
	site_close(&l.s);
}

/* Nearly heavy for hours is known, but not what was so in maintenance. */
static void maintenance_makes_nobody_known(void **unused)
{
	(void)unused;
	for (unsigned held = 0; held < 2; held++) {
		struct lan l;

		set_up(&l, true);
		run(&l, WEEK_BINS + DAY_BINS / 2, 0, 0);
		for (int i = 0; i < 36; i++) {
			l.s.pattern->hold(l.s.state, held);
			run(&l, 1, LAN + 66, 12e6);
		}
		run(&l, 12, LAN + 66, 40e6);
		assert_int_equal(l.s.n_found, held);
		site_close(&l.s);
	}
}

static void where_all_is_new_it_takes_ever_more(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, true);
	run(&l, WEEK_BINS + DAY_BINS / 2, 0, 0);
	for (uint32_t i = 0; i < 40; i++) { /* guests, three a day */
		run(&l, 6, LAN + 100 + i, 30e6);
		run(&l, 90, 0, 0);
	}
	assert_in_range(l.s.n_found, 1, 8);
	site_close(&l.s);
}

static void what_is_known_outlives_a_restart(void **unused)
{
	struct lan l;
	size_t len;
	void *data;

	(void)unused;
	set_up(&l, true);
	run(&l, WEEK_BINS + DAY_BINS / 2, 0, 0);
	data = l.s.pattern->save(l.s.state, &len);
	l.s.pattern->free(l.s.state);
	l.s.state = l.s.pattern->open(l.s.conf, 4 << 20);
	assert_true(l.s.pattern->load(l.s.state, data, len));
	assert_false(l.s.pattern->load(l.s.state, data, len - 1));
	run(&l, 12, LAN + 9, 40e6);
	assert_int_equal(l.s.n_found, 0);
	run(&l, 12, LAN + 66, 40e6);
	assert_int_equal(l.s.n_found, 1);
	free(data);
	site_close(&l.s);
}

static void a_long_flow_reported_at_its_end_is_no_talker(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, true);
	run(&l, WEEK_BINS + DAY_BINS / 2, 0, 0);
	for (int i = 0; i < 4; i++) {
		struct block *b = l.s.b;

		office(&l);
		host(&l, LAN + 66, 40e6); /* what it says, over a day */
		for (uint32_t r = b->n - 10; r < b->n; r++)
			b->start_ms[r] = b->end_ms[r] - 86400000;
		pass(&l);
	}
	assert_int_equal(l.s.n_found, 0);
	site_close(&l.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_new_and_heavy_is_told),
		cmocka_unit_test(gaps_end_nothing_and_teach_nothing),
		cmocka_unit_test(maintenance_makes_nobody_known),
		cmocka_unit_test(where_all_is_new_it_takes_ever_more),
		cmocka_unit_test(what_is_known_outlives_a_restart),
		cmocka_unit_test(a_long_flow_reported_at_its_end_is_no_talker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
