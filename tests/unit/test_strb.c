/* test_strb.c - hostile text, and what is left of it at each sink.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"

#define FFFD "\xef\xbf\xbd"
#define RLO "\xe2\x80\xae" /* U+202E, right-to-left override */

struct row {
	const char *in, *out;
};

static void check_rows(const char *sink, void (*escape)(struct strb *, const char *),
		       const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct strb b = { 0 };

		escape(&b, rows[i].in);
		if (strcmp(b.s, rows[i].out) || b.len != strlen(b.s))
			fail_msg("%s row %zu: \"%s\" became \"%s\", not \"%s\"", sink, i,
				 rows[i].in, b.s, rows[i].out);
		strb_free(&b);
	}
}
#define CHECK(sink, rows) check_rows(#sink, sink, rows, ARRAY_LEN(rows))

static void json_is_a_string_whatever_comes(void **unused)
{
	static const struct row rows[] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "\"},{\"a\":1", "\"\\\"},{\\\"a\\\":1\"" },
		{ "a\\b/c", "\"a\\\\b/c\"" },
		{ "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"" },
		{ "a\xff" "b", "\"a" FFFD "b\"" },
		{ "\xc0\xaf", "\"" FFFD FFFD "\"" },          /* overlong / */
		{ "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
		{ "\xe2\x82", "\"" FFFD FFFD "\"" }, /* cut in the middle */
		{ "x" RLO "y", "\"x\\u202ey\"" },
		{ "\xe2\x80\xa8", "\"\\u2028\"" },
	};

	(void)unused;
	CHECK(strb_json, rows);
}

static void html_has_no_markup_of_theirs(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "<script>alert('x')</script>",
		  "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" },
		{ "\" onload=\"a&b", "&quot; onload=&quot;a&amp;b" },
		{ "a\nb\tc", "a\nb\tc" },
		{ "\x1b[31m\r\x7f", FFFD "[31m" FFFD FFFD },
		{ RLO "gpj.exe", FFFD "gpj.exe" },
		{ "\xc2\x9b" "1m", FFFD "1m" }, /* C1 control sequence */
		{ "\xfe\xff", FFFD FFFD },
		{ "\xc3\xa9", "\xc3\xa9" },
	};

	(void)unused;
	CHECK(strb_html, rows);
}

static void csv_cells_are_text_and_stay_one_cell(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a,b", "\"a,b\"" },
		{ "say \"hi\"", "\"say \"\"hi\"\"\"" },
		{ "two\r\nlines", "\"two\r\nlines\"" },
		{ "=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\"" },
		{ "+1", "\"'+1\"" },
		{ "-2+3", "\"'-2+3\"" },
		{ "@SUM(A1)", "\"'@SUM(A1)\"" },
		{ "\t=1", "\"'\t=1\"" },
		{ "\r=1", "\"'\r=1\"" },
		{ "a=b", "a=b" },
		{ "\x1b]0;x\x07", "\"" FFFD "]0;x" FFFD "\"" },
	};

	(void)unused;
	CHECK(strb_csv, rows);
}

static void terminals_are_not_driven(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "plain 100%", "plain 100%" },
		{ "\x1b[2J\x1b]0;pwned\x07", "\\x1b[2J\\x1b]0;pwned\\x07" },
		{ "one\ntwo\r\t", "one\\x0atwo\\x0d\\x09" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b" "31m" },
		{ "a" RLO "b", "a\\xe2\\x80\\xae" "b" },
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" },
		{ "\xe2\x80\x8f", "\\xe2\\x80\\x8f" },
		{ "\xff\xc3(", "\\xff\\xc3(" },
		{ "caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80" },
	};

	(void)unused;
	CHECK(strb_tty, rows);
}

static void prometheus_labels_keep_their_quotes(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "WAN", "WAN" },
		{ "a\"} 1\nevil{x=\"", "a\\\"} 1\\nevil{x=\\\"" },
		{ "back\\slash", "back\\\\slash" },
		{ "\xff", FFFD },
		{ "\r\x1b", FFFD FFFD },
	};

	(void)unused;
	CHECK(strb_label, rows);
}

static void mail_headers_stay_one_line(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "WAN in: 18.7 Mbit/s", "WAN in: 18.7 Mbit/s" },
		{ "a\r\nBcc: evil@example.org", "a Bcc: evil@example.org" },
		{ "a\nb\rc", "a b c" },
		{ "caf\xc3\xa9", "=?UTF-8?B?Y2Fmw6k=?=" },
		{ "\xc3\xa9", "=?UTF-8?B?w6k=?=" },
		{ "\xff", "=?UTF-8?B?77+9?=" },
		{ "=?UTF-8?B?eA==?=", "=?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=" },
		{ "\x1b", "=?UTF-8?B?77+9?=" },
	};
	struct strb text = { 0 }, b = { 0 };
	char *word, *rest;

	(void)unused;
	CHECK(strb_header, rows);
	for (int i = 0; i < 100; i++)
		strb_add(&text, i % 7 ? "\xe2\x82\xac" : "x");
	strb_header(&b, text.s);
	for (word = strtok_r(b.s, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(strlen(word) <= 75);
		assert_memory_equal(word, "=?UTF-8?B?", 10);
	}
	strb_free(&text);
	strb_free(&b);
}

static void slack_sees_no_links_and_no_lines(void **unused)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "<!channel> <http://x|y> & more",
		  "&lt;!channel&gt; &lt;http://x|y&gt; &amp; more" },
		{ "a\r\nb", "a  b" },
		{ "\x1b[0m" RLO, FFFD "[0m" FFFD },
	};

	(void)unused;
	CHECK(strb_slack, rows);
}

static void long_text_is_cut_between_characters(void **unused)
{
	static const struct {
		const char *s;
		size_t chars, octets, cut;
	} rows[] = {
		{ "", 5, 5, 0 },
		{ "abc", 0, 9, 0 },
		{ "abc", 2, 9, 2 },
		{ "abc", 9, 2, 2 },
		{ "abc", 9, 9, 3 },
		{ "\xc3\xa9\xc3\xa9", 9, 3, 2 },
		{ "\xc3\xa9\xc3\xa9", 1, 9, 2 },
		{ "\xe2\x82\xac", 9, 2, 0 },
		{ "\xf0\x9f\x98\x80x", 1, 9, 4 },
		{ "\xf0\x9f\x98\x80x", 9, 4, 4 },
		{ "\xff\xff\xff", 2, 9, 2 },
		{ "\xe2\x82", 1, 9, 1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(utf8_cut(rows[i].s, rows[i].chars, rows[i].octets),
				 rows[i].cut);
}

static void it_grows_and_formats(void **unused)
{
	struct strb b = { 0 };
	char *s;

	(void)unused;
	s = strb_take(&b);
	assert_string_equal(s, "");
	free(s);
	for (int i = 0; i < 1000; i++)
		strb_fmt(&b, "%d,", i);
	strb_fmt(&b, "%0500d", 7); /* longer than what is first tried */
	assert_int_equal(b.len, strlen(b.s));
	assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4 + 500);
	strb_addn(&b, "x\0y", 3);
	strb_addc(&b, 'z');
	assert_memory_equal(b.s + b.len - 4, "x\0yz", 5);
	s = strb_take(&b);
	assert_null(b.s);
	assert_int_equal(b.len, 0);
	free(s);
	strb_free(&b);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(json_is_a_string_whatever_comes),
		cmocka_unit_test(html_has_no_markup_of_theirs),
		cmocka_unit_test(csv_cells_are_text_and_stay_one_cell),
		cmocka_unit_test(terminals_are_not_driven),
		cmocka_unit_test(prometheus_labels_keep_their_quotes),
		cmocka_unit_test(mail_headers_stay_one_line),
		cmocka_unit_test(slack_sees_no_links_and_no_lines),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(it_grows_and_formats),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
