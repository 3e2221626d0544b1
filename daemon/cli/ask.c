/* ask.c - a question to the running daemon.
 * SPDX-License-Identifier: ISC
 *
 * The environment's proxies are not asked: the daemon sits on loopback, and its token
 * is for nobody else. Redirects are not followed for the same reason.
 */
#include "daemon/cli/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"

enum { ANSWER_MAX = 64 << 20, CONNECT_MS = 3000, ANSWER_MS = 60000, TOKEN_MAX = 4096 };

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct strb *s = arg;

	if (s->len + size * n > ANSWER_MAX)
		return 0;
	strb_addn(s, p, size * n);
	return size * n;
}

/* "http://127.0.0.1:8055"; gives, NULL: no configuration, or it has http switched off. */
static char *base_url(struct cli *c, enum ask_outcome *why, struct err *err)
{
	const struct config *conf;
	const char *a;

	if (c->url) {
		size_t len = strlen(c->url);

		while (len && c->url[len - 1] == '/')
			len--;
		return xasprintf("%.*s", (int)len, c->url);
	}
	conf = cli_config(c);
	*why = ASK_CONFIG;
	if (!conf)
		return NULL;
	*why = ASK_AWAY;
	if (!conf->http.enabled) {
		err_set(err, "the configuration has http switched off");
		return NULL;
	}
	a = conf->http.address;
	if (!strcmp(a, "0.0.0.0"))
		a = "127.0.0.1";
	else if (!strcmp(a, "::"))
		a = "::1";
	return xasprintf(strchr(a, ':') ? "http://[%s]:%u" : "http://%s:%u", a,
			 conf->http.port);
}

/* The first line of the token file as a header; gives, NULL: none, or err is set. Where no
 * token is configured, changing something takes the one that the daemon made for us. */
static char *token_header(struct cli *c, bool change, struct err *err)
{
	const struct config *conf = c->token_file || c->url ? NULL : cli_config(c);
	const char *path = c->token_file ? c->token_file
			   : conf	 ? conf->http.token_file
					 : "";
	char line[TOKEN_MAX], *header, *own = NULL;
	FILE *f;

	if (!*path && change && conf)
		path = own = xasprintf("%s/write.token", conf->state_dir);
	if (!*path)
		return NULL;
	f = fopen(path, "re");
	if (!f && own) {
		err_set(err, "%s: %s; be root or of the daemon's group to change something, or "
			"say --state DIR", path, strerror(errno));
		free(own);
		return NULL;
	}
	if (!f || !fgets(line, sizeof(line), f)) {
		err_set(err, "%s: %s", path,
			f ? "there is no token in it" : strerror(errno));
		if (f)
			fclose(f);
		free(own);
		return NULL;
	}
	fclose(f);
	free(own);
	line[strcspn(line, "\r\n")] = '\0';
	header = xasprintf("Authorization: Bearer %s", line);
	memset(line, 0, sizeof(line));
	return header;
}

static enum ask_outcome judge(CURLcode rc, long status, const char *url, const char *why,
			      const struct strb *body, json_t **out, struct err *err)
{
	const char *said;

	if (rc == CURLE_WRITE_ERROR) {
		err_set(err, "%s: the answer has no end", url);
		return ASK_REFUSED;
	}
	if (rc != CURLE_OK) {
		err_set(err, "culpritd does not answer at %s: %s", url,
			*why ? why : curl_easy_strerror(rc));
		return ASK_AWAY;
	}
	*out = json_loadb(body->s ? body->s : "", body->len, JSON_DECODE_ANY, NULL);
	said = json_string_value(json_object_get(*out, "error"));
	if (status / 100 == 2 && *out)
		return ASK_OK;
	if (status == 401)
		err_set(err, "%s wants a token: say --token-file FILE", url);
	else if (said)
		err_set(err, "%s", said);
	else
		err_set(err, "%s answered with status %ld and no sentence", url, status);
	return ASK_REFUSED;
}

enum ask_outcome ask(struct cli *c, const char *path, const char *body, json_t **out,
		     struct err *err)
{
	enum ask_outcome why = ASK_AWAY;
	char *base = base_url(c, &why, err), *url, *token, text[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	struct strb answer = { 0 };
	long status = 0;
	CURLcode rc;
	CURL *h;

	*out = NULL;
	if (!base)
		return why;
	*err->msg = '\0';
	token = token_header(c, body != NULL, err);
	if (*err->msg) {
		free(base);
		return ASK_REFUSED;
	}
	url = xasprintf("%s%s", base, path);
	headers = curl_slist_append(headers, "Accept: application/json");
	if (body)
		headers = curl_slist_append(headers, "Content-Type: application/json");
	if (token)
		headers = curl_slist_append(headers, token);
	h = curl_easy_init();
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "culprit/" CUL_VERSION);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &answer);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	why = judge(rc, status, base, text, &answer, out, err);
	curl_easy_cleanup(h);
	curl_slist_free_all(headers);
	strb_free(&answer);
	free(token);
	free(url);
	free(base);
	return why;
}

int ask_failed(enum ask_outcome rc, const struct err *err)
{
	if (rc == ASK_CONFIG)
		return EX_CONFIG;
	return cli_fail(rc == ASK_AWAY ? EX_UNAVAILABLE : EXIT_FAILURE, "%s", err->msg);
}

void ask_param(struct strb *path, const char *name, const char *value)
{
	strb_fmt(path, "%s%s=", path->s && strchr(path->s, '?') ? "&" : "?", name);
	for (; *value; value++) {
		unsigned char ch = (unsigned char)*value;

		if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
		    (ch >= 'A' && ch <= 'Z') || (ch && strchr("-._~", ch)))
			strb_addc(path, (char)ch);
		else
			strb_fmt(path, "%%%02X", ch);
	}
}
