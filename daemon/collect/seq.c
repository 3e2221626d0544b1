/* seq.c - what the sequence numbers say was lost.
 * SPDX-License-Identifier: ISC
 *
 * Networks reorder, exporters restart, and a number can be any 32 bits. So a
 * jump ahead opens a gap, which is counted only when it has stayed open for a
 * second; a datagram that was overtaken fills it. A number that fits neither the
 * next place nor a gap changes nothing by itself: only when the datagram after
 * it goes on from there is it a restart. One mad header therefore costs nothing,
 * and a restart costs the losses between two datagrams.
 */
#include "daemon/collect/exporter.h"

static void lose(struct ledger *ledger, enum lost_unit unit, uint32_t n)
{
	ledger_add(&ledger->lost[unit], n);
}

static void drop_gap(struct seq *s, unsigned i)
{
	s->gap[i] = s->gap[--s->n_gaps];
}

void seq_settle(struct seq *s, int64_t now_ms, struct ledger *ledger, enum lost_unit unit)
{
	for (unsigned i = 0; i < s->n_gaps;) {
		struct seq_gap *g = &s->gap[i];

		if (now_ms - g->at_ms < SEQ_SETTLE_MS && now_ms >= g->at_ms) {
			i++;
			continue;
		}
		lose(ledger, unit, g->to - g->from);
		drop_gap(s, i);
	}
}

static void open_gap(struct seq *s, uint32_t from, uint32_t to, int64_t now_ms,
		     struct ledger *ledger, enum lost_unit unit)
{
	unsigned oldest = 0;

	if (s->n_gaps == SEQ_GAPS) {
		for (unsigned i = 1; i < s->n_gaps; i++)
			if (s->gap[i].at_ms < s->gap[oldest].at_ms)
				oldest = i;
		lose(ledger, unit, s->gap[oldest].to - s->gap[oldest].from);
		drop_gap(s, oldest);
	}
	s->gap[s->n_gaps++] = (struct seq_gap){ from, to, now_ms };
}

/* A late datagram [number, number + units): takes it out of the gap it lies in. */
static bool fill(struct seq *s, uint32_t number, uint32_t units, struct ledger *ledger,
		 enum lost_unit unit)
{
	for (unsigned i = 0; i < s->n_gaps; i++) {
		struct seq_gap *g = &s->gap[i];
		uint32_t into = number - g->from, size = g->to - g->from, end = g->to;
		int64_t at_ms = g->at_ms;

		if (into >= size)
			continue;
		if (units > size - into)
			units = size - into;
		g->to = number;
		if (!into)
			drop_gap(s, i);
		if (into + units < size)
			open_gap(s, number + units, end, at_ms, ledger, unit);
		return true;
	}
	return false;
}

enum seq_verdict seq_take(struct seq *s, uint32_t number, uint32_t units,
			  uint32_t max_gap, int64_t now_ms, struct ledger *ledger,
			  enum lost_unit unit)
{
	uint32_t ahead = number - s->next;

	if (s->n_gaps)
		seq_settle(s, now_ms, ledger, unit);
	if (!s->known) {
		s->known = true;
		s->rival_known = false;
		s->next = number + units;
		return SEQ_FIRST;
	}
	if (!ahead) {
		s->next += units;
		s->rival_known = false;
		return SEQ_NEXT;
	}
	if (ahead <= max_gap) {
		open_gap(s, s->next, number, now_ms, ledger, unit);
		s->next = number + units;
		s->rival_known = false;
		return SEQ_GAP;
	}
	if (s->n_gaps && fill(s, number, units, ledger, unit))
		return SEQ_LATE;
	if (s->rival_known && number - s->rival <= max_gap / 16) {
		if (number != s->rival)
			open_gap(s, s->rival, number, now_ms, ledger, unit);
		s->next = number + units;
		s->rival_known = false;
		ledger_add(&ledger->restarts, 1);
		return SEQ_RESTART;
	}
	s->rival = number + units;
	s->rival_known = units != 0 || number != s->next;
	return SEQ_OTHER;
}

void seq_forget(struct seq *s)
{
	s->known = false;
	s->rival_known = false;
}
