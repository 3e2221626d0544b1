/* answer.c - JSON answers, and sentences for what went wrong.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/units.h"

#include <math.h>
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

/* jansson refuses what is no UTF-8: then each octet that is none becomes U+FFFD. */
json_t *j_text(const char *s)
{
	struct strb b = { 0 };
	json_t *j;

	if (!s)
		return json_null();
	j = json_string(s);
	if (j)
		return j;
	for (size_t n; *s; s += n) {
		n = utf8_cut(s, 1, 4);
		n = n ? n : 1;
		j = json_stringn(s, n);
		if (j)
			strb_addn(&b, s, n);
		else
			strb_add(&b, "\xef\xbf\xbd");
		json_decref(j);
	}
	j = json_string(b.s ? b.s : "");
	strb_free(&b);
	return j;
}

json_t *j_real(double v)
{
	if (!isfinite(v))
		return json_null();
	if (v == floor(v) && fabs(v) < 9007199254740992.0)
		return json_integer((json_int_t)v);
	return json_real(v);
}

json_t *j_count(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

json_t *j_time(int64_t ms)
{
	char buf[UNIT_TEXT];

	return ms ? json_string(text_rfc3339(ms, buf)) : json_null();
}

void j_put(json_t *o, const char *key, json_t *v)
{
	json_object_set_new(o, key, v ? v : json_null());
}
