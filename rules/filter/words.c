/* words.c - what the filter language knows by name.
 * SPDX-License-Identifier: ISC
 *
 * One row for each test, and one for each further spelling that users of
 * nfdump and tcpdump have in their fingers. A column without a row here is a
 * word by its own name, so a new line in flow_fields.def can be asked for at
 * once.
 */
#include "rules/filter/node.h"

#include <string.h>
#include <strings.h>

#include "daemon/base/mem.h"
#include "daemon/base/near.h"

/* clang-format off */
const struct word words[WORD_COUNT] = {
	[W_HOST] = { .name = "host", .how = HOW_ADDR, .value = VALUE_ADDR,
		.sides = SIDES_SRC_DST, .n = 2, .field = { F_src, F_dst } },
	[W_PORT] = { .name = "port", .value = VALUE_PORT, .sides = SIDES_SRC_DST,
		.n = 2, .field = { F_src_port, F_dst_port }, .max = UINT16_MAX },
	[W_PROTO] = { .name = "proto", .value = VALUE_PROTO,
		.n = 1, .field = { F_proto }, .max = UINT8_MAX },
	[W_IF] = { .name = "if", .how = HOW_IF, .value = VALUE_IF, .sides = SIDES_IN_OUT,
		.n = 2, .field = { F_in_if, F_out_if }, .max = UINT32_MAX },
	[W_EXPORTER] = { .name = "exporter", .how = HOW_EXPORTER, .value = VALUE_EXPORTER,
		.n = 1, .field = { F_exporter } },
	[W_AS] = { .name = "as", .value = VALUE_AS, .sides = SIDES_SRC_DST,
		.n = 2, .field = { F_src_as, F_dst_as }, .max = UINT32_MAX },
	[W_COUNTRY] = { .name = "country", .how = HOW_COUNTRY, .value = VALUE_COUNTRY,
		.sides = SIDES_SRC_DST, .n = 2, .field = { F_src, F_dst },
		.max = UINT16_MAX },
	[W_NETWORK] = { .name = "network", .how = HOW_NETWORK, .value = VALUE_NAME,
		.sides = SIDES_SRC_DST, .n = 2, .field = { F_src, F_dst } },
	[W_BYTES] = { .name = "bytes", .value = VALUE_COUNT,
		.n = 1, .field = { F_bytes }, .max = UINT64_MAX },
	[W_PACKETS] = { .name = "packets", .value = VALUE_COUNT,
		.n = 1, .field = { F_packets }, .max = UINT64_MAX },
	[W_FLOWS] = { .name = "flows", .value = VALUE_COUNT,
		.n = 1, .field = { F_flows }, .max = UINT32_MAX, .zero_is_one = true },
	[W_BPS] = { .name = "bps", .how = HOW_BPS, .value = VALUE_RATE,
		.n = 3, .field = { F_bytes, F_start_ms, F_end_ms }, .max = UINT64_MAX },
	[W_PPS] = { .name = "pps", .how = HOW_PPS, .value = VALUE_COUNT,
		.n = 3, .field = { F_packets, F_start_ms, F_end_ms }, .max = UINT64_MAX },
	[W_BPP] = { .name = "bpp", .how = HOW_BPP, .value = VALUE_COUNT,
		.n = 2, .field = { F_bytes, F_packets }, .max = UINT64_MAX },
	[W_DURATION] = { .name = "duration", .how = HOW_DURATION, .value = VALUE_TIME,
		.n = 2, .field = { F_start_ms, F_end_ms }, .max = INT64_MAX },
	[W_FLAGS] = { .name = "flags", .how = HOW_FLAGS, .value = VALUE_FLAGS,
		.n = 1, .field = { F_tcp_flags }, .max = UINT16_MAX },
	[W_TOS] = { .name = "tos", .value = VALUE_NUMBER,
		.n = 1, .field = { F_tos }, .max = UINT8_MAX },
	[W_DSCP] = { .name = "dscp", .value = VALUE_NUMBER,
		.n = 1, .field = { F_tos }, .max = 63, .shift = 2, .mask = 63 },
	[W_ECN] = { .name = "ecn", .value = VALUE_NUMBER,
		.n = 1, .field = { F_tos }, .max = 3, .mask = 3 },
	[W_VLAN] = { .name = "vlan", .value = VALUE_NUMBER, .sides = SIDES_IN_OUT,
		.n = 2, .field = { F_vlan, F_out_vlan }, .max = UINT16_MAX,
		.bare = true },
	[W_MPLS] = { .name = "mpls", .value = VALUE_NUMBER,
		.n = 3, .field = { F_mpls1, F_mpls2, F_mpls3 }, .max = UINT32_MAX,
		.bare = true },
	[W_MAC] = { .name = "mac", .value = VALUE_MAC, .sides = SIDES_SRC_DST,
		.n = 2, .field = { F_src_mac, F_dst_mac },
		.max = (UINT64_C(1) << 48) - 1 },
	[W_NEXT_HOP] = { .name = "next-hop", .how = HOW_ADDR, .value = VALUE_ADDR,
		.n = 1, .field = { F_next_hop } },
	[W_BGP_NEXT_HOP] = { .name = "bgp-next-hop", .how = HOW_ADDR, .value = VALUE_ADDR,
		.n = 1, .field = { F_bgp_next_hop } },
	[W_ICMP_TYPE] = { .name = "icmp-type", .value = VALUE_NUMBER,
		.n = 1, .field = { F_icmp }, .max = UINT8_MAX, .shift = 8, .mask = 255 },
	[W_ICMP_CODE] = { .name = "icmp-code", .value = VALUE_NUMBER,
		.n = 1, .field = { F_icmp }, .max = UINT8_MAX, .mask = 255 },
	[W_VIA] = { .name = "via", .value = VALUE_VIA,
		.n = 1, .field = { F_via }, .max = UINT8_MAX },
	[W_DIRECTION] = { .name = "direction", .value = VALUE_DIRECTION,
		.n = 1, .field = { F_direction }, .max = UINT8_MAX },
	[W_NAT_HOST] = { .name = "nat host", .how = HOW_ADDR, .value = VALUE_ADDR,
		.sides = SIDES_SRC_DST, .n = 2, .field = { F_nat_src, F_nat_dst } },
	[W_NAT_PORT] = { .name = "nat port", .value = VALUE_PORT, .sides = SIDES_SRC_DST,
		.n = 2, .field = { F_nat_src_port, F_nat_dst_port }, .max = UINT16_MAX },
	[W_NAT_EVENT] = { .name = "nat-event", .value = VALUE_NUMBER,
		.n = 1, .field = { F_nat_event }, .max = UINT8_MAX },
	[W_FW_EVENT] = { .name = "fw-event", .value = VALUE_NUMBER,
		.n = 1, .field = { F_fw_event }, .max = UINT8_MAX },
	[W_APP] = { .name = "app", .how = HOW_APP, .value = VALUE_APP,
		.n = 2, .field = { F_app, F_app_name }, .max = UINT64_MAX },
	[W_USER] = { .name = "user", .how = HOW_TEXT, .value = VALUE_NAME,
		.n = 1, .field = { F_user } },
	[W_URL] = { .name = "url", .how = HOW_TEXT, .value = VALUE_NAME,
		.n = 1, .field = { F_url } },
	[W_VRF] = { .name = "vrf", .value = VALUE_NUMBER, .sides = SIDES_IN_OUT,
		.n = 2, .field = { F_vrf_in, F_vrf_out }, .max = UINT32_MAX },
	[W_MASK] = { .name = "mask", .value = VALUE_NUMBER, .sides = SIDES_SRC_DST,
		.n = 2, .field = { F_src_mask, F_dst_mask }, .max = UINT8_MAX },
	[W_SAMPLING] = { .name = "sampling", .value = VALUE_COUNT,
		.n = 1, .field = { F_sampling }, .max = UINT32_MAX, .zero_is_one = true },
	[W_DOMAIN] = { .name = "domain", .value = VALUE_NUMBER,
		.n = 1, .field = { F_domain }, .max = UINT32_MAX },
	[W_INET] = { .name = "inet", .how = HOW_INET, .value = VALUE_NONE,
		.n = 2, .field = { F_src, F_dst } },
	[W_INET6] = { .name = "inet6", .how = HOW_INET6, .value = VALUE_NONE,
		.n = 2, .field = { F_src, F_dst } },
};

static const struct {
	const char *text;
	enum word_id id;
} spellings[] = {
	{ "addr", W_HOST }, { "address", W_HOST }, { "net", W_HOST },
	{ "portrange", W_PORT },
	{ "protocol", W_PROTO }, { "interface", W_IF }, { "ifindex", W_IF },
	{ "router", W_EXPORTER }, { "asn", W_AS }, { "octets", W_BYTES },
	{ "byte", W_BYTES }, { "packet", W_PACKETS }, { "pkts", W_PACKETS },
	{ "tcpflags", W_FLAGS }, { "tcp-flags", W_FLAGS }, { "nexthop", W_NEXT_HOP },
	{ "bgpnexthop", W_BGP_NEXT_HOP }, { "bgpnext", W_BGP_NEXT_HOP },
	{ "xip", W_NAT_HOST }, { "xport", W_NAT_PORT }, { "application", W_APP },
	{ "label", W_MPLS }, { "icmptype", W_ICMP_TYPE }, { "icmpcode", W_ICMP_CODE },
	{ "ipv4", W_INET }, { "ip4", W_INET }, { "ipv6", W_INET6 }, { "ip6", W_INET6 },
	{ "geo", W_COUNTRY }, { "dir", W_DIRECTION },
	{ "odid", W_DOMAIN }, { "bits/s", W_BPS }, { "packets/s", W_PPS },
};

/* One name may have several numbers behind it in the world; here the usual one. */
static const struct named {
	const char *name;
	uint16_t v;
} protos[] = { /* the first of equals is the normal one */
	{ "icmp", 1 }, { "igmp", 2 }, { "ipip", 4 }, { "tcp", 6 }, { "egp", 8 },
	{ "igp", 9 }, { "udp", 17 }, { "dccp", 33 }, { "6in4", 41 }, { "rsvp", 46 },
	{ "gre", 47 }, { "esp", 50 }, { "ah", 51 }, { "icmp6", 58 }, { "icmpv6", 58 },
	{ "ipv6-icmp", 58 }, { "eigrp", 88 }, { "ospf", 89 }, { "etherip", 97 },
	{ "pim", 103 }, { "ipcomp", 108 }, { "vrrp", 112 }, { "carp", 112 },
	{ "l2tp", 115 }, { "isis", 124 }, { "sctp", 132 }, { "udplite", 136 },
	{ "udp-lite", 136 },
}, services[] = {
	{ "ftp-data", 20 }, { "ftp", 21 }, { "ssh", 22 }, { "telnet", 23 },
	{ "smtp", 25 },
	{ "domain", 53 }, { "dns", 53 }, { "bootps", 67 }, { "dhcp", 67 },
	{ "bootpc", 68 },
	{ "tftp", 69 }, { "http", 80 }, { "kerberos", 88 }, { "pop3", 110 },
	{ "sunrpc", 111 }, { "ntp", 123 }, { "epmap", 135 }, { "netbios-ns", 137 },
	{ "netbios-dgm", 138 }, { "netbios-ssn", 139 }, { "imap", 143 }, { "snmp", 161 },
	{ "snmptrap", 162 }, { "bgp", 179 }, { "ldap", 389 }, { "https", 443 },
	{ "smb", 445 }, { "microsoft-ds", 445 }, { "submissions", 465 },
	{ "isakmp", 500 },
	{ "ike", 500 }, { "syslog", 514 }, { "submission", 587 }, { "ipp", 631 },
	{ "ldaps", 636 }, { "rsync", 873 }, { "ftps", 990 }, { "imaps", 993 },
	{ "pop3s", 995 }, { "openvpn", 1194 }, { "ms-sql", 1433 }, { "radius", 1812 },
	{ "nfs", 2049 }, { "squid", 3128 }, { "mysql", 3306 }, { "rdp", 3389 },
	{ "sip", 5060 }, { "postgresql", 5432 }, { "vnc", 5900 }, { "redis", 6379 },
	{ "wireguard", 51820 },
};

/* A word for each column; the kinds are those of flow_fields.def. */
#define HOW_OF(kind) \
	((kind) == KIND_ADDR ? HOW_ADDR : (kind) == KIND_TEXT ? HOW_TEXT : HOW_CELL)
#define VALUE_OF(kind) \
	((kind) == KIND_ADDR   ? VALUE_ADDR \
	 : (kind) == KIND_TEXT ? VALUE_NAME \
	 : (kind) == KIND_MAC  ? VALUE_MAC  \
			       : VALUE_NUMBER)
#define MAX_OF(kind) \
	((kind) == KIND_U8 ? UINT8_MAX : (kind) == KIND_U16 ? UINT16_MAX \
	 : (kind) == KIND_U32 ? UINT32_MAX : UINT64_MAX)
static const struct word columns[FIELD_COUNT] = {
#define FIELD(id, type, kind, unit, doc) \
	[F_##id] = { .name = #id, .how = HOW_OF(KIND_##kind), \
		     .value = VALUE_OF(KIND_##kind), .n = 1, .field = { F_##id }, \
		     .max = MAX_OF(KIND_##kind) },
#include "daemon/model/flow_fields.def"
#undef FIELD
};
/* clang-format on */

/* `src_port` is the same as `src port`, and must become the same text. A word that has
 * no way to say which of its columns is meant leaves each (`mpls3`) a word of its own. */
static const struct word *of_column(int f, uint8_t *sides)
{
	for (size_t i = 0; i < WORD_COUNT; i++) {
		const struct word *w = &words[i];

		if (w->mask || (w->n > 1 && w->sides == SIDES_NONE) ||
		    (w->how != HOW_CELL && w->how != HOW_ADDR && w->how != HOW_IF))
			continue;
		for (unsigned k = 0; k < w->n; k++) {
			if (w->field[k] == (enum field)f) {
				*sides = (uint8_t)(1u << k);
				return w;
			}
		}
	}
	return &columns[f];
}

const struct word *word_find(const char *text, uint8_t *sides)
{
	*sides = 0;
	for (size_t i = 0; i < WORD_COUNT; i++)
		if (!strcasecmp(text, words[i].name))
			return &words[i];
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (!strcasecmp(text, spellings[i].text))
			return &words[spellings[i].id];
	for (int f = 0; f < FIELD_COUNT; f++)
		if (!strcasecmp(text, columns[f].name) && f != F_src && f != F_dst)
			return of_column(f, sides);
	return NULL;
}

static bool named_find(const struct named *t, size_t n, const char *text, uint64_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcasecmp(text, t[i].name)) {
			*out = t[i].v;
			return true;
		}
	}
	return false;
}

bool proto_find(const char *text, uint64_t *out)
{
	return named_find(protos, ARRAY_LEN(protos), text, out);
}

const char *proto_name(uint64_t v)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (protos[i].v == v)
			return protos[i].name;
	return NULL;
}

bool service_find(const char *text, uint64_t *out)
{
	return named_find(services, ARRAY_LEN(services), text, out);
}

/* ---- the nearest word ---- */

const char *suggest_word(const char *text)
{
	static const char *const others[] = { "src", "dst", "in",  "out",  "and", "or",
					      "not", "any", "nat", "next", "bgp", "ip" };
	struct near n = near_to(text);

	for (size_t i = 0; i < WORD_COUNT; i++)
		near_try(&n, words[i].name);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		near_try(&n, others[i]);
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		near_try(&n, protos[i].name);
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		near_try(&n, spellings[i].text);
	for (int f = 0; f < FIELD_COUNT; f++)
		near_try(&n, columns[f].name);
	return n.best;
}

const char *suggest_value(enum value v, const char *text)
{
	struct near n = near_to(text);

	if (v == VALUE_PROTO)
		for (size_t i = 0; i < ARRAY_LEN(protos); i++)
			near_try(&n, protos[i].name);
	if (v == VALUE_PORT)
		for (size_t i = 0; i < ARRAY_LEN(services); i++)
			near_try(&n, services[i].name);
	if (v == VALUE_VIA)
		for (size_t i = 0; i < VIA_COUNT; i++)
			near_try(&n, via_label[i]);
	if (v == VALUE_DIRECTION) {
		near_try(&n, "ingress");
		near_try(&n, "egress");
	}
	return n.best;
}

const char *value_wanted(enum value v)
{
	static const char *const wanted[] = {
		[VALUE_NUMBER] = "a number",
		[VALUE_COUNT] = "a number like 1500, 10k or 1.5M",
		[VALUE_RATE] = "a rate like 300k or 20M (bits/s)",
		[VALUE_TIME] = "a duration, like 500ms, 60s, 5m or a number of milliseconds",
		[VALUE_PORT] =
		    "a port, a service like https, or a list like (80 443 8000-8100)",
		[VALUE_PROTO] = "a protocol like tcp, or its number up to 255",
		[VALUE_AS] = "an AS number",
		[VALUE_FLAGS] = "letters of UAPRSFEC or a number like 0x12",
		[VALUE_MAC] = "a MAC address like 02:00:5e:10:00:01",
		[VALUE_VIA] = "an export protocol like netflow9, ipfix or sflow5",
		[VALUE_DIRECTION] = "ingress or egress",
		[VALUE_COUNTRY] = "two letters of a country, like NL",
		[VALUE_ADDR] = "an address or a prefix, like 10.0.0.1 or 2001:db8::/32 "
			       "(host names are not looked up)",
		[VALUE_IF] = "an interface index or name",
		[VALUE_NAME] = "a name",
		[VALUE_EXPORTER] = "an exporter's name or address",
		[VALUE_APP] = "an application's name or id",
	};

	return wanted[v];
}

bool value_is_ordered(enum value v)
{
	return v >= VALUE_NUMBER && v <= VALUE_FLAGS && v != VALUE_PROTO;
}
