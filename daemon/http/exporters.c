/* exporters.c - an exporter and its ledger as JSON.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"

#include <string.h>

enum { EXPORTERS_SHOWN = 2000 };

static json_t *labelled(const uint64_t *v, const char *const *words, int n, uint64_t *sum)
{
	json_t *o = json_object();

	*sum = 0;
	for (int i = 0; i < n; i++) {
		uint64_t x = ledger_get(&v[i]);

		*sum += x;
		j_put(o, words[i], j_count(x));
	}
	return o;
}

static json_t *protocols(const struct ledger *l, uint64_t *received, uint64_t *flows)
{
	json_t *list = json_array();

	*received = *flows = 0;
	for (int v = 0; v < VIA_COUNT; v++) {
		uint64_t n = ledger_get(&l->datagrams[v]), f = ledger_get(&l->flows[v]);
		json_t *o;

		*received += n;
		*flows += f;
		if (!n && !f)
			continue;
		o = json_object();
		j_put(o, "protocol", json_string(via_label[v]));
		j_put(o, "title", json_string(via_title[v]));
		j_put(o, "datagrams", j_count(n));
		j_put(o, "flows", j_count(f));
		json_array_append_new(list, o);
	}
	return list;
}

static void put_counts(json_t *o, const struct ledger *l)
{
	uint64_t received, flows, malformed, shed, sum;
	json_t *d = json_object();

	j_put(o, "protocols", protocols(l, &received, &flows));
	j_put(o, "malformed", labelled(l->malformed, bad_reason_label, BAD_COUNT_OF_REASONS,
				       &malformed));
	j_put(o, "shed", labelled(l->shed, shed_reason_label, SHED_REASONS, &shed));
	j_put(o, "sets", labelled(l->sets, set_outcome_label, SET_OUTCOMES, &sum));
	j_put(o, "lost", labelled(l->lost, lost_unit_label, LOST_UNITS, &sum));
	j_put(d, "received", j_count(received));
	j_put(d, "accepted", j_count(ledger_get(&l->accepted)));
	j_put(d, "malformed", j_count(malformed));
	j_put(d, "shed", j_count(shed));
	j_put(o, "datagrams", d);
	j_put(o, "flows", j_count(flows));
	j_put(o, "bytes", j_count(ledger_get(&l->bytes)));
	j_put(o, "packets", j_count(ledger_get(&l->packets)));
}

static const char *sampling_word(unsigned source)
{
	static const char *const word[] = { "not told", "configuration", "field", "sampler",
					    "options", "header" };

	return source < sizeof(word) / sizeof(word[0]) ? word[source] : word[0];
}

static void put_state(json_t *o, const struct ledger *l)
{
	j_put(o, "templates", j_count(ledger_get(&l->templates)));
	j_put(o, "restarts", j_count(ledger_get(&l->restarts)));
	j_put(o, "times_clamped", j_count(ledger_get(&l->times_clamped)));
	j_put(o, "values_clamped", j_count(ledger_get(&l->values_clamped)));
	j_put(o, "clock_skew_s",
	      j_real((double)__atomic_load_n(&l->skew_ms, __ATOMIC_RELAXED) / 1000));
	j_put(o, "lateness_s",
	      j_real((double)__atomic_load_n(&l->lateness_ms, __ATOMIC_RELAXED) / 1000));
	j_put(o, "sampling", json_integer(__atomic_load_n(&l->sampling, __ATOMIC_RELAXED)));
	j_put(o, "sampling_source",
	      json_string(sampling_word(__atomic_load_n(&l->sampling_source,
							__ATOMIC_RELAXED))));
}

json_t *exporter_json(struct http *h, const struct exporter *e, int64_t now_ms)
{
	struct rate now = rate_of(&e->ledger, clock_mono_ms());
	struct rate d = rates_since(&h->now, e->id, &now);
	json_t *o = json_object();
	const char *state;
	char addr[ADDR_TEXT];
	json_t *hints = hints_json(h, e, now_ms, &state);

	j_put(o, "name", j_text(e->name));
	j_put(o, "address", json_string(addr_text(&e->addr, addr)));
	j_put(o, "port", e->port ? json_integer(e->port) : json_null());
	j_put(o, "known", json_boolean(e->known));
	j_put(o, "state", json_string(state));
	j_put(o, "last_seen", j_time((int64_t)ledger_get(&e->ledger.last_seen_ms)));
	j_put(o, "flows_per_s",
	      d.at_ms ? j_real((double)d.flows * 1000 / (double)d.at_ms) : json_null());
	j_put(o, "bits_per_s",
	      d.at_ms ? j_real((double)d.bytes * 8000 / (double)d.at_ms) : json_null());
	put_counts(o, &e->ledger);
	put_state(o, &e->ledger);
	j_put(o, "hints", hints);
	return o;
}

json_t *exporters_json(struct http *h, int64_t now_ms)
{
	uint32_t n = names_exporters(h->src.names);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n && json_array_size(list) < EXPORTERS_SHOWN; i++) {
		const struct exporter *e = names_exporter_at(h->src.names, i);

		if (e)
			json_array_append_new(list, exporter_json(h, e, now_ms));
	}
	return list;
}

void api_exporters(struct http *h, const struct request *rq, struct answer *out)
{
	json_t *o = json_object();

	(void)rq;
	j_put(o, "total", json_integer(names_exporters(h->src.names)));
	j_put(o, "exporters", exporters_json(h, clock_wall_ms()));
	answer_json(out, o);
}
