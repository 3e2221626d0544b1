/* exporter.h - what must be remembered of an exporter to decode it.
 * SPDX-License-Identifier: ISC
 *
 * exporter_state is one per exporter of names.h, domain one per exporter,
 * protocol and observation domain (source id, engine, sub-agent). Sequence
 * numbers, templates and boot time belong to a domain; clock skew and lateness
 * to the exporter.
 *
 * Memory: exporters x sizeof(struct exporter_state) (< 1 KiB) and DOMAINS_MAX x
 * sizeof(struct domain) (< 1 KiB) = at most 16 MiB a collector; templates and held
 * sets: tmpl.h.
 */
#ifndef CUL_COLLECT_EXPORTER_H
#define CUL_COLLECT_EXPORTER_H

#include "daemon/collect/decoder.h"

enum { DOMAINS_MAX = 16384, DOMAINS_PER_EXPORTER = 1024, SAMPLED_IN_BITS = 1024 };

/* --- sequence numbers --- */
enum { SEQ_GAPS = 4, SEQ_SETTLE_MS = 1000 };

/* A gap is counted lost when it has been open for SEQ_SETTLE_MS: datagrams that were
 * only overtaken fill it before. */
struct seq {
	uint32_t next;     /* the number the next datagram should carry */
	uint32_t rival;    /* what follows the last datagram that did not fit */
	bool known, rival_known;
	uint8_t n_gaps;
	struct seq_gap {
		uint32_t from, to; /* [from, to) is missing */
		int64_t at_ms;
	} gap[SEQ_GAPS];
};

enum seq_verdict { SEQ_FIRST, SEQ_NEXT, SEQ_GAP, SEQ_LATE, SEQ_OTHER, SEQ_RESTART };

/* Takes the sequence number `number` of a datagram that holds `units` of what is
 * counted. max_gap: a longer jump is a reset, not a loss. Adds settled losses to
 * ledger->lost[unit], resets to ledger->restarts. */
enum seq_verdict seq_take(struct seq *s, uint32_t number, uint32_t units,
			  uint32_t max_gap, int64_t now_ms, struct ledger *ledger,
			  enum lost_unit unit);
/* The exporter said it restarted (its uptime went back), or the last datagram could
 * not be counted: the next number is right, whatever it is. */
void seq_forget(struct seq *s);
/* Counts the gaps older than SEQ_SETTLE_MS. */
void seq_settle(struct seq *s, int64_t now_ms, struct ledger *ledger,
		enum lost_unit unit);

/* --- domains --- */
struct tmpl;

struct domain {
	uint32_t id;          /* observation domain, source id, engine, sub-agent */
	uint32_t sub;         /* sFlow: hash of the agent address; of a connection: its number */
	enum via via;
	uint16_t port;        /* source port of the datagrams that fit */
	uint16_t key_port;    /* the one it is for, when it came of a split; else 0 */
	bool split;           /* several exporters: there is a domain for each port */
	uint32_t serial;      /* in this collector, never used again */
	struct exporter_state *x;
	struct domain *next;  /* of the same exporter */
	int64_t seen_ms;

	struct seq seq;
	enum lost_unit lost_unit;
	uint64_t restarts;    /* times its uptime went back */

	/* nf9.c: what its sequence number counts */
	enum nf9_counts { COUNTS_UNKNOWN, COUNTS_DATAGRAMS, COUNTS_RECORDS, COUNTS_HEADER } counts;
	bool counts_itself;   /* ipfix.c: its number is the one after its datagram */
	uint32_t last_number; /* of the datagram before, and what was in it: */
	uint32_t last_of[2];  /* data records; records as its header says */
	uint8_t votes[2];     /* times in a row that the number went on by them */
	uint32_t doubtful;    /* lost, if it is datagrams that are counted */

	/* times.h */
	bool uptime_known;
	uint32_t uptime;      /* of the newest datagram, ms */
	int64_t boot_ms;      /* smoothed: when uptime was 0, by its clock; 0 unknown */
	int64_t boot_low[2];  /* IPFIX: lowest candidate in this and in the last bucket */
	int64_t boot_since_ms;
	uint32_t boot_seen;   /* datagrams in this bucket */
	int64_t sysinit_ms;   /* IE 160, 0 not told */

	/* Other source ports that go on with a sequence of their own. */
	struct rival {
		uint16_t port, hits;
		uint32_t next;
		int64_t since_ms;
	} rival[3];
	uint16_t conflicts;   /* times a template changed because of another port */
	int64_t conflict_ms;

	uint64_t sampled_in[SAMPLED_IN_BITS / 64]; /* sFlow: sampled on input */

	/* sampling.h */
	uint32_t rate;        /* for all of it, from options data; 0 unknown */
	uint32_t header_rate; /* of the newest header (v5) */
	int64_t rate_changed_ms;
	uint32_t n_rates;     /* by sampler id and by interface */
	uint32_t n_samplers, samplers_rate; /* the rate of all of them; 0: they differ */
	bool has_interface_rates;

	/* tmpl.h */
	struct tmpl *recent[4];       /* by template id & 3 */
	struct tmpl *newest, *oldest; /* all of this domain, last used first */
	uint32_t n_templates;
	bool withdrew;                /* templates: no data of it wait for one any more */
};

/* --- exporters --- */
enum { LATENESS_BUCKETS = 104 };
struct held;

struct exporter_state {
	struct exporter *exporter; /* names.h: id, name, ledger */
	struct domain *domains;    /* newest first */
	struct domain *last;       /* of the last datagram */
	uint32_t n_domains;
	uint32_t n_words;          /* options.c: names by id that it told */
	int64_t seen_ms;

	/* sampling.h: what the configuration says, looked up again after a reload */
	uint32_t configured;       /* number of the configuration this comes from */
	uint32_t override_rate;    /* for all interfaces, 0 none */
	bool override_interfaces;  /* some interfaces have one of their own */

	/* times.h: the exporter's clock minus ours, in 1/16 ms, smoothed */
	bool skew_known;
	uint8_t skew_odd;          /* datagrams in a row that disagree */
	int64_t skew16, skew_odd_ms;

	/* received - start of its flows: logarithmic buckets from 64 ms on, decaying */
	uint16_t lateness[LATENESS_BUCKETS];

	/* tmpl.h: sets that wait for their template, oldest first */
	struct held *held, **held_end;
	uint32_t held_sets, held_octets;
};

/* The state of who sent from `from`; NULL when it is refused (then *why says so). */
struct exporter_state *exporter_get(struct collector *c,
				    const struct sockaddr_storage *from, uint16_t *port,
				    enum shed_reason *why);
/* The state of an exporter already in names.h, made when new. */
struct exporter_state *exporter_state_of(struct collector *c, struct exporter *e);

/* The domain of d's exporter and protocol with that id (and sub), made when new; NULL
 * when there are too many. Told apart by d->port once it is split. */
struct domain *domain_get(struct dgram *d, uint32_t id, uint32_t sub);
/* A datagram of dom whose sequence number made `v`: finds out whether two exporters
 * share the domain, splits it and says so. Returns the domain to go on with. */
struct domain *domain_rivals(struct dgram *d, struct domain *dom, enum seq_verdict v,
			     uint32_t number, uint32_t units);
/* From now on dom's id means another domain for each source port; says so once, with d's port
 * and the other one that was seen. */
void domain_split(struct dgram *d, struct domain *dom, uint16_t other);

/* Learns that a flow of x began so long before it was received. */
void lateness_add(struct exporter_state *x, int64_t ms);
/* The 99.9th percentile of what was learnt, 0 when nothing was. */
int64_t lateness_of(const struct exporter_state *x);

#endif
