/* summarizer.c - the thread that gives closed files their summaries.
 * SPDX-License-Identifier: ISC
 *
 * A thread of its own at low priority, because a large file takes seconds and the
 * archive's thread must not stop for as long. When it starts it looks through the whole
 * archive, without haste: what has no summary gets one, what has a damaged one or
 * another file's gets a new one. Later it looks once an hour for what has none (files
 * that were imported, or summaries that were not made for want of room).
 *
 * A summary saves time and nothing else, so what goes wrong is not worth more than a
 * word in the log.
 */
#include "storage/archive/summarizer.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "storage/archive/dir.h"
#include "storage/archive/summary.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NICE = 10, HASTE_MS = 10, AGAIN_MS = 3600 * 1000, WAITING = 64 };

struct summarizer {
	char *directory;
	void (*made)(void *arg, int64_t file_s, uint64_t octets);
	void *arg;
	pthread_t thread;
	_Atomic bool stop;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	int64_t waiting[WAITING]; /* closed lately; more are found by the hour's look */
	unsigned n;
};

static void make(struct summarizer *s, int64_t file_s)
{
	char path[DIR_PATH];
	struct err err = { "" };
	struct stat st;

	if (!summary_make(s->directory, file_s, &s->stop, &err)) {
		if (!s->stop)
			log_debug("archive: %s: %s",
				  dir_path(s->directory, file_s, path), err.msg);
	} else if (!stat(dir_summary_path(s->directory, file_s, path), &st)) {
		s->made(s->arg, file_s, (uint64_t)st.st_size);
	}
}

/* The next file that was closed, or nothing for so long; false: to stop. */
static bool wait_for(struct summarizer *s, int64_t ms, int64_t *file_s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	*file_s = 0;
	pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->n &&
	       !pthread_cond_timedwait(&s->more, &s->lock, &until))
		continue;
	if (s->n) {
		*file_s = s->waiting[0];
		memmove(s->waiting, s->waiting + 1, --s->n * sizeof(*s->waiting));
	}
	pthread_mutex_unlock(&s->lock);
	return !s->stop;
}

/* Newest first; those just closed come before. The newest of all may be open. */
static void look(struct summarizer *s, bool check_all)
{
	struct dir_list files;
	int64_t closed;
	bool go_on = dir_scan(s->directory, 0, INT64_MAX - 86400, &files);

	for (size_t i = go_on ? files.n : 0; i-- > 0 && go_on;) {
		const struct dir_entry *e = &files.at[i];

		if (e->summary &&
		    (!check_all || summary_there(s->directory, e->file_s))) {
			go_on = !check_all || wait_for(s, HASTE_MS, &closed);
		} else {
			make(s, e->file_s);
			go_on = wait_for(s, 0, &closed);
		}
		while (go_on && closed) {
			make(s, closed);
			go_on = wait_for(s, 0, &closed);
		}
	}
	dir_list_free(&files);
}

static void *run(void *arg)
{
	struct summarizer *s = arg;
	int64_t closed;

	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	look(s, true);
	while (wait_for(s, AGAIN_MS, &closed)) {
		if (closed)
			make(s, closed);
		else
			look(s, false);
	}
	return NULL;
}

struct summarizer *summarizer_start(const char *directory,
				    void (*made)(void *arg, int64_t file_s,
						 uint64_t octets),
				    void *arg)
{
	struct summarizer *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;

	s->directory = xstrdup(directory);
	s->made = made;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->more, &attr);
	pthread_condattr_destroy(&attr);
	if (!pthread_create(&s->thread, NULL, run, s))
		return s;
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s->directory);
	free(s);
	return NULL;
}

void summarizer_closed(struct summarizer *s, int64_t file_s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->n < WAITING)
		s->waiting[s->n++] = file_s;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

void summarizer_stop(struct summarizer *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}

void summarizer_free(struct summarizer **sp)
{
	struct summarizer *s = *sp;

	if (!s)
		return;
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s->directory);
	free(s);
	*sp = NULL;
}
