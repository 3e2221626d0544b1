/* hook.c - one HTTP request to a webhook, from message to outcome.
 * SPDX-License-Identifier: ISC
 *
 * The target is not trusted: redirects are not followed (one to 169.254.169.254
 * would make us ask there), the environment's proxy is not used, nothing is
 * unpacked, and 64 KiB of an answer are enough to know what it meant. 2xx is
 * taken; 408, 429 and 5xx are tried again after Retry-After or our back-off;
 * every other answer is final, because the same request will get it again.
 * A bad certificate is no final answer: somebody will renew it.
 */
#include "daemon/notify/hook.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/notify/secret.h"

#ifndef CUL_VERSION
#define CUL_VERSION "0"
#endif

enum { QUOTE = 200 };

struct hook {
	CURL *easy;
	struct curl_slist *headers;
	const struct channel *channel;
	struct request req;
	struct strb answer, *transcript;
	char error[CURL_ERROR_SIZE];
	bool full; /* the answer was cut */
};

void hook_sign(const unsigned char *key, size_t n_key, const char *id, int64_t at_s,
	       const void *body, size_t len, char out[static 64])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct strb text = { 0 };
	unsigned n = 0;

	strb_fmt(&text, "%s.%lld.", id, (long long)at_s);
	strb_addn(&text, body, len);
	HMAC(EVP_sha256(), key, (int)n_key, (unsigned char *)text.s, text.len, mac, &n);
	memcpy(out, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)out + 3, mac, (int)n);
	strb_free(&text);
}

static void header(struct hook *h, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);

	h->headers = curl_slist_append(h->headers, line);
	explicit_bzero(line, strlen(line)); /* it may hold the token */
	free(line);
}

static size_t take(char *p, size_t one, size_t n, void *arg)
{
	struct hook *h = arg;
	size_t room = ANSWER_MAX - h->answer.len;

	(void)one;
	strb_addn(&h->answer, p, n < room ? n : room);
	h->full = n > room;
	return h->full ? 0 : n; /* fewer than given ends the transfer */
}

/* One direction of the conversation, a line at a time. */
static void note(struct hook *h, const char *mark, const char *s, size_t len)
{
	while (len) {
		const char *end = memchr(s, '\n', len);
		size_t n = end ? (size_t)(end - s) : len, shown = n;
		struct strb line = { 0 };
		char *text;

		if (shown && s[shown - 1] == '\r')
			shown--;
		text = xasprintf("%.*s", (int)(shown < 4096 ? shown : 4096), s);
		channel_quote(h->channel, text, strlen(text), &line);
		strb_add(h->transcript, mark);
		strb_tty(h->transcript, line.s ? line.s : "");
		strb_addc(h->transcript, '\n');
		strb_free(&line);
		free(text);
		n += end != NULL;
		s += n;
		len -= n;
	}
}

static int trace(CURL *easy, curl_infotype type, char *s, size_t len, void *arg)
{
	struct hook *h = arg;

	(void)easy;
	switch (type) {
	case CURLINFO_TEXT: note(h, "* ", s, len); break;
	case CURLINFO_HEADER_OUT:
	case CURLINFO_DATA_OUT: note(h, "> ", s, len); break;
	case CURLINFO_HEADER_IN:
	case CURLINFO_DATA_IN: note(h, "< ", s, len); break;
	default: break;
	}
	return 0;
}

static void headers(struct hook *h, const struct message *m)
{
	const struct channel *c = h->channel;
	char number[32], signature[64];
	int64_t at_s = m->now_ms / 1000;

	header(h, "Content-Type",
	       h->req.content_type ? h->req.content_type : "application/json");
	header(h, "Expect", ""); /* no waiting for 100 Continue */
	header(h, "webhook-id", m->key);
	snprintf(number, sizeof(number), "%lld", (long long)at_s);
	header(h, "webhook-timestamp", number);
	if (c->sign_key) {
		hook_sign(c->sign_key, c->n_sign, m->key, at_s, h->req.body.s,
			  h->req.body.len, signature);
		header(h, "webhook-signature", signature);
	}
	if (c->token && h->req.auth) {
		char *value = xasprintf("%s %s", h->req.auth, c->token);

		header(h, "Authorization", value);
		secret_free(&value);
	}
}

/* The format's own URL, or the channel's with the path that the format adds. */
static void set_url(struct hook *h)
{
	size_t len = strlen(h->req.base), tail = h->req.path ? strlen(h->req.path) : 0;

	if (h->req.url.len)
		return;
	if (tail && len > tail && !strcmp(h->req.base + len - tail, h->req.path))
		tail = 0; /* it was written with it */
	while (tail && h->req.base[len - 1] == '/')
		len--;
	strb_addn(&h->req.url, h->req.base, len);
	strb_addn(&h->req.url, h->req.path ? h->req.path : "", tail);
}

static void options(struct hook *h)
{
	const struct channel *c = h->channel;
	CURL *e = h->easy;

	curl_easy_setopt(e, CURLOPT_URL, h->req.url.s);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, c->proxy ? c->proxy : "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)ATTEMPT_MS);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
	if (c->ca_file) { /* instead of the system's, not beside them */
		curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(e, CURLOPT_USERAGENT, "culprit/" CUL_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->req.body.len);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, h->req.body.s ? h->req.body.s : "");
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, h);
	if (h->transcript) {
		curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, trace);
		curl_easy_setopt(e, CURLOPT_DEBUGDATA, h);
	}
}

struct hook *hook_new(const struct channel *c, unsigned index, const struct message *m,
		      unsigned n, struct strb *transcript, struct outcome *out)
{
	struct hook *h = xcalloc(1, sizeof(*h));

	h->channel = c;
	h->transcript = transcript;
	h->req.auth = "Bearer";
	h->req.base = c->url[index];
	c->format->make(c, m, n, &h->req);
	h->easy = curl_easy_init();
	if (h->req.failed || !h->easy) {
		*out = (struct outcome){ .result = RESULT_FINAL };
		snprintf(out->note, sizeof(out->note),
			 "the alert cannot be written in format %s", c->format->name);
		hook_free(&h);
		return NULL;
	}
	headers(h, m);
	set_url(h);
	options(h);
	strb_add(&h->answer, "");
	return h;
}

void hook_free(struct hook **hp)
{
	struct hook *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	if (h->easy)
		curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	request_fini(&h->req);
	strb_free(&h->answer);
	free(h);
}

void *hook_curl(struct hook *h)
{
	return h->easy;
}

/* What a person should change, for the failures that have one cause. */
static const char *advice(CURLcode code, long status, const char *why)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "; check the host's name and this host's DNS";
	case CURLE_COULDNT_CONNECT: return "; check the port and the firewall between";
	case CURLE_PEER_FAILED_VERIFICATION:
		return channel_certificate_advice(why);
	case CURLE_SSL_CONNECT_ERROR:
		return "; does that port speak TLS? if not, write http://";
	case CURLE_GOT_NOTHING: return "; the target hung up, look there";
	case CURLE_OPERATION_TIMEDOUT: return "; the target hangs, look there";
	default: break;
	}
	if (status >= 300 && status < 400)
		return "; redirects are not followed, write the final URL into the "
		       "configuration";
	if (status == 401 || status == 403)
		return "; check the URL's token, token_file or secret_file";
	if (status >= 500)
		return "; look at the target's log";
	if (status == 404 || status == 410)
		return "; this hook does not exist any more, make a new one at the "
		       "target";
	return "";
}

/* The beginning of the answer, as one inert line. */
static void quote(const struct hook *h, struct strb *b)
{
	struct strb hidden = { 0 };
	size_t n = utf8_cut(h->answer.s, QUOTE, QUOTE);

	channel_quote(h->channel, h->answer.s, n, &hidden);
	if (hidden.len) {
		strb_add(b, ": \"");
		strb_tty(b, hidden.s);
		strb_addc(b, '"');
	}
	strb_free(&hidden);
}

static void say(const struct hook *h, CURLcode code, long status, struct outcome *out)
{
	struct strb b = { 0 }, hidden = { 0 };

	if (status && (code == CURLE_OK || h->full)) {
		strb_fmt(&b, "it answered %ld", status);
		quote(h, &b);
	} else {
		const char *why = *h->error ? h->error : curl_easy_strerror(code);

		channel_quote(h->channel, why, strlen(why), &hidden);
		strb_tty(&b, hidden.s ? hidden.s : "");
	}
	strb_add(&b, advice(h->full ? CURLE_OK : code, status, h->error));
	b.s[utf8_cut(b.s, SIZE_MAX, sizeof(out->note) - 1)] = '\0';
	snprintf(out->note, sizeof(out->note), "%s", b.s);
	strb_free(&b);
	strb_free(&hidden);
}

void hook_outcome(struct hook *h, int code, struct outcome *out)
{
	struct answer a = { .body = h->answer.s };
	curl_off_t after = 0;

	*out = (struct outcome){ .result = RESULT_LATER };
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &a.status);
	curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after);
	if (code == CURLE_OK || h->full) {
		if (h->channel->format->read)
			h->channel->format->read(&a);
		if (a.status >= 200 && a.status < 300)
			out->result = a.refused ? RESULT_FINAL : RESULT_SENT;
		else if (a.status != 408 && a.status != 429 && a.status < 500)
			out->result = RESULT_FINAL;
	}
	if (out->result == RESULT_SENT) {
		snprintf(out->remote, sizeof(out->remote), "%s", a.remote);
		return;
	}
	if (out->result == RESULT_LATER && (after > 0 || a.retry_ms > 0)) {
		out->retry_ms = after * 1000 > a.retry_ms ? after * 1000 : a.retry_ms;
		if (out->retry_ms < RETRY_MIN_MS)
			out->retry_ms = RETRY_MIN_MS;
		if (out->retry_ms > RETRY_AFTER_MAX_MS)
			out->retry_ms = RETRY_AFTER_MAX_MS;
	}
	say(h, (CURLcode)code, a.status, out);
}
