/* test_window.c - flows in, slices out: the cases that make other tools cry wolf. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/model/calendar.h"
#include "daemon/model/rows.h"
#include "daemon/window/presence.h"
#include "daemon/window/window.h"
#include "flows.h"

enum { MIN = 60000, HOUR = 3600000 };
#define T0 (INT64_C(1780000000000) / BIN_MS * BIN_MS) /* a bin begins */

struct site {
	struct names *names;
	struct calendar *calendar;
	struct window *w;
	struct block *b;
	struct filter *all;
	int64_t now;
};

static int set_up(void **state)
{
	struct site *s = xcalloc(1, sizeof(*s));
	struct addr a;
	struct window_opts o = { .late_ms = 10 * MIN, .memory = 64 << 20 };

	s->names = names_new(100);
	addr_parse("192.0.2.254", &a);
	names_exporter(s->names, &a, 0);
	s->calendar = calendar_new("Europe/Amsterdam", NULL);
	o.names = s->names;
	o.calendar = s->calendar;
	s->now = T0;
	s->w = window_new(&o, s->now);
	s->b = block_new(s->names);
	s->all = filter_compile("", NULL);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	window_free(&s->w);
	block_unref(&s->b);
	filter_free(&s->all);
	calendar_free(&s->calendar);
	names_free(&s->names);
	free(s);
	return 0;
}

static void views(struct site *s, enum by by, enum measure_kind m, double quota)
{
	struct view_spec v = { .filter = s->all, .by = by, .measure = { .kind = m },
			       .quota = quota, .history = true };

	window_views(s->w, &v, 1, 6);
}

static void flow(struct site *s, int64_t start, int64_t end, uint64_t bytes)
{
	struct flow_row f = { .start_ms = start, .end_ms = end, .received_ms = s->now,
			      .bytes = bytes, .in_if = 1, .out_if = 2 };

	flow_add(s->b, &f);
	window_block(s->w, s->b, s->now);
	block_reset(s->b);
}

static uint64_t bytes_in(struct site *s, int64_t from_ms, unsigned n)
{
	const struct slices *sl = window_slices(s->w);
	struct sums out[512];
	struct key k = { 0 };
	uint64_t sum = 0;

	sl->sums(sl->arg, 0, &k, slice_of(from_ms), n, out);
	for (unsigned i = 0; i < n; i++)
		sum += out[i].bytes;
	return sum;
}

static uint64_t amended;
static void sum_amended(void *arg, unsigned view, const struct key *k, const struct bin *bin,
			bool amend, bool settled)
{
	(void)arg;
	(void)view;
	(void)k;
	(void)settled;
	if (amend && bin->step == STEP_BIN)
		amended += bin->bytes;
}

static void a_22_hour_flow_makes_no_spike_at_its_end(void **state)
{
	struct site *s = *state;
	uint64_t bytes = UINT64_C(7920) * 1000000, open; /* a million a slice */

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + 23 * HOUR;
	window_tick(s->w, s->now);
	flow(s, s->now - 22 * HOUR, s->now, bytes);
	/* Each slice has its 1/7920, so a minute has 6/7920 of it and no more. */
	assert_int_equal(bytes_in(s, s->now - MIN, 6), 6 * 1000000);
	open = bytes_in(s, s->now - 5 * MIN, 30);
	assert_int_equal(open, 30 * 1000000);
	/* What is older went to its historic bins, to the octet. */
	amended = 0;
	window_bins(s->w, s->now, sum_amended, NULL);
	assert_int_equal(amended + bytes_in(s, window_oldest(s->w) * SLICE_MS,
					    (unsigned)(window_newest(s->w) - window_oldest(s->w) + 1)),
			 bytes);
}

struct rows {
	unsigned n;
	uint64_t hours, bins; /* octets */
	int64_t oldest_bin_s;
};

static void count_rows(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		       bool amend, bool settled)
{
	struct rows *r = arg;

	(void)view;
	(void)k;
	(void)settled;
	if (!amend)
		return;
	r->n++;
	if (bin->step == STEP_HOUR) {
		r->hours += bin->bytes;
		return;
	}
	r->bins += bin->bytes;
	if (!r->oldest_bin_s || bin->start_s < r->oldest_bin_s)
		r->oldest_bin_s = bin->start_s;
}

/* By bins and hours it would be near 18,000 rows for one record. */
static void a_31_day_flow_goes_to_hours_and_to_the_bins_of_a_day(void **state)
{
	struct site *s = *state;
	uint64_t bytes = UINT64_C(267840) * 1000000, open; /* a million a slice */
	struct rows rows = { 0 };

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + INT64_C(32) * 24 * HOUR;
	window_tick(s->w, s->now);
	flow(s, s->now - INT64_C(31) * 24 * HOUR, s->now, bytes);
	open = bytes_in(s, window_oldest(s->w) * SLICE_MS,
			(unsigned)(window_newest(s->w) - window_oldest(s->w) + 1));
	window_bins(s->w, s->now, count_rows, &rows);
	assert_int_equal(rows.hours + open, bytes);
	assert_in_range(rows.bins, UINT64_C(24 * 360 * 1000000), UINT64_C(25 * 360 * 1000000));
	assert_in_range(rows.oldest_bin_s * 1000, s->now - 26 * HOUR, s->now - 24 * HOUR);
	assert_in_range(rows.n, 744 + 24 * 12, 746 + 25 * 12);
}

static void long_flow_of(struct site *s, uint32_t in_if, int64_t lasted)
{
	struct flow_row f = { .start_ms = s->now - lasted, .end_ms = s->now,
			      .received_ms = s->now, .bytes = 1u << 30, .in_if = in_if,
			      .out_if = in_if + 1 };

	flow_add(s->b, &f);
	window_block(s->w, s->b, s->now);
	block_reset(s->b);
}

/* Interfaces are whatever the exporter says, and each has a series of its own. */
static void a_past_of_many_interfaces_has_to_be_earned(void **state)
{
	struct site *s = *state;
	struct rows rows = { 0 };
	struct window_stats st, after;

	views(s, BY_INTERFACE, MEASURE_BYTES, 0);
	s->now = T0 + INT64_C(32) * 24 * HOUR;
	window_tick(s->w, s->now);
	/* A probe that ends tells all it has: one past, the rows of one flow. */
	for (int i = 0; i < 200; i++)
		long_flow_of(s, 1, 22 * HOUR);
	window_stats(s->w, &st);
	assert_int_equal(st.cut_shares, 0);
	for (uint32_t i = 0; i < 200; i++)
		long_flow_of(s, 2 * i, INT64_C(31) * 24 * HOUR);
	window_bins(s->w, s->now, count_rows, &rows);
	assert_in_range(rows.n, 10000, (1 << 14) + 400 * 8);
	window_stats(s->w, &st);
	assert_in_range(st.cut_shares, 100000, 500000);
	/* Who is some minutes late pays for himself. */
	for (uint32_t i = 0; i < 100; i++)
		long_flow_of(s, 2 * i, 20 * MIN);
	rows.n = 0;
	window_bins(s->w, s->now, count_rows, &rows);
	assert_in_range(rows.n, 400, 1200);
	window_stats(s->w, &after);
	assert_int_equal(after.cut_shares, st.cut_shares);
	s->b->n = 0;
}

static void a_30_minute_flow_is_spread_over_its_slices(void **state)
{
	struct site *s = *state;

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + HOUR;
	window_tick(s->w, s->now);
	flow(s, s->now - 30 * MIN, s->now, 180 * 1000);
	assert_int_equal(bytes_in(s, s->now - 10 * 1000, 1), 1000);
	assert_int_equal(bytes_in(s, s->now - 5 * MIN, 30), 30 * 1000);
}

static void shares_add_up_whatever_the_length(void **state)
{
	struct site *s = *state;
	uint64_t seed = 7, sum = 0;

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + HOUR;
	window_tick(s->w, s->now);
	for (int i = 0; i < 2000; i++) {
		int64_t len, back;
		uint64_t bytes;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		len = (int64_t)(seed >> 40) % (6 * MIN);
		back = (int64_t)(seed >> 20 & 0xffff) % MIN;
		bytes = seed >> 33;
		sum += bytes;
		flow(s, s->now - back - len, s->now - back, bytes);
	}
	assert_int_equal(bytes_in(s, window_oldest(s->w) * SLICE_MS,
				  (unsigned)(window_newest(s->w) - window_oldest(s->w) + 1)), sum);
}

static void flows_out_of_order_leave_the_same_sums(void **state)
{
	struct site *s = *state;

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + HOUR;
	window_tick(s->w, s->now);
	flow(s, s->now - 5000, s->now, 100);
	flow(s, s->now - 3 * MIN, s->now - 2 * MIN, 600);
	flow(s, s->now - 1000, s->now - 900, 7);
	flow(s, s->now - 8 * MIN, s->now - 8 * MIN, 11);
	assert_int_equal(bytes_in(s, s->now - 3 * MIN, 6), 600);
	assert_int_equal(bytes_in(s, s->now - 3 * MIN, 1), 100);
	assert_int_equal(bytes_in(s, s->now - 8 * MIN, 1), 11);
	assert_int_equal(bytes_in(s, s->now - 10000, 2), 107);
}

static unsigned noted;
static int64_t noted_oldest;
static void note(void *arg, unsigned view, const struct key *k, int64_t oldest)
{
	(void)arg;
	(void)view;
	(void)k;
	noted++;
	noted_oldest = oldest;
}

static void only_keys_that_reach_the_quota_are_looked_at(void **state)
{
	struct site *s = *state;

	views(s, BY_SRC, MEASURE_BYTES, 1000);
	flow(s, s->now, s->now, 999);
	noted = 0;
	window_changed(s->w, note, NULL);
	assert_int_equal(noted, 0);
	flow(s, s->now, s->now, 1);
	window_changed(s->w, note, NULL);
	assert_int_equal(noted, 1);
	/* Hot now: a small change in another slice matters, and says which. */
	flow(s, s->now - 20000, s->now - 20000, 1);
	window_changed(s->w, note, NULL);
	assert_int_equal(noted, 2);
	assert_int_equal(noted_oldest, slice_of(s->now - 20000));
	window_changed(s->w, note, NULL);
	assert_int_equal(noted, 2);
}

static void a_flood_of_sources_stays_in_memory_and_hides_nobody(void **state)
{
	struct site *s = *state;
	struct window_opts o = { s->names, s->calendar, 10 * MIN, 2 << 20 };
	struct window *w = window_new(&o, s->now);
	struct view_spec v = { .filter = s->all, .by = BY_SRC,
			       .measure = { .kind = MEASURE_BYTES }, .quota = 1e12 };
	const struct slices *sl = window_slices(w);
	struct window_stats st;
	struct sums got, error;
	struct key k = { 0 };
	struct addr heavy;
	uint32_t x = 1;

	window_views(w, &v, 1, 6);
	for (int i = 0; i < 400; i++) {
		for (int j = 0; j < 1000; j++) {
			struct flow_row f = { .start_ms = s->now, .end_ms = s->now, .bytes = 100 };
			uint32_t r = flow_add(s->b, &f);
			uint32_t net;

			x = x * 1664525 + 1013904223;
			net = __builtin_bswap32(x);
			s->b->src[r] = addr_of4(&net);
		}
		addr_parse("203.0.113.66", &heavy);
		s->b->src[0] = heavy;
		s->b->bytes[0] = 5000;
		window_block(w, s->b, s->now);
		block_reset(s->b);
	}
	window_stats(w, &st);
	assert_true(st.octets <= 3 << 20);
	assert_true(st.thinned_keys > 300000);
	memcpy(k.b, heavy.b, 16);
	error = sl->sums(sl->arg, 0, &k, slice_of(s->now), 1, &got);
	assert_true(got.bytes <= 400 * 5000);                /* a lower bound … */
	assert_true(got.bytes + error.bytes >= 400 * 5000);  /* … that says how far off */
	assert_true(error.bytes < 400 * 5000 / 10);
	window_free(&w);
}

static void peers_are_counted_once(void **state)
{
	struct site *s = *state;
	const struct slices *sl = window_slices(s->w);
	struct key k = { 0 };
	struct addr a;
	double n;

	views(s, BY_SRC, MEASURE_PEERS, 0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct flow_row f = { .start_ms = s->now + (i % 3) * 10000, .bytes = 60,
				      .src = "10.0.0.7" };
		uint32_t net = __builtin_bswap32(0xc6336400 + i % 1000), r;

		f.end_ms = f.start_ms;
		r = flow_add(s->b, &f);
		s->b->dst[r] = addr_of4(&net);
	}
	window_block(s->w, s->b, s->now + 30000);
	addr_parse("10.0.0.7", &a);
	memcpy(k.b, a.b, 16);
	n = sl->gauge(sl->arg, 0, &k, slice_of(s->now), 6);
	assert_true(n > 840 && n < 1160); /* five times the standard error */
	addr_parse("10.0.0.8", &a);
	memcpy(k.b, a.b, 16);
	assert_true(sl->gauge(sl->arg, 0, &k, slice_of(s->now), 6) < 0.5);
}

/* Five of the network lan, AS 1, talk with seven outside of it, AS 2. */
static void peers_are_those_at_the_other_end(void **state)
{
	static const struct {
		enum by by;
		unsigned which, peers;
	} rows[] = {
		{ BY_SRC, 0, 7 },     { BY_DST, 0, 5 },	   { BY_HOST, 0, 7 },
		{ BY_HOST, 1, 5 },    { BY_SRC_AS, 0, 7 }, { BY_DST_AS, 0, 5 },
		{ BY_AS, 0, 7 },      { BY_AS, 1, 5 },	   { BY_SRC_PORT, 0, 7 },
		{ BY_DST_PORT, 0, 5 }, { BY_NETWORK, 0, 7 }, { BY_NONE, 0, 5 },
	};
	struct site *s = *state;
	struct prefix lan;

	assert_true(prefix_parse("10.1.0.0/16", &lan));
	names_network_add(s->names, "lan", &lan);
	names_networks_done(s->names);
	for (uint32_t i = 0; i < 35; i++) {
		struct flow_row f = { .start_ms = s->now, .end_ms = s->now, .bytes = 60,
				      .packets = 1, .src_port = 5000, .dst_port = 443,
				      .proto = 6 };
		uint32_t src = __builtin_bswap32(0x0a010000 + i % 5), r = flow_add(s->b, &f);
		uint32_t dst = __builtin_bswap32(0xc6336400 + i % 7);

		s->b->src[r] = addr_of4(&src);
		s->b->dst[r] = addr_of4(&dst);
		s->b->src_as[r] = 1;
		s->b->dst_as[r] = 2;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct slices *sl = window_slices(s->w);
		struct key keys[ROW_KEYS];

		views(s, rows[i].by, MEASURE_PEERS, 0);
		window_block(s->w, s->b, s->now);
		assert_true(row_keys(rows[i].by, s->b, 0, keys) > rows[i].which);
		if (sl->gauge(sl->arg, 0, &keys[rows[i].which], slice_of(s->now), 1) !=
		    rows[i].peers)
			fail_msg("row %zu", i);
	}
}

/* D13, as a table: what one record counts for. */
static void every_packet_counts_once(void **state)
{
	static const struct {
		uint32_t in, out;
		uint8_t dir;
		const char *src, *dst;
		uint8_t counts;
	} rows[] = {
		{ 1, 2, DIR_INGRESS, "10.0.0.1", "192.0.2.1", COUNT_TOTAL | COUNT_IN | COUNT_OUT },
		{ 1, 3, DIR_EGRESS, "10.0.0.1", "192.0.2.1", COUNT_TOTAL | COUNT_IN | COUNT_OUT },
		{ 1, 3, DIR_INGRESS, "10.0.0.1", "192.0.2.1", COUNT_TOTAL | COUNT_IN },
		{ 1, 3, DIR_EGRESS, "10.0.0.1", "192.0.2.1", COUNT_OUT },
		{ 1, 2, DIR_UNTOLD, "10.0.0.1", "192.0.2.1", COUNT_TOTAL | COUNT_IN | COUNT_OUT },
		/* a probe: the network decides, then flowDirection, else it is in */
		{ 5, 5, DIR_UNTOLD, "198.51.100.1", "10.0.0.1", COUNT_TOTAL | COUNT_IN },
		{ 5, 5, DIR_UNTOLD, "10.0.0.1", "198.51.100.1", COUNT_TOTAL | COUNT_OUT },
		{ 0, 0, DIR_EGRESS, "10.0.0.1", "10.0.0.2", COUNT_TOTAL | COUNT_OUT },
		{ 0, 0, DIR_UNTOLD, "203.0.113.1", "198.51.100.1", COUNT_TOTAL | COUNT_IN },
	};
	struct site *s = *state;
	struct prefix p;

	prefix_parse("10.0.0.0/8", &p);
	names_network_add(s->names, "lan", &p);
	views(s, BY_INTERFACE, MEASURE_BYTES, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_row f = { .start_ms = s->now, .end_ms = s->now, .bytes = 1,
				      .src = rows[i].src, .dst = rows[i].dst,
				      .in_if = rows[i].in, .out_if = rows[i].out,
				      .direction = rows[i].dir };

		flow_add(s->b, &f);
		window_block(s->w, s->b, s->now);
		if (s->b->counts[0] != rows[i].counts)
			fail_msg("row %zu counts %u, not %u", i, s->b->counts[0], rows[i].counts);
		block_reset(s->b);
	}
}

static void missing_is_not_zero(void **state)
{
	struct site *s = *state;
	struct presence *p = window_presence(s->w);
	int64_t t = T0;

	for (; t < T0 + 5 * MIN; t += 5000)
		presence_heard(p, 0, t);
	assert_true(presence_covered(p, 0, slice_of(T0 + MIN)));
	/* Ten minutes of nothing, then back: the hole stays a hole. */
	presence_heard(p, 0, t + 10 * MIN);
	presence_heard(p, 0, t + 10 * MIN + SLICE_MS);
	assert_false(presence_covered(p, 0, slice_of(t + 5 * MIN)));
	assert_true(presence_covered(p, 0, slice_of(t + 10 * MIN)));
	assert_true(presence_covered(p, 0, slice_of(T0 + MIN)));
	assert_false(presence_covered(p, 0, slice_of(T0 - MIN)));
	assert_false(presence_covered(p, 1, slice_of(T0)));
}

struct seen_bins {
	uint64_t bytes;
	uint32_t covered;
	unsigned n;
};

static void see_bin(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		    bool amend, bool settled)
{
	struct seen_bins *s = arg;

	(void)view;
	(void)k;
	(void)settled;
	if (amend || bin->step != STEP_BIN || bin->start_s != T0 / 1000)
		return;
	s->bytes = bin->bytes;
	s->covered = bin->covered;
	s->n++;
}

static void a_bin_goes_on_after_a_restart(void **state)
{
	struct site *s = *state;
	struct seen_bins seen = { 0 };
	struct bin before = { .start_s = T0 / 1000, .step = STEP_BIN, .bytes = 5000,
			      .covered = 0x3 };
	struct key k = { 0 };

	views(s, BY_NONE, MEASURE_BYTES, 0);
	window_carry(s->w, 0, &k, &before);
	s->now = T0 + 2 * MIN;
	flow(s, s->now - 5000, s->now, 70);
	window_bins(s->w, s->now, see_bin, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.bytes, 5070);
	assert_int_equal(seen.covered & 3, 3);
	/* The time in between was not seen. */
	assert_int_equal(seen.covered & 0xfc, 0);
}

static void sum_all(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		    bool amend, bool settled)
{
	(void)view;
	(void)k;
	(void)amend;
	(void)settled;
	if (bin->step == STEP_BIN)
		*(uint64_t *)arg += bin->bytes;
}

static void a_flow_that_began_before_we_did_is_whole_in_history(void **state)
{
	struct site *s = *state;
	uint64_t sum = 0;

	views(s, BY_NONE, MEASURE_BYTES, 0);
	s->now = T0 + MIN;
	window_tick(s->w, s->now);
	flow(s, T0 - 8 * MIN, s->now, 900 * 1000); /* two bins had ended, one is open */
	window_bins(s->w, s->now, sum_all, &sum);
	assert_int_equal(sum, 900 * 1000);
	sum = 0;
	window_bins(s->w, s->now, sum_all, &sum); /* the open one again, and no other */
	assert_int_equal(sum, 100 * 1000);
}

struct seen_hour {
	uint64_t bytes, amended;
	uint32_t covered;
};

static void see_hour(void *arg, unsigned view, const struct key *k, const struct bin *bin,
		     bool amend, bool settled)
{
	struct seen_hour *s = arg;

	(void)view;
	(void)k;
	(void)settled;
	if (bin->step != STEP_HOUR)
		return;
	if (amend) {
		s->amended += bin->bytes;
		return;
	}
	s->bytes = bin->bytes;
	s->covered = bin->covered;
}

static void the_slice_it_began_in_is_not_whole(void **state)
{
	struct site *s = *state;
	struct presence *p = window_presence(s->w);
	int64_t begin = s->now / 10000 * 10000 + 7000;

	for (int i = 0; i < 4; i++)
		presence_heard(p, 0, begin + i * 10000);
	assert_false(presence_covered(p, 0, slice_of(begin)));
	assert_true(presence_covered(p, 0, slice_of(begin) + 1));
	assert_false(presence_covered_all(p, slice_of(begin)));
	assert_true(presence_covered_all(p, slice_of(begin) + 2));
	/* Another one that joins takes nothing from what the first one proves. */
	presence_heard(p, 1, begin + 20000);
	presence_heard(p, 1, begin + 30000);
	assert_true(presence_covered_all(p, slice_of(begin) + 2));
}

static void settled_bins_make_their_hour(void **state)
{
	struct site *s = *state;
	struct seen_hour seen = { 0 };
	int64_t hour = s->now / HOUR * HOUR + HOUR;

	views(s, BY_NONE, MEASURE_BYTES, 0);
	/* Of the slice in which an exporter is first heard a part is missing. */
	presence_heard(window_presence(s->w), 0, hour - 1);
	for (s->now = hour; s->now < hour + HOUR; s->now += 10000) {
		presence_heard(window_presence(s->w), 0, s->now);
		flow(s, s->now, s->now, 10);
		window_bins(s->w, s->now, see_hour, &seen);
	}
	/* The last ten minutes may still change. */
	assert_int_equal(seen.bytes, 9 * 300);
	for (; s->now < hour + HOUR + 11 * MIN; s->now += 10000) {
		presence_heard(window_presence(s->w), 0, s->now);
		window_tick(s->w, s->now);
		window_bins(s->w, s->now, see_hour, &seen);
	}
	assert_int_equal(seen.bytes, 3600);
	assert_int_equal(seen.covered, 360);
	/* A flow of that hour which comes now still finds its hour; one of long ago amends. */
	flow(s, hour + MIN, hour + MIN, 7);
	window_bins(s->w, s->now, see_hour, &seen);
	assert_int_equal(seen.bytes, 3607);
	flow(s, hour - 10 * HOUR, hour - 10 * HOUR, 5);
	window_bins(s->w, s->now, see_hour, &seen);
	assert_int_equal(seen.amended, 5);
}

static void a_longer_window_keeps_what_is_open(void **state)
{
	struct site *s = *state;
	struct view_spec v = { .filter = s->all, .by = BY_NONE,
			       .measure = { .kind = MEASURE_BYTES }, .history = true };

	window_views(s->w, &v, 1, 6);
	flow(s, s->now - MIN, s->now, 600);
	window_views(s->w, &v, 1, 360);
	assert_int_equal(bytes_in(s, s->now - MIN, 7), 600);
	assert_true(window_newest(s->w) - window_oldest(s->w) > 400);
}

/* 2026-10-25 has 25 hours in Amsterdam; weeks begin on Monday. */
static void days_weeks_and_months_are_those_of_the_calendar(void **state)
{
	static const struct {
		enum period period;
		int from[3], to[3]; /* year, month, day, at midnight */
	} rows[] = {
		{ PERIOD_DAY, { 2026, 10, 25 }, { 2026, 10, 26 } },
		{ PERIOD_DAY, { 2026, 12, 31 }, { 2027, 1, 1 } },
		{ PERIOD_WEEK, { 2026, 10, 19 }, { 2026, 10, 26 } },
		{ PERIOD_WEEK, { 2026, 12, 28 }, { 2027, 1, 4 } },
		{ PERIOD_MONTH, { 2026, 10, 1 }, { 2026, 11, 1 } },
		{ PERIOD_MONTH, { 2026, 12, 1 }, { 2027, 1, 1 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct view_spec v = { .by = BY_SRC, .period = rows[i].period,
				       .measure = { .kind = MEASURE_BYTES },
				       .history = true };
		struct site *s = *state;
		const struct slices *sl;
		int64_t from = calendar_unix(s->calendar, rows[i].from[0], rows[i].from[1],
					     rows[i].from[2], 0, 0, 0);
		int64_t to = calendar_unix(s->calendar, rows[i].to[0], rows[i].to[1],
					   rows[i].to[2], 0, 0, 0);
		struct key k = { 0 };
		struct addr a;
		struct sums t;
		int64_t start, end;

		tear_down(state);
		set_up(state);
		s = *state;
		sl = window_slices(s->w);
		v.filter = s->all;
		window_views(s->w, &v, 1, 6);
		s->now = to * 1000 - 10 * MIN;
		window_tick(s->w, s->now);
		flow(s, s->now, s->now, 1000);
		addr_parse("10.0.0.1", &a);
		memcpy(k.b, a.b, 16);
		t = sl->total(sl->arg, 0, &k, &start, &end);
		assert_int_equal(t.bytes, 1000);
		assert_int_equal(start / 1000, from);
		assert_int_equal(end / 1000, to);
		/* Half of this flow belongs to what comes next, and only that half counts. */
		s->now += 20 * MIN;
		window_tick(s->w, s->now);
		flow(s, end - 5 * MIN, end + 5 * MIN, 600);
		t = sl->total(sl->arg, 0, &k, &start, &end);
		assert_int_equal(t.bytes, 300);
		assert_int_equal(start / 1000, to);
	}
}

int main(void)
{
#define WITH_SITE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest t[] = {
		WITH_SITE(a_22_hour_flow_makes_no_spike_at_its_end),
		WITH_SITE(a_31_day_flow_goes_to_hours_and_to_the_bins_of_a_day),
		WITH_SITE(a_past_of_many_interfaces_has_to_be_earned),
		WITH_SITE(a_30_minute_flow_is_spread_over_its_slices),
		WITH_SITE(shares_add_up_whatever_the_length),
		WITH_SITE(flows_out_of_order_leave_the_same_sums),
		WITH_SITE(only_keys_that_reach_the_quota_are_looked_at),
		WITH_SITE(a_flood_of_sources_stays_in_memory_and_hides_nobody),
		WITH_SITE(peers_are_counted_once),
		WITH_SITE(peers_are_those_at_the_other_end),
		WITH_SITE(every_packet_counts_once),
		WITH_SITE(missing_is_not_zero),
		WITH_SITE(a_bin_goes_on_after_a_restart),
		WITH_SITE(a_flow_that_began_before_we_did_is_whole_in_history),
		WITH_SITE(the_slice_it_began_in_is_not_whole),
		WITH_SITE(settled_bins_make_their_hour),
		WITH_SITE(a_longer_window_keeps_what_is_open),
		WITH_SITE(days_weeks_and_months_are_those_of_the_calendar),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
