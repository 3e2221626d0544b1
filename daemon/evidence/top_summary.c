/* top_summary.c - a top list from the summaries of whole files, exactly.
 * SPDX-License-Identifier: ISC
 *
 * Of a file whose flows all count wholly, its summary tells the keys that have most and
 * a bound on any other. Other files (the edges of the time, the open file, those without
 * a summary) are read, and so are known wholly. All put together, a key has at
 * least what was told of it, and at most that and the bounds of the files that do
 * not list it. Let v be the n-th largest of what is certain:
 *
 * - are the bounds together v or more, a key that no file lists could be among the
 *   first n: then the flows are read after all;
 * - else only keys whose most reaches v can be (Fagin's threshold algorithm). What is
 *   not yet known of those few is looked up: in the summaries, whose second list of
 *   hosts also tells who is not in a file at all, and for what those do not tell in the
 *   flows, where a filter for the few lets most blocks be passed over.
 *
 * The answer is that of the flows to the byte, except that nobody knows how many
 * different keys there were.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"

#include <string.h>

enum { CANDIDATES_MAX = 4096, FILTERED_MAX = 48 };

static const uint64_t memory_default = 64 << 20;

struct entry {
	struct sums sums, credit; /* told of it; bounds of the files that list it */
	uint32_t listed;          /* in how many files that do not tell all */
};

struct summed {
	struct top *t;
	enum list_kind kind;
	struct map seen;       /* key -> struct entry */
	struct sums bound;     /* of all files that do not tell all of theirs */
	struct sums total;
	uint32_t files, partial;
	bool full, wraps, decided, again; /* again: `known` is to be completed */
	struct map known;      /* candidates: key -> struct sums, in the second round */
};

/* ---- which list ---- */

static enum list_kind kind_of(const struct top_query *q)
{
	static const enum by flow[] = { BY_SRC, BY_DST, BY_SRC_PORT, BY_DST_PORT,
					BY_PROTO };
	static const struct {
		enum by by;
		enum list_kind kind;
	} single[] = {
		{ BY_HOST, LIST_HOST },	    { BY_SRC, LIST_SRC },
		{ BY_DST, LIST_DST },	    { BY_PAIR, LIST_PAIR },
		{ BY_PORT, LIST_PORT },	    { BY_PROTO, LIST_PROTO },
		{ BY_AS, LIST_AS },	    { BY_SRC_AS, LIST_SRC_AS },
		{ BY_DST_AS, LIST_DST_AS }, { BY_EXPORTER, LIST_EXPORTER },
		{ BY_INTERFACE, LIST_INTERFACE },
	};
	bool is_flow = true;

	for (unsigned i = 0; i < q->n_keys; i++) {
		if (q->keys[i].is_field)
			return LIST_KINDS + 1;
		is_flow &= i < ARRAY_LEN(flow) && q->keys[i].by == flow[i];
	}
	if (!q->n_keys)
		return LIST_NONE;
	if (q->n_keys == 2 && is_flow)
		return LIST_PAIR;
	if (q->n_keys == ARRAY_LEN(flow) && is_flow)
		return LIST_FLOW;
	for (size_t i = 0; q->n_keys == 1 && i < ARRAY_LEN(single); i++)
		if (single[i].by == q->keys[0].by)
			return single[i].kind;
	return LIST_KINDS + 1;
}

static bool may_answer(const struct top_query *q, enum list_kind kind)
{
	return !q->no_summaries && kind <= LIST_NONE && filter_is_all(q->filter) &&
	       !q->only && !q->among && !q->both_ways;
}

/* ---- the first round ---- */

static void add_totals(struct summed *m, const struct summary *s)
{
	struct sums all = { s->totals.bytes, s->totals.packets, s->totals.flows };
	const struct sums *more = m->kind == LIST_INTERFACE ? &all : &s->counted;

	m->wraps |= __builtin_add_overflow(m->total.bytes, more->bytes, &m->total.bytes);
	m->wraps |=
	    __builtin_add_overflow(m->total.packets, more->packets, &m->total.packets);
	m->total.flows += more->flows;
	if (s->sampling > m->t->out->sampling)
		m->t->out->sampling = s->sampling;
}

static bool take(void *arg, const struct summary *s, struct summary_reader *r,
		 struct name_sink *sink)
{
	struct summed *m = arg;
	bool none = m->kind == LIST_NONE;
	const struct list_info *info = none ? NULL : &s->list[m->kind];
	bool whole = none || list_whole(info);
	struct list l = { 0 };

	if (!none && !summary_list(r, m->kind, sink, &l))
		return false;
	for (uint32_t i = 0; i < l.n && !m->full; i++) {
		struct entry *e =
		    map_put(&m->seen, l.keys + i * m->t->shape.size, NULL);

		m->full |= !e;
		if (!e)
			break;
		sums_add(&e->sums, &l.sums[i]);
		if (!whole)
			sums_add(&e->credit, &info->bound);
		e->listed += !whole;
	}
	if (!whole)
		sums_add(&m->bound, &info->bound);
	m->partial += !whole;
	m->files++;
	add_totals(m, s);
	return true;
}

/* What was counted in flows. */
static void pour_flows(struct summed *m)
{
	for (unsigned i = 0; i < m->t->n_workers && !m->full; i++) {
		struct map *map = &m->t->workers[i].map;
		const void *key;
		void *v;
		uint32_t at = 0;

		while (!m->full && map_next(map, &at, &key, &v)) {
			struct entry *e = map_put(&m->seen, key, NULL);

			m->full |= !e;
			if (e)
				sums_add(&e->sums, v);
		}
	}
}

static void count_totals(struct summed *m)
{
	for (unsigned i = 0; i < m->t->n_workers; i++) {
		struct sums *s = &m->t->workers[i].total;

		m->wraps |=
		    __builtin_add_overflow(m->total.bytes, s->bytes, &m->total.bytes);
		m->wraps |= __builtin_add_overflow(m->total.packets, s->packets,
						   &m->total.packets);
		m->total.flows += s->flows;
		*s = (struct sums){ 0 };
		m->full |= m->t->workers[i].full || m->t->workers[i].cells;
	}
}

/* The n-th largest of what is certain; 0: there are not so many. */
static uint64_t certain(struct summed *m)
{
	struct top *t = m->t;
	const void *key;
	void *v;
	uint32_t at = 0;
	uint64_t least = 0;

	t->n_best = 0;
	while (map_next(&m->seen, &at, &key, &v))
		top_offer(t, key, &((struct entry *)v)->sums);
	if (t->q->n && t->n_best == t->q->n)
		least = top_measure(&t->best_sums[0], t->q->order);
	t->n_best = 0;
	return least;
}

/* The values of both maps begin with their sums. */
static void rank(struct summed *m, const struct map *map, const struct names *names)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	while (map_next(map, &at, &key, &v))
		top_offer(m->t, key, v);
	top_rank(m->t, names);
	m->decided = true;
}

/* Puts keys that can be among the first into m->known. *lacking: how many of them are not
 * wholly known. False: that cannot be told. */
static bool choose(struct summed *m, uint32_t *lacking)
{
	enum top_order order = m->t->q->order;
	uint64_t bound = top_measure(&m->bound, order), least = certain(m);
	const void *key;
	void *v;
	uint32_t at = 0;

	*lacking = 0;
	if (bound >= least)
		return false;
	while (map_next(&m->seen, &at, &key, &v)) {
		const struct entry *e = v;
		uint64_t most = top_measure(&e->sums, order) + bound -
				top_measure(&e->credit, order);
		struct sums *to;

		if (most < least)
			continue;
		to = map_put(&m->known, key, NULL);
		if (!to)
			return false;
		*to = e->sums;
		*lacking += e->listed < m->partial;
	}
	return true;
}

static void first_done(void *arg, const struct names *names)
{
	struct summed *m = ((struct top *)arg)->summed;
	bool named = m->kind == LIST_EXPORTER || m->kind == LIST_INTERFACE;
	uint32_t lacking;

	if (!m->files) { /* only flows were read, as ever */
		top_done(m->t, names);
		m->decided = !m->t->full && !m->t->spilled;
		return;
	}
	top_settle(m->t);
	count_totals(m);
	pour_flows(m);
	if (m->full || m->wraps)
		return;
	if (!m->partial) {
		m->t->out->distinct = m->seen.n;
		rank(m, &m->seen, names);
		return;
	}
	map_init(&m->known, m->t->shape.size, sizeof(struct sums), CANDIDATES_MAX);
	if (!choose(m, &lacking))
		return;
	m->again = lacking != 0 && !named;
	if (!lacking)
		rank(m, &m->known, names);
}

/* ---- the second round ---- */

static bool find(void *arg, const struct summary *s, struct summary_reader *r,
		 struct name_sink *sink)
{
	struct summed *m = arg;
	struct sums found[CANDIDATES_MAX];
	const void *key;
	void *v;
	uint32_t at = 0, n = 0;

	(void)s;
	(void)sink;
	while (map_next(&m->known, &at, &key, &v))
		if (!summary_find(r, m->kind, key, &found[n++]))
			return false;
	for (at = n = 0; map_next(&m->known, &at, &key, &v); n++)
		sums_add(v, &found[n]);
	return true;
}

static void second_done(void *arg, const struct names *names)
{
	struct summed *m = ((struct top *)arg)->summed;

	top_settle(m->t);
	for (unsigned i = 0; i < m->t->n_workers; i++) {
		const void *key;
		void *v;
		uint32_t at = 0;

		while (map_next(&m->t->workers[i].map, &at, &key, &v)) {
			struct sums *to = map_get(&m->known, key);

			if (to)
				sums_add(to, v);
		}
		m->t->workers[i].total = (struct sums){ 0 };
	}
	rank(m, &m->known, names);
}

/* Lets blocks be passed over that have none of the candidates. What it lets through is
 * still counted by key, so it may let through too much. NULL: none. */
static struct filter *filter_for(const struct summed *m)
{
	static const char *const ends[LIST_KINDS][2] = {
		[LIST_HOST] = { "host" },
		[LIST_SRC] = { "src host" },
		[LIST_DST] = { "dst host" },
		[LIST_PAIR] = { "src host", "dst host" },
		[LIST_FLOW] = { "src host", "dst host" },
	};
	const char *const *end = ends[m->kind];
	struct strb words = { 0 };
	struct filter *f = NULL;
	struct err err;
	const void *key;
	void *v;
	uint32_t at = 0;

	if (!end[0] || m->known.n > FILTERED_MAX)
		return NULL;
	while (map_next(&m->known, &at, &key, &v)) {
		struct addr a[2];
		char text[ADDR_TEXT];

		memcpy(a, key, end[1] ? sizeof(a) : sizeof(a[0]));
		strb_fmt(&words, "%s(%s %s", words.len ? " or " : "", end[0],
			 addr_text(&a[0], text));
		if (end[1])
			strb_fmt(&words, " and %s %s", end[1], addr_text(&a[1], text));
		strb_add(&words, ")");
	}
	if (words.len)
		f = filter_compile(words.s, &err);
	strb_free(&words);
	return f;
}

static bool second_round(struct summed *m, struct err *err)
{
	struct top *t = m->t;
	struct scan_summaries sums = { t->q->whole, find, m };
	struct archive_result first = t->out->read;
	struct filter *f = filter_for(m);
	const void *key;
	void *v;
	uint32_t at = 0;
	bool ok;

	top_begin(t);
	t->known_only = true;
	while (map_next(&m->known, &at, &key, &v)) {
		*(struct sums *)v = (struct sums){ 0 };
		for (unsigned i = 0; i < t->n_workers; i++)
			map_put(&t->workers[i].map, key, NULL);
	}
	t->aq.filter = f ? f : t->q->filter;
	t->out->passes++;
	ok = scan_parts(&t->aq, &sums, top_count_part, second_done, t, &t->out->read,
			err);
	t->aq.filter = t->q->filter;
	t->known_only = false;
	filter_free(&f);
	/* Files and blocks are the same ones; what was read at all is the question. */
	t->out->read.blocks_skipped = 0;
	if (first.blocks_damaged > t->out->read.blocks_damaged)
		t->out->read.blocks_damaged = first.blocks_damaged;
	return ok;
}

/* ---- the whole ---- */

bool top_by_summaries(struct top *t, bool *done, struct err *err)
{
	struct summed m = { .t = t, .kind = kind_of(t->q) };
	struct scan_summaries sums = { t->q->whole, take, &m };
	uint64_t memory = t->q->memory ? t->q->memory : memory_default;
	bool ok;

	*done = false;
	t->summed = &m;
	if (!may_answer(t->q, m.kind))
		return true;
	t->may_spill = true;
	top_begin(t);
	map_init(&m.seen, t->shape.size, sizeof(struct entry),
		 top_entries_for(memory / (t->n_workers + 1), t->shape.size,
				 sizeof(struct entry)));
	t->out->passes = 1;
	ok = scan_parts(&t->aq, &sums, top_count_part, first_done, t, &t->out->read, err);
	if (ok && m.again)
		ok = second_round(&m, err);
	*done = ok && m.decided;
	if (*done && m.files)
		t->out->total = m.total;
	t->may_spill = false;
	if (!*done) {
		t->out->distinct = 0;
		t->out->passes = t->spilled; /* then it was a reading of flows */
	}
	if (!*done && !m.files && t->full)
		t->lots = 2;
	map_fini(&m.seen);
	map_fini(&m.known);
	return ok;
}
