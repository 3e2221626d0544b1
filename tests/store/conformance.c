/* conformance.c - one suite over every store in stores.def.
 * SPDX-License-Identifier: ISC
 *
 * Each case gets an empty store: a file in a directory of its own, or a database of a real
 * redis-server. What a case expects is what storage/store.h says.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "storage/store_impl.h"
#include "tests/store/redis_server.h"

enum { DAY0 = 1795392000 }; /* 2026-11-23 00:00 UTC */

struct place {
	const struct store_ops *ops;
	char dir[64], url[160];
	struct store_opts opts;
	struct store *s;
	uint64_t batch;
};

static struct redis_server redis;
static struct err err;

static void reopen(struct place *p)
{
	store_close(&p->s);
	p->s = store_open(p->url, &p->opts, &err);
	if (!p->s)
		fail_msg("%s", err.msg);
}

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	p->ops = *state;
	if (!strcmp(p->ops->name, "sqlite")) {
		snprintf(p->dir, sizeof(p->dir), "/tmp/culprit-store-XXXXXX");
		assert_non_null(mkdtemp(p->dir));
		snprintf(p->url, sizeof(p->url), "sqlite:%s/history.db", p->dir);
	} else if (!strcmp(p->ops->name, "redis")) {
		redis_server_do(&redis, "FLUSHALL");
		snprintf(p->url, sizeof(p->url), "%s?db=3", redis.url);
	} else {
		snprintf(p->url, sizeof(p->url), "%s", p->ops->schemes[0]);
	}
	reopen(p);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const part[] = { "", "-wal", "-shm" };
	struct place *p = *state;
	char path[160];

	store_close(&p->s);
	for (size_t i = 0; *p->dir && i < ARRAY_LEN(part); i++) {
		snprintf(path, sizeof(path), "%s/history.db%s", p->dir, part[i]);
		unlink(path);
	}
	if (*p->dir)
		assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

static void put(struct place *p, const struct put *puts, size_t n)
{
	if (!store_put(p->s, ++p->batch, puts, n, &err))
		fail_msg("%s", err.msg);
}

static struct put a_bin(const char *series, uint32_t step, int64_t start_s, uint64_t bytes)
{
	return (struct put){
		.kind = PUT_BIN, .series = series,
		.bin = { .step = step, .start_s = start_s, .covered = 0x3fffffff,
			 .bytes = bytes, .packets = bytes / 100, .flows = bytes / 1000,
			 .peak = (double)bytes * 1.5, .gauge = 0.25 },
	};
}

struct got {
	struct bin bins[4000];
	size_t n, stop_at;
};

static bool take_bin(void *arg, const struct bin *b)
{
	struct got *g = arg;

	assert_true(g->n < ARRAY_LEN(g->bins));
	g->bins[g->n++] = *b;
	return g->n != g->stop_at;
}

static struct got *read_bins(struct place *p, const char *series, uint32_t step,
			     int64_t from_s, int64_t to_s)
{
	static struct got g;

	g = (struct got){ .n = 0 };
	if (!store_each_bin(p->s, series, step, from_s, to_s, take_bin, &g, &err))
		fail_msg("%s", err.msg);
	return &g;
}

static void same_bin(const struct bin *a, const struct bin *b)
{
	assert_int_equal(a->start_s, b->start_s);
	assert_int_equal(a->step, b->step);
	assert_int_equal(a->covered, b->covered);
	assert_true(a->bytes == b->bytes && a->packets == b->packets && a->flows == b->flows);
	assert_true(a->peak == b->peak && a->gauge == b->gauge);
}

static void a_bin_reads_back_to_the_unit_and_a_second_put_replaces_it(void **state)
{
	struct put a = a_bin("wan", STEP_BIN, DAY0 + 300, 123456789012345);
	struct got *g;

	a.bin.peak = 0.1 + 0.2;
	a.bin.gauge = -1e-300;
	put(*state, &a, 1);
	g = read_bins(*state, "wan", STEP_BIN, DAY0, DAY0 + 86400);
	assert_int_equal(g->n, 1);
	same_bin(&g->bins[0], &a.bin);
	a.bin.bytes = a.bin.covered = 1;
	put(*state, &a, 1);
	g = read_bins(*state, "wan", STEP_BIN, 0, INT64_MAX);
	assert_int_equal(g->n, 1);
	same_bin(&g->bins[0], &a.bin);
}

static void what_was_not_put_is_a_gap_and_a_put_zero_is_not(void **state)
{
	struct put a[] = { a_bin("wan", STEP_BIN, DAY0 + 600, 7),
			   a_bin("wan", STEP_BIN, DAY0 + 1500, 0) };
	struct got *g;

	a[1].bin = (struct bin){ .start_s = DAY0 + 1500, .step = STEP_BIN };
	put(*state, a, 2);
	g = read_bins(*state, "wan", STEP_BIN, DAY0, DAY0 + 86400);
	assert_int_equal(g->n, 2);
	same_bin(&g->bins[0], &a[0].bin);
	same_bin(&g->bins[1], &a[1].bin);
	assert_int_equal(read_bins(*state, "lan", STEP_BIN, 0, INT64_MAX)->n, 0);
	assert_int_equal(read_bins(*state, "wan", STEP_HOUR, 0, INT64_MAX)->n, 0);
}

static void a_range_has_its_start_and_not_its_end_and_crosses_midnight(void **state)
{
	struct put a[600];
	struct got *g;

	for (int i = 0; i < 600; i++) /* out of order, over three days */
		a[i] = a_bin("wan", STEP_BIN, DAY0 + 80000 / 300 * 300 + i * 7 % 600 * 300,
			     (uint64_t)i);
	put(*state, a, 600);
	g = read_bins(*state, "wan", STEP_BIN, 0, INT64_MAX);
	assert_int_equal(g->n, 600);
	for (size_t i = 1; i < g->n; i++)
		assert_int_equal(g->bins[i].start_s, g->bins[i - 1].start_s + 300);
	g = read_bins(*state, "wan", STEP_BIN, DAY0 + 86100, DAY0 + 86700);
	assert_int_equal(g->n, 2);
	assert_int_equal(g->bins[0].start_s, DAY0 + 86100);
	assert_int_equal(g->bins[1].start_s, DAY0 + 86400);
	assert_int_equal(read_bins(*state, "wan", STEP_BIN, DAY0 + 86400, DAY0 + 86400)->n, 0);
	assert_int_equal(read_bins(*state, "wan", STEP_BIN, INT64_MIN, 300)->n, 0);
}

static void a_reader_can_stop(void **state)
{
	struct place *p = *state;
	struct got g = { .stop_at = 2 };
	struct put a[5];

	for (int i = 0; i < 5; i++)
		a[i] = a_bin("wan", STEP_BIN, DAY0 + i * 86400, 1);
	put(p, a, 5);
	assert_true(store_each_bin(p->s, "wan", STEP_BIN, 0, INT64_MAX, take_bin, &g, &err));
	assert_int_equal(g.n, 2);
	/* and the store is as good as before */
	assert_int_equal(read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->n, 5);
}

static void hours_and_local_days_are_kept_beside_bins(void **state)
{
	/* Local midnights around a change of clocks; zones east and west of Greenwich. */
	static const struct { int h, summer; } offset[] = {
		{ -11, 0 }, { -10, 1 }, { -8, 1 }, { -3, 0 }, { 0, 1 }, { 1, 1 }, { 9, 0 },
		{ 12, 1 }, { 13, 0 }, { 14, 0 },
	};
	struct put a[32];
	size_t n = 0;

	for (size_t z = 0; z < ARRAY_LEN(offset); z++) {
		char series[16];

		snprintf(series, sizeof(series), "z%d", offset[z].h);
		for (int d = 0; d < 30; d++)
			a[d] = a_bin(series, STEP_DAY,
				     DAY0 + (d + 25) * 86400 - offset[z].h * 3600 -
					     (d >= 14 ? 3600 * offset[z].summer : 0), (uint64_t)d);
		put(*state, a, 30);
		struct got *g = read_bins(*state, series, STEP_DAY, 0, INT64_MAX);

		assert_int_equal(g->n, 30);
		for (int d = 0; d < 30; d++)
			same_bin(&g->bins[d], &a[d].bin);
		g = read_bins(*state, series, STEP_DAY, a[3].bin.start_s,
			      a[20].bin.start_s);
		assert_int_equal(g->n, 17);
		same_bin(&g->bins[0], &a[3].bin);
	}
	for (; n < 30; n++)
		a[n] = a_bin("wan", STEP_HOUR, DAY0 + 8 * 86400 - 10 * 3600 + n * 3600, n);
	put(*state, a, n);
	struct got *g = read_bins(*state, "wan", STEP_HOUR, 0, INT64_MAX);

	assert_int_equal(g->n, 30);
	for (size_t i = 0; i < n; i++)
		same_bin(&g->bins[i], &a[i].bin);
}

static void an_amend_is_added_and_a_replayed_one_is_not(void **state)
{
	struct place *p = *state;
	struct put a = a_bin("wan", STEP_BIN, DAY0, 1000), more = a, fresh;
	struct bin sum;

	a.bin.covered = 0x0f;
	put(p, &a, 1);
	more.kind = PUT_AMEND;
	more.bin = (struct bin){ .start_s = DAY0, .step = STEP_BIN, .covered = 0xf0,
				 .bytes = 50, .packets = 5, .flows = 1, .peak = 9e9 };
	put(p, &more, 1);
	sum = (struct bin){ .start_s = DAY0, .step = STEP_BIN, .covered = 0xff, .bytes = 1050,
			    .packets = 15, .flows = 2, .peak = 9e9, .gauge = 0.25 };
	same_bin(&read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->bins[0], &sum);
	for (int i = 0; i < 3; i++)
		assert_true(store_put(p->s, p->batch, &more, 1, &err));
	same_bin(&read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->bins[0], &sum);
	fresh = more;
	fresh.series = "new";
	put(p, &fresh, 1);
	same_bin(&read_bins(p, "new", STEP_BIN, 0, INT64_MAX)->bins[0], &fresh.bin);
}

static void puts_and_amends_of_one_batch_work_in_their_order(void **state)
{
	struct put a[6];
	struct got *g;

	put(*state, (struct put[]){ a_bin("x", STEP_BIN, DAY0, 5) }, 1);
	a[0] = a_bin("x", STEP_BIN, DAY0, 1);       /* amend 5 -> 6 */
	a[0].kind = PUT_AMEND;
	a[1] = a_bin("y", STEP_HOUR, DAY0, 3);      /* new */
	a[2] = a_bin("x", STEP_BIN, DAY0, 10);      /* -> 16 */
	a[2].kind = PUT_AMEND;
	a[3] = a_bin("y", STEP_HOUR, DAY0, 100);    /* -> 103 */
	a[3].kind = PUT_AMEND;
	a[4] = a_bin("x", STEP_BIN, DAY0 + 300, 8); /* put, then put again */
	a[5] = a_bin("x", STEP_BIN, DAY0 + 300, 9);
	put(*state, a, 6);
	g = read_bins(*state, "x", STEP_BIN, 0, INT64_MAX);
	assert_int_equal(g->n, 2);
	assert_int_equal(g->bins[0].bytes, 16);
	assert_int_equal(g->bins[1].bytes, 9);
	g = read_bins(*state, "y", STEP_HOUR, 0, INT64_MAX);
	assert_int_equal(g->bins[0].bytes, 103);
	assert_true(g->bins[0].covered == 2u * 0x3fffffff); /* slices of roll-ups add up */
}

static void absurd_figures_are_kept_sane(void **state)
{
	struct put a = a_bin("wan", STEP_BIN, DAY0, UINT64_MAX);
	struct got *g;

	a.bin.peak = NAN;
	a.bin.gauge = INFINITY;
	put(*state, &a, 1);
	a.kind = PUT_AMEND;
	put(*state, &a, 1);
	g = read_bins(*state, "wan", STEP_BIN, 0, INT64_MAX);
	assert_true(g->bins[0].bytes == INT64_MAX);
	assert_true(g->bins[0].peak == 0 && g->bins[0].gauge == 0);
}

static void bad_puts_are_refused_whole(void **state)
{
	static const struct { struct put put; const char *says; } bad[] = {
		{ { .kind = PUT_BIN, .series = "", .bin = { .step = 300 } }, "no name" },
		{ { .kind = PUT_BIN, .series = "x", .bin = { .step = 60 } }, "neither" },
		{ { .kind = PUT_BIN, .series = "x", .bin = { .step = 300, .start_s = 7 } },
		  "cannot start" },
		{ { .kind = PUT_AMEND, .series = "x", .bin = { .step = 300, .start_s = -300 } },
		  "cannot start" },
		{ { .kind = PUT_ALERT, .key = "A", .state = "firing" }, "no text" },
		{ { .kind = PUT_BLOB, .key = "k", .data = "" }, "no name" },
		{ { .kind = PUT_BLOB, .space = "s", .key = "k", .data = "", .len = 1 << 30 },
		  "more than" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct put two[] = { a_bin("good", STEP_BIN, DAY0, 1), bad[i].put };

		assert_false(store_put(p->s, p->batch + 1, two, 2, &err));
		assert_non_null(strstr(err.msg, bad[i].says));
	}
	assert_int_equal(read_bins(p, "good", STEP_BIN, 0, INT64_MAX)->n, 0);
}

static bool take_text(void *arg, const char *text)
{
	strb_add(arg, text);
	strb_addc(arg, '\n');
	return true;
}

static const char *list_series(struct place *p, const char *prefix)
{
	static struct strb b;

	strb_free(&b);
	strb_add(&b, "");
	if (!store_each_series(p->s, prefix, take_text, &b, &err))
		fail_msg("%s", err.msg);
	return b.s;
}

static void series_with_odd_names_are_listed_sorted_and_read(void **state)
{
	static const char *const odd[] = {
		"A", "a b  c", "a\"quote\"'s", "a%7B", "a/../b/{c}", "a{", "b\\*?[x]",
		"b|x=\t\n\x01", "b|}{", "gr\xc3\xbc\xc3\x9f", "series", "}", "\xf0\x9f\x92\xa9",
		"\xff\xfe",
	};
	struct strb all = { 0 };

	for (size_t i = ARRAY_LEN(odd); i--;) {
		struct put a = a_bin(odd[i], STEP_BIN, DAY0, i + 1);

		put(*state, &a, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct got *g = read_bins(*state, odd[i], STEP_BIN, 0, INT64_MAX);

		assert_int_equal(g->n, 1);
		assert_int_equal(g->bins[0].bytes, i + 1);
		take_text(&all, odd[i]);
	}
	assert_string_equal(list_series(*state, ""), all.s);
	assert_string_equal(list_series(*state, "a{"), "a{\n");
	assert_string_equal(list_series(*state, "b|"), "b|x=\t\n\x01\nb|}{\n");
	assert_string_equal(list_series(*state, "zzz"), "");
	strb_free(&all);
}

static void thousands_of_series_are_listed_in_pages(void **state)
{
	static struct put a[2500];
	static char name[2500][16];
	const char *all;
	size_t lines = 0;

	for (int i = 0; i < 2500; i++) {
		snprintf(name[i], sizeof(name[i]), "s|%05d", i * 7 % 2500);
		a[i] = a_bin(name[i], STEP_BIN, DAY0, 1);
	}
	put(*state, a, 2500);
	all = list_series(*state, "s|");
	for (const char *c = all; (c = strchr(c, '\n')); c++)
		lines++;
	assert_int_equal(lines, 2500);
	assert_int_equal(strncmp(all, "s|00000\ns|00001\n", 16), 0);
	assert_int_equal(strlen(list_series(*state, "s|01")), 1000 * 8);
}

static bool take_blob(void *arg, const char *key, const void *data, size_t len)
{
	strb_fmt(arg, "%s=", key);
	strb_addn(arg, data, len);
	strb_addc(arg, ' ');
	assert_int_equal(((const char *)data)[len], 0);
	return true;
}

static const char *list_alerts(struct place *p, int64_t from, int64_t to, size_t limit)
{
	static struct strb b;

	strb_free(&b);
	strb_add(&b, "");
	if (!store_each_alert(p->s, from, to, limit, take_blob, &b, &err))
		fail_msg("%s", err.msg);
	return b.s;
}

static struct put an_alert(const char *id, int64_t at_ms, const char *state, const char *text)
{
	return (struct put){ .kind = PUT_ALERT, .key = id, .at_ms = at_ms, .state = state,
			     .data = text, .len = strlen(text) };
}

static void alerts_come_newest_first_within_range_and_limit(void **state)
{
	struct put a[] = { an_alert("A1", 1000, "firing", "one"),
			   an_alert("A3", 3000, "firing", "three"),
			   an_alert("A2", 2000, "resolved", "two"),
			   an_alert("A4", 3000, "firing", "four") };
	struct put again = an_alert("A1", 1000, "resolved", "one, over");

	assert_string_equal(list_alerts(*state, 0, INT64_MAX, 10), "");
	put(*state, a, 4);
	assert_string_equal(list_alerts(*state, 0, INT64_MAX, SIZE_MAX),
			    "A4=four A3=three A2=two A1=one ");
	assert_string_equal(list_alerts(*state, 1000, 3000, 10), "A2=two A1=one ");
	assert_string_equal(list_alerts(*state, INT64_MIN, INT64_MAX, 2), "A4=four A3=three ");
	assert_string_equal(list_alerts(*state, 0, INT64_MAX, 0), "");
	put(*state, &again, 1);
	assert_string_equal(list_alerts(*state, 0, 2001, 10), "A2=two A1=one, over ");
}

static const char *list_blobs(struct place *p, const char *space, const char *prefix)
{
	static struct strb b;

	strb_free(&b);
	strb_add(&b, "");
	if (!store_each_blob(p->s, space, prefix, take_blob, &b, &err))
		fail_msg("%s", err.msg);
	return b.s;
}

static struct put a_blob(const char *space, const char *key, const void *data, size_t len)
{
	return (struct put){ .kind = PUT_BLOB, .space = space, .key = key, .data = data,
			     .len = len };
}

static void blobs_are_binary_replaced_and_deleted(void **state)
{
	struct place *p = *state;
	uint8_t all[256];
	struct put a[] = { a_blob("state", "a/1", all, sizeof(all)), a_blob("state", "a/2", "x", 1),
			   a_blob("state", "b {}", "", 0), a_blob("other", "a/1", "o", 1) };
	struct put del[] = { a_blob("state", "a/1", NULL, 0), a_blob("state", "none", NULL, 0),
			     a_blob("state", "a/2", "y", 1) };
	void *data;
	size_t len;

	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)(255 - i);
	put(p, a, 4);
	assert_true(store_get_blob(p->s, "state", "a/1", &data, &len, &err));
	assert_int_equal(len, 256);
	assert_memory_equal(data, all, 256);
	free(data);
	assert_true(store_get_blob(p->s, "state", "b {}", &data, &len, &err));
	assert_non_null(data);
	assert_int_equal(len, 0);
	free(data);
	assert_true(store_get_blob(p->s, "state", "a/", &data, &len, &err));
	assert_null(data);
	put(p, del, 3);
	assert_string_equal(list_blobs(p, "state", ""), "a/2=y b {}= ");
	assert_string_equal(list_blobs(p, "state", "b"), "b {}= ");
	assert_string_equal(list_blobs(p, "other", NULL), "a/1=o ");
	assert_string_equal(list_blobs(p, "nothing", NULL), "");
}

static void a_big_blob_and_a_big_alert_go_through(void **state)
{
	struct place *p = *state;
	size_t size = STORE_DATA, len;
	char *big = xcalloc(1, size);
	struct put a[] = { a_blob("state", "big", big, size),
			   { .kind = PUT_ALERT, .key = "A", .at_ms = 1, .state = "firing",
			     .data = big, .len = size / 16 } };
	void *data;

	for (size_t i = 0; i < size; i++)
		big[i] = (char)(i * 2654435761u >> 24);
	put(p, a, 2);
	assert_true(store_get_blob(p->s, "state", "big", &data, &len, &err));
	assert_int_equal(len, size);
	assert_memory_equal(data, big, size);
	free(data);
	free(big);
}

static void what_is_older_than_its_keeping_is_forgotten(void **state)
{
	struct place *p = *state;
	int64_t day = 86400, now = DAY0 + 800 * day;
	struct put a[] = { a_bin("old", STEP_BIN, DAY0, 1),
			   a_bin("old", STEP_HOUR, DAY0, 2),
			   a_bin("mid", STEP_BIN, now - 36 * day, 3),
			   a_bin("mid", STEP_HOUR, now - 36 * day, 4),
			   a_bin("new", STEP_BIN, now - 34 * day, 5),
			   an_alert("A1", DAY0 * INT64_C(1000), "resolved", "old"),
			   an_alert("A2", (now - day) * 1000, "resolved", "new") };

	put(p, a, ARRAY_LEN(a));
	assert_true(store_expire(p->s, now * 1000, &err));
	assert_string_equal(list_alerts(p, 0, INT64_MAX, 10), "A2=new ");
	assert_string_equal(list_series(p, ""), "mid\nnew\n");
	assert_int_equal(read_bins(p, "mid", STEP_HOUR, 0, INT64_MAX)->n, 1);
	assert_int_equal(read_bins(p, "new", STEP_BIN, 0, INT64_MAX)->n, 1);
	if (!strcmp(p->ops->name, "redis"))
		return; /* its bins go by their time to live, see below */
	assert_int_equal(read_bins(p, "mid", STEP_BIN, 0, INT64_MAX)->n, 0);
	assert_int_equal(read_bins(p, "old", STEP_HOUR, 0, INT64_MAX)->n, 0);
}

static void what_was_put_is_there_after_a_reopen(void **state)
{
	struct place *p = *state;
	struct put a[] = { a_bin("wan", STEP_BIN, DAY0, 1), an_alert("A", 1, "firing", "x"),
			   a_blob("s", "k", "v", 1) };
	uint64_t batch;

	p->batch = 41;
	put(p, a, 3);
	if (!p->ops->keeps)
		return;
	reopen(p);
	assert_true(store_applied(p->s, &batch, &err));
	assert_int_equal(batch, 42);
	assert_int_equal(read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->n, 1);
	assert_string_equal(list_alerts(p, 0, 10, 10), "A=x ");
	assert_string_equal(list_blobs(p, "s", ""), "k=v ");
}

static void writers_number_their_batches_apart(void **state)
{
	struct place *p = *state;
	struct put a = a_bin("wan", STEP_BIN, DAY0, 1);
	uint64_t batch;

	p->batch = 99;
	put(p, &a, 1);
	if (!p->ops->keeps)
		return;
	p->opts.writer = "second";
	reopen(p);
	assert_true(store_applied(p->s, &batch, &err));
	assert_int_equal(batch, 0);
	a.bin.start_s += 300;
	p->batch = 0;
	put(p, &a, 1);
	assert_int_equal(read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->n, 2);
}

static void a_reader_sees_and_cannot_change(void **state)
{
	struct place *p = *state;
	struct put a = a_bin("wan", STEP_BIN, DAY0, 1);

	put(p, &a, 1);
	if (!p->ops->keeps)
		return;
	p->opts.read_only = true;
	struct store *reader = store_open(p->url, &p->opts, &err);

	assert_non_null(reader);
	assert_false(store_put(reader, 1000, &a, 1, &err));
	assert_false(store_expire(reader, 0, &err));
	a.bin.start_s += 300;
	put(p, &a, 1);
	store_close(&p->s);
	p->s = reader;
	assert_int_equal(read_bins(p, "wan", STEP_BIN, 0, INT64_MAX)->n, 2);
}

static void a_hundred_thousand_bins_go_in_and_out(void **state)
{
	enum { SERIES = 100, BINS = 1000, BATCH = 2000 };
	static struct put a[BATCH];
	static char name[SERIES][40];
	struct place *p = *state;
	uint64_t t = clock_mono_ns();
	double in, out;
	size_t n = 0;

	for (int i = 0; i < SERIES; i++)
		snprintf(name[i], sizeof(name[i]), "wan|interface=192.0.2.%d/WAN/in", i);
	/* As they come in life: every series' bin, then the next five minutes. */
	for (int b = 0; b < BINS; b++)
		for (int i = 0; i < SERIES; i++) {
			a[n++] = a_bin(name[i], STEP_BIN, DAY0 + b * 300, (uint64_t)b * 1000);
			if (n == BATCH) {
				put(p, a, n);
				n = 0;
			}
		}
	in = (double)(clock_mono_ns() - t) / 1e9;
	t = clock_mono_ns();
	for (int i = 0; i < SERIES; i++)
		assert_int_equal(read_bins(p, name[i], STEP_BIN, DAY0, INT64_MAX)->n, BINS);
	out = (double)(clock_mono_ns() - t) / 1e9;
	print_message("%s: 100000 bins in %.2f s (%.0f bins/s), out in %.2f s (%.0f bins/s)\n",
		      p->ops->name, in, 1e5 / in, out, 1e5 / out);
}

static void every_redis_key_has_a_time_to_live_and_shares_its_series_slot(void **state)
{
	struct place *p = *state;
	struct put a[] = { a_bin("wan", STEP_BIN, DAY0, 1), a_bin("wan", STEP_HOUR, DAY0, 1),
			   a_bin("wan", STEP_DAY, DAY0, 1), a_bin("wan", STEP_BIN, DAY0, 1),
			   an_alert("A", 1, "firing", "x"), a_blob("s", "k", "v", 1) };
	redisContext *c;
	redisReply *keys, *ttl;

	if (strcmp(p->ops->name, "redis"))
		return;
	a[3].kind = PUT_AMEND;
	put(p, a, ARRAY_LEN(a));
	c = redisConnectUnix(redis.socket);
	freeReplyObject(redisCommand(c, "SELECT 3"));
	keys = redisCommand(c, "KEYS *");
	assert_int_equal(keys->elements, 13);
	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;

		ttl = redisCommand(c, "TTL %s", key);
		if (ttl->integer <= 35 * 86400 - 60)
			fail_msg("%s lives for %lld s", key, ttl->integer);
		freeReplyObject(ttl);
		assert_int_equal(strncmp(key, "culprit:", 8), 0);
	}
	freeReplyObject(keys);
	keys = redisCommand(c, "GETRANGE culprit:{wan}:5m:2026-11-23 0 0");
	assert_string_equal(keys->str, "\x01");
	freeReplyObject(keys);
	keys = redisCommand(c, "HGET culprit:{alerts}:id:A state");
	assert_string_equal(keys->str, "firing");
	freeReplyObject(keys);
	keys = redisCommand(c, "XLEN culprit:{alerts}:changes");
	assert_int_equal(keys->integer, 1);
	freeReplyObject(keys);
	redisFree(c);
}

#define CASES \
	CASE(a_bin_reads_back_to_the_unit_and_a_second_put_replaces_it) \
	CASE(what_was_not_put_is_a_gap_and_a_put_zero_is_not) \
	CASE(a_range_has_its_start_and_not_its_end_and_crosses_midnight) \
	CASE(a_reader_can_stop) \
	CASE(hours_and_local_days_are_kept_beside_bins) \
	CASE(an_amend_is_added_and_a_replayed_one_is_not) \
	CASE(puts_and_amends_of_one_batch_work_in_their_order) \
	CASE(absurd_figures_are_kept_sane) \
	CASE(bad_puts_are_refused_whole) \
	CASE(series_with_odd_names_are_listed_sorted_and_read) \
	CASE(thousands_of_series_are_listed_in_pages) \
	CASE(alerts_come_newest_first_within_range_and_limit) \
	CASE(blobs_are_binary_replaced_and_deleted) \
	CASE(a_big_blob_and_a_big_alert_go_through) \
	CASE(what_is_older_than_its_keeping_is_forgotten) \
	CASE(what_was_put_is_there_after_a_reopen) \
	CASE(writers_number_their_batches_apart) \
	CASE(a_reader_sees_and_cannot_change) \
	CASE(a_hundred_thousand_bins_go_in_and_out) \
	CASE(every_redis_key_has_a_time_to_live_and_shares_its_series_slot)

int main(void)
{
#define CASE(f) { #f, f, set_up, tear_down, NULL },
	static const struct CMUnitTest cases[] = { CASES };
#undef CASE
	struct CMUnitTest t[ARRAY_LEN(cases)];
	int failed = 0;

	redis_server_init(&redis, NULL);
	for (size_t i = 0; store_kinds[i]; i++) {
		memcpy(t, cases, sizeof(t));
		for (size_t c = 0; c < ARRAY_LEN(t); c++) {
			t[c].name = xasprintf("%s: %s", store_kinds[i]->name, cases[c].name);
			t[c].initial_state = (void *)(uintptr_t)store_kinds[i];
		}
		failed += cmocka_run_group_tests_name(store_kinds[i]->name, t, NULL, NULL);
		for (size_t c = 0; c < ARRAY_LEN(t); c++)
			free((void *)(uintptr_t)t[c].name);
	}
	redis_server_fini(&redis);
	return failed;
}
