/* test_watch.c - when an export is lossy; what a built-in rule becomes by its section. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/ruleset.h"
#include "detectors/watch.h"

/* --- loss --- */

static void loss_is_a_share_in_most_minutes(void **unused)
{
	static const struct {
		const char *what;
		struct loss_part part[LOSS_PARTS];
		bool stands, lossy;
	} rows[] = {
		{ "textbook: a tenth, all the time",
		  { { 100, 900 }, { 100, 900 }, { 100, 900 }, { 100, 900 }, { 100, 900 } },
		  false, true },
		{ "near miss: a little under the share",
		  { { 19, 981 }, { 19, 981 }, { 19, 981 }, { 19, 981 }, { 19, 981 } },
		  false, false },
		{ "one burst that overran a buffer",
		  { { 0, 1000 }, { 0, 1000 }, { 900, 100 }, { 0, 1000 }, { 0, 1000 } },
		  false, false },
		{ "three minutes of five",
		  { { 0, 1000 }, { 0, 1000 }, { 50, 950 }, { 50, 950 }, { 50, 950 } },
		  false, true },
		{ "a handful of flows matters to nobody",
		  { { 5, 10 }, { 5, 10 }, { 5, 10 }, { 5, 10 }, { 5, 10 } }, false, false },
		{ "nothing came at all: that is silence, not loss",
		  { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } }, false, false },
		{ "it stands, and goes on at half of the share",
		  { { 10, 990 }, { 10, 990 }, { 10, 990 }, { 10, 990 }, { 10, 990 } },
		  true, true },
		{ "it stands, and is over",
		  { { 5, 995 }, { 5, 995 }, { 5, 995 }, { 5, 995 }, { 5, 995 } }, true, false },
	};
	struct loss_conf c;

	(void)unused;
	opt_defaults(pattern_loss.opts, &c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double share;

		if (loss_judge(&c, rows[i].part, rows[i].stands, &share) != rows[i].lossy)
			fail_msg("%s: %g", rows[i].what, share);
	}
}

/* --- sections of built-in rules --- */

static struct rules *rules_of(const char *text)
{
	char path[] = "/tmp/culprit-watch-XXXXXX";
	struct config_errors errs;
	int fd = mkstemp(path);
	struct config *c;
	struct rules *rs;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	c = config_load(path, "/s", &errs);
	unlink(path);
	if (!c)
		config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	assert_non_null(c);
	rs = ruleset_new(c);
	config_free(&c);
	return rs;
}

static const struct rule *find(const struct rules *rs, const char *name)
{
	for (unsigned i = 0; i < rs->n; i++)
		if (!strcmp(rs->at[i].name, name))
			return &rs->at[i];
	return NULL;
}

static void rules_free(struct rules *rs)
{
	rules_fini(rs);
	free(rs);
}

static void an_empty_configuration_has_them_all(void **unused)
{
	struct rules *rs = rules_of("notify x { exec = {\"/bin/true\"} }");
	const struct builtin *b;

	(void)unused;
	for (size_t i = 0; (b = builtin_at(i)); i++) {
		const struct rule *r = find(rs, b->name);

		if (!r || r->severity != b->severity || !r->notify[0] || r->quiet)
			fail_msg("%s is not as built in", b->name);
		assert_true(r->detector || r->pattern);
	}
	assert_null(find(rs, "interface-counters"));
	rules_free(rs);
}

static void each_can_be_switched_off_by_its_name(void **unused)
{
	const struct builtin *b;

	(void)unused;
	for (size_t i = 0; (b = builtin_at(i)); i++) {
		char text[128];
		struct rules *rs;

		snprintf(text, sizeof(text), "rule %s { enabled = no }", b->name);
		rs = rules_of(text);
		for (size_t k = 0; builtin_at(k); k++)
			if (!find(rs, builtin_at(k)->name) != (k == i))
				fail_msg("%s: %s", text, builtin_at(k)->name);
		rules_free(rs);
	}
}

static void each_can_be_changed_by_its_name(void **unused)
{
	const struct builtin *b;

	(void)unused;
	for (size_t i = 0; (b = builtin_at(i)); i++) {
		char text[160];
		struct rules *rs;
		const struct rule *r;

		snprintf(text, sizeof(text), "notify x { exec = {\"/bin/true\"} } notify y { exec = "
			 "{\"/bin/true\"} } rule %s { severity = critical notify = {\"y\"} }",
			 b->name);
		rs = rules_of(text);
		r = find(rs, b->name);
		assert_non_null(r);
		assert_int_equal(r->severity, SEVERITY_CRITICAL);
		assert_string_equal(r->notify[0], "y");
		assert_null(r->notify[1]);
		/* The rest is as built in. */
		assert_int_equal(r->by, b->by);
		assert_int_equal(r->side, b->side);
		assert_ptr_equal(r->detector, detector_find(b->detector));
		assert_ptr_equal(r->pattern, pattern_find(b->detector));
		rules_free(rs);
	}
}

static void settings_and_limits_take_their_places(void **unused)
{
	struct rules *rs = rules_of("rule exporter-silent { patience = 10m }"
				    "rule lossy-export { share = 10% over = 10m }"
				    "rule interface-spike { above = 16M window = 5m }"
				    "rule interface-drop { budget = 0.3/week }");
	const struct rule *r;

	(void)unused;
	r = find(rs, "exporter-silent");
	assert_true(((struct silence_conf *)r->conf)->patience_s == 600);
	r = find(rs, "lossy-export");
	assert_true(((struct loss_conf *)r->conf)->share == 0.1);
	r = find(rs, "interface-spike");
	assert_null(r->detector);
	assert_true(r->above == 16e6 && r->by == BY_INTERFACE && r->side == SIDE_NONE);
	r = find(rs, "interface-drop");
	assert_non_null(r->detector);
	assert_int_equal(r->side, SIDE_DOWN);
	rules_free(rs);
}

static void the_old_name_stands_for_both(void **unused)
{
	struct rules *rs = rules_of("rule interface-traffic { enabled = no }");

	(void)unused;
	assert_null(find(rs, "interface-spike"));
	assert_null(find(rs, "interface-drop"));
	assert_true(find(rs, "interface-counters")->quiet); /* counted all the same */
	rules_free(rs);
	rs = rules_of("rule interface-traffic { severity = critical }");
	assert_null(find(rs, "interface-spike"));
	assert_non_null(find(rs, "interface-traffic")->detector);
	assert_int_equal(find(rs, "interface-traffic")->side, SIDE_NONE);
	rules_free(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_is_a_share_in_most_minutes),
		cmocka_unit_test(an_empty_configuration_has_them_all),
		cmocka_unit_test(each_can_be_switched_off_by_its_name),
		cmocka_unit_test(each_can_be_changed_by_its_name),
		cmocka_unit_test(settings_and_limits_take_their_places),
		cmocka_unit_test(the_old_name_stands_for_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
