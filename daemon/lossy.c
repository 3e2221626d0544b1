/* lossy.c - flows that are lost on their way, and the built-in rule "lossy-export".
 * SPDX-License-Identifier: ISC
 *
 * Totals of each exporter's ledger are noted at the begin of each slice: an alert says how
 * much was lost in its window (quality), and the rule asks once a slice whether a share
 * that matters is lost for minutes. One alert at the exporter, with what to do about it,
 * which depends on who lost them: the kernel here, or somebody on the way.
 *
 * What the kernel drops shows as gaps in the exporter's own sequence too, so it is not
 * added to the share; it only tells where to look. An exporter that begins to sample more
 * coarsely loses nothing: its figures are scaled. The sentence mentions it.
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "detectors/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seen_flows(const struct ledger *l)
{
	uint64_t flows = 0;

	for (int v = 0; v < VIA_COUNT; v++)
		flows += ledger_get(&l->flows[v]);
	return flows;
}

uint64_t lossy_flows(const struct ledger *l)
{
	uint64_t datagrams = 0, flows = seen_flows(l), lost;

	for (int v = 0; v < VIA_COUNT; v++)
		datagrams += ledger_get(&l->datagrams[v]);
	lost = ledger_get(&l->lost[LOST_FLOWS]) + ledger_get(&l->lost[LOST_RECORDS]);
	/* Lost datagrams (v9, sFlow) held as many flows as others do. */
	return lost + (datagrams ? ledger_get(&l->lost[LOST_DATAGRAMS]) * flows / datagrams : 0);
}

static const struct ledger *ledger_of(const struct analysis *a, uint32_t id)
{
	return &names_exporter_at(a->opts.names, id)->ledger;
}

static struct loss_mark mark(const struct ledger *l)
{
	return (struct loss_mark){ .lost = lossy_flows(l), .seen = seen_flows(l),
				   .sampling = __atomic_load_n(&l->sampling,
							       __ATOMIC_RELAXED) };
}

/* Slice in the rings; what is older than the ring or the daemon is its oldest. */
static size_t at(int64_t slice)
{
	return (uint64_t)slice % LOSS_SLICES;
}

void lossy_note(struct analysis *a, int64_t slice)
{
	uint32_t n = names_exporters(a->opts.names);

	if (n > a->n_loss) {
		a->loss = xrealloc(a->loss, n, sizeof(*a->loss));
		memset(a->loss + a->n_loss, 0, (n - a->n_loss) * sizeof(*a->loss));
		a->n_loss = n;
	}
	for (uint32_t i = 0; i < n; i++)
		a->loss[i].at[at(slice)] = mark(ledger_of(a, i));
	a->dropped[at(slice)] = a->opts.dropped ? a->opts.dropped(a->opts.arg) : 0;
}

/* --- quality of an alert --- */

static void add_loss(const struct analysis *a, uint32_t id, int64_t slice, struct alert *al)
{
	struct loss_mark now = mark(ledger_of(a, id));
	uint64_t before = id < a->n_loss ? a->loss[id].at[at(slice)].lost : 0;

	/* Lost datagrams are worth what datagrams hold on average, which moves. */
	if (now.lost > before)
		al->lost_flows += now.lost - before;
	if (now.sampling > al->sampling)
		al->sampling = now.sampling;
}

void lossy_quality(const struct analysis *a, struct alert *al)
{
	int64_t from = slice_of(al->window_start_ms), newest = window_newest(a->window);
	uint32_t id;

	if (newest - from >= LOSS_SLICES)
		from = newest - LOSS_SLICES + 1;
	if (from < slice_of(a->started_ms))
		from = slice_of(a->started_ms);
	if (al->by == BY_EXPORTER || al->by == BY_INTERFACE) {
		memcpy(&id, al->key.b, sizeof(id));
		add_loss(a, id, from, al);
	} else {
		for (id = 0; id < names_exporters(a->opts.names); id++)
			add_loss(a, id, from, al);
	}
	if (a->opts.dropped)
		al->dropped_datagrams = a->opts.dropped(a->opts.arg) - a->dropped[at(from)];
}

/* --- the rule --- */

static char *what_to_do(const struct analysis *a, uint32_t id, int64_t from)
{
	uint64_t dropped = a->opts.dropped ? a->opts.dropped(a->opts.arg) : 0;
	uint32_t was = a->loss[id].at[at(from)].sampling, now = mark(ledger_of(a, id)).sampling;
	char *sampling = was && now > was
		? xasprintf(" It also samples more coarsely now, 1 in %" PRIu32
			    " instead of 1 in %" PRIu32 ".", now, was)
		: xstrdup("");
	char *fix = dropped > a->dropped[at(from)]
		? xasprintf("The kernel of this machine dropped %" PRIu64 " datagrams meanwhile: "
			    "raise receive_buffer (and net.core.rmem_max), set workers to the "
			    "number of cores, or give the machine more of them.%s",
			    dropped - a->dropped[at(from)], sampling)
		: xasprintf("This machine dropped none, so they were lost before it: look at the "
			    "exporter's own export queue and CPU, at a rate limit for UDP and at "
			    "the links between; two exporters that share an address need a port "
			    "each.%s", sampling);

	free(sampling);
	return fix;
}

static void parts_of(const struct analysis *a, uint32_t id, int64_t newest, int64_t slices,
		     struct loss_part part[LOSS_PARTS])
{
	struct loss_mark to = mark(ledger_of(a, id));

	for (int i = LOSS_PARTS - 1; i >= 0; i--) {
		int64_t first = newest - slices * (LOSS_PARTS - i) / LOSS_PARTS;
		struct loss_mark from = a->loss[id].at[at(first)];

		part[i].lost = to.lost > from.lost ? to.lost - from.lost : 0;
		part[i].seen = to.seen > from.seen ? to.seen - from.seen : 0;
		to = from;
	}
}

/* In flows a second that were lost, and may be. */
static void take_share(struct alert *al, const struct loss_conf *c,
		       const struct loss_part part[LOSS_PARTS])
{
	double lost = 0, sent = 0;

	for (int i = 0; i < LOSS_PARTS; i++) {
		lost += (double)part[i].lost;
		sent += (double)part[i].lost + (double)part[i].seen;
	}
	al->value = lost / c->over_s;
	if (al->value > al->peak)
		al->peak = al->value;
	al->threshold = sent * c->share / c->over_s;
	al->clear = al->threshold / 2;
}

static void begin(struct analysis *a, const struct rule *r, uint32_t id, double share,
		  const struct loss_part part[LOSS_PARTS], int64_t from, int64_t now_ms)
{
	struct alert *al = watch_alert(a, r, id, from * SLICE_MS, now_ms);
	char *fix = what_to_do(a, id, from), d[UNIT_TEXT];

	take_share(al, r->conf, part);
	al->why = xasprintf("%.1f %% of the flows of exporter %s were lost within %s, so what "
			    "it reports is too low and small things are missed. %s", share * 100,
			    al->series, text_duration(now_ms - from * SLICE_MS, d), fix);
	free(fix);
	watch_begin(a, &a->loss[id].alert, al);
}

static void look(struct analysis *a, const struct rule *r, uint32_t id, int64_t newest,
		 int64_t now_ms)
{
	const struct loss_conf *c = r->conf;
	int64_t slices = (int64_t)(c->over_s * 1000) / SLICE_MS;
	struct loss *l = &a->loss[id];
	struct loss_part part[LOSS_PARTS];
	double share;
	bool lossy;

	if (newest - slices < slice_of(a->started_ms))
		return; /* not yet watched for so long */
	parts_of(a, id, newest, slices, part);
	lossy = loss_judge(c, part, l->alert, &share);
	if (lossy && !l->alert)
		begin(a, r, id, share, part, newest - slices, now_ms);
	else if (!lossy && l->alert)
		watch_end(a, &l->alert,
			  xasprintf("Exporter %s loses hardly any flows again: %.1f %%.",
				    l->alert->series, share * 100),
			  now_ms);
	else if (l->alert)
		take_share(l->alert, c, part);
}

void lossy_tick(struct analysis *a, int64_t now_ms)
{
	const struct rule *r = watch_rule(a, &pattern_loss);
	int64_t newest = window_newest(a->window);

	for (uint32_t id = 0; id < a->n_loss; id++) {
		struct alert **had = &a->loss[id].alert;

		if (*had && (!r || strcmp(r->name, (*had)->rule)))
			watch_end(a, had, watch_gone(*had), now_ms);
		if (r)
			look(a, r, id, newest, now_ms);
	}
}

void lossy_free(struct analysis *a)
{
	for (uint32_t i = 0; i < a->n_loss; i++)
		alert_unref(&a->loss[i].alert);
	free(a->loss);
	a->loss = NULL;
	a->n_loss = 0;
}
