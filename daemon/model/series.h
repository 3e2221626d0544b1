/* series.h - one measured thing through time: what, of whom.
 * SPDX-License-Identifier: ISC
 *
 * A series is a rule (or view), a group key and a measure. In memory the key is
 * a few octets made of ids of this process (fast); in history, fingerprints and
 * between nodes it is text made of addresses and names (stable).
 */
#ifndef CUL_MODEL_SERIES_H
#define CUL_MODEL_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/block.h"
#include "daemon/model/names.h"

enum { SLICE_MS = 10000, BIN_MS = 300000, BIN_SLICES = 30 };

enum by {
#define BY(e, word, octets, keys) e,
#include "daemon/model/by.def"
#undef BY
	BY_COUNT
};
enum { KEY_OCTETS = 40, SERIES_TEXT = 200 };

struct key {
	uint8_t b[KEY_OCTETS]; /* the first by_octets[by] count, the rest is zero */
};

int by_find(const char *word); /* enum by, or -1 */
const char *by_word(enum by by);
size_t by_octets(enum by by);
unsigned by_keys(enum by by);
bool by_is_small(enum by by); /* none, exporter, interface, network: few, always kept */

/* For a person, "edge WAN in", "10.20.0.66", "https (tcp 443)"; returns buf. */
const char *key_text(enum by by, const struct key *k, const struct names *n,
		     char buf[static SERIES_TEXT]);
/* Stable: "interface=192.0.2.1/WAN/in", "host=10.20.0.66"; returns buf. Interfaces by
 * name where known, else "#2". */
const char *key_id(enum by by, const struct key *k, const struct names *n,
		   char buf[static SERIES_TEXT]);
/* Back from key_id; exporters are looked up, not made. */
bool key_parse(const char *id, const struct names *n, enum by *by, struct key *k);

enum measure_kind { MEASURE_BITS_S, MEASURE_BYTES, MEASURE_PACKETS_S, MEASURE_PACKETS,
		    MEASURE_FLOWS_S, MEASURE_FLOWS, MEASURE_PEERS, MEASURE_PORTS,
		    MEASURE_ENTROPY, MEASURE_UTILISATION };
struct measure {
	enum measure_kind kind;
	enum field of; /* MEASURE_ENTROPY: the column; others: not used */
};

bool measure_parse(const char *word, struct measure *out); /* "bits/s", "entropy(src)" */
const char *measure_word(const struct measure *m, char buf[static 32]);
const char *measure_unit(const struct measure *m); /* "bit/s", "B", "packets/s", "1" … */
/* A value with its unit for a person: "18.7 Mbit/s"; returns buf (UNIT_TEXT). */
const char *measure_text(const struct measure *m, double value, char *buf);
bool measure_is_rate(const struct measure *m);
/* In which parts of a value are told, for parts of distinct values, of an entropy or of a
 * line's use are none: flows a second, bits a second. */
struct measure measure_compared(const struct measure *m);

/* Calendar windows: since the start of the local day, week (Monday) or month. */
enum period { PERIOD_NONE, PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH };

/* The sums that every other figure is made of. */
struct sums {
	uint64_t bytes, packets, flows;
};

static inline void sums_add(struct sums *to, const struct sums *s)
{
	to->bytes += s->bytes;
	to->packets += s->packets;
	to->flows += s->flows;
}

/* 64-bit fingerprint of rule and series, 16 hex digits and NUL. */
void series_fingerprint(const char *rule, const char *key_id, char out[static 17]);

#endif
