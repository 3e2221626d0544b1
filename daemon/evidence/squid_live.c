/* squid_live.c - requests that are not over yet, from Squid's cache manager.
 * SPDX-License-Identifier: ISC
 *
 * A request is a paragraph of "active_requests" (Squid 5):
 *
 *	Connection: 0x5625ee3805c8
 *		remote: 10.20.0.66:49728
 *	uri http://cdn-7.example.net/big.iso?secret=1
 *	out.offset 7161560, out.size 7161891
 *	start 1795469029.857391 (2.992936 seconds ago)
 *
 * It does not say to which origin; "ipcache" knows the host's addresses:
 *
 *	 cdn-7.example.net    H  3  -1  1( 0)                 198.51.100.10-OK
 *
 * Of several the first is taken. The proxy's own clock is the one of its log, so times
 * are corrected neither there nor here. An answer of more than 8 MB is cut.
 */
#include "daemon/evidence/squid_live.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 2000, ANSWER_MAX = 8 << 20 };

/* --- the pages --- */

/* "10.20.0.66:49728" or "[2001:db8::5]:49728" */
static bool endpoint(const char *s, size_t len, struct addr *a, uint16_t *port)
{
	char text[ADDR_TEXT + 10], *colon, *from = text;
	uint64_t v;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	colon = strrchr(text, ':');
	if (!colon || !parse_u64(colon + 1, 65535, &v))
		return false;
	*colon = '\0';
	if (*from == '[' && colon > text + 1 && colon[-1] == ']') {
		from++;
		colon[-1] = '\0';
	}
	*port = (uint16_t)v;
	return addr_parse(from, a);
}

/* Host of a URL without credentials, or of "host:port"; its length. */
static size_t host_of(const char *url, const char **host)
{
	const char *at = strstr(url, "://");
	size_t len;

	at = at ? at + 3 : url;
	if (*at == '[') {
		*host = at + 1;
		return strcspn(at + 1, "]");
	}
	len = strcspn(at, ":/?");
	*host = at;
	return len;
}

/* The first address that the line of this host tells. */
static struct addr cached_addr(const char *ipcache, const char *host, size_t len)
{
	struct addr a = { { 0 } };
	char text[ADDR_TEXT];

	for (const char *line = ipcache, *end; *line; line = end + (*end == '\n')) {
		const char *p = line + strspn(line, " "), *close;

		end = line + strcspn(line, "\n");
		if ((size_t)(end - p) <= len || strncasecmp(p, host, len) || p[len] != ' ' ||
		    !(close = memchr(p, ')', (size_t)(end - p))))
			continue;
		p = close + 1 + strspn(close + 1, " ");
		len = strcspn(p, "- \n");
		if (len && len < sizeof(text)) {
			memcpy(text, p, len);
			text[len] = '\0';
			if (!addr_parse(text, &a))
				a = (struct addr){ { 0 } };
		}
		return a;
	}
	return a;
}

static struct addr origin_of(const char *url, const char *ipcache)
{
	const char *host;
	size_t len = host_of(url, &host);
	char text[ADDR_TEXT];
	struct addr a;

	if (len && len < sizeof(text)) {
		memcpy(text, host, len);
		text[len] = '\0';
		if (addr_parse(text, &a))
			return a;
	}
	return len ? cached_addr(ipcache, host, len) : (struct addr){ { 0 } };
}

struct paragraph {
	struct request r;
	char url[REQUEST_URL];
	bool own; /* a question to the manager, like this one */
};

static void finish(struct paragraph *p, const char *ipcache, enum request_urls keep,
		   int64_t now_ms, squid_live_f *fn, void *arg)
{
	struct request *r = &p->r;

	if (r->start_ms && !p->own && !addr_is_none(&r->client) && *p->url) {
		r->url = p->url;
		r->end_ms = now_ms > r->start_ms ? now_ms : r->start_ms;
		r->running = true;
		r->origin = origin_of(p->url, ipcache);
		request_url_cut(p->url, keep);
		fn(arg, r);
	}
	*p = (struct paragraph){ .own = false };
}

static void field(struct paragraph *p, const char *s, size_t len)
{
	char text[64];
	long long s_part;
	unsigned ms_part;

	snprintf(text, sizeof(text), "%.*s", (int)(len < 63 ? len : 63), s);
	if (!strncmp(text, "remote: ", 8)) {
		endpoint(s + 8, len - 8, &p->r.client, &p->r.client_port);
	} else if (!strncmp(text, "uri ", 4)) {
		p->own = memmem(s, len, "/squid-internal-mgr/", 20) != NULL;
		request_url(s + 4, len - 4, URLS_QUERIES, p->url);
	} else if (!strncmp(text, "out.offset ", 11)) {
		const char *size = memmem(s, len, "out.size ", 9);

		if (size)
			p->r.received = strtoull(size + 9, NULL, 10);
	} else if (sscanf(text, "start %12lld.%3u", &s_part, &ms_part) == 2) {
		p->r.start_ms = s_part * 1000 + ms_part;
	}
}

void squid_live_parse(const char *requests, const char *ipcache, enum request_urls keep,
		      int64_t now_ms, squid_live_f *fn, void *arg)
{
	struct paragraph p = { .own = false };

	for (const char *line = requests, *end; *line; line = end + (*end == '\n')) {
		const char *s = line + strspn(line, " \t");

		end = line + strcspn(line, "\n");
		if (!strncmp(s, "Connection: ", 12))
			finish(&p, ipcache, keep, now_ms, fn, arg);
		else if (s < end)
			field(&p, s, (size_t)(end - s - (end[-1] == '\r')));
	}
	finish(&p, ipcache, keep, now_ms, fn, arg);
}

/* --- asking --- */

static size_t more(char *p, size_t size, size_t n, void *arg)
{
	struct strb *b = arg;
	size_t len = size * n, room = ANSWER_MAX - b->len;

	strb_addn(b, p, len < room ? len : room);
	return len <= room ? len : 0;
}

static bool ask(CURL *c, const char *manager, const char *page, struct strb *out,
		struct err *err)
{
	size_t len = strlen(manager);
	char *url;
	CURLcode code;
	long status = 0;

	while (len && manager[len - 1] == '/')
		len--;
	url = xasprintf("%.*s/squid-internal-mgr/%s", (int)len, manager, page);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	free(url);
	if (code)
		return err_set(err, "%s: %s", page, curl_easy_strerror(code));
	if (status != 200)
		return err_set(err, "%s: the proxy answered %ld; its http_access must allow "
			       "`manager` to this machine", page, status);
	strb_addc(out, '\n');
	return true;
}

bool squid_live(const char *manager, enum request_urls keep, int64_t now_ms,
		squid_live_f *fn, void *arg, struct err *err)
{
	struct strb requests = { 0 }, ipcache = { 0 };
	CURL *c = curl_easy_init();
	bool ok;

	if (!c)
		return err_set(err, "libcurl has no memory");
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS / 2);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, more);
	ok = ask(c, manager, "active_requests", &requests, err);
	if (ok && !ask(c, manager, "ipcache", &ipcache, NULL))
		strb_free(&ipcache); /* requests without origin are better than none */
	if (ok)
		squid_live_parse(requests.s, ipcache.s ? ipcache.s : "", keep, now_ms, fn,
				 arg);
	strb_free(&requests);
	strb_free(&ipcache);
	curl_easy_cleanup(c);
	return ok;
}
