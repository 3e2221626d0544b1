/* alert.c - an alert's life, and the one line that says it.
 * SPDX-License-Identifier: ISC
 *
 * The headline goes into subjects, titles and terminals, so it is made once,
 * here, and in plain ASCII as far as the names are. It says what is measured,
 * how much, since when and what is normal, and gives up parts from the end
 * before it cuts a name: with a mail's "[RESOLVED] " in front it stays within
 * 80 characters.
 */
#include "daemon/model/alert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

enum { HEADLINE = 69 }; /* characters; 11 more for the tag of a subject */

const char *const alert_state_word[] = { "pending", "firing", "resolved" };
const char *const severity_word[] = { "info", "warning", "critical" };

int severity_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(severity_word); i++)
		if (!strcmp(word, severity_word[i]))
			return (int)i;
	return -1;
}

struct alert *alert_new(void)
{
	struct alert *a = xcalloc(1, sizeof(*a));

	a->refs = 1;
	return a;
}

struct alert *alert_ref(const struct alert *a)
{
	struct alert *counted = (struct alert *)a; /* only the count changes */

	if (counted)
		counted->refs++;
	return counted;
}

static void free_flow(struct top_flow *f)
{
	for (unsigned i = 0; i < f->n_urls; i++) {
		free(f->urls[i].url);
		free(f->urls[i].client);
	}
	free(f->urls);
	free(f->src_name);
	free(f->dst_name);
	free(f->client);
}

void alert_unref(struct alert **ap)
{
	struct alert *a = *ap;

	*ap = NULL;
	if (!a || --a->refs)
		return;
	for (unsigned i = 0; i < a->n_top; i++)
		free_flow(&a->top[i]);
	for (unsigned i = 0; i < a->n_changed; i++)
		free(a->changed[i].key);
	for (unsigned i = 0; i < ALERT_NOTIFY; i++)
		free(a->notify[i]);
	free(a->top);
	free(a->changed);
	free(a->compared);
	free(a->rule);
	free(a->filter);
	free(a->series);
	free(a->series_id);
	free(a->detector);
	free(a->view);
	free(a->kind);
	free(a->why);
	free(a->quiet);
	free(a->ack_by);
	free(a->ack_comment);
	free(a->act_ack);
	free(a->act_silence);
	free(a);
}

static char *dup(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

struct alert *alert_copy(const struct alert *a)
{
	struct alert *c = alert_new();

	memcpy(c, a, sizeof(*c));
	c->refs = 1;
	c->rule = dup(a->rule);
	c->filter = dup(a->filter);
	c->series = dup(a->series);
	c->series_id = dup(a->series_id);
	c->detector = dup(a->detector);
	c->view = dup(a->view);
	c->kind = dup(a->kind);
	c->why = dup(a->why);
	c->quiet = dup(a->quiet);
	c->ack_by = dup(a->ack_by);
	c->ack_comment = dup(a->ack_comment);
	c->act_ack = dup(a->act_ack);
	c->act_silence = dup(a->act_silence);
	c->top = NULL;
	c->changed = NULL;
	c->compared = NULL;
	c->n_top = c->n_changed = 0;
	for (unsigned i = 0; i < ALERT_NOTIFY; i++)
		c->notify[i] = dup(a->notify[i]);
	return c;
}

/* An id begins with the time at which it was made, that of the verdict. */
static int64_t id_time(const char *id)
{
	static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t ms = 0;

	for (int i = 0; i < 10; i++) {
		const char *d = id[i] ? strchr(digit, id[i]) : NULL;

		if (!d)
			return 0;
		ms = ms << 5 | (d - digit);
	}
	return ms;
}

struct alert_sight alert_sight(const struct alert *a, bool at_end)
{
	struct alert_sight s = { a->window_start_ms, a->window_end_ms, a->position,
				 id_time(a->id) };

	if (!at_end && !a->was)
		return s;
	if (a->ended_ms > s.to_ms)
		s.to_ms = a->ended_ms;
	if (!a->was)
		s.position = a->end_position;
	s.at_ms = a->judged_ms; /* the last verdict: that it was over */
	return s;
}

bool alert_id_at_end(const char *text, char id[static ALERT_ID])
{
	size_t n = strlen(text), cut = n > 4 && !strcmp(text + n - 4, "/end") ? n - 4 : n;

	snprintf(id, ALERT_ID, "%.*s", (int)(cut < ALERT_ID ? cut : ALERT_ID - 1), text);
	return cut < n;
}

static void clone_flow(struct top_flow *to, const struct top_flow *f)
{
	*to = *f;
	to->src_name = dup(f->src_name);
	to->dst_name = dup(f->dst_name);
	to->client = dup(f->client);
	to->urls = f->n_urls ? xcalloc(f->n_urls, sizeof(*to->urls)) : NULL;
	for (unsigned i = 0; i < f->n_urls; i++) {
		to->urls[i] = f->urls[i];
		to->urls[i].url = dup(f->urls[i].url);
		to->urls[i].client = dup(f->urls[i].client);
	}
}

struct alert *alert_clone(const struct alert *a)
{
	struct alert *c = alert_copy(a);

	c->top = a->n_top ? xcalloc(a->n_top, sizeof(*c->top)) : NULL;
	for (; c->n_top < a->n_top; c->n_top++)
		clone_flow(&c->top[c->n_top], &a->top[c->n_top]);
	c->changed = a->n_changed ? xcalloc(a->n_changed, sizeof(*c->changed)) : NULL;
	for (; c->n_changed < a->n_changed; c->n_changed++) {
		c->changed[c->n_changed] = a->changed[c->n_changed];
		c->changed[c->n_changed].key = dup(a->changed[c->n_changed].key);
	}
	c->compared = dup(a->compared);
	return c;
}

/* ULID: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32:
 * 26 digits of five bits, the first two bits of the 130 zero. */
void alert_new_id(char id[static ALERT_ID], int64_t now_ms)
{
	static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t random[10];
	unsigned bits = 0, have = 0;
	size_t at = 10;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random)); /* cannot be: 10 octets never block */
	for (int i = 9; i >= 0; i--, now_ms >>= 5)
		id[i] = digit[now_ms & 31];
	for (size_t i = 0; i < sizeof(random); i++) {
		bits = bits << 8 | random[i];
		for (have += 8; have >= 5; have -= 5)
			id[at++] = digit[bits >> (have - 5) & 31];
	}
	id[at] = '\0';
}

/* "2.00 Mbit/s" becomes "2 Mbit/s": a band is no measurement. */
static void short_number(char *s)
{
	size_t n = strcspn(s, " "), keep = n;

	if (!memchr(s, '.', n))
		return;
	while (s[keep - 1] == '0')
		keep--;
	keep -= s[keep - 1] == '.';
	memmove(s + keep, s + n, strlen(s + n) + 1);
}

/* "2-4 Mbit/s" of "2.00 Mbit/s" and "4.00 Mbit/s"; without the unit when it is
 * the one of the value that was just said. */
static void range(const struct alert *a, const char *value, char out[static 112])
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	const char *lu, *hu, *vu;

	measure_text(&a->measure, a->low, low);
	measure_text(&a->measure, a->high, high);
	short_number(low);
	short_number(high);
	lu = strchr(low, ' ');
	hu = strchr(high, ' ');
	vu = strchr(value, ' ');
	if (lu && hu && !strcmp(lu, hu))
		low[lu - low] = '\0';
	else if (!strcmp(low, "0") || !strncmp(low, "0 ", 2))
		low[1] = '\0';
	else
		hu = NULL;
	if (hu && vu && !strcmp(vu, hu))
		high[hu - high] = '\0';
	snprintf(out, 112, "%s-%s", low, high);
}

static bool quota(const struct alert *a)
{
	return a->window_end_ms - a->window_start_ms > 2 * 3600000ll && !a->below;
}

/* How long it has been so: since it was first seen, at least the window that
 * the value is of. */
static const char *lasting(const struct alert *a, char buf[static UNIT_TEXT])
{
	int64_t from = a->pending_ms ? a->pending_ms : a->started_ms;
	int64_t to = a->ended_ms ? a->ended_ms : a->window_end_ms;

	if (!from || (!a->ended_ms && from > a->window_start_ms))
		from = a->window_start_ms;
	return text_duration(to > from ? to - from : 0, buf);
}

/* Of alerts about the data itself: what is wrong is no value and no limit. */
static const struct watched {
	const char *detector, *firing, *over;
	bool value;
} watched[] = {
	{ "silence", "silent for", "sends again, after", false },
	{ "loss", "flows are lost,", "hardly any flows are lost again, after", true },
};

static const struct watched *watched_of(const struct alert *a)
{
	for (size_t i = 0; a->detector && i < ARRAY_LEN(watched); i++)
		if (!strcmp(a->detector, watched[i].detector))
			return &watched[i];
	return NULL;
}

/* The parts of the line, the dispensable ones last. */
struct parts {
	char what[128], normal[128], hour[32];
};

static void firing(const struct alert *a, struct parts *p)
{
	char value[UNIT_TEXT], time[UNIT_TEXT], limit[UNIT_TEXT], band[112];
	const struct watched *w = watched_of(a);

	measure_text(&a->measure, a->value, value);
	measure_text(&a->measure, a->threshold, limit);
	lasting(a, time);
	if (a->notice) {
		snprintf(p->what, sizeof(p->what), "alive and watching");
		return;
	}
	if (a->was)
		snprintf(p->what, sizeof(p->what), "was at %s for %s", value, time);
	else if (a->below && a->value <= 0)
		snprintf(p->what, sizeof(p->what), "nothing for %s", time);
	else if (quota(a)) /* so far in its day, week or month */
		snprintf(p->what, sizeof(p->what), "%s since %.10s", value,
			 text_time(a->window_start_ms, time));
	else
		snprintf(p->what, sizeof(p->what), "%s%s %s %s",
			 a->below     ? "only "
			 : a->group > 1 ? "up to "
					: "",
			 value, measure_is_rate(&a->measure) ? "for" : "in", time);
	if (a->kind)
		snprintf(p->what, sizeof(p->what), "%.40s, %s%s %s %s", a->kind,
			 a->was ? "was " : a->group > 1 ? "up to " : "", value,
			 measure_is_rate(&a->measure) ? "for" : "in", time);
	if (w)
		snprintf(p->what, sizeof(p->what), "%s %s%s%s", w->firing, w->value ? value : "",
			 w->value ? " for " : "", time);
	if (a->kind || w) {
		; /* its limit is the detector's, not a person's: the sentence tells it */
	} else if (a->has_baseline) {
		range(a, a->below && a->value <= 0 ? "" : value, band);
		snprintf(p->normal, sizeof(p->normal), ", normally %s", band);
		strcpy(p->hour, " at this hour");
	} else if (a->warning_share) {
		snprintf(p->normal, sizeof(p->normal), ", %.0f %% of the %s allowed",
			 a->threshold > 0 ? 100 * a->value / a->threshold : 0, limit);
	} else {
		snprintf(p->normal, sizeof(p->normal), ", limit %s", limit);
	}
}

static void resolved(const struct alert *a, struct parts *p)
{
	char value[UNIT_TEXT], time[UNIT_TEXT], peak[UNIT_TEXT];
	const struct watched *w = watched_of(a);

	measure_text(&a->measure, a->value, value);
	measure_text(&a->measure, a->peak, peak);
	lasting(a, time);
	if (w) {
		snprintf(p->what, sizeof(p->what), "%s %s", w->over, time);
		return;
	}
	if (a->kind) {
		snprintf(p->what, sizeof(p->what), "%.40s over after %s", a->kind, time);
		snprintf(p->normal, sizeof(p->normal), ", %s", peak);
		return;
	}
	snprintf(p->what, sizeof(p->what), "back to %s after %s", value, time);
	if (!a->below && a->peak > a->value)
		snprintf(p->normal, sizeof(p->normal), ", peak %s", peak);
}

void alert_headline(const struct alert *a, char out[static 160])
{
	struct parts p = { "", "", "" };
	const char *name = a->series && *a->series ? a->series
			   : a->rule		   ? a->rule
						   : "all";
	struct strb inert = { 0 };
	size_t left = HEADLINE, all, cut;

	/* Before it is cut: what a sink would have to quote takes more room. */
	strb_tty(&inert, name);
	name = inert.s;

	if (a->state == ALERT_RESOLVED && !a->was)
		resolved(a, &p);
	else
		firing(a, &p);
	all = utf8_cut(name, SIZE_MAX, SIZE_MAX);
	left -= strlen(p.what) + 2; /* all parts are ASCII and shorter than that */
	cut = utf8_cut(name, left, 90);
	if (cut < all)
		cut = utf8_cut(name, left - 2, 90);
	left -= cut < left ? cut : left; /* octets: never fewer than characters */
	if (strlen(p.normal) > left)
		p.normal[0] = p.hour[0] = '\0';
	else if (strlen(p.normal) + strlen(p.hour) > left)
		p.hour[0] = '\0';
	/* Widths that the compiler can see: together they fit, whatever was counted above. */
	snprintf(out, 160, "%.*s%s: %.80s%.40s%.24s", cut < 8 ? 8 : cut > 72 ? 72 : (int)cut,
		 name, cut < all ? ".." : "", p.what, p.normal, p.hour);
	strb_free(&inert);
}
