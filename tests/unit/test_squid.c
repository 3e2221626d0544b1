/* test_squid.c - requests in memory, the manager's pages, an alert explained.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include "daemon/base/clock.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/evidence.h"
#include "daemon/evidence/request_log.h"
#include "daemon/evidence/squid.h"
#include "daemon/evidence/squid_line.h"
#include "daemon/evidence/squid_live.h"

/* --- the manager's pages --- */

static const char requests_page[] =
    "Connection: 0x5625ee4209a8\n"
    "\tFD 16, read 112, wrote 0\n"
    "\tremote: 10.20.0.1:32984\n"
    "\tlocal: 10.20.0.1:3128\n"
    "uri http://vm:3128/squid-internal-mgr/active_requests\n"
    "logType TCP_MISS\n"
    "out.offset 0, out.size 0\n"
    "start 1795469032.850327 (0.000000 seconds ago)\n"
    "\n"
    "Connection: 0x5625ee3805c8\n"
    "\tremote: 10.20.0.66:49728\n"
    "uri http://u:p@cdn-7.example.net/big.iso?secret=1\n"
    "out.offset 7161560, out.size 7161891\n"
    "start 1795469029.857391 (2.992936 seconds ago)\n"
    "username -\n"
    "\n"
    "Connection: 0x1\n"
    "\tremote: [2001:db8::66]:5\r\n"
    "uri bank.example:443\r\n"
    "out.offset 1, out.size 18446744073709551616\r\n"
    "start 1795469029.857391 (2.9 seconds ago)\n"
    "Connection: 0x2\n" /* idle: nothing asked */
    "\tremote: 10.20.0.67:49728\n"
    "Connection: 0x3\n"
    "\tremote: 10.20.0.68:49728:x\n"
    "uri http://[2001:db8::1]:80/x\n"
    "start -1.5 (x)\n"
    "Connection: 0x4\n"
    "\tremote: 10.20.0.68:49728\n"
    "uri http://198.51.100.7/x\n"
    "start 1795469029.000001 (x";
static const char ipcache_page[] =
    "IP Cache Contents:\n\n"
    " Hostname                        Flg lstref    TTL  N(b)\n"
    " cdn-7.example.net.evil           H       3     -1  1( 0)          203.0.113.9-OK \n"
    " cdn-7.example.net                H       3     -1  2( 0)        198.51.100.10-OK \n"
    "                                                                198.51.100.11-OK \n"
    " bank.example                     N       3     -1  0( 0)";

static void told(void *arg, const struct request *r)
{
	char client[ADDR_TEXT], origin[ADDR_TEXT];

	assert_true(r->running);
	strb_fmt(arg, "%s:%u %s %s %llu %lld|", addr_text(&r->client, client),
		 r->client_port, addr_text(&r->origin, origin), r->url,
		 (unsigned long long)r->received, (long long)(r->end_ms - r->start_ms));
}

static void the_managers_pages_tell_what_is_running(void **state)
{
	struct strb b = { 0 };

	(void)state;
	squid_live_parse(requests_page, ipcache_page, URLS_FULL, INT64_C(1795469032857), told, &b);
	assert_string_equal(b.s,
			    "10.20.0.66:49728 198.51.100.10 cdn-7.example.net/big.iso 7161891 "
			    "3000|2001:db8::66:5 - bank.example:443 18446744073709551615 3000|"
			    "10.20.0.68:49728 198.51.100.7 198.51.100.7/x 0 3857|");
	strb_free(&b);
	squid_live_parse("", "", URLS_FULL, 0, told, &b);
	assert_int_equal(b.len, 0);
	/* Cut anywhere, it is only shorter. */
	for (size_t n = 0; n < sizeof(requests_page); n++) {
		char *page = xmemdup(requests_page, n + 1);
		char *cache = xmemdup(ipcache_page, n % sizeof(ipcache_page) + 1);

		page[n] = cache[n % sizeof(ipcache_page)] = '\0';
		squid_live_parse(page, cache, URLS_FULL, INT64_C(1795469032857), told, &b);
		free(page);
		free(cache);
	}
	strb_free(&b);
}

/* --- the follower --- */

static void write_log(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static char *log_line(int64_t end_ms, int took_ms, const char *client, const char *url,
		      unsigned long bytes)
{
	return xasprintf("%lld.%03d %6d %s TCP_MISS/200 %lu GET %s - "
			 "HIER_DIRECT/198.51.100.10 audio/mpeg\n",
			 (long long)(end_ms / 1000), (int)(end_ms % 1000), took_ms, client, bytes,
			 url);
}

static void what_was_logged_before_the_question_is_in_the_answer(void **state)
{
	char *dir = kit_dir(), *log = xasprintf("%s/access.log", dir);
	struct squid_opts o = { .log = log, .manager = "" };
	struct squid *s = squid_start(&o, 1, &(struct squid_place){ dir, NULL, 0, NULL });
	int64_t now_ms = clock_wall_ms();
	struct squid_stats stats;
	struct request **list;
	size_t n;

	(void)state;
	write_log(log, "no such format\n");
	for (int i = 1; i <= 20; i++) {
		char *l = log_line(now_ms, 1000, "10.20.0.66", "http://a/b", 5);

		write_log(log, l);
		list = squid_requests(s, now_ms - 500, now_ms + 1, false, &n);
		assert_int_equal(n, i);
		squid_give_back(list, n);
		/* It was over before, and had not begun. */
		list = squid_requests(s, now_ms + 1, now_ms + 500, false, &n);
		assert_int_equal(n, 0);
		squid_give_back(list, n);
		list = squid_requests(s, now_ms - 9000, now_ms - 1000, false, &n);
		assert_int_equal(n, 0);
		squid_give_back(list, n);
		free(l);
	}
	squid_stats(s, &stats);
	assert_int_equal(stats.lines, 20);
	assert_int_equal(stats.broken, 1);
	assert_int_equal(stats.kept, 20);
	squid_stop(&s);
	/* After a restart they are there again, and counted once. */
	s = squid_start(&o, 1, &(struct squid_place){ dir, NULL, 0, NULL });
	list = squid_requests(s, 0, INT64_MAX, false, &n);
	assert_int_equal(n, 20);
	squid_give_back(list, n);
	squid_stats(s, &stats);
	assert_int_equal(stats.lines, 0);
	assert_int_equal(stats.kept, 20);
	squid_stop(&s);
	free(log);
	kit_rm(dir);
}

static void two_hours_are_kept_and_no_more(void **state)
{
	char *dir = kit_dir(), *log = xasprintf("%s/access.log", dir);
	struct squid_opts o = { .log = log, .manager = "" };
	int64_t now_ms = clock_wall_ms();
	char *old = log_line(now_ms - 3 * 3600000, 0, "10.20.0.66", "http://a/old", 5);
	char *new = log_line(now_ms - 3600000, 0, "10.20.0.66", "http://a/new", 5);
	struct request **list;
	struct squid *s;
	size_t n;

	(void)state;
	write_log(log, old);
	write_log(log, new);
	s = squid_start(&o, 1, &(struct squid_place){ NULL, NULL, 0, NULL });
	list = squid_requests(s, 0, now_ms, false, &n);
	assert_int_equal(n, 1);
	assert_string_equal(list[0]->url, "a/new");
	squid_give_back(list, n);
	squid_stop(&s);
	free(old);
	free(new);
	free(log);
	kit_rm(dir);
}

/* A quota's day is longer than what memory holds; where both have a request it counts once. */
static void what_memory_forgot_comes_from_the_files(void **state)
{
	char *dir = kit_dir(), *log = xasprintf("%s/access.log", dir);
	struct squid_opts o = { .log = log, .manager = "" };
	int64_t now_ms = clock_wall_ms(), hour = 3600000;
	struct request_log *kept = request_log_open(dir, 0, now_ms - 9 * hour);
	struct request **list;
	uint64_t sum = 0;
	struct squid *s;
	char *l;
	size_t n;

	(void)state;
	for (int i = 1; i <= 9; i++) {
		struct request r = { .start_ms = now_ms - i * hour - 1000,
				     .end_ms = now_ms - i * hour, .url = "cdn/a",
				     .received = (uint64_t)1 << i };

		assert_true(addr_parse("10.20.0.66", &r.client));
		request_log_add(kept, &r, false, r.end_ms);
	}
	request_log_close(&kept, now_ms);
	l = log_line(now_ms - hour / 2, 1000, "10.20.0.66", "http://a/b", 1);
	write_log(log, l);
	free(l);
	s = squid_start(&o, 1, &(struct squid_place){ NULL, dir, 0, NULL });
	list = squid_requests(s, now_ms - 8 * hour - hour / 2, now_ms + 1, false, &n);
	for (size_t i = 0; i < n; i++)
		sum += list[i]->received;
	assert_int_equal(sum, 1 + (1 << 1) + (1 << 2) + (1 << 3) + (1 << 4) + (1 << 5) +
			      (1 << 6) + (1 << 7) + (1 << 8));
	squid_give_back(list, n);
	list = squid_requests(s, now_ms - 3 * hour, now_ms - 2 * hour, false, &n);
	assert_int_equal(n, 2); /* one ended as the time began */
	squid_give_back(list, n);
	squid_stop(&s);
	free(log);
	kit_rm(dir);
}

static void a_hundred_thousand_lines_are_parsed_in_a_second(void **state)
{
	char *l = log_line(INT64_C(1795469029373), 1000, "10.20.0.66",
			   "http://u:p@cdn-7.example.net/music/track06.mp3?session=1234567890",
			   2000331);
	size_t len = strlen(l) - 1;
	int64_t began = clock_mono_ms();
	char url[REQUEST_URL];
	struct request r;

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_true(squid_line(l, len, URLS_FULL, &r, url));
	began = clock_mono_ms() - began;
	print_message("100,000 lines in %lld ms\n", (long long)began);
	assert_true(began < 10000); /* generous: sanitizers, a busy machine */
	free(l);
}

/* --- an alert --- */

static void put_flow(struct block *b, const char *src, const char *dst, uint16_t src_port,
		     uint16_t dst_port, int64_t from_ms, int64_t to_ms, uint64_t bytes)
{
	uint32_t r = b->n++;

	assert_true(addr_parse(src, &b->src[r]) && addr_parse(dst, &b->dst[r]));
	b->src_port[r] = src_port;
	b->dst_port[r] = dst_port;
	b->proto[r] = 6;
	b->start_ms[r] = from_ms;
	b->end_ms[r] = b->received_ms[r] = to_ms;
	b->bytes[r] = bytes;
	b->packets[r] = bytes / 1000;
	b->via[r] = VIA_NETFLOW9;
}

static void an_alert_names_the_client_behind_the_proxy(void **state)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_via, F_src, F_dst,
					   F_src_port, F_dst_port, F_proto };
	char *dir = kit_dir(), *log = xasprintf("%s/access.log", dir);
	int64_t now_ms = clock_wall_ms() / 1000 * 1000, t0 = now_ms - 60000;
	struct addr proxy[2];
	struct squid_opts so = { log, "", proxy, 2, NULL, 0, URLS_FULL };
	struct names *names = kit_names(1);
	struct block *b = block_new(names);
	struct alert *a = alert_new();
	struct evidence_opts o = { .archive_dir = dir, .names = names, .memory = 1 << 20 };
	char *l;

	(void)state;
	assert_true(addr_parse("10.20.0.1", &proxy[0]) && addr_parse("192.0.2.2", &proxy[1]));
	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(b, used[i]);
	/* 8 MB for .66 and 1 MB for .11 on one connection, 1 MB direct. */
	put_flow(b, "198.51.100.10", "192.0.2.2", 80, 40000, t0, t0 + 20000, 8400000);
	put_flow(b, "198.51.100.10", "192.0.2.2", 80, 40000, t0 + 22000, t0 + 26000, 1050000);
	put_flow(b, "203.0.113.5", "10.20.0.12", 443, 50000, t0, t0 + 26000, 1000000);
	kit_write(dir, names, &b, 1, now_ms);
	for (int i = 0; i < 4; i++) {
		char *url = xasprintf("http://cdn-7.example.net/music/track%02d.mp3?k=v", i);

		l = log_line(t0 + 5000 * (i + 1), 5000, "10.20.0.66", url,
			     i == 3 ? 1990000 : 2000000 + (unsigned)i);
		write_log(log, l);
		free(l);
		free(url);
	}
	l = log_line(t0 + 26000, 4000, "10.20.0.11", "http://www.example.org/", 1000000);
	write_log(log, l);
	free(l);

	a->state = ALERT_FIRING;
	a->filter = xstrdup("");
	a->series = xstrdup("WAN in");
	a->window_start_ms = t0;
	a->window_end_ms = t0 + 30000;
	o.squid = squid_start(&so, 1, &(struct squid_place){ NULL, dir, 0, NULL });
	evidence_fill(&o, a);
	squid_stop(&o.squid);

	assert_int_equal(a->n_top, 2); /* by 5-tuple */
	assert_string_equal(a->top[0].client, "10.20.0.66");
	assert_int_equal(a->top[0].n_urls, 5);
	assert_string_equal(a->top[0].urls[0].url, "cdn-7.example.net/music/track02.mp3");
	assert_string_equal(a->top[0].urls[0].client, "10.20.0.66");
	assert_in_range(a->top[0].urls[0].bytes, 1990000, 2000003);
	assert_string_equal(a->top[0].urls[4].url, "www.example.org/");
	assert_string_equal(a->top[0].urls[4].client, "10.20.0.11");
	assert_null(a->top[1].client);
	assert_int_equal(a->top[1].n_urls, 0);
	assert_non_null(strstr(a->why, " 76 % of it is 10.20.0.66 fetching "
				       "cdn-7.example.net/music/track02.mp3 and 3 more through "
				       "the proxy."));
	assert_null(strstr(a->why, "explained"));
	alert_unref(&a);
	block_unref(&b);
	names_free(&names);
	free(log);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_managers_pages_tell_what_is_running),
		cmocka_unit_test(what_was_logged_before_the_question_is_in_the_answer),
		cmocka_unit_test(two_hours_are_kept_and_no_more),
		cmocka_unit_test(what_memory_forgot_comes_from_the_files),
		cmocka_unit_test(a_hundred_thousand_lines_are_parsed_in_a_second),
		cmocka_unit_test(an_alert_names_the_client_behind_the_proxy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
