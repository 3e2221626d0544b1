/* test_top.c - top lists against the same counted by hand.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/top.h"
#include "daemon/model/rows.h"
#include "daemon/model/slice.h"

#include <inttypes.h>

enum { BLOCKS = 6, ROWS = 900, SEEN_MAX = BLOCKS * ROWS * 2, SAMPLED = 1 };

struct fixture {
	char *dir;
	struct names *names;
	struct block *blocks[BLOCKS];
};

static struct fixture fx;

static int set_up(void **state)
{
	uint64_t seed = 1;
	struct archive *a;

	(void)state;
	fx.dir = kit_dir();
	fx.names = kit_names(3);
	a = kit_start(fx.dir, fx.names, NULL);
	for (int i = 0; i < BLOCKS; i++) {
		int64_t at = kit_t0 + i * 100000;
		struct block *b = kit_block(fx.names, ROWS, at, &seed);

		/* Some long flows, flows of several, and what does not count in all. */
		block_use(b, F_flows);
		block_use(b, F_counts);
		block_use(b, F_app_name);
		block_use(b, F_sampling);
		for (uint32_t r = 0; r < b->n; r++) {
			b->sampling[r] = b->exporter[r] == SAMPLED ? 10 + r % 91 : 0;
			if (r % 7 == 0)
				b->start_ms[r] -= 400000;
			if (r % 11 == 0)
				b->start_ms[r] = b->end_ms[r];
			b->flows[r] = r % 13 == 0 ? 3 : 0;
			b->counts[r] = r % 5 == 0 ? COUNT_IN : 0;
			if (r % 3)
				b->app_name[r] = block_text(
				    b, r % 3 == 1 ? "web" : "mail", r % 3 == 1 ? 3 : 4);
		}
		fx.blocks[i] = b;
		archive_block(a, block_ref(b), at);
		if (i % 2)
			archive_mark(a, alert_new()); /* several parts a file */
	}
	archive_stop(&a);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < BLOCKS; i++)
		block_unref(&fx.blocks[i]);
	names_free(&fx.names);
	kit_rm(fx.dir);
	return 0;
}

struct seen {
	struct key key;
	struct sums sums;
};

static uint64_t share(uint64_t total, int64_t start, int64_t end, int64_t from,
		      int64_t to)
{
	return share_upto(total, start, end, to) - share_upto(total, start, end, from);
}

/* What a row counts; false: it is not in the time. */
static bool sums_of_row(const struct top_query *q, const struct block *b, uint32_t r,
		     struct sums *s)
{
	int64_t start = b->start_ms[r], end = b->end_ms[r];
	uint64_t flows = b->flows[r] ? b->flows[r] : 1;
	int64_t last = end > start ? end - 1 : start;

	if (!(start < q->to_ms && (end > q->from_ms || start >= q->from_ms)))
		return false;
	*s = (struct sums){ b->bytes[r], b->packets[r], flows };
	if (q->whole || start == end)
		return true;
	s->bytes = share(b->bytes[r], start, end, q->from_ms, q->to_ms);
	s->packets = share(b->packets[r], start, end, q->from_ms, q->to_ms);
	s->flows = last >= q->from_ms && last < q->to_ms ? flows : 0;
	return true;
}

static void count(struct seen *seen, size_t *n, const struct key *k, const struct sums *s)
{
	size_t i = 0;

	while (i < *n && memcmp(&seen[i].key, k, sizeof(*k)))
		i++;
	if (i == *n)
		seen[(*n)++] = (struct seen){ .key = *k };
	seen[i].sums.bytes += s->bytes;
	seen[i].sums.packets += s->packets;
	seen[i].sums.flows += s->flows;
}

static uint64_t by_order(const struct sums *s, enum top_order o)
{
	return o == TOP_BYTES ? s->bytes : o == TOP_PACKETS ? s->packets : s->flows;
}

/* One key of rules alone, counted by hand, against the answer. */
static void check(const struct top_query *q)
{
	struct seen *seen = xcalloc(SEEN_MAX, sizeof(*seen));
	struct sums total = { 0 };
	struct top_result res;
	size_t n = 0;
	struct err err = { "" };
	uint64_t columns = (q->filter ? filter_columns(q->filter) : 0);

	if (!q->keys[0].is_field && q->keys[0].by == BY_INTERFACE)
		columns |= UINT64_C(1) << F_in_if;
	for (int i = 0; i < BLOCKS; i++) {
		const struct block *b = fx.blocks[i];
		uint64_t bits[FILTER_WORDS];

		filter_run(q->filter, b, bits);
		if (q->only)
			key_select(q->only_by, q->only, b, bits);
		rows_counted(q->only ? q->only_by : BY_NONE, columns, b, bits);
		for (uint32_t r = 0; r < b->n; r++) {
			struct key keys[ROW_KEYS];
			struct sums s;
			unsigned k;

			if (!(bits[r / 64] >> (r % 64) & 1) || !sums_of_row(q, b, r, &s))
				continue;
			total.bytes += s.bytes;
			total.packets += s.packets;
			total.flows += s.flows;
			k = row_keys(q->keys[0].by, b, r, keys);
			while (k--)
				count(seen, &n, &keys[k], &s);
		}
	}
	assert_true(top_run(q, &res, &err));
	assert_int_equal(res.read.blocks_damaged, 0);
	assert_memory_equal(&res.total, &total, sizeof(total));
	assert_int_equal(res.distinct, n);
	assert_int_equal(res.n, n < q->n ? n : q->n);
	for (unsigned i = 0; i < res.n; i++) {
		size_t above = 0, at = SEEN_MAX;

		for (size_t j = 0; j < n; j++) {
			above += by_order(&seen[j].sums, q->order) >
				 by_order(&res.rows[i].sums, q->order);
			if (!memcmp(&seen[j].key, &res.rows[i].key[0],
				    sizeof(struct key)))
				at = j;
		}
		assert_true(at < n);
		assert_memory_equal(&seen[at].sums, &res.rows[i].sums,
				    sizeof(struct sums));
		assert_true(above <= i);
	}
	top_free(&res);
	free(seen);
}

static struct top_query plain(void)
{
	return (struct top_query){ .directory = fx.dir,
				   .from_ms = kit_t0 - 3600000,
				   .to_ms = kit_t0 + 3600000,
				   .names = fx.names,
				   .n_keys = 1,
				   .n = 10 };
}

static void every_key_and_order_is_what_the_rows_add_up_to(void **state)
{
	(void)state;
	for (int by = 0; by < BY_COUNT; by++)
		for (int order = TOP_BYTES; order <= TOP_FLOWS; order++) {
			struct top_query q = plain();

			q.keys[0].by = (enum by)by;
			q.order = (enum top_order)order;
			q.threads = 1 + (unsigned)by % 3;
			check(&q);
		}
}

static void shares_of_neighbouring_times_add_up_to_the_whole(void **state)
{
	struct top_query q = plain();
	struct sums sum = { 0 }, all;
	struct top_result res;
	struct err err;

	(void)state;
	q.n_keys = 0;
	assert_true(top_run(&q, &res, &err));
	all = res.total;
	top_free(&res);
	for (int64_t t = kit_t0 - 3600000; t < kit_t0 + 3600000; t += 77777) {
		q.from_ms = t;
		q.to_ms = t + 77777;
		assert_true(top_run(&q, &res, &err));
		sum.bytes += res.total.bytes;
		sum.packets += res.total.packets;
		sum.flows += res.total.flows;
		top_free(&res);
	}
	assert_memory_equal(&sum, &all, sizeof(sum));
}

static void parts_of_time_count_by_share_or_wholly(void **state)
{
	static const enum by bys[] = { BY_HOST, BY_SRC, BY_PAIR, BY_INTERFACE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bys); i++)
		for (int whole = 0; whole < 2; whole++) {
			struct top_query q = plain();

			q.keys[0].by = bys[i];
			q.from_ms = kit_t0 + 40000;
			q.to_ms = kit_t0 + 230000;
			q.whole = whole;
			check(&q);
		}
}

static void a_filter_and_a_series_narrow_it_down(void **state)
{
	static const char *const filters[] = { "", "proto tcp",
					       "src net 10.0.0.0/24 or port 53",
					       "in if 2", "src host 203.0.113.1" };
	struct key host = { { 0 } }, wan = { { 0 } };
	struct err err;

	(void)state;
	memcpy(host.b, fx.blocks[0]->src[3].b, 16);
	memcpy(wan.b, &(uint32_t[]){ 1, 2, 0 }, 12);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		struct filter *f = filter_compile(filters[i], &err);
		struct top_query q = plain();

		assert_non_null(f);
		q.filter = f;
		q.keys[0].by = BY_HOST;
		check(&q);
		q.only = &host;
		q.only_by = BY_HOST;
		check(&q);
		q.keys[0].by = BY_PAIR;
		q.only = &wan;
		q.only_by = BY_INTERFACE;
		check(&q);
		filter_free(&f);
	}
}

static void same_list(const struct top_result *a, const struct top_result *b, unsigned keys)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(&a->total, &b->total, sizeof(a->total));
	for (unsigned i = 0; i < a->n; i++) {
		assert_memory_equal(&a->rows[i].sums, &b->rows[i].sums, sizeof(struct sums));
		for (unsigned k = 0; k < keys; k++)
			assert_string_equal(a->rows[i].value[k].text, b->rows[i].value[k].text);
	}
}

/* By bytes the first are where sums by hash are largest, which a second reading finds; by
 * number of flows too many are alike, and keys are dealt into lots. */
static void little_memory_gives_the_same_answer_in_more_readings(void **state)
{
	static const struct {
		const char *keys;
		enum top_order order;
		bool both_ways, one_more;
	} row[] = {
		{ "flow", TOP_BYTES, false, true },  { "flow", TOP_FLOWS, false, false },
		{ "flow", TOP_BYTES, true, true },   { "src,dst,src-port", TOP_PACKETS, false, true },
		{ "host,port,src_port", TOP_BYTES, false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct top_query q = plain();
		struct top_result many, few;
		struct err err;

		q.n_keys = top_keys_parse(row[i].keys, q.keys, &err);
		assert_true(q.n_keys > 0);
		q.n = 10;
		q.threads = 2;
		q.order = row[i].order;
		q.both_ways = row[i].both_ways;
		assert_true(top_run(&q, &many, &err));
		q.memory = 1;
		assert_true(top_run(&q, &few, &err));
		assert_int_equal(many.passes, 1);
		assert_true(row[i].one_more ? few.passes == 2 : few.passes > 2);
		assert_int_equal(few.distinct, row[i].one_more ? 0 : many.distinct);
		same_list(&few, &many, q.n_keys);
		top_free(&few);
		top_free(&many);
	}
}

static void sampling_is_told_of_the_flows_that_count_alone(void **state)
{
	static const struct {
		const char *filter;
		bool whole;
		uint32_t rate;
	} rows[] = { { "exporter edge0", false, 1 },
		     { "exporter edge0", true, 1 },
		     { "exporter edge1", false, 100 },
		     { "exporter edge1", true, 100 },
		     { "exporter edge0 and src port 443", false, 1 },
		     { "any", false, 100 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct top_query q = plain();
		struct top_result res;
		struct err err;
		struct filter *f = filter_compile(rows[i].filter, &err);

		q.filter = f;
		q.whole = rows[i].whole;
		assert_true(top_run(&q, &res, &err));
		assert_true(res.n > 0);
		assert_int_equal(res.sampling, rows[i].rate);
		top_free(&res);
		filter_free(&f);
	}
}

static void columns_are_keys_too_texts_included(void **state)
{
	struct top_query q = plain();
	struct top_result res;
	struct err err;

	(void)state;
	q.n_keys = top_keys_parse("app-name,in_if", q.keys, &err);
	assert_int_equal(q.n_keys, 2);
	assert_true(top_run(&q, &res, &err));
	assert_int_equal(res.distinct, 6);
	for (unsigned i = 0; i < res.n; i++) {
		const char *app = res.rows[i].value[0].text;

		assert_true(!strcmp(app, "web") || !strcmp(app, "mail") || !*app);
		assert_true(res.rows[i].value[1].number == 1 ||
			    res.rows[i].value[1].number == 2);
	}
	top_free(&res);
}

static void wrong_keys_are_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *words, *says;
	} rows[] = { { "", "no key" },
		     { "colour", "\"colour\"" },
		     { "host,as", "two of each" },
		     { "src,dst,src-port,dst-port,proto,tos,via", "more than" } };
	struct top_key keys[TOP_KEYS];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(top_keys_parse(rows[i].words, keys, &err), 0);
		assert_non_null(strstr(err.msg, rows[i].says));
	}
}

static void keys_have_the_names_that_nfdump_gives_them(void **state)
{
	static const struct {
		const char *theirs, *ours[3];
	} rows[] = { { "src,dst,dport", { "src", "dst", "dst-port" } },
		     { "srcip,dstip,sport", { "src", "dst", "src-port" } },
		     { "ip,srcport,dstport", { "host", "src-port", "dst-port" } },
		     { "srcas,dstas,inif", { "src-as", "dst-as", "in_if" } },
		     { "srcip,dstport:p", { "src", "dst-port", "proto" } },
		     { "nhip,router,srcvlan", { "next_hop", "exporter", "vlan" } } };
	struct top_key keys[TOP_KEYS];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(top_keys_parse(rows[i].theirs, keys, &err), 3);
		for (size_t k = 0; k < 3; k++)
			assert_string_equal(top_key_word(&keys[k]), rows[i].ours[k]);
	}
}

static const struct talk {
	const char *src, *dst;
	uint16_t src_port, dst_port;
	uint64_t bytes;
} talks[] = {
	{ "10.0.0.1", "192.0.2.9", 51000, 443, 100 },
	{ "192.0.2.9", "10.0.0.1", 443, 51000, 9000 },
	{ "192.0.2.9", "10.0.0.1", 50000, 22, 20 },
	{ "10.0.0.1", "192.0.2.9", 22, 50000, 30 },
	{ "10.0.0.2", "10.0.0.3", 123, 123, 5 },
	{ "10.0.0.3", "10.0.0.2", 123, 123, 6 },
};

static void write_talks(const char *dir)
{
	struct archive *a = kit_start(dir, fx.names, NULL);
	uint64_t seed = 5;
	struct block *b = kit_block(fx.names, ARRAY_LEN(talks), kit_t0, &seed);

	for (uint32_t r = 0; r < b->n; r++) {
		assert_true(addr_parse(talks[r].src, &b->src[r]));
		assert_true(addr_parse(talks[r].dst, &b->dst[r]));
		b->src_port[r] = talks[r].src_port;
		b->dst_port[r] = talks[r].dst_port;
		b->bytes[r] = talks[r].bytes;
		b->proto[r] = 6;
	}
	archive_block(a, b, kit_t0);
	archive_stop(&a);
}

static void both_directions_of_a_conversation_are_one_row(void **state)
{
	static const struct {
		const char *by, *rows; /* "value/value=bytes " each */
	} cases[] = {
		{ "flow", "10.0.0.1/192.0.2.9/port 51000/port 443/tcp=9100 "
			  "192.0.2.9/10.0.0.1/port 50000/port 22/tcp=50 "
			  "10.0.0.3/10.0.0.2/port 123/port 123/tcp=11 " },
		{ "src,dst", "192.0.2.9/10.0.0.1=9150 10.0.0.3/10.0.0.2=11 " },
		{ "dst,src", "10.0.0.1/192.0.2.9=9150 10.0.0.2/10.0.0.3=11 " },
		{ "src_port,dst_port", "51000/443=9100 50000/22=50 123/123=11 " },
		{ "src", NULL },
		{ "src,dst,src-port", NULL },
		{ "host", NULL },
		{ "proto", NULL },
	};
	char *dir = kit_dir();

	(void)state;
	write_talks(dir);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct top_query q = plain();
		struct strb got = { 0 };
		struct top_result res;
		struct err err = { "" };
		bool ok;

		q.directory = dir;
		q.whole = q.both_ways = true;
		q.n_keys = top_keys_parse(cases[i].by, q.keys, &err);
		ok = top_run(&q, &res, &err);
		if (ok != (cases[i].rows != NULL))
			fail_msg("%s: %s", cases[i].by, err.msg);
		for (unsigned r = 0; r < res.n; r++) {
			for (unsigned k = 0; k < q.n_keys; k++)
				strb_fmt(&got, "%s%s", k ? "/" : "",
					 res.rows[r].value[k].text);
			strb_fmt(&got, "=%" PRIu64 " ", res.rows[r].sums.bytes);
		}
		if (ok)
			assert_string_equal(got.s, cases[i].rows);
		strb_free(&got);
		top_free(&res);
	}
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_and_order_is_what_the_rows_add_up_to),
		cmocka_unit_test(shares_of_neighbouring_times_add_up_to_the_whole),
		cmocka_unit_test(parts_of_time_count_by_share_or_wholly),
		cmocka_unit_test(a_filter_and_a_series_narrow_it_down),
		cmocka_unit_test(little_memory_gives_the_same_answer_in_more_readings),
		cmocka_unit_test(sampling_is_told_of_the_flows_that_count_alone),
		cmocka_unit_test(columns_are_keys_too_texts_included),
		cmocka_unit_test(wrong_keys_are_refused_with_a_sentence),
		cmocka_unit_test(keys_have_the_names_that_nfdump_gives_them),
		cmocka_unit_test(both_directions_of_a_conversation_are_one_row),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
