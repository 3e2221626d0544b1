/* test_leases.c - who had which address when, by the files of DHCP servers.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/leases.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW_S = 1795469032 };

static void told(void *arg, const struct lease *l)
{
	char addr[ADDR_TEXT];

	strb_fmt(arg, "%s %s %lld-", addr_text(&l->addr, addr), l->name,
		 (long long)(l->from_ms / 1000));
	if (l->until_ms != INT64_MAX)
		strb_fmt(arg, "%lld", (long long)(l->until_ms / 1000));
	strb_addc(arg, '|');
}

static const struct {
	const char *what, *text, *expected;
} files[] = {
	{ "dnsmasq",
	  "1795469032 52:54:00:12:34:56 10.20.0.66 reception-pc 01:52:54:00:12:34:56\n"
	  "0 52:54:00:12:34:57 10.20.0.67 printer. *\n"
	  "1795469032 52:54:00:12:34:58 10.20.0.68 * *\n"
	  "duid 00:01:00:01:2d:1f\n"
	  "1795469032 12345 2001:db8::66 reception-pc 00:01\n",
	  "10.20.0.66 reception-pc 0-1795469032|10.20.0.67 printer 0-|"
	  "2001:db8::66 reception-pc 0-1795469032|" },
	{ "ISC",
	  "# The format of this file is documented in the dhcpd.leases(5) manual page.\n"
	  "authoring-byte-order little-endian;\n"
	  "lease 10.20.0.66 {\n  starts 4 2026/11/26 10:35:00;\n  ends 4 2026/11/26 11:35:00;\n"
	  "  binding state active;\n  hardware ethernet 52:54:00:12:34:56;\n"
	  "  client-hostname \"recep\\\"tion\\055pc\";\n}\n"
	  "lease 10.20.0.67 {\n  starts epoch 1795469032; # Thu\n  ends never;\n"
	  "  client-hostname \"printer\";\n}\n"
	  "lease 10.20.0.68 {\n  starts 4 26/11/26;\n  client-hostname \"lost\";\n}\n"
	  "lease 10.20.0.69 {\n  starts 4 2026/11/26 10:35:00;\n",
	  "10.20.0.66 recep\"tion-pc 1795689300-1795692900|10.20.0.67 printer 1795469032-|" },
	{ "Kea for IPv4",
	  "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,"
	  "state,user_context,pool_id\n"
	  "10.20.0.66,52:54:00:12:34:56,,3600,1795472632,1,0,0,reception&#x2cpc,0,,0\n"
	  "10.20.0.67,52:54:00:12:34:57,,3600,1795472632,1,0,0,declined,1,,0\n"
	  "10.20.0.66,52:54:00:12:34:56,,0,1795472632,1,0,0,reception-pc,0,,0\n"
	  "10.20.0.68,52:54:00:12:34:58,,4294967295,6090439800,1,0,0,server,0,,0\n"
	  "10.20.0.69,bad,,x,1795472632,1,0,0,n,0,,0\n10.20.0.70\n",
	  "10.20.0.66 reception,pc 1795469032-1795472632|10.20.0.66  1795469032-|"
	  "10.20.0.68 server 1795472505-|" },
	{ "Kea for IPv6",
	  "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,"
	  "fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\r\n"
	  "2001:db8::66,00:01,3600,1795472632,1,3000,0,1,128,0,0,reception-pc.lan.,,0,,,,0\r\n",
	  "2001:db8::66 reception-pc.lan 1795469032-1795472632|" },
	{ "hosts",
	  "127.0.0.1\tlocalhost\n# 10.20.0.1 old\n10.20.0.1  gw.lan gw # the gateway\n::1 ip6\n"
	  "10.20.0.2\nnothing here\n10.20.0.300 x\n",
	  "127.0.0.1 localhost 0-|10.20.0.1 gw.lan 0-|::1 ip6 0-|" },
};

static void each_format_is_known_by_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct strb b = { 0 };

		leases_parse(files[i].text, strlen(files[i].text), NOW_S * INT64_C(1000), told, &b);
		if (!b.s || strcmp(b.s, files[i].expected))
			fail_msg("%s: %s", files[i].what, b.s ? b.s : "");
		strb_free(&b);
	}
}

static void cut_anywhere_a_file_is_only_shorter(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		for (size_t n = 0; n < strlen(files[i].text); n++) {
			char *copy = xmemdup(files[i].text, n + !n);
			struct strb b = { 0 };

			leases_parse(copy, n, NOW_S * INT64_C(1000), told, &b);
			strb_free(&b);
			free(copy);
		}
}

/* --- followed --- */

static char path[64];
static int64_t mono_ms;

static int in_a_directory(void **state)
{
	(void)state;
	strcpy(path, "/tmp/culprit-leases-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/leases");
	return 0;
}

static int away(void **state)
{
	(void)state;
	unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

/* As servers do it: a new file takes the old one's name. at_s: when. */
static void write_file(const char *text, int64_t at_s)
{
	struct timespec t[2] = { { at_s, 0 }, { at_s, 0 } };
	char *fresh = xasprintf("%s.new", path);
	FILE *f = fopen(fresh, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(utimensat(AT_FDCWD, fresh, t, 0), 0);
	assert_int_equal(rename(fresh, path), 0);
	free(fresh);
}

static const char *whose(struct leases *l, const char *addr, int64_t at_s, char name[LEASE_NAME])
{
	struct addr a;

	assert_true(addr_parse(addr, &a));
	leases_look(l, mono_ms += 3000);
	return leases_find(l, &a, at_s * 1000, name) ? name : "";
}

static void an_address_is_whose_it_was_then(void **state)
{
	struct leases *l = leases_open(path);
	char n[LEASE_NAME];

	(void)state;
	write_file("lease 10.20.0.66 {\n starts epoch 1000;\n ends epoch 2000;\n "
		   "client-hostname \"alice\";\n}\n"
		   "lease 10.20.0.66 {\n starts epoch 1500;\n ends epoch 1800;\n "
		   "client-hostname \"alice\";\n}\n"
		   "lease 10.20.0.66 {\n starts epoch 3000;\n ends epoch 4000;\n "
		   "client-hostname \"bob\";\n}\n", 3000);
	assert_string_equal(whose(l, "10.20.0.66", 999, n), "");
	assert_string_equal(whose(l, "10.20.0.66", 1200, n), "alice");
	assert_string_equal(whose(l, "10.20.0.66", 1799, n), "alice");
	assert_string_equal(whose(l, "10.20.0.66", 1900, n), ""); /* given back early */
	assert_string_equal(whose(l, "10.20.0.66", 3000, n), "bob");
	assert_string_equal(whose(l, "10.20.0.66", 4000, n), "");
	assert_string_equal(whose(l, "10.20.0.6", 3000, n), "");
	leases_close(&l);
}

static void what_the_file_forgot_is_still_known(void **state)
{
	struct leases *l = leases_open(path);
	int64_t now_s = clock_wall_ms() / 1000;
	char text[256], n[LEASE_NAME];

	(void)state;
	snprintf(text, sizeof(text), "%lld 52:54:00:00:00:01 10.20.0.66 alice *\n",
		 (long long)now_s + 3600);
	write_file(text, now_s - 7200);
	assert_string_equal(whose(l, "10.20.0.66", now_s, n), "alice");
	snprintf(text, sizeof(text), "%lld 52:54:00:00:00:02 10.20.0.66 bob *\n",
		 (long long)now_s + 7200);
	write_file(text, now_s - 60);
	assert_string_equal(whose(l, "10.20.0.66", now_s, n), "bob");
	assert_string_equal(whose(l, "10.20.0.66", now_s - 61, n), "alice");
	/* Renewed, read again, and away for a moment: nothing changes. */
	snprintf(text, sizeof(text), "%lld 52:54:00:00:00:02 10.20.0.66 bob *\n",
		 (long long)now_s + 9999);
	write_file(text, now_s - 5);
	assert_string_equal(whose(l, "10.20.0.66", now_s - 30, n), "bob");
	assert_string_equal(whose(l, "10.20.0.66", now_s - 61, n), "alice");
	assert_int_equal(unlink(path), 0);
	assert_string_equal(whose(l, "10.20.0.66", now_s, n), "bob");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_string_equal(whose(l, "10.20.0.66", now_s, n), "bob");
	assert_int_equal(rmdir(path), 0);
	write_file("", now_s);
	assert_string_equal(whose(l, "10.20.0.66", now_s + 1, n), "");
	assert_string_equal(whose(l, "10.20.0.66", now_s - 30, n), "bob");
	leases_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_is_known_by_itself),
		cmocka_unit_test(cut_anywhere_a_file_is_only_shorter),
		cmocka_unit_test_setup_teardown(an_address_is_whose_it_was_then, in_a_directory,
						away),
		cmocka_unit_test_setup_teardown(what_the_file_forgot_is_still_known,
						in_a_directory, away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
