/* writer.c - the thread that brings history to its store, and its spool.
 * SPDX-License-Identifier: ISC
 *
 * Three places where a batch can be, always in this order of age: the spool on
 * disk (numbered), `held` in memory (numbered, when the disk does not take it)
 * and `front` (being filled, under the lock). writer_put only ever touches
 * `front`; store and spool belong to the thread, so no lock is held while a
 * disk or a server is slow.
 *
 * Memory is bounded by dropping the oldest bins, then blobs, then alerts, of
 * held and front together; the spool does the same with its files.
 *
 * After any failure the store is closed and opened anew with back-off, and is
 * asked for the last batch it holds: a put whose answer was lost is not put
 * twice, and a store that came back with less than it had gets again what the
 * spool still keeps.
 */
#include "storage/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "storage/codec.h"
#include "storage/spool.h"

enum {
	BATCH_OCTETS = 256 << 10, /* a batch is closed when it has so much, … */
	BATCH_PUTS = 2000,        /* … or so many */
	BATCH_OVERHEAD = 128,     /* octets that an empty one costs */
	EXPIRE_EVERY_MS = 3600 * 1000,
	EXPIRE_FIRST_MS = 60 * 1000,
	SAID_EVERY_S = 600,
	FLUSH_MS = 1000,
	RETRY_MS = 500,
	RETRY_MAX_MS = 30000,
};

#define SPOOL_MAX UINT64_C(1000000000)
#define MEMORY_MAX UINT64_C(32000000)

struct batch {
	struct batch *next;
	uint64_t number; /* 0: not yet */
	struct put_count count;
	struct strb puts;
};

struct list {
	struct batch *first, *last;
	uint64_t octets;
};

struct writer {
	char *url, *spool_dir, *password_file;
	struct writer_opts o;
	pthread_t thread;
	pthread_mutex_t lock; /* over the next block */
	pthread_cond_t wake, said; /* for the thread; for writer_sync */
	struct list front;
	uint64_t held_octets;      /* as the thread last told */
	int64_t front_since_ms;    /* monotonic; of the oldest put in front */
	uint64_t asked, answered;  /* writer_sync */
	bool flush, stop;
	int64_t stop_ms;           /* monotonic: give up then */
	struct writer_stats stats;
	uint64_t front_dropped[CLASSES], held_dropped[CLASSES];
	/* the thread's own */
	struct spool *spool;       /* NULL: the directory cannot be used */
	struct store *store;       /* NULL: not open */
	struct list held;
	uint64_t put_batches, put[CLASSES], failures, unspooled_number;
	bool was_up;               /* it has been said that all is well */
	bool asked_store;          /* its last batch is known */
	int64_t retry_at_ms, expire_at_ms;
	int retry_ms;
	char why[256];
};

/* Lists of batches. */

static uint64_t octets_of(const struct batch *b)
{
	return b->puts.len + BATCH_OVERHEAD;
}

static void list_add(struct list *l, struct batch *b)
{
	b->next = NULL;
	if (l->last)
		l->last->next = b;
	else
		l->first = b;
	l->last = b;
	l->octets += octets_of(b);
}

static struct batch *list_take(struct list *l)
{
	struct batch *b = l->first;

	if (!b)
		return NULL;
	l->first = b->next;
	if (!l->first)
		l->last = NULL;
	l->octets -= octets_of(b);
	return b;
}

static void batch_free(struct batch *b)
{
	strb_free(&b->puts);
	free(b);
}

static void list_free(struct list *l)
{
	struct batch *b;

	while ((b = list_take(l)))
		batch_free(b);
}

/* Drops the oldest puts until the list has at most max octets. Emptied batches stay
 * (they are numbered); there are few, since each was full. */
static void list_bound(struct list *l, uint64_t max, uint64_t dropped[CLASSES])
{
	for (int c = 0; c < CLASSES && l->octets > max; c++)
		for (struct batch *b = l->first; b && l->octets > max; b = b->next) {
			struct strb out = { 0 };

			if (!b->count.n[c])
				continue;
			dropped[c] += b->count.n[c];
			l->octets -= octets_of(b);
			put_strip(b->puts.s, b->puts.len, (enum put_class)c, &out, &b->count);
			strb_free(&b->puts);
			b->puts = out;
			l->octets += octets_of(b);
		}
}

/* The callers' side. */

static void refuse(struct writer *w, const struct err *why)
{
	pthread_mutex_lock(&w->lock);
	w->stats.refused++;
	pthread_mutex_unlock(&w->lock);
	log_seldom("history-refused", SAID_EVERY_S, "history: refused: %s", why->msg);
}

void writer_put(struct writer *w, const struct put *p)
{
	struct err why;
	struct batch *b;
	uint64_t room;

	if (!put_ok(p, &why)) {
		refuse(w, &why);
		return;
	}
	pthread_mutex_lock(&w->lock);
	b = w->front.last;
	if (!b)
		w->front_since_ms = clock_mono_ms();
	if (!b || b->puts.len >= BATCH_OCTETS ||
	    b->count.n[0] + b->count.n[1] + b->count.n[2] >= BATCH_PUTS) {
		b = xcalloc(1, sizeof(*b));
		list_add(&w->front, b);
		pthread_cond_signal(&w->wake);
	}
	w->front.octets -= octets_of(b);
	put_encode(&b->puts, &b->count, p);
	w->front.octets += octets_of(b);
	room = w->o.memory_max > w->held_octets ? w->o.memory_max - w->held_octets : 0;
	if (room < w->o.memory_max / 4)
		room = w->o.memory_max / 4; /* the thread makes held smaller */
	if (w->front.octets > room)
		list_bound(&w->front, room, w->front_dropped);
	pthread_mutex_unlock(&w->lock);
}

void writer_flush(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->flush = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static struct timespec when(int64_t mono_ms)
{
	return (struct timespec){ mono_ms / 1000, mono_ms % 1000 * 1000000 };
}

bool writer_sync(struct writer *w, int timeout_ms)
{
	struct timespec end = when(clock_mono_ms() + timeout_ms);
	uint64_t mine;
	bool ok;

	pthread_mutex_lock(&w->lock);
	mine = ++w->asked;
	w->flush = true;
	pthread_cond_signal(&w->wake);
	while (w->answered < mine)
		if (pthread_cond_timedwait(&w->said, &w->lock, &end) == ETIMEDOUT)
			break;
	ok = w->answered >= mine;
	pthread_mutex_unlock(&w->lock);
	return ok;
}

void writer_stats(struct writer *w, struct writer_stats *out)
{
	pthread_mutex_lock(&w->lock);
	*out = w->stats;
	out->spooled_octets += w->front.octets;
	for (const struct batch *b = w->front.first; b; b = b->next)
		out->spooled_bins += b->count.n[CLASS_BINS];
	out->dropped_bins += w->front_dropped[CLASS_BINS];
	out->dropped_blobs += w->front_dropped[CLASS_BLOBS];
	out->dropped_alerts += w->front_dropped[CLASS_ALERTS];
	pthread_mutex_unlock(&w->lock);
}

/* The thread's side. */

static void publish(struct writer *w, uint64_t answered)
{
	struct spool_stats sp = { .octets = 0 };
	uint64_t bins = 0, gone = 0;

	if (w->spool)
		spool_stats(w->spool, &sp);
	for (const struct batch *b = w->held.first; b; b = b->next)
		bins += b->count.n[CLASS_BINS];
	pthread_mutex_lock(&w->lock);
	w->held_octets = w->held.octets;
	w->stats.batches = w->put_batches;
	w->stats.bins = w->put[CLASS_BINS];
	w->stats.alerts = w->put[CLASS_ALERTS];
	w->stats.blobs = w->put[CLASS_BLOBS];
	w->stats.spooled_bins = sp.waiting[CLASS_BINS] + bins;
	w->stats.spooled_octets = sp.waiting_octets + w->held.octets;
	w->stats.dropped_bins = sp.dropped[CLASS_BINS] + w->held_dropped[CLASS_BINS];
	w->stats.dropped_blobs = sp.dropped[CLASS_BLOBS] + w->held_dropped[CLASS_BLOBS];
	w->stats.dropped_alerts = sp.dropped[CLASS_ALERTS] + w->held_dropped[CLASS_ALERTS];
	w->stats.failures = w->failures;
	w->stats.up = w->store != NULL;
	memcpy(w->stats.why, w->why, sizeof(w->why));
	for (int c = 0; c < CLASSES; c++)
		gone += w->held_dropped[c] + w->front_dropped[c];
	if (answered > w->answered) {
		w->answered = answered;
		pthread_cond_broadcast(&w->said);
	}
	pthread_mutex_unlock(&w->lock);
	if (gone)
		log_seldom("history-dropped", SAID_EVERY_S,
			   "history: %" PRIu64 " bins, states and alerts were dropped: neither "
			   "the store nor %s took them", gone, w->spool_dir);
}

static void open_spool(struct writer *w)
{
	struct err err;

	if (w->spool)
		return;
	w->spool = spool_open(w->spool_dir, w->o.spool_max, w->o.spool_keep, &err);
	if (!w->spool)
		log_seldom("spool-open", SAID_EVERY_S,
			   "history: no spool (%s): batches wait in memory only while the "
			   "store is down; make the directory writable", err.msg);
}

static uint64_t number_for(struct writer *w)
{
	uint64_t last = w->held.last ? w->held.last->number : w->unspooled_number;

	w->unspooled_number = w->spool ? spool_number(w->spool, last) : last + 1;
	return w->unspooled_number;
}

/* Moves what is in memory to the disk, as far as that takes it. */
static void to_spool(struct writer *w)
{
	struct err err;

	while (w->spool && w->held.first) {
		struct batch *b = w->held.first;

		if (b->puts.len && !spool_append(w->spool, b->number, b->puts.s, b->puts.len,
						 &b->count, &err)) {
			log_seldom("spool-append", SAID_EVERY_S,
				   "history: cannot spool (%s): batches wait in memory, "
				   "%" PRIu64 " octets of them; make room on that disk",
				   err.msg, w->held.octets);
			return;
		}
		batch_free(list_take(&w->held));
	}
}

/* Takes the front over. What is put from now on is not part of what was asked for. */
static uint64_t gather(struct writer *w)
{
	struct list got;
	struct batch *b;
	uint64_t asked;

	pthread_mutex_lock(&w->lock);
	got = w->front;
	w->front = (struct list){ 0 };
	w->flush = false;
	asked = w->asked;
	pthread_mutex_unlock(&w->lock);
	open_spool(w);
	while ((b = list_take(&got))) {
		b->number = number_for(w);
		list_add(&w->held, b);
	}
	to_spool(w);
	list_bound(&w->held, w->o.memory_max, w->held_dropped);
	return asked;
}

/* 3/4 to 5/4 of the back-off, so that many daemons do not come at once. */
static int jittered(int ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_ns();
	return ms * 3 / 4 + (int)(r % (uint32_t)(ms / 2 + 1));
}

static void failed(struct writer *w, const struct err *why)
{
	store_close(&w->store);
	w->failures++;
	snprintf(w->why, sizeof(w->why), "%.255s", why->msg);
	w->retry_at_ms = clock_mono_ms() + jittered(w->retry_ms);
	w->retry_ms = w->retry_ms * 2 < w->o.retry_max_ms ? w->retry_ms * 2 :
							      w->o.retry_max_ms;
	log_seldom("history-down", SAID_EVERY_S,
		   "history is not reachable: %s; mend it, or correct `url` in history { }. "
		   "Flows are counted and alerts sent as ever; bins wait in %s until it is "
		   "back", why->msg, w->spool_dir);
	w->was_up = false;
}

static bool open_store(struct writer *w)
{
	struct store_opts o = w->o.store;
	uint64_t applied;
	struct err err;

	o.writer = w->spool ? spool_id(w->spool) : "";
	w->store = store_open(w->url, &o, &err);
	if (!w->store || !store_applied(w->store, &applied, &err)) {
		failed(w, &err);
		return false;
	}
	if (w->unspooled_number < applied)
		w->unspooled_number = applied;
	/* Without a spool nobody knew where the numbers were. */
	for (struct batch *b = w->held.first; b && !w->spool && !w->asked_store; b = b->next)
		b->number = ++w->unspooled_number;
	w->asked_store = true;
	if (w->spool && applied < spool_last_done(w->spool))
		log_warn("history: the store has only batches up to %" PRIu64 " of %" PRIu64
			 " (flushed, restored or replaced?); what the spool still keeps is "
			 "put again", applied, spool_last_done(w->spool));
	if (w->spool)
		spool_done(w->spool, applied);
	return true;
}

/* Puts one encoded batch. */
static bool put_batch(struct writer *w, uint64_t number, const struct strb *puts,
		      const struct put_count *count)
{
	size_t n = 0, at = 0, max = 0;
	struct put *p;
	struct err err;
	bool ok;

	for (int c = 0; c < CLASSES; c++)
		max += count->n[c];
	p = xcalloc(max, sizeof(*p));
	while (n < max && put_decode(puts->s, puts->len, &at, &p[n]))
		n += put_ok(&p[n], NULL); /* of an older culprit it might not be */
	ok = store_put(w->store, number, p, n, &err);
	free(p);
	if (!ok) {
		failed(w, &err);
		return false;
	}
	w->put_batches++;
	for (int c = 0; c < CLASSES; c++)
		w->put[c] += count->n[c];
	w->retry_ms = w->o.retry_ms;
	return true;
}

/* Puts the oldest batch that waits. False: nothing waits, or it failed (store NULL). */
static bool put_oldest(struct writer *w, struct strb *buf)
{
	struct put_count count;
	uint64_t number;
	struct batch *b;

	if (w->spool && spool_next(w->spool, &number, buf, &count)) {
		if (!put_batch(w, number, buf, &count))
			return false;
		spool_done(w->spool, number);
		return true;
	}
	b = w->held.first;
	if (!b || !put_batch(w, b->number, &b->puts, &b->count))
		return false;
	batch_free(list_take(&w->held));
	return true;
}

static bool must_stop(struct writer *w)
{
	bool late;

	pthread_mutex_lock(&w->lock);
	late = w->stop && clock_mono_ms() >= w->stop_ms;
	pthread_mutex_unlock(&w->lock);
	return late;
}

static bool front_is_big(struct writer *w)
{
	bool big;

	pthread_mutex_lock(&w->lock);
	big = w->front.octets > w->o.memory_max / 8;
	pthread_mutex_unlock(&w->lock);
	return big;
}

/* Puts what waits, as far as the store takes it. True: nothing is left. */
static bool drain(struct writer *w)
{
	uint64_t before = w->put[CLASS_BINS];
	struct strb buf = { 0 };

	if (!w->store && (clock_mono_ms() < w->retry_at_ms || !open_store(w)))
		return false;
	while (!must_stop(w) && put_oldest(w, &buf)) {
		publish(w, 0);
		if (front_is_big(w)) /* a long backfill: do not let the front overflow */
			gather(w);
	}
	strb_free(&buf);
	if (!w->store || must_stop(w))
		return false;
	if (!w->was_up && w->failures)
		log_info("history: %s is back; %" PRIu64 " bins that waited are in it",
			 store_name(w->store), w->put[CLASS_BINS] - before);
	w->was_up = true;
	w->why[0] = '\0';
	return true;
}

static void expire(struct writer *w)
{
	struct err err;

	if (!w->store || clock_mono_ms() < w->expire_at_ms)
		return;
	w->expire_at_ms = clock_mono_ms() + EXPIRE_EVERY_MS;
	if (!store_expire(w->store, clock_wall_ms(), &err))
		failed(w, &err);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Waits until there is something to do; `empty`: nothing was left to put. Also while the
 * store is down the front goes to the spool in time. True: it is time to end. */
static bool wait_for_work(struct writer *w, bool empty)
{
	bool stop;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int64_t now = clock_mono_ms(), until = now + EXPIRE_FIRST_MS;
		struct timespec end;

		if (w->flush || (w->front.first && w->front.first->next) ||
		    (w->stop && empty))
			break;
		if (w->front.first)
			until = earlier(until, w->front_since_ms + w->o.flush_ms);
		if (!empty)
			until = earlier(until, w->store ? now : w->retry_at_ms);
		if (w->stop)
			until = earlier(until, w->stop_ms);
		if (w->store)
			until = earlier(until, w->expire_at_ms);
		if (until <= now)
			break;
		end = when(until);
		pthread_cond_timedwait(&w->wake, &w->lock, &end);
	}
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return stop;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	bool empty = false, stop;

	do {
		uint64_t asked;

		stop = wait_for_work(w, empty);
		asked = gather(w);
		empty = drain(w);
		if (empty && !stop)
			expire(w);
		publish(w, empty ? asked : 0);
		empty = empty && w->store;
	} while (!stop || (!empty && !must_stop(w)));
	return NULL;
}

/* Start and end. */

static struct writer_opts with_defaults(const struct writer_opts *given)
{
	struct writer_opts o = *given;

	if (!o.spool_max)
		o.spool_max = SPOOL_MAX;
	if (!o.spool_keep)
		o.spool_keep = o.spool_max / 16;
	if (!o.memory_max)
		o.memory_max = MEMORY_MAX;
	if (o.flush_ms <= 0)
		o.flush_ms = FLUSH_MS;
	if (o.retry_ms <= 0)
		o.retry_ms = RETRY_MS;
	if (o.retry_max_ms < o.retry_ms)
		o.retry_max_ms = o.retry_ms > RETRY_MAX_MS ? o.retry_ms : RETRY_MAX_MS;
	return o;
}

static void free_writer(struct writer *w)
{
	list_free(&w->front);
	list_free(&w->held);
	spool_close(&w->spool);
	store_close(&w->store);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->said);
	free(w->url);
	free(w->spool_dir);
	free(w->password_file);
	free(w);
}

static bool start_thread(struct writer *w)
{
	sigset_t all, old;
	int code;

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !code;
}

struct writer *writer_start(const struct writer_opts *o, struct err *err)
{
	pthread_condattr_t monotonic;
	struct writer *w;

	if (!store_check(o->url, &o->store, err))
		return NULL;
	if (mkdir(o->state_dir, 0750) && errno != EEXIST) {
		err_set(err, "%s: %s", o->state_dir, strerror(errno));
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->o = with_defaults(o);
	w->url = xstrdup(o->url);
	w->spool_dir = xasprintf("%s/spool", o->state_dir);
	w->password_file = xstrdup(o->store.password_file ? o->store.password_file : "");
	w->o.store.password_file = w->password_file;
	w->o.url = w->o.state_dir = NULL;
	w->retry_ms = w->o.retry_ms;
	w->was_up = true;
	w->expire_at_ms = clock_mono_ms() + EXPIRE_FIRST_MS;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_cond_init(&w->said, &monotonic);
	pthread_condattr_destroy(&monotonic);
	w->flush = true; /* what was left last time goes first, at once */
	if (start_thread(w))
		return w;
	err_set(err, "history: no thread can be started");
	free_writer(w);
	return NULL;
}

void writer_stop(struct writer **w, int timeout_ms)
{
	uint64_t lost = 0;

	if (!*w)
		return;
	pthread_mutex_lock(&(*w)->lock);
	(*w)->stop = true;
	(*w)->stop_ms = clock_mono_ms() + timeout_ms;
	pthread_cond_signal(&(*w)->wake);
	pthread_mutex_unlock(&(*w)->lock);
	pthread_join((*w)->thread, NULL);
	for (const struct batch *b = (*w)->held.first; b; b = b->next)
		lost += b->count.n[CLASS_BINS] + b->count.n[CLASS_ALERTS];
	if (lost)
		log_err("history: %" PRIu64 " bins and alerts are lost: neither the store nor "
			"%s took them", lost, (*w)->spool_dir);
	free_writer(*w);
	*w = NULL;
}
