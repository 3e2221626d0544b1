/* memory.c - history that ends with the process: the yardstick of the others.
 * SPDX-License-Identifier: ISC
 *
 * Sorted arrays and nothing clever, so that what it answers is plainly right
 * and the conformance suite can hold the other stores against it. Good for
 * tests and for looking around; every reader that opens "memory:" has a
 * history of its own.
 */
#include "storage/store_impl.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

/* A sorted array of named things. */
struct thing {
	char *name, *space; /* space: blobs only, else "" */
	/* a series: */
	struct bin *bins; /* sorted by step, start */
	size_t n, cap;
	/* an alert or blob: */
	char *data;
	size_t len;
	int64_t at_ms;
};

struct shelf {
	struct thing *t;
	size_t n, cap;
};

struct memory {
	struct store base;
	struct shelf series, alerts, blobs;
	uint64_t applied;
};

/* Where (space, name) stands, or would. */
static size_t place(const struct shelf *s, const char *space, const char *name, bool *found)
{
	size_t lo = 0, hi = s->n;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(s->t[mid].space, space);

		if (!c)
			c = strcmp(s->t[mid].name, name);
		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct thing *have(struct shelf *s, const char *space, const char *name)
{
	bool found;
	size_t i = place(s, space, name, &found);

	if (found)
		return &s->t[i];
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->t = xrealloc(s->t, s->cap, sizeof(*s->t));
	}
	memmove(&s->t[i + 1], &s->t[i], (s->n - i) * sizeof(*s->t));
	s->n++;
	s->t[i] = (struct thing){ .name = xstrdup(name), .space = xstrdup(space) };
	return &s->t[i];
}

static void empty(struct thing *t)
{
	free(t->name);
	free(t->space);
	free(t->bins);
	free(t->data);
}

static void drop(struct shelf *s, size_t i)
{
	empty(&s->t[i]);
	memmove(&s->t[i], &s->t[i + 1], (--s->n - i) * sizeof(*s->t));
}

static void shelf_free(struct shelf *s)
{
	for (size_t i = 0; i < s->n; i++)
		empty(&s->t[i]);
	free(s->t);
}

/* The first bin not before (step, start). */
static size_t bin_place(const struct thing *t, uint32_t step, int64_t start_s)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct bin *b = &t->bins[mid];

		if (b->step < step || (b->step == step && b->start_s < start_s))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void put_bin(struct memory *m, const struct put *p)
{
	struct thing *t = have(&m->series, "", p->series);
	struct bin b = store_sane(&p->bin);
	size_t i = bin_place(t, b.step, b.start_s);

	if (i < t->n && t->bins[i].step == b.step && t->bins[i].start_s == b.start_s) {
		if (p->kind == PUT_AMEND)
			bin_amend(&t->bins[i], &b);
		else
			t->bins[i] = b;
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->bins = xrealloc(t->bins, t->cap, sizeof(*t->bins));
	}
	memmove(&t->bins[i + 1], &t->bins[i], (t->n - i) * sizeof(*t->bins));
	t->bins[i] = b;
	t->n++;
}

static void put_data(struct shelf *s, const char *space, const struct put *p)
{
	struct thing *t;
	bool found;
	size_t i = place(s, space, p->key, &found);

	if (!p->data) {
		if (found)
			drop(s, i);
		return;
	}
	t = have(s, space, p->key);
	free(t->data);
	t->data = xcalloc(1, p->len + 1);
	memcpy(t->data, p->data, p->len);
	t->len = p->len;
	t->at_ms = p->at_ms;
}

static bool put(struct store *s, uint64_t batch, const struct put *puts, size_t n,
		struct err *err)
{
	struct memory *m = (struct memory *)s;
	bool skip;

	if (!store_judge(s, m->applied, batch, &skip, err))
		return false;
	if (skip)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (puts[i].kind == PUT_ALERT)
			put_data(&m->alerts, "", &puts[i]);
		else if (puts[i].kind == PUT_BLOB)
			put_data(&m->blobs, puts[i].space, &puts[i]);
		else
			put_bin(m, &puts[i]);
	}
	s->known = m->applied = batch;
	return true;
}

static bool applied(struct store *s, uint64_t *batch, struct err *err)
{
	(void)err;
	*batch = ((struct memory *)s)->applied;
	return true;
}

static bool each_bin(struct store *s, const char *series, uint32_t step, int64_t from_s,
		     int64_t to_s, store_bin_f *fn, void *arg, struct err *err)
{
	struct memory *m = (struct memory *)s;
	const struct thing *t;
	bool found;
	size_t i = place(&m->series, "", series, &found);

	(void)err;
	if (!found)
		return true;
	t = &m->series.t[i];
	for (i = bin_place(t, step, from_s); i < t->n; i++)
		if (t->bins[i].step != step || t->bins[i].start_s >= to_s ||
		    !fn(arg, &t->bins[i]))
			break;
	return true;
}

static bool each_series(struct store *s, const char *prefix, store_text_f *fn, void *arg,
			struct err *err)
{
	const struct shelf *f = &((struct memory *)s)->series;
	bool found;

	(void)err;
	for (size_t i = place(f, "", prefix, &found); i < f->n; i++)
		if (!store_has_prefix(f->t[i].name, prefix) || !fn(arg, f->t[i].name))
			break;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct thing *x = *(const struct thing *const *)a;
	const struct thing *y = *(const struct thing *const *)b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? 1 : -1;
	return strcmp(y->name, x->name);
}

static bool each_alert(struct store *s, int64_t from_ms, int64_t to_ms, size_t limit,
		       store_blob_f *fn, void *arg, struct err *err)
{
	const struct shelf *f = &((struct memory *)s)->alerts;
	const struct thing **in = xcalloc(f->n, sizeof(struct thing *));
	size_t n = 0;

	(void)err;
	for (size_t i = 0; i < f->n; i++)
		if (f->t[i].at_ms >= from_ms && f->t[i].at_ms < to_ms)
			in[n++] = &f->t[i];
	if (n)
		qsort(in, n, sizeof(*in), newest_first);
	for (size_t i = 0; i < n && i < limit; i++)
		if (!fn(arg, in[i]->name, in[i]->data, in[i]->len))
			break;
	free(in);
	return true;
}

static bool each_blob(struct store *s, const char *space, const char *prefix,
		      store_blob_f *fn, void *arg, struct err *err)
{
	const struct shelf *f = &((struct memory *)s)->blobs;
	bool found;

	(void)err;
	for (size_t i = place(f, space, prefix, &found); i < f->n; i++)
		if (strcmp(f->t[i].space, space) ||
		    !store_has_prefix(f->t[i].name, prefix) ||
		    !fn(arg, f->t[i].name, f->t[i].data, f->t[i].len))
			break;
	return true;
}

static bool expire(struct store *s, int64_t now_ms, struct err *err)
{
	struct memory *m = (struct memory *)s;
	int64_t bins = now_ms / 1000 - s->keep_bins_s;
	int64_t rest = now_ms / 1000 - s->keep_rollups_s;

	(void)err;
	for (size_t i = m->series.n; i--;) {
		struct thing *t = &m->series.t[i];
		size_t kept = 0;

		for (size_t j = 0; j < t->n; j++) {
			struct bin b = t->bins[j];

			if (b.start_s >= (b.step == STEP_BIN ? bins : rest))
				t->bins[kept++] = b;
		}
		t->n = kept;
		if (!kept)
			drop(&m->series, i);
	}
	for (size_t i = m->alerts.n; i--;)
		if (m->alerts.t[i].at_ms / 1000 < rest)
			drop(&m->alerts, i);
	return true;
}

static bool check(const char *url, const struct store_opts *o, struct err *err)
{
	(void)o;
	if (strcmp(url, "memory:"))
		return err_set(err, "history url: \"memory:\" has nothing behind the colon");
	return true;
}

static struct store *open_memory(const char *url, const struct store_opts *o,
				 struct err *err)
{
	struct memory *m;

	if (!check(url, o, err))
		return NULL;
	m = xcalloc(1, sizeof(*m));
	store_init(&m->base, o);
	return &m->base;
}

static void close_memory(struct store *s)
{
	struct memory *m = (struct memory *)s;

	shelf_free(&m->series);
	shelf_free(&m->alerts);
	shelf_free(&m->blobs);
	free(m);
}

const struct store_ops store_ops_memory = {
	.name = "memory",
	.schemes = { "memory:" },
	.keeps = false,
	.check = check,
	.open = open_memory,
	.close = close_memory,
	.put = put,
	.applied = applied,
	.each_bin = each_bin,
	.each_series = each_series,
	.each_alert = each_alert,
	.each_blob = each_blob,
	.expire = expire,
};
