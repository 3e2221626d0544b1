/* test_ie.c - the table of elements, and each way from octets to a cell.
 * SPDX-License-Identifier: ISC */
#include "test.h"
#include "dgram.h"

#include "daemon/collect/ie.h"

static void every_line_of_the_table_fits_its_target(void **state)
{
	static const struct ie table[] = {
#define IE(pen, id, min, max, how, target, rank) { pen, id, min, max, how, target, rank },
#include "daemon/collect/ies.def"
#undef IE
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct ie *e = &table[i];
		bool addr = e->how == IE_IP4 || e->how == IE_IP6 || e->how == IE_HOP4;

		assert_ptr_not_equal(ie_find(e->pen, e->id), NULL);
		assert_int_equal(ie_find(e->pen, e->id)->target, e->target); /* no doubles */
		assert_true(e->min <= e->max && e->target < TARGETS);
		assert_int_equal(addr, target_width(e->target) == 16);
		if (e->target < FIELD_COUNT)
			assert_int_equal(e->how == IE_TEXT,
					 field_info[e->target].kind == KIND_TEXT);
		if (e->how == IE_UINT)
			assert_true(e->max <= 8);
	}
	assert_null(ie_find(0, 65000));
	assert_null(ie_find(4711, 8));
}

/* One element in a v9 template, the octets of its field, the cell it makes. */
static void octets_become_cells(void **state)
{
	static const struct {
		uint16_t id, len;
		const char *octets;
		enum field f;
		uint64_t want;
	} t[] = {
		{ 1, 1, "\x12", F_bytes, 0x12 },
		{ 1, 2, "\x12\x34", F_bytes, 0x1234 },
		{ 1, 3, "\x12\x34\x56", F_bytes, 0x123456 },
		{ 1, 4, "\x12\x34\x56\x78", F_bytes, 0x12345678 },
		{ 1, 5, "\x01\x12\x34\x56\x78", F_bytes, 0x0112345678 },
		{ 1, 8, "\x01\0\0\0\0\0\0\x02", F_bytes, 0x0100000000000002 },
		{ 3, 8, "\x01\0\0\0\0\0\0\x02", F_flows, UINT32_MAX }, /* saturates */
		{ 10, 2, "\x01\x02", F_in_if, 0x0102 },
		{ 10, 3, "\x01\x02\x03", F_in_if, 0x010203 },
		{ 14, 4, "\x01\x02\x03\x04", F_out_if, 0x01020304 },
		{ 16, 2, "\xfd\xe8", F_src_as, 65000 },
		{ 6, 1, "\x1b", F_tcp_flags, 0x1b },
		{ 6, 2, "\x01\x1b", F_tcp_flags, 0x011b },
		{ 7, 1, "\x35", F_src_port, 53 },
		{ 32, 2, "\x08\x01", F_icmp, 0x0801 },
		{ 56, 6, "\x02\x01\x03\x04\x05\x06", F_src_mac, 0x020103040506 },
		{ 70, 3, "\x00\x01\x71", F_mpls1, 0x17 },
		{ 61, 1, "\0", F_direction, DIR_INGRESS },
		{ 61, 1, "\1", F_direction, DIR_EGRESS },
		{ 61, 1, "\xff", F_direction, DIR_UNTOLD },
		{ 195, 1, "\x2e", F_tos, 0xb8 },
		{ 95, 4, "\x03\0\0\x50", F_app, UINT64_C(3) << 56 | 0x50 },
		{ 95, 1, "\x03", F_app, UINT64_C(3) << 56 },
		{ 58, 2, "\x0f\xff", F_vlan, 4095 },
		{ 23, 4, "\0\0\0\x09", F_bytes, 9 },
		{ 352, 4, "\0\0\0\x09", F_bytes, 9 },
		{ 234, 4, "\x60\0\0\0", F_vrf_in, 0x60000000 },
		{ 230, 1, "\x04", F_nat_event, 4 },
		{ 40005, 1, "\x02", F_fw_event, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct el els[] = { { t[i].id, t[i].len, 0 }, { 4, 1, 0 } };
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head9(&g, 0, 7);
		TEMPLATE9(&g, 256, els);
		at = set_begin(&g, 256);
		for (int k = 0; k < 2; k++) {
			put(&g, t[i].octets, t[i].len);
			p8(&g, 17);
		}
		set_end(&g, at);
		send9(&r, &g);
		assert_int_equal(r.out.block->n, 2);
		for (uint32_t k = 0; k < 2; k++)
			assert_true(block_u64(r.out.block, t[i].f, k) == t[i].want);
		rig_fini(&r);
	}
}

static void the_better_of_two_counters_is_taken(void **state)
{
	static const struct {
		uint16_t a, b;
		uint64_t va, vb, want;
	} t[] = {
		{ 1, 23, 5, 9, 5 },   { 23, 1, 9, 5, 5 },  /* in before out, in either order */
		{ 1, 23, 0, 9, 0 },   /* nothing came in, whatever went out */
		{ 23, 352, 9, 12, 9 }, { 231, 1, 7, 0, 7 }, { 1, 1, 0, 6, 6 },
		{ 85, 1, 100, 5, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct el els[] = { { t[i].a, 4, 0 }, { t[i].b, 4, 0 } };
		struct rig r;
		struct dg g;
		size_t at;

		rig_init(&r);
		head9(&g, 0, 7);
		TEMPLATE9(&g, 256, els);
		at = set_begin(&g, 256);
		p32(&g, t[i].va);
		p32(&g, t[i].vb);
		set_end(&g, at);
		send9(&r, &g);
		assert_int_equal(r.out.block->bytes[0], t[i].want);
		rig_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_of_the_table_fits_its_target),
		cmocka_unit_test(octets_become_cells),
		cmocka_unit_test(the_better_of_two_counters_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
