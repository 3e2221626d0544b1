/* test_udp.c - sockets on loopback: who gets what, and nothing is cut.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/udp.h"

#include "daemon/base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct udp_listen listen_on(const char *addr, uint16_t port)
{
	struct udp_listen l = { .port = port, .purpose = "netflow" };

	if (strcmp(addr, "::"))
		assert_true(addr_parse(addr, &l.addr));
	return l;
}

/* A socket that sends from `from` to port `port` of the loopback of its family. */
static int sender(const char *from, uint16_t port)
{
	bool v6 = strchr(from, ':') != NULL;
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr *sa = v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t len = v6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(sa->sa_family, SOCK_DGRAM, 0), size = 4 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	assert_int_equal(inet_pton(sa->sa_family, from, v6 ? (void *)&a6.sin6_addr
							   : (void *)&a4.sin_addr), 1);
	assert_int_equal(bind(fd, sa, len), 0);
	a4.sin_port = a6.sin6_port = htons(port);
	if (!v6)
		a4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, sa, len), 0);
	return fd;
}

static void send_from(const char *from, uint16_t port, const void *data, size_t len)
{
	int fd = sender(from, port);

	assert_int_equal(send(fd, data, len, 0), len);
	close(fd);
}

static void arrived(struct udp_socket *s)
{
	struct pollfd p = { s->fd, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, 2000), 1);
}

static unsigned port_of(const struct sockaddr_storage *ss)
{
	uint16_t port;

	addr_of_sockaddr(ss, &port);
	return port;
}

static void an_address_reaches_one_worker_from_all_its_ports(void **unused)
{
	struct udp_listen l[] = { listen_on("127.0.0.1", 0), listen_on("::1", 0) };
	struct udp_batch *b = udp_batch_new();
	struct err err = { "" };
	enum { WORKERS = 4 };
	unsigned used = 0;

	(void)unused;
	struct udp *u = udp_open(l, 2, WORKERS, 1 << 20, &err);
	if (!u)
		fail_msg("%s", err.msg);
	assert_int_equal(udp_sockets(u), 2 * WORKERS);
	for (int host = 1; host <= 24; host++) {
		char from[20];
		struct addr a;
		unsigned w;

		snprintf(from, sizeof(from), "127.0.0.%d", host);
		addr_parse(from, &a);
		w = udp_worker_of(&a, WORKERS);
		used |= 1u << w;
		for (int i = 0; i < 8; i++)
			send_from(from, udp_socket(u, 0)->listen.port, "x", 1);
		for (unsigned i = 0; i < WORKERS; i++)
			assert_int_equal(udp_receive(udp_socket(u, i), b), i == w ? 8 : 0);
	}
	assert_int_equal(used, (1u << WORKERS) - 1); /* they are spread */
	for (int i = 0; i < 8; i++)
		send_from("::1", udp_socket(u, WORKERS)->listen.port, "x", 1);
	struct addr one = { { [15] = 1 } };
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(udp_receive(udp_socket(u, WORKERS + i), b),
				 i == udp_worker_of(&one, WORKERS) ? 8 : 0);
	udp_close(&u);
	udp_batch_free(&b);
}

static void ipv4_reaches_the_same_worker_through_an_ipv6_socket(void **unused)
{
	struct udp_listen l[] = { listen_on("::", 0) };
	struct udp_batch *b = udp_batch_new();
	struct err err = { "" };
	struct udp *u = udp_open(l, 1, 3, 1 << 20, &err);

	(void)unused;
	if (!u)
		fail_msg("%s", err.msg);
	for (int host = 1; host <= 9; host++) {
		const struct sockaddr_storage *ss;
		char from[20];
		struct addr a, got;
		unsigned w;
		uint16_t port;
		size_t len;

		snprintf(from, sizeof(from), "127.0.0.%d", host);
		addr_parse(from, &a);
		w = udp_worker_of(&a, 3);
		send_from(from, udp_socket(u, 0)->listen.port, "x", 1);
		assert_int_equal(udp_receive(udp_socket(u, w), b), 1);
		udp_datagram(b, 0, &len, &ss);
		got = addr_of_sockaddr(ss, &port);
		assert_true(addr_eq(&got, &a));
	}
	udp_close(&u);
	udp_batch_free(&b);
}

static void the_longest_datagrams_arrive_whole_and_together(void **unused)
{
	static const size_t lens[] = { 65507, 0, 1, 65507, 1472, 9000, 65507 };
	struct udp_listen l[] = { listen_on("127.0.0.1", 0) };
	uint8_t *data = malloc(65507);
	struct udp_batch *b = udp_batch_new();
	struct udp *u = udp_open(l, 1, 1, 4 << 20, NULL);
	int fd = sender("127.0.0.1", udp_socket(u, 0)->listen.port);

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		memset(data, (int)i + 1, lens[i]);
		assert_int_equal(send(fd, data, lens[i], 0), lens[i]);
	}
	assert_int_equal(udp_receive(udp_socket(u, 0), b), ARRAY_LEN(lens));
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		const struct sockaddr_storage *from;
		size_t len;
		const uint8_t *got = udp_datagram(b, i, &len, &from);

		assert_int_equal(len, lens[i]);
		memset(data, (int)i + 1, len);
		assert_memory_equal(got, data, len);
		assert_int_equal(from->ss_family, AF_INET);
	}
	assert_int_equal(udp_receive(udp_socket(u, 0), b), 0);
	assert_int_equal(udp_get(&udp_socket(u, 0)->datagrams), ARRAY_LEN(lens));
	close(fd);
	free(data);
	udp_close(&u);
	udp_batch_free(&b);
}

static void drops_are_counted_with_and_without_a_next_datagram(void **unused)
{
	struct udp_listen l[] = { listen_on("127.0.0.1", 0) };
	struct udp_batch *b = udp_batch_new();
	struct udp *u = udp_open(l, 1, 1, 4096, NULL);
	struct udp_socket *s = udp_socket(u, 0);
	int small = 4096, fd = sender("127.0.0.1", s->listen.port);
	uint64_t got = 0, dropped;
	unsigned n;

	(void)unused;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 200; i++)
		assert_int_equal(send(fd, "0123456789", 10, 0), 10);
	while ((n = udp_receive(s, b)))
		got += n;
	assert_true(got > 0 && got < 200);
	assert_int_equal(udp_get(&s->drops), 0); /* these were queued before the first drop */
	udp_poll_drops(s);
	dropped = udp_get(&s->drops);
	assert_int_equal(got + dropped, 200);
	for (int i = 0; i < 200; i++)
		assert_int_equal(send(fd, "0123456789", 10, 0), 10);
	while ((n = udp_receive(s, b)))
		got += n;
	assert_int_equal(udp_get(&s->drops), dropped); /* nothing followed yet */
	assert_int_equal(send(fd, "x", 1, 0), 1);
	got += udp_receive(s, b);
	assert_int_equal(got + udp_get(&s->drops), 401); /* the next one told */
	udp_poll_drops(s);
	assert_int_equal(got + udp_get(&s->drops), 401);
	close(fd);
	udp_close(&u);
	udp_batch_free(&b);
}

static void the_kernels_32_bits_wrap_into_our_64(void **unused)
{
	struct udp_socket s = { .drops_seen = 0 };

	(void)unused;
	udp_count_drops(&s, 0xfffffff0);
	assert_int_equal(s.drops, 0xfffffff0);
	udp_count_drops(&s, 0x10);
	assert_int_equal(s.drops, 0x100000010);
	udp_count_drops(&s, 0x10);
	assert_int_equal(s.drops, 0x100000010);
}

static void a_port_in_use_is_said_in_one_sentence(void **unused)
{
	struct udp_listen l[] = { listen_on("127.0.0.1", 0) };
	struct err err = { "" };

	(void)unused;
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct udp *u = udp_open(l, 1, workers, 4096, &err), *v;
		struct udp_listen again = udp_socket(u, 0)->listen;
		char port[8];

		for (unsigned w = 1; w <= 2; w++) {
			v = udp_open(&again, 1, w, 4096, &err);
			assert_null(v);
			snprintf(port, sizeof(port), ":%u", again.port);
			assert_non_null(strstr(err.msg, port));
			assert_non_null(strstr(err.msg, "another program"));
		}
		udp_close(&u);
	}
	l[0] = listen_on("192.0.2.77", 2055);
	assert_null(udp_open(l, 1, 1, 4096, &err));
	assert_non_null(strstr(err.msg, "no such address"));
}

static void both_families_may_have_one_port(void **unused)
{
	struct udp_listen l[] = { listen_on("0.0.0.0", 0), listen_on("::", 0) };
	struct udp *u = udp_open(l, 1, 1, 4096, NULL);
	struct err err = { "" };
	uint16_t port = udp_socket(u, 0)->listen.port;

	(void)unused;
	udp_close(&u);
	l[0].port = l[1].port = port;
	u = udp_open(l, 2, 2, 4096, &err);
	if (!u)
		fail_msg("%s", err.msg);
	assert_int_equal(udp_sockets(u), 4);
	udp_close(&u);
}

static void the_granted_buffer_is_told(void **unused)
{
	struct udp_listen l[] = { listen_on("127.0.0.1", 0) };
	struct udp *u = udp_open(l, 1, 1, 100 * 1024, NULL);

	(void)unused;
	assert_true(udp_socket(u, 0)->rcvbuf >= 100 * 1024); /* under every rmem_max */
	udp_close(&u);
}

/* In a child, since descriptors 3 and 4 and the environment are the process's. */
static void activated(void)
{
	struct udp_listen l[] = { { .port = 0, .purpose = "netflow" } };
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct udp_batch *b = udp_batch_new();
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct err err = { "" };
	char pid[16];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || dup2(fd, 3) != 3)
		_exit(2);
	getsockname(3, (struct sockaddr *)&ss, &len);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	l[0].addr = addr_of4("\0\0\0\0");
	l[0].port = (uint16_t)port_of(&ss);

	struct udp *u = udp_open(l, 1, 4, 4096, &err);
	if (!u || udp_sockets(u) != 1 || udp_workers(u) != 1 || !udp_socket(u, 0)->activated ||
	    udp_socket(u, 0)->listen.port != l[0].port || getenv("LISTEN_FDS"))
		_exit(3);
	send_from("127.0.0.5", l[0].port, "hello", 5);
	if (udp_receive(udp_socket(u, 0), b) != 1)
		_exit(4);
	_exit(0);
}

static void sockets_from_systemd_are_taken(void **unused)
{
	int status;
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		activated();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_socket_can_be_waited_for(void **unused)
{
	struct udp_listen l[] = { listen_on("127.0.0.1", 0) };
	struct udp *u = udp_open(l, 1, 1, 4096, NULL);

	(void)unused;
	send_from("127.0.0.1", udp_socket(u, 0)->listen.port, "x", 1);
	arrived(udp_socket(u, 0));
	udp_close(&u);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(an_address_reaches_one_worker_from_all_its_ports),
		cmocka_unit_test(ipv4_reaches_the_same_worker_through_an_ipv6_socket),
		cmocka_unit_test(the_longest_datagrams_arrive_whole_and_together),
		cmocka_unit_test(drops_are_counted_with_and_without_a_next_datagram),
		cmocka_unit_test(the_kernels_32_bits_wrap_into_our_64),
		cmocka_unit_test(a_port_in_use_is_said_in_one_sentence),
		cmocka_unit_test(both_families_may_have_one_port),
		cmocka_unit_test(the_granted_buffer_is_told),
		cmocka_unit_test(sockets_from_systemd_are_taken),
		cmocka_unit_test(a_socket_can_be_waited_for),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
