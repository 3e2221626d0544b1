/* scan.c - who tries many addresses or ports and gets no answer.
 * SPDX-License-Identifier: ISC
 *
 * An attempt is a flow that never got further than asking: TCP that holds SYN and no ACK
 * (the asking side acknowledges as soon as it is answered, so the one direction tells it;
 * a refusal by RST counts as no answer, as in Jung et al. 2004), FIN or Xmas packets
 * without ACK, a small UDP flow, an ICMP echo request. Where an exporter tells no TCP
 * flags, a TCP flow of at most three empty packets is one. Lone ACKs are ordinary: those
 * that came out of the blue are told by their refusal, an RST and nothing else, or by going to
 * many ports and being answered from none, where answers would be seen. (So an ACK scan of one
 * port of many addresses is not seen where nobody refuses.)
 *
 * Whose attempts go to many addresses on one port scans horizontally, to many ports of one
 * address vertically; where there are many of both, it is enough that on average a port has
 * SPREAD addresses, or an address its share of ports. A peer-to-peer client gets as few
 * answers, but each of its peers has a port of its own: ports with many addresses and
 * addresses with many ports must explain most of what a source did. (One who scans
 * horizontally and then vertically is explained by both.) And most must fail: what succeeds (TCP with SYN and ACK, UDP that comes
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
 * An exporter that looks at one packet in N shows one probe in N. THIN different ones are
 * then enough, since each stands for N, and chance alone seldom shows so many beginnings and
 * so few of what follows them; fewer tell no share. So about 25 N probes must be sent in ten
 * minutes, and a slow scan is not seen at all: nobody could.
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
#include "detectors/scan_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/model/rows.h"
#include "detectors/asking.h"

enum {
	BITS_ENOUGH = 8,
	SETS_MAX = 256,		/* of 20 KiB; as many as the memory has room for */
	MANY_ROWS = 4096,	/* in a slice: then answers are sampled */
	SAMPLE = 8,
	TRUST = 256,		/* attempts and answers that make a source known as good */
	RECENT = 4096,		/* of them count; then both are halved */
	SLOW_ROWS = 200000,	/* in a slice: then attempts are sampled, too */
	TAKEN = 1000,		/* entries in a slice: then one source of so many gets one */
	SLOW_SAMPLE = 16,
	PEEK = 6,		/* every so many slices, when there are many rows */
};

static const struct opt opts[] = {
	{ "targets", OPT_NUMBER, 50, 8, 1e6, offsetof(struct scan_conf, targets),
	  "addresses that one source tries in ten minutes, unanswered; twice as many over longer" },
	{ "ports", OPT_NUMBER, 50, 8, 65535, offsetof(struct scan_conf, ports),
	  "ports that it tries of an address, likewise" },
	{ "unanswered", OPT_NUMBER, 0.75, 0.1, 1, offsetof(struct scan_conf, unanswered),
	  "share of its attempts that must fail, 0.1 to 1" },
	{ "remember", OPT_DURATION, 6 * 3600, 600, 7 * 86400, offsetof(struct scan_conf, remember),
	  "time over which slow attempts of one source belong together" },
	{ NULL, OPT_NUMBER, 0, 0, 0, 0, NULL },
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

static bool is_given(const struct scan *s, uint64_t hash)
{
	return s->given[hash % GIVEN / 64] >> (hash % 64) & 1;
}

double scan_limit(const struct source *e, double conf)
{
	double rate = e->proto == P_TCP && !e->no_flags && e->rate > 1 ? e->rate : 1;

	return fmax(conf / rate, fmin(conf, THIN));
}

double scan_suspect(const struct scan *s, const struct source *e)
{
	double least = e->proto == P_ICMP ? s->conf.targets
					  : fmin(s->conf.targets, s->conf.ports);

	return scan_limit(e, least) / 8;
}

static void give_again(struct scan *s)
{
	memset(s->given, 0, sizeof(s->given));
	s->suspects = 0;
	for (uint32_t i = 0; i < s->sets * WAYS; i++) {
		const struct source *e = &s->source[i];

		if (!s->tag[i] || (double)e->attempts < scan_suspect(s, e))
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

static void mark(struct marks *m, uint64_t hash)
{
	m->bit[0][hash >> 63] |= UINT64_C(1) << (hash >> 57 & 63);
}

/* By linear counting: m log(m / zeros). */
double scan_marked(const struct marks *m)
{
	unsigned ones = (unsigned)__builtin_popcountll(m->bit[0][0] | m->bit[1][0]) +
			(unsigned)__builtin_popcountll(m->bit[0][1] | m->bit[1][1]);

	return 128 * log(128 / (128.5 - ones));
}

static void follow_port(struct source *e, uint16_t port, uint64_t target)
{
	struct heavy_port *at = e->is->port, *least = at;

	for (unsigned i = 0; i < HEAVY; i++) {
		if (at[i].weight && at[i].port == port) {
			at[i].weight++;
			mark(&at[i].targets, target);
			if (at[i].weight >= e->port_weight) {
				e->port_weight = at[i].weight;
				e->port = port;
			}
			return;
		}
		if (at[i].weight < least->weight)
			least = &at[i];
	}
	if (least->weight && --least->weight)
		return;
	*least = (struct heavy_port){ .weight = 1, .port = port };
	mark(&least->targets, target);
}

static void follow_target(struct source *e, const struct addr *a, uint64_t port)
{
	struct heavy_target *at = e->is->target, *least = at;

	for (unsigned i = 0; i < HEAVY; i++) {
		if (at[i].weight && addr_eq(&at[i].addr, a)) {
			at[i].weight++;
			mark(&at[i].ports, port);
			return;
		}
		if (at[i].weight < least->weight)
			least = &at[i];
	}
	if (least->weight && --least->weight)
		return;
	*least = (struct heavy_target){ .weight = 1, .addr = *a };
	mark(&least->ports, port);
}

/* Share of the attempts that failed. What TCP got through is no attempt by its flags; of
 * the others each is one, and some come back. */
double scan_failed(enum proto p, double asked, double answered)
{
	if (p == P_TCP || p == P_STRAY)
		return asked + answered > 0 ? asked / (asked + answered) : 1;
	return asked <= 0 ? 1 : asked <= answered ? 0 : (asked - answered) / asked;
}

/* Who is answered so often (a gateway, a resolver) is not sketched: that would cost most
 * where there is least to find. Pings are few, and a sweep may be answered, too. */
static bool trusted(const struct scan *s, struct source *e)
{
	if (e->asked + e->answered > RECENT) {
		e->asked /= 2;
		e->answered /= 2;
	}
	return !e->told && e->proto != P_ICMP && e->asked + e->answered >= TRUST &&
	       scan_failed(e->proto, (double)e->asked, (double)e->answered) <
		       s->conf.unanswered / 2;
}

/* Boyer and Moore's majority: most attempts are to that neighbourhood, or none has most. */
static void follow_site(struct source *e, const struct addr *a)
{
	if (!e->site_lead)
		e->site = *a;
	e->site_lead += near(&e->site, a) ? 1 : -1;
}

static void note(struct scan *s, struct source *e, const struct block *b, uint32_t r,
		 uint16_t port, bool counted)
{
	const struct addr *to = target_of(b, r, (enum proto)e->proto);
	struct {
		struct addr a;
		uint16_t port;
	} pair = { *to, port };
	uint32_t rate = rate_of(b, r);
	uint64_t target;

	e->rate = e->rate && e->rate < rate ? e->rate : rate;
	e->heard |= is_refusal(b, r, (enum proto)e->proto);
	e->attempts++;
	e->asked += counted;
	e->seen_ms = s->now_ms;
	if (trusted(s, e))
		return;
	target = map_hash(to, sizeof(*to));
	hll_add(&e->is->targets[0], target);
	hll_add(&e->is->ports[0], map_hash(&port, sizeof(port)));
	if (hll_add(&e->is->pairs[0], map_hash(&pair, sizeof(pair.a) + sizeof(pair.port)))) {
		follow_site(e, to);
		e->near_lead += near(&b->src[r], &b->dst[r]) ? 1 : -1;
	}
	follow_port(e, port, target);
	follow_target(e, to, map_hash(&port, sizeof(port)));
	if (!e->first_ms || b->start_ms[r] < e->first_ms)
		e->first_ms = b->start_ms[r];
	if (b->end_ms[r] > e->last_ms)
		e->last_ms = b->end_ms[r];
	e->no_flags |= e->proto == P_TCP && !b->tcp_flags[r];
	e->touched = true;
	if ((double)e->attempts >= scan_suspect(s, e) && !is_given(s, e->hash)) {
		s->given[e->hash % GIVEN / 64] |= UINT64_C(1) << (e->hash % 64);
		s->suspects++;
		e->asked = e->answered = 0;
	}
}

/* ---- rows ---- */

/* The compiler's own is a call, where the processor may be old. */
static inline unsigned bits_of(uint32_t v)
{
	v -= v >> 1 & 0x5555;
	v = (v & 0x3333) + (v >> 2 & 0x3333);
	v = (v + (v >> 4)) & 0x0f0f;
	return (v + (v >> 8)) & 0x1f;
}

/* Rows that are attempts wait here until what they need has come from memory, or from the
 * processor that decoded them: first their addresses, then their cells. */
struct waiting {
	struct {
		uint64_t hash;
		uint16_t *cell;
		uint32_t row;
		uint16_t port;
		uint8_t proto;
	} at[64];
	unsigned n;
};

static void collect(const struct block *b, uint32_t at, uint64_t bits,
		    struct waiting *w)
{
	w->n = 0;
	for (; bits; bits &= bits - 1) {
		uint32_t r = at + (uint32_t)__builtin_ctzll(bits);
		uint16_t port;
		enum proto p;

		if (!attempt(b, r, &p, &port))
			continue;
		w->at[w->n].row = r;
		w->at[w->n].port = port;
		w->at[w->n].proto = (uint8_t)p;
		__builtin_prefetch(&b->src[r]);
		__builtin_prefetch(&b->dst[r]);
		w->n++;
	}
}

static void place(struct scan *s, const struct block *b, struct waiting *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		uint64_t hash = quick(source_of(b, w->at[i].row, (enum proto)w->at[i].proto));

		w->at[i].hash = hash;
		w->at[i].cell = &s->cell[mixed(hash + w->at[i].proto) >> 48];
		__builtin_prefetch(w->at[i].cell, 1);
		__builtin_prefetch(&s->tag[set_of(s, hash)]);
	}
}

static void row(struct scan *s, const struct block *b, const struct waiting *w, unsigned i,
		bool counted)
{
	uint16_t *cell = w->at[i].cell, port = w->at[i].port;
	enum proto p = (enum proto)w->at[i].proto;
	uint64_t hash = w->at[i].hash;
	uint32_t r = w->at[i].row;
	struct source *e;

	if (p != P_TCP && group_addr(&b->dst[r]))
		return;
	if (*cell != UINT16_MAX) {
		/* Idle connections go to many addresses, but to few ports. */
		uint64_t pair = mixed(port + (p == P_STRAY && !is_refusal(b, r, p)
						      ? 0 : quick(target_of(b, r, p))));

		*cell |= (uint16_t)(1u << (pair >> 60));
		if (rate_of(b, r) > 1) /* each stands for many */
			*cell |= (uint16_t)(1u << (pair >> 56 & 15));
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
	e = find(s, source_of(b, r, p), hash, p);
	if (!e && (++s->taken < TAKEN || s->taken % SLOW_SAMPLE == 0))
		e = take(s, source_of(b, r, p), hash, p);
	if (e)
		note(s, e, b, r, port, counted);
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
	if (is_given(s, hash) && connected(b, r) && (e = find(s, &b->src[r], hash, P_STRAY)))
		e->answered++;
	hash = quick(&b->dst[r]);
	if (!is_given(s, hash))
		return;
	if (proto == TCP && b->tcp_flags[r] & ACK && b->src_port[r] <= b->dst_port[r] &&
	    (e = find(s, &b->dst[r], hash, P_STRAY)))
		e->answered++;
	/* Without flags the data that come back tell who was answered. */
	if (proto == TCP && !b->tcp_flags[r] && b->bytes[r] > EMPTY * b->packets[r] &&
	    (e = find(s, &b->dst[r], hash, P_TCP)))
		e->answered++;
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
	struct waiting waiting[3];
	uint32_t words;
	bool counted, whole;

	if (!b->n)
		return;
	s->now_ms = now_ms;
	if (slice_of(now_ms) != s->slice) {
		s->slice = slice_of(now_ms);
		s->slice_rows = s->slow_rows = s->taken = 0;
	}
	s->slice_rows += b->n;
	counted = s->slice_rows < MANY_ROWS || ++s->blocks % SAMPLE == 0;
	whole = rate_of(b, 0) == 1; /* else ACK alone is what most rows are */
	words = (b->n + 63) / 64;
	for (uint32_t w = 0; w < words + 2; w++) {
		if (w < words)
			collect(b, w * 64,
				whole ? asking_scan(b, w * 64, bits[w])
				      : asking_rows(b, w * 64, bits[w]),
				&waiting[w % 3]);
		if (w >= 1 && w <= words)
			place(s, b, &waiting[(w - 1) % 3]);
		for (unsigned i = 0; w >= 2 && i < waiting[(w - 2) % 3].n; i++)
			row(s, b, &waiting[(w - 2) % 3], i, counted);
	}
	if (counted && (s->slice_rows < MANY_ROWS || s->slice % PEEK == 0))
		peek(s, b);
	if (!s->suspects || !counted)
		return;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			answers(s, b, w * 64 + (uint32_t)__builtin_ctzll(left));
}

/* ---- time, and life ---- */

static void judge(void *state, int64_t now_ms, finding_f *fn, void *arg)
{
	struct scan *s = state;

	s->now_ms = now_ms;
	scan_judge(s, fn, arg);
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

	s->conf = *(const struct scan_conf *)conf;
	s->cell = xcalloc(CELLS, sizeof(*s->cell));
	n = CELLS * sizeof(*s->cell) + sizeof(*s);
	n = memory > n ? (memory - n) / (WAYS * one) : 0;
	s->sets = n < 1 ? 1 : n > SETS_MAX ? SETS_MAX : (uint32_t)n;
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
	.conf_size = sizeof(struct scan_conf),
	.limit = "targets",
	.open = open_scan,
	.feed = feed,
	.judge = judge,
	.free = free_scan,
};
