/* redis_server.h - a real redis-server of the test's own, on a Unix socket in its directory.
 * SPDX-License-Identifier: ISC
 *
 * No TCP port, no persistence unless asked; ended by its pid. */
#ifndef CUL_TESTS_REDIS_SERVER_H
#define CUL_TESTS_REDIS_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
	char dir[64], socket[96], url[128];
	pid_t pid; /* 0: not running */
};

static inline void nap_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* Whether it answers PING. */
static inline bool redis_server_answers(const struct redis_server *s)
{
	struct timeval tv = { 0, 200000 };
	redisContext *c = redisConnectUnixWithTimeout(s->socket, tv);
	redisReply *r = NULL;

	if (c && !c->err && redisSetTimeout(c, tv) == REDIS_OK)
		r = redisCommand(c, "PING");
	bool ok = r && r->type != REDIS_REPLY_NIL;

	if (r)
		freeReplyObject(r);
	if (c)
		redisFree(c);
	return ok;
}

static inline void redis_server_start(struct redis_server *s, const char *more)
{
	char *argv[32] = { "redis-server", "--port", "0", "--unixsocket", s->socket, "--dir",
			   s->dir, "--save", "", "--appendonly", "no", "--daemonize", "no" };
	char *copy = strdup(more ? more : ""), *save = NULL;
	int n = 13;

	for (char *w = strtok_r(copy, " ", &save); w && n < 31; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	free(copy);
	for (int i = 0; i < 1000; i++) {
		int status;

		if (redis_server_answers(s))
			return;
		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
				fail_msg("redis-server is not installed; these tests need "
					 "it: apt-get install redis-server");
			fail_msg("redis-server ended with status %d", status);
		}
		nap_ms(5);
	}
	fail_msg("redis-server does not answer on %s", s->socket);
}

static inline void redis_server_init(struct redis_server *s, const char *more)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/culprit-redis-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->dir);
	snprintf(s->url, sizeof(s->url), "redis+unix://%s", s->socket);
	redis_server_start(s, more);
}

static inline void redis_server_kill(struct redis_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGCONT);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	unlink(s->socket);
}

static inline void redis_server_fini(struct redis_server *s)
{
	redis_server_kill(s);
	rmdir(s->dir);
}

/* One command; its integer, or 1 for a status, or the length of an array. */
static inline long long redis_server_do(const struct redis_server *s, const char *fmt, ...)
{
	redisContext *c = redisConnectUnix(s->socket);
	redisReply *r;
	long long v;
	va_list ap;

	assert_non_null(c);
	assert_int_equal(c->err, 0);
	va_start(ap, fmt);
	r = redisvCommand(c, fmt, ap);
	va_end(ap);
	assert_non_null(r);
	if (r->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", fmt, r->str);
	v = r->type == REDIS_REPLY_INTEGER ? r->integer :
	    r->type == REDIS_REPLY_ARRAY ? (long long)r->elements : r->type != REDIS_REPLY_NIL;
	freeReplyObject(r);
	redisFree(c);
	return v;
}

#endif
