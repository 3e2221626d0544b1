/* http_kit.h - a server with something to show, and a client that says what it wants.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_TESTS_HTTP_KIT_H
#define CUL_TESTS_HTTP_KIT_H

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/http/http.h"
#include "daemon/notify/sample.h"

#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct kit {
	struct board *board;
	struct names *names;
	struct http_sources src;
	struct http_opts opts;
	struct store_opts history;
	struct http *http;
	bool ready;
	unsigned tested; /* test messages asked for */
};

static inline void kit_channels(void *arg, void (*fn)(void *, const struct http_channel *),
				void *fn_arg)
{
	struct http_channel noc = { "noc", 3, 2, 1, 4, 1, "550 no such user <script>" };
	struct http_channel chat = { "chat", 7, 0, 0, 0, 0, "" };

	(void)arg;
	fn(fn_arg, &noc);
	fn(fn_arg, &chat);
}

static inline void kit_sockets(void *arg, void (*fn)(void *, const struct http_socket *),
			       void *fn_arg)
{
	struct http_socket s = { "netflow 0.0.0.0:2055 worker 0", 1234, 5, 212992 };

	(void)arg;
	fn(fn_arg, &s);
}

static inline bool kit_ready(void *arg, struct err *why)
{
	struct kit *k = arg;

	return k->ready || err_set(why, "starting: nothing has been analysed yet");
}

static inline bool kit_test(void *arg, const char *channel, struct strb *out, struct err *err)
{
	struct kit *k = arg;

	k->tested++;
	strb_fmt(out, "to %s\n", channel);
	return !strcmp(channel, "noc") || err_set(err, "there is no notify section '%s'", channel);
}

static inline struct sheet *kit_sheet(void)
{
	struct sheet *s = sheet_new(2);

	s->at_ms = clock_wall_ms();
	s->started_ms = s->at_ms - 90000;
	s->series[0] = (struct board_series){
		.rule = "wan-busy", .series = xstrdup("edge WAN in"), .by = BY_INTERFACE,
		.series_id = xstrdup("interface=192.0.2.1/WAN/in"), .value = 18.7e6,
		.history = xstrdup("any|interface=192.0.2.1/WAN/in"),
		.threshold = 16e6, .low = 2e6, .median = 3e6, .high = 4e6,
		.state = ALERT_FIRING, .since_ms = s->at_ms - 60000 };
	s->series[1] = (struct board_series){
		.rule = "heavy-hosts", .series = xstrdup("10.20.0.66"), .by = BY_HOST,
		.series_id = xstrdup("host=10.20.0.66"), .value = 7, .threshold = NAN,
		.low = NAN, .median = NAN, .high = NAN, .state = ALERT_RESOLVED };
	s->n_series = 2;
	s->rules = xcalloc(1, sizeof(*s->rules));
	s->rules[0] = (struct board_rule){ .name = "wan-busy", .filter = xstrdup("in if WAN"),
		.window = xstrdup("1 minute"), .by = BY_INTERFACE, .above = 16e6, .below = NAN,
		.clear = 12e6, .for_ms = 30000, .severity = SEVERITY_CRITICAL };
	s->n_rules = 1;
	s->interfaces = xcalloc(1, sizeof(*s->interfaces));
	s->interfaces[0] = (struct board_interface){ "edge", "W\"A\\N\n", true, 123456 };
	s->n_interfaces = 1;
	s->tables[s->n_tables++] = (struct board_table){ "windows", 1 << 20 };
	s->archive_on = s->history_up = true;
	s->archive_octets = 4096;
	s->spool_bins = 12;
	return s;
}

static inline struct exporter *kit_exporter(struct names *n, const char *name, uint8_t last)
{
	struct addr a = addr_of4((uint8_t[]){ 192, 0, 2, last });
	struct exporter *e = names_exporter_known(n, &a, 0, name);

	assert_non_null(e);
	e->ledger.datagrams[VIA_IPFIX] = 100;
	e->ledger.flows[VIA_IPFIX] = 2400;
	e->ledger.bytes = 1000000;
	e->ledger.packets = 5000;
	e->ledger.accepted = 97;
	e->ledger.malformed[BAD_TOO_SHORT] = 3;
	e->ledger.sets[SET_DECODED] = 97;
	e->ledger.sets_seen = 97;
	e->ledger.lost[LOST_RECORDS] = 24;
	e->ledger.templates = 2;
	e->ledger.last_seen_ms = (uint64_t)clock_wall_ms();
	return e;
}

static inline void kit_open(struct kit *k)
{
	struct alert *a;

	memset(k, 0, sizeof(*k));
	k->ready = true;
	k->board = board_new();
	k->names = names_new(1000);
	k->src = (struct http_sources){
		.board = k->board, .names = k->names, .archive_dir = "", .history_url = "",
		.history = &k->history, .version = "1.2.3", .channels = kit_channels,
		.sockets = kit_sockets, .ready = kit_ready, .test_notify = kit_test, .arg = k };
	k->opts = (struct http_opts){ "127.0.0.1", 0, "", "", "" };
	kit_exporter(k->names, "edge", 1);
	board_hang(k->board, kit_sheet());
	a = sample_alert(clock_wall_ms(), ALERT_FIRING);
	board_pin(k->board, a);
	alert_unref(&a);
}

static inline void kit_serve(struct kit *k)
{
	struct err err = { "" };

	k->http = http_start(&k->opts, &k->src, &err);
	if (!k->http)
		fail_msg("%s", err.msg);
}

static inline void kit_close(struct kit *k)
{
	http_stop(&k->http);
	board_free(&k->board);
	names_free(&k->names);
}

static inline int kit_connect(const struct kit *k)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(http_port(k->http)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* All that comes until the other side closes, or two seconds pass without anything. */
static inline char *kit_receive(int fd)
{
	struct strb b = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[65536];
	ssize_t n;

	while (poll(&p, 1, 2000) == 1 && (n = recv(fd, buf, sizeof(buf), 0)) > 0)
		strb_addn(&b, buf, (size_t)n);
	return strb_take(&b);
}

/* Sends octets as they are; the caller frees what comes back. */
static inline char *kit_raw(const struct kit *k, const void *request, size_t len)
{
	int fd = kit_connect(k);
	char *s;

	send(fd, request, len, MSG_NOSIGNAL);
	s = kit_receive(fd);
	close(fd);
	return s;
}

/* headers: lines with CRLF, or "". */
static inline char *kit_ask(const struct kit *k, const char *method, const char *target,
			    const char *headers, const char *body)
{
	char length[64] = "", *rq, *answer;

	if (body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	rq = xasprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s%s\r\n%s",
		       method, target, headers, length, body ? body : "");
	answer = kit_raw(k, rq, strlen(rq));
	free(rq);
	return answer;
}

static inline char *kit_get(const struct kit *k, const char *target)
{
	return kit_ask(k, "GET", target, "", NULL);
}

static inline int kit_status(const char *answer)
{
	int status = 0;

	sscanf(answer, "HTTP/1.%*d %d", &status);
	return status;
}

static inline const char *kit_body(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	return at ? at + 4 : "";
}

static inline json_t *kit_json(const struct kit *k, const char *target)
{
	char *answer = kit_get(k, target);
	json_error_t e;
	json_t *j = json_loads(kit_body(answer), 0, &e);

	if (kit_status(answer) != 200 || !j)
		fail_msg("%s: %s", target, answer);
	free(answer);
	return j;
}

/* The value at a path of keys and numbers, "exporters.0.name". */
static inline const json_t *kit_at(const json_t *j, const char *path)
{
	char *p = xstrdup(path), *save = NULL;

	for (char *w = strtok_r(p, ".", &save); w && j; w = strtok_r(NULL, ".", &save))
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(w))
				     : json_object_get(j, w);
	free(p);
	return j;
}

static inline const char *kit_text(const json_t *j, const char *path)
{
	const char *s = json_string_value(kit_at(j, path));

	return s ? s : "";
}

#endif
