/* metrics_exporters.c - the ledgers on /metrics.
 * SPDX-License-Identifier: ISC
 *
 * Ledgers are copied once for a page, so that its rows belong together: each
 * exporter's identities (D3) hold on the page as closely as its worker's
 * stores can be read.
 */
#include "daemon/http/metrics.h"

#include "daemon/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of exporters that are not known (only_known), or one too many. */
#define REFUSED "refused"

struct row {
	char name[NAME_LEN + 16];
	bool other;
	struct ledger l;
};

struct page {
	struct row row[METRICS_EXPORTERS + 2];
	unsigned n;
};

static void copy(struct ledger *to, const struct ledger *from)
{
	for (int i = 0; i < VIA_COUNT; i++) {
		to->datagrams[i] += ledger_get(&from->datagrams[i]);
		to->flows[i] += ledger_get(&from->flows[i]);
	}
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		to->malformed[i] += ledger_get(&from->malformed[i]);
	for (int i = 0; i < SHED_REASONS; i++)
		to->shed[i] += ledger_get(&from->shed[i]);
	for (int i = 0; i < SET_OUTCOMES; i++)
		to->sets[i] += ledger_get(&from->sets[i]);
	for (int i = 0; i < LOST_UNITS; i++)
		to->lost[i] += ledger_get(&from->lost[i]);
	to->accepted += ledger_get(&from->accepted);
	to->sets_seen += ledger_get(&from->sets_seen);
	to->bytes += ledger_get(&from->bytes);
	to->packets += ledger_get(&from->packets);
	to->restarts += ledger_get(&from->restarts);
	to->times_clamped += ledger_get(&from->times_clamped);
	to->values_clamped += ledger_get(&from->values_clamped);
	to->templates += ledger_get(&from->templates);
	to->last_seen_ms = ledger_get(&from->last_seen_ms);
	to->skew_ms = __atomic_load_n(&from->skew_ms, __ATOMIC_RELAXED);
	to->lateness_ms = __atomic_load_n(&from->lateness_ms, __ATOMIC_RELAXED);
	to->sampling = __atomic_load_n(&from->sampling, __ATOMIC_RELAXED);
	to->sampling_source = __atomic_load_n(&from->sampling_source, __ATOMIC_RELAXED);
	to->sampling_changes += ledger_get(&from->sampling_changes);
	to->sampling_changed_ms = ledger_get(&from->sampling_changed_ms);
	to->options += ledger_get(&from->options);
}

static void add_ledger(void *to, const struct ledger *from)
{
	copy(to, from);
}

/* Two exporters on one address, or one named like another's address. */
static bool taken(const struct page *g, const char *name)
{
	for (unsigned i = 0; i < g->n; i++)
		if (!strcmp(g->row[i].name, name))
			return true;
	return !strcmp(name, "other") || !strcmp(name, REFUSED);
}

static void fill(struct page *g, const struct names *names)
{
	uint32_t n = names_exporters(names);

	for (uint32_t i = 0; i < n; i++) {
		const struct exporter *e = names_exporter_at(names, i);
		struct row *r;

		if (!e)
			continue;
		if (g->n >= METRICS_EXPORTERS) {
			r = &g->row[METRICS_EXPORTERS];
			g->n = METRICS_EXPORTERS + 1;
			strcpy(r->name, "other");
			r->other = true;
			copy(&r->l, &e->ledger);
			continue;
		}
		r = &g->row[g->n];
		snprintf(r->name, sizeof(r->name), "%s", e->name);
		if (taken(g, r->name))
			snprintf(r->name, sizeof(r->name), "%s (%u)", e->name,
				 e->port ? e->port : e->id);
		copy(&r->l, &e->ledger);
		g->n++;
	}
}

/* Datagrams of senders that got no place in names.h. */
static void refused(struct page *g, struct http *h)
{
	struct row *r = &g->row[g->n];
	uint64_t n = 0;

	if (!h->src.strays)
		return;
	strcpy(r->name, REFUSED);
	r->other = true;
	h->src.strays(h->src.arg, add_ledger, &r->l);
	for (int i = 0; i < VIA_COUNT; i++)
		n += r->l.datagrams[i];
	g->n += n != 0;
}

/* A family with a second label: its values are count numbers at `offset` of the ledger. */
static void table(struct prom *p, const struct page *g, const char *name, const char *help,
		  const char *label, const char *const *words, size_t offset, int count)
{
	prom_family(p, name, "counter", help);
	for (unsigned i = 0; i < g->n; i++)
		for (int k = 0; k < count; k++) {
			const uint64_t *v = (const uint64_t *)((const char *)&g->row[i].l +
							       offset) + k;

			/* Protocols that it does not speak would be noise. */
			if (*v || words != via_label)
				prom_count(p, *v, LABELS("exporter", g->row[i].name, label,
							 words[k]));
		}
}

static void single(struct prom *p, const struct page *g, const char *name, const char *type,
		   const char *help, size_t offset)
{
	prom_family(p, name, type, help);
	for (unsigned i = 0; i < g->n; i++)
		prom_count(p, *(const uint64_t *)((const char *)&g->row[i].l + offset),
			   LABELS("exporter", g->row[i].name));
}

static void clocks(struct prom *p, const struct page *g)
{
	prom_family(p, "culprit_exporter_clock_skew_seconds", "gauge",
		    "Its clock minus ours; corrected above two seconds.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other)
			prom_row(p, (double)g->row[i].l.skew_ms / 1000,
				 LABELS("exporter", g->row[i].name));
	prom_family(p, "culprit_exporter_lateness_seconds", "gauge",
		    "How late its flows arrive: receive time minus first packet, 99.9th "
		    "percentile.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other)
			prom_row(p, (double)g->row[i].l.lateness_ms / 1000,
				 LABELS("exporter", g->row[i].name));
	prom_family(p, "culprit_exporter_last_seen_timestamp_seconds", "gauge",
		    "When its last datagram arrived.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other && g->row[i].l.last_seen_ms)
			prom_row(p, (double)g->row[i].l.last_seen_ms / 1000,
				 LABELS("exporter", g->row[i].name));
	prom_family(p, "culprit_exporter_sampling_ratio", "gauge",
		    "One packet in so many is seen; 0: not told.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other)
			prom_count(p, g->row[i].l.sampling, LABELS("exporter", g->row[i].name));
}

static void samplings(struct prom *p, const struct page *g)
{
	static const char *const word[] = { "none", "configuration", "field", "sampler",
					    "options", "header" };

	prom_family(p, "culprit_sampling_source", "gauge",
		    "Who told the rate that was last applied; always 1.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other && g->row[i].l.sampling_source < ARRAY_LEN(word))
			prom_count(p, 1, LABELS("exporter", g->row[i].name, "source",
						word[g->row[i].l.sampling_source]));
	prom_family(p, "culprit_sampling_changed_timestamp_seconds", "gauge",
		    "When a sampling rate that was known became another.");
	for (unsigned i = 0; i < g->n; i++)
		if (!g->row[i].other && g->row[i].l.sampling_changed_ms)
			prom_row(p, (double)g->row[i].l.sampling_changed_ms / 1000,
				 LABELS("exporter", g->row[i].name));
}

#define AT(member) offsetof(struct ledger, member)

static void tables(struct prom *p, const struct page *g)
{
	table(p, g, "culprit_datagrams_received_total",
	      "Datagrams received: accepted, malformed and shed together.", "protocol",
	      via_label, AT(datagrams), VIA_COUNT);
	table(p, g, "culprit_flows_total", "Flows decoded.", "protocol", via_label, AT(flows),
	      VIA_COUNT);
	table(p, g, "culprit_malformed_datagrams_total", "Datagrams that were refused.",
	      "reason", bad_reason_label, AT(malformed), BAD_COUNT_OF_REASONS);
	table(p, g, "culprit_shed_datagrams_total",
	      "Datagrams well-formed but refused on purpose.", "reason", shed_reason_label,
	      AT(shed), SHED_REASONS);
	table(p, g, "culprit_sets_total",
	      "Sets (samples of sFlow) in accepted datagrams; held is how many wait for their "
	      "template now.", "outcome", set_outcome_label, AT(sets), SET_OUTCOMES);
	table(p, g, "culprit_sequence_lost_total", "What sequence numbers say got lost on the way.",
	      "unit", lost_unit_label, AT(lost), LOST_UNITS);
}

void metrics_exporters(struct prom *p, struct http *h)
{
	struct page *g = xcalloc(1, sizeof(*g));

	fill(g, h->src.names);
	refused(g, h);
	tables(p, g);
	single(p, g, "culprit_accepted_datagrams_total", "counter",
	       "Datagrams that were neither malformed nor shed.", AT(accepted));
	single(p, g, "culprit_sets_seen_total", "counter",
	       "Sets in accepted datagrams, whatever became of them.", AT(sets_seen));
	single(p, g, "culprit_bytes_total", "counter",
	       "Layer 3 octets of the flows, after sampling.", AT(bytes));
	single(p, g, "culprit_packets_total", "counter", "Packets of the flows, after sampling.",
	       AT(packets));
	single(p, g, "culprit_exporter_restarts_total", "counter",
	       "Resets of sequence or uptime that were recognised.", AT(restarts));
	single(p, g, "culprit_clamped_times_total", "counter",
	       "Flows whose time was impossible and was corrected.", AT(times_clamped));
	single(p, g, "culprit_clamped_values_total", "counter",
	       "Flows whose counters were absurd and were cut.", AT(values_clamped));
	single(p, g, "culprit_templates", "gauge", "Templates known now.", AT(templates));
	single(p, g, "culprit_options_records_total", "counter",
	       "Records of options data (v9, IPFIX).", AT(options));
	single(p, g, "culprit_sampling_changes_total", "counter",
	       "Times that a known sampling rate became another.", AT(sampling_changes));
	clocks(p, g);
	samplings(p, g);
	free(g);
}

struct sockets {
	struct prom *p;
	int what;
};

static void socket_row(void *arg, const struct http_socket *s)
{
	struct sockets *t = arg;
	uint64_t v[] = { s->datagrams, s->dropped, s->rcvbuf };

	prom_count(t->p, v[t->what], LABELS("socket", s->name));
}

struct forwards {
	struct prom *p;
	bool dropped;
};

static void forward_row(void *arg, const struct http_forward *f)
{
	struct forwards *t = arg;

	prom_count(t->p, t->dropped ? f->dropped : f->sent, LABELS("target", f->target));
}

static void forwards(struct prom *p, struct http *h)
{
	struct forwards t = { p, false };

	if (!h->src.forwards)
		return;
	prom_family(p, "culprit_forwarded_datagrams_total", "counter",
		    "Datagrams that went on to another collector.");
	h->src.forwards(h->src.arg, forward_row, &t);
	prom_family(p, "culprit_forward_dropped_datagrams_total", "counter",
		    "Datagrams that did not go on, as the kernel would not take them at once.");
	t.dropped = true;
	h->src.forwards(h->src.arg, forward_row, &t);
}

void metrics_sockets(struct prom *p, struct http *h)
{
	static const char *const family[][3] = {
		{ "culprit_socket_datagrams_total", "counter", "Datagrams read from a socket." },
		{ "culprit_kernel_dropped_datagrams_total", "counter",
		  "Datagrams that the kernel dropped since a receive buffer was full." },
		{ "culprit_socket_receive_buffer_bytes", "gauge",
		  "Receive buffer that the kernel granted." },
	};

	for (int i = 0; i < 3; i++) {
		struct sockets t = { p, i };

		prom_family(p, family[i][0], family[i][1], family[i][2]);
		if (h->src.sockets)
			h->src.sockets(h->src.arg, socket_row, &t);
	}
	forwards(p, h);
}
