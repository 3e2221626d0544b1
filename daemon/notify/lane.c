/* lane.c - when a queue may try, and what an attempt's outcome means for it.
 * SPDX-License-Identifier: ISC
 *
 * Two back-offs: one of the target, which every failure lengthens and every
 * success ends, and one of the message, so that a message which the target
 * always chokes on (a 500 for this body alone) lets others go past; only other
 * messages about the same alert wait for it. Time is a parameter, and a due
 * time that lies further ahead than any back-off means that the clock was set
 * back: then it is due.
 *
 * A channel that people read gets nine messages within a minute as they come.
 * The tenth place is kept: what comes further is gathered for ten seconds and
 * goes out as one digest, so there are never more than ten.
 */
#include "daemon/notify/lane.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

struct counters *counters_new(void)
{
	struct counters *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

struct counters *counters_ref(struct counters *c)
{
	c->refs++;
	return c;
}

void counters_unref(struct counters **cp)
{
	struct counters *c = *cp;

	*cp = NULL;
	if (!c || --c->refs)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void lane_queue(const struct channel *c, unsigned index, char out[static LANE_QUEUE])
{
	if (index)
		snprintf(out, LANE_QUEUE, "%.64s#%u", c->name, index + 1);
	else
		snprintf(out, LANE_QUEUE, "%.64s", c->name);
}

struct lane *lane_new(struct outbox *o, struct channel *c, unsigned index,
		      struct counters *count)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->channel = c;
	l->count = count;
	l->outbox = o;
	l->index = index;
	l->settled = true;
	lane_queue(c, index, l->queue);
	outbox_last_sent(o, l->queue, l->sent_ms, RATE_MESSAGES);
	return l;
}

void lane_free(struct lane **lp)
{
	struct lane *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	channel_unref(&l->channel);
	counters_unref(&l->count);
	free(l);
}

int64_t lane_backoff_ms(unsigned n, uint32_t random)
{
	int64_t most = n < 9 ? (int64_t)RETRY_MIN_MS << n : RETRY_MAX_MS;

	if (most > RETRY_MAX_MS)
		most = RETRY_MAX_MS;
	return RETRY_MIN_MS + random % (most - RETRY_MIN_MS + 1);
}

static uint32_t chance(void)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = 0x9e3779b9;
	return r;
}

/* False: nothing may go before *wake_ms. */
static bool within_rate(struct lane *l, int64_t now_ms, int64_t *wake_ms)
{
	unsigned used = 0;
	int64_t oldest;
	uint64_t open;

	for (unsigned i = 0; i < RATE_MESSAGES; i++)
		used += l->sent_ms[i] && l->sent_ms[i] > now_ms - RATE_MS &&
			l->sent_ms[i] <= now_ms;
	if (used >= RATE_MESSAGES) {
		*wake_ms = l->sent_ms[RATE_MESSAGES - 1] + RATE_MS + 1;
		return false;
	}
	if (used < RATE_MESSAGES - 1)
		return true;
	open = outbox_open_rows(l->outbox, l->queue, &oldest);
	if (open && oldest <= now_ms && oldest > now_ms - GATHER_MS) {
		*wake_ms = oldest + GATHER_MS;
		return false;
	}
	if (open > 1)
		l->count->digested += outbox_digest(l->outbox, l->queue, now_ms);
	return true;
}

unsigned lane_pick(struct lane *l, int64_t now_ms, struct item *items, unsigned max,
		   int64_t *wake_ms)
{
	unsigned batch = l->channel->format ? l->channel->format->batch : 0;

	*wake_ms = INT64_MAX;
	if (!atomic_load(&l->settled))
		return 0;
	if (l->hold_until_ms > now_ms &&
	    l->hold_until_ms <= now_ms + RETRY_AFTER_MAX_MS) {
		*wake_ms = l->hold_until_ms;
		return 0;
	}
	if (l->channel->human && !within_rate(l, now_ms, wake_ms))
		return 0;
	if (!batch)
		batch = 1;
	return outbox_next(l->outbox, l->queue, now_ms, items, batch < max ? batch : max,
			   wake_ms);
}

static void note_error(struct lane *l, const struct outcome *out)
{
	struct strb where = { 0 };

	pthread_mutex_lock(&l->count->lock);
	snprintf(l->count->last_error, sizeof(l->count->last_error), "%s",
		 out->result == RESULT_SENT ? "" : out->note);
	pthread_mutex_unlock(&l->count->lock);
	if (out->result == RESULT_SENT)
		return;
	channel_where(l->channel, l->index, &where);
	log_seldom(l->queue, 300, "notify %s: %s did not take a message: %s; %s",
		   l->channel->name, where.s, out->note,
		   out->result == RESULT_LATER
		       ? "it will be tried again"
		       : "it is a dead letter now (culprit notify)");
	strb_free(&where);
}

static void settle_one(struct lane *l, const struct item *it, const struct outcome *out,
		       int64_t now_ms, _Atomic bool *done)
{
	struct settling s = { .now_ms = now_ms, .done = done };
	int64_t wait = out->retry_ms ? out->retry_ms
				     : lane_backoff_ms(it->attempts + 1, chance());

	snprintf(s.note, sizeof(s.note), "%s", out->note);
	snprintf(s.remote, sizeof(s.remote), "%s", out->remote);
	s.how = out->result == RESULT_SENT    ? SETTLE_SENT
		: out->result == RESULT_FINAL ? SETTLE_DEAD
					      : SETTLE_LATER;
	if (s.how == SETTLE_LATER && now_ms - it->made_ms >= GIVE_UP_MS)
		s.how = SETTLE_DEAD;
	s.next_ms = now_ms + wait;
	l->count->sent += s.how == SETTLE_SENT;
	l->count->dead += s.how == SETTLE_DEAD;
	l->count->retried += it->attempts > 0;
	outbox_settle(l->outbox, it, &s);
}

void lane_settle(struct lane *l, const struct item *items, unsigned n,
		 const struct outcome *out, int64_t now_ms)
{
	if (out->result == RESULT_SENT) {
		memmove(l->sent_ms + 1, l->sent_ms,
			sizeof(l->sent_ms) - sizeof(l->sent_ms[0]));
		l->sent_ms[0] = now_ms;
		l->count->last_sent_ms = now_ms;
		l->hold_until_ms = 0;
		l->fails = 0;
	} else {
		l->count->failed++;
		l->fails += l->fails < 30;
		l->hold_until_ms = now_ms + (out->retry_ms ? out->retry_ms
				   : out->result == RESULT_FINAL ? 0
				   : lane_backoff_ms(l->fails, chance()));
	}
	note_error(l, out);
	atomic_store(&l->settled, false);
	for (unsigned i = 0; i < n;
	     i++) /* they are committed in order: the last one tells */
		settle_one(l, &items[i], out, now_ms, i + 1 == n ? &l->settled : NULL);
}
