/* answer.c - JSON answers, and sentences for what went wrong.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REAL_DIGITS = 10 };

static int append(const char *s, size_t len, void *arg)
{
	strb_addn(arg, s, len);
	return 0;
}

void answer_json(struct answer *out, json_t *body)
{
	out->type = "application/json";
	json_dump_callback(body, append, &out->body,
			   JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	strb_addc(&out->body, '\n');
	json_decref(body);
}

void answer_error(struct answer *out, unsigned status, const char *fmt, ...)
{
	char text[768];
	json_t *o = json_object();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_free(out);
	j_put(o, "error", j_text(text));
	answer_json(out, o);
	out->status = status;
}

void answer_free(struct answer *out)
{
	strb_free(&out->body);
	memset(out, 0, sizeof(*out));
}
