/* json.c - values from outside as JSON.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/model/json.h"

#include <math.h>

#include "daemon/base/strb.h"
#include "daemon/base/units.h"

static const double exact = 9007199254740992.0; /* 2^53: whole numbers below are so in doubles */

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
	if (v == floor(v) && fabs(v) < exact)
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
