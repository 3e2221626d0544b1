/* jobs.c - a few threads for answers that take time.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/jobs.h"

#include "daemon/base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t more;
	void (*run)(void *job);
	void *queue[JOBS_QUEUED]; /* a ring */
	unsigned first, n, threads;
	bool stop;
	pthread_t thread[JOBS_THREADS];
};

static void *work(void *arg)
{
	struct jobs *j = arg;

	pthread_mutex_lock(&j->lock);
	for (;;) {
		void *job;

		while (!j->n && !j->stop)
			pthread_cond_wait(&j->more, &j->lock);
		if (!j->n)
			break;
		job = j->queue[j->first];
		j->first = (j->first + 1) % JOBS_QUEUED;
		j->n--;
		pthread_mutex_unlock(&j->lock);
		j->run(job);
		pthread_mutex_lock(&j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

struct jobs *jobs_start(void (*run)(void *job))
{
	struct jobs *j = xcalloc(1, sizeof(*j));

	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->more, NULL);
	j->run = run;
	while (j->threads < JOBS_THREADS &&
	       !pthread_create(&j->thread[j->threads], NULL, work, j)) {
		pthread_setname_np(j->thread[j->threads], "http-slow");
		j->threads++;
	}
	return j;
}

bool jobs_put(struct jobs *j, void *job)
{
	bool ok;

	pthread_mutex_lock(&j->lock);
	ok = !j->stop && j->threads && j->n < JOBS_QUEUED;
	if (ok) {
		j->queue[(j->first + j->n++) % JOBS_QUEUED] = job;
		pthread_cond_signal(&j->more);
	}
	pthread_mutex_unlock(&j->lock);
	return ok;
}

void jobs_stop(struct jobs *j)
{
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_broadcast(&j->more);
	pthread_mutex_unlock(&j->lock);
	while (j->threads)
		pthread_join(j->thread[--j->threads], NULL);
}

void jobs_free(struct jobs **jp)
{
	struct jobs *j = *jp;

	*jp = NULL;
	if (!j)
		return;
	jobs_stop(j);
	pthread_cond_destroy(&j->more);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
