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
 * sources that have an eighth of the limit, in every eighth block where there are many,
 * together with the attempts of those blocks, so that the share stays true; who has been
 * answered often is not sketched at all.
 *
 * Memory of attempts is two generations of half the `remember` time: a probe each half
 * minute is found within the hour. What took longer than QUICK_MS needs twice the limit,
 * since every host meets a dead server now and then.
 *
 * UDP and ICMP need answers to be visible. Where a source gets none at all, others say
 * whether they would be seen: of pairs that spoke TCP, how many were seen in both
 * directions? (Near ones, of one /16 or /48, speak for near attempts, far ones for far: a
 * border may be told in one direction beside a LAN in both.) An exporter that tells one
 * direction has few; then silence proves nothing,
 * and while too few pairs were seen to know, only what is asked in masses (DNS, NTP) is
 * left out. Likewise TCP of an exporter that samples without saying so has lone ACKs enough that
 * speak for a client.
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
	EMPTY = 84,		/* octets of a packet without data, at most: SYN in IPv6 */
	DENIED = 3,		/* firewallEvent */
	DNS = 53,
	NTP = 123,
	TRACE_FROM = 33434,	/* traceroute's ports */
	TRACE_TO = 33690,
	CELLS = 1 << 16,
	BITS_ENOUGH = 8,
	WAYS = 8,
	SETS_MAX = 256,		/* of 14 KiB: 3.6 MiB, and 0.2 for the rest */
	GIVEN = 1 << 15,	/* bits of the map of suspects */
	QUICK_MS = 10 * 60000,
	QUIET_MS = 10 * 60000,
	QUIET_MAX_MS = 60 * 60000,
	QUIET_GAPS = 30,
	MANY_ROWS = 4096,	/* in a slice: then answers are sampled */
	SAMPLE = 8,
	TRUST = 256,		/* attempts and answers that make a source known as good */
	RECENT = 4096,		/* of them count; then both are halved */
	SLOW_ROWS = 200000,	/* in a slice: then attempts are sampled, too */
	SLOW_SAMPLE = 16,
	SPREAD = 8,		/* addresses to a port, or ports to an address */
	KNOWN = 12,		/* attempts and answers that a share can be told of */
	PAIRS = 4096,		/* that say whether both directions are seen */
	PAIRS_ENOUGH = 64,
	PEEK = 6,		/* every so many slices, when there are many rows */
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

struct sketches { /* now, before */
	struct hll targets[2], ports[2], pairs[2];
};

struct source {
	struct addr addr;
	struct sketches *is;
	uint8_t proto;
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
	int32_t near_lead;		/* of attempts to its own neighbours */
	bool heard;			/* an answer came to it */
};

struct scan {
	struct conf conf;
	uint16_t *cell;			/* CELLS */
	/* sets * WAYS of each: what is looked through lies close together. */
	uint32_t *tag;			/* 0: free; else of hash and protocol */
	struct source *source;
	struct sketches *sketches;
	uint32_t sets;
	uint64_t given[GIVEN / 64];	/* hashes of suspects */
	uint32_t pair[2][PAIRS];	/* far, near: hash, below it a bit for each direction */
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

		if (!s->tag[i] || (double)e->attempts < limit_share(s, e))
			continue;
		s->given[e->hash % GIVEN / 64] |= UINT64_C(1) << (e->hash % 64);
		s->suspects++;
	}
}

static uint32_t set_of(const struct scan *s, uint64_t hash)
{
	return (uint32_t)(mixed(hash) >> 20) % s->sets * WAYS;
}

static uint32_t tag_of(uint64_t hash, enum proto p)
{
	return (uint32_t)(hash >> 8 << 2 | p) | 1u << 31;
}

static struct source *find(struct scan *s, const struct addr *a, uint64_t hash, enum proto p)
{
	uint32_t at = set_of(s, hash), tag = tag_of(hash, p);

	for (uint32_t i = at; i < at + WAYS; i++)
		if (s->tag[i] == tag && s->source[i].proto == p &&
		    addr_eq(&s->source[i].addr, a))
			return &s->source[i];
	return NULL;
}

/* Who did least gives way, and of those who are told nobody. */
static struct source *take(struct scan *s, const struct addr *a, uint64_t hash, enum proto p)
{
	uint32_t at = set_of(s, hash), least = UINT32_MAX;

	for (uint32_t i = at; i < at + WAYS; i++) {
		if (!s->tag[i]) {
			least = i;
			break;
		}
		if (!s->source[i].told &&
		    (least == UINT32_MAX || s->source[i].attempts < s->source[least].attempts))
			least = i;
	}
	if (least == UINT32_MAX)
		return NULL;
	s->tag[least] = tag_of(hash, p);
	memset(&s->sketches[least], 0, sizeof(s->sketches[least]));
	s->source[least] = (struct source){ .addr = *a, .is = &s->sketches[least],
					    .hash = hash, .proto = (uint8_t)p,
					    .turned_ms = s->now_ms };
	return &s->source[least];
}

/* Of one site, as far as addresses tell. */
static bool near(const struct addr *a, const struct addr *b)
{
	return addr_is4(a) ? !memcmp(a->b, b->b, 14) : !memcmp(a->b, b->b, 6);
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

/* Share of the attempts that failed. What TCP got through is no attempt by its flags; of
 * the others each is one, and some come back. */
static double failed(enum proto p, double asked, double answered)
{
	if (p == P_TCP)
		return asked + answered > 0 ? asked / (asked + answered) : 1;
	return asked <= 0 ? 1 : asked <= answered ? 0 : (asked - answered) / asked;
}

/* Who is answered so often (a gateway, a resolver) is not sketched: that would cost most
 * where there is least to find. */
static bool trusted(const struct scan *s, struct source *e)
{
	if (e->asked + e->answered > RECENT) {
		e->asked /= 2;
		e->answered /= 2;
	}
	return !e->told && e->asked + e->answered >= TRUST &&
	       failed(e->proto, (double)e->asked, (double)e->answered) <
		       s->conf.unanswered / 2;
}

static void note(struct scan *s, struct source *e, const struct block *b, uint32_t r,
		 uint16_t port, bool counted)
{
	struct {
		struct addr a;
		uint16_t port;
	} pair = { b->dst[r], port };

	e->attempts++;
	e->asked += counted;
	e->seen_ms = s->now_ms;
	if (trusted(s, e))
		return;
	hll_add(&e->is->targets[0], map_hash(&b->dst[r], sizeof(b->dst[r])));
	hll_add(&e->is->ports[0], map_hash(&port, sizeof(port)));
	if (hll_add(&e->is->pairs[0], map_hash(&pair, sizeof(pair.a) + sizeof(pair.port)))) {
		vote_port(e, port);
		vote_target(e, &b->dst[r]);
		e->near_lead += near(&b->src[r], &b->dst[r]) ? 1 : -1;
	}
	if (!e->first_ms || b->start_ms[r] < e->first_ms)
		e->first_ms = b->start_ms[r];
	if (b->end_ms[r] > e->last_ms)
		e->last_ms = b->end_ms[r];
	e->no_flags |= e->proto == P_TCP && !b->tcp_flags[r];
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
	if (!packets && b->fw_event[r] != DENIED)
		return false;
	switch (b->proto[r]) {
	case TCP:
		*p = P_TCP;
		if (b->fw_event[r] == DENIED)
			return true;
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

/* The compiler's own is a call, where the processor may be old. */
static inline unsigned bits_of(uint32_t v)
{
	v -= v >> 1 & 0x5555;
	v = (v & 0x3333) + (v >> 2 & 0x3333);
	v = (v + (v >> 4)) & 0x0f0f;
	return (v + (v >> 8)) & 0x1f;
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
		if (bits_of(*cell) < BITS_ENOUGH)
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

/* Octets of 0 and 1 as bits, eight at a time. */
static inline uint64_t packed(const uint8_t yes[64])
{
	uint64_t out = 0, eight;

	for (unsigned i = 0; i < 8; i++) {
		memcpy(&eight, yes + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		eight = __builtin_bswap64(eight);
#endif
		out |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
	}
	return out;
}

/* Bits of 64 rows that may be attempts: few of ordinary traffic. Columns have room for
 * BLOCK_ROWS, so that the loop may be of fixed length; what is behind the last row is
 * not in `bits`. */
static uint64_t may_be(const struct block *b, uint32_t at, uint64_t bits)
{
	const uint8_t *proto = b->proto + at;
	const uint16_t *flags = b->tcp_flags + at;
	uint8_t yes[64], has_ack[64];

	for (unsigned i = 0; i < 64; i++)
		has_ack[i] = (uint8_t)(flags[i] & ACK);
	for (unsigned i = 0; i < 64; i++)
		yes[i] = (uint8_t)(((proto[i] == TCP) & (has_ack[i] == 0)) | (proto[i] == UDP) |
				   (proto[i] == ICMP) | (proto[i] == ICMP6));
	return packed(yes) & bits;
}

/* Did the source of this row get through with what it asked for? */
static bool succeeded(const struct block *b, uint32_t r)
{
	uint64_t rate = b->sampling[r] > 1 ? b->sampling[r] : 1;
	bool small = b->packets[r] <= SMALL * rate;
	uint16_t fl = b->tcp_flags[r], port;
	enum proto p;

	if (b->proto[r] == UDP)
		return !small;
	if (b->proto[r] != TCP || b->dst_port[r] > b->src_port[r])
		return false;
	/* The beginning of a connection, or a part of one where packets are sampled; not the
	 * rest of a long one, which would speak for its host each minute anew. */
	if (fl & ACK)
		return fl & SYN || (small && !(fl & RST));
	return !(fl & (FIN | RST)) && !attempt(b, r, &p, &port);
}

/* What speaks for a suspect: that it was answered. */
static void answers(struct scan *s, const struct block *b, uint32_t r)
{
	uint64_t hash = quick(&b->src[r]);
	uint8_t proto = b->proto[r];
	struct source *e;

	if (is_given(s, hash) && succeeded(b, r)) {
		e = find(s, &b->src[r], hash, proto == TCP ? P_TCP : P_UDP);
		if (e) {
			e->answered++;
			e->asked += proto == UDP;
		}
	}
	hash = quick(&b->dst[r]);
	if (!is_given(s, hash))
		return;
	/* An answer comes from the port that was asked; who asks the suspect is none. */
	if ((e = find(s, &b->dst[r], hash, P_UDP))) {
		bool answer = proto == UDP && (b->src_port[r] == e->port ||
					       b->src_port[r] <= b->dst_port[r]);

		e->heard |= answer || proto == ICMP || proto == ICMP6;
		e->answered += answer;
	}
	if ((e = find(s, &b->dst[r], hash, P_ICMP))) {
		e->heard = true;
		e->answered += (proto == ICMP && b->icmp[r] >> 8 == 0) ||
			       (proto == ICMP6 && b->icmp[r] >> 8 == 129);
	}
}

/* Are both directions told? Looked at as rarely as it changes. */
static void peek(struct scan *s, const struct block *b)
{
	for (uint32_t r = 0; r < b->n; r++) {
		uint64_t from, to, both;
		uint32_t *slot, way;

		if (b->proto[r] != TCP || !(b->tcp_flags[r] & ACK))
			continue;
		from = quick(&b->src[r]);
		to = quick(&b->dst[r]);
		both = mixed(from ^ to);
		slot = &s->pair[near(&b->src[r], &b->dst[r])][both % PAIRS];
		way = from < to ? 1 : 2;
		if (*slot >> 2 != (uint32_t)(both >> 34))
			*slot = (uint32_t)(both >> 34) << 2;
		*slot |= way;
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
	if (counted && (s->slice_rows < MANY_ROWS || s->slice % PEEK == 0))
		peek(s, b);
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
	const struct sketches *k = e->is;
	struct extent x = { hll_count(&k->targets[0], &k->targets[1]),
			    hll_count(&k->ports[0], &k->ports[1]),
			    hll_count(&k->pairs[0], &k->pairs[1]), 0, 1, false, false, false };
	double asked = (double)e->asked, answered = (double)e->answered;

	x.share = failed(e->proto, asked, answered);
	x.slow = e->last_ms - e->first_ms > QUICK_MS;
	x.limit = x.slow ? 2 : 1;
	x.horizontal = x.targets >= s->conf.targets * x.limit && x.pairs >= SPREAD * x.ports;
	x.vertical = x.ports >= s->conf.ports * x.limit &&
		     x.pairs >= fmax(SPREAD, s->conf.ports * x.limit / 2) * x.targets;
	return x;
}

/* Silence that proves nothing: see above. */
static bool unheard(const struct scan *s, const struct source *e)
{
	uint32_t pairs = 0, both = 0;

	if (e->proto == P_TCP || e->heard)
		return false;
	for (uint32_t i = 0; i < PAIRS; i++) {
		pairs += s->pair[e->near_lead > 0][i] != 0;
		both += (s->pair[e->near_lead > 0][i] & 3) == 3;
	}
	if (pairs >= PAIRS_ENOUGH)
		return both < pairs / 4;
	return e->proto == P_UDP && (e->port == DNS || e->port == NTP);
}

/* Enough of both to tell a share; or it is over, and nothing else came. */
static bool known(const struct scan *s, const struct source *e)
{
	return e->asked + e->answered >= KNOWN || s->now_ms - e->seen_ms >= 2 * SLICE_MS;
}

static const char *const proto_word[] = { [P_TCP] = "tcp", [P_UDP] = "udp", [P_ICMP] = "icmp" };

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
	struct sketches *k = e->is;

	if (s->now_ms - e->turned_ms < (int64_t)(s->conf.remember * 500))
		return;
	k->targets[1] = k->targets[0];
	k->ports[1] = k->ports[0];
	k->pairs[1] = k->pairs[0];
	memset(&k->targets[0], 0, sizeof(k->targets[0]));
	memset(&k->ports[0], 0, sizeof(k->ports[0]));
	memset(&k->pairs[0], 0, sizeof(k->pairs[0]));
	if (e->turned_ms > e->first_ms)
		e->first_ms = e->turned_ms;
	e->turned_ms = s->now_ms;
	e->attempts /= 2;
	e->asked /= 2;
	e->answered /= 2;
}

/* A sweep of a living network is answered; one who watches it asks the living. */
static double needed(const struct scan *s, const struct source *e)
{
	return e->proto == P_ICMP ? s->conf.unanswered * 2 / 3 : s->conf.unanswered;
}

static void judge_one(struct scan *s, struct source *e, finding_f *fn, void *arg)
{
	struct extent x;
	double value;

	if (e->told && s->now_ms - e->seen_ms > quiet_ms(e)) {
		x = extent(s, e);
		tell(s, e, &x, true, fn, arg);
		s->tag[e - s->source] = 0;
		return;
	}
	if (s->now_ms - e->seen_ms > (int64_t)(s->conf.remember * 1000)) {
		s->tag[e - s->source] = 0;
		return;
	}
	if (!e->touched || (double)e->attempts < limit_share(s, e) * 4)
		return;
	if (!e->told && !known(s, e))
		return;
	e->touched = false;
	x = extent(s, e);
	value = e->vertical ? x.ports : x.targets;
	if (e->told) {
		if (value >= 2 * e->told_value) {
			e->told_value = value;
			tell(s, e, &x, false, fn, arg);
		}
	} else if ((x.horizontal || x.vertical) && x.share >= needed(s, e) &&
		   !unheard(s, e)) {
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
		if (s->tag[i])
			judge_one(s, &s->source[i], fn, arg);
	if (now_ms - s->cleared_ms < 3600000)
		return;
	s->cleared_ms = now_ms;
	memset(s->cell, 0, CELLS * sizeof(*s->cell));
	for (uint32_t i = 0; i < s->sets * WAYS; i++)
		if (s->tag[i])
			s->cell[mixed(s->source[i].hash + s->source[i].proto) >> 48] = UINT16_MAX;
	give_again(s);
}

static void *open_scan(const void *conf, size_t memory)
{
	const size_t one = sizeof(uint32_t) + sizeof(struct source) + sizeof(struct sketches);
	struct scan *s = xcalloc(1, sizeof(*s));
	size_t n;

	s->conf = *(const struct conf *)conf;
	s->cell = xcalloc(CELLS, sizeof(*s->cell));
	for (s->sets = 1; s->sets < SETS_MAX && 2 * s->sets * WAYS * one <= memory; s->sets *= 2)
		;
	n = (size_t)s->sets * WAYS;
	s->tag = xcalloc(n, sizeof(*s->tag));
	s->source = xcalloc(n, sizeof(*s->source));
	s->sketches = xcalloc(n, sizeof(*s->sketches));
	return s;
}

static void free_scan(void *state)
{
	struct scan *s = state;

	free(s->cell);
	free(s->tag);
	free(s->source);
	free(s->sketches);
	free(s);
}

const struct pattern pattern_scan = {
	.name = "scan",
	.doc = "a source that tries many addresses or ports and gets no answer",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.limit = "targets",
	.open = open_scan,
	.feed = feed,
	.judge = judge,
	.free = free_scan,
};
