/* silences.c - what somebody said need not be told, and until when.
 * SPDX-License-Identifier: ISC
 *
 * A plain array that is searched from its begin to its end: people make few, and the
 * bound keeps a program that makes many from slowing down alerts.
 */
#include "rules/silences.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t kept_ms = 86400000;

struct silences *silences_new(void)
{
	struct silences *s = xcalloc(1, sizeof(*s));

	s->changes_ms = INT64_MAX;
	return s;
}

void silences_free(struct silences **s)
{
	for (unsigned i = 0; *s && i < (*s)->n; i++)
		match_free(&(*s)->at[i].match);
	free(*s);
	*s = NULL;
}

static void next_change(struct silences *s, int64_t now_ms)
{
	s->changes_ms = INT64_MAX;
	for (unsigned i = 0; i < s->n; i++) {
		int64_t at = s->at[i].from_ms > now_ms ? s->at[i].from_ms : s->at[i].until_ms;

		if (at > now_ms && at < s->changes_ms)
			s->changes_ms = at;
	}
}

/* Cut between characters. */
static void copy(char *to, size_t room, const char *from)
{
	size_t n = utf8_cut(from ? from : "", SIZE_MAX, room - 1);

	memcpy(to, from ? from : "", n);
	to[n] = '\0';
}

const struct silence *silences_add(struct silences *s, const char *match, int64_t from_ms,
				   int64_t until_ms, const char *author, const char *comment,
				   int64_t now_ms, struct err *err)
{
	struct silence *x = &s->at[s->n];
	struct match *m = match_compile(match, err);
	char t[UNIT_TEXT];

	if (!m)
		return NULL;
	if (until_ms <= from_ms || until_ms <= now_ms) {
		err_set(err, "it would end at %s, before it begins", text_time(until_ms, t));
		match_free(&m);
		return NULL;
	}
	if (s->n == SILENCES_MAX) {
		err_set(err, "there are %d silences already; end some, or make one that covers "
			"more", SILENCES_MAX);
		match_free(&m);
		return NULL;
	}
	s->n++;
	*x = (struct silence){ .match = m, .made_ms = now_ms, .from_ms = from_ms,
			       .until_ms = until_ms };
	alert_new_id(x->id, now_ms);
	copy(x->author, sizeof(x->author), author);
	copy(x->comment, sizeof(x->comment), comment);
	next_change(s, now_ms);
	return x;
}

const struct silence *silences_end(struct silences *s, const char *id, int64_t now_ms,
				   struct err *err)
{
	struct silence *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct silence *x = &s->at[i];

		if (!*id || strncasecmp(x->id, id, strlen(id)) || x->until_ms <= now_ms)
			continue;
		found = x;
		n++;
	}
	if (n > 1)
		err_set(err, "%u silences begin with \"%.40s\"; say more of it", n, id);
	if (!n)
		err_set(err, "no silence that lasts has the id \"%.40s\"; `culprit silence list` "
			"shows them", id);
	if (n != 1)
		return NULL;
	if (found->from_ms > now_ms)
		found->from_ms = now_ms;
	found->until_ms = now_ms;
	next_change(s, now_ms);
	s->changes_ms = now_ms; /* it did turn */
	return found;
}

const struct silence *silences_find(const struct silences *s, const struct labels *l,
				    int64_t at_ms)
{
	const struct silence *best = NULL;

	for (unsigned i = 0; i < s->n; i++) {
		const struct silence *x = &s->at[i];

		if (x->from_ms <= at_ms && at_ms < x->until_ms &&
		    (!best || x->until_ms > best->until_ms) && match_alert(x->match, l))
			best = x;
	}
	return best;
}

bool silences_overlap(const struct silences *s, const struct labels *l, int64_t from_ms,
		      int64_t to_ms)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->at[i].from_ms < to_ms && from_ms < s->at[i].until_ms &&
		    match_alert(s->at[i].match, l))
			return true;
	return false;
}

void silences_sweep(struct silences *s, int64_t now_ms,
		    void (*gone)(void *arg, const struct silence *s), void *arg)
{
	for (unsigned i = 0; i < s->n;) {
		if (s->at[i].until_ms + kept_ms > now_ms) {
			i++;
			continue;
		}
		gone(arg, &s->at[i]);
		match_free(&s->at[i].match);
		s->at[i] = s->at[--s->n];
	}
}

bool silences_turned(struct silences *s, int64_t now_ms)
{
	if (now_ms < s->changes_ms)
		return false;
	next_change(s, now_ms);
	return true;
}

json_t *silence_json(const struct silence *s, int64_t now_ms)
{
	char made[UNIT_TEXT], from[UNIT_TEXT], until[UNIT_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", s->id, "state",
			 now_ms >= s->until_ms ? "over" : now_ms < s->from_ms ? "waits" : "active",
			 "match", match_text(s->match), "from", text_rfc3339(s->from_ms, from),
			 "until", text_rfc3339(s->until_ms, until), "author", s->author, "comment",
			 s->comment, "made_at", text_rfc3339(s->made_ms, made));
}

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

bool silences_load(struct silences *s, const json_t *j)
{
	struct silence *x = &s->at[s->n];
	struct match *m;

	if (s->n == SILENCES_MAX || !*str(j, "id") || !(m = match_compile(str(j, "match"), NULL)))
		return false;
	*x = (struct silence){ .match = m, .made_ms = alert_time(str(j, "made_at")),
			       .from_ms = alert_time(str(j, "from")),
			       .until_ms = alert_time(str(j, "until")) };
	copy(x->id, sizeof(x->id), str(j, "id"));
	copy(x->author, sizeof(x->author), str(j, "author"));
	copy(x->comment, sizeof(x->comment), str(j, "comment"));
	s->n++;
	s->changes_ms = 0; /* look at once */
	return true;
}
