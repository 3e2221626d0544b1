/* naming.c - who exports, inside one file.
 * SPDX-License-Identifier: ISC
 *
 * Ids of exporters belong to a process; a file numbers those that occur in it
 * from 0 and tells their addresses and names, and the interfaces that occur,
 * in NAMES frames ahead of the flows that need them. A NAMES frame adds to the
 * one before, whose ordinal it holds, and each FLOWS frame holds the ordinal of
 * the last one: a lost NAMES frame makes unreadable what depends on it, and
 * never gives one exporter's flows to another.
 */
#include "storage/archive/naming.h"

#include "daemon/base/map.h"

#include <stdlib.h>

enum {
	IFS_MAX = 1 << 18,
	ENTRY_MAX = 16 + NAME_LEN + 40, /* octets of one entry in a frame */
	ENTRIES = FRAME_HEAD_MAX / ENTRY_MAX / 2,
	CACHE = 256,
};

struct which {
	uint32_t exporter, index; /* exporter: process's id */
};

struct told {
	char name[NAME_LEN];
	uint64_t speed_bps;
	bool fresh; /* has something that the file does not tell */
};

struct naming {
	const struct names *names;
	uint64_t version;	/* of names, when last compared */
	uint32_t *local, cap;	/* process's id -> file's + 1; 0: not in the file */
	uint32_t *ids, n;	/* file's -> process's */
	char (*name)[NAME_LEN]; /* told last, by file's number */
	uint32_t told;		/* exporters below this one are told */
	bool renamed;		/* some exporter's name changed: tell all again */
	struct map ifs;		/* struct which -> struct told */
	bool fresh;		/* some interface is */
	struct which cache[CACHE];
	bool cached[CACHE];
};

struct naming *naming_new(const struct names *names)
{
	struct naming *n = xcalloc(1, sizeof(*n));

	n->names = names;
	map_init(&n->ifs, sizeof(struct which), sizeof(struct told), IFS_MAX);
	return n;
}

void naming_free(struct naming **np)
{
	struct naming *n = *np;

	if (!n)
		return;
	free(n->local);
	free(n->ids);
	free(n->name);
	map_fini(&n->ifs);
	free(n);
	*np = NULL;
}

void naming_reset(struct naming *n)
{
	if (n->local)
		memset(n->local, 0, n->cap * sizeof(*n->local));
	n->n = n->told = 0;
	n->fresh = n->renamed = false;
	map_clear(&n->ifs);
	memset(n->cached, 0, sizeof(n->cached));
	n->version = names_version(n->names);
}

void naming_retell(struct naming *n)
{
	const void *k;
	void *v;
	uint32_t at = 0;

	n->told = 0;
	while (map_next(&n->ifs, &at, &k, &v)) {
		struct told *t = v;

		t->fresh = *t->name || t->speed_bps;
		n->fresh |= t->fresh;
	}
}

uint32_t naming_exporter(struct naming *n, uint32_t id)
{
	if (id > EXPORTERS_MAX) /* nobody's: bounds the table */
		id = EXPORTERS_MAX;
	if (id < n->cap && n->local[id])
		return n->local[id] - 1;
	if (id >= n->cap) {
		uint32_t cap = id + 64;

		n->local = xrealloc(n->local, cap, sizeof(*n->local));
		memset(n->local + n->cap, 0, (cap - n->cap) * sizeof(*n->local));
		n->cap = cap;
	}
	n->ids = xrealloc(n->ids, n->n + 1, sizeof(*n->ids));
	n->name = xrealloc(n->name, n->n + 1, sizeof(*n->name));
	n->ids[n->n] = id;
	n->name[n->n][0] = '\0';
	n->local[id] = ++n->n;
	return n->n - 1;
}

static bool look_again(struct naming *n, const struct which *w, struct told *t)
{
	struct interface i;

	names_interface(n->names, w->exporter, w->index, &i);
	if (!strcmp(i.name, t->name) && i.speed_bps == t->speed_bps)
		return false;
	memcpy(t->name, i.name, sizeof(t->name));
	t->speed_bps = i.speed_bps;
	return t->fresh = n->fresh = true;
}

void naming_interface(struct naming *n, uint32_t id, uint32_t index)
{
	if (id > EXPORTERS_MAX)
		return;
	struct which w = { id, index };
	unsigned at = (id * 31 + index) % CACHE;
	struct told *t;
	bool fresh;

	if (n->cached[at] && n->cache[at].exporter == id && n->cache[at].index == index)
		return;
	n->cache[at] = w;
	n->cached[at] = true;
	t = map_put(&n->ifs, &w, &fresh);
	if (t && fresh) {
		naming_exporter(n, id);
		look_again(n, &w, t);
	}
}

/* What has got another name since: names change rarely, so all are compared. */
static void compare(struct naming *n)
{
	uint64_t version = names_version(n->names);
	const void *k;
	void *v;
	uint32_t at = 0;

	if (version == n->version)
		return;
	n->version = version;
	while (map_next(&n->ifs, &at, &k, &v))
		look_again(n, k, v);
	for (uint32_t i = 0; i < n->told; i++) {
		const struct exporter *e = names_exporter_at(n->names, n->ids[i]);

		n->renamed |= e && strcmp(e->name, n->name[i]);
	}
	if (n->renamed)
		n->told = 0;
	n->renamed = false;
}

static void write_exporters(struct naming *n, struct out *o)
{
	uint32_t count = n->n - n->told < ENTRIES ? n->n - n->told : ENTRIES;
	static const struct exporter nobody;

	out_varint(o, count);
	for (; count; count--, n->told++) {
		const struct exporter *e = names_exporter_at(n->names, n->ids[n->told]);

		e = e ? e : &nobody;
		out_varint(o, n->told);
		out_bytes(o, e->addr.b, sizeof(e->addr.b));
		out_u16(o, e->port);
		out_text(o, e->name);
		memcpy(n->name[n->told], e->name, NAME_LEN);
	}
}

static void write_interfaces(struct naming *n, struct out *o)
{
	struct out list = { 0 };
	const void *k;
	void *v;
	uint32_t at = 0, count = 0;

	n->fresh = false;
	while (map_next(&n->ifs, &at, &k, &v)) {
		const struct which *w = k;
		struct told *t = v;

		if (!t->fresh)
			continue;
		if (count >= ENTRIES || n->local[w->exporter] > n->told) {
			n->fresh = true;
			continue;
		}
		out_varint(&list, n->local[w->exporter] - 1);
		out_varint(&list, w->index);
		out_varint(&list, t->speed_bps);
		out_text(&list, t->name);
		t->fresh = false;
		count++;
	}
	out_varint(o, count);
	out_bytes(o, list.p, list.len);
	free(list.p);
}

bool naming_write(struct naming *n, struct out *o, int64_t before)
{
	compare(n);
	if (n->told == n->n && !n->fresh)
		return false;
	out_u32(o, (uint32_t)before);
	write_exporters(n, o);
	write_interfaces(n, o);
	return true;
}

/* ---- reading ---- */

/* Exporters in the same order, so that ids stay what they were. */
static struct names *copy_of(const struct names *from)
{
	struct names *n = names_new(EXPORTERS_MAX);

	for (uint32_t i = 0; from && i < names_exporters(from); i++) {
		const struct exporter *e = names_exporter_at(from, i);

		names_exporter_known(n, &e->addr, e->port, e->name);
	}
	if (from)
		names_networks_copy(n, from);
	return n;
}

void name_sink_init(struct name_sink *s, const struct names *start)
{
	*s = (struct name_sink){ .names = copy_of(start) };
	map_init(&s->ifs, sizeof(struct which), sizeof(struct told), IFS_MAX);
}

void name_sink_fini(struct name_sink *s)
{
	for (size_t i = 0; i < s->n_old; i++)
		names_free(&s->old[i]);
	for (size_t i = 0; i < s->n_old_ids; i++)
		free(s->old_ids[i]);
	free(s->old);
	free(s->old_ids);
	map_fini(&s->ifs);
	names_free(&s->names);
}

void file_names_clear(struct name_sink *s, struct file_names *fn)
{
	if (fn->ids) {
		s->old_ids = xrealloc(s->old_ids, s->n_old_ids + 1, sizeof(*s->old_ids));
		s->old_ids[s->n_old_ids++] = fn->ids;
	}
	*fn = (struct file_names){ .ordinal = NO_NAMES };
}

static void rename_from(struct name_sink *s)
{
	const void *k;
	void *v;
	uint32_t at = 0;

	s->old = xrealloc(s->old, s->n_old + 1, sizeof(*s->old));
	s->old[s->n_old++] = s->names;
	s->names = copy_of(s->names);
	while (map_next(&s->ifs, &at, &k, &v)) {
		const struct which *w = k;
		const struct told *t = v;

		names_interface_set(s->names, w->exporter, w->index, t->name,
				    t->speed_bps, TOLD_EXPORTER);
	}
}

static bool apply_exporters(struct name_sink *s, struct file_names *fn, struct in *r)
{
	uint64_t count = in_varint(r);
	uint32_t n = fn->n, *ids;

	if (r->bad || count > in_left(r) || count > EXPORTERS_MAX)
		return false;
	ids = xcalloc(n + (size_t)count + 1, sizeof(*ids));
	if (n)
		memcpy(ids, fn->ids, n * sizeof(*ids));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = in_varint(r);
		const uint8_t *a = in_bytes(r, sizeof(struct addr));
		uint16_t port = in_u16(r);
		const struct exporter *e;
		struct addr addr;
		char name[NAME_LEN];

		in_text(r, name, sizeof(name));
		if (r->bad || number > n)
			break;
		memcpy(addr.b, a, sizeof(addr.b));
		e = names_exporter_known(s->names, &addr, port, name);
		if (!e)
			r->bad = true;
		else
			ids[number] = e->id;
		n += number == n;
	}
	file_names_clear(s, fn);
	fn->ids = ids;
	fn->n = n;
	return !r->bad;
}

static bool apply_interfaces(struct name_sink *s, const struct file_names *fn,
			     struct in *r)
{
	for (uint64_t count = in_varint(r); count && !r->bad; count--) {
		uint64_t number = in_varint(r), index = in_varint(r),
			 speed = in_varint(r);
		struct told *t, told = { .speed_bps = speed };
		struct which w = { 0, (uint32_t)index };

		in_text(r, told.name, sizeof(told.name));
		if (r->bad || number >= fn->n || index > UINT32_MAX)
			return false;
		w.exporter = fn->ids[number];
		t = map_get(&s->ifs, &w);
		if (t && strcmp(t->name, told.name))
			rename_from(s);
		t = map_put(&s->ifs, &w, NULL);
		if (t)
			*t = told;
		names_interface_set(s->names, w.exporter, w.index, told.name, speed,
				    TOLD_EXPORTER);
	}
	return !r->bad;
}

bool names_apply(struct name_sink *s, struct file_names *fn, uint32_t ordinal,
		 struct in *r)
{
	uint32_t before = in_u32(r);

	if (before == (uint32_t)NO_NAMES)
		file_names_clear(s, fn);
	if (r->bad || before != (uint32_t)fn->ordinal || !apply_exporters(s, fn, r) ||
	    !apply_interfaces(s, fn, r)) {
		file_names_clear(s, fn);
		return false;
	}
	fn->ordinal = ordinal;
	return true;
}
