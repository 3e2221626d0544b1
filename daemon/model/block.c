/* block.c - columns of flows: memory and access.
 * SPDX-License-Identifier: ISC
 *
 * All columns of a block lie in one zeroed mapping of BLOCK_ROWS rows each;
 * the kernel gives pages only to columns that are written. A block in steady use gets
 * the same columns again and again, whole; so block_reuse() leaves them as they are,
 * and only what new rows do not bring is cleared, when the rows come.
 */
#include "daemon/model/block.h"

#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

#define FIELD(name, type, kind, unit, doc)                                            \
	{ #name, unit, doc, KIND_##kind, sizeof(type), offsetof(struct block, name) },
const struct field_info field_info[FIELD_COUNT] = {
#include "daemon/model/flow_fields.def"
};
#undef FIELD

_Static_assert(FIELD_COUNT <= 64, "struct block's `used` has 64 bits");

int field_find(const char *name)
{
	for (int f = 0; f < FIELD_COUNT; f++)
		if (!strcmp(field_info[f].name, name))
			return f;
	return -1;
}

static void set_col(struct block *b, int f, void *p)
{
	*(void **)((char *)b + field_info[f].offset) = p;
}

static struct block *make(const struct names *names, bool warm)
{
	struct block *b = xcalloc(1, sizeof(*b));
	size_t size = 0;
	char *p;

	/* Columns start on cache lines of their own. */
	for (int f = 0; f < FIELD_COUNT; f++)
		size += (size_t)field_info[f].width * BLOCK_ROWS;
	p = warm ? xcalloc_warm(1, size + 64) : xcalloc(1, size + 64);
	b->mem = p;
	p += -(uintptr_t)p & 63;
	for (int f = 0; f < FIELD_COUNT; f++) {
		set_col(b, f, p);
		p += (size_t)field_info[f].width * BLOCK_ROWS;
	}
	b->names = names;
	b->refs = 1;
	return b;
}

struct block *block_new(const struct names *names)
{
	return make(names, false);
}

struct block *block_new_warm(const struct names *names)
{
	return make(names, true);
}

struct block *block_ref(struct block *b)
{
	b->refs++;
	return b;
}

void block_unref(struct block **bp)
{
	struct block *b = *bp;

	*bp = NULL;
	if (!b || --b->refs)
		return;
	free(b->mem);
	free(b->text);
	free(b);
}

static void clear(struct block *b, uint64_t columns, uint32_t from, uint32_t to)
{
	for (; columns; columns &= columns - 1) {
		enum field f = (enum field)__builtin_ctzll(columns);

		memset(block_cell(b, f, from), 0, (size_t)(to - from) * field_info[f].width);
	}
}

void block_clear(struct block *b, uint32_t rows, uint64_t written)
{
	uint32_t to = rows < b->stale_n ? rows : b->stale_n;

	if (b->ready < to)
		clear(b, b->stale & ~written, b->ready, to);
	b->ready = rows;
}

void block_reuse(struct block *b)
{
	/* What this filling did not use is clean up to where it was made ready. */
	if (b->ready < b->stale_n)
		clear(b, b->stale & ~b->used, b->ready, b->stale_n);
	if (!(b->stale & b->used) || b->stale_n < b->n)
		b->stale_n = b->n;
	b->stale = b->used;
	b->ready = 0;
	b->n = 0;
	b->used = 0;
	b->seq = 0;
	b->text_len = 0;
	b->text_last = 0;
}

void block_reset(struct block *b)
{
	block_reuse(b);
	clear(b, b->stale, 0, b->stale_n);
	b->stale = 0;
	b->stale_n = 0;
}

static bool room(struct block *b, size_t more)
{
	size_t want = b->text_len + more;

	if (want > TEXT_MAX)
		return false;
	if (want > b->text_cap) {
		b->text_cap = want < 4096 ? 4096 : (uint32_t)(want + want / 2);
		b->text = xrealloc(b->text, b->text_cap, 1);
	}
	return true;
}

uint32_t block_text(struct block *b, const void *s, size_t len)
{
	uint32_t at;

	len = strnlen(s, len);
	if (!len || !room(b, len + 2))
		return 0;
	if (!b->text_len)
		b->text[b->text_len++] = '\0';
	if (b->text_last && !strncmp(b->text + b->text_last, s, len) &&
	    !b->text[b->text_last + len])
		return b->text_last;
	at = b->text_len;
	memcpy(b->text + at, s, len);
	b->text[at + len] = '\0';
	b->text_len += (uint32_t)len + 1;
	b->text_last = at;
	return at;
}

uint64_t block_u64(const struct block *b, enum field f, uint32_t row)
{
	const void *cell = block_cell(b, f, row);
	uint64_t v = 0;

	switch (field_info[f].kind) {
	case KIND_U8: return *(const uint8_t *)cell;
	case KIND_U16: return *(const uint16_t *)cell;
	case KIND_U32:
	case KIND_TEXT: return *(const uint32_t *)cell;
	case KIND_U64:
	case KIND_TIME:
	case KIND_MAC: memcpy(&v, cell, sizeof(v)); return v;
	case KIND_ADDR: break;
	}
	return 0;
}
