/* request_block.h - requests as octets: one block of a request file.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_REQUEST_BLOCK_H
#define CUL_EVIDENCE_REQUEST_BLOCK_H

#include "daemon/evidence/request.h"
#include "storage/archive/format.h"

enum {
	REQUEST_HEADER = 56,
	REQUEST_ROWS = 8192,           /* of a block at most */
	REQUEST_BODY_MAX = 16 << 20,   /* octets of it, unpacked */
};

enum request_block_type { REQUEST_BLOCK = 1, REQUEST_END = 2 };

struct request_header {
	enum request_block_type type;
	uint32_t rows;
	uint32_t packed, unpacked;     /* octets of the body */
	int64_t start_ms, end_ms;      /* least start, greatest end */
	uint64_t body_check;
};

/* Header and body of rows[0..n) behind what is in *out; 0 < n <= REQUEST_ROWS. The header
 * is told in *h too, which may be NULL. */
void request_block_write(const struct request *rows, size_t n, struct out *out,
			 struct request_header *h);
/* A header without body that ends a file: what of time is in it. */
void request_end_write(int64_t start_ms, int64_t end_ms, uint32_t rows, struct out *out);
/* False: no header, or damaged. */
bool request_header_read(const uint8_t p[static REQUEST_HEADER], struct request_header *h);
/* Calls fn for every request of the body (h->packed octets) until it says false; what it is
 * given is borrowed. False: the body is damaged; fn may have seen some of it. */
typedef bool request_f(void *arg, const struct request *r);
bool request_body_read(const struct request_header *h, const uint8_t *body, request_f *fn,
		       void *arg);

#endif
