/* test_acts.c - who is acted on, until when, and who may say so.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include "daemon/act/acts.h"
#include "daemon/act/client.h"
#include "daemon/act/socket.h"
#include "daemon/base/clock.h"

#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>

enum { HOUR = 3600000 };
#define T0 INT64_C(1795469000000)

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static struct acts *opened(const char *dir, bool dry)
{
	struct prefix never[2];
	struct acts_opts o = { .dry_run = dry, .max_ms = 24 * HOUR, .never = never,
			       .n_never = 2, .state_dir = dir };

	assert_true(prefix_parse("10.20.0.1", &never[0]) &&
		    prefix_parse("10.20.1.0/24", &never[1]));
	return acts_open(&o, T0);
}

static struct act act(const char *addr, enum act_kind kind, int64_t until_ms)
{
	return (struct act){ .addr = address(addr), .kind = kind, .until_ms = until_ms,
			     .by = "root", .why = "tracks\x1b[31m" };
}

static enum act_kind look(struct acts *s, const char *addr, int64_t now_ms)
{
	struct addr a = address(addr);
	int64_t left_ms;

	return acts_lookup(s, &a, now_ms, &left_ms);
}

static bool begin(struct acts *s, struct act a, bool extend, int64_t now_ms)
{
	struct err err = { "" };
	bool ok = acts_begin(s, &a, extend, false, now_ms, &err);

	assert_int_equal(ok, !*err.msg);
	return ok;
}

static void an_act_begins_and_ends_by_itself(void **state)
{
	struct acts *s = opened(NULL, false);
	struct addr a = address("10.20.0.66");
	int64_t left_ms;

	(void)state;
	assert_true(begin(s, act("10.20.0.66", ACT_SLOW, T0 + HOUR), false, T0));
	assert_int_equal(acts_lookup(s, &a, T0 + 1000, &left_ms), ACT_SLOW);
	assert_int_equal(left_ms, HOUR - 1000);
	assert_int_equal(look(s, "10.20.0.67", T0 + 1000), ACT_NONE);
	assert_int_equal(look(s, "10.20.0.66", T0 + HOUR - 1), ACT_SLOW);
	assert_int_equal(look(s, "10.20.0.66", T0 + HOUR), ACT_NONE);
	acts_tick(s, T0 + HOUR);
	assert_false(acts_end(s, &a, "root", T0 + HOUR, NULL));
	acts_close(&s);
}

static void nobody_is_acted_on_for_ever_or_who_never_may_be(void **state)
{
	struct acts *s = opened(NULL, false);
	struct err err = { "" };
	struct act a = act("10.20.0.66", ACT_SLOW, T0 + HOUR);

	(void)state;
	assert_false(begin(s, act("10.20.0.66", ACT_SLOW, T0 + 25 * HOUR), false, T0));
	assert_false(begin(s, act("10.20.0.66", ACT_SLOW, T0), false, T0));
	assert_false(begin(s, act("10.20.0.66", ACT_SLOW, T0 - 1), false, T0));
	assert_false(begin(s, act("10.20.0.1", ACT_SLOW, T0 + HOUR), false, T0));
	assert_false(begin(s, act("10.20.1.77", ACT_REFUSE, T0 + HOUR), true, T0));
	/* Only the answer. */
	assert_true(acts_begin(s, &a, false, true, T0, &err));
	assert_int_equal(look(s, "10.20.0.66", T0), ACT_NONE);
	/* The clock is set back by years: it does not last for years. */
	assert_true(begin(s, act("10.20.0.66", ACT_SLOW, T0 + HOUR), false, T0));
	acts_tick(s, T0 - INT64_C(10000) * HOUR);
	acts_tick(s, T0 - INT64_C(9975) * HOUR);
	assert_int_equal(look(s, "10.20.0.66", T0), ACT_NONE);
	acts_close(&s);
}

static void a_rule_prolongs_and_hardens_but_never_the_other_way(void **state)
{
	static const struct {
		enum act_kind kind;
		int until_h;
		bool extend;
		enum act_kind kind_then;
		int until_then;
	} rows[] = {
		{ ACT_SLOW, 2, true, ACT_SLOW, 2 },   { ACT_SLOW, 1, true, ACT_SLOW, 2 },
		{ ACT_SLOW, 3, true, ACT_SLOW, 3 },   { ACT_REFUSE, 1, true, ACT_REFUSE, 3 },
		{ ACT_SLOW, 4, true, ACT_REFUSE, 4 }, { ACT_SLOW, 1, false, ACT_SLOW, 1 },
	};
	struct acts *s = opened(NULL, false);
	struct addr a = address("10.20.0.66");
	int64_t left_ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(begin(s, act("10.20.0.66", rows[i].kind,
					 T0 + rows[i].until_h * HOUR), rows[i].extend, T0));
		assert_int_equal(acts_lookup(s, &a, T0, &left_ms), rows[i].kind_then);
		assert_int_equal(left_ms, rows[i].until_then * HOUR);
	}
	acts_close(&s);
}

static size_t lines_of(const char *dir)
{
	char *path = xasprintf("%s/acts.log", dir), line[1024];
	FILE *f = fopen(path, "r");
	size_t n = 0;

	assert_non_null(f);
	for (; fgets(line, sizeof(line), f); n++) {
		json_t *j = json_loads(line, 0, NULL);

		assert_non_null(j);
		assert_true(json_is_string(json_object_get(j, "why")));
		json_decref(j);
	}
	fclose(f);
	free(path);
	return n;
}

static void what_holds_survives_a_restart_and_everything_is_logged(void **state)
{
	char *dir = kit_dir();
	struct acts *s = opened(dir, false);
	struct act *list;
	struct addr a = address("2001:db8::66");
	char *path;
	size_t n;

	(void)state;
	assert_true(begin(s, act("10.20.0.66", ACT_SLOW, T0 + HOUR), false, T0 - HOUR));
	assert_true(begin(s, act("2001:db8::66", ACT_REFUSE, T0 + 2 * HOUR), false, T0 - HOUR));
	assert_true(begin(s, act("10.20.0.67", ACT_SLOW, T0 - 1), false, T0 - HOUR));
	acts_close(&s);
	s = opened(dir, false); /* at T0 */
	list = acts_list(s, T0, &n);
	assert_int_equal(n, 2);
	assert_true(addr_eq(&list[1].addr, &a));
	assert_int_equal(list[1].kind, ACT_REFUSE);
	assert_string_equal(list[1].why, "tracks\x1b[31m");
	assert_string_equal(list[1].by, "root");
	free(list);
	assert_true(acts_end(s, &a, "admin", T0, NULL));
	acts_tick(s, T0 + HOUR);
	acts_close(&s);
	assert_int_equal(lines_of(dir), 5); /* three begun, one ended, one over */
	/* A file that is none is as if there were none. */
	path = xasprintf("%s/acts.json", dir);
	kit_save(path, "[{\"address\":\"x\"}, 7", 19);
	free(path);
	s = opened(dir, false);
	free(acts_list(s, T0, &n));
	assert_int_equal(n, 0);
	acts_close(&s);
	kit_rm(dir);
}

static void a_dry_run_is_told_and_does_nothing(void **state)
{
	char *dir = kit_dir();
	struct acts *s = opened(dir, true);
	struct act *list;
	size_t n;

	(void)state;
	assert_true(begin(s, act("10.20.0.66", ACT_REFUSE, T0 + HOUR), true, T0));
	assert_int_equal(look(s, "10.20.0.66", T0), ACT_NONE);
	list = acts_list(s, T0, &n);
	assert_int_equal(n, 1);
	assert_true(list[0].dry);
	free(list);
	assert_int_equal(lines_of(dir), 1);
	acts_close(&s);
	kit_rm(dir);
}

static void a_new_list_of_who_never_may_be_ends_what_holds(void **state)
{
	struct acts *s = opened(NULL, false);
	struct prefix never;
	struct acts_opts o = { .max_ms = HOUR, .never = &never, .n_never = 1 };

	(void)state;
	assert_true(begin(s, act("10.20.0.66", ACT_SLOW, T0 + HOUR), false, T0));
	assert_true(prefix_parse("10.20.0.64/26", &never));
	acts_configure(s, &o, T0);
	assert_int_equal(look(s, "10.20.0.66", T0), ACT_NONE);
	assert_true(begin(s, act("10.20.1.66", ACT_SLOW, T0 + HOUR), false, T0));
	acts_close(&s);
}

/* --- the socket --- */

static void asked(int fd, const char *question, const char *answer)
{
	char line[ACT_LINE];

	assert_true(act_ask(fd, question, line));
	if (strncmp(line, answer, strlen(answer)))
		fail_msg("%s: \"%s\" instead of \"%s\"", question, line, answer);
}

static void helpers_ask_at_the_socket(void **state)
{
	char *dir = kit_dir(), *path = xasprintf("%s/act.sock", dir), line[ACT_LINE];
	struct acts *acts = acts_open(&(struct acts_opts){ .max_ms = HOUR }, clock_wall_ms());
	struct err err = { "" };
	struct act_socket *s = act_socket_start(path, acts, &err);
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	fd = act_connect(path, 5000, &err);
	assert_true(fd >= 0);
	asked(fd, "lookup 10.20.0.66", "none");
	asked(fd, "lookup", "no ");
	asked(fd, "lookup 10.20.0.66 or so", "no ");
	asked(fd, "", "no such");
	asked(fd, "rm -rf /", "no such");
	asked(fd, "try 10.20.0.66 slow 60 0", "ok ");
	asked(fd, "lookup 10.20.0.66", "none");
	asked(fd, "begin 10.20.0.66 slow 60 0 he fetches\ttracks", "ok until ");
	asked(fd, "begin 10.20.0.67 none 60 0", "no ");
	asked(fd, "begin 10.20.0.67 slow 99999999999 0", "no ");
	asked(fd, "begin 10.20.0.67 slow -5 0", "no ");
	asked(fd, "begin 10.20.0.67 slow 7200 0", "no at most");
	asked(fd, "lookup 10.20.0.66", "slow 60");
	asked(fd, "list", "10.20.0.66 slow 60 0 ");
	assert_non_null(strstr((assert_true(act_more(fd, line)), line), "."));
	asked(fd, "end 10.20.0.66", "ok ");
	asked(fd, "end 10.20.0.66", "no ");
	asked(fd, "lookup 10.20.0.66", "none");
	close(fd);
	/* A line without an end is nobody's question. */
	fd = act_connect(path, 5000, &err);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 4; i++)
		if (write(fd, line, sizeof(line)) < 0)
			break;
	assert_int_equal(read(fd, line, 1) > 0, false);
	close(fd);
	act_socket_stop(&s);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(act_connect(path, 100, &err), -1);
	acts_close(&acts);
	free(path);
	kit_rm(dir);
}

static void the_socket_says_where_it_cannot_be(void **state)
{
	struct err err = { "" };
	char *path;

	(void)state;
	assert_null(act_socket_start("/nonexistent/act.sock", NULL, &err));
	assert_non_null(strstr(err.msg, "/nonexistent/act.sock"));
	path = act_socket_path("", "/var/lib/culprit");
	assert_string_equal(path, ACT_SOCKET);
	free(path);
	path = act_socket_path("", "./state");
	assert_string_equal(path, "./state/act.sock");
	free(path);
	path = act_socket_path("/x", "./state");
	assert_string_equal(path, "/x");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_act_begins_and_ends_by_itself),
		cmocka_unit_test(nobody_is_acted_on_for_ever_or_who_never_may_be),
		cmocka_unit_test(a_rule_prolongs_and_hardens_but_never_the_other_way),
		cmocka_unit_test(what_holds_survives_a_restart_and_everything_is_logged),
		cmocka_unit_test(a_dry_run_is_told_and_does_nothing),
		cmocka_unit_test(a_new_list_of_who_never_may_be_ends_what_holds),
		cmocka_unit_test(helpers_ask_at_the_socket),
		cmocka_unit_test(the_socket_says_where_it_cannot_be),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
