/* series.c - the names of series, keys and measures.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/model/series.h"

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const struct {
	const char *word;
	uint8_t octets, keys;
} bys[BY_COUNT] = {
#define BY(e, word, octets, keys) [e] = { word, octets, keys },
#include "daemon/model/by.def"
#undef BY
};

int by_find(const char *word)
{
	for (int i = 0; i < BY_COUNT; i++)
		if (!strcmp(bys[i].word, word))
			return i;
	return -1;
}

const char *by_word(enum by by) { return bys[by].word; }
size_t by_octets(enum by by) { return bys[by].octets; }
unsigned by_keys(enum by by) { return bys[by].keys; }

bool by_is_small(enum by by)
{
	return by == BY_NONE || by == BY_EXPORTER || by == BY_INTERFACE || by == BY_NETWORK;
}

static uint32_t get32(const struct key *k, unsigned at)
{
	uint32_t v;

	memcpy(&v, k->b + at * 4, sizeof(v));
	return v;
}

static void put32(struct key *k, unsigned at, uint32_t v)
{
	memcpy(k->b + at * 4, &v, sizeof(v));
}

static struct addr get_addr(const struct key *k, unsigned at)
{
	struct addr a;

	memcpy(a.b, k->b + at * 16, sizeof(a.b));
	return a;
}

static const char *const way[] = { "in", "out" };

/* Names of protocols and services from the system's own lists; no network is asked. */
static void proto_text(unsigned proto, char *buf, size_t len)
{
	struct protoent p, *found = NULL;
	char tmp[1024];

	if (!getprotobynumber_r((int)proto, &p, tmp, sizeof(tmp), &found) && found)
		snprintf(buf, len, "%s", found->p_name);
	else
		snprintf(buf, len, "protocol %u", proto);
}

static void service_text(unsigned proto, unsigned port, char *buf, size_t len)
{
	struct servent s, *found = NULL;
	char tmp[1024], name[64];

	proto_text(proto, name, sizeof(name));
	if (!getservbyport_r((int)((port & 0xff) << 8 | port >> 8), name, &s, tmp,
			     sizeof(tmp), &found) && found)
		snprintf(buf, len, "%s (%s %u)", found->s_name, name, port);
	else
		snprintf(buf, len, "%s %u", name, port);
}

static void exporter_text(const struct names *n, uint32_t id, char *buf, size_t len)
{
	const struct exporter *e = n ? names_exporter_at(n, id) : NULL;

	if (e)
		snprintf(buf, len, "%s", e->name);
	else
		snprintf(buf, len, "exporter %" PRIu32, id);
}

const char *key_text(enum by by, const struct key *k, const struct names *n,
		     char buf[static SERIES_TEXT])
{
	char a[ADDR_TEXT], b[ADDR_TEXT], name[NAME_LEN];
	struct addr x = get_addr(k, 0), y = get_addr(k, 1);
	struct interface i;
	uint64_t app;

	switch (by) {
	case BY_NONE: snprintf(buf, SERIES_TEXT, "all traffic"); break;
	case BY_EXPORTER: exporter_text(n, get32(k, 0), buf, SERIES_TEXT); break;
	case BY_INTERFACE:
		names_interface(n, get32(k, 0), get32(k, 1), &i);
		exporter_text(n, get32(k, 0), name, sizeof(name));
		if (*i.name)
			snprintf(buf, SERIES_TEXT, "%s %s %s", name, i.name,
				 way[get32(k, 2) & 1]);
		else
			snprintf(buf, SERIES_TEXT, "%s interface %" PRIu32 " %s", name,
				 i.index, way[get32(k, 2) & 1]);
		break;
	case BY_SRC:
	case BY_DST:
	case BY_HOST: snprintf(buf, SERIES_TEXT, "%s", addr_text(&x, a)); break;
	case BY_NETWORK:
		snprintf(buf, SERIES_TEXT, "network %s %s",
			 names_network_name(n, (int)get32(k, 0)), way[get32(k, 1) & 1]);
		break;
	case BY_SRC_AS:
	case BY_DST_AS:
	case BY_AS: snprintf(buf, SERIES_TEXT, "AS%" PRIu32, get32(k, 0)); break;
	case BY_SRC_PORT:
	case BY_DST_PORT: snprintf(buf, SERIES_TEXT, "port %" PRIu32, get32(k, 0)); break;
	case BY_PORT:
		service_text(get32(k, 0) >> 16, get32(k, 0) & 0xffff, buf, SERIES_TEXT);
		break;
	case BY_PROTO: proto_text(get32(k, 0), buf, SERIES_TEXT); break;
	case BY_PAIR:
		snprintf(buf, SERIES_TEXT, "%s to %s", addr_text(&x, a), addr_text(&y, b));
		break;
	case BY_VLAN: snprintf(buf, SERIES_TEXT, "VLAN %" PRIu32, get32(k, 0)); break;
	case BY_APP:
		memcpy(&app, k->b, sizeof(app));
		snprintf(buf, SERIES_TEXT, "application %" PRIu64 ":%" PRIu64, app >> 56,
			 app & ((UINT64_C(1) << 56) - 1));
		break;
	case BY_COUNT: *buf = '\0'; break;
	}
	return buf;
}

/* An exporter in stable text: its address, with the port where it has one. */
static void exporter_id(const struct names *n, uint32_t id, char *buf, size_t len)
{
	const struct exporter *e = names_exporter_at(n, id);
	char a[ADDR_TEXT];

	if (!e)
		snprintf(buf, len, "?%" PRIu32, id);
	else if (e->port)
		snprintf(buf, len, "[%s]:%u", addr_text(&e->addr, a), e->port);
	else
		snprintf(buf, len, "%s", addr_text(&e->addr, a));
}

const char *key_id(enum by by, const struct key *k, const struct names *n,
		   char buf[static SERIES_TEXT])
{
	char a[ADDR_TEXT], b[ADDR_TEXT], ex[ADDR_TEXT + 10];
	struct addr x = get_addr(k, 0), y = get_addr(k, 1);
	struct interface i;
	uint64_t app;
	int at = snprintf(buf, SERIES_TEXT, "%s", by_word(by));
	size_t left = SERIES_TEXT - (size_t)at;

	buf += at;
	switch (by) {
	case BY_NONE: break;
	case BY_EXPORTER:
		exporter_id(n, get32(k, 0), ex, sizeof(ex));
		snprintf(buf, left, "=%s", ex);
		break;
	case BY_INTERFACE:
		names_interface(n, get32(k, 0), get32(k, 1), &i);
		exporter_id(n, get32(k, 0), ex, sizeof(ex));
		if (*i.name)
			snprintf(buf, left, "=%s/%s/%s", ex, i.name, way[get32(k, 2) & 1]);
		else
			snprintf(buf, left, "=%s/#%" PRIu32 "/%s", ex, i.index,
				 way[get32(k, 2) & 1]);
		break;
	case BY_NETWORK:
		snprintf(buf, left, "=%s/%s", names_network_name(n, (int)get32(k, 0)),
			 way[get32(k, 1) & 1]);
		break;
	case BY_SRC:
	case BY_DST:
	case BY_HOST: snprintf(buf, left, "=%s", addr_text(&x, a)); break;
	case BY_PAIR:
		snprintf(buf, left, "=%s,%s", addr_text(&x, a), addr_text(&y, b));
		break;
	case BY_PORT:
		snprintf(buf, left, "=%" PRIu32 "/%" PRIu32, get32(k, 0) >> 16,
			 get32(k, 0) & 0xffff);
		break;
	case BY_APP:
		memcpy(&app, k->b, sizeof(app));
		snprintf(buf, left, "=%" PRIu64, app);
		break;
	case BY_SRC_AS:
	case BY_DST_AS:
	case BY_AS:
	case BY_SRC_PORT:
	case BY_DST_PORT:
	case BY_PROTO:
	case BY_VLAN: snprintf(buf, left, "=%" PRIu32, get32(k, 0)); break;
	case BY_COUNT: break;
	}
	return buf - at;
}

static bool parse_exporter(const char *s, const struct names *n, uint32_t *id)
{
	char host[ADDR_TEXT];
	unsigned port = 0;
	const struct exporter *e;
	struct addr a;

	if (*s == '[' && sscanf(s, "[%45[^]]]:%u", host, &port) == 2)
		s = host;
	if (port > 65535 || !addr_parse(s, &a))
		return false;
	e = names_exporter_find(n, &a, (uint16_t)port);
	if (!e)
		return false;
	*id = e->id;
	return true;
}

static bool parse_interface(char *s, const struct names *n, struct key *k)
{
	char *dir = strrchr(s, '/'), *name = strchr(s, '/');
	uint32_t id;
	uint64_t index;
	int64_t found;

	if (!dir || dir == name)
		return false;
	*dir++ = *name++ = '\0';
	if (!parse_exporter(s, n, &id) || (strcmp(dir, "in") && strcmp(dir, "out")))
		return false;
	if (*name == '#' && parse_u64(name + 1, UINT32_MAX, &index))
		found = (int64_t)index;
	else
		found = names_interface_find(n, id, name);
	put32(k, 0, id);
	put32(k, 1, (uint32_t)found);
	put32(k, 2, !strcmp(dir, "out"));
	return found >= 0;
}

static bool parse_pair(char *s, struct key *k)
{
	char *comma = strchr(s, ',');
	struct addr a, b;

	if (!comma)
		return false;
	*comma = '\0';
	if (!addr_parse(s, &a) || !addr_parse(comma + 1, &b))
		return false;
	memcpy(k->b, a.b, 16);
	memcpy(k->b + 16, b.b, 16);
	return true;
}

static bool parse_network(char *s, const struct names *n, struct key *k)
{
	char *dir = strrchr(s, '/');
	int num;

	if (!dir)
		return false;
	*dir++ = '\0';
	num = names_network_find(n, s);
	put32(k, 0, (uint32_t)num);
	put32(k, 1, !strcmp(dir, "out"));
	return num >= 0 && (!strcmp(dir, "in") || !strcmp(dir, "out"));
}

static bool parse_service(char *s, struct key *k)
{
	char *slash = strchr(s, '/');
	uint64_t proto, port;

	if (!slash)
		return false;
	*slash = '\0';
	if (!parse_u64(s, 255, &proto) || !parse_u64(slash + 1, 65535, &port))
		return false;
	put32(k, 0, (uint32_t)(proto << 16 | port));
	return true;
}

static bool parse_value(enum by by, char *s, const struct names *n, struct key *k)
{
	struct addr a;
	uint32_t id;
	uint64_t v;

	switch (by) {
	case BY_NONE: return !*s;
	case BY_EXPORTER:
		if (!parse_exporter(s, n, &id))
			return false;
		put32(k, 0, id);
		return true;
	case BY_INTERFACE: return parse_interface(s, n, k);
	case BY_NETWORK: return parse_network(s, n, k);
	case BY_PAIR: return parse_pair(s, k);
	case BY_PORT: return parse_service(s, k);
	case BY_SRC:
	case BY_DST:
	case BY_HOST:
		if (!addr_parse(s, &a))
			return false;
		memcpy(k->b, a.b, 16);
		return true;
	case BY_APP:
		if (!parse_u64(s, UINT64_MAX, &v))
			return false;
		memcpy(k->b, &v, sizeof(v));
		return true;
	default:
		if (!parse_u64(s, UINT32_MAX, &v))
			return false;
		put32(k, 0, (uint32_t)v);
		return true;
	}
}

bool key_parse(const char *id, const struct names *n, enum by *by, struct key *k)
{
	char buf[SERIES_TEXT], *eq;
	int found;

	if (strlen(id) >= sizeof(buf))
		return false;
	strcpy(buf, id);
	eq = strchr(buf, '=');
	if (eq)
		*eq++ = '\0';
	found = by_find(buf);
	if (found < 0)
		return false;
	*by = (enum by)found;
	memset(k, 0, sizeof(*k));
	return parse_value(*by, eq ? eq : buf + strlen(buf), n, k);
}

static const struct {
	const char *word, *unit;
	bool rate;
} measures[] = {
	[MEASURE_BITS_S] = { "bits/s", "bit/s", true },
	[MEASURE_BYTES] = { "bytes", "B", false },
	[MEASURE_PACKETS_S] = { "packets/s", "packets/s", true },
	[MEASURE_PACKETS] = { "packets", "packets", false },
	[MEASURE_FLOWS_S] = { "flows/s", "flows/s", true },
	[MEASURE_FLOWS] = { "flows", "flows", false },
	[MEASURE_PEERS] = { "peers", "peers", false },
	[MEASURE_PORTS] = { "ports", "ports", false },
	[MEASURE_ENTROPY] = { "entropy", "bits", false },
	[MEASURE_UTILISATION] = { "utilisation", "ratio", true },
};

bool measure_parse(const char *word, struct measure *out)
{
	char of[32];
	int f, end = 0;

	*out = (struct measure){ 0 };
	if (sscanf(word, "entropy(%31[a-z_])%n", of, &end) == 1 && end && !word[end]) {
		f = field_find(of);
		out->kind = MEASURE_ENTROPY;
		out->of = (enum field)f;
		return f == F_src || f == F_dst || f == F_src_port || f == F_dst_port;
	}
	for (size_t i = 0; i < ARRAY_LEN(measures); i++) {
		if (i == MEASURE_ENTROPY || strcmp(measures[i].word, word))
			continue;
		out->kind = (enum measure_kind)i;
		return true;
	}
	return false;
}

const char *measure_word(const struct measure *m, char buf[static 32])
{
	if (m->kind == MEASURE_ENTROPY)
		snprintf(buf, 32, "entropy(%s)", field_info[m->of].name);
	else
		snprintf(buf, 32, "%s", measures[m->kind].word);
	return buf;
}

const char *measure_unit(const struct measure *m) { return measures[m->kind].unit; }
bool measure_is_rate(const struct measure *m) { return measures[m->kind].rate; }

struct measure measure_compared(const struct measure *m)
{
	switch (m->kind) {
	case MEASURE_UTILISATION: return (struct measure){ .kind = MEASURE_BITS_S };
	case MEASURE_PEERS:
	case MEASURE_PORTS:
	case MEASURE_ENTROPY: return (struct measure){ .kind = MEASURE_FLOWS_S };
	default: return *m;
	}
}

const char *measure_text(const struct measure *m, double value, char *buf)
{
	char n[UNIT_TEXT];

	switch (m->kind) {
	case MEASURE_BITS_S: return text_rate(value, buf);
	case MEASURE_BYTES: return text_bytes(value, buf);
	case MEASURE_UTILISATION:
		snprintf(buf, UNIT_TEXT, value < 9.995 ? "%.3g %%" : "%.0f %%", value * 100);
		break;
	case MEASURE_ENTROPY: snprintf(buf, UNIT_TEXT, "%.2f bits", value); break;
	default:
		snprintf(buf, UNIT_TEXT, "%.24s %s", text_count(value, n), measure_unit(m));
	}
	return buf;
}

void series_fingerprint(const char *rule, const char *id, char out[static 17])
{
	/* Two seeds of our own, fixed for ever: fingerprints are an outside contract. */
	uint64_t h = XXH64(rule, strlen(rule), UINT64_C(0x63756c70726974));

	snprintf(out, 17, "%016" PRIx64, (uint64_t)XXH64(id, strlen(id), h));
}
