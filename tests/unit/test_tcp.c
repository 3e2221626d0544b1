/* test_tcp.c - IPFIX over connections, on loopback.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/base/strb.h"
#include "daemon/collect/tcp.h"
#include "daemon/collect/udp.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct el els[] = { { 8, 4, 0 }, { 1, 4, 0 } };

struct side {
	struct rig r;
	struct udp *u;
	struct udp_socket *s;
	struct tcp *t;
	int epoll, fd;
	int64_t now_ms;
};

static int join(struct side *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(s->s->listen.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = { .fd = s->s->fd, .events = POLLIN };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	tcp_accept(s->t, s->s, s->now_ms);
	return fd;
}

static void begin(struct side *s)
{
	struct udp_listen l = { .addr = addr_of4("\x7f\0\0\1"), .stream = true,
				.purpose = "ipfix" };
	struct err err = { "" };

	memset(s, 0, sizeof(*s));
	rig_init(&s->r);
	s->now_ms = NOW_MS + 400;
	s->u = udp_open(&l, 1, 1, 0, &err);
	assert_non_null(s->u);
	s->s = udp_socket(s->u, 0);
	s->epoll = epoll_create1(0);
	s->t = tcp_new(s->r.c, s->epoll);
	s->fd = join(s);
}

static void finish(struct side *s)
{
	tcp_free(&s->t);
	close(s->fd);
	close(s->epoll);
	udp_close(&s->u);
	rig_fini(&s->r);
}

/* What arrived is decoded; waits until there is something to hear. */
static bool hear(struct side *s)
{
	struct epoll_event e;

	assert_int_equal(epoll_wait(s->epoll, &e, 1, 5000), 1);
	return tcp_look(s->t, s->now_ms, &s->r.out);
}

static void say(struct side *s, const void *data, size_t len)
{
	assert_int_equal(write(s->fd, data, len), (ssize_t)len);
	hear(s);
}

static void finish_message(struct dg *g) { set16(g, 2, (uint16_t)g->n); }

static void record(struct dg *g, uint16_t id, const char *from)
{
	size_t at = set_begin(g, id);

	put_ip(g, from);
	p32(g, 100);
	set_end(g, at);
}

/* True when the other side closed. */
static bool closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, 5000) == 1 && read(fd, &c, 1) <= 0;
}

static void messages_come_in_pieces_and_in_heaps(void **state)
{
	struct side s;
	struct dg g, h;

	(void)state;
	begin(&s);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	record(&g, 256, "198.51.100.1");
	finish_message(&g);
	for (size_t i = 0; i < g.n; i++)
		say(&s, g.b + i, 1);
	assert_int_equal(s.r.out.block->n, 1);
	head10(&h, 1, 7);
	record(&h, 256, "198.51.100.2");
	finish_message(&h);
	head10(&g, 2, 7);
	record(&g, 256, "198.51.100.3");
	finish_message(&g);
	put(&h, g.b, g.n);
	put(&h, g.b, 7); /* and the beginning of one more */
	say(&s, h.b, h.n);
	assert_int_equal(s.r.out.block->n, 3);
	assert_int_equal(rig_ledger(&s.r)->datagrams[VIA_IPFIX], 3);
	assert_int_equal(rig_ledger(&s.r)->lost[LOST_RECORDS], 0);
	rig_books(&s.r);
	finish(&s);
}

static void a_withdrawal_is_honoured(void **state)
{
	static const uint16_t withdrawn[] = { 256, 2 };
	static const struct el other[] = { { 1, 8, 0 } };
	struct side s;
	struct dg g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(withdrawn); i++) {
		begin(&s);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		put_template(&g, 2, withdrawn[i], els, 0);
		record(&g, 256, "198.51.100.1");
		finish_message(&g);
		say(&s, g.b, g.n);
		assert_int_equal(s.r.out.block->n, 0);
		assert_int_equal(rig_ledger(&s.r)->sets[SET_NO_TEMPLATE], 1);
		/* Its number anew: the data before are not of that shape. */
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, other);
		finish_message(&g);
		say(&s, g.b, g.n);
		assert_int_equal(s.r.out.block->n, 0);
		rig_books(&s.r);
		finish(&s);
	}
}

static void options_templates_are_withdrawn_apart(void **state)
{
	struct side s;
	struct dg g;
	size_t at;

	(void)state;
	begin(&s);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 3);
	p16(&g, 257);
	p16(&g, 1);
	p16(&g, 1);
	put_els(&g, els, 1);
	set_end(&g, at);
	put_template(&g, 3, 3, els, 0); /* all options templates */
	record(&g, 256, "198.51.100.1");
	at = set_begin(&g, 257);
	put_ip(&g, "198.51.100.1");
	set_end(&g, at);
	finish_message(&g);
	say(&s, g.b, g.n);
	assert_int_equal(s.r.out.block->n, 1);
	assert_int_equal(rig_ledger(&s.r)->options, 0);
	assert_int_equal(rig_ledger(&s.r)->sets[SET_NO_TEMPLATE], 1);
	finish(&s);
}

static void templates_end_with_their_connection(void **state)
{
	struct side s;
	struct dg g;
	struct strb saved = { 0 };

	(void)state;
	begin(&s);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	record(&g, 257, "198.51.100.9"); /* waits for what never comes */
	finish_message(&g);
	say(&s, g.b, g.n);
	collect_save(s.r.c, &saved);
	assert_null(strstr(saved.s, "template 256"));
	strb_free(&saved);
	close(s.fd);
	hear(&s);
	assert_int_equal(rig_ledger(&s.r)->sets[SET_NO_TEMPLATE], 1);
	s.fd = join(&s);
	head10(&g, 0, 7);
	record(&g, 256, "198.51.100.1");
	finish_message(&g);
	say(&s, g.b, g.n);
	assert_int_equal(s.r.out.block->n, 0);
	assert_int_equal(rig_ledger(&s.r)->sets[SET_HELD], 1);
	rig_books(&s.r);
	finish(&s);
}

static void what_is_no_ipfix_ends_the_connection(void **state)
{
	static const struct {
		uint8_t octets[20];
		enum bad_reason why;
	} t[] = {
		{ { 0, 9, 0, 20 }, BAD_VERSION },
		{ "GET / HTTP/1.1\r\n\r\n", BAD_VERSION },
		{ { 0, 10, 0, 15 }, BAD_LENGTH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct side s;

		begin(&s);
		say(&s, t[i].octets, 20);
		assert_true(closed(s.fd));
		assert_int_equal(rig_ledger(&s.r)->malformed[t[i].why], 1);
		finish(&s);
	}
}

static void places_are_bounded_and_have_to_be_earned(void **state)
{
	struct side s;
	int fd[TCP_CONNS_OF_ONE];

	(void)state;
	begin(&s);
	for (int i = 1; i < TCP_CONNS_OF_ONE; i++)
		fd[i] = join(&s);
	fd[0] = join(&s);
	assert_true(closed(fd[0])); /* one too many of this address */
	s.now_ms += 31000;
	tcp_tick(s.t, s.now_ms);
	assert_true(closed(s.fd));
	for (int i = 1; i < TCP_CONNS_OF_ONE; i++)
		assert_true(closed(fd[i]));
	assert_int_equal(udp_get(&s.s->datagrams), TCP_CONNS_OF_ONE);
	for (int i = 0; i < TCP_CONNS_OF_ONE; i++)
		close(fd[i]);
	finish(&s);
}

static int join_from(struct side *s, uint32_t host)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(s->s->listen.port) };
	struct sockaddr_in us = { .sin_family = AF_INET };
	struct pollfd p = { .fd = s->s->fd, .events = POLLIN };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	us.sin_addr.s_addr = htonl(0x7f000000 + host);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&us, sizeof(us)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	tcp_accept(s->t, s->s, s->now_ms);
	return fd;
}

static void the_one_silent_longest_makes_room(void **state)
{
	struct side s;
	int fd[TCP_CONNS + 2];

	(void)state;
	begin(&s);
	for (uint32_t i = 1; i < TCP_CONNS; i++)
		fd[i] = join_from(&s, i + 1);
	fd[0] = join_from(&s, 200);
	assert_true(closed(fd[0])); /* none has been silent for long */
	s.now_ms += 61000;
	fd[TCP_CONNS] = join_from(&s, 201);
	assert_true(closed(s.fd)); /* the first that came */
	for (int i = 0; i <= TCP_CONNS; i++)
		close(fd[i]);
	finish(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_in_pieces_and_in_heaps),
		cmocka_unit_test(a_withdrawal_is_honoured),
		cmocka_unit_test(options_templates_are_withdrawn_apart),
		cmocka_unit_test(templates_end_with_their_connection),
		cmocka_unit_test(what_is_no_ipfix_ends_the_connection),
		cmocka_unit_test(places_are_bounded_and_have_to_be_earned),
		cmocka_unit_test(the_one_silent_longest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
