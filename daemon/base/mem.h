/* mem.h - memory that is there, or the program ends with a message.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_BASE_MEM_H
#define CUL_BASE_MEM_H

#include <stddef.h>

void *xcalloc(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *p, size_t n, size_t size); /* n * size octets, overflow checked */
/* Zeroed like xcalloc's, and the machine's already: what will be written sooner or later is
 * taken at the start, so that no input makes a process grow. */
void *xcalloc_warm(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
char *xstrdup(const char *s) __attribute__((returns_nonnull, malloc));
void *xmemdup(const void *p, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc));

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
