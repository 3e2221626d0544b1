/* rates.c - what every exporter's ledger was a while ago.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/rates.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

void rates_init(struct rates *r, int64_t every_ms)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	r->every_ms = every_ms;
}

void rates_fini(struct rates *r)
{
	free(r->copy[0]);
	free(r->copy[1]);
	pthread_mutex_destroy(&r->lock);
}

struct rate rate_of(const struct ledger *l, int64_t now_ms)
{
	struct rate x = { .at_ms = now_ms };

	for (int v = 0; v < VIA_COUNT; v++) {
		x.datagrams += ledger_get(&l->datagrams[v]);
		x.flows += ledger_get(&l->flows[v]);
	}
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		x.malformed += ledger_get(&l->malformed[i]);
	for (int i = 0; i < SHED_REASONS; i++)
		x.shed[i] = ledger_get(&l->shed[i]);
	for (int i = 0; i < LOST_UNITS; i++)
		x.lost[i] = ledger_get(&l->lost[i]);
	x.bytes = ledger_get(&l->bytes);
	x.no_template = ledger_get(&l->sets[SET_NO_TEMPLATE]);
	x.decoded = ledger_get(&l->sets[SET_DECODED]);
	x.bad_sets = ledger_get(&l->sets[SET_MALFORMED]);
	return x;
}

void rates_turn(struct rates *r, const struct names *names, int64_t now_ms)
{
	uint32_t n = names_exporters(names);
	struct rate *fresh;

	if (r->taken_ms && now_ms - r->taken_ms < r->every_ms)
		return;
	fresh = xcalloc(n ? n : 1, sizeof(*fresh));
	for (uint32_t i = 0; i < n; i++) {
		const struct exporter *e = names_exporter_at(names, i);

		if (e)
			fresh[i] = rate_of(&e->ledger, now_ms);
	}
	pthread_mutex_lock(&r->lock);
	free(r->copy[1]);
	r->copy[1] = r->copy[0];
	r->n[1] = r->n[0];
	r->at_ms[1] = r->at_ms[0];
	r->copy[0] = fresh;
	r->n[0] = n;
	r->at_ms[0] = now_ms;
	r->taken_ms = now_ms;
	pthread_mutex_unlock(&r->lock);
}

struct rate rates_since(struct rates *r, uint32_t exporter, const struct rate *now)
{
	struct rate was = { 0 }, d = *now;

	pthread_mutex_lock(&r->lock);
	for (int i = 1; i >= 0 && !was.at_ms; i--) {
		if (exporter < r->n[i])
			was = r->copy[i][exporter];
		if (r->copy[i])
			was.at_ms = r->at_ms[i];
	}
	pthread_mutex_unlock(&r->lock);
	if (!was.at_ms || now->at_ms <= was.at_ms)
		return (struct rate){ 0 };
	d.at_ms -= was.at_ms;
	d.datagrams -= was.datagrams;
	d.flows -= was.flows;
	d.bytes -= was.bytes;
	d.malformed -= was.malformed;
	d.no_template -= was.no_template;
	d.decoded -= was.decoded;
	d.bad_sets -= was.bad_sets;
	for (int i = 0; i < LOST_UNITS; i++)
		d.lost[i] -= was.lost[i];
	for (int i = 0; i < SHED_REASONS; i++)
		d.shed[i] -= was.shed[i];
	return d;
}
