/* test_baseline.c - what becomes of a baseline: restart, upgrade, silence, a level that stays.
 * SPDX-License-Identifier: ISC
 *
 * One link through the daemon's analysis (weeks.h): an office's day, weeks of it, with a
 * factor here and there.
 */
#include "test.h"

#include "archive_kit.h"
#include "storage/store.h"
#include "weeks.h"

enum { DAY = 288, WEEK = 2016, BIN_S = 300 };

static const int64_t begin_s = 1788739200; /* Monday 2026-09-07 00:00 UTC */

struct rig {
	char *dir, *url;
	struct calendar *cal;
	struct writer *writer;
	struct weeks *w;
	int bin;
};

static void open_rig(struct rig *r)
{
	struct err err = { "" };

	*r = (struct rig){ .dir = kit_dir() };
	r->url = xasprintf("sqlite:%s/history.db", r->dir);
	r->cal = calendar_new("UTC", &err);
}

static void begin(struct rig *r, bool recall)
{
	int64_t at_s = begin_s + (int64_t)r->bin * BIN_S;
	struct writer_opts wo = { .url = r->url, .state_dir = r->dir };
	struct store_opts so = { .read_only = true };
	struct err err = { "" };
	struct store *s;

	r->writer = writer_start(&wo, &err);
	assert_string_equal(err.msg, "");
	r->w = weeks_new(r->cal, r->writer, weeks_rules("seasonal", 0), at_s);
	if (!recall)
		return;
	s = store_open(r->url, &so, &err);
	assert_non_null(s);
	assert_true(analysis_recall(r->w->a, s, at_s * 1000, &err));
	store_close(&s);
}

static void end(struct rig *r)
{
	weeks_free(&r->w);
	writer_stop(&r->writer, 10000);
}

static void close_rig(struct rig *r)
{
	end(r);
	calendar_free(&r->cal);
	kit_rm(r->dir);
	free(r->url);
}

static void pass(struct rig *r, int bins, double times)
{
	for (; bins > 0; bins--, r->bin++) {
		double hour = r->bin % DAY / 12.0;
		bool rest = r->bin % WEEK >= 5 * DAY;
		double d = (hour - 13) / 3, v = 0.1 + (rest ? 0.1 : 1) * exp(-0.5 * d * d);

		v *= 2e7 * times * (0.85 + 0.3 * weeks_draw(&r->w->seed));
		weeks_bin(r->w, 1, &v);
	}
}

static unsigned firing(const struct rig *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->w->n; i++)
		n += r->w->alert[i].link && !r->w->alert[i].ended_ms;
	return n;
}

static void what_was_learnt_outlives_a_restart(void **unused)
{
	struct rig r;

	(void)unused;
	open_rig(&r);
	begin(&r, false);
	pass(&r, 3 * WEEK + DAY + 140, 1);
	end(&r);
	r.bin += 6; /* half an hour nobody saw */
	begin(&r, true);
	pass(&r, 12, 1);
	assert_int_equal(firing(&r), 0);
	pass(&r, 6, 6);
	assert_int_equal(firing(&r), 1);
	close_rig(&r);
}

static void forget_version(void *arg, const char *key, const void *data, size_t len)
{
	struct rig *r = arg;
	struct baseline_head *h = xmemdup(data, len);
	struct put p = { .kind = PUT_BLOB, .space = "baseline", .key = key, .data = h,
			 .len = len };

	h->version++;
	writer_put(r->writer, &p);
	free(h);
}

static bool each(void *arg, const char *key, const void *data, size_t len)
{
	if (!strchr(key, '*'))
		forget_version(arg, key, data, len);
	return true;
}

static void what_another_version_kept_is_not_used(void **unused)
{
	struct store_opts so = { .read_only = true };
	struct err err = { "" };
	struct store *s;
	struct rig r;

	(void)unused;
	open_rig(&r);
	begin(&r, false);
	pass(&r, 2 * WEEK + 140, 1);
	assert_true(writer_sync(r.writer, 60000));
	s = store_open(r.url, &so, &err);
	assert_true(store_each_blob(s, "baseline", "", each, &r, &err));
	store_close(&s);
	end(&r);
	begin(&r, true);
	pass(&r, 6, 6); /* it knows nothing, so it says nothing */
	assert_int_equal(firing(&r), 0);
	close_rig(&r);
}

static void a_week_in_a_silence_teaches_nothing(void **unused)
{
	struct rig r;

	(void)unused;
	open_rig(&r);
	begin(&r, false);
	pass(&r, 3 * WEEK, 1);
	r.w->quiet_from_ms = r.w->now_ms;
	r.w->quiet_to_ms = r.w->now_ms + (int64_t)7 * 86400000;
	pass(&r, WEEK, 5);
	pass(&r, DAY + 100, 1);
	assert_int_equal(firing(&r), 0);
	pass(&r, 6, 5);
	assert_int_equal(firing(&r), 1);
	close_rig(&r);
}

static void a_level_that_stays_becomes_normal_and_that_is_said(void **unused)
{
	unsigned said = 0;
	struct rig r;

	(void)unused;
	open_rig(&r);
	begin(&r, false);
	pass(&r, 3 * WEEK + 100, 1);
	pass(&r, 12 * DAY, 3);
	for (size_t i = 0; i < r.w->n; i++)
		said += strstr(r.w->alert[i].why, "taken as the new normal") != NULL;
	assert_in_range(said, 1, 2); /* the link's, and that of all out of nowhere */
	assert_int_equal(firing(&r), 0);
	close_rig(&r);
}

/* An office with a job at three in the night, by the clock on the wall. */
static void pass_local(struct rig *r, int bins)
{
	for (; bins > 0; bins--, r->bin++) {
		struct local_time t;
		double d, v;

		calendar_at(r->cal, begin_s + (int64_t)r->bin * BIN_S, &t);
		d = (t.hour + t.minute / 60.0 - 13) / 3;
		v = 0.1 + (t.rest ? 0.1 : 1) * exp(-0.5 * d * d);
		v *= 2e7 * (0.85 + 0.3 * weeks_draw(&r->w->seed));
		if (t.hour == 3 && t.minute < 40)
			v += 3e7;
		weeks_bin(r->w, 1, &v);
	}
}

/* Amsterdam turns its clocks back on the twenty-first day. */
static void a_job_keeps_its_hour_when_the_clock_changes(void **unused)
{
	struct err err = { "" };
	struct rig r;
	size_t before;

	(void)unused;
	open_rig(&r);
	calendar_free(&r.cal);
	r.cal = calendar_new("Europe/Amsterdam", &err);
	assert_non_null(r.cal);
	r.bin = 28 * DAY; /* Monday 2026-10-05 */
	begin(&r, false);
	pass_local(&r, 20 * DAY - 24);
	before = r.w->n;
	pass_local(&r, 3 * DAY);
	assert_int_equal(r.w->n, before);
	pass(&r, 6, 6);
	assert_int_equal(firing(&r), 1);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(what_was_learnt_outlives_a_restart),
		cmocka_unit_test(what_another_version_kept_is_not_used),
		cmocka_unit_test(a_week_in_a_silence_teaches_nothing),
		cmocka_unit_test(a_level_that_stays_becomes_normal_and_that_is_said),
		cmocka_unit_test(a_job_keeps_its_hour_when_the_clock_changes),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
