/* pcap.c - packets out of capture files.
 * SPDX-License-Identifier: ISC
 *
 * Five kinds of file, told by their first octets:
 *
 *   a1b2c3d4, a1b23c4d in either order   pcap: 24 octets, then 16 + data for each packet
 *   0a0d0d0a                             pcapng: blocks of type, length, body, length
 *   000aLLLL, LLLL at least 16           IPFIX messages
 *   0001 to 0009; an sFlow version and   one datagram as it was on the wire, to the end
 *     the kind of its agent's address      of the file
 *   0000LLLL                             a length, then a datagram
 *
 * Read as a stream, so that a pipe will do. A file is as hostile as a network: no
 * record is longer than RECORD_MAX, blocks that we do not need are passed over in
 * pieces, and everything inside a record is read by a bounded reader. A broken record
 * ends the reading with a sentence; nobody can say where the next would begin.
 *
 * Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 5655 sec. 9.
 */
#include "daemon/collect/pcap.h"

#include "daemon/base/mem.h"
#include "daemon/base/rd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORD_MAX = 512 << 10, INTERFACES = 256, DATAGRAM_MAX = 65535 };

enum { BLOCK_SHB = 0x0a0d0d0a, BLOCK_IDB = 1, BLOCK_PACKET = 2, BLOCK_SIMPLE = 3,
       BLOCK_ENHANCED = 6 };

struct iface {
	int link;
	uint32_t snap;
	uint8_t resolution; /* if_tsresol: 10^-n s, or 2^-n with the top bit */
	int64_t offset_s;   /* if_tsoffset */
};

struct pcap {
	FILE *f;
	enum pcap_kind kind;
	bool little;      /* byte order of the file or section */
	bool nano;
	int link;
	struct iface iface[INTERFACES];
	unsigned n_ifaces;
	uint64_t at, size;
	uint8_t head[8];  /* the first octets, read to tell the kind */
	unsigned head_len, head_left;
	uint8_t *buf;     /* RECORD_MAX */
	struct pcap_kept kept;
};

static uint32_t u32(const struct pcap *p, const uint8_t *b)
{
	return p->little ? (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 |
				   (uint32_t)b[1] << 8 | b[0] :
			   (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
				   (uint32_t)b[2] << 8 | b[3];
}

static uint64_t u64(const struct pcap *p, const uint8_t *b)
{
	return (uint64_t)u32(p, b + (p->little ? 4 : 0)) << 32 |
	       u32(p, b + (p->little ? 0 : 4));
}

static uint16_t u16(const struct pcap *p, const uint8_t *b)
{
	return (uint16_t)(p->little ? b[1] << 8 | b[0] : b[0] << 8 | b[1]);
}

/* As many of n octets as there are. */
static size_t get(struct pcap *p, void *to, size_t n)
{
	size_t from_head = n < p->head_left ? n : p->head_left, k;

	memcpy(to, p->head + p->head_len - p->head_left, from_head);
	p->head_left -= (unsigned)from_head;
	k = from_head + fread((uint8_t *)to + from_head, 1, n - from_head, p->f);
	p->at += k;
	return k;
}

static bool broken(const struct pcap *p, const char *what, struct err *err)
{
	return err_set(err, "%s at octet %llu: the rest of the file cannot be read", what,
		       (unsigned long long)p->at);
}

/* n octets into p->buf; false at the end, with *err when it is no place to end. */
static bool record(struct pcap *p, size_t n, bool may_end, struct err *err)
{
	size_t got;

	if (n > RECORD_MAX)
		return broken(p, "a record of more than 512 KiB", err);
	got = get(p, p->buf, n);
	if (got == n)
		return true;
	if (!(may_end && !got))
		broken(p, "the file ends inside a record", err);
	return false;
}

/* --- pcap --- */

static bool next_pcap(struct pcap *p, struct pcap_packet *k, struct err *err)
{
	uint32_t s, part, len;

	if (!record(p, 16, true, err))
		return false;
	s = u32(p, p->buf);
	part = u32(p, p->buf + 4);
	len = u32(p, p->buf + 8);
	k->wire_len = u32(p, p->buf + 12);
	if (!record(p, len, false, err))
		return false;
	k->at_ms = (int64_t)s * 1000 + part / (p->nano ? 1000000 : 1000);
	k->link = p->link;
	k->data = p->buf;
	k->len = len;
	return true;
}

/* --- pcapng --- */

static int64_t ng_ms(const struct iface *i, uint64_t t)
{
	unsigned n = i->resolution & 0x7f;
	uint64_t per_s = 1, s;

	if (i->resolution & 0x80) {
		if (n > 63)
			return 0;
		per_s <<= n;
	} else {
		if (n > 19)
			return 0;
		while (n--)
			per_s *= 10;
	}
	s = t / per_s;
	if (s > UINT32_MAX * 4ull || i->offset_s > INT64_C(1) << 34 ||
	    i->offset_s < -(INT64_C(1) << 34))
		return 0;
	return ((int64_t)s + i->offset_s) * 1000 +
	       (int64_t)((double)(t % per_s) * 1000.0 / (double)per_s);
}

static void interface(struct pcap *p, const uint8_t *b, size_t n)
{
	struct iface *i;
	size_t at = 8;

	if (n < 8 || p->n_ifaces == INTERFACES)
		return;
	i = &p->iface[p->n_ifaces++];
	*i = (struct iface){ .link = u16(p, b), .snap = u32(p, b + 4), .resolution = 6 };
	while (at + 4 <= n) {
		unsigned code = u16(p, b + at), len = u16(p, b + at + 2);

		at += 4;
		if (!code || len > n - at)
			return;
		if (code == 9 && len == 1)
			i->resolution = b[at];
		if (code == 14 && len == 8)
			i->offset_s = (int64_t)u64(p, b + at);
		at += (len + 3) & ~3u;
	}
}

/* A block with a packet; b: its body. False when it does not hold together. */
static bool ng_packet(struct pcap *p, uint32_t type, const uint8_t *b, size_t n,
		      struct pcap_packet *k)
{
	size_t head = type == BLOCK_SIMPLE ? 4 : 20;
	uint32_t id = 0, len;

	if (n < head)
		return false;
	if (type == BLOCK_ENHANCED)
		id = u32(p, b);
	if (type == BLOCK_PACKET)
		id = u16(p, b);
	if (id >= p->n_ifaces)
		return false;
	k->link = p->iface[id].link;
	if (type == BLOCK_SIMPLE) {
		k->wire_len = u32(p, b);
		len = k->wire_len;
		if (p->iface[0].snap && len > p->iface[0].snap)
			len = p->iface[0].snap;
		k->at_ms = 0;
	} else {
		uint64_t t = (uint64_t)u32(p, b + 4) << 32 | u32(p, b + 8);

		k->at_ms = ng_ms(&p->iface[id], t);
		len = u32(p, b + 12);
		k->wire_len = u32(p, b + 16);
	}
	if (len > n - head)
		return false;
	k->data = b + head;
	k->len = len;
	return true;
}

static bool pass_over(struct pcap *p, size_t n, struct err *err)
{
	while (n) {
		size_t k = n < RECORD_MAX ? n : RECORD_MAX;

		if (!record(p, k, false, err))
			return false;
		n -= k;
	}
	return true;
}

/* A section tells its byte order inside its own header. */
static bool section(struct pcap *p, const uint8_t order[4], struct err *err)
{
	static const uint8_t big[4] = { 0x1a, 0x2b, 0x3c, 0x4d };
	static const uint8_t little[4] = { 0x4d, 0x3c, 0x2b, 0x1a };

	if (memcmp(order, big, 4) && memcmp(order, little, 4))
		return broken(p, "a section without byte order", err);
	p->little = !memcmp(order, little, 4);
	p->n_ifaces = 0;
	return true;
}

static bool next_ng(struct pcap *p, struct pcap_packet *k, struct err *err)
{
	for (;;) {
		uint8_t head[12];
		uint32_t type, len;

		if (!record(p, 8, true, err))
			return false;
		memcpy(head, p->buf, 8);
		type = u32(p, head);
		if (type == BLOCK_SHB) { /* the same in both byte orders */
			if (!record(p, 4, false, err) || !section(p, p->buf, err))
				return false;
		}
		len = u32(p, head + 4);
		if (len < (type == BLOCK_SHB ? 16 : 12) || len & 3)
			return broken(p, "a block of impossible length", err);
		len -= type == BLOCK_SHB ? 12 : 8;
		if (type != BLOCK_IDB && type != BLOCK_PACKET && type != BLOCK_SIMPLE &&
		    type != BLOCK_ENHANCED) {
			if (!pass_over(p, len, err))
				return false;
			continue;
		}
		if (!record(p, len, false, err))
			return false;
		len -= 4; /* the length again */
		if (type == BLOCK_IDB) {
			interface(p, p->buf, len);
			continue;
		}
		if (ng_packet(p, type, p->buf, len, k))
			return true;
		return broken(p, "a packet block that does not hold together", err);
	}
}

/* --- datagrams without packets --- */

static bool next_prefix(struct pcap *p, struct pcap_packet *k, struct err *err)
{
	uint32_t len;

	if (!record(p, 4, true, err))
		return false;
	len = u32(p, p->buf);
	if (len > DATAGRAM_MAX)
		return broken(p, "a datagram of more than 65,535 octets", err);
	if (!record(p, len, false, err))
		return false;
	*k = (struct pcap_packet){ .link = -1, .data = p->buf, .len = len,
				   .wire_len = len };
	return true;
}

static bool next_ipfix(struct pcap *p, struct pcap_packet *k, struct err *err)
{
	uint8_t head[4];
	uint32_t len;

	if (!record(p, 4, true, err))
		return false;
	memcpy(head, p->buf, 4);
	len = u16(p, head + 2);
	if (u16(p, head) != 10 || len < 16)
		return broken(p, "no IPFIX message", err);
	if (!record(p, len - 4, false, err))
		return false;
	memmove(p->buf + 4, p->buf, len - 4);
	memcpy(p->buf, head, 4);
	*k = (struct pcap_packet){ .link = -1, .data = p->buf, .len = len,
				   .wire_len = len };
	/* The header's export time, in seconds. */
	k->at_ms = (int64_t)u32(p, p->buf + 4) * 1000;
	return true;
}

static bool next_one(struct pcap *p, struct pcap_packet *k, struct err *err)
{
	size_t len = get(p, p->buf, DATAGRAM_MAX + 1);

	if (len > DATAGRAM_MAX)
		return broken(p, "a datagram of more than 65,535 octets", err);
	*k = (struct pcap_packet){ .link = -1, .data = p->buf, .len = len,
				   .wire_len = (uint32_t)len };
	return len;
}

bool pcap_next(struct pcap *p, struct pcap_packet *out, struct err *err)
{
	if (err)
		err->msg[0] = '\0';
	switch (p->kind) {
	case PCAP_PCAP: return next_pcap(p, out, err);
	case PCAP_NG: return next_ng(p, out, err);
	case PCAP_PREFIX: return next_prefix(p, out, err);
	case PCAP_IPFIX: return next_ipfix(p, out, err);
	case PCAP_ONE: return next_one(p, out, err);
	}
	return false;
}

/* --- opening --- */

static bool open_pcap(struct pcap *p, struct err *err)
{
	p->kind = PCAP_PCAP;
	if (!record(p, 24, false, err))
		return false;
	p->nano = u32(p, p->buf) == 0xa1b23c4d;
	/* The upper bits tell of check sums in the link layer. */
	p->link = (int)(u32(p, p->buf + 20) & 0xffff);
	return true;
}

/* The versions of NetFlow, or of sFlow before an IPv4 or IPv6 address of its agent. */
static bool one_datagram(const struct pcap *p)
{
	unsigned netflow = p->head[0] << 8 | p->head[1], version = p->head[3];
	bool agent = p->head_len == 8 && !p->head[4] && !p->head[5] && !p->head[6] &&
		     (p->head[7] == 1 || p->head[7] == 2);

	if (netflow)
		return netflow == 1 || (netflow >= 5 && netflow <= 9);
	return !p->head[2] && (version == 2 || version == 4 || version == 5) && agent;
}

/* Files that another tool opens. */
static bool refuse(const struct pcap *p, const char *path, struct err *err)
{
	static const struct { uint8_t n, magic[4]; const char *say; } others[] = {
		{ 2, "\x1f\x8b", "packed: gzip -dc FILE | culprit replay -" },
		{ 3, "BZh", "packed: bzip2 -dc FILE | culprit replay -" },
		{ 4, "\xfd" "7zX", "packed: xz -dc FILE | culprit replay -" },
		{ 4, "\x28\xb5\x2f\xfd", "packed: zstd -dc FILE | culprit replay -" },
		{ 2, "\x0c\xa5", "a file of nfdump: `culprit import` reads it" },
		{ 2, "\xcf\x10", "a file of flow-tools: `culprit import` reads it" },
	};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!memcmp(p->head, others[i].magic, others[i].n))
			return err_set(err, "%s: %s", path, others[i].say);
	return err_set(err,
		       "%s: no capture that can be read; wanted: pcap, pcapng, IPFIX "
		       "messages, one datagram, or datagrams each after its length in "
		       "four octets",
		       path);
}

static bool recognise(struct pcap *p, const char *path, struct err *err)
{
	uint32_t big;

	p->head_len = (unsigned)fread(p->head, 1, sizeof(p->head), p->f);
	p->head_left = p->head_len;
	if (ferror(p->f))
		return err_set(err, "%s: %s", path, strerror(errno));
	if (p->head_len < 4)
		return err_set(err, "%s: no capture: it has fewer than four octets",
			       path);
	big = u32(p, p->head);
	if (big == 0x0a0d0d0a) {
		p->kind = PCAP_NG;
		return true;
	}
	p->little = big == 0xd4c3b2a1 || big == 0x4d3cb2a1;
	if (p->little || big == 0xa1b2c3d4 || big == 0xa1b23c4d)
		return open_pcap(p, err) ||
		       err_set(err, "%s: the header of a capture, cut", path);
	if (big >> 16 == 10 && (big & 0xffff) >= 16)
		p->kind = PCAP_IPFIX;
	else if (one_datagram(p))
		p->kind = PCAP_ONE;
	else if (big <= DATAGRAM_MAX)
		p->kind = PCAP_PREFIX;
	else
		return refuse(p, path, err);
	return true;
}

struct pcap *pcap_open(const char *path, struct err *err)
{
	struct pcap *p = xcalloc(1, sizeof(*p));
	struct stat st;

	p->f = strcmp(path, "-") ? fopen(path, "rbe") : stdin;
	if (!p->f) {
		err_set(err, "%s: %s", path, strerror(errno));
		free(p);
		return NULL;
	}
	if (!fstat(fileno(p->f), &st) && S_ISREG(st.st_mode))
		p->size = (uint64_t)st.st_size;
	p->buf = xcalloc(1, RECORD_MAX);
	if (recognise(p, path, err))
		return p;
	pcap_close(&p);
	return NULL;
}

void pcap_close(struct pcap **pp)
{
	struct pcap *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	if (p->f != stdin)
		fclose(p->f);
	fragments_free(&p->kept.fragments);
	free(p->buf);
	free(p);
}

enum pcap_kind pcap_kind(const struct pcap *p)
{
	return p->kind;
}

uint64_t pcap_at(const struct pcap *p)
{
	return p->at;
}

uint64_t pcap_size(const struct pcap *p)
{
	return p->size;
}

struct pcap_kept *pcap_kept(struct pcap *p)
{
	return &p->kept;
}

const struct pcap_rest *pcap_rest(const struct pcap *p)
{
	return &p->kept.rest;
}
