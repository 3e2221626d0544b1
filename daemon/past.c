/* past.c - answers from the archive what quotas ask for.
 * SPDX-License-Identifier: ISC
 *
 * In a thread of its own, for a month of flows takes its time. Counting is that of
 * `culprit top`: by the same keys, spread over time in the same way as windows do.
 */
#include "daemon/past.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/queue.h"
#include "daemon/evidence/top.h"

/* Who is behind so many others is far from a limit that means anything; their answer and
 * its counting stay within some tens of megabytes beside the tables. */
enum { KEYS = 1 << 15, MEMORY = 16 << 20 };

struct pasts {
	const char *archive_dir;
	const struct names *names;
	struct geo *geo;
	pthread_t thread;
	struct queue *queue; /* of struct past */
	atomic_bool stop;
};

enum { QUESTIONS = 1024 };

static enum top_order order_of(const struct measure *m)
{
	return m->kind == MEASURE_PACKETS ? TOP_PACKETS
	       : m->kind == MEASURE_FLOWS ? TOP_FLOWS
					  : TOP_BYTES;
}

static void keep(struct past *q, const struct top_result *r)
{
	unsigned n = q->by == BY_NONE ? r->total.flows > 0 || r->total.bytes > 0 : r->n;

	q->key = xcalloc(n ? n : 1, sizeof(*q->key));
	q->sums = xcalloc(n ? n : 1, sizeof(*q->sums));
	q->n = n;
	for (unsigned i = 0; i < n; i++) {
		q->sums[i] = q->by == BY_NONE ? r->total : r->rows[i].sums;
		if (q->by != BY_NONE)
			q->key[i] = r->rows[i].key[0];
	}
}

static void answer(const struct pasts *p, struct past *q)
{
	struct filter *f = filter_compile(q->filter, NULL);
	struct top_query t = { .directory = p->archive_dir, .from_ms = q->from_ms,
			       .to_ms = q->to_ms, .filter = f, .names = p->names,
			       .geo = p->geo, .keys = { { .by = q->by } },
			       .n_keys = q->by != BY_NONE, .n = KEYS,
			       .order = order_of(&q->measure), .as_of = q->as_of,
			       .threads = 1, .memory = MEMORY };
	struct top_result r = { .rows = NULL };
	struct err err = { "" };

	if (f)
		filter_geo(f, geo_filter, p->geo);
	if (!q->as_of.file_s || !f)
		; /* nothing is archived */
	else if (top_run(&t, &r, &err))
		keep(q, &r);
	else
		log_warn("what passed before a quota was asked for cannot be read: %s; it counts "
			 "from now on", err.msg);
	top_free(&r);
	filter_free(&f);
}

static void *run(void *arg)
{
	struct pasts *p = arg;
	struct past *q;

	while ((q = queue_get(p->queue, -1))) {
		if (p->stop) {
			past_free(q);
			continue;
		}
		answer(p, q);
		analysis_past(q->analysis, q);
	}
	return NULL;
}

struct pasts *pasts_start(const char *archive_dir, const struct names *names, struct geo *geo)
{
	struct pasts *p = xcalloc(1, sizeof(*p));

	p->archive_dir = archive_dir;
	p->names = names;
	p->geo = geo;
	p->queue = queue_new(QUESTIONS);
	if (pthread_create(&p->thread, NULL, run, p)) {
		queue_free(&p->queue);
		free(p);
		return NULL;
	}
	pthread_setname_np(p->thread, "past");
	return p;
}

void pasts_ask(struct pasts *p, struct past *question)
{
	question->next = NULL;
	if (!queue_try_put(p->queue, question))
		analysis_past(question->analysis, question); /* with nothing in it */
}

void pasts_stop(struct pasts **pp)
{
	struct pasts *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	p->stop = true;
	queue_close(p->queue);
	pthread_join(p->thread, NULL);
	queue_free(&p->queue);
	free(p);
}
