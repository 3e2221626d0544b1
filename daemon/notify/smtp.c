/* smtp.c - mail by libesmtp, under the rules that its version 1.1.0 asks for.
 * SPDX-License-Identifier: ISC
 *
 * What a reader would wonder about:
 * - An SSL_CTX of our own for every session: the library's is freed under it at
 *   the second mail. The certificate is verified by OpenSSL in the handshake,
 *   against the name that was configured; the library's own check uses the
 *   canonical name and knows no addresses, so it is overruled after ours passed.
 * - It sends no server name (SNI): the info callback sets it as the handshake
 *   starts.
 * - STARTTLS is required once there is a password; "enabled" would send it in
 *   clear to a server, or to somebody between, that does not offer STARTTLS.
 * - TLS 1.2 and nothing newer. In 1.3 the server sends session tickets of its own
 *   accord after the handshake; libesmtp takes them for the answer to an EHLO
 *   that still lies in its buffer, reads on, and both sides wait for each other
 *   until the time-out. (A server that speaks 1.3 alone can be had by smtps://.)
 * - smtp_start_session() says 1 also when nothing was delivered. What counts is
 *   the transfer's status and every recipient's.
 * - It has no time-out to connect and none for the whole: relay.c has.
 * - auth_client_exit() is never called: it would unload the plug-ins that the
 *   thread of another mail channel is using.
 * - When the server says no to the password the library goes on without, and the
 *   server then refuses the recipients: so the conversation is listened to, and what
 *   is told (and tried again, for a password can be mended) is the first no.
 * - The message ends its lines with CRLF (mime.c), or only its head arrives.
 */
#include "daemon/notify/smtp.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <auth-client.h>
#include <arpa/inet.h>
#include <libesmtp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/notify/relay.h"


struct session {
	const struct channel *channel;
	struct strb *transcript;
	const char *text;
	int cancel;
	char tls[256];   /* why the certificate was refused, "" when it was not */
	bool no_tls;     /* STARTTLS was required and not offered */
	bool encrypted;
	bool in_auth;    /* AUTH was sent, and no answer has ended it */
	bool authentic;  /* the server said yes */
	char refused[128]; /* its last no, "" when AUTH was not tried */
	char no[128];      /* the last no to anything, "" when there was none */
	smtp_recipient_t to[CHANNEL_TO];
	bool leave_out[CHANNEL_TO];
};

static void add_line(struct session *s, const char *mark, const char *text, size_t len)
{
	struct strb hidden = { 0 };

	channel_quote(s->channel, text, len, &hidden);
	strb_add(s->transcript, mark);
	strb_tty(s->transcript, hidden.s ? hidden.s : "");
	strb_addc(s->transcript, '\n');
	strb_free(&hidden);
}

/* What became of AUTH: 334 asks for more, 2xx is a yes, anything else a no. */
static void follow_auth(struct session *s, bool writing, const char *line, size_t len)
{
	if (writing && len > 5 && !strncasecmp(line, "AUTH ", 5)) {
		s->in_auth = true;
	} else if (!writing && s->in_auth && len > 3 && strncmp(line, "334", 3) != 0) {
		s->in_auth = false;
		if (*line == '2')
			s->authentic = true;
		else
			snprintf(s->refused, sizeof(s->refused), "%.*s", (int)len, line);
	}
}

/* A no to the greeting or to EHLO is in no status that the library keeps. */
static void follow_no(struct session *s, const char *line, size_t len)
{
	if (len > 3 && (*line == '4' || *line == '5') && line[3] == ' ')
		snprintf(s->no, sizeof(s->no), "%.*s", (int)len, line);
}

static void on_octets(const char *buf, int len, int writing, void *arg)
{
	struct session *s = arg;
	const char *end = buf + len;

	while (buf < end) {
		const char *nl = memchr(buf, '\n', (size_t)(end - buf));
		size_t n = (size_t)((nl ? nl : end) - buf);

		if (s->transcript)
			add_line(s, writing ? "> " : "< ", buf,
				 n && buf[n - 1] == '\r' ? n - 1 : n);
		follow_auth(s, writing, buf, n && buf[n - 1] == '\r' ? n - 1 : n);
		if (!writing)
			follow_no(s, buf, n && buf[n - 1] == '\r' ? n - 1 : n);
		buf += n + 1;
	}
}

static void on_event(smtp_session_t session, int event, void *arg, ...)
{
	struct session *s = arg;
	va_list ap;

	(void)session;
	va_start(ap, arg);
	switch (event) {
	case SMTP_EV_INVALID_PEER_CERTIFICATE: {
		long why = va_arg(ap, long);
		int *ok = va_arg(ap, int *);

		if (!*s->tls)
			snprintf(s->tls, sizeof(s->tls), "%s",
				 X509_verify_cert_error_string(why));
		*ok = s->channel->insecure;
		break;
	}
	case SMTP_EV_WRONG_PEER_CERTIFICATE: /* OpenSSL has compared the right name */
	case SMTP_EV_NO_PEER_CERTIFICATE: {
		int *ok = va_arg(ap, int *);

		*ok = event == SMTP_EV_WRONG_PEER_CERTIFICATE || s->channel->insecure;
		break;
	}
	case SMTP_EV_WEAK_CIPHER: {
		int *ok;

		(void)va_arg(ap, long);
		ok = va_arg(ap, int *);
		*ok = 0;
		break;
	}
	case SMTP_EV_EXTNA_STARTTLS: s->no_tls = true; break;
	case SMTP_EV_STARTTLS_OK: s->encrypted = true; break;
	default: break;
	}
	va_end(ap);
}

/* --- TLS ----------------------------------------------------------------- */

static bool is_address(const char *host)
{
	unsigned char a[16];

	return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1;
}

static void on_info(const SSL *ssl, int where, int ret)
{
	const struct session *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	(void)ret;
	if ((where & SSL_CB_HANDSHAKE_START) && !is_address(s->channel->host) &&
	    !SSL_is_init_finished(ssl))
		SSL_set_tlsext_host_name((SSL *)ssl, s->channel->host);
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl =
	    X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct session *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!ok && !*s->tls)
		snprintf(s->tls, sizeof(s->tls), "%s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	return ok;
}

static SSL_CTX *tls_context(struct session *s, struct outcome *out)
{
	const struct channel *c = s->channel;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	bool ok;

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_app_data(ctx, s);
	SSL_CTX_set_info_callback(ctx, on_info);
	if (c->insecure) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return ctx;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
	if (is_address(c->host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, c->host);
	else
		ok = X509_VERIFY_PARAM_set1_host(param, c->host, 0);
	ok = ok && (c->ca_file ? SSL_CTX_load_verify_locations(ctx, c->ca_file, NULL)
			       : SSL_CTX_set_default_verify_paths(ctx));
	if (ok)
		return ctx;
	snprintf(out->note, sizeof(out->note),
		 "no certificate authority could be read from %s",
		 c->ca_file ? c->ca_file : "the system's store");
	SSL_CTX_free(ctx);
	return NULL;
}

/* --- one session --------------------------------------------------------- */

static int on_auth(auth_client_request_t request, char **result, int fields, void *arg)
{
	const struct session *s = arg;

	for (int i = 0; i < fields; i++)
		result[i] = request[i].flags & AUTH_USER	? s->channel->user
			    : request[i].flags & AUTH_PASS ? s->channel->password
								: NULL;
	return 1;
}

/* The message in one piece; len NULL rewinds. The library frees *ctx. */
static const char *on_text(void **ctx, int *len, void *arg)
{
	const struct session *s = arg;
	bool *given = *ctx;

	if (!given)
		*ctx = given = xcalloc(1, sizeof(*given));
	if (!len) {
		*given = false;
		return NULL;
	}
	*len = *given ? 0 : (int)strlen(s->text);
	if (*given)
		return NULL;
	*given = true;
	return s->text;
}

static void set_timeouts(smtp_session_t session)
{
	static const int quick[] = { Timeout_GREETING, Timeout_ENVELOPE, Timeout_DATA,
				     Timeout_TRANSFER };

	for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++)
		smtp_set_timeout(session, quick[i] | Timeout_OVERRIDE_RFC2822_MINIMUM,
				 SMTP_REPLY_MS);
	smtp_set_timeout(session, Timeout_DATA2 | Timeout_OVERRIDE_RFC2822_MINIMUM,
			 SMTP_TAKEN_MS);
}

static smtp_message_t prepare(struct session *s, smtp_session_t session, uint16_t port,
			      SSL_CTX *ctx, auth_context_t auth)
{
	const struct channel *c = s->channel;
	smtp_message_t m;
	char where[32];

	snprintf(where, sizeof(where), "127.0.0.1:%u", port); /* the relay's */
	smtp_set_server(session, where);
	smtp_set_hostname(session, c->ehlo);
	smtp_set_eventcb(session, on_event, s);
	smtp_set_monitorcb(session, on_octets, s, 1);
	set_timeouts(session);
	smtp_starttls_enable(session, c->starttls ? Starttls_REQUIRED : Starttls_ENABLED);
	smtp_starttls_set_ctx(session, ctx);
	smtp_option_require_all_recipients(session, 1);
	if (c->password) {
		auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0);
		auth_set_interact_cb(auth, on_auth, s);
		smtp_auth_set_context(session, auth);
	}
	m = smtp_add_message(session);
	smtp_set_reverse_path(m, c->from);
	smtp_set_messagecb(m, on_text, s);
	for (size_t i = 0; c->to[i]; i++)
		s->to[i] = s->leave_out[i] ? NULL : smtp_add_recipient(m, c->to[i]);
	return m;
}

/* --- what it came to ----------------------------------------------------- */

static void say(struct outcome *out, const struct channel *c, const char *what, int code,
		const char *text, const char *more)
{
	struct strb b = { 0 }, hidden = { 0 };

	if (text)
		channel_quote(c, text, strlen(text), &hidden);
	for (size_t i = 0; i < hidden.len; i++) /* replies may have several lines */
		if (hidden.s[i] == '\r' || hidden.s[i] == '\n')
			hidden.s[i] = ' ';
	strb_fmt(&b, "%s: %d ", what, code);
	strb_tty(&b, hidden.s ? hidden.s : "");
	while (b.len && (b.s[b.len - 1] == ' '))
		b.s[--b.len] = '\0';
	strb_add(&b, more);
	snprintf(out->note, sizeof(out->note), "%.*s",
		 (int)utf8_cut(b.s, SIZE_MAX, sizeof(out->note) - 1), b.s);
	strb_free(&b);
	strb_free(&hidden);
}

/* True: some recipients can be left out, and others remain. */
static bool some_refused(struct session *s, unsigned attempts, struct outcome *out)
{
	unsigned refused = 0, good = 0;

	for (size_t i = 0; s->channel->to[i]; i++) {
		const smtp_status_t *st =
		    s->to[i] ? smtp_recipient_status(s->to[i]) : NULL;
		int class = st ? st->code / 100 : 0;

		if (class == 2) {
			good++;
		} else if (class == 5 || (class == 4 && attempts >= 2)) {
			s->leave_out[i] = true;
			refused++;
		}
		if (class == 4 || class == 5) {
			char what[320];

			snprintf(what, sizeof(what), "the server refuses %s",
				 s->channel->to[i]);
			say(out, s->channel, what, st->code, st->text,
			    "; check the address");
			out->result = class == 5 ? RESULT_FINAL : RESULT_LATER;
		}
	}
	return refused && good;
}

static void session_failed(struct session *s, const struct relay *r, struct outcome *out)
{
	const char *host = s->channel->host;
	char buf[160] = "";

	if (r->why)
		snprintf(out->note, sizeof(out->note), "%s; look at the mail server %s",
			 r->why, host);
	else if (*s->tls)
		snprintf(out->note, sizeof(out->note),
			 "the certificate of %s is refused: %s%s", host, s->tls,
			 channel_certificate_advice(s->tls));
	else if (s->no_tls)
		snprintf(out->note, sizeof(out->note),
			 "%s does not offer STARTTLS, and without it "
			 "%s; use its submission port (587) or smtps://",
			 host,
			 s->channel->password ? "the password would go in clear"
					      : "nothing is sent here");
	else if (*s->no)
		say(out, s->channel, "the server takes no mail from here", atoi(s->no),
		    s->no + 4, "; look at its log");
	else
		snprintf(out->note, sizeof(out->note), "%s; look at the mail server %s",
			 smtp_errno() ? smtp_strerror(smtp_errno(), buf, sizeof(buf))
				      : "the server ended the conversation", host);
}

/* Without the password's yes nothing else that the server said is worth telling. */
static bool no_entry(const struct session *s, struct outcome *out)
{
	const struct channel *c = s->channel;
	struct strb b = { 0 }, hidden = { 0 };

	if (!c->password || s->authentic || !s->encrypted)
		return false;
	if (s->in_auth) { /* asked, and never answered */
		snprintf(out->note, sizeof(out->note),
			 "the server does not answer to the password; look at the mail "
			 "server %s", c->host);
		return true;
	}
	strb_add(&b, *s->refused ? "the server refuses the user " : "the server takes no password for ");
	strb_tty(&b, c->user);
	if (*s->refused) {
		channel_quote(c, s->refused, strlen(s->refused), &hidden);
		strb_add(&b, ": ");
		strb_tty(&b, hidden.s ? hidden.s : "");
		strb_add(&b, "; check user and password_file");
	} else {
		strb_add(&b, " (no AUTH offered); use its submission port (587), or leave "
			     "user and password_file out");
	}
	snprintf(out->note, sizeof(out->note), "%.*s",
		 (int)utf8_cut(b.s, SIZE_MAX, sizeof(out->note) - 1), b.s);
	strb_free(&b);
	strb_free(&hidden);
	return true;
}

/* True: done, whatever came of it; false: again, without those left out. */
static bool judge(struct session *s, smtp_message_t m, bool started,
		  const struct relay *r, unsigned attempts, struct outcome *out)
{
	const smtp_status_t *st = smtp_message_transfer_status(m);
	const smtp_status_t *from = smtp_reverse_path_status(m);

	out->result = RESULT_LATER;
	if ((!started || !st || st->code / 100 != 2) && from && no_entry(s, out))
		return true;
	if (from && from->code / 100 > 3) {
		say(out, s->channel, "the server refuses the sender", from->code,
		    from->text,
		    s->channel->password
			? "; check from, user and password_file"
			: "; check from, or give user and password_file");
		out->result = from->code / 100 == 5 ? RESULT_FINAL : RESULT_LATER;
		return true;
	}
	if (some_refused(s, attempts, out))
		return false;
	if (*out->note)
		return true;
	if (started && st && st->code / 100 == 2) {
		out->result = RESULT_SENT;
		return true;
	}
	if (st && st->code / 100 > 3) {
		say(out, s->channel, "the server refuses the mail", st->code, st->text,
		    "");
		out->result = st->code / 100 == 5 ? RESULT_FINAL : RESULT_LATER;
		return true;
	}
	session_failed(s, r, out);
	return true;
}

static bool attempt(struct session *s, unsigned attempts, struct outcome *out)
{
	const struct channel *c = s->channel;
	struct relay relay;
	struct err err = { "" };
	SSL_CTX *ctx = tls_context(s, out);
	smtp_session_t session;
	auth_context_t auth;
	smtp_message_t m;
	bool started, done;

	if (!ctx)
		return true;
	if (!relay_open(&relay, c->host, c->port, SMTP_CONNECT_MS, SMTP_TOTAL_MS,
			s->cancel, &err)) {
		snprintf(out->note, sizeof(out->note), "%.500s", err.msg);
		SSL_CTX_free(ctx);
		return true;
	}
	auth = auth_create_context();
	session = smtp_create_session();
	m = prepare(s, session, relay.port, ctx, auth);
	started = smtp_start_session(session);
	relay_close(&relay);
	done = judge(s, m, started, &relay, attempts, out);
	smtp_destroy_session(session);
	auth_destroy_context(auth);
	SSL_CTX_free(ctx);
	return done;
}

void smtp_send(const struct channel *c, const char *text, unsigned attempts, int cancel,
	       struct strb *transcript, struct outcome *out)
{
	struct session s = { .channel = c, .text = text, .transcript = transcript,
			     .cancel = cancel };

	*out = (struct outcome){ .result = RESULT_LATER };
	if (attempt(&s, attempts, out))
		return;
	*out = (struct outcome){ .result = RESULT_LATER };
	s.tls[0] = s.no[0] = '\0';
	attempt(&s, attempts, out);
}
