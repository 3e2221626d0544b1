/* test_exported.c - floods and scans as real exporters tell them, and who looks alike.
 * SPDX-License-Identifier: ISC
 *
 * Beside an office, a resolver and a web server (world_actors.h), each attack comes
 * through several exporters: with an active timeout of half an hour, towards the site only,
 * without TCP flags, one packet in a thousand as flows or as samples, in IPv6. It must be
 * told once, by its name, soon after the exporter could have told of it. Who is only busy
 * goes through all of them as well, and nobody may be told.
 */
#include "test.h"

#include "world_actors.h"

static const int64_t T0 = 1795834800000;
enum { BEGINS = 180, LASTS = 60, QUIET_LASTS = 400 };

enum { PLAIN = 1, LATE = 2, ONE_WAY = 4, BARE = 8, THIN = 16, PACKETS = 32, SIX = 64,
       BARE_PACKETS = 128, THIN_ONE_WAY = 256,
       FULL = PLAIN | LATE | ONE_WAY | SIX, SOME = THIN | PACKETS };
static const struct sender senders[] = {
	{ .name = "plain" },
	{ .name = "half an hour", .active_s = 1800, .idle_s = 60 },
	{ .name = "one direction", .in_only = true },
	{ .name = "no TCP flags", .no_flags = true },
	{ .name = "one packet in 1000", .sampling = 1000 },
	{ .name = "sFlow 1000", .sampling = 1000, .by_packet = true },
	{ .name = "IPv6", .v6 = true },
	{ .name = "sFlow without flags", .sampling = 1000, .by_packet = true, .no_flags = true },
	{ .name = "one in 1000, one direction", .sampling = 1000, .in_only = true },
};

static size_t usual(struct actor *list)
{
	const struct actor some[] = {
		{ .act = o_browse, .host = OFFICE + 256, .rate = 6, .dead = 0.03, .a = 300 },
		{ .act = o_resolver, .host = RESOLVER, .rate = 4, .dead = 0.05 },
		{ .act = o_web, .host = SERVER, .rate = 20, .dead = 0.02 },
		{ .act = o_web, .host = VICTIM, .rate = 2, .dead = 0.02 },
		{ .act = o_noise, .rate = 2 },
	};

	memcpy(list, some, sizeof(some));
	return ARRAY_LEN(some);
}

/* Everything that was found while the actor was at work, and some time after. */
static struct world *world_of(const struct sender *as, struct actor a, unsigned seed)
{
	struct world *w = world_new(as, seed, T0);
	struct actor list[16];
	size_t n = usual(list);
	int64_t until = T0 + (a.to_s + (as->active_s > 60 ? 90 : 40)) * 1000;

	world_watch(w, "scan");
	world_watch(w, "flood");
	list[n++] = a;
	while (w->now_ms < until)
		act_all(w, list, n, T0);
	return w;
}

static void tell_all(const struct world *w)
{
	for (unsigned i = 0; i < w->n_found && i < 5; i++)
		fprintf(stderr, "  after %lld s: %s: %s\n", (long long)(w->found[i].at_ms - T0) / 1000,
			w->found[i].kind, w->found[i].why);
}

struct attack {
	struct actor actor;
	unsigned through; /* which exporters */
	const char *kind;
	int within_s;	  /* beside what the exporter takes */
};

static void find(const struct attack *a)
{
	for (unsigned i = 0; i < ARRAY_LEN(senders); i++) {
		const struct sender *as = &senders[i];
		struct actor actor = a->actor;
		struct world *w;
		int64_t takes = as->by_packet ? 1 : as->idle_s ? as->idle_s + 1 : 16, after;

		if (!(a->through & 1u << i))
			continue;
		actor.from_s = BEGINS;
		actor.to_s = BEGINS + (actor.on_s ? 240 : LASTS);
		w = world_of(as, actor, i + 1);
		if (w->n_found != 1 || strcmp(w->found[0].kind, a->kind)) {
			tell_all(w);
			fail_msg("%s, %s: %u found", actor.name, as->name, w->n_found);
		}
		after = (w->found[0].at_ms - T0) / 1000 - BEGINS;
		if (after > takes + a->within_s)
			fail_msg("%s, %s: found after %lld s", actor.name, as->name, (long long)after);
		world_free(w);
	}
}

#define FLOOD(act_, name_, rate_, ...) \
	{ .act = act_, .name = name_, .host = VICTIM, .rate = rate_, __VA_ARGS__ }

static void each_kind_of_flood_is_told_once_and_soon(void **unused)
{
	static const struct attack rows[] = {
		{ FLOOD(f_syn, "SYN", 300), FULL, "SYN flood", 8 },
		{ FLOOD(f_syn, "SYN, of a sample", 3000), SOME | THIN_ONE_WAY, "SYN flood", 20 },
		{ FLOOD(f_syn, "SYN without flags", 4000), BARE | BARE_PACKETS, "TCP flood", 8 },
		{ FLOOD(f_syn_answered, "SYN, answered", 300), FULL, "SYN flood", 8 },
		{ FLOOD(f_flags, "ACK", 3000, .a = ACK), FULL | SOME, "TCP flood", 8 },
		{ FLOOD(f_ack_reset, "ACK, refused", 3000), FULL, "TCP flood", 8 },
		{ FLOOD(f_flags, "RST", 3000, .a = RST), FULL, "TCP flood", 8 },
		{ FLOOD(f_flags, "FIN", 3000, .a = FIN), PLAIN, "TCP flood", 8 },
		{ FLOOD(f_flags, "PSH ACK", 3000, .a = PSH | ACK), PLAIN, "TCP flood", 8 },
		{ FLOOD(f_flags, "no flag", 3000), PLAIN, "TCP flood", 8 },
		{ FLOOD(f_syn_ack, "SYN-ACK reflection", 3000), FULL | SOME, "TCP flood", 8 },
		{ FLOOD(f_udp, "UDP", 1500), PLAIN | LATE | SIX | BARE, "UDP flood", 8 },
		{ FLOOD(f_udp, "UDP, strong", 8000), ONE_WAY | SOME | THIN_ONE_WAY, "UDP flood", 12 },
		{ FLOOD(f_botnet, "UDP of a botnet", 9000), PLAIN | ONE_WAY, "UDP flood", 35 },
		{ FLOOD(f_one, "UDP of one", 60000), PLAIN, "UDP flood", 35 },
		{ FLOOD(f_fragments, "fragments", 6000), PLAIN | SOME, "UDP flood", 20 },
		{ FLOOD(f_icmp, "ping", 600), FULL, "ICMP flood", 8 },
		{ FLOOD(f_icmp_answered, "ping, answered", 600), FULL, "ICMP flood", 8 },
		{ FLOOD(f_icmp, "ping, of a sample", 4000), SOME | THIN_ONE_WAY, "ICMP flood", 20 },
		{ FLOOD(f_reflect, "DNS", 2000, .a = 53, .b = 1300), FULL, "DNS reflection", 8 },
		{ FLOOD(f_reflect, "DNS, of a sample", 20000, .a = 53, .b = 1300), SOME, "DNS reflection", 20 },
		{ FLOOD(f_reflect, "NTP", 3000, .a = 123, .b = 468), FULL, "NTP reflection", 8 },
		{ FLOOD(f_reflect, "SSDP", 3000, .a = 1900, .b = 320), PLAIN, "SSDP reflection", 8 },
		{ FLOOD(f_reflect, "memcached", 1000, .a = 11211, .b = 1400), PLAIN, "memcached reflection", 8 },
		{ FLOOD(f_reflect, "CLDAP and its fragments", 3000, .a = 389, .b = 2800), PLAIN, "CLDAP reflection", 8 },
		{ FLOOD(f_reflect, "chargen", 1000, .a = 19, .b = 1000), PLAIN, "chargen reflection", 8 },
		{ FLOOD(f_reflect, "SNMP", 1000, .a = 161, .b = 1400), PLAIN, "SNMP reflection", 8 },
		{ FLOOD(f_reflect, "WS-Discovery", 1000, .a = 3702, .b = 900), PLAIN, "WS-Discovery reflection", 8 },
		{ FLOOD(f_reflect, "CoAP", 1500, .a = 5683, .b = 500), PLAIN, "CoAP reflection", 8 },
		{ FLOOD(f_reflect, "QUIC", 16000, .a = 443, .b = 1200), PLAIN, "UDP flood", 8 },
		{ FLOOD(f_carpet, "a carpet of 256", 6000, .a = 24), FULL & ~SIX, "carpet 203.0.113.0/24", 14 },
		{ FLOOD(f_carpet, "a carpet of 1024", 10000, .a = 22), PLAIN, "carpet 203.0.112.0/22", 14 },
		{ FLOOD(f_carpet, "a carpet of 4096", 30000, .a = 20), PLAIN, "carpet 203.0.112.0/20", 14 },
		{ FLOOD(f_carpet_dns, "a carpet of DNS", 30000, .a = 24), PLAIN | PACKETS, "carpet 203.0.113.0/24", 12 },
		{ FLOOD(f_carpet_syn, "a carpet of SYN", 30000, .a = 24), PLAIN | PACKETS, "carpet 203.0.113.0/24", 12 },
		{ FLOOD(f_http, "whole connections", 1500), PLAIN | ONE_WAY | SIX, "connection flood", 12 },
		{ FLOOD(f_udp, "pulses", 8000, .on_s = 5, .off_s = 55), PLAIN, "UDP flood", 8 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		find(&rows[i]);
}

#define SCAN(act_, name_, rate_, ...) \
	{ .act = act_, .name = name_, .host = 0x70001234, .rate = rate_, __VA_ARGS__ }
enum { SITE_A = 0xcb007000, ONE = 0xcb007120, XMAS = FIN | PSH | 32 };

static void scans_are_told_once_and_soon(void **unused)
{
	static const struct attack rows[] = {
		{ SCAN(s_horizontal, "SYN of a network", 10, .a = SITE_A, .b = 3389, .dead = 0.9), FULL | BARE, "horizontal scan", 30 },
		{ SCAN(s_horizontal, "SYN, of a sample", 2000, .a = SITE_A, .b = 22, .dead = 0.9), SOME, "horizontal scan", 60 },
		{ SCAN(s_vertical, "ports", 10, .a = ONE, .dead = 0.3), FULL | BARE, "vertical scan", 30 },
		{ SCAN(s_stealth, "FIN", 10, .a = ONE, .b = FIN, .dead = 1), FULL, "vertical scan", 30 },
		{ SCAN(s_stealth, "Xmas", 10, .a = ONE, .b = XMAS, .dead = 1), FULL, "vertical scan", 30 },
		{ SCAN(s_stealth, "no flag", 10, .a = ONE, .dead = 1), PLAIN | LATE, "vertical scan", 30 },
		{ SCAN(s_connect, "connect()", 20, .a = SITE_A, .b = 80, .dead = 0.3), FULL, "horizontal scan", 50 },
		{ SCAN(s_udp, "UDP of a network", 10, .a = SITE_A, .b = 161), FULL, "UDP horizontal scan", 50 },
		{ SCAN(s_udp_ports, "UDP ports", 10, .a = ONE), PLAIN | LATE | SIX, "UDP vertical scan", 50 },
		{ SCAN(s_ping, "ping of a network", 10, .a = SITE_A, .dead = 0.9), FULL, "ping sweep", 50 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		find(&rows[i]);
}

/* Eight hosts share the work: each of them is told. */
static void a_scan_in_parts_is_told_of_each(void **unused)
{
	struct actor a = SCAN(s_shared, "shared", 50, .a = SITE_A, .b = 22, .dead = 0.9);
	struct world *w;

	(void)unused;
	a.to_s = 100;
	w = world_of(&senders[0], a, 3);
	if (w->n_found != 8)
		tell_all(w);
	assert_int_equal(w->n_found, 8);
	world_free(w);
}

#define BUSY(act_, name_, host_, rate_, dead_, a_) \
	{ .act = act_, .name = name_, .host = host_, .rate = rate_, .dead = dead_, .a = a_ }

/* From the beginning on, and where answers are seen also as something new. */
static void who_is_only_busy_is_not(void **unused)
{
	enum { SEEN = PLAIN | LATE | BARE | SOME | BARE_PACKETS | SIX, ALL = SEEN | ONE_WAY | THIN_ONE_WAY };
	static const struct {
		struct actor actor;
		unsigned through;
	} rows[] = {
		{ BUSY(o_browse, "a NAT gateway", OFFICE + 0x400, 60, 0.05, 1), ALL & ~LATE },
		{ BUSY(o_resolver, "a resolver", OFFICE + 3, 100, 0.1, 0), SEEN },
		{ BUSY(o_web, "a web server", SERVER + 1, 100, 0.05, 0), ALL & ~LATE },
		{ BUSY(o_idle, "idle connections", SERVER + 1, 600, 0, 0), ALL },
		{ BUSY(o_names, "a name server", SERVER + 1, 500, 0, 0), SEEN },
		{ BUSY(o_ntp, "a time server", SERVER + 1, 500, 0, 0), SEEN },
		{ BUSY(o_mail, "a mail server", SERVER + 1, 10, 0.2, 0), ALL },
		{ BUSY(o_backup, "a backup", OFFICE + 9, 0.5, 0, OFFICE + 256), ALL },
		{ BUSY(o_backup_udp, "a backup over UDP", OFFICE + 9, 0.1, 0, OFFICE + 256), SEEN },
		{ BUSY(o_monitor, "monitoring", OFFICE + 10, 1, 0.1, OFFICE + 512), ALL },
		{ BUSY(o_mdns, "printers", OFFICE + 20, 10, 0, 0), ALL },
		{ BUSY(o_peers, "peers", CUSTOMERS + 9, 20, 0.7, 0), ALL },
		{ BUSY(o_calls, "telephones", OFFICE + 256, 1, 0, 0), ALL },
		{ BUSY(o_meeting, "a video meeting", OFFICE + 256, 0.5, 0, 0), ALL },
		{ BUSY(o_crawler, "a crawler", SERVER + 2, 30, 0.25, 0), ALL },
		{ BUSY(o_health, "a load balancer", SERVER + 3, 60, 0.1, 0), ALL },
		{ BUSY(o_update, "a morning of updates", OFFICE + 256, 5, 0, 0), ALL },
		{ BUSY(o_logs, "a collector of logs", OFFICE + 11, 10, 0, OFFICE + 256), ALL },
		{ BUSY(o_game, "a server of games", SERVER + 4, 1, 0, 0), SEEN },
		{ BUSY(o_tv, "television", CUSTOMERS, 1, 0, 0), SEEN },
		{ BUSY(o_noise, "the noise of the internet", 0, 30, 0, 0), ALL },
		{ BUSY(o_down, "a dead server", SERVER + 5, 30, 0, 0), ALL },
		{ BUSY(o_ldap, "a domain controller", OFFICE + 12, 20, 0, 0), ALL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned k = 0; k < ARRAY_LEN(senders); k++) {
			struct actor actor = rows[i].actor;
			struct world *w;

			if (!(rows[i].through & 1u << k))
				continue;
			actor.from_s = senders[k].in_only ? 0 : 60;
			actor.to_s = QUIET_LASTS;
			w = world_of(&senders[k], actor, k + 1);
			if (w->n_found) {
				tell_all(w);
				fail_msg("%s, %s: %u found", actor.name, senders[k].name, w->n_found);
			}
			world_free(w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_flood_is_told_once_and_soon),
		cmocka_unit_test(scans_are_told_once_and_soon),
		cmocka_unit_test(a_scan_in_parts_is_told_of_each),
		cmocka_unit_test(who_is_only_busy_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
