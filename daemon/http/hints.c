/* hints.c - what is wrong with an exporter, and what to do about it.
 * SPDX-License-Identifier: ISC
 *
 * Judged by what happened in the last five to ten minutes, so that a mended
 * fault stops being shown. Each hint says what is seen, why we think so and what to do
 * (D14). A "problem" means that figures may be wrong; a "note" is worth knowing.
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SILENT_MS = 300000, SKEW_MS = 2000, LATE_MS = 150000 };

static void hint(json_t *list, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void hint(json_t *list, const char *level, const char *fmt, ...)
{
	char text[512];
	json_t *o = json_object();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	j_put(o, "level", json_string(level));
	j_put(o, "text", j_text(text));
	json_array_append_new(list, o);
}

/* "1 set was", "5 sets were". */
static const char *so_many(uint64_t n, const char *one, char out[48])
{
	snprintf(out, 48, "%" PRIu64 " %s%s", n, one, n == 1 ? " was" : "s were");
	return out;
}

static void refused(json_t *list, const struct rate *d, const char *over)
{
	static const char *const why[SHED_REASONS] = {
		[SHED_ONLY_KNOWN] = "with only_known = true it needs an exporter section",
		[SHED_EXPORTERS] = "there is no place for more exporters: find out who "
				   "sends, or set only_known = true",
		[SHED_QUOTA] = "they name more source ids (observation domains) than one "
			       "exporter may have: does somebody send in its name?",
	};
	char n[48];

	for (int i = 0; i < SHED_REASONS; i++)
		if (d->shed[i])
			hint(list, "problem", "%s refused in the last %s: %s",
			     so_many(d->shed[i], "datagram", n), over, why[i]);
}

static void losses(json_t *list, const struct rate *d)
{
	static const char *const unit[LOST_UNITS] = {
		[LOST_FLOWS] = "flow", [LOST_RECORDS] = "record",
		[LOST_DATAGRAMS] = "datagram",
	};
	char over[UNIT_TEXT], n[48];

	text_duration(d->at_ms, over);
	for (int i = 0; i < LOST_UNITS; i++)
		if (d->lost[i])
			hint(list, "problem", "Its sequence numbers say that %s lost in the "
			     "last %s, on the way or in the exporter: compare the drops of our "
			     "sockets, then the exporter's own and the link between.",
			     so_many(d->lost[i], unit[i], n), over);
	if (d->malformed)
		hint(list, "problem", "%" PRIu64 " of its datagrams could not be read in the last "
		     "%s: is something else sending to this port? The reasons are counted in "
		     "malformed.", d->malformed, over);
	refused(list, d, over);
	if (d->no_template)
		hint(list, "problem", "%s thrown away in the last %s, since no template for it "
		     "came: let the exporter send its templates every 30 seconds (template "
		     "data timeout, template-refresh-rate).",
		     so_many(d->no_template, "set", n), over);
	if (d->bad_sets)
		hint(list, "problem", "%s not what its length or its template says in the last "
		     "%s, and left out: newer software on the exporter may mend that; "
		     "`culprit replay` of a capture shows which.",
		     so_many(d->bad_sets, "set", n), over);
}

static void waiting(json_t *list, const struct ledger *l)
{
	uint64_t held = ledger_get(&l->sets[SET_HELD]);

	if (held)
		hint(list, "note", "%" PRIu64 " %s: exporters send templates every few minutes, "
		     "so flows show soon after.", held,
		     held == 1 ? "set waits for its template"
			       : "sets wait for their template");
}

static void clock_of(json_t *list, const struct ledger *l)
{
	int64_t skew = __atomic_load_n(&l->skew_ms, __ATOMIC_RELAXED);
	int64_t late = __atomic_load_n(&l->lateness_ms, __ATOMIC_RELAXED);
	char t[UNIT_TEXT];

	if (skew > SKEW_MS || skew < -SKEW_MS)
		hint(list, "note", "Its clock is %s %s ours; flows are corrected by that. Set up "
		     "NTP on it (and look at ours).", text_duration(llabs(skew), t),
		     skew > 0 ? "ahead of" : "behind");
	if (late > LATE_MS)
		hint(list, "note", "Some of its flows arrive up to %s after they began, so an "
		     "alert may come that late: set its active timeout to 60 seconds.",
		     text_duration(late, t));
}

static void sampling(json_t *list, const struct ledger *l)
{
	uint64_t sflow = ledger_get(&l->flows[VIA_SFLOW2]) + ledger_get(&l->flows[VIA_SFLOW4]) +
			 ledger_get(&l->flows[VIA_SFLOW5]);

	if (!__atomic_load_n(&l->sampling, __ATOMIC_RELAXED) && !sflow &&
	    ledger_get(&l->datagrams[VIA_NETFLOW9]) + ledger_get(&l->datagrams[VIA_IPFIX]))
		hint(list, "note", "It tells no sampling rate, so each packet counts as one. If it "
		     "samples one in N, write sampling = N into its exporter section.");
}

static void agent(json_t *list, const struct http *h, uint32_t exporter)
{
	struct err why = { "" };

	if (h->src.snmp && !h->src.snmp(h->src.arg, exporter, &why))
		hint(list, "note", "Its interfaces cannot be named by SNMP: %s.", why.msg);
}

json_t *hints_json(struct http *h, const struct exporter *e, int64_t now_ms,
		   const char **state)
{
	const struct ledger *l = &e->ledger;
	struct rate now = rate_of(l, clock_mono_ms());
	struct rate d = rates_since(&h->lately, e->id, &now);
	int64_t seen = (int64_t)ledger_get(&l->last_seen_ms);
	json_t *list = json_array();
	char t[UNIT_TEXT];

	*state = "ok";
	if (!seen) {
		*state = "never seen";
		hint(list, "problem", "Nothing has come from it yet: is it told to send to this "
		     "machine, from the address that its section names, and does a firewall let "
		     "UDP through?");
		return list;
	}
	losses(list, &d);
	if (json_array_size(list))
		*state = "lossy";
	waiting(list, l);
	if (!now.flows && json_array_size(list))
		*state = "waiting";
	clock_of(list, l);
	sampling(list, l);
	agent(list, h, e->id);
	if (now_ms - seen > SILENT_MS) {
		*state = "silent";
		hint(list, "problem", "Nothing has come for %s: is it up, does it still export to "
		     "this machine, was a firewall changed?", text_duration(now_ms - seen, t));
	}
	return list;
}
