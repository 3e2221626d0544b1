/* change.c - what changed: the keys that explain a rise or a fall.
 * SPDX-License-Identifier: ISC
 *
 * The same hour of the last three weeks is the best yardstick; their mean is taken and
 * not their median, for shares of a mean add up and can be checked by hand. A week in
 * which nothing was received is left out: missing is never zero (D3). While there are
 * no weeks, days of the same kind serve (a working day against working days), then what
 * came just before. All of it is read from the archive with the alert's position,
 * so the answer stays what it was for as long as those weeks are kept.
 *
 * Stretches are the same local wall-clock time, also over a change to summer time.
 */
#include "daemon/evidence/change.h"

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/evidence/change_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum { DAYS_BACK = 7, WEEKS_BACK = 4 };
static const int64_t minute_ms = 60 * 1000, hour_ms = 3600 * 1000, day_ms = 86400 * 1000;

/* ---- stretches to compare with ---- */

struct local { /* the same as local_time, or UTC where there is no calendar */
	int64_t off_ms;
	bool rest;
};

static struct local local_at(const struct change_query *q, int64_t ms)
{
	struct local_time t;

	if (!q->calendar)
		return (struct local){ 0, false };
	calendar_at(q->calendar, ms / 1000, &t);
	return (struct local){ (int64_t)t.utc_off_s * 1000, t.rest };
}

/* The same wall-clock time so many days before. */
static int64_t days_before(const struct change_query *q, int64_t ms, int days)
{
	int64_t then = ms - days * day_ms;

	return then + local_at(q, ms).off_ms - local_at(q, then).off_ms;
}

static bool take(struct change_count *c, int days, struct change *out, struct err *err)
{
	const struct change_query *q = c->q;
	int64_t from = days_before(q, q->from_ms, days);
	bool there;

	if (c->oldest_ms > from)
		return true;
	if (!change_count_span(c, from, from + c->span_ms, true, &there, err))
		return false;
	if (!there)
		return true;
	if (!out->n_before++)
		out->nearest = (unsigned)days;
	return true;
}

/* Stretches that overlap what is asked about tell nothing. */
static bool apart(const struct change_count *c, int days)
{
	return days * day_ms >= c->span_ms;
}

static bool weeks(struct change_count *c, struct change *out, struct err *err)
{
	unsigned last = 0;

	out->in_a_row = true;
	for (unsigned w = 1; w <= WEEKS_BACK && out->n_before < CHANGE_BEFORE; w++) {
		unsigned had = out->n_before;

		if (apart(c, (int)w * DAYS_BACK) &&
		    !take(c, (int)w * DAYS_BACK, out, err))
			return false;
		if (out->n_before == had)
			continue;
		out->in_a_row &= w == last + 1;
		last = w;
	}
	out->nearest /= DAYS_BACK;
	out->against = out->n_before ? CHANGE_WEEKS : CHANGE_NOTHING;
	return true;
}

static bool days(struct change_count *c, struct change *out, struct err *err)
{
	bool rest = local_at(c->q, c->q->from_ms).rest;

	for (int d = 1; d < DAYS_BACK && out->n_before < CHANGE_BEFORE; d++)
		if (apart(c, d) &&
		    local_at(c->q, days_before(c->q, c->q->from_ms, d)).rest == rest &&
		    !take(c, d, out, err))
			return false;
	out->rest = rest;
	if (out->n_before)
		out->against = CHANGE_DAYS;
	return true;
}

/* What came just before, without the minutes in which it may have begun. */
static bool hour(struct change_count *c, struct change *out, struct err *err)
{
	const struct change_query *q = c->q;
	int64_t span = c->span_ms < hour_ms ? hour_ms : c->span_ms;
	int64_t gap = c->span_ms < 5 * minute_ms ? c->span_ms : 5 * minute_ms;
	int64_t to = q->begun_ms && q->begun_ms < q->from_ms ? q->begun_ms : q->from_ms;
	int64_t from;
	bool there;

	to -= gap;
	from = to - span;
	if (from < c->oldest_ms)
		from = change_count_begun(c, c->oldest_ms, to);
	if (!c->oldest_ms ||
	    to - from < (c->span_ms < minute_ms ? minute_ms : c->span_ms))
		return true;
	if (!change_count_span(c, from, to, true, &there, err))
		return false;
	if (there) {
		out->against = CHANGE_HOUR;
		out->n_before = 1;
		out->before_ms = to - from;
	}
	return true;
}

static bool compare(struct change_count *c, struct change *out, struct err *err)
{
	return weeks(c, out, err) && (out->n_before || days(c, out, err)) &&
	       (out->n_before || hour(c, out, err));
}

/* ---- the whole ---- */

static void set_totals(const struct change_count *c, struct change *out)
{
	out->counted = c->counted;
	out->seen = c->seen > c->counted ? c->seen : c->counted;
	change_pick(c, out);
}

bool change_find(const struct change_query *q, struct change *out, struct err *err)
{
	struct change_count c;
	bool ok;

	*out = (struct change){ .against = CHANGE_NOTHING };
	change_count_init(&c, q);
	/* The side that holds the keys in question comes first: should tables be full,
	 * it is the others that are left out. */
	if (q->drop)
		ok = compare(&c, out, err) &&
		     change_count_span(&c, q->from_ms, q->to_ms, false, NULL, err);
	else
		ok = change_count_span(&c, q->from_ms, q->to_ms, false, NULL, err) &&
		     compare(&c, out, err);
	if (ok)
		set_totals(&c, out);
	change_count_fini(&c);
	return ok;
}

void change_fini(struct change *c)
{
	for (unsigned i = 0; i < c->n; i++)
		free(c->row[i].text);
	*c = (struct change){ .against = CHANGE_NOTHING };
}

/* ---- in words ---- */

static const char *number(unsigned n)
{
	static const char *const words[] = { "no", "one", "two", "three", "four" };

	return n < ARRAY_LEN(words) ? words[n] : "several";
}

const char *change_when(const struct change *c, char buf[static CHANGE_WORDS])
{
	const char *kind = c->rest ? "days off" : "working days";
	char d[UNIT_TEXT];

	*buf = '\0';
	switch (c->against) {
	case CHANGE_NOTHING: break;
	case CHANGE_WEEKS:
		if (c->n_before == 1 && c->nearest == 1)
			snprintf(buf, CHANGE_WORDS, "at this hour a week ago");
		else if (c->n_before == 1)
			snprintf(buf, CHANGE_WORDS, "at this hour %s weeks ago",
				 number(c->nearest));
		else if (c->in_a_row)
			snprintf(buf, CHANGE_WORDS, "at this hour in the last %s weeks",
				 number(c->n_before));
		else
			snprintf(buf, CHANGE_WORDS, "at this hour in %s earlier weeks",
				 number(c->n_before));
		break;
	case CHANGE_DAYS:
		if (c->n_before > 1)
			snprintf(buf, CHANGE_WORDS, "at this hour on %s earlier %s",
				 number(c->n_before), kind);
		else if (c->nearest == 1)
			snprintf(buf, CHANGE_WORDS, "at this hour yesterday");
		else
			snprintf(buf, CHANGE_WORDS, "at this hour %u days ago",
				 c->nearest);
		break;
	case CHANGE_HOUR:
		if (c->before_ms == hour_ms)
			snprintf(buf, CHANGE_WORDS, "in the hour before");
		else if (c->before_ms < 2 * minute_ms)
			snprintf(buf, CHANGE_WORDS, "just before");
		else
			snprintf(buf, CHANGE_WORDS, "in the %.30s before",
				 text_duration(c->before_ms / minute_ms * minute_ms, d));
		break;
	}
	return buf;
}
