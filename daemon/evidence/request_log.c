/* request_log.c - requests kept beside the archive: the writer.
 * SPDX-License-Identifier: ISC
 *
 * Rows wait for at most five seconds, or until a block is full. Like flows they are filed
 * by when they came, so only the newest file is written to, and a request that ended
 * while nobody looked is found in a later one: whoever reads looks at later files as well,
 * whose last header tells whether anything in them began early enough.
 *
 * After a crash the position in the log is some seconds older than the newest block.
 * Lines read again are known by the hash of what they say: those of the newest files are
 * remembered for the first minute.
 *
 * A disk that is full loses no block in half: what was written of it is cut off again.
 * Rows wait in memory for better times, the newest 64k of them; older ones go, counted.
 */
#include "daemon/evidence/request_log.h"

#include "daemon/base/log.h"
#include "daemon/base/map.h"
#include "storage/archive/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { WAIT_MS = 5000, WAITING_MAX = 65536, KNOW_MS = 60000, EXPIRE_MS = 300000,
       RETRY_MS = 5000, KNOWN_MAX = 1 << 20,
       STEP_MS = 3600 * 1000 /* a clock that jumps further deletes nothing for as long */ };

struct request_log {
	char *directory;
	int64_t keep_ms;
	struct request *rows;      /* waiting; urls their own */
	size_t n, cap;
	int64_t oldest_ms;         /* when the first of them came */
	int fd;                    /* the open file; -1: none */
	int64_t file_s;
	uint64_t size;
	int64_t start_ms, end_ms;  /* of what is in it */
	uint32_t in_file;
	int64_t retry_ms, expire_ms, seen_ms, hold_ms;
	struct map known;          /* hash of a row -> how often; of the newest files */
	int64_t know_until_ms;
	uint64_t dropped;
};

/* --- lines that come again after a crash --- */

static uint64_t hash_of(const struct request *r)
{
	struct {
		int64_t start_ms, end_ms;
		uint64_t received, sent;
		struct addr client, origin;
		uint16_t ports[3], cached;
	} v = { r->start_ms, r->end_ms, r->received, r->sent, r->client, r->origin,
		{ r->client_port, r->proxy_port, r->origin_port }, r->cached };

	return XXH3_64bits_withSeed(r->url, strlen(r->url), XXH3_64bits(&v, sizeof(v)));
}

static bool know(void *arg, const struct request *r)
{
	struct request_log *l = arg;
	uint64_t h = hash_of(r);
	uint32_t *n = map_put(&l->known, &h, NULL);

	if (n)
		++*n;
	return n != NULL;
}

static bool is_known(struct request_log *l, const struct request *r)
{
	uint64_t h = hash_of(r);
	uint32_t *n = map_get(&l->known, &h);

	if (!n || !*n)
		return false;
	--*n;
	return true;
}

/* --- files --- */

static const char *path_of(const struct request_log *l, int64_t file_s,
			   char buf[static DIR_PATH])
{
	return beside_path(l->directory, file_s, BESIDE_REQUESTS, buf);
}

static void note(struct request_log *l, const struct request_header *h)
{
	if (!l->in_file || h->start_ms < l->start_ms)
		l->start_ms = h->start_ms;
	if (!l->in_file || h->end_ms > l->end_ms)
		l->end_ms = h->end_ms;
	l->in_file += h->rows;
}

/* Where whole blocks end; what follows is a torn write. */
static uint64_t whole(struct request_log *l, uint64_t size)
{
	uint8_t p[REQUEST_HEADER];
	struct request_header h;
	uint64_t at = 0;

	while (at + REQUEST_HEADER <= size &&
	       pread(l->fd, p, sizeof(p), (off_t)at) == (ssize_t)sizeof(p) &&
	       request_header_read(p, &h) && at + REQUEST_HEADER + h.packed <= size) {
		if (h.type == REQUEST_BLOCK)
			note(l, &h);
		at += REQUEST_HEADER + h.packed;
	}
	return at;
}

static bool open_file(struct request_log *l, int64_t file_s)
{
	char path[DIR_PATH];
	struct stat st;

	if (!dir_make(l->directory, file_s))
		return false;
	l->fd = open(path_of(l, file_s, path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		     0640);
	if (l->fd < 0)
		return false;
	l->file_s = file_s;
	l->in_file = 0;
	l->size = fstat(l->fd, &st) ? 0 : whole(l, (uint64_t)st.st_size);
	return !ftruncate(l->fd, (off_t)l->size);
}

/* All of it or nothing. */
static bool append(struct request_log *l, const struct out *o)
{
	for (size_t done = 0; done < o->len;) {
		ssize_t n = pwrite(l->fd, o->p + done, o->len - done,
				   (off_t)(l->size + done));

		if (n <= 0) {
			int why = n ? errno : ENOSPC;

			if (why == EINTR)
				continue;
			if (ftruncate(l->fd, (off_t)l->size))
				log_debug("a torn block stays: %m");
			errno = why;
			return false;
		}
		done += (size_t)n;
	}
	l->size += o->len;
	return true;
}

static void end_file(struct request_log *l)
{
	struct out o = { 0 };

	if (l->fd < 0)
		return;
	if (l->in_file) {
		request_end_write(l->start_ms, l->end_ms, l->in_file, &o);
		append(l, &o); /* without it a reader looks at each block */
		fsync(l->fd);
	}
	close(l->fd);
	l->fd = -1;
	free(o.p);
}

/* --- rows that wait --- */

static void forget(struct request_log *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(l->rows[i].url);
	if (l->n > n)
		memmove(l->rows, l->rows + n, (l->n - n) * sizeof(*l->rows));
	l->n -= n;
}

static bool write_some(struct request_log *l, size_t n)
{
	struct request_header h;
	struct out o = { 0 };
	bool ok;

	request_block_write(l->rows, n, &o, &h);
	ok = append(l, &o);
	free(o.p);
	if (!ok)
		return false;
	note(l, &h);
	forget(l, n);
	return true;
}

bool request_log_write(struct request_log *l, int64_t now_ms)
{
	int64_t file_s = file_s_of(now_ms);

	if (!l->n)
		return true;
	if (now_ms < l->retry_ms && now_ms > l->retry_ms - RETRY_MS)
		return false;
	if (l->fd >= 0 && l->file_s != file_s)
		end_file(l);
	if (l->fd < 0 && !open_file(l, file_s))
		goto fail;
	while (l->n)
		if (!write_some(l, l->n < REQUEST_ROWS ? l->n : REQUEST_ROWS))
			goto fail;
	l->retry_ms = 0;
	return true;
fail:
	log_seldom("request-log", 600, "requests of the proxy are not kept: %s: %s; they "
		   "wait in memory", l->directory, strerror(errno));
	l->retry_ms = now_ms + RETRY_MS;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->n > WAITING_MAX) {
		l->dropped += l->n - WAITING_MAX;
		forget(l, l->n - WAITING_MAX);
	}
	return false;
}

void request_log_add(struct request_log *l, const struct request *r, bool maybe_again,
		     int64_t now_ms)
{
	struct request *row;

	if (maybe_again && l->known.n && is_known(l, r))
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->rows = xrealloc(l->rows, l->cap, sizeof(*l->rows));
	}
	row = &l->rows[l->n];
	memcpy(row, r, sizeof(*row));
	row->url = xstrdup(r->url);
	if (!l->n++)
		l->oldest_ms = now_ms;
	if (l->n % REQUEST_ROWS == 0)
		request_log_write(l, now_ms);
}

/* --- time goes on --- */

/* What lies beside flows goes with them (dir_remove); here goes what lies alone. */
static void expire(struct request_log *l, int64_t now_ms)
{
	struct dir_list list;

	l->expire_ms = now_ms;
	if (!l->keep_ms || now_ms < l->hold_ms ||
	    !beside_scan(l->directory, BESIDE_REQUESTS, &list))
		return;
	for (size_t i = 0; i < list.n; i++)
		if ((list.at[i].file_s + BIN_S) * 1000 + l->keep_ms < now_ms)
			beside_remove(l->directory, list.at[i].file_s, BESIDE_REQUESTS);
	dir_list_free(&list);
}

void request_log_tick(struct request_log *l, int64_t now_ms)
{
	if (l->n && (now_ms - l->oldest_ms >= WAIT_MS || now_ms < l->oldest_ms))
		request_log_write(l, now_ms);
	if (l->fd >= 0 && l->file_s != file_s_of(now_ms) && !l->n)
		end_file(l);
	if (l->seen_ms &&
	    (now_ms > l->seen_ms + STEP_MS || now_ms < l->seen_ms - STEP_MS))
		l->hold_ms = now_ms + STEP_MS;
	l->seen_ms = now_ms;
	if (l->known.n && now_ms > l->know_until_ms)
		map_clear(&l->known);
	if (now_ms - l->expire_ms >= EXPIRE_MS || now_ms < l->expire_ms)
		expire(l, now_ms);
}

struct request_log *request_log_open(const char *directory, int64_t keep_ms,
				     int64_t now_ms)
{
	struct request_log *l = xcalloc(1, sizeof(*l));
	struct request_read read;

	l->directory = xstrdup(directory);
	l->keep_ms = keep_ms;
	l->fd = -1;
	l->know_until_ms = now_ms + KNOW_MS;
	map_init(&l->known, sizeof(uint64_t), sizeof(uint32_t), KNOWN_MAX);
	request_log_read(directory, now_ms - 2 * BIN_S * 1000, INT64_MAX, know, l, &read,
			 NULL);
	return l;
}

uint64_t request_log_dropped(const struct request_log *l)
{
	return l->dropped;
}

void request_log_close(struct request_log **lp, int64_t now_ms)
{
	struct request_log *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	l->retry_ms = 0;
	request_log_write(l, now_ms);
	end_file(l);
	forget(l, l->n);
	map_fini(&l->known);
	free(l->rows);
	free(l->directory);
	free(l);
}
