/* redis_link.h - one conversation with a Redis: connect, log in, pipeline, deadline.
 * SPDX-License-Identifier: ISC
 *
 * A link is used by one thread. Commands are appended, then exchanged for their
 * replies; whatever goes wrong on the way closes the connection, and the next
 * exchange opens it anew (with AUTH and SELECT again).
 */
#ifndef CUL_STORAGE_REDIS_LINK_H
#define CUL_STORAGE_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

struct redis_link;
struct redisReply;

/* Parses the URL, reads nothing. NULL + err; err never holds a password. */
struct redis_link *link_new(const char *url, const char *password_file, int timeout_ms,
			    struct err *err);
void link_free(struct redis_link **l);
/* Whether the password file, if any, is there and not open to all. */
bool link_check(const struct redis_link *l, struct err *err);
const char *link_where(const struct redis_link *l); /* "redis at host:6379" */

/* A call begins: its exchanges must end within the timeout of link_new, all together,
 * and on one connection (what a server said before a restart tells nothing after it). */
void link_begin(struct redis_link *l);
/* Closes the connection and forgets what was appended: after a failure inside MULTI. */
void link_drop(struct redis_link *l);

/* Appends a command: words of text up to NULL … */
void link_add(struct redis_link *l, ...) __attribute__((sentinel));
/* … or n words with their lengths. */
void link_add_words(struct redis_link *l, size_t n, const char *const *words,
		    const size_t *lens);
size_t link_pending(const struct redis_link *l);        /* commands appended */
size_t link_pending_octets(const struct redis_link *l);

typedef bool link_reply_f(void *arg, size_t i, const struct redisReply *r);
/* Sends what was appended and calls fn (may be NULL) with the i-th reply, borrowed; every
 * reply is read, also when fn returned false or a command failed. False + err when the
 * connection failed or any reply, or any part of an EXEC's, was an error: the first. */
bool link_exchange(struct redis_link *l, link_reply_f *fn, void *arg, struct err *err);

#endif
