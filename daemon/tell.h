/* tell.h - between evidence and the channels: one thread that keeps and tells.
 * SPDX-License-Identifier: ISC
 *
 * Gives rules/noise.h its clock, its lock and its thread. What that decides is done here
 * in order: alerts are pinned on the board and kept in history, then messages go to
 * the outbox, each with the notes about it.
 */
#ifndef CUL_TELL_H
#define CUL_TELL_H

#include <jansson.h>

#include "daemon/config.h"
#include "daemon/model/board.h"
#include "daemon/model/calendar.h"
#include "rules/rule.h"

struct tell;

struct tell_opts {
	const struct config *config; /* borrowed for the call */
	struct names *names;
	const struct calendar *calendar;
	struct board *board;
	struct notify *notify;
	const char *base_url;        /* NULL: no addresses in messages */
	/* Puts an alert into history; borrows it. */
	void (*keep)(void *arg, const struct alert *a);
	/* Takes what history has without evidence, which was being looked for when we were
	 * killed: it comes back by tell_alert. */
	void (*untold)(void *arg, struct alert *a);
	void *arg;
};

/* Reads what was kept, then starts the thread. NULL + err. */
struct tell *tell_start(const struct tell_opts *o, struct err *err);
void tell_stop(struct tell **t); /* what was decided is done first */
void tell_reload(struct tell *t, const struct config *c);

/* Before the analysis begins: an alert that goes on firing (borrowed), one by one; then
 * the end of them. */
void tell_restored(struct tell *t, const struct alert *a);
void tell_begin(struct tell *t);

/* Takes. Waits only when a thousand decisions are not yet done. */
void tell_alert(struct tell *t, struct alert *a);
/* Whether a bin of that series must not be learnt (D6). Any thread. */
bool tell_untrained(struct tell *t, const struct rule *r, const struct key *k,
		    int64_t from_ms, int64_t to_ms);

/* --- for http; each gives JSON, or NULL + one sentence; any thread --- */
json_t *tell_silences(struct tell *t);
/* {"match" or "alert", "for_s" or "until", "author", "comment"} */
json_t *tell_silence(struct tell *t, const json_t *asked, struct err *err);
json_t *tell_unsilence(struct tell *t, const json_t *asked, struct err *err); /* {"id"} */
json_t *tell_ack(struct tell *t, const json_t *asked, struct err *err); /* {"alert", …} */
json_t *tell_stats(struct tell *t);
/* A signed address: what it would do ({"what", "alert", "headline", …}); with go it is done
 * as {"author", "comment", "for_s"} say. */
json_t *tell_act(struct tell *t, const char *path, const json_t *go, struct err *err);

#endif
