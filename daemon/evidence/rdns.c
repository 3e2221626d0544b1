/* rdns.c - asks what addresses are called, slowly, and remembers.
 * SPDX-License-Identifier: ISC
 *
 * The bound is kept by starting at most RDNS_RATE questions in any RATE_SPAN_MS. Each is
 * sent once to each server at most (one try, no search list, no TCP after a cut answer),
 * and with several servers the rate is shared out among them, since the last one may be asked only
 * after all others were silent: what leaves this machine stays under the bound
 * whatever happens.
 *
 * c-ares 1.18 has no thread of its own, so ours polls its sockets. Its functions call back at
 * once when nothing can be sent; therefore none is called with the lock held.
 *
 * What is too much to ask is not remembered: a flood of new addresses fills a queue of
 * WAITING, the rest is asked when somebody looks again. The cache is a fixed array, its
 * eviction the clock algorithm: an entry that was looked at gets a second chance.
 */
#include "daemon/evidence/rdns.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { WAITING = 512, RATE_SPAN_MS = 1050, IDLE_MS = 10000, SILENT_AFTER = 3,
       REOPEN_MS = 60000 };
enum { KEEP_MIN_S = 60, KEEP_NONE_S = 600, KEEP_FAILED_S = 60 };

struct entry {
	struct addr addr;
	enum rdns_answer answer; /* RDNS_LATER: being asked, or failed a moment ago */
	bool asking, used;
	int64_t until_ms;
	char *name;
};

struct rdns {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	ares_channel channel;
	char *nameserver;
	int wake;
	bool stop;
	struct map index;          /* address to place in entries */
	struct entry *entries;     /* RDNS_CACHE of them */
	uint32_t n, hand;
	struct addr waiting[WAITING];
	unsigned first, n_waiting;
	/* the thread's own: */
	int64_t started_ms[RDNS_RATE];
	unsigned n_started, rate, active;
	int64_t opened_ms;
	unsigned silent;           /* failures since the last answer */
	struct rdns_stats stats;
};

struct asked {
	struct rdns *r;
	struct addr addr;
	char question[RDNS_ASKED];
};

/* --- the cache; lock held --- */

static struct entry *look_up(struct rdns *r, const struct addr *a)
{
	uint32_t *at = map_get(&r->index, a);

	return at ? &r->entries[*at] : NULL;
}

static struct entry *make_room(struct rdns *r)
{
	struct entry *e;

	if (r->n < RDNS_CACHE)
		return &r->entries[r->n++];
	for (unsigned tries = 0;; tries++) {
		e = &r->entries[r->hand];
		r->hand = (r->hand + 1) % RDNS_CACHE;
		if (tries > 2 * RDNS_CACHE || (!e->used && !e->asking))
			break;
		e->used = false;
	}
	map_del(&r->index, &e->addr);
	free(e->name);
	return e;
}

static struct entry *enter(struct rdns *r, const struct addr *a)
{
	struct entry *e = look_up(r, a);
	uint32_t *at;

	if (e)
		return e;
	e = make_room(r);
	*e = (struct entry){ .addr = *a, .answer = RDNS_LATER };
	at = map_put(&r->index, a, NULL);
	*at = (uint32_t)(e - r->entries);
	return e;
}

/* --- the thread --- */

static void settle(struct rdns *r, const struct addr *a, enum rdns_answer answer,
		   const char *name, uint32_t keep_s, bool heard)
{
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = enter(r, a);
	free(e->name);
	e->name = answer == RDNS_KNOWN ? xstrdup(name) : NULL;
	e->answer = answer;
	e->asking = false;
	e->until_ms = clock_mono_ms() + (int64_t)keep_s * 1000;
	r->stats.answered += answer != RDNS_LATER;
	r->stats.failed += answer == RDNS_LATER;
	r->silent = heard ? 0 : r->silent + 1;
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->lock);
}

static void answered(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct asked *q = arg;
	enum rdns_answer answer = RDNS_LATER;
	char name[RDNS_NAME];
	uint32_t ttl_s = KEEP_NONE_S;

	(void)timeouts;
	q->r->active--;
	if (status == ARES_EDESTRUCTION) {
		free(q);
		return;
	}
	if (buf && len > 0)
		answer = rdns_parse(buf, (size_t)len, q->question, name, &ttl_s);
	if (answer == RDNS_NONE)
		ttl_s = KEEP_NONE_S;
	else if (answer == RDNS_LATER)
		ttl_s = KEEP_FAILED_S;
	settle(q->r, &q->addr, answer, name, ttl_s < KEEP_MIN_S ? KEEP_MIN_S : ttl_s,
	       buf != NULL);
	free(q);
}

static unsigned servers(ares_channel c)
{
	struct ares_addr_port_node *list = NULL;
	unsigned n = 0;

	if (ares_get_servers_ports(c, &list) == ARES_SUCCESS)
		for (struct ares_addr_port_node *s = list; s; s = s->next)
			n++;
	ares_free_data(list);
	return n ? n : 1;
}

static bool open_channel(struct rdns *r, struct err *err)
{
	struct ares_options o = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
					   ARES_FLAG_IGNTC,
				  .timeout = RDNS_TIMEOUT_MS, .tries = 1 };
	int rc = ares_init_options(&r->channel, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
							 ARES_OPT_TRIES);

	if (rc != ARES_SUCCESS) {
		r->channel = NULL;
		return err_set(err, "reverse DNS: %s", ares_strerror(rc));
	}
	if (*r->nameserver &&
	    (rc = ares_set_servers_ports_csv(r->channel, r->nameserver)) != ARES_SUCCESS)
		return err_set(err, "nameserver \"%s\": %s; write an address, or "
			       "192.0.2.53:5353", r->nameserver, ares_strerror(rc));
	r->rate = RDNS_RATE / servers(r->channel);
	r->rate += !r->rate;
	return true;
}

/* How long until one more may be asked. */
static int64_t rate_wait_ms(const struct rdns *r, int64_t now_ms)
{
	int64_t free_ms;

	if (r->n_started < r->rate)
		return 0;
	free_ms = r->started_ms[r->n_started % r->rate] + RATE_SPAN_MS;
	return free_ms > now_ms ? free_ms - now_ms : 0;
}

static void ask(struct rdns *r, const struct addr *a)
{
	struct asked *q = xcalloc(1, sizeof(*q));
	uint64_t chance = 0;

	q->r = r;
	q->addr = *a;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = map_hash(a, sizeof(*a));
	rdns_question(a, chance, q->question);
	r->started_ms[r->n_started++ % r->rate] = clock_mono_ms();
	r->active++;
	ares_query(r->channel, q->question, C_IN, T_PTR, answered, q);
}

static bool next(struct rdns *r, struct addr *out)
{
	bool got;

	pthread_mutex_lock(&r->lock);
	got = !r->stop && r->n_waiting && !rate_wait_ms(r, clock_mono_ms());
	if (got) {
		*out = r->waiting[r->first];
		r->first = (r->first + 1) % WAITING;
		r->n_waiting--;
		r->stats.asked++;
	}
	pthread_mutex_unlock(&r->lock);
	return got;
}

static int patience_ms(struct rdns *r)
{
	struct timeval most = { IDLE_MS / 1000, 0 }, tv, *t;
	int64_t ms, rate_ms;

	t = ares_timeout(r->channel, &most, &tv);
	ms = (int64_t)t->tv_sec * 1000 + t->tv_usec / 1000 + 1;
	pthread_mutex_lock(&r->lock);
	rate_ms = rate_wait_ms(r, clock_mono_ms());
	if (r->n_waiting && rate_ms < ms)
		ms = rate_ms;
	if (r->stop)
		ms = 0;
	pthread_mutex_unlock(&r->lock);
	return (int)ms;
}

static void wait_and_read(struct rdns *r)
{
	ares_socket_t sock[ARES_GETSOCK_MAXNUM];
	struct pollfd p[ARES_GETSOCK_MAXNUM + 1] = { { r->wake, POLLIN, 0 } };
	int mask = ares_getsock(r->channel, sock, ARES_GETSOCK_MAXNUM), n = 1;
	uint64_t count;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* c-ares' own macros shift a signed 1 by up to 31. */
		unsigned bits = (unsigned)mask >> i;
		short events = (short)((bits & 1 ? POLLIN : 0) |
				       (bits >> ARES_GETSOCK_MAXNUM & 1 ? POLLOUT : 0));

		if (events)
			p[n++] = (struct pollfd){ sock[i], events, 0 };
	}
	if (poll(p, (nfds_t)n, patience_ms(r)) > 0) {
		if (p[0].revents && read(r->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
			log_seldom("rdns", 3600, "reverse DNS: %m");
		for (int i = 1; i < n; i++)
			ares_process_fd(r->channel,
					p[i].revents & (POLLIN | POLLERR | POLLHUP)
						? p[i].fd : ARES_SOCKET_BAD,
					p[i].revents & POLLOUT ? p[i].fd : ARES_SOCKET_BAD);
	}
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* The system's servers may be others by now. */
static void look_for_servers(struct rdns *r)
{
	ares_channel was = r->channel;
	unsigned rate = r->rate;

	if (*r->nameserver || r->silent < SILENT_AFTER || r->active ||
	    clock_mono_ms() - r->opened_ms < REOPEN_MS)
		return;
	r->opened_ms = clock_mono_ms();
	if (!open_channel(r, NULL)) {
		r->channel = was;
		r->rate = rate;
		return;
	}
	ares_destroy(was);
	if (rate != r->rate) { /* another ring: begin as if it were full just now */
		for (unsigned i = 0; i < r->rate; i++)
			r->started_ms[i] = clock_mono_ms();
		r->n_started = r->rate;
	}
}

static void *run(void *arg)
{
	struct rdns *r = arg;
	struct addr a;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		while (next(r, &a))
			ask(r, &a);
		wait_and_read(r);
		look_for_servers(r);
	}
	return NULL;
}

/* --- outside --- */

struct rdns *rdns_start(const char *nameserver, struct err *err)
{
	struct rdns *r = xcalloc(1, sizeof(*r));
	pthread_condattr_t attr;

	r->nameserver = xstrdup(nameserver);
	ares_library_init(ARES_LIB_INIT_ALL);
	r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->settled, &attr);
	pthread_condattr_destroy(&attr);
	map_init(&r->index, sizeof(struct addr), sizeof(uint32_t), RDNS_CACHE + 1);
	r->entries = xcalloc(RDNS_CACHE, sizeof(*r->entries));
	r->opened_ms = clock_mono_ms();
	if (!open_channel(r, err)) {
		r->stop = true;
		rdns_stop(&r);
		return NULL;
	}
	if (pthread_create(&r->thread, NULL, run, r)) {
		err_set(err, "reverse DNS: no thread can be made: %s", strerror(errno));
		r->stop = true;
		rdns_stop(&r);
		return NULL;
	}
	pthread_setname_np(r->thread, "names");
	return r;
}

static void wake(struct rdns *r)
{
	uint64_t one = 1;

	if (write(r->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_seldom("rdns", 3600, "reverse DNS: %m");
}

void rdns_stop(struct rdns **rp)
{
	struct rdns *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	if (!r->stop) {
		pthread_mutex_lock(&r->lock);
		__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&r->lock);
		wake(r);
		pthread_join(r->thread, NULL);
	}
	if (r->channel)
		ares_destroy(r->channel);
	for (uint32_t i = 0; i < r->n; i++)
		free(r->entries[i].name);
	free(r->entries);
	map_fini(&r->index);
	pthread_cond_destroy(&r->settled);
	pthread_mutex_destroy(&r->lock);
	close(r->wake);
	free(r->nameserver);
	ares_library_cleanup();
	free(r);
}

/* Lock held. */
static void want(struct rdns *r, const struct addr *a)
{
	struct entry *e;

	if (r->n_waiting == WAITING) {
		r->stats.left_out++;
		return;
	}
	e = enter(r, a);
	e->asking = true;
	r->waiting[(r->first + r->n_waiting++) % WAITING] = *a;
	if (r->n_waiting == 1)
		wake(r);
}

enum rdns_answer rdns_find(struct rdns *r, const struct addr *a, char name[static RDNS_NAME])
{
	enum rdns_answer answer = RDNS_LATER;
	struct entry *e;

	if (addr_is_none(a))
		return RDNS_NONE;
	pthread_mutex_lock(&r->lock);
	e = look_up(r, a);
	if (e) {
		answer = e->answer; /* what is out of date is better than nothing */
		e->used = true;
		if (answer == RDNS_KNOWN)
			memcpy(name, e->name, strlen(e->name) + 1);
	}
	if (!e || (!e->asking && e->until_ms <= clock_mono_ms()))
		want(r, a);
	pthread_mutex_unlock(&r->lock);
	return answer;
}

/* Lock held. */
static bool any_asked(struct rdns *r, const struct addr *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = look_up(r, &a[i]);

		if (e && e->asking && e->answer == RDNS_LATER)
			return true;
	}
	return false;
}

void rdns_wait(struct rdns *r, const struct addr *a, size_t n, int wait_ms)
{
	int64_t at = clock_mono_ms() + wait_ms;
	struct timespec until = { at / 1000, (at % 1000) * 1000000 };

	pthread_mutex_lock(&r->lock);
	while (r->silent < SILENT_AFTER && any_asked(r, a, n))
		if (pthread_cond_timedwait(&r->settled, &r->lock, &until))
			break;
	pthread_mutex_unlock(&r->lock);
}

void rdns_stats(struct rdns *r, struct rdns_stats *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->stats;
	out->cached = r->n;
	pthread_mutex_unlock(&r->lock);
}
