/* story.c - what a message says, in plain words, before a target's own markup.
 * SPDX-License-Identifier: ISC
 *
 * D14: every message says what is wrong (the headline), why we think so, and
 * what to do or where to look next; a number has its unit, its normal and its
 * window beside it. All channels tell the same story, made here once; they
 * differ in dress only.
 */
#include "daemon/notify/story.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum { CHANGES = 3 }; /* in a chat */

static bool over(const struct alert *a)
{
	return a->state == ALERT_RESOLVED || a->was;
}

const char *story_tag(const struct message *m)
{
	if (m->test)
		return "TEST";
	if (m->digest)
		return "DIGEST";
	if (m->alert->notice)
		return "ALIVE";
	return m->alert->was ? "OVER" : over(m->alert) ? "RESOLVED" : "FIRING";
}

const char *story_color(const struct message *m)
{
	static const char *const by_severity[] = { "#1976d2", "#e67700", "#d32f2f" };

	if (m->digest)
		return m->digest->firing ? by_severity[SEVERITY_WARNING] : "#2e7d32";
	return over(m->alert) && !m->alert->was ? "#2e7d32"
						: by_severity[m->alert->severity];
}

static void digest_headline(const struct digest *d, struct strb *b)
{
	int64_t ms = d->to_ms - d->from_ms;
	char time[UNIT_TEXT];

	if (d->firing)
		strb_fmt(b, "%u alert%s fired", d->firing, d->firing == 1 ? "" : "s");
	if (d->resolved)
		strb_fmt(b, "%s%u %s over", d->firing ? ", " : "", d->resolved,
			 d->firing	    ? d->resolved == 1 ? "is" : "are"
			 : d->resolved == 1 ? "alert is"
					    : "alerts are");
	strb_fmt(b, ", all within %s", ms < 1000 ? "a second" : text_duration(ms, time));
}

void story_headline(const struct message *m, struct strb *b)
{
	char line[160];

	if (m->digest) {
		digest_headline(m->digest, b);
		return;
	}
	alert_headline(m->alert, line);
	strb_tty(b, line);
}

void story_title(const struct message *m, struct strb *b)
{
	strb_fmt(b, "[%s] ", story_tag(m));
	if (m->alert && m->subject && !m->first && m->alert->group < 2)
		strb_tty(b, m->subject);
	else
		story_headline(m, b);
}

/* "10:33:30 to 10:34:30 CET", with the date when it is not one day. */
static void span(int64_t from_ms, int64_t to_ms, char *out, size_t room)
{
	char from[UNIT_TEXT], to[UNIT_TEXT];

	text_time(from_ms, from);
	text_time(to_ms, to);
	if (!strncmp(from, to, 11))
		snprintf(out, room, "%.8s to %s", from + 11, to + 11);
	else
		snprintf(out, room, "%.19s to %s", from, to);
}

static void normal(const struct alert *a, char out[static STORY_FACT])
{
	char low[UNIT_TEXT], high[UNIT_TEXT], median[UNIT_TEXT];

	snprintf(out, STORY_FACT, "%s to %s at this hour, mostly %s",
		 measure_text(&a->measure, a->low, low),
		 measure_text(&a->measure, a->high, high),
		 measure_text(&a->measure, a->median, median));
}

static void who(const struct alert *a, struct strb *b)
{
	const struct top_flow *f = a->top;

	strb_add(b, " The largest part, ");
	story_share(f->share, b);
	strb_add(b, ", is ");
	if (f->client && *f->client) {
		strb_tty(b, f->client);
		strb_add(b, " through the proxy");
	} else {
		story_end(&f->src, f->src_name, b);
		strb_add(b, " to ");
		story_end(&f->dst, f->dst_name, b);
		strb_add(b, ", ");
		story_service(f, b);
	}
	if (f->n_urls) {
		strb_add(b, ", fetching ");
		strb_tty(b, f->urls[0].url);
		if (f->n_urls > 1)
			strb_fmt(b, " and %u more", f->n_urls - 1);
	}
	strb_addc(b, '.');
}

void story_why(const struct alert *a, struct strb *b)
{
	char value[UNIT_TEXT], limit[UNIT_TEXT], text[STORY_FACT], window[UNIT_TEXT];

	if (a->why && *a->why) {
		strb_tty(b, a->why);
		return;
	}
	measure_text(&a->measure, a->value, value);
	text_duration(a->window_end_ms - a->window_start_ms, window);
	if (a->detector && a->has_baseline) {
		normal(a, text);
		strb_fmt(b, "%s over %s is %s what is normal: %s.", value, window,
			 a->below	      ? "below"
			 : over(a) && !a->was ? "back in"
					      : "above",
			 text);
	} else {
		measure_text(&a->measure, over(a) && !a->was ? a->clear : a->threshold,
			     limit);
		strb_fmt(b, "%s over %s is %s the limit of %s that rule ", value, window,
			 (over(a) && !a->was) != a->below ? "under" : "over", limit);
		strb_tty(b, a->rule ? a->rule : "");
		strb_add(b, " sets.");
	}
	if (a->n_top)
		who(a, b);
}

static void against(const struct alert *a, struct strb *b)
{
	strb_add(b, "What changed against ");
	strb_add(b, a->compared ? "the traffic " : "what is usual");
	strb_tty(b, a->compared ? a->compared : "");
	strb_addc(b, ':');
}

static void change(const struct alert *a, const struct changed *c, struct strb *b)
{
	struct measure m = measure_compared(&a->measure);
	char now[UNIT_TEXT], before[UNIT_TEXT];

	/* More than all of it: others did the opposite. */
	story_share(fmin(c->share_of_change, 1), b);
	strb_add(b, a->below ? " of the fall is " : " of the rise is ");
	strb_tty(b, c->key);
	strb_fmt(b, ", now %s, before %s", measure_text(&m, c->value, now),
		 measure_text(&m, c->before, before));
}

void story_changes(const struct alert *a, unsigned rows, struct strb *b)
{
	if (!a->n_changed)
		return;
	against(a, b);
	strb_addc(b, '\n');
	for (unsigned i = 0; i < a->n_changed && i < rows; i++) {
		strb_add(b, "  ");
		change(a, &a->changed[i], b);
		strb_addc(b, '\n');
	}
}

void story_changes_line(const struct alert *a, struct strb *b)
{
	if (!a->n_changed)
		return;
	against(a, b);
	for (unsigned i = 0; i < a->n_changed && i < CHANGES; i++) {
		strb_add(b, i ? "; " : " ");
		change(a, &a->changed[i], b);
	}
	strb_addc(b, '.');
}

static void amount(uint64_t n, const char *what, const char *before, struct strb *b)
{
	char text[UNIT_TEXT];

	if (n)
		strb_fmt(b, "%s%s %s%s", before, text_count((double)n, text), what,
			 n == 1 ? "" : "s");
}

static void lost(const struct alert *a, struct strb *b)
{
	if (!a->lost_flows && !a->dropped_datagrams)
		return;
	amount(a->lost_flows, "flow", "", b);
	amount(a->dropped_datagrams, "datagram", a->lost_flows ? " and " : "", b);
	strb_fmt(b, " of this window %s could be counted, so %s. ",
		 a->lost_flows + a->dropped_datagrams == 1 ? "was lost before it"
							   : "were lost before they",
		 a->below ? "part of what is missing may be our loss"
			  : "the true value is higher");
}

/* An alert about too much has flows; without them something is wrong with the archive. */
static bool without_flows(const struct alert *a)
{
	return !a->n_top && !a->below && !a->notice && !a->kind && a->group < 2 &&
	       a->value > 0;
}

void story_quality(const struct alert *a, struct strb *b)
{
	char n[UNIT_TEXT], time[UNIT_TEXT];

	strb_add(b, "");
	lost(a, b);
	if (a->sampling > 1)
		strb_fmt(
		    b,
		    "The exporter looks at one packet in %u; the figures are scaled up. ",
		    a->sampling);
	if (a->error > 0)
		strb_fmt(
		    b,
		    "There were too many keys to count each: the value may be up to %s "
		    "too low. ",
		    measure_text(&a->measure, a->error, n));
	if (a->evidence_short)
		strb_fmt(b,
			 "The flows below begin only at %s: earlier ones were no longer "
			 "kept. ",
			 text_time(a->evidence_from_ms, time));
	if (without_flows(a))
		strb_add(b, "None of its flows are in the archive, which pauses or is off: "
			    "culprit status says why. ");
	if (b->len && b->s[b->len - 1] == ' ')
		b->s[--b->len] = '\0';
}

unsigned story_steps(const struct alert *a, struct step out[STORY_STEPS])
{
	if (a->notice)
		return 0;
	out[0].what = over(a) ? "To see who it was" : "Everything that is known";
	out[1].what = "When it is known and fine";
	snprintf(out[0].command, sizeof(out[0].command), "culprit show %s", a->id);
	snprintf(out[1].command, sizeof(out[1].command), "culprit silence %s 2h", a->id);
	return over(a) ? 1 : 2;
}

void story_next(const struct alert *a, struct strb *b)
{
	struct step steps[STORY_STEPS];
	unsigned n = story_steps(a, steps);

	if (!n)
		strb_add(b, "Nothing needs to be done as long as this keeps coming.");
	else if (over(a))
		strb_add(b, "Nothing needs to be done now. ");
	for (unsigned i = 0; i < n; i++)
		strb_fmt(b, "%s%s: %s", i ? ". " : "", steps[i].what, steps[i].command);
}

/* The next fact; its value is written by the caller. */
static char *add(struct fact *f, unsigned *n, const char *name)
{
	f[*n].name = name;
	*f[*n].value = '\0';
	return f[(*n)++].value;
}

unsigned story_facts(const struct alert *a, struct fact out[STORY_FACTS])
{
	char buf[UNIT_TEXT], end[UNIT_TEXT];
	struct strb b = { 0 };
	unsigned n = 0;

	measure_text(&a->measure, a->value,
		     add(out, &n, over(a) && !a->was ? "Now" : "Value"));
	if (isfinite(a->peak) && a->peak > a->value && !a->below)
		measure_text(&a->measure, a->peak, add(out, &n, "Peak"));
	if (a->has_baseline)
		normal(a, add(out, &n, "Normal"));
	if (isfinite(a->threshold) && !a->detector)
		snprintf(add(out, &n, "Limit"), STORY_FACT, "%s %s",
			 a->below ? "at least" : "at most",
			 measure_text(&a->measure, a->threshold, buf));
	span(a->window_start_ms, a->window_end_ms, add(out, &n, "Window"), STORY_FACT);
	if (a->started_ms && a->ended_ms)
		snprintf(add(out, &n, "Lasted"), STORY_FACT, "%s, until %s",
			 text_duration(a->ended_ms - a->started_ms, buf),
			 text_time(a->ended_ms, end));
	else if (a->started_ms)
		snprintf(add(out, &n, "Since"), STORY_FACT, "%s",
			 text_time(a->started_ms, buf));
	snprintf(add(out, &n, "Severity"), STORY_FACT, "%s", severity_word[a->severity]);
	strb_tty(&b, a->rule ? a->rule : "");
	if (a->filter && *a->filter && strcmp(a->filter, "any")) {
		strb_add(&b, ": ");
		strb_tty(&b, a->filter);
	}
	snprintf(add(out, &n, "Rule"), STORY_FACT, "%.*s",
		 (int)utf8_cut(b.s, 100, STORY_FACT - 1), b.s);
	strb_free(&b);
	return n;
}

void story_link(const struct alert *a, const char *base_url, struct strb *b)
{
	size_t len = base_url ? strlen(base_url) : 0;

	while (len && base_url[len - 1] == '/')
		len--;
	if (len)
		strb_fmt(b, "%.*s/alert/%s", (int)len, base_url, a->id);
}

void story_act(const struct alert *a, const char *base_url, bool silence, struct strb *b)
{
	const char *path = silence ? a->act_silence : a->act_ack;
	size_t len = base_url ? strlen(base_url) : 0;

	while (len && base_url[len - 1] == '/')
		len--;
	if (len && path)
		strb_fmt(b, "%.*s/%s", (int)len, base_url, path);
}

void story_share(double share, struct strb *b)
{
	if (!isfinite(share))
		strb_add(b, "?");
	else if (share > 0 && share < 0.005)
		strb_add(b, "<1 %");
	else
		strb_fmt(b, "%.0f %%", share * 100);
}

void story_end(const struct addr *a, const char *name, struct strb *b)
{
	char buf[ADDR_TEXT];

	strb_add(b, addr_text(a, buf));
	if (name && *name) {
		strb_add(b, " (");
		strb_tty(b, name);
		strb_addc(b, ')');
	}
}

void story_service(const struct top_flow *f, struct strb *b)
{
	unsigned port =
	    f->src_port && f->src_port < f->dst_port ? f->src_port : f->dst_port;
	char text[SERIES_TEXT];
	struct key k;
	enum by by;

	snprintf(text, sizeof(text), "port=%u/%u", f->proto, port);
	if (key_parse(text, NULL, &by, &k))
		strb_tty(b, key_text(by, &k, NULL, text));
}

/* Adds s cut or padded to exactly `width` characters, backticks taken out. */
static void cell(struct strb *b, const char *s, size_t width, bool right)
{
	size_t chars = 0, len = strlen(s), keep = len;

	for (size_t i = 0; i < len; i++)
		chars += ((unsigned char)s[i] & 0xc0) != 0x80;
	if (chars > width) {
		keep = utf8_cut(s, width - 1, SIZE_MAX);
		chars = width;
	}
	for (size_t i = chars; right && i < width; i++)
		strb_addc(b, ' ');
	for (size_t i = 0; i < keep; i++)
		strb_addc(b, s[i] == '`' ? '\'' : s[i]);
	if (keep < len)
		strb_add(b, "\xe2\x80\xa6");
	for (size_t i = chars; !right && i < width; i++)
		strb_addc(b, ' ');
}

void story_proxied(const struct top_flow *f, struct strb *b)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT];
	size_t len = strcspn(f->client, " "); /* a name may follow */

	addr_text(&f->src, src);
	addr_text(&f->dst, dst);
	if ((strlen(src) == len && !strncmp(src, f->client, len)) ||
	    (strlen(dst) == len && !strncmp(dst, f->client, len))) {
		strb_add(b, "through the proxy");
		return;
	}
	strb_add(b, "for ");
	strb_tty(b, f->client);
}

static void column(struct strb *b, struct strb *text, size_t width, bool right)
{
	cell(b, text->s ? text->s : "", width, right);
	strb_free(text);
}

static void table_row(const struct top_flow *f, struct strb *b)
{
	char buf[UNIT_TEXT], addr[ADDR_TEXT];
	struct strb t = { 0 };

	story_share(f->share, &t);
	column(b, &t, 5, true);
	strb_addc(b, ' ');
	cell(b, text_bytes((double)f->bytes, buf), 8, true);
	strb_add(b, "  ");
	if (f->src_name && *f->src_name)
		strb_tty(&t, f->src_name);
	else
		strb_add(&t, addr_text(&f->src, addr));
	column(b, &t, 21, false);
	strb_addc(b, ' ');
	if (f->dst_name && *f->dst_name)
		strb_tty(&t, f->dst_name);
	else
		strb_add(&t, addr_text(&f->dst, addr));
	column(b, &t, 21, false);
	strb_addc(b, ' ');
	if (f->client && *f->client)
		story_proxied(f, &t); /* says more than the proxy's port */
	else
		story_service(f, &t);
	column(b, &t, 44, false); /* the longest: "for" and an IPv6 address */
	while (b->len && b->s[b->len - 1] == ' ')
		b->s[--b->len] = '\0';
	strb_addc(b, '\n');
}

void story_table(const struct alert *a, unsigned rows, struct strb *b)
{
	if (!a->n_top)
		return;
	strb_add(b,
		 "share    bytes  from                  to                    service\n");
	for (unsigned i = 0; i < a->n_top && i < rows; i++)
		table_row(&a->top[i], b);
	if (a->n_top > rows)
		strb_fmt(b, "%u more\n", a->n_top - rows);
}

void story_spark(const struct alert *a, struct strb *b)
{
	double most = 0;

	for (unsigned i = 0; i < a->n_spark; i++)
		if (isfinite(a->spark[i]) && a->spark[i] > most)
			most = a->spark[i];
	for (unsigned i = 0; i < a->n_spark; i++) {
		int level = most > 0 ? (int)lround(a->spark[i] / most * 7) : 0;

		if (!isfinite(a->spark[i]))
			strb_addc(b, ' ');
		else /* U+2581 to U+2588 */
			strb_fmt(b, "\xe2\x96%c",
				 0x81 + (level < 0   ? 0
					 : level > 7 ? 7
						     : level));
	}
}

void story_digest(const struct digest *d, struct strb *b)
{
	unsigned all = d->firing + d->resolved;

	for (unsigned i = 0; i < d->n_line; i++) {
		strb_fmt(b, "[%s] ",
			 d->line[i].state == ALERT_RESOLVED ? "RESOLVED" : "FIRING");
		strb_tty(b, d->line[i].headline);
		strb_addc(b, '\n');
	}
	if (all > d->n_line)
		strb_fmt(b, "and %u more; all of them: culprit alerts --all\n",
			 all - d->n_line);
}
