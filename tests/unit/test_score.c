/* test_score.c - culprit score: what it reads, what it writes, what it refuses.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/cli/cmd.h"

/* Runs the verb over `input`; gives its output. */
static char *run(const char *input, const char *const *extra, size_t extras, int *rc)
{
	char in[] = "/tmp/test_score_in_XXXXXX", out[] = "/tmp/test_score_out_XXXXXX";
	int in_fd = mkstemp(in), out_fd = mkstemp(out), null = open("/dev/null", O_WRONLY);
	int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
	char *argv[16] = { "score" }, *text = xcalloc(1, 65536);
	int argc = 1;

	assert_true(in_fd >= 0 && out_fd >= 0 && null >= 0 && old_out >= 0 && old_err >= 0);
	assert_int_equal(write(in_fd, input, strlen(input)), (ssize_t)strlen(input));
	for (size_t i = 0; i < extras; i++)
		argv[argc++] = xstrdup(extra[i]); /* the verb may cut them */
	argv[argc++] = in;
	fflush(stdout);
	dup2(out_fd, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	*rc = cmd_score(argc, argv);
	fflush(stdout);
	dup2(old_out, STDOUT_FILENO);
	dup2(old_err, STDERR_FILENO);
	assert_true(pread(out_fd, text, 65535, 0) >= 0);
	for (size_t i = 0; i < extras; i++)
		free(argv[1 + i]);
	close(in_fd);
	close(out_fd);
	close(null);
	close(old_out);
	close(old_err);
	unlink(in);
	unlink(out);
	return text;
}

static void a_limit_is_scored_row_by_row_and_a_gap_changes_nothing(void **unused)
{
	static const char *const args[] = { "--detector", "threshold", "--above=10" };
	int rc;
	char *out = run("value,timestamp,more\n9,2026-01-01T00:00:00Z,x\n"
			"11,2026-01-01T00:05:00Z,x\n,2026-01-01T00:10:00Z,x\n\n"
			"9,2026-01-01T00:15:00Z,x\r\n", args, ARRAY_LEN(args), &rc);

	(void)unused;
	assert_int_equal(rc, 0);
	assert_string_equal(out, "timestamp,anomaly_score,alert\n"
				 "2026-01-01T00:00:00Z,0.000000,0\n"
				 "2026-01-01T00:05:00Z,0.523810,1\n"
				 "2026-01-01T00:10:00Z,0.000000,1\n"
				 "2026-01-01T00:15:00Z,0.000000,0\n");
	free(out);
}

static void a_stamp_with_its_own_zone_knows_no_skipped_hour(void **unused)
{
	/* In Amsterdam there is no 02:00 on that day, and in UTC there is. */
	static const char *const args[] = { "--above=10", "--for=30m", "--detector",
					    "threshold", "--timezone", "Europe/Amsterdam" };
	int rc;
	char *out = run("timestamp,value\n2026-03-29T01:55:00Z,11\n"
			"2026-03-29T02:00:00Z,11\n2026-03-29T04:05:00+02:00,11\n",
			args, ARRAY_LEN(args), &rc);

	(void)unused;
	assert_int_equal(rc, 0);
	assert_string_equal(out, "timestamp,anomaly_score,alert\n"
				 "2026-03-29T01:55:00Z,0.000000,0\n"
				 "2026-03-29T02:00:00Z,0.000000,0\n"
				 "2026-03-29T04:05:00+02:00,0.000000,0\n");
	free(out);
}

static void one_row_and_none_are_scored_too(void **unused)
{
	int rc;
	char *out = run("timestamp,value\n1767225600,5\n", NULL, 0, &rc);

	(void)unused;
	assert_int_equal(rc, 0);
	assert_string_equal(out, "timestamp,anomaly_score,alert\n1767225600,0.000000,0\n");
	free(out);
	out = run("timestamp,value\n", NULL, 0, &rc);
	assert_int_equal(rc, 0);
	free(out);
}

static void what_is_wrong_ends_with_its_exit_code(void **unused)
{
	static const struct {
		const char *input, *arg[4];
		int rc;
	} rows[] = {
		{ "", { NULL }, 1 },
		{ "time,v\n1,2\n", { NULL }, 1 },
		{ "timestamp,value\nyesterday,2\n", { NULL }, 1 },
		{ "timestamp,value\n2026-13-01T00:00:00Z,2\n", { NULL }, 1 },
		{ "timestamp,value\n1,two\n", { NULL }, 1 },
		{ "timestamp,value\n1,inf\n", { NULL }, 1 },
		{ "timestamp,value\n1\n", { NULL }, 1 },
		{ "timestamp,value\n1,2\n", { "--detector", "oracle" }, 64 },
		{ "timestamp,value\n1,2\n", { "--budget", "lots" }, 64 },
		{ "timestamp,value\n1,2\n", { "--above", "5" }, 64 },
		{ "timestamp,value\n1,2\n", { "another.csv" }, 64 },
		{ "timestamp,value\n1,2\n", { "--timezone", "Mars/Base" }, 1 },
		{ "timestamp,value\n1,2\n", { "--holidays", "/nonexistent" }, 1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = 0;
		int rc;

		while (n < 4 && rows[i].arg[n])
			n++;
		free(run(rows[i].input, rows[i].arg, n, &rc));
		if (rc != rows[i].rc)
			fail_msg("row %zu ended with %d", i, rc);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(a_limit_is_scored_row_by_row_and_a_gap_changes_nothing),
		cmocka_unit_test(a_stamp_with_its_own_zone_knows_no_skipped_hour),
		cmocka_unit_test(one_row_and_none_are_scored_too),
		cmocka_unit_test(what_is_wrong_ends_with_its_exit_code),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
