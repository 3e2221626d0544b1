/* test_detectors_more.c - change, absence, record, holtwinters, threshold: one table each.
 * SPDX-License-Identifier: ISC
 *
 * Each is asked the same: its textbook case, what is near it and is none, a gap of hours,
 * the first week, and what it says after a week in which something was wrong.
 */
#include "test.h"

#include "rig.h"

struct row {
	const char *what;
	int at, len; /* bins of a Tuesday in the fifth week */
	double times, plus;
	enum side side; /* what is raised within, or none */
};

/* A week with that in it; then a day as usual; then the same, or more, again. */
struct poison {
	double times, plus, again_times, again_plus;
	int len; /* bins within which it is raised again */
	enum side side;
};

static enum side raised(struct rig *r, int len, double times, double plus)
{
	enum side side = SIDE_NONE;

	for (int k = 0; k < len && side == SIDE_NONE; k++)
		side = feed(r, times, plus).side;
	return side;
}

static void rows_hold(const char *detector, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rig r;
		enum side side;

		rig_open(&r, detector);
		learn(&r, 4 * WEEK + DAY + rows[i].at);
		side = raised(&r, rows[i].len, rows[i].times, rows[i].plus);
		if (side != rows[i].side)
			fail_msg("%s: %s gave %d", detector, rows[i].what, side);
		rig_close(&r);
	}
}

/* Five hours that nobody saw, given as gaps and left out: neither is a fall, nor what
 * comes after them a rise. */
static void a_gap_is_nothing(const char *detector)
{
	for (int left_out = 0; left_out < 2; left_out++) {
		struct rig r;

		rig_open(&r, detector);
		learn(&r, 4 * WEEK + DAY + 110);
		for (int i = 0; i < 60; i++) {
			struct point p = point_of(r.bin, 0);
			struct verdict v = { .side = SIDE_NONE };

			office(&r, r.bin++, p.rest, true, 0);
			p.gap = true;
			if (!left_out)
				r.d->step(r.conf, r.state, &p, &v);
			assert_int_equal(v.side, SIDE_NONE);
		}
		feed_quietly(&r, DAY);
		rig_close(&r);
	}
}

/* It says when it will be armed, keeps to that, and is quiet until then. */
static void it_says_when_it_is_armed(const char *detector, int days)
{
	struct rig r;
	uint32_t before;

	rig_open(&r, detector);
	before = feed(&r, 1, 0).armed_in_s;
	assert_in_range(before, 1, days * 86400);
	for (int i = 1; i <= days * DAY; i++) {
		struct verdict v = feed(&r, 1, 0);

		assert_int_equal(v.side, SIDE_NONE);
		before = v.armed_in_s;
	}
	assert_int_equal(before, 0);
	rig_close(&r);
}

static void a_week_of_it_is_not_normal(const char *detector, const struct poison *p)
{
	struct rig r;

	rig_open(&r, detector);
	learn(&r, 4 * WEEK + DAY + 100);
	assert_int_equal(raised(&r, DAY, p->times, p->plus), p->side);
	for (int i = 0; i < WEEK; i++)
		feed(&r, p->times, p->plus);
	learn(&r, 2 * DAY);
	if (raised(&r, p->len, p->again_times, p->again_plus) != p->side)
		fail_msg("%s: it is normal after a week", detector);
	rig_close(&r);
}

static void change_sees_levels_and_no_bursts(void **unused)
{
	static const struct row rows[] = {
		{ "a new level", 100, 288, 2, 0, SIDE_UP },
		{ "a level that fell", 100, 288, 0.4, 0, SIDE_DOWN },
		{ "half as much again, for the day", 100, 288, 1.9, 0, SIDE_UP },
		{ "a lone burst", 144, 1, 1, 2, SIDE_NONE },
		{ "a flood of a quarter of an hour", 144, 3, 2, 0, SIDE_NONE },
		{ "a day that is a little busier", 0, 288, 1.15, 0, SIDE_NONE },
	};
	static const struct poison poison = { 3, 0, 3, 0, DAY, SIDE_UP };

	(void)unused;
	rows_hold("change", rows, ARRAY_LEN(rows));
	a_gap_is_nothing("change");
	it_says_when_it_is_armed("change", 9);
	a_week_of_it_is_not_normal("change", &poison);
}

static void absence_sees_what_is_missing_and_no_floods(void **unused)
{
	static const struct row rows[] = {
		{ "a link that all but died", 130, 12, 0.03, 0, SIDE_DOWN },
		{ "nothing at all", 130, 12, 0, 0, SIDE_DOWN },
		{ "a flood", 144, 12, 6, 0, SIDE_NONE },
		{ "a little less", 130, 12, 0.9, 0, SIDE_NONE },
		{ "a quarter of an hour of a third", 130, 3, 0.35, 0, SIDE_NONE },
	};
	static const struct poison poison = { 0.03, 0, 0.03, 0, 24, SIDE_DOWN };

	(void)unused;
	rows_hold("absence", rows, ARRAY_LEN(rows));
	a_gap_is_nothing("absence");
	it_says_when_it_is_armed("absence", 9);
	a_week_of_it_is_not_normal("absence", &poison);
}

static void record_sees_what_never_was(void **unused)
{
	static const struct row rows[] = {
		{ "more than ever", 144, 1, 1, 50, SIDE_UP },
		{ "next to nothing", 144, 1, 0.0001, 0, SIDE_DOWN },
		{ "a usual night's volume at noon", 144, 6, 0.1, 0, SIDE_NONE },
		{ "as much as the largest transfer", 144, 1, 1, 0.5, SIDE_NONE },
	};
	/* What was seen is no record any more: that is what the word says. More is. */
	static const struct poison poison = { 1, 50, 1, 500, 2, SIDE_UP };

	(void)unused;
	rows_hold("record", rows, ARRAY_LEN(rows));
	a_gap_is_nothing("record");
	it_says_when_it_is_armed("record", 7);
	a_week_of_it_is_not_normal("record", &poison);
}

static void holtwinters_sees_what_leaves_its_band_for_long(void **unused)
{
	static const struct row rows[] = {
		{ "ten times the level", 100, 24, 10, 0, SIDE_UP },
		{ "a level that fell", 100, 24, 0.05, 0, SIDE_DOWN },
		{ "a flood of five bins", 144, 5, 6, 0, SIDE_NONE },
		{ "a little more", 144, 24, 1.1, 0, SIDE_NONE },
	};
	static const struct poison poison = { 1, 10, 1, 100, 24, SIDE_UP };

	(void)unused;
	rows_hold("holtwinters", rows, ARRAY_LEN(rows));
	a_gap_is_nothing("holtwinters");
	it_says_when_it_is_armed("holtwinters", 4);
	a_week_of_it_is_not_normal("holtwinters", &poison);
}

/* A limit set by hand learns nothing, so nothing can teach it. */
/* Days differ as a whole, their backup does not. */
static void a_backup_is_as_large_on_a_quiet_day(void **unused)
{
	struct rig r;
	int raised = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	for (int d = 0; d < 8 * 7; d++) {
		double busy = exp(0.9 * noise(&r));

		for (int i = 0; i < DAY; i++) {
			struct point p = point_of(r.bin, 0);
			struct verdict v;

			p.value = office(&r, r.bin++, p.rest, false, 0) * busy;
			if (i >= 24 && i < 30)
				p.value += 1.2 * 2e7 * (1 + 0.1 * noise(&r));
			r.d->step(r.conf, r.state, &p, &v);
			if (d > 21 && i >= 20 && i < 34)
				raised += v.side != SIDE_NONE;
		}
	}
	assert_int_equal(raised, 0);
	rig_close(&r);
}

/* Bins of any length: what lasts is seen, and what is shorter than a bin of five minutes
 * is no more than its share of that. */
static void bins_may_be_of_any_length(void **unused)
{
	static const struct {
		const char *what;
		int step_s, len_s;
		double times;
		enum side side;
	} rows[] = {
		{ "a minute's burst in minutes", 60, 60, 3, SIDE_NONE },
		{ "a flood of a quarter of an hour in minutes", 60, 900, 6, SIDE_UP },
		{ "the same in five minutes", 300, 900, 6, SIDE_UP },
		{ "one burst in tens of minutes", 600, 600, 2, SIDE_NONE },
		{ "a flood in tens of minutes", 600, 3600, 6, SIDE_UP },
		{ "a flood of an hour in hours", 3600, 3600, 6, SIDE_UP },
		{ "an hour without in hours", 3600, 3600, 0.02, SIDE_DOWN },
		{ "an hour as any other in hours", 3600, 3600, 1.1, SIDE_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int per_bin = rows[i].step_s / 60, begin = (4 * WEEK + DAY + 132) * 5;
		enum side side = SIDE_NONE;
		double sum = 0, five = 0;
		struct rig r;

		rig_open(&r, "seasonal");
		for (int m = 0; m < begin + rows[i].len_s / 60; m++) {
			struct point p = point_of(m / 5, 0);
			struct verdict v;

			if (m % 5 == 0)
				five = office(&r, m / 5, p.rest, true, 0);
			sum += five * (m >= begin ? rows[i].times : 1);
			if ((m + 1) % per_bin)
				continue;
			p = point_of((m + 1 - per_bin) / 5, sum / per_bin);
			p.at_s = MONDAY_S + (int64_t)(m + 1 - per_bin) * 60;
			p.step_s = (uint32_t)rows[i].step_s;
			sum = 0;
			r.d->step(r.conf, r.state, &p, &v);
			if (m >= begin && v.side != SIDE_NONE)
				side = v.side;
		}
		if (side != rows[i].side)
			fail_msg("%s gave %d", rows[i].what, side);
		rig_close(&r);
	}
}

/* Nights of zero to the bit, and now and then a lone transfer in them. */
static void a_transfer_in_a_dead_night_is_no_incident(void **unused)
{
	struct rig r;
	int raised = 0;
	bool stood = false;

	(void)unused;
	rig_open(&r, "seasonal");
	for (int i = 0; i < 8 * WEEK; i++) {
		struct point p = point_of(r.bin, 0);
		bool night = i % DAY < 84 || i % DAY >= 264;
		struct verdict v;

		p.value = office(&r, r.bin++, p.rest, false, 0);
		if (night)
			p.value = noise(&r) > 0.7 ? 1e6 * (1 + 5 * fabs(noise(&r))) : 0;
		r.d->step(r.conf, r.state, &p, &v);
		if (i > 3 * WEEK)
			raised += v.side != SIDE_NONE && !stood;
		stood = v.side != SIDE_NONE;
	}
	assert_true(raised <= 1);
	assert_int_equal(until_alert(&r, 6, 1, 0.7, SIDE_UP) >= 0, 1);
	rig_close(&r);
}

/* Two hours of five times as much, a quarter of an hour as usual, and the line is cut: that
 * is told within half an hour, whatever still speaks of the spike. */
static void an_outage_is_told_soon_after_a_spike(void **unused)
{
	enum side side = SIDE_NONE;
	struct rig r;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK + DAY + 110);
	assert_int_equal(raised(&r, 24, 5, 0), SIDE_UP);
	for (int i = 0; i < 20; i++)
		feed(&r, 5, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(feed(&r, 1, 0).side, SIDE_UP); /* cleared late */
	for (int i = 0; i < 6; i++)
		side = feed(&r, 0.02, 0).side;
	assert_int_equal(side, SIDE_DOWN);
	for (int i = 0; i < 12; i++)
		assert_int_equal(feed(&r, 0.02, 0).side, SIDE_DOWN);
	rig_close(&r);
}

static void threshold_stays_where_it_was_set(void **unused)
{
	struct rig r;

	(void)unused;
	rig_open(&r, "threshold");
	rig_set(&r, "above", 6e7);
	assert_int_equal(feed(&r, 1, 0).armed_in_s, 0);
	learn(&r, 100);
	for (int week = 0; week < 2; week++) {
		assert_int_equal(feed(&r, 1, 5).side, SIDE_UP);
		assert_int_equal(feed(&r, 0, 0).side, SIDE_NONE);
		for (int i = 0; i < WEEK; i++)
			assert_int_equal(feed(&r, 1, 5).side, SIDE_UP);
		assert_int_equal(feed(&r, 0, 0).side, SIDE_NONE);
	}
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(change_sees_levels_and_no_bursts),
		cmocka_unit_test(absence_sees_what_is_missing_and_no_floods),
		cmocka_unit_test(record_sees_what_never_was),
		cmocka_unit_test(holtwinters_sees_what_leaves_its_band_for_long),
		cmocka_unit_test(a_backup_is_as_large_on_a_quiet_day),
		cmocka_unit_test(bins_may_be_of_any_length),
		cmocka_unit_test(a_transfer_in_a_dead_night_is_no_incident),
		cmocka_unit_test(an_outage_is_told_soon_after_a_spike),
		cmocka_unit_test(threshold_stays_where_it_was_set),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
