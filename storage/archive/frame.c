/* frame.c - what a file is made of: header, directory, body.
 * SPDX-License-Identifier: ISC
 *
 * A file is a chain of frames and nothing else. The header's checksum covers
 * header and directory, the directory holds one checksum for each section of
 * the body, so a reader that wants three columns reads and checks three. When
 * a header is not right, the next one is searched for octet by octet: damage
 * costs the frames it touches and no more.
 */
#include "storage/archive/frame.h"

#include <assert.h>
#include <unistd.h>
#include <xxhash.h>

enum { CHECKED = FRAME_HEADER - 8, SEARCH = 64 * 1024, GUESS = 2048 };

uint32_t body_sum(const void *p, size_t len)
{
	return (uint32_t)XXH3_64bits(p, len);
}

static uint64_t check_of(const uint8_t *header, const uint8_t *head, size_t len)
{
	return XXH3_64bits_withSeed(head, len, XXH3_64bits(header, CHECKED));
}

void frame_seal(struct frame *f, const struct out *head, uint32_t body_len,
		uint8_t header[static FRAME_HEADER])
{
	assert(head->len <= FRAME_HEAD_MAX && body_len <= FRAME_BODY_MAX);
	f->head_len = (uint32_t)head->len;
	f->body_len = body_len;
	put_le(header, FRAME_MAGIC, 4);
	put_le(header + 4, f->type, 1);
	put_le(header + 5, FRAME_VERSION, 1);
	put_le(header + 6, 0, 2);
	put_le(header + 8, f->head_len, 4);
	put_le(header + 12, f->body_len, 4);
	put_le(header + 16, f->rows, 4);
	put_le(header + 20, f->ordinal, 4);
	put_le(header + CHECKED, check_of(header, head->p, head->len), 8);
}

bool frame_of(const uint8_t header[static FRAME_HEADER], struct frame *f)
{
	f->type = header[4];
	f->head_len = (uint32_t)get_le(header + 8, 4);
	f->body_len = (uint32_t)get_le(header + 12, 4);
	f->rows = (uint32_t)get_le(header + 16, 4);
	f->ordinal = (uint32_t)get_le(header + 20, 4);
	return get_le(header, 4) == FRAME_MAGIC && header[5] == FRAME_VERSION &&
	       f->head_len <= FRAME_HEAD_MAX && f->body_len <= FRAME_BODY_MAX &&
	       f->rows <= PART_ROWS;
}

bool frame_check(const uint8_t header[static FRAME_HEADER], const uint8_t *head,
		 size_t len)
{
	return get_le(header + CHECKED, 8) == check_of(header, head, len);
}

bool read_at(int fd, void *p, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n <= 0)
			return false;
		p = (uint8_t *)p + n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return true;
}

/* The whole frame at `at`, if there is one. One read is enough for most directories. */
static bool frame_at(int fd, uint64_t size, uint64_t at, struct frame *f,
		     struct out *head)
{
	uint8_t first[GUESS];
	size_t have = size - at < GUESS ? (size_t)(size - at) : GUESS;

	if (have < FRAME_HEADER || !read_at(fd, first, have, at) || !frame_of(first, f) ||
	    frame_octets(f) > size - at)
		return false;
	head->len = 0;
	out_room(head, f->head_len + 8);
	have -= FRAME_HEADER;
	have = have < f->head_len ? have : f->head_len;
	memcpy(head->p, first + FRAME_HEADER, have);
	if (!read_at(fd, head->p + have, f->head_len - have, at + FRAME_HEADER + have))
		return false;
	head->len = f->head_len;
	return frame_check(first, head->p, head->len);
}

/* Where the magic number stands next after `at`; size when nowhere. */
static uint64_t search(int fd, uint64_t size, uint64_t at)
{
	uint8_t buf[SEARCH], magic[4];

	put_le(magic, FRAME_MAGIC, 4);
	while (size - at >= FRAME_HEADER) {
		size_t len = size - at < SEARCH ? (size_t)(size - at) : SEARCH;
		const uint8_t *hit;

		if (!read_at(fd, buf, len, at))
			return size;
		hit = memmem(buf, len, magic, sizeof(magic));
		if (hit)
			return at + (uint64_t)(hit - buf);
		at += len - sizeof(magic) + 1;
	}
	return size;
}

int frame_next(int fd, uint64_t size, uint64_t *at, struct frame *f, struct out *head)
{
	uint64_t from = *at;

	if (from >= size)
		return 0;
	if (frame_at(fd, size, from, f, head))
		return 1;
	for (from = search(fd, size, from + 1); from < size;
	     from = search(fd, size, from + 1)) {
		if (frame_at(fd, size, from, f, head)) {
			*at = from;
			return -1;
		}
	}
	return 0;
}

void totals_none(struct totals *t)
{
	*t = (struct totals){ .start_ms = INT64_MAX,
			      .end_ms = INT64_MIN,
			      .received_ms = { INT64_MAX, INT64_MIN } };
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

void totals_add(struct totals *t, const struct totals *m)
{
	t->start_ms = m->start_ms < t->start_ms ? m->start_ms : t->start_ms;
	t->end_ms = m->end_ms > t->end_ms ? m->end_ms : t->end_ms;
	if (m->received_ms[0] < t->received_ms[0])
		t->received_ms[0] = m->received_ms[0];
	if (m->received_ms[1] > t->received_ms[1])
		t->received_ms[1] = m->received_ms[1];
	t->rows += m->rows;
	t->bytes = add(t->bytes, m->bytes);
	t->packets = add(t->packets, m->packets);
	t->flows = add(t->flows, m->flows);
}

void totals_write(struct out *o, const struct totals *t)
{
	out_u64(o, (uint64_t)t->start_ms);
	out_u64(o, (uint64_t)t->end_ms);
	out_u64(o, (uint64_t)t->received_ms[0]);
	out_u64(o, (uint64_t)t->received_ms[1]);
	out_u64(o, t->rows);
	out_u64(o, t->bytes);
	out_u64(o, t->packets);
	out_u64(o, t->flows);
}

void totals_read(struct in *r, struct totals *t)
{
	t->start_ms = (int64_t)in_u64(r);
	t->end_ms = (int64_t)in_u64(r);
	t->received_ms[0] = (int64_t)in_u64(r);
	t->received_ms[1] = (int64_t)in_u64(r);
	t->rows = in_u64(r);
	t->bytes = in_u64(r);
	t->packets = in_u64(r);
	t->flows = in_u64(r);
}

bool file_closed(int fd, uint64_t size, struct totals *t, uint64_t *check)
{
	uint8_t last[FRAME_HEADER + END_HEAD];
	struct frame f;
	struct in r = in_over(last + FRAME_HEADER, END_HEAD);

	if (size < sizeof(last) ||
	    !read_at(fd, last, sizeof(last), size - sizeof(last)) ||
	    !frame_of(last, &f) || f.type != FRAME_END || f.head_len != END_HEAD ||
	    f.body_len || !frame_check(last, last + FRAME_HEADER, END_HEAD))
		return false;
	totals_read(&r, t);
	if (check)
		*check = get_le(last + CHECKED, 8);
	return true;
}
