/* err.c - one sentence for the person who will read it.
 * SPDX-License-Identifier: ISC
 *
 * A longer sentence is cut at a whole character, so that it stays valid text
 * wherever it is shown.
 */
#include "daemon/base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/base/strb.h"

bool err_set(struct err *e, const char *fmt, ...)
{
	struct err new = { 0 }; /* e->msg may be among the arguments */
	va_list ap;
	int n;

	if (!e)
		return false;
	va_start(ap, fmt);
	n = vsnprintf(new.msg, sizeof(new.msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		new.msg[0] = '\0';
	else if ((size_t)n >= sizeof(new.msg))
		new.msg[utf8_cut(new.msg, sizeof(new.msg), sizeof(new.msg) - 4)] = '\0';
	*e = new;
	return false;
}
