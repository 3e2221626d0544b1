/* flood_carpet.c - floods that are spread over all hosts of a prefix.
 * SPDX-License-Identifier: ISC
 *
 * Carpet bombing gives each host less than would be told of it. Prefixes (/24 and /64,
 * /16 and /48) are kept as hosts are: counters first, a name once much comes. Each has 256
 * kids, hosts of a small prefix and small prefixes of a large one, with what came to each and
 * what it answered. It is a carpet when many kids at once get what is many times their
 * own usual and is not answered, together more than would make a host a victim, from many
 * sources, and no kid has most of it.
 *
 * One sweeps a prefix for one open port (that is a scan) from few sources, and the noise of
 * the internet comes to each address a few times an hour: so a kid counts only from LEAST
 * on, and a large prefix needs far more than a small one.
 *
 * Neighbours that are bombed at the same time are told as the smallest prefix around them:
 * who is first waits HOLD_MS for the others.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/units.h"

enum { LOOK = 8, GAP = 30, USUAL = 4, ANSWERS = 5, HOLD_MS = 2000, FEW_ROWS = 24 };

static const struct {
	uint8_t bits4, bits6; /* of the prefix, in 128 */
	float most;           /* weight of a slice that makes a carpet */
	float least;          /* of a kid that counts */
} levels[FLOOD_LEVELS] = {
	{ 120, 64, 2, 1 / 128.0F },
	{ 112, 48, 32, 1 / 4.0F },
};

static unsigned group_of(unsigned cls)
{
	return cls < FLOOD_REFLECT ? cls : FLOOD_REFLECT;
}

static inline struct flood_key prefix_of(const struct addr *a, unsigned level)
{
	unsigned bits = addr_is4(a) ? levels[level].bits4 : levels[level].bits6;

	return (struct flood_key){ addr_first(a, bits), level };
}

static unsigned kid_of(const struct addr *a, uint64_t hash, unsigned level)
{
	if (addr_is4(a))
		return a->b[15 - level];
	return level ? a->b[7] ^ a->b[6] : (unsigned)(hash >> 40 & 255);
}

static struct flood_net *known(struct flood *f, const struct flood_key *k, uint64_t hash)
{
	uint32_t *number;

	if (!flood_bit(f->net_bits[k->cls], hash))
		return NULL;
	number = map_get(&f->nets, k);
	return number ? &f->net[*number] : NULL;
}

static struct prefix of_net(const struct flood_net *n)
{
	unsigned level = (unsigned)n->key.cls;

	return (struct prefix){ n->key.addr, addr_is4(&n->key.addr) ? levels[level].bits4
								    : levels[level].bits6 };
}

/* The carpet that n is part of, or that is part of n; NULL. */
static struct flood_carpet *standing(const struct flood *f, const struct flood_net *n)
{
	struct prefix p = of_net(n);

	for (unsigned i = 0; i < FLOOD_CARPETS; i++) {
		const struct flood_carpet *c = &f->carpet[i];

		if (c->st.on && (prefix_has(&c->prefix, &p.addr) ||
				 (n->key.cls && prefix_has(&p, &c->prefix.addr))))
			return (struct flood_carpet *)c;
	}
	return NULL;
}

static struct flood_net *place(struct flood *f, float heat)
{
	struct flood_net *best = NULL;

	if (f->n_net < f->max_net)
		return &f->net[f->n_net++];
	for (unsigned i = 0; i < LOOK; i++) {
		struct flood_net *n = &f->net[f->hand_net++ % f->max_net];

		if (!standing(f, n) && (!best || n->heat < best->heat))
			best = n;
	}
	if (!best || best->heat >= heat)
		return NULL;
	map_del(&f->nets, &best->key);
	return best;
}

static void admit(struct flood *f, const struct flood_key *k, uint64_t hash, float heat)
{
	struct flood_net *n = place(f, heat);
	uint32_t *number;

	if (!n)
		return;
	memset(n, 0, sizeof(*n));
	n->key = *k;
	n->hash = hash;
	n->used = true;
	n->born = n->settled = f->newest;
	n->heat = heat;
	for (unsigned i = 0; i < FLOOD_RING; i++)
		n->ring[i].slice = -1;
	number = map_put(&f->nets, k, NULL);
	*number = (uint32_t)(n - f->net);
	f->net_bits[k->cls][hash % FLOOD_BITS / 64] |= UINT64_C(1) << (hash & 63);
}

static struct flood_patch *patch(struct flood_net *n, int64_t slice)
{
	struct flood_patch *p = &n->ring[slice % FLOOD_RING];

	if (p->slice == slice)
		return p;
	if (p->slice > slice || (n->settled > n->born ? slice < n->settled
						      : slice <= n->born - FLOOD_RING))
		return NULL;
	memset(p, 0, sizeof(*p));
	p->slice = slice;
	return p;
}

static void count(struct flood_net *n, const struct flood_flow *w, unsigned kid)
{
	for (int64_t s = w->from; s <= w->to; s++) {
		struct flood_patch *p = patch(n, s);

		if (!p)
			continue;
		p->changed = n->changed = true;
		p->thin |= w->sampled;
		if (w->ok) {
			p->out[kid] += w->weight / FLOOD_OK_WEIGHT;
			continue;
		}
		p->in[kid] += w->weight;
		p->rows++;
		p->weight[group_of(w->cls)] += w->weight;
		p->packets += flood_share(w, w->packets, s);
		p->bytes += flood_share(w, w->bytes, s);
		hll_add(&p->sources, flood_mix(w->src_hash, 77));
	}
	n->warm += w->weight;
}

static void answer(struct flood_net *n, const struct flood_flow *w, unsigned kid)
{
	for (int64_t s = w->from; s <= w->to; s++) {
		struct flood_patch *p = patch(n, s);

		if (p)
			p->out[kid] += ANSWERS * w->weight;
	}
}

static void to_net(struct flood *f, const struct flood_flow *w, unsigned level)
{
	struct flood_key k = prefix_of(w->dst, level);
	uint64_t hash = flood_mix(flood_hash(f, &k.addr), 100 + level);
	struct flood_net *n = known(f, &k, hash);
	float *c;

	if (n) {
		count(n, w, kid_of(w->dst, w->dst_hash, level));
		return;
	}
	if (w->ok)
		return;
	c = &f->net_sketch[level][hash >> 52];
	*c += w->weight;
	f->net_sum += w->weight;
	if (*c >= levels[level].most / 2 && *c >= 8 * f->net_sum / FLOOD_NET_SKETCH)
		admit(f, &k, hash, *c);
}

static void from_net(struct flood *f, const struct flood_flow *w, unsigned level)
{
	struct flood_key k = prefix_of(w->src, level);
	struct flood_net *n = known(f, &k, flood_mix(flood_hash(f, &k.addr), 100 + level));

	if (n)
		answer(n, w, kid_of(w->src, w->src_hash, level));
}

void flood_carpet_flow(struct flood *f, const struct flood_flow *w)
{
	bool two_way = w->cls != FLOOD_SYN;

	/* Where answers are not told, long UDP flows prove nothing, and where one packet in a
	 * thousand is, those that servers answer with do not either. */
	if (w->cls == FLOOD_UDP && ((!w->lone && flood_blind(f)) || (w->sampled && w->served)))
		return;
	for (unsigned level = 0; level < FLOOD_LEVELS; level++) {
		to_net(f, w, level);
		if (two_way && f->n_net)
			from_net(f, w, level);
	}
}

/* --- what is usual --- */

static void learn(struct flood_net *n, const struct flood_patch *p)
{
	float first = 1 / (float)(n->learnt + 1);

	for (unsigned i = 0; i < FLOOD_KIDS; i++) {
		float d = (p->slice == n->settled ? p->in[i] : 0) - n->mean[i];

		n->mean[i] += fmaxf(first, d > 0 ? 1 / 180.0F : 1 / 1440.0F) * d;
	}
	n->learnt++;
}

void flood_carpet_advance(struct flood *f, int64_t newest)
{
	int64_t until = newest - FLOOD_SETTLED;

	memset(f->net_bits, 0, sizeof(f->net_bits));
	for (uint32_t i = 0; i < f->n_net; i++) {
		struct flood_net *n = &f->net[i];
		bool stands = standing(f, n) != NULL;

		f->net_bits[n->key.cls][n->hash % FLOOD_BITS / 64] |=
			UINT64_C(1) << (n->hash & 63);
		n->heat = 0.9F * n->heat + 0.1F * n->warm;
		n->warm = 0;
		if (until - n->settled > GAP)
			n->settled = until - FLOOD_RING;
		for (; n->settled < until; n->settled++)
			if (!stands && n->settled > f->held)
				learn(n, &n->ring[n->settled % FLOOD_RING]);
	}
}

/* --- judging --- */

struct over { /* a prefix that is bombed in some slice */
	struct flood_net *net;
	struct flood_patch *patch;
	int64_t slice;
	double packets, bits, sources, hosts;
	unsigned group, first, last; /* kids */
};

static bool judge_patch(const struct flood *f, struct flood_net *n, struct flood_patch *p,
			struct over *o)
{
	unsigned level = (unsigned)n->key.cls, hot = 0, first = 0, last = 0;
	float sum = 0, top = 0;

	for (unsigned i = 0; i < FLOOD_KIDS; i++) {
		float net = p->in[i] - p->out[i];

		if (net < levels[level].least || net < USUAL * n->mean[i])
			continue;
		first = hot++ ? first : i;
		last = i;
		sum += net;
		top = fmaxf(top, net);
	}
	if (hot < f->conf.hosts || sum < levels[level].most || top > sum / 2)
		return false;
	/* A large prefix always has some noise: what was there from the start is no rise. */
	if ((level || flood_blind(f)) && n->born <= f->first + FLOOD_COLD && !n->learnt)
		return false;
	*o = (struct over){ n, p, p->slice, (double)p->packets / 10, (double)p->bytes * 0.8,
			    hll_count(&p->sources, NULL), hot, 0, first, last };
	for (unsigned g = 1; g <= FLOOD_REFLECT; g++)
		if (p->weight[g] > p->weight[o->group])
			o->group = g;
	return o->sources >= f->conf.sources ||
	       (p->thin && p->rows >= FEW_ROWS && o->sources >= 0.7 * (double)p->rows);
}

/* The worst slice of n that changed. */
static bool judge_net(struct flood *f, struct flood_net *n, struct over *worst)
{
	bool found = false;

	if (!n->used || !n->changed)
		return false;
	n->changed = false;
	for (unsigned i = 0; i < FLOOD_RING; i++) {
		struct flood_patch *p = &n->ring[i];
		struct over o;

		if (p->slice < 0 || !p->changed)
			continue;
		p->changed = false;
		if (judge_patch(f, n, p, &o) && (!found || o.packets > worst->packets)) {
			*worst = o;
			found = true;
		}
	}
	return found;
}

/* The smallest prefix around the kids that are bombed; all of a small one. */
static struct prefix of_over(const struct over *o)
{
	unsigned level = (unsigned)o->net->key.cls;
	bool four = addr_is4(&o->net->key.addr);
	struct prefix p = { o->net->key.addr, four ? levels[level].bits4 : levels[level].bits6 };

	if (!level || !four)
		return p;
	p.addr.b[14] = (uint8_t)o->first;
	for (p.bits = 120; (o->first ^ o->last) >> (120 - p.bits); p.bits--)
		p.addr.b[14] &= (uint8_t)(0xff00 >> (p.bits - 113));
	return p;
}

/* p grows until it holds q, by as little as it can. */
static void widen(struct prefix *p, const struct prefix *q)
{
	while (p->bits > q->bits || !prefix_has(p, &q->addr)) {
		p->bits--;
		p->addr.b[p->bits / 8] &= (uint8_t)(0xff00 >> p->bits % 8);
	}
}

static bool neighbours(const struct flood_net *a, const struct flood_net *b)
{
	struct flood_key x = prefix_of(&a->key.addr, 1), y = prefix_of(&b->key.addr, 1);

	return addr_eq(&x.addr, &y.addr);
}

bool flood_carpeted(struct flood *f, const struct addr *a)
{
	for (unsigned i = 0; i < FLOOD_CARPETS; i++)
		if (f->carpet[i].st.on && prefix_has(&f->carpet[i].prefix, a))
			return true;
	for (unsigned level = 0; level < FLOOD_LEVELS; level++) {
		struct flood_key k = prefix_of(a, level);
		const uint32_t *number = map_get(&f->nets, &k);

		if (number && f->net[*number].held)
			return true;
	}
	return false;
}

static struct flood_carpet *spare(struct flood *f)
{
	for (unsigned i = 0; i < FLOOD_CARPETS; i++) {
		struct flood_carpet *c = &f->carpet[i];

		if (c->st.on)
			continue;
		*c = (struct flood_carpet){ 0 };
		return c;
	}
	return NULL;
}

static void fill(const struct flood *f, const struct flood_carpet *c, struct finding *out)
{
	static const char *const word[] = { "SYN packets", "UDP packets", "ICMP packets", "",
					    "reflected answers" };
	static const char *const filter[] = { "proto tcp and flags S and not flags A",
					      "proto udp", "proto in (icmp icmp6)", "",
					      "proto udp" };
	char p[ADDR_TEXT + 4], rate[UNIT_TEXT], bits[UNIT_TEXT], n[UNIT_TEXT], hosts[UNIT_TEXT];

	memset(out, 0, sizeof(*out));
	out->by = BY_NONE;
	prefix_text(&c->prefix, p);
	out->first_ms = c->st.first_ms;
	out->last_ms = c->st.last_ms;
	out->measure.kind = MEASURE_PACKETS_S;
	out->value = c->st.told;
	out->limit = levels[c->level].most *
		     (c->group == FLOOD_SYN ? f->conf.syn : c->group == FLOOD_ICMP ? f->conf.icmp
										   : f->conf.udp / 6);
	snprintf(out->kind, sizeof(out->kind), "carpet %s", p);
	snprintf(out->filter, sizeof(out->filter), "dst net %s and %s", p, filter[c->group]);
	snprintf(out->why, sizeof(out->why),
		 "Carpet bombing of %s: %s %s a second (%s) come to about %s of its %s at once, "
		 "from %s sources or more. Each gets far more than usual and answers next to "
		 "nothing, and none gets enough to be told by itself. Ask upstream to filter or "
		 "divert the whole prefix: blocking one address at a time does not help.",
		 p, text_count(c->st.told, rate), word[c->group], text_rate(c->bits, bits),
		 text_count(c->hosts, hosts), c->level ? "networks" : "hosts",
		 text_count(c->sources, n));
}

static void tell(const struct flood *f, struct flood_carpet *c, bool ended, finding_f *fn,
		 void *arg)
{
	struct finding out;

	fill(f, c, &out);
	out.ended = ended;
	fn(arg, &out);
}

/* Leaves out those of a carpet that does not stand yet, until the wait for others is over. */
static unsigned hold(struct flood *f, struct over *over, unsigned n, int64_t now_ms)
{
	unsigned kept = 0, fresh = 0;

	for (unsigned i = 0; i < n; i++)
		fresh += !standing(f, over[i].net);
	if (!fresh || f->held_ms > now_ms)
		f->held_ms = 0;
	else if (!f->held_ms)
		f->held_ms = now_ms;
	if (f->held_ms && now_ms - f->held_ms >= HOLD_MS)
		f->held_ms = fresh = 0;
	for (unsigned i = 0; i < n; i++) {
		over[i].net->held = fresh && !standing(f, over[i].net);
		if (over[i].net->held)
			over[i].net->changed = over[i].patch->changed = true;
		else
			over[kept++] = over[i];
	}
	return kept;
}

void flood_carpet_judge(struct flood *f, int64_t now_ms, finding_f *fn, void *arg)
{
	static const int64_t slice = SLICE_MS;
	struct over over[FLOOD_CARPETS];
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n_net && n < FLOOD_CARPETS; i++)
		n += judge_net(f, &f->net[i], &over[n]);
	n = hold(f, over, n, now_ms);
	for (unsigned level = 0; level < FLOOD_LEVELS; level++) {
		for (unsigned i = 0; i < n; i++) {
			struct over *o = &over[i];
			struct flood_carpet *c;
			struct prefix p = of_over(o);
			double packets = 0, bits = 0;

			if (o->net->key.cls != level)
				continue;
			c = standing(f, o->net);
			if (c && c->level < level) /* told of its small ones */
				continue;
			if (!c)
				c = spare(f);
			if (!c)
				continue;
			/* All neighbours of the same moment are one. */
			for (unsigned j = 0; j < n; j++) {
				struct prefix q = of_over(&over[j]);

				if (over[j].net->key.cls != level ||
				    !(c->st.on ? prefix_has(&c->prefix, &q.addr)
					       : j == i || neighbours(o->net, over[j].net)))
					continue;
				packets += over[j].packets / flood_passed(over[j].slice, now_ms);
				bits += over[j].bits / flood_passed(over[j].slice, now_ms);
				if (!c->st.on)
					widen(&p, &q);
				c->sources = fmax(c->sources, over[j].sources);
				if (!c->st.on)
					c->hosts += over[j].hosts;
			}
			if (!c->st.on) {
				c->prefix = p;
				c->group = o->group;
				c->level = level;
			}
			c->bits = fmax(c->bits, bits);
			if (flood_tell(&c->st, packets, o->slice * slice,
				       (o->slice + 1) * slice - 1, now_ms))
				tell(f, c, false, fn, arg);
		}
	}
	for (unsigned i = 0; i < FLOOD_CARPETS; i++) {
		struct flood_carpet *c = &f->carpet[i];

		if (!c->st.on || now_ms - c->st.last_ms < (int64_t)(f->conf.quiet * 1000) ||
		    f->newest * slice - c->st.last_ms < (int64_t)(f->conf.quiet * 1000) - slice * 3)
			continue;
		c->st.told = c->st.value;
		tell(f, c, true, fn, arg);
		c->st.on = false;
	}
}
