/* part_impl.h - between the files of part: what is known of an open part.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_PART_IMPL_H
#define CUL_ARCHIVE_PART_IMPL_H

#include "storage/archive/addrs.h"
#include "storage/archive/part.h"

enum { SLACK = 8, FIELDS = 64 };

struct section {
	bool here;
	uint8_t form;
	uint64_t min, max;       /* numbers; SECTION_TEXTS: texts, octets */
	struct addr least, most; /* address columns */
	uint32_t at, len, sum;   /* in the body */
};

struct part {
	int fd;
	uint64_t body_at; /* in the file */
	uint32_t n, body_len;
	struct totals totals;
	const struct columns *columns;
	const struct file_names *ids;
	struct section col[FIELDS], addrs, texts;
	uint32_t n_addrs;
	uint64_t here, loaded;  /* columns */
	int8_t parent[FIELDS];  /* of a loaded column in form FUNC */
	uint64_t have_codes, have_small;
	bool have_addrs, have_texts, have_pass;
	uint8_t *pass; /* by code */
	struct unpacker *unpacker;
	uint8_t *raw;           /* a section */
	size_t raw_cap;
	uint8_t *data[FIELDS];  /* PART_ROWS each, from first use */
	uint32_t *codes[FIELDS];
	uint32_t *small[FIELDS]; /* what part_ints() lends */
	struct addr *list;      /* the dictionary */
	char *text;
	uint32_t text_len, *text_at;
	uint32_t *ints, *ints2; /* PART_ROWS each */
	uint8_t *zeros;
	struct block block;
	uint8_t *picked[FIELDS]; /* BLOCK_ROWS each */
	uint32_t picked_codes[BLOCK_ROWS];
	struct block few;
};

/* A section's octets, checked; r holds until the next call. False: damaged. */
bool part_fetch(struct part *p, const struct section *s, struct in *r);
bool part_load_addrs(struct part *p);
bool part_load_texts(struct part *p);
bool part_load_codes(struct part *p, int f); /* of an address column in form DICT */
bool part_load_column(struct part *p, int f);
int part_parent(const struct part *p, uint8_t id); /* an address column; -1: it is none */
/* Numbers of a column, without s->min, into p->ints; wide ones' high halves are *hi. */
bool part_numbers(struct part *p, struct in *r, const struct section *s, uint32_t n,
		  const uint32_t **hi);
/* From the file's numbers of exporters to ids. */
bool part_exporters(const struct part *p, uint8_t *column, uint32_t n);
bool part_all_below(const uint32_t *codes, uint32_t rows, uint32_t n);
void part_store(uint8_t *to, unsigned width, uint32_t i, uint64_t v); /* a cell */

#endif
