/* test_log.c - what reaches standard error, and what never waits for it.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/log.h"

/* Standard error becomes the writing end of fd[1] while a test runs. */
struct caught {
	int fd[2], real;
	char text[16384];
};

static void catch(struct caught *c, bool socket)
{
	assert_int_equal(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, c->fd) : pipe(c->fd), 0);
	fcntl(c->fd[0], F_SETFL, O_NONBLOCK);
	c->real = dup(STDERR_FILENO);
	dup2(c->fd[1], STDERR_FILENO);
}

static const char *heard(struct caught *c)
{
	ssize_t n = read(c->fd[0], c->text, sizeof(c->text) - 1);

	c->text[n > 0 ? n : 0] = '\0';
	return c->text;
}

static void release(struct caught *c)
{
	dup2(c->real, STDERR_FILENO);
	close(c->real);
	close(c->fd[0]);
	close(c->fd[1]);
}

static void lines_have_a_time_or_a_priority(void **unused)
{
	struct caught c;

	(void)unused;
	catch(&c, false);
	unsetenv("JOURNAL_STREAM");
	log_init(LOG_LEVEL_INFO);
	log_info("%d exporters", 3);
	heard(&c);
	assert_true(c.text[4] == '-' && c.text[13] == ':');
	assert_string_equal(strchr(c.text, '\n') - strlen("3 exporters"), "3 exporters\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_init(LOG_LEVEL_WARN);
	log_info("not this");
	log_debug("nor this");
	log_warn("that");
	log_err("and that");
	assert_string_equal(heard(&c), "<4>that\n<3>and that\n");
	release(&c);
}

static void text_from_outside_cannot_forge_lines(void **unused)
{
	struct caught c;

	(void)unused;
	catch(&c, true);
	log_err("PTR \"%s\"", "x\n<0>panic\x1b[2J\xe2\x80\xae");
	assert_string_equal(heard(&c),
			    "<3>PTR \"x\\x0a<0>panic\\x1b[2J\\xe2\\x80\\xae\"\n");
	release(&c);
}

static void the_same_is_said_seldom_and_counted(void **unused)
{
	struct caught c;

	(void)unused;
	catch(&c, false);
	for (int i = 0; i < 5; i++)
		log_seldom("disk", 3600, "disk full, try %d", i);
	log_seldom("redis", 3600, "redis is away");
	assert_string_equal(heard(&c), "<4>disk full, try 0\n<4>redis is away\n");
	log_seldom("disk", 0, "disk full again");
	assert_string_equal(heard(&c),
			    "<4>disk full again (4 more like this were held back)\n");
	release(&c);
}

static void keys_are_bounded_and_the_oldest_forgotten(void **unused)
{
	struct caught c;
	char key[32];

	(void)unused;
	catch(&c, false);
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		log_seldom(key, 3600, "k%d", i);
		heard(&c);
	}
	log_seldom("key 299", 3600, "held back");
	assert_string_equal(heard(&c), "");
	release(&c);
}

static void nobody_reading_stops_nothing_and_is_counted(void **unused)
{
	uint64_t before = log_dropped();
	struct caught c;

	(void)unused;
	for (int socket = 0; socket < 2; socket++) {
		catch(&c, socket);
		for (int i = 0; i < 20000; i++) /* would block for ever */
			log_err("a line that nobody reads, number %d", i);
		assert_true(log_dropped() > before);
		while (*heard(&c))
			;
		log_err("here again");
		assert_non_null(strstr(heard(&c), "lines before this are lost"));
		log_err("once");
		assert_string_equal(heard(&c), "<3>once\n");
		before = log_dropped();
		release(&c);
	}
}

static void a_very_long_line_is_one_line(void **unused)
{
	static char text[5000];
	struct caught c;
	size_t len;

	(void)unused;
	catch(&c, false);
	memset(text, '\x1b', sizeof(text) - 1);
	log_err("%s", text);
	len = strlen(heard(&c));
	assert_true(len > 900 && len <= 4096);
	assert_ptr_equal(strchr(c.text, '\n'), c.text + len - 1);
	release(&c);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(lines_have_a_time_or_a_priority),
		cmocka_unit_test(text_from_outside_cannot_forge_lines),
		cmocka_unit_test(the_same_is_said_seldom_and_counted),
		cmocka_unit_test(keys_are_bounded_and_the_oldest_forgotten),
		cmocka_unit_test(nobody_reading_stops_nothing_and_is_counted),
		cmocka_unit_test(a_very_long_line_is_one_line),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
