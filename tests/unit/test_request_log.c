/* test_request_log.c - requests kept beside the archive, and found again.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include "daemon/evidence/request_log.h"
#include "storage/archive/beside.h"

#include <sys/stat.h>

static const char *const urls[] = { "cdn-7.example.net/music/track01.mp3", "bank.example:443",
				    "www.example.org/<script>alert(1)</script>",
				    "\xff\x01\x1b[31m" };

static void fill(struct request *r, unsigned i, int64_t end_ms)
{
	char client[ADDR_TEXT];

	*r = (struct request){ .start_ms = end_ms - (int64_t)(i % 7) * 1000, .end_ms = end_ms,
			       .client_port = (uint16_t)i, .proxy_port = 40000,
			       .origin_port = 80, .received = 1000 + i,
			       .sent = i % 3 ? 300 : 0, .cached = i % 5 == 0,
			       .url = (char *)urls[i % 4] };
	snprintf(client, sizeof(client), "10.20.0.%u", i % 200);
	assert_true(addr_parse(client, &r->client));
	if (!r->cached)
		assert_true(addr_parse("198.51.100.10", &r->origin));
}

static void add(struct request_log *l, unsigned i, int64_t end_ms, int64_t now_ms, bool again)
{
	struct request r;

	fill(&r, i, end_ms);
	request_log_add(l, &r, again, now_ms);
}

struct seen {
	unsigned n;
	uint64_t received;
};

static bool count(void *arg, const struct request *r)
{
	struct seen *s = arg;

	s->n++;
	s->received += r->received;
	return *r->url != '\0';
}

static struct seen look(const char *dir, int64_t from_ms, int64_t to_ms,
			struct request_read *read)
{
	struct seen s = { 0 };
	struct err err = { "" };

	assert_true(request_log_read(dir, from_ms, to_ms, count, &s, read, &err));
	return s;
}

static unsigned how_many(const char *dir, int64_t from_ms, int64_t to_ms)
{
	struct request_read read;

	return look(dir, from_ms, to_ms, &read).n;
}

static bool same(void *arg, const struct request *r)
{
	unsigned *i = arg;
	struct request want;

	fill(&want, *i, kit_t0 + *i);
	assert_int_equal(r->start_ms, want.start_ms);
	assert_int_equal(r->end_ms, want.end_ms);
	assert_true(addr_eq(&r->client, &want.client) && addr_eq(&r->origin, &want.origin) &&
		    addr_eq(&r->proxy, &want.proxy));
	assert_int_equal(r->client_port, want.client_port);
	assert_int_equal(r->proxy_port, want.proxy_port);
	assert_int_equal(r->origin_port, want.origin_port);
	assert_int_equal(r->received, want.received);
	assert_int_equal(r->sent, want.sent);
	assert_int_equal(r->cached, want.cached);
	assert_string_equal(r->url, want.url);
	++*i;
	return true;
}

static void what_is_kept_is_read_back_to_the_last_field(void **state)
{
	char *dir = kit_dir();
	struct request_log *l = request_log_open(dir, 0, kit_t0);
	struct request_read read;
	struct err err = { "" };
	struct stat st;
	char path[DIR_PATH];
	unsigned i = 0;

	(void)state;
	for (unsigned k = 0; k < 20000; k++)
		add(l, k, kit_t0 + k, kit_t0 + 1000, false);
	request_log_close(&l, kit_t0 + 2000);
	assert_true(request_log_read(dir, 0, INT64_MAX, same, &i, &read, &err));
	assert_int_equal(i, 20000);
	assert_int_equal(read.blocks, 3);
	assert_int_equal(read.damaged, 0);
	assert_int_equal(read.oldest_ms, kit_t0);
	assert_int_equal(stat(beside_path(dir, kit_t0 / 1000, BESIDE_REQUESTS, path), &st), 0);
	print_message("%.1f octets a request\n", (double)st.st_size / 20000);
	/* A reader that has enough stops. */
	i = 0;
	assert_true(request_log_read(dir, kit_t0 + 19999, INT64_MAX, count,
				     &(struct seen){ 0 }, &read, &err));
	assert_int_equal(read.requests, 1);
	assert_int_equal(how_many("/nonexistent/nowhere", 0, INT64_MAX), 0);
	kit_rm(dir);
}

static void a_request_is_found_by_its_time_whenever_its_line_came(void **state)
{
	char *dir = kit_dir();
	struct request_log *l = request_log_open(dir, 0, kit_t0);
	struct request_read read;
	struct seen s;

	(void)state;
	add(l, 1, kit_t0 + 1000, kit_t0 + 2000, false);
	request_log_tick(l, kit_t0 + 3000);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 0); /* waits */
	request_log_tick(l, kit_t0 + 7000);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 1);
	/* Of an hour before, read only now; a tunnel of a day. */
	add(l, 7, kit_t0 - 3600000, kit_t0 + 900000, false);
	request_log_add(l, &(struct request){ .start_ms = kit_t0 - 80000000,
					      .end_ms = kit_t0 + 890000,
					      .url = (char *)"vpn.example:443" },
			false, kit_t0 + 900000);
	request_log_tick(l, kit_t0 + 910000);
	request_log_tick(l, kit_t0 + 1300000); /* ends the file */
	assert_int_equal(how_many(dir, kit_t0 - 3600000, kit_t0 - 3599999), 2);
	assert_int_equal(how_many(dir, kit_t0 - 70000000, kit_t0 - 69999999), 1);
	assert_int_equal(how_many(dir, kit_t0 + 1000, kit_t0 + 1001), 2);
	assert_int_equal(how_many(dir, kit_t0 + 890001, INT64_MAX), 0);
	/* What lies wholly outside is not unpacked. */
	s = look(dir, kit_t0 + 890001, INT64_MAX, &read);
	assert_int_equal(s.n, 0);
	assert_int_equal(read.blocks, 0);
	request_log_close(&l, kit_t0 + 1300000);
	kit_rm(dir);
}

static void after_a_crash_nothing_is_kept_twice_and_a_torn_end_is_cut(void **state)
{
	char *dir = kit_dir(), path[DIR_PATH];
	struct request_log *l = request_log_open(dir, 0, kit_t0), *crashed = l;
	struct stat st;

	(void)state;
	for (unsigned k = 0; k < 100; k++)
		add(l, k, kit_t0 + k, kit_t0 + 1000, true);
	assert_true(request_log_write(l, kit_t0 + 1000));
	/* A second one opens what a crash left: no END, half a block behind. */
	beside_path(dir, kit_t0 / 1000, BESIDE_REQUESTS, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + 77), 0);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 100);
	l = request_log_open(dir, 0, kit_t0 + 5000);
	for (unsigned k = 60; k < 120; k++) /* read again from the position */
		add(l, k, kit_t0 + k, kit_t0 + 6000, true);
	add(l, 99, kit_t0 + 99, kit_t0 + 6000, true); /* the very same, but new */
	request_log_close(&l, kit_t0 + 7000);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 121);
	request_log_close(&crashed, kit_t0 + 7000);
	kit_rm(dir);
}

static void a_damaged_block_costs_only_itself(void **state)
{
	char *dir = kit_dir(), path[DIR_PATH];
	struct request_log *l = request_log_open(dir, 0, kit_t0);
	struct request_read read;
	size_t len;
	uint8_t *p;

	(void)state;
	for (unsigned k = 0; k < 40; k++) {
		add(l, k, kit_t0 + k, kit_t0 + 1000, false);
		if (k % 10 == 9)
			assert_true(request_log_write(l, kit_t0 + 1000));
	}
	request_log_close(&l, kit_t0 + 2000);
	beside_path(dir, kit_t0 / 1000, BESIDE_REQUESTS, path);
	p = kit_load(path, &len);
	/* Any octet flipped: never more than its block is lost, and it is counted. */
	for (size_t i = 0; i < len; i++) {
		struct seen s;

		p[i] ^= 0x55;
		kit_save(path, p, len);
		s = look(dir, 0, INT64_MAX, &read);
		assert_true(s.n >= 30 && s.n <= 40);
		assert_true(s.n == 40 || read.damaged);
		p[i] ^= 0x55;
	}
	/* Cut anywhere. */
	for (size_t i = 0; i < len; i += 3) {
		kit_save(path, p, i);
		assert_true(look(dir, 0, INT64_MAX, &read).n <= 40);
	}
	free(p);
	kit_rm(dir);
}

static void requests_go_when_their_flows_go(void **state)
{
	enum { HOUR = 3600000 };
	char *dir = kit_dir(), flows[DIR_PATH];
	struct request_log *l = request_log_open(dir, HOUR, kit_t0);

	(void)state;
	add(l, 1, kit_t0, kit_t0, false);
	add(l, 2, kit_t0, kit_t0 + 1, false);
	request_log_tick(l, kit_t0 + 6000);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 2);
	/* With the flow file that lies beside. */
	assert_true(dir_remove(dir, kit_t0 / 1000));
	assert_int_equal(how_many(dir, 0, INT64_MAX), 0);
	assert_int_equal(access(dir, F_OK), 0);
	request_log_close(&l, kit_t0 + 7000);

	/* Alone, by age; but not because a clock jumped. */
	l = request_log_open(dir, HOUR, kit_t0 + 300000);
	add(l, 3, kit_t0 + 300000, kit_t0 + 300000, false);
	request_log_tick(l, kit_t0 + 306000);
	beside_path(dir, kit_t0 / 1000 + 300, BESIDE_REQUESTS, flows);
	strcpy(strrchr(flows, '.'), ".cul"); /* its flows are to stay for longer */
	fclose(fopen(flows, "w"));
	request_log_tick(l, kit_t0 + INT64_C(10) * 365 * 24 * HOUR);
	request_log_tick(l, kit_t0 + INT64_C(10) * 365 * 24 * HOUR + 400000);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 1);
	request_log_tick(l, kit_t0 + 310000);
	for (int64_t at = 610000; at < 3 * HOUR; at += 310000)
		request_log_tick(l, kit_t0 + at);
	assert_int_equal(how_many(dir, 0, INT64_MAX), 0);
	assert_int_equal(access(flows, F_OK), 0);
	request_log_close(&l, kit_t0 + 3 * HOUR);
	kit_rm(dir);
}

static void requests_count_in_the_archives_size(void **state)
{
	char *dir = kit_dir(), *big = xcalloc(1, 1000000), path[DIR_PATH];
	struct names *names = kit_names(1);
	uint64_t seed = 1;
	struct block *b = kit_block(names, 100, kit_t0, &seed);
	struct archive_opts o = { .directory = dir, .names = names, .max_octets = 1500000,
				  .min_free = 1, .mark_done = kit_mark_done };
	struct archive *a;
	struct err err = { "" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		int64_t at_ms = kit_t0 + i * INT64_C(300000);

		kit_write(dir, names, &b, 1, at_ms);
		kit_save(beside_path(dir, at_ms / 1000, BESIDE_REQUESTS, path), big, 1000000);
	}
	a = archive_start(&o, &err);
	assert_non_null(a);
	archive_tick(a, kit_t0 + 601000); /* in the third file, which is open */
	archive_stop(&a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    access(dir_path(dir, (kit_t0 + i * 300000) / 1000, path), F_OK), i ? 0 : -1);
	assert_int_equal(beside_octets(dir, kit_t0 / 1000, BESIDE_REQUESTS), 0);
	assert_int_equal(beside_octets(dir, kit_t0 / 1000 + 300, BESIDE_REQUESTS), 1000000);
	block_unref(&b);
	names_free(&names);
	free(big);
	kit_rm(dir);
}

static void a_directory_that_cannot_be_written_loses_nothing_yet(void **state)
{
	char *dir = kit_dir(), *file = xasprintf("%s/f", dir), *under;
	struct request_log *l;

	(void)state;
	kit_save(file, "", 0);
	under = xasprintf("%s/f/flows", dir); /* a file stands where a folder should */
	l = request_log_open(under, 0, kit_t0);
	for (unsigned k = 0; k < 70000; k++)
		add(l, k, kit_t0 + k, kit_t0 + 1000, false);
	assert_false(request_log_write(l, kit_t0 + 7000));
	assert_true(request_log_dropped(l) > 0 && request_log_dropped(l) <= 2 * 8192);
	assert_int_equal(unlink(file), 0);
	assert_true(request_log_write(l, kit_t0 + 20000));
	assert_int_equal(how_many(under, 0, INT64_MAX), 70000 - request_log_dropped(l));
	request_log_close(&l, kit_t0 + 20000);
	free(under);
	free(file);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_read_back_to_the_last_field),
		cmocka_unit_test(a_request_is_found_by_its_time_whenever_its_line_came),
		cmocka_unit_test(after_a_crash_nothing_is_kept_twice_and_a_torn_end_is_cut),
		cmocka_unit_test(a_damaged_block_costs_only_itself),
		cmocka_unit_test(requests_go_when_their_flows_go),
		cmocka_unit_test(requests_count_in_the_archives_size),
		cmocka_unit_test(a_directory_that_cannot_be_written_loses_nothing_yet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
