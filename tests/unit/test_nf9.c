/* test_nf9.c - NetFlow v9: sets, templates, options, sampling.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

static const struct el base[] = {
	{ 8, 4, 0 }, { 12, 4, 0 }, { 7, 2, 0 }, { 11, 2, 0 }, { 4, 1, 0 },
	{ 1, 4, 0 }, { 2, 4, 0 }, { 22, 4, 0 }, { 21, 4, 0 },
};
enum { BASE_OCTETS = 29 };

static void base_record(struct dg *g)
{
	put_ip(g, "198.51.100.20");
	put_ip(g, "203.0.113.20");
	p16(g, 1111);
	p16(g, 443);
	p8(g, 6);
	p32(g, 100);
	p32(g, 1);
	p32(g, UP_MS - 5000);
	p32(g, UP_MS - 1000);
}

static void base_data(struct dg *g, uint16_t id, unsigned n)
{
	size_t at = set_begin(g, id);

	while (n--)
		base_record(g);
	while (g->n % 4)
		p8(g, 0);
	set_end(g, at);
}

static void a_template_and_its_data_in_one_datagram(void **state)
{
	struct rig r;
	struct dg g;
	const struct block *b;

	(void)state;
	rig_init(&r);
	b = r.out.block;
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, base);
	base_data(&g, 256, 3);
	send9(&r, &g);
	assert_int_equal(b->n, 3);
	assert_addr(&b->src[2], "198.51.100.20");
	assert_addr(&b->dst[2], "203.0.113.20");
	assert_int_equal(b->src_port[2], 1111);
	assert_int_equal(b->bytes[2], 100);
	assert_int_equal(b->start_ms[2], NOW_MS - 5000);
	assert_int_equal(b->end_ms[2], NOW_MS - 1000);
	assert_int_equal(b->domain[2], 7);
	assert_int_equal(b->via[2], VIA_NETFLOW9);
	assert_int_equal(rig_ledger(&r)->sets[SET_DECODED], 2);
	rig_books(&r);
	rig_fini(&r);
}

static void data_before_its_template_waits_for_it(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	base_data(&g, 256, 2);
	send9(&r, &g);
	assert_int_equal(r.out.block->n, 0);
	assert_int_equal(rig_ledger(&r)->sets[SET_HELD], 1);
	rig_books(&r);
	r.now_ms += 5000;
	head9(&g, 1, 7);
	set16(&g, 10, (NOW_S + 5) & 0xffff); /* five seconds later */
	base_data(&g, 257, 1);               /* of another template: goes on waiting */
	TEMPLATE9(&g, 256, base);
	send9(&r, &g);
	assert_int_equal(r.out.block->n, 2);
	assert_int_equal(r.out.block->received_ms[0], r.now_ms - 5000);
	assert_int_equal(r.out.block->end_ms[0], NOW_MS - 1000);
	assert_int_equal(rig_ledger(&r)->sets[SET_HELD], 1);
	assert_int_equal(rig_ledger(&r)->sets[SET_DECODED], 2);
	rig_books(&r);
	collector_tick(r.c, r.now_ms + 11 * 60 * 1000);
	assert_int_equal(rig_ledger(&r)->sets[SET_HELD], 0);
	assert_int_equal(rig_ledger(&r)->sets[SET_NO_TEMPLATE], 1);
	rig_books(&r);
	rig_fini(&r);
}

static void what_waits_is_bounded(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	for (unsigned i = 0; i < 300; i++) {
		head9(&g, i, 7);
		base_data(&g, 256, 1);
		send9(&r, &g);
	}
	assert_int_equal(rig_ledger(&r)->sets[SET_HELD], 256);
	assert_int_equal(rig_ledger(&r)->sets[SET_NO_TEMPLATE], 44);
	for (unsigned i = 0; i < 3; i++) {
		head9(&g, 0, 8);
		base_data(&g, 256, 1500); /* 43 KiB each */
		r.from = "192.0.2.2";
		send9(&r, &g);
	}
	assert_int_equal(names_exporter_at(r.names, 1)->ledger.sets[SET_HELD], 1);
	rig_books(&r);
	rig_fini(&r);
}

/* Octets of sets after the header; what becomes of them. */
static void spoilt_sets_spoil_nothing_else(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
		int refused; /* enum bad_reason, or -1 */
		uint64_t malformed, decoded;
	} t[] = {
#define SETS(s) s, sizeof(s) - 1
		{ SETS(""), BAD_COUNT, 0, 0 },
		{ SETS("\0"), BAD_LENGTH, 0, 0 },
		{ SETS("\0\1\0"), BAD_LENGTH, 0, 0 },
		{ SETS("\0\0\0\0"), BAD_LENGTH, 0, 0 },
		{ SETS("\0\0\0\3xxx"), BAD_LENGTH, 0, 0 },
		{ SETS("\0\0\0\4"), -1, 0, 1 },
		{ SETS("\0\0\0\4\0\0\0\0\0\0"), -1, 0, 1 },    /* filled up with zeros */
		{ SETS("\0\0\0\4\0\0\0\1x"), -1, 1, 1 },
		{ SETS("\0\0\xff\xff""1234"), -1, 1, 0 },
		{ SETS("\0\2\0\10""1234"), -1, 1, 0 },         /* reserved set ids */
		{ SETS("\0\xff\0\10""1234\0\0\0\4"), -1, 1, 1 },
		{ SETS("\0\0\0\14\0\xff\0\1\0\10\0\4"), -1, 1, 0 }, /* template id 255 */
		{ SETS("\0\0\0\10\1\4\0\0"), -1, 1, 0 },       /* no fields */
		{ SETS("\0\0\0\14\1\4\0\1\0\10\0\0"), -1, 1, 0 }, /* fields of no octets */
		{ SETS("\0\0\0\14\1\4\0\1\0\10\xff\xff"), -1, 1, 0 },
		{ SETS("\0\0\0\14\1\4\0\2\0\10\0\4"), -1, 1, 0 }, /* count over octets */
		{ SETS("\0\0\0\20\1\4\0\2\0\1\x80\0\0\2\x80\0"), -1, 1, 0 }, /* sum wraps */
		{ SETS("\0\1\0\16\1\5\0\3\0\4\0\1\0\4"), -1, 1, 0 }, /* scope of 3 octets */
		{ SETS("\0\1\0\22\1\5\0\4\0\4\0\1\0\0\0\42\0\0"), -1, 1, 0 },
#undef SETS
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;

		rig_init(&r);
		head9(&g, 0, 7);
		put(&g, t[i].octets, t[i].n);
		send9(&r, &g);
		assert_int_equal(r.out.block->n, 0);
		if (t[i].refused >= 0)
			assert_int_equal(rig_ledger(&r)->malformed[t[i].refused], 1);
		assert_int_equal(rig_ledger(&r)->sets[SET_MALFORMED], t[i].malformed);
		assert_int_equal(rig_ledger(&r)->sets[SET_DECODED], t[i].decoded);
		rig_books(&r);
		rig_fini(&r);
	}
}

static void a_field_of_no_octets_among_others_is_legal(void **state)
{
	static const struct el els[] = { { 8, 4, 0 }, { 1, 0, 0 }, { 999, 0, 0 }, { 2, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, els);
	at = set_begin(&g, 256);
	put_ip(&g, "198.51.100.1");
	p32(&g, 5);
	set_end(&g, at);
	send9(&r, &g);
	assert_int_equal(r.out.block->n, 1);
	assert_int_equal(r.out.block->packets[0], 5);
	rig_fini(&r);
}

static void a_known_element_of_a_wrong_size_is_passed_over(void **state)
{
	static const uint16_t ids[] = { 8, 27, 7, 4, 1, 56, 22, 150, 152, 70 };
	static const uint16_t lens[] = { 3, 5, 9, 50, 128 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
			const struct el els[] = { { ids[i], lens[k], 0 }, { 12, 4, 0 } };
			struct rig r;
			struct dg g;
			size_t at;

			rig_init(&r);
			head9(&g, 0, 7);
			TEMPLATE9(&g, 256, els);
			at = set_begin(&g, 256);
			for (int n = 0; n < 3; n++) {
				memset(g.b + g.n, 0x5a, lens[k]);
				g.n += lens[k];
				put_ip(&g, "198.51.100.21");
			}
			set_end(&g, at);
			send9(&r, &g);
			assert_int_equal(r.out.block->n, 3);
			assert_addr(&r.out.block->dst[2], "198.51.100.21");
			rig_fini(&r);
		}
	}
}

static void a_template_may_change_between_two_sets(void **state)
{
	static const struct el small[] = { { 8, 4, 0 }, { 12, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, base);
	base_data(&g, 256, 1);
	TEMPLATE9(&g, 256, small);
	at = set_begin(&g, 256);
	put_ip(&g, "192.0.2.1");
	put_ip(&g, "192.0.2.2");
	set_end(&g, at);
	send9(&r, &g);
	assert_int_equal(r.out.block->n, 2);
	assert_addr(&r.out.block->dst[0], "203.0.113.20");
	assert_addr(&r.out.block->dst[1], "192.0.2.2");
	assert_int_equal(r.out.block->bytes[1], 0);
	rig_fini(&r);
}

static void put_options(struct dg *g, uint16_t id, const struct el *scope, unsigned n_scope,
			const struct el *els, unsigned n)
{
	size_t at = set_begin(g, 1);

	p16(g, id);
	p16(g, n_scope * 4);
	p16(g, n * 4);
	put_els(g, scope, n_scope);
	put_els(g, els, n);
	set_end(g, at);
}

static void options_tell_rates_by_sampler_and_for_all(void **state)
{
	static const struct el system[] = { { 1, 4, 0 } };
	static const struct el sampler[] = { { 48, 2, 0 }, { 49, 1, 0 }, { 50, 4, 0 } };
	static const struct el plain[] = { { 34, 4, 0 }, { 35, 1, 0 } };
	static const struct el flow[] = { { 8, 4, 0 }, { 48, 2, 0 }, { 1, 4, 0 }, { 2, 4, 0 } };
	static const struct { uint16_t id; uint64_t bytes; uint8_t notes; } t[] = {
		{ 3, 100 * 500, 0 }, { 4, 100 * 1000, 0 }, { 9, 100 * 20, 0 },
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	put_options(&g, 300, system, 1, sampler, 3);
	at = set_begin(&g, 300);
	for (unsigned i = 0; i < 2; i++) {
		p32(&g, 0);
		p16(&g, 3 + i);
		p8(&g, 2);
		p32(&g, i ? 1000 : 500);
	}
	set_end(&g, at);
	TEMPLATE9(&g, 256, flow);
	send9(&r, &g);
	head9(&g, 1, 7);
	at = set_begin(&g, 256); /* nobody told of sampler 9, nor of the whole domain */
	put_ip(&g, "192.0.2.1");
	p16(&g, 9);
	p32(&g, 100);
	p32(&g, 1);
	set_end(&g, at);
	send9(&r, &g);
	assert_int_equal(r.out.block->bytes[0], 100);
	assert_true(r.out.block->notes[0] & NOTE_SAMPLING_GUESSED);
	block_reset(r.out.block);

	head9(&g, 2, 7);
	put_options(&g, 301, system, 1, plain, 2);
	at = set_begin(&g, 301);
	p32(&g, 0);
	p32(&g, 20);
	p8(&g, 1);
	set_end(&g, at);
	at = set_begin(&g, 256);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		put_ip(&g, "192.0.2.1");
		p16(&g, t[i].id);
		p32(&g, 100);
		p32(&g, 1);
	}
	set_end(&g, at);
	send9(&r, &g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(r.out.block->bytes[i], t[i].bytes);
	rig_fini(&r);
}

static void what_waited_gets_the_rate_that_came_with_its_template(void **state)
{
	static const struct el system[] = { { 1, 4, 0 } }, plain[] = { { 34, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	base_data(&g, 256, 1);
	send9(&r, &g);
	head9(&g, 1, 7);
	put_options(&g, 301, system, 1, plain, 1);
	at = set_begin(&g, 301);
	p32(&g, 0);
	p32(&g, 20);
	set_end(&g, at);
	TEMPLATE9(&g, 256, base);
	send9(&r, &g);
	assert_int_equal(r.out.block->n, 1);
	assert_int_equal(r.out.block->bytes[0], 2000);
	rig_fini(&r);
}

static void a_rate_with_its_octets_reversed_is_turned(void **state)
{
	static const struct el flow[] = { { 8, 4, 0 }, { 34, 4, 0 }, { 1, 8, 0 } };
	static const struct { uint32_t told; uint64_t bytes; uint32_t sampling; } t[] = {
		{ 0, 100, 0 }, { 1, 100, 1 }, { 100, 10000, 100 },
		{ 0x01000000, 100, 1 },   /* 1 of a little-endian writer */
		{ 0x00040000, 102400, 1024 }, { 65535, 6553500, 65535 },
		{ 0xe8030000, 100000, 1000 },
		{ 0xffffffff, 100, 0 }, { 0x7fffffff, 100, 0 },
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, flow);
	at = set_begin(&g, 256);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		put_ip(&g, "192.0.2.1");
		p32(&g, t[i].told);
		p64(&g, 100);
	}
	set_end(&g, at);
	send9(&r, &g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(r.out.block->bytes[i], t[i].bytes);
		assert_int_equal(r.out.block->sampling[i], t[i].sampling);
	}
	rig_fini(&r);
}

static void what_is_configured_wins_over_what_is_told(void **state)
{
	const struct sampling_override o[] = { { 0, 0, 10 }, { 0, 5, 7 }, { 0, 6, 3 } };
	const struct collect_conf conf = { .overrides = o, .n_overrides = 3 };
	static const struct el flow[] = {
		{ 10, 4, 0 }, { 14, 4, 0 }, { 34, 4, 0 }, { 1, 8, 0 } };
	static const struct { uint32_t in, out, rate; } t[] = {
		{ 4, 9, 10 },             /* the exporter's */
		{ 5, 9, 7 }, { 5, 6, 7 }, /* where it came in */
		{ 4, 6, 3 }, { 0, 6, 3 }, /* where it left, when only that has one */
	};
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_conf(&r, &conf);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, flow);
	at = set_begin(&g, 256);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		p32(&g, t[i].in);
		p32(&g, t[i].out);
		p32(&g, 1000);
		p64(&g, 100);
	}
	set_end(&g, at);
	send9(&r, &g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(r.out.block->bytes[i], 100 * t[i].rate);
	assert_int_equal(rig_ledger(&r)->sampling_source, SAMPLING_CONFIG);
	rig_fini(&r);
}

static void counters_saturate(void **state)
{
	static const struct el flow[] = { { 1, 8, 0 }, { 2, 8, 0 }, { 34, 4, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, flow);
	at = set_begin(&g, 256);
	p64(&g, UINT64_MAX - 1);
	p64(&g, UINT64_MAX);
	p32(&g, 1000);
	set_end(&g, at);
	send9(&r, &g);
	assert_true(r.out.block->bytes[0] == UINT64_MAX);
	assert_true(r.out.block->packets[0] == UINT64_MAX);
	rig_fini(&r);
}

static void options_name_interfaces_and_applications(void **state)
{
	static const struct el scope[] = { { 2, 4, 0 } }, system[] = { { 1, 4, 0 } };
	static const struct el name[] = { { 82, 8, 0 } }, app[] = { { 95, 4, 0 }, { 96, 12, 0 } };
	static const struct el flow[] = { { 8, 4, 0 }, { 95, 4, 0 } };
	struct interface ifc;
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	put_options(&g, 300, scope, 1, name, 1);
	at = set_begin(&g, 300);
	p32(&g, 17);
	put(&g, "Gi0/0/17", 8); /* fills its field: no NUL */
	set_end(&g, at);
	put_options(&g, 301, system, 1, app, 2);
	at = set_begin(&g, 301);
	p32(&g, 0);
	p32(&g, 0x03000050);
	put(&g, "http\0\0\0\0\0\0\0\0", 12);
	set_end(&g, at);
	TEMPLATE9(&g, 256, flow);
	at = set_begin(&g, 256);
	put_ip(&g, "192.0.2.1");
	p32(&g, 0x03000050);
	put_ip(&g, "192.0.2.1");
	p32(&g, 0x03000051);
	set_end(&g, at);
	send9(&r, &g);
	names_interface(r.names, 0, 17, &ifc);
	assert_string_equal(ifc.name, "Gi0/0/17");
	assert_true(r.out.block->app[0] == (UINT64_C(3) << 56 | 0x50));
	assert_string_equal(block_text_at(r.out.block, r.out.block->app_name[0]), "http");
	assert_int_equal(r.out.block->app_name[1], 0);
	rig_fini(&r);
}

static void datagrams_lost_are_counted_and_restarts_are_not(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	for (uint32_t seq = 10; seq < 20; seq++) {
		head9(&g, seq, 7);
		TEMPLATE9(&g, 256, base);
		if (seq != 12 && seq != 13)
			send9(&r, &g);
	}
	head9(&g, 0, 7); /* booted a minute ago */
	g.b[4] = g.b[5] = g.b[6] = 0;
	TEMPLATE9(&g, 256, base);
	send9(&r, &g);
	collector_tick(r.c, r.now_ms + 2000);
	assert_int_equal(rig_ledger(&r)->lost[LOST_DATAGRAMS], 2);
	assert_int_equal(rig_ledger(&r)->restarts, 1);
	rig_fini(&r);
}

static void one_datagram_makes_no_more_than_its_share_of_rows(void **state)
{
	static const struct el tiny[] = { { 4, 1, 0 } };
	struct rig r;
	struct dg g;
	size_t at;

	(void)state;
	rig_init(&r);
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, tiny);
	at = set_begin(&g, 256);
	zeros(&g, 65000);
	set_end(&g, at);
	send9(&r, &g);
	assert_int_equal(rig_ledger(&r)->flows[VIA_NETFLOW9], DGRAM_ROWS_MAX);
	assert_int_equal(rig_ledger(&r)->sets[SET_MALFORMED], 1);
	rig_fini(&r);
}

static void initiator_and_responder_are_two_directions(void **state)
{
	static const struct el nsel[] = {
		{ 8, 4, 0 }, { 7, 2, 0 }, { 10, 2, 0 }, { 12, 4, 0 }, { 11, 2, 0 }, { 14, 2, 0 },
		{ 4, 1, 0 }, { 225, 4, 0 }, { 226, 4, 0 }, { 227, 2, 0 }, { 228, 2, 0 },
		{ 233, 1, 0 }, { 323, 8, 0 }, { 152, 8, 0 }, { 231, 4, 0 }, { 232, 4, 0 },
	};
	struct rig r;
	struct dg g;
	size_t at;
	const struct block *b;

	(void)state;
	rig_init(&r);
	b = r.out.block;
	head9(&g, 0, 7);
	TEMPLATE9(&g, 256, nsel);
	at = set_begin(&g, 256);
	for (int k = 0; k < 2; k++) {
		put_ip(&g, "10.0.0.5");
		p16(&g, 50000);
		p16(&g, 2);
		put_ip(&g, "203.0.113.1");
		p16(&g, 443);
		p16(&g, 3);
		p8(&g, 6);
		put_ip(&g, "192.0.2.1");
		put_ip(&g, "203.0.113.1");
		p16(&g, 61000);
		p16(&g, 443);
		p8(&g, k ? 2 : 1);
		p64(&g, NOW_MS - 10);
		p64(&g, NOW_MS - 9000);
		p32(&g, k ? 700 : 0);
		p32(&g, k ? 90000 : 0);
	}
	set_end(&g, at);
	send9(&r, &g);
	assert_int_equal(b->n, 3); /* created: one row; torn down: both ways */
	assert_int_equal(b->fw_event[0], 1);
	assert_int_equal(b->bytes[1], 700);
	assert_addr(&b->nat_src[1], "192.0.2.1");
	assert_int_equal(b->nat_src_port[1], 61000);
	assert_int_equal(b->bytes[2], 90000);
	assert_addr(&b->src[2], "203.0.113.1");
	assert_addr(&b->dst[2], "10.0.0.5");
	assert_int_equal(b->dst_port[2], 50000);
	assert_int_equal(b->in_if[2], 3);
	assert_addr(&b->nat_dst[2], "192.0.2.1");
	assert_true(b->notes[2] & NOTE_REVERSE);
	assert_int_equal(b->start_ms[2], NOW_MS - 9000);
	assert_int_equal(b->end_ms[2], NOW_MS - 10);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_template_and_its_data_in_one_datagram),
		cmocka_unit_test(data_before_its_template_waits_for_it),
		cmocka_unit_test(what_waits_is_bounded),
		cmocka_unit_test(spoilt_sets_spoil_nothing_else),
		cmocka_unit_test(a_field_of_no_octets_among_others_is_legal),
		cmocka_unit_test(a_known_element_of_a_wrong_size_is_passed_over),
		cmocka_unit_test(a_template_may_change_between_two_sets),
		cmocka_unit_test(options_tell_rates_by_sampler_and_for_all),
		cmocka_unit_test(what_waited_gets_the_rate_that_came_with_its_template),
		cmocka_unit_test(a_rate_with_its_octets_reversed_is_turned),
		cmocka_unit_test(what_is_configured_wins_over_what_is_told),
		cmocka_unit_test(counters_saturate),
		cmocka_unit_test(options_name_interfaces_and_applications),
		cmocka_unit_test(datagrams_lost_are_counted_and_restarts_are_not),
		cmocka_unit_test(one_datagram_makes_no_more_than_its_share_of_rows),
		cmocka_unit_test(initiator_and_responder_are_two_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
