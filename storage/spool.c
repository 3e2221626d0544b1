/* spool.c - batches on disk, in the order of their numbers, until they are put.
 * SPDX-License-Identifier: ISC
 *
 * Every batch passes through here, also while the store is well: one way that is
 * walked every second is one that works on the bad day, and a store that comes
 * back without its memory can be given the last batches again.
 *
 * Files are named by their first batch and hold up to a sixteenth of the bound:
 *
 *   "culprit spool 1\n" | id, 16 hex digits | records …
 *   record: magic | octets of puts | batch | how many bins, blobs, alerts | 0 |
 *           XXH3 of the puts | XXH3 of the forty octets before | puts (codec.c)
 *
 * A torn tail (kill -9, power) is cut off at the next start. A record damaged
 * later is skipped by its length; where the length cannot be trusted the next
 * good header is searched for. Files are synced when they are full, else left
 * to the kernel's half minute: the store has the batch within a second.
 *
 * Past the bound the oldest file is written anew without its bins, when no bins
 * are left without blobs, then without alerts. The file `state` holds id, the
 * highest number that may have been given out, and the last batch done.
 */
#include "storage/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

static const char file_magic[16] = "culprit spool 1\n";

enum {
	MAGIC = 0x62417443,
	FILE_HEAD = 32,
	PUTS_MAX = 96 << 20,        /* octets of one batch: more is a damaged length */
	SEGMENT_MIN = 64 << 10,
	SEGMENT_MAX = 8 << 20,
	RESERVE = 1000000,          /* numbers given out between two writes of state */
	SAID_EVERY_S = 600,
};

struct head {
	uint32_t magic, len;
	uint64_t batch;
	struct put_count count;
	uint32_t zero;
	uint64_t puts_hash, head_hash;
};
_Static_assert(sizeof(struct head) == 48, "a record's head is 48 octets");

struct segment {
	uint64_t first, last; /* batches */
	uint64_t octets;
	uint64_t n[CLASSES];  /* puts in it */
};

struct spool {
	char *dir, id[17];
	uint64_t max, keep, segment_max;
	struct segment *seg; /* oldest first */
	size_t n_seg, cap_seg;
	int fd;              /* the last segment, for appending; -1: none */
	uint64_t done, next, reserved;
	/* The record that spool_next gave, and where the reading goes on. */
	size_t at_seg;
	uint64_t at, given_end;
	struct head given;   /* batch 0: none */
	struct spool_stats stats;
};

static char *path_of(const struct spool *s, uint64_t first)
{
	return xasprintf("%s/%020llu.batches", s->dir, (unsigned long long)first);
}

static void write_state(struct spool *s)
{
	char *to = xasprintf("%s/state", s->dir), *new = xasprintf("%s/state.new", s->dir);
	FILE *f = fopen(new, "we");
	bool ok = f && fprintf(f, "%s %llu %llu\n", s->id, (unsigned long long)s->reserved,
			       (unsigned long long)s->done) > 0;

	/* Without it the numbers go on from the files, so a full disk does no harm. */
	ok = f && !fflush(f) && !fdatasync(fileno(f)) && ok;
	if (f)
		fclose(f);
	if (!ok || rename(new, to))
		unlink(new);
	free(to);
	free(new);
}

static void read_state(struct spool *s)
{
	char *path = xasprintf("%s/state", s->dir);
	FILE *f = fopen(path, "re");
	unsigned long long reserved, done;
	char id[17];

	if (f && fscanf(f, "%16[0-9a-f] %llu %llu", id, &reserved, &done) == 3 &&
	    strlen(id) == 16) {
		memcpy(s->id, id, sizeof(id));
		s->reserved = reserved;
		s->done = done;
	}
	if (f)
		fclose(f);
	free(path);
}

static uint64_t hash_of(const struct head *h)
{
	return XXH3_64bits(h, offsetof(struct head, head_hash));
}

static bool head_ok(const struct head *h)
{
	return h->magic == MAGIC && h->len <= PUTS_MAX && h->batch &&
	       h->head_hash == hash_of(h);
}

/* Where the next good header after `at` begins, or the end of the file. */
static uint64_t search(int fd, uint64_t at, uint64_t end)
{
	static const uint32_t magic = MAGIC;
	char buf[65536];
	struct head h;

	while (at + sizeof(h) <= end) {
		ssize_t n = pread(fd, buf, sizeof(buf), (off_t)at);
		char *hit;

		if (n < (ssize_t)sizeof(h))
			break;
		hit = memmem(buf, (size_t)n, &magic, sizeof(magic));
		if (!hit) {
			at += (uint64_t)n - (sizeof(magic) - 1);
			continue;
		}
		at += (uint64_t)(hit - buf);
		if (pread(fd, &h, sizeof(h), (off_t)at) == sizeof(h) && head_ok(&h))
			return at;
		at++;
	}
	return end;
}

/* The header at *at, or the next good one; *at moves to it. False: there is none. */
static bool read_head(int fd, uint64_t *at, uint64_t end, struct head *h)
{
	for (;;) {
		if (*at + sizeof(*h) > end ||
		    pread(fd, h, sizeof(*h), (off_t)*at) != sizeof(*h))
			return false;
		if (head_ok(h) && *at + sizeof(*h) + h->len <= end)
			return true;
		*at = search(fd, *at + 1, end);
	}
}

static uint64_t after(uint64_t at, const struct head *h)
{
	return at + sizeof(*h) + h->len;
}

static void forget_segment(struct spool *s, size_t i, bool remove)
{
	char *path = path_of(s, s->seg[i].first);

	if (i == s->n_seg - 1 && s->fd >= 0) {
		close(s->fd);
		s->fd = -1;
	}
	if (remove && unlink(path) && errno != ENOENT)
		log_seldom("spool-unlink", SAID_EVERY_S, "history: %s: %s", path,
			   strerror(errno));
	free(path);
	s->stats.octets -= s->seg[i].octets;
	memmove(&s->seg[i], &s->seg[i + 1], (--s->n_seg - i) * sizeof(*s->seg));
	if (s->at_seg > i) {
		s->at_seg--;
	} else if (s->at_seg == i) {
		s->at = FILE_HEAD;
		s->given.batch = 0;
	}
}

static void count(struct spool *s, const struct head *h, uint64_t *to, int sign)
{
	(void)s;
	for (int c = 0; c < CLASSES; c++)
		to[c] += (uint64_t)(sign * (int64_t)h->count.n[c]);
}

/* Reads the headers of a segment; cuts a torn tail off. False: nothing is in it. */
static bool scan(struct spool *s, struct segment *g)
{
	char *path = path_of(s, g->first), magic[FILE_HEAD];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t at = FILE_HEAD, good = FILE_HEAD;
	struct stat st;
	struct head h;

	g->last = 0;
	memset(g->n, 0, sizeof(g->n));
	if (fd >= 0 && !fstat(fd, &st) && pread(fd, magic, FILE_HEAD, 0) == FILE_HEAD &&
	    !memcmp(magic, file_magic, sizeof(file_magic))) {
		if (!*s->id) /* the file `state` was lost */
			memcpy(s->id, magic + sizeof(file_magic), 16);
		while (read_head(fd, &at, (uint64_t)st.st_size, &h)) {
			g->last = h.batch;
			count(s, &h, g->n, 1);
			if (h.batch > s->done)
				count(s, &h, s->stats.waiting, 1);
			at = good = after(at, &h);
		}
		if (good < (uint64_t)st.st_size && ftruncate(fd, (off_t)good))
			log_warn("history: %s has a torn tail that cannot be cut: %s", path,
				 strerror(errno));
		g->octets = good;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return g->last > 0;
}

/* Counts anew what waits, and reads from the beginning. */
static void recount(struct spool *s)
{
	memset(s->stats.waiting, 0, sizeof(s->stats.waiting));
	s->at_seg = 0;
	s->at = FILE_HEAD;
	s->given.batch = 0;
	for (size_t i = 0; i < s->n_seg; i++)
		scan(s, &s->seg[i]);
}

static void add_segment(struct spool *s, const struct segment *g)
{
	if (s->n_seg == s->cap_seg) {
		s->cap_seg = s->cap_seg ? s->cap_seg * 2 : 16;
		s->seg = xrealloc(s->seg, s->cap_seg, sizeof(*s->seg));
	}
	s->seg[s->n_seg++] = *g;
	s->stats.octets += g->octets;
}

static int by_first(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static bool list(struct spool *s, struct err *err)
{
	DIR *d = opendir(s->dir);
	struct segment *found = NULL;
	size_t n = 0;

	if (!d)
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	for (struct dirent *e; (e = readdir(d));) {
		unsigned long long first;
		int end = 0;

		if (sscanf(e->d_name, "%20llu.batches%n", &first, &end) != 1 || !end ||
		    e->d_name[end] || !first)
			continue;
		found = xrealloc(found, n + 1, sizeof(*found));
		found[n++] = (struct segment){ .first = first };
	}
	closedir(d);
	if (n)
		qsort(found, n, sizeof(*found), by_first);
	for (size_t i = 0; i < n; i++) {
		char *path = path_of(s, found[i].first);

		if (scan(s, &found[i]))
			add_segment(s, &found[i]);
		else
			unlink(path); /* not one whole batch is in it */
		free(path);
	}
	free(found);
	return true;
}

static void new_id(char id[static 17])
{
	uint64_t r = 0;

	while (getrandom(&r, sizeof(r), 0) != sizeof(r))
		;
	snprintf(id, 17, "%016llx", (unsigned long long)r);
}

struct spool *spool_open(const char *dir, uint64_t max, uint64_t keep, struct err *err)
{
	struct spool *s;

	if (mkdir(dir, 0750) && errno != EEXIST) {
		err_set(err, "%s: %s", dir, strerror(errno));
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->dir = xstrdup(dir);
	s->fd = -1;
	s->max = max;
	s->keep = keep;
	s->at = FILE_HEAD;
	s->segment_max = max / 16 < SEGMENT_MIN ? SEGMENT_MIN :
			 max / 16 > SEGMENT_MAX ? SEGMENT_MAX : max / 16;
	read_state(s);
	if (!list(s, err)) {
		spool_close(&s);
		return NULL;
	}
	s->next = s->reserved + 1;
	if (s->n_seg && s->seg[s->n_seg - 1].last >= s->next)
		s->next = s->seg[s->n_seg - 1].last + 1;
	if (!*s->id) {
		new_id(s->id);
		write_state(s);
	}
	return s;
}

static void end_segment(struct spool *s)
{
	if (s->fd < 0)
		return;
	fdatasync(s->fd);
	close(s->fd);
	s->fd = -1;
}

void spool_close(struct spool **s)
{
	if (!*s)
		return;
	end_segment(*s);
	if (*(*s)->id) {
		(*s)->reserved = (*s)->next - 1;
		write_state(*s);
	}
	free((*s)->dir);
	free((*s)->seg);
	free(*s);
	*s = NULL;
}

const char *spool_id(const struct spool *s)
{
	return s->id;
}

uint64_t spool_number(struct spool *s, uint64_t at_least)
{
	if (s->next <= at_least)
		s->next = at_least + 1;
	if (s->next > s->reserved) {
		s->reserved = s->next + RESERVE;
		write_state(s);
	}
	return s->next++;
}

static bool write_all(int fd, struct iovec *v, int n)
{
	while (n) {
		ssize_t did = writev(fd, v, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return false;
		while (n && (size_t)did >= v->iov_len) {
			did -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (char *)v->iov_base + did;
			v->iov_len -= (size_t)did;
		}
	}
	return true;
}

static int make_file(struct spool *s, const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0640);
	char head[FILE_HEAD];
	struct iovec v = { head, FILE_HEAD };

	memcpy(head, file_magic, sizeof(file_magic));
	memcpy(head + sizeof(file_magic), s->id, 16);
	if (fd >= 0 && !write_all(fd, &v, 1)) {
		close(fd);
		unlink(path);
		return -1;
	}
	return fd;
}

static bool begin_segment(struct spool *s, uint64_t batch)
{
	struct segment g = { .first = batch, .octets = FILE_HEAD };
	char *path = path_of(s, batch);

	s->fd = make_file(s, path, O_TRUNC);
	free(path);
	if (s->fd >= 0)
		add_segment(s, &g);
	return s->fd >= 0;
}

static bool append(struct spool *s, struct head *h, const void *data)
{
	struct iovec v[] = { { h, sizeof(*h) }, { (void *)(uintptr_t)data, h->len } };
	struct segment *g = s->n_seg ? &s->seg[s->n_seg - 1] : NULL;
	size_t len = sizeof(*h) + h->len;
	int code;

	if (s->fd >= 0 && g->octets > FILE_HEAD && g->octets + len > s->segment_max)
		end_segment(s);
	if (s->fd < 0 && !begin_segment(s, h->batch))
		return false;
	g = &s->seg[s->n_seg - 1];
	if (!write_all(s->fd, v, 2)) {
		code = errno;
		/* What got through must not stand before the next one. */
		if (ftruncate(s->fd, (off_t)g->octets))
			end_segment(s);
		if (!g->last)
			forget_segment(s, s->n_seg - 1, true);
		errno = code;
		return false;
	}
	g->octets += len;
	g->last = h->batch;
	s->stats.octets += len;
	count(s, h, g->n, 1);
	count(s, h, s->stats.waiting, 1);
	return true;
}

static bool done_with(const struct spool *s, size_t i)
{
	return s->seg[i].last <= s->done;
}

/* Drops the puts of a class from a segment (and what is done with). */
static void strip(struct spool *s, size_t i, enum put_class without)
{
	struct segment new = { .first = s->seg[i].first, .octets = FILE_HEAD };
	char *path = path_of(s, new.first), *tmp = xasprintf("%s.new", path);
	int from = open(path, O_RDONLY | O_CLOEXEC), to = make_file(s, tmp, O_TRUNC);
	struct strb in = { 0 }, out = { 0 };
	uint64_t at = FILE_HEAD;
	bool ok = from >= 0 && to >= 0;
	struct head h;

	if (i == s->n_seg - 1)
		end_segment(s);
	for (; ok && read_head(from, &at, s->seg[i].octets, &h); at = after(at, &h)) {
		uint32_t gone = h.count.n[without];

		if (h.batch <= s->done)
			continue;
		in.len = out.len = 0;
		while (in.len < h.len) /* room, of zeros; read over it */
			strb_addn(&in, (char[4096]){ 0 },
				  h.len - in.len < 4096 ? h.len - in.len : 4096);
		if (h.len && pread(from, in.s, h.len, (off_t)(at + sizeof(h))) !=
				     (ssize_t)h.len)
			break;
		put_strip(in.s, in.len, without, &out, &h.count);
		s->stats.waiting[without] -= gone;
		s->stats.dropped[without] += gone;
		if (!out.len)
			continue;
		struct head n = h;

		n.len = (uint32_t)out.len;
		n.puts_hash = XXH3_64bits(out.s, out.len);
		n.head_hash = hash_of(&n);
		struct iovec v[] = { { &n, sizeof(n) }, { out.s, out.len } };

		ok = write_all(to, v, 2);
		new.octets += sizeof(n) + n.len;
		new.last = n.batch;
		count(s, &n, new.n, 1);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	if (!ok || !new.last || rename(tmp, path)) {
		/* Nothing is left, or there is no room even to tidy up: all goes. */
		for (int c = 0; c < CLASSES; c++) {
			s->stats.waiting[c] -= new.n[c];
			s->stats.dropped[c] += new.n[c];
		}
		unlink(tmp);
		forget_segment(s, i, true);
	} else {
		s->stats.octets -= s->seg[i].octets - new.octets;
		s->seg[i] = new;
		if (s->at_seg == i) {
			s->at = FILE_HEAD;
			s->given.batch = 0;
		}
	}
	strb_free(&in);
	strb_free(&out);
	free(path);
	free(tmp);
}

/* One step towards fewer octets. False: nothing is left to give. */
static bool shrink(struct spool *s)
{
	static const char *const what[CLASSES] = { "bins", "states", "alerts" };

	if (s->n_seg && done_with(s, 0)) {
		forget_segment(s, 0, true);
		return true;
	}
	for (int c = 0; c < CLASSES; c++)
		for (size_t i = 0; i < s->n_seg; i++) {
			if (!s->seg[i].n[c])
				continue;
			strip(s, i, (enum put_class)c);
			log_seldom("spool-drop", SAID_EVERY_S,
				   "history: the spool %s is full (%llu octets): the oldest "
				   "%s are dropped, %llu so far; bring the store back or "
				   "give the spool more room", s->dir,
				   (unsigned long long)s->max, what[c],
				   (unsigned long long)s->stats.dropped[c]);
			return true;
		}
	return false;
}

/* Batches that are done are kept for a store that forgets, up to the bound. */
static void tidy(struct spool *s)
{
	uint64_t done = 0;

	for (size_t i = 0; i < s->n_seg && done_with(s, i); i++)
		done += s->seg[i].octets;
	while (s->n_seg && done_with(s, 0) && done > s->keep) {
		done -= s->seg[0].octets;
		forget_segment(s, 0, true);
	}
	while (s->stats.octets > s->max && shrink(s))
		;
}

bool spool_append(struct spool *s, uint64_t batch, const void *data, size_t len,
		  const struct put_count *n, struct err *err)
{
	struct head h = { .magic = MAGIC, .len = (uint32_t)len, .batch = batch, .count = *n };

	if (len > PUTS_MAX)
		return err_set(err, "a batch of %zu octets is too big to spool", len);
	h.puts_hash = XXH3_64bits(data, len);
	h.head_hash = hash_of(&h);
	while (!append(s, &h, data)) {
		int code = errno;

		if (code == ENOSPC && s->n_seg > 1 && done_with(s, 0)) {
			forget_segment(s, 0, true);
			continue;
		}
		return err_set(err, "%s: %s", s->dir, strerror(code));
	}
	tidy(s);
	return true;
}

static bool read_puts(int fd, uint64_t at, const struct head *h, struct strb *data)
{
	data->len = 0;
	while (data->len < h->len) {
		char buf[65536];
		size_t want = h->len - data->len < sizeof(buf) ? h->len - data->len :
								  sizeof(buf);
		ssize_t n = pread(fd, buf, want, (off_t)(at + sizeof(*h) + data->len));

		if (n <= 0)
			return false;
		strb_addn(data, buf, (size_t)n);
	}
	return XXH3_64bits(data->s, data->len) == h->puts_hash;
}

/* In the segment at hand, from where we are. */
static bool next_here(struct spool *s, struct strb *data)
{
	char *path = path_of(s, s->seg[s->at_seg].first);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t end = s->seg[s->at_seg].octets;
	bool found = false;
	struct head h;

	while (fd >= 0 && !found && read_head(fd, &s->at, end, &h)) {
		if (h.batch > s->done && read_puts(fd, s->at, &h, data)) {
			found = true;
			s->given = h;
			s->given_end = after(s->at, &h);
			break;
		}
		if (h.batch > s->done) {
			count(s, &h, s->stats.waiting, -1);
			count(s, &h, s->stats.dropped, 1);
			log_seldom("spool-damage", SAID_EVERY_S,
				   "history: batch %llu in %s is damaged and left out; "
				   "look after that disk", (unsigned long long)h.batch, path);
		}
		s->at = after(s->at, &h);
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return found;
}

bool spool_next(struct spool *s, uint64_t *batch, struct strb *data, struct put_count *n)
{
	s->given.batch = 0;
	while (s->at_seg < s->n_seg) {
		if (s->seg[s->at_seg].last > s->done && next_here(s, data)) {
			*batch = s->given.batch;
			*n = s->given.count;
			return true;
		}
		if (s->at_seg == s->n_seg - 1)
			break; /* more may be appended here */
		s->at_seg++;
		s->at = FILE_HEAD;
	}
	return false;
}

void spool_done(struct spool *s, uint64_t batch)
{
	if (s->given.batch && batch == s->given.batch) {
		count(s, &s->given, s->stats.waiting, -1);
		s->at = s->given_end;
		s->done = batch;
		s->given.batch = 0;
		tidy(s);
	} else if (batch != s->done) {
		s->done = batch;
		recount(s);
		tidy(s);
	}
}

uint64_t spool_last_done(const struct spool *s)
{
	return s->done;
}

void spool_stats(const struct spool *s, struct spool_stats *out)
{
	*out = s->stats;
	out->waiting_octets = 0;
	for (size_t i = 0; i < s->n_seg; i++)
		if (!done_with(s, i))
			out->waiting_octets += s->seg[i].octets;
	if (s->at_seg < s->n_seg && !done_with(s, s->at_seg))
		out->waiting_octets -= s->at;
}
