/* noise_group.c - many alerts of one rule and place are one event for people.
 * SPDX-License-Identifier: ISC
 *
 * A group is of one rule, severity and place (the network of a host, the exporter of an
 * interface), for one set of channels. It waits a moment after the newest of its alerts,
 * since what belongs together comes within the same second. Then it tells: of one alert
 * as of itself, of many in one message that counts them and names the largest. It tells
 * again when as many have come as it spoke of last, so a storm of ten thousand is a
 * dozen messages; later ones wait for the next update. It is over when all are. Its
 * messages have the id of its first alert, so they are one thread, and `culprit ack` of
 * that id is for all.
 *
 * Members are in an array and know their place in it, so joining and leaving cost the
 * same however many there are; the largest are looked for only when it tells.
 */
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "rules/noise_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 5, MERGED = 4, GATHER_MAX_MS = 5000 };

/* --- which group --- */

static void place_of(const struct noise *n, const struct rec *r, char out[static PLACE])
{
	const struct labels *l = &r->labels;
	char text[ADDR_TEXT + 4];
	struct prefix p;

	*out = '\0';
	if (!n->conf->group)
		snprintf(out, PLACE, "%s", r->alert->id); /* each for itself */
	else if (l->n_host && l->network[0])
		snprintf(out, PLACE, "%s", l->network[0]);
	else if (l->n_host) {
		p = (struct prefix){ l->host[0], addr_is4(&l->host[0]) ? 120 : 64 };
		for (unsigned bit = p.bits; bit < 128; bit++)
			p.addr.b[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
		snprintf(out, PLACE, "%s", prefix_text(&p, text));
	} else if (l->exporter && l->by == BY_INTERFACE)
		snprintf(out, PLACE, "%s", l->exporter->name);
}

static uint64_t key_of(const char *rule, const char *place, enum severity s,
		       const struct chset *channels)
{
	struct strb b = { 0 };
	uint64_t h;

	strb_fmt(&b, "%s\n%s\n%d\n", rule, place, (int)s);
	strb_addn(&b, channels, sizeof(*channels));
	h = map_hash(b.s, b.len);
	strb_free(&b);
	return h;
}

static uint64_t group_key(const struct group *g)
{
	return key_of(g->rule, g->place, g->lead ? g->lead->severity : 0, &g->channels);
}

int group_new(struct noise *n, const char *id, const char *rule, const char *place,
	      enum severity s, const struct chset *channels)
{
	uint64_t key = key_of(rule, place, s, channels);
	unsigned at = n->free_group;
	struct group *g;
	int *number;

	if (n->n_group == NOISE_ALERTS)
		return NONE;
	while (n->group[at])
		at++;
	n->free_group = at + 1;
	if (at >= n->top_group)
		n->top_group = at + 1;
	n->n_group++;
	n->group[at] = g = xcalloc(1, sizeof(*g));
	if (id)
		snprintf(g->id, sizeof(g->id), "%s", id);
	else
		alert_new_id(g->id, n->now_ms);
	number = map_put(&n->by_note, g->id, NULL);
	if (number)
		*number = (int)at;
	g->peak = NAN;
	g->rule = xstrdup(rule);
	g->place = xstrdup(place);
	g->channels = *channels;
	number = map_put(&n->by_group, &key, NULL);
	if (number)
		*number = (int)at;
	return (int)at;
}

void group_free(struct noise *n, int number)
{
	struct group *g = n->group[number];
	uint64_t key = group_key(g);
	const int *at = map_get(&n->by_group, &key);

	if (at && *at == number)
		map_del(&n->by_group, &key);
	map_del(&n->by_note, g->id);
	n->group[number] = NULL;
	n->n_group--;
	if ((unsigned)number < n->free_group)
		n->free_group = (unsigned)number;
	while (n->top_group && !n->group[n->top_group - 1])
		n->top_group--;
	alert_unref(&g->lead);
	alert_unref(&g->last);
	free(g->rule);
	free(g->place);
	free(g->member);
	free(g);
}

int group_by_note(const struct noise *n, const char *id)
{
	const int *at = strlen(id) == ALERT_ID - 1 ? map_get(&n->by_note, id) : NULL;

	return at ? *at : NONE;
}

/* --- members --- */

void group_put(struct noise *n, int number, struct rec *r, bool told)
{
	struct group *g = n->group[number];

	if (g->n == g->room) {
		g->room = g->room ? 2 * g->room : 4;
		g->member = xrealloc(g->member, g->room, sizeof(*g->member));
	}
	r->in[r->n_in++] = (struct member){ number, g->n, told };
	g->member[g->n++] = noise_number(n, r);
	if (!g->lead)
		g->lead = alert_copy(r->alert);
	if (told)
		return;
	if (!g->untold++)
		g->first_ms = n->now_ms;
	g->newest_ms = n->now_ms;
	r->waits = chset_or(&r->waits, &g->channels);
}

/* r's k-th membership ends. */
static void take_out(struct noise *n, struct rec *r, unsigned k)
{
	struct member m = r->in[k];
	struct group *g = n->group[m.group];
	struct rec *last = n->rec[g->member[g->n - 1]];

	g->member[m.at] = g->member[--g->n];
	for (unsigned i = 0; i < last->n_in; i++)
		if (last->in[i].group == m.group)
			last->in[i].at = m.at;
	g->untold -= !m.told;
	if (!m.told)
		r->waits = chset_less(&r->waits, &g->channels);
	r->in[k] = r->in[--r->n_in];
}

void group_join(struct noise *n, struct rec *r, const struct chset *people)
{
	char place[PLACE];
	uint64_t key;
	const int *at;
	int number;

	if (r->n_in == REC_GROUPS)
		return; /* as many changes of hours in one alert: enough was said */
	place_of(n, r, place);
	key = key_of(r->alert->rule, place, r->alert->severity, people);
	at = map_get(&n->by_group, &key);
	number = at ? *at : group_new(n, NULL, r->alert->rule, place, r->alert->severity, people);
	if (number != NONE)
		group_put(n, number, r, false);
}

static void tell_over(struct noise *n, int number, const struct alert *over);

/* Its last one has left, as `over` says; NULL: what left was told of nowhere. */
static void end_if_empty(struct noise *n, int number, const struct alert *over)
{
	struct group *g = n->group[number];
	struct alert *a;

	if (g->n)
		return;
	if (g->told_n) {
		a = over ? alert_clone(over) : alert_copy(g->last ? g->last : g->lead);
		if (a->state != ALERT_RESOLVED) {
			a->state = ALERT_RESOLVED;
			a->ended_ms = a->judged_ms = n->now_ms;
		}
		tell_over(n, number, a);
		alert_unref(&a);
	}
	group_free(n, number);
}

void group_leave_untold(struct noise *n, struct rec *r)
{
	for (unsigned k = r->n_in; k--;) {
		int number = r->in[k].group;

		if (r->in[k].told)
			continue;
		take_out(n, r, k);
		end_if_empty(n, number, NULL);
	}
}

/* --- what it says --- */

static const char *plural(enum by by)
{
	switch (by) {
	case BY_HOST: return "hosts";
	case BY_SRC: return "sources";
	case BY_DST: return "destinations";
	case BY_PAIR: return "pairs of hosts";
	case BY_INTERFACE: return "interfaces";
	case BY_EXPORTER: return "exporters";
	case BY_NETWORK: return "networks";
	case BY_PORT:
	case BY_APP: return "services";
	default: return "series";
	}
}

static void name_of(const struct group *g, unsigned count, struct alert *a)
{
	free(a->series);
	a->series = *g->place ? xasprintf("%u %s of %s", count, plural(a->by), g->place)
			      : xasprintf("%u %s", count, plural(a->by));
}

static int further(const struct alert *x, const struct alert *y)
{
	double a = x->below ? -x->value : x->value, b = y->below ? -y->value : y->value;

	return (a < b) - (a > b);
}

/* The first few by size, largest first; returns how many. */
static unsigned largest(const struct noise *n, const struct group *g, const struct rec **out,
			unsigned max)
{
	unsigned k = 0;

	for (unsigned i = 0; i < g->n; i++) {
		const struct rec *r = n->rec[g->member[i]];
		unsigned at = k < max ? k++ : max;

		while (at && further(r->alert, out[at - 1]->alert) < 0) {
			if (at < max)
				out[at] = out[at - 1];
			at--;
		}
		if (at < max)
			out[at] = r;
	}
	return k;
}

static bool has_flow(const struct alert *a, const struct top_flow *f)
{
	for (unsigned i = 0; i < a->n_top; i++)
		if (addr_eq(&a->top[i].src, &f->src) && addr_eq(&a->top[i].dst, &f->dst) &&
		    a->top[i].src_port == f->src_port && a->top[i].dst_port == f->dst_port &&
		    a->top[i].proto == f->proto)
			return true;
	return false;
}

/* The flows of the largest together, as shares of all that these had. */
static void merge(struct alert *a, struct alert **of, unsigned n)
{
	uint64_t total = 0;

	a->top = xcalloc(ALERT_TOP, sizeof(*a->top));
	for (unsigned i = 0; i < n; i++)
		total += of[i]->total_bytes;
	for (;;) {
		struct top_flow *best = NULL;

		for (unsigned i = 0; i < n; i++)
			for (unsigned f = 0; f < of[i]->n_top; f++)
				if (of[i]->top[f].bytes && (!best ||
				    of[i]->top[f].bytes > best->bytes))
					best = &of[i]->top[f];
		if (!best || a->n_top == ALERT_TOP)
			break;
		if (!has_flow(a, best)) {
			struct top_flow *t = &a->top[a->n_top++];

			*t = *best; /* its texts go along */
			t->share = total ? (double)best->bytes / (double)total : NAN;
			best->src_name = best->dst_name = best->client = NULL;
			best->urls = NULL;
			best->n_urls = 0;
		}
		best->bytes = 0;
	}
	a->total_bytes = total;
}

/* One message for all of them, with the id of the first. */
static struct alert *speak(struct noise *n, struct group *g, unsigned count)
{
	const struct rec *top[NAMED];
	unsigned k = largest(n, g, top, NAMED), m = k < MERGED ? k : MERGED;
	struct alert *full[MERGED], *a;
	struct strb b = { 0 };
	char v[UNIT_TEXT];

	for (unsigned i = 0; i < m; i++)
		full[i] = noise_full(n, top[i]);
	a = alert_copy(full[0]);
	memcpy(a->id, g->lead->id, sizeof(a->id));
	memcpy(a->fingerprint, g->lead->fingerprint, sizeof(a->fingerprint));
	a->group = count;
	a->pending_ms = g->lead->pending_ms;
	a->started_ms = g->lead->started_ms;
	name_of(g, count, a);
	if (isnan(g->peak) || further(a, &(struct alert){ .below = a->below,
							  .value = g->peak }) < 0)
		g->peak = a->value;
	a->peak = g->peak;
	strb_fmt(&b, "%s fire in rule %s: ", a->series, g->rule);
	for (unsigned i = 0; i < k; i++)
		strb_fmt(&b, "%s%s with %s", i ? ", " : "", top[i]->alert->series,
			 measure_text(&a->measure, top[i]->alert->value, v));
	if (g->n > k)
		strb_fmt(&b, " and %u more", g->n - k);
	strb_addc(&b, '.');
	if (g->n < count)
		strb_fmt(&b, " Of all, %u %s over.", count - g->n,
			 count - g->n == 1 ? "is" : "are");
	strb_fmt(&b, " Each by itself: culprit alerts --rule %s.", g->rule);
	free(a->why);
	a->why = strb_take(&b);
	merge(a, full, m);
	for (unsigned i = 0; i < m; i++)
		alert_unref(&full[i]);
	return a;
}

/* Alerts of hosts that this link's alert spares. */
static void say_named(struct noise *n, const struct rec *r, struct alert *a)
{
	int at = noise_number(n, r);
	unsigned said = 0;

	for (unsigned i = 0; r->n_hosts && i < n->top_rec && said < NAMED; i++) {
		const struct rec *h = n->rec[i];

		if (!h || !h->alert->quiet || !h->labels.n_host ||
		    inhibit_link(&n->inhibit, &h->labels) != at ||
		    !strstr(h->alert->quiet, a->id))
			continue;
		noise_say(a, "%s %s is over its limit of rule %s too (alert %s).",
			  said++ ? "And" : "For the same reason", h->alert->series,
			  h->alert->rule, h->alert->id);
	}
}

/* Those channels are told only because a route waited for an acknowledgement. */
static void say_escalated(struct noise *n, const struct group *g, const struct rec *r,
			  struct alert *a)
{
	struct chset at_once = noise_might_know(n, r);
	char t[UNIT_TEXT];

	if (!chset_in(&g->channels, &at_once))
		noise_say(a, "Nobody has acknowledged it for %s.",
			  text_duration(n->now_ms - (r->told_ms ? r->told_ms : r->arrived_ms), t));
}

/* --- telling --- */

/* All know now; those that the message does not name first learn from their own alert which
 * one it was. */
static void mark_told(struct noise *n, int number, unsigned count, struct noise_note *notes,
		      unsigned *n_notes)
{
	struct group *g = n->group[number];

	for (unsigned i = 0; i < g->n; i++) {
		struct rec *r = n->rec[g->member[i]];
		bool alone = !chset_any(&r->told);

		for (unsigned k = 0; k < r->n_in; k++) {
			if (r->in[k].group != number || r->in[k].told)
				continue;
			r->in[k].told = true;
			r->told = chset_or(&r->told, &g->channels);
			r->waits = chset_less(&r->waits, &g->channels);
			if (!r->told_ms)
				r->told_ms = n->now_ms;
			if (count > 1 && alone && strcmp(r->alert->id, g->lead->id))
				noise_together(n, r, g->lead->id);
			notes[(*n_notes)++] = note_rec(n, r);
		}
	}
	g->untold = 0;
}

/* Those that are not quiet after all; what became quiet while it waited leaves. */
static void check_untold(struct noise *n, int number)
{
	struct group *g = n->group[number];

	for (unsigned i = g->n; i--;) {
		struct rec *r = n->rec[g->member[i]];
		char *why = NULL;

		for (unsigned k = 0; k < r->n_in; k++)
			if (r->in[k].group == number && !r->in[k].told)
				why = noise_why_quiet(n, r);
		if (!why)
			continue;
		for (unsigned k = r->n_in; k--;)
			if (r->in[k].group == number)
				take_out(n, r, k);
		noise_mark(n, r, why);
	}
}

static void tell(struct noise *n, int number, const char *remark)
{
	struct group *g = n->group[number];
	struct noise_note *notes = xcalloc(g->n + 1, sizeof(*notes));
	unsigned n_notes = 0, count = g->total + g->untold;
	struct rec *only = g->n ? n->rec[g->member[0]] : NULL;
	struct alert *a;

	if (!g->told_n) { /* of those that came first, some may have left */
		alert_unref(&g->lead);
		g->lead = alert_copy(only->alert);
	}
	if (count == 1) {
		a = noise_full(n, only);
		if (!g->told_n)
			say_named(n, only, a);
	} else {
		a = speak(n, g, count);
	}
	if (only && n->conf->flaps && only->times >= n->conf->flaps && count == 1)
		noise_say(a, "It flaps: this is the %u. time lately, so its end is told only once "
			     "it has been quiet for a while.", only->times);
	if (remark)
		noise_say(a, "%s", remark);
	if (!g->told_n)
		say_escalated(n, g, only, a);
	if (g->told_n)
		a->judged_ms = n->now_ms; /* another message, not the same again */
	g->total = g->told_n = count;
	g->told_ms = n->now_ms;
	g->remind_ms = n->conf->repeat_ms ? n->now_ms + n->conf->repeat_ms : INT64_MAX;
	mark_told(n, number, count, notes, &n_notes);
	notes[n_notes++] = note_group(n, g);
	noise_send(n, a, &g->channels, notes, n_notes);
	notes_free(notes, n_notes);
	free(notes);
}

static void tell_over(struct noise *n, int number, const struct alert *over)
{
	struct group *g = n->group[number];
	struct noise_note gone = note_gone("group", g->id);
	struct alert *a = alert_clone(over);
	char t[UNIT_TEXT];

	if (g->total > 1) {
		memcpy(a->id, g->lead->id, sizeof(a->id));
		memcpy(a->fingerprint, g->lead->fingerprint, sizeof(a->fingerprint));
		a->group = g->total;
		a->started_ms = g->lead->started_ms;
		a->pending_ms = g->lead->pending_ms;
		if (!isnan(g->peak))
			a->peak = g->peak;
		free(a->why);
		a->why = xasprintf("All %u are over; the last was %s, at %s.", g->total,
				   over->series, text_time(over->ended_ms, t));
		name_of(g, g->total, a);
	}
	noise_send(n, a, &g->channels, &gone, 1);
	notes_free(&gone, 1);
}

void group_over(struct noise *n, struct rec *r, const struct alert *over)
{
	while (r->n_in) {
		int number = r->in[r->n_in - 1].group;
		struct group *g = n->group[number];

		take_out(n, r, r->n_in - 1);
		alert_unref(&g->last);
		g->last = alert_copy(over);
		end_if_empty(n, number, over);
	}
}

void groups_orphans(struct noise *n)
{
	for (unsigned i = 0; i < n->top_group; i++)
		if (n->group[i])
			end_if_empty(n, (int)i, NULL);
}

/* Somebody should still look at one of them. */
static bool loud(const struct noise *n, const struct group *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		struct rec *r = n->rec[g->member[i]];
		int64_t end;

		if (!r->alert->ack_ms && !r->held && !noise_window(n, &r->labels, &end) &&
		    !silences_find(n->silences, &r->labels, n->now_ms))
			return true;
	}
	return false;
}

static bool due(const struct noise *n, const struct group *g)
{
	int64_t gathered = g->newest_ms + n->conf->gather_ms;

	if (!g->untold)
		return false;
	if (gathered > g->first_ms + GATHER_MAX_MS)
		gathered = g->first_ms + GATHER_MAX_MS;
	return n->now_ms >= gathered &&
	       (!g->told_n || g->total + g->untold >= 2 * g->told_n ||
		n->now_ms - g->told_ms >= n->conf->update_ms);
}

static void remind(struct noise *n, int number)
{
	struct group *g = n->group[number];
	char remark[64], t[UNIT_TEXT];

	if (!loud(n, g)) {
		g->remind_ms = n->now_ms + n->conf->repeat_ms;
		return;
	}
	snprintf(remark, sizeof(remark), "A reminder: still so after %s.",
		 text_duration(n->now_ms - g->lead->started_ms, t));
	tell(n, number, remark);
}

void groups_tick(struct noise *n)
{
	for (unsigned i = 0; i < n->top_group; i++) {
		struct group *g = n->group[i];

		if (!g)
			continue;
		if (due(n, g)) {
			check_untold(n, (int)i);
			if (g->untold)
				tell(n, (int)i, NULL);
			else
				end_if_empty(n, (int)i, NULL);
		} else if (g->told_n && n->conf->repeat_ms && n->now_ms >= g->remind_ms) {
			remind(n, (int)i);
		}
	}
}
