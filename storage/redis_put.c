/* redis_put.c - one batch into a Redis.
 * SPDX-License-Identifier: ISC
 *
 * A batch is put in three steps, each a pipeline. First what must be known is
 * read: the last batch that is here (is this one new? has the server forgotten
 * any?) and the records that are to be amended. Then each series (and the
 * alerts, and each space of blobs) gets a MULTI of its own with SETRANGE and
 * EXPIRE, since in a cluster a MULTI cannot span slots. Last the batch's number
 * is written. A batch that broke off between is put again whole: writing a bin
 * twice is harmless, and where adding twice would not be (amends) the number of
 * the batch is part of the same MULTI and is looked at first. Alerts carry one
 * too, so that the stream announces each change once.
 *
 * Bins of a batch are sorted, so those that follow each other in one key are
 * one SETRANGE. Between reading and writing an amended record nobody else may
 * write that series; each daemon has series of its own (D12).
 */
#include "storage/redis_impl.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "storage/redis_key.h"

enum {
	PIPELINE = 1000,           /* commands sent before their replies are read, … */
	PIPELINE_OCTETS = 1 << 20, /* … or so much of them */
	STREAM_LENGTH = 10000,
};

/* What one series, the alerts or one space of blobs gets from a batch. */
struct group {
	const struct put **puts;
	size_t n;
	bool amends;         /* needs the number of the batch looked at */
	uint64_t amended;    /* the last batch that did */
	size_t first_record; /* of its records in struct work */
	bool announce;       /* its series, to the sets of names */
	int64_t newest_s;
};

/* A stored record that an amend is added to. */
struct record {
	const struct put *put; /* the first of that bin */
	bool there;
	struct bin bin;
};

struct work {
	struct redis *r;
	uint64_t batch;
	const struct put **puts; /* sorted */
	struct group *groups;
	size_t n_groups;
	struct record *records;  /* in the order of puts */
	size_t n_records;
	struct strb run;         /* records to be written side by side */
	struct span run_span;
	const char *run_series;
	uint32_t run_slot;
};

static int64_t keep_s(const struct redis *r, uint32_t step)
{
	return step == STEP_BIN ? r->base.keep_bins_s : r->base.keep_rollups_s;
}

static void add_expire(struct redis *r, const char *key, int64_t seconds)
{
	char n[24];

	link_add(r->link, "EXPIRE", key, redis_number(n, seconds), NULL);
}

/* Sends when enough has come together. */
static bool push(struct redis *r, bool all, struct err *err)
{
	size_t n = link_pending(r->link);

	if (!n || (!all && n < PIPELINE && link_pending_octets(r->link) < PIPELINE_OCTETS))
		return true;
	return link_exchange(r->link, NULL, NULL, err);
}

/* Sorting: what is written under one MULTI stands together, in the order of time. */

static const char *group_name(const struct put *p)
{
	return p->kind == PUT_ALERT ? "" : p->kind == PUT_BLOB ? p->space : p->series;
}

static int group_kind(const struct put *p)
{
	return p->kind == PUT_ALERT ? 1 : p->kind == PUT_BLOB ? 2 : 0;
}

static int compare_groups(const struct put *a, const struct put *b)
{
	int c = group_kind(a) - group_kind(b);

	return c ? c : strcmp(group_name(a), group_name(b));
}

static bool same_bin(const struct put *a, const struct put *b)
{
	return a->bin.step == b->bin.step && a->bin.start_s == b->bin.start_s;
}

static int compare_puts(const void *x, const void *y)
{
	const struct put *a = *(const struct put *const *)x;
	const struct put *b = *(const struct put *const *)y;
	int c = compare_groups(a, b);

	if (c)
		return c;
	if (!group_kind(a)) {
		if (a->bin.step != b->bin.step)
			return a->bin.step < b->bin.step ? -1 : 1;
		if (a->bin.start_s != b->bin.start_s)
			return a->bin.start_s < b->bin.start_s ? -1 : 1;
	}
	return a < b ? -1 : a > b; /* as they came */
}

static void sort(struct work *w, const struct put *puts, size_t n)
{
	w->puts = xcalloc(n, sizeof(*w->puts));
	w->groups = xcalloc(n, sizeof(*w->groups));
	w->records = xcalloc(n, sizeof(*w->records));
	for (size_t i = 0; i < n; i++)
		w->puts[i] = &puts[i];
	if (n)
		qsort(w->puts, n, sizeof(*w->puts), compare_puts);
	for (size_t i = 0; i < n; i++) {
		const struct put *p = w->puts[i], *before = i ? w->puts[i - 1] : NULL;
		struct group *g;

		if (!before || compare_groups(before, p)) {
			g = &w->groups[w->n_groups++];
			*g = (struct group){ .puts = &w->puts[i],
					     .first_record = w->n_records };
			before = NULL;
		}
		g = &w->groups[w->n_groups - 1];
		g->n++;
		g->amends |= p->kind == PUT_AMEND || p->kind == PUT_ALERT;
		if (p->kind == PUT_AMEND && (!before || !same_bin(before, p)))
			w->records[w->n_records++].put = p;
	}
}

/* The key of the number that is part of the group's MULTI. */
static const char *amended_key(struct redis *r, const struct put *p)
{
	char rest[STORE_SPACE + 16];

	snprintf(rest, sizeof(rest), "amended:%s", r->base.writer);
	return redis_key(&r->key, "", p->kind == PUT_ALERT ? "alerts" : p->series, rest);
}

static const char *span_key(struct redis *r, const char *series, const struct span *s)
{
	return redis_key(&r->key, "", series, s->name);
}

static const char *batch_key(struct redis *r)
{
	/* No braces are needed: nothing else must be where it is. */
	r->key.len = 0;
	strb_fmt(&r->key, "culprit:batch:%s", r->base.writer);
	return r->key.s;
}

/* First step: reading. */

static uint64_t reply_number(const redisReply *p)
{
	if (p->type == REDIS_REPLY_INTEGER)
		return p->integer > 0 ? (uint64_t)p->integer : 0;
	return p->type == REDIS_REPLY_STRING ? strtoull(p->str, NULL, 10) : 0;
}

struct reading {
	struct work *w;
	size_t group, record; /* the next that a reply is for */
	uint64_t applied;
	bool got_applied;
};

static bool take_applied(void *arg, size_t i, const redisReply *p)
{
	(void)i;
	*(uint64_t *)arg = reply_number(p);
	return true;
}

static bool take_amended(void *arg, size_t i, const redisReply *p)
{
	struct reading *g = arg;

	(void)i;
	while (!g->w->groups[g->group].amends)
		g->group++;
	g->w->groups[g->group++].amended = reply_number(p);
	return true;
}

static bool take_record(void *arg, size_t i, const redisReply *p)
{
	struct reading *g = arg;
	struct record *rec = &g->w->records[g->record++];
	struct span s;
	uint32_t slot;

	(void)i;
	if (p->type != REDIS_REPLY_STRING || p->len != RECORD)
		return true;
	s = span_of(rec->put->bin.step, rec->put->bin.start_s, &slot);
	rec->there = record_read((const uint8_t *)p->str, &s, slot, &rec->bin);
	return true;
}

static bool read_amended(struct work *w, struct err *err)
{
	struct reading g = { .w = w };
	struct redis *r = w->r;

	for (size_t i = 0; i < w->n_groups; i++) {
		if (!w->groups[i].amends)
			continue;
		link_add(r->link, "GET", amended_key(r, w->groups[i].puts[0]), NULL);
		if (link_pending(r->link) >= PIPELINE &&
		    !link_exchange(r->link, take_amended, &g, err))
			return false;
	}
	return !link_pending(r->link) || link_exchange(r->link, take_amended, &g, err);
}

static bool read_records(struct work *w, struct err *err)
{
	struct reading g = { .w = w };
	struct redis *r = w->r;

	for (size_t i = 0; i < w->n_records; i++) {
		const struct put *p = w->records[i].put;
		char from[24], to[24];
		uint32_t slot;
		struct span s = span_of(p->bin.step, p->bin.start_s, &slot);
		int64_t at = (int64_t)slot * RECORD;

		link_add(r->link, "GETRANGE", span_key(r, p->series, &s), redis_number(from, at),
			 redis_number(to, at + RECORD - 1), NULL);
		if (link_pending(r->link) >= PIPELINE &&
		    !link_exchange(r->link, take_record, &g, err))
			return false;
	}
	return !link_pending(r->link) || link_exchange(r->link, take_record, &g, err);
}

/* Second step: writing. */

static void end_run(struct work *w)
{
	struct redis *r = w->r;
	const char *words[4] = { "SETRANGE" };
	size_t lens[4] = { 8 };
	char at[24];

	if (!w->run.len)
		return;
	words[1] = span_key(r, w->run_series, &w->run_span);
	lens[1] = r->key.len;
	words[2] = redis_number(at, (int64_t)w->run_slot * RECORD);
	lens[2] = strlen(at);
	words[3] = w->run.s;
	lens[3] = w->run.len;
	link_add_words(r->link, 4, words, lens);
	/* From now on, not from then: a backfill of last week must not vanish at once. */
	add_expire(r, words[1], keep_s(r, w->run_span.step) + w->run_span.next_s -
					w->run_span.first_s);
	w->run.len = 0;
}

/* Adds a bin to the run when it follows the last one, else begins another. */
static void write_bin(struct work *w, const char *series, const struct bin *b)
{
	uint8_t record[RECORD];
	uint32_t slot;
	struct span s = span_of(b->step, b->start_s, &slot);

	if (w->run.len && (s.step != w->run_span.step || s.first_s != w->run_span.first_s ||
			   slot != w->run_slot + w->run.len / RECORD))
		end_run(w);
	if (!w->run.len) {
		w->run_span = s;
		w->run_slot = slot;
		w->run_series = series;
	}
	record_write(record, &s, slot, b);
	strb_addn(&w->run, record, sizeof(record));
}

static void write_bins(struct work *w, const struct group *g)
{
	size_t rec = g->first_record;

	for (size_t i = 0; i < g->n;) {
		const struct put *p = g->puts[i];
		struct bin b = store_sane(&p->bin);

		if (p->kind == PUT_AMEND) {
			struct record *there = &w->records[rec++];

			if (there->there) {
				bin_amend(&there->bin, &b);
				b = there->bin;
			}
		}
		for (i++; i < g->n && same_bin(p, g->puts[i]); i++) {
			if (g->puts[i]->kind == PUT_AMEND)
				bin_amend(&b, &g->puts[i]->bin);
			else
				b = store_sane(&g->puts[i]->bin);
		}
		write_bin(w, p->series, &b);
	}
	end_run(w);
}

static void write_alert(struct redis *r, const struct put *p)
{
	char at[24], length[24], rest[STORE_NAME + 8];
	const char *key;

	snprintf(rest, sizeof(rest), "id:%s", p->key);
	key = redis_key(&r->key, "", "alerts", rest);
	redis_number(at, p->at_ms);
	{
		const char *words[] = { "HSET", key, "body", p->data, "at", at, "state",
					p->state };
		size_t lens[] = { 4, r->key.len, 4, p->len, 2, strlen(at), 5,
				  strlen(p->state) };

		link_add_words(r->link, ARRAY_LEN(words), words, lens);
	}
	add_expire(r, key, r->base.keep_rollups_s);
	key = redis_key(&r->key, "", "alerts", "by-time");
	link_add(r->link, "ZADD", key, at, p->key, NULL);
	add_expire(r, key, r->base.keep_rollups_s);
	key = redis_key(&r->key, "", "alerts", "changes");
	link_add(r->link, "XADD", key, "MAXLEN", "~", redis_number(length, STREAM_LENGTH), "*",
		 "id", p->key, "state", p->state, "at", at, NULL);
	add_expire(r, key, r->base.keep_rollups_s);
}

static void write_blob(struct redis *r, const struct put *p)
{
	char rest[STORE_NAME + 8], ttl[24];
	const char *key, *index;

	snprintf(rest, sizeof(rest), "key:%s", p->key);
	key = redis_key(&r->key, "blobs/", p->space, rest);
	index = redis_key(&r->key2, "blobs/", p->space, "keys");
	if (p->data) {
		const char *words[] = { "SET", key, p->data, "EX",
					redis_number(ttl, r->base.keep_rollups_s) };
		size_t lens[] = { 3, r->key.len, p->len, 2, strlen(ttl) };

		link_add_words(r->link, ARRAY_LEN(words), words, lens);
		link_add(r->link, "ZADD", index, "0", p->key, NULL);
		add_expire(r, index, r->base.keep_rollups_s);
	} else {
		link_add(r->link, "DEL", key, NULL);
		link_add(r->link, "ZREM", index, p->key, NULL);
	}
}

static bool write_group(struct work *w, const struct group *g, struct err *err)
{
	struct redis *r = w->r;
	int kind = group_kind(g->puts[0]);
	char n[24], ttl[24];

	if (g->amends && g->amended >= w->batch)
		return true; /* got through last time */
	link_add(r->link, "MULTI", NULL);
	if (!kind)
		write_bins(w, g);
	for (size_t i = 0; kind && i < g->n; i++) {
		if (kind == 1)
			write_alert(r, g->puts[i]);
		else
			write_blob(r, g->puts[i]);
		if (!push(r, false, err))
			return false;
	}
	if (g->amends)
		link_add(r->link, "SET", amended_key(r, g->puts[0]),
			 redis_number(n, (int64_t)w->batch), "EX",
			 redis_number(ttl, r->base.keep_bins_s), NULL);
	link_add(r->link, "EXEC", NULL);
	return push(r, false, err);
}

/* Third step: who is there, and that the batch is. */

/* A series is announced when it is new to us, and again each hour that it goes on. */
static void choose_names(struct work *w)
{
	for (size_t i = 0; i < w->n_groups; i++) {
		struct group *g = &w->groups[i];
		const char *series = g->puts[0]->series;
		uint32_t *said;
		uint64_t h;

		if (group_kind(g->puts[0]))
			break; /* bins come first */
		for (size_t k = 0; k < g->n; k++)
			if (g->puts[k]->bin.start_s > g->newest_s)
				g->newest_s = g->puts[k]->bin.start_s;
		h = map_hash(series, strlen(series));
		said = map_put(&w->r->known, &h, NULL);
		g->announce = !said || *said <= g->newest_s / HOUR;
		if (said && g->announce)
			*said = (uint32_t)(g->newest_s / HOUR) + 1;
	}
}

static bool take_seen(void *arg, size_t i, const redisReply *p)
{
	struct reading *g = arg;
	struct group *at;
	int64_t seen_s;

	(void)i;
	while (!g->w->groups[g->group].announce)
		g->group++;
	at = &g->w->groups[g->group++];
	seen_s = (int64_t)reply_number(p);
	if (at->newest_s < seen_s) /* this batch is of long ago */
		at->newest_s = seen_s;
	return true;
}

static bool read_seen(struct work *w, struct err *err)
{
	struct reading g = { .w = w };
	struct redis *r = w->r;

	redis_key(&r->key, "", "series", "seen");
	for (size_t i = 0; i < w->n_groups; i++) {
		if (!w->groups[i].announce)
			continue;
		link_add(r->link, "ZSCORE", r->key.s, w->groups[i].puts[0]->series, NULL);
		if (link_pending(r->link) >= PIPELINE &&
		    !link_exchange(r->link, take_seen, &g, err))
			return false;
	}
	return !link_pending(r->link) || link_exchange(r->link, take_seen, &g, err);
}

static bool write_names(struct work *w, struct err *err)
{
	struct redis *r = w->r;
	const char *names, *seen;
	char score[24];

	choose_names(w);
	if (!read_seen(w, err))
		return false;
	names = redis_key(&r->key, "", "series", "names");
	seen = redis_key(&r->key2, "", "series", "seen");
	for (size_t i = 0; i < w->n_groups; i++) {
		const struct group *g = &w->groups[i];
		const char *series = g->puts[0]->series;

		if (!g->announce)
			continue;
		link_add(r->link, "MULTI", NULL);
		link_add(r->link, "ZADD", names, "0", series, NULL);
		add_expire(r, names, r->base.keep_rollups_s);
		link_add(r->link, "ZADD", seen, redis_number(score, g->newest_s), series, NULL);
		add_expire(r, seen, r->base.keep_rollups_s);
		link_add(r->link, "EXEC", NULL);
		if (!push(r, false, err))
			return false;
	}
	return push(r, true, err);
}

static bool read_applied(struct redis *r, uint64_t *batch, struct err *err)
{
	*batch = 0;
	link_add(r->link, "GET", batch_key(r), NULL);
	return link_exchange(r->link, take_applied, batch, err);
}

static bool write_all(struct work *w, struct err *err)
{
	struct redis *r = w->r;
	char n[24], ttl[24];

	if (!read_amended(w, err) || !read_records(w, err))
		return false;
	for (size_t i = 0; i < w->n_groups; i++)
		if (!write_group(w, &w->groups[i], err))
			return false;
	if (!push(r, true, err) || !write_names(w, err))
		return false;
	link_add(r->link, "SET", batch_key(r), redis_number(n, (int64_t)w->batch), "EX",
		 redis_number(ttl, r->base.keep_rollups_s), NULL);
	return push(r, true, err);
}

bool redis_put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
	       struct err *err)
{
	struct redis *r = (struct redis *)s;
	struct work w = { .r = r, .batch = batch };
	uint64_t have;
	bool skip, ok;

	link_begin(r->link);
	if (!read_applied(r, &have, err))
		return false;
	if (!store_judge(s, have, batch, &skip, err)) {
		map_clear(&r->known);
		return false;
	}
	if (skip)
		return true;
	sort(&w, puts, n);
	ok = write_all(&w, err);
	if (ok) {
		s->known = batch;
	} else {
		link_drop(r->link); /* it may stand inside a MULTI */
		map_clear(&r->known);
	}
	strb_free(&w.run);
	free(w.puts);
	free(w.groups);
	free(w.records);
	return ok;
}

bool redis_applied(struct store *s, uint64_t *batch, struct err *err)
{
	struct redis *r = (struct redis *)s;

	link_begin(r->link);
	return read_applied(r, batch, err);
}
