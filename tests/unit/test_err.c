/* test_err.c - one sentence, whole characters.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/base/err.h"

static void it_returns_false_and_takes_null(void **unused)
{
	struct err e = { "" };

	(void)unused;
	assert_false(err_set(NULL, "nobody asks"));
	assert_false(err_set(&e, "%s:%d: no such key", "a.conf", 3));
	assert_string_equal(e.msg, "a.conf:3: no such key");
}

static void the_old_sentence_may_be_part_of_the_new(void **unused)
{
	struct err e = { "no such file" };

	(void)unused;
	err_set(&e, "a.conf: %s", e.msg);
	assert_string_equal(e.msg, "a.conf: no such file");
}

static void a_long_sentence_is_cut_at_a_whole_character(void **unused)
{
	char text[2 + 3 * 300] = "x";
	struct err e;
	size_t len;

	(void)unused;
	for (size_t i = 0; i < 300; i++)
		strcpy(text + 1 + 3 * i, "\xe2\x82\xac");
	err_set(&e, "%s", text);
	len = strlen(e.msg);
	assert_true(len > 500 && len < sizeof(e.msg));
	assert_int_equal((len - 1) % 3, 0);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(it_returns_false_and_takes_null),
		cmocka_unit_test(the_old_sentence_may_be_part_of_the_new),
		cmocka_unit_test(a_long_sentence_is_cut_at_a_whole_character),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
