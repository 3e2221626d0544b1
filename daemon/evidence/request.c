/* request.c - copies, references, and URLs without what is private in them.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/evidence/request.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"

#include <stdlib.h>
#include <string.h>

struct request *request_new(const struct request *r)
{
	struct request *out = xmemdup(r, sizeof(*r));

	out->url = xstrdup(r->url ? r->url : "");
	out->refs = 1;
	return out;
}

struct request *request_ref(struct request *r)
{
	r->refs++;
	return r;
}

void request_unref(struct request **rp)
{
	struct request *r = *rp;

	*rp = NULL;
	if (!r || --r->refs)
		return;
	free(r->url);
	free(r);
}

size_t request_octets(const struct request *r)
{
	return sizeof(*r) + strlen(r->url) + 33; /* and what the heap adds to both */
}

static size_t until(const char *s, size_t len, const char *stop)
{
	size_t n = 0;

	while (n < len && s[n] && !strchr(stop, s[n]))
		n++;
	return n;
}

void request_url_cut(char url[static REQUEST_URL], enum request_urls keep)
{
	char *host = strstr(url, "://");

	if (keep == URLS_FULL || keep == URLS_QUERIES) {
		url[strcspn(url, keep == URLS_FULL ? "?#" : "#")] = '\0';
		return;
	}
	if (keep == URLS_OFF) {
		*url = '\0';
	} else {
		host = host && (size_t)(host - url) == strcspn(url, ":/") ? host + 3 : url;
		memmove(url, host, strlen(host) + 1);
		url[strcspn(url, "/?")] = '\0';
	}
	if (!*url)
		strcpy(url, "-"); /* it had been something: a request without a URL is none */
}

bool request_urls_parse(const char *word, bool queries, enum request_urls *out)
{
	if (!strcmp(word, "full"))
		*out = queries ? URLS_QUERIES : URLS_FULL;
	else if (!strcmp(word, "host"))
		*out = URLS_HOST;
	else if (!strcmp(word, "off"))
		*out = URLS_OFF;
	else
		return false;
	return true;
}

void request_url(const char *url, size_t len, enum request_urls keep,
		 char out[static REQUEST_URL])
{
	const char *at;
	size_t scheme = 0, room = REQUEST_URL - 1, n, path;

	if (len > 7 && !strncasecmp(url, "http://", 7)) {
		url += 7;
		len -= 7;
	} else if ((at = memmem(url, len < 16 ? len : 16, "://", 3)) &&
		   until(url, len, ":/?#@") == (size_t)(at - url)) {
		scheme = (size_t)(at - url) + 3;
	}
	memcpy(out, url, scheme);
	url += scheme;
	len = until(url, len - scheme, keep == URLS_QUERIES ? "#" : "?#");
	/* user:password@ stands before the host; the password may hold anything but these. */
	path = until(url, len, "/?");
	if ((at = memrchr(url, '@', path))) {
		len -= (size_t)(at - url) + 1;
		url = at + 1;
	}
	n = len < room - scheme ? len : room - scheme;
	memcpy(out + scheme, url, n);
	out[scheme + n] = '\0';
	if (n < len) /* cut, but no character in two */
		out[utf8_cut(out, REQUEST_URL, REQUEST_URL - 4)] = '\0';
	if (*out && keep != URLS_FULL)
		request_url_cut(out, keep);
}
