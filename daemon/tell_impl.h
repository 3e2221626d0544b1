/* tell_impl.h - shared by tell.c, tell_conf.c and tell_ask.c.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_TELL_IMPL_H
#define CUL_TELL_IMPL_H

#include "daemon/link.h"
#include "daemon/tell.h"
#include "rules/noise.h"

#include <pthread.h>

enum job_kind { JOB_KEEP, JOB_CHANGED, JOB_SEND };

struct job { /* what was decided and is to be done, in order */
	struct job *next;
	enum job_kind kind;
	struct alert *a;
	struct noise_note *notes;
	unsigned n_notes;
};

struct tell {
	struct tell_opts opts; /* without the config */
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	pthread_t thread;
	bool running, stop, begun;
	struct noise *noise;
	struct job *first, **last;
	unsigned jobs;         /* not done yet, the one under way included */
	struct alert **restored;
	size_t n_restored;
	char *secret;          /* of signed addresses; NULL: none */
	int64_t link_ms;
	int64_t deadman_ms, alive_ms; /* how often, when last */
	char **deadman;
	size_t n_deadman;
};

/* tell_conf.c: the configuration as rules/noise.h wants it. */
struct noise_conf *tell_conf(const struct config *c);
/* tell.c: waits until what was decided so far is on disk. */
void tell_sync(struct tell *t);

#endif
