/* worker.h - a thread that receives and decodes.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_WORKER_H
#define CUL_COLLECT_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/collect/decoder.h"
#include "daemon/collect/forward.h"
#include "daemon/collect/udp.h"

struct worker;

enum {
	WORKER_HOLD_MS = 100, /* a row waits at most so long for its block to fill */
	WORKER_BLOCKS = 16, /* blocks kept for use again, each about 0.5 MB when filled */
};

struct worker_conf {
	unsigned number;             /* reads the sockets of u with this number */
	struct udp *udp;             /* borrowed */
	struct collector *collector; /* borrowed; the worker's own from start to stop */
	const struct names *names;   /* borrowed: of its blocks */
	struct forward *forward;     /* borrowed, the worker's own; NULL: none */
	/* Takes a block with n > 0. May wait (then the kernel queues, and at last drops
	 * and counts); false: nobody wants blocks any more. On the worker's thread. */
	bool (*sink)(void *arg, struct block *b);
	void *arg;
	void (*counters)(void *arg, const struct if_counters *c); /* NULL: not wanted */
	void *counters_arg;
};

/* By anybody, each consistent in itself. */
struct worker_stats {
	uint64_t datagrams, blocks, rows;
	uint64_t new_blocks; /* for which none could be used again */
	uint64_t wakeups;    /* times it went to look for datagrams */
	uint64_t cpu_ns;     /* of its thread */
};

struct worker *worker_start(const struct worker_conf *conf, struct err *err);
/* Reads what has arrived, hands over the last block, ends and joins the thread. */
void worker_stop(struct worker **w);

/* Runs fn on the worker's thread between two datagrams and waits for it: settings,
 * saving templates. Not from the worker itself. */
void worker_call(struct worker *w, void (*fn)(void *arg, struct collector *c), void *arg);

void worker_stats(const struct worker *w, struct worker_stats *out);

#endif
