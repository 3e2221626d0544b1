/* owners.c - names of addresses, one table of sources.
 * SPDX-License-Identifier: ISC
 *
 * The administrator's own word (the hosts file) comes before what a machine told the DHCP
 * server, and that before the DNS, which is asked last: it costs a question that leaves the
 * machine. A new source is one function and one line of the table.
 */
#include "daemon/evidence/owners.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/leases.h"
#include "daemon/evidence/rdns.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)OWNER_NAME == (int)LEASE_NAME && (int)OWNER_NAME == (int)RDNS_NAME,
	       "a name fits everywhere");

struct owners {
	pthread_mutex_t looking; /* never waited for: a file system may hang in it */
	bool watched;
	struct leases *hosts;
	struct leases **leases;
	size_t n_leases;
	struct rdns *rdns;
};

static bool in_hosts(struct owners *o, struct owner *w, int64_t at_ms)
{
	return o->hosts && leases_find(o->hosts, &w->addr, at_ms, w->name);
}

static bool in_leases(struct owners *o, struct owner *w, int64_t at_ms)
{
	for (size_t i = 0; i < o->n_leases; i++)
		if (leases_find(o->leases[i], &w->addr, at_ms, w->name))
			return true;
	return false;
}

static bool in_dns(struct owners *o, struct owner *w, int64_t at_ms)
{
	(void)at_ms;
	return o->rdns && rdns_find(o->rdns, &w->addr, w->name) == RDNS_KNOWN;
}

static bool (*const sources[])(struct owners *o, struct owner *w, int64_t at_ms) = {
	in_hosts, in_leases, in_dns,
};

void owners_find(struct owners *o, struct owner *list, size_t n, int64_t at_ms, int wait_ms)
{
	struct addr *later;
	size_t n_later = 0;

	if (!n)
		return;
	later = xcalloc(n, sizeof(*later));
	if (!o->watched)
		owners_look(o);
	for (size_t i = 0; i < n; i++) {
		size_t s = 0;

		list[i].name[0] = '\0';
		while (s < ARRAY_LEN(sources) && !sources[s](o, &list[i], at_ms))
			s++;
		if (s == ARRAY_LEN(sources))
			later[n_later++] = list[i].addr;
	}
	if (n_later && o->rdns && wait_ms > 0) {
		rdns_wait(o->rdns, later, n_later, wait_ms);
		for (size_t i = 0; i < n; i++)
			if (!*list[i].name)
				in_dns(o, &list[i], at_ms);
	}
	free(later);
}

void owners_look(struct owners *o)
{
	int64_t now_ms = clock_mono_ms();

	if (pthread_mutex_trylock(&o->looking))
		return;
	if (o->hosts)
		leases_look(o->hosts, now_ms);
	for (size_t i = 0; i < o->n_leases; i++)
		leases_look(o->leases[i], now_ms);
	pthread_mutex_unlock(&o->looking);
}

struct owners *owners_start(const struct owners_opts *opts, struct err *err)
{
	struct owners *o = xcalloc(1, sizeof(*o));

	pthread_mutex_init(&o->looking, NULL);
	o->watched = opts->watched;
	if (opts->dns && !(o->rdns = rdns_start(opts->nameserver, err))) {
		owners_stop(&o);
		return NULL;
	}
	o->hosts = *opts->hosts ? leases_open(opts->hosts) : NULL;
	o->leases = xcalloc(opts->n_leases + 1, sizeof(struct leases *));
	for (; o->n_leases < opts->n_leases; o->n_leases++)
		o->leases[o->n_leases] = leases_open(opts->leases[o->n_leases]);
	return o;
}

void owners_stop(struct owners **op)
{
	struct owners *o = *op;

	*op = NULL;
	if (!o)
		return;
	rdns_stop(&o->rdns);
	leases_close(&o->hosts);
	for (size_t i = 0; i < o->n_leases; i++)
		leases_close(&o->leases[i]);
	free(o->leases);
	pthread_mutex_destroy(&o->looking);
	free(o);
}
