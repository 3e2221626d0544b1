/* test_table.c - one table as text, JSON and CSV; widths; sparks; options.
 * SPDX-License-Identifier: ISC
 */
#include "test.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/cli/args.h"
#include "daemon/cli/spark.h"
#include "daemon/cli/table.h"

static const struct screen wide = { .utf8 = true, .width = UINT_MAX };
static const struct screen ascii = { .width = UINT_MAX };

static const struct column cols[] = {
	{ "host", "host", COL_TEXT },	 { "bytes", "bytes", COL_VALUE },
	{ "share", "share", COL_VALUE }, { NULL, "", COL_BAR },
	{ "secret", NULL, COL_DATA },
};

static struct table *sample(const char *first)
{
	struct table *t = table_new(cols, ARRAY_LEN(cols));

	table_row(t);
	table_text(t, first);
	table_count(t, 18700000, "18.7 MB");
	table_real(t, 0.5, "50.0 %");
	table_real(t, 0.5, NULL);
	table_text(t, "x,y");
	table_row(t);
	table_text(t, "10.20.0.66");
	table_none(t);
	table_real(t, NAN, "never");
	return t;
}

static char *shown(const struct table *t, const struct screen *sc)
{
	struct strb s = { 0 };

	table_show(t, sc, &s);
	return strb_take(&s);
}

static void people_see_aligned_columns_with_bars(void **state)
{
	struct table *t = sample("reception-pc");
	char *s = shown(t, &wide);

	(void)state;
	assert_string_equal(s, "host            bytes   share\n"
			       "reception-pc  18.7 MB  50.0 %  ████████\n"
			       "10.20.0.66          -       -\n");
	free(s);
	s = shown(t, &ascii);
	assert_non_null(strstr(s, "50.0 %  ########\n"));
	free(s);
	table_free(&t);
}

static void programs_get_values_in_json_and_csv(void **state)
{
	struct table *t = sample("reception-pc");
	json_t *j = table_json(t);
	char *text = json_dumps(j, JSON_COMPACT);
	struct strb csv = { 0 };

	(void)state;
	assert_string_equal(
	    text, "[{\"host\":\"reception-pc\",\"bytes\":18700000,\"share\":0.5,"
		  "\"secret\":\"x,y\"},{\"host\":\"10.20.0.66\",\"bytes\":null,"
		  "\"share\":null,\"secret\":null}]");
	table_csv(t, &csv);
	assert_string_equal(csv.s, "host,bytes,share,secret\r\n"
				   "reception-pc,18700000,0.5,\"x,y\"\r\n"
				   "10.20.0.66,,,\r\n");
	strb_free(&csv);
	free(text);
	json_decref(j);
	table_free(&t);
}

static void an_empty_table_is_its_header(void **state)
{
	struct table *t = table_new(cols, ARRAY_LEN(cols));
	struct strb csv = { 0 };
	json_t *j = table_json(t);

	(void)state;
	table_csv(t, &csv);
	assert_string_equal(csv.s, "host,bytes,share,secret\r\n");
	assert_int_equal(json_array_size(j), 0);
	assert_int_equal(table_rows(t), 0);
	json_decref(j);
	strb_free(&csv);
	table_free(&t);
}

static void hostile_text_is_inert_in_every_form(void **state)
{
	static const char *const hostile[] = {
		"\x1b[2J\x1b]0;owned\x07",
		"a\nb\rc",
		"\xe2\x80\xae"
		"gpj.exe",
		"\x9b"
		"31m",
		"\xff\xfe",
		"=cmd|' /C calc'!A0",
		"\"},{\"x\":1",
		"\x7f\x01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct table *t = sample(hostile[i]);
		char *s = shown(t, &wide), *line;
		struct strb csv = { 0 };
		json_t *j = table_json(t), *back;
		char *text = json_dumps(j, JSON_COMPACT);
		size_t lines = 0;

		for (const char *p = s; *p; p++)
			assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
		assert_null(strstr(s, "\x7f"));
		assert_null(strstr(s, "\xe2\x80\xae"));
		for (line = s; (line = strchr(line, '\n')); line++)
			lines++;
		assert_int_equal(lines, 3);
		table_csv(t, &csv);
		assert_null(strchr(csv.s, '\x1b'));
		assert_true(strncmp(strchr(csv.s, '\n') + 1, "=", 1) != 0);
		assert_true(strncmp(strchr(csv.s, '\n') + 1, "\"=", 2) != 0);
		back = json_loads(text, 0, NULL);
		assert_int_equal(json_array_size(back), 2);
		assert_int_equal(json_object_size(json_array_get(back, 0)), 4);
		json_decref(back);
		json_decref(j);
		free(text);
		free(s);
		strb_free(&csv);
		table_free(&t);
	}
}

static void colours_only_where_there_are_colours(void **state)
{
	struct screen colour = wide;
	struct table *t = sample("a");
	char *s;

	(void)state;
	table_paint(t, PAINT_RED);
	s = shown(t, &wide);
	assert_null(strchr(s, '\x1b'));
	free(s);
	colour.colour = true;
	s = shown(t, &colour);
	assert_non_null(strstr(s, "\x1b[1mhost\x1b[0m"));
	assert_non_null(strstr(s, "\x1b[31m-\x1b[0m"));
	free(s);
	table_free(&t);
}

static void no_color_dumb_terminals_and_pipes_have_no_colour(void **state)
{
	FILE *f = tmpfile();
	struct screen sc;

	(void)state;
	screen_of(f, false, &sc);
	assert_false(sc.terminal);
	assert_false(sc.colour);
	assert_int_equal(sc.width, UINT_MAX);
	fclose(f);
}

static void a_narrow_terminal_costs_the_bar_first_then_text_never_numbers(void **state)
{
	struct table *t = sample("a-name-that-is-really-rather-long.example.org");
	struct screen sc = wide;
	char *s;

	(void)state;
	sc.width = 70;
	s = shown(t, &sc);
	assert_null(strstr(s, "█"));
	assert_non_null(strstr(s, "long.example.org"));
	free(s);
	sc.width = 40;
	s = shown(t, &sc);
	assert_non_null(strstr(s, "a-name-that-is-really-…"));
	assert_non_null(strstr(s, "18.7 MB  50.0 %"));
	free(s);
	sc.width = 5;
	s = shown(t, &sc);
	assert_non_null(strstr(s, "a-name-…  18.7 MB  50.0 %"));
	free(s);
	table_free(&t);
}

static void a_narrow_terminal_spares_numbers_before_it_cuts_a_text(void **state)
{
	static const struct column cols[] = { { "src", "source", COL_TEXT },
					      { "bytes", "bytes", COL_VALUE },
					      { "packets", "packets", COL_SPARE },
					      { "flows", "flows", COL_SPARE },
					      { "share", "share", COL_VALUE } };
	static const struct {
		unsigned width;
		const char *shown;
	} rows[] = { { 80, "source         bytes  packets  flows  share\n"
			   "203.0.113.200  700 B       12      3  100 %\n" },
		     { 40, "source         bytes  packets  share\n"
			   "203.0.113.200  700 B       12  100 %\n" },
		     { 30, "source         bytes  share\n"
			   "203.0.113.200  700 B  100 %\n" } };
	struct table *t = table_new(cols, ARRAY_LEN(cols));

	(void)state;
	table_row(t);
	table_text(t, "203.0.113.200");
	table_count(t, 700, "700 B");
	table_count(t, 12, NULL);
	table_count(t, 3, NULL);
	table_real(t, 1, "100 %");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct screen sc = { .terminal = true, .utf8 = true, .width = rows[i].width };
		char *s = shown(t, &sc);

		assert_string_equal(s, rows[i].shown);
		free(s);
	}
	table_free(&t);
}

static void widths_are_those_of_a_terminal(void **state)
{
	static const struct {
		const char *text;
		unsigned width;
	} rows[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "é", 1 },
		{ "e\xcc\x81", 1 },
		{ "日本語", 6 },
		{ "한", 2 },
		{ "😀", 2 },
		{ "█▏", 2 },
		{ "Ω", 1 },
		{ "a\xe2\x80\x8b"
		  "b",
		  2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (text_width(rows[i].text) != rows[i].width)
			fail_msg("\"%s\" is %u wide", rows[i].text,
				 text_width(rows[i].text));
}

static void text_is_cut_between_characters(void **state)
{
	static const struct {
		const char *text;
		unsigned width;
		const char *cut;
	} rows[] = {
		{ "abcdef", 6, "abcdef" }, { "abcdef", 5, "abcd…" },
		{ "abcdef", 1, "…" },	   { "abcdef", 0, "" },
		{ "日本語", 6, "日本語" }, { "日本語", 5, "日本…" },
		{ "日本語", 4, "日 …" },   { "äöü", 2, "ä…" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strb s = { 0 };

		text_fit(&s, rows[i].text, rows[i].width, true);
		assert_string_equal(s.s, rows[i].cut);
		strb_free(&s);
	}
}

static void sparks_rise_from_zero_and_show_gaps(void **state)
{
	static const struct {
		double v[8];
		size_t n, width;
		const char *utf8, *plain;
	} rows[] = {
		{ { 0, 1, 2, 3, 4, 5, 6, 7 }, 8, 60, "▁▂▃▄▅▆▇█", "_.-=+*%#" },
		{ { 0, 0 }, 2, 60, "▁▁", "__" },
		{ { 100, 99, 100 }, 3, 60, "███", "###" },
		{ { 1, NAN, 1 }, 3, 60, "█ █", "# #" },
		{ { 0, 2, 4, 4 }, 4, 2, "▃█", "-#" },
		{ { NAN, NAN }, 2, 60, "  ", "  " },
		{ { 0 }, 0, 60, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strb s = { 0 };

		spark_add(&s, rows[i].v, rows[i].n, rows[i].width, true);
		assert_string_equal(s.s, rows[i].utf8);
		strb_free(&s);
		spark_add(&s, rows[i].v, rows[i].n, rows[i].width, false);
		assert_string_equal(s.s, rows[i].plain);
		strb_free(&s);
	}
}

/* ---- options ---- */

struct set {
	bool json, verbose;
	const char *at, *to;
	uint64_t n;
};

static bool parse(struct set *o, int *argc, char **argv, struct err *err)
{
	const struct arg mine[] = {
		{ "at", 0, ARG_TEXT, "TIME", "", &o->at },
		{ "to", 0, ARG_TEXT, "TIME", "", &o->to },
		{ "rows", 'n', ARG_COUNT, "N", "", &o->n },
		{ "verbose", 'v', ARG_FLAG, NULL, "", &o->verbose },
		{ 0 },
	};
	const struct arg common[] = {
		{ "json", 'j', ARG_FLAG, NULL, "", &o->json },
		{ "token", 0, ARG_TEXT, "F", "", &o->at },
		{ 0 },
	};

	return args_parse(argc, argv, mine, common, false, NULL, err);
}

static void options_are_taken_in_any_form_and_place(void **state)
{
	static const char *const forms[][8] = {
		{ "top", "--at", "-2h", "-n", "5", "-vj", "src", "x" },
		{ "top", "src", "--at=-2h", "-n5", "--json", "-v", "x", NULL },
		{ "top", "-vjn5", "--at", "-2h", "src", "x", NULL },
		{ "top", "-n", "5", "-jv", "--at=-2h", "--", "src", "x" },
		{ "top", "--row=5", "--j", "--verb", "--at", "-2h", "src", "x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		char *argv[8];
		struct set o = { 0 };
		struct err err = { "" };
		int argc = 0;

		for (; argc < 8 && forms[i][argc]; argc++)
			argv[argc] = (char *)forms[i][argc];
		if (!parse(&o, &argc, argv, &err))
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(argc, 3);
		assert_string_equal(argv[1], "src");
		assert_string_equal(argv[2], "x");
		assert_string_equal(o.at, "-2h");
		assert_int_equal(o.n, 5);
		assert_true(o.json && o.verbose);
	}
}

static void wrong_options_are_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *argv[4], *said;
	} rows[] = {
		{ { "top", "--nonsense" }, "there is no option --nonsense" },
		{ { "top", "-x" }, "there is no option -x" },
		{ { "top", "--t", "x" }, "--t is short for more than one option" },
		{ { "top", "--at" }, "--at needs a value: --at TIME" },
		{ { "top", "-n", "ten" }, "--rows wants a whole number, not \"ten\"" },
		{ { "top", "-n", "-5" }, "--rows wants a whole number, not \"-5\"" },
		{ { "top", "--json=yes" }, "--json takes no value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *argv[4];
		struct set o = { 0 };
		struct err err = { "" };
		int argc = 0;

		for (; argc < 4 && rows[i].argv[argc]; argc++)
			argv[argc] = (char *)rows[i].argv[argc];
		assert_false(parse(&o, &argc, argv, &err));
		assert_string_equal(err.msg, rows[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(people_see_aligned_columns_with_bars),
		cmocka_unit_test(programs_get_values_in_json_and_csv),
		cmocka_unit_test(an_empty_table_is_its_header),
		cmocka_unit_test(hostile_text_is_inert_in_every_form),
		cmocka_unit_test(colours_only_where_there_are_colours),
		cmocka_unit_test(no_color_dumb_terminals_and_pipes_have_no_colour),
		cmocka_unit_test(
		    a_narrow_terminal_costs_the_bar_first_then_text_never_numbers),
		cmocka_unit_test(a_narrow_terminal_spares_numbers_before_it_cuts_a_text),
		cmocka_unit_test(widths_are_those_of_a_terminal),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(sparks_rise_from_zero_and_show_gaps),
		cmocka_unit_test(options_are_taken_in_any_form_and_place),
		cmocka_unit_test(wrong_options_are_refused_with_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
