/* flaps.c - how often the same series fired lately.
 * SPDX-License-Identifier: ISC
 *
 * The last twenty times of each series are enough: a limit of flapping above that
 * would be one that nobody ever meets. A full table forgets what is old first; a series
 * that finds no place is simply not damped, since a message too many does less harm
 * than one too few.
 */
#include "rules/flaps.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { KEY = 16 };

static void key_of(const char *fingerprint, char key[static KEY])
{
	memset(key, 0, KEY);
	memcpy(key, fingerprint, strnlen(fingerprint, KEY));
}

void flaps_init(struct flaps *f)
{
	map_init(&f->map, KEY, sizeof(struct flap), FLAPS_SERIES);
}

void flaps_fini(struct flaps *f)
{
	map_fini(&f->map);
}

static void push(struct flap *x, int64_t at_ms)
{
	if (x->n == FLAPS_TIMES)
		memmove(x->at_ms, x->at_ms + 1, --x->n * sizeof(x->at_ms[0]));
	x->at_ms[x->n++] = at_ms;
}

unsigned flaps_fired(struct flaps *f, const char *fingerprint, int64_t now_ms, int64_t window_ms)
{
	char key[KEY];
	struct flap *x;
	unsigned old = 0;

	key_of(fingerprint, key);
	x = map_put(&f->map, key, NULL);
	if (!x)
		return 0;
	push(x, now_ms);
	while (old < x->n && (x->at_ms[old] <= now_ms - window_ms || x->at_ms[old] > now_ms))
		old++;
	x->n -= old;
	memmove(x->at_ms, x->at_ms + old, x->n * sizeof(x->at_ms[0]));
	return x->n;
}

const struct flap *flaps_get(const struct flaps *f, const char *fingerprint)
{
	char key[KEY];

	key_of(fingerprint, key);
	return map_get(&f->map, key);
}

void flaps_set(struct flaps *f, const char *fingerprint, const int64_t *at_ms, unsigned n)
{
	char key[KEY];
	struct flap *x;

	key_of(fingerprint, key);
	x = map_put(&f->map, key, NULL);
	for (unsigned i = 0; x && i < n; i++)
		push(x, at_ms[i]);
}

void flaps_sweep(struct flaps *f, int64_t now_ms, int64_t window_ms,
		 void (*gone)(void *arg, const char *fingerprint), void *arg)
{
	char (*old)[KEY + 1] = xcalloc(f->map.n ? f->map.n : 1, sizeof(*old));
	const void *k;
	uint32_t at = 0, n = 0;
	void *v;

	while (map_next(&f->map, &at, &k, &v)) {
		const struct flap *x = v;

		if (!x->n || x->at_ms[x->n - 1] <= now_ms - window_ms)
			memcpy(old[n++], k, KEY);
	}
	for (uint32_t i = 0; i < n; i++) {
		gone(arg, old[i]);
		map_del(&f->map, old[i]);
	}
	free(old);
}
