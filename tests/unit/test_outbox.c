/* test_outbox.c - what was committed survives, in order, once for each queue.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/notify/outbox.h"

#include <sqlite3.h>

#include "daemon/base/mem.h"
#include "daemon/notify/lane.h"
#include "daemon/notify/sample.h"
#include "sink.h"

static const int64_t T0 = 1700000000000;

static char *path_in(const char *dir)
{
	return xasprintf("%s/outbox.db", dir);
}

static struct outbox *must_open(const char *path)
{
	struct err err = { "" };
	struct outbox *o = outbox_open(path, NULL, NULL, &err);

	if (!o)
		fail_msg("%s", err.msg);
	return o;
}

static struct alert *alert_of(const char *id, enum alert_state state, int64_t at_ms)
{
	struct alert *a = sample_alert(at_ms, state);

	if (id)
		snprintf(a->id, sizeof(a->id), "%s", id);
	return a;
}

static void put(struct outbox *o, struct alert *a, const char *queue)
{
	outbox_put(o, a, &queue, 1);
	outbox_flush(o);
}

static bool next(struct outbox *o, const char *queue, int64_t now, struct item *it)
{
	int64_t wake;

	return outbox_next(o, queue, now, it, 1, &wake);
}

static void settle(struct outbox *o, const struct item *it, enum settle how,
		   int64_t next_ms)
{
	struct settling s = { .how = how, .now_ms = T0, .next_ms = next_ms };

	outbox_settle(o, it, &s);
	outbox_flush(o);
}

static void a_row_comes_once_and_again_only_when_it_is_due(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct item it, other;

	(void)state;
	put(o, alert_of(NULL, ALERT_FIRING, T0), "chat");
	assert_true(next(o, "chat", T0, &it));
	assert_true(it.first);
	assert_string_equal(it.key, it.thread);
	assert_false(next(o, "chat", T0, &other)); /* claimed */
	settle(o, &it, SETTLE_LATER, T0 + 5000);
	assert_false(next(o, "chat", T0 + 4999, &other));
	assert_true(next(o, "chat", T0 + 5000, &other));
	assert_int_equal(other.attempts, 1);
	assert_string_equal(other.key, it.key);
	settle(o, &other, SETTLE_SENT, 0);
	assert_int_equal(outbox_count(o, "chat").open, 0);
	item_fini(&it);
	item_fini(&other);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void a_clock_set_back_does_not_hold_a_row_for_hours(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct item it;

	(void)state;
	put(o, alert_of(NULL, ALERT_FIRING, T0), "chat");
	assert_true(next(o, "chat", T0, &it));
	settle(o, &it, SETTLE_LATER, T0 + 5000);
	item_fini(&it);
	assert_true(next(o, "chat", T0 - 86400000, &it));
	item_fini(&it);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void resolved_waits_for_firing_but_not_for_other_alerts(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct item a, b, c;
	int64_t wake;

	(void)state;
	put(o, alert_of("A", ALERT_FIRING, T0), "chat");
	put(o, alert_of("A", ALERT_RESOLVED, T0 + 1), "chat");
	put(o, alert_of("B", ALERT_FIRING, T0 + 2), "chat");
	assert_true(next(o, "chat", T0, &a));
	settle(o, &a, SETTLE_LATER, T0 + 60000);
	assert_true(next(o, "chat", T0, &b));
	assert_string_equal(b.alert, "B");
	settle(o, &b, SETTLE_SENT, 0);
	assert_int_equal(outbox_next(o, "chat", T0, &c, 1, &wake), 0);
	assert_int_equal(wake, T0 + 60000); /* not at once: that would be a busy loop */
	item_fini(&a);
	assert_true(next(o, "chat", T0 + 60000, &a));
	settle(o, &a, SETTLE_SENT, 0);
	assert_true(next(o, "chat", T0 + 60000, &c));
	assert_string_equal(c.alert, "A");
	assert_string_equal(c.thread, a.key);
	assert_false(c.first);
	item_fini(&a);
	item_fini(&b);
	item_fini(&c);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void the_same_message_handed_over_twice_is_one_row(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);

	(void)state;
	put(o, alert_of("A", ALERT_FIRING, T0), "chat");
	put(o, alert_of("A", ALERT_FIRING, T0), "chat");
	assert_int_equal(outbox_count(o, "chat").open, 1);
	put(o, alert_of("A", ALERT_FIRING, T0 + 3600000), "chat"); /* a reminder */
	assert_int_equal(outbox_count(o, "chat").open, 2);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void dead_letters_are_kept_and_come_back_when_asked_for(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct item it;

	(void)state;
	put(o, alert_of(NULL, ALERT_FIRING, T0), "chat");
	assert_true(next(o, "chat", T0, &it));
	settle(o, &it, SETTLE_DEAD, 0);
	item_fini(&it);
	assert_int_equal(outbox_count(o, "chat").dead, 1);
	assert_false(next(o, "chat", T0 + 86400000, &it));
	assert_int_equal(outbox_retry(o, NULL), 1);
	assert_true(next(o, "chat", T0, &it));
	item_fini(&it);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void kill_9_between_commit_and_mark_sends_again_with_the_same_key(void **state)
{
	char *dir = own_dir(), *path = path_in(dir), key[OUTBOX_KEY] = "";
	struct outbox *o;
	struct item it;
	int p[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (!pid) {
		o = must_open(path);
		put(o, alert_of("A", ALERT_FIRING, T0), "chat");
		put(o, alert_of("B", ALERT_FIRING, T0), "chat");
		next(o, "chat", T0, &it); /* "sent", not yet marked */
		if (write(p[1], it.key, sizeof(it.key)) > 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	close(p[1]);
	assert_int_equal(read(p[0], key, sizeof(key)), sizeof(key));
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	o = must_open(path);
	assert_int_equal(outbox_count(o, "chat").open, 2);
	assert_true(next(o, "chat", T0, &it));
	assert_string_equal(it.key, key);
	item_fini(&it);
	outbox_close(&o);
	close(p[0]);
	free(path);
	remove_dir(dir);
}

static void a_damaged_file_is_moved_aside(void **state)
{
	char *dir = own_dir(), *path = path_in(dir), cmd[256];
	struct outbox *o;

	(void)state;
	free(write_file(
	    dir, "outbox.db",
	    "this is no database, but it is long enough to be read "
	    "as the header of one, which has a hundred octets and a magic string",
	    0600));
	o = must_open(path);
	put(o, alert_of(NULL, ALERT_FIRING, T0), "chat");
	assert_int_equal(outbox_count(o, "chat").open, 1);
	outbox_close(&o);
	snprintf(cmd, sizeof(cmd), "ls %s/outbox.db.damaged-* >/dev/null", dir);
	assert_int_equal(system(cmd), 0);
	free(path);
	remove_dir(dir);
}

static void a_newer_file_is_refused_and_left_alone(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct err err = { "" };
	sqlite3 *db;

	(void)state;
	outbox_close(&o);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_null(outbox_open(path, NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "newer culpritd"));
	free(path);
	remove_dir(dir);
}

/* A lane of a human channel that "sends" without a target; returns messages sent. */
static unsigned drain(struct lane *l, struct outbox *o, int64_t now, unsigned *digests)
{
	struct outcome out = { .result = RESULT_SENT };
	unsigned sent = 0;
	struct item it;
	int64_t wake;

	while (lane_pick(l, now, &it, 1, &wake)) {
		*digests += it.kind == ITEM_DIGEST;
		sent++;
		lane_settle(l, &it, 1, &out, now);
		outbox_flush(o);
		item_fini(&it);
	}
	return sent;
}

static void a_storm_is_ten_messages_a_minute_and_all_of_it_is_told(void **state)
{
	enum { STORM = 2000 };
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	const char *to[] = { "noc@example.org" };
	struct channel_conf conf = { .name = "noc",
				     .kind = CHANNEL_EMAIL,
				     .to = to,
				     .n_to = 1,
				     .from = "culprit@example.org" };
	struct channel *c = channel_new(&conf, NULL, NULL);
	struct counters *count = counters_new();
	struct lane *l = lane_new(o, c, 0, count);
	unsigned digests = 0, sent;
	int64_t now;

	(void)state;
	for (int i = 0; i < STORM; i++) {
		const char *queue = "noc";

		outbox_put(o, alert_of(NULL, ALERT_FIRING, T0), &queue, 1);
	}
	outbox_flush(o);
	now = clock_wall_ms();
	sent = drain(l, o, now, &digests);
	assert_int_equal(sent, RATE_MESSAGES - 1);
	assert_int_equal(digests, 0);
	sent += drain(l, o, now + GATHER_MS + 5000, &digests);
	assert_int_equal(sent, RATE_MESSAGES);
	assert_int_equal(digests, 1);
	assert_int_equal(count->digested, STORM - (RATE_MESSAGES - 1));
	assert_int_equal(outbox_count(o, "noc").open, 0);
	assert_int_equal(drain(l, o, now + GATHER_MS + 5000, &digests), 0);
	outbox_close(&o);
	lane_free(&l);
	free(path);
	remove_dir(dir);
}

static void back_off_grows_from_a_second_to_five_minutes(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 40; n++) {
		int64_t least = lane_backoff_ms(n, 0), most = 0;

		for (uint32_t r = 0; r < 300000; r += 7)
			most =
			    lane_backoff_ms(n, r) > most ? lane_backoff_ms(n, r) : most;
		assert_int_equal(least, RETRY_MIN_MS);
		assert_in_range(most, RETRY_MIN_MS, RETRY_MAX_MS);
		if (n >= 9)
			assert_in_range(most, RETRY_MAX_MS - 10, RETRY_MAX_MS);
	}
}

static void a_message_is_given_up_after_a_day(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct channel_conf conf = { .name = "chat",
				     .kind = CHANNEL_WEBHOOK,
				     .url = "http://h/" };
	struct counters *count = counters_new();
	struct lane *l = lane_new(o, channel_new(&conf, NULL, NULL), 0, count);
	struct outcome out = { .result = RESULT_LATER, .note = "it hangs" };
	int64_t now = clock_wall_ms(), wake;
	struct item it;

	(void)state;
	put(o, alert_of(NULL, ALERT_FIRING, now), "chat");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    lane_pick(l, now + i * (GIVE_UP_MS + 1000), &it, 1, &wake), 1);
		lane_settle(l, &it, 1, &out, now + i * (GIVE_UP_MS + 1000));
		outbox_flush(o);
		item_fini(&it);
	}
	assert_int_equal(outbox_count(o, "chat").dead, 1);
	assert_int_equal(count->dead, 1);
	outbox_close(&o);
	lane_free(&l);
	free(path);
	remove_dir(dir);
}

static void only_a_queue_that_nobody_serves_is_given_up_untried(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	int64_t t0 = clock_wall_ms(), hour = 3600000;
	struct item it;

	(void)state;
	put(o, alert_of("01A", ALERT_FIRING, T0), "chat");
	put(o, alert_of("01B", ALERT_FIRING, T0), "gone");
	outbox_close(&o);
	/* The machine was off for two days; the channel `gone` was taken out meanwhile. */
	clock_set(t0 + 48 * hour, 1);
	o = must_open(path);
	put(o, alert_of("01C", ALERT_FIRING, T0), "mail");
	assert_int_equal(outbox_count(o, "chat").open, 1);
	assert_int_equal(outbox_count(o, "gone").open, 1);
	assert_true(next(o, "chat", clock_wall_ms(), &it));
	settle(o, &it, SETTLE_LATER, t0 + 50 * hour + 240000);
	item_fini(&it);
	clock_set(t0 + 50 * hour, 1); /* the writer looks at it after the next put() */
	assert_false(next(o, "chat", clock_wall_ms(), &it));
	put(o, alert_of("01D", ALERT_FIRING, T0), "mail");
	assert_int_equal(outbox_count(o, "gone").dead, 1);
	assert_int_equal(outbox_count(o, "chat").dead, 0);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void on_note(void *arg, const char *key, const char *text)
{
	struct strb *b = arg;

	strb_fmt(b, "%s=%s ", key, text);
}

static void expect_notes(struct outbox *o, const char *prefix, const char *expect)
{
	struct strb b = { 0 };

	strb_add(&b, "");
	assert_true(outbox_notes(o, prefix, on_note, &b));
	assert_string_equal(b.s, expect);
	strb_free(&b);
}

static void on_letter(void *arg, const struct outbox_letter *l)
{
	struct strb *b = arg;

	strb_fmt(b, "%s: %s (%u) ", l->queue, l->note, l->attempts);
}

static void notes_are_kept_with_the_messages_they_are_about(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	const char *queue = "mail";
	struct outbox_note first[] = { { "alert/1", "told" }, { "group/1", "x" } };
	struct outbox_note then[] = { { "alert/1", "told twice" }, { "group/1", NULL },
				      { "silence/1", "s" } };

	(void)state;
	outbox_put_noted(o, alert_of("01A", ALERT_FIRING, T0), &queue, 1, first, 2);
	outbox_put_noted(o, NULL, NULL, 0, then, 3);
	assert_true(outbox_flush(o));
	expect_notes(o, "alert/", "alert/1=told twice ");
	expect_notes(o, "group/", "");
	expect_notes(o, "", "alert/1=told twice silence/1=s ");
	assert_int_equal(outbox_count(o, "mail").open, 1);
	outbox_close(&o);
	o = must_open(path);
	expect_notes(o, "silence/", "silence/1=s ");
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

static void dead_letters_are_listed_with_the_reason(void **state)
{
	char *dir = own_dir(), *path = path_in(dir);
	struct outbox *o = must_open(path);
	struct strb b = { 0 };
	struct item it;

	(void)state;
	put(o, alert_of("01A", ALERT_FIRING, T0), "mail");
	assert_true(next(o, "mail", clock_wall_ms(), &it));
	settle(o, &it, SETTLE_DEAD, 0);
	item_fini(&it);
	assert_true(outbox_flush(o));
	outbox_dead(o, 10, on_letter, &b);
	assert_int_equal(strncmp(b.s, "mail: ", 6), 0);
	assert_non_null(strstr(b.s, "(1) "));
	strb_free(&b);
	outbox_close(&o);
	free(path);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_once_and_again_only_when_it_is_due),
		cmocka_unit_test(a_clock_set_back_does_not_hold_a_row_for_hours),
		cmocka_unit_test(resolved_waits_for_firing_but_not_for_other_alerts),
		cmocka_unit_test(the_same_message_handed_over_twice_is_one_row),
		cmocka_unit_test(dead_letters_are_kept_and_come_back_when_asked_for),
		cmocka_unit_test(
		    kill_9_between_commit_and_mark_sends_again_with_the_same_key),
		cmocka_unit_test(a_damaged_file_is_moved_aside),
		cmocka_unit_test(a_newer_file_is_refused_and_left_alone),
		cmocka_unit_test(a_storm_is_ten_messages_a_minute_and_all_of_it_is_told),
		cmocka_unit_test(back_off_grows_from_a_second_to_five_minutes),
		cmocka_unit_test(a_message_is_given_up_after_a_day),
		cmocka_unit_test(notes_are_kept_with_the_messages_they_are_about),
		cmocka_unit_test(dead_letters_are_listed_with_the_reason),
		cmocka_unit_test(only_a_queue_that_nobody_serves_is_given_up_untried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
