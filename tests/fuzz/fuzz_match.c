/* fuzz_match.c - alert filters, hours and signed addresses: whatever people may type or send.
 * SPDX-License-Identifier: ISC
 *
 * The first octet says which: m a filter, h hours, l an address. A filter that compiles is
 * asked, one that means a series means it; hours that are taken are the same twice.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/link.h"
#include "rules/hours.h"
#include "rules/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(const char *text)
{
	struct labels l = { .rule = text, .series = "edge WAN in", .series_id = text };
	struct err err = { "" };
	struct match *m = match_compile(text, &err);
	char *exact;

	assert(m || *err.msg);
	if (m)
		match_alert(m, &l);
	match_free(&m);
	exact = match_of_series(text, text);
	m = match_compile(exact, NULL);
	assert(!m || match_alert(m, &l));
	match_free(&m);
	free(exact);
}

static void hours(const char *text)
{
	static struct calendar *utc;
	struct err err = { "" };
	struct hours *h = hours_parse(text, &err);
	int64_t until = 0;

	if (!utc)
		utc = calendar_new("CET-1CEST,M3.5.0,M10.5.0/3", NULL);
	assert(h || *err.msg);
	for (int64_t t = 1795430100; h && t < 1795430100 + 7 * 86400; t += 7919)
		if (hours_at(h, utc, t, &until))
			assert(until > t);
	hours_free(&h);
}

static void address(const char *text)
{
	char alert[ALERT_ID];
	enum link_what what;
	struct err err = { "" };

	assert(!link_verify("0123456789abcdef", text, 1795430100, &what, alert, &err));
	assert(*err.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1 || memchr(data, 0, size))
		return 0;
	text = xcalloc(1, size);
	memcpy(text, data + 1, size - 1);
	if (*data == 'm')
		match(text);
	else if (*data == 'h')
		hours(text);
	else
		address(text);
	free(text);
	return 0;
}
