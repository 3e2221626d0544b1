/* noise_note.c - what must outlive a restart, as texts under keys.
 * SPDX-License-Identifier: ISC
 *
 *   alert/ID       an alert that fires: itself, who was told, who knows of it
 *   group/ID       a message that was sent about alerts: which, to whom, of how many
 *   silence/ID     a silence
 *   flap/PRINT     when a series fired lately, from the second time on
 *
 * A note goes where messages go (the outbox), in the same commit as the message that it
 * is about: so "told" is never believed of what was not sent, nor the other way round,
 * through kill -9 too. It is not in history, which may be a Redis that is away just
 * when the question is whether somebody must be woken.
 */
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/json.h"
#include "rules/noise_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static int64_t num(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static struct noise_note note_of(const char *kind, const char *id, json_t *j)
{
	struct noise_note note = { xasprintf("%s/%s", kind, id),
				   json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(15)) };

	json_decref(j);
	return note;
}

struct noise_note note_gone(const char *kind, const char *id)
{
	return (struct noise_note){ xasprintf("%s/%s", kind, id), NULL };
}

void notes_free(struct noise_note *notes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(notes[i].key);
		free(notes[i].text);
	}
}

void note_send(struct noise *n, struct noise_note note)
{
	n->out.send(n->out.arg, NULL, &note, 1);
	notes_free(&note, 1);
}

struct noise_note note_rec(const struct noise *n, const struct rec *r)
{
	json_t *j = json_object(), *groups = json_array();

	for (unsigned k = 0; k < r->n_in; k++)
		if (r->in[k].told)
			json_array_append_new(groups,
					      json_string(n->group[r->in[k].group]->id));
	json_object_set_new(j, "alert", alert_json(r->alert, NULL));
	json_object_set_new(j, "told", chset_json(&r->told, n->conf));
	json_object_set_new(j, "told_ms", json_integer(r->told_ms));
	json_object_set_new(j, "arrived_ms", json_integer(r->arrived_ms));
	json_object_set_new(j, "times", json_integer((json_int_t)r->times));
	json_object_set_new(j, "groups", groups);
	if (r->together)
		json_object_set_new(j, "together", json_string(r->together));
	if (r->held)
		json_object_set_new(j, "held", alert_json(r->held, NULL));
	return note_of("alert", r->alert->id, j);
}

struct noise_note note_group(const struct noise *n, const struct group *g)
{
	json_t *j = json_object();

	json_object_set_new(j, "rule", json_string(g->rule));
	json_object_set_new(j, "place", json_string(g->place));
	json_object_set_new(j, "lead", alert_json(g->lead, NULL));
	json_object_set_new(j, "channels", chset_json(&g->channels, n->conf));
	json_object_set_new(j, "total", json_integer((json_int_t)g->total));
	json_object_set_new(j, "told_ms", json_integer(g->told_ms));
	json_object_set_new(j, "peak", isfinite(g->peak) ? json_real(g->peak) : json_null());
	return note_of("group", g->id, j);
}

void note_flap(struct noise *n, const char *fingerprint)
{
	const struct flap *f = flaps_get(&n->flaps, fingerprint);
	json_t *j = json_array();

	for (unsigned i = 0; f && i < f->n; i++)
		json_array_append_new(j, json_integer(f->at_ms[i]));
	note_send(n, note_of("flap", fingerprint, j));
}

/* --- and back --- */

static struct alert *alert_in(const json_t *j, const char *key)
{
	const json_t *a = json_object_get(j, key);

	return a ? alert_from_json(a, NULL) : NULL;
}

static void load_group(struct noise *n, const char *id, const json_t *j)
{
	struct chset channels = chset_of_json(json_object_get(j, "channels"), n->conf);
	struct alert *lead = alert_in(j, "lead");
	const json_t *peak = json_object_get(j, "peak");
	struct group *g;
	int at;

	if (!lead)
		return;
	at = group_new(n, id, str(j, "rule"), str(j, "place"), lead->severity, &channels);
	if (at == NONE) {
		alert_unref(&lead);
		return;
	}
	g = n->group[at];
	g->lead = lead;
	g->total = g->told_n = (unsigned)num(j, "total");
	g->told_ms = num(j, "told_ms");
	g->remind_ms = n->conf->repeat_ms ? g->told_ms + n->conf->repeat_ms : INT64_MAX;
	g->peak = json_is_number(peak) ? json_number_value(peak) : NAN;
}

static void load_rec(struct noise *n, const json_t *j)
{
	struct alert *own = alert_in(j, "alert"), *held = alert_in(j, "held");
	const json_t *groups = json_object_get(j, "groups");
	struct rec *r = own ? noise_add(n, own) : NULL;
	int *newest;

	if (!r) {
		alert_unref(&held);
		return;
	}
	r->told = chset_of_json(json_object_get(j, "told"), n->conf);
	r->told_ms = num(j, "told_ms");
	r->arrived_ms = num(j, "arrived_ms");
	r->times = (unsigned)num(j, "times");
	r->held = held;
	if (*str(j, "together"))
		r->together = xstrdup(str(j, "together"));
	for (size_t i = 0; i < json_array_size(groups) && r->n_in < REC_GROUPS; i++) {
		const char *id = json_string_value(json_array_get(groups, i));
		int at = id ? group_by_note(n, id) : NONE;

		if (at != NONE)
			group_put(n, at, r, true);
	}
	newest = map_get(&n->by_fingerprint, r->alert->fingerprint);
	if (held || !newest) /* one that stands for others goes before them */
		newest = map_put(&n->by_fingerprint, r->alert->fingerprint, NULL);
	else
		newest = NULL;
	if (newest)
		*newest = noise_number(n, r);
}

static void load_flap(struct noise *n, const char *fingerprint, const json_t *j)
{
	int64_t at_ms[FLAPS_TIMES];
	unsigned k = 0;

	for (size_t i = 0; i < json_array_size(j) && k < FLAPS_TIMES; i++)
		at_ms[k++] = json_integer_value(json_array_get(j, i));
	flaps_set(&n->flaps, fingerprint, at_ms, k);
}

/* Groups are known before the alerts that are in them: "alert" comes before "group" in
 * the alphabet, so the caller asks for each kind. */
void noise_load(struct noise *n, const char *key, const char *text)
{
	const char *id = strchr(key, '/');
	json_t *j = id ? json_loads(text, 0, NULL) : NULL;

	if (!j)
		return;
	id++;
	if (!strncmp(key, "alert/", 6))
		load_rec(n, j);
	else if (!strncmp(key, "group/", 6))
		load_group(n, id, j);
	else if (!strncmp(key, "silence/", 8))
		silences_load(n->silences, j);
	else if (!strncmp(key, "flap/", 5))
		load_flap(n, id, j);
	json_decref(j);
}

json_t *noise_json(const struct noise *n, int64_t now_ms)
{
	json_t *o = json_object(), *list = json_array(), *windows = json_array();

	for (unsigned i = 0; i < n->silences->n; i++)
		json_array_append_new(list, silence_json(&n->silences->at[i], now_ms));
	for (size_t i = 0; i < n->conf->n_windows && i < NOISE_WINDOWS; i++) {
		const struct noise_window *w = &n->conf->windows[i];
		bool open = n->window_hours[i].open;
		json_t *row = json_object();
		int64_t until = n->window_hours[i].until_ms;

		json_object_set_new(row, "name", json_string(w->name));
		json_object_set_new(row, "when", json_string(hours_text(w->hours)));
		json_object_set_new(row, "match", json_string(match_text(w->match)));
		json_object_set_new(row, "active", json_boolean(open));
		json_object_set_new(row, "until", j_time(open && until < INT64_MAX / 2 ? until : 0));
		json_array_append_new(windows, row);
	}
	json_object_set_new(o, "silences", list);
	json_object_set_new(o, "maintenance", windows);
	return o;
}
