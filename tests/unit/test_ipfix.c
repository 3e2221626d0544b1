/* test_ipfix.c - IPFIX: variable length, both ways, totals, times, sections.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

enum { VAR = 65535, REVERSE = 29305 };

static const struct el base[] = {
	{ 8, 4, 0 }, { 12, 4, 0 }, { 7, 2, 0 }, { 11, 2, 0 }, { 4, 1, 0 },
	{ 1, 8, 0 }, { 2, 8, 0 }, { 152, 8, 0 }, { 153, 8, 0 },
};

static void base_record(struct dg *g)
{
	put_ip(g, "198.51.100.30");
	put_ip(g, "203.0.113.30");
	p16(g, 2222);
	p16(g, 443);
	p8(g, 6);
	p64(g, 100);
	p64(g, 1);
	p64(g, NOW_MS - 5000);
	p64(g, NOW_MS - 1000);
}

static void base_data(struct dg *g, uint16_t id, unsigned n)
{
	size_t at = set_begin(g, id);

	while (n--)
		base_record(g);
	set_end(g, at);
}

static void the_message_length_is_held_against_the_datagram(void **state)
{
	static const struct { int length; int bad; uint32_t rows; } t[] = {
		{ 0, BAD_LENGTH, 0 }, { 1, BAD_LENGTH, 0 }, { 15, BAD_LENGTH, 0 },
		{ 65535, BAD_LENGTH, 0 }, { -1, -1, 1 }, { 16, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;

		rig_init(&r);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, base);
		base_data(&g, 256, 1);
		set16(&g, 2, (uint16_t)(t[i].length < 0 ? (int)g.n : t[i].length));
		rig_send(&r, g.b, g.n);
		assert_int_equal(r.out.block->n, t[i].rows);
		if (t[i].bad >= 0)
			assert_int_equal(rig_ledger(&r)->malformed[t[i].bad], 1);
		rig_books(&r);
		rig_fini(&r);
	}
}

static void messages_put_together_are_taken_one_by_one(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, base);
	base_data(&g, 256, 1);
	set16(&g, 2, (uint16_t)g.n);
	memcpy(g.b + g.n, g.b, g.n);
	rig_send(&r, g.b, 2 * g.n);
	assert_int_equal(r.out.block->n, 2);
	assert_int_equal(rig_ledger(&r)->datagrams[VIA_IPFIX], 1);
	rig_books(&r);
	rig_send(&r, g.b, g.n + 3);
	assert_int_equal(rig_ledger(&r)->sets[SET_MALFORMED], 1);
	rig_books(&r);
	rig_fini(&r);
}

static void lost_records_are_counted_options_included(void **state)
{
	static const struct el opts[] = { { 149, 4, 0 }, { 34, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, base);
	at = set_begin(&g, 3);
	p16(&g, 300);
	p16(&g, 2);
	p16(&g, 1);
	put_els(&g, opts, 2);
	set_end(&g, at);
	at = set_begin(&g, 300);
	p32(&g, 7);
	p32(&g, 1);
	set_end(&g, at);
	base_data(&g, 256, 2);
	send10(&r, &g); /* 3 data records */
	head10(&g, 3, 7);
	base_data(&g, 256, 1);
	send10(&r, &g);
	head10(&g, 10, 7); /* 6 are missing */
	base_data(&g, 256, 1);
	send10(&r, &g);
	head10(&g, 11, 7); /* cannot be counted: what follows is not a loss */
	base_data(&g, 999, 1);
	send10(&r, &g);
	head10(&g, 50, 7);
	base_data(&g, 256, 1);
	send10(&r, &g);
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(rig_ledger(&r)->lost[LOST_RECORDS], 6);
	rig_fini(&r);
}

/* As softflowd does it: the number is the one after its message, without options. */
static void a_number_that_counts_its_own_message_is_no_loss(void **state)
{
	static const struct {
		uint32_t number;
		unsigned records;
	} sent[] = { { 3, 3 }, { 5, 2 }, { 9, 4 }, { 9, 0 }, { 13, 4 },
		     { 20, 2 } /* 5 are missing */, { 21, 1 }, { 23, 2 } };
	static const struct el opts[] = { { 149, 4, 0 }, { 34, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (unsigned i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		head10(&g, sent[i].number, 7);
		if (i == 0 || i == 3) {
			TEMPLATE10(&g, 256, base);
			at = set_begin(&g, 3);
			p16(&g, 300);
			p16(&g, 2);
			p16(&g, 1);
			put_els(&g, opts, 2);
			set_end(&g, at);
			at = set_begin(&g, 300);
			p32(&g, 7);
			p32(&g, 1);
			set_end(&g, at);
		}
		if (sent[i].records)
			base_data(&g, 256, sent[i].records);
		send10(&r, &g);
	}
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(rig_ledger(&r)->lost[LOST_RECORDS], 5);
	assert_int_equal(rig_ledger(&r)->restarts, 0);
	rig_fini(&r);
}

static void withdrawals_are_ignored(void **state)
{
	static const uint16_t ids[] = { 2, 256, 777 };
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, base);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		put_template(&g, 2, ids[i], NULL, 0);
	base_data(&g, 256, 1);
	send10(&r, &g);
	assert_int_equal(r.out.block->n, 1);
	rig_fini(&r);
}

/* Template: address, text of variable length. */
static void lengths_inside_a_record_stay_inside_its_set(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 96, VAR, 0 } };
	static const struct {
		const char *octets;
		size_t n;
		uint32_t rows;
		const char *text;
		uint64_t malformed;
	} t[] = {
#define OCTETS(s) s, sizeof(s) - 1
		{ OCTETS("\3abc"), 1, "abc", 0 },
		{ OCTETS("\0"), 1, "", 0 },
		{ OCTETS("\xff\0\3abc"), 1, "abc", 0 },  /* the long form of a short one */
		{ OCTETS("\xff\0\0"), 1, "", 0 },
		{ OCTETS("\5a\0bcd"), 1, "a", 0 },
		{ OCTETS("\0\0\0\0"), 1, "", 0 },        /* padding is no record */
		{ OCTETS("\100abc"), 0, "", 1 },
		{ OCTETS("\xff\xff\xff""abc"), 0, "", 1 },
		{ OCTETS("\xff\0"), 0, "", 1 },
		{ OCTETS("\xff"), 0, "", 1 },
#undef OCTETS
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		put_ip(&g, "192.0.2.1");
		put(&g, t[i].octets, t[i].n);
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->n, t[i].rows);
		assert_int_equal(rig_ledger(&r)->sets[SET_MALFORMED], t[i].malformed);
		if (t[i].rows)
			assert_string_equal(block_text_at(r.out.block,
							  r.out.block->app_name[0]), t[i].text);
		rig_books(&r);
		rig_fini(&r);
	}
}

static void an_element_of_fixed_size_may_come_with_a_length(void **state)
{
	static const struct el els[] = { { 1, VAR, 0 }, { 8, VAR, 0 }, { 12, 4, 0 } };
	static const struct { uint8_t bytes, addr; uint64_t want; bool told; } t[] = {
		{ 8, 4, 0x0101010101010101, true }, { 2, 4, 0x0101, true }, { 0, 4, 0, true },
		{ 9, 4, 0, true }, { 1, 5, 1, false }, { 200, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		p8(&g, t[i].bytes);
		for (int k = 0; k < t[i].bytes; k++)
			p8(&g, 1);
		p8(&g, t[i].addr);
		for (int k = 0; k < t[i].addr; k++)
			p8(&g, 1);
		put_ip(&g, "203.0.113.1");
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->n, 1);
		assert_true(r.out.block->bytes[0] == t[i].want);
		assert_int_equal(addr_is_none(&r.out.block->src[0]), !t[i].told);
		assert_addr(&r.out.block->dst[0], "203.0.113.1");
		rig_fini(&r);
	}
}

static void lists_and_strange_elements_are_passed_over(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 291, VAR, 0 }, { 100, 4, 0xffffffff },
		{ 32767, 4, 0 }, { 292, VAR, 0 }, { 12, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 256);
	for (int i = 0; i < 2; i++) {
		put_ip(&g, "192.0.2.1");
		p8(&g, 5);
		put(&g, "\3\0\10\0\0", 5); /* a basicList of elements of no octets */
		p32(&g, 1);
		p32(&g, 2);
		p8(&g, 3);
		put(&g, "\3\1\0", 3); /* a subTemplateList of itself */
		put_ip(&g, "192.0.2.2");
	}
	set_end(&g, at);
	send10(&r, &g);
	assert_int_equal(r.out.block->n, 2);
	assert_addr(&r.out.block->dst[1], "192.0.2.2");
	rig_fini(&r);
}

static void the_first_of_two_addresses_is_the_outer_one(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 8, 4, 0 }, { 27, 16, 0 }, { 1, 4, 0 } };
	static const struct { const char *a, *b, *c, *want; } t[] = {
		{ "192.0.2.1", "10.0.0.1", "2001:db8::1", "192.0.2.1" },
		{ "0.0.0.0", "10.0.0.1", "2001:db8::1", "10.0.0.1" },
		{ "0.0.0.0", "0.0.0.0", "2001:db8::1", "2001:db8::1" },
		{ "0.0.0.0", "0.0.0.0", "::", "0.0.0.0" },
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 256);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct addr c = ip(t[i].c);

		put_ip(&g, t[i].a);
		put_ip(&g, t[i].b);
		put(&g, c.b, 16);
		p32(&g, 1);
	}
	set_end(&g, at);
	send10(&r, &g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_addr(&r.out.block->src[i], t[i].want);
	rig_fini(&r);
}

/* softflowd -b calls the lower address the initiator, whoever it was. */
static void a_biflow_of_one_way_is_one_flow_that_way(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 12, 4, 0 }, { 7, 2, 0 }, { 11, 2, 0 },
		{ 4, 1, 0 }, { 32, 2, 0 }, { 1, 8, 0 }, { 2, 8, 0 }, { 1, 8, REVERSE },
		{ 2, 8, REVERSE } };
	static const struct {
		uint8_t proto;
		uint16_t icmp;
		uint64_t packets, back;
		uint32_t rows;
		uint16_t got_icmp[2];
	} t[] = {
		{ 17, 0, 3, 0, 1, { 0 } },
		{ 17, 0, 0, 3, 1, { 0 } },
		{ 17, 0, 0, 0, 1, { 0 } },
		{ 1, 8 << 8, 3, 3, 2, { 8 << 8, 0 } },
		{ 1, 0, 3, 3, 2, { 0, 8 << 8 } },
		{ 1, 8 << 8, 0, 3, 1, { 8 << 8 } },
		{ 1, 3 << 8 | 1, 1, 1, 2, { 3 << 8 | 1, 3 << 8 | 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		bool turned = !t[i].packets && t[i].back;
		struct rig r;
		struct dg g;
		const struct block *b;
		size_t at;

		rig_init(&r);
		b = r.out.block;
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		put_ip(&g, "10.0.0.1");
		put_ip(&g, "203.0.113.1");
		p16(&g, 40000);
		p16(&g, 80);
		p8(&g, t[i].proto);
		p16(&g, t[i].icmp);
		p64(&g, 100 * t[i].packets);
		p64(&g, t[i].packets);
		p64(&g, 100 * t[i].back);
		p64(&g, t[i].back);
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(b->n, t[i].rows);
		assert_addr(&b->src[0], turned ? "203.0.113.1" : "10.0.0.1");
		assert_int_equal(b->packets[0], turned ? t[i].back : t[i].packets);
		for (uint32_t row = 0; row < b->n && t[i].proto == 1; row++)
			assert_int_equal(b->icmp[row], t[i].got_icmp[row]);
		rig_fini(&r);
	}
}

static void a_biflow_is_two_flows_unless_nothing_came_back(void **state)
{
	static const struct el els[] = {
		{ 8, 4, 0 }, { 12, 4, 0 }, { 7, 2, 0 }, { 11, 2, 0 }, { 6, 1, 0 },
		{ 10, 4, 0 }, { 14, 4, 0 }, { 1, 8, 0 }, { 2, 8, 0 },
		{ 1, 8, REVERSE }, { 2, 8, REVERSE }, { 6, 1, REVERSE }, { 152, 8, 0 },
		{ 153, 8, 0 }, { 152, 8, REVERSE },
	};
	struct rig r;
	struct dg g;
	const struct block *b;
	size_t at;

	(void)state;
	rig_init(&r);
	b = r.out.block;
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 256);
	for (int i = 0; i < 2; i++) {
		put_ip(&g, "10.0.0.1");
		put_ip(&g, "203.0.113.1");
		p16(&g, 40000);
		p16(&g, 80);
		p8(&g, 2);
		p32(&g, 1);
		p32(&g, 2);
		p64(&g, 1000);
		p64(&g, 10);
		p64(&g, i ? 50000 : 0);
		p64(&g, i ? 40 : 0);
		p8(&g, 0x12);
		p64(&g, NOW_MS - 4000);
		p64(&g, NOW_MS - 1000);
		p64(&g, NOW_MS - 3000);
	}
	set_end(&g, at);
	send10(&r, &g);
	assert_int_equal(b->n, 3);
	assert_addr(&b->src[2], "203.0.113.1");
	assert_addr(&b->dst[2], "10.0.0.1");
	assert_int_equal(b->src_port[2], 80);
	assert_int_equal(b->in_if[2], 2);
	assert_int_equal(b->out_if[2], 1);
	assert_int_equal(b->bytes[2], 50000);
	assert_int_equal(b->packets[2], 40);
	assert_int_equal(b->tcp_flags[2], 0x12);
	assert_int_equal(b->tcp_flags[1], 2);
	assert_int_equal(b->start_ms[2], NOW_MS - 3000);
	assert_int_equal(b->end_ms[2], NOW_MS - 1000);
	assert_true(b->notes[2] & NOTE_REVERSE);
	rig_fini(&r);
}

static void running_totals_become_differences(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 7, 2, 0 }, { 85, 8, 0 }, { 86, 8, 0 },
		{ 152, 8, 0 }, { 153, 8, 0 }, { 136, 1, 0 } };
	static const struct {
		uint16_t port;
		uint64_t bytes, packets;
		int start, end; /* ms before now */
		uint8_t why;
		uint64_t got_bytes, got_packets;
		int got_start;
	} t[] = {
		{ 1, 1000, 10, 60000, 50000, 2, 1000, 10, 60000 },
		{ 1, 1500, 14, 60000, 40000, 2, 500, 4, 50000 },
		{ 2, 700, 7, 60000, 40000, 2, 700, 7, 60000 },  /* another flow */
		{ 1, 1500, 14, 60000, 30000, 3, 0, 0, 40000 },  /* the end */
		{ 1, 2000, 20, 25000, 20000, 2, 2000, 20, 25000 }, /* the same ends again */
		{ 1, 300, 3, 25000, 10000, 2, 300, 3, 25000 },  /* fell: begun anew */
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		head10(&g, (uint32_t)i, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		put_ip(&g, "192.0.2.1");
		p16(&g, t[i].port);
		p64(&g, t[i].bytes);
		p64(&g, t[i].packets);
		p64(&g, (uint64_t)(NOW_MS - t[i].start));
		p64(&g, (uint64_t)(NOW_MS - t[i].end));
		p8(&g, t[i].why);
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->bytes[i], t[i].got_bytes);
		assert_int_equal(r.out.block->packets[i], t[i].got_packets);
		assert_int_equal(r.out.block->start_ms[i], NOW_MS - t[i].got_start);
	}
	rig_fini(&r);
}

static void times_are_understood_in_every_form(void **state)
{
	const uint64_t ntp = (uint64_t)(NOW_S - 5 + 2208988800) << 32 | 0x80000000;
	const struct {
		struct el start, end;
		uint64_t from, to;
		int64_t start_ms, end_ms;
	} t[] = {
		{ { 150, 4, 0 }, { 151, 4, 0 }, NOW_S - 5, NOW_S - 1, -5000, -1000 },
		{ { 152, 8, 0 }, { 153, 8, 0 }, NOW_MS - 5500, NOW_MS - 1, -5500, -1 },
		{ { 154, 8, 0 }, { 155, 8, 0 }, ntp, ntp + (UINT64_C(1) << 32), -4500, -3500 },
		{ { 156, 8, 0 }, { 157, 8, 0 }, ntp, ntp + (UINT64_C(1) << 32), -4500, -3500 },
		{ { 158, 4, 0 }, { 159, 4, 0 }, 5000000, 1000000, -5000, -1000 },
		{ { 152, 8, 0 }, { 161, 4, 0 }, NOW_MS - 5000, 3000, -5000, -2000 },
		{ { 162, 4, 0 }, { 153, 8, 0 }, 3000000, NOW_MS - 1000, -4000, -1000 },
		{ { 324, 8, 0 }, { 4, 1, 0 }, ntp, 6, -4500, -4500 },
		{ { 323, 8, 0 }, { 4, 1, 0 }, NOW_MS - 7, 6, -7, -7 },
		{ { 4, 1, 0 }, { 1, 4, 0 }, 6, 6, 400, 400 }, /* none: when it was received */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct el els[] = { t[i].start, t[i].end };
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		put_uint(&g, t[i].from, t[i].start.len);
		put_uint(&g, t[i].to, t[i].end.len);
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->start_ms[0], NOW_MS + t[i].start_ms);
		assert_int_equal(r.out.block->end_ms[0], NOW_MS + t[i].end_ms);
		rig_fini(&r);
	}
}

static void uptimes_count_from_the_told_start_of_the_system(void **state)
{
	static const struct el els[] = { { 160, 8, 0 }, { 22, 4, 0 }, { 21, 4, 0 } };
	static const struct { uint64_t up_ms; } t[] = {
		{ 3600000 }, { UINT64_C(1) << 32 }, { (UINT64_C(1) << 32) + 3000 },
		{ UINT64_C(20) << 32 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		p64(&g, NOW_MS - t[i].up_ms);
		p32(&g, (uint32_t)(t[i].up_ms - 5000));
		p32(&g, (uint32_t)(t[i].up_ms - 1000));
		set_end(&g, at);
		send10(&r, &g);
		assert_int_equal(r.out.block->start_ms[0], NOW_MS - 5000);
		assert_int_equal(r.out.block->end_ms[0], NOW_MS - 1000);
		rig_fini(&r);
	}
}

static void uptimes_from_nowhere_end_at_the_export(void **state)
{
	static const struct el els[] = { { 22, 4, 0 }, { 21, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 256);
	for (uint32_t k = 1; k <= 3; k++) {
		p32(&g, 0xfffff000 - 60000 * k); /* the newest end is about to wrap */
		p32(&g, 0xfffff000 - 20000 * (k - 1));
	}
	set_end(&g, at);
	send10(&r, &g);
	assert_in_range(r.out.block->end_ms[0], NOW_MS, NOW_MS + 999);
	assert_int_equal(r.out.block->end_ms[0] - r.out.block->end_ms[2], 40000);
	assert_int_equal(r.out.block->end_ms[0] - r.out.block->start_ms[0], 60000);
	rig_fini(&r);
}

/* Some exporters count uptimes from a start of their own choosing, which may move. */
static void an_estimated_boot_follows_within_seconds(void **state)
{
	static const struct el els[] = { { 22, 4, 0 }, { 21, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	for (uint32_t k = 0; k < 300; k++) {
		r.now_ms += 100;
		block_reset(r.out.block);
		head10(&g, k, 7);
		g.n = 4;
		p32(&g, (uint32_t)(r.now_ms / 1000));
		g.n = 16;
		TEMPLATE10(&g, 256, els);
		at = set_begin(&g, 256);
		p32(&g, 86400000 - 9000);
		p32(&g, 86400000 - 1000); /* always the same, while time goes on */
		set_end(&g, at);
		send10(&r, &g);
		assert_in_range(r.out.block->end_ms[0], r.now_ms - 3500, r.now_ms + 1000);
	}
	rig_fini(&r);
}

static void a_packet_section_is_taken_apart(void **state)
{
	static const struct el els[] = { { 315, VAR, 0 }, { 305, 4, 0 }, { 306, 4, 0 } };
	struct rig r;
	struct dg g;
	const struct block *b;
	size_t at;

	(void)state;
	rig_init(&r);
	b = r.out.block;
	head10(&g, 0, 7);
	TEMPLATE10(&g, 256, els);
	at = set_begin(&g, 256);
	p8(&g, 14 + 20 + 8);
	put(&g, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0", 14);
	put(&g, "\x45\0\x04\x00\0\1\0\0\x40\x11\0\0", 12); /* 1,024 octets of UDP */
	put_ip(&g, "192.0.2.1");
	put_ip(&g, "192.0.2.2");
	p16(&g, 53);
	p16(&g, 5353);
	zeros(&g, 4);
	p32(&g, 1);  /* one packet, */
	p32(&g, 99); /* then 99 not */
	set_end(&g, at);
	send10(&r, &g);
	assert_int_equal(b->n, 1);
	assert_addr(&b->src[0], "192.0.2.1");
	assert_int_equal(b->src_port[0], 53);
	assert_int_equal(b->proto[0], 17);
	assert_int_equal(b->bytes[0], 102400);
	assert_int_equal(b->packets[0], 100);
	rig_fini(&r);
}

static void mad_sampling_options_do_not_count(void **state)
{
	static const struct { uint16_t id, len; uint64_t v; uint64_t bytes; } t[] = {
		{ 34, 4, 50, 5000 }, { 34, 4, UINT32_MAX, 100 }, { 34, 4, 0, 100 },
		{ 311, 8, 0x7ff8000000000000, 100 }, /* not a number */
		{ 311, 8, 0xbff0000000000000, 100 }, /* -1 */
		{ 311, 8, 0x7ff0000000000000, 100 }, /* infinity */
		{ 311, 8, 0, 100 },
		{ 311, 8, 0x3f847ae147ae147b, 10000 }, /* 0.01 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct el els[] = { { 149, 4, 0 }, { t[i].id, t[i].len, 0 } };
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head10(&g, 0, 7);
		at = set_begin(&g, 3);
		p16(&g, 300);
		p16(&g, 2);
		p16(&g, 1);
		put_els(&g, els, 2);
		set_end(&g, at);
		at = set_begin(&g, 300);
		p32(&g, 7);
		put_uint(&g, t[i].v, t[i].len);
		set_end(&g, at);
		TEMPLATE10(&g, 256, base);
		base_data(&g, 256, 1);
		send10(&r, &g);
		assert_int_equal(r.out.block->bytes[0], t[i].bytes);
		rig_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_message_length_is_held_against_the_datagram),
		cmocka_unit_test(messages_put_together_are_taken_one_by_one),
		cmocka_unit_test(lost_records_are_counted_options_included),
		cmocka_unit_test(a_number_that_counts_its_own_message_is_no_loss),
		cmocka_unit_test(withdrawals_are_ignored),
		cmocka_unit_test(lengths_inside_a_record_stay_inside_its_set),
		cmocka_unit_test(an_element_of_fixed_size_may_come_with_a_length),
		cmocka_unit_test(lists_and_strange_elements_are_passed_over),
		cmocka_unit_test(the_first_of_two_addresses_is_the_outer_one),
		cmocka_unit_test(a_biflow_is_two_flows_unless_nothing_came_back),
		cmocka_unit_test(a_biflow_of_one_way_is_one_flow_that_way),
		cmocka_unit_test(running_totals_become_differences),
		cmocka_unit_test(times_are_understood_in_every_form),
		cmocka_unit_test(uptimes_count_from_the_told_start_of_the_system),
		cmocka_unit_test(uptimes_from_nowhere_end_at_the_export),
		cmocka_unit_test(an_estimated_boot_follows_within_seconds),
		cmocka_unit_test(a_packet_section_is_taken_apart),
		cmocka_unit_test(mad_sampling_options_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
