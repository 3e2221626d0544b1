/* story.h - what a message says, in plain words, before a target's own markup.
 * SPDX-License-Identifier: ISC
 *
 * Everything here is plain text without control characters (strb_tty), so a
 * sink only has to escape its own markup.
 */
#ifndef CUL_NOTIFY_STORY_H
#define CUL_NOTIFY_STORY_H

#include "daemon/notify/format.h"

enum { STORY_FACTS = 10, STORY_FACT = 160, STORY_STEPS = 2 };

struct fact {
	const char *name;        /* static */
	char value[STORY_FACT];
};

struct step {
	const char *what;  /* static: "Everything that is known" */
	char command[64];  /* "culprit show 01J…" */
};

/* "[FIRING] WAN in: 18.7 Mbit/s for 2 minutes …", at most 80 characters; for later
 * messages about an alert the tag changes and the rest stays (threads go by it), but for
 * many alerts that are told together: there it counts those that there are now. */
void story_title(const struct message *m, struct strb *b);
/* The same without the tag, as it is now. */
void story_headline(const struct message *m, struct strb *b);
/* "FIRING" "RESOLVED" "OVER" "DIGEST" */
const char *story_tag(const struct message *m);
/* "#d32f2f": by severity, green when it is over. */
const char *story_color(const struct message *m);

/* Why we think so: sentences of one paragraph. */
void story_why(const struct alert *a, struct strb *b);
/* The keys that changed most, a line each under a heading that says since when; at most
 * `rows`. Adds nothing when nothing is known. */
void story_changes(const struct alert *a, unsigned rows, struct strb *b);
/* The first of them in one line, for a chat. */
void story_changes_line(const struct alert *a, struct strb *b);
/* What makes the figures less certain: lost flows, sampling, short evidence; or "". */
void story_quality(const struct alert *a, struct strb *b);
/* What to do, or where to look next: in a sentence, or as commands and what they are for
 * (returns how many; 0: the sentence says that there is nothing to do). */
void story_next(const struct alert *a, struct strb *b);
unsigned story_steps(const struct alert *a, struct step out[STORY_STEPS]);
/* Now, Peak, Normal, Limit, Window, Since …; returns how many. */
unsigned story_facts(const struct alert *a, struct fact out[STORY_FACTS]);

/* Signed address that acknowledges it, or silences its series; adds nothing where the
 * message has none. */
void story_act(const struct alert *a, const char *base_url, bool silence, struct strb *b);
/* Page of the alert; adds nothing without a base_url. */
void story_link(const struct alert *a, const char *base_url, struct strb *b);

/* The top flows as lines of fixed width, at most `rows`, then "12 more". No
 * backticks, so it may stand in a code block of any chat. */
void story_table(const struct alert *a, unsigned rows, struct strb *b);
/* One flow's ends and service: "10.20.0.66 (reception-pc)", "https (tcp 443)". */
void story_end(const struct addr *a, const char *name, struct strb *b);
void story_service(const struct top_flow *f, struct strb *b);
/* Of a flow of a proxy: "for 10.20.0.66", or "through the proxy" when that is one of its ends
 * already. */
void story_proxied(const struct top_flow *f, struct strb *b);
void story_share(double share, struct strb *b); /* "71 %", "<1 %" */
/* The last values as ▁▂▃▅▇█, gaps as blanks; adds nothing when there are none. */
void story_spark(const struct alert *a, struct strb *b);

/* A digest's lines: "[FIRING] headline", and how many more. */
void story_digest(const struct digest *d, struct strb *b);

#endif
