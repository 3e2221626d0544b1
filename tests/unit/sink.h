/* sink.h - servers for tests: started on a free port of 127.0.0.1, heard by a pipe.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_TESTS_SINK_H
#define CUL_TESTS_SINK_H

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"

struct sink {
	pid_t pid;
	int fd;
	unsigned port;
	char *buf;
	size_t len;
};

/* The next line it says, as JSON (a new reference); NULL after timeout_ms. */
static inline json_t *sink_hear(struct sink *s, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;

	for (;;) {
		char *nl = s->len ? memchr(s->buf, '\n', s->len) : NULL;
		int64_t left = until - clock_mono_ms();
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		ssize_t n;

		if (nl) {
			size_t line = (size_t)(nl - s->buf);
			json_t *j = json_loadb(s->buf, line, 0, NULL);

			s->len -= line + 1;
			memmove(s->buf, nl + 1, s->len);
			return j;
		}
		if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
			return NULL;
		s->buf = realloc(s->buf, s->len + 65536);
		n = read(s->fd, s->buf + s->len, 65536);
		if (n <= 0)
			return NULL;
		s->len += (size_t)n;
	}
}

/* args: argv of the script behind its name, NULL ends. */
static inline void sink_start(struct sink *s, const char *script, const char *const *args)
{
	const char *argv[24] = { "/usr/bin/python3", script };
	int p[2], n = 2;
	json_t *j;

	while (args && *args)
		argv[n++] = *args++;
	*s = (struct sink){ 0 };
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG,
		      SIGKILL); /* not left behind by a test that fails */
		dup2(p[1], 1);
		execv("/usr/bin/python3", (char *const *)argv);
		_exit(127);
	}
	close(p[1]);
	s->fd = p[0];
	j = sink_hear(s, 15000);
	assert_non_null(j);
	s->port = (unsigned)json_integer_value(json_object_get(j, "port"));
	assert_int_not_equal(s->port, 0);
	json_decref(j);
}

static inline void sink_stop(struct sink *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->fd > 0)
		close(s->fd);
	free(s->buf);
	*s = (struct sink){ 0 };
}

/* A new directory of the test's own. */
static inline char *own_dir(void)
{
	char *dir = strdup("/tmp/culprit-test-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void remove_dir(char *dir)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
	free(dir);
}

static inline char *write_file(const char *dir, const char *name, const char *text,
			       mode_t mode)
{
	char *path;
	FILE *f;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	return path;
}

#endif
