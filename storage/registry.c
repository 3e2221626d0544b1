/* registry.c - from a URL to its store, and what all stores share.
 * SPDX-License-Identifier: ISC
 *
 * Arguments are checked here, once, so that the stores differ in nothing but
 * where they keep things. A batch with one bad put is refused whole: it is a
 * bug of ours, and the writer checks each put before it becomes part of one.
 */
#include "storage/store.h"
#include "storage/store_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/mem.h"

enum { DAYS = 86400, KEEP_BINS_DAYS = 35, KEEP_ROLLUPS_DAYS = 730, TIMEOUT_MS = 2000 };

#define STORE(name) extern const struct store_ops store_ops_##name;
#include "storage/stores.def"
#undef STORE

const struct store_ops *const store_kinds[] = {
#define STORE(name) &store_ops_##name,
#include "storage/stores.def"
#undef STORE
	NULL,
};

bool store_has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

void store_init(struct store *s, const struct store_opts *o)
{
	s->keep_bins_s = o->keep_bins_s;
	s->keep_rollups_s = o->keep_rollups_s;
	s->timeout_ms = o->timeout_ms;
	s->read_only = o->read_only;
	snprintf(s->writer, sizeof(s->writer), "%s", o->writer);
}

static const struct store_ops *find(const char *url, struct err *err)
{
	const char *colon = strchr(url, ':');

	for (size_t i = 0; store_kinds[i]; i++)
		for (const char *const *w = store_kinds[i]->schemes; *w; w++)
			if (store_has_prefix(url, *w))
				return store_kinds[i];
	/* Only the scheme: what follows it could hold a password. */
	err_set(err,
		"history url \"%.*s…\": not known; use \"sqlite:/path/history.db\", "
		"\"redis://user@host:6379/0\" or \"redis+unix:///path/of.sock\"",
		colon && colon - url < 20 ? (int)(colon - url + 1) : 0, url);
	return NULL;
}

static struct store_opts with_defaults(const struct store_opts *o)
{
	static const struct store_opts none;
	struct store_opts d = o ? *o : none;

	if (!d.password_file)
		d.password_file = "";
	if (!d.writer)
		d.writer = "";
	if (d.keep_bins_s <= 0)
		d.keep_bins_s = (int64_t)KEEP_BINS_DAYS * DAYS;
	if (d.keep_rollups_s <= 0)
		d.keep_rollups_s = (int64_t)KEEP_ROLLUPS_DAYS * DAYS;
	if (d.timeout_ms <= 0)
		d.timeout_ms = TIMEOUT_MS;
	return d;
}

struct store *store_open(const char *url, const struct store_opts *opts, struct err *err)
{
	struct store_opts o = with_defaults(opts);
	const struct store_ops *ops = find(url, err);
	struct store *s;

	if (!ops)
		return NULL;
	if (strlen(o.writer) > STORE_SPACE) {
		err_set(err, "a writer's name has at most %d octets", STORE_SPACE);
		return NULL;
	}
	s = ops->open(url, &o, err);
	if (!s)
		return NULL;
	s->ops = ops;
	return s;
}

void store_close(struct store **s)
{
	if (*s)
		(*s)->ops->close(*s);
	*s = NULL;
}

bool store_check(const char *url, const struct store_opts *opts, struct err *err)
{
	struct store_opts o = with_defaults(opts);
	const struct store_ops *ops = find(url, err);

	return ops && ops->check(url, &o, err);
}

const char *store_name(const struct store *s)
{
	return s->ops->name;
}

static bool name_ok(const char *what, const char *s, size_t max, struct err *err)
{
	if (!s || !*s)
		return err_set(err, "%s has no name", what);
	if (strnlen(s, max + 1) > max)
		return err_set(err, "%s \"%.40s…\" is longer than %zu octets", what, s, max);
	return true;
}

static bool bin_ok(const struct bin *b, struct err *err)
{
	uint32_t align = b->step == STEP_DAY ? 60 : b->step;

	if (b->step != STEP_BIN && b->step != STEP_HOUR && b->step != STEP_DAY)
		return err_set(err, "a bin of %u s is neither 5 minutes, hour nor day",
			       b->step);
	if (b->start_s < 0 || b->start_s >= STORE_END_S || b->start_s % align)
		return err_set(err, "a bin of %u s cannot start at %lld", b->step,
			       (long long)b->start_s);
	return true;
}

bool put_ok(const struct put *p, struct err *err)
{
	switch (p->kind) {
	case PUT_BIN:
	case PUT_AMEND:
		return name_ok("a series", p->series, STORE_NAME, err) &&
		       bin_ok(&p->bin, err);
	case PUT_ALERT:
		if (!name_ok("an alert", p->key, STORE_NAME, err) ||
		    !name_ok("an alert's state", p->state, STORE_SPACE, err))
			return false;
		if (!p->data)
			return err_set(err, "alert %s has no text", p->key);
		break;
	case PUT_BLOB:
		if (!name_ok("a space", p->space, STORE_SPACE, err) ||
		    !name_ok("a blob", p->key, STORE_NAME, err))
			return false;
		break;
	default:
		return err_set(err, "a put of kind %d", (int)p->kind);
	}
	if (p->data && p->len > STORE_DATA)
		return err_set(err, "%s has %zu octets, more than %d", p->key, p->len,
			       STORE_DATA);
	return true;
}

static uint64_t saturated(uint64_t v)
{
	return v < INT64_MAX ? v : INT64_MAX;
}

static double no_nan(double v)
{
	return isfinite(v) ? v : 0;
}

struct bin store_sane(const struct bin *b)
{
	struct bin s = *b;

	s.bytes = saturated(b->bytes);
	s.packets = saturated(b->packets);
	s.flows = saturated(b->flows);
	s.peak = no_nan(b->peak);
	s.gauge = no_nan(b->gauge);
	return s;
}

void bin_amend(struct bin *there, const struct bin *more)
{
	struct bin t = store_sane(there), m = store_sane(more);

	/* Two numbers of 63 bits cannot overflow 64. */
	there->bytes = saturated(t.bytes + m.bytes);
	there->packets = saturated(t.packets + m.packets);
	there->flows = saturated(t.flows + m.flows);
	there->peak = t.peak > m.peak ? t.peak : m.peak;
	there->gauge = t.gauge > m.gauge ? t.gauge : m.gauge;
	if (there->step == STEP_BIN)
		there->covered |= m.covered;
	else
		there->covered += m.covered;
}

bool store_judge(struct store *s, uint64_t applied, uint64_t batch, bool *skip,
		 struct err *err)
{
	uint64_t known = s->known;

	s->known = applied;
	if (applied < known)
		return err_set(err,
			       "%s has forgotten batches %llu to %llu (flushed, "
			       "restored or replaced)", s->ops->name,
			       (unsigned long long)applied + 1, (unsigned long long)known);
	*skip = batch <= applied;
	return true;
}

bool store_put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
	       struct err *err)
{
	if (s->read_only)
		return err_set(err, "history was opened for reading only");
	if (!batch || batch > INT64_MAX)
		return err_set(err, "batches are numbered from 1");
	for (size_t i = 0; i < n; i++)
		if (!put_ok(&puts[i], err))
			return false;
	return s->ops->put(s, batch, puts, n, err);
}

bool store_applied(struct store *s, uint64_t *batch, struct err *err)
{
	if (!s->ops->applied(s, batch, err))
		return false;
	s->known = *batch;
	return true;
}

bool store_each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		    int64_t to_s, store_bin_f *fn, void *arg, struct err *err)
{
	struct bin b = { .step = step };

	if (!name_ok("a series", series, STORE_NAME, err) || !bin_ok(&b, err))
		return false;
	if (from_s < 0)
		from_s = 0;
	if (to_s > STORE_END_S)
		to_s = STORE_END_S;
	return from_s >= to_s ||
	       s->ops->each_bin(s, series, step, from_s, to_s, fn, arg, err);
}

bool store_each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
		       struct err *err)
{
	prefix = prefix ? prefix : "";
	return strnlen(prefix, STORE_NAME + 1) > STORE_NAME ||
	       s->ops->each_series(s, prefix, fn, arg, err);
}

bool store_each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		      store_blob_f *fn, void *arg, struct err *err)
{
	return from_ms >= to_ms || !limit ||
	       s->ops->each_alert(s, from_ms, to_ms, limit, fn, arg, err);
}

bool store_each_blob(struct store *s, const char *space, const char *prefix,
		     store_blob_f *fn, void *arg, struct err *err)
{
	prefix = prefix ? prefix : "";
	if (!name_ok("a space", space, STORE_SPACE, err))
		return false;
	return strnlen(prefix, STORE_NAME + 1) > STORE_NAME ||
	       s->ops->each_blob(s, space, prefix, fn, arg, err);
}

struct one_blob {
	const char *key;
	void *data;
	size_t len;
};

/* The key itself is the first of those that begin with it. */
static bool take_blob(void *arg, const char *key, const void *data, size_t len)
{
	struct one_blob *one = arg;
	char *copy;

	if (strcmp(key, one->key))
		return false;
	copy = xcalloc(1, len + 1);
	if (len)
		memcpy(copy, data, len);
	one->data = copy;
	one->len = len;
	return false;
}

bool store_get_blob(struct store *s, const char *space, const char *key, void **data,
		    size_t *len, struct err *err)
{
	struct one_blob one = { .key = key };

	*data = NULL;
	*len = 0;
	if (!name_ok("a blob", key, STORE_NAME, err) ||
	    !store_each_blob(s, space, key, take_blob, &one, err))
		return false;
	*data = one.data;
	*len = one.len;
	return true;
}

bool store_expire(struct store *s, int64_t now_ms, struct err *err)
{
	if (s->read_only)
		return err_set(err, "history was opened for reading only");
	return s->ops->expire(s, now_ms, err);
}
