/* routes.c - every address there is.
 * SPDX-License-Identifier: ISC
 *
 * contrib/openapi.yaml describes the ones under /api; a test compares the two.
 */
#include "daemon/http/http_impl.h"

#include <string.h>

#define PARAMS(...) (const char *const[]){ __VA_ARGS__, NULL }

static const char *const none[] = { NULL };

static const struct route routes[] = {
	{ "/", "GET", page_html, PARAMS("at"), .open = true },
	{ "/alert/", "GET", page_html, none, .open = true }, /* and whatever follows */
	{ "/page.css", "GET", page_css, none, .open = true },
	{ "/page.js", "GET", page_js, none, .open = true },
	{ "/icon.svg", "GET", page_icon, none, .open = true },
	{ "/healthz", "GET", page_healthz, none, .open = true },
	{ "/readyz", "GET", page_readyz, none, .open = true },
	{ "/metrics", "GET", metrics_answer, .params = none },
	{ "/api/v1/status", "GET", api_status, .params = none },
	{ "/api/v1/exporters", "GET", api_exporters, .params = none },
	{ "/api/v1/alerts", "GET", api_alerts,
	  PARAMS("state", "limit", "id", "rule", "from", "to"), .slow = true, .persons = true },
	{ "/api/v1/series", "GET", api_series,
	  .params = PARAMS("rule", "by", "limit") },
	{ "/api/v1/rules", "GET", api_rules, .params = none },
	{ "/api/v1/top", "GET", api_top,
	  PARAMS("from", "to", "by", "n", "filter", "order", "as_of", "whole"), .slow = true,
	  .persons = true },
	{ "/api/v1/proxy", "GET", api_proxy, PARAMS("from", "to", "by", "n", "filter", "as_of"),
	  .slow = true, .persons = true },
	{ "/api/v1/flows", "GET", api_flows, PARAMS("from", "to", "filter", "limit", "as_of", "urls"),
	  .slow = true, .persons = true },
	/* bins is its other name: what it tells of a series */
	{ "/api/v1/bins", "GET", api_history, PARAMS("series", "prefix", "step", "from", "to"),
	  .slow = true, .persons = true },
	{ "/api/v1/history", "GET", api_history, PARAMS("series", "prefix", "step", "from", "to"),
	  .slow = true, .persons = true },
	{ "/api/v1/test-notify", "POST", api_test_notify, none, .slow = true },
	{ "/api/v1/alerts/ack", "POST", api_ack, none, .slow = true },
	{ "/api/v1/silences", "GET", api_silences, none, .slow = true },
	{ "/api/v1/silences", "POST", api_silence, none, .slow = true },
	{ "/api/v1/silences/end", "POST", api_unsilence, none, .slow = true },
	{ "/api/v1/learn", "POST", api_learn, none, .slow = true },
	{ "/api/v1/notify", "GET", api_notify, none, .slow = true },
	{ "/api/v1/notify/retry", "POST", api_notify_retry, none, .slow = true },
	{ "/act/", "GET", act_page, none, .slow = true, .open = true },
	{ "/act/", "POST", act_page, none, .slow = true, .open = true, .act = true },
};

/* A path with a slash at its end stands for all that begins so. */
static bool is(const char *route, const char *path)
{
	size_t n = strlen(route);

	return !strcmp(route, path) ||
	       (n > 1 && route[n - 1] == '/' && !strncmp(route, path, n));
}

const struct route *route_find(const char *path, const char *method, struct answer *out)
{
	const char *want = strcmp(method, "HEAD") ? method : "GET";
	const struct route *other = NULL, *both = NULL;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *r = &routes[i];

		if (!is(r->path, path))
			continue;
		if (!strcmp(r->method, want))
			return r;
		both = other;
		other = r;
	}
	if (other) {
		bool post = !strcmp(other->method, "POST");
		const char *allow = both ? "GET, HEAD, POST" : post ? "POST" : "GET, HEAD";

		answer_error(out, 405, "%s answers %s only", other->path, allow);
		out->allow = allow;
		return NULL;
	}
	answer_error(out, 404, "there is nothing here; the page is at /, the figures are at "
			       "/metrics and below /api/v1/");
	return NULL;
}
