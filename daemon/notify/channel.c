/* channel.c - one checked `notify` section, ready to be used.
 * SPDX-License-Identifier: ISC
 *
 * Everything that can be wrong in a section is found here, before a thread
 * starts, each with one sentence that says what to write instead. A channel never
 * changes afterwards: a reload makes new ones. Whatever could give access
 * (password in both of its SMTP shapes, token, the part of a URL behind the
 * host) is noted in secrets[], and channel_quote() takes it out of every text
 * that quotes a conversation.
 */
#include "daemon/notify/channel.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdarg.h>
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

/* Where mistakes go: all of them to tell, or the first one to err. */
struct faults {
	notify_fault_f *tell;
	void *arg;
	struct err *err;
	unsigned n;
};

/* word is the setting that is meant. Returns false. */
__attribute__((format(printf, 4, 5))) static bool
bad(struct faults *f, const struct channel_conf *c, const char *word, const char *fmt, ...)
{
	struct err e, whole;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.msg, sizeof(e.msg), fmt, ap);
	va_end(ap);
	err_set(&whole, "notify %s: %s", set(c->name) ? c->name : "", e.msg);
	if (!f->n++ && f->err)
		*f->err = whole;
	if (f->tell)
		f->tell(f->arg, word, whole.msg);
	return false;
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

/* file's text behind `word = "…"`; false: told. NULL when not set. */
static bool secret_of(struct faults *f, const struct channel_conf *c, const char *word,
		      const char *path, char **out)
{
	struct err err;

	if (!set(path))
		return true;
	*out = secret_read(path, word, &err);
	return *out || bad(f, c, word, "%s", err.msg);
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

static void mail_server(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	const char *text = set(c->smtp) ? c->smtp : "smtp://localhost:25";
	char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *path = NULL;
	CURLU *u = curl_url();

	if (curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    (strcmp(scheme, "smtp") && strcmp(scheme, "smtps"))) {
		bad(f, c, "smtp",
		    "smtp is not a mail server; write smtp://host:587 (STARTTLS) or "
		    "smtps://host:465");
		goto out;
	}
	curl_url_get(u, CURLUPART_PORT, &port, 0);
	curl_url_get(u, CURLUPART_USER, &user, 0);
	curl_url_get(u, CURLUPART_PATH, &path, 0);
	if (user) {
		bad(f, c, "smtp",
		    "smtp has a user in its URL; use user = and password_file =");
		goto out;
	}
	if (path && strcmp(path, "/")) {
		bad(f, c, "smtp",
		    "smtp has something behind the host; write smtp://host:port");
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
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_free(path);
	curl_url_cleanup(u);
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

static void passwords(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	/* What cannot be read is there all the same, or it would be told as missing. */
	bool password = set(c->password_file), token = set(c->token_file);

	secret_of(f, c, "password_file", c->password_file, &ch->password);
	secret_of(f, c, "token_file", c->token_file, &ch->token);
	if (token && (password || !set(c->user)))
		bad(f, c, "token_file",
		    "token_file (XOAUTH2) needs user, and no password_file");
	else if (!token && set(c->user) != password)
		bad(f, c, password ? "password_file" : "user",
		    "user and password_file belong together; give both or none");
	ch->user = copy(c->user);
	ch->token_file = copy(c->token_file);
	note_secret(ch, ch->token);
	if (ch->password && ch->user)
		note_password(ch);
}

static void email(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	char name[256] = "localhost";

	if (!c->n_to)
		bad(f, c, "email", "email names nobody; write email = {\"noc@example.org\"}");
	if (c->n_to > CHANNEL_TO)
		bad(f, c, "email", "email has more than 64 addresses; use a list address");
	for (size_t i = 0; i < c->n_to && i < CHANNEL_TO; i++) {
		if (!is_mailbox(c->to[i]))
			bad(f, c, "email", "email: \"%s\" is no mail address", c->to[i]);
		ch->to[i] = xstrdup(c->to[i]);
	}
	if (!set(c->from) || !is_mailbox(c->from))
		bad(f, c, "from", "from: \"%s\" is no mail address; write from = "
		    "\"culprit@example.org\"", set(c->from) ? c->from : "");
	else
		ch->domain = xstrdup(strrchr(c->from, '@') + 1);
	ch->from = copy(c->from);
	mail_server(ch, c, f);
	passwords(ch, c, f);
	if (!set(c->hostname))
		gethostname(name, sizeof(name) - 1);
	ch->ehlo = xstrdup(set(c->hostname) ? c->hostname : name);
	ch->starttls = c->starttls || ch->password || ch->token;
	ch->human = true;
}

/* --- webhook ------------------------------------------------------------- */

static bool add_url(struct channel *ch, const struct channel_conf *c, const char *word,
		    const char *s, size_t len, struct faults *f)
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
		return bad(f, c, word, "%s",
			   ok ? "more than 8 URLs are given"
			      : "the webhook is no URL; write https://host/path");
	}
	ch->url[ch->n_url++] = url;
	note_secret(ch, url);
	s = strstr(url, "://") + 3;
	s += strcspn(s, "/?#");
	note_secret(ch, s);
	return true;
}

static void urls(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	static const char blank[] = " \t\r\n";
	const char *s = set(c->url) ? c->url : ch->format ? ch->format->default_url : NULL;
	const char *word = set(c->url_file) ? "webhook_file" : "webhook";
	char *file = NULL;
	bool ok = true;

	if (set(c->url) && set(c->url_file)) {
		bad(f, c, word, "webhook and webhook_file are both given; keep one");
		return;
	}
	if (!secret_of(f, c, "webhook_file", c->url_file, &file))
		return;
	if (file)
		s = file;
	while (ok && s && *(s += strspn(s, blank))) {
		size_t len = strcspn(s, blank);

		ok = add_url(ch, c, word, s, len, f);
		s += len;
	}
	secret_free(&file);
	if (ok && !ch->n_url && ch->format) /* an unknown format may have a target */
		bad(f, c, "", "it has no target; give webhook =, webhook_file =, email = "
		    "or exec =");
}

/* "whsec_" and base64, or any octets (Standard Webhooks, "Signature scheme"). */
static void sign_key(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	char *s = NULL;
	size_t len;
	int n;

	if (!secret_of(f, c, "secret_file", c->secret_file, &s) || !s)
		return;
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
		bad(f, c, "secret_file",
		    "the secret in secret_file is too short to sign with; run: "
		    "(printf whsec_; head -c 32 /dev/urandom | base64 -w0) > FILE");
}

static void list_formats(struct faults *f, const struct channel_conf *c)
{
	struct strb b = { 0 };

	for (size_t i = 0; formats[i]; i++)
		strb_fmt(&b, "%s%s", i ? ", " : "", formats[i]->name);
	bad(f, c, "format", "format \"%.40s\" is unknown; there are %s", c->format, b.s);
	strb_free(&b);
}

/* What its format asks for beside a target. */
static void format_needs(struct channel *ch, const struct channel_conf *c,
			 struct faults *f)
{
	const struct format *format = ch->format;
	unsigned before = f->n;
	struct err err;

	if (format->needs_token && !set(c->token_file))
		bad(f, c, "format", "format \"%s\" needs token_file", format->name);
	if (format->needs_target && !ch->target)
		bad(f, c, "format", "format \"%s\" needs target", format->name);
	if (format->needs_template && !set(c->template_file)) {
		bad(f, c, "format", "format \"template\" needs template_file");
	} else if (format->needs_template) {
		ch->template = secret_read_plain(c->template_file, "template_file", &err);
		if (!ch->template)
			bad(f, c, "template_file", "%s", err.msg);
	}
	if (f->n == before && ch->n_url && format->check && !format->check(ch, &err))
		bad(f, c, format->needs_template ? "template_file" : "format", "%s",
		    err.msg);
}

static void webhook(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	ch->format = format_find(set(c->format) ? c->format : "json");
	if (!ch->format)
		list_formats(f, c);
	urls(ch, c, f);
	sign_key(ch, c, f);
	secret_of(f, c, "token_file", c->token_file, &ch->token);
	note_secret(ch, ch->token);
	ch->target = copy(c->target);
	ch->proxy = copy(c->proxy);
	if (!ch->format)
		return;
	ch->human = !ch->format->machine;
	format_needs(ch, c, f);
}

/* --- all ----------------------------------------------------------------- */

static void program(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	if (!c->n_argv || c->argv[0][0] != '/' || c->n_argv > CHANNEL_ARGS) {
		bad(f, c, "exec",
		    "exec is a list that begins with a program's full path, as "
		    "{\"/usr/local/bin/page\", \"--now\"}; no shell is used");
		return;
	}
	if (access(c->argv[0], X_OK) < 0)
		bad(f, c, "exec", "exec: %s cannot be run", c->argv[0]);
	for (size_t i = 0; i < c->n_argv; i++)
		ch->argv[i] = xstrdup(c->argv[i]);
}

static void fill(struct channel *ch, const struct channel_conf *c, struct faults *f)
{
	if (!set(c->name) || strlen(c->name) > NAME_MAX_LEN) {
		bad(f, c, "", "a notify section needs a name of 1 to 64 characters");
		return;
	}
	ch->name = xstrdup(c->name);
	ch->kind = c->kind;
	ch->insecure = c->insecure;
	ch->no_resolved = c->no_resolved;
	ch->ca_file = copy(c->ca_file);
	if (ch->ca_file && access(ch->ca_file, R_OK) < 0)
		bad(f, c, "ca_file", "ca_file: cannot read %s", ch->ca_file);
	switch (c->kind) {
	case CHANNEL_EMAIL: email(ch, c, f); break;
	case CHANNEL_WEBHOOK: webhook(ch, c, f); break;
	case CHANNEL_EXEC: program(ch, c, f); break;
	}
}

struct channel *channel_new(const struct channel_conf *c, const char *base_url,
			    struct err *err)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	struct faults faults = { .err = err };

	ch->refs = 1;
	ch->base_url = copy(base_url);
	fill(ch, c, &faults);
	if (faults.n)
		channel_unref(&ch);
	return ch;
}

bool notify_check(const struct channel_conf *c, notify_fault_f *tell, void *arg)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	struct faults faults = { .tell = tell, .arg = arg };

	ch->refs = 1;
	fill(ch, c, &faults);
	channel_unref(&ch);
	return !faults.n;
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

/* As OpenSSL and libcurl put it; what they do not say apart gets both remedies. */
const char *channel_certificate_advice(const char *why)
{
	if (strstr(why, "expired") || strstr(why, "not yet valid"))
		return "; renew it, and look whether the clocks of both machines are right";
	if (strstr(why, "hostname") || strstr(why, "host name") || strstr(why, "IP address"))
		return "; write the name that the certificate is for into the configuration";
	if (strstr(why, "self") || strstr(why, "issuer") || strstr(why, "unable to verify"))
		return "; name the authority that issued it with ca_file";
	return "; renew it, or name its authority with ca_file";
}
