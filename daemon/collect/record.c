/* record.c - what several elements of a record say together.
 * SPDX-License-Identifier: ISC
 *
 * A pass for each thing, over the rows of a run, and only where the template has the
 * elements for it; a plain template costs the passes for uptimes and ICMP.
 *
 * A way back (RFC 5103, or initiator and responder of a firewall) becomes a row
 * of its own with the ends exchanged: source and destination with all that
 * belongs to them, and the interfaces, unless the record names the way back's
 * own. It is left out when nothing went that way, since a biflow record of a
 * one-way flow says so with zeros. Where the zeros are those of the way there (a probe that
 * calls the lower address the initiator), the way back takes its row: a flow of no packets
 * would be an answer to what nobody answered.
 */
#include "daemon/collect/record.h"

#include "daemon/base/map.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/frame.h"
#include "daemon/collect/options.h"
#include "daemon/collect/sampling.h"
#include "daemon/collect/times.h"
#include "daemon/collect/totals.h"

#include <string.h>

enum { PROTO_ICMP = 1, PROTO_ICMP6 = 58, ECHO = 8 << 8, ECHO_REPLY = 0, ECHO6 = 128 << 8,
       ECHO6_REPLY = 129 << 8, END_ACTIVE = 2, DOMAINS_ASKED = 8,
       LINK_80211 = 2 /* RFC 7133 sec. 8.2.2 */ };

static uint32_t newest(const uint64_t *up, uint32_t n)
{
	uint32_t best = (uint32_t)up[0];

	for (uint32_t i = 1; i < n; i++)
		if ((int32_t)((uint32_t)up[i] - best) > 0)
			best = (uint32_t)up[i];
	return best;
}

/* The moment that uptimes of this run are counted back from. */
static void reference(const struct plan *p, const struct run *r, uint32_t n,
		      int64_t *now_ms, uint32_t *uptime)
{
	struct dgram *d = r->d;
	const enum target ends[] = { S_END_UP, S_REV_END_UP, S_START_UP };
	int64_t sysinit = d->dom ? d->dom->sysinit_ms : 0;

	*now_ms = d->export_ms;
	*uptime = d->uptime;
	if (d->uptime_known)
		return;
	if (plan_tells(p, S_SYSINIT)) {
		int64_t told = (int64_t)scratch_col(r->s, S_SYSINIT)[n - 1];

		if (times_sysinit_ok(d, told)) {
			sysinit = told;
			if (d->dom)
				d->dom->sysinit_ms = told;
		}
	}
	if (sysinit) {
		*uptime = (uint32_t)(d->export_ms - sysinit);
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		if (!plan_tells(p, ends[i]))
			continue;
		*uptime = newest(scratch_col(r->s, ends[i]), n);
		*now_ms = times_guess_boot(d, *uptime) + *uptime;
		return;
	}
}

static void uptimes(const struct plan *p, const struct run *r, uint32_t n)
{
	static const struct { uint8_t up, ms; } pairs[] = {
		{ S_START_UP, F_start_ms }, { S_END_UP, F_end_ms },
		{ S_REV_START_UP, S_REV_START }, { S_REV_END_UP, S_REV_END },
	};
	const uint64_t *start = scratch_col(r->s, S_START_UP), *end;
	bool both = plan_tells(p, S_START_UP) && plan_tells(p, S_END_UP);
	int64_t now_ms;
	uint32_t uptime;

	end = scratch_col(r->s, S_END_UP);
	reference(p, r, n, &now_ms, &uptime);
	for (unsigned k = 0; k < 4; k++) {
		const uint64_t *up = scratch_col(r->s, pairs[k].up);
		bool told = plan_tells(p, pairs[k].ms);
		int64_t *to;

		if (!plan_tells(p, pairs[k].up))
			continue;
		if (k < 2) {
			block_use(r->b, pairs[k].ms);
			to = (int64_t *)block_col(r->b, pairs[k].ms) + r->row;
		} else {
			to = (int64_t *)scratch_col(r->s, pairs[k].ms);
		}
		for (uint32_t i = 0; i < n; i++) {
			if (told && to[i])
				continue;
			/* Two zeros are a field nobody filled. */
			to[i] = both && !(start[i] | end[i]) ? 0 :
				times_uptime(now_ms, uptime, (uint32_t)up[i]);
		}
	}
}

static void durations(const struct run *r, uint32_t n)
{
	const uint64_t *dur = scratch_col(r->s, S_DURATION_MS);

	block_use(r->b, F_start_ms);
	block_use(r->b, F_end_ms);
	for (uint32_t i = 0; i < n; i++) {
		int64_t *start = &r->b->start_ms[r->row + i];
		int64_t *end = &r->b->end_ms[r->row + i];

		if (*start > 0 && !*end)
			*end = *start + (int64_t)dur[i];
		else if (*end > 0 && !*start)
			*start = *end - (int64_t)dur[i];
		else if (!*end && !*start && r->d->export_ms) {
			*end = r->d->export_ms;
			*start = *end - (int64_t)dur[i];
		}
	}
}

static void icmp(const struct plan *p, const struct run *r, uint32_t n)
{
	struct block *b = r->b;
	bool split = plan_tells(p, S_ICMP_TYPE);

	for (uint32_t i = r->row; i < r->row + n; i++) {
		uint16_t v;

		if (b->proto[i] != PROTO_ICMP && b->proto[i] != PROTO_ICMP6)
			continue;
		if (block_uses(b, F_icmp) && b->icmp[i])
			continue;
		if (split)
			v = (uint16_t)(scratch_col(r->s, S_ICMP_TYPE)[i - r->row] << 8 |
				       (plan_tells(p, S_ICMP_CODE) ?
				        scratch_col(r->s, S_ICMP_CODE)[i - r->row] : 0));
		else if (block_uses(b, F_src_port) && b->src_port[i])
			continue;
		else /* routers put type * 256 + code into the destination port */
			v = b->dst_port[i];
		if (!v)
			continue;
		block_use(b, F_icmp);
		b->icmp[i] = v;
	}
}

/* What options data said, in this domain or in another one of the exporter: some
 * send options under a source id of their own. */
static uint32_t rate_of(const struct run *r, enum rate_kind kind, uint64_t id)
{
	struct domain *dom = r->d->dom, *other = r->d->x->domains;
	uint32_t rate = dom ? sampling_get(r->d->c, dom, kind, id) : 0;

	for (int i = 0; !rate && other && i < DOMAINS_ASKED; i++, other = other->next)
		if (other != dom && other->n_rates && other->via == r->d->via)
			rate = sampling_get(r->d->c, other, kind, id);
	return rate;
}

/* MikroTik puts IE 34 into its data records, and its octets in the wrong order: 1024
 * arrives as 262,144. Who tells rates record by record and all in multiples of
 * 65,536 is taken for one of those; sampling_believe() turns the larger ones. */
static uint64_t plain_rate(uint64_t told)
{
	return told >= 65536 && told <= UINT32_MAX && !(told & 0xffff) ?
		__builtin_bswap32((uint32_t)told) : told;
}

static void rates_told(const struct plan *p, const struct run *r, uint32_t n)
{
	struct sampling_words last = { 0 };
	uint32_t rate = 0;

	block_use(r->b, F_sampling);
	for (uint32_t i = 0; i < n; i++) {
		struct sampling_words w = { 0 };

#define WORD(t, member) \
		if (plan_tells(p, t)) \
			w.member = scratch_col(r->s, t)[i]
		WORD(S_PLAIN, plain);
		WORD(S_INTERVAL, interval);
		WORD(S_SPACE, space);
		WORD(S_SIZE, size);
		WORD(S_POPULATION, population);
		WORD(S_PROBABILITY, probability);
#undef WORD
		w.plain = plain_rate(w.plain);
		if (!i || memcmp(&w, &last, sizeof(w)))
			rate = sampling_of_words(r->d, &w);
		last = w;
		r->b->sampling[r->row + i] = rate;
	}
	r->d->rate_source = SAMPLING_FIELD;
}

/* By a key of the row: its sampler, or the interface it came in by. */
static void rates_by(const struct run *r, uint32_t n, enum rate_kind kind)
{
	struct block *b = r->b;
	uint64_t last = UINT64_MAX;
	uint32_t rate = 0;

	block_use(b, F_sampling);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t id = kind == RATE_SAMPLER ? scratch_col(r->s, S_SAMPLER)[i]
						   : b->in_if[r->row + i];

		if (b->sampling[r->row + i])
			continue;
		if (id != last)
			rate = rate_of(r, kind, id);
		last = id;
		b->sampling[r->row + i] = rate;
		if (rate)
			r->d->rate_source = kind == RATE_SAMPLER ? SAMPLING_SAMPLER
								 : SAMPLING_OPTIONS;
		else if (kind == RATE_SAMPLER && id && !r->d->rate) {
			block_use(b, F_notes);
			b->notes[r->row + i] |= NOTE_SAMPLING_GUESSED;
		}
	}
}

static void rates_of_all(const struct run *r, uint32_t n)
{
	block_use(r->b, F_sampling);
	for (uint32_t i = r->row; i < r->row + n; i++) {
		if (r->b->sampling[i])
			continue;
		r->b->sampling[i] = r->d->dom->samplers_rate;
		r->d->rate_source = SAMPLING_SAMPLER;
	}
}

static uint64_t flow_key(const struct plan *p, const struct run *r, uint32_t row)
{
	struct {
		uint64_t flow_id;
		struct addr src, dst;
		uint32_t exporter, domain, in_if;
		uint16_t src_port, dst_port;
		uint32_t proto, vlan;
	} k;
	const struct block *b = r->b;

	memset(&k, 0, sizeof(k));
	k.exporter = r->d->x->exporter->id;
	k.domain = r->d->domain_id;
	if (plan_tells(p, S_FLOW_ID))
		k.flow_id = scratch_col(r->s, S_FLOW_ID)[row - r->row];
#define PART(member) \
	if (plan_tells(p, (enum target)F_##member)) \
		k.member = b->member[row]
	PART(src);
	PART(dst);
	PART(in_if);
	PART(src_port);
	PART(dst_port);
	PART(proto);
	PART(vlan);
#undef PART
	return map_hash(&k, sizeof(k));
}

static uint64_t cell(const struct plan *p, const struct run *r, enum target t, uint32_t i)
{
	return plan_tells(p, t) ? scratch_col(r->s, t)[i] : 0;
}

/* IE 85 and 86 count from the start of the flow. */
static void totals(const struct plan *p, const struct run *r, uint32_t n)
{
	struct block *b = r->b;

	block_use(b, F_bytes);
	block_use(b, F_packets);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = r->row + i;
		uint64_t why = cell(p, r, S_END_REASON, i);
		struct total t = {
			cell(p, r, S_TOTAL_BYTES, i), cell(p, r, S_TOTAL_PACKETS, i),
			cell(p, r, S_REV_TOTAL_BYTES, i),
			cell(p, r, S_REV_TOTAL_PACKETS, i),
		};
		int64_t start = block_uses(b, F_start_ms) ? b->start_ms[row] : 0, since;
		int64_t end = block_uses(b, F_end_ms) && b->end_ms[row] ? b->end_ms[row]
									: r->d->export_ms;

		totals_since(&r->d->c->totals, flow_key(p, r, row), &t, start, end,
			     why && why != END_ACTIVE, &since);
		if (!plan_tells(p, F_bytes))
			b->bytes[row] = t.bytes;
		if (!plan_tells(p, F_packets))
			b->packets[row] = t.packets;
		scratch_col(r->s, S_REV_TOTAL_BYTES)[i] = t.rev_bytes;
		scratch_col(r->s, S_REV_TOTAL_PACKETS)[i] = t.rev_packets;
		if (since && start && since > start && since <= end)
			b->start_ms[row] = since;
	}
}

static void flags_of_all(const struct run *r, uint32_t n)
{
	block_use(r->b, F_tcp_flags);
	for (uint32_t i = 0; i < n; i++)
		r->b->tcp_flags[r->row + i] |= (uint16_t)scratch_col(r->s, S_FLAGS_REST)[i];
}

/* What a section begins with, as frame.h has it. */
static unsigned section_kind(const struct plan *p, const struct run *r, uint32_t i,
			     enum target t, const uint8_t *at)
{
	if (t == S_SECTION_IP)
		return *at >> 4 == 6 ? FRAME_IPV6 : FRAME_IPV4;
	return cell(p, r, S_FRAME_TYPE, i) == LINK_80211 ? FRAME_80211 : FRAME_ETHERNET;
}

static void sections(const struct plan *p, const struct run *r, uint32_t n, enum target t)
{
	struct block *b = r->b;

	block_use(b, F_bytes);
	block_use(b, F_packets);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t v = scratch_col(r->s, t)[i], octets = v >> 32;
		const uint8_t *at = r->set + (uint32_t)v;
		uint64_t exported = cell(p, r, S_SECTION_LEN, i);
		uint32_t row = r->row + i, ip_len = 0;

		if (!v || (t == S_SECTION_IP && cell(p, r, S_SECTION_L2, i)))
			continue;
		if (exported && exported < octets)
			octets = exported; /* the rest is padding (RFC 7133 sec. 8) */
		if (cell(p, r, S_SECTION_OFF, i) || /* no head: nothing to read */
		    !frame_parse(at, octets, section_kind(p, r, i, t, at), b, row,
				 &ip_len) ||
		    !ip_len)
			ip_len = (uint32_t)cell(p, r, S_FRAME_SIZE, i);
		if (!b->packets[row])
			b->packets[row] = 1;
		if (!b->bytes[row])
			b->bytes[row] = ip_len;
	}
}

static void names_by_id(const struct plan *p, const struct run *r, uint32_t n)
{
	struct block *b = r->b;

	if (plan_tells(p, F_app))
		options_name_rows(r->d, b, r->row, n, WORD_APP);
	if (plan_tells(p, F_vrf_in) || plan_tells(p, F_vrf_out))
		options_name_rows(r->d, b, r->row, n, WORD_VRF);
}

bool record_both_ways(const struct plan *p)
{
	return plan_tells(p, S_REV_BYTES) || plan_tells(p, S_REV_PACKETS) ||
	       plan_tells(p, S_REV_TOTAL_BYTES) || plan_tells(p, S_REV_TOTAL_PACKETS);
}

#define EXCHANGE(b, row, a, c)                                                        \
	do {                                                                          \
		__typeof__(*(b)->a) kept = (b)->a[row];                                \
		(b)->a[row] = (b)->c[row];                                             \
		(b)->c[row] = kept;                                                    \
		if ((b)->used & (UINT64_C(1) << F_##a | UINT64_C(1) << F_##c)) {       \
			block_use(b, F_##a);                                           \
			block_use(b, F_##c);                                           \
		}                                                                     \
	} while (0)

static void exchange(struct block *b, uint32_t row)
{
	EXCHANGE(b, row, src, dst);
	EXCHANGE(b, row, src_port, dst_port);
	EXCHANGE(b, row, src_as, dst_as);
	EXCHANGE(b, row, src_mask, dst_mask);
	EXCHANGE(b, row, src_mac, dst_mac);
	EXCHANGE(b, row, in_if, out_if);
	EXCHANGE(b, row, vlan, out_vlan);
	EXCHANGE(b, row, vrf_in, vrf_out);
	EXCHANGE(b, row, nat_src, nat_dst);
	EXCHANGE(b, row, nat_src_port, nat_dst_port);
}

/* Who is pinged replies, and who replies was pinged; other types are told as they were. */
static void exchange_icmp(const struct plan *p, struct block *b, uint32_t row)
{
	uint16_t *icmp = &b->icmp[row];

	/* A reply is type 0, which is also what an exporter tells that knows no types. */
	if (!plan_tells(p, F_icmp) && !plan_tells(p, S_ICMP_TYPE) && !plan_tells(p, F_dst_port))
		return;
	block_use(b, F_icmp);
	if (b->proto[row] == PROTO_ICMP && (*icmp == ECHO || *icmp == ECHO_REPLY))
		*icmp ^= ECHO ^ ECHO_REPLY;
	else if (b->proto[row] == PROTO_ICMP6 && (*icmp == ECHO6 || *icmp == ECHO6_REPLY))
		*icmp ^= ECHO6 ^ ECHO6_REPLY;
}

/* The row becomes two. */
static uint32_t split(const struct plan *p, const struct run *r, uint32_t from)
{
	struct block *b = r->b;
	uint32_t to = b->n++;

	r->d->rows++;
	block_ready(b, b->n, b->used);
	for (int f = 0; f < FIELD_COUNT; f++)
		if (block_uses(b, f))
			memcpy(block_cell(b, f, to), block_cell(b, f, from),
			       field_info[f].width);
	exchange_icmp(p, b, to);
	return to;
}

static void way_back(const struct plan *p, const struct run *r, uint32_t i)
{
	struct block *b = r->b;
	uint32_t from = r->row + i, to;
	uint64_t bytes = cell(p, r, S_REV_BYTES, i);
	uint64_t packets = cell(p, r, S_REV_PACKETS, i);

	if (!plan_tells(p, S_REV_BYTES) && plan_tells(p, S_REV_TOTAL_BYTES))
		bytes = scratch_col(r->s, S_REV_TOTAL_BYTES)[i];
	if (!plan_tells(p, S_REV_PACKETS) && plan_tells(p, S_REV_TOTAL_PACKETS))
		packets = scratch_col(r->s, S_REV_TOTAL_PACKETS)[i];
	if (!bytes && !packets)
		return;
	to = b->bytes[from] || b->packets[from] ? split(p, r, from) : from;
	exchange(b, to);
	block_use(b, F_bytes);
	block_use(b, F_packets);
	block_use(b, F_notes);
	b->bytes[to] = bytes;
	b->packets[to] = packets;
	b->notes[to] |= NOTE_REVERSE;
	if (plan_tells(p, F_next_hop))
		memset(&b->next_hop[to], 0, sizeof(b->next_hop[to]));
	if (plan_tells(p, F_bgp_next_hop))
		memset(&b->bgp_next_hop[to], 0, sizeof(b->bgp_next_hop[to]));
#define OWN(t, member) \
	if (plan_tells(p, t) && scratch_col(r->s, t)[i]) { \
		block_use(b, F_##member); \
		b->member[to] = (__typeof__(*b->member))scratch_col(r->s, t)[i]; \
	}
	OWN(S_REV_TOS, tos)
	OWN(S_REV_IN_IF, in_if)
	OWN(S_REV_OUT_IF, out_if)
	OWN(S_REV_VLAN, vlan)
	OWN(S_REV_OUT_VLAN, out_vlan)
	if (plan_tells(p, S_REV_START) || plan_tells(p, S_REV_START_UP)) {
		int64_t start = (int64_t)scratch_col(r->s, S_REV_START)[i];

		if (start)
			b->start_ms[to] = start;
	}
	if (plan_tells(p, S_REV_END) || plan_tells(p, S_REV_END_UP)) {
		int64_t end = (int64_t)scratch_col(r->s, S_REV_END)[i];

		if (end)
			b->end_ms[to] = end;
	}
#undef OWN
	if (plan_tells(p, S_REV_FLAGS)) {
		block_use(b, F_tcp_flags);
		b->tcp_flags[to] = (uint16_t)(scratch_col(r->s, S_REV_FLAGS)[i] |
					      cell(p, r, S_REV_FLAGS_REST, i));
	}
}

/* The prefix lengths of an outer IPv6 header say nothing of IPv4 addresses in it. */
static void no_outer_masks(const struct run *r, uint32_t n)
{
	struct block *b = r->b;

	for (uint32_t i = r->row; i < r->row + n; i++) {
		if (block_uses(b, F_src_mask) && addr_is4(&b->src[i]))
			b->src_mask[i] = 0;
		if (block_uses(b, F_dst_mask) && addr_is4(&b->dst[i]))
			b->dst_mask[i] = 0;
	}
}

void record_settle(const struct plan *p, const struct run *r, uint32_t n)
{
	if (p->outer_masks)
		no_outer_masks(r, n);
	if (plan_tells(p, S_END_UP) || plan_tells(p, S_START_UP))
		uptimes(p, r, n);
	if (plan_tells(p, S_DURATION_MS))
		durations(r, n);
	if (plan_tells(p, S_SECTION_L2))
		sections(p, r, n, S_SECTION_L2);
	if (plan_tells(p, S_SECTION_IP))
		sections(p, r, n, S_SECTION_IP);
	if (plan_tells(p, S_FLAGS_REST))
		flags_of_all(r, n);
	if (plan_tells(p, F_proto) &&
	    (plan_tells(p, F_dst_port) || plan_tells(p, S_ICMP_TYPE)))
		icmp(p, r, n);
	if (plan_tells(p, S_PLAIN) || plan_tells(p, S_INTERVAL) ||
	    plan_tells(p, S_SIZE) || plan_tells(p, S_PROBABILITY))
		rates_told(p, r, n);
	if (plan_tells(p, S_SAMPLER))
		rates_by(r, n, RATE_SAMPLER);
	if (r->d->dom && r->d->dom->has_interface_rates && plan_tells(p, F_in_if))
		rates_by(r, n, RATE_INTERFACE);
	if (r->d->dom && r->d->dom->samplers_rate && !r->d->rate &&
	    !plan_tells(p, S_SAMPLER))
		rates_of_all(r, n);
	if (plan_tells(p, S_TOTAL_BYTES) || plan_tells(p, S_TOTAL_PACKETS))
		totals(p, r, n);
	names_by_id(p, r, n);
	if (record_both_ways(p))
		for (uint32_t i = 0; i < n; i++)
			way_back(p, r, i);
}
