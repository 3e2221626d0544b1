/* test_near.c - which word was meant.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/near.h"

static const char *const words[] = { "filter", "measure", "window", "above", "port",
				     "proto",  "src",	  "dst",    "top",   "in" };

static void the_nearest_word_is_found_or_none(void **state)
{
	static const struct {
		const char *text, *best;
	} rows[] = {
		{ "filtre", "filter" },	 /* neighbours swapped */
		{ "FILTER", "filter" },
		{ "windw", "window" },
		{ "mesaure", "measure" },
		{ "prot", "proto" },	 /* a beginning goes before what is as near */
		{ "scr", "src" },
		{ "tpo", "top" },
		{ "ni", "in" },
		{ "x", NULL },		 /* nothing of it would be left */
		{ "colour", NULL },
		{ "", NULL },
		{ "a_word_that_is_longer_than_every_word_that_anybody_would_ever_use_here",
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct near n = near_to(rows[i].text);
		char hint[40];

		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			near_try(&n, words[w]);
		if (rows[i].best)
			assert_string_equal(n.best, rows[i].best);
		else
			assert_null(n.best);
		near_hint(&n, hint, sizeof(hint));
		assert_int_equal(!*hint, !rows[i].best);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_word_is_found_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
