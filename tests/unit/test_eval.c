/* test_eval.c - flows and times in, alerts out, through windows and rules together. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/window/presence.h"
#include "daemon/window/window.h"
#include "flows.h"
#include "rules/eval.h"

enum { SEC = 1000, MIN = 60 * SEC, HOUR = 60 * MIN, SEEN = 64 };
#define T0 (INT64_C(1780000000000) / BIN_MS * BIN_MS)

struct seen {
	enum alert_state state;
	bool was, warning;
	int64_t pending, started, ended;
	double value, peak;
	char series[SERIES_TEXT], id[ALERT_ID];
};

struct site {
	struct names *names;
	struct calendar *calendar;
	struct window *w;
	struct eval *e;
	struct rules rules;
	struct block *b;
	int64_t now;
	struct seen seen[SEEN];
	unsigned n;
};

static void emit(void *arg, struct alert *a)
{
	struct site *s = arg;
	struct seen *n = &s->seen[s->n++];

	assert_true(s->n <= SEEN);
	*n = (struct seen){ .state = a->state, .was = a->was, .warning = a->warning_share,
			    .pending = a->pending_ms, .started = a->started_ms,
			    .ended = a->ended_ms, .value = a->value, .peak = a->peak };
	snprintf(n->series, sizeof(n->series), "%s", a->series);
	snprintf(n->id, sizeof(n->id), "%s", a->id);
	alert_unref(&a);
}

static void known(void *arg, unsigned view, window_key_f *fn, void *fn_arg)
{
	window_known(((struct site *)arg)->w, view, fn, fn_arg);
}

static struct rule rule(const char *name, const char *filter, enum measure_kind m, enum by by)
{
	return (struct rule){ .name = xstrdup(name), .filter = filter_compile(filter, NULL),
			      .measure = { .kind = m }, .by = by, .window = 6, .above = NAN,
			      .below = NAN, .clear = NAN, .warn = NAN };
}

static void use(struct site *s, struct rules *rules)
{
	unsigned n;
	struct rule_view *v = rules_views(rules, &n);
	struct view_spec spec = { .filter = v->filter, .by = v->by, .measure = v->measure,
				  .quota = v->quota, .period = v->period };

	window_views(s->w, &spec, n, rules_longest(rules));
	eval_rules(s->e, rules, s->now);
	free(v);
}

static void start(struct site *s, struct rule r)
{
	struct window_opts wo = { s->names, s->calendar, 10 * MIN, 64 << 20 };
	struct eval_opts eo = { .names = s->names, .calendar = s->calendar, .emit = emit,
				.known = known, .arg = s, .late = 60,
				.detector_memory =
					33 * detector_find("seasonal")->state_size };

	s->rules.at = xcalloc(1, sizeof(r));
	s->rules.at[0] = r;
	s->rules.n = 1;
	s->w = window_new(&wo, s->now);
	eo.slices = window_slices(s->w);
	s->e = eval_new(&eo);
	use(s, &s->rules);
}

static int set_up(void **state)
{
	struct site *s = xcalloc(1, sizeof(*s));
	struct exporter *e;
	struct addr a;

	s->names = names_new(100);
	addr_parse("192.0.2.254", &a);
	e = names_exporter(s->names, &a, 0);
	e->ledger.lateness_ms = 20 * SEC;
	s->calendar = calendar_new("UTC", NULL);
	s->now = T0 + 20 * MIN;
	s->b = block_new(s->names);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	eval_free(&s->e);
	window_free(&s->w);
	rules_fini(&s->rules);
	block_unref(&s->b);
	calendar_free(&s->calendar);
	names_free(&s->names);
	free(s);
	return 0;
}

static struct span open_of(const struct site *s)
{
	return (struct span){ window_oldest(s->w), window_newest(s->w) };
}

static void changed(void *arg, unsigned view, const struct key *k, int64_t oldest)
{
	struct site *s = arg;

	eval_key(s->e, view, k, oldest, open_of(s), s->now);
}

static void flow(struct site *s, const char *src, int64_t start, int64_t end, uint64_t bytes)
{
	struct flow_row f = { .start_ms = start, .end_ms = end, .received_ms = s->now,
			      .bytes = bytes, .in_if = 1, .out_if = 2, .src = src };

	flow_add(s->b, &f);
	window_block(s->w, s->b, s->now);
	block_reset(s->b);
	window_changed(s->w, changed, s);
}

/* Time goes on by whole slices; the exporter is heard all the while. */
static void pass(struct site *s, int64_t ms)
{
	for (int64_t to = s->now + ms; s->now < to;) {
		s->now = s->now + 10 * SEC < to ? s->now + 10 * SEC : to;
		presence_heard(window_presence(s->w), 0, s->now);
		window_tick(s->w, s->now);
		window_changed(s->w, changed, s);
		eval_tick(s->e, open_of(s), s->now, true);
	}
}

static void a_22_hour_flow_raises_nothing(void **state)
{
	struct site *s = *state;
	struct rule r = rule("busy", "", MEASURE_BITS_S, BY_EXPORTER);

	r.above = 1e6;
	start(s, r);
	pass(s, MIN);
	/* 1262 Mbit/s if it counted in the minute of its end; 0.96 Mbit/s as it was. */
	flow(s, NULL, s->now - 22 * HOUR, s->now, UINT64_C(9466000000));
	pass(s, 5 * MIN);
	assert_int_equal(s->n, 0);
}

static void a_burst_reported_late_alerts(void **state)
{
	struct site *s = *state;
	struct rule r = rule("busy", "", MEASURE_BITS_S, BY_EXPORTER);
	int64_t begin;

	r.above = 16e6;
	start(s, r);
	pass(s, 2 * MIN);
	begin = s->now;
	pass(s, 75 * SEC);
	/* One minute at 20 Mbit/s, reported 15 s after its end: the window that ends now
	 * holds only three quarters of it, the one that has slid by holds it all. */
	flow(s, NULL, begin, begin + MIN, 150 * 1000 * 1000);
	assert_true(s->n >= 1);
	assert_true(s->seen[0].peak > 19.9e6 && s->seen[0].peak < 20.1e6);
	pass(s, 3 * MIN);
	assert_true(s->n <= 2);
	assert_int_equal(s->seen[s->n - 1].state, ALERT_RESOLVED);
}

static void what_is_over_when_found_is_one_message(void **state)
{
	struct site *s = *state;
	struct rule r = rule("busy", "", MEASURE_BITS_S, BY_EXPORTER);

	r.above = 16e6;
	start(s, r);
	pass(s, 8 * MIN);
	flow(s, NULL, s->now - 5 * MIN, s->now - 4 * MIN, 150 * 1000 * 1000);
	assert_int_equal(s->n, 1);
	assert_true(s->seen[0].was);
	assert_int_equal(s->seen[0].state, ALERT_RESOLVED);
	assert_true(s->seen[0].ended > s->seen[0].started);
	pass(s, 3 * MIN);
	assert_int_equal(s->n, 1);
}

static void partial_sums_fire_at_once_and_clear_late(void **state)
{
	struct site *s = *state;
	struct rule r = rule("volume", "", MEASURE_BYTES, BY_SRC);

	r.above = 1000;
	start(s, r);
	pass(s, MIN);
	flow(s, "10.0.0.5", s->now, s->now, 999);
	assert_int_equal(s->n, 0);
	flow(s, "10.0.0.5", s->now, s->now, 2);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->seen[0].state, ALERT_FIRING);
	assert_string_equal(s->seen[0].series, "10.0.0.5");
	/* The window has slid past after 70 s; with 20 s of lateness it is over. */
	pass(s, 60 * SEC);
	assert_int_equal(s->n, 1);
	pass(s, 50 * SEC);
	assert_int_equal(s->n, 2);
	assert_int_equal(s->seen[1].state, ALERT_RESOLVED);
	assert_string_equal(s->seen[0].id, s->seen[1].id);
}

static void pending_lasts_as_long_as_for_says(void **state)
{
	struct site *s = *state;
	struct rule r = rule("busy", "", MEASURE_BITS_S, BY_EXPORTER);

	r.window = 1;
	r.above = 8000;
	r.for_ms = 30 * SEC;
	start(s, r);
	pass(s, MIN);
	for (int i = 0; i < 3; i++) {
		flow(s, NULL, s->now, s->now, 20000);
		pass(s, 10 * SEC);
	}
	assert_int_equal(s->n, 0);
	flow(s, NULL, s->now, s->now, 20000);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->seen[0].started - s->seen[0].pending, 30 * SEC);
}

static void a_drop_waits_for_late_flows_and_ignores_gaps(void **state)
{
	struct site *s = *state;
	struct rule r = rule("quiet", "", MEASURE_BITS_S, BY_EXPORTER);

	r.window = 1;
	r.below = 8000;
	start(s, r);
	pass(s, 10 * SEC);
	for (int i = 0; i < 30; i++) {
		flow(s, NULL, s->now, s->now, 20000);
		pass(s, 10 * SEC);
	}
	assert_int_equal(s->n, 0);
	/* Its slice is over, but flows of it may be on their way for 20 s more. */
	pass(s, 20 * SEC);
	assert_int_equal(s->n, 0);
	pass(s, 20 * SEC);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->seen[0].state, ALERT_FIRING);
}

static void a_rule_may_have_a_limit_on_either_side(void **state)
{
	struct site *s = *state;
	struct rule r = rule("band", "", MEASURE_BITS_S, BY_EXPORTER);

	r.window = 1;
	r.above = 80000;
	r.below = 8000;
	start(s, r);
	pass(s, 10 * SEC);
	for (int i = 0; i < 12; i++) { /* 16 kbit/s */
		flow(s, NULL, s->now, s->now, 20000);
		pass(s, 10 * SEC);
	}
	assert_int_equal(s->n, 0);
	flow(s, NULL, s->now, s->now, 200000);
	assert_int_equal(s->n, 1); /* at once */
	assert_int_equal(s->seen[0].state, ALERT_FIRING);
	for (int i = 0; i < 12; i++) {
		pass(s, 10 * SEC);
		flow(s, NULL, s->now, s->now, 20000);
	}
	assert_int_equal(s->n, 2);
	assert_int_equal(s->seen[1].state, ALERT_RESOLVED);
	pass(s, 100 * SEC); /* next to nothing: what is too little is told late */
	assert_int_equal(s->n, 3);
	assert_int_equal(s->seen[2].state, ALERT_FIRING);
	assert_true(s->seen[2].value < 8000);
	for (int i = 0; i < 12; i++) {
		flow(s, NULL, s->now, s->now, 20000);
		pass(s, 10 * SEC);
	}
	assert_int_equal(s->n, 4);
	assert_int_equal(s->seen[3].state, ALERT_RESOLVED);
}

static void a_silent_exporter_is_no_drop(void **state)
{
	struct site *s = *state;
	struct rule r = rule("quiet", "", MEASURE_BITS_S, BY_EXPORTER);

	r.window = 1;
	r.below = 8000;
	start(s, r);
	pass(s, 10 * SEC);
	for (int i = 0; i < 30; i++) {
		flow(s, NULL, s->now, s->now, 20000);
		pass(s, 10 * SEC);
	}
	for (int i = 0; i < 30; i++) { /* nothing is heard any more */
		s->now += 10 * SEC;
		window_tick(s->w, s->now);
		eval_tick(s->e, open_of(s), s->now, true);
	}
	assert_int_equal(s->n, 0);
}

static void a_quota_warns_then_fires_and_ends_with_its_time(void **state)
{
	static const struct {
		enum period period;
		int month, day; /* its last */
	} rows[] = { { PERIOD_MONTH, 11, 30 }, { PERIOD_WEEK, 11, 29 }, { PERIOD_DAY, 11, 25 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rule r = rule("quota", "", MEASURE_BYTES, BY_HOST);
		struct site *s;

		tear_down(state);
		set_up(state);
		s = *state;
		r.window = 0;
		r.period = rows[i].period;
		r.above = 1000;
		r.warn = 0.8;
		r.severity = SEVERITY_CRITICAL;
		s->now = calendar_unix(s->calendar, 2026, rows[i].month, rows[i].day, 23, 40,
				       0) * 1000;
		start(s, r);
		pass(s, MIN);
		flow(s, "10.0.0.5", s->now, s->now, 700);
		assert_int_equal(s->n, 0);
		flow(s, "10.0.0.5", s->now, s->now, 150); /* both ends of the flow are hosts */
		assert_int_equal(s->n, 2);
		assert_true(s->seen[0].warning && s->seen[1].warning);
		flow(s, "10.0.0.5", s->now, s->now, 151);
		assert_int_equal(s->n, 4);
		assert_false(s->seen[2].warning);
		pass(s, 30 * MIN);
		assert_int_equal(s->n, 6);
		assert_int_equal(s->seen[5].state, ALERT_RESOLVED);
	}
}

static void fan_out_is_a_measure(void **state)
{
	struct site *s = *state;
	struct rule r = rule("scan", "", MEASURE_PEERS, BY_SRC);

	r.above = 100;
	start(s, r);
	pass(s, MIN);
	for (uint32_t i = 0; i < 120; i++) { /* few enough to be exact */
		struct flow_row f = { .start_ms = s->now, .end_ms = s->now, .bytes = 40,
				      .received_ms = s->now, .src = "10.0.0.9" };
		uint32_t net = __builtin_bswap32(0xcb007100 + i), row;

		row = flow_add(s->b, &f);
		s->b->dst[row] = addr_of4(&net);
	}
	window_block(s->w, s->b, s->now);
	window_changed(s->w, changed, s);
	assert_int_equal(s->n, 1);
	assert_string_equal(s->seen[0].series, "10.0.0.9");
	assert_true(s->seen[0].value > 119.9 && s->seen[0].value < 120.1);
}

static void a_quota_counts_what_is_late_and_what_was_before_it(void **state)
{
	struct site *s = *state;
	struct rule r = rule("quota", "", MEASURE_BYTES, BY_SRC);
	struct sums past = { 3000, 3, 3 };
	struct key k = { 0 };
	struct addr a = addr_of4("\x0a\0\0\x06");
	int64_t from = 0;
	unsigned ticket;

	r.window = 0;
	r.period = PERIOD_DAY;
	r.above = 1000;
	r.warn = 1;
	s->now = calendar_unix(s->calendar, 2026, 11, 25, 12, 0, 0) * 1000;
	start(s, r);
	pass(s, MIN);
	ticket = window_total_ask(s->w, 0, &from);
	assert_true(ticket && !window_total_ask(s->w, 0, &from)); /* once */
	assert_int_equal(from, calendar_unix(s->calendar, 2026, 11, 25, 0, 0, 0) * 1000);
	/* Two hours late: no slice has it, and it is judged at once all the same. */
	flow(s, "10.0.0.5", s->now - 2 * HOUR, s->now - 2 * HOUR, 700);
	assert_int_equal(s->n, 0);
	flow(s, "10.0.0.5", s->now - 3 * HOUR, s->now - 2 * HOUR, 301);
	assert_int_equal(s->n, 1);
	assert_string_equal(s->seen[0].series, "10.0.0.5");
	assert_true(s->seen[0].value == 1001);
	/* What was before, by its ticket alone; the next day it is too late. */
	memcpy(k.b, &a, sizeof(a));
	assert_false(window_total_past(s->w, 0, ticket + 1, &k, &past));
	assert_true(window_total_past(s->w, 0, ticket, &k, &past));
	window_total_told(s->w, 0, ticket);
	assert_false(window_total_past(s->w, 0, ticket, &k, &past));
	flow(s, "10.0.0.6", s->now, s->now, 1);
	assert_int_equal(s->n, 2);
	assert_true(s->seen[1].value == 3001);
}

static void a_reload_keeps_what_stays_and_ends_what_goes(void **state)
{
	struct site *s = *state;
	struct rule r = rule("volume", "", MEASURE_BYTES, BY_SRC);
	struct rules again = { xcalloc(1, sizeof(r)), 1 }, none = { xcalloc(1, sizeof(r)), 0 };

	r.above = 1000;
	start(s, r);
	pass(s, MIN);
	flow(s, "10.0.0.5", s->now, s->now, 2000);
	assert_int_equal(s->n, 1);
	again.at[0] = rule("volume", "", MEASURE_BYTES, BY_SRC);
	again.at[0].above = 1500;
	use(s, &again);
	rules_fini(&s->rules);
	flow(s, "10.0.0.5", s->now, s->now, 1);
	assert_int_equal(s->n, 1); /* still the same alert */
	use(s, &none);
	assert_int_equal(s->n, 2);
	assert_int_equal(s->seen[1].state, ALERT_RESOLVED);
	rules_fini(&again);
	free(none.at);
}

static void an_open_alert_survives_a_restart(void **state)
{
	struct site *s = *state;
	struct rule r = rule("volume", "", MEASURE_BYTES, BY_SRC);
	struct alert *old = alert_new();

	r.above = 1000;
	start(s, r);
	alert_new_id(old->id, s->now - MIN);
	old->rule = xstrdup("volume");
	old->series_id = xstrdup("src=10.0.0.5");
	old->series = xstrdup("10.0.0.5");
	old->filter = xstrdup("");
	old->by = BY_SRC;
	old->pending_ms = old->started_ms = s->now - MIN;
	old->peak = 5000;
	assert_true(eval_restore(s->e, old));
	flow(s, "10.0.0.5", s->now, s->now, 2000);
	assert_int_equal(s->n, 0); /* no second alert for it */
	pass(s, 5 * MIN);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->seen[0].state, ALERT_RESOLVED);
}

static void shown(void *arg, const struct series_value *v)
{
	*(double *)arg = v->value;
}

/* Only what changed is looked up again, and nothing else may be missing for it. */
static void what_is_judged_now_has_every_late_share_in_it(void **state)
{
	struct site *s = *state;
	struct rule r = rule("unusual", "", MEASURE_BITS_S, BY_EXPORTER);
	const struct slices *look;
	uint64_t seed = 1;

	r.window = BIN_SLICES;
	r.detector = detector_find("seasonal");
	r.conf = xcalloc(1, r.detector->conf_size);
	opt_defaults(r.detector->opts, r.conf);
	start(s, r);
	pass(s, MIN);
	look = window_slices(s->w);
	for (int i = 0; i < 300; i++) {
		struct key k = { 0 };
		struct sums sums[BIN_SLICES], all = { 0 };
		int64_t lasted, late;
		double value;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		lasted = (int64_t)(seed >> 40) % (4 * MIN);
		late = (int64_t)(seed >> 20) % (3 * MIN) - MIN; /* or of the future */
		flow(s, NULL, s->now - late - lasted, s->now - late, 1000000);
		if (seed >> 33 & 1)
			pass(s, (int64_t)(1 + (seed >> 50) % 9) * 10 * SEC);
		eval_tick(s->e, open_of(s), ++s->now, true);
		eval_values(s->e, shown, &value);
		look->sums(look->arg, 0, &k, window_newest(s->w) - BIN_SLICES + 1, BIN_SLICES,
			   sums);
		for (int j = 0; j < BIN_SLICES; j++)
			all.bytes += sums[j].bytes;
		assert_true(fabs(value - (double)all.bytes * 8 / 300) < 1);
	}
}

static void count_baselines(void *arg, const char *key, const void *data, size_t len)
{
	unsigned *n = arg;

	(void)data;
	(void)len;
	if (strstr(key, "hosts|src=10.0.9."))
		n[1]++;
	else if (strstr(key, "hosts|src=10.0."))
		n[0]++;
}

/* Sixteen seats; forty hosts chat, and four that come later do nearly all of the work. */
static void baselines_of_hosts_are_for_the_heavy(void **state)
{
	enum { CHATTERS = 40, WORKERS = 4 };
	struct site *s = *state;
	struct rule r = rule("hosts", "", MEASURE_BITS_S, BY_SRC);
	unsigned n[2] = { 0 };

	r.detector = detector_find("seasonal");
	r.window = BIN_SLICES;
	r.conf = xcalloc(1, r.detector->conf_size);
	opt_defaults(r.detector->opts, r.conf);
	start(s, r);
	for (int slice = 0; slice < 4 * BIN_SLICES; slice++) {
		for (int i = 0; i < CHATTERS + WORKERS; i++) {
			bool works = i >= CHATTERS;
			char src[24];

			if (works && slice < BIN_SLICES)
				continue;
			snprintf(src, sizeof(src), works ? "10.0.9.%d" : "10.0.0.%d", i);
			flow(s, src, s->now - 10 * SEC, s->now, works ? 1000000 : 200);
		}
		pass(s, 10 * SEC);
		if (slice == BIN_SLICES - 1) {
			eval_save(s->e, true, count_baselines, n);
			assert_int_equal(n[0], 16);
			n[0] = 0;
		}
	}
	eval_save(s->e, true, count_baselines, n);
	assert_int_equal(n[1], WORKERS);
	assert_int_equal(n[0], 16 - WORKERS);
}

int main(void)
{
#define WITH_SITE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest t[] = {
		WITH_SITE(a_22_hour_flow_raises_nothing),
		WITH_SITE(a_burst_reported_late_alerts),
		WITH_SITE(what_is_over_when_found_is_one_message),
		WITH_SITE(partial_sums_fire_at_once_and_clear_late),
		WITH_SITE(pending_lasts_as_long_as_for_says),
		WITH_SITE(a_drop_waits_for_late_flows_and_ignores_gaps),
		WITH_SITE(a_rule_may_have_a_limit_on_either_side),
		WITH_SITE(a_silent_exporter_is_no_drop),
		WITH_SITE(a_quota_warns_then_fires_and_ends_with_its_time),
		WITH_SITE(fan_out_is_a_measure),
		WITH_SITE(a_quota_counts_what_is_late_and_what_was_before_it),
		WITH_SITE(a_reload_keeps_what_stays_and_ends_what_goes),
		WITH_SITE(an_open_alert_survives_a_restart),
		WITH_SITE(what_is_judged_now_has_every_late_share_in_it),
		WITH_SITE(baselines_of_hosts_are_for_the_heavy),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
