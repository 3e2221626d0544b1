/* feed.h - the octets of a file, as many at a time as its reader asks for.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_FEED_H
#define CUL_IMPORT_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

enum { FEED_MAX = 64 << 20 }; /* octets that may be asked for at once */

struct feed {
	int fd;       /* -1: over memory */
	uint8_t *buf; /* its own, when fd >= 0 */
	const uint8_t *p; /* what is there and not yet taken */
	size_t len, cap;
	uint64_t at, size; /* octets taken; of the whole file, 0: nobody knows */
	bool ended;
	int error; /* errno of a read that failed */
	void (*progress)(void *arg, uint64_t at); /* may be NULL */
	void *arg;
};

/* fd is borrowed. */
void feed_open(struct feed *f, int fd, uint64_t size);
void feed_over(struct feed *f, const void *p, size_t len); /* borrows */
void feed_close(struct feed *f);

/* n octets (at most FEED_MAX), valid until the next call; NULL when there are not so many.
 * They stay there until feed_take. */
const uint8_t *feed_want(struct feed *f, size_t n);
void feed_take(struct feed *f, size_t n); /* n octets that feed_want has shown */
const uint8_t *feed_get(struct feed *f, size_t n); /* both */
/* What is there, at least one octet, at most FEED_MAX, without taking it; 0 at the end. */
size_t feed_some(struct feed *f, const uint8_t **p);
/* The next line without its end ("\n" or "\r\n"), not terminated; NULL at the end, or when it
 * is longer than max (then *too_long). */
const uint8_t *feed_line(struct feed *f, size_t max, size_t *len, bool *too_long);

#endif
