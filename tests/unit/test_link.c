/* test_link.c - a signed address does just what it says, for just as long.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW = 1795430100 };
static const char id[] = "01M8GN8BMCJEGJFPAPZ3G8RQB9";

static void what_was_signed_is_taken_until_it_is_over(void **state)
{
	char path[LINK_PATH], alert[ALERT_ID];
	enum link_what what = LINK_SILENCE;
	struct err err = { "" };

	(void)state;
	link_path("secret", LINK_ACK, id, NOW + 60, path);
	assert_true(link_verify("secret", path, NOW + 60, &what, alert, &err));
	assert_int_equal(what, LINK_ACK);
	assert_string_equal(alert, id);
	assert_false(link_verify("secret", path, NOW + 61, &what, alert, &err));
	assert_non_null(strstr(err.msg, "for some time only"));
	assert_false(link_verify("other", path, NOW, &what, alert, &err));
	assert_false(link_verify(NULL, path, NOW, &what, alert, &err));
	link_path("secret", LINK_SILENCE, id, NOW + 60, path);
	assert_true(link_verify("secret", path, NOW, &what, alert, &err));
	assert_int_equal(what, LINK_SILENCE);
}

static void no_octet_of_it_can_be_changed(void **state)
{
	char path[LINK_PATH], bad[LINK_PATH], alert[ALERT_ID];
	enum link_what what;
	struct err err;

	(void)state;
	link_path("secret", LINK_ACK, id, NOW + 60, path);
	for (size_t i = 0; path[i]; i++) {
		strcpy(bad, path);
		bad[i] = bad[i] == '0' ? '1' : '0';
		assert_false(link_verify("secret", bad, NOW, &what, alert, &err));
		strcpy(bad, path);
		bad[i] = '\0';
		assert_false(link_verify("secret", bad, NOW, &what, alert, &err));
	}
}

static void a_secret_is_made_once_and_for_us_alone(void **state)
{
	char dir[] = "/tmp/culprit-link-XXXXXX", *path, *one, *two;
	struct err err = { "" };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/link.key", dir);
	one = link_secret(path, &err);
	two = link_secret(path, &err);
	assert_non_null(one);
	assert_int_equal(strlen(one), 64);
	assert_string_equal(one, two);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 027, 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_null(link_secret(path, &err));
	assert_non_null(strstr(err.msg, "remove it"));
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_null(link_secret(path, &err));
	unlink(path);
	rmdir(dir);
	free(path);
	free(one);
	free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_is_taken_until_it_is_over),
		cmocka_unit_test(no_octet_of_it_can_be_changed),
		cmocka_unit_test(a_secret_is_made_once_and_for_us_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
