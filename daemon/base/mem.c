/* mem.c - memory that is there, or the program ends with a message.
 * SPDX-License-Identifier: ISC
 *
 * Tables are bounded by settings and nothing is allocated for a datagram, so
 * running out means the machine is out, and every "could not allocate" branch
 * would be code that no test runs. The outbox and the archive survive an end
 * without warning anyway; the supervisor starts us again.
 */
#include "daemon/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not exit(): handlers and other threads could want memory too. */
__attribute__((noreturn)) static void out_of_memory(size_t n, size_t size)
{
	char line[96];
	int len = snprintf(line, sizeof(line),
			   "culprit: out of memory (%zu times %zu bytes)\n", n, size);

	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		_exit(1);
	_exit(1);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory(n, size);
	return p;
}

void *xcalloc_warm(size_t n, size_t size)
{
	volatile char *p = xcalloc(n, size);

	for (size_t at = 0; at < n * size; at += 4096)
		p[at] = 0;
	return (void *)p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q = n && size ? reallocarray(p, n, size) : realloc(p, 1);

	if (!q)
		out_of_memory(n, size);
	return q;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

void *xmemdup(const void *p, size_t len)
{
	void *q = malloc(len ? len : 1);

	if (!q)
		out_of_memory(1, len);
	if (len)
		memcpy(q, p, len);
	return q;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory(1, 0);
	return s;
}
