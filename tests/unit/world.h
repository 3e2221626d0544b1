/* world.h - conversations, and what an exporter makes of them, for tests of patterns.
 * SPDX-License-Identifier: ISC
 *
 * Actors (world_actors.h) say who talks with whom, how much and for how long. The exporter
 * between them and the patterns has a cache with an active and an inactive timeout, samples,
 * sees both directions or one, and tells TCP flags or none: so a flow is told in pieces, late,
 * in part, as real ones are. Each second the rows that are due go to every pattern, which
 * then judges, as the daemon does it.
 */
#ifndef CUL_TESTS_WORLD_H
#define CUL_TESTS_WORLD_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"
#include "daemon/model/rows.h"
#include "detectors/pattern.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, WHOLE = SYN | ACK | PSH | FIN };
enum { TCP = 6, UDP = 17, ICMP = 1, FOUND_MAX = 512, AHEAD_S = 4096, PATTERNS_MAX = 4 };

struct sender {
	const char *name;
	uint32_t sampling;	   /* 0: sees every packet */
	uint32_t active_s, idle_s; /* 0: 60 and 15 */
	bool by_packet;		   /* a row for each packet, at once, as sFlow does */
	bool in_only, out_only;	   /* towards the site, away from it */
	bool no_flags, v6;
};

struct talk { /* c asks s */
	uint32_t c, s; /* IPv4, or the low half of IPv6 */
	uint16_t c_port, s_port, c_flags, s_flags, c_icmp, s_icmp;
	uint8_t proto;
	uint32_t c_packets, s_packets, c_bytes, s_bytes;
	int64_t start_ms, lasts_ms;
};

struct way { /* one direction of a talk, or a piece of it, that will be told */
	uint32_t src, dst;
	uint16_t src_port, dst_port, flags, icmp;
	uint8_t proto;
	uint32_t packets, bytes;
	int64_t start_ms, end_ms;
};

struct second {
	struct way *at;
	uint32_t n, room;
};

struct sight { /* what was told, from its beginning to its end */
	const char *pattern;
	struct addr who;
	char kind[32], why[512], filter[256];
	int64_t at_ms, first_ms, ended_ms;
	double value, limit;
	unsigned grew;
	bool ended;
	bool meant; /* the user's: by an attack */
};

struct world {
	struct {
		const struct pattern *p;
		void *state;
		int64_t feed_ns, judge_ns;
	} pattern[PATTERNS_MAX];
	unsigned n_patterns;
	struct sender as;
	struct names *names;
	struct block *b;
	int64_t now_ms; /* where this second begins */
	uint64_t rng, rows, seconds;
	struct second ahead[AHEAD_S];
	struct sight found[FOUND_MAX];
	unsigned n_found;
	const char *judging;
};

/* ---- chance ---- */

static inline uint64_t world_draw(struct world *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng * UINT64_C(0x2545f4914f6cdd1d);
}
static inline uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)((world_draw(w) >> 32) * n >> 32);
}
static inline double part(struct world *w) { return (double)(world_draw(w) >> 11) / 9007199254740992.0; }
static inline bool chance(struct world *w, double p) { return part(w) < p; }
/* Poisson: how often what happens `mean` times on average. */
static inline uint32_t times(struct world *w, double mean)
{
	double left = exp(-mean), p = 1;
	uint32_t n = 0;

	if (mean > 30) {
		double u = sqrt(-2 * log(part(w) + 1e-12)) * cos(2 * 3.141592653589793 * part(w));
		double v = mean + sqrt(mean) * u + 0.5;

		return v > 0 ? (uint32_t)v : 0;
	}
	while ((p *= part(w)) > left)
		n++;
	return n;
}
/* Between low and high, each size as often as another. */
static inline double sized(struct world *w, double low, double high)
{
	return low * pow(high / low, part(w));
}

/* ---- the exporter ---- */

static inline bool is_ours(uint32_t a)
{
	return a >> 24 == 10 || a >> 20 == 0xcb007100u >> 20;
}

static inline void due(struct world *w, const struct way *x, int64_t at_ms)
{
	int64_t in_s = (at_ms - w->now_ms) / 1000;
	struct second *s;

	if (in_s < 0)
		in_s = 0;
	if (in_s >= AHEAD_S)
		in_s = AHEAD_S - 1;
	s = &w->ahead[(w->now_ms / 1000 + in_s) % AHEAD_S];
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->at = xrealloc(s->at, s->room, sizeof(*s->at));
	}
	s->at[s->n++] = *x;
}

static inline void by_packet(struct world *w, const struct way *x)
{
	uint32_t k = times(w, (double)x->packets / w->as.sampling), size = x->bytes / x->packets;

	for (uint32_t i = 0; i < k; i++) {
		struct way one = *x;

		one.packets = w->as.sampling;
		one.bytes = size * w->as.sampling;
		one.start_ms = one.end_ms = x->start_ms + (int64_t)(part(w) * (double)(x->end_ms - x->start_ms));
		if (x->packets > 2)
			one.flags = chance(w, 1.0 / x->packets) ? x->flags & (SYN | ACK) : x->flags & (PSH | ACK);
		due(w, &one, one.end_ms);
	}
}

/* A piece of a flow goes out when its time or its silence is over. */
static inline void piece(struct world *w, struct way x, bool closed)
{
	int64_t idle = (w->as.idle_s ? w->as.idle_s : 15) * 1000;

	if (w->as.sampling) {
		uint32_t size = x.bytes / x.packets, all = x.packets;

		x.packets = times(w, (double)all / w->as.sampling);
		if (!x.packets)
			return;
		if (all > 1 && !chance(w, (double)x.packets / all))
			x.flags &= (uint16_t)~(SYN | FIN);
		if (x.packets == 1)
			x.start_ms = x.end_ms;
		x.packets *= w->as.sampling;
		x.bytes = size * x.packets;
	}
	due(w, &x, x.end_ms + (closed ? 1000 : idle));
}

static inline void way(struct world *w, struct way x)
{
	int64_t active = (w->as.active_s ? w->as.active_s : 60) * 1000, lasts = x.end_ms - x.start_ms;
	bool closes = x.proto == TCP && x.flags & (FIN | RST);
	uint32_t packets = x.packets, bytes = x.bytes;
	uint16_t flags = x.flags;
	int64_t from = x.start_ms;

	if (!packets || (w->as.in_only && !is_ours(x.dst)) || (w->as.out_only && !is_ours(x.src)))
		return;
	if (w->as.no_flags)
		x.flags = flags = 0;
	if (w->as.by_packet) {
		by_packet(w, &x);
		return;
	}
	for (; lasts > active; lasts -= active, from += active) {
		uint32_t n = (uint32_t)((double)packets * (double)active / (double)lasts);
		struct way p = x;

		p.packets = n ? n : 1;
		p.bytes = (uint32_t)((double)bytes * (double)active / (double)lasts);
		p.start_ms = from;
		p.end_ms = from + active;
		p.flags = flags & (uint16_t)~(FIN | RST);
		flags &= (uint16_t)~SYN;
		packets -= n < packets ? n : packets - 1;
		bytes -= p.bytes;
		piece(w, p, true);
	}
	x.start_ms = from;
	x.packets = packets;
	x.bytes = bytes;
	x.flags = flags;
	piece(w, x, closes);
}

/* Somewhere in this second, if it does not say when. */
static inline void tell(struct world *w, struct talk t)
{
	struct way x = { t.c, t.s, t.c_port, t.s_port, t.c_flags, t.c_icmp, t.proto,
			 t.c_packets, t.c_bytes ? t.c_bytes : 60 * t.c_packets, 0, 0 };
	struct way back = { t.s, t.c, t.s_port, t.c_port, t.s_flags, t.s_icmp, t.proto,
			    t.s_packets, t.s_bytes ? t.s_bytes : 60 * t.s_packets, 0, 0 };

	if (!t.start_ms)
		t.start_ms = w->now_ms + below(w, 1000);
	x.start_ms = t.start_ms;
	back.start_ms = t.start_ms + (t.lasts_ms > 20 ? 20 : 0);
	x.end_ms = back.end_ms = t.start_ms + t.lasts_ms;
	way(w, x);
	way(w, back);
}

/* ---- rows, and time ---- */

static inline struct addr world_addr(const struct world *w, uint32_t v4)
{
	uint8_t net[4] = { (uint8_t)(v4 >> 24), (uint8_t)(v4 >> 16), (uint8_t)(v4 >> 8), (uint8_t)v4 };
	struct addr a = addr_of4(net);

	if (w->as.v6) { /* a /64 where IPv4 has a /24 */
		const uint8_t six[8] = { 0x20, 0x01, 0x0d, 0xb8, net[0], net[1], net[2], 0 };

		memcpy(a.b, six, 8);
		memset(a.b + 8, 0, 7);
	}
	return a;
}

static inline void world_columns(struct world *w)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_src, F_dst,
					   F_src_port, F_dst_port, F_proto, F_icmp,
					   F_tcp_flags, F_sampling, F_packets, F_bytes };

	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
		block_use(w->b, used[i]);
}

static inline int64_t world_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline void world_flush(struct world *w)
{
	uint64_t bits[ROW_WORDS];

	if (!w->b->n)
		return;
	for (uint32_t i = 0; i < ROW_WORDS; i++)
		bits[i] = w->b->n >= (i + 1) * 64 ? UINT64_MAX
			  : w->b->n > i * 64	  ? (UINT64_C(1) << (w->b->n - i * 64)) - 1
						  : 0;
	for (unsigned i = 0; i < w->n_patterns; i++) {
		int64_t from = world_ns();

		w->pattern[i].p->feed(w->pattern[i].state, w->b, bits, w->now_ms + 999);
		w->pattern[i].feed_ns += world_ns() - from;
	}
	w->rows += w->b->n;
	block_reset(w->b);
	world_columns(w);
}

static inline void world_row(struct world *w, const struct way *x)
{
	struct block *b = w->b;
	uint32_t r = b->n++;
	bool six = w->as.v6 && x->proto == ICMP;

	b->start_ms[r] = x->start_ms;
	b->end_ms[r] = x->end_ms;
	b->received_ms[r] = w->now_ms + 999;
	b->src[r] = world_addr(w, x->src);
	b->dst[r] = world_addr(w, x->dst);
	b->src_port[r] = x->src_port;
	b->dst_port[r] = x->dst_port;
	b->proto[r] = six ? 58 : x->proto;
	b->icmp[r] = !six ? x->icmp : x->icmp == 8 << 8 ? 128 << 8 : x->icmp ? 1 << 8 | 4 : 129 << 8;
	b->tcp_flags[r] = x->flags;
	b->sampling[r] = w->as.sampling;
	b->packets[r] = x->packets;
	b->bytes[r] = x->bytes;
	if (b->n == BLOCK_ROWS)
		world_flush(w);
}

static inline void world_found(void *arg, const struct finding *f)
{
	struct world *w = arg;
	struct addr who = addr_is_none(&f->who) ? (struct addr){ { 0 } } : f->who;
	struct sight *o;

	if (f->by == BY_DST || f->by == BY_SRC || f->by == BY_HOST)
		memcpy(who.b, f->key.b, sizeof(who.b));
	for (unsigned i = w->n_found; i-- > 0;) { /* grew, or ended */
		o = &w->found[i];
		if (o->ended || o->pattern != w->judging || memcmp(&o->who, &who, sizeof(who)) ||
		    strcmp(o->kind, f->kind))
			continue;
		o->ended = f->ended;
		o->ended_ms = f->last_ms;
		o->value = f->value;
		o->grew += !f->ended;
		return;
	}
	if (w->n_found == FOUND_MAX)
		return;
	o = &w->found[w->n_found++];
	*o = (struct sight){ .pattern = w->judging, .who = who, .at_ms = w->now_ms,
			     .first_ms = f->first_ms, .ended_ms = f->last_ms,
			     .value = f->value, .limit = f->limit, .ended = f->ended };
	memcpy(o->kind, f->kind, sizeof(o->kind));
	memcpy(o->why, f->why, sizeof(o->why));
	memcpy(o->filter, f->filter, sizeof(o->filter));
}

/* This second is over. */
static inline void world_second(struct world *w)
{
	struct second *s = &w->ahead[w->now_ms / 1000 % AHEAD_S];

	for (uint32_t i = 0; i < s->n; i++)
		world_row(w, &s->at[i]);
	s->n = 0;
	world_flush(w);
	w->now_ms += 1000;
	w->seconds++;
	for (unsigned i = 0; i < w->n_patterns; i++) {
		int64_t from = world_ns();

		w->judging = w->pattern[i].p->name;
		w->pattern[i].p->judge(w->pattern[i].state, w->now_ms, world_found, w);
		w->pattern[i].judge_ns += world_ns() - from;
	}
}

static inline struct world *world_new(const struct sender *as, uint64_t seed, int64_t now_ms)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->as = *as;
	w->rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	w->now_ms = now_ms;
	w->names = names_new(16);
	w->b = block_new(w->names);
	world_columns(w);
	for (int i = 0; i < 16; i++)
		world_draw(w);
	return w;
}

static inline void world_watch(struct world *w, const char *pattern)
{
	const struct pattern *p = pattern_find(pattern);
	void *conf = xcalloc(1, p->conf_size);

	opt_defaults(p->opts, conf);
	w->pattern[w->n_patterns].p = p;
	w->pattern[w->n_patterns++].state = p->open(conf, 8 << 20);
	free(conf);
}

static inline void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->n_patterns; i++)
		w->pattern[i].p->free(w->pattern[i].state);
	for (unsigned i = 0; i < AHEAD_S; i++)
		free(w->ahead[i].at);
	block_unref(&w->b);
	names_free(&w->names);
	free(w);
}

#endif
