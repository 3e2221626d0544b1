/* newcomer.c - the first sight of a host, a service, an AS or a country on a network.
 * SPDX-License-Identifier: ISC
 *
 * Only what carries real traffic that was answered counts: TCP rows that hold an
 * acknowledgement and data, UDP rows of several packets once some came the other way too,
 * together a least amount of octets, seen in more than one slice. So a scan that passes finds nobody and is nobody,
 * and a backscatter of resets neither. A host is one of the network's own; a service is a
 * port that one of its own answers on; an AS is the far end. A country is looked up when a far
 * prefix (/24, /48) that was never met has come to something: for each of these once, not
 * for each flow. Countries are learnt from the day on which there is a file that tells them.
 *
 * Who has been seen is in a Bloom filter of two generations: what was seen in neither
 * half of `known` is forgotten. A full filter takes one newcomer in fifty for an old
 * acquaintance; that is the price of memory that no address space can fill. A network is
 * learnt for `learn` before anything is told, and tells at most `per_day`: the rest is
 * learnt without a word, and the last that is told says so.
 *
 * Cost: a slice looks at MANY rows, then at a block in sixteen; who stays is seen yet.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/block.h"
#include "daemon/model/slice.h"
#include "detectors/packet.h"
#include "detectors/pattern.h"
#include "detectors/place.h"

enum { NETS = 256, ASIDE = 1024, WAYS = 8, HASHES = 5, MANY = 16384, SAMPLE = 16,
       LEAST_PACKETS = 3, HEADER = 60, VERSION = 1 };
static const int64_t DAY_MS = 86400000, HOUR_MS = 3600000;

struct conf {
	double learn, known, amount, per_day;
};

static const struct opt opts[] = {
	{ "learn", OPT_DURATION, 7 * 86400, 3600, 90 * 86400, offsetof(struct conf, learn),
	  "a network that is seen for less than this is only learnt" },
	{ "known", OPT_DURATION, 60 * 86400, 86400, 732 * 86400, offsetof(struct conf, known),
	  "what was not seen for so long may be new again" },
	{ "amount", OPT_COUNT, 100e3, 0, 1e15, offsetof(struct conf, amount),
	  "octets that a newcomer must have exchanged" },
	{ "per_day", OPT_NUMBER, 5, 1, 1000, offsetof(struct conf, per_day),
	  "of one network, told in a day at most" },
	{ .name = NULL },
};

enum what { HOST, SERVICE, AS, COUNTRY, WHATS, PLACE };

struct id {
	struct addr addr; /* HOST; PLACE: the first of its prefix */
	uint32_t number;  /* SERVICE: protocol and port; AS; COUNTRY: two letters */
	uint32_t net;     /* id of its network */
	uint32_t what;
};

struct one { /* who is not known yet */
	struct id id;
	struct addr ours; /* the first of the network that had to do with it */
	uint32_t index; /* of its network */
	int64_t first_ms, last_ms;
	double octets;
	bool used, again; /* seen in another slice than the first */
	bool answered;
};

struct net {
	uint32_t id, told; /* told: today */
	int64_t first_ms, day;
	char name[32];
};

struct newcomer {
	struct conf conf;
	uint64_t *seen[2]; /* the younger generation and the older */
	size_t bits;       /* a power of two */
	int64_t turned_ms; /* when the younger began */
	struct one one[ASIDE], place[ASIDE];
	filter_country_f *country;
	void *country_arg;
	int64_t country_ms; /* since when countries are learnt; 0: they are not */
	struct net net[NETS];
	uint32_t n_net;
	int64_t slice;
	uint32_t rows, blocks;
	bool held;
};

/* --- who has been seen --- */

static uint64_t hash_of(const struct id *id)
{
	uint64_t x, y;

	memcpy(&x, id->addr.b, 8);
	memcpy(&y, id->addr.b + 8, 8);
	x = (x ^ ((uint64_t)id->net << 32 | id->number)) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 29 ^ y ^ (uint64_t)id->what << 60) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 32) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static bool has(const struct newcomer *s, int generation, uint64_t hash)
{
	uint64_t step = (hash >> 32) | 1;

	for (int i = 0; i < HASHES; i++, hash += step) {
		size_t bit = hash & (s->bits - 1);

		if (!(s->seen[generation][bit / 64] >> (bit % 64) & 1))
			return false;
	}
	return true;
}

static void put(struct newcomer *s, uint64_t hash)
{
	uint64_t step = (hash >> 32) | 1;

	for (int i = 0; i < HASHES; i++, hash += step) {
		size_t bit = hash & (s->bits - 1);

		s->seen[0][bit / 64] |= UINT64_C(1) << (bit % 64);
	}
}

/* Known, and from now on for another while. */
static bool known(struct newcomer *s, uint64_t hash)
{
	if (has(s, 0, hash))
		return true;
	if (!has(s, 1, hash))
		return false;
	put(s, hash);
	return true;
}

static void turn(struct newcomer *s, int64_t now_ms)
{
	uint64_t *old = s->seen[1];

	if (!s->turned_ms)
		s->turned_ms = now_ms;
	if (now_ms - s->turned_ms < (int64_t)(s->conf.known * 500))
		return;
	s->turned_ms = now_ms;
	s->seen[1] = s->seen[0];
	s->seen[0] = old;
	memset(old, 0, s->bits / 8);
}

/* --- flows --- */

static struct net *net_of(struct newcomer *s, const struct names *names, int number,
			  int64_t now_ms)
{
	const char *name = place_name(names, number);
	uint32_t id = place_id(name), i = 0;

	while (i < s->n_net && s->net[i].id != id)
		i++;
	if (i == NETS)
		return NULL;
	if (i == s->n_net) {
		s->n_net++;
		s->net[i] = (struct net){ .id = id, .first_ms = now_ms };
		snprintf(s->net[i].name, sizeof(s->net[i].name), "%s", name);
	}
	return &s->net[i];
}

static struct one *aside(struct newcomer *s, const struct id *id)
{
	return id->what == PLACE ? s->place : s->one;
}

static void meet(struct newcomer *s, const struct net *n, const struct id *id,
		 const struct block *b, uint32_t r, int64_t now_ms)
{
	uint64_t octets = b->bytes[r];
	uint64_t hash = hash_of(id);
	struct one *oldest = NULL;

	if (known(s, hash))
		return;
	for (int i = 0; i < WAYS; i++) {
		struct one *o = &aside(s, id)[(hash + (uint64_t)i) % ASIDE];

		if (o->used && !memcmp(&o->id, id, sizeof(*id))) {
			o->octets += (double)octets;
			o->again |= slice_of(now_ms) != slice_of(o->first_ms);
			o->last_ms = now_ms;
			o->answered |= b->proto[r] == TCP;
			return;
		}
		if (!oldest || !o->used || (oldest->used && o->last_ms < oldest->last_ms))
			oldest = o;
	}
	*oldest = (struct one){ .id = *id, .ours = b->src[r], .used = true,
				.index = (uint32_t)(n - s->net), .first_ms = now_ms,
				.last_ms = now_ms, .octets = (double)octets,
				.answered = b->proto[r] == TCP };
}

/* Something came the other way for who is not known yet. */
static void hear(struct newcomer *s, const struct id *id)
{
	uint64_t hash = hash_of(id);

	for (int i = 0; i < WAYS; i++) {
		struct one *o = &aside(s, id)[(hash + (uint64_t)i) % ASIDE];

		if (o->used && !memcmp(&o->id, id, sizeof(*id)))
			o->answered = true;
	}
}

/* The far end as a place of which the country is looked up. */
static void place_id_of(const struct addr *a, struct id *id)
{
	id->what = PLACE;
	id->number = 0;
	memset(&id->addr, 0, sizeof(id->addr));
	memcpy(id->addr.b, a->b, addr_is4(a) ? 15 : 6);
}

/* UDP row r to one of ours. */
static void heard(struct newcomer *s, const struct block *b, uint32_t r, int64_t now_ms)
{
	int to = place_of(b->names, &b->dst[r]);
	const struct net *n = to < 0 ? NULL : net_of(s, b->names, to, now_ms);
	struct id id = { .what = HOST };

	if (!n)
		return;
	id.net = n->id;
	id.addr = b->dst[r];
	hear(s, &id);
	memset(&id.addr, 0, sizeof(id.addr));
	id.what = SERVICE;
	id.number = (uint32_t)UDP << 16 | b->dst_port[r];
	hear(s, &id);
	id.what = AS;
	id.number = b->src_as[r];
	hear(s, &id);
	if (s->country) {
		place_id_of(&b->src[r], &id);
		hear(s, &id);
	}
}

/* Data that was asked for and came: row r is one half of a conversation. */
static bool answered(const struct block *b, uint32_t r)
{
	uint64_t rate = b->sampling[r] > 1 ? b->sampling[r] : 1;
	uint16_t fl = b->tcp_flags[r];

	switch (b->proto[r]) {
	case TCP:
		return b->bytes[r] > HEADER * b->packets[r] &&
		       (fl ? (fl & ACK) && !((fl & RST) && !(fl & PSH))
			   : b->packets[r] > LEAST_PACKETS * rate);
	case UDP: return b->packets[r] >= LEAST_PACKETS * rate;
	default: return false;
	}
}

static void row(struct newcomer *s, const struct block *b, uint32_t r, int64_t now_ms)
{
	int from = place_of(b->names, &b->src[r]), to;
	struct id id = { .what = HOST };
	struct net *n;

	if (b->proto[r] == UDP)
		heard(s, b, r, now_ms);
	/* What our own end says: that it is here, what it serves, and to whom. */
	if (from < 0 || !(n = net_of(s, b->names, from, now_ms)))
		return;
	id.net = n->id;
	id.addr = b->src[r];
	meet(s, n, &id, b, r, now_ms);
	memset(&id.addr, 0, sizeof(id.addr));
	if (b->src_port[r] < b->dst_port[r] && b->src_port[r] < 32768) {
		id.what = SERVICE;
		id.number = (uint32_t)b->proto[r] << 16 | b->src_port[r];
		meet(s, n, &id, b, r, now_ms);
	}
	to = b->dst_as[r] || s->country ? place_of(b->names, &b->dst[r]) : 0;
	if (b->dst_as[r] && to < 0) {
		id.what = AS;
		id.number = b->dst_as[r];
		meet(s, n, &id, b, r, now_ms);
	}
	if (s->country && to < 0) {
		place_id_of(&b->dst[r], &id);
		meet(s, n, &id, b, r, now_ms);
	}
}

static void feed(void *state, const struct block *b, const uint64_t *bits, int64_t now_ms)
{
	struct newcomer *s = state;

	if (s->held)
		return;
	if (slice_of(now_ms) != s->slice) {
		s->slice = slice_of(now_ms);
		s->rows = 0;
	}
	if (s->rows > MANY && ++s->blocks % SAMPLE)
		return;
	s->rows += b->n;
	for (uint32_t w = 0; w * 64 < b->n; w++) {
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t r = w * 64 + (uint32_t)__builtin_ctzll(left);

			if (answered(b, r))
				row(s, b, r, now_ms);
		}
	}
}

/* --- judging --- */

static void who_of(const struct one *o, struct finding *f, char who[static SERIES_TEXT])
{
	static const enum by by[WHATS] = { BY_HOST, BY_PORT, BY_AS, BY_NONE };
	static const char *const kind[WHATS] = { "new host", "new service", "new AS",
						 "new country" };

	f->by = by[o->id.what];
	snprintf(f->kind, sizeof(f->kind), "%s", kind[o->id.what]);
	if (o->id.what == COUNTRY) { /* no key of alerts: its name is part of the kind */
		snprintf(who, SERIES_TEXT, "%c%c", (char)(o->id.number >> 8), (char)o->id.number);
		snprintf(f->kind, sizeof(f->kind), "new country %.2s", who);
		snprintf(f->filter, sizeof(f->filter), "country %.2s", who);
		return;
	}
	if (o->id.what == HOST) {
		memcpy(f->key.b, o->id.addr.b, sizeof(o->id.addr.b));
		f->who = o->id.addr;
	} else {
		memcpy(f->key.b, &o->id.number, sizeof(o->id.number));
	}
	key_text(f->by, &f->key, NULL, who);
}

/* A port or a country says nothing of who has to do with it. */
static const char *ours(const struct one *o, char buf[static 80])
{
	char text[ADDR_TEXT];

	*buf = '\0';
	if (o->id.what != HOST)
		snprintf(buf, 80, "%s was the first to %s; ", addr_text(&o->ours, text),
			 o->id.what == SERVICE ? "offer it" : "speak with it");
	return buf;
}

static void tell(const struct newcomer *s, const struct one *o, const struct net *n,
		 int64_t since_ms, finding_f *fn, void *arg)
{
	static const char *const word[WHATS] = { "a host", "a service", "an AS", "a country" };
	struct finding f = { .ended = true, .first_ms = o->first_ms, .last_ms = o->last_ms,
			     .measure = { .kind = MEASURE_BYTES }, .value = o->octets,
			     .limit = s->conf.amount };
	char who[SERIES_TEXT], v[UNIT_TEXT], d[UNIT_TEXT], at[80];

	who_of(o, &f, who);
	snprintf(f.why, sizeof(f.why),
		 "%.64s is %s that was never seen on %s before (watched for %s). "
		 "%s%s were exchanged so far. If it is meant to be there, nothing is to do: it is "
		 "known from now on; else find out who brought it.%s",
		 who, word[o->id.what], n->name, text_duration(o->first_ms - since_ms, d),
		 ours(o, at), measure_text(&f.measure, o->octets, v),
		 n->told >= s->conf.per_day ? " No more are told today (per_day)." : "");
	fn(arg, &f);
}

/* o has come to something: it is known, and told where its network has been learnt. */
static void arrived(struct newcomer *s, const struct one *o, int64_t now_ms, finding_f *fn,
		    void *arg)
{
	struct net *n = &s->net[o->index];
	int64_t since_ms = n->first_ms;

	put(s, hash_of(&o->id));
	if (o->id.what == COUNTRY && s->country_ms > since_ms)
		since_ms = s->country_ms;
	if (n->day != now_ms / DAY_MS) {
		n->day = now_ms / DAY_MS;
		n->told = 0;
	}
	if (now_ms - since_ms < (int64_t)(s->conf.learn * 1000) || n->told >= s->conf.per_day)
		return;
	n->told++;
	tell(s, o, n, since_ms, fn, arg);
}

/* The country of a place that was never met. */
static void look_up(struct newcomer *s, const struct one *o, int64_t now_ms, finding_f *fn,
		    void *arg)
{
	struct one c = *o;

	put(s, hash_of(&o->id));
	memset(&c.id.addr, 0, sizeof(c.id.addr));
	c.id.what = COUNTRY;
	c.id.number = s->country ? s->country(s->country_arg, &o->id.addr) : 0;
	if (c.id.number && !known(s, hash_of(&c.id)))
		arrived(s, &c, now_ms, fn, arg);
}

static bool is_there(const struct newcomer *s, struct one *o, int64_t now_ms)
{
	if (o->used && now_ms - o->last_ms > DAY_MS)
		o->used = false; /* it never came to anything */
	if (!o->used || !o->again || !o->answered || o->octets < s->conf.amount)
		return false;
	o->used = false;
	return true;
}

static void judge(void *state, int64_t now_ms, finding_f *fn, void *arg)
{
	struct newcomer *s = state;

	turn(s, now_ms);
	if (s->country && !s->country_ms)
		s->country_ms = now_ms;
	for (uint32_t i = 0; i < ASIDE; i++) {
		if (is_there(s, &s->one[i], now_ms))
			arrived(s, &s->one[i], now_ms, fn, arg);
		if (is_there(s, &s->place[i], now_ms))
			look_up(s, &s->place[i], now_ms, fn, arg);
	}
}

/* Whoever comes is not met; if it stays, it is new when it is over. */
static void hold(void *state, bool held)
{
	struct newcomer *s = state;

	s->held = held;
}

/* Of the network that was seen first; none yet: all of the time. */
static int64_t learns_ms(const void *state, int64_t now_ms)
{
	const struct newcomer *s = state;
	int64_t all = (int64_t)(s->conf.learn * 1000), least = all;

	for (uint32_t i = 0; i < s->n_net; i++) {
		int64_t left = s->net[i].first_ms ? s->net[i].first_ms + all - now_ms : all;

		least = left < least ? left : least;
	}
	return least > 0 ? least : 0;
}

static void geo(void *state, filter_country_f *country, void *arg)
{
	struct newcomer *s = state;

	s->country = country;
	s->country_arg = arg;
}

/* --- open, save --- */

static void *open_newcomer(const void *conf, size_t memory)
{
	struct newcomer *s = xcalloc(1, sizeof(*s));

	s->conf = *(const struct conf *)conf;
	for (s->bits = 1 << 17; s->bits < 1 << 21 && s->bits / 8 * 8 < memory;)
		s->bits *= 2;
	for (int i = 0; i < 2; i++)
		s->seen[i] = xcalloc(s->bits / 64, sizeof(*s->seen[i]));
	return s;
}

static void free_newcomer(void *state)
{
	struct newcomer *s = state;

	free(s->seen[0]);
	free(s->seen[1]);
	free(s);
}

struct saved {
	uint32_t version, net_size;
	uint64_t bits;
	int64_t turned_ms;
	uint32_t n_net, country_h; /* hours since 1970 */
};

static void *save(const void *state, size_t *len)
{
	const struct newcomer *s = state;
	struct saved h = { VERSION, sizeof(struct net), s->bits, s->turned_ms, s->n_net,
			   (uint32_t)(s->country_ms / HOUR_MS) };
	size_t nets = s->n_net * sizeof(struct net);
	char *out;

	*len = sizeof(h) + nets + 2 * s->bits / 8;
	out = xcalloc(1, *len);
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), s->net, nets);
	for (size_t i = 0; i < 2; i++)
		memcpy(out + sizeof(h) + nets + i * s->bits / 8, s->seen[i], s->bits / 8);
	return out;
}

static bool load(void *state, const void *data, size_t len)
{
	struct newcomer *s = state;
	const char *at = data;
	struct saved h;
	size_t nets;

	if (len < sizeof(h))
		return false;
	memcpy(&h, at, sizeof(h));
	nets = (size_t)h.n_net * sizeof(struct net);
	if (h.version != VERSION || h.net_size != sizeof(struct net) || h.bits != s->bits ||
	    h.n_net > NETS || len != sizeof(h) + nets + 2 * s->bits / 8)
		return false;
	s->turned_ms = h.turned_ms;
	s->country_ms = h.country_h * HOUR_MS;
	s->n_net = h.n_net;
	memcpy(s->net, at + sizeof(h), nets);
	for (uint32_t i = 0; i < s->n_net; i++)
		s->net[i].name[sizeof(s->net[i].name) - 1] = '\0';
	for (size_t i = 0; i < 2; i++)
		memcpy(s->seen[i], at + sizeof(h) + nets + i * s->bits / 8, s->bits / 8);
	return true;
}

const struct pattern pattern_newcomer = {
	.name = "newcomer",
	.doc = "the first sight of a host, a service or an AS on a network",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.open = open_newcomer,
	.feed = feed,
	.judge = judge,
	.hold = hold,
	.learns_ms = learns_ms,
	.free = free_newcomer,
	.geo = geo,
	.save = save,
	.load = load,
};
