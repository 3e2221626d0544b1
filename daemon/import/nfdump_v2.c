/* nfdump_v2.c - records of nfdump 1.7: extensions behind headers of their own.
 * SPDX-License-Identifier: ISC
 *
 *   0  2 type 11   2  2 octets   4  2 extensions   6  1, 1 engine   8  2 exporter
 *   10 1 flags    11  1 version of NetFlow
 *
 * then each extension: number (2), octets with this header (2), content. Numbers are in
 * the machine's order, IPv4 addresses one number, IPv6 addresses two.
 */
#include "daemon/import/nfdump.h"

#include <string.h>

#include "daemon/base/mem.h"

enum { HEAD = 12, ICMP = 1, ICMP6 = 58 };

enum extension {
	GENERIC = 1, IPV4, IPV6, MISC, COUNTS, VLAN, AS, BGP_HOP_4, BGP_HOP_6, HOP_4, HOP_6,
	FROM_4, FROM_6, MPLS, MAC, ADJACENT, LATENCY, SAMPLER, NSEL, NAT_4, NAT_6, NAT_PORTS,
	ACL, USER, NEL, PORT_BLOCK, NBAR, OBSERVATION = 33, VRF = 36, EXTENSIONS
};

/* Octets that it has at least; 0: none that we read. */
static const uint8_t least[EXTENSIONS] = {
	[GENERIC] = 48, [IPV4] = 8, [IPV6] = 32, [MISC] = 12, [COUNTS] = 24, [VLAN] = 8,
	[AS] = 8, [BGP_HOP_4] = 4, [BGP_HOP_6] = 16, [HOP_4] = 4, [HOP_6] = 16,
	[FROM_4] = 4, [FROM_6] = 16, [MPLS] = 40, [MAC] = 32, [NSEL] = 16, [NAT_4] = 8,
	[NAT_6] = 32, [NAT_PORTS] = 4, [USER] = 1, [NEL] = 16, [OBSERVATION] = 12, [VRF] = 8,
};

static struct addr pair(const struct nfdump *d, const uint8_t *p)
{
	return addr_of_u64(octets_u(p, 8, d->big), octets_u(p + 8, 8, d->big));
}

#define U(at, n) octets_u(p + (at), n, d->big)

static void generic(const struct nfdump *d, struct block *b, uint32_t r, const uint8_t *p)
{
	uint8_t proto = p[44];

	ROW(b, r, start_ms, (int64_t)U(0, 8));
	ROW(b, r, end_ms, (int64_t)U(8, 8));
	ROW(b, r, received_ms, (int64_t)U(16, 8));
	ROW(b, r, packets, U(24, 8));
	ROW(b, r, bytes, U(32, 8));
	ROW(b, r, src_port, (uint16_t)U(40, 2));
	if (proto == ICMP || proto == ICMP6)
		ROW(b, r, icmp, (uint16_t)U(42, 2));
	else
		ROW(b, r, dst_port, (uint16_t)U(42, 2));
	ROW(b, r, proto, proto);
	ROW(b, r, tcp_flags, p[45]);
	ROW(b, r, tos, p[47]);
}

static void event(const struct nfdump *d, struct block *b, uint32_t r, const uint8_t *p)
{
	if (!b->start_ms[r])
		ROW(b, r, start_ms, (int64_t)U(0, 8));
	if (!b->end_ms[r])
		ROW(b, r, end_ms, b->start_ms[r]);
}

static void from(struct nfdump *d, struct block *b, uint32_t r, struct addr a)
{
	ROW(b, r, exporter, rows_exporter(d->rows, &a));
}

static void extension(struct nfdump *d, struct block *b, uint32_t r, unsigned id,
		      const uint8_t *p, size_t len)
{
	switch (id) {
	case GENERIC: generic(d, b, r, p); break;
	case IPV4:
		ROW(b, r, src, addr_of_u32((uint32_t)U(0, 4)));
		ROW(b, r, dst, addr_of_u32((uint32_t)U(4, 4)));
		break;
	case IPV6:
		ROW(b, r, src, pair(d, p));
		ROW(b, r, dst, pair(d, p + 16));
		break;
	case MISC:
		ROW(b, r, in_if, (uint32_t)U(0, 4));
		ROW(b, r, out_if, (uint32_t)U(4, 4));
		ROW(b, r, src_mask, p[8]);
		ROW(b, r, dst_mask, p[9]);
		if (p[10] == 1) /* 0 (ingress) also where nobody told */
			ROW(b, r, direction, DIR_EGRESS);
		break;
	case COUNTS: ROW(b, r, flows, (uint32_t)U(0, 8)); break;
	case VLAN:
		ROW(b, r, vlan, (uint16_t)U(0, 4));
		ROW(b, r, out_vlan, (uint16_t)U(4, 4));
		break;
	case AS:
		ROW(b, r, src_as, (uint32_t)U(0, 4));
		ROW(b, r, dst_as, (uint32_t)U(4, 4));
		break;
	case BGP_HOP_4: ROW(b, r, bgp_next_hop, addr_of_u32((uint32_t)U(0, 4))); break;
	case BGP_HOP_6: ROW(b, r, bgp_next_hop, pair(d, p)); break;
	case HOP_4: ROW(b, r, next_hop, addr_of_u32((uint32_t)U(0, 4))); break;
	case HOP_6: ROW(b, r, next_hop, pair(d, p)); break;
	case FROM_4: from(d, b, r, addr_of_u32((uint32_t)U(0, 4))); break;
	case FROM_6: from(d, b, r, pair(d, p)); break;
	case MPLS:
		ROW(b, r, mpls1, (uint32_t)U(0, 4) >> 4);
		ROW(b, r, mpls2, (uint32_t)U(4, 4) >> 4);
		ROW(b, r, mpls3, (uint32_t)U(8, 4) >> 4);
		break;
	case MAC:
		ROW(b, r, src_mac, U(0, 8));
		ROW(b, r, dst_mac, U(8, 8));
		break;
	case NSEL:
		event(d, b, r, p);
		ROW(b, r, fw_event, p[14]);
		break;
	case NAT_4:
		ROW(b, r, nat_src, addr_of_u32((uint32_t)U(0, 4)));
		ROW(b, r, nat_dst, addr_of_u32((uint32_t)U(4, 4)));
		break;
	case NAT_6:
		ROW(b, r, nat_src, pair(d, p));
		ROW(b, r, nat_dst, pair(d, p + 16));
		break;
	case NAT_PORTS:
		ROW(b, r, nat_src_port, (uint16_t)U(0, 2));
		ROW(b, r, nat_dst_port, (uint16_t)U(2, 2));
		break;
	case USER: ROW(b, r, user, block_text(b, p, len)); break;
	case NEL:
		event(d, b, r, p);
		/* Before 1.7.1 the VRFs stood in between. */
		if (len >= 24) {
			ROW(b, r, vrf_out, (uint32_t)U(8, 4));
			ROW(b, r, vrf_in, (uint32_t)U(12, 4));
		}
		ROW(b, r, nat_event, p[len >= 24 ? 20 : 12]);
		break;
	case OBSERVATION: ROW(b, r, domain, (uint32_t)U(8, 4)); break;
	case VRF:
		ROW(b, r, vrf_out, (uint32_t)U(0, 4));
		ROW(b, r, vrf_in, (uint32_t)U(4, 4));
		break;
	default: break;
	}
}
#undef U

bool nf_v3(struct nfdump *d, const uint8_t *p, size_t len, struct err *err)
{
	struct block *b;
	uint16_t n;
	uint32_t r;

	if (len < HEAD)
		return err_set(err, "a flow is shorter than its header");
	if (!rows_new(d->rows, &r, err))
		return false;
	b = d->rows->block;
	n = (uint16_t)octets_u(p + 4, 2, d->big);
	ROW(b, r, exporter, d->exporter[octets_u(p + 8, 2, d->big)]);
	for (p += HEAD, len -= HEAD; n; n--) {
		uint64_t id, size;

		if (len < 4)
			return err_set(err, "a flow has fewer extensions than it says");
		id = octets_u(p, 2, d->big);
		size = octets_u(p + 2, 2, d->big);
		if (size < 4 || size > len)
			return err_set(err, "an extension has an impossible length");
		if (id < EXTENSIONS && least[id]) {
			if (size - 4 < least[id])
				return err_set(err, "extension %u is too short",
					       (unsigned)id);
			extension(d, b, r, (unsigned)id, p + 4, size - 4);
		}
		p += size;
		len -= size;
	}
	return true;
}
