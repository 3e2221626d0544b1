/* test_squid_line.c - lines of the proxy's log, good ones and hostile ones.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/squid_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END INT64_C(1795469029373)

static const struct row {
	const char *line;
	int64_t took_ms;
	const char *client, *origin, *url;
	uint64_t received, sent;
	uint16_t client_port, proxy_port, origin_port;
	bool cached;
} rows[] = {
	/* native */
	{ "1795469029.373     11 10.20.0.11 TCP_MISS/200 27343 GET http://www.example.org/ - "
	  "HIER_DIRECT/198.51.100.10 text/html",
	  11, "10.20.0.11", "198.51.100.10", "www.example.org/", 27343, 0, 0, 0, 0, false },
	{ "1795469029.373 0 10.20.0.11 TCP_MEM_HIT/200 500 GET http://a/b anna HIER_NONE/- -", 0,
	  "10.20.0.11", "-", "a/b", 500, 0, 0, 0, 0, true },
	{ "1795469029.373 60000 2001:db8::5 TCP_TUNNEL/200 91234 CONNECT bank.example:443 - "
	  "HIER_DIRECT/2001:db8::9 -",
	  60000, "2001:db8::5", "2001:db8::9", "bank.example:443", 91234, 0, 0, 0, 0, false },
	{ "1795469029.373 1 [2001:db8::5] TCP_MISS_ABORTED/000 0 GET http://a/ - "
	  "HIER_DIRECT/[2001:db8::9] -",
	  1, "2001:db8::5", "2001:db8::9", "a/", 0, 0, 0, 0, 0, false },
	{ "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET http://a/two words  here - "
	  "FIRSTUP_PARENT/parent.example text/html",
	  1, "10.0.0.1", "-", "a/two words  here", 7, 0, 0, 0, 0, false },
	{ "1795469029.373 0 10.0.0.1 NONE_NONE/400 3800 - error:invalid-request - HIER_NONE/- "
	  "text/html\r",
	  0, "10.0.0.1", "-", "error:invalid-request", 3800, 0, 0, 0, 0, true },
	{ "1795469029.373 -5 10.0.0.1 TCP_MISS/200 - GET http://a/ =cmd() HIER_DIRECT/192.0.2.9 -",
	  0, "10.0.0.1", "192.0.2.9", "a/", 0, 0, 0, 0, 0, false },
	/* what is private goes */
	{ "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET "
	  "ftp://user:pa@ss@files.example/x;type=i?key=secret#part - HIER_DIRECT/192.0.2.9 -",
	  1, "10.0.0.1", "192.0.2.9", "ftp://files.example/x;type=i", 7, 0, 0, 0, 0, false },
	{ "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET http://me:s3cret@a?k=v@w/ - "
	  "HIER_DIRECT/192.0.2.9 -",
	  1, "10.0.0.1", "192.0.2.9", "a", 7, 0, 0, 0, 0, false },
	{ "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET x?to=ftp://secret - HIER_DIRECT/192.0.2.9 -",
	  1, "10.0.0.1", "192.0.2.9", "x", 7, 0, 0, 0, 0, false },
	/* text stays text */
	{ "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET http://a/<script>\"'\033[31m\xff%0d%0a - "
	  "HIER_DIRECT/192.0.2.9 -",
	  1, "10.0.0.1", "192.0.2.9", "a/<script>\"'\033[31m\xff%0d%0a", 7, 0, 0, 0, 0, false },
	/* a duration longer than a month is a month */
	{ "1795469029.373 9223372036854775807 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
	  INT64_C(31) * 86400000, "10.0.0.1", "-", "a/", 7, 0, 0, 0, 0, true },
	/* culprit */
	{ "1795469029.373   2003 10.20.0.66 49728 192.0.2.2 40000 198.51.100.10 80 TCP_MISS/200 "
	  "178 2000331 2000000 GET \"http://cdn-7.example.net/music/track06.mp3?x\" - audio/mpeg "
	  "1795469027.370",
	  2003, "10.20.0.66", "198.51.100.10", "cdn-7.example.net/music/track06.mp3", 2000331,
	  178, 49728, 40000, 80, false },
	{ "1795469029.373 0 10.20.0.66 49728 - - - - TCP_HIT/200 178 99 - GET \"http://a/\\\" b\" - - -",
	  0, "10.20.0.66", "-", "a/\\\" b", 99, 178, 49728, 0, 0, true },
	/* combined */
	{ "10.20.0.11 - anna [23/Nov/2026:22:23:49 +0100] \"GET http://u:p@a/b?c HTTP/1.1\" 200 27343 "
	  "\"http://ref/\" \"Mozilla \\\"x\\\" [5]\" TCP_MISS:HIER_DIRECT",
	  0, "10.20.0.11", "-", "a/b", 27343, 0, 0, 0, 0, false },
	{ "10.20.0.11 - - [23/Nov/2026:16:23:49 -0500] \"CONNECT h:443 HTTP/1.1\" 200 5 \"-\" \"-\" "
	  "TCP_MEM_HIT:HIER_NONE",
	  0, "10.20.0.11", "-", "h:443", 5, 0, 0, 0, 0, true },
};

static void every_format_is_read_by_itself(void **state)
{
	char url[REQUEST_URL], text[ADDR_TEXT];
	struct request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *w = &rows[i];
		size_t len = strlen(w->line);
		/* Exactly as long as it is: a read beyond is seen by the sanitizer. */
		char *line = xmemdup(w->line, len);

		assert_true(squid_line(line, len, URLS_FULL, &r, url));
		assert_int_equal(r.end_ms / 1000, END / 1000);
		assert_int_equal(r.end_ms - r.start_ms, w->took_ms);
		assert_string_equal(addr_text(&r.client, text), w->client);
		assert_string_equal(addr_text(&r.origin, text), w->origin);
		assert_string_equal(r.url, w->url);
		assert_int_equal(r.received, w->received);
		assert_int_equal(r.sent, w->sent);
		assert_int_equal(r.client_port, w->client_port);
		assert_int_equal(r.proxy_port, w->proxy_port);
		assert_int_equal(r.origin_port, w->origin_port);
		assert_int_equal(r.cached, w->cached);
		free(line);
	}
}

static void broken_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"-",
		"2026/11/23 21:23:49| Set Current Directory to /var/spool/squid",
		"1795469029.373",
		"1795469029.373 11 10.20.0.11",
		"1795469029.373 11 10.20.0.11 TCP_MISS/200",
		"1795469029.373 11 10.20.0.11 TCP_MISS/200 27343 GET",
		"1795469029.373 11 10.20.0.11 TCP_MISS/200 27343 GET http://a/ - HIER",
		"0.000 11 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"9223372036854775808 11 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"1795469029.373 11 10.0.0.1 TCP_MISS/200 7 GET ?x - HIER_NONE/- -",
		"1795469029.373 11 10.0.0.1 TCP_MISS/200 7 GET http://u:p@ - HIER_NONE/- -",
		"NaN 11 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"1795469029.37x 11 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"1795469029.373 NaN 10.0.0.1 TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"1795469029.373 11 10.0.0.1 TCP_MISS/200 -7 GET http://a/ - HIER_NONE/- -",
		"1795469029.373 11 10.0.0.1 TCP_MISS/200 9223372036854775808 GET http://a/ - "
		"HIER_NONE/- -",
		"1795469029.373 11 host.example TCP_MISS/200 7 GET http://a/ - HIER_NONE/- -",
		"1795469029.373 11 10.0.0.1 70000 - - - - TCP_HIT/200 1 9 - GET \"http://a/\" - - -",
		"1795469029.373 11 10.0.0.1 7 - - - - TCP_HIT/200 1 9 - GET \"http://a/ - - -",
		"1795469029.373 11 10.0.0.1 7 - - - - TCP_HIT/200 1 9 - GET \"http://a/\\",
		"10.0.0.1 - - [23/Nov/2026:21:23:49] \"GET http://a/ HTTP/1.1\" 200 5",
		"10.0.0.1 - - [23/Xxx/2026:21:23:49 +0000] \"GET http://a/ HTTP/1.1\" 200 5",
		"10.0.0.1 - - [23/Nov/2026:21:23:49 +0000] \"GET\" 200 5 \"-\" \"-\" X:Y",
		"10.0.0.1 - - [23/Nov/2026:21:23:49 +0000] \"GET http://a/ HTTP/1.1",
	};
	char url[REQUEST_URL];
	struct request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		size_t len = strlen(lines[i]);
		char *line = xmemdup(lines[i], len ? len : 1);

		if (squid_line(line, len, URLS_FULL, &r, url))
			fail_msg("taken: %s", lines[i]);
		free(line);
	}
}

/* Every prefix, and every octet changed to each of some others, of a good line. */
static void no_octet_anywhere_does_harm(void **state)
{
	static const char bad[] = { 0, 1, 3, 22, '\n', ' ', '"', '\\', '[', ']', '/', '-', '9',
				    (char)0xbf, (char)0xff };
	char url[REQUEST_URL];
	struct request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].line);

		for (size_t n = 1; n <= len; n++) {
			char *line = xmemdup(rows[i].line, n);

			squid_line(line, n, URLS_FULL, &r, url);
			for (size_t k = 0; k < sizeof(bad); k++) {
				line[n - 1] = bad[k];
				squid_line(line, n, URLS_FULL, &r, url);
			}
			free(line);
		}
	}
}

static void a_long_url_is_cut_between_characters(void **state)
{
	static const char front[] = "1795469029.373 1 10.0.0.1 TCP_MISS/200 7 GET http://a/";
	static const char back[] = " - HIER_DIRECT/192.0.2.9 -";
	size_t n = 60000, len = sizeof(front) - 1 + n + sizeof(back) - 1;
	char *line = xcalloc(1, len + 1), url[REQUEST_URL];
	struct request r;

	(void)state;
	memcpy(line, front, sizeof(front) - 1);
	for (size_t i = 0; i < n; i += 3)
		memcpy(line + sizeof(front) - 1 + i, "\xe2\x82\xac", 3);
	memcpy(line + sizeof(front) - 1 + n, back, sizeof(back) - 1);
	assert_true(squid_line(line, len, URLS_FULL, &r, url));
	assert_true(strlen(r.url) < REQUEST_URL && strlen(r.url) > REQUEST_URL - 8);
	assert_string_equal(r.url + strlen(r.url) - 3, "\xe2\x82\xac");
	free(line);
}

static void as_much_of_a_url_is_kept_as_was_said(void **state)
{
	static const struct {
		const char *url, *full, *queries, *host;
	} rows[] = {
		{ "http://nobody:secret@cdn-7.example.net/a/b.mp3?k=v?w#f",
		  "cdn-7.example.net/a/b.mp3", "cdn-7.example.net/a/b.mp3?k=v?w",
		  "cdn-7.example.net" },
		{ "bank.example:443", "bank.example:443", "bank.example:443",
		  "bank.example:443" },
		{ "ftp://u:p@files.example/pub/x", "ftp://files.example/pub/x",
		  "ftp://files.example/pub/x", "files.example" },
		{ "http://a.example/b://c?mail=x@y", "a.example/b://c",
		  "a.example/b://c?mail=x@y", "a.example" },
		{ "http://a.example?mail=x@y/z", "a.example", "a.example?mail=x@y/z",
		  "a.example" },
		{ "http://[2001:db8::1]:81/p?q", "[2001:db8::1]:81/p",
		  "[2001:db8::1]:81/p?q", "[2001:db8::1]:81" },
		{ "/only/a/path", "/only/a/path", "/only/a/path", "-" },
	};
	char line[512], url[REQUEST_URL];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *want[] = { rows[i].full, rows[i].queries, rows[i].host, "-" };
		struct request r;

		snprintf(line, sizeof(line), "1795469029.373  1000 10.20.0.66 TCP_MISS/200 5 "
			 "GET %s - HIER_DIRECT/198.51.100.10 -", rows[i].url);
		for (int keep = URLS_FULL; keep <= URLS_OFF; keep++) {
			assert_true(squid_line(line, strlen(line), keep, &r, url));
			assert_string_equal(r.url, want[keep]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_is_read_by_itself),
		cmocka_unit_test(broken_lines_are_refused),
		cmocka_unit_test(no_octet_anywhere_does_harm),
		cmocka_unit_test(a_long_url_is_cut_between_characters),
		cmocka_unit_test(as_much_of_a_url_is_kept_as_was_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
