/* test_archive_damage.c - torn, flipped, full: what the archive makes of it.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>

/* Every row that is read must be one of those that were written. */
struct known {
	struct block *const *blocks;
	size_t n;
	uint64_t rows, strange;
};

static bool is_known(const struct known *k, const struct block *b, uint32_t r)
{
	for (size_t i = 0; i < k->n; i++)
		for (uint32_t j = 0; j < k->blocks[i]->n; j++) {
			const struct block *w = k->blocks[i];

			if (b->bytes[r] == w->bytes[j] &&
			    addr_eq(&b->src[r], &w->src[j]) &&
			    addr_eq(&b->dst[r], &w->dst[j]) &&
			    b->src_port[r] == w->src_port[j] &&
			    b->dst_port[r] == w->dst_port[j] &&
			    b->proto[r] == w->proto[j] &&
			    b->packets[r] == w->packets[j] &&
			    b->in_if[r] == w->in_if[j] &&
			    b->start_ms[r] == w->start_ms[j] &&
			    b->end_ms[r] == w->end_ms[j] &&
			    b->src_as[r] == w->src_as[j] &&
			    b->dst_as[r] == w->dst_as[j] &&
			    b->exporter[r] == w->exporter[j])
				return true;
		}
	return false;
}

static bool check_rows(void *arg, unsigned worker, const struct block *b,
		       const uint64_t *bits)
{
	struct known *k = arg;

	(void)worker;
	for (uint32_t r = 0; r < b->n; r++) {
		if (!(bits[r / 64] >> (r % 64) & 1))
			continue;
		k->rows++;
		k->strange += !is_known(k, b, r);
	}
	return true;
}

static struct archive_result read_all(const char *dir, const struct names *names,
				      struct known *k)
{
	struct archive_query q = { .directory = dir,
				   .from_ms = INT64_MIN,
				   .to_ms = INT64_MAX,
				   .columns = ~UINT64_C(0),
				   .names = names,
				   .threads = 1 };
	struct archive_result res;
	struct err err;

	k->rows = k->strange = 0;
	assert_true(archive_read(&q, check_rows, k, &res, &err));
	return res;
}

/* Two closed files of two blocks each, 20 rows a block. */
struct fixture {
	char *dir, *path; /* of the first file */
	struct names *names;
	struct block *blocks[4];
	uint8_t *octets;
	size_t len;
};

static void set_up(struct fixture *f)
{
	struct archive *a;
	uint64_t seed = 1;

	f->dir = kit_dir();
	f->path = kit_file(f->dir, kit_t0);
	f->names = kit_names(2);
	a = kit_start(f->dir, f->names, NULL);
	for (int i = 0; i < 4; i++) {
		int64_t at = kit_t0 + i / 2 * BIN_MS + i;

		f->blocks[i] = kit_block(f->names, 20, at, &seed);
		archive_block(a, block_ref(f->blocks[i]), at);
		archive_mark(a, alert_new());
	}
	archive_stop(&a);
	f->octets = kit_load(f->path, &f->len);
}

static void tear_down(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		block_unref(&f->blocks[i]);
	names_free(&f->names);
	free(f->octets);
	free(f->path);
	kit_rm(f->dir);
}

static void a_whole_archive_is_verified_as_whole(void **state)
{
	struct archive_result res;
	struct fixture f;
	struct err err;

	(void)state;
	set_up(&f);
	assert_true(archive_verify(f.dir, NULL, NULL, &res, &err));
	assert_int_equal(res.files, 2);
	assert_int_equal(res.blocks, 4);
	tear_down(&f);
}

static void any_flipped_octet_is_noticed_and_costs_its_block_at_most(void **state)
{
	struct fixture f;
	struct err err;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < f.len; i++) {
		struct known k = { f.blocks, 4, 0, 0 };
		struct archive_result res, ver;

		f.octets[i] ^= (uint8_t)(1 << i % 8);
		kit_save(f.path, f.octets, f.len);
		f.octets[i] ^= (uint8_t)(1 << i % 8);
		res = read_all(f.dir, f.names, &k);
		assert_int_equal(k.strange, 0);
		assert_true(res.blocks_damaged > 0 || k.rows == 80);
		assert_true(k.rows >= 40); /* the other file is whole */
		assert_false(archive_verify(f.dir, NULL, NULL, &ver, &err));
	}
	tear_down(&f);
}

static void any_truncation_is_noticed(void **state)
{
	struct fixture f;
	struct err err;

	(void)state;
	set_up(&f);
	for (size_t len = 0; len < f.len; len++) {
		struct known k = { f.blocks, 4, 0, 0 };
		struct archive_result res, ver;

		kit_save(f.path, f.octets, len);
		res = read_all(f.dir, f.names, &k);
		assert_int_equal(k.strange, 0);
		assert_true(res.blocks_damaged > 0);
		assert_true(k.rows % 20 == 0 && k.rows >= 40 && k.rows <= 80);
		assert_false(archive_verify(f.dir, NULL, NULL, &ver, &err));
	}
	tear_down(&f);
}

/* As kill -9 leaves it: the open file ends anywhere. */
static void an_open_file_goes_on_after_its_last_whole_block(void **state)
{
	struct names *names = kit_names(2);
	char *dir = kit_dir(), *path = kit_file(dir, kit_t0);
	struct block *b[3];
	uint8_t *octets;
	size_t len, two;
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < 3; i++)
		b[i] = kit_block(names, 10, kit_t0, &seed);
	kit_write(dir, names, b, 1, kit_t0);
	kit_write(dir, names, b + 1, 1, kit_t0);
	octets = kit_load(path, &len);
	/* Where the last block began: everything before it is two thirds of the file. */
	kit_rm(xstrdup(dir));
	kit_write(dir, names, b, 1, kit_t0);
	free(kit_load(path, &two));
	for (size_t cut = two; cut <= len; cut++) {
		struct known k = { b, 3, 0, 0 };
		struct archive_result res;
		struct err err;

		kit_save(path, octets, cut);
		kit_write(dir, names, b + 2, 1, kit_t0 + 1);
		res = read_all(dir, names, &k);
		assert_int_equal(k.strange, 0);
		assert_int_equal(res.blocks_damaged, 0);
		assert_int_equal(k.rows, cut == len ? 30 : 20);
		assert_true(archive_verify(dir, NULL, NULL, &res, &err));
	}
	for (int i = 0; i < 3; i++)
		block_unref(&b[i]);
	free(octets);
	free(path);
	names_free(&names);
	kit_rm(dir);
}

static void a_crashed_file_gets_its_end_at_the_next_start(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir();
	uint64_t seed = 3;
	struct block *b = kit_block(names, 10, kit_t0, &seed);
	struct archive_result res;
	struct err err;

	(void)state;
	kit_write(dir, names, &b, 1, kit_t0); /* stopped, but not closed */
	kit_write(dir, names, &b, 1, kit_t0 + 5 * BIN_MS);
	kit_write(dir, names, &b, 1, kit_t0 + 7 * BIN_MS);
	assert_true(archive_verify(dir, NULL, NULL, &res, &err));
	assert_int_equal(res.files, 3);
	assert_int_equal(res.blocks, 3);
	block_unref(&b);
	names_free(&names);
	kit_rm(dir);
}

struct marks {
	unsigned n, late;
};

static void count_mark(void *arg, struct alert *a)
{
	struct marks *m = arg;

	m->n++;
	m->late += a->evidence_short;
	alert_unref(&a);
}

/* A limit on the size of files is what the kernel can do to us without a file system of
 * our own: the write comes out short, then fails. */
static void without_room_alerts_pass_and_no_file_is_torn(void **state)
{
	struct names *names = kit_names(2);
	char *dir = kit_dir();
	struct marks marks = { 0, 0 };
	struct archive_opts o = { .directory = dir,
				  .names = names,
				  .arg = &marks,
				  .queue_blocks = 1000,
				  .mark_done = count_mark };
	struct rlimit old, small;
	struct archive_stats st;
	struct archive_result res;
	uint64_t seed = 4;
	int64_t ms = kit_t0;
	struct archive *a;
	struct err err;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 30000, old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	a = archive_start(&o, &err);
	assert_non_null(a);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 20; i++, ms += 1000) {
		archive_block(a, kit_block(names, BLOCK_ROWS, ms, &seed), ms);
		archive_mark(a, alert_new());
		archive_tick(a, ms);
	}
	while (archive_stats(a, &st), st.queued_blocks)
		usleep(1000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	for (int i = 0; i < 10; i++, ms += 1000) {
		archive_block(a, kit_block(names, 100, ms, &seed), ms);
		archive_tick(a, ms);
	}
	archive_mark(a, alert_new());
	archive_stop(&a);
	assert_int_equal(marks.n, 21);
	assert_true(marks.late >= 10 && marks.late < 21);
	assert_true(archive_verify(dir, NULL, NULL, &res, &err));
	/* What was gathered when room came back was written, all later rows as well. */
	assert_true(res.blocks >= 2);
	names_free(&names);
	kit_rm(dir);
}

static void a_full_queue_drops_blocks_and_counts_them_never_marks(void **state)
{
	struct names *names = kit_names(1);
	char *dir = kit_dir();
	struct marks marks = { 0, 0 };
	struct archive_opts o = { .directory = dir,
				  .names = names,
				  .arg = &marks,
				  .queue_blocks = 1,
				  .mark_done = count_mark };
	struct archive_stats st;
	uint64_t seed = 5, sent = 0;
	struct archive *a;
	struct err err;

	(void)state;
	a = archive_start(&o, &err);
	assert_non_null(a);
	for (int i = 0; i < 200; i++) {
		struct block *b = kit_block(names, 50, kit_t0, &seed);

		sent += b->n;
		archive_block(a, b, kit_t0);
		archive_mark(a, alert_new());
	}
	while (archive_stats(a, &st), st.flows_written + st.flows_dropped < sent)
		usleep(1000);
	assert_int_equal(st.flows_written + st.flows_dropped, sent);
	archive_stop(&a);
	assert_int_equal(marks.n, 200);
	names_free(&names);
	kit_rm(dir);
}

/* Writes without a pause until it is killed. */
static void write_for_ever(const char *dir, int64_t ms, uint64_t seed)
{
	struct names *names = kit_names(2);
	struct archive *a = kit_start(dir, names, NULL);
	struct block *b = kit_block(names, 500, ms, &seed);

	for (;; ms += 3000) {
		archive_block(a, block_ref(b), ms);
		archive_tick(a, ms);
		usleep(100);
	}
}

static void killed_at_any_moment_all_that_was_written_is_whole(void **state)
{
	char *dir = kit_dir();
	struct names *names = kit_names(1);
	struct block *b;
	uint64_t seed = 6;
	struct archive_result res;
	struct err err;

	(void)state;
	for (int i = 0; i < 25; i++) {
		pid_t pid = fork();

		if (!pid)
			write_for_ever(dir, kit_t0 + i * BIN_MS / 3, seed);
		usleep((useconds_t)(kit_rnd(&seed) % 40000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	/* One more start mends what the last one left. */
	b = kit_block(names, 1, kit_t0, &seed);
	kit_write(dir, names, &b, 1, kit_t0 + 1000 * BIN_MS);
	assert_true(archive_verify(dir, NULL, NULL, &res, &err));
	assert_true(res.blocks > 0);
	block_unref(&b);
	names_free(&names);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_archive_is_verified_as_whole),
		cmocka_unit_test(
		    any_flipped_octet_is_noticed_and_costs_its_block_at_most),
		cmocka_unit_test(any_truncation_is_noticed),
		cmocka_unit_test(an_open_file_goes_on_after_its_last_whole_block),
		cmocka_unit_test(a_crashed_file_gets_its_end_at_the_next_start),
		cmocka_unit_test(without_room_alerts_pass_and_no_file_is_torn),
		cmocka_unit_test(killed_at_any_moment_all_that_was_written_is_whole),
		cmocka_unit_test(a_full_queue_drops_blocks_and_counts_them_never_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
