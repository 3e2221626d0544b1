/* test_pcap.c - captures of every kind, whole, cut and broken.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/collect/pcap.h"

#include "daemon/base/mem.h"
#include "daemon/collect/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file being written; the integers in the byte order of the test. */
struct out {
	uint8_t b[300000];
	size_t n;
	bool little;
};

static void raw(struct out *o, const void *p, size_t n)
{
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static void num(struct out *o, uint64_t v, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		o->b[o->n++] = (uint8_t)(v >> 8 * (o->little ? i : octets - 1 - i));
}

static void be(struct out *o, uint64_t v, size_t octets)
{
	bool little = o->little;

	o->little = false;
	num(o, v, octets);
	o->little = little;
}

static char path[] = "/tmp/culprit-test-pcap-XXXXXX";

static struct pcap *opened(const struct out *o, struct err *err)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fwrite(o->b, 1, o->n, f);
	fclose(f);
	return pcap_open(path, err);
}

/* Packets: IPv4 or IPv6, UDP 2000 -> 2055, with n octets counting from `first`. */
static void ip4(struct out *o, unsigned id, unsigned offset, bool more, size_t n)
{
	be(o, 0x4500, 2);
	be(o, 20 + n, 2);
	be(o, id, 2);
	be(o, offset / 8 | (more ? 0x2000 : 0), 2);
	be(o, 0x4011, 2);
	be(o, 0, 2);
	raw(o, "\xc0\0\2\1\xc0\0\2\2", 8);
}

static void udp(struct out *o, size_t n)
{
	be(o, 2000, 2);
	be(o, 2055, 2);
	be(o, 8 + n, 2);
	be(o, 0, 2);
}

static void octets(struct out *o, unsigned first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		o->b[o->n++] = (uint8_t)(first + i);
}

static void ip6(struct out *o, unsigned next, size_t n)
{
	be(o, 0x60000000, 4);
	be(o, n, 2);
	be(o, next << 8 | 64, 2);
	for (int i = 0; i < 2; i++) {
		raw(o, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0", 15);
		be(o, (uint64_t)i + 1, 1);
	}
}

static void ethernet(struct out *o, unsigned type)
{
	octets(o, 1, 12);
	be(o, type, 2);
}

static void pcap_head(struct out *o, uint32_t magic, uint32_t link)
{
	o->n = 0;
	num(o, magic, 4);
	num(o, 2, 2);
	num(o, 4, 2);
	num(o, 0, 8);
	num(o, 65535, 4);
	num(o, link, 4);
}

/* Puts the packet in `p` as a record of a pcap file. */
static void pcap_record(struct out *o, uint32_t s, uint32_t part, const struct out *p)
{
	num(o, s, 4);
	num(o, part, 4);
	num(o, p->n, 4);
	num(o, p->n, 4);
	raw(o, p->b, p->n);
}

static void is_datagram(struct pcap *c, const struct pcap_packet *k, const char *src,
			unsigned first, size_t n)
{
	struct pcap_datagram d;
	char text[ADDR_TEXT];

	assert_true(pcap_udp(c, k, &d));
	assert_string_equal(addr_text(&d.src, text), src);
	assert_int_equal(d.src_port, 2000);
	assert_int_equal(d.dst_port, 2055);
	assert_int_equal(d.len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(d.data[i], (uint8_t)(first + i));
}

static struct out o, p;

static void pcap_in_both_byte_orders_and_resolutions(void **unused)
{
	static const struct { uint32_t magic, part; } kinds[] = { { 0xa1b2c3d4, 123456 },
								  { 0xa1b23c4d, 123456789 } };
	struct pcap_packet k;
	struct err err;

	(void)unused;
	for (unsigned i = 0; i < 4; i++) {
		o.little = i & 1;
		pcap_head(&o, kinds[i / 2].magic, 1);
		for (unsigned n = 0; n < 3; n++) {
			p.n = 0;
			ethernet(&p, 0x0800);
			ip4(&p, 1, 0, false, 8 + 30 * n);
			udp(&p, 30 * n);
			octets(&p, n, 30 * n);
			octets(&p, 0, 7); /* padding */
			pcap_record(&o, 1700000000 + n, kinds[i / 2].part, &p);
		}
		struct pcap *c = opened(&o, &err);
		assert_int_equal(pcap_kind(c), PCAP_PCAP);
		assert_int_equal(pcap_size(c), o.n);
		for (unsigned n = 0; n < 3; n++) {
			assert_true(pcap_next(c, &k, &err));
			assert_int_equal(k.at_ms, 1700000000123 + 1000 * n);
			is_datagram(c, &k, "192.0.2.1", n, 30 * n);
		}
		assert_int_equal(pcap_at(c), o.n);
		assert_false(pcap_next(c, &k, &err));
		assert_string_equal(err.msg, "");
		pcap_close(&c);
	}
}

/* Each link layer: what stands before the IP header, in hexadecimal. */
static void every_link_layer_leads_to_the_datagram(void **unused)
{
	static const struct {
		uint32_t link;
		const char *head;
		size_t n;
		unsigned frame;
		bool v6;
	} rows[] = {
		{ 1, "123456abcdef\x08\0", 14, FRAME_ETHERNET, false },
		{ 1, "123456abcdef\x86\xdd", 14, FRAME_ETHERNET, true },
		{ 1, "123456abcdef\x81\0\0\7\x08\0", 18, FRAME_ETHERNET, false },
		{ 1, "123456abcdef\x88\xa8\0\7\x81\0\0\x08\x08\0", 22, FRAME_ETHERNET, false },
		{ 0, "\2\0\0\0", 4, FRAME_IPV4, false },
		{ 108, "\0\0\0\x1c", 4, FRAME_IPV4, true },
		{ 9, "\xff\3\0\x21", 4, FRAME_PPP, false },
		{ 50, "\0\x57", 2, FRAME_PPP, true },
		{ 12, "", 0, FRAME_IPV4, false },
		{ 14, "", 0, FRAME_IPV4, true },
		{ 101, "", 0, FRAME_IPV4, true },
		{ 228, "", 0, FRAME_IPV4, false },
		{ 229, "", 0, FRAME_IPV4, true },
		{ 113, "\0\0\0\1\0\6" "abcdef\0\0\x08\0", 16, FRAME_IPV4, false },
		{ 113, "\0\0\0\1\0\6" "abcdef\0\0\x81\0\0\5\x86\xdd", 20, FRAME_IPV4, true },
		{ 276, "\x08\0\0\0\0\0\0\1\0\1\0\6" "abcdef\0\0", 20, FRAME_IPV4, false },
	};
	struct pcap_packet k;
	struct err err;

	(void)unused;
	o.little = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint8_t *data;
		unsigned proto;
		size_t len;

		p.n = 0;
		raw(&p, rows[i].head, rows[i].n);
		if (rows[i].v6)
			ip6(&p, 17, 13);
		else
			ip4(&p, 1, 0, false, 13);
		udp(&p, 5);
		octets(&p, 9, 5);
		pcap_head(&o, 0xa1b2c3d4, rows[i].link);
		pcap_record(&o, 1, 0, &p);
		struct pcap *c = opened(&o, &err);
		assert_true(pcap_next(c, &k, &err));
		is_datagram(c, &k, rows[i].v6 ? "2001:db8::1" : "192.0.2.1", 9, 5);
		assert_true(pcap_frame(&k, &proto, &data, &len));
		assert_int_equal(proto, rows[i].frame);
		/* Cut anywhere it is no datagram, or a shorter one, and nothing worse. */
		for (size_t cut = 0; cut < p.n; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);
			struct pcap_packet part = k;
			struct pcap_datagram d;

			memcpy(exact, k.data, cut);
			part.data = cut ? exact : exact + 1;
			part.len = cut;
			if (pcap_udp(c, &part, &d))
				assert_true(d.len < 5);
			free(exact);
		}
		pcap_close(&c);
	}
}

static void what_is_no_udp_is_no_datagram(void **unused)
{
	struct pcap_packet k;
	struct pcap_datagram d;
	struct err err;

	(void)unused;
	o.little = true;
	p.n = 0;
	ethernet(&p, 0x0806);
	octets(&p, 0, 28);
	pcap_head(&o, 0xa1b2c3d4, 1);
	pcap_record(&o, 1, 0, &p);
	p.n = 0;
	ethernet(&p, 0x0800);
	ip4(&p, 1, 0, false, 8);
	p.b[23] = 6;
	udp(&p, 0);
	pcap_record(&o, 1, 0, &p);
	struct pcap *c = opened(&o, &err);
	for (int i = 0; i < 2; i++) {
		assert_true(pcap_next(c, &k, &err));
		assert_false(pcap_udp(c, &k, &d));
	}
	assert_int_equal(pcap_rest(c)->no_udp, 2);
	k.link = 147; /* somebody's own */
	assert_false(pcap_udp(c, &k, &d));
	k.link = 105; /* 802.11 */
	assert_false(pcap_udp(c, &k, &d));
	assert_int_equal(pcap_rest(c)->unread, 2);
	assert_int_equal(pcap_rest(c)->link, 105);
	pcap_close(&c);
}

/* A packet of 28 + 100 octets, cut at every octet: in a header nothing is given, behind
 * it what is there, and each time it is said. */
static void what_the_snap_length_cut_is_said(void **unused)
{
	struct pcap_packet k = { .link = 101 };
	struct pcap_datagram d;
	struct err err;

	(void)unused;
	pcap_head(&o, 0xa1b2c3d4, 101);
	struct pcap *c = opened(&o, &err);
	p.n = 0;
	ip4(&p, 1, 0, false, 108);
	udp(&p, 100);
	octets(&p, 0, 100);
	k.data = p.b;
	k.wire_len = (uint32_t)p.n;
	for (k.len = 0; k.len < p.n; k.len++) {
		assert_int_equal(pcap_udp(c, &k, &d), k.len >= 28);
		assert_int_equal(pcap_rest(c)->cut, k.len + 1);
		if (k.len >= 28)
			assert_int_equal(d.len, k.len - 28);
	}
	assert_true(pcap_udp(c, &k, &d) && d.len == 100);
	assert_int_equal(pcap_rest(c)->cut, k.len);
	assert_int_equal(pcap_rest(c)->no_udp, 0);
	pcap_close(&c);
}

/* Fragments of 2,000 octets of datagram: in order, reversed, one twice, two datagrams
 * mixed, one piece missing. */
static void fragments_are_put_together(void **unused)
{
	static const struct { unsigned id, at, n; } parts[] = {
		{ 1, 0, 800 }, { 1, 800, 800 }, { 1, 1600, 408 },
		{ 2, 1600, 408 }, { 2, 0, 800 }, { 2, 0, 800 }, { 2, 800, 800 },
		{ 3, 0, 800 }, { 4, 0, 800 }, { 3, 800, 800 }, { 4, 1600, 408 }, { 4, 800, 800 },
		{ 3, 1600, 408 },
		{ 5, 0, 800 }, { 5, 1600, 408 },
	};
	static const bool whole[] = { 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0 };

	(void)unused;
	for (int v6 = 0; v6 < 2; v6++) {
		struct pcap_packet k = { .link = 101 };
		struct pcap *c;
		struct err err;

		pcap_head(&o, 0xa1b2c3d4, 101);
		c = opened(&o, &err);
		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			bool more = parts[i].at + parts[i].n < 2008;
			struct pcap_datagram d;

			p.n = 0;
			if (v6) {
				ip6(&p, 44, 8 + parts[i].n);
				be(&p, 17, 1);
				be(&p, 0, 1);
				be(&p, parts[i].at | more, 2);
				be(&p, parts[i].id, 4);
			} else {
				ip4(&p, parts[i].id, parts[i].at, more, parts[i].n);
			}
			if (!parts[i].at)
				udp(&p, 2000);
			octets(&p, parts[i].at ? parts[i].at - 8 : 0,
			       parts[i].n - (parts[i].at ? 0 : 8));
			k.data = p.b;
			k.len = p.n;
			if (whole[i])
				is_datagram(c, &k, v6 ? "2001:db8::1" : "192.0.2.1", 0, 2000);
			else
				assert_false(pcap_udp(c, &k, &d));
		}
		assert_int_equal(pcap_rest(c)->pieces, 2);
		pcap_close(&c);
	}
}

static void more_fragments_than_slots_push_out_the_oldest(void **unused)
{
	struct pcap_packet k = { .link = 101 };
	struct pcap_datagram d;
	struct err err;
	unsigned whole = 0;

	(void)unused;
	pcap_head(&o, 0xa1b2c3d4, 101);
	struct pcap *c = opened(&o, &err);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned id = 0; id < 20; id++) {
			p.n = 0;
			ip4(&p, id, round * 16, !round, 16);
			if (!round)
				udp(&p, 24);
			octets(&p, 0, round ? 16 : 8);
			k.data = p.b;
			k.len = p.n;
			whole += pcap_udp(c, &k, &d);
		}
	}
	assert_in_range(whole, 0, 16);
	p.n = 0;
	ip4(&p, 1, 65528, false, 100); /* past the end of any datagram */
	octets(&p, 0, 100);
	k.len = p.n;
	assert_false(pcap_udp(c, &k, &d));
	pcap_close(&c);
}

/* --- pcapng --- */

static void block(uint32_t type, const struct out *body)
{
	num(&o, type, 4);
	num(&o, 12 + (body->n + 3) / 4 * 4, 4);
	raw(&o, body->b, body->n);
	while (o.n % 4)
		num(&o, 0, 1);
	num(&o, 12 + (body->n + 3) / 4 * 4, 4);
}

static void section(void)
{
	static struct out b;

	b.n = 0;
	b.little = o.little;
	num(&b, 0x1a2b3c4d, 4);
	num(&b, 1, 2);
	num(&b, 0, 2);
	num(&b, UINT64_MAX, 8);
	block(0x0a0d0d0a, &b);
}

static void interface(unsigned link, int resolution)
{
	static struct out b;

	b.n = 0;
	b.little = o.little;
	num(&b, link, 2);
	num(&b, 0, 2);
	num(&b, 65535, 4);
	num(&b, 2, 2); /* if_name */
	num(&b, 5, 2);
	raw(&b, "eth0\0\0\0\0", 8);
	if (resolution) {
		num(&b, 9, 2);
		num(&b, 1, 2);
		num(&b, (unsigned)resolution, 1);
		num(&b, 0, 3);
	}
	num(&b, 0, 4);
	block(1, &b);
}

static void enhanced(unsigned iface, uint64_t t, const struct out *packet)
{
	static struct out b;

	b.n = 0;
	b.little = o.little;
	num(&b, iface, 4);
	num(&b, t >> 32, 4);
	num(&b, t & 0xffffffff, 4);
	num(&b, packet->n, 4);
	num(&b, packet->n, 4);
	raw(&b, packet->b, packet->n);
	block(6, &b);
}

static void make_ng(bool little)
{
	static struct out b;

	o.n = 0;
	o.little = b.little = little;
	section();
	interface(101, 0);
	interface(1, 9);
	interface(101, 0x8a); /* 1/1024 s */
	p.n = b.n = 0;
	num(&b, 7, 4);
	block(5, &b); /* statistics: passed over */
	ip4(&p, 1, 0, false, 13);
	udp(&p, 5);
	octets(&p, 9, 5);
	enhanced(0, 1700000000123456, &p);
	enhanced(2, 1700000000ull * 1024 + 512, &p);
	b.n = 0;
	num(&b, p.n, 4);
	raw(&b, p.b, p.n);
	block(3, &b); /* simple */
	b.n = 0;
	num(&b, 0, 4);
	num(&b, 1700000000123456 >> 32, 4);
	num(&b, 1700000000123456 & 0xffffffff, 4);
	num(&b, p.n, 4);
	num(&b, p.n, 4);
	raw(&b, p.b, p.n);
	block(2, &b); /* packet, as it was before */
	p.n = 0;
	ethernet(&p, 0x0800);
	ip4(&p, 1, 0, false, 13);
	udp(&p, 5);
	octets(&p, 9, 5);
	enhanced(1, 1700000000123456789, &p);
	o.little = b.little = !little; /* a second section, the other way round */
	section();
	interface(1, 0);
	enhanced(0, 1700000000123456, &p);
}

static void pcapng_with_interfaces_sections_and_resolutions(void **unused)
{
	static const int64_t at[] = { 1700000000123, 1700000000500, 0, 1700000000123,
				      1700000000123, 1700000000123 };
	struct pcap_packet k;
	struct err err;

	(void)unused;
	for (int little = 0; little < 2; little++) {
		make_ng(little);
		struct pcap *c = opened(&o, &err);
		assert_int_equal(pcap_kind(c), PCAP_NG);
		for (size_t i = 0; i < ARRAY_LEN(at); i++) {
			if (!pcap_next(c, &k, &err))
				fail_msg("packet %zu: %s", i, err.msg);
			assert_int_equal(k.at_ms, at[i]);
			is_datagram(c, &k, "192.0.2.1", 9, 5);
		}
		assert_false(pcap_next(c, &k, &err));
		assert_string_equal(err.msg, "");
		pcap_close(&c);
	}
}

/* --- without packets --- */

static void datagrams_after_their_length(void **unused)
{
	static const size_t lens[] = { 5, 0, 65507, 1 };
	struct pcap_packet k;
	struct pcap_datagram d;
	struct err err;
	char text[ADDR_TEXT];

	(void)unused;
	o.n = 0;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		be(&o, lens[i], 4);
		octets(&o, (unsigned)i, lens[i]);
	}
	struct pcap *c = opened(&o, &err);
	assert_int_equal(pcap_kind(c), PCAP_PREFIX);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		assert_true(pcap_next(c, &k, &err));
		assert_true(pcap_udp(c, &k, &d));
		assert_int_equal(d.len, lens[i]);
		assert_int_equal(d.at_ms, 0);
		assert_string_equal(addr_text(&d.src, text), "127.0.0.1");
		if (lens[i])
			assert_int_equal(d.data[0], i);
	}
	assert_false(pcap_next(c, &k, &err));
	assert_string_equal(err.msg, "");
	pcap_close(&c);
}

static void ipfix_messages_in_a_row(void **unused)
{
	struct pcap_packet k;
	struct err err;

	(void)unused;
	o.n = 0;
	for (unsigned i = 0; i < 3; i++) {
		be(&o, 10, 2);
		be(&o, 16 + i * 4, 2);
		be(&o, 1700000000, 4);
		octets(&o, 0, 8 + i * 4);
	}
	struct pcap *c = opened(&o, &err);
	assert_int_equal(pcap_kind(c), PCAP_IPFIX);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(pcap_next(c, &k, &err));
		assert_int_equal(k.len, 16 + i * 4);
		assert_int_equal(k.at_ms, 1700000000000);
		assert_int_equal(k.data[1], 10);
	}
	assert_false(pcap_next(c, &k, &err));
	assert_string_equal(err.msg, "");
	pcap_close(&c);
}

static void a_file_is_one_datagram_as_it_was_on_the_wire(void **unused)
{
	static const struct { uint32_t word[2]; size_t n; bool one; } files[] = {
		{ { 0x00050001, 0 }, 72, true },      { { 0x00090001, 7 }, 20, true },
		{ { 0x00010001, 0 }, 4, true },       { { 0x00080001, 0 }, 65535, true },
		{ { 5, 1 }, 60, true },               { { 4, 2 }, 60, true },
		{ { 5, 1 << 24 }, 9, false },         { { 5, 1 }, 7, false },
		{ { 0x00050001, 0 }, 65536, false },
	};
	struct pcap_packet k;
	struct err err;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		o.n = 0;
		be(&o, files[i].word[0], 4);
		be(&o, files[i].word[1], 4);
		octets(&o, 0, files[i].n > 8 ? files[i].n - 8 : 0);
		o.n = files[i].n;
		struct pcap *c = opened(&o, &err);
		bool one = pcap_next(c, &k, &err) && k.len == files[i].n;

		assert_int_equal(one, files[i].one);
		assert_int_equal(pcap_kind(c) == PCAP_ONE, files[i].one || i == 8);
		if (one)
			assert_true(!memcmp(k.data, o.b, k.len) && k.link < 0 &&
				    !pcap_next(c, &k, &err) && !*err.msg);
		pcap_close(&c);
	}
}

/* --- broken files --- */

static void a_file_cut_anywhere_gives_what_is_whole_and_says_so(void **unused)
{
	struct pcap_packet k;
	struct err err;
	size_t whole;

	(void)unused;
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 0) {
			make_ng(true);
		} else if (kind == 1) {
			p.n = 0;
			octets(&p, 0, 20);
			o.little = true;
			pcap_head(&o, 0xa1b2c3d4, 1);
			for (int i = 0; i < 3; i++)
				pcap_record(&o, 1, 2, &p);
		} else {
			o.n = 0;
			for (int i = 0; i < 3; i++) {
				be(&o, 5, 4);
				octets(&o, 0, 5);
			}
		}
		whole = o.n;
		for (size_t cut = 0; cut < whole; cut++) {
			unsigned n = 0;

			o.n = cut;
			struct pcap *c = opened(&o, &err);
			if (!c) {
				assert_true(cut < 24 && *err.msg);
				continue;
			}
			while (pcap_next(c, &k, &err))
				n++;
			assert_true(n < 6);
			assert_true(pcap_at(c) == cut);
			pcap_close(&c);
		}
	}
}

static void lying_lengths_end_the_file(void **unused)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = { { 4, 0 }, { 4, 13 }, { 4, 0xfffffffc }, { 8, 0x11223344 }, { 32, 8 },
		     { 32, 1 << 20 }, { 0xb0, 77 }, { 0xbc, 9000 }, { 0xbc, 0xffffffff } };
	struct pcap_packet k;
	struct err err;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		make_ng(true);
		o.little = true;
		size_t n = o.n;
		o.n = lies[i].at;
		num(&o, lies[i].value, 4);
		o.n = n;
		struct pcap *c = opened(&o, &err);
		while (pcap_next(c, &k, &err))
			;
		assert_true(*err.msg);
		pcap_close(&c);
	}
	o.little = true;
	pcap_head(&o, 0xa1b2c3d4, 1);
	num(&o, 0, 8);
	num(&o, 0x7fffffff, 8);
	struct pcap *c = opened(&o, &err);
	assert_false(pcap_next(c, &k, &err));
	assert_non_null(strstr(err.msg, "512 KiB"));
	pcap_close(&c);
}

static void what_is_no_capture_is_refused(void **unused)
{
	struct err err;

	(void)unused;
	o.n = 0;
	raw(&o, "GET / HTTP/1.1\r\n", 16);
	assert_null(opened(&o, &err));
	assert_non_null(strstr(err.msg, "no capture"));
	o.n = 3;
	assert_null(opened(&o, &err));
	o.n = 0;
	be(&o, 0x1f8b0800, 4);
	be(&o, 0, 8);
	assert_null(opened(&o, &err));
	assert_non_null(strstr(err.msg, "gzip -dc"));
	assert_null(pcap_open("/", &err));
	assert_non_null(strstr(err.msg, "/: "));
	assert_null(pcap_open("/nonexistent/file", &err));
	assert_non_null(strstr(err.msg, "/nonexistent/file"));
}

static int make_file(void **unused)
{
	(void)unused;
	return close(mkstemp(path));
}

static int remove_file(void **unused)
{
	(void)unused;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(pcap_in_both_byte_orders_and_resolutions),
		cmocka_unit_test(every_link_layer_leads_to_the_datagram),
		cmocka_unit_test(what_is_no_udp_is_no_datagram),
		cmocka_unit_test(what_the_snap_length_cut_is_said),
		cmocka_unit_test(fragments_are_put_together),
		cmocka_unit_test(more_fragments_than_slots_push_out_the_oldest),
		cmocka_unit_test(pcapng_with_interfaces_sections_and_resolutions),
		cmocka_unit_test(datagrams_after_their_length),
		cmocka_unit_test(ipfix_messages_in_a_row),
		cmocka_unit_test(a_file_is_one_datagram_as_it_was_on_the_wire),
		cmocka_unit_test(a_file_cut_anywhere_gives_what_is_whole_and_says_so),
		cmocka_unit_test(lying_lengths_end_the_file),
		cmocka_unit_test(what_is_no_capture_is_refused),
	};
	return cmocka_run_group_tests(t, make_file, remove_file);
}
