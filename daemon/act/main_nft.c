/* main_nft.c - culprit-nft: keeps nftables' sets as culpritd's list is.
 * SPDX-License-Identifier: ISC
 *
 * For traffic that does not go through the proxy, and for downloads that run already. It
 * asks culpritd every two seconds who is acted on, and when that differs from what it
 * told the kernel, tells it: one transaction through `nft -f -`, started without a
 * shell. Elements carry time-outs of their own, so an act ends when it should although
 * culpritd or this helper should be gone by then; and while culpritd is away nothing is
 * added. What becomes of an address in a set is said by rules (contrib/nftables).
 *
 * It needs CAP_NET_ADMIN and nothing else. Only addresses and numbers that were parsed
 * here go to nft, never text from outside.
 */
#include "daemon/act/client.h"
#include "daemon/base/addr.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, EVERY_MS = 2000, WAIT_MS = 2000, SLACK_S = 5, NAME = 64 };

extern char **environ;

struct entry {
	struct addr addr;
	bool refuse;
	long until_s; /* monotonic */
};

struct helper {
	const char *path, *table; /* "inet culprit" */
	bool print, once;
	struct entry told[MOST], now[MOST];
	size_t n_told, n_now;
	bool started; /* the sets have been emptied once */
};

static volatile sig_atomic_t stopping;

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static long mono_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec;
}

/* "10.20.0.66 slow 3540 0 ..." ; false: not one that holds. */
static bool parse(const char *line, struct entry *e)
{
	char addr[64], kind[16];
	long left;
	int dry;

	if (sscanf(line, "%63s %15s %10ld %d", addr, kind, &left, &dry) != 4 || dry ||
	    left <= 0 || left > 31 * 86400L || !addr_parse(addr, &e->addr))
		return false;
	e->refuse = !strcmp(kind, "refuse");
	e->until_s = mono_s() + left;
	return e->refuse || !strcmp(kind, "slow");
}

/* False: the daemon did not tell all of it. */
static bool ask(struct helper *h)
{
	struct err err = { "" };
	char line[ACT_LINE];
	int fd = act_connect(h->path, WAIT_MS, &err);
	bool ok = fd >= 0 && act_ask(fd, "list", line);

	h->n_now = 0;
	for (; ok && strcmp(line, "."); ok = act_more(fd, line)) {
		if (!strncmp(line, "no ", 3)) {
			err_set(&err, "%s: %s", h->path, line + 3);
			ok = false;
			break;
		}
		if (h->n_now < MOST && parse(line, &h->now[h->n_now]))
			h->n_now++;
	}
	if (fd >= 0)
		close(fd);
	if (!ok && *err.msg)
		fprintf(stderr, "culprit-nft: %s\n", err.msg);
	return ok;
}

static const struct entry *among(const struct entry *e, const struct entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(&list[i].addr, &e->addr) && list[i].refuse == e->refuse &&
		    labs(list[i].until_s - e->until_s) <= SLACK_S)
			return &list[i];
	return NULL;
}

static void element(FILE *to, const struct helper *h, const char *verb, const struct entry *e)
{
	char text[ADDR_TEXT];

	fprintf(to, "%s element %s %s%c { %s", verb, h->table, e->refuse ? "refuse" : "slow",
		addr_is4(&e->addr) ? '4' : '6', addr_text(&e->addr, text));
	if (*verb == 'a')
		fprintf(to, " timeout %lds", e->until_s - mono_s());
	fprintf(to, " }\n");
}

/* What makes the sets as the list is; false: they are. */
static bool script(const struct helper *h, FILE *to)
{
	static const char *const sets[] = { "slow4", "slow6", "refuse4", "refuse6" };
	bool any = !h->started;

	for (size_t i = 0; !h->started && i < 4; i++)
		fprintf(to, "flush set %s %s\n", h->table, sets[i]);
	for (size_t i = 0; i < h->n_told; i++) {
		if (among(&h->told[i], h->now, h->n_now) || h->told[i].until_s <= mono_s())
			continue; /* the kernel takes out what is over by itself */
		/* Added first: one that just ended by itself cannot be deleted. */
		element(to, h, "add", &h->told[i]);
		element(to, h, "delete", &h->told[i]);
		any = true;
	}
	for (size_t i = 0; i < h->n_now; i++) {
		if (among(&h->now[i], h->told, h->n_told) || h->now[i].until_s <= mono_s())
			continue;
		element(to, h, "add", &h->now[i]);
		any = true;
	}
	return any;
}

static bool nft(const char *text, size_t len)
{
	char *const argv[] = { "nft", "-f", "-", NULL };
	posix_spawn_file_actions_t files;
	int p[2], status = -1;
	pid_t pid;
	bool ok;

	if (pipe(p))
		return false;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, p[0], STDIN_FILENO);
	posix_spawn_file_actions_addclose(&files, p[0]);
	posix_spawn_file_actions_addclose(&files, p[1]);
	ok = !posix_spawnp(&pid, "nft", &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(p[0]);
	if (!ok)
		fprintf(stderr, "culprit-nft: nft could not be started: is nftables "
			"installed?\n");
	for (size_t done = 0; ok && done < len;) {
		ssize_t n = write(p[1], text + done, len - done);

		if (n <= 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	close(p[1]);
	while (ok && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return ok && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool turn(struct helper *h)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to;
	bool any, ok = true;

	if (!ask(h))
		return false;
	to = open_memstream(&text, &len);
	any = script(h, to);
	fclose(to);
	if (any && h->print)
		ok = fwrite(text, 1, len, stdout) == len && !fflush(stdout);
	else if (any)
		ok = nft(text, len);
	free(text);
	if (!ok) { /* begin anew: somebody may have loaded the rules again */
		h->started = false;
		h->n_told = 0;
		return false;
	}
	h->started = true;
	memcpy(h->told, h->now, h->n_now * sizeof(*h->now));
	h->n_told = h->n_now;
	return true;
}

static bool name_ok(const char *table)
{
	return *table && strlen(table) < NAME &&
	       strspn(table, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789_- ") == strlen(table);
}

static int usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: culprit-nft [--socket PATH] [--table \"inet culprit\"] [--once] [--print]\n"
		"\n"
		"  --socket PATH   of culpritd, instead of " ACT_SOCKET "\n"
		"  --table NAME    family and table that hold the sets slow4, slow6, refuse4 and\n"
		"                  refuse6 (\"inet culprit\"; see contrib/nftables)\n"
		"  --once          one look, and end\n"
		"  --print         say what nft would be told, and do nothing\n");
	return code;
}

static bool options(int argc, char **argv, struct helper *h, int *code)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "table", required_argument, NULL, 't' }, { "once", no_argument, NULL, 'o' },
		{ "print", no_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 's': h->path = optarg; break;
		case 't': h->table = optarg; break;
		case 'o': h->once = true; break;
		case 'p': h->print = true; break;
		case 'h': *code = usage(EX_OK); return false;
		default: *code = usage(EX_USAGE); return false;
		}
	if (optind == argc && name_ok(h->table))
		return true;
	*code = usage(EX_USAGE);
	return false;
}

int main(int argc, char **argv)
{
	static struct helper h = { .path = ACT_SOCKET, .table = "inet culprit" };
	const struct timespec every = { EVERY_MS / 1000, EVERY_MS % 1000 * 1000000L };
	struct sigaction act = { .sa_handler = stop };
	int code;
	bool ok;

	if (!options(argc, argv, &h, &code))
		return code;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	do {
		ok = turn(&h);
	} while (!h.once && !stopping && (nanosleep(&every, NULL), !stopping));
	return ok || stopping ? EX_OK : EX_UNAVAILABLE;
}
