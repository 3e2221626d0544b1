/* test_flood.c - invented traffic in, floods out: each kind, and who looks like it. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "detectors/pattern.h"
#include "flow_row.h"

enum { SEEN = 32, S = 2, A = 16, SA = S | A };
#define T0 INT64_C(1780000000000)
#define VICTIM "203.0.113.5"

struct site {
	void *state;
	struct block *b;
	uint64_t rng;
	int64_t now;
	struct finding seen[SEEN];
	unsigned n, began;
};

static uint32_t rnd(struct site *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (uint32_t)(s->rng >> 16);
}

static void found(void *arg, const struct finding *f)
{
	struct site *s = arg;

	if (getenv("FLOOD_SHOW"))
		printf("%s%s: %s\n", f->ended ? "ended " : "", f->kind, f->why);
	assert_true(s->n < SEEN);
	s->seen[s->n++] = *f;
	s->began += !f->ended;
}

static void flush(struct site *s)
{
	uint64_t bits[ROW_WORDS];

	memset(bits, 0, sizeof(bits));
	for (uint32_t r = 0; r < s->b->n; r++)
		bits[r / 64] |= UINT64_C(1) << r % 64;
	pattern_find("flood")->feed(s->state, s->b, bits, s->now);
	block_reset(s->b);
}

static struct addr any(struct site *s)
{
	uint8_t a[4] = { (uint8_t)(1 + rnd(s) % 200), (uint8_t)rnd(s), (uint8_t)rnd(s),
			 (uint8_t)rnd(s) };

	return addr_of4(a);
}

static struct addr nth(const char *base, uint32_t i)
{
	struct addr a = ip(base);

	a.b[15] = (uint8_t)(a.b[15] + i);
	a.b[14] = (uint8_t)(a.b[14] + (i >> 8));
	return a;
}

static void row(struct site *s, struct flow_row r)
{
	if (!r.end_ms)
		r.end_ms = s->now - 1000 + rnd(s) % 1000;
	if (!r.start_ms)
		r.start_ms = r.end_ms;
	r.received_ms = s->now;
	r.packets = r.packets ? r.packets : 1;
	r.bytes = r.bytes ? r.bytes : 60 * r.packets;
	flow_row_add(s->b, &r);
	if (s->b->n == BLOCK_ROWS)
		flush(s);
}

/* --- actors: what one second of them is --- */

typedef void actor_f(struct site *s);

static void both(struct site *s, struct flow_row r, uint64_t back)
{
	struct flow_row o = r;

	o.src = r.dst;
	o.dst = r.src;
	o.src_port = r.dst_port;
	o.dst_port = r.src_port;
	o.packets = back;
	o.bytes = 0;
	o.icmp = 0;
	row(s, r);
	row(s, o);
}

static void quiet(struct site *s)
{
	for (int i = 0; i < 20; i++)
		both(s, (struct flow_row){ .src = nth("10.20.0.1", rnd(s) % 200),
					   .dst = any(s), .src_port = (uint16_t)(30000 + i),
					   .dst_port = 443, .proto = 6, .tcp_flags = SA,
					   .packets = 12 }, 14);
}

static void syn_flood(struct site *s)
{
	for (int i = 0; i < 400; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 443,
					  .src_port = (uint16_t)rnd(s), .proto = 6, .tcp_flags = S });
}

static void syn_few(struct site *s)
{
	for (int i = 0; i < 2000; i++)
		row(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM),
					  .src_port = (uint16_t)rnd(s), .dst_port = 80,
					  .proto = 6, .tcp_flags = S });
}

static void udp_spoofed(struct site *s)
{
	for (int i = 0; i < 900; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .proto = 17,
					  .src_port = (uint16_t)(1024 + rnd(s) % 60000),
					  .dst_port = (uint16_t)rnd(s) });
}

static void udp_botnet(struct site *s)
{
	for (int i = 0; i < 120; i++)
		row(s, (struct flow_row){ .src = nth("198.18.0.1", (uint32_t)i), .dst = ip(VICTIM),
					  .proto = 17, .src_port = 40000, .dst_port = 80,
					  .start_ms = s->now - 1000, .end_ms = s->now,
					  .packets = 60, .bytes = 60 * 1400 });
}

static void icmp_flood(struct site *s)
{
	for (int i = 0; i < 600; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .proto = 1,
					  .icmp = 8 << 8 });
}

/* hping3 -1 and hping3 -S -k: one source, one flow that is told at its end */
static void ping_one(struct site *s)
{
	if ((s->now - T0) / 1000 % 25 == 0)
		both(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .proto = 1,
					   .icmp = 8 << 8, .packets = 45000,
					   .start_ms = s->now - 25000, .end_ms = s->now }, 0);
}

static void syn_one(struct site *s)
{
	if ((s->now - T0) / 1000 % 25 == 0)
		row(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .proto = 6,
					  .src_port = 4000, .dst_port = 80, .tcp_flags = S,
					  .packets = 45000, .start_ms = s->now - 25000,
					  .end_ms = s->now });
}

/* hping3 --udp: one source, a port for each packet */
static void udp_one(struct site *s)
{
	for (int i = 0; i < 6000; i++)
		row(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .proto = 17,
					  .src_port = (uint16_t)rnd(s), .dst_port = 53 });
}

/* One client, connection after connection */
static void visits_one(struct site *s)
{
	for (int i = 0; i < 300; i++)
		both(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .dst_port = 80,
					   .src_port = (uint16_t)rnd(s), .proto = 6,
					   .tcp_flags = SA, .packets = 5 }, 5);
}

static void reflect(struct site *s, uint16_t port, uint64_t octets)
{
	for (int i = 0; i < 60; i++)
		row(s, (struct flow_row){ .src = nth("192.88.99.1", rnd(s) % 2000),
					  .dst = ip(VICTIM), .proto = 17, .src_port = port,
					  .dst_port = 55555, .packets = 10, .bytes = 10 * octets });
}

static void dns_reflection(struct site *s) { reflect(s, 53, 1300); }
static void ntp_reflection(struct site *s) { reflect(s, 123, 468); }
static void memcached(struct site *s) { reflect(s, 11211, 1400); }

static void carpet(struct site *s)
{
	for (int i = 0; i < 4000; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = nth("203.0.113.0", rnd(s) % 256),
					  .proto = 17, .src_port = 4444, .dst_port = 4444 });
}

static void carpet6(struct site *s)
{
	for (int i = 0; i < 4000; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = nth("2001:db8:5::", rnd(s) % 200),
					  .proto = 17, .src_port = 4444, .dst_port = 4444 });
}

/* SYN flood of a victim among half a million random destinations of somebody's sweep */
static void syn_in_noise(struct site *s)
{
	syn_flood(s);
	for (int i = 0; i < 4000; i++)
		row(s, (struct flow_row){ .src = ip("10.20.0.66"), .dst = any(s), .proto = 6,
					  .dst_port = 23, .tcp_flags = S });
}

static void web_server(struct site *s)
{
	for (int i = 0; i < 500; i++)
		both(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 443,
					   .src_port = (uint16_t)rnd(s), .proto = 6,
					   .tcp_flags = SA, .packets = 9 }, 12);
	for (int i = 0; i < 60; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 443,
					  .proto = 6, .tcp_flags = S });
}

static void quic_server(struct site *s)
{
	for (int i = 0; i < 300; i++)
		both(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 443,
					   .src_port = (uint16_t)(10000 + rnd(s) % 50000),
					   .proto = 17, .packets = 40 }, 60);
}

static void resolver(struct site *s)
{
	for (int i = 0; i < 700; i++)
		both(s, (struct flow_row){ .src = ip(VICTIM), .dst = nth("192.88.99.1", rnd(s) % 999),
					   .src_port = (uint16_t)(20000 + rnd(s) % 9000),
					   .dst_port = 53, .proto = 17, .bytes = 70 }, 1);
	for (int i = 0; i < 200; i++) /* large ones, and asked for */
		row(s, (struct flow_row){ .src = nth("192.88.99.1", rnd(s) % 999),
					  .dst = ip(VICTIM), .src_port = 53, .dst_port = 20001,
					  .proto = 17, .bytes = 1400 });
}

static void ntp_server(struct site *s)
{
	for (int i = 0; i < 1500; i++)
		both(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 123,
					   .src_port = (uint16_t)(i % 2 ? 123 : 40000), .proto = 17,
					   .bytes = 76 }, 1);
}

static void log_collector(struct site *s)
{
	for (uint32_t i = 0; i < 200; i++)
		row(s, (struct flow_row){ .src = nth("10.30.0.1", i), .dst = ip(VICTIM),
					  .src_port = 514, .dst_port = 514, .proto = 17,
					  .packets = 25, .start_ms = s->now - 1000,
					  .end_ms = s->now });
}

/* A backup of half an hour that is reported at its end. */
static void backup(struct site *s)
{
	if (s->now - T0 != 60000)
		return;
	for (int i = 0; i < 80; i++)
		row(s, (struct flow_row){ .src = nth("10.30.0.1", (uint32_t)i), .dst = ip(VICTIM),
					  .src_port = 9000, .dst_port = 9000, .proto = 17,
					  .start_ms = s->now - 1800000, .end_ms = s->now,
					  .packets = 40000, .bytes = 40000 * 1400 });
}

static void pings_untyped(struct site *s) /* as softflowd -b tells them */
{
	both(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .proto = 1,
				   .packets = 2000, .start_ms = s->now - 1000, .end_ms = s->now }, 2000);
}

static void metrics(struct site *s) /* a socket for each datagram, all day */
{
	for (int i = 0; i < 3500; i++)
		row(s, (struct flow_row){ .src = nth("10.30.0.1", rnd(s) % 4), .dst = ip(VICTIM),
					  .src_port = (uint16_t)rnd(s), .dst_port = 8125,
					  .proto = 17 });
}

static void vpn(struct site *s)
{
	both(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .src_port = 51820,
				   .dst_port = 51820, .proto = 17, .packets = 30000,
				   .start_ms = s->now - 1000, .end_ms = s->now }, 9000);
}

static void monitor(struct site *s)
{
	for (uint32_t i = 0; i < 500; i++) {
		row(s, (struct flow_row){ .src = ip(VICTIM), .dst = nth("10.40.0.1", i),
					  .proto = 1, .icmp = 8 << 8 });
		row(s, (struct flow_row){ .src = nth("10.40.0.1", i), .dst = ip(VICTIM),
					  .proto = 1, .icmp = 0 });
	}
}

static void port_scan(struct site *s)
{
	for (int i = 0; i < 3000; i++)
		row(s, (struct flow_row){ .src = ip("198.51.100.7"), .dst = ip(VICTIM), .proto = 6,
					  .dst_port = (uint16_t)rnd(s), .tcp_flags = S });
}

static void sweep(struct site *s)
{
	for (uint32_t i = 0; i < 2560; i++)
		row(s, (struct flow_row){ .src = ip("198.51.100.7"), .proto = 6, .tcp_flags = S,
					  .dst = nth("203.0.113.0", i % 256), .dst_port = 22 });
}

static void office(struct site *s)
{
	for (uint32_t i = 0; i < 200; i++)
		both(s, (struct flow_row){ .src = nth("203.0.113.0", i), .dst = any(s),
					   .src_port = (uint16_t)(40000 + i), .dst_port = 443,
					   .proto = 17, .packets = 40 }, 200);
}

static void down(struct site *s) /* clients of a dead server, each asks four times */
{
	for (int i = 0; i < 40; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .dst_port = 443,
					  .src_port = (uint16_t)rnd(s), .proto = 6, .tcp_flags = S,
					  .packets = 4, .start_ms = s->now - 7000,
					  .end_ms = s->now });
}

/* More busy hosts than there are places for. */
static void many_busy(struct site *s)
{
	for (int i = 0; i < 1000; i++)
		both(s, (struct flow_row){ .src = any(s), .dst = nth("10.50.0.0", rnd(s) % 20000),
					   .src_port = 40000, .dst_port = 443, .proto = 17,
					   .packets = 9000, .start_ms = s->now - 1000,
					   .end_ms = s->now }, 9000);
}

/* --- the table --- */

static void run(struct site *s, actor_f *one, actor_f *two, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		s->now += 1000;
		one(s);
		if (two)
			two(s);
		flush(s);
		pattern_find("flood")->judge(s->state, s->now, found, s);
	}
}

static void start(struct site *s)
{
	const struct pattern *p = pattern_find("flood");
	void *conf = xcalloc(1, p->conf_size);

	opt_defaults(p->opts, conf);
	*s = (struct site){ .rng = 88172645463325252, .now = T0 };
	s->b = block_new(NULL);
	s->state = p->open(conf, 4 << 20);
	free(conf);
}

static void stop(struct site *s)
{
	pattern_find("flood")->free(s->state);
	block_unref(&s->b);
}

static void each_kind_is_found_once_and_ends(void **state)
{
	static const struct {
		const char *name, *kind;
		actor_f *usual, *flood;
	} rows[] = {
		{ "syn", "SYN flood", quiet, syn_flood },
		{ "syn few", "SYN flood", quiet, syn_few },
		{ "syn busy", "SYN flood", web_server, syn_few },
		{ "udp spoofed", "UDP flood", quiet, udp_spoofed },
		{ "udp botnet", "UDP flood", quiet, udp_botnet },
		{ "icmp", "ICMP flood", quiet, icmp_flood },
		{ "ping of one", "ICMP flood", quiet, ping_one },
		{ "syn of one", "SYN flood", quiet, syn_one },
		{ "udp of one", "UDP flood", quiet, udp_one },
		{ "connections of one", "connection flood", quiet, visits_one },
		{ "dns", "DNS reflection", quiet, dns_reflection },
		{ "ntp", "NTP reflection", quiet, ntp_reflection },
		{ "memcached", "memcached reflection", quiet, memcached },
		{ "carpet", "carpet 203.0.113.0/24", quiet, carpet },
		{ "carpet6", "carpet 2001:db8:5::/64", quiet, carpet6 },
		{ "syn in noise", "SYN flood", quiet, syn_in_noise },
		{ "syn in a crowd", "SYN flood", many_busy, syn_flood },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct site s;

		start(&s);
		run(&s, rows[i].usual, NULL, 150);
		assert_int_equal(s.n, 0);
		run(&s, rows[i].usual, rows[i].flood, 40);
		if (s.began != 1)
			fail_msg("%s: %u found, first %s", rows[i].name, s.began, s.seen[0].kind);
		assert_string_equal(s.seen[0].kind, rows[i].kind);
		assert_true(s.seen[0].first_ms - T0 >= 140000);
		assert_true(s.seen[0].value >= s.seen[0].limit);
		run(&s, quiet, NULL, 400);
		assert_int_equal(s.n, 2);
		assert_true(s.seen[1].ended);
		assert_string_equal(s.seen[1].kind, rows[i].kind);
		stop(&s);
	}
}

static void what_looks_alike_is_quiet(void **state)
{
	static const struct {
		const char *name;
		actor_f *actor;
	} rows[] = {
		{ "web server", web_server }, { "QUIC server", quic_server },
		{ "resolver", resolver }, { "NTP server", ntp_server },
		{ "collector of logs", log_collector }, { "backup", backup }, { "VPN", vpn },
		{ "pings without types", pings_untyped },
		{ "metrics", metrics }, { "balancer", visits_one },
		{ "monitor", monitor }, { "port scan", port_scan }, { "sweep", sweep },
		{ "office", office }, { "dead server", down }, { "nothing", quiet },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct site s;

		start(&s);
		run(&s, rows[i].actor, quiet, 300);
		if (s.n)
			fail_msg("%s: %s: %s", rows[i].name, s.seen[0].kind, s.seen[0].why);
		stop(&s);
	}
}

static void a_long_flood_does_not_become_usual(void **state)
{
	struct site s;

	(void)state;
	start(&s);
	run(&s, quiet, NULL, 100);
	run(&s, quiet, icmp_flood, 1800);
	assert_int_equal(s.n, 1);
	run(&s, quiet, NULL, 400);
	run(&s, quiet, icmp_flood, 30);
	assert_int_equal(s.n, 3);
	stop(&s);
}

static void some_pings(struct site *s)
{
	for (int i = 0; i < 250; i++)
		row(s, (struct flow_row){ .src = any(s), .dst = ip(VICTIM), .proto = 1,
					  .icmp = 8 << 8 });
}

static void what_came_in_maintenance_is_not_usual(void **state)
{
	(void)state;
	for (unsigned held = 0; held < 2; held++) {
		struct site s;

		start(&s);
		run(&s, quiet, NULL, 150);
		for (int i = 0; i < 1200; i++) {
			pattern_find("flood")->hold(s.state, held);
			run(&s, quiet, some_pings, 1);
		}
		pattern_find("flood")->hold(s.state, false);
		assert_int_equal(s.n, 0);
		run(&s, quiet, icmp_flood, 40);
		assert_int_equal(s.n, held);
		stop(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_found_once_and_ends),
		cmocka_unit_test(what_looks_alike_is_quiet),
		cmocka_unit_test(a_long_flood_does_not_become_usual),
		cmocka_unit_test(what_came_in_maintenance_is_not_usual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
