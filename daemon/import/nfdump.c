/* nfdump.c - files of nfcapd and nfdump, both layouts.
 * SPDX-License-Identifier: ISC
 *
 * Layout 1 (nfdump 1.6):                    Layout 2 (1.7):
 *
 *   0   2  magic a50c, order of the rest     0   2  magic
 *   2   2  1                                 2   2  2
 *   4   4  flags: 1 lzo, 8 bz2, 16 lz4       4   4  version of nfdump
 *   8   4  blocks                            8   8  made when
 *   12 128 ident                             16  1  0 none 1 lzo 2 bz2 3 lz4 4 zstd
 *   140    statistics, 136 octets            17  1  0: not encrypted
 *   276    blocks                            18  2  appendix blocks
 *                                            24  8  where they are
 *                                            32  4  block size    36  4  blocks
 *                                            40     blocks, then the appendix
 *
 * A block: records (4), octets that follow the header (4), type (2), flags (2), then
 * records one after another, each a type (2) and its octets (2). In layout 1 a record
 * names a map that lists its extensions; in layout 2 each extension stands behind a
 * header of its own (nfdump_v1.c, nfdump_v2.c). The appendix holds the statistics of
 * layout 2. nfcapd has applied sampling already.
 *
 * A file that is still written has no number of blocks and no statistics yet; it ends
 * where it ends, and one that ends inside a block is refused, so it can be imported when
 * it is whole.
 *
 * Source of the facts: nfdump's headers of 1.6.23, 1.7.1 and 1.7.6.
 */
#include "daemon/import/nfdump.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/import/unpack.h"

enum { HEAD_1 = 276, STAT_1 = 140, HEAD_2 = 40, BLOCK_HEAD = 12, BLOCK_MAX = 32 << 20,
       EXPORTER_LEN = 32, FLAG_PLAIN = 1, FLAG_CRYPT = 2, AF4 = 2, AF6 = 10 };
enum { BLOCK_OLD = 1, BLOCK_V1 = 2, BLOCK_RECORDS = 3, BLOCK_ARRAY = 4 };

static uint16_t u16(const struct nfdump *d, const uint8_t *p)
{
	return (uint16_t)octets_u(p, 2, d->big);
}

static uint32_t u32(const struct nfdump *d, const uint8_t *p)
{
	return (uint32_t)octets_u(p, 4, d->big);
}

static uint64_t u64(const struct nfdump *d, const uint8_t *p)
{
	return octets_u(p, 8, d->big);
}

static bool is(const uint8_t *head, size_t n)
{
	return n >= 4 && ((head[0] == 0x0c && head[1] == 0xa5 && !head[3]) ||
			  (head[0] == 0xa5 && head[1] == 0x0c && !head[2]));
}

static bool broken(const struct nfdump *d, const char *what, struct err *err)
{
	return err_set(err, "%s at octet %llu", what, (unsigned long long)d->feed->at);
}

/* type 2, len 2, version 4, address 16, family 2, id 2, the exporter's own id 4 */
static void exporter(struct nfdump *d, const uint8_t *p, size_t len)
{
	struct addr a = { 0 };

	if (len < EXPORTER_LEN)
		return;
	if (u16(d, p + 24) == AF4)
		a = addr_of_u32(u32(d, p + (d->big ? 20 : 16)));
	else if (u16(d, p + 24) == AF6)
		a = addr_of_u64(u64(d, p + 8), u64(d, p + 16));
	d->exporter[u16(d, p + 26)] = rows_exporter(d->rows, &a);
}

/* numflows, numbytes, numpackets lead both layouts' statistics. */
static void statistics(struct nfdump *d, const uint8_t *p)
{
	d->rows->flows = u64(d, p);
	d->rows->bytes = u64(d, p + 8);
	d->rows->packets = u64(d, p + 16);
	d->rows->told = true;
}

static bool record(struct nfdump *d, const uint8_t *p, size_t len, struct err *err)
{
	switch (u16(d, p)) {
	case NF_COMMON_OLD:
	case NF_COMMON: return nf_common(d, p, len, err);
	case NF_V3: return nf_v3(d, p, len, err);
	case NF_MAP: return nf_map(d, p, len, err);
	case NF_EXPORTER: exporter(d, p, len); break;
	case NF_STAT:
		if (len >= 4 + 24)
			statistics(d, p + 4);
		break;
	case NF_IDENT: break;
	default: d->rows->skipped++; break;
	}
	return true;
}

static bool records(struct nfdump *d, const uint8_t *p, size_t len, uint32_t n,
		    struct err *err)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t size;

		if (len < 4)
			return broken(d, "a block has fewer records than it says", err);
		size = u16(d, p + 2);
		if (size < 4 || size > len)
			return broken(d, "a record has an impossible length", err);
		if (!record(d, p, size, err))
			return false;
		p += size;
		len -= size;
	}
	return true;
}

/* 1: there was one; 0: the end; -1: broken. */
static int block(struct nfdump *d, enum packing packing, struct err *err)
{
	const uint8_t *p;
	size_t there = feed_some(d->feed, &p);
	uint32_t n, len;
	uint16_t type, flags;

	if (!there)
		return 0;
	p = feed_get(d->feed, BLOCK_HEAD);
	if (!p)
		return broken(d, "the file ends inside a block", err) - 1;
	n = u32(d, p);
	len = u32(d, p + 4);
	type = u16(d, p + 8);
	flags = u16(d, p + 10);
	if (len > BLOCK_MAX)
		return broken(d, "a block has an impossible length", err) - 1;
	p = feed_get(d->feed, len);
	if (!p)
		return broken(d, "the file ends inside a block", err) - 1;
	if (type == BLOCK_OLD)
		return err_set(err, "it is of nfdump 1.5; let nfdump 1.6 read and write it "
				    "once (nfdump -r OLD -w NEW)") - 1;
	if (type != BLOCK_V1 && type != BLOCK_RECORDS) {
		d->rows->skipped += n;
		return 1;
	}
	if (packing != PACK_NONE && !(flags & FLAG_PLAIN)) {
		size_t got;

		if (!d->block)
			d->block = xcalloc(1, BLOCK_MAX);
		got = unpack(packing, p, len, d->block, BLOCK_MAX);
		if (!got)
			return broken(d, "a block cannot be unpacked", err) - 1;
		p = d->block;
		len = (uint32_t)got;
	}
	return records(d, p, len, n, err) ? 1 : -1;
}

static bool head_1(struct nfdump *d, enum packing *packing, struct err *err)
{
	const uint8_t *p = feed_get(d->feed, HEAD_1);
	uint32_t flags;

	if (!p)
		return err_set(err, "the file ends inside its header");
	flags = u32(d, p + 4);
	*packing = flags & 1 ? PACK_LZO : flags & 8 ? PACK_BZ2 : flags & 16 ? PACK_LZ4
									     : PACK_NONE;
	statistics(d, p + STAT_1);
	d->rows->told = u32(d, p + 8) != 0;
	return true;
}

static bool head_2(struct nfdump *d, enum packing *packing, struct err *err)
{
	const uint8_t *p = feed_get(d->feed, HEAD_2);

	if (!p)
		return err_set(err, "the file ends inside its header");
	if (p[16] >= PACK_KINDS)
		return err_set(err, "it is compressed in a way (%u) that is not known; let "
				    "nfdump write it anew with -z", p[16]);
	if (p[17])
		return err_set(err, "it is encrypted");
	*packing = (enum packing)p[16];
	return true;
}

static bool read_all(struct nfdump *d, struct err *err)
{
	const uint8_t *p = feed_want(d->feed, 4);
	enum packing packing = PACK_NONE;
	uint16_t version;
	int got;

	if (!p)
		return err_set(err, "the file ends inside its header");
	d->big = p[0] == 0xa5;
	version = u16(d, p + 2);
	if (version != 1 && version != 2)
		return err_set(err, "layout %u of nfdump's files is not known", version);
	if (!(version == 1 ? head_1 : head_2)(d, &packing, err))
		return false;
	while ((got = block(d, packing, err)) > 0)
		;
	if (!got && d->feed->error)
		return err_set(err, "%s", strerror(d->feed->error));
	return !got && rows_flush(d->rows, err);
}

static bool read_file(struct feed *f, struct rows *r, struct err *err)
{
	struct nfdump *d = xcalloc(1, sizeof(*d));
	bool ok;

	d->feed = f;
	d->rows = r;
	ok = read_all(d, err);
	for (size_t i = 0; i < NF_IDS; i++)
		free(d->map[i]);
	free(d->block);
	free(d);
	return ok;
}

const struct source source_nfdump = { "nfdump", is, read_file };
