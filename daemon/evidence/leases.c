/* leases.c - follows a file that says who has which address, and remembers who had.
 * SPDX-License-Identifier: ISC
 *
 * Such files are rewritten (dnsmasq, hosts), or appended to and tidied up now and then
 * (ISC, Kea), so one is read whole whenever its size, time or inode differ, into memory: what
 * is truncated meanwhile is only shorter. What an earlier reading knew stays as the
 * past: the daemon knows who had an address yesterday also where the file has forgotten it.
 * A file that is away for a moment changes nothing.
 * Kea keeps older rows in FILE.2 and FILE.1 while it tidies up; they are read before it.
 *
 * The list is sorted by address, beginning and place in the file; the last one that
 * begins before a time is the one that counts then, unless it has ended.
 */
#include "daemon/evidence/leases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

enum { LOOK_MS = 2000, FILES = 3 };
static const off_t file_max = 64 << 20;
static const int64_t past_ms = INT64_C(35) * 86400 * 1000;

struct row {
	struct addr addr;
	int64_t from_ms, until_ms;
	uint32_t place;
	char *name;
};

struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct leases {
	char *path[FILES]; /* the oldest rows first */
	struct stamp stamp[FILES];
	int64_t looked_ms;
	bool looked;
	pthread_mutex_t lock; /* of the rows; never held while a file is read */
	struct row *rows;     /* changed by who looks alone */
	size_t n, cap;
};

static int by_time(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int c = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	if (c)
		return c;
	if (a->from_ms != b->from_ms)
		return a->from_ms < b->from_ms ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static void sort(struct leases *l)
{
	if (l->n)
		qsort(l->rows, l->n, sizeof(*l->rows), by_time);
}

static void push(struct leases *l, const struct lease *from)
{
	if (l->n == LEASES_MAX)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->rows = xrealloc(l->rows, l->cap, sizeof(*l->rows));
	}
	l->rows[l->n] = (struct row){ from->addr, from->from_ms, from->until_ms,
				      (uint32_t)l->n, xstrdup(from->name) };
	l->n++;
}

static void take(void *arg, const struct lease *from)
{
	push(arg, from);
}

/* The last row of the address that begins at at_ms or before; NULL: none does. */
static struct row *row_at(const struct leases *l, const struct addr *a, int64_t at_ms)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = memcmp(l->rows[mid].addr.b, a->b, sizeof(a->b));

		if (c < 0 || (!c && l->rows[mid].from_ms <= at_ms))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr_eq(&l->rows[lo - 1].addr, a) ? &l->rows[lo - 1] : NULL;
}

static char *read_file(const char *path, struct stamp *stamp, size_t *len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t got;

	*len = 0;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > file_max) {
		log_seldom(path, 3600, "%s: not a file of at most 64 MiB; names in it stay "
			   "unknown", path);
		close(fd);
		return NULL;
	}
	*stamp = (struct stamp){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
	text = xcalloc(1, (size_t)st.st_size + 1);
	while (*len < (size_t)st.st_size &&
	       (got = read(fd, text + *len, (size_t)st.st_size - *len)) > 0)
		*len += (size_t)got;
	close(fd);
	return text;
}

/* The row of the address that still holds and has the name; *other: one has another. */
static const struct row *holds(const struct leases *l, const struct row *of, int64_t now_ms,
			       bool *other)
{
	const struct row *r = row_at(l, &of->addr, INT64_MAX);

	*other = false;
	for (; r && r >= l->rows && addr_eq(&r->addr, &of->addr); r--) {
		if (r->until_ms > now_ms && !strcmp(r->name, of->name))
			return r;
		*other = true;
	}
	return NULL;
}

/* What was known before and is not told any more becomes the past. Where a file tells no
 * beginning, a name begins with the writing that took the address from another. */
static void keep_past(struct leases *now, const struct leases *was, int64_t now_ms,
		      int64_t written_ms)
{
	size_t fresh = now->n;

	for (size_t i = 0; i < fresh; i++) {
		struct row *r = &now->rows[i];
		const struct row *old;
		bool other;

		if (r->from_ms)
			continue;
		old = holds(was, r, now_ms, &other);
		r->from_ms = old ? old->from_ms : other ? written_ms : 0;
	}
	sort(now);
	for (size_t i = 0; i < was->n; i++) {
		const struct row *old = &was->rows[i];
		struct leases sorted = { .rows = now->rows, .n = fresh };
		const struct row *same = row_at(&sorted, &old->addr, old->from_ms);
		struct lease past = { old->addr, old->from_ms, old->until_ms, "" };

		if (old->until_ms < now_ms - past_ms ||
		    (same && same->from_ms == old->from_ms && !strcmp(same->name, old->name)))
			continue;
		if (past.until_ms > written_ms && !same)
			past.until_ms = written_ms;
		memcpy(past.name, old->name, strlen(old->name) + 1);
		push(now, &past);
	}
	for (size_t i = 0; i < now->n; i++) /* the past comes before what is told now */
		now->rows[i].place = i < fresh ? (uint32_t)(LEASES_MAX + i) : (uint32_t)i;
	sort(now);
}

static void free_rows(struct leases *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->rows[i].name);
	free(l->rows);
	l->rows = NULL;
	l->n = l->cap = 0;
}

static void swap_rows(struct leases *l, struct leases *with)
{
	struct row *rows = l->rows;
	size_t n = l->n, cap = l->cap;

	pthread_mutex_lock(&l->lock);
	l->rows = with->rows;
	l->n = with->n;
	l->cap = with->cap;
	pthread_mutex_unlock(&l->lock);
	with->rows = rows;
	with->n = n;
	with->cap = cap;
}

static void read_all(struct leases *l)
{
	struct leases now = { .rows = NULL };
	int64_t now_ms = clock_wall_ms(), written_ms = now_ms;

	for (int i = 0; i < FILES; i++) {
		size_t len;
		char *text = read_file(l->path[i], &l->stamp[i], &len);

		if (i == FILES - 1 && !text) {
			/* Being replaced, perhaps: what was known still holds. */
			log_seldom(l->path[i], 3600, "%s: %s; names in it stay unknown until "
				   "it can be read", l->path[i], strerror(errno));
			free_rows(&now);
			return;
		}
		written_ms = l->stamp[i].changed.tv_sec * INT64_C(1000);
		if (written_ms > now_ms)
			written_ms = now_ms;
		if (text)
			leases_parse(text, len, written_ms, take, &now);
		free(text);
	}
	keep_past(&now, l, now_ms, written_ms);
	swap_rows(l, &now);
	free_rows(&now);
}

static bool changed(const struct leases *l)
{
	for (int i = 0; i < FILES; i++) {
		const struct stamp *s = &l->stamp[i];
		struct stat st = { .st_size = 0 };

		if (stat(l->path[i], &st))
			memset(&st, 0, sizeof(st));
		if (st.st_dev != s->dev || st.st_ino != s->ino || st.st_size != s->size ||
		    st.st_mtim.tv_sec != s->changed.tv_sec ||
		    st.st_mtim.tv_nsec != s->changed.tv_nsec)
			return true;
	}
	return false;
}

struct leases *leases_open(const char *path)
{
	struct leases *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->path[0] = xasprintf("%s.2", path);
	l->path[1] = xasprintf("%s.1", path);
	l->path[2] = xstrdup(path);
	return l;
}

void leases_close(struct leases **lp)
{
	struct leases *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	free_rows(l);
	pthread_mutex_destroy(&l->lock);
	for (int i = 0; i < FILES; i++)
		free(l->path[i]);
	free(l);
}

void leases_look(struct leases *l, int64_t mono_ms)
{
	bool first = !l->looked;

	if (!first && mono_ms - l->looked_ms < LOOK_MS)
		return;
	l->looked = true;
	l->looked_ms = mono_ms;
	if (!first && !changed(l))
		return;
	memset(l->stamp, 0, sizeof(l->stamp));
	read_all(l);
}

bool leases_find(const struct leases *l, const struct addr *a, int64_t at_ms,
		 char name[static LEASE_NAME])
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&l->lock;
	const struct row *r;
	bool known;

	pthread_mutex_lock(lock);
	r = row_at(l, a, at_ms);
	known = r && r->until_ms > at_ms && *r->name;
	if (known)
		memcpy(name, r->name, strlen(r->name) + 1);
	pthread_mutex_unlock(lock);
	return known;
}

size_t leases_count(const struct leases *l)
{
	return l->n;
}
