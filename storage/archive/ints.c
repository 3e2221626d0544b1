/* ints.c - lists of integers in few octets.
 * SPDX-License-Identifier: ISC
 *
 * Four forms, chosen for each list by looking at a sample of it:
 *   PACK   every value in as many bits as the largest needs. Fastest to read.
 *   FEW    at most sixteen different values: packed numbers into a list of them.
 *   BYTES  the values' octets sorted by place into planes, each plane alone,
 *          raw or zstd. Zstd's entropy coder then sees all high octets
 *          together, which for sizes and counts are mostly zero.
 *   FREQ   one octet for each of the 255 most frequent values and an escape
 *          for others, which follow packed. Ports: half of them are services, the rest
 *          is random; neither half pays for the other.
 * The estimate is the order-0 entropy of each plane, less what runs save. PACK
 * wins a near tie, because a reader unpacks several values in the time of one
 * Huffman symbol.
 *
 * zstd is told to find long matches only (minMatch 7, a small hash table): in
 * columns of flows, short ones are chance, and looking for them costs three times the time
 * and makes the result larger. Planes that look random are not tried.
 */
#include "storage/archive/ints.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <zstd.h>

enum {
	SAMPLE = 2048,
	STRETCH = 256,
	ESCAPE = 255,
	FEW = 16,
	TIE_PERCENT = 90,  /* of PACK's size must be undercut */
	FAST_PERCENT = 60, /* where reading fast matters more */
	HASH_LOG = 8,
	TEXT_LEVEL = 3,
};

struct packer {
	ZSTD_CCtx *zstd, *text;
	uint32_t sample[SAMPLE];
	float log2[SAMPLE + 1];       /* of counts */
	uint16_t count[65536];        /* of sampled values; all zero between calls */
	uint8_t code[65536];          /* value to code; all ESCAPE between calls */
	uint16_t freq[ESCAPE];        /* code to value */
	unsigned n_freq;
	uint8_t plane[PART_ROWS];
	uint32_t rest[PART_ROWS];     /* what FREQ escapes */
};

struct unpacker {
	ZSTD_DCtx *zstd;
	uint8_t plane[PART_ROWS], plane2[PART_ROWS];
	uint32_t rest[PART_ROWS];
};

struct packer *packer_new(void)
{
	struct packer *p = xcalloc(1, sizeof(*p));

	p->zstd = ZSTD_createCCtx();
	assert(p->zstd);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_strategy, ZSTD_fast);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_minMatch, 7);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_hashLog, HASH_LOG);
	p->text = ZSTD_createCCtx();
	assert(p->text);
	ZSTD_CCtx_setParameter(p->text, ZSTD_c_compressionLevel, TEXT_LEVEL);
	for (unsigned i = 1; i <= SAMPLE; i++)
		p->log2[i] = log2f((float)i);
	memset(p->code, ESCAPE, sizeof(p->code));
	return p;
}

void packer_free(struct packer **pp)
{
	if (!*pp)
		return;
	ZSTD_freeCCtx((*pp)->zstd);
	ZSTD_freeCCtx((*pp)->text);
	free(*pp);
	*pp = NULL;
}

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));

	u->zstd = ZSTD_createDCtx();
	assert(u->zstd);
	return u;
}

void unpacker_free(struct unpacker **up)
{
	if (!*up)
		return;
	ZSTD_freeDCtx((*up)->zstd);
	free(*up);
	*up = NULL;
}

/* Eight stretches of neighbours, so that both spread and runs show. */
static size_t take_sample(struct packer *p, const uint32_t *v, size_t n)
{
	size_t gap;

	if (n <= SAMPLE) {
		memcpy(p->sample, v, n * sizeof(*v));
		return n;
	}
	gap = (n - STRETCH) / (SAMPLE / STRETCH - 1);
	for (size_t i = 0; i < SAMPLE / STRETCH; i++)
		memcpy(p->sample + i * STRETCH, v + i * gap, STRETCH * sizeof(*v));
	return SAMPLE;
}

/* Bits for one value in planes: order-0 entropy, less what runs save. */
static float bytes_bits(const struct packer *p, size_t n, unsigned planes)
{
	float bits = 0;

	for (unsigned k = 0; k < planes; k++) {
		uint16_t count[256] = { 0 };
		size_t same = 0;
		float sum = 0, h;

		for (size_t i = 0; i < n; i++) {
			uint8_t b = (uint8_t)(p->sample[i] >> 8 * k);

			count[b]++;
			same += i && b == (uint8_t)(p->sample[i - 1] >> 8 * k);
		}
		for (unsigned b = 0; b < 256; b++)
			sum += count[b] * p->log2[count[b]];
		h = p->log2[n] - sum / (float)n;
		if (same * 4 > n * 3) { /* long runs: zstd's matches take them */
			float runs = 16.0f * (float)(n - same) / (float)n;

			h = h < runs ? h : runs;
		} else if (h > 0 && h < 1) {
			h = 1; /* Huffman has no shorter symbol */
		}
		bits += h < 7.6f ? h : 8;
	}
	return bits;
}

/* Puts the sample's values that occur `least` times or more into freq[], unless
 * they are there; returns how many sampled values they are. */
static size_t frequent(struct packer *p, size_t n, unsigned least, float *sum)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && p->n_freq < ESCAPE; i++) {
		uint32_t v = p->sample[i];
		uint16_t c = p->count[v];

		if (c < least || p->code[v] != ESCAPE)
			continue;
		p->code[v] = (uint8_t)p->n_freq;
		p->freq[p->n_freq++] = (uint16_t)v;
		kept += c;
		*sum += c * p->log2[c];
	}
	return kept;
}

/* Bits for one value by frequent codes, and leaves the codes in freq[]: all that were
 * sampled, if they are few. Values < 65536. */
static float freq_bits(struct packer *p, size_t n, unsigned width)
{
	size_t kept = 0, different = 0;
	float sum = 0;

	p->n_freq = 0;
	for (size_t i = 0; i < n; i++)
		different += !p->count[p->sample[i]]++;
	kept += frequent(p, n, 8, &sum);
	kept += frequent(p, n, different <= FEW ? 1 : 3, &sum);
	for (size_t i = 0; i < n; i++)
		p->count[p->sample[i]] = 0;
	for (unsigned i = 0; i < p->n_freq; i++)
		p->code[p->freq[i]] = ESCAPE;
	if (n > kept)
		sum += (float)(n - kept) * p->log2[n - kept];
	return p->log2[n] - sum / (float)n + (float)(width * (n - kept)) / (float)n;
}

static unsigned few_width(const struct packer *p)
{
	return p->n_freq > 1 ? bits_of(p->n_freq - 1) : 1;
}

/* Whether every value has a code; leaves the codes in p->rest. */
static bool all_few(struct packer *p, const uint32_t *v, size_t n)
{
	uint8_t most = 0;

	for (unsigned i = 0; i < p->n_freq; i++)
		p->code[p->freq[i]] = (uint8_t)i;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p->code[v[i]];

		p->rest[i] = c;
		most = c > most ? c : most;
	}
	for (unsigned i = 0; i < p->n_freq; i++)
		p->code[p->freq[i]] = ESCAPE;
	return most != ESCAPE;
}

struct choice {
	enum ints_form form;
	unsigned width; /* bits of the largest value */
	float bits;     /* for one value */
};

static struct choice choose(struct packer *p, const uint32_t *v, size_t n, unsigned tie)
{
	struct choice c = { INTS_PACK, 0, 0 };
	uint32_t all = 0;
	size_t k;
	float bits;

	for (size_t i = 0; i < n; i++)
		all |= v[i];
	c.width = bits_of(all);
	c.bits = (float)c.width;
	if (!all)
		c.form = INTS_ZERO;
	if (c.width <= 1 || n < 64)
		return c;
	k = take_sample(p, v, n);
	bits = bytes_bits(p, k, (c.width + 7) / 8);
	if (bits < c.bits * (float)tie / 100) {
		c.form = INTS_BYTES;
		c.bits = bits;
	}
	if (c.width > 16)
		return c;
	bits = freq_bits(p, k, c.width) + 16.0f * (float)p->n_freq / (float)n;
	if (p->n_freq <= FEW && (float)few_width(p) < c.bits * 1.2f && all_few(p, v, n)) {
		c.form = INTS_FEW;
		c.bits = (float)few_width(p);
	} else if (c.width > 8 && bits < c.bits * (float)tie / 100) {
		c.form = INTS_FREQ;
		c.bits = bits;
	}
	return c;
}

double ints_estimate(struct packer *p, const uint32_t *v, size_t n)
{
	return (double)choose(p, v, n, TIE_PERCENT).bits * (double)n / 8;
}

static void pack(struct out *o, const uint32_t *v, size_t n, unsigned width)
{
	size_t octets = (n * width + 7) / 8;
	uint8_t *p;
	uint64_t acc = 0;
	unsigned have = 0;

	out_u8(o, (uint8_t)width);
	p = out_room(o, octets + 8);
	for (size_t i = 0; i < n; i++) {
		acc |= (uint64_t)v[i] << have;
		have += width;
		if (have >= 32) {
			put_le(p, (uint32_t)acc, 4);
			p += 4;
			acc >>= 32;
			have -= 32;
		}
	}
	put_le(p, acc, 8);
	o->len += octets;
}

/* Does a plane look as if every octet were as likely as the next? Judged by every
 * sixteenth octet: 256 equal chances would leave a sum of squares of n * n / 256. */
static bool looks_random(const uint8_t *v, size_t n)
{
	uint32_t count[256] = { 0 };
	uint64_t squares = 0, seen = 0;

	if (n < 16384)
		return false;
	for (size_t i = 0; i < n; i += 16, seen++)
		count[v[i]]++;
	for (unsigned b = 0; b < 256; b++)
		squares += (uint64_t)count[b] * count[b];
	return squares * 256 < seen * seen + seen * seen / 2 + 256 * seen;
}

static void compressed(ZSTD_CCtx *zstd, struct out *o, const uint8_t *v, size_t n)
{
	size_t room = ZSTD_compressBound(n), z;
	uint8_t *at = out_room(o, 5 + room);

	z = ZSTD_compress2(zstd, at + 5, room, v, n);
	if (ZSTD_isError(z) || z + 4 > n - n / 8) {
		out_u8(o, PLANE_RAW);
		out_bytes(o, v, n);
		return;
	}
	at[0] = PLANE_ZSTD;
	put_le(at + 1, z, 4);
	o->len += 5 + z;
}

void plane_write(struct packer *p, struct out *o, const uint8_t *v, size_t n)
{
	size_t same = 1;

	while (same < n && v[same] == v[0])
		same++;
	if (same >= n) {
		out_u8(o, PLANE_SAME);
		out_u8(o, n ? v[0] : 0);
	} else if (looks_random(v, n)) {
		out_u8(o, PLANE_RAW);
		out_bytes(o, v, n);
	} else {
		compressed(p->zstd, o, v, n);
	}
}

void text_write(struct packer *p, struct out *o, const char *s, size_t n)
{
	compressed(p->text, o, (const uint8_t *)s, n);
}

static void write_bytes(struct packer *p, struct out *o, const uint32_t *v, size_t n,
			unsigned planes)
{
	out_u8(o, (uint8_t)planes);
	for (unsigned k = 0; k < planes; k++) {
		for (size_t i = 0; i < n; i++)
			p->plane[i] = (uint8_t)(v[i] >> 8 * k);
		plane_write(p, o, p->plane, n);
	}
}

static void write_freq(struct packer *p, struct out *o, const uint32_t *v, size_t n,
		       unsigned width)
{
	size_t rest = 0;

	out_u8(o, (uint8_t)p->n_freq);
	for (unsigned i = 0; i < p->n_freq; i++) {
		out_u16(o, p->freq[i]);
		p->code[p->freq[i]] = (uint8_t)i;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p->code[v[i]];

		p->plane[i] = c;
		p->rest[rest] = v[i];
		rest += c == ESCAPE;
	}
	for (unsigned i = 0; i < p->n_freq; i++)
		p->code[p->freq[i]] = ESCAPE;
	plane_write(p, o, p->plane, n);
	pack(o, p->rest, rest, width);
}

/* all_few() has left the codes. */
static void write_few(const struct packer *p, struct out *o, size_t n)
{
	out_u8(o, (uint8_t)p->n_freq);
	for (unsigned i = 0; i < p->n_freq; i++)
		out_u16(o, p->freq[i]);
	pack(o, p->rest, n, few_width(p));
}

static void write_as(struct packer *p, struct out *o, const uint32_t *v, size_t n,
		     struct choice c)
{
	assert(n <= PART_ROWS);
	out_u8(o, (uint8_t)c.form);
	switch (c.form) {
	case INTS_ZERO: break;
	case INTS_PACK: pack(o, v, n, c.width); break;
	case INTS_BYTES: write_bytes(p, o, v, n, (c.width + 7) / 8); break;
	case INTS_FREQ: write_freq(p, o, v, n, c.width); break;
	case INTS_FEW: write_few(p, o, n); break;
	}
}

void ints_write(struct packer *p, struct out *o, const uint32_t *v, size_t n)
{
	write_as(p, o, v, n, choose(p, v, n, TIE_PERCENT));
}

void ints_write_fast(struct packer *p, struct out *o, const uint32_t *v, size_t n)
{
	write_as(p, o, v, n, choose(p, v, n, FAST_PERCENT));
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Eight values lie in `width` octets; with width known to the compiler, each costs a load, a
 * shift and a mask, none of which waits for the one before. */
static inline __attribute__((always_inline)) size_t unpack_eights(const uint8_t *p,
								  uint32_t *out, size_t n,
								  unsigned width)
{
	const uint64_t mask = (UINT64_C(1) << width) - 1;
	size_t i = 0;

	for (; i + 8 <= n; i += 8, p += width)
		for (unsigned k = 0; k < 8; k++)
			out[i + k] = (uint32_t)(load64(p + (k * width >> 3)) >>
						(k * width & 7) & mask);
	return i;
}

/* The widths that columns mostly have; returns how many values are done. */
static size_t unpack_usual(const uint8_t *p, uint32_t *out, size_t n, unsigned width)
{
	switch (width) {
	case 1: return unpack_eights(p, out, n, 1);
	case 2: return unpack_eights(p, out, n, 2);
	case 4: return unpack_eights(p, out, n, 4);
	case 8: return unpack_eights(p, out, n, 8);
	case 9: return unpack_eights(p, out, n, 9);
	case 10: return unpack_eights(p, out, n, 10);
	case 11: return unpack_eights(p, out, n, 11);
	case 12: return unpack_eights(p, out, n, 12);
	case 13: return unpack_eights(p, out, n, 13);
	case 14: return unpack_eights(p, out, n, 14);
	case 15: return unpack_eights(p, out, n, 15);
	case 16: return unpack_eights(p, out, n, 16);
	default: return 0;
	}
}

static bool unpack(struct in *r, uint32_t *out, size_t n)
{
	unsigned width = in_u8(r);
	const uint8_t *p;
	uint64_t mask, at;
	size_t i;

	if (width > 32 || !(p = in_bytes(r, (n * width + 7) / 8)))
		return false;
	mask = (UINT64_C(1) << width) - 1;
	i = unpack_usual(p, out, n, width);
	for (at = i * width; i < n; i++, at += width)
		out[i] = (uint32_t)(load64(p + (at >> 3)) >> (at & 7) & mask);
	return true;
}

bool plane_read(struct unpacker *u, struct in *r, uint8_t *out, size_t n)
{
	uint8_t form = in_u8(r);
	const uint8_t *p;
	uint32_t len;

	switch (form) {
	case PLANE_SAME:
		memset(out, in_u8(r), n);
		return !r->bad;
	case PLANE_RAW:
		p = in_bytes(r, n);
		if (p)
			memcpy(out, p, n);
		return p != NULL;
	case PLANE_ZSTD:
		len = in_u32(r);
		p = in_bytes(r, len);
		return p && ZSTD_decompressDCtx(u->zstd, out, n, p, len) == n;
	default:
		return false;
	}
}

/* The next plane; *zero: it is zero all over and was not written to out. */
static bool next_plane(struct unpacker *u, struct in *r, uint8_t *out, size_t n, bool *zero)
{
	*zero = in_left(r) >= 2 && r->p[0] == PLANE_SAME && r->p[1] == 0;
	if (*zero)
		return in_bytes(r, 2) != NULL;
	return plane_read(u, r, out, n);
}

static bool read_bytes(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	unsigned planes = in_u8(r);
	const uint8_t *low = u->plane, *high = u->plane2;
	bool zero[2] = { true, true };

	if (planes < 1 || planes > 4 || !plane_read(u, r, u->plane, n) ||
	    (planes > 1 && !next_plane(u, r, u->plane2, n, &zero[0])))
		return false;
	if (zero[0])
		for (size_t i = 0; i < n; i++)
			out[i] = low[i];
	else
		for (size_t i = 0; i < n; i++)
			out[i] = low[i] | (uint32_t)high[i] << 8;
	for (unsigned k = 2; k < planes; k++) {
		if (!next_plane(u, r, u->plane, n, &zero[1]))
			return false;
		for (size_t i = 0; !zero[1] && i < n; i++)
			if (low[i]) /* mostly none */
				out[i] |= (uint32_t)low[i] << 8 * k;
	}
	return true;
}

static bool read_freq(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	uint32_t value[256] = { 0 };
	unsigned n_freq = in_u8(r);
	size_t rest = 0, at = 0;

	if (n_freq > ESCAPE)
		return false;
	for (unsigned i = 0; i < n_freq; i++)
		value[i] = in_u16(r);
	if (!plane_read(u, r, u->plane, n))
		return false;
	for (size_t i = 0; i < n; i++)
		rest += u->plane[i] == ESCAPE;
	if (!unpack(r, u->rest, rest))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool esc = u->plane[i] == ESCAPE;

		if (!esc && u->plane[i] >= n_freq)
			return false;
		out[i] = esc ? u->rest[at] : value[u->plane[i]];
		at += esc;
	}
	return true;
}

static bool read_few(struct in *r, uint32_t *out, size_t n)
{
	uint32_t value[256] = { 0 }, most = 0;
	unsigned n_few = in_u8(r);

	for (unsigned i = 0; i < n_few; i++)
		value[i] = in_u16(r);
	if (!unpack(r, out, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		most = out[i] > most ? out[i] : most;
		out[i] = value[out[i] & 255];
	}
	return !n || most < n_few;
}

bool ints_read(struct unpacker *u, struct in *r, uint32_t *out, size_t n)
{
	if (n > PART_ROWS)
		return false;
	switch (in_u8(r)) {
	case INTS_ZERO:
		memset(out, 0, n * sizeof(*out));
		return !r->bad;
	case INTS_PACK: return unpack(r, out, n);
	case INTS_BYTES: return read_bytes(u, r, out, n);
	case INTS_FREQ: return read_freq(u, r, out, n);
	case INTS_FEW: return read_few(r, out, n);
	default: return false;
	}
}

/* ---- a few of many ---- */

static bool pick_packed(struct in *r, size_t n, const uint32_t *rows, size_t k, uint32_t *out)
{
	unsigned width = in_u8(r);
	uint64_t mask = (UINT64_C(1) << (width & 63)) - 1;
	const uint8_t *p;

	if (width > 32 || !(p = in_bytes(r, (n * width + 7) / 8)))
		return false;
	for (size_t i = 0; i < k; i++) {
		uint64_t at = (uint64_t)rows[i] * width;

		out[i] = (uint32_t)(load64(p + (at >> 3)) >> (at & 7) & mask);
	}
	return true;
}

/* A plane to look into: unpacked only when it must be. */
static const uint8_t *look_into(struct unpacker *u, struct in *r, size_t n)
{
	if (in_left(r) && r->p[0] == PLANE_RAW) {
		in_u8(r);
		return in_bytes(r, n);
	}
	return plane_read(u, r, u->plane, n) ? u->plane : NULL;
}

static bool pick_bytes(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows,
		       size_t k, uint32_t *out)
{
	unsigned planes = in_u8(r);

	if (planes < 1 || planes > 4)
		return false;
	memset(out, 0, k * sizeof(*out));
	for (unsigned j = 0; j < planes; j++) {
		const uint8_t *p = look_into(u, r, n);

		if (!p)
			return false;
		for (size_t i = 0; i < k; i++)
			out[i] |= (uint32_t)p[rows[i]] << 8 * j;
	}
	return true;
}

/* How many escapes there are in p[from..to). Eight octets at a time: an octet of ~x is
 * zero where there is one. */
static size_t escapes(const uint8_t *p, size_t from, size_t to)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	size_t n = 0;

	for (; from + 8 <= to; from += 8) {
		uint64_t x = ~load64(p + from);

		n += (size_t)__builtin_popcountll(~(((x & low) + low) | x | low));
	}
	for (; from < to; from++)
		n += p[from] == ESCAPE;
	return n;
}

static bool pick_freq(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows,
		      size_t k, uint32_t *out)
{
	uint32_t value[256] = { 0 }, *number = u->rest; /* of the escaped ones */
	unsigned n_freq = in_u8(r);
	size_t before = 0, from = 0, rest = 0;
	const uint8_t *p;

	for (unsigned i = 0; i < n_freq; i++)
		value[i] = in_u16(r);
	if (!(p = look_into(u, r, n)))
		return false;
	for (size_t i = 0; i < k; i++) {
		before += escapes(p, from, rows[i]);
		from = rows[i];
		if (p[from] == ESCAPE)
			number[rest++] = (uint32_t)before;
		else if (p[from] >= n_freq)
			return false;
	}
	before += escapes(p, from, n);
	if (!pick_packed(r, before, number, rest, number))
		return false;
	for (size_t i = 0, at = 0; i < k; i++)
		out[i] = p[rows[i]] == ESCAPE ? number[at++] : value[p[rows[i]]];
	return true;
}

static bool pick_few(struct in *r, size_t n, const uint32_t *rows, size_t k, uint32_t *out)
{
	uint32_t value[256] = { 0 };
	unsigned n_few = in_u8(r);

	for (unsigned i = 0; i < n_few; i++)
		value[i] = in_u16(r);
	if (!pick_packed(r, n, rows, k, out))
		return false;
	for (size_t i = 0; i < k; i++) {
		if (out[i] >= n_few)
			return false;
		out[i] = value[out[i]];
	}
	return true;
}

bool ints_pick(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows, size_t k,
	       uint32_t *out)
{
	if (n > PART_ROWS || k > n)
		return false;
	switch (in_u8(r)) {
	case INTS_ZERO:
		memset(out, 0, k * sizeof(*out));
		return !r->bad;
	case INTS_PACK: return pick_packed(r, n, rows, k, out);
	case INTS_BYTES: return pick_bytes(u, r, n, rows, k, out);
	case INTS_FREQ: return pick_freq(u, r, n, rows, k, out);
	case INTS_FEW: return pick_few(r, n, rows, k, out);
	default: return false;
	}
}
