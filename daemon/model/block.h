/* block.h - a few thousand flows, one column for each member.
 * SPDX-License-Identifier: ISC
 *
 * Flows travel as blocks from the decoders to the windows and the archive. A
 * column that no flow of the block tells is never touched (`used` has no bit
 * for it) and costs no memory; in a used column a row that does not tell it
 * holds zero. So a decoder writes only what its record has, and a reader may
 * read any column of any row.
 *
 * A block is filled by one thread, then published: from there on it is
 * immutable and counted. A flow text (kind TEXT) is an offset into `text`,
 * where a NUL-terminated string stands; 0 is "not told".
 */
#ifndef CUL_MODEL_BLOCK_H
#define CUL_MODEL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"

struct names;

enum { BLOCK_ROWS = 4096 };

enum field {
#define FIELD(name, type, kind, unit, doc) F_##name,
#include "daemon/model/flow_fields.def"
#undef FIELD
	FIELD_COUNT
};

enum field_kind { KIND_U8, KIND_U16, KIND_U32, KIND_U64, KIND_TIME, KIND_ADDR, KIND_MAC, KIND_TEXT };

enum via { VIA_NONE, VIA_NETFLOW1, VIA_NETFLOW5, VIA_NETFLOW6, VIA_NETFLOW7, VIA_NETFLOW8,
	   VIA_NETFLOW9, VIA_IPFIX, VIA_SFLOW2, VIA_SFLOW4, VIA_SFLOW5, VIA_IMPORT, VIA_COUNT };
enum direction { DIR_UNTOLD, DIR_INGRESS, DIR_EGRESS }; /* flowDirection (IE 61) + 1 */
enum counts { /* D13: every packet counts once */
	COUNT_IN = 1,    /* in of its input interface */
	COUNT_OUT = 2,   /* out of its output interface */
	COUNT_TOTAL = 4, /* in everything that is not about one interface */
};
enum note {
	NOTE_TIME_CLAMPED = 1, /* start or end was impossible and was clamped */
	NOTE_TIME_RECEIVED = 2, /* no usable time: receive time taken */
	NOTE_SAMPLING_GUESSED = 4, /* rate unknown or just changed */
	NOTE_VALUE_CLAMPED = 8, /* bytes or packets were absurd */
	NOTE_REVERSE = 16, /* the reverse half of a biflow (RFC 5103) */
};

struct block {
	uint32_t n;    /* rows */
	uint64_t used; /* bit (1 << F_x) for each column with something in it */
	uint64_t seq;  /* number in the order of analysis, from 1; 0 until then */
	const struct names *names; /* what `exporter` refers to; borrowed */
#define FIELD(name, type, kind, unit, doc) type *name;
#include "daemon/model/flow_fields.def"
#undef FIELD
	char *text;    /* octets of TEXT columns; text[0] is NUL */
	uint32_t text_len, text_cap;
	uint32_t text_last; /* the text stored last, 0: none */
	void *mem;          /* what the columns lie in */
	uint64_t stale;     /* columns with cells of before block_reuse() */
	uint32_t stale_n;   /* in rows [ready, stale_n) */
	uint32_t ready;     /* never below n */
	_Atomic uint32_t refs;
};

struct field_info {
	const char *name, *unit, *doc;
	enum field_kind kind;
	uint8_t width;   /* octets in a column */
	uint16_t offset; /* of the column pointer in struct block */
};
extern const struct field_info field_info[FIELD_COUNT];
int field_find(const char *name); /* enum field, or -1 */

struct block *block_new(const struct names *names); /* empty, one reference */
struct block *block_new_warm(const struct names *names); /* its memory taken at once */
struct block *block_ref(struct block *b);           /* one more */
void block_unref(struct block **b);                 /* the last one frees */
/* Empty again; the caller holds the only reference. */
void block_reset(struct block *b);
/* The same for less: cells are cleared by block_ready(), which whoever fills such a block
 * calls for new rows. */
void block_reuse(struct block *b);
void block_clear(struct block *b, uint32_t rows, uint64_t written); /* for block_ready() */
/* Rows below `rows` are zero now, but for those columns (bits as in `used`) of the new ones
 * that the caller writes whole. */
static inline void block_ready(struct block *b, uint32_t rows, uint64_t written)
{
	if (b->stale && rows > b->ready)
		block_clear(b, rows, written);
}

/* The column of f in b, and the address of one cell. */
static inline void *block_col(const struct block *b, enum field f)
{
	return *(void **)((char *)b + field_info[f].offset);
}
static inline void *block_cell(const struct block *b, enum field f, uint32_t row)
{
	return (char *)block_col(b, f) + (size_t)row * field_info[f].width;
}
/* Says that the column is used; decoders call it once before writing cells. */
static inline void block_use(struct block *b, enum field f)
{
	b->used |= UINT64_C(1) << f;
}
static inline bool block_uses(const struct block *b, enum field f)
{
	return b->used >> f & 1;
}

/* Stores len octets as text (NUL and what follows cut off); 0 for the empty text and
 * when the block's 1 MiB of text is full. The same text as the last one is stored once. */
uint32_t block_text(struct block *b, const void *s, size_t len);
static inline const char *block_text_at(const struct block *b, uint32_t at)
{
	return at < b->text_len ? b->text + at : "";
}

/* A cell as unsigned number (any kind but ADDR); zero for an unused column. */
uint64_t block_u64(const struct block *b, enum field f, uint32_t row);

#endif
