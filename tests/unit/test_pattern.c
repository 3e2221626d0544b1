/* test_pattern.c - findings become alerts that begin, go on and end.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <unistd.h>

#include "daemon/analysis.h"
#include "daemon/analysis_impl.h"
#include "daemon/backtest.h"
#include "daemon/ruleset.h"
#include "flow_row.h"

enum { MIN = 60000, SEEN = 64 };

static const int64_t T0 = 1795834800000;
static const char quiet_rest[] = "rule interface-traffic { enabled = no }\n"
				 "rule exporter-flows { enabled = no }\n";

struct rig {
	struct names *names;
	struct calendar *calendar;
	struct analysis *a;
	struct alert *seen[SEEN];
	unsigned n;
	int64_t now;
	bool maintained;
	const char *also; /* a rule that is looked at beside those of note() */
};

static void note(void *arg, struct alert *al)
{
	struct rig *r = arg;

	assert_true(r->n < SEEN);
	if (strcmp(al->rule, "scan") && strcmp(al->rule, "inside") &&
	    (!r->also || strcmp(al->rule, r->also)))
		alert_unref(&al);
	else
		r->seen[r->n++] = al;
}

/* The rules of that text, and whether it is right. */
static struct rules *rules_of(const char *text)
{
	char path[] = "/tmp/culprit-pattern.XXXXXX";
	int fd = mkstemp(path);
	struct config_errors errs;
	struct config *c;
	struct rules *rules;

	assert_true(fd >= 0);
	dprintf(fd, "%s%s", quiet_rest, text);
	close(fd);
	c = config_load(path, "/tmp", &errs);
	unlink(path);
	if (!c)
		config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	assert_non_null(c);
	rules = ruleset_new(c);
	config_free(&c);
	return rules;
}

static bool maintained(void *arg, const struct rule *rule, const struct key *k, int64_t from_ms,
		       int64_t to_ms)
{
	struct rig *r = arg;

	(void)rule;
	(void)k;
	assert_true(from_ms < to_ms);
	return r->maintained;
}

static void begin(struct rig *r, const char *text)
{
	struct analysis_opts o = { .alert = note, .untrained = maintained, .arg = r, .late_ms = 10 * MIN,
				   .memory = 64 << 20 };

	*r = (struct rig){ .names = flow_row_names(), .calendar = calendar_new("UTC", NULL),
			   .now = T0 };
	o.names = r->names;
	o.calendar = r->calendar;
	r->a = analysis_new(&o, rules_of(text), T0);
}

static void end(struct rig *r)
{
	analysis_free(&r->a);
	for (unsigned i = 0; i < r->n; i++)
		alert_unref(&r->seen[i]);
	names_free(&r->names);
	calendar_free(&r->calendar);
}

/* A minute passes, in which the host tries so many more addresses. */
static void minute(struct rig *r, const char *host, unsigned from, unsigned n)
{
	struct block *b = block_new(r->names);

	for (unsigned i = from; i < from + n; i++) {
		uint8_t net[4] = { 10, 30, (uint8_t)(i >> 8), (uint8_t)i };
		struct flow_row f = { .start_ms = r->now, .end_ms = r->now,
				      .received_ms = r->now + 1000, .src = ip(host),
				      .dst = addr_of4(net), .src_port = (uint16_t)(40000 + i),
				      .dst_port = 22, .proto = 6, .tcp_flags = 2, .packets = 1,
				      .bytes = 60 };

		flow_row_add(b, &f);
	}
	analysis_block(r->a, b, r->now + 1000);
	block_unref(&b);
	for (int i = 0; i < 6; i++, r->now += SLICE_MS)
		analysis_tick(r->a, r->now + SLICE_MS, true);
}

/* A minute in which two of the office talk, and are answered. */
static void talk(struct rig *r, const char *one, const char *two)
{
	for (int i = 0; i < 6; i++, r->now += SLICE_MS) {
		struct block *b = block_new(r->names);

		for (int k = 0; k < 2; k++)
			flow_row_add(b, &(struct flow_row){
				.start_ms = r->now, .end_ms = r->now, .received_ms = r->now + 1000,
				.src = ip(k ? two : one), .dst = ip("198.51.100.7"),
				.src_port = 40000, .dst_port = 443, .proto = 6, .tcp_flags = 0x1a,
				.packets = 90, .bytes = 90000 });
		analysis_block(r->a, b, r->now + 1000);
		block_unref(&b);
		analysis_tick(r->a, r->now + SLICE_MS, true);
	}
}

static void reload(struct rig *r, const char *text)
{
	analysis_set_rules(r->a, rules_of(text));
}

static void a_scan_is_one_alert_with_a_beginning_and_an_end(void **unused)
{
	const struct alert *al;
	struct rig r;

	(void)unused;
	begin(&r, "");
	for (unsigned i = 0; i < 2; i++)
		minute(&r, "10.20.0.66", i * 100, 100);
	assert_int_equal(r.n, 1);
	al = r.seen[0];
	assert_int_equal(al->state, ALERT_FIRING);
	assert_string_equal(al->rule, "scan");
	assert_string_equal(al->detector, "scan");
	assert_string_equal(al->kind, "horizontal scan");
	assert_string_equal(al->series_id, "src=10.20.0.66");
	assert_string_equal(al->filter, "proto tcp and not flags A and dst port 22");
	assert_int_equal(al->started_ms, T0);
	/* A sketch of 128 registers errs by 9 %, whatever the seed of the day. */
	assert_true(al->value > 50 && al->value < 150);
	for (unsigned i = 0; i < 15; i++)
		minute(&r, "10.20.0.67", 0, 1); /* somebody else, once */
	assert_int_equal(r.n, 2);
	assert_string_equal(r.seen[1]->id, al->id);
	assert_int_equal(r.seen[1]->state, ALERT_RESOLVED);
	assert_int_equal(r.seen[1]->ended_ms, T0 + MIN);
	assert_true(r.seen[1]->peak > 100 && r.seen[1]->peak < 300);
	end(&r);
}

static void what_has_grown_much_is_told_again(void **unused)
{
	struct rig r;

	(void)unused;
	begin(&r, "");
	minute(&r, "10.20.0.66", 0, 100);
	minute(&r, "10.20.0.66", 100, 100); /* twice as many are no news */
	assert_int_equal(r.n, 1);
	minute(&r, "10.20.0.66", 200, 2000);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.seen[1]->id, r.seen[0]->id);
	assert_int_equal(r.seen[1]->state, ALERT_FIRING);
	assert_int_equal(r.seen[1]->started_ms, T0);
	assert_true(r.seen[1]->value > 1000);
	if (!strstr(r.seen[1]->why, "when it was last told"))
		fail_msg("%s", r.seen[1]->why);
	minute(&r, "10.20.0.66", 2200, 2000);
	assert_int_equal(r.n, 2);
	end(&r);
}

/* D2: what crosses in the first second of a slice is told in the next, not at its end. */
static void a_flood_is_told_within_its_second(void **unused)
{
	const int64_t slice = T0 + 20 * SLICE_MS;
	struct block *b;
	struct rig r;

	(void)unused;
	begin(&r, "");
	r.also = "flood";
	for (r.now = T0; r.now < slice; r.now += 200)
		analysis_tick(r.a, r.now, true);
	b = block_new(r.names);
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t from[4] = { 198, 18, (uint8_t)(i >> 8), (uint8_t)i };
		struct flow_row f = { .start_ms = slice, .end_ms = slice, .received_ms = slice,
				      .src = addr_of4(from), .dst = ip("10.20.0.5"),
				      .src_port = (uint16_t)(1024 + i), .dst_port = 443,
				      .proto = 6, .tcp_flags = 2, .packets = 1, .bytes = 60 };

		flow_row_add(b, &f);
	}
	analysis_block(r.a, b, slice);
	block_unref(&b);
	analysis_tick(r.a, slice, true);
	for (; !r.n && r.now < slice + SLICE_MS; r.now += 200)
		analysis_tick(r.a, r.now, true);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.seen[0]->kind, "SYN flood");
	assert_true(r.seen[0]->judged_ms <= slice + 1000);
	/* As many a second as came within the second that has passed, not a tenth; but for
	 * those that came before it was counted by name. */
	assert_true(r.seen[0]->value > 1500 && r.seen[0]->value <= 2000);
	end(&r);
}

static void a_rule_section_sets_it_off_or_narrows_it(void **unused)
{
	static const struct {
		const char *conf;
		unsigned alerts;
	} rows[] = {
		{ "rule scan { enabled = no }", 0 },
		{ "rule scan { detector = scan filter = 'not src host 10.20.0.66' }", 0 },
		{ "rule scan { detector = scan targets = 300 }", 0 },
		{ "rule scan { detector = scan targets = 20 severity = critical }", 1 },
		{ "rule inside { detector = scan filter = 'src net 10.20.0.0/16' }", 2 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rig r;

		begin(&r, rows[i].conf);
		minute(&r, "10.20.0.66", 0, 100);
		if (r.n != rows[i].alerts)
			fail_msg("%s: %u alerts", rows[i].conf, r.n);
		end(&r);
	}
}

static void a_reload_keeps_what_goes_on_and_ends_what_went(void **unused)
{
	struct rig r;

	(void)unused;
	begin(&r, "");
	minute(&r, "10.20.0.66", 0, 100);
	assert_int_equal(r.n, 1);
	reload(&r, ""); /* the same: nothing happens, and its end comes */
	minute(&r, "10.20.0.66", 100, 10);
	assert_int_equal(r.n, 1);
	reload(&r, "rule scan { detector = scan targets = 20 }"); /* it is found anew */
	minute(&r, "10.20.0.66", 200, 100);
	assert_int_equal(r.n, 1);
	reload(&r, "rule scan { enabled = no }");
	minute(&r, "10.20.0.66", 300, 10);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.seen[1]->state, ALERT_RESOLVED);
	assert_string_equal(r.seen[1]->id, r.seen[0]->id);
	end(&r);
}

/* As history tells it after a restart. */
static struct alert *remembered(const struct alert *al)
{
	json_t *j = alert_json(al, NULL);
	struct alert *out = alert_from_json(j, NULL);

	json_decref(j);
	assert_non_null(out);
	return out;
}

static void what_was_firing_before_a_restart_goes_on_or_ends(void **unused)
{
	struct alert *was, *gone;
	struct rig r;

	(void)unused;
	begin(&r, "");
	minute(&r, "10.20.0.66", 0, 100);
	minute(&r, "10.20.0.67", 0, 100);
	assert_int_equal(r.n, 2);
	was = remembered(r.seen[0]);
	gone = remembered(r.seen[1]);
	end(&r);
	begin(&r, "");
	assert_true(pattern_restore(r.a, was));
	assert_true(pattern_restore(r.a, gone));
	minute(&r, "10.20.0.66", 0, 100);
	for (unsigned i = 0; i < 32; i++)
		minute(&r, "10.20.0.66", i % 16 * 10, 10);
	assert_int_equal(r.n, 1); /* one goes on under its old id, the other ended */
	assert_int_equal(r.seen[0]->state, ALERT_RESOLVED);
	assert_string_equal(r.seen[0]->series_id, "src=10.20.0.67");
	for (unsigned i = 0; i < 15; i++)
		minute(&r, "10.20.0.68", 0, 1);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.seen[1]->series_id, "src=10.20.0.66");
	end(&r);
}

static void who_came_in_maintenance_is_new_after_it(void **unused)
{
	struct rig r;

	(void)unused;
	begin(&r, "rule strangers { detector = \"newcomer\"  learn = 1h }\n");
	r.also = "strangers";
	for (int i = 0; i < 65; i++)
		talk(&r, "10.20.0.7", "10.20.0.8");
	r.maintained = true;
	for (int i = 0; i < 5; i++)
		talk(&r, "10.20.0.7", "10.20.0.66");
	assert_int_equal(r.n, 0);
	r.maintained = false;
	for (int i = 0; i < 5; i++)
		talk(&r, "10.20.0.7", "10.20.0.66");
	assert_int_equal(r.n, 1);
	assert_string_equal(r.seen[0]->series_id, "host=10.20.0.66");
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_is_one_alert_with_a_beginning_and_an_end),
		cmocka_unit_test(what_has_grown_much_is_told_again),
		cmocka_unit_test(a_flood_is_told_within_its_second),
		cmocka_unit_test(a_rule_section_sets_it_off_or_narrows_it),
		cmocka_unit_test(a_reload_keeps_what_goes_on_and_ends_what_went),
		cmocka_unit_test(what_was_firing_before_a_restart_goes_on_or_ends),
		cmocka_unit_test(who_came_in_maintenance_is_new_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
