/* test_rdns.c - reverse DNS against a resolver that lies, loops and counts.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/join_flow.h"
#include "daemon/evidence/named.h"
#include "daemon/evidence/owners.h"
#include "daemon/evidence/rdns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the resolver does with the question for 10.9.9.N. */
enum { PLAIN = 1, LONG, HOSTILE, LOOP, WRONG_ID, WRONG_SOURCE, NO_SUCH, DELEGATED, OTHER_CASE,
       SILENT, SHORT, REFUSED, OTHER_QUESTION, POINTERS };

enum { SEEN_MAX = 4096 };

static struct stub {
	pthread_t thread;
	int fd, forger;
	char address[32];
	bool stop;
	unsigned n;
	int64_t seen_ms[SEEN_MAX];
} stub;

static size_t put_name(uint8_t *to, const char *name)
{
	size_t n = 0;

	while (*name) {
		size_t len = strcspn(name, ".");

		to[n++] = (uint8_t)len;
		memcpy(to + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	to[n++] = 0;
	return n;
}

/* A record of the name at `owner` (a pointer into the message, or a name). */
static size_t put_rr(uint8_t *to, const uint8_t *owner, size_t owner_len, int type,
		     const uint8_t *data, size_t len)
{
	uint8_t head[10] = { 0, (uint8_t)type, 0, 1, 0, 0, 1, 0, (uint8_t)(len >> 8),
			     (uint8_t)len };

	memcpy(to, owner, owner_len);
	memcpy(to + owner_len, head, 10);
	memcpy(to + owner_len + 10, data, len);
	return owner_len + 10 + len;
}

static size_t long_name(uint8_t *to)
{
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		size_t len = i < 3 ? 63 : 61; /* 255 octets with lengths and end */

		to[n++] = (uint8_t)len;
		memset(to + n, 'a' + i, len);
		n += len;
	}
	to[n++] = 0;
	return n;
}

/* Fills answer from the question q; its length, 0 for silence. */
static size_t answer_to(const uint8_t *q, size_t len, int mode, uint8_t *out)
{
	static const uint8_t question[2] = { 0xc0, 12 };
	uint8_t name[300], other[300];
	size_t n = len, name_len = put_name(name, "reception-pc.lan");

	memcpy(out, q, len);
	out[2] = 0x81;
	out[3] = 0x80;
	out[6] = 0;
	out[7] = 1;
	out[10] = out[11] = 0;
	switch (mode) {
	case SILENT: return 0;
	case SHORT: return 14;
	case NO_SUCH: out[3] = 0x83; out[7] = 0; return n;
	case REFUSED: out[3] = 0x85; out[7] = 0; return n;
	case LONG: name_len = long_name(name); break;
	case HOSTILE: name_len = put_name(name, "<script>\x1b[31m\r\n=cmd.\x01\xff"); break;
	case OTHER_QUESTION: out[13] = (uint8_t)(out[13] == '1' ? '2' : '1'); break;
	case OTHER_CASE:
		for (size_t i = 12; i < len - 4; i++)
			out[i] = (uint8_t)(isalpha(q[i]) ? q[i] ^ 0x20 : q[i]);
		break;
	case POINTERS: /* the name points at itself */
		name[0] = (uint8_t)(0xc0 | (n + 12) >> 8);
		name[1] = (uint8_t)(n + 12);
		name_len = 2;
		break;
	case LOOP: {
		size_t other_len = put_name(other, "loop.lan");

		out[7] = 2;
		n += put_rr(out + n, question, 2, 5, other, other_len);
		return n + put_rr(out + n, other, other_len, 5, question, 2);
	}
	case DELEGATED: {
		size_t other_len = put_name(other, "8.0-63.9.9.10.in-addr.arpa");

		out[7] = 3; /* the answer's order says nothing */
		n += put_rr(out + n, other, other_len, 12, name, name_len);
		n += put_rr(out + n, other, other_len, 16, (const uint8_t *)"\1x", 2);
		return n + put_rr(out + n, question, 2, 5, other, other_len);
	}
	default: break;
	}
	return n + put_rr(out + n, question, 2, 12, name, name_len);
}

static void *resolve(void *arg)
{
	struct sockaddr_in from;
	socklen_t from_len;
	uint8_t q[512], a[1500];
	struct pollfd p = { stub.fd, POLLIN, 0 };

	(void)arg;
	while (!__atomic_load_n(&stub.stop, __ATOMIC_RELAXED)) {
		size_t n;
		ssize_t len;
		int mode;

		if (poll(&p, 1, 20) < 1)
			continue;
		from_len = sizeof(from);
		len = recvfrom(stub.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
		if (len < 17)
			continue;
		if (stub.n < SEEN_MAX)
			stub.seen_ms[stub.n] = clock_mono_ms();
		__atomic_store_n(&stub.n, stub.n + 1, __ATOMIC_RELAXED);
		mode = atoi((const char *)q + 13);
		n = answer_to(q, (size_t)len, mode, a);
		if ((mode == WRONG_ID || mode == WRONG_SOURCE) && n > 18) {
			uint8_t forged[1500];
			size_t at = n - 18; /* its name says so */

			memcpy(forged, a, n);
			memcpy(forged + at + 1, "forged-pc-xx", 12);
			forged[1] ^= mode == WRONG_ID;
			sendto(mode == WRONG_ID ? stub.fd : stub.forger, forged, n, 0,
			       (struct sockaddr *)&from, from_len);
		}
		if (n)
			sendto(stub.fd, a, n, 0, (struct sockaddr *)&from, from_len);
	}
	return NULL;
}

static int begin(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	(void)state;
	memset(&stub, 0, sizeof(stub));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	stub.fd = socket(AF_INET, SOCK_DGRAM, 0);
	stub.forger = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(stub.fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(bind(stub.forger, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(stub.fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(stub.address, sizeof(stub.address), "127.0.0.1:%u", ntohs(sin.sin_port));
	return pthread_create(&stub.thread, NULL, resolve, NULL);
}

static int end(void **state)
{
	(void)state;
	__atomic_store_n(&stub.stop, true, __ATOMIC_RELAXED);
	pthread_join(stub.thread, NULL);
	close(stub.fd);
	close(stub.forger);
	return 0;
}

static struct addr of_mode(int mode)
{
	uint8_t b[4] = { 10, 9, 9, (uint8_t)mode };

	return addr_of4(b);
}

static enum rdns_answer ask(struct rdns *r, int mode, char name[RDNS_NAME])
{
	struct addr a = of_mode(mode);
	enum rdns_answer first = rdns_find(r, &a, name);

	assert_int_equal(first, RDNS_LATER); /* nobody waits */
	rdns_wait(r, &a, 1, 5000);
	return rdns_find(r, &a, name);
}

static void answers_are_held_against_their_questions(void **state)
{
	static const struct {
		int mode;
		enum rdns_answer answer;
		const char *name;
	} rows[] = {
		{ PLAIN, RDNS_KNOWN, "reception-pc.lan" },
		{ WRONG_ID, RDNS_KNOWN, "reception-pc.lan" },
		{ WRONG_SOURCE, RDNS_KNOWN, "reception-pc.lan" },
		{ DELEGATED, RDNS_KNOWN, "reception-pc.lan" },
		{ NO_SUCH, RDNS_NONE, NULL },
		{ LOOP, RDNS_NONE, NULL },
		{ POINTERS, RDNS_NONE, NULL },
		{ OTHER_CASE, RDNS_LATER, NULL },
		{ REFUSED, RDNS_LATER, NULL },
	};
	struct err err = { "" };
	struct rdns *r = rdns_start(stub.address, &err);
	struct rdns_stats s;
	char name[RDNS_NAME];

	(void)state;
	if (!r)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum rdns_answer got = ask(r, rows[i].mode, name);

		if (got != rows[i].answer || (rows[i].name && strcmp(name, rows[i].name)))
			fail_msg("%d: %d %s", rows[i].mode, got, got == RDNS_KNOWN ? name : "");
	}
	assert_int_equal(ask(r, LONG, name), RDNS_KNOWN);
	assert_int_equal(strlen(name), 253);
	assert_int_equal(ask(r, HOSTILE, name), RDNS_KNOWN); /* text; sinks make it inert */
	assert_non_null(strstr(name, "<script>"));
	rdns_stats(r, &s);
	assert_int_equal(s.asked, ARRAY_LEN(rows) + 2);
	assert_int_equal(s.failed, 2);
	assert_int_equal(stub.n, s.asked);
	/* Both kinds of answer are remembered. */
	assert_int_equal(rdns_find(r, &(struct addr){ 0 }, name), RDNS_NONE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = of_mode(rows[i].mode);

		assert_int_equal(rdns_find(r, &a, name), rows[i].answer);
	}
	rdns_stats(r, &s);
	assert_int_equal(s.asked, ARRAY_LEN(rows) + 2);
	rdns_stop(&r);
}

static void nobody_waits_for_servers_that_are_silent(void **state)
{
	struct rdns *r = rdns_start(stub.address, NULL);
	struct addr a = of_mode(SILENT), list[3];
	char name[RDNS_NAME];
	int64_t began_ms = clock_mono_ms();

	(void)state;
	for (int i = 0; i < 3; i++) {
		list[i] = a;
		list[i].b[14] = (uint8_t)i;
		assert_int_equal(rdns_find(r, &list[i], name), RDNS_LATER);
	}
	rdns_wait(r, list, 3, 100);
	assert_true(clock_mono_ms() - began_ms >= 99);
	rdns_wait(r, list, 3, 10000); /* until the questions' time is up */
	assert_in_range(clock_mono_ms() - began_ms, RDNS_TIMEOUT_MS - 500,
			RDNS_TIMEOUT_MS + 3000);
	began_ms = clock_mono_ms();
	a.b[14] = 77;
	assert_int_equal(rdns_find(r, &a, name), RDNS_LATER);
	rdns_wait(r, &a, 1, 10000);
	assert_true(clock_mono_ms() - began_ms < 1000);
	rdns_stop(&r);
}

/* P21. The time for a find is what a caller loses; no caller is in the way of datagrams. */
static void a_million_addresses_are_twenty_questions_a_second(void **state)
{
	struct rdns *r = rdns_start(stub.address, NULL);
	int64_t began_ms = clock_mono_ms(), took_ms;
	struct rdns_stats s;
	struct addr a = of_mode(PLAIN);
	char name[RDNS_NAME];
	unsigned n;

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		memcpy(a.b + 12, &i, 3);
		rdns_find(r, &a, name);
	}
	took_ms = clock_mono_ms() - began_ms;
	for (uint32_t i = 0; clock_mono_ms() - began_ms < 2300; i++) {
		memcpy(a.b + 12, &i, 3);
		rdns_find(r, &a, name);
		rdns_wait(r, &a, 1, 5);
	}
	rdns_stats(r, &s);
	rdns_stop(&r);
	n = stub.n;
	print_message("1,000,000 addresses in %lld ms, %u questions in %lld ms\n",
		      (long long)took_ms, n, (long long)(clock_mono_ms() - began_ms));
	assert_in_range(n, RDNS_RATE, 4 * RDNS_RATE + (unsigned)took_ms / 50);
	assert_true(s.left_out > 900000);
	assert_true(s.cached <= RDNS_CACHE);
	/* As sent, any 21 are more than a second apart; 25 ms for their way. */
	for (unsigned i = RDNS_RATE; i < n && i < SEEN_MAX; i++)
		assert_true(stub.seen_ms[i] - stub.seen_ms[i - RDNS_RATE] >= 1000 - 25);
}

static void the_nearest_source_has_the_name(void **state)
{
	char *hosts = xasprintf("/tmp/culprit-%d-hosts", (int)getpid());
	char *file = xasprintf("/tmp/culprit-%d-leases", (int)getpid());
	const char *const leases[] = { file };
	struct owners_opts opts = { hosts, leases, 1, true, stub.address, false };
	struct owner w[4] = { { .addr = of_mode(PLAIN) }, { .addr = of_mode(NO_SUCH) },
			      { .addr = of_mode(LOOP) }, { .addr = of_mode(SILENT) } };
	int64_t now_ms = clock_wall_ms(), began_ms;
	struct owners *o;
	FILE *f;

	(void)state;
	f = fopen(opts.hosts, "w");
	fputs("10.9.9.7 printer.lan\n", f);
	fclose(f);
	f = fopen(leases[0], "w");
	fputs("0 52:54:00:00:00:01 10.9.9.7 other *\n0 52:54:00:00:00:02 10.9.9.4 alice *\n", f);
	fclose(f);
	o = owners_start(&opts, NULL);
	assert_non_null(o);
	began_ms = clock_mono_ms();
	owners_find(o, w, 4, now_ms, 300);
	assert_true(clock_mono_ms() - began_ms >= 299); /* for the one that is silent */
	assert_string_equal(w[0].name, "reception-pc.lan");
	assert_string_equal(w[1].name, "printer.lan");
	assert_string_equal(w[2].name, "alice");
	assert_string_equal(w[3].name, "");
	w[0].name[0] = '\0';
	owners_find(o, w, 1, now_ms, 0); /* what came late is there */
	assert_string_equal(w[0].name, "reception-pc.lan");
	owners_stop(&o);
	opts.dns = false;
	o = owners_start(&opts, NULL);
	owners_find(o, w, 4, now_ms, 300);
	assert_string_equal(w[0].name, "");
	assert_string_equal(w[2].name, "alice");
	owners_stop(&o);
	unlink(opts.hosts);
	unlink(leases[0]);
	free(hosts);
	free(file);
}

/* An alert that went out bare, its JSON, and a flow between the same two. */
static void what_comes_late_is_filled_in(void **state)
{
	struct owners_opts opts = { "", NULL, 0, true, stub.address, false };
	struct join_flow flow = { .src = of_mode(PLAIN), .dst = of_mode(NO_SUCH), .to_ms = 1 };
	struct owners *o = owners_start(&opts, NULL);
	struct alert *a = alert_new();
	struct strb s = { 0 };
	struct flow_names *n;
	json_t *j, *top;

	(void)state;
	assert_non_null(o);
	a->rule = xstrdup("r");
	a->series = xstrdup("s");
	a->series_id = xstrdup("s");
	a->window_end_ms = clock_wall_ms();
	a->top = xcalloc(1, sizeof(*a->top));
	a->n_top = 1;
	a->top[0].src = flow.src;
	a->top[0].dst = flow.dst;
	j = alert_json(a, NULL);
	top = json_array_get(json_object_get(j, "top_flows"), 0);
	assert_true(json_is_null(json_object_get(top, "src_name")));
	n = flow_names_find(o, &flow, 1, 5000);
	assert_string_equal(n->src, "reception-pc.lan");
	assert_string_equal(n->dst, "");
	alert_json_name_late(j, o);
	assert_string_equal(json_string_value(json_object_get(top, "src_name")),
			    "reception-pc.lan");
	assert_true(json_is_null(json_object_get(top, "dst_name")));
	alert_name_late(a, o);
	assert_string_equal(a->top[0].src_name, "reception-pc.lan");
	assert_null(a->top[0].dst_name);
	strb_add(&s, "{\"bytes\":1}\n");
	flow_names_json(n, &s);
	assert_string_equal(s.s, "{\"bytes\":1,\"src_name\":\"reception-pc.lan\","
				 "\"dst_name\":null}");
	flow_names_withhold(n, &flow, &flow.src);
	assert_string_equal(n->src, "");
	free(n);
	strb_free(&s);
	json_decref(j);
	alert_unref(&a);
	owners_stop(&o);
}

static void questions_are_asked_in_random_case(void **state)
{
	char q[RDNS_ASKED];
	struct addr a;

	(void)state;
	assert_true(addr_parse("10.20.0.66", &a));
	rdns_question(&a, 0, q);
	assert_string_equal(q, "66.0.20.10.in-addr.arpa");
	rdns_question(&a, 0x5, q);
	assert_string_equal(q, "66.0.20.10.In-Addr.arpa");
	assert_true(addr_parse("2001:db8::66", &a));
	rdns_question(&a, 0, q);
	assert_string_equal(q, "6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
			       "ip6.arpa");
	rdns_question(&a, UINT64_MAX, q);
	assert_int_equal(strlen(q), 72);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_late_is_filled_in, begin, end),
		cmocka_unit_test(questions_are_asked_in_random_case),
		cmocka_unit_test_setup_teardown(answers_are_held_against_their_questions, begin,
						end),
		cmocka_unit_test_setup_teardown(nobody_waits_for_servers_that_are_silent, begin,
						end),
		cmocka_unit_test_setup_teardown(
		    a_million_addresses_are_twenty_questions_a_second, begin, end),
		cmocka_unit_test_setup_teardown(the_nearest_source_has_the_name, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
