/* exec.c - hands an alert to a program.
 * SPDX-License-Identifier: ISC
 *
 * Texts from outside reach the program only as JSON on its standard input:
 * never as arguments, never in the environment, and there is no shell. It runs
 * in a group of its own, so that what it started ends with it, and with limits
 * on its time and processes. One program runs for a channel at a time.
 */
#include "daemon/notify/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

enum { LIMIT_CPU_S = 10, LIMIT_PROCESSES = 256, FD_MAX_CLOSED = 1024 };

struct program {
	pid_t pid;
	int in, out; /* its standard input and output; -1 when closed */
	int cancel;
	const char *text;
	size_t left;
	struct strb output;
	int64_t deadline_ms;
};

/* After fork() of a program with threads: only calls that are safe there. */
static void become(const struct channel *c, int in, int out)
{
	static char path[] =
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang[] = "LANG=C.UTF-8";
	char *const env[] = { path, lang, NULL };
	const struct rlimit cpu = { LIMIT_CPU_S, LIMIT_CPU_S };
	const struct rlimit processes = { LIMIT_PROCESSES, LIMIT_PROCESSES },
			    core = { 0, 0 };
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	for (int fd = 3; fd < FD_MAX_CLOSED; fd++)
		close(fd); /* sockets of libraries that forgot O_CLOEXEC */
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_NPROC, &processes);
	setrlimit(RLIMIT_CORE, &core);
	execve(c->argv[0], c->argv, env);
	_exit(127);
}

static bool begin(struct program *p, const struct channel *c)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		goto fail;
	p->pid = fork();
	if (p->pid < 0)
		goto fail;
	if (!p->pid)
		become(c, in[0], out[1]);
	setpgid(p->pid, p->pid); /* here too, or a kill could come before its own */
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	return true;
fail:
	for (int i = 0; i < 2; i++) {
		if (in[i] >= 0)
			close(in[i]);
		if (out[i] >= 0)
			close(out[i]);
	}
	return false;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void feed(struct program *p)
{
	ssize_t n = write(p->in, p->text, p->left);

	if (n > 0) {
		p->text += n;
		p->left -= (size_t)n;
	}
	if (!p->left || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&p->in); /* a program need not read it */
}

static void hear(struct program *p)
{
	char buf[4096];
	ssize_t n = read(p->out, buf, sizeof(buf));

	if (n > 0 && p->output.len < EXEC_OUTPUT)
		strb_addn(&p->output, buf, (size_t)n);
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	    p->output.len >= EXEC_OUTPUT)
		shut(&p->out);
}

/* Until it has closed its output; false when its time is over. */
static bool talk(struct program *p)
{
	while (p->out >= 0) {
		struct pollfd f[3] = { { .fd = p->out, .events = POLLIN },
				       { .fd = p->in, .events = POLLOUT },
				       { .fd = p->cancel, .events = POLLIN } };
		int64_t left = p->deadline_ms - clock_mono_ms();

		if (left <= 0 || poll(f, 3, (int)left) == 0 || f[2].revents)
			return false;
		if (f[0].revents)
			hear(p);
		if (f[1].revents && p->in >= 0)
			feed(p);
	}
	return true;
}

/* Its exit status; a group that is still there at the deadline is killed first. */
static int reap(struct program *p, bool in_time)
{
	int status = 0;

	while (in_time && clock_mono_ms() < p->deadline_ms) {
		if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
			kill(-p->pid, SIGKILL); /* what it left behind */
			return status;
		}
		poll(NULL, 0, 10);
	}
	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	return -1;
}

static void judge(const struct program *p, int status, struct outcome *out)
{
	int code = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	struct strb b = { 0 };

	*out = (struct outcome){ .result = code == 0 ? RESULT_SENT : RESULT_LATER };
	if (code == 0)
		return;
	if (code >= 64 && code <= 78 && code != 75)
		out->result = RESULT_FINAL;
	if (status < 0)
		strb_fmt(&b, "it did not end within %d s and was killed", EXEC_MS / 1000);
	else if (code < 0)
		strb_fmt(&b, "it was ended by signal %d", WTERMSIG(status));
	else if (code == 127)
		strb_add(&b, "it could not be run; check its path and mode");
	else
		strb_fmt(&b, "it ended with code %d", code);
	if (p->output.len) {
		char *head = strndup(p->output.s, utf8_cut(p->output.s, 200, 400));

		strb_add(&b, ": \"");
		strb_tty(&b, head);
		strb_addc(&b, '"');
		free(head);
	} else if (code > 0 && code != 127) {
		strb_add(&b, " and said nothing why; 0 would have been success");
	}
	b.s[utf8_cut(b.s, SIZE_MAX, sizeof(out->note) - 1)] = '\0';
	snprintf(out->note, sizeof(out->note), "%s", b.s);
	strb_free(&b);
}

void exec_send(const struct channel *c, const struct message *m, int cancel,
	       struct strb *transcript, struct outcome *out)
{
	struct program p = { .in = -1,
			     .out = -1,
			     .cancel = cancel,
			     .deadline_ms = clock_mono_ms() + EXEC_MS };
	json_t *j = alert_json(m->alert, c->base_url);
	char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12));
	int status;

	json_decref(j);
	p.text = text ? text : "";
	p.left = strlen(p.text);
	if (!begin(&p, c)) {
		*out = (struct outcome){ .result = RESULT_LATER };
		snprintf(out->note, sizeof(out->note), "no process could be started: %s",
			 strerror(errno));
		free(text);
		return;
	}
	status = reap(&p, talk(&p));
	shut(&p.in);
	shut(&p.out);
	judge(&p, status, out);
	if (transcript) {
		strb_fmt(transcript, "$ %s\n", c->argv[0]);
		strb_tty(transcript, p.output.s ? p.output.s : "");
		strb_fmt(transcript, "\n= %s\n",
			 *out->note ? out->note : "it ended with code 0");
	}
	strb_free(&p.output);
	free(text);
}
