/* squid_tail.c - follows a log through its rotations, each line once.
 * SPDX-License-Identifier: ISC
 *
 * A log is an inode, not a name: after `mv` Squid writes on into the old file until it
 * is told to rotate. So when another file stands at the path, the old one stays open
 * beside the new one until nothing came for 10 s; the new one is read at once. A file
 * shorter than what was read of it, or with another beginning, was truncated
 * (copytruncate) and is read from its start. A path where nothing is, or no regular
 * file (directory, FIFO, symbolic link), changes nothing: what is open is read on.
 *
 * The position (device, inode, offset, a hash of the first octets) is kept in a file of
 * the state directory. After a restart the last `back` octets before it are given again,
 * marked, for they are needed in memory; a file that was rotated meanwhile is looked
 * for under the names that logrotate and Squid give (.1, .0). Lines over 64 KiB are
 * skipped to their end and counted. NUL octets at the start of a line come from writers
 * that keep their offset over a truncation, and are left out.
 */
#include "daemon/evidence/squid_tail.h"

#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { LINE_MAX_OCTETS = 64 << 10, CHUNK = 256 << 10, STEP_CHUNKS = 16, OLD_MS = 10000,
       SAVE_MS = 5000, HEAD = 64 };

struct file {
	int fd; /* -1: none */
	dev_t dev;
	ino_t ino;
	uint64_t offset;         /* of the next octet to read */
	uint64_t counted_from;   /* what begins before it was given before a restart */
	uint64_t head_hash;
	unsigned head_len;
	char *part;              /* of a line whose end has not come; LINE_MAX_OCTETS */
	size_t part_len;
	bool skip;               /* to the next newline */
};

struct squid_tail {
	struct squid_tail_opts opts;
	char *path, *state;
	struct file now, old;
	int64_t old_quiet_ms;    /* since when the old one gave nothing; 0: it did */
	int64_t saved_ms;
	uint64_t saved_offset;
	bool started;
	struct squid_tail_stats stats;
};

static void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->part);
	*f = (struct file){ .fd = -1 };
}

/* Hash of the first octets, so that a file with other contents is known. */
static uint64_t head_of(int fd, unsigned len)
{
	char b[HEAD];
	ssize_t n = pread(fd, b, len, 0);

	return n == (ssize_t)len ? XXH3_64bits(b, len) : 0;
}

static void file_head(struct file *f)
{
	if (f->head_len == HEAD || f->offset <= f->head_len)
		return;
	f->head_len = f->offset < HEAD ? (unsigned)f->offset : HEAD;
	f->head_hash = head_of(f->fd, f->head_len);
}

static bool file_open(struct file *f, const char *path, char *why, size_t room)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		snprintf(why, room, "%s: %s", path,
			 errno == ELOOP ? "it is a symbolic link" : strerror(errno));
		return false;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		snprintf(why, room, "%s: not a regular file", path);
		close(fd);
		return false;
	}
	*f = (struct file){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino,
			    .part = xcalloc(1, LINE_MAX_OCTETS) };
	return true;
}

static void give(struct squid_tail *t, struct file *f, const char *line, size_t len,
		 uint64_t begins)
{
	bool again = begins < f->counted_from;

	while (len && !*line) {
		line++;
		len--;
	}
	if (!len)
		return;
	if (!again)
		t->stats.lines++;
	t->opts.line(t->opts.arg, line, len, again);
}

/* Cuts p[0..n), which was read at offset `at`, into lines. */
static void cut(struct squid_tail *t, struct file *f, const char *p, size_t n, uint64_t at)
{
	const char *end = p + n, *nl;

	for (; p < end; at += (uint64_t)(nl + 1 - p), p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl) {
			size_t left = (size_t)(end - p);

			if (f->skip)
				return;
			if (f->part_len + left > LINE_MAX_OCTETS) {
				f->skip = true;
				f->part_len = 0;
				t->stats.too_long++;
				return;
			}
			memcpy(f->part + f->part_len, p, left);
			f->part_len += left;
			return;
		}
		if (f->skip) {
			f->skip = false;
		} else if (f->part_len) {
			size_t len = (size_t)(nl - p), had = f->part_len;

			if (had + len > LINE_MAX_OCTETS) {
				t->stats.too_long++;
			} else {
				memcpy(f->part + had, p, len);
				give(t, f, f->part, had + len, at - had);
			}
			f->part_len = 0;
		} else if ((size_t)(nl - p) > LINE_MAX_OCTETS) {
			t->stats.too_long++;
		} else {
			give(t, f, p, (size_t)(nl - p), at);
		}
	}
}

/* True: there was something. */
static bool file_read(struct squid_tail *t, struct file *f, char *chunk)
{
	ssize_t n = f->fd < 0 ? 0 : pread(f->fd, chunk, CHUNK, (off_t)f->offset);

	if (n <= 0)
		return false;
	f->offset += (uint64_t)n;
	cut(t, f, chunk, (size_t)n, f->offset - (uint64_t)n);
	file_head(f);
	return true;
}

static void restart(struct file *f)
{
	f->offset = f->counted_from = f->head_hash = 0;
	f->part_len = f->head_len = 0;
	f->skip = false;
}

static void check_truncated(struct squid_tail *t, struct file *f)
{
	struct stat st;

	if (f->fd < 0 || fstat(f->fd, &st))
		return;
	if ((uint64_t)st.st_size < f->offset ||
	    (f->head_len && head_of(f->fd, f->head_len) != f->head_hash)) {
		t->stats.truncations++;
		restart(f);
	}
}

/* --- the position over restarts --- */

struct position {
	uint64_t dev, ino, offset, hash;
	unsigned head_len;
};

static bool load(const struct squid_tail *t, struct position *p)
{
	FILE *f = t->state ? fopen(t->state, "re") : NULL;
	char path[4096];
	bool ok;

	if (!f)
		return false;
	ok = fscanf(f, "1 %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNx64 " %u %4095[^\n]",
		    &p->dev, &p->ino, &p->offset, &p->hash, &p->head_len, path) == 6 &&
	     p->head_len <= HEAD && !strcmp(path, t->path);
	fclose(f);
	return ok;
}

static void save(struct squid_tail *t, int64_t now_ms)
{
	const struct file *f = &t->now;
	uint64_t whole = f->offset - f->part_len;
	char *tmp;
	FILE *out;

	if (!t->state || f->fd < 0 || whole == t->saved_offset || f->skip)
		return;
	t->saved_ms = now_ms;
	if (t->opts.safe && !t->opts.safe(t->opts.arg))
		return;
	tmp = xasprintf("%s.new", t->state);
	out = fopen(tmp, "we");
	if (out) {
		fprintf(out, "1 %ju %ju %" PRIu64 " %" PRIx64 " %u %s\n",
			(uintmax_t)f->dev, (uintmax_t)f->ino, whole, f->head_hash,
			f->head_len, t->path);
		if (!fclose(out) && !rename(tmp, t->state))
			t->saved_offset = whole;
	}
	free(tmp);
}

static bool is_that(const struct file *f, const struct position *p)
{
	struct stat st;

	return (uint64_t)f->dev == p->dev && (uint64_t)f->ino == p->ino &&
	       !fstat(f->fd, &st) && (uint64_t)st.st_size >= p->offset &&
	       (!p->head_len || head_of(f->fd, p->head_len) == p->hash);
}

/* Places f so that from `counted` on lines count, and `back` octets before come again. */
static void place(const struct squid_tail *t, struct file *f, uint64_t counted)
{
	char before = '\n';

	f->counted_from = counted;
	f->offset = counted > t->opts.back ? counted - t->opts.back : 0;
	if (f->offset && pread(f->fd, &before, 1, (off_t)f->offset - 1) == 1)
		f->skip = before != '\n';
	file_head(f);
}

/* The file of the position, at the path or under the name it was rotated to. */
static void start(struct squid_tail *t)
{
	static const char *const ends[] = { ".1", ".0" };
	struct position p;
	struct file f = { .fd = -1 };
	struct stat st;
	char why[256];

	if (!load(t, &p)) { /* the first time: what is there is news, but not all of it */
		if (!fstat(t->now.fd, &st) && (uint64_t)st.st_size > t->opts.back) {
			place(t, &t->now, (uint64_t)st.st_size);
			t->now.counted_from = 0;
		}
		return;
	}
	if (is_that(&t->now, &p)) {
		place(t, &t->now, p.offset);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends) && t->old.fd < 0; i++) {
		char *name = xasprintf("%s%s", t->path, ends[i]);

		if (file_open(&f, name, why, sizeof(why))) {
			if (is_that(&f, &p)) {
				place(t, &f, p.offset);
				t->old = f;
				t->stats.rotations++;
			} else {
				file_close(&f);
			}
		}
		free(name);
	}
}

/* Another file at the path: the one before is read on beside it. */
static void look(struct squid_tail *t, char *chunk)
{
	struct stat st;
	struct file f;

	if (t->now.fd >= 0 && !lstat(t->path, &st) && st.st_dev == t->now.dev &&
	    st.st_ino == t->now.ino)
		return;
	if (!file_open(&f, t->path, t->stats.why, sizeof(t->stats.why))) {
		t->stats.there = t->now.fd >= 0;
		return;
	}
	t->stats.there = true;
	*t->stats.why = '\0';
	if (t->now.fd >= 0) {
		while (file_read(t, &t->old, chunk)) /* two rotations in 10 s */
			;
		file_close(&t->old);
		t->old = t->now;
		t->old_quiet_ms = 0;
		t->saved_offset = UINT64_MAX;
		t->stats.rotations++;
	}
	t->now = f;
	if (!t->started)
		start(t);
	t->started = true;
}

bool squid_tail_step(struct squid_tail *t, int64_t now_ms)
{
	char *chunk = xcalloc(1, CHUNK);
	bool more = false;

	look(t, chunk);
	check_truncated(t, &t->now);
	if (t->old.fd >= 0) {
		if (file_read(t, &t->old, chunk)) {
			t->old_quiet_ms = 0;
			more = true;
		} else if (!t->old_quiet_ms) {
			t->old_quiet_ms = now_ms ? now_ms : 1;
		} else if (now_ms - t->old_quiet_ms >= OLD_MS) {
			file_close(&t->old);
		}
	}
	for (int i = 0; i < STEP_CHUNKS && file_read(t, &t->now, chunk); i++)
		more = i == STEP_CHUNKS - 1;
	if (now_ms - t->saved_ms >= SAVE_MS)
		save(t, now_ms);
	free(chunk);
	return more;
}

struct squid_tail *squid_tail_open(const struct squid_tail_opts *o)
{
	struct squid_tail *t = xcalloc(1, sizeof(*t));

	t->opts = *o;
	t->path = xstrdup(o->path);
	t->state = o->state ? xstrdup(o->state) : NULL;
	t->now.fd = t->old.fd = -1;
	t->saved_offset = UINT64_MAX;
	return t;
}

void squid_tail_stats(const struct squid_tail *t, struct squid_tail_stats *out)
{
	*out = t->stats;
}

void squid_tail_close(struct squid_tail **tp)
{
	struct squid_tail *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	save(t, 0);
	file_close(&t->now);
	file_close(&t->old);
	free(t->path);
	free(t->state);
	free(t);
}
