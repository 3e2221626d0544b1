/* decoder.h - from a datagram to rows of a block.
 * SPDX-License-Identifier: ISC
 *
 * The one way in is collect_datagram(): it finds who sent the datagram, counts
 * it in the ledger, recognises the protocol and calls its decoder (a row of
 * decoders.def). A decoder writes what its records tell into rows of out->block
 * and nothing else; when the datagram is done, dgram_finish() gives all its
 * rows what every flow has: exporter, domain, protocol, receive time, the order
 * of D1 for times (times.h) and sampling (sampling.h). Decoders know nothing of
 * what follows.
 *
 * A collector belongs to one thread; an exporter always lands on the same one,
 * so nothing here takes a lock, except names.h when an exporter or a name is new.
 * Nothing is allocated per datagram once exporters and templates are known.
 */
#ifndef CUL_COLLECT_DECODER_H
#define CUL_COLLECT_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/rd.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"

struct collector;
struct domain;
struct exporter_state;
struct sockaddr_storage;
struct strb;
struct err;

/* Counters of one interface, as sFlow counter samples tell them: totals since its
 * agent's start, not yet differences. A total not told is UINT64_MAX. */
struct if_counters {
	uint32_t exporter, index;
	int64_t at_ms;      /* receive time */
	uint64_t speed_bps; /* 0 not told */
	uint64_t in_octets, out_octets;
	uint64_t in_packets, out_packets; /* unicast + multicast + broadcast */
	uint64_t in_discards, out_discards, in_errors, out_errors;
};

/* Where the rows go. `full` takes a full block and gives an empty one. */
struct collect_out {
	struct block *block; /* never NULL */
	struct block *(*full)(void *arg, struct block *b);
	void (*counters)(void *arg, const struct if_counters *c); /* NULL: not wanted */
	void *arg;
};

/* One datagram on its way through a decoder. A decoder fills what is marked D
 * before the first row; everything else is there when it is called. */
struct dgram {
	struct collector *c;
	struct exporter_state *x; /* who sent it; x->exporter is its place in names.h */
	struct collect_out *out;
	int64_t received_ms;
	uint16_t port;       /* source port */
	uint32_t session;    /* of a connection: its number; 0 a datagram */
	enum via via;        /* set from the row of decoders.def; D may refine it */
	uint32_t domain_id;  /* D: what the column `domain` gets */
	struct domain *dom;  /* D: domain_get(); NULL where nothing is remembered */
	int64_t export_ms;   /* D: the exporter's clock in the header, 0 not told */
	bool whole_seconds;  /* D: export_ms was cut to seconds */
	bool uptime_known;   /* D: the header had an uptime */
	uint32_t uptime;     /* D: of export_ms, ms */
	uint32_t rate;       /* D: sampling for rows with none of their own, 0 unknown */
	uint8_t rate_source; /* D: enum sampling_source of it */
	int64_t shift_ms;    /* its clock is fast by this: taken off every time */
	uint32_t first;      /* first row of out->block that is not finished */
	uint32_t rows;       /* so far, over all blocks */
	uint32_t records;    /* v9, IPFIX: data records so far, options included */
	uint32_t options;    /* how many of them are options' */
	uint32_t new_octets; /* memory for templates that it defined */
	bool uncounted;      /* and a set whose records nobody could count */
};

/* At most so many rows come out of one datagram (RELIABILITY cases 41, 60). */
enum { DGRAM_ROWS_MAX = 4096 };

/* Gives every row since d->first its common columns and counts them. Called by
 * out_row() and collect_datagram(); a decoder needs it only before it changes a
 * D member in the middle of a datagram. */
void dgram_finish(struct dgram *d);

/* Makes room for n rows (at most BLOCK_ROWS / 2) in d->out->block. */
static inline void out_room(struct dgram *d, uint32_t n)
{
	if (d->out->block->n + n > BLOCK_ROWS) {
		dgram_finish(d);
		d->out->block = d->out->full(d->out->arg, d->out->block);
		d->first = d->out->block->n;
	}
}

/* The number of a new row in d->out->block. Every cell of it is zero; block_use()
 * a column before writing to it. bytes and packets as sent (not multiplied);
 * `sampling` the row's own rate, if it has one; start_ms and end_ms in Unix time by
 * the exporter's clock, 0 not told (then: received_ms). */
static inline uint32_t out_row(struct dgram *d)
{
	struct block *b;

	out_room(d, 1);
	d->rows++;
	b = d->out->block;
	if (b->n >= b->ready)
		block_ready(b, b->n + 64 < BLOCK_ROWS ? b->n + 64 : BLOCK_ROWS, 0);
	return b->n++;
}

/* Takes the newest row back (its record turned out to be bad). */
void out_unrow(struct dgram *d);

/* Why a datagram was refused: a decoder returns one of these, DGRAM_OK when it took
 * it. (A bad set or sample inside is not a refusal: dgram_set() counts it.) */
enum { DGRAM_OK = -1, DGRAM_SHED = 0x100 /* + enum shed_reason */ };

/* Decodes r, which starts at the version. Returns DGRAM_OK, an enum bad_reason, or
 * DGRAM_SHED + an enum shed_reason; on a refusal it has made no row. */
typedef int decode_f(struct dgram *d, struct rd r);

struct decoder {
	enum via via;
	uint16_t version;
	bool wide;        /* the version has 32 bits (sFlow) */
	decode_f *decode;
};
/* NULL when nobody speaks it. data: at least the version, else NULL. */
const struct decoder *decoder_find(const uint8_t *data, size_t len);

/* One set (v9, IPFIX) or sample (sFlow) of an accepted datagram. */
void dgram_set(struct dgram *d, enum set_outcome outcome);

/* --- what the owner of a thread calls --- */

/* A sampling rate that an administrator set; wins over what the exporter says. */
struct sampling_override {
	uint32_t exporter;  /* id in names.h */
	uint32_t interface; /* ifIndex, 0: all others of it */
	uint32_t rate;
};

struct collect_conf {
	bool only_known;        /* refuse exporters without a section */
	uint32_t templates_max; /* in this collector; 0: 16,384 */
	uint32_t max_sampling;  /* rates above are not believed; 0: 1,000,000 */
	const struct sampling_override *overrides; /* copied */
	size_t n_overrides;
};

/* names is borrowed until collector_free(). */
struct collector *collector_new(struct names *names, const struct collect_conf *conf);
void collector_free(struct collector **c);
/* New settings, on the collector's thread, between datagrams. */
void collector_configure(struct collector *c, const struct collect_conf *conf);

/* One received datagram. Never fails: what is wrong with it is counted. */
void collect_datagram(struct collector *c, const struct sockaddr_storage *from,
		      const void *data, size_t len, int64_t received_ms,
		      struct collect_out *out);
/* One message of an IPFIX connection (RFC 7011 sec. 10.4), counted as a datagram is.
 * session is the connection's number, never 0 and never used again: templates and
 * sequence numbers are its own, and withdrawals are honoured. False when the connection
 * is to be closed (sec. 10.4.3): the message was no IPFIX. */
bool collect_message(struct collector *c, const struct sockaddr_storage *from,
		     uint32_t session, const void *data, size_t len, int64_t received_ms,
		     struct collect_out *out);
/* That connection is over: forgets what belonged to it. */
void collect_session_end(struct collector *c, const struct sockaddr_storage *from,
			 uint32_t session);
/* The books of datagrams whose sender got no place in names.h (only_known, or the
 * table is full): received and shed, nothing else. Any thread. */
const struct ledger *collector_strays(const struct collector *c);
/* Once a second or so: expires templates and held sets, closes sequence gaps,
 * publishes lateness. */
void collector_tick(struct collector *c, int64_t now_ms);

/* Templates and sampling tables for the next start. On the collector's thread. */
void collect_save(struct collector *c, struct strb *out);
/* Adds what was saved; exporters that land on other collectors are skipped by `mine`
 * (NULL: all are mine). false + err: not such a file; then nothing was added. */
bool collect_load(struct collector *c, const void *data, size_t len, int64_t now_ms,
		  bool (*mine)(void *arg, const struct addr *a), void *arg,
		  struct err *err);

#endif
