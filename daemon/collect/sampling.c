/* sampling.c - how many packets one sampled packet stands for.
 * SPDX-License-Identifier: ISC
 *
 * Some routers (MikroTik among them) write the interval with its octets in the
 * wrong order: 1 arrives as 16,777,216. Nobody samples one packet in sixteen
 * million, so a rate above the limit whose reversal is a modest number is
 * reversed. Any other rate above the limit is not believed; the flow then counts
 * as it came and is marked, since a hundredfold error in both directions is
 * worse than an honest lower bound.
 *
 * A rate that changed is marked for a minute, so that a baseline does not learn
 * the step as traffic.
 */
#include "daemon/collect/sampling.h"

#include "daemon/collect/collector.h"

#include <math.h>
#include <string.h>

enum { REVERSED_MAX = 65535, CHANGE_MS = 60000 };

struct rate_key {
	uint64_t id;
	uint32_t serial, kind;
};

uint32_t sampling_believe(struct dgram *d, uint64_t rate)
{
	uint32_t limit = d->c->conf.max_sampling;
	uint32_t back;

	if (rate <= limit)
		return (uint32_t)rate;
	back = rate <= UINT32_MAX ? __builtin_bswap32((uint32_t)rate)
				  : (uint32_t)(__builtin_bswap64(rate) & UINT32_MAX);
	if (back && back <= REVERSED_MAX && back <= limit)
		return back;
	ledger_add(&d->x->exporter->ledger.values_clamped, 1);
	return 0;
}

uint64_t sampling_float(uint64_t octets, size_t len)
{
	uint32_t half = (uint32_t)octets;
	float f;
	double p;

	if (len != sizeof(f))
		return len == sizeof(p) ? octets : 0;
	memcpy(&f, &half, sizeof(f));
	p = (double)f;
	memcpy(&octets, &p, sizeof(p));
	return octets;
}

uint32_t sampling_of_words(struct dgram *d, const struct sampling_words *w)
{
	double p;

	if (w->interval && w->space) {
		/* IE 305 packets taken, then IE 306 left out. Reversed octets come in
		 * pairs, so each half is judged alone. */
		uint64_t take = sampling_believe(d, w->interval);
		uint64_t leave = sampling_believe(d, w->space);

		if (!take || !leave)
			return 0;
		return sampling_believe(d, (take + leave + take / 2) / take);
	}
	if (w->plain)
		return sampling_believe(d, w->plain);
	/* IOS XR says an interval of 1 and no space beside the size and population that
	 * its algorithm goes by, so an interval alone comes last. */
	if (w->size && w->population)
		return sampling_believe(d, (w->population + w->size / 2) / w->size);
	if (w->probability) {
		memcpy(&p, &w->probability, sizeof(p));
		if (isfinite(p) && p > 0 && p <= 1)
			return sampling_believe(d, (uint64_t)fmin(1 / p + 0.5, 1e15));
	}
	/* Alone it is used as "one in so many". */
	return w->interval ? sampling_believe(d, w->interval) : 0;
}

static void changed(struct dgram *d, struct domain *dom)
{
	struct ledger *ledger = &d->x->exporter->ledger;

	dom->rate_changed_ms = d->received_ms;
	ledger_add(&ledger->sampling_changes, 1);
	__atomic_store_n(&ledger->sampling_changed_ms, (uint64_t)d->received_ms,
			 __ATOMIC_RELAXED);
}

/* Data whose template has no sampler id goes by the rate that all samplers of the domain
 * have. Once they differed nobody can tell it any more, and nobody does. */
static void agree(struct domain *dom, uint32_t rate, bool new)
{
	dom->n_samplers += new;
	if (dom->n_samplers == 1)
		dom->samplers_rate = rate;
	else if (dom->samplers_rate != rate)
		dom->samplers_rate = 0;
}

void sampling_set(struct dgram *d, struct domain *dom, enum rate_kind kind, uint64_t id,
		  uint32_t rate)
{
	struct rate_key k = { id, dom->serial, kind };
	uint32_t *v = map_get(&d->c->rates, &k);
	bool new = !v;

	if (!v) {
		if (dom->n_rates >= RATES_PER_DOMAIN)
			return;
		v = map_put(&d->c->rates, &k, NULL);
		if (!v)
			return;
		dom->n_rates++;
	} else if (*v != rate) {
		changed(d, dom);
	}
	*v = rate;
	if (kind == RATE_INTERFACE)
		dom->has_interface_rates = true;
	else
		agree(dom, rate, new);
}

void sampling_set_domain(struct dgram *d, struct domain *dom, uint32_t rate)
{
	if (dom->rate && dom->rate != rate)
		changed(d, dom);
	dom->rate = rate;
}

uint32_t sampling_get(const struct collector *c, const struct domain *dom,
		      enum rate_kind kind, uint64_t id)
{
	struct rate_key k = { id, dom->serial, kind };
	const uint32_t *v = map_get(&c->rates, &k);

	return v ? *v : 0;
}

void sampling_each(const struct collector *c, const struct domain *dom,
		   void (*fn)(void *arg, enum rate_kind kind, uint64_t id, uint32_t rate),
		   void *arg)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	while (dom->n_rates && map_next(&c->rates, &at, &key, &v)) {
		const struct rate_key *k = key;

		if (k->serial == dom->serial)
			fn(arg, k->kind, k->id, *(uint32_t *)v);
	}
}

void sampling_forget(struct collector *c, struct domain *dom)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	/* A deletion moves entries, so the search begins anew; domains die rarely. */
	while (dom->n_rates && map_next(&c->rates, &at, &key, &v)) {
		struct rate_key k = *(const struct rate_key *)key;

		if (k.serial != dom->serial)
			continue;
		map_del(&c->rates, &k);
		dom->n_rates--;
		at = 0;
	}
}

/* The configured rate for an interface of x; 0 none. */
static uint32_t override_of(const struct collector *c, uint32_t exporter,
			    uint32_t interface)
{
	size_t lo = 0, hi = c->conf.n_overrides;
	uint64_t want = (uint64_t)exporter << 32 | interface;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct sampling_override *o = &c->conf.overrides[mid];
		uint64_t have = (uint64_t)o->exporter << 32 | o->interface;

		if (have == want)
			return o->rate;
		if (have < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static void look_up(struct dgram *d)
{
	struct exporter_state *x = d->x;
	const struct collect_conf *conf = &d->c->conf;

	x->configured = d->c->configured;
	x->override_rate = override_of(d->c, x->exporter->id, 0);
	x->override_interfaces = false;
	for (size_t i = 0; i < conf->n_overrides; i++)
		if (conf->overrides[i].exporter == x->exporter->id)
			x->override_interfaces |= conf->overrides[i].interface != 0;
}

static uint64_t times(uint64_t v, uint64_t rate)
{
	uint64_t r;

	return __builtin_mul_overflow(v, rate, &r) ? UINT64_MAX : r;
}

/* What an administrator set for this row, else 0. A flow is sampled where it came
 * in, or where it left when only that interface has a rate. */
static uint32_t configured(struct dgram *d, const struct block *b, uint32_t row)
{
	struct exporter_state *x = d->x;
	uint32_t rate = 0;

	if (x->override_interfaces) {
		if (block_uses(b, F_in_if) && b->in_if[row])
			rate = override_of(d->c, x->exporter->id, b->in_if[row]);
		if (!rate && block_uses(b, F_out_if) && b->out_if[row])
			rate = override_of(d->c, x->exporter->id, b->out_if[row]);
	}
	return rate ? rate : x->override_rate;
}

void sampling_apply(struct dgram *d, struct block *b, uint32_t from, uint32_t to)
{
	struct exporter_state *x = d->x;
	struct ledger *ledger = &x->exporter->ledger;
	const struct domain *dom = d->dom;
	bool own = block_uses(b, F_sampling), recent;
	uint32_t last = 0;
	uint8_t source = d->rate_source;

	if (x->configured != d->c->configured)
		look_up(d);
	if (source == SAMPLING_HEADER && dom && d->dom->header_rate != d->rate) {
		if (dom->header_rate)
			changed(d, d->dom);
		d->dom->header_rate = d->rate;
	}
	if (x->override_rate || x->override_interfaces)
		source = SAMPLING_CONFIG;
	else if (!own && d->rate <= 1) {
		last = d->rate;
		goto say;
	}
	recent = dom && dom->rate_changed_ms && source != SAMPLING_CONFIG &&
		 d->received_ms - dom->rate_changed_ms < CHANGE_MS;
	block_use(b, F_sampling);
	for (uint32_t i = from; i < to; i++) {
		uint32_t rate = source == SAMPLING_CONFIG ? configured(d, b, i) : 0;

		if (!rate)
			rate = b->sampling[i] ? b->sampling[i] : d->rate;
		b->sampling[i] = rate;
		if (recent) {
			block_use(b, F_notes);
			b->notes[i] |= NOTE_SAMPLING_GUESSED;
		}
		if (rate <= 1)
			continue;
		last = rate;
		b->bytes[i] = times(b->bytes[i], rate);
		b->packets[i] = times(b->packets[i], rate);
	}
	if (!last)
		last = b->sampling[to - 1];
say:
	__atomic_store_n(&ledger->sampling, last, __ATOMIC_RELAXED);
	__atomic_store_n(&ledger->sampling_source, last ? source : SAMPLING_NONE,
			 __ATOMIC_RELAXED);
}
