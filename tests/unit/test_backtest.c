/* test_backtest.c - the past, judged again, is judged as it was.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "daemon/analysis.h"
#include "daemon/backtest.h"
#include "daemon/base/clock.h"
#include "daemon/base/units.h"
#include "daemon/ruleset.h"
#include "flows.h"
#include "rules/rule.h"

#include <math.h>
#include <unistd.h>

enum { SEC = 1000, MIN = 60 * SEC, HOUR = 60 * MIN, SEEN = 256, JUDGE_MS = 200 };
#define DAY_MS INT64_C(86400000)
#define T0     (kit_t0 / (5 * MIN) * (5 * MIN))

static const char rules_text[] =
    "archive { directory = \"%s/flows\" }\n"
    "history { url = \"sqlite:%s/history.db\" }\n"
    "timezone = \"UTC\"\n"
    "exporter edge { address = \"192.0.2.1\"  interface 2 { name = \"WAN\" } }\n"
    "rule busy { filter = \"in if WAN\"  by = \"exporter\"  window = 1m  above = 8M"
    "  clear = 6M  for = 20s }\n"
    "rule host { by = \"host\"  window = 10s  above = 20M }\n"
    "rule fans { by = \"src\"  measure = \"peers\"  window = 1m  above = 40 }\n"
    "rule gone { by = \"interface\"  window = 2m  below = 200k }\n"
    "rule slow { by = \"exporter\"  window = 10m  above = 5M }\n"
    "rule long { by = \"exporter\"  window = 15m  above = 4M }\n"
    "rule volume { by = \"host\"  measure = \"bytes\"  window = \"day\"  above = 300M"
    "  warn = 50%% }\n";

struct seen {
	char rule[32], series[SERIES_TEXT];
	int64_t started, ended;
	double value, peak;
	bool was, warning;
	char id[ALERT_ID];
};

struct site {
	char *dir;
	struct config *config;
	struct names *names;
	struct calendar *calendar;
	struct analysis *live;
	struct archive *archive;
	struct writer *writer;
	int64_t judged;
	struct seen seen[SEEN];
	size_t n;
};

/* ---- a daemon without its threads and sockets ---- */

static void note(struct site *s, const struct alert *a)
{
	struct seen *x = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->seen[i].id, a->id))
			x = &s->seen[i];
	if (x && a->state == ALERT_RESOLVED) {
		x->ended = a->ended_ms;
		x->peak = a->peak;
	}
	if (x || !strcmp(a->rule, "exporter-silent"))
		return;
	assert_true(s->n < SEEN);
	x = &s->seen[s->n++];
	*x = (struct seen){ .started = a->started_ms,
			    .ended = a->ended_ms,
			    .value = a->value,
			    .peak = a->peak,
			    .was = a->was,
			    .warning = a->warning_share };
	snprintf(x->rule, sizeof(x->rule), "%s", a->rule);
	snprintf(x->series, sizeof(x->series), "%s", a->series);
	snprintf(x->id, sizeof(x->id), "%s", a->id);
}

static void marked(void *arg, struct alert *a)
{
	note(arg, a);
	alert_unref(&a);
}

static int set_up(void **state)
{
	struct site *s = xcalloc(1, sizeof(*s));
	struct config_errors errs;
	char *text, *path;
	struct err err = { "" };

	s->dir = kit_dir();
	text = xasprintf(rules_text, s->dir, s->dir);
	path = xasprintf("%s/culprit.conf", s->dir);
	kit_save(path, text, strlen(text));
	s->config = config_load(path, s->dir, &errs);
	if (!s->config)
		config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	assert_non_null(s->config);
	s->calendar = calendar_new("UTC", &err);
	s->names = names_new(16);
	ruleset_names(s->config, s->names);
	free(text);
	free(path);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	analysis_free(&s->live);
	archive_stop(&s->archive);
	writer_stop(&s->writer, 1000);
	names_free(&s->names);
	calendar_free(&s->calendar);
	config_free(&s->config);
	kit_rm(s->dir);
	free(s);
	return 0;
}

static void start_live(struct site *s, int64_t now_ms)
{
	struct archive_opts ao = { .directory = s->config->archive.directory,
				   .names = s->names,
				   .queue_blocks = 100000,
				   .mark_done = marked,
				   .arg = s };
	struct writer_opts wo = { .url = s->config->history.url, .state_dir = s->dir };
	struct analysis_opts o = { .names = s->names,
				   .calendar = s->calendar,
				   .late_ms = s->config->late_ms,
				   .memory = s->config->memory / 2,
				   .arg = s };
	struct err err = { "" };

	o.archive = s->archive = archive_start(&ao, &err);
	assert_string_equal(err.msg, "");
	o.writer = s->writer = writer_start(&wo, &err);
	assert_string_equal(err.msg, "");
	s->live = analysis_new(&o, ruleset_new(s->config), now_ms);
	s->judged = now_ms;
}

/* As the daemon's thread turns: what came is counted, then judged, a few times a second.
 */
static void turn(struct site *s, struct block *b, int64_t now_ms)
{
	for (int64_t t = (s->judged / SLICE_MS + 1) * SLICE_MS; t <= now_ms;
	     t += SLICE_MS) {
		analysis_tick(s->live, t, true);
		archive_tick(s->archive, t);
		s->judged = t;
	}
	if (now_ms - s->judged >= JUDGE_MS) {
		analysis_tick(s->live, now_ms, true);
		s->judged = now_ms;
	}
	if (b)
		analysis_block(s->live, b, now_ms);
}

static void settle(struct site *s)
{
	analysis_free(&s->live);
	archive_stop(&s->archive);
	writer_stop(&s->writer, 10000);
}

/* ---- traffic: two hours with something of everything ---- */

static void flow(struct block *b, int64_t at, int64_t lasted, uint64_t bytes,
		 unsigned host, unsigned peer, bool in)
{
	struct flow_row f = { .start_ms = at - lasted,
			      .end_ms = at,
			      .received_ms = at + 500,
			      .bytes = bytes,
			      .in_if = in ? 2 : 1,
			      .out_if = in ? 1 : 2,
			      .src_port = 443,
			      .dst_port = 50000,
			      .proto = 6 };
	char src[32], dst[32];

	snprintf(src, sizeof(src), "198.51.100.%u", peer);
	snprintf(dst, sizeof(dst), "10.20.0.%u", host);
	f.src = in ? src : dst;
	f.dst = in ? dst : src;
	flow_add(b, &f);
}

static void second(struct block *b, int64_t at, uint64_t *seed)
{
	int64_t minute = (at - T0) / MIN;

	for (unsigned i = 0; i < 3; i++)
		flow(b, at, kit_rnd(seed) % 20000, 20000 + kit_rnd(seed) % 60000,
		     1 + kit_rnd(seed) % 20, 1 + kit_rnd(seed) % 10, true);
	flow(b, at, 1000, 30000 + kit_rnd(seed) % 30000, 1 + kit_rnd(seed) % 20,
	     1 + kit_rnd(seed) % 10, false);
	if (minute >= 20 && minute < 33) /* a download */
		flow(b, at, 1000, 1200000, 66, 200, true);
	if (minute == 50 && at % (5 * SEC) == 0) /* told late, and already over */
		flow(b, at - 3 * MIN, 30 * SEC, 20000000, 67, 201, true);
	if (minute == 70) /* somebody looks around */
		flow(b, at, 0, 60, 68, 1 + (unsigned)(at / SEC % 60), false);
}

/* Nothing goes out for ten minutes. */
static bool quiet(int64_t at, const struct block *b, uint32_t r)
{
	int64_t minute = (at - T0) / MIN;

	return minute >= 85 && minute < 95 && b->in_if[r] == 1;
}

static void live(struct site *s, int64_t lasts)
{
	uint64_t seed = 5;

	start_live(s, T0);
	for (int64_t at = T0; at < T0 + lasts; at += SEC) {
		struct block *all = block_new(s->names), *b = block_new(s->names);

		second(all, at, &seed);
		for (uint32_t r = 0; r < all->n; r++) {
			uint32_t to = b->n;

			if (quiet(at, all, r))
				continue;
			for (int f = 0; f < FIELD_COUNT; f++)
				if (block_uses(all, (enum field)f)) {
					block_use(b, (enum field)f);
					memcpy(block_cell(b, (enum field)f, to),
					       block_cell(all, (enum field)f, r),
					       field_info[f].width);
				}
			b->n++;
		}
		turn(s, b, at + 500);
		block_unref(&all);
		block_unref(&b);
	}
	turn(s, NULL, T0 + lasts);
	analysis_tick(s->live, T0 + lasts, true);
	settle(s);
}

/* Keys that fire at the same moment do so in no order. */
static int order(int64_t a, const char *x, int64_t b, const char *y)
{
	return a != b ? (a > b) - (a < b) : strcmp(x, y);
}

static int seen_order(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	int c = order(x->started, x->series, y->started, y->series);

	return c ? c : (x->value > y->value) - (x->value < y->value);
}

static int again_order(const void *a, const void *b)
{
	const struct backtest_alert *x = a, *y = b;
	int c = order(x->started_ms, x->series, y->started_ms, y->series);

	return c ? c : (x->value > y->value) - (x->value < y->value);
}

static bool same(const struct seen *a, const struct backtest_alert *b, const char *rule)
{
	return !strcmp(a->rule, rule) && !strcmp(a->series, b->series) &&
	       a->started == b->started_ms && a->ended == b->ended_ms &&
	       a->was == b->was && a->warning == b->warning &&
	       fabs(a->value - b->value) <= 1e-9 * a->value &&
	       fabs(a->peak - b->peak) <= 1e-9 * a->peak;
}

static void print(const char *what, const char *rule, const char *series, int64_t started,
		  int64_t ended, double value)
{
	char t[UNIT_TEXT], u[UNIT_TEXT];

	fprintf(stderr, "%s %s %s %s to %s %g\n", what, rule, series,
		text_time(started, t), text_time(ended, u), value);
}

static void a_backtest_over_the_archive_alerts_as_the_daemon_did(void **state)
{
	struct site *s = *state;
	struct backtest_opts o = { .config = s->config,
				   .calendar = s->calendar,
				   .names = names_new(16),
				   .from_ms = T0,
				   .to_ms = T0 + 2 * HOUR,
				   .source = BACKTEST_FLOWS };
	struct rules *rules = backtest_rules(s->config, NULL, NULL);
	struct err err = { "" };
	struct backtest b;
	size_t common = 0;

	live(s, 2 * HOUR);
	ruleset_names(s->config, o.names);
	backtest_run(&o, rules, &b, &err);
	assert_string_equal(err.msg, "");
	qsort(s->seen, s->n, sizeof(*s->seen), seen_order);
	qsort(b.at, b.n, sizeof(*b.at), again_order);
	for (size_t i = 0; i < b.n && i < s->n; i++)
		common += same(&s->seen[i], &b.at[i], rules->at[b.at[i].rule].name);
	if (b.n != s->n || common != s->n) {
		for (size_t i = 0; i < s->n; i++)
			print("live", s->seen[i].rule, s->seen[i].series,
			      s->seen[i].started, s->seen[i].ended, s->seen[i].value);
		for (size_t i = 0; i < b.n; i++)
			print("again", rules->at[b.at[i].rule].name, b.at[i].series,
			      b.at[i].started_ms, b.at[i].ended_ms, b.at[i].value);
	}
	assert_int_equal(b.n, s->n);
	assert_int_equal(common, s->n);
	/* The traffic is made to set off each rule. */
	for (unsigned r = 0; r < rules->n; r++) {
		unsigned n = 0;

		for (size_t i = 0; i < b.n; i++)
			n += b.at[i].rule == r;
		if (!n && !rules->at[r].detector && !rules->at[r].pattern)
			fail_msg("%s did not fire", rules->at[r].name);
	}
	backtest_fini(&b);
	backtest_rules_free(&rules);
	names_free(&o.names);
}

/* ---- weeks of bins ---- */

/* Of a window shorter than a bin, and of each bin's largest hosts, bins know less. */
static bool bins_tell(const char *rule)
{
	return !strcmp(rule, "slow") || !strcmp(rule, "long") ||
	       !strncmp(rule, "interface-", 10);
}

static void told(void *arg, struct alert *a)
{
	if (bins_tell(a->rule))
		note(arg, a);
	alert_unref(&a);
}

/* Megabits a second at that minute of the weeks: a day's course, an hour of eight times
 * as much on the third Thursday, and on the Friday after two hours with next to nothing.
 */
static double course(int64_t minute, uint64_t *seed)
{
	double hour = (double)(minute % 1440) / 60, v = 1.2 - cos(hour / 24 * 2 * M_PI);
	int64_t day = minute / 1440;

	v *= 0.9 + 0.2 * (double)(kit_rnd(seed) % 1000) / 1000;
	if (day == 17 && hour >= 10 && hour < 11)
		return v * 8;
	if (day == 18 && hour >= 12 && hour < 14)
		return v / 50;
	return v;
}

static void live_weeks(struct site *s, int64_t from, int64_t days)
{
	struct writer_opts wo = { .url = s->config->history.url, .state_dir = s->dir };
	struct analysis_opts o = { .names = s->names,
				   .calendar = s->calendar,
				   .alert = told,
				   .late_ms = s->config->late_ms,
				   .memory = s->config->memory / 2,
				   .arg = s };
	uint64_t seed = 3;
	struct err err = { "" };

	o.writer = s->writer = writer_start(&wo, &err);
	assert_string_equal(err.msg, "");
	s->live = analysis_new(&o, ruleset_new(s->config), from);
	names_exporter_at(s->names, 0)->ledger.lateness_ms = MIN;
	for (int64_t m = 0; m < days * 1440; m++) {
		struct block *b = block_new(s->names);
		int64_t at = from + m * MIN;
		double octets = course(m, &seed) * 1e6 / 8 * 60;

		flow(b, at, MIN, (uint64_t)(octets * 0.8), 7, 1, true);
		flow(b, at, MIN, (uint64_t)(octets * 0.2), 7, 1, false);
		analysis_block(s->live, b, at + 500);
		analysis_tick(s->live, at + 500, true);
		block_unref(&b);
	}
	settle(s);
}

static const struct seen *find(const struct site *s, const struct backtest_alert *b,
			       const char *rule)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->seen[i].rule, rule) &&
		    !strcmp(s->seen[i].series, b->series) &&
		    llabs(s->seen[i].started - b->started_ms) <= 10 * MIN)
			return &s->seen[i];
	return NULL;
}

/* Bins know no seconds, so an alert may begin a bin or two beside. */
static void bins_of_history_alert_as_the_daemon_did(void **state)
{
	enum { DAYS = 20 };
	struct site *s = *state;
	int64_t monday = kit_t0 / DAY_MS * DAY_MS; /* it is one */
	struct backtest_opts o = { .config = s->config,
				   .calendar = s->calendar,
				   .names = names_new(16),
				   .source = BACKTEST_BINS };
	struct rules *rules = backtest_rules(s->config, NULL, NULL);
	struct err err = { "" };
	unsigned up = 0, down = 0, limits = 0;
	struct backtest b;

	while (monday + 30 * DAY_MS < clock_wall_ms()) /* or the store forgets them */
		monday += 7 * DAY_MS;
	live_weeks(s, monday, DAYS);
	ruleset_names(s->config, o.names);
	o.from_ms = monday;
	o.to_ms = monday + DAYS * DAY_MS;
	for (unsigned i = 0; i < rules->n;) {
		if (bins_tell(rules->at[i].name))
			i++;
		else
			backtest_rules_drop(rules, i);
	}
	backtest_run(&o, rules, &b, &err);
	assert_string_equal(err.msg, "");
	for (size_t i = 0; i < b.n; i++) {
		const char *rule = rules->at[b.at[i].rule].name;

		if (!find(s, &b.at[i], rule)) {
			print("only bins", rule, b.at[i].series, b.at[i].started_ms,
			      b.at[i].ended_ms, b.at[i].value);
			fail();
		}
		up += !strcmp(rule, "interface-spike");
		down += !strcmp(rule, "interface-drop");
		limits += strncmp(rule, "interface-", 10) != 0;
	}
	for (size_t i = 0; i < s->n; i++) {
		bool again = false;

		for (size_t k = 0; k < b.n; k++)
			again |= find(s, &b.at[k], s->seen[i].rule) == &s->seen[i];
		if (!again) {
			print("only live", s->seen[i].rule, s->seen[i].series,
			      s->seen[i].started, s->seen[i].ended, s->seen[i].value);
			fail();
		}
	}
	assert_true(up && down); /* the rise and the fall, each by its own rule */
	assert_int_equal(limits, 2);
	backtest_fini(&b);
	backtest_rules_free(&rules);
	names_free(&o.names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_backtest_over_the_archive_alerts_as_the_daemon_did, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(bins_of_history_alert_as_the_daemon_did,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
