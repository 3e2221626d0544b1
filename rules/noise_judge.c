/* noise_judge.c - why nobody is told of an alert, and the telling.
 * SPDX-License-Identifier: ISC
 *
 * The reasons are asked in one order, and the first is the one that people read. Where
 * there is none, machines get the alert at once and people through their group.
 */
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "rules/noise_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- why nobody is told --- */

/* " until 18:00:00 CET", or nothing when it has no end. */
static const char *until(int64_t ms, char buf[static UNIT_TEXT + 8])
{
	char t[UNIT_TEXT];

	if (ms >= INT64_MAX / 2)
		return "";
	snprintf(buf, UNIT_TEXT + 8, " until %s", text_time(ms, t));
	return buf;
}

/* The link whose alert names this host, unless it would keep somebody from knowing. */
static const struct rec *named_by(struct noise *n, struct rec *r)
{
	int at = n->conf->name_hosts && !r->alert->below && !by_is_small(r->alert->by)
			 ? inhibit_link(&n->inhibit, &r->labels) : INHIBIT_NONE;
	struct rec *link = at >= 0 ? n->rec[at] : NULL;
	struct chset mine, its;

	if (!link || link->alert->quiet || link->held ||
	    link->alert->severity < r->alert->severity)
		return NULL;
	mine = noise_wanted(n, r);
	its = noise_wanted(n, link);
	its = chset_or(&its, &link->told);
	return chset_in(&mine, &its) ? link : NULL;
}

static char *inhibited(struct noise *n, struct rec *r)
{
	const struct inhibit_rule *by;
	int at = inhibit_find(&n->inhibit, &r->labels, &by);
	const struct rec *link;

	if (by && at >= 0 && n->rec[at])
		return xasprintf("Alert %s says it already (rule %s, %s; inhibition %s).",
				 n->rec[at]->alert->id, n->rec[at]->alert->rule,
				 n->rec[at]->alert->series, by->name);
	if (by)
		return xasprintf("Another alert says it already (inhibition %s).", by->name);
	link = named_by(n, r);
	if (!link)
		return NULL;
	return xasprintf("Alert %s names it: the same flows are why %s is over its limit "
			 "(rule %s).", link->alert->id, link->alert->series, link->alert->rule);
}

struct rec *noise_stands_for(const struct noise *n, const struct rec *r)
{
	struct rec *first = r->follows != NONE ? n->rec[r->follows] : NULL;

	return first && first->held &&
	       !strcmp(first->alert->fingerprint, r->alert->fingerprint) ? first : NULL;
}

char *noise_why_quiet(struct noise *n, struct rec *r)
{
	const struct noise_window *w;
	const struct silence *s;
	char buf[UNIT_TEXT + 8];
	int64_t end_ms;
	char *why;

	w = noise_window(n, &r->labels, &end_ms);
	if (w)
		return xasprintf("Maintenance \"%s\" is under way%s.", w->name,
				 until(end_ms, buf));
	s = silences_find(n->silences, &r->labels, n->now_ms);
	if (s)
		return xasprintf("Silenced by %s%s%s%s (silence %s).",
				 *s->author ? s->author : "somebody", until(s->until_ms, buf),
				 *s->comment ? ": " : "", s->comment, s->id);
	why = inhibited(n, r);
	if (why)
		return why;
	if (r->alert->over_budget)
		return xasprintf("Rule %s has told as many alerts as its budget_total allows, and "
				 "this one is not far more unusual than those.",
				 r->alert->rule);
	if (noise_stands_for(n, r))
		return xasprintf("It flaps: this is the %u. time. Alert %s stands for it until it "
				 "has been quiet for %s.", r->times,
				 n->rec[r->follows]->alert->id,
				 text_duration(n->conf->flap_hold_ms, buf));
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* One that is just arriving is marked itself. */
void noise_report(struct noise *n, const struct rec *r)
{
	if (!n->arrival || strcmp(n->arrival->id, r->alert->id))
		n->out.changed(n->out.arg, alert_copy(r->alert));
}

void noise_mark(struct noise *n, struct rec *r, char *why)
{
	if (same(why, r->alert->quiet)) {
		free(why);
		return;
	}
	free(r->alert->quiet);
	r->alert->quiet = why;
	note_send(n, note_rec(n, r));
	noise_report(n, r);
}

void noise_together(struct noise *n, struct rec *r, const char *lead)
{
	free(r->together);
	r->together = xasprintf("Told together with others of its rule, in the message about "
				"alert %s.", lead);
	free(r->alert->quiet);
	r->alert->quiet = xstrdup(r->together);
	noise_report(n, r);
}

/* --- telling --- */

struct alert *noise_full(struct noise *n, const struct rec *r)
{
	struct alert *kept, *a;

	if (n->arrival && !strcmp(n->arrival->id, r->alert->id))
		kept = alert_ref(n->arrival);
	else
		kept = n->out.recall(n->out.arg, r->alert->id);
	a = alert_clone(kept && kept->state == ALERT_FIRING ? kept : r->alert);
	alert_unref(&kept);
	free(a->ack_by);
	free(a->ack_comment);
	a->ack_by = r->alert->ack_by ? xstrdup(r->alert->ack_by) : NULL;
	a->ack_comment = r->alert->ack_comment ? xstrdup(r->alert->ack_comment) : NULL;
	a->ack_ms = r->alert->ack_ms;
	return a;
}

void noise_say(struct alert *a, const char *fmt, ...)
{
	char *more, *all;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&more, fmt, ap) < 0)
		abort();
	va_end(ap);
	all = xasprintf("%s%s%s", a->why ? a->why : "", a->why && *a->why ? " " : "", more);
	free(more);
	free(a->why);
	a->why = all;
}

/* An alert names few channels at most; more are told by several. */
void noise_send(struct noise *n, struct alert *a, const struct chset *to,
		const struct noise_note *notes, unsigned n_notes)
{
	const struct noise_conf *c = n->conf;
	struct alert *more = NULL;
	unsigned k = 0;

	for (unsigned i = 0; i < ALERT_NOTIFY; i++) {
		free(a->notify[i]);
		a->notify[i] = NULL;
	}
	free(a->quiet);
	a->quiet = NULL;
	for (size_t i = 0; i < c->n_channels && i < NOISE_CHANNELS; i++) {
		if (!(to->b[i / 64] >> i % 64 & 1))
			continue;
		if (k == ALERT_NOTIFY - 1) {
			more = alert_clone(a);
			for (unsigned d = 0; d < k; d++) {
				free(more->notify[d]);
				more->notify[d] = NULL;
			}
			n->out.send(n->out.arg, a, notes, n_notes);
			a = more;
			k = 0;
		}
		a->notify[k++] = xstrdup(c->channels[i].name);
	}
	n->out.send(n->out.arg, a, notes, n_notes);
}

static void remark_flapping(const struct noise *n, const struct rec *r, struct alert *a)
{
	char t[UNIT_TEXT], u[UNIT_TEXT];

	if (n->conf->flaps && r->times >= n->conf->flaps)
		noise_say(a, "It flaps: this is the %u. time within %s, so it is told as over only "
			     "once it has been quiet for %s.", r->times,
			  text_duration(n->conf->flap_window_ms, t),
			  text_duration(n->conf->flap_hold_ms, u));
}

/* Each by itself: machines. */
static void tell_alone(struct noise *n, struct rec *r, const struct chset *to)
{
	struct alert *a = noise_full(n, r);
	struct noise_note note;

	remark_flapping(n, r, a);
	if (r->together) {
		free(r->together);
		free(r->alert->quiet);
		r->together = r->alert->quiet = NULL;
		noise_report(n, r);
	}
	r->told = chset_or(&r->told, to);
	if (!r->told_ms)
		r->told_ms = n->now_ms;
	note = note_rec(n, r);
	noise_send(n, a, to, &note, 1);
	notes_free(&note, 1);
}

void noise_judge(struct noise *n, struct rec *r)
{
	char *why = noise_why_quiet(n, r);
	struct chset want, part;

	if (why) {
		group_leave_untold(n, r);
		noise_mark(n, r, why);
		return;
	}
	want = noise_wanted(n, r);
	if (!chset_any(&want) && !chset_any(&r->told) && !chset_any(&r->waits)) {
		noise_mark(n, r, xstrdup("No channel is told of it: neither its rule nor a route "
					 "names one at this hour."));
		return;
	}
	noise_mark(n, r, r->together ? xstrdup(r->together) : NULL);
	if (r->alert->ack_ms)
		return; /* somebody knows */
	want = chset_less(&want, &r->told);
	want = chset_less(&want, &r->waits);
	part = chset_less(&want, &n->people);
	if (chset_any(&part))
		tell_alone(n, r, &part);
	part = chset_and(&want, &n->people);
	if (chset_any(&part))
		group_join(n, r, &part);
}
