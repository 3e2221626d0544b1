/* flood_impl.h - shared by the flood files: who gets how much of what.
 * SPDX-License-Identifier: ISC
 *
 * flood.c judges, by flood_over.c and in the words of flood_words.c; flood_track.c counts
 * for hosts, flood_carpet.c for prefixes; flood_before.c knows what came to who is new,
 * flood_ends.c whether both directions are told, flood_ports.c the services that reflect.
 */
#ifndef CUL_DETECTORS_FLOOD_IMPL_H
#define CUL_DETECTORS_FLOOD_IMPL_H

#include <string.h>

#include "daemon/base/addr.h"
#include "daemon/base/hll.h"
#include "daemon/base/map.h"
#include "daemon/model/slice.h"
#include "detectors/pattern.h"

struct flood_conf {
	double syn, tcp, connections, udp, icmp, reflection, sources, hosts, quiet;
};

/* What comes to a victim is counted by class; each may be a flood of its own. */
enum {
	FLOOD_SYN,
	FLOOD_UDP,
	FLOOD_ICMP,
	FLOOD_STRAY,   /* TCP of no connection: lone ACK, RST, FIN, SYN-ACK, flags untold */
	FLOOD_REFLECT, /* + which service */
};

enum {
	FLOOD_RING = 8,          /* slices that a victim remembers, one by one */
	FLOOD_SETTLED = FLOOD_RING - 1, /* slices until nothing more comes */
	FLOOD_COLD = 3,          /* who was there in the first slices may always have been */
	FLOOD_BEFORE = 12,       /* slices that tell what a newcomer got before */
	FLOOD_LEVELS = 2,        /* /24 and /16, /64 and /48 */
	FLOOD_KIDS = 256,        /* hosts of a small prefix, small prefixes of a large one */
	FLOOD_CARPETS = 64,
};

/* Of the UDP limit so much suffices where each source sends once. */
#define FLOOD_LONE_PART 6

/* Weight of a connection that works, to one that does not. */
#define FLOOD_OK_WEIGHT 0.125F

/* --- flood_ports.c --- */

struct flood_service {
	uint16_t port;
	const char *name; /* "DNS" */
};
const struct flood_service *flood_service(unsigned i); /* NULL past the last */
struct flood_ports {
	uint16_t port[256];
	uint8_t number[256]; /* of the service, from 1 */
};
void flood_ports_init(struct flood_ports *p);

/* Class of UDP that comes from (or, of an answer, went to) that port. */
static inline unsigned flood_udp_class(const struct flood_ports *p, uint16_t port)
{
	unsigned i = (port ^ port >> 8) & 255;

	for (; p->number[i]; i = (i + 1) & 255)
		if (p->port[i] == port)
			return FLOOD_REFLECT + p->number[i] - 1u;
	return FLOOD_UDP;
}

/* --- one flow, as floods see it --- */

struct flood_flow {
	const struct addr *src, *dst;
	uint64_t src_hash, dst_hash;
	int64_t start_ms, end_ms, from, to; /* slices */
	uint64_t packets, bytes, flows;
	double seen;    /* packets that the exporter looked at, in one slice */
	bool sampled;
	uint16_t port;  /* destination's */
	uint8_t cls;
	bool large;     /* more than a few packets that the exporter saw */
	bool lone;      /* a few packets, as spoofed sources send */
	bool ok;        /* TCP that got its answer */
	bool back;      /* and comes from the server, as far as ports tell */
	bool served;    /* UDP from a well-known port to one that is not */
	bool asks;      /* ICMP echo request */
	bool reply;     /* ICMP echo reply */
	float weight;   /* part of what makes a flood, in one slice */
};

/* --- hosts: flood_track.c --- */

struct flood_cell {
	int64_t slice;
	uint64_t in, bytes;  /* packets to the victim (SYN: attempts); octets */
	uint64_t packets, flows; /* as they were sent */
	uint64_t rows;
	uint64_t out;        /* packets that the victim sent back, or asked with */
	uint64_t done;       /* SYN, stray: answered connections; ICMP: echo replies */
	uint64_t calls;  /* SYN: of them those that came to it */
	uint64_t served;     /* UDP: packets of `in` that look like answers */
	double seen;
	uint64_t ports;      /* a bit for each destination port modulo 64 */
	uint64_t visitors[4]; /* a bit for each source of `calls`, in `visits` flows */
	uint32_t visits;
	bool changed;        /* since the last judging */
	bool thin;           /* the exporter samples */
	struct hll sources;
};

struct flood_key {
	struct addr addr;
	uint64_t cls; /* or, of a prefix, its level */
};

struct flood_state { /* of what is told */
	bool on;
	int64_t first_ms, last_ms, told_ms;
	double value, told;
	char why[512];
};

struct flood_host {
	struct flood_key key;
	uint64_t hash;
	bool used, changed;
	int64_t born, settled; /* slices; before settled all is learnt */
	uint32_t learnt;
	float mean, dev; /* packets/s of its class, answered or not */
	float heat;      /* recent weight, for whom to give up */
	float warm;      /* weight since the last slice began */
	struct measure measure; /* of what is told */
	double limit;    /* of it, in its unit */
	char kind[32];
	struct flood_state st;
	struct flood_cell ring[FLOOD_RING];
};

/* --- prefixes: flood_carpet.c --- */

struct flood_patch { /* what one prefix got in one slice */
	int64_t slice;
	bool changed;
	float in[FLOOD_KIDS], out[FLOOD_KIDS]; /* weights */
	float weight[FLOOD_REFLECT + 1]; /* by SYN, UDP, ICMP, stray, reflection */
	uint64_t packets, bytes;
	uint32_t rows;
	bool thin;
	struct hll sources;
};

struct flood_net {
	struct flood_key key; /* cls: level */
	uint64_t hash;
	bool used, changed;
	bool held; /* is bombed, and its neighbours are waited for */
	int64_t born, settled;
	uint32_t learnt;
	float heat, warm;
	float mean[FLOOD_KIDS];
	struct flood_patch ring[FLOOD_RING];
};

struct flood_carpet {
	struct prefix prefix;
	unsigned group; /* SYN, UDP, ICMP or reflection */
	unsigned level; /* 1: of small prefixes, each of which gets too little to be told */
	struct flood_state st;
	double sources, hosts, bits;
};

/* --- all of it --- */

enum { FLOOD_SKETCH = 8192, FLOOD_NET_SKETCH = 4096, FLOOD_BITS = 1 << 15, FLOOD_ENDS = 256 };

struct flood_end { /* of TCP connections: is it seen as source and as destination? */
	uint32_t tag;
	uint8_t rows, ways; /* bit 0: as source, bit 1: as destination */
	int64_t slice;
};

struct flood {
	struct flood_conf conf;
	struct flood_ports ports;
	uint64_t k0, k1;
	int64_t first, newest;     /* slices seen */
	int64_t held;              /* newest slice that teaches nothing */
	int64_t period;            /* slice of reception that the sketches count */
	uint32_t period_rows, last_rows, blocks, stands_for; /* see flood_track.c, sample() */
	float sketch[2][FLOOD_SKETCH];
	float before[2][FLOOD_SKETCH]; /* the same on average over FLOOD_BEFORE slices */
	bool holds;                /* teaches nothing now */
	uint32_t periods, n_stray; /* that were counted; hosts with FLOOD_STRAY */
	float sketch_sum, before_sum, net_sum;
	float net_sketch[FLOOD_LEVELS][FLOOD_NET_SKETCH];
	uint64_t host_bits[FLOOD_BITS / 64], net_bits[FLOOD_LEVELS][FLOOD_BITS / 64];
	struct map hosts, nets;    /* struct flood_key -> uint32_t number */
	struct flood_host *host;
	struct flood_net *net;
	uint32_t n_host, n_net, max_host, max_net, hand_host, hand_net;
	struct flood_end end[FLOOD_ENDS];
	double ends, both;         /* of connections; those that were seen in both ways */
	uint32_t open, open_both;  /* the same of those that are not counted yet */
	float per_syn, per_tcp, per_udp, per_lone, per_icmp, per_octet; /* weight of one */
	struct flood_carpet carpet[FLOOD_CARPETS];
	int64_t held_ms; /* when the first of a carpet that is not told yet was seen; 0: none */
};

/* Is one direction told only? In the first minute by what is known so far. */
static inline bool flood_blind(const struct flood *f)
{
	if (f->ends < 16)
		return f->open >= 8 && f->open_both < f->open / 4;
	return f->both < f->ends / 4;
}

/* Just after a start, nobody knows. */
static inline bool flood_unsure(const struct flood *f)
{
	return f->ends < 16 && f->open < 8 && f->periods < FLOOD_BEFORE;
}

/* Octets (packets) of the flow in slice s (D1). */
static inline uint64_t flood_share(const struct flood_flow *w, uint64_t total, int64_t s)
{
	if (w->start_ms >= s * SLICE_MS && w->end_ms <= (s + 1) * SLICE_MS)
		return total;
	return share_upto(total, w->start_ms, w->end_ms, (s + 1) * SLICE_MS) -
	       share_upto(total, w->start_ms, w->end_ms, s * SLICE_MS);
}

static inline uint64_t flood_mix(uint64_t hash, uint64_t what)
{
	hash = (hash ^ (what + 1) * UINT64_C(0xd6e8feb86659fd93)) *
	       UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 31;
}

/* What came so far of a slice, as a part of all that will come if it goes on like that. */
static inline double flood_passed(int64_t slice, int64_t now_ms)
{
	int64_t ms = now_ms - slice * SLICE_MS;

	return ms >= SLICE_MS ? 1 : ms > 1000 ? (double)ms / SLICE_MS : 1000.0 / SLICE_MS;
}

static inline bool flood_bit(const uint64_t *bits, uint64_t hash)
{
	return bits[hash % FLOOD_BITS / 64] >> (hash & 63) & 1;
}

static inline uint64_t flood_hash(const struct flood *f, const struct addr *a)
{
	uint64_t hi, lo;

	memcpy(&hi, a->b, 8);
	memcpy(&lo, a->b + 8, 8);
	lo = (lo ^ f->k0) * UINT64_C(0x9e3779b97f4a7c15);
	lo ^= lo >> 32;
	lo = (lo ^ hi ^ f->k1) * UINT64_C(0xd6e8feb86659fd93);
	return lo ^ lo >> 29;
}

/* The flow came to its destination, and its source's answers count. */
void flood_carpet_flow(struct flood *f, const struct flood_flow *w);
/* The slice before newest is over: learns what has settled. */
void flood_carpet_advance(struct flood *f, int64_t newest);
void flood_carpet_judge(struct flood *f, int64_t now_ms, finding_f *fn, void *arg);
/* Some carpet that stands, or will in a moment, covers it. */
bool flood_carpeted(struct flood *f, const struct addr *a);

/* --- flood_before.c --- */

/* What came to one of that hash in a slice, on average, before it had a name. */
float flood_before(const struct flood *f, uint64_t hash);
/* So many slices of reception are over: their counters become what was before. */
void flood_before_period(struct flood *f, int64_t gap);

void flood_track_init(struct flood *f, size_t memory);
void flood_track_fini(struct flood *f);
void flood_track_feed(struct flood *f, const struct block *b, const uint64_t *bits,
		      int64_t now_ms);

/* --- one slice of one victim: flood_over.c, flood_words.c --- */

enum look_kind { LOOK_PLAIN, LOOK_REFLECTED, LOOK_VISITS };
struct look {
	double seconds;      /* that it is about */
	double rate, limit;  /* packets/s that count, and where a flood begins */
	double sources, bits;
	enum look_kind kind;
};
bool flood_over(const struct flood *f, const struct flood_host *h, const struct flood_cell *c,
		double seconds, struct look *l);
bool flood_over_all(const struct flood *f, const struct flood_host *h, struct look *l);
void flood_words(const struct flood_host *h, const struct look *l, struct finding *out);

/* Tells that it stands, when it is new or has grown much; value in `measure`. */
bool flood_tell(struct flood_state *st, double value, int64_t first_ms, int64_t last_ms,
		int64_t now_ms);

#endif
