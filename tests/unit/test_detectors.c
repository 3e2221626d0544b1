/* test_detectors.c - seasonal, and what all detectors have in common.
 * SPDX-License-Identifier: ISC
 *
 * Textbook case, near miss, gap, first week, poison; those of the others are in
 * test_detectors_more.c.
 */
#include "test.h"

#include "rig.h"

static void what_is_unusual_for_the_hour_is_raised(void **unused)
{
	static const struct {
		const char *what;
		int at;  /* bin of the fifth week's Tuesday */
		int len;
		double times, plus;
		enum side side;
	} rows[] = {
		{ "a flood at noon", 144, 6, 4, 0, SIDE_UP },
		{ "a daytime volume at night", 40, 12, 1, 0.7, SIDE_UP },
		{ "a flood of two bins", 200, 2, 1, 1.5, SIDE_UP },
		{ "a lasting moderate rise", 110, 60, 1.9, 0, SIDE_UP },
		{ "a link that all but died", 130, 12, 0.03, 0, SIDE_DOWN },
		{ "a link that died to nothing", 130, 12, 0, 0, SIDE_DOWN },
		{ "a new level", 100, 288, 2.5, 0, SIDE_UP },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r, "seasonal");
		learn(&r, 3 * WEEK);
		feed_quietly(&r, WEEK + DAY + rows[i].at);
		if (until_alert(&r, rows[i].len, rows[i].times, rows[i].plus,
				rows[i].side) < 0)
			fail_msg("not seen: %s", rows[i].what);
		rig_close(&r);
	}
}

static void bursts_that_repeat_are_raised(void **unused)
{
	struct rig r;
	bool seen = false;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK + DAY + 150);
	for (int i = 0; i < 24; i++)
		seen |= feed(&r, 1, i % 4 ? 0 : 2).side == SIDE_UP;
	assert_true(seen);
	rig_close(&r);
}

/* One night of a job that starts late or not at all. */
static enum side night(struct rig *r, bool job, int late)
{
	enum side side = SIDE_NONE;

	for (int i = 0; i < DAY; i++) {
		struct point p = point_of(r->bin, 0);
		struct verdict v;

		p.value = office(r, r->bin++, p.rest, job, late);
		r->d->step(r->conf, r->state, &p, &v);
		if (i < 42 && v.side != SIDE_NONE)
			side = v.side;
	}
	return side;
}

static void a_nightly_job_may_be_late_but_not_missing(void **unused)
{
	static const int usual[] = { 0, 0, 1, 0, 2, 0, 0, 1, 3, 0, 0, 1, 0, 0 };
	struct rig r;

	(void)unused;
	rig_open(&r, "seasonal");
	for (int i = 0; i < 28; i++)
		night(&r, true, usual[i % (int)ARRAY_LEN(usual)]);
	assert_int_equal(night(&r, true, 3), SIDE_NONE);
	assert_int_equal(night(&r, true, 0), SIDE_NONE);
	assert_int_equal(night(&r, false, 0), SIDE_DOWN);
	rig_close(&r);
}

static void what_is_usual_enough_is_left_alone(void **unused)
{
	static const struct {
		const char *what;
		int at, len;
		double times, plus;
	} rows[] = {
		{ "a lone burst", 200, 1, 1, 1.0 },
		{ "a little more", 144, 6, 1.2, 0 },
		{ "a busy day", 0, DAY, 1.2, 0 },
		{ "a quiet day", 0, DAY, 0.85, 0 },
		{ "a quarter of an hour of little", 140, 2, 0.4, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r, "seasonal");
		learn(&r, 4 * WEEK + DAY + rows[i].at);
		if (until_alert(&r, rows[i].len, rows[i].times, rows[i].plus, SIDE_UP) >=
		    0)
			fail_msg("raised: %s", rows[i].what);
		feed_quietly(&r, DAY);
		rig_close(&r);
	}
}

static void a_holiday_is_like_a_day_of_rest(void **unused)
{
	for (int listed = 0; listed < 2; listed++) {
		struct rig r;
		bool alert = false;

		(void)unused;
		rig_open(&r, "seasonal");
		learn(&r, 4 * WEEK + DAY);
		for (int i = 0; i < DAY; i++) {
			struct point p = point_of(r.bin, 0);
			struct verdict v;

			p.rest = p.holiday = listed;
			p.value = office(&r, r.bin++, true, true, 0);
			r.d->step(r.conf, r.state, &p, &v);
			alert |= v.side != SIDE_NONE;
		}
		assert_int_equal(alert, !listed);
		rig_close(&r);
	}
}

static void a_weekly_job_is_known_after_its_second_time(void **unused)
{
	struct rig r;
	bool alert[4] = { false };

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK);
	for (int week = 0; week < 4; week++)
		for (int i = 0; i < WEEK; i++) {
			bool job = i >= 6 * DAY + 36 && i < 6 * DAY + 48;

			alert[week] |= feed(&r, 1, job ? 1.5 : 0).side != SIDE_NONE;
		}
	assert_true(alert[0]);
	assert_false(alert[2]);
	assert_false(alert[3]);
	rig_close(&r);
}

/* Closed at noon on Fridays, open on Saturdays: two kinds of day do not tell it. */
static double shop(struct rig *r, int bin)
{
	int weekday = bin % WEEK / DAY;
	double hour = bin % DAY / 12.0;
	bool open = hour >= 8 && hour < (weekday == 4 ? 12.5 : 18) && weekday != 6;

	return (open ? 2e7 : 1e6) * exp(0.3 * noise(r));
}

static struct verdict feed_value(struct rig *r, double value)
{
	struct point p = point_of(r->bin++, value);
	struct verdict v;

	r->d->step(r->conf, r->state, &p, &v);
	return v;
}

static void weekdays_of_one_kind_may_differ(void **unused)
{
	struct rig r;
	bool seen = false;

	(void)unused;
	rig_open(&r, "seasonal");
	for (int i = 0; i < 3 * WEEK; i++)
		feed_value(&r, shop(&r, r.bin));
	for (int i = 0; i < 2 * WEEK; i++)
		assert_int_equal(feed_value(&r, shop(&r, r.bin)).side, SIDE_NONE);
	for (int i = 0; i < 5 * DAY + 130; i++)
		feed_value(&r, shop(&r, r.bin));
	for (int i = 0; i < 8 && !seen; i++) /* on Saturday at eleven nobody comes */
		seen = feed_value(&r, shop(&r, r.bin) * 0.05).side == SIDE_DOWN;
	assert_true(seen);
	rig_close(&r);
}

/* A few transfers an hour, by night none in most bins. */
static double clinic(struct rig *r, int bin)
{
	double hour = bin % DAY / 12.0, n = 0, chance = noise(r) * 0.5 + 0.5;
	double mean = bin % WEEK < 5 * DAY ? 40 * hump(hour, 13, 2.5) : 0;

	n = floor(mean * exp(0.3 * noise(r)) + (chance > 0.6) + (chance > 0.8));
	return n * 1e5;
}

static void zeros_at_night_do_not_blind_the_day(void **unused)
{
	static const struct {
		const char *what;
		int at, len;
		double times, plus;
		enum side side;
	} rows[] = {
		{ "three times as much at one", 154, 4, 3, 0, SIDE_UP },
		{ "next to nothing at one", 150, 10, 0.02, 0, SIDE_DOWN },
		{ "forty transfers at three in the night", 36, 4, 1, 4e6, SIDE_UP },
		{ "nothing at three in the night", 36, 24, 0, 0, SIDE_NONE },
		{ "three transfers at three in the night", 36, 1, 0, 3e5, SIDE_NONE },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;
		enum side side = SIDE_NONE;

		rig_open(&r, "seasonal");
		for (int k = 0; k < 4 * WEEK + DAY + rows[i].at; k++)
			feed_value(&r, clinic(&r, r.bin));
		for (int k = 0; k < rows[i].len && side == SIDE_NONE; k++)
			side = feed_value(&r, clinic(&r, r.bin) * rows[i].times +
					      rows[i].plus).side;
		if (side != rows[i].side)
			fail_msg("%s gave %d", rows[i].what, side);
		rig_close(&r);
	}
}

static void a_new_level_of_another_shape_is_adopted_whole(void **unused)
{
	struct rig r;
	int adopted = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK);
	for (int i = 0; i < 13 * DAY; i++) /* a constant stream beside it: nights change most */
		adopted += feed(&r, 1, 0.5).adopted;
	assert_int_equal(adopted, 1);
	for (int i = 0; i < WEEK; i++)
		assert_int_equal(feed(&r, 1, 0.5).side, SIDE_NONE);
	rig_close(&r);
}

static void a_gap_is_not_a_fall_to_zero(void **unused)
{
	for (int left_out = 0; left_out < 2; left_out++) {
		struct rig r;

		(void)unused;
		rig_open(&r, "seasonal");
		learn(&r, 4 * WEEK + DAY + 130);
		for (int i = 0; i < 40; i++) {
			struct point p = point_of(r.bin, 0);
			struct verdict v = { .side = SIDE_NONE };

			office(&r, r.bin++, p.rest, true, 0);
			p.gap = true;
			if (!left_out)
				r.d->step(r.conf, r.state, &p, &v);
			assert_int_equal(v.side, SIDE_NONE);
		}
		feed_quietly(&r, WEEK);
		rig_close(&r);
	}
}

static void the_first_weeks_say_when_they_are_over(void **unused)
{
	struct rig r;
	uint32_t before;

	(void)unused;
	rig_open(&r, "seasonal");
	before = feed(&r, 1, 0).armed_in_s;
	assert_in_range(before, 7 * 86400, 9 * 86400);
	for (int i = 1; i <= 9 * DAY; i++) {
		struct verdict v = feed(&r, 1, 0);

		assert_int_equal(v.side, SIDE_NONE);
		assert_true(v.armed_in_s <= before);
		before = v.armed_in_s;
	}
	assert_int_equal(before, 0);
	rig_close(&r);
}

static void a_flood_on_the_third_day_is_news_already(void **unused)
{
	struct rig r;
	double news = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 2 * DAY + 150);
	for (int i = 0; i < 6; i++)
		news = fmax(news, feed(&r, 1, 20).news);
	assert_true(news > 0.5);
	rig_close(&r);
}

static void an_attack_of_a_week_does_not_become_normal(void **unused)
{
	struct rig r;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK);
	assert_in_range(until_alert(&r, 12, 5, 0, SIDE_UP), 0, 11);
	for (int i = 0; i < WEEK; i++)
		assert_int_equal(feed(&r, 5, 0).side, SIDE_UP);
	learn(&r, DAY);
	feed_quietly(&r, 2 * DAY);
	assert_in_range(until_alert(&r, 12, 5, 0, SIDE_UP), 0, 11);
	rig_close(&r);
}

static void small_steps_up_are_not_learnt_as_they_come(void **unused)
{
	struct rig r;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK + 100);
	for (int i = 0; i < 288; i++) /* doubles within a day */
		if (feed(&r, pow(2, i / 144.0), 0).side == SIDE_UP) {
			rig_close(&r);
			return;
		}
	fail_msg("a creeping rise to four times the usual was not seen");
}

static void a_level_that_lasts_is_adopted_with_a_notice(void **unused)
{
	struct rig r;
	int adopted = 0, alert_bins = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK);
	for (int i = 0; i < 11 * DAY; i++) {
		struct verdict v = feed(&r, 3, 0);

		adopted += v.adopted;
		alert_bins += v.side == SIDE_UP;
	}
	assert_int_equal(adopted, 1);
	assert_true(alert_bins > 9 * DAY);
	for (int i = 0; i < WEEK; i++)
		assert_int_equal(feed(&r, 3, 0).side, SIDE_NONE);
	rig_close(&r);
}

static void an_alert_is_told_once_and_again_when_it_grows(void **unused)
{
	struct rig r;
	int fresh = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK + DAY + 140);
	for (int i = 0; i < 24; i++)
		fresh += feed(&r, 2.5, 0).fresh;
	assert_int_equal(fresh, 1);
	for (int i = 0; i < 12; i++)
		fresh += feed(&r, 40, 0).fresh;
	assert_in_range(fresh, 2, 3);
	rig_close(&r);
}

static void same_points_give_the_same_verdicts(void **unused)
{
	(void)unused;
	for (size_t k = 0; detector_at(k); k++) {
		struct rig a, b;

		rig_open(&a, detector_at(k)->name);
		rig_open(&b, detector_at(k)->name);
		for (int i = 0; i < 5 * WEEK; i++) {
			bool odd = i > 4 * WEEK + 300 && i < 4 * WEEK + 320;
			struct verdict va, vb;

			if (i % 1000 == 999) { /* as read back after a restart */
				void *saved = xmemdup(b.state, b.d->state_size);

				free(b.state);
				b.state = saved;
			}
			va = feed(&a, odd ? 6 : 1, 0);
			vb = feed(&b, odd ? 6 : 1, 0);
			assert_int_equal(va.side, vb.side);
			assert_int_equal(va.fresh, vb.fresh);
			assert_string_equal(va.view, vb.view);
			assert_memory_equal(&va.score, &vb.score, sizeof(va.score));
			assert_memory_equal(&va.news, &vb.news, sizeof(va.news));
		}
		assert_memory_equal(a.state, b.state, a.d->state_size);
		rig_close(&a);
		rig_close(&b);
	}
}

static void a_rise_is_judged_before_its_bin_settles_and_nothing_is_changed(void **unused)
{
	struct rig r;
	struct verdict v;
	struct point p;
	void *before;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK + DAY + 140);
	feed(&r, 6, 0);
	before = xmemdup(r.state, r.d->state_size);
	/* The bin that settled is partly in the window still: one burst is not two. */
	p = point_of(r.bin, 6 * 2e7);
	r.d->judge(r.conf, r.state, &p, &v);
	assert_int_equal(v.side, SIDE_NONE);
	/* Here the one between has not settled, and the window lies behind what has. */
	p = point_of(r.bin + 1, 6 * 2e7);
	r.d->judge(r.conf, r.state, &p, &v);
	assert_int_equal(v.side, SIDE_UP);
	assert_true(v.fresh && *v.view);
	assert_true(v.high < p.value && v.low < v.median && v.median < v.high);
	p.value = 0; /* a sum that has only begun */
	r.d->judge(r.conf, r.state, &p, &v);
	assert_int_equal(v.side, SIDE_NONE);
	assert_memory_equal(before, r.state, r.d->state_size);
	free(before);
	rig_close(&r);
}

static void what_slides_past_every_day_is_not_judged_unusual(void **unused)
{
	struct rig r;
	struct verdict v;
	int raised = 0;

	(void)unused;
	rig_open(&r, "seasonal");
	for (int i = 0; i < 5 * WEEK; i++) {
		struct point p = point_of(r.bin, 0), slid;

		p.value = office(&r, r.bin++, p.rest, true, 0);
		p.peak =
		    p.value * (1.3 + 0.3 * noise(&r)); /* bursts that bins cut in two */
		slid = p;
		slid.value = p.peak;
		r.d->judge(r.conf, r.state, &slid, &v);
		raised += i > 3 * WEEK && v.side != SIDE_NONE;
		r.d->step(r.conf, r.state, &p, &v);
	}
	assert_true(raised <= 1); /* what the budget allows in ten weeks */
	rig_close(&r);
}

static void nothing_is_learnt_from_a_silence(void **unused)
{
	struct rig r;
	struct verdict v;

	(void)unused;
	rig_open(&r, "seasonal");
	learn(&r, 4 * WEEK);
	for (int i = 0; i < 2 * WEEK; i++) {
		struct point p = point_of(r.bin, 0);

		p.value = office(&r, r.bin++, p.rest, true, 0) * 5;
		p.train = false;
		r.d->step(r.conf, r.state, &p, &v);
	}
	learn(&r, DAY);
	feed_quietly(&r, DAY);
	assert_in_range(until_alert(&r, 12, 5, 0, SIDE_UP), 0, 11);
	rig_close(&r);
}

static void odd_values_do_no_harm(void **unused)
{
	static const double odd[] = { 0, 1e300, -1e300, -5, 1e-300, 5e-324, 1e18 };

	(void)unused;
	for (size_t k = 0; detector_at(k); k++) {
		struct rig r;

		rig_open(&r, detector_at(k)->name);
		for (int i = 0; i < 2 * WEEK; i++) {
			struct point p = point_of(i, odd[i % 7 * (i / 50 % 2)]);
			struct verdict v;

			p.step_s = i % 97 ? BIN : 0;
			r.d->step(r.conf, r.state, &p, &v);
			assert_false(isnan(v.score) || isnan(v.news));
			r.d->judge(r.conf, r.state, &p, &v);
			assert_false(isnan(v.score) || isnan(v.news));
		}
		rig_close(&r);
	}
}

static void a_limit_has_hysteresis_and_patience(void **unused)
{
	static const struct {
		double above, below, clear, hold_s;
		double value[8]; /* -1: a gap */
		const char *side;
	} rows[] = {
		{ 10, NAN, NAN, 0, { 9, 10, 11, 12, 10, 9, 11, 1 }, "--^^--^-" },
		{ 10, NAN, 5, 0, { 9, 11, 9, 6, 5, 9, 11, 6 }, "-^^^--^^" },
		{ 10, NAN, NAN, 600, { 11, 9, 11, 11, 11, 9, 11, 11 }, "---^^--^" },
		{ 10, NAN, NAN, 600, { 11, -1, 11, 11, -1, 9, 11, -1 }, "---^^---" },
		{ NAN, 10, NAN, 0, { 11, 10, 9, 0, 10, 11, 9, -1 }, "--vv--vv" },
		{ NAN, 10, 20, 0, { 9, 11, 19, 20, 11, 9, 19, 21 }, "vvv--vv-" },
		{ 10, 5, NAN, 0, { 7, 11, 4, 7, 5, 4, 11, 7 }, "-^v--v^-" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r, "threshold");
		rig_set(&r, "above", rows[i].above);
		rig_set(&r, "below", rows[i].below);
		rig_set(&r, "clear", rows[i].clear);
		rig_set(&r, "for", rows[i].hold_s);
		for (int k = 0; k < 8; k++) {
			struct point p = point_of(k, rows[i].value[k]);
			struct verdict v;

			p.gap = p.value < 0;
			r.d->step(r.conf, r.state, &p, &v);
			assert_int_equal("-^v"[v.side], rows[i].side[k]);
		}
		rig_close(&r);
	}
}

static void a_line_that_is_flat_to_the_bit_is_absent(void **unused)
{
	struct rig r;
	struct verdict v = { .side = SIDE_NONE };

	(void)unused;
	rig_open(&r, "absence");
	learn(&r, 4 * WEEK + DAY + 140);
	for (int i = 0; i < 60 && v.side == SIDE_NONE; i++) {
		struct point p =
		    point_of(r.bin, 1.7e7); /* what noon is like, but frozen */

		office(&r, r.bin++, p.rest, true, 0);
		r.d->step(r.conf, r.state, &p, &v);
	}
	assert_int_equal(v.side, SIDE_DOWN);
	assert_string_equal(v.view, "a flat line");
	rig_close(&r);
}

static void every_detector_is_described_and_small(void **unused)
{
	(void)unused;
	for (size_t k = 0; detector_at(k); k++) {
		const struct detector *d = detector_at(k);

		assert_ptr_equal(detector_find(d->name), d);
		assert_true(*d->doc);
		assert_true(d->state_size <= (96u << 20) / 10000);
		for (const struct opt *o = d->opts; o->name; o++) {
			assert_true(o->off + sizeof(double) <= d->conf_size);
			assert_true(isnan(o->def) ||
				    (o->def >= o->min && o->def <= o->max));
			assert_true(*o->doc);
		}
	}
	assert_null(detector_find("nonesuch"));
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(what_is_unusual_for_the_hour_is_raised),
		cmocka_unit_test(bursts_that_repeat_are_raised),
		cmocka_unit_test(a_nightly_job_may_be_late_but_not_missing),
		cmocka_unit_test(what_is_usual_enough_is_left_alone),
		cmocka_unit_test(a_holiday_is_like_a_day_of_rest),
		cmocka_unit_test(a_weekly_job_is_known_after_its_second_time),
		cmocka_unit_test(weekdays_of_one_kind_may_differ),
		cmocka_unit_test(zeros_at_night_do_not_blind_the_day),
		cmocka_unit_test(a_new_level_of_another_shape_is_adopted_whole),
		cmocka_unit_test(a_gap_is_not_a_fall_to_zero),
		cmocka_unit_test(the_first_weeks_say_when_they_are_over),
		cmocka_unit_test(a_flood_on_the_third_day_is_news_already),
		cmocka_unit_test(an_attack_of_a_week_does_not_become_normal),
		cmocka_unit_test(small_steps_up_are_not_learnt_as_they_come),
		cmocka_unit_test(a_level_that_lasts_is_adopted_with_a_notice),
		cmocka_unit_test(an_alert_is_told_once_and_again_when_it_grows),
		cmocka_unit_test(same_points_give_the_same_verdicts),
		cmocka_unit_test(
		    a_rise_is_judged_before_its_bin_settles_and_nothing_is_changed),
		cmocka_unit_test(what_slides_past_every_day_is_not_judged_unusual),
		cmocka_unit_test(nothing_is_learnt_from_a_silence),
		cmocka_unit_test(odd_values_do_no_harm),
		cmocka_unit_test(a_limit_has_hysteresis_and_patience),
		cmocka_unit_test(a_line_that_is_flat_to_the_bit_is_absent),
		cmocka_unit_test(every_detector_is_described_and_small),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
