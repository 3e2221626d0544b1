/* test_entropy.c - a mix that is not that of the hour, over weeks of bins. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "detectors/detector.h"

enum { DAY = 288, WEEK = 2016, MONDAY = 1780264800 };

struct line {
	void *conf, *state;
	uint64_t rng;
	unsigned bin, fresh;
	enum side side;
	struct verdict last;
};

static double noise(struct line *l)
{
	double sum = 0;

	for (int i = 0; i < 12; i++) {
		l->rng = l->rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
		sum += (double)(l->rng >> 40) / (1 << 24);
	}
	return sum - 6;
}

/* An office's mix of ports: seven bits by day, four by night. */
static double usual(struct line *l)
{
	double hour = l->bin % DAY / 12.0;

	return (hour > 7 && hour < 19 ? 7 : 4) + 0.15 * noise(l);
}

static void step(struct line *l, double bits, bool gap)
{
	const struct detector *d = detector_find("entropy");
	struct point p = { .at_s = MONDAY + (int64_t)l->bin * 300, .step_s = 300,
			   .slot = (uint16_t)(l->bin % WEEK), .rest = l->bin % WEEK >= 5 * DAY,
			   .gap = gap, .train = true, .value = gap ? 0 : fmax(bits, 0) };

	d->step(l->conf, l->state, &p, &l->last);
	l->side = l->last.side;
	l->fresh += l->last.fresh;
	l->bin++;
}

static void begin(struct line *l)
{
	const struct detector *d = detector_find("entropy");

	*l = (struct line){ .rng = 7 };
	l->conf = xcalloc(1, d->conf_size);
	l->state = xcalloc(1, d->state_size);
	opt_defaults(d->opts, l->conf);
}

static void end(struct line *l)
{
	free(l->conf);
	free(l->state);
}

static void run(struct line *l, unsigned bins)
{
	while (bins--)
		step(l, usual(l), false);
}

static const struct row {
	const char *what;
	unsigned learn, bins;
	double by; /* bits */
	bool gap;
	enum side want;
} rows[] = {
	{ "textbook: a flood on one port", 3 * WEEK, 12, -3, false, SIDE_DOWN },
	{ "textbook: a scan of many ports", 3 * WEEK, 12, 4, false, SIDE_UP },
	{ "near miss: a fifth of a bit", 3 * WEEK, 12, -0.2, false, SIDE_NONE },
	{ "near miss: a fifth of a bit more", 3 * WEEK, 12, 0.2, false, SIDE_NONE },
	{ "a gap is no mix", 3 * WEEK, 12, 0, true, SIDE_NONE },
	{ "the first day is learnt", DAY / 2, 3, 0.5, false, SIDE_NONE },
};

static void a_mix_is_judged_by_its_hour(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		enum side seen = SIDE_NONE;
		struct line l;

		begin(&l);
		run(&l, r->learn + DAY / 2); /* until noon */
		l.fresh = 0;
		for (unsigned b = 0; b < r->bins; b++) {
			step(&l, usual(&l) + r->by, r->gap);
			if (l.side != SIDE_NONE)
				seen = l.side;
		}
		if (seen != r->want)
			fail_msg("%s: %d", r->what, seen);
		if (seen != SIDE_NONE) { /* told in bits, and it ends */
			assert_in_range((int)(10 * l.last.median), 60, 80);
			run(&l, 30);
			assert_int_equal(l.side, SIDE_NONE);
		}
		end(&l);
	}
}

static void weeks_of_office_are_quiet(void **unused)
{
	struct line l;

	(void)unused;
	begin(&l);
	run(&l, 3 * WEEK);
	l.fresh = 0;
	run(&l, 8 * WEEK);
	assert_in_range(l.fresh, 0, 3); /* 0.1 a week, over eight */
	end(&l);
}

static void a_week_of_attack_does_not_become_normal(void **unused)
{
	struct line l;

	(void)unused;
	begin(&l);
	run(&l, 4 * WEEK + DAY / 2);
	for (int i = 0; i < WEEK; i++)
		step(&l, usual(&l) - 3, false);
	assert_int_equal(l.side, SIDE_DOWN);
	run(&l, DAY);
	assert_int_equal(l.side, SIDE_NONE);
	for (int i = 0; i < 12; i++)
		step(&l, usual(&l) - 3, false);
	assert_int_equal(l.side, SIDE_DOWN);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mix_is_judged_by_its_hour),
		cmocka_unit_test(weeks_of_office_are_quiet),
		cmocka_unit_test(a_week_of_attack_does_not_become_normal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
