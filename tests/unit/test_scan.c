/* test_scan.c - who scans is found, who looks like it is not.
 * SPDX-License-Identifier: ISC
 *
 * Traffic is made by scan_actors.h, in event time, beside an office that browses.
 */
#include "test.h"

#include "rules/filter/filter.h"
#include "scan_actors.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, OFFICE = 60 };

static const int64_t T0 = 1795834800000; /* a Saturday's midnight */

enum how { BOTH_WAYS = 0, OUTBOUND = 1, NO_FLAGS = 2, SIXES = 4, SAMPLED = 8, ALONE = 16 };

struct row {
	const char *name;
	struct actor actor;
	enum how how;
	int64_t lasts_ms, within_ms;
	const char *kind; /* NULL: nothing may be found */
};

static void set_up(struct site *s, enum how how, uint64_t seed)
{
	site_open(s, "scan", seed, T0);
	s->outbound_only = how & OUTBOUND;
	s->no_flags = how & NO_FLAGS;
	s->v6 = how & SIXES;
	s->sampling = how & SAMPLED ? 50 : 0;
}

/* An office of ordinary people around the actor, its resolver and a busy server. */
static size_t office(struct actor *list, enum how how)
{
	size_t n = 0;

	if (how & ALONE)
		return 0;
	for (unsigned i = 0; i < OFFICE; i++)
		list[n++] = (struct actor)ACTOR(browse, actor_host(100 + i), 0.05, 0.02, 0, 0);
	list[n++] = (struct actor)ACTOR(resolver, actor_host(2), 3, 0.05, 0, 0);
	list[n++] = (struct actor)ACTOR(busy_server, actor_host(3), 2, 0, 0, 0);
	return n;
}

static void tell(const struct site *s)
{
	for (unsigned i = 0; i < s->n_found; i++)
		fprintf(stderr, "  %s after %lld s: %s\n", s->found[i].kind,
			(long long)(s->found[i].at_ms - T0) / 1000, s->found[i].why);
}

static void run_row(const struct row *r)
{
	struct actor list[OFFICE + 8];
	struct site s;
	size_t n = office(list, r->how);
	struct addr who;

	set_up(&s, r->how, 7);
	list[n] = r->actor;
	if (!list[n].to_ms)
		list[n].to_ms = T0 + r->lasts_ms;
	n++;
	/* A while longer, until it must be over. */
	while (s.now_ms < T0 + r->lasts_ms + (r->kind ? 70 * MINUTE : 0))
		act_all(&s, list, n);
	who = site_addr(&s, r->actor.host);
	if (!r->kind && s.n_found) {
		tell(&s);
		fail_msg("%s: taken for a %s", r->name, s.found[0].kind);
	}
	if (r->kind && (s.n_found != 1 || strcmp(s.found[0].kind, r->kind))) {
		tell(&s);
		fail_msg("%s: %u found, %s expected", r->name, s.n_found, r->kind);
	}
	if (r->kind) {
		const struct found *f = &s.found[0];

		assert_memory_equal(&f->who, &who, sizeof(who));
		if (f->at_ms - T0 > r->within_ms)
			fail_msg("%s: found after %lld s", r->name,
				 (long long)(f->at_ms - T0) / 1000);
		if (!f->ended)
			fail_msg("%s: it does not end", r->name);
	}
	site_close(&s);
}

static void who_scans_is_found_and_its_end_too(void **unused)
{
	static const struct row rows[] = {
		{ "a SYN scan of a /24 for ssh", ACTOR(horizontal, 0x0a140042, 20, 1, 0x0a1e0000, 22),
		  0, 12 * SECOND, 30 * SECOND, "horizontal scan" },
		{ "the same, most answer with RST", ACTOR(horizontal, 0x0a140042, 20, 0.2, 0x0a1e0000, 22),
		  0, 12 * SECOND, 30 * SECOND, "horizontal scan" },
		{ "from outside", ACTOR(horizontal, 0xcb007142, 5, 0.9, 0x0a140000, 3389), 0,
		  MINUTE, 40 * SECOND, "horizontal scan" },
		{ "in IPv6", ACTOR(horizontal, 0x0a140042, 10, 1, 0x0a1e0000, 22), SIXES, 30 * SECOND,
		  30 * SECOND, "horizontal scan" },
		{ "a worm", ACTOR(at_random, 0x0a140042, 3, 0.98, 0, 445), 0, 3 * MINUTE,
		  40 * SECOND, "horizontal scan" },
		{ "spam: four in ten take it", ACTOR(mailer, 0x0a140042, 4, 0.6, 0, 0), 0, 10 * MINUTE,
		  10 * MINUTE, "horizontal scan" },
		{ "told without TCP flags", ACTOR(horizontal, 0x0a140042, 10, 1, 0x0a1e0000, 22),
		  NO_FLAGS, 30 * SECOND, 30 * SECOND, "horizontal scan" },
		{ "told in one direction", ACTOR(horizontal, 0x0a140042, 10, 1, 0x0a1e0000, 22),
		  OUTBOUND, 30 * SECOND, 30 * SECOND, "horizontal scan" },
		{ "sampled", ACTOR(at_random, 0x0a140042, 200, 1, 0, 23), SAMPLED, 2 * MINUTE,
		  90 * SECOND, "horizontal scan" },
		{ "sampled, ports", ACTOR(vertical, 0x0a140042, 50, 1, 0x0a1e0005, 1), SAMPLED, MINUTE,
		  MINUTE, "vertical scan" },
		{ "all alone in the capture", ACTOR(horizontal, 0x0a140042, 10, 1, 0x0a1e0000, 22),
		  ALONE, 30 * SECOND, 30 * SECOND, "horizontal scan" },
		{ "1000 ports of one host", ACTOR(vertical, 0x0a140042, 50, 0.3, 0x0a1e0005, 1), 0,
		  20 * SECOND, 20 * SECOND, "vertical scan" },
		{ "the same behind a firewall", ACTOR(vertical, 0x0a140042, 10, 1, 0x0a1e0005, 1), 0,
		  MINUTE, 20 * SECOND, "vertical scan" },
		{ "with connect()", ACTOR(connect_scan, 0x0a140042, 20, 1, 0x0a1e0005, 1), 0, MINUTE,
		  20 * SECOND, "vertical scan" },
		{ "FIN", ACTOR(stealth, 0x0a140042, 20, 1, 0x0a1e0005, F_FIN), 0, MINUTE, 20 * SECOND,
		  "vertical scan" },
		{ "Xmas", ACTOR(stealth, 0x0a140042, 20, 1, 0x0a1e0005, F_FIN | F_PSH | F_URG), 0,
		  MINUTE, 20 * SECOND, "vertical scan" },
		{ "ACK, refused", ACTOR(ack_scan, 0x0a140042, 20, 0, 0x0a1e0005, 1), 0, MINUTE,
		  20 * SECOND, "ACK vertical scan" },
		{ "ACK, into the void", ACTOR(stealth, 0x0a140042, 20, 1, 0x0a1e0005, F_ACK), 0, MINUTE,
		  40 * SECOND, "ACK vertical scan" },
		{ "ACK of a network", ACTOR(ack_scan, 0x0a140042, 20, 0, 0x0a1e0000, 0), 0, MINUTE,
		  20 * SECOND, "ACK horizontal scan" },
		{ "20 ports of a network", ACTOR(block_scan, 0x0a140042, 300, 0.8, 0x0a1e0000, 0), 0,
		  MINUTE, 30 * SECOND, "horizontal scan" },
		{ "a network, then all ports of one", ACTOR(nmap, 0x0a140042, 100, 0.3, 0x0a1e0000, 0),
		  0, 15 * SECOND, 20 * SECOND, "network scan" },
		{ "UDP, SNMP of a network", ACTOR(udp_horizontal, 0x0a140042, 10, 0.95, 0x0a1e0000, 161),
		  0, MINUTE, 30 * SECOND, "UDP horizontal scan" },
		{ "UDP alone in the capture", ACTOR(udp_horizontal, 0x0a140042, 10, 1, 0x0a1e0000, 161),
		  ALONE, MINUTE, 30 * SECOND, "UDP horizontal scan" },
		{ "UDP ports of a host", ACTOR(udp_vertical, 0x0a140042, 2, 1, 0x0a1e0005, 1), 0,
		  3 * MINUTE, 90 * SECOND, "UDP vertical scan" },
		{ "a ping sweep", ACTOR(sweep, 0x0a140042, 20, 0.8, 0x0a1e0000, 0), 0, 12 * SECOND,
		  20 * SECOND, "ping sweep" },
		{ "a ping sweep that all answer", ACTOR(sweep, 0x0a140042, 20, 0.01, 0x0a1e0000, 0), 0,
		  12 * SECOND, 7 * MINUTE, "ping sweep" },
		{ "once in an hour, told once", ACTOR(hourly, 0x0a140042, 0, 0, 0x0a1e0000, 0), 0,
		  4 * HOUR, 8 * MINUTE, "ping sweep" },
		{ "slow: an address each half minute", ACTOR(horizontal, 0x0a140042, 1 / 30.0, 0.9, 0x0a1e0000, 22), 0, 3 * HOUR, 90 * MINUTE, "horizontal scan" },
		{ "slow: a port each 20 s", ACTOR(vertical, 0x0a140042, 1 / 20.0, 0.5, 0x0a1e0005, 1),
		  0, 2 * HOUR, HOUR, "vertical scan" },
		{ "very slow: an address a minute", ACTOR(horizontal, 0x0a140042, 1 / 60.0, 1, 0x0a1e0000, 22), 0, 5 * HOUR, 3 * HOUR, "horizontal scan" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_row(&rows[i]);
}

static void who_only_looks_like_it_is_not(void **unused)
{
	static const struct row rows[] = {
		{ "a NAT gateway", ACTOR(gateway, 0x0a140001, 30, 0.08, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a NAT gateway, sampled", ACTOR(gateway, 0x0a140001, 100, 0.08, 0, 0), SAMPLED, HOUR / 2, 0,
		  NULL },
		{ "a NAT gateway without flags", ACTOR(gateway, 0x0a140001, 30, 0.08, 0, 0), NO_FLAGS, HOUR / 2,
		  0, NULL },
		{ "a NAT gateway, outbound only", ACTOR(gateway, 0x0a140001, 30, 0.08, 0, 0), OUTBOUND,
		  HOUR / 2, 0, NULL },
		{ "a resolver", ACTOR(resolver, 0x0a140002, 50, 0.15, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a resolver, outbound only", ACTOR(resolver, 0x0a140002, 50, 0.15, 0, 0), OUTBOUND, HOUR / 2,
		  0, NULL },
		{ "a resolver alone, outbound only", ACTOR(resolver, 0x0a140002, 5, 0.1, 0, 0),
		  OUTBOUND | ALONE, HOUR, 0, NULL },
		{ "a resolver, sampled", ACTOR(resolver, 0x0a140002, 200, 0.1, 0, 0), SAMPLED, HOUR / 2, 0,
		  NULL },
		{ "a NAT gateway that is refused late", ACTOR(late, 0x0a140001, 30, 0.3, 0, 0), 0, HOUR / 2, 0,
		  NULL },
		{ "idle connections", ACTOR(idle, 0x0a140001, 30, 0, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "idle connections, outbound only", ACTOR(idle, 0x0a140001, 30, 0, 0, 0), OUTBOUND, HOUR / 2,
		  0, NULL },
		{ "monitoring of the living", ACTOR(monitoring, 0x0a140009, 3, 0, 0, 0), 0, HOUR, 0, NULL },
		{ "a crawler", ACTOR(crawler, 0x0a140007, 20, 0.25, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a crawler, sampled", ACTOR(crawler, 0x0a140007, 100, 0.25, 0, 0), SAMPLED, HOUR / 2, 0,
		  NULL },
		{ "a backup of 400 hosts", ACTOR(backup, 0x0a140008, 0.5, 0.2, 0, 0), 0, HOUR, 0, NULL },
		{ "monitoring", ACTOR(monitoring, 0x0a140009, 10, 0.06, 0, 0), 0, HOUR, 0, NULL },
		{ "monitoring, outbound only", ACTOR(monitoring, 0x0a140009, 10, 0.06, 0, 0), OUTBOUND, HOUR, 0,
		  NULL },
		{ "peers", ACTOR(peers, 0x0a14000a, 5, 0.7, 0, 0), 0, 2 * HOUR, 0, NULL },
		{ "peers, few answer", ACTOR(peers, 0x0a14000a, 5, 0.9, 0, 0), 0, 2 * HOUR, 0, NULL },
		{ "peers without flags", ACTOR(peers, 0x0a14000a, 5, 0.8, 0, 0), NO_FLAGS, HOUR, 0, NULL },
		{ "a load balancer", ACTOR(health, 0x0a14000b, 40, 0.1, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a busy server", ACTOR(busy_server, 0x0a140003, 50, 0, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a busy server, sampled", ACTOR(busy_server, 0x0a140003, 200, 0, 0, 0), SAMPLED, HOUR / 2, 0,
		  NULL },
		{ "a busy server without flags", ACTOR(busy_server, 0x0a140003, 50, 0, 0, 0), NO_FLAGS,
		  HOUR / 2, 0, NULL },
		{ "who is flooded from invented sources", ACTOR(flooded, 0x0a140003, 500, 0, 0, 0), 0,
		  5 * MINUTE, 0, NULL },
		{ "a mail server", ACTOR(mailer, 0x0a14000c, 1, 0.2, 0, 0), 0, 3 * HOUR, 0, NULL },
		{ "traceroute and mtr", ACTOR(tracing, 0x0a14000d, 5, 0, 0, 0), 0, HOUR, 0, NULL },
		{ "a name server", ACTOR(names_server, 0x0a140004, 100, 0, 0, 0), 0, HOUR / 2, 0, NULL },
		{ "a page full of dead trackers", ACTOR(dead_sites, 0x0a14000e, 0.2, 0, 0, 0), 0, 4 * HOUR, 0,
		  NULL },
		{ "telephones", ACTOR(phones, 0x0a14000f, 0.3, 0, 0, 0), 0, 2 * HOUR, 0, NULL },
		{ "multicast", ACTOR(groups, 0x0a140010, 3, 0, 0, 0), 0, HOUR, 0, NULL },
		{ "passive FTP", ACTOR(passive_ftp, 0x0a140011, 5, 0, 0, 0), 0, HOUR / 2, 0, NULL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_row(&rows[i]);
}

/* Each of a million sources is seen once: none may push out who goes on. */
static void a_flood_of_random_sources_hides_nobody(void **unused)
{
	struct actor list[] = {
		ACTOR(spray, 0x0a140003, 2000, 1, 0, 0),
		ACTOR(horizontal, 0x0a140042, 1, 1, 0x0a1e0000, 22),
		ACTOR(vertical, 0x0a140043, 0.2, 1, 0x0a1e0005, 1),
	};
	struct site s;

	(void)unused;
	set_up(&s, BOTH_WAYS, 5);
	while (s.now_ms < T0 + 12 * MINUTE)
		act_all(&s, list, ARRAY_LEN(list));
	if (s.n_found != 2)
		tell(&s);
	assert_int_equal(s.n_found, 2);
	assert_string_equal(s.found[0].kind, "horizontal scan");
	assert_string_equal(s.found[1].kind, "vertical scan");
	site_close(&s);
}

static void a_day_of_ordinary_traffic_is_quiet(void **unused)
{
	struct actor list[80];
	struct site s;
	size_t n;

	(void)unused;
	set_up(&s, BOTH_WAYS, 11);
	n = ordinary_day(list, 40);
	while (s.now_ms < T0 + 24 * HOUR)
		act_all(&s, list, n);
	if (s.n_found > 1) {
		tell(&s);
		fail_msg("%u were found in %llu flows", s.n_found, (unsigned long long)s.rows);
	}
	site_close(&s);
}

static void who_is_left_out_by_the_limit_is_not_told(void **unused)
{
	struct actor list[] = { ACTOR(horizontal, 0x0a140042, 1, 1, 0x0a1e0000, 22) };
	struct site s;

	(void)unused;
	set_up(&s, BOTH_WAYS, 5);
	s.pattern->free(s.state);
	((double *)s.conf)[0] = 500; /* targets */
	s.state = s.pattern->open(s.conf, 256 << 10);
	while (s.now_ms < T0 + 5 * MINUTE)
		act_all(&s, list, 1);
	assert_int_equal(s.n_found, 0);
	while (s.now_ms < T0 + 30 * MINUTE)
		act_all(&s, list, 1);
	assert_int_equal(s.n_found, 1);
	site_close(&s);
}

/* The sentence and the filter of its flows, which the archive is asked with. */
static void its_flows_are_named_by_a_filter(void **unused)
{
	static const struct {
		struct actor actor;
		const char *filter, *why;
	} rows[] = {
		{ ACTOR(horizontal, 0x0a140042, 20, 1, 0x0a1e0000, 22),
		  "proto tcp and not flags A and dst port 22", "addresses for ssh (tcp 22)" },
		{ ACTOR(vertical, 0x0a140042, 50, 1, 0x0a1e0005, 1),
		  "proto tcp and not flags A and dst host 10.30.0.5", "tcp ports of 10.30.0.5" },
		{ ACTOR(sweep, 0x0a140042, 20, 1, 0x0a1e0000, 0),
		  "proto in (icmp ipv6-icmp)", "10.20.0.66 pinged about" },
		{ ACTOR(block_scan, 0x0a140042, 300, 0.8, 0x0a1e0000, 0),
		  "proto tcp and not flags A", "tcp ports of about" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct actor a = rows[i].actor;
		struct filter *f;
		struct site s;

		set_up(&s, BOTH_WAYS, 5);
		while (s.now_ms < T0 + MINUTE)
			act_all(&s, &a, 1);
		assert_int_equal(s.n_found, 1);
		assert_string_equal(s.found[0].filter, rows[i].filter);
		if (!strstr(s.found[0].why, rows[i].why))
			fail_msg("no \"%s\" in: %s", rows[i].why, s.found[0].why);
		f = filter_compile(s.found[0].filter, NULL);
		assert_non_null(f);
		filter_free(&f);
		site_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_scans_is_found_and_its_end_too),
		cmocka_unit_test(who_only_looks_like_it_is_not),
		cmocka_unit_test(a_flood_of_random_sources_hides_nobody),
		cmocka_unit_test(a_day_of_ordinary_traffic_is_quiet),
		cmocka_unit_test(who_is_left_out_by_the_limit_is_not_told),
		cmocka_unit_test(its_flows_are_named_by_a_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
