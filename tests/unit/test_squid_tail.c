/* test_squid_tail.c - real files, rotated in every way, give each line once.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/squid_tail.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kit {
	char dir[64], *log, *rotated, *state;
	struct squid_tail *tail;
	struct strb seen; /* "line|line|", those that came again in brackets */
	int64_t now_ms;
};

static void take(void *arg, const char *line, size_t len, bool again)
{
	struct kit *k = arg;

	strb_add(&k->seen, again ? "(" : "");
	strb_addn(&k->seen, line, len < 40 ? len : 40);
	strb_add(&k->seen, again ? ")|" : "|");
}

static void open_tail(struct kit *k, uint64_t back)
{
	struct squid_tail_opts o = { k->log, k->state, back, take, NULL, k };

	k->tail = squid_tail_open(&o);
}

static int setup(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));

	snprintf(k->dir, sizeof(k->dir), "/tmp/test_squid_tail_XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	k->log = xasprintf("%s/access.log", k->dir);
	k->rotated = xasprintf("%s/access.log.1", k->dir);
	k->state = xasprintf("%s/position", k->dir);
	k->now_ms = 1000;
	open_tail(k, 1 << 20);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct kit *k = *state;
	char *cmd = xasprintf("rm -rf '%s'", k->dir);

	squid_tail_close(&k->tail);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(k->log);
	free(k->rotated);
	free(k->state);
	strb_free(&k->seen);
	free(k);
	return 0;
}

static void append(const char *path, const void *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void add(const char *path, const char *text)
{
	append(path, text, strlen(text));
}

static void sees(struct kit *k, const char *expected)
{
	k->now_ms += 250;
	while (squid_tail_step(k->tail, k->now_ms))
		;
	assert_string_equal(k->seen.s ? k->seen.s : "", expected);
	strb_free(&k->seen);
}

static struct squid_tail_stats stats(const struct kit *k)
{
	struct squid_tail_stats s;

	squid_tail_stats(k->tail, &s);
	return s;
}

static void a_line_counts_when_its_end_is_there(void **state)
{
	struct kit *k = *state;

	sees(k, "");
	assert_false(stats(k).there);
	add(k->log, "one\ntw");
	sees(k, "one|");
	assert_true(stats(k).there);
	add(k->log, "o");
	sees(k, "");
	add(k->log, "\n\n\nthree\n");
	sees(k, "two|three|");
	assert_int_equal(stats(k).lines, 3);
}

static void after_a_rename_both_files_are_read(void **state)
{
	struct kit *k = *state;

	add(k->log, "one\nhal");
	sees(k, "one|");
	assert_int_equal(rename(k->log, k->rotated), 0);
	add(k->rotated, "f\ntwo\n"); /* Squid writes on into the old file */
	sees(k, "half|two|");
	add(k->log, "three\n"); /* squid -k rotate */
	add(k->rotated, "late\n");
	sees(k, "late|three|");
	add(k->rotated, "later\n");
	sees(k, "later|");
	assert_int_equal(stats(k).rotations, 1);
	sees(k, "");
	k->now_ms += 20000;
	sees(k, "");
	add(k->rotated, "after it was given up\n");
	add(k->log, "four\n");
	sees(k, "four|");
}

static void two_quick_rotations_lose_nothing(void **state)
{
	struct kit *k = *state;

	add(k->log, "one\n");
	sees(k, "one|");
	add(k->log, "two\n");
	assert_int_equal(rename(k->log, k->rotated), 0);
	add(k->log, "three\n");
	sees(k, "two|three|");
	add(k->rotated, "four\n");
	assert_int_equal(rename(k->log, k->rotated), 0); /* the first is gone but open */
	add(k->log, "five\n");
	sees(k, "four|five|");
}

static void truncation_begins_anew(void **state)
{
	struct kit *k = *state;

	add(k->log, "one\ntwo\nthr");
	sees(k, "one|two|");
	assert_int_equal(truncate(k->log, 0), 0);
	add(k->log, "four\n");
	sees(k, "four|");
	/* and when what is new is longer than what was there */
	assert_int_equal(truncate(k->log, 0), 0);
	add(k->log, "a longer line than before\n");
	sees(k, "a longer line than before|");
	assert_int_equal(stats(k).truncations, 2);
	/* a writer that keeps its offset leaves a hole */
	assert_int_equal(truncate(k->log, 0), 0);
	append(k->log, "\0\0\0\0\0\0\0\0six\n", 12);
	sees(k, "six|");
}

static void a_deleted_log_is_read_on_until_there_is_another(void **state)
{
	struct kit *k = *state;
	int fd = open(k->log, O_WRONLY | O_CREAT | O_APPEND, 0644);

	assert_int_equal(write(fd, "one\n", 4), 4);
	sees(k, "one|");
	unlink(k->log);
	assert_int_equal(write(fd, "two\n", 4), 4);
	sees(k, "two|");
	assert_int_equal(mkdir(k->log, 0755), 0);
	assert_int_equal(write(fd, "three\n", 6), 6);
	sees(k, "three|");
	assert_int_equal(rmdir(k->log), 0);
	assert_int_equal(mkfifo(k->log, 0644), 0);
	sees(k, "");
	unlink(k->log);
	assert_int_equal(symlink("/etc/passwd", k->log), 0);
	sees(k, "");
	unlink(k->log);
	assert_int_equal(write(fd, "four\n", 5), 5);
	add(k->log, "five\n");
	sees(k, "four|five|");
	close(fd);
}

static void a_directory_fifo_or_link_at_the_path_is_refused(void **state)
{
	struct kit *k = *state;

	assert_int_equal(mkfifo(k->log, 0644), 0);
	sees(k, "");
	assert_non_null(strstr(stats(k).why, "not a regular file"));
	unlink(k->log);
	add(k->rotated, "elsewhere\n");
	assert_int_equal(symlink(k->rotated, k->log), 0);
	sees(k, "");
	assert_non_null(strstr(stats(k).why, "symbolic link"));
}

static void a_line_of_a_mebibyte_is_skipped_and_the_next_is_read(void **state)
{
	struct kit *k = *state;
	char *big = xcalloc(1, 1 << 20);

	memset(big, 'x', 1 << 20);
	add(k->log, "one\n");
	sees(k, "one|");
	append(k->log, big, 1 << 20);
	sees(k, "");
	append(k->log, big, 1 << 20);
	add(k->log, "tail of it\ntwo\n");
	sees(k, "two|");
	append(k->log, big, 100 << 10); /* whole within one reading */
	add(k->log, "\nthree\n");
	sees(k, "three|");
	assert_int_equal(stats(k).too_long, 2);
	append(k->log, big, 60000);
	sees(k, "");
	append(k->log, big, 60000);
	add(k->log, "\nfour\n");
	sees(k, "four|");
	assert_int_equal(stats(k).too_long, 3);
	free(big);
}

static void over_a_restart_no_line_counts_twice(void **state)
{
	struct kit *k = *state;

	add(k->log, "one\ntwo\npar");
	sees(k, "one|two|");
	squid_tail_close(&k->tail);
	add(k->log, "t\nthree\n");
	open_tail(k, 6);
	sees(k, "(two)|part|three|");
	squid_tail_close(&k->tail);
	open_tail(k, 0);
	sees(k, "");
	assert_int_equal(stats(k).lines, 0);
	squid_tail_close(&k->tail);
	/* rotated while nobody looked */
	add(k->log, "four\n");
	assert_int_equal(rename(k->log, k->rotated), 0);
	add(k->log, "five\n");
	open_tail(k, 0);
	sees(k, "four|five|");
	squid_tail_close(&k->tail);
	/* another log stands there now */
	unlink(k->rotated);
	unlink(k->log);
	add(k->log, "six is another log\n");
	open_tail(k, 0);
	sees(k, "six is another log|");
}

static void of_a_long_log_the_end_is_read(void **state)
{
	struct kit *k = *state;

	squid_tail_close(&k->tail);
	for (int i = 0; i < 1000; i++)
		add(k->log, "a line that is old\n");
	add(k->log, "new\n");
	open_tail(k, 30);
	sees(k, "a line that is old|new|");
}

static void a_broken_position_file_is_no_reason_to_stop(void **state)
{
	struct kit *k = *state;

	add(k->state, "1 99999999999999999999999 -1 x y\n");
	add(k->log, "one\n");
	sees(k, "one|");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_line_counts_when_its_end_is_there),
		T(after_a_rename_both_files_are_read),
		T(two_quick_rotations_lose_nothing),
		T(truncation_begins_anew),
		T(a_deleted_log_is_read_on_until_there_is_another),
		T(a_directory_fifo_or_link_at_the_path_is_refused),
		T(a_line_of_a_mebibyte_is_skipped_and_the_next_is_read),
		T(over_a_restart_no_line_counts_twice),
		T(of_a_long_log_the_end_is_read),
		T(a_broken_position_file_is_no_reason_to_stop),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
