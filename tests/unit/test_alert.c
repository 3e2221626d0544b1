/* test_alert.c - headlines, and culprit.alert/1 there and back.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/model/alert.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/notify/sample.h"

static const int64_t T = 1700000000000;

static struct alert *plain(const char *series, const char *measure, double value)
{
	struct alert *a = alert_new();

	strcpy(a->id, "01HF0000000000000000000000");
	a->state = ALERT_FIRING;
	a->rule = xstrdup("r");
	a->series = xstrdup(series);
	assert_true(measure_parse(measure, &a->measure));
	a->value = a->peak = value;
	a->threshold = 16e6;
	a->window_end_ms = T;
	a->window_start_ms = a->pending_ms = T - 120000;
	a->started_ms = T - 60000;
	return a;
}

static void headlines_say_what_how_much_and_what_is_normal(void **state)
{
	const struct {
		const char *series, *measure;
		double value, low, high, threshold;
		bool below, was, share, resolved;
		int window_min;
		const char *want, *detector;
	} rows[] = {
		{ "WAN in", "bits/s", 18.7e6, 2e6, 4e6, 0, .window_min = 2,
		  .want =
		      "WAN in: 18.7 Mbit/s for 2 minutes, normally 2-4 at this hour" },
		{ "WAN in", "bits/s", 18.7e6, 0.2e6, 0.45e6, 0, .window_min = 2,
		  .want = "WAN in: 18.7 Mbit/s for 2 minutes, normally 200-450 kbit/s" },
		{ "WAN in", "bits/s", 18.7e6, 0, 4e6, 0, .window_min = 2,
		  .want =
		      "WAN in: 18.7 Mbit/s for 2 minutes, normally 0-4 at this hour" },
		{ "WAN in", "bits/s", 18.7e6, 0, 0, 16e6, .window_min = 1,
		  .want = "WAN in: 18.7 Mbit/s for 1 minute, limit 16.0 Mbit/s" },
		{ "edge", "flows/s", 0, 40, 60, 0, .below = true, .window_min = 5,
		  .want = "edge: nothing for 5 minutes, normally 40-60 flows/s at this "
			  "hour" },
		{ "10.20.0.66", "bytes", 17e9, 0, 0, 20e9, .share = true,
		  .window_min = 43200,
		  .want = "10.20.0.66: 17.0 GB since 2023-10-15, 85 % of the 20.0 GB allowed" },
		{ "edge", "flows/s", 0, 0, 0, 0, .detector = "silence", .window_min = 2,
		  .want = "edge: silent for 2 minutes" },
		{ "edge", "flows/s", 2.5, 0, 0, 0.7, .detector = "loss", .window_min = 2,
		  .want = "edge: flows are lost, 2.5 flows/s for 2 minutes" },
		{ "edge", "flows/s", 2.5, 0, 0, 0.7, .detector = "loss", .resolved = true,
		  .window_min = 5,
		  .want = "edge: hardly any flows are lost again, after 5 minutes" },
		{ "edge", "flows/s", 0, 0, 0, 0, .detector = "silence", .resolved = true,
		  .window_min = 5, .want = "edge: sends again, after 5 minutes" },
		{ "10.20.0.66", "peers", 1234, 0, 0, 500, .window_min = 1,
		  .want = "10.20.0.66: 1.23 k peers in 1 minute, limit 500 peers" },
		{ "WAN in", "bits/s", 18.7e6, 0, 0, 16e6, .was = true, .window_min = 1,
		  .want = "WAN in: was at 18.7 Mbit/s for 1 minute, limit 16.0 Mbit/s" },
		{ "WAN in", "bits/s", 3.1e6, 0, 0, 16e6, .resolved = true,
		  .window_min = 12,
		  .want =
		      "WAN in: back to 3.10 Mbit/s after 12 minutes, peak 18.7 Mbit/s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct alert *a = plain(rows[i].series, rows[i].measure, rows[i].value);
		char line[160];

		a->detector = rows[i].detector ? xstrdup(rows[i].detector) : NULL;
		a->has_baseline = rows[i].high > 0;
		a->low = rows[i].low;
		a->high = rows[i].high;
		a->threshold = rows[i].threshold;
		a->below = rows[i].below;
		a->was = rows[i].was;
		a->warning_share = rows[i].share;
		a->window_start_ms = a->pending_ms = T - rows[i].window_min * 60000ll;
		if (rows[i].resolved) {
			a->state = ALERT_RESOLVED;
			a->ended_ms = T;
			a->peak = 18.7e6;
		}
		alert_headline(a, line);
		assert_string_equal(line, rows[i].want);
		alert_unref(&a);
	}
}

static void a_long_or_foreign_name_never_breaks_the_line(void **state)
{
	static const char *const names[] = {
		"a-very-long-host-name-that-goes-on-and-on.department.example.org",
		"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc"
		"\xc3\xa4"
		"\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4"
		"\xc3\xb6",
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f"
		"\x94\xa5"
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f"
		"\x94\xa5"
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f"
		"\x94\xa5"
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f"
		"\x94\xa5"
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f"
		"\x94\xa5",
		"",
		"\xff\xfe\xfd",
		"\x1b[2J\x1b]0;pwn\x07\x1b[31m\r\nBcc: victim@example.com\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct alert *a = plain(names[i], "bits/s", 18.7e6);
		char line[160];

		a->has_baseline = true;
		a->low = 123.4e6;
		a->high = 456.7e6;
		alert_headline(a, line);
		assert_in_range(utf8_cut(line, 69, SIZE_MAX), strlen(line), strlen(line));
		assert_non_null(strstr(line, ": 18.7 Mbit/s for 2 minutes"));
		for (const char *c = line; *c; c++)
			assert_false(iscntrl((unsigned char)*c));
		alert_unref(&a);
	}
}

static void what_was_written_is_read_back(void **state)
{
	struct alert *a = sample_alert(T, ALERT_FIRING), *b;
	struct err err = { "" };
	char *first, *second;
	json_t *j, *k;

	(void)state;
	a->position.file_s = 1699999800;
	a->position.offset = 4711;
	a->notify[0] = xstrdup("noc");
	a->lost_flows = UINT64_MAX; /* more than JSON's integers hold */
	j = alert_json(a, "http://culprit.example/");
	b = alert_from_json(j, &err);
	if (!b)
		fail_msg("%s", err.msg);
	k = alert_json(b, "http://culprit.example");
	first = json_dumps(j, JSON_SORT_KEYS);
	second = json_dumps(k, JSON_SORT_KEYS);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\"http://culprit.example/alert/"));
	assert_true(isnan(b->spark[20]));
	free(first);
	free(second);
	json_decref(j);
	json_decref(k);
	alert_unref(&a);
	alert_unref(&b);
}

static void what_is_no_alert_is_refused_with_a_sentence(void **state)
{
	static const char *const rows[] = {
		"{}",
		"[]",
		"null",
		"{\"schema\":\"culprit.alert/2\"}",
		"{\"schema\":\"culprit.alert/"
		"1\",\"status\":\"firing\",\"severity\":\"mild\"}",
		"{\"schema\":\"culprit.alert/"
		"1\",\"status\":\"firing\",\"severity\":\"info\","
		"\"measure\":\"smell\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i], JSON_DECODE_ANY, NULL);
		struct err err = { "" };

		assert_null(alert_from_json(j, &err));
		assert_true(*err.msg);
		json_decref(j);
	}
}

static void bad_utf_8_becomes_text(void **state)
{
	struct alert *a = plain("a\xff" "b", "bits/s", 1);
	json_t *j = alert_json(a, NULL);

	(void)state;
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(j, "series"), "name")),
	    "a\xef\xbf\xbd"
	    "b");
	json_decref(j);
	alert_unref(&a);
}

static void a_copy_has_everything_but_the_evidence(void **state)
{
	struct alert *a = sample_alert(T, ALERT_FIRING), *c;

	(void)state;
	a->notify[0] = xstrdup("noc");
	c = alert_copy(a);
	assert_string_equal(c->series, a->series);
	assert_string_equal(c->notify[0], "noc");
	assert_int_equal(c->n_top, 0);
	assert_null(c->top);
	alert_unref(&a);
	alert_unref(&c);
}

static void a_clone_has_all_of_it_and_shares_nothing(void **state)
{
	struct alert *a = sample_alert(T, ALERT_FIRING), *c;
	json_t *was, *is;

	(void)state;
	a->notify[0] = xstrdup("noc");
	a->quiet = xstrdup("Silenced by ann.");
	a->ack_by = xstrdup("bob");
	a->ack_comment = xstrdup("on it");
	a->ack_ms = T;
	a->group = 30;
	a->act_ack = xstrdup("act/ack/x");
	a->act_silence = xstrdup("act/silence/x");
	was = alert_json(a, "http://culprit");
	c = alert_clone(a);
	alert_unref(&a);
	is = alert_json(c, "http://culprit");
	assert_true(json_equal(was, is));
	alert_unref(&c);
	c = alert_from_json(is, NULL);
	json_decref(is);
	is = alert_json(c, "http://culprit");
	assert_true(json_equal(was, is));
	assert_string_equal(json_string_value(json_object_get(json_object_get(is, "links"),
							      "acknowledge")),
			    "http://culprit/act/ack/x");
	alert_unref(&c);
	json_decref(was);
	json_decref(is);
}

static void ids_sort_by_time_and_differ(void **state)
{
	char a[ALERT_ID], b[ALERT_ID], c[ALERT_ID];

	(void)state;
	alert_new_id(a, T);
	alert_new_id(b, T);
	alert_new_id(c, T + 1);
	assert_int_equal(strlen(a), 26);
	assert_string_not_equal(a, b);
	assert_true(strcmp(a, c) < 0 && strcmp(b, c) < 0);
	assert_memory_equal(a, "01HF7YAT00", 10); /* the ULID of that millisecond */
}

static void an_alert_knows_when_it_was_looked_at(void **state)
{
	struct alert a = { .judged_ms = 1795430200123, .ended_ms = 1795430199000 };

	(void)state;
	alert_new_id(a.id, 1795430100456);
	assert_int_equal(alert_sight(&a, false).at_ms, 1795430100456);
	assert_int_equal(alert_sight(&a, true).at_ms, 1795430200123);
	snprintf(a.id, sizeof(a.id), "no-such-id");
	assert_int_equal(alert_sight(&a, false).at_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headlines_say_what_how_much_and_what_is_normal),
		cmocka_unit_test(a_long_or_foreign_name_never_breaks_the_line),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(what_is_no_alert_is_refused_with_a_sentence),
		cmocka_unit_test(bad_utf_8_becomes_text),
		cmocka_unit_test(a_copy_has_everything_but_the_evidence),
		cmocka_unit_test(a_clone_has_all_of_it_and_shares_nothing),
		cmocka_unit_test(ids_sort_by_time_and_differ),
		cmocka_unit_test(an_alert_knows_when_it_was_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
