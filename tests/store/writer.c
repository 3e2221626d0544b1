/* writer.c - the writer against a real Redis that is stopped, hung, full, emptied, read-only.
 * SPDX-License-Identifier: ISC
 *
 * Every case puts numbered bins and alerts from the caller's side, does something to the
 * server in between, and then reads all back: nothing lost, order kept. Waiting is for
 * figures of writer_stats, never for a time.
 */
#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "storage/writer.h"
#include "tests/store/redis_server.h"

enum { DAY0 = 1795392000, PATIENCE_MS = 60000 };

struct place {
	struct redis_server redis;
	char dir[64], socket_url[160];
	struct writer_opts o;
	struct writer *w;
	int bins, alerts; /* put so far */
};

static struct err err;

static void begin(struct place *p)
{
	p->w = writer_start(&p->o, &err);
	if (!p->w)
		fail_msg("%s", err.msg);
}

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	redis_server_init(&p->redis, NULL);
	snprintf(p->dir, sizeof(p->dir), "/tmp/culprit-writer-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->o = (struct writer_opts){ .url = p->redis.url, .state_dir = p->dir, .flush_ms = 20,
				     .retry_ms = 20, .retry_max_ms = 100,
				     .store.timeout_ms = 200 };
	begin(p);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[160];

	writer_stop(&p->w, 100);
	redis_server_fini(&p->redis);
	snprintf(command, sizeof(command), "chmod -R u+w %s; rm -r %s", p->dir, p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

/* n bins, the i-th of i bytes, each followed by an amend of one byte; an alert every 50. */
static void put_some(struct place *p, int n)
{
	char id[16];

	for (int i = 0; i < n; i++, p->bins++) {
		struct put bin = { .kind = PUT_BIN, .series = "wan",
				   .bin = { .step = STEP_BIN, .start_s = DAY0 + p->bins * 300,
					    .bytes = (uint64_t)p->bins } };
		struct put more = bin;

		more.kind = PUT_AMEND;
		more.bin.bytes = 1;
		writer_put(p->w, &bin);
		writer_put(p->w, &more);
		if (i % 50)
			continue;
		snprintf(id, sizeof(id), "A%08d", p->alerts);
		writer_put(p->w, &(struct put){ .kind = PUT_ALERT, .key = id, .state = "firing",
						.at_ms = p->alerts + 1, .data = id,
						.len = strlen(id) });
		p->alerts++;
	}
}

static struct writer_stats stats(struct place *p)
{
	struct writer_stats st;

	writer_stats(p->w, &st);
	return st;
}

static bool is_down(const struct writer_stats *st) { return !st->up && st->failures; }
static bool is_up(const struct writer_stats *st) { return st->up; }
static bool failed_thrice(const struct writer_stats *st) { return st->failures >= 3; }
static bool has_dropped(const struct writer_stats *st) { return st->dropped_bins > 0; }

static void wait_until(struct place *p, bool (*cond)(const struct writer_stats *))
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	struct writer_stats st;

	while (writer_stats(p->w, &st), !cond(&st)) {
		if (clock_mono_ms() > end)
			fail_msg("waited in vain: up %d, failures %lu, \"%s\"", st.up,
				 (unsigned long)st.failures, st.why);
		nap_ms(2);
	}
}

static void sync_all(struct place *p)
{
	if (!writer_sync(p->w, PATIENCE_MS))
		fail_msg("not in the store: %s", stats(p).why);
}

struct seen {
	int n, wrong;
};

static bool see_bin(void *arg, const struct bin *b)
{
	struct seen *s = arg;

	s->wrong += b->start_s != DAY0 + s->n * 300 || b->bytes != (uint64_t)s->n + 1;
	s->n++;
	return true;
}

static bool see_alert(void *arg, const char *key, const void *data, size_t len)
{
	(void)len;
	assert_string_equal(key, data);
	++*(int *)arg;
	return true;
}

/* Everything that was put is there, once. */
static void all_is_there(struct place *p)
{
	struct store *s = store_open(p->o.url, &(struct store_opts){
		.read_only = true, .keep_bins_s = INT64_C(400) * 86400 }, &err);
	struct seen seen = { 0 };
	int alerts = 0;

	if (!s)
		fail_msg("%s", err.msg);
	assert_true(store_each_bin(s, "wan", STEP_BIN, 0, INT64_MAX, see_bin, &seen, &err));
	assert_true(store_each_alert(s, 0, INT64_MAX, SIZE_MAX, see_alert, &alerts, &err));
	store_close(&s);
	assert_int_equal(seen.n, p->bins);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(alerts, p->alerts);
	assert_int_equal(stats(p).spooled_bins, 0);
	assert_int_equal(stats(p).dropped_bins, 0);
}

static void a_store_that_is_well_has_everything(void **state)
{
	struct place *p = *state;

	put_some(p, 3000);
	sync_all(p);
	all_is_there(p);
	assert_true(stats(p).up);
	assert_int_equal(stats(p).bins, 6000);
	assert_int_equal(stats(p).failures, 0);
}

static void a_stopped_redis_gets_what_it_missed(void **state)
{
	struct place *p = *state;

	put_some(p, 100);
	sync_all(p);
	redis_server_kill(&p->redis);
	put_some(p, 500);
	wait_until(p, is_down);
	assert_false(writer_sync(p->w, 50));
	assert_true(stats(p).spooled_bins >= 1000);
	assert_non_null(strstr(stats(p).why, p->redis.socket));
	put_some(p, 500);
	redis_server_start(&p->redis, NULL);
	put_some(p, 100);
	sync_all(p);
	all_is_there(p); /* also the first hundred: it came back empty */
}

static void a_hung_redis_holds_nobody_and_gets_what_it_missed(void **state)
{
	struct place *p = *state;
	int64_t t;

	put_some(p, 100);
	sync_all(p);
	kill(p->redis.pid, SIGSTOP);
	t = clock_mono_ms();
	put_some(p, 20000);
	assert_true(clock_mono_ms() - t < 2000);
	wait_until(p, failed_thrice);
	assert_non_null(strstr(stats(p).why, "did not answer"));
	kill(p->redis.pid, SIGCONT);
	sync_all(p);
	all_is_there(p);
}

static void a_full_redis_gets_what_it_missed(void **state)
{
	struct place *p = *state;

	put_some(p, 100);
	sync_all(p);
	redis_server_do(&p->redis, "CONFIG SET maxmemory 1");
	put_some(p, 500);
	wait_until(p, failed_thrice);
	assert_non_null(strstr(stats(p).why, "maxmemory"));
	redis_server_do(&p->redis, "CONFIG SET maxmemory 0");
	sync_all(p);
	all_is_there(p);
}

static void a_redis_flushed_while_connected_gets_the_recent_past_again(void **state)
{
	struct place *p = *state;

	put_some(p, 1000);
	sync_all(p);
	redis_server_do(&p->redis, "FLUSHALL");
	put_some(p, 10);
	sync_all(p);
	all_is_there(p);
}

static void a_redis_turned_replica_gets_what_it_missed(void **state)
{
	struct place *p = *state;

	put_some(p, 100);
	sync_all(p);
	redis_server_do(&p->redis, "REPLICAOF 127.0.0.1 1");
	put_some(p, 500);
	wait_until(p, failed_thrice);
	assert_non_null(strstr(stats(p).why, "master"));
	redis_server_do(&p->redis, "REPLICAOF NO ONE");
	sync_all(p);
	all_is_there(p);
}

static void connections_killed_all_the_time_double_nothing(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < 40; i++) {
		put_some(p, 200);
		writer_flush(p->w);
		redis_server_do(&p->redis, "CLIENT KILL TYPE normal SKIPME yes");
	}
	sync_all(p);
	all_is_there(p);
}

static void what_was_spooled_survives_a_restart_of_the_daemon(void **state)
{
	struct place *p = *state;

	put_some(p, 100);
	sync_all(p);
	redis_server_kill(&p->redis);
	put_some(p, 300);
	wait_until(p, is_down);
	writer_stop(&p->w, 50);
	begin(p);
	put_some(p, 300); /* the store has not been seen yet */
	writer_stop(&p->w, 50);
	begin(p);
	put_some(p, 10);
	redis_server_start(&p->redis, NULL);
	sync_all(p);
	all_is_there(p);
	writer_stop(&p->w, 1000);
	begin(p);
	put_some(p, 10);
	sync_all(p);
	all_is_there(p);
}

static void a_torn_tail_of_the_spool_loses_only_itself(void **state)
{
	struct place *p = *state;
	char command[200];

	redis_server_kill(&p->redis);
	put_some(p, 100);
	wait_until(p, is_down);
	writer_stop(&p->w, 0);
	snprintf(command, sizeof(command),
		 "for f in %s/spool/*.batches; do printf 'CtAb torn' >>$f; done", p->dir);
	assert_int_equal(system(command), 0);
	redis_server_start(&p->redis, NULL);
	begin(p);
	put_some(p, 100);
	sync_all(p);
	all_is_there(p);
}

static int count_bins;
static bool count_bin(void *arg, const struct bin *b)
{
	int64_t *last = arg;

	assert_true(b->start_s > *last);
	*last = b->start_s;
	count_bins++;
	return true;
}

static void past_its_bound_the_spool_drops_the_oldest_bins_and_no_alert(void **state)
{
	struct place *p = *state;
	int64_t last = 0;
	int alerts = 0;
	struct store *s;

	writer_stop(&p->w, 100);
	p->o.spool_max = 400000;
	begin(p);
	redis_server_kill(&p->redis);
	for (int i = 0; i < 60; i++) {
		put_some(p, 100);
		writer_sync(p->w, 5);
	}
	wait_until(p, has_dropped);
	redis_server_start(&p->redis, NULL);
	sync_all(p);
	s = store_open(p->o.url, NULL, &err);
	assert_non_null(s);
	count_bins = 0;
	assert_true(store_each_bin(s, "wan", STEP_BIN, 0, INT64_MAX, count_bin, &last, &err));
	assert_true(store_each_alert(s, 0, INT64_MAX, SIZE_MAX, see_alert, &alerts, &err));
	store_close(&s);
	assert_int_equal(alerts, p->alerts);
	assert_int_equal(last, DAY0 + (p->bins - 1) * 300); /* the newest are there */
	assert_true(count_bins > 500 && count_bins < p->bins);
	assert_int_equal(stats(p).bins + stats(p).dropped_bins, 2 * p->bins);
	assert_int_equal(stats(p).dropped_alerts, 0);
}

static void without_a_spool_memory_is_bounded_and_keeps_alerts(void **state)
{
	struct place *p = *state;
	char path[100];
	int alerts = 0;
	struct store *s;

	writer_stop(&p->w, 100);
	redis_server_kill(&p->redis);
	snprintf(path, sizeof(path), "%s/spool/state", p->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/spool", p->dir);
	assert_int_equal(rmdir(path), 0);
	fclose(fopen(path, "w")); /* a file where the directory should be: also for root */
	p->o.memory_max = 2000000;
	begin(p);
	put_some(p, 40000);
	wait_until(p, is_down);
	wait_until(p, has_dropped);
	assert_true(stats(p).spooled_octets < 3000000);
	redis_server_start(&p->redis, NULL);
	sync_all(p);
	wait_until(p, is_up);
	s = store_open(p->o.url, NULL, &err);
	assert_non_null(s);
	assert_true(store_each_alert(s, 0, INT64_MAX, SIZE_MAX, see_alert, &alerts, &err));
	store_close(&s);
	assert_int_equal(alerts, p->alerts);
	assert_int_equal(stats(p).bins + stats(p).dropped_bins, 2 * p->bins);
}

static void a_password_comes_from_its_file_and_is_never_said(void **state)
{
	struct place *p = *state;
	char path[100];
	FILE *f;

	writer_stop(&p->w, 100);
	redis_server_do(&p->redis, "CONFIG SET requirepass sesame-7");
	begin(p);
	put_some(p, 10);
	wait_until(p, is_down);
	assert_non_null(strstr(stats(p).why, "password_file"));
	writer_stop(&p->w, 10);
	snprintf(path, sizeof(path), "%s/password", p->dir);
	p->o.store.password_file = path;
	assert_null(writer_start(&p->o, &err)); /* there is none */
	f = fopen(path, "w");
	fputs("sesame-8\n", f);
	fclose(f);
	chmod(path, 0644);
	assert_null(writer_start(&p->o, &err));
	assert_non_null(strstr(err.msg, "chmod 600"));
	assert_null(strstr(err.msg, "sesame"));
	chmod(path, 0600);
	begin(p); /* the wrong one */
	wait_until(p, is_down);
	assert_non_null(strstr(stats(p).why, "check user and password_file"));
	assert_null(strstr(stats(p).why, "sesame"));
	f = fopen(path, "w");
	fputs("sesame-7\n", f);
	fclose(f);
	sync_all(p); /* read again at each try */
	assert_true(stats(p).up);
	writer_stop(&p->w, 100);
	redis_server_kill(&p->redis);
	redis_server_start(&p->redis, NULL);
	p->o.store.password_file = NULL;
	begin(p);
}

static void urls_that_nobody_understands_are_refused_without_their_secrets(void **state)
{
	static const char *const bad[] = {
		"redis://user:sesame@host:6379/0", "rediss://host", "redis://:sesame@host",
		"redis:host", "redis://host:99999", "redis://host/sesame", "sqlite:",
		"mysql://user:sesame@host", "redis+unix://relative", "memory:x", "",
		"redis+unix:///path?sesame", "redis://[::1", "history.db",
	};
	static const char *const good[] = {
		"redis://host", "redis://user@host:6380/3", "redis://[::1]:6379/0",
		"redis+unix:///run/redis.sock?db=2", "sqlite:/x/history.db", "memory:",
		"sqlite:./history.db", "redis://127.0.0.1/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.msg[0] = '\0';
		if (store_check(bad[i], NULL, &err))
			fail_msg("%s was taken", bad[i]);
		assert_true(strlen(err.msg) > 10);
		assert_null(strstr(err.msg, "sesame"));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!store_check(good[i], NULL, &err))
			fail_msg("%s: %s", good[i], err.msg);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest t[] = {
		CASE(a_store_that_is_well_has_everything),
		CASE(a_stopped_redis_gets_what_it_missed),
		CASE(a_hung_redis_holds_nobody_and_gets_what_it_missed),
		CASE(a_full_redis_gets_what_it_missed),
		CASE(a_redis_flushed_while_connected_gets_the_recent_past_again),
		CASE(a_redis_turned_replica_gets_what_it_missed),
		CASE(connections_killed_all_the_time_double_nothing),
		CASE(what_was_spooled_survives_a_restart_of_the_daemon),
		CASE(a_torn_tail_of_the_spool_loses_only_itself),
		CASE(past_its_bound_the_spool_drops_the_oldest_bins_and_no_alert),
		CASE(without_a_spool_memory_is_bounded_and_keeps_alerts),
		CASE(a_password_comes_from_its_file_and_is_never_said),
		cmocka_unit_test(urls_that_nobody_understands_are_refused_without_their_secrets),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
