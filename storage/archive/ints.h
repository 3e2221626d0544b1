/* ints.h - lists of integers in few octets.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_INTS_H
#define CUL_ARCHIVE_INTS_H

#include "storage/archive/format.h"

enum { ESCAPE = 255 }; /* the code in form FREQ that stands for none of the frequent values */

/* One for each thread that writes; not shared. */
struct packer;

struct packer *packer_new(void);
void packer_free(struct packer **p);

/* What v would take, in octets; looks at a sample. */
double ints_estimate(struct packer *p, const uint32_t *v, size_t n);
/* Appends v in its smallest form. n <= PART_ROWS. */
void ints_write(struct packer *p, struct out *o, const uint32_t *v, size_t n);
/* The same when no value is over `most`, and that is the largest, or has as many bits. */
void ints_write_upto(struct packer *p, struct out *o, const uint32_t *v, size_t n,
		     uint32_t most);
/* The same as ints_write, for lists that queries read most: larger, unless much is saved. */
void ints_write_fast(struct packer *p, struct out *o, const uint32_t *v, size_t n);
/* Appends n octets as one plane. */
void plane_write(struct packer *p, struct out *o, const uint8_t *v, size_t n);
void text_write(struct packer *p, struct out *o, const char *s, size_t n); /* likewise */

/* One for each thread that reads; not shared. */
struct unpacker;

struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker **u);
/* Room for UNPACKER_PLANES planes, the caller's until u's next caller; threads have small
 * stacks in places. */
enum { UNPACKER_PLANES = 4 };
uint8_t (*unpacker_planes(struct unpacker *u))[PART_ROWS];

/* The inverse: fill out[0..n) and move r on; false: r holds something else. Eight octets
 * past r->end must be readable (their value does not matter). */
bool ints_read(struct unpacker *u, struct in *r, uint32_t *out, size_t n);
bool plane_read(struct unpacker *u, struct in *r, uint8_t *out, size_t n);
/* The same for k of the n integers, those at rows[0] < rows[1] ...: out[0..k). */
bool ints_pick(struct unpacker *u, struct in *r, size_t n, const uint32_t *rows, size_t k,
	       uint32_t *out);

#endif
