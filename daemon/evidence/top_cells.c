/* top_cells.c - when there are more keys than memory: sums by hash.
 * SPDX-License-Identifier: ISC
 *
 * A worker whose table is full pours it into cells: one number for each of some millions
 * of hashes, to which everything that it still meets is added. No key of a cell can have
 * more than the cell. So after one reading it is known where the first of a list can be: in
 * the heaviest cells. A second reading counts the keys of those alone, exactly. When
 * the last one wanted has more than any other cell, nobody else could be before it
 * and the list is the true one, to the byte.
 *
 * Almost always it is, since what people ask for has a few large ones and very many
 * small ones. Where all are alike (flows by number of flows) the keys are dealt into lots
 * (top.c), a reading for each. The price of cells: it is not known how many keys there were.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/largest.h"
#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_MIN = 1 << 12, CELLS_MAX = 1 << 21, HEAVY_MOST = 1 << 13 };

void top_cells_size(struct top *t, uint64_t octets)
{
	t->n_cells = CELLS_MIN;
	while (t->n_cells < CELLS_MAX && (uint64_t)t->n_cells * 2 * sizeof(uint64_t) <= octets)
		t->n_cells *= 2;
}

void top_cells_spill(const struct top *t, struct top_worker *w)
{
	struct map *map = &w->map;
	uint32_t at = 0, max = map->max;
	const void *key;
	void *v;

	w->cells = xcalloc(t->n_cells, sizeof(*w->cells));
	while (map_next(map, &at, &key, &v))
		top_cells_add(t, w, map_hash(key, t->shape.size), v);
	map_fini(map);
	map_init(map, t->shape.size, sizeof(struct sums), max);
}

static uint64_t nth_largest(const uint64_t *v, size_t count, size_t n)
{
	uint64_t *heap = xcalloc(n, sizeof(*heap)), least;

	for (size_t i = 0; i < count; i++)
		largest_offer(heap, n, v[i]);
	least = heap[0];
	free(heap);
	return least;
}

/* All workers' cells into the first one's. */
static const uint64_t *together(struct top *t)
{
	uint64_t *all;

	for (unsigned i = 0; i < t->n_workers; i++)
		if (!t->workers[i].cells)
			top_cells_spill(t, &t->workers[i]);
	all = t->workers[0].cells;
	for (unsigned i = 1; i < t->n_workers; i++) {
		const uint64_t *more = t->workers[i].cells;

		for (uint32_t c = 0; c < t->n_cells; c++)
			top_cell_more(&all[c], more[c]);
	}
	return all;
}

/* So many that their keys, as many as there can be, fill half a table at most. */
static size_t how_many(const struct top *t)
{
	size_t wanted = (size_t)t->q->n * 4, n = HEAVY_MOST, fit;
	uint64_t flows = 0;

	for (unsigned i = 0; i < t->n_workers; i++)
		flows += t->workers[i].total.flows;
	fit = t->workers[0].map.max / 2 / (flows / t->n_cells + 2);
	n = n > fit ? fit : n;
	return n < wanted ? wanted : n;
}

void top_cells_choose(struct top *t)
{
	const uint64_t *all = together(t);

	t->bound = nth_largest(all, t->n_cells, how_many(t));
	free(t->heavy);
	t->heavy = xcalloc(t->n_cells / 8, 1);
	for (uint32_t c = 0; c < t->n_cells; c++)
		if (all[c] > t->bound)
			t->heavy[c / 8] |= (uint8_t)(1 << c % 8);
	top_cells_free(t);
}

void top_cells_free(struct top *t)
{
	for (unsigned i = 0; i < t->n_workers; i++) {
		free(t->workers[i].cells);
		t->workers[i].cells = NULL;
	}
}
