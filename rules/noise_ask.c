/* noise_ask.c - what people do about alerts, and what others may know of it.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "rules/noise_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ACK_BY = 100, ACK_COMMENT = 500 };

/* --- what people do --- */

/* Those that were told and have a word for it, in one commit with its note. */
static void tell_acknowledged(struct noise *n, struct rec *r)
{
	struct chset to = chset_acks(n->conf);
	struct noise_note note = note_rec(n, r);
	struct alert *a;

	to = chset_and(&to, &r->told);
	if (!chset_any(&to)) {
		note_send(n, note);
		return;
	}
	a = noise_full(n, r);
	a->judged_ms = n->now_ms; /* it is another message */
	noise_send(n, a, &to, &note, 1);
	notes_free(&note, 1);
}

static void acknowledge(struct noise *n, struct rec *r, const char *by, const char *comment)
{
	struct alert *a = r->alert;

	free(a->ack_by);
	free(a->ack_comment);
	a->ack_by = xasprintf("%.*s", (int)utf8_cut(by, SIZE_MAX, ACK_BY), by);
	a->ack_comment = xasprintf("%.*s", (int)utf8_cut(comment, SIZE_MAX, ACK_COMMENT), comment);
	a->ack_ms = n->now_ms;
	r->escalate_ms = INT64_MAX;
	tell_acknowledged(n, r);
	noise_report(n, r);
}

static struct rec *find_begin(struct noise *n, const char *id, struct err *err)
{
	struct rec *found = NULL;
	unsigned hits = 0;

	for (unsigned i = 0; i < n->top_rec && *id; i++)
		if (n->rec[i] && !strncasecmp(n->rec[i]->alert->id, id, strlen(id))) {
			found = n->rec[i];
			hits++;
		}
	if (hits == 1)
		return found;
	err_set(err, hits ? "several alerts begin with %.40s; say more of it"
			  : "no alert that fires has the id %.40s, so there is nothing to "
			    "acknowledge", id);
	return NULL;
}

unsigned noise_ack(struct noise *n, const char *id, const char *by, const char *comment,
		   int64_t now_ms, char full[static ALERT_ID], struct err *err)
{
	struct rec *r;
	unsigned done = 0;

	n->now_ms = now_ms;
	r = find_begin(n, id, err);
	if (!r)
		return 0;
	memcpy(full, r->alert->id, ALERT_ID);
	/* Where it speaks for others, those are known too. */
	for (unsigned k = 0; k < r->n_in; k++) {
		struct group *g = n->group[r->in[k].group];

		if (strcmp(g->lead->id, full))
			continue;
		for (unsigned m = 0; m < g->n; m++)
			if (n->rec[g->member[m]] != r && !n->rec[g->member[m]]->alert->ack_ms) {
				acknowledge(n, n->rec[g->member[m]], by, comment);
				done++;
			}
	}
	acknowledge(n, r, by, comment);
	return done + 1;
}

static void keep_silence(struct noise *n, const struct silence *s)
{
	json_t *j = silence_json(s, n->now_ms);
	struct noise_note note = { xasprintf("silence/%s", s->id), json_dumps(j, JSON_COMPACT) };

	json_decref(j);
	note_send(n, note);
	n->dirty = true;
	n->passed_ms = 0; /* somebody waits for it */
}

const struct silence *noise_silence(struct noise *n, const char *match, int64_t from_ms,
				    int64_t until_ms, const char *author, const char *comment,
				    int64_t now_ms, struct err *err)
{
	const struct silence *s;

	n->now_ms = now_ms;
	s = silences_add(n->silences, match, from_ms, until_ms, author, comment, now_ms, err);
	if (s)
		keep_silence(n, s);
	return s;
}

const struct silence *noise_unsilence(struct noise *n, const char *id, int64_t now_ms,
				      struct err *err)
{
	const struct silence *s;

	n->now_ms = now_ms;
	s = silences_end(n->silences, id, now_ms, err);
	if (s)
		keep_silence(n, s);
	return s;
}

/* --- what others may know --- */

bool noise_untrained(const struct noise *n, const struct labels *l, int64_t from_ms,
		     int64_t to_ms)
{
	const struct noise_conf *c = n->conf;

	if (silences_overlap(n->silences, l, from_ms, to_ms))
		return true;
	for (size_t i = 0; i < c->n_windows; i++) {
		const struct noise_window *w = &c->windows[i];
		const struct calendar *cal = w->calendar ? w->calendar : n->calendar;

		/* By the minute, since a window may be shorter than a bin. */
		for (int64_t t = from_ms / 1000; t < to_ms / 1000; t += 60)
			if (hours_at(w->hours, cal, t, NULL) && match_alert(w->match, l))
				return true;
	}
	return false;
}

void noise_stats(const struct noise *n, int64_t now_ms, struct noise_stats *out)
{
	*out = (struct noise_stats){ .alerts = n->n_rec, .groups = n->n_group,
				     .untracked = n->untracked };
	for (unsigned i = 0; i < n->silences->n; i++)
		out->silences += n->silences->at[i].from_ms <= now_ms &&
				 now_ms < n->silences->at[i].until_ms;
	for (unsigned i = 0; i < n->top_rec; i++)
		out->quiet += n->rec[i] && n->rec[i]->alert->quiet && !n->rec[i]->together;
}
