/* err.h - one sentence for the person who will read it.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_BASE_ERR_H
#define CUL_BASE_ERR_H

#include <stdbool.h>

struct err {
	char msg[512]; /* "" when there is none; always terminated */
};

/* Fills e (which may be NULL) and returns false, so callers can return it. */
bool err_set(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
