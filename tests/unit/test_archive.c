/* test_archive.c - what goes into the archive comes out of it.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "storage/archive/frame.h"

#include <fcntl.h>

/* Expected rows, in order, against those that are read with one thread. */
struct compare {
	struct block *const *blocks;
	size_t n, at;
	uint32_t row;
	uint64_t rows;
};

static bool same_row(const struct block *x, uint32_t i, const struct block *y, uint32_t j)
{
	for (int f = 0; f < FIELD_COUNT; f++) {
		const void *a = block_cell(x, (enum field)f, i), *b;

		b = block_cell(y, (enum field)f, j);
		if (field_info[f].kind == KIND_TEXT
			? strcmp(block_text_at(x, *(const uint32_t *)a),
				 block_text_at(y, *(const uint32_t *)b))
			: memcmp(a, b, field_info[f].width)) {
			print_error("column %s of row %u, %u\n", field_info[f].name, i,
				    j);
			return false;
		}
	}
	return true;
}

static bool compare_rows(void *arg, unsigned worker, const struct block *b,
			 const uint64_t *bits)
{
	struct compare *c = arg;

	assert_int_equal(worker, 0);
	for (uint32_t r = 0; r < b->n; r++) {
		if (!(bits[r / 64] >> (r % 64) & 1))
			continue;
		while (c->at < c->n && c->row >= c->blocks[c->at]->n) {
			c->at++;
			c->row = 0;
		}
		assert_true(c->at < c->n);
		assert_true(same_row(b, r, c->blocks[c->at], c->row));
		c->row++;
		c->rows++;
	}
	return true;
}

static struct archive_result read_with(const char *dir, const struct names *names,
				       archive_rows_f *fn, void *arg)
{
	struct archive_query q = { .directory = dir,
				   .from_ms = INT64_MIN,
				   .to_ms = INT64_MAX,
				   .columns = ~UINT64_C(0),
				   .names = names,
				   .threads = 1 };
	struct archive_result res;
	struct err err = { "" };

	assert_true(archive_read(&q, fn, arg, &res, &err));
	return res;
}

static struct archive_result read_all(const char *dir, archive_rows_f *fn, void *arg)
{
	return read_with(dir, NULL, fn, arg);
}

/* Of any worker: they count at the same time. */
static bool count_rows(void *arg, unsigned worker, const struct block *b,
		       const uint64_t *bits)
{
	(void)worker;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		__atomic_fetch_add((uint64_t *)arg,
				   (uint64_t)__builtin_popcountll(bits[w]),
				   __ATOMIC_RELAXED);
	return true;
}

static void round_trip(struct names *names, struct block **blocks, size_t n)
{
	char *dir = kit_dir();
	struct compare c = { .blocks = blocks, .n = n };
	struct archive_result res;
	uint64_t rows = 0;

	for (size_t i = 0; i < n; i++)
		rows += blocks[i]->n;
	kit_write(dir, names, blocks, n, kit_t0);
	res = read_with(dir, names, compare_rows, &c);
	assert_int_equal(res.blocks_damaged, 0);
	assert_int_equal(c.rows, rows);
	kit_rm(dir);
}

static void flows_of_a_router_come_back_as_they_were(void **state)
{
	struct names *names = kit_names(3);
	struct block *b[40];
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		b[i] =
		    kit_block(names, i % 3 ? BLOCK_ROWS : 77, kit_t0 + (int64_t)i, &seed);
	round_trip(names, b, ARRAY_LEN(b));
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		block_unref(&b[i]);
	names_free(&names);
}

static void absurd_values_in_every_column_come_back(void **state)
{
	struct names *names = kit_names(5);
	uint64_t seed = 2;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		uint64_t all = ~UINT64_C(0), some = kit_rnd(&seed);
		static const uint32_t rows[] = { 1, 2, 63, 64, 65, 700, BLOCK_ROWS };
		uint32_t n = rows[round % ARRAY_LEN(rows)];
		struct block *b[3] = { kit_wild(names, n, round % 2 ? all : some, &seed),
				       kit_wild(names, 3, kit_rnd(&seed), &seed),
				       kit_wild(names, n, round % 3 ? some : all,
						&seed) };

		round_trip(names, b, 3);
		for (size_t i = 0; i < 3; i++)
			block_unref(&b[i]);
	}
	names_free(&names);
}

static void sixty_five_thousand_random_sources_come_back(void **state)
{
	struct names *names = kit_names(1);
	struct block *b[17];
	uint64_t seed = 3;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		b[i] = kit_block(names, BLOCK_ROWS, kit_t0, &seed);
		for (uint32_t r = 0; r < b[i]->n; r++) {
			uint32_t v = (uint32_t)kit_rnd(&seed);

			b[i]->src[r] = addr_of4(&v);
		}
	}
	round_trip(names, b, ARRAY_LEN(b));
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		block_unref(&b[i]);
	names_free(&names);
}

/* What is tried on a frame now and then must hold for the ones after it. */
static void columns_that_change_their_habits_come_back(void **state)
{
	enum { FRAMES = 12, EACH = 65536 / BLOCK_ROWS };
	struct names *names = kit_names(1);
	struct block *b[FRAMES * EACH];
	uint64_t seed = 4;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		unsigned habit = (unsigned)(i / EACH) % 3;

		b[i] = kit_block(names, BLOCK_ROWS, kit_t0, &seed);
		for (uint32_t r = 0; r < b[i]->n; r++) {
			if (habit == 0)
				b[i]->start_ms[r] = b[i]->end_ms[r] =
				    b[i]->received_ms[r] = kit_t0;
			if (habit == 1) /* in order, and far from each other */
				b[i]->end_ms[r] = kit_t0 + (int64_t)r * 3;
			if (habit == 2) {
				b[i]->end_ms[r] = (int64_t)kit_rnd(&seed);
				b[i]->src_as[r] = (uint32_t)kit_rnd(&seed);
				b[i]->src_mask[r] = r == b[i]->n - 1;
			}
		}
	}
	round_trip(names, b, ARRAY_LEN(b));
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		block_unref(&b[i]);
	names_free(&names);
}

/* The dictionary is sorted by the bits in which addresses differ: few, or all of them. */
static void addresses_of_both_families_come_back(void **state)
{
	struct names *names = kit_names(1);
	struct block *b[16];
	uint64_t seed = 5;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		b[i] = kit_block(names, BLOCK_ROWS, kit_t0, &seed);
		for (uint32_t r = 0; r < b[i]->n; r++) {
			uint64_t state6 = kit_rnd(&seed) % 5000, w[2];

			if (kit_rnd(&seed) % 3 == 0)
				continue;
			w[0] = kit_rnd(&state6);
			w[1] = kit_rnd(&state6);
			memcpy(b[i]->src[r].b, w, sizeof(w));
			b[i]->src_as[r] = (uint32_t)w[0];
			if (i % 2)
				b[i]->next_hop[r] = b[i]->src[r];
		}
		if (i % 2)
			block_use(b[i], F_next_hop);
	}
	round_trip(names, b, ARRAY_LEN(b));
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		block_unref(&b[i]);
	names_free(&names);
}

static bool check_names(void *arg, unsigned worker, const struct block *b,
			const uint64_t *bits)
{
	const struct exporter *e = names_exporter_at(b->names, b->exporter[0]);
	struct interface i;

	(void)worker;
	(void)bits;
	assert_string_equal(e->name, "edge1");
	names_interface(b->names, e->id, 2, &i);
	assert_string_equal(i.name, "WAN");
	assert_int_equal(i.speed_bps, 20000000);
	++*(int *)arg;
	return true;
}

static void the_file_tells_exporters_and_interfaces_by_name(void **state)
{
	struct names *names = kit_names(4);
	uint64_t seed = 4;
	struct block *b = kit_block(names, 100, kit_t0, &seed);
	char *dir = kit_dir();
	int seen = 0;

	(void)state;
	for (uint32_t r = 0; r < b->n; r++)
		b->exporter[r] = 1;
	kit_write(dir, names, &b, 1, kit_t0);
	read_all(dir, check_names, &seen);
	assert_int_equal(seen, 1);
	block_unref(&b);
	names_free(&names);
	kit_rm(dir);
}

static void only_columns_that_were_asked_for_are_there(void **state)
{
	struct names *names = kit_names(1);
	uint64_t seed = 5, rows = 0;
	struct block *b = kit_block(names, 1000, kit_t0, &seed);
	char *dir = kit_dir();
	struct archive_query q = { .directory = dir,
				   .from_ms = kit_t0 - 3600000,
				   .to_ms = kit_t0 + 3600000,
				   .threads = 2,
				   .columns = UINT64_C(1) << F_bytes };
	struct archive_result res;
	struct err err;

	(void)state;
	kit_write(dir, names, &b, 1, kit_t0);
	assert_true(archive_read(&q, count_rows, &rows, &res, &err));
	assert_int_equal(rows, 1000);
	assert_int_equal(res.files, 1);
	assert_int_equal(res.blocks, 1);
	assert_int_equal(res.oldest_ms, kit_t0);
	block_unref(&b);
	names_free(&names);
	kit_rm(dir);
}

static void rows_that_do_not_overlap_the_time_asked_for_are_left_out(void **state)
{
	static const struct {
		int64_t start, end, from, to;
		bool in;
	} rows[] = {
		{ 0, 10, 0, 10, true },	  { 0, 10, 10, 20, false },
		{ 0, 10, 9, 20, true },	  { 5, 5, 5, 6, true },
		{ 5, 5, 4, 5, false },	  { 0, 100, 40, 50, true },
		{ 10, 20, 0, 10, false }, { 10, 20, 0, 11, true },
	};
	struct names *names = kit_names(1);
	uint64_t seed = 6;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct block *b = kit_block(names, 1, kit_t0, &seed);
		char *dir = kit_dir();
		struct archive_query q = { .directory = dir,
					   .from_ms = kit_t0 + rows[i].from,
					   .to_ms = kit_t0 + rows[i].to };
		struct archive_result res;
		struct err err;
		uint64_t n = 0;

		b->start_ms[0] = kit_t0 + rows[i].start;
		b->end_ms[0] = kit_t0 + rows[i].end;
		kit_write(dir, names, &b, 1, kit_t0);
		assert_true(archive_read(&q, count_rows, &n, &res, &err));
		assert_int_equal(n, rows[i].in);
		block_unref(&b);
		kit_rm(dir);
	}
	names_free(&names);
}

static void rotation_loses_nothing_and_files_are_named_by_time(void **state)
{
	struct names *names = kit_names(2);
	char *dir = kit_dir(), *path = kit_file(dir, kit_t0 + BIN_MS);
	struct archive *a = kit_start(dir, names, NULL);
	uint64_t seed = 7, rows = 0, sent = 0;
	struct archive_result res;

	(void)state;
	for (int64_t ms = kit_t0; ms < kit_t0 + 3 * BIN_MS; ms += 1000) {
		struct block *b = kit_block(names, 10, ms, &seed);

		sent += b->n;
		archive_block(a, b, ms);
		archive_tick(a, ms);
	}
	archive_stop(&a);
	res = read_all(dir, count_rows, &rows);
	assert_int_equal(rows, sent);
	assert_int_equal(res.files, 3);
	assert_int_equal(res.blocks_damaged, 0);
	assert_int_equal(access(path, R_OK), 0);
	assert_non_null(strstr(path, "/2026/11/23/"));
	free(path);
	names_free(&names);
	kit_rm(dir);
}

static void a_position_gives_the_same_rows_whatever_comes_later(void **state)
{
	struct names *names = kit_names(2);
	char *dir = kit_dir();
	struct archive_position at = { 0 };
	struct archive *a = kit_start(dir, names, &at);
	uint64_t seed = 8, rows = 0;
	struct archive_query q = { .directory = dir,
				   .from_ms = kit_t0 - 3600000,
				   .to_ms = kit_t0 + 3600000 };
	struct archive_result res;
	struct err err;

	(void)state;
	archive_block(a, kit_block(names, 100, kit_t0, &seed), kit_t0);
	archive_block(a, kit_block(names, 23, kit_t0, &seed), kit_t0 + BIN_MS);
	archive_mark(a, alert_new());
	archive_block(a, kit_block(names, 50, kit_t0, &seed), kit_t0 + BIN_MS + 1);
	archive_stop(&a);
	assert_int_equal(at.file_s, (kit_t0 + BIN_MS) / 1000);
	a = kit_start(dir, names, NULL);
	archive_block(a, kit_block(names, 60, kit_t0, &seed), kit_t0 + BIN_MS + 2);
	archive_block(a, kit_block(names, 70, kit_t0, &seed), kit_t0 + 2 * BIN_MS);
	archive_stop(&a);
	q.as_of = at;
	assert_true(archive_read(&q, count_rows, &rows, &res, &err));
	assert_int_equal(rows, 123);
	assert_int_equal(res.blocks_damaged, 0);
	rows = 0;
	q.as_of.file_s = 0;
	assert_true(archive_read(&q, count_rows, &rows, &res, &err));
	assert_int_equal(rows, 303);
	names_free(&names);
	kit_rm(dir);
}

static void a_clock_that_steps_back_overwrites_nothing(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir();
	struct archive *a = kit_start(dir, names, NULL);
	uint64_t seed = 9, rows = 0;
	struct archive_result res;

	(void)state;
	archive_block(a, kit_block(names, 10, kit_t0, &seed), kit_t0);
	archive_block(a, kit_block(names, 10, kit_t0, &seed), kit_t0 + 2 * BIN_MS);
	archive_block(a, kit_block(names, 10, kit_t0, &seed), kit_t0);
	archive_block(a, kit_block(names, 10, kit_t0, &seed), kit_t0 + 2 * BIN_MS);
	archive_stop(&a);
	res = read_all(dir, count_rows, &rows);
	assert_int_equal(rows, 40);
	assert_int_equal(res.blocks_damaged, 0);
	names_free(&names);
	kit_rm(dir);
}

/* Its rows were all gathered when the next five minutes came: it was begun and closed in
 * one go, and the archive must know which file that was when its summary is made. */
static void a_file_of_a_few_last_flows_outlives_its_summary(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir(), *file = kit_file(dir, kit_t0 + BIN_MS), sum[DIR_PATH];
	struct archive *a = kit_start(dir, names, NULL);
	uint64_t seed = 11, rows = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		archive_block(a, kit_block(names, 10, kit_t0, &seed),
			      kit_t0 + i * BIN_MS);
	dir_summary_path(dir, file_s_of(kit_t0 + BIN_MS), sum);
	for (int i = 0; i < 60000 && access(sum, F_OK); i++)
		usleep(1000);
	assert_int_equal(access(sum, F_OK), 0);
	archive_stop(&a);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(read_all(dir, count_rows, &rows).files, 3);
	assert_int_equal(rows, 30);
	free(file);
	names_free(&names);
	kit_rm(dir);
}

static void a_tick_closes_a_file_that_had_only_a_few_flows(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir(), *file = kit_file(dir, kit_t0);
	struct archive *a = kit_start(dir, names, NULL);
	uint64_t seed = 12;
	struct totals t;
	size_t len;
	int fd;

	(void)state;
	archive_block(a, kit_block(names, 10, kit_t0, &seed), kit_t0);
	archive_tick(a, kit_t0 + BIN_MS);
	archive_stop(&a);
	free(kit_load(file, &len));
	fd = open(file, O_RDONLY);
	assert_true(file_closed(fd, len, &t, NULL));
	assert_int_equal(t.rows, 10);
	close(fd);
	free(file);
	names_free(&names);
	kit_rm(dir);
}

static void old_files_go_by_age_and_by_size(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir();
	struct archive_opts o = { .directory = dir,
				  .names = names,
				  .keep_ms = 2 * BIN_MS,
				  .mark_done = kit_mark_done };
	struct archive_stats st;
	struct archive *a;
	struct err err;
	uint64_t seed = 10, rows = 0;

	(void)state;
	a = archive_start(&o, &err);
	assert_non_null(a);
	for (int i = 0; i < 10; i++)
		archive_block(a, kit_block(names, 10, kit_t0, &seed),
			      kit_t0 + i * BIN_MS);
	archive_tick(a, kit_t0 + 9 * BIN_MS + 31000);
	archive_stop(&a);
	/* The open one, two that are kept, and one whose end is not two bins ago. */
	assert_int_equal(read_all(dir, count_rows, &rows).files, 3);
	o.keep_ms = 0;
	o.max_octets = 1;
	a = archive_start(&o, &err);
	archive_tick(a, kit_t0 + 9 * BIN_MS + 62000);
	archive_mark(a, alert_new());
	archive_stats(a, &st);
	archive_stop(&a);
	assert_int_equal(read_all(dir, count_rows, &rows).files, 1);
	names_free(&names);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_of_a_router_come_back_as_they_were),
		cmocka_unit_test(absurd_values_in_every_column_come_back),
		cmocka_unit_test(sixty_five_thousand_random_sources_come_back),
		cmocka_unit_test(columns_that_change_their_habits_come_back),
		cmocka_unit_test(addresses_of_both_families_come_back),
		cmocka_unit_test(the_file_tells_exporters_and_interfaces_by_name),
		cmocka_unit_test(only_columns_that_were_asked_for_are_there),
		cmocka_unit_test(
		    rows_that_do_not_overlap_the_time_asked_for_are_left_out),
		cmocka_unit_test(rotation_loses_nothing_and_files_are_named_by_time),
		cmocka_unit_test(a_position_gives_the_same_rows_whatever_comes_later),
		cmocka_unit_test(a_clock_that_steps_back_overwrites_nothing),
		cmocka_unit_test(a_file_of_a_few_last_flows_outlives_its_summary),
		cmocka_unit_test(a_tick_closes_a_file_that_had_only_a_few_flows),
		cmocka_unit_test(old_files_go_by_age_and_by_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
