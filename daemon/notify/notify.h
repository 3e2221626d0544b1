/* notify.h - alerts to people and machines, each at least once.
 * SPDX-License-Identifier: ISC
 *
 * notify_alert() writes one row a channel to the outbox (D8) and only then is
 * anything sent, so what was committed reaches its channel also through kill -9.
 * Every channel has a queue, a back-off and a rate cap of its own; one that hangs
 * holds nobody. Threads: one writes the outbox, one serves all webhooks (curl
 * multi), one for each mail and exec channel (they block).
 */
#ifndef CUL_NOTIFY_NOTIFY_H
#define CUL_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "daemon/model/alert.h"

struct notify;

enum channel_kind { CHANNEL_EMAIL, CHANNEL_WEBHOOK, CHANNEL_EXEC };

/* One `notify NAME { }` section; NULL or "" is "not set". Everything is borrowed for
 * the call that is given it. Secrets come from files of mode 0640 or stricter. */
struct channel_conf {
	const char *name;
	enum channel_kind kind;
	/* email: smtp://host[:port] speaks STARTTLS (required once a password is set or
	 * starttls is true, else when offered); smtps://host[:port] is TLS from the
	 * start. */
	const char *const *to; /* n_to addresses */
	size_t n_to;
	const char *from;
	const char *smtp;
	const char *user, *password_file; /* or user and token_file: XOAUTH2 */
	bool starttls;        /* require it also without a password */
	const char
	    *hostname; /* EHLO name and right side of Message-IDs; NULL: this host's */
	/* webhook: several URLs (blank between) are replicas that all get every message.
	 */
	const char *format;   /* a word of formats.def; NULL: "json" */
	const char *url, *url_file;
	const char *secret_file; /* Standard Webhooks signature (whsec_… or raw octets) */
	/* pagerduty: routing key; telegram: the bot's; else Authorization: Bearer */
	const char *token_file;
	const char *target; /* telegram: chat id; ntfy: topic when the URL has none */
	const char
	    *template_file; /* format "template": the body with its {placeholders} */
	const char *proxy;         /* http://host:port; the environment is never asked */
	/* exec: no shell; the alert as JSON on standard input. */
	const char *const *argv; /* n_argv words, the first an absolute path */
	size_t n_argv;
	/* TLS of email and webhook */
	const char *ca_file; /* PEM, instead of the system's authorities */
	bool insecure;       /* no certificate check: said aloud at every start */
	bool no_resolved;    /* only firing messages */
};

struct notify_opts {
	const char *state_dir; /* outbox.db is there */
	const struct channel_conf *channels;
	size_t n_channels;
	const char *base_url;  /* of the page, for links; NULL: no links */
};

/* Opens the outbox, starts the threads and sends what was pending. NULL + one
 * sentence naming the channel. Everything in opts is copied. */
struct notify *notify_start(const struct notify_opts *opts, struct err *err);

/* New channels, all or nothing: false + err leaves everything as it was. Attempts
 * under way end with the settings they began with. */
bool notify_reload(struct notify *n, const struct notify_opts *opts, struct err *err);

/* Lets attempts under way end (timeout_ms at most), commits what was handed over and
 * frees; what is still queued goes out at the next start. */
void notify_stop(struct notify **n, int timeout_ms);

/* Takes the reference. Returns at once; the rows of all channels in a->notify are
 * committed together, within 100 ms. A name without a channel is counted and said.
 * Waits only when 4,096 alerts are not yet on disk. Any thread. */
void notify_alert(struct notify *n, struct alert *a);

/* The same, with notes that are kept in the very commit of its rows (rules/noise.h); a NULL:
 * only notes. Borrows the notes; text NULL forgets one. */
struct notify_note {
	const char *key, *text;
};
void notify_tell(struct notify *n, struct alert *a, const struct notify_note *notes,
		 size_t n_notes);
/* Calls fn for every note whose key begins with prefix. Any thread. */
bool notify_notes(struct notify *n, const char *prefix,
		  void (*fn)(void *arg, const char *key, const char *text), void *arg);
/* Do people read it (else a machine, that is to see every alert by itself)? */
bool notify_people(const struct channel_conf *c);
/* Need its section not say where it goes, since the format knows? */
bool notify_has_target(const struct channel_conf *c);
/* Has it a word for an alert that somebody has acknowledged? */
bool notify_acks(const struct channel_conf *c);

/* Waits until all that was handed over is on disk, for 5 s at most; false: it is not. */
bool notify_sync(struct notify *n);

/* Sends a realistic sample now, past the queue. True when the target took it; else
 * err says what went wrong and what to change. The conversation, without secrets, is
 * added to transcript either way. Blocks for up to 30 s; any thread. */
bool notify_test(struct notify *n, const char *channel, struct strb *transcript,
		 struct err *err);
bool notify_test_once(const struct channel_conf *c, const char *base_url,
		      struct strb *transcript, struct err *err);

/* Checks one section without opening a connection and tells each mistake in it: word is
 * the setting that is meant, "" when it is the section. False: there were some. */
typedef void notify_fault_f(void *arg, const char *word, const char *sentence);
bool notify_check(const struct channel_conf *c, notify_fault_f *tell, void *arg);

struct notify_stat {
	const char *channel;
	/* Since start: messages delivered; attempts that failed; attempts after the
	 * first; messages given up; alerts that went out inside a digest. */
	uint64_t sent, failed, retried, dead, digested;
	uint64_t queued;           /* now, in the outbox */
	uint64_t dead_now;         /* dead letters that wait for `culprit notify retry` */
	int64_t last_sent_ms;      /* 0: never */
	const char
	    *last_error; /* of the last failed attempt, "" when the last one went well */
};
typedef void notify_stat_f(const struct notify_stat *s, void *arg);
/* Calls fn for every channel, in the order of the configuration. Any thread. */
void notify_stats(struct notify *n, notify_stat_f *fn, void *arg);
uint64_t notify_unknown(struct notify *n); /* alerts that named a channel there is not */

/* Dead letters, the newest first, at most max. */
struct notify_letter {
	const char *channel, *alert, *headline, *why; /* "" for a digest; why it was given up */
	int64_t made_ms, given_up_ms;
	unsigned attempts;
};
void notify_dead(struct notify *n, unsigned max,
		 void (*fn)(void *arg, const struct notify_letter *l), void *arg);
bool notify_has(struct notify *n, const char *channel);
/* Dead letters of a channel (NULL: of all) are queued again; how many. */
uint64_t notify_retry(struct notify *n, const char *channel);

#endif
