/* test_match.c - which alerts a silence, a route or a window means.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "rules/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct names *site(void)
{
	struct names *n = names_new(10);
	struct addr a = addr_of4((uint8_t[]){ 192, 0, 2, 1 });
	struct prefix p;
	struct exporter *e = names_exporter_known(n, &a, 0, "edge");

	names_interface_set(n, e->id, 2, "WAN", 0, TOLD_CONFIG);
	assert_true(prefix_parse("10.20.0.0/24", &p));
	names_network_add(n, "lan", &p);
	names_networks_done(n);
	return n;
}

static struct alert *alert_on(const char *rule, enum by by, const char *id, const char *name,
			      enum severity s)
{
	struct alert *a = alert_new();

	alert_new_id(a->id, 1);
	a->rule = xstrdup(rule);
	a->by = by;
	a->series_id = xstrdup(id);
	a->series = xstrdup(name);
	a->severity = s;
	return a;
}

static void labels_are_asked_for(void **state)
{
	enum { WAN, HOST, PAIR, NET };
	static const struct {
		const char *text;
		const char *expect; /* of WAN, HOST, PAIR, NET */
	} rows[] = {
		{ "", "yyyy" },
		{ "any", "yyyy" },
		{ "rule=wan-busy", "ynnn" },
		{ "rule = wan-*", "ynnn" },
		{ "rule != wan-busy", "nyyy" },
		{ "rule ~ BUSY", "ynnn" },
		{ "rule !~ busy", "nyyy" },
		{ "rule h?avy", "nynn" },
		{ "series ~ \"edge wan\"", "ynnn" },
		{ "series = \"edge WAN in\"", "ynnn" },
		{ "series = interface=192.0.2.1/WAN/in", "ynnn" },
		{ "exporter edge", "ynnn" },
		{ "exporter 192.0.2.1", "ynnn" },
		{ "exporter = core", "nnnn" },
		{ "not exporter edge", "nyyy" },
		{ "interface WAN", "ynnn" },
		{ "host 10.20.0.66", "nyyn" },
		{ "host = 10.20.0.0/24", "nyyn" },
		{ "net 2001:db8::/32", "nnnn" },
		{ "host != 10.20.0.66", "ynny" },
		{ "network lan", "nyyy" },
		{ "severity critical", "ynnn" },
		{ "severity >= warning", "yynn" },
		{ "severity < warning", "nnyy" },
		{ "severity != info", "yynn" },
		{ "by host", "nynn" },
		{ "by = src,dst", "nnyn" },
		{ "rule wan-busy or by host and severity critical", "ynnn" },
		{ "(rule wan-busy or by host) and not severity critical", "nynn" },
		{ "by host severity warning", "nynn" },
		{ "NOT (BY host OR BY interface)", "nnyy" },
		{ "alert *", "yyyy" },
		{ "rule 'wan-busy'", "ynnn" },
	};
	struct names *n = site();
	struct alert *a[] = {
		[WAN] = alert_on("wan-busy", BY_INTERFACE, "interface=192.0.2.1/WAN/in",
				 "edge WAN in", SEVERITY_CRITICAL),
		[HOST] = alert_on("heavy", BY_HOST, "host=10.20.0.66", "10.20.0.66",
				  SEVERITY_WARNING),
		[PAIR] = alert_on("talk", BY_PAIR, "src,dst=198.51.100.1,10.20.0.66",
				  "198.51.100.1 to 10.20.0.66", SEVERITY_INFO),
		[NET] = alert_on("net", BY_NETWORK, "network=lan/in", "lan in", SEVERITY_INFO),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct match *m = match_compile(rows[i].text, &err);
		char seen[5] = "";

		if (!m)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_string_equal(match_text(m), rows[i].text);
		for (int k = 0; k < 4; k++) {
			struct labels l;

			labels_of(a[k], n, &l);
			seen[k] = match_alert(m, &l) ? 'y' : 'n';
		}
		if (strcmp(seen, rows[i].expect))
			fail_msg("%s: %s instead of %s", rows[i].text, seen, rows[i].expect);
		match_free(&m);
	}
	for (int k = 0; k < 4; k++)
		alert_unref(&a[k]);
	names_free(&n);
}

static void mistakes_are_told_in_one_sentence(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ "rul = x", "there is no label \"rul\"" },
		{ "rule", "rule has no value" },
		{ "rule =", "rule has no value" },
		{ "rule = x and", "something is missing" },
		{ "rule = x or", "something is missing" },
		{ "not", "something is missing" },
		{ "(rule x", "( is not closed" },
		{ "rule x)", "\")\" is too much" },
		{ "rule > x", "rule is not more or less" },
		{ "rule => x", "\"=>\" is no comparison" },
		{ "host ~ 10", "host is an address" },
		{ "host 10.20.0.300", "is no address" },
		{ "severity loud", "it is info, warning or critical" },
		{ "by nothing", "write what a rule groups by" },
		{ "rule \"x", "a quote \" is not closed" },
	};
	char deep[400] = "", *many = xcalloc(1, 1002);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct match *m = match_compile(rows[i].text, &err);

		if (m || !strstr(err.msg, rows[i].expect))
			fail_msg("%s: %s", rows[i].text, m ? "is taken" : err.msg);
	}
	for (int i = 0; i < 300; i++)
		strcat(deep, "(");
	assert_null(match_compile(deep, NULL));
	for (int i = 0; i < 90; i++)
		strcat(many, "rule a or ");
	strcat(many, "rule b");
	assert_null(match_compile(many, NULL));
	memset(many, 'x', 1001);
	assert_null(match_compile(many, NULL));
	free(many);
}

static void the_text_of_a_series_means_just_that_one(void **state)
{
	static const char *const ids[] = { "host=10.20.0.66", "interface=192.0.2.1/WAN/in",
					   "network=a \"b\\c\"/in", "none" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		char *text = match_of_series("heavy", ids[i]);
		struct match *m = match_compile(text, NULL);

		assert_non_null(m);
		for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
			struct labels l = { .rule = "heavy", .series = "", .series_id = ids[k] };

			assert_int_equal(match_alert(m, &l), i == k);
			l.rule = "heavier";
			assert_false(match_alert(m, &l));
		}
		match_free(&m);
		free(text);
	}
}

static void count_names(void *arg, const char *kind, const char *name)
{
	struct strb *b = arg;

	strb_fmt(b, "%s:%s ", kind, name);
}

static void names_are_listed_for_checks(void **state)
{
	struct match *m = match_compile("rule a or rule = b* and exporter edge or network ~ x or "
					"network lan", NULL);
	struct strb b = { 0 };

	(void)state;
	match_each_name(m, count_names, &b);
	assert_string_equal(b.s, "rule:a exporter:edge network:lan ");
	strb_free(&b);
	match_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_asked_for),
		cmocka_unit_test(mistakes_are_told_in_one_sentence),
		cmocka_unit_test(the_text_of_a_series_means_just_that_one),
		cmocka_unit_test(names_are_listed_for_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
