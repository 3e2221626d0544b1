/* csv_columns.c - what the columns of flow tables are called.
 * SPDX-License-Identifier: ISC
 *
 * Names are compared by their letters and digits alone, in lower case. Known are those of
 * `culprit export`, nfdump -o csv (short ones, and the long ones of 1.7.4 and later), SiLK's
 * rwcut, and what people write when they make a table themselves. A name that is known to
 * nobody is passed over; which those are is said once for each file.
 */
#include "daemon/import/csv_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/import/source.h"
#include "daemon/model/calendar.h"

enum { NAME_MAX_ = 48 };

static const struct {
	const char *name;
	int what;
} names[] = {
	{ "ts", F_start_ms }, { "firstseen", F_start_ms }, { "stime", F_start_ms },
	{ "starttime", F_start_ms }, { "first", F_start_ms }, { "flowstart", F_start_ms },
	{ "te", F_end_ms }, { "lastseen", F_end_ms }, { "etime", F_end_ms },
	{ "endtime", F_end_ms }, { "last", F_end_ms }, { "flowend", F_end_ms },
	{ "tr", F_received_ms }, { "receivedtime", F_received_ms },
	{ "td", CSV_DURATION }, { "duration", CSV_DURATION }, { "dur", CSV_DURATION },
	{ "sa", F_src }, { "srcaddr", F_src }, { "srcip", F_src }, { "sip", F_src },
	{ "sourceaddress", F_src }, { "sourceip", F_src }, { "srcip4addr", F_src },
	{ "da", F_dst }, { "dstaddr", F_dst }, { "dstip", F_dst }, { "dip", F_dst },
	{ "destinationaddress", F_dst }, { "destinationip", F_dst },
	{ "sp", F_src_port }, { "sport", F_src_port }, { "sourceport", F_src_port },
	{ "dp", F_dst_port }, { "dport", F_dst_port }, { "destinationport", F_dst_port },
	{ "pr", F_proto }, { "pro", F_proto }, { "protocol", F_proto }, { "prot", F_proto },
	{ "flg", F_tcp_flags }, { "flags", F_tcp_flags }, { "tcpflags", F_tcp_flags },
	{ "ipkt", F_packets }, { "pkts", F_packets }, { "inpackets", F_packets },
	{ "dpkts", F_packets }, { "pkt", F_packets },
	{ "ibyt", F_bytes }, { "octets", F_bytes }, { "inbytes", F_bytes },
	{ "doctets", F_bytes }, { "byt", F_bytes },
	{ "fl", F_flows }, { "flow", F_flows },
	{ "stos", F_tos }, { "srctos", F_tos },
	{ "in", F_in_if }, { "input", F_in_if }, { "insnmp", F_in_if },
	{ "out", F_out_if }, { "output", F_out_if }, { "outsnmp", F_out_if },
	{ "sas", F_src_as }, { "srcas", F_src_as }, { "das", F_dst_as },
	{ "smk", F_src_mask }, { "dmk", F_dst_mask },
	{ "nh", F_next_hop }, { "nhip", F_next_hop }, { "ipnexthop", F_next_hop },
	{ "nhb", F_bgp_next_hop }, { "bgpnexthop", F_bgp_next_hop },
	{ "svln", F_vlan }, { "dvln", F_out_vlan }, { "srcvlan", F_vlan },
	{ "dstvlan", F_out_vlan },
	{ "ismc", F_src_mac }, { "odmc", F_dst_mac }, { "insrcmac", F_src_mac },
	{ "outdstmac", F_dst_mac },
	{ "mpls1", F_mpls1 }, { "mpls2", F_mpls2 }, { "mpls3", F_mpls3 },
	{ "ra", F_exporter }, { "router", F_exporter }, { "sensor", CSV_PASS },
	{ "ipexporter", F_exporter }, { "exporterip", F_exporter },
	{ "eng", CSV_ENGINE },
	{ "itype", CSV_ICMP_TYPE }, { "icmptype", CSV_ICMP_TYPE },
	{ "icode", CSV_ICMP_CODE }, { "icmpcode", CSV_ICMP_CODE },
	{ "via", CSV_PASS }, { "dir", F_direction }, { "notes", CSV_PASS },
	{ "sampling", F_sampling },
};

int csv_column(const char *name, size_t len)
{
	char key[NAME_MAX_], own[NAME_MAX_];
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < sizeof(key); i++)
		if (isalnum((unsigned char)name[i]))
			key[n++] = (char)tolower((unsigned char)name[i]);
	key[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i].name, key))
			return names[i].what;
	for (int f = 0; f < FIELD_COUNT; f++) {
		size_t m = 0, full = strlen(field_info[f].name);

		if (field_info[f].kind == KIND_TIME)
			full -= 3; /* "start" for start_ms */
		for (size_t i = 0; i < full; i++)
			if (field_info[f].name[i] != '_')
				own[m++] = field_info[f].name[i];
		own[m] = '\0';
		if (!strcmp(own, key))
			return f;
	}
	return -1;
}

/* ---- cells ---- */

static bool number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;
	double d;

	if (parse_u64(s, max, out))
		return true;
	if (!strncmp(s, "0x", 2)) {
		*out = strtoull(s, &end, 16);
		return !*end && *out <= max;
	}
	d = strtod(s, &end); /* "1500.0", "1.2e3": scaled by somebody */
	if (*end || end == s || d < 0 || d > (double)max || d >= 0x1p64)
		return false;
	*out = (uint64_t)(d + 0.5);
	return true;
}

/* "0.123456", in any unit of a second's decimals. */
static int64_t fraction_ms(const char **s)
{
	int64_t ms = 0, unit = 100;

	if (**s != '.' && **s != ',')
		return 0;
	for (++*s; isdigit((unsigned char)**s); ++*s, unit /= 10)
		ms += (**s - '0') * unit;
	return ms;
}

/* Z, +01:00, +0100; without one the time is local. */
static bool zone(const char *s, int64_t *off_s, bool *local)
{
	unsigned h, m = 0;
	char sign;

	*off_s = 0;
	*local = !*s;
	if (!*s || !strcmp(s, "Z") || !strcmp(s, "UTC") || !strcmp(s, " UTC"))
		return true;
	if (sscanf(s, "%c%2u:%2u", &sign, &h, &m) < 2 &&
	    sscanf(s, "%c%2u%2u", &sign, &h, &m) < 2)
		return false;
	*off_s = (int64_t)(h * 3600 + m * 60) * (sign == '-' ? -1 : 1);
	return (sign == '+' || sign == '-') && h < 24 && m < 60;
}

/* "2026-11-23 10:35:00.123", "2009/02/12T00:00:00", Unix time in s or ms. */
static bool time_ms(const struct rows *r, const char *s, int64_t *out)
{
	int y, mo, d, h, mi, sec, n = 0;
	int64_t unix_s, ms, off_s;
	uint64_t plain;
	bool local;

	if (sscanf(s, "%4d%*[-/]%2d%*[-/]%2d%*[T ]%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &sec,
		   &n) == 6 && n) {
		if (y < 1970 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 ||
		    mi < 0 || mi > 59 || sec < 0 || sec > 60)
			return false;
		s += n;
		ms = fraction_ms(&s);
		if (!zone(s, &off_s, &local))
			return false;
		if (local && r->calendar) {
			unix_s = calendar_unix(r->calendar, y, mo, d, h, mi, sec);
		} else {
			struct tm tm = { .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d,
					 .tm_hour = h, .tm_min = mi, .tm_sec = sec };

			unix_s = (int64_t)timegm(&tm) - off_s;
		}
		*out = unix_s * 1000 + ms;
		return true;
	}
	if (strchr(s, '.')) {
		double v = strtod(s, NULL);

		*out = v > 0 && v < 1e11 ? (int64_t)(v * 1000 + 0.5) : 0;
		return *out > 0;
	}
	if (!parse_u64(s, INT64_MAX / 1000, &plain))
		return false;
	*out = (int64_t)(plain < UINT64_C(100000000000) ? plain * 1000 : plain);
	return true;
}

static bool protocol(const char *s, uint64_t *out)
{
	static const struct {
		const char *name;
		uint8_t v;
	} known[] = {
		{ "icmp", 1 }, { "igmp", 2 }, { "ipip", 4 }, { "tcp", 6 }, { "udp", 17 },
		{ "dccp", 33 }, { "ipv6", 41 }, { "6in4", 41 }, { "rsvp", 46 }, { "gre", 47 },
		{ "esp", 50 }, { "ah", 51 }, { "icmp6", 58 }, { "icmpv6", 58 },
		{ "icmp-v6", 58 }, { "eigrp", 88 }, { "ospf", 89 }, { "ipencap", 4 },
		{ "pim", 103 }, { "vrrp", 112 }, { "l2tp", 115 }, { "sctp", 132 },
		{ "udplite", 136 },
	};

	if (parse_u64(s, 255, out))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcasecmp(known[i].name, s)) {
			*out = known[i].v;
			return true;
		}
	return false;
}

/* "AP", "...AP.SF", "FS PA", or a number. */
static bool flags(const char *s, uint64_t *out)
{
	static const char letter[] = "FSRPAUEC";

	if (number(s, 65535, out))
		return true;
	*out = 0;
	for (; *s; s++) {
		const char *at = strchr(letter, toupper((unsigned char)*s));

		if (at)
			*out |= UINT64_C(1) << (at - letter);
		else if (*s != '.' && *s != ' ')
			return false;
	}
	return true;
}

static bool mac(const char *s, uint64_t *out)
{
	unsigned b[6];
	int n = 0;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &n) != 6 || s[n])
		return false;
	*out = 0;
	for (int i = 0; i < 6; i++)
		*out = *out << 8 | b[i];
	return true;
}

static bool exporter(struct rows *r, uint32_t row, const char *s)
{
	struct addr a;

	if (addr_parse(s, &a)) {
		ROW(r->block, row, exporter, rows_exporter(r, &a));
		return true;
	}
	for (uint32_t i = 0; i < names_exporters(r->names); i++)
		if (!strcmp(names_exporter_at(r->names, i)->name, s)) {
			ROW(r->block, row, exporter, i + 1);
			return true;
		}
	return true; /* a name that means nothing here */
}

static bool special(struct rows *r, uint32_t row, int what, const char *s,
		    struct csv_row *more)
{
	struct block *b = r->block;
	unsigned type, id;
	uint64_t v;

	switch (what) {
	case CSV_DURATION:
		more->duration_ms = (int64_t)(strtod(s, NULL) * 1000 + 0.5);
		return more->duration_ms >= 0;
	case CSV_ICMP_TYPE:
	case CSV_ICMP_CODE:
		if (!number(s, 255, &v))
			return false;
		*(what == CSV_ICMP_TYPE ? &more->icmp_type : &more->icmp_code) = (int)v;
		return true;
	case CSV_ENGINE:
		if (sscanf(s, "%u/%u", &type, &id) != 2)
			return false;
		ROW(b, row, domain, (type & 255) << 8 | (id & 255));
		return true;
	case F_icmp:
		if (sscanf(s, "%u/%u", &type, &id) != 2 || type > 255 || id > 255)
			return false;
		ROW(b, row, icmp, (uint16_t)(type << 8 | id));
		return true;
	case F_direction:
		id = !strcmp(s, "egress") || !strcmp(s, "1") || !strcmp(s, "E");
		if (id || !strcmp(s, "ingress"))
			ROW(b, row, direction, id ? DIR_EGRESS : DIR_INGRESS);
		return true;
	case F_app:
		if (sscanf(s, "%u:%llu", &type, (unsigned long long *)&v) != 2)
			return false;
		ROW(b, row, app, (uint64_t)type << 56 | v);
		return true;
	case F_dst_port:
		/* nfdump writes "8.0" (type and code) for ICMP */
		if (sscanf(s, "%u.%u", &type, &id) == 2 && strchr(s, '.')) {
			more->icmp_type = (int)(type & 255);
			more->icmp_code = (int)(id & 255);
			return true;
		}
		break;
	case F_mpls1: case F_mpls2: case F_mpls3: /* label-exp-stack */
		if (sscanf(s, "%llu", (unsigned long long *)&v) != 1)
			return false;
		if (v)
			break;
		return true;
	default: break;
	}
	return false;
}

static bool put_number(struct block *b, uint32_t row, enum field f, uint64_t v)
{
	void *cell = block_cell(b, f, row);

	block_use(b, f);
	switch (field_info[f].kind) {
	case KIND_U8: *(uint8_t *)cell = (uint8_t)v; break;
	case KIND_U16: *(uint16_t *)cell = (uint16_t)v; break;
	case KIND_U32: *(uint32_t *)cell = (uint32_t)v; break;
	default: *(uint64_t *)cell = v; break;
	}
	return true;
}

static uint64_t most(enum field f)
{
	return field_info[f].width == 8 ? UINT64_MAX
					: (UINT64_C(1) << field_info[f].width * 8) - 1;
}

bool csv_cell(struct rows *r, uint32_t row, int what, const char *s, struct csv_row *more)
{
	struct block *b = r->block;
	enum field f = (enum field)what;
	struct addr a;
	uint64_t v;
	int64_t ms;

	if (what == CSV_PASS || !*s || !strcmp(s, "-"))
		return true;
	if (special(r, row, what, s, more))
		return true;
	if (what > CSV_PASS || what == F_icmp || what == F_app)
		return false;
	if (f == F_exporter)
		return exporter(r, row, s);
	if (f == F_proto)
		return protocol(s, &v) && put_number(b, row, f, v);
	if (f == F_tcp_flags)
		return flags(s, &v) && put_number(b, row, f, v);
	switch (field_info[f].kind) {
	case KIND_TIME:
		if (!time_ms(r, s, &ms))
			return false;
		block_use(b, f);
		*(int64_t *)block_cell(b, f, row) = ms;
		more->end_told |= f == F_end_ms;
		return true;
	case KIND_ADDR:
		if (!addr_parse(s, &a))
			return false;
		if (f != F_src && f != F_dst && !memcmp(a.b + 12, "\0\0\0\0", 4) &&
		    addr_is4(&a))
			return true; /* 0.0.0.0 is "not told" */
		block_use(b, f);
		*(struct addr *)block_cell(b, f, row) = a;
		return true;
	case KIND_MAC: return mac(s, &v) && put_number(b, row, f, v);
	case KIND_TEXT:
		block_use(b, f);
		*(uint32_t *)block_cell(b, f, row) = block_text(b, s, strlen(s));
		return true;
	default:
		if (strchr(s, '-')) /* "12-0-1" of MPLS */
			return sscanf(s, "%llu", (unsigned long long *)&v) == 1 &&
			       put_number(b, row, f, v & most(f));
		return number(s, most(f), &v) && put_number(b, row, f, v);
	}
}
