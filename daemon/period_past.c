/* period_past.c - what a quota counts from before its rule.
 * SPDX-License-Identifier: ISC
 *
 * A month that is asked for on the fifteenth is no half month: a calendar window that has
 * just come, by a reload or in a first configuration, asks the archive what passed since its
 * period began. The question takes its place in the archive's queue right behind the last
 * block that the window did not count, so no flow counts twice and none is left out (but
 * those that the archive no longer has). The answer takes seconds on weeks of flows; until
 * it is there the window counts on, and its totals are not written down, since a daemon
 * that is restarted meanwhile must ask again.
 */
#include "daemon/analysis_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "rules/filter/filter.h"

void past_free(struct past *list)
{
	while (list) {
		struct past *next = list->next;

		free(list->series);
		free(list->filter);
		free(list->key);
		free(list->sums);
		free(list);
		list = next;
	}
}

enum { DAY_MS = 86400 * 1000 }; /* no flow ends so much later than it comes */

static void noted(void *arg, const struct archive_position *at)
{
	struct past *p = arg;

	p->as_of = *at;
	p->analysis->opts.past(p->analysis->opts.arg, p);
}

static const struct rule *rule_of(const struct analysis *a, unsigned view)
{
	for (unsigned i = 0; i < a->rules->n; i++)
		if (a->rules->at[i].view == view)
			return &a->rules->at[i];
	return NULL;
}

void period_past_ask(struct analysis *a)
{
	for (unsigned v = 0; a->opts.archive && a->opts.past && a->series[v]; v++) {
		int64_t from_ms;
		unsigned ticket = window_total_ask(a->window, v, &from_ms);
		const struct rule *r = rule_of(a, v);
		struct past *p;

		if (!ticket || !r)
			continue;
		p = xcalloc(1, sizeof(*p));
		*p = (struct past){ .analysis = a, .series = xstrdup(a->series[v]),
				    .filter = xstrdup(filter_text(r->filter)), .by = r->by,
				    .measure = r->measure, .from_ms = from_ms,
				    .to_ms = a->now_ms + DAY_MS, .ticket = ticket };
		archive_note(a->opts.archive, noted, p);
	}
}

void analysis_past(struct analysis *a, struct past *answer)
{
	struct past *had = atomic_load(&a->past);

	do
		answer->next = had;
	while (!atomic_compare_exchange_weak(&a->past, &had, answer));
}

/* Who is over the limit already is told at once, and not with the next flow. */
static void add(struct analysis *a, unsigned view, const struct past *p)
{
	struct span open = { window_oldest(a->window), window_newest(a->window) };
	unsigned n = 0;
	char since[UNIT_TEXT];

	for (unsigned i = 0; i < p->n; i++)
		n += window_total_past(a->window, view, p->ticket, &p->key[i], &p->sums[i]);
	window_total_told(a->window, view, p->ticket);
	for (unsigned i = 0; i < n; i++)
		eval_key(a->eval, view, &p->key[i], open.newest, open, a->now_ms);
	if (n)
		log_info("rule %s: what passed since %s is counted from the archive, %u series",
			 rule_of(a, view)->name, text_time(p->from_ms, since), n);
}

void period_past_take(struct analysis *a)
{
	struct past *list = atomic_exchange(&a->past, NULL);

	for (struct past *p = list; p; p = p->next)
		for (unsigned v = 0; a->series[v]; v++)
			if (!strcmp(a->series[v], p->series) && rule_of(a, v) &&
			    rule_of(a, v)->by == p->by)
				add(a, v, p);
	past_free(list);
}
