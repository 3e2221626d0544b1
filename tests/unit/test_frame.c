/* test_frame.c - packets of every kind, whole and cut anywhere.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/frame.h"

#include "daemon/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of packets, in hexadecimal. 198.51.100.1 -> 203.0.113.2 is outside,
 * 10.1.1.1 -> 10.2.2.2 inside; the same for 2001:db8::1 -> ::2 and fd00::1 -> fd00::2. */
#define MAC "020000000002" "020000000001"
#define MAC_IN "0a00000000bb" "0a00000000aa"
#define A4 "c6336401" "cb007102"
#define I4 "0a010101" "0a020202"
#define A6 "20010db8000000000000000000000001" "20010db8000000000000000000000002"
#define I6 "fd000000000000000000000000000001" "fd000000000000000000000000000002"
#define V4(tos, len, proto, addrs) "45" tos len "00010000" "40" proto "0000" addrs
#define V6(len, next, addrs) "6ab00000" len next "40" addrs /* traffic class 0xab */
#define TCP "0d05" "01bb" "00000001" "00000001" "5112" "03e8" "0000" "0000"
#define UDP(port) "c001" port "0100" "0000"
#define PING "0800" "0000" "00010001"
#define INNER V4("28", "0028", "06", I4) TCP
#define INNER6 V6("0014", "06", I6) TCP

struct want {
	bool ip;
	const char *src, *dst;
	unsigned src_port, dst_port, proto, flags, tos, icmp, vlan, mpls1, mpls2, mpls3, ip_len;
};
#define OUT4 .ip = true, .src = "198.51.100.1", .dst = "203.0.113.2"
#define OUT6 .ip = true, .src = "2001:db8::1", .dst = "2001:db8::2", .tos = 0xab
#define IN4 .ip = true, .src = "10.1.1.1", .dst = "10.2.2.2", .tos = 0x28
#define IN6 .ip = true, .src = "fd00::1", .dst = "fd00::2", .tos = 0xab
#define TCPS .src_port = 3333, .dst_port = 443, .proto = 6, .flags = 0x112

static const struct row {
	const char *what;
	unsigned proto;
	const char *hex;
	struct want want;
} rows[] = {
	{ "IPv4 and TCP, with the ninth flag", 1, MAC "0800" V4("10", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .tos = 0x10, .ip_len = 40 } },
	{ "IPv4 options", 1,
	  MAC "0800" "4700003000010000" "40060000" A4 "0101010101010101" TCP,
	  { OUT4, TCPS, .ip_len = 48 } },
	{ "UDP", 1, MAC "0800" V4("00", "0064", "11", A4) UDP("0035"),
	  { OUT4, .src_port = 0xc001, .dst_port = 53, .proto = 17, .ip_len = 100 } },
	{ "ICMP", 1, MAC "0800" V4("00", "0054", "01", A4) PING,
	  { OUT4, .proto = 1, .icmp = 0x800, .ip_len = 84 } },
	{ "SCTP", 11, V4("00", "0030", "84", A4) "0b59" "0e3b" "00000000",
	  { OUT4, .src_port = 2905, .dst_port = 3643, .proto = 132, .ip_len = 48 } },
	{ "ESP tells no ports", 11, V4("00", "0030", "32", A4) "0000000100000002",
	  { OUT4, .proto = 50, .ip_len = 48 } },
	{ "AH is stepped over", 11,
	  V4("00", "0040", "33", A4) "06040000" "00000001" "00000001"
	  "000000000000000000000000" TCP,
	  { OUT4, TCPS, .ip_len = 64 } },
	{ "a later fragment tells no ports", 11,
	  "4500003c00010010" "40060000" A4 TCP, { OUT4, .proto = 6, .ip_len = 60 } },
	{ "the first fragment does", 11,
	  "4500003c00012000" "40060000" A4 TCP, { OUT4, TCPS, .ip_len = 60 } },
	{ "total length 0 is not told", 11, V4("00", "0000", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 0 } },
	{ "IPv6 and TCP", 1, MAC "86dd" V6("0014", "06", A6) TCP,
	  { OUT6, TCPS, .ip_len = 60 } },
	{ "ICMPv6", 12, V6("0008", "3a", A6) "8700" "0000" "00000000",
	  { OUT6, .proto = 58, .icmp = 0x8700, .ip_len = 48 } },
	{ "IPv6 hop-by-hop and destination options", 12,
	  V6("0024", "00", A6) "3c00000000000000" "0600000000000000" TCP,
	  { OUT6, TCPS, .ip_len = 76 } },
	{ "IPv6 first fragment", 12, V6("001c", "2c", A6) "0600000100000001" TCP,
	  { OUT6, TCPS, .ip_len = 68 } },
	{ "IPv6 later fragment", 12, V6("001c", "2c", A6) "0600000800000001" TCP,
	  { OUT6, .proto = 6, .ip_len = 68 } },
	{ "IPv6 with no next header", 12, V6("0000", "3b", A6),
	  { OUT6, .proto = 59, .ip_len = 40 } },
	{ "jumbogram", 12, V6("0000", "00", A6) "0600c20400100000" TCP,
	  { OUT6, TCPS, .ip_len = 0 } },
	{ "nine hop-by-hop headers are too many", 12,
	  V6("0064", "3c", A6) "3c00000000000000" "3c00000000000000" "3c00000000000000"
	  "3c00000000000000" "3c00000000000000" "3c00000000000000" "3c00000000000000"
	  "3c00000000000000" "0600000000000000" TCP,
	  { OUT6, .proto = 6, .ip_len = 140 } },

	{ "VLAN", 1, MAC "8100" "6065" "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .vlan = 0x65, .ip_len = 40 } },
	{ "QinQ: the outer tag", 1,
	  MAC "88a8" "0064" "8100" "0065" "86dd" V6("0014", "06", A6) TCP,
	  { OUT6, TCPS, .vlan = 100, .ip_len = 60 } },
	{ "priority tag, then VLAN", 1,
	  MAC "8100" "e000" "8100" "0007" "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .vlan = 7, .ip_len = 40 } },
	{ "nine tags are too many", 1,
	  MAC "8100" "00018100" "00018100" "00018100" "00018100" "00018100" "00018100"
	  "00018100" "00018100" "00010800" V4("00", "0028", "06", A4) TCP,
	  { .vlan = 1 } },
	{ "802.3 with SNAP", 1, MAC "0030" "aaaa03000000" "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "802.3 with LLC of IP", 1, MAC "002b" "060603" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "spanning tree", 1, "0180c2000000" "020000000001" "0026" "424203" "0000000000", { 0 } },
	{ "ARP", 1, MAC "0806" "0001080006040001", { 0 } },
	{ "provider backbone bridge", 1,
	  MAC "88a8" "0064" "88e7" "00000123" MAC_IN "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .vlan = 100, .ip_len = 40 } },
	{ "port extender tag", 1,
	  MAC "893f" "000000000000" "8100" "0009" "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .vlan = 9, .ip_len = 40 } },
	{ "security group tag", 1,
	  MAC "8909" "010100010005" "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "PPPoE", 1, MAC "8864" "11000001002a" "0021" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "PPPoE with IPv6", 1, MAC "8864" "11000001003e" "0057" V6("0014", "06", A6) TCP,
	  { OUT6, TCPS, .ip_len = 60 } },
	{ "PPPoE discovery", 1, MAC "8863" "110900000004" "01010000", { 0 } },
	{ "PPP with HDLC framing", 7, "ff03" "0021" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "PPP with MPLS", 14, "0281" "00065140" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .mpls1 = 101, .ip_len = 40 } },

	{ "one label", 1, MAC "8847" "00065140" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .mpls1 = 101, .ip_len = 40 } },
	{ "four labels, three kept", 13,
	  "00065040" "00066040" "00067040" "00068140" V6("0014", "06", A6) TCP,
	  { OUT6, TCPS, .mpls1 = 101, .mpls2 = 102, .mpls3 = 103, .ip_len = 60 } },
	{ "pseudowire with control word", 1,
	  MAC "8847" "00065140" "00000000" MAC_IN "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .mpls1 = 101, .ip_len = 40 } },
	{ "pseudowire without control word", 1,
	  MAC "8847" "00065140" MAC_IN "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .mpls1 = 101, .ip_len = 40 } },
	{ "pseudowire of no known frame", 1,
	  MAC "8847" "00065140" "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", { .mpls1 = 101 } },
	{ "service function chain", 1,
	  MAC "894f" "0fc20103" "00002aff" MAC_IN "0800" V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "service function chain with metadata", 1,
	  MAC "894f" "0fc60101" "00002aff" "00000000000000000000000000000000"
	  V4("00", "0028", "06", A4) TCP,
	  { OUT4, TCPS, .ip_len = 40 } },
	{ "service function chain whose header is too short", 1,
	  MAC "894f" "0fc10101" "00002aff" V4("00", "0028", "06", A4) TCP, { 0 } },
	{ "a stack without bottom", 13, "00010040" "00010040" "00010040",
	  { .mpls1 = 16, .mpls2 = 16, .mpls3 = 16 } },

	{ "IP in IP", 1, MAC "0800" V4("00", "003c", "04", A4) INNER,
	  { IN4, TCPS, .ip_len = 60 } },
	{ "6in4", 11, V4("00", "0050", "29", A4) INNER6, { IN6, TCPS, .ip_len = 80 } },
	{ "4in6", 12, V6("0028", "04", A6) INNER, { IN4, TCPS, .ip_len = 80 } },
	{ "IP in IP, inner header cut: the outer stays", 11, V4("00", "003c", "04", A4) "450000",
	  { OUT4, .proto = 4, .ip_len = 60 } },
	{ "GRE", 11, V4("00", "0040", "2f", A4) "00000800" INNER, { IN4, TCPS, .ip_len = 64 } },
	{ "GRE with key and sequence", 11,
	  V4("00", "0048", "2f", A4) "30000800" "00000001" "00000002" INNER,
	  { IN4, TCPS, .ip_len = 72 } },
	{ "GRE with Ethernet", 11,
	  V4("00", "004e", "2f", A4) "00006558" MAC_IN "8100" "0005" "0800" INNER,
	  { IN4, TCPS, .ip_len = 78 } },
	{ "PPTP", 11,
	  V4("00", "0050", "2f", A4) "3081880b" "00300001" "00000001" "00000002" "ff03" "0021"
	  INNER, { IN4, TCPS, .ip_len = 80 } },
	{ "ERSPAN II", 11,
	  V4("00", "0070", "2f", A4) "100088be" "00000001" "1000000000000000" MAC_IN "0800"
	  INNER, { IN4, TCPS, .ip_len = 112 } },
	{ "ERSPAN III", 11,
	  V4("00", "0070", "2f", A4) "100022eb" "00000001" "200000000000000000000000" MAC_IN
	  "0800" INNER, { IN4, TCPS, .ip_len = 112 } },
	{ "GRE keep-alive", 11, V4("00", "0018", "2f", A4) "00000000",
	  { OUT4, .proto = 47, .ip_len = 24 } },
	{ "MPLS in GRE: not our label", 11,
	  V4("00", "0044", "2f", A4) "00008847" "00065140" INNER, { IN4, TCPS, .ip_len = 68 } },
	{ "MPLS in IP", 11, V4("00", "0040", "89", A4) "00065140" INNER,
	  { IN4, TCPS, .ip_len = 64 } },
	{ "EtherIP", 11, V4("00", "004c", "61", A4) "3000" MAC_IN "0800" INNER,
	  { IN4, TCPS, .ip_len = 76 } },
	{ "VXLAN", 1,
	  MAC "8100" "0014" "0800" V4("00", "005a", "11", A4) UDP("12b5") "0800000000007b00"
	  MAC_IN "8100" "0005" "0800" INNER,
	  { IN4, TCPS, .vlan = 20, .ip_len = 90 } },
	{ "VXLAN over IPv6, IPv6 inside", 12,
	  V6("0062", "11", A6) UDP("12b5") "0800000000007b00" MAC_IN "86dd" INNER6,
	  { IN6, TCPS, .ip_len = 138 } },
	{ "VXLAN GPE", 11, V4("00", "004c", "11", A4) UDP("12b6") "0c00000100007b00" INNER,
	  { IN4, TCPS, .ip_len = 76 } },
	{ "port 4789 without VXLAN's flag", 11,
	  V4("00", "004c", "11", A4) UDP("12b5") "0000000000007b00" MAC_IN "0800" INNER,
	  { OUT4, .src_port = 0xc001, .dst_port = 4789, .proto = 17, .ip_len = 76 } },
	{ "Geneve with options", 11,
	  V4("00", "0060", "11", A4) UDP("17c1") "01006558" "00007b00" "01028001" MAC_IN "0800"
	  INNER, { IN4, TCPS, .ip_len = 96 } },
	{ "GTP-U", 11, V4("00", "004c", "11", A4) UDP("0868") "30ff0028" "00000001" INNER,
	  { IN4, TCPS, .ip_len = 76 } },
	{ "GTP-U with an extension (5G)", 11,
	  V4("00", "0060", "11", A4) UDP("0868") "34ff0030" "00000001" "00000085" "01000900"
	  INNER6, { IN6, TCPS, .ip_len = 96 } },
	{ "GTP-U echo", 11, V4("00", "0028", "11", A4) UDP("0868") "32010004" "00000000" "00000000",
	  { OUT4, .src_port = 0xc001, .dst_port = 2152, .proto = 17, .ip_len = 40 } },
	{ "SRv6 encapsulation", 12,
	  V6("0040", "2b", A6) "0402040100000000" "fd000000000000000000000000000009" INNER,
	  { IN4, TCPS, .ip_len = 104 } },
	{ "SRv6 without a packet inside: the last segment", 12,
	  V6("002c", "2b", A6) "0602040100000000" "fd000000000000000000000000000009" TCP,
	  { .ip = true, .src = "2001:db8::1", .dst = "fd00::9", .tos = 0xab, TCPS,
	    .ip_len = 84 } },
	{ "SRv6 carrying Ethernet", 12,
	  V6("0050", "2b", A6) "8f02040000000000" "fd000000000000000000000000000009" MAC_IN "0800"
	  INNER, { IN4, TCPS, .ip_len = 120 } },
	{ "ten packets inside each other: the ninth is told", 11,
	  V4("00", "00dc", "04", A4) V4("01", "00dc", "04", A4) V4("02", "00dc", "04", A4)
	  V4("03", "00dc", "04", A4) V4("04", "00dc", "04", A4) V4("05", "00dc", "04", A4)
	  V4("06", "00dc", "04", A4) V4("07", "00dc", "04", A4) V4("08", "00dc", "04", A4)
	  INNER, { OUT4, .tos = 8, .proto = 4, .ip_len = 220 } },

	{ "802.11 from an access point", 15,
	  "0802" "0000" "020000000002" "020000000009" "020000000001" "0000" "aaaa03000000" "0800"
	  V4("00", "0028", "06", A4) TCP, { OUT4, TCPS, .ip_len = 40 } },
	{ "802.11 QoS to an access point", 15,
	  "8801" "0000" "020000000009" "020000000001" "020000000002" "0000" "0000"
	  "aaaa03000000" "0800" V4("00", "0028", "06", A4) TCP, { OUT4, TCPS, .ip_len = 40 } },
	{ "802.11 encrypted", 15,
	  "0842" "0000" "020000000002" "020000000009" "020000000001" "0000" "aaaa03000000" "0800",
	  { 0 } },
	{ "802.11 beacon", 15,
	  "8000" "0000" "ffffffffffff" "020000000009" "020000000001" "0000" "0000000000000000",
	  { 0 } },

	{ "Ethertype and version disagree", 1, MAC "0800" V6("0014", "06", A6) TCP, { 0 } },
	{ "header length of 4 words", 11, "4400002800010000" "40060000" A4 TCP, { 0 } },
	{ "an unknown header protocol", 99, V4("00", "0028", "06", A4) TCP, { 0 } },
	{ "no octets", 1, "", { 0 } },
};

static size_t unhex(const char *hex, uint8_t *to)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		to[n++] = (uint8_t)v;
	}
	return n;
}

static void same_addr(const char *want, const struct addr *got)
{
	char text[ADDR_TEXT];

	assert_string_equal(want, addr_text(got, text));
}

/* One line for a row, so that a failure names its packet. */
static const char *told(char line[400], const char *what, const struct want *w)
{
	snprintf(line, 400,
		 "%s: ip=%d %s:%u > %s:%u proto=%u flags=%#x tos=%#x icmp=%#x vlan=%u "
		 "mpls=%u/%u/%u len=%u",
		 what, w->ip, w->src ? w->src : "-", w->src_port, w->dst ? w->dst : "-",
		 w->dst_port, w->proto, w->flags, w->tos, w->icmp, w->vlan, w->mpls1,
		 w->mpls2, w->mpls3, w->ip_len);
	return line;
}

static void every_kind_of_packet_is_told(void **unused)
{
	struct block *b = block_new(NULL);
	char src[ADDR_TEXT], dst[ADDR_TEXT], want[400], got[400];
	uint8_t octets[512];
	uint32_t ip_len;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = unhex(rows[i].hex, octets);
		struct want g = { 0 };

		block_reset(b);
		b->n = 1;
		g.ip = frame_parse(octets, n, rows[i].proto, b, 0, &ip_len);
		g.src = addr_text(&b->src[0], src);
		g.dst = addr_text(&b->dst[0], dst);
		g.src_port = b->src_port[0];
		g.dst_port = b->dst_port[0];
		g.proto = b->proto[0];
		g.flags = b->tcp_flags[0];
		g.tos = b->tos[0];
		g.icmp = b->icmp[0];
		g.vlan = b->vlan[0];
		g.mpls1 = b->mpls1[0];
		g.mpls2 = b->mpls2[0];
		g.mpls3 = b->mpls3[0];
		g.ip_len = ip_len;
		assert_string_equal(told(want, rows[i].what, &rows[i].want),
				    told(got, rows[i].what, &g));
	}
	block_unref(&b);
}

static void mac_addresses_are_the_outer_ones(void **unused)
{
	struct block *b = block_new(NULL);
	uint8_t octets[512];
	struct frame_info info;

	(void)unused;
	b->n = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = unhex(rows[i].hex, octets);

		if (strncmp(rows[i].hex, MAC, 24) && rows[i].proto != 15)
			continue;
		if (rows[i].proto == 15 && !rows[i].want.ip)
			continue;
		block_reset(b);
		b->n = 1;
		frame_read(octets, n, rows[i].proto, b, 0, &info);
		assert_int_equal(b->dst_mac[0], 0x020000000002);
		assert_int_equal(b->src_mac[0], 0x020000000001);
	}
	block_unref(&b);
}

/* Each prefix lies in memory of exactly its size, so that the sanitizer sees every
 * octet too many. What a prefix tells may be less, never something else. */
static void a_packet_cut_anywhere_is_safe(void **unused)
{
	struct block *b = block_new(NULL);
	uint8_t octets[512];
	uint32_t ip_len;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = unhex(rows[i].hex, octets);

		for (size_t cut = 0; cut <= n; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);

			memcpy(exact, octets, cut);
			for (unsigned proto = 0; proto < 17; proto++) {
				block_reset(b);
				b->n = 1;
				frame_parse(cut ? exact : exact + 1, cut, proto, b, 0, &ip_len);
				assert_true(b->vlan[0] < 4096 && b->mpls1[0] < 1 << 20);
			}
			free(exact);
		}
	}
	block_unref(&b);
}

static void a_row_keeps_what_the_frame_does_not_tell(void **unused)
{
	struct block *b = block_new(NULL);
	uint8_t octets[512];
	size_t n = unhex(MAC "0806" "0001080006040001", octets);
	struct frame_info info;

	(void)unused;
	b->n = 2;
	block_use(b, F_vlan);
	block_use(b, F_src);
	b->vlan[1] = 42;
	b->src[1] = addr_of4("\x0a\0\0\1");
	assert_false(frame_read(octets, n, 1, b, 1, &info));
	assert_int_equal(b->vlan[1], 42);
	same_addr("10.0.0.1", &b->src[1]);
	assert_int_equal(info.ip_len, 0);
	assert_int_equal(b->src_mac[0], 0); /* the other row was not touched */
	n = unhex(MAC "8100" "0007" "0800" V4("00", "0028", "06", A4) TCP, octets);
	assert_true(frame_read(octets, n, 1, b, 1, &info));
	assert_int_equal(b->vlan[1], 7);
	assert_int_equal(info.ip_off, 18);
	same_addr("198.51.100.1", &b->src[1]);
	same_addr("-", &b->src[0]);
	block_unref(&b);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(every_kind_of_packet_is_told),
		cmocka_unit_test(mac_addresses_are_the_outer_ones),
		cmocka_unit_test(a_packet_cut_anywhere_is_safe),
		cmocka_unit_test(a_row_keeps_what_the_frame_does_not_tell),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
