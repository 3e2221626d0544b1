/* flood.c - who gets far more than usual of what nobody asked for.
 * SPDX-License-Identifier: ISC
 *
 * Floods are told by what makes them floods, not by volume alone:
 *   SYN        more attempts than connections that work, from many sources, or very many
 *              from few to few ports (many ports from few sources is a scan). Clients who
 *              repeat themselves two to eight times are those of a server that is down, and
 *              it takes ten times as much.
 *   UDP        hardly answered, from many sources; the less each sends, the less it takes;
 *              from few sources it takes 20 times as much and no answers at all.
 *   ICMP       but for echo replies that were asked for.
 *   reflection from a port of flood_ports.c, from ten sources or more, large, unasked.
 *   carpets    flood_carpet.c.
 * All of it must be USUAL times what this victim gets anyhow (flood_track.c), so that a
 * collector of logs, a resolver or a popular name server is quiet.
 *
 * What only its history could tell from a flood (streams from the same few sources; all of
 * UDP where an exporter tells one direction only) is not told of victims who were there in
 * the first half minute, until their usual is known: that takes 80 seconds.
 *
 * A slice is judged as soon as it crosses, with what came of it so far: sums only grow. How
 * large it is, is then said of the part of the slice that has passed.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum {
	REFLECTORS = 10, LARGE = 250, /* sources, and octets of an answer, at least */
	LONE_PART = 6,    /* of the UDP limit suffices where each source sends once */
	FEW_SYN = 10,     /* times the limit from few sources */
	FEW_UDP = 7,
	FEW_PORTS = 8,
	SEEN = 16,        /* packets that the exporter must have looked at */
	USUAL = 3, SPREAD = 4,
	GREW = 2, PAUSE_MS = 10000,
};
static const double SLICE_S = SLICE_MS / 1000.0;

static const struct opt opts[] = {
	{ "syn", OPT_QUANTITY, 100, 1, 1e9, offsetof(struct flood_conf, syn),
	  "unanswered connection attempts a second to one address" },
	{ "udp", OPT_QUANTITY, 3000, 10, 1e9, offsetof(struct flood_conf, udp),
	  "unanswered UDP packets a second to one address; a sixth where no source repeats" },
	{ "icmp", OPT_QUANTITY, 300, 1, 1e9, offsetof(struct flood_conf, icmp),
	  "unasked ICMP packets a second to one address" },
	{ "reflection", OPT_QUANTITY, 1e6, 1e4, 1e12, offsetof(struct flood_conf, reflection),
	  "unasked bits a second of answers of one service to one address" },
	{ "sources", OPT_NUMBER, 50, 2, 1e6, offsetof(struct flood_conf, sources),
	  "how many sources are many" },
	{ "hosts", OPT_NUMBER, 16, 4, 256, offsetof(struct flood_conf, hosts),
	  "hosts of a prefix at once that make carpet bombing" },
	{ "quiet", OPT_DURATION, 300, 30, 86400, offsetof(struct flood_conf, quiet),
	  "it is over after this long without" },
	{ NULL, OPT_NUMBER, 0, 0, 0, 0, NULL },
};

struct look {
	double rate, limit;  /* packets/s that count, and where a flood begins */
	double sources, bits;
	bool reflected;
};

bool flood_tell(struct flood_state *st, double value, int64_t first_ms, int64_t last_ms,
		int64_t now_ms)
{
	bool grew;

	if (!st->on) {
		*st = (struct flood_state){ .on = true, .first_ms = first_ms, .last_ms = last_ms,
					    .told_ms = now_ms, .value = value, .told = value };
		return true;
	}
	st->last_ms = last_ms > st->last_ms ? last_ms : st->last_ms;
	st->first_ms = first_ms < st->first_ms ? first_ms : st->first_ms;
	st->value = fmax(st->value, value);
	grew = st->value >= GREW * st->told && now_ms - st->told_ms >= PAUSE_MS;
	if (!grew)
		return false;
	st->told = st->value;
	st->told_ms = now_ms;
	return true;
}

/* --- one slice of one victim --- */

static bool is_new(const struct flood *f, const struct flood_host *h)
{
	return h->born > f->first + FLOOD_COLD || h->learnt >= 2;
}

static bool is_sampled(const struct flood_cell *c)
{
	return c->seen * 1.5 < (double)c->packets;
}

static bool is_many(const struct flood *f, const struct flood_cell *c, double sources)
{
	return sources >= f->conf.sources ||
	       (is_sampled(c) && c->rows >= SEEN && sources >= 0.7 * (double)c->rows);
}

static bool syn(const struct flood *f, const struct flood_cell *c, struct look *l)
{
	bool sampled = is_sampled(c);
	double part = 1;

	if (c->in <= c->done || (sampled && c->seen < SEEN))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	if (!sampled && c->packets >= 2 * c->flows && c->packets <= 8 * c->flows)
		part = 10;
	if (!is_many(f, c, l->sources)) {
		if (__builtin_popcountll(c->ports) > FEW_PORTS)
			return false;
		part *= FEW_SYN;
	}
	l->rate = (double)c->in / SLICE_S;
	l->limit = f->conf.syn * part;
	return true;
}

static bool udp(const struct flood *f, const struct flood_host *h,
		const struct flood_cell *c, struct look *l)
{
	bool many, lone;
	double net, answers;

	if (is_sampled(c) && c->seen < SEEN)
		return false;
	l->sources = hll_count(&c->sources, NULL);
	many = is_many(f, c, l->sources);
	lone = many && c->seen <= 3 * (double)c->rows && l->sources >= 0.6 * (double)c->rows;
	answers = lone ? 5 : many ? 10 : 50;
	net = (double)c->in - answers * (double)c->out;
	if ((!lone || flood_blind(f)) && !is_new(f, h))
		return false;
	l->rate = net / SLICE_S;
	l->limit = lone ? f->conf.udp / LONE_PART : many ? f->conf.udp : f->conf.udp * FEW_UDP;
	return true;
}

static bool icmp(const struct flood *f, const struct flood_cell *c, struct look *l)
{
	uint64_t asked = c->done < 2 * c->out ? c->done : 2 * c->out;

	if (is_sampled(c) && c->seen < SEEN)
		return false;
	l->sources = hll_count(&c->sources, NULL);
	l->rate = (double)(c->in - asked) / SLICE_S;
	l->limit = f->conf.icmp;
	return true;
}

static bool reflection(const struct flood *f, const struct flood_host *h,
		       const struct flood_cell *c, struct look *l)
{
	double unasked = (double)c->in - 3 * (double)c->out, octets = (double)c->bytes;

	if (unasked <= 0 || octets < LARGE * (double)c->packets ||
	    (is_sampled(c) && c->seen < SEEN) || (flood_blind(f) && !is_new(f, h)))
		return false;
	l->sources = hll_count(&c->sources, NULL);
	l->rate = unasked / SLICE_S;
	l->limit = f->conf.reflection / 8 * (double)c->in / octets; /* in packets */
	l->reflected = true;
	return l->sources >= REFLECTORS && l->rate >= l->limit;
}

static bool over(const struct flood *f, const struct flood_host *h,
		 const struct flood_cell *c, struct look *l)
{
	double usual = USUAL * h->mean + SPREAD * h->dev;
	bool may;

	memset(l, 0, sizeof(*l));
	switch (h->key.cls) {
	case FLOOD_SYN: may = syn(f, c, l); break;
	case FLOOD_UDP: may = udp(f, h, c, l); break;
	case FLOOD_ICMP: may = icmp(f, c, l); break;
	default: may = reflection(f, h, c, l);
		if (!may) {
			l->reflected = false;
			may = udp(f, h, c, l);
		}
	}
	l->bits = (double)c->bytes * 8 / SLICE_S;
	return may && l->rate >= l->limit && l->rate >= usual;
}

/* --- words --- */

static const char *const advice[] = {
	"Look whether the service still answers and whether SYN cookies are on, or ask "
	"upstream to filter.",
	"Ask upstream to filter it, or have the address blackholed if all else suffers.",
};

/* What came so far, as if of a whole slice. */
static void of_open_slice(struct look *l, int64_t slice, int64_t now_ms)
{
	int64_t passed = now_ms - slice * SLICE_MS;

	if (passed >= SLICE_MS)
		return;
	l->rate *= (double)SLICE_MS / (double)(passed > 1000 ? passed : 1000);
	l->bits *= (double)SLICE_MS / (double)(passed > 1000 ? passed : 1000);
}

static void fill(const struct flood_host *h, const struct look *l, struct finding *out)
{
	const struct flood_service *sv = h->key.cls >= FLOOD_REFLECT
		? flood_service((unsigned)h->key.cls - FLOOD_REFLECT) : NULL;
	bool six = !addr_is4(&h->key.addr);
	char a[ADDR_TEXT], rate[UNIT_TEXT], bits[UNIT_TEXT], n[UNIT_TEXT], had[UNIT_TEXT];
	const char *what, *filter, *how = advice[1];
	char port[64], most[UNIT_TEXT];

	memset(out, 0, sizeof(*out));
	out->by = BY_DST;
	memcpy(out->key.b, h->key.addr.b, sizeof(h->key.addr.b));
	if (l->reflected)
		snprintf(out->kind, sizeof(out->kind), "%s reflection", sv->name);
	else
		snprintf(out->kind, sizeof(out->kind), "%s", h->key.cls == FLOOD_SYN ? "SYN flood"
			 : h->key.cls == FLOOD_ICMP ? "ICMP flood" : "UDP flood");
	what = h->key.cls == FLOOD_SYN ? "connection attempts that nobody completes"
	     : h->key.cls == FLOOD_ICMP ? "ICMP packets that it did not ask for"
	     : l->reflected ? "answers that it did not ask for" : "UDP packets, hardly answered";
	snprintf(port, sizeof(port), "proto udp and src port %u", sv ? sv->port : 0u);
	filter = h->key.cls == FLOOD_SYN ? "proto tcp and flags S and not flags A"
	       : h->key.cls == FLOOD_ICMP ? (six ? "proto icmp6" : "proto icmp")
	       : sv ? port : "proto udp";
	if (h->key.cls == FLOOD_SYN)
		how = advice[0];
	addr_text(&h->key.addr, a);
	snprintf(out->filter, sizeof(out->filter), "dst host %s and %s", a, filter);
	out->measure.kind = l->reflected ? MEASURE_BITS_S : MEASURE_PACKETS_S;
	out->limit = l->reflected ? l->limit / l->rate * l->bits : l->limit;
	out->value = l->reflected ? l->bits : l->rate;
	snprintf(out->why, sizeof(out->why),
		 "%s against %s: %s a second (%s) are %s, from about %s sources; usual for it "
		 "are %s a second, and %s would be a flood. %s",
		 out->kind, a, text_count(l->rate, rate), text_rate(l->bits, bits), what,
		 text_count(round(l->sources), n), text_count(h->mean, had),
		 out->measure.kind == MEASURE_BITS_S ? text_rate(out->limit, most)
						     : text_count(l->limit, most), how);
}

/* --- judging --- */

static void begin_or_grow(const struct flood *f, struct flood_host *h, const struct look *l,
			  int64_t slice, int64_t now_ms, finding_f *fn, void *arg)
{
	struct finding out;

	fill(h, l, &out);
	if (!h->st.on && flood_carpeted(f, &h->key.addr))
		return;
	if (!flood_tell(&h->st, out.value, slice * SLICE_MS, (slice + 1) * SLICE_MS - 1, now_ms))
		return;
	h->limit = out.limit;
	snprintf(h->kind, sizeof(h->kind), "%s", out.kind);
	snprintf(h->st.why, sizeof(h->st.why), "%s", out.why);
	out.first_ms = h->st.first_ms;
	out.last_ms = h->st.last_ms;
	fn(arg, &out);
}

static void end(struct flood_host *h, finding_f *fn, void *arg)
{
	struct finding out = { .by = BY_DST, .ended = true, .first_ms = h->st.first_ms,
			       .last_ms = h->st.last_ms, .value = h->st.value,
			       .limit = h->limit };

	memcpy(out.key.b, h->key.addr.b, sizeof(h->key.addr.b));
	out.measure.kind = strstr(h->kind, "reflection") ? MEASURE_BITS_S : MEASURE_PACKETS_S;
	snprintf(out.kind, sizeof(out.kind), "%s", h->kind);
	snprintf(out.why, sizeof(out.why), "Over. %s", h->st.why);
	fn(arg, &out);
	h->st.on = false;
}

static void judge_host(const struct flood *f, struct flood_host *h, int64_t now_ms,
		       finding_f *fn, void *arg)
{
	const int64_t quiet = (int64_t)(f->conf.quiet * 1000);

	for (unsigned i = 0; h->changed && i < FLOOD_RING; i++) {
		struct flood_cell *c = &h->ring[i];
		struct look l;

		if (c->slice < 0 || !c->changed)
			continue;
		c->changed = false;
		if (!over(f, h, c, &l))
			continue;
		of_open_slice(&l, c->slice, now_ms);
		begin_or_grow(f, h, &l, c->slice, now_ms, fn, arg);
	}
	h->changed = false;
	if (h->st.on && now_ms - h->st.last_ms >= quiet)
		end(h, fn, arg);
}

static void judge(void *state, int64_t now_ms, finding_f *fn, void *arg)
{
	struct flood *f = state;

	flood_carpet_judge(f, now_ms, fn, arg);
	for (uint32_t i = 0; i < f->n_host; i++)
		if (f->host[i].used)
			judge_host(f, &f->host[i], now_ms, fn, arg);
}

static void feed(void *state, const struct block *b, const uint64_t *bits, int64_t now_ms)
{
	flood_track_feed(state, b, bits, now_ms);
}

static void *open_flood(const void *conf, size_t memory)
{
	struct flood *f = xcalloc(1, sizeof(*f));
	const float s = (float)SLICE_S;

	f->conf = *(const struct flood_conf *)conf;
	f->per_syn = 1 / (s * (float)f->conf.syn);
	f->per_udp = 1 / (s * (float)f->conf.udp);
	f->per_lone = f->per_udp * LONE_PART;
	f->per_icmp = 1 / (s * (float)f->conf.icmp);
	f->per_octet = 8 / (s * (float)f->conf.reflection);
	flood_ports_init(&f->ports);
	flood_track_init(f, memory);
	return f;
}

static void free_flood(void *state)
{
	flood_track_fini(state);
	free(state);
}

const struct pattern pattern_flood = {
	.name = "flood",
	.doc = "a victim of SYN, UDP, ICMP floods, reflection or carpet bombing",
	.opts = opts,
	.conf_size = sizeof(struct flood_conf),
	.open = open_flood,
	.feed = feed,
	.judge = judge,
	.free = free_flood,
};
