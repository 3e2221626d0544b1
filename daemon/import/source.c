/* source.c - what all readers of files share.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/import/source.h"

#include <string.h>

#include "daemon/base/mem.h"

enum { DAY_MS = 86400000 };
static const int64_t first_ms = INT64_C(315532800000); /* 1980: before that, no NetFlow */

static const struct source *const sources[] = {
	&source_nfdump, &source_flowtools,
	&source_csv, /* last: anything may be text */
};

const struct source *source_find(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (sources[i]->is(head, n))
			return sources[i];
	return NULL;
}

static bool possible(const struct rows *r, int64_t ms)
{
	return ms >= first_ms && ms <= r->now_ms + DAY_MS;
}

/* Start, end and receive time, of what there is of them. */
static void mend_times(struct rows *r, struct block *b, uint32_t i)
{
	int64_t start = b->start_ms[i], end = b->end_ms[i], received = b->received_ms[i];

	if (!possible(r, received))
		received = possible(r, end) ? end : possible(r, start) ? start : r->file_ms;
	if (possible(r, start) && possible(r, end) && start <= end)
		goto done;
	if (!possible(r, start) && !possible(r, end)) {
		r->no_time += !possible(r, b->received_ms[i]);
		start = end = received;
		ROW(b, i, notes, b->notes[i] | NOTE_TIME_RECEIVED);
	} else {
		if (!possible(r, end) || (possible(r, start) && end < start))
			end = start;
		else
			start = end;
		ROW(b, i, notes, b->notes[i] | NOTE_TIME_CLAMPED);
	}
done:
	b->start_ms[i] = start;
	b->end_ms[i] = end;
	b->received_ms[i] = received;
}

bool rows_flush(struct rows *r, struct err *err)
{
	struct block *b = r->block;
	bool ok;

	if (!b->n)
		return true;
	block_use(b, F_start_ms);
	block_use(b, F_end_ms);
	block_use(b, F_received_ms);
	block_use(b, F_via);
	memset(b->via, VIA_IMPORT, b->n);
	for (uint32_t i = 0; i < b->n; i++)
		mend_times(r, b, i);
	/* Rows hold the number of their exporter + 1 until now: 0 is one, too. */
	for (uint32_t i = 0; i < b->n; i++) {
		r->no_exporter += !b->exporter[i] && !r->fixed;
		b->exporter[i] = b->exporter[i] && !r->fixed ? b->exporter[i] - 1
							     : r->exporter;
	}
	block_use(b, F_exporter);
	r->n += b->n;
	ok = r->full(r->arg, b, err);
	block_reset(b);
	return ok;
}

bool rows_new(struct rows *r, uint32_t *row, struct err *err)
{
	if (r->block->n == BLOCK_ROWS && !rows_flush(r, err))
		return false;
	*row = r->block->n++;
	return true;
}

uint32_t rows_exporter(struct rows *r, const struct addr *a)
{
	const struct exporter *e;

	if (r->fixed || addr_is_none(a))
		return 0;
	e = names_exporter(r->names, a, 0);
	return e ? e->id + 1 : 0;
}
