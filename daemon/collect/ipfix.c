/* ipfix.c - IPFIX messages (RFC 7011).
 * SPDX-License-Identifier: ISC
 *
 *    0       2       4               8              12              16
 *   +-------+-------+---------------+---------------+---------------+
 *   |  10   | octets| Unix seconds  | sequence      | domain        | sets
 *   +-------+-------+---------------+---------------+---------------+
 *
 * The sequence number counts the data records of the domain before this message, those
 * of options included (sec. 3.1). softflowd counts those of this message too, and
 * options not at all; taken as usual that would look like losses all the time. A
 * datagram holds one message (sec. 10.3.3), but some senders put several together, and
 * they are taken one by one; other octets behind a message are counted as one
 * malformed set. Withdrawals are for connections (tcp.c); over UDP they are ignored
 * (sec. 8.4), since anybody could forge one.
 */
#include "daemon/collect/collector.h"
#include "daemon/collect/sets.h"
#include "daemon/collect/times.h"

enum {
	VERSION = 10,
	HEADER = 16,
	MAX_GAP = 1 << 20,
	ENTERPRISE = 0x8000,
	TEMPLATES = 2, /* set ids */
	OPTIONS = 3,
};

decode_f ipfix_decode;

static bool fields(struct rd *set, struct field_spec *f, unsigned n)
{
	if (n > FIELDS_MAX || rd_left(set) < n * 4u)
		return false;
	for (unsigned i = 0; i < n; i++) {
		f[i].id = rd_u16(set);
		f[i].len = rd_u16(set);
		f[i].pen = 0;
		if (f[i].id & ENTERPRISE) {
			f[i].id &= ENTERPRISE - 1;
			f[i].pen = rd_u32(set);
			if (!f[i].pen) /* reserved; not IANA's element of that number */
				f[i].pen = UINT32_MAX;
		}
	}
	return rd_ok(set);
}

static bool withdrawal(struct dgram *d, uint16_t id, bool options)
{
	if (d->session)
		tmpl_withdraw(d, id, options);
	return true;
}

static bool template(struct dgram *d, struct rd *set)
{
	struct field_spec f[FIELDS_MAX];
	uint16_t id = rd_u16(set), n = rd_u16(set);

	if (rd_ok(set) && !n && (id == TEMPLATES || id >= SET_DATA_MIN))
		return withdrawal(d, id == TEMPLATES ? 0 : id, false);
	if (!rd_ok(set) || id < SET_DATA_MIN || !fields(set, f, n))
		return false;
	return tmpl_define(d, id, f, n, 0, false) != TMPL_BAD;
}

static bool options_template(struct dgram *d, struct rd *set)
{
	struct field_spec f[FIELDS_MAX];
	uint16_t id = rd_u16(set), n = rd_u16(set), scopes;

	if (rd_ok(set) && !n && (id == OPTIONS || id >= SET_DATA_MIN))
		return withdrawal(d, id == OPTIONS ? 0 : id, true);
	scopes = rd_u16(set);
	if (!rd_ok(set) || id < SET_DATA_MIN || !scopes || scopes > n ||
	    !fields(set, f, n))
		return false;
	return tmpl_define(d, id, f, n, scopes, true) != TMPL_BAD;
}

static const struct set_kinds kinds = { TEMPLATES, OPTIONS, template, options_template };

/* What fits only one of the two ways of counting tells which it is. */
static void sequence(struct dgram *d, uint32_t number)
{
	struct domain *dom = d->dom;
	uint32_t data = d->records - d->options, units = d->records;
	bool usual = number - dom->last_of[0] == dom->last_number;
	bool itself = number - data == dom->last_number;

	if (dom->seq.known && !d->uncounted && usual != itself &&
	    itself != dom->counts_itself) {
		dom->counts_itself = itself;
		seq_forget(&dom->seq);
	}
	dom->last_number = number;
	dom->last_of[0] = units;
	if (dom->counts_itself) {
		number -= data;
		units = data;
	}
	if (dom->counts_itself && d->uncounted)
		seq_forget(&dom->seq); /* nobody knows where it began */
	else
		sets_sequence(d, number, units, MAX_GAP, LOST_RECORDS);
}

/* One message; takes it out of r. */
static int message(struct dgram *d, struct rd *r)
{
	size_t len = rd_left(r);
	struct rd head = *r, body;
	uint32_t number;
	uint16_t octets;
	int verdict;

	(void)rd_u16(&head);
	octets = rd_u16(&head);
	d->export_ms = (int64_t)rd_u32(&head) * 1000;
	number = rd_u32(&head);
	d->domain_id = rd_u32(&head);
	if (!rd_ok(&head))
		return BAD_TOO_SHORT;
	if (octets < HEADER || octets > len)
		return BAD_LENGTH;
	d->dom = domain_get(d, d->domain_id, d->session);
	if (!d->dom)
		return DGRAM_SHED + SHED_QUOTA;
	d->whole_seconds = true;
	times_skew(d);
	body = rd_sub(r, octets);
	(void)rd_sub(&body, HEADER);
	d->records = d->options = 0;
	d->uncounted = false;
	verdict = sets_decode(d, &body, &kinds);
	if (verdict == DGRAM_OK)
		sequence(d, number);
	return verdict;
}

static bool another(const struct rd *r)
{
	struct rd head = *r;

	return rd_u16(&head) == VERSION && rd_u16(&head) <= rd_left(r) && rd_ok(&head);
}

int ipfix_decode(struct dgram *d, struct rd r)
{
	int verdict = message(d, &r);

	while (verdict == DGRAM_OK && rd_left(&r)) {
		dgram_finish(d);
		if (!another(&r) || message(d, &r) != DGRAM_OK) {
			dgram_set(d, SET_MALFORMED);
			break;
		}
	}
	return verdict;
}
