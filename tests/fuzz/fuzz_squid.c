/* fuzz_squid.c - a log line by line, and the manager's pages.
 * SPDX-License-Identifier: ISC
 *
 * What is taken has a client, a URL of bounded length and a time that is one; nothing
 * private is left in the URL.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/squid_line.h"
#include "daemon/evidence/squid_live.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seen(void *arg, const struct request *r)
{
	(void)arg;
	assert(strlen(r->url) < REQUEST_URL && *r->url);
	assert(!strpbrk(r->url, "?#"));
	assert(!addr_is_none(&r->client));
	assert(r->end_ms >= r->start_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *nl;
	char *page = xcalloc(1, size + 1), *half;
	char url[REQUEST_URL];
	struct request r;

	for (; at < end; at = nl + 1) {
		char *line;
		size_t len;

		nl = memchr(at, '\n', (size_t)(end - at));
		nl = nl ? nl : end;
		len = (size_t)(nl - at);
		line = xmemdup(at, len ? len : 1);
		if (squid_line(line, len, URLS_FULL, &r, url))
			seen(NULL, &r);
		free(line);
	}
	memcpy(page, data, size);
	half = strstr(page, "\f");
	if (half)
		*half++ = '\0';
	squid_live_parse(page, half ? half : page, URLS_FULL, INT64_C(1795469032857), seen, NULL);
	free(page);
	return 0;
}
