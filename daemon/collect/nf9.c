/* nf9.c - NetFlow version 9 (RFC 3954).
 * SPDX-License-Identifier: ISC
 *
 *    0       2       4               8              12              16              20
 *   +-------+-------+---------------+---------------+---------------+---------------+
 *   |   9   | count | uptime, ms    | Unix seconds  | sequence      | source id     |
 *   +-------+-------+---------------+---------------+---------------+---------------+
 *
 * count is of records in all sets; exporters disagree on what that is, so octets
 * decide (R1).
 *
 * The sequence number counts datagrams of the source id, but some exporters count
 * records, as the header or as we do, and would lose most of what they send. Which it
 * is shows where the datagram before had several records: the number went on by one,
 * or by as many. Until it has shown, a step by as many is not counted as a loss; when it
 * was one after all, it is counted then.
 */
#include "daemon/collect/collector.h"
#include "daemon/collect/sets.h"
#include "daemon/collect/times.h"

enum { MAX_GAP = 1 << 16, VOTES = 3 };

decode_f nf9_decode;

/* v9 has no variable length, but H3C's routers send the names of VRFs so, in IPFIX's
 * manner (RFC 7011 sec. 7). Of anything but text it is a length that fits no datagram. */
static bool variable(uint16_t id)
{
	const struct ie *e = ie_find(0, id);

	return e && e->how == IE_TEXT;
}

/* Reads n fields of four octets; false: more than we take, or cut. */
static bool fields(struct rd *set, struct field_spec *f, unsigned n)
{
	if (n > FIELDS_MAX || rd_left(set) < n * 4u)
		return false;
	for (unsigned i = 0; i < n; i++) {
		f[i].pen = 0;
		f[i].id = rd_u16(set);
		f[i].len = rd_u16(set);
		if (f[i].len == IE_VARLEN && !variable(f[i].id))
			return false;
	}
	return true;
}

static bool template(struct dgram *d, struct rd *set)
{
	struct field_spec f[FIELDS_MAX];
	uint16_t id = rd_u16(set), n = rd_u16(set);

	if (!rd_ok(set) || id < SET_DATA_MIN || !fields(set, f, n))
		return false;
	return tmpl_define(d, id, f, n, 0, false) != TMPL_BAD;
}

static bool options_template(struct dgram *d, struct rd *set)
{
	struct field_spec f[FIELDS_MAX];
	uint16_t id = rd_u16(set), scopes = rd_u16(set), options = rd_u16(set);
	unsigned n = (scopes + (unsigned)options) / 4;

	if (!rd_ok(set) || id < SET_DATA_MIN || scopes % 4 || options % 4 ||
	    !fields(set, f, n))
		return false;
	return tmpl_define(d, id, f, (uint16_t)n, scopes / 4, true) != TMPL_BAD;
}

static const struct set_kinds kinds = { 0, 1, template, options_template };

/* Looks at the step from the datagram before. True when nobody knows yet what it means. */
static bool in_doubt(struct dgram *d, struct domain *dom, uint32_t number)
{
	uint32_t step = number - dom->last_number;
	bool doubt = false;

	if (dom->counts == COUNTS_DATAGRAMS || !dom->seq.known)
		return false;
	if (step == 1 && dom->last_of[0] > 1 && dom->last_of[1] > 1) {
		if (dom->counts != COUNTS_UNKNOWN)
			seq_forget(&dom->seq);
		dom->counts = COUNTS_DATAGRAMS;
		ledger_add(&d->x->exporter->ledger.lost[LOST_DATAGRAMS], dom->doubtful);
		dom->doubtful = 0;
		return false;
	}
	if (dom->counts != COUNTS_UNKNOWN)
		return false;
	for (int i = 0; i < 2; i++) {
		bool fits = step == dom->last_of[i];

		doubt |= fits && step > 1;
		dom->votes[i] = fits ? dom->votes[i] + (step > 1) : 0;
		if (dom->votes[i] < VOTES || dom->counts != COUNTS_UNKNOWN)
			continue;
		dom->counts = i ? COUNTS_HEADER : COUNTS_RECORDS;
		dom->doubtful = 0;
	}
	if (doubt && dom->counts == COUNTS_UNKNOWN)
		dom->doubtful += step - 1;
	return doubt;
}

static void sequence(struct dgram *d, uint32_t number, uint16_t count)
{
	struct domain *dom = d->dom;
	uint32_t units = 1;

	if (in_doubt(d, dom, number))
		seq_forget(&dom->seq);
	dom->last_number = number;
	dom->last_of[0] = d->uncounted ? 0 : d->records;
	dom->last_of[1] = count;
	if (dom->counts >= COUNTS_RECORDS)
		units = dom->last_of[dom->counts - COUNTS_RECORDS];
	sets_sequence(d, number, units, MAX_GAP,
		      dom->counts >= COUNTS_RECORDS ? LOST_RECORDS : LOST_DATAGRAMS);
}

int nf9_decode(struct dgram *d, struct rd r)
{
	uint32_t uptime, seconds, number;
	uint16_t count;
	int verdict;

	(void)rd_u16(&r);
	count = rd_u16(&r);
	uptime = rd_u32(&r);
	seconds = rd_u32(&r);
	number = rd_u32(&r);
	d->domain_id = rd_u32(&r);
	if (!rd_ok(&r))
		return BAD_TOO_SHORT;
	if (!rd_left(&r) && count)
		return BAD_COUNT;
	d->dom = domain_get(d, d->domain_id, 0);
	if (!d->dom)
		return DGRAM_SHED + SHED_QUOTA;
	d->export_ms = (int64_t)seconds * 1000;
	d->whole_seconds = true;
	if (times_header(d, uptime)) {
		seq_forget(&d->dom->seq);
		ledger_add(&d->x->exporter->ledger.restarts, 1);
	}
	times_skew(d);
	verdict = sets_decode(d, &r, &kinds);
	if (verdict == DGRAM_OK)
		sequence(d, number, count);
	return verdict;
}
