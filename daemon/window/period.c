/* period.c - sums since the start of a local day, week (Monday) or month.
 * SPDX-License-Identifier: ISC
 *
 * Kept as running totals for each key, written to history when they change and
 * read back at start, so a month of bins need not be summed at every judgement.
 * The boundaries are local wall-clock midnights (D6), so a day has 23 hours when
 * the clocks go forward. At most TOTALS_MAX keys: past that, keys with less
 * than the median go and start again from zero, so a total can be too low, never
 * too high.
 */
#include "daemon/window/view.h"

#include "daemon/base/mem.h"
#include "daemon/model/calendar.h"

#include <stdlib.h>
#include <string.h>

enum { TOTALS_MAX = 1 << 18 };

/* Start of the period that now_ms lies in, `step` periods on. */
static int64_t boundary_ms(const struct totals *t, int64_t now_ms, int step)
{
	struct local_time l;
	int day;

	calendar_at(t->calendar, now_ms / 1000, &l);
	if (t->period == PERIOD_MONTH) {
		int month = l.month - 1 + step;

		return calendar_unix(t->calendar, l.year + month / 12, month % 12 + 1, 1, 0, 0,
				     0) * 1000;
	}
	day = l.day - (t->period == PERIOD_WEEK ? l.weekday : 0);
	day += step * (t->period == PERIOD_WEEK ? 7 : 1);
	return calendar_unix(t->calendar, l.year, l.month, day, 0, 0, 0) * 1000;
}

void period_init(struct totals *t, const struct calendar *c, enum period p,
		 size_t key_octets, int64_t now_ms)
{
	*t = (struct totals){ .calendar = c, .period = p };
	if (p == PERIOD_NONE)
		return;
	map_init(&t->map, key_octets, sizeof(struct sums), TOTALS_MAX);
	map_init(&t->dirty, key_octets, 1, TOTALS_MAX);
	t->young = true;
	period_tick(t, now_ms);
}

void period_fini(struct totals *t)
{
	if (t->period != PERIOD_NONE) {
		map_fini(&t->map);
		map_fini(&t->dirty);
	}
	*t = (struct totals){ 0 };
}

void period_tick(struct totals *t, int64_t now_ms)
{
	if (t->period == PERIOD_NONE || (now_ms >= t->start_ms && now_ms < t->end_ms))
		return;
	map_clear(&t->map);
	map_clear(&t->dirty);
	t->ticket = 0; /* what came before it belongs to another period */
	t->start_ms = boundary_ms(t, now_ms, 0);
	t->end_ms = boundary_ms(t, now_ms, 1);
}

static int by_bytes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Half of the keys go: those with the fewest octets. */
static void thin(struct totals *t)
{
	uint64_t *bytes = xcalloc(t->map.n, sizeof(*bytes)), limit;
	uint32_t at = 0, n = 0;
	struct map kept;
	const void *k;
	void *v;

	while (map_next(&t->map, &at, &k, &v))
		bytes[n++] = ((struct sums *)v)->bytes;
	qsort(bytes, n, sizeof(*bytes), by_bytes);
	limit = bytes[n / 2];
	free(bytes);
	map_init(&kept, t->map.key, sizeof(struct sums), TOTALS_MAX);
	at = 0;
	while (map_next(&t->map, &at, &k, &v))
		if (((struct sums *)v)->bytes > limit)
			*(struct sums *)map_put(&kept, k, NULL) = *(struct sums *)v;
	map_fini(&t->map);
	t->map = kept;
}

void period_add(struct totals *t, const struct key *k, const struct sums *s)
{
	struct sums *sum;

	if (t->map.n == TOTALS_MAX && !map_get(&t->map, k))
		thin(t);
	sum = map_put(&t->map, k, NULL);
	if (!sum)
		return;
	sums_add(sum, s);
	map_put(&t->dirty, k, NULL);
}

void window_totals(struct window *w, window_total_f *fn, void *arg)
{
	for (unsigned i = 0; i < w->n_views; i++) {
		struct totals *t = &w->views[i].totals;
		struct key key = { 0 };
		const void *k;
		void *v;
		uint32_t at = 0;

		if (t->period == PERIOD_NONE || t->ticket)
			continue;
		while (map_next(&t->dirty, &at, &k, &v)) {
			const struct sums *s = map_get(&t->map, k);

			memcpy(key.b, k, t->map.key);
			if (s)
				fn(arg, i, &key, t->start_ms / 1000, s);
		}
		map_clear(&t->dirty);
	}
}

struct sums period_of(const struct totals *t, const struct key *k, int64_t *start_ms,
		      int64_t *end_ms)
{
	const struct sums *s = t->period == PERIOD_NONE ? NULL : map_get(&t->map, k);

	*start_ms = t->start_ms;
	*end_ms = t->end_ms;
	return s ? *s : (struct sums){ 0 };
}

unsigned window_total_ask(struct window *w, unsigned view, int64_t *start_ms)
{
	struct totals *t = &w->views[view].totals;
	bool wanted = t->period != PERIOD_NONE && t->young && !t->map.n;

	t->young = false;
	if (!wanted)
		return 0;
	*start_ms = t->start_ms;
	if (!++w->tickets)
		w->tickets++;
	return t->ticket = w->tickets;
}

bool window_total_past(struct window *w, unsigned view, unsigned ticket, const struct key *k,
		       const struct sums *past)
{
	struct totals *t = &w->views[view].totals;

	if (!ticket || t->ticket != ticket)
		return false;
	period_add(t, k, past);
	return true;
}

void window_total_told(struct window *w, unsigned view, unsigned ticket)
{
	struct totals *t = &w->views[view].totals;

	if (t->ticket == ticket)
		t->ticket = 0;
}

void window_total_set(struct window *w, unsigned view, const struct key *k,
		      int64_t start_s, const struct sums *total)
{
	struct totals *t = &w->views[view].totals;
	struct sums *s;

	if (t->period == PERIOD_NONE || start_s != t->start_ms / 1000)
		return;
	s = map_put(&t->map, k, NULL);
	if (s)
		*s = *total;
}
