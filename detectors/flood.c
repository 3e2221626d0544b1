/* flood.c - who gets far more than usual of what nobody asked for.
 * SPDX-License-Identifier: ISC
 *
 * Floods are told by what makes them floods, not by volume alone:
 *   SYN        more attempts than connections that work, from many sources, or very many
 *              from few to few ports (many ports from few sources is a scan). Clients who
 *              repeat themselves two to eight times are those of a server that is down, and
 *              it takes ten times as much.
 *   TCP        of no connection (ACK, RST, SYN-ACK that nobody asked for), from many sources.
 *   visits     whole connections, many more than there are visitors: no crowd.
 *   UDP        hardly answered, from many sources; the less each sends, the less it takes;
 *              from few sources it takes FEW_UDP times as much, unless each packet has a
 *              port of its own, and no answers at all.
 *   ICMP       but for echo replies that were asked for.
 *   reflection from a port of flood_ports.c, from ten sources or more, large, unasked.
 *   carpets    flood_carpet.c.
 * All of it must be far over what this victim gets anyhow (flood_track.c), so that a
 * collector of logs, a resolver or a popular name server is quiet. The numbers stand in
 * flood_over.c, the words in flood_words.c.
 *
 * What only its history could tell from a flood (streams from the same few sources; UDP
 * and stray TCP where an exporter tells one direction only) is not told of victims who were
 * there in the first half minute, until their usual is known: that takes 80 seconds.
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

enum { GREW = 2, PAUSE_MS = 10000 };
static const double SLICE_S = SLICE_MS / 1000.0;

static const struct opt opts[] = {
	{ "syn", OPT_COUNT, 100, 1, 1e9, offsetof(struct flood_conf, syn),
	  "unanswered connection attempts a second to one address" },
	{ "tcp", OPT_COUNT, 1000, 1, 1e9, offsetof(struct flood_conf, tcp),
	  "TCP packets of no connection (ACK, RST, SYN-ACK ...) a second to one address" },
	{ "connections", OPT_COUNT, 500, 1, 1e9, offsetof(struct flood_conf, connections),
	  "connections a second to one address, eight and more from each source" },
	{ "udp", OPT_COUNT, 3000, 10, 1e9, offsetof(struct flood_conf, udp),
	  "unanswered UDP packets a second to one address; a sixth where no source repeats" },
	{ "icmp", OPT_COUNT, 300, 1, 1e9, offsetof(struct flood_conf, icmp),
	  "unasked ICMP packets a second to one address" },
	{ "reflection", OPT_COUNT, 1e6, 1e4, 1e12, offsetof(struct flood_conf, reflection),
	  "unasked bits a second of answers of one service to one address" },
	{ "sources", OPT_NUMBER, 50, 2, 1e6, offsetof(struct flood_conf, sources),
	  "how many sources are many" },
	{ "hosts", OPT_NUMBER, 16, 4, 256, offsetof(struct flood_conf, hosts),
	  "hosts of a prefix at once that make carpet bombing" },
	{ "quiet", OPT_DURATION, 300, 30, 86400, offsetof(struct flood_conf, quiet),
	  "it is over after this long without" },
	{ NULL, OPT_NUMBER, 0, 0, 0, 0, NULL },
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

/* --- judging --- */

/* Is it told of that victim already, as a carpet or as the answers that these are the rest
 * of? Large ones come in fragments without a port. */
static bool is_told(struct flood *f, const struct flood_host *h)
{
	struct flood_key k = { h->key.addr, FLOOD_REFLECT };

	if (flood_carpeted(f, &h->key.addr))
		return true;
	for (; h->key.cls == FLOOD_UDP && flood_service((unsigned)k.cls - FLOOD_REFLECT); k.cls++) {
		const uint32_t *number = map_get(&f->hosts, &k);

		if (number && f->host[*number].st.on)
			return true;
	}
	return false;
}

static void begin_or_grow(struct flood *f, struct flood_host *h, const struct look *l,
			  int64_t from, int64_t to, int64_t now_ms, finding_f *fn, void *arg)
{
	struct finding out;

	flood_words(h, l, &out);
	if (!h->st.on && is_told(f, h))
		return;
	if (h->st.on && strcmp(out.kind, h->kind)) { /* one at a time: it goes on */
		h->st.last_ms = (to + 1) * SLICE_MS - 1;
		return;
	}
	if (!flood_tell(&h->st, out.value, from * SLICE_MS, (to + 1) * SLICE_MS - 1, now_ms))
		return;
	h->limit = out.limit;
	h->measure = out.measure;
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
	out.measure = h->measure;
	snprintf(out.kind, sizeof(out.kind), "%s", h->kind);
	snprintf(out.why, sizeof(out.why), "%s It is over.", h->st.why);
	fn(arg, &out);
	h->st.on = false;
}

static void judge_slices(struct flood *f, struct flood_host *h, int64_t now_ms, finding_f *fn,
			 void *arg)
{
	bool thin = false, found = false;
	struct look l;

	for (unsigned i = 0; i < FLOOD_RING; i++) {
		struct flood_cell *c = &h->ring[i];

		if (c->slice < 0 || !c->changed)
			continue;
		c->changed = false;
		thin |= c->thin;
		if (!flood_over(f, h, c, SLICE_MS / 1000.0, &l))
			continue;
		found = true;
		l.rate /= flood_passed(c->slice, now_ms);
		l.bits /= flood_passed(c->slice, now_ms);
		begin_or_grow(f, h, &l, c->slice, c->slice, now_ms, fn, arg);
	}
	if (thin && !found && flood_over_all(f, h, &l))
		begin_or_grow(f, h, &l, f->newest - FLOOD_RING + 1, f->newest, now_ms, fn, arg);
}

static void judge_host(struct flood *f, struct flood_host *h, int64_t now_ms, finding_f *fn,
		       void *arg)
{
	if (h->changed)
		judge_slices(f, h, now_ms, fn, arg);
	h->changed = false;
	if (h->st.on && now_ms - h->st.last_ms >= (int64_t)(f->conf.quiet * 1000))
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

static void hold(void *state, bool held)
{
	struct flood *f = state;

	f->holds = held;
	if (held)
		f->held = f->newest;
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
	f->per_tcp = 1 / (s * (float)f->conf.tcp);
	f->per_udp = 1 / (s * (float)f->conf.udp);
	f->per_lone = f->per_udp * FLOOD_LONE_PART;
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
	.hold = hold,
	.free = free_flood,
};
