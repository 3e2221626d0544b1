/* frame.h - what a file is made of: header, directory, body.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_FRAME_H
#define CUL_ARCHIVE_FRAME_H

#include "storage/archive/format.h"

struct frame {
	enum frame_type type;
	uint32_t head_len, body_len; /* octets */
	uint32_t rows;               /* FLOWS: how many */
	uint32_t ordinal;            /* place in the file, from 0 */
};

/* Fills f->head_len and the 32 octets before head. */
void frame_seal(struct frame *f, const struct out *head, uint32_t body_len,
		uint8_t header[static FRAME_HEADER]);
/* The header's fields, in bounds; the checksum needs the directory as well. */
bool frame_of(const uint8_t header[static FRAME_HEADER], struct frame *f);
bool frame_check(const uint8_t header[static FRAME_HEADER], const uint8_t *head, size_t len);
uint32_t body_sum(const void *p, size_t len); /* of a section */

static inline uint64_t frame_octets(const struct frame *f)
{
	return FRAME_HEADER + (uint64_t)f->head_len + f->body_len;
}

/* The frame that begins at or after *at (moved there), with its directory in *head
 * (grown as needed; eight octets of slack). 1: found; 0: nothing more that is whole, *at
 * is where whole frames end; -1: as 1, but octets before it had to be passed over.
 * A frame whose body is not all there is not whole. */
int frame_next(int fd, uint64_t size, uint64_t *at, struct frame *f, struct out *head);

/* What an END frame tells of its file. */
struct totals {
	int64_t start_ms, end_ms;       /* least start, greatest end of its flows */
	int64_t received_ms[2];         /* first and last */
	uint64_t rows, bytes, packets, flows;
};

void totals_none(struct totals *t); /* of no flows */
void totals_add(struct totals *t, const struct totals *more);
void totals_write(struct out *o, const struct totals *t); /* END_HEAD octets */
void totals_read(struct in *r, struct totals *t);
/* Reads the END frame of a closed file, and its check when check is not NULL; false when
 * there is none. */
bool file_closed(int fd, uint64_t size, struct totals *t, uint64_t *check);

/* pread until len octets are there; false: error or end of file. */
bool read_at(int fd, void *p, size_t len, uint64_t at);

#endif
