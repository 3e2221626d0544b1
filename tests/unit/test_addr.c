/* test_addr.c - one text for one address, and prefixes to the bit.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "daemon/base/addr.h"
#include "daemon/base/mem.h"

/* RFC 5952 sec. 4 and 5, and the forms that must be refused. */
static void texts_are_read_and_written_in_one_way(void **unused)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "2001:0db8::0001", "2001:db8::1" },
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:DB8::AAAA", "2001:db8::aaaa" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "1:2:3:4:5:6::", "1:2:3:4:5:6::" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "::1", "::1" },
		{ "::1:2", "::1:2" },
		{ "::1.2.3.4", "::102:304" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "fe80::1:0:0:0", "fe80::1:0:0:0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::", "-" },
		{ "", NULL },
		{ "-", NULL },
		{ "10.1", NULL },
		{ "010.0.0.1", NULL },
		{ "256.0.0.1", NULL },
		{ "1.2.3.4 ", NULL },
		{ " 1.2.3.4", NULL },
		{ "1.2.3.4.5", NULL },
		{ "0x7f.0.0.1", NULL },
		{ "1::2::3", NULL },
		{ "12345::", NULL },
		{ "fe80::1%eth0", NULL },
		{ "1:2:3:4:5:6:7:8:9", NULL },
		{ "example.org", NULL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[ADDR_TEXT];
		struct addr a;
		bool ok = addr_parse(rows[i].in, &a);

		if (ok != (rows[i].out != NULL))
			fail_msg("\"%s\" was %s", rows[i].in, ok ? "taken" : "refused");
		if (ok)
			assert_string_equal(addr_text(&a, buf), rows[i].out);
	}
}

static void prefixes_lose_host_bits_and_keep_their_text(void **unused)
{
	static const struct {
		const char *in, *out;
		int bits;
	} rows[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", 104 },
		{ "10.20.30.40/8", "10.0.0.0/8", 104 },
		{ "10.20.30.40/13", "10.16.0.0/13", 109 },
		{ "10.20.30.40", "10.20.30.40/32", 128 },
		{ "10.20.30.40/0", "0.0.0.0/0", 96 },
		{ "10.20.30.40/08", "10.0.0.0/8", 104 },
		{ "::ffff:10.20.30.40/104", "10.0.0.0/8", 104 },
		{ "2001:db8::1", "2001:db8::1/128", 128 },
		{ "2001:db8:ffff::/35", "2001:db8:e000::/35", 35 },
		{ "::/0", "::/0", 0 },
		{ "2001:db8::/129", NULL, 0 },
		{ "10.0.0.0/33", NULL, 0 },
		{ "10.0.0.0/", NULL, 0 },
		{ "10.0.0.0/-1", NULL, 0 },
		{ "10.0.0.0/8x", NULL, 0 },
		{ "10.0.0.0/255.0.0.0", NULL, 0 },
		{ "10.0.0.0/18446744073709551617", NULL, 0 },
		{ "10.1", NULL, 0 },
		{ "10.1/16", NULL, 0 },
		{ "/8", NULL, 0 },
		{ "", NULL, 0 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8", NULL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[ADDR_TEXT + 4];
		struct prefix p;
		bool ok = prefix_parse(rows[i].in, &p);

		if (ok != (rows[i].out != NULL))
			fail_msg("\"%s\" was %s", rows[i].in, ok ? "taken" : "refused");
		if (!ok)
			continue;
		assert_string_equal(prefix_text(&p, buf), rows[i].out);
		assert_int_equal(p.bits, rows[i].bits);
	}
}

static void a_prefix_has_what_shares_its_bits(void **unused)
{
	static const struct {
		const char *prefix, *addr;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.16.0.0/13", "10.23.255.255", true },
		{ "10.16.0.0/13", "10.24.0.0", false },
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.0", false },
		{ "0.0.0.0/0", "192.0.2.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "2001:db8::/35", "2001:db8:1fff::", true },
		{ "2001:db8::/35", "2001:db8:2000::", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prefix p;
		struct addr a;

		assert_true(prefix_parse(rows[i].prefix, &p));
		assert_true(addr_parse(rows[i].addr, &a));
		if (prefix_has(&p, &a) != rows[i].has)
			fail_msg("%s in %s", rows[i].addr, rows[i].prefix);
	}
}

static void both_families_of_socket_give_one_address(void **unused)
{
	struct sockaddr_storage four = { 0 }, six = { 0 }, unix_ = { .ss_family = AF_UNIX };
	struct sockaddr_in *in = (struct sockaddr_in *)&four;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&six;
	struct addr a, b;
	uint16_t port;
	char buf[ADDR_TEXT];

	(void)unused;
	in->sin_family = AF_INET;
	in->sin_port = htons(2055);
	in->sin_addr.s_addr = htonl(0xc0000201);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(4739);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6->sin6_addr);
	a = addr_of_sockaddr(&four, &port);
	assert_int_equal(port, 2055);
	b = addr_of_sockaddr(&six, &port);
	assert_int_equal(port, 4739);
	assert_true(addr_eq(&a, &b));
	assert_true(addr_is4(&a));
	assert_string_equal(addr_text(&a, buf), "192.0.2.1");
	a = addr_of_sockaddr(&unix_, &port);
	assert_true(addr_is_none(&a));
	assert_int_equal(port, 0);
}

static void of_an_address_the_first_bits_stay(void **unused)
{
	struct addr a;

	(void)unused;
	memset(a.b, 0xa5, sizeof(a.b));
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct addr first = addr_first(&a, bits);

		for (unsigned i = 0; i < 128; i++)
			assert_int_equal(first.b[i / 8] >> (7 - i % 8) & 1,
					 i < bits ? 0xa5 >> (7 - i % 8) & 1 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(texts_are_read_and_written_in_one_way),
		cmocka_unit_test(prefixes_lose_host_bits_and_keep_their_text),
		cmocka_unit_test(of_an_address_the_first_bits_stay),
		cmocka_unit_test(a_prefix_has_what_shares_its_bits),
		cmocka_unit_test(both_families_of_socket_give_one_address),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
