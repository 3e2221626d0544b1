/* silences.h - what somebody said need not be told, and until when.
 * SPDX-License-Identifier: ISC
 *
 * A silence is made by a person, has an end, and says who and why. One that is over is
 * remembered for a day: bins that settle late ask for it, and so does `culprit silence
 * list`.
 */
#ifndef CUL_RULES_SILENCES_H
#define CUL_RULES_SILENCES_H

#include <jansson.h>

#include "rules/match.h"

enum { SILENCES_MAX = 1000, SILENCE_AUTHOR = 100, SILENCE_COMMENT = 500 };

struct silence {
	char id[ALERT_ID];
	struct match *match;
	int64_t made_ms, from_ms, until_ms; /* until: when it ends or was ended */
	char author[SILENCE_AUTHOR], comment[SILENCE_COMMENT];
};

struct silences {
	struct silence at[SILENCES_MAX];
	unsigned n;
	int64_t changes_ms; /* when the next one begins or ends; INT64_MAX: none will */
};

struct silences *silences_new(void);
void silences_free(struct silences **s);

/* Names and texts are cut to their room. The new one, or NULL + one sentence. */
const struct silence *silences_add(struct silences *s, const char *match, int64_t from_ms,
				   int64_t until_ms, const char *author, const char *comment,
				   int64_t now_ms, struct err *err);
/* By its id, or the beginning of only one that is not over. NULL + one sentence. */
const struct silence *silences_end(struct silences *s, const char *id, int64_t now_ms,
				   struct err *err);
/* The one that covers such an alert longest at that time, or NULL. */
const struct silence *silences_find(const struct silences *s, const struct labels *l,
				    int64_t at_ms);
/* Whether one covers any of that time. */
bool silences_overlap(const struct silences *s, const struct labels *l, int64_t from_ms,
		      int64_t to_ms);
/* Forgets those that were over a day ago; gone is called for each before. */
void silences_sweep(struct silences *s, int64_t now_ms,
		    void (*gone)(void *arg, const struct silence *s), void *arg);
/* True once when one began or ended since the last call. */
bool silences_turned(struct silences *s, int64_t now_ms);

json_t *silence_json(const struct silence *s, int64_t now_ms); /* gives */
/* What silence_json told, back into the table; false: it is none, or there is no room. */
bool silences_load(struct silences *s, const json_t *j);

#endif
