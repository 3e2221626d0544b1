/* ifnames.c - asks exporters' agents what their interfaces are called.
 * SPDX-License-Identifier: ISC
 *
 * One thread, one agent after another: an agent that does not answer costs two seconds of
 * this thread and of nobody else's, and a hundred dead ones delay the rest by minutes,
 * which names can bear. An agent is asked when it is configured, then every `every`, sooner
 * (RETRY_MS) after a failure, and soon when its exporter has restarted, since that is
 * when indexes are given out anew. What it told stays while it does not answer.
 *
 * The administrator's word and what the exporter tells with its flows come before this
 * (names.h), so a stale agent cannot rename what the flows themselves name.
 */
#include "daemon/evidence/ifnames.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RETRY_MS = 60000, TURN_MS = 1000, TOLD_MOVES = 3 };

struct target {
	uint32_t exporter;
	struct snmp_agent agent; /* its text is ours */
	int64_t every_ms, next_ms, asked_ms;
	uint64_t restarts;       /* of the exporter, when it was asked last */
	struct interface *told;
	size_t n_told;
	struct ifnames_state state;
};

struct ifnames {
	struct names *names;
	ifnames_ask_f *ask;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t turn;
	bool stop, running;
	uint64_t version;     /* of the targets */
	struct target *targets;
	size_t n;
};

static const size_t texts[] = {
	offsetof(struct snmp_agent, community_file), offsetof(struct snmp_agent, user),
	offsetof(struct snmp_agent, auth),	     offsetof(struct snmp_agent, auth_file),
	offsetof(struct snmp_agent, priv),	     offsetof(struct snmp_agent, priv_file),
};

static const char **text_at(struct snmp_agent *a, size_t i)
{
	return (const char **)((char *)a + texts[i]);
}

static struct snmp_agent agent_copy(const struct snmp_agent *from)
{
	struct snmp_agent a = *from;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*text_at(&a, i) = xstrdup(*text_at(&a, i) ? *text_at(&a, i) : "");
	return a;
}

static void agent_free(struct snmp_agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free((char *)*text_at(a, i));
}

static bool agent_same(struct snmp_agent *a, struct snmp_agent *b)
{
	bool same = addr_eq(&a->addr, &b->addr) && a->port == b->port;

	for (size_t i = 0; same && i < ARRAY_LEN(texts); i++)
		same = !strcmp(*text_at(a, i), *text_at(b, i));
	return same;
}

static void target_free(struct target *t)
{
	agent_free(&t->agent);
	free(t->told);
}

/* --- one answer --- */

/* An index that stands for another interface now: series go by name, rules that name an
 * index do not, so it is said. */
static uint64_t moves(const struct target *t, const struct exporter *e,
		      const struct interface *list, size_t n)
{
	uint64_t moved = 0;

	for (size_t i = 0; i < n; i++) {
		const struct interface *was = interface_find(t->told, t->n_told, list[i].index);

		if (!was || !*was->name || !*list[i].name || !strcmp(was->name, list[i].name))
			continue;
		if (moved++ >= TOLD_MOVES)
			continue;
		log_warn("exporter %s: interface %u was %s and is %s now, as its SNMP agent says; "
			 "what names it by number means the other one from now on", e->name,
			 list[i].index, was->name, list[i].name);
	}
	if (moved > TOLD_MOVES)
		log_warn("exporter %s: %llu indexes more have changed", e->name,
			 (unsigned long long)(moved - TOLD_MOVES));
	return moved;
}

/* Under the lock. Takes list when there is one. */
static void settle(struct ifnames *in, struct target *t, struct interface *list, int n,
		   const struct err *err)
{
	const struct exporter *e = names_exporter_at(in->names, t->exporter);
	bool failed = *t->state.err.msg != '\0';

	t->state.asked = true;
	if (n < 0) {
		if (strcmp(t->state.err.msg, err->msg)) /* once, not each time */
			log_warn("exporter %s: SNMP: %s", e->name, err->msg);
		t->state.err = *err;
		t->next_ms = clock_mono_ms() + (t->every_ms < RETRY_MS ? t->every_ms : RETRY_MS);
		return;
	}
	if (failed || !t->told)
		log_info("exporter %s: SNMP tells %d interfaces", e->name, n);
	t->state.moved += moves(t, e, list, (size_t)n);
	names_interfaces_snmp(in->names, t->exporter, list, (size_t)n);
	free(t->told);
	t->told = xcalloc((size_t)n + 1, sizeof(*list));
	memcpy(t->told, list, (size_t)n * sizeof(*list));
	t->n_told = t->state.known = (size_t)n;
	t->state.err.msg[0] = '\0';
	t->next_ms = clock_mono_ms() + t->every_ms;
}

/* --- the thread --- */

static uint64_t restarts_of(const struct ifnames *in, uint32_t exporter)
{
	return ledger_get(&names_exporter_at(in->names, exporter)->ledger.restarts);
}

static struct target *due(struct ifnames *in)
{
	int64_t now_ms = clock_mono_ms();
	struct target *first = NULL;

	for (size_t i = 0; i < in->n; i++) {
		struct target *t = &in->targets[i];

		if (t->restarts != restarts_of(in, t->exporter) &&
		    now_ms - t->asked_ms >= RETRY_MS)
			t->next_ms = now_ms;
		if (t->next_ms <= now_ms && (!first || t->next_ms < first->next_ms))
			first = t;
	}
	return first;
}

/* When somebody is due, and at least every TURN_MS, since an exporter may have restarted. */
static struct timespec until_next(const struct ifnames *in)
{
	int64_t at_ms = clock_mono_ms() + TURN_MS;

	for (size_t i = 0; i < in->n; i++)
		if (in->targets[i].next_ms < at_ms)
			at_ms = in->targets[i].next_ms;
	return (struct timespec){ at_ms / 1000, at_ms % 1000 * 1000000 };
}

/* Asks without the lock, which the configuration wants; what changed meanwhile is asked anew. */
static void ask(struct ifnames *in, struct target *t, struct interface *list)
{
	struct snmp_agent agent = agent_copy(&t->agent);
	uint64_t version = in->version;
	struct err err = { "" };
	int n;

	t->restarts = restarts_of(in, t->exporter);
	t->asked_ms = clock_mono_ms();
	pthread_mutex_unlock(&in->lock);
	n = in->ask(&agent, list, &err);
	pthread_mutex_lock(&in->lock);
	if (version == in->version)
		settle(in, t, list, n, &err);
	agent_free(&agent);
}

static void *run(void *arg)
{
	struct ifnames *in = arg;
	struct interface *list = xcalloc(SNMP_INTERFACES, sizeof(*list));

	pthread_mutex_lock(&in->lock);
	while (!in->stop) {
		struct target *t = due(in);
		struct timespec until;

		if (t) {
			ask(in, t, list);
			continue;
		}
		until = until_next(in);
		pthread_cond_timedwait(&in->turn, &in->lock, &until);
	}
	pthread_mutex_unlock(&in->lock);
	free(list);
	return NULL;
}

/* --- from outside --- */

static struct target *find(struct target *list, size_t n, uint32_t exporter)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].exporter == exporter)
			return &list[i];
	return NULL;
}

void ifnames_configure(struct ifnames *in, const struct ifnames_target *t, size_t n)
{
	struct target *now = xcalloc(n + 1, sizeof(*now)), *was;
	size_t n_was;

	pthread_mutex_lock(&in->lock);
	for (size_t i = 0; i < n; i++) {
		struct target *old = find(in->targets, in->n, t[i].exporter);

		now[i].exporter = t[i].exporter;
		now[i].agent = agent_copy(&t[i].agent);
		now[i].every_ms = t[i].every_ms;
		now[i].restarts = restarts_of(in, t[i].exporter);
		if (!old || !agent_same(&old->agent, &now[i].agent))
			continue;
		now[i].state = old->state;
		now[i].told = old->told;
		now[i].n_told = old->n_told;
		now[i].restarts = old->restarts;
		now[i].asked_ms = old->asked_ms;
		if (old->every_ms == t[i].every_ms)
			now[i].next_ms = old->next_ms;
		old->told = NULL;
	}
	was = in->targets;
	n_was = in->n;
	in->targets = now;
	in->n = n;
	in->version++;
	for (size_t i = 0; i < n_was; i++) {
		if (!find(now, n, was[i].exporter))
			names_interfaces_snmp(in->names, was[i].exporter, NULL, 0);
		target_free(&was[i]);
	}
	free(was);
	pthread_cond_signal(&in->turn);
	pthread_mutex_unlock(&in->lock);
}

bool ifnames_state(struct ifnames *in, uint32_t exporter, struct ifnames_state *out)
{
	const struct target *t;

	if (!in)
		return false;
	pthread_mutex_lock(&in->lock);
	t = find(in->targets, in->n, exporter);
	if (t)
		*out = t->state;
	pthread_mutex_unlock(&in->lock);
	return t != NULL;
}

struct ifnames *ifnames_start(struct names *n, ifnames_ask_f *ask_them)
{
	struct ifnames *in = xcalloc(1, sizeof(*in));
	pthread_condattr_t attr;

	in->names = n;
	in->ask = ask_them;
	pthread_mutex_init(&in->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&in->turn, &attr);
	pthread_condattr_destroy(&attr);
	in->running = !pthread_create(&in->thread, NULL, run, in);
	if (in->running)
		pthread_setname_np(in->thread, "snmp");
	else
		log_err("SNMP: no thread can be made; interfaces keep the names that they have");
	return in;
}

void ifnames_stop(struct ifnames **ip)
{
	struct ifnames *in = *ip;

	*ip = NULL;
	if (!in)
		return;
	pthread_mutex_lock(&in->lock);
	in->stop = true;
	pthread_cond_signal(&in->turn);
	pthread_mutex_unlock(&in->lock);
	if (in->running)
		pthread_join(in->thread, NULL);
	for (size_t i = 0; i < in->n; i++)
		target_free(&in->targets[i]);
	free(in->targets);
	pthread_cond_destroy(&in->turn);
	pthread_mutex_destroy(&in->lock);
	free(in);
}
