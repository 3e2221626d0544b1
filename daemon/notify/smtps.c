/* smtps.c - mail by libcurl, for what libesmtp lacks: smtps:// and XOAUTH2.
 * SPDX-License-Identifier: ISC
 *
 * The path of the URL is the name said in EHLO. Lines already end in CRLF, and
 * CURLOPT_CRLF makes curl also double the dots at their beginning.
 */
#include "daemon/notify/smtp.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/notify/secret.h"

struct sending {
	const struct channel *channel;
	struct strb *transcript;
	const char *text;
	size_t left;
	int cancel;
	uint64_t heard; /* octets from the server */
	bool asked;     /* it has just asked for a part of a login (334) */
	const char *token; /* XOAUTH2's; NULL: none */
	char error[CURL_ERROR_SIZE];
};

static size_t give(char *buf, size_t size, size_t n, void *arg)
{
	struct sending *s = arg;
	size_t len = size * n < s->left ? size * n : s->left;

	memcpy(buf, s->text, len);
	s->text += len;
	s->left -= len;
	return len;
}

static void note(struct sending *s, const char *mark, const char *text, size_t len)
{
	struct strb hidden = { 0 };

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	channel_quote(s->channel, text, len, &hidden);
	strb_add(s->transcript, mark);
	/* "AUTH XOAUTH2" and what answers a 334: the token has a shape there that secrets[]
	 * does not know, and may be newer than they are */
	if (*mark == '>' && hidden.len > 5 && !strncasecmp(hidden.s, "AUTH ", 5))
		hidden.s[5 + strcspn(hidden.s + 5, " ")] = '\0';
	strb_tty(s->transcript, *mark == '>' && s->asked ? "***" : hidden.s ? hidden.s : "");
	if (*mark != '*')
		s->asked = *mark == '<' && len >= 3 && !strncmp(text, "334", 3);
	strb_addc(s->transcript, '\n');
	strb_free(&hidden);
}

static int trace(CURL *easy, curl_infotype type, char *text, size_t len, void *arg)
{
	struct sending *s = arg;

	(void)easy;
	if (type == CURLINFO_HEADER_IN)
		s->heard += len;
	if (!s->transcript)
		return 0;
	if (type == CURLINFO_TEXT)
		note(s, "* ", text, len);
	else if (type == CURLINFO_HEADER_OUT)
		note(s, "> ", text, len);
	else if (type == CURLINFO_HEADER_IN)
		note(s, "< ", text, len);
	return 0;
}

/* curl reports what was heard as it goes; a server that says too much is left. */
static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct sending *s = arg;
	struct pollfd p = { .fd = s->cancel, .events = POLLIN };

	(void)a, (void)b, (void)c, (void)d;
	return s->heard > 65536 || poll(&p, 1, 0) > 0;
}

static void options(CURL *e, struct sending *s, const char *url)
{
	const struct channel *c = s->channel;

	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_USE_SSL,
			 (long)(c->starttls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
	if (c->ca_file) {
		curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (c->user)
		curl_easy_setopt(e, CURLOPT_USERNAME, c->user);
	if (s->token) {
		curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, s->token);
		curl_easy_setopt(e, CURLOPT_LOGIN_OPTIONS, "AUTH=XOAUTH2");
	} else if (c->password) {
		curl_easy_setopt(e, CURLOPT_PASSWORD, c->password);
	}
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)SMTP_CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)SMTP_TAKEN_MS / 1000);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)SMTP_TOTAL_MS);
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_CRLF, 1L);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(e, CURLOPT_READDATA, s);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, trace);
	curl_easy_setopt(e, CURLOPT_DEBUGDATA, s);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, s);
}

static void judge(CURL *e, CURLcode code, const struct sending *s, struct outcome *out)
{
	struct strb b = { 0 }, hidden = { 0 };
	const char *why = *s->error ? s->error : curl_easy_strerror(code);
	long reply = 0;

	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &reply);
	*out =
	    (struct outcome){ .result = code == CURLE_OK ? RESULT_SENT : RESULT_LATER };
	if (code == CURLE_OK)
		return;
	if (reply / 100 == 5 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR))
		out->result =
		    RESULT_FINAL; /* the sender, a recipient or the mail is refused */
	channel_quote(s->channel, why, strlen(why), &hidden);
	strb_tty(&b, hidden.s ? hidden.s : "");
	if (code == CURLE_LOGIN_DENIED)
		strb_add(&b, "; check user and password_file or token_file");
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		strb_add(&b, channel_certificate_advice(why));
	else if (code == CURLE_SSL_CONNECT_ERROR)
		strb_add(&b, "; does that port speak TLS from the start? if not, write smtp://");
	else if (code == CURLE_USE_SSL_FAILED)
		strb_add(&b, "; the server does not offer STARTTLS, try smtps://");
	snprintf(out->note, sizeof(out->note), "%.*s",
		 (int)utf8_cut(b.s, SIZE_MAX, sizeof(out->note) - 1), b.s);
	strb_free(&b);
	strb_free(&hidden);
}

/* A token of XOAUTH2 lasts an hour or so, and who has a new one writes it into the file. One
 * that cannot be read now is no reason not to try the last. Gives. */
static char *fresh_token(const struct channel *c)
{
	struct err err = { "" };
	char *token = c->token_file ? secret_read(c->token_file, "token_file", &err) : NULL;

	if (c->token_file && !token)
		log_seldom("token_file", 3600, "notify %s: %s", c->name, err.msg);
	return token || !c->token ? token : xstrdup(c->token);
}

void smtps_send(const struct channel *c, const char *text, int cancel,
		struct strb *transcript, struct outcome *out)
{
	struct sending s = { .channel = c, .text = text, .left = strlen(text),
			     .transcript = transcript, .cancel = cancel };
	bool v6 = strchr(c->host, ':');
	char *url = xasprintf("%s://%s%s%s:%s/%s", c->tls_first ? "smtps" : "smtp",
			      v6 ? "[" : "", c->host, v6 ? "]" : "", c->port, c->ehlo);
	char *from = xasprintf("<%s>", c->from);
	struct curl_slist *to = NULL;
	CURL *e = curl_easy_init();
	char *token = fresh_token(c);

	s.token = token;
	for (size_t i = 0; c->to[i]; i++)
		to = curl_slist_append(to, c->to[i]);
	options(e, &s, url);
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, to);
	judge(e, curl_easy_perform(e), &s, out);
	curl_slist_free_all(to);
	curl_easy_cleanup(e);
	secret_free(&token);
	free(url);
	free(from);
}
