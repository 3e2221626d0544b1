/* test_filter.c - what passes which filter, and what is said of a wrong one.
 * SPDX-License-Identifier: ISC
 *
 * Flows are named by letters; a row of the table is a filter and the letters
 * of those that pass. Every text is also written in normal form, read back and
 * run again, alone and with each flow in a block of its own.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "rules/filter/filter.h"
#include "flow_row.h"

#define T0 INT64_C(1795426500000) /* 2026-11-23 10:35 in Central Europe */
#define FOUR(a, b, c, d)                                                                 \
	{                                                                                \
		{                                                                        \
			[10] = 0xff, [11] = 0xff, [12] = a, b, c, d                      \
		}                                                                        \
	}
#define DOC(a, b, z)                                                                     \
	{                                                                                \
		{                                                                        \
			0x20, 0x01, 0x0d, 0xb8, a, b, [15] = z                           \
		}                                                                        \
	} /* 2001:db8:ab::z */

/* clang-format off */
static const struct flow_row flows[] = {
	{ /* a: a browser */
		.src = FOUR(10, 20, 0, 66), .src_port = 51000,
		.dst = FOUR(203, 0, 113, 7), .dst_port = 443, .proto = 6,
		.tcp_flags = 0x1b, .bytes = 40000, .packets = 400, .in_if = 1,
		.out_if = 2, .dst_as = 64500, .via = VIA_NETFLOW9,
		.start_ms = T0, .end_ms = T0 + 60000 },
	{ /* b: and its download */
		.src = FOUR(203, 0, 113, 7), .src_port = 443,
		.dst = FOUR(10, 20, 0, 66), .dst_port = 51000, .proto = 6,
		.tcp_flags = 0x1a, .bytes = 18700000, .packets = 13000, .in_if = 2,
		.out_if = 1, .src_as = 64500, .via = VIA_NETFLOW9,
		.start_ms = T0, .end_ms = T0 + 60000 },
	{ /* c: a lone SYN */
		.src = FOUR(10, 20, 0, 67), .src_port = 40001,
		.dst = FOUR(203, 0, 113, 8), .dst_port = 80, .proto = 6,
		.tcp_flags = 0x02, .bytes = 60, .packets = 1, .in_if = 1, .out_if = 2,
		.via = VIA_NETFLOW9, .start_ms = T0, .end_ms = T0 + 0 },
	{ /* d: RST ACK */
		.src = FOUR(10, 20, 0, 67), .src_port = 40002,
		.dst = FOUR(203, 0, 113, 9), .dst_port = 8080, .proto = 6,
		.tcp_flags = 0x14, .bytes = 40, .packets = 1, .in_if = 1, .out_if = 2,
		.via = VIA_NETFLOW9, .start_ms = T0, .end_ms = T0 + 0 },
	{ /* e: DNS answer from servers */
		.src = FOUR(10, 20, 9, 53), .src_port = 53, .dst = FOUR(10, 20, 0, 66),
		.dst_port = 33333, .proto = 17, .bytes = 220, .packets = 1, .in_if = 3,
		.out_if = 1, .start_ms = T0, .end_ms = T0 + 0 },
	{ /* f */
		.src = FOUR(10, 20, 0, 66), .src_port = 33333,
		.dst = FOUR(10, 20, 9, 53), .dst_port = 53, .proto = 17, .bytes = 70,
		.packets = 1, .in_if = 1, .out_if = 3,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* g: ping */
		.src = FOUR(172, 16, 5, 5), .dst = FOUR(8, 8, 8, 8), .proto = 1,
		.icmp = 0x0800, .bytes = 84, .packets = 1, .in_if = 4, .out_if = 2,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* h: and its answer */
		.src = FOUR(8, 8, 8, 8), .dst = FOUR(172, 16, 5, 5), .proto = 1,
		.icmp = 0x0000, .bytes = 84, .packets = 1, .in_if = 2, .out_if = 4,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* i: port unreachable */
		.src = FOUR(192, 0, 2, 77), .dst = FOUR(172, 16, 5, 5), .proto = 1,
		.icmp = 0x0303, .bytes = 112, .packets = 2, .in_if = 2, .out_if = 4,
		.start_ms = T0, .end_ms = T0 + 1000 },
	{ /* j: router advertisement */
		.src = { { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01 } },
		.dst = { { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01 } },
		.proto = 58, .icmp = 0x8600, .bytes = 96, .packets = 1, .in_if = 1,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* k */

		.src = DOC(0x00, 0x20, 5),
		.src_port = 50000,
		.dst = DOC(0xff, 0xff, 1),
		.dst_port = 443, .proto = 6, .tcp_flags = 0x18, .bytes = 1000000,
		.packets = 1000, .exporter = 2, .in_if = 2, .out_if = 7,
		.via = VIA_IPFIX, .src_as = 65001, .dst_as = 64501,
		.start_ms = T0, .end_ms = T0 + 10000 },
	{ /* l */

		.src = DOC(0xff, 0xff, 1),
		.src_port = 443,
		.dst = DOC(0x00, 0x20, 5),
		.dst_port = 50000, .proto = 6, .tcp_flags = 0x18, .bytes = 1000001,
		.packets = 1000, .exporter = 2, .in_if = 7, .out_if = 2,
		.via = VIA_IPFIX, .src_as = 64501, .dst_as = 65001,
		.start_ms = T0, .end_ms = T0 + 10000 },
	{ /* m: GRE */
		.src = FOUR(10, 0, 0, 1), .dst = FOUR(10, 0, 0, 2), .proto = 47,
		.bytes = 5000, .packets = 10, .exporter = 1, .in_if = 1, .out_if = 2,
		.start_ms = T0, .end_ms = T0 + 5000 },
	{ /* n: ESP */
		.src = FOUR(10, 0, 0, 2), .dst = FOUR(10, 0, 0, 1), .proto = 50,
		.bytes = 6000, .packets = 10, .exporter = 1, .in_if = 2, .out_if = 1,
		.start_ms = T0, .end_ms = T0 + 5000 },
	{ /* o */
		.src = FOUR(10, 0, 0, 3), .src_port = 4500, .dst = FOUR(10, 0, 0, 4),
		.dst_port = 4500, .proto = 17, .bytes = 1500, .packets = 1,
		.exporter = 1, .tos = 0xb8, .start_ms = T0, .end_ms = T0 + 0 },
	{ /* p: OSPF */
		.src = FOUR(10, 0, 0, 5), .dst = FOUR(10, 0, 0, 6), .proto = 89,
		.bytes = 640, .packets = 8, .exporter = 1, .tos = 0xc0,
		.start_ms = T0, .end_ms = T0 + 80000 },
	{ /* q: layer 2 only */
		.src_mac = 0x02005e100001, .dst_mac = 0xffffffffffff, .vlan = 12,
		.bytes = 64, .packets = 1, .via = VIA_SFLOW5, .exporter = 1,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* r */
		.src_mac = 0x02005e100002, .dst_mac = 0x02005e100001, .vlan = 12,
		.out_vlan = 13, .src = FOUR(10, 0, 0, 7), .dst = FOUR(10, 0, 0, 8),
		.proto = 6, .src_port = 22, .dst_port = 61000, .tcp_flags = 0x10,
		.bytes = 2048, .packets = 16, .via = VIA_SFLOW5, .exporter = 1,
		.sampling = 512, .start_ms = T0, .end_ms = T0 + 2000 },
	{ /* s */
		.mpls1 = 16, .mpls2 = 299776, .src = FOUR(10, 0, 1, 1),
		.dst = FOUR(10, 0, 1, 2), .proto = 6, .src_port = 179,
		.dst_port = 1024, .tcp_flags = 0x18, .bytes = 900, .packets = 9,
		.start_ms = T0, .end_ms = T0 + 9000 },
	{ /* t */
		.mpls1 = 24000, .src = FOUR(10, 0, 1, 3), .dst = FOUR(10, 0, 1, 4),
		.proto = 6, .src_port = 1025, .dst_port = 179, .tcp_flags = 0x18,
		.bytes = 901, .packets = 9, .start_ms = T0, .end_ms = T0 + 9000 },
	{ /* u */
		.src = FOUR(10, 20, 0, 80), .src_port = 1234,
		.dst = FOUR(198, 51, 100, 1), .dst_port = 443, .proto = 6,
		.nat_src = FOUR(192, 0, 2, 200), .nat_src_port = 40000, .nat_event = 1,
		.bytes = 100, .packets = 2, .start_ms = T0, .end_ms = T0 + 100 },
	{ /* v */
		.src = FOUR(198, 51, 100, 1), .src_port = 443,
		.dst = FOUR(192, 0, 2, 200), .dst_port = 40000, .proto = 6,
		.nat_dst = FOUR(10, 20, 0, 80), .nat_dst_port = 1234, .nat_event = 2,
		.fw_event = 3, .bytes = 100, .packets = 2,
		.start_ms = T0, .end_ms = T0 + 100 },
	{ /* w */
		.src = FOUR(10, 20, 0, 81), .src_port = 5555,
		.dst = FOUR(198, 51, 100, 2), .dst_port = 443, .proto = 17,
		.app = 0x0d000000000001c5, .app_text = "youtube",
		.user_text = "DOM\\alice", .bytes = 9000000, .packets = 7000,
		.start_ms = T0, .end_ms = T0 + 30000 },
	{ /* x */
		.src = FOUR(10, 20, 0, 82), .src_port = 5556,
		.dst = FOUR(198, 51, 100, 3), .dst_port = 80, .proto = 6,
		.app_text = "HTTP", .user_text = "bob",
		.url_text = "http://cdn-7.example.net/music/track06.mp3",
		.bytes = 3000000, .packets = 2100,
		.start_ms = T0, .end_ms = T0 + 20000 },
	{ /* y */
		.src = FOUR(10, 20, 0, 83), .src_port = 6000,
		.dst = FOUR(10, 20, 9, 1), .dst_port = 445, .proto = 6, .direction = 1,
		.bytes = 700, .packets = 7, .start_ms = T0, .end_ms = T0 + 700 },
	{ /* z */
		.src = FOUR(10, 20, 0, 83), .src_port = 6000,
		.dst = FOUR(10, 20, 9, 1), .dst_port = 445, .proto = 6, .direction = 2,
		.bytes = 700, .packets = 7, .start_ms = T0, .end_ms = T0 + 700 },
	{ /* A: aggregated */
		.src = FOUR(203, 0, 113, 50), .src_port = 123,
		.dst = FOUR(10, 20, 0, 9), .dst_port = 123, .proto = 17,
		.bytes = 48000, .packets = 100, .flows = 100,
		.start_ms = T0, .end_ms = T0 + 1000 },
	{ /* B */
		.src = FOUR(203, 0, 113, 51), .src_port = 123,
		.dst = FOUR(10, 20, 0, 9), .dst_port = 123, .proto = 17, .bytes = 480,
		.packets = 1, .flows = 1, .start_ms = T0, .end_ms = T0 + 0 },
	{ /* C */
		.src = FOUR(10, 1, 2, 3), .dst = FOUR(10, 3, 2, 1),
		.next_hop = FOUR(10, 0, 0, 254), .bgp_next_hop = FOUR(192, 0, 2, 254),
		.src_mask = 24, .dst_mask = 16, .proto = 132, .src_port = 2905,
		.dst_port = 2905, .bytes = 333, .packets = 3,
		.start_ms = T0, .end_ms = T0 + 3000 },
	{ /* D */
		.src = FOUR(10, 1, 2, 4), .dst = FOUR(10, 3, 2, 2),
		.next_hop = DOC(0x00, 0x00, 0xfe),
		.proto = 103, .vrf_in = 10, .vrf_out = 20, .bytes = 222, .packets = 2,
		.start_ms = T0, .end_ms = T0 + 2000 },
	{ /* E: ECN SYN */
		.src = FOUR(10, 9, 9, 1), .src_port = 8000, .dst = FOUR(10, 9, 9, 2),
		.dst_port = 8100, .proto = 6, .tcp_flags = 0xc2, .bytes = 1,
		.packets = 1, .start_ms = T0, .end_ms = T0 + 1 },
	{ /* F */
		.src = FOUR(10, 9, 9, 1), .src_port = 7999, .dst = FOUR(10, 9, 9, 2),
		.dst_port = 8101, .proto = 6, .tcp_flags = 0x100, .bytes = 2,
		.packets = 1, .start_ms = T0, .end_ms = T0 + 2 },
	{ /* G */
		.src = FOUR(10, 9, 9, 3), .src_port = 65535, .dst = FOUR(10, 9, 9, 4),
		.dst_port = 1, .proto = 17, .tos = 0x01, .domain = 256, .bytes = 3,
		.packets = 1, .start_ms = T0, .end_ms = T0 + 3 },
	{ /* H */
		.src = FOUR(10, 9, 9, 3), .src_port = 9,
		.dst = FOUR(255, 255, 255, 255), .dst_port = 9, .proto = 17,
		.bytes = 1000000000000, .packets = 700000000, .via = VIA_NETFLOW5,
		.start_ms = T0, .end_ms = T0 + 3600000 },
	{ /* I: DHCP */
		.src = FOUR(0, 0, 0, 0), .src_port = 68,
		.dst = FOUR(255, 255, 255, 255), .dst_port = 67, .proto = 17,
		.bytes = 328, .packets = 1, .via = VIA_NETFLOW5,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* J */
		.src = FOUR(10, 9, 9, 5), .dst = FOUR(10, 9, 9, 6), .proto = 255,
		.bytes = 20, .packets = 1, .reason = 2, .notes = 4,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* K: IPv6 close to the mapped range */
		.src = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0x01 } },
		.dst = { { 0, 0x64, 0xff, 0x9b, [12] = 8, 8, 8, 8 } },
		.proto = 41, .bytes = 60, .packets = 1,
		.start_ms = T0, .end_ms = T0 + 0 },
	{ /* L: tells nearly nothing */
		.bytes = 1, .packets = 0, .start_ms = T0, .end_ms = T0 + 5 },
};
/* clang-format on */

enum { FLOWS = ARRAY_LEN(flows) };

static char letter(size_t i)
{
	return (char)(i < 26 ? 'a' + i : 'A' + i - 26);
}

struct state {
	struct names *names;
	struct block *all, *one[FLOWS];
};

static int set_up(void **state)
{
	struct state *s = xcalloc(1, sizeof(*s));

	s->names = flow_row_names();
	s->all = block_new(s->names);
	for (size_t i = 0; i < FLOWS; i++) {
		flow_row_add(s->all, &flows[i]);
		s->one[i] = block_new(s->names);
		flow_row_add(s->one[i], &flows[i]);
	}
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct state *s = *state;

	for (size_t i = 0; i < FLOWS; i++)
		block_unref(&s->one[i]);
	block_unref(&s->all);
	names_free(&s->names);
	free(s);
	return 0;
}

/* The upper half of the 203.0.113.0 net is in DE, the lower and 8.8.8.8 in US. */
static uint16_t country(void *arg, const struct addr *a)
{
	struct addr google = ip("8.8.8.8");
	struct prefix net;

	(void)arg;
	assert_true(prefix_parse("203.0.113.0/24", &net));
	if (addr_eq(a, &google))
		return 'U' << 8 | 'S';
	if (prefix_has(&net, a))
		return (uint16_t)(a->b[15] >= 50 ? 'D' << 8 | 'E' : 'U' << 8 | 'S');
	return 0;
}

static struct filter *compile(const char *text)
{
	struct err err = { "" };
	struct filter *f = filter_compile(text, &err);

	if (!f)
		fail_msg("%s: %s", text, err.msg);
	filter_geo(f, country, NULL);
	return f;
}

static void passing(const struct filter *f, const struct block *b, char out[FLOWS + 1])
{
	uint64_t bits[FILTER_WORDS];
	uint32_t n = filter_run(f, b, bits), k = 0;

	for (size_t i = 0; i < FLOWS; i++)
		if (bits[0] >> i & 1)
			out[k++] = letter(i);
	out[k] = '\0';
	assert_int_equal(n, k);
	for (size_t w = 1; w < FILTER_WORDS; w++)
		assert_int_equal(bits[w], 0);
}

/* Alone a flow leaves most columns unused, which is another way through run.c. */
static void check_alone(const struct state *s, const struct filter *f, const char *text,
			const char *letters)
{
	uint64_t bits[FILTER_WORDS];

	for (size_t i = 0; i < FLOWS; i++)
		if (filter_run(f, s->one[i], bits) !=
		    (strchr(letters, letter(i)) ? 1 : 0))
			fail_msg("%s: flow %c alone", text, letter(i));
}

static void check(const struct state *s, const char *text, const char *letters)
{
	struct filter *f = compile(text), *again = compile(filter_text(f));
	char seen[FLOWS + 1];

	passing(f, s->all, seen);
	if (strcmp(seen, letters))
		fail_msg("%s: passes \"%s\", not \"%s\"", text, seen, letters);
	check_alone(s, f, text, seen);
	assert_string_equal(filter_text(again), filter_text(f));
	passing(again, s->all, seen);
	assert_string_equal(seen, letters);
	filter_free(&f);
	filter_free(&again);
}

/* clang-format off */
static const struct {
	const char *text, *letters;
} rows[] = {
	{ "", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "any", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "ANY", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "all", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "not any", "" },
	{ "src host 10.20.0.66", "af" },
	{ "dst host 10.20.0.66", "be" },
	{ "host 10.20.0.66", "abef" },
	{ "ip 10.20.0.66", "abef" },
	{ "src ip 10.20.0.66", "af" },
	{ "10.20.0.66", "abef" },
	{ "src 10.20.0.66", "af" },
	{ "host != 10.20.0.66", "cdghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "not host 10.20.0.66", "cdghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "src or dst host 10.20.0.66", "abef" },
	{ "src and dst net 10.20.0.0/16", "efyz" },
	{ "src and dst net 10.0.0.0/8", "efmnoprstyzCDEFGJ" },
	{ "host 10.20.0.66 or 10.20.0.67", "abcdef" },
	{ "host in (10.20.0.66 10.20.0.67)", "abcdef" },
	{ "host (10.20.0.66 or 10.20.0.67)", "abcdef" },
	{ "host in [10.20.0.66, 10.20.0.67]", "abcdef" },
	{ "src host in (8.8.8.8 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.5 2001:db8:20::5)", "hkmnop" },
	{ "not src host in (8.8.8.8 10.0.0.0/8 2001:db8:20::5)", "bgijlqvABIKL" },
	{ "net 10.20.0.0/16", "abcdefuwxyzAB" },
	{ "net 10.20", "abcdefuwxyzAB" },
	{ "net 10.20.0.0 255.255.0.0", "abcdefuwxyzAB" },
	{ "net 10.20.0.0 mask 255.255.255.0", "abcdefuwxyzAB" },
	{ "src net 10.20.9.0/24", "e" },
	{ "host 2001:db8:20::5", "kl" },
	{ "net 2001:db8::/32", "kl" },
	{ "net ::/0", "jklK" },
	{ "net 0.0.0.0/0", "abcdefghimnoprstuvwxyzABCDEFGHIJ" },
	{ "host 0.0.0.0", "I" },
	{ "host ::", "qL" },
	{ "inet", "abcdefghimnoprstuvwxyzABCDEFGHIJ" },
	{ "ip", "abcdefghimnoprstuvwxyzABCDEFGHIJ" },
	{ "ipv4", "abcdefghimnoprstuvwxyzABCDEFGHIJ" },
	{ "inet6", "jklK" },
	{ "ip6", "jklK" },
	{ "ip6 and tcp", "kl" },
	{ "ip6 host fe80::1", "j" },
	{ "ip host 10.0.0.1", "mn" },
	{ "ip proto 47", "m" },
	{ "host in (10.0.0.0/8 2001:db8::/32)", "abcdefklmnoprstuwxyzABCDEFGHJ" },
	{ "port 443", "abkluvw" },
	{ "src port 443", "blv" },
	{ "dst port 443", "akuw" },
	{ "port https", "abkluvw" },
	{ "port 443 or 80", "abckluvwx" },
	{ "port in (80 443 8000-8100)", "abcdkluvwxE" },
	{ "port in (22 53 80 123 179 445 8000-8100)", "cdefrstxyzABE" },
	{ "port 80-443", "abcklstuvwxAB" },
	{ "portrange 8000-8100", "dE" },
	{ "port > 60000", "rG" },
	{ "src port >= 50000 and src port < 52000", "ak" },
	{ "dst port <= 53 and dst port > 0", "fGH" },
	{ "port != 443 and proto tcp", "cdrstxyzEF" },
	{ "not port in (443 80) and tcp", "drstyzEF" },
	{ "tcp", "abcdklrstuvxyzEF" },
	{ "proto tcp", "abcdklrstuvxyzEF" },
	{ "proto 6", "abcdklrstuvxyzEF" },
	{ "protocol TCP", "abcdklrstuvxyzEF" },
	{ "tcp or udp", "abcdefklorstuvwxyzABEFGHI" },
	{ "proto in (tcp udp)", "abcdefklorstuvwxyzABEFGHI" },
	{ "proto (icmp icmp6)", "ghij" },
	{ "icmp", "ghi" },
	{ "icmp6", "j" },
	{ "gre", "m" },
	{ "esp", "n" },
	{ "ospf", "p" },
	{ "sctp", "C" },
	{ "pim", "D" },
	{ "not tcp and not udp", "ghijmnpqCDJKL" },
	{ "tcp port 443", "abkluv" },
	{ "tcp dst port 443", "aku" },
	{ "tcp and not dst port 443", "bcdlrstvxyzEF" },
	{ "udp src port 53", "e" },
	{ "in if 1", "acdfjm" },
	{ "out if 2", "acdglm" },
	{ "if 2", "abcdghiklmn" },
	{ "if WAN", "abcdghikl" },
	{ "in if WAN", "bhil" },
	{ "out if WAN", "acdgk" },
	{ "in if \"ge-0/0/2.100\"", "k" },
	{ "in if ge-0/0/2.100", "k" },
	{ "in if in (3 4 LAN)", "acdefgj" },
	{ "if 2 and not if WAN", "mn" },
	{ "if NOSUCH", "" },
	{ "exporter edge", "abcdefghijstuvwxyzABCDEFGHIJKL" },
	{ "exporter core", "kl" },
	{ "exporter 192.0.2.2", "mnopqr" },
	{ "exporter 2001:db8::1", "kl" },
	{ "exporter in (core 192.0.2.2)", "klmnopqr" },
	{ "exporter 192.0.2.0/24", "abcdefghijmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "exporter \"192.0.2.2\"", "mnopqr" },
	{ "router edge and gre", "" },
	{ "exporter nosuch", "" },
	{ "src as 64500", "b" },
	{ "as 64500", "ab" },
	{ "dst as in (64500 64501)", "ak" },
	{ "as 64501-65001", "kl" },
	{ "as > 65000", "kl" },
	{ "as AS64500", "ab" },
	{ "country US", "abcdgh" },
	{ "src country US", "bh" },
	{ "country in (US DE)", "abcdghAB" },
	{ "not country US and icmp", "i" },
	{ "bytes > 1M", "blwxH" },
	{ "bytes >= 1M", "bklwxH" },
	{ "bytes < 5", "EFGL" },
	{ "bytes = 1M", "k" },
	{ "bytes == 1000000", "k" },
	{ "bytes != 700 and port 445", "" },
	{ "bytes 84", "gh" },
	{ "bytes in (60 84 1k-3k)", "cghorK" },
	{ "bytes > 1Mi", "bwxH" },
	{ "bytes > 900G", "H" },
	{ "octets > 10M", "bH" },
	{ "packets > 1k", "bwxH" },
	{ "packets 0", "L" },
	{ "packets lt 1", "L" },
	{ "packets ge 10k", "bH" },
	{ "flows 1 and port 123", "B" },
	{ "flows > 1", "A" },
	{ "flows = 100", "A" },
	{ "flows < 1", "" },
	{ "bps > 1M", "bwxH" },
	{ "bps 0 and packets > 1", "" },
	{ "bps > 2Mbit/s", "bwH" },
	{ "pps > 200", "bwEFGH" },
	{ "bpp > 1400", "boxH" },
	{ "bpp < 60 and proto tcp", "duvEF" },
	{ "bpp 60", "cK" },
	{ "duration > 60s", "pH" },
	{ "duration >= 1m", "abpH" },
	{ "duration > 60000", "pH" },
	{ "duration 0 and icmp", "gh" },
	{ "duration < 5ms and not duration 0", "EFG" },
	{ "duration in (100ms 700ms-2s)", "iruvyzAD" },
	{ "flags S", "abcE" },
	{ "flags S and not flags A", "cE" },
	{ "flags SA", "ab" },
	{ "flags = S", "c" },
	{ "flags A", "abdklrst" },
	{ "flags 0x10", "r" },
	{ "flags 0x02", "c" },
	{ "flags S and not flags AFRPU", "cE" },
	{ "flags A and not (flags SA)", "dklrst" },
	{ "flags A and not flags SF", "dklrst" },
	{ "flags 0 and tcp", "uvxyz" },
	{ "flags EC", "E" },
	{ "flags != S and flags S", "abE" },
	{ "flags > 255", "F" },
	{ "flags F", "a" },
	{ "flags X", "" },
	{ "tos 184", "o" },
	{ "src tos 184", "o" },
	{ "tos 0xb8", "o" },
	{ "dscp 46", "o" },
	{ "dscp > 0", "op" },
	{ "ecn 1", "G" },
	{ "vlan 12", "qr" },
	{ "vlan", "qr" },
	{ "src vlan 12", "qr" },
	{ "out vlan 13", "r" },
	{ "not vlan and exporter 192.0.2.2 and udp", "o" },
	{ "mpls 16", "s" },
	{ "mpls", "st" },
	{ "mpls 299776", "s" },
	{ "mpls2 299776", "s" }, { "mpls1 299776", "" },
	{ "mpls in (24000 299776)", "st" },
	{ "mac 02:00:5e:10:00:01", "qr" },
	{ "src mac 02:00:5e:10:00:01", "q" },
	{ "dst mac 02-00-5e-10-00-01", "r" },
	{ "mac 0200.5e10.0002", "r" },
	{ "mac ff:ff:ff:ff:ff:ff", "q" },
	{ "next hop 10.0.0.254", "C" },
	{ "next hop ip 10.0.0.254", "C" },
	{ "next ip 2001:db8::fe", "D" },
	{ "bgp next hop 192.0.2.254", "C" },
	{ "bgpnext ip 192.0.2.254", "C" },
	{ "icmp type 8", "g" },
	{ "icmp type 8 or 0", "gh" }, /* the protocol is repeated too */
	{ "icmp type 0", "h" },
	{ "icmp-type 0", "h" },
	{ "icmp type 3 and icmp code 3", "i" },
	{ "icmp code 3", "i" },
	{ "icmp-type in (8 134)", "gj" },
	{ "icmp6 type 134", "j" },
	{ "icmp type > 2", "gi" },
	{ "network lan", "abcdefkluwxyzAB" },
	{ "src network lan", "acdfkuwxyz" },
	{ "dst network lan", "belAB" },
	{ "network servers", "efyz" },
	{ "src network lan and dst network servers", "fyz" },
	{ "src and dst network lan", "" },
	{ "network in (servers guests)", "efghiyz" },
	{ "network nosuch", "" },
	{ "not network lan and udp", "oGHI" },
	{ "via netflow9", "abcd" },
	{ "via netflow", "abcdHI" },
	{ "via sflow", "qr" },
	{ "via ipfix or netflow5", "klHI" },
	{ "via none and gre", "m" },
	{ "direction ingress", "y" },
	{ "direction egress", "z" },
	{ "direction in (ingress egress)", "yz" },
	{ "nat src ip 192.0.2.200", "u" },
	{ "nat ip 10.20.0.80", "v" },
	{ "src nat ip 192.0.2.200", "u" },
	{ "nat port 40000", "u" },
	{ "nat dst port 1234", "v" },
	{ "nat event 1", "u" },
	{ "fw event 3", "v" },
	{ "xip 192.0.2.200", "u" },
	{ "app youtube", "w" },
	{ "app HTTP", "x" },
	{ "app YouTube", "w" },
	{ "app 13:453", "w" },
	{ "app \"you*\"", "w" },
	{ "app in (http youtube)", "wx" },
	{ "user bob", "x" },
	{ "user \"DOM\\\\alice\"", "w" },
	{ "user DOM*", "w" },
	{ "url example.net", "x" },
	{ "url \"*.mp3\"", "x" },
	{ "url music", "x" },
	{ "mask 24", "C" },
	{ "src mask 24", "C" },
	{ "sampling > 1", "r" },
	{ "sampling 512", "r" },
	{ "domain 256", "G" },
	{ "in vrf 10", "D" },
	{ "vrf 20", "D" },
	{ "reason 2", "J" },
	{ "notes 4", "J" },
	{ "src_port 443", "blv" },
	{ "nat_event 2", "v" },
	{ "in_if 4", "g" },
	{ "start_ms > 0", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
	{ "tcp and port 443 or udp and port 53", "abefkluv" },
	{ "tcp and (port 443 or udp) and port 53", "" },
	{ "not tcp and port 53 or gre", "efm" },
	{ "not (tcp or udp)", "ghijmnpqCDJKL" },
	{ "! tcp && ! udp", "ghijmnpqCDJKL" },
	{ "tcp || gre", "abcdklmrstuvxyzEF" },
	{ "(((tcp))) and ((bytes > 1M))", "blx" },
	{ "host 10.20.0.66 and tcp and dst port 443 # the comment", "a" },
	{ "bytes > 1M and bytes < 2M", "l" },
	{ "not not gre", "m" },
	{ "net 10.0.0.0/8 and not net 10.20.0.0/16 and not (tcp or udp)", "mnpCDJ" },
	{ "proto tcp and (src port 22 or dst port 179) and not bytes > 1k", "t" },
};
/* clang-format on */

static void a_filter_passes_the_flows_it_describes(void **state)
{
	assert_true(ARRAY_LEN(rows) >= 120);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(*state, rows[i].text, rows[i].letters);
}

static void a_wrong_filter_is_told_where_and_what_was_meant(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "prot tcp",
		  "character 1: 'prot' is no word of filters; did you mean 'proto'?" },
		{ "tcp and dst prot 443", "character 13: 'prot' is no word" },
		{ "srcc host 10.0.0.1", "did you mean 'src'?" },
		{ "exporter edge or tpc", "did you mean 'tcp'?" },
		{ "host 10.0.0.1 adn tcp",
		  "character 15: 'adn' is no word of filters; did you mean 'and'?" },
		{ "byts > 5", "did you mean 'bytes'?" },
		{ "srcport 80", "did you mean 'src_port'?" },
		{ "xyzzyplugh", "is no word of filters (words are host" },
		{ "port htpps", "did you mean 'https'?" },
		{ "proto tpc", "did you mean 'tcp'?" },
		{ "via netflw9", "did you mean 'netflow9'?" },
		{ "direction ingres", "did you mean 'ingress'?" },
		{ "host example.com",
		  "host names are not looked up), not 'example.com'" },
		{ "host 10.1", "an address or a prefix" },
		{ "host 10.0.0.256", "an address or a prefix" },
		{ "net 10.0.0.0/33", "an address or a prefix" },
		{ "net 10.0.0.0 mask 255.0.255.0",
		  "is no mask: its ones must come first" },
		{ "net 10.0.0.0 mask tcp", "after 'mask' comes a mask" },
		{ "port 65536", "character 6: after 'port' comes a port" },
		{ "port in (80 65536)", "character 13: after 'port'" },
		{ "port 90-80", "after 'port' comes" },
		{ "proto 256", "its number up to 255" },
		{ "proto > 5", "'proto' has no order" },
		{ "host > 10.0.0.1", "'host' has no order" },
		{ "bytes > 1X", "a number like 1500, 10k or 1.5M, not '1X'" },
		{ "bytes >", "not the end" },
		{ "bytes > tcp", "a number like" },
		{ "duration > 60x", "a duration, like 500ms" },
		{ "flags Q", "letters of UAPRSFEC" },
		{ "country NLD", "two letters of a country" },
		{ "mac 02:00:5e", "a MAC address" },
		{ "vlan 65536", "a number" },
		{ "src if 2", "'src' does not go with 'if'; use in or out" },
		{ "in port 80", "'in' does not go with 'port'; use src or dst" },
		{ "src bytes 5", "'src' does not go with 'bytes'" },
		{ "src src_port 80", "already says which side" },
		{ "host 10.0.0.1 port 80", "'and' or 'or' is missing before 'port'" },
		{ "port 80 443", "'and' or 'or' is missing before '443'" },
		{ "(tcp", "character 1: this bracket is opened and never closed" },
		{ "tcp)", "character 4: ')' closes nothing" },
		{ "(tcp udp)", "before 'udp'" },
		{ "port in (80", "character 9: this list is opened and never closed" },
		{ "port in ()", "the list behind 'port' is empty" },
		{ "port in 80", "after 'in' comes a list" },
		{ "port < (80 90)", "a list is compared with" },
		{ "exporter \"edge", "a quotation mark is opened here and never closed" },
		{ "exporter \"\"", "an exporter's name or address" },
		{ "tcp &  udp", "'&' means nothing here; 'and' is &&" },
		{ "tcp | udp", "'or' is ||" },
		{ "tcp and", "not the end" },
		{ "and tcp", "character 1: here should be a test" },
		{ "not", "not the end" },
		{ "()", "here should be a test" },
		{ "tcp[13] & 2 != 0", "a flow has no octets of its packets" },
		{ "tcp \x01", "octet 0x01 means nothing here" },
		{ "nat tcp", "after 'nat' comes ip, port or event" },
		{ "port", "not the end" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = { "" };

		if (filter_compile(wrong[i].text, &err))
			fail_msg("%s was taken", wrong[i].text);
		if (!strstr(err.msg, wrong[i].says))
			fail_msg("%s: %s", wrong[i].text, err.msg);
		assert_null(filter_compile(wrong[i].text, NULL));
	}
}

static void equal_meaning_gives_equal_text(void **state)
{
	static const struct {
		const char *a, *b;
	} pairs[] = {
		{ "tcp", "  PROTO = TCP\n" },
		{ "port 80 or port 443", "port in (443, 80)" },
		{ "tcp and port 80", "port 80 && proto 6" },
		{ "tcp dst port 80", "(dst port http) and (tcp)" },
		{ "src port 80", "src_port == 80" },
		{ "host 10.0.0.1", "net 10.0.0.1/32" },
		{ "host in (10.0.0.0/8 10.1.0.0/16)", "net 10" },
		{ "net 10.0.0.0/8", "net 10.9.9.9 mask 255.0.0.0" },
		{ "bytes > 999999", "bytes >= 1M" },
		{ "port != 80", "! port 80" },
		{ "bytes > 1M and bytes < 2M", "bytes < 2M and bytes > 1M" },
		{ "not not tcp", "tcp" },
		{ "not not port 80 or port 81", "port in (80-81)" },
		{ "port < 80 or port >= 80", "any" },
		{ "tcp and any", "tcp" },
		{ "tcp and not any", "not any" },
		{ "tcp and tcp", "tcp" },
		{ "tcp or (udp or (icmp or tcp))", "proto in (udp icmp tcp)" },
		{ "flags S and flags A", "flags SA" },
		{ "not flags SA", "not (flags A or flags S)" },
		{ "not (flags S and flags A)", "not (flags SA)" },
		{ "flows 0-1", "flows 1" },
		{ "as AS1.10", "as 65546" },
		{ "ip6", "inet6" },
		{ "country nl", "country NL" },
		{ "if \"WAN\"", "if WAN" },
		{ "in if 2", "in_if 2" },
		{ "duration > 60s", "duration > 1m" },
		{ "bytes > 1Ki", "bytes > 1024" },
		{ "dst or src host ::1", "host ::1" },
		{ "", "any" },
		{ "tcp # comment", "tcp" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct filter *a = compile(pairs[i].a), *b = compile(pairs[i].b);

		assert_string_equal(filter_text(a), filter_text(b));
		filter_free(&a);
		filter_free(&b);
	}
}

static void what_differs_in_meaning_differs_in_text(void **state)
{
	static const char *const texts[] = {
		"any",
		"tcp",
		"not tcp",
		"port 80",
		"src port 80",
		"dst port 80",
		"src and dst port 80",
		"port 8080",
		"host 10.0.0.80",
		"if 2",
		"if \"2\"",
		"exporter wan",
		"exporter WAN",
		"flags S",
		"flags = S",
		"app 5",
		"app \"5\"",
		"host ::",
		"net ::/0",
		"net 0.0.0.0/0",
		"inet",
		"inet6",
		"nat host 10.0.0.80",
		"port > 1024 and port < 2048",
		"port in (1025-2047)",
		"port 80 and port 81",
		"in vlan 5",
		"vlan 5",
		"vlan",
		"bytes 1k",
		"packets 1k",
		"flows < 1",
		"exporter 10.0.0.1",
		"exporter \"10.0.0.1\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t k = 0; k < i; k++) {
			struct filter *a = compile(texts[i]), *b = compile(texts[k]);

			assert_string_not_equal(filter_text(a), filter_text(b));
			filter_free(&a);
			filter_free(&b);
		}
	}
}

static char *repeat(const char *piece, size_t n)
{
	size_t len = strlen(piece);
	char *s = xcalloc(n * len + 1, 1);

	for (size_t i = 0; i < n; i++)
		memcpy(s + i * len, piece, len);
	return s;
}

static void depth_and_size_are_bounded(void **state)
{
	static const struct {
		const char *before, *middle, *after;
		size_t times;
		const char *says; /* NULL: it is a filter */
	} sizes[] = {
		{ "(", "tcp", ")", 32, NULL },
		{ "(", "tcp", ")", 33, "brackets are nested more than 32 deep" },
		{ "(", "", "", 100000, "brackets are nested more than 32 deep" },
		{ "not ", "tcp", "", 100001, NULL },
		{ "tcp ", "", "", 33, "'and' or 'or' is missing" },
		{ "tcp or ", "udp", "", 100000, "at most 1024 tests" },
		{ "tcp or ", "udp", "", 900, NULL },
		{ "aaaaaaaaaa", "", "", 30, "a word is longer than 255 octets" },
		{ "          ", "tcp", "", 104858, "at most 1048576 octets" },
		{ "", "host in (", "10.0.0.1 ", 50000, "never closed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *before = repeat(sizes[i].before, sizes[i].times);
		char *after = repeat(sizes[i].after, sizes[i].times);
		char *text = xasprintf("%s%s%s", before, sizes[i].middle, after);
		struct err err = { "" };
		struct filter *f = filter_compile(text, &err);

		if (!f != (sizes[i].says != NULL) ||
		    (!f && !strstr(err.msg, sizes[i].says)))
			fail_msg("row %zu: %s", i, err.msg);
		filter_free(&f);
		free(before);
		free(after);
		free(text);
	}
}

static void note(void *arg, const char *kind, const char *name)
{
	char *seen = arg;
	size_t len = strlen(seen);

	snprintf(seen + len, 200 - len, "%s=%s ", kind, name);
}

static void names_are_told_for_checking(void **state)
{
	struct filter *f =
	    compile("exporter (edge 10.0.0.1) and in if (2 WAN) or not network lan");
	uint64_t want = UINT64_C(1) << F_exporter | UINT64_C(1) << F_in_if |
			UINT64_C(1) << F_counts | UINT64_C(1) << F_src | UINT64_C(1) << F_dst;
	char seen[200] = "";
	struct filter *all = compile("any");

	(void)state;
	filter_each_name(f, note, seen);
	assert_non_null(strstr(seen, "exporter=edge "));
	assert_non_null(strstr(seen, "interface=WAN "));
	assert_non_null(strstr(seen, "network=lan "));
	assert_null(strstr(seen, "10.0.0.1"));
	assert_int_equal(filter_columns(f), want);
	assert_true(filter_is_all(all));
	assert_true(filter_is_all(NULL));
	assert_false(filter_is_all(f));
	assert_int_equal(filter_columns(all), 0);
	filter_free(&f);
	filter_free(&all);
}

static void without_countries_nothing_comes_from_one(void **state)
{
	const struct state *s = *state;
	struct filter *f = compile("country US");
	uint64_t bits[FILTER_WORDS];

	filter_geo(f, NULL, NULL);
	assert_int_equal(filter_run(f, s->all, bits), 0);
	filter_free(&f);
}

static void a_filter_follows_names_that_change(void **state)
{
	const struct state *s = *state;
	struct filter *f = compile("in if UPLINK");
	uint64_t bits[FILTER_WORDS];

	assert_int_equal(filter_run(f, s->all, bits), 0);
	names_interface_set(s->names, 0, 3, "UPLINK", 0, TOLD_CONFIG);
	assert_int_equal(filter_run(f, s->all, bits), 1);
	filter_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_passes_the_flows_it_describes),
		cmocka_unit_test(a_wrong_filter_is_told_where_and_what_was_meant),
		cmocka_unit_test(equal_meaning_gives_equal_text),
		cmocka_unit_test(what_differs_in_meaning_differs_in_text),
		cmocka_unit_test(depth_and_size_are_bounded),
		cmocka_unit_test(names_are_told_for_checking),
		cmocka_unit_test(without_countries_nothing_comes_from_one),
		cmocka_unit_test(a_filter_follows_names_that_change),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
