/* test_rd.c - a reader that never passes its end.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/rd.h"

static void integers_are_big_endian_of_any_width(void **unused)
{
	static const uint8_t wire[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

	(void)unused;
	for (size_t len = 1; len <= 8; len++) {
		struct rd r = rd_over(wire, sizeof(wire));
		uint64_t want = 0;

		for (size_t i = 0; i < len; i++)
			want = want << 8 | wire[i];
		assert_true(rd_uint(&r, len) == want);
		assert_int_equal(rd_left(&r), sizeof(wire) - len);
		assert_true(rd_ok(&r));
	}
}

static void the_first_short_read_is_remembered(void **unused)
{
	static const uint8_t wire[] = { 1, 2, 3 };
	struct rd r = rd_over(wire, sizeof(wire));

	(void)unused;
	assert_int_equal(rd_u32(&r), 0);
	assert_false(rd_ok(&r));
	assert_int_equal(rd_u16(&r), 0); /* though two octets are left */
	assert_int_equal(rd_left(&r), 3);
}

static void a_part_cannot_leave_its_bounds(void **unused)
{
	static const uint8_t wire[] = { 1, 2, 3, 4 };
	struct rd r = rd_over(wire, sizeof(wire)), part = rd_sub(&r, 2), none;

	(void)unused;
	assert_int_equal(rd_u16(&part), 0x0102);
	assert_int_equal(rd_u16(&part), 0);
	assert_false(rd_ok(&part));
	assert_true(rd_ok(&r));
	none = rd_sub(&r, SIZE_MAX);
	assert_false(rd_ok(&none));
	assert_int_equal(rd_left(&none), 0);
	assert_false(rd_ok(&r));
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(integers_are_big_endian_of_any_width),
		cmocka_unit_test(the_first_short_read_is_remembered),
		cmocka_unit_test(a_part_cannot_leave_its_bounds),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
