/* totals.c - sums since the start of a local day, week (Monday) or month.
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

#include <stdlib.h>
#include <time.h>

enum { TOTALS_MAX = 1 << 18 };

static int64_t midnight_ms(int64_t now_ms, enum calendar c, int step)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm;

	localtime_r(&t, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (c == CALENDAR_WEEK)
		tm.tm_mday -= (tm.tm_wday + 6) % 7;
	if (c == CALENDAR_MONTH)
		tm.tm_mday = 1;
	if (c == CALENDAR_DAY)
		tm.tm_mday += step;
	else if (c == CALENDAR_WEEK)
		tm.tm_mday += 7 * step;
	else
		tm.tm_mon += step;
	return (int64_t)mktime(&tm) * 1000;
}

void totals_init(struct totals *t, enum calendar c, size_t key_octets, int64_t now_ms)
{
	*t = (struct totals){ .calendar = c };
	if (c == CALENDAR_NONE)
		return;
	map_init(&t->map, key_octets, sizeof(struct sums), TOTALS_MAX);
	map_init(&t->dirty, key_octets, 1, TOTALS_MAX);
	totals_tick(t, now_ms);
}

void totals_fini(struct totals *t)
{
	if (t->calendar != CALENDAR_NONE) {
		map_fini(&t->map);
		map_fini(&t->dirty);
	}
	*t = (struct totals){ 0 };
}

void totals_tick(struct totals *t, int64_t now_ms)
{
	if (t->calendar == CALENDAR_NONE || (now_ms >= t->start_ms && now_ms < t->end_ms))
		return;
	map_clear(&t->map);
	map_clear(&t->dirty);
	t->start_ms = midnight_ms(now_ms, t->calendar, 0);
	t->end_ms = midnight_ms(now_ms, t->calendar, 1);
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

void totals_add(struct totals *t, const struct key *k, const struct sums *s)
{
	struct sums *sum;

	if (t->map.n == TOTALS_MAX && !map_get(&t->map, k))
		thin(t);
	sum = map_put(&t->map, k, NULL);
	if (!sum)
		return;
	sum->bytes += s->bytes;
	sum->packets += s->packets;
	sum->flows += s->flows;
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

		if (t->calendar == CALENDAR_NONE)
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

struct sums window_total(struct window *w, unsigned view, const struct key *k,
			 int64_t *start_s, int64_t *end_s)
{
	struct totals *t = &w->views[view].totals;
	const struct sums *s = t->calendar == CALENDAR_NONE ? NULL : map_get(&t->map, k);

	*start_s = t->start_ms / 1000;
	*end_s = t->end_ms / 1000;
	return s ? *s : (struct sums){ 0 };
}

void window_total_set(struct window *w, unsigned view, const struct key *k,
		      int64_t start_s, const struct sums *total)
{
	struct totals *t = &w->views[view].totals;
	struct sums *s;

	if (t->calendar == CALENDAR_NONE || start_s != t->start_ms / 1000)
		return;
	s = map_put(&t->map, k, NULL);
	if (s)
		*s = *total;
}
