/* main.c - options, signals, exit codes.
 * SPDX-License-Identifier: ISC
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/units.h"
#include "daemon/config.h"
#include "daemon/demo.h"
#include "daemon/engine.h"
#include "daemon/sd.h"

#ifndef CUL_VERSION
#define CUL_VERSION "0"
#endif

enum { TURN_MS = 500 };

struct options {
	const char *program, *file, *state, *pidfile, *clock;
	bool foreground, test, print, demo, json, verbose;
};

static const char usage[] =
	"usage: culpritd [-c FILE] [--state DIR] [-f] [-t] [-T] [--demo] [-v]\n"
	"\n"
	"  -c, --config FILE   read this instead of " CONFIG_FILE "\n"
	"      --state DIR     keep everything there instead of " CONFIG_STATE_DIR "\n"
	"  -f, --foreground    stay in the foreground, log to standard error\n"
	"  -t, --test          check the configuration, say every error, and end\n"
	"  -T, --print         the same, then print it with all defaults filled in\n"
	"      --demo          also send traffic to itself, with a culprit in it\n"
	"                      (--demo=json: its alerts as JSON, one a line)\n"
	"      --pidfile FILE  write the process id there (background only)\n"
	"      --clock TIME*N  begin at TIME (Unix seconds), run N times as fast (tests)\n"
	"  -v, --verbose       say more\n"
	"  -V, --version       say which version this is, and end\n"
	"  -h, --help          this text\n";

static bool parse(int argc, char **argv, struct options *o, int *status)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 's' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "test", no_argument, NULL, 't' },
		{ "print", no_argument, NULL, 'T' },
		{ "demo", optional_argument, NULL, 'D' },
		{ "pidfile", required_argument, NULL, 'p' },
		{ "clock", required_argument, NULL, 'C' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*status = EX_OK;
	while ((c = getopt_long(argc, argv, "c:ftTvVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->file = optarg; break;
		case 's': o->state = optarg; break;
		case 'f': o->foreground = true; break;
		case 't': o->test = true; break;
		case 'T': o->test = o->print = true; break;
		case 'D':
			o->demo = true;
			o->json = optarg;
			if (!optarg || !strcmp(optarg, "json"))
				break;
			fprintf(stderr, "culpritd: --demo or --demo=json, not \"%s\"\n", optarg);
			*status = EX_USAGE;
			return false;
		case 'p': o->pidfile = optarg; break;
		case 'C': o->clock = optarg; break;
		case 'v': o->verbose = true; break;
		case 'V': printf("culpritd %s\n", CUL_VERSION); return false;
		case 'h': fputs(usage, stdout); return false;
		default: fputs(usage, stderr); *status = EX_USAGE; return false;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "culpritd: \"%s\" is not understood\n%s", argv[optind], usage);
	*status = EX_USAGE;
	return false;
}

static struct config *load(const struct options *o)
{
	struct config_errors errs = { 0 };
	struct config *c = config_load_text(o->file, o->demo ? demo_config : NULL, o->state,
					    &errs);

	config_errors_print(&errs, stderr);
	config_errors_free(&errs);
	if (c && o->demo)
		demo_tell_everybody(c);
	return c;
}

static int test(const struct options *o)
{
	struct config *c = load(o);

	if (!c)
		return EX_CONFIG;
	fprintf(stderr, "culpritd: %s is right\n", c->file ? c->file : "the default configuration");
	if (o->print)
		config_print(c, stdout);
	config_free(&c);
	return EX_OK;
}

static bool set_clock(const char *text)
{
	char *end;
	double start = strtod(text, &end), speed = 1;

	if (*end == '*')
		speed = strtod(end + 1, &end);
	if (*end || !(start > 0) || !(speed > 0))
		return false;
	clock_set((int64_t)(start * 1000), speed);
	return true;
}

static void write_pid(const char *pidfile, pid_t pid)
{
	FILE *f = fopen(pidfile, "w");

	if (!f) {
		fprintf(stderr, "culpritd: %s: %s\n", pidfile, strerror(errno));
		return;
	}
	fprintf(f, "%d\n", (int)pid);
	fclose(f);
}

/* The parent waits until the daemon works, so that its exit code tells; the descriptor
 * that it reads from is given in *tell. It also writes the pid file, since the daemon has
 * no right to any more, and should not: who may write it can have root kill anything. */
static bool background(int *tell, const char *pidfile, int *status)
{
	int p[2];
	pid_t pid;
	char c = EXIT_FAILURE;

	*tell = -1;
	if (pipe2(p, O_CLOEXEC) || (pid = fork()) < 0) {
		fprintf(stderr, "culpritd: %s\n", strerror(errno));
		*status = EX_OSERR;
		return false;
	}
	if (pid) {
		close(p[1]);
		*status = read(p[0], &c, 1) == 1 ? c : EXIT_FAILURE;
		if (*status == EX_OK && pidfile)
			write_pid(pidfile, pid);
		return false;
	}
	close(p[0]);
	setsid();
	*tell = p[1];
	return true;
}

/* The parent ends with this code. */
static int tell_parent(int tell, int status)
{
	char c = (char)status;

	if (tell >= 0) {
		if (write(tell, &c, 1) != 1)
			log_debug("nobody waits for the start");
		close(tell);
	}
	return status;
}

static void detach(int tell)
{
	int null = open("/dev/null", O_RDWR);

	if (tell >= 0 && null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (null >= 0)
		close(null);
	tell_parent(tell, EX_OK);
}

static void reload(struct engine *e, const struct options *o)
{
	struct err err = { "" };
	struct config *c = load(o);

	sd_notify_text("RELOADING=1");
	if (!c)
		log_err("reload: the configuration has errors; the old one goes on");
	else if (!engine_reload(e, c, &err))
		log_err("reload: %s; the old configuration goes on", err.msg);
	else
		log_info("reload: the new configuration is in force");
	sd_notify_text("READY=1");
}

static void serve(struct engine *e, const struct options *o, const sigset_t *signals)
{
	int64_t watchdog = sd_watchdog_ms(), fed = clock_mono_ms();
	struct timespec turn = { 0, TURN_MS * 1000000L };
	char status[200], line[220];
	int sig = 0;

	while (sig != SIGTERM && sig != SIGINT) {
		bool alive;

		sig = sigtimedwait(signals, NULL, &turn);
		if (sig == SIGHUP)
			reload(e, o);
		alive = engine_tick(e);
		if (watchdog && alive && clock_mono_ms() - fed >= watchdog / 2) {
			engine_status(e, status, sizeof(status));
			snprintf(line, sizeof(line), "WATCHDOG=1\nSTATUS=%s", status);
			sd_notify_text(line);
			fed = clock_mono_ms();
		}
	}
	log_info("stopping (signal %d): what has arrived is counted, kept and told", sig);
	sd_notify_text("STOPPING=1");
}

/* How to ask this very daemon: culprit lies beside it, unless both are on the PATH. */
static void ask_line(const struct options *o, struct strb *out)
{
	const char *slash = strrchr(o->program, '/');

	strb_fmt(out, "  ask it                      %.*sculprit%s%s%s%s status\n",
		 slash ? (int)(slash - o->program) + 1 : 0, o->program,
		 o->file ? " -c " : "", o->file ? o->file : "", o->state ? " --state " : "",
		 o->state ? o->state : "");
}

static int run(const struct options *o, int tell)
{
	struct engine_opts eo = { .config = load(o) };
	struct demo *demo = NULL;
	struct err err = { "" };
	struct strb hello = { 0 };
	struct engine *e;
	sigset_t signals;

	if (!eo.config)
		return tell_parent(tell, EX_CONFIG);
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* before threads: they inherit it */
	signal(SIGPIPE, SIG_IGN);
	if (o->demo && !(demo = demo_prepare(&eo, o->json, &err)))
		goto fail;
	e = engine_start(&eo, &err);
	if (!e)
		goto fail;
	engine_greeting(e, &hello);
	ask_line(o, &hello);
	fputs(hello.s, stderr);
	strb_free(&hello);
	detach(tell);
	sd_notify_text("READY=1");
	if (demo)
		demo_start(demo, e);
	serve(e, o, &signals);
	demo_stop(demo);
	engine_stop(&e);
	demo_free(&demo);
	if (o->pidfile)
		unlink(o->pidfile);
	return EX_OK;
fail:
	demo_stop(demo);
	demo_free(&demo);
	fprintf(stderr, "culpritd: %s\n", err.msg);
	return tell_parent(tell, EX_UNAVAILABLE);
}

/* What a burst needed goes back to the machine when it is over: glibc would keep large
 * pieces for itself from the first one on that was freed. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

int main(int argc, char **argv)
{
	struct options o = { .program = argv[0] };
	int status, tell = -1;

	give_memory_back();
	if (!parse(argc, argv, &o, &status))
		return status;
	log_init(o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (o.clock && !set_clock(o.clock)) {
		fprintf(stderr, "culpritd: --clock wants UNIXSECONDS*SPEED\n");
		return EX_USAGE;
	}
	if (o.test)
		return test(&o);
	if (!o.foreground && !o.demo && !getenv("NOTIFY_SOCKET") &&
	    !background(&tell, o.pidfile, &status))
		return status;
	return run(&o, tell);
}
