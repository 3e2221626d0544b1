/* socket.c - the local socket at which helpers ask who is acted on.
 * SPDX-License-Identifier: ISC
 *
 * One thread, poll, lines. Helpers pull, so the daemon needs no right to do anything to
 * anybody, and a helper that cannot reach it lets everybody through. The kernel says who
 * is at the other end (SO_PEERCRED); nothing else is believed about that.
 */
#include "daemon/act/socket.h"

#include "daemon/act/client.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEERS = 64, PEERS_OF_ONE = 16, TICK_MS = 500, IDLE_MS = 3600000 };

struct peer {
	int fd;
	uid_t uid;
	char line[ACT_LINE];
	size_t len;
	int64_t seen_ms;
};

struct act_socket {
	char *path;
	struct acts *acts;
	int fd, stop;
	pthread_t thread;
	bool running;
	struct peer peers[PEERS];
	size_t n;
};

/* --- answers --- */

static bool may_act(const struct peer *p)
{
	return !p->uid || p->uid == geteuid();
}

static void name_of(uid_t uid, char out[static ACT_BY])
{
	struct passwd pw, *found = NULL;
	char buf[2048];

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) || !found)
		snprintf(out, ACT_BY, "uid %u", (unsigned)uid);
	else
		snprintf(out, ACT_BY, "%s", pw.pw_name);
}

static void lookup(struct act_socket *s, char *rest, struct strb *out)
{
	struct addr a;
	int64_t left;
	enum act_kind k;

	if (!addr_parse(rest, &a)) {
		strb_add(out, "no that is not an address\n");
		return;
	}
	k = acts_lookup(s->acts, &a, clock_wall_ms(), &left);
	if (k == ACT_NONE)
		strb_add(out, "none\n");
	else
		strb_fmt(out, "%s %lld\n", act_word[k], (long long)(left + 999) / 1000);
}

static void list(struct act_socket *s, struct strb *out)
{
	int64_t now_ms = clock_wall_ms();
	size_t n;
	struct act *all = acts_list(s->acts, now_ms, &n);

	for (size_t i = 0; i < n; i++) {
		char addr[ADDR_TEXT];

		strb_fmt(out, "%s %s %lld %d %lld ", addr_text(&all[i].addr, addr),
			 act_word[all[i].kind],
			 (long long)(all[i].until_ms - now_ms + 999) / 1000, all[i].dry,
			 (long long)all[i].since_ms);
		strb_tty(out, all[i].by);
		strb_add(out, "\t");
		strb_tty(out, all[i].why);
		strb_add(out, "\n");
	}
	strb_add(out, ".\n");
	free(all);
}

/* "10.20.0.66 slow 3600 0 WHY" */
static void begin(struct act_socket *s, const struct peer *p, char *rest, bool try,
		  struct strb *out)
{
	char addr[64], word[16], until[UNIT_TEXT];
	unsigned long long seconds;
	int64_t now_ms = clock_wall_ms();
	struct act a = { .kind = ACT_NONE };
	struct err err = { "" };
	int dry, at = 0;

	if (sscanf(rest, "%63s %15s %10llu %d %n", addr, word, &seconds, &dry, &at) != 4 ||
	    !addr_parse(addr, &a.addr) || !act_parse(word, &a.kind) || a.kind == ACT_NONE) {
		strb_add(out, "no that was not understood\n");
		return;
	}
	a.until_ms = now_ms + (int64_t)seconds * 1000;
	a.dry = dry != 0;
	name_of(p->uid, a.by);
	snprintf(a.why, sizeof(a.why), "%s", at ? rest + at : "");
	if (!acts_begin(s->acts, &a, false, try, now_ms, &err))
		strb_fmt(out, "no %s\n", err.msg);
	else
		strb_fmt(out, "ok until %s\n", text_time(a.until_ms, until));
}

static void end(struct act_socket *s, const struct peer *p, char *rest, struct strb *out)
{
	struct err err = { "" };
	char by[ACT_BY];
	struct addr a;

	name_of(p->uid, by);
	if (!addr_parse(rest, &a))
		strb_add(out, "no that is not an address\n");
	else if (!acts_end(s->acts, &a, by, clock_wall_ms(), &err))
		strb_fmt(out, "no %s\n", err.msg);
	else
		strb_add(out, "ok it is over\n");
}

static void answer(struct act_socket *s, struct peer *p, struct strb *out)
{
	char *rest = p->line + strcspn(p->line, " ");
	bool word = *rest != '\0';

	if (word)
		*rest++ = '\0';
	if (!strcmp(p->line, "lookup"))
		lookup(s, rest, out);
	else if (!may_act(p))
		strb_add(out, "no only root and the daemon's own user may do that\n");
	else if (!strcmp(p->line, "list"))
		list(s, out);
	else if (!strcmp(p->line, "begin") || !strcmp(p->line, "try"))
		begin(s, p, rest, *p->line == 't', out);
	else if (!strcmp(p->line, "end"))
		end(s, p, rest, out);
	else
		strb_add(out, "no such question\n");
}

/* --- the thread --- */

static void drop(struct act_socket *s, size_t i)
{
	close(s->peers[i].fd);
	s->peers[i] = s->peers[--s->n];
}

static void take(struct act_socket *s)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval wait = { 1, 0 };
	unsigned same = 0;

	if (fd < 0)
		return;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		for (size_t i = 0; i < s->n; i++)
			same += s->peers[i].uid == who.uid;
	/* Nobody may keep Squid's helper out by being there often. */
	if (s->n == PEERS || same == PEERS_OF_ONE || who.uid == (uid_t)-1) {
		close(fd); /* its owner lets everybody through meanwhile */
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	s->peers[s->n++] = (struct peer){ .fd = fd, .uid = who.uid,
					  .seen_ms = clock_mono_ms() };
}

/* False: it is gone, or does not keep to the form. */
static bool hear(struct act_socket *s, struct peer *p)
{
	ssize_t n = recv(p->fd, p->line + p->len, sizeof(p->line) - 1 - p->len, MSG_DONTWAIT);
	struct strb out = { 0 };
	char *nl, rest[ACT_LINE];
	bool ok = true;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	p->line[p->len] = '\0';
	p->seen_ms = clock_mono_ms();
	while ((nl = memchr(p->line, '\n', p->len))) {
		size_t used = (size_t)(nl + 1 - p->line);

		*nl = '\0';
		memcpy(rest, p->line + used, p->len - used);
		answer(s, p, &out);
		p->len -= used;
		memcpy(p->line, rest, p->len);
	}
	if (out.len && send(p->fd, out.s, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		ok = false;
	strb_free(&out);
	return ok && p->len < sizeof(p->line) - 1;
}

static void *run(void *arg)
{
	struct act_socket *s = arg;
	struct pollfd p[PEERS + 2];

	for (;;) {
		size_t n = s->n;

		p[0] = (struct pollfd){ .fd = s->stop, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
		for (size_t i = 0; i < n; i++)
			p[2 + i] = (struct pollfd){ .fd = s->peers[i].fd, .events = POLLIN };
		poll(p, n + 2, TICK_MS);
		if (p[0].revents)
			return NULL;
		for (size_t i = n; i-- > 0;)
			if ((p[2 + i].revents && !hear(s, &s->peers[i])) ||
			    clock_mono_ms() - s->peers[i].seen_ms > IDLE_MS)
				drop(s, i);
		if (p[1].revents)
			take(s);
		acts_tick(s->acts, clock_wall_ms());
	}
}

static bool address(const char *path, struct sockaddr_un *un, struct err *err)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un->sun_path))
		return err_set(err, "%s: the name of a socket has at most %zu octets", path,
			       sizeof(un->sun_path) - 1);
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
	return true;
}

char *act_socket_path(const char *configured, const char *state_dir)
{
	if (*configured)
		return xstrdup(configured);
	if (!strcmp(state_dir, "/var/lib/culprit"))
		return xstrdup(ACT_SOCKET);
	return xasprintf("%s/act.sock", state_dir);
}

struct act_socket *act_socket_start(const char *path, struct acts *acts, struct err *err)
{
	struct act_socket *s = xcalloc(1, sizeof(*s));
	struct sockaddr_un un;
	struct stat st;

	s->path = xstrdup(path);
	s->acts = acts;
	s->stop = eventfd(0, EFD_CLOEXEC);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!address(path, &un, err))
		goto fail;
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path); /* of a daemon before us: the state directory is locked */
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&un, sizeof(un)) ||
	    chmod(path, 0666) || listen(s->fd, 16)) {
		err_set(err, "act: socket %s: %s; its folder must be there, and the daemon's user "
			"must be able to write to it", path, strerror(errno));
		goto fail;
	}
	s->running = !pthread_create(&s->thread, NULL, run, s);
	if (s->running)
		pthread_setname_np(s->thread, "act");
	return s;
fail:
	act_socket_stop(&s);
	return NULL;
}

void act_socket_stop(struct act_socket **sp)
{
	struct act_socket *s = *sp;
	uint64_t one = 1;

	*sp = NULL;
	if (!s)
		return;
	if (s->running) {
		if (write(s->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
			pthread_join(s->thread, NULL);
		unlink(s->path);
	}
	while (s->n)
		drop(s, 0);
	if (s->fd >= 0)
		close(s->fd);
	if (s->stop >= 0)
		close(s->stop);
	free(s->path);
	free(s);
}
