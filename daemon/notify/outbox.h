/* outbox.h - what must be told, on disk before it is told.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_OUTBOX_H
#define CUL_NOTIFY_OUTBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/alert.h"

struct outbox;

enum { OUTBOX_WAITING = 4096, OUTBOX_NOTE = 512, OUTBOX_KEY = 80, OUTBOX_REMOTE = 64 };

/* wake (may be NULL) is called after every commit, from the writer's thread, no lock
 * held. NULL + err when the file cannot be made; one that is damaged is moved aside to
 * <path>.damaged-<time> and said. */
struct outbox *outbox_open(const char *path, void (*wake)(void *arg), void *arg,
			   struct err *err);
/* Commits what was handed over, then closes. False: it could not be written. */
bool outbox_close(struct outbox **o);
bool outbox_flush(struct outbox *o); /* waits, for 5 s at most, until all is on disk */

/* Takes the alert; n queues (names are copied) get a row each, in one commit. Waits
 * while OUTBOX_WAITING others are not on disk yet. Any thread. */
void outbox_put(struct outbox *o, struct alert *a, const char *const *queues, size_t n);

/* A text that is kept beside the messages until it is replaced or forgotten (text NULL). */
struct outbox_note {
	const char *key, *text;
};
/* The same, and n_notes notes (copied) in the very same commit. a may be NULL: only notes. */
void outbox_put_noted(struct outbox *o, struct alert *a, const char *const *queues, size_t n,
		      const struct outbox_note *notes, size_t n_notes);
/* Calls fn for every note whose key begins with prefix, by key. False: the file could not be
 * read to its end. */
bool outbox_notes(struct outbox *o, const char *prefix,
		  void (*fn)(void *arg, const char *key, const char *text), void *arg);

enum item_kind { ITEM_ALERT, ITEM_DIGEST };
/* A claimed row: nobody else gets it until it is settled. */
struct item {
	int64_t id, made_ms;
	enum item_kind kind;
	unsigned attempts;         /* before this one */
	char key[OUTBOX_KEY];      /* idempotency key */
	char alert[ALERT_ID];      /* "" for a digest */
	char thread[OUTBOX_KEY];   /* key of the first message about that alert */
	char remote[OUTBOX_REMOTE]; /* the target's id of that message, or "" */
	char *subject;             /* headline of that message; NULL for a digest */
	bool first;
	char *body;                /* JSON: the alert, or the digest */
};
void item_fini(struct item *it);

/* Up to max rows of the queue that are due at now_ms, oldest first; never one that has
 * an older open row about the same alert before it. Each is claimed. When none is due,
 * *next_ms is when one will be (INT64_MAX: none). Any thread. */
unsigned outbox_next(struct outbox *o, const char *queue, int64_t now_ms,
		     struct item *items, unsigned max, int64_t *next_ms);
/* How many alert rows are open and not claimed, and when the oldest was made. */
uint64_t outbox_open_rows(struct outbox *o, const char *queue, int64_t *oldest_ms);
/* When the last `n` messages of the queue were sent, newest first, 0 for none. */
void outbox_last_sent(struct outbox *o, const char *queue, int64_t *at_ms, unsigned n);

enum settle { SETTLE_SENT, SETTLE_LATER, SETTLE_DEAD };
struct settling {
	enum settle how;
	int64_t now_ms, next_ms;     /* next_ms: SETTLE_LATER */
	char note[OUTBOX_NOTE];      /* why it failed; inert, without secrets */
	char remote[OUTBOX_REMOTE];  /* id that the target gave, or "" */
	_Atomic bool *done;          /* set once it is on disk; may be NULL */
};
/* Queued for the writer; the claim ends with the commit. Any thread. */
void outbox_settle(struct outbox *o, const struct item *it, const struct settling *s);

/* Puts all open, unclaimed alert rows of the queue into one digest row, in one commit;
 * how many there were. Any thread. */
uint64_t outbox_digest(struct outbox *o, const char *queue, int64_t now_ms);

/* What a forgetful target must be told again: up to max items whose row is above
 * after_id, the last word sent about each alert that fires or was resolved after
 * resolved_ms. They are not claimed and never settled. */
unsigned outbox_active(struct outbox *o, const char *queue, int64_t resolved_ms,
		       int64_t after_id, struct item *items, unsigned max);

/* What was given up, the newest first, at most max; texts are lent for the call. */
struct outbox_letter {
	const char *queue, *alert, *headline, *note; /* alert and headline "" for a digest */
	int64_t made_ms, given_up_ms;
	unsigned attempts;
};
void outbox_dead(struct outbox *o, unsigned max,
		 void (*fn)(void *arg, const struct outbox_letter *l), void *arg);

struct outbox_count {
	uint64_t open, dead;
};
struct outbox_count outbox_count(struct outbox *o, const char *queue);
uint64_t outbox_retry(struct outbox *o,
		      const char *queue); /* dead letters, NULL: of all */

#endif
