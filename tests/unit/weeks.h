/* weeks.h - weeks of link traffic through the daemon's own engine, on a fast clock.
 * SPDX-License-Identifier: ISC
 *
 * What is said of five minutes of a link (bits a second, or nothing: a gap) becomes a flow
 * a minute and interface, unevenly, as an exporter with a timeout of a minute reports
 * them. Windows, rules, baselines and history are those of the daemon, and so is the
 * order of things: flows are counted, then time goes on and is judged.
 */
#ifndef CUL_TESTS_WEEKS_H
#define CUL_TESTS_WEEKS_H

#include "daemon/analysis.h"
#include "daemon/base/mem.h"
#include "detectors/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEEKS_ALERTS = 4000, WEEKS_MIN_MS = 60000, WEEKS_LINKS = 64 };

struct weeks_alert {
	char id[ALERT_ID];
	unsigned link;     /* number of its interface; 0: of another rule */
	bool below, held;  /* held: by budget_total, as it was told last */
	unsigned held_before;
	char view[48], why[256];
	int64_t started_ms, ended_ms; /* ended 0: it lasts */
};

struct weeks {
	struct names *names;
	struct analysis *a;
	int64_t now_ms;
	uint64_t seed;
	int64_t quiet_from_ms, quiet_to_ms; /* a silence: nothing trains */
	struct weeks_alert alert[WEEKS_ALERTS];
	size_t n;
};

static inline double weeks_draw(uint64_t *seed) /* 0 .. 1 */
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 33) / 2147483648.0;
}

static inline void weeks_take(void *arg, struct alert *a)
{
	struct weeks *w = arg;
	struct weeks_alert *x = NULL;
	uint32_t word[3];

	for (size_t i = w->n; i-- > 0 && !x;)
		if (!strcmp(w->alert[i].id, a->id))
			x = &w->alert[i];
	memcpy(word, a->key.b, sizeof(word));
	/* Flows that leave nowhere are all of them together out of interface 0. */
	if (!x && w->n < WEEKS_ALERTS && (a->by != BY_INTERFACE || !word[2])) {
		x = &w->alert[w->n++];
		memcpy(x->id, a->id, sizeof(x->id));
		x->link = a->by == BY_INTERFACE ? word[1] : 0;
		x->below = a->below;
		x->started_ms = a->started_ms;
		if (a->view)
			strncpy(x->view, a->view, sizeof(x->view) - 1);
	}
	if (x && a->state == ALERT_FIRING) {
		x->held = a->over_budget;
		x->held_before = a->held_before;
	}
	if (x && a->state == ALERT_RESOLVED) {
		x->ended_ms = a->ended_ms;
		if (a->why)
			strncpy(x->why, a->why, sizeof(x->why) - 1);
	}
	alert_unref(&a);
}

static inline bool weeks_untrained(void *arg, const struct rule *r, const struct key *k,
				   int64_t from_ms, int64_t to_ms)
{
	const struct weeks *w = arg;

	(void)r;
	(void)k;
	return from_ms < w->quiet_to_ms && to_ms > w->quiet_from_ms;
}

/* A detector over the inbound side of each interface; the rule's options are the
 * detector's own but for `budget` (0: its own too). */
static inline struct rules *weeks_rules(const char *detector, double budget)
{
	struct rules *r = xcalloc(1, sizeof(*r));
	const struct detector *d = detector_find(detector);
	const struct opt *o = opt_find(d->opts, "budget");

	r->at = xcalloc(2, sizeof(*r->at));
	r->n = 2;
	*r->at = (struct rule){ .name = xstrdup("traffic"),
				.filter = filter_compile("not in if 0", NULL),
				.by = BY_INTERFACE, .window = BIN_SLICES, .above = NAN,
				.below = NAN, .clear = NAN, .warn = NAN, .detector = d,
				.conf = xcalloc(1, d->conf_size) };
	opt_defaults(d->opts, r->at->conf);
	if (o && budget > 0)
		*(double *)((char *)r->at->conf + o->off) = budget;
	r->at[1] = (struct rule){ .name = xstrdup("exporter-silent"),
				  .filter = filter_compile("", NULL), .above = NAN,
				  .below = NAN, .clear = NAN, .warn = NAN,
				  .pattern = &pattern_silence,
				  .conf = xcalloc(1, pattern_silence.conf_size) };
	opt_defaults(pattern_silence.opts, r->at[1].conf);
	return r;
}

static inline struct weeks *weeks_new(const struct calendar *cal, struct writer *writer,
				      struct rules *rules, int64_t from_s)
{
	struct weeks *w = xcalloc(1, sizeof(*w));
	struct analysis_opts o = { .calendar = cal, .writer = writer, .alert = weeks_take,
				   .untrained = weeks_untrained, .arg = w, .late_ms = 600000, .memory = 64 << 20 };
	struct addr a;

	w->names = o.names = names_new(4);
	addr_parse("192.0.2.1", &a);
	names_exporter(w->names, &a, 0)->ledger.lateness_ms = WEEKS_MIN_MS;
	w->now_ms = from_s * 1000;
	w->seed = 1;
	w->a = analysis_new(&o, rules, w->now_ms);
	return w;
}

static inline void weeks_free(struct weeks **w)
{
	analysis_free(&(*w)->a);
	names_free(&(*w)->names);
	free(*w);
	*w = NULL;
}

static inline void weeks_flow(struct weeks *w, struct block *b, unsigned link, double octets)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_bytes,
					   F_packets, F_exporter, F_in_if };
	uint32_t r = b->n++;

	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(b, used[i]);
	b->start_ms[r] = w->now_ms - WEEKS_MIN_MS;
	b->end_ms[r] = w->now_ms - 1;
	b->received_ms[r] = w->now_ms + 500;
	b->bytes[r] = (uint64_t)octets;
	b->packets[r] = (uint64_t)octets / 800 + 1;
	b->in_if[r] = link;
}

/* Five minutes go by. bps: of links 1 .. n; NAN for one: the exporter says nothing at all. */
static inline void weeks_bin(struct weeks *w, unsigned n, const double *bps)
{
	double part[WEEKS_LINKS][5], sum[WEEKS_LINKS] = { 0 };
	struct block *b = block_new(w->names);

	for (unsigned i = 0; i < n; i++)
		for (int m = 0; m < 5; m++)
			sum[i] += part[i][m] = 0.75 + weeks_draw(&w->seed) / 2;
	for (int m = 0; m < 5; m++) {
		w->now_ms += WEEKS_MIN_MS;
		for (unsigned i = 0; i < n; i++)
			if (!isnan(bps[i]))
				weeks_flow(w, b, i + 1,
					   bps[i] * 300 / 8 * part[i][m] / sum[i]);
		if (b->n)
			analysis_block(w->a, b, w->now_ms + 500);
		block_reset(b);
		analysis_tick(w->a, w->now_ms + 500, true);
	}
	block_unref(&b);
}

#endif
