/* tip.c - the file that is being written.
 * SPDX-License-Identifier: ISC
 *
 * A frame is there or not: when a write comes out short, the file is cut back
 * to where it was. After a crash the chain of frames is walked once, and only
 * what follows the last whole frame is cut off; a damaged frame in the middle
 * stays, since others follow it. An error of fsync leaves nobody knowing what
 * the disk holds: the file is left as it is and another one begun (F5).
 */
#include "storage/archive/tip.h"

#include "storage/archive/dir.h"
#include "storage/archive/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool fail(struct tip *t, struct err *err, const char *what)
{
	char path[DIR_PATH];

	t->error = errno;
	dir_path("", t->file_s, path);
	return err_set(err, "%s of the archive: %s: %s", path + 1, what,
		       strerror(t->error));
}

static bool put(struct tip *t, const struct iovec *v, int n, size_t len, struct err *err)
{
	ssize_t done = pwritev(t->fd, v, n, (off_t)t->size);

	if (done == (ssize_t)len)
		return true;
	if (done >= 0)
		errno = ENOSPC; /* a short write says no more than that */
	fail(t, err, "write");
	if (t->error == EIO || ftruncate(t->fd, (off_t)t->size))
		t->suspect = true;
	return false;
}

bool tip_append(struct tip *t, enum frame_type type, uint32_t rows,
		const struct out *head, const struct out *body, struct err *err)
{
	struct frame f = { .type = type, .rows = rows, .ordinal = t->ordinal };
	uint32_t body_len = body ? (uint32_t)body->len : 0;
	uint8_t header[FRAME_HEADER];
	struct iovec v[3] = { { header, sizeof(header) },
			      { head->p, head->len },
			      { body ? body->p : NULL, body_len } };

	frame_seal(&f, head, body_len, header);
	if (!put(t, v, body_len ? 3 : 2, frame_octets(&f), err))
		return false;
	/* Starts the disk now, so that the sync later finds little to wait for. */
	sync_file_range(t->fd, (off_t)t->size, (off_t)frame_octets(&f),
			SYNC_FILE_RANGE_WRITE);
	t->size += frame_octets(&f);
	t->ordinal++;
	t->dirty = true;
	return true;
}

static bool write_head(struct tip *t, struct err *err)
{
	struct out head = { 0 };
	bool ok;

	out_u64(&head, (uint64_t)t->file_s);
	columns_write(&head);
	ok = tip_append(t, FRAME_HEAD, 0, &head, NULL, err);
	free(head.p);
	return ok;
}

/* Whether a HEAD frame's list of columns is the one we would write. */
static bool same_columns(const struct out *head)
{
	struct out ours = { 0 };
	bool same;

	columns_write(&ours);
	same = head->len == ours.len + 8 && !memcmp(head->p + 8, ours.p, ours.len);
	free(ours.p);
	return same;
}

/* Finds the end of the last whole frame. */
static enum tip_got walk(struct tip *t, uint64_t size)
{
	struct out head = { 0 };
	enum tip_got got = TIP_OPEN;
	uint64_t at = 0;
	struct frame f;

	while (frame_next(t->fd, size, &at, &f, &head)) {
		if (f.type == FRAME_HEAD && !same_columns(&head))
			got = TIP_TAKEN;
		if (f.type == FRAME_END)
			got = TIP_TAKEN;
		if (f.type == FRAME_FLOWS) {
			struct in r = in_over(head.p, head.len);
			struct totals more;

			totals_read(&r, &more);
			totals_add(&t->totals, &more);
		}
		at += frame_octets(&f);
		t->size = at;
		t->ordinal = f.ordinal + 1;
	}
	free(head.p);
	return t->size ? got : TIP_OPEN;
}

enum tip_got tip_open(struct tip *t, const char *directory, int64_t file_s, bool make,
		      struct err *err)
{
	char path[DIR_PATH];
	struct stat st;
	struct totals closed;
	enum tip_got got = TIP_OPEN;

	*t = (struct tip){ .fd = -1, .file_s = file_s };
	totals_none(&t->totals);
	if (make && !dir_make(directory, file_s)) {
		fail(t, err, "mkdir");
		return TIP_FAILED;
	}
	t->fd = open(dir_path(directory, file_s, path),
		     O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0640);
	if (t->fd < 0 || fstat(t->fd, &st)) {
		fail(t, err, "open");
		tip_drop(t);
		return TIP_FAILED;
	}
	if (flock(t->fd, LOCK_EX | LOCK_NB) ||
	    file_closed(t->fd, (uint64_t)st.st_size, &closed, NULL))
		got = TIP_TAKEN;
	if (got == TIP_OPEN && st.st_size)
		got = walk(t, (uint64_t)st.st_size);
	if (got == TIP_OPEN && t->size < (uint64_t)st.st_size &&
	    ftruncate(t->fd, (off_t)t->size)) {
		fail(t, err, "truncate");
		got = TIP_FAILED;
	}
	if (got == TIP_OPEN && !t->size && !write_head(t, err))
		got = TIP_FAILED;
	if (got == TIP_OPEN)
		dir_sync(directory, file_s);
	else
		tip_drop(t);
	return got;
}

bool tip_sync(struct tip *t, struct err *err)
{
	if (!t->dirty)
		return true;
	if (fdatasync(t->fd)) {
		t->suspect = true;
		return fail(t, err, "sync");
	}
	t->dirty = false;
	return true;
}

bool tip_close(struct tip *t, struct err *err)
{
	struct out head = { 0 };
	bool ok;

	totals_write(&head, &t->totals);
	ok = tip_append(t, FRAME_END, 0, &head, NULL, err) && tip_sync(t, err);
	free(head.p);
	if (ok)
		tip_drop(t);
	return ok;
}

void tip_drop(struct tip *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}
