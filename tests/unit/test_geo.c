/* test_geo.c - countries and AS from MMDB files, whole, replaced and broken.
 * SPDX-License-Identifier: ISC
 *
 * A small writer makes the files: a tree of 24-bit records over IPv4 addresses and a record
 * of data for each prefix (MaxMind DB file format 2.0).
 */
#include "test.h"

#include "archive_kit.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/top.h"
#include "daemon/model/block.h"
#include "daemon/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 256, EMPTY = -1 };

struct tree {
	int node[NODES][2]; /* EMPTY, a node, or NODES + place of the data */
	int n;
	struct strb data;
};

static void put_text(struct strb *b, const char *s)
{
	strb_addc(b, (char)(2 << 5 | strlen(s)));
	strb_add(b, s);
}

static void put_number(struct strb *b, int type, uint32_t v)
{
	int len = type == 5 ? 2 : 4;

	strb_addc(b, (char)(type << 5 | len));
	while (len--)
		strb_addc(b, (char)(v >> 8 * len));
}

static void insert(struct tree *t, const char *prefix, int data)
{
	struct prefix p;
	int at = 0;

	assert_true(prefix_parse(prefix, &p));
	for (int bit = 96;; bit++) {
		int side = p.addr.b[bit / 8] >> (7 - bit % 8) & 1;

		if (bit + 1 == p.bits) {
			t->node[at][side] = NODES + data;
			return;
		}
		if (t->node[at][side] == EMPTY) {
			t->node[t->n][0] = t->node[t->n][1] = EMPTY;
			t->node[at][side] = t->n++;
		}
		at = t->node[at][side];
	}
}

static void put_metadata(struct strb *b, int nodes)
{
	strb_addn(b, "\xab\xcd\xefMaxMind.com", 14);
	strb_addc(b, (char)(7 << 5 | 9));
	put_text(b, "node_count");
	put_number(b, 6, (uint32_t)nodes);
	put_text(b, "record_size");
	put_number(b, 5, 24);
	put_text(b, "ip_version");
	put_number(b, 5, 4);
	put_text(b, "database_type");
	put_text(b, "test");
	put_text(b, "languages");
	strb_addn(b, "\0\4", 2); /* an array of none */
	put_text(b, "binary_format_major_version");
	put_number(b, 5, 2);
	put_text(b, "binary_format_minor_version");
	put_number(b, 5, 0);
	put_text(b, "build_epoch");
	strb_addn(b, "\1\2\1", 3);
	put_text(b, "description");
	strb_addc(b, (char)(7 << 5));
}

/* A file of three countries, or of three AS. */
static void make(struct strb *out, const char *country, uint32_t as)
{
	static const char *const prefixes[] = { "192.0.2.0/24", "198.51.100.0/25",
						"203.0.113.7/32" };
	struct tree t = { .n = 1, .node = { { EMPTY, EMPTY } } };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		insert(&t, prefixes[i], (int)t.data.len);
		strb_addc(&t.data, (char)(7 << 5 | 1));
		if (country) {
			char code[3] = { country[2 * i], country[2 * i + 1], '\0' };

			put_text(&t.data, "country");
			strb_addc(&t.data, (char)(7 << 5 | 1));
			put_text(&t.data, "iso_code");
			put_text(&t.data, code);
		} else {
			put_text(&t.data, "autonomous_system_number");
			put_number(&t.data, 6, as + (uint32_t)i);
		}
	}
	for (int i = 0; i < t.n; i++)
		for (int side = 0; side < 2; side++) {
			int v = t.node[i][side];

			v = v == EMPTY ? t.n : v < NODES ? v : v - NODES + t.n + 16;
			strb_addc(out, (char)(v >> 16));
			strb_addc(out, (char)(v >> 8));
			strb_addc(out, (char)v);
		}
	strb_addn(out, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	strb_addn(out, t.data.s, t.data.len);
	put_metadata(out, t.n);
	strb_free(&t.data);
}

static char path[64];
static int64_t mono_ms = 1;

static int begin(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/culprit-%d.mmdb", (int)getpid());
	unlink(path);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const struct strb *b, size_t len)
{
	char *fresh = xasprintf("%s.new", path);
	FILE *f = fopen(fresh, "w");

	assert_non_null(f);
	fwrite(b->s, 1, len, f);
	fclose(f);
	assert_int_equal(rename(fresh, path), 0);
	free(fresh);
}

static const char *country(struct geo *g, const char *addr, char text[3])
{
	struct addr a;
	uint16_t v;

	assert_true(addr_parse(addr, &a));
	v = geo_country(g, &a);
	text[0] = (char)(v >> 8);
	text[1] = (char)v;
	text[2] = '\0';
	return text;
}

static void addresses_have_countries_and_as(void **state)
{
	struct geo *g = geo_open(path);
	struct strb b = { 0 };
	struct addr a;
	char c[3];

	(void)state;
	geo_look(g, mono_ms += 3000); /* not there yet */
	assert_string_equal(country(g, "192.0.2.1", c), "");
	make(&b, "NLDEFR", 0);
	write_file(&b, b.len);
	geo_look(g, mono_ms += 3000);
	assert_true(geo_reading(g) == 1);
	assert_string_equal(country(g, "192.0.2.0", c), "NL");
	assert_string_equal(country(g, "192.0.2.255", c), "NL");
	assert_string_equal(country(g, "198.51.100.127", c), "DE");
	assert_string_equal(country(g, "198.51.100.128", c), "");
	assert_string_equal(country(g, "203.0.113.7", c), "FR");
	assert_string_equal(country(g, "203.0.113.8", c), "");
	assert_string_equal(country(g, "2001:db8::1", c), "");
	addr_parse("198.51.100.1", &a);
	assert_int_equal(geo_as(g, &a), 0); /* it tells countries */
	strb_free(&b);
	make(&b, NULL, 64500);
	write_file(&b, b.len);
	geo_look(g, mono_ms += 100); /* not so soon */
	assert_int_equal(geo_as(g, &a), 0);
	geo_look(g, mono_ms += 3000);
	assert_int_equal(geo_as(g, &a), 64501);
	strb_free(&b);
	geo_close(&g);
}

/* F31: what is in use does not change under our feet. */
static void a_file_that_is_cut_in_place_hurts_nobody(void **state)
{
	struct geo *g = geo_open(path);
	struct strb b = { 0 };
	char c[3];

	(void)state;
	make(&b, "NLDEFR", 0);
	write_file(&b, b.len);
	geo_look(g, mono_ms += 3000);
	for (size_t len = b.len; len; len /= 2) {
		assert_int_equal(truncate(path, (off_t)len / 2), 0);
		assert_string_equal(country(g, "203.0.113.7", c), "FR");
		geo_look(g, mono_ms += 3000);
		assert_string_equal(country(g, "198.51.100.1", c), "DE");
	}
	assert_int_equal(unlink(path), 0);
	geo_look(g, mono_ms += 3000);
	assert_string_equal(country(g, "198.51.100.1", c), "DE");
	write_file(&b, b.len); /* for end() */
	strb_free(&b);
	geo_close(&g);
}

/* Case 86. */
static void a_broken_file_is_refused_and_the_old_one_kept(void **state)
{
	struct geo *g = geo_open(path);
	struct strb good = { 0 }, bad = { 0 };
	char c[3];

	(void)state;
	make(&good, "NLDEFR", 0);
	make(&bad, "GBGBGB", 0);
	write_file(&good, good.len);
	geo_look(g, mono_ms += 3000);
	/* Every record of the first nodes made to lead far outside. */
	for (size_t i = 0; i < 12; i += 3) {
		struct strb wrong = { 0 };

		strb_addn(&wrong, bad.s, bad.len);
		memset(wrong.s + i, 0xff, 3);
		write_file(&wrong, wrong.len);
		geo_look(g, mono_ms += 3000);
		assert_string_equal(country(g, "192.0.2.1", c), "NL");
		strb_free(&wrong);
	}
	/* A record that is a pointer to itself, a map of 16 million, one of 4 billion. */
	for (int i = 0; i < 3; i++) {
		static const struct { const char *octets; size_t len; } evil[] = {
			{ "\x20\x00", 2 }, { "\xff\xff\xff\xff", 4 },
			{ "\x1f\x04\xff\xff\xff\xff", 6 },
		};
		struct strb wrong = { 0 };

		strb_addn(&wrong, bad.s, bad.len);
		memcpy((char *)memmem(wrong.s, wrong.len, "\xe1" "Gcountry", 9),
		       evil[i].octets, evil[i].len);
		write_file(&wrong, wrong.len);
		geo_look(g, mono_ms += 3000);
		assert_string_equal(country(g, "192.0.2.1", c), "NL");
		strb_free(&wrong);
	}
	/* Every octet changed, one after another: never a crash, whatever is said then. */
	for (size_t i = 0; i < bad.len; i++) {
		struct strb wrong = { 0 };

		strb_addn(&wrong, bad.s, bad.len);
		wrong.s[i] = (char)(wrong.s[i] ^ 0xff);
		write_file(&wrong, wrong.len);
		geo_look(g, mono_ms += 3000);
		country(g, "192.0.2.1", c);
		strb_free(&wrong);
	}
	write_file(&good, good.len);
	geo_look(g, mono_ms += 3000);
	assert_string_equal(country(g, "192.0.2.1", c), "NL");
	strb_free(&good);
	strb_free(&bad);
	geo_close(&g);
}

static bool passed_on(void *arg, struct block *b)
{
	*(struct block **)arg = b;
	return true;
}

/* AS of the file: 64500 for 192.0.2.0/24, one more for each prefix behind it. */
static void flows_get_the_as_that_their_exporter_did_not_tell(void **state)
{
	struct names *names = kit_names(1);
	struct block *b = block_new(names), *seen = NULL;
	struct geo *g = geo_open(path);
	struct origin *o = origin_new(g, passed_on, &seen);
	struct strb file = { 0 };

	(void)state;
	block_use(b, F_src);
	block_use(b, F_dst);
	b->n = 2;
	for (uint32_t i = 0; i < b->n; i++)
		assert_true(addr_parse("192.0.2.1", &b->src[i]) &&
			    addr_parse(i ? "10.0.0.1" : "198.51.100.1", &b->dst[i]));
	assert_true(origin_sink(o, b)); /* no file yet: not a column more */
	assert_true(seen == b && !block_uses(b, F_src_as) && !block_uses(b, F_dst_as));
	make(&file, NULL, 64500);
	write_file(&file, file.len);
	geo_look(g, mono_ms += 3000);
	block_use(b, F_src_as);
	b->src_as[0] = 65000; /* the router knows its routes */
	b->src_as[1] = 0;
	assert_true(origin_sink(o, b));
	assert_int_equal(b->src_as[0], 65000);
	assert_int_equal(b->src_as[1], 64500);
	assert_true(block_uses(b, F_dst_as));
	assert_int_equal(b->dst_as[0], 64501);
	assert_int_equal(b->dst_as[1], 0); /* of which nobody knows */
	file.len = 0;
	make(&file, NULL, 64600); /* another file: what was remembered is looked up again */
	write_file(&file, file.len);
	geo_look(g, mono_ms += 3000);
	memset(b->src_as, 0, 2 * sizeof(*b->src_as));
	assert_true(origin_sink(o, b));
	assert_int_equal(b->src_as[0], 64600);
	strb_free(&file);
	origin_free(&o);
	geo_close(&g);
	block_unref(&b);
	names_free(&names);
}

/* Two flows from NL, one to DE and one at home; what is in no file is "-". */
static void a_top_list_is_by_country(void **state)
{
	static const struct {
		const char *src, *dst;
		uint64_t bytes;
	} flows[] = {
		{ "192.0.2.1", "198.51.100.1", 1000 },
		{ "192.0.2.2", "192.0.2.3", 500 },
		{ "203.0.113.7", "10.0.0.1", 100 },
	};
	static const struct {
		const char *by, *first[2], *second[2];
		uint64_t bytes[2];
	} rows[] = {
		{ "country", { "NL" }, { "DE" }, { 1500, 1000 } },
		{ "src-country", { "NL" }, { "FR" }, { 1500, 100 } },
		{ "src-country,dst-country", { "NL", "DE" }, { "NL", "NL" }, { 1000, 500 } },
		{ "dst-country,proto", { "DE", "tcp" }, { "NL", "tcp" }, { 1000, 500 } },
	};
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_via, F_src, F_dst, F_proto };
	char *dir = kit_dir();
	struct names *names = kit_names(1);
	struct block *b = block_new(names);
	struct geo *g = geo_open(path);
	struct strb file = { 0 };
	struct err err = { "" };

	(void)state;
	make(&file, "NLDEFR", 0);
	write_file(&file, file.len);
	geo_look(g, mono_ms += 3000);
	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(b, used[i]);
	for (size_t i = 0; i < ARRAY_LEN(flows); i++, b->n++) {
		assert_true(addr_parse(flows[i].src, &b->src[i]));
		assert_true(addr_parse(flows[i].dst, &b->dst[i]));
		b->start_ms[i] = b->end_ms[i] = b->received_ms[i] = kit_t0 + 1000;
		b->bytes[i] = flows[i].bytes;
		b->packets[i] = 1;
		b->proto[i] = 6;
		b->via[i] = VIA_NETFLOW9;
	}
	kit_write(dir, names, &b, 1, kit_t0 + 2000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct top_query q = { .directory = dir, .from_ms = kit_t0,
				       .to_ms = kit_t0 + 300000, .geo = g, .n = 10 };
		struct top_result r;

		q.n_keys = top_keys_parse(rows[i].by, q.keys, &err);
		assert_true(q.n_keys && top_run(&q, &r, &err));
		assert_true(r.n >= 2);
		for (unsigned k = 0; k < q.n_keys; k++) {
			assert_string_equal(r.rows[0].value[k].text, rows[i].first[k]);
			assert_string_equal(r.rows[1].value[k].text, rows[i].second[k]);
		}
		assert_int_equal(r.rows[0].sums.bytes, rows[i].bytes[0]);
		assert_int_equal(r.rows[1].sums.bytes, rows[i].bytes[1]);
		top_free(&r);
	}
	assert_int_equal(top_keys_parse("country,host", (struct top_key[TOP_KEYS]){ { 0 } }, &err),
			 0);
	strb_free(&file);
	block_unref(&b);
	names_free(&names);
	geo_close(&g);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses_have_countries_and_as, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_cut_in_place_hurts_nobody, begin,
						end),
		cmocka_unit_test_setup_teardown(
			flows_get_the_as_that_their_exporter_did_not_tell, begin, end),
		cmocka_unit_test_setup_teardown(a_top_list_is_by_country, begin, end),
		cmocka_unit_test_setup_teardown(a_broken_file_is_refused_and_the_old_one_kept,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
