/* test_worker.c - a real thread on loopback: what is sent comes out as rows.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/worker.h"

#include "daemon/base/mem.h"
#include "daemon/base/queue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

		if (i % 3 == 0)
			send_v5(i, 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(few_rows_come_within_a_moment),
		TEST(all_rows_come_through_a_queue_that_is_full),
		TEST(what_has_arrived_is_handed_over_at_the_end),
		TEST(a_call_runs_on_the_thread_of_the_collector),
		TEST(a_closed_queue_does_not_hold_the_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
