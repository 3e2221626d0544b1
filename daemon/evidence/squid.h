/* squid.h - what was asked of the proxy: the log followed, requests in memory and kept.
 * SPDX-License-Identifier: ISC
 *
 * One thread reads all logs; requests of the last two hours are in memory, at most 64 MB
 * of them, for whoever has an alert to explain. All of them are kept beside the archive
 * (request_log.h).
 */
#ifndef CUL_EVIDENCE_SQUID_H
#define CUL_EVIDENCE_SQUID_H

#include "daemon/evidence/request.h"

struct squid;
struct veil;

/* One proxy, as the configuration says. */
struct squid_opts {
	const char *log;             /* a file; "udp://…", "tcp://…": Squid sends it; "": none */
	const char *manager;         /* "": none */
	const struct addr *addresses; /* of the proxy, as flows show them */
	size_t n_addresses;
	const struct prefix *allow;  /* who may send a log, beside loopback and the addresses */
	size_t n_allow;
	enum request_urls urls;      /* how much of them is kept */
};

/* Where things are kept; all may be NULL and 0. */
struct squid_place {
	const char *state_dir;   /* positions in the logs; NULL: they are not kept */
	const char *archive_dir; /* requests; NULL or "": only in memory */
	int64_t keep_ms;         /* of them; 0: for ever */
	const struct veil *veil; /* clients have pseudonyms; NULL: they have none */
};

struct squid_stats {
	uint64_t lines, broken, too_long; /* requests; lines of no format; over 64 KiB */
	uint64_t refused;                 /* datagrams and connections of who may not send */
	uint64_t kept, octets;            /* requests in memory */
	uint64_t rotations, truncations;
	uint64_t dropped;                 /* not kept beside the archive, for want of room */
};

/* Copies what it needs of o[0..n) and place. NULL when n is 0. */
struct squid *squid_start(const struct squid_opts *o, size_t n,
			  const struct squid_place *place);
void squid_stop(struct squid **s);

/* The proxies' addresses; valid until squid_stop. */
const struct veil *squid_veil(const struct squid *s);
const struct addr *squid_addresses(const struct squid *s, size_t *n);

/* Requests that overlap [from, to), each once, in no order, after the logs' last lines
 * were read (waits for that at most 500 ms); what is no longer in memory from the files
 * beside the archive, the 200,000 largest. `running` asks the cache managers too (2 s at
 * most, and not again for 30 s after one failed). Gives *n references in a list, to be
 * freed with squid_give_back. One thread. */
struct request **squid_requests(struct squid *s, int64_t from_ms, int64_t to_ms,
				bool running, size_t *n);
void squid_give_back(struct request **list, size_t n);

void squid_stats(struct squid *s, struct squid_stats *out);

#endif
