/* guard.c - who may ask.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/guard.h"

#include "daemon/base/addr.h"
#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_MAX = 4096, TOKEN_MIN = 8 };

static bool take_token(char **out, const char *path, int fd, struct err *err)
{
	char buf[TOKEN_MAX + 1];
	ssize_t n = read(fd, buf, sizeof(buf));
	bool ok = false;

	while (n > 0 && strchr(" \t\r\n", buf[n - 1]))
		n--;
	if (n < 0)
		err_set(err, "http: cannot read token_file %s: %s", path, strerror(errno));
	else if (n > TOKEN_MAX || (n && memchr(buf, '\0', (size_t)n)))
		err_set(err, "http: token_file %s holds no token: one line of text is expected",
			path);
	else if (n < TOKEN_MIN)
		err_set(err, "http: the token in %s is shorter than %d characters; make one "
			"with: openssl rand -hex 32", path, TOKEN_MIN);
	else
		ok = true;
	if (ok) {
		*out = xcalloc(1, (size_t)n + 1);
		memcpy(*out, buf, (size_t)n);
	}
	explicit_bzero(buf, sizeof(buf));
	return ok;
}

static bool read_token(char **out, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	bool ok = false;

	if (fd < 0)
		return err_set(err, "http: cannot open token_file %s: %s", path,
			       strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err_set(err, "http: token_file %s is not a regular file", path);
	else if (st.st_mode & 027)
		err_set(err, "http: token_file %s has mode %04o, so others could read or change "
			"it; run: chmod 0600 %s", path, (unsigned)st.st_mode & 07777, path);
	else
		ok = take_token(out, path, fd, err);
	close(fd);
	return ok;
}

/* The host of a Host header or URL authority, without port and brackets. */
static void host_only(const char *s, char out[static 256])
{
	size_t n;

	*out = '\0';
	if (*s == '[') {
		n = strcspn(++s, "]");
		if (s[n] != ']' || (s[n + 1] && s[n + 1] != ':'))
			return;
	} else {
		n = strcspn(s, ":");
	}
	if (n > 255)
		return;
	memcpy(out, s, n);
	out[n] = '\0';
	if (n > 1 && out[n - 1] == '.')
		out[n - 1] = '\0';
}

bool guard_init(struct guard *g, const char *token_file, const char *url, struct err *err)
{
	const char *at = url ? strstr(url, "://") : NULL;
	char host[256] = "";

	memset(g, 0, sizeof(*g));
	if (gethostname(g->own, sizeof(g->own) - 1))
		*g->own = '\0';
	if (at) {
		char *authority = xstrdup(at + 3);

		authority[strcspn(authority, "/?#")] = '\0';
		host_only(authority, host);
		free(authority);
	}
	g->host = xstrdup(host);
	return !token_file || !*token_file ||
	       read_token(&g->token, token_file, err);
}

bool guard_init_write(struct guard *g, const char *path, struct err *err)
{
	return g->token || !path || !*path || read_token(&g->write, path, err);
}

void guard_fini(struct guard *g)
{
	if (g->token)
		explicit_bzero(g->token, strlen(g->token));
	if (g->write)
		explicit_bzero(g->write, strlen(g->write));
	free(g->token);
	free(g->write);
	free(g->host);
	memset(g, 0, sizeof(*g));
}

bool guard_host(const struct guard *g, const char *text)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.";
	char host[256];
	struct addr a;
	size_t n;

	host_only(text, host);
	n = strlen(host);
	if (!n)
		return false;
	if (addr_parse(host, &a))
		return true;
	if (host[strspn(host, word)])
		return false;
	if (!strchr(host, '.') || !strcasecmp(host, g->own) ||
	    (*g->host && !strcasecmp(host, g->host)))
		return true;
	return n > 10 && !strcasecmp(host + n - 10, ".localhost");
}

static bool carries(const char *token, const char *authorization)
{
	size_t n, given;
	unsigned char diff;

	if (!authorization || strncasecmp(authorization, "Bearer ", 7))
		return false;
	authorization += 7;
	authorization += strspn(authorization, " ");
	n = strlen(token);
	given = strlen(authorization);
	/* As many steps as the guess is long, whatever is right in it. */
	diff = n != given;
	for (size_t i = 0; i < given; i++)
		diff |= (unsigned char)(authorization[i] ^ token[i % n]);
	return !diff;
}

bool guard_token(const struct guard *g, const char *authorization)
{
	return !g->token || carries(g->token, authorization);
}

bool guard_may_write(const struct guard *g, const char *authorization)
{
	const char *token = g->token ? g->token : g->write;

	return token && carries(token, authorization);
}

bool guard_origin(const char *host, const char *origin, const char *site)
{
	const char *at;

	if (site && strcasecmp(site, "same-origin") && strcasecmp(site, "none"))
		return false;
	if (!origin)
		return true;
	at = strstr(origin, "://");
	return at && host && !strcasecmp(at + 3, host);
}
