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
 * after a moment of gathering, by noise_group.c. noise_judge.c asks and tells.
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
#include "daemon/base/units.h"
#include "rules/noise_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINGERPRINT = 16, PASS_MS = 100, PER_MS = 4, SWEEP_MS = 60000 };

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
	noise_judge(n, r);
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
	noise_judge(n, r);
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
	struct rec *first = noise_stands_for(n, r);
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
		/* The end of one that nobody noted is no sign of too many: history was lost. */
		if (!a->was && (a->state == ALERT_FIRING || n->n_rec >= NOISE_ALERTS)) {
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
			noise_judge(n, r);
	}
	groups_tick(n);
	if (now_ms - n->swept_ms >= SWEEP_MS || now_ms < n->swept_ms)
		sweep(n);
}

bool noise_idle(const struct noise *n)
{
	return !n->n_rec && !n->n_group;
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
