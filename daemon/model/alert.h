/* alert.h - what a person gets: a condition with a beginning, an end and evidence.
 * SPDX-License-Identifier: ISC
 *
 * An alert is filled stage by stage (rules, archive position, evidence) by the one
 * thread that holds it, and is immutable once handed to notify and history. Each
 * change of state travels as an alert of its own with the same id.
 */
#ifndef CUL_MODEL_ALERT_H
#define CUL_MODEL_ALERT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"
#include "daemon/model/series.h"

enum alert_state { ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED };
enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };

enum { ALERT_ID = 27, ALERT_TOP = 20, ALERT_CHANGED = 10, ALERT_URLS = 20, ALERT_SPARK = 60,
       ALERT_NOTIFY = 16 };

struct alert_url {
	char *url, *client;
	uint64_t bytes;
	int64_t from_ms, to_ms;
};

struct top_flow {
	struct addr src, dst;
	uint16_t src_port, dst_port;
	uint8_t proto;
	uint64_t bytes, packets, flows;
	double share;              /* of the window's total under the rule's filter and key */
	char *src_name, *dst_name; /* NULL: not known */
	char *client;              /* behind the proxy, else NULL */
	struct alert_url *urls;    /* n_urls of them */
	unsigned n_urls;
};

struct changed {
	char *key;      /* "host 10.20.0.66", "service https (tcp 443)" */
	double value, before; /* in the unit of measure_compared() */
	double share_of_change;
};

/* Where the archive ended when the alert was raised (D4). */
struct archive_position {
	int64_t file_s;  /* start of the five-minute file, Unix time; 0: none */
	uint64_t offset; /* octets of it that count */
};

struct alert {
	char id[ALERT_ID];        /* time-ordered, unique: ULID */
	char fingerprint[17];     /* rule and series */
	enum alert_state state;
	enum severity severity;
	char *rule;
	char *filter;             /* the rule's filter, "" for every flow */
	enum by by;
	struct key key;
	char *series;             /* for a person: "edge WAN in" */
	char *series_id;          /* stable: "interface=192.0.2.1/WAN/in" */
	struct measure measure;
	double value;             /* now (firing) or at the end (resolved) */
	double error;             /* the truth may be this much more (sketch); 0: exact */
	double peak;              /* largest while it lasted */
	double threshold, clear;
	bool below;               /* fires under the threshold */
	bool was;                 /* found when already over: firing and resolved in one */
	bool warning_share;       /* a quota's early warning, not the quota itself */
	bool over_budget;         /* its rule has told as many as it may (budget_total) */
	unsigned held_before;     /* alerts of its rule that were held back for that, before it */
	char *detector;           /* NULL for a plain limit */
	char *view;               /* what the detector noticed, for a sentence; or NULL */
	char *kind;               /* what a pattern in flows is: "SYN flood"; else NULL */
	bool has_baseline;
	double low, median, high; /* what is normal now */
	int64_t window_start_ms, window_end_ms; /* of the value */
	int64_t pending_ms, started_ms, ended_ms; /* event time; ended 0 while it lasts */
	int64_t judged_ms;        /* wall time of the verdict */
	int64_t crossed_ms;       /* receive time of the datagram that crossed; 0 unknown */
	struct addr who;          /* whom `why` names; none: nobody. Not in JSON */
	char *why;                /* one sentence, or NULL: evidence writes it */
	uint64_t lost_flows, dropped_datagrams; /* in the window, for its exporters */
	uint32_t sampling;        /* largest rate in the window; 1: none */
	struct archive_position position; /* when it was raised */
	struct archive_position end_position; /* when it was over; not set before, or if `was` */
	uint64_t block_seq;       /* last block that had been judged */
	bool evidence_short;      /* the flows kept do not cover the whole window */
	int64_t evidence_from_ms; /* then they begin here */
	uint64_t total_bytes, total_packets, total_flows; /* of the window, from the flows kept */
	struct top_flow *top;     /* n_top, largest first by the rule's measure */
	unsigned n_top;
	struct changed *changed;
	unsigned n_changed;
	char *compared;           /* `before` was "at this hour in the last three weeks" */
	double spark[ALERT_SPARK]; /* the last values, oldest first; NAN is a gap */
	unsigned n_spark;
	int64_t spark_step_ms;
	char *notify[ALERT_NOTIFY]; /* names of channels; NULL ends */
	char *quiet;              /* why nobody was told, one sentence; NULL: somebody was */
	char *ack_by, *ack_comment; /* who knows of it; NULL: nobody said so */
	int64_t ack_ms;           /* since when; 0: not */
	unsigned group;           /* a message that speaks for so many alerts; 0: for itself */
	bool notice;              /* no alert: that culpritd is alive */
	char *act_ack, *act_silence; /* signed addresses below the page's; only in messages */
	_Atomic uint32_t refs;
};

struct alert *alert_new(void); /* zeroed, one reference */
struct alert *alert_ref(const struct alert *a);
void alert_unref(struct alert **a);
struct alert *alert_copy(const struct alert *a); /* deep, without top flows and changes */
struct alert *alert_clone(const struct alert *a); /* deep, with all of it */
void alert_new_id(char id[static ALERT_ID], int64_t now_ms);

extern const char *const alert_state_word[]; /* "pending" "firing" "resolved" */
extern const char *const severity_word[];    /* "info" "warning" "critical" */
int severity_find(const char *word);

/* The body of contrib/alert.schema.json, "culprit.alert/1" (DESIGN section 4). base_url
 * may be NULL: then links are left out. Gives a new reference. */
json_t *alert_json(const struct alert *a, const char *base_url);
/* Back from alert_json, as far as it tells; NULL + err. Used by history and outbox. */
struct alert *alert_from_json(const json_t *j, struct err *err);

/* Takes out of alert_json's who asked the proxy for what, when the alert was over (or, while
 * it lasts, began) before before_ms. True: there was something. */
bool alert_json_forget(json_t *alert, int64_t before_ms);
/* Quick, of its text: whether there may be something. */
bool alert_text_may_forget(const char *json, size_t len);

/* The flows that a message was made of: their time, and what of the archive counts. Those of
 * the raised alert never change; at_end: those of its resolved message, of all the time that
 * it lasted. One that `was` has only the latter. */
struct alert_sight {
	int64_t from_ms, to_ms;
	struct archive_position position;
	int64_t at_ms; /* wall time of the looking; 0: not known */
};
struct alert_sight alert_sight(const struct alert *a, bool at_end);
/* Cuts "/end" off an alert's id as people write it; true when it was there. */
bool alert_id_at_end(const char *text, char id[static ALERT_ID]);

/* "2026-11-23T09:35:00.000Z" as Unix milliseconds; 0: it is no such time. */
int64_t alert_time(const char *rfc3339);

/* "WAN in: 18.7 Mbit/s for 2 minutes, normally 2-4 at this hour": at most 78 characters,
 * none of which does anything (strb_tty). */
void alert_headline(const struct alert *a, char out[static 160]);

#endif
