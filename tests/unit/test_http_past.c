/* test_http_past.c - top, flows and history over HTTP, and reading a target.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "http_kit.h"

#include "daemon/http/jobs.h"
#include "daemon/http/rates.h"
#include "daemon/http/target.h"

/* 1,000 flows around kit_t0, and a position after 600 of them. */
static char *archive_of(struct kit *k, struct archive_position *at)
{
	char *dir = kit_dir();
	uint64_t seed = 5;
	struct block *b[2] = { kit_block(k->names, 600, kit_t0, &seed),
			       kit_block(k->names, 400, kit_t0, &seed) };
	struct archive *a = kit_start(dir, k->names, at);

	archive_block(a, block_ref(b[0]), kit_t0);
	archive_mark(a, alert_new());
	archive_block(a, block_ref(b[1]), kit_t0);
	archive_stop(&a);
	block_unref(&b[0]);
	block_unref(&b[1]);
	return dir;
}

static void top_and_flows_come_from_the_archive(void **state)
{
	struct kit k;
	struct archive_position at = { 0 };
	char *dir, *answer;
	json_t *j;

	(void)state;
	kit_open(&k);
	dir = archive_of(&k, &at);
	k.src.archive_dir = dir;
	kit_serve(&k);
	j = kit_json(&k, "/api/v1/top?by=src&n=3&from=2026-11-23T08:30:00Z&"
			 "to=2026-11-23T10:45:00%2B00:00&whole=1");
	assert_int_equal(json_integer_value(kit_at(j, "total.flows")), 1000);
	assert_int_equal(json_array_size(kit_at(j, "rows")), 3);
	assert_true(json_integer_value(kit_at(j, "rows.0.bytes")) >=
		    json_integer_value(kit_at(j, "rows.1.bytes")));
	assert_true(*kit_text(j, "rows.0.values.0") != '\0');
	assert_string_equal(kit_text(j, "by.0"), "src");
	json_decref(j);
	j = kit_json(&k, "/api/v1/top?by=src,dst&order=flows&from=1795429200000&to=1795433000000"
			 "&filter=dst+port+443+and+proto+tcp");
	assert_int_equal(json_array_size(kit_at(j, "rows.0.values")), 2);
	assert_true(json_integer_value(kit_at(j, "total.flows")) < 1000);
	json_decref(j);
	j = kit_json(&k, "/api/v1/flows?from=1795429200000&to=1795433000000&limit=5");
	assert_int_equal(json_array_size(kit_at(j, "flows")), 5);
	assert_true(json_is_true(kit_at(j, "more")));
	assert_true(*kit_text(j, "flows.0.src") != '\0');
	json_decref(j);
	j = kit_json(&k, "/api/v1/flows?from=1795429200000&to=1795433000000&limit=5000");
	assert_int_equal(json_array_size(kit_at(j, "flows")), 1000);
	assert_true(json_is_false(kit_at(j, "more")));
	json_decref(j);
	answer = kit_get(&k, "/api/v1/top?filter=prto+tcp");
	assert_int_equal(kit_status(answer), 400);
	assert_non_null(strstr(answer, "proto")); /* the suggestion */
	free(answer);
	answer = kit_get(&k, "/api/v1/top?by=colour");
	assert_int_equal(kit_status(answer), 400);
	free(answer);
	kit_close(&k);
	kit_rm(dir);
}

static void as_of_an_alert_later_flows_do_not_count(void **state)
{
	struct kit k;
	struct archive_position at = { 0 };
	struct alert *a = sample_alert(clock_wall_ms(), ALERT_FIRING);
	char *dir;
	json_t *j;

	(void)state;
	kit_open(&k);
	dir = archive_of(&k, &at);
	assert_true(at.file_s != 0);
	snprintf(a->id, sizeof(a->id), "01ASOF");
	a->position = at;
	a->by = BY_NONE;
	a->window_start_ms = kit_t0 - 3600000;
	a->window_end_ms = kit_t0 + 60000;
	free(a->filter);
	a->filter = xstrdup("proto tcp");
	board_pin(k.board, a);
	k.src.archive_dir = dir;
	kit_serve(&k);
	j = kit_json(&k, "/api/v1/top?as_of=01ASOF&filter=any");
	assert_int_equal(json_integer_value(kit_at(j, "total.flows")), 600);
	assert_int_equal(json_array_size(kit_at(j, "by")), 5); /* single flows, as evidence */
	json_decref(j);
	j = kit_json(&k, "/api/v1/top?as_of=01ASOF&by=proto");
	assert_string_equal(kit_text(j, "filter"), "tcp");
	assert_int_equal(json_array_size(kit_at(j, "rows")), 1);
	json_decref(j);
	j = kit_json(&k, "/api/v1/flows?as_of=01ASOF&filter=any&limit=1000");
	assert_int_equal(json_array_size(kit_at(j, "flows")), 600);
	json_decref(j);
	alert_unref(&a);
	kit_close(&k);
	kit_rm(dir);
}

static void history_gives_bins_names_and_old_alerts(void **state)
{
	static const char name[] = "any|interface=192.0.2.1/WAN/in";
	char *dir = kit_dir(), *url = xasprintf("sqlite:%s/history.db", dir), *answer;
	struct put p[3] = { { .kind = PUT_BIN, .series = name } };
	struct alert *a = sample_alert(kit_t0, ALERT_RESOLVED);
	json_t *body = alert_json(a, NULL), *j;
	char *text = json_dumps(body, 0);
	struct err err = { "" };
	struct store_opts o = { .writer = NULL };
	struct kit k;
	struct store *s;

	(void)state;
	kit_open(&k);
	k.src.history_url = url;
	kit_serve(&k);
	answer = kit_get(&k, "/api/v1/history?prefix="); /* not there yet */
	assert_true(kit_status(answer) == 503 || kit_status(answer) == 200);
	free(answer);
	s = store_open(url, &o, &err);
	assert_string_equal(err.msg, "");
	p[0].bin = (struct bin){ .start_s = kit_t0 / 1000, .step = STEP_BIN, .covered = 0x7,
				 .bytes = 12345, .packets = 10, .flows = 3, .peak = 500 };
	p[1] = p[0];
	p[1].bin.start_s += 600; /* the one between is a gap */
	p[2] = (struct put){ .kind = PUT_ALERT, .key = a->id, .data = text, .len = strlen(text),
			     .at_ms = kit_t0, .state = "resolved" };
	assert_true(store_put(s, 1, p, 3, &err));
	store_close(&s);
	j = kit_json(&k, "/api/v1/history?prefix=any");
	assert_string_equal(kit_text(j, "names.0"), name);
	json_decref(j);
	j = kit_json(&k, "/api/v1/history?series=any%7Cinterface%3D192.0.2.1/WAN/in&"
			 "from=1795430100000&to=1795433700000");
	assert_int_equal(json_array_size(kit_at(j, "bins")), 2);
	assert_int_equal(json_integer_value(kit_at(j, "bins.0.bytes")), 12345);
	assert_int_equal(json_integer_value(kit_at(j, "bins.0.seen_s")), 30);
	assert_int_equal(json_integer_value(kit_at(j, "bins.1.start_s")), kit_t0 / 1000 + 600);
	json_decref(j);
	j = kit_json(&k, "/api/v1/alerts?from=1795430000000&to=1795431000000");
	assert_string_equal(kit_text(j, "alerts.0.id"), a->id);
	json_decref(j);
	j = kit_json(&k, "/api/v1/alerts?from=1795430000000&to=1795431000000&state=firing");
	assert_int_equal(json_array_size(kit_at(j, "alerts")), 0);
	json_decref(j);
	kit_close(&k);
	json_decref(body);
	free(text);
	free(url);
	alert_unref(&a);
	kit_rm(dir);
}

/* Messages that hang until the pipe is written to. */
static bool hang(void *arg, const char *channel, struct strb *out, struct err *err)
{
	char c;

	(void)channel;
	(void)out;
	(void)err;
	return read(*(int *)arg, &c, 1) == 1;
}

static int ask_slowly(const struct kit *k)
{
	static const char rq[] = "POST /api/v1/test-notify HTTP/1.1\r\nHost: localhost\r\n"
				 "Authorization: Bearer correct-horse\r\nConnection: close\r\n"
				 "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
				 "{\"channel\":\"a\"}";
	int fd = kit_connect(k);

	assert_int_equal(send(fd, rq, sizeof(rq) - 1, 0), sizeof(rq) - 1);
	return fd;
}

static void slow_answers_hold_up_neither_metrics_nor_each_other_for_ever(void **state)
{
	enum { ASKED = JOBS_THREADS + JOBS_QUEUED + 3 };
	char path[] = "/tmp/test_http_token_XXXXXX", *answer;
	int token = mkstemp(path), go[2], fd[ASKED], done = 0, refused = 0;
	struct kit k;

	(void)state;
	assert_int_equal(write(token, "correct-horse", 13), 13);
	close(token);
	assert_int_equal(pipe(go), 0);
	kit_open(&k);
	k.opts.token_file = path;
	k.src.test_notify = hang;
	k.src.ready = NULL;
	k.src.channels = NULL;
	k.src.sockets = NULL;
	k.src.arg = &go[0];
	kit_serve(&k);
	for (int i = 0; i < ASKED; i++)
		fd[i] = ask_slowly(&k);
	answer = kit_ask(&k, "GET", "/metrics", "Authorization: Bearer correct-horse\r\n", NULL);
	assert_int_equal(kit_status(answer), 200);
	free(answer);
	assert_int_equal(write(go[1], "0123456789012345678901234567890", ASKED), ASKED);
	for (int i = 0; i < ASKED; i++) {
		answer = kit_receive(fd[i]);
		done += kit_status(answer) == 200;
		if (kit_status(answer) == 503) {
			assert_non_null(strstr(answer, "Retry-After: "));
			refused++;
		}
		free(answer);
		close(fd[i]);
	}
	assert_int_equal(done + refused, ASKED);
	assert_true(refused >= 1 && done >= JOBS_QUEUED);
	kit_close(&k);
	close(go[0]);
	close(go[1]);
	unlink(path);
}

static void times_are_read_as_people_and_programs_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "2026-11-23T09:35:00Z", 1795426500000 },
		{ "2026-11-23T09:35:00.5Z", 1795426500500 },
		{ "2026-11-23t10:35:00.123456+01:00", 1795426500123 },
		{ "2026-11-23T05:05:00-04:30", 1795426500000 },
		{ "2026-11-23 10:35:00 01:00", 1795426500000 }, /* "+" is a space in a query */
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2023-02-29T00:00:00Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-11-31T00:00:00Z", -1 },
		{ "2026-11-23T24:00:00Z", -1 },
		{ "2026-11-23T09:35:00", -1 },
		{ "2026-11-23", -1 },
		{ "2026-11-23T09:35:00Zx", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "1970-01-01T00:00:00+01:00", -1 },
		{ "", -1 },
		{ "2026-11-23T09:35:00.Z", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = 0;
		bool ok = time_parse_rfc3339(rows[i].text, &ms);

		if (ok != (rows[i].ms >= 0) || (ok && ms != rows[i].ms))
			fail_msg("%s: %d %lld", rows[i].text, ok, (long long)ms);
	}
}

static void a_target_is_taken_apart_strictly(void **state)
{
	static const struct {
		const char *raw, *path, *key, *value;
	} rows[] = {
		{ "/", "/", NULL, NULL },
		{ "/a?b=c", "/a", "b", "c" },
		{ "/a?b=c+d%2Be&x", "/a", "b", "c d+e" },
		{ "/a+b?x", "/a+b", "x", "" },
		{ "/a?b==c", "/a", "b", "=c" },
		{ "/a?&&b=%c3%a9", "/a", "b", "\xc3\xa9" },
		{ "/a?b=c#d=e", "/a", "b", "c" },
		{ "/a?=x", "/a", "", "x" },
		{ "/a%2Fb", "/a/b", NULL, NULL },
		{ "/a?b=%0", NULL, NULL, NULL },
		{ "/a?b=%", NULL, NULL, NULL },
		{ "/a%1", NULL, NULL, NULL },
		{ "/a?b=%00", NULL, NULL, NULL },
		{ "/a?b=\x7f", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
		{ "a", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct target t;
		struct err err = { "" };
		bool ok = target_parse(rows[i].raw, &t, &err);

		if (ok != (rows[i].path != NULL))
			fail_msg("%s: %s", rows[i].raw, err.msg);
		if (ok) {
			assert_string_equal(t.path, rows[i].path);
			if (rows[i].key)
				assert_string_equal(target_get(&t, rows[i].key), rows[i].value);
		}
		target_fini(&t);
	}
}

static void rates_are_over_the_last_turns_alone(void **state)
{
	struct names *n = kit_names(1);
	struct exporter *e = names_exporter_at(n, 0);
	struct rate now, d;
	struct rates r;

	(void)state;
	rates_init(&r, 10000);
	now = rate_of(&e->ledger, 500);
	assert_int_equal(rates_since(&r, 0, &now).at_ms, 0);
	for (int64_t t = 1000; t <= 61000; t += 1000) {
		rates_turn(&r, n, t);
		ledger_add(&e->ledger.flows[VIA_IPFIX], 5);
		ledger_add(&e->ledger.lost[LOST_RECORDS], t < 20000);
	}
	now = rate_of(&e->ledger, 62000);
	d = rates_since(&r, 0, &now);
	assert_int_equal(d.at_ms, 11000);
	assert_int_equal(d.flows, 55);
	assert_int_equal(d.lost[LOST_RECORDS], 0);
	rates_fini(&r);
	names_free(&n);
}

static void an_exporter_newer_than_the_copies_has_lost_what_it_lost_since(void **state)
{
	struct names *n = kit_names(1);
	struct ledger l = { 0 };
	struct rate now, d;
	struct rates r;

	(void)state;
	rates_init(&r, 10000);
	for (int64_t t = 1000; t <= 21000; t += 10000)
		rates_turn(&r, n, t);
	ledger_add(&l.flows[VIA_IPFIX], 90);
	ledger_add(&l.lost[LOST_RECORDS], 10);
	now = rate_of(&l, 25000);
	d = rates_since(&r, names_exporters(n), &now);
	assert_int_equal(d.at_ms, 14000);
	assert_int_equal(d.flows, 90);
	assert_int_equal(d.lost[LOST_RECORDS], 10);
	rates_fini(&r);
	names_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_and_flows_come_from_the_archive),
		cmocka_unit_test(as_of_an_alert_later_flows_do_not_count),
		cmocka_unit_test(history_gives_bins_names_and_old_alerts),
		cmocka_unit_test(slow_answers_hold_up_neither_metrics_nor_each_other_for_ever),
		cmocka_unit_test(times_are_read_as_people_and_programs_write_them),
		cmocka_unit_test(a_target_is_taken_apart_strictly),
		cmocka_unit_test(rates_are_over_the_last_turns_alone),
		cmocka_unit_test(
			an_exporter_newer_than_the_copies_has_lost_what_it_lost_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
