/* pattern.h - what every detector of flow patterns is.
 * SPDX-License-Identifier: ISC
 *
 * A detector (detector.h) judges one number of one series. A pattern looks at the flows
 * themselves, all that the rule's filter lets through, keeps bounded sketches, and says
 * what it found: who scans, who is flooded, who is new. Same flows and times in, same
 * findings out: no clock, no I/O, and no memory but what `open` was given. One thread at
 * a time for each state.
 *
 * daemon/pattern.c makes alerts of findings, in the daemon and in a backtest.
 */
#ifndef CUL_DETECTORS_PATTERN_H
#define CUL_DETECTORS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/opt.h"
#include "daemon/model/series.h"
#include "rules/filter/filter.h"

/* What was found. Identity is (by, key, kind): a finding with the same three is the same
 * thing again. All text is made by the pattern, of numbers and addresses: it is inert. */
struct finding {
	enum by by;		/* whom it is about: BY_SRC a scanner, BY_DST a victim ... */
	struct key key;
	bool ended;		/* else it stands: told when it begins and whenever it grew */
	int64_t first_ms, last_ms; /* event time of its flows */
	struct measure measure;	/* the unit of the two: MEASURE_PEERS, _PORTS, _PACKETS_S ... */
	double value, limit;
	struct addr who;	/* whom a rule may slow for it (act); none: nobody */
	char kind[32];		/* "horizontal scan", "SYN flood", "DNS reflection" */
	char filter[256];	/* of its flows, for evidence, beside rule and key; "": all */
	char why[512];		/* one sentence or three: what, what of it, where to look */
};
typedef void finding_f(void *arg, const struct finding *f); /* borrows */

struct block;

struct pattern {		/* one line each in patterns.def */
	const char *name;	/* config keyword: detector = "scan" */
	const char *doc;	/* one line, shown by `culprit score --list` */
	const struct opt *opts; /* settings, doubles in conf; a NULL name ends. No name may
				   be one of a rule's own settings. */
	size_t conf_size;
	/* The setting that a backtest tries other values of: more of it, fewer alerts. NULL:
	 * there is no such. */
	const char *limit;
	/* memory: octets that the state may take, at least 256 KiB. */
	void *(*open)(const void *conf, size_t memory);
	/* Rows of b whose bit is set (ROW_WORDS words), at now_ms. On the path of every
	 * flow: what does not concern the pattern must cost about a nanosecond.
	 * NULL: a rule about the data itself, which the daemon watches (watch.h); then
	 * nothing but its settings is here. */
	void (*feed)(void *state, const struct block *b, const uint64_t *bits,
		     int64_t now_ms);
	/* Once a second, in the middle of a slice as well, and at the end of a backtest:
	 * tells what stands or has ended. Costs nothing where nothing has changed. */
	void (*judge)(void *state, int64_t now_ms, finding_f *fn, void *arg);
	void (*free)(void *state);
	/* While it is held (maintenance, or a silence over the whole rule) it looks on, but
	 * what it sees becomes neither usual nor known. Told before each judging. NULL: it
	 * learns nothing. */
	void (*hold)(void *state, bool held);
	/* How long it only learns yet, of the network that is nearest to its end; 0: not any
	 * more. NULL: never. */
	int64_t (*learns_ms)(const void *state, int64_t now_ms);
	/* What tells countries (filter.h), NULL for nothing; after open and whenever rules
	 * change. It is for what is found, not for each flow. May be NULL. */
	void (*geo)(void *state, filter_country_f *country, void *arg);
	/* What must outlive a restart; both may be NULL. save gives octets (NULL: nothing to
	 * keep); load is called once after open, and false means that it began anew. */
	void *(*save)(const void *state, size_t *len);
	bool (*load)(void *state, const void *data, size_t len);
};

/* NULL when no pattern has that name. */
const struct pattern *pattern_find(const char *name);
/* The i-th of all patterns, NULL past the last. */
const struct pattern *pattern_at(size_t i);

#endif
