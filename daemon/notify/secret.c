/* secret.c - what must never be shown: passwords, tokens, addresses of hooks.
 * SPDX-License-Identifier: ISC
 *
 * A secret lives in a file of its own, so that the configuration can be shown
 * to anybody, and the file's mode is checked after it was opened, not before.
 * systemd's LoadCredential gives 0440 files owned by root, therefore the group
 * may read. Texts that quote what others sent (a conversation, an error) pass
 * through secret_hide() before anybody sees them.
 */
#include "daemon/notify/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"

enum { SECRET_MAX = 65536, SECRET_SHORTEST = 4 };

static char *fill(int fd, const char *path, const char *what, struct err *err)
{
	char *s = xcalloc(1, SECRET_MAX + 1);
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, s + len, SECRET_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_set(err, "%s: cannot read %s: %s", what, path,
				strerror(errno));
			break;
		}
		if (!n) {
			while (len && (s[len - 1] == '\n' || s[len - 1] == '\r'))
				s[--len] = '\0';
			if (len && !memchr(s, '\0', len))
				return s;
			err_set(err, "%s: %s %s", what, path,
				len ? "has a zero octet in it; a text is expected"
				    : "is empty; write the secret into it");
			break;
		}
		len += (size_t)n;
		if (len > SECRET_MAX) {
			err_set(err, "%s: %s is longer than 64 KiB", what, path);
			break;
		}
	}
	explicit_bzero(s, SECRET_MAX);
	free(s);
	return NULL;
}

static char *read_file(const char *path, const char *what, mode_t forbidden,
		       struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *s = NULL;
	struct stat st;

	if (fd < 0) {
		err_set(err, "%s: cannot open %s: %s", what, path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err_set(err, "%s: %s is not a regular file", what, path);
	else if (st.st_mode & forbidden)
		err_set(err,
			"%s: %s has mode %04o, so others could read or change it; "
			"run: chmod 0600 %s",
			what, path, (unsigned)st.st_mode & 07777, path);
	else
		s = fill(fd, path, what, err);
	close(fd);
	return s;
}

char *secret_read(const char *path, const char *what, struct err *err)
{
	return read_file(path, what, 027, err);
}

char *secret_read_plain(const char *path, const char *what, struct err *err)
{
	return read_file(path, what, 0, err);
}

void secret_free(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void secret_hide(struct strb *b, const char *text, size_t len, const char *const *secrets)
{
	for (size_t at = 0; at < len;) {
		size_t hit = 0;

		for (const char *const *s = secrets; *s; s++) {
			size_t n = strlen(*s);

			if (n >= SECRET_SHORTEST && n > hit && n <= len - at &&
			    !memcmp(text + at, *s, n))
				hit = n;
		}
		if (hit)
			strb_add(b, "***");
		else
			strb_addc(b, text[at]);
		at += hit ? hit : 1;
	}
}

void secret_url(struct strb *b, const char *url)
{
	const char *host = strstr(url, "://");
	const char *end, *at;

	if (!host) {
		strb_add(b, "(a URL)");
		return;
	}
	host += 3;
	end = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(end - host));
	strb_addn(b, url, (size_t)(host - url));
	strb_addn(b, at ? at + 1 : host, (size_t)(end - (at ? at + 1 : host)));
	strb_add(b, *end ? "/\xe2\x80\xa6" : "");
}
