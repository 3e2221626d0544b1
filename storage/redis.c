/* redis.c - history in a Redis, for those who have one and for several daemons.
 * SPDX-License-Identifier: ISC
 *
 * How a batch is put is in redis_put.c, keys and records in redis_key.c, the
 * conversation in redis_link.c. Here history is read, and the store opened.
 *
 * A long range is many keys, so keys are asked for in pipelines; listings come
 * in pages, each with a deadline of its own.
 */
#include "storage/redis_impl.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "storage/redis_key.h"

enum {
	SPANS_AT_ONCE = 64, /* keys read for one range of bins */
	PAGE = 1000,        /* names asked for at once */
	BODIES_AT_ONCE = 4, /* blobs and alerts, which may be 16 MiB each */
};

struct bins {
	struct span spans[SPANS_AT_ONCE];
	int64_t from_s, to_s;
	store_bin_f *fn;
	void *arg;
	bool stopped;
};

static bool take_span(void *arg, size_t i, const redisReply *p)
{
	struct bins *g = arg;
	struct bin b;

	if (p->type != REDIS_REPLY_STRING)
		return true;
	for (uint32_t slot = 0; ((size_t)slot + 1) * RECORD <= p->len; slot++) {
		const uint8_t *at = (const uint8_t *)p->str + (size_t)slot * RECORD;

		if (!record_read(at, &g->spans[i], slot, &b) || b.start_s < g->from_s ||
		    b.start_s >= g->to_s)
			continue;
		if (!g->fn(g->arg, &b)) {
			g->stopped = true;
			return false;
		}
	}
	return true;
}

static bool take_number(void *arg, size_t i, const redisReply *p)
{
	(void)i;
	*(int64_t *)arg = p->type == REDIS_REPLY_STRING ? strtoll(p->str, NULL, 10) : -1;
	return true;
}

/* "From the beginning to for ever" is ten thousands of keys that are not there. The
 * newest bin (known to the hour) and how long bins are kept say which may be. */
static bool narrow(struct redis *r, const char *series, uint32_t step, struct bins *g,
		   struct err *err)
{
	int64_t keep_s = step == STEP_BIN ? r->base.keep_bins_s : r->base.keep_rollups_s;
	int64_t newest_s = -1;

	link_begin(r->link);
	link_add(r->link, "ZSCORE", redis_key(&r->key, "", "series", "seen"), series, NULL);
	if (!link_exchange(r->link, take_number, &newest_s, err))
		return false;
	if (newest_s < 0)
		g->to_s = g->from_s; /* nobody has announced it */
	else if (g->to_s > newest_s + HOUR)
		g->to_s = newest_s + HOUR;
	if (newest_s - keep_s > g->from_s)
		g->from_s = newest_s - keep_s;
	return true;
}

static bool each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		     int64_t to_s, store_bin_f *fn, void *arg, struct err *err)
{
	struct redis *r = (struct redis *)s;
	struct bins g = { .from_s = from_s, .to_s = to_s, .fn = fn, .arg = arg };
	struct span at, last;
	uint32_t slot;

	at = span_of(step, from_s, &slot);
	if ((to_s - from_s) / (at.next_s - at.first_s) > SPANS_AT_ONCE &&
	    !narrow(r, series, step, &g, err))
		return false;
	if (g.from_s >= g.to_s)
		return true;
	at = span_of(step, g.from_s, &slot);
	last = span_of(step, g.to_s - 1, &slot);
	while (at.first_s <= last.first_s && !g.stopped) {
		link_begin(r->link);
		for (size_t n = 0; n < SPANS_AT_ONCE && at.first_s <= last.first_s; n++) {
			redis_key(&r->key, "", series, at.name);
			link_add(r->link, "GETRANGE", r->key.s, "0", "-1", NULL);
			g.spans[n] = at;
			at = span_after(&at);
		}
		if (!link_exchange(r->link, take_span, &g, err))
			return false;
	}
	return true;
}

/* A page of names, from ZRANGEBYLEX or ZREVRANGEBYSCORE. */
struct page {
	char *name[PAGE];
	size_t n;
};

static bool take_page(void *arg, size_t i, const redisReply *p)
{
	struct page *g = arg;

	(void)i;
	for (size_t k = 0; p->type == REDIS_REPLY_ARRAY && k < p->elements; k++)
		if (g->n < PAGE && p->element[k]->type == REDIS_REPLY_STRING)
			g->name[g->n++] = xstrdup(p->element[k]->str);
	return true;
}

static void page_free(struct page *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->name[i]);
	g->n = 0;
}

/* The page of names that begin with prefix, after `last` (NULL: the first). */
static bool lex_page(struct redis *r, const char *key, const char *prefix, const char *last,
		     struct page *g, struct err *err)
{
	char *from = xasprintf("%c%s", last ? '(' : '[', last ? last : prefix);
	char n[24];
	bool ok;

	link_begin(r->link);
	link_add(r->link, "ZRANGEBYLEX", key, from, "+", "LIMIT", "0", redis_number(n, PAGE), NULL);
	free(from);
	ok = link_exchange(r->link, take_page, g, err);
	for (size_t i = 0; i < g->n; i++) {
		if (store_has_prefix(g->name[i], prefix))
			continue;
		for (size_t k = i; k < g->n; k++)
			free(g->name[k]);
		g->n = i;
	}
	return ok;
}

static bool each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
			struct err *err)
{
	struct redis *r = (struct redis *)s;
	bool ok = true, go_on = true;
	char *last = NULL;

	while (ok && go_on) {
		struct page g = { .n = 0 };

		ok = lex_page(r, redis_key(&r->key, "", "series", "names"), prefix, last, &g,
			      err);
		go_on = g.n == PAGE;
		for (size_t i = 0; ok && i < g.n; i++)
			if (!fn(arg, g.name[i])) {
				go_on = false;
				break;
			}
		free(last);
		last = g.n ? xstrdup(g.name[g.n - 1]) : NULL;
		page_free(&g);
	}
	free(last);
	return ok;
}

struct bodies {
	const struct page *page;
	size_t first; /* of the page's names that the replies are for */
	store_blob_f *fn;
	void *arg;
	bool stopped;
};

static bool take_body(void *arg, size_t i, const redisReply *p)
{
	struct bodies *g = arg;

	if (p->type != REDIS_REPLY_STRING)
		return true; /* its time to live is over, its name's not yet */
	g->stopped = !g->fn(g->arg, g->page->name[g->first + i], p->str, p->len);
	return !g->stopped;
}

/* Fetches what the names of the page stand for: GET, or HGET body for alerts. */
static bool give_bodies(struct redis *r, const char *space, struct bodies *g,
			struct err *err)
{
	char rest[STORE_NAME + 8];

	for (g->first = 0; g->first < g->page->n && !g->stopped; g->first += BODIES_AT_ONCE) {
		link_begin(r->link);
		for (size_t i = g->first; i < g->page->n && i < g->first + BODIES_AT_ONCE; i++) {
			snprintf(rest, sizeof(rest), "%s:%s", space ? "key" : "id",
				 g->page->name[i]);
			if (space)
				link_add(r->link, "GET",
					 redis_key(&r->key, "blobs/", space, rest), NULL);
			else
				link_add(r->link, "HGET",
					 redis_key(&r->key, "", "alerts", rest), "body",
					 NULL);
		}
		if (!link_exchange(r->link, take_body, g, err))
			return false;
	}
	return true;
}

static bool each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		       store_blob_f *fn, void *arg, struct err *err)
{
	struct redis *r = (struct redis *)s;
	struct page page = { .n = 0 };
	struct bodies g = { .page = &page, .fn = fn, .arg = arg };
	char from[24], to[32], skip[24], count[24];
	size_t done = 0;
	bool ok;

	redis_number(from, from_ms);
	snprintf(to, sizeof(to), "(%lld", (long long)to_ms);
	do {
		size_t want = limit - done < PAGE ? limit - done : PAGE;

		page_free(&page);
		link_begin(r->link);
		link_add(r->link, "ZREVRANGEBYSCORE",
			 redis_key(&r->key, "", "alerts", "by-time"), to, from, "LIMIT",
			 redis_number(skip, (int64_t)done), redis_number(count, (int64_t)want), NULL);
		ok = link_exchange(r->link, take_page, &page, err) &&
		     give_bodies(r, NULL, &g, err);
		done += page.n;
	} while (ok && !g.stopped && page.n == PAGE && done < limit);
	page_free(&page);
	return ok;
}

static bool each_blob(struct store *s, const char *space, const char *prefix,
		      store_blob_f *fn, void *arg, struct err *err)
{
	struct redis *r = (struct redis *)s;
	struct page page = { .n = 0 };
	struct bodies g = { .page = &page, .fn = fn, .arg = arg };
	char *last = NULL;
	bool ok, more;

	do {
		page_free(&page);
		ok = lex_page(r, redis_key(&r->key, "blobs/", space, "keys"), prefix, last,
			      &page, err) &&
		     give_bodies(r, space, &g, err);
		more = ok && !g.stopped && page.n == PAGE;
		free(last);
		last = more ? xstrdup(page.name[page.n - 1]) : NULL;
	} while (more);
	page_free(&page);
	return ok;
}

/* The keys go by themselves; the names of what is gone are taken out here. */
static bool expire(struct store *s, int64_t now_ms, struct err *err)
{
	struct redis *r = (struct redis *)s;
	char cut_s[32], cut_ms[32], n[24];
	struct page page = { .n = 0 };
	bool ok, more;

	snprintf(cut_ms, sizeof(cut_ms), "(%lld",
		 (long long)(now_ms - s->keep_rollups_s * 1000));
	snprintf(cut_s, sizeof(cut_s), "(%lld",
		 (long long)(now_ms / 1000 - s->keep_rollups_s));
	link_begin(r->link);
	link_add(r->link, "ZREMRANGEBYSCORE", redis_key(&r->key, "", "alerts", "by-time"),
		 "-inf", cut_ms, NULL);
	if (!link_exchange(r->link, NULL, NULL, err))
		return false;
	do {
		page_free(&page);
		link_begin(r->link);
		link_add(r->link, "ZRANGEBYSCORE", redis_key(&r->key, "", "series", "seen"),
			 "-inf", cut_s, "LIMIT", "0", redis_number(n, PAGE), NULL);
		ok = link_exchange(r->link, take_page, &page, err);
		more = ok && page.n == PAGE;
		if (!ok || !page.n)
			break;
		redis_key(&r->key2, "", "series", "names");
		link_add(r->link, "MULTI", NULL);
		for (size_t i = 0; i < page.n; i++) {
			link_add(r->link, "ZREM", r->key.s, page.name[i], NULL);
			link_add(r->link, "ZREM", r->key2.s, page.name[i], NULL);
		}
		link_add(r->link, "EXEC", NULL);
		ok = link_exchange(r->link, NULL, NULL, err);
	} while (ok && more);
	page_free(&page);
	return ok;
}

static bool check(const char *url, const struct store_opts *o, struct err *err)
{
	struct redis_link *l = link_new(url, o->password_file, o->timeout_ms, err);
	bool ok = l && link_check(l, err);

	link_free(&l);
	return ok;
}

static bool take_policy(void *arg, size_t i, const redisReply *p)
{
	(void)i;
	if (p->type == REDIS_REPLY_ARRAY && p->elements == 2 &&
	    p->element[1]->type == REDIS_REPLY_STRING)
		snprintf(arg, 32, "%s", p->element[1]->str);
	return true;
}

/* Eviction would make holes in history without a word. An ACL may forbid to ask. */
static void warn_of_eviction(struct redis *r)
{
	char policy[32] = "", max[32] = "";

	link_begin(r->link);
	link_add(r->link, "CONFIG", "GET", "maxmemory-policy", NULL);
	link_exchange(r->link, take_policy, policy, NULL);
	link_add(r->link, "CONFIG", "GET", "maxmemory", NULL);
	link_exchange(r->link, take_policy, max, NULL);
	if (*policy && strcmp(policy, "noeviction") && *max && strcmp(max, "0"))
		log_seldom("redis-eviction", 86400,
			   "history: %s may throw history away when it is full "
			   "(maxmemory-policy %s); set it to noeviction",
			   link_where(r->link), policy);
}

static void close_redis(struct store *s)
{
	struct redis *r = (struct redis *)s;

	link_free(&r->link);
	strb_free(&r->key);
	strb_free(&r->key2);
	map_fini(&r->known);
	free(r);
}

static struct store *open_redis(const char *url, const struct store_opts *o, struct err *err)
{
	struct redis *r = xcalloc(1, sizeof(*r));
	uint64_t batch;

	store_init(&r->base, o);
	map_init(&r->known, sizeof(uint64_t), sizeof(uint32_t), SERIES_KNOWN);
	r->link = link_new(url, o->password_file, o->timeout_ms, err);
	if (!r->link || !redis_applied(&r->base, &batch, err)) {
		close_redis(&r->base);
		return NULL;
	}
	if (!o->read_only)
		warn_of_eviction(r);
	return &r->base;
}

const struct store_ops store_ops_redis = {
	.name = "redis",
	.schemes = { "redis:", "redis+unix:" },
	.keeps = true,
	.check = check,
	.open = open_redis,
	.close = close_redis,
	.put = redis_put,
	.applied = redis_applied,
	.each_bin = each_bin,
	.each_series = each_series,
	.each_alert = each_alert,
	.each_blob = each_blob,
	.expire = expire,
};
