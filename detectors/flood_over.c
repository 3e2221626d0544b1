/* flood_over.c - is what one victim got in a slice a flood?
 * SPDX-License-Identifier: ISC
 *
 * What makes each kind is said in flood.c; here are its numbers, each with its reason.
 *
 * Answers are what tells a busy host from a flooded one. An exporter that tells one direction
 * shows none: then only who never got anything like it (is_new), or far more than its
 * usual, is flooded, it takes more, and what comes from well-known ports counts as asked for.
 *
 * An exporter that samples shows every flow as a packet or two, and few of them: so a source
 * that sends once proves nothing, SEEN packets must have been looked at, and where a slice
 * has too few, all slices that are remembered are judged as one.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <string.h>

enum {
	REFLECTORS = 10, LARGE = 250, /* sources, and octets of an answer, at least */
	LONE_PART = FLOOD_LONE_PART,
	FEW_SYN = 10,     /* times the limit from few sources */
	FEW_UDP = 7,
	FEW_PORTS = 8,
	SEEN = 16,        /* packets that the exporter must have looked at */
	USUAL = 3, SPREAD = 4,
	USUAL_VISITS = 10, /* crowds grow as fast as floods, but hardly by that much */
	VISITS = 8,       /* connections of one visitor in a slice: no browser needs so many */
	VISITORS = 30,
	BLIND = 5,        /* times the limit where answers would not be seen */
};

static const double FEW_VISITORS = 0.4; /* of the limit, where fewer than VISITORS come */

static bool is_new(const struct flood *f, const struct flood_host *h, const struct flood_cell *c)
{
	int64_t cold = c->thin ? FLOOD_BEFORE : FLOOD_COLD;

	return h->born > f->first + cold || h->learnt >= 2;
}

/* Would answers not be seen? Of a sample nobody knows at once. */
static bool is_blind(const struct flood *f, const struct flood_cell *c)
{
	return flood_blind(f) || (c->thin && flood_unsure(f));
}

static bool is_sampled(const struct flood_cell *c)
{
	return c->seen * 1.5 < (double)c->packets;
}

static bool too_few(const struct flood_cell *c)
{
	return is_sampled(c) && c->seen < SEEN;
}

static bool is_many(const struct flood *f, const struct flood_cell *c, double sources)
{
	return sources >= f->conf.sources ||
	       (is_sampled(c) && c->rows >= SEEN && sources >= 0.7 * (double)c->rows);
}

/* Does hardly any source come twice? */
static bool is_lone(const struct flood_cell *c, double sources)
{
	double part = c->thin ? 0.95 : 0.6, rows = (double)c->rows;

	return c->seen <= 3 * rows && sources >= part * rows && (!c->thin || rows >= 4 * SEEN);
}

/* A flow for every packet or two, all to few ports: no stream does that, nor a scan. */
static bool is_burst(const struct flood_cell *c)
{
	return !c->thin && c->seen <= 3 * (double)c->rows &&
	       __builtin_popcountll(c->ports) <= FEW_PORTS;
}

static bool syn(const struct flood *f, const struct flood_cell *c, struct look *l)
{
	double part = 1;

	if (c->in <= c->done || too_few(c))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	if (!is_sampled(c) && c->packets >= 2 * c->flows && c->packets <= 8 * c->flows)
		part = 10;
	if (!is_many(f, c, l->sources)) {
		if (__builtin_popcountll(c->ports) > FEW_PORTS)
			return false;
		part *= FEW_SYN;
	}
	l->rate = (double)c->in / l->seconds;
	l->limit = f->conf.syn * part;
	return true;
}

/* Whole connections, many more than there are visitors. From a few only where none were
 * before: what is in front of a server (a balancer, a proxy) always is. */
static bool connections(const struct flood *f, const struct flood_host *h,
			const struct flood_cell *c, struct look *l)
{
	const double bits = 256;
	double ones = 0;

	for (unsigned i = 0; i < 4; i++)
		ones += __builtin_popcountll(c->visitors[i]);
	l->rate = (double)c->calls / l->seconds;
	if (c->thin || ones > bits - 8 || l->rate < USUAL_VISITS * (double)h->mean)
		return false;
	l->sources = bits * log(bits / (bits - ones));
	l->kind = LOOK_VISITS;
	l->limit = f->conf.connections * (l->sources >= VISITORS ? 1 : FEW_VISITORS);
	return (l->sources >= VISITORS || is_new(f, h, c)) &&
	       (double)c->visits >= VISITS * l->sources;
}

/* An answer for every few of them, or a connection that they are the rest of, speaks for it. */
static bool stray(const struct flood *f, const struct flood_host *h, const struct flood_cell *c,
		  struct look *l)
{
	bool blind = is_blind(f, c);

	if (too_few(c) || (blind && (c->thin || !is_new(f, h, c))))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	l->rate = ((double)c->in - 4 * (double)c->out - 2 * (double)c->done) / l->seconds;
	l->limit = f->conf.tcp;
	if (!is_many(f, c, l->sources)) { /* in a sample, an upload looks like that */
		if (c->thin || __builtin_popcountll(c->ports) > FEW_PORTS)
			return false;
		l->limit *= FEW_SYN;
	}
	return true;
}

static bool udp(const struct flood *f, const struct flood_host *h, const struct flood_cell *c,
		struct look *l)
{
	bool blind = is_blind(f, c), many, lone, burst;
	double answers;

	if (too_few(c))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	many = is_many(f, c, l->sources);
	lone = many && is_lone(c, l->sources);
	burst = !many && !blind && is_burst(c);
	if ((!lone || blind) && !is_new(f, h, c))
		return false;
	answers = !many ? 50 : !lone ? 20 : c->thin ? 30 : 5;
	l->rate = ((double)c->in - answers * (double)c->out - (blind ? (double)c->served : 0)) /
		  l->seconds;
	l->limit = lone && !blind ? f->conf.udp / LONE_PART
		   : many || burst ? f->conf.udp
				   : f->conf.udp * FEW_UDP;
	return true;
}

static bool icmp(const struct flood *f, const struct flood_cell *c, struct look *l)
{
	uint64_t asked = c->done < 2 * c->out ? c->done : 2 * c->out;

	if (too_few(c))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	l->rate = (double)(c->in - asked) / l->seconds;
	l->limit = f->conf.icmp;
	return true;
}

static bool reflection(const struct flood *f, const struct flood_host *h,
		       const struct flood_cell *c, struct look *l)
{
	double unasked = (double)c->in - 3 * (double)c->out, octets = (double)c->bytes;
	bool blind = is_blind(f, c);

	if (unasked <= 0 || octets < LARGE * (double)c->packets || too_few(c) ||
	    (blind && !is_new(f, h, c)))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	l->rate = unasked / l->seconds;
	l->limit = f->conf.reflection / 8 * (double)c->in / octets; /* in packets */
	l->limit *= blind || flood_unsure(f) ? BLIND : 1;
	l->kind = LOOK_REFLECTED;
	return l->sources >= REFLECTORS && l->rate >= l->limit;
}

/* What it gets anyhow, and what chance adds to that: packets that are seen come as they
 * like. */
static double usual_of(const struct flood_host *h, const struct flood_cell *c, double seconds)
{
	double unit = c->seen > 0 ? (double)c->packets / c->seen : 1;

	return USUAL * (double)h->mean +
	       SPREAD * fmax(h->dev, sqrt((double)h->mean * fmax(unit, 1) / seconds));
}

bool flood_over(const struct flood *f, const struct flood_host *h, const struct flood_cell *c,
		double seconds, struct look *l)
{
	bool may;

	*l = (struct look){ .seconds = seconds };
	switch (h->key.cls) {
	case FLOOD_SYN:
		may = syn(f, c, l) && l->rate >= l->limit;
		if (!may)
			may = connections(f, h, c, l);
		break;
	case FLOOD_UDP: may = udp(f, h, c, l); break;
	case FLOOD_ICMP: may = icmp(f, c, l); break;
	case FLOOD_STRAY: may = stray(f, h, c, l); break;
	default:
		may = reflection(f, h, c, l);
		if (!may) {
			*l = (struct look){ .seconds = seconds };
			may = udp(f, h, c, l);
		}
	}
	l->bits = (double)c->bytes * 8 / seconds;
	return may && l->rate >= l->limit && l->rate >= usual_of(h, c, seconds);
}

/* All that is remembered of a victim whose exporter samples, as one. */
bool flood_over_all(const struct flood *f, const struct flood_host *h, struct look *l)
{
	struct flood_cell all = { .thin = true };

	for (unsigned i = 0; i < FLOOD_RING; i++) {
		const struct flood_cell *c = &h->ring[i];

		if (c->slice <= f->newest - FLOOD_RING)
			continue;
		all.in += c->in;
		all.bytes += c->bytes;
		all.packets += c->packets;
		all.flows += c->flows;
		all.rows += c->rows;
		all.out += c->out;
		all.done += c->done;
		all.served += c->served;
		all.seen += c->seen;
		all.ports |= c->ports;
		for (unsigned k = 0; k < HLL_REGISTERS; k++)
			if (c->sources.r[k] > all.sources.r[k])
				all.sources.r[k] = c->sources.r[k];
	}
	return flood_over(f, h, &all, FLOOD_RING * SLICE_MS / 1000.0, l);
}
