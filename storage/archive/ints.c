/* ints.c - lists of integers in few octets: writing.
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
 * columns of flows, short ones are chance, and looking for them costs three times the
 * time and makes the result larger. Planes that look random are not tried.
 */
#include "storage/archive/ints.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <zstd.h>

enum {
	SAMPLE = 1024,
	STRETCH = 128,
	FEW = 16,
	TIE_PERCENT = 90,  /* of PACK's size must be undercut */
	FAST_PERCENT = 60, /* where reading fast matters more */
	HASH_LOG = 8,
	TEXT_LEVEL = 3,
};

struct packer {
	ZSTD_CCtx *zstd, *text;
	uint32_t sample[SAMPLE];
	float log2[SAMPLE + 1]; /* of counts */
	uint16_t count[65536];	/* of sampled values; all zero between calls */
	uint8_t code[65536];	/* value to code; all ESCAPE between calls */
	uint16_t freq[ESCAPE];	/* code to value */
	unsigned n_freq;
	uint8_t plane[PART_ROWS];
	uint32_t rest[PART_ROWS]; /* what FREQ escapes */
};

struct packer *packer_new(void)
{
	struct packer *p = xcalloc_warm(1, sizeof(*p));

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
	float bits;	/* for one value */
};

FAST_LOOPS static uint32_t all_of(const uint32_t *v, size_t n)
{
	uint32_t all = 0;

	for (size_t i = 0; i < n; i++)
		all |= v[i];
	return all;
}

/* all: has the bits of the largest value. */
static struct choice choose(struct packer *p, const uint32_t *v, size_t n, uint32_t all,
			    unsigned tie)
{
	struct choice c = { INTS_PACK, 0, 0 };
	size_t k;
	float bits;

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
	} else if (c.width > 8 &&
		   bits < c.bits * (c.form == INTS_BYTES ? 1 : (float)tie / 100)) {
		c.form = INTS_FREQ;
		c.bits = bits;
	}
	return c;
}

double ints_estimate(struct packer *p, const uint32_t *v, size_t n)
{
	return (double)choose(p, v, n, all_of(v, n), TIE_PERCENT).bits * (double)n / 8;
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

FAST_LOOPS static void take_plane(const uint32_t *v, size_t n, unsigned shift,
				  uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(v[i] >> shift);
}

static void write_bytes(struct packer *p, struct out *o, const uint32_t *v, size_t n,
			unsigned planes)
{
	out_u8(o, (uint8_t)planes);
	for (unsigned k = 0; k < planes; k++) {
		take_plane(v, n, 8 * k, p->plane);
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
	ints_write_upto(p, o, v, n, all_of(v, n));
}

void ints_write_upto(struct packer *p, struct out *o, const uint32_t *v, size_t n,
		     uint32_t most)
{
	write_as(p, o, v, n, choose(p, v, n, most, TIE_PERCENT));
}

void ints_write_fast(struct packer *p, struct out *o, const uint32_t *v, size_t n)
{
	write_as(p, o, v, n, choose(p, v, n, all_of(v, n), FAST_PERCENT));
}
