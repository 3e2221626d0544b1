/* test_sflow.c - sFlow datagrams, made here octet by octet.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/collect/decoder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NOW INT64_C(1700000000000)

/* --- a datagram being written --- */

static struct {
	uint8_t b[65536];
	size_t n;
} g;

static void u32(uint32_t v)
{
	v = htonl(v);
	memcpy(g.b + g.n, &v, 4);
	g.n += 4;
}

/* Any number of 32-bit words, up to END. */
#define END UINT64_MAX
static void words(uint64_t first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (uint64_t v = first; v != END; v = va_arg(ap, uint64_t))
		u32((uint32_t)v);
	va_end(ap);
}
#define W(...) words(__VA_ARGS__, END)
#define U(v) ((uint64_t)(v))

static void octets(const void *p, size_t n)
{
	memcpy(g.b + g.n, p, n);
	g.n += n;
	while (n++ % 4)
		g.b[g.n++] = 0;
}

static void text(const char *s)
{
	u32((uint32_t)strlen(s));
	octets(s, strlen(s));
}

/* A length to be filled in: what follows until close_at(). */
static size_t open_len(void)
{
	u32(0);
	return g.n;
}

static void close_at(size_t at)
{
	uint32_t len = htonl((uint32_t)(g.n - at));

	memcpy(g.b + at - 4, &len, 4);
}

static void head5(uint32_t samples, uint32_t sub_agent, uint32_t number, uint32_t uptime)
{
	g.n = 0;
	W(U(5), U(1), U(0x7f000001), U(sub_agent), U(number), U(uptime), U(samples));
}

static size_t flow_sample(uint32_t rate, uint32_t source, uint32_t in, uint32_t out)
{
	size_t at;

	u32(1);
	at = open_len();
	W(U(1), U(source), U(rate), U(1000), U(0), U(in), U(out), U(1));
	return at;
}

/* Ethernet, IPv4 with that total length, UDP 1000 -> 53; 42 octets. */
static const uint8_t *frame(uint16_t ip_len)
{
	static uint8_t f[42] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0x20, 0, 0, 0, 1, 0, 0, 64, 17,
		0, 0, 198, 51, 100, 1, 203, 0, 113, 2, 0x03, 0xe8, 0, 53, 0, 8, 0, 0,
	};

	f[16] = (uint8_t)(ip_len >> 8);
	f[17] = (uint8_t)ip_len;
	return f;
}

static void raw_header(uint32_t frame_len, uint16_t ip_len)
{
	size_t at;

	u32(1);
	at = open_len();
	W(U(1), U(frame_len), U(4), U(42));
	octets(frame(ip_len), 42);
	close_at(at);
}

static void ip4_record(uint32_t len, uint32_t src, uint32_t dst)
{
	W(U(3), U(32), U(len), U(6), U(src), U(dst), U(1000), U(443), U(0x1b), U(8));
}

/* --- the decoder around it --- */

static struct {
	struct names *names;
	struct collector *c;
	struct collect_out out;
	struct block *b;
	struct exporter *x;
	struct if_counters counters;
	unsigned n_counters;
} t;

static struct block *full(void *arg, struct block *b)
{
	(void)arg;
	block_reset(b);
	return b;
}

static void counters(void *arg, const struct if_counters *c)
{
	(void)arg;
	t.counters = *c;
	t.n_counters++;
}

static int begin(void **unused)
{
	static const struct collect_conf conf;
	struct addr a = addr_of4("\xc0\0\2\1");

	(void)unused;
	memset(&t, 0, sizeof(t));
	t.names = names_new(100);
	t.c = collector_new(t.names, &conf);
	t.b = block_new(t.names);
	t.out = (struct collect_out){ .block = t.b, .full = full, .counters = counters };
	t.x = names_exporter(t.names, &a, 0);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	collector_free(&t.c);
	block_unref(&t.b);
	names_free(&t.names);
	return 0;
}

static void feed_at(const void *data, size_t len, int64_t now_ms)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (void *)&ss;

	in->sin_family = AF_INET;
	in->sin_port = htons(50000);
	in->sin_addr.s_addr = htonl(0xc0000201);
	collect_datagram(t.c, &ss, data, len, now_ms, &t.out);
}

/* The datagram in g; rows from 0 on. */
static uint32_t feed(void)
{
	block_reset(t.b);
	feed_at(g.b, g.n, NOW);
	return t.b->n;
}

static uint64_t malformed(void)
{
	uint64_t n = 0;

	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		n += t.x->ledger.malformed[i];
	return n;
}

static void is_addr(const char *want, const struct addr *got)
{
	char s[ADDR_TEXT];

	assert_string_equal(want, addr_text(got, s));
}

/* --- tests --- */

static void an_ipv4_record_is_a_flow(void **unused)
{
	uint64_t bytes = 0;

	(void)unused;
	head5(12, 7, 1, 1000);
	for (uint32_t i = 0; i < 12; i++) {
		size_t at = flow_sample(1, 1, 1, 2);

		ip4_record(60 + i * 100, 0xc6336400 + i, 0xcb007101);
		close_at(at);
		bytes += 60 + i * 100;
	}
	assert_int_equal(feed(), 12);
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(t.b->bytes[i], 60 + i * 100);
		assert_int_equal(t.b->packets[i], 1);
		assert_int_equal(t.b->src[i].b[15], i);
		assert_int_equal(t.b->src_port[i], 1000);
		assert_int_equal(t.b->dst_port[i], 443);
		assert_int_equal(t.b->proto[i], 6);
		assert_int_equal(t.b->tcp_flags[i], 0x1b);
		assert_int_equal(t.b->tos[i], 8);
		assert_int_equal(t.b->in_if[i], 1);
		assert_int_equal(t.b->out_if[i], 2);
		assert_int_equal(t.b->via[i], VIA_SFLOW5);
		assert_int_equal(t.b->domain[i], 7);
		assert_int_equal(t.b->start_ms[i], NOW);
		assert_int_equal(t.b->end_ms[i], NOW);
		assert_int_equal(t.b->sampling[i], 1);
		assert_int_equal(t.b->notes[i], 0);
	}
	assert_int_equal(t.x->ledger.bytes, bytes);
	assert_int_equal(t.x->ledger.packets, 12);
	assert_int_equal(t.x->ledger.flows[VIA_SFLOW5], 12);
	assert_int_equal(t.x->ledger.datagrams[VIA_SFLOW5], 1);
	assert_int_equal(t.x->ledger.sets[SET_DECODED], 12);
}

static void an_ipv6_record_is_a_flow(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	size_t at = flow_sample(100, 1, 1, 2);
	W(U(4), U(56), U(120), U(58));
	octets("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	octets("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	W(U(135), U(0), U(0), U(3));
	close_at(at);
	assert_int_equal(feed(), 1);
	is_addr("2001:db8::1", &t.b->src[0]);
	is_addr("2001:db8::2", &t.b->dst[0]);
	assert_int_equal(t.b->icmp[0], 135 << 8);
	assert_int_equal(t.b->src_port[0], 0);
	assert_int_equal(t.b->bytes[0], 12000);
	assert_int_equal(t.b->packets[0], 100);
}

/* A frame counts layer 3 octets unless the switch contradicts the IP header. */
static void octets_are_layer_3_and_multiplied(void **unused)
{
	static const struct {
		uint32_t rate, frame_len;
		uint16_t ip_len;
		uint64_t bytes, packets;
	} rows[] = {
		{ 1, 1518, 1500, 1500, 1 },
		{ 1000, 1518, 1500, 1500000, 1000 },
		{ 1, 1526, 1500, 1500, 1 },    /* two tags that were taken off */
		{ 1, 64, 28, 28, 1 },          /* padding */
		{ 1, 64, 20, 20, 1 },
		{ 1, 1500, 1500, 1500, 1 },    /* an agent that says layer 3 */
		{ 1, 1518, 28, 1518, 1 },      /* a header that hides traffic */
		{ 1, 150, 40, 150, 1 },
		{ 1, 64, 65535, 64, 1 },
		{ 1, 9018, 0, 9018, 1 },       /* segmentation offload: not told */
		{ 1, 0, 1500, 1500, 1 },
		{ 1, 0xffffffff, 1500, 1500, 1 },
		{ 0, 1518, 1500, 1500, 1 },    /* no rate is one */
		{ 0x80000000, 1518, 1500, 1500, 1 }, /* not believed */
		{ 0xffffffff, 1518, 1500, 1500, 1 },
		{ 65536, 65549, 65535, UINT64_C(65535) * 65536, 65536 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head5(1, 0, (uint32_t)i, 1000);
		size_t at = flow_sample(rows[i].rate, 1, 1, 2);
		raw_header(rows[i].frame_len, rows[i].ip_len);
		close_at(at);
		assert_int_equal(feed(), 1);
		if (t.b->bytes[0] != rows[i].bytes)
			fail_msg("row %zu: %llu octets, not %llu", i,
				 (unsigned long long)t.b->bytes[0],
				 (unsigned long long)rows[i].bytes);
		assert_int_equal(t.b->packets[0], rows[i].packets);
		assert_int_equal(t.b->src_port[0], 1000);
		assert_int_equal(t.b->dst_port[0], 53);
		assert_int_equal(t.b->src_mac[0], 0x020000000001);
	}
}

static void a_frame_without_ip_counts_its_length(void **unused)
{
	(void)unused;
	head5(2, 0, 1, 1000);
	size_t at = flow_sample(10, 1, 1, 2), rec;
	u32(1);
	rec = open_len();
	W(U(1), U(64), U(4), U(18));
	octets("\2\0\0\0\0\2\2\0\0\0\0\1\x08\6\0\1\x08\0", 18); /* ARP */
	close_at(rec);
	close_at(at);
	at = flow_sample(10, 1, 1, 2);
	W(U(2), U(24), U(100), U(0x02000000), U(0x00010000), U(0x02000000), U(0x00020000), U(0x806));
	close_at(at);
	assert_int_equal(feed(), 2);
	assert_int_equal(t.b->bytes[0], 640);
	assert_int_equal(t.b->dst_mac[0], 0x020000000002);
	assert_int_equal(t.b->bytes[1], 1000);
	assert_int_equal(t.b->src_mac[1], 0x020000000001);
	assert_int_equal(t.b->dst_mac[1], 0x020000000002);
	assert_true(addr_is_none(&t.b->src[1]));
}

static void a_raw_header_wins_over_what_repeats_it(void **unused)
{
	(void)unused;
	for (int order = 0; order < 2; order++) {
		head5(1, 0, 1, 1000);
		size_t at = flow_sample(1, 1, 1, 2);
		if (order)
			ip4_record(999, 1, 2);
		raw_header(1518, 1500);
		if (!order)
			ip4_record(999, 1, 2);
		W(U(2), U(24), U(1518), U(0x02000000), U(0x00010000), U(0x02000000),
		  U(0x00020000), U(0x800));
		close_at(at);
		assert_int_equal(feed(), 1);
		is_addr("198.51.100.1", &t.b->src[0]);
		assert_int_equal(t.b->bytes[0], 1500);
	}
}

static void expanded_samples_tell_the_same(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	u32(3);
	size_t at = open_len();
	W(U(1), U(0), U(0x01000005), U(10), U(1000), U(0), U(0), U(0x01000005), U(0),
	  U(0x01000006), U(1));
	raw_header(1518, 1500);
	close_at(at);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.b->in_if[0], 0x01000005);
	assert_int_equal(t.b->out_if[0], 0x01000006);
	assert_int_equal(t.b->bytes[0], 15000);
	assert_int_equal(t.b->direction[0], DIR_INGRESS);
}

static void interfaces_that_are_none(void **unused)
{
	static const struct {
		uint32_t in, out, in_if, out_if, reason;
	} rows[] = {
		{ 3, 0x3fffffff, 3, 0, 0 },        /* to the switch itself */
		{ 0x3fffffff, 3, 0, 3, 0 },
		{ 3, 0x80000005, 3, 0, 0 },        /* to five ports */
		{ 3, 0x40000102, 3, 0, 0x103 },    /* discarded by an access list */
		{ 3, 0, 3, 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head5(1, 0, (uint32_t)i, 1000);
		size_t at = flow_sample(1, 9, rows[i].in, rows[i].out);
		raw_header(1518, 1500);
		close_at(at);
		assert_int_equal(feed(), 1);
		assert_int_equal(t.b->in_if[0], rows[i].in_if);
		assert_int_equal(t.b->out_if[0], rows[i].out_if);
		assert_int_equal(t.b->reason[0], rows[i].reason);
		assert_int_equal(t.b->packets[0], 1);
	}
}

/* A second look at a packet is egress; the only look at it is not. */
static void direction_is_told_only_where_packets_are_seen_twice(void **unused)
{
	static const struct {
		uint32_t source, in, out;
		enum direction dir;
	} rows[] = {
		{ 2, 1, 2, DIR_UNTOLD },  /* nothing says that 1 is sampled */
		{ 1, 1, 2, DIR_INGRESS },
		{ 2, 1, 2, DIR_EGRESS },  /* now it is */
		{ 2, 3, 2, DIR_UNTOLD },  /* 3 is not */
		{ 9, 1, 2, DIR_UNTOLD },
		{ 2, 2, 2, DIR_INGRESS },
		{ 0x02000001, 1, 2, DIR_UNTOLD }, /* a VLAN as source */
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head5(1, 0, (uint32_t)i, 1000);
		size_t at = flow_sample(1, rows[i].source, rows[i].in, rows[i].out);
		raw_header(1518, 1500);
		close_at(at);
		assert_int_equal(feed(), 1);
		assert_int_equal(t.b->direction[0], rows[i].dir);
	}
}

static void what_the_switch_knew_is_kept(void **unused)
{
	size_t at, rec;

	(void)unused;
	head5(1, 0, 1, 1000);
	at = flow_sample(1, 1, 1, 2);
	W(U(1001), U(16), U(514), U(0), U(515), U(0));
	W(U(1002), U(16), U(1), U(0x0a000001), U(24), U(16));
	u32(1003);
	rec = open_len();
	W(U(1), U(0x0a000002), U(64500), U(64501), U(64502), U(2), /* segments */
	  U(2), U(2), U(64503), U(4200000000), U(1), U(2), U(64505), U(64506),
	  U(1), U(0xfde80001), U(100));
	close_at(rec);
	u32(1004);
	rec = open_len();
	u32(106);
	text("alice");
	u32(106);
	text("bob");
	close_at(rec);
	u32(1005);
	rec = open_len();
	u32(1);
	text("/track06.mp3");
	text("cdn.example.net");
	close_at(rec);
	W(U(1006), U(28), U(1), U(0x0a000003), U(2), U(101 << 12 | 0x40), U(102 << 12 | 0x140),
	  U(1), U(103 << 12));
	W(U(1007), U(16), U(1), U(0xcb007109), U(1), U(0xcb00710a));
	W(U(1020), U(8), U(40000), U(443));
	W(U(4413 << 12 | 1), U(4), U(0xffffffff)); /* somebody's own */
	raw_header(1518, 1500);
	close_at(at);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.x->ledger.sets[SET_DECODED], 1);
	assert_int_equal(t.b->vlan[0], 514);
	assert_int_equal(t.b->out_vlan[0], 515);
	is_addr("10.0.0.1", &t.b->next_hop[0]);
	assert_int_equal(t.b->src_mask[0], 24);
	assert_int_equal(t.b->dst_mask[0], 16);
	is_addr("10.0.0.2", &t.b->bgp_next_hop[0]);
	assert_int_equal(t.b->src_as[0], 64501);
	assert_int_equal(t.b->dst_as[0], 64506);
	assert_string_equal(block_text_at(t.b, t.b->as_path[0]),
			    "64503 4200000000 {64505 64506}");
	assert_string_equal(block_text_at(t.b, t.b->user[0]), "alice");
	assert_string_equal(block_text_at(t.b, t.b->url[0]), "cdn.example.net/track06.mp3");
	assert_int_equal(t.b->mpls1[0], 101);
	assert_int_equal(t.b->mpls2[0], 102);
	is_addr("203.0.113.9", &t.b->nat_src[0]);
	is_addr("203.0.113.10", &t.b->nat_dst[0]);
	assert_int_equal(t.b->nat_src_port[0], 40000);
	assert_int_equal(t.b->nat_dst_port[0], 443);
	assert_int_equal(t.b->bytes[0], 1500);
}

static void a_local_destination_has_the_routers_own_as(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	size_t at = flow_sample(1, 1, 1, 2);
	W(U(1003), U(32), U(1), U(0x0a000002), U(64500), U(0), U(0), U(0), U(0), U(100));
	raw_header(1518, 1500);
	close_at(at);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.b->src_as[0], 64500);
	assert_int_equal(t.b->dst_as[0], 64500);
	assert_int_equal(t.b->as_path[0], 0);
}

static void a_tag_taken_off_is_the_vlan(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	size_t at = flow_sample(1, 1, 1, 2);
	raw_header(1518, 1500);
	W(U(1012), U(12), U(2), U(0x88a80064), U(0x81000065));
	close_at(at);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.b->vlan[0], 100);
}

static void a_tunnel_record_tells_the_packet_where_nothing_else_does(void **unused)
{
	(void)unused;
	for (int kind = 0; kind < 3; kind++) { /* alone, after, and before the packet */
		head5(1, 0, 1, 1000);
		size_t at = flow_sample(1, 1, 1, 2);
		if (kind == 1)
			ip4_record(100, 0x0a000001, 0x0a000002);
		W(U(1024), U(32), U(999), U(47), U(0xc0000201), U(0xc0000202), U(0), U(0), U(0),
		  U(0));
		if (kind == 2)
			raw_header(1518, 1500);
		close_at(at);
		assert_int_equal(feed(), 1);
		is_addr(kind == 0 ? "192.0.2.1" : kind == 1 ? "10.0.0.1" : "198.51.100.1",
			&t.b->src[0]);
		assert_int_equal(t.b->bytes[0], kind == 0 ? 999 : kind == 1 ? 100 : 1500);
	}
}

static void a_discarded_packet_is_an_event_without_octets(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	u32(5);
	size_t at = open_len();
	W(U(1), U(0), U(3), U(7), U(3), U(4), U(258), U(2));
	raw_header(1518, 1500);
	W(U(1036), U(4), U(42)); /* queue */
	close_at(at);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.b->reason[0], 259);
	assert_int_equal(t.b->in_if[0], 3);
	assert_int_equal(t.b->out_if[0], 4);
	assert_int_equal(t.b->bytes[0], 0);
	assert_int_equal(t.b->packets[0], 0);
	is_addr("198.51.100.1", &t.b->src[0]);
}

static void if_record(uint32_t index, uint64_t speed, uint64_t in, uint64_t out)
{
	W(U(1), U(88), U(index), U(6), U(speed >> 32), U(speed & 0xffffffff), U(1), U(3),
	  U(in >> 32), U(in & 0xffffffff), U(100), U(10), U(1), U(2), U(3), U(0),
	  U(out >> 32), U(out & 0xffffffff), U(200), U(0xffffffff), U(0xffffffff), U(4),
	  U(0xffffffff), U(2));
}

static void counter_samples_tell_speed_name_and_totals(void **unused)
{
	struct interface i;

	(void)unused;
	for (int expanded = 0; expanded < 2; expanded++) {
		t.n_counters = 0;
		head5(1, 0, 1, 1000);
		u32(expanded ? 4 : 2);
		size_t at = open_len();
		u32(1);
		if (expanded)
			u32(0);
		W(U(12), U(3));
		if_record(12, UINT64_C(10000000000), UINT64_C(327115139476491), 7);
		W(U(2), U(4), U(0)); /* another record */
		u32(1005);
		size_t rec = open_len();
		text("xe-0/0/12");
		close_at(rec);
		close_at(at);
		assert_int_equal(feed(), 0);
		assert_int_equal(t.n_counters, 1);
		assert_int_equal(t.counters.exporter, t.x->id);
		assert_int_equal(t.counters.index, 12);
		assert_int_equal(t.counters.at_ms, NOW);
		assert_int_equal(t.counters.in_octets, 327115139476491);
		assert_int_equal(t.counters.out_octets, 7);
		assert_int_equal(t.counters.in_packets, 111);
		assert_int_equal(t.counters.out_packets, 200);
		assert_int_equal(t.counters.in_discards, 2);
		assert_int_equal(t.counters.out_discards, 4);
		assert_int_equal(t.counters.out_errors, UINT64_MAX);
		names_interface(t.names, t.x->id, 12, &i);
		assert_string_equal(i.name, "xe-0/0/12");
		assert_int_equal(i.speed_bps, 10000000000);
	}
	assert_int_equal(t.x->ledger.sets[SET_DECODED], 2);
}

static void lost_datagrams_are_counted_for_each_sub_agent(void **unused)
{
	static const struct { uint32_t sub, number; } rows[] = {
		{ 0, 10 }, { 1, 500 }, { 0, 11 }, { 0, 14 }, { 1, 501 }, { 0, 13 }, { 1, 504 },
		{ 0, 15 }, { 1, 505 },
	};
	int64_t at = NOW;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head5(0, rows[i].sub, rows[i].number, 1000 + (uint32_t)i);
		feed_at(g.b, g.n, at += 10);
	}
	collector_tick(t.c, at + 60000);
	/* 12 of the first; 502 and 503 of the second; 13 only came late */
	assert_int_equal(t.x->ledger.lost[LOST_DATAGRAMS], 3);
	assert_int_equal(malformed(), 0);
}

static void a_restarted_agent_has_lost_nothing(void **unused)
{
	static const struct { uint32_t number, uptime; } rows[] = {
		{ 70000, 90000000 }, { 70001, 90000100 }, { 1, 500 }, { 2, 600 },
		{ 4000000000, 700 }, { 4000000001, 800 },
	};
	int64_t at = NOW;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head5(0, 0, rows[i].number, rows[i].uptime);
		feed_at(g.b, g.n, at += 10);
	}
	collector_tick(t.c, at + 60000);
	assert_int_equal(t.x->ledger.lost[LOST_DATAGRAMS], 0);
}

/* --- what is wrong --- */

static void bad_datagrams_are_refused_by_name(void **unused)
{
	static const struct {
		uint32_t word[8];
		size_t len;
		enum bad_reason why;
	} rows[] = {
		{ { 5, 1, 1, 0, 1, 1, 1 }, 27, BAD_TOO_SHORT },
		{ { 5, 1, 1, 0, 1, 1, 1 }, 8, BAD_TOO_SHORT },
		{ { 5, 1 }, 4, BAD_TOO_SHORT },
		{ { 5, 2, 1, 0, 1, 1, 1, 1 }, 32, BAD_TOO_SHORT },
		{ { 5, 0, 1, 0, 1, 1, 1 }, 28, BAD_AGENT },
		{ { 5, 3, 1, 0, 1, 1, 1 }, 28, BAD_AGENT },
		{ { 5, 25972, 1, 0, 1, 1, 1 }, 28, BAD_AGENT },
		{ { 5, 1, 1, 0, 1, 1, 1 }, 28, BAD_COUNT },
		{ { 5, 1, 1, 0, 1, 1, 1, 1 }, 32, BAD_COUNT },
		{ { 4, 1, 1, 1, 1, 1, 9 }, 28, BAD_LENGTH },
		{ { 4, 7, 1, 1, 1, 1, 9 }, 28, BAD_AGENT },
		{ { 2, 1, 1, 1, 1, 1 }, 24, BAD_COUNT },
		{ { 6, 1, 1, 1, 1, 1 }, 24, BAD_VERSION },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t before = t.x->ledger.malformed[rows[i].why];

		g.n = 0;
		for (int k = 0; k < 8; k++)
			u32(rows[i].word[k]);
		g.n = rows[i].len;
		assert_int_equal(feed(), 0);
		if (t.x->ledger.malformed[rows[i].why] != before + 1)
			fail_msg("row %zu: another reason", i);
	}
	assert_int_equal(malformed(), ARRAY_LEN(rows));
	assert_int_equal(t.x->ledger.sets_seen, 0);
}

/* Where the lie stands in a datagram of two samples with a raw header each, and what
 * is left of it. */
static void lying_lengths_cost_their_own_sample_only(void **unused)
{
	static const struct {
		const char *what;
		size_t at;
		uint32_t value;
		unsigned rows;
		bool bad;
	} lies[] = {
		{ "nothing", 28, 1, 2, false },
		{ "a count of one sample", 24, 1, 2, false },
		{ "a count of 4 billion samples", 24, UINT32_MAX, 2, false },
		{ "a count of no records", 64, 0, 2, false },
		{ "a count of 4 billion records", 64, UINT32_MAX, 2, false },
		{ "a sample past the end", 32, 5000, 1, true },
		{ "a sample of 2^32 - 1", 32, UINT32_MAX, 1, true },
		{ "a record past its sample", 72, 4000, 1, true },
		{ "a record of 2^32 - 4", 72, 0xfffffffc, 1, true },
		{ "a record of 15 octets", 72, 15, 1, true },
		{ "a header past its record", 88, 200, 2, false },
		{ "a header of 2^32 - 1", 88, UINT32_MAX, 2, false },
		{ "a header of 13 octets", 88, 13, 2, false },
		{ "an unknown header protocol", 76, 99, 2, false },
		{ "sample format 0", 28, 0, 1, true },
		{ "somebody's own sample", 28, 4413 << 12 | 1, 1, false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		uint64_t bad = t.x->ledger.sets[SET_MALFORMED];
		uint32_t v = htonl(lies[i].value);

		head5(2, 0, (uint32_t)i, 1000);
		for (int k = 0; k < 2; k++) {
			size_t at = flow_sample(1, 1, 1, 2);

			raw_header(1518, 1500);
			close_at(at);
		}
		memcpy(g.b + lies[i].at, &v, 4);
		if (feed() != lies[i].rows)
			fail_msg("%s: %u rows", lies[i].what, t.b->n);
		if ((t.x->ledger.sets[SET_MALFORMED] > bad) != lies[i].bad)
			fail_msg("%s: malformed or not", lies[i].what);
		assert_int_equal(malformed(), 0);
	}
}

static void a_packet_told_before_the_damage_is_kept(void **unused)
{
	static const uint32_t counts[] = { 0x40000000, 0x40000001, UINT32_MAX, 5 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		for (uint32_t format = 0; format < 5; format++) {
			head5(1, 0, 1, 1000);
			size_t at = flow_sample(1, 1, 1, 2), rec;
			raw_header(1518, 1500);
			u32((const uint32_t[]){ 1003, 1004, 1005, 1006, 1012 }[format]);
			rec = open_len();
			if (format == 0)
				W(U(1), U(1), U(1), U(1), U(1), U(1), U(2));
			if (format == 1 || format == 2)
				u32(1);
			if (format == 3)
				W(U(1), U(1));
			W(U(counts[i]), U(0));
			close_at(rec);
			close_at(at);
			assert_int_equal(feed(), 1);
			assert_int_equal(t.b->bytes[0], 1500);
			assert_int_equal(t.x->ledger.sets[SET_MALFORMED], i * 5 + format + 1);
		}
	}
}

static void padding_after_a_sample_is_no_fault(void **unused)
{
	(void)unused;
	head5(1, 0, 1, 1000);
	size_t at = flow_sample(1, 1, 1, 2);
	raw_header(1518, 1500);
	u32(0); /* inside the sample */
	close_at(at);
	for (int i = 0; i < 80; i++)
		u32(0); /* and behind the last */
	assert_int_equal(feed(), 1);
	assert_int_equal(t.x->ledger.sets_seen, 1);
	assert_int_equal(t.x->ledger.sets[SET_MALFORMED], 0);
}

static void thousands_of_empty_samples_make_no_row(void **unused)
{
	(void)unused;
	head5(8000, 0, 1, 1000);
	for (int i = 0; i < 8000; i++)
		W(U(1), U(0));
	assert_int_equal(feed(), 0);
	assert_int_equal(t.x->ledger.sets[SET_MALFORMED], 8000);
}

/* --- versions 4 and 2 --- */

static void head4(uint32_t version, uint32_t samples)
{
	g.n = 0;
	W(U(version), U(1), U(0x7f000001), U(1), U(1000), U(samples));
}

static void sample4(uint32_t extended)
{
	W(U(1), U(1), U(1), U(10), U(1000), U(0), U(1), U(2), U(1), U(1), U(1518), U(42));
	octets(frame(1500), 42);
	u32(extended);
}

static void version_4_and_2(void **unused)
{
	(void)unused;
	for (uint32_t version = 2; version <= 4; version += 2) {
		t.n_counters = 0;
		head4(version, 5);
		sample4(5);
		W(U(1), U(514), U(0), U(515), U(0));
		W(U(2), U(1), U(0x0a000001), U(24), U(16));
		W(U(3), U(64500), U(64501), U(64502));
		if (version == 4)
			W(U(1), U(2), U(2), U(64503), U(64504), U(0), U(100));
		else
			W(U(2), U(64503), U(64504));
		u32(4);
		text("alice");
		text("");
		u32(5);
		u32(1);
		text("http://example.net/");
		/* an IPv4 record, an IPv6 record, counters */
		W(U(1), U(2), U(1), U(1), U(1000), U(0), U(1), U(2), U(2), U(60), U(6), U(1), U(2),
		  U(3), U(4), U(5), U(6), U(0));
		W(U(2), U(1), U(7), U(20), U(2)); /* Ethernet */
		size_t at = g.n;
		if_record(7, 1000000000, 1, 2);
		memmove(g.b + at, g.b + at + 8, 88);
		g.n -= 8;
		for (int i = 0; i < 13; i++)
			u32(0);
		W(U(2), U(1), U(7), U(20), U(7)); /* VLAN */
		for (int i = 0; i < 7; i++)
			u32(0);
		sample4(0);
		assert_int_equal(feed(), 3);
		assert_int_equal(t.b->via[0], version == 4 ? VIA_SFLOW4 : VIA_SFLOW2);
		assert_int_equal(t.b->bytes[0], 15000);
		assert_int_equal(t.b->vlan[0], 514);
		assert_int_equal(t.b->dst_as[0], 64504);
		assert_string_equal(block_text_at(t.b, t.b->as_path[0]), "64503 64504");
		assert_string_equal(block_text_at(t.b, t.b->user[0]), "alice");
		assert_string_equal(block_text_at(t.b, t.b->url[0]), "http://example.net/");
		assert_int_equal(t.b->bytes[1], 60);
		assert_int_equal(t.b->dst_port[1], 4);
		assert_int_equal(t.b->bytes[2], 15000);
		assert_int_equal(t.n_counters, 1);
		assert_int_equal(t.counters.index, 7);
		assert_int_equal(t.counters.speed_bps, 1000000000);
	}
	assert_int_equal(t.x->ledger.sets[SET_DECODED], 10);
	assert_int_equal(malformed(), 0);
}

static void in_version_4_damage_ends_the_datagram(void **unused)
{
	(void)unused;
	head4(4, 3);
	sample4(0);
	sample4(1);
	u32(99); /* no such extended data */
	sample4(0);
	assert_int_equal(feed(), 1);
	assert_int_equal(t.x->ledger.sets[SET_DECODED], 1);
	assert_int_equal(t.x->ledger.sets[SET_MALFORMED], 1);
}

/* --- anything --- */

static void books_are_right(uint64_t fed)
{
	const struct ledger *l = &t.x->ledger;
	uint64_t received = 0;

	for (int i = 0; i < VIA_COUNT; i++)
		received += l->datagrams[i];
	assert_int_equal(received, fed);
	assert_true(malformed() <= fed);
	assert_int_equal(l->sets_seen, l->sets[SET_DECODED] + l->sets[SET_MALFORMED]);
}

static void make_rich(int kind)
{
	if (kind == 0) {
		head5(3, 0, 1, 1000);
		size_t at = flow_sample(1, 1, 1, 2), rec;
		raw_header(1518, 1500);
		W(U(1001), U(16), U(514), U(0), U(515), U(0));
		W(U(1002), U(16), U(1), U(0x0a000001), U(24), U(16));
		u32(1003);
		rec = open_len();
		W(U(1), U(0x0a000002), U(64500), U(64501), U(64502), U(1), U(2), U(2), U(64503),
		  U(64504), U(1), U(1), U(100));
		close_at(rec);
		u32(1004);
		rec = open_len();
		u32(106);
		text("alice");
		u32(106);
		text("bob");
		close_at(rec);
		W(U(1012), U(8), U(1), U(0x81000065));
		close_at(at);
		u32(2);
		at = open_len();
		W(U(1), U(12), U(1));
		if_record(12, 1000, 1, 2);
		close_at(at);
		u32(5);
		at = open_len();
		W(U(1), U(0), U(3), U(7), U(3), U(4), U(258), U(1));
		raw_header(1518, 1500);
		close_at(at);
	} else {
		head4(kind == 1 ? 4 : 2, 2);
		sample4(2);
		W(U(1), U(514), U(0), U(515), U(0));
		W(U(2), U(1), U(0x0a000001), U(24), U(16));
		sample4(0);
	}
}

static void a_datagram_cut_anywhere_is_safe(void **unused)
{
	uint64_t fed = 0;

	(void)unused;
	for (int kind = 0; kind < 3; kind++) {
		make_rich(kind);
		for (size_t cut = 0; cut <= g.n; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);

			memcpy(exact, g.b, cut);
			block_reset(t.b);
			feed_at(cut ? exact : exact + 1, cut, NOW);
			fed++;
			free(exact);
		}
	}
	books_are_right(fed);
}

static void mutants_do_no_harm(void **unused)
{
	static const uint32_t odd[] = { 0, 1, 3, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000,
					0xfffffffc, 0xffffffff };
	uint64_t seed = 88172645463325252u, fed = 0;

	(void)unused;
	for (int i = 0; i < 30000; i++) {
		uint8_t *exact;

		make_rich(i % 3);
		for (int k = 0; k < 1 + i % 4; k++) {
			uint32_t v;

			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			v = htonl(odd[seed >> 8 & 7]);
			if (seed & 1)
				memcpy(g.b + 4 + (seed >> 16) % (g.n / 4 - 1) * 4, &v, 4);
			else
				g.b[4 + (seed >> 16) % (g.n - 4)] ^= 1 << (seed >> 60 & 7);
		}
		exact = xmemdup(g.b, g.n);
		block_reset(t.b);
		feed_at(exact, g.n, NOW);
		fed++;
		free(exact);
	}
	books_are_right(fed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_ipv4_record_is_a_flow),
		TEST(an_ipv6_record_is_a_flow),
		TEST(octets_are_layer_3_and_multiplied),
		TEST(a_frame_without_ip_counts_its_length),
		TEST(a_raw_header_wins_over_what_repeats_it),
		TEST(expanded_samples_tell_the_same),
		TEST(interfaces_that_are_none),
		TEST(direction_is_told_only_where_packets_are_seen_twice),
		TEST(what_the_switch_knew_is_kept),
		TEST(a_local_destination_has_the_routers_own_as),
		TEST(a_tag_taken_off_is_the_vlan),
		TEST(a_tunnel_record_tells_the_packet_where_nothing_else_does),
		TEST(a_discarded_packet_is_an_event_without_octets),
		TEST(counter_samples_tell_speed_name_and_totals),
		TEST(lost_datagrams_are_counted_for_each_sub_agent),
		TEST(a_restarted_agent_has_lost_nothing),
		TEST(bad_datagrams_are_refused_by_name),
		TEST(lying_lengths_cost_their_own_sample_only),
		TEST(a_packet_told_before_the_damage_is_kept),
		TEST(padding_after_a_sample_is_no_fault),
		TEST(thousands_of_empty_samples_make_no_row),
		TEST(version_4_and_2),
		TEST(in_version_4_damage_ends_the_datagram),
		TEST(a_datagram_cut_anywhere_is_safe),
		TEST(mutants_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
