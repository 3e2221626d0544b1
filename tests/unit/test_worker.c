/* test_worker.c - a real thread on loopback: what is sent comes out as rows.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/worker.h"

#include "daemon/base/mem.h"
#include "daemon/base/queue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE = 4 };

static struct {
	struct names *names;
	struct collector *c;
	struct udp *u;
	struct queue *q;
	struct worker *w;
	int fd;
} t;

static bool sink(void *arg, struct block *b)
{
	(void)arg;
	if (queue_put(t.q, b))
		return true;
	block_unref(&b);
	return false;
}

static int begin(void **unused)
{
	static const struct collect_conf conf;
	struct udp_listen l = { .addr = addr_of4("\x7f\0\0\1"), .purpose = "netflow" };
	struct worker_conf wc = { .sink = sink };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct err err = { "" };

	(void)unused;
	memset(&t, 0, sizeof(t));
	t.names = names_new(100);
	t.c = collector_new(t.names, &conf);
	t.u = udp_open(&l, 1, 1, 4 << 20, &err);
	assert_non_null(t.u);
	t.q = queue_new(QUEUE);
	wc.udp = t.u;
	wc.collector = t.c;
	wc.names = t.names;
	t.w = worker_start(&wc, &err);
	assert_non_null(t.w);
	t.fd = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(udp_socket(t.u, 0)->listen.port);
	assert_int_equal(connect(t.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return 0;
}

static int end(void **unused)
{
	struct block *b;

	(void)unused;
	queue_close(t.q);
	worker_stop(&t.w);
	while ((b = queue_get(t.q, 0)))
		block_unref(&b);
	queue_free(&t.q);
	udp_close(&t.u);
	collector_free(&t.c);
	names_free(&t.names);
	close(t.fd);
	return 0;
}

/* NetFlow v5 with n flows of 100 octets. */
static void send_v5(uint32_t number, unsigned n)
{
	uint8_t d[24 + 30 * 48] = { 0, 5, 0, (uint8_t)n };

	number = htonl(number);
	memcpy(d + 16, &number, 4);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *r = d + 24 + 48 * i;

		memcpy(r, "\xc6\x33\x64\1\xcb\0\x71\2", 8);
		r[19] = 1;
		r[23] = 100;
	}
	assert_int_equal(send(t.fd, d, 24 + 48 * n, 0), 24 + 48 * n);
}

static void few_rows_come_within_a_moment(void **unused)
{
	struct block *b;

	(void)unused;
	send_v5(0, 3);
	b = queue_get(t.q, 5000);
	assert_non_null(b);
	assert_int_equal(b->n, 3);
	assert_int_equal(b->bytes[2], 100);
	assert_ptr_equal(b->names, t.names);
	block_unref(&b);
	assert_null(queue_get(t.q, 0)); /* and no empty block after them */
}

static void all_rows_come_through_a_queue_that_is_full(void **unused)
{
	enum { DATAGRAMS = 1000 };
	struct worker_stats st;
	uint64_t rows = 0, bytes = 0;
	uint32_t at = 0;

	(void)unused;
	while (rows < DATAGRAMS * 30) {
		struct block *b;

		for (int i = 0; i < 100 && at < DATAGRAMS; i++)
			send_v5(30 * at++, 30);
		b = queue_get(t.q, 5000);
		assert_non_null(b);
		rows += b->n;
		for (uint32_t i = 0; i < b->n; i++)
			bytes += b->bytes[i];
		block_unref(&b);
	}
	assert_int_equal(rows, DATAGRAMS * 30);
	assert_int_equal(bytes, DATAGRAMS * 3000);
	worker_stats(t.w, &st);
	assert_int_equal(st.datagrams, DATAGRAMS);
	assert_int_equal(st.rows, rows);
	assert_true(st.new_blocks <= QUEUE + 3); /* the rest was used again */
	assert_int_equal(udp_get(&udp_socket(t.u, 0)->datagrams), DATAGRAMS);
	assert_int_equal(udp_get(&udp_socket(t.u, 0)->drops), 0);
}

static void what_has_arrived_is_handed_over_at_the_end(void **unused)
{
	uint64_t rows = 0;
	struct block *b;

	(void)unused;
	for (uint32_t i = 0; i < 50; i++)
		send_v5(i * 30, 30);
	worker_stop(&t.w);
	while ((b = queue_get(t.q, 0))) {
		rows += b->n;
		block_unref(&b);
	}
	assert_int_equal(rows, 1500);
}

static void note(void *arg, struct collector *c)
{
	*(bool *)arg = c == t.c;
}

static void a_call_runs_on_the_thread_of_the_collector(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 200; i++) {
		bool ran = false;
		struct block *b;

		if (i % 3 == 0)
			send_v5(i, 1);
		/* On a busy machine many are handed over meanwhile, and a full queue holds. */
		while ((b = queue_get(t.q, 0)))
			block_unref(&b);
		worker_call(t.w, note, &ran);
		assert_true(ran);
	}
}

static void a_closed_queue_does_not_hold_the_worker(void **unused)
{
	bool ran = false;

	(void)unused;
	queue_close(t.q);
	for (uint32_t i = 0; i < 300; i++)
		send_v5(i * 30, 30);
	worker_call(t.w, note, &ran);
	assert_true(ran);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

struct got {
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned rows, counters;
};

static bool got_rows(void *arg, struct block *b)
{
	struct got *g = arg;

	pthread_mutex_lock(&g->lock);
	g->rows += b->n;
	pthread_cond_signal(&g->more);
	pthread_mutex_unlock(&g->lock);
	block_unref(&b);
	return true;
}

static void got_counters(void *arg, const struct if_counters *c)
{
	struct got *g = arg;

	pthread_mutex_lock(&g->lock);
	g->counters += c->index == 7;
	pthread_cond_signal(&g->more);
	pthread_mutex_unlock(&g->lock);
}

/* An IPFIX message with a template and one flow of it. */
static const uint8_t message[] = {
	0, 10, 0, 44, 0x65, 0x53, 0xf1, 0, 0, 0, 0, 0, 0, 0, 0, 7,
	0, 2, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4,
	1, 0, 0, 12, 198, 51, 100, 1, 0, 0, 0, 100,
};

static void say_counters(int fd)
{
	uint32_t w[7 + 2 + 3 + 2 + 22] = { 5, 1, 0xc00002fa, 0, 1, 1000, 1, 2, 12 + 8 + 88,
					   1, 7, 1, 1, 88, 7, 6, 0, 1000000000 };

	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		w[i] = htonl(w[i]);
	assert_int_equal(write(fd, w, sizeof(w)), sizeof(w));
}

static void connections_counters_and_forwarding_have_one_thread(void **state)
{
	static const struct collect_conf conf;
	struct udp_listen l[2] = { { .addr = addr_of4("\x7f\0\0\1"), .purpose = "ipfix" },
				   { .addr = addr_of4("\x7f\0\0\1"), .purpose = "ipfix",
				     .stream = true } };
	struct sockaddr_in to = { .sin_family = AF_INET }, other = to;
	struct got g = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };
	struct names *names = names_new(10);
	struct worker_conf wc = { .sink = got_rows, .counters = got_counters, .arg = &g,
				  .counters_arg = &g,
				  .names = names, .collector = collector_new(names, &conf) };
	struct forward_target target = { addr_of4("\x7f\0\0\1"), 0 };
	socklen_t len = sizeof(other);
	int fd = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int sink_fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct err err = { "" };
	struct worker *w;
	uint8_t buf[256];

	(void)state;
	other.sin_addr.s_addr = to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(sink_fd, (struct sockaddr *)&other, sizeof(other)), 0);
	assert_int_equal(getsockname(sink_fd, (struct sockaddr *)&other, &len), 0);
	target.port = ntohs(other.sin_port);
	wc.udp = udp_open(l, 2, 1, 1 << 20, &err);
	assert_non_null(wc.udp);
	wc.forward = forward_new(&target, 1, &err);
	assert_non_null(wc.forward);
	w = worker_start(&wc, &err);
	assert_non_null(w);
	to.sin_port = htons(udp_socket(wc.udp, 1)->listen.port);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, message, sizeof(message)), sizeof(message));
	to.sin_port = htons(udp_socket(wc.udp, 0)->listen.port);
	assert_int_equal(connect(udp, (struct sockaddr *)&to, sizeof(to)), 0);
	say_counters(udp);
	pthread_mutex_lock(&g.lock);
	while (!g.rows || !g.counters)
		pthread_cond_wait(&g.more, &g.lock);
	pthread_mutex_unlock(&g.lock);
	assert_int_equal(recv(sink_fd, buf, sizeof(buf), 0), 36 * 4); /* the datagram went on */
	close(fd);
	worker_stop(&w);
	assert_int_equal(g.rows, 1);
	forward_free(&wc.forward);
	udp_close(&wc.udp);
	collector_free(&wc.collector);
	names_free(&names);
	close(udp);
	close(sink_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(few_rows_come_within_a_moment),
		TEST(all_rows_come_through_a_queue_that_is_full),
		TEST(what_has_arrived_is_handed_over_at_the_end),
		TEST(a_call_runs_on_the_thread_of_the_collector),
		TEST(a_closed_queue_does_not_hold_the_worker),
		cmocka_unit_test(connections_counters_and_forwarding_have_one_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
