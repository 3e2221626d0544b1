/* collector.h - what the files of this folder share of a collector.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_COLLECTOR_H
#define CUL_COLLECT_COLLECTOR_H

#include "daemon/base/map.h"
#include "daemon/collect/exporter.h"

enum {
	SENDERS = 256,         /* entries of the cache of who sent, a power of two */
	TEMPLATES_MAX = 16384,
	TEMPLATES_PER_DOMAIN = 1000,
	TEMPLATE_OCTETS_MAX = 12 << 20, /* in all, with their plans */
	TEMPLATE_OCTETS_DGRAM = 40 << 10, /* that one datagram may define (P3) */
	HELD_SETS = 256, HELD_OCTETS = 64 << 10, /* for one exporter */
	HELD_OCTETS_ALL = 8 << 20,
	WORDS_MAX = 16384,     /* names by id that options data told, 80 octets each */
	IDLE_MS = 30 * 60 * 1000,
	TEMPLATE_LIFE_MS = 24 * 3600 * 1000, /* not repeated, not used: gone */
	HELD_LIFE_MS = 10 * 60 * 1000,
};

struct sender {
	struct addr addr;
	uint16_t port;
	bool used;
	struct exporter_state *x;
};

struct scratch;
struct totals;

struct collector {
	struct names *names;
	struct collect_conf conf;      /* conf.overrides is ours, sorted */
	uint32_t configured;           /* number of the configuration */
	struct ledger strays;          /* datagrams of nobody in names */

	struct exporter_state **states; /* by exporter id */
	uint32_t n_states;
	uint64_t names_version;        /* the cache of senders holds for this one */
	struct sender senders[SENDERS];

	struct map domains;            /* struct domain_key -> struct domain * */
	uint32_t n_domains, serial;

	struct map templates;          /* struct tmpl_key -> struct tmpl * */
	struct tmpl *newest, *oldest;  /* all, last used first */
	uint32_t n_templates;
	size_t template_octets, held_octets;

	struct map rates;              /* sampling.c */
	struct map words;              /* options.c */
	struct totals *totals;         /* totals.c; NULL until somebody counts up */
	struct scratch *scratch;       /* plan.c */
	int64_t now_ms, decay_ms;
};

/* A domain or a whole exporter is forgotten: frees what hangs on it. */
void domain_free(struct collector *c, struct domain *dom);

#endif
