/* change_pick.c - the fewest keys that explain the largest share.
 * SPDX-License-Identifier: ISC
 *
 * In the spirit of Adtributor (Bhagwan et al., NSDI 2014): within a dimension keys are
 * taken by their share of the change until two thirds are explained; among dimensions
 * the better ones explain more (explanatory power) with fewer keys (succinctness) whose
 * part of the whole is other than it was (surprise, a Jensen-Shannon divergence).
 * "98 % of the rise is TCP" explains all and says nothing, since it always is.
 *
 * Two things are ours. A flow has two hosts, so shares of hosts cannot be added: of each
 * further one only that counts which those before it do not have, known from the
 * pairs. And a host is named before a service, a service before a network, where it
 * makes little difference: a person can walk up to a host.
 */
#include "daemon/evidence/change_impl.h"

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES = 64, SET_MAX = 3 };
static const double enough = 0.67;     /* explained: no more keys of this dimension */
static const double worth_a_key = 0.1; /* a key explains at least that much */
static const double worth_telling = 0.15;
static const double least_change = 0.05; /* of the larger side: less is no change */
/* What nearly all traffic has in common explains only when that is new. */
static const double lift_of_large = 0.3, always = 0.995;
static const double surprise_none = 0.02; /* even old habits explain a little */
/* Both ends of a conversation explain the same: then a host of ours is named. */
static const double favour_ours = 1.15;

static const struct way { /* how a dimension is told */
	enum by by;
	const char *word;
	double prefer;
	bool large; /* few keys, each with much: they must have changed their part */
} ways[] = {
	{ BY_HOST, "host ", 1, false },
	{ BY_PAIR, "conversation ", 0.9, false },
	{ BY_PORT, "service ", 0.85, false },
	{ BY_AS, "", 0.8, false },
	{ BY_NETWORK, "", 0.6, true },
	{ BY_INTERFACE, "interface ", 0.6, true },
	{ BY_EXPORTER, "exporter ", 0.5, true },
	{ BY_PROTO, "protocol ", 0.4, true },
};

struct candidate {
	struct key key;
	struct tally t;
	double delta; /* grew by so much, scaled; when dropping: shrank */
	double left;  /* of that what those chosen do not have */
	double favour;
};

struct set {
	const struct way *way;
	struct candidate at[SET_MAX];
	unsigned n;
	double covered, surprise, score;
};

struct pick {
	const struct change_count *c;
	double now, before, change; /* of everything; all scaled to the stretch */
	double scale;		    /* of what was before */
};

static double grown(const struct pick *p, const struct tally *t)
{
	double d = (double)t->now - (double)t->before * p->scale;

	return p->c->q->drop ? -d : d;
}

static const struct map *keys_of(const struct change_count *c, enum by by, size_t *octets)
{
	*octets = by_octets(by);
	if (by == BY_PAIR)
		return &c->dim[0].edges;
	for (unsigned i = 0; i < CHANGE_DIMS; i++)
		if (c->dim[i].by == by)
			return &c->dim[i].keys;
	return NULL;
}

/* What the series or its key says already. */
static bool known_already(const struct change_query *q, enum by by, const struct key *k)
{
	static const struct {
		enum by series, says;
	} said[] = {
		{ BY_INTERFACE, BY_EXPORTER }, { BY_EXPORTER, BY_EXPORTER },
		{ BY_HOST, BY_PAIR },	       { BY_SRC, BY_PAIR },
		{ BY_DST, BY_PAIR },	       { BY_PAIR, BY_PAIR },
		{ BY_PAIR, BY_HOST },	       { BY_PORT, BY_PROTO },
		{ BY_PORT, BY_PORT },	       { BY_PROTO, BY_PROTO },
	};

	if (!q->only)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		if (q->by == said[i].series && by == said[i].says)
			return true;
	if ((by == BY_HOST && (q->by == BY_SRC || q->by == BY_DST)) ||
	    (by == BY_AS && (q->by == BY_SRC_AS || q->by == BY_DST_AS)) || by == q->by)
		return !memcmp(k->b, q->only->b, by_octets(by));
	return false;
}

static double part(double v, double all)
{
	return all > 0 ? v / all : 0;
}

static bool tells(const struct pick *p, const struct way *w, const struct candidate *c)
{
	double q = part((double)c->t.now, p->now);
	double b = part((double)c->t.before * p->scale, p->before);

	if (q >= always && b >= always)
		return false;
	return !w->large || (p->before > 0 && c->delta / p->change - b >= lift_of_large);
}

/* Half of the Jensen-Shannon divergence's term of one key: 0 when its part of the whole
 * is what it was, ln 2 / 2 when all is this key and nothing was. */
static double surprise(const struct pick *p, const struct tally *t)
{
	double q = part((double)t->now, p->now);
	double b = part((double)t->before * p->scale, p->before), s = 0;

	if (b > 0)
		s += b * log(2 * b / (b + q));
	if (q > 0)
		s += q * log(2 * q / (b + q));
	return s > 0 ? s / 2 : 0;
}

/* ---- within a dimension ---- */

static bool ahead(const struct candidate *a, const struct candidate *b)
{
	double x = a->left * a->favour, y = b->left * b->favour;

	if (x != y)
		return x > y;
	return memcmp(&a->key, &b->key, sizeof(a->key)) < 0;
}

static double favour(const struct change_query *q, enum by by, const struct key *k)
{
	struct addr a;

	if (by != BY_HOST || !q->names)
		return 1;
	memcpy(a.b, k->b, sizeof(a.b));
	return names_network_of(q->names, &a) >= 0 ? favour_ours : 1;
}

/* The largest in order, at most CANDIDATES. */
static unsigned collect(const struct pick *p, const struct way *w,
			struct candidate out[CANDIDATES])
{
	size_t octets;
	const struct map *keys = keys_of(p->c, w->by, &octets);
	const void *k;
	void *v;
	uint32_t at = 0;
	unsigned n = 0;

	while (map_next(keys, &at, &k, &v)) {
		struct candidate c = { .t = *(struct tally *)v };
		unsigned i;

		c.delta = c.left = grown(p, &c.t);
		if (c.delta < worth_a_key * p->change)
			continue;
		memcpy(c.key.b, k, octets);
		if (known_already(p->c->q, w->by, &c.key) || !tells(p, w, &c))
			continue;
		c.favour = favour(p->c->q, w->by, &c.key);
		for (i = n; i > 0 && ahead(&c, &out[i - 1]); i--)
			if (i < CANDIDATES)
				out[i] = out[i - 1];
		if (i < CANDIDATES)
			out[i] = c;
		n += n < CANDIDATES;
	}
	return n;
}

/* The flows that both keys have. */
static double shared(const struct pick *p, enum by by, const struct key *a,
		     const struct key *b)
{
	size_t octets = by_octets(by);
	uint8_t both[EDGE_OCTETS];
	const struct tally *t = NULL;
	bool turn = memcmp(a->b, b->b, octets) > 0;

	if (by_keys(by) < 2)
		return 0;
	memcpy(both, turn ? b->b : a->b, octets);
	memcpy(both + octets, turn ? a->b : b->b, octets);
	for (unsigned i = 0; i < CHANGE_DIMS; i++)
		if (p->c->dim[i].by == by)
			t = map_get(&p->c->dim[i].edges, both);
	return t ? grown(p, t) : 0;
}

static struct set explain(const struct pick *p, const struct way *w)
{
	struct candidate list[CANDIDATES];
	struct set s = { .way = w };
	unsigned n = collect(p, w, list);

	while (s.n < SET_MAX && s.covered < enough * p->change) {
		struct candidate *best = NULL;

		for (unsigned i = 0; i < n; i++)
			if (list[i].left >= worth_a_key * p->change &&
			    (!best || ahead(&list[i], best)))
				best = &list[i];
		if (!best)
			break;
		s.covered += best->left;
		s.surprise += surprise(p, &best->t);
		s.at[s.n++] = *best;
		best->left = 0;
		for (unsigned i = 0; i < n; i++)
			list[i].left -= shared(p, w->by, &list[i].key, &best->key);
	}
	s.covered /= p->change;
	s.score =
	    s.n ? w->prefer * s.covered * (s.surprise + surprise_none) / sqrt(s.n) : 0;
	return s;
}

/* ---- among dimensions ---- */

static char *text_of(const struct change_query *q, const struct way *w,
		     const struct key *k)
{
	char text[SERIES_TEXT], a[ADDR_TEXT], b[ADDR_TEXT];
	struct addr x, y;

	if (w->by != BY_PAIR)
		return xasprintf("%s%s", w->word, key_text(w->by, k, q->names, text));
	memcpy(x.b, k->b, sizeof(x.b));
	memcpy(y.b, k->b + sizeof(x.b), sizeof(y.b));
	return xasprintf("%s%s and %s", w->word, addr_text(&x, a), addr_text(&y, b));
}

/* From what was counted to the measure's unit. */
static double in_unit(const struct pick *p, double counted)
{
	struct measure m = measure_compared(&p->c->q->measure);
	double seconds = (double)p->c->span_ms / 1000;

	if (m.kind == MEASURE_BITS_S)
		counted *= 8;
	return measure_is_rate(&m) ? counted / seconds : counted;
}

static void tell(const struct pick *p, const struct set *s, struct change *out)
{
	for (unsigned i = 0; i < s->n && out->n < CHANGE_ROWS; i++) {
		const struct candidate *c = &s->at[i];

		out->row[out->n++] = (struct change_row){
			.by = s->way->by,
			.key = c->key,
			.text = text_of(p->c->q, s->way, &c->key),
			.value = in_unit(p, (double)c->t.now),
			.before = in_unit(p, (double)c->t.before * p->scale),
			.share = c->delta / p->change,
		};
	}
}

void change_pick(const struct change_count *c, struct change *out)
{
	struct pick p = { .c = c };
	struct set sets[ARRAY_LEN(ways)];
	bool told[ARRAY_LEN(ways)] = { false };

	p.scale = c->before_ms > 0 ? (double)c->span_ms / (double)c->before_ms : 0;
	p.now = (double)c->total.now;
	p.before = (double)c->total.before * p.scale;
	p.change = grown(&p, &c->total);
	out->value = in_unit(&p, p.now);
	out->before = in_unit(&p, p.before);
	if (out->against == CHANGE_NOTHING ||
	    p.change <= least_change * fmax(p.now, p.before))
		return;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		sets[i] = explain(&p, &ways[i]);
	for (size_t round = 0; round < ARRAY_LEN(ways); round++) {
		size_t best = ARRAY_LEN(ways);

		for (size_t i = 0; i < ARRAY_LEN(ways); i++)
			if (!told[i] && sets[i].covered >= worth_telling &&
			    (best == ARRAY_LEN(ways) || sets[i].score > sets[best].score))
				best = i;
		if (best == ARRAY_LEN(ways))
			return;
		told[best] = true;
		tell(&p, &sets[best], out);
	}
}
