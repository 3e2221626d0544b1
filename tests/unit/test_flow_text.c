/* test_flow_text.c - the same flow as line, JSON and CSV.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <stdlib.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/model/flow_text.h"
#include "flow_row.h"

#define T0 INT64_C(1795426500000)

static struct block *one(struct names *names, const struct flow_row *r)
{
	struct block *b = block_new(names);

	flow_row_add(b, r);
	return b;
}

static struct flow_row download(void)
{
	return (struct flow_row){
		.start_ms = T0,
		.end_ms = T0 + 12000,
		.received_ms = T0 + 13500,
		.bytes = 18700000,
		.packets = 12900,
		.via = VIA_NETFLOW9,
		.src = ip("203.0.113.7"),
		.dst = ip("10.20.0.66"),
		.src_port = 443,
		.dst_port = 51000,
		.proto = 6,
		.tcp_flags = 0x1a,
		.in_if = 2,
		.out_if = 9,
		.src_as = 64500,
	};
}

static void a_line_says_what_a_person_asks(void **state)
{
	struct names *names = flow_row_names();
	struct flow_row r = download();
	struct block *b = one(names, &r);
	struct strb s = { 0 };
	char *rest;

	(void)state;
	flow_text_line(&s, b, 0);
	assert_string_equal(s.s,
			    "2026-11-23 10:35:00 CET 12 seconds tcp "
			    "203.0.113.7:443 -> 10.20.0.66:51000 18.7 MB 12.9 k packets "
			    "flags APS in WAN out 9 src_as 64500 exporter edge");
	strb_free(&s);
	flow_text_columns(&s, b, 0);
	rest = s.s;
	for (unsigned k = 1; k < FLOW_TEXT_COLUMNS; k++)
		assert_non_null(strsep(&rest, "\t"));
	assert_null(strchr(rest, '\t'));
	strb_free(&s);
	block_unref(&b);
	names_free(&names);
}

static void an_ipv6_address_is_kept_apart_from_its_port(void **state)
{
	struct flow_row r = { .src = ip("2001:db8::1"),
			      .dst = ip("2001:db8::2"),
			      .dst_port = 53,
			      .src_port = 1024,
			      .proto = 17,
			      .packets = 1,
			      .bytes = 70,
			      .start_ms = T0,
			      .end_ms = T0 };
	struct block *b = one(NULL, &r);
	struct strb s = { 0 };

	(void)state;
	flow_text_line(&s, b, 0);
	assert_non_null(
	    strstr(s.s, " udp [2001:db8::1]:1024 -> [2001:db8::2]:53 70 B 1 packet"));
	assert_null(strstr(s.s, "packets"));
	strb_free(&s);
	block_unref(&b);
}

static void json_holds_only_what_is_told(void **state)
{
	struct names *names = flow_row_names();
	struct flow_row r = download();
	struct block *b = one(names, &r);
	struct strb s = { 0 };

	(void)state;
	flow_text_json(&s, b, 0);
	assert_string_equal(
	    s.s, "{\"start\":\"2026-11-23T09:35:00.000Z\",\"end\":\"2026-11-23T09:35:12."
		 "000Z\","
		 "\"received\":\"2026-11-23T09:35:13.500Z\",\"bytes\":18700000,"
		 "\"packets\":12900,\"exporter\":\"edge\",\"via\":\"netflow9\","
		 "\"src\":\"203.0.113.7\",\"dst\":\"10.20.0.66\",\"src_port\":443,"
		 "\"dst_port\":51000,\"proto\":6,\"tcp_flags\":\"APS\",\"in_if\":2,"
		 "\"in_if_name\":\"WAN\",\"out_if\":9,\"src_as\":64500}");
	strb_free(&s);
	block_unref(&b);
	names_free(&names);
}

/* A flow in which every column is told. */
static struct flow_row full(void)
{
	struct flow_row r = {
#define FIELD(name, type, kind, unit, doc) .name = FILL_##kind,
#define FILL_U8				   2
#define FILL_U16			   300
#define FILL_U32			   2
#define FILL_U64			   UINT64_C(0xd0000000000001c5)
#define FILL_TIME			   T0
#define FILL_ADDR			   ip("192.0.2.9")
#define FILL_MAC			   UINT64_C(0x02005e100001)
#define FILL_TEXT			   0
#include "daemon/model/flow_fields.def"
#undef FIELD
	};

	r.app_text = "a \"quoted\", name";
	r.user_text = "=cmd|' /C calc'!A0";
	r.url_text = "http://x/\xff<script>\x1b[31m";
	r.bytes = UINT64_MAX;
	r.packets = 7;
	return r;
}

static void streamed_json_equals_the_object(void **state)
{
	struct names *names = flow_row_names();
	struct flow_row rows[] = { download(), full(), { .proto = 1 }, { .bytes = 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct block *b = one(names, &rows[i]);
		struct strb s = { 0 };
		json_t *streamed, *object = flow_text_object(b, 0);
		json_error_t err;

		flow_text_json(&s, b, 0);
		streamed = json_loads(
		    s.s, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &err);
		if (!streamed)
			fail_msg("%s: %s", err.text, s.s);
		json_decref(streamed);
		if (i == 1) { /* above INT64_MAX jansson has no integers */
			json_object_del(object, "bytes");
			assert_non_null(strstr(s.s, "\"bytes\":18446744073709551615"));
			rows[1].bytes = 0;
			strb_free(&s);
			block_unref(&b);
			b = one(names, &rows[1]);
			flow_text_json(&s, b, 0);
		}
		streamed = json_loads(s.s, JSON_REJECT_DUPLICATES, &err);
		assert_non_null(streamed);
		assert_true(json_equal(streamed, object));
		json_decref(streamed);
		json_decref(object);
		strb_free(&s);
		block_unref(&b);
	}
	names_free(&names);
}

static void special_columns_have_their_own_form(void **state)
{
	static const struct {
		struct flow_row row;
		const char *has;
	} rows[] = {
		{ { .icmp = 0x0303, .proto = 1 }, "\"icmp\":\"3/3\"" },
		{ { .proto = 1 }, "\"icmp\":\"0/0\"" }, /* an echo reply */
		{ { .app = UINT64_C(0x0d000000000001c5) }, "\"app\":\"13:453\"" },
		{ { .tcp_flags = 0xff }, "\"tcp_flags\":\"UAPRSFEC\"" },
		{ { .tcp_flags = 0x1ff }, "\"tcp_flags\":\"0x1ff\"" },
		{ { .src_mac = 0x02005e100001 }, "\"src_mac\":\"02:00:5e:10:00:01\"" },
		{ { .direction = DIR_EGRESS }, "\"direction\":\"egress\"" },
		{ { .notes = 17 }, "\"notes\":\"time_clamped reverse\"" },
		{ { .flows = 100 }, "\"flows\":100" },
		{ { .app_text = "a\"b\n" }, "\"app_name\":\"a\\\"b\\n\"" },
		{ { .exporter = 2 }, "{\"exporter\":\"core\"}" },
		{ { .exporter = 77 }, "{\"exporter\":77}" },
		{ { .flows = 1, .sampling = 1 }, "{\"exporter\":\"edge\"}" },
	};
	struct names *names = flow_row_names();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct block *b = one(names, &rows[i].row);
		struct strb s = { 0 };

		flow_text_json(&s, b, 0);
		if (!strstr(s.s, rows[i].has))
			fail_msg("%s has no %s", s.s, rows[i].has);
		strb_free(&s);
		block_unref(&b);
	}
	names_free(&names);
}

static void csv_has_the_columns_asked_in_one_order(void **state)
{
	struct names *names = flow_row_names();
	struct flow_row r = download();
	uint64_t columns = UINT64_C(1) << F_start_ms | UINT64_C(1) << F_src |
			   UINT64_C(1) << F_bytes | UINT64_C(1) << F_nat_src |
			   UINT64_C(1) << F_app_name;
	struct block *b;
	struct strb s = { 0 };

	(void)state;
	r.app_text = "say \"hi\", all";
	b = one(names, &r);
	flow_text_csv_head(&s, columns);
	flow_text_csv(&s, b, 0, columns);
	assert_string_equal(s.s, "start,bytes,src,nat_src,app_name\r\n"
				 "2026-11-23T09:35:00.000Z,18700000,203.0.113.7,,"
				 "\"say \"\"hi\"\", all\"\r\n");
	strb_free(&s);
	block_unref(&b);
	names_free(&names);
}

static void text_from_outside_is_inert(void **state)
{
	struct names *names = flow_row_names();
	struct flow_row r = full();
	struct block *b = one(names, &r);
	struct strb s = { 0 };

	(void)state;
	flow_text_line(&s, b, 0);
	assert_null(strchr(s.s, '\x1b'));
	strb_free(&s);
	flow_text_csv(&s, b, 0, UINT64_C(1) << F_user);
	assert_non_null(strstr(s.s, "'=cmd")); /* no formula */
	strb_free(&s);
	flow_text_json(&s, b, 0);
	assert_null(strchr(s.s, '\x1b'));
	strb_free(&s);
	block_unref(&b);
	names_free(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_what_a_person_asks),
		cmocka_unit_test(an_ipv6_address_is_kept_apart_from_its_port),
		cmocka_unit_test(json_holds_only_what_is_told),
		cmocka_unit_test(streamed_json_equals_the_object),
		cmocka_unit_test(special_columns_have_their_own_form),
		cmocka_unit_test(csv_has_the_columns_asked_in_one_order),
		cmocka_unit_test(text_from_outside_is_inert),
	};

	setenv("TZ", "Europe/Amsterdam", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
