/* cmd_demo.c - culprit demo: the daemon with traffic of its own.
 * SPDX-License-Identifier: ISC
 *
 * What it keeps goes to a directory of its own, which is taken away at the end,
 * unless --state names one.
 */
#include "daemon/cli/cmd.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/cli/cli.h"

enum { FTW_FILES = 16 };

/* culpritd beside this program, else the one of PATH. Gives. */
static char *daemon_path(const char *program)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;
	char *path;

	if (n <= 0)
		snprintf(self, sizeof(self), "%s", program);
	else
		self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		path = xasprintf("%.*s/culpritd", (int)(slash - self), self);
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return xstrdup("culpritd");
}

static int take_away(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Signals of the terminal reach the daemon by itself; we only wait for its end. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int run(const struct cli *c, const char *state)
{
	char *path = daemon_path(c->program);
	char *argv[8] = { path, (char *)(c->json ? "--demo=json" : "--demo"), (char *)"-f",
			  (char *)"--state", (char *)state };
	pid_t pid;
	int code;

	if (c->config_file) {
		argv[5] = (char *)"-c";
		argv[6] = (char *)c->config_file;
	}
	pid = fork();
	if (!pid) {
		execvp(path, argv);
		cli_say("%s: %s", path, strerror(errno));
		_exit(EX_UNAVAILABLE);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	code = pid < 0 ? cli_fail(EXIT_FAILURE, "%s", strerror(errno)) : wait_for(pid);
	free(path);
	return code;
}

int cmd_demo(struct cli *c, int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	int code = cli_args(c, &argc, argv, NULL);
	char *state;

	if (code >= 0)
		return code;
	if (argc > 1)
		return cli_usage(c, "\"%s\" is not understood", argv[1]);
	if (c->state_dir)
		return run(c, c->state_dir);
	state = xasprintf("%s/culprit-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(state)) {
		code = cli_fail(EXIT_FAILURE, "%s: %s", state, strerror(errno));
	} else {
		code = run(c, state);
		nftw(state, take_away, FTW_FILES, FTW_DEPTH | FTW_PHYS);
	}
	free(state);
	return code;
}
