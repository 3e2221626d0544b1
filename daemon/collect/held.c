/* held.c - data sets that wait for their template.
 * SPDX-License-Identifier: ISC
 *
 * A restarted collector, or a lost datagram, has data before it has templates; v9
 * exporters repeat them after up to half an hour. The first 256 sets (64 KiB) of an
 * exporter are kept for ten minutes and decoded when their template comes, with the clock
 * and the receive time of the datagram they came in. What is over the bound is
 * counted as without template at once: the oldest are kept, not the newest, so
 * that nothing is allocated for a stream that never sends its templates. A session that
 * has withdrawn templates may use their numbers anew (RFC 7011 sec. 8.1), so what comes
 * before a definition then is of one that is gone, and does not wait.
 */
#include "daemon/base/mem.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/tmpl.h"

#include <stdlib.h>
#include <string.h>

struct held {
	struct held *next;
	struct domain *dom;
	struct dgram at;  /* its datagram; the pointers in it are not used */
	uint16_t id;
	uint32_t len;
	uint8_t octets[];
};

static void take_off(struct collector *c, struct exporter_state *x, struct held **at)
{
	struct held *h = *at;

	*at = h->next;
	if (x->held_end == &h->next)
		x->held_end = at;
	x->held_sets--;
	x->held_octets -= h->len;
	c->held_octets -= h->len;
	ledger_add(&x->exporter->ledger.sets[SET_HELD], UINT64_MAX); /* one less */
}

void tmpl_hold(struct dgram *d, uint16_t id, const struct rd *set)
{
	struct exporter_state *x = d->x;
	size_t len = rd_left(set);
	struct held *h;

	if (!d->dom || d->dom->withdrew || x->held_sets >= HELD_SETS ||
	    x->held_octets + len > HELD_OCTETS || d->c->held_octets + len > HELD_OCTETS_ALL) {
		dgram_set(d, SET_NO_TEMPLATE);
		return;
	}
	h = xcalloc(1, sizeof(*h) + len);
	h->dom = d->dom;
	h->at = *d;
	h->id = id;
	h->len = (uint32_t)len;
	memcpy(h->octets, set->p, len);
	*x->held_end = h;
	x->held_end = &h->next;
	x->held_sets++;
	x->held_octets += h->len;
	d->c->held_octets += h->len;
	dgram_set(d, SET_HELD);
}

void tmpl_release(struct dgram *d,
		  enum set_outcome (*fn)(struct dgram *d, struct tmpl *t, struct rd set))
{
	struct exporter_state *x = d->x;
	struct ledger *ledger = &x->exporter->ledger;

	for (struct held **at = &x->held, *h; (h = *at);) {
		struct tmpl *t = h->dom == d->dom ? tmpl_find(d, h->id) : NULL;
		struct dgram then = h->at;

		if (!t) {
			at = &h->next;
			continue;
		}
		dgram_finish(d);
		then.out = d->out;
		then.first = d->out->block->n;
		then.rows = d->rows;
		then.rate = d->dom->rate; /* options data may have come since */
		then.rate_source = SAMPLING_OPTIONS;
		take_off(d->c, x, at);
		ledger_add(&ledger->sets[fn(&then, t, rd_over(h->octets, h->len))], 1);
		dgram_finish(&then);
		d->first = then.first;
		d->rows = then.rows;
		free(h);
	}
}

static void forget(struct collector *c, struct exporter_state *x, struct held **at)
{
	struct held *h = *at;

	take_off(c, x, at);
	ledger_add(&x->exporter->ledger.sets[SET_NO_TEMPLATE], 1);
	free(h);
}

void tmpl_expire_held(struct collector *c, struct exporter_state *x, int64_t now_ms)
{
	while (x->held && now_ms - x->held->at.received_ms > HELD_LIFE_MS)
		forget(c, x, &x->held);
}

void tmpl_forget_held_of(struct collector *c, struct domain *dom)
{
	for (struct held **at = &dom->x->held; *at;) {
		if ((*at)->dom == dom)
			forget(c, dom->x, at);
		else
			at = &(*at)->next;
	}
}

void tmpl_forget_held(struct collector *c, struct exporter_state *x)
{
	while (x->held)
		forget(c, x, &x->held);
}
