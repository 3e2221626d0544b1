/* backtest_bins.c - bins of history through the rules.
 * SPDX-License-Identifier: ISC
 *
 * A tape is what is known of one series: a ring of its bins, filled a day at a time, so
 * memory does not grow with the range. Rules look at tapes as they look at the
 * windows, through struct slices: a bin's sums lie evenly in the slices in which we were
 * there to see. Rules are judged once a bin, which judges every window that ended in
 * it. A bin is settled when the next one is over: so a detector is asked about a window
 * before it has learnt from it, as it would have been.
 *
 * What a bin does not tell (when in its five minutes the bytes came) is made good by its
 * peak, the largest sliding window, where the measure is of bytes (D6).
 */
#include "daemon/backtest_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/window/view.h"
#include "rules/eval.h"
#include "storage/store.h"

enum {
	RING = 512,
	DAY_BINS = 288,
	LATE = 2 * BIN_SLICES,
	SPAN = 500,
	TAPES_MAX = 1 << 17,
	FULL = (1 << BIN_SLICES) - 1,
	FAKE_INDEX = 0x7f000000,
	FAKES = 1 << 23
};

struct tape_bin {
	int64_t number; /* of the bin since 1970; another: nothing is known */
	struct sums sums;
	uint32_t covered;
	double peak, gauge;
	struct sums most; /* of a slice */
};

struct tape {
	struct key key;
	char *name;    /* in history */
	int64_t first; /* bin; INT64_MAX: none yet */
	int64_t last;
	struct tape_bin *ring; /* RING of them; NULL: nothing came in the last days */
};

struct tapes { /* of one view */
	struct rule_view view;
	struct measure measure;
	char *prefix;
	struct map by_key; /* struct key -> struct tape * */
	struct totals totals;
	struct key asked; /* last, and its tape: one is asked about many times in a row */
	struct tape *answer;
};

struct covered { /* of the bin that was asked about last: its slices are, one by one */
	struct key key;
	enum by by;
	int64_t number; /* 0: none yet */
	uint32_t slices;
};

struct bins {
	struct backtest_part *p;
	struct tapes *of; /* by view */
	unsigned n_views;
	struct store *store;
	struct eval *eval;
	struct err *err;
	struct tapes *loading;
	struct tape *filling;
	struct covered covered;
	int64_t bin; /* that is judged */
};

/* ---- struct slices over tapes ---- */

static struct tape *tape_of(const struct bins *b, unsigned view, const struct key *k)
{
	struct tapes *of = &b->of[view];
	struct tape **t;

	if (of->answer && !memcmp(&of->asked, k, sizeof(*k)))
		return of->answer;
	t = map_get(&of->by_key, k);
	of->asked = *k;
	of->answer = t ? *t : NULL;
	return of->answer;
}

static const struct tape_bin *bin_at(const struct tape *t, int64_t number)
{
	const struct tape_bin *b =
	    t && t->ring ? &t->ring[(uint64_t)number % RING] : NULL;

	return b && b->number == number ? b : NULL;
}

/* v in parts, in integers that add up: the first `more` have one more than `each`. */
struct parts {
	uint64_t each, more;
};

static struct parts parts_of(uint64_t v, unsigned n)
{
	return (struct parts){ v / n, v % n };
}

static uint64_t part(struct parts p, unsigned i)
{
	return p.each + (i < p.more);
}

static void spread(const struct tape_bin *b, unsigned from, unsigned to, struct sums *out)
{
	uint32_t seen = b->covered ? b->covered : FULL;
	unsigned n = (unsigned)__builtin_popcount(seen);
	unsigned at = (unsigned)__builtin_popcount(seen & ((UINT32_C(1) << from) - 1));
	struct parts bytes = parts_of(b->sums.bytes, n), packets = parts_of(b->sums.packets, n);
	struct parts flows = parts_of(b->sums.flows, n);

	for (unsigned i = from; i < to; i++, out++) {
		if (!(seen >> i & 1))
			continue;
		*out = (struct sums){ part(bytes, at), part(packets, at), part(flows, at) };
		at++;
	}
}

static struct sums sums_of(void *arg, unsigned view, const struct key *k, int64_t first,
			   unsigned n, struct sums *out)
{
	const struct tape *t = tape_of(arg, view, k);

	memset(out, 0, n * sizeof(*out));
	for (int64_t s = first, end = first + n; s < end;) {
		int64_t number = s / BIN_SLICES, next = (number + 1) * BIN_SLICES;
		const struct tape_bin *b = bin_at(t, number);

		if (next > end)
			next = end;
		if (b)
			spread(b, (unsigned)(s - number * BIN_SLICES),
			       (unsigned)(next - number * BIN_SLICES), out + (s - first));
		s = next;
	}
	return (struct sums){ 0 };
}

/* Of whole bins only; others are not asked for (backtest_why_flows). */
static double gauge_of(void *arg, unsigned view, const struct key *k, int64_t first,
		       unsigned n)
{
	const struct tape_bin *b =
	    bin_at(tape_of(arg, view, k), (first + n - 1) / BIN_SLICES);

	return b ? b->gauge : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct sums bound_of(void *arg, unsigned view, const struct key *k, int64_t first,
			    unsigned n)
{
	const struct tape *t = tape_of(arg, view, k);
	int64_t last = (first + n - 1) / BIN_SLICES;
	struct sums most = { 0 };

	for (int64_t i = first / BIN_SLICES; i <= last; i++) {
		const struct tape_bin *b = bin_at(t, i);

		if (!b)
			continue;
		most.bytes = larger(most.bytes, b->most.bytes);
		most.packets = larger(most.packets, b->most.packets);
		most.flows = larger(most.flows, b->most.flows);
	}
	return most;
}

static double peak_of(void *arg, unsigned view, const struct key *k, int64_t s)
{
	const struct bins *all = arg;
	const struct tape_bin *b = bin_at(tape_of(all, view, k), s / BIN_SLICES);

	return b && all->of[view].measure.kind == MEASURE_BYTES ? b->peak : 0;
}

static struct sums total_of(void *arg, unsigned view, const struct key *k,
			    int64_t *start_ms, int64_t *end_ms)
{
	return period_of(&((struct bins *)arg)->of[view].totals, k, start_ms, end_ms);
}

/* Coverage belongs to a series; which of several views told it does not matter. */
static uint32_t seen_in(const struct bins *b, enum by by, const struct key *k, int64_t number)
{
	uint32_t slices = 0;

	for (unsigned v = 0; v < b->n_views; v++) {
		const struct tape_bin *at = NULL;

		if (b->of[v].view.by == by)
			at = bin_at(tape_of(b, v, k), number);
		if (at)
			slices |= at->covered;
	}
	return slices;
}

static bool covered_of(void *arg, enum by by, const struct key *k, int64_t s)
{
	struct bins *b = arg;
	struct covered *c = &b->covered;
	int64_t number = s / BIN_SLICES;

	if (c->number != number || c->by != by || memcmp(&c->key, k, sizeof(*k)))
		*c = (struct covered){ *k, by, number, seen_in(b, by, k, number) };
	return c->slices >> (s % BIN_SLICES) & 1;
}

static void missing_of(void *arg, enum by by, const struct key *k, int64_t first, unsigned n,
		       bool *out)
{
	int64_t number = INT64_MIN;
	uint32_t slices = 0;

	for (int64_t s = first; s < first + n; s++) {
		if (s / BIN_SLICES != number) {
			number = s / BIN_SLICES;
			slices = seen_in(arg, by, k, number);
		}
		*out++ = !(slices >> (s % BIN_SLICES) & 1);
	}
}

static int64_t lateness_of(void *arg, enum by by, const struct key *k)
{
	(void)arg;
	(void)by;
	(void)k;
	return BIN_MS;
}

/* ---- tapes ---- */

/* An interface that its exporter named and the configuration does not: any number will
 * do, the name is what it is known by. It comes from the name, so that runs side by side
 * find the same. */
static void name_interface(struct names *names, uint32_t exporter, const char *name)
{
	uint32_t index = FAKE_INDEX + (uint32_t)(map_hash(name, strlen(name)) % FAKES);
	struct interface i;

	for (;; index++) {
		names_interface(names, exporter, index, &i);
		if (!*i.name || !strcmp(i.name, name))
			break;
	}
	names_interface_set(names, exporter, index, name, 0, TOLD_EXPORTER);
}

static void learn_interface(struct bins *b, const char *id)
{
	struct names *names = b->p->o->names;
	const char *slash = strchr(id, '/'), *end = strrchr(id, '/');
	char exporter[SERIES_TEXT], name[SERIES_TEXT];
	enum by by;
	struct key k;
	uint32_t x;

	if (strncmp(id, "interface=", 10) || !slash || slash == end || slash[1] == '#')
		return;
	snprintf(exporter, sizeof(exporter), "exporter=%.*s", (int)(slash - id - 10),
		 id + 10);
	snprintf(name, sizeof(name), "%.*s", (int)(end - slash - 1), slash + 1);
	if (!key_parse(exporter, names, &by, &k))
		return;
	memcpy(&x, k.b, sizeof(x));
	if (names_interface_find(names, x, name) < 0)
		name_interface(names, x, name);
}

static bool add_tape(void *arg, const char *text)
{
	struct bins *b = arg;
	struct tapes *t = b->loading;
	const char *id = text + strlen(t->prefix);
	struct tape **at, *new;
	enum by by;
	struct key k;
	bool fresh;

	if (b->p->o->wanted && !b->p->o->wanted(b->p->o->arg, text))
		return true;
	learn_interface(b, id);
	if (!key_parse(id, b->p->o->names, &by, &k) || by != t->view.by)
		return true;
	at = map_put(&t->by_key, &k, &fresh);
	if (!at || !fresh)
		return true;
	*at = new = xcalloc(1, sizeof(*new));
	new->key = k;
	new->name = xstrdup(text);
	new->first = INT64_MAX;
	new->last = INT64_MIN;
	return true;
}

static bool add_exporter(void *arg, const char *key, const void *data, size_t len)
{
	struct bins *b = arg;

	(void)data;
	(void)len;
	names_exporter_recall(b->p->o->names, key);
	return true;
}

/* Its parts are spread over the slices that were seen (spread); its peak is a window's. */
static struct sums most_of(const struct bin *b)
{
	unsigned n = (unsigned)__builtin_popcount(b->covered ? b->covered : FULL);
	double peak = b->peak > 0 ? b->peak / BIN_SLICES : 0;

	return (struct sums){ larger(b->bytes / n + 1, (uint64_t)peak + 1), b->packets / n + 1,
			      b->flows / n + 1 };
}

static bool fill_bin(void *arg, const struct bin *bin)
{
	struct bins *b = arg;
	struct tape *t = b->filling;
	int64_t number = bin->start_s / STEP_BIN;

	if (!t->ring) {
		t->ring = xcalloc(RING, sizeof(*t->ring));
		for (unsigned i = 0; i < RING; i++)
			t->ring[i].number = -1;
	}
	t->ring[(uint64_t)number % RING] = (struct tape_bin){
		number,	      { bin->bytes, bin->packets, bin->flows },
		bin->covered, bin->peak,
		bin->gauge,    most_of(bin),
	};
	if (number < t->first)
		t->first = number;
	if (number > t->last)
		t->last = number;
	b->p->out->bins++;
	return true;
}

typedef bool tape_f(struct bins *b, unsigned view, struct tape *t);

static bool each_tape(struct bins *b, tape_f *fn)
{
	for (unsigned v = 0; v < b->n_views; v++) {
		const void *k;
		void *t;
		uint32_t at = 0;

		while (map_next(&b->of[v].by_key, &at, &k, &t))
			if (!fn(b, v, *(struct tape **)t))
				return false;
	}
	return true;
}

static bool load_day(struct bins *b, unsigned view, struct tape *t)
{
	int64_t to = b->bin + DAY_BINS, end = b->p->o->to_ms / BIN_MS;

	(void)view;
	if (t->ring && t->last < b->bin - DAY_BINS) {
		free(t->ring);
		t->ring = NULL;
	}
	b->filling = t;
	b->covered.number = 0;
	return store_each_bin(b->store, t->name, STEP_BIN, b->bin * STEP_BIN,
			      (to < end ? to : end) * STEP_BIN, fill_bin, b, b->err);
}

/* ---- time ---- */

static struct span open_at(int64_t bin)
{
	int64_t newest = (bin + 1) * BIN_SLICES - 1;

	return (struct span){ newest - SPAN, newest };
}

/* What came with this bin: totals, and for large groups the key itself. */
static bool arrive(struct bins *b, unsigned view, struct tape *t)
{
	struct tapes *of = &b->of[view];
	const struct tape_bin *bin = bin_at(t, b->bin);

	if (!bin)
		return true;
	if (of->view.period != PERIOD_NONE)
		period_add(&of->totals, &t->key, &bin->sums);
	if (!by_is_small(of->view.by))
		eval_key(b->eval, view, &t->key, b->bin * BIN_SLICES, open_at(b->bin),
			 (b->bin + 1) * BIN_MS);
	return true;
}

static void known(void *arg, unsigned view,
		  void (*fn)(void *arg, unsigned view, const struct key *k,
			     int64_t newest),
		  void *fn_arg)
{
	struct bins *b = arg;
	const void *k;
	void *t;
	uint32_t at = 0;

	while (map_next(&b->of[view].by_key, &at, &k, &t)) {
		const struct tape *tape = *(struct tape **)t;

		if (tape->first <= b->bin)
			fn(fn_arg, view, &tape->key, b->bin * BIN_SLICES);
	}
}

static void judge_bin(struct bins *b)
{
	int64_t now_ms = (b->bin + 1) * BIN_MS;

	for (unsigned v = 0; v < b->n_views; v++)
		period_tick(&b->of[v].totals,
			    now_ms - 1); /* midnight ends this bin's day */
	each_tape(b, arrive);
	eval_tick(b->eval, open_at(b->bin), now_ms, true);
}

static bool run(struct bins *b)
{
	const struct backtest_opts *o = b->p->o;
	int64_t from = o->from_ms / BIN_MS, to = o->to_ms / BIN_MS;

	for (b->bin = from; b->bin < to; b->bin++) {
		if ((b->bin - from) % DAY_BINS == 0) {
			if (o->stop && *o->stop)
				return err_set(b->err, "it was broken off");
			if (o->progress)
				o->progress(o->arg, (uint64_t)(b->bin - from),
					    (uint64_t)(to - from));
			if (!each_tape(b, load_day))
				return false;
		}
		judge_bin(b);
	}
	return true;
}

/* ---- the whole ---- */

static void emit(void *arg, struct alert *a)
{
	backtest_take(((struct bins *)arg)->p, a);
}

static bool open_store(struct bins *b)
{
	const struct config *c = b->p->o->config;
	struct store_opts so = { .read_only = true,
				 .password_file = c->history.password_file };

	b->store = store_open(c->history.url, &so, b->err);
	return b->store &&
	       store_each_blob(b->store, "exporter", "", add_exporter, b, b->err);
}

static bool open_tapes(struct bins *b)
{
	struct rule_view *views = rules_views(&b->p->rules, &b->n_views);
	bool ok = true;

	b->of = xcalloc(b->n_views + 1, sizeof(*b->of));
	for (unsigned v = 0; v < b->n_views; v++) {
		struct tapes *t = &b->of[v];

		t->view = views[v];
		t->measure = views[v].measure;
		t->prefix = rule_view_series(&views[v]);
		map_init(&t->by_key, sizeof(struct key), sizeof(struct tape *),
			 TAPES_MAX);
		period_init(&t->totals, b->p->o->calendar, views[v].period,
			    by_octets(views[v].by), b->p->o->from_ms);
		b->loading = t;
		ok = ok && store_each_series(b->store, t->prefix, add_tape, b, b->err);
	}
	free(views);
	return ok;
}

static bool free_tape(struct bins *b, unsigned view, struct tape *t)
{
	(void)b;
	(void)view;
	free(t->name);
	free(t->ring);
	free(t);
	return true;
}

static void close_tapes(struct bins *b)
{
	each_tape(b, free_tape);
	for (unsigned v = 0; v < b->n_views; v++) {
		map_fini(&b->of[v].by_key);
		period_fini(&b->of[v].totals);
		free(b->of[v].prefix);
	}
	free(b->of);
	if (b->store)
		store_close(&b->store);
}

/* How many series a rule had, and over which time. */
static void tell(const struct bins *b)
{
	for (unsigned i = 0; i < b->p->rules.n; i++) {
		struct backtest_rule *r = &b->p->out->rule[b->p->number[i]];
		const struct tapes *of = &b->of[b->p->rules.at[i].view];
		int64_t first = INT64_MAX, last = INT64_MIN;
		const void *k;
		void *v;
		uint32_t at = 0;

		while (map_next(&of->by_key, &at, &k, &v)) {
			const struct tape *t = *(struct tape **)v;

			r->series += t->first != INT64_MAX;
			first = t->first < first ? t->first : first;
			last = t->last > last ? t->last : last;
		}
		if (r->series) {
			r->first_ms = first * BIN_MS;
			r->last_ms = (last + 1) * BIN_MS;
		}
	}
}

bool backtest_bins(struct backtest_part *p, struct err *err)
{
	struct bins b = { .p = p, .err = err };
	struct slices slices = { .arg = &b,
				 .sums = sums_of,
				 .gauge = gauge_of,
				 .total = total_of,
				 .covered = covered_of,
				 .missing = missing_of,
				 .peak = peak_of,
				 .bound = bound_of,
				 .lateness = lateness_of };
	struct eval_opts eo = { .names = p->o->names,
				.calendar = p->o->calendar,
				.slices = &slices,
				.emit = emit,
				.known = known,
				.late = LATE,
				.arg = &b,
				.detector_memory = p->o->config->memory / 8 };
	size_t copies = p->o->copies ? p->o->copies : 1;
	bool ok = open_store(&b) && open_tapes(&b);

	if (ok) {
		eo.detector_memory *= copies;
		b.eval = eval_new(&eo);
		eval_rules(b.eval, &p->rules, p->o->from_ms);
		ok = run(&b);
		tell(&b);
		if (ok && p->o->baseline)
			eval_save(b.eval, true, p->o->baseline, p->o->arg);
		eval_free(&b.eval);
	}
	close_tapes(&b);
	return ok;
}
