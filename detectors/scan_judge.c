/* scan_judge.c - is it a scan, and in which words?
 * SPDX-License-Identifier: ISC
 *
 * What makes one is said in scan.c. Here are the limits over what a source did, the
 * sentence about it, and the time after which it is over: as long without attempts as
 * QUIET_GAPS of its usual ones, ten minutes to an hour.
 */
#include "detectors/scan_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/units.h"

enum {
	QUICK_MS = 10 * 60000,
	QUIET_MS = 10 * 60000,
	QUIET_MAX_MS = 60 * 60000,
	QUIET_GAPS = 30,
	FAR = 4,		/* times the limit */
	SWEPT_MS = 6 * 60000,	/* who watches comes every five minutes at least */
	SPREAD = 8,		/* addresses to a port, or ports to an address */
	KNOWN = 12,		/* attempts and answers that a share can be told of */
	PAIRS_ENOUGH = 64,
	MARKS_ENOUGH = 200,	/* of 128: nearer than 10 % up to here */
	DNS = 53,
	NTP = 123,
};

struct extent { /* what a source did, as far as it is remembered */
	double targets, ports, pairs, share, limit;
	double of_port, of_target; /* addresses of the first port, ports of the first address */
	double explained;	   /* pairs of heavy ports and addresses, as a share */
	uint16_t port;
	struct addr target;
	bool slow, horizontal, vertical;
};

/* Different pairs of a heavy port or address. What is too much for marks is told by its
 * share of the attempts. */
static double count_of(const struct marks *m, double share, double pairs)
{
	double n = scan_marked(m);

	return n > MARKS_ENOUGH ? fmax(MARKS_ENOUGH, share * pairs) : n;
}

static void heavy(const struct source *e, struct extent *x)
{
	const struct sketches *k = e->is;
	double all = e->attempts ? (double)e->attempts : 1, pairs = 0;

	for (unsigned i = 0; i < HEAVY; i++) {
		uint32_t w = k->port[i].weight;
		double n = w ? count_of(&k->port[i].targets, w / all, x->pairs) : 0;

		if (n > x->of_port) {
			x->of_port = n;
			x->port = k->port[i].port;
		}
		pairs += n >= SPREAD ? n : 0;
	}
	for (unsigned i = 0; i < HEAVY; i++) {
		uint32_t w = k->target[i].weight;
		double n = w ? count_of(&k->target[i].ports, w / all, x->pairs) : 0;

		if (n > x->of_target) {
			x->of_target = n;
			x->target = k->target[i].addr;
		}
		pairs += n >= SPREAD ? n : 0;
	}
	x->explained = x->pairs > 0 ? pairs / x->pairs : 0;
}

static struct extent extent(const struct scan *s, const struct source *e)
{
	const struct sketches *k = e->is;
	struct extent x = { .targets = hll_count(&k->targets[0], &k->targets[1]),
			    .ports = hll_count(&k->ports[0], &k->ports[1]),
			    .pairs = hll_count(&k->pairs[0], &k->pairs[1]) };
	double targets, ports;

	heavy(e, &x);
	x.share = scan_failed(e->proto, (double)e->asked, (double)e->answered);
	x.slow = e->last_ms - e->first_ms > QUICK_MS;
	x.limit = x.slow ? 2 : 1;
	targets = scan_limit(e, s->conf.targets) * x.limit;
	ports = scan_limit(e, s->conf.ports) * x.limit;
	x.horizontal = (x.of_port >= targets && x.explained >= 0.5) ||
		       (x.targets >= targets && x.pairs >= SPREAD * x.ports);
	x.vertical = (x.of_target >= ports && x.explained >= 0.5) ||
		     (x.ports >= ports && x.pairs >= fmax(SPREAD, ports / 2) * x.targets);
	return x;
}

/* From outside, and all over one site, each of it once or twice: nobody has business there,
 * whether or not answers would be seen. Who watches a site is near it and comes back. */
static bool all_over(const struct scan *s, const struct source *e, const struct extent *x)
{
	return e->near_lead < 0 && e->site_lead >= x->targets / 2 &&
	       x->targets >= 2 * x->limit * s->conf.targets &&
	       (double)e->attempts <= 3 * x->targets;
}

/* Silence that proves nothing: see above. */
static bool unheard(const struct scan *s, const struct source *e, const struct extent *x)
{
	uint32_t pairs = 0, both = 0;

	if (e->proto == P_TCP || e->heard || all_over(s, e, x))
		return false;
	for (uint32_t i = 0; i < PAIRS; i++) {
		pairs += s->pair[e->near_lead > 0][i] != 0;
		both += (s->pair[e->near_lead > 0][i] & 3) == 3;
	}
	if (pairs >= PAIRS_ENOUGH)
		return both < pairs / 4;
	return e->proto == P_STRAY ||
	       (e->proto == P_UDP && (e->port == DNS || e->port == NTP));
}

/* Enough of both to tell a share; or it is over, and nothing else came. */
static bool known(const struct scan *s, const struct source *e)
{
	return e->asked + e->answered >= KNOWN || s->now_ms - e->seen_ms >= 2 * SLICE_MS;
}

static const double mostly = 0.75;
static const char *const proto_word[] = { [P_TCP] = "tcp", [P_UDP] = "udp", [P_ICMP] = "icmp",
					  [P_STRAY] = "tcp" };
static const char *const first_word[] = { [P_TCP] = "", [P_UDP] = "UDP ", [P_STRAY] = "ACK " };

/* A kind that stays the same while it stands. */
static void name(struct source *e, const struct extent *x)
{
	const char *what = x->horizontal && x->vertical ? "network scan"
			   : x->vertical		? "vertical scan"
							: "horizontal scan";

	if (e->proto == P_ICMP)
		snprintf(e->kind, sizeof(e->kind), "ping sweep");
	else
		snprintf(e->kind, sizeof(e->kind), "%s%s", first_word[e->proto], what);
	e->vertical = x->vertical && !x->horizontal;
}

/* Is it nearly all of one port, or of one address? */
static bool one_port(const struct extent *x)
{
	return x->of_port >= mostly * x->pairs;
}

static bool one_target(const struct extent *x)
{
	return x->of_target >= mostly * x->pairs && !one_port(x);
}

static void filter_of(const struct source *e, const struct extent *x, struct finding *f)
{
	const char *bare = e->proto == P_STRAY || e->no_flags ? " and packets < 4"
			   : e->proto == P_TCP		      ? " and not flags A"
							      : "";
	char target[ADDR_TEXT];

	if (e->proto == P_ICMP)
		snprintf(f->filter, sizeof(f->filter), "proto in (icmp ipv6-icmp)");
	else if (one_target(x))
		snprintf(f->filter, sizeof(f->filter), "proto %s%s and dst host %s",
			 proto_word[e->proto], bare, addr_text(&x->target, target));
	else if (one_port(x))
		snprintf(f->filter, sizeof(f->filter), "proto %s%s and dst port %u",
			 proto_word[e->proto], bare, x->port);
	else
		snprintf(f->filter, sizeof(f->filter), "proto %s%s", proto_word[e->proto],
			 bare);
}

static const char *service(const struct source *e, uint16_t port,
			   char buf[static SERIES_TEXT])
{
	uint32_t id = (uint32_t)(e->proto == P_UDP ? UDP : TCP) << 16 | port;
	struct key k = { .b = { 0 } };

	memcpy(k.b, &id, sizeof(id));
	return key_text(BY_PORT, &k, NULL, buf);
}

static const char *count(double n, char buf[static UNIT_TEXT])
{
	return text_count(round(n), buf);
}

/* "tried about 254 addresses for ssh (tcp 22)" */
static void what_of(const struct source *e, const struct extent *x, char *out, size_t size)
{
	char target[ADDR_TEXT], tp[UNIT_TEXT], tt[UNIT_TEXT], name[SERIES_TEXT];
	size_t n;

	count(x->targets, tt);
	count(x->ports, tp);
	if (e->proto == P_ICMP) {
		snprintf(out, size, "pinged about %s addresses", tt);
		return;
	}
	if (one_target(x)) {
		snprintf(out, size, "tried about %s %s ports of %s", tp, proto_word[e->proto],
			 addr_text(&x->target, target));
		return;
	}
	if (one_port(x)) {
		snprintf(out, size, "tried about %s addresses for %s", tt,
			 service(e, x->port, name));
		return;
	}
	n = (size_t)snprintf(out, size, "tried about %s %s ports of about %s addresses", tp,
			     proto_word[e->proto], tt);
	if (n < size && x->of_target >= x->of_port)
		snprintf(out + n, size - n, ", about %s of %s", count(x->of_target, tp),
			 addr_text(&x->target, target));
	else if (n < size)
		snprintf(out + n, size - n, ", about %s of those for %s",
			 count(x->of_port, tt), service(e, x->port, name));
}

/* How the attempts ended. */
static void outcome(const struct source *e, const struct extent *x, char *out, size_t size)
{
	double share = floor(100 * x->share);

	if (e->proto == P_STRAY)
		snprintf(out, size, ", with packets that belong to no connection");
	else if (share < 1)
		snprintf(out, size, "; nearly all of them answered");
	else if (share >= 100)
		snprintf(out, size, "; all of its attempts were refused or never answered");
	else
		snprintf(out, size, "; %.0f %% of its attempts were refused or never answered",
			 share);
}

/* That there were more than are told. */
static void seen_of(const struct scan *s, const struct source *e, char *out, size_t size)
{
	*out = '\0';
	if (scan_limit(e, s->conf.targets) < s->conf.targets)
		snprintf(out, size, " The exporter shows one packet in %u, so it tried far more.",
			 e->rate);
	else if (s->sampled)
		snprintf(out, size, " That is of a sample: there were too many flows to see all.");
}

static void sentence(const struct scan *s, const struct source *e, const struct extent *x,
		     struct finding *f)
{
	char who[ADDR_TEXT], time[UNIT_TEXT], what[256], end[80], seen[80];

	what_of(e, x, what, sizeof(what));
	outcome(e, x, end, sizeof(end));
	seen_of(s, e, seen, sizeof(seen));
	snprintf(f->why, sizeof(f->why),
		 "%s %s within %s%s.%s From %.0f %s on it is a scan, which no ordinary host "
		 "reaches. %s",
		 addr_text(&e->addr, who), what,
		 text_duration(e->last_ms - e->first_ms, time), end, seen, f->limit,
		 e->vertical ? "ports" : "addresses",
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
	f.limit = round(scan_limit(e, e->vertical ? s->conf.ports : s->conf.targets) * x->limit);
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

static void turn_marks(struct marks *m)
{
	memcpy(m->bit[1], m->bit[0], sizeof(m->bit[1]));
	memset(m->bit[0], 0, sizeof(m->bit[0]));
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
	for (unsigned i = 0; i < HEAVY; i++) {
		turn_marks(&k->port[i].targets);
		turn_marks(&k->target[i].ports);
		k->port[i].weight /= 2;
		k->target[i].weight /= 2;
	}
	if (e->turned_ms > e->first_ms)
		e->first_ms = e->turned_ms;
	e->turned_ms = s->now_ms;
	e->attempts /= 2;
	e->asked /= 2;
	e->answered /= 2;
}

/* A sweep of a living network is answered; one who watches it asks the living. And whom so
 * many do not answer on one port is no crawler or mail server, though others do (spam). */
static double needed(const struct scan *s, const struct source *e, const struct extent *x)
{
	bool far = x->of_port >= FAR * x->limit * scan_limit(e, s->conf.targets);

	return e->proto == P_ICMP || far ? s->conf.unanswered * 2 / 3 : s->conf.unanswered;
}

/* A sweep of a network where nearly all are alive, or whose answers are not told, looks like
 * the first round of one who watches: only that it does not come again tells it. Who
 * comes again, however rarely, is told once, and then he is usual. */
static void judge_swept(struct scan *s, struct source *e, finding_f *fn, void *arg)
{
	struct extent x = extent(s, e);

	e->swept = true;
	if (!x.horizontal || x.targets < 2 * x.limit * s->conf.targets ||
	    (double)e->attempts > 3 * x.targets)
		return;
	e->begun_ms = e->first_ms;
	name(e, &x);
	tell(s, e, &x, true, fn, arg);
}

static void judge_one(struct scan *s, struct source *e, finding_f *fn, void *arg)
{
	struct extent x;
	double value;

	if (e->proto == P_ICMP && !e->told && !e->swept && s->now_ms - e->seen_ms > SWEPT_MS &&
	    (double)e->attempts >= s->conf.targets)
		judge_swept(s, e, fn, arg);
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
	if (!e->touched || (double)e->attempts < scan_suspect(s, e) * 4)
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
	} else if ((x.horizontal || x.vertical) && x.share >= needed(s, e, &x) &&
		   !unheard(s, e, &x)) {
		e->told = true;
		e->begun_ms = e->first_ms;
		name(e, &x);
		e->told_value = e->vertical ? x.ports : x.targets;
		tell(s, e, &x, false, fn, arg);
	}
	turn(s, e);
}

void scan_judge(struct scan *s, finding_f *fn, void *arg)
{
	for (uint32_t i = 0; i < s->sets * WAYS; i++)
		if (s->tag[i])
			judge_one(s, &s->source[i], fn, arg);
}
