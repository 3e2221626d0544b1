/* flood_track.c - what comes to whom, counted only where it is much.
 * SPDX-License-Identifier: ISC
 *
 * Every flow that could belong to a flood (TCP that begins, UDP, ICMP) has a weight: the
 * part that it is, in one slice, of what would make a flood of its class. Two rows of
 * counters (count-min, Cormode and Muthukrishnan 2005) hold the weights by victim and class
 * for the slice of reception; who comes to QUARTER of a flood is counted by name from there
 * on: packets, answers, sources, for each slice of event time (D1: a long flow is in all
 * slices that it lasted). So random sources cost nothing, since sources are no keys, and
 * random destinations stay in the counters; where those fill up, the bar rises with
 * their mean, so a sweep over the whole address space admits nobody.
 *
 * Where slices have many rows, the small flows of some blocks stand for all (`sampled`): a
 * flood among so many rows shows in them, too. How many is known from the slice before, so
 * that a busy one is sampled from its beginning, not only once it has cost its most.
 * Large flows are never left out, since one that stood for many would be a false flood.
 *
 * The table of names is full sometimes: then a newcomer takes the place of the coolest of
 * a few neighbours if he is hotter, and never that of one who is being flooded.
 *
 * What is usual for a victim is learnt from slices that have settled and were no flood, as
 * a slow mean with its mean distance: quickly up at first, then half an hour up, four
 * hours down, so that the answers a resolver gets all day are usual for it and a flood,
 * however long, is not. The price: a service that grows tenfold in minutes is told once.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "detectors/asking.h"
#include "detectors/flood_ends.h"
#include "detectors/packet.h"

enum {
	ECHO = 8, ECHO_REPLY = 0, ECHO6 = 128, ECHO_REPLY6 = 129,
	LONE = 3,     /* packets of a flow, at most, that one who is not answered sends */
	TRIES = 6,    /* SYNs of one attempt, at most, that are no flood */
	MOMENT_MS = 200,
	LOOK = 16,    /* neighbours, when a place is looked for */
	SMALL = 16,   /* packets of a flow that others may stand for */
	GAP = 30,     /* slices: a longer silence teaches nothing */
};
static const float QUARTER = 0.25F;

static const struct { /* of a slice with so many rows one block of so many is looked at */
	uint32_t rows, of;
} sampled[] = { { 600000, 32 }, { 150000, 16 }, { 50000, 4 }, { 0, 1 } };

/* --- hosts by name --- */

static void set_bits(struct flood *f)
{
	memset(f->host_bits, 0, sizeof(f->host_bits));
	for (uint32_t i = 0; i < f->n_host; i++)
		if (f->host[i].used)
			f->host_bits[f->host[i].hash % FLOOD_BITS / 64] |=
				UINT64_C(1) << (f->host[i].hash & 63);
}

/* A place for one that hot, or NULL. */
static struct flood_host *place(struct flood *f, float heat)
{
	struct flood_host *best = NULL;

	if (f->n_host < f->max_host)
		return &f->host[f->n_host++];
	for (unsigned i = 0; i < LOOK; i++) {
		struct flood_host *h = &f->host[f->hand_host++ % f->max_host];

		if (!h->st.on && (!best || fmaxf(h->heat, h->warm) < fmaxf(best->heat, best->warm)))
			best = h;
	}
	if (!best || fmaxf(best->heat, best->warm) >= heat)
		return NULL;
	f->n_stray -= best->key.cls == FLOOD_STRAY;
	map_del(&f->hosts, &best->key);
	return best;
}

static struct flood_host *admit(struct flood *f, const struct flood_flow *w,
				const struct flood_key *key, uint64_t hash, float heat)
{
	struct flood_host *h = place(f, heat);
	uint32_t *number;

	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->key = *key;
	h->hash = hash;
	h->used = true;
	h->born = h->settled = f->newest;
	h->heat = heat;
	if (w->weight > 0) { /* in packets: as those of the flow that weigh so much */
		h->mean = flood_before(f, hash) * (float)w->packets / w->weight /
			  (float)(w->to - w->from + 1) / (SLICE_MS / 1000.0F);
		h->dev = h->mean / 2;
	}
	f->n_stray += key->cls == FLOOD_STRAY;
	for (unsigned i = 0; i < FLOOD_RING; i++)
		h->ring[i].slice = -1;
	number = map_put(&f->hosts, key, NULL);
	*number = (uint32_t)(h - f->host);
	f->host_bits[hash % FLOOD_BITS / 64] |= UINT64_C(1) << (hash & 63);
	return h;
}

static struct flood_host *known(struct flood *f, const struct addr *a, unsigned cls,
				uint64_t hash, struct flood_key *key)
{
	uint32_t *number;

	*key = (struct flood_key){ *a, cls };
	if (!flood_bit(f->host_bits, hash))
		return NULL;
	number = map_get(&f->hosts, key);
	return number ? &f->host[*number] : NULL;
}

/* The counters of one who has no name yet: gets one when it is much. */
static struct flood_host *unknown(struct flood *f, const struct flood_flow *w,
				  const struct flood_key *key, uint64_t hash)
{
	float *a = &f->sketch[0][hash >> 51], *b = &f->sketch[1][hash >> 36 & (FLOOD_SKETCH - 1)];
	float least = fminf(*a, *b) + w->weight;

	*a += w->weight;
	*b += w->weight;
	f->sketch_sum += w->weight;
	if (least < QUARTER || least < 4 * f->sketch_sum / FLOOD_SKETCH)
		return NULL;
	return admit(f, w, key, hash, least);
}

static struct flood_cell *cell(struct flood_host *h, int64_t slice)
{
	struct flood_cell *c = &h->ring[slice % FLOOD_RING];

	if (c->slice == slice)
		return c;
	/* What came in the slices before it had a name may be told late, too. */
	if (c->slice > slice || (h->settled > h->born ? slice < h->settled
						      : slice <= h->born - FLOOD_RING))
		return NULL;
	memset(c, 0, sizeof(*c));
	c->slice = slice;
	return c;
}

/* SYNs that are attempts: who is not answered sends some more of the same. */
static uint64_t attempts(uint64_t packets, uint64_t flows, bool sampled)
{
	if (sampled)
		return packets;
	return packets > TRIES * flows ? flows + packets - TRIES * flows
				       : (flows < packets ? flows : packets);
}

static void visit(struct flood_cell *c, const struct flood_flow *w, int64_t slice)
{
	uint64_t hash = flood_mix(w->src_hash, 78);

	c->calls += (slice == w->to) * w->flows;
	c->visits++;
	c->visitors[hash >> 62] |= UINT64_C(1) << (hash >> 56 & 63);
}

static void count_in(struct flood_host *h, const struct flood_flow *w)
{
	for (int64_t s = w->from; s <= w->to; s++) {
		struct flood_cell *c = cell(h, s);
		uint64_t packets = flood_share(w, w->packets, s);
		bool sampled = w->sampled;

		if (!c)
			continue;
		c->changed = h->changed = true;
		c->thin |= sampled;
		if (w->ok) {
			c->done += sampled ? packets / 4 : (s == w->to) * w->flows;
			if (!w->back)
				visit(c, w, s);
			continue;
		}
		c->in += w->cls == FLOOD_SYN
				 ? attempts(packets, w->from == w->to ? w->flows : 1, sampled)
				 : packets;
		c->packets += packets;
		c->bytes += flood_share(w, w->bytes, s);
		c->flows += w->flows;
		c->rows++;
		c->seen += w->seen;
		c->ports |= UINT64_C(1) << (w->port & 63);
		if (w->served)
			c->served += packets;
		if (w->reply)
			c->done += packets;
		hll_add(&c->sources, flood_mix(w->src_hash, 77));
	}
	h->warm += w->weight;
}

static void count_out(struct flood_host *h, const struct flood_flow *w)
{
	for (int64_t s = w->from; s <= w->to; s++) {
		struct flood_cell *c = cell(h, s);

		if (c) {
			c->out += flood_share(w, w->packets, s);
			c->changed = h->changed = true;
		}
	}
}

/* So many packets at one moment are one, which an exporter that does not say so sampled. */
static inline bool at_once(const struct flood_flow *w)
{
	return w->end_ms - w->start_ms < MOMENT_MS;
}

static inline void to_host(struct flood *f, const struct flood_flow *w)
{
	uint64_t hash = flood_mix(w->dst_hash, w->cls);
	struct flood_key key;
	struct flood_host *h = known(f, w->dst, w->cls, hash, &key);

	if (!h) {
		h = unknown(f, w, &key, hash);
		/* Of a large flow the answers may have come before, when nobody counted them;
		 * what only asks is none, and one flow may be all of its flood. */
		if (h && w->large &&
		    (at_once(w) || ((!w->asks || w->reply) && w->cls != FLOOD_SYN)))
			return;
	}
	if (h)
		count_in(h, w);
}

static inline void from_host(struct flood *f, const struct flood_flow *w, unsigned cls)
{
	uint64_t hash = flood_mix(w->src_hash, cls);
	struct flood_key key;
	struct flood_host *h;

	if (!flood_bit(f->host_bits, hash))
		return;
	h = known(f, w->src, cls, hash, &key);
	if (h)
		count_out(h, w);
}

/* --- what is usual --- */

static void learn(struct flood_host *h, const struct flood_cell *c)
{
	double x = c && c->slice == h->settled ? (double)(c->in + (h->key.cls == FLOOD_SYN
								  ? c->done : 0)) : 0;
	float a, d;

	x /= SLICE_MS / 1000.0;
	d = (float)x - h->mean;
	a = 1 / (float)(h->learnt + 1);
	a = fmaxf(a, d > 0 ? 1 / 180.0F : 1 / 1440.0F);
	h->mean += a * d;
	if (h->learnt)
		h->dev += fminf(a, 0.1F) * (fabsf(d) - h->dev);
	h->learnt++;
}

static void settle(const struct flood *f, struct flood_host *h, int64_t newest)
{
	int64_t until = newest - FLOOD_SETTLED;

	h->heat = 0.9F * h->heat + 0.1F * h->warm;
	h->warm = 0;
	if (until - h->settled > GAP)
		h->settled = until - FLOOD_RING; /* nobody was there to see */
	for (; h->settled < until; h->settled++) {
		/* What began, stands or just was is no lesson. */
		if (h->settled <= f->held ||
		    (h->st.on && (h->settled + 1) * SLICE_MS > h->st.first_ms))
			continue;
		learn(h, &h->ring[h->settled % FLOOD_RING]);
	}
}

static void advance(struct flood *f, int64_t newest)
{
	flood_carpet_advance(f, newest);
	for (uint32_t i = 0; i < f->n_host; i++)
		if (f->host[i].used)
			settle(f, &f->host[i], newest);
	f->newest = newest;
}

static void new_period(struct flood *f, int64_t period)
{
	f->last_rows = period == f->period + 1 ? f->period_rows : 0;
	flood_before_period(f, f->period ? period - f->period : 0);
	f->period = period;
	f->period_rows = 0;
	memset(f->net_sketch, 0, sizeof(f->net_sketch));
	f->net_sum = 0;
	set_bits(f);
	flood_ends_period(f);
}

/* --- flows --- */

static bool multicast(const struct addr *a)
{
	return addr_is4(a) ? a->b[12] >= 224 : a->b[0] == 0xff;
}

static inline uint32_t rate_of(const struct block *b, uint32_t r)
{
	return block_uses(b, F_sampling) && b->sampling[r] ? b->sampling[r] : 1;
}

/* One of the many small flows, of which some may stand for all: an answered connection
 * counts as one, however large. */
static inline bool is_small(const struct block *b, uint32_t r)
{
	if (b->proto[r] == TCP && b->tcp_flags[r] & ACK)
		return true;
	return b->packets[r] <= (uint64_t)SMALL * rate_of(b, r);
}

/* What each small flow of this block stands for; 0: they are left out. */
static uint32_t sample(struct flood *f, uint32_t rows)
{
	uint32_t most = f->period_rows > f->last_rows ? f->period_rows : f->last_rows;
	unsigned i = 0;

	while (most < sampled[i].rows)
		i++;
	f->period_rows += rows;
	return f->blocks++ % sampled[i].of ? 0 : sampled[i].of;
}

/* Times, packets and octets of row r; false when it is too old for anybody. */
static inline bool fill(struct flood *f, struct flood_flow *w, const struct block *b,
			uint32_t r)
{
	uint32_t rate = rate_of(b, r);

	w->start_ms = b->start_ms[r];
	w->end_ms = b->end_ms[r];
	w->from = slice_of(w->start_ms);
	w->to = slice_of(w->end_ms > w->start_ms ? w->end_ms - 1 : w->end_ms);
	w->packets = b->packets[r] ? b->packets[r] : 1;
	w->bytes = b->bytes[r];
	w->flows = b->flows[r] ? b->flows[r] : 1;
	w->seen = (double)w->packets / rate;
	if (f->stands_for > 1 && is_small(b, r)) {
		w->packets *= f->stands_for;
		w->bytes *= f->stands_for;
		w->flows *= f->stands_for;
	}
	w->src = &b->src[r];
	w->dst = &b->dst[r];
	w->port = b->dst_port[r];
	w->sampled = rate > 1;
	w->large = w->packets > LONE * w->flows * rate;
	w->lone = rate == 1 && !w->large;
	if (w->to > f->newest) {
		if (!f->newest)
			f->first = w->to;
		advance(f, w->to);
	}
	if (w->to <= f->newest - FLOOD_RING)
		return false;
	w->weight = 1.0F / (float)(w->to - w->from + 1);
	w->seen *= (double)w->weight;
	if (w->from <= f->newest - FLOOD_RING) /* what it was before is past */
		w->from = f->newest - FLOOD_RING + 1;
	return true;
}

/* TCP that belongs to no connection, as far as its flow shows: a few packets without SYN, or
 * nothing but SYN-ACK. The rest of connections looks like that as well, for instance their
 * last ACK where the exporter had closed the flow already: flood.c subtracts it. */
static inline bool is_stray(const struct block *b, uint32_t r, uint16_t flags)
{
	enum { FIN = 1, RST = 4, PSH = 8 };
	uint64_t flows = block_uses(b, F_flows) && b->flows[r] ? b->flows[r] : 1;

	if (flags & SYN && (flags & (SYN | ACK | FIN | RST | PSH)) != (SYN | ACK))
		return false;
	return b->packets[r] <= LONE * flows * rate_of(b, r);
}

static void stray(struct flood *f, const struct block *b, uint32_t r, uint16_t flags)
{
	enum { RST = 4 };
	struct flood_flow w = { .cls = FLOOD_STRAY };

	if (!fill(f, &w, b, r))
		return;
	w.src_hash = flood_hash(f, w.src);
	w.dst_hash = flood_hash(f, w.dst);
	w.weight *= (float)w.packets * f->per_tcp;
	if (!(flags & RST))
		from_host(f, &w, FLOOD_STRAY);
	to_host(f, &w);
}

/* Of connections that were made: their rests are no stray packets. */
static void made(struct flood *f, struct flood_flow *w)
{
	struct flood_key key;
	uint64_t hash = flood_mix(w->dst_hash, FLOOD_STRAY);
	struct flood_host *h = flood_bit(f->host_bits, hash)
				       ? known(f, w->dst, FLOOD_STRAY, hash, &key) : NULL;

	if (h)
		count_in(h, w);
}

static void tcp(struct flood *f, const struct block *b, uint32_t r, uint16_t flags)
{
	struct flood_flow w = { .cls = FLOOD_SYN };

	if (is_stray(b, r, flags)) {
		stray(f, b, r, flags);
		if (flags & SYN || !(flags & ACK))
			return;
	}

	if (!(flags & (SYN | ACK)))
		return;
	if ((flags & SYN) == 0) { /* a packet in the middle speaks only for one under watch */
		w.dst_hash = flood_hash(f, &b->dst[r]);
		if (flood_ends_noted(f, w.dst_hash, r))
			flood_ends_note(f, flood_hash(f, &b->src[r]), w.dst_hash);
		if (!flood_bit(f->host_bits, flood_mix(w.dst_hash, FLOOD_SYN)))
			return;
	}
	if (!fill(f, &w, b, r))
		return;
	w.src_hash = flood_hash(f, w.src);
	w.dst_hash = flood_hash(f, w.dst);
	w.ok = flags & ACK;
	w.back = b->src_port[r] < b->dst_port[r];
	if (w.ok) {
		if (flood_ends_noted(f, w.dst_hash, r))
			flood_ends_note(f, w.src_hash, w.dst_hash);
		w.weight = (flags & SYN) ? (float)w.flows * f->per_syn * FLOOD_OK_WEIGHT : 0;
	} else {
		w.weight *= (float)attempts(w.packets, w.flows, w.sampled) * f->per_syn;
		if (f->n_stray) /* who asks is answered */
			from_host(f, &w, FLOOD_STRAY);
		flood_carpet_flow(f, &w);
		to_host(f, &w);
		return;
	}
	flood_carpet_flow(f, &w);
	to_host(f, &w);
	if (f->n_stray && flags & SYN)
		made(f, &w);
}

static void udp(struct flood *f, const struct block *b, uint32_t r)
{
	struct flood_flow w = { .cls = (uint8_t)flood_udp_class(&f->ports, b->src_port[r]) };
	float by_octets;

	if (!fill(f, &w, b, r) || multicast(w.dst))
		return;
	w.src_hash = flood_hash(f, w.src);
	w.dst_hash = flood_hash(f, w.dst);
	w.served = b->src_port[r] < 1024 && b->src_port[r] && w.port >= 1024;
	by_octets = w.cls >= FLOOD_REFLECT ? (float)w.bytes * f->per_octet : 0;
	w.weight *= fmaxf((float)w.packets * (w.lone ? f->per_lone : f->per_udp), by_octets);
	from_host(f, &w, flood_udp_class(&f->ports, b->dst_port[r]));
	flood_carpet_flow(f, &w);
	to_host(f, &w);
}

static void icmp(struct flood *f, const struct block *b, uint32_t r, bool six)
{
	struct flood_flow w = { .cls = FLOOD_ICMP };
	bool told = block_uses(b, F_icmp);
	unsigned type = told ? b->icmp[r] >> 8 : 0;

	if (!fill(f, &w, b, r) || multicast(w.dst))
		return;
	w.src_hash = flood_hash(f, w.src);
	w.dst_hash = flood_hash(f, w.dst);
	w.asks = !told || type == (six ? ECHO6 : ECHO);
	w.reply = !told || type == (six ? ECHO_REPLY6 : ECHO_REPLY);
	w.weight *= (float)w.packets * f->per_icmp;
	/* Where types are not told, or not rightly, both ways may be replies. */
	if (w.asks || w.reply)
		from_host(f, &w, FLOOD_ICMP);
	flood_carpet_flow(f, &w);
	to_host(f, &w);
}

/* Of 64 rows those that nobody else may stand for. */
static uint64_t large(const struct block *b, uint32_t base, uint64_t bits)
{
	uint64_t out = 0;

	for (uint64_t left = asking_rows(b, base, bits); left; left &= left - 1) {
		uint32_t r = base + (uint32_t)__builtin_ctzll(left);

		out |= (uint64_t)(b->packets[r] > (uint64_t)SMALL * rate_of(b, r)) << (r & 63);
	}
	return out;
}

static inline void row(struct flood *f, const struct block *b, uint32_t r)
{
	switch (b->proto[r]) {
	case TCP: tcp(f, b, r, b->tcp_flags[r]); break;
	case UDP: udp(f, b, r); break;
	case ICMP: icmp(f, b, r, false); break;
	case ICMP6: icmp(f, b, r, true); break;
	default: break;
	}
}

void flood_track_feed(struct flood *f, const struct block *b, const uint64_t *bits,
		      int64_t now_ms)
{
	if (slice_of(now_ms) != f->period)
		new_period(f, slice_of(now_ms));
	f->stands_for = sample(f, b->n);
	for (uint32_t base = 0; base < b->n; base += 64) {
		uint64_t left = bits[base / 64];

		if (!f->stands_for)
			left = large(b, base, left);
		for (; left; left &= left - 1)
			row(f, b, base + (uint32_t)__builtin_ctzll(left));
	}
}

/* --- memory: sizeof(struct flood) + half of the rest for hosts, half for prefixes --- */

static uint32_t fits(size_t memory, size_t each, uint32_t most)
{
	size_t n = memory / (each + 64); /* and its place in the map */

	return n < 1 ? 1 : n > most ? most : (uint32_t)n;
}

void flood_track_init(struct flood *f, size_t memory)
{
	static const char seed[2] = { 'f', 'l' };
	size_t rest = memory > sizeof(*f) ? memory - sizeof(*f) : 0;

	f->k0 = map_hash(&seed[0], 1);
	f->k1 = map_hash(&seed[1], 1);
	f->newest = 0;
	f->max_host = fits(rest / 2, sizeof(struct flood_host), 4096);
	f->max_net = fits(rest / 2, sizeof(struct flood_net), 256);
	f->host = xcalloc(f->max_host, sizeof(*f->host));
	f->net = xcalloc(f->max_net, sizeof(*f->net));
	map_init(&f->hosts, sizeof(struct flood_key), sizeof(uint32_t), f->max_host);
	map_init(&f->nets, sizeof(struct flood_key), sizeof(uint32_t), f->max_net);
}

void flood_track_fini(struct flood *f)
{
	map_fini(&f->hosts);
	map_fini(&f->nets);
	free(f->host);
	free(f->net);
}
