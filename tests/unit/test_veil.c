/* test_veil.c - pseudonyms: stable, keyed, readable, and refused where the key is open.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "archive_kit.h"

#include "daemon/base/mem.h"
#include "daemon/evidence/join.h"
#include "daemon/evidence/veil.h"

#include <sys/stat.h>

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static void a_pseudonym_is_stable_and_another_keys_is_another(void **state)
{
	static const char *const who[] = { "10.20.0.66", "10.20.0.67", "2001:db8::66" };
	char *dir = kit_dir(), *one = xasprintf("%s/one", dir), *two = xasprintf("%s/two", dir);
	struct err err = { "" };
	struct veil *v = veil_open(one, true, &err), *again = veil_open(one, true, &err);
	struct veil *other = veil_open(two, true, &err);
	struct stat st;

	(void)state;
	assert_true(v && again && other);
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		struct addr a = address(who[i]), p = veil_addr(v, &a), q = veil_addr(again, &a);
		struct addr o = veil_addr(other, &a), back, twice = veil_addr(v, &p);
		char text[ADDR_TEXT];

		assert_true(addr_is_veiled(&p) && !addr_is_veiled(&a));
		assert_true(addr_eq(&p, &q) && addr_eq(&p, &twice) && !addr_eq(&p, &o));
		addr_text(&p, text);
		assert_int_equal(strlen(text), strlen("client-0123456789ab"));
		assert_true(addr_parse(text, &back) && addr_eq(&back, &p));
	}
	assert_false(addr_parse("client-0123456789a", &(struct addr){ { 0 } }));
	assert_false(addr_parse("client-0123456789abc", &(struct addr){ { 0 } }));
	assert_false(addr_parse("client-0123456789AB", &(struct addr){ { 0 } }));
	veil_free(&v);
	veil_free(&again);
	veil_free(&other);
	free(one);
	free(two);
	kit_rm(dir);
}

static void a_key_that_is_open_short_or_missing_is_refused(void **state)
{
	static const struct {
		const char *key;
		mode_t mode;
		const char *says;
	} rows[] = {
		{ "0123456789abcdef0123456789abcdef\n", 0644, "chmod 0600" },
		{ "short\n", 0600, "shorter than" },
		{ "", 0600, "shorter than" },
		{ NULL, 0, "No such file" },
	};
	char *dir = kit_dir(), *path = xasprintf("%s/key", dir);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { "" };
		FILE *f = rows[i].key ? fopen(path, "w") : NULL;

		if (f) {
			fputs(rows[i].key, f);
			fclose(f);
			assert_int_equal(chmod(path, rows[i].mode), 0);
		} else {
			remove(path);
		}
		assert_null(veil_open(path, false, &err));
		assert_non_null(strstr(err.msg, rows[i].says));
	}
	free(path);
	kit_rm(dir);
}

static void flows_are_joined_with_requests_that_have_pseudonyms(void **state)
{
	char *dir = kit_dir(), *path = xasprintf("%s/key", dir);
	struct err err = { "" };
	struct veil *v = veil_open(path, true, &err);
	struct addr proxy = address("10.20.0.1"), client = address("10.20.0.66");
	struct request r = { .start_ms = 1000000, .end_ms = 1010000, .received = 1000,
			     .client = veil_addr(v, &client), .url = (char *)"u" };
	struct request *list = request_new(&r);
	struct join_flow f = { proxy, client, 3128, 50000, 0, 1000000, 1010000, 1100, 0, 0 };
	struct join j;

	(void)state;
	join_run(&f, 1, &list, 1, &proxy, 1, 0, 2000000, NULL, &j);
	assert_int_equal(f.leg, JOIN_UNKNOWN);
	join_free(&j);
	join_run(&f, 1, &list, 1, &proxy, 1, 0, 2000000, v, &j);
	assert_int_equal(f.leg, JOIN_CLIENT);
	assert_true(f.explained > 999 && f.explained < 1001);
	join_free(&j);
	request_unref(&list);
	veil_free(&v);
	free(path);
	kit_rm(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pseudonym_is_stable_and_another_keys_is_another),
		cmocka_unit_test(a_key_that_is_open_short_or_missing_is_refused),
		cmocka_unit_test(flows_are_joined_with_requests_that_have_pseudonyms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
