/* talker.c - a host that suddenly carries much of its network and never did.
 * SPDX-License-Identifier: ISC
 *
 * A host is heavy in a bin of five minutes when it carries a share of what its network
 * carries, or usually carries when it is busy, whichever is more; so at night, when one
 * download is all there is, nobody is heavy for that alone. Who was ever a quarter as
 * heavy in the last weeks is known. An unknown host that is heavy for two bins in a row is
 * told, until it is not for a quarter of an hour.
 *
 * Quiet in ordinary life, on purpose: no network is watched before its first week; a host
 * is told once, and again only when twice as large; and where new talkers are nothing new
 * (guests, addresses that rotate), each one told within the week raises the share that the
 * next one needs by as much again. While it is told a host does not become known, so a
 * week of attack does not become normal; after `adopt` it does.
 *
 * Cost: a row is looked at with a chance that is proportional to its octets, some eight
 * thousand looks a bin whatever the rate; all others cost an addition and a comparison.
 * A host with a tenth of the traffic is measured to 4 %. Long flows count as far as they
 * overlap the bin. Memory: a table of hosts of the bin and one of known hosts, sized at
 * open; the least heavy make room.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/block.h"
#include "daemon/model/slice.h"
#include "detectors/pattern.h"
#include "detectors/place.h"

enum {
	LOOKS = 8192,		/* a bin, about */
	EVERY = 1 << 18,
	WAYS = 8,
	NETS = 256,
	CALM_BINS = 3,		/* until it is over */
	NEAR_BINS = 12,		/* nearly heavy for so long is known */
	LEARN_BINS = 864,	/* with traffic, of a week: then it is learnt */
	VERSION = 1,
};
static const int64_t DAY_MS = 86400000;
static const double busy_kept = 0.9992; /* a bin: half is forgotten in three days */
static const double near = 0.25;	/* of heavy: known */

struct conf {
	double share, rate, learn, known, adopt;
};

static const struct opt opts[] = {
	{ "share", OPT_QUANTITY, 0.25, 0.01, 1, offsetof(struct conf, share),
	  "share of its network's traffic" },
	{ "rate", OPT_COUNT, 2e6, 0, 1e15, offsetof(struct conf, rate),
	  "and at least so many bits/s" },
	{ "learn", OPT_DURATION, 7 * 86400, 3600, 90 * 86400, offsetof(struct conf, learn),
	  "a network that is seen for less than this is only learnt" },
	{ "known", OPT_DURATION, 28 * 86400, 86400, 366 * 86400, offsetof(struct conf, known),
	  "a host that was heavy within this time is not new" },
	{ "adopt", OPT_DURATION, 10 * 86400, 86400, 366 * 86400, offsetof(struct conf, adopt),
	  "a new talker that goes on so long becomes known" },
	{ .name = NULL },
};

struct host { /* in the bin that is open */
	struct addr addr;
	uint32_t net; /* index */
	uint32_t bin; /* else empty */
	double bytes;
};

struct net {
	uint32_t id;
	uint32_t bins;	 /* with traffic */
	int64_t first_ms;
	double busy;	 /* octets of a busy bin */
	double told;	 /* new talkers of the last week, fading */
	double bytes;	 /* in the bin that is open */
	char name[32];
};

struct heavy { /* a host that is or was heavy */
	struct addr addr;
	uint32_t net;	 /* id; 0: empty */
	uint16_t row;	 /* bins in a row that it has been heavy, unknown */
	uint16_t calm;	 /* bins in a row that it has not */
	uint16_t nears;	 /* bins in which it was nearly heavy */
	int64_t seen_ms; /* heavy enough to be known, or to be told */
	int64_t first_ms, begun_ms; /* of what is new: its first, the first of this time */
	double told;	 /* largest rate that was told, bits/s; 0: never */
	bool known, stands;
};

struct talker {
	struct conf conf;
	struct host *host;
	struct heavy *heavy;
	uint32_t n_host, n_heavy; /* powers of two */
	struct net net[NETS];
	uint32_t n_net;
	int place[NETS];	/* number of a network -> index; NETS: unknown yet */
	const struct names *names;
	uint64_t every, sum, looks; /* octets between two looks, and since the last */
	uint64_t octets;	/* in this bin */
	bool held;		/* of this bin nothing is learnt */
	bool warm;		/* a bin has passed: `every` is about right */
	int64_t bin;
};

static uint32_t hash_of(const struct addr *a, uint32_t net)
{
	uint64_t x, y;

	memcpy(&x, a->b, 8);
	memcpy(&y, a->b + 8, 8);
	x = (x ^ net) * UINT64_C(0x9e3779b97f4a7c15) ^ y;
	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(x ^ x >> 32);
}

/* --- flows --- */

static struct net *net_at(struct talker *t, const struct names *names, int number)
{
	const char *name;
	uint32_t id, i = 0;

	if (number >= NETS)
		return NULL;
	name = place_name(names, number);
	if (t->place[number] >= 0 && !strncmp(t->net[t->place[number]].name, name, 31))
		return &t->net[t->place[number]];
	id = place_id(name) | 1;
	while (i < t->n_net && t->net[i].id != id)
		i++;
	if (i == NETS)
		return NULL;
	if (i == t->n_net) {
		t->n_net++;
		t->net[i] = (struct net){ .id = id };
		snprintf(t->net[i].name, sizeof(t->net[i].name), "%s", name);
	}
	t->place[number] = (int)i;
	return &t->net[i];
}

static void add_host(struct talker *t, const struct addr *a, uint32_t net, double bytes)
{
	uint32_t at = hash_of(a, net) & (t->n_host - 1), bin = (uint32_t)t->bin;
	struct host *least = NULL;

	for (uint32_t i = 0; i < WAYS; i++) {
		struct host *h = &t->host[(at + i) & (t->n_host - 1)];

		if (h->bin != bin) {
			*h = (struct host){ *a, net, bin, bytes };
			return;
		}
		if (h->net == net && !memcmp(&h->addr, a, sizeof(*a))) {
			h->bytes += bytes;
			return;
		}
		if (!least || h->bytes < least->bytes)
			least = h;
	}
	if (least->bytes <= bytes)
		*least = (struct host){ *a, net, bin, bytes };
}

static void look(struct talker *t, const struct block *b, uint32_t r, double bytes)
{
	const struct addr *end[2] = { &b->src[r], &b->dst[r] };
	int64_t lasted = b->end_ms[r] - b->start_ms[r];

	if (lasted > BIN_MS)
		bytes *= (double)BIN_MS / (double)lasted;
	for (int i = 0; i < 2; i++) {
		int number = place_of(b->names, end[i]);
		struct net *n = number < 0 ? NULL : net_at(t, b->names, number);

		if (!n)
			continue;
		add_host(t, end[i], (uint32_t)(n - t->net), bytes);
		n->bytes += bytes;
	}
}

/* Row r is the one that fills what is between two looks. Gives what is left over. */
static uint64_t row(struct talker *t, const struct block *b, uint32_t r, uint64_t sum)
{
	uint64_t bytes = b->bytes[r], k;

	if (bytes > UINT64_C(1) << 48) /* of nobody's line */
		bytes = UINT64_C(1) << 48;
	sum += bytes;
	if (sum < t->every)
		return sum;
	k = sum / t->every;
	sum %= t->every;
	look(t, b, r, (double)k * (double)t->every);
	t->octets += k * t->every;
	if (++t->looks % (t->warm ? 2 * LOOKS : LOOKS / 8) == 0)
		t->every *= 2;
	return sum;
}

static void feed(void *state, const struct block *b, const uint64_t *bits, int64_t now_ms)
{
	struct talker *t = state;
	uint64_t sum = t->sum;

	(void)now_ms;
	for (uint32_t w = 0; w * 64 < b->n; w++) {
		uint64_t left = bits[w], all = 0;

		if (left == UINT64_MAX) { /* most words are skipped as one */
			for (uint32_t i = 0; i < 64; i++)
				all += b->bytes[w * 64 + i];
			if (sum + all < t->every && all < t->every) {
				sum += all;
				continue;
			}
		}
		for (; left; left &= left - 1) {
			uint32_t r = w * 64 + (uint32_t)__builtin_ctzll(left);
			uint64_t next = sum + b->bytes[r];

			sum = next < t->every && next >= sum ? next : row(t, b, r, sum);
		}
	}
	t->sum = sum;
}

/* --- judging --- */

static struct heavy *find(struct talker *t, const struct addr *a, uint32_t net, bool make)
{
	uint32_t at = hash_of(a, net) & (t->n_heavy - 1);
	struct heavy *oldest = NULL;

	for (uint32_t i = 0; i < WAYS; i++) {
		struct heavy *h = &t->heavy[(at + i) & (t->n_heavy - 1)];

		if (h->net == net && !memcmp(&h->addr, a, sizeof(*a)))
			return h;
		if (!h->stands && (!oldest || !h->net ||
				   (oldest->net && h->seen_ms < oldest->seen_ms)))
			oldest = h;
	}
	if (!make || !oldest)
		return NULL;
	*oldest = (struct heavy){ .addr = *a, .net = net };
	return oldest;
}

static void tell(const struct talker *t, const struct heavy *h, const struct net *n,
		 double rate, double share, double limit, int64_t now_ms, bool ended,
		 finding_f *fn, void *arg)
{
	struct finding f = { .by = BY_HOST, .ended = ended, .first_ms = h->begun_ms,
			     .last_ms = now_ms - 1, .value = rate, .limit = limit,
			     .who = h->addr, .kind = "new heavy talker" };
	char who[ADDR_TEXT], v[UNIT_TEXT], d[UNIT_TEXT];

	f.measure.kind = MEASURE_BITS_S;
	memcpy(f.key.b, h->addr.b, sizeof(h->addr.b));
	if (ended)
		snprintf(f.why, sizeof(f.why),
			 "%s has not carried a large part of %s any more for a quarter of "
			 "an hour.", addr_text(&h->addr, who), n->name);
	else
		snprintf(f.why, sizeof(f.why),
			 "%s carries %s, %.0f %% of %s, and was never among its busiest hosts "
			 "in the last %s. Look at its top flows: a new server or backup is "
			 "fine, and known from then on; an upload that nobody ordered is not.",
			 addr_text(&h->addr, who), measure_text(&f.measure, rate, v),
			 100 * fmin(share, 1), n->name,
			 text_duration((int64_t)(fmin(t->conf.known,
						      (double)(now_ms - n->first_ms) / 1000)
						 * 1000), d));
	fn(arg, &f);
}

struct bin { /* that has just ended */
	int64_t end_ms;
	finding_f *fn;
	void *arg;
};

static void judge_host(struct talker *t, const struct host *x, const struct bin *bin)
{
	struct net *n = &t->net[x->net];
	double level = fmax(n->bytes, n->busy), share = x->bytes / level;
	double rate = x->bytes * 8 * 1000 / BIN_MS;
	double need = fmin(t->conf.share * (1 + n->told), fmax(0.9, t->conf.share));
	double limit = fmax(t->conf.rate, need * level * 8 * 1000 / BIN_MS);
	int64_t known_ms = (int64_t)(t->conf.known * 1000);
	bool armed = n->bins >= LEARN_BINS * t->conf.learn / (7 * 86400) &&
		     bin->end_ms - n->first_ms >= (int64_t)(t->conf.learn * 1000);
	struct heavy *h;

	if (share < t->conf.share * near || rate < t->conf.rate * near || (t->held && !armed))
		return;
	h = find(t, &x->addr, n->id, true);
	if (!h)
		return;
	if (h->known && bin->end_ms - h->seen_ms > known_ms)
		*h = (struct heavy){ .addr = x->addr, .net = n->id };
	h->seen_ms = bin->end_ms;
	/* Nearly heavy for an hour is known; for a bin or two it may be on its way up. */
	if (!armed || (!t->held && !h->first_ms && share < need && ++h->nears >= NEAR_BINS))
		h->known = true;
	if (h->known || (!h->first_ms && (share < need || rate < limit)))
		return;
	if (!h->first_ms)
		h->first_ms = bin->end_ms - BIN_MS;
	if (bin->end_ms - h->first_ms > (int64_t)(t->conf.adopt * 1000) && !h->stands) {
		h->known = true;
		return;
	}
	if (share < need * (h->stands ? 0.5 : 1) || rate < limit * (h->stands ? 0.5 : 1))
		return;
	h->calm = 0;
	if (!h->row++)
		h->begun_ms = bin->end_ms - BIN_MS;
	if (h->row < 2 || rate < 2 * h->told)
		return;
	if (!h->stands)
		n->told++;
	h->stands = true;
	h->told = rate;
	tell(t, h, n, rate, share, limit, bin->end_ms, false, bin->fn, bin->arg);
}

static void end(struct talker *t, struct heavy *h, const struct bin *bin, bool known)
{
	for (uint32_t i = 0; i < t->n_net && h->stands; i++)
		if (t->net[i].id == h->net)
			tell(t, h, &t->net[i], 0, 0, t->conf.rate, bin->end_ms, true, bin->fn,
			     bin->arg);
	h->stands = false;
	h->row = 0;
	h->known |= known;
}

/* Those that were not heavy in this bin, and those that have been for very long. */
static void judge_calm(struct talker *t, const struct bin *bin)
{
	int64_t adopt_ms = (int64_t)(t->conf.adopt * 1000);

	for (uint32_t i = 0; i < t->n_heavy; i++) {
		struct heavy *h = &t->heavy[i];

		if (!h->net || h->known || !h->row)
			continue;
		if (h->stands && bin->end_ms - h->first_ms > adopt_ms)
			end(t, h, bin, true);
		else if (h->calm++ >= (h->stands ? CALM_BINS : 1))
			end(t, h, bin, false);
	}
}

/* What a busy bin is; of new talkers nothing is learnt. */
static void learn(struct talker *t, int64_t end_ms)
{
	double strange[NETS] = { 0 };

	for (uint32_t i = 0; i < t->n_host; i++) {
		const struct host *x = &t->host[i];
		const struct heavy *h = x->bin == (uint32_t)t->bin
			? find(t, &x->addr, t->net[x->net].id, false) : NULL;

		if (h && !h->known)
			strange[x->net] += x->bytes;
	}
	for (uint32_t i = 0; i < t->n_net; i++) {
		struct net *n = &t->net[i];

		if (n->bytes > 0 && !t->held) {
			if (!n->first_ms)
				n->first_ms = end_ms - BIN_MS;
			n->bins++;
			n->busy = fmax(n->busy * busy_kept, n->bytes - strange[i]);
		}
		n->told *= exp(-(double)BIN_MS / (7.0 * (double)DAY_MS));
		n->bytes = 0;
	}
}

static void close_bin(struct talker *t, const struct bin *bin)
{
	for (uint32_t i = 0; i < t->n_host; i++)
		if (t->host[i].bin == (uint32_t)t->bin)
			judge_host(t, &t->host[i], bin);
	judge_calm(t, bin);
	learn(t, bin->end_ms);
}

static void judge(void *state, int64_t now_ms, finding_f *fn, void *arg)
{
	struct talker *t = state;
	int64_t bin = now_ms / BIN_MS;

	if (!t->bin)
		t->bin = bin;
	if (bin == t->bin)
		return;
	/* Nothing came at all: nobody knows, and nobody has become calm (D3). */
	if (t->looks)
		close_bin(t, &(struct bin){ (t->bin + 1) * BIN_MS, fn, arg });
	t->every = t->octets / LOOKS + 1;
	t->warm = t->octets > 0;
	t->sum = t->octets = t->looks = 0;
	t->held = false;
	t->bin = bin;
}

static void hold(void *state, bool held)
{
	struct talker *t = state;

	t->held |= held;
}

/* Of the network that was seen first; none yet: all of the time. */
static int64_t learns_ms(const void *state, int64_t now_ms)
{
	const struct talker *s = state;
	int64_t all = (int64_t)(s->conf.learn * 1000), least = all;

	for (uint32_t i = 0; i < s->n_net; i++) {
		int64_t left = s->net[i].first_ms ? s->net[i].first_ms + all - now_ms : all;

		least = left < least ? left : least;
	}
	return least > 0 ? least : 0;
}

/* --- open, save --- */

static void *open_talker(const void *conf, size_t memory)
{
	struct talker *t = xcalloc(1, sizeof(*t));

	t->conf = *(const struct conf *)conf;
	t->every = EVERY; /* the first bin does not know what comes */
	for (t->n_host = 512; t->n_host < LOOKS && t->n_host * 4 * sizeof(*t->host) < memory;)
		t->n_host *= 2;
	for (t->n_heavy = 256; t->n_heavy < 4096 && t->n_heavy * 4 * sizeof(*t->heavy) < memory;)
		t->n_heavy *= 2;
	t->host = xcalloc(t->n_host, sizeof(*t->host));
	t->heavy = xcalloc(t->n_heavy, sizeof(*t->heavy));
	for (int i = 0; i < NETS; i++)
		t->place[i] = -1;
	return t;
}

static void free_talker(void *state)
{
	struct talker *t = state;

	free(t->host);
	free(t->heavy);
	free(t);
}

struct saved {
	uint32_t version, net_size, heavy_size, n_net, n_heavy;
};

static void *save(const void *state, size_t *len)
{
	const struct talker *t = state;
	struct saved s = { VERSION, sizeof(struct net), sizeof(struct heavy), t->n_net, 0 };
	char *out, *at;

	for (uint32_t i = 0; i < t->n_heavy; i++)
		s.n_heavy += t->heavy[i].net != 0;
	*len = sizeof(s) + s.n_net * sizeof(struct net) + s.n_heavy * sizeof(struct heavy);
	at = out = xcalloc(1, *len);
	memcpy(at, &s, sizeof(s));
	at += sizeof(s);
	memcpy(at, t->net, s.n_net * sizeof(struct net));
	at += s.n_net * sizeof(struct net);
	for (uint32_t i = 0; i < t->n_heavy; i++) {
		if (!t->heavy[i].net)
			continue;
		memcpy(at, &t->heavy[i], sizeof(struct heavy));
		at += sizeof(struct heavy);
	}
	return out;
}

static bool load(void *state, const void *data, size_t len)
{
	struct talker *t = state;
	const char *at = data;
	struct saved s;

	if (len < sizeof(s))
		return false;
	memcpy(&s, at, sizeof(s));
	if (s.version != VERSION || s.net_size != sizeof(struct net) ||
	    s.heavy_size != sizeof(struct heavy) || s.n_net > NETS || s.n_heavy > 65536 ||
	    len != sizeof(s) + s.n_net * sizeof(struct net) + s.n_heavy * sizeof(struct heavy))
		return false;
	at += sizeof(s);
	memcpy(t->net, at, s.n_net * sizeof(struct net));
	t->n_net = s.n_net;
	for (uint32_t i = 0; i < t->n_net; i++) {
		t->net[i].bytes = 0;
		t->net[i].name[sizeof(t->net[i].name) - 1] = '\0';
	}
	at += s.n_net * sizeof(struct net);
	for (uint32_t i = 0; i < s.n_heavy; i++, at += sizeof(struct heavy)) {
		struct heavy h, *to;

		memcpy(&h, at, sizeof(h));
		to = h.net ? find(t, &h.addr, h.net, true) : NULL;
		if (to)
			*to = h;
	}
	return true;
}

const struct pattern pattern_talker = {
	.name = "talker",
	.doc = "a host that suddenly carries much of its network and never did",
	.opts = opts,
	.conf_size = sizeof(struct conf),
	.open = open_talker,
	.feed = feed,
	.judge = judge,
	.hold = hold,
	.learns_ms = learns_ms,
	.free = free_talker,
	.save = save,
	.load = load,
};
