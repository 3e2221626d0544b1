/* looked.h - the file that tells who looked at persons and URLs.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_LOOKED_H
#define CUL_EVIDENCE_LOOKED_H

#include <stdint.h>

#include "daemon/base/err.h"

struct looked {
	int64_t at_ms;
	const char *via;      /* "api", "culprit" */
	const char *from;     /* address, or "local" */
	const char *user;     /* ""; not known */
	const char *question; /* text from outside: any octets */
};

/* Makes the file if it is not there; false + err: it cannot be written. */
bool looked_ready(const char *file, struct err *err);
/* Appends a line; "" is no file, which is well. False + err: it could not be written, and
 * the question must not be answered. Any thread, any process. */
bool looked_note(const char *file, const struct looked *l, struct err *err);

#endif
