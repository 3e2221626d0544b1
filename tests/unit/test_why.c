/* test_why.c - what alerts say, one row for each kind; to be read aloud.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/why.h"
#include "daemon/notify/story.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN = 60000, HOUR = 60 * MIN };
#define T0 INT64_C(1795430100000) /* 2026-11-23 10:35 UTC */

static struct evidence_opts opts = { .archive_dir = "" };

/* Everything that is not told has the value of an ordinary limit on bits/s. */
struct row {
	const char *what;
	struct alert a;
	struct change c;
	bool no_flows;
	const char *why;
};

#define WAN .series = (char *)"edge WAN in", .by = BY_INTERFACE
#define HOST .series = (char *)"10.20.0.66", .by = BY_HOST
#define WEEKS .against = CHANGE_WEEKS, .n_before = 3, .nearest = 1, .in_a_row = true
#define ROW(b, t, v, was, s) { .by = b, .text = (char *)t, .value = v, .before = was, .share = s }
#define M(k) .measure = { .kind = MEASURE_##k }

static const struct row rows[] = {
	{ "a limit, nothing to compare with",
	  { WAN, M(BITS_S), .value = 18.7e6, .threshold = 16e6, .pending_ms = T0 - MIN },
	  { .against = CHANGE_NOTHING },
	  false,
	  "edge WAN in: 18.7 Mbit/s over 1 minute since 10:34, over the limit of "
	  "16.0 Mbit/s. 71 % of it is 10.20.0.66, most of that from 198.51.100.10, "
	  "http (tcp 80)." },
	{ "a limit, and somebody who is new",
	  { WAN, M(BITS_S), .value = 18.7e6, .threshold = 16e6, .pending_ms = T0 - MIN },
	  { WEEKS, .value = 18.7e6, .before = 2.9e6, .n = 1,
	    .row = { ROW(BY_HOST, "host 10.20.0.66", 14.9e6, 0, 0.94) } },
	  false,
	  "edge WAN in: 18.7 Mbit/s over 1 minute since 10:34, over the limit of "
	  "16.0 Mbit/s; at this hour in the last three weeks it was 2.90 Mbit/s. 94 % of "
	  "the rise is 10.20.0.66, new: it moved nothing at this hour in the last three "
	  "weeks; most of that comes from 198.51.100.10, http (tcp 80)." },
	{ "a limit that is always crossed at this hour",
	  { WAN, M(BITS_S), .value = 18.7e6, .threshold = 16e6, .pending_ms = T0 - MIN },
	  { WEEKS, .value = 18.7e6, .before = 18.1e6 },
	  false,
	  "edge WAN in: 18.7 Mbit/s over 1 minute since 10:34, over the limit of "
	  "16.0 Mbit/s; at this hour in the last three weeks it was as much: 18.1 Mbit/s. "
	  "71 % of it is 10.20.0.66, most of that from 198.51.100.10, http (tcp 80)." },
	{ "a rise of nobody in particular",
	  { WAN, M(BITS_S), .value = 40e6, .threshold = 16e6, .pending_ms = T0 - MIN },
	  { .against = CHANGE_HOUR, .n_before = 1, .before_ms = HOUR, .value = 40e6,
	    .before = 10e6 },
	  false,
	  "edge WAN in: 40.0 Mbit/s over 1 minute since 10:34, over the limit of "
	  "16.0 Mbit/s; in the hour before it was 10.0 Mbit/s. No host, service or network "
	  "stands out: the rise is spread over many. 71 % of it is 10.20.0.66, most of that "
	  "from 198.51.100.10, http (tcp 80)." },
	{ "unusual for this hour, upwards",
	  { WAN, M(BITS_S), .value = 18.7e6, .threshold = 4e6, .pending_ms = T0,
	    .detector = (char *)"seasonal", .has_baseline = true, .low = 2e6, .median = 2.9e6,
	    .high = 4e6, .view = (char *)"a jump", .window_start_ms = T0 - 5 * MIN },
	  { WEEKS, .value = 18.7e6, .before = 2.9e6, .n = 2,
	    .row = { ROW(BY_PORT, "service dns (udp 53)", 15e6, 0.2e6, 0.94),
		     ROW(BY_HOST, "host 10.20.0.66", 14e6, 0.1e6, 0.88) } },
	  false,
	  "edge WAN in: 18.7 Mbit/s over 5 minutes since 10:30, normally 2.00 Mbit/s to 4.00 Mbit/s at "
	  "this hour, mostly 2.90 Mbit/s (noticed: a jump). 94 % of the rise is service dns "
	  "(udp 53), with 15.0 Mbit/s instead of 200 kbit/s at this hour in the last three "
	  "weeks; 88 % is host 10.20.0.66." },
	{ "unusual for this hour, downwards",
	  { WAN, M(BITS_S), .value = 0.3e6, .threshold = 2e6, .pending_ms = T0,
	    .detector = (char *)"seasonal", .has_baseline = true, .low = 2e6, .median = 2.9e6,
	    .high = 4e6, .view = (char *)"a drop", .window_start_ms = T0 - 5 * MIN,
	    .below = true },
	  { WEEKS, .value = 0.3e6, .before = 2.9e6, .n = 1,
	    .row = { ROW(BY_HOST, "host 10.20.0.5", 0, 2.1e6, 0.81) } },
	  false,
	  "edge WAN in: only 300 kbit/s over 5 minutes since 10:30, normally 2.00 Mbit/s to 4.00 Mbit/s "
	  "at this hour, mostly 2.90 Mbit/s (noticed: a drop). 81 % of what is missing is "
	  "10.20.0.5, which moves nothing now, and moved 2.10 Mbit/s at this hour in the "
	  "last three weeks." },
	{ "within what is normal, but for hours",
	  { WAN, M(BITS_S), .value = 3.8e6, .threshold = 4e6, .pending_ms = T0,
	    .detector = (char *)"seasonal", .has_baseline = true, .low = 2e6, .median = 2.9e6,
	    .high = 4e6, .view = (char *)"a slow rise over hours",
	    .window_start_ms = T0 - 5 * MIN },
	  { .against = CHANGE_NOTHING },
	  true,
	  "edge WAN in: 3.80 Mbit/s over 5 minutes since 10:30, normally 2.00 Mbit/s to 4.00 Mbit/s at "
	  "this hour, mostly 2.90 Mbit/s (noticed: a slow rise over hours; once would be "
	  "nothing, so long is unusual)." },
	{ "nothing at all",
	  { WAN, M(BITS_S), .value = 0, .threshold = 100e3, .below = true,
	    .window_start_ms = T0 - 10 * MIN, .pending_ms = T0 - 2 * MIN },
	  { .against = CHANGE_DAYS, .n_before = 1, .nearest = 1, .value = 0, .before = 3e6 },
	  true,
	  "edge WAN in: nothing in 10 minutes since 10:25, under the limit of 100 kbit/s; at "
	  "this hour yesterday it was 3.00 Mbit/s. No host, service or network stands out: "
	  "the fall is spread over many." },
	{ "a host over its limit, by its other ends",
	  { HOST, M(BITS_S), .value = 18.7e6, .threshold = 16e6, .pending_ms = T0 - MIN },
	  { WEEKS, .value = 18.7e6, .before = 2.9e6, .n = 1,
	    .row = { ROW(BY_HOST, "host 198.51.100.10", 14.9e6, 0, 0.94) } },
	  false,
	  "10.20.0.66: 18.7 Mbit/s over 1 minute since 10:34, over the limit of "
	  "16.0 Mbit/s; at this hour in the last three weeks it was 2.90 Mbit/s. 94 % of "
	  "the rise is with 198.51.100.10, new: they moved nothing at this hour in the last "
	  "three weeks." },
	{ "a quota",
	  { HOST, M(BYTES), .value = 21.3e9, .threshold = 20e9,
	    .window_start_ms = T0 - 22 * 24 * HOUR - 10 * HOUR - 35 * MIN, .pending_ms = T0 },
	  { .against = CHANGE_NOTHING },
	  false,
	  "10.20.0.66: 21.3 GB since 2026-11-01 00:00, over the 20.0 GB allowed. Its largest "
	  "flow is from 198.51.100.10, http (tcp 80)." },
	{ "the warning before it",
	  { HOST, M(BYTES), .value = 16.2e9, .threshold = 20e9, .warning_share = true,
	    .window_start_ms = T0 - 22 * 24 * HOUR - 10 * HOUR - 35 * MIN, .pending_ms = T0 },
	  { .against = CHANGE_NOTHING },
	  true,
	  "10.20.0.66: 16.2 GB since 2026-11-01 00:00, 81 % of the 20.0 GB allowed: a "
	  "warning, the limit is not reached." },
	{ "a quota whose month is over",
	  { HOST, M(BYTES), .state = ALERT_RESOLVED, .value = 0.1e9, .peak = 23e9,
	    .threshold = 20e9, .window_start_ms = T0 - 22 * 24 * HOUR, .pending_ms = T0,
	    .ended_ms = T0 + 180 * HOUR, .judged_ms = T0 + 181 * HOUR },
	  { .against = CHANGE_NOTHING },
	  true,
	  "10.20.0.66: the count began anew at 2026-11-30 22:35; 23.0 GB were used of the "
	  "20.0 GB allowed." },
	{ "back to normal",
	  { WAN, M(BITS_S), .state = ALERT_RESOLVED, .value = 3.1e6, .peak = 18.7e6,
	    .threshold = 16e6, .pending_ms = T0 - 12 * MIN, .ended_ms = T0,
	    .judged_ms = T0 + MIN },
	  { .against = CHANGE_NOTHING },
	  false,
	  "edge WAN in: back at 3.10 Mbit/s since 10:35, after 12 minutes; at the highest it "
	  "was 18.7 Mbit/s, over the limit of 16.0 Mbit/s. 71 % of it was 10.20.0.66, most "
	  "of that from 198.51.100.10, http (tcp 80)." },
	{ "there again",
	  { WAN, M(BITS_S), .state = ALERT_RESOLVED, .value = 3.1e6, .peak = 0, .below = true,
	    .threshold = 100e3, .pending_ms = T0 - 12 * MIN, .ended_ms = T0,
	    .judged_ms = T0 + MIN },
	  { .against = CHANGE_NOTHING },
	  true,
	  "edge WAN in: back at 3.10 Mbit/s since 10:35, after 12 minutes; at the lowest it "
	  "was nothing, under the limit of 100 kbit/s." },
	{ "found when it was over",
	  { WAN, M(BITS_S), .state = ALERT_RESOLVED, .was = true, .value = 18e6,
	    .peak = 18.7e6, .threshold = 16e6, .pending_ms = T0 - 12 * MIN,
	    .ended_ms = T0 - 10 * MIN },
	  { .against = CHANGE_NOTHING },
	  false,
	  "edge WAN in: for 2 minutes from 10:23 it was 18.7 Mbit/s, over the limit of "
	  "16.0 Mbit/s; it is over, and was told late because its flows came late. 71 % of "
	  "it was 10.20.0.66, most of that from 198.51.100.10, http (tcp 80)." },
	{ "counted by a sketch",
	  { HOST, M(PACKETS_S), .value = 250e3, .error = 4e3, .threshold = 200e3,
	    .pending_ms = T0 - MIN },
	  { .against = CHANGE_NOTHING },
	  true,
	  "10.20.0.66: at least 250 k packets/s over 1 minute since 10:34, over the limit of "
	  "200 k packets/s." },
	{ "how many peers: what changed is told in flows",
	  { HOST, M(PEERS), .value = 900, .threshold = 500, .pending_ms = T0 - MIN },
	  { WEEKS, .value = 40, .before = 2, .n = 1,
	    .row = { ROW(BY_PORT, "service telnet (tcp 23)", 38, 0, 1) } },
	  true,
	  "10.20.0.66: 900 peers in 1 minute since 10:34, over the limit of 500 peers. All "
	  "of the rise is service telnet (tcp 23), new: it moved nothing at this hour in the "
	  "last three weeks." },
};

static void fill_hosts(struct top_result *hosts, struct top_row *row)
{
	*row = (struct top_row){ .sums = { .bytes = 71, .packets = 71, .flows = 71 } };
	addr_parse("10.20.0.66", &row->value[0].addr);
	*hosts = (struct top_result){ .rows = row, .n = 1, .total = { 100, 100, 100 } };
}

static struct alert complete(const struct row *r, struct top_flow *flow)
{
	struct alert a = r->a;
	struct addr host;

	if (!a.window_end_ms)
		a.window_end_ms = T0;
	if (!a.window_start_ms)
		a.window_start_ms = T0 - MIN;
	if (a.state != ALERT_RESOLVED)
		a.state = ALERT_FIRING;
	addr_parse("10.20.0.66", &host);
	if (a.by == BY_HOST)
		memcpy(a.key.b, host.b, sizeof(host.b));
	*flow = (struct top_flow){ .src_port = 80, .dst_port = 50000, .proto = 6 };
	flow->dst = host;
	addr_parse("198.51.100.10", &flow->src);
	a.top = flow;
	a.n_top = !r->no_flows;
	return a;
}

static void every_kind_of_alert_can_be_read_aloud(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct change c = rows[i].c;
		struct top_flow flow;
		struct alert a = complete(&rows[i], &flow);
		struct top_result hosts;
		struct top_row row;
		struct found f = { .hosts = rows[i].no_flows ? NULL : &hosts, .change = &c };
		struct addr host;
		char *why;

		fill_hosts(&hosts, &row);
		for (unsigned k = 0; k < c.n; k++)
			if (c.row[k].by == BY_HOST &&
			    addr_parse(c.row[k].text + strlen("host "), &host))
				memcpy(c.row[k].key.b, host.b, sizeof(host.b));
		why = why_text(&opts, &a, &f);
		if (strcmp(why, rows[i].why))
			fail_msg("%s:\n%s\nnot\n%s", rows[i].what, why, rows[i].why);
		free(why);
	}
}

/* ---- what makes figures less certain ---- */

static void doubts_are_told_with_their_size(void **state)
{
	static const struct {
		struct alert a;
		const char *text;
	} doubts[] = {
		{ { .lost_flows = 0, .sampling = 1 }, "" },
		{ { .lost_flows = 1200 },
		  "1.20 k flows of this window were lost before they could be counted, so the "
		  "true value is higher." },
		{ { .dropped_datagrams = 1 },
		  "1 datagram of this window was lost before it could be counted, so the "
		  "true value is higher." },
		{ { .lost_flows = 12, .dropped_datagrams = 3, .below = true },
		  "12 flows and 3 datagrams of this window were lost before they could be "
		  "counted, so part of what is missing may be our loss." },
		{ { .sampling = 1000 },
		  "The exporter looks at one packet in 1000; the figures are scaled up." },
		{ { .error = 4e6, M(BITS_S) },
		  "There were too many keys to count each: the value may be up to 4.00 Mbit/s "
		  "too low." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(doubts); i++) {
		struct strb b = { 0 };

		story_quality(&doubts[i].a, &b);
		assert_string_equal(b.s, doubts[i].text);
		strb_free(&b);
	}
}

/* ---- flows of a proxy, as a line of the table ---- */

static void who_it_was_for_stands_behind_a_proxy_s_flow(void **state)
{
	static const struct {
		const char *src, *dst, *client, *line;
	} rows[] = {
		{ "198.51.100.10", "192.0.2.2", "10.20.0.66",
		  " 71 %  1.00 MB  198.51.100.10         192.0.2.2             for 10.20.0.66" },
		{ "10.20.0.1", "10.20.0.66", "10.20.0.66 (reception-pc)",
		  " 71 %  1.00 MB  10.20.0.1             10.20.0.66            "
		  "through the proxy" },
		{ "10.20.0.1", "10.20.0.6", "10.20.0.66",
		  " 71 %  1.00 MB  10.20.0.1             10.20.0.6             for 10.20.0.66" },
		{ "10.20.0.1", "10.20.0.6", NULL,
		  " 71 %  1.00 MB  10.20.0.1             10.20.0.6             http (tcp 80)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct top_flow f = { .src_port = 80, .dst_port = 40000, .proto = 6,
				      .bytes = 1000000, .share = 0.71,
				      .client = (char *)rows[i].client };
		struct alert a = { .top = &f, .n_top = 1 };
		struct strb b = { 0 };

		assert_true(addr_parse(rows[i].src, &f.src) && addr_parse(rows[i].dst, &f.dst));
		story_table(&a, 5, &b);
		assert_non_null(strchr(b.s, '\n'));
		assert_string_equal(strtok(strchr(b.s, '\n') + 1, "\n"), rows[i].line);
		strb_free(&b);
	}
}

static void a_digest_says_what_it_stands_for(void **state)
{
	static const struct {
		struct digest d;
		const char *text;
	} rows[] = {
		{ { .firing = 33, .to_ms = 200 }, "33 alerts fired, all within a second" },
		{ { .firing = 1, .resolved = 1, .to_ms = 60000 },
		  "1 alert fired, 1 is over, all within 1 minute" },
		{ { .firing = 2, .resolved = 12, .to_ms = 60000 },
		  "2 alerts fired, 12 are over, all within 1 minute" },
		{ { .resolved = 39, .to_ms = 5000 }, "39 alerts are over, all within 5 seconds" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct message m = { .digest = &rows[i].d };
		struct strb b = { 0 };

		story_headline(&m, &b);
		assert_string_equal(b.s, rows[i].text);
		strb_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_alert_can_be_read_aloud),
		cmocka_unit_test(doubts_are_told_with_their_size),
		cmocka_unit_test(a_digest_says_what_it_stands_for),
		cmocka_unit_test(who_it_was_for_stands_behind_a_proxy_s_flow),
	};

	struct names *names;
	int rc;

	setenv("TZ", "UTC", 1);
	tzset();
	opts.names = names = names_new(4);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	names_free(&names);
	return rc;
}
