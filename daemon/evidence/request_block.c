/* request_block.c - requests as octets: one block of a request file.
 * SPDX-License-Identifier: ISC
 *
 * Column by column, so that zstd finds the same hosts, sites and ports beside each
 * other; addresses once, then their numbers. contrib/archive-format.md has it octet by
 * octet. What is read is checked as if it came from outside: a file may be damaged in
 * any way that its checksums do not see.
 */
#include "daemon/evidence/request_block.h"

#include "daemon/base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

enum { MAGIC = 0x524c5543, VERSION = 1, LEVEL = 3, CACHED = 1, URL_MAX = REQUEST_URL - 1 };

static const int64_t time_max = INT64_C(1) << 52;

/* --- writing --- */

struct numbering {
	struct map map; /* struct addr -> uint32_t */
	struct out list;
};

static uint32_t number_of(struct numbering *m, const struct addr *a)
{
	bool fresh;
	uint32_t *v = map_put(&m->map, a->b, &fresh);

	if (fresh) {
		*v = m->map.n - 1;
		out_bytes(&m->list, a->b, sizeof(a->b));
	}
	return *v;
}

static void write_addrs(const struct request *rows, size_t n, struct out *o)
{
	struct numbering m = { .list = { 0 } };
	struct out numbers = { 0 };

	map_init(&m.map, sizeof(struct addr), sizeof(uint32_t), 3 * REQUEST_ROWS);
	for (size_t i = 0; i < n; i++)
		out_varint(&numbers, number_of(&m, &rows[i].client));
	for (size_t i = 0; i < n; i++)
		out_varint(&numbers, number_of(&m, &rows[i].proxy));
	for (size_t i = 0; i < n; i++)
		out_varint(&numbers, number_of(&m, &rows[i].origin));
	out_varint(o, m.map.n);
	out_bytes(o, m.list.p, m.list.len);
	out_bytes(o, numbers.p, numbers.len);
	map_fini(&m.map);
	free(m.list.p);
	free(numbers.p);
}

static void write_rows(const struct request *rows, size_t n, int64_t start_ms,
		       struct out *o)
{
	write_addrs(rows, n, o);
	for (size_t i = 0; i < n; i++)
		out_u8(o, rows[i].cached ? CACHED : 0);
	for (size_t i = 0; i < n; i++)
		out_varint(o, (uint64_t)(rows[i].start_ms - start_ms));
	for (size_t i = 0; i < n; i++)
		out_varint(o, (uint64_t)(rows[i].end_ms - rows[i].start_ms));
	for (size_t i = 0; i < n; i++)
		out_u16(o, rows[i].client_port);
	for (size_t i = 0; i < n; i++)
		out_u16(o, rows[i].proxy_port);
	for (size_t i = 0; i < n; i++)
		out_u16(o, rows[i].origin_port);
	for (size_t i = 0; i < n; i++)
		out_varint(o, rows[i].received);
	for (size_t i = 0; i < n; i++)
		out_varint(o, rows[i].sent);
	for (size_t i = 0; i < n; i++)
		out_text(o, rows[i].url);
}

static void write_header(const struct request_header *h, uint8_t *p)
{
	put_le(p, MAGIC, 4);
	put_le(p + 4, h->type, 1);
	put_le(p + 5, VERSION, 1);
	put_le(p + 6, 0, 2);
	put_le(p + 8, h->rows, 4);
	put_le(p + 12, h->packed, 4);
	put_le(p + 16, h->unpacked, 4);
	put_le(p + 20, 0, 4);
	put_le(p + 24, (uint64_t)h->start_ms, 8);
	put_le(p + 32, (uint64_t)h->end_ms, 8);
	put_le(p + 40, h->body_check, 8);
	put_le(p + 48, XXH3_64bits(p, 48), 8);
}

void request_block_write(const struct request *rows, size_t n, struct out *out,
			 struct request_header *told)
{
	struct request_header h = { .type = REQUEST_BLOCK, .rows = (uint32_t)n,
				    .start_ms = rows[0].start_ms,
				    .end_ms = rows[0].end_ms };
	struct out raw = { 0 };
	size_t at = out->len, bound, packed;

	assert(n && n <= REQUEST_ROWS);
	for (size_t i = 1; i < n; i++) {
		if (rows[i].start_ms < h.start_ms)
			h.start_ms = rows[i].start_ms;
		if (rows[i].end_ms > h.end_ms)
			h.end_ms = rows[i].end_ms;
	}
	write_rows(rows, n, h.start_ms, &raw);
	bound = ZSTD_compressBound(raw.len);
	out_room(out, REQUEST_HEADER + bound);
	packed = ZSTD_compress(out->p + at + REQUEST_HEADER, bound, raw.p, raw.len, LEVEL);
	assert(!ZSTD_isError(packed)); /* there is room for it */
	h.packed = (uint32_t)packed;
	h.unpacked = (uint32_t)raw.len;
	h.body_check = XXH3_64bits(out->p + at + REQUEST_HEADER, packed);
	write_header(&h, out->p + at);
	out->len = at + REQUEST_HEADER + packed;
	free(raw.p);
	if (told)
		*told = h;
}

void request_end_write(int64_t start_ms, int64_t end_ms, uint32_t rows, struct out *out)
{
	struct request_header h = { .type = REQUEST_END, .rows = rows,
				    .start_ms = start_ms, .end_ms = end_ms };

	write_header(&h, out_room(out, REQUEST_HEADER));
	out->len += REQUEST_HEADER;
}

/* --- reading --- */

bool request_header_read(const uint8_t p[static REQUEST_HEADER], struct request_header *h)
{
	struct in r = in_over(p, REQUEST_HEADER);
	uint32_t magic = in_u32(&r);
	uint8_t type = in_u8(&r), version = in_u8(&r);

	in_u16(&r);
	*h = (struct request_header){ .type = type };
	h->rows = in_u32(&r);
	h->packed = in_u32(&r);
	h->unpacked = in_u32(&r);
	in_u32(&r);
	h->start_ms = (int64_t)in_u64(&r);
	h->end_ms = (int64_t)in_u64(&r);
	h->body_check = in_u64(&r);
	if (magic != MAGIC || version != VERSION || in_u64(&r) != XXH3_64bits(p, 48) ||
	    h->start_ms < -time_max || h->end_ms > time_max || h->end_ms < h->start_ms)
		return false;
	if (type == REQUEST_END)
		return !h->packed;
	return type == REQUEST_BLOCK && h->rows && h->rows <= REQUEST_ROWS &&
	       h->packed <= REQUEST_BODY_MAX && h->unpacked <= REQUEST_BODY_MAX;
}

static struct addr addr_numbered(struct in *r, const uint8_t *list, uint64_t n)
{
	struct addr a = { { 0 } };
	uint64_t i = in_varint(r);

	if (i < n)
		memcpy(a.b, list + 16 * i, sizeof(a.b));
	else
		r->bad = true;
	return a;
}

static bool read_columns(struct in *r, struct request *rows, uint32_t n, int64_t start_ms)
{
	uint64_t addrs = in_varint(r), v;
	const uint8_t *list = addrs <= in_left(r) / 16 ? in_bytes(r, addrs * 16) : NULL;

	r->bad |= !list;
	for (uint32_t i = 0; i < n && !r->bad; i++)
		rows[i].client = addr_numbered(r, list, addrs);
	for (uint32_t i = 0; i < n && !r->bad; i++)
		rows[i].proxy = addr_numbered(r, list, addrs);
	for (uint32_t i = 0; i < n && !r->bad; i++)
		rows[i].origin = addr_numbered(r, list, addrs);
	for (uint32_t i = 0; i < n; i++)
		rows[i].cached = in_u8(r) & CACHED;
	for (uint32_t i = 0; i < n; i++) {
		v = in_varint(r);
		r->bad |= v > (uint64_t)time_max;
		rows[i].start_ms = r->bad ? 0 : start_ms + (int64_t)v;
	}
	for (uint32_t i = 0; i < n; i++) {
		v = in_varint(r);
		r->bad |= v > (uint64_t)time_max;
		rows[i].end_ms = r->bad ? 0 : rows[i].start_ms + (int64_t)v;
	}
	for (uint32_t i = 0; i < n; i++)
		rows[i].client_port = in_u16(r);
	for (uint32_t i = 0; i < n; i++)
		rows[i].proxy_port = in_u16(r);
	for (uint32_t i = 0; i < n; i++)
		rows[i].origin_port = in_u16(r);
	for (uint32_t i = 0; i < n; i++)
		rows[i].received = in_varint(r);
	for (uint32_t i = 0; i < n; i++)
		rows[i].sent = in_varint(r);
	return !r->bad;
}

bool request_body_read(const struct request_header *h, const uint8_t *body, request_f *fn,
		       void *arg)
{
	uint8_t *raw = xcalloc(1, h->unpacked + 1);
	struct request *rows = xcalloc(h->rows + 1, sizeof(*rows));
	struct in r = in_over(raw, h->unpacked);
	char url[REQUEST_URL];
	bool ok = XXH3_64bits(body, h->packed) == h->body_check &&
		  ZSTD_decompress(raw, h->unpacked, body, h->packed) == h->unpacked &&
		  read_columns(&r, rows, h->rows, h->start_ms);

	for (uint32_t i = 0; ok && i < h->rows; i++) {
		in_text(&r, url, sizeof(url));
		if (r.bad || !*url) {
			ok = false;
			break;
		}
		rows[i].url = url;
		if (!fn(arg, &rows[i]))
			break;
	}
	free(rows);
	free(raw);
	return ok;
}
