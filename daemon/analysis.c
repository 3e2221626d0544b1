/* analysis.c - blocks in, alerts out.
 * SPDX-License-Identifier: ISC
 *
 * The order in this file is the order of the truth: a block is counted, then
 * passed to the archive, then judged; so an alert stands in the archive's queue
 * right behind the last block that it was judged on (D4).
 */
#include "daemon/analysis.h"

#include "daemon/analysis_impl.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/window/presence.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_BLOCKS = 64, JUDGE_MS = 200, POST_MS = 1000, PATTERN_MS = 1000 };
enum { ENOUGH = 8 /* blocks */, WAIT_MS = 100, BATCH = 16 };
/* Bins of thousands of series settle in the same second; what is learnt of them can wait a
 * slice or two, what changes now cannot. */
enum { LEARN_MAX = 500 };

void analysis_emit(struct analysis *a, struct alert *alert)
{
	alert->block_seq = a->seq;
	alert->crossed_ms = a->block_ms;
	if (alert->window_start_ms)
		lossy_quality(a, alert);
	if (a->opts.archive)
		archive_mark(a->opts.archive, alert);
	else
		a->opts.alert(a->opts.arg, alert);
}

static void emit(void *arg, struct alert *alert)
{
	analysis_emit(arg, alert);
}

/* --- the rules --- */

static void known(void *arg, unsigned view, window_key_f *fn, void *fn_arg)
{
	struct analysis *a = arg;

	window_known(a->window, view, fn, fn_arg);
}

static bool held(void *arg, enum by by, const struct key *k)
{
	return silence_of(arg, by, k);
}

static bool untrained(void *arg, const struct rule *r, const struct key *k, int64_t from_ms,
		      int64_t to_ms)
{
	struct analysis *a = arg;

	return a->opts.untrained && a->opts.untrained(a->opts.arg, r, k, from_ms, to_ms);
}

void analysis_set_rules(struct analysis *a, struct rules *rules)
{
	unsigned n;
	struct rule_view *views = rules_views(rules, &n);
	struct view_spec *specs = xcalloc(n ? n : 1, sizeof(*specs));

	for (unsigned i = 0; i < n; i++)
		specs[i] = (struct view_spec){
			.filter = views[i].filter, .by = views[i].by,
			.measure = views[i].measure, .quota = views[i].quota,
			.period = views[i].period, .history = views[i].history,
		};
	window_views(a->window, specs, n, rules_longest(rules));
	eval_rules(a->eval, rules, a->now_ms);
	pattern_rules(a, rules);
	if (a->rules) {
		rules_fini(a->rules);
		free(a->rules);
	}
	a->rules = rules;
	free(specs);
	free(views);
	history_names(a);
}

struct analysis *analysis_new(const struct analysis_opts *o, struct rules *rules,
			      int64_t now_ms)
{
	struct analysis *a = xcalloc(1, sizeof(*a));
	struct eval_opts eo = { .names = o->names, .calendar = o->calendar, .emit = emit,
				.known = known, .held = held, .untrained = untrained,
				.arg = a,
				.late = (unsigned)(o->late_ms / SLICE_MS),
				.detector_memory = o->memory / 4,
				.learn_max = LEARN_MAX };
	struct window_opts wo = { o->names, o->calendar, o->late_ms, o->memory };

	a->opts = *o;
	a->now_ms = a->started_ms = now_ms;
	a->window = window_new(&wo, now_ms);
	eo.slices = window_slices(a->window);
	a->eval = eval_new(&eo);
	a->queue = queue_new(QUEUE_BLOCKS);
	analysis_set_rules(a, rules);
	lossy_note(a, slice_of(now_ms));
	return a;
}

void analysis_free(struct analysis **ap)
{
	struct analysis *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	history_stop(a);
	learnt_free(atomic_exchange(&a->learnt, NULL));
	past_free(atomic_exchange(&a->past, NULL));
	eval_free(&a->eval);
	window_free(&a->window);
	queue_free(&a->queue);
	silence_free(a);
	lossy_free(a);
	books_free(a);
	pattern_free(a);
	rules_fini(a->rules);
	free(a->rules);
	free(a);
}

/* --- time and flows --- */

void analysis_block(struct analysis *a, struct block *b, int64_t now_ms)
{
	if (!b->n)
		return;
	b->seq = ++a->seq;
	a->block_ms = b->received_ms[b->n - 1];
	window_block(a->window, b, now_ms);
	pattern_block(a, b, now_ms);
	if (a->opts.archive)
		archive_block(a->opts.archive, block_ref(b), now_ms);
}

static void changed(void *arg, unsigned view, const struct key *k, int64_t oldest)
{
	struct analysis *a = arg;
	struct span open = { window_oldest(a->window), window_newest(a->window) };

	eval_key(a->eval, view, k, oldest, open, a->now_ms);
}

void analysis_tick(struct analysis *a, int64_t now_ms, bool judge)
{
	int64_t before = window_newest(a->window);
	bool fresh;
	struct span open;

	a->now_ms = now_ms;
	window_tick(a->window, now_ms);
	fresh = slice_of(now_ms) > slice_of(a->judged_ms);
	if (fresh)
		for (int64_t s = before + 1; s <= window_newest(a->window); s++)
			lossy_note(a, s);
	if (!judge && !fresh)
		return;
	window_changed(a->window, changed, a);
	open = (struct span){ window_oldest(a->window), window_newest(a->window) };
	eval_tick(a->eval, open, now_ms, fresh);
	a->judged_ms = now_ms;
	if (fresh || now_ms - a->patterns_ms >= PATTERN_MS || now_ms < a->patterns_ms) {
		pattern_tick(a, now_ms); /* an open slice's sums only grow (D2) */
		a->patterns_ms = now_ms;
	}
	if (!fresh)
		return;
	silence_tick(a, now_ms);
	lossy_tick(a, now_ms);
	history_slice(a, now_ms);
}

void analysis_values(struct analysis *a, eval_value_f *fn, void *arg)
{
	eval_values(a->eval, fn, arg);
}

struct budget_value analysis_budget(const struct analysis *a, unsigned i)
{
	return eval_budget(a->eval, i);
}

/* --- the thread --- */

void learnt_free(struct learnt *list)
{
	while (list) {
		struct learnt *next = list->next;

		free(list->key);
		free(list);
		list = next;
	}
}

void analysis_learnt(struct analysis *a, struct learnt *list)
{
	struct learnt *last = list, *had = atomic_load(&a->learnt);

	if (!list)
		return;
	while (last->next)
		last = last->next;
	do
		last->next = had;
	while (!atomic_compare_exchange_weak(&a->learnt, &had, list));
}

static void take_learnt(struct analysis *a)
{
	struct learnt *list = atomic_exchange(&a->learnt, NULL);
	unsigned n = 0;

	if (!list)
		return;
	for (struct learnt *l = list; l; l = l->next)
		n += eval_learnt(a->eval, l->key, l->data, l->len);
	learnt_free(list);
	if (n)
		log_info("%u baselines learnt from history", n);
	history_baselines(a, false);
}

static void turn(struct analysis *a)
{
	int64_t now = clock_wall_ms();
	bool judge = now - a->judged_ms >= JUDGE_MS || now < a->judged_ms;
	struct rules *next = atomic_exchange(&a->next_rules, NULL);

	if (next) {
		analysis_set_rules(a, next);
		period_past_ask(a);
	}
	take_learnt(a);
	period_past_take(a);
	analysis_tick(a, now, judge);
	if (a->opts.archive)
		archive_tick(a->opts.archive, now);
	if (a->opts.board && (now - a->posted_ms >= POST_MS || now < a->posted_ms)) {
		post_sheet(a, now);
		a->posted_ms = now;
	}
}

static void *run(void *arg)
{
	struct analysis *a = arg;
	bool open = true;

	period_past_ask(a);
	while (open) {
		struct block *b;

		/* Waking up costs as much as some hundred rows: not for each block. */
		queue_wait(a->queue, ENOUGH, WAIT_MS);
		b = queue_get(a->queue, 0);
		for (int i = 0; b; i++) {
			analysis_block(a, b, clock_wall_ms());
			block_unref(&b);
			if (i == BATCH)
				break;
			b = queue_get(a->queue, 0);
		}
		open = !queue_closed(a->queue) || queue_len(a->queue);
		turn(a);
	}
	analysis_tick(a, clock_wall_ms(), true);
	history_slice(a, clock_wall_ms());
	if (a->opts.writer)
		books_slice(a, clock_wall_ms(), true);
	history_meters(a, clock_wall_ms(), true);
	history_baselines(a, true);
	return NULL;
}

void analysis_start(struct analysis *a)
{
	a->running = !pthread_create(&a->thread, NULL, run, a);
	if (a->running)
		pthread_setname_np(a->thread, "analysis");
}

bool analysis_sink(void *arg, struct block *b)
{
	struct analysis *a = arg;

	if (queue_put(a->queue, b))
		return true;
	block_unref(&b);
	return false;
}

void analysis_rules(struct analysis *a, struct rules *rules)
{
	struct rules *unseen = atomic_exchange(&a->next_rules, rules);

	if (unseen) {
		rules_fini(unseen);
		free(unseen);
	}
}

void analysis_stop(struct analysis *a)
{
	queue_close(a->queue);
	if (a->running)
		pthread_join(a->thread, NULL);
	a->running = false;
}
