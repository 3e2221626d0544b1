/* test_http.c - every address, who may ask, and requests that nobody should send.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "http_kit.h"

#include "daemon/http/conns.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void every_address_answers(void **state)
{
	static const struct {
		const char *target, *expect;
		int status;
	} rows[] = {
		{ "/", "<!doctype html>", 200 },
		{ "/?at=1795430100", "<!doctype html>", 200 },
		{ "/alert/01JDC", "<!doctype html>", 200 },
		{ "/page.css", "", 200 },
		{ "/page.js", "", 200 },
		{ "/icon.svg", "<svg", 200 },
		{ "/healthz", "ok\n", 200 },
		{ "/readyz", "ready\n", 200 },
		{ "/metrics", "culprit_build_info{version=\"1.2.3\"", 200 },
		{ "/api/v1/status", "\"version\":\"1.2.3\"", 200 },
		{ "/api/v1/status", "net.core.rmem_max", 200 },
		{ "/api/v1/status", "550 no such user <script>", 200 },
		{ "/api/v1/exporters", "\"name\":\"edge\"", 200 },
		{ "/api/v1/alerts", "\"schema\":\"culprit.alert/1\"", 200 },
		{ "/api/v1/alerts?state=resolved", "\"alerts\":[]", 200 },
		{ "/api/v1/alerts?state=firing&limit=1", "\"status\":\"firing\"", 200 },
		{ "/api/v1/alerts?id=nobody", "there is no alert nobody", 404 },
		{ "/api/v1/series", "\"total\":2", 200 },
		{ "/api/v1/series?by=host", "\"total\":1", 200 },
		{ "/api/v1/series?rule=wan-busy", "\"state\":\"firing\"", 200 },
		{ "/api/v1/rules", "\"window\":\"1 minute\"", 200 },
		{ "/api/v1/top", "no flows are kept", 503 },
		{ "/api/v1/flows", "no flows are kept", 503 },
		{ "/api/v1/history?prefix=", "no history is kept", 503 },
		{ "/api/v1", "\"error\":", 404 },
		{ "/nothing", "\"error\":", 404 },
		{ "/page.css/", "\"error\":", 404 },
		{ "/alert", "\"error\":", 404 },
	};
	struct kit k;

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = kit_get(&k, rows[i].target);

		if (kit_status(answer) != rows[i].status ||
		    !strstr(kit_body(answer), rows[i].expect))
			fail_msg("%s: %s", rows[i].target, answer);
		assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none';"));
		assert_null(strstr(answer, "Access-Control"));
		free(answer);
	}
	kit_close(&k);
}

static void wrong_parameters_are_told_in_one_sentence(void **state)
{
	static const struct {
		const char *target, *expect;
	} rows[] = {
		{ "/metrics?x=1", "there is no parameter 'x' here" },
		{ "/api/v1/top?By=src", "there are: from, to, by" },
		{ "/api/v1/top?n=1&n=2", "given twice" },
		{ "/api/v1/alerts?state=x", "state must be firing or resolved" },
		{ "/api/v1/alerts?limit=0", "limit must be a number from 1" },
		{ "/api/v1/alerts?limit=-1", "limit must be a number from 1" },
		{ "/api/v1/alerts?limit=99999999999999999999", "limit must be a number" },
		{ "/api/v1/alerts?from=yesterday", "from must be a time" },
		{ "/api/v1/series?by=%FF%22", "by: '" },
		{ "/api/v1/history", "either series" },
		{ "/api/v1/history?series=a&prefix=b", "either series" },
		{ "/api/v1/history?series=a&step=7m", "step must be 5m, 1h or 1d" },
		{ "/api/v1/history?series=a&from=0", "at most 20000 bins" },
		{ "/api/v1/history?series=a&from=now&to=-1h", "from must be before to" },
		{ "/metrics%00x", "control character" },
		{ "/api/v1/top?filter=a%0d%0aX-Evil:%201", "control character" },
		{ "/%", "two hexadecimal digits" },
		{ "/?%zz", "two hexadecimal digits" },
		{ "/api/v1/status?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", "more than 16 parameters" },
		{ "http://evil.example/metrics", "must begin with /" },
		{ "*", "must begin with /" },
	};
	struct kit k;

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = kit_get(&k, rows[i].target);
		json_t *j = json_loads(kit_body(answer), 0, NULL);

		if (kit_status(answer) != 400 || !strstr(kit_text(j, "error"), rows[i].expect))
			fail_msg("%s: %s", rows[i].target, answer);
		assert_null(strstr(answer, "X-Evil: 1"));
		json_decref(j);
		free(answer);
	}
	kit_close(&k);
}

static void methods_other_than_the_address_has_are_refused(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE",
					       "PATCH", "FOO" };
	struct kit k;
	char *answer;

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		answer = kit_ask(&k, methods[i], "/metrics", "", NULL);
		assert_int_equal(kit_status(answer), 405);
		assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
		free(answer);
	}
	answer = kit_get(&k, "/api/v1/test-notify");
	assert_int_equal(kit_status(answer), 405);
	assert_non_null(strstr(answer, "Allow: POST\r\n"));
	free(answer);
	answer = kit_ask(&k, "HEAD", "/metrics", "", NULL);
	assert_int_equal(kit_status(answer), 200);
	assert_string_equal(kit_body(answer), "");
	free(answer);
	kit_close(&k);
}

static void a_host_name_that_others_can_own_is_not_answered(void **state)
{
	static const struct {
		const char *host;
		int status;
	} rows[] = {
		{ "127.0.0.1", 200 },	     { "127.0.0.1:8055", 200 },
		{ "[::1]:8055", 200 },	     { "localhost", 200 },
		{ "LOCALHOST:8055", 200 },   { "a.localhost", 200 },
		{ "gateway:8055", 200 },     { "culprit.example.org", 200 },
		{ "Culprit.Example.org.:80", 200 },
		{ "evil.example", 421 },     { "127.0.0.1.evil.example", 421 },
		{ "localhost.evil.example", 421 }, { "culprit.example.org.evil.example", 421 },
		{ "notlocalhost.", 200 },    { "x.localhost.evil", 421 },
		{ "", 421 },		     { "[::1", 421 },
		{ "a b", 421 },		     { "a/b", 421 },
		{ "user@127.0.0.1", 421 },
	};
	struct kit k;

	(void)state;
	kit_open(&k);
	k.opts.url = "https://culprit.example.org/net/";
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *rq = xasprintf("GET /healthz HTTP/1.1\r\nHost: %s\r\n"
				     "Connection: close\r\n\r\n", rows[i].host);
		char *answer = kit_raw(&k, rq, strlen(rq));

		if (kit_status(answer) != rows[i].status)
			fail_msg("%s: %s", rows[i].host, answer);
		free(answer);
		free(rq);
	}
	kit_close(&k);
}

/* RELIABILITY 84. 0: the connection is closed without an answer. */
static void malformed_requests_are_refused_and_the_server_goes_on(void **state)
{
	static const struct {
		const char *request;
		int status, or;
	} rows[] = {
		{ "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n"
		  "Connection: close\r\n\r\n", 400, 400 },
		{ "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
		  "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", 400, 400 },
		{ "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
		  "Content-Length: 4\r\nConnection: close\r\n\r\nabcd", 400, 400 },
		{ "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n"
		  "Connection: close\r\n\r\n", 400, 0 },
		{ "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		  "Content-Length: 18446744073709551616\r\nConnection: close\r\n\r\n", 413, 0 },
		{ "POST /api/v1/test-notify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		  "Content-Length: 1048577\r\nConnection: close\r\n\r\n", 413, 413 },
		{ "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
		  "Connection: close\r\n\r\n5;ext=\"\x01\"\r\nabcde\r\n0\r\n\r\n", 200, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
		  "Connection: close\r\n\r\nfffffffffffffffff\r\nabcde", 413, 400 },
		{ "GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		  "Connection: close\r\n\r\n", 404, 404 },
		{ "GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		  "Connection: close\r\n\r\n", 404, 404 },
		{ "GET //metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404,
		  404 },
		{ "\r\n\r\n\r\n", 0, 400 },
		{ "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", 0, 400 },
		{ "GET\r\n\r\n", 0, 400 },
		{ "GET / HTTP/9.9\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 505, 200 },
		{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 0, 400 },
	};
	struct kit k;

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = kit_raw(&k, rows[i].request, strlen(rows[i].request));
		int status = kit_status(answer);

		if (status != rows[i].status && status != rows[i].or)
			fail_msg("%s -> %s", rows[i].request, answer);
		free(answer);
		answer = kit_get(&k, "/healthz");
		assert_int_equal(kit_status(answer), 200);
		free(answer);
	}
	kit_close(&k);
}

static void headers_without_end_are_refused(void **state)
{
	struct strb many = { 0 }, longest = { 0 };
	struct kit k;
	char *answer;

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	strb_add(&many, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	strb_add(&longest, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ");
	for (int i = 0; i < 10000; i++)
		strb_fmt(&many, "X-%d: y\r\n", i);
	for (int i = 0; i < 1 << 20; i++)
		strb_addc(&longest, 'x');
	strb_add(&many, "\r\n");
	strb_add(&longest, "\r\n\r\n");
	answer = kit_raw(&k, many.s, many.len);
	if (*answer) /* a reset may overtake the answer */
		assert_int_equal(kit_status(answer), 431);
	free(answer);
	answer = kit_raw(&k, longest.s, longest.len);
	if (*answer)
		assert_int_equal(kit_status(answer), 431);
	free(answer);
	strb_free(&many);
	strb_free(&longest);
	answer = kit_get(&k, "/healthz");
	assert_int_equal(kit_status(answer), 200);
	free(answer);
	kit_close(&k);
}

static char *token_file(mode_t mode)
{
	char *path = xstrdup("/tmp/test_http_token_XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "correct-horse\n", 14), 14);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

#define RIGHT "Authorization: Bearer correct-horse\r\n"

static void with_a_token_nothing_but_the_page_is_read_without_it(void **state)
{
	static const struct {
		const char *target, *headers;
		int status;
	} rows[] = {
		{ "/", "", 200 },
		{ "/page.js", "", 200 },
		{ "/healthz", "", 200 },
		{ "/readyz", "", 200 },
		{ "/metrics", "", 401 },
		{ "/metrics", RIGHT, 200 },
		{ "/metrics", "authorization: bearer correct-horse\r\n", 200 },
		{ "/api/v1/status", "", 401 },
		{ "/api/v1/status", "Authorization: Bearer correct-hors\r\n", 401 },
		{ "/api/v1/status", "Authorization: Bearer correct-horse1\r\n", 401 },
		{ "/api/v1/status", "Authorization: Bearer correct-horsf\r\n", 401 },
		{ "/api/v1/status", "Authorization: Bearer \r\n", 401 },
		{ "/api/v1/status", "Authorization: Basic Y29ycmVjdC1ob3JzZQ==\r\n", 401 },
		{ "/api/v1/status", RIGHT, 200 },
		{ "/nothing", "", 401 },
		{ "/nothing", RIGHT, 404 },
	};
	struct kit k;
	char *path = token_file(0600);

	(void)state;
	kit_open(&k);
	k.opts.token_file = path;
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = kit_ask(&k, "GET", rows[i].target, rows[i].headers, NULL);

		if (kit_status(answer) != rows[i].status)
			fail_msg("%s %s: %s", rows[i].target, rows[i].headers, answer);
		assert_true(rows[i].status != 401 || strstr(answer, "WWW-Authenticate: Bearer"));
		assert_null(strstr(answer, "correct-horse"));
		free(answer);
	}
	kit_close(&k);
	unlink(path);
	free(path);
}

#define JSON "Content-Type: application/json\r\n"

static void a_change_wants_token_type_and_an_origin_of_ours(void **state)
{
	static const struct {
		const char *headers, *body;
		int status;
	} rows[] = {
		{ JSON, "{\"channel\":\"noc\"}", 401 },
		{ RIGHT, "{\"channel\":\"noc\"}", 415 },
		{ RIGHT "Content-Type: text/plain\r\n", "{\"channel\":\"noc\"}", 415 },
		{ RIGHT JSON "Origin: http://evil.example\r\n", "{\"channel\":\"noc\"}", 403 },
		{ RIGHT JSON "Origin: null\r\n", "{\"channel\":\"noc\"}", 403 },
		{ RIGHT JSON "Sec-Fetch-Site: cross-site\r\n", "{\"channel\":\"noc\"}", 403 },
		{ RIGHT JSON "Sec-Fetch-Site: same-site\r\n", "{\"channel\":\"noc\"}", 403 },
		{ RIGHT JSON, "", 400 },
		{ RIGHT JSON, "{}", 400 },
		{ RIGHT JSON, "{\"channel\":7}", 400 },
		{ RIGHT JSON, "{\"channel\":\"noc\"", 400 },
		{ RIGHT JSON, "{\"channel\":\"nobody\"}", 502 },
		{ RIGHT JSON, "{\"channel\":\"noc\"}", 200 },
		{ RIGHT JSON "Origin: http://127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n",
		  "{\"channel\":\"noc\"}", 200 },
	};
	struct kit k;
	char *path = token_file(0640), *answer;

	(void)state;
	kit_open(&k);
	k.opts.token_file = path;
	kit_serve(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		answer = kit_ask(&k, "POST", "/api/v1/test-notify", rows[i].headers,
				 rows[i].body);
		if (kit_status(answer) != rows[i].status)
			fail_msg("%s %s: %s", rows[i].headers, rows[i].body, answer);
		free(answer);
	}
	assert_int_equal(k.tested, 3);
	http_stop(&k.http);
	k.opts.token_file = "";
	kit_serve(&k);
	answer = kit_ask(&k, "POST", "/api/v1/test-notify", RIGHT JSON, "{\"channel\":\"noc\"}");
	assert_int_equal(kit_status(answer), 403);
	assert_non_null(strstr(answer, "set token_file"));
	free(answer);
	assert_int_equal(k.tested, 3);
	kit_close(&k);
	unlink(path);
	free(path);
}

static void what_cannot_be_served_is_told_with_what_to_do(void **state)
{
	struct kit k, second;
	struct err err = { "" };
	char *open_to_all = token_file(0644);
	struct http_opts o;

	(void)state;
	kit_open(&k);
	kit_open(&second);
	kit_serve(&k);
	o = (struct http_opts){ "127.0.0.1", http_port(k.http), "", "", "" };
	assert_null(http_start(&o, &second.src, &err));
	assert_non_null(strstr(err.msg, "is another culpritd running?"));
	o = (struct http_opts){ "192.0.2.77", 0, "", "", "" };
	assert_null(http_start(&o, &second.src, &err));
	assert_non_null(strstr(err.msg, "set address in http"));
	o = (struct http_opts){ "localhost.example", 0, "", "", "" };
	assert_null(http_start(&o, &second.src, &err));
	assert_non_null(strstr(err.msg, "is not an address"));
	o = (struct http_opts){ "127.0.0.1", 0, open_to_all, "", "" };
	assert_null(http_start(&o, &second.src, &err));
	assert_non_null(strstr(err.msg, "chmod 0600"));
	o = (struct http_opts){ "127.0.0.1", 0, "/nonexistent/token", "", "" };
	assert_null(http_start(&o, &second.src, &err));
	assert_non_null(strstr(err.msg, "No such file"));
	kit_close(&k);
	kit_close(&second);
	unlink(open_to_all);
	free(open_to_all);
}

static void not_ready_is_503_and_says_why(void **state)
{
	struct kit k;
	char *answer;

	(void)state;
	kit_open(&k);
	k.ready = false;
	kit_serve(&k);
	answer = kit_get(&k, "/readyz");
	assert_int_equal(kit_status(answer), 503);
	assert_string_equal(kit_body(answer), "starting: nothing has been analysed yet\n");
	free(answer);
	answer = kit_get(&k, "/healthz");
	assert_int_equal(kit_status(answer), 200);
	free(answer);
	kit_close(&k);
}

static void the_page_is_asked_again_by_its_etag(void **state)
{
	struct kit k;
	char *answer, *headers, etag[64] = "";

	(void)state;
	kit_open(&k);
	kit_serve(&k);
	answer = kit_get(&k, "/page.js");
	assert_int_equal(sscanf(strstr(answer, "ETag: "), "ETag: %63s", etag), 1);
	free(answer);
	headers = xasprintf("If-None-Match: %s\r\n", etag);
	answer = kit_ask(&k, "GET", "/page.js", headers, NULL);
	assert_int_equal(kit_status(answer), 304);
	assert_string_equal(kit_body(answer), "");
	free(answer);
	free(headers);
	kit_close(&k);
}

static void metrics_answers_under_a_thousand_slow_clients(void **state)
{
	enum { SLOW = 1000 };
	struct rlimit lim;
	struct kit k;
	int fd[SLOW];

	(void)state;
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max < 4096 ? lim.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &lim);
	kit_open(&k);
	kit_serve(&k);
	for (int i = 0; i < SLOW; i++) {
		fd[i] = kit_connect(&k);
		send(fd[i], "GET /metrics HTTP/1.1\r\nHost: a\r\nX", 34, MSG_NOSIGNAL);
		if (i % 100 == 99) {
			int64_t began = clock_mono_ms();
			char *answer = kit_get(&k, "/metrics");

			assert_int_equal(kit_status(answer), 200);
			assert_true(clock_mono_ms() - began < 1000);
			free(answer);
		}
	}
	for (int i = 0; i < SLOW; i++)
		close(fd[i]);
	kit_close(&k);
}

static void who_waits_longest_goes_first_and_who_works_stays(void **state)
{
	struct conns c;
	struct conn *all[CONN_SLOTS];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	conns_init(&c);
	for (int i = 0; i < HTTP_CONNECTIONS; i++)
		all[i] = conns_opened(&c, pair[0], 1000 + i);
	conns_state(&c, all[0], CONN_WORKS, 1000);
	conns_opened(&c, pair[0], 2000);
	assert_int_equal(all[0]->state, CONN_WORKS);
	assert_int_equal(all[1]->state, CONN_GOES);
	for (int i = 2; i < HTTP_CONNECTIONS; i++)
		conns_state(&c, all[i], CONN_ANSWERS, 1000 + i);
	conns_sweep(&c, 2000 + CONN_REQUEST_MS + 1); /* the last one waited too long */
	assert_int_equal(all[2]->state, CONN_ANSWERS);
	conns_opened(&c, pair[0], 20000);
	assert_int_equal(all[2]->state, CONN_GOES);
	conns_sweep(&c, 1003 + CONN_ANSWER_MS + 1);
	assert_int_equal(all[3]->state, CONN_GOES);
	assert_int_equal(all[4]->state, CONN_ANSWERS);
	assert_int_equal(all[0]->state, CONN_WORKS);
	for (int i = HTTP_CONNECTIONS + 2; i < CONN_SLOTS; i++)
		assert_non_null(conns_opened(&c, pair[0], 30000));
	assert_null(conns_opened(&c, pair[0], 30000));
	conns_fini(&c);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_answers),
		cmocka_unit_test(wrong_parameters_are_told_in_one_sentence),
		cmocka_unit_test(methods_other_than_the_address_has_are_refused),
		cmocka_unit_test(a_host_name_that_others_can_own_is_not_answered),
		cmocka_unit_test(malformed_requests_are_refused_and_the_server_goes_on),
		cmocka_unit_test(headers_without_end_are_refused),
		cmocka_unit_test(with_a_token_nothing_but_the_page_is_read_without_it),
		cmocka_unit_test(a_change_wants_token_type_and_an_origin_of_ours),
		cmocka_unit_test(what_cannot_be_served_is_told_with_what_to_do),
		cmocka_unit_test(not_ready_is_503_and_says_why),
		cmocka_unit_test(the_page_is_asked_again_by_its_etag),
		cmocka_unit_test(metrics_answers_under_a_thousand_slow_clients),
		cmocka_unit_test(who_waits_longest_goes_first_and_who_works_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
