/* noise_conf.c - channels, routes and windows.
 * SPDX-License-Identifier: ISC
 *
 * A rule's own channels are always told. Routes only add: each that matches does, in
 * no order, so that one can be read without the others. One whose hours begin while
 * an alert still fires tells it then.
 */
#include "daemon/base/mem.h"
#include "rules/noise_impl.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_OF = NOISE_CHANNELS / 64, LOOK_MS = 1000 };

static void free_texts(char **s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

void noise_conf_free(struct noise_conf **cp)
{
	struct noise_conf *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	for (size_t i = 0; i < c->n_channels; i++)
		free(c->channels[i].name);
	for (size_t i = 0; i < c->n_routes; i++) {
		struct noise_route *r = &c->routes[i];

		free(r->name);
		match_free(&r->match);
		hours_free(&r->hours);
		calendar_free(&r->calendar);
		free_texts(r->notify, r->n_notify);
	}
	for (size_t i = 0; i < c->n_windows; i++) {
		free(c->windows[i].name);
		match_free(&c->windows[i].match);
		hours_free(&c->windows[i].hours);
		calendar_free(&c->windows[i].calendar);
	}
	for (size_t i = 0; i < c->n_inhibits; i++) {
		free((char *)c->inhibits[i].name);
		match_free(&c->inhibits[i].source);
		match_free(&c->inhibits[i].target);
	}
	free(c->channels);
	free(c->routes);
	free(c->windows);
	free(c->inhibits);
	free(c);
}

/* --- sets of channels --- */

bool chset_any(const struct chset *a)
{
	for (int i = 0; i < WORDS_OF; i++)
		if (a->b[i])
			return true;
	return false;
}

struct chset chset_and(const struct chset *a, const struct chset *b)
{
	struct chset s;

	for (int i = 0; i < WORDS_OF; i++)
		s.b[i] = a->b[i] & b->b[i];
	return s;
}

struct chset chset_or(const struct chset *a, const struct chset *b)
{
	struct chset s;

	for (int i = 0; i < WORDS_OF; i++)
		s.b[i] = a->b[i] | b->b[i];
	return s;
}

struct chset chset_less(const struct chset *a, const struct chset *b)
{
	struct chset s;

	for (int i = 0; i < WORDS_OF; i++)
		s.b[i] = a->b[i] & ~b->b[i];
	return s;
}

bool chset_in(const struct chset *a, const struct chset *b)
{
	struct chset s = chset_less(a, b);

	return !chset_any(&s);
}

void chset_add(struct chset *s, const struct noise_conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_channels && i < NOISE_CHANNELS; i++)
		if (!strcmp(c->channels[i].name, name))
			s->b[i / 64] |= UINT64_C(1) << i % 64;
}

json_t *chset_json(const struct chset *s, const struct noise_conf *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_channels && i < NOISE_CHANNELS; i++)
		if (s->b[i / 64] >> i % 64 & 1)
			json_array_append_new(list, json_string(c->channels[i].name));
	return list;
}

struct chset chset_of_json(const json_t *j, const struct noise_conf *c)
{
	struct chset s = { { 0 } };

	for (size_t i = 0; i < json_array_size(j); i++) {
		const char *name = json_string_value(json_array_get(j, i));

		if (name)
			chset_add(&s, c, name);
	}
	return s;
}

struct chset chset_people(const struct noise_conf *c)
{
	struct chset s = { { 0 } };

	for (size_t i = 0; i < c->n_channels && i < NOISE_CHANNELS; i++)
		if (c->channels[i].people)
			s.b[i / 64] |= UINT64_C(1) << i % 64;
	return s;
}

struct chset chset_acks(const struct noise_conf *c)
{
	struct chset s = { { 0 } };

	for (size_t i = 0; i < c->n_channels && i < NOISE_CHANNELS; i++)
		if (c->channels[i].acks)
			s.b[i / 64] |= UINT64_C(1) << i % 64;
	return s;
}

/* --- hours --- */

static bool look(const struct noise *n, const struct hours *h, const struct calendar *c,
		 bool *open, int64_t *until_ms)
{
	int64_t until_s;
	bool now = hours_at(h, c ? c : n->calendar, n->now_ms / 1000, &until_s);
	bool changed = now != *open;

	*open = now;
	*until_ms = until_s < INT64_MAX / 1000 ? until_s * 1000 : INT64_MAX;
	return changed;
}

bool noise_hours(struct noise *n)
{
	const struct noise_conf *c = n->conf;
	bool changed = false;

	if (n->hours_ms && n->now_ms >= n->hours_ms && n->now_ms < n->hours_ms + LOOK_MS)
		return false;
	n->hours_ms = n->now_ms;
	for (size_t i = 0; i < c->n_routes && i < NOISE_ROUTES; i++)
		changed |= look(n, c->routes[i].hours, c->routes[i].calendar,
				&n->route_hours[i].open, &n->route_hours[i].until_ms);
	for (size_t i = 0; i < c->n_windows && i < NOISE_WINDOWS; i++)
		changed |= look(n, c->windows[i].hours, c->windows[i].calendar,
				&n->window_hours[i].open, &n->window_hours[i].until_ms);
	return changed;
}

struct chset noise_wanted(struct noise *n, struct rec *r)
{
	const struct noise_conf *c = n->conf;
	struct chset want = r->own;
	int64_t since = r->told_ms ? r->told_ms : r->arrived_ms;

	r->escalate_ms = INT64_MAX;
	for (size_t i = 0; i < c->n_routes && i < NOISE_ROUTES; i++) {
		const struct noise_route *t = &c->routes[i];

		if ((t->after_ms && r->alert->ack_ms) || !match_alert(t->match, &r->labels))
			continue;
		if (t->after_ms && since + t->after_ms > n->now_ms) {
			if (since + t->after_ms < r->escalate_ms)
				r->escalate_ms = since + t->after_ms;
			continue;
		}
		if (!n->route_hours[i].open)
			continue;
		for (size_t k = 0; k < t->n_notify; k++)
			chset_add(&want, c, t->notify[k]);
	}
	return want;
}

struct chset noise_might_know(const struct noise *n, const struct rec *r)
{
	const struct noise_conf *c = n->conf;
	struct chset might = r->own;

	for (size_t i = 0; i < c->n_routes && i < NOISE_ROUTES; i++)
		for (size_t k = 0; k < c->routes[i].n_notify; k++)
			if (!c->routes[i].after_ms && match_alert(c->routes[i].match, &r->labels))
				chset_add(&might, c, c->routes[i].notify[k]);
	return might;
}

const struct noise_window *noise_window(const struct noise *n, const struct labels *l,
					int64_t *until_ms)
{
	const struct noise_conf *c = n->conf;
	const struct noise_window *best = NULL;

	for (size_t i = 0; i < c->n_windows && i < NOISE_WINDOWS; i++) {
		if (!n->window_hours[i].open || !match_alert(c->windows[i].match, l) ||
		    (best && n->window_hours[i].until_ms <= *until_ms))
			continue;
		best = &c->windows[i];
		*until_ms = n->window_hours[i].until_ms;
	}
	return best;
}
