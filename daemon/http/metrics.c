/* metrics.c - /metrics: names are DESIGN's contract and never change.
 * SPDX-License-Identifier: ISC
 *
 * Exporters, interfaces, rules and channels are labels, since the configuration
 * bounds them; hosts never are. Of exporters the first METRICS_EXPORTERS that were
 * seen have rows of their own, all others together are "other".
 *
 * culprit_sets_total is one family with four outcomes that add up to the sets in
 * accepted datagrams at any moment. To add up, "held" must be how many wait now: the
 * one row of a counter family that goes down (which rate() takes for a restart).
 */
#include "daemon/http/metrics.h"

#include "daemon/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void build(struct prom *p, struct http *h)
{
	prom_family(p, "culprit_build_info", "gauge", "What this program is; always 1.");
	prom_row(p, 1, LABELS("version", h->src.version, "compiler", __VERSION__));
	prom_family(p, "culprit_http_requests_total", "counter", "Requests that were read.");
	prom_count(p, __atomic_load_n(&h->requests, __ATOMIC_RELAXED), NO_LABELS);
	prom_family(p, "culprit_http_refused_total", "counter",
		    "Requests that were refused: host, token, address, method, parameters.");
	prom_count(p, __atomic_load_n(&h->refused, __ATOMIC_RELAXED), NO_LABELS);
}

/* ---- rules and alerts ---- */

static void values(struct prom *p, const struct sheet *s, bool threshold)
{
	for (size_t i = 0; i < s->n_series; i++) {
		const struct board_series *b = &s->series[i];
		double v = threshold ? b->threshold : b->value;

		if (by_is_small(b->by) && !isnan(v))
			prom_row(p, v, LABELS("rule", b->rule, "series", b->series_id));
	}
}

/* What was asked for and what came, in alerts a week and series. */
static void budgets(struct prom *p, const struct sheet *s)
{
	prom_family(p, "culprit_rule_budget_per_week", "gauge",
		    "Alerts a week and series that the rule's detector may raise by chance.");
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].budget > 0)
			prom_row(p, s->rules[i].budget_each, LABELS("rule", s->rules[i].name));
	prom_family(p, "culprit_rule_realised_per_week", "gauge",
		    "Alerts a week and series that it raised, over the last month or so.");
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].budget > 0 && s->rules[i].series_weeks > 0)
			prom_row(p, s->rules[i].alerts / s->rules[i].series_weeks,
				 LABELS("rule", s->rules[i].name));
}

static void interfaces(struct prom *p, const struct sheet *s)
{
	prom_family(p, "culprit_interface_bytes_total", "counter",
		    "Octets through an interface, after sampling, each counted once.");
	for (size_t i = 0; i < s->n_interfaces; i++) {
		const struct board_interface *f = &s->interfaces[i];

		prom_count(p, f->bytes, LABELS("exporter", f->exporter, "interface", f->name,
					       "direction", f->out ? "out" : "in"));
	}
}

struct fired {
	struct prom *p;
	bool firing;
};

static void fired(void *arg, const char *rule, enum severity s, uint64_t total,
		  uint64_t firing)
{
	struct fired *f = arg;

	prom_count(f->p, f->firing ? firing : total,
		   LABELS("rule", rule, "severity", severity_word[s]));
}

static void alerts(struct prom *p, struct http *h, const struct sheet *s, bool firing)
{
	struct fired f = { p, firing };

	board_fired(h->src.board, fired, &f);
	for (size_t i = 0; s && i < s->n_rules; i++) /* those that never fired: zero */
		prom_count(p, 0, LABELS("rule", s->rules[i].name, "severity",
					severity_word[s->rules[i].severity]));
}

static void delays(struct prom *p, struct http *h)
{
	uint64_t n[DELAY_BUCKETS];
	double sum;
	char le[32];

	board_delays(h->src.board, n, &sum);
	prom_family(p, "culprit_detection_delay_seconds", "histogram",
		    "From the datagram that crossed a limit to the verdict.");
	prom_suffix(p, "_bucket");
	for (int i = 0; i < DELAY_BUCKETS; i++) {
		snprintf(le, sizeof(le), "%g", board_delay_bounds[i]);
		prom_count(p, n[i], LABELS("le", isinf(board_delay_bounds[i]) ? "+Inf" : le));
	}
	prom_suffix(p, "_sum");
	prom_row(p, sum, NO_LABELS);
	prom_suffix(p, "_count");
	prom_count(p, n[DELAY_BUCKETS - 1], NO_LABELS);
}

static void rules(struct prom *p, struct http *h, const struct sheet *s)
{
	prom_family(p, "culprit_rule_value", "gauge",
		    "What a rule sees now, in its measure's unit (rules by none, exporter, "
		    "interface or network).");
	if (s)
		values(p, s, false);
	prom_family(p, "culprit_rule_threshold", "gauge",
		    "The limit that holds for it now, given or learnt.");
	if (s)
		values(p, s, true);
	prom_family(p, "culprit_alerts_firing", "gauge", "Alerts that last now.");
	alerts(p, h, s, true);
	prom_family(p, "culprit_alerts_total", "counter", "Alerts raised since start.");
	alerts(p, h, s, false);
	delays(p, h);
}

/* ---- what goes out ---- */

enum channel_family { CHANNEL_DONE, CHANNEL_QUEUE, CHANNEL_DEAD };

struct channels {
	struct prom *p;
	enum channel_family what;
};

static void channel(void *arg, const struct http_channel *c)
{
	struct channels *t = arg;

	if (t->what == CHANNEL_QUEUE)
		prom_count(t->p, c->queued, LABELS("channel", c->name));
	else if (t->what == CHANNEL_DEAD)
		prom_count(t->p, c->dead_now, LABELS("channel", c->name));
	else {
		prom_count(t->p, c->sent, LABELS("channel", c->name, "result", "sent"));
		prom_count(t->p, c->failed, LABELS("channel", c->name, "result", "failed"));
		prom_count(t->p, c->dead, LABELS("channel", c->name, "result", "given_up"));
	}
}

static void channels(struct prom *p, struct http *h)
{
	static const char *const family[][3] = {
		{ "culprit_notifications_total", "counter",
		  "Attempts to notify: sent, failed (tried again), given_up." },
		{ "culprit_notification_queue", "gauge", "Notifications that wait." },
		{ "culprit_notifications_dead", "gauge",
		  "Notifications given up and kept to be looked at." },
	};

	for (int i = 0; i < 3; i++) {
		struct channels t = { p, (enum channel_family)i };

		prom_family(p, family[i][0], family[i][1], family[i][2]);
		if (h->src.channels)
			h->src.channels(h->src.arg, channel, &t);
	}
}

/* ---- the sheet's own figures ---- */

static void one(struct prom *p, const char *name, const char *type, const char *help,
		uint64_t v)
{
	prom_family(p, name, type, help);
	prom_count(p, v, NO_LABELS);
}

static void stores(struct prom *p, const struct sheet *s)
{
	one(p, "culprit_history_up", "gauge", "1 while the history can be written.",
	    s->history_up);
	one(p, "culprit_history_spool_bins", "gauge",
	    "Bins that wait on disk for the history store.", s->spool_bins);
	one(p, "culprit_history_dropped_bins_total", "counter",
	    "Bins given up since the spool was full.", s->spool_dropped);
	one(p, "culprit_archive_bytes", "gauge", "Octets of archived flows on disk.",
	    s->archive_octets);
	one(p, "culprit_archive_files", "gauge", "Five-minute files on disk.",
	    s->archive_files);
	one(p, "culprit_archive_flows_total", "counter", "Flows written to the archive.",
	    s->archive_flows);
	one(p, "culprit_archive_dropped_flows_total", "counter",
	    "Flows that were counted but not archived: disk full or too slow.",
	    s->archive_dropped);
	one(p, "culprit_archive_paused", "gauge", "1 while the archive cannot be written.",
	    s->archive_paused);
}

static void sheet(struct prom *p, const struct sheet *s)
{
	stores(p, s);
	one(p, "culprit_window_flows_total", "counter", "Flows that were analysed.", s->flows);
	one(p, "culprit_window_late_flows_total", "counter",
	    "Flows with a share older than `late`, which went to a historic bin.",
	    s->late_flows);
	one(p, "culprit_window_cut_shares_total", "counter",
	    "Shares of flows of many hours that history left out (the archive has them).",
	    s->cut_shares);
	one(p, "culprit_window_thinned_keys_total", "counter",
	    "Keys that left an exact table since it was full.", s->thinned_keys);
	prom_family(p, "culprit_memory_bytes", "gauge", "Memory that tables hold.");
	for (size_t i = 0; i < s->n_tables; i++)
		prom_count(p, s->tables[i].octets, LABELS("table", s->tables[i].name));
	prom_family(p, "culprit_sheet_timestamp_seconds", "gauge",
		    "When the analysis last turned.");
	prom_row(p, (double)s->at_ms / 1000, NO_LABELS);
}

void metrics_answer(struct http *h, const struct request *rq, struct answer *out)
{
	const struct sheet *s = board_take(h->src.board);
	struct prom p;

	(void)rq;
	prom_init(&p, &out->body);
	build(&p, h);
	metrics_exporters(&p, h);
	metrics_sockets(&p, h);
	rules(&p, h, s);
	channels(&p, h);
	if (s) {
		budgets(&p, s);
		interfaces(&p, s);
		sheet(&p, s);
	}
	metrics_process(&p);
	prom_fini(&p);
	board_give(h->src.board, &s);
	out->type = "text/plain; version=0.0.4; charset=utf-8";
}
