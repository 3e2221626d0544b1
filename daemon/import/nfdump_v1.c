/* nfdump_v1.c - records of nfdump 1.6: a common part, then extensions by a map.
 * SPDX-License-Identifier: ISC
 *
 *   0  2 type (1 or 10)   2  2 octets     4  1 flags        6  2 map
 *   8  2 ms of first     10  2 of last   12  4 first, s    16  4 last, s
 *   20 1 forwarding      21  1 TCP flags 22  1 protocol    23  1 TOS
 *   24 2 source port     26  2 destination port (ICMP: type * 256 + code)
 *   28 2 exporter, 2 more (type 10 only; type 1 has its exporter in octet 5)
 *
 * then addresses (flag 1: IPv6), packets (flag 2: 64 bits), bytes (flag 4: 64 bits), and
 * what the map lists. IPv4 addresses are numbers, IPv6 addresses two of them. An
 * extension of unknown length hides what follows it; it is left out, not guessed.
 */
#include "daemon/import/nfdump.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

enum { FLAG_V6 = 1, FLAG_PACKETS_64 = 2, FLAG_BYTES_64 = 4, HEAD_OLD = 28, HEAD = 32,
       ICMP = 1, ICMP6 = 58 };

/* Octets of an extension by its number; 0: not known. */
static const uint8_t octets[] = {
	[4] = 4, 8, 4, 8, 4, 4, 16, 4, 16, 4, 4, 8, 4, 8, 4, 8, 16, 16, 40, 4, 16, 4, 8, 8,
	[37] = 20, 4, 8, 32, 24, 24, 72, [45] = 24, 12, 8, 8,
};

bool nf_map(struct nfdump *d, const uint8_t *p, size_t len, struct err *err)
{
	struct nf_map *m, **at;

	if (len < 8)
		return err_set(err, "a map of extensions is too short");
	at = &d->map[octets_u(p + 4, 2, d->big)];
	if (!*at)
		*at = xcalloc(1, sizeof(**at));
	m = *at;
	m->n = m->octets = 0;
	for (size_t i = 8; i + 2 <= len && m->n < ARRAY_LEN(m->id); i += 2) {
		uint64_t id = octets_u(p + i, 2, d->big);

		if (!id || id >= ARRAY_LEN(octets) || !octets[id])
			break;
		m->id[m->n++] = (uint8_t)id;
		m->octets += octets[id];
	}
	return true;
}

static struct addr pair(const struct nfdump *d, const uint8_t *p)
{
	return addr_of_u64(octets_u(p, 8, d->big), octets_u(p + 8, 8, d->big));
}

static void nsel(struct nfdump *d, struct block *b, uint32_t r, const uint8_t *p)
{
	uint8_t proto = b->proto[r];

	if (p[14])
		ROW(b, r, fw_event, p[14]);
	if (proto == ICMP || proto == ICMP6)
		ROW(b, r, icmp, (uint16_t)octets_u(p + 12, 2, d->big));
	if (!b->start_ms[r])
		ROW(b, r, start_ms, (int64_t)octets_u(p, 8, d->big));
	if (!b->end_ms[r])
		ROW(b, r, end_ms, b->start_ms[r]);
}

static void extension(struct nfdump *d, struct block *b, uint32_t r, unsigned id,
		      const uint8_t *p)
{
#define U(at, n) octets_u(p + (at), n, d->big)
	struct addr a;

	switch (id) {
	case 4: case 5:
		ROW(b, r, in_if, (uint32_t)U(0, id == 4 ? 2 : 4));
		ROW(b, r, out_if, (uint32_t)U(id == 4 ? 2 : 4, id == 4 ? 2 : 4));
		break;
	case 6: case 7:
		ROW(b, r, src_as, (uint32_t)U(0, id == 6 ? 2 : 4));
		ROW(b, r, dst_as, (uint32_t)U(id == 6 ? 2 : 4, id == 6 ? 2 : 4));
		break;
	case 8:
		/* nfdump writes 0 (ingress) also where nobody told. */
		if (p[1] == 1)
			ROW(b, r, direction, DIR_EGRESS);
		ROW(b, r, src_mask, p[2]);
		ROW(b, r, dst_mask, p[3]);
		break;
	case 9: ROW(b, r, next_hop, addr_of_u32((uint32_t)U(0, 4))); break;
	case 10: ROW(b, r, next_hop, pair(d, p)); break;
	case 11: ROW(b, r, bgp_next_hop, addr_of_u32((uint32_t)U(0, 4))); break;
	case 12: ROW(b, r, bgp_next_hop, pair(d, p)); break;
	case 13:
		ROW(b, r, vlan, (uint16_t)U(0, 2));
		ROW(b, r, out_vlan, (uint16_t)U(2, 2));
		break;
	case 18: case 19: ROW(b, r, flows, (uint32_t)U(0, id == 18 ? 4 : 8)); break;
	case 20:
		ROW(b, r, src_mac, U(0, 8));
		ROW(b, r, dst_mac, U(8, 8));
		break;
	case 22:
		ROW(b, r, mpls1, (uint32_t)U(0, 4) >> 4);
		ROW(b, r, mpls2, (uint32_t)U(4, 4) >> 4);
		ROW(b, r, mpls3, (uint32_t)U(8, 4) >> 4);
		break;
	case 23:
		a = addr_of_u32((uint32_t)U(0, 4));
		ROW(b, r, exporter, rows_exporter(d->rows, &a));
		break;
	case 24:
		a = pair(d, p);
		ROW(b, r, exporter, rows_exporter(d->rows, &a));
		break;
	case 25: ROW(b, r, domain, (uint32_t)p[2] << 8 | p[3]); break;
	case 27: ROW(b, r, received_ms, (int64_t)U(0, 8)); break;
	case 37: nsel(d, b, r, p); break;
	case 38:
		ROW(b, r, nat_src_port, (uint16_t)U(0, 2));
		ROW(b, r, nat_dst_port, (uint16_t)U(2, 2));
		break;
	case 39:
		ROW(b, r, nat_src, addr_of_u32((uint32_t)U(0, 4)));
		ROW(b, r, nat_dst, addr_of_u32((uint32_t)U(4, 4)));
		break;
	case 40:
		ROW(b, r, nat_src, pair(d, p));
		ROW(b, r, nat_dst, pair(d, p + 16));
		break;
	case 42: case 43:
		ROW(b, r, user, block_text(b, p, id == 42 ? 24 : 72));
		break;
	case 46:
		ROW(b, r, nat_event, p[0]);
		ROW(b, r, vrf_out, (uint32_t)U(4, 4));
		ROW(b, r, vrf_in, (uint32_t)U(8, 4));
		break;
	default: break; /* out counters, latency, access lists: no column for them */
	}
#undef U
}

/* What every record has; returns the octets read. */
static size_t common(struct nfdump *d, struct block *b, uint32_t r, const uint8_t *p,
		     size_t head)
{
#define U(at, n) octets_u(p + (at), n, d->big)
	uint8_t flags = p[4];
	size_t at = head;
	uint8_t proto = p[22];

	ROW(b, r, start_ms, (int64_t)(U(12, 4) * 1000 + U(8, 2)));
	ROW(b, r, end_ms, (int64_t)(U(16, 4) * 1000 + U(10, 2)));
	ROW(b, r, proto, proto);
	ROW(b, r, tcp_flags, p[21]);
	ROW(b, r, tos, p[23]);
	ROW(b, r, src_port, (uint16_t)U(24, 2));
	if (proto == ICMP || proto == ICMP6)
		ROW(b, r, icmp, (uint16_t)U(26, 2));
	else
		ROW(b, r, dst_port, (uint16_t)U(26, 2));
	ROW(b, r, exporter, d->exporter[head == HEAD ? U(28, 2) : p[5]]);
	if (flags & FLAG_V6) {
		ROW(b, r, src, pair(d, p + at));
		ROW(b, r, dst, pair(d, p + at + 16));
		at += 32;
	} else {
		ROW(b, r, src, addr_of_u32((uint32_t)U(at, 4)));
		ROW(b, r, dst, addr_of_u32((uint32_t)U(at + 4, 4)));
		at += 8;
	}
	ROW(b, r, packets, U(at, flags & FLAG_PACKETS_64 ? 8 : 4));
	at += flags & FLAG_PACKETS_64 ? 8 : 4;
	ROW(b, r, bytes, U(at, flags & FLAG_BYTES_64 ? 8 : 4));
	return at + (flags & FLAG_BYTES_64 ? 8 : 4);
#undef U
}

bool nf_common(struct nfdump *d, const uint8_t *p, size_t len, struct err *err)
{
	size_t head = octets_u(p, 2, d->big) == NF_COMMON ? HEAD : HEAD_OLD, need, at;
	const struct nf_map *m;
	struct block *b;
	uint32_t r;

	need = head;
	if (len >= head) {
		need += p[4] & FLAG_V6 ? 32 : 8;
		need += p[4] & FLAG_PACKETS_64 ? 8 : 4;
		need += p[4] & FLAG_BYTES_64 ? 8 : 4;
	}
	m = len >= need ? d->map[octets_u(p + 6, 2, d->big)] : NULL;
	if (len < need || (m && len < need + m->octets))
		return err_set(err, "a flow is shorter than its map says");
	if (!m)
		return err_set(err, "a flow names a map of extensions that is not there");
	if (!rows_new(d->rows, &r, err))
		return false;
	b = d->rows->block;
	at = common(d, b, r, p, head);
	for (unsigned i = 0; i < m->n; i++) {
		extension(d, b, r, m->id[i], p + at);
		at += octets[m->id[i]];
	}
	return true;
}
