/* pattern.c - rules whose detector looks at flows: findings become alerts.
 * SPDX-License-Identifier: ISC
 *
 * Such a rule has no view in the windows and no series: its detector (detectors/pattern.h)
 * gets the rows that the rule's filter lets through and says once a second what stands and
 * what has ended. Here each finding gets an alert with its beginning and its end, and from
 * there on it is an alert like any other: position in the archive, top flows, silences,
 * routes, grouping.
 *
 * What has grown to GREW times what was told is told again under its id: a flood is judged
 * in its first second, when nobody knows yet how large it will be. Less than that is no
 * news, and each message needs a larger step than the one before, so that there are few.
 *
 * After a restart the detector begins anew and an alert that was firing waits for it: when
 * the same is found again it goes on under its old id, else it ends after RESTORED_MS.
 * A finding that is told only when it is over makes one message, as a late window does.
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/rows.h"
#include "detectors/pattern.h"

#include <stdlib.h>
#include <string.h>

enum { OPEN_MAX = 1024, RESTORED_MS = 30 * 60000, SHARE = 32, LEAST = 256 << 10, GREW = 4 };

struct open_alert {
	struct alert *alert;
	int64_t restored_ms; /* waits since then; 0: its detector knows it */
	double told;	     /* the value of its last message */
	int64_t told_ms;
};

struct pattern_run {
	const struct rule *rule;
	void *state;
	struct open_alert *open;
	unsigned n_open;
};

struct judging {
	struct analysis *a;
	struct pattern_run *run;
	int64_t now_ms;
};

/* --- alerts --- */

static char *both_filters(const struct filter *rule, const char *finding)
{
	if (!*finding)
		return xstrdup(filter_text(rule));
	if (filter_is_all(rule))
		return xstrdup(finding);
	return xasprintf("(%s) and (%s)", filter_text(rule), finding);
}

/* One series for each kind of thing: a host may be flooded in two ways at once. */
static void fingerprint(struct alert *al)
{
	char *id = xasprintf("%s|%s", al->series_id, al->kind);

	series_fingerprint(al->rule, id, al->fingerprint);
	free(id);
}

static void take_finding(struct alert *al, const struct finding *f, int64_t now_ms)
{
	al->value = f->value;
	if (f->value > al->peak)
		al->peak = f->value;
	al->threshold = al->clear = f->limit;
	al->window_end_ms = f->last_ms > al->window_start_ms ? f->last_ms + 1
							     : al->window_start_ms + 1;
	al->judged_ms = now_ms;
	free(al->why);
	al->why = xstrdup(f->why);
}

static struct alert *new_alert(const struct judging *j, const struct finding *f)
{
	const struct rule *r = j->run->rule;
	struct alert *al = alert_new();
	char text[SERIES_TEXT];

	alert_new_id(al->id, j->now_ms);
	al->rule = xstrdup(r->name);
	al->filter = both_filters(r->filter, f->filter);
	al->by = f->by;
	al->key = f->key;
	al->series = xstrdup(key_text(f->by, &f->key, j->a->opts.names, text));
	al->series_id = xstrdup(key_id(f->by, &f->key, j->a->opts.names, text));
	al->kind = xstrdup(f->kind);
	fingerprint(al);
	al->detector = xstrdup(r->pattern->name);
	al->measure = f->measure;
	al->severity = r->severity;
	al->sampling = 1;
	al->who = f->who;
	al->pending_ms = al->started_ms = al->window_start_ms = f->first_ms;
	for (unsigned i = 0; i < ALERT_NOTIFY && r->notify[i]; i++)
		al->notify[i] = xstrdup(r->notify[i]);
	take_finding(al, f, j->now_ms);
	return al;
}

static struct open_alert *find(struct pattern_run *run, const struct finding *f)
{
	for (unsigned i = 0; i < run->n_open; i++) {
		const struct alert *al = run->open[i].alert;

		if (al->by == f->by && !memcmp(&al->key, &f->key, sizeof(f->key)) &&
		    !strcmp(al->kind, f->kind))
			return &run->open[i];
	}
	return NULL;
}

static bool keep_open(struct pattern_run *run, struct alert *al, int64_t restored_ms)
{
	if (run->n_open == OPEN_MAX)
		return false;
	run->open = xrealloc(run->open, run->n_open + 1, sizeof(*run->open));
	run->open[run->n_open++] = (struct open_alert){ al, restored_ms, al->peak, al->judged_ms };
	return true;
}

static void drop(struct pattern_run *run, struct open_alert *o)
{
	alert_unref(&o->alert);
	*o = run->open[--run->n_open];
}

/* Its end: a copy travels, as the beginning did. */
static void resolve(struct analysis *a, struct pattern_run *run, struct open_alert *o,
		    int64_t ended_ms, int64_t now_ms)
{
	struct alert *al = alert_copy(o->alert);

	al->state = ALERT_RESOLVED;
	al->ended_ms = ended_ms > al->started_ms ? ended_ms : al->started_ms + 1;
	al->judged_ms = now_ms;
	drop(run, o);
	analysis_emit(a, al);
}

/* Much more than was told: the same alert, worse. */
static void grown(struct analysis *a, struct open_alert *o)
{
	struct alert *al = o->alert;
	char was[UNIT_TEXT], at[UNIT_TEXT], *why;

	why = xasprintf("%s It was %s when it was last told, at %s.", al->why,
			measure_text(&al->measure, o->told, was),
			text_time_short(o->told_ms, at));
	free(al->why);
	al->why = why;
	o->told = al->value;
	o->told_ms = al->judged_ms;
	analysis_emit(a, alert_copy(al));
}

static void found(void *arg, const struct finding *f)
{
	struct judging *j = arg;
	struct open_alert *o = find(j->run, f);
	struct alert *al;

	if (o) {
		take_finding(o->alert, f, j->now_ms);
		o->restored_ms = 0;
		if (f->ended)
			resolve(j->a, j->run, o, f->last_ms, j->now_ms);
		else if (f->value >= GREW * o->told)
			grown(j->a, o);
		return;
	}
	al = new_alert(j, f);
	if (f->ended) {
		al->was = true;
		al->state = ALERT_RESOLVED;
		al->ended_ms = f->last_ms > f->first_ms ? f->last_ms : f->first_ms + 1;
	} else {
		struct alert *copy = alert_copy(al); /* al goes on to other threads */

		al->state = copy->state = ALERT_FIRING;
		if (!keep_open(j->run, copy, 0)) { /* the detector will say it again */
			alert_unref(&copy);
			alert_unref(&al);
			return;
		}
	}
	analysis_emit(j->a, al);
}

/* What nobody finds again is over. */
static void forget_restored(struct analysis *a, struct pattern_run *run, int64_t now_ms)
{
	for (unsigned i = run->n_open; i-- > 0;) {
		struct open_alert *o = &run->open[i];
		struct alert *al = o->alert;

		if (!o->restored_ms || now_ms - o->restored_ms < RESTORED_MS)
			continue;
		free(al->why);
		al->why = xasprintf("The %s that was going on when culpritd was restarted "
				    "or its rule was changed has not been seen since.",
				    al->kind);
		resolve(a, run, o, o->restored_ms, now_ms);
	}
}

/* --- flows and time --- */

static bool same_rows(const struct rule *r, const struct rule *before)
{
	return before && !strcmp(filter_text(r->filter), filter_text(before->filter));
}

void pattern_block(struct analysis *a, const struct block *b, int64_t now_ms)
{
	uint64_t bits[ROW_WORDS];
	const struct rule *had = NULL; /* whose rows are in bits: most rules want all */
	uint32_t n = 0;

	for (unsigned i = 0; i < a->n_patterns; i++) {
		struct pattern_run *run = &a->patterns[i];
		const struct rule *r = run->rule;

		if (!same_rows(r, had)) {
			n = filter_run(r->filter, b, bits);
			if (n)
				rows_counted(BY_SRC, filter_columns(r->filter), b, bits);
			had = r;
		}
		if (n)
			r->pattern->feed(run->state, b, bits, now_ms);
	}
}

/* Does somebody keep all of the rule from learning (maintenance, a silence)? One about a host
 * does not: the alert about it stands, and what is told is not learnt. */
static bool held(const struct analysis *a, const struct rule *r, int64_t now_ms)
{
	static const struct key none;

	return a->opts.untrained &&
	       a->opts.untrained(a->opts.arg, r, &none, now_ms - 1000, now_ms);
}

void pattern_tick(struct analysis *a, int64_t now_ms)
{
	for (unsigned i = 0; i < a->n_patterns; i++) {
		struct pattern_run *run = &a->patterns[i];
		const struct rule *r = run->rule;
		struct judging j = { a, run, now_ms };

		if (r->pattern->hold)
			r->pattern->hold(run->state, held(a, r, now_ms));
		r->pattern->judge(run->state, now_ms, found, &j);
		forget_restored(a, run, now_ms);
	}
}

/* --- rules come and go --- */

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return !strcmp(a->name, b->name) && a->pattern == b->pattern &&
	       !strcmp(filter_text(a->filter), filter_text(b->filter));
}

static bool same_conf(const struct rule *a, const struct rule *b)
{
	return !memcmp(a->conf, b->conf, a->pattern->conf_size);
}

static size_t share(const struct analysis *a)
{
	size_t memory = a->opts.memory / SHARE;

	return memory > LEAST ? memory : LEAST;
}

static void open_run(const struct analysis *a, struct pattern_run *run)
{
	run->state = run->rule->pattern->open(run->rule->conf, share(a));
}

/* The run of that rule before the reload, whose state and alerts go on. */
static void inherit(struct analysis *a, struct pattern_run *run, struct pattern_run *was)
{
	const struct pattern *p = run->rule->pattern;

	run->open = was->open;
	run->n_open = was->n_open;
	was->open = NULL;
	was->n_open = 0;
	if (same_conf(run->rule, was->rule)) {
		run->state = was->state;
		was->state = NULL;
		return;
	}
	open_run(a, run);
	if (p->save && p->load) {
		size_t len = 0;
		void *data = p->save(was->state, &len);

		if (data)
			p->load(run->state, data, len);
		free(data);
	}
	for (unsigned i = 0; i < run->n_open; i++)
		run->open[i].restored_ms = a->now_ms;
}

static void end_run(struct analysis *a, struct pattern_run *run, bool tell)
{
	while (run->n_open) {
		struct open_alert *o = &run->open[run->n_open - 1];

		if (tell) {
			free(o->alert->why);
			o->alert->why = xasprintf("Nothing watches for it any more: rule %s "
						  "was changed or removed.",
						  o->alert->rule);
			resolve(a, run, o, a->now_ms, a->now_ms);
		} else {
			drop(run, o);
		}
	}
	free(run->open);
	if (run->state)
		run->rule->pattern->free(run->state);
}

void pattern_rules(struct analysis *a, const struct rules *rules)
{
	struct pattern_run *runs = xcalloc(rules->n + 1, sizeof(*runs));
	unsigned n = 0;

	for (unsigned i = 0; i < rules->n; i++) {
		struct pattern_run *run = &runs[n];

		if (!rules->at[i].pattern || !rules->at[i].pattern->feed)
			continue;
		run->rule = &rules->at[i];
		for (unsigned j = 0; j < a->n_patterns && !run->state; j++)
			if (a->patterns[j].state && same_rule(run->rule, a->patterns[j].rule))
				inherit(a, run, &a->patterns[j]);
		if (!run->state)
			open_run(a, run);
		if (run->rule->pattern->geo)
			run->rule->pattern->geo(run->state, run->rule->country,
						run->rule->country_arg);
		n++;
	}
	for (unsigned j = 0; j < a->n_patterns; j++)
		end_run(a, &a->patterns[j], true);
	free(a->patterns);
	a->patterns = runs;
	a->n_patterns = n;
}

void pattern_free(struct analysis *a)
{
	for (unsigned i = 0; i < a->n_patterns; i++)
		end_run(a, &a->patterns[i], false);
	free(a->patterns);
	a->patterns = NULL;
	a->n_patterns = 0;
}

/* --- over a restart --- */

bool pattern_restore(struct analysis *a, struct alert *al)
{
	for (unsigned i = 0; i < a->n_patterns; i++) {
		struct pattern_run *run = &a->patterns[i];
		enum by by;
		struct key key;

		if (!al->kind || strcmp(run->rule->name, al->rule) ||
		    !key_parse(al->series_id, a->opts.names, &by, &key))
			continue;
		al->by = by;
		al->key = key; /* ids of this process, which its JSON does not have */
		return keep_open(run, al, a->now_ms);
	}
	return false;
}

void pattern_save(struct analysis *a, pattern_blob_f *fn, void *arg)
{
	for (unsigned i = 0; i < a->n_patterns; i++) {
		const struct pattern_run *run = &a->patterns[i];
		size_t len = 0;
		void *data = run->rule->pattern->save
				 ? run->rule->pattern->save(run->state, &len)
				 : NULL;

		if (data)
			fn(arg, run->rule->name, data, len);
		free(data);
	}
}

void pattern_load(struct analysis *a, const char *rule, const void *data, size_t len)
{
	for (unsigned i = 0; i < a->n_patterns; i++) {
		struct pattern_run *run = &a->patterns[i];

		if (!strcmp(run->rule->name, rule) && run->rule->pattern->load)
			run->rule->pattern->load(run->state, data, len);
	}
}

int64_t pattern_learns_ms(const struct analysis *a, const struct rule *r)
{
	for (unsigned i = 0; i < a->n_patterns; i++)
		if (a->patterns[i].rule == r && r->pattern->learns_ms)
			return r->pattern->learns_ms(a->patterns[i].state, a->now_ms);
	return r->pattern ? 0 : -1;
}

/* What they may take at most, which is what they were given. */
uint64_t pattern_octets(const struct analysis *a)
{
	return a->n_patterns * share(a);
}
