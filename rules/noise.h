/* noise.h - whether, when and to whom an alert is told.
 * SPDX-License-Identifier: ISC
 *
 * Between the finished alert and the channels. Every alert is kept (board, history)
 * whatever is decided here; an alert of which nobody was told says why (alert.quiet).
 * What was told as firing on a channel is told as resolved there, whatever happened in
 * between: silences, acknowledgements, hours and inhibition hold back beginnings and
 * reminders, never ends.
 *
 * A plain object without a clock, a lock or a thread: one caller at a time, times are
 * parameters. What it must remember leaves as notes (texts under keys) together with the
 * message they belong to, so that one commit can hold both.
 */
#ifndef CUL_RULES_NOISE_H
#define CUL_RULES_NOISE_H

#include "daemon/model/calendar.h"
#include "rules/hours.h"
#include "rules/inhibit.h"
#include "rules/silences.h"

enum { NOISE_CHANNELS = 256, NOISE_ROUTES = 256, NOISE_WINDOWS = 256 };
/* Alerts that fire at once and are followed; more are told at once, each for itself. At
 * about 2 KB each they take 32 MB at most. */
enum { NOISE_ALERTS = 16384 };

struct noise_channel {
	char *name;
	bool people; /* else a machine, that sees every alert by itself */
	bool acks;   /* is told when somebody acknowledges */
};
struct noise_route { /* adds channels */
	char *name;
	struct match *match;
	struct hours *hours;          /* NULL: always */
	struct calendar *calendar;    /* NULL: the common one */
	int64_t after_ms;             /* only when nobody acknowledged for so long */
	char **notify;
	size_t n_notify;
};
struct noise_window { /* maintenance */
	char *name;
	struct match *match;
	struct hours *hours;
	struct calendar *calendar;
};

struct noise_conf {
	struct noise_channel *channels;
	size_t n_channels;
	struct noise_route *routes;
	size_t n_routes;
	struct noise_window *windows;
	size_t n_windows;
	struct inhibit_rule *inhibits; /* their names are owned too */
	size_t n_inhibits;
	bool group;          /* people are told of many alerts of one rule and place at once */
	bool name_hosts;     /* a link's alert speaks for those of the hosts that carry it */
	int64_t gather_ms;   /* wait for more of them so long after the newest */
	int64_t update_ms;   /* tell of later ones at least so often */
	int64_t repeat_ms;   /* remind of what still fires; 0: never */
	unsigned flaps;      /* so many firings within flap_window_ms are too many; 0: never */
	int64_t flap_window_ms, flap_hold_ms;
};
void noise_conf_free(struct noise_conf **c);

struct noise_note {
	char *key, *text; /* text NULL: forget it */
};

struct noise_out {
	/* Takes the alert, whose notify says to whom it goes, and lends the notes, which are
	 * to be kept in the same commit. a NULL: only notes. */
	void (*send)(void *arg, struct alert *a, const struct noise_note *notes, unsigned n);
	/* Takes: what is known of the alert has changed (quiet, ack); it is without evidence,
	 * which is to be added from what was kept before. */
	void (*changed)(void *arg, struct alert *a);
	/* The alert with its evidence, as it was last kept; gives, or NULL. */
	struct alert *(*recall)(void *arg, const char *id);
	void *arg;
};

struct noise;

/* Takes conf. names and calendar are borrowed for ever. */
struct noise *noise_new(struct noise_conf *conf, const struct names *names,
			const struct calendar *calendar, const struct noise_out *out);
void noise_free(struct noise **n);
void noise_reload(struct noise *n, struct noise_conf *conf, int64_t now_ms); /* takes */

/* --- after a restart, in this order --- */
void noise_load(struct noise *n, const char *key, const char *text);
/* Alerts that are not firing any more (firing says no) are told as resolved. */
void noise_begin(struct noise *n, bool (*firing)(void *arg, const char *id), void *arg,
		 int64_t now_ms);
bool noise_knows(const struct noise *n, const char *id);

/* An alert changed its state: it may be marked (quiet) and is otherwise borrowed. */
void noise_alert(struct noise *n, struct alert *a, int64_t now_ms);
/* Time went on: a few times a second; once a second will do while it is idle: no alert
 * fires and none waits to be told. */
void noise_tick(struct noise *n, int64_t now_ms);
bool noise_idle(const struct noise *n);

/* "01J…" or its beginning is known to `by`, who says so; returns how many alerts that
 * are (it may speak for a group), 0 + err. full (ALERT_ID) gets the whole id. */
unsigned noise_ack(struct noise *n, const char *id, const char *by, const char *comment,
		   int64_t now_ms, char full[static ALERT_ID], struct err *err);
/* See silences_add, silences_end. */
const struct silence *noise_silence(struct noise *n, const char *match, int64_t from_ms,
				    int64_t until_ms, const char *author, const char *comment,
				    int64_t now_ms, struct err *err);
const struct silence *noise_unsilence(struct noise *n, const char *id, int64_t now_ms,
				      struct err *err);
/* {"silences": [...], "maintenance": [...]}; gives. */
json_t *noise_json(const struct noise *n, int64_t now_ms);
/* Whether a bin of such a series must train no baseline (D6). */
bool noise_untrained(const struct noise *n, const struct labels *l, int64_t from_ms,
		     int64_t to_ms);

struct noise_stats {
	unsigned alerts, groups, silences; /* now; silences that cover something now */
	unsigned quiet;                    /* firing alerts of which nobody is told */
	uint64_t untracked;                /* since start: told plainly, the table was full */
};
void noise_stats(const struct noise *n, int64_t now_ms, struct noise_stats *out);

#endif
