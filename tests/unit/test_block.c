/* test_block.c - a block that is used again looks like a new one.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/model/block.h"

static uint64_t state = 88172645463325252;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void set(struct block *b, enum field f, uint32_t row, int octet)
{
	block_use(b, f);
	memset(block_cell(b, f, row), octet, field_info[f].width);
}

/* Some rows, some columns: as decoders do it, whole or cell by cell; the same into a block
 * that is always new. */
static void fill(struct block *b, struct block *fresh)
{
	uint32_t n = 1 + (uint32_t)(rnd() % 300), row = b->n;
	uint64_t some = rnd() & rnd() & ((UINT64_C(1) << FIELD_COUNT) - 1);
	bool whole = rnd() % 2;

	if (row + n > BLOCK_ROWS)
		return;
	block_ready(b, row + n + (whole ? 0 : (uint32_t)(rnd() % 3)), whole ? some : 0);
	for (uint32_t r = row; r < row + n; r++) {
		for (int f = 0; f < FIELD_COUNT; f++) {
			int octet = (int)(rnd() % 255) + 1;

			if (!(some >> f & 1) || (!whole && octet % 2))
				continue;
			set(b, f, r, octet);
			set(fresh, f, r, octet);
		}
	}
	b->n = fresh->n = row + n;
}

static void a_block_that_is_used_again_looks_like_a_new_one(void **unused)
{
	struct block *b = block_new(NULL);

	(void)unused;
	for (int round = 0; round < 200; round++) {
		struct block *fresh = block_new(NULL);
		int fills = 1 + (int)(rnd() % 12);

		while (fills--)
			fill(b, fresh);
		assert_int_equal(b->used, fresh->used);
		for (int f = 0; f < FIELD_COUNT; f++)
			assert_memory_equal(block_col(b, f), block_col(fresh, f),
					    (size_t)b->n * field_info[f].width);
		block_unref(&fresh);
		if (rnd() % 8)
			block_reuse(b);
		else
			block_reset(b);
	}
	block_unref(&b);
}

static void a_reset_leaves_nothing(void **unused)
{
	struct block *b = block_new(NULL), *fresh = block_new(NULL);

	(void)unused;
	fill(b, fresh);
	block_reuse(b);
	block_reset(b);
	block_unref(&fresh);
	fresh = block_new(NULL);
	for (int f = 0; f < FIELD_COUNT; f++)
		assert_memory_equal(block_col(b, f), block_col(fresh, f),
				    (size_t)BLOCK_ROWS * field_info[f].width);
	block_unref(&fresh);
	block_unref(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_that_is_used_again_looks_like_a_new_one),
		cmocka_unit_test(a_reset_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
