/* names.c - the registry of exporters, interfaces and networks.
 * SPDX-License-Identifier: ISC
 *
 * Exporters sit in an array of pointers that only grows; a reader that holds
 * an id indexes it without a lock (the count is published with release order
 * after the pointer). Everything with a name in it is behind one rwlock.
 * Networks keep one hash map for each prefix length in use, longest first. That is for
 * changing them; who looks an address up (every filter with `network` in it does, for
 * each flow) takes ranges.h, made of the maps by names_networks_done() and read without
 * a lock. A reader may be in the middle of one when the next is published, so they are
 * kept to the end: 48 octets a prefix for each reload that changed networks.
 */
#include "daemon/model/names.h"

#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/model/ranges.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { INTERFACES_MAX = 4096, NETWORKS_MAX = 4096, PREFIXES_MAX = 65536 };

const char *const bad_reason_label[BAD_COUNT_OF_REASONS] = {
#define REASON(e, label) label,
#include "daemon/model/ledger.def"
#undef REASON
};
const char *const set_outcome_label[SET_OUTCOMES] = {
#define SET(e, label) label,
#include "daemon/model/ledger.def"
#undef SET
};
const char *const shed_reason_label[SHED_REASONS] = {
#define SHED(e, label) label,
#include "daemon/model/ledger.def"
#undef SHED
};
const char *const via_label[VIA_COUNT] = {
#define VIA(e, label, title) [e] = label,
#include "daemon/model/via.def"
#undef VIA
};
const char *const via_title[VIA_COUNT] = {
#define VIA(e, label, title) [e] = title,
#include "daemon/model/via.def"
#undef VIA
};
const char *const lost_unit_label[LOST_UNITS] = { "flows", "records", "datagrams" };

struct who { /* key of the exporter map; no padding */
	struct addr addr;
	uint32_t port; /* 0: any */
};

struct which { /* key of the interface map */
	uint32_t exporter, index;
};

struct ifname {
	char name[NAME_LEN], alias[NAME_LEN];
	uint64_t speed_bps;
	enum told_by name_by, speed_by; /* while there is one */
};

struct length { /* all prefixes of one length */
	uint8_t bits;
	struct map nets; /* struct addr -> int number */
};

struct names {
	pthread_rwlock_t lock;
	struct exporter **exporters;
	uint32_t n, max;
	struct map by_addr; /* struct who -> uint32_t id */
	bool ports;         /* some exporter is registered with a port */
	struct map ifs;     /* struct which -> struct ifname */
	uint64_t version;
	char **networks;    /* names stay for good, prefixes change at a reload */
	int n_networks;
	struct length *lengths; /* longest first */
	int n_lengths;
	uint32_t n_prefixes;
	const struct ranges *ranges; /* atomic; NULL while networks change */
	struct ranges **kept;        /* all that ever were */
	size_t n_kept;
};

struct names *names_new(uint32_t max_exporters)
{
	struct names *n = xcalloc(1, sizeof(*n));

	n->max = max_exporters < EXPORTERS_MAX ? max_exporters : EXPORTERS_MAX;
	n->exporters = xcalloc(n->max ? n->max : 1, sizeof(*n->exporters));
	map_init(&n->by_addr, sizeof(struct who), sizeof(uint32_t), n->max);
	map_init(&n->ifs, sizeof(struct which), sizeof(struct ifname),
		 64 * INTERFACES_MAX);
	pthread_rwlock_init(&n->lock, NULL);
	return n;
}

void names_free(struct names **np)
{
	struct names *n = *np;

	*np = NULL;
	if (!n)
		return;
	names_networks_clear(n);
	for (int i = 0; i < n->n_networks; i++)
		free(n->networks[i]);
	free(n->networks);
	for (size_t i = 0; i < n->n_kept; i++)
		ranges_free(&n->kept[i]);
	free(n->kept);
	for (uint32_t i = 0; i < n->n; i++)
		free(n->exporters[i]);
	free(n->exporters);
	map_fini(&n->by_addr);
	map_fini(&n->ifs);
	pthread_rwlock_destroy(&n->lock);
	free(n);
}

static void rdlock(const struct names *n)
{
	pthread_rwlock_rdlock((pthread_rwlock_t *)&n->lock);
}

static void unlock(const struct names *n)
{
	pthread_rwlock_unlock((pthread_rwlock_t *)&n->lock);
}

/* Both orders of looking: with its port when some exporter has one, then any port. */
static struct exporter *find(const struct names *n, const struct addr *a, uint16_t port)
{
	struct who w = { *a, port };
	const uint32_t *id = NULL;

	if (n->ports && port)
		id = map_get(&n->by_addr, &w);
	if (!id) {
		w.port = 0;
		id = map_get(&n->by_addr, &w);
	}
	return id ? n->exporters[*id] : NULL;
}

static struct exporter *add(struct names *n, const struct addr *a, uint16_t port)
{
	struct who w = { *a, port };
	struct exporter *e;
	char text[ADDR_TEXT];
	uint32_t *id;

	if (n->n >= n->max || !(id = map_put(&n->by_addr, &w, NULL)))
		return NULL;
	e = xcalloc(1, sizeof(*e));
	e->id = *id = n->n;
	e->addr = *a;
	e->port = port;
	addr_text(a, text);
	if (port)
		snprintf(e->name, sizeof(e->name), "%s:%u", text, port);
	else
		snprintf(e->name, sizeof(e->name), "%s", text);
	n->exporters[n->n] = e;
	n->ports |= port != 0;
	n->version++;
	__atomic_store_n(&n->n, n->n + 1, __ATOMIC_RELEASE);
	return e;
}

struct exporter *names_exporter_find(const struct names *n, const struct addr *a,
				     uint16_t port)
{
	struct exporter *e;

	rdlock(n);
	e = find(n, a, port);
	unlock(n);
	return e;
}

struct exporter *names_exporter(struct names *n, const struct addr *a, uint16_t port)
{
	struct exporter *e = names_exporter_find(n, a, port);

	if (e)
		return e;
	pthread_rwlock_wrlock(&n->lock);
	e = find(n, a, port);
	if (!e)
		e = add(n, a, 0);
	unlock(n);
	return e;
}

size_t interface_place(const struct interface *list, size_t n, uint32_t index)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (list[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct interface *interface_find(const struct interface *list, size_t n, uint32_t index)
{
	size_t at = interface_place(list, n, index);

	return at < n && list[at].index == index ? &list[at] : NULL;
}

const char *exporter_key(const struct exporter *e, char buf[EXPORTER_KEY])
{
	char text[ADDR_TEXT];

	snprintf(buf, EXPORTER_KEY, "%s %u", addr_text(&e->addr, text), e->port);
	return buf;
}

void names_exporter_recall(struct names *n, const char *key)
{
	char text[ADDR_TEXT];
	struct addr addr;
	unsigned port;

	if (sscanf(key, "%45s %u", text, &port) == 2 && !port && addr_parse(text, &addr))
		names_exporter(n, &addr, 0);
}

struct exporter *names_exporter_known(struct names *n, const struct addr *a, uint16_t port,
				      const char *name)
{
	struct who w = { *a, port };
	struct exporter *e;
	uint32_t *id;

	pthread_rwlock_wrlock(&n->lock);
	id = map_get(&n->by_addr, &w);
	e = id ? n->exporters[*id] : add(n, a, port);
	if (e) {
		e->known = true;
		if (name && *name && strcmp(e->name, name))
			snprintf(e->name, sizeof(e->name), "%s", name);
		n->version++;
	}
	unlock(n);
	return e;
}

struct exporter *names_exporter_at(const struct names *n, uint32_t id)
{
	return id < names_exporters(n) ? n->exporters[id] : NULL;
}

uint32_t names_exporters(const struct names *n)
{
	return __atomic_load_n(&n->n, __ATOMIC_ACQUIRE);
}

/* A place for one more interface, or NULL. An exporter's are counted as they come,
 * since one datagram of options data can bring thousands. */
static struct ifname *interface_new(struct names *n, const struct which *w)
{
	struct exporter *e = w->exporter < n->n ? n->exporters[w->exporter] : NULL;
	struct ifname *i = NULL;

	if (e && e->interfaces < INTERFACES_MAX)
		i = map_put(&n->ifs, w, NULL);
	if (i)
		e->interfaces++;
	return i;
}

/* Settles each property by whose word it is; under the lock. */
static struct ifname *interface_told(struct names *n, const struct which *w, const char *name,
				     uint64_t speed_bps, enum told_by by)
{
	struct ifname *i = map_get(&n->ifs, w);

	if (!i && !(i = interface_new(n, w)))
		return NULL;
	if (name && *name && (!*i->name || by >= i->name_by)) {
		if (strcmp(i->name, name))
			n->version++;
		snprintf(i->name, sizeof(i->name), "%s", name);
		i->name_by = by;
	}
	if (speed_bps && (!i->speed_bps || by >= i->speed_by)) {
		i->speed_bps = speed_bps;
		i->speed_by = by;
	}
	return i;
}

void names_interface_set(struct names *n, uint32_t exporter, uint32_t index,
			 const char *name, uint64_t speed_bps, enum told_by by)
{
	struct which w = { exporter, index };

	pthread_rwlock_wrlock(&n->lock);
	interface_told(n, &w, name, speed_bps, by);
	unlock(n);
}

/* An alias is SNMP's alone, so it goes with what SNMP said. */
static void interface_unsaid(struct names *n, struct ifname *i)
{
	if (*i->alias || (*i->name && i->name_by == TOLD_SNMP))
		n->version++;
	*i->alias = '\0';
	if (i->name_by == TOLD_SNMP)
		*i->name = '\0';
	if (i->speed_by == TOLD_SNMP)
		i->speed_bps = 0;
}

void names_interfaces_snmp(struct names *n, uint32_t exporter, const struct interface *list,
			   size_t count)
{
	const void *k;
	void *v;

	pthread_rwlock_wrlock(&n->lock);
	for (uint32_t at = 0; map_next(&n->ifs, &at, &k, &v);)
		if (((const struct which *)k)->exporter == exporter &&
		    !interface_find(list, count, ((const struct which *)k)->index))
			interface_unsaid(n, v);
	for (size_t j = 0; j < count; j++) {
		struct which w = { exporter, list[j].index };
		struct ifname *i = interface_told(n, &w, list[j].name, list[j].speed_bps,
						  TOLD_SNMP);

		if (!i || !strcmp(i->alias, list[j].alias))
			continue;
		snprintf(i->alias, sizeof(i->alias), "%s", list[j].alias);
		n->version++;
	}
	unlock(n);
}

void names_interface(const struct names *n, uint32_t exporter, uint32_t index,
		     struct interface *out)
{
	struct which w = { exporter, index };
	const struct ifname *i;

	*out = (struct interface){ .exporter = exporter, .index = index };
	rdlock(n);
	i = map_get(&n->ifs, &w);
	if (i) {
		memcpy(out->name, i->name, sizeof(out->name));
		memcpy(out->alias, i->alias, sizeof(out->alias));
		out->speed_bps = i->speed_bps;
	}
	unlock(n);
}

int64_t names_interface_find(const struct names *n, uint32_t exporter, const char *name)
{
	const void *k;
	void *v;
	uint32_t at = 0;
	int64_t found = -1, alias = -1;

	if (!*name)
		return -1;
	rdlock(n);
	while (found < 0 && map_next(&n->ifs, &at, &k, &v)) {
		const struct which *w = k;
		const struct ifname *i = v;

		if (w->exporter == exporter && !strcmp(i->name, name))
			found = w->index;
		else if (w->exporter == exporter && !strcmp(i->alias, name))
			alias = w->index;
	}
	unlock(n);
	return found < 0 ? alias : found;
}

uint64_t names_version(const struct names *n)
{
	return __atomic_load_n(&n->version, __ATOMIC_RELAXED);
}

static struct addr masked(const struct addr *a, unsigned bits)
{
	struct addr m = { 0 };

	memcpy(m.b, a->b, bits / 8);
	if (bits % 8)
		m.b[bits / 8] = a->b[bits / 8] & (uint8_t)(0xff << (8 - bits % 8));
	return m;
}

static int network_find(const struct names *n, const char *name)
{
	for (int i = 0; i < n->n_networks; i++)
		if (!strcmp(n->networks[i], name))
			return i;
	return -1;
}

static struct length *length_of(struct names *n, uint8_t bits)
{
	int i = 0;

	while (i < n->n_lengths && n->lengths[i].bits > bits)
		i++;
	if (i < n->n_lengths && n->lengths[i].bits == bits)
		return &n->lengths[i];
	n->lengths = xrealloc(n->lengths, (size_t)n->n_lengths + 1, sizeof(*n->lengths));
	memmove(n->lengths + i + 1, n->lengths + i,
		(size_t)(n->n_lengths - i) * sizeof(*n->lengths));
	n->n_lengths++;
	n->lengths[i].bits = bits;
	map_init(&n->lengths[i].nets, sizeof(struct addr), sizeof(int), PREFIXES_MAX);
	return &n->lengths[i];
}

bool names_network_add(struct names *n, const char *name, const struct prefix *p)
{
	struct addr a = masked(&p->addr, p->bits);
	bool ok = false;
	int num, *v;

	pthread_rwlock_wrlock(&n->lock);
	__atomic_store_n(&n->ranges, NULL, __ATOMIC_RELEASE);
	num = network_find(n, name);
	if (num < 0 && n->n_networks < NETWORKS_MAX) {
		num = n->n_networks++;
		n->networks = xrealloc(n->networks, (size_t)n->n_networks,
				       sizeof(*n->networks));
		n->networks[num] = xstrdup(name);
	}
	if (num >= 0 && n->n_prefixes < PREFIXES_MAX &&
	    (v = map_put(&length_of(n, p->bits)->nets, &a, NULL))) {
		*v = num;
		n->n_prefixes++;
		n->version++;
		ok = true;
	}
	unlock(n);
	return ok;
}

void names_networks_clear(struct names *n)
{
	pthread_rwlock_wrlock(&n->lock);
	__atomic_store_n(&n->ranges, NULL, __ATOMIC_RELEASE);
	for (int i = 0; i < n->n_lengths; i++)
		map_fini(&n->lengths[i].nets);
	free(n->lengths);
	n->lengths = NULL;
	n->n_lengths = 0;
	n->n_prefixes = 0;
	n->version++;
	unlock(n);
}

void names_networks_copy(struct names *dst, const struct names *src)
{
	const void *k;
	void *v;

	rdlock(src);
	dst->networks = xcalloc((size_t)src->n_networks + 1, sizeof(*dst->networks));
	for (int i = 0; i < src->n_networks; i++)
		dst->networks[i] = xstrdup(src->networks[i]);
	dst->n_networks = src->n_networks;
	for (int i = 0; i < src->n_lengths; i++) {
		struct length *l = length_of(dst, src->lengths[i].bits);
		uint32_t at = 0;

		while (map_next(&src->lengths[i].nets, &at, &k, &v)) {
			int *to = map_put(&l->nets, k, NULL);

			if (to)
				*to = *(const int *)v;
		}
	}
	dst->n_prefixes = src->n_prefixes;
	unlock(src);
	names_networks_done(dst);
}

static struct ranges *ranges_of(const struct names *n)
{
	struct ranged *all = xcalloc(n->n_prefixes + 1, sizeof(*all));
	struct ranges *r;
	const void *k;
	size_t at = 0;
	void *v;

	for (int i = 0; i < n->n_lengths; i++)
		for (uint32_t pos = 0; map_next(&n->lengths[i].nets, &pos, &k, &v);)
			all[at++] = (struct ranged){ *(const struct addr *)k,
						     n->lengths[i].bits, *(int *)v };
	r = ranges_new(all, at);
	free(all);
	return r;
}

void names_networks_done(struct names *n)
{
	struct ranges *r;
	size_t i;

	pthread_rwlock_wrlock(&n->lock);
	r = ranges_of(n);
	for (i = 0; i < n->n_kept && !ranges_same(n->kept[i], r); i++)
		continue;
	if (i < n->n_kept) {
		ranges_free(&r);
	} else {
		n->kept = xrealloc(n->kept, n->n_kept + 1, sizeof(struct ranges *));
		n->kept[n->n_kept++] = r;
	}
	__atomic_store_n(&n->ranges, n->kept[i], __ATOMIC_RELEASE);
	unlock(n);
}

static int network_of(const struct names *n, const struct addr *a)
{
	for (int i = 0; i < n->n_lengths; i++) {
		struct addr m = masked(a, n->lengths[i].bits);
		const int *v = map_get(&n->lengths[i].nets, &m);

		if (v)
			return *v;
	}
	return -1;
}

int names_network_of(const struct names *n, const struct addr *a)
{
	const struct ranges *r = __atomic_load_n(&n->ranges, __ATOMIC_ACQUIRE);
	int v;

	if (r)
		return ranges_find(r, a);
	rdlock(n);
	v = network_of(n, a);
	unlock(n);
	return v;
}

int names_network_find(const struct names *n, const char *name)
{
	int v;

	rdlock(n);
	v = network_find(n, name);
	unlock(n);
	return v;
}

/* Numbers keep their name for good, so the text may be lent. */
const char *names_network_name(const struct names *n, int number)
{
	const char *s;

	rdlock(n);
	s = number >= 0 && number < n->n_networks ? n->networks[number] : "";
	unlock(n);
	return s;
}
