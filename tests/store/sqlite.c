/* sqlite.c - SQLite files that are damaged, foreign, newer, locked, moved away.
 * SPDX-License-Identifier: ISC */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "storage/writer.h"

enum { DAY0 = 1795392000 };

struct place {
	char dir[64], path[100], url[120];
};

static struct err err;

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/culprit-sqlite-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/history.db", p->dir);
	snprintf(p->url, sizeof(p->url), "sqlite:%s", p->path);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static bool count_bin(void *arg, const struct bin *b)
{
	(void)b;
	++*(int *)arg;
	return true;
}

static int bins_in(struct store *s)
{
	int n = 0;

	if (!store_each_bin(s, "wan", STEP_BIN, 0, INT64_MAX, count_bin, &n, &err))
		fail_msg("%s", err.msg);
	return n;
}

static struct put a_bin(int i)
{
	return (struct put){ .kind = PUT_BIN, .series = "wan",
			     .bin = { .step = STEP_BIN, .start_s = DAY0 + i * 300 } };
}

static struct store *opened(struct place *p)
{
	struct store *s = store_open(p->url, &(struct store_opts){ .timeout_ms = 100 }, &err);

	if (!s)
		fail_msg("%s", err.msg);
	return s;
}

static void fill(struct place *p, int n)
{
	struct store *s = opened(p);

	for (int i = 0; i < n; i++) {
		struct put a = a_bin(i);

		assert_true(store_put(s, (uint64_t)i + 1, &a, 1, &err));
	}
	store_close(&s);
}

static size_t aside(struct place *p)
{
	char pattern[120];
	glob_t g;
	size_t n;

	snprintf(pattern, sizeof(pattern), "%s.corrupt-*Z*", p->path);
	n = glob(pattern, 0, NULL, &g) ? 0 : g.gl_pathc;
	globfree(&g);
	return n;
}

static void scribble(const char *path, off_t at, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	while (len--)
		assert_int_equal(pwrite(fd, "\xa5", 1, at++), 1);
	close(fd);
}

static void sql(struct place *p, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void a_garbled_header_is_moved_aside_and_a_new_file_begun(void **state)
{
	struct place *p = *state;
	struct store *s;

	fill(p, 10);
	scribble(p->path, 0, 100);
	assert_null(store_open(p->url, &(struct store_opts){ .read_only = true }, &err));
	assert_int_equal(aside(p), 0); /* readers move nothing */
	s = opened(p);
	assert_int_equal(bins_in(s), 0);
	store_close(&s);
	assert_int_equal(aside(p), 1);
}

static void a_missing_table_is_damage_too(void **state)
{
	struct place *p = *state;
	struct store *s;

	fill(p, 1);
	sql(p, "DROP TABLE bin");
	s = opened(p);
	assert_int_equal(bins_in(s), 0);
	store_close(&s);
	assert_int_equal(aside(p), 1);
}

static void damage_found_while_running_is_mended_by_the_next_put(void **state)
{
	struct place *p = *state;
	struct put a = a_bin(5000);
	struct store *s;
	struct stat st;
	bool ok;

	fill(p, 3000);
	assert_int_equal(stat(p->path, &st), 0);
	scribble(p->path, 4096, (size_t)st.st_size - 4096); /* all but the schema */
	s = opened(p);
	ok = store_put(s, 5000, &a, 1, &err);
	assert_false(ok);
	assert_int_equal(aside(p), 1);
	ok = store_put(s, 5000, &a, 1, &err);
	if (!ok) /* once it may say that it has forgotten */
		ok = store_put(s, 5000, &a, 1, &err);
	assert_true(ok);
	assert_int_equal(bins_in(s), 1);
	store_close(&s);
}

static void files_of_others_and_of_the_future_are_left_alone(void **state)
{
	struct place *p = *state;

	sql(p, "CREATE TABLE theirs(x)");
	assert_null(store_open(p->url, NULL, &err));
	assert_non_null(strstr(err.msg, "another program"));
	unlink(p->path);
	fill(p, 1);
	sql(p, "PRAGMA user_version = 99");
	assert_null(store_open(p->url, NULL, &err));
	assert_non_null(strstr(err.msg, "newer culprit"));
	assert_int_equal(aside(p), 0);
}

static void a_lock_is_waited_for_and_not_for_ever(void **state)
{
	struct place *p = *state;
	struct put a = a_bin(1);
	struct store *s;
	sqlite3 *db;
	int64_t t;

	fill(p, 1);
	s = opened(p);
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	t = clock_mono_ms();
	assert_false(store_put(s, 2, &a, 1, &err));
	assert_non_null(strstr(err.msg, "locked"));
	assert_true(clock_mono_ms() - t < 2000);
	assert_int_equal(bins_in(s), 1); /* readers do not wait */
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_true(store_put(s, 2, &a, 1, &err));
	assert_int_equal(bins_in(s), 2);
	store_close(&s);
	assert_int_equal(aside(p), 0);
}

static void a_file_moved_away_while_open_is_noticed_and_refilled(void **state)
{
	struct place *p = *state;
	struct writer_opts o = { .url = p->url, .state_dir = p->dir, .flush_ms = 10,
				 .retry_ms = 10, .retry_max_ms = 50 };
	struct writer *w = writer_start(&o, &err);
	struct store *s;
	char away[120];

	assert_non_null(w);
	for (int i = 0; i < 100; i++)
		writer_put(w, &(struct put){ .kind = PUT_BIN, .series = "wan",
					     .bin = a_bin(i).bin });
	assert_true(writer_sync(w, 60000));
	snprintf(away, sizeof(away), "%s.old", p->path);
	assert_int_equal(rename(p->path, away), 0);
	for (int i = 100; i < 110; i++)
		writer_put(w, &(struct put){ .kind = PUT_BIN, .series = "wan",
					     .bin = a_bin(i).bin });
	assert_true(writer_sync(w, 60000));
	s = opened(p);
	assert_int_equal(bins_in(s), 110);
	store_close(&s);
	writer_stop(&w, 1000);
}

static void a_new_file_is_not_for_everybody(void **state)
{
	struct place *p = *state;
	struct stat st;

	fill(p, 1);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0007, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest t[] = {
		CASE(a_garbled_header_is_moved_aside_and_a_new_file_begun),
		CASE(a_missing_table_is_damage_too),
		CASE(damage_found_while_running_is_mended_by_the_next_put),
		CASE(files_of_others_and_of_the_future_are_left_alone),
		CASE(a_lock_is_waited_for_and_not_for_ever),
		CASE(a_file_moved_away_while_open_is_noticed_and_refilled),
		CASE(a_new_file_is_not_for_everybody),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
