/* request_read.c - requests kept beside the archive: the reader.
 * SPDX-License-Identifier: ISC
 *
 * Files that are a little older than the question are looked at too (the proxy's clock
 * may be ahead of ours), and all later ones: a request is filed when its line was
 * read, which may be long after. Of most of those only the last header is read.
 */
#include "daemon/evidence/request_log.h"

#include "storage/archive/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	int64_t from_ms, to_ms;
	request_f *fn;
	void *arg;
	struct request_read *out;
	struct out body; /* grows as needed */
	bool stopped;
};

static bool overlaps(const struct reading *r, int64_t start_ms, int64_t end_ms)
{
	return start_ms < r->to_ms && end_ms >= r->from_ms;
}

static bool one(void *arg, const struct request *q)
{
	struct reading *r = arg;

	if (!overlaps(r, q->start_ms, q->end_ms))
		return true;
	r->out->requests++;
	r->stopped = !r->fn(r->arg, q);
	return !r->stopped;
}

static bool header_at(int fd, uint64_t at, struct request_header *h)
{
	uint8_t p[REQUEST_HEADER];

	return pread(fd, p, sizeof(p), (off_t)at) == (ssize_t)sizeof(p) &&
	       request_header_read(p, h);
}

static void read_block(struct reading *r, int fd, uint64_t at,
		       const struct request_header *h)
{
	r->body.len = 0;
	if (pread(fd, out_room(&r->body, h->packed), h->packed,
		  (off_t)(at + REQUEST_HEADER)) != (ssize_t)h->packed ||
	    !request_body_read(h, r->body.p, one, r))
		r->out->damaged++;
	r->out->blocks++;
}

/* The next whole header from at on, octet by octet; size: there is none. */
static uint64_t next_header(int fd, uint64_t at, uint64_t size)
{
	struct request_header h;

	while (at + REQUEST_HEADER <= size && !header_at(fd, at, &h))
		at++;
	return at + REQUEST_HEADER <= size ? at : size;
}

static void read_file(struct reading *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct request_header h;
	struct stat st;
	uint64_t at = 0, size;

	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return; /* it was too old this very moment */
	}
	size = (uint64_t)st.st_size;
	r->out->files++;
	if (size >= REQUEST_HEADER && header_at(fd, size - REQUEST_HEADER, &h) &&
	    h.type == REQUEST_END && !overlaps(r, h.start_ms, h.end_ms))
		at = size;
	while (!r->stopped && at + REQUEST_HEADER <= size) {
		if (!header_at(fd, at, &h)) {
			r->out->damaged++;
			at = next_header(fd, at + 1, size);
			continue;
		}
		if (at + REQUEST_HEADER + h.packed > size)
			break; /* being written */
		if (h.type == REQUEST_BLOCK && overlaps(r, h.start_ms, h.end_ms))
			read_block(r, fd, at, &h);
		at += REQUEST_HEADER + h.packed;
	}
	close(fd);
}

bool request_log_read(const char *directory, int64_t from_ms, int64_t to_ms, request_f *fn,
		      void *arg, struct request_read *out, struct err *err)
{
	struct reading r = { .from_ms = from_ms, .to_ms = to_ms, .fn = fn, .arg = arg,
			     .out = out };
	int64_t first_s = file_s_of(from_ms) - BIN_S;
	struct dir_list list;
	char path[DIR_PATH];

	*out = (struct request_read){ 0 };
	if (!beside_scan(directory, BESIDE_REQUESTS, &list))
		return err_set(err, "archive directory %s: %s", directory, strerror(errno));
	if (list.n)
		out->oldest_ms = list.at[0].file_s * 1000;
	for (size_t i = 0; i < list.n && !r.stopped; i++)
		if (list.at[i].file_s >= first_s)
			read_file(&r, beside_path(directory, list.at[i].file_s,
						  BESIDE_REQUESTS, path));
	dir_list_free(&list);
	free(r.body.p);
	return true;
}
