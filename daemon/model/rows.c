/* rows.c - from a row to its keys.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/model/rows.h"

#include <string.h>

static bool counts(const struct block *b, uint32_t row, uint8_t bit)
{
	return !b->counts[row] || b->counts[row] & bit;
}

/* Of 64 rows; nearly always all of them. */
static uint64_t total_rows(const uint8_t *counts)
{
	const uint64_t each = COUNT_TOTAL * UINT64_C(0x0101010101010101);
	uint64_t all = each, eight, keep = 0;

	for (unsigned i = 0; i < 64; i += 8) {
		memcpy(&eight, counts + i, sizeof(eight));
		all &= eight;
	}
	if (all == each)
		return UINT64_MAX;
	for (unsigned i = 0; i < 64; i++)
		keep |= (uint64_t)(!counts[i] | ((counts[i] & COUNT_TOTAL) != 0)) << i;
	return keep;
}

void rows_counted(enum by by, uint64_t filter_columns, const struct block *b, uint64_t *bits)
{
	uint64_t ifs = UINT64_C(1) << F_in_if | UINT64_C(1) << F_out_if;

	if (by == BY_INTERFACE || filter_columns & ifs || !block_uses(b, F_counts))
		return;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		if (bits[w])
			bits[w] &= total_rows(b->counts + w * 64);
}

static void put32(struct key *k, unsigned at, uint32_t v)
{
	memcpy(k->b + at * 4, &v, sizeof(v));
}

static void put_addr(struct key *k, unsigned at, const struct addr *a)
{
	memcpy(k->b + at * 16, a->b, sizeof(a->b));
}

static unsigned interface_keys(const struct block *b, uint32_t row, struct key *out)
{
	unsigned n = 0;

	if (counts(b, row, COUNT_IN)) {
		put32(&out[n], 0, b->exporter[row]);
		put32(&out[n], 1, b->in_if[row]);
		put32(&out[n++], 2, 0);
	}
	if (counts(b, row, COUNT_OUT)) {
		put32(&out[n], 0, b->exporter[row]);
		put32(&out[n], 1, b->out_if[row]);
		put32(&out[n++], 2, 1);
	}
	return n;
}

/* Traffic inside one network is neither in nor out of it. */
static unsigned network_keys(const struct block *b, uint32_t row, struct key *out)
{
	int from = names_network_of(b->names, &b->src[row]);
	int to = names_network_of(b->names, &b->dst[row]);
	unsigned n = 0;

	if (from == to)
		return 0;
	if (to >= 0) {
		put32(&out[n], 0, (uint32_t)to);
		put32(&out[n++], 1, 0);
	}
	if (from >= 0) {
		put32(&out[n], 0, (uint32_t)from);
		put32(&out[n++], 1, 1);
	}
	return n;
}

/* The service of a flow is its lower port, unless only one is told. */
static uint32_t service(const struct block *b, uint32_t row)
{
	uint32_t s = b->src_port[row], d = b->dst_port[row];
	uint32_t port = !s ? d : !d ? s : s < d ? s : d;

	return (uint32_t)b->proto[row] << 16 | port;
}

unsigned row_keys(enum by by, const struct block *b, uint32_t row, struct key out[ROW_KEYS])
{
	memset(out, 0, ROW_KEYS * sizeof(*out));
	switch (by) {
	case BY_NONE: return 1;
	case BY_EXPORTER: put32(out, 0, b->exporter[row]); return 1;
	case BY_INTERFACE: return interface_keys(b, row, out);
	case BY_SRC: put_addr(out, 0, &b->src[row]); return 1;
	case BY_DST: put_addr(out, 0, &b->dst[row]); return 1;
	case BY_HOST:
		put_addr(&out[0], 0, &b->src[row]);
		put_addr(&out[1], 0, &b->dst[row]);
		return addr_eq(&b->src[row], &b->dst[row]) ? 1 : 2;
	case BY_NETWORK: return network_keys(b, row, out);
	case BY_SRC_AS: put32(out, 0, b->src_as[row]); return 1;
	case BY_DST_AS: put32(out, 0, b->dst_as[row]); return 1;
	case BY_AS:
		put32(&out[0], 0, b->src_as[row]);
		put32(&out[1], 0, b->dst_as[row]);
		return b->src_as[row] == b->dst_as[row] ? 1 : 2;
	case BY_SRC_PORT: put32(out, 0, b->src_port[row]); return 1;
	case BY_DST_PORT: put32(out, 0, b->dst_port[row]); return 1;
	case BY_PORT: put32(out, 0, service(b, row)); return 1;
	case BY_PROTO: put32(out, 0, b->proto[row]); return 1;
	case BY_PAIR:
		put_addr(out, 0, &b->src[row]);
		put_addr(out, 1, &b->dst[row]);
		return 1;
	case BY_VLAN: put32(out, 0, b->vlan[row]); return 1;
	case BY_APP: memcpy(out->b, &b->app[row], sizeof(b->app[row])); return 1;
	case BY_COUNT: break;
	}
	return 0;
}

void key_select(enum by by, const struct key *k, const struct block *b, uint64_t *bits)
{
	struct key keys[ROW_KEYS];

	if (by == BY_NONE)
		return;
	for (uint32_t w = 0; w * 64 < b->n; w++) {
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);
			unsigned n = row_keys(by, b, row, keys);
			bool mine = false;

			for (unsigned i = 0; i < n; i++)
				mine |= !memcmp(&keys[i], k, sizeof(*k));
			if (!mine)
				bits[w] &= ~(left & -left);
		}
	}
}
