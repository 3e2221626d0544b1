/* test_forward.c - datagrams passed on over loopback.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/forward.h"

#include "daemon/base/mem.h"
#include "daemon/collect/udp.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_storage source(const char *addr, uint16_t port)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (void *)&ss;
	struct sockaddr_in6 *in6 = (void *)&ss;

	if (strchr(addr, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, addr, &in6->sin6_addr);
	} else {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		inet_pton(AF_INET, addr, &in->sin_addr);
	}
	return ss;
}

static struct addr addr_from(const struct sockaddr_storage *ss)
{
	uint16_t port;

	return addr_of_sockaddr(ss, &port);
}

struct sink {
	struct udp *u;
	struct udp_batch *b;
	struct forward_target to;
};

static struct sink sink_at(const char *addr)
{
	struct udp_listen l = { .purpose = "netflow" };
	struct sink s = { .b = udp_batch_new() };

	assert_true(addr_parse(addr, &l.addr));
	s.u = udp_open(&l, 1, 1, 1 << 20, NULL);
	assert_non_null(s.u);
	s.to = (struct forward_target){ l.addr, udp_socket(s.u, 0)->listen.port };
	return s;
}

static void sink_close(struct sink *s)
{
	udp_close(&s->u);
	udp_batch_free(&s->b);
}

static void targets_are_read_strictly(void **unused)
{
	static const struct {
		const char *text, *addr;
		unsigned port;
	} rows[] = {
		{ "192.0.2.99:2055", "192.0.2.99", 2055 },
		{ "[2001:db8::1]:9995", "2001:db8::1", 9995 },
		{ "192.0.2.99", NULL, 0 },
		{ "192.0.2.99:0", NULL, 0 },
		{ "192.0.2.99:65536", NULL, 0 },
		{ "192.0.2.99:20x", NULL, 0 },
		{ "2001:db8::1:9995", NULL, 0 },
		{ "[192.0.2.99]:1", NULL, 0 },
		{ "[]:1", NULL, 0 },
		{ ":1", NULL, 0 },
		{ "", NULL, 0 },
		{ "host.example:2055", NULL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forward_target t;
		struct err err = { "" };
		char text[ADDR_TEXT];

		assert_int_equal(forward_parse(rows[i].text, &t, &err), rows[i].addr != NULL);
		if (!rows[i].addr) {
			assert_non_null(strstr(err.msg, rows[i].text));
			continue;
		}
		assert_string_equal(addr_text(&t.addr, text), rows[i].addr);
		assert_int_equal(t.port, rows[i].port);
	}
}

/* Whether this process may have raw sockets decides which address must arrive. */
static void datagrams_arrive_with_their_source(void **unused)
{
	static const struct {
		const char *sink, *from;
		bool same_family;
	} rows[] = {
		{ "127.0.0.1", "198.51.100.7", true },
		{ "::1", "2001:db8::7", true },
		{ "127.0.0.1", "2001:db8::7", false },
		{ "::1", "198.51.100.7", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sink s = sink_at(rows[i].sink);
		struct forward *f = forward_new(&s.to, 1, NULL);
		struct sockaddr_storage from = source(rows[i].from, 40000 + (uint16_t)i);
		const struct sockaddr_storage *got;
		struct forward_stats st;
		uint8_t data[UDP_BATCH][100];
		size_t len;

		assert_non_null(f);
		for (int k = 0; k < UDP_BATCH; k++) {
			memset(data[k], k, sizeof(data[k]));
			forward_add(f, &from, data[k], (size_t)k + 1);
		}
		forward_flush(f);
		forward_stats(f, 0, &st);
		assert_int_equal(st.sent, UDP_BATCH);
		assert_int_equal(st.dropped, 0);
		assert_int_equal(udp_receive(udp_socket(s.u, 0), s.b), UDP_BATCH);
		for (unsigned k = 0; k < UDP_BATCH; k++) {
			const uint8_t *p = udp_datagram(s.b, k, &len, &got);
			struct addr a, b = addr_from(&from);
			uint16_t port;

			assert_int_equal(len, k + 1);
			assert_memory_equal(p, data[k], len);
			a = addr_of_sockaddr(got, &port);
			assert_int_equal(addr_eq(&a, &b),
					 st.keeps_source && rows[i].same_family);
			if (st.keeps_source && rows[i].same_family)
				assert_int_equal(port, 40000 + i);
		}
		forward_free(&f);
		sink_close(&s);
	}
}

/* The MTU of loopback is 64 KiB, so that the longest datagrams need fragments. */
static void what_is_longer_than_the_mtu_goes_in_fragments(void **unused)
{
	static const char *const hosts[][2] = { { "127.0.0.1", "198.51.100.7" },
						{ "::1", "2001:db8::7" } };
	static const size_t lens[] = { 65507, 65508 - 28, 65535 - 40 - 8, 65000, 1400 };
	uint8_t *data = malloc(65535);

	(void)unused;
	for (int i = 0; i < 65535; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t h = 0; h < 2; h++) {
		struct sink s = sink_at(hosts[h][0]);
		struct forward *f = forward_new(&s.to, 1, NULL);
		struct sockaddr_storage from = source(hosts[h][1], 4000);

		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			const struct sockaddr_storage *got;
			struct forward_stats st;
			const uint8_t *p;
			struct addr a, b = addr_from(&from);
			size_t len;

			forward_add(f, &from, data, lens[i]);
			forward_flush(f);
			forward_stats(f, 0, &st);
			assert_int_equal(udp_receive(udp_socket(s.u, 0), s.b), 1);
			p = udp_datagram(s.b, 0, &len, &got);
			assert_int_equal(len, lens[i]);
			assert_memory_equal(p, data, len);
			a = addr_from(got);
			assert_int_equal(addr_eq(&a, &b), st.keeps_source);
			assert_int_equal(st.dropped, 0);
			assert_int_equal(st.sent, i + 1);
		}
		forward_free(&f);
		sink_close(&s);
	}
	free(data);
}

static void nobody_listening_is_no_reason_to_wait(void **unused)
{
	struct sink s = sink_at("127.0.0.1");
	struct forward_target to = s.to;
	struct sockaddr_storage from = source("2001:db8::1", 4000); /* by our own address */
	struct forward_stats st;

	(void)unused;
	sink_close(&s);
	struct forward *f = forward_new(&to, 1, NULL);
	for (int i = 0; i < 1000; i++)
		forward_add(f, &from, (const uint8_t *)"x", 1);
	forward_flush(f);
	forward_stats(f, 0, &st);
	assert_int_equal(st.sent + st.dropped, 1000);
	forward_free(&f);
}

static void every_target_gets_everything(void **unused)
{
	struct sink s[2] = { sink_at("127.0.0.1"), sink_at("127.0.0.2") };
	struct forward_target to[2] = { s[0].to, s[1].to };
	struct forward *f = forward_new(to, 2, NULL);
	struct sockaddr_storage from = source("198.51.100.9", 1);

	(void)unused;
	for (int i = 0; i < 5; i++)
		forward_add(f, &from, (const uint8_t *)"abc", 3);
	forward_flush(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(udp_receive(udp_socket(s[i].u, 0), s[i].b), 5);
		sink_close(&s[i]);
	}
	forward_free(&f);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(targets_are_read_strictly),
		cmocka_unit_test(datagrams_arrive_with_their_source),
		cmocka_unit_test(what_is_longer_than_the_mtu_goes_in_fragments),
		cmocka_unit_test(nobody_listening_is_no_reason_to_wait),
		cmocka_unit_test(every_target_gets_everything),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
