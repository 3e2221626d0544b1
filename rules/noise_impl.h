/* noise_impl.h - what the files of noise.h share.
 * SPDX-License-Identifier: ISC
 *
 * noise.c decides about one alert, noise_group.c gathers and tells, noise_note.c keeps
 * and brings back, noise_conf.c has channels, routes and windows.
 */
#ifndef CUL_RULES_NOISE_IMPL_H
#define CUL_RULES_NOISE_IMPL_H

#include "rules/flaps.h"
#include "rules/noise.h"

enum { REC_GROUPS = 6, NONE = -1, PLACE = 128 };

struct chset { /* channels, by their number in the configuration */
	uint64_t b[NOISE_CHANNELS / 64];
};

struct member { /* an alert in a group */
	int group;
	unsigned at;  /* where in its list */
	bool told;
};

struct rec { /* an alert that fires */
	struct alert *alert;   /* our own, without evidence; labels point into it */
	struct labels labels;
	struct chset own;      /* channels that its rule names */
	struct chset told, waits; /* waits: in groups that will tell */
	int64_t arrived_ms, told_ms; /* told: first, 0 not yet */
	int64_t escalate_ms;   /* look again then; INT64_MAX: no route waits for it */
	struct member in[REC_GROUPS];
	unsigned n_in;
	struct addr hosts[INHIBIT_HOSTS]; /* that it names */
	unsigned n_hosts;
	unsigned times;        /* it fired within the flap window, this time included */
	struct alert *held;    /* it is over, which is not told yet since it flaps */
	int64_t release_ms;    /* when it will be; INT64_MAX: it fires again */
	char *together;        /* which message told of it among others; or NULL */
	int follows;           /* the alert that speaks for this one, as it flaps */
};

struct group {
	char id[ALERT_ID];
	char *rule, *place;
	struct alert *lead;    /* our own: its id is that of the group's messages */
	struct alert *last;    /* the newest that is over; NULL: none yet */
	struct chset channels;
	int *member;           /* numbers of alerts that fire */
	unsigned n, room, untold;
	unsigned total;        /* alerts told of so far */
	unsigned told_n;       /* as many as the last message spoke of */
	int64_t first_ms, newest_ms; /* of those that were not told */
	int64_t told_ms, remind_ms;  /* last message; next reminder */
	double peak;
};

struct noise {
	struct noise_conf *conf;
	struct noise_out out;
	const struct names *names;
	const struct calendar *calendar;
	struct silences *silences;
	struct flaps flaps;
	struct inhibit inhibit;
	struct rec **rec;      /* room for NOISE_ALERTS; NULL: free */
	struct group **group;
	unsigned n_rec, n_group, top_rec, top_group; /* used; one past the last used */
	unsigned free_rec, free_group; /* none below is free */
	const struct alert *arrival;   /* the one that is being judged, with its evidence */
	struct map by_id, by_fingerprint, by_group, by_note; /* -> int */
	struct chset people;
	struct {
		bool open;
		int64_t until_ms;
	} route_hours[NOISE_ROUTES], window_hours[NOISE_WINDOWS];
	bool dirty;            /* something that all alerts depend on has changed */
	int64_t hours_ms, passed_ms, swept_ms;
	uint64_t untracked;
	int64_t now_ms;
};

/* --- noise_conf.c --- */
bool chset_any(const struct chset *a);
struct chset chset_and(const struct chset *a, const struct chset *b);
struct chset chset_or(const struct chset *a, const struct chset *b);
struct chset chset_less(const struct chset *a, const struct chset *b);
bool chset_in(const struct chset *a, const struct chset *b); /* all of a are in b */
void chset_add(struct chset *s, const struct noise_conf *c, const char *name);
json_t *chset_json(const struct chset *s, const struct noise_conf *c);
struct chset chset_of_json(const json_t *j, const struct noise_conf *c);
struct chset chset_people(const struct noise_conf *c);
struct chset chset_acks(const struct noise_conf *c); /* told of acknowledgements */

/* Looks which routes and windows are open; true: that has changed. */
bool noise_hours(struct noise *n);
/* Channels that are to know of it now. */
struct chset noise_wanted(struct noise *n, struct rec *r);
/* Channels that may have been told of it, whatever the hour was. */
struct chset noise_might_know(const struct noise *n, const struct rec *r);
/* The window that covers such an alert longest, or NULL. */
const struct noise_window *noise_window(const struct noise *n, const struct labels *l,
					int64_t *until_ms);

/* --- noise_judge.c --- */
/* Why nobody is to be told of it now; the caller frees; NULL: tell. */
char *noise_why_quiet(struct noise *n, struct rec *r);
/* Marks it, and lets the world know when that is news; takes why (NULL: not quiet). */
void noise_mark(struct noise *n, struct rec *r, char *why);
/* It was told among others, in messages with the id of that alert. */
void noise_together(struct noise *n, struct rec *r, const char *lead);
/* Sends a (takes it) to channels, with notes (lent). */
void noise_send(struct noise *n, struct alert *a, const struct chset *to,
		const struct noise_note *notes, unsigned n_notes);
/* Its alert with evidence where that is still known; gives. */
struct alert *noise_full(struct noise *n, const struct rec *r);
/* Adds a sentence to why. */
void noise_say(struct alert *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The alert of the same series that is held as firing; or NULL. */
struct rec *noise_stands_for(const struct noise *n, const struct rec *r);
/* Lets the world know how it stands with r: quiet, acknowledged. */
void noise_report(struct noise *n, const struct rec *r);
/* Tells whoever is to know of r now and does not, or says why not. */
void noise_judge(struct noise *n, struct rec *r);

/* --- noise.c --- */
int noise_number(const struct noise *n, const struct rec *r);
struct rec *noise_add(struct noise *n, struct alert *own); /* takes; NULL: full */

/* --- noise_group.c --- */
void group_join(struct noise *n, struct rec *r, const struct chset *people);
void group_leave_untold(struct noise *n, struct rec *r);
/* r is over, as `over` says (borrowed): the last one of a group ends it. */
void group_over(struct noise *n, struct rec *r, const struct alert *over);
void groups_tick(struct noise *n);
void group_free(struct noise *n, int number);
/* A group from its note; NONE: there is no room. Members are put in one by one. */
/* id NULL: a new one. */
int group_new(struct noise *n, const char *id, const char *rule, const char *place,
	      enum severity s, const struct chset *channels);
void group_put(struct noise *n, int number, struct rec *r, bool told);
int group_by_note(const struct noise *n, const char *id);
/* Groups that have no members: told as resolved, forgotten. */
void groups_orphans(struct noise *n);

/* --- noise_note.c --- */
struct noise_note note_rec(const struct noise *n, const struct rec *r);
struct noise_note note_group(const struct noise *n, const struct group *g);
struct noise_note note_gone(const char *kind, const char *id);
void notes_free(struct noise_note *notes, unsigned n);
void note_send(struct noise *n, struct noise_note note); /* by itself; takes */
void note_flap(struct noise *n, const char *fingerprint);

#endif
