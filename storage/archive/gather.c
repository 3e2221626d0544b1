/* gather.c - blocks put together and turned into a FLOWS frame.
 * SPDX-License-Identifier: ISC
 *
 * Larger frames than blocks: dictionaries and entropy tables are paid once for
 * up to 65,536 rows. Columns are copied into arrays of our own, so that blocks
 * go back to the decoders at once.
 *
 * gather_write.c turns them into a frame.
 */
#include "storage/archive/gather_impl.h"

#include <stdlib.h>

enum { SEEN = 64 };

struct gather *gather_new(void)
{
	struct gather *g = xcalloc(1, sizeof(*g));

	g->packer = packer_new();
	g->addrs = addrs_new();
	g->wide2 = xcalloc_warm(PART_ROWS, sizeof(*g->wide2));
	g->narrow = xcalloc_warm(PART_ROWS, sizeof(*g->narrow));
	g->map = xcalloc_warm(PART_ROWS, sizeof(*g->map));
	/* What nearly every exporter tells stands before it. */
	for (int f = 0; f <= F_next_hop; f++)
		g->col[f] = xcalloc_warm(PART_ROWS, field_info[f].width);
	map_init(&g->text_by_hash, sizeof(uint64_t), sizeof(uint32_t), TEXTS_MAX);
	gather_clear(g);
	return g;
}

void gather_free(struct gather **gp)
{
	struct gather *g = *gp;

	if (!g)
		return;
	for (int f = 0; f < FIELD_COUNT; f++) {
		free(g->col[f]);
		free(g->codes[f]);
		free(g->row_of[f]);
	}
	free(g->text);
	free(g->text_at);
	map_fini(&g->text_by_hash);
	packer_free(&g->packer);
	addrs_free(&g->addrs);
	free(g->wide2);
	free(g->narrow);
	free(g->map);
	free(g);
	*gp = NULL;
}

uint32_t gather_rows(const struct gather *g)
{
	return g->n;
}

void gather_clear(struct gather *g)
{
	g->n = 0;
	g->used = g->coded = 0;
	g->text_len = g->texts = 0;
	map_clear(&g->text_by_hash);
}

/* ---- taking rows ---- */

static uint32_t text_number(struct gather *g, const char *s)
{
	size_t len = strlen(s) + 1;
	uint64_t hash = map_hash(s, len);
	uint32_t *known = map_get(&g->text_by_hash, &hash);

	if (known && !strcmp(g->text + g->text_at[*known], s))
		return *known;
	if (g->text_len + len > g->text_cap) {
		g->text_cap = (g->text_len + len) * 2;
		g->text = xrealloc(g->text, g->text_cap, 1);
	}
	if (g->texts == g->text_at_cap) {
		g->text_at_cap = g->text_at_cap ? g->text_at_cap * 2 : 64;
		g->text_at = xrealloc(g->text_at, g->text_at_cap, sizeof(*g->text_at));
	}
	memcpy(g->text + g->text_len, s, len);
	g->text_at[g->texts] = (uint32_t)g->text_len;
	g->text_len += len;
	known = map_put(&g->text_by_hash, &hash, NULL);
	if (known)
		*known = g->texts;
	return g->texts++;
}

static void take_texts(struct gather *g, const struct block *b, enum field f)
{
	const uint32_t *from = block_col(b, f);
	uint32_t *to = (uint32_t *)g->col[f] + g->n, last = 0, number = 0;

	if (!g->texts)
		text_number(g, "");
	for (uint32_t r = 0; r < b->n; r++) {
		if (from[r] != last) {
			last = from[r];
			number = text_number(g, block_text_at(b, last));
		}
		to[r] = number;
	}
}

static void take_column(struct gather *g, const struct block *b, int f)
{
	size_t width = field_info[f].width;
	uint64_t bit = UINT64_C(1) << f;

	if (!(b->used & bit)) {
		if (g->used & bit)
			memset(g->col[f] + g->n * width, 0, b->n * width);
		return;
	}
	if (!g->col[f])
		g->col[f] = xcalloc(PART_ROWS, width);
	if (!(g->used & bit))
		memset(g->col[f], 0, g->n * width);
	if (field_info[f].kind == KIND_TEXT)
		take_texts(g, b, (enum field)f);
	else
		memcpy(g->col[f] + g->n * width, block_col(b, (enum field)f),
		       b->n * width);
}

/* Which of 64 neighbouring numbers occur, as bits; false: others do as well. */
FAST_LOOPS static bool neighbours(const uint32_t *index, uint32_t n, uint64_t *which)
{
	uint32_t base = index[0] & ~UINT32_C(63), far = 0;
	uint64_t seen = 0;

	for (uint32_t r = 0; r < n; r++) {
		far |= index[r] ^ base;
		seen |= UINT64_C(1) << (index[r] & 63);
	}
	*which = seen;
	return far < 64;
}

/* Tells the interfaces of a column. Mostly they are a router's first few; else a small
 * table of this block's sees without a call that one was told a few rows ago. */
static void take_interfaces(const struct block *b, const uint32_t *index, bool alone,
			    struct naming *names)
{
	uint64_t seen[SEEN] = { 0 }, which;

	if (alone && b->n && neighbours(index, b->n, &which)) {
		for (; which; which &= which - 1)
			naming_interface(names, b->exporter[0],
					 (index[0] & ~UINT32_C(63)) +
					     (uint32_t)__builtin_ctzll(which));
		return;
	}
	for (uint32_t r = 0; r < b->n; r++) {
		uint64_t key = (uint64_t)b->exporter[r] << 32 | index[r];
		uint64_t *at = &seen[(index[r] ^ b->exporter[r] * 31) % SEEN];

		if (*at == key + 1)
			continue;
		*at = key + 1;
		naming_interface(names, b->exporter[r], index[r]);
	}
}

static void take_exporters(struct gather *g, const struct block *b, struct naming *names)
{
	uint32_t *to = (uint32_t *)g->col[F_exporter] + g->n, local = 0;
	bool alone = true;

	for (uint32_t r = 0; r < b->n; r++) {
		if (!r || b->exporter[r] != b->exporter[r - 1]) {
			local = naming_exporter(names, b->exporter[r]);
			alone = !r;
		}
		to[r] = local;
	}
	if (block_uses(b, F_in_if))
		take_interfaces(b, b->in_if, alone, names);
	if (block_uses(b, F_out_if))
		take_interfaces(b, b->out_if, alone, names);
}

bool gather_add(struct gather *g, const struct block *b, struct naming *names)
{
	uint64_t used = b->used | UINT64_C(1) << F_exporter; /* 0 is an exporter too */

	if (g->n && (g->n + b->n > PART_ROWS || g->text_len + b->text_len > TEXTS_MAX))
		return false;
	for (int f = 0; f < FIELD_COUNT; f++)
		if (f != F_exporter)
			take_column(g, b, f);
	take_exporters(g, b, names);
	g->used |= used;
	g->n += b->n;
	return true;
}
