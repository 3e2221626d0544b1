/* client.c - asks the daemon, over its local socket, who is acted on.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/act/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int act_connect(const char *path, int timeout_ms, struct err *err)
{
	struct timeval wait = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	if ((size_t)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path) >=
	    sizeof(un.sun_path)) {
		err_set(err, "%s: the name is too long for a socket", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	}
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	err_set(err, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool act_more(int fd, char out[static ACT_LINE])
{
	size_t len = 0;

	/* An octet at a time: a line is short, and what follows it stays where it is. */
	for (;;) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1)
			return false;
		if (c == '\n')
			break;
		if (len < ACT_LINE - 1)
			out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

bool act_ask(int fd, const char *line, char out[static ACT_LINE])
{
	char text[ACT_LINE];
	int len = snprintf(text, sizeof(text), "%s\n", line);

	return len > 0 && (size_t)len < sizeof(text) &&
	       send(fd, text, (size_t)len, MSG_NOSIGNAL) == len && act_more(fd, out);
}
