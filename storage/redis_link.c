/* redis_link.c - one conversation with a Redis: connect, log in, pipeline, deadline.
 * SPDX-License-Identifier: ISC
 *
 * hiredis is used as a codec only: it formats commands and reads replies out of
 * a buffer, and the socket is ours. Its own connections have a timeout for each
 * read but none for the whole (a server that drips would hold us for ever), lose
 * timeout and login on reconnect, and raise SIGPIPE. With the socket in hand one
 * deadline covers connect, login and all replies of a call, and TLS has a place
 * to go to. The price is the hundred lines here.
 *
 * Looking up a host name is the C library's and cannot be given a deadline; it
 * holds up the writer's thread only.
 */
#include "storage/redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

enum {
	REPLY_MAX = 32 << 20, /* octets that may wait unparsed: nothing we ask is as big */
	PASSWORD_MAX = 512,
	DATABASES = 1 << 20,
};

struct redis_link {
	char *host, *port, *user; /* user "": the default one */
	char *path;               /* of a Unix socket; NULL: host and port */
	char *password_file;      /* "": none */
	char *where;
	unsigned database;
	int timeout_ms;
	int64_t deadline_ms; /* monotonic */
	bool begun;          /* the call had an exchange already */
	int fd;              /* -1: not connected */
	redisReader *reader;
	struct strb out;
	size_t pending;
};

/* Cuts url at the first c; what follows it, or NULL. */
static char *cut(char *url, char c)
{
	char *at = strchr(url, c);

	if (at)
		*at++ = '\0';
	return at;
}

static bool set_database(struct redis_link *l, const char *text, struct err *err)
{
	uint64_t v = 0;

	if (text && *text && !parse_u64(text, DATABASES, &v))
		return err_set(err, "history url: the database must be a number, as in "
			       "redis://host:6379/0");
	l->database = (unsigned)v;
	return true;
}

static bool parse_unix(struct redis_link *l, char *rest, struct err *err)
{
	char *query = cut(rest, '?');

	if (rest[0] != '/')
		return err_set(err, "history url: a Redis socket needs an absolute path, "
			       "as in redis+unix:///run/redis/redis.sock");
	if (strlen(rest) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(err, "history url: the socket's path is too long");
	if (query && strncmp(query, "db=", 3))
		return err_set(err, "history url: only ?db=NUMBER may follow the path");
	l->path = xstrdup(rest);
	l->where = xasprintf("redis at %s", rest);
	return set_database(l, query ? query + 3 : NULL, err);
}

static bool parse_tcp(struct redis_link *l, char *rest, struct err *err)
{
	char *database = cut(rest, '/'), *at = strrchr(rest, '@'), *port = NULL;
	uint64_t number;

	if (at) {
		*at++ = '\0';
		if (strchr(rest, ':'))
			return err_set(err, "history url holds a password; put it into a "
				       "file of its own and name that as password_file");
		l->user = xstrdup(rest);
		rest = at;
	}
	if (*rest == '[') { /* [::1]:6379 */
		rest++;
		port = cut(rest, ']');
		if (!port || (*port && *port != ':'))
			return err_set(err, "history url: no ] behind the address");
		port = *port ? port + 1 : NULL;
	} else {
		port = cut(rest, ':');
	}
	if (port && (!parse_u64(port, 65535, &number) || !number))
		return err_set(err, "history url: \"%.20s\" is no port", port);
	l->host = xstrdup(*rest ? rest : "127.0.0.1");
	l->port = xstrdup(port ? port : "6379");
	l->where = xasprintf(strchr(l->host, ':') ? "redis at [%s]:%s" : "redis at %s:%s",
			     l->host, l->port);
	return set_database(l, database, err);
}

struct redis_link *link_new(const char *url, const char *password_file, int timeout_ms,
			    struct err *err)
{
	struct redis_link *l = xcalloc(1, sizeof(*l));
	char *copy = xstrdup(url), *rest = strstr(copy, "://");
	bool ok;

	l->fd = -1;
	l->timeout_ms = timeout_ms;
	l->password_file = xstrdup(password_file ? password_file : "");
	if (!rest)
		ok = err_set(err, "history url: \"//\" is missing behind the scheme, as in "
			     "redis://host:6379/0");
	else if (!strncmp(url, "redis+unix:", 11))
		ok = parse_unix(l, rest + 3, err);
	else
		ok = parse_tcp(l, rest + 3, err);
	if (!l->user)
		l->user = xstrdup("");
	explicit_bzero(copy, strlen(url));
	free(copy);
	if (!ok)
		link_free(&l);
	return l;
}

static void disconnect(struct redis_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->reader)
		redisReaderFree(l->reader);
	l->reader = NULL;
}

static void hang_up(struct redis_link *l)
{
	disconnect(l);
	l->out.len = 0;
	l->pending = 0;
}

void link_free(struct redis_link **l)
{
	if (!*l)
		return;
	hang_up(*l);
	strb_free(&(*l)->out);
	free((*l)->host);
	free((*l)->port);
	free((*l)->user);
	free((*l)->path);
	free((*l)->password_file);
	free((*l)->where);
	free(*l);
	*l = NULL;
}

void link_drop(struct redis_link *l)
{
	hang_up(l);
}

const char *link_where(const struct redis_link *l)
{
	return l->where;
}

/* The first line of the file. The caller wipes it. */
static bool read_password(const struct redis_link *l, char out[static PASSWORD_MAX],
			  struct err *err)
{
	const char *path = l->password_file;
	struct stat st;
	bool ok = false;
	FILE *f = fopen(path, "re");

	if (!f)
		return err_set(err, "history password_file %s: %s", path, strerror(errno));
	if (fstat(fileno(f), &st))
		err_set(err, "history password_file %s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(err, "history password_file %s is not a file", path);
	else if (st.st_mode & S_IRWXO)
		err_set(err, "history password_file %s is open to everybody; "
			"run: chmod 600 %s", path, path);
	else if (setvbuf(f, NULL, _IONBF, 0) || !fgets(out, PASSWORD_MAX, f) ||
		 strlen(out) == PASSWORD_MAX - 1)
		err_set(err, "history password_file %s must hold one line of less than %d "
			"octets", path, PASSWORD_MAX - 1);
	else
		ok = true;
	fclose(f);
	out[ok ? strcspn(out, "\r\n") : 0] = '\0';
	if (ok && !*out)
		return err_set(err, "history password_file %s is empty", path);
	return ok;
}

bool link_check(const struct redis_link *l, struct err *err)
{
	char password[PASSWORD_MAX] = "";
	bool ok = !*l->password_file || read_password(l, password, err);

	explicit_bzero(password, sizeof(password));
	return ok;
}

void link_begin(struct redis_link *l)
{
	l->deadline_ms = clock_mono_ms() + l->timeout_ms;
	l->begun = false;
	l->out.len = 0;
	l->pending = 0;
}

static bool too_late(const struct redis_link *l, struct err *err)
{
	return err_set(err, "%s did not answer within %d ms", l->where, l->timeout_ms);
}

/* False + err when the socket is not ready before the deadline. */
static bool wait_for(struct redis_link *l, short events, struct err *err)
{
	struct pollfd p = { .fd = l->fd, .events = events };
	int64_t left;
	int n;

	do {
		left = l->deadline_ms - clock_mono_ms();
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, "%s: poll: %s", l->where, strerror(errno));
	return n || too_late(l, err);
}

static bool dial(struct redis_link *l, const struct sockaddr *sa, socklen_t len,
		 struct err *err)
{
	int on = 1, code = 0;
	socklen_t size = sizeof(code);

	l->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_set(err, "%s: %s", l->where, strerror(errno));
	if (connect(l->fd, sa, len)) {
		/* EAGAIN: a Unix socket whose queue is full, that is a hung server. */
		if (errno != EINPROGRESS) {
			err_set(err, "%s: %s", l->where, strerror(errno));
			goto fail;
		}
		if (!wait_for(l, POLLOUT, err))
			goto fail;
		if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &code, &size) || code) {
			err_set(err, "%s: %s", l->where, strerror(code));
			goto fail;
		}
	}
	if (sa->sa_family != AF_UNIX) {
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	return true;
fail:
	close(l->fd);
	l->fd = -1;
	return false;
}

static bool dial_any(struct redis_link *l, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int code;

	if (l->path) {
		memcpy(un.sun_path, l->path, strlen(l->path) + 1);
		return dial(l, (struct sockaddr *)&un, sizeof(un), err);
	}
	code = getaddrinfo(l->host, l->port, &hints, &all);
	if (code)
		return err_set(err, "%s: %s", l->where, gai_strerror(code));
	for (struct addrinfo *a = all; a && l->fd < 0; a = a->ai_next)
		dial(l, a->ai_addr, a->ai_addrlen, err);
	freeaddrinfo(all);
	return l->fd >= 0;
}

void link_add_words(struct redis_link *l, size_t n, const char *const *words,
		    const size_t *lens)
{
	strb_fmt(&l->out, "*%zu\r\n", n);
	for (size_t i = 0; i < n; i++) {
		strb_fmt(&l->out, "$%zu\r\n", lens[i]);
		strb_addn(&l->out, words[i], lens[i]);
		strb_addn(&l->out, "\r\n", 2);
	}
	l->pending++;
}

void link_add(struct redis_link *l, ...)
{
	const char *words[16], *w;
	size_t lens[16], n = 0;
	va_list ap;

	va_start(ap, l);
	while (n < ARRAY_LEN(words) && (w = va_arg(ap, const char *))) {
		words[n] = w;
		lens[n++] = strlen(w);
	}
	va_end(ap);
	link_add_words(l, n, words, lens);
}

size_t link_pending(const struct redis_link *l)
{
	return l->pending;
}

size_t link_pending_octets(const struct redis_link *l)
{
	return l->out.len;
}

static bool send_all(struct redis_link *l, struct err *err)
{
	size_t done = 0;

	while (done < l->out.len) {
		ssize_t n = send(l->fd, l->out.s + done, l->out.len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN && !wait_for(l, POLLOUT, err))
			return false;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(err, "%s: %s", l->where, strerror(errno));
	}
	return true;
}

/* The next reply, given to the caller; NULL + err. */
static redisReply *next_reply(struct redis_link *l, struct err *err)
{
	char buf[16384];
	void *reply;
	ssize_t n;

	for (;;) {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			err_set(err, "%s: %s", l->where, l->reader->errstr);
			return NULL;
		}
		if (reply)
			return reply;
		if (l->reader->len - l->reader->pos > REPLY_MAX) {
			err_set(err, "%s sends a reply without end", l->where);
			return NULL;
		}
		/* A server that drips never makes us wait, so the clock is asked here. */
		if (clock_mono_ms() >= l->deadline_ms) {
			too_late(l, err);
			return NULL;
		}
		n = recv(l->fd, buf, sizeof(buf), 0);
		if (n > 0) {
			redisReaderFeed(l->reader, buf, (size_t)n);
		} else if (!n) {
			err_set(err, "%s closed the connection", l->where);
			return NULL;
		} else if (errno == EAGAIN) {
			if (!wait_for(l, POLLIN, err))
				return NULL;
		} else if (errno != EINTR) {
			err_set(err, "%s: %s", l->where, strerror(errno));
			return NULL;
		}
	}
}

/* What a person should do about an error that Redis replied. */
static const char *advice(const char *error)
{
	static const struct { const char *word, *advice; } table[] = {
		{ "OOM", "; give it more maxmemory, or keep less history" },
		{ "READONLY", "; it is a replica: point history at the master" },
		{ "NOAUTH", "; name a password_file in the history section" },
		{ "WRONGPASS", "; check user and password_file in the history section" },
		{ "NOPERM", "; let the user's ACL have ~culprit:* and its commands" },
		{ "MISCONF", "; its disk is full or not writable" },
		{ "MOVED", "; a Redis Cluster is not supported, use one Redis" },
		{ "WRONGTYPE", "; another program uses keys that begin with culprit:" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (!strncmp(error, table[i].word, strlen(table[i].word)))
			return table[i].advice;
	return "";
}

/* The error in a reply or in its parts, or NULL. */
static const char *error_of(const redisReply *r)
{
	if (r->type == REDIS_REPLY_ERROR)
		return r->str;
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		if (r->element[i]->type == REDIS_REPLY_ERROR)
			return r->element[i]->str;
	return NULL;
}

/* Sends and reads on the open connection. */
static bool talk(struct redis_link *l, link_reply_f *fn, void *arg, struct err *err)
{
	size_t n = l->pending;
	bool ok = true, go_on = true;

	if (!send_all(l, err))
		goto fail;
	l->out.len = 0;
	l->pending = 0;
	for (size_t i = 0; i < n; i++) {
		redisReply *r = next_reply(l, err);
		const char *error;

		if (!r)
			goto fail;
		error = error_of(r);
		if (error && ok)
			ok = err_set(err, "%s: %s%s", l->where, error, advice(error));
		else if (!error && fn && go_on)
			go_on = fn(arg, i, r);
		freeReplyObject(r);
	}
	return ok;
fail:
	hang_up(l);
	return false;
}

static bool log_in(struct redis_link *l, struct err *err)
{
	char password[PASSWORD_MAX] = "", number[16];
	struct err why;
	bool ok = true;

	if (*l->password_file) {
		if (!read_password(l, password, err))
			return false;
		if (*l->user)
			link_add(l, "AUTH", l->user, password, NULL);
		else
			link_add(l, "AUTH", password, NULL);
		explicit_bzero(password, sizeof(password));
	}
	snprintf(number, sizeof(number), "%u", l->database);
	if (l->database)
		link_add(l, "SELECT", number, NULL);
	if (l->pending)
		ok = talk(l, NULL, NULL, err);
	if (l->out.cap)
		explicit_bzero(l->out.s, l->out.cap);
	if (!ok)
		return false;
	link_add(l, "CLIENT", "SETNAME", "culprit", NULL);
	if (talk(l, NULL, NULL, &why) || l->fd >= 0) /* an ACL may forbid it */
		return true;
	return err_set(err, "%s", why.msg);
}

/* The commands wait while we connect. */
static bool reach(struct redis_link *l, struct err *err)
{
	struct strb out = l->out;
	size_t pending = l->pending;
	bool ok;

	if (l->fd >= 0)
		return true;
	l->out = (struct strb){ 0 };
	l->pending = 0;
	ok = dial_any(l, err);
	if (ok) {
		l->reader = redisReaderCreate();
		ok = log_in(l, err);
	}
	strb_free(&l->out);
	l->out = out;
	l->pending = pending;
	if (!ok)
		hang_up(l);
	return ok;
}

bool link_exchange(struct redis_link *l, link_reply_f *fn, void *arg, struct err *err)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	bool first = !l->begun;

	l->begun = true;
	/* Nobody speaks unasked: data or an end here means that the server restarted. */
	if (l->fd >= 0 && poll(&p, 1, 0) > 0)
		disconnect(l);
	if (l->fd < 0 && !first) {
		hang_up(l);
		return err_set(err, "%s closed the connection", l->where);
	}
	return reach(l, err) && talk(l, fn, arg, err);
}
