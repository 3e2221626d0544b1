/* scan_impl.h - between the files of the scan detector.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_DETECTORS_SCAN_IMPL_H
#define CUL_DETECTORS_SCAN_IMPL_H

#include "daemon/base/hll.h"
#include "daemon/model/slice.h"
#include "detectors/packet.h"
#include "detectors/pattern.h"

enum { /* what judging needs of it; the rest stands in scan.c */
	WAYS = 8,
	CELLS = 1 << 16,
	GIVEN = 1 << 15,	/* bits of the map of suspects */
	PAIRS = 4096,		/* that say whether both directions are seen */
	HEAVY = 8,		/* ports and addresses that are followed of each source */
	THIN = 20,		/* attempts that are enough where packets are sampled */
};

struct scan_conf {
	double targets, ports, unanswered, remember;
};

enum proto { P_TCP, P_UDP, P_ICMP, P_STRAY }; /* stray: TCP of no connection */

struct marks { /* how many different, up to some 400; now, before */
	uint64_t bit[2][2];
};

/* Those that had most attempts, by Misra and Gries: who has least gives way by one. */
struct heavy_port {
	struct marks targets;
	uint32_t weight;
	uint16_t port;
};
struct heavy_target {
	struct marks ports;
	uint32_t weight;
	struct addr addr;
};

struct sketches { /* now, before */
	struct hll targets[2], ports[2], pairs[2];
	struct heavy_port port[HEAVY];
	struct heavy_target target[HEAVY];
};

struct source {
	struct addr addr;
	struct sketches *is;
	uint8_t proto;
	bool touched, told, vertical, horizontal, no_flags;
	bool swept;			/* pings, and that was told or is usual */
	uint32_t rate;			/* least sampling of its attempts */
	uint64_t hash;
	int64_t first_ms, last_ms;	/* event time of its attempts */
	int64_t seen_ms;		/* when the last came */
	int64_t turned_ms;		/* generation began */
	int64_t begun_ms;		/* of what is told */
	uint64_t attempts, asked, answered; /* asked, answered: in sampled blocks */
	double told_value;
	char kind[24];
	uint16_t port;			/* that most attempts went to */
	uint32_t port_weight;
	int32_t near_lead;		/* of attempts to its own neighbours */
	struct addr site;		/* a target, in whose neighbourhood most others are */
	int32_t site_lead;
	bool heard;			/* an answer came to it */
};

struct scan {
	struct scan_conf conf;
	uint16_t *cell;			/* CELLS */
	/* sets * WAYS of each: what is looked through lies close together. */
	uint32_t *tag;			/* 0: free; else of hash and protocol */
	struct source *source;
	struct sketches *sketches;
	uint32_t sets;
	uint64_t given[GIVEN / 64];	/* hashes of suspects */
	uint32_t pair[2][PAIRS];	/* far, near: hash, below it a bit for each direction */
	unsigned suspects;
	int64_t cleared_ms, now_ms;
	int64_t slice;
	uint32_t slice_rows, slow_rows, taken, blocks;
	bool sampled;
};

/* Share of the attempts that failed. What TCP got through is no attempt by its flags; of
 * the others each is one, and some come back. */
double scan_failed(enum proto p, double asked, double answered);
/* What is enough of it, instead of conf, where packets are sampled. */
double scan_limit(const struct source *e, double conf);
/* So many attempts make a suspect. */
double scan_suspect(const struct scan *s, const struct source *e);
/* How many different are marked. */
double scan_marked(const struct marks *m);

/* scan_judge.c */
void scan_judge(struct scan *s, finding_f *fn, void *arg);

#endif
