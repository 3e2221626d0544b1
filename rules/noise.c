/* noise.c - whether, when and to whom an alert is told.
 * SPDX-License-Identifier: ISC
 *
 * An alert that fires gets a place in the table and is judged at once, when its hours
 * or its escalation are due, and when something that it depends on has changed (a
 * silence, a window, a source of inhibition): then all are looked at once more, in one
 * pass, never one for each change. What it depends on is asked in this order, and the
 * first answer is the reason that people read: maintenance, silence, inhibition, flapping.
 *
 * Machines are told at once and of each alert by itself. People are told of what is left
 * after a moment of gathering, by noise_group.c.
 *
 * A series that flaps (fires the n-th time within a while) is told once more, with that
 * remark; its end is held back until it has been quiet for a while, and what fires in
 * between is told by nobody, since the last message still holds.
 *
 * The table is bounded; an alert that finds no place in it is told plainly, beginning and
 * end, so the bound makes more noise and loses nothing.
 */
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "rules/noise_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINGERPRINT = 16, PASS_MS = 100, PER_MS = 4, SWEEP_MS = 60000, ACK_BY = 100,
       ACK_COMMENT = 500 };

static void set_conf(struct noise *n, struct noise_conf *conf)
{
	n->conf = conf;
	n->people = chset_people(conf);
	n->hours_ms = 0;
	inhibit_init(&n->inhibit, conf->inhibits, (unsigned)conf->n_inhibits,
		     NOISE_ALERTS * INHIBIT_HOSTS);
}

struct noise *noise_new(struct noise_conf *conf, const struct names *names,
			const struct calendar *calendar, const struct noise_out *out)
{
	struct noise *n = xcalloc(1, sizeof(*n));

	n->out = *out;
	n->names = names;
	n->calendar = calendar;
	n->silences = silences_new();
	n->rec = xcalloc(NOISE_ALERTS, sizeof(*n->rec));
	n->group = xcalloc(NOISE_ALERTS, sizeof(*n->group));
	flaps_init(&n->flaps);
	map_init(&n->by_id, ALERT_ID - 1, sizeof(int), NOISE_ALERTS);
	map_init(&n->by_fingerprint, FINGERPRINT, sizeof(int), NOISE_ALERTS);
	map_init(&n->by_group, sizeof(uint64_t), sizeof(int), NOISE_ALERTS);
	map_init(&n->by_note, ALERT_ID - 1, sizeof(int), NOISE_ALERTS);
	set_conf(n, conf);
	return n;
}

static void rec_free(struct rec *r)
{
	alert_unref(&r->alert);
	alert_unref(&r->held);
	free(r->together);
	free(r);
}

void noise_free(struct noise **np)
{
	struct noise *n = *np;

	*np = NULL;
	if (!n)
		return;
	for (unsigned i = 0; i < n->top_rec; i++)
		if (n->rec[i])
			rec_free(n->rec[i]);
	for (unsigned i = 0; i < n->top_group; i++)
		if (n->group[i])
			group_free(n, (int)i);
	free(n->rec);
	free(n->group);
	inhibit_fini(&n->inhibit);
	flaps_fini(&n->flaps);
	silences_free(&n->silences);
	map_fini(&n->by_id);
	map_fini(&n->by_fingerprint);
	map_fini(&n->by_group);
	map_fini(&n->by_note);
	noise_conf_free(&n->conf);
	free(n);
}

/* --- the table --- */

static struct rec *find(const struct noise *n, const char *id)
{
	const int *at = strlen(id) == ALERT_ID - 1 ? map_get(&n->by_id, id) : NULL;

	return at ? n->rec[*at] : NULL;
}

bool noise_knows(const struct noise *n, const char *id)
{
	return find(n, id) != NULL;
}

int noise_number(const struct noise *n, const struct rec *r)
{
	const int *at = map_get(&n->by_id, r->alert->id);

	return at ? *at : NONE;
}

static struct chset own_channels(const struct noise *n, const struct alert *a)
{
	struct chset s = { { 0 } };

	for (unsigned i = 0; i < ALERT_NOTIFY && a->notify[i]; i++)
		chset_add(&s, n->conf, a->notify[i]);
	return s;
}

struct rec *noise_add(struct noise *n, struct alert *own)
{
	unsigned at = n->free_rec;
	struct rec *r;
	int *number;

	if (n->n_rec == NOISE_ALERTS || strlen(own->id) != ALERT_ID - 1 || find(n, own->id)) {
		alert_unref(&own);
		return NULL;
	}
	while (n->rec[at])
		at++;
	n->free_rec = at + 1;
	if (at >= n->top_rec)
		n->top_rec = at + 1;
	n->rec[at] = r = xcalloc(1, sizeof(*r));
	n->n_rec++;
	r->alert = own;
	labels_of(own, n->names, &r->labels);
	r->own = own_channels(n, own);
	r->arrived_ms = n->now_ms;
	r->release_ms = r->escalate_ms = INT64_MAX;
	r->follows = NONE;
	number = map_put(&n->by_id, own->id, NULL);
	*number = (int)at;
	if (inhibit_put(&n->inhibit, &r->labels, (int)at, true))
		n->dirty = true;
	return r;
}

static void names_hosts(struct noise *n, struct rec *r, const struct alert *full)
{
	if (!n->conf->name_hosts)
		return;
	r->n_hosts = inhibit_hosts(full, r->hosts);
	inhibit_name(&n->inhibit, r->hosts, r->n_hosts, noise_number(n, r), true);
	n->dirty |= r->n_hosts > 0;
}

static void drop(struct noise *n, struct rec *r)
{
	int at = noise_number(n, r);
	const int *newest = map_get(&n->by_fingerprint, r->alert->fingerprint);

	if (inhibit_put(&n->inhibit, &r->labels, at, false) || r->n_hosts)
		n->dirty = true;
	inhibit_name(&n->inhibit, r->hosts, r->n_hosts, at, false);
	if (newest && *newest == at)
		map_del(&n->by_fingerprint, r->alert->fingerprint);
	map_del(&n->by_id, r->alert->id);
	n->rec[at] = NULL;
	n->n_rec--;
	if ((unsigned)at < n->free_rec)
		n->free_rec = (unsigned)at;
	while (n->top_rec && !n->rec[n->top_rec - 1])
		n->top_rec--;
	rec_free(r);
}

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

/* The alert of the same series that is held as firing; or NULL. */
static struct rec *stands_for(const struct noise *n, const struct rec *r)
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
	if (stands_for(n, r))
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
static void report(struct noise *n, const struct rec *r)
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
	report(n, r);
}

void noise_together(struct noise *n, struct rec *r, const char *lead)
{
	free(r->together);
	r->together = xasprintf("Told together with others of its rule, in the message about "
				"alert %s.", lead);
	free(r->alert->quiet);
	r->alert->quiet = xstrdup(r->together);
	report(n, r);
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
		report(n, r);
	}
	r->told = chset_or(&r->told, to);
	if (!r->told_ms)
		r->told_ms = n->now_ms;
	note = note_rec(n, r);
	noise_send(n, a, to, &note, 1);
	notes_free(&note, 1);
}

static void judge(struct noise *n, struct rec *r)
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

/* --- what happens to alerts --- */

/* The first alert of a series that flaps stands for those that follow. */
static void follow(struct noise *n, struct rec *r)
{
	const int *at = map_get(&n->by_fingerprint, r->alert->fingerprint);
	struct rec *held = at ? n->rec[*at] : NULL;

	if (!held || !held->held)
		return;
	r->follows = *at;
	held->release_ms = INT64_MAX;
	note_send(n, note_rec(n, held));
}

/* After a restart: what stood for it, stands for it again. */
static void refollow(struct noise *n, struct rec *r)
{
	const int *at = map_get(&n->by_fingerprint, r->alert->fingerprint);

	if (at && n->rec[*at] != r)
		follow(n, r);
}

/* The same alert again: a quota's early warning has become the quota. Whoever knows of it
 * is told at once, acknowledged or not, since it is another matter now. */
static void worse(struct noise *n, struct rec *r, struct alert *a)
{
	struct alert *own = alert_copy(a);
	int at = noise_number(n, r);
	struct noise_note note;
	struct chset told = r->told;

	inhibit_put(&n->inhibit, &r->labels, at, false);
	own->quiet = r->alert->quiet ? xstrdup(r->alert->quiet) : NULL;
	alert_unref(&r->alert);
	r->alert = own;
	labels_of(own, n->names, &r->labels);
	inhibit_put(&n->inhibit, &r->labels, at, true);
	n->arrival = a;
	if (chset_any(&told) && (!own->quiet || r->together)) {
		note = note_rec(n, r);
		noise_send(n, alert_clone(a), &told, &note, 1);
		notes_free(&note, 1);
	}
	judge(n, r);
	n->arrival = NULL;
	if (r->alert->quiet)
		a->quiet = xstrdup(r->alert->quiet);
}

static void fires(struct noise *n, struct alert *a)
{
	struct rec *r = find(n, a->id);
	int *newest;

	if (r) {
		worse(n, r, a);
		return;
	}
	r = noise_add(n, alert_copy(a));
	if (!r)
		return;
	n->arrival = a;
	if (n->conf->flaps) {
		r->times = flaps_fired(&n->flaps, a->fingerprint, n->now_ms,
				       n->conf->flap_window_ms);
		if (r->times > 1)
			note_flap(n, a->fingerprint);
		follow(n, r);
	}
	if (r->follows == NONE && strlen(a->fingerprint) == FINGERPRINT &&
	    (newest = map_put(&n->by_fingerprint, a->fingerprint, NULL)) != NULL)
		*newest = noise_number(n, r);
	names_hosts(n, r, a);
	judge(n, r);
	n->arrival = NULL;
	if (r->alert->quiet)
		a->quiet = xstrdup(r->alert->quiet);
	else if (!chset_any(&r->told)) /* it waits to be told, which must not be forgotten */
		note_send(n, note_rec(n, r));
}

/* Tells the end where the beginning was told, and forgets it. */
static void over(struct noise *n, struct rec *r, const struct alert *a)
{
	struct chset machines = chset_less(&r->told, &n->people);
	struct noise_note gone = note_gone("alert", r->alert->id);

	group_leave_untold(n, r);
	if (chset_any(&machines))
		noise_send(n, alert_clone(a), &machines, &gone, 1);
	else
		n->out.send(n->out.arg, NULL, &gone, 1);
	notes_free(&gone, 1);
	group_over(n, r, a);
	drop(n, r);
}

static bool flapping(const struct noise *n, const struct rec *r)
{
	return n->conf->flaps && n->conf->flap_hold_ms && r->times >= n->conf->flaps &&
	       chset_any(&r->told);
}

/* The end of an alert that flaps waits; that of one that follows lets it wait anew. */
static void hold(struct noise *n, struct rec *r, const struct alert *a)
{
	struct alert *held = alert_clone(a);

	memcpy(held->id, r->alert->id, sizeof(held->id));
	held->started_ms = r->alert->started_ms;
	held->pending_ms = r->alert->pending_ms;
	alert_unref(&r->held);
	r->held = held;
	r->release_ms = n->now_ms + n->conf->flap_hold_ms;
	note_send(n, note_rec(n, r));
}

static void ends(struct noise *n, struct rec *r, struct alert *a)
{
	struct rec *first = stands_for(n, r);
	char t[UNIT_TEXT];

	a->ack_ms = r->alert->ack_ms;
	a->ack_by = r->alert->ack_by ? xstrdup(r->alert->ack_by) : NULL;
	a->ack_comment = r->alert->ack_comment ? xstrdup(r->alert->ack_comment) : NULL;
	if (first) {
		first->times = r->times > first->times ? r->times : first->times;
		hold(n, first, a);
	} else if (flapping(n, r)) {
		hold(n, r, a);
		a->quiet = xasprintf("It flaps: its end is told once it has been quiet for %s.",
				     text_duration(n->conf->flap_hold_ms, t));
		return;
	}
	if (r->together || !chset_any(&r->told))
		a->quiet = r->alert->quiet ? xstrdup(r->alert->quiet)
					   : xstrdup("It was over before anybody was told.");
	over(n, r, a);
}

/* Beginning and end in one, or more alerts than can be followed: judged once, told plainly. */
static void tell_plainly(struct noise *n, struct alert *a)
{
	struct rec r = { .alert = a, .follows = NONE, .arrived_ms = n->now_ms };
	struct chset to;
	char *why;

	labels_of(a, n->names, &r.labels);
	r.own = own_channels(n, a);
	why = a->was || a->state == ALERT_FIRING ? noise_why_quiet(n, &r) : NULL;
	if (why) {
		a->quiet = why;
		return;
	}
	to = noise_wanted(n, &r);
	if (a->state == ALERT_RESOLVED && !a->was)
		to = noise_might_know(n, &r); /* at whatever hour they were told */
	if (chset_any(&to))
		noise_send(n, alert_clone(a), &to, NULL, 0);
	else
		a->quiet = xstrdup("No channel is told of it: neither its rule nor a route names "
				   "one at this hour.");
}

/* What history brought back of an earlier answer does not count. */
static void forget_told(struct alert *a)
{
	free(a->quiet);
	free(a->ack_by);
	free(a->ack_comment);
	a->quiet = a->ack_by = a->ack_comment = NULL;
	a->ack_ms = 0;
}

void noise_alert(struct noise *n, struct alert *a, int64_t now_ms)
{
	struct rec *r = find(n, a->id);

	n->now_ms = now_ms;
	n->dirty |= noise_hours(n);
	forget_told(a);
	if (a->state == ALERT_FIRING && (r || n->n_rec < NOISE_ALERTS)) {
		fires(n, a);
	} else if (a->state == ALERT_RESOLVED && r) {
		ends(n, r, a);
	} else if (a->state != ALERT_PENDING) {
		if (!a->was) {
			n->untracked++;
			log_seldom("noise", 600, "more than %d alerts fire at once; those beyond "
				   "are told each for itself", NOISE_ALERTS);
		}
		tell_plainly(n, a);
	}
}

/* --- time --- */

static void release(struct noise *n, struct rec *r)
{
	struct alert *a = r->held;
	char t[UNIT_TEXT];

	r->held = NULL;
	noise_say(a, "It came and went %u times within %s.", r->times,
		  text_duration(n->conf->flap_window_ms, t));
	a->judged_ms = n->now_ms;
	over(n, r, a);
	alert_unref(&a);
}

static void silence_gone(void *arg, const struct silence *s)
{
	note_send(arg, note_gone("silence", s->id));
}

static void flap_gone(void *arg, const char *fingerprint)
{
	note_send(arg, note_gone("flap", fingerprint));
}

static void sweep(struct noise *n)
{
	n->swept_ms = n->now_ms;
	silences_sweep(n->silences, n->now_ms, silence_gone, n);
	flaps_sweep(&n->flaps, n->now_ms, n->conf->flap_window_ms, flap_gone, n);
}

void noise_tick(struct noise *n, int64_t now_ms)
{
	int64_t gap = PASS_MS + n->n_rec / PER_MS;
	bool pass;

	n->now_ms = now_ms;
	n->dirty |= silences_turned(n->silences, now_ms);
	n->dirty |= noise_hours(n);
	/* One pass for many changes, and the more alerts there are the fewer passes. */
	pass = n->dirty && (now_ms - n->passed_ms >= gap || now_ms < n->passed_ms);
	if (pass) {
		n->dirty = false;
		n->passed_ms = now_ms;
	}
	for (unsigned i = 0; i < n->top_rec; i++) {
		struct rec *r = n->rec[i];

		if (r && r->held && r->release_ms <= now_ms)
			release(n, r);
		else if (r && !r->held && (pass || r->escalate_ms <= now_ms))
			judge(n, r);
	}
	groups_tick(n);
	if (now_ms - n->swept_ms >= SWEEP_MS || now_ms < n->swept_ms)
		sweep(n);
}

/* --- a new configuration, a restart --- */

static struct chset renumber(const struct chset *s, const struct noise_conf *was,
			     const struct noise_conf *now)
{
	json_t *names = chset_json(s, was);
	struct chset to = chset_of_json(names, now);

	json_decref(names);
	return to;
}

void noise_reload(struct noise *n, struct noise_conf *conf, int64_t now_ms)
{
	struct noise_conf *was = n->conf;

	n->now_ms = now_ms;
	inhibit_fini(&n->inhibit);
	memset(n->route_hours, 0, sizeof(n->route_hours));
	memset(n->window_hours, 0, sizeof(n->window_hours));
	set_conf(n, conf);
	for (unsigned i = 0; i < n->top_group; i++)
		if (n->group[i])
			n->group[i]->channels = renumber(&n->group[i]->channels, was, conf);
	for (unsigned i = 0; i < n->top_rec; i++) {
		struct rec *r = n->rec[i];

		if (!r)
			continue;
		r->told = renumber(&r->told, was, conf);
		r->waits = renumber(&r->waits, was, conf);
		r->own = own_channels(n, r->alert);
		labels_of(r->alert, n->names, &r->labels);
		inhibit_put(&n->inhibit, &r->labels, (int)i, true);
		if (!conf->name_hosts)
			r->n_hosts = 0;
		inhibit_name(&n->inhibit, r->hosts, r->n_hosts, (int)i, true);
	}
	noise_conf_free(&was);
	n->dirty = true;
	n->passed_ms = 0;
}

void noise_begin(struct noise *n, bool (*firing)(void *arg, const char *id), void *arg,
		 int64_t now_ms)
{
	n->now_ms = now_ms;
	for (unsigned i = 0; i < n->top_rec; i++) {
		struct rec *r = n->rec[i];
		struct alert *a;

		if (!r || r->held) {
			if (r)
				r->release_ms = now_ms + n->conf->flap_hold_ms;
			continue;
		}
		if (firing(arg, r->alert->id)) {
			struct alert *full = n->out.recall(n->out.arg, r->alert->id);

			if (full)
				names_hosts(n, r, full);
			alert_unref(&full);
			if (n->conf->flaps)
				refollow(n, r);
			continue;
		}
		a = alert_copy(r->alert);
		a->state = ALERT_RESOLVED;
		a->ended_ms = a->judged_ms = now_ms;
		free(a->why);
		a->why = xstrdup("It was firing when culpritd was stopped, and what was known of "
				 "it is gone; if it is still so, a new alert says it.");
		over(n, r, a);
		alert_unref(&a);
	}
	groups_orphans(n);
	n->dirty = true;
}

/* --- what people do --- */

static void acknowledge(struct noise *n, struct rec *r, const char *by, const char *comment)
{
	struct alert *a = r->alert;

	free(a->ack_by);
	free(a->ack_comment);
	a->ack_by = xasprintf("%.*s", (int)utf8_cut(by, SIZE_MAX, ACK_BY), by);
	a->ack_comment = xasprintf("%.*s", (int)utf8_cut(comment, SIZE_MAX, ACK_COMMENT), comment);
	a->ack_ms = n->now_ms;
	r->escalate_ms = INT64_MAX;
	note_send(n, note_rec(n, r));
	report(n, r);
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
