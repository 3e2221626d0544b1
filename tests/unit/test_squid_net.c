/* test_squid_net.c - log lines over UDP and TCP, from who may send them.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/squid_net.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct kit {
	struct squid_net *net;
	struct strb seen; /* "line|line|" */
	size_t lines;
};

static void take(void *arg, const char *line, size_t len, bool again)
{
	struct kit *k = arg;

	assert_false(again);
	k->lines++;
	strb_addn(&k->seen, line, len < 20 ? len : 20);
	strb_add(&k->seen, "|");
}

static void open_net(struct kit *k, const char *url, const char *allow)
{
	struct prefix p;
	struct squid_net_opts o = { url, &p, 1, take, k };

	assert_true(prefix_parse(allow, &p));
	*k = (struct kit){ .lines = 0 };
	k->net = squid_net_open(&o);
	squid_net_step(k->net, 1000);
	assert_int_not_equal(squid_net_port(k->net), 0);
}

static int connected(const struct kit *k, int type)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(squid_net_port(k->net)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Until it has seen so many lines; the kernel needs a moment. */
static void until(struct kit *k, size_t lines)
{
	int64_t end = clock_mono_ms() + 10000;

	while (k->lines < lines && clock_mono_ms() < end) {
		struct pollfd p[SQUID_NET_POLLS];

		poll(p, squid_net_polls(k->net, p), 100);
		squid_net_step(k->net, clock_mono_ms());
	}
	assert_int_equal(k->lines, lines);
}

static void seen(struct kit *k, const char *want)
{
	assert_string_equal(k->seen.s, want);
	strb_free(&k->seen);
}

static void datagrams_hold_one_line_or_several(void **state)
{
	struct kit k;
	int fd;

	(void)state;
	open_net(&k, "udp://127.0.0.1:0", "127.0.0.0/8");
	fd = connected(&k, SOCK_DGRAM);
	assert_int_equal(send(fd, "one\n", 4, 0), 4);
	assert_int_equal(send(fd, "two\nthree\n\nfour", 15, 0), 15);
	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_int_equal(send(fd, "five", 4, 0), 4);
	until(&k, 5);
	seen(&k, "one|two|three|four|five|");
	close(fd);
	squid_net_close(&k.net);
}

static void a_connection_gives_lines_however_they_are_cut(void **state)
{
	struct kit k;
	char *big = xcalloc(1, 200000);
	struct squid_net_stats st;
	int fd, other;

	(void)state;
	open_net(&k, "tcp://127.0.0.1:0", "127.0.0.1");
	fd = connected(&k, SOCK_STREAM);
	other = connected(&k, SOCK_STREAM);
	assert_int_equal(send(fd, "one\ntw", 6, 0), 6);
	until(&k, 1);
	assert_int_equal(send(other, "other\n", 6, 0), 6);
	until(&k, 2);
	assert_int_equal(send(fd, "o\n", 2, 0), 2);
	until(&k, 3);
	seen(&k, "one|other|two|");
	/* Longer than 64 KiB: passed over to its end. */
	memset(big, 'x', 199999);
	big[199999] = '\n';
	for (size_t done = 0; done < 200000;) {
		ssize_t n = send(fd, big + done, 200000 - done, MSG_DONTWAIT);

		done += n > 0 ? (size_t)n : 0;
		squid_net_step(k.net, clock_mono_ms());
	}
	assert_int_equal(send(fd, "after\n", 6, 0), 6);
	until(&k, 4);
	seen(&k, "after|");
	squid_net_stats(k.net, &st);
	assert_int_equal(st.too_long, 1);
	assert_int_equal(st.lines, 4);
	/* What has no end when it is hung up is no line. */
	assert_int_equal(send(fd, "half", 4, 0), 4);
	close(fd);
	assert_int_equal(send(other, "more\n", 5, 0), 5);
	until(&k, 5);
	seen(&k, "more|");
	close(other);
	free(big);
	squid_net_close(&k.net);
}

static void of_others_nothing_is_read(void **state)
{
	struct squid_net_stats st = { 0 };
	struct kit k;
	int64_t end = clock_mono_ms() + 10000;
	char c;
	int fd;

	(void)state;
	open_net(&k, "udp://127.0.0.1:0", "10.20.0.0/24");
	fd = connected(&k, SOCK_DGRAM);
	assert_int_equal(send(fd, "evil\n", 5, 0), 5);
	while (!st.refused && clock_mono_ms() < end) {
		squid_net_step(k.net, clock_mono_ms());
		squid_net_stats(k.net, &st);
	}
	assert_int_equal(st.refused, 1);
	assert_int_equal(k.lines, 0);
	close(fd);
	squid_net_close(&k.net);

	open_net(&k, "tcp://127.0.0.1:0", "10.20.0.0/24");
	fd = connected(&k, SOCK_STREAM);
	assert_int_equal(send(fd, "evil\n", 5, MSG_NOSIGNAL), 5);
	for (st.refused = 0; !st.refused && clock_mono_ms() < end;) {
		squid_net_step(k.net, clock_mono_ms());
		squid_net_stats(k.net, &st);
	}
	assert_int_equal(st.refused, 1);
	assert_true(recv(fd, &c, 1, 0) <= 0); /* hung up */
	assert_int_equal(k.lines, 0);
	close(fd);
	squid_net_close(&k.net);
}

static void the_seventeenth_connection_takes_the_place_of_the_silent_one(void **state)
{
	struct kit k;
	int fd[17];
	char c;

	(void)state;
	open_net(&k, "tcp://127.0.0.1:0", "127.0.0.1");
	for (size_t i = 0; i < 17; i++) {
		fd[i] = connected(&k, SOCK_STREAM);
		if (i) {
			assert_int_equal(send(fd[i], "x\n", 2, 0), 2);
			until(&k, i);
		} else {
			squid_net_step(k.net, 2000);
		}
	}
	assert_true(recv(fd[0], &c, 1, 0) <= 0);
	strb_free(&k.seen);
	for (size_t i = 0; i < 17; i++)
		close(fd[i]);
	squid_net_close(&k.net);
}

static void a_port_that_is_taken_is_tried_again(void **state)
{
	struct kit k, second = { .lines = 0 };
	struct prefix p;
	struct squid_net_opts o = { NULL, &p, 1, take, &second };
	char *url;

	(void)state;
	assert_true(prefix_parse("127.0.0.1", &p));
	open_net(&k, "udp://127.0.0.1:0", "127.0.0.1");
	o.url = url = xasprintf("udp://127.0.0.1:%u", squid_net_port(k.net));
	second.net = squid_net_open(&o);
	squid_net_step(second.net, 1000);
	assert_int_equal(squid_net_port(second.net), 0);
	squid_net_close(&k.net);
	squid_net_step(second.net, 2000);
	assert_int_equal(squid_net_port(second.net), 0); /* not every time */
	squid_net_step(second.net, 12000);
	assert_int_not_equal(squid_net_port(second.net), 0);
	squid_net_close(&second.net);
	free(url);
}

static void an_address_is_understood_or_refused_in_words(void **state)
{
	static const struct {
		const char *url, *addr;
		uint16_t port;
		bool stream;
	} rows[] = {
		{ "udp://127.0.0.1:5140", "127.0.0.1", 5140, false },
		{ "tcp://[::1]:5140", "::1", 5140, true },
		{ "tcp://[::]:1", "::", 1, true },
		{ "udp://0.0.0.0:5140", "0.0.0.0", 5140, false },
		{ "http://127.0.0.1:5140", NULL, 0, false },
		{ "udp://127.0.0.1", NULL, 0, false }, { "udp://:5140", NULL, 0, false },
		{ "udp://localhost:5140", NULL, 0, false },
		{ "udp://127.0.0.1:65536", NULL, 0, false }, { "tcp://", NULL, 0, false },
		{ "tcp://[]:1", NULL, 0, false }, { "tcp://:", NULL, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		struct addr a;
		uint16_t port;
		bool stream, ok = squid_net_parse(rows[i].url, &stream, &a, &port, &err);
		char text[ADDR_TEXT];

		if (ok != (rows[i].addr != NULL) || ok == (*err.msg != '\0'))
			fail_msg("%s: %d, \"%s\"", rows[i].url, ok, err.msg);
		if (!ok)
			continue;
		assert_int_equal(port, rows[i].port);
		assert_int_equal(stream, rows[i].stream);
		if (strcmp(rows[i].addr, "::"))
			assert_string_equal(addr_text(&a, text), rows[i].addr);
	}
	assert_true(squid_net_is("udp://x"));
	assert_false(squid_net_is("/var/log/squid/access.log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_hold_one_line_or_several),
		cmocka_unit_test(a_connection_gives_lines_however_they_are_cut),
		cmocka_unit_test(of_others_nothing_is_read),
		cmocka_unit_test(the_seventeenth_connection_takes_the_place_of_the_silent_one),
		cmocka_unit_test(a_port_that_is_taken_is_tried_again),
		cmocka_unit_test(an_address_is_understood_or_refused_in_words),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
