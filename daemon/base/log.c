/* log.c - lines for the person who runs the daemon, on standard error.
 * SPDX-License-Identifier: ISC
 *
 * A stuck reader of standard error must not stop the collector. Setting
 * O_NONBLOCK would do, but the flag belongs to the open file that we share
 * with the shell that started us. So each line is small (a pipe or terminal
 * that polls as writable takes 4096 octets without waiting), sockets are sent
 * to with MSG_DONTWAIT, and a line that does not fit is dropped and counted;
 * the next that fits says how many are missing.
 */
#include "daemon/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/map.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

enum {
	LINE_MAX_OCTETS = 1000, /* of text; escapes may make it four times longer */
	SELDOM_KEYS = 256,
};

struct seldom {
	uint64_t key;        /* hash of the text; 0 is free */
	int64_t said_ms;     /* monotonic */
	uint64_t held_back;
};

static struct {
	pthread_mutex_t lock; /* over everything here */
	enum log_level max;
	bool journal;
	uint64_t dropped, told; /* lines lost, and lost lines we spoke of */
	struct seldom seldom[SELDOM_KEYS];
} the = { .lock = PTHREAD_MUTEX_INITIALIZER, .max = LOG_LEVEL_INFO };

void log_init(enum log_level max)
{
	pthread_mutex_lock(&the.lock);
	the.max = max;
	the.journal = getenv("JOURNAL_STREAM") != NULL;
	pthread_mutex_unlock(&the.lock);
}

/* Whether all of it went out without waiting. */
static bool write_now(const char *p, size_t len)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n = send(fd.fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK) {
		if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT))
			return false;
		n = write(fd.fd, p, len);
	}
	return n == (ssize_t)len;
}

/* With the lock held. */
static void put_line(enum log_level level, const char *text, uint64_t held_back)
{
	char stamp[UNIT_TEXT];
	struct strb b = { 0 };
	uint64_t missing = the.dropped - the.told;

	if (the.journal)
		strb_fmt(&b, "<%d>", (int)level);
	else
		strb_fmt(&b, "%s ", text_time(clock_wall_ms(), stamp));
	strb_tty(&b, text);
	if (held_back)
		strb_fmt(&b, " (%llu more like this were held back)",
			 (unsigned long long)held_back);
	if (missing)
		strb_fmt(&b, " (%llu lines before this are lost: nobody read them)",
			 (unsigned long long)missing);
	if (b.len > 4095)
		b.len = 4095;
	strb_addc(&b, '\n');
	if (write_now(b.s, b.len))
		the.told = the.dropped;
	else
		the.dropped++;
	strb_free(&b);
}

static void say(enum log_level level, const char *fmt, va_list ap)
{
	char text[LINE_MAX_OCTETS];

	pthread_mutex_lock(&the.lock);
	if (level <= the.max) {
		vsnprintf(text, sizeof(text), fmt, ap);
		put_line(level, text, 0);
	}
	pthread_mutex_unlock(&the.lock);
}

void log_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_ERR, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

/* The entry of this key; a new key takes the place of the one said longest ago. */
static struct seldom *seldom_of(uint64_t key, bool *fresh)
{
	struct seldom *oldest = &the.seldom[0];

	for (int i = 0; i < SELDOM_KEYS; i++) {
		struct seldom *s = &the.seldom[i];

		*fresh = false;
		if (s->key == key)
			return s;
		if (!s->key) {
			oldest = s;
			break;
		}
		if (s->said_ms < oldest->said_ms)
			oldest = s;
	}
	*fresh = true;
	*oldest = (struct seldom){ .key = key };
	return oldest;
}

void log_seldom(const char *key, int every_s, const char *fmt, ...)
{
	int64_t now = clock_mono_ms();
	char text[LINE_MAX_OCTETS];
	struct seldom *s;
	bool fresh;
	va_list ap;

	pthread_mutex_lock(&the.lock);
	s = seldom_of(map_hash(key, strlen(key)) | 1, &fresh);
	if (!fresh && now - s->said_ms < (int64_t)every_s * 1000) {
		s->held_back++;
	} else {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		put_line(LOG_LEVEL_WARN, text, s->held_back);
		s->said_ms = now;
		s->held_back = 0;
	}
	pthread_mutex_unlock(&the.lock);
}

uint64_t log_dropped(void)
{
	uint64_t n;

	pthread_mutex_lock(&the.lock);
	n = the.dropped;
	pthread_mutex_unlock(&the.lock);
	return n;
}
