/* feed.c - the octets of a file, as many at a time as its reader asks for.
 * SPDX-License-Identifier: ISC
 *
 * Read, not mapped: a file that somebody cuts while it is read would end the program.
 */
#include "daemon/import/feed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"

enum { PIECE = 1 << 20 };

void feed_open(struct feed *f, int fd, uint64_t size)
{
	*f = (struct feed){ .fd = fd, .size = size };
}

void feed_over(struct feed *f, const void *p, size_t len)
{
	*f = (struct feed){ .fd = -1, .p = p, .len = len, .size = len, .ended = true };
}

void feed_close(struct feed *f)
{
	free(f->buf);
	*f = (struct feed){ .fd = -1, .ended = true };
}

/* Reads more, until n octets are there or there are no more. */
static void fill(struct feed *f, size_t n)
{
	size_t want = n > PIECE ? n : PIECE;

	assert(n <= FEED_MAX);
	if (f->len >= n || f->ended)
		return;
	if (want > f->cap) {
		uint8_t *b = xcalloc(1, want);

		if (f->len)
			memcpy(b, f->p, f->len);
		free(f->buf);
		f->buf = b;
		f->cap = want;
	} else if (f->len) {
		memmove(f->buf, f->p, f->len);
	}
	f->p = f->buf;
	while (f->len < n && !f->ended) {
		ssize_t got = read(f->fd, f->buf + f->len, f->cap - f->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			f->error = errno;
		f->ended = got <= 0;
		f->len += got > 0 ? (size_t)got : 0;
	}
}

const uint8_t *feed_want(struct feed *f, size_t n)
{
	fill(f, n);
	return f->len < n ? NULL : f->p ? f->p : (const uint8_t *)"";
}

void feed_take(struct feed *f, size_t n)
{
	assert(n <= f->len);
	if (n)
		f->p += n;
	f->len -= n;
	f->at += n;
	if (f->progress)
		f->progress(f->arg, f->at);
}

const uint8_t *feed_get(struct feed *f, size_t n)
{
	const uint8_t *p = feed_want(f, n);

	if (p)
		feed_take(f, n);
	return p;
}

size_t feed_some(struct feed *f, const uint8_t **p)
{
	fill(f, 1);
	*p = f->p;
	return f->len;
}

const uint8_t *feed_line(struct feed *f, size_t max, size_t *len, bool *too_long)
{
	size_t seen = 0;

	*too_long = false;
	for (;;) {
		const uint8_t *nl = f->len > seen ?
			memchr(f->p + seen, '\n', f->len - seen) : NULL;
		const uint8_t *p = f->p;
		size_t n = nl ? (size_t)(nl - p) : f->len;

		if (n > max) {
			*too_long = true;
			return NULL;
		}
		if (nl || (f->ended && f->len)) {
			*len = n && p[n - 1] == '\r' ? n - 1 : n;
			feed_take(f, nl ? n + 1 : n);
			return p;
		}
		if (f->ended)
			return NULL;
		seen = f->len;
		fill(f, f->len + 1);
	}
}
