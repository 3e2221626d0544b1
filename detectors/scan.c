/* scan.c - who tries many addresses or ports and gets no answer.
 * SPDX-License-Identifier: ISC
 *
 * An attempt is a flow that never got further than asking: TCP that holds SYN and no ACK
 * (the asking side acknowledges as soon as it is answered, so the one direction tells it;
 * a refusal by RST counts as no answer, as in Jung et al. 2004), FIN or Xmas packets
 * without ACK, a small UDP flow, an ICMP echo request. Where an exporter tells no TCP
 * flags, a TCP flow of at most three empty packets is one.
 *
 * Whose attempts go to many addresses on few ports scans horizontally, to many ports of
 * few addresses vertically. Both are needed: a peer-to-peer client gets as few answers,
 * but each of its peers has a port of its own, so it has one address to a port and one port
 * to an address. And most must fail: what succeeds (TCP with SYN and ACK, UDP that comes
 * back or is long, an echo reply) speaks for the source, so that gateways, crawlers and
 * resolvers, who meet many dead servers, are not taken for scanners.
 *
 * Stages, so that an ordinary flow costs a nanosecond: columns are tested 64 rows at a time;
 * a source that attempted gets 16 bits in a table of 64 Ki, one for each (address, port)
 * modulo 16; only with eight bits set it gets one of the entries with sketches
 * (hll.h), and there the one who did least gives way. Answers are counted only for
 * sources that have an eighth of the limit, in every fourth block where there are many,
 * together with the attempts of those blocks, so that the share stays true.
 *
 * Memory of attempts is two generations of half the `remember` time: a probe each half
 * minute is found within the hour. What took longer than QUICK_MS needs twice the limit,
 * since every host meets a dead server now and then.
 *
 * UDP and ICMP need answers to be visible. Where nothing at all comes to a source (an
 * exporter that tells one direction) and no other pair was seen in both, its UDP to
 * services that are asked in masses (DNS, NTP) proves nothing and is left out.
 */
#include "detectors/pattern.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/hll.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/rows.h"

enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	ACK = 16,
	TCP = 6,
	UDP = 17,
	ICMP = 1,
	ICMP6 = 58,
	ECHO = 8 << 8,
	ECHO6 = 128 << 8,
	TRIES = 6,		/* packets of a connection that is never answered */
	SMALL = 3,		/* packets of an attempt without flags */
	EMPTY = 64,		/* octets of a packet without data, at most */
	TRACE_FROM = 33434,	/* traceroute's ports */
	TRACE_TO = 33690,
	CELLS = 1 << 16,
	BITS_ENOUGH = 8,
	WAYS = 8,
	GIVEN = 1 << 15,	/* bits of the map of suspects */
	QUICK_MS = 10 * 60000,
	QUIET_MS = 10 * 60000,
	QUIET_MAX_MS = 60 * 60000,
	QUIET_GAPS = 30,
	MANY_ROWS = 20000,	/* in a slice: then answers are sampled */
	SAMPLE = 4,
	SLOW_ROWS = 200000,	/* in a slice: then attempts are sampled, too */
	SLOW_SAMPLE = 16,
	SPREAD = 8,		/* addresses to a port, or ports to an address */
};

struct conf {
	double targets, ports, unanswered, remember;
};

static const struct opt opts[] = {
	{ "targets", OPT_NUMBER, 50, 8, 1e6, offsetof(struct conf, targets),
	  "addresses that one source tries in ten minutes, unanswered; twice as many over longer" },
	{ "ports", OPT_NUMBER, 50, 8, 65535, offsetof(struct conf, ports),
	  "ports that it tries of an address, likewise" },
	{ "unanswered", OPT_NUMBER, 0.75, 0.1, 1, offsetof(struct conf, unanswered),
	  "share of its attempts that must fail, 0.1 to 1" },
	{ "remember", OPT_DURATION, 6 * 3600, 600, 7 * 86400, offsetof(struct conf, remember),
	  "time over which slow attempts of one source belong together" },
	{ NULL, OPT_NUMBER, 0, 0, 0, 0, NULL },
};

enum proto { P_TCP, P_UDP, P_ICMP };

struct source {
	struct addr addr;
	uint8_t used, proto;
	bool touched, told, vertical, horizontal, no_flags;
	uint64_t hash;
	int64_t first_ms, last_ms;	/* event time of its attempts */
	int64_t seen_ms;		/* when the last came */
	int64_t turned_ms;		/* generation began */
	int64_t begun_ms;		/* of what is told */
	uint64_t attempts, asked, answered; /* asked, answered: in sampled blocks */
	double told_value;
	char kind[24];
	uint16_t port;			/* which leads (Boyer and Moore), by how much */
	int32_t port_lead;
	struct addr target;
	int32_t target_lead;
	bool heard;			/* anything came to it */
	struct hll targets[2], ports[2], pairs[2]; /* now, before */
};

struct scan {
	struct conf conf;
	uint16_t *cell;			/* CELLS */
	struct source *source;		/* sets * WAYS */
	uint32_t sets;
	uint64_t given[GIVEN / 64];	/* hashes of suspects */
	unsigned suspects;
	int64_t cleared_ms, now_ms;
	int64_t slice;
	uint32_t slice_rows, slow_rows, blocks;
	bool sampled;
};

/* ---- hashes ---- */

/* Good enough for cells and bits; sketches use map_hash. */
static inline uint64_t quick(const struct addr *a)
{
	uint64_t hi, lo;

	memcpy(&hi, a->b, 8);
	memcpy(&lo, a->b + 8, 8);
	lo ^= hi * UINT64_C(0x9e3779b97f4a7c15);
	lo *= UINT64_C(0xd6e8feb86659fd93);
	return lo ^ lo >> 32;
}

static inline uint64_t mixed(uint64_t h)
{
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* ---- sources ---- */

static double limit_share(const struct scan *s, const struct source *e)
{
	return (e->proto == P_ICMP ? s->conf.targets : fmin(s->conf.targets, s->conf.ports)) / 8;
}

static bool is_given(const struct scan *s, uint64_t hash)
{
	return s->given[hash % GIVEN / 64] >> (hash % 64) & 1;
}

static void give_again(struct scan *s)
{
	memset(s->given, 0, sizeof(s->given));
	s->suspects = 0;
	for (uint32_t i = 0; i < s->sets * WAYS; i++) {
		const struct source *e = &s->source[i];

		if (!e->used || (double)e->attempts < limit_share(s, e))
			continue;
		s->given[e->hash % GIVEN / 64] |= UINT64_C(1) << (e->hash % 64);
		s->suspects++;
	}
}

static struct source *find(struct scan *s, const struct addr *a, uint64_t hash, enum proto p)
{
	struct source *set = &s->source[mixed(hash) % s->sets * WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && set[i].proto == p && addr_eq(&set[i].addr, a))
			return &set[i];
	return NULL;
}

/* Who did least gives way, and of those who are told nobody. */
static struct source *take(struct scan *s, const struct addr *a, uint64_t hash, enum proto p)
{
	struct source *set = &s->source[mixed(hash) % s->sets * WAYS], *least = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct source *e = &set[i];

		if (!e->used) {
			least = e;
			break;
		}
		if (!e->told && (!least || e->attempts < least->attempts))
			least = e;
	}
	if (!least)
		return NULL;
	memset(least, 0, sizeof(*least));
	least->used = 1;
	least->addr = *a;
	least->hash = hash;
	least->proto = (uint8_t)p;
	least->turned_ms = s->now_ms;
	return least;
}

static void vote_port(struct source *e, uint16_t port)
{
	if (!e->port_lead)
		e->port = port;
	e->port_lead += e->port == port ? 1 : -1;
}

static void vote_target(struct source *e, const struct addr *a)
{
	if (!e->target_lead)
		e->target = *a;
	e->target_lead += addr_eq(&e->target, a) ? 1 : -1;
}

static void note(struct scan *s, struct source *e, const struct block *b, uint32_t r,
		 uint16_t port, bool counted)
{
	struct {
		struct addr a;
		uint16_t port;
	} pair = { b->dst[r], port };

	/* A neighbour's octets between the members must not matter. */
	hll_add(&e->targets[0], map_hash(&b->dst[r], sizeof(b->dst[r])));
	hll_add(&e->ports[0], map_hash(&port, sizeof(port)));
	if (hll_add(&e->pairs[0], map_hash(&pair, sizeof(pair.a) + sizeof(pair.port)))) {
		vote_port(e, port);
		vote_target(e, &b->dst[r]);
	}
	if (!e->attempts || b->start_ms[r] < e->first_ms)
		e->first_ms = b->start_ms[r];
	if (b->end_ms[r] > e->last_ms)
		e->last_ms = b->end_ms[r];
	e->no_flags |= e->proto == P_TCP && !b->tcp_flags[r];
	e->attempts++;
	e->asked += counted;
	e->seen_ms = s->now_ms;
	e->touched = true;
	if ((double)e->attempts >= limit_share(s, e) && !is_given(s, e->hash)) {
		s->given[e->hash % GIVEN / 64] |= UINT64_C(1) << (e->hash % 64);
		s->suspects++;
		e->asked = e->answered = 0;
	}
}

/* ---- rows ---- */

static inline bool group_addr(const struct addr *a)
{
	if (addr_is4(a))
		return a->b[12] >= 224;
	return a->b[0] == 0xff;
}

/* Is row r an attempt, and of which protocol? */
static inline bool attempt(const struct block *b, uint32_t r, enum proto *p, uint16_t *port)
{
	uint64_t rate = b->sampling[r] > 1 ? b->sampling[r] : 1;
	uint64_t packets = b->packets[r];
	uint16_t fl = b->tcp_flags[r];

	*port = b->dst_port[r];
	switch (b->proto[r]) {
	case TCP:
		*p = P_TCP;
		if (!fl)
			return packets <= SMALL * rate && b->bytes[r] <= EMPTY * packets &&
			       b->dst_port[r] <= b->src_port[r];
		if ((fl & (SYN | ACK)) == SYN)
			return packets <= TRIES * rate;
		return (fl & (FIN | SYN | RST | ACK)) == FIN;
	case UDP:
		*p = P_UDP;
		return packets <= SMALL * rate &&
		       !(b->src_port[r] < 1024 && b->dst_port[r] >= 1024) &&
		       !(*port >= TRACE_FROM && *port < TRACE_TO) && !group_addr(&b->dst[r]);
	case ICMP:
	case ICMP6:
		*p = P_ICMP;
		*port = 0;
		return (b->icmp[r] == (b->proto[r] == ICMP ? ECHO : ECHO6)) &&
		       !group_addr(&b->dst[r]);
	default: return false;
	}
}

static void row(struct scan *s, const struct block *b, uint32_t r, bool counted)
{
	enum proto p;
	uint16_t port, *cell;
	uint64_t hash;
	struct source *e;

	if (!attempt(b, r, &p, &port))
		return;
	hash = quick(&b->src[r]);
	cell = &s->cell[mixed(hash + p) >> 48];
	if (*cell != UINT16_MAX) {
		*cell |= (uint16_t)(1u << (mixed(quick(&b->dst[r]) + port) >> 60));
		if (__builtin_popcount(*cell) < BITS_ENOUGH)
			return;
		*cell = UINT16_MAX;
	}
	if (++s->slow_rows > SLOW_ROWS && s->slow_rows % SLOW_SAMPLE) {
		s->sampled = true;
		return;
	}
	if (b->end_ms[r] < s->now_ms - (int64_t)(s->conf.remember * 1000))
		return;
	e = find(s, &b->src[r], hash, p);
	if (!e)
		e = take(s, &b->src[r], hash, p);
	if (e)
		note(s, e, b, r, port, counted);
}

/* Bits of 64 rows that may be attempts: few of ordinary traffic. */
static uint64_t may_be(const struct block *b, uint32_t at, uint64_t bits)
{
	uint8_t yes[64];
	uint64_t out = 0;
	uint32_t n = b->n - at < 64 ? b->n - at : 64;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t p = b->proto[at + i];
		uint16_t fl = b->tcp_flags[at + i];
		uint8_t tcp = p == TCP, bare = (fl & ACK) == 0;
		uint8_t other = (p == UDP) | (p == ICMP) | (p == ICMP6);

		yes[i] = (tcp & bare) | other;
	}
	for (uint32_t i = 0; i < n; i++)
		out |= (uint64_t)yes[i] << i;
	return out & bits;
}

/* What speaks for a suspect: that it was answered. */
static void answers(struct scan *s, const struct block *b, uint32_t r)
{
	uint16_t fl = b->tcp_flags[r];
	struct source *e;
	uint64_t hash;

	hash = quick(&b->src[r]);
	if (is_given(s, hash)) {
		uint64_t rate = b->sampling[r] > 1 ? b->sampling[r] : 1;
		bool asks = b->dst_port[r] <= b->src_port[r];
		enum proto p;
		uint16_t port;

		if (b->proto[r] == TCP && asks &&
		    ((fl & ACK && (fl & SYN || rate > 1)) ||
		     (!(fl & ACK) && !attempt(b, r, &p, &port)))) {
			e = find(s, &b->src[r], hash, P_TCP);
			if (e)
				e->answered++;
		} else if (b->proto[r] == UDP && b->packets[r] > SMALL * rate) {
			e = find(s, &b->src[r], hash, P_UDP);
			if (e)
				e->answered++;
		}
	}
	hash = quick(&b->dst[r]);
	if (is_given(s, hash)) {
		if ((e = find(s, &b->dst[r], hash, P_UDP))) {
			e->heard = true;
			e->answered += b->proto[r] == UDP;
		}
		if ((e = find(s, &b->dst[r], hash, P_ICMP))) {
			e->heard = true;
			e->answered += (b->proto[r] == ICMP && b->icmp[r] >> 8 == 0) ||
				       (b->proto[r] == ICMP6 && b->icmp[r] >> 8 == 129);
		}
	}
}

static void feed(void *state, const struct block *b, const uint64_t *bits, int64_t now_ms)
{
	struct scan *s = state;
	bool counted;

	s->now_ms = now_ms;
	if (slice_of(now_ms) != s->slice) {
		s->slice = slice_of(now_ms);
		s->slice_rows = s->slow_rows = 0;
	}
	s->slice_rows += b->n;
	counted = s->slice_rows < MANY_ROWS || ++s->blocks % SAMPLE == 0;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = may_be(b, w * 64, bits[w]); left; left &= left - 1)
			row(s, b, w * 64 + (uint32_t)__builtin_ctzll(left), counted);
	if (!s->suspects || !counted)
		return;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			answers(s, b, w * 64 + (uint32_t)__builtin_ctzll(left));
}

/* ---- judging ---- */

struct extent { /* what a source did, as far as it is remembered */
	double targets, ports, pairs, share, limit;
	bool slow, horizontal, vertical;
};

static struct extent extent(const struct scan *s, const struct source *e)
{
	struct extent x = { hll_count(&e->targets[0], &e->targets[1]),
			    hll_count(&e->ports[0], &e->ports[1]),
			    hll_count(&e->pairs[0], &e->pairs[1]), 0, 1, false, false, false };
	double all = (double)(e->asked + e->answered);

	x.share = all > 0 ? (double)e->asked / all : 1;
	x.slow = e->last_ms - e->first_ms > QUICK_MS;
	x.limit = x.slow ? 2 : 1;
	x.horizontal = x.targets >= s->conf.targets * x.limit && x.pairs >= SPREAD * x.ports;
	x.vertical = x.ports >= s->conf.ports * x.limit &&
		     x.pairs >= fmax(SPREAD, s->conf.ports * x.limit / 2) * x.targets;
	return x;
}

static const char *proto_word[] = { [P_TCP] = "tcp", [P_UDP] = "udp", [P_ICMP] = "icmp" };

/* A kind that stays the same while it stands. */
static void name(struct source *e, const struct extent *x)
{
	const char *what = x->horizontal && x->vertical ? "network scan"
			   : x->vertical		? "vertical scan"
							: "horizontal scan";

	if (e->proto == P_ICMP)
		snprintf(e->kind, sizeof(e->kind), "ping sweep");
	else
		snprintf(e->kind, sizeof(e->kind), "%s%s", e->proto == P_UDP ? "UDP " : "",
			 what);
	e->vertical = x->vertical && !x->horizontal;
}

static void filter_of(const struct source *e, const struct extent *x, struct finding *f)
{
	const char *bare = e->proto != P_TCP ? ""
			   : e->no_flags     ? " and packets < 4"
					     : " and not flags A";
	char target[ADDR_TEXT];

	if (e->proto == P_ICMP)
		snprintf(f->filter, sizeof(f->filter), "proto in (icmp ipv6-icmp)");
	else if (e->vertical && x->targets < 2)
		snprintf(f->filter, sizeof(f->filter), "proto %s%s and dst host %s",
			 proto_word[e->proto], bare, addr_text(&e->target, target));
	else if (!e->vertical && x->ports < 2)
		snprintf(f->filter, sizeof(f->filter), "proto %s%s and dst port %u",
			 proto_word[e->proto], bare, e->port);
	else
		snprintf(f->filter, sizeof(f->filter), "proto %s%s", proto_word[e->proto],
			 bare);
}

static void sentence(const struct scan *s, const struct source *e, const struct extent *x,
		     struct finding *f)
{
	char who[ADDR_TEXT], target[ADDR_TEXT], time[UNIT_TEXT], what[160], tp[UNIT_TEXT],
		tt[UNIT_TEXT], tq[UNIT_TEXT];
	struct key k = { .b = { 0 } };
	char service[SERIES_TEXT];
	uint32_t id = (uint32_t)(e->proto == P_TCP ? TCP : UDP) << 16 | e->port;

	memcpy(k.b, &id, sizeof(id));
	text_count(x->targets, tt);
	text_count(x->ports, tp);
	text_count(x->pairs, tq);
	if (e->proto == P_ICMP)
		snprintf(what, sizeof(what), "pinged about %s addresses", tt);
	else if (e->vertical && x->targets < 2)
		snprintf(what, sizeof(what), "tried about %s %s ports of %s", tp,
			 proto_word[e->proto], addr_text(&e->target, target));
	else if (!e->vertical && x->ports < 2)
		snprintf(what, sizeof(what), "tried about %s addresses for %s", tt,
			 key_text(BY_PORT, &k, NULL, service));
	else
		snprintf(what, sizeof(what), "tried about %s %s ports of about %s addresses, %s "
					     "pairs in all",
			 tp, proto_word[e->proto], tt, tq);
	snprintf(f->why, sizeof(f->why),
		 "%s %s within %s; %.0f %% of its attempts were not answered or refused%s. %s",
		 addr_text(&e->addr, who), what,
		 text_duration(e->last_ms - e->first_ms, time), 100 * x->share,
		 s->sampled ? " (of a sample: there were too many flows to see all)" : "",
		 f->ended ? "It has stopped."
			  : "Find out what runs there: if it is meant to look around (a "
			    "scanner of your own, an inventory), leave it out with the rule's "
			    "filter; else take it off the network.");
}

static void tell(struct scan *s, struct source *e, const struct extent *x, bool ended,
		 finding_f *fn, void *arg)
{
	struct finding f = { .by = BY_SRC, .ended = ended, .first_ms = e->begun_ms,
			     .last_ms = e->last_ms, .who = e->addr };

	memcpy(f.key.b, e->addr.b, sizeof(e->addr.b));
	f.measure.kind = e->vertical ? MEASURE_PORTS : MEASURE_PEERS;
	f.value = round(e->vertical ? x->ports : x->targets);
	f.limit = (e->vertical ? s->conf.ports : s->conf.targets) * x->limit;
	memcpy(f.kind, e->kind, sizeof(e->kind));
	filter_of(e, x, &f);
	sentence(s, e, x, &f);
	fn(arg, &f);
}

static int64_t quiet_ms(const struct source *e)
{
	int64_t gap = (e->last_ms - e->first_ms) / (int64_t)(e->attempts ? e->attempts : 1);
	int64_t q = gap * QUIET_GAPS;

	return q < QUIET_MS ? QUIET_MS : q > QUIET_MAX_MS ? QUIET_MAX_MS : q;
}

/* Attempts of long ago no longer count; half of them are forgotten at a time. */
static void turn(const struct scan *s, struct source *e)
{
	if (s->now_ms - e->turned_ms < (int64_t)(s->conf.remember * 500))
		return;
	e->targets[1] = e->targets[0];
	e->ports[1] = e->ports[0];
	e->pairs[1] = e->pairs[0];
	memset(&e->targets[0], 0, sizeof(e->targets[0]));
	memset(&e->ports[0], 0, sizeof(e->ports[0]));
	memset(&e->pairs[0], 0, sizeof(e->pairs[0]));
	if (e->turned_ms > e->first_ms)
		e->first_ms = e->turned_ms;
	e->turned_ms = s->now_ms;
	e->attempts /= 2;
	e->asked /= 2;
	e->answered /= 2;
}

static void judge_one(struct scan *s, struct source *e, finding_f *fn, void *arg)
{
	struct extent x;
	double value;

	if (e->told && s->now_ms - e->seen_ms > quiet_ms(e)) {
		x = extent(s, e);
		tell(s, e, &x, true, fn, arg);
		e->used = 0;
		return;
	}
	if (s->now_ms - e->seen_ms > (int64_t)(s->conf.remember * 1000)) {
		e->used = 0;
		return;
	}
	if (!e->touched || (double)e->attempts < limit_share(s, e) * 4)
		return;
	e->touched = false;
	x = extent(s, e);
	value = e->vertical ? x.ports : x.targets;
	if (e->told) {
		if (value >= 2 * e->told_value) {
			e->told_value = value;
			tell(s, e, &x, false, fn, arg);
		}
	} else if ((x.horizontal || x.vertical) && x.share >= s->conf.unanswered) {
		e->told = true;
		e->begun_ms = e->first_ms;
		name(e, &x);
		e->told_value = e->vertical ? x.ports : x.targets;
		tell(s, e, &x, false, fn, arg);
	}
	turn(s, e);
}

static void judge(void *state, int64_t now_ms, finding_f *fn, void *arg)
{
	struct scan *s = state;

	s->now_ms = now_ms;
	for (uint32_t i = 0; i < s->sets * WAYS; i++)
		if (s->source[i].used)
			judge_one(s, &s->source[i], fn, arg);
	if (now_ms - s->cleared_ms < 3600000)
		return;
	s->cleared_ms = now_ms;
	memset(s->cell, 0, CELLS * sizeof(*s->cell));
	for (uint32_t i = 0; i < s->sets * WAYS; i++)
		if (s->source[i].used)
			s->cell[mixed(s->source[i].hash + s->source[i].proto) >> 48] = UINT16_MAX;
	give_again(s);
}

static void *open_scan(const void *conf, size_t memory)
{
	struct scan *s = xcalloc(1, sizeof(*s));

	s->conf = *(const struct conf *)conf;
	s->cell = xcalloc(CELLS, sizeof(*s->cell));
	for (s->sets = 1; s->sets < 256 && CELLS * sizeof(*s->cell) + (size_t)2 * s->sets * WAYS *
					     sizeof(*s->source) <= memory; s->sets *= 2)
		;
	s->source = xcalloc((size_t)s->sets * WAYS, sizeof(*s->source));
	return s;
}

static void free_scan(void *state)
{
	struct scan *s = state;

	free(s->cell);
	free(s->source);
	free(s);
}

const struct pattern pattern_scan = {
	.name = "scan",
	.doc = "a source that tries many addresses or ports and gets no answer",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.open = open_scan,
	.feed = feed,
	.judge = judge,
	.free = free_scan,
};
