/* test_times.c - when a flow was: uptimes, clocks that lie, clamps.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/collect/times.h"

#define DAY INT64_C(86400000)

static void uptimes_are_modulo_2_to_the_32(void **state)
{
	static const struct { uint32_t uptime, t; int64_t off; } t[] = {
		{ 3600000, 3599000, -1000 }, { 1000, UINT32_MAX - 998, -1999 },
		{ 3600000, 3600000, 0 }, { 3600000, 3601000, 1000 },
		{ UINT32_MAX, 10, 11 }, { 2678400000u, 0, -31 * DAY },
		{ 4233600000u, 0, -49 * DAY }, /* no wrap in between: the past */
		{ 0, 1, 1 }, { 5, 601349005, 601349000 }, /* a week ahead, not 42 days ago */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(times_uptime(NOW_MS, t[i].uptime, t[i].t), NOW_MS + t[i].off);
}

static void ntp_times_know_their_era(void **state)
{
	(void)state;
	assert_int_equal(times_ntp(0), 0);
	assert_int_equal(times_ntp(UINT64_C(2208988800) << 32), 0);
	assert_int_equal(times_ntp((UINT64_C(2208988800) + NOW_S) << 32 | 0x40000000),
			 NOW_MS + 250);
	assert_int_equal(times_ntp(UINT64_C(1) << 32), (INT64_C(1) << 32) * 1000 + 1000 -
						       INT64_C(2208988800000));
}

struct pair {
	int64_t start, end; /* as the record says */
	int64_t want_start, want_end; /* relative to the receive time */
	uint8_t notes;
	uint64_t clamped;
};

static void settle(struct rig *r, const struct pair *p, int64_t shift)
{
	struct block *b = r->out.block;
	struct dgram d = { .c = r->c, .received_ms = NOW_MS, .shift_ms = shift };
	struct exporter_state x = { 0 };
	struct exporter e = { 0 };

	x.exporter = &e;
	d.x = &x;
	block_reset(b);
	b->n = 1;
	b->start_ms[0] = p->start;
	b->end_ms[0] = p->end;
	times_settle(&d, b, 0, 1);
	assert_int_equal(b->start_ms[0] - NOW_MS, p->want_start);
	assert_int_equal(b->end_ms[0] - NOW_MS, p->want_end);
	assert_int_equal(block_uses(b, F_notes) ? b->notes[0] : 0, p->notes);
	assert_int_equal(e.ledger.times_clamped, p->clamped);
}

static void only_impossible_times_fall_back_to_the_receive_time(void **state)
{
	enum { C = NOTE_TIME_CLAMPED, R = NOTE_TIME_RECEIVED };
	static const struct pair t[] = {
		{ NOW_MS - 5000, NOW_MS - 1000, -5000, -1000, 0, 0 },
		{ NOW_MS - 31 * DAY, NOW_MS, -31 * DAY, 0, 0, 0 },
		{ NOW_MS - 40 * DAY, NOW_MS - 10, -31 * DAY - 10, -10, C, 1 },
		{ NOW_MS, NOW_MS + 60000, 0, 60000, 0, 0 },
		{ NOW_MS + 70000, NOW_MS + 80000, 50000, 60000, C, 1 },
		{ NOW_MS - 365 * DAY, NOW_MS - 365 * DAY + 1000, -31 * DAY - 1000, -31 * DAY, C, 1 },
		{ 4102444800000, 4102444900000, -40000, 60000, C, 1 },
		{ NOW_MS - 1000, NOW_MS - 5000, -5000, -5000, C, 1 }, /* ends before it starts */
		{ 0, 0, 0, 0, R, 0 },
		{ 0, NOW_MS - 7, -7, -7, 0, 0 }, /* a moment */
		{ NOW_MS - 7, 0, -7, -7, 0, 0 }, /* told once is not told wrongly */
		{ INT64_MIN, INT64_MIN, 0, 0, C | R, 1 },
		{ -1, -1, 0, 0, C | R, 1 },
		{ INT64_MAX, INT64_MAX, 0, 0, C | R, 1 },
		{ INT64_MIN, NOW_MS - 7, -7, -7, C, 1 },
	};
	struct rig r;

	(void)state;
	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		settle(&r, &t[i], 0);
	settle(&r, &(struct pair){ NOW_MS + 3595000, NOW_MS + 3599000, -5000, -1000, 0, 0 },
	       3600000);
	/* A header a day behind records that are right: the records are believed. */
	settle(&r, &(struct pair){ NOW_MS - 5000, NOW_MS - 1000, -5000, -1000, NOTE_TIME_CLAMPED, 1 },
	       -86400000);
	settle(&r, &t[13], -3600000); /* what is no time is not shifted */
	rig_fini(&r);
}

static const struct el base[] = { { 22, 4, 0 }, { 21, 4, 0 }, { 1, 4, 0 } };

/* A v9 datagram whose header says those seconds and uptime; its flow ended 1 s before. */
static int64_t end_of(struct rig *r, uint32_t seconds, uint32_t uptime)
{
	struct dg g;
	size_t at;

	head9(&g, 0, 7);
	g.n = 4;
	p32(&g, uptime);
	p32(&g, seconds);
	g.n = 20;
	TEMPLATE9(&g, 256, base);
	at = set_begin(&g, 256);
	p32(&g, uptime - 3000);
	p32(&g, uptime - 1000);
	p32(&g, 1);
	set_end(&g, at);
	block_reset(r->out.block);
	send9(r, &g);
	assert_int_equal(r->out.block->n, 1);
	return r->out.block->end_ms[0];
}

static void whole_seconds_get_their_milliseconds_back(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	/* The true clock is NOW_MS + 900 at first; the header cuts to seconds. */
	for (uint32_t k = 0; k < 20; k++) {
		uint32_t ms = 900 + k * 350;

		r.now_ms = NOW_MS + ms;
		end_of(&r, NOW_S + ms / 1000, UP_MS + ms);
	}
	r.now_ms = NOW_MS + 900 + 20 * 350;
	assert_in_range(end_of(&r, NOW_S + 7, UP_MS + 7900), r.now_ms - 1050, r.now_ms - 1000);
	rig_fini(&r);
}

static void a_clock_an_hour_off_is_set_right(void **state)
{
	static const int32_t off_s[] = { 3600, -3600 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(off_s); i++) {
		struct rig r;

		rig_init(&r);
		for (uint32_t k = 0; k < 5; k++) {
			r.now_ms = NOW_MS + 400 + k * 1000;
			assert_in_range(end_of(&r, NOW_S + (uint32_t)off_s[i] + k,
					       UP_MS + k * 1000),
					r.now_ms - 1500, r.now_ms - 500);
		}
		assert_true(llabs(rig_ledger(&r)->skew_ms - off_s[i] * 1000) <= 1000);
		rig_fini(&r);
	}
}

static void one_mad_clock_moves_nothing_but_itself(void **state)
{
	static const uint32_t mad[] = { 0, 1, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct rig r;

	(void)state;
	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(mad); i++) {
		r.now_ms += 1000;
		end_of(&r, (uint32_t)(r.now_ms / 1000), UP_MS);
		r.now_ms += 1000;
		assert_in_range(end_of(&r, mad[i], UP_MS), r.now_ms - 1500, r.now_ms);
		r.now_ms += 1000;
		assert_in_range(end_of(&r, (uint32_t)(r.now_ms / 1000), UP_MS), r.now_ms - 2000,
				r.now_ms);
		assert_in_range(rig_ledger(&r)->skew_ms + 1000, 0, 2000);
	}
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uptimes_are_modulo_2_to_the_32),
		cmocka_unit_test(ntp_times_know_their_era),
		cmocka_unit_test(only_impossible_times_fall_back_to_the_receive_time),
		cmocka_unit_test(whole_seconds_get_their_milliseconds_back),
		cmocka_unit_test(a_clock_an_hour_off_is_set_right),
		cmocka_unit_test(one_mad_clock_moves_nothing_but_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
