/* sets.c - what NetFlow v9 and IPFIX share above records: sets.
 * SPDX-License-Identifier: ISC
 *
 * The ledger's second identity (D3): each set of an accepted datagram is counted once,
 * as decoded, malformed, held or without template. What cannot be told apart (a
 * length below its own header, or past the end of the datagram) is one malformed set
 * and ends the datagram. Zeros to the end are no set: several exporters fill their
 * datagrams up.
 */
#include "daemon/collect/sets.h"

#include "daemon/collect/collector.h"
#include "daemon/collect/options.h"
#include "daemon/collect/record.h"

static bool all_zero(const struct rd *r)
{
	for (const uint8_t *p = r->p; p < r->end; p++)
		if (*p)
			return false;
	return true;
}

static enum set_outcome options_set(struct dgram *d, struct tmpl *t, struct rd *set)
{
	bool ipfix = d->via == VIA_IPFIX;

	while (rd_left(set) >= t->plan.size && d->rows + d->records < DGRAM_ROWS_MAX) {
		if (!options_take(d, t, ipfix, set))
			return SET_MALFORMED;
		d->records++;
		d->options++;
		ledger_add(&d->x->exporter->ledger.options, 1);
	}
	return SET_DECODED;
}

/* How many rows there may still be; with a way back each record can make two. */
static uint32_t room(struct dgram *d, const struct plan *p, uint32_t want)
{
	uint32_t each = record_both_ways(p) ? 2 : 1;
	uint32_t left = d->rows < DGRAM_ROWS_MAX ? (DGRAM_ROWS_MAX - d->rows) / each : 0;

	if (want > CHUNK)
		want = CHUNK;
	if (want > left)
		want = left;
	out_room(d, want * each);
	return want;
}

static enum set_outcome fixed_set(struct dgram *d, struct tmpl *t, struct rd *set)
{
	const struct plan *p = &t->plan;
	size_t left = rd_left(set) / p->size;

	if (!left && rd_left(set))
		return all_zero(set) && rd_left(set) < 4 ? SET_DECODED : SET_MALFORMED;
	while (left) {
		uint32_t n = room(d, p, left > CHUNK ? CHUNK : (uint32_t)left);
		struct block *b = d->out->block;
		struct run run = { d, b, d->c->scratch, set->p, b->n };

		if (!n)
			return SET_MALFORMED;
		run.b->n += n;
		d->rows += n;
		plan_run(p, &run, set->p, n);
		record_settle(p, &run, n);
		(void)rd_sub(set, (size_t)n * p->size);
		left -= n;
		d->records += n;
	}
	return rd_left(set) < 4 || all_zero(set) ? SET_DECODED : SET_MALFORMED;
}

static enum set_outcome variable_set(struct dgram *d, struct tmpl *t, struct rd *set)
{
	const struct plan *p = &t->plan;

	if (rd_left(set) < p->size && rd_left(set) && !all_zero(set))
		return SET_MALFORMED;
	while (rd_left(set) >= p->size && !(rd_left(set) < 4 && all_zero(set))) {
		struct run run = { d, NULL, d->c->scratch, set->p, 0 };

		if (!room(d, p, 1))
			return SET_MALFORMED;
		run.b = d->out->block;
		run.row = run.b->n;
		if (!plan_run_one(p, &run, set))
			return SET_MALFORMED;
		run.b->n++;
		d->rows++;
		record_settle(p, &run, 1);
		d->records++;
	}
	return SET_DECODED;
}

/* Records of which we keep nothing are counted and passed over. */
static enum set_outcome nothing_kept(struct dgram *d, struct tmpl *t, struct rd *set)
{
	if (t->plan.fixed)
		d->records += (uint32_t)(rd_left(set) / t->plan.size);
	else
		d->uncounted = true;
	return SET_DECODED;
}

static enum set_outcome data_set(struct dgram *d, struct tmpl *t, struct rd set)
{
	enum set_outcome o;

	if (t->options)
		o = options_set(d, t, &set);
	else if (!t->plan.n_steps)
		o = nothing_kept(d, t, &set);
	else if (t->plan.fixed)
		o = fixed_set(d, t, &set);
	else
		o = variable_set(d, t, &set);
	d->uncounted |= o != SET_DECODED;
	return o;
}

static enum set_outcome template_set(struct dgram *d, struct rd *set,
				     bool (*take)(struct dgram *d, struct rd *set))
{
	enum set_outcome o = SET_DECODED;

	while (rd_left(set) && !all_zero(set)) {
		if (!take(d, set) || !rd_ok(set)) {
			o = SET_MALFORMED;
			break;
		}
	}
	if (d->x->held_sets)
		tmpl_release(d, data_set);
	return o;
}

static void one(struct dgram *d, uint16_t id, struct rd *set,
		const struct set_kinds *kinds)
{
	struct tmpl *t;

	if (id == kinds->templates) {
		dgram_set(d, template_set(d, set, kinds->template));
	} else if (id == kinds->options) {
		dgram_set(d, template_set(d, set, kinds->options_template));
	} else if (id < SET_DATA_MIN) {
		dgram_set(d, SET_MALFORMED);
	} else if ((t = tmpl_find(d, id))) {
		dgram_set(d, data_set(d, t, *set));
	} else {
		d->uncounted = true;
		if (rd_left(set))
			tmpl_hold(d, id, set);
		else
			dgram_set(d, SET_NO_TEMPLATE); /* nothing to wait for */
	}
}

int sets_decode(struct dgram *d, struct rd *r, const struct set_kinds *kinds)
{
	d->rate = d->dom->rate;
	d->rate_source = SAMPLING_OPTIONS;
	for (bool first = true; rd_left(r); first = false) {
		struct rd head = *r, set;
		uint16_t id = rd_u16(&head), len = rd_u16(&head);

		if (!rd_ok(&head) || len < SET_HEADER) {
			if (first)
				return BAD_LENGTH;
			if (!all_zero(r))
				dgram_set(d, SET_MALFORMED);
			return DGRAM_OK;
		}
		set = rd_sub(r, len);
		if (!rd_ok(r)) {
			dgram_set(d, SET_MALFORMED);
			d->uncounted = true;
			return DGRAM_OK;
		}
		(void)rd_sub(&set, SET_HEADER);
		one(d, id, &set, kinds);
		/* Options data of this datagram count for the sets after it. */
		if (d->dom->rate != d->rate) {
			dgram_finish(d);
			d->rate = d->dom->rate;
		}
	}
	return DGRAM_OK;
}

void sets_sequence(struct dgram *d, uint32_t number, uint32_t units, uint32_t max_gap,
		   enum lost_unit unit)
{
	struct domain *dom = d->dom;
	enum seq_verdict v;

	dom->lost_unit = unit;
	v = seq_take(&dom->seq, number, units, max_gap, d->received_ms,
		     &d->x->exporter->ledger, unit);
	if (v >= SEQ_OTHER || d->port != dom->port)
		domain_rivals(d, dom, v, number, units);
	if (d->uncounted && unit == LOST_RECORDS)
		seq_forget(&dom->seq);
}
