/* source.h - one reader for each kind of file with flows in it.
 * SPDX-License-Identifier: ISC
 *
 * A reader turns a feed into rows of blocks. It writes what its records tell; what every
 * imported row has (protocol "import", an exporter, a receive time, times that are possible)
 * is added when a block is full. Nothing is believed: every length is held against what
 * is there, and a file that is broken in any place is refused whole.
 */
#ifndef CUL_IMPORT_SOURCE_H
#define CUL_IMPORT_SOURCE_H

#include "daemon/import/feed.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"

struct calendar;

struct rows {
	struct block *block;
	struct names *names;
	uint32_t exporter;  /* of rows that do not tell theirs */
	bool fixed;         /* `exporter` holds whatever they tell */
	const struct calendar *calendar; /* times without a zone; NULL: UTC */
	int64_t now_ms;     /* flows can end no later, a day apart */
	int64_t file_ms;    /* when a row tells no possible time at all */
	bool (*full)(void *arg, struct block *b, struct err *err); /* borrows b */
	void *arg;
	/* filled while reading */
	uint64_t n, no_exporter, no_time;
	uint64_t skipped;   /* records that are no flows */
	bool told;          /* the file says itself how much it holds */
	uint64_t flows, bytes, packets;
};

/* Number of a new row, all zero; first_bit: columns that it will have. False + err: full()
 * said no. */
bool rows_new(struct rows *r, uint32_t *row, struct err *err);
bool rows_flush(struct rows *r, struct err *err);
/* The exporter that has that address, as a number for the column. */
uint32_t rows_exporter(struct rows *r, const struct addr *a);

struct source {
	const char *name; /* "nfdump file" */
	bool (*is)(const uint8_t *head, size_t n); /* by the first octets, n <= 64 Ki */
	bool (*read)(struct feed *f, struct rows *r, struct err *err);
};

extern const struct source source_nfdump, source_flowtools, source_csv;

/* The one that knows such a beginning; NULL: none. */
const struct source *source_find(const uint8_t *head, size_t n);

#define ROW(b, row, column, value)                                                           \
	do {                                                                                 \
		block_use(b, F_##column);                                                    \
		(b)->column[row] = (value);                                                  \
	} while (0)

/* A number of 1, 2, 4 or 8 octets in either order. */
static inline uint64_t octets_u(const uint8_t *p, unsigned n, bool big)
{
	uint64_t v = 0;

	if (big) {
		for (unsigned i = 0; i < n; i++)
			v = v << 8 | p[i];
		return v;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__builtin_memcpy(&v, p, n);
#else
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
#endif
	return v;
}

static inline struct addr addr_of_u32(uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			 (uint8_t)v };
	return addr_of4(b);
}

static inline struct addr addr_of_u64(uint64_t hi, uint64_t lo)
{
	struct addr a;

	for (int i = 0; i < 8; i++) {
		a.b[i] = (uint8_t)(hi >> (56 - 8 * i));
		a.b[8 + i] = (uint8_t)(lo >> (56 - 8 * i));
	}
	return a;
}

#endif
