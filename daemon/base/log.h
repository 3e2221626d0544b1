/* log.h - lines for the person who runs the daemon, on standard error.
 * SPDX-License-Identifier: ISC
 *
 * Under journald (JOURNAL_STREAM set) lines carry a <N> priority prefix, else
 * a local time stamp. Text from outside is made inert here, once: control
 * characters and bidi marks become \xNN. Never blocks: standard error is
 * written with O_NONBLOCK semantics and lines that do not fit are counted.
 */
#ifndef CUL_BASE_LOG_H
#define CUL_BASE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_init(enum log_level max); /* before the first line; safe to call again */
void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says something at most once in `every_s` seconds for each `key` (a string
 * that names the condition); the next line tells how many were held back.
 * Bounded: 256 keys, the oldest is forgotten. Thread-safe like all of log. */
void log_seldom(const char *key, int every_s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

uint64_t log_dropped(void); /* lines lost because nobody read standard error */

#endif
