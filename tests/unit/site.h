/* site.h - a network whose traffic is made by the slice, for tests of patterns.
 * SPDX-License-Identifier: ISC
 *
 * Actors (scan_actors.h) put flows of ten seconds into it, as a router would tell
 * them: both directions of a conversation, or one, with TCP flags or without, sampled or
 * not. A pattern is fed with the blocks and judges at the end of each slice.
 */
#ifndef CUL_TESTS_SITE_H
#define CUL_TESTS_SITE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"
#include "daemon/model/rows.h"
#include "detectors/pattern.h"

enum { F_FIN = 1, F_SYN = 2, F_RST = 4, F_PSH = 8, F_ACK = 16, F_URG = 32,
       F_ALL = F_SYN | F_ACK | F_PSH | F_FIN };
enum { TCP = 6, UDP = 17, ICMP = 1, FOUND_MAX = 4096 };

struct found {
	struct addr who;
	char kind[32], why[512], filter[256];
	int64_t at_ms, first_ms, last_ms;
	double value;
	bool ended;
};

struct site {
	const struct pattern *pattern;
	void *state, *conf;
	struct names *names;
	struct block *b;
	int64_t now_ms; /* where the slice begins */
	uint64_t rng, rows;
	uint32_t sampling;           /* 0: every packet is seen */
	bool outbound_only, no_flags, v6;
	int64_t busy_ns, judge_ns;
	struct found *found;         /* beginnings and ends */
	unsigned n_found;
};

static inline uint64_t site_draw(struct site *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng * UINT64_C(0x2545f4914f6cdd1d);
}
static inline uint32_t site_below(struct site *s, uint32_t n) { return (uint32_t)((site_draw(s) >> 32) * n >> 32); }
static inline bool site_chance(struct site *s, double p) { return (double)(site_draw(s) >> 11) < p * 9007199254740992.0; }
/* How often something happens in this slice that does `a_second` on average. */
static inline unsigned site_times(struct site *s, double a_second)
{
	double n = a_second * SLICE_MS / 1000;
	unsigned whole = (unsigned)n;

	return whole + site_chance(s, n - whole);
}

static inline struct addr site_addr(const struct site *s, uint32_t v4)
{
	uint8_t net[4] = { (uint8_t)(v4 >> 24), (uint8_t)(v4 >> 16), (uint8_t)(v4 >> 8),
			   (uint8_t)v4 };
	struct addr a = addr_of4(net);

	if (s->v6) {
		memset(a.b, 0, 12);
		a.b[0] = 0x20;
		a.b[1] = 0x01;
		a.b[2] = 0x0d;
		a.b[3] = 0xb8;
	}
	return a;
}

static inline void site_columns(struct site *s)
{
	static const enum field used[] = { F_start_ms, F_end_ms, F_received_ms, F_src, F_dst,
					   F_src_port, F_dst_port, F_proto, F_icmp,
					   F_tcp_flags, F_sampling, F_packets, F_bytes };

	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
		block_use(s->b, used[i]);
}

static inline void site_flush(struct site *s)
{
	uint64_t bits[ROW_WORDS];
	struct timespec a, b;

	if (!s->b->n)
		return;
	for (uint32_t w = 0; w < ROW_WORDS; w++)
		bits[w] = s->b->n >= (w + 1) * 64 ? UINT64_MAX
			  : s->b->n > w * 64	  ? (UINT64_C(1) << (s->b->n - w * 64)) - 1
						  : 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	s->pattern->feed(s->state, s->b, bits, s->now_ms + SLICE_MS - 1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	s->busy_ns += (b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec;
	s->rows += s->b->n;
	block_reset(s->b);
	site_columns(s);
}

struct site_row {
	uint32_t src, dst;
	uint16_t src_port, dst_port, flags, icmp;
	uint8_t proto;
	uint32_t packets, bytes;
};

static inline void site_put(struct site *s, const struct site_row *f, uint32_t packets,
			    uint16_t flags)
{
	struct block *b = s->b;
	uint32_t r = b->n++;
	int64_t at = s->now_ms + site_below(s, SLICE_MS - 1000);
	uint32_t size = f->packets ? f->bytes / f->packets : 40;

	b->start_ms[r] = at;
	b->end_ms[r] = at + (packets > 1 ? site_below(s, 900) : 0);
	b->received_ms[r] = s->now_ms + SLICE_MS - 1;
	b->src[r] = site_addr(s, f->src);
	b->dst[r] = site_addr(s, f->dst);
	b->src_port[r] = f->src_port;
	b->dst_port[r] = f->dst_port;
	b->proto[r] = f->proto == ICMP && s->v6 ? 58 : f->proto;
	b->icmp[r] = f->icmp && s->v6 ? (f->icmp == 2048 ? 128 << 8 : f->icmp) : f->icmp;
	b->tcp_flags[r] = s->no_flags ? 0 : flags;
	b->sampling[r] = s->sampling;
	b->packets[r] = (uint64_t)packets * (s->sampling ? s->sampling : 1);
	b->bytes[r] = b->packets[r] * size;
	if (b->n == BLOCK_ROWS)
		site_flush(s);
}

/* One direction of something; sampled, it is a row for each packet that was drawn. */
static inline void site_row(struct site *s, struct site_row f)
{
	if (s->outbound_only && f.src >> 24 != 10)
		return;
	if (!s->sampling) {
		site_put(s, &f, f.packets, f.flags);
		return;
	}
	for (uint32_t i = 0; i < f.packets; i++) {
		/* One of its flags at a time: SYN first, then ACK with the rest. */
		uint16_t fl = i == 0 && f.flags & F_SYN
				      ? f.flags & (f.packets == 1 ? 0xff : F_SYN)
				      : f.flags & (uint16_t)~F_SYN;

		if (!site_below(s, s->sampling))
			site_put(s, &f, 1, fl);
	}
}

static inline void site_open(struct site *s, const char *pattern, uint64_t seed,
			     int64_t now_ms)
{
	*s = (struct site){ .pattern = pattern_find(pattern), .rng = seed | 1,
			    .now_ms = now_ms };
	s->conf = xcalloc(1, s->pattern->conf_size);
	opt_defaults(s->pattern->opts, s->conf);
	s->state = s->pattern->open(s->conf, 4 << 20);
	s->names = names_new(16);
	s->b = block_new(s->names);
	site_columns(s);
	s->found = xcalloc(FOUND_MAX, sizeof(*s->found));
}

static inline void site_close(struct site *s)
{
	s->pattern->free(s->state);
	block_unref(&s->b);
	names_free(&s->names);
	free(s->conf);
	free(s->found);
}

static inline void site_found(void *arg, const struct finding *f)
{
	struct site *s = arg;
	struct found *o;

	for (unsigned i = 0; i < s->n_found; i++) { /* grew, or ended */
		o = &s->found[i];
		if (!o->ended && !memcmp(&o->who, &f->who, sizeof(o->who)) &&
		    !strcmp(o->kind, f->kind)) {
			o->ended = f->ended;
			o->value = f->value;
			o->last_ms = f->last_ms;
			snprintf(o->why, sizeof(o->why), "%s", f->why);
			return;
		}
	}
	if (s->n_found == FOUND_MAX)
		return;
	o = &s->found[s->n_found++];
	*o = (struct found){ .who = f->who, .at_ms = s->now_ms + SLICE_MS,
			     .first_ms = f->first_ms, .last_ms = f->last_ms,
			     .value = f->value, .ended = f->ended };
	memcpy(o->kind, f->kind, sizeof(o->kind));
	memcpy(o->why, f->why, sizeof(o->why));
	memcpy(o->filter, f->filter, sizeof(o->filter));
}

/* The slice is over. */
static inline void site_slice(struct site *s)
{
	struct timespec a, b;

	site_flush(s);
	s->now_ms += SLICE_MS;
	clock_gettime(CLOCK_MONOTONIC, &a);
	s->pattern->judge(s->state, s->now_ms, site_found, s);
	clock_gettime(CLOCK_MONOTONIC, &b);
	s->judge_ns += (b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec;
}

#endif
