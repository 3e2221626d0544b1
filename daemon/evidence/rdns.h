/* rdns.h - what an address is called in the DNS, asked slowly and remembered.
 * SPDX-License-Identifier: ISC
 *
 * A thread of its own asks, at most RDNS_RATE questions in any second, and
 * keeps the last RDNS_CACHE answers, those that say "no name" too. Who asks here never
 * waits unless it says for how long.
 */
#ifndef CUL_EVIDENCE_RDNS_H
#define CUL_EVIDENCE_RDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

enum { RDNS_NAME = 256, RDNS_RATE = 20, RDNS_CACHE = 10000, RDNS_TIMEOUT_MS = 2000,
       RDNS_ASKED = 78 };

struct rdns;

enum rdns_answer { RDNS_KNOWN, RDNS_NONE, RDNS_LATER };

struct rdns_stats {
	uint64_t asked;      /* questions sent */
	uint64_t answered, failed; /* failed: no answer, a refusal, one that was not to be believed */
	uint64_t left_out;   /* not asked, because too many were waiting */
	uint64_t cached;
};

/* nameserver: "192.0.2.53", "192.0.2.53:5353", "[::1]:53" or "", the system's. NULL + err. */
struct rdns *rdns_start(const char *nameserver, struct err *err);
void rdns_stop(struct rdns **r);

/* Any thread, never waits. RDNS_KNOWN fills name, which is text from outside. RDNS_LATER:
 * it is being asked, or there is no room to ask it now; look again later. */
enum rdns_answer rdns_find(struct rdns *r, const struct addr *a, char name[static RDNS_NAME]);
/* Waits until none of the n addresses is being asked, at most wait_ms, and not at all
 * while the servers do not answer anything. */
void rdns_wait(struct rdns *r, const struct addr *a, size_t n, int wait_ms);
void rdns_stats(struct rdns *r, struct rdns_stats *out);

/* The question for an address, "66.0.20.10.in-addr.arpa", letters in the case that
 * the bits of `chance` say. */
void rdns_question(const struct addr *a, uint64_t chance, char out[static RDNS_ASKED]);
/* Reads an answer to that question. KNOWN: name and for how long; NONE: there is no such name;
 * LATER: it is no answer to be believed. */
enum rdns_answer rdns_parse(const uint8_t *answer, size_t len, const char *question,
			    char name[static RDNS_NAME], uint32_t *ttl_s);

#endif
