#include "test.h"

#include <string.h>

#include "rules/runs.h"

/* Values as text: a digit a window, '!' after it means not settled, '?' not covered. */
struct row {
	const char *v;
	bool below;
	double at, clear;
	unsigned hold;
	enum run_state state;
	int64_t from, fired, to;
};

static unsigned read_values(const char *text, double *v, bool *known, int64_t *settled)
{
	unsigned n = 0;

	*settled = -1;
	for (; *text; text++) {
		if (*text == '?') {
			known[n - 1] = false;
		} else if (*text == '!') {
			if (*settled < 0)
				*settled = (int64_t)n - 2;
		} else {
			known[n] = true;
			v[n++] = *text - '0';
		}
	}
	if (*settled < 0)
		*settled = n;
	return n;
}

static void rows_give_their_run(void **unused)
{
	static const struct row rows[] = {
		/* upper limits */
		{ "0000", false, 5, 5, 0, RUN_NONE, 0, 0, 0 },
		{ "0060", false, 5, 5, 0, RUN_OVER, 2, 2, 3 },
		{ "0066", false, 5, 5, 0, RUN_OPEN, 2, 2, 0 },
		{ "0055", false, 5, 5, 0, RUN_NONE, 0, 0, 0 },      /* the limit itself is fine */
		{ "0064", false, 5, 3, 0, RUN_OPEN, 2, 2, 0 },      /* hysteresis holds it */
		{ "00643", false, 5, 3, 0, RUN_OPEN, 2, 2, 0 },
		{ "00642", false, 5, 3, 0, RUN_OVER, 2, 2, 4 },
		{ "006466", false, 5, 3, 0, RUN_OPEN, 2, 2, 0 },
		/* for: two slices more */
		{ "0660", false, 5, 5, 2, RUN_NONE, 0, 0, 0 },
		{ "0666", false, 5, 5, 2, RUN_OPEN, 1, 3, 0 },
		{ "066", false, 5, 5, 2, RUN_PENDING, 1, 0, 0 },
		{ "06066", false, 5, 5, 2, RUN_PENDING, 3, 0, 0 },  /* interrupted: begins anew */
		/* partial sums: over is believed, under is not */
		{ "06!", false, 5, 5, 0, RUN_OPEN, 1, 1, 0 },
		{ "60!0!", false, 5, 5, 0, RUN_OPEN, 0, 0, 0 },
		{ "600!", false, 5, 5, 0, RUN_OVER, 0, 0, 1 },
		{ "60?0?", false, 5, 5, 0, RUN_OPEN, 0, 0, 0 },     /* a gap is no all-clear */
		/* lower limits: only what is settled and seen */
		{ "9991", true, 5, 5, 0, RUN_OPEN, 3, 3, 0 },
		{ "9991!", true, 5, 5, 0, RUN_NONE, 0, 0, 0 },
		{ "9991?", true, 5, 5, 0, RUN_NONE, 0, 0, 0 },
		{ "9199", true, 5, 7, 0, RUN_OVER, 1, 1, 2 },
		{ "9166", true, 5, 7, 0, RUN_OPEN, 1, 1, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *w = &rows[i];
		double v[64];
		bool known[64];
		struct limit l = { w->below, w->at, w->clear, w->hold };
		struct values vs = { v, known, 0, 0, 0 };
		struct run r;

		vs.n = read_values(w->v, v, known, &vs.settled);
		r = run_find(&l, &vs, -1);
		if (r.state != w->state)
			fail_msg("row %zu \"%s\": state %d, not %d", i, w->v, r.state, w->state);
		if (w->state == RUN_NONE)
			continue;
		assert_int_equal(r.from, w->from);
		if (w->state != RUN_PENDING)
			assert_int_equal(r.fired, w->fired);
		if (w->state == RUN_OVER)
			assert_int_equal(r.to, w->to);
	}
}

static void a_run_that_was_told_is_not_found_again(void **unused)
{
	double v[] = { 0, 6, 0, 7, 0 };
	bool known[] = { true, true, true, true, true };
	struct limit l = { false, 5, 5, 0 };
	struct values vs = { v, known, 100, 5, 200 };
	struct run r = run_find(&l, &vs, 0);

	(void)unused;
	assert_int_equal(r.from, 101);
	assert_int_equal(r.to, 102);
	r = run_find(&l, &vs, r.to);
	assert_int_equal(r.from, 103);
	r = run_find(&l, &vs, r.to);
	assert_int_equal(r.state, RUN_NONE);
}

static void the_peak_and_the_last_value_are_kept(void **unused)
{
	double v[] = { 6, 9, 7, 0 };
	bool known[] = { true, true, true, true };
	struct limit l = { false, 5, 5, 0 };
	struct values vs = { v, known, 0, 4, 2 };
	struct run r = run_find(&l, &vs, -1);

	(void)unused;
	assert_int_equal(r.state, RUN_OPEN);
	assert_true(r.peak > 8.9 && r.peak < 9.1);
	assert_true(r.value > 6.9 && r.value < 7.1);
	assert_int_equal(r.last, 2);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(rows_give_their_run),
		cmocka_unit_test(a_run_that_was_told_is_not_found_again),
		cmocka_unit_test(the_peak_and_the_last_value_are_kept),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
