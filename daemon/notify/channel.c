/* channel.c - one checked `notify` section, ready to be used.
 * SPDX-License-Identifier: ISC
 *
 * Everything that can be wrong in a section is found here, before a thread
 * starts, with one sentence that says what to write instead. A channel never
 * changes afterwards: a reload makes new ones. Whatever could give access
 * (password in both of its SMTP shapes, token, the part of a URL behind the
 * host) is noted in secrets[], and channel_quote() takes it out of every text
 * that quotes a conversation.
 */
#include "daemon/notify/channel.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/notify/secret.h"

enum { NAME_MAX_LEN = 64 };

static bool set(const char *s)
{
	return s && *s;
}

static char *copy(const char *s)
{
	return set(s) ? xstrdup(s) : NULL;
}

static bool bad(struct err *err, const struct channel_conf *c, const char *sentence)
{
	return err_set(err, "notify %s: %s", c->name, sentence);
}

/* Only texts long enough to be told from ordinary words can be hidden. */
static void note_secret(struct channel *ch, const char *s)
{
	size_t n = 0;

	while (ch->secrets[n])
		n++;
	if (n < CHANNEL_SECRETS && s && strlen(s) >= 4)
		ch->secrets[n] = s;
}

/* file's text behind `what = "…"`; false + err. NULL when not set. */
static bool secret_of(const struct channel_conf *c, const char *word, const char *path,
		      char **out, struct err *err)
{
	char *what;

	if (!set(path))
		return true;
	what = xasprintf("notify %s: %s", c->name, word);
	*out = secret_read(path, what, err);
	free(what);
	return *out;
}

/* --- email --------------------------------------------------------------- */

/* local@domain of plain characters: it stands in SMTP commands and headers. */
static bool is_mailbox(const char *s)
{
	const char *at = strrchr(s, '@');

	if (!at || at == s || !at[1] || strlen(s) > 254)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("<>(),;:\\\"[]", *s))
			return false;
	return true;
}

static bool mail_server(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	const char *text = set(c->smtp) ? c->smtp : "smtp://localhost:25";
	char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *path = NULL;
	CURLU *u = curl_url();
	bool ok = false;

	if (curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    (strcmp(scheme, "smtp") && strcmp(scheme, "smtps"))) {
		bad(err, c,
		    "smtp is not a mail server; write smtp://host:587 (STARTTLS) or "
		    "smtps://host:465");
		goto out;
	}
	curl_url_get(u, CURLUPART_PORT, &port, 0);
	curl_url_get(u, CURLUPART_USER, &user, 0);
	curl_url_get(u, CURLUPART_PATH, &path, 0);
	if (user) {
		bad(err, c, "smtp has a user in its URL; use user = and password_file =");
		goto out;
	}
	if (path && strcmp(path, "/")) {
		bad(err, c, "smtp has something behind the host; write smtp://host:port");
		goto out;
	}
	ch->tls_first = !strcmp(scheme, "smtps");
	if (*host == '[') { /* an IPv6 literal */
		ch->host = xstrdup(host + 1);
		ch->host[strcspn(ch->host, "]")] = '\0';
	} else {
		ch->host = xstrdup(host);
	}
	ch->port = xstrdup(port ? port : ch->tls_first ? "465" : "25");
	ok = true;
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_free(path);
	curl_url_cleanup(u);
	return ok;
}

/* The password as AUTH PLAIN and AUTH LOGIN send it, to be hidden as well. */
static void note_password(struct channel *ch)
{
	size_t u = strlen(ch->user), p = strlen(ch->password);
	unsigned char *plain = xcalloc(1, u + p + 2);

	memcpy(plain + 1, ch->user, u);
	memcpy(plain + u + 2, ch->password, p);
	for (int i = 0; i < 2; i++)
		ch->hidden[i] = xcalloc(4, u + p + 8);
	EVP_EncodeBlock((unsigned char *)ch->hidden[0], plain, (int)(u + p + 2));
	EVP_EncodeBlock((unsigned char *)ch->hidden[1], plain + u + 2, (int)p);
	explicit_bzero(plain, u + p + 2);
	free(plain);
	note_secret(ch, ch->password);
	note_secret(ch, ch->hidden[0]);
	note_secret(ch, ch->hidden[1]);
}

static bool email(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	char name[256] = "localhost";

	if (!c->n_to)
		return bad(err, c,
			   "email names nobody; write email = {\"noc@example.org\"}");
	if (c->n_to > CHANNEL_TO)
		return bad(err, c,
			   "email has more than 64 addresses; use a list address");
	for (size_t i = 0; i < c->n_to; i++) {
		if (!is_mailbox(c->to[i]))
			return err_set(err, "notify %s: email: \"%s\" is no mail address",
				       c->name, c->to[i]);
		ch->to[i] = xstrdup(c->to[i]);
	}
	if (!set(c->from) || !is_mailbox(c->from))
		return err_set(err,
			       "notify %s: from: \"%s\" is no mail address; write from = "
			       "\"culprit@example.org\"",
			       c->name, set(c->from) ? c->from : "");
	if (!mail_server(ch, c, err) ||
	    !secret_of(c, "password_file", c->password_file, &ch->password, err) ||
	    !secret_of(c, "token_file", c->token_file, &ch->token, err))
		return false;
	if (ch->token && (ch->password || !set(c->user)))
		return bad(err, c,
			   "token_file (XOAUTH2) needs user, and no password_file");
	if (!ch->token && set(c->user) != (ch->password != NULL))
		return bad(err, c,
			   "user and password_file belong together; give both or none");
	ch->from = xstrdup(c->from);
	ch->user = copy(c->user);
	ch->token_file = copy(c->token_file);
	ch->domain = xstrdup(strrchr(ch->from, '@') + 1);
	if (!set(c->hostname))
		gethostname(name, sizeof(name) - 1);
	ch->ehlo = xstrdup(set(c->hostname) ? c->hostname : name);
	ch->starttls = c->starttls || ch->password || ch->token;
	ch->human = true;
	note_secret(ch, ch->token);
	if (ch->password)
		note_password(ch);
	return true;
}

/* --- webhook ------------------------------------------------------------- */

static bool add_url(struct channel *ch, const struct channel_conf *c, const char *s,
		    size_t len, struct err *err)
{
	char *url = xasprintf("%.*s", (int)len, s), *scheme = NULL, *host = NULL;
	CURLU *u = curl_url();
	/* libcurl also takes http:host and http:/host, which nobody meant. */
	bool ok = strstr(url, "://") && !curl_url_set(u, CURLUPART_URL, url, 0) &&
		  !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
		  !curl_url_get(u, CURLUPART_HOST, &host, 0) && *host &&
		  (!strcmp(scheme, "http") || !strcmp(scheme, "https"));

	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	if (!ok || ch->n_url == CHANNEL_URLS) {
		secret_free(&url);
		return bad(err, c, ok ? "more than 8 URLs are given"
				      : "the webhook is no URL; write https://host/path");
	}
	ch->url[ch->n_url++] = url;
	note_secret(ch, url);
	s = strstr(url, "://") + 3;
	s += strcspn(s, "/?#");
	note_secret(ch, s);
	return true;
}

static bool urls(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	static const char blank[] = " \t\r\n";
	const char *s = set(c->url) ? c->url : ch->format->default_url;
	char *file = NULL;
	bool ok = true;

	if (set(c->url) && set(c->url_file))
		return bad(err, c, "webhook and webhook_file are both given; keep one");
	if (!secret_of(c, "webhook_file", c->url_file, &file, err))
		return false;
	if (file)
		s = file;
	while (ok && s && *(s += strspn(s, blank))) {
		size_t len = strcspn(s, blank);

		ok = add_url(ch, c, s, len, err);
		s += len;
	}
	secret_free(&file);
	if (ok && !ch->n_url)
		return bad(err, c,
			   "it has no target; give webhook =, webhook_file =, email = "
			   "or exec =");
	return ok;
}

/* "whsec_" and base64, or any octets (Standard Webhooks, "Signature scheme"). */
static bool sign_key(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	char *s = NULL;
	size_t len;
	int n;

	if (!secret_of(c, "secret_file", c->secret_file, &s, err))
		return false;
	if (!s)
		return true;
	len = strlen(s);
	ch->sign_key = xcalloc(1, len + 4);
	if (strncmp(s, "whsec_", 6)) {
		memcpy(ch->sign_key, s, len);
		ch->n_sign = len;
	} else {
		n = EVP_DecodeBlock(ch->sign_key, (unsigned char *)s + 6, (int)len - 6);
		for (size_t i = len; n > 0 && i > 6 && s[i - 1] == '='; i--)
			n--;
		ch->n_sign = n > 0 ? (size_t)n : 0;
	}
	secret_free(&s);
	if (ch->n_sign < 16)
		return bad(
		    err, c,
		    "the secret in secret_file is too short to sign with; run: "
		    "(printf whsec_; head -c 32 /dev/urandom | base64 -w0) > FILE");
	return true;
}

static void list_formats(struct err *err, const struct channel_conf *c)
{
	struct strb b = { 0 };

	for (size_t i = 0; formats[i]; i++)
		strb_fmt(&b, "%s%s", i ? ", " : "", formats[i]->name);
	err_set(err, "notify %s: format \"%.40s\" is unknown; there are %s", c->name,
		c->format, b.s);
	strb_free(&b);
}

static bool webhook(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	const char *word = set(c->format) ? c->format : "json";

	ch->format = format_find(word);
	if (!ch->format) {
		list_formats(err, c);
		return false;
	}
	ch->human = !ch->format->machine;
	if (!urls(ch, c, err) || !sign_key(ch, c, err) ||
	    !secret_of(c, "token_file", c->token_file, &ch->token, err))
		return false;
	note_secret(ch, ch->token);
	ch->target = copy(c->target);
	ch->proxy = copy(c->proxy);
	if (ch->format->needs_token && !ch->token)
		return err_set(err, "notify %s: format \"%s\" needs token_file", c->name,
			       word);
	if (ch->format->needs_target && !ch->target)
		return err_set(err, "notify %s: format \"%s\" needs target", c->name,
			       word);
	if (ch->format->needs_template) {
		if (!set(c->template_file))
			return bad(err, c, "format \"template\" needs template_file");
		ch->template = secret_read_plain(c->template_file, "template_file", err);
		if (!ch->template)
			return false;
	}
	return !ch->format->check || ch->format->check(ch, err) ||
	       err_set(err, "notify %s: %s", c->name, err ? err->msg : "");
}

/* --- all ----------------------------------------------------------------- */

static bool program(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	if (!c->n_argv || c->argv[0][0] != '/' || c->n_argv > CHANNEL_ARGS)
		return bad(err, c,
			   "exec is a list that begins with a program's full path, as "
			   "{\"/usr/local/bin/page\", \"--now\"}; no shell is used");
	if (access(c->argv[0], X_OK) < 0)
		return err_set(err, "notify %s: exec: %s cannot be run", c->name,
			       c->argv[0]);
	for (size_t i = 0; i < c->n_argv; i++)
		ch->argv[i] = xstrdup(c->argv[i]);
	return true;
}

static bool fill(struct channel *ch, const struct channel_conf *c, struct err *err)
{
	if (!set(c->name) || strlen(c->name) > NAME_MAX_LEN)
		return err_set(err,
			       "a notify section needs a name of 1 to 64 characters");
	ch->name = xstrdup(c->name);
	ch->kind = c->kind;
	ch->insecure = c->insecure;
	ch->no_resolved = c->no_resolved;
	ch->ca_file = copy(c->ca_file);
	if (ch->ca_file && access(ch->ca_file, R_OK) < 0)
		return err_set(err, "notify %s: ca_file: cannot read %s", c->name,
			       ch->ca_file);
	switch (c->kind) {
	case CHANNEL_EMAIL: return email(ch, c, err);
	case CHANNEL_WEBHOOK: return webhook(ch, c, err);
	case CHANNEL_EXEC: return program(ch, c, err);
	}
	return false;
}

struct channel *channel_new(const struct channel_conf *c, const char *base_url,
			    struct err *err)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));

	ch->refs = 1;
	ch->base_url = copy(base_url);
	if (!fill(ch, c, err))
		channel_unref(&ch);
	return ch;
}

struct channel *channel_ref(struct channel *c)
{
	c->refs++;
	return c;
}

void channel_unref(struct channel **cp)
{
	struct channel *c = *cp;

	*cp = NULL;
	if (!c || --c->refs)
		return;
	for (size_t i = 0; c->to[i]; i++)
		free(c->to[i]);
	for (size_t i = 0; i < c->n_url; i++)
		secret_free(&c->url[i]);
	for (size_t i = 0; c->argv[i]; i++)
		free(c->argv[i]);
	if (c->sign_key)
		explicit_bzero(c->sign_key, c->n_sign);
	secret_free(&c->password);
	secret_free(&c->token);
	secret_free(&c->hidden[0]);
	secret_free(&c->hidden[1]);
	free(c->sign_key);
	free(c->template);
	free(c->name);
	free(c->from);
	free(c->user);
	free(c->token_file);
	free(c->host);
	free(c->port);
	free(c->domain);
	free(c->ehlo);
	free(c->target);
	free(c->proxy);
	free(c->ca_file);
	free(c->base_url);
	free(c);
}

unsigned channel_lanes(const struct channel *c)
{
	return c->n_url ? c->n_url : 1;
}

void channel_where(const struct channel *c, unsigned lane, struct strb *b)
{
	if (c->kind == CHANNEL_EXEC)
		strb_add(b, c->argv[0]);
	else if (c->kind == CHANNEL_WEBHOOK)
		secret_url(b, c->url[lane < c->n_url ? lane : 0]);
	else
		strb_fmt(b, strchr(c->host, ':') ? "%s://[%s]:%s" : "%s://%s:%s",
			 c->tls_first ? "smtps" : "smtp", c->host, c->port);
}

void channel_quote(const struct channel *c, const char *text, size_t len, struct strb *b)
{
	secret_hide(b, text, len, c->secrets);
}
