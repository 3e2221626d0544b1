/* files.c - looks at files of others, away from everybody else.
 * SPDX-License-Identifier: ISC
 *
 * Leases, hosts and MMDB files belong to other programs and may lie on a file system of
 * another machine. One that does not answer holds whoever touches it, for hours and beyond
 * any signal. So a thread of its own touches them; who wants a name or a country takes what
 * was read last. It is not waited for when it hangs: at the end the process goes, and with it
 * the thread.
 */
#include "daemon/files.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/geo.h"
#include "daemon/evidence/owners.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { TURN_S = 1, PATIENCE_S = 2 };

struct files {
	struct owners *owners;
	struct geo *country, *as;
	pthread_t thread;
	pthread_mutex_t lock; /* never held while a file is touched */
	pthread_cond_t turn;
	bool looked, stop;
};

static struct timespec in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += seconds;
	return t;
}

static void *run(void *arg)
{
	struct files *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		struct timespec until;

		pthread_mutex_unlock(&f->lock);
		owners_look(f->owners);
		if (f->country)
			geo_look(f->country, clock_mono_ms());
		if (f->as)
			geo_look(f->as, clock_mono_ms());
		pthread_mutex_lock(&f->lock);
		f->looked = true;
		pthread_cond_broadcast(&f->turn);
		until = in(TURN_S);
		if (!f->stop)
			pthread_cond_timedwait(&f->turn, &f->lock, &until);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct files *files_start(struct owners *o, struct geo *country, struct geo *as)
{
	struct files *f = xcalloc(1, sizeof(*f));
	struct timespec until = in(PATIENCE_S);

	*f = (struct files){ .owners = o, .country = country, .as = as };
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->turn, NULL);
	if (pthread_create(&f->thread, NULL, run, f)) {
		log_err("names: no thread can be made; leases, hosts and AS files are not read");
		free(f);
		return NULL;
	}
	pthread_setname_np(f->thread, "files");
	pthread_mutex_lock(&f->lock);
	while (!f->looked && !pthread_cond_timedwait(&f->turn, &f->lock, &until))
		continue;
	if (!f->looked)
		log_warn("names: the files of leases, hosts, countries or AS do not answer; going "
			 "on without, they are read when they do");
	pthread_mutex_unlock(&f->lock);
	return f;
}

void files_stop(struct files **fp, struct owners **o, struct geo **country, struct geo **as)
{
	struct files *f = *fp;
	struct timespec until = in(PATIENCE_S);

	*fp = NULL;
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->turn);
	pthread_mutex_unlock(&f->lock);
	if (pthread_timedjoin_np(f->thread, NULL, &until)) {
		log_err("names: a file of leases, hosts, countries or AS lies on a file system "
			"that hangs; not waiting for it");
		*o = NULL;
		*country = *as = NULL;
		return;
	}
	pthread_cond_destroy(&f->turn);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
