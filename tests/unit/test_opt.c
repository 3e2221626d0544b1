/* test_opt.c - settings as data: every kind of text, bounds, and what is said.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <math.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/model/opt.h"

struct conf {
	double number, quantity, time_s, budget, unset;
};

static const struct opt opts[] = {
	{ "number", OPT_NUMBER, 3, 0, 100, offsetof(struct conf, number), "a number" },
	{ "quantity", OPT_QUANTITY, 1, 0, 1e12, offsetof(struct conf, quantity), "amount" },
	{ "count", OPT_COUNT, 1, 0, 1e12, offsetof(struct conf, quantity), "how many" },
	{ "time", OPT_DURATION, 60, 0, 1e6, offsetof(struct conf, time_s), "a time" },
	{ "budget", OPT_BUDGET, 0.1, 0.01, 100, offsetof(struct conf, budget), "a rate" },
	{ "unset", OPT_QUANTITY, NAN, 0, 10, offsetof(struct conf, unset), "no default" },
	{ .name = NULL },
};

static void defaults_are_filled_in(void **unused)
{
	struct conf c;

	(void)unused;
	opt_defaults(opts, &c);
	assert_true(c.number == 3 && c.quantity == 1 && c.time_s == 60 && c.budget == 0.1);
	assert_true(isnan(c.unset));
	assert_null(opt_find(opts, "nonesuch"));
}

static void text_is_read_by_its_kind(void **unused)
{
	static const struct {
		const char *name, *text;
		double value; /* NAN: refused */
	} rows[] = {
		{ "number", "4.5", 4.5 },      { "number", "1e1", 10 },
		{ "number", "25e-2", 0.25 },   { "number", "101", NAN },
		{ "number", "-1", NAN },       { "number", "nan", NAN },
		{ "number", "", NAN },         { "number", "1e", NAN },
		{ "quantity", "16M", 16e6 },   { "quantity", "1.5Gi", 1610612736 },
		{ "quantity", "80%", 0.8 },    { "quantity", "20Mbit/s", 20e6 },
		{ "count", "16M", 16e6 },      { "count", "80%", NAN },
		{ "quantity", "5 apples", NAN }, { "time", "30s", 30 },
		{ "time", "1h30m", 5400 },     { "time", "90", NAN },
		{ "budget", "0.1/week", 0.1 }, { "budget", "2/day", 14 },
		{ "budget", "0.3", 0.3 },      { "budget", "0/week", NAN },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct opt *o = opt_find(opts, rows[i].name);
		struct conf c;
		struct err e = { 0 };
		const double *v;
		bool ok;

		assert_non_null(o);
		opt_defaults(opts, &c);
		v = (const double *)((const char *)&c + o->off);
		ok = opt_set(o, &c, rows[i].text, &e);
		if (ok != !isnan(rows[i].value))
			fail_msg("%s = %s: %s", rows[i].name, rows[i].text, e.msg);
		if (ok && fabs(*v - rows[i].value) > 1e-9 * rows[i].value)
			fail_msg("%s = %s gave %g", rows[i].name, rows[i].text, *v);
		if (!ok) {
			assert_non_null(strstr(e.msg, rows[i].name));
			assert_true(*v == o->def);
		}
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(text_is_read_by_its_kind),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
