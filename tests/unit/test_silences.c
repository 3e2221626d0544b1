/* test_silences.c - silences, series that flap, and alerts that another one speaks for.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "rules/flaps.h"
#include "rules/inhibit.h"
#include "rules/silences.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 1000000 };

static struct labels on(const char *rule, const char *id)
{
	return (struct labels){ .rule = rule, .series = id, .series_id = id };
}

static void a_silence_covers_what_it_says_while_it_lasts(void **state)
{
	struct silences *s = silences_new();
	struct labels busy = on("busy", "host=a"), idle = on("idle", "host=a");
	struct err err = { "" };
	const struct silence *x, *y;
	char id[ALERT_ID];

	(void)state;
	assert_false(silences_turned(s, T));
	x = silences_add(s, "rule = busy", T + 100, T + 200, "ann", "backup", T, &err);
	assert_non_null(x);
	y = silences_add(s, "any", T + 150, T + 160, "bob", "", T, &err);
	assert_non_null(y);
	assert_null(silences_find(s, &busy, T + 99));
	assert_ptr_equal(silences_find(s, &busy, T + 100), x);
	assert_null(silences_find(s, &idle, T + 100));
	assert_ptr_equal(silences_find(s, &busy, T + 155), x); /* the one that lasts longer */
	assert_ptr_equal(silences_find(s, &idle, T + 155), y);
	assert_null(silences_find(s, &busy, T + 200));
	assert_true(silences_overlap(s, &busy, T + 199, T + 300));
	assert_false(silences_overlap(s, &busy, T + 200, T + 300));
	assert_false(silences_overlap(s, &busy, T, T + 100));
	assert_false(silences_turned(s, T + 99));
	assert_true(silences_turned(s, T + 100));
	assert_false(silences_turned(s, T + 101));
	assert_true(silences_turned(s, T + 150));
	strcpy(id, x->id);
	assert_ptr_equal(silences_end(s, id, T + 170, &err), x);
	assert_true(silences_turned(s, T + 170));
	assert_null(silences_find(s, &busy, T + 170));
	assert_null(silences_end(s, id, T + 171, &err)); /* it is over already */
	assert_non_null(strstr(err.msg, "culprit silence list"));
	silences_free(&s);
}

static void a_silence_that_makes_no_sense_is_refused(void **state)
{
	struct silences *s = silences_new();
	struct err err = { "" };

	(void)state;
	assert_null(silences_add(s, "rul = x", T, T + 1, "", "", T, &err));
	assert_null(silences_add(s, "", T, T, "", "", T, &err));
	assert_null(silences_add(s, "", T - 10, T - 5, "", "", T, &err));
	assert_non_null(strstr(err.msg, "before it begins"));
	for (int i = 0; i < SILENCES_MAX; i++)
		assert_non_null(silences_add(s, "", T, T + 1, "", "", T, &err));
	assert_null(silences_add(s, "", T, T + 1, "", "", T, &err));
	assert_non_null(strstr(err.msg, "there are 1000"));
	silences_free(&s);
}

static void count_gone(void *arg, const struct silence *s)
{
	(void)s;
	++*(int *)arg;
}

static void silences_are_kept_as_text_and_forgotten_after_a_day(void **state)
{
	struct silences *s = silences_new(), *back = silences_new();
	struct labels busy = on("busy", "host=a");
	struct err err = { "" };
	char long_name[300];
	const struct silence *x;
	json_t *j;
	int gone = 0;

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	memcpy(long_name + SILENCE_AUTHOR - 2, "\xc3\xa4", 2); /* just where it is cut */
	long_name[sizeof(long_name) - 1] = '\0';
	x = silences_add(s, "rule busy", T, T + 5000, long_name, "why <b>not</b>", T, &err);
	j = silence_json(x, T);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "active");
	assert_true(silences_load(back, j));
	json_decref(j);
	assert_true(silences_turned(back, T));
	assert_string_equal(back->at[0].id, x->id);
	assert_int_equal(strlen(back->at[0].author), SILENCE_AUTHOR - 2);
	assert_string_equal(back->at[0].comment, "why <b>not</b>");
	assert_int_equal(back->at[0].until_ms, T + 5000);
	assert_non_null(silences_find(back, &busy, T + 1));
	silences_sweep(back, T + 5000 + 86399999, count_gone, &gone);
	assert_int_equal(gone, 0);
	silences_sweep(back, T + 5000 + 86400000, count_gone, &gone);
	assert_int_equal(gone, 1);
	assert_int_equal(back->n, 0);
	j = json_pack("{s:s}", "id", "x");
	json_object_set_new(j, "match", json_string("nonsense"));
	assert_false(silences_load(back, j));
	json_decref(j);
	silences_free(&s);
	silences_free(&back);
}

static void no_flap(void *arg, const char *fp)
{
	(void)fp;
	++*(int *)arg;
}

static void firings_are_counted_within_their_window(void **state)
{
	static const struct {
		int64_t at;
		unsigned n;
	} rows[] = { { T, 1 }, { T + 10, 2 }, { T + 99, 3 }, { T + 100, 3 }, { T + 109, 4 },
		     { T + 300, 1 } };
	struct flaps f;
	int gone = 0;

	(void)state;
	flaps_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n = flaps_fired(&f, "0123456789abcdef", rows[i].at, 100);

		assert_int_equal(n, rows[i].n);
	}
	assert_int_equal(flaps_fired(&f, "fedcba9876543210", T, 100), 1);
	flaps_sweep(&f, T + 350, 100, no_flap, &gone);
	assert_int_equal(gone, 1);
	assert_int_equal(flaps_get(&f, "0123456789abcdef")->n, 1);
	for (int i = 0; i < 100; i++)
		flaps_fired(&f, "0123456789abcdef", T + 400 + i, 1000);
	assert_int_equal(flaps_get(&f, "0123456789abcdef")->n, FLAPS_TIMES);
	flaps_fini(&f);
}

static void a_full_table_of_flaps_damps_no_more(void **state)
{
	struct flaps f;
	char fp[32];

	(void)state;
	flaps_init(&f);
	for (int i = 0; i < FLAPS_SERIES; i++) {
		snprintf(fp, sizeof(fp), "%016x", i);
		assert_int_equal(flaps_fired(&f, fp, T, 100), 1);
	}
	assert_int_equal(flaps_fired(&f, "another", T, 100), 0);
	flaps_fini(&f);
}

static void a_source_speaks_for_targets_with_equal_labels(void **state)
{
	struct exporter a = { .id = 1, .name = "a" }, b = { .id = 2, .name = "b" };
	struct inhibit_rule rule = { .name = "silent",
				     .source = match_compile("rule = exporter-silent", NULL),
				     .target = match_compile("any", NULL),
				     .equal = EQUAL_EXPORTER };
	struct labels source = on("exporter-silent", "exporter=a"), other = source;
	struct labels target = on("busy", "interface=a/1/in"), host = on("x", "host=h");
	const struct inhibit_rule *by;
	struct inhibit i;

	(void)state;
	source.exporter = target.exporter = &a;
	other.exporter = &b;
	inhibit_init(&i, &rule, 1, 100);
	assert_int_equal(inhibit_find(&i, &target, &by), INHIBIT_NONE);
	assert_null(by);
	assert_true(inhibit_put(&i, &other, 6, true));
	assert_int_equal(inhibit_find(&i, &target, &by), INHIBIT_NONE);
	assert_true(inhibit_put(&i, &source, 7, true));
	assert_false(inhibit_put(&i, &target, 8, true));
	assert_int_equal(inhibit_find(&i, &target, &by), 7);
	assert_ptr_equal(by, &rule);
	assert_int_equal(inhibit_find(&i, &source, &by), INHIBIT_NONE); /* not itself */
	assert_int_equal(inhibit_find(&i, &host, &by), INHIBIT_NONE);   /* has no exporter */
	inhibit_put(&i, &source, 9, true);
	inhibit_put(&i, &source, 9, false); /* the older one still holds, without a name */
	assert_int_equal(inhibit_find(&i, &target, &by), INHIBIT_NONE);
	assert_ptr_equal(by, &rule);
	inhibit_put(&i, &source, 7, false);
	inhibit_find(&i, &target, &by);
	assert_null(by);
	inhibit_fini(&i);
	match_free(&rule.source);
	match_free(&rule.target);
}

static struct addr ip(uint8_t last)
{
	return addr_of4((uint8_t[]){ 10, 20, 0, last });
}

static void a_link_names_the_hosts_that_carry_a_third_of_it(void **state)
{
	struct alert link = { .by = BY_INTERFACE, .n_top = 3 };
	struct top_flow top[3] = {
		{ .src = ip(1), .dst = ip(66), .share = 0.3 },
		{ .src = ip(2), .dst = ip(66), .share = 0.2 },
		{ .src = ip(3), .dst = ip(4), .share = 0.34 },
	};
	struct addr hosts[INHIBIT_HOSTS];
	struct labels l = { .n_host = 1, .by = BY_HOST };
	struct inhibit i;
	unsigned n;

	(void)state;
	link.top = top;
	n = inhibit_hosts(&link, hosts);
	assert_int_equal(n, 3);
	inhibit_init(&i, NULL, 0, 100);
	inhibit_name(&i, hosts, n, 5, true);
	for (uint8_t h = 1; h < 100; h++) {
		l.host[0] = ip(h);
		assert_int_equal(inhibit_link(&i, &l),
				 h == 66 || h == 3 || h == 4 ? 5 : INHIBIT_NONE);
	}
	inhibit_name(&i, hosts, n, 5, false);
	assert_int_equal(i.named.n, 0);
	inhibit_fini(&i);
	link.below = true; /* a line that is too quiet has no culprit */
	assert_int_equal(inhibit_hosts(&link, hosts), 0);
	link.below = false;
	link.by = BY_HOST;
	assert_int_equal(inhibit_hosts(&link, hosts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silence_covers_what_it_says_while_it_lasts),
		cmocka_unit_test(a_silence_that_makes_no_sense_is_refused),
		cmocka_unit_test(silences_are_kept_as_text_and_forgotten_after_a_day),
		cmocka_unit_test(firings_are_counted_within_their_window),
		cmocka_unit_test(a_full_table_of_flaps_damps_no_more),
		cmocka_unit_test(a_source_speaks_for_targets_with_equal_labels),
		cmocka_unit_test(a_link_names_the_hosts_that_carry_a_third_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
