/* format.h - what turns an alert into the request that one kind of target wants.
 * SPDX-License-Identifier: ISC
 *
 * A format is one file fmt_<name>.c that ends in a `const struct format`, and a
 * line in formats.def. It has no I/O and no clock: the same message gives the
 * same request. Text from outside goes through jansson (all JSON bodies), and
 * where the target reads markup of its own, through that markup's one escape.
 */
#ifndef CUL_NOTIFY_FORMAT_H
#define CUL_NOTIFY_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "daemon/model/alert.h"

struct channel;

enum { DIGEST_TOP = 20, RESEND_RESOLVED_MS = 300000 };

/* What stands for many messages at once (D8). */
struct digest {
	unsigned firing, resolved; /* messages it stands for */
	int64_t from_ms, to_ms;    /* when they were made */
	struct digest_line {
		char *headline;
		enum alert_state state;
		enum severity severity;
	} line[DIGEST_TOP];        /* n_line; the most severe first */
	unsigned n_line;
};

/* One message about one alert, or a digest: then alert is NULL. All borrowed. */
struct message {
	const struct alert *alert;
	const struct digest *digest;
	const char *key;     /* idempotency key, the same on every retry */
	const char *thread;  /* key of the first message about this alert */
	const char *subject; /* headline of that first message */
	const char *remote;  /* the target's own id of that message, or NULL */
	bool first;          /* this is that message */
	bool test;           /* of test-notify: nothing has happened */
	unsigned attempts;   /* before this one */
	int64_t now_ms;      /* of the attempt */
};

struct request {
	const char *base;         /* in: the channel's URL that it goes to */
	struct strb body;
	const char *content_type; /* static; NULL: application/json */
	struct strb url;          /* instead of the channel's, when not empty */
	const char *path;         /* static; added to the channel's URL; NULL: nothing */
	const char *auth; /* static scheme of the token: "Bearer"; NULL: not sent */
	bool failed;              /* the format could not say it; err in the log */
};
void request_fini(struct request *r);
/* Serialises and drops j into the body; shortest reals, UTF-8. */
void request_json(struct request *r, json_t *j);

/* Takes the text of b as a JSON string of at most max_chars characters, "…" the last
 * one when it was cut; b is cleared. */
json_t *format_text(struct strb *b, size_t max_chars);
/* The one escape for targets that read Markdown (Mattermost, Discord, Teams): every sign
 * with a meaning is quoted, and @ is followed by U+200B, so nobody is mentioned. */
void format_markdown(struct strb *b, const char *s);
/* "```" and the table of top flows, fewer rows until it fits max_chars, "```". */
void format_code_table(const struct alert *a, unsigned rows, size_t max_chars,
		       struct strb *b);
/* RFC 3339, "" for 0. */
const char *format_time(int64_t ms, char buf[static 48]);

/* What the target's answer means beyond its status. */
struct answer {
	long status;
	const char *body;  /* up to 64 KiB, terminated */
	bool refused;      /* out: 2xx, but not taken (Slack); final */
	int64_t retry_ms;  /* out: asked to wait so long; 0: did not say */
	char remote[64];   /* out: its id of the message, "" none */
};

struct format {
	const char *name, *doc;
	bool machine;      /* sees every firing and resolve, never a digest */
	bool acks;         /* ... and when somebody has acknowledged */
	unsigned batch;    /* alerts in one request; 0: one */
	bool needs_token, needs_target, needs_template;
	const char *default_url;
	/* Fills r from n messages (one, unless batch says more). */
	void (*make)(const struct channel *c, const struct message *m, unsigned n,
		     struct request *r);
	void (*read)(struct answer *a); /* may be NULL */
	/* The target forgets: firing alerts are sent again so often; 0: no. */
	int64_t resend_ms; /* and what was resolved for RESEND_RESOLVED_MS */
	bool (*check)(const struct channel *c, struct err *err); /* may be NULL */
};

extern const struct format *const formats[]; /* NULL ends */
const struct format *format_find(const char *name);

/* "[Acknowledge](…) · [Silence](…)" and an empty line, in Markdown; nothing where the alert
 * has no signed addresses. */
void format_acts(const struct alert *a, const char *base_url, struct strb *b);

#endif
