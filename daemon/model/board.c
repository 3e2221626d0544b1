/* board.c - sheets, and alerts that are pinned.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/model/board.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 4096, FIRING_MAX = 1 << 17 };

struct fired {
	char rule[NAME_LEN];
	uint32_t severity;
};

struct tally {
	uint64_t total, firing;
};

struct board {
	pthread_mutex_t lock;
	struct sheet *sheet;
	struct alert *alert[BOARD_ALERTS]; /* oldest first */
	unsigned n;
	struct map fired;  /* struct fired -> struct tally */
	struct map firing; /* id -> struct fired: also of those that no longer fit above */
	uint64_t delays[DELAY_BUCKETS];
	double delay_sum;
};

const double board_delay_bounds[DELAY_BUCKETS] = { 0.1, 0.25, 0.5, 1, 1.5, 2.5, 10, INFINITY };

struct board *board_new(void)
{
	struct board *b = xcalloc(1, sizeof(*b));

	pthread_mutex_init(&b->lock, NULL);
	map_init(&b->fired, sizeof(struct fired), sizeof(struct tally), RULES_MAX);
	map_init(&b->firing, ALERT_ID, sizeof(struct fired), FIRING_MAX);
	return b;
}

static void sheet_unref(struct sheet *s)
{
	if (!s || --s->refs)
		return;
	for (size_t i = 0; i < s->n_series; i++) {
		free(s->series[i].series);
		free(s->series[i].series_id);
		free(s->series[i].history);
	}
	for (size_t i = 0; i < s->n_rules; i++) {
		free(s->rules[i].filter);
		free(s->rules[i].window);
		free(s->rules[i].detector);
	}
	free(s->rules);
	free(s->interfaces);
	free(s->series);
	free(s);
}

void board_free(struct board **bp)
{
	struct board *b = *bp;

	*bp = NULL;
	if (!b)
		return;
	sheet_unref(b->sheet);
	for (unsigned i = 0; i < b->n; i++)
		alert_unref(&b->alert[i]);
	map_fini(&b->fired);
	map_fini(&b->firing);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

struct sheet *sheet_new(size_t n_series)
{
	struct sheet *s = xcalloc(1, sizeof(*s));

	s->series = xcalloc(n_series ? n_series : 1, sizeof(*s->series));
	return s;
}

void board_hang(struct board *b, struct sheet *s)
{
	struct sheet *old;

	s->refs = 1;
	pthread_mutex_lock(&b->lock);
	old = b->sheet;
	b->sheet = s;
	sheet_unref(old);
	pthread_mutex_unlock(&b->lock);
}

const struct sheet *board_take(struct board *b)
{
	struct sheet *s;

	pthread_mutex_lock(&b->lock);
	s = b->sheet;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&b->lock);
	return s;
}

void board_give(struct board *b, const struct sheet **s)
{
	if (!*s)
		return;
	pthread_mutex_lock(&b->lock);
	sheet_unref((struct sheet *)*s);
	pthread_mutex_unlock(&b->lock);
	*s = NULL;
}

static void drop(struct board *b, unsigned i)
{
	alert_unref(&b->alert[i]);
	memmove(b->alert + i, b->alert + i + 1, (b->n - i - 1) * sizeof(*b->alert));
	b->n--;
}

static void make_room(struct board *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->alert[i]->state == ALERT_RESOLVED) {
			drop(b, i);
			return;
		}
	drop(b, 0);
}

static struct fired fired_of(const struct alert *a)
{
	struct fired f = { .severity = a->severity };

	strncpy(f.rule, a->rule, sizeof(f.rule) - 1);
	return f;
}

/* A warning that comes true fires on under the same id, and more severely. */
static void count_firing(struct board *b, const struct alert *a)
{
	char id[ALERT_ID] = "";
	struct fired f = fired_of(a), *had;
	struct tally *t;

	memcpy(id, a->id, strlen(a->id));
	had = map_get(&b->firing, id);
	t = had ? map_get(&b->fired, had) : NULL;
	if (t)
		t->firing--;
	if (had)
		map_del(&b->firing, id);
	if (a->state != ALERT_FIRING)
		return;
	t = map_put(&b->fired, &f, NULL);
	had = t ? map_put(&b->firing, id, NULL) : NULL;
	if (!had)
		return;
	*had = f;
	t->firing++;
}

static void count(struct board *b, const struct alert *a)
{
	struct fired f = fired_of(a);
	struct tally *t = map_put(&b->fired, &f, NULL);
	double delay = (double)(a->judged_ms - a->crossed_ms) / 1000;

	if (t)
		t->total++;
	if (a->crossed_ms <= 0 || delay < 0)
		return;
	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		b->delays[i] += delay <= board_delay_bounds[i];
	b->delay_sum += delay;
}

void board_pin(struct board *b, const struct alert *a)
{
	unsigned i = 0;

	pthread_mutex_lock(&b->lock);
	count_firing(b, a);
	while (i < b->n && strcmp(b->alert[i]->id, a->id))
		i++;
	if (i < b->n) {
		alert_unref(&b->alert[i]);
	} else {
		if (b->n == BOARD_ALERTS)
			make_room(b);
		/* By age: ids are ordered by time, and history brings back the newest first. */
		for (i = b->n++; i && strcmp(b->alert[i - 1]->id, a->id) > 0; i--)
			b->alert[i] = b->alert[i - 1];
		if (a->judged_ms) /* not one that history brought back */
			count(b, a);
	}
	b->alert[i] = alert_ref(a);
	pthread_mutex_unlock(&b->lock);
}

void board_alerts(struct board *b, bool (*fn)(void *arg, const struct alert *a), void *arg)
{
	struct alert *at[BOARD_ALERTS];
	unsigned n;
	bool more = true;

	pthread_mutex_lock(&b->lock);
	n = b->n;
	for (unsigned i = 0; i < n; i++)
		at[i] = alert_ref(b->alert[i]);
	pthread_mutex_unlock(&b->lock);
	for (unsigned i = n; i--;) {
		more = more && fn(arg, at[i]);
		alert_unref(&at[i]);
	}
}

struct alert *board_alert(struct board *b, const char *id)
{
	struct alert *found = NULL;
	unsigned hits = 0;

	pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < b->n && *id; i++)
		if (!strncmp(b->alert[i]->id, id, strlen(id))) {
			found = b->alert[i];
			hits++;
		}
	found = hits == 1 ? alert_ref(found) : NULL;
	pthread_mutex_unlock(&b->lock);
	return found;
}

void board_fired(struct board *b, void (*fn)(void *arg, const char *rule, enum severity s,
					     uint64_t total, uint64_t firing), void *arg)
{
	const void *k;
	void *v;
	uint32_t at = 0;

	pthread_mutex_lock(&b->lock);
	while (map_next(&b->fired, &at, &k, &v)) {
		const struct fired *f = k;
		const struct tally *t = v;

		fn(arg, f->rule, (enum severity)f->severity, t->total, t->firing);
	}
	pthread_mutex_unlock(&b->lock);
}

unsigned board_firing(struct board *b)
{
	unsigned n;

	pthread_mutex_lock(&b->lock);
	n = b->firing.n;
	pthread_mutex_unlock(&b->lock);
	return n;
}

void board_delays(struct board *b, uint64_t counts[DELAY_BUCKETS], double *sum)
{
	pthread_mutex_lock(&b->lock);
	memcpy(counts, b->delays, sizeof(b->delays));
	*sum = b->delay_sum;
	pthread_mutex_unlock(&b->lock);
}
