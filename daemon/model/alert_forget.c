/* alert_forget.c - an alert without what was asked of the proxy.
 * SPDX-License-Identifier: ISC
 *
 * What a proxy was asked for has a retention of its own (privacy { keep }), alerts are kept for
 * years. So clients and URLs go out of an alert when their time is over, and so does the part of
 * its sentence that names them: everything behind the first full stop, since a URL may hold
 * anything that would look like the end of one. Flows, hosts and figures stay.
 */
#include "daemon/model/alert.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char gone[] = "Who asked the proxy for what is not kept any more.";

static bool forget_why(json_t *alert)
{
	const char *why = json_string_value(json_object_get(alert, "why")), *end;
	char *left;

	if (!why || !strstr(why, " through the proxy"))
		return false;
	end = strstr(why, ". ");
	left = xasprintf("%.*s %s", end ? (int)(end + 1 - why) : 0, why, gone);
	json_object_set_new(alert, "why", json_string(left + !end));
	free(left);
	return true;
}

static int64_t over_ms(const json_t *alert)
{
	const char *at = json_string_value(json_object_get(alert, "ended_at"));

	if (!at)
		at = json_string_value(json_object_get(alert, "started_at"));
	return at ? alert_time(at) : 0;
}

bool alert_json_forget(json_t *alert, int64_t before_ms)
{
	json_t *list = json_object_get(alert, "top_flows"), *flow;
	bool any = false;
	size_t i;

	if (over_ms(alert) >= before_ms)
		return false;
	json_array_foreach(list, i, flow) {
		if (json_array_size(json_object_get(flow, "urls"))) {
			json_object_set_new(flow, "urls", json_array());
			any = true;
		}
		if (json_is_string(json_object_get(flow, "client"))) {
			json_object_set_new(flow, "client", json_null());
			any = true;
		}
	}
	return forget_why(alert) || any;
}

bool alert_text_may_forget(const char *json, size_t len)
{
	static const char *const signs[] = { "\"urls\":[{", "\"client\":\"", " through the proxy" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (memmem(json, len, signs[i], strlen(signs[i])))
			return true;
	return false;
}
