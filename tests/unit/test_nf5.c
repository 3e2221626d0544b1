/* test_nf5.c - NetFlow v1, v5, v6, v7 and v8.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

static void head5(struct dg *g, uint16_t version, uint16_t count, uint32_t seq)
{
	g->n = 0;
	p16(g, version);
	p16(g, count);
	p32(g, UP_MS);
	p32(g, NOW_S);
	p32(g, 250000000);
	if (version == 1)
		return;
	p32(g, seq);
	p8(g, 1); /* engine type */
	p8(g, 7); /* engine id */
	p16(g, 0);
	if (version == 8)
		zeros(g, 4);
}

static void counts5(struct dg *g)
{
	p32(g, 10);
	p32(g, 1500);
	p32(g, UP_MS - 5000);
	p32(g, UP_MS - 1000);
}

static void record5(struct dg *g)
{
	put_ip(g, "198.51.100.1");
	put_ip(g, "203.0.113.9");
	put_ip(g, "192.0.2.254");
	p16(g, 3);
	p16(g, 4);
	counts5(g);
	p16(g, 51000);
	p16(g, 443);
	p8(g, 0);
	p8(g, 0x1b);
	p8(g, 6);
	p8(g, 0x2e);
	p16(g, 64500);
	p16(g, 64501);
	p8(g, 24);
	p8(g, 16);
	p16(g, 0);
}

static void check_common(const struct block *b)
{
	assert_addr(&b->src[0], "198.51.100.1");
	assert_addr(&b->dst[0], "203.0.113.9");
	assert_int_equal(b->bytes[0], 1500);
	assert_int_equal(b->packets[0], 10);
	assert_int_equal(b->start_ms[0], NOW_MS + 250 - 5000);
	assert_int_equal(b->end_ms[0], NOW_MS + 250 - 1000);
}

static void every_member_of_a_v5_record_arrives(void **state)
{
	struct rig r;
	struct dg g;
	struct block *b;

	(void)state;
	rig_init(&r);
	head5(&g, 5, 1, 0);
	record5(&g);
	rig_send(&r, g.b, g.n);
	b = r.out.block;
	assert_int_equal(b->n, 1);
	check_common(b);
	assert_addr(&b->next_hop[0], "192.0.2.254");
	assert_int_equal(b->in_if[0], 3);
	assert_int_equal(b->out_if[0], 4);
	assert_int_equal(b->src_port[0], 51000);
	assert_int_equal(b->dst_port[0], 443);
	assert_int_equal(b->tcp_flags[0], 0x1b);
	assert_int_equal(b->proto[0], 6);
	assert_int_equal(b->tos[0], 0x2e);
	assert_int_equal(b->src_as[0], 64500);
	assert_int_equal(b->dst_as[0], 64501);
	assert_int_equal(b->src_mask[0], 24);
	assert_int_equal(b->dst_mask[0], 16);
	assert_int_equal(b->domain[0], 0x0107);
	assert_int_equal(b->via[0], VIA_NETFLOW5);
	assert_int_equal(b->received_ms[0], r.now_ms);
	assert_int_equal(b->exporter[0], 0);
	assert_int_equal(rig_ledger(&r)->datagrams[VIA_NETFLOW5], 1);
	assert_int_equal(rig_ledger(&r)->flows[VIA_NETFLOW5], 1);
	assert_int_equal(rig_ledger(&r)->bytes, 1500);
	rig_fini(&r);
}

static void octets_decide_and_not_the_count(void **state)
{
	static const struct {
		uint16_t count;
		unsigned records;
		int cut; /* octets more or less */
		uint32_t rows;
		int bad; /* enum bad_reason, or -1 */
	} t[] = {
		{ 1, 1, 0, 1, -1 },      { 2, 2, 0, 2, -1 },
		{ 30, 30, -1, 29, -1 },  { 31, 31, 0, 31, -1 },
		{ 255, 1, 0, 1, -1 },    { 65535, 1, 0, 1, -1 },
		{ 1, 2, 0, 1, -1 },      { 1, 1, 1, 1, -1 },
		{ 1, 1, -1, 0, BAD_COUNT }, { 0, 0, 0, 0, BAD_COUNT },
		{ 1, 0, 0, 0, BAD_COUNT }, { 0, 1, 0, 0, BAD_COUNT },
		{ 1, 0, -1, 0, BAD_TOO_SHORT }, { 1, 0, -21, 0, BAD_TOO_SHORT },
		{ 1, 0, -23, 0, BAD_TOO_SHORT }, { 1, 0, -24, 0, BAD_TOO_SHORT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;

		rig_init(&r);
		head5(&g, 5, t[i].count, 0);
		for (unsigned k = 0; k < t[i].records; k++)
			record5(&g);
		g.b[g.n] = 0;
		rig_send(&r, g.b, g.n + t[i].cut);
		assert_int_equal(r.out.block->n, t[i].rows);
		if (t[i].bad >= 0)
			assert_int_equal(rig_ledger(&r)->malformed[t[i].bad], 1);
		assert_int_equal(rig_ledger(&r)->flows[VIA_NETFLOW5], t[i].rows);
		rig_fini(&r);
	}
}

static void unknown_versions_are_counted(void **state)
{
	static const uint16_t versions[] = { 0, 2, 3, 4, 11, 255, 0x0500, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct rig r;
		struct dg g;

		rig_init(&r);
		head5(&g, versions[i], 1, 0);
		record5(&g);
		rig_send(&r, g.b, g.n);
		assert_int_equal(r.out.block->n, 0);
		assert_int_equal(rig_ledger(&r)->malformed[BAD_VERSION], 1);
		assert_int_equal(rig_ledger(&r)->datagrams[VIA_NONE], 1);
		rig_fini(&r);
	}
}

static void lost_flows_are_counted_once_settled(void **state)
{
	/* Sequence numbers as they arrive, one flow each. */
	static const struct {
		uint32_t seq[8];
		unsigned n;
		uint64_t lost, restarts;
	} t[] = {
		{ { 100, 101, 102 }, 3, 0, 0 },
		{ { 100, 101, 110 }, 3, 8, 0 },
		{ { 100, 102, 101, 103 }, 4, 0, 0 },       /* overtaken */
		{ { 100, 104, 102, 105 }, 4, 2, 0 },       /* 101 and 103 stay away */
		{ { 100, 101, 101, 102 }, 4, 0, 0 },       /* doubled */
		{ { 0xffffffff, 0, 1 }, 3, 0, 0 },         /* 32 bits wrap */
		{ { 100, 0xf0000000, 101, 102 }, 4, 0, 0 }, /* one mad header */
		{ { 5000, 0, 1, 2 }, 4, 0, 1 },            /* restarted */
		{ { 5000, 0, 3, 4 }, 4, 2, 1 },            /* and lost two */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig r;
		struct dg g;

		rig_init(&r);
		for (unsigned k = 0; k < t[i].n; k++) {
			head5(&g, 5, 1, t[i].seq[k]);
			record5(&g);
			rig_send(&r, g.b, g.n);
		}
		assert_int_equal(rig_ledger(&r)->lost[LOST_FLOWS], 0);
		collector_tick(r.c, r.now_ms + 1500);
		assert_int_equal(rig_ledger(&r)->lost[LOST_FLOWS], t[i].lost);
		assert_int_equal(rig_ledger(&r)->restarts, t[i].restarts);
		rig_fini(&r);
	}
}

static void the_header_tells_the_sampling(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	head5(&g, 5, 1, 0);
	set16(&g, 22, 0x4000 | 100);
	record5(&g);
	rig_send(&r, g.b, g.n);
	assert_int_equal(r.out.block->bytes[0], 150000);
	assert_int_equal(r.out.block->packets[0], 1000);
	assert_int_equal(r.out.block->sampling[0], 100);
	assert_int_equal(rig_ledger(&r)->sampling, 100);
	assert_int_equal(rig_ledger(&r)->sampling_source, SAMPLING_HEADER);
	rig_fini(&r);
}

static void an_icmp_type_comes_out_of_the_destination_port(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	head5(&g, 5, 1, 0);
	record5(&g);
	set16(&g, 24 + 32, 0);
	set16(&g, 24 + 34, 0x0800);
	g.b[24 + 38] = 1;
	rig_send(&r, g.b, g.n);
	assert_int_equal(r.out.block->icmp[0], 0x0800);
	rig_fini(&r);
}

static void v1_v6_and_v7_have_their_own_records(void **state)
{
	struct rig r;
	struct dg g;
	const struct block *b;

	(void)state;
	rig_init(&r);
	b = r.out.block;
	head5(&g, 1, 1, 0);
	record5(&g);
	g.n = 16 + 36; /* v1: no padding before proto, flags behind tos */
	zeros(&g, 2);
	p8(&g, 17);
	p8(&g, 0x20);
	p8(&g, 0x12);
	zeros(&g, 11);
	rig_send(&r, g.b, g.n);
	assert_int_equal(b->n, 1);
	check_common(b);
	assert_int_equal(b->proto[0], 17);
	assert_int_equal(b->tos[0], 0x20);
	assert_int_equal(b->tcp_flags[0], 0x12);
	rig_send(&r, g.b, g.n + 1); /* v1 must be exact */
	assert_int_equal(b->n, 1);
	assert_int_equal(rig_ledger(&r)->malformed[BAD_LENGTH], 1);
	block_reset(r.out.block);
	for (uint16_t version = 6; version <= 7; version++) {
		head5(&g, version, 1, 0);
		record5(&g);
		put_ip(&g, "192.0.2.77");
		rig_send(&r, g.b, g.n);
		assert_int_equal(b->n, 1);
		check_common(b);
		assert_int_equal(b->proto[0], 6);
		assert_int_equal(b->src_as[0], 64500);
		if (version == 6)
			assert_addr(&b->bgp_next_hop[0], "192.0.2.77");
		block_reset(r.out.block);
	}
	rig_fini(&r);
}

/* A v8 record of each aggregation: octets that are all different, so that every
 * member tells where it was read. */
static void all_fourteen_aggregations_of_v8_decode(void **state)
{
	enum { FLOWS = 1, SRC = 2, DST = 4, SPORT = 8, PROTO = 16, TOS = 32, SAS = 64,
	       DAS = 128, IN = 256, OUT = 512, SMASK = 1024, DMASK = 2048, DPORT = 4096 };
	static const struct {
		unsigned size, what;
		uint8_t at[13]; /* of what, in the order of its bits */
	} t[] = {
		{ 28, FLOWS | SAS | DAS | IN | OUT,
		  { 0, 0, 0, 0, 0, 0, 20, 22, 24, 26 } },
		{ 28, FLOWS | PROTO | SPORT | DPORT,
		  { 0, 0, 0, 24, 20, 0, 0, 0, 0, 0, 0, 0, 26 } },
		{ 32, FLOWS | SRC | SMASK | SAS | IN, { 0, 20, 0, 0, 0, 0, 26, 0, 28, 0, 24 } },
		{ 32, FLOWS | DST | DMASK | DAS | OUT,
		  { 0, 0, 20, 0, 0, 0, 0, 26, 0, 28, 0, 24 } },
		{ 40, FLOWS | SRC | DST | SMASK | DMASK | SAS | DAS | IN | OUT,
		  { 0, 20, 24, 0, 0, 0, 32, 34, 36, 38, 29, 28 } },
		{ 32, DST | OUT | TOS, { 0, 0, 0, 0, 0, 22, 0, 0, 0, 20 } },
		{ 40, SRC | DST | IN | OUT | TOS, { 0, 4, 0, 0, 0, 28, 0, 0, 26, 24 } },
		{ 44, SRC | DST | IN | OUT | TOS | PROTO | SPORT | DPORT,
		  { 0, 4, 0, 10, 33, 32, 0, 0, 30, 28, 0, 0, 8 } },
		{ 32, FLOWS | SAS | DAS | IN | OUT | TOS,
		  { 0, 0, 0, 0, 0, 28, 20, 22, 24, 26 } },
		{ 32, FLOWS | PROTO | SPORT | DPORT | TOS | IN | OUT,
		  { 0, 0, 0, 24, 20, 21, 0, 0, 28, 30, 0, 0, 26 } },
		{ 32, FLOWS | SRC | SMASK | SAS | IN | TOS,
		  { 0, 20, 0, 0, 0, 25, 26, 0, 28, 0, 24 } },
		{ 32, FLOWS | DST | DMASK | DAS | OUT | TOS,
		  { 0, 0, 20, 0, 0, 25, 0, 26, 0, 28, 0, 24 } },
		{ 40, FLOWS | SRC | DST | SMASK | DMASK | SAS | DAS | IN | OUT | TOS,
		  { 0, 20, 24, 0, 0, 30, 32, 34, 36, 38, 29, 28 } },
		{ 40, FLOWS | SRC | DST | SMASK | DMASK | TOS | PROTO | SPORT | DPORT | IN | OUT,
		  { 0, 20, 24, 32, 31, 30, 0, 0, 36, 38, 29, 28, 34 } },
	};
	static const uint8_t fields[] = { F_flows, F_src, F_dst, F_src_port, F_proto, F_tos,
		F_src_as, F_dst_as, F_in_if, F_out_if, F_src_mask, F_dst_mask, F_dst_port };

	(void)state;
	for (unsigned a = 0; a < ARRAY_LEN(t); a++) {
		struct rig r;
		struct dg g;
		const struct block *b;

		rig_init(&r);
		b = r.out.block;
		head5(&g, 8, 2, 0);
		g.b[22] = (uint8_t)(a + 1);
		for (unsigned k = 0; k < 2 * t[a].size; k++)
			p8(&g, k % t[a].size + 1);
		rig_send(&r, g.b, g.n);
		assert_int_equal(b->n, 2);
		for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
			const uint8_t *rec = g.b + 28 + t[a].at[i];
			uint64_t want = *rec;

			assert_int_equal(block_uses(b, fields[i]), t[a].what >> i & 1);
			if (!(t[a].what >> i & 1))
				continue;
			if (field_info[fields[i]].kind == KIND_ADDR) {
				struct addr addr = addr_of4(rec);

				assert_true(addr_eq(block_cell(b, fields[i], 1), &addr));
				continue;
			}
			if (field_info[fields[i]].width > 1)
				want = want << 8 | rec[1];
			if (fields[i] == F_flows)
				want = want << 16 | rec[2] << 8 | rec[3];
			assert_int_equal(block_u64(b, fields[i], 1), want);
		}
		assert_true(b->bytes[1] > 0 && b->packets[1] > 0);
		rig_fini(&r);
	}
}

static void a_full_block_is_handed_over_in_the_middle(void **state)
{
	struct rig r;
	struct dg g;

	(void)state;
	rig_init(&r);
	for (unsigned i = 0; i < 140; i++) {
		head5(&g, 5, 30, i * 30);
		for (unsigned k = 0; k < 30; k++)
			record5(&g);
		rig_send(&r, g.b, g.n);
	}
	assert_int_equal(r.n_kept, 1);
	assert_int_equal(r.kept[0]->n + r.out.block->n, 140 * 30);
	for (uint32_t i = 0; i < r.kept[0]->n; i++)
		assert_int_equal(r.kept[0]->end_ms[i], NOW_MS + 250 - 1000);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_of_a_v5_record_arrives),
		cmocka_unit_test(octets_decide_and_not_the_count),
		cmocka_unit_test(unknown_versions_are_counted),
		cmocka_unit_test(lost_flows_are_counted_once_settled),
		cmocka_unit_test(the_header_tells_the_sampling),
		cmocka_unit_test(an_icmp_type_comes_out_of_the_destination_port),
		cmocka_unit_test(v1_v6_and_v7_have_their_own_records),
		cmocka_unit_test(all_fourteen_aggregations_of_v8_decode),
		cmocka_unit_test(a_full_block_is_handed_over_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
