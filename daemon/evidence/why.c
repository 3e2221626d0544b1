/* why.c - the sentences that say what an alert is about.
 * SPDX-License-Identifier: ISC
 *
 * To be read aloud to somebody who was woken up and has never seen this program (D14).
 * First what was seen, over which time, since when, and beside it what is normal or
 * allowed; then who did it. A number never stands without its unit and its normal.
 *
 *	edge WAN in: 18.7 Mbit/s over 1 minute since 10:34, over the limit of 16.0 Mbit/s.
 *	94 % of the rise is 10.20.0.66, new: it moved nothing at this hour in the last
 *	three weeks; most of that comes from 198.51.100.10, http (tcp 80).
 *
 * Who: what changed is the better answer, since the largest talker is often the same
 * every day; where there is nothing to compare with, the largest is named. A host of
 * one of our own networks comes before a server somewhere: the person who reads can
 * walk up to it. Before both comes the client for whom the proxy did it, unless one of
 * our hosts had more without the proxy.
 */
#include "daemon/evidence/why.h"

#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "daemon/evidence/squid.h"

#include <math.h>
#include <string.h>

static const double share_worth_naming = 0.15;
/* Headers and ACKs are 3 to 8 % that no log knows of. */
static const double unexplained_worth_telling = 0.12;
static const double alike = 0.1; /* of two values: people would not call them different */
static const int64_t calendar_ms =
    2 * 3600 * 1000; /* longer windows are days and months */

enum top_order why_order(const struct measure *m)
{
	switch (m->kind) {
	case MEASURE_PACKETS_S:
	case MEASURE_PACKETS: return TOP_PACKETS;
	case MEASURE_FLOWS_S:
	case MEASURE_FLOWS:
	case MEASURE_PEERS:
	case MEASURE_PORTS:
	case MEASURE_ENTROPY: return TOP_FLOWS;
	default: return TOP_BYTES;
	}
}

double why_share(enum top_order o, const struct sums *s, const struct sums *total)
{
	uint64_t part = o == TOP_BYTES	   ? s->bytes
			: o == TOP_PACKETS ? s->packets
					   : s->flows;
	uint64_t all = o == TOP_BYTES	  ? total->bytes
		       : o == TOP_PACKETS ? total->packets
					  : total->flows;

	return all ? (double)part / (double)all : 0;
}

/* ---- what was seen, and what is normal ---- */

static bool over(const struct alert *a)
{
	return a->state == ALERT_RESOLVED && !a->was;
}

static bool by_calendar(const struct alert *a)
{
	return !a->below && !a->detector &&
	       a->window_end_ms - a->window_start_ms > calendar_ms;
}

/* "10:34", or with the date where that is not the day of `near`. */
static const char *at(int64_t ms, int64_t near, char buf[static UNIT_TEXT])
{
	char day[UNIT_TEXT];

	text_time(near, day);
	text_time(ms, buf);
	if (!strncmp(buf, day, 10))
		text_time_short(ms, buf);
	else
		buf[16] = '\0'; /* "2026-11-23 10:34" */
	return buf;
}

static void baseline(const struct alert *a, struct strb *s)
{
	char low[UNIT_TEXT], mid[UNIT_TEXT], high[UNIT_TEXT];

	strb_fmt(s, ", normally %s to %s at this hour, mostly %s",
		 measure_text(&a->measure, a->low, low),
		 measure_text(&a->measure, a->high, high),
		 measure_text(&a->measure, a->median, mid));
	if (!a->view || !*a->view)
		return;
	strb_fmt(s, " (noticed: %s", a->view);
	/* A reader would ask what is wrong with a value that is normal. */
	if (a->value >= a->low && a->value <= a->high)
		strb_add(s, "; once would be nothing, so long is unusual");
	strb_add(s, ")");
}

/* What it was at other times, for a limit that somebody wrote down once. */
static void usual(const struct alert *a, const struct change *c, struct strb *s)
{
	struct measure m = measure_compared(&a->measure);
	char v[UNIT_TEXT], when[CHANGE_WORDS];

	if (!c || c->against == CHANGE_NOTHING || m.kind != a->measure.kind)
		return;
	change_when(c, when);
	if (c->before <= 0)
		strb_fmt(s, "; %s there was nothing", when);
	else if (fabs(c->before - c->value) <= alike * c->value)
		strb_fmt(s, "; %s it was as much: %s", when,
			 measure_text(&m, c->before, v));
	else
		strb_fmt(s, "; %s it was %s", when, measure_text(&m, c->before, v));
}

static void limit(const struct alert *a, const struct change *c, struct strb *s)
{
	char v[UNIT_TEXT];

	if (a->has_baseline) {
		baseline(a, s);
	} else if (isfinite(a->threshold)) {
		strb_fmt(s, ", %s the limit of %s", a->below ? "under" : "over",
			 measure_text(&a->measure, a->threshold, v));
		usual(a, c, s);
	}
}

static void calendar_window(const struct alert *a, struct strb *s)
{
	char v[UNIT_TEXT], m[UNIT_TEXT], t[UNIT_TEXT];
	double of = a->threshold > 0 ? 100 * a->value / a->threshold : 0;

	strb_fmt(s, "%s since %s", measure_text(&a->measure, a->value, v),
		 at(a->window_start_ms, 0, t));
	if (a->warning_share)
		strb_fmt(
		    s, ", %.0f %% of the %s allowed: a warning, the limit is not reached",
		    of, measure_text(&a->measure, a->threshold, m));
	else
		strb_fmt(s, ", over the %s allowed",
			 measure_text(&a->measure, a->threshold, m));
}

static void amount(const struct alert *a, double value, struct strb *s)
{
	char v[UNIT_TEXT];

	if (a->below && value <= 0)
		strb_add(s, "nothing");
	else
		strb_fmt(s, "%s%s", a->below ? "only " : "",
			 measure_text(&a->measure, value, v));
}

static void firing(const struct alert *a, const struct change *c, struct strb *s)
{
	char d[UNIT_TEXT], t[UNIT_TEXT];
	int64_t since = a->window_start_ms;

	if (a->pending_ms && a->pending_ms < since)
		since = a->pending_ms;
	if (by_calendar(a)) {
		calendar_window(a, s);
		return;
	}
	if (a->error > 0)
		strb_add(s, "at least ");
	amount(a, a->value, s);
	strb_fmt(s, " %s %s since %s",
		 measure_is_rate(&a->measure) && a->value > 0 ? "over" : "in",
		 text_duration(a->window_end_ms - a->window_start_ms, d),
		 at(since, a->window_end_ms, t));
	limit(a, c, s);
}

/* Found out when it was over: its flows were told late. */
static void was(const struct alert *a, const struct change *c, struct strb *s)
{
	int64_t from = a->pending_ms ? a->pending_ms : a->window_start_ms;
	int64_t to = a->ended_ms > from ? a->ended_ms : a->window_end_ms;
	char d[UNIT_TEXT], t[UNIT_TEXT];

	strb_fmt(s, "for %s from %s it was ", text_duration(to - from, d),
		 at(from, to, t));
	amount(a, a->below ? a->value : a->peak > a->value ? a->peak : a->value, s);
	limit(a, c, s);
	strb_add(s, "; it is over, and was told late because its flows came late");
}

static void resolved(const struct alert *a, struct strb *s)
{
	int64_t from = a->pending_ms ? a->pending_ms : a->started_ms;
	char v[UNIT_TEXT], d[UNIT_TEXT], t[UNIT_TEXT];
	/* What is no news any more (a record, a jump) need not be where it was. */
	bool beyond = a->below ? a->value < a->threshold : a->value > a->threshold;

	if (by_calendar(a)) {
		strb_fmt(s, "the count began anew at %s; %s were used of the %s allowed",
			 at(a->ended_ms, 0, t), measure_text(&a->measure, a->peak, v),
			 measure_text(&a->measure, a->threshold, d));
		return;
	}
	strb_fmt(s, "%s %s since %s, after %s",
		 beyond && a->detector ? "nothing unusual any more at" : "back at",
		 measure_text(&a->measure, a->value, v), at(a->ended_ms, a->judged_ms, t),
		 text_duration(a->ended_ms - from, d));
	strb_add(s, a->below ? "; at the lowest it was " : "; at the highest it was ");
	amount(a, a->below ? fmin(a->peak, a->value) : fmax(a->peak, a->value), s);
	limit(a, NULL, s);
}

/* ---- who did it ---- */

static bool of_host(const struct alert *a)
{
	return a->by == BY_HOST || a->by == BY_SRC || a->by == BY_DST;
}

/* The largest host that is ours, if it has a share worth naming; else the largest. */
static const struct top_row *culprit(const struct evidence_opts *o, const struct alert *a,
				     const struct top_result *hosts)
{
	enum top_order order = why_order(&a->measure);

	for (unsigned i = 0; i < hosts->n; i++) {
		const struct top_row *row = &hosts->rows[i];

		if (why_share(order, &row->sums, &hosts->total) < share_worth_naming)
			break;
		if (names_network_of(o->names, &row->value[0].addr) >= 0)
			return row;
	}
	return hosts->n ? &hosts->rows[0] : NULL;
}

struct ways { /* words before a host that flows go to, or come from */
	const char *to, *from;
};

/* " (reception-pc)", or nothing: its name is not known, or the sentence begins with it. */
static void named(const struct found *f, const struct addr *a, struct strb *s)
{
	for (size_t i = 0; i < f->n_owners; i++)
		if (addr_eq(&f->owners[i].addr, a) && *f->owners[i].name) {
			strb_fmt(s, " (%s)", f->owners[i].name);
			return;
		}
}

/* The other end of the largest flow that has this host. */
static void other_end(const struct alert *a, const struct addr *host, struct ways ways,
		      struct strb *out)
{
	char text[ADDR_TEXT];
	struct key k = { 0 };
	char service[SERIES_TEXT];
	const char *name;
	uint32_t port;

	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *f = &a->top[i];
		bool from = addr_eq(&f->src, host);

		if (!from && !addr_eq(&f->dst, host))
			continue;
		port = f->src_port && (f->src_port < f->dst_port || !f->dst_port)
			   ? f->src_port
			   : f->dst_port;
		port |= (uint32_t)f->proto << 16;
		memcpy(k.b, &port, sizeof(port));
		name = from ? f->dst_name : f->src_name;
		strb_fmt(out, "%s %s%s%s%s, %s", from ? ways.to : ways.from,
			 addr_text(from ? &f->dst : &f->src, text), name ? " (" : "",
			 name ? name : "", name ? ")" : "",
			 key_text(BY_PORT, &k, NULL, service));
		return;
	}
}

static bool is_proxy(const struct evidence_opts *o, const struct addr *a)
{
	const struct addr *list = NULL;
	size_t n = 0;

	if (o->squid)
		list = squid_addresses(o->squid, &n);
	for (size_t i = 0; i < n; i++)
		if (addr_eq(a, &list[i]))
			return true;
	return false;
}

static struct addr shown(const struct found *f, const struct addr *a)
{
	return f->client ? explained_shown(f->client, f->veil, a) : *a;
}

/* Is the proxy's client the one to name, rather than the host `who`? */
static bool client_first(const struct evidence_opts *o, const struct alert *a,
			 const struct top_row *who, const struct found *f)
{
	const struct explained *e = f->client;

	if (!e || !*e->client || e->share < share_worth_naming)
		return false;
	return !who || is_proxy(o, &who->value[0].addr) ||
	       addr_eq(&who->value[0].addr, &e->host) ||
	       addr_eq(&who->value[0].addr, &e->person) ||
	       names_network_of(o->names, &who->value[0].addr) < 0 ||
	       why_share(why_order(&a->measure), &who->sums, &f->hosts->total) < e->share;
}

/* " 71 % of it is 10.20.0.66 fetching cdn-7.example.net/a.mp3 and 11 more through ..." */
static void client(const struct alert *a, const struct found *f, struct strb *s)
{
	const struct explained *e = f->client;

	strb_fmt(s, " %.0f %% of %s %s %s", 100 * e->share,
		 why_order(&a->measure) == TOP_BYTES ? "it" : "its bytes",
		 over(a) ? "was" : "is", e->client);
	named(f, &e->host, s);
	if (strcmp(e->url, "-")) { /* else it is not kept */
		strb_add(s, e->running ? " still fetching " : " fetching ");
		strb_add(s, e->url);
		if (e->more_urls)
			strb_fmt(s, " and %u more", e->more_urls);
	}
	strb_add(s, " through the proxy.");
	if (e->unexplained >= unexplained_worth_telling)
		strb_fmt(s,
			 " %.0f %% of what went through the proxy is explained by no "
			 "request that is known.",
			 100 * e->unexplained);
}

static void largest(const struct alert *a, const struct top_row *who,
		    const struct found *f, struct strb *s)
{
	char text[ADDR_TEXT];
	struct addr host;

	if (of_host(a) && a->n_top) {
		memcpy(host.b, a->key.b, sizeof(host.b));
		host = shown(f, &host);
		other_end(a, &host,
			  (struct ways){ " Its largest flow is to",
					 " Its largest flow is from" },
			  s);
		strb_add(s, ".");
	}
	if (of_host(a) || !who)
		return;
	host = shown(f, &who->value[0].addr);
	strb_fmt(s, " %.0f %% of it %s %s",
		 100 * why_share(why_order(&a->measure), &who->sums, &f->hosts->total),
		 over(a) || a->was ? "was" : "is", addr_text(&host, text));
	named(f, &host, s);
	other_end(a, &host,
		  (struct ways){ ", most of that to", ", most of that from" }, s);
	strb_add(s, ".");
}

/* ---- what changed ---- */

/* A row as it stands in a sentence: a host needs no word before it. */
static void name_row(const struct found *f, const struct change_row *r, struct strb *s)
{
	struct addr a;

	strb_add(s, r->by == BY_HOST ? r->text + strlen("host ") : r->text);
	if (r->by != BY_HOST)
		return;
	memcpy(a.b, r->key.b, sizeof(a.b));
	a = shown(f, &a);
	named(f, &a, s);
}

static void compared(const struct alert *a, const struct change *c,
		     const struct change_row *r, struct strb *s)
{
	struct measure m = measure_compared(&a->measure);
	char v[UNIT_TEXT], b[UNIT_TEXT], when[CHANGE_WORDS];

	change_when(c, when);
	if (!a->below && r->before <= 0)
		strb_fmt(s, ", new: %s moved nothing %s",
			 of_host(a) && r->by == BY_HOST ? "they" : "it", when);
	else if (a->below && r->value <= 0)
		strb_fmt(s, ", which moves nothing now, and moved %s %s",
			 measure_text(&m, r->before, b), when);
	else
		strb_fmt(s, ", with %s instead of %s %s", measure_text(&m, r->value, v),
			 measure_text(&m, r->before, b), when);
}

/* " 71 % of"; what is more than all of it, since others did the opposite, is all. */
static void part(double share, struct strb *s)
{
	if (share >= 0.995)
		strb_add(s, " All of");
	else
		strb_fmt(s, " %.0f %% of", 100 * share);
}

/* Of the rows, in their order: what leads, and of the first host beside it. A
 * conversation gives way to its host, which is shorter. */
static const struct change_row *leader(const struct change *c)
{
	if (c->row[0].by == BY_PAIR)
		for (unsigned i = 1; i < c->n; i++)
			if (c->row[i].by == BY_HOST)
				return &c->row[i];
	return &c->row[0];
}

static const struct change_row *next_of(const struct change *c,
					const struct change_row *lead, enum by by)
{
	for (unsigned i = 0; i < c->n; i++)
		if (&c->row[i] != lead && c->row[i].by == by)
			return &c->row[i];
	return NULL;
}

static void changed(const struct alert *a, const struct found *f, struct strb *s)
{
	const struct change *c = f->change;
	const struct change_row *lead = leader(c), *too = next_of(c, lead, lead->by);
	const struct change_row *host = next_of(c, lead, BY_HOST);
	bool past = over(a) || a->was;
	const char *is = past ? "was" : "is";
	struct addr addr;

	part(lead->share, s);
	if (a->below)
		strb_fmt(s, " what %s missing %s ", is, is);
	else
		strb_fmt(s, " the rise %s ", is);
	if (of_host(a) && lead->by == BY_HOST)
		strb_add(s, "with ");
	name_row(f, lead, s);
	compared(a, c, lead, s);
	if (lead->by == BY_HOST && !a->below && !of_host(a)) {
		memcpy(addr.b, lead->key.b, sizeof(addr.b));
		other_end(a, &addr,
			  past ? (struct ways){ "; most of that went to",
						"; most of that came from" }
			       : (struct ways){ "; most of that goes to",
						"; most of that comes from" },
			  s);
	}
	if (too) {
		strb_fmt(s, "; %.0f %% %s ", 100 * too->share, is);
		name_row(f, too, s);
	}
	if (lead->by != BY_HOST && host) {
		strb_fmt(s, "; %.0f %% %s %s", 100 * host->share, is,
			 of_host(a) ? "with " : "host ");
		name_row(f, host, s);
	}
	strb_add(s, ".");
}

/* It rose (or fell), and still nobody stands out. */
static bool spread(const struct alert *a, const struct change *c)
{
	double by = a->below ? c->before - c->value : c->value - c->before;

	return by > 2 * alike * fmax(c->value, c->before);
}

/* False: nothing that would name anybody. */
static bool who_changed(const struct alert *a, const struct found *f, struct strb *s)
{
	const struct change *c = f->change;

	if (c->n)
		changed(a, f, s);
	else if (spread(a, c))
		strb_fmt(s,
			 " No host, service or network stands out: the %s is spread over "
			 "many.",
			 a->below ? "fall" : "rise");
	return c->n;
}

char *why_text(const struct evidence_opts *o, const struct alert *a,
	       const struct found *f)
{
	const struct top_row *who = f->hosts ? culprit(o, a, f->hosts) : NULL;
	const struct change *c = f->change && f->change->against ? f->change : NULL;
	struct strb s = { 0 };

	strb_fmt(&s, "%s: ", a->series);
	if (a->was)
		was(a, c, &s);
	else if (over(a))
		resolved(a, &s);
	else
		firing(a, c, &s);
	strb_add(&s, ".");
	if (client_first(o, a, who, f))
		client(a, f, &s);
	else if (!(c && who_changed(a, f, &s)) && !a->below)
		largest(a, who, f, &s);
	if (a->held_before && !over(a))
		strb_fmt(&s, " %u other alert%s of this rule %s held back before it "
			     "(budget_total).", a->held_before, a->held_before > 1 ? "s" : "",
			 a->held_before > 1 ? "were" : "was");
	return strb_take(&s);
}

struct addr why_who(const struct evidence_opts *o, const struct alert *a,
		    const struct found *f)
{
	const struct top_row *who = f->hosts ? culprit(o, a, f->hosts) : NULL;
	struct addr none = { { 0 } }, host;

	if (client_first(o, a, who, f))
		return f->client->person;
	if (of_host(a)) {
		memcpy(host.b, a->key.b, sizeof(host.b));
		return host;
	}
	if (!who || a->below ||
	    why_share(why_order(&a->measure), &who->sums, &f->hosts->total) <
		share_worth_naming)
		return none;
	return who->value[0].addr;
}
