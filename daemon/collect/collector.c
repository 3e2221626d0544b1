/* collector.c - the way of a datagram: who, which protocol, rows, the books.
 * SPDX-License-Identifier: ISC
 *
 * The ledger's first identity (D3) is kept here: a datagram is counted received
 * once, then either refused under one reason or accepted. Datagrams of senders
 * that get no place in names.h are kept in the books of `strays`.
 */
#include "daemon/collect/collector.h"

#include "daemon/base/mem.h"
#include "daemon/collect/options.h"
#include "daemon/collect/plan.h"
#include "daemon/collect/sampling.h"
#include "daemon/collect/times.h"
#include "daemon/collect/tmpl.h"
#include "daemon/collect/totals.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLING = 1000000 };

static int by_interface(const void *a, const void *b)
{
	const struct sampling_override *x = a, *y = b;

	if (x->exporter != y->exporter)
		return x->exporter < y->exporter ? -1 : 1;
	return (x->interface > y->interface) - (x->interface < y->interface);
}

void collector_configure(struct collector *c, const struct collect_conf *conf)
{
	struct sampling_override *o = NULL;

	if (conf->n_overrides) {
		o = xcalloc(conf->n_overrides, sizeof(*o));
		memcpy(o, conf->overrides, conf->n_overrides * sizeof(*o));
		qsort(o, conf->n_overrides, sizeof(*o), by_interface);
	}
	free((void *)c->conf.overrides);
	c->conf = *conf;
	c->conf.overrides = o;
	if (!c->conf.max_sampling)
		c->conf.max_sampling = MAX_SAMPLING;
	if (!c->conf.templates_max)
		c->conf.templates_max = TEMPLATES_MAX;
	c->configured++;
	for (unsigned i = 0; i < SENDERS; i++)
		c->senders[i].used = false;
}

struct collector *collector_new(struct names *names, const struct collect_conf *conf)
{
	struct collector *c = xcalloc(1, sizeof(*c));

	c->names = names;
	collector_configure(c, conf);
	map_init(&c->domains, 16, sizeof(struct domain *), DOMAINS_MAX);
	tmpl_init(c);
	map_init(&c->rates, 16, sizeof(uint32_t), RATES_MAX);
	options_init(c);
	c->scratch = plan_scratch_new();
	return c;
}

void collector_free(struct collector **cp)
{
	struct collector *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_states; i++) {
		struct exporter_state *x = c->states[i];

		if (!x)
			continue;
		tmpl_forget_held(c, x);
		while (x->domains) {
			tmpl_forget(c, x->domains);
			domain_free(c, x->domains);
		}
		free(x);
	}
	free(c->states);
	map_fini(&c->domains);
	map_fini(&c->templates);
	map_fini(&c->rates);
	map_fini(&c->words);
	totals_free(&c->totals);
	plan_scratch_free(&c->scratch);
	free((void *)c->conf.overrides);
	free(c);
}

const struct ledger *collector_strays(const struct collector *c)
{
	return &c->strays;
}

void dgram_set(struct dgram *d, enum set_outcome outcome)
{
	struct ledger *ledger = &d->x->exporter->ledger;

	ledger_add(&ledger->sets_seen, 1);
	ledger_add(&ledger->sets[outcome], 1);
}

void out_unrow(struct dgram *d)
{
	struct block *b = d->out->block;

	b->n--;
	d->rows--;
	for (int f = 0; f < FIELD_COUNT; f++)
		if (block_uses(b, f))
			memset(block_cell(b, f, b->n), 0, field_info[f].width);
}

/* What every row of the datagram has in common. */
static void fill(struct dgram *d, struct block *b, uint32_t from, uint32_t to)
{
	uint32_t id = d->x->exporter->id;

	block_use(b, F_received_ms);
	block_use(b, F_exporter);
	block_use(b, F_via);
	for (uint32_t i = from; i < to; i++)
		b->received_ms[i] = d->received_ms;
	for (uint32_t i = from; i < to; i++)
		b->exporter[i] = id;
	memset(b->via + from, d->via, to - from);
	if (!d->domain_id)
		return;
	block_use(b, F_domain);
	for (uint32_t i = from; i < to; i++)
		b->domain[i] = d->domain_id;
}

static uint64_t sum(const uint64_t *col, uint32_t from, uint32_t to)
{
	uint64_t s = 0;

	for (uint32_t i = from; i < to; i++)
		s = __builtin_add_overflow(s, col[i], &s) ? UINT64_MAX : s;
	return s;
}

static void count(struct dgram *d, const struct block *b, uint32_t from, uint32_t to)
{
	struct ledger *ledger = &d->x->exporter->ledger;

	ledger_add(&ledger->flows[d->via], to - from);
	if (block_uses(b, F_bytes))
		ledger_add(&ledger->bytes, sum(b->bytes, from, to));
	if (block_uses(b, F_packets))
		ledger_add(&ledger->packets, sum(b->packets, from, to));
	for (uint32_t i = from; i < to; i++)
		lateness_add(d->x, d->received_ms - b->start_ms[i]);
}

void dgram_finish(struct dgram *d)
{
	struct block *b = d->out->block;

	if (d->first < b->n) {
		fill(d, b, d->first, b->n);
		times_settle(d, b, d->first, b->n);
		sampling_apply(d, b, d->first, b->n);
		count(d, b, d->first, b->n);
	}
	d->first = b->n;
}

static void forget(struct collector *c, struct domain *dom)
{
	seq_settle(&dom->seq, INT64_MAX, &dom->x->exporter->ledger, dom->lost_unit);
	tmpl_forget_held_of(c, dom);
	sampling_forget(c, dom);
	tmpl_forget(c, dom);
	domain_free(c, dom);
}

/* Decodes and counts; returns what came of it. */
static int take(struct collector *c, const struct sockaddr_storage *from,
		uint32_t session, const void *data, size_t len, int64_t received_ms,
		struct collect_out *out)
{
	const struct decoder *dec = decoder_find(data, len);
	struct dgram d = { .c = c, .out = out, .received_ms = received_ms,
			   .session = session, .first = out->block->n };
	enum shed_reason why = SHED_EXPORTERS;
	struct ledger *ledger;
	int verdict;

	if (dec && session && dec->via != VIA_IPFIX)
		dec = NULL;
	d.via = dec ? dec->via : VIA_NONE;
	c->now_ms = received_ms;
	d.x = exporter_get(c, from, &d.port, &why);
	if (!d.x) {
		ledger_add(&c->strays.datagrams[d.via], 1);
		ledger_add(&c->strays.shed[why], 1);
		return DGRAM_SHED + why;
	}
	ledger = &d.x->exporter->ledger;
	d.x->seen_ms = received_ms;
	__atomic_store_n(&ledger->last_seen_ms, (uint64_t)received_ms, __ATOMIC_RELAXED);
	if (dec)
		verdict = dec->decode(&d, rd_over(data, len));
	else
		verdict = len < 2 ? BAD_TOO_SHORT : BAD_VERSION;
	ledger_add(&ledger->datagrams[d.via], 1);
	if (verdict == DGRAM_OK) {
		ledger_add(&ledger->accepted, 1);
		dgram_finish(&d);
	} else if (verdict >= DGRAM_SHED) {
		ledger_add(&ledger->shed[verdict - DGRAM_SHED], 1);
	} else {
		ledger_add(&ledger->malformed[verdict], 1);
	}
	return verdict;
}

void collect_datagram(struct collector *c, const struct sockaddr_storage *from,
		      const void *data, size_t len, int64_t received_ms,
		      struct collect_out *out)
{
	take(c, from, 0, data, len, received_ms, out);
}

bool collect_message(struct collector *c, const struct sockaddr_storage *from,
		     uint32_t session, const void *data, size_t len, int64_t received_ms,
		     struct collect_out *out)
{
	return take(c, from, session, data, len, received_ms, out) == DGRAM_OK;
}

void collect_session_end(struct collector *c, const struct sockaddr_storage *from,
			 uint32_t session)
{
	uint16_t port;
	enum shed_reason why;
	struct exporter_state *x = exporter_get(c, from, &port, &why);

	if (!x)
		return;
	for (struct domain *dom = x->domains, *next; dom; dom = next) {
		next = dom->next;
		if (dom->via == VIA_IPFIX && dom->sub == session)
			forget(c, dom);
	}
}

static void tick_exporter(struct collector *c, struct exporter_state *x, int64_t now_ms,
			  bool decay)
{
	struct ledger *ledger = &x->exporter->ledger;
	uint64_t templates = 0;
	int64_t life_ms;

	tmpl_expire_held(c, x, now_ms);
	for (struct domain *dom = x->domains, *next; dom; dom = next) {
		next = dom->next;
		if (dom->seq.n_gaps)
			seq_settle(&dom->seq, now_ms, ledger, dom->lost_unit);
		tmpl_expire(c, dom, now_ms);
		templates += dom->n_templates;
		life_ms = dom->n_templates ? TEMPLATE_LIFE_MS : IDLE_MS;
		if (!x->held_sets && now_ms - dom->seen_ms > life_ms)
			forget(c, dom);
	}
	__atomic_store_n(&ledger->templates, templates, __ATOMIC_RELAXED);
	__atomic_store_n(&ledger->lateness_ms, lateness_of(x), __ATOMIC_RELAXED);
	if (decay)
		for (unsigned i = 0; i < LATENESS_BUCKETS; i++)
			x->lateness[i] -= x->lateness[i] / 8;
}

void collector_tick(struct collector *c, int64_t now_ms)
{
	bool decay = now_ms - c->decay_ms > 3600 * 1000;

	c->now_ms = now_ms;
	if (decay)
		c->decay_ms = now_ms;
	for (uint32_t i = 0; i < c->n_states; i++)
		if (c->states[i])
			tick_exporter(c, c->states[i], now_ms, decay);
}
