/* test_summary.c - what summaries answer is what the flows answer.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "daemon/evidence/top.h"
#include "storage/archive/summary.h"

#include <sys/stat.h>

enum { BINS = 12 };

/* What is put into a file, for each bin and row of it. */
typedef void make_f(struct block *b, uint32_t r, int bin, uint64_t *seed);

static void as_routers_send(struct block *b, uint32_t r, int bin, uint64_t *seed)
{
	(void)bin;
	if (kit_rnd(seed) % 50 == 0) /* to itself */
		b->dst[r] = b->src[r];
	if (kit_rnd(seed) % 20 == 0)
		b->counts[r] = COUNT_IN;
	b->flows[r] = (uint32_t)(kit_rnd(seed) % 3);
	b->src_as[r] = (uint32_t)(kit_rnd(seed) % 400);
	b->sampling[r] = kit_rnd(seed) % 2 ? 100 : 0;
}

/* Every key has nearly the same, so that no bound tells any from the rest. */
static void all_alike(struct block *b, uint32_t r, int bin, uint64_t *seed)
{
	(void)bin;
	kit_addr(&b->src[r], kit_rnd(seed) % 1500);
	kit_addr(&b->dst[r], 70000 + kit_rnd(seed) % 1500);
	b->bytes[r] = 1000;
	b->packets[r] = 1;
	b->src_as[r] = (uint32_t)(kit_rnd(seed) % 1000);
}

/* In each bin other hosts lead; over all of them one leads that is never on a list. */
static void never_listed_yet_first(struct block *b, uint32_t r, int bin, uint64_t *seed)
{
	bool quiet = r % 3 == 0;

	kit_addr(&b->src[r], quiet ? 7 : (uint64_t)bin * 1000 + r % 600);
	kit_addr(&b->dst[r], quiet ? 8 : 80000 + kit_rnd(seed) % 900);
	b->bytes[r] = quiet ? (r % 1200 ? 0 : 900) : 1000 + r % 600;
	b->packets[r] = 1;
}

/* A few that lead by far, some in a few bins only, over much that is small. */
static void some_lead(struct block *b, uint32_t r, int bin, uint64_t *seed)
{
	if (kit_rnd(seed) % 4)
		return;
	kit_addr(&b->src[r], (uint64_t)(bin % 4 == 1 ? 60000 : 0) + kit_rnd(seed) % 12);
	kit_addr(&b->dst[r], 90000 + b->src[r].b[15]);
	b->src_port[r] = 40000;
	b->dst_port[r] = 443;
	b->bytes[r] = 1000000 + kit_rnd(seed) % 1000;
}

/* Sums that do not fit into 32 bits, and addresses that are no dictionary's. */
static void large_and_random(struct block *b, uint32_t r, int bin, uint64_t *seed)
{
	(void)bin;
	if (r % 2)
		kit_addr(&b->src[r], kit_rnd(seed));
	b->bytes[r] = kit_rnd(seed) >> 24;
	b->packets[r] = kit_rnd(seed) >> 34;
}

struct fixture {
	char *dir;
	struct names *names;
};

static void fill(struct fixture *f, make_f *make, uint32_t rows)
{
	struct archive_opts o = { .no_summaries = true,
				  .queue_blocks = 1000,
				  .mark_done = kit_mark_done };
	uint64_t seed = 7;
	struct archive *a;
	struct err err;

	f->dir = kit_dir();
	f->names = kit_names(3);
	o.directory = f->dir;
	o.names = f->names;
	a = archive_start(&o, &err);
	assert_non_null(a);
	for (int bin = 0; bin < BINS; bin++)
		for (int part = 0; part < 2; part++) {
			int64_t at = kit_t0 + bin * BIN_MS + part * 60000;
			struct block *b = kit_block(f->names, rows, at, &seed);

			block_use(b, F_flows);
			block_use(b, F_counts);
			block_use(b, F_sampling);
			for (uint32_t r = 0; r < b->n; r++)
				make(b, r, bin, &seed);
			archive_block(a, b, at);
			archive_mark(a, alert_new());
		}
	archive_tick(a, kit_t0 + (BINS + 1) * BIN_MS); /* closes the last one */
	archive_stop(&a);
}

static void sum_up(const struct fixture *f)
{
	struct err err = { "" };

	for (int bin = 0; bin < BINS; bin++)
		if (!summary_make(f->dir, (kit_t0 + bin * BIN_MS) / 1000, NULL, &err))
			fail_msg("%s", err.msg);
}

static void tear_down(struct fixture *f)
{
	names_free(&f->names);
	kit_rm(f->dir);
}

static void same(const struct top_query *q, const struct top_result *a,
		 const struct top_result *b, const char *what)
{
	if (a->n != b->n || memcmp(&a->total, &b->total, sizeof(a->total)) ||
	    a->sampling != b->sampling || (a->distinct && a->distinct != b->distinct))
		fail_msg("%s: %u rows, %u when read", what, a->n, b->n);
	for (unsigned i = 0; i < a->n; i++) {
		if (memcmp(&a->rows[i].sums, &b->rows[i].sums, sizeof(struct sums)))
			fail_msg("%s: row %u has other sums", what, i);
		for (unsigned k = 0; k < q->n_keys; k++)
			assert_string_equal(a->rows[i].value[k].text,
					    b->rows[i].value[k].text);
	}
}

static const char *const keys[] = { "host", "src",    "dst",	"src,dst", "flow",
				    "port", "proto",  "as",	"src-as",  "dst-as",
				    "none", "exporter", "interface", "vlan", NULL };

/* Asks in every way and compares; returns how many files summaries stood for. */
static uint64_t compare(const struct fixture *f)
{
	static const struct {
		int64_t from, to;
	} times[] = { { -3600000, 8 * 3600000 },
		      { 0, 10 * BIN_MS },
		      { BIN_MS + 100000, 9 * BIN_MS - 50000 } };
	uint64_t stood = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys) * ARRAY_LEN(times) * 2; i++) {
		const char *by = keys[i % ARRAY_LEN(keys)];
		size_t t = i / ARRAY_LEN(keys) % ARRAY_LEN(times);
		struct top_query q = { .directory = f->dir,
				       .names = f->names,
				       .from_ms = kit_t0 + times[t].from,
				       .to_ms = kit_t0 + times[t].to,
				       .order = (enum top_order)(
					   (i + i / ARRAY_LEN(keys)) % 3),
				       .whole = i / ARRAY_LEN(keys) / ARRAY_LEN(times),
				       .n = i % 2 ? 10 : 3,
				       .threads = 1 + (unsigned)i % 2 };
		struct top_result summed, read;
		struct err err = { "" };
		char what[100];

		q.n_keys = by ? top_keys_parse(by, q.keys, &err) : 0;
		assert_string_equal(err.msg, "");
		assert_true(top_run(&q, &summed, &err));
		q.no_summaries = true;
		assert_true(top_run(&q, &read, &err));
		snprintf(what, sizeof(what), "by %s, order %d, time %zu, whole %d",
			 by ? by : "nothing", q.order, t, q.whole);
		same(&q, &summed, &read, what);
		assert_int_equal(read.read.summaries, 0);
		stood += summed.read.summaries;
		top_free(&summed);
		top_free(&read);
	}
	return stood;
}

static void summaries_answer_what_the_flows_answer(void **state)
{
	static const struct {
		make_f *make;
		uint32_t rows;
	} cases[] = {
		{ as_routers_send, 40 },     { as_routers_send, 1200 },
		{ all_alike, 700 },	     { never_listed_yet_first, 700 },
		{ some_lead, 700 },	     { large_and_random, 700 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;
		uint64_t stood;

		fill(&f, cases[i].make, cases[i].rows);
		sum_up(&f);
		stood = compare(&f);
		assert_true(stood > 0);
		tear_down(&f);
	}
}

/* How often the files' summaries stood for them when asked for so many keys. */
static uint64_t stood_for(const struct fixture *f, const char *by)
{
	struct top_query q = { .directory = f->dir,
			       .names = f->names,
			       .from_ms = kit_t0 - 3600000,
			       .to_ms = kit_t0 + 8 * 3600000,
			       .n = 5 };
	struct top_result r;
	struct err err;
	uint64_t n;

	q.n_keys = top_keys_parse(by, q.keys, &err);
	assert_true(top_run(&q, &r, &err));
	n = r.read.summaries;
	top_free(&r);
	return n;
}

static void leaders_are_told_by_summaries_alone(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f, some_lead, 2000);
	assert_int_equal(stood_for(&f, "host"), 0);
	sum_up(&f);
	assert_int_equal(stood_for(&f, "host"), BINS);
	assert_int_equal(stood_for(&f, "proto"), BINS);
	assert_true(stood_for(&f, "flow") > 0);
	assert_int_equal(stood_for(&f, "vlan"), 0); /* no list of those */
	tear_down(&f);
}

/* Of one file: what is listed is exact, and nothing else has more than the bound. */
static void lists_are_exact_and_bounds_hold(void **state)
{
	struct summary_reader *r = summary_reader_new();
	make_f *const makes[] = { as_routers_send, all_alike, some_lead,
				  large_and_random };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(makes) * LIST_EXPORTER; i++) {
		enum list_kind kind = (enum list_kind)(i % LIST_EXPORTER);
		size_t octets = list_octets(kind), listed = 0;
		const struct summary *s;
		struct top_query q = { .from_ms = INT64_MIN, .to_ms = INT64_MAX,
				       .n = 20000, .whole = true, .no_summaries = true };
		struct top_result all;
		struct err err = { "" };
		static struct fixture f;
		char *path, *bad;
		struct stat st;
		struct list l;

		if (kind == 0)
			fill(&f, makes[i / LIST_EXPORTER], 1500);
		q.directory = f.dir;
		q.names = f.names;
		assert_true(summary_make(f.dir, kit_t0 / 1000, NULL, &err));
		path = kit_file(f.dir, kit_t0);
		assert_int_equal(stat(path, &st), 0);
		free(path);
		q.n_keys = top_keys_parse(keys[kind], q.keys, &err);
		/* Only the first file is asked about: the others are moved away. */
		bad = xasprintf("cd %s/2026/*/*/ && mkdir -p x && "
				"mv $(ls *.cul | tail -n +2) x 2>/dev/null; true", f.dir);
		assert_int_equal(system(bad), 0);
		free(bad);
		q.to_ms = INT64_MAX;
		assert_true(top_run(&q, &all, &err));
		{
			struct totals t;
			uint64_t check;
			char *name = kit_file(f.dir, kit_t0);
			FILE *file = fopen(name, "rb");

			assert_true(file_closed(fileno(file), (uint64_t)st.st_size, &t,
						&check));
			fclose(file);
			free(name);
			s = summary_open(r, f.dir, kit_t0 / 1000, (uint64_t)st.st_size,
					 check);
		}
		assert_non_null(s);
		assert_int_equal(s->counted.bytes, all.total.bytes);
		assert_true(summary_list(r, kind, NULL, &l));
		for (unsigned j = 0; j < all.n; j++) {
			const struct sums *sums = &all.rows[j].sums;
			uint8_t key[LIST_KEY];
			struct sums told;
			bool on = false;
			size_t at = 0;

			for (unsigned k = 0; k < q.n_keys; k++) {
				size_t len = by_octets(q.keys[k].by);

				memcpy(key + at, all.rows[j].key[k].b, len);
				at += len;
			}
			assert_int_equal(at, octets);
			for (uint32_t e = 0; e < l.n && !on; e++)
				on = !memcmp(l.keys + e * octets, key, octets);
			listed += on;
			if (on || (kind == LIST_HOST && s->list[kind].rest)) {
				assert_true(summary_find(r, kind, key, &told));
				assert_memory_equal(&told, sums, sizeof(told));
			}
			if (!on) {
				assert_true(sums->bytes <= s->list[kind].bound.bytes);
				assert_true(sums->packets <=
					    s->list[kind].bound.packets);
				assert_true(sums->flows <= s->list[kind].bound.flows);
			}
			assert_true(summary_list(r, kind, NULL, &l));
		}
		assert_int_equal(listed, l.n);
		top_free(&all);
		if (kind == LIST_EXPORTER - 1)
			tear_down(&f);
	}
	summary_reader_free(&r);
}

static struct top_result ask(const struct fixture *f, const char *by)
{
	struct top_query q = { .directory = f->dir,
			       .names = f->names,
			       .from_ms = kit_t0 - 3600000,
			       .to_ms = kit_t0 + 8 * 3600000,
			       .n = 5,
			       .threads = 1 };
	struct top_result r;
	struct err err;

	q.n_keys = top_keys_parse(by, q.keys, &err);
	assert_true(top_run(&q, &r, &err));
	assert_int_equal(r.read.blocks_damaged, 0);
	return r;
}

static char *summary_of(const struct fixture *f, int bin)
{
	char path[DIR_PATH];

	return xstrdup(
	    dir_summary_path(f->dir, (kit_t0 + bin * BIN_MS) / 1000, path));
}

/* A summary that is not what was written stands for nothing: the flows are read. */
static void a_damaged_summary_is_not_believed(void **state)
{
	struct top_query q = { .n_keys = 1 };
	struct top_result want, got;
	struct fixture f;
	uint8_t *octets;
	char *path;
	size_t len;
	uint64_t seed = 3;

	(void)state;
	fill(&f, as_routers_send, 30);
	sum_up(&f);
	path = summary_of(&f, 1);
	octets = kit_load(path, &len);
	want = ask(&f, "host");
	assert_int_equal(want.read.summaries, BINS);
	for (size_t i = 0; i < len; i++) {
		octets[i] ^= (uint8_t)(1 << i % 8);
		kit_save(path, octets, len);
		octets[i] ^= (uint8_t)(1 << i % 8);
		assert_false(summary_there(f.dir, (kit_t0 + BIN_MS) / 1000));
		if (i % 11) /* a question takes a hundred times as long */
			continue;
		got = ask(&f, "host");
		same(&q, &got, &want, "flipped");
		assert_true(got.read.summaries >= BINS - 1);
		top_free(&got);
	}
	for (size_t cut = 0; cut < len; cut += 1 + kit_rnd(&seed) % 31) {
		kit_save(path, octets, cut);
		got = ask(&f, "host");
		same(&q, &got, &want, "cut");
		top_free(&got);
		if (cut + 1 < len)
			assert_false(summary_there(f.dir, (kit_t0 + BIN_MS) / 1000));
	}
	top_free(&want);
	free(octets);
	free(path);
	tear_down(&f);
}

static void another_files_summary_is_not_believed(void **state)
{
	struct top_query q = { .n_keys = 1 };
	struct top_result want, got;
	struct fixture f;
	uint8_t *octets;
	char *path, *other;
	size_t len;

	(void)state;
	fill(&f, as_routers_send, 30);
	want = ask(&f, "host");
	sum_up(&f);
	path = summary_of(&f, 1);
	other = summary_of(&f, 2);
	octets = kit_load(path, &len);
	kit_save(other, octets, len);
	assert_false(summary_there(f.dir, (kit_t0 + 2 * BIN_MS) / 1000));
	got = ask(&f, "host");
	same(&q, &got, &want, "exchanged");
	assert_int_equal(got.read.summaries, BINS - 1);
	top_free(&got);
	/* The file itself is another one now. */
	free(octets);
	free(path);
	path = kit_file(f.dir, kit_t0 + 3 * BIN_MS);
	octets = kit_load(path, &len);
	free(path);
	path = kit_file(f.dir, kit_t0 + 4 * BIN_MS);
	kit_save(path, octets, len);
	assert_false(summary_there(f.dir, (kit_t0 + 4 * BIN_MS) / 1000));
	top_free(&want);
	free(octets);
	free(path);
	free(other);
	tear_down(&f);
}

static void a_damaged_file_gets_no_summary(void **state)
{
	struct fixture f;
	struct err err = { "" };
	uint8_t *octets;
	char *path, *sum;
	size_t len;

	(void)state;
	fill(&f, as_routers_send, 30);
	path = kit_file(f.dir, kit_t0);
	sum = summary_of(&f, 0);
	octets = kit_load(path, &len);
	octets[len / 2] ^= 1;
	kit_save(path, octets, len);
	unlink(sum);
	assert_false(summary_make(f.dir, kit_t0 / 1000, NULL, &err));
	assert_non_null(strstr(err.msg, "damaged"));
	assert_int_equal(access(sum, F_OK), -1);
	free(octets);
	free(path);
	free(sum);
	tear_down(&f);
}

static void wait_until_there(const struct fixture *f, int bin)
{
	for (int i = 0; !summary_there(f->dir, (kit_t0 + bin * BIN_MS) / 1000); i++) {
		assert_true(i < 2000);
		usleep(5000);
	}
}

static void the_archive_makes_what_is_missing_or_damaged(void **state)
{
	struct archive_stats st;
	struct archive *a;
	struct fixture f;
	char *path;

	(void)state;
	fill(&f, as_routers_send, 30);
	sum_up(&f);
	path = summary_of(&f, 3);
	kit_save(path, "no summary", 10);
	free(path);
	path = summary_of(&f, 5);
	assert_int_equal(unlink(path), 0);
	free(path);
	a = kit_start(f.dir, f.names, NULL);
	wait_until_there(&f, 3);
	wait_until_there(&f, 5);
	archive_stats(a, &st);
	assert_true(st.octets > 0);
	archive_stop(&a);
	assert_int_equal(stood_for(&f, "host"), BINS);
	tear_down(&f);
}

static void expiry_takes_summaries_with_their_files(void **state)
{
	struct archive_opts o = { .keep_ms = 600000, .mark_done = kit_mark_done };
	struct fixture f;
	struct archive *a;
	struct err err;
	char *path;

	(void)state;
	fill(&f, as_routers_send, 30);
	sum_up(&f);
	o.directory = f.dir;
	o.names = f.names;
	a = archive_start(&o, &err);
	assert_non_null(a);
	archive_tick(a, kit_t0 + 90 * BIN_MS);
	archive_stop(&a);
	for (int bin = 0; bin < BINS; bin++) {
		path = summary_of(&f, bin);
		assert_int_equal(access(path, F_OK), -1);
		free(path);
	}
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summaries_answer_what_the_flows_answer),
		cmocka_unit_test(leaders_are_told_by_summaries_alone),
		cmocka_unit_test(lists_are_exact_and_bounds_hold),
		cmocka_unit_test(a_damaged_summary_is_not_believed),
		cmocka_unit_test(another_files_summary_is_not_believed),
		cmocka_unit_test(a_damaged_file_gets_no_summary),
		cmocka_unit_test(the_archive_makes_what_is_missing_or_damaged),
		cmocka_unit_test(expiry_takes_summaries_with_their_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
