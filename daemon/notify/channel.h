/* channel.h - one checked `notify` section, ready to be used.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_CHANNEL_H
#define CUL_NOTIFY_CHANNEL_H

#include "daemon/notify/format.h"
#include "daemon/notify/notify.h"

enum { CHANNEL_URLS = 8, CHANNEL_SECRETS = 24, CHANNEL_TO = 64, CHANNEL_ARGS = 64 };

struct channel {
	char *name;
	enum channel_kind kind;
	const struct format *format; /* webhooks */
	bool human;                  /* rate cap and digest, else every message */
	/* email */
	char *to[CHANNEL_TO + 1], *from, *user, *password, *host, *port, *domain, *ehlo;
	bool tls_first, starttls; /* smtps://; STARTTLS or nothing */
	char *token_file;         /* XOAUTH2: read for each mail, since it lasts an hour */
	/* webhook */
	char *url[CHANNEL_URLS + 1]; /* replicas */
	unsigned n_url;
	char *token, *target, *template, *proxy;
	unsigned char *sign_key; /* n_sign octets; NULL: not signed */
	size_t n_sign;
	/* exec */
	char *argv[CHANNEL_ARGS + 1];
	/* all */
	char *ca_file, *base_url;
	bool insecure, no_resolved;
	const char *secrets[CHANNEL_SECRETS + 1]; /* borrowed from above; NULL ends */
	_Atomic unsigned refs;
	char *hidden[2]; /* the password as AUTH PLAIN and AUTH LOGIN send it */
};

/* Copies and checks; reads the files it names. NULL + one sentence. */
struct channel *channel_new(const struct channel_conf *c, const char *base_url,
			    struct err *err);
struct channel *channel_ref(struct channel *c);
void channel_unref(struct channel **c); /* the last one frees, secrets overwritten */

/* Its targets, each with a queue of its own: the URLs, else one. */
unsigned channel_lanes(const struct channel *c);
/* What may be shown of where it goes: "smtp://mail.example.org:587". */
void channel_where(const struct channel *c, unsigned lane, struct strb *b);
/* Adds a text from this channel's conversations with its secrets hidden. */
void channel_quote(const struct channel *c, const char *text, size_t len, struct strb *b);
/* What to do about a certificate that was refused for that reason; "; …". */
const char *channel_certificate_advice(const char *why);

#endif
