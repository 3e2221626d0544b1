/* test_mem.c - memory that is there.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"

static void nothing_asked_is_still_a_pointer(void **unused)
{
	void *p = xcalloc(0, 8);

	(void)unused;
	assert_non_null(p);
	p = xrealloc(p, 0, 8);
	assert_non_null(p);
	free(p);
	p = xmemdup(NULL, 0);
	assert_non_null(p);
	free(p);
}

static void copies_are_equal_and_their_own(void **unused)
{
	char text[] = "abc", *s = xstrdup(text), *t = xmemdup(text, 2);
	char *u = xasprintf("%s-%d", text, 7);
	int *grown = xcalloc(2, sizeof(*grown));

	(void)unused;
	text[0] = 'x';
	assert_string_equal(s, "abc");
	assert_memory_equal(t, "ab", 2);
	assert_string_equal(u, "abc-7");
	assert_int_equal(grown[1], 0);
	grown[1] = 5;
	grown = xrealloc(grown, 1000, sizeof(*grown));
	assert_int_equal(grown[1], 5);
	free(s);
	free(t);
	free(u);
	free(grown);
}

/* A sanitizer would end the program itself, with other words. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* A product that wraps must never become a small block. */
static void too_much_ends_the_program_with_a_message(void **unused)
{
	int out[2], status;
	char line[4096] = "";
	size_t len = 0;
	ssize_t n;
	pid_t child;

	(void)unused;
	assert_int_equal(pipe(out), 0);
	child = fork();
	if (!child) {
		volatile size_t huge = SIZE_MAX / 2;

		dup2(out[1], STDERR_FILENO);
		xrealloc(NULL, huge, 4);
		_exit(0);
	}
	close(out[1]);
	while ((n = read(out[0], line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)n;
	assert_non_null(strstr(line, "out of memory"));
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(out[0]);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(nothing_asked_is_still_a_pointer),
		cmocka_unit_test(copies_are_equal_and_their_own),
		cmocka_unit_test(too_much_ends_the_program_with_a_message),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
