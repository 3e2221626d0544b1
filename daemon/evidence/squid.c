/* squid.c - the logs' follower and the requests of the last two hours.
 * SPDX-License-Identifier: ISC
 *
 * The log is looked at every 250 ms, and at once when somebody asks: a line is written
 * when the request ends, and an alert may come in the same moment. Requests stand in a
 * ring in the order of their lines, which is that of their ends but for milliseconds.
 * One lock guards the ring; it is never held while a file or the network is read. The
 * request log is the thread's own; a position in a log of Squid is kept only after what
 * was read up to it is on disk, so a crash loses no request.
 *
 * What began before the ring does (a quota's month, an alert soon after a start) comes from the
 * files beside the archive; the end of the ring's first request divides the two, so nothing is
 * there twice. Of very many the largest are taken.
 *
 * Where the log does not tell the origin (combined format), a request explains only the
 * client's leg; of requests in progress the manager's answer tells it.
 */
#include "daemon/evidence/squid.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/request_log.h"
#include "daemon/evidence/squid_line.h"
#include "daemon/evidence/squid_live.h"
#include "daemon/evidence/squid_net.h"
#include "daemon/evidence/squid_tail.h"
#include "daemon/evidence/veil.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { POLLS = 64, LOOK_MS = 250, WAIT_MS = 500, REST_MS = 30000, BATCH = 512,
       STOP_S = 2 };
static const int64_t keep_ms = INT64_C(2) * 3600 * 1000;
static const int64_t disorder_ms = INT64_C(60) * 1000; /* ends out of order at most by */
static const int64_t same_ms = 20; /* starts of one request, from manager and log */
static const size_t memory_max = 64 << 20, back_max = 16 << 20;
enum { FILED_MAX = 200000 };

struct proxy {
	struct squid *owner;
	char *log, *manager;
	enum request_urls urls;
	struct squid_tail *tail;  /* of a file, */
	struct squid_net *net;    /* or what is sent; NULL: neither */
	int64_t silent_ms;        /* when the manager did not answer; 0: it did */
};

struct squid {
	struct proxy *proxies;
	size_t n_proxies;
	struct addr *addresses;
	size_t n_addresses;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	int wake;                 /* eventfd: somebody asks, or it is over */
	bool stopping;
	uint64_t round;           /* readings finished */
	struct request **ring;    /* cap of them, a power of two; n from `first` */
	size_t cap, first, n;
	const struct veil *veil;
	struct request_log *kept; /* the thread's own; NULL: none */
	char *kept_dir;           /* "": none */
	struct request *batch[BATCH]; /* the thread's own, not in the ring yet */
	size_t n_batch;
	uint64_t broken_batch, lines_batch;
	struct squid_stats stats;
};

/* --- the ring; lock held --- */

static void drop_first(struct squid *s)
{
	struct request *r = s->ring[s->first];

	s->stats.octets -= request_octets(r);
	request_unref(&r);
	s->first = (s->first + 1) & (s->cap - 1);
	s->n--;
}

static void push(struct squid *s, struct request *r)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 1024;
		struct request **ring = xcalloc(cap, sizeof(*ring));

		for (size_t i = 0; i < s->n; i++)
			ring[i] = s->ring[(s->first + i) & (s->cap - 1)];
		free(s->ring);
		s->ring = ring;
		s->cap = cap;
		s->first = 0;
	}
	s->ring[(s->first + s->n++) & (s->cap - 1)] = r;
	s->stats.octets += request_octets(r);
	while (s->stats.octets + s->cap * sizeof(*s->ring) > memory_max && s->n > 1)
		drop_first(s);
}

static void flush(struct squid *s)
{
	int64_t oldest_ms = clock_wall_ms() - keep_ms;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_batch; i++)
		push(s, s->batch[i]);
	while (s->n && s->ring[s->first]->end_ms < oldest_ms)
		drop_first(s);
	s->stats.broken += s->broken_batch;
	s->stats.lines += s->lines_batch;
	s->stats.kept = s->n;
	pthread_mutex_unlock(&s->lock);
	s->n_batch = 0;
	s->lines_batch = s->broken_batch = 0;
}

/* --- the thread --- */

static void veil_client(const struct squid *s, struct request *r)
{
	r->person = r->client;
	r->client = veil_addr(s->veil, &r->client);
}

static void line(void *arg, const char *text, size_t len, bool again)
{
	struct proxy *p = arg;
	struct squid *s = p->owner;
	char url[REQUEST_URL];
	struct request r;

	if (!squid_line(text, len, p->urls, &r, url)) {
		s->broken_batch += !again;
		log_seldom(p->log, 3600, "%s: a line is of no format that is known (native, "
			   "combined, culprit); it is skipped", p->log);
		return;
	}
	s->lines_batch += !again;
	veil_client(s, &r);
	if (s->kept && !again)
		request_log_add(s->kept, &r, true, clock_wall_ms());
	s->batch[s->n_batch++] = request_new(&r);
	if (s->n_batch == BATCH)
		flush(s);
}

static bool safe(void *arg)
{
	const struct proxy *p = arg;

	return !p->owner->kept || request_log_write(p->owner->kept, clock_wall_ms());
}

static void tell_missing(const struct proxy *p)
{
	struct squid_tail_stats t;

	squid_tail_stats(p->tail, &t);
	if (!t.there && *t.why)
		log_seldom(t.why, 3600, "squid log: %s; URLs stay unknown until it can be "
			   "read (on Debian the group proxy may read it)", t.why);
}

static void note_files(struct squid *s)
{
	uint64_t too_long = 0, refused = 0, rotations = 0, truncations = 0;

	for (size_t i = 0; i < s->n_proxies; i++) {
		struct squid_tail_stats t;
		struct squid_net_stats n;

		if (s->proxies[i].net) {
			squid_net_stats(s->proxies[i].net, &n);
			too_long += n.too_long;
			refused += n.refused;
		}
		if (!s->proxies[i].tail)
			continue;
		squid_tail_stats(s->proxies[i].tail, &t);
		too_long += t.too_long;
		rotations += t.rotations;
		truncations += t.truncations;
	}
	pthread_mutex_lock(&s->lock);
	s->stats.too_long = too_long;
	s->stats.refused = refused;
	s->stats.rotations = rotations;
	s->stats.truncations = truncations;
	s->stats.dropped = s->kept ? request_log_dropped(s->kept) : 0;
	pthread_mutex_unlock(&s->lock);
}

static bool stopping(const struct squid *s)
{
	return __atomic_load_n(&s->stopping, __ATOMIC_RELAXED);
}

static void read_net(struct squid *s)
{
	for (size_t i = 0; i < s->n_proxies; i++)
		while (s->proxies[i].net &&
		       squid_net_step(s->proxies[i].net, clock_mono_ms()) && !stopping(s))
			flush(s);
	if (s->n_batch)
		flush(s);
}

static void read_all(struct squid *s)
{
	read_net(s);
	for (size_t i = 0; i < s->n_proxies; i++) {
		struct proxy *p = &s->proxies[i];

		if (!p->tail)
			continue;
		while (squid_tail_step(p->tail, clock_mono_ms()) && !stopping(s))
			flush(s);
		tell_missing(p);
	}
	flush(s);
	if (s->kept)
		request_log_tick(s->kept, clock_wall_ms());
	note_files(s);
}

static struct timespec after(int ms)
{
	int64_t at = clock_mono_ms() + ms;

	return (struct timespec){ at / 1000, (at % 1000) * 1000000 };
}

/* Until it is time to look at the files again; what is sent meanwhile is read at once, or
 * the kernel's buffer would overflow. */
static void wait_for_more(struct squid *s)
{
	int64_t end_ms = clock_mono_ms() + LOOK_MS, left_ms;
	struct pollfd p[POLLS];
	uint64_t n_asked;

	while ((left_ms = end_ms - clock_mono_ms()) > 0) {
		unsigned n = 1;

		p[0] = (struct pollfd){ .fd = s->wake, .events = POLLIN };
		for (size_t i = 0; i < s->n_proxies && n + SQUID_NET_POLLS <= POLLS; i++)
			if (s->proxies[i].net)
				n += squid_net_polls(s->proxies[i].net, p + n);
		if (poll(p, n, (int)left_ms) <= 0)
			continue;
		if (p[0].revents) {
			if (read(s->wake, &n_asked, sizeof(n_asked)) < 0)
				log_debug("squid: %m");
			return;
		}
		read_net(s);
	}
}

static void *run(void *arg)
{
	struct squid *s = arg;

	while (!stopping(s)) {
		read_all(s);
		pthread_mutex_lock(&s->lock);
		s->round++;
		pthread_cond_broadcast(&s->done);
		pthread_mutex_unlock(&s->lock);
		wait_for_more(s);
	}
	return NULL;
}

static void wake(struct squid *s)
{
	const uint64_t one = 1;

	if (write(s->wake, &one, sizeof(one)) < 0)
		log_debug("squid: %m");
}

/* --- outside --- */

/* Loopback, the proxy itself, and whom the configuration names. */
static struct squid_net *listen_for(struct proxy *p, const struct squid_opts *o)
{
	struct squid_net_opts n = { .url = o->log, .line = line, .arg = p };
	struct prefix *allow = xcalloc(o->n_addresses + o->n_allow + 2, sizeof(*allow));
	struct squid_net *net;

	prefix_parse("127.0.0.0/8", &allow[n.n_allow++]);
	prefix_parse("::1", &allow[n.n_allow++]);
	for (size_t i = 0; i < o->n_addresses; i++)
		allow[n.n_allow++] = (struct prefix){ o->addresses[i], 128 };
	for (size_t i = 0; i < o->n_allow; i++)
		allow[n.n_allow++] = o->allow[i];
	n.allow = allow;
	net = squid_net_open(&n);
	free(allow);
	return net;
}

struct squid *squid_start(const struct squid_opts *o, size_t n,
			  const struct squid_place *place)
{
	const char *state_dir = place->state_dir;
	struct squid *s;
	pthread_condattr_t attr;

	if (!n)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->veil = place->veil;
	s->proxies = xcalloc(n, sizeof(*s->proxies));
	for (s->n_proxies = 0; s->n_proxies < n; s->n_proxies++) {
		const struct squid_opts *from = &o[s->n_proxies];
		struct proxy *p = &s->proxies[s->n_proxies];
		bool sent = squid_net_is(from->log);
		char *state = state_dir && *from->log && !sent
				      ? xasprintf("%s/squid-%zu.pos", state_dir, s->n_proxies)
				      : NULL;
		struct squid_tail_opts to = { from->log, state, back_max, line, safe, p };

		*p = (struct proxy){ .owner = s, .log = xstrdup(from->log),
				     .manager = xstrdup(from->manager),
				     .urls = from->urls };
		if (sent)
			p->net = listen_for(p, from);
		else if (*from->log)
			p->tail = squid_tail_open(&to);
		free(state);
		s->addresses = xrealloc(s->addresses, s->n_addresses + from->n_addresses + 1,
					sizeof(*s->addresses));
		if (from->n_addresses)
			memcpy(s->addresses + s->n_addresses, from->addresses,
			       from->n_addresses * sizeof(*s->addresses));
		s->n_addresses += from->n_addresses;
	}
	s->kept_dir = xstrdup(place->archive_dir ? place->archive_dir : "");
	if (*s->kept_dir)
		s->kept = request_log_open(place->archive_dir, place->keep_ms,
					   clock_wall_ms());
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_cond_init(&s->done, &attr);
	pthread_condattr_destroy(&attr);
	if (!pthread_create(&s->thread, NULL, run, s))
		pthread_setname_np(s->thread, "squid");
	return s;
}

void squid_stop(struct squid **sp)
{
	struct squid *s = *sp;
	struct timespec until;

	*sp = NULL;
	if (!s)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_S;
	__atomic_store_n(&s->stopping, true, __ATOMIC_RELAXED);
	wake(s);
	if (pthread_timedjoin_np(s->thread, NULL, &until)) {
		log_err("the proxy's log lies on a file system that hangs; not waiting for it");
		return; /* the thread has all of it, for as long as this process lasts */
	}
	for (size_t i = 0; i < s->n_proxies; i++) {
		squid_tail_close(&s->proxies[i].tail);
		squid_net_close(&s->proxies[i].net);
		free(s->proxies[i].log);
		free(s->proxies[i].manager);
	}
	request_log_close(&s->kept, clock_wall_ms());
	while (s->n)
		drop_first(s);
	close(s->wake);
	pthread_cond_destroy(&s->done);
	pthread_mutex_destroy(&s->lock);
	free(s->ring);
	free(s->kept_dir);
	free(s->addresses);
	free(s->proxies);
	free(s);
}

const struct veil *squid_veil(const struct squid *s)
{
	return s->veil;
}

const struct addr *squid_addresses(const struct squid *s, size_t *n)
{
	*n = s->n_addresses;
	return s->addresses;
}

struct found {
	struct request **list;
	size_t n, cap;
	int64_t from_ms, to_ms;
	const struct squid *squid;
};

static void found_add(struct found *f, struct request *r)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 256;
		f->list = xrealloc(f->list, f->cap, sizeof(*f->list));
	}
	f->list[f->n++] = r;
}

static void found_running(void *arg, const struct request *r)
{
	struct found *f = arg;
	struct request veiled;

	if (r->start_ms >= f->to_ms || r->end_ms < f->from_ms)
		return;
	memcpy(&veiled, r, sizeof(veiled));
	veil_client(f->squid, &veiled);
	found_add(f, request_new(&veiled));
}

static void ask_managers(struct squid *s, struct found *f)
{
	for (size_t i = 0; i < s->n_proxies; i++) {
		struct proxy *p = &s->proxies[i];
		int64_t now_ms = clock_mono_ms();
		struct err err = { "" };

		if (!*p->manager || (p->silent_ms && now_ms - p->silent_ms < REST_MS))
			continue;
		p->silent_ms = 0;
		if (!squid_live(p->manager, p->urls, clock_wall_ms(), found_running, f,
				&err)) {
			p->silent_ms = now_ms;
			log_seldom(p->manager, 600, "squid's cache manager did not tell the "
				   "requests in progress: %s", err.msg);
		}
	}
}

/* Lock held. A reading that begins now sees all lines of requests that are over. */
static void catch_up(struct squid *s)
{
	struct timespec until = after(WAIT_MS);
	uint64_t round = s->round + 2; /* the one that may be under way does not count */

	while (s->round < round && !stopping(s)) {
		wake(s);
		if (pthread_cond_timedwait(&s->done, &s->lock, &until))
			break;
	}
}

/* What was running when the manager was asked and has its line by now. */
static bool is_over(const struct request *running, struct request *const *over, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t apart = over[i]->start_ms - running->start_ms;

		if (apart >= -same_ms && apart <= same_ms &&
		    addr_eq(&over[i]->client, &running->client) &&
		    !strcmp(over[i]->url, running->url))
			return true;
	}
	return false;
}

static void drop_over(struct found *f, size_t running)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (i < running && is_over(f->list[i], f->list + running, f->n - running))
			request_unref(&f->list[i]);
		else
			f->list[kept++] = f->list[i];
	}
	f->n = kept;
}

/* --- what is older than the ring --- */

struct filed {
	struct found *found;
	int64_t before_ms;
	size_t first; /* of found, those of files begin here */
};

static int by_octets(const void *x, const void *y)
{
	const struct request *a = *(struct request *const *)x, *b = *(struct request *const *)y;
	uint64_t m = a->received + a->sent, n = b->received + b->sent;

	return (m < n) - (m > n);
}

static void leave_largest(struct found *f, size_t first)
{
	qsort(f->list + first, f->n - first, sizeof(*f->list), by_octets);
	while (f->n > first + FILED_MAX)
		request_unref(&f->list[--f->n]);
}

static bool take_filed(void *arg, const struct request *r)
{
	struct filed *f = arg;

	if (r->end_ms >= f->before_ms)
		return true;
	found_add(f->found, request_new(r));
	if (f->found->n - f->first == 2 * FILED_MAX)
		leave_largest(f->found, f->first);
	return true;
}

static void add_filed(const struct squid *s, struct found *f, int64_t before_ms)
{
	struct filed filed = { f, before_ms, f->n };
	struct request_read read;
	struct err err = { "" };

	if (!request_log_read(s->kept_dir, f->from_ms, before_ms < f->to_ms ? before_ms : f->to_ms,
			      take_filed, &filed, &read, &err))
		log_seldom("requests", 600, "requests kept beside the archive could not be "
			   "read: %s", err.msg);
	if (f->n - filed.first > FILED_MAX)
		leave_largest(f, filed.first);
}

struct request **squid_requests(struct squid *s, int64_t from_ms, int64_t to_ms,
				bool running, size_t *n)
{
	struct found f = { .from_ms = from_ms, .to_ms = to_ms, .squid = s };
	size_t n_running;
	int64_t begins_ms;

	if (running) /* first: what ends while we ask has a line afterwards */
		ask_managers(s, &f);
	n_running = f.n;
	pthread_mutex_lock(&s->lock);
	catch_up(s);
	begins_ms = s->n ? s->ring[s->first]->end_ms : clock_wall_ms();
	for (size_t i = s->n; i-- > 0;) {
		struct request *r = s->ring[(s->first + i) & (s->cap - 1)];

		if (r->end_ms < from_ms - disorder_ms)
			break;
		if (r->start_ms < to_ms && r->end_ms >= from_ms && r->end_ms >= begins_ms)
			found_add(&f, request_ref(r));
	}
	pthread_mutex_unlock(&s->lock);
	if (*s->kept_dir && from_ms < begins_ms)
		add_filed(s, &f, begins_ms);
	drop_over(&f, n_running);
	*n = f.n;
	return f.list;
}

void squid_give_back(struct request **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		request_unref(&list[i]);
	free(list);
}

void squid_stats(struct squid *s, struct squid_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	pthread_mutex_unlock(&s->lock);
}
