/* test_change.c - what changed, against shares that were calculated by hand.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "daemon/evidence/change.h"
#include "flows.h"

#include <math.h>

enum { ROWS = 10, MB = 1000000, MINUTE = 60000 };
#define DAY INT64_C(86400000)

/* Flows of one minute, the same in each of its stretches. */
struct traffic {
	const char *src, *dst;
	uint16_t port;
	uint8_t proto;
	int mbytes;
};

struct expected {
	const char *text;
	double value, before; /* Mbytes */
	double share;
};

struct row {
	const char *what;
	bool drop;
	struct traffic before[ROWS], now[ROWS];
	struct expected rows[CHANGE_ROWS];
};

#define A "10.20.0.11"
#define B "10.20.0.12"
#define C "10.20.0.66"
#define X "198.51.100.10"
#define Y "198.51.100.20"
#define Z "198.51.100.30"

/* Shares: (now - before) / (all now - all before). */
static const struct row rows[] = {
	/* 30 MB became 100 MB: 60 of the 70 are C's, which all went to Z over http, and
	 * http grew from 20 to 80. A's 10 MB more are a seventh. */
	{ "a new host explains most; its peer explains nothing more",
	  false,
	  { { A, X, 443, 6, 10 }, { B, Y, 80, 6, 20 } },
	  { { A, X, 443, 6, 10 }, { B, Y, 80, 6, 20 }, { C, Z, 80, 6, 60 },
	    { A, X, 53, 17, 10 } },
	  { { "host " C, 60, 0, 60 / 70. },
	    { "conversation " C " and " Z, 60, 0, 60 / 70. },
	    { "service http (tcp 80)", 80, 20, 60 / 70. } } },
	/* 80 became 20: 45 of the 60 that are missing were A's, 15 C's. */
	{ "what is missing is told as well",
	  true,
	  { { A, X, 443, 6, 45 }, { B, Y, 80, 6, 20 }, { C, Z, 22, 6, 15 } },
	  { { B, Y, 80, 6, 20 } },
	  { { "host " A, 0, 45, 0.75 },
	    { "conversation " A " and " X, 0, 45, 0.75 },
	    { "service https (tcp 443)", 0, 45, 0.75 } } },
	/* Two hosts from two servers: neither is two thirds, both together all. The 30 that
	 * B and X have in common count once. */
	{ "two hosts are told where one is too few",
	  false,
	  { { A, Y, 22, 6, 10 } },
	  { { A, Y, 22, 6, 10 }, { B, X, 443, 6, 30 }, { C, Z, 443, 6, 20 } },
	  { { "service https (tcp 443)", 50, 0, 1 },
	    { "host " B, 30, 0, 0.6 },
	    { "host " C, 20, 0, 0.4 },
	    { "conversation " B " and " X, 30, 0, 0.6 },
	    { "conversation " C " and " Z, 20, 0, 0.4 } } },
	/* Everything doubled: each host has the part of it that it always had. TCP is all of
	 * it, before and now, and says nothing. */
	{ "what grew with all others comes without the obvious",
	  false,
	  { { A, X, 443, 6, 10 }, { B, Y, 80, 6, 40 } },
	  { { A, X, 443, 6, 20 }, { B, Y, 80, 6, 80 } },
	  { { "host " B, 80, 40, 0.8 },
	    { "conversation " B " and " Y, 80, 40, 0.8 },
	    { "service http (tcp 80)", 80, 40, 0.8 } } },
	{ "a twentieth more is no change",
	  false,
	  { { A, X, 443, 6, 100 } },
	  { { A, X, 443, 6, 104 } },
	  { { 0 } } },
};

struct site {
	char *dir;
	struct names *names;
	struct calendar *calendar;
};

static int set_up(void **state)
{
	struct site *s = xcalloc(1, sizeof(*s));
	struct prefix p;

	s->dir = kit_dir();
	s->names = kit_names(1);
	assert_true(prefix_parse("10.20.0.0/24", &p));
	names_network_add(s->names, "lan", &p);
	names_networks_done(s->names);
	s->calendar = calendar_new("Europe/Amsterdam", NULL);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	names_free(&s->names);
	calendar_free(&s->calendar);
	kit_rm(s->dir);
	free(s);
	return 0;
}

static void begin_again(struct site *s)
{
	kit_rm(s->dir);
	s->dir = kit_dir();
}

static void put(struct site *s, const struct traffic *t, int64_t at_ms)
{
	struct block *b = block_new(s->names);

	for (; t->src; t++) {
		struct flow_row f = { .start_ms = at_ms, .end_ms = at_ms + MINUTE,
				      .received_ms = at_ms + MINUTE + 1000,
				      .bytes = (uint64_t)t->mbytes * MB,
				      .packets = (uint64_t)t->mbytes * 1000,
				      .src = t->dst, .dst = t->src, .in_if = 2, .out_if = 1,
				      .src_port = t->port, .dst_port = 50000,
				      .proto = t->proto };

		flow_add(b, &f);
	}
	kit_write(s->dir, s->names, &b, 1, at_ms + MINUTE + 1000);
	block_unref(&b);
}

static struct change_query query(const struct site *s)
{
	return (struct change_query){
		.directory = s->dir, .names = s->names, .calendar = s->calendar,
		.from_ms = kit_t0, .to_ms = kit_t0 + MINUTE, .by = BY_NONE,
		.measure = { .kind = MEASURE_BYTES },
	};
}

static void find(const struct change_query *q, struct change *c)
{
	struct err err = { "" };

	change_find(q, c, &err);
	assert_string_equal(err.msg, "");
}

static void shares_are_those_calculated_by_hand(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct site *s = *state;
		const struct row *r = &rows[i];
		struct change_query q;
		struct change c;
		unsigned n = 0;

		begin_again(s);
		for (int w = 3; w; w--)
			put(s, r->before, kit_t0 - w * 7 * DAY);
		put(s, r->now, kit_t0);
		q = query(s);
		q.drop = r->drop;
		find(&q, &c);
		for (; r->rows[n].text; n++) {
			if (n >= c.n)
				fail_msg("%s: \"%s\" is missing", r->what, r->rows[n].text);
			if (strcmp(c.row[n].text, r->rows[n].text) ||
			    fabs(c.row[n].value - r->rows[n].value * MB) > 1 ||
			    fabs(c.row[n].before - r->rows[n].before * MB) > 1 ||
			    fabs(c.row[n].share - r->rows[n].share) > 1e-9)
				fail_msg("%s: %s is now %g, was %g, %g of it; not %s, %g, %g, %g",
					 r->what, c.row[n].text, c.row[n].value,
					 c.row[n].before, c.row[n].share, r->rows[n].text,
					 r->rows[n].value * MB, r->rows[n].before * MB,
					 r->rows[n].share);
		}
		if (c.n != n && !n)
			fail_msg("%s: %u rows", r->what, c.n);
		assert_int_equal(c.against, CHANGE_WEEKS);
		assert_int_equal(c.n_before, 3);
		change_fini(&c);
	}
}

/* ---- what is compared with ---- */

struct past {
	int hours[8]; /* ago; 0 ends */
	enum change_against against;
	unsigned n;
	const char *words;
};

static const struct traffic some[] = { { A, X, 443, 6, 10 }, { 0 } };
static const struct traffic more[] = { { A, X, 443, 6, 10 }, { C, X, 443, 6, 50 }, { 0 } };

/* kit_t0 is a Monday, so this is a Tuesday; 168 hours are a week. */
static void compared_is_with_weeks_else_days_else_the_hour_before(void **state)
{
	static const struct past pasts[] = {
		{ { 504, 336, 168, 24 }, CHANGE_WEEKS, 3,
		  "at this hour in the last three weeks" },
		{ { 672, 504, 168, 24 }, CHANGE_WEEKS, 3,
		  "at this hour in three earlier weeks" },
		{ { 168, 24 }, CHANGE_WEEKS, 1, "at this hour a week ago" },
		{ { 336, 24 }, CHANGE_WEEKS, 1, "at this hour two weeks ago" },
		{ { 48, 24 }, CHANGE_DAYS, 1, "at this hour yesterday" },
		{ { 120, 96, 48, 24 }, CHANGE_DAYS, 3,
		  "at this hour on three earlier working days" },
		{ { 96, 48 }, CHANGE_DAYS, 1, "at this hour 4 days ago" },
		{ { 48, 1 }, CHANGE_HOUR, 1, "in the hour before" },
		{ { 0 }, CHANGE_NOTHING, 0, "" },
	};

	const int64_t now = kit_t0 + DAY;

	for (size_t i = 0; i < ARRAY_LEN(pasts); i++) {
		struct site *s = *state;
		const struct past *p = &pasts[i];
		char words[CHANGE_WORDS];
		struct change_query q;
		struct change c;

		begin_again(s);
		for (int k = 0; k < 8 && p->hours[k]; k++)
			put(s, some, now - p->hours[k] * DAY / 24);
		put(s, more, now);
		q = query(s);
		q.from_ms = now;
		q.to_ms = now + MINUTE;
		find(&q, &c);
		assert_string_equal(change_when(&c, words), p->words);
		assert_int_equal(c.against, p->against);
		assert_int_equal(c.n_before, p->n);
		change_fini(&c);
	}
}

/* Summer time ended on 25 October 2026. */
static void an_hour_is_the_same_on_the_wall_clock(void **state)
{
	struct site *s = *state;
	int64_t now = calendar_unix(s->calendar, 2026, 10, 29, 10, 0, 0) * 1000;
	int64_t then = calendar_unix(s->calendar, 2026, 10, 22, 10, 0, 0) * 1000;
	struct change_query q = query(s);
	struct change c;

	begin_again(s);
	q.directory = s->dir;
	put(s, some, then);
	put(s, more, now);
	assert_true(now - then == 7 * DAY + DAY / 24);
	q.from_ms = now;
	q.to_ms = now + MINUTE;
	find(&q, &c);
	assert_int_equal(c.against, CHANGE_WEEKS);
	assert_true(fabs(c.before - 10. * MB) < 1);
	change_fini(&c);
}

static void a_week_without_the_exporter_is_no_zero(void **state)
{
	struct site *s = *state;
	struct change_query q;
	struct key edge = { { 0 } };
	struct change c;

	begin_again(s);
	put(s, some, kit_t0 - 14 * DAY);
	put(s, some, kit_t0 - 7 * DAY);
	put(s, more, kit_t0);
	q = query(s);
	q.only = &edge;
	q.by = BY_EXPORTER;
	find(&q, &c);
	assert_int_equal(c.n_before, 2);
	change_fini(&c);
	edge.b[0] = 7; /* another one, which sent nothing */
	find(&q, &c);
	assert_int_equal(c.n_before, 0);
	change_fini(&c);
}

/* ---- one position, one answer ---- */

static void expect_same(const struct change *a, const struct change *b)
{
	assert_int_equal(a->n, b->n);
	assert_true(a->value == b->value && a->before == b->before);
	for (unsigned i = 0; i < a->n; i++) {
		assert_string_equal(a->row[i].text, b->row[i].text);
		assert_true(a->row[i].share == b->row[i].share);
		assert_true(a->row[i].value == b->row[i].value);
	}
}

/* So many flows that only some are counted: still one answer, and near the truth. */
static void a_sample_is_near_the_truth_and_always_the_same(void **state)
{
	enum { BLOCKS = 60 };
	struct site *s = *state;
	struct block *b[BLOCKS];
	struct archive_position at;
	struct change_query q;
	struct change c, again;
	struct archive *a;
	uint64_t seed = 7;
	double share = 0;

	begin_again(s);
	put(s, some, kit_t0 - 7 * DAY);
	a = kit_start(s->dir, s->names, &at);
	for (int i = 0; i < BLOCKS; i++) {
		b[i] = kit_block(s->names, BLOCK_ROWS, kit_t0 + 30000, &seed);
		for (uint32_t r = 0; r < b[i]->n; r++) {
			b[i]->start_ms[r] = b[i]->end_ms[r] = kit_t0 + r;
			b[i]->bytes[r] = 1000;
			if (r % 4 == 0) /* a quarter is C's */
				addr_parse(C, &b[i]->dst[r]);
		}
		archive_block(a, block_ref(b[i]), kit_t0 + 30000);
	}
	archive_mark(a, alert_new());
	archive_stop(&a);
	q = query(s);
	q.as_of = at;
	find(&q, &c);
	assert_true(c.counted < c.seen);
	for (unsigned i = 0; i < c.n && !share; i++)
		if (!strcmp(c.row[i].text, "host " C))
			share = c.row[i].share;
	/* 61.4 of the 245.8 MB are C's; 10 MB there were before. */
	assert_true(fabs(share - 61.44 / 235.76) < 0.01);
	a = kit_start(s->dir, s->names, NULL);
	for (int i = 0; i < 3; i++)
		archive_block(a, block_ref(b[i]), kit_t0 + 30000);
	archive_stop(&a);
	find(&q, &again);
	expect_same(&c, &again);
	change_fini(&c);
	change_fini(&again);
	for (int i = 0; i < BLOCKS; i++)
		block_unref(&b[i]);
}

/* Among a quarter of a million small flows, of which some are counted, one is large. */
static void one_large_flow_is_never_missed(void **state)
{
	enum { BLOCKS = 60 };
	struct site *s = *state;
	struct change_query q;
	struct change c;
	struct archive *a;
	uint64_t seed = 9;

	begin_again(s);
	put(s, some, kit_t0 - 7 * DAY);
	a = kit_start(s->dir, s->names, NULL);
	for (int i = 0; i < BLOCKS; i++) {
		struct block *b = kit_block(s->names, BLOCK_ROWS, kit_t0 + 30000, &seed);

		for (uint32_t r = 0; r < b->n; r++) {
			b->start_ms[r] = b->end_ms[r] = kit_t0 + r;
			b->bytes[r] = 400;
		}
		if (i == 33) {
			b->bytes[1234] = 100 * MB;
			addr_parse(C, &b->dst[1234]);
			addr_parse(Z, &b->src[1234]);
		}
		archive_block(a, b, kit_t0 + 30000);
	}
	archive_stop(&a);
	q = query(s);
	find(&q, &c);
	assert_true(c.counted < c.seen);
	assert_true(c.n > 0);
	assert_string_equal(c.row[0].text, "host " C);
	assert_true(fabs(c.row[0].value - 100. * MB) < MB);
	change_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_those_calculated_by_hand),
		cmocka_unit_test(compared_is_with_weeks_else_days_else_the_hour_before),
		cmocka_unit_test(an_hour_is_the_same_on_the_wall_clock),
		cmocka_unit_test(a_week_without_the_exporter_is_no_zero),
		cmocka_unit_test(one_large_flow_is_never_missed),
		cmocka_unit_test(a_sample_is_near_the_truth_and_always_the_same),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
