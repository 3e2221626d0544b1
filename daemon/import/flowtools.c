/* flowtools.c - files of flow-tools: every record format, both byte orders, zlib.
 * SPDX-License-Identifier: ISC
 *
 *   0  2  magic cf 10   2  1  1 little-endian, 2 big-endian   3  1  stream version, 3
 *   4  4  octets before the first record
 *   8     type (2), length (2), value, again and again; of interest: 2 NetFlow version,
 *         4 aggregation of version 8, 8 flags (2: compressed), 10 number of flows,
 *         17 interface name: address (4), ifIndex (2), text
 *
 * then records of one size, or one zlib stream of them. A record begins with the time of
 * its datagram (seconds, nanoseconds), the router's uptime and its address; first and last
 * are uptimes in milliseconds modulo 2^32. The rest stands in the tables below.
 *
 * Source of the facts: ftlib.h of flow-tools 0.68. In aggregations 3, 11 and 12 address
 * and uptime have changed places there; so they have here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "daemon/base/mem.h"
#include "daemon/import/source.h"

enum { HEAD = 8, HEAD_MAX = 1 << 20, ZBUF = 256 << 10,
       TLV_VERSION = 2, TLV_METHOD = 4, TLV_FLAGS = 8, TLV_COUNT = 10, TLV_IF_NAME = 17,
       FLAG_COMPRESS = 2, ICMP = 1, UPTIME = 128, FIRST, LAST, ENGINE };

struct column {
	uint8_t what; /* enum field, or one of the above */
	uint8_t at, octets;
};

struct format {
	uint16_t version, method;
	uint8_t octets; /* of a record */
	const struct column *columns;
};

#define END { 0, 0, 0 }
#define TIMES(at) { FIRST, at, 4 }, { LAST, (at) + 4, 4 }
#define FROM { UPTIME, 8, 4 }, { F_exporter, 12, 4 }
#define SWAPPED { F_exporter, 8, 4 }, { UPTIME, 12, 4 }
#define COUNTED { F_flows, 16, 4 }, { F_packets, 20, 4 }, { F_bytes, 24, 4 }, TIMES(28)
#define PLAIN { F_packets, 16, 4 }, { F_bytes, 20, 4 }, TIMES(24)
#define FULL FROM, { F_src, 16, 4 }, { F_dst, 20, 4 }, { F_next_hop, 24, 4 }, \
	{ F_in_if, 28, 2 }, { F_out_if, 30, 2 }, { F_packets, 32, 4 }, { F_bytes, 36, 4 }, \
	TIMES(40), { F_src_port, 48, 2 }, { F_dst_port, 50, 2 }, { F_proto, 52, 1 }, \
	{ F_tos, 53, 1 }, { F_tcp_flags, 54, 1 }
#define ROUTED FULL, { ENGINE, 56, 2 }, { F_src_mask, 58, 1 }, { F_dst_mask, 59, 1 }, \
	{ F_src_as, 60, 2 }, { F_dst_as, 62, 2 }
#define AS(at) { F_src_as, at, 2 }, { F_dst_as, (at) + 2, 2 }
#define IFS(at) { F_in_if, at, 2 }, { F_out_if, (at) + 2, 2 }
#define PORTS(at) { F_src_port, at, 2 }, { F_dst_port, (at) + 2, 2 }
#define NETS { F_src, 36, 4 }, { F_dst, 40, 4 }

/* clang-format off */
static const struct column v1[] = { FULL, END };
static const struct column v5[] = { ROUTED, END }; /* 6, 7 and 1005 too: what they add we
						      have no column for */
static const struct column as[] = { FROM, COUNTED, AS(36), IFS(40), { ENGINE, 44, 2 }, END };
static const struct column proto_port[] = { FROM, COUNTED, { F_proto, 36, 1 }, PORTS(40),
	{ ENGINE, 44, 2 }, END };
static const struct column src[] = { SWAPPED, COUNTED, { F_src, 36, 4 }, { F_src_mask, 40, 1 },
	{ F_src_as, 42, 2 }, { F_in_if, 44, 2 }, { ENGINE, 46, 2 }, END };
static const struct column dst[] = { FROM, COUNTED, { F_dst, 36, 4 }, { F_dst_mask, 40, 1 },
	{ ENGINE, 42, 2 }, { F_dst_as, 44, 2 }, { F_out_if, 46, 2 }, END };
static const struct column nets[] = { FROM, COUNTED, NETS, { F_dst_mask, 44, 1 },
	{ F_src_mask, 45, 1 }, { ENGINE, 46, 2 }, AS(48), IFS(52), END };
static const struct column host[] = { FROM, PLAIN, { F_dst, 32, 4 }, { F_out_if, 44, 2 },
	{ F_tos, 48, 1 }, { ENGINE, 50, 2 }, END };
static const struct column hosts[] = { FROM, PLAIN, { F_dst, 32, 4 }, { F_src, 36, 4 },
	{ F_out_if, 48, 2 }, { F_in_if, 50, 2 }, { F_tos, 52, 1 }, { ENGINE, 54, 2 }, END };
static const struct column flow[] = { FROM, PLAIN, { F_dst, 32, 4 }, { F_src, 36, 4 },
	{ F_dst_port, 48, 2 }, { F_src_port, 50, 2 }, { F_out_if, 52, 2 }, { F_in_if, 54, 2 },
	{ F_tos, 56, 1 }, { ENGINE, 58, 2 }, { F_proto, 60, 1 }, END };
static const struct column as_tos[] = { FROM, COUNTED, AS(36), IFS(40), { ENGINE, 44, 2 },
	{ F_tos, 46, 1 }, END };
static const struct column port_tos[] = { FROM, COUNTED, PORTS(36), IFS(40),
	{ ENGINE, 44, 2 }, { F_proto, 46, 1 }, { F_tos, 47, 1 }, END };
static const struct column src_tos[] = { SWAPPED, COUNTED, { F_src, 36, 4 },
	{ F_src_mask, 40, 1 }, { F_tos, 41, 1 }, { F_src_as, 42, 2 }, { F_in_if, 44, 2 },
	{ ENGINE, 46, 2 }, END };
static const struct column dst_tos[] = { SWAPPED, COUNTED, { F_dst, 36, 4 }, { F_out_if, 40, 2 },
	{ F_dst_as, 42, 2 }, { F_dst_mask, 44, 1 }, { F_tos, 45, 1 }, { ENGINE, 46, 2 }, END };
static const struct column nets_tos[] = { FROM, COUNTED, NETS, AS(44), IFS(48),
	{ F_dst_mask, 52, 1 }, { F_src_mask, 53, 1 }, { ENGINE, 54, 2 }, { F_tos, 56, 1 }, END };
static const struct column nets_port[] = { FROM, COUNTED, NETS, PORTS(44), IFS(48),
	{ F_dst_mask, 52, 1 }, { F_src_mask, 53, 1 }, { ENGINE, 54, 2 }, { F_tos, 56, 1 },
	{ F_proto, 57, 1 }, END };

static const struct format formats[] = {
	{ 1, 0, 60, v1 }, { 5, 0, 64, v5 }, { 6, 0, 72, v5 }, { 7, 0, 68, v5 },
	{ 1005, 0, 72, v5 },
	{ 8, 1, 48, as }, { 8, 2, 48, proto_port }, { 8, 3, 48, src }, { 8, 4, 48, dst },
	{ 8, 5, 56, nets }, { 8, 6, 52, host }, { 8, 7, 56, hosts }, { 8, 8, 64, flow },
	{ 8, 9, 48, as_tos }, { 8, 10, 48, port_tos }, { 8, 11, 48, src_tos },
	{ 8, 12, 48, dst_tos }, { 8, 13, 60, nets_tos }, { 8, 14, 60, nets_port },
};
/* clang-format on */

struct flowtools {
	struct feed *feed;
	struct rows *rows;
	bool big;
	uint16_t version, method;
	uint32_t flags;
	const struct format *format;
};

static bool is(const uint8_t *head, size_t n)
{
	return n >= 4 && head[0] == 0xcf && head[1] == 0x10 && head[2] >= 1 && head[2] <= 2;
}

static uint32_t u(const struct flowtools *t, const uint8_t *p, unsigned n)
{
	return (uint32_t)octets_u(p, n, t->big);
}

static void interface_name(struct flowtools *t, const uint8_t *p, size_t len)
{
	struct addr a;
	char name[NAME_LEN];
	uint32_t exporter;

	if (len < 7)
		return;
	a = addr_of_u32(u(t, p, 4));
	exporter = rows_exporter(t->rows, &a);
	snprintf(name, sizeof(name), "%.*s", (int)strnlen((const char *)p + 6, len - 6), p + 6);
	if (exporter)
		names_interface_set(t->rows->names, exporter - 1, u(t, p + 4, 2), name, 0,
				    TOLD_EXPORTER);
}

static void header_field(struct flowtools *t, unsigned type, const uint8_t *p, size_t len)
{
	if (type == TLV_VERSION && len >= 2)
		t->version = (uint16_t)u(t, p, 2);
	else if (type == TLV_METHOD && len >= 1)
		t->method = p[0];
	else if (type == TLV_FLAGS && len >= 4)
		t->flags = u(t, p, 4);
	else if (type == TLV_COUNT && len >= 4)
		t->rows->flows = u(t, p, 4);
	else if (type == TLV_IF_NAME)
		interface_name(t, p, len);
}

static bool header(struct flowtools *t, struct err *err)
{
	const uint8_t *p = feed_want(t->feed, HEAD);
	uint32_t octets;

	if (!p)
		return err_set(err, "the file ends inside its header");
	t->big = p[2] == 2;
	octets = u(t, p + 4, 4);
	if (p[3] != 3)
		return err_set(err, "stream version %u of flow-tools is not known; let "
				    "flow-cat of flow-tools 0.5 or later write it anew", p[3]);
	if (octets < HEAD || octets > HEAD_MAX)
		return err_set(err, "its header has an impossible length");
	p = feed_get(t->feed, octets);
	if (!p)
		return err_set(err, "the file ends inside its header");
	for (size_t at = HEAD; at + 4 <= octets;) {
		unsigned type = u(t, p + at, 2);
		size_t len = u(t, p + at + 2, 2);

		if (len > octets - at - 4)
			return err_set(err, "a field of its header has an impossible "
					    "length");
		header_field(t, type, p + at + 4, len);
		at += 4 + len;
	}
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (formats[i].version == t->version &&
		    (t->version != 8 || formats[i].method == t->method))
			t->format = &formats[i];
	return t->format || err_set(err, "NetFlow version %u, aggregation %u is not known",
				    t->version, t->method);
}

static void put(struct block *b, uint32_t row, enum field f, uint32_t v)
{
	void *cell = block_cell(b, f, row);

	block_use(b, f);
	switch (field_info[f].kind) {
	case KIND_U8: *(uint8_t *)cell = (uint8_t)v; break;
	case KIND_U16: *(uint16_t *)cell = (uint16_t)v; break;
	case KIND_U32: *(uint32_t *)cell = v; break;
	case KIND_U64: *(uint64_t *)cell = v; break;
	case KIND_ADDR: *(struct addr *)cell = addr_of_u32(v); break;
	default: break;
	}
}

static bool record(struct flowtools *t, const uint8_t *p, struct err *err)
{
	int64_t sent = (int64_t)u(t, p, 4) * 1000 + u(t, p + 4, 4) / 1000000;
	uint32_t row, uptime = 0;
	struct block *b;

	if (!rows_new(t->rows, &row, err))
		return false;
	b = t->rows->block;
	ROW(b, row, received_ms, sent);
	for (const struct column *c = t->format->columns; c->octets; c++) {
		uint32_t v = u(t, p + c->at, c->octets);
		struct addr a;

		switch (c->what) {
		case UPTIME: uptime = v; break;
		case FIRST: ROW(b, row, start_ms, sent + (int32_t)(v - uptime)); break;
		case LAST: ROW(b, row, end_ms, sent + (int32_t)(v - uptime)); break;
		case ENGINE:
			ROW(b, row, domain, (uint32_t)p[c->at] << 8 | p[c->at + 1]);
			break;
		case F_exporter:
			a = addr_of_u32(v);
			ROW(b, row, exporter, v ? rows_exporter(t->rows, &a) : 0);
			break;
		default: put(b, row, (enum field)c->what, v); break;
		}
	}
	if (b->proto[row] == ICMP) {
		ROW(b, row, icmp, b->dst_port[row]);
		b->dst_port[row] = 0;
	}
	return true;
}

static bool plain(struct flowtools *t, struct err *err)
{
	const uint8_t *p;
	size_t n = t->format->octets;

	while ((p = feed_get(t->feed, n)))
		if (!record(t, p, err))
			return false;
	if (feed_some(t->feed, &p))
		return err_set(err, "the file ends inside a record");
	return true;
}

/* Records out of what was inflated; what is left of one moves to the front. */
static bool inflated(struct flowtools *t, uint8_t *buf, size_t *len, struct err *err)
{
	size_t n = t->format->octets, at = 0;

	for (; *len - at >= n; at += n)
		if (!record(t, buf + at, err))
			return false;
	*len -= at;
	memmove(buf, buf + at, *len);
	return true;
}

static bool inflate_all(struct flowtools *t, z_stream *z, uint8_t *buf, struct err *err)
{
	size_t len = 0;
	int got = Z_OK;

	while (got != Z_STREAM_END) {
		const uint8_t *p;
		size_t n = feed_some(t->feed, &p);

		if (!n)
			return err_set(err, "the file ends inside its zlib stream");
		z->next_in = (Bytef *)p;
		z->avail_in = (uInt)n;
		do {
			z->next_out = buf + len;
			z->avail_out = (uInt)(ZBUF - len);
			got = inflate(z, Z_NO_FLUSH);
			if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
				return err_set(err, "its zlib stream is broken: %s",
					       z->msg ? z->msg : "no reason told");
			len = ZBUF - z->avail_out;
			if (!inflated(t, buf, &len, err))
				return false;
		} while (got == Z_OK && !z->avail_out);
		feed_take(t->feed, n - z->avail_in);
		if (got == Z_BUF_ERROR && z->avail_in)
			return err_set(err, "its zlib stream is broken");
	}
	return !len || err_set(err, "the file ends inside a record");
}

static bool compressed(struct flowtools *t, struct err *err)
{
	uint8_t *buf = xcalloc(1, ZBUF);
	z_stream z = { 0 };
	bool ok;

	if (inflateInit(&z) != Z_OK) {
		free(buf);
		return err_set(err, "zlib does not work here");
	}
	ok = inflate_all(t, &z, buf, err);
	inflateEnd(&z);
	free(buf);
	return ok;
}

static bool read_file(struct feed *f, struct rows *r, struct err *err)
{
	struct flowtools t = { .feed = f, .rows = r };

	if (!header(&t, err) ||
	    !(t.flags & FLAG_COMPRESS ? compressed : plain)(&t, err))
		return false;
	if (f->error)
		return err_set(err, "%s", strerror(f->error));
	r->told = r->flows != 0;
	return rows_flush(r, err);
}

const struct source source_flowtools = { "flow-tools file", is, read_file };
