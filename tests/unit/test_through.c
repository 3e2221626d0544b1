/* test_through.c - who asked the proxy for what, from the archive alone.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include "daemon/evidence/proxy_flows.h"
#include "daemon/evidence/request_log.h"
#include "daemon/evidence/through.h"

enum { EXPORTERS = 3 };

struct site {
	char *dir;
	struct names *names;
	struct block *b;
	struct request_log *log;
	struct addr addr[2];
	struct through_proxy proxy;
	struct filter *all;
};

static void put(struct site *s, uint32_t exporter, const char *src, const char *dst,
		uint16_t src_port, uint16_t dst_port, int from_s, int to_s, uint64_t bytes)
{
	uint32_t r = s->b->n++;

	assert_true(addr_parse(src, &s->b->src[r]) && addr_parse(dst, &s->b->dst[r]));
	s->b->exporter[r] = exporter;
	s->b->src_port[r] = src_port;
	s->b->dst_port[r] = dst_port;
	s->b->proto[r] = 6;
	s->b->start_ms[r] = kit_t0 + from_s * 1000;
	s->b->end_ms[r] = s->b->received_ms[r] = kit_t0 + to_s * 1000;
	s->b->bytes[r] = bytes;
	s->b->packets[r] = bytes / 1000;
}

static void asked(struct site *s, const char *client, const char *url, int from_s, int to_s,
		  uint64_t received, bool cached)
{
	struct request r = { .start_ms = kit_t0 + from_s * 1000,
			     .end_ms = kit_t0 + to_s * 1000, .received = received,
			     .cached = cached, .url = (char *)url };

	assert_true(addr_parse(client, &r.client));
	if (!cached)
		assert_true(addr_parse("198.51.100.10", &r.origin));
	request_log_add(s->log, &r, false, kit_t0 + 60000);
}

/* 8 MB for .66 and 1 MB for .11 on both legs, half a megabyte from the cache, 1 MB
 * direct; the WAN side is seen by two exporters. */
static int setup(void **state)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_src, F_dst, F_src_port,
					   F_dst_port, F_proto };
	struct site *s = xcalloc(1, sizeof(*s));

	s->dir = kit_dir();
	s->names = kit_names(EXPORTERS);
	s->b = block_new(s->names);
	s->all = filter_compile("", NULL);
	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(s->b, used[i]);
	assert_true(addr_parse("10.20.0.1", &s->addr[0]) &&
		    addr_parse("192.0.2.2", &s->addr[1]));
	s->proxy = (struct through_proxy){ s->addr, 2, NULL, URLS_FULL };
	for (uint32_t e = 1; e < EXPORTERS; e++)
		put(s, e, "198.51.100.10", "192.0.2.2", 80, 40000, 0, 24, 9200000);
	put(s, 0, "10.20.0.1", "10.20.0.66", 3128, 50000, 0, 20, 8200000);
	put(s, 0, "10.20.0.1", "10.20.0.11", 3128, 50001, 20, 25, 1520000);
	put(s, 0, "10.20.0.66", "10.20.0.1", 50000, 3128, 0, 20, 80000);
	put(s, 0, "203.0.113.5", "10.20.0.12", 443, 50000, 0, 26, 1000000);
	s->log = request_log_open(s->dir, 0, kit_t0);
	for (int i = 0; i < 4; i++) {
		char url[64];

		snprintf(url, sizeof(url), "cdn-7.example.net/music/track%d.mp3", i);
		asked(s, "10.20.0.66", url, 5 * i, 5 * i + 5, 2000000, false);
	}
	asked(s, "10.20.0.11", "www.example.org:443", 20, 24, 1000000, false);
	asked(s, "10.20.0.11", "http.example.org/a", 24, 25, 500000, true);
	request_log_close(&s->log, kit_t0 + 61000);
	kit_write(s->dir, s->names, &s->b, 1, kit_t0 + 30000);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	block_unref(&s->b);
	names_free(&s->names);
	filter_free(&s->all);
	kit_rm(s->dir);
	free(s);
	return 0;
}

static int64_t until_ms; /* of the questions below */

static struct through_result ask(struct site *s, const char *by, int from_s, int to_s,
				 unsigned n, size_t max, const struct filter *f)
{
	struct through_query q = {
		.directory = s->dir, .from_ms = kit_t0 + from_s * 1000,
		.to_ms = kit_t0 + to_s * 1000, .filter = f ? f : s->all, .names = s->names,
		.proxies = &s->proxy, .n_proxies = 1, .n = n, .max = max, .until_ms = until_ms,
	};
	struct through_result r;
	struct err err = { "" };
	int keys = through_keys_parse(by, q.keys, &err);

	assert_true(keys > 0);
	q.n_keys = (unsigned)keys;
	assert_true(through_run(&q, &r, &err));
	return r;
}

static void nothing_counts_twice_whoever_saw_it(void **state)
{
	struct through_result r = ask(*state, "client", 0, 60, 10, 0, NULL);

	/* The LAN leg explains most, for only it has the cached answer. */
	assert_int_equal(r.bytes, 8200000 + 1520000 + 80000);
	assert_int_equal(r.explained, 9500000);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.rows[0].value[0], "10.20.0.66");
	assert_int_equal(r.rows[0].bytes, 8000000);
	assert_int_equal(r.rows[0].requests, 4);
	assert_string_equal(r.rows[1].value[0], "10.20.0.11");
	assert_int_equal(r.rows[1].bytes, 1500000);
	assert_int_equal(r.requests, 6);
	through_free(&r);
}

static void a_filter_chooses_the_leg(void **state)
{
	struct filter *f = filter_compile("dst host 192.0.2.2", NULL);
	struct through_result r = ask(*state, "site", 0, 60, 1, 0, f);

	assert_int_equal(r.bytes, 9200000);
	assert_int_equal(r.explained, 9000000);
	assert_int_equal(r.distinct, 2);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.rows[0].value[0], "cdn-7.example.net");
	assert_int_equal(r.rows[0].requests, 4);
	through_free(&r);
	filter_free(&f);
}

static void keys_go_together(void **state)
{
	struct through_result r = ask(*state, "site,client", 0, 60, 10, 0, NULL);

	assert_int_equal(r.n, 3);
	assert_string_equal(r.rows[0].value[0], "cdn-7.example.net");
	assert_string_equal(r.rows[0].value[1], "10.20.0.66");
	assert_string_equal(r.rows[1].value[0], "www.example.org:443");
	through_free(&r);
	r = ask(*state, "url", 0, 60, 10, 0, NULL);
	assert_int_equal(r.n, 6);
	assert_string_equal(r.rows[0].value[0], "cdn-7.example.net/music/track0.mp3");
	assert_int_equal(r.rows[0].bytes, 2000000);
	through_free(&r);
}

static void a_part_of_the_time_has_its_part_of_the_octets(void **state)
{
	struct through_result r = ask(*state, "client", 0, 10, 10, 0, NULL);

	assert_int_equal(r.n, 1);
	assert_int_equal(r.rows[0].bytes, 4000000);
	assert_int_equal(r.bytes, 4100000 + 40000);
	through_free(&r);
	r = ask(*state, "client", 100, 200, 10, 0, NULL);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.bytes, 0);
	through_free(&r);
}

static void too_much_for_memory_is_answered_in_halves(void **state)
{
	struct through_result r = ask(*state, "client", 0, 64, 10, 5, NULL);

	assert_int_equal(r.n, 2);
	assert_in_range(r.rows[0].bytes, 7900000, 8000000);
	assert_in_range(r.rows[1].bytes, 1450000, 1500000);
	assert_int_equal(r.bytes, 8200000 + 1520000 + 80000);
	assert_int_equal(r.requests, 6);
	through_free(&r);
}

static void a_single_flow_has_its_urls(void **state)
{
	struct site *s = *state;
	struct through_query q = { .directory = s->dir, .filter = s->all, .names = s->names,
				   .proxies = &s->proxy, .n_proxies = 1 };
	struct join_flow f[3];
	struct through_urls *u;
	struct err err = { "" };
	const uint32_t rows[3] = { 3, 0, 5 }; /* LAN leg of .11, WAN leg, direct */

	for (int i = 0; i < 3; i++)
		f[i] = (struct join_flow){
			.src = s->b->src[rows[i]], .dst = s->b->dst[rows[i]],
			.src_port = s->b->src_port[rows[i]],
			.dst_port = s->b->dst_port[rows[i]],
			.from_ms = s->b->start_ms[rows[i]], .to_ms = s->b->end_ms[rows[i]],
			.bytes = s->b->bytes[rows[i]],
		};
	u = through_flows(&q, f, 3, &err);
	assert_non_null(u);
	assert_int_equal(u[0].n, 2);
	assert_string_equal(u[0].list[0].url, "www.example.org:443");
	assert_string_equal(u[0].list[0].client, "10.20.0.11");
	assert_int_equal(u[0].list[0].bytes, 1000000);
	assert_string_equal(u[0].list[1].url, "http.example.org/a");
	assert_int_equal(u[1].n, 5);
	assert_in_range(u[1].explained, 8999000, 9000001);
	assert_int_equal(u[2].n, 0);
	through_urls_free(&u, 3);
}

static void keys_are_ours_or_not(void **state)
{
	static const struct {
		const char *words;
		int n;
	} rows[] = { { "client", 1 }, { "url,client", 2 }, { "host", 0 }, { "src,dst", 0 },
		     { "client,host", -1 }, { "url,url", -1 }, { "client,", -1 }, { "", 0 },
		     { "clients", 0 }, { "client,url,site", 3 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum through_key keys[THROUGH_KEYS];
		struct err err = { "" };

		assert_int_equal(through_keys_parse(rows[i].words, keys, &err), rows[i].n);
		assert_int_equal(*err.msg != '\0', rows[i].n < 0);
	}
}

static void a_site_is_the_host_of_its_url(void **state)
{
	static const char *const rows[][2] = {
		{ "cdn-7.example.net/a/b", "cdn-7.example.net" },
		{ "bank.example:443", "bank.example:443" },
		{ "ftp://ftp.example.org/x", "ftp.example.org" },
		{ "www.example.org/http://other/", "www.example.org" },
		{ "[2001:db8::1]:80/x", "[2001:db8::1]:80" }, { "/", "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		through_site(rows[i][0], buf, sizeof(buf));
		assert_string_equal(buf, rows[i][1]);
	}
}

/* A request that was not over when an alert was looked at had no line then. */
static void as_of_an_alert_later_requests_do_not_count(void **state)
{
	struct site *s = *state;
	struct through_result r;

	until_ms = kit_t0 + 10000;
	r = ask(s, "url", 0, 30, 10, 0, NULL);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.rows[0].bytes + r.rows[1].bytes, 4000000);
	through_free(&r);
	until_ms = 0;
	r = ask(s, "url", 0, 30, 10, 0, NULL);
	assert_true(r.n > 2);
	through_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_counts_twice_whoever_saw_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_filter_chooses_the_leg, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_go_together, setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_of_the_time_has_its_part_of_the_octets,
						setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_for_memory_is_answered_in_halves,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_single_flow_has_its_urls, setup, teardown),
		cmocka_unit_test_setup_teardown(as_of_an_alert_later_requests_do_not_count, setup,
						teardown),
		cmocka_unit_test(keys_are_ours_or_not),
		cmocka_unit_test(a_site_is_the_host_of_its_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
