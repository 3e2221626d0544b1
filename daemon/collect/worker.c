/* worker.c - a thread that receives and decodes.
 * SPDX-License-Identifier: ISC
 *
 *   sockets ─recvmmsg─▶ batch ─collect_datagram─▶ block ─sink─▶ the engine's queue
 *                         └──────forward────▶ other collectors
 *
 * Waking up costs more than a datagram: at 5,000 datagrams a second most of the time
 * would go into being woken for each. So after a look that found something the worker
 * naps and then finds a batch. The longest nap is short enough for the granted buffer (a
 * two-hundredth of its octets in microseconds: room for 100,000 datagrams a second from one
 * moment to the next), at most NAP_US; where naps find much they are shorter, so that the
 * buffer is left for the times when the machine is late. Only a look that found nothing ends
 * in epoll_wait(). Nobody notices eighty milliseconds: alerts are judged five times a second,
 * and who asks something of the worker ends its nap.
 *
 * Blocks are used again: the worker keeps a reference to each of WORKER_BLOCKS, and one
 * whose only reference that is has come back. The lowest free one is taken, because
 * it is the one most likely to be in the cache still.
 */
#include "daemon/collect/worker.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/collect/tcp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	NAP_US = 80000,
	NAPS = 200,        /* the longest, so many times, in the buffer's octets as microseconds */
	NAP_SHORTEST = 16, /* the longest, divided by it */
	DGRAM_OCTETS = 2304, /* that one of 1,500 octets takes of the buffer */
	TICK_MS = 1000,
	ROUNDS = 16 /* batches of one socket before the next */
};

struct worker {
	struct worker_conf conf;
	pthread_t thread;
	int epoll, event;
	struct udp_socket **socket;
	size_t n;
	uint32_t nap_us, nap_most_us;
	uint32_t much; /* datagrams: an eighth of the buffer */
	uint32_t found; /* datagrams since the last nap */
	struct udp_batch *batch;
	struct tcp *tcp;    /* NULL: no socket of ours takes connections */
	struct collect_out out;
	struct block *pool[WORKER_BLOCKS];
	int64_t since_ms; /* monotonic: when the first row of the block came; 0: empty */
	int64_t ticked_ms;  /* monotonic */
	bool closed;        /* the sink said so */

	pthread_mutex_t lock; /* of what follows; told by `event` */
	pthread_cond_t done;
	bool stop;
	void (*fn)(void *arg, struct collector *c);
	void *fn_arg;

	struct worker_stats stats;
};

static void add_to(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, *n + more, __ATOMIC_RELAXED);
}

/* --- blocks --- */

static struct block *take_block(struct worker *w)
{
	struct block *b;
	int i;

	for (i = 0; i < WORKER_BLOCKS && w->pool[i]; i++) {
		if (w->pool[i]->refs == 1) {
			block_reuse(w->pool[i]);
			return block_ref(w->pool[i]);
		}
	}
	add_to(&w->stats.new_blocks, 1);
	b = block_new(w->conf.names);
	if (i < WORKER_BLOCKS)
		w->pool[i] = block_ref(b);
	return b;
}

/* collect_out's `full`: the sink takes the block, another one is filled. */
static struct block *hand_over(void *arg, struct block *b)
{
	struct worker *w = arg;

	add_to(&w->stats.blocks, 1);
	add_to(&w->stats.rows, b->n);
	w->since_ms = 0;
	if (w->closed)
		block_unref(&b);
	else
		w->closed = !w->conf.sink(w->conf.arg, b);
	return take_block(w);
}

static void flush(struct worker *w)
{
	if (w->out.block->n)
		w->out.block = hand_over(w, w->out.block);
}

static void pass_counters(void *arg, const struct if_counters *c)
{
	struct worker *w = arg;

	w->conf.counters(w->conf.counters_arg, c);
}

/* --- receiving --- */

static void decode(struct worker *w, unsigned n)
{
	int64_t now_ms = clock_wall_ms();

	for (unsigned i = 0; i < n; i++) {
		const struct sockaddr_storage *from;
		size_t len;
		const uint8_t *data = udp_datagram(w->batch, i, &len, &from);

		if (w->conf.forward)
			forward_add(w->conf.forward, from, data, len);
		collect_datagram(w->conf.collector, from, data, len, now_ms, &w->out);
	}
	if (w->conf.forward)
		forward_flush(w->conf.forward);
	add_to(&w->stats.datagrams, n);
	w->found += n;
}

/* All that has arrived, fairly: one busy socket does not keep the others waiting. True
 * when there was anything; *busy when there is surely more. */
static bool look(struct worker *w, bool *busy)
{
	bool any = false;

	*busy = false;
	add_to(&w->stats.wakeups, 1);
	for (size_t i = 0; i < w->n; i++) {
		unsigned n = UDP_BATCH;

		if (w->socket[i]->listen.stream) {
			tcp_accept(w->tcp, w->socket[i], clock_wall_ms());
			continue;
		}
		for (int round = 0; round < ROUNDS && n == UDP_BATCH; round++) {
			n = udp_receive(w->socket[i], w->batch);
			if (n)
				decode(w, n);
			any |= n > 0;
		}
		*busy |= n == UDP_BATCH;
	}
	if (w->tcp)
		any |= tcp_look(w->tcp, clock_wall_ms(), &w->out);
	return any;
}

/* Takes back what requests woke us with; false: there was nothing. */
static bool woken(const struct worker *w)
{
	uint64_t times;

	return read(w->event, &times, sizeof(times)) >= 0 || errno != EAGAIN;
}

static void nap(const struct worker *w)
{
	struct timespec t = { 0, (long)w->nap_us * 1000 };
	struct pollfd request = { .fd = w->event, .events = POLLIN };

	if (ppoll(&request, 1, &t, NULL) > 0) /* a signal may end it early: no harm */
		woken(w);
}

/* How long the next nap may be, from what the last one found. */
static void pace(struct worker *w)
{
	if (w->found > w->much && w->nap_us > w->nap_most_us / NAP_SHORTEST)
		w->nap_us /= 2;
	else if (w->found < w->much / 4)
		w->nap_us = w->nap_us < w->nap_most_us / 2 ? w->nap_us * 2 : w->nap_most_us;
	w->found = 0;
}

/* --- the thread --- */

static void tick(struct worker *w, int64_t mono_ms)
{
	struct timespec t;

	w->ticked_ms = mono_ms;
	collector_tick(w->conf.collector, clock_wall_ms());
	for (size_t i = 0; i < w->n; i++)
		if (!w->socket[i]->listen.stream)
			udp_poll_drops(w->socket[i]);
	if (w->tcp)
		tcp_tick(w->tcp, clock_wall_ms());
	if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		__atomic_store_n(&w->stats.cpu_ns,
				 (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec,
				 __ATOMIC_RELAXED);
}

static void keep_time(struct worker *w)
{
	int64_t now_ms = clock_mono_ms();

	if (!w->out.block->n)
		w->since_ms = 0;
	else if (!w->since_ms)
		w->since_ms = now_ms;
	else if (now_ms - w->since_ms >= WORKER_HOLD_MS)
		flush(w);
	if (now_ms - w->ticked_ms >= TICK_MS)
		tick(w, now_ms);
}

/* What other threads want; false: to stop. */
static bool requests(struct worker *w)
{
	bool stop;

	pthread_mutex_lock(&w->lock);
	if (w->fn) {
		w->fn(w->fn_arg, w->conf.collector);
		w->fn = NULL;
		pthread_cond_broadcast(&w->done);
	}
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return !stop;
}

/* Waits for a datagram, a request or the time to hand over; true: there is a request. */
static bool wait_for_any(struct worker *w)
{
	struct epoll_event e[8];
	int n = epoll_wait(w->epoll, e, 8,
			   w->out.block->n ? WORKER_HOLD_MS / 2 : WORKER_HOLD_MS);
	bool asked = false;

	for (int i = 0; i < n; i++)
		asked |= e[i].data.fd == w->event;
	return asked && woken(w);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	bool busy, go = true;

	while (go) {
		bool any = look(w, &busy);

		keep_time(w);
		if (any && !busy) {
			pace(w);
			nap(w);
		}
		if (any || wait_for_any(w))
			go = requests(w);
	}
	look(w, &busy);
	tick(w, clock_mono_ms());
	flush(w);
	return NULL;
}

/* --- life --- */

static void watch(struct worker *w, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void my_sockets(struct worker *w)
{
	size_t n = udp_sockets(w->conf.udp);
	uint32_t least = UINT32_MAX;

	w->socket = xcalloc(n ? n : 1, sizeof(struct udp_socket *));
	for (size_t i = 0; i < n; i++) {
		struct udp_socket *s = udp_socket(w->conf.udp, i);

		if (s->worker != w->conf.number)
			continue;
		w->socket[w->n++] = s;
		watch(w, s->fd);
		if (s->listen.stream && !w->tcp)
			w->tcp = tcp_new(w->conf.collector, w->epoll);
		else if (!s->listen.stream && s->rcvbuf < least)
			least = s->rcvbuf;
	}
	w->nap_us = w->nap_most_us = least / NAPS < NAP_US ? least / NAPS : NAP_US;
	w->much = least / DGRAM_OCTETS * 2 / 8; /* the kernel takes it twice */
}

static void release(struct worker *w)
{
	if (w->event >= 0)
		close(w->event);
	if (w->epoll >= 0)
		close(w->epoll);
	tcp_free(&w->tcp);
	block_unref(&w->out.block);
	for (int i = 0; i < WORKER_BLOCKS; i++)
		block_unref(&w->pool[i]);
	udp_batch_free(&w->batch);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->done);
	free(w->socket);
	free(w);
}

struct worker *worker_start(const struct worker_conf *conf, struct err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	char name[16];
	int rc;

	w->conf = *conf;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll < 0 || w->event < 0) {
		err_set(err, "cannot start a collector: %s", strerror(errno));
		release(w);
		return NULL;
	}
	watch(w, w->event);
	my_sockets(w);
	w->batch = udp_batch_new();
	for (int i = 0; i < WORKER_BLOCKS; i++)
		w->pool[i] = block_new_warm(w->conf.names);
	w->out = (struct collect_out){ .block = take_block(w), .full = hand_over,
				       .counters = conf->counters ? pass_counters : NULL,
				       .arg = w };
	w->ticked_ms = clock_mono_ms();
	rc = pthread_create(&w->thread, NULL, run, w);
	if (rc) {
		err_set(err, "cannot start a collector thread: %s", strerror(rc));
		release(w);
		return NULL;
	}
	snprintf(name, sizeof(name), "collect-%u", conf->number);
	pthread_setname_np(w->thread, name);
	return w;
}

static void wake(struct worker *w)
{
	uint64_t one = 1;

	/* It fails only when the counter is full, and then it is awake. */
	if (write(w->event, &one, sizeof(one)) < 0)
		return;
}

void worker_call(struct worker *w, void (*fn)(void *arg, struct collector *c), void *arg)
{
	pthread_mutex_lock(&w->lock);
	while (w->fn)
		pthread_cond_wait(&w->done, &w->lock);
	w->fn = fn;
	w->fn_arg = arg;
	wake(w);
	while (w->fn)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker **wp)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	wake(w);
	pthread_join(w->thread, NULL);
	release(w);
}

void worker_stats(const struct worker *w, struct worker_stats *out)
{
	const uint64_t *from = (const uint64_t *)&w->stats;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		to[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
}
